"""Sees to it that the Debian packages of infra/debian-packages.txt are there.

`python -m infra.debian_packages [NAME...]`: the named ones, or all. Root on Debian gets what is
missing installed, without any of it being started; anybody else gets told what to install.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIST = Path(__file__).with_name("debian-packages.txt")
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked by Debian before a package's installation starts a service; exit 101 forbids it."""


def listed_packages() -> list[str]:
    """Return the names in the list, without its comments."""
    lines = (line.partition("#")[0].strip() for line in LIST.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def is_installed(package: str) -> bool:
    """Ask dpkg whether a package is there and configured."""
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return query.stdout == "installed"


@contextmanager
def nothing_gets_started() -> Iterator[None]:
    """Forbid packages to start their services while the block runs, then restore the policy."""
    saved = POLICY.with_name("policy-rc.d.before-dicom-router")
    if POLICY.exists() and not saved.exists():
        POLICY.rename(saved)
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n", "utf-8")
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)
        if saved.exists():
            saved.rename(POLICY)


def install(packages: list[str]) -> None:
    """Install packages with apt-get; raises CalledProcessError when it cannot."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    subprocess.run([*apt, "update"], env=environment, stdout=subprocess.DEVNULL, check=True)
    with nothing_gets_started():
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def main(names: list[str]) -> int:
    """Install or name what is missing; only an installation that fails is an error."""
    if shutil.which("dpkg-query") is None:
        return 0  # no Debian: what is really missing shows where it is used
    missing = [name for name in names or listed_packages() if not is_installed(name)]
    if not missing:
        return 0
    wanted = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Missing here: {wanted}. To install: sudo apt-get install {wanted}", file=sys.stderr)
        return 0
    print(f"Installing {wanted}.", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        install(missing)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        text = f"Could not install {wanted}: {command} ended with {error.returncode}."
        print(text, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
