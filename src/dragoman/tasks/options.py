"""What is settled of tasks: for one function, and for all of a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dragoman.core.fault import PASSING, Code

DAY_S = 24 * 3600.0
SQLITE = "sqlite:"
"""How the address of a store begins that is a file."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what all of them begin with
SECRET_EXPECTED = f'a secret such as "{SECRET_PREFIX}…": 24 to 64 bytes in base64 after {SECRET_PREFIX}'


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How the tasks of one function are run.

    `attempts` counts the first one too. Pauses between them are random, up to a bound that doubles from `base_s` to
    `max_s` seconds; `on` are the codes after which there is another one. `timeout_s` is an attempt's, 0 for that of the
    function's calls; `deadline_s` that of the whole, from the moment at which it may first run. `concurrency` bounds
    those that run at a time on all hosts together, 0 for no bound. Not `enabled`, and none can be submitted.
    """

    enabled: bool = True
    attempts: int = 3
    base_s: float = 1.0
    max_s: float = 300.0
    on: frozenset[Code] = PASSING
    timeout_s: float = 0.0
    deadline_s: float = DAY_S
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class TasksOptions:
    """How a host keeps and runs tasks.

    `store` is its address: `sqlite:` and a file's absolute path, or a `postgres://` one. A runner that has not moved
    for `lease_s` seconds is taken for dead. What ended is kept for `keep_s` seconds, and `keep_count` of it at most.
    `backlog` tasks may wait; one more is refused. `callbacks_private` has callbacks go to private addresses too, and
    `callbacks_allow` to these addresses and hosts (`tasks.reach`). An attempt of a callback may take
    `callback_timeout_s`, and there are `callback_attempts` of them. They are signed with each of `callback_secrets`.
    """

    store: str = ""
    lease_s: float = 15.0
    keep_s: float = 7 * DAY_S
    keep_count: int = 1_000_000
    backlog: int = 1_000_000
    callbacks_private: bool = False
    callbacks_allow: tuple[str, ...] = ()
    callback_timeout_s: float = 15.0
    callback_attempts: int = 16
    callback_secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def present(self) -> bool:
        """Whether there may be tasks already: a file that is there, or a server, which a host alone can ask."""
        if not self.store.startswith(SQLITE):
            return bool(self.store)
        try:
            Path(self.store.removeprefix(SQLITE)).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # it cannot be looked at: whoever opens it is told why
        return True
