"""Private folders go with the host that was a child, and no others do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dragoman.host.private import leave


@pytest.mark.parametrize(
    ("name", "mode", "stays"),
    [("dragoman-1", 0o700, False), ("dragoman-1", 0o755, True), ("run", 0o700, True)],
)
def test_only_an_empty_private_folder_goes(tmp_path: Path, name: str, mode: int, *, stays: bool) -> None:
    folder = tmp_path / name
    folder.mkdir()
    folder.chmod(mode)
    leave([f"unix://{folder}/sock", "tcp+tls://127.0.0.1:1", "nonsense"])
    assert folder.exists() is stays
    leave([f"unix://{folder}/sock"])


def test_a_folder_in_which_somebody_has_something_stays(tmp_path: Path) -> None:
    folder = tmp_path / "dragoman-2"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other"))
        leave([f"unix://{folder}/sock"])
    assert (folder / "other").exists()
