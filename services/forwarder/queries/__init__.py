"""All that the forwarder reads from and writes to the database.

Who takes several locks takes them in this order: the study, the destination, its deliveries, their
instances. An outage begins and ends under the lock of its destination's row. Who makes a delivery
there shares that lock: an outage either is seen by the delivery or sees it.
"""

from typing import TypeAlias

from sqlalchemy.orm import Session

from services.forwarder.queries.claiming import (
    Claim,
    Item,
    drop_superseded,
    due_deliveries,
    end_all_leases,
    get_delivery,
    lease,
    renew,
    unclaimed,
    waiting_items,
    whose,
)
from services.forwarder.queries.destinations import (
    Standing,
    count_open,
    delete_orphan_outages,
    delete_outage,
    destination_names,
    hold_outage,
    insert_outage,
    lock_destination,
    orphans,
    outage_of,
    probe_now,
    standing,
    take_probe,
)
from services.forwarder.queries.owing import (
    destinations_owed,
    entries,
    files_at_hand,
    insert_delivery,
    not_routed,
    out_of_reach,
    unowed,
    was_requested,
)
from services.forwarder.queries.recording import (
    Delivered,
    holds,
    is_current,
    may_go_on,
    reason_row,
    record_delivered,
    reset_failed,
    status_of_failed,
    tally,
    waiting_instance,
)

__all__ = [
    "Claim",
    "Delivered",
    "Item",
    "Standing",
    "Transaction",
    "count_open",
    "delete_orphan_outages",
    "delete_outage",
    "destination_names",
    "destinations_owed",
    "drop_superseded",
    "due_deliveries",
    "end_all_leases",
    "entries",
    "files_at_hand",
    "get_delivery",
    "hold_outage",
    "holds",
    "insert_delivery",
    "insert_outage",
    "is_current",
    "lease",
    "lock_destination",
    "may_go_on",
    "not_routed",
    "orphans",
    "out_of_reach",
    "outage_of",
    "probe_now",
    "reason_row",
    "record_delivered",
    "renew",
    "reset_failed",
    "standing",
    "status_of_failed",
    "take_probe",
    "tally",
    "unclaimed",
    "unowed",
    "waiting_instance",
    "waiting_items",
    "was_requested",
    "whose",
]

# How the rest of the forwarder, which knows no SQLAlchemy, calls what these functions work in.
Transaction: TypeAlias = Session
