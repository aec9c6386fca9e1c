from typing import Any, cast

import pytest

import dragoman
from dragoman.client.desk import Search
from dragoman.client.order import Order
from dragoman.client.submitting import AsyncSubmitting, Submitting, id_of, search_of
from dragoman.core.fault import Started
from tests.client.desks import ID, AsyncScriptedDesk, ScriptedDesk, document

BROKEN = dragoman.Unavailable("the connection broke", started=Started.UNKNOWN)
AWAY = dragoman.Unavailable("cannot connect", started=Started.NO)
OTHER = ID[:-1] + "c"


class Blocking(Submitting):
    def __init__(self, **answers: Any) -> None:
        self._desk = self.desk = ScriptedDesk(**answers)


class Awaited(AsyncSubmitting):
    def __init__(self, **answers: Any) -> None:
        self._desk = AsyncScriptedDesk(**answers)


async def test_a_function_is_submitted_with_what_was_said() -> None:
    face = Blocking(submit=[document()])
    task = face.submit("s.f", {"a": 1}, delay=2, key="k")
    assert (task.id, task.state) == (ID, "PENDING")
    assert face.desk.asked == [("submit", "s.f", {"a": 1}, Order(delay=2, key="k"))]
    assert (await Awaited(submit=[document()]).submit("s.f")).id == ID
    with pytest.raises(ValueError, match="delay"):
        face.submit("s.f", delay=-1)
    with pytest.raises(TypeError, match="dealy"):
        cast("Any", face).submit("s.f", dealy=1)


async def test_what_has_a_key_is_submitted_again_where_the_connection_broke() -> None:
    assert Blocking(submit=[BROKEN, AWAY, document()]).submit("s.f", key="k").id == ID
    assert (await Awaited(submit=[BROKEN, AWAY, document()]).submit("s.f", key="k")).id == ID
    for key, fault in ((None, BROKEN), ("k", AWAY), ("k", dragoman.InvalidArgument("no"))):
        face = Blocking(submit=[fault, document()])
        with pytest.raises(type(fault)):
            face.submit("s.f", key=key)
        assert len(face.desk.asked) == 1


async def test_a_task_is_found_again_by_its_id() -> None:
    face = Blocking(show=[document("RUNNING")])
    assert face.task(ID.upper()).state == "RUNNING"
    assert face.desk.asked == [("show", ID)]
    assert (await Awaited(show=[document("RUNNING")]).task(ID)).state == "RUNNING"
    for wrong in ("", "..", "x" * 36, ID + "\n", f"../{ID}"):
        with pytest.raises(dragoman.NotFound, match="there is no task"):
            id_of(wrong)


async def test_a_list_is_asked_for_page_by_page_and_not_before_it_is_needed() -> None:
    pages = [{"tasks": [document(), document()], "next": OTHER}, {"tasks": [document(id=OTHER)], "next": None}]
    face = Blocking(find=pages)
    found = face.tasks(state="running", function="s.f")
    assert not face.desk.asked
    assert next(found).id == ID
    assert len(face.desk.asked) == 1
    assert [each.id for each in found] == [ID, OTHER]
    assert face.desk.asked[1] == ("find", Search(("RUNNING",), "s.f", OTHER))
    assert [each.id async for each in Awaited(find=pages).tasks()] == [ID, ID, OTHER]


def test_states_are_one_or_several() -> None:
    assert search_of(["DEAD", "failed"], "").states == ("DEAD", "FAILED")
    assert search_of("", "s.f") == Search(function="s.f")


async def test_messages_that_nobody_took_are_tried_again() -> None:
    face, awaited = Blocking(undelivered=[[{"id": "d"}]], redeliver=[None]), Awaited(undelivered=[[]], redeliver=[None])
    assert (face.undelivered(), await awaited.undelivered()) == ([{"id": "d"}], [])
    face.redeliver("d")
    await awaited.redeliver("d")
    assert face.desk.asked[-1] == ("redeliver", "d")
