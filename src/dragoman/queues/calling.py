"""From what a message asks for to a call of a function of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.contract.codecs import json
from dragoman.contract.fitting import fitted, in_reach
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import (
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    InvalidArgument,
    NotFound,
    Started,
    Unavailable,
)
from dragoman.core.service import settle
from dragoman.core.terms import Terms
from dragoman.core.units import format_duration, format_size
from dragoman.queues.intake import KEY_CHARS_MAX, read

if TYPE_CHECKING:
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.queues.intake import Asked
    from dragoman.queues.message import Message
    from dragoman.queues.options import QueueOptions
    from dragoman.queues.surroundings import Door, Surroundings

TASK_PLACES = 64
"""Tasks that are stored at a time: a store commits those that come together at once."""
PLACES_UNKNOWN = 16
"""Where each message says which function it is for."""


class Calling:
    """The calls of one queue."""

    def __init__(self, options: QueueOptions, around: Surroundings) -> None:
        self._options = options
        self._around = around
        self._events = options.format == "cloudevents"
        self._caller = f"queue:{options.name}"

    def places(self) -> int:
        """How many calls can run at once."""
        if self._options.becomes == "task":
            return TASK_PLACES
        if not self._options.function:
            return PLACES_UNKNOWN
        try:
            return self._around.find(self._options.function).places()
        except Fault:
            return 1

    def read(self, message: Message) -> Asked:
        """What a message asks for. Raises the `Fault` of one that cannot be read."""
        if message.wrong:
            raise InvalidArgument(message.wrong)
        return read(message, events=self._events)

    def prepare(self, message: Message, asked: Asked, failures: int = 0) -> tuple[Door, Call]:
        """Make the call of a message, after so many that failed. Raises the `Fault` of one that cannot be one.

        A delivery that comes again for an unknown reason is the same call; one that has failed is to be another. It is
        always the same task: one that could not be stored is none, and one that was may have lost its acknowledgement.
        """
        door = self._find(asked)
        call = self._call(message, asked, door)
        if failures and self._options.becomes != "task":
            call.idempotency_key = f"{call.idempotency_key[: KEY_CHARS_MAX - 8]}#{failures}"
        if self._options.becomes == "task":
            door = door._replace(service=self._submitting(message, asked))
        return door, call

    def _find(self, asked: Asked) -> Door:
        own = self._options.function
        if asked.function and own and asked.function != own:
            raise InvalidArgument(f"the message is for {asked.function}, and this queue for {own} alone")
        name = own or asked.function
        if not name:
            raise NotFound("the message names no function (dragoman-function), and its queue has none")
        try:
            return self._around.find(name)
        except NotFound as fault:
            if not own:
                raise
            # A project that has lost a function is not to turn a whole queue into dead letters.
            raise Unavailable(fault.detail, started=Started.NO, function=name) from None

    def _call(self, message: Message, asked: Asked, door: Door) -> Call:
        around, target = self._around, door.target
        now = around.clock.monotonic()
        timeout_s = min(asked.timeout_s or target.timeout_s, target.timeout_s)
        if asked.deadline_at:
            left_s = asked.deadline_at - around.clock.now()
            if left_s <= 0:
                late = format_duration(-left_s)
                raise DeadlineExceeded(f"its deadline was over for {late} when it was read", started=Started.NO)
            timeout_s = min(timeout_s, left_s)
        if len(asked.body) > door.body_bytes_max:
            size, most = format_size(len(asked.body)), format_size(door.body_bytes_max)
            raise InvalidArgument(f"a body of {size} is more than the {most} that {target.name} takes")
        body, codec = input_of(asked, target)
        reply_codec = in_reach(target, Codec.BYTES if target.raw_output else Codec.JSON)
        call = Call(target, body, codec, reply_codec, id=around.next_id(), deadline=now + timeout_s, arrived_at=now)
        call.caller = self._caller
        call.idempotency_key = asked.key or f"{self._caller}:{message.id}"
        if asked.traceparent or around.tracer.sampling:
            call.trace = around.tracer.enter(asked.traceparent, asked.tracestate)
        if asked.priority is not None:
            call.priority = asked.priority
        return call

    def _submitting(self, message: Message, asked: Asked) -> Service:
        # What no text can hold is kept as nearly as can be, since it is stored.
        mark = asked.correlation or (message.id if asked.event is None else asked.event.id)
        kept = {"queue": self._options.name, "correlation_id": mark.encode(errors="replace").decode()}
        callback = json.encode(kept) if self._options.to else b""
        return lambda call: settle(self._submit(call, asked, callback))

    async def _submit(self, call: Call, asked: Asked, callback: bytes) -> Reply:
        tasks = self._around.tasks
        if tasks is None:
            raise FailedPrecondition("this host keeps no tasks", started=Started.NO)
        left_s = asked.deadline_at and asked.deadline_at - self._around.clock.now()
        terms = Terms(deadline_s=left_s, attempt_s=asked.timeout_s, callback=callback)
        await tasks.submit(call, terms)
        return Reply(b"", Codec.NONE)


def input_of(asked: Asked, target: Target) -> tuple[bytes | memoryview, Codec]:
    """The body as the function takes it. Raises `InvalidArgument` for raw bytes that it does not."""
    codec = asked.codec
    if codec is Codec.NONE:
        codec = Codec.BYTES if target.raw_input else Codec.JSON
    body, codec = fitted(asked.body, codec, target)
    if codec >= Codec.BYTES and not target.raw_input:
        raise InvalidArgument(f"{target.name} takes no raw bytes; send application/json or application/msgpack")
    return body, codec
