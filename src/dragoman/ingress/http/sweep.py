"""Slow clients: one look a second at every connection, instead of timers for each."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from dragoman.core.fault import DeadlineExceeded, Started
from dragoman.ingress.http.head import Refusal
from dragoman.ingress.http.protocol import Phase

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.protocol import CallProtocol

TICK_S = 1.0
LINGER_S = 2.0
"""How long a client that was refused in mid-request may go on sending before its connection is cut."""
REQUEST_TIMEOUT = 408


def sweep(connections: Iterable[CallProtocol], lane: CallLane) -> None:
    """Close connections that are idle, send too slowly or leave their replies unread. Wants to be called every tick."""
    now = lane.now()
    for connection in connections:
        look_at(connection, lane, now)


def look_at(connection: CallProtocol, lane: CallLane, now: float) -> None:
    """Decide about one connection."""
    options = lane.options
    if connection.socket is not None:
        connection.socket.tick(now)
    quiet_s = now - connection.since
    if connection.unread_s(now) > options.write_timeout_s or (connection.held_back and has_left(connection.transport)):
        connection.transport.abort()
    elif connection.phase is Phase.HEAD and quiet_s > options.header_timeout_s:
        refuse(connection, f"a request's head must come within {options.header_timeout_s:g}s")
    elif connection.phase is Phase.BODY and quiet_s > options.body_timeout_s and not connection.feeding:
        refuse(connection, f"a request's body must come within {options.body_timeout_s:g}s")
    elif connection.lingering and quiet_s > LINGER_S:
        if not connection.busy:
            connection.transport.abort()
    elif connection.idle and quiet_s > options.keep_alive_s:
        connection.transport.close()
    elif connection.busy and connection.phase is Phase.IDLE:
        # It becomes idle only once it has been answered.
        connection.since = now


def has_left(transport: asyncio.Transport) -> bool:
    """Whether the client has closed a connection that is not being read, so that nobody else would notice."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def refuse(connection: CallProtocol, detail: str) -> None:
    """Answer 408 and close."""
    fault = DeadlineExceeded(detail, started=Started.NO)
    connection.refuse(Refusal(fault, REQUEST_TIMEOUT, reason="slow"))
