"""Messages posted to URLs that somebody else named, and what becomes of them.

A connection goes to an address that was looked at just before (`dragoman.tasks.reach`), and to no other place: a
redirect is a failure, whatever it points to. Of the answer the status counts. Nothing of its body is read for long,
kept, or told to anybody, since whoever may name URLs may not read what this host can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from dragoman.tasks.verdict import Verdict

if TYPE_CHECKING:
    from dragoman.core.clock import Clock
    from dragoman.tasks.callback import Url
    from dragoman.tasks.message import Message
    from dragoman.tasks.reach import Reach
    from dragoman.tasks.resolver import Resolver

TRIES_MAX = 4
"""Addresses of one host that are tried in one attempt."""
CHECK_S = 2.0
"""How long a submission waits for a name; what is not known by then is seen when the message goes out."""
GONE = 410
SHOWN_CHARS_MAX = 200


class Post(Protocol):
    """Posts once, to one address."""

    async def __call__(
        self, url: str, headers: Mapping[str, str], body: bytes, server_name: str, connect_s: float, /
    ) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of the answer, of whose body little is read.

        Args:
            url: With an address for its host.
            headers: All of them, the host among them.
            body: What is posted.
            server_name: Whose certificate it must be, where TLS is spoken.
            connect_s: How long connecting may take.

        Raises:
            ConnectionRefusedError: Where nothing has been sent, for any reason, so that another address may be tried.
            OSError: Where it broke later. Both tell people why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an attempt may take: to connect to one address, and as a whole."""

    connect_s: float = 5.0
    total_s: float = 15.0


class Webhooks:
    """Posts messages."""

    def __init__(self, post: Post, resolver: Resolver, reach: Reach, clock: Clock, patience: Patience) -> None:
        self._post = post
        self._resolver = resolver
        self._reach = reach
        self._clock = clock
        self._patience = patience

    async def check(self, url: Url) -> str:
        """Why nothing may be posted there, as far as can be told quickly; empty where it may."""
        try:
            async with asyncio.timeout(CHECK_S):
                addresses = await self._resolver(url.host, url.port)
        except OSError:  # a TimeoutError is one: a name server in trouble refuses nobody's tasks
            return ""
        return self._reach.refusal(url.host, addresses)

    async def __call__(self, url: Url, message: Message) -> Verdict:
        """Post a message."""
        try:
            async with asyncio.timeout(self._patience.total_s):
                status, headers = await self._posted(url, message)
        except TimeoutError:
            return Verdict(f"{url.origin} had not answered after {self._patience.total_s:g}s")
        except OSError as error:
            return Verdict(str(error) or type(error).__name__)
        return self._judged(url, status, headers)

    async def _posted(self, url: Url, message: Message) -> tuple[int, Mapping[str, str]]:
        addresses = await self._resolver(url.host, url.port)
        if why := self._reach.refusal(url.host, addresses):
            raise OSError(why)
        headers = {"host": url.authority, "accept-encoding": "identity", **message.headers}
        refused: OSError = OSError(f"{url.origin} has no address")
        for address in addresses[:TRIES_MAX]:
            at = f"{url.scheme}://{f'[{address}]' if ':' in address else address}:{url.port}{url.target}"
            name = url.host.rstrip(".")
            try:
                return await self._post(at, headers, message.body, name, self._patience.connect_s)
            except ConnectionRefusedError as error:
                refused = error
        raise refused

    def _judged(self, url: Url, status: int, headers: Mapping[str, str]) -> Verdict:
        if 200 <= status < 300:  # noqa: PLR2004 - the successes
            return Verdict()
        if 300 <= status < 400:  # noqa: PLR2004 - the redirects
            place = headers.get("location", "")[:SHOWN_CHARS_MAX]
            return Verdict(f"{url.origin} answered {status} and points to {place!a}: callbacks follow no redirects")
        why = f"{url.origin} answered {status}"
        return Verdict(why, gone=status == GONE, retry_after_s=self._retry_after_s(headers))

    def _retry_after_s(self, headers: Mapping[str, str]) -> float:
        """Seconds of `Retry-After`, 0 for none that can be read."""
        text = headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(parsedate_to_datetime(text).timestamp() - self._clock.now(), 0.0)
        except (ValueError, OverflowError, OSError):
            return 0.0
