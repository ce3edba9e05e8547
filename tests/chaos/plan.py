"""What happens in one run, all of it chosen from the seed: the same seed gives the same plan.

How the processes interleave is up to the machine: a seed that has failed replays the plan, most
often with the same end, but not to the microsecond.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

SERVICES = ("receiver", "organizer", "forwarder", "api")
PACS_MODES = ("down", "slow", "refusing", "A700", "warning", "aborting", "rejecting", "hanging")
DESTINATIONS = 2


@dataclass(frozen=True, slots=True)
class Image:
    """An image to be sent; `version` tells other bytes under the same SOP Instance UID."""

    study: int
    number: int
    version: int = 0

    def __str__(self) -> str:
        return f"{self.study}/{self.number}" + (f"v{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens at a moment, in seconds from the beginning of its phase."""

    at: float
    what: str
    which: int = 0
    text: str = ""
    seconds: float = 0.0  # until it is over
    images: tuple[Image, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{self.at:5.2f} s  {self.what}",
            self.text,
            f"#{self.which}" if self.which else "",
        ]
        parts += [f"for {self.seconds:.2f} s"] if self.seconds else []
        parts += [" ".join(map(str, self.images))] if self.images else []
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: the phases follow each other, each once the router has come to rest or not."""

    seed: int
    organizers: int
    forwarders: int
    receivers: int  # workers behind the port
    retention_hours: int
    sizes: dict[Image, int]  # bytes of every image that may be sent
    phases: tuple[tuple[Act, ...], ...]
    rests: tuple[bool, ...]  # whether to wait for rest after each phase

    @property
    def studies(self) -> int:
        """How many studies there are."""
        return 1 + max(image.study for image in self.sizes)

    def __str__(self) -> str:
        shape = (
            f"{self.receivers} receivers, {self.organizers} organizers, "
            f"{self.forwarders} forwarders, kept {self.retention_hours} h"
        )
        lines = [f"seed {self.seed}: {self.studies} studies, {len(self.sizes)} images; {shape}"]
        for phase, rest in zip(self.phases, self.rests, strict=True):
            lines += [f"  {act}" for act in phase]
            lines.append("  … until all is at rest" if rest else "  … and on")
        return "\n".join(lines)


def plan(seed: int) -> Plan:
    """The plan of a seed."""
    choose = Random(seed)
    sizes = _images(choose)
    late = [image for image in sizes if choose.random() < 0.15]
    now = [image for image in sizes if image not in late and not image.version]
    more = [image for image in sizes if image not in now]
    more += choose.sample(now, min(len(now), choose.randint(0, 4)))  # the same again
    together = choose.random() < 0.5
    first = [*_associations(choose, now, 3.0), *_faults(choose, choose.randint(2, 4), 4.5)]
    second = [*_associations(choose, more, 1.5), *_faults(choose, choose.randint(0, 2), 2.5)]
    return Plan(
        seed=seed,
        organizers=choose.randint(1, 2),
        forwarders=choose.randint(1, 2),
        receivers=choose.choice((1, 1, 2)),
        retention_hours=choose.choice((0, 0, 0, 0, -1)),
        sizes=sizes,
        phases=(_in_order(first), _in_order(second)),
        rests=(not together, True),
    )


def _images(choose: Random) -> dict[Image, int]:
    sizes = {}
    for study in range(choose.randint(2, 4)):
        for number in range(choose.randint(3, 12)):
            size = choose.choice((300, 3_000, 30_000, 150_000))
            sizes[Image(study, number)] = size
            if choose.random() < 0.08:
                sizes[Image(study, number, 1)] = size + choose.choice((0, 500))
    return sizes


def _associations(choose: Random, images: Iterable[Image], until: float) -> list[Act]:
    """Deal the images of each study out to some associations; a few images go to two."""
    acts = []
    by_study: dict[int, list[Image]] = {}
    for image in images:
        by_study.setdefault(image.study, []).append(image)
    for its_images in by_study.values():
        hands: list[list[Image]] = [[] for _ in range(choose.randint(1, 3))]
        for image in its_images:
            for hand in choose.sample(hands, 2 if len(hands) > 1 and choose.random() < 0.1 else 1):
                hand.append(image)
        for hand in filter(None, hands):
            choose.shuffle(hand)
            act = Act(
                at=choose.uniform(0, until),
                what="send",
                which=choose.randrange(1, len(hand) + 1),  # after so many it ends, unless released
                text=choose.choices(("released", "aborted", "broken", "lost"), (6, 1, 1, 1))[0],
                images=tuple(hand),
            )
            acts.append(act)
    return acts


def _faults(choose: Random, count: int, until: float) -> list[Act]:
    kinds = {
        "kill": 5,
        "stop": 1,
        "power": 4,
        "postgresql": 2,
        "disk": 2,
        "pacs": 5,
        "hold": 1,
        "again": 2,
        "broker": 0.35,
        "broker-data": 0.35,
    }
    chosen = choose.choices(list(kinds), list(kinds.values()), k=count)
    return [_fault(choose, kind, choose.uniform(0.2, until)) for kind in chosen]


def _fault(choose: Random, kind: str, at: float) -> Act:
    if kind in ("kill", "stop"):
        service = choose.choice(SERVICES)
        return Act(at, kind, choose.randint(1, 2), service, choose.choice((0.0, 0.3, 1.5)))
    if kind == "pacs":
        mode = choose.choice(PACS_MODES)
        return Act(at, kind, choose.randint(1, DESTINATIONS), mode, choose.uniform(0.5, 4))
    if kind in ("hold", "again"):
        return Act(at, kind, choose.randrange(2), "", choose.uniform(0.3, 3))
    text = "with PostgreSQL" if kind == "power" and choose.random() < 0.3 else ""
    return Act(at, kind, choose.randrange(1 << 30), text, choose.uniform(0.1, 1.5))


def _in_order(acts: list[Act]) -> tuple[Act, ...]:
    return tuple(sorted(acts, key=lambda act: act.at))
