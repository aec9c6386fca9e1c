from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.guest.output import QUOTA_BYTES

if TYPE_CHECKING:
    from tests.guest.conftest import Start
    from tests.guest.driver import Guest

SOURCE = """
import logging
import os
import subprocess
import sys
import threading
import time

print("importing")
logging.basicConfig(format="%(message)s")

def say(text: str) -> int:
    print(text)
    return 1

def complain(text: str) -> None:
    print(text, file=sys.stderr)

def log(text: str) -> None:
    logging.getLogger("x").warning(text)

def pieces() -> None:
    print("one", "two", sep="-", end="")
    sys.stdout.write("-three\\nunfinished")
    sys.stdout.flush()

def flood(n: int) -> int:
    for _ in range(n):
        print("x" * 1000)
    return n

def huge(n: int) -> int:
    sys.stdout.write("y" * n)
    return n

def empty_lines(n: int) -> None:
    print("\\n" * n)

def raw() -> None:
    sys.stdout.buffer.write(b"caf\\xff\\n")

def odd() -> None:
    print("\\ud800")

def bar() -> None:
    for share in (10, 50, 100):
        sys.stderr.write(f"\\r{share} %")
        sys.stderr.flush()

def child() -> None:
    subprocess.run(["echo", "from a child"], check=True)
    os.write(1, b"from C\\n")

def closes() -> None:
    sys.stdout.close()
    print("still here")

def later() -> None:
    def run() -> None:
        time.sleep(0.05)
        print("after the call")
    threading.Thread(target=run).start()

def same(x: int) -> int:
    return x

def describe() -> list[str]:
    return [sys.stdout.encoding, str(sys.stdout.isatty()), str(sys.stdout.fileno()), str(sys.stdout.writable())]
"""


def printed(guest: Guest, name: str, **arguments: Any) -> list[dict[str, Any]]:
    call = guest.start(name, arguments)
    guest.result(call)
    return [event["log"] for event in guest.events[call]]


def test_a_line_is_an_event_of_the_call_that_printed_it(serve: Start) -> None:
    guest = serve(SOURCE)
    (line,) = printed(guest, "say", text="hello")
    assert line == {"message": "hello", "level": "info", "stream": "stdout", "fields": {}}


def test_what_an_import_prints_belongs_to_no_call(serve: Start) -> None:
    assert serve(SOURCE).events[0][0]["log"]["message"] == "importing"


def test_stderr_is_told_apart(serve: Start) -> None:
    (line,) = printed(serve(SOURCE), "complain", text="careful")
    assert (line["stream"], line["level"]) == ("stderr", "warning")


def test_a_logger_made_at_import_belongs_to_the_call(serve: Start) -> None:
    (line,) = printed(serve(SOURCE), "log", text="logged")
    assert line["message"] == "logged"


def test_pieces_make_lines_and_the_last_is_told_with_the_end(serve: Start) -> None:
    assert [line["message"] for line in printed(serve(SOURCE), "pieces")] == ["one-two-three", "unfinished"]


def test_a_flood_is_cut_and_counted(serve: Start) -> None:
    guest = serve(SOURCE)
    lines = printed(guest, "flood", n=20_000)
    assert sum(len(line["message"]) for line in lines) <= QUOTA_BYTES + 200
    dropped = lines[-1]["fields"]["dropped_bytes"]
    # The last line that is kept may have lost its end.
    assert abs(dropped + sum(len(line["message"]) + 1 for line in lines[:-1]) - 20_000 * 1001) <= 1
    assert len(printed(guest, "say", text="again")) == 1


def test_one_huge_line_is_cut_into_bounded_pieces(serve: Start) -> None:
    lines = printed(serve(SOURCE), "huge", n=50_000_000)
    assert max(len(line["message"]) for line in lines) <= 8192
    assert lines[-1]["fields"]["dropped_bytes"] == 50_000_000 - QUOTA_BYTES


def test_empty_lines_are_not_free(serve: Start) -> None:
    assert len(printed(serve(SOURCE), "empty_lines", n=1_000_000)) <= 1100


def test_bytes_that_are_no_text_are_replaced(serve: Start) -> None:
    assert printed(serve(SOURCE), "raw")[0]["message"] == "caf\ufffd"


def test_a_lone_surrogate_does_no_harm(serve: Start) -> None:
    assert printed(serve(SOURCE), "odd")[0]["message"] == "\\ud800"


def test_a_progress_bar_gives_lines(serve: Start) -> None:
    assert [line["message"] for line in printed(serve(SOURCE), "bar")] == ["10 %", "50 %", "100 %"]


def test_children_and_c_code_write_to_the_pipe(serve: Start) -> None:
    guest = serve(SOURCE)
    assert printed(guest, "child") == []
    assert guest.out.read_text() == "from a child\nfrom C\n"


def test_a_closed_stream_lives_on(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.answer(guest.start("closes"))
    assert [line["message"] for line in printed(guest, "say", text="hello")] == ["hello"]


def test_a_thread_that_prints_between_calls_is_heard_at_once(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.events[0].clear()
    guest.frames.clear()
    guest.call("later")
    assert guest.told(0)["log"]["message"] == "after the call"


def test_the_streams_look_like_ordinary_text_files(serve: Start) -> None:
    assert serve(SOURCE).call("describe") == ["utf-8", "False", "1", "True"]
