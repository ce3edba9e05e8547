"""The DICOM data path, over socket pairs."""
