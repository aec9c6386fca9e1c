"""Tasks in memory, as an ingress sees them: a test decides what becomes of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import FailedPrecondition, Fault, NotFound, Started
from dragoman.core.moment import rfc3339
from dragoman.core.terms import Terms
from dragoman.ingress.http.tasks import Document, Wanted, is_over

SUBMITTED_AT = 1_700_000_000.0


def number(index: int) -> str:
    """The id of the task of a number."""
    return f"0198f1a0-6c1e-7d2b-9c55-{index:012x}"


def document(id: str, **fields: Any) -> Document:  # noqa: A002 - the field's public name
    """A task, with all the members that one has."""
    return {
        **dict.fromkeys(("started_at", "finished_at", "parent", "schedule", "fault")),
        **dict.fromkeys(("version", "caller", "message"), ""),
        "id": id,
        "function": "fn.add",
        "state": "PENDING",
        "priority": "normal",
        "attempts": 0,
        "attempts_max": 3,
        "progress": 0.0,
        "submitted_at": rfc3339(SUBMITTED_AT),
        "due_at": rfc3339(SUBMITTED_AT),
        "deadline": rfc3339(SUBMITTED_AT + 3600),
        "cancelling": False,
        "seq": 1,
        **fields,
    }


class Ledger:
    """Tasks of a host that runs none. `asked` notes each question; `gate` holds submissions up where it is not set."""

    def __init__(self) -> None:
        self.tasks: dict[str, Document] = {}
        self.lines: dict[str, list[Document]] = {}
        self.results: dict[str, Reply | Fault] = {}
        self.submitted: list[tuple[Call, Terms]] = []
        self.asked: list[tuple[str, str]] = []
        self.wanted: list[Wanted] = []
        self.next: str | None = None
        self.fault: Fault | None = None
        self.dead: list[Document] = []
        self.on_submit: Callable[[str], object] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.following = 0
        self._changed: dict[str, asyncio.Event] = {}

    # What a test does, on the server's loop

    def add(self, **fields: Any) -> str:
        """A new task; its id."""
        id_ = number(len(self.tasks) + 1)
        self.tasks[id_] = document(id_, **fields)
        self.lines[id_] = []
        return id_

    def change(self, id: str, **fields: Any) -> None:  # noqa: A002 - as above
        task = self.tasks[id]
        self.tasks[id] = task | {"seq": task["seq"] + 1} | fields
        self._wake(id)

    def log(self, id: str, *messages: str) -> None:  # noqa: A002 - as above
        for message in messages:
            self.tasks[id]["seq"] += 1
            line = {"seq": self.tasks[id]["seq"], "at": rfc3339(SUBMITTED_AT), "level": "info", "message": message}
            self.lines[id].append(line)
        self._wake(id)

    def finish(self, id: str, body: bytes = b"3", codec: Codec = Codec.JSON) -> None:  # noqa: A002 - as above
        self.results[id] = Reply(body, codec)
        self.change(id, state="SUCCEEDED", finished_at=rfc3339(SUBMITTED_AT + 1))

    def fail(self, id: str, fault: Fault, state: str = "FAILED") -> None:  # noqa: A002 - as above
        self.results[id] = fault
        self.change(id, state=state)

    def _wake(self, id: str) -> None:  # noqa: A002 - as above
        self._changed.pop(id, asyncio.Event()).set()

    def _ask(self, what: str, id: str = "") -> Document:  # noqa: A002 - as above
        self.asked.append((what, id))
        if self.fault is not None:
            raise self.fault
        if id and id not in self.tasks:
            raise NotFound(f"there is no task {id!r}")
        return self.tasks.get(id, {})

    # The port

    async def submit(self, call: Call, terms: Terms) -> tuple[Document, bool]:
        self._ask("submit")
        call.body = bytes(whole(call.body))
        self.submitted.append((call, terms))
        await self.gate.wait()
        id_ = self.add(function=call.target.name)
        self.on_submit(id_)
        return self.tasks[id_], True

    async def show(self, task: str, /) -> Document:
        return self._ask("show", task) | {"history": []}

    async def result(self, task: str, /) -> Reply | None:
        known = self._ask("result", task)
        if not is_over(known):
            return None
        outcome = self.results[task]
        if isinstance(outcome, Fault):
            raise outcome
        return outcome

    async def find(self, wanted: Wanted, /) -> Document:
        self._ask("find")
        self.wanted.append(wanted)
        return {"tasks": list(self.tasks.values())[: wanted.limit], "next": self.next}

    async def events(self, task: str, /, after: int = 0) -> AsyncIterator[tuple[int, str, Document]]:
        self._ask("events", task)
        self.following += 1
        last: Document | None = None
        try:
            while True:
                changed = self._changed.setdefault(task, asyncio.Event())
                now = self._ask("look", task)
                if last is None or now["state"] != last["state"]:
                    yield now["seq"], "state", now
                elif now["progress"] != last["progress"]:
                    yield now["seq"], "progress", {"progress": now["progress"], "message": now["message"]}
                for line in [each for each in self.lines[task] if each["seq"] > after]:
                    after = line["seq"]
                    yield after, "log", line
                if is_over(now):
                    return
                last = dict(now)
                await changed.wait()
        finally:
            self.following -= 1

    async def logs(self, task: str, /, after: int = 0) -> list[Document]:
        self._ask("logs", task)
        return [line for line in self.lines[task] if line["seq"] > after]

    async def cancel(self, task: str, /) -> Document:
        known = self._ask("cancel", task)
        if known["state"] == "RUNNING":
            self.change(task, cancelling=True)
        elif not is_over(known):
            self.fail(task, Fault.cancelled("it was cancelled"), "CANCELLED")
        return self.tasks[task]

    async def retry(self, task: str, /) -> Document:
        known = self._ask("retry", task)
        if known["state"] == "SUCCEEDED" or not is_over(known):
            raise FailedPrecondition(f"the task is {known['state']}", started=Started.NO)
        self.change(task, state="PENDING")
        return self.tasks[task]

    async def undelivered(self) -> list[Document]:
        self._ask("undelivered")
        return self.dead

    async def redeliver(self, task: str, /) -> None:
        self._ask("redeliver")
        if task not in [each["id"] for each in self.dead]:
            raise NotFound(f"there is no undelivered message {task!r}")
