"""A socket is taken with the right mode, a stale one replaced, a live one and a file left alone; all is removed."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from dragoman.ingress.native.guard import Guard
from dragoman.ingress.native.listening import listen


def take(path: Path, guard: Guard | None = None) -> socket.socket:
    made = listen(f"unix://{path}", guard or Guard())
    return made.sock


def test_the_file_of_a_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with take(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_of_a_group_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with take(path, Guard(group=str(os.getgid()))):
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, os.getgid())


def test_a_socket_that_nobody_listens_to_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    take(path).close()
    assert path.exists(), "it was left behind"
    with take(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with take(path) as first:
        with pytest.raises(OSError, match="another program listens there"):
            take(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            first.accept()[0].close()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.sock"
    if kind == "file":
        path.write_text("precious")
    else:
        path.mkdir()
    with pytest.raises(OSError, match="which is no socket"):
        take(path)
    assert path.exists()


def test_only_the_file_that_was_made_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    first = listen(f"unix://{path}", Guard())
    path.unlink()
    with take(path):
        first.remove()
        assert path.exists(), "it is another host's"
    first.sock.close()
    second = listen(f"unix://{path}", Guard())
    with second.sock:
        second.remove()
        assert not path.exists()
        second.remove()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("unix:///nowhere/at/all/x.sock", "No such file or directory"),
        ("unix:///tmp/" + "x" * 200, "its path has 205 bytes, and the system takes 107"),
        ("tcp://127.0.0.1:1", "TCP is spoken with TLS only"),
        ("tcp+tls://256.0.0.1:0", "cannot listen on tcp"),
    ],
)
def test_why_it_cannot_be_had_is_told(url: str, why: str) -> None:
    with pytest.raises(OSError, match=why):
        listen(url, Guard())


def test_a_port_is_named_as_the_system_chose_it() -> None:
    made = listen("tcp+tls://127.0.0.1:0", Guard())
    with made.sock:
        assert str(made.address) == f"tcp+tls://127.0.0.1:{made.sock.getsockname()[1]}"
        assert made.guard is None
