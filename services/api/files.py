"""What of a study's images lies in its folder now, which its rows may not know yet."""

from collections import Counter
from collections.abc import Iterable

from dicom_router.archive import Archive
from dicom_router.models import Receipt
from services.api.schemas import StudyFiles


def files_in(archive: Archive, folder: str, instances: Iterable[Receipt]) -> StudyFiles:
    """Look for each instance's file; `OSError` or `WrongFolder` where that can't be told."""
    found = archive.study_files(folder)
    archive.identity.require()

    def fate(row: Receipt) -> str:
        name = row.file_name or ""
        if name not in found:
            return "missing"
        is_its_own = row.is_untouched(found[name]) or (
            archive.receipt_in(archive.study_file(folder, name)) == row.receipt_id
        )
        return "there" if is_its_own else "replaced"

    counts = Counter({"there": 0, "replaced": 0, "missing": 0})
    counts.update(map(fate, instances))
    return StudyFiles(**counts)
