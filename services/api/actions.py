"""What the audit trail calls each operation: names that stay, whatever becomes of paths.

On record are all changes, and the looks at patients' data. An operation without an action shows
none: no patient's name, ID or study; a route that shows some only at times says so when it does
not (`Actor.shows_no_patient`). A test compares this with the OpenAPI document.
"""

from enum import StrEnum


class Action(StrEnum):
    """What somebody did; `<what>.<verb>`."""

    STUDY_LIST = "study.list"
    STUDY_VIEW = "study.view"
    STUDY_SERIES = "study.series"
    STUDY_INSTANCES = "study.instances"
    STUDY_FILES = "study.files"
    STUDY_THUMBNAIL = "study.thumbnail"
    STUDY_TIMELINE = "study.timeline"
    STUDY_FORWARD = "study.forward"
    STUDY_HOLD = "study.hold"
    STUDY_RELEASE = "study.release"
    STUDY_DELETE = "study.delete"
    STUDY_REPLAY = "study.replay"

    DELIVERY_LIST = "delivery.list"
    DELIVERY_BULK = "delivery.bulk"
    DELIVERY_BULK_CANCEL = "delivery.bulk-cancel"
    DELIVERY_RETRY = "delivery.retry"
    DELIVERY_CANCEL = "delivery.cancel"
    QUEUE_LETTERS = "queue.letters"
    QUEUE_REPLAY = "queue.replay"
    QUARANTINE_LIST = "quarantine.list"
    QUARANTINE_RETRY = "quarantine.retry"
    QUARANTINE_DELETE = "quarantine.delete"

    DESTINATION_CREATE = "destination.create"
    DESTINATION_CHANGE = "destination.change"
    DESTINATION_DELETE = "destination.delete"
    DESTINATION_ECHO = "destination.echo"
    SENDER_CREATE = "sender.create"
    SENDER_CHANGE = "sender.change"
    SENDER_DELETE = "sender.delete"
    SENDER_ECHO = "sender.echo"
    ROUTE_LIST = "route.list"
    ROUTE_VIEW = "route.view"
    ROUTE_CREATE = "route.create"
    ROUTE_CHANGE = "route.change"
    ROUTE_DELETE = "route.delete"
    ROUTE_TEST = "route.test"
    PEER_ECHO = "peer.echo"
    DATA_FOLDER_VIEW = "data-folder.view"
    DATA_FOLDER_ADOPT = "data-folder.adopt"

    SESSION_OPEN = "session.open"
    SESSION_CLOSE = "session.close"
    PASSWORD_CHANGE = "password.change"  # noqa: S105 - no password
    USER_CREATE = "user.create"
    USER_CHANGE = "user.change"
    USER_DELETE = "user.delete"
    TOKEN_CREATE = "token.create"  # noqa: S105 - no password
    TOKEN_DELETE = "token.delete"  # noqa: S105 - no password
    TOKEN_REFUSED = "token.refused"  # noqa: S105 - no password
    SIGNIN_LINK = "signin-link.create"
    AUDIT_LIST = "audit.list"
    AUDIT_EXPORT = "audit.export"


# By operation id.
ACTIONS: dict[str, Action | None] = {
    "list_studies": Action.STUDY_LIST,
    "get_study": Action.STUDY_VIEW,
    "list_series": Action.STUDY_SERIES,
    "list_instances": Action.STUDY_INSTANCES,
    "get_files": Action.STUDY_FILES,
    "get_thumbnail": Action.STUDY_THUMBNAIL,
    "get_timeline": Action.STUDY_TIMELINE,
    "forward_study": Action.STUDY_FORWARD,
    "hold_study": Action.STUDY_HOLD,
    "release_study": Action.STUDY_RELEASE,
    "delete_study": Action.STUDY_DELETE,
    "replay_study": Action.STUDY_REPLAY,
    "list_deliveries": Action.DELIVERY_LIST,
    "forward_many": Action.DELIVERY_BULK,
    "get_bulk": None,
    "cancel_bulk": Action.DELIVERY_BULK_CANCEL,
    "retry_delivery": Action.DELIVERY_RETRY,
    "cancel_delivery": Action.DELIVERY_CANCEL,
    "list_queues": None,
    "get_queue_history": None,
    "list_dead_letters": Action.QUEUE_LETTERS,
    "replay_dead_letters": Action.QUEUE_REPLAY,
    "list_quarantine": Action.QUARANTINE_LIST,
    "retry_quarantined": Action.QUARANTINE_RETRY,
    "delete_quarantined": Action.QUARANTINE_DELETE,
    "list_destinations": None,
    "get_destination": None,
    "create_destination": Action.DESTINATION_CREATE,
    "replace_destination": Action.DESTINATION_CHANGE,
    "delete_destination": Action.DESTINATION_DELETE,
    "echo_destination": Action.DESTINATION_ECHO,
    "list_senders": None,
    "get_sender": None,
    "create_sender": Action.SENDER_CREATE,
    "replace_sender": Action.SENDER_CHANGE,
    "delete_sender": Action.SENDER_DELETE,
    "echo_sender": Action.SENDER_ECHO,
    "list_routes": Action.ROUTE_LIST,
    "get_route": Action.ROUTE_VIEW,
    "create_route": Action.ROUTE_CREATE,
    "replace_route": Action.ROUTE_CHANGE,
    "delete_route": Action.ROUTE_DELETE,
    "try_routes": Action.ROUTE_TEST,
    "echo_any": Action.PEER_ECHO,
    "list_associations": None,
    "list_events": None,
    "stream_events": None,
    "diagnose": None,
    "get_disk": None,
    "list_logs": None,
    "stream_logs": None,
    "get_data_folder": Action.DATA_FOLDER_VIEW,
    "adopt_data_folder": Action.DATA_FOLDER_ADOPT,
    "open_session": Action.SESSION_OPEN,
    "get_session": None,
    "get_site": None,
    "get_overview": None,
    "close_session": Action.SESSION_CLOSE,
    "change_password": Action.PASSWORD_CHANGE,
    "list_users": None,
    "create_user": Action.USER_CREATE,
    "replace_user": Action.USER_CHANGE,
    "delete_user": Action.USER_DELETE,
    "list_tokens": None,
    "create_token": Action.TOKEN_CREATE,
    "delete_token": Action.TOKEN_DELETE,
    "list_audit": Action.AUDIT_LIST,
    "export_audit": Action.AUDIT_EXPORT,
}
