"""What the forwarder does on each message; for `delivery-due` see `destinations`."""

from collections.abc import Sequence

from dicom_router.errors import Unprocessable
from dicom_router.events import (
    DeliveryRetry,
    DestinationChanged,
    ForwardRequested,
    Message,
    RouteChanged,
    StudyComplete,
    StudyRelease,
    expect,
    payload_of,
)
from dicom_router.queues import FORWARDER_COMMANDS
from dicom_router.tasks import Task
from services.forwarder.deliveries import Deliveries
from services.forwarder.destinations import Destinations
from services.forwarder.outages import Outages
from services.forwarder.owing import Owing
from services.forwarder.resending import Resending


class Handlers:
    """The forwarder's handlers; each commits before it returns."""

    def __init__(
        self,
        owing: Owing,
        deliveries: Deliveries,
        resending: Resending,
        outages: Outages,
        destinations: Destinations,
        sweep: Task,
    ) -> None:
        self._owing, self._deliveries, self._outages = owing, deliveries, outages
        self._destinations, self._sweep, self._resending = destinations, sweep, resending

    def on_study_complete(self, messages: Sequence[Message]) -> None:
        """Make the deliveries that the studies owe, also those to a destination that is new."""
        self._destinations.reload()  # or there would be no queue yet for its first wake-up
        for study_uid in sorted({expect(each, StudyComplete).study_uid for each in messages}):
            self._owing.route(study_uid)

    def on_command(self, messages: Sequence[Message]) -> None:
        """Do what the API asks for, in order."""
        for each in messages:
            self._on_command(each)

    def _on_command(self, received: Message) -> None:
        command = payload_of(received)
        if isinstance(command, DestinationChanged):
            self._on_destination_changed(command)
        elif isinstance(command, RouteChanged):
            self._sweep.wake()  # unrouted studies may have somewhere to go now
        elif isinstance(command, DeliveryRetry):
            self._on_retry(command)
        elif isinstance(command, ForwardRequested):
            for name in self._resending.forward(command, received.id):
                self._destinations.wake_one(name)
        elif isinstance(command, StudyRelease):
            self._destinations.wake()
        else:
            raise Unprocessable(f"a {command.name} does not belong into {FORWARDER_COMMANDS.name}")

    def _on_destination_changed(self, command: DestinationChanged) -> None:
        """It may be new, and then unrouted studies go there; or where it is may have changed."""
        self._destinations.reload()
        self._outages.probe_now(command.destination)
        self._destinations.wake_one(command.destination)
        self._sweep.wake()

    def _on_retry(self, command: DeliveryRetry) -> None:
        destination = self._deliveries.retry(command.delivery_id, command.at)
        if destination is not None:
            self._outages.probe_now(destination)
            self._destinations.wake_one(destination)
