"""Connections as asyncpg makes them, and what its errors come to: the one module that knows the package."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none: what is used of it is typed below

from dragoman.tasks.store import StoreFailed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dragoman.tasks.stores.postgres.options import PostgresOptions

VERSION_MIN = 14
"""The oldest server that its own makers still mend (2025-11)."""
SETTINGS = {
    # A plan is made once: those of queues do not depend on their parameters.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # What is in order is read in order, and a few rows are found by their keys, whatever the statistics say of a queue:
    # they are of a moment, and a plan by them may read all there is for each claim.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A host that is stopped in the middle lets go of what it holds, and is seen when it is gone.
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "lock_timeout": "4s",
}
CHECK = "SET client_connection_check_interval = '5s'"
"""A statement whose host has gone ends with it. Some servers' systems cannot tell, and refuse this."""


class Wire(Protocol):
    """The part of asyncpg's `Connection` that is used here."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement, or several without parameters; what the server calls it."""
        ...

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """The rows of a statement."""
        ...

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row of a statement, or None."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """What is done in it happens as a whole."""
        ...

    async def add_listener(self, channel: str, callback: Callable[..., object]) -> None:
        """Call back with the connection, the sender's process, the channel and the payload."""
        ...

    def add_termination_listener(self, callback: Callable[..., object]) -> None:
        """Call back with the connection when it is no more."""
        ...

    def get_server_pid(self) -> int:
        """The process that serves it."""
        ...

    def get_server_version(self) -> tuple[int, ...]:
        """What the server is, the most important part first."""
        ...

    def is_closed(self) -> bool:
        """Whether it is no more."""
        ...

    def terminate(self) -> None:
        """Cut it."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        """Say goodbye."""
        ...


class Trouble(Enum):
    """What kind of trouble an error is."""

    AGAIN = "worth another try at once"
    LOST = "the connection is no more"
    REFUSED = "the server refused what was asked for, and it would again"
    ELSEWHERE = "this server only reads: another one writes now"
    UNABLE = "the server cannot do it now"


class Refused(StoreFailed):
    """The server refused what was asked for, and would again."""


_AGAIN = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)
_LOST = (
    OSError,
    EOFError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
)
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
    TypeError,
)
_KINDS: tuple[tuple[tuple[type[BaseException], ...], Trouble], ...] = (
    (_AGAIN, Trouble.AGAIN),
    (_REFUSED, Trouble.REFUSED),
    ((asyncpg.ReadOnlySQLTransactionError,), Trouble.ELSEWHERE),
    (_LOST, Trouble.LOST),
)
ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    TypeError,
)
"""What a statement may raise. A parameter that cannot be sent is a `ValueError`, `OverflowError` or `TypeError`."""


def kind(error: BaseException) -> Trouble:
    """What an error comes to."""
    # asyncpg's own `DataError`, for a parameter that cannot be sent, is a ValueError before it is an InterfaceError.
    for errors, trouble in _KINDS:
        if isinstance(error, errors):
            return trouble
    return Trouble.UNABLE


def said(error: BaseException, options: PostgresOptions) -> str:
    """What an error says, with what to do about it."""
    where = f"the task store at {options.address} (Postgres)"
    what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"{where}: {what}{remedy(error, options)}"


def remedy(error: BaseException, options: PostgresOptions) -> str:
    """What to do about an error, where that is known."""
    for errors, advice in (
        ((asyncpg.DiskFullError,), "free or add disk space on the server"),
        ((asyncpg.TooManyConnectionsError,), "raise max_connections there, or lower ?connections= in the URL"),
        ((asyncpg.InvalidAuthorizationSpecificationError,), "check user and password in the URL"),
        ((asyncpg.InvalidCatalogNameError,), "create the database first"),
        ((asyncpg.InsufficientPrivilegeError,), f"give the user the schema {options.schema!r}"),
        ((asyncpg.ReadOnlySQLTransactionError,), "connect to the primary server"),
        ((asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError), "this host may be too old for its schema"),
        ((ConnectionRefusedError,), "is the server running?"),
    ):
        if isinstance(error, errors):
            return f"; {advice}"
    return ""


def failed(error: BaseException, options: PostgresOptions, *, unsure: bool = False) -> StoreFailed:
    """An error, as the port has it."""
    return StoreFailed(said(error, options), unsure=unsure)


@contextlib.contextmanager
def bounded(wire: Wire, seconds: float) -> Generator[None]:
    """Cut a connection that has not done in time what is done in this. Raises `TimeoutError` then.

    To cancel what is done would not be enough: a transaction that is left has its ROLLBACK to say, and where the
    network is cut it would wait for that. What that comes to hides no cancellation.
    """
    task = asyncio.current_task()
    assert task is not None
    before, expired = task.cancelling(), False

    def expire() -> None:
        nonlocal expired
        expired = True
        wire.terminate()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        yield
    except (StoreFailed, *ERRORS) as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        if expired:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


async def connect(options: PostgresOptions, settings: dict[str, str] | None = None) -> Wire:
    """A new connection. Raises `StoreFailed`, also where the server takes too long or is too old."""
    try:
        async with asyncio.timeout(options.connect_s):
            wire = await _connect(options, settings or {})
            try:
                await _check(wire, options)
            except BaseException:
                wire.terminate()
                raise
    except TimeoutError:
        raise StoreFailed(
            f"the task store at {options.address} (Postgres): no connection within {options.connect_s:g}s"
        ) from None
    except ERRORS as error:
        raise failed(error, options) from None
    return wire


async def _connect(options: PostgresOptions, settings: dict[str, str]) -> Wire:
    opening = asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped
        dsn=options.dsn,
        max_cached_statement_lifetime=0,
        server_settings={**SETTINGS, "application_name": "dragoman", "search_path": options.schema, **settings},
    )
    return cast("Wire", await opening)


async def _check(wire: Wire, options: PostgresOptions) -> None:
    version = wire.get_server_version()
    if version[0] < VERSION_MIN:
        raise StoreFailed(
            f"the task store at {options.address} is Postgres {version[0]}: expected {VERSION_MIN} or newer"
        )
    with contextlib.suppress(asyncpg.InvalidParameterValueError):
        await wire.execute(CHECK)
