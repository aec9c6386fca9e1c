from types import SimpleNamespace

from dragoman.queues.message import Outgoing
from dragoman.queues.publishes import read, written


def test_properties_are_headers_and_come_back_as_they_were() -> None:
    said = SimpleNamespace(
        UserProperty=[("Traceparent", "t"), ("message-id", "m")],
        ContentType="text/plain",
        ResponseTopic="answers/1",
        CorrelationData=b"\xff\x01",
    )
    message = read(b"body", said)
    assert message.id == "m"
    assert dict(message.headers) == {
        "traceparent": "t",
        "content-type": "text/plain",
        "reply-to": "answers/1",
        "correlation-id": "\udcff\x01",
    }
    properties, user = written(Outgoing(b"", message.headers, "m"))
    assert properties == {"ContentType": "text/plain", "ResponseTopic": "answers/1", "CorrelationData": b"\xff\x01"}
    assert user == [("traceparent", "t"), ("message-id", "m")]


def test_without_properties_there_are_no_headers_and_an_id_of_our_own() -> None:
    message = read(b"", None)
    assert (dict(message.headers), len(message.id)) == ({}, 32)


def test_attributes_of_events_are_properties_with_their_own_names() -> None:
    said = SimpleNamespace(UserProperty=[("specversion", "1.0"), ("id", "1"), ("dragoman-timeout", "2s")])
    message = read(b"", said)
    assert dict(message.headers) == {"ce-specversion": "1.0", "ce-id": "1", "dragoman-timeout": "2s"}
    _, user = written(Outgoing(b"", message.headers))
    assert user == said.UserProperty


def test_what_is_no_event_keeps_its_names() -> None:
    assert dict(read(b"", SimpleNamespace(UserProperty=[("id", "1")])).headers) == {"id": "1"}
