"""Every setting of the project file, once: its key, its kind, its default and what it is for.

The reader, the editors' schema, the "did you mean" of an unknown key and the check of the reference page all walk
these tables, so that a setting cannot exist in one of them only. A dotted key (`workers.min`) is a key of an inner
table; `field` names the option that it fills.
"""

from __future__ import annotations

from dragoman.config.declared import Declared
from dragoman.config.kinds import Arguments, Duration, Flag, Names, Requirements, Size, Text, Variables, Whole
from dragoman.config.languages import Language, Mode
from dragoman.config.layers import LAYERS, TASK
from dragoman.config.queues import QUEUE
from dragoman.config.schedules import SCHEDULE
from dragoman.config.services import SERVICE
from dragoman.config.setting import (
    BODY_BYTES_MAX,
    EXEC,
    FORK,
    GB,
    GUESTS,
    HOSTED,
    INLINE,
    MB,
    POOLED,
    STARTED,
    UPSTREAM,
    WARM,
    Setting,
)
from dragoman.config.shared import SHARED
from dragoman.config.tasks import TASKS
from dragoman.config.ways import HTTP, NATIVE
from dragoman.core.call import PRIORITIES

WORKERS_MAX = 1000
"""Each is a process with three descriptors here; a larger fleet belongs on several machines."""

QUEUE_MAX = 1_000_000
CONCURRENCY_MAX = 10_000
"""Calls held in memory; past these a longer line only makes every caller later."""

PROJECT = (
    Setting(
        "name",
        Text("a name of letters, digits, dots, dashes and underscores", r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"),
        "the folder's name",
        "The project's name, as faults, metrics and the OpenAPI document carry it.",
    ),
    Setting(
        "chaos",
        Flag(),
        "false",
        "Whether the `chaos` settings of this file are in force: faults made on purpose, for rehearsals.",
    ),
)

FUNCTION = (
    Setting(
        "timeout",
        Duration("1ms", "30d"),
        "30s",
        "How long a call may take, waiting included. At the deadline the caller is answered and the work is stopped.",
    ),
    Setting(
        "idempotent",
        Flag(),
        "as the function declares, else false",
        "Whether calling twice does no more than calling once; such functions also answer to GET.",
    ),
    Setting(
        "priority",
        Text(choices=tuple(PRIORITIES)),
        '"normal"',
        "How much its calls matter where not all can be served, unless they say so themselves.",
    ),
)

ORIGIN = (
    Setting(
        "path",
        Text("a path"),
        "none",
        "The code, in the project's folder: a file, a package or project in a folder of its own, or an executable. "
        "Either it, `command` or the address of a service is set.",
        modes=HOSTED,
        inheritable=False,
    ),
    Setting(
        "command",
        Arguments(),
        "none",
        "The program and its arguments; `{name}` stands for that property of the input, `{{` and `}}` for braces. "
        "Beside the address of a service: how that is started, with `{port}` for a free port.",
        modes=frozenset({EXEC, UPSTREAM}),
        inheritable=False,
    ),
    Setting(
        "language",
        Language(),
        "by the file",
        'Says what `path` is where its name does not; `"exec"` is any executable.',
        modes=HOSTED,
    ),
    Setting(
        "mode",
        Mode(),
        '"exec" for executables, else "warm"',
        '`"warm"`: workers live on. `"fork"`: a clean process per call, started ahead; of Python, a copy of a loaded '
        'one. `"exec"`: one process per call. `"inline"`: async Python functions inside the host, for trusted code.',
        modes=HOSTED,
    ),
    Setting(
        "description",
        Text("a description", lines=True),
        "none",
        "What an executable, or a service of one function, does, for people who list the functions.",
        field="description",
        modes=frozenset({EXEC, UPSTREAM}),
    ),
    Setting(
        "env",
        Variables(),
        "{}",
        "Environment variables. The workers see these and a small safe base, never the host's environment.",
        modes=STARTED,
    ),
)

BUILD = (
    Setting(
        "requirements",
        Requirements(),
        "none",
        "Packages for this source alone, in an environment that uv makes and caches. It holds nothing else that the "
        "host's own has.",
        modes=GUESTS,
        languages=("python",),
    ),
    Setting(
        "python",
        Text("a Python version such as 3.12", r"3\.[0-9]{1,2}(\.[0-9]{1,2})?"),
        "the one that runs the host",
        "The Python of this source's environment: one that is installed, 3.11 or newer.",
        field="python",
        modes=GUESTS,
        languages=("python",),
    ),
    Setting(
        "build_timeout",
        Duration("1s", "6h"),
        "10m",
        "How long each step of building the source may take.",
        field="build_timeout_s",
        modes=GUESTS,
    ),
)

FORKS = (
    Setting(
        "preload",
        Names(Text("a module such as pandas", r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")),
        "[]",
        "Modules that are imported before any call, beside what the source imports itself.",
        field="preload",
        modes=frozenset({FORK}),
        languages=("python",),
    ),
    Setting(
        "fork_safe",
        Flag(),
        "false",
        "Fork although the import leaves threads running or connections open, which is refused otherwise: the copies "
        "have no such threads, and share such connections.",
        field="fork_safe",
        modes=GUESTS,
        languages=("python",),
    ),
    Setting(
        "grow",
        Text(choices=("fork", "start")),
        '"fork"',
        "How workers are added to a pool whose source takes long to import: forked, in milliseconds, from a process "
        "that has imported it, or started like the first.",
        field="grow",
        modes=frozenset({WARM}),
        languages=("python",),
    ),
)

PROGRAM = (
    Setting(
        "stdin",
        Text(choices=("none", "json", "body")),
        '"none", or "body" where `path` is an executable',
        'What the program reads: nothing, the input as JSON, or the call\'s body as it came (`"body"`).',
        field="stdin",
        modes=frozenset({EXEC}),
    ),
    Setting(
        "stdout",
        Text(choices=("json", "jsonl", "text", "bytes")),
        '"json", or "text" where `path` is an executable',
        "What the program prints: one JSON value, a stream of them one a line, UTF-8 text, or raw bytes.",
        field="stdout",
        modes=frozenset({EXEC}),
    ),
    Setting(
        "input",
        Declared(output=False),
        "a required string for each `{name}` of the command; for a `path`, `args`: an array of strings",
        "The input's contract: JSON Schema properties, or a schema file.",
        modes=frozenset({EXEC, UPSTREAM}),
    ),
    Setting(
        "output",
        Declared(output=True),
        "anything",
        "The contract of the reply, or of each item of a stream: properties, a schema file, or the name of a type.",
        modes=frozenset({EXEC, UPSTREAM}),
    ),
    Setting(
        "output_max",
        Size(1, BODY_BYTES_MAX),
        "16MB",
        "The most that one call of the program may print, or a service answer (of a stream: one item). Past it the "
        "call is stopped.",
        field="output_bytes_max",
        modes=frozenset({EXEC, UPSTREAM}),
    ),
)

POOL = (
    Setting(
        "workers.min",
        Whole(1, WORKERS_MAX),
        "1",
        "Workers kept ready; in mode `fork`, beside those that run a call.",
        "pool.workers_min",
        POOLED,
        short=True,
    ),
    Setting(
        "workers.max",
        Whole(1, WORKERS_MAX),
        "the number of CPUs, at least 2 (4 for executables)",
        "Workers at most, under load. `workers = 4` sets both.",
        "pool.workers_max",
        POOLED,
        short=True,
    ),
    Setting(
        "workers.idle",
        Duration("100ms", "1d"),
        "1m",
        "How long a worker above `workers.min` may have nothing to do before it is stopped.",
        "pool.idle_s",
        POOLED,
    ),
    Setting(
        "concurrency",
        Whole(1, CONCURRENCY_MAX),
        "1 for Python, 64 for a service, else 16",
        "Calls in flight inside one worker, or to one service; for Python, more than 1 suits async functions.",
        "pool.concurrency",
        frozenset({WARM, INLINE, UPSTREAM}),
    ),
    Setting(
        "queue",
        Whole(0, QUEUE_MAX),
        "1000",
        "Calls that may wait for a worker; one more is refused at once.",
        "pool.queue",
    ),
    Setting(
        "start_timeout",
        Duration("100ms", "1h"),
        "30s",
        "How long a worker may take to be ready, the source's own imports included; or a service to be "
        "healthy and to tell what it offers.",
        "pool.start_timeout_s",
        STARTED,
    ),
    Setting(
        "cancel_grace",
        Duration("1ms", "1m", off=True),
        "100ms",
        "How long a worker may take to give up a cancelled call before it is killed.",
        "pool.cancel_grace_s",
        POOLED,
    ),
    Setting(
        "drain_timeout",
        Duration("1ms", "1h", off=True),
        "30s",
        "How long calls in flight may run on when the pool is stopped or replaced.",
        "pool.drain_timeout_s",
    ),
    Setting(
        "recycle.calls",
        Whole(0, 2**53),
        "0",
        "Replace a worker after so many calls; 0 for never. In mode `fork`, of Python: the zygote, by its forks.",
        "pool.recycle_calls",
        GUESTS,
        of_copied=True,
    ),
    Setting(
        "recycle.age",
        Duration("1s", "365d", off=True),
        "0s",
        "Replace a worker after this long; 0s for never. In mode `fork`, of Python: the zygote.",
        "pool.recycle_age_s",
        GUESTS,
        of_copied=True,
    ),
    Setting(
        "recycle.memory",
        Size(MB, 1024 * GB, off=True),
        "0",
        "Replace a worker that has grown past this; 0 for never. In mode `fork`, of Python: the zygote.",
        "pool.recycle_memory_bytes",
        GUESTS,
        of_copied=True,
    ),
    Setting(
        "body_max",
        Size(1, BODY_BYTES_MAX),
        "16MB",
        "The largest body of one call.",
        "pool.body_bytes_max",
    ),
)

LIMITS = (
    Setting(
        "limits.memory",
        Size(32 * MB, 1024 * GB, off=True),
        "0",
        "Data memory of each of a worker's processes; 0 leaves it as the system has it.",
        "limits.memory_bytes",
        STARTED,
    ),
    Setting(
        "limits.files",
        Whole(32, 1_048_576),
        "1024",
        "Open descriptors of each of a worker's processes.",
        "limits.files",
        STARTED,
    ),
    Setting(
        "limits.processes",
        Whole(0, 1_000_000),
        "0",
        "Processes and threads of the worker's user; 0 leaves it as the system has it.",
        "limits.processes",
        STARTED,
    ),
    Setting(
        "limits.file_size",
        Size(1, 1024 * 1024 * GB, off=True),
        "0",
        "The largest file that a worker may write; 0 leaves it as the system has it.",
        "limits.file_bytes",
        STARTED,
    ),
)

SOURCE = (*ORIGIN, *SERVICE, *BUILD, *FORKS, *FUNCTION, *PROGRAM, *POOL, *LIMITS, *TASK, *LAYERS)
DEFAULTS = tuple(setting for setting in SOURCE if setting.inheritable)

TABLES = {
    "project": PROJECT,
    "defaults": DEFAULTS,
    "http": HTTP,
    "native": NATIVE,
    "sources": SOURCE,
    "shared": SHARED,
    "tasks": TASKS,
    "queues": QUEUE,
    "schedules": SCHEDULE,
    "functions": (*FUNCTION, *TASK, *LAYERS),
}
"""The tables of the file; `sources`, `queues`, `schedules` and `functions` hold one of these for each name."""
