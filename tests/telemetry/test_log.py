"""The log says what happened, who said it and what was left out."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.core import event
from dragoman.core.fault import Code, Fault, Started, WorkerLost
from dragoman.telemetry.log import FAULT_BURST, OUTPUT_BURST, Log, LogOptions, Origin, console_renderer

Lines = list[dict[str, Any]]
ORIGIN = Origin("stats", "stats.mean", "c0ffee", 4711)


class StoppedClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return 1_767_225_600.0 + self.at


def logged(run: Callable[[Log], None], options: LogOptions | None = None) -> Lines:
    """What a log wrote into a pipe while `run` used it, on a clock that stands still."""
    reader, fd = os.pipe()
    lines: Lines = []

    def collect() -> None:
        with os.fdopen(reader, "rb") as stream:
            lines.extend(map(json.loads, stream))

    collector = threading.Thread(target=collect)
    collector.start()
    log = Log(options, fd=fd, clock=StoppedClock())
    try:
        run(log)
        log.close(10)
    finally:
        os.close(fd)
        collector.join(10)
    return lines


def test_a_line_says_when_how_bad_and_what() -> None:
    def run(log: Log) -> None:
        log.info("serving", url="http://127.0.0.1:8700", functions=3)

    assert logged(run) == [
        {
            "timestamp": "2026-01-01T00:00:00.000Z",
            "level": "info",
            "event": "serving",
            "url": "http://127.0.0.1:8700",
            "functions": 3,
        }
    ]


def test_lines_below_the_level_are_not_written() -> None:
    def run(log: Log) -> None:
        log.debug("d")
        log.info("i")
        log.warning("w")
        log.error("e")
        log.output(event.Log("chatter"), ORIGIN)

    assert [line["event"] for line in logged(run, LogOptions(level="warning"))] == ["w", "e"]


def test_a_field_cannot_overwrite_what_a_line_is() -> None:
    lines = logged(lambda log: log.info("true", level="error", timestamp="never", event="false"))
    assert (lines[0]["event"], lines[0]["level"]) == ("true", "info")


def test_output_of_a_worker_says_where_it_came_from() -> None:
    line = event.Log("half way", level="warning", stream="stderr", fields={"source": "forged", "share": 0.5})
    (got,) = logged(lambda log: log.output(line, ORIGIN))
    assert got["event"] == "half way"
    assert (got["level"], got["stream"]) == ("warning", "stderr")
    assert (got["source"], got["function"], got["call_id"], got["worker_pid"]) == (
        "stats",
        "stats.mean",
        "c0ffee",
        4711,
    )
    assert got["fields"] == {"source": "forged", "share": 0.5}


def test_output_outside_a_call_names_only_its_source() -> None:
    (got,) = logged(lambda log: log.output(event.Log("importing", level="shout"), Origin("stats")))
    assert set(got) == {"timestamp", "level", "event", "stream", "source"}
    assert got["level"] == "info"


def test_output_cannot_forge_lines_or_drive_a_terminal() -> None:
    (got,) = logged(lambda log: log.output(event.Log('x\n{"event":"forged"}\x1b[2J'), ORIGIN))
    assert got["event"] == 'x\\n{"event":"forged"}\\x1b[2J'


def test_a_flood_of_output_is_cut_and_its_rest_counted_by_source() -> None:
    def run(log: Log) -> None:
        for _ in range(OUTPUT_BURST + 500):
            log.output(event.Log("again"), ORIGIN)
        log.output(event.Log("quiet"), Origin("other"))

    lines = logged(run)
    assert sum(line["event"] == "again" for line in lines) == OUTPUT_BURST
    assert sum(line["event"] == "quiet" for line in lines) == 1
    (report,) = [line for line in lines if line["event"] == "worker output dropped"]
    assert (report["source"], report["dropped"]) == ("stats", 500)


def test_what_was_dropped_is_told_although_no_line_follows() -> None:
    reader, fd = os.pipe()
    log = Log(fd=fd)
    try:
        for _ in range(OUTPUT_BURST * 2):
            log.output(event.Log("again"), ORIGIN)
        with os.fdopen(reader, "rb") as stream:
            assert any(b"worker output dropped" in line for line in stream)
    finally:
        log.close(10)
        os.close(fd)


def test_an_exception_in_user_code_is_logged_once_with_its_traceback() -> None:
    fault = Fault.of(
        Code.UNKNOWN, "ValueError: no", started=Started.YES, function="stats.mean", traceback="Trace\n  at\n"
    )
    fault.call_id = "c0ffee"

    def run(log: Log) -> None:
        log.fault(fault)
        log.fault(fault)

    (got,) = logged(run)
    assert (got["level"], got["event"], got["code"]) == ("error", "call failed", "UNKNOWN")
    assert (got["traceback"], got["call_id"], got["function"]) == ("Trace\n  at", "c0ffee", "stats.mean")


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.DEADLINE_EXCEEDED, Code.CANCELLED])
def test_faults_that_are_the_callers_affair_are_not_logged(code: Code) -> None:
    assert logged(lambda log: log.fault(Fault.of(code, "no"))) == []


def test_a_lost_worker_is_a_warning() -> None:
    (got,) = logged(lambda log: log.fault(WorkerLost("signal 9")))
    assert got["level"] == "warning"


def test_a_function_that_always_fails_does_not_fill_the_log() -> None:
    def run(log: Log) -> None:
        for _ in range(FAULT_BURST + 9):
            log.fault(Fault.of(Code.UNKNOWN, "no", function="f"))

    lines = logged(run)
    assert sum(line["event"] == "call failed" for line in lines) == FAULT_BURST
    assert lines[-1]["event"] == "faults not logged"
    assert lines[-1]["dropped"] == 9


def test_threads_may_log_at_once() -> None:
    def run(log: Log) -> None:
        threads = [threading.Thread(target=lambda: [log.info("hit") for _ in range(300)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(logged(run)) == 1200


def test_a_terminal_gets_readable_lines() -> None:
    reader, fd = pty.openpty()
    log = Log(LogOptions(colors=False), fd=fd, clock=StoppedClock())
    log.warning("worker died", source="stats", status="signal 9")
    log.close(10)
    shown = os.read(reader, 4096).decode()
    os.close(reader)
    os.close(fd)
    assert "warning" in shown
    assert "worker died" in shown
    assert "source=stats" in shown
    assert "{" not in shown


def test_on_a_terminal_a_traceback_is_indented_and_cannot_pose_as_a_line() -> None:
    line = b'{"timestamp":"t","level":"error","event":"call failed","traceback":"a\\n2026 [error] forged"}\n'
    rows = console_renderer(colors=False)(line).decode().splitlines()
    assert rows[1:] == ["    | a", "    | 2026 [error] forged"]


def test_json_lines_do_not_import_structlog() -> None:
    program = (
        "import sys\n"
        "from dragoman.telemetry.log import Log\n"
        "log = Log(); log.info('serving'); log.close()\n"
        "sys.exit('structlog' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr)["event"] == "serving"
