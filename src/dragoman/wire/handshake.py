"""The handshake: HELLO from the host, READY from the guest, both JSON.

Known keys are checked strictly, unknown ones ignored, so that either side may be newer than the other. What a manifest
says of each function is the contract room's business; here it is a list of objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dragoman.wire.document import dump, integer, items, load, section, text
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.flow import CREDIT_BYTES_MAX
from dragoman.wire.frame import FRAME_BYTES_MAX, HEADER_BYTES, READY_BYTES_MAX, VERSION

SPOKEN = (VERSION, VERSION)
"""The lowest and the highest version of the wire that this side speaks, where nobody says otherwise."""
CREDIT_BYTES = 256 * 1024
"""A stream's first window: about the pipe that a socket itself holds, so that neither side waits for the other."""
CALLS_MAX = 4096
"""Calls in flight in each direction: past any sensible concurrency, and small beside a body each."""
FRAME_BYTES_LEAST = 64 * 1024
"""No host may accept less: ordinary bodies, and every meta, must fit."""
FUNCTIONS_MAX = 10_000
FEATURE_PROGRESS = "progress"
FEATURE_REVOKE = "revoke"
FEATURE_SEGMENTS = "segments"
FEATURE_INPUT = "input"
FEATURE_CHECKS = "checks"
FEATURE_JSON = "json"
SEGMENT_FROM_BYTES = 256 * 1024
"""Bodies from here on travel in shared memory: below, a copy through the socket costs less than the RELEASE."""
NO_CLIENT_OFFERS = (FEATURE_PROGRESS, FEATURE_REVOKE, FEATURE_SEGMENTS)
"""Features of workers: a client runs no functions and has no arenas."""


class Limits(NamedTuple):
    """What a connection accepts: bytes after a frame's header, a stream's first window in bytes, calls in flight.

    Bodies of `segment_from_bytes` and more should travel in shared memory where they can.
    """

    frame_bytes_max: int = FRAME_BYTES_MAX
    credit_bytes: int = CREDIT_BYTES
    calls_max: int = CALLS_MAX
    segment_from_bytes: int = SEGMENT_FROM_BYTES


class Hello(NamedTuple):
    """What a host says first.

    `versions` is the lowest and the highest version it speaks; `host` its name and version. The public id of call N is
    `call_prefix` and N in hex, at least 8 digits. `concurrency` is how many calls the guest should run at once.
    `service` is the project's name, told to clients.
    """

    host: str
    call_prefix: str = ""
    source: str = ""
    concurrency: int = 1
    debug: bool = False
    limits: Limits = Limits()
    versions: tuple[int, int] = SPOKEN
    features: tuple[str, ...] = ()
    service: str = ""

    def call_id(self, call: int) -> str:
        """The public id of a call that carries no CALL_ID of its own."""
        return f"{self.call_prefix}{call:08x}"


class Ready(NamedTuple):
    """What a guest answers. `functions` is its manifest, unread; `token` is empty on an inherited socket."""

    language: str
    language_version: str = ""
    library: str = ""
    features: tuple[str, ...] = ()
    functions: tuple[dict[str, Any], ...] = ()
    token: str = ""
    version: int = VERSION


def dump_hello(hello: Hello) -> bytes:
    """The body of HELLO. Raises `ValueError` where a guest would refuse it."""
    fields = hello._asdict()
    fields["limits"] = hello.limits._asdict()
    body = dump(fields)
    try:
        accepted = load_hello(body)
    except ProtocolFault as fault:
        raise ValueError(fault.detail) from None
    if accepted.limits != hello.limits:
        message = f"{hello.limits} are past what travels"
        raise ValueError(message)
    return body


def load_hello(body: bytes) -> Hello:
    """Read the body of HELLO. Raises `ProtocolFault` where a known key is malformed."""
    document = load(body, "HELLO")
    limits = section(document, "limits", "HELLO")
    return Hello(
        text(document, "host", "HELLO"),
        text(document, "call_prefix", "HELLO", ""),
        text(document, "source", "HELLO", ""),
        integer(document, "concurrency", "HELLO", 1, 1),
        document.get("debug", False) is True,
        Limits(
            min(integer(limits, "frame_bytes_max", "HELLO", FRAME_BYTES_LEAST, FRAME_BYTES_MAX), 2**32 - 1),
            min(integer(limits, "credit_bytes", "HELLO", HEADER_BYTES, CREDIT_BYTES), CREDIT_BYTES_MAX),
            integer(limits, "calls_max", "HELLO", 1, CALLS_MAX),
            integer(limits, "segment_from_bytes", "HELLO", 1, SEGMENT_FROM_BYTES),
        ),
        _versions(document),
        _features(document, "HELLO"),
        text(document, "service", "HELLO", ""),
    )


def _features(document: dict[str, Any], what: str) -> tuple[str, ...]:
    features = items(document, "features", what)
    if not all(isinstance(feature, str) for feature in features):
        raise ProtocolFault(Reason.JSON, f"{what}: `features` must be a list of strings")
    return tuple(features)


def _versions(document: dict[str, Any]) -> tuple[int, int]:
    versions = items(document, "versions", "HELLO")
    if len(versions) != 2 or any(type(each) is not int for each in versions):  # noqa: PLR2004 - lowest and highest
        raise ProtocolFault(Reason.HANDSHAKE, "HELLO: `versions` must be [lowest, highest]")
    lowest, highest = versions
    if not 1 <= lowest <= highest:
        raise ProtocolFault(Reason.HANDSHAKE, f"HELLO: `versions` {versions} is not a range from 1 up")
    return lowest, highest


def dump_ready(ready: Ready) -> bytes:
    """The body of READY; `token` is its first key. Raises `ValueError` where the manifest is too large."""
    if len(ready.functions) > FUNCTIONS_MAX:
        message = f"{len(ready.functions)} functions; a worker offers at most {FUNCTIONS_MAX}"
        raise ValueError(message)
    fields = ready._asdict()
    fields = ({"token": ready.token} if ready.token else {}) | {k: v for k, v in fields.items() if k != "token"}
    body = dump(fields)
    if len(body) > READY_BYTES_MAX:
        message = f"a manifest of {len(body)} bytes; READY takes at most {READY_BYTES_MAX}"
        raise ValueError(message)
    return body


def load_ready(body: bytes, versions: tuple[int, int] = SPOKEN) -> Ready:
    """Read the body of READY, which must choose one of the versions offered. Raises `ProtocolFault`."""
    document = load(body, "READY")
    version = integer(document, "version", "READY", 1)
    if not versions[0] <= version <= versions[1]:
        raise ProtocolFault(Reason.HANDSHAKE, f"READY chose version {version}; offered were {versions}")
    functions = items(document, "functions", "READY")
    if len(functions) > FUNCTIONS_MAX:
        raise ProtocolFault(Reason.HANDSHAKE, f"READY: {len(functions)} functions; at most {FUNCTIONS_MAX} are taken")
    if not all(isinstance(function, dict) for function in functions):
        raise ProtocolFault(Reason.JSON, "READY: each of `functions` must be an object")
    return Ready(
        text(document, "language", "READY"),
        text(document, "language_version", "READY", ""),
        text(document, "library", "READY", ""),
        _features(document, "READY"),
        tuple(functions),
        text(document, "token", "READY", ""),
        version,
    )


def check_client(ready: Ready) -> None:
    """Raise `ProtocolFault` where the READY of a client offers what only a guest can."""
    offered = [*ready.functions, *(feature for feature in ready.features if feature in NO_CLIENT_OFFERS)]
    if offered:
        raise ProtocolFault(Reason.HANDSHAKE, f"READY: a client offers {offered[0]!s:.80}")


def negotiate(offered: tuple[int, int], spoken: tuple[int, int] = SPOKEN) -> int:
    """The highest version that both sides speak. Raises `ProtocolFault` where there is none."""
    version = min(offered[1], spoken[1])
    if version < max(offered[0], spoken[0]):
        detail = (
            f"no common version: the host speaks {offered[0]} to {offered[1]}, this guest {spoken[0]} to {spoken[1]}"
        )
        raise ProtocolFault(Reason.HANDSHAKE, detail)
    return version
