import json
import tomllib
from pathlib import Path

import pytest

from dragoman.config import settings
from dragoman.config.schema import project_schema, render
from dragoman.contract.check import Checker

ROOT = Path(__file__).parents[2]
SOURCE = '[sources.a]\npath = "a.py"\n'


def breaches(text: str) -> list[str]:
    return [breach.path for breach in Checker(project_schema()).breaches(tomllib.loads(text))]


def test_the_committed_copy_is_current() -> None:
    committed = (ROOT / "docs/reference/dragoman.schema.json").read_text(encoding="utf-8")
    assert committed == render(), "run: python -m dragoman.config.schema > docs/reference/dragoman.schema.json"
    assert json.loads(committed) == project_schema()


def test_it_takes_the_example_project() -> None:
    assert breaches((ROOT / "examples/market/dragoman.toml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("address", ["redis://h:1", "redis://:${PASSWORD}@h", "${ADDRESS}"])
def test_it_takes_addresses_that_come_from_the_environment(address: str) -> None:
    assert breaches(f'{SOURCE}[shared]\nurl = "{address}"\n[queues.a]\nurl = "{address}"\nto = "a"') == []


@pytest.mark.parametrize("store", ["sqlite:tasks.db", "postgres://u:${PASSWORD}@h/d", "${STORE}"])
def test_it_takes_stores_that_come_from_the_environment(store: str) -> None:
    assert breaches(f'{SOURCE}[tasks]\nstore = "{store}"') == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[sources.a]\npath = "a.py"\ntimout = "1s"', "/sources/a/timout"),
        ('[sources.a]\npath = "a.py"\nworkers = 0', "/sources/a/workers"),
        ('[sources.a]\npath = "a.py"\nlimits.memory = "4"', "/sources/a/limits/memory"),
        ('[sources."a b"]\npath = "a.py"', "/sources"),
        ('[sources.a]\npath = "a.py"\ncommand = ["a"]', "/sources/a"),
        ('[shared]\nurl = "http://h"', "/shared/url"),
        ('[tasks]\nstore = "redis://h"', "/tasks/store"),
        ('[queues.a]\nurl = "http://h"', "/queues/a/url"),
        ('[queues."a b"]\nurl = "redis://h"', "/queues"),
        ('[sources.a]\npath = "a.py"\n[defaults]\npath = "a.py"', "/defaults/path"),
    ],
)
def test_it_marks_what_the_reader_would_refuse(text: str, path: str) -> None:
    assert any(breach.startswith(path) for breach in breaches(text))


def test_every_setting_is_in_it_with_its_meaning() -> None:
    tables = project_schema()["properties"]
    for setting in settings.SOURCE:
        entry = tables["sources"]["additionalProperties"]
        for key in setting.key.split("."):
            entry = next(part for part in (entry, *entry.get("anyOf", ())) if "properties" in part)["properties"][key]
        assert setting.about in entry["description"]
