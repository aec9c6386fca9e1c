from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from dragoman.host.meeting import answers, foreign, hosts_of, label, own, pid_of, place

if TYPE_CHECKING:
    from pathlib import Path


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(1)
    return sock


def test_a_socket_is_in_a_folder_that_is_its_users_alone(tmp_path: Path) -> None:
    path = place("/shop/dragoman.toml", 17, [tmp_path / "dragoman"])
    assert path == tmp_path / "dragoman" / f"{label('/shop/dragoman.toml')}-17.sock"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (pid_of(path), label("/shop/dragoman.toml") != label("/other/dragoman.toml")) == (17, True)


def test_a_folder_of_ours_that_is_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "dragoman"
    folder.mkdir()
    folder.chmod(0o777)
    assert "open to others" in foreign(folder)
    own(folder)
    assert foreign(folder) == ""


def test_what_is_no_folder_of_ours_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    long = tmp_path / ("x" * 100)
    fitting = tmp_path / "fit"
    for name in ("file", "link"):
        with pytest.raises(OSError, match="is no folder"):
            place("shop", 1, [tmp_path / name])
    assert place("shop", 1, [tmp_path / "file", long, tmp_path / "none" / "deeper", fitting]).parent == fitting
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OSError, match="belongs to another user"):
        place("shop", 1, [fitting])
    assert hosts_of("shop", [fitting]) == []


def test_the_hosts_of_a_project_are_those_that_answer(tmp_path: Path) -> None:
    mine, other, stale = (place(name, pid, [tmp_path]) for name, pid in (("a", 1), ("b", 2), ("a", 3)))
    with listening(mine), listening(other):
        listening(stale).close()
        (tmp_path / "strange.sock").touch()
        (tmp_path / f"{label('a')}-4.sock").touch()
        assert hosts_of("a", [tmp_path, tmp_path / "none"]) == [mine]
        assert (answers(mine), answers(stale), answers(tmp_path / "none.sock")) == (True, False, False)
        place("c", 5, [tmp_path])
        assert not stale.exists(), "the next host sweeps what a killed one left"
        assert mine.exists()
        assert (tmp_path / f"{label('a')}-4.sock").exists(), "what is no socket is somebody's file"
