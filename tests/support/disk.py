"""A disk that is unmounted, mounted again or swapped: a data folder moved away and back."""

from pathlib import Path


class Disk:
    """The disk on which a data folder is; `root` is where it is mounted."""

    def __init__(self, root: Path) -> None:
        self.root, self._away = root, root.with_name(f"{root.name}-away")

    def unmount(self) -> None:
        """Leave the bare mount point."""
        self.root.rename(self._away)
        self.root.mkdir()

    def mount(self) -> None:
        """Back again; what was written to the mount point meanwhile goes aside."""
        self.root.rename(self.root.with_name(f"{self.root.name}-meanwhile"))
        self._away.rename(self.root)

    def swap(self) -> None:
        """Put another router's disk in its place."""
        self.unmount()
        (self.root / ".router-id").write_text("another-routers-id\n")
        (self.root / ".spool").mkdir()

    def everything(self) -> set[str]:
        """All that is there now, files and folders."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
