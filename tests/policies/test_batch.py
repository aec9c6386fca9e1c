import json
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.contract.function import Contract, ContractError
from dragoman.core.call import Call, Codec, Priority, Reply, Ties
from dragoman.core.deadline import NEVER
from dragoman.core.draft import Draft
from dragoman.core.fault import (
    Cancelled,
    Code,
    DeadlineExceeded,
    Fault,
    Internal,
    InvalidArgument,
    Overloaded,
    Started,
    WorkerLost,
)
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.policies.batch import BYTES_MAX, CALL_BYTES_MAX, OPEN_MAX, Batch, BatchOptions, fits
from dragoman.policies.surroundings import Surroundings
from dragoman.testing.clock import ManualClock

LIST: dict[str, Any] = {"type": "array"}
CONTRACT = Contract("f", input={"type": "object", "properties": {"xs": LIST, "scale": {}}}, output=LIST)
TARGET = Target("s.f", "s", "f", 0, 5.0)
IDEMPOTENT = Target("s.f", "s", "f", 0, 5.0, idempotent=True)


class World:
    """A batch layer around a service whose calls end when the test says so."""

    def __init__(self, items_max: int = 4, delay_s: float = 0.002) -> None:
        self.clock = ManualClock()
        self.ids = count(1000)
        surroundings = Surroundings(self.clock, self.clock.call_later, lambda: 0.5, self.ids.__next__)
        self.layer = Batch(BatchOptions(items_max, delay_s), surroundings, CONTRACT)
        self.sent: list[tuple[Call, Pending]] = []
        self.stopped: list[Call] = []
        self.service = self.layer(self.run)

    def run(self, call: Call) -> Pending:
        pending = Pending()

        def stop() -> None:
            self.stopped.append(call)
            pending.fail(Cancelled("stopped"))

        pending.on_cancel = stop
        call.dispatched_at = self.clock.monotonic()
        self.sent.append((call, pending))
        return pending

    def call(self, *items: Any, codec: Codec = Codec.JSON, target: Target = TARGET, **fields: Any) -> Call:
        others = fields.pop("others", {})
        body = msgspec.json.encode if codec is Codec.JSON else msgspec.msgpack.encode
        call = Call(target, body({"xs": list(items), **others}), codec, codec, id=next(self.ids))
        call.arrived_at = self.clock.monotonic()
        for name, value in fields.items():
            setattr(call, name, value)
        return call

    def ask(self, *items: Any, **fields: Any) -> Pending:
        answer = self.service(self.call(*items, **fields))
        assert isinstance(answer, Pending)
        return answer

    def advance(self, seconds: float = 0.002) -> None:
        self.clock.advance(seconds)

    def answer(self, which: int = 0) -> None:
        """Answer a call that was sent: ten times each item."""
        call, pending = self.sent[which]
        pending.resolve(Reply(encoded([10 * item for item in items_of(call)], call.codec), call.codec))

    def at_rest(self) -> bool:
        resting = {"waiting": 0, "open": 0, "in_flight": 0}
        return self.layer.state() == resting and not self.clock.timers


def encoded(value: Any, codec: Codec = Codec.JSON) -> bytes:
    return msgspec.json.encode(value) if codec is Codec.JSON else msgspec.msgpack.encode(value)


def items_of(call: Call) -> list[Any]:
    return decoded(call)["xs"]


def decoded(what: Call | Reply) -> Any:
    body = what.body
    assert not isinstance(body, Draft)
    return msgspec.json.decode(body) if what.codec is Codec.JSON else msgspec.msgpack.decode(body)


def result(pending: Pending) -> Any:
    return decoded(pending.result())


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_calls_that_come_together_go_as_one_and_each_gets_its_own_part(codec: Codec) -> None:
    world = World()
    answers = [world.ask(1, codec=codec), world.ask(2, 3, codec=codec)]
    assert world.layer.state() == {"waiting": 2, "open": 1, "in_flight": 0}
    world.advance(0.0019)
    assert world.sent == []
    world.advance(0.0001)
    assert [items_of(call) for call, _ in world.sent] == [[1, 2, 3]]
    assert world.sent[0][0].merged == 2
    world.answer()
    assert [result(answer) for answer in answers] == [[10], [20, 30]]
    assert world.at_rest()


def test_a_full_batch_goes_at_once_and_what_does_not_fit_begins_the_next() -> None:
    world = World(items_max=4)
    world.ask(1, 2)
    world.ask(3, 4, 5)
    assert [items_of(call) for call, _ in world.sent] == [[1, 2]]
    world.ask(6)
    assert [items_of(call) for call, _ in world.sent] == [[1, 2], [3, 4, 5, 6]]
    assert world.clock.timers == 0


def test_integers_of_64_bits_and_every_digit_survive() -> None:
    world = World()
    big, precise = 2**64 - 1, b'{"xs":[0.1000000000000000055511151231257827]}'
    world.ask(big, -(2**63))
    other = world.call(1)
    other.body = precise
    world.service(other)
    world.advance()
    body = world.sent[0][0].body
    assert body == b'{"xs":[18446744073709551615,-9223372036854775808,0.1000000000000000055511151231257827]}'


def test_calls_that_differ_in_anything_else_are_kept_apart() -> None:
    world = World()
    for scale in (1, 2, 1):
        world.ask(7, others={"scale": scale})
    world.ask(7, codec=Codec.MSGPACK)
    world.ask(7, reply_codec=Codec.MSGPACK)
    world.ask(7, ties=Ties())
    world.advance()
    assert sorted(len(items_of(call)) for call, _ in world.sent) == [1, 1, 1, 1, 2]
    assert decoded(next(call for call, _ in world.sent if call.merged)) == {"xs": [7, 7], "scale": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"input": object()},
        {"body": Draft(1, lambda memory: None)},
        {"codec": Codec.ARROW},
        {"reply_codec": Codec.ARROW},
        {"body": b'{"xs":[]}'},
        {"body": b'{"xs":1}'},
        {"body": b"not json"},
        {"body": b'{"xs":["' + b"x" * CALL_BYTES_MAX + b'"]}'},
        {"body": b'{"xs":[1,2,3,4]}'},
    ],
)
def test_what_cannot_or_need_not_be_gathered_goes_by_itself_at_once(fields: dict[str, Any]) -> None:
    world = World()
    call = world.call(1)
    for name, value in fields.items():
        setattr(call, name, value)
    world.service(call)
    assert [sent for sent, _ in world.sent] == [call]
    assert world.at_rest()


def test_a_call_that_nobody_joined_goes_as_it_came() -> None:
    world = World()
    call = world.call(1)
    answer = world.service(call)
    world.advance()
    assert [sent for sent, _ in world.sent] == [call]
    world.answer()
    assert isinstance(answer, Pending)
    assert result(answer) == [10]


def test_a_call_without_the_time_to_wait_does_not() -> None:
    world = World(delay_s=0.01)
    world.ask(1, deadline=world.clock.monotonic() + 0.015)
    assert len(world.sent) == 1
    assert world.at_rest()


def test_the_merged_call_is_as_important_as_the_most_important_and_has_the_time_of_the_most_patient() -> None:
    world = World()
    now = world.clock.monotonic()
    world.ask(1, deadline=now + 5, priority=Priority.BATCH, depth=1, caller="a", public_id="chain")
    world.ask(2, deadline=now + 9, priority=Priority.CRITICAL, depth=3, caller="b")
    world.advance()
    (merged, _), *_ = world.sent
    assert (merged.deadline, merged.priority, merged.depth) == (now + 9, Priority.CRITICAL, 3)
    assert (merged.caller, merged.public_id, merged.on_event) == ("a", "chain", None)


def test_each_caller_waits_no_longer_than_its_own_deadline() -> None:
    world = World()
    now = world.clock.monotonic()
    hasty, patient = world.ask(1, deadline=now + 1), world.ask(2, deadline=now + 3)
    world.advance(1)
    assert isinstance(hasty.fault, DeadlineExceeded)
    assert hasty.fault.started is Started.UNKNOWN
    assert not patient.done
    world.answer()
    assert result(patient) == [20]
    assert world.at_rest()


def test_the_merged_call_is_stopped_when_all_are_late() -> None:
    world = World()
    now = world.clock.monotonic()
    first, second, third = (world.ask(1, deadline=now + at) for at in (1, 1, 2))
    world.advance(1)
    assert first.done
    assert second.done
    assert world.stopped == []
    third.cancel()
    assert [call.merged for call in world.stopped] == [3]
    assert world.at_rest()


def test_who_leaves_before_the_batch_goes_is_not_sent() -> None:
    world = World()
    stays, leaves = world.ask(1), world.ask(2)
    leaves.cancel()
    assert isinstance(leaves.fault, Cancelled)
    assert leaves.fault.started is Started.NO
    world.advance()
    assert [items_of(call) for call, _ in world.sent] == [[1]]
    world.answer()
    assert result(stays) == [10]
    assert world.at_rest()


def test_a_batch_that_everybody_has_left_does_not_go() -> None:
    world = World()
    for answer in [world.ask(1), world.ask(2)]:
        answer.cancel()
    assert world.at_rest()
    world.advance(1)
    assert world.sent == []


def test_who_leaves_later_disturbs_nobody_and_the_last_one_stops_the_call() -> None:
    world = World(items_max=8)
    first, second, third = world.ask(1), world.ask(2, 2), world.ask(3)
    world.advance()
    second.cancel()
    assert isinstance(second.fault, Cancelled)
    assert second.fault.started is Started.UNKNOWN
    world.answer()
    assert (result(first), result(third)) == ([10], [30])
    fourth, fifth = world.ask(4), world.ask(5)
    world.advance()
    fourth.cancel()
    assert world.stopped == []
    fifth.cancel()
    assert [items_of(call) for call in world.stopped] == [[4, 5]]
    assert world.at_rest()


def test_bad_input_of_one_does_not_fail_the_others() -> None:
    world = World()
    good, bad = world.ask(1), world.ask("x")
    world.advance()
    world.sent[0][1].fail(InvalidArgument("xs/1 is no number"))
    assert [items_of(call) for call, _ in world.sent[1:]] == [[1], ["x"]]
    world.answer(1)
    world.sent[2][1].fail(InvalidArgument("xs/0 is no number"))
    assert result(good) == [10]
    assert isinstance(bad.fault, InvalidArgument)
    assert bad.fault.detail == "xs/0 is no number"
    assert world.at_rest()


@pytest.mark.parametrize(
    ("fault", "target", "again"),
    [
        (WorkerLost("gone"), TARGET, False),
        (WorkerLost("gone"), IDEMPOTENT, True),
        (InvalidArgument("raised", started=Started.YES), TARGET, False),
        (InvalidArgument("raised", started=Started.YES), IDEMPOTENT, True),
        (Overloaded("full"), IDEMPOTENT, False),
        (DeadlineExceeded("late"), IDEMPOTENT, False),
        (Cancelled("stopped"), IDEMPOTENT, False),
    ],
)
def test_what_failed_as_a_whole_is_tried_one_by_one_where_that_is_safe_and_may_help(
    fault: Fault, target: Target, *, again: bool
) -> None:
    world = World()
    answers = [world.ask(1, target=target), world.ask(2, target=target)]
    world.advance()
    world.sent[0][1].fail(fault)
    assert len(world.sent) == (3 if again else 1)
    if not again:
        assert [type(answer.fault) for answer in answers] == [type(fault)] * 2
        assert answers[0].fault is not answers[1].fault
        assert [answer.fault and answer.fault.detail for answer in answers] == [fault.detail] * 2


def test_who_leaves_while_calls_are_tried_one_by_one_stops_its_own_only() -> None:
    world = World()
    first, second = world.ask(1), world.ask(2)
    world.advance()
    world.sent[0][1].fail(InvalidArgument("no"))
    first.cancel()
    assert [items_of(call) for call in world.stopped] == [[1]]
    world.answer(2)
    assert isinstance(first.fault, Cancelled)
    assert result(second) == [20]


def test_an_answer_that_makes_another_caller_leave_does_not_run_that_ones_call() -> None:
    world = World()
    first, second = world.ask(1), world.ask(2)
    first.then(lambda _: second.cancel())
    world.advance()
    world.sent[0][1].fail(InvalidArgument("no"))
    world.sent[1][1].fail(InvalidArgument("no"))
    assert isinstance(second.fault, Cancelled)
    assert world.at_rest()


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_a_fault_in_place_of_an_item_is_that_callers_alone(codec: Codec) -> None:
    world = World()
    answers = [world.ask(1, codec=codec), world.ask(2, 3, codec=codec), world.ask(4, codec=codec)]
    fault = {"code": "RESOURCE_EXHAUSTED", "detail": "no", "retry_after_s": 2.0}
    parted = {"items": [10, 20, None, 40], "faults": {"2": fault}}
    world.sent[0][1].resolve(Reply(encoded(parted, codec), codec))
    assert [result(answer) for answer in (answers[0], answers[2])] == [[10], [40]]
    found = answers[1].fault
    assert found is not None
    assert (found.code, found.detail, found.started) == (Code.RESOURCE_EXHAUSTED, "no", Started.YES)
    assert (found.function, found.remote, found.retry_after_s) == ("s.f", False, 2.0)


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"[1]", "a list of 1 for 2 items"), (b"[1,2,3]", "a list of 3"), (b"7", "no list"), (b'{"a":1}', "no list")],
)
def test_a_result_that_cannot_be_shared_out_fails_all_and_says_so(body: bytes, told: str) -> None:
    world = World()
    answers = [world.ask(1), world.ask(2)]
    world.advance()
    world.sent[0][1].resolve(Reply(body))
    for answer in answers:
        assert isinstance(answer.fault, Internal)
        assert told in answer.fault.detail
        assert answer.fault.started is Started.YES


def test_the_length_is_asked_of_a_call_that_nobody_joined_too() -> None:
    world = World()
    answer = world.ask(1)
    world.advance()
    world.sent[0][1].resolve(Reply(b"[1,2]"))
    assert isinstance(answer.fault, Internal)


@pytest.mark.parametrize("items", [[], [1, 2, 3, 4, 5]])
def test_the_length_is_asked_of_calls_that_are_not_gathered_too(items: list[int]) -> None:
    world = World()
    good, bad = world.ask(*items), world.ask(*items)
    world.answer()
    world.sent[1][1].resolve(Reply(encoded([*items, 6])))
    assert result(good) == [10 * item for item in items]
    assert isinstance(bad.fault, Internal)


def test_a_reply_in_another_codec_than_was_asked_for_is_shared_out_as_it_is() -> None:
    world = World()
    answers = [world.ask(1, codec=Codec.MSGPACK), world.ask(2, codec=Codec.MSGPACK)]
    world.advance()
    world.sent[0][1].resolve(Reply(b"[36893488147419103232,2]", Codec.JSON))
    assert [bytes(answer.result().body) for answer in answers] == [b"[36893488147419103232]", b"[2]"]
    assert answers[0].result().codec is Codec.JSON


def test_batches_that_gather_at_a_time_are_bounded_and_so_are_their_bytes() -> None:
    world = World(items_max=100)
    for scale in range(OPEN_MAX + 5):
        world.ask(1, others={"scale": scale})
    assert len(world.layer.open) == OPEN_MAX
    assert len(world.sent) == 5
    world = World(items_max=100)
    text = "x" * (CALL_BYTES_MAX - 100)
    for _ in range(5):
        world.ask(text)
    assert len(world.sent) == 1
    assert len(world.sent[0][0].body) <= BYTES_MAX


def test_a_reload_keeps_calls_of_two_contracts_apart() -> None:
    world = World()
    world.ask(1)
    world.ask(2, target=Target("s.f", "s", "f", 1, 5.0))
    renewed = world.layer(world.run)
    renewed(world.call(3, target=world.sent[0][0].target))
    world.advance()
    assert [items_of(call) for call, _ in world.sent] == [[1], [2], [3]]


def test_calls_know_where_they_are_so_that_knots_are_seen() -> None:
    world = World()
    place = object()
    calls = [world.call(1, ties=Ties()), world.call(2, ties=Ties())]

    def run(call: Call) -> Pending:
        assert call.ties is not None
        call.ties.place = place
        return world.run(call)

    service = world.layer(run)
    for call in calls:
        service(call)
    world.advance()
    assert [call.ties and call.ties.place for call in calls] == [place, place]


def test_a_function_that_does_not_fit_is_refused() -> None:
    contract = Contract("g", input={"type": "object", "properties": {"x": {"type": "number"}}}, output=LIST)
    surroundings = Surroundings(ManualClock(), ManualClock().call_later, lambda: 0.5, count(1).__next__)
    assert fits(CONTRACT) == ""
    with pytest.raises(ContractError, match=r"g: .*there is none"):
        Batch(BatchOptions(), surroundings, contract)


ASK = st.tuples(
    st.just("ask"),
    st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.sampled_from([0, 1]),
    st.sampled_from([NEVER, 0.005, 0.02]),
)
STEP = st.one_of(
    ASK,
    ASK,
    st.tuples(st.just("advance"), st.sampled_from([0.0005, 0.002, 0.01])),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(st.just("end"), st.integers(0, 30), st.sampled_from(["ok", "bad", "lost", "short", "parted"])),
)


class Model:
    """What callers may see, whatever happens in whatever order."""

    def __init__(self) -> None:
        self.world = World(items_max=4)
        self.asked: list[tuple[list[int], Pending, float, float]] = []
        self.gone: set[int] = set()
        self.ended: set[int] = set()

    def ask(self, items: list[int], scale: int, patience_s: float) -> None:
        now = self.world.clock.monotonic()
        pending = self.world.ask(*items, others={"scale": scale}, deadline=now + patience_s)
        self.asked.append((items, pending, now, now + patience_s))

    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    def leave(self, which: int) -> None:
        if which < len(self.asked) and not self.asked[which][1].done:
            self.asked[which][1].cancel()
            self.gone.add(which)

    def end(self, which: int, how: str) -> None:
        sent = self.world.sent
        if which >= len(sent) or which in self.ended or sent[which][1].done:
            return
        self.ended.add(which)
        call, pending = sent[which]
        items = items_of(call)
        answers = [10 * item for item in items]
        outcomes: dict[str, Callable[[], None]] = {
            "ok": lambda: pending.resolve(Reply(encoded(answers))),
            "bad": lambda: pending.fail(InvalidArgument("bad")),
            "lost": lambda: pending.fail(WorkerLost("lost")),
            "short": lambda: pending.resolve(Reply(encoded(answers[1:]))),
            "parted": lambda: pending.resolve(Reply(encoded(partial(items)))),
        }
        outcomes[how if how != "parted" or call.merged else "ok"]()

    def check(self) -> None:
        now = self.world.clock.monotonic()
        for which, (items, pending, asked_at, deadline) in enumerate(self.asked):
            if pending.reply is not None:
                assert result(pending) == [10 * item for item in items]
                assert which not in self.gone
            elif pending.fault is not None:
                assert isinstance(pending.fault, Cancelled) == (which in self.gone)
                assert not isinstance(pending.fault, DeadlineExceeded) or now >= deadline
            assert asked_at <= now
        assert all(len(items_of(call)) <= 4 or not call.merged for call, _ in self.world.sent)
        for gathering in self.world.layer.open.values():
            (oldest, *_) = gathering.waiting
            assert now - oldest.call.arrived_at < 0.002
            assert sum(waiting.part.size for waiting in gathering.waiting) == gathering.items < 4


def partial(items: list[int]) -> dict[str, Any]:
    faults = {str(index): {"code": "NOT_FOUND", "detail": "no"} for index, item in enumerate(items) if item == 0}
    return {"items": [10 * item for item in items], "faults": faults}


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_whatever_happens_in_whatever_order_everybody_gets_their_own_and_nothing_is_left(
    steps: list[tuple[Any, ...]],
) -> None:
    model = Model()
    for verb, *arguments in steps:
        getattr(model, verb)(*arguments)
        model.check()
    model.advance(1)
    for which, (_, pending) in enumerate(model.world.sent):
        if not pending.done:
            model.end(which, "ok")
    while any(not pending.done for _, pending in model.world.sent):
        model.end(next(which for which, (_, pending) in enumerate(model.world.sent) if not pending.done), "ok")
    model.check()
    assert all(pending.done for _, pending, _, _ in model.asked)
    assert model.world.at_rest()
    assert json.dumps(model.world.layer.state())
