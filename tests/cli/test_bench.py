import json

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
