import pytest

from dragoman.queues.address import address, asked, tls_of
from dragoman.queues.options import KINDS


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://user:pass@broker/vhost", "broker:1"),
        ("amqp://broker:9/?heartbeat=3", "broker:9"),
        ("kafka://u:p%40w@one:2,two,[::1]:3,[::2]", "one:2,two:1,[::1]:3,[::2]:1"),
        ("nats://u:p@one:2,nats://u:p@two", "one:2,two:1"),
        ("mqtt://", "localhost:1"),
    ],
)
def test_an_address_has_hosts_and_ports_and_no_secrets(url: str, expected: str) -> None:
    assert address(url, 1) == expected


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("kafka://h?mechanism=SCRAM-SHA-512&cafile=/a%20b", {"mechanism": "SCRAM-SHA-512", "cafile": "/a b"}),
        ("mqtt://h?client=me&shared=no", {"client": "me", "shared": "no"}),
        ("amqp://h?heartbeat=3", {}),
    ],
)
def test_an_address_says_more_behind_its_question_mark(url: str, query: dict[str, str]) -> None:
    assert asked(url, KINDS[url.partition(":")[0]]) == query


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("kafka://h?acks=1", "'acks'.*mechanism"),
        ("kafka://h?mechanism=MAGIC", "mechanism='MAGIC'.*PLAIN"),
        ("mqtt://h?qos=2", "'qos'.*client"),
        ("mqtt://h?shared=perhaps", "no or yes"),
        ("mqtt://h?client=", "client=''"),
    ],
)
def test_what_nobody_knows_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        asked(url, KINDS[url.partition(":")[0]])


def test_files_of_no_use_are_told() -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_of({"cafile": "/nowhere"})
