import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.fault import (
    Code,
    DeadlineExceeded,
    Fault,
    InvalidArgument,
    Overloaded,
    Started,
    Unavailable,
    WorkerLost,
)
from dragoman.queues.broker import BrokerLost, Done, Unfit
from dragoman.queues.consumer import WAITING_MAX, Consumer
from dragoman.queues.options import QueueOptions
from dragoman.testing.broker import MemoryBroker
from tests.queues.around import Function, Host, TaskList
from tests.valkey import until

OPTIONS: dict[str, Any] = {
    "url": "redis://h:1",
    "source": "orders",
    "function": "shop.price",
    "to": "prices",
    "dead": "orders.dead",
}


@asynccontextmanager
async def consuming(
    host: Host, broker: MemoryBroker, tasks: TaskList | None = None, **options: Any
) -> AsyncGenerator[Consumer]:
    consumer = Consumer(QueueOptions("orders", **{**OPTIONS, **options}), broker, host.around(tasks))
    running = asyncio.ensure_future(consumer.run())
    try:
        yield consumer
    finally:
        consumer.abort()
        await asyncio.wait_for(running, 10.0)


def hosting(outcome: Callable[[Call], Reply | Fault | None] | Reply | Fault) -> tuple[Host, Function]:
    function = Function(outcome if callable(outcome) else lambda _: outcome)
    return Host({"shop.price": function}), function


async def passing(host: Host, seconds: float) -> None:
    """Time passes, and what comes of it is done."""
    host.clock.advance(seconds)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_message_is_acknowledged_with_its_result() -> None:
    host, function = hosting(Reply(b"3"))
    broker = MemoryBroker()
    async with consuming(host, broker) as consumer:
        name = broker.send(b'{"n":1}')
        await until(lambda: broker.handled)
        assert broker.handled == [name]
        assert [each.body for each in broker.places["prices"]] == [b"3"]
        assert function.calls[0].body == b'{"n":1}'
        assert (host.meter.in_flight, host.meter.ended) == (0, [None])
        assert consumer.counts["handled"] == 1
    assert not broker.is_open


async def test_without_a_place_for_results_they_are_dropped() -> None:
    host, _ = hosting(Reply(b"3"))
    broker = MemoryBroker()
    async with consuming(host, broker, to=""):
        broker.send(b"{}")
        await until(lambda: broker.handled)
        assert broker.places == {}


@pytest.mark.parametrize(
    ("body", "headers", "outcome", "code"),
    [
        (b"{}", {"dragoman-timeout": "5"}, Reply(b"1"), "INVALID_ARGUMENT"),
        (b"{}", {"dragoman-deadline": "2020-01-01T00:00:00Z"}, Reply(b"1"), "DEADLINE_EXCEEDED"),
        (b"nonsense", {}, InvalidArgument("not valid JSON"), "INVALID_ARGUMENT"),
        (b"{}", {}, Fault("ValueError: no"), "UNKNOWN"),
        (b"x" * 2000, {}, Reply(b"1"), "INVALID_ARGUMENT"),
    ],
)
async def test_what_will_never_go_well_is_a_dead_letter_at_once_and_the_next_is_handled(
    body: bytes, headers: dict[str, str], outcome: Reply | Fault, code: str
) -> None:
    host, _ = hosting(lambda call: outcome if call.body == body else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, faults="faults"):
        bad, good = broker.send(body, headers), broker.send(b'{"fine":1}')
        await until(lambda: len(broker.handled) == 2)
        assert set(broker.handled) == {bad, good}
        (letter,) = broker.places["orders.dead"]
        assert (letter.body, letter.headers["dragoman-code"]) == (body, code)
        assert json.loads(letter.headers["dragoman-fault"])["code"] == code
        (problem,) = broker.places["faults"]
        assert json.loads(problem.body)["code"] == code
        assert len(broker.places["prices"]) == 1


async def test_the_problem_of_what_never_was_a_call_says_what_it_answers() -> None:
    host, _ = hosting(Reply(b"1"))
    broker = MemoryBroker()
    over = {"correlation-id": "c", "dragoman-deadline": "2020-01-01T00:00:00Z"}
    async with consuming(host, broker, faults="faults"):
        broker.send(b"{}", over)
        broker.send(b"{}", {"correlation-id": "d", "dragoman-timeout": "never"})
        event = {f"ce-{name}": "1" for name in ("id", "source", "type")} | {"ce-specversion": "1.0"}
        broker.send(b"{}", {**event, **over})
        await until(lambda: len(broker.handled) == 3)
        first, second, third = broker.places["faults"]
        assert [each.headers["correlation-id"] for each in (first, second)] == ["c", "d"]
        assert (third.headers["ce-type"], third.headers["ce-correlationid"]) == ("dragoman.fault", "c")


async def test_where_all_are_events_the_problem_of_what_is_none_is_one() -> None:
    host, _ = hosting(Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, faults="faults", format="cloudevents"):
        broker.send(b"nonsense")
        await until(lambda: broker.handled)
        (told,) = broker.places["faults"]
        assert told.headers["content-type"] == "application/cloudevents+json"
        event = json.loads(told.body)
        assert (event["type"], event["data"]["code"]) == ("dragoman.fault", "INVALID_ARGUMENT")


async def test_a_fault_that_may_pass_is_tried_again_after_pauses_and_then_given_up() -> None:
    host, function = hosting(lambda _: WorkerLost("died", started=Started.YES))
    broker = MemoryBroker()
    async with consuming(host, broker, attempts=3, base_s=1.0) as consumer:
        broker.send(b"{}")
        await until(lambda: len(function.calls) == 1)
        await passing(host, 0.4)
        assert len(function.calls) == 1
        await passing(host, 0.2)
        assert len(function.calls) == 2
        await passing(host, 0.8)
        assert len(function.calls) == 2
        await passing(host, 0.2)
        await until(lambda: broker.handled)
        assert len(function.calls) == 3
        assert broker.places["orders.dead"][0].headers["dragoman-attempts"] == "3"
        assert (consumer.counts["retried"], consumer.counts["dead"]) == (2, 1)
    assert [each.code for each in host.faults] == [Code.UNAVAILABLE]


async def test_where_the_server_delays_a_message_is_given_back_to_it() -> None:
    host, function = hosting(lambda _: WorkerLost("died", started=Started.YES))
    broker = MemoryBroker(delays=True)
    async with consuming(host, broker, attempts=3, base_s=1.0):
        name = broker.send(b"{}")
        await until(lambda: broker.handled)
        assert broker.returned == [(name, 0.5), (name, 1.0)]
        assert len(function.calls) == 3


async def test_a_message_that_whoever_had_it_died_with_is_given_up_unrun() -> None:
    host, function = hosting(Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, attempts=3):
        broker.send(b"{}", deliveries=4)
        broker.send(b'{"n":2}', deliveries=3)
        await until(lambda: len(broker.handled) == 2)
        assert [call.body for call in function.calls] == [b'{"n":2}']
        assert "delivered 3 times" in broker.places["orders.dead"][0].headers["dragoman-fault"]


async def test_what_is_refused_is_no_attempt_and_nothing_is_fetched_meanwhile() -> None:
    full = True
    host, function = hosting(lambda _: Overloaded("full") if full else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, attempts=1) as consumer:
        names = [broker.send(b"{}") for _ in range(50)]
        await until(lambda: consumer.state()["held"])
        taken = 50 - broker.waiting
        assert taken <= 6
        before = len(function.calls)
        for _ in range(20):
            await passing(host, 10.0)
        assert broker.waiting > 0
        assert len(function.calls) - before < 200, "each offer is of one message, and the pauses grow to seconds"
        full = False
        while len(broker.handled) < 50:
            await passing(host, 10.0)
        assert set(broker.handled) == set(names)
        assert "orders.dead" not in broker.places


async def test_what_waited_all_its_time_for_a_worker_is_refused_too() -> None:
    late = True
    host, _ = hosting(lambda _: DeadlineExceeded("waited", started=Started.NO) if late else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, attempts=1) as consumer:
        broker.send(b"{}")
        await until(lambda: consumer.counts["refused"])
        late = False
        await passing(host, 10.0)
        await until(lambda: broker.handled)
        assert "orders.dead" not in broker.places


async def test_a_message_that_alone_is_refused_for_ever_is_given_up_in_the_end() -> None:
    host, _ = hosting(lambda call: Unavailable("no", started=Started.NO) if call.body == b"bad" else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker):
        bad = broker.send(b"bad")
        while bad not in broker.handled:
            broker.send(b"{}")
            await passing(host, 10.0)
        assert len(broker.places["orders.dead"]) == 1


async def test_no_more_is_in_hand_than_runs_and_a_few() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    async with consuming(host, broker) as consumer:
        for _ in range(100):
            broker.send(b"{}")
        await until(lambda: len(function.pending) == 5)
        await passing(host, 1.0)
        assert (broker.waiting, consumer.state()["in_hand"]) == (95, 5)
        function.pending[0].resolve(Reply(b"1"))
        await until(lambda: len(function.pending) == 6)


async def test_messages_that_wait_for_another_attempt_hold_up_nobody_until_there_are_too_many() -> None:
    host, function = hosting(
        lambda call: Unavailable("no", started=Started.YES) if call.body == b"bad" else Reply(b"1")
    )
    broker = MemoryBroker()
    async with consuming(host, broker, base_s=1000.0, max_s=1000.0) as consumer:
        for _ in range(WAITING_MAX // 2):
            broker.send(b"bad")
        good = broker.send(b"{}")
        await until(lambda: good in broker.handled)
        for _ in range(WAITING_MAX):
            broker.send(b"bad")
        await until(lambda: len(function.calls) > WAITING_MAX)
        for _ in range(100):
            await asyncio.sleep(0)
        assert WAITING_MAX <= int(str(consumer.state()["waiting"])) <= WAITING_MAX + 64


async def test_messages_that_failed_after_a_while_leave_their_places_to_others() -> None:
    host, function = hosting(lambda call: None if call.body == b"bad" else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker, base_s=1000.0, max_s=1000.0):
        for _ in range(5):
            broker.send(b"bad")
        await until(lambda: len(function.pending) == 5)
        good = broker.send(b"{}")
        for pending in function.pending:
            pending.fail(Unavailable("no", started=Started.YES))
        await until(lambda: good in broker.handled)


async def test_what_is_on_its_way_when_it_stops_is_sent_once() -> None:
    class Slow(MemoryBroker):
        def __init__(self) -> None:
            super().__init__()
            self.begun = 0
            self.go_on = asyncio.Event()

        async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
            self.begun += len(done)
            await self.go_on.wait()
            return await super().finish(done)

    host, _ = hosting(Reply(b"1"))
    broker = Slow()
    async with consuming(host, broker) as consumer:
        broker.send(b"{}")
        await until(lambda: broker.begun)
        consumer.stop()
        await passing(host, 1.0)
        broker.go_on.set()
        await until(lambda: not broker.is_open)
        assert (broker.begun, len(broker.handled)) == (1, 1)


async def test_messages_of_one_lane_are_handled_in_order_and_others_beside_them() -> None:
    host, function = hosting(lambda call: None if call.body == b"slow" else Reply(b"1"))
    broker = MemoryBroker()
    async with consuming(host, broker):
        first = broker.send(b"slow", lane="a")
        second = broker.send(b"a2", lane="a")
        other = broker.send(b"b1", lane="b")
        await until(lambda: other in broker.handled)
        assert len(function.calls) == 2
        function.pending[0].resolve(Reply(b"1"))
        await until(lambda: second in broker.handled)
        assert broker.handled == [other, first, second]


async def test_in_a_lane_a_retry_comes_before_what_is_behind_it() -> None:
    outcomes = [Unavailable("no", started=Started.YES), Reply(b"1"), Reply(b"2")]
    host, _ = hosting(lambda _: outcomes.pop(0))
    broker = MemoryBroker(delays=True)
    async with consuming(host, broker):
        names = [broker.send(b"1", lane="a"), broker.send(b"2", lane="a")]
        await until(lambda: len(outcomes) == 2)
        await passing(host, 1.0)
        await until(lambda: len(broker.handled) == 2)
        assert broker.handled == names
        assert broker.returned == []


async def test_a_broker_that_is_lost_is_tried_until_it_is_back_and_results_are_kept() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    async with consuming(host, broker) as consumer:
        name = broker.send(b"{}")
        await until(lambda: function.pending)
        broker.lose("cut off")
        broker.send(b"{}")
        await until(lambda: not consumer.up)
        assert consumer.why == "cut off"
        function.pending[0].resolve(Reply(b"1"))
        broker.lose("")
        await until(lambda: broker.handled == [name])
        assert broker.opened >= 2
        assert [text for level, text in host.notes if level == "warning"] == [
            "queue orders: cut off; trying again until it is back"
        ]


async def test_a_queue_goes_on_after_an_error_that_nobody_has_thought_of() -> None:
    class Broken(MemoryBroker):
        async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
            if self.opened == 1:
                raise RuntimeError("the handler is closed")
            return await super().finish(done)

    host, _ = hosting(Reply(b"1"))
    broker = Broken()
    async with consuming(host, broker):
        name = broker.send(b"{}")
        await until(lambda: broker.handled == [name])
        told = "queue orders: RuntimeError: the handler is closed; trying again until it is back"
        assert [text for level, text in host.notes if level == "warning"] == [told]


async def test_one_that_is_lost_while_a_result_is_sent_gets_it_again() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    async with consuming(host, broker) as consumer:
        name = broker.send(b"{}")
        await until(lambda: function.pending)
        broker.lost = "full"
        function.pending[0].resolve(Reply(b"1"))
        await until(lambda: not consumer.up)
        broker.lost = ""
        await until(lambda: broker.handled == [name])
        assert len(broker.places["prices"]) == 1


async def test_stopping_gives_back_what_has_not_begun_and_waits_for_what_has() -> None:
    host, function = hosting(lambda call: None if call.body == b"slow" else Unavailable("no", started=Started.YES))
    broker = MemoryBroker()
    consumer = Consumer(QueueOptions("orders", **OPTIONS), broker, host.around())
    running = asyncio.ensure_future(consumer.run())
    slow, failing = broker.send(b"slow"), broker.send(b"{}")
    await until(lambda: len(function.calls) == 2)
    consumer.stop()
    await until(lambda: broker.returned == [(failing, 0.0)])
    assert broker.holding
    assert not running.done()
    broker.send(b"{}")
    function.pending[0].resolve(Reply(b"1"))
    await asyncio.wait_for(running, 5.0)
    assert broker.handled == [slow]
    assert len(function.calls) == 2
    assert not broker.is_open


async def test_aborting_stops_what_runs_and_gives_it_back() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    consumer = Consumer(QueueOptions("orders", **OPTIONS), broker, host.around())
    running = asyncio.ensure_future(consumer.run())
    name = broker.send(b"{}")
    await until(lambda: function.pending)
    consumer.stop()
    consumer.abort()
    await asyncio.wait_for(running, 5.0)
    assert function.cancelled == function.calls
    assert broker.returned == [(name, 0.0)]
    function.pending[0].resolve(Reply(b"1"))
    assert broker.handled == []


async def test_aborting_while_the_broker_is_lost_stops_what_runs_too() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    consumer = Consumer(QueueOptions("orders", **OPTIONS), broker, host.around())
    running = asyncio.ensure_future(consumer.run())
    broker.send(b"{}")
    await until(lambda: function.pending)
    broker.lose("cut off")
    await until(lambda: not consumer.up)
    consumer.abort()
    await asyncio.wait_for(running, 5.0)
    assert function.cancelled == function.calls


async def test_stopping_while_the_broker_is_lost_waits_for_results_and_sends_them_when_it_is_back() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    consumer = Consumer(QueueOptions("orders", **OPTIONS), broker, host.around())
    running = asyncio.ensure_future(consumer.run())
    name = broker.send(b"{}")
    await until(lambda: function.pending)
    broker.lose("cut off")
    await until(lambda: not consumer.up)
    consumer.stop()
    function.pending[0].resolve(Reply(b"1"))
    broker.lose("")
    await asyncio.wait_for(running, 5.0)
    assert broker.handled == [name]


async def test_what_the_broker_cannot_take_becomes_a_dead_letter_and_a_smaller_one() -> None:
    host, _ = hosting(Reply(b"x" * 500))
    broker = MemoryBroker(body_bytes_max=100, headers_max=8)
    async with consuming(host, broker):
        name = broker.send(b"{}", {f"x-{n}": "y" for n in range(5)})
        await until(lambda: broker.handled == [name])
        (letter,) = broker.places["orders.dead"]
        assert letter.body == b"{}"
        assert letter.headers["dragoman-code"] == "INVALID_ARGUMENT"
        assert "x-1" not in letter.headers


async def test_as_a_task_a_message_is_acknowledged_when_it_is_stored() -> None:
    host, tasks = Host(), TaskList()
    broker = MemoryBroker()
    async with consuming(host, broker, tasks, becomes="task", attempts=1) as consumer:
        tasks.fault = Unavailable("the store is locked", started=Started.UNKNOWN)
        name = broker.send(b"{}")
        await until(lambda: consumer.counts["refused"])
        tasks.fault = None
        host.clock.advance(10.0)
        await until(lambda: broker.handled == [name])
        assert len(tasks.submitted) == 1
        assert broker.places == {}


async def test_leases_are_extended_while_calls_run() -> None:
    host, function = hosting(lambda _: None)
    broker = MemoryBroker()
    async with consuming(host, broker, lease_s=0.03):
        broker.send(b"{}")
        await until(lambda: function.pending)
        await until(lambda: broker.extended > 2)


def test_the_state_says_what_is_in_hand() -> None:
    host, _ = hosting(Reply(b"1"))
    consumer = Consumer(QueueOptions("orders", **OPTIONS), MemoryBroker(), host.around())
    assert consumer.state() == {
        "up": False,
        "why": "not connected yet",
        "in_hand": 0,
        "waiting": 0,
        "held": 0,
        "unsent": 0,
    }


async def test_of_large_messages_fewer_are_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.queues.consumer.HELD_BYTES_MAX", 400_000)
    host, function = hosting(lambda _: None)
    host.body_bytes_max = 1_000_000
    host.places = 50
    broker = MemoryBroker()
    async with consuming(host, broker) as consumer:
        broker.send(bytes(100_000))
        await until(lambda: function.pending)
        for _ in range(20):
            broker.send(bytes(100_000))
        await until(lambda: len(function.pending) == 4)
        await passing(host, 1.0)
        assert (consumer.state()["in_hand"], broker.waiting) == (4, 17)
        function.pending.pop().resolve(Reply(b"1"))
        await until(lambda: broker.waiting == 16)


async def test_a_broker_that_refuses_what_it_is_asked_is_let_rest_and_told_of_once() -> None:
    class Refusing(MemoryBroker):
        async def finish(self, done: Any) -> Any:
            raise BrokerLost("WRONGTYPE")

    host, _ = hosting(Reply(b"1"))
    broker = Refusing()
    async with consuming(host, broker) as consumer:
        broker.send(b"{}")
        await until(lambda: consumer.counts["lost"] >= 4)
        assert broker.extended >= 3, "it is this host's all the while"
        begun = asyncio.get_running_loop().time()
        await until(lambda: consumer.counts["lost"] >= 6)
        assert asyncio.get_running_loop().time() - begun > 0.3
        assert host.notes == [("warning", "queue orders: WRONGTYPE; trying again until it is back")]


async def test_a_connection_that_holds_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.queues.consumer.STEADY_S", 0.01)
    host, _ = hosting(Reply(b"1"))
    async with consuming(host, MemoryBroker()):
        await until(lambda: host.notes)
        assert host.notes == [("info", "queue orders: connected")]
