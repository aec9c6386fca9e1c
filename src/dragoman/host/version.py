"""The version of this package, as it was installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("dragoman")
    except PackageNotFoundError:  # run from a bare checkout
        return "0+unknown"


VERSION = _installed()
