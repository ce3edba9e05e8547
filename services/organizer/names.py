"""What folders and files of studies are called, from what a data set says."""

import hashlib
import os
import re
import unicodedata
from datetime import datetime

_MOST_PART_CHARACTERS = 64
_MOST_NAME_BYTES = 240


def folder_name(created: datetime, patient_id: str, patient_name: str, number: int = 1) -> str:
    """`YYYYMMDD_HHMMSS_PatientID_PatientName`, with `_2` and so on for those that want one name.

    `patient_name` is the DICOM value; `created` is in the site's time zone.
    """
    suffix = f"_{number}" if number > 1 else ""
    name = f"{created:%Y%m%d_%H%M%S}_{name_part(patient_id)}_{person_name(patient_name)}"
    while len((name + suffix).encode()) > _MOST_NAME_BYTES:
        name = name[:-1]
    return name + suffix


def person_name(value: str) -> str:
    """A PatientName as a part of a folder's name: its first group that is not empty."""
    group = next((group for group in value.split("=") if name_part(group) != "UNKNOWN"), "")
    return name_part("_".join(part for part in group.split("^") if part.strip()))


def stray_name(name: str) -> str:
    """A name for a file that none of ours gave one: any file system and database takes it.

    A name that had to be changed has a short digest, so that two never meet.
    """
    if re.fullmatch(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}", name):
        return name
    safe = re.sub(r"[^0-9A-Za-z_-]", "_", name)[:_MOST_PART_CHARACTERS]
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return f"{safe}-{digest}"


def name_part(value: str) -> str:
    """Letters of any script and digits; everything else becomes `_`; nothing becomes UNKNOWN."""
    composed = unicodedata.normalize("NFC", value).strip()
    cleaned = "".join(c if c.isalnum() else "_" for c in composed)[:_MOST_PART_CHARACTERS]
    return cleaned if cleaned.strip("_") else "UNKNOWN"


def file_name(modality: str, sop_instance_uid: str) -> str:
    """`<Modality>.<SOPInstanceUID>.dcm`; a UID that is none is sanitized, with a short digest."""
    kind = re.sub(r"[^A-Za-z0-9]", "_", modality)[:16] or "OT"
    if re.fullmatch(r"[0-9.]{1,64}", sop_instance_uid):
        return f"{kind}.{sop_instance_uid}.dcm"
    digest = hashlib.sha256(sop_instance_uid.encode("utf-8", "replace")).hexdigest()[:12]
    safe = re.sub(r"[^A-Za-z0-9.]", "_", sop_instance_uid)[:64]
    return f"{kind}.{safe}-{digest}.dcm"
