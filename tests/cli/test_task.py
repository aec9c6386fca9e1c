import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from dragoman.cli.task import PRIORITIES
from dragoman.core.call import Priority
from tests.cli.commandline import dragoman, serving
from tests.cli.test_completion import complete

CODE = """
import os, time
from dragoman import Context, Fault

def add(a: int, b: int = 0) -> int:
    return a + b

def size(data: bytes) -> int:
    return len(data)

def told(parts: int, seconds: float, ctx: Context) -> str:
    for part in range(parts):
        print(f"line {part}")
        ctx.progress((part + 1) / parts, f"part {part}")
        time.sleep(seconds)
    return "done"

def refuses() -> None:
    raise Fault.failed_precondition("no paper")

def odd() -> float:
    return float("nan")

def away() -> None:
    raise Fault.unavailable("not now")

def kept(folder: str, times: int) -> int:
    with open(folder + "/runs", "a") as file:
        file.write("x")
    ran = os.path.getsize(folder + "/runs")
    time.sleep(0 if ran > times else 60)
    return ran
"""
TOML = '[sources.shop]\npath = "shop.py"\n[defaults]\ntask.base = "1ms"\n[functions."shop.kept"]\ntimeout = "90s"\n'


def project(folder: Path) -> Path:
    """A project that has tasks."""
    (folder / "shop.py").write_text(CODE)
    (folder / "dragoman.toml").write_text(TOML)
    return folder


@contextlib.contextmanager
def shop(folder: Path) -> Generator[dict[str, Any]]:
    """That project, served."""
    with serving(cwd=project(folder)) as ready:
        yield ready


def task(folder: Path, *words: str, status: int = 0) -> str:
    """What a command prints on standard output; on standard error where it is to fail."""
    done = dragoman("task", *words, cwd=folder)
    assert done.returncode == status, (done.stdout, done.stderr.decode())
    return (done.stdout if not status else done.stderr).decode()


def test_the_words_for_priorities_are_those_of_calls() -> None:
    assert set(PRIORITIES) == {each.name.lower() for each in Priority}


def test_a_task_from_its_submission_to_its_end(tmp_path: Path) -> None:
    with shop(tmp_path):
        id_ = task(tmp_path, "submit", "shop.told", "--parts", "2", "--seconds", "0").strip()
        assert task(tmp_path, "watch", id_) == '"done"\n'
        shown = json.loads(task(tmp_path, "show", id_, "--json"))
        assert (shown["state"], len(shown["history"]), len(shown["logs"])) == ("SUCCEEDED", 1, 2)
        assert task(tmp_path, "list").split("\t")[:3] == [id_, "shop.told", "SUCCEEDED"]


def test_ids_and_functions_are_completed(tmp_path: Path) -> None:
    project(tmp_path)
    assert not any(complete("dragoman task show ", tmp_path)), "where no host runs there is nobody to ask"
    with shop(tmp_path):
        id_ = task(tmp_path, "submit", "shop.add", '{"a": 1}').strip()
        for command in ("show", "watch", "cancel", "retry"):
            assert complete(f"dragoman task {command} {id_[:4]}", tmp_path) == [id_]
        assert not any(complete("dragoman task show zz", tmp_path))
    assert complete("dragoman task submit shop.a", tmp_path) == ["shop.add", "shop.away"]
    assert complete("dragoman task list --function shop.to", tmp_path) == ["shop.told"]
    assert complete("dragoman task list --state su", tmp_path) == ["succeeded"]
    assert "deliveries" in complete("dragoman task de", tmp_path)
