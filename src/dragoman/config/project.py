"""A project as the host sees it: sources, and the settings of single functions, all checked and in plain units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dragoman.config.layers import options_of, task_options
from dragoman.config.setting import INLINE, UPSTREAM
from dragoman.core.call import PRIORITIES, Priority
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.sandbox.confinement import Limits
from dragoman.tasks.options import TaskOptions, TasksOptions
from dragoman.workers.options import PoolOptions

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.layers import Options
    from dragoman.config.written import Written
    from dragoman.queues.options import QueueOptions
    from dragoman.stores.options import StoreOptions
    from dragoman.tasks.schedule import Schedule
    from dragoman.upstream.options import UpstreamOptions

TIMEOUT_S_DEFAULT = 30.0
BUILD_TIMEOUT_S_DEFAULT = 600.0
OUTPUT_BYTES_MAX_DEFAULT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """What the project says about a function; None where it says nothing.

    `writings` are the settings by their dotted keys, with the places where they stand; `layers` what they make of the
    stack, by layer, and `task` of its tasks.
    """

    timeout_s: float | None = None
    idempotent: bool | None = None
    priority: Priority | None = None
    layers: Mapping[str, Options] = field(default_factory=dict[str, "Options"])
    task: TaskOptions = field(default_factory=TaskOptions)
    writings: Mapping[str, Written] = field(default_factory=dict[str, "Written"])


@dataclass(frozen=True, slots=True)
class Source:
    """One place functions come from, and the pool of workers that runs them.

    A `guest` is code with a guest library for its `language`: `path` is its absolute file or folder. A `command` is any
    program: the argument list, where `{name}` stands for a property of the input; `input` and `output` are its JSON
    Schemas (no output: anything). An `upstream` is a service that runs by itself, or
    that the host starts. `folder` is the workers' current folder, `home` that of the project file if there is
    one. `requirements` and `python` are what a Python source's environment holds. `idempotent` None leaves it to the
    functions. `writings` are the settings that hold for each of its functions, with the places where they stand.
    `preload` names modules that a zygote imports beside the source, `fork_safe` has it fork whatever they leave
    running, and `grow` says whether workers that live on are forked too, where that is quicker.
    """

    name: str
    kind: Literal["guest", "command", "upstream"]
    folder: Path
    path: Path | None = None
    command: tuple[str, ...] = ()
    language: str = "python"
    mode: Literal["warm", "fork", "exec", "inline", "upstream"] = "warm"
    home: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    requirements: tuple[str, ...] = ()
    python: str = ""
    build_timeout_s: float = BUILD_TIMEOUT_S_DEFAULT
    stdin: Literal["none", "json", "body"] = "none"
    stdout: Literal["json", "jsonl", "text", "bytes"] = "json"
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    description: str = ""
    timeout_s: float = TIMEOUT_S_DEFAULT
    idempotent: bool | None = None
    output_bytes_max: int = OUTPUT_BYTES_MAX_DEFAULT
    pool: PoolOptions = field(default_factory=PoolOptions)
    limits: Limits = field(default_factory=Limits)
    upstream: UpstreamOptions | None = None
    preload: tuple[str, ...] = ()
    fork_safe: bool = False
    grow: Literal["fork", "start"] = "fork"
    writings: Mapping[str, Written] = field(default_factory=dict[str, "Written"])

    @property
    def bounds_calls(self) -> bool:
        """Whether calls are bounded inside the host, since there is no pool to do it."""
        return self.mode in {INLINE, UPSTREAM}

    @property
    def alone(self) -> bool:
        """Whether it is one function, called by the source's name."""
        return self.kind == "command" or (self.upstream is not None and self.upstream.alone)


@dataclass(frozen=True, slots=True)
class Project:
    """Sources by their names, settings by full function names. `file` is None where sources came by themselves.

    `shared` is the store that hosts share, if there is one; `chaos` says whether faults may be made on purpose; `tasks`
    how tasks are kept, `queues` where calls come from besides the ingresses, and `schedules` what runs at certain
    moments.
    """

    name: str
    folder: Path
    sources: Mapping[str, Source]
    functions: Mapping[str, FunctionSettings] = field(default_factory=dict[str, FunctionSettings])
    http: HttpOptions = field(default_factory=HttpOptions)
    native: NativeOptions = field(default_factory=NativeOptions)
    file: Path | None = None
    shared: StoreOptions | None = None
    chaos: bool = False
    tasks: TasksOptions = field(default_factory=TasksOptions)
    queues: Mapping[str, QueueOptions] = field(default_factory=dict[str, "QueueOptions"])
    schedules: Mapping[str, Schedule] = field(default_factory=dict[str, "Schedule"])

    def settings(self, source: str, function: str, said: Mapping[str, Written] | None = None) -> FunctionSettings:
        """What holds for one function: its own settings, then its source's. `timeout_s` is always set.

        Args:
            source: The source's name.
            function: The full function name, `stats.correlation`.
            said: What the function says of itself (`written.declared`). Whether it is idempotent is left to it, if
                nothing else says so.
        """
        own = self.functions.get(function, FunctionSettings())
        shared = self.sources[source]
        writings = {**(said or {}), **shared.writings, **own.writings}
        layers = options_of(writings, bounded=shared.bounds_calls)
        if not self.chaos:
            layers.pop("chaos", None)
        priority = writings.get("priority")
        return FunctionSettings(
            timeout_s=shared.timeout_s if own.timeout_s is None else own.timeout_s,
            idempotent=shared.idempotent if own.idempotent is None else own.idempotent,
            priority=None if priority is None else PRIORITIES[priority.value],
            layers=layers,
            task=task_options(writings),
            writings=writings,
        )
