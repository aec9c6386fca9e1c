from pathlib import Path

from dragoman.config.project import FunctionSettings, Project, Source

FOLDER = Path("/shop")


def test_a_functions_own_settings_come_before_its_sources() -> None:
    source = Source("stats", "guest", FOLDER, FOLDER / "stats.py", timeout_s=5.0, idempotent=False)
    functions = {"stats.a": FunctionSettings(timeout_s=2.0), "stats.b": FunctionSettings(idempotent=True)}
    project = Project("shop", FOLDER, {"stats": source}, functions)
    assert project.settings("stats", "stats.a") == FunctionSettings(2.0, idempotent=False)
    assert project.settings("stats", "stats.b") == FunctionSettings(5.0, idempotent=True)
    assert project.settings("stats", "stats.c") == FunctionSettings(5.0, idempotent=False)


def test_a_time_limit_holds_where_nothing_sets_one_and_idempotence_is_left_to_the_function() -> None:
    project = Project("shop", FOLDER, {"stats": Source("stats", "guest", FOLDER)})
    assert project.settings("stats", "stats.a") == FunctionSettings(30.0, idempotent=None)
