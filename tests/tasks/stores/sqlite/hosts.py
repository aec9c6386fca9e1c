"""Processes of their own that use a file of tasks: what they are told to do, and what they say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dragoman.core.call import Codec
from dragoman.tasks.liveness import runner
from dragoman.tasks.state import Step
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import Outcome, Submission, Want

ROOT = Path(__file__).parents[4]
CALLERS = 16
"""Who submits at once."""


@contextmanager
def process(command: str, path: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A process that runs one of the commands below; it dies with the test."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tasks.stores.sqlite.hosts", command, str(path), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def say(*words: object) -> None:
    """Print a line, at once."""
    sys.stdout.write(f"{' '.join(map(str, words))}\n")
    sys.stdout.flush()


async def submitting(path: Path, prefix: str) -> None:
    """Submit for ever, and print the id of each task that is stored."""
    store = SqliteStore(path)
    await store.open()

    async def caller(number: int) -> None:
        for count in range(1_000_000):
            (told,) = await store.submit([Submission(f"{prefix}-{number}-{count}", "f", "1", b"x" * 700)])
            say(told.id)

    await asyncio.gather(*map(caller, range(CALLERS)))


async def working(path: Path, name: str) -> None:
    """Run tasks until there are none, and print each that was claimed, with its caller."""
    store = SqliteStore(path)
    await store.open()
    await store.enlist(runner(name))
    while claimed := await store.claim(name, [Want("f", 20)], 1):
        for each in claimed:
            say(each.task.id)
        outcomes = [Outcome(each.task.id, each.token, Step.SUCCEED, 1, name.encode(), Codec.BYTES) for each in claimed]
        assert all(await store.settle(outcomes))
    await store.close()


async def holding(path: Path, name: str) -> None:
    """Claim all there is, say how much, and never end."""
    store = SqliteStore(path)
    await store.open()
    await store.enlist(runner(name))
    say(len(await store.claim(name, [Want("f", 100)], 1)))
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, command, path, *arguments = sys.argv
    asyncio.run({"submitting": submitting, "working": working, "holding": holding}[command](Path(path), *arguments))
