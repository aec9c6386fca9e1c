"""Guests for tests: started on demand, gone at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.guest.driver import Guest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Start(Protocol):
    def __call__(self, source: str, **more: Any) -> Guest: ...


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Start]:
    """Start a guest for a source, given as text; it has not been waited for."""
    guests: list[Guest] = []

    def start(source: str, **more: Any) -> Guest:
        folder = tmp_path / str(len(guests))
        folder.mkdir()
        guests.append(Guest(source, folder, **more))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


@pytest.fixture
def serve(launch: Start) -> Start:
    """Start a guest for a source, given as text, and wait until it is ready."""

    def start(source: str, **more: Any) -> Guest:
        return launch(source, **more).ready()

    return start
