"""Numerical libraries in a zygote: one thread while they are loaded, and as many as ever in the calls.

OpenBLAS, OpenMP and their like start threads when they are loaded, or at their first use, as many as there are
processors; none of them survives a fork. So their environment says 1 during the import. Afterwards it says again what
it said, and those that are loaded are told so: OpenMP and MKL then start threads when a call first needs some. OpenBLAS
starts them at once, but has a fork end them, and starts them anew when they are first needed: one fork of nothing
leaves the zygote without threads, and its children with the promise of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dragoman.guest.fitness import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

CAPS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""What the environment says during the import; the last is the allocator of Arrow, which pandas imports."""

_SETTERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "openblas",
        tuple(
            f"{prefix}openblas_set_num_threads{suffix}" for prefix in ("", "scipy_") for suffix in ("", "64_", "_64")
        ),
        "OPENBLAS_NUM_THREADS",
    ),
    ("libgomp", ("omp_set_num_threads",), "OMP_NUM_THREADS"),
    ("libomp", ("omp_set_num_threads",), "OMP_NUM_THREADS"),
    ("libiomp", ("omp_set_num_threads",), "OMP_NUM_THREADS"),
    ("libmkl_rt", ("MKL_Set_Num_Threads",), "MKL_NUM_THREADS"),
    ("libblis", ("bli_thread_set_num_threads",), "BLIS_NUM_THREADS"),
)
"""A part of a library's file name, what its setter may be called there, and its variable: those of threadpoolctl 3."""


class Caps:
    """The caps on one environment, from before the import to after it."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Put them on."""
        self._environment = environment
        self._before = {name: environment.get(name) for name in CAPS}
        environment.update(CAPS)

    def lift(self) -> None:
        """Restore the environment, and tell the libraries that are loaded."""
        for name, value in self._before.items():
            if value is None:
                self._environment.pop(name, None)
            else:
                self._environment[name] = value
        threads = thread_count()
        told: list[Callable[[int], Any]] = []
        for setter, variable in _loaded():
            setter(self._wanted(variable))
            told.append(setter)
        if thread_count() > threads:
            _fork_nothing()
        if thread_count() > threads:
            for setter in told:
                setter(1)

    def _wanted(self, variable: str) -> int:
        said = self._before[variable] or self._before["OMP_NUM_THREADS"] or ""
        first = said.partition(",")[0].strip()  # OpenMP takes a number for each level of nesting
        return int(first) if first.isdecimal() and int(first) else len(os.sched_getaffinity(0))


def _loaded() -> Iterator[tuple[Callable[[int], Any], str]]:
    """The setter of each library that is loaded, with its variable."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123 - `pathlib` takes 5 ms
        paths = {line.split(None, 5)[5].strip() for line in maps if line.count(" ") > 4 and "/" in line}  # noqa: PLR2004 - the sixth field
    for path in sorted(paths):
        for part, names, variable in _SETTERS:
            if part in path.rpartition("/")[2] and (setter := _setter(path, names)) is not None:
                yield setter, variable


def _setter(path: str, names: tuple[str, ...]) -> Callable[[int], Any] | None:
    import ctypes  # noqa: PLC0415 - few sources load such a library

    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None  # deleted, or another kind of file
    for name in names:
        if hasattr(library, name):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = (ctypes.c_int,), None
            return setter
    return None


def _fork_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
