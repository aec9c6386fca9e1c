"""The runtimes by the name of their language, as a project file says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.workers.runtimes.go import GoRuntime
from dragoman.workers.runtimes.java import JavaRuntime
from dragoman.workers.runtimes.node import NodeRuntime
from dragoman.workers.runtimes.python import PythonRuntime
from dragoman.workers.runtimes.rust import RustRuntime
from dragoman.workers.runtimes.typescript import TypeScriptRuntime
from dragoman.workers.runtimes.wire import WireRuntime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.workers.runtimes.runtime import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "python": PythonRuntime(),
    "go": GoRuntime(),
    "node": NodeRuntime(),
    "typescript": TypeScriptRuntime(),
    "rust": RustRuntime(),
    "wire": WireRuntime(),
    "java": JavaRuntime(),
}
"""Every language that has a guest library; executables (`exec`) need none, and are started by `command.py`."""
