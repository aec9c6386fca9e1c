import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import dragoman.policies


def test_every_layer_and_its_options_can_be_had_from_the_room() -> None:
    for module in pkgutil.iter_modules(dragoman.policies.__path__):
        home = import_module(f"dragoman.policies.{module.name}")
        options = f"{module.name.capitalize()}Options"
        layer = module.name.capitalize()
        for name in (options, layer) if hasattr(home, options) else ():
            if hasattr(home, name):
                assert name in dragoman.policies.__all__, f"export {name} from dragoman/policies/__init__.py"
                assert getattr(dragoman.policies, name) is getattr(home, name)


def test_every_name_that_is_exported_is_there() -> None:
    for name in dragoman.policies.__all__:
        assert getattr(dragoman.policies, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        dragoman.policies.Nonsense  # noqa: B018 - that is the test


def test_importing_the_room_imports_none_of_its_layers() -> None:
    code = (
        "import sys, dragoman.policies; print([name for name in sys.modules if name.startswith('dragoman.policies.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
