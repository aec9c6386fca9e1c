"""Tasks on hosts that are programs of their own, and may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import alive, until
from tests.integration.web import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
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

def double(x: int) -> int:
    log("doubled.txt", str(x))
    return 2 * x

def hold(name: str, s: float = 60.0) -> str:
    """Run until a file is there, or for so long."""
    log("held.txt", name)
    until = time.monotonic() + s
    try:
        while time.monotonic() < until and not (HERE / name).exists():
            time.sleep(0.01)
    finally:
        log("left.txt", name)
    return name

def stubborn() -> None:
    (HERE / "stubborn.txt").write_text(str(os.getpid()))
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def poison() -> None:
    log("poisoned.txt", "x")
    os.kill(os.getpid(), signal.SIGKILL)

def busy(tries: int) -> int:
    log("busy.txt", "x")
    if len((HERE / "busy.txt").read_text().split()) < tries:
        raise Fault.unavailable("not yet")
    return tries

def squares(xs: list[int], ctx: Context) -> int:
    return sum(ctx.gather(*[ctx.submit("shop.double", {"x": x}) for x in xs]))
'''
TOML = """
[sources.shop]
path = "shop.py"
workers = 2
task = { base = "10ms", max = "50ms" }
[functions."shop.hold"]
timeout = "2m"
[tasks]
lease = "2s"
"""
NODE = """
import { appendFileSync } from "node:fs";

export async function forever(input, ctx) {
  appendFileSync(input.path, "begun\\n");
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 60000);
    ctx.signal.addEventListener("abort", () => { clearTimeout(timer); reject(ctx.signal.reason); });
  }).finally(() => appendFileSync(input.path, "left\\n"));
}

export async function squares({ xs }, ctx) {
  const tasks = [];
  for (const x of xs) tasks.push(await ctx.call("tasks.submit", { function: "shop.double", input: { x } }));
  const doubled = await ctx.call("tasks.gather", { tasks: tasks.map((task) => task.id) });
  return doubled.reduce((sum, each) => sum + Number(each), 0);
}
"""
WAIT = "?wait=19s"


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


@contextlib.contextmanager
def served(folder: Path, toml: str = TOML) -> Generator[Shop]:
    with serving(cwd=folder, toml=toml) as web:
        yield Shop(web, folder)


class Shop:
    """A host, and tasks on it."""

    def __init__(self, web: Web, folder: Path) -> None:
        self.web = web
        self.folder = folder

    def submit(self, function: str, /, headers: dict[str, str] | None = None, **given: Any) -> str:
        more = {name.replace("-", "_"): text for name, text in (headers or {}).items()}
        body = json.dumps(given).encode()
        answer = self.web.ask("POST", f"/v1/call/{function}", body, Prefer="respond-async", **more)
        assert answer.status == 202, answer.body
        return answer.json["id"]

    def show(self, task: str, more: str = "") -> dict[str, Any]:
        return self.web.ask("GET", f"/v1/tasks/{task}{more}").json

    def over(self, task: str) -> dict[str, Any]:
        shown = self.show(task, WAIT)
        assert shown["finished_at"], shown
        return shown

    def result(self, task: str) -> Any:
        shown = self.over(task)
        answer = self.web.ask("GET", f"/v1/tasks/{task}/result")
        assert answer.status == 200, (shown, answer.body)
        return answer.json

    def cancel(self, task: str) -> dict[str, Any]:
        return self.web.ask("DELETE", f"/v1/tasks/{task}").json

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    def begun(self, task: str) -> None:
        self.web.reaches(task, "RUNNING")

    def kill(self) -> None:
        self.web.signal(signal.SIGKILL)
        self.web.ended()


def running(shop: Shop, name: str) -> Callable[[], bool]:
    return lambda: name in shop.lines("held.txt")


def test_what_was_accepted_survives_the_death_of_the_host_at_any_time(shop: Path) -> None:
    with served(shop) as first:
        holds = first.submit("shop.hold", name="a")
        until(running(first, "a"))
        others = [first.submit("shop.double", x=x) for x in range(30)]
        first.kill()
    (shop / "a").touch()
    begun = time.monotonic()
    with served(shop) as second:
        assert second.result(holds) == "a"
        # It ran on this machine: nobody waits for its lease to run out.
        assert [second.result(task) for task in others] == [2 * x for x in range(30)]
        shown = second.show(holds)
        assert time.monotonic() - begun < 15
    assert (shown["state"], shown["attempts"]) == ("SUCCEEDED", 2)
    assert shown["history"][0]["fault"]["detail"] == "the host that ran this attempt is gone"


def test_a_poison_task_is_dead_after_its_attempts_and_others_go_on(shop: Path) -> None:
    with served(shop) as host:
        poison = [host.submit("shop.poison") for _ in range(3)]
        good = [host.submit("shop.double", x=x) for x in range(20)]
        assert [host.result(task) for task in good] == [2 * x for x in range(20)]
        for task in poison:
            shown = host.over(task)
            assert (shown["state"], shown["attempts"], shown["fault"]["code"]) == ("DEAD", 3, "UNAVAILABLE")
            assert len(shown["history"]) == 3
        assert len(host.lines("poisoned.txt")) == 9
        assert host.web.call("nothing").status == 404


def test_a_task_that_waits_is_cancelled_and_never_begins(shop: Path) -> None:
    with served(shop) as host:
        held = [host.submit("shop.hold", name=name) for name in ("a", "b")]
        until(lambda: len(host.lines("held.txt")) == 2)
        waits = host.submit("shop.double", x=1)
        assert host.cancel(waits)["state"] == "CANCELLED"
        (shop / "a").touch()
        (shop / "b").touch()
        for task in held:
            host.over(task)
        assert host.result(host.submit("shop.double", x=2)) == 4
        assert host.lines("doubled.txt") == ["2"]
        gone = host.web.ask("GET", f"/v1/tasks/{waits}/result")
        assert gone.json["code"] == "CANCELLED"


def test_a_task_that_runs_is_cancelled_in_the_idiom_of_its_language(shop: Path) -> None:
    with served(shop) as host:
        task = host.submit("shop.hold", name="a")
        until(running(host, "a"))
        host.cancel(task)
        assert host.over(task)["state"] == "CANCELLED"
        until(lambda: host.lines("left.txt") == ["a"])
        assert host.result(host.submit("shop.double", x=2)) == 4


def test_one_that_does_not_heed_it_is_killed(shop: Path) -> None:
    with served(shop) as host:
        task = host.submit("shop.stubborn")
        until(lambda: bool(host.lines("stubborn.txt")))
        pid = int(host.lines("stubborn.txt")[0])
        host.cancel(task)
        assert host.over(task)["state"] == "CANCELLED"
        until(lambda: not alive(pid))
        assert host.result(host.submit("shop.double", x=2)) == 4


def test_what_may_pass_is_tried_again_until_it_has(shop: Path) -> None:
    with served(shop) as host:
        task = host.submit("shop.busy", tries=3)
        assert host.result(task) == 3
        shown = host.show(task)
        assert (shown["attempts"], [each["fault"] is None for each in shown["history"]]) == (3, [False, False, True])


def test_an_attempt_has_its_own_time_and_the_whole_its_own(shop: Path) -> None:
    toml = TOML + '[functions."shop.stubborn"]\ntask.timeout = "200ms"\n'
    with served(shop, toml) as host:
        attempt = host.over(host.submit("shop.stubborn"))
        assert (attempt["state"], attempt["fault"]["code"]) == ("TIMED_OUT", "DEADLINE_EXCEEDED")
        whole = host.over(host.submit("shop.hold", {"Dragoman-Task-Deadline": "300ms"}, name="a"))
        assert whole["state"] == "TIMED_OUT"
        later = host.submit("shop.double", {"Dragoman-Task-Delay": "300ms"}, x=4)
        assert host.show(later)["state"] == "SCHEDULED"
        assert host.result(later) == 8


def test_a_task_waits_for_others_without_a_worker(shop: Path) -> None:
    with served(shop, TOML.replace("workers = 2", "workers = 1")) as host:
        tasks = [host.submit("shop.squares", xs=[1, 2, 3]) for _ in range(3)]
        assert [host.result(task) for task in tasks] == [12, 12, 12]
        assert len(host.lines("doubled.txt")) == 9


def test_a_host_that_stops_lets_tasks_end_and_gives_the_rest_to_the_next(shop: Path) -> None:
    toml = TOML + '[http]\nshutdown_grace = "1s"\n'
    with served(shop, toml) as host:
        ends, stays = host.submit("shop.hold", name="a", s=0.7), host.submit("shop.hold", name="b")
        until(lambda: len(host.lines("held.txt")) == 2)
        host.web.signal(signal.SIGTERM)
        assert host.web.ended() == 0
    (shop / "b").touch()
    with served(shop) as host:
        assert host.show(ends)["state"] == "SUCCEEDED"
        assert host.result(stays) == "b"
        assert host.show(stays)["attempts"] == 1


def test_two_hosts_share_one_file(shop: Path) -> None:
    with served(shop) as one, served(shop) as two:
        tasks = [(one, two)[x % 2].submit("shop.double", x=x) for x in range(60)]
        assert [(two, one)[x % 2].result(task) for x, task in enumerate(tasks)] == [2 * x for x in range(60)]
        assert sorted(map(int, one.lines("doubled.txt"))) == list(range(60))
        held = one.submit("shop.hold", name="a")
        until(running(one, "a"))
        two.cancel(held)
        assert two.over(held)["state"] == "CANCELLED"


def test_a_host_that_slept_past_its_lease_overwrites_nothing(shop: Path) -> None:
    with served(shop) as sleeper:
        task = sleeper.submit("shop.hold", name="a", s=30)
        until(running(sleeper, "a"))
        os.kill(sleeper.web.process.pid, signal.SIGSTOP)
        try:
            with served(shop) as other:
                until(lambda: len(other.lines("held.txt")) == 2, 20)
                (shop / "a").touch()
                assert other.result(task) == "a"
                before = other.over(task)
                os.kill(sleeper.web.process.pid, signal.SIGCONT)
                until(lambda: sleeper.show(task)["finished_at"] is not None)
                # It is one host among others again.
                assert sleeper.result(sleeper.submit("shop.double", x=1)) == 2
                time.sleep(1)
                assert other.show(task) == before
        finally:
            os.kill(sleeper.web.process.pid, signal.SIGCONT)
    assert (before["state"], before["attempts"]) == ("SUCCEEDED", 2)
    with contextlib.closing(sqlite3.connect(shop / ".dragoman/tasks.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_submitting_what_cannot_run_fails_at_once_and_stores_nothing(shop: Path) -> None:
    with served(shop) as host:
        unknown = host.web.ask("POST", "/v1/call/shop.nothing", b"{}", Prefer="respond-async")
        wrong = host.web.ask("POST", "/v1/call/shop.double", b'{"x": "one"}', Prefer="respond-async")
        assert (unknown.status, wrong.status) == (404, 400)
        assert wrong.json["errors"][0]["path"] == "/x"
        assert host.web.ask("GET", "/v1/tasks").json["tasks"] == []
    assert not (shop / ".dragoman/tasks.db").exists()


@pytest.mark.needs("node")
def test_node_functions_are_cancelled_and_wait_for_others(shop: Path) -> None:
    (shop / "other.mjs").write_text(NODE)
    with served(shop, TOML + '[sources.other]\npath = "other.mjs"\nworkers = 1\n') as host:
        until(lambda: host.web.ask("GET", "/v1/functions/other.forever").status == 200, 60)
        path = str(shop / "node.txt")
        task = host.submit("other.forever", path=path)
        until(lambda: host.lines("node.txt") == ["begun"])
        host.cancel(task)
        assert host.over(task)["state"] == "CANCELLED"
        until(lambda: host.lines("node.txt") == ["begun", "left"])
        gathers = host.submit("other.squares", xs=[1, 2, 3])
        assert host.result(gathers) == 12
        assert host.show(gathers)["attempts"] == 1
