"""`make contract`: the API against its document for longer, in every role.

make contract ARGS="--examples 200 --seed 7"
make contract ARGS=--postgresql       on a PostgreSQL of its own, instead of SQLite
"""

import argparse
import os
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from infra.private_services import PrivatePostgres
from tests.contract.names import ROLES
from tests.contract.run import scene


def main() -> int:
    """Ask in every role; 1 if the API did something that its document does not say."""
    given = _given()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="contract-")))
        settings = {}
        if given.postgresql:
            database = PrivatePostgres(folder / "postgres", fsync=False)
            stack.callback(database.close)
            database.start()
            settings["ROUTER_DATABASE_URL"] = database.url
        for name in [name for name in os.environ if name.startswith(("ROUTER_", "TARGET_"))]:
            del os.environ[name]
        asked = stack.enter_context(scene(folder, **settings))
        options = ("--seed", str(given.seed), "--max-examples", str(given.examples))
        print(f"{DATABASES[given.postgresql]}, {' '.join(options)}", flush=True)
        results = []
        for role in given.role or ROLES:
            result = asked.ask(role, folder, *options)
            results.append(result)
            print(result, flush=True)
            if result.failures:
                print(result.output, flush=True)
    return 1 if any(each.failures for each in results) else 0


DATABASES = {False: "SQLite", True: "PostgreSQL"}


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="for each operation")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--role", choices=ROLES[1:], action="append", help="of all, only this one")
    parser.add_argument("--postgresql", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
