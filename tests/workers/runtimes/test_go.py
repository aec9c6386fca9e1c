from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench
from dragoman.building.tool import Found
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes import go
from dragoman.workers.runtimes.go import MODULE, GoRuntime, module_of, replacements
from dragoman.workers.runtimes.runtime import Site


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped guest library."""
    folder = tmp_path / "sdk"
    folder.mkdir()
    (folder / "go.mod").write_text(f"module {MODULE}\n\ngo 1.24\n")

    def sdk(language: str) -> Path:
        assert language == "go"
        return folder

    monkeypatch.setattr(go, "sdk", sdk)
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """A package in a folder of a module."""
    folder = tmp_path / "shop" / "digest"
    folder.mkdir(parents=True)
    (folder / "main.go").write_text("package main\n")
    return Code("digest", "go", folder, tmp_path)


def bench(tmp_path: Path, **env: str) -> Bench:
    folder = tmp_path / "work"
    folder.mkdir()
    return Bench(folder, tmp_path / "keep", {"go": Found("/bin/go", "go version go1.24")}, env)


def test_the_module_of_a_package_is_the_nearest_go_mod(code: Code, tmp_path: Path) -> None:
    assert module_of(code) is None
    (tmp_path / "shop/go.mod").touch()
    assert module_of(code) == tmp_path / "shop"
    (code.path / "go.mod").touch()
    assert module_of(code) == code.path


def test_folders_that_replace_modules_are_part_of_the_program(code: Code, tmp_path: Path, library: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "shop/go.mod").write_text(
        "module shop\nreplace (\n\tx.org/lib v1.0.0 => ../lib\n\ty.org/a => y.org/b v2\n)\n"
        f"replace {MODULE} => ../sdk\n"
    )
    assert replacements(tmp_path / "shop") == [tmp_path / "lib"]
    assert GoRuntime().files(code).roots == (tmp_path / "shop", tmp_path / "lib", library)


def test_a_build_uses_the_shipped_library_and_leaves_go_mod_alone(code: Code, tmp_path: Path, library: Path) -> None:
    text = f"module shop\n\ngo 1.23\n\nrequire {MODULE} v0.0.9\n\nreplace {MODULE} => /elsewhere\n"
    (tmp_path / "shop/go.mod").write_text(text)
    (tmp_path / "shop/go.sum").write_text("sums\n")
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    (step,) = recipe.stage(bench(tmp_path, HOME=str(tmp_path)))
    assert step.cwd == tmp_path / "shop"
    assert step.argv[-1] == "./digest"
    assert f"-modfile={tmp_path}/work/go.mod" in step.argv
    assert "GOCACHE" not in step.env
    made = (tmp_path / "work/go.mod").read_text()
    assert f'replace {MODULE} => "{library}"' in made
    assert "/elsewhere" not in made
    assert made.count("require") == 1
    assert (tmp_path / "work/go.sum").read_text() == "sums\n"
    assert (tmp_path / "shop/go.mod").read_text() == text


def test_replacements_in_a_block_are_replaced_too(code: Code, tmp_path: Path, library: Path) -> None:
    (tmp_path / "shop/go.mod").write_text(f"module shop\n\nreplace (\n\ta => b v1\n\t{MODULE} => ../mine\n)\n")
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    recipe.stage(bench(tmp_path))
    made = (tmp_path / "work/go.mod").read_text()
    assert "a => b v1" in made
    assert "../mine" not in made
    assert f"require {MODULE} v0.1.0" in made


@pytest.mark.parametrize("text", ["use (\n\t./shop\n\t../lib // ours\n\t./sdk\n)\n", "use ./shop\nuse ../lib\n"])
def test_modules_of_a_workspace_are_taken_from_their_folders(
    code: Code, tmp_path: Path, library: Path, text: str
) -> None:
    other = tmp_path.parent / "lib"
    other.mkdir(exist_ok=True)
    (other / "go.mod").write_text("module x.org/lib\n")
    (tmp_path / "shop/go.mod").write_text("module shop\n\nreplace x.org/lib => /elsewhere\n")
    (tmp_path / "go.work").write_text(f"go 1.23\n\n{text}\nreplace (\n\ty.org/z => ./z\n)\n")
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    assert recipe.files.roots == (tmp_path / "shop", other, library)
    recipe.stage(bench(tmp_path))
    made = (tmp_path / "work/go.mod").read_text()
    assert f'replace x.org/lib => "{other}"' in made
    assert "/elsewhere" not in made
    assert "y.org" not in made


def test_a_workspace_that_does_not_use_the_module_is_left_aside(code: Code, tmp_path: Path, library: Path) -> None:
    (tmp_path / "shop/go.mod").write_text("module shop\n")
    (tmp_path / "go.work").write_text("go 1.23\n\nuse ./sdk\n")
    assert GoRuntime().files(code).roots == (tmp_path / "shop", library)


def test_a_file_by_itself_gets_a_module(tmp_path: Path, library: Path) -> None:
    file = tmp_path / "hello.go"
    file.write_text("package main\n")
    code = Code("hello", "go", file, tmp_path)
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    (step,) = recipe.stage(bench(tmp_path))
    assert step.argv[-1] == str(file)
    assert step.cwd == tmp_path / "work"
    assert step.env["GOCACHE"] == str(tmp_path / "keep/build")
    assert "go 1.24" in (tmp_path / "work/go.mod").read_text()
    assert recipe.files.roots == (file, library)


def test_a_folder_without_a_module_says_how_to_make_one(code: Code, tmp_path: Path, library: Path) -> None:
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    with pytest.raises(StartFailed, match=r"has no go\.mod, nor has a folder above it: run go mod init digest"):
        recipe.stage(bench(tmp_path))


def test_a_vendored_module_is_built_as_it_is(code: Code, tmp_path: Path, library: Path) -> None:
    (tmp_path / "shop/go.mod").write_text("module shop\n")
    (tmp_path / "shop/vendor").mkdir()
    recipe = GoRuntime().recipe(code)
    assert recipe is not None
    (step,) = recipe.stage(bench(tmp_path))
    assert "-mod=vendor" in step.argv


def test_a_worker_is_the_program_and_knows_its_memory_limit(code: Code, tmp_path: Path) -> None:
    site = Site(tmp_path / "built", {}, {"A": "1"}, Limits(memory_bytes=1000))
    launch = GoRuntime().launch(code, site)
    assert launch.argv == (str(tmp_path / "built/worker"),)
    assert launch.env == {"A": "1", "GOMEMLIMIT": "900"}
    assert launch.cwd == str(tmp_path)
