from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dragoman.core.call import Call, Codec, Priority, Reply
from dragoman.core.fault import (
    Code,
    DeadlineExceeded,
    Fault,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Started,
    Unavailable,
)
from dragoman.core.inflow import InputStream
from dragoman.core.service import Pending, Service
from dragoman.core.target import Target
from dragoman.policies.cache import REFRESH_PAUSE_S, REFRESHES_MAX, Cache, CacheOptions
from dragoman.policies.coalesce import Coalesce, CoalesceOptions
from dragoman.policies.key import WHOLE_BYTES_MAX
from dragoman.policies.surroundings import Surroundings
from tests.policies.world import Items, Pool, World, aim, run

TARGET = aim(idempotent=True)


class Counter:
    """A service that answers at once, with how often it was called, or with a fault."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.fault: Callable[[], Fault] | None = None

    def __call__(self, call: Call) -> Pending:
        self.calls.append(call)
        if self.fault is not None:
            return Pending.failed(self.fault())
        pending = Pending()
        pending.resolve(Reply(b"%d" % len(self.calls), call.reply_codec, None, 0.1, 0.2))
        return pending


class Place:
    """A cache in a world of its own."""

    def __init__(self, inner: Service | None = None, **options: object) -> None:
        self.world = World()
        self.counter = Counter()
        self.cache = Cache(CacheOptions(**options), self.world.surroundings)  # pyright: ignore[reportArgumentType] - by name
        self.service = self.cache(inner or self.counter)

    def make(self, body: bytes = b"{}", *, fresh: bool = False, timeout_s: float = 5.0) -> Call:
        now = self.world.now()
        call = Call(TARGET, body, deadline=now + timeout_s, arrived_at=now)
        call.fresh = fresh
        return call

    def call(self, body: bytes = b"{}", *, fresh: bool = False) -> Pending:
        return run(self.service, self.make(body, fresh=fresh))

    def body(self, body: bytes = b"{}", *, fresh: bool = False) -> bytes:
        return bytes(self.call(body, fresh=fresh).result().body)

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)


def ages(pending: Pending) -> tuple[float, float]:
    cached = pending.result().cached
    assert cached is not None
    return cached.age_s, cached.fresh_s


def test_an_answer_is_given_again_for_as_long_as_it_is_fresh() -> None:
    place = Place(ttl_s=10.0)
    first = place.call().result()
    assert first.cached is not None
    assert (first.cached.age_s, first.cached.fresh_s, first.run_s) == (0.0, 10.0, 0.2)
    place.wait(4.0)
    again = place.call().result()
    assert again.cached == (4.0, 6.0, first.cached.etag)
    assert (again.body, again.run_s) == (first.body, 0.0)
    place.wait(5.9)
    assert place.body() == b"1"
    place.wait(0.1)
    assert place.body() == b"2"
    assert (place.cache.counts["hit"], place.cache.counts["miss"], place.cache.counts["computed"]) == (2, 2, 2)


def test_what_is_written_into_a_reply_is_not_kept() -> None:
    place = Place()
    first = place.call().result()
    first.body = b"spoiled"
    place.call().result().body = b"spoiled"
    assert place.body() == b"1"


def test_inputs_are_told_apart_by_what_they_say() -> None:
    place = Place()
    assert place.body(b'{"a":1,"b":2}') == place.body(b'{"b":2,"a":1}') == b"1"
    assert place.body(b'{"a":1}') == b"2"


def test_a_caller_gets_the_codec_that_it_asks_for() -> None:
    place = Place()
    codecs: list[Codec] = []
    for reply_codec in (Codec.JSON, Codec.MSGPACK, Codec.JSON, Codec.MSGPACK):
        call = place.make()
        call.reply_codec = reply_codec
        codecs.append(run(place.service, call).result().codec)
    assert codecs == [Codec.JSON, Codec.MSGPACK, Codec.JSON, Codec.MSGPACK]
    assert len(place.counter.calls) == 2


def test_a_key_of_its_own_says_what_counts() -> None:
    place = Place(key=("a",))
    assert place.body(b'{"a":1,"b":2}') == place.body(b'{"a":1,"b":3}') == b"1"
    assert place.body(b'{"a":2,"b":2}') == b"2"


def test_a_fresh_call_is_computed_anew_and_its_answer_is_kept() -> None:
    place = Place()
    assert [place.body(), place.body(fresh=True), place.body()] == [b"1", b"2", b"2"]


@pytest.mark.parametrize("way", ["stream", "input", "not idempotent", "large"])
def test_what_is_not_to_be_kept_passes(way: str) -> None:
    place = Place()
    for _ in range(2):
        call = place.make()
        call.target = aim(idempotent=way != "not idempotent", streaming=way == "stream")
        if way == "input":
            call.input = InputStream(lambda count: None)
        if way == "large":
            call.body = bytes(WHOLE_BYTES_MAX + 1)
        assert run(place.service, call).result().cached is None
    assert len(place.counter.calls) == 2
    assert place.cache.counts["passed"] == 2
    assert place.cache.state()["entries"] == 0


def test_a_stream_that_comes_all_the_same_is_not_kept() -> None:
    pool = Pool()
    place = Place(pool)
    for number in range(2):
        pending = place.call()
        pool.pendings[number].resolve(Reply(b"", items=Items(1)))
        assert pending.result().items is not None
    assert len(pool.calls) == 2


def test_only_what_fits_is_kept() -> None:
    place = Place(entries_max=2)
    for number in (1, 2, 1, 3, 1, 2):
        place.body(b"%d" % number)
    assert len(place.counter.calls) == 4
    assert place.cache.counts["evicted"] == 2


# Stale answers


def test_a_stale_answer_is_given_while_one_call_computes_it_anew() -> None:
    pool = Pool()
    place = Place(pool, ttl_s=10.0, stale_s=5.0)
    place.call()
    pool.pendings[0].resolve(Reply(b"old"))
    place.wait(12.0)
    stale = [place.call() for _ in range(100)]
    assert {bytes(pending.result().body) for pending in stale} == {b"old"}
    assert ages(stale[0]) == (12.0, 0.0)
    assert len(pool.calls) == 2
    for pending in stale:
        pending.cancel()
    work = pool.calls[1]
    assert not pool.cancelled
    assert (work.deadline, work.arrived_at, work.id >= 1000) == (place.world.now() + 5.0, place.world.now(), True)
    pool.pendings[1].resolve(Reply(b"new"))
    assert place.body() == b"new"
    assert (place.cache.counts["stale"], place.cache.counts["refreshed"]) == (100, 1)


def test_a_stale_answer_that_cannot_be_computed_anew_is_tried_again_after_a_pause() -> None:
    place = Place(ttl_s=10.0, stale_s=60.0)
    place.body()
    place.wait(12.0)
    place.counter.fault = lambda: Unavailable("down")
    assert [place.body() for _ in range(5)] == [b"1"] * 5
    assert len(place.counter.calls) == 2
    place.wait(REFRESH_PAUSE_S)
    place.body()
    assert len(place.counter.calls) == 3


def test_a_stale_answer_gives_way_to_a_fault_of_the_caller_s_making() -> None:
    place = Place(ttl_s=10.0, stale_s=60.0)
    place.body()
    place.wait(12.0)
    place.counter.fault = lambda: NotFound("gone")
    assert place.body() == b"1"
    assert isinstance(place.call().fault, NotFound)


def test_work_in_the_background_matters_less_and_belongs_to_nobody() -> None:
    pool = Pool()
    place = Place(pool, ttl_s=10.0, stale_s=5.0)
    place.call()
    pool.pendings[0].resolve(Reply(b"1"))
    place.wait(11.0)
    call = place.make()
    call.priority, call.on_event = Priority.CRITICAL, print
    run(place.service, call)
    assert (pool.calls[1].priority, pool.calls[1].on_event, pool.calls[1].ties) == (Priority.NORMAL, None, None)


def test_only_so_many_answers_are_computed_anew_at_a_time() -> None:
    pool = Pool()
    place = Place(pool, ttl_s=10.0, stale_s=50.0)
    for number in range(REFRESHES_MAX + 10):
        place.call(b"%d" % number)
        pool.pendings[-1].resolve(Reply(b"1"))
    place.wait(11.0)
    for number in range(REFRESHES_MAX + 10):
        assert place.body(b"%d" % number) == b"1"
    assert pool.inside == REFRESHES_MAX
    assert place.cache.state()["refreshing"] == REFRESHES_MAX


def test_a_service_that_raises_in_the_background_harms_no_caller() -> None:
    place = Place(ttl_s=10.0, stale_s=50.0)
    place.body()
    place.wait(11.0)

    def broken(call: Call) -> Pending:
        raise ValueError("oops")

    assert run(place.cache(broken), place.make()).result().body == b"1"
    assert place.cache.state()["refreshing"] == 0


@pytest.mark.parametrize(
    ("fault", "rescued"),
    [
        (Unavailable("down"), True),
        (Internal("oops"), True),
        (DeadlineExceeded("late"), True),
        (NotFound("no"), False),
        (InvalidArgument("no"), False),
        (PermissionDenied("no"), False),
    ],
)
def test_an_older_answer_hides_faults_that_are_not_the_caller_s(fault: Fault, rescued: bool) -> None:  # noqa: FBT001 - cases
    place = Place(ttl_s=10.0, stale_if_error_s=20.0)
    place.body()
    place.wait(15.0)
    place.counter.fault = lambda: fault
    pending = place.call()
    assert (pending.fault is None) == rescued
    if rescued:
        assert pending.result().body == b"1"
        assert ages(pending) == (15.0, 0.0)
        assert place.call(fresh=True).fault is fault
        place.wait(15.0)
        assert place.call().fault is fault


def test_a_caller_out_of_time_gets_the_older_answer() -> None:
    pool = Pool()
    place = Place(pool, ttl_s=10.0, stale_if_error_s=20.0)
    place.call()
    pool.pendings[0].resolve(Reply(b"old"))
    place.wait(15.0)
    hasty, patient, leaver = run(place.service, place.make(timeout_s=1.0)), place.call(), place.call()
    leaver.cancel()
    place.wait(1.0)
    assert hasty.result().body == b"old"
    assert not patient.done
    assert leaver.fault is not None
    pool.pendings[1].resolve(Reply(b"new"))
    assert patient.result().body == b"new"


# Faults that are kept


@pytest.mark.parametrize("kind", [InvalidArgument, NotFound, OutOfRange])
def test_a_fault_of_the_caller_s_making_is_given_again_for_a_while(kind: type[Fault]) -> None:
    place = Place(negative_s=3.0)
    place.counter.fault = lambda: kind("no", started=Started.YES)
    first, second = place.call().fault, place.call().fault
    assert type(first) is type(second) is kind
    assert first is not second
    assert second is not None
    assert second.started is Started.NO
    second.call_id = "1"
    third = place.call().fault
    assert third is not None
    assert third.call_id == ""
    assert len(place.counter.calls) == 1
    place.wait(3.0)
    place.counter.fault = None
    assert place.body() == b"2"
    assert place.cache.counts["negative"] == 2


def test_other_faults_are_not_kept_and_none_where_nobody_asks_for_it() -> None:
    place = Place(negative_s=3.0)
    place.counter.fault = lambda: Unavailable("down")
    place.call()
    place.counter.fault = None
    assert place.body() == b"2"
    place = Place()
    place.counter.fault = lambda: NotFound("no")
    place.call()
    place.counter.fault = None
    assert place.body() == b"2"


def test_an_invalid_input_is_not_kept_under_a_key_that_leaves_part_of_it_out() -> None:
    place = Place(negative_s=3.0, key=("a",))
    place.body(b'{"a":1}')
    place.counter.fault = lambda: InvalidArgument("b is too much")
    place.call(b'{"a":1,"b":2}', fresh=True)
    place.counter.fault = None
    assert place.body(b'{"a":1}') == b"1"


# Invalidation


def test_an_input_is_forgotten_in_every_codec_and_the_others_stay() -> None:
    place = Place()
    packed = place.make(b'{"a":1}')
    packed.reply_codec = Codec.MSGPACK
    run(place.service, packed)
    assert [place.body(b'{"a":1}'), place.body(b'{"a":2}')] == [b"2", b"3"]
    assert place.cache.invalidate(b'{ "a": 1 }') == 2
    assert [place.body(b'{"a":1}'), place.body(b'{"a":2}')] == [b"4", b"3"]
    assert place.cache.counts["invalidated"] == 2


def test_tags_and_the_function_are_forgotten_whole() -> None:
    place = Place(tags=("prices",))
    place.body(b"1")
    place.body(b"2")
    assert place.cache.invalidate(tag="other") == 0
    assert place.cache.invalidate(tag="prices") == 2
    place.body(b"1")
    assert place.cache.invalidate() == 1
    assert place.cache.state()["entries"] == place.cache.state()["bytes"] == 0


@pytest.mark.parametrize("what", [None, b"{}"])
def test_what_is_being_computed_when_it_is_forgotten_is_neither_kept_nor_joined(what: bytes | None) -> None:
    pool = Pool()
    place = Place(pool)
    before = place.call()
    place.cache.invalidate(what)
    after = place.call()
    assert len(pool.calls) == 2
    pool.pendings[0].resolve(Reply(b"before"))
    assert before.result().body == b"before"
    assert not after.done
    pool.pendings[1].resolve(Reply(b"after"))
    assert after.result().body == place.body() == b"after"


def test_before_any_call_there_is_nothing_to_forget() -> None:
    world = World()
    assert Cache(CacheOptions(), world.surroundings).invalidate(b"{}") == 0
    assert Cache(CacheOptions(), world.surroundings, target=TARGET).invalidate(b"{}") == 0


def test_another_version_of_the_function_has_other_answers() -> None:
    place = Place()
    place.body()
    call = place.make()
    call.target = Target("s.f", "s", "f", 0, 5.0, idempotent=True, version="2")
    assert run(place.service, call).result().body == b"2"


# Many callers


def test_a_thousand_callers_of_one_cold_key_run_the_function_once() -> None:
    pool = Pool()
    world = World()
    cache = Cache(CacheOptions(), world.surroundings)
    service = cache(Coalesce(CoalesceOptions(), world.surroundings)(pool))
    pendings = [run(service, Call(TARGET, b"{}", deadline=1005.0, arrived_at=1000.0)) for _ in range(1000)]
    assert len(pool.calls) == 1
    pool.pendings[0].resolve(Reply(b"1"))
    replies = [pending.result() for pending in pendings]
    assert {bytes(reply.body) for reply in replies} == {b"1"}
    assert all(reply.cached is not None for reply in replies)
    assert len({id(reply) for reply in replies}) == 1000
    assert cache.state()["in_flight"] == 0


async def test_services_that_are_coroutines_are_cached_too() -> None:
    runs = 0

    async def serve(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return Reply(b"1")

    service = Cache(CacheOptions(), Surroundings.here())(serve)

    async def one() -> bytes | memoryview:
        return (await service(Call(TARGET, b"{}"))).body

    assert await asyncio.gather(*(one() for _ in range(100))) == [b"1"] * 100
    assert await one() == b"1"
    assert runs == 1


# Against a slow model


class Answer(NamedTuple):
    body: bytes | None
    made_at: float


class AgainstModel(RuleBasedStateMachine):
    """Any calls, answers, faults, waits and invalidations: each answer is one that the rules allow at that moment."""

    TTL, STALE, ERROR, NEGATIVE, ENTRIES = 4.0, 2.0, 3.0, 1.0, 3

    def __init__(self) -> None:
        super().__init__()
        self.place = Place(
            ttl_s=self.TTL,
            stale_s=self.STALE,
            stale_if_error_s=self.ERROR,
            negative_s=self.NEGATIVE,
            entries_max=self.ENTRIES,
        )
        self.made: dict[bytes, Answer] = {}
        self.used: list[bytes] = []
        self.paused: dict[bytes, float] = {}
        self.failing: Code | None = None

    @rule(code=st.sampled_from([None, None, Code.UNAVAILABLE, Code.NOT_FOUND]))
    def fail(self, code: Code | None) -> None:
        self.failing = code
        self.place.counter.fault = None if code is None else lambda: Fault.of(code, "no")

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.place.wait(seconds)

    @rule(key=st.sampled_from([b"1", b"2", b"3", b"4", None]))
    def invalidate(self, key: bytes | None) -> None:
        gone = [each for each in self.made if key in (None, each)]
        assert self.place.cache.invalidate(key) == len(gone)
        for each in gone:
            self._forget(each)

    @rule(key=st.sampled_from([b"1", b"2", b"3", b"4"]), fresh=st.sampled_from([False, False, False, True]))
    def call(self, key: bytes, *, fresh: bool) -> None:
        before, now = len(self.place.counter.calls), self.place.world.now()
        pending = self.place.call(key, fresh=fresh)
        assert pending.done
        computed = len(self.place.counter.calls) - before
        kept = self.made.get(key)
        age = now - kept.made_at if kept is not None else 1e9
        if kept is not None and not fresh and age < (self.TTL if kept.body else self.NEGATIVE):
            assert computed == 0
            self._expect(pending, kept, age)
            self._use(key)
        elif kept is not None and kept.body and not fresh and age < self.TTL + self.STALE:
            assert computed == (now >= self.paused.get(key, 0.0))
            self._expect(pending, kept, age)
            self._use(key)
            if computed:
                self._computed(key, now)
                if self.failing is Code.UNAVAILABLE:
                    self.paused[key] = now + REFRESH_PAUSE_S
        else:
            self._compute(key, pending, computed, fresh=fresh, age=age)

    def _compute(self, key: bytes, pending: Pending, computed: int, *, fresh: bool, age: float) -> None:
        assert computed == 1
        kept = self.made.get(key)
        dead = kept is not None and not fresh and (not kept.body or age >= self.TTL + self.STALE + self.ERROR)
        if dead:
            self._forget(key)
        if self.failing is None:
            assert pending.result().body == b"%d" % len(self.place.counter.calls)
        elif self.failing is Code.UNAVAILABLE and kept is not None and not dead and not fresh:
            self._expect(pending, kept, age)
        else:
            assert pending.fault is not None
            assert pending.fault.code is self.failing
        self._computed(key, self.place.world.now())

    def _computed(self, key: bytes, now: float) -> None:
        if self.failing is Code.UNAVAILABLE:
            return
        self._forget(key)
        body = b"%d" % len(self.place.counter.calls) if self.failing is None else None
        self.made[key] = Answer(body, now)
        self.used.append(key)
        while len(self.used) > self.ENTRIES:
            self._forget(self.used[0])

    def _expect(self, pending: Pending, kept: Answer, age: float) -> None:
        if kept.body is None:
            assert isinstance(pending.fault, NotFound)
        else:
            reply = pending.result()
            assert reply.body == kept.body
            assert reply.cached is not None
            assert reply.cached[:2] == pytest.approx((age, max(self.TTL - age, 0.0)))

    def _use(self, key: bytes) -> None:
        self.used.remove(key)
        self.used.append(key)

    def _forget(self, key: bytes) -> None:
        if key in self.made:
            del self.made[key]
            self.used.remove(key)
            self.paused.pop(key, None)

    @invariant()
    def nothing_is_left_over(self) -> None:
        state = self.place.cache.state()
        assert state["entries"] == len(self.made)
        assert state["in_flight"] == state["waiting"] == state["refreshing"] == 0
        assert not self.place.world.clock.timers


TestAgainstModel = AgainstModel.TestCase
