"""A Valkey or Redis server that hosts share, used so that its troubles are never theirs.

No operation takes longer than its timeout, only so many are in flight, and a server that does not answer is left alone:
operations then fail at once, while the connection is tried again in the background, with growing pauses (exponential
backoff with full jitter; Brooker, AWS Architecture Blog, 2015). Operations fail with `StoreLost` and nothing else.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.stores.connecting import LASTING_S, address, connector, opened
from dragoman.stores.feed import Feed, Listener
from dragoman.stores.link import Lacking, Link, fail, failed
from dragoman.stores.lost import StoreLost
from dragoman.stores.script import Script

if TYPE_CHECKING:
    from dragoman.stores.options import StoreOptions

DOUBLINGS_MAX = 30
"""Of a pause: past it the longest one is long reached, and the number would only grow."""


class Valkey:
    """One server, for all that one host shares. `start` it in the running loop, `close` it there.

    Operations return futures, sent off already: await one, add a callback, or drop it. `up` says whether it is worth
    asking. `on_change`, where set, is told of every change of that, with the reason.
    """

    def __init__(self, options: StoreOptions, *, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 up to 1, for the pauses. Raises `ValueError` for a URL that cannot be one."""
        self.options = options
        self.counts: dict[str, int] = dict.fromkeys(
            ("operations", "timeouts", "refused", "full", "crowded", "down", "connected", "lost", "beats"), 0
        )
        self.on_change: Callable[[bool, str], object] = lambda up, why: None  # noqa: ARG005 - nobody listens yet
        self._connect = connector(options)
        self._address = address(options.url)
        self._chance = chance
        self._prefix = f"{options.prefix}:".encode()
        self._scripts: dict[str, Script] = {}
        self._link: Link | None = None
        self._feed = Feed(self._connect, options, self._pause_s)
        self._why = "not connected yet"
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._down = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether it is worth asking: there is a connection, and answers come in time.

        Without a connection operations fail at once. Where one answer was late, the next would be, too: a call that has
        waited for one is not to wait in each layer anew.
        """
        link = self._link
        return link is not None and not link.doubted

    def state(self) -> dict[str, object]:
        """What an operator may want to see; no secrets."""
        link = self._link
        return {
            "address": self._address,
            "up": link is not None,
            "why": self._why,
            "in_flight": 0 if link is None else link.in_flight,
            "listening": self._feed.up,
        }

    def start(self) -> None:
        """Begin to connect. Returns at once: until there is a connection the store is down."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._stay())

    async def ready(self, within_s: float) -> bool:
        """Wait until there is a connection. False where there is none in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._up.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let go of all connections; what is in flight fails."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None
        await self._feed.close()

    # Operations

    def get(self, key: str) -> asyncio.Future[bytes | None]:
        """The value of a key, or None where there is none."""
        return self._ask(b"GET", self._key(key))

    def set(self, key: str, value: bytes, ttl_s: float) -> asyncio.Future[bytes]:
        """Have a key mean a value for so many seconds."""
        return self._ask(b"SET", self._key(key), value, b"PX", max(round(ttl_s * 1000), 1))

    def publish(self, channel: str, message: bytes) -> asyncio.Future[int]:
        """Tell all who listen to a channel now; how many heard."""
        return self._ask(b"PUBLISH", self._key(channel), message)

    def evaluate(
        self, text: str, keys: Sequence[str], arguments: Sequence[bytes | str | float] = ()
    ) -> asyncio.Future[Any]:
        """What a Lua script returns: bytes, an integer, None, or a list of these. There are few, always the same."""
        script = self._scripts.get(text)
        if script is None:
            script = self._scripts[text] = Script(text)
        rest = (len(keys), *map(self._key, keys), *arguments)
        first = self._ask(b"EVALSHA", script.name, *rest)
        answer: asyncio.Future[Any] = first.get_loop().create_future()

        def known(done: asyncio.Future[Any]) -> None:
            # A server that is new, or was restarted, has to be given the script once.
            if not done.cancelled() and isinstance(done.exception(), Lacking) and not answer.done():
                self._ask(b"EVAL", script.text, *rest).add_done_callback(lambda last: pass_on(last, answer))
            else:
                pass_on(done, answer)

        first.add_done_callback(known)
        return answer

    def subscribe(
        self, channel: str, heard: Callable[[bytes], object], missed: Callable[[], object]
    ) -> Callable[[], None]:
        """Have `heard` called with each message of a channel, until what is returned is called.

        `missed` is called whenever messages may have been lost: each time that listening begins, or begins again.
        """
        return self._feed.subscribe(self._key(channel), Listener(heard, missed))

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode()

    def _ask(self, *command: bytes | str | float) -> asyncio.Future[Any]:
        link = self._link
        if link is None:
            self.counts["down"] += 1
            return failed(StoreLost(f"the store at {self._address} is down: {self._why}"))
        self.counts["operations"] += 1
        return link.ask(*command)

    # The connection

    async def _stay(self) -> None:
        """Be connected, for as long as it takes."""
        failures, clock = 0, asyncio.get_running_loop().time
        try:
            while True:
                try:
                    await self._open()
                    opened_at = clock()
                    await self._beat()
                    failures = 0 if clock() - opened_at >= LASTING_S else failures + 1
                except StoreLost as error:
                    self._why = str(error)
                    failures += 1
                await asyncio.sleep(self._pause_s(failures))
        finally:
            if self._link is not None:
                await self._link.close()

    async def _open(self) -> None:
        """Connect, and see that answers come in time. Raises `StoreLost`."""
        connection = await opened(self._connect, self.options.connect_s)
        self._down.clear()
        link = Link(connection, self.options, self.counts, self._lost)
        try:
            await link.ask(b"PING")
        except BaseException:
            await link.close()
            raise
        self._link = link
        self._why = ""
        self.counts["connected"] += 1
        self._up.set()
        self.on_change(True, "")  # noqa: FBT003 - what it is told

    async def _beat(self) -> None:
        """Ask now and then where nobody else does, so that a dead connection is known before it is needed."""
        while (link := self._link) is not None:
            try:
                async with asyncio.timeout(self.options.idle_s):
                    await self._down.wait()
            except TimeoutError:
                if not link.in_flight:
                    self.counts["beats"] += 1
                    link.ask(b"PING")

    def _lost(self, why: str) -> None:
        self._why = why
        self._down.set()
        if self._link is None:
            return
        self._link = None
        self._up.clear()
        self.counts["lost"] += 1
        self.on_change(False, why)  # noqa: FBT003 - what it is told

    def _pause_s(self, failures: int) -> float:
        options = self.options
        most_s = min(options.pause_s * 2 ** min(failures, DOUBLINGS_MAX), options.pause_s_max)
        return most_s * self._chance()


def pass_on(done: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
    """Give one answer the outcome of another."""
    if answer.done():
        return
    if done.cancelled():
        answer.cancel()
    elif (error := done.exception()) is None:
        answer.set_result(done.result())
    else:
        fail(answer, error if isinstance(error, StoreLost) else StoreLost(repr(error)))
