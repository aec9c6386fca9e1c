from pathlib import Path

import pytest

from dragoman.cli.calling import CallOptions, run
from tests.cli.commandline import SHOP

OPTIONS = CallOptions(
    url=None, project=str(SHOP), cacert=None, timeout=None, stream=None, stream_input=False, raw=False, as_json=False
)


def test_a_function_may_call_another_source_that_starts_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "caller.py").write_text(
        "from dragoman import Context\n\ndef f(ctx: Context) -> int:\n    return ctx.call('shop.double', number=4)\n"
    )
    (tmp_path / "dragoman.toml").write_text(f'[sources.caller]\npath = "caller.py"\n[sources.shop]\npath = "{SHOP}"\n')
    options = CallOptions(
        url=None,
        project=str(tmp_path),
        cacert=None,
        timeout=10.0,
        stream=None,
        stream_input=False,
        raw=False,
        as_json=False,
    )
    assert run("caller.f", (), options) == 0
    assert capsys.readouterr().out == "8\n"


def test_nested_bytes_are_base64_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shop.packed", ('{"data": "/w=="}',), OPTIONS) == 0
    assert capsys.readouterr().out == '{"data":"/w=="}\n'
