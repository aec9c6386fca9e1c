"""Desks that answer as a test has them: what hosts, their restarts and their troubles make of questions about tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import Any

from dragoman.client.desk import Document, Search, TaskEvent
from dragoman.client.order import Order

ID = "019c3a5e-7c1d-7000-8000-0123456789ab"


def document(state: str = "PENDING", **fields: Any) -> Document:
    """A task as hosts show it."""
    return {"id": ID, "function": "s.f", "state": state, "attempts": 0, "progress": 0.0, "seq": 1, **fields}


class ScriptedDesk:
    """Gives one answer a question, the last one again and again; an answer that is an exception is raised."""

    def __init__(self, **answers: Iterable[Any]) -> None:
        self.answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[tuple[Any, ...]] = []

    def next(self, name: str, *given: Any) -> Any:
        self.asked.append((name, *given))
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def submit(self, function: str, value: Any, order: Order) -> Document:
        return self.next("submit", function, value, order)

    def show(self, id: str) -> Document:  # noqa: A002 - the port's word
        return self.next("show", id)

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        return self.next("wait", id, seconds)

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        return self.next("result", id, function)

    def find(self, search: Search) -> Document:
        return self.next("find", search)

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        return self.next("cancel", id)

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        return self.next("retry", id)

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        return self.next("logs", id, after)

    def undelivered(self) -> list[Document]:
        return self.next("undelivered")

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        self.next("redeliver", id)

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        for event in self.next("events", id, after):
            if isinstance(event, Exception):
                raise event
            yield event


class AsyncScriptedDesk:
    """The same, awaited."""

    def __init__(self, **answers: Iterable[Any]) -> None:
        self.desk = ScriptedDesk(**answers)

    @property
    def asked(self) -> list[tuple[Any, ...]]:
        return self.desk.asked

    async def submit(self, function: str, value: Any, order: Order) -> Document:
        return self.desk.submit(function, value, order)

    async def show(self, id: str) -> Document:  # noqa: A002 - the port's word
        return self.desk.show(id)

    async def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        await asyncio.sleep(0)
        return self.desk.wait(id, seconds)

    async def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        return self.desk.result(id, function)

    async def find(self, search: Search) -> Document:
        return self.desk.find(search)

    async def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        return self.desk.cancel(id)

    async def retry(self, id: str) -> Document:  # noqa: A002 - as above
        return self.desk.retry(id)

    async def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        return self.desk.logs(id, after)

    async def undelivered(self) -> list[Document]:
        return self.desk.undelivered()

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        self.desk.redeliver(id)

    async def events(self, id: str, after: int) -> AsyncGenerator[TaskEvent]:  # noqa: A002 - as above
        for event in self.desk.events(id, after):
            yield event
