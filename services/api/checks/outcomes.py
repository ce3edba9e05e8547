"""How a check is told: well, worth a look, or failed, each of the latter with what to do.

Every sentence is made by `said` and has its Portuguese in `services/api/portuguese.py`.
"""

from dicom_router.said import Said, said
from services.api.schemas import Check, CheckStatus


def well(name: str, title: Said, detail: Said) -> Check:
    """Nothing to do."""
    return Check(id=name, title=title, status=CheckStatus.OK, detail=detail, fix=said(""))


def warn(name: str, title: Said, detail: Said, fix: Said) -> Check:
    """Somebody should look at it; nothing is lost by it."""
    return Check(id=name, title=title, status=CheckStatus.WARN, detail=detail, fix=fix)


def fail(name: str, title: Said, detail: Said, fix: Said) -> Check:
    """It does not work."""
    return Check(id=name, title=title, status=CheckStatus.FAIL, detail=detail, fix=fix)
