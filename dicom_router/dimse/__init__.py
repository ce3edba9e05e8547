"""DICOM's upper layer and DIMSE, as far as a router needs them: accept, echo, store, release.

The bytes of a C-STORE go from socket to file and from file to socket in large pieces and never
become an object for each PDU. `acceptor` and `requestor` describe the states they implement.
"""

from dicom_router.dimse.acceptor import (
    MAX_FRAGMENTS,
    AcceptorLimits,
    AssociationEnd,
    AssociationHandler,
    AssociationRequest,
    StoreRequest,
    StoreSink,
    serve_association,
)
from dicom_router.dimse.associate import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    PresentationContext,
    Rejection,
)
from dicom_router.dimse.command import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    StoreStatus,
)
from dicom_router.dimse.connecting import PeerAddress, RequestorTimeouts
from dicom_router.dimse.connection import StopSignal
from dicom_router.dimse.errors import (
    ContextNotAccepted,
    EmptyDataSet,
    PeerError,
    ProtocolError,
    Stopped,
)
from dicom_router.dimse.negotiation import VERIFICATION, is_storage, takes_any_of
from dicom_router.dimse.requestor import Association, ReadAhead

__all__ = [
    "CALLED_AE_TITLE_NOT_RECOGNIZED",
    "CALLING_AE_TITLE_NOT_RECOGNIZED",
    "CANNOT_UNDERSTAND",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "LOCAL_LIMIT_EXCEEDED",
    "MAX_FRAGMENTS",
    "OUT_OF_RESOURCES",
    "PROCESSING_FAILURE",
    "SUCCESS",
    "TEMPORARY_CONGESTION",
    "VERIFICATION",
    "AcceptorLimits",
    "Association",
    "AssociationEnd",
    "AssociationHandler",
    "AssociationRequest",
    "ContextNotAccepted",
    "EmptyDataSet",
    "PeerAddress",
    "PeerError",
    "PresentationContext",
    "ProtocolError",
    "ReadAhead",
    "Rejection",
    "RequestorTimeouts",
    "StopSignal",
    "Stopped",
    "StoreRequest",
    "StoreSink",
    "StoreStatus",
    "is_storage",
    "serve_association",
    "takes_any_of",
]
