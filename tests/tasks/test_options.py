from pathlib import Path

from dragoman.tasks.options import TasksOptions


def test_there_may_be_tasks_where_the_file_is_or_on_any_server(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    options = TasksOptions(f"sqlite:{file}")
    assert not options.present
    file.touch()
    assert options.present
    assert TasksOptions("postgres://nowhere/d").present
    assert not TasksOptions().present


def test_secrets_are_not_told() -> None:
    assert "whsec" not in repr(TasksOptions(callback_secrets=("whsec_x",)))
