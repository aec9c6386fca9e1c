"""The values of durable tasks: what is submitted, what is kept, what is claimed, and how an attempt ended.

Moments are whole microseconds since the epoch, UTC, and 0 where there is none: they outlive processes, and are compared
between machines. Lengths of time are seconds. Whether a runner is alive is no matter of these (`tasks.store`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State

if TYPE_CHECKING:
    from dragoman.tasks.state import Step

US = 1_000_000
"""Microseconds in a second."""


BODY_BYTES_MAX = 512 * 1024 * 1024
"""An input or a result may be as large: half of what either database takes as one value. What a store can never keep
would have all that waits behind it wait for ever."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A task as it is handed to a store.

    `id` is a UUIDv7. `body` is the input. `key` makes submissions one that have the same, per function and caller;
    `fingerprint` tells whether their input is the same too. `not_before` is when it may first run; `deadline` when the
    whole of it must have ended; `attempt_s` how long one attempt may take. `attempts_max` counts the first one.
    `trace` is a `traceparent` of who submitted it. `parent` is the task that did, `schedule` the schedule.
    `callback` is where its end is told, as JSON (`tasks.callback`), empty for nowhere.
    """

    id: str
    function: str
    version: str
    body: bytes
    codec: Codec = Codec.JSON
    reply_codec: Codec = Codec.JSON
    caller: str = ""
    priority: Priority = Priority.NORMAL
    key: str = ""
    fingerprint: bytes = b""
    submitted_at: int = 0
    not_before: int = 0
    deadline: int = 0
    attempt_s: float = 0.0
    attempts_max: int = 1
    trace: str = ""
    parent: str = ""
    schedule: str = ""
    callback: bytes = b""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission: the task's id, and whether it is a new one.

    `refused` where the key stands for another input; then `id` is the task that has the key, and nothing was stored.
    """

    id: str
    created: bool
    state: State
    refused: bool = False


@dataclass(slots=True)
class Task:
    """A task as a store knows it.

    `submission.body` and `result` are empty where only the task's outline was asked for. `attempts` have begun so far.
    `due_at` is when it may run next. `started_at` is when its latest attempt began, 0 where that was given back.
    `progress` is a share between 0 and 1. `fault` is the problem document (JSON) of the last attempt that failed,
    empty once it has SUCCEEDED.
    `seq` grows with every change of it, and each of its notes has one to itself, so that two views of a task can be
    told apart. `cancelling` says that it runs, and is being stopped. `waits_for` is how many tasks it waits for.
    """

    submission: Submission
    state: State
    attempts: int = 0
    due_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    progress: float = 0.0
    message: str = ""
    result: bytes = b""
    result_codec: Codec = Codec.NONE
    fault: bytes = b""
    seq: int = 0
    cancelling: bool = False
    waits_for: int = 0

    @property
    def id(self) -> str:
        """Its id."""
        return self.submission.id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task: its number from 1, when it began and ended, on which runner, and its fault (JSON) if any."""

    number: int
    runner: str
    started_at: int
    ended_at: int = 0
    fault: bytes = b""


@dataclass(frozen=True, slots=True)
class Note:
    """A line that a task has logged, at which of its changes (`seq`)."""

    seq: int
    at: int
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Want:
    """What a runner has room for: so many tasks of a function, of which no more than `limit` (0: any) run anywhere."""

    function: str
    count: int
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that a runner may run, and the lease's token, without which nothing can be recorded of it."""

    task: Task
    token: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: a step from RUNNING, with what belongs to it.

    SUCCEED has a `result`, FAIL, TIME_OUT, EXHAUST and RETRY a `fault`, RETRY and RELEASE a `due_at` (0: at once),
    SUSPEND the tasks that it `waits_for`. RELEASE and SUSPEND do not count as an attempt. Of a task that is being
    cancelled, RETRY, RELEASE and SUSPEND are CANCEL.
    """

    id: str
    token: int
    step: Step
    ended_at: int
    result: bytes = b""
    codec: Codec = Codec.NONE
    fault: bytes = b""
    due_at: int = 0
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What a running task has said since it was last asked: how far it is (if it said so), and lines for its log."""

    id: str
    token: int
    at: int
    progress: float | None = None
    message: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    """(level, message), at most what `NOTES_MAX` lets be kept."""


NOTES_MAX = 1000
"""Lines kept of one task, the latest: enough to see what went wrong, little enough for a million tasks."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which tasks to list, the newest first: those with all that is given. `before` is an id: older ones only."""

    states: frozenset[State] = frozenset()
    function: str = ""
    caller: str = ""
    schedule: str = ""
    parent: str = ""
    before: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Change:
    """That a task is something else now."""

    id: str
    function: str
    state: State
    seq: int
    cancelling: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """A host that runs tasks: its id (new for each start), and where its process is, to see that it has gone.

    `boot` and `space` name the boot of its machine and its namespace of process ids; `born_at` is the process's own
    start, so that another process with the same number is not taken for it.
    """

    id: str
    pid: int = 0
    born_at: float = 0.0
    boot: str = ""
    space: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a store tells a runner that says it is alive.

    `known` is False where it was taken for dead: all that it runs is somebody else's now. `cancelled` are tasks of its
    own that are to be stopped.
    """

    known: bool
    cancelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """A runner as others see it: `count` grows while it lives."""

    runner: Runner
    count: int


DELIVERED_BYTES_MAX = 16 * 1024
"""Larger results are fetched by who wants them. Standard Webhooks asks for messages below 20 KB, and hundreds of
deliveries are in hand at a time."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message about the end of a task, on its way to a callback or a queue.

    `task` is the task as it was when it ended, whatever it was replayed into since, without its input, and with its
    result where that has at most `DELIVERED_BYTES_MAX`. `target` is its `callback`. `number` counts the attempts to
    deliver, this one included.
    """

    id: str
    task: Task
    target: bytes
    number: int
    token: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a delivery: `done`, or to be tried again at `due_at`, or given up (`dead`) for this `fault`.

    Not `tried`, and the attempt does not count: its target had its share of what goes out at a time already.
    """

    id: str
    token: int
    done: bool = False
    dead: bool = False
    due_at: int = 0
    fault: str = ""
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Census:
    """How many tasks there are, by function and state, and when the oldest that waits was due, by function."""

    counts: dict[tuple[str, State], int] = field(default_factory=dict[tuple[str, State], int])
    oldest: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long what has ended is kept: seconds since its end, and how many of all; 0 for no bound."""

    age_s: float = 7 * 24 * 3600.0
    count: int = 1_000_000
