"""What is taken out of text that leaves the house."""

import pytest

from services.api.redaction import FOLDER, PATIENT, SECRET, Redaction, password_of

REDACTION = Redaction(
    ["a-token-of-16-characters", "", "pass@word"],
    {"DOE_JOHN", "P001", "12", "ID 4711/A", "山田_太郎"},
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Bearer a-token-of-16-characters", f"Bearer {SECRET}"),
        ("amqp://router:pass@word@host/", f"amqp://{SECRET}@host/"),
        ("postgresql://other:never-seen@host/db", f"postgresql://{SECRET}@host/db"),
        ("with drt_abcdefgh1234 in it", f"with {SECRET} in it"),
        ("http://here/#token=abc.def", f"http://here/#token={SECRET}"),
        ("/data/20260122_141530_P9_ROE_JANE/CT.1.2.dcm", f"/data/{FOLDER}/CT.1.2.dcm"),
        ('{"why": "no DOE_JOHN, no DOE^JOHN"}', f'{{"why": "no {PATIENT}, no {PATIENT}"}}'),
        ("PatientID=P001; P0012 is another", f"PatientID={PATIENT}; P0012 is another"),
        ("patient ID 4711/A came", f"patient {PATIENT} came"),
        ("山田^太郎 came", f"{PATIENT} came"),
        ("12 images in 12 s", "12 images in 12 s"),
        ("study 1.2.840.113704 at 10.0.0.7", "study 1.2.840.113704 at 10.0.0.7"),
    ],
)
def test_secrets_and_patients_are_taken_out_and_nothing_else(text: str, cleaned: str) -> None:
    assert REDACTION.clean(text) == cleaned


def test_a_password_is_known_as_it_is_written_and_as_it_is_meant() -> None:
    assert password_of("amqp://router:pass%40word@host/") == {"pass%40word", "pass@word"}
    assert password_of("amqp://host/") == set()
