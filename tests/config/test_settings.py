import dataclasses
from pathlib import Path

import pytest

from dragoman.config import settings
from dragoman.config.load import parse_project
from dragoman.config.project import Source
from dragoman.config.setting import Setting
from dragoman.core import units
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.sandbox.confinement import Limits
from dragoman.workers.options import PoolOptions

UNSET = {
    "enabled",
    "listen",
    "users",
    "group",
    "token_file",
    "tls_cert",
    "tls_key",
    "caller_header",
    "description",
    "input",
    "output",
    "path",
    "command",
}


def fields_of(owner: type) -> set[str]:
    return {field.name for field in dataclasses.fields(owner)}


def test_every_option_of_pool_and_server_can_be_set() -> None:
    filled = {setting.field for setting in settings.SOURCE}
    assert {f"pool.{name}" for name in fields_of(PoolOptions) - {"single_use"}} <= filled
    assert {f"limits.{name}" for name in fields_of(Limits) - {"core_bytes"}} <= filled
    assert {setting.field for setting in settings.HTTP} == fields_of(HttpOptions) - {"debug"}
    assert {setting.field for setting in settings.NATIVE} == fields_of(NativeOptions) - {"debug"}


def test_every_setting_fills_a_field_that_exists() -> None:
    known = (
        fields_of(Source)
        | {f"pool.{name}" for name in fields_of(PoolOptions)}
        | {f"limits.{name}" for name in fields_of(Limits)}
    )
    filled = {setting.field for setting in settings.SOURCE if not setting.field.startswith("layers.")}
    assert filled - {""} <= known


@pytest.mark.parametrize("setting", settings.SOURCE, ids=lambda setting: setting.key)
def test_the_documented_default_of_a_source_is_the_real_one(setting: Setting, tmp_path: Path) -> None:
    layer = setting.field.startswith("layers.")
    if layer or setting.key in UNSET or not setting.default[0].isdigit() or setting.key == "concurrency":
        return
    (tmp_path / "a.py").touch()
    source = parse_project(tmp_path / "dragoman.toml", b'[sources.a]\npath = "a.py"').sources["a"]
    owner, _, name = (setting.field or "timeout_s").rpartition(".")
    assert documented(setting) == getattr(getattr(source, owner) if owner else source, name)


@pytest.mark.parametrize("table", [settings.HTTP, settings.NATIVE], ids=["http", "native"])
def test_the_documented_default_of_a_server_is_the_real_one(table: tuple[Setting, ...]) -> None:
    options = HttpOptions() if table is settings.HTTP else NativeOptions()
    for setting in table:
        if setting.key not in UNSET:
            assert documented(setting) == getattr(options, setting.field)


def documented(setting: Setting) -> object:
    text = setting.default
    if text.startswith('"'):
        return text.strip('"')
    if text.isdigit():
        return int(text)
    return units.size(text) if text.endswith("B") else units.duration(text)
