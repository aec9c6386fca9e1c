"""Layers around any async function of a Python program, without a host, a pool or a contract.

Arguments and results travel as the objects that they are. What a layer makes of a call's input (a key to cache by, or
to coalesce by) comes from the arguments that are plain data; each of the others is like no other.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from dragoman.contract import codec
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Call, Codec, Reply, Ties
from dragoman.core.clock import SystemClock
from dragoman.core.deadline import NEVER, at, earlier
from dragoman.core.fault import Code, DeadlineExceeded, Fault, Started
from dragoman.core.target import Target

if TYPE_CHECKING:
    from dragoman.core.service import Layer, Service

P = ParamSpec("P")
R = TypeVar("R")

CODES: Mapping[type[Exception], Code] = MappingProxyType(
    {ConnectionError: Code.UNAVAILABLE, TimeoutError: Code.DEADLINE_EXCEEDED}
)
"""What exceptions mean to the layers; every other one is `UNKNOWN`."""
DEPTH_MAX = 100
"""Data nested deeper makes no key."""
CALLER = "local"
"""Who calls, to layers that tell callers apart."""

_SCALARS = (bool, int, float, str, bytes, date, time, timedelta, Decimal, UUID, Enum)
_running: ContextVar[Call | None] = ContextVar("_running", default=None)


class Carried(bytes):
    """A body that brings an object along. The bytes, where a layer reads them, say the same."""

    value: Any

    @classmethod
    def of(cls, value: Any, said: bytes = b"") -> Carried:
        """Have bytes carry an object."""
        carried = cls(said)
        carried.value = value
        return carried


def guard(
    function: Callable[P, Coroutine[Any, Any, R]],
    *policies: Layer,
    name: str = "",
    idempotent: bool = False,
    timeout_s: float | None = None,
    codes: Mapping[type[Exception], Code] = CODES,
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Put layers, the outermost first, around an async function; gives one with the same parameters.

    What the function raises reaches its caller as it is. `codes` says what it means to the layers. What never began may
    be tried again by anyone; with `idempotent`, what did may be too. After `timeout_s` seconds in all, time spent in
    the layers included, the function is cancelled and the call fails with `DeadlineExceeded`; one that is made by
    another guarded function has no more time than that. Layers refuse calls with their own faults
    (`dragoman.Unavailable`, `dragoman.ResourceExhausted`).

    Raises `TypeError` for a function that is not async, or that streams.
    """
    full_name = name or name_of(function)
    if not may_be_async(function):
        raise TypeError(f"{full_name} is not an async function: only those can be guarded")
    guarded = Guarded(function, full_name, idempotent=idempotent, timeout_s=timeout_s, codes=codes)
    guarded.put(policies)

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await guarded.run(args, kwargs)

    return call


class Guarded:
    """A function as the innermost service of a stack."""

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        name: str,
        *,
        idempotent: bool,
        timeout_s: float | None,
        codes: Mapping[type[Exception], Code],
    ) -> None:
        source, _, last = name.rpartition(".")
        self.target = Target(name, source, last, 0, timeout_s or 0.0, idempotent=idempotent)
        self._function = function
        self._timeout_s = timeout_s
        self._codes = codes
        self._clock = SystemClock()
        self._ids = itertools.count(1)
        self._unlike = itertools.count(1)
        self._signature = inspect.signature(function)
        self._service: Service = self._answer
        self._read = False

    def put(self, policies: tuple[Layer, ...]) -> None:
        """Put layers around it, the outermost first."""
        # A layer that does not say so may read bodies: what nobody reads need not be written.
        self._read = any(getattr(policy, "reads_bodies", True) for policy in policies)
        for policy in reversed(policies):
            self._service = policy(self._service)

    async def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make one call. Raises what the function raised, or the fault of a layer."""
        said = self._say(args, kwargs) if self._read else b""
        body, now = Carried.of((args, kwargs), said), self._clock.monotonic()
        call = Call(self.target, body, Codec.MSGPACK, Codec.MSGPACK, id=next(self._ids), arrived_at=now)
        call.deadline, call.caller = at(now, self._timeout_s), CALLER
        made_by = _running.get()
        if made_by is not None:
            call.ties, call.depth = Ties(made_by), made_by.depth + 1
            call.deadline = earlier(call.deadline, made_by.deadline)
        reply = await self._serve(call)
        try:
            return value_of(reply)
        except Malformed:  # a result that is not plain data was kept elsewhere, and came back without it
            call = call.again(next(self._ids))
            call.fresh = True
            reply = await self._serve(call)
        try:
            return value_of(reply)
        except Malformed as error:
            detail = f"a layer lost an answer of {self.target.name}: {error}; it must be plain data"
            raise TypeError(detail) from error

    async def _serve(self, call: Call) -> Reply:
        try:
            return await self._service(call)
        except Fault as fault:
            error = vars(fault).get("raised")
            if isinstance(error, Exception):
                raise error from error.__cause__
            raise

    async def _answer(self, call: Call) -> Reply:
        """Run the function: what stands in the middle of the stack."""
        body, now = call.body, self._clock.monotonic()
        assert isinstance(body, Carried), "no layer here writes a body anew"
        args, kwargs = body.value
        call.dispatched_at = now
        token = _running.set(call)
        limit = asyncio.timeout(None if call.deadline == NEVER else call.deadline - now)
        try:
            async with limit:
                value = await self._function(*args, **kwargs)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                name, timeout_s = self.target.name, call.deadline - call.arrived_at
                detail = f"{name} ran past its {timeout_s:g}s timeout"
                raise DeadlineExceeded(detail, started=Started.YES, function=name) from None
            raise self._fault_of(error) from error
        finally:
            _running.reset(token)
        return Reply(Carried.of(value, self._said(value)), Codec.MSGPACK)

    def _fault_of(self, error: Exception) -> Fault:
        if isinstance(error, Fault):
            return error
        code = next((self._codes[kind] for kind in type(error).__mro__ if kind in self._codes), Code.UNKNOWN)
        detail = f"{type(error).__name__}: {error}"
        fault = Fault.of(code, detail, started=Started.YES, function=self.target.name)
        vars(fault)["raised"] = error
        return fault

    def _say(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The arguments as MessagePack, by the names of the parameters. Raises `TypeError` where they do not fit."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = {
            name: value if is_plain(value) else {"unlike": next(self._unlike)}
            for name, value in bound.arguments.items()
        }
        try:
            return codec.encode(given, Codec.MSGPACK)
        except Malformed:  # a number past 64 bits, or a key that is none
            return codec.encode({name: {"unlike": next(self._unlike)} for name in given}, Codec.MSGPACK)

    def _said(self, value: Any) -> bytes:
        """A result as MessagePack, for layers that keep it elsewhere; nothing where it cannot be said."""
        if not self._read or not is_plain(value):
            return b""
        try:
            return codec.encode(value, Codec.MSGPACK)
        except Malformed:
            return b""


def value_of(reply: Reply) -> Any:
    """What a reply brings along, or says where a layer made it, or kept it elsewhere. Raises `Malformed`."""
    return reply.body.value if isinstance(reply.body, Carried) else codec.decode(bytes(reply.body), reply.codec)


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is data all through, that can be read without using it up."""
    if value is None or isinstance(value, _SCALARS):
        return True
    if depth >= DEPTH_MAX:
        return False
    if isinstance(value, dict):
        pairs: list[tuple[Any, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType] - of any
        return all(is_plain(key, depth + 1) and is_plain(each, depth + 1) for key, each in pairs)
    if isinstance(value, list | tuple | set | frozenset):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType] - of any
        return all(is_plain(each, depth + 1) for each in items)
    if is_dataclass(value) and not isinstance(value, type):
        return all(is_plain(getattr(value, field.name), depth + 1) for field in fields(value))
    return False


def may_be_async(function: Callable[..., object]) -> bool:
    """Whether a call may give something to await, and not a stream. What is no plain function is taken at its word."""
    if inspect.isasyncgenfunction(function):
        return False
    return inspect.iscoroutinefunction(function) or not inspect.isroutine(function)


def name_of(function: Callable[..., object]) -> str:
    """The full name of a function, or of the class of what can be called like one."""
    kind: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"
