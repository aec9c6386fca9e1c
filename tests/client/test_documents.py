from __future__ import annotations

from typing import Any

import pytest

import dragoman
from dragoman.client.desk import TaskEvent
from dragoman.client.documents import document_of, documents_of, event_of, page_of, task_of
from tests.client.desks import ID, document


def test_what_a_host_says_is_taken_as_it_is() -> None:
    task = document(fault={"code": "INTERNAL"}, progress=1)
    assert task_of(task) is task
    assert page_of({"tasks": [task]}) == {"tasks": [task], "next": None}
    assert page_of({"tasks": [], "next": ID})["next"] == ID
    assert documents_of({"logs": [{"seq": 1}]}, "logs") == [{"seq": 1}]
    assert event_of(3, "log", {"seq": 3}) == TaskEvent(3, "log", {"seq": 3})
    assert event_of(3, "novelty", {"seq": "x"}).kind == "novelty"
    assert document_of(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b"null", b'"x"'])
def test_an_answer_that_is_no_document_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(dragoman.Unknown, match="may be no Dragoman host") as raised:
        document_of(body)
    assert raised.value.remote


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"id": ID},
        {"id": 1, "state": "DEAD"},
        {"id": ID, "state": "DEAD", "fault": "broken"},
        {"id": ID, "state": "DEAD", "seq": "1"},
        {"id": ID, "state": "DEAD", "progress": "half"},
        {"id": ID, "state": "DEAD", "progress": 10**400},
    ],
)
def test_what_is_no_task_is_said_to_be_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(dragoman.Unknown, match="it is no task"):
        task_of(wrong)
    with pytest.raises(dragoman.Unknown, match="what is in its list is no task"):
        page_of({"tasks": [document(), wrong]})


@pytest.mark.parametrize("wrong", [None, {}, "x", [1], [{}, None]])
def test_what_is_no_list_of_documents_is_said_to_be_none(wrong: Any) -> None:
    with pytest.raises(dragoman.Unknown, match="no list of tasks"):
        page_of({"tasks": wrong})
    with pytest.raises(dragoman.Unknown, match="no list of logs"):
        documents_of({"logs": wrong}, "logs")


@pytest.mark.parametrize(
    ("kind", "data"), [("state", {}), ("progress", {"progress": []}), ("log", {"seq": None}), ("log", [1])]
)
def test_what_is_no_event_is_said_to_be_none(kind: str, data: Any) -> None:
    with pytest.raises(dragoman.Unknown, match="an event is no"):
        event_of(1, kind, data)
