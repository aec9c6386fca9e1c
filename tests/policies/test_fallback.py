import json
from typing import Any

import msgspec
import pytest

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import (
    Cancelled,
    Code,
    DeadlineExceeded,
    Fault,
    InvalidArgument,
    Overloaded,
    Started,
    Unavailable,
    WorkerLost,
)
from dragoman.core.service import Pending, Service
from dragoman.policies.fallback import DEPTH_MAX, Fallback, FallbackOptions, Given
from tests.policies.world import Items, Pool, Script, World, aim, call_of, run

REPLY, OTHER = Reply(b"1"), Reply(b"2")


def down() -> Fault:
    return Unavailable("gone")


class Town:
    """Functions by name, and one whose calls the test ends."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        self.routes: dict[str, Service] = {}
        self.fallback = Fallback(FallbackOptions(**options), self.world.surroundings, self.routes.get)
        self.pool = Pool()
        self.service = self.fallback(self.pool)

    def fail(self, fault: Fault, call: Call | None = None) -> Pending:
        pending = run(self.service, call or call_of())
        self.pool.pendings[-1].fail(fault)
        return pending


@pytest.mark.parametrize(
    ("reply_codec", "read", "codec"),
    [
        (Codec.JSON, json.loads, Codec.JSON),
        (Codec.MSGPACK, msgspec.msgpack.decode, Codec.MSGPACK),
        (Codec.BYTES, json.loads, Codec.JSON),
        (Codec.ARROW, json.loads, Codec.JSON),
        (Codec.NONE, json.loads, Codec.JSON),
    ],
)
def test_a_value_is_the_answer_at_once_in_the_callers_codec(reply_codec: Codec, read: Any, codec: Codec) -> None:
    town = Town(value=b' {"rows": [], "stale": true}')
    call = call_of()
    call.reply_codec = reply_codec
    reply = town.fail(down(), call).result()
    assert read(reply.body) == {"rows": [], "stale": True}
    assert reply.codec is codec
    assert town.fallback.counts == {"function": 0, "value": 1, "failed": 0}


@pytest.mark.parametrize("value", [b"null", b"0", b'""', b"[]", b"false"])
def test_a_value_may_be_nothing_much(value: bytes) -> None:
    assert Town(value=value).fail(down()).result().body == value


@pytest.mark.parametrize(("value", "items"), [(b"[1, 2, [3]]", [b"1", b"2", b"[3]"]), (b'{"a":1}', [b'{"a":1}'])])
async def test_for_a_streaming_function_a_value_is_a_stream(value: bytes, items: list[bytes]) -> None:
    town = Town(value=value)
    for _ in range(2):
        stream = town.fail(down(), call_of(aim(streaming=True))).result().items
        assert stream is not None
        assert [item async for item in stream] == items
        await stream.aclose()


async def test_items_that_are_there_come_in_one_batch() -> None:
    stream = Given([b"1", b"2", b"3"])
    assert await anext(stream) == b"1"
    assert await stream.batch() == [b"2", b"3"]
    assert await stream.batch() == []
    closed = Given([b"1"])
    await closed.aclose()
    assert [item async for item in closed] == []


@pytest.mark.parametrize("code", Code)
def test_only_faults_with_the_chosen_codes_have_another_answer(code: Code) -> None:
    on = frozenset({Code.INTERNAL, Code.NOT_FOUND})
    pending = Town(value=b"0", on=on).fail(Fault.of(code, "no"))
    assert (pending.reply is not None) is (code in on)
    default = Town(value=b"0").fail(Fault.of(code, "no"))
    assert (default.reply is not None) is (code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})


def test_a_subclass_of_a_chosen_fault_counts_as_it() -> None:
    assert Town(value=b"0").fail(Overloaded("full")).reply
    assert Town(value=b"0").fail(WorkerLost("dead")).reply


def test_another_function_gets_the_same_body_and_deadline() -> None:
    town, other = Town(function="t.g"), Script(OTHER)
    town.routes["t.g"] = other
    call = call_of(deadline=town.world.now() + 3)
    assert town.fail(down(), call).result() is OTHER
    (asked,) = other.calls
    assert (asked.body, asked.deadline, asked.depth) == (call.body, call.deadline, 1)
    assert asked.id != call.id
    assert town.fallback.counts == {"function": 1, "value": 0, "failed": 0}


def test_a_call_that_goes_well_asks_nobody_else() -> None:
    town, other = Town(function="t.g", value=b"0"), Script(OTHER)
    town.routes["t.g"] = other
    pending = run(town.service, call_of())
    town.pool.pendings[0].resolve(REPLY)
    assert pending.result() is REPLY
    assert not other.calls


def test_where_the_other_function_fails_too_the_value_is_the_answer() -> None:
    town = Town(function="t.g", value=b"0")
    town.routes["t.g"] = Script(lambda: InvalidArgument("not for me"))
    assert town.fail(down()).result().body == b"0"


def test_where_the_other_function_fails_too_and_there_is_no_value_the_first_fault_stands() -> None:
    town, fault = Town(function="t.g"), down()
    town.routes["t.g"] = Script(lambda: InvalidArgument("not for me"))
    pending = town.fail(fault)
    assert pending.fault is fault
    assert not pending.held
    assert town.fallback.counts["failed"] == 1


def test_a_function_that_nobody_knows_is_as_good_as_none() -> None:
    fault = down()
    assert Town(function="t.gone").fail(fault).fault is fault
    assert Town(function="t.gone", value=b"0").fail(down()).result().body == b"0"


def test_past_the_deadline_only_a_value_is_an_answer() -> None:
    for value in (b"", b"0"):
        town, other = Town(function="t.g", value=value), Script(OTHER)
        town.routes["t.g"] = other
        pending = run(town.service, call_of(deadline=town.world.now() + 1))
        town.world.clock.advance(1)
        town.pool.pendings[0].fail(DeadlineExceeded("late"))
        assert not other.calls
        assert (pending.reply is not None) is bool(value)


def test_a_deadline_that_was_somebody_elses_leaves_time_for_another_function() -> None:
    town = Town(function="t.g")
    town.routes["t.g"] = Script(OTHER)
    late = DeadlineExceeded("what it called was late", started=Started.YES)
    assert town.fail(late, call_of(deadline=town.world.now() + 1)).result() is OTHER


def test_a_caller_that_leaves_cancels_the_other_function() -> None:
    town, other = Town(function="t.g", value=b"0"), Pool()
    town.routes["t.g"] = other
    pending = town.fail(down())
    assert pending.held
    pending.cancel()
    assert other.cancelled == 1
    assert isinstance(pending.fault, Cancelled)
    assert not pending.held


def test_a_caller_that_left_gets_no_other_answer() -> None:
    town, other = Town(function="t.g", value=b"0", on=frozenset({Code.CANCELLED})), Script(OTHER)
    town.routes["t.g"] = other
    pending = run(town.service, call_of())
    pending.cancel()
    assert isinstance(pending.fault, Cancelled)
    assert not other.calls


def test_an_input_that_streamed_in_cannot_be_had_by_another_function() -> None:
    class Nothing:
        async def __aiter__(self):  # noqa: ANN204 - never iterated
            for each in ():
                yield each

    for value in (b"", b"0"):
        town, other, call = Town(function="t.g", value=value), Script(OTHER), call_of()
        town.routes["t.g"], call.input = other, Nothing()
        assert (town.fail(down(), call).reply is not None) is bool(value)
        assert not other.calls


async def test_a_stream_that_has_begun_ends_as_it_ends() -> None:
    town, items = Town(value=b"0"), Items(1, down())
    pending = run(town.service, call_of())
    town.pool.pendings[0].resolve(Reply(b"", items=items))
    assert pending.result().items is items
    with pytest.raises(Unavailable):
        assert [item async for item in items]


def test_functions_that_stand_in_for_one_another_end() -> None:
    world, routes, calls = World(), dict[str, Service](), list[Call]()

    def sick(call: Call) -> Pending:
        calls.append(call)
        return Pending.failed(down())

    for name, other in (("s.a", "s.b"), ("s.b", "s.a")):
        routes[name] = Fallback(FallbackOptions(function=other), world.surroundings, routes.get)(sick)
    pending = run(routes["s.a"], call_of())
    assert isinstance(pending.fault, Unavailable)
    assert len(calls) == DEPTH_MAX + 1


def test_what_a_source_falls_back_on_does_not_fall_back_on_itself() -> None:
    town, calls = Town(function="s.f", value=b"3"), list[Call]()

    def sick(call: Call) -> Pending:
        calls.append(call)
        return Pending.failed(down())

    town.routes["s.f"] = sick
    assert town.fail(down()).result().body == b"3"
    assert not calls


async def test_services_that_are_coroutines_have_it_too() -> None:
    async def serve(call: Call) -> Reply:
        raise down()

    fallback = Fallback(FallbackOptions(value=b"7"), World().surroundings)
    assert (await fallback(serve)(call_of())).body == b"7"


def test_options_that_name_no_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="a function or a value"):
        Fallback(FallbackOptions(), World().surroundings)
    with pytest.raises(ValueError, match="not valid JSON"):
        Fallback(FallbackOptions(value=b"{oops"), World().surroundings)
