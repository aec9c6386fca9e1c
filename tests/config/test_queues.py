from pathlib import Path

import pytest

from dragoman.config.document import Document
from dragoman.config.queues import overlaps, read_queues
from dragoman.core.fault import Code
from dragoman.queues.options import QueueOptions
from dragoman.stores.options import StoreOptions


def missing(name: str) -> str:
    return "" if name.startswith("shop.") else "no source is called so"


def read(text: str, shared: StoreOptions | None = None) -> tuple[dict[str, QueueOptions], list[str]]:
    document = Document.parse(Path("/shop/dragoman.toml"), text.encode())
    queues = read_queues(document, "shop", shared, missing)
    return queues, [f"{each.key}: {each.message}" for each in document.problems]


def test_without_tables_there_are_no_queues() -> None:
    assert read("") == ({}, [])


def test_a_table_and_what_it_leaves_out() -> None:
    queues, problems = read('[queues.orders]\nurl = "redis://h:1"\nfrom = "in"\nfunction = "shop.price"')
    assert problems == []
    options = queues["orders"]
    assert options == QueueOptions(
        "orders", "redis://h:1", "in", group="shop", function="shop.price", dead="orders.dead"
    )
    assert (options.prefetch, options.attempts, options.base_s, options.lease_s) == (256, 3, 1.0, 30.0)


def test_all_of_its_settings_arrive() -> None:
    text = """
    [queues.orders]
    url = "nats://h:1"
    from = "orders.*"
    group = "g"
    function = "shop.price"
    as = "task"
    format = "cloudevents"
    to = "prices"
    faults = "prices"
    dead = "dead"
    prefetch = 7
    attempts = 5
    base = "2s"
    max = "3s"
    on = ["INTERNAL"]
    lease = "5s"
    keep = 10
    trim = "handled"
    """
    queues, problems = read(text)
    assert problems == []
    assert queues["orders"] == QueueOptions(
        "orders",
        "nats://h:1",
        "orders.*",
        "g",
        "shop.price",
        "task",
        "cloudevents",
        "prices",
        "prices",
        "dead",
        7,
        5,
        2.0,
        3.0,
        frozenset({Code.INTERNAL}),
        5.0,
        10,
        trim=True,
    )


def test_a_queue_may_be_only_written_to_and_use_the_shared_store() -> None:
    queues, problems = read('[queues.done]\nto = "done"', StoreOptions("redis://h:1"))
    assert problems == []
    assert (queues["done"].url, queues["done"].source, queues["done"].dead) == ("redis://h:1", "", "")


def test_a_password_comes_from_the_environment_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    queues, problems = read('[queues.a]\nurl = "amqp://u:${SECRET}@h:1"\nfrom = "in"')
    assert (queues["a"].url, problems) == ("amqp://u:s3cret@h:1", [])
    monkeypatch.setenv("SECRET", "http://s3cret")
    _, problems = read('[queues.a]\nurl = "${SECRET}"\nfrom = "in"')
    assert problems[0].startswith("queues.a.url: expected an address such as redis://")
    assert "s3cret" not in problems[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("queues = 1", "queues: expected a table"),
        ("[queues]\norders = 1", "queues.orders: expected a table"),
        ('[queues."a b"]\nurl = "redis://h:1"\nfrom = "in"', "a queue's name is"),
        ('[queues.a]\nfrom = "in"', "needs a url"),
        ('[queues.a]\nurl = "redis://h:1"', "needs from"),
        ('[queues.a]\nurl = "redis://h:x"\nfrom = "in"', "queues.a.url: expected an address"),
        ('[queues.a]\nurl = "redis://h:0"\nfrom = "in"', "queues.a.url: expected an address"),
        ('[queues.a]\nurl = "http://h:1"\nfrom = "in"', "queues.a.url: expected an address"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "in"\nfunktion = "x"', "did you mean 'function'?"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "in"\nfunction = "other.f"', "'other.f': no source"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "in"\nas = "job"', "queues.a.as: expected"),
        ('[queues.a]\nurl = "redis://h:1"\nto = "out"\nfunction = "shop.price"', "nothing is: add from"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "in"\nbase = "10m"', "longer than the longest"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "in"\nto = "in"', "queues.a.to: 'in' is read by this queue itself"),
        ('[queues.a]\nurl = "redis://h:1"\nfrom = "a.dead"', "queues.a: 'a.dead' is read by this queue itself"),
        ('[queues.a]\nurl = "nats://h:1"\nfrom = "a.>"', "queues.a: 'a.dead' is read by this queue itself"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, words: str) -> None:
    queues, problems = read(text)
    assert queues == {}
    assert any(words in each for each in problems), problems


@pytest.mark.parametrize(
    ("scheme", "source", "place", "same"),
    [
        ("redis", "a", "a", True),
        ("redis", "a", "b", False),
        ("nats", "a.*", "a.b", True),
        ("nats", "a.*", "a.b.c", False),
        ("nats", "a.>", "a.b.c", True),
        ("nats", "a.>", "a", False),
        ("nats", "a.b", "a", False),
        ("nats", "*", "a", True),
        ("mqtt", "a/+", "a/b", True),
        ("mqtt", "#", "a/b", True),
        ("mqtt", "a/#", "a", True),
        ("mqtt", "a/#", "b", False),
        ("mqtt", "a/+/c", "a/b", False),
        ("kafka", "a.*", "a.b", False),
    ],
)
def test_a_circle_is_seen_through_wildcards(scheme: str, source: str, place: str, *, same: bool) -> None:
    assert overlaps(QueueOptions("a", f"{scheme}://h:1", source), place) is same
