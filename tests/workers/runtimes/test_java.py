import zipfile
from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench
from dragoman.building.tool import Found
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes import java
from dragoman.workers.runtimes.java import JavaRuntime
from dragoman.workers.runtimes.runtime import Site

TOOLS = {name: Found(f"/bin/{name}", "17.0.1") for name in ("java", "javac", "mvn")}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped guest library."""
    folder = tmp_path / "sdk"
    folder.mkdir()

    def sdk(language: str) -> Path:
        assert language == "java"
        return folder

    monkeypatch.setattr(java, "sdk", sdk)
    return folder


def code_of(path: Path) -> Code:
    return Code("work", "java", path, path.parent)


def bench(tmp_path: Path) -> Bench:
    folder, keep = tmp_path / "bench", tmp_path / "keep"
    folder.mkdir()
    keep.mkdir()
    return Bench(folder, keep, TOOLS)


def built(tmp_path: Path, link: Path) -> Path:
    """A build that is done, and was moved."""
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "launch.txt").write_text(f"{link}\nshop.Work\ndragoman.jar\napp.jar\n")
    (folder / "worker.jsa").touch()
    return folder


def test_a_file_is_compiled_beside_the_library(tmp_path: Path, library: Path) -> None:
    file = tmp_path / "Work.java"
    file.touch()
    recipe = JavaRuntime().recipe(code_of(file))
    assert recipe is not None
    assert [tool.program for tool in recipe.tools] == ["javac", "java"]
    assert recipe.files.roots == (file, library / "src/main", library / "tool")
    (step,) = recipe.stage(bench(tmp_path))
    assert step.title == "javac Work.java"
    assert step.argv[-2:] == ("sources", str(file))


def test_a_jar_is_taken_as_it_is(tmp_path: Path, library: Path) -> None:
    jar = tmp_path / "work.jar"
    with zipfile.ZipFile(jar, "w"):
        pass
    recipe = JavaRuntime().recipe(code_of(jar))
    assert recipe is not None
    (step,) = recipe.stage(bench(tmp_path))
    assert step.argv[-2:] == ("jars", str(jar))
    assert library in recipe.files.roots[1].parents


def test_maven_works_on_a_copy_and_finds_the_library_in_its_repository(tmp_path: Path, library: Path) -> None:
    project = tmp_path / "project"
    (project / "target").mkdir(parents=True)
    (project / "pom.xml").write_text("<project/>")
    recipe = JavaRuntime().recipe(code_of(project))
    assert recipe is not None
    assert "mvn" in [tool.program for tool in recipe.tools]
    place = bench(tmp_path)
    first, package, last = recipe.stage(place)
    assert package.title == "mvn package"
    assert package.cwd == place.folder / "project"
    assert (package.cwd / "pom.xml").is_file()
    assert not (package.cwd / "target").exists()
    repository = place.keep / "repository"
    assert f"-Dmaven.repo.local={repository}" in package.argv
    assert (repository / "dev/dragoman/dragoman/0.1.0/dragoman-0.1.0.pom").is_file()
    assert first.argv[-2:] == ("library", str(repository))
    assert str(package.cwd / "target") in last.argv
    assert library.is_dir()


def test_a_gradle_project_is_refused_with_the_way_out(tmp_path: Path, library: Path) -> None:
    (tmp_path / "build.gradle.kts").touch()
    with pytest.raises(StartFailed, match="name the jar that it builds"):
        JavaRuntime().recipe(code_of(tmp_path))
    assert library.is_dir()


def test_a_worker_reaches_its_build_by_the_link_that_its_archive_knows(tmp_path: Path) -> None:
    links = tmp_path / "at"
    links.mkdir()
    folder = built(tmp_path, links / "one")
    site = Site(folder, TOOLS, {"A": "1"}, Limits(memory_bytes=1_000_000))
    launch = JavaRuntime().launch(code_of(tmp_path / "Work.java"), site)
    assert (links / "one").resolve() == folder
    assert launch.argv[0] == "/bin/java"
    assert f"-XX:SharedArchiveFile={links}/one/worker.jsa" in launch.argv
    assert "-Xmx500000" in launch.argv
    assert launch.argv[-4:] == (
        "-cp",
        f"{links}/one/dragoman.jar:{links}/one/app.jar",
        "dev.dragoman.Launcher",
        "shop.Work",
    )
    assert launch.env == {"A": "1"}


def test_a_build_that_was_moved_again_is_linked_anew(tmp_path: Path) -> None:
    links = tmp_path / "at"
    links.mkdir()
    (links / "one").symlink_to(tmp_path / "gone")
    folder = built(tmp_path, links / "one")
    JavaRuntime().launch(code_of(tmp_path / "Work.java"), Site(folder, TOOLS, {}, Limits()))
    assert (links / "one").resolve() == folder


def test_a_build_whose_link_cannot_be_made_runs_from_where_it_is(tmp_path: Path) -> None:
    folder = built(tmp_path, tmp_path / "nowhere" / "one")
    launch = JavaRuntime().launch(code_of(tmp_path / "Work.java"), Site(folder, TOOLS, {}, Limits()))
    assert f"{folder}/dragoman.jar:{folder}/app.jar" in launch.argv


def test_a_build_that_is_not_whole_is_no_worker(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="not a whole build"):
        JavaRuntime().launch(code_of(tmp_path / "Work.java"), Site(tmp_path, TOOLS, {}, Limits()))


def test_links_that_lead_nowhere_are_swept(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "LINKS_KEPT", 2)
    file = tmp_path / "Work.java"
    file.touch()
    place = bench(tmp_path)
    links = place.keep / "at"
    links.mkdir()
    for name in ("a", "b", "c"):
        (links / name).symlink_to(tmp_path / "gone")
    (links / "d").symlink_to(library)
    recipe = JavaRuntime().recipe(code_of(file))
    assert recipe is not None
    recipe.stage(place)
    assert (links / "d").is_symlink()
    assert len(list(links.iterdir())) == 2
