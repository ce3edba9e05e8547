"""Which alerts went out, so that a restart forgets none."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicom_router.models import ToldAlert


def told(session: Session) -> Sequence[ToldAlert]:
    """The checks that were not well by the last alert of each."""
    return session.scalars(select(ToldAlert)).all()


def keep(session: Session, sent: Mapping[str, tuple[str, str] | None]) -> None:
    """Keep what alerts said, by check: title and status, or None when it is well."""
    session.execute(delete(ToldAlert).where(ToldAlert.check_id.in_(list(sent))))
    session.add_all(
        ToldAlert(check_id=check_id, title=said[0], status=said[1])
        for check_id, said in sent.items()
        if said
    )
