from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Breach, Fault, InvalidArgument, NotFound
from dragoman.core.service import Pending, settle
from dragoman.policies.cache import Cache, CacheOptions
from dragoman.policies.shared import BYTES_MAX, OWED_MAX, TELL_AGAIN_S, dump, load
from tests.policies.board import Board, Desk, settled
from tests.policies.world import World, aim

TARGET = aim(idempotent=True)


class Host:
    """A host with a cache before a function of its own, which says how often it ran here."""

    def __init__(self, board: Board, world: World, name: str = "a", **options: object) -> None:
        self.desk = Desk(board)
        self.world = world
        self.name = name
        self.runs = 0
        self.fault: Fault | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        asked = CacheOptions(shared=True, **options)  # pyright: ignore[reportArgumentType] - by name
        self.cache = Cache(asked, world.surroundings, self.desk, TARGET)
        self.service = self.cache(self._serve)

    async def _serve(self, call: Call) -> Reply:
        self.runs += 1
        body = f"{self.name}{self.runs}".encode()
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return Reply(body)

    def call(self, body: bytes = b"{}", *, fresh: bool = False) -> Pending:
        now = self.world.now()
        call = Call(TARGET, body, deadline=now + 5.0, arrived_at=now)
        call.fresh = fresh
        return settle(self.service(call))

    async def body(self, body: bytes = b"{}", *, fresh: bool = False) -> bytes:
        reply = await self.call(body, fresh=fresh)
        await settled()
        return bytes(reply.body)


def hosts(count: int = 2, **options: object) -> list[Host]:
    board, world = Board(), World()
    return [Host(board, world, "abc"[number], **options) for number in range(count)]


async def test_what_one_host_has_computed_others_need_not() -> None:
    a, b = hosts()
    assert await a.body() == b"a1"
    a.world.clock.advance(20.0)
    reply = await b.call()
    assert reply.body == b"a1"
    assert reply.cached is not None
    assert (reply.cached.age_s, reply.cached.fresh_s) == (20.0, 40.0)
    assert b.runs == 0
    asked = b.desk.asked
    assert await b.body() == b"a1"
    assert b.desk.asked == asked, "level 1 has it now"
    assert b.cache.counts["shared_read"] == 1


async def test_an_answer_is_written_for_as_long_as_it_is_good_for_anything() -> None:
    board, world = Board(), World()
    a = Host(board, world, ttl_s=10.0, stale_s=5.0, stale_if_error_s=3.0)
    await a.body()
    assert [ttl for key, ttl in board.ttls.items() if key.startswith("cache:")] == [18.0]


async def test_a_thousand_callers_of_one_cold_key_ask_the_store_once() -> None:
    (a,) = hosts(1)
    replies = await asyncio.gather(*(wait(a.call()) for _ in range(1000)))
    assert {bytes(reply.body) for reply in replies} == {b"a1"}
    assert a.runs == 1
    assert a.desk.asked < 20


async def wait(pending: Pending) -> Reply:
    return await pending


async def test_a_stale_answer_of_another_host_is_given_and_computed_anew_by_the_next_caller() -> None:
    a, b = hosts(ttl_s=10.0, stale_s=10.0)
    await a.body()
    a.world.clock.advance(12.0)
    assert await b.body() == b"a1"
    assert b.runs == 0
    assert await b.body() == b"a1"
    assert b.runs == 1
    assert await b.body() == b"b1"


async def test_an_older_answer_of_another_host_hides_a_fault() -> None:
    a, b = hosts(ttl_s=10.0, stale_if_error_s=10.0)
    await a.body()
    a.world.clock.advance(12.0)
    b.fault = Fault.unavailable("down")
    assert await b.body() == b"a1"
    assert b.runs == 1


async def test_faults_of_the_caller_s_making_are_shared() -> None:
    a, b = hosts(negative_s=5.0)
    a.fault = NotFound("no such thing", errors=(Breach("/a", "no"),), function="s.f")
    with pytest.raises(NotFound):
        await a.body()
    await settled()
    with pytest.raises(NotFound) as fault:
        await b.body()
    assert (str(fault.value), fault.value.errors, fault.value.function) == (
        *("no such thing", (Breach("/a", "no"),)),
        "s.f",
    )
    assert b.runs == 0


async def test_a_fresh_call_is_computed_and_what_it_gives_is_shared() -> None:
    a, b = hosts()
    await a.body()
    assert await b.body(fresh=True) == b"b1"
    assert await Host(a.desk._board, a.world, "c").body() == b"b1"  # pyright: ignore[reportPrivateUsage] - one more host


# A store in trouble


async def test_a_store_that_is_down_is_not_asked_and_nothing_fails() -> None:
    (a,) = hosts(1)
    a.desk.up = False
    assert await a.body() == b"a1"
    assert await a.body() == b"a1"
    assert a.runs == 1
    assert a.cache.state()["shared"] == {"up": False, "owed": 0}


async def test_a_store_that_fails_when_it_is_asked_is_a_miss() -> None:
    (a,) = hosts(1)
    a.desk.gate.clear()
    pending = a.call()
    await settled()
    assert not pending.done
    a.desk.up = False
    a.desk.gate.set()
    assert (await pending).body == b"a1"
    assert a.cache.counts["shared_lost"]


async def test_who_leaves_while_the_store_is_asked_leaves_nothing_behind() -> None:
    (a,) = hosts(1)
    a.desk.gate.clear()
    pending = a.call()
    await settled()
    pending.cancel()
    await settled()
    assert a.cache.state()["in_flight"] == a.runs == 0
    a.desk.gate.set()
    assert await a.body() == b"a1"


@pytest.mark.parametrize(
    "value",
    [b"", b"\xc1", b"\x01", b"\x93\x01\x02\x03", b"\x94\x02\x01\x90\x90", b"\x94\x01\xa1x\x90\x92\x01\x01", b"\x80"],
)
async def test_what_is_spoiled_in_the_store_is_a_miss(value: bytes) -> None:
    a, b = hosts()
    await a.body()
    board = a.desk._board  # pyright: ignore[reportPrivateUsage] - to spoil it
    for key in board.values:
        board.values[key] = value
    assert await b.body() == b"b1"


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_none(value: bytes) -> None:
    try:
        load(value)
    except (ValueError, TypeError, KeyError):
        return


@given(st.binary(), st.sampled_from(Codec), st.lists(st.none() | st.binary(max_size=8)))
def test_answers_survive_the_store(body: bytes, kind: Codec, marks: list[bytes | None]) -> None:
    found = load(dump(Reply(body, kind), 12.5, marks))
    assert found is not None
    answer, made_at, read = found
    assert isinstance(answer, Reply)
    assert (answer.body, answer.codec, made_at, read) == (body, kind, 12.5, marks)


def test_faults_survive_the_store() -> None:
    fault = InvalidArgument("no", errors=(Breach("/a", "b"),), function="s.f")
    found = load(dump(fault, 1.0, []))
    assert found is not None
    assert isinstance(found[0], InvalidArgument)
    assert found[0].errors == fault.errors


async def test_an_answer_from_a_clock_that_is_ahead_is_new() -> None:
    a, b = hosts()
    b.world = World()
    a.world.clock.advance(30.0)
    await a.body()
    b = Host(a.desk._board, World(), "b")  # pyright: ignore[reportPrivateUsage] - half a minute behind
    reply = await b.call()
    assert reply.cached is not None
    assert reply.cached.age_s == 0.0


async def test_answers_too_large_for_the_store_stay_here() -> None:
    board = Board()
    a = Host(board, World(), "a" * (BYTES_MAX + 1))
    await a.body()
    assert not [key for key in board.values if key.startswith("cache:")]


# Invalidation


@pytest.mark.parametrize("what", [{"input": b"{}"}, {"tag": "t"}, {}])
async def test_what_is_invalidated_here_is_so_everywhere(what: dict[str, object]) -> None:
    a, b, c = hosts(3, tags=("t",))
    for host in (a, b, c):
        await host.body()
        await host.body(b"[1]")
    assert (b.runs, c.runs) == (0, 0)
    a.cache.invalidate(**what)  # pyright: ignore[reportArgumentType] - one of three ways
    await settled()
    assert await b.body() == b"b1"
    assert await c.body() == b"b1"
    assert await a.body() == b"b1"
    assert (await c.body(b"[1]") == b"a2") == ("input" in what)


@pytest.mark.parametrize("what", [{"input": b"{}"}, {"tag": "t"}, {}])
async def test_a_host_that_was_away_serves_nothing_that_was_invalidated(what: dict[str, object]) -> None:
    a, b = hosts(2, tags=("t",))
    await a.body()
    assert await b.body() == b"a1"
    b.desk.away = True
    a.cache.invalidate(**what)  # pyright: ignore[reportArgumentType] - one of three ways
    await settled()
    b.desk.back()
    await settled()
    assert await b.body() == b"b1"


async def test_a_host_that_heard_of_nothing_notices_when_it_next_asks_the_store() -> None:
    a, b = hosts()
    await a.body()
    await b.body()
    b.desk.away = True
    a.cache.invalidate()
    await settled()
    await b.body(b"[1]")
    assert await b.body() != b"a1"


async def test_a_tag_is_invalid_for_other_functions_too() -> None:
    a, b = hosts(tags=("t",))
    other = aim("s.g", idempotent=True)
    cache = Cache(CacheOptions(shared=True, tags=("t",)), b.world.surroundings, b.desk, other)
    runs = 0

    async def serve(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        return Reply(b"%d" % runs)

    service = cache(serve)

    async def call() -> bytes | memoryview:
        return (await service(Call(other, b"{}", deadline=1005.0, arrived_at=1000.0))).body

    assert await call() == await call() == b"1"
    a.cache.invalidate(tag="t")
    await settled()
    assert await call() == b"2"


@pytest.mark.parametrize("what", [b"{}", None])
async def test_an_answer_that_was_begun_before_is_never_one_after_wherever_it_runs(what: bytes | None) -> None:
    a, b, c = hosts(3)
    b.gate.clear()
    begun = b.call()
    await settled()
    b.desk.away = True
    a.cache.invalidate(what)
    await settled()
    b.gate.set()
    assert (await begun).body == b"b1"
    await settled()
    assert await c.body() == b"c1"


async def test_an_invalidation_is_told_when_the_store_is_back() -> None:
    a, b = hosts()
    await a.body()
    await b.body()
    a.desk.up = False
    a.cache.invalidate()
    await settled()
    assert a.cache.state()["shared"] == {"up": False, "owed": 1}
    assert await b.body() == b"a1"
    a.desk.up = True
    a.world.clock.advance(TELL_AGAIN_S)
    await settled()
    assert a.cache.state()["shared"] == {"up": True, "owed": 0}
    assert await b.body() == b"b1"


async def test_until_a_full_store_was_told_it_is_not_believed() -> None:
    (a,) = hosts(1)
    await a.body()
    a.desk.full = True
    a.cache.invalidate(b"{}")
    await settled()
    assert await a.body() == b"a2"
    a.desk.full = False
    a.world.clock.advance(TELL_AGAIN_S)
    await settled()
    assert await a.body() == b"a2"
    assert await Host(a.desk._board, a.world, "b").body() == b"b1"  # pyright: ignore[reportPrivateUsage] - one more host


async def test_only_so_many_keys_are_owed_and_then_everything_is_invalid() -> None:
    (a,) = hosts(1)
    a.desk.up = False
    for number in range(OWED_MAX + 10):
        a.cache.invalidate(b"%d" % number)
    await settled()
    shared = a.cache.state()["shared"]
    assert shared == {"up": False, "owed": OWED_MAX + 1}
    a.cache.close()


async def test_nonsense_from_others_is_nothing() -> None:
    a, b = hosts()
    await a.body()
    nonsense = (b"", b"\xc1", b"\x93\x01\x02\x03", b"\x93\xa1a\xa8nonsense\xa1b", b"\x93\xa1a\xaccache-key:zz\xa1b")
    for message in nonsense:
        await b.desk.publish("cache-function:s.f", message)
    assert await a.body() == b"a1"


async def test_a_cache_that_is_closed_hears_nothing_more() -> None:
    a, b = hosts()
    await a.body()
    a.cache.close()
    b.cache.invalidate()
    await settled()
    assert a.cache.counts["invalidated"] == 0
