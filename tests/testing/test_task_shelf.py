"""What follows in memory when a task moves."""

import pytest

from dragoman.tasks.state import IllegalTransition, State, Step
from dragoman.tasks.task import Submission, Task
from dragoman.testing.task_shelf import Kept, Memory, copy


async def test_a_task_that_ends_wakes_who_waits_for_it_alone() -> None:
    target = Kept(Task(Submission("a", "f", "1", b""), State.PENDING))
    waiter = Kept(Task(Submission("b", "f", "1", b""), State.SCHEDULED, waits_for=1), waits={"a"})
    memory = Memory(tasks={"a": target, "b": waiter})

    memory.end(target, Step.CANCEL, 5)

    assert (waiter.task.state, waiter.task.waits_for) == (State.PENDING, 0)
    with pytest.raises(IllegalTransition):
        memory.end(target, Step.CANCEL, 6)


def test_an_outline_is_without_bodies() -> None:
    task = Task(Submission("a", "f", "1", b"in"), State.SUCCEEDED, result=b"out")

    outline = copy(task, whole=False)

    assert (outline.submission.body, outline.result) == (b"", b"")
    assert copy(task, whole=True) == task
