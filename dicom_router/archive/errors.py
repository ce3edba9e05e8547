"""What is raised when the data folder can't be used now."""

from dicom_router.errors import Unavailable


class DiskTrouble(Unavailable):
    """The data folder can't be read or written now."""


class WrongFolder(DiskTrouble):
    """The data folder is not there, or another one is in its place: its disk is not mounted."""
