from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench, Step
from dragoman.building.tool import Found
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes import rust
from dragoman.workers.runtimes.runtime import Site
from dragoman.workers.runtimes.rust import RustRuntime, folders_of, manifest_of, program_of, workspace_of


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped library."""
    folder = tmp_path / "sdk"
    folder.mkdir()
    (folder / "Cargo.toml").write_text('[package]\nname = "dragoman"\n')
    (folder / "Cargo.lock").write_text("version = 4\n")

    def sdk(language: str) -> Path:
        assert language == "rust"
        return folder

    monkeypatch.setattr(rust, "sdk", sdk)
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """A package with one program."""
    folder = tmp_path / "shop" / "digest"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[package]\nname = "digest"\n')
    (folder / "src" / "main.rs").write_text("fn main() {}\n")
    return Code("digest", "rust", folder, tmp_path)


def steps(code: Code, tmp_path: Path, **env: str) -> list[Step]:
    (tmp_path / "work").mkdir()
    bench = Bench(tmp_path / "work", tmp_path / "keep", {"cargo": Found("/bin/cargo", "cargo 1.95.0")}, env)
    recipe = RustRuntime().recipe(code)
    assert recipe is not None
    return list(recipe.stage(bench))


def test_a_build_uses_the_shipped_library_and_leaves_the_package_alone(
    code: Code, tmp_path: Path, library: Path
) -> None:
    before = sorted(code.path.rglob("*"))
    build, move, _ = steps(code, tmp_path, HOME=str(tmp_path))
    assert build.argv[:5] == ("/bin/cargo", "build", "--release", "--bin", "digest")
    assert f'patch.crates-io.dragoman.path="{library}"' in build.argv
    assert build.cwd == code.path
    assert move.argv[1:] == (f"{tmp_path}/work/out/release/digest", f"{tmp_path}/work/worker")
    assert sorted(code.path.rglob("*")) == before


def test_what_lies_between_is_kept_for_all_builds_of_a_user(code: Code, tmp_path: Path, library: Path) -> None:
    assert steps(code, tmp_path, HOME=str(tmp_path))[0].env == {
        "CARGO_TARGET_DIR": str(tmp_path / "work/out"),
        "CARGO_BUILD_BUILD_DIR": str(tmp_path / ".cache/dragoman/cargo"),
    }


@pytest.mark.parametrize(
    ("env", "place"),
    [({}, "keep/build"), ({"HOME": "/nowhere"}, "keep/build"), ({"CARGO_BUILD_BUILD_DIR": "/mine"}, None)],
)
def test_without_a_cache_it_lies_beside_the_builds(
    code: Code, tmp_path: Path, library: Path, env: dict[str, str], place: str | None
) -> None:
    found = steps(code, tmp_path, **env)[0].env.get("CARGO_BUILD_BUILD_DIR")
    assert found == (place and str(tmp_path / place))


def test_a_target_of_another_machine_is_found_where_cargo_puts_it(code: Code, tmp_path: Path, library: Path) -> None:
    target = "x86_64-unknown-linux-musl"
    _, move, _ = steps(code, tmp_path, CARGO_BUILD_TARGET=target)
    assert move.argv[1] == f"{tmp_path}/work/out/{target}/release/digest"


def test_a_file_by_itself_gets_a_package_that_stays(tmp_path: Path, library: Path) -> None:
    file = tmp_path / 'he"llo.rs'
    file.write_text("fn main() {}\n")
    code = Code("hello", "rust", file, tmp_path)
    (keep := tmp_path / "keep").mkdir()
    build = steps(code, tmp_path)[0]
    assert build.cwd.parent == keep / "lone"
    assert manifest_of(build.cwd)["bin"] == [{"name": "worker", "path": str(file)}]
    assert (build.cwd / "Cargo.lock").read_text().startswith("version = 4\n\n[[package]]\nname = ")
    (tmp_path / "work").rmdir()
    assert steps(code, tmp_path)[0].cwd == build.cwd
    assert RustRuntime().files(code).roots[0] == file


def test_the_workspace_and_packages_beside_it_are_part_of_the_program(
    code: Code, tmp_path: Path, library: Path
) -> None:
    (tmp_path / "shop/Cargo.toml").write_text('[workspace]\nmembers = ["digest"]\n')
    (tmp_path / "outside/deeper").mkdir(parents=True)
    (tmp_path / "outside/Cargo.toml").write_text("[package]\nname = 'o'\n[dependencies]\nd = { path = 'deeper' }\n")
    (tmp_path / "outside/deeper/Cargo.toml").write_text("[package]\nname = 'd'\n")
    (code.path / "Cargo.toml").write_text(
        "[package]\nname = 'digest'\n[target.'cfg(unix)'.dependencies]\no = { path = '../../outside' }\n"
    )
    assert workspace_of(code.path) == tmp_path / "shop"
    assert folders_of(code.path) == [tmp_path / "shop", tmp_path / "outside"]
    assert RustRuntime().files(code).roots[-1] == library / "src"


@pytest.mark.parametrize(
    ("manifest", "files", "program"),
    [
        ("[package]\nname = 'a'\n", ["src/main.rs"], "a"),
        ("[package]\nname = 'a'\ndefault-run = 'c'\n[[bin]]\nname = 'b'\n[[bin]]\nname = 'c'\n", [], "c"),
        ("[package]\nname = 'a'\n[[bin]]\nname = 'b'\npath = 'x.rs'\n", ["src/main.rs"], "b"),
        ("[package]\nname = 'a'\n", ["src/bin/b.rs"], "b"),
    ],
)
def test_the_program_of_a_package(tmp_path: Path, manifest: str, files: list[str], program: str) -> None:
    (tmp_path / "src/bin").mkdir(parents=True)
    (tmp_path / "Cargo.toml").write_text(manifest)
    for name in files:
        (tmp_path / name).touch()
    assert program_of(tmp_path) == program


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("[package]\nname = 'a'\n", "makes no program"),
        ("[package]\nname = 'a'\n[[bin]]\nname = 'b'\n[[bin]]\nname = 'c'\n", "makes 2 programs"),
        ("[workspace]\nmembers = ['a']\n", "name the folder of one of its members"),
        ("[package\n", "is not TOML"),
    ],
)
def test_a_package_without_one_program_says_what_to_do(tmp_path: Path, manifest: str, why: str) -> None:
    (tmp_path / "Cargo.toml").write_text(manifest)
    with pytest.raises(StartFailed, match=why):
        program_of(tmp_path)


def test_a_folder_without_a_manifest_says_how_to_make_one(tmp_path: Path, library: Path) -> None:
    with pytest.raises(StartFailed, match=r"has no Cargo\.toml: run cargo init"):
        steps(Code("x", "rust", tmp_path, tmp_path), tmp_path)


def test_a_worker_is_the_program(code: Code, tmp_path: Path) -> None:
    launch = RustRuntime().launch(code, Site(tmp_path / "built", {}, {"A": "1"}, Limits()))
    assert (launch.argv, launch.env, launch.cwd) == ((str(tmp_path / "built/worker"),), {"A": "1"}, str(tmp_path))
