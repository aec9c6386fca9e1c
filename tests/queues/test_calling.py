import json
from datetime import UTC, datetime, timedelta

import pytest

from dragoman.core.call import Call, Codec, Priority
from dragoman.core.fault import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Started,
    StartFailed,
    Unavailable,
)
from dragoman.queues.calling import Calling
from dragoman.queues.intake import Asked
from dragoman.queues.message import Message
from dragoman.queues.options import QueueOptions
from dragoman.queues.surroundings import Door
from tests.queues.around import Host, TaskList

OPTIONS = QueueOptions("orders", "redis://h:1", "orders", function="shop.price", to="prices")
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def prepared(calling: Calling, message: Message, failures: int = 0) -> tuple[Asked, Door, Call]:
    asked = calling.read(message)
    return asked, *calling.prepare(message, asked, failures)


def moment(host: Host, seconds: float) -> str:
    return (datetime.fromtimestamp(host.clock.now(), UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_message_is_a_call_of_the_queues_function() -> None:
    host = Host()
    asked, door, call = prepared(Calling(OPTIONS, host.around()), Message("1-0", b'{"n":1}'))
    assert (asked.body, door.target.name) == (b'{"n":1}', "shop.price")
    assert (call.body, call.codec, call.reply_codec) == (b'{"n":1}', Codec.JSON, Codec.JSON)
    assert call.deadline == host.clock.monotonic() + 10.0
    assert (call.caller, call.idempotency_key, call.trace) == ("queue:orders", "queue:orders:1-0", None)


def test_its_headers_hold() -> None:
    host = Host()
    headers = {
        "traceparent": PARENT,
        "dragoman-timeout": "2s",
        "dragoman-deadline": moment(host, 1.0),
        "dragoman-priority": "critical",
        "idempotency-key": "k",
    }
    _, _, call = prepared(Calling(OPTIONS, host.around()), Message("1-0", b"{}", headers))
    assert call.deadline == pytest.approx(host.clock.monotonic() + 1.0)
    assert (call.priority, call.idempotency_key) == (Priority.CRITICAL, "k")
    assert call.trace is not None
    assert call.trace.trace_id.hex() == "a" * 32


def test_no_message_has_more_time_than_the_function() -> None:
    host = Host()
    _, _, call = prepared(Calling(OPTIONS, host.around()), Message("1-0", b"{}", {"dragoman-timeout": "1h"}))
    assert call.deadline == host.clock.monotonic() + 10.0


def test_one_whose_deadline_is_over_is_refused_before_it_runs() -> None:
    host = Host()
    with pytest.raises(DeadlineExceeded, match="was over for 5s") as caught:
        prepared(Calling(OPTIONS, host.around()), Message("1-0", b"{}", {"dragoman-deadline": moment(host, -5.0)}))
    assert caught.value.started is Started.NO


def test_a_message_may_say_which_function_only_where_the_queue_does_not() -> None:
    host = Host()
    named = Message("1", b"{}", {"dragoman-function": "shop.price"})
    other = Message("1", b"{}", {"dragoman-function": "shop.other"})
    free = Calling(QueueOptions("orders", "redis://h:1", "orders"), host.around())
    assert prepared(free, named)[1].target.name == "shop.price"
    with pytest.raises(NotFound):
        prepared(free, other)
    with pytest.raises(NotFound, match="names no function"):
        prepared(free, Message("1", b"{}"))
    bound = Calling(OPTIONS, host.around())
    assert prepared(bound, named)[1].target.name == "shop.price"
    with pytest.raises(InvalidArgument, match=r"for shop\.price alone"):
        prepared(bound, other)


def test_a_queues_own_function_that_is_not_there_may_come_back() -> None:
    with pytest.raises(Unavailable) as caught:
        prepared(Calling(OPTIONS, Host({}).around()), Message("1", b"{}"))
    assert caught.value.retryable


def test_bodies_that_are_too_large_or_of_another_kind_are_refused() -> None:
    host = Host()
    calling = Calling(OPTIONS, host.around())
    with pytest.raises(InvalidArgument, match="1001B is more than the 1000B"):
        prepared(calling, Message("1", b"x" * 1001))
    with pytest.raises(InvalidArgument, match="raw bytes"):
        prepared(calling, Message("1", b"x", {"content-type": "application/octet-stream"}))
    raw = Calling(OPTIONS, Host(raw_input=True).around())
    assert prepared(raw, Message("1", b"x", {"content-type": "application/octet-stream"}))[2].codec is Codec.BYTES
    assert prepared(raw, Message("1", b"x"))[2].codec is Codec.BYTES
    assert prepared(raw, Message("1", b"{}", {"content-type": "application/json"}))[2].codec is Codec.JSON


def test_a_call_that_is_made_anew_after_it_failed_is_another_one() -> None:
    calling = Calling(OPTIONS, Host().around())
    keys = [prepared(calling, Message("1-0", b"{}"), failures)[2].idempotency_key for failures in (0, 1, 2)]
    assert keys == ["queue:orders:1-0", "queue:orders:1-0#1", "queue:orders:1-0#2"]
    long = Message("1-0", b"{}", {"idempotency-key": "k" * 255})
    assert len(prepared(calling, long, 3)[2].idempotency_key) <= 255


def test_places_are_those_of_the_function_and_one_where_that_cannot_be_told() -> None:
    host = Host()
    assert Calling(OPTIONS, host.around()).places() == 4

    def broken(name: str) -> Door:
        raise StartFailed(f"{name} is still starting")

    host.find = broken
    assert Calling(OPTIONS, host.around()).places() == 1


async def test_as_a_task_it_is_submitted_with_its_terms() -> None:
    host, tasks = Host(), TaskList()
    options = QueueOptions("orders", "redis://h:1", "orders", function="shop.price", to="prices", becomes="task")
    calling = Calling(options, host.around(tasks))
    headers = {"dragoman-timeout": "2s", "dragoman-deadline": moment(host, 60.0)}
    _, door, call = prepared(calling, Message("1-0", b"{}", headers))
    reply = await door.service(call)
    assert reply.body == b""
    ((submitted, terms),) = tasks.submitted
    assert submitted.idempotency_key == "queue:orders:1-0"
    _, _, again = prepared(calling, Message("1-0", b"{}", headers, 3), 2)
    assert again.idempotency_key == submitted.idempotency_key, "it may be stored, and only its acknowledgement lost"
    assert terms.attempt_s == 2.0
    assert terms.deadline_s == pytest.approx(60.0)
    assert terms.callback == b'{"queue":"orders","correlation_id":"1-0"}'


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"correlation-id": "order 17"}, "order 17"),
        ({"correlation-id": "no text \udcff"}, "no text ?"),
        ({"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-type": "order"}, "e-1"),
    ],
)
async def test_whoever_hears_of_the_end_of_a_task_knows_which_message_is_answered(
    headers: dict[str, str], mark: str
) -> None:
    tasks = TaskList()
    options = QueueOptions("orders", "redis://h:1", "orders", function="shop.price", to="prices", becomes="task")
    _, door, call = prepared(Calling(options, Host().around(tasks)), Message("1-0", b"{}", headers))
    await door.service(call)
    ((_, terms),) = tasks.submitted
    assert json.loads(terms.callback) == {"queue": "orders", "correlation_id": mark}


async def test_a_host_without_a_store_takes_no_tasks() -> None:
    options = QueueOptions("orders", "redis://h:1", "orders", function="shop.price", becomes="task")
    _, door, call = prepared(Calling(options, Host().around()), Message("1-0", b"{}"))
    with pytest.raises(FailedPrecondition, match="keeps no tasks"):
        await door.service(call)
