"""Settings of layers that cannot stand together, found when the file is read, with both places named.

A setting that is written farther away than what it contradicts passes that function by: it is for others. So a
setting is refused where, of all that it holds for, nothing is left that it could mean something to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dragoman.config import settings
from dragoman.config.layers import REQUIRED, TABLES, is_on, is_whole
from dragoman.config.notation import noted, text
from dragoman.config.problem import Problem
from dragoman.config.project import TIMEOUT_S_DEFAULT
from dragoman.config.setting import EXEC
from dragoman.config.written import Level, Written
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from dragoman.config.document import Document
    from dragoman.config.project import FunctionSettings, Source
    from dragoman.config.written import Place, Writings

ORDERED = (
    ("retry.base", "retry.max"),
    ("shed.least", "shed.most"),
    ("shed.least", "shed.first"),
    ("shed.first", "shed.most"),
    ("shed.batch", "shed.normal"),
    ("task.base", "task.max"),
)
"""The first may not be more than the second."""

NEEDS = (
    ("rate.burst", "rate.limit", "there is no limit that calls could burst through"),
    ("rate.caller_burst", "rate.caller_limit", "there is no limit that a caller could burst through"),
    ("rate.total_burst", "rate.total_limit", "there is no limit that a caller could burst through"),
    ("breaker.slow_rate", "breaker.slow", "nobody says which calls are slow"),
    ("bulkhead.queue", "bulkhead.concurrency", "nobody has to wait where all may run"),
    ("bulkhead.caller_share", "bulkhead.concurrency", "there is nothing to share where nobody is limited"),
)
"""The first means nothing without the second."""

REPEATING = {
    "cache": "an answer cannot stand for a call that has to run",
    "coalesce": "one run cannot stand for several calls that each have to",
    "hedge": "a second attempt would run it twice",
}
"""Layers for idempotent functions alone, and why."""

SHORTER = ("retry.base", "hedge.delay_min", "batch.delay", "breaker.slow")
"""Times that must pass before a call's own does."""

KNOWN = {setting.key: setting for setting in settings.TABLES["functions"]}

SHARING = ("rate.shared", "cache.shared", "idempotency.shared")


class Subject(NamedTuple):
    """What settings hold for: the functions of a source that have none of their own, or one function."""

    name: str
    level: Level
    source: Source
    writings: Writings

    @property
    def bounded(self) -> bool:
        """Whether its source bounds calls inside the host."""
        return self.source.bounds_calls

    def nearest(self, layer: str) -> Written:
        """The setting of a layer that stands nearest."""
        return max((self.writings[key] for key in _keys(layer, self.writings)), key=lambda each: each.level)


class Finding(NamedTuple):
    """Something wrong: the place that is told, and why."""

    place: Place
    message: str


Rule = Callable[[Subject], Iterable[Finding]]


class Surrounding(NamedTuple):
    """What else of the file decides: is there a shared store, may there be chaos, and why no function has a name."""

    shared: bool
    chaos: bool
    missing: Callable[[str], str]


def check(
    document: Document,
    sources: Mapping[str, Source],
    functions: Mapping[str, FunctionSettings],
    surrounding: Surrounding,
) -> None:
    """Note every contradiction among the settings of layers."""
    subjects = list(subjects_of(sources, functions))
    found = [finding for rule in EVERYWHERE for subject in subjects for finding in rule(subject)]
    for lenient in (_needs, _required, _repeating):
        found += _nowhere_right(subjects, lenient)
    for subject in subjects:
        found += _shared(subject, surrounding)
        found += _chaos(subject, surrounding)
    found += _fallbacks({subject.name: subject for subject in subjects}, surrounding)
    for finding in dict.fromkeys(found):
        place = finding.place
        document.note(Problem(place.file, place.line, place.name, finding.message))


def subjects_of(sources: Mapping[str, Source], functions: Mapping[str, FunctionSettings]) -> Iterator[Subject]:
    """The sources, and the functions that have a table, with what holds for them."""
    for name, source in sources.items():
        yield Subject(name, Level.SOURCE, source, source.writings)
    for name, own in functions.items():
        source = sources.get(name.partition(".")[0])
        if source is not None:
            yield Subject(name, Level.FUNCTION, source, {**source.writings, **own.writings})


def _keys(layer: str, writings: Writings) -> list[str]:
    return [setting.key for setting in TABLES[layer] if setting.key in writings]


def _on(key: str, subject: Subject) -> bool:
    """Whether a setting is there, and its layer not switched off."""
    return key in subject.writings and is_on(key.partition(".")[0], subject.writings)


def _of_layer(key: str) -> bool:
    return key.partition(".")[0] in TABLES


def _nowhere_right(subjects: list[Subject], rule: Rule) -> list[Finding]:
    """What a rule finds wrong, of settings that are right for nothing else that they hold for."""
    found = [(subject, list(rule(subject))) for subject in subjects]
    right: set[Place] = set()
    for subject, findings in found:
        wrong = {finding.place for finding in findings}
        right |= {
            subject.writings[key].place for key in subject.writings if _of_layer(key) and _on(key, subject)
        } - wrong
    return [finding for _, findings in found for finding in findings if finding.place not in right]


def _between(subject: Subject) -> Iterator[Finding]:
    """A least that is more than its most."""
    for low, high in ORDERED:
        if not (_on(low, subject) and _on(high, subject)):
            continue
        least, most = subject.writings[low], subject.writings[high]
        if least.value > most.value:
            if least.level > most.level:
                yield Finding(least.place, f"is more than {_told(high, most)}")
            else:
                yield Finding(most.place, f"is less than {_told(low, least)}")


def _in_time(subject: Subject) -> Iterator[Finding]:
    """A time that a call never reaches, since its own is over before."""
    timeout = subject.writings.get("timeout")
    limit_s: float = TIMEOUT_S_DEFAULT if timeout is None else timeout.value
    for key in SHORTER:
        if not _on(key, subject):
            continue
        mine = subject.writings[key]
        if mine.value >= limit_s and (timeout is None or mine.level >= timeout.level):
            other = (
                f"the timeout, {format_duration(limit_s)} where nothing sets it"
                if timeout is None
                else _told("timeout", timeout)
            )
            yield Finding(mine.place, f"never comes: a call is over by then, by {other}")


def _one_answer(subject: Subject) -> Iterator[Finding]:
    """Two answers where there can be one."""
    if _on("fallback.function", subject) and _on("fallback.value", subject):
        function, value = subject.writings["fallback.function"], subject.writings["fallback.value"]
        if function.level == value.level:
            yield Finding(
                value.place, f"cannot stand beside {_where(function)}: there is one answer, a function's or a value"
            )


def _gathered(subject: Subject) -> Iterator[Finding]:
    """Calls of an executable, which cannot be gathered."""
    if subject.source.mode != EXEC:
        return
    for key in _keys("batch", subject.writings):
        mine = subject.writings[key]
        if mine.level is Level.FUNCTION and key != "batch.enabled":
            what = f"sources.{subject.source.name}"
            yield Finding(mine.place, f"means nothing to {what}, an executable: each call is a process of its own")


EVERYWHERE: tuple[Rule, ...] = (_between, _in_time, _one_answer, _gathered)


def _needs(subject: Subject) -> Iterator[Finding]:
    for key, needed, why in NEEDS:
        if not _on(key, subject) or needed in subject.writings:
            continue
        if subject.bounded and needed == "bulkhead.concurrency":
            continue  # the source's own
        yield Finding(subject.writings[key].place, f"needs {needed} beside it: {why}")


def _required(subject: Subject) -> Iterator[Finding]:
    for layer, choices in REQUIRED.items():
        if not is_on(layer, subject.writings) or is_whole(layer, subject.writings):
            continue
        if subject.bounded and layer == "bulkhead":
            continue
        yield Finding(subject.nearest(layer).place, f"does nothing without {' or '.join(choices)}")


def _repeating(subject: Subject) -> Iterator[Finding]:
    idempotent = subject.writings.get("idempotent")
    if idempotent is None or idempotent.value:
        return
    for layer, why in REPEATING.items():
        if is_on(layer, subject.writings) and (mine := subject.nearest(layer)).level >= idempotent.level:
            yield Finding(mine.place, f"is for idempotent functions, and {_where(idempotent)} says false: {why}")


def _shared(subject: Subject, surrounding: Surrounding) -> Iterator[Finding]:
    for key in SHARING:
        if not surrounding.shared and _on(key, subject) and subject.writings[key].value:
            message = "needs a store that hosts share: the table [shared] with its url, or DRAGOMAN_SHARED_URL"
            yield Finding(subject.writings[key].place, message)


def _chaos(subject: Subject, surrounding: Surrounding) -> Iterator[Finding]:
    if not surrounding.chaos and is_on("chaos", subject.writings):
        message = "needs chaos = true in [project]: faults are made on purpose only where the project says so"
        yield Finding(subject.nearest("chaos").place, message)


def _fallbacks(subjects: Mapping[str, Subject], surrounding: Surrounding) -> Iterator[Finding]:
    """Functions to fall back on that are not there, or that fall back on the one that failed."""
    for subject in subjects.values():
        if not _on("fallback.function", subject):
            continue
        mine = subject.writings["fallback.function"]
        if missing := surrounding.missing(mine.value):
            yield Finding(mine.place, f"{mine.value!r}: {missing}")
        else:
            yield from _circle(subject, mine, subjects)


def _circle(subject: Subject, mine: Written, subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    if mine.value == subject.name:
        if mine.level is subject.level:
            yield Finding(mine.place, "is the function itself, which has just failed")
        return
    seen, step = set[str](), mine
    while step.value not in seen:
        name: str = step.value
        seen.add(name)
        following = subjects.get(name) or subjects.get(name.partition(".")[0])
        if following is subject and name != mine.value:
            yield Finding(mine.place, f"leads back to {name}, by {_where(step)}")
        if following is None or following is subject or not _on("fallback.function", following):
            return
        step = following.writings["fallback.function"]
        if step.value == name:
            return  # what others fall back on has nothing to fall back on itself


def _where(other: Written) -> str:
    """Another setting as a message mentions it."""
    return f"{other.place.name} (line {other.place.line})"


def _told(key: str, other: Written) -> str:
    """The same with its value."""
    return f"{_where(other)}, which is {text(noted(KNOWN[key], other.value))}"
