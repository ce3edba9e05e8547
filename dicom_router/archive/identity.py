"""Which data folder this is: its `.router-id`, and the one that it has to be."""

import uuid
from pathlib import Path

from dicom_router.archive.durable import write_once
from dicom_router.archive.errors import DiskTrouble, WrongFolder
from dicom_router.said import said

ROUTER_ID = ".router-id"
_MOST_ID_BYTES = 64


class Identity:
    """By its id a folder is told from an empty mount point and from another disk."""

    def __init__(self, root: Path) -> None:
        self._root, self._path = root, root / ROUTER_ID
        self._expected: str | None = None
        self._seen: tuple[tuple[int, ...], str | None] = (), None

    @property
    def expected(self) -> str | None:
        """What `.router-id` has to say, as far as is known."""
        return self._expected

    def expect(self, router_id: str | None) -> None:
        """From now on the data folder is the one with this id; None: not known."""
        self._expected = router_id

    def found(self) -> str | None:
        """What `.router-id` says; None if there is none that can be read."""
        try:
            with self._path.open("rb") as file:
                return file.read(_MOST_ID_BYTES).decode("ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def ensure(self) -> str:
        """The folder's id, made if it has none. Durable."""
        write_once(self._path, f"{uuid.uuid4().hex}\n".encode())
        found = self.found()
        if found is None:
            raise DiskTrouble(
                f"{self._path} holds no id or can't be read: let the router's user read "
                "it; if it is empty, remove it"
            )
        return found

    def require(self) -> None:
        """Raise `WrongFolder` unless this is the data folder; the first one seen, if not told."""
        found = self._found_now()
        if found is None:
            raise WrongFolder(
                said(
                    "The data folder {root} is not there, or has no {router_id}: is its disk "
                    "mounted?",
                    root=self._root,
                    router_id=ROUTER_ID,
                )
            )
        if self._expected is None:
            self._expected = found
        if found != self._expected:
            raise WrongFolder(
                said(
                    "The data folder {root} is another one: its {router_id} says {found}, not "
                    "{expected}. Mount the right disk",
                    root=self._root,
                    router_id=ROUTER_ID,
                    found=found,
                    expected=self._expected,
                )
            )

    def _found_now(self) -> str | None:
        """As `found`, which is asked again only when the file is not the one it was."""
        try:
            file = self._path.stat()
        except OSError:
            return None
        which = file.st_dev, file.st_ino, file.st_mtime_ns, file.st_ctime_ns
        seen, found = self._seen
        if which != seen or found is None:
            found = self.found()
            self._seen = which, found
        return found

    def is_right(self) -> bool:
        """Whether this is the data folder, not an empty mount point nor another disk."""
        try:
            self.require()
        except WrongFolder:
            return False
        return True
