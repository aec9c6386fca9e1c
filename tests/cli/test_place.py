from pathlib import Path

import pytest

from dragoman.cli.outcome import Stop
from dragoman.cli.place import Place, place_of


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_URL", "http://env")
    assert place_of(None, None, None) == Place("http://env", ())
    assert place_of("http://line", None, None).url == "http://line"
    assert place_of(None, "shop/", None) == Place("", ("shop/",))
    assert place_of(None, ("a.py", "b.py"), None).paths == ("a.py", "b.py")


def test_without_a_word_it_is_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAGOMAN_URL", raising=False)
    assert place_of(None, (), None) == Place("", ())


def test_contradictions_are_refused() -> None:
    with pytest.raises(Stop, match="one of the two"):
        place_of("http://a", "b", None)
    with pytest.raises(Stop, match="is for https"):
        place_of("http://a", None, "ca.pem")


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(Stop, match="--cacert: "):
        Place("https://a", (), str(tmp_path / "ca.pem")).connect()
