"""A NATS server with JetStream that tests may kill and stop: the system's program, with a folder of its own."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

from tests.leash import Leash, free_port

CONFIG = """\
host: 127.0.0.1
port: {port}
jetstream {{ store_dir: "{folder}/jetstream", max_mem: 64MB, max_file: 1GB }}
"""


class Server:
    """One server, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dragoman-nats-"))
        self.port = free_port()
        (self._folder / "nats.conf").write_text(CONFIG.format(port=self.port, folder=self._folder), "utf-8")
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._leash = Leash(["nats-server", "-c", str(self._folder / "nats.conf")], self._folder / "out")
        self._leash.answers_at(self.port)

    def kill(self) -> None:
        """As a crash would: at once. What it has confirmed is on its disk."""
        self._leash.kill()

    def stop(self) -> None:
        """Have it hang: connections stay, and nothing is answered."""
        self._leash.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._leash.signal(signal.SIGCONT)

    def close(self) -> None:
        self._leash.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
