"""What a function may ask about its own call, and tell about it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dragoman.core.deadline import NEVER
from dragoman.guest.reports import Reports, Way
from dragoman.wire import meta
from dragoman.wire.report import dump_log

if TYPE_CHECKING:
    from dragoman.wire.meta import Entries


class Link(Way, Protocol):
    """What a context needs of whoever runs its call."""

    def public_id(self, call: int) -> str:
        """The id under which people know a call."""
        ...

    def is_cancelled(self, call: int) -> bool:
        """Whether the caller has given the call up; looks at the wire if it has not for a while."""
        ...

    def log(self, call: int, body: bytes) -> None:
        """Send a log event, within the call's allowance."""
        ...

    def request(self, context: Context, function: str, arguments: dict[str, Any]) -> Any:
        """Call another function: the result, or an awaitable of it."""
        ...

    def request_stream(self, context: Context, function: str, arguments: dict[str, Any]) -> Any:
        """Call another function: an iterator over the items, ordinary or asynchronous."""
        ...


class Context:
    """A running call, as its function sees it.

    Declare a parameter of this type to get one; it is no part of the contract. It may be used from any thread until
    the function returns.
    """

    __slots__ = ("_call", "_entries", "_link", "_meta", "_reports", "deadline")
    __dragoman_context__: ClassVar[bool] = True

    def __init__(self, link: Link, call: int, entries: bytes | Entries, deadline: float, reports: Reports) -> None:
        """Contexts are built by the worker; `deadline` is in seconds on the monotonic clock."""
        self._link = link
        self._call = call
        self._meta = entries
        self._entries: Entries | None = None
        self._reports = reports
        self.deadline = deadline

    @property
    def entries(self) -> Entries:
        """What travelled with the call besides its input: trace, ids, nesting depth."""
        if self._entries is None:
            self._entries = meta.decode(self._meta) if isinstance(self._meta, bytes) else self._meta
        return self._entries

    @property
    def call_id(self) -> str:
        """The id of this call, as it stands in logs and in the reply's `Dragoman-Call-Id`."""
        return self.entries.call_id or self._link.public_id(self._call)

    @property
    def trace(self) -> str:
        """The W3C `traceparent` of this call; empty where it is not traced."""
        trace = self.entries.trace
        if trace is None:
            return ""
        return f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags:02x}"

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0; infinite where there is none."""
        return self.deadline if self.deadline == NEVER else max(self.deadline - monotonic(), 0.0)

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone away or given up: stop soon, or be stopped."""
        return self._link.is_cancelled(self._call)

    def log(self, message: str, level: str = "info", **fields: Any) -> None:
        """Write a line to the log of this call.

        Args:
            message: the text.
            level: `debug`, `info`, `warning` or `error`.
            **fields: structured values beside the text; what JSON cannot say is written as its `repr`.
        """
        try:
            body = dump_log(str(message), level.lower(), "log", fields)
        except (TypeError, ValueError, RecursionError):
            body = dump_log(str(message), level.lower(), "log", {name: repr(field) for name, field in fields.items()})
        self._link.log(self._call, body)

    def progress(self, share: float, message: str = "") -> None:
        """Tell how far the call is: a share between 0 and 1, and a word about it."""
        self._reports.progress(share, message)

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Call any function of the project: `ctx.call("tax.rate", country="NL")`.

        In an `async` function this gives an awaitable, elsewhere it blocks. The callee gets what is left of this
        call's time and stands in the same trace. A stream comes back as a list of its items; an argument that is an
        iterator is sent as one, item by item.

        Args:
            function: the full name, `source.function`.
            **arguments: the input.

        Returns:
            The result, decoded: objects are dictionaries, records included.

        Raises:
            Fault: whatever the callee's call ended with, by its class.
        """
        return self._link.request(self, function, arguments)

    def stream(self, function: str, /, **arguments: Any) -> Any:
        """Call any function of the project for its items, one by one: `for line in ctx.stream("logs.tail", path=p)`.

        In an `async` function this is an asynchronous iterator, elsewhere an ordinary one. Leaving it early cancels the
        call. A function that does not stream gives one item.

        Args:
            function: the full name, `source.function`.
            **arguments: the input; one of them may be an iterator, in an `async` function.

        Returns:
            An iterator over the decoded items.

        Raises:
            Fault: whatever the callee's call ended with, by its class.
        """
        return self._link.request_stream(self, function, arguments)

    def submit(
        self,
        function: str,
        input: dict[str, Any] | None = None,  # noqa: A002 - the public word
        /,
        **terms: Any,
    ) -> Any:
        """Submit a call as a task of its own: `task = ctx.submit("reports.build", {"month": 5}, delay="1m")`.

        In an `async` function this gives an awaitable. Within a task, the nth one that is submitted is the same in
        every attempt, so an attempt that runs anew submits none twice.

        Args:
            function: the full name, `source.function`.
            input: the input.
            **terms: `delay`, `deadline`, `timeout` (durations such as `"5s"`, or seconds), `attempts`, `priority`, and
                `key`, which makes submissions one that have the same.

        Returns:
            The task's document; `["id"]` is its id.

        Raises:
            Fault: the function is unknown, its input is wrong, or tasks cannot be kept now.
        """
        return self._link.request(self, "tasks.submit", {"function": function, "input": input or {}, **terms})

    def submit_all(self, function: str, inputs: list[dict[str, Any]], /, **terms: Any) -> Any:
        """Submit many calls as tasks in one step: `ctx.gather(*ctx.submit_all("shop.price", [{"item": "tea"}, …]))`.

        All of them are stored, or none. As `submit` else; there is no `key`.

        Args:
            function: the full name, `source.function`.
            inputs: the input of each.
            **terms: as of `submit`, for each of them.

        Returns:
            The tasks' documents, in order. In an `async` function an awaitable of them.

        Raises:
            Fault: as `submit` does.
        """
        return self._link.request(self, "tasks.submit", {"function": function, "inputs": inputs, **terms})

    def gather(self, *tasks: Any, outcomes: bool = False) -> Any:
        """Wait for tasks: `first, second = ctx.gather(one, other)`. In an `async` function this gives an awaitable.

        Within a task this holds no worker: where not all are over it raises `Aborted`, which must be let through; the
        attempt ends by it, and the task runs anew, from its beginning, when they are. Elsewhere it waits.

        Args:
            *tasks: documents that `submit` gave, or ids.
            outcomes: give `{"task", "state", "result", "fault"}` of each, whatever came of it.

        Returns:
            The results, in the order of `tasks`.

        Raises:
            Fault: `FAILED_PRECONDITION` where one of them has no result, with its fault in words.
        """
        ids = [task["id"] if isinstance(task, dict) else task for task in tasks]  # pyright: ignore[reportUnknownVariableType] - any document
        return self._link.request(self, "tasks.gather", {"tasks": ids, "outcomes": outcomes})
