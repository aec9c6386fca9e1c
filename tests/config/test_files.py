import os
from pathlib import Path

import pytest

from dragoman.config.files import read_file
from dragoman.config.problem import Refused


def test_a_file_is_read_whole_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 2048)
    assert read_file(tmp_path / "a", 2048) == b"x" * 2048
    with pytest.raises(Refused, match="is larger than 1KB"):
        read_file(tmp_path / "a", 1024)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "pipe", "it is no regular file"),
        (Path("/dev/zero"), "it is no regular file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "a\0b", "null"),
        (tmp_path / ("x" * 5000), "File name too long"),
    ):
        with pytest.raises(Refused, match=message):
            read_file(path, 10)
