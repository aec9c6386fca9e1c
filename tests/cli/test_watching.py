import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from io import FileIO
from pathlib import Path

from dragoman.cli.watching import log_line
from dragoman.client.desk import TaskEvent
from tests.cli.commandline import BASE, COMMAND_S_MAX, dragoman, read_line, start
from tests.cli.test_task import project, shop, task


@contextlib.contextmanager
def host(folder: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    """A host that a test may kill."""
    with start("serve", "--json", "--log", "error", *(words or ("--port", "0")), cwd=project(folder)) as server:
        assert read_line(server)
        yield server
        server.terminate()
        server.communicate(timeout=COMMAND_S_MAX)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end


def runs(folder: Path) -> int:
    file = folder / "runs"
    return file.stat().st_size if file.exists() else 0


def test_lines_go_to_standard_error_and_the_result_alone_to_standard_output(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        id_ = task(tmp_path, "submit", "shop.told", '{"parts": 2, "seconds": 0.2}').strip()
        for where in ((), ("--url", ready["url"])):
            done = dragoman("task", "watch", id_, *where, cwd=tmp_path)
            assert (done.returncode, done.stdout) == (0, b'"done"\n')
            lines = done.stderr.decode().splitlines()
            assert [line for line in lines if line.startswith("line")] == ["line 0", "line 1"]
            assert lines[-1] == "SUCCEEDED"


def test_each_event_is_a_line_of_json(tmp_path: Path) -> None:
    with shop(tmp_path):
        for words, end in (
            (("shop.told", '{"parts": 1, "seconds": 0}'), ("result", 0)),
            (("shop.refuses",), ("fault", 73)),
            (("shop.odd",), ("fault", 79)),
        ):
            id_ = task(tmp_path, "submit", *words).strip()
            done = dragoman("task", "watch", id_, "--json", cwd=tmp_path)
            records = [json.loads(line) for line in done.stdout.splitlines()]
            assert (records[-1]["kind"], done.returncode) == end
            assert records[-2]["kind"] == "state"
            assert records[-2]["data"]["id"] == id_


def test_a_result_that_json_cannot_say_is_a_fault_for_people_too(tmp_path: Path) -> None:
    with shop(tmp_path):
        done = dragoman("task", "submit", "shop.odd", "--wait", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (79, b"")
        assert b"shop.odd: DATA_LOSS (it ran)\n  the reply cannot be shown as JSON: NaN" in done.stderr


def test_watching_survives_the_death_of_the_host(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(host(tmp_path))
        id_ = task(tmp_path, "submit", "shop.kept", json.dumps({"folder": str(tmp_path), "times": 1})).strip()
        until(lambda: runs(tmp_path) == 1)
        watching = stack.enter_context(start("task", "watch", id_, cwd=tmp_path))
        assert watching.stderr is not None
        assert watching.stderr.readline() == "RUNNING\n"
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert watching.stderr.readline().startswith("the host is away")
        stack.enter_context(host(tmp_path))
        printed, said = watching.communicate(timeout=60)
        assert (watching.returncode, printed) == (0, "2\n"), said
        assert said.endswith("SUCCEEDED\n")


def test_watching_by_url_does_so_too(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(start("serve", "--port", "0", "--json", "--log", "error", cwd=project(tmp_path)))
        url = json.loads(read_line(first))["url"]
        id_ = task(tmp_path, "submit", "shop.kept", json.dumps({"folder": str(tmp_path), "times": 1})).strip()
        until(lambda: runs(tmp_path) == 1)
        watching = stack.enter_context(start("task", "watch", id_, "--url", url, cwd=tmp_path))
        assert watching.stderr is not None
        assert watching.stderr.readline() == "RUNNING\n"
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        stack.enter_context(host(tmp_path, "--port", url.rpartition(":")[2]))
        printed, said = watching.communicate(timeout=60)
        assert (watching.returncode, printed) == (0, "2\n"), said


def test_ctrl_c_ends_the_watching_and_not_the_task(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        for number, where in enumerate(((), ("--url", ready["url"])), 1):
            id_ = task(tmp_path, "submit", "shop.kept", json.dumps({"folder": str(tmp_path), "times": 9})).strip()
            until(lambda number=number: runs(tmp_path) == number)
            with start("task", "watch", id_, *where, cwd=tmp_path) as watching:
                assert watching.stderr is not None
                assert watching.stderr.readline() == "RUNNING\n"
                watching.send_signal(signal.SIGINT)
                _, said = watching.communicate(timeout=30)
            assert (watching.returncode, "the task goes on" in said) == (130, True)
            assert f"dragoman task cancel {id_}" in said
            assert json.loads(task(tmp_path, "show", id_, "--json"))["state"] == "RUNNING"
            task(tmp_path, "cancel", id_)


def test_a_task_that_waits_for_a_host_is_watched_until_there_is_one(tmp_path: Path) -> None:
    project(tmp_path)
    id_ = task(tmp_path, "submit", "shop.add", '{"a": 5}').strip()
    with start("task", "watch", id_, cwd=tmp_path) as watching:
        assert watching.stderr is not None
        assert "from its store" in watching.stderr.readline()
        assert "when a host is started" in watching.stderr.readline()
        with host(tmp_path):
            printed, said = watching.communicate(timeout=60)
    assert (watching.returncode, printed) == (0, "5\n"), said
    done = dragoman("task", "watch", id_, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"5\n"), "of one that is over the store is enough"


def test_people_see_a_bar_with_the_lines_above_it(tmp_path: Path) -> None:
    with shop(tmp_path):
        id_ = task(tmp_path, "submit", "shop.told", '{"parts": 6, "seconds": 0.5}').strip()
        ours, theirs = pty.openpty()
        line = [sys.executable, "-m", "dragoman", "task", "watch", id_]
        with os.fdopen(ours, "rb", buffering=0) as shown:
            done = subprocess.Popen(
                line, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env={**BASE, "TERM": "xterm"}
            )
            os.close(theirs)
            text = bytearray()
            reader = threading.Thread(target=_read, args=(shown, text))
            reader.start()
            assert done.wait(30) == 0
            reader.join(10)
    drawn = text.decode()
    assert "━" in drawn
    assert "shop.told RUNNING" in drawn
    assert "line 5\r\n" in drawn
    assert '"done"' in drawn


def _read(shown: FileIO, text: bytearray) -> None:
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while part := shown.read(65536):
            text += part


def test_lines_have_their_level_where_it_is_not_the_usual_one() -> None:
    assert log_line(TaskEvent(1, "log", {"level": "info", "message": "so"})) == "so"
    assert log_line(TaskEvent(1, "log", {"level": "error", "message": "no"})) == "error: no"
