"""What can go wrong between two machines, as faults: which of the client's errors means that the call never began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from dragoman.core.fault import Fault, InvalidArgument, Started, Unavailable

if TYPE_CHECKING:
    from dragoman.client.exchange import Patience

ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)
"""All that the HTTP client raises on its own."""

REASON_CHARS_MAX = 300


def fault_of(error: Exception, address: str, patience: Patience, now: float) -> Fault:
    """The fault that an error of the HTTP client means to a caller."""
    fault = _fault_of(error, address, patience, now)
    fault.function = patience.function
    return fault


def _fault_of(error: Exception, address: str, patience: Patience, now: float) -> Fault:
    why = (str(error) or type(error).__name__)[:REASON_CHARS_MAX]
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        if now >= patience.deadline:
            return patience.exceeded(Started.NO)
        what = "took no connection" if isinstance(error, httpx2.ConnectTimeout) else "had no connection free"
        return Unavailable(f"{address} {what} in time", started=Started.NO)
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError | httpx2.UnsupportedProtocol):
        return Unavailable(f"cannot connect to {address}: {why}", started=Started.NO)
    if isinstance(error, httpx2.TimeoutException):
        return patience.exceeded(Started.UNKNOWN)
    if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL):
        return InvalidArgument(f"this cannot be sent: {why}", started=Started.NO)
    return Unavailable(f"the connection to {address} broke: {why}", started=Started.UNKNOWN)
