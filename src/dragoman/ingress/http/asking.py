"""What a request asks of tasks: ids, filters and pages, how long to wait, where to go on. Anything else is refused.

A filter that was misspelt and passed over would list every task, so a name that is not known here is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

from dragoman.contract.pointer import pointer
from dragoman.core.fault import Breach, InvalidArgument
from dragoman.core.units import duration
from dragoman.ingress.http.later import WAIT_S_MAX
from dragoman.ingress.http.tasks import PAGE, PAGE_MAX, STATES, Wanted

FILTERS = ("function", "caller", "schedule")
"""Those of `Wanted` that are text."""
LISTING = ("state", *FILTERS, "parent", "limit", "before")
TEXT_CHARS_MAX = 512
"""No name of a function, a caller or a schedule is longer."""
FIELDS_MAX = 32
SHOWN_CHARS_MAX = 64
SEQ_MAX = 2**63 - 1
"""The largest number that stores keep."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[0-9A-Za-z_.:-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,19}")
ID_EXAMPLE = "0198f1a0-6c1e-7d2b-9c55-2f1d6f0f7a10"


def wrong(name: str, expected: str, found: str) -> InvalidArgument:
    """The fault of a value that is not what was expected."""
    shown = found[:SHOWN_CHARS_MAX]
    message = f"expected {expected}, found {shown!r}"
    return InvalidArgument(f"{name}: {message}", errors=(Breach(pointer((name,)), message),))


def task_id(text: str, name: str = "id") -> str:
    """The id of a task, in lower case as they are written (RFC 9562 §4). Raises `InvalidArgument`."""
    if not _ID.fullmatch(text.lower()):
        raise wrong(name, f'the id of a task, such as "{ID_EXAMPLE}"', text)
    return text.lower()


def delivery_id(text: str) -> str:
    """The id of a delivery. Raises `InvalidArgument`."""
    if not _NAME.fullmatch(text):
        raise wrong("id", "the id of a delivery, as GET /v1/tasks/deliveries?state=dead lists them", text)
    return text


def fields(query: str, known: Collection[str]) -> dict[str, list[str]]:
    """The values of a query string by name. Raises `InvalidArgument` for names that are not known."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise InvalidArgument(f"the query cannot be read: {error}") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            takes = f"what is known here is {', '.join(known)}" if known else "there are none here"
            message = f"there is no such parameter; {takes}"
            shown = name[:SHOWN_CHARS_MAX]
            raise InvalidArgument(f"{shown!r}: {message}", errors=(Breach(pointer((shown,)), message),))
        found.setdefault(name, []).append(value)
    return found


def once(found: dict[str, list[str]], name: str, default: str = "") -> str:
    """The value of a name that may be given once. Raises `InvalidArgument` where there are more."""
    values = found.get(name, [default])
    if len(values) > 1:
        raise wrong(name, "one value", " and ".join(values))
    return values[0]


def listing(query: str) -> Wanted:
    """The tasks that a query string asks for; a filter that is left empty is none. Raises `InvalidArgument`."""
    found = fields(query, LISTING)
    words = [word.strip().upper() for value in found.get("state", ()) for word in value.split(",")]
    states = [word for word in words if word]
    for state in states:
        if state not in STATES:
            raise wrong("state", f"one of {', '.join(STATES)}, or several with commas between", state)
    return Wanted(
        states=frozenset(states),
        **{name: _text(name, once(found, name)) for name in FILTERS},
        parent=_id(found, "parent"),
        before=_id(found, "before"),
        limit=_limit(once(found, "limit", str(PAGE))),
    )


def next_page(wanted: Wanted, before: str) -> str:
    """The query string of the page behind this one."""
    states = ",".join(state for state in STATES if state in wanted.states)
    pairs = {"state": states, **{name: getattr(wanted, name) for name in FILTERS}, "parent": wanted.parent}
    given = {name: value for name, value in pairs.items() if value}
    return urlencode(given | {"limit": wanted.limit, "before": before}, safe=",")


def waiting(query: str) -> float:
    """The seconds that a query string wants to wait, at most those that anybody is kept. Raises `InvalidArgument`."""
    text = once(fields(query, ("wait",)), "wait", "0s")
    try:
        return min(duration(text), WAIT_S_MAX)
    except ValueError:
        raise wrong("wait", 'a duration such as "500ms", "10s" or "1m"', text) from None


def behind(query: str, last_event_id: str = "") -> int:
    """The `after` of a query string, or the `Last-Event-ID`, if that is further on. Raises `InvalidArgument`."""
    after = once(fields(query, ("after",)), "after", "0")
    return max(_seq("after", after), _seq("Last-Event-ID", last_event_id or "0"))


def _id(found: dict[str, list[str]], name: str) -> str:
    text = once(found, name)
    return task_id(text, name) if text else ""


def _text(name: str, text: str) -> str:
    if len(text) > TEXT_CHARS_MAX or any(character < " " or character == "\x7f" for character in text):
        raise wrong(name, f"a text of at most {TEXT_CHARS_MAX} characters", text)
    return text


def _limit(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= PAGE_MAX:
        raise wrong("limit", f"a number from 1 to {PAGE_MAX}", text)
    return int(text)


def _seq(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > SEQ_MAX:
        raise wrong(name, "the id of an event, a number", text)
    return int(text)
