"""Functions of the host itself, by which functions make tasks and wait for them: `ctx.call("tasks.submit", …)`.

A task that waits for others holds no worker: `tasks.gather` answers at once where all of them are over, and else with a
fault by which the attempt ends; the task runs anew, from its beginning, when they are. The nth task that an attempt
submits is the same one in every attempt, so the second time nothing is submitted twice, and `gather` has its answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dragoman.config.problem import did_you_mean
from dragoman.contract import codec
from dragoman.contract.malformed import Malformed
from dragoman.contract.pointer import pointer
from dragoman.core import units
from dragoman.core.call import Codec, Reply, callers_of, priority_of
from dragoman.core.draft import whole
from dragoman.core.fault import (
    Aborted,
    Breach,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    InvalidArgument,
    NotFound,
    Started,
)
from dragoman.core.service import Pending, settle
from dragoman.core.terms import AHEAD_S_MAX, ATTEMPTS_MAX, Terms
from dragoman.tasks.run import run_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.core.call import Call
    from dragoman.core.target import Target
    from dragoman.host.works import Hosting
    from dragoman.tasks.run import Run
    from dragoman.tasks.tasks import Tasks
    from dragoman.workers.outbound import GuestCall

OWN = "tasks."
GATHER_MAX = 10_000
"""Tasks that one call waits for: their results are one reply."""
AT_A_TIME = 64
"""Tasks that are looked at side by side."""
TURN_S = 60.0
"""How long one wait for a task lasts before the next; the call's own time bounds all of them."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller gives: by name, each of a type or of one of several, with what else is to be said of it."""

    kinds: tuple[type, ...]
    expected: str
    required: bool = False


TEXT = Given((str,), "a string")
TIME = Given((str, int, float), 'a duration such as "5s", or seconds')
SUBMIT: Mapping[str, Given] = {
    "function": Given((str,), "the full name of a function", required=True),
    "input": Given((dict,), "an object"),
    "inputs": Given((list,), "a list of objects"),
    "delay": TIME,
    "deadline": TIME,
    "timeout": TIME,
    "attempts": Given((int,), "a whole number"),
    "priority": Given((str,), "critical, normal or batch"),
    "key": TEXT,
}
GATHER: Mapping[str, Given] = {
    "tasks": Given((list,), "a list of tasks", required=True),
    "outcomes": Given((bool,), "true or false"),
}
ONE: Mapping[str, Given] = {"task": Given((str,), "a task's id", required=True)}


class Errands:
    """The functions called `tasks.…` of one host."""

    def __init__(self, host: Hosting, tasks: Tasks, run_here: Callable[[str], Run | None]) -> None:
        """`run_here` finds the attempt at a task that this host makes."""
        self._host = host
        self._tasks = tasks
        self._run_here = run_here
        self._now = host.world.surroundings.clock.monotonic
        self._work: dict[str, tuple[Mapping[str, Given], Callable[[Errand], Awaitable[object]]]] = {
            "tasks.submit": (SUBMIT, self._submit),
            "tasks.gather": (GATHER, self._gather),
            "tasks.status": (ONE, self._status),
            "tasks.cancel": (ONE, self._cancel),
        }

    def __call__(self, call: GuestCall) -> Pending:
        """Run one of them."""
        return settle(self._run(call))

    async def _run(self, call: GuestCall) -> Reply:
        known = self._work.get(call.function)
        if known is None:
            detail = f"there is no function {call.function!r}{did_you_mean(call.function, self._work)}"
            raise NotFound(detail, started=Started.NO, function=call.function)
        schema, work = known
        run = run_of(call.caller)
        if run is None and call.caller is None:
            # Which of several calls in one worker it was cannot be told; the chain's id is the task's.
            run = self._run_here(call.call_id)
        if run is not None and (run.over or run.lost or run.cancelling):
            raise Cancelled("the task that asks for this is not to go on", started=Started.NO, function=call.function)
        return told(await work(Errand(call, taken(call, schema), run)), call)

    async def _submit(self, errand: Errand) -> object:
        given, run = errand.given, errand.run
        target = self._host.registry.find(given["function"]).target
        inputs = inputs_of(errand)
        calls = [self._call(errand, target, each) for each in inputs]
        terms = Terms(
            delay_s=seconds(errand, "delay"),
            deadline_s=seconds(errand, "deadline"),
            attempt_s=seconds(errand, "timeout"),
            attempts_max=attempts(errand),
        )
        try:
            told = await self._tasks.submit_all(calls, terms, parent="" if run is None else run.task.id)
        except FailedPrecondition:
            if run is None or "key" in given:
                raise
            detail = (
                f"the task that this attempt submits as number {calls[0].idempotency_key.rpartition('/')[2]} had "
                f"another input in an earlier attempt, or one behind it had: "
                f"submit the same tasks in the same order in each, or give each a key of its own"
            )
            raise FailedPrecondition(detail, started=Started.NO, function=target.name) from None
        documents = [document for document, _ in told]
        return documents if "inputs" in given else documents[0]

    def _call(self, errand: Errand, target: Target, value: object) -> Call:
        """The call that becomes a task."""
        given, asked, run = errand.given, errand.call, errand.run
        body, kind = encoded(value, asked.codec)
        call = self._host.call(target, body, kind, Codec.JSON)
        call.trace = asked.trace
        try:
            call.priority = priority_of(given["priority"]) if "priority" in given else call.priority
        except ValueError as error:
            raise wrong(asked, "priority", str(error)) from None
        call.idempotency_key = given.get("key", "")
        if "key" in given and not call.idempotency_key:
            raise wrong(asked, "key", "must not be empty; leave it out where there is none")
        call.caller = "" if asked.caller is None else asked.caller.caller or asked.caller.target.name
        if run is not None:
            # Counted whether it is stored or not: the next attempt counts alike.
            run.submitted += 1
            submission = run.task.submission
            call.caller = submission.caller
            call.idempotency_key = call.idempotency_key or f"{run.task.id}/{run.submitted}"
            if "priority" not in given:
                call.priority = submission.priority
        return call

    async def _status(self, errand: Errand) -> object:
        return await self._tasks.show(errand.given["task"])

    async def _cancel(self, errand: Errand) -> object:
        return await self._tasks.cancel(errand.given["task"])

    # Waiting

    async def _gather(self, errand: Errand) -> object:
        ids, run = ids_of(errand), errand.run
        if run is not None and run.task.id in ids:
            raise wrong(errand.call, "tasks", "a task cannot wait for itself")
        shown = await self._look(ids)
        if run is None:
            shown = await self._outside(errand, shown)
        elif waiting := [each["id"] for each in shown if each["finished_at"] is None]:
            run.waits_for = tuple(dict.fromkeys(waiting))
            if await self._waits_for(run, waiting):
                run.waits_for = ()
                what = ", ".join(waiting[:3]) + (", …" if len(waiting) > 3 else "")  # noqa: PLR2004 - enough to find it
                detail = f"this task would wait for ever, since what it waits for waits for it in turn: {what}"
                raise FailedPrecondition(detail, started=Started.YES, function=errand.call.function)
            for each in chain(errand):
                # No layer on the way is to try again what would only be told the same.
                each.spent = True
            count = f"{len(run.waits_for)} of {len(ids)} tasks are not over"
            detail = f"{count}: this attempt ends here, and the task runs anew when they are"
            raise Aborted(detail, started=Started.YES, function=errand.call.function)
        if run is not None:
            run.waits_for = ()
        outcomes = errand.given.get("outcomes", False)
        return [await self._outcome(each, whole=outcomes) for each in shown]

    async def _waits_for(self, run: Run, ids: list[str]) -> bool:
        """Whether any of these tasks waits for this one, by however many others.

        `run.waits_for` is set before: of those that close a ring at once, the last one to set it finds all the others.
        """
        seen, following = set[str](), set(ids)
        while following:
            seen |= following
            # What waits in an attempt that is still here, first: what is not here any more is in the store by then.
            runs = [here for each in following if (here := self._run_here(each)) is not None]
            found = {each for here in runs for each in here.waits_for}
            found |= await self._tasks.awaited(list(following))
            if run.task.id in found:
                return True
            following = found - seen
        return False

    async def _look(self, ids: list[str]) -> list[dict[str, Any]]:
        tasks, shown = self._tasks, list[dict[str, Any]]()
        for at in range(0, len(ids), AT_A_TIME):
            shown += await asyncio.gather(*(tasks.show(each, history=False) for each in ids[at : at + AT_A_TIME]))
        return shown

    async def _outside(self, errand: Errand, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Wait here, since it is no task that asks: for as long as its call may take."""
        now = self._now
        until = now() + errand.call.remaining_s if errand.call.remaining_s else float("inf")
        for index, each in enumerate(shown):
            told = each
            while told["finished_at"] is None:
                left_s = until - now()
                if left_s <= 0:
                    detail = f"the task {each['id']} was not over in the time that this call has"
                    raise DeadlineExceeded(detail, started=Started.YES, function=errand.call.function)
                told = await self._tasks.wait(each["id"], min(left_s, TURN_S))
            shown[index] = told
        return shown

    async def _outcome(self, shown: dict[str, Any], *, whole: bool) -> object:
        """The result of a task that is over, or all that came of it."""
        try:
            reply = await self._tasks.result(shown["id"])
        except Fault as fault:
            if whole:
                return {"task": shown["id"], "state": shown["state"], "result": None, "fault": shown["fault"]}
            detail = f"the task {shown['id']} of {shown['function']} is {shown['state']}: {fault.code}: {fault.detail}"
            raise FailedPrecondition(detail, started=Started.YES, function=shown["function"]) from None
        assert reply is not None, "it is over"
        value = value_of(reply)
        if not whole:
            return value
        return {"task": shown["id"], "state": shown["state"], "result": value, "fault": None}


@dataclass(frozen=True, slots=True)
class Errand:
    """One call of such a function: what it gives, and the attempt at a task that it is made for, if it is."""

    call: GuestCall
    given: dict[str, Any]
    run: Run | None


def attempts(errand: Errand) -> int:
    """How many attempts there may be, 0 where nothing is said. Raises `InvalidArgument`."""
    found: int = errand.given.get("attempts", 0)
    if "attempts" in errand.given and not 1 <= found <= ATTEMPTS_MAX:
        raise wrong(errand.call, "attempts", f"must be 1 to {ATTEMPTS_MAX}")
    return found


def chain(errand: Errand) -> list[Any]:
    """The calls by which a task came to ask."""
    caller = errand.call.caller
    if caller is None:
        return [errand.run.call] if errand.run is not None else []
    return [caller, *callers_of(caller)]


def taken(call: GuestCall, schema: Mapping[str, Given]) -> dict[str, Any]:
    """The input of a call. Raises `InvalidArgument` with all that is wrong in it."""
    try:
        value: Any = codec.decode(bytes(whole(call.body)) or b"{}", call.codec if call.body else Codec.JSON)
    except (Malformed, ValueError) as error:
        raise InvalidArgument(f"the input of {call.function} cannot be read: {error}", started=Started.NO) from None
    if not isinstance(value, dict):
        raise InvalidArgument(f"the input of {call.function} is no object", started=Started.NO)
    given = {name: each for name, each in cast("dict[str, Any]", value).items() if each is not None}
    breaches = [
        Breach(pointer((name,)), f"is unknown{did_you_mean(name, schema)}") for name in given if name not in schema
    ]
    for name, each in schema.items():
        if name not in given:
            breaches += [Breach(f"/{name}", f"is missing: {each.expected}")] if each.required else []
        elif not isinstance(given[name], each.kinds) or (isinstance(given[name], bool) and bool not in each.kinds):
            breaches.append(Breach(f"/{name}", f"must be {each.expected}"))
    if breaches:
        raise refusal(call, tuple(breaches))
    return given


def refusal(call: GuestCall, breaches: tuple[Breach, ...]) -> InvalidArgument:
    """An input that is not as it must be."""
    first = breaches[0]
    detail = f"the input of {call.function} is not right: {first.path} {first.message}"
    return InvalidArgument(detail, started=Started.NO, errors=breaches, function=call.function)


def wrong(call: GuestCall, name: str, message: str) -> InvalidArgument:
    """One thing that is not as it must be."""
    return refusal(call, (Breach(f"/{name}", message),))


def seconds(errand: Errand, name: str) -> float:
    """A length of time that was given, 0 for none."""
    given: object = errand.given.get(name, 0)
    try:
        found = units.duration(given) if isinstance(given, str) else float(cast("float", given))
    except (ValueError, OverflowError) as error:
        raise wrong(errand.call, name, str(error)) from None
    if not 0 <= found <= AHEAD_S_MAX:
        raise wrong(errand.call, name, f"must be no less than 0, and at most {units.format_duration(AHEAD_S_MAX)}")
    return found


def inputs_of(errand: Errand) -> list[object]:
    """The inputs of the tasks to be made: one, or as many as are given."""
    given = errand.given
    if "inputs" not in given:
        return [given.get("input", {})]
    if "input" in given or "key" in given:
        other = "input" if "input" in given else "key"
        raise wrong(errand.call, "inputs", f"cannot stand beside {other}: it makes several tasks")
    inputs: list[object] = given["inputs"]
    if len(inputs) > GATHER_MAX:
        raise wrong(errand.call, "inputs", f"has {len(inputs)} entries, of which there may be {GATHER_MAX}")
    for index, each in enumerate(inputs):
        if not isinstance(each, dict):
            raise wrong(errand.call, f"inputs/{index}", "must be an object")
    return inputs


def ids_of(errand: Errand) -> list[str]:
    """The tasks that are waited for: ids, or documents that have one."""
    given: list[object] = errand.given["tasks"]
    if len(given) > GATHER_MAX:
        raise wrong(errand.call, "tasks", f"has {len(given)} entries, of which there may be {GATHER_MAX}")
    ids: list[str] = []
    for index, each in enumerate(given):
        found: object = cast("dict[str, object]", each).get("id") if isinstance(each, dict) else each
        if not isinstance(found, str):
            raise wrong(errand.call, f"tasks/{index}", "must be a task's id, or its document")
        ids.append(found)
    return ids


def value_of(reply: Reply) -> object:
    """What a task gave, as a value; raw bytes and tables as bytes."""
    if reply.codec in {Codec.JSON, Codec.MSGPACK}:
        return codec.decode(reply.body, reply.codec) if reply.body else None
    return bytes(reply.body) if reply.codec is not Codec.NONE else None


def encoded(value: object, like: Codec) -> tuple[bytes, Codec]:
    """A value in the codec in which it came; in JSON where that cannot say it, as of integers past 64 bits."""
    if like is Codec.MSGPACK:
        try:
            return codec.encode(value, Codec.MSGPACK), Codec.MSGPACK
        except Malformed:
            pass
    return codec.encode(value, Codec.JSON), Codec.JSON


def told(value: object, call: GuestCall) -> Reply:
    """The reply of such a function."""
    body, kind = encoded(value, call.reply_codec)
    return Reply(body, kind)
