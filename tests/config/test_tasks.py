from pathlib import Path

import pytest

from dragoman.config.document import Document
from dragoman.config.load import load
from dragoman.config.problem import ConfigError
from dragoman.config.tasks import located, read_tasks
from dragoman.core.fault import PASSING, Code
from dragoman.tasks.options import TaskOptions, TasksOptions

SHOP = Path("/shop")
STATS = '[sources.stats]\npath = "stats.py"\n'


def read(text: str) -> tuple[TasksOptions, list[str]]:
    document = Document.parse(SHOP / "dragoman.toml", text.encode())
    return read_tasks(document, SHOP), [f"{each.key}: {each.message}" for each in document.problems]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAGOMAN_TASKS_URL", raising=False)


def options(folder: Path, text: str, function: str = "stats.mean") -> TaskOptions:
    (folder / "stats.py").touch()
    (folder / "dragoman.toml").write_text(text)
    return load([folder]).settings("stats", function).task


def test_without_a_table_tasks_lie_in_the_project_s_own_file() -> None:
    assert read("") == (TasksOptions("sqlite:/shop/.dragoman/tasks.db"), [])


def test_its_options_arrive() -> None:
    text = "[tasks]\nstore = 'sqlite:a.db'\nlease = '2s'\nkeep = '1h'\nkeep_count = 5\nbacklog = 9\n"
    text += "callbacks_private = true"
    assert read(text) == (TasksOptions("sqlite:/shop/a.db", 2.0, 3600.0, 5, 9, callbacks_private=True), [])


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("sqlite:a/b.db", "sqlite:/shop/a/b.db"),
        ("sqlite:/var/a.db", "sqlite:/var/a.db"),
        ("sqlite:///var/a.db", "sqlite:/var/a.db"),
        ("postgres://h/d", "postgres://h/d"),
    ],
)
def test_a_file_is_found_from_the_project_s_folder(store: str, place: str) -> None:
    assert located(store, SHOP) == place


def test_a_password_comes_from_the_environment_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG", "s3cret")
    told, problems = read('[tasks]\nstore = "postgres://me:${PG}@h/d"')
    assert (told.store, problems) == ("postgres://me:s3cret@h/d", [])
    _, problems = read('[tasks]\nstore = "mysql://me:${PG}@h/d"')
    assert problems[0].startswith("tasks.store: expected an address such as sqlite:tasks.db")
    assert "s3cret" not in problems[0]


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_TASKS_URL", "postgresql://h/d")
    assert read('[tasks]\nstore = "sqlite:a.db"')[0].store == "postgresql://h/d"
    monkeypatch.setenv("DRAGOMAN_TASKS_URL", "nowhere")
    assert read("")[1][0].startswith("tasks: DRAGOMAN_TASKS_URL: expected an address")


def test_sources_without_a_project_have_a_store_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stats.py").touch()
    monkeypatch.chdir(tmp_path)
    assert load(["stats.py"]).tasks.store == f"sqlite:{tmp_path}/.dragoman/tasks.db"
    monkeypatch.setenv("DRAGOMAN_TASKS_URL", "nowhere")
    with pytest.raises(ConfigError, match="DRAGOMAN_TASKS_URL"):
        load(["stats.py"])


def test_a_function_s_tasks_are_settled_where_its_layers_are(tmp_path: Path) -> None:
    assert options(tmp_path, STATS) == TaskOptions()
    text = '[defaults]\ntask = { attempts = 7, on = ["UNKNOWN"] }\n' + STATS + 'task.timeout = "1h"\n'
    text += '[functions."stats.mean"]\ntask = { base = "10s", deadline = "2d", concurrency = 2 }'
    wanted = TaskOptions(True, 7, 10.0, 300.0, frozenset({Code.UNKNOWN}), 3600.0, 2 * 86400.0, 2)  # noqa: FBT003 - all of them
    assert options(tmp_path, text) == wanted
    assert options(tmp_path, text, "stats.other").on == frozenset({Code.UNKNOWN})
    assert options(tmp_path, STATS).on == PASSING


def test_a_number_stands_for_the_attempts_and_false_for_none_at_all(tmp_path: Path) -> None:
    assert options(tmp_path, STATS + "task = 5").attempts == 5
    off = STATS + "task = false\n"
    assert not options(tmp_path, off).enabled
    assert options(tmp_path, off + '[functions."stats.mean"]\ntask = true').enabled
    assert options(tmp_path, off + '[functions."stats.mean"]\ntask.attempts = 2').enabled


def test_a_bound_that_nobody_set_follows_the_other(tmp_path: Path) -> None:
    assert options(tmp_path, STATS + 'task.max = "10ms"').base_s == 0.01
    assert options(tmp_path, STATS + 'task.base = "1h"').max_s == 3600.0
    with pytest.raises(ConfigError, match=r"task\.max: is less than sources\.stats\.task\.base"):
        options(tmp_path, STATS + 'task = { base = "1m", max = "1s" }')


def test_no_source_is_called_tasks(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[sources.tasks]\npath = "tasks.py"')
    with pytest.raises(ConfigError, match=r"sources\.tasks: tasks is a name of the host's own"):
        load([tmp_path])
    (tmp_path / "tasks.py").touch()
    with pytest.raises(ConfigError, match="'tasks' cannot name a source"):
        load([tmp_path / "tasks.py"])


SECRET = "whsec_" + "a2V5" * 8


def test_callbacks_have_secrets_of_which_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    assert read('[tasks]\ncallback_secret = "${HOOK}"')[0].callback_secrets == (SECRET,)
    told, problems = read(f'[tasks]\ncallback_secret = ["${{HOOK}}", "{SECRET}"]')
    assert (told.callback_secrets, problems) == ((SECRET, SECRET), [])
    assert SECRET not in repr(told)
    monkeypatch.setenv("HOOK", "hunter2hunter2")
    for text in ('"${HOOK}"', '["${HOOK}"]', '"hunter2hunter2"', "[]", "5", '["whsec_hunter2"]', '"${NOWHERE}"'):
        told, problems = read(f"[tasks]\ncallback_secret = {text}")
        assert (told.callback_secrets, len(problems)) == ((), 1)
        assert "hunter2" not in problems[0]


def test_addresses_and_hosts_can_be_opened_to_callbacks() -> None:
    text = '[tasks]\ncallbacks_allow = ["10.1.0.0/16", "*.internal"]\ncallback_timeout = "5s"\ncallback_attempts = 3'
    told, problems = read(text)
    assert problems == []
    assert told.callbacks_allow == ("10.1.0.0/16", "*.internal")
    assert (told.callback_timeout_s, told.callback_attempts) == (5.0, 3)
    assert read('[tasks]\ncallbacks_allow = ["10.1.0.0/8"]')[1][0].startswith("tasks.callbacks_allow[0]: expected addr")
