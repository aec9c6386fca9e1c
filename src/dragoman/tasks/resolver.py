"""Names into addresses, on a few threads of its own: a name server that is slow must not hold what others wait for.

The machine's resolver is used, so that `/etc/hosts` and the rest hold. It cannot be interrupted: a thread that is asked
for a name which nobody answers for is busy until it gives up, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from ipaddress import ip_address
from typing import Protocol

THREADS_MAX = 8
ADDRESSES_MAX = 64
"""Each is looked at before one is connected to; a name with more of them is nobody's who wants to be reached."""


class Resolver(Protocol):
    """Finds the addresses of a host."""

    async def __call__(self, host: str, port: int, /) -> list[str]:
        """Its addresses, best first, at least one. Raises `OSError`, with a reason for people."""
        ...


class SystemResolver:
    """As the machine does it. For one loop."""

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._slots = asyncio.Semaphore(threads_max)

    async def __call__(self, host: str, port: int, /) -> list[str]:
        """Its addresses. Raises `OSError`."""
        with contextlib.suppress(ValueError):
            return [str(ip_address(host))]
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def tell(found: list[str] | OSError) -> None:
            self._slots.release()
            if answer.cancelled():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            found = resolved(host, port)
            try:
                loop.call_soon_threadsafe(tell, found)
            except RuntimeError:
                return  # the loop has ended meanwhile

        threading.Thread(target=look, name="dragoman-resolver", daemon=True).start()
        return await answer


def resolved(host: str, port: int) -> list[str] | OSError:
    """The addresses of a host, or why there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        return OSError(f"the name {host} has no address: {why}")
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    return addresses[:ADDRESSES_MAX] or OSError(f"the name {host} has no address")
