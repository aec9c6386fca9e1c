"""What a storm of deaths must not break in queues: a checker that reads what was sent, and what came of it.

Producers write down what a broker has confirmed (`confirmed`), and what it may or may not have (`unsure`); the function
writes down each time that it begins, in a file. `check` holds these against all results and dead letters.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind: TypeAlias = Literal["good", "event", "late", "poison", "raising", "invalid"]
"""`good` and `event` have a result; `late` has one at its second attempt; `poison` kills its worker each time."""

ENDS: Mapping[Kind, frozenset[str]] = {
    "poison": frozenset({"UNAVAILABLE"}),
    "raising": frozenset({"UNKNOWN"}),
    "invalid": frozenset({"INVALID_ARGUMENT", "DEADLINE_EXCEEDED"}),
}
"""The codes that their dead letters have."""


class Row(NamedTuple):
    """A message in a place that hosts write to. `id` is what tells one that was sent twice, where it has one."""

    body: bytes
    headers: Mapping[str, str]
    id: str = ""


@dataclass
class Sent:
    """What producers know, by the key of each message."""

    kinds: dict[str, Kind] = field(default_factory=dict[str, Kind])
    confirmed: set[str] = field(default_factory=set[str])
    unsure: set[str] = field(default_factory=set[str])


@dataclass(frozen=True)
class Promise:
    """What holds for a broker: everything comes `once`; or it has ids, by which each is told from its repetitions."""

    once: bool
    attempts: int


def key_of(row: Row) -> str:
    """Whose result or dead letter it is."""
    headers = row.headers
    if "dragoman-code" in headers:
        return headers.get("x-key", "")
    return headers.get("correlation-id") or headers.get("ce-correlationid", "")


def check(sent: Sent, results: Iterable[Row], dead: Iterable[Row], runs: Counter[str], promise: Promise) -> list[str]:
    """All that is wrong."""
    told: defaultdict[str, list[Row]] = defaultdict(list)
    buried: defaultdict[str, list[Row]] = defaultdict(list)
    for row in results:
        told[key_of(row)].append(row)
    for row in dead:
        buried[key_of(row)].append(row)
    wrong = [f"{key!r} came out, and nobody sent it: {(told[key] + buried[key])[:1]}" for key in strange(sent, told)]
    wrong += [f"{key!r} is a dead letter, and nobody sent it: {buried[key][:1]}" for key in strange(sent, buried)]
    for key, kind in sent.kinds.items():
        ends = told[key] + buried[key]
        if key in sent.confirmed and not ends:
            wrong.append(f"{key} ({kind}) was confirmed, and is lost; it began {runs[key]} times")
        if promise.once and len(ends) > 1:
            wrong.append(f"{key} ({kind}) has {len(told[key])} results and {len(buried[key])} dead letters")
        if len({row.id for row in told[key]}) > 1:
            wrong.append(f"{key} ({kind}) has results of several ids: {told[key]}")
        wrong += [why for row in told[key] for why in _result(key, kind, row, runs[key])]
        wrong += [why for row in buried[key] for why in _letter(key, kind, row, runs[key], promise.attempts)]
    return wrong


def strange(sent: Sent, found: Mapping[str, list[Row]]) -> set[str]:
    """What came out without having been put in."""
    return {key for key, rows in found.items() if rows and key not in sent.kinds}


def _result(key: str, kind: Kind, row: Row, runs: int) -> list[str]:
    if kind in ENDS:
        return [f"{key} ({kind}) has a result: {row}"]
    if json.loads(row.body) != key:
        return [f"{key} has the result of another: {row}"]
    if not runs:
        return [f"{key} has a result, and never began"]
    if kind == "event" and row.headers.get("ce-causationid") != key:
        return [f"{key} is an event, and what answers it is not: {row}"]
    if kind == "late" and runs < 2:
        return [f"{key} fails at first, and began {runs} times"]
    return []


def _letter(key: str, kind: Kind, row: Row, runs: int, attempts: int) -> list[str]:
    told: dict[str, Any] = json.loads(row.headers["dragoman-fault"])
    code, tries = row.headers["dragoman-code"], int(row.headers["dragoman-attempts"])
    if told["code"] != code or not told["detail"]:
        return [f"{key} ({kind}) says {code}, and its problem is {told}"]
    passing = code == "UNAVAILABLE"
    if code not in ENDS.get(kind, {"UNAVAILABLE"}) and not (passing and tries > attempts):
        return [f"{key} ({kind}) is a dead letter for {told}"]
    if passing and tries < attempts:
        return [f"{key} ({kind}) was given up after {tries} attempts"]
    if kind == "invalid" and runs:
        return [f"{key} is invalid, and began {runs} times"]
    return []
