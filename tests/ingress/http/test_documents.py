"""Documents are made once for every version of the functions."""

import json
import threading

import pytest

from dragoman.ingress.http.documents import Document, Documents, to_json

from .shelf import CORRELATION, TAIL, Shelf


def test_a_document_is_made_once_for_a_version() -> None:
    shelf = Shelf(CORRELATION)
    documents = Documents(shelf)
    first = documents.openapi()
    shelf.entries = (CORRELATION, TAIL)
    assert documents.openapi() is first
    shelf.version += 1
    assert b"/v1/call/logs.tail" in documents.openapi().body
    assert documents.openapi().etag != first.etag


def test_a_listing_has_the_contracts() -> None:
    listing = json.loads(Documents(Shelf(CORRELATION, TAIL)).functions().body)
    assert listing["service"] == "shop"
    assert [function["name"] for function in listing["functions"]] == ["stats.correlation", "logs.tail"]
    assert listing["functions"][0]["input"] == CORRELATION.contract.input
    assert listing["functions"][0]["timeout_s"] == 5.0


def test_one_function_is_its_own_document() -> None:
    documents = Documents(Shelf(CORRELATION))
    document = documents.function("stats.correlation")
    assert document is not None
    assert json.loads(document.body)["version"] == "1.2.0"
    assert documents.function("stats") is None


@pytest.mark.parametrize(
    ("header", "times_known"),
    [("", 0), ("*", 1), ("{}", 1), ("W/{}", 1), ('"x", {}', 1), ('"x"', 0), ("{}x", 0)],
)
def test_an_etag_is_known_by_weak_comparison(header: str, times_known: int) -> None:
    document = Document.of(b"body")
    assert document.known(header.format(document.etag)) == bool(times_known)


def test_threads_that_ask_at_once_get_the_same_document() -> None:
    documents = Documents(Shelf(CORRELATION, TAIL))
    barrier = threading.Barrier(4)
    got: list[Document] = []

    def ask() -> None:
        barrier.wait(10)
        got.append(documents.openapi())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(got) == 4
    assert len({id(document) for document in got}) == 1


def test_text_that_utf8_cannot_hold_is_replaced() -> None:
    assert json.loads(to_json({"text": "\ud800"})) == {"text": "?"}
