"""The DICOM data path with real peers: DCMTK, pynetdicom, and hostile ones."""
