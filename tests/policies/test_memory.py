from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import NotFound
from dragoman.policies.memory import Kept, Memory, Spans, tag_of

SPANS = Spans(10.0, 5.0, 3.0)


def kept(body: bytes = b"1") -> Kept:
    return Kept(Reply(body), 100.0, SPANS)


def test_an_answer_says_how_old_it_is_and_how_long_it_is_good_for() -> None:
    answer = kept()
    assert (answer.fresh_until, answer.stale_until, answer.dead_at) == (110.0, 115.0, 118.0)
    assert answer.dead_at - answer.made_at == SPANS.whole_s
    reply = answer.reply(104.0)
    assert reply.cached is not None
    assert (reply.body, reply.codec) == (b"1", Codec.JSON)
    assert (reply.cached.age_s, reply.cached.fresh_s) == (4.0, 6.0)
    assert answer.reply(112.0).cached == (12.0, 0.0, answer.etag)
    assert answer.begun() == (0.0, 10.0, answer.etag)


def test_each_caller_has_a_reply_of_its_own() -> None:
    answer = kept()
    assert answer.reply(101.0) is not answer.reply(101.0)


def test_what_lies_in_memory_that_is_given_back_is_copied() -> None:
    memory = bytearray(b"1")
    answer = kept(memoryview(memory))  # pyright: ignore[reportArgumentType] - as replies have them
    memory[0] = ord("2")
    assert answer.reply(101.0).body == b"1"


def test_a_fault_is_kept_too() -> None:
    answer = Kept(NotFound("no"), 100.0, SPANS)
    assert answer.fault is not None
    assert answer.size


def test_what_differs_has_another_tag_and_what_does_not_the_same() -> None:
    assert tag_of(b"1", Codec.JSON) == tag_of(b"1", Codec.JSON)
    assert len({tag_of(b"1", Codec.JSON), tag_of(b"2", Codec.JSON), tag_of(b"1", Codec.MSGPACK)}) == 3


@given(
    st.integers(0, 5),
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(["put", "touch", "drop"]), st.integers(0, 7), st.integers(0, 6))),
)
def test_it_holds_the_most_recently_used_within_its_bounds(
    entries_max: int, bytes_max: int, steps: list[tuple[str, int, int]]
) -> None:
    memory, model = Memory(entries_max, bytes_max), list[tuple[bytes, int]]()
    for what, number, size in steps:
        key = b"%d" % number
        known = [pair for pair in model if pair[0] == key]
        if what == "put":
            model = [pair for pair in model if pair[0] != key]
            fits = size <= bytes_max and bool(entries_max)
            assert memory.put(key, kept(b"x" * size)) == fits
            while fits and (len(model) >= entries_max or sum(each for _, each in model) + size > bytes_max):
                model.pop(0)
            model += [(key, size)] if fits else []
        elif what == "touch" and known:
            memory.entries.move_to_end(key)
            model = [pair for pair in model if pair[0] != key] + known
        elif what == "drop":
            assert memory.drop([key]) == len(known)
            model = [pair for pair in model if pair[0] != key]
        assert [(key, answer.size) for key, answer in memory.entries.items()] == model
        assert memory.bytes == sum(size for _, size in model)


def test_what_goes_to_make_room_is_counted_and_what_is_cleared_is_told() -> None:
    memory = Memory(2, 100)
    for number in range(5):
        memory.put(b"%d" % number, kept())
    assert memory.evicted == 3
    assert memory.clear() == 2
    assert memory.bytes == 0


@pytest.mark.parametrize("size", [101, 1000])
def test_an_answer_larger_than_all_room_is_not_kept_and_turns_nobody_out(size: int) -> None:
    memory = Memory(10, 100)
    memory.put(b"a", kept(b"x" * 60))
    assert not memory.put(b"b", kept(b"x" * size))
    assert list(memory.entries) == [b"a"]
