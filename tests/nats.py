"""A NATS server with JetStream that tests may kill and stop: the system's program, with a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tests.leash import Leash, LeashedServer

CONFIG = """\
host: 127.0.0.1
port: {port}
jetstream {{ store_dir: "{folder}/jetstream", max_mem: 64MB, max_file: 1GB }}
"""


class Server(LeashedServer):
    """One server, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        super().__init__("nats")

    def prepare(self) -> None:
        (self.folder / "nats.conf").write_text(CONFIG.format(port=self.port, folder=self.folder), "utf-8")

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def leash(self, log: Path) -> Leash:
        return Leash(["nats-server", "-c", str(self.folder / "nats.conf")], log)
