from __future__ import annotations

import pytest

from dragoman.client.marks import NONE, Marks, marks_of
from dragoman.core.call import Call, Priority
from dragoman.core.target import Target
from dragoman.wire import meta


def test_most_calls_have_none() -> None:
    assert marks_of(None, None) is NONE
    assert NONE.entries() == b""
    assert NONE.headers() == {}


def test_they_travel_as_meta_and_as_headers() -> None:
    marks = marks_of("critical", "k")
    entries = meta.decode(meta.encode(function="s.f") + marks.entries())
    assert (entries.function, entries.priority, entries.idempotency_key) == ("s.f", Priority.CRITICAL, "k")
    assert marks.headers() == {"dragoman-priority": "critical", "idempotency-key": '"k"'}
    assert marks_of(**marks.words()) == marks


@pytest.mark.parametrize(
    ("priority", "key"), [("high", None), ("", None), (None, ""), (None, "é"), (None, "a\n"), (None, "x" * 256)]
)
def test_what_cannot_travel_is_refused_where_it_is_given(priority: str | None, key: str | None) -> None:
    with pytest.raises(ValueError, match=r"priority|idempotency key"):
        marks_of(priority, key)


def test_a_call_of_this_process_has_them_too() -> None:
    call = Call(Target("s.f", "s", "f", 0, 5.0, priority=Priority.BATCH), b"{}")
    Marks(None, "k").put(call)
    assert (call.priority, call.idempotency_key) == (Priority.BATCH, "k")
    Marks(Priority.CRITICAL).put(call)
    assert call.priority is Priority.CRITICAL
