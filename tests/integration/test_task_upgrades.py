"""Tasks that the first release stored run after an upgrade, while hosts of an older and a newer version work."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.conftest import SUPPORT, Write, until
from tests.integration.web import Web, serving
from tests.postgres import Server

FIXTURES = Path(__file__).parents[1] / "tasks" / "stores"
NEWER = (sys.executable, str(SUPPORT / "newer.py"))
ID = "01a1fed9-3b8c-7000-8000-{:012d}"
RUN = (1, 3, 4, 6, 7, 8)
"""Of the tasks that are kept with the first tables, those that are not over: one of them on a host that is gone."""
CODE = """
import os, time
from pathlib import Path

RUNS = Path(__file__).parent / "runs.txt"

def report(pages: int) -> int:
    time.sleep(0.2)
    with RUNS.open("a") as file:
        file.write(f"{pages} {os.environ['NAME']}\\n")
    return 2 * pages
"""
TOML = """
[sources.old]
path = "old.py"
workers = 1
env = {{ NAME = "{name}" }}
[tasks]
lease = "1s"
store = "{store}"
"""


class Kept(NamedTuple):
    """A store of the first release with tasks in it: how hosts name it, and which tables it has."""

    name: str
    tables: Callable[[], set[str]]


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    first = (FIXTURES / request.param / "first_schema.sql").read_text()
    if request.param == "sqlite":
        path = tmp_path / "tasks.db"
        with closing(sqlite3.connect(path)) as file:
            file.executescript(first)

        def tables() -> set[str]:
            with closing(sqlite3.connect(path)) as file:
                return {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}

        yield Kept("sqlite:tasks.db", tables)
        return
    with closing(Server()) as server:
        server.sql(first)
        found = "SELECT tablename FROM pg_tables WHERE schemaname = 'dragoman'"
        yield Kept(server.url, lambda: set(server.sql(found).split()))


@pytest.fixture
def project(write: Write) -> Path:
    return write(old__py=CODE)


def submit(web: Web, pages: int) -> Any:
    body = json.dumps({"pages": pages}).encode()
    return web.ask("POST", "/v1/call/old.report", body, Prefer="respond-async").json


def ended(web: Web, task: str, pages: int) -> None:
    web.reaches(task, "SUCCEEDED")
    assert web.ask("GET", f"/v1/tasks/{task}/result").json == 2 * pages


def test_hosts_of_two_versions_run_what_the_first_release_stored(project: Path, kept: Kept) -> None:
    toml = {name: TOML.format(name=name, store=kept.name) for name in ("older", "newer")}
    with serving(cwd=project, toml=toml["older"]) as older, serving(cwd=project, toml=toml["newer"], by=NEWER) as newer:
        for number in RUN:
            ended((older, newer)[number % 2], ID.format(number), number)
        runs = project / "runs.txt"
        more = [(pages, submit((older, newer)[pages % 2], pages)["id"]) for pages in range(10, 30)]
        for pages, task in more:
            ended((newer, older)[pages % 2], task, pages)
        ran = dict(line.split() for line in runs.read_text().splitlines())
        assert sorted(map(int, ran)) == sorted([*RUN, *range(10, 30)])
        assert {ran[str(pages)] for pages in range(10, 30)} == {"older", "newer"}
        assert len(runs.read_text().splitlines()) == len(ran)
        # What the older one needs is there for as long as it is, and not longer, however it ended.
        assert "grown" not in kept.tables()
        older.signal(signal.SIGKILL)
        older.ended()
        until(lambda: "grown" in kept.tables())
        ended(newer, submit(newer, 99)["id"], 99)
        with serving(cwd=project, toml=toml["older"]) as late:
            refused = submit(late, 100)
            assert (refused["code"], "upgrade" in refused["detail"]) == ("UNAVAILABLE", True), refused
        ended(newer, submit(newer, 101)["id"], 101)
