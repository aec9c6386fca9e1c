from dragoman.core.call import Call, Codec, Priority, Ties
from dragoman.core.event import Log, Progress
from dragoman.core.target import Target
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.run import LINE_CHARS_MAX, Run, TaskTies, run_of
from dragoman.tasks.state import State, Step
from dragoman.tasks.task import NOTES_MAX, Claimed, Submission, Task
from dragoman.tasks.works import Job

TARGET = Target("f", "s", "f", 0, 1.0)


def run(told: list[Run] | None = None) -> Run:
    submission = Submission("id", "f", "", b"", caller="me", priority=Priority.BATCH)
    heard = [] if told is None else told
    return Run(Claimed(Task(submission, State.RUNNING), 7), Job("s", TaskOptions()), "r", heard.append)


def test_its_call_is_made_for_the_caller_and_as_important_as_the_task() -> None:
    call = run().aim(Call(TARGET, b"", Codec.JSON))
    assert (call.caller, call.priority, call.public_id) == ("me", Priority.BATCH, "id")


def test_a_call_made_by_it_is_known_to_be_for_the_task_however_deep_and_after_another_try() -> None:
    mine = run()
    top = mine.aim(Call(TARGET, b""))
    again = top.again(5)
    below = Call(TARGET, b"")
    below.ties = Ties(again)
    deepest = Call(TARGET, b"")
    deepest.ties = Ties(below)
    assert isinstance(top.ties, TaskTies)
    assert [run_of(each) for each in (top, again, below, deepest)] == [mine] * 4
    stranger = Call(TARGET, b"")
    assert run_of(stranger) is None
    assert run_of(None) is None


def test_what_it_says_is_told_once_and_its_latest_progress_alone() -> None:
    told: list[Run] = []
    mine = run(told)
    for event in (Progress(0.1), Log("a"), Progress(0.5, "half"), Log("b", "error", fields={"n": 1})):
        mine.heard(event)
    assert told == [mine]
    first = mine.told(9)
    assert (first.id, first.token, first.at, first.progress, first.message) == ("id", 7, 9, 0.5, "half")
    assert first.lines == (("info", "a"), ("error", "b n=1"))
    mine.heard(Log("c"))
    second = mine.told(10)
    assert (second.progress, second.lines) == (None, (("info", "c"),))
    assert told == [mine, mine]


def test_of_a_flood_the_latest_lines_are_kept_each_cut() -> None:
    mine = run()
    for number in range(NOTES_MAX + 5):
        mine.heard(Log(f"{number} " + "x" * LINE_CHARS_MAX, "shouting"))
    lines = mine.told(1).lines
    assert len(lines) == NOTES_MAX
    assert lines[0][1].startswith("5 ")
    assert {len(text) for _, text in lines} == {LINE_CHARS_MAX}
    assert {level for level, _ in lines} == {"info"}


def test_after_its_end_nothing_is_heard() -> None:
    mine = run()
    mine.step = Step.SUCCEED
    mine.heard(Log("late"))
    assert mine.told(1).lines == ()
