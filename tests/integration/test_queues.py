"""Queues on hosts that are programs of their own, and on a server that keeps what it was told: all of them may die."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.integration.conftest import until
from tests.integration.web import serving
from tests.valkey import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tests.integration.conftest import Write
    from tests.integration.web import Web

CODE = '''
import os, signal, time
from pathlib import Path
from dragoman import Context, Fault

HERE = Path(__file__).parent

def log(name: str, text: str) -> None:
    with (HERE / name).open("a") as file:
        file.write(text + "\\n")

def work(n: int, s: float = 0.0) -> int:
    log("begun.txt", str(n))
    time.sleep(s)
    return n

def hold(n: int) -> int:
    """Run until a file is there."""
    log("begun.txt", str(n))
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return n

def frail(n: int) -> int:
    if n == 13:
        log("begun.txt", str(n))
        os.kill(os.getpid(), signal.SIGKILL)
    return n

def quick() -> int:
    return 1

def context(ctx: Context) -> dict[str, object]:
    return {"traceparent": ctx.trace, "left_s": ctx.remaining}
'''


def toml(server: Server, function: str, more: str = "", sources: str = "") -> str:
    return f"""
[sources.shop]
path = "shop.py"
workers = 2
{sources}
[queues.orders]
url = "{server.url}"
from = "orders"
function = "shop.{function}"
to = "results"
lease = "1s"
base = "10ms"
max = "50ms"
{more}
"""


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "valkey")
    yield server
    server.close()


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


def send(server: Server, *inputs: dict[str, Any]) -> None:
    with server.client() as client:
        pipe = client.pipeline(transaction=False)
        for each in inputs:
            pipe.xadd("orders", {"body": json.dumps(each)})
        pipe.execute()


def rows(server: Server, place: str) -> list[dict[bytes, bytes]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(place)]


def results(server: Server) -> Counter[int]:
    return Counter(int(row[b"body"]) for row in rows(server, "results"))


def pending(server: Server, group: str = "shop") -> int:
    with server.client() as client:
        return client.xpending("orders", group)["pending"]


def lines(folder: Path, name: str = "begun.txt") -> list[str]:
    path = folder / name
    return path.read_text().split() if path.exists() else []


@contextlib.contextmanager
def served(folder: Path, text: str) -> Generator[Web]:
    with serving(cwd=folder, toml='[project]\nname = "shop"\n' + text) as web:
        yield web


def kill(web: Web) -> None:
    web.signal(signal.SIGKILL)
    web.ended()


def test_what_a_host_had_when_it_was_killed_is_handled_by_the_next(shop: Path, lasting: Server) -> None:
    text = toml(lasting, "hold")
    with served(shop, text) as first:
        send(lasting, *({"n": n} for n in range(20)))
        until(lambda: len(lines(shop)) == 2)
        kill(first)
    assert pending(lasting) > 0
    (shop / "go").touch()
    with served(shop, text):
        until(lambda: len(rows(lasting, "results")) == 20)
        assert results(lasting) == Counter(range(20))
        until(lambda: pending(lasting) == 0)
    assert rows(lasting, "orders.dead") == []


def test_hosts_killed_one_after_the_other_under_load_lose_and_double_nothing(shop: Path, lasting: Server) -> None:
    text = toml(lasting, "work", "attempts = 10")
    total = 3000
    sender = threading.Thread(
        target=lambda: [send(lasting, *({"n": n} for n in range(at, at + 100))) for at in range(0, total, 100)]
    )
    sender.start()
    with served(shop, text) as steady:
        for part in (1, 2, 3):
            with served(shop, text) as doomed:
                until(lambda part=part: len(rows(lasting, "results")) > part * 300)
                kill(doomed)
        sender.join()
        until(lambda: len(rows(lasting, "results")) >= total)
        until(lambda: pending(lasting) == 0)
        assert results(lasting) == Counter(range(total))
        assert steady.process.poll() is None
    assert rows(lasting, "orders.dead") == []


def test_a_server_that_is_killed_and_one_that_hangs_lose_and_double_nothing(shop: Path, lasting: Server) -> None:
    text = toml(lasting, "work", "attempts = 10")
    with served(shop, text):
        for part in range(4):
            send(lasting, *({"n": n} for n in range(part * 500, part * 500 + 500)))
            until(lambda part=part: len(rows(lasting, "results")) > part * 500 + 50)
            if part % 2:
                lasting.stop()
                time.sleep(0.5)
                lasting.go_on()
            else:
                lasting.kill()
                lasting.start()
        until(lambda: len(rows(lasting, "results")) >= 2000)
        until(lambda: pending(lasting) == 0)
        assert results(lasting) == Counter(range(2000))
    assert rows(lasting, "orders.dead") == []


def test_a_host_that_sleeps_past_its_lease_doubles_no_result(shop: Path, lasting: Server) -> None:
    text = toml(lasting, "hold")
    with served(shop, text) as sleeper:
        send(lasting, {"n": 1}, {"n": 2})
        until(lambda: len(lines(shop)) == 2)
        sleeper.signal(signal.SIGSTOP)
        try:
            with served(shop, text):
                until(lambda: len(lines(shop)) == 4)
                (shop / "go").touch()
                until(lambda: len(rows(lasting, "results")) == 2)
        finally:
            sleeper.signal(signal.SIGCONT)
        send(lasting, {"n": 3})
        until(lambda: len(rows(lasting, "results")) == 3)
        assert results(lasting) == Counter([1, 2, 3])
        assert pending(lasting) == 0


def test_a_poison_message_is_a_dead_letter_after_its_attempts_and_others_are_handled(
    shop: Path, lasting: Server
) -> None:
    with served(shop, toml(lasting, "frail", "attempts = 3")):
        send(lasting, *({"n": n} for n in range(30)))
        until(lambda: len(rows(lasting, "results")) == 29)
        until(lambda: rows(lasting, "orders.dead"))
        (letter,) = rows(lasting, "orders.dead")
        assert json.loads(letter[b"body"]) == {"n": 13}
        assert (letter[b"dragoman-code"], letter[b"dragoman-attempts"]) == (b"UNAVAILABLE", b"3")
        assert len(lines(shop)) == 3
        until(lambda: pending(lasting) == 0)


def test_a_message_that_kills_every_host_is_a_dead_letter_in_the_end(shop: Path, lasting: Server) -> None:
    text = toml(lasting, "hold", "attempts = 2")
    for attempt in (1, 2):
        with served(shop, text) as host:
            if attempt == 1:
                send(lasting, {"n": 1})
            until(lambda attempt=attempt: len(lines(shop)) == attempt)
            kill(host)
    with served(shop, text):
        until(lambda: rows(lasting, "orders.dead"))
        assert "delivered 2 times" in rows(lasting, "orders.dead")[0][b"dragoman-fault"].decode()
        assert len(lines(shop)) == 2


def test_a_slow_function_has_little_in_hand_and_holds_up_nobody(shop: Path, lasting: Server) -> None:
    more = f"""
[queues.others]
url = "{lasting.url}"
from = "others"
function = "fast.quick"
to = "quick"
"""
    text = toml(lasting, "work", more, sources='[sources.fast]\npath = "shop.py"')
    with served(shop, text) as web:
        send(lasting, *({"n": n, "s": 0.2} for n in range(200)))
        until(lambda: len(lines(shop)) > 4)
        for _ in range(20):
            assert pending(lasting) <= 2 + 8, "two run, and what two can do in a moment"
            begun = time.monotonic()
            assert web.ask("POST", "/v1/call/fast.quick", b"{}").status == 200
            assert time.monotonic() - begun < 1.0
        with lasting.client() as client:
            for _ in range(50):
                client.xadd("others", {"body": "{}"})
        until(lambda: len(rows(lasting, "quick")) == 50)
        assert len(rows(lasting, "results")) < 150


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_events_of_somebody_elses_are_answered_by_events_that_they_can_read(
    shop: Path, lasting: Server, mode: str
) -> None:
    attributes = {
        "id": "7",
        "source": "/shop",
        "type": "order",
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    event = CloudEvent(attributes, {"n": 5})
    sent = to_structured_event(event) if mode == "structured" else to_binary_event(event)
    with served(shop, toml(lasting, "work", 'format = "cloudevents"\nfaults = "faults"')):
        with lasting.client() as client:
            client.xadd("orders", {"body": sent.body, **sent.headers})
            client.xadd("orders", {"body": b'{"n":5}'})
        until(lambda: rows(lasting, "results"))
        row = {name.decode(): value for name, value in rows(lasting, "results")[0].items()}
        body = row.pop("body")
        answer = from_http_event(HTTPMessage({name: value.decode() for name, value in row.items()}, body))
        assert (answer.get_type(), answer.get_source()) == ("dragoman.result", "/shop/orders")
        assert answer.get_data() == 5
        assert answer.get_extension("causationid") == "7"
        until(lambda: rows(lasting, "orders.dead"))
        assert b"specversion" in rows(lasting, "orders.dead")[0][b"dragoman-fault"]


def test_trace_and_deadline_travel(shop: Path, lasting: Server) -> None:
    trace = "a" * 32
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    with served(shop, toml(lasting, "context")), lasting.client() as client:
        headers = {"traceparent": f"00-{trace}-{'b' * 16}-01", "dragoman-deadline": deadline.isoformat()}
        client.xadd("orders", {"body": "{}", **headers, "correlation-id": "mine"})
        client.xadd("orders", {"body": "{}", "dragoman-deadline": "2020-01-01T00:00:00Z"})
        until(lambda: rows(lasting, "results"))
        (row,) = rows(lasting, "results")
        told = json.loads(row[b"body"])
        assert trace in told["traceparent"]
        assert told["traceparent"] == row[b"traceparent"].decode()
        assert "b" * 16 not in told["traceparent"]
        assert 5 < told["left_s"] <= 20
        assert row[b"correlation-id"] == b"mine"
        until(lambda: rows(lasting, "orders.dead"))
        assert rows(lasting, "orders.dead")[0][b"dragoman-code"] == b"DEADLINE_EXCEEDED"


def test_a_host_that_stops_finishes_what_runs_and_gives_back_the_rest(shop: Path, lasting: Server) -> None:
    with served(shop, toml(lasting, "hold")) as host:
        send(lasting, *({"n": n} for n in range(10)))
        until(lambda: len(lines(shop)) == 2)
        host.signal()
        time.sleep(0.3)
        (shop / "go").touch()
        assert host.ended() == 0
    handled = results(lasting)
    assert set(handled) >= {int(line) for line in lines(shop)}
    assert all(count == 1 for count in handled.values())
    assert len(handled) < 10
    with served(shop, toml(lasting, "hold")):
        until(lambda: len(rows(lasting, "results")) == 10)
        assert results(lasting) == Counter(range(10))
