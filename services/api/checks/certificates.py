"""Certificates that are set, judged by the files as they are now."""

from datetime import timedelta

from dicom_router.errors import ConfigurationError
from dicom_router.said import Said, as_said, said
from dicom_router.tls import TlsFiles, is_good_until
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.schemas import Check

EXPIRES_SOON = timedelta(days=30)
_TAKEN_UP = {
    "dicom-tls": said("it is used from the next connection on"),
    "http-tls": said("then restart the api"),
}


def dicom_tls(context: Context) -> list[Check]:
    """That of DICOM over TLS, and its authorities."""
    files = context.tls_files
    if not (files.certificate or files.authorities):
        return []
    return [_certificate(context, "dicom-tls", said("Certificates of DICOM over TLS"), files)]


def http_tls(context: Context) -> list[Check]:
    """That of HTTPS."""
    settings = context.settings
    if not settings.http_tls_cert:
        return []
    files = TlsFiles(settings.http_tls_cert, settings.http_tls_key, None, "ROUTER_HTTP_TLS")
    return [_certificate(context, "http-tls", said("Certificate of HTTPS"), files)]


def _certificate(context: Context, name: str, title: Said, files: TlsFiles) -> Check:
    try:
        end, path = is_good_until(files)
    except ConfigurationError as error:
        fix = said(
            "Put files in place that go together and that the router's user may read; what was "
            "loaded before is used until then, but not after a restart"
        )
        return fail(name, title, as_said(error), fix)
    left = end - context.clock()
    detail = said("{path} is good until {end:%Y-%m-%d %H:%M}", path=path, end=end.astimezone())
    if left >= EXPIRES_SOON:
        return well(name, title, detail)
    fix = said(
        "Put a new certificate in the place of {path}; {then}", path=path, then=_TAKEN_UP[name]
    )
    if left > timedelta(0):
        return warn(name, title, detail, fix)
    expired = said("{path} expired {end:%Y-%m-%d %H:%M}", path=path, end=end.astimezone())
    return fail(name, title, expired, fix)
