"""A Mosquitto broker that tests may kill and stop: the system's program, with a folder of its own."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.leash import Leash, LeashedServer

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


class Server(LeashedServer):
    """One broker, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        super().__init__("mosquitto")

    def prepare(self) -> None:
        (self.folder / "mosquitto.conf").write_text(
            CONFIG.format(port=self.port, folder=self.folder, size_max=SIZE_MAX), "utf-8"
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def leash(self, log: Path) -> Leash:
        return Leash(["mosquitto", "-c", str(self.folder / "mosquitto.conf")], log)

    def kill(self) -> None:
        """End it as its clients see a crash, and let it write its file: it promises nothing of one that was killed."""
        self.program.signal(signal.SIGTERM)
        self.program.gone()
