"""Runs cases against one guest: those that leave the connection whole share a process, the others get their own."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.line import Broken
from conformance.play_host import Case, Session, cases
from conformance.talk import STEP_S_MAX
from conformance.values import filled, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.process import Subject

MANY_SHOWN = 3
SIDE_BY_SIDE = 4
"""Processes at a time: cases wait for most of their time, for silence or for a guest to start."""


@dataclass(frozen=True)
class Outcome:
    """How one case went; `why` is empty where it passed."""

    name: str
    why: str = ""
    skipped: bool = False


def run(subject: Subject, chosen: Callable[[str], bool] = lambda _: True) -> Iterator[Outcome]:
    """Every case of the level, one outcome each: those that share a process first, the others side by side."""
    chosen_cases = [(name, case) for name, case in cases(subject.level) if chosen(name)]
    apart = [(name, case) for name, case in chosen_cases if case.get("fresh") or case.get("hello")]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        alone_outcomes = pool.map(lambda each: alone(subject, *each), apart)
        yield from _together(subject, [each for each in chosen_cases if each not in apart])
        yield from alone_outcomes


def _together(subject: Subject, shared_cases: list[tuple[str, Case]]) -> Iterator[Outcome]:
    shared: Session | None = None
    try:
        for name, case in shared_cases:
            try:
                shared = shared or opened(subject, case)
            except Broken as broken:
                yield Outcome(name, f"the guest did not start: {broken}")
                continue
            outcome, whole = attempt(shared, name, case)
            yield outcome
            if not whole:
                shared.guest.__exit__()
                shared = None
    finally:
        if shared is not None:
            shared.guest.__exit__()


def opened(subject: Subject, case: Case) -> Session:
    """A session that has shaken hands, unless the case does that itself. Raises `Broken`."""
    session = Session(subject, case.get("hello"))
    try:
        if case.get("handshake", True):
            session.shake_hands()
    except BaseException:
        session.guest.__exit__()
        raise
    return session


def alone(subject: Subject, name: str, case: Case) -> Outcome:
    """Run a case in a process of its own."""
    try:
        session = opened(subject, case)
    except Broken as broken:
        return Outcome(name, str(broken))
    with session.guest:
        return attempt(session, name, case)[0]


def attempt(session: Session, name: str, case: Case) -> tuple[Outcome, bool]:
    """Run the steps; the second value says whether the session may be used again."""
    session.forget()
    features = set(session.ready.get("features", ()))
    missing = set(case.get("features", ())) - features
    if missing or any(feature in features for feature in case.get("without", ())):
        return Outcome(name, skipped=True), True
    for position, step in enumerate(case["steps"]):
        try:
            take(session, step)
        except Broken as broken:
            return Outcome(name, f"step {position + 1}: {broken}"), False
    return Outcome(name), not case.get("fresh") and session.guest.alive


def take(session: Session, step: dict[str, Any]) -> None:
    """Do one step. Raises `Broken`."""
    ((verb, told),) = ((key, value) for key, value in step.items() if key != "about")
    STEPS[verb](session, told)


def _many(session: Session, told: dict[str, Any]) -> None:
    count = told["count"]
    frames = [session.frame(each, number) for number in range(count) for each in _list(told["send"])]
    session.guest.send(b"".join(frame.pack() for frame in frames), STEP_S_MAX * 3)
    if "expect" in told:
        wanted = [filled(each, number) for number in range(count) for each in _list(told["expect"])]
        session.expect_all(wanted)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _quiet(session: Session, seconds: float) -> None:
    try:
        frame = session.guest.receive(seconds)
    except TimeoutError:
        return
    if frame is not None and frame.kind == "EVENT":
        _quiet(session, seconds)
        return
    message = f"expected nothing, got {shown(frame) if frame else 'the end of the connection'}"
    raise Broken(message)


def _gather(session: Session, told: dict[str, Any]) -> None:
    """Take a whole stream, granting credit, until END or FAULT."""
    values: list[Any] = []
    deadline = time.monotonic() + STEP_S_MAX * 3
    call = told["call"]
    counted: Counter[str] = Counter()
    while True:
        frame = session.guest.receive(max(deadline - time.monotonic(), 0))
        if frame is None:
            message = f"the connection ended after {len(values)} items"
            raise Broken(message)
        counted[frame.kind] += 1
        if frame.kind == "ITEM":
            values.append(frame.value if len(values) <= told.get("keep", 1000) else None)
            session.send({"kind": "CREDIT", "call": call, "amount": 32 + len(frame.body)})
        elif frame.kind != "EVENT":
            break
    if frame.kind != told.get("end", "END"):
        message = f"the stream ended with {shown(frame)}"
        raise Broken(message)
    if "items" in told and values != told["items"]:
        message = f"expected {told['items']!r:.300}, got {values!r:.300}"
        raise Broken(message)
    if "count" in told and len(values) != told["count"]:
        message = f"expected {told['count']} items, got {len(values)}"
        raise Broken(message)


def _drain(session: Session, told: dict[str, Any]) -> None:
    session.send({"kind": "DRAIN"})
    _leave(session, told)


def _leave(session: Session, told: dict[str, Any]) -> None:
    session.expect({"kind": "BYE"})
    session.send({"kind": "BYE"})
    session.guest.sock.shutdown(1)
    _ended(session, told.get("exit", 0))


def _close(session: Session, told: dict[str, Any]) -> None:
    session.guest.sock.close()
    _ended(session, told.get("exit"))


def _ended(session: Session, expected: int | None) -> None:
    status = session.guest.exit_status()
    if expected is not None and status != expected:
        message = f"the process ended with {status}, not {expected}"
        raise Broken(message)


def _broken(session: Session, reason: str) -> None:
    """A protocol fault: FAULT on call 0 or nothing, then the end, and no frame for the bad one."""
    _spoiled(session, reason, {"EVENT", "BYE"})


def _swallow(session: Session, reason: str) -> None:
    """A protocol fault, perhaps after answers to what was sent before."""
    _spoiled(session, reason, {"EVENT", "BYE", "ITEM", "END", "FAULT", "CREDIT", "RELEASE"})


def _swallow_until(session: Session, told: dict[str, Any]) -> None:
    """Pass over what comes until the frame that is meant."""
    deadline = time.monotonic() + STEP_S_MAX
    why = ""
    while True:
        try:
            frame = session.guest.receive(max(deadline - time.monotonic(), 0))
        except TimeoutError:
            message = f"no {told['kind']}: {why}"
            raise Broken(message) from None
        if frame is None:
            message = f"the connection ended before {told['kind']}"
            raise Broken(message)
        why = session.differs(frame, told) or ""
        if not why:
            return


def _spoiled(session: Session, reason: str, passed: set[str]) -> None:
    while True:
        try:
            frame = session.guest.receive(STEP_S_MAX)
        except TimeoutError:
            message = f"the connection goes on after a protocol fault ({reason})"
            raise Broken(message) from None
        if frame is None:
            break
        if frame.kind == "FAULT" and frame.call == 0:
            detail = str(frame.value.get("detail", ""))
            if reason not in detail:
                message = f"the FAULT on call 0 does not name {reason!r}: {detail!r}"
                raise Broken(message)
        elif frame.kind not in passed:
            message = f"expected a protocol fault ({reason}), got {shown(frame)}"
            raise Broken(message)
    session.guest.exit_status()


def _fails(session: Session, told: dict[str, Any]) -> None:
    """FAULT on call 0 before READY, then the end of the process."""
    session.expect({"kind": "FAULT", "call": 0, **told})
    session.guest.exit_status()


STEPS: dict[str, Callable[[Session, Any], None]] = {
    "send": Session.send,
    "send_hex": lambda session, text: session.guest.send(bytes.fromhex(text)),
    "hello": lambda session, _: session.shake_hands(),
    "expect": Session.expect,
    "expect_all": Session.expect_all,
    "gather": _gather,
    "many": _many,
    "quiet": _quiet,
    "deaf": lambda _, seconds: time.sleep(seconds),
    "drain": _drain,
    "leaves": _leave,
    "close": _close,
    "broken": _broken,
    "swallow": _swallow,
    "swallow_until": _swallow_until,
    "fails": _fails,
}
