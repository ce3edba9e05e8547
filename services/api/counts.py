"""How many studies and deliveries there are in each state, also when there are millions."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from enum import StrEnum
from typing import Generic, TypeVar

from dicom_router.models import DeliveryState, StudyState
from services.api.queries import Session, figures

# To count a million takes a tenth of a second. So many in one state are counted this seldom.
MANY = 50_000
GOOD_FOR_SECONDS = 10.0

_Key = TypeVar("_Key", bound=Hashable)
_State = TypeVar("_State", bound=StrEnum)


class Counts:
    """Counts what is in a state now; where that is very many, what was up to ten seconds ago."""

    def __init__(self, many: int = MANY, clock: Callable[[], float] = time.monotonic) -> None:
        self._studies = _Remembered[StudyState, str](StudyState, many, clock)
        self._deliveries = _Remembered[DeliveryState, tuple[str, str]](DeliveryState, many, clock)

    def studies(self, session: Session) -> dict[str, int]:
        """How many studies are in each state that any is in."""
        return self._studies.of(
            lambda states: figures.studies_by_state(session, states), lambda state: state
        )

    def deliveries(self, session: Session) -> dict[tuple[str, str], int]:
        """How many deliveries each destination has in each state that any is in."""
        return self._deliveries.of(
            lambda states: figures.deliveries_by_state(session, states), lambda key: key[1]
        )


class _Remembered(Generic[_State, _Key]):
    """Counts by state, of which those of the states with many are remembered. Thread-safe."""

    def __init__(self, states: type[_State], many: int, clock: Callable[[], float]) -> None:
        self._states, self._many, self._clock = frozenset(states), many, clock
        self._lock = threading.Lock()
        self._kept: dict[_Key, int] = {}
        self._crowded: frozenset[_State] = frozenset()
        self._until = 0.0

    def of(
        self,
        count: Callable[[Collection[_State]], dict[_Key, int]],
        state_of: Callable[[_Key], str],
    ) -> dict[_Key, int]:
        with self._lock:
            kept, crowded = self._kept, self._crowded
            if self._clock() >= self._until:
                kept, crowded = {}, frozenset()
            found = kept | count(self._states - crowded)
            if not crowded:
                totals = Counter[str]()
                for key, number in found.items():
                    totals[state_of(key)] += number
                self._crowded = frozenset(s for s in self._states if totals[s] >= self._many)
                self._kept = {k: n for k, n in found.items() if state_of(k) in self._crowded}
                self._until = self._clock() + GOOD_FOR_SECONDS
            return found
