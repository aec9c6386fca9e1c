import json
import time
from pathlib import Path

import pytest

from dragoman.cli.tasking import run_all_again
from dragoman.client.desk import Search
from dragoman.client.task import Task
from dragoman.core.clock import SystemClock
from dragoman.core.fault import FailedPrecondition
from tests.cli.test_task import project, shop, task
from tests.client.desks import ID, ScriptedDesk, document


def wait_for(folder: Path, id_: str, *states: str) -> None:
    until = time.monotonic() + 30
    while (state := json.loads(task(folder, "show", id_, "--json"))["state"]) not in states:
        assert time.monotonic() < until, state


def test_tasks_are_listed_as_they_are_asked_for(tmp_path: Path) -> None:
    with shop(tmp_path):
        later = [task(tmp_path, "submit", "shop.add", '{"a": 1}', "--delay", "1h").strip() for _ in range(3)]
        failed = task(tmp_path, "submit", "shop.refuses").strip()
        wait_for(tmp_path, failed, "FAILED")
        ids = [line.split("\t")[0] for line in task(tmp_path, "list").splitlines()]
        assert ids == [failed, *reversed(later)]
        assert task(tmp_path, "list", "--state", "failed", "--state", "DEAD").split("\t")[0] == failed
        found = json.loads(task(tmp_path, "list", "--function", "shop.add", "--limit", "2", "--json"))
        assert [each["id"] for each in found["tasks"]] == later[:0:-1]
        assert "nonsense" in task(tmp_path, "list", "--state", "nonsense", status=2)


def test_a_task_is_shown_with_all_that_there_is_to_say(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        told = task(tmp_path, "submit", "shop.told", '{"parts": 2, "seconds": 0}', "--wait", "--json")
        assert told == '"done"\n'
        failed = task(tmp_path, "submit", "shop.refuses").strip()
        wait_for(tmp_path, failed, "FAILED")
        text = task(Path("/"), "show", failed, "--url", ready["url"])
        assert "state      FAILED" in text
        assert "fault      FAILED_PRECONDITION: no paper" in text
        assert "attempts (1 of 3)" in text
        assert "there is no task" in task(tmp_path, "show", failed[:-1], status=69)
        assert "there is no task" in task(tmp_path, "show", "019c3a5e-7c1d-7000-8000-0123456789ab", status=69)


def test_tasks_are_cancelled_and_run_again(tmp_path: Path) -> None:
    with shop(tmp_path):
        later = task(tmp_path, "submit", "shop.add", '{"a": 1}', "--delay", "1h").strip()
        runs = task(tmp_path, "submit", "shop.told", '{"parts": 1, "seconds": 20}').strip()
        wait_for(tmp_path, runs, "RUNNING")
        said = task(tmp_path, "cancel", later, runs).splitlines()
        assert said[0] == f"{later} is CANCELLED"
        assert said[1] in (f"{runs} is RUNNING, being cancelled", f"{runs} is CANCELLED")
        wait_for(tmp_path, runs, "CANCELLED")
        assert json.loads(task(tmp_path, "retry", later, "--json"))["state"] in ("PENDING", "RUNNING", "SUCCEEDED")
        assert task(tmp_path, "watch", later) == "1\n"
        assert "SUCCEEDED: it has a result" in task(tmp_path, "retry", later, status=73)
        others = [task(tmp_path, "submit", "shop.add", '{"a": 1}', "--delay", "1h").strip() for _ in range(2)]
        assert "there is no task" in task(tmp_path, "cancel", others[0], ID, others[1], status=69)
        assert [json.loads(task(tmp_path, "show", each, "--json"))["state"] for each in others] == ["CANCELLED"] * 2


def test_dead_tasks_are_listed_and_run_again(tmp_path: Path) -> None:
    with shop(tmp_path):
        ids = [task(tmp_path, "submit", "shop.away").strip() for _ in range(2)]
        for each in ids:
            wait_for(tmp_path, each, "DEAD")
        lines = [line.split("\t") for line in task(tmp_path, "dead").splitlines()]
        assert [(line[0], line[1], line[3], line[4]) for line in lines] == [
            (each, "shop.away", "3", "UNAVAILABLE: not now") for each in reversed(ids)
        ]
        assert task(tmp_path, "dead", "--function", "shop.add") == ""
        assert "name the tasks, or say --all" in task(tmp_path, "dead", "retry", status=2)
        assert "leave the ids out" in task(tmp_path, "dead", "retry", ids[0], "--all", status=2)
        assert "--function goes with --all" in task(tmp_path, "dead", "retry", ids[0], "--function", "x", status=2)
        assert len(task(tmp_path, "dead", "retry", "--all", "--function", "shop.away").splitlines()) == 2
        wait_for(tmp_path, ids[0], "DEAD")
        assert json.loads(task(tmp_path, "show", ids[0], "--json"))["attempts_max"] == 6
        failed = task(tmp_path, "submit", "shop.refuses").strip()
        wait_for(tmp_path, failed, "FAILED")
        assert "is FAILED, not DEAD" in task(tmp_path, "dead", "retry", failed, status=2)


def test_what_somebody_else_runs_again_meanwhile_is_left_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [FailedPrecondition("the task is RUNNING: it is not over"), document("PENDING")]
    desk = ScriptedDesk(find=[{"tasks": [document("DEAD"), document("DEAD")], "next": None}], retry=answers)
    run_all_again((Task(desk, each, SystemClock()) for each in desk.find(Search())["tasks"]), as_json=False)
    assert capsys.readouterr().out == f"{ID} is PENDING\n"
    assert [name for name, *_ in desk.asked] == ["find", "retry", "retry"]


def test_messages_that_nobody_took_are_listed(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        for where in ((), ("--url", ready["url"])):
            assert json.loads(task(tmp_path, "deliveries", "--json", *where)) == {"deliveries": []}
            task(tmp_path, "deliveries", "retry", "nothing", *where, status=69)


def test_of_a_stopped_host_the_store_is_looked_at_and_that_is_said(tmp_path: Path) -> None:
    project(tmp_path)
    assert "it has no tasks" in task(tmp_path, "list", status=2)
    with shop(tmp_path):
        dead = task(tmp_path, "submit", "shop.away").strip()
        wait_for(tmp_path, dead, "DEAD")
        later = task(tmp_path, "submit", "shop.add", '{"a": 1}', "--delay", "1h").strip()
    assert [line.split("\t")[0] for line in task(tmp_path, "list").splitlines()] == [later, dead]
    assert task(tmp_path, "dead").split("\t")[0] == dead
    assert "fault      UNAVAILABLE: not now" in task(tmp_path, "show", dead)
    assert task(tmp_path, "cancel", later) == f"{later} is CANCELLED\n"
    assert "from its store" in task(tmp_path, "show", later[:-2] + "ff", status=69)
    assert task(tmp_path, "retry", dead) == f"{dead} is PENDING\n"
    assert "is PENDING, not DEAD" in task(tmp_path, "dead", "retry", dead, status=2)
    assert "it is not over" in task(tmp_path, "retry", dead, status=73)
    assert "no dragoman.toml" in task(tmp_path.parent, "list", status=2)
