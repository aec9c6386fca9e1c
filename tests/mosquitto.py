"""A Mosquitto broker that tests may kill and stop: the system's program, with a folder of its own."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

from tests.leash import Leash, free_port

SIZE_MAX = 1024 * 1024
CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
max_packet_size {size_max}
"""


class Server:
    """One broker, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dragoman-mosquitto-"))
        self.port = free_port()
        (self._folder / "mosquitto.conf").write_text(
            CONFIG.format(port=self.port, folder=self._folder, size_max=SIZE_MAX), "utf-8"
        )
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._leash = Leash(["mosquitto", "-c", str(self._folder / "mosquitto.conf")], self._folder / "out")
        self._leash.answers_at(self.port)

    def kill(self) -> None:
        """End it as its clients see a crash, and let it write its file: it promises nothing of one that was killed."""
        self._leash.signal(signal.SIGTERM)
        self._leash.gone()

    def stop(self) -> None:
        """Have it hang: connections stay, and nothing is answered."""
        self._leash.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._leash.signal(signal.SIGCONT)

    def close(self) -> None:
        self._leash.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
