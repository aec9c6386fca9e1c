import contextlib
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config import settings
from dragoman.config.load import load, parse_project
from dragoman.config.problem import ConfigError
from dragoman.ingress.http.options import HttpOptions


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "stats.py").touch()
    (folder / "thumb.sh").write_text("#!/bin/sh\n")
    (folder / "thumb.sh").chmod(0o755)
    (folder / "dragoman.toml").write_text('[sources.stats]\npath = "stats.py"\n')
    monkeypatch.chdir(folder)
    return folder


def refusal(*paths: str | Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(paths)
    return str(error.value)


def in_file(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_project(folder / "dragoman.toml", text.encode())
    return [f"{each.line}: {each.key}: {each.message}" for each in error.value.problems]


def test_a_project_is_its_folder_or_its_file_or_where_one_stands(shop: Path) -> None:
    for paths in ([shop], [str(shop)], [shop / "dragoman.toml"], ["."], ["../shop"], []):
        project = load(paths)
        assert (project.name, project.folder, project.file) == ("shop", shop, shop / "dragoman.toml")
        assert list(project.sources) == ["stats"]
    assert load([]).http == HttpOptions()


def test_a_project_file_may_have_any_name(shop: Path) -> None:
    (shop / "test.toml").write_text('[project]\nname = "other"\n[sources.thumb]\ncommand = ["./thumb.sh"]\n')
    assert load([shop / "test.toml"]).name == "other"


def test_sources_need_no_project_file(shop: Path) -> None:
    project = load(["stats.py", shop / "thumb.sh"])
    assert {name: source.kind for name, source in project.sources.items()} == {"stats": "guest", "thumb": "command"}
    assert (project.name, project.folder, project.file) == ("shop", shop, None)
    assert project.sources["thumb"].command == (str(shop / "thumb.sh"), "{args}")
    assert load(["stats.py"]).name == "stats"


def test_nothing_to_serve_says_what_to_do(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal()
    assert "there is no dragoman.toml here" in message
    assert "dragoman new" in message
    assert "no source is recognised" in refusal(shop.parent)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["none.py"], "no such file"),
        (["none.toml"], "cannot be read: No such file"),
        ([".", "stats.py"], "a project is served by itself"),
        ([".", "dragoman.toml"], "a project is served by itself"),
        (["stats.py", "copy/stats.py"], "is called 'stats' like "),
        (["stats.py", "./stats.py"], "is named twice"),
        (["a b.sh"], "'a b' cannot name a source"),
        (["x.c"], "x.c is not executable"),
        (["a\0b"], "cannot be the name of a file"),
        ([""], "cannot be the name of a file"),
        (["x" * 5000], "cannot name a source"),
    ],
)
def test_paths_that_cannot_be_served_are_refused(shop: Path, paths: list[str], message: str) -> None:
    (shop / "copy").mkdir()
    for name in ("copy/stats.py", "a b.sh"):
        (shop / name).touch(mode=0o755)
    (shop / "x.c").touch(mode=0o644)
    assert message in refusal(*paths)


def test_every_path_that_is_wrong_is_named_at_once(shop: Path) -> None:
    (shop / "x.c").touch()
    assert len(refusal("none.py", "x.c", "stats.py").splitlines()) == 2


def test_settings_of_functions_arrive(shop: Path) -> None:
    text = """
    [sources.stats]
    path = "stats.py"
    [sources.thumb]
    path = "thumb.sh"
    [functions."stats.mean"]
    timeout = "2s"
    [functions.thumb]
    idempotent = true
    """
    project = parse_project(shop / "dragoman.toml", text.encode())
    assert {name: (each.timeout_s, each.idempotent) for name, each in project.functions.items()} == {
        "stats.mean": (2.0, None),
        "thumb": (None, True),
    }


def test_settings_of_the_server_arrive(shop: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (shop / name).touch()
    text = """
    [sources.stats]
    path = "stats.py"
    [http]
    host = "::1"
    port = 0
    body_max = "1MB"
    header_max = "8KB"
    connections_max = 5
    header_timeout = "1s"
    body_timeout = "2s"
    keep_alive = "3s"
    write_timeout = "4s"
    shutdown_grace = "5s"
    tls_cert = "cert.pem"
    tls_key = "key.pem"
    """
    assert parse_project(shop / "dragoman.toml", text.encode()).http == HttpOptions(
        "::1", 0, 1 << 20, 8192, 5, 1.0, 2.0, 3.0, 4.0, 5.0, str(shop / "cert.pem"), str(shop / "key.pem")
    )


STATS = '[sources.stats]\npath = "stats.py"\n[sources.thumb]\npath = "thumb.sh"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["0: : no sources: add one"]),
        ("[sorces.a]\n", ["1: sorces: unknown table; did you mean 'sources'?"]),
        ("sources = 3", ["1: sources: expected a table, found the integer 3"]),
        ("[sources]\nstats = 'stats.py'", ["2: sources.stats: expected a table such as [sources.stats]"]),
        ('[sources."my stats"]\npath = "stats.py"', ['1: sources."my stats": a source\'s name is a letter or _']),
        ('[sources."a.b"]\npath = "stats.py"', ['1: sources."a.b": a source\'s name']),
        ('[[sources.a]]\npath = "stats.py"', ["1: sources.a: expected a table such as"]),
        (STATS + '[project]\nname = "a/b"', ["6: project.name: expected a name of letters"]),
        (STATS + '[defaults]\npath = "stats.py"', ["6: defaults.path: belongs to one source and cannot be a default"]),
        (
            STATS + '[functions.stats.mean]\ntimeout = "1s"',
            ['5: functions.stats.mean: a function\'s full name is one quoted key: [functions."stats.mean"]'],
        ),
        (
            STATS + '[functions."stat.mean"]',
            ["5: functions.\"stat.mean\": no source is called 'stat'; did you mean 'stats'?"],
        ),
        (STATS + "[functions.stats]", ["5: functions.stats: name the function too"]),
        (STATS + '[functions."thumb.x"]', ['5: functions."thumb.x": an executable is one function']),
        (STATS + '[functions."stats.a b"]', ['5: functions."stats.a b": a function\'s name is a letter or _']),
        (STATS + '[functions."stats.mean"]\ncash = { ttl = "1s" }', ['6: functions."stats.mean".cash: unknown key']),
        (STATS + "[functions]\nthumb = 3", ["6: functions.thumb: expected a table, found the integer 3"]),
        (STATS + "[http]\nport = 65536", ["6: http.port: expected a whole number from 0 to 65535"]),
        (STATS + "[http]\ndebug = true", ["6: http.debug: unknown key"]),
        (
            STATS + '[http]\ntls_key = "none.pem"',
            ["6: http.tls_key: needs tls_cert beside it", "6: http.tls_key: no such file: "],
        ),
        (
            '[defaults]\ntimeout = 5\n[sources.a]\npath = "none.py"\nqueue = -1\n[http]\nprot = 1',
            [
                "2: defaults.timeout: expected a duration",
                "4: sources.a.path: no such file",
                "5: sources.a.queue: expected a whole number",
                "7: http.prot: unknown key; did you mean 'port'?",
            ],
        ),
    ],
)
def test_a_wrong_file_is_refused_with_all_that_is_wrong(shop: Path, text: str, expected: list[str]) -> None:
    found = in_file(shop, text)
    assert len(found) == len(expected)
    assert all(message.startswith(start) for message, start in zip(found, expected, strict=True)), found


def test_a_file_that_is_a_folder_is_refused(shop: Path) -> None:
    (shop / "odd.toml").mkdir()
    assert "cannot be read: it is a folder" in refusal("odd.toml")


KEYS = st.sampled_from(
    [
        *settings.TABLES,
        *{part for setting in settings.SOURCE for part in setting.key.split(".")},
        "stats",
        "stats.f",
        "a b",
        "\0",
    ]
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(["stats.py", "thumb.sh", "1s", "4KB", "warm", "exec", "inline", "{a}", "string", "in.json", "."]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in table.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in cast("list[object]", value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
    return str(value)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=4))
def test_any_values_end_in_a_project_or_a_config_error(document: dict[str, object]) -> None:
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in document.items())
    with contextlib.suppress(ConfigError):
        parse_project(Path("/nowhere/dragoman.toml"), text.encode("utf-8", "surrogatepass"))


@given(
    st.dictionaries(KEYS, VALUES, max_size=6),
    st.sampled_from(["sources.stats", "defaults", "http", 'functions."stats.f"']),
)
def test_any_settings_of_a_real_project_end_in_a_project_or_a_config_error(
    values: dict[str, object], table: str
) -> None:
    folder = Path(__file__).parents[2] / "examples" / "market"
    head = "" if table == "sources.stats" else '[sources.stats]\npath = "stats.py"\n'
    values = {"path": "stats.py"} | values if table == "sources.stats" else values
    text = f"{head}[{table}]\n" + "\n".join(f"{toml(key)} = {toml(value)}" for key, value in values.items())
    with contextlib.suppress(ConfigError):
        parse_project(folder / "dragoman.toml", text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_config_error(content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse_project(Path("/nowhere/dragoman.toml"), content)


@pytest.mark.parametrize(
    "content",
    [
        b'a = "\\ud800"',
        b"a." * 3000 + b"b = 1",
        b"[" + b"a." * 3000 + b"b]\nc = 1",
        b"[sources.a]\ninput = " + b"{a=" * 900 + b"1" + b"}" * 900,
        b'[sources.a]\ncommand = ["ls"]\ninput = ' + b"{a=" * 600 + b'"string"' + b"}" * 600,
        b"[functions.'" + b"x" * 100_000 + b"']",
        b"[sources.a]\n" + b"\n".join(b"k%d = 1" % number for number in range(5000)),
    ],
    ids=range(7),
)
def test_extremes_end_in_a_config_error(content: bytes) -> None:
    with pytest.raises(ConfigError) as error:
        parse_project(Path("/nowhere/dragoman.toml"), content)
    assert len(str(error.value)) < 30_000
