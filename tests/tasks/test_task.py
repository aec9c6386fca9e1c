"""A task's id is that of its submission."""

from dragoman.tasks.state import State
from dragoman.tasks.task import Submission, Task


def test_a_task_is_known_by_the_id_that_it_was_submitted_with() -> None:
    submission = Submission("0198c0de-0000-7000-8000-000000000001", "reports.build", "1", b"{}")

    assert Task(submission, State.PENDING).id == submission.id
