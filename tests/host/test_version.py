import subprocess
import sys
from importlib.metadata import version

from dragoman.host.version import VERSION

BARE = """
import importlib.metadata as metadata
metadata.version = lambda name: (_ for _ in ()).throw(metadata.PackageNotFoundError(name))
from dragoman.host.version import VERSION
print(VERSION)
"""


def test_the_version_is_the_installed_one() -> None:
    assert version("dragoman") == VERSION


def test_a_bare_checkout_has_an_unknown_version() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "0+unknown"
