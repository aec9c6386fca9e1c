import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commandline import SHOP, dragoman, start


def test_a_call_prints_the_reply_alone_and_what_the_function_says_beside_it(shop_url: str) -> None:
    done = dragoman("call", "shop.add", '{"a": 1}', "--b", "5", "--project", SHOP)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"6\n", b"adding\n")
    remote = dragoman("call", "shop.add", '{"a": 1}', "--b", "5", "--url", shop_url)
    assert (remote.returncode, remote.stdout, remote.stderr) == (0, b"6\n", b"")


def test_the_current_folder_and_the_environment_say_where(tmp_path: Path, shop_url: str) -> None:
    (tmp_path / "dragoman.toml").write_text(f'[sources.here]\npath = "{SHOP}"\n')
    assert dragoman("call", "here.double", "--number", "4", cwd=tmp_path).stdout == b"8\n"
    environment = {"DRAGOMAN_URL": shop_url}
    assert dragoman("call", "shop.double", "--number", "5", env=environment).stdout == b"10\n"
    there = dragoman(
        "call", "shop.double", "--number", "6", "--project", SHOP, env={"DRAGOMAN_URL": "http://127.0.0.1:1"}
    )
    assert there.stdout == b"12\n"


@pytest.mark.parametrize("place", ["host", "url"])
def test_a_stream_is_a_line_an_item_or_one_list(place: str, shop_url: str) -> None:
    where = ("--url", shop_url) if place == "url" else ("--project", str(SHOP))
    assert dragoman("call", "shop.count", "--up-to", "3", *where).stdout == b"0\n1\n2\n"
    assert dragoman("call", "shop.count", "--up-to", "3", "--no-stream", *where).stdout == b"[0,1,2]\n"


@pytest.mark.parametrize("place", ["host", "url"])
def test_raw_bytes_go_in_and_out_as_they_are(place: str, shop_url: str) -> None:
    where = ("--url", shop_url) if place == "url" else ("--project", str(SHOP))
    blob = bytes(range(256))
    done = dragoman("call", "shop.echo", "-", "--raw", *where, stdin=blob)
    assert (done.returncode, done.stdout) == (0, blob)
    refused = dragoman("call", "shop.add", "-", "--raw", *where, stdin=blob)
    assert refused.returncode == 67
    assert b"no raw bytes" in refused.stderr


def test_integers_of_any_size_and_text_of_any_kind_are_exact(shop_url: str) -> None:
    for where in (("--url", shop_url), ("--project", str(SHOP))):
        assert dragoman("call", "shop.double", "--number", str(2**70), *where).stdout == f"{2**71}\n".encode()
        done = dragoman("call", "shop.options", '{"names": ["é 漢 😀"]}', *where)
        assert json.loads(done.stdout)["names"] == ["é 漢 😀"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["shop.add", '{"a": "x", "c": 1}'], 67, b"/a: must be an integer"),
        (["shop.add", "--a", "x"], 67, b"/a: must be integer"),
        (["shop.ad"], 69, b"shop.ad"),
        (["nothing.at_all"], 69, b"nothing.at_all"),
        (["shop.broken", "--message", "oh no"], 66, b"ValueError: oh no"),
        (["shop.slow", "--seconds", "9", "--timeout", "200ms"], 68, b"DEADLINE_EXCEEDED"),
        (["shop.count", "--up-to", "3", "--fail-at", "1"], 73, b"1 is not for counting"),
        (["shop.add", "--aa", "1"], 2, b"has no parameter --aa"),
        (["shop.add", '{"a": 1}', "--stream"], 76, b"does not stream"),
    ],
)
@pytest.mark.parametrize("place", ["host", "url"])
def test_a_fault_is_told_and_is_the_exit_code(
    words: list[str], status: int, said: bytes, place: str, shop_url: str
) -> None:
    where = ["--url", shop_url] if place == "url" else ["--project", str(SHOP)]
    done = dragoman("call", *words, *where)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert b"dragoman/" not in done.stderr, "a traceback of our own"


def test_json_gives_programs_the_problem(shop_url: str) -> None:
    done = dragoman("call", "shop.add", '{"a": "x"}', "--json", "--url", shop_url)
    problem = json.loads(done.stdout)
    assert (done.returncode, problem["code"], problem["errors"][0]["path"]) == (67, "INVALID_ARGUMENT", "/a")
    assert done.stderr == b""


def test_a_fault_in_a_stream_is_its_last_line_for_programs() -> None:
    done = dragoman("call", "shop.count", '{"up_to": 3, "fail_at": 1}', "--json", "--project", SHOP)
    first, last = done.stdout.splitlines()
    assert first == b"0"
    assert json.loads(last)["problem"]["code"] == "FAILED_PRECONDITION"


def test_progress_and_log_are_lines_where_nobody_looks() -> None:
    done = dragoman("call", "shop.steps", "--project", SHOP)
    assert done.stdout == b'"done"\n'
    assert done.stderr == b"50% half way\nwarning: careful part=2\n"


def test_a_host_that_is_not_there_is_unavailable() -> None:
    done = dragoman("call", "shop.add", "--a", "1", "--url", "http://127.0.0.1:1")
    assert done.returncode == 78
    assert b"it never ran" in done.stderr
    assert b"cannot connect to http://127.0.0.1:1" in done.stderr


def test_names_that_are_options_here_go_behind_two_dashes(tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text("def f(url: str, json: bool) -> str:\n    return f'{url} {json}'\n")
    done = dragoman("call", "named.f", "--project", tmp_path / "named.py", "--", "--url", "x", "--json")
    assert (done.returncode, done.stdout) == (0, b'"x True"\n')


@pytest.mark.parametrize("place", ["host", "url"])
def test_standard_input_is_a_stream_of_lines(place: str, shop_url: str) -> None:
    where = ("--url", shop_url) if place == "url" else ("--project", str(SHOP))
    numbers = f"1\n\n  2\n{2**70}".encode()
    done = dragoman("call", "shop.total", "--start", "4", "--stream-input", *where, stdin=numbers)
    assert (done.returncode, done.stdout) == (0, f"{2**70 + 7}\n".encode()), done.stderr
    empty = dragoman("call", "shop.total", "--stream-input", *where)
    assert (empty.returncode, empty.stdout) == (0, b"0\n")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["shop.total", "--stream-input"], 2, b"line 2 of standard input is"),
        (["shop.total", '{"numbers": [1]}', "--stream-input"], 2, b"numbers is what --stream-input sends"),
        (["shop.total", "-", "--stream-input"], 2, b"INPUT cannot be - as well"),
        (["shop.total", "--raw", "x", "--stream-input"], 2, b"give one of the two"),
        (["shop.add", "--a", "1", "--stream-input"], 76, b"shop.add takes no input stream"),
    ],
)
@pytest.mark.parametrize("place", ["host", "url"])
def test_a_stream_that_cannot_be_sent_is_refused(
    words: list[str], status: int, said: bytes, place: str, shop_url: str
) -> None:
    where = ("--url", shop_url) if place == "url" else ("--project", str(SHOP))
    done = dragoman("call", *words, *where, stdin=b"1\nx{\n")
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr


@pytest.mark.parametrize("place", ["host", "url"])
def test_items_go_and_come_at_once(place: str, shop_url: str) -> None:
    where = ("--url", shop_url) if place == "url" else ("--project", str(SHOP))
    with start("call", "shop.echoes", "--stream-input", *where, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in ('"one"', '"two"'):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{word}\n"
        process.stdin.close()
        assert process.wait(20) == 0


def test_an_answer_before_the_end_of_the_input_ends_the_call() -> None:
    with start("call", "shop.first", "--stream-input", "--project", SHOP, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write('"one"\n')
        process.stdin.flush()
        assert process.wait(20) == 0


@pytest.mark.parametrize("files", [24, 64, 160])
def test_with_few_open_files_workers_start_or_it_is_said_what_to_do(tmp_path: Path, files: int) -> None:
    (tmp_path / "shop.py").write_text("def double(x: int) -> int: return 2 * x\n")
    (tmp_path / "dragoman.toml").write_text('[sources.shop]\npath = "shop.py"\n')
    command = f"ulimit -n {files}; exec {sys.executable} -m dragoman call shop.double --x 2"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    if files > 32:
        assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    else:
        assert done.returncode
        assert "ulimit -n 1024" in done.stderr
        assert "Traceback" not in done.stderr
