"""Late imports are not the source's to change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dragoman.contract.late import own_path


def test_a_file_of_the_source_hides_no_late_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wave.py").write_text("raise AssertionError")
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    users = sys.path
    with own_path():
        import wave  # noqa: PLC0415 - what is tested
    assert wave.__file__ is not None
    assert not wave.__file__.startswith(str(tmp_path))
    assert sys.path is users


def test_the_sources_path_comes_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    users = sys.path
    with pytest.raises(ImportError), own_path():
        raise ImportError
    assert sys.path is users
