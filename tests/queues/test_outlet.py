import asyncio
import json
from collections.abc import Sequence

import pytest

from dragoman.core.fault import Draining, InvalidArgument, Started, Unavailable
from dragoman.queues.broker import Done, Unfit
from dragoman.queues.cloudevents import STRUCTURED
from dragoman.queues.options import QueueOptions
from dragoman.queues.outlet import Outlet
from dragoman.testing.broker import MemoryBroker

OPTIONS = QueueOptions("done", "redis://h:1", to="results")


async def test_what_is_published_is_there_when_it_returns() -> None:
    broker = MemoryBroker()
    outlet = Outlet(OPTIONS, broker, "shop")
    assert not broker.is_open
    await outlet.publish(b"1", {"a": "b"}, "x")
    ((sent),) = broker.places["results"]
    assert (sent.body, sent.headers, sent.id) == (b"1", {"a": "b"}, "x")
    await asyncio.gather(*(outlet.publish(b"%d" % n, {}) for n in range(600)))
    assert len(broker.places["results"]) == 601
    assert broker.opened == 1
    await outlet.close()
    assert not broker.is_open
    with pytest.raises(Draining):
        await outlet.publish(b"1", {})


async def test_as_an_event_it_has_the_ids_that_it_came_with() -> None:
    broker = MemoryBroker()
    outlet = Outlet(QueueOptions("done", "redis://h:1", to="results", format="cloudevents"), broker, "shop")
    headers = {"content-type": "application/json", "webhook-id": "x", "traceparent": "t", "correlation-id": "c"}
    await outlet.publish(b'{"n":1}', headers, "x")
    (sent,) = broker.places["results"]
    assert sent.headers == {"content-type": STRUCTURED, "webhook-id": "x"}
    event = json.loads(sent.body)
    assert (event["id"], event["source"], event["type"], event["data"]) == ("x", "/shop", "dragoman.task", {"n": 1})
    assert (event["traceparent"], event["correlationid"]) == ("t", "c")
    await outlet.close()


async def test_a_broker_that_is_lost_is_connected_to_anew_and_told_where_it_is_not_there() -> None:
    broker = MemoryBroker()
    outlet = Outlet(OPTIONS, broker, "shop")
    broker.lose("cut off")
    with pytest.raises(Unavailable, match="queue done: cut off"):
        await outlet.publish(b"1", {})
    broker.lose("")
    await outlet.publish(b"2", {})
    broker.lose("cut off")
    with pytest.raises(Unavailable):
        await outlet.publish(b"3", {})
    broker.lose("")
    await outlet.publish(b"4", {})
    assert [each.body for each in broker.places["results"]] == [b"2", b"4"]
    await outlet.close()


async def test_what_does_not_fit_is_refused_and_the_rest_is_published() -> None:
    broker = MemoryBroker(body_bytes_max=10)
    outlet = Outlet(OPTIONS, broker, "shop")
    outcomes = await asyncio.gather(
        outlet.publish(b"1", {}), outlet.publish(b"x" * 11, {}), outlet.publish(b"2", {}), return_exceptions=True
    )
    assert isinstance(outcomes[1], InvalidArgument)
    assert outcomes[::2] == [None, None]
    await outlet.close()


async def test_an_error_that_nobody_has_thought_of_is_told_and_ends_nothing() -> None:
    class Broken(MemoryBroker):
        async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
            if done[0].sendings[0].outgoing.body == b"bad":
                raise RuntimeError("the handler is closed")
            return await super().finish(done)

    broker = Broken()
    outlet = Outlet(OPTIONS, broker, "shop")
    with pytest.raises(Unavailable, match="queue done: RuntimeError: the handler is closed") as caught:
        await asyncio.wait_for(outlet.publish(b"bad", {}), 5.0)
    assert caught.value.started is Started.UNKNOWN
    await asyncio.wait_for(outlet.publish(b"1", {}), 5.0)
    assert [each.body for each in broker.places["results"]] == [b"1"]
    await outlet.close()


async def test_closing_fails_what_is_on_its_way() -> None:
    class Slow(MemoryBroker):
        async def open(self) -> None:
            await asyncio.Event().wait()

    outlet = Outlet(OPTIONS, Slow(), "shop")
    publishing = asyncio.ensure_future(outlet.publish(b"1", {}))
    await asyncio.sleep(0)
    await outlet.close()
    with pytest.raises(Draining):
        await publishing


async def test_where_it_is_not_to_be_sent_again_what_may_be_stored_is_said_to_be() -> None:
    broker = MemoryBroker()
    outlet = Outlet(OPTIONS, broker, "shop", again=False)
    await outlet.publish(b"1", {})
    broker.lose("cut off")
    with pytest.raises(Unavailable) as caught:
        await outlet.publish(b"2", {})
    assert (caught.value.started, broker.opened) == (Started.UNKNOWN, 1)
    with pytest.raises(Unavailable) as caught:
        await outlet.publish(b"3", {})
    assert caught.value.started is Started.NO
    broker.lose("")
    await outlet.publish(b"4", {})
    assert [each.body for each in broker.places["results"]] == [b"1", b"4"]
    await outlet.close()


async def test_nobody_waits_as_long_for_a_server_that_is_not_there() -> None:
    broker = MemoryBroker()
    outlet = Outlet(OPTIONS, broker, "shop")
    broker.lose("cut off")
    outcomes = await asyncio.gather(*(outlet.publish(b"1", {}) for _ in range(1000)), return_exceptions=True)
    assert all(isinstance(each, Unavailable) and each.started is Started.NO for each in outcomes)
    assert len({id(each) for each in outcomes}) == 1000
    await outlet.close()
