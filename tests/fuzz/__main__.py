"""`python -m tests.fuzz --pdus 100000 --data-sets 10000 --seed 1`: an attack on a whole router."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import run


def main() -> int:
    """Attack; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--pdus", type=int, default=100_000, help="mutated PDUs to send")
    parser.add_argument("--data-sets", type=int, default=10_000, help="mutated data sets to store")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of an earlier run, to repeat")
    arguments = parser.parse_args()
    print(f"seed: {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        try:
            for line in run(Path(folder), arguments.pdus, arguments.data_sets, arguments.seed):
                print(line, flush=True)
        except AssertionError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
