import json
from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench
from dragoman.building.shipped import sdk
from dragoman.building.tool import Found
from dragoman.workers.runtimes.typescript import TypeScriptRuntime, declares_types


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """One module in a folder of a project."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "orders.ts").write_text("export const total = (): number => 1;\n")
    return Code("orders", "typescript", folder / "orders.ts", tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Where it is built."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Bench(folder, tmp_path / "keep", {"node": Found("/bin/node"), "npm": Found("/bin/npm")}, {"HOME": "/home"})


def test_a_module_alone_is_compiled(code: Code, bench: Bench) -> None:
    (step,) = TypeScriptRuntime().recipe(code).stage(bench)
    program = str(sdk("node") / "src/typescript/build.js")
    assert step.argv == (
        "/bin/node",
        program,
        str(code.path),
        str(code.root),
        str(bench.folder),
        str(bench.keep),
        "/bin/npm",
    )
    assert not step.env


def test_dependencies_come_first(code: Code, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        json.dumps({"dependencies": {"zod": "^4"}, "devDependencies": {"@types/qs": "^6", "eslint": "^9"}})
    )
    recipe = TypeScriptRuntime().recipe(code)
    assert recipe.options == ("shop/orders.ts",)
    npm, compile_ = recipe.stage(bench)
    assert npm.argv[:2] == ("/bin/npm", "install")
    assert "--omit=dev" not in npm.argv
    assert json.loads((bench.folder / "package.json").read_text())["dependencies"] == {"zod": "^4", "@types/qs": "^6"}
    assert compile_.argv[3] == str(tmp_path)


def test_dependencies_that_somebody_installed_are_used(code: Code, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"zod": "^4"}}')
    (tmp_path / "node_modules").mkdir()
    assert len(TypeScriptRuntime().recipe(code).stage(bench)) == 1


@pytest.mark.parametrize(("name", "needed"), [("@types/qs", True), ("@types/node", False), ("eslint", False)])
def test_of_what_is_for_development_only_types_are_needed(name: str, needed: bool) -> None:  # noqa: FBT001 - a parameter
    assert declares_types(name) is needed
