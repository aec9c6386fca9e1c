from dragoman.cli.task_view import dead_rows, delivery_rows, details, fault_line, rows, standing
from dragoman.client.task import Task
from dragoman.core.clock import SystemClock
from tests.client.desks import ID, ScriptedDesk, document

FAULT = {"code": "UNKNOWN", "detail": "ValueError: no\nand more"}


def handle(**fields: object) -> Task:
    return Task(ScriptedDesk(), {**document(), "attempts_max": 3, **fields}, SystemClock())


def test_how_a_task_stands_is_a_line() -> None:
    due = {"due_at": "2026-01-01T00:00:00.000Z"}
    assert standing(document("PENDING", **due)) == "PENDING"
    assert standing(document("SCHEDULED", **due)) == "SCHEDULED until 2026-01-01T00:00:00.000Z"
    assert standing(document("SCHEDULED")) == "SCHEDULED"
    assert standing(document("RUNNING", attempts=1, attempts_max=3)) == "RUNNING"
    running = document("RUNNING", attempts=2, attempts_max=3, cancelling=True)
    assert standing(running) == "RUNNING, attempt 2 of 3, being cancelled"
    retrying = document("RETRYING", fault=FAULT, **due)
    assert standing(retrying) == "RETRYING until 2026-01-01T00:00:00.000Z: UNKNOWN: ValueError: no"
    assert standing(document("DEAD", fault=FAULT)) == "DEAD"


def test_faults_are_a_line_however_long_they_are() -> None:
    assert fault_line(document()) == ""
    assert len(fault_line(document(fault={"code": "UNKNOWN", "detail": "x" * 10_000}))) <= 200


def test_rows_have_what_tells_tasks_apart() -> None:
    (row,) = rows([handle(state="RUNNING", progress=0.5, attempts=1, submitted_at="then")])
    assert row == (ID, "s.f", "RUNNING", "then", "50%", "1/3")
    (row,) = rows([handle(state="SUCCEEDED", progress=0.9, attempts=1, submitted_at="then")])
    assert row[4] == "", "how far it said it was says nothing any more"
    (row,) = dead_rows([handle(state="DEAD", attempts=3, finished_at="later", fault=FAULT)])
    assert row == (ID, "s.f", "later", "3", "UNKNOWN: ValueError: no")
    (row,) = delivery_rows([{"id": "d", "task": ID, "target": {"url": "https://x"}, "attempts": 8, "fault": None}])
    assert row == ("d", ID, "https://x", "8", "")


def test_details_say_all_and_nothing_twice() -> None:
    shown = {
        **document("RUNNING", attempts=2, attempts_max=3, progress=0.4, message="half", fault=FAULT),
        "submitted_at": "then",
        "caller": "local",
        "deadline": "tomorrow",
        "history": [
            {"number": 1, "started_at": "a", "ended_at": "b", "fault": FAULT},
            {"number": 2, "started_at": "c", "ended_at": None, "fault": None},
        ],
    }
    logs = [{"at": str(n), "level": "info", "message": f"line {n}"} for n in range(30)]
    lines = list(details(shown, logs))
    assert lines[0] == f"{ID}  s.f"
    assert "  state      RUNNING, attempt 2 of 3" in lines
    assert "  progress   40% half" in lines
    assert "  submitted  then by local" in lines
    assert "  deadline   tomorrow" in lines
    assert "attempts (2 of 3)" in lines
    assert "  1  a … b  UNKNOWN: ValueError: no" in lines
    assert "  2  c …" in lines
    assert "log (the last 20 of 30 lines)" in lines
    assert lines[-1] == "  29 info: line 29"
    assert not any("schedule" in line for line in lines)
