import json
import os
from collections.abc import Callable

import pytest

from dragoman.core.call import Call
from dragoman.core.event import Log as LogLine
from dragoman.core.event import Progress
from dragoman.core.target import Target
from dragoman.host.journal import Journal, LogJournal, SilentJournal
from dragoman.telemetry.log import Log, LogOptions

Tell = Callable[[Journal], None]
Read = Callable[[Tell], list[dict[str, object]]]


@pytest.fixture
def read() -> Read:
    """What a journal writes, line by line."""

    def told(tell: Tell) -> list[dict[str, object]]:
        reader, writer = os.pipe()
        log = Log(LogOptions(format="json"), fd=writer)
        try:
            tell(LogJournal(log, "00c0ffee"))
        finally:
            log.close()
            os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    return told


def a_call() -> Call:
    return Call(Target("shop.price", "shop", "price", 0, 1.0), b"", id=0x1F)


def test_what_a_call_says_is_logged_with_its_function_and_id(read: Read) -> None:
    (line,) = read(lambda journal: journal.event("shop", 7, a_call(), LogLine("priced", fields={"order": 3})))
    expected = {"event": "priced", "source": "shop", "function": "shop.price", "worker_pid": 7, "fields": {"order": 3}}
    assert expected.items() <= line.items()
    assert line["call_id"] == "00c0ffee0000001f"


def test_what_a_worker_says_outside_any_call_names_the_worker_alone(read: Read) -> None:
    (line,) = read(lambda journal: journal.event("shop", 7, None, LogLine("imported", stream="stdout")))
    assert (line["source"], line["stream"], line["worker_pid"]) == ("shop", "stdout", 7)
    assert "call_id" not in line
    assert "function" not in line


def test_progress_is_for_the_caller_and_not_for_the_log(read: Read) -> None:
    assert read(lambda journal: journal.event("shop", 7, a_call(), Progress(0.5))) == []


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_what_happens_to_a_worker_is_logged_at_its_level(read: Read, level: str) -> None:
    (line,) = read(lambda journal: journal.note(level, "a worker is gone", "shop", 7))
    assert (line["level"], line["event"], line["source"]) == (level, "a worker is gone", "shop")
    assert line["worker_pid"] == 7


def test_what_happens_to_no_worker_in_particular_names_none(read: Read) -> None:
    (line,) = read(lambda journal: journal.note("warning", "no worker can start", "shop", 0))
    assert "worker_pid" not in line


def test_a_silent_journal_tells_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    journal = SilentJournal()
    journal.event("shop", 7, a_call(), LogLine("priced"))
    journal.note("error", "gone", "shop", 7)
    assert capfd.readouterr() == ("", "")
