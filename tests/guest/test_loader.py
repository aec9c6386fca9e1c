from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec
from dragoman.guest.loader import LoadFailed, Source, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def load_text(folder: Path, source: str, name: str = "subject.py") -> Source:
    path = folder / name
    path.write_text(textwrap.dedent(source))
    return load(str(path))


def names(source: Source) -> list[str]:
    return [binding.contract.name for binding in source.bindings]


def refusal(folder: Path, source: str) -> LoadFailed:
    with pytest.raises(LoadFailed) as caught:
        load_text(folder, source)
    return caught.value


def test_public_annotated_functions_are_offered_in_their_order(tmp_path: Path) -> None:
    source = """
        from os.path import join
        def zeta(a: int) -> int: return a
        def _private(a: int) -> int: return a
        def bare(a): return a
        def alpha(a: int) -> int: return a
        class Model: ...
        same = alpha
    """
    assert names(load_text(tmp_path, source)) == ["zeta", "alpha"]


def test_all_says_what_is_offered_imports_included(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_subject.py").write_text("def far(a: int) -> int:\n    return a\n")
    source = """
        from neighbour_of_subject import far
        __all__ = ["far", "Model", "near"]
        def near(a: int) -> int: return a
        def other(a: int) -> int: return a
        class Model: ...
    """
    assert names(load_text(tmp_path, source)) == ["far", "near"]


def test_marked_functions_are_offered_wherever_they_come_from(tmp_path: Path) -> None:
    source = """
        import functools
        from dragoman.contract.marker import function
        @function(name="other-name")
        def _hidden(a: int) -> int: return a
        @functools.lru_cache
        def cached(a: int) -> int: return a
    """
    assert names(load_text(tmp_path, source)) == ["other-name", "cached"]


def test_the_name_is_not_main(tmp_path: Path) -> None:
    source = """
        def f(a: int) -> int: return a
        if __name__ == "__main__":
            raise SystemExit
    """
    assert load_text(tmp_path, source).module.__name__ == "subject"


def test_a_source_named_like_a_standard_module_hides_it_from_nobody(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "import json\ndef f(a: int) -> str:\n    return json.dumps(a)\n", "json.py")
    assert loaded.bindings[0].function(3) == "3"
    assert sys.modules["json"].__file__ != loaded.module.__file__


def test_a_package_folder_and_a_dotted_name_are_sources_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "subject_package"
    package.mkdir()
    (package / "__init__.py").write_text("def top(a: int) -> int:\n    return a\n")
    (package / "inner.py").write_text("def inside(a: int) -> int:\n    return a\n")
    assert names(load(str(package))) == ["top"]
    monkeypatch.chdir(tmp_path)
    assert names(load("subject_package.inner")) == ["inside"]


def test_a_package_is_served_from_its_place_whatever_its_name(tmp_path: Path) -> None:
    package = tmp_path / "json"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import json\nfrom .inner import one\ndef top() -> str:\n    return json.dumps([one()])\n"
    )
    (package / "inner.py").write_text("def one() -> int:\n    return 1\n")
    loaded = load(str(package))
    assert names(loaded) == ["top"]
    assert loaded.bindings[0].function() == "[1]"


def test_a_package_that_only_passes_on_is_told_how_to_serve_it(tmp_path: Path) -> None:
    package = tmp_path / "subject_passing"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import inside\n")
    (package / "inner.py").write_text("def inside(a: int) -> int:\n    return a\n")
    with pytest.raises(
        LoadFailed, match=r"inside, which comes from subject_passing\.inner, is served if `__all__` lists"
    ):
        load(str(package))


def test_a_syntax_error_names_its_place(tmp_path: Path) -> None:
    error = refusal(tmp_path, "def f(a: int) -> int:\n    return (\n")
    assert str(error).startswith("subject.py:2: SyntaxError")
    assert "return (" in error.traceback


def test_a_missing_import_names_module_and_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "\nimport no_such_module_at_all\n")
    assert "subject.py:2" in str(error)
    assert "no_such_module_at_all" in str(error)
    assert "dragoman" not in error.traceback


def test_an_exit_at_import_is_told(tmp_path: Path) -> None:
    assert "subject.py:1: the source called sys.exit(4)" in str(refusal(tmp_path, "raise SystemExit(4)"))


def test_an_exception_at_import_names_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "x = 1\ny = x / 0\n")
    assert "subject.py:2: ZeroDivisionError: division by zero" in str(error)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1", "offers no functions"),
        ("def f(a): return a", "parameter `a` has no annotation"),
        ("__all__ = ['gone']", "'gone'"),
        ("def f(a: 'Nowhere') -> int: return 1", "Nowhere"),
        ("import socket\ndef f(a: socket.socket) -> int: return 1", "parameter `a`"),
        ("def f(*args: int) -> int: return 1", r"\*args"),
    ],
)
def test_a_source_that_cannot_be_offered_says_why(tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(LoadFailed, match=says):
        load_text(tmp_path, source)


def test_two_functions_of_one_name_are_refused(tmp_path: Path) -> None:
    source = """
        from dragoman.contract.marker import function
        def f(a: int) -> int: return a
        @function(name="f")
        def g(a: int) -> int: return a
    """
    assert "two functions are named 'f'" in str(refusal(tmp_path, source))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(LoadFailed, match="no such file"):
        load("/nowhere/at/all.py")


def test_a_second_edit_of_one_size_in_one_second_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "subject.py"
    answers: list[object] = []
    for number in (1, 2):
        path.write_text(f"def version() -> int: return {number}")
        os.utime(path, (1_000_000_000, 1_000_000_000))
        answers.append(load(str(path)).bindings[0].invoke(b"{}", Codec.JSON))
        sys.modules.pop("subject", None)
    assert answers == [1, 2]
