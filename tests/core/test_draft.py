"""A body is written once, where it is to lie."""

from __future__ import annotations

from dragoman.core.draft import Draft, whole


def _fives(memory: memoryview) -> None:
    memory[:] = b"5" * len(memory)


def test_a_draft_is_written_into_memory_that_it_is_given() -> None:
    memory = memoryview(bytearray(b"0000000"))
    Draft(3, _fives).write(memory[2:5])
    assert bytes(memory) == b"0055500"


def test_a_draft_has_its_size_before_it_is_written() -> None:
    assert len(Draft(4, _fives)) == 4


def test_a_draft_as_a_whole_cannot_be_changed() -> None:
    body = whole(Draft(4, _fives))
    assert isinstance(body, memoryview)
    assert body.readonly
    assert bytes(body) == b"5555"


def test_what_was_written_before_is_the_same_object() -> None:
    body = b"as it is"
    assert whole(body) is body
