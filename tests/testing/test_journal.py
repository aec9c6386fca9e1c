from dragoman.core.call import Call
from dragoman.core.event import Log, Progress
from dragoman.core.target import Target
from dragoman.testing import RecordingJournal


def test_lines_are_told_apart_by_function() -> None:
    journal = RecordingJournal()
    call = Call(Target("s.f", "s", "f", 0, 1.0), b"", id=3)
    journal.event("s", 7, None, Log("outside"))
    journal.event("s", 7, call, Log("inside"))
    journal.event("s", 7, call, Progress(0.5))
    assert journal.lines() == ["outside", "inside"]
    assert journal.lines("s.f") == ["inside"]
    assert journal.lines("") == ["outside"]
    assert journal.said[1].call == 3


def test_notes_are_told_apart_by_level() -> None:
    journal = RecordingJournal()
    journal.note("info", "one", "s", 1)
    journal.note("error", "two", "s", 0)
    assert journal.messages() == ["one", "two"]
    assert journal.messages("error") == ["two"]
