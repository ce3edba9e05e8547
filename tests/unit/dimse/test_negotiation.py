"""What is accepted, and in which transfer syntax."""

import pytest
from pynetdicom import AllStoragePresentationContexts, QueryRetrievePresentationContexts
from pynetdicom.presentation import (
    BasicWorklistManagementPresentationContexts,
    InstanceAvailabilityPresentationContexts,
    ModalityPerformedPresentationContexts,
    NonPatientObjectPresentationContexts,
    PrintManagementPresentationContexts,
    ProtocolApprovalPresentationContexts,
    StorageCommitmentPresentationContexts,
    UnifiedProcedurePresentationContexts,
)

from dicom_router.dimse.associate import AssociateRequest, PresentationContext, UserInformation
from dicom_router.dimse.negotiation import Result, is_storage, negotiate, refusal

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
PRIVATE = "1.2.826.0.1.99.1"


@pytest.mark.parametrize(
    "context",
    AllStoragePresentationContexts + NonPatientObjectPresentationContexts,
    ids=lambda each: str(each.abstract_syntax.name),
)
def test_every_storage_class_that_pynetdicom_knows_is_storage(context: object) -> None:
    assert is_storage(str(context.abstract_syntax))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "context",
    QueryRetrievePresentationContexts
    + BasicWorklistManagementPresentationContexts
    + InstanceAvailabilityPresentationContexts
    + ModalityPerformedPresentationContexts
    + PrintManagementPresentationContexts
    + ProtocolApprovalPresentationContexts
    + StorageCommitmentPresentationContexts
    + UnifiedProcedurePresentationContexts,
    ids=lambda each: str(each.abstract_syntax.name),
)
def test_no_other_service_is_promised(context: object) -> None:
    assert not is_storage(str(context.abstract_syntax))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("1.2.840.10008.5.1.4.1.1.999.7", True),  # not there yet
        ("1.2.840.10008.5.1.4.1.1.5", True),  # retired
        ("1.2.840.10008.5.1.4.39.1", True),  # color palette
        ("1.2.840.10008.5.1.4.39.2", False),  # color palette, find
        ("1.2.840.10008.5.1.4.1.1.201.2", False),  # inventory, find
        ("1.2.840.10008.1.1", False),  # verification is accepted, but nothing is stored by it
        ("1.2.840.10008", False),
        ("1.2.840.100080.1", True),
        (PRIVATE, True),
        ("no UID", True),
        ("1." * 50 + "1", True),
        ("", False),
    ],
)
def test_storage_is_what_the_standard_and_private_classes_say(uid: str, expected: bool) -> None:
    assert is_storage(uid) is expected


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((IMPLICIT, EXPLICIT), EXPLICIT),
        ((JPEG_BASELINE, RLE, IMPLICIT), IMPLICIT),
        ((JPEG_BASELINE, JPEG_2000_LOSSLESS, RLE), JPEG_2000_LOSSLESS),
        ((JPEG_BASELINE, RLE, JPEG_2000_LOSSLESS), RLE),
        ((PRIVATE, JPEG_BASELINE), PRIVATE),
        ((JPEG_BASELINE, PRIVATE), JPEG_BASELINE),
        (("", PRIVATE), PRIVATE),
    ],
)
def test_plain_comes_before_lossless_before_the_rest(offered: tuple[str, ...], chosen: str) -> None:
    (result,) = negotiate([PresentationContext(1, CT, offered)])
    assert (result.result, result.transfer_syntax) == (Result.ACCEPTANCE, chosen)


def test_each_context_gets_a_result_and_an_id_counts_once() -> None:
    proposed = [
        PresentationContext(1, CT, (EXPLICIT,)),
        PresentationContext(1, CT, (IMPLICIT,)),
        PresentationContext(2, CT, (IMPLICIT,)),
        PresentationContext(3, "1.2.840.10008.3.1.2.3.3", (IMPLICIT,)),
        PresentationContext(5, CT, ()),
        PresentationContext(7, "", (IMPLICIT,)),
        PresentationContext(9, "1.2.840.10008.1.1", (IMPLICIT,)),
    ]
    results = negotiate(proposed)
    assert [each.context_id for each in results] == [1, 1, 2, 3, 5, 7, 9]
    assert [int(each.result) for each in results] == [0, 2, 2, 3, 4, 3, 0]


def test_another_protocol_or_application_is_rejected() -> None:
    user = UserInformation()
    assert refusal(AssociateRequest("A", "B", (), user)) is None
    old = refusal(AssociateRequest("A", "B", (), user, protocol_version=2))
    other = refusal(AssociateRequest("A", "B", (), user, application_context="1.2.3"))
    assert old is not None
    assert old.text == "protocol version not supported (permanent)"
    assert other is not None
    assert other.text == "application context name not supported (permanent)"
