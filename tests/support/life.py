"""A router with life in it: of each thing that a page of the dashboard can show, at least one."""

import shutil
from contextlib import closing
from pathlib import Path

from sqlalchemy import update

from dicom_router.database import Database
from dicom_router.models import DeliveryInstance
from dicom_router.retry import RETRY_DELAYS_SECONDS
from infra.ports import free_port
from tests.support.pacs import Pacs
from tests.support.router import Router
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

VIEWER = {"name": "vera", "password": "correct horse battery staple"}
_STUDIES = (
    # PatientName, PatientID, Modality, StudyDescription, slices
    ("SILVA^MARIA APARECIDA", "1048213", "CT", "TC TÓRAX COM CONTRASTE", 12),
    ("GONÇALVES^JOÃO PEDRO", "2210047", "MR", "RM CRÂNIO", 8),
    ("FERREIRA DOS SANTOS^ANA CAROLINA DE ALMEIDA", "77120984-3", "CT", "TC ABDOME TOTAL", 5),
    ("SOUZA^LUIZ", "31", "DX", "RX TORAX PA E PERFIL", 2),
    ("COSTA^BEATRIZ", "9081123", "US", "US OBSTETRICO", 3),
    ("PEREIRA^RUI", "5512", "MG", "MAMOGRAFIA BILATERAL", 4),
    ("LIMA^HELENA", "660021", "CT", "TC CRÂNIO", 2),
    ("ARAÚJO^ANTÔNIO", "8850213", "CT", "TC COLUNA LOMBAR", 3),
)
_NOT_MATCHING = 0xA900  # the data set does not match the SOP class


def bring_to_life(router: Router, pacs: Pacs, refusing: Pacs, folder: Path) -> dict[str, str]:
    """Studies of every kind, failures, refusals, people; the Study Instance UIDs by what they are.

    The router has `pacs` as its destination, keeps what it has, and settles within a second.
    """
    studies = []
    for number, (name, patient, modality, description, slices) in enumerate(_STUDIES):
        studies.append(
            _arrive(
                router,
                folder / str(number),
                slices,
                PatientName=name,
                PatientID=patient,
                Modality=modality,
                StudyDescription=description,
                AccessionNumber=f"A{number:05}",
            )
        )
    sent, retrying, waiting, held, deleted, conflict, failed, broken = studies
    _wait_for_state(router, "sent", *studies)
    _people(router)
    _conflict(router, folder, conflict)
    wait_for(lambda: router.study(conflict)["revision"] == 2, "the second revision")
    _wait_for_state(router, "sent", conflict)
    router.call("POST", f"/studies/{held}/hold", {"reason": "laudo em revisão"})
    router.call("DELETE", f"/studies/{deleted}", {"reason": "exame repetido"})
    _destinations(router, refusing)
    for study, name in ((retrying, "teaching"), (waiting, "archive"), (failed, "archive")):
        router.call("POST", f"/studies/{study}/forward", {"destination": name})
    _cancel(router, failed)
    _break(router, broken)
    (router.data / "relatorio.dcm").write_bytes(b"This is no DICOM file. " * 100)
    route = {"name": "ultrassom", "modalities": ["US"], "destinations": ["default", "archive"]}
    router.call("POST", "/routes", route)
    _callers(router, pacs, folder)
    unrouted = _arrive(
        router,
        folder / "unrouted",
        2,
        PatientName="NASCIMENTO^LÍVIA",
        StudyDescription="TC SEIOS DA FACE",
    )
    receiving = _still_arriving(router, folder / "receiving")
    _wait_for_state(router, "unrouted", unrouted)
    _wait_for_state(router, "receiving", receiving)
    _wait_for_state(router, "failed", failed, broken)
    _wait_for_state(router, "deleted", deleted)
    wait_for(lambda: router.get("/destinations/archive")["down"], "the archive to be down")
    wait_for(lambda: router.items("/quarantine"), "a file in quarantine")
    wait_for(lambda: router.study(conflict)["needs_attention"], "a study to need attention")
    return {
        "sent": sent,
        "retrying": retrying,
        "waiting": waiting,
        "held": held,
        "deleted": deleted,
        "conflict": conflict,
        "failed": failed,
        "broken": broken,
        "unrouted": unrouted,
        "receiving": receiving,
    }


def _arrive(router: Router, folder: Path, slices: int, **attributes: object) -> str:
    study_uid, files = ct_series(folder, slices, SpecificCharacterSet="ISO_IR 100", **attributes)
    assert set(send(files, router.dicom_port).values()) == {0}
    return study_uid


def _wait_for_state(router: Router, state: str, *studies: str) -> None:
    def are() -> bool:
        return all(router.study(each).get("state") == state for each in studies)

    wait_for(are, f"{len(studies)} studies to be {state}")


def _people(router: Router) -> None:
    router.call("POST", "/users", VIEWER | {"role": "viewer"})
    otto = {"name": "otto", "password": "another one that is long", "role": "operator"}
    router.call("POST", "/users", otto)
    expires = {"expires_at": "2030-01-01T00:00:00Z"}
    router.call("POST", "/tokens", {"name": "ris", "role": "viewer", **expires})


def _conflict(router: Router, folder: Path, study_uid: str) -> None:
    """One more image of a study, with another patient's ID."""
    _arrive(
        router,
        folder / "conflict",
        1,
        StudyInstanceUID=study_uid,
        PatientName="PEREIRA^RUI",
        PatientID="9999",
    )


def _cancel(router: Router, study_uid: str) -> None:
    """What the study owes to the archive; it has failed then."""

    def owed() -> str:
        deliveries = router.study(study_uid)["deliveries"]
        return next((d["id"] for d in deliveries if d["destination"] == "archive"), "")

    delivery = wait_for(owed, "a delivery to the archive")
    router.call("POST", f"/deliveries/{delivery}/cancel")


def _break(router: Router, study_uid: str) -> None:
    """One of its files is another's; sent again, it fails for good and leaves a dead letter."""
    study = router.study(study_uid)
    first, second, *_ = sorted((router.data / study["folder"]).glob("*.dcm"))
    shutil.copyfile(second, first)
    everything = {"destination": "default", "only_missing": False}
    router.call("POST", f"/studies/{study_uid}/forward", everything)

    def retrying() -> str:
        deliveries = router.study(study_uid)["deliveries"]
        return next((d["id"] for d in deliveries if d["state"] == "retrying"), "")

    delivery = wait_for(retrying, "a delivery that is tried again")
    with closing(Database(f"sqlite:///{router.data / '.router.sqlite3'}")) as database:
        tried = update(DeliveryInstance).where(DeliveryInstance.delivery_id == delivery)
        with database.write() as session:  # as if eleven minutes had passed
            session.execute(tried.values(attempts=len(RETRY_DELAYS_SECONDS)))


def _still_arriving(router: Router, folder: Path) -> str:
    """A study of a scanner that pauses for long between its series."""
    slow = {"name": "us-sala-3", "ae_title": "US_SALA3", "settle_seconds": 3600}
    router.call("POST", "/senders", slow)
    study_uid, files = ct_series(
        folder,
        2,
        PatientName="ROCHA^TERESA",
        Modality="US",
        StudyDescription="US TIREÓIDE",
        SpecificCharacterSet="ISO_IR 100",
    )

    def is_taken() -> bool:
        return set(send(files, router.dicom_port, calling="US_SALA3").values()) == {0}

    wait_for(is_taken, "the receiver to know the scanner")
    return study_uid


def _destinations(router: Router, refusing: Pacs) -> None:
    """One that is not there, and one that takes no image."""
    refusing.status = _NOT_MATCHING
    for name, port in (("archive", free_port()), ("teaching", refusing.port)):
        address = {"host": "127.0.0.1", "port": port, "ae_title": refusing.ae_title}
        router.call("POST", "/destinations", {"name": name, **address})


def _callers(router: Router, pacs: Pacs, folder: Path) -> None:
    """Known scanners, and one that is refused."""
    at = {"host": "127.0.0.1", "port": pacs.port}
    router.call("POST", "/senders", {"name": "ct1", "ae_title": "CT1", **at})
    mr = {"name": "mr-sala-2", "ae_title": "MR_SALA2", "addresses": ["10.20.0.0/16"]}
    router.call("POST", "/senders", mr)
    _study, files = ct_series(folder / "refused", 1)

    def is_refused() -> bool:
        return set(send(files, router.dicom_port, calling="CT_EMERGENCIA").values()) == {None}

    wait_for(is_refused, "a caller to be refused")
    send(files, router.dicom_port, calling="MR_SALA2")  # from another address than its own
    wait_for(lambda: router.items("/associations?outcome=rejected"), "its refusal on record")
