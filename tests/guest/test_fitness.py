"""What a process may leave running or open, and still be forked."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import os, sys
from dragoman.guest.fitness import descriptors, thread_count, why_unfit

before = descriptors()
{source}
reason = why_unfit(before, "work.py")
print(thread_count(), reason)
sys.stdout.flush()
os._exit(0)
"""


def reason(source: str) -> str:
    """What is said of a process that has run this."""
    program = PROGRAM.format(source=textwrap.dedent(source))
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


def test_a_plain_process_is_fit() -> None:
    assert reason("import json; file = open('/dev/null'); pipe = os.pipe()") == "1"


def test_a_thread_that_has_been_joined_is_none() -> None:
    assert reason("import threading; t = threading.Thread(target=int); t.start(); t.join()") == "1"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            """
            import threading, time
            threading.Thread(target=time.sleep, args=(60,), name="poller", daemon=True).start()
            """,
            "work.py cannot be forked, for its import leaves threads running: 'poller' (runs time.sleep)",
        ),
        (
            """
            import _thread, time
            def tick(): time.sleep(60)
            _thread.start_new_thread(tick, ())
            time.sleep(0.1)
            """,
            "threads running: one without a name (runs __main__.tick);",
        ),
        (
            """
            import concurrent.futures, time
            pool = concurrent.futures.ThreadPoolExecutor(20)
            for _ in range(20): pool.submit(time.sleep, 60)
            """,
            " and 12 more",
        ),
        (
            """
            import ctypes, time
            libc = ctypes.CDLL(None)
            libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)
            """,
            "(of a library in C)",
        ),
        ("import asyncio; loop = asyncio.new_event_loop()", "an epoll instance (an event loop?)"),
        (
            """
            import socket
            server = socket.create_server(("127.0.0.1", 0))
            client = socket.create_connection(server.getsockname())
            """,
            "a connection to 127.0.0.1:",
        ),
    ],
    ids=["thread", "nameless", "many", "native", "loop", "connection"],
)
def test_what_speaks_against_a_fork_is_named(source: str, said: str) -> None:
    assert said in reason(source)


def test_what_was_open_before_is_nobodys_fault() -> None:
    assert reason("import socket; s = socket.socket(); before = descriptors()") == "1"
