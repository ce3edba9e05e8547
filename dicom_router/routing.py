"""Which destinations a study goes to: pure decisions, for who routes and for who asks beforehand.

With no enabled route every study goes to every enabled destination.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dicom_router.said import Said, as_said, joined, said


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What routes look at, all of it as it is when the study is routed."""

    modalities: Sequence[str]
    calling_ae_titles: Sequence[str]  # of the associations that brought it
    called_ae_titles: Sequence[str]
    patient_id: str
    study_description: str


@dataclass(frozen=True, slots=True)
class Route:
    """A rule. Every condition that is not empty has to be met, by one of its values.

    Texts are patterns: `*` stands for any characters, `?` for one, case does not matter.
    """

    name: str
    order: int
    last: bool  # where it applies, routes after it are not looked at
    destinations: Sequence[str]
    modalities: Sequence[str] = ()
    calling_ae_titles: Sequence[str] = ()
    called_ae_titles: Sequence[str] = ()
    patient_ids: Sequence[str] = ()
    study_descriptions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a route applies to a study: it does unless there is a reason why not."""

    route: Route
    why_not: tuple[Said, ...]

    @property
    def applies(self) -> bool:
        """Whether the study goes where this route says."""
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a study goes, by name, and what each enabled route said to it, in their order."""

    destinations: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    unusable: tuple[str, ...]  # destinations that routes name and that are disabled or not there

    def sentence(self) -> Said:
        """For a person: which routes decided."""
        if not self.verdicts:
            return said("there are no routes: every enabled destination")
        applying = [each.route.name for each in self.verdicts if each.applies]
        if not applying:
            count = len(self.verdicts)
            if count == 1:
                return said("the only route does not apply")
            return said("none of the {count} routes applies", count=count)
        names, to = ", ".join(applying), ", ".join(self.destinations) or said("nowhere")
        found = (
            said("route {name}: {destinations}", name=names, destinations=to)
            if len(applying) == 1
            else said("routes {names}: {destinations}", names=names, destinations=to)
        )
        if not self.unusable:
            return found
        lost = said("disabled or not there: {names}", names=", ".join(self.unusable))
        return joined("; ", [found, lost])


def decide(enabled: Collection[str], routes: Iterable[Route], facts: StudyFacts) -> Decision:
    """Where a study goes by these routes, all of them enabled, among the enabled destinations."""
    verdicts = tuple(_verdicts(sorted(routes, key=lambda each: (each.order, each.name)), facts))
    if not verdicts:
        return Decision(tuple(sorted(enabled)), (), ())
    named = {name for each in verdicts if each.applies for name in each.route.destinations}
    usable = named & set(enabled)
    return Decision(tuple(sorted(usable)), verdicts, tuple(sorted(named - usable)))


def _verdicts(routes: Iterable[Route], facts: StudyFacts) -> Iterable[Verdict]:
    ended_by = ""
    for route in routes:
        if ended_by:
            yield Verdict(
                route,
                (said("{route} comes before it and is the last one to apply", route=ended_by),),
            )
            continue
        verdict = Verdict(route, tuple(_why_not(route, facts)))
        if verdict.applies and route.last:
            ended_by = route.name
        yield verdict


def _why_not(route: Route, facts: StudyFacts) -> Iterable[Said]:
    if route.modalities and set(route.modalities).isdisjoint(facts.modalities):
        yield _not(said("modality"), facts.modalities, route.modalities)
    titles = (
        (said("calling AE title"), route.calling_ae_titles, facts.calling_ae_titles),
        (said("called AE title"), route.called_ae_titles, facts.called_ae_titles),
    )
    for what, patterns, values in titles:
        if patterns and not _fits(patterns, values):
            yield _not(what, values, patterns)
    # Of a patient nothing is repeated: this sentence goes into places that hold no such data.
    if route.patient_ids and not _fits(route.patient_ids, [facts.patient_id]):
        yield said("patient ID: not {wanted}", wanted=_either(route.patient_ids))
    if route.study_descriptions and not _fits(route.study_descriptions, [facts.study_description]):
        yield said("study description: not {wanted}", wanted=_either(route.study_descriptions))


def _not(what: Said, values: Sequence[str], wanted: Sequence[str]) -> Said:
    known = ", ".join(value for value in values if value) or said("none is known")
    return said("{what}: {known}, not {wanted}", what=what, known=known, wanted=_either(wanted))


def _fits(patterns: Iterable[str], values: Iterable[str]) -> bool:
    found = list(values)
    return any(matches(pattern, value) for pattern in patterns for value in found)


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern; takes their lengths' product, whatever is in them.

    After a star as little as possible is skipped; what does not fit then makes it skip one more.
    """
    pattern, text = pattern.casefold(), text.casefold()
    at, star, skipped = 0, -1, 0
    position = 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, skipped = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at += 1
            position += 1
        elif star >= 0:
            skipped += 1
            at, position = star + 1, skipped
        else:
            return False
    return not pattern[at:].strip("*")


def _either(values: Sequence[str]) -> Said:
    found = as_said(values[0])
    for value in values[1:]:
        found = said("{one} or {other}", one=found, other=value)
    return found
