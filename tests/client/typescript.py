"""Generates the TypeScript client from `openapi.json`, and compiles programs that use it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import skip_or_fail

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
DOCUMENT = CHECKOUT / "services/api/web/openapi.json"
_PACKAGES = HERE / "node_modules"


class Compiled:
    """Programs in a folder, beside the client in `router/`."""

    def __init__(self, folder: Path, programs: Mapping[str, str]) -> None:
        if not _PACKAGES.is_dir():
            skip_or_fail(f"the packages of {HERE.name} are not installed: run `make test` once")
        self._folder = folder
        (folder / "node_modules").symlink_to(_PACKAGES)
        (folder / "tsconfig.json").write_text((HERE / "tsconfig.json").read_text("utf-8"))
        for name, text in programs.items():
            (folder / f"{name}.ts").write_text(text, "utf-8")
        self._run("openapi-ts", "--input", str(DOCUMENT), "--output", "router")
        self._run("tsc", "--project", ".")

    def command(self, name: str) -> list[str]:
        """How to run a program."""
        return ["node", str(self._folder / "built" / f"{name}.js")]

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            ["node", str(_PACKAGES / ".bin" / tool), *arguments],
            cwd=self._folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def environment() -> dict[str, str]:
    """With the Node.js in .venv, where the machine has none that is new enough."""
    return {**os.environ, "PATH": f"{CHECKOUT / '.venv/node/bin'}:{os.environ['PATH']}"}
