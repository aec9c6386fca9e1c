"""Faults: the closed set of ways a call can fail, each with a gRPC code and an answer to "did it start?".

    Fault
    ├── InvalidArgument       ├── NotFound              ├── ResourceExhausted
    ├── Unauthenticated       ├── Aborted               │   └── Overloaded
    ├── PermissionDenied      ├── AlreadyExists         ├── Unavailable
    ├── FailedPrecondition    ├── OutOfRange            │   ├── WorkerLost
    ├── Cancelled             ├── Unknown               │   ├── StartFailed
    ├── DeadlineExceeded      ├── Internal              │   └── Draining
    ├── Unimplemented         └── DataLoss

A subclass of a code class names a condition inside this process; on the wire, and to a remote caller, only the code
travels. Ingresses own the mapping of codes to their own statuses.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from dragoman.core.call import Allowance


class Code(StrEnum):
    """The gRPC status codes that a fault may carry."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


class Started(StrEnum):
    """Whether the function had begun when the call failed; it decides who may retry."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class Breach(NamedTuple):
    """One place where a value breaks its contract: a JSON Pointer (RFC 6901) and what is wrong there."""

    path: str
    message: str


class Fault(Exception):  # noqa: N818 - "fault" is the public word for what every other framework calls an error
    """A call that failed.

    Raise one from a function through the constructors named after the codes (`Fault.failed_precondition("…")`),
    catch one from a caller by its class (`except DeadlineExceeded`).
    """

    code: ClassVar[Code] = Code.UNKNOWN
    started_default: ClassVar[Started] = Started.UNKNOWN

    def __init__(
        self,
        detail: str,
        *,
        started: Started | None = None,
        errors: tuple[Breach, ...] = (),
        retry_after_s: float | None = None,
        function: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.started = started or self.started_default
        self.errors = errors
        self.retry_after_s = retry_after_s
        self.function = function
        self.traceback = traceback
        self.call_id = ""
        self.trace_id = ""
        self.service = ""
        self.remote = False
        self.allowance: Allowance | None = None

    @property
    def retryable(self) -> bool:
        """True when the call never ran and the condition may pass, so that anyone may safely try again."""
        return self.started is Started.NO and self.code in PASSING

    @classmethod
    def of(cls, code: Code | str, detail: str, **fields: Any) -> Fault:
        """Build the class that stands for a code. Raises `ValueError` for a code outside the closed set."""
        return BY_CODE[Code(code)](detail, **fields)

    @staticmethod
    def invalid_argument(detail: str) -> InvalidArgument:
        """Input breaks the contract, or the function's own rules for it."""
        return InvalidArgument(detail, started=Started.YES)

    @staticmethod
    def unauthenticated(detail: str) -> Unauthenticated:
        """The caller did not say who it is, or not believably."""
        return Unauthenticated(detail, started=Started.YES)

    @staticmethod
    def permission_denied(detail: str) -> PermissionDenied:
        """The caller may not do this."""
        return PermissionDenied(detail, started=Started.YES)

    @staticmethod
    def not_found(detail: str) -> NotFound:
        """No such function, task or thing."""
        return NotFound(detail, started=Started.YES)

    @staticmethod
    def aborted(detail: str) -> Aborted:
        """A conflict with another call; trying again may work."""
        return Aborted(detail, started=Started.YES)

    @staticmethod
    def already_exists(detail: str) -> AlreadyExists:
        """The thing to be made is there already."""
        return AlreadyExists(detail, started=Started.YES)

    @staticmethod
    def failed_precondition(detail: str) -> FailedPrecondition:
        """The world is not in the state that the function needs."""
        return FailedPrecondition(detail, started=Started.YES)

    @staticmethod
    def out_of_range(detail: str) -> OutOfRange:
        """A position past the end, a value outside what is there."""
        return OutOfRange(detail, started=Started.YES)

    @staticmethod
    def resource_exhausted(detail: str) -> ResourceExhausted:
        """A limit, quota or queue is full."""
        return ResourceExhausted(detail, started=Started.YES)

    @staticmethod
    def cancelled(detail: str) -> Cancelled:
        """The caller went away or cancelled."""
        return Cancelled(detail, started=Started.YES)

    @staticmethod
    def unknown(detail: str) -> Unknown:
        """User code raised."""
        return Unknown(detail, started=Started.YES)

    @staticmethod
    def internal(detail: str) -> Internal:
        """The host is at fault."""
        return Internal(detail, started=Started.YES)

    @staticmethod
    def data_loss(detail: str) -> DataLoss:
        """A frame or a body was corrupted."""
        return DataLoss(detail, started=Started.YES)

    @staticmethod
    def unimplemented(detail: str) -> Unimplemented:
        """This function cannot do that."""
        return Unimplemented(detail, started=Started.YES)

    @staticmethod
    def unavailable(detail: str) -> Unavailable:
        """Nobody can serve the call now."""
        return Unavailable(detail, started=Started.YES)

    @staticmethod
    def deadline_exceeded(detail: str) -> DeadlineExceeded:
        """Out of time; the work has been stopped."""
        return DeadlineExceeded(detail, started=Started.YES)


class InvalidArgument(Fault):
    """Input breaks the contract, or the function's own rules for it."""

    code = Code.INVALID_ARGUMENT
    started_default = Started.NO


class Unauthenticated(Fault):
    """The caller did not say who it is, or not believably."""

    code = Code.UNAUTHENTICATED
    started_default = Started.NO


class PermissionDenied(Fault):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED
    started_default = Started.NO


class NotFound(Fault):
    """No such function, task or thing."""

    code = Code.NOT_FOUND
    started_default = Started.NO


class Aborted(Fault):
    """A conflict with another call; trying again may work."""

    code = Code.ABORTED


class AlreadyExists(Fault):
    """The thing to be made is there already."""

    code = Code.ALREADY_EXISTS


class FailedPrecondition(Fault):
    """The world is not in the state that the function needs."""

    code = Code.FAILED_PRECONDITION


class OutOfRange(Fault):
    """A position past the end, a value outside what is there."""

    code = Code.OUT_OF_RANGE


class ResourceExhausted(Fault):
    """A limit, quota or queue is full."""

    code = Code.RESOURCE_EXHAUSTED
    started_default = Started.NO


class Cancelled(Fault):
    """The caller went away or cancelled."""

    code = Code.CANCELLED


class Unknown(Fault):
    """User code raised."""

    code = Code.UNKNOWN


class Internal(Fault):
    """The host is at fault."""

    code = Code.INTERNAL


class DataLoss(Fault):
    """A frame or a body was corrupted."""

    code = Code.DATA_LOSS


class Unimplemented(Fault):
    """This function cannot do that."""

    code = Code.UNIMPLEMENTED
    started_default = Started.NO


class Unavailable(Fault):
    """Nobody can serve the call now."""

    code = Code.UNAVAILABLE


class DeadlineExceeded(Fault):
    """Out of time; the work has been stopped."""

    code = Code.DEADLINE_EXCEEDED


class Overloaded(ResourceExhausted):
    """The wait line is full; the call was refused before any work."""


class WorkerLost(Unavailable):
    """The worker died, or broke the protocol, with the call in flight."""


class StartFailed(Unavailable):
    """The source cannot start a worker; the detail says why."""

    started_default = Started.NO


class Draining(Unavailable):
    """The host or the pool is stopping and takes no new work."""

    started_default = Started.NO


PASSING = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.ABORTED})
"""Codes of conditions that may pass by themselves."""

BY_CODE: dict[Code, type[Fault]] = {kind.code: kind for kind in Fault.__subclasses__()}
