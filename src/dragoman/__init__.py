"""Dragoman: call any function, in any language, from anywhere.

Names are looked up when they are first used: a worker that imports `function` and `Context` from here does not pay for
a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.client.async_task import AsyncTask
    from dragoman.client.connecting import connect
    from dragoman.client.gathering import gather
    from dragoman.client.task import Task
    from dragoman.config.problem import ConfigError
    from dragoman.contract.batch import Batch
    from dragoman.contract.marker import function
    from dragoman.core.fault import (
        Aborted,
        AlreadyExists,
        Breach,
        Cancelled,
        Code,
        DataLoss,
        DeadlineExceeded,
        FailedPrecondition,
        Fault,
        Internal,
        InvalidArgument,
        NotFound,
        OutOfRange,
        PermissionDenied,
        ResourceExhausted,
        Started,
        Unauthenticated,
        Unavailable,
        Unimplemented,
        Unknown,
    )
    from dragoman.guest.context import Context
    from dragoman.host.embedded import open_project as open  # noqa: A004 - the public name, used as dragoman.open
    from dragoman.queues.producer import producer

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AsyncTask",
    "Batch",
    "Breach",
    "Cancelled",
    "Code",
    "ConfigError",
    "Context",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "Fault",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "Started",
    "Task",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "connect",
    "function",
    "gather",
    "open",
    "producer",
]

_HOMES = {
    "Aborted": "dragoman.core.fault",
    "AlreadyExists": "dragoman.core.fault",
    "AsyncTask": "dragoman.client.async_task",
    "Batch": "dragoman.contract.batch",
    "Breach": "dragoman.core.fault",
    "Cancelled": "dragoman.core.fault",
    "Code": "dragoman.core.fault",
    "ConfigError": "dragoman.config.problem",
    "Context": "dragoman.guest.context",
    "DataLoss": "dragoman.core.fault",
    "DeadlineExceeded": "dragoman.core.fault",
    "FailedPrecondition": "dragoman.core.fault",
    "Fault": "dragoman.core.fault",
    "Internal": "dragoman.core.fault",
    "InvalidArgument": "dragoman.core.fault",
    "NotFound": "dragoman.core.fault",
    "OutOfRange": "dragoman.core.fault",
    "PermissionDenied": "dragoman.core.fault",
    "ResourceExhausted": "dragoman.core.fault",
    "Started": "dragoman.core.fault",
    "Task": "dragoman.client.task",
    "Unauthenticated": "dragoman.core.fault",
    "Unavailable": "dragoman.core.fault",
    "Unimplemented": "dragoman.core.fault",
    "Unknown": "dragoman.core.fault",
    "connect": "dragoman.client.connecting",
    "function": "dragoman.contract.marker",
    "gather": "dragoman.client.gathering",
    "open": "dragoman.host.embedded:open_project",
    "producer": "dragoman.queues.producer",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'dragoman' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - only when a name is first used

    module, _, attribute = home.partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value
