import json
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import SHOP, dragoman, read_line, serving, start

GOOD = "def f(a: int) -> int:\n    return a\n"


def read(process: "subprocess.Popen[str]") -> dict[str, Any]:
    return json.loads(read_line(process))


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", *kind, *files, *subject], check=True, capture_output=True)
    return cert, key


def test_what_is_served_and_where_is_said_when_it_is_ready() -> None:
    with start("serve", SHOP, "--port", "0", "--log", "error") as server:
        lines = [read_line(server)]
        while not lines[-1].startswith("Serving"):
            lines.append(read_line(server))
            assert lines[-1], "it ended early"
        url = lines[-1].partition(" on ")[2].split()[0]
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as answer:
            assert answer.status == 200
        server.terminate()
        assert server.wait(20) == 0
    assert "  shop.add(a: integer, b: integer = 1) -> integer  [python, warm]\n" in lines
    assert f"{url}/docs" in lines[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_calls_in_flight_finish(number: signal.Signals) -> None:
    with start("serve", SHOP, "--port", "0", "--json", "--log", "error") as server:
        url = read(server)["url"]
        with start("call", "shop.forever", "--pause", "0.01", "--url", url, "--timeout", "1s") as caller:
            assert read_line(caller) == "0\n", "it runs"
            server.send_signal(number)
            out, err = caller.communicate(timeout=20)
        assert caller.returncode == 68, "it met its deadline, as if nothing had happened"
        assert "DEADLINE_EXCEEDED" in err
        assert len(out.splitlines()) > 1
        assert server.wait(20) == 0


def test_a_second_signal_ends_it_at_once() -> None:
    with start("serve", SHOP, "--port", "0", "--json", "--log", "error") as server:
        url = read(server)["url"]
        with start("call", "shop.forever", "--url", url) as caller:
            assert read_line(caller) == "0\n", "it runs"
            server.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(0.5)
            server.terminate()
            assert server.wait(5) == 128 + signal.SIGTERM
            caller.communicate(timeout=20)
            assert caller.returncode == 78


def test_a_port_that_is_taken_is_said_and_nothing_is_left_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = dragoman("serve", SHOP, "--port", str(port))
        from_environment = dragoman("serve", SHOP, env={"DRAGOMAN_PORT": str(port)})
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"port {port} of 127.0.0.1 is taken by another program".encode() in done.stderr
    assert b"(DRAGOMAN_PORT)" in from_environment.stderr


def test_a_source_that_cannot_start_is_named_and_the_others_are_served(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f(\n")
    (tmp_path / "good.py").write_text(GOOD)
    with serving(tmp_path / "bad.py", tmp_path / "good.py") as ready:
        assert ready["functions"] == ["good.f"]
        assert "SyntaxError" in ready["faults"]["bad"]
        done = dragoman("call", "bad.f", "{}", "--url", ready["url"])
    assert done.returncode == 78
    assert b"SyntaxError" in done.stderr


def test_a_change_on_disk_is_put_in_service_and_a_broken_one_is_not(tmp_path: Path) -> None:
    source = tmp_path / "watched.py"
    source.write_text(GOOD)
    with start("serve", source, "--port", "0", "--json", "--watch", "--log", "error") as server:
        ready = read(server)
        for number in range(100):
            # The watcher begins after the ready line: change the file until it has seen it.
            source.write_text(GOOD.replace("return a", f"return a + {number + 1}"))
            if _readable(server, 0.3):
                break
        assert read(server) == {"reloaded": "watched", "functions": ["watched.f"], "fault": None}
        while _readable(server, 1.0):
            read(server)
        source.write_text("def f(a: int) -> int\n")
        assert "SyntaxError" in read(server)["fault"]
        done = dragoman("call", "watched.f", "--a", "0", "--url", ready["url"])
        assert int(done.stdout) >= 1, "the version before goes on"
        server.terminate()
        assert server.wait(20) == 0


def _readable(process: "subprocess.Popen[str]", timeout_s: float) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], timeout_s)[0])


@pytest.mark.needs("openssl")
def test_https_is_two_options_and_checked_by_clients(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with serving(SHOP, "--tls-cert", cert, "--tls-key", key) as ready:
        assert ready["url"].startswith("https://")
        trusted = dragoman("call", "shop.double", "--number", "2", "--url", ready["url"], "--cacert", cert)
        assert (trusted.returncode, trusted.stdout) == (0, b"4\n")
        distrusted = dragoman("call", "shop.double", "--number", "2", "--url", ready["url"])
        assert distrusted.returncode == 78
        assert b"certificate" in distrusted.stderr.lower()
        timed = dragoman(
            *("bench", "shop.double", "--number", "2", "--url", ready["url"], "--cacert", cert),
            *("--duration", "100ms", "--connections", "2", "--json"),
        )
        assert json.loads(timed.stdout)["runs"][0]["failed"] == {}
    for files in ((cert, tmp_path / "nothing"), (key, cert)):
        done = dragoman("serve", SHOP, "--port", "0", "--tls-cert", files[0], "--tls-key", files[1])
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
    half = dragoman("serve", SHOP, "--tls-cert", cert)
    assert b"belong together" in half.stderr


def test_debug_sends_tracebacks_and_nothing_else_does(shop_url: str) -> None:
    line = ["call", "shop.broken", "--message", "x", "--url"]
    assert b"Traceback" not in dragoman(*line, shop_url).stderr
    with serving(SHOP, "--debug") as ready:
        assert b"  | Traceback" in dragoman(*line, ready["url"]).stderr


def test_a_server_whose_output_nobody_reads_goes_on() -> None:
    with start("serve", SHOP, "--port", "0", "--json") as server:
        url = read(server)["url"]
        assert server.stdout is not None
        server.stdout.close()
        assert dragoman("call", "shop.double", "--number", "2", "--url", url).stdout == b"4\n"
        server.terminate()
        assert server.wait(20) == 0


def test_serving_imports_nothing_for_terminals_and_clients() -> None:
    code = "import sys, dragoman.cli.serving, dragoman.host.web, dragoman.host.native; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "uvicorn" in imported
    assert not imported & {"rich", "rich_click", "httpx2", "structlog"}
