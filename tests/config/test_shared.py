from pathlib import Path

import pytest

from dragoman.config.document import Document
from dragoman.config.shared import read_shared
from dragoman.stores.options import StoreOptions


def read(text: str) -> tuple[StoreOptions | None, list[str]]:
    document = Document.parse(Path("/shop/dragoman.toml"), text.encode())
    return read_shared(document, "shop"), [f"{each.key}: {each.message}" for each in document.problems]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAGOMAN_SHARED_URL", raising=False)


def test_without_a_table_there_is_no_store() -> None:
    assert read("") == (None, [])


def test_its_options_arrive_and_the_prefix_is_the_projects() -> None:
    assert read('[shared]\nurl = "redis://h:1"') == (StoreOptions("redis://h:1", "dragoman:shop"), [])
    text = '[shared]\nurl = "rediss://h:1"\nprefix = "p"\ntimeout = "10ms"'
    assert read(text) == (StoreOptions("rediss://h:1", "p", 0.01), [])


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALKEY_PASSWORD", "s3cret")
    options, problems = read('[shared]\nurl = "redis://:${VALKEY_PASSWORD}@h:1"')
    assert options is not None
    assert (options.url, problems) == ("redis://:s3cret@h:1", [])
    monkeypatch.delenv("VALKEY_PASSWORD")
    _, problems = read('[shared]\nurl = "redis://:${VALKEY_PASSWORD}@h:1"')
    assert problems[0].startswith("shared.url: needs the environment variable VALKEY_PASSWORD")


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_SHARED_URL", "redis://other:1")
    options, problems = read('[shared]\nurl = "redis://h:1"')
    assert options is not None
    assert (options.url, problems) == ("redis://other:1", [])


def test_an_address_that_is_none_is_refused_and_its_password_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read('[shared]\nurl = "h:1"')[1][0].startswith("shared.url: expected an address such as redis://")
    monkeypatch.setenv("DRAGOMAN_SHARED_URL", "http://:s3cret@h")
    _, problems = read("")
    assert problems[0].startswith("shared: DRAGOMAN_SHARED_URL: expected an address")
    assert "s3cret" not in problems[0]


def test_a_table_without_an_address_is_refused() -> None:
    assert read('[shared]\ntimeout = "10ms"')[1][0].startswith("shared: needs a url")
