import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dragoman.building.shipped import PACKAGE, sdk
from dragoman.core.fault import StartFailed

ROOT = Path(__file__).parents[2]
LANGUAGES = sorted(path.name for path in (ROOT / "sdk").iterdir() if path.is_dir())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_library_of_a_language_comes_with_the_package(language: str) -> None:
    assert sdk(language) == ROOT / "sdk" / language


def test_a_library_that_is_not_shipped_says_so() -> None:
    with pytest.raises(StartFailed, match="the cobol library is not part of this installation"):
        sdk("cobol")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the wheel, unpacked: a package as an index would install it."""
    uv = pytest.importorskip("uv").find_uv_bin()
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run((uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT), check=True, timeout=100)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_library_and_none_of_their_tests(installed: Path) -> None:
    held = {path.relative_to(installed / "dragoman/sdk").as_posix() for path in (installed / "dragoman/sdk").rglob("*")}
    assert {name for name in held if "/" not in name} == set(LANGUAGES)
    if "go" in LANGUAGES:
        assert "go/go.mod" in held
    strange = [name for name in held if name.endswith("_test.go") or "/target" in name or "node_modules" in name]
    assert not strange


def test_an_installed_package_finds_its_own_libraries(installed: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from dragoman.building.shipped import sdk; print(sdk('go'))"
    done = subprocess.run(
        (sys.executable, "-c", code, str(installed)), cwd="/", capture_output=True, text=True, timeout=30, check=True
    )
    assert Path(done.stdout.strip()) == installed / "dragoman/sdk/go"
    assert not done.stdout.startswith(str(PACKAGE))
