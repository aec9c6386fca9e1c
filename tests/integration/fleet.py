"""Hosts of one project that are killed, paused and started anew, with their workers."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import psutil

from tests.integration.web import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.web import Web

HOSTS = 2
LEASE_S = 2.0


class Fleet:
    """Hosts that are started anew as often as they are killed."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        self.toml = toml
        self.kills = self.pauses = 0
        self._webs: list[Web | None] = [None] * HOSTS
        self._stacks = [contextlib.ExitStack() for _ in range(HOSTS)]
        self._lock = threading.Lock()

    def start(self, place: int) -> None:
        web = self._stacks[place].enter_context(serving(cwd=self.folder, toml=self.toml))
        with self._lock:
            self._webs[place] = web

    def any(self, chance: random.Random) -> Web | None:
        with self._lock:
            there = [web for web in self._webs if web is not None]
        return chance.choice(there) if there else None

    def kill_host(self, place: int) -> None:
        with self._lock:
            web, self._webs[place] = self._webs[place], None
        if web is not None:
            web.signal(signal.SIGKILL)
            web.ended()
            self.kills += 1
            self._stacks[place].close()

    def pause(self, place: int, chance: random.Random) -> None:
        """Have a host or a worker of it stand still, for longer than its lease now and then."""
        web = self._webs[place]
        if web is None:
            return
        with contextlib.suppress(psutil.Error):
            host = psutil.Process(web.process.pid)
            paused = chance.choice([host, chance.choice(_workers(host) or [host])])
            paused.suspend()
            try:
                time.sleep(chance.uniform(0, 2 * LEASE_S))
            finally:
                paused.resume()
            self.pauses += 1

    def kill_worker(self, place: int, chance: random.Random) -> None:
        web = self._webs[place]
        if web is None:
            return
        with contextlib.suppress(psutil.Error):
            if workers := _workers(psutil.Process(web.process.pid)):
                chance.choice(workers).kill()
                self.kills += 1

    def stop(self) -> None:
        for stack in self._stacks:
            stack.close()


def _workers(host: psutil.Process) -> list[psutil.Process]:
    return [each for each in host.children(recursive=True) if "dragoman.guest" in each.cmdline()]
