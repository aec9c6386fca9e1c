import json
from pathlib import Path

import pytest

from tests.cli.commandline import SHOP, dragoman

SHORT = ("--duration", "200ms", "--connections", "4")


def test_a_hosted_function_is_measured_in_each_mode_asked_for() -> None:
    done = dragoman("bench", "shop.double", "--number", "2", "--project", SHOP, *SHORT, "--mode", "warm", "--json")
    (run,) = json.loads(done.stdout)["runs"]
    assert (run["function"], run["mode"], run["failed"]) == ("shop.double", "warm", {})
    assert run["calls"] > 10
    assert 0 < run["p50_ms"] <= run["p90_ms"] <= run["p99_ms"] <= run["longest_ms"]
    assert run["calls_per_s"] > 50


def test_a_running_host_is_measured_over_http(shop_url: str) -> None:
    for words in (("shop.double", "--number", "2"), ("shop.count", '{"up_to": 3}')):
        done = dragoman("bench", *words, "--url", shop_url, *SHORT)
        name, mode, calls, failed, *_ = done.stdout.decode().split("\t")
        assert (name, mode, failed) == (words[0], "http", "0")
        assert int(calls) > 10
        assert done.stderr == f"measuring {words[0]} for 0.2s, 4 calls at a time\n".encode()


def test_a_function_that_fails_is_not_measured(shop_url: str) -> None:
    for where in (("--url", shop_url), ("--project", str(SHOP))):
        done = dragoman("bench", "shop.broken", "--message", "no", *where, *SHORT)
        assert (done.returncode, done.stdout) == (66, b"")
        assert b"ValueError: no" in done.stderr


def test_a_mode_that_the_source_cannot_run_in_is_refused() -> None:
    done = dragoman("bench", "shop.double", "--number", "2", "--project", SHOP, "--mode", "exec")
    assert done.returncode == 2
    assert b"shop cannot run in mode exec" in done.stderr
    assert dragoman("bench", "shpo.double", "--project", SHOP).returncode == 69


def test_every_mode_that_fits_is_measured_and_one_is_recommended(tmp_path: Path) -> None:
    (tmp_path / "calm.py").write_text("async def double(n: int) -> int:\n    return 2 * n\n")
    words = ("bench", "calm.double", "--n", "2", "--project", tmp_path / "calm.py", *SHORT, "--modes")
    told = json.loads(dragoman(*words, "--json").stdout)
    runs = {run["mode"]: run for run in told["runs"]}
    assert list(runs) == ["warm", "fork", "inline"]
    for mode in ("warm", "fork"):
        assert runs[mode]["memory_bytes"] > 1_000_000
        assert runs[mode]["first_start_ms"] > 1
    assert runs["fork"]["next_start_ms"] < runs["fork"]["first_start_ms"]
    assert (runs["inline"]["memory_bytes"], runs["inline"]["first_start_ms"]) == (None, None)
    assert told["unfit"] == [{"mode": "exec", "why": "it is for executables"}]
    assert told["advice"].startswith("pick ")


def test_modes_that_do_not_fit_are_told_with_their_reasons() -> None:
    done = dragoman("bench", "shop.double", "--number", "2", "--project", SHOP, *SHORT, "--modes")
    assert [line.split("\t")[0] for line in done.stdout.decode().splitlines()] == ["warm", "fork"]
    said = done.stderr.decode()
    assert "not exec: it is for executables" in said
    assert "not inline: shop: add would block the host" in said
    assert "\npick " in said


@pytest.mark.parametrize(
    ("words", "why"), [(("--mode", "warm"), "one of the two"), (("--url", "http://x"), "--modes is for")]
)
def test_modes_cannot_be_asked_for_beside_others(words: tuple[str, ...], why: str) -> None:
    where = () if "--url" in words else ("--project", SHOP)
    done = dragoman("bench", "shop.double", *where, "--modes", *words)
    assert done.returncode == 2
    assert why in done.stderr.decode()


def test_a_function_that_fails_in_every_mode_is_not_measured() -> None:
    done = dragoman("bench", "shop.broken", "--message", "no", "--project", SHOP, *SHORT, "--modes")
    assert (done.returncode, done.stdout) == (66, b"")
