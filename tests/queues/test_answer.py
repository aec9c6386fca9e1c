import json

from dragoman.core.call import Call, Codec, Trace
from dragoman.core.fault import Breach, Fault, InvalidArgument
from dragoman.core.target import Target
from dragoman.queues.answer import PROBLEM_CHARS_MAX, Answers, traceparent
from dragoman.queues.cloudevents import STRUCTURED, open_event
from dragoman.queues.intake import read
from dragoman.queues.message import Message

TRACE = Trace(b"\xaa" * 16, b"\xbb" * 8, 1, "a=b")
EVENT = b'{"specversion":"1.0","id":"7","source":"/s","type":"t","data":{"n":1}}'
NOW = 1_767_225_600.0


def call() -> Call:
    made = Call(Target("shop.price", "shop", "price", 0, 1.0), b"{}")
    made.trace = TRACE
    return made


def test_a_result_says_what_it_answers_and_carries_the_calls_trace() -> None:
    message = Message("1-0", b"{}", {"correlation-id": "c"}, lane="k")
    made = Answers("shop", "orders", events=False).result(message, read(message), call(), b"3", Codec.JSON)
    assert made.body == b"3"
    assert made.headers == {"correlation-id": "c", "traceparent": traceparent(TRACE), "tracestate": "a=b"}
    assert (made.id, made.key) == ("shop/orders/1-0.result", "k")


def test_without_a_correlation_it_is_the_messages_own_id_and_other_codecs_are_named() -> None:
    message = Message("1-0", b"{}")
    made = Answers("shop", "orders", events=False).result(message, read(message), call(), b"\x03", Codec.MSGPACK)
    assert made.headers["correlation-id"] == "1-0"
    assert made.headers["content-type"] == "application/msgpack"


def test_an_event_is_answered_by_an_event_in_its_own_mode() -> None:
    for headers, body in (
        ({"content-type": STRUCTURED}, EVENT),
        ({"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "t"}, b'{"n":1}'),
    ):
        message = Message("1-0", body, headers)
        made = Answers("shop", "orders", events=False).result(message, read(message), call(), b"3", Codec.JSON)
        opened = open_event(Message("2", made.body, made.headers), required=True)
        assert opened is not None
        assert opened.data == b"3"
        assert opened.event.structured == ("content-type" in headers)
        said = opened.event.attributes
        assert (said["type"], said["source"], said["subject"]) == ("dragoman.result", "/shop/orders", "shop.price")
        assert (said["causationid"], said["correlationid"], said["traceparent"]) == ("7", "7", traceparent(TRACE))


def test_a_problem_is_a_document_or_an_event_with_one() -> None:
    fault = InvalidArgument("no", errors=(Breach("/n", "is missing"),))
    message = Message("1-0", b"{}")
    made = Answers("shop", "orders", events=False).problem(message, read(message), call(), fault, NOW)
    document = json.loads(made.body)
    assert (document["code"], document["detail"]) == ("INVALID_ARGUMENT", "no")
    assert document["instance"] == "/queues/orders/1-0"
    assert document["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert made.headers["content-type"] == "application/problem+json"
    message = Message("1-0", EVENT)
    made = Answers("shop", "orders", events=True).problem(message, read(message, events=True), call(), fault, NOW)
    opened = open_event(Message("2", made.body, made.headers), required=True)
    assert opened is not None
    assert opened.event.attributes["type"] == "dragoman.fault"
    assert json.loads(opened.data)["errors"] == [{"path": "/n", "message": "is missing"}]


def test_a_dead_letter_is_the_message_with_its_problem_which_is_short() -> None:
    fault = Fault("ü" * 20_000, errors=tuple(Breach("/" + "p" * 500, "ü" * 500) for _ in range(500)))
    message = Message("1-0", b"body", {"x": "y"}, 3)
    answers = Answers("shop", "orders", events=False)
    made = answers.dead(message, fault, NOW)
    assert made.body == b"body"
    assert made.headers["x"] == "y"
    assert (made.headers["dragoman-attempts"], made.headers["dragoman-code"]) == ("3", "UNKNOWN")
    assert (made.headers["dragoman-message"], made.headers["dragoman-queue"]) == ("1-0", "orders")
    text = made.headers["dragoman-fault"]
    assert len(text) <= PROBLEM_CHARS_MAX
    assert text.isascii()
    assert json.loads(text)["code"] == "UNKNOWN"
    smaller = answers.smaller(made)
    assert smaller is not None
    assert "x" not in smaller.headers
    smallest = answers.smaller(smaller)
    assert smallest is not None
    assert smallest.body == b""
    assert answers.smaller(smallest) is None
