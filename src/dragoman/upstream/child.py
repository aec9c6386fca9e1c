"""A service that the host starts itself: confined like a worker, waited for, and started again when it ends.

It dies with the host, with all that it started. What it prints is log.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Draining, Fault, StartFailed
from dragoman.workers.output import OutputPipe
from dragoman.workers.scaling import YOUNG_S, backoff_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.sandbox.confinement import Confinement, Exit, Launch, Process

POLL_FIRST_S = 0.01
POLL_MAX_S = 0.25
"""Between two looks at its health: quick services are not waited for long, slow ones are not kept busy by it."""
ASK_S_MAX = 5.0
"""How long one look may take; a service that hangs is asked again."""
GONE_S = 8.0
"""How long an end waits for killed processes: longer than a kill is repeated."""
LAST_WORDS_CHARS_MAX = 1024


class Journal(Protocol):
    """Where it is told what the service prints, and what becomes of it."""

    def event(self, source: str, pid: int, call: None, event: Event) -> None:
        """It said something."""
        ...

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Something happened to it."""
        ...


class Child:
    """The process of one service.

    `launch(port)` is how it is started, `healthy(port)` why it cannot be called yet; `port` is a free one where
    `wants_port`, else 0.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[int], Launch],
        healthy: Callable[[int], Awaitable[str]],
        confinement: Confinement,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.fault: Fault | None = None
        self.starts = 0
        self.wants_port = False
        self.start_timeout_s = 30.0
        self._name = name
        self._launch = launch
        self._healthy = healthy
        self._confinement = confinement
        self._journal = journal
        self._clock = clock
        self._up: asyncio.Future[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def start(self) -> None:
        """Start it and wait until it is healthy. Raises `StartFailed`; it is tried again, then and whenever it ends."""
        if self._keeping is None:
            self._up = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.ensure_future(self._keep())
        await self.wait()

    async def wait(self) -> None:
        """Wait for the start that is under way. Raises `StartFailed`."""
        assert self._up is not None
        await asyncio.shield(self._up)

    def refusal(self) -> Fault | None:
        """Why it cannot be called now."""
        if self.fault is None:
            return None
        wait_s = max(self._retry_at - self._clock.monotonic(), 0.1)
        return StartFailed(self.fault.detail, retry_after_s=wait_s)

    async def stop(self) -> None:
        """Kill it, with all that it started, and wait until it is gone."""
        keeping, self._keeping = self._keeping, None
        if self._up is not None and not self._up.done():
            self._up.set_exception(Draining(f"{self._name} is stopping"))
            self._up.exception()
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait((keeping,), timeout=GONE_S)

    async def _keep(self) -> None:
        failures = 0
        while True:
            begun = self._clock.monotonic()
            well = False
            try:
                well = await self._run()
            except Fault as fault:
                self._failed(fault)
            failures = 0 if well and self._clock.monotonic() - begun > YOUNG_S else failures + 1
            pause_s = backoff_s(failures)
            self._retry_at = self._clock.monotonic() + pause_s
            await asyncio.sleep(pause_s)

    async def _run(self) -> bool:
        """One life of it; True where it came to be healthy. Raises `StartFailed` where not."""
        port = free_port() if self.wants_port else 0
        if not port and not await self._ask(0, ASK_S_MAX):
            hint = "let the host choose a port: put {port} into its address and its command"
            raise StartFailed(f"{self._name} is not started: something else answers at its address already; {hint}")
        self.starts += 1
        try:
            process = await self._confinement.start(self._launch(port), None)
        except OSError as error:
            raise StartFailed(f"{self._name} cannot be started: {error.strerror or error}") from None
        pipes = self._pipes(process)
        ended = asyncio.ensure_future(process.wait())
        try:
            await self._wait_healthy(ended, port, pipes)
            self._succeeded(process)
            await asyncio.shield(ended)
            self._failed(StartFailed(f"{self._name} ended with {ended.result()}{last_words(pipes)}"))
            return True
        finally:
            process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GONE_S):
                    await asyncio.shield(ended)
            for pipe in pipes:
                pipe.read()
                pipe.close()

    def _pipes(self, process: Process) -> list[OutputPipe]:
        def tell(event: Event) -> None:
            self._journal.event(self._name, process.pid, None, event)

        loop = asyncio.get_running_loop()
        return [
            OutputPipe(fd, stream, loop, self._clock, tell)
            for fd, stream in ((process.stderr_fd, "stderr"), (process.stdout_fd, "stdout"))
        ]

    async def _wait_healthy(self, ended: asyncio.Future[Exit], port: int, pipes: list[OutputPipe]) -> None:
        why = ""
        pause_s = POLL_FIRST_S
        until = self._clock.monotonic() + self.start_timeout_s
        while (left_s := until - self._clock.monotonic()) > 0:
            asking = asyncio.ensure_future(self._ask(port, min(ASK_S_MAX, left_s)))
            await asyncio.wait((ended, asking), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                asking.cancel()
                detail = f"{self._name} ended with {ended.result()} before it was ready{last_words(pipes)}"
                raise StartFailed(detail)
            why = asking.result()
            if not why:
                return
            await asyncio.wait((ended,), timeout=min(pause_s, left_s))
            pause_s = min(pause_s * 2, POLL_MAX_S)
        span = f"within its start_timeout of {self.start_timeout_s:g}s"
        raise StartFailed(f"{self._name} was not ready {span}: {why or 'it does not answer'}{last_words(pipes)}")

    async def _ask(self, port: int, timeout_s: float) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._healthy(port)
        except TimeoutError:
            return f"it did not answer within {timeout_s:.3g}s"

    def _succeeded(self, process: Process) -> None:
        self.fault = None
        if self.starts > 1:
            self._journal.note("info", "the service is back", self._name, process.pid)
        if self._up is not None and not self._up.done():
            self._up.set_result(None)

    def _failed(self, fault: Fault) -> None:
        self.fault = fault
        self._journal.note("error", fault.detail, self._name, 0)
        up, self._up = self._up, asyncio.get_running_loop().create_future()
        if up is not None and not up.done():
            up.set_exception(fault)
            up.exception()  # it may be that nobody waits


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_words(pipes: list[OutputPipe]) -> str:
    """What it printed last, as the end of a sentence."""
    for pipe in pipes:
        pipe.read()
        text = pipe.tail.decode("utf-8", "replace").strip()
        if text:
            return f"; its last words: {text[-LAST_WORDS_CHARS_MAX:]}"
    return ""
