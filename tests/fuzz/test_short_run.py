"""A short run of the attack; `make fuzz` is the long one."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.run import run


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_mutated_pdus_and_data_sets_neither_end_nor_block_nor_swell_the_router(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seed = secrets.token_hex(4)
    figure(f"seed {seed}")
    for line in run(tmp_path, 3000, 400, seed):
        if line[0] != " ":
            figure(line)
