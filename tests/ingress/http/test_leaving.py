"""Whoever waits for a client hears that it has gone."""

from __future__ import annotations

import asyncio

from starlette.types import Message

from dragoman.ingress.http.leaving import told_when_gone


async def watched(*messages: str) -> tuple[bool, int]:
    """Whether a client that sends this is taken to be gone, and how often that was told by the end."""
    queue = list(messages)
    told: list[None] = []
    stay = asyncio.Event()

    async def receive() -> Message:
        if not queue:
            await stay.wait()
        return {"type": queue.pop(0)}

    with told_when_gone(receive, lambda: told.append(None)):
        for _ in range(5):
            await asyncio.sleep(0)
        gone = bool(told)
    for _ in range(3):
        await asyncio.sleep(0)
    return gone, len(told)


def test_one_that_leaves_has_gone() -> None:
    assert asyncio.run(watched("http.request", "http.request", "http.disconnect")) == (True, 1)


def test_one_that_stays_is_let_go_of_at_the_end() -> None:
    assert asyncio.run(watched("http.request")) == (False, 1)
