from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.cli.options import Whose
from dragoman.cli.outcome import Stop
from dragoman.cli.task_place import FoundDesk, FoundTasks, known_tasks, tasks_of
from dragoman.client.desk import Search
from dragoman.client.order import Order
from dragoman.core.fault import Started
from tests.cli.test_task import project, shop, task
from tests.client.desks import ID, ScriptedDesk, document

BROKEN = dragoman.Unavailable("the connection broke", started=Started.UNKNOWN)


def whose(folder: Path, url: str | None = None) -> Whose:
    return Whose(url, None if url else str(folder), None)


def test_a_host_that_runs_is_found_by_its_project(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(Stop, match="it has no tasks"), tasks_of(whose(tmp_path)):
        pass
    with shop(tmp_path) as ready:
        id_ = task(tmp_path, "submit", "shop.add", '{"a": 1}').strip()
        for place in (whose(tmp_path), whose(tmp_path, ready["url"])):
            with tasks_of(place) as found:
                assert found.served
                assert found.tasks.task(id_).result(timeout=30) == 1
        assert known_tasks(str(tmp_path), None) == [(id_, "shop.add SUCCEEDED")]
        assert known_tasks(None, ready["url"]) == [], "over HTTP nobody is asked while a key is pressed"
    with tasks_of(whose(tmp_path)) as found:
        assert not found.served
        assert found.tasks.task(id_).over
    with tasks_of(whose(tmp_path), stored=False) as found, pytest.raises(dragoman.Unavailable, match="no host serves"):
        found.tasks.task(id_)


def test_the_next_host_is_found_when_the_first_has_gone(tmp_path: Path) -> None:
    tasks = FoundTasks([str(project(tmp_path))])
    with pytest.raises(dragoman.Unavailable):
        tasks.contract("shop.add")
    with shop(tmp_path):
        held = tasks.submit("shop.add", {"a": 1}, delay=3600)
        assert tasks.contract("shop.add").name == "add"
    with pytest.raises(dragoman.Unavailable):
        held.status()
    with shop(tmp_path):
        assert held.status()["state"] == "SCHEDULED"
        assert tasks.handle(held.document).cancel()["state"] == "CANCELLED"
    tasks.close()


def test_every_question_that_breaks_off_has_the_host_found_anew() -> None:
    lost: list[int] = []
    answers: dict[str, Any] = {
        "submit": [document()],
        "show": [document()],
        "wait": [document()],
        "result": [1],
        "find": [{"tasks": [], "next": None}],
        "cancel": [document()],
        "retry": [document()],
        "logs": [[]],
        "undelivered": [[]],
        "redeliver": [None],
        "events": [[]],
    }
    for broken in (False, True):
        inner = ScriptedDesk(**{name: [BROKEN] if broken else each for name, each in answers.items()})
        questions = asked_of(FoundDesk(lambda inner=inner: inner, lambda: lost.append(1)))
        for question in questions:
            if broken:
                with pytest.raises(dragoman.Unavailable):
                    question()
            else:
                question()
        assert len(lost) == (len(questions) if broken else 0)
        assert {each[0] for each in inner.asked} == set(answers)


def asked_of(desk: FoundDesk) -> list[Callable[[], object]]:
    return [
        lambda: desk.submit("s.f", {}, Order()),
        lambda: desk.show(ID),
        lambda: desk.wait(ID, 1),
        lambda: desk.result(ID, "s.f"),
        lambda: desk.find(Search()),
        lambda: desk.cancel(ID),
        lambda: desk.retry(ID),
        lambda: desk.logs(ID, 0),
        desk.undelivered,
        lambda: desk.redeliver("d"),
        lambda: list(desk.events(ID, 0)),
    ]
