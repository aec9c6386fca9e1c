from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import load
from dragoman.host.assemble import Parts, launch_confinement, parts
from dragoman.host.assemble import host as assemble
from dragoman.host.journal import SilentJournal
from dragoman.testing import RecordingJournal
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.host.conftest import Write


@pytest.fixture
def made(write: Write) -> Iterator[Parts]:
    """The parts of a project of two sources."""
    folder = write(
        small__py="def f() -> int: return 1",
        large__py="def f() -> int: return 1",
        dragoman__toml="""
            [sources.small]
            path = "small.py"
            [sources.large]
            path = "large.py"
        """,
    )
    confinement = launch_confinement()
    yield parts(load([folder]), lambda _: SilentJournal(), confinement, debug=True)
    confinement.close()


def test_every_host_has_a_prefix_of_its_own_and_counts_its_calls(made: Parts) -> None:
    other = parts(made.project, lambda _: SilentJournal(), made.confinement)
    assert made.call_prefix != other.call_prefix
    assert len(made.call_prefix) == 8
    assert [made.next_id(), made.next_id(), other.next_id()] == [1, 2, 1]


def test_the_journal_is_made_for_the_prefix_of_the_host(made: Parts) -> None:
    asked: list[str] = []

    def journal(prefix: str) -> SilentJournal:
        asked.append(prefix)
        return SilentJournal()

    prefixed = parts(made.project, journal, made.confinement)
    assemble(prefixed)
    assert asked == [prefixed.call_prefix]


async def test_a_worker_takes_bodies_as_large_as_its_source_allows(write: Write) -> None:
    folder = write(
        large__py="def size(data: bytes) -> int: return len(data)",
        dragoman__toml='[sources.large]\npath = "large.py"\nbody_max = "40MB"',
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        assert await ask(host, "large.size", data=bytes(33_000_000)) == 33_000_000


async def test_a_command_whose_bodies_are_small_still_has_room_for_its_manifest(write: Write) -> None:
    description = "w" * 4000
    folder = write(
        dragoman__toml=f"""
            [sources.hi]
            command = ["echo", "hi"]
            stdout = "text"
            body_max = "1KB"
            output_max = "1KB"
            description = "{description}"
        """,
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        assert host.registry.find("hi").contract.description == description
        assert await ask(host, "hi") == "hi\n"


async def test_workers_inherit_what_their_source_names_and_nothing_of_the_host(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "hunter2")
    folder = write(
        env__py="import os\ndef names() -> dict[str, str]: return dict(os.environ)",
        dragoman__toml='[sources.env]\npath = "env.py"\nenv = { COLOUR = "red" }',
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        seen = await ask(host, "env.names")
    assert seen["COLOUR"] == "red"
    assert "SECRET_OF_THE_HOST" not in seen
    assert "SECRET_OF_THE_HOST" in os.environ


async def test_what_a_call_prints_reaches_the_journal_that_was_given(write: Write) -> None:
    journal = RecordingJournal()
    folder = write(talks__py="def f() -> int:\n    print('priced')\n    return 1")
    async with hosting(folder / "talks.py", journal=journal) as host:
        assert await host.start() == {}
        assert await ask(host, "talks.f") == 1
    assert journal.lines("talks.f") == ["priced"]
