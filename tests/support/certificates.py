"""Certificates for tests, made with openssl: authorities, what they sign, and what has expired."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """The PEM files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own in a folder."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._number = folder, 0
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", *_KEY, "-days", "3650", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, names: str = "IP:127.0.0.1,DNS:localhost", *, days: int = 365) -> Pair:
        """A certificate for these alternative names and its key; with -1 day it has expired."""
        self._number += 1
        stem = self._folder / f"pair-{self._number}"
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        _openssl("req", "-new", *_KEY, "-subj", "/CN=router", "-keyout", pair.key, "-out", request)
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl(
            "x509", "-req", "-in", request, "-extfile", extensions,
            "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", days, "-out", pair.certificate,
        )  # fmt: skip
        return pair


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
