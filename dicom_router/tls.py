"""TLS for DICOM as the BCP 195 profiles want it (PS3.15 B.9 to B.11), from files that may change.

TLS 1.2 or newer, suites with forward secrecy and authenticated encryption only. Whoever holds a
`Reloading` gets a context of the files as they are now, or as they were when they last were good.
"""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_router.errors import ConfigurationError
from dicom_router.log import Log, get_logger
from dicom_router.said import Said, as_said, cause_of, said
from dicom_router.settings import Settings

# Those of TLS 1.2; TLS 1.3 has no others. SECLEVEL 2: keys of 112 bits of security (RSA 2048).
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

_PEM_BEGIN, _PEM_END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_VERSION, _UTC_TIME = 0xA0, 0x17  # tags of DER (X.690)

log = get_logger()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: our certificate with its chain, its key, and the authorities that we trust."""

    certificate: Path | None
    key: Path | None
    authorities: Path | None
    prefix: str = "ROUTER_DICOM_TLS"  # of the variables that name them

    @classmethod
    def of_dicom(cls, settings: Settings) -> "TlsFiles":
        """Those of ROUTER_DICOM_TLS_*."""
        return cls(settings.dicom_tls_cert, settings.dicom_tls_key, settings.dicom_tls_ca)

    @property
    def named(self) -> str:
        """The variables that are set, with their values, for a person."""
        given = {"CERT": self.certificate, "KEY": self.key, "CA": self.authorities}
        return ", ".join(f"{self.prefix}_{name}={path}" for name, path in given.items() if path)

    def stamp(self) -> tuple[tuple[int, ...] | None, ...]:
        """Another value once a file was replaced or written to."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.authorities))


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What a receiver takes; `ConfigurationError` in one line when the files can't be used.

    With authorities, a client has to present a certificate that one of them has signed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # No resumption: whether a client's certificate is still good is looked at every time.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    _load(context, files)
    if files.authorities:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """What a requestor takes; `ConfigurationError` in one line when the files can't be used.

    The peer's certificate must be signed by one of the authorities, or of the system's when none
    are given, and name the host that was connected to. Ours is presented if the peer asks for it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not files.authorities:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _load(context, files)
    return context


class Reloading:
    """A context, made again once its files have changed; bad new files keep the one before.

    Thread-safe. `ConfigurationError` when made from files that can't be used.
    """

    def __init__(self, files: TlsFiles, make: Callable[[TlsFiles], ssl.SSLContext]) -> None:
        self._files, self._make = files, make
        self._lock = threading.Lock()
        self._stamp = files.stamp()
        self._context = make(files)

    def current(self) -> ssl.SSLContext:
        """The context for a new connection."""
        with self._lock:
            stamp = self._files.stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
            return self._context

    def _reload(self) -> None:
        try:
            self._context = self._make(self._files)
        except ConfigurationError as error:
            log.error(  # noqa: TRY400 - its text says it all
                Log.TLS_KEPT, why=f"{error}; the certificate from before stays in use"
            )
        else:
            log.info(Log.TLS_RELOADED, files=self._files.named)


def is_good_until(files: TlsFiles) -> tuple[datetime, Path]:
    """When the first of these files stops being of use; `ConfigurationError` if one is already.

    The first of a chain to expire breaks it; of several authorities one has to be left.
    """
    server_context(files)
    ends = []
    if files.certificate:
        ends.append((min(_expiry(files.certificate)), files.certificate))
    if files.authorities:
        ends.append((max(_expiry(files.authorities)), files.authorities))
    return min(ends)


def _expiry(path: Path) -> list[datetime]:
    """Until when each certificate in a PEM file is good; at least one.

    Python's ssl tells that only of certificates it has verified, which an expired one is not.
    """
    try:
        text = path.read_text("ascii", "replace")
        blocks = [each.partition(_PEM_END)[0] for each in text.split(_PEM_BEGIN)[1:]]
        ders = [ssl.PEM_cert_to_DER_cert(f"{_PEM_BEGIN}{each}{_PEM_END}\n") for each in blocks]
        found = [_not_after(der) for der in ders]
    except OSError as error:
        raise ConfigurationError(
            said("{path} can't be read: {why}", path=path, why=cause_of(error))
        ) from error
    except (ValueError, IndexError) as error:
        raise ConfigurationError(
            said("{path} holds a certificate that can't be read", path=path)
        ) from error
    if not found:
        raise ConfigurationError(
            said("{path} holds no certificate (-----BEGIN CERTIFICATE-----)", path=path)
        )
    return found


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    try:
        if files.certificate:
            context.load_cert_chain(files.certificate, files.key, _no_password)
        if files.authorities:
            context.load_verify_locations(files.authorities)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            said(
                "{named} can't be used: {why}; they are PEM files of a certificate with its "
                "chain, of its key without a passphrase, and of the authorities that are "
                "trusted",
                named=files.named,
                why=_why(error),
            )
        ) from error


def _no_password() -> str:
    """Instead of a question on the terminal, at which the start would hang."""
    raise ValueError(said("the key has a passphrase"))


def _why(error: OSError | ValueError) -> Said:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return as_said(reason) if reason else said("a file is no PEM file, or not of this kind")
    return cause_of(error) if isinstance(error, OSError) else as_said(error)


def _stamp(path: Path | None) -> tuple[int, ...] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _not_after(der: bytes) -> datetime:
    """`validity.notAfter` of a certificate (RFC 5280 4.1)."""
    _, certificate, _ = _element(der)
    _, fields, _ = _element(certificate)
    if fields[0] == _VERSION:
        _, _, fields = _element(fields)
    for _field in ("serialNumber", "signature", "issuer"):
        _, _, fields = _element(fields)
    _, validity, _ = _element(fields)
    _, _, after = _element(validity)
    kind, value, _ = _element(after)
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(value.decode("ascii"), form).replace(tzinfo=UTC)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The tag and the content of the first DER element, and what follows it."""
    kind, length, start = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        start += size
        length = int.from_bytes(data[2:start], "big")
    return kind, data[start : start + length], data[start + length :]
