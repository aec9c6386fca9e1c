"""A RabbitMQ node that tests may kill and stop: the system's program, with a folder and an epmd of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.leash import Leash, LeashedServer, free_port

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""The one in PATH is Debian's wrapper, which goes on as another user, in the system's own folders."""
EPMD_TOO = 'epmd -port "$ERL_EPMD_PORT" & exec "$1"'
"""Else the node starts one, which outlives it."""
SIZE_MAX = 1024 * 1024
CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
max_message_size = {size_max}
"""


class Server(LeashedServer):
    """One node, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        super().__init__("rabbitmq")

    def prepare(self) -> None:
        self._ports = (free_port(), free_port())
        (self.folder / "rabbitmq.conf").write_text(CONFIG.format(port=self.port, size_max=SIZE_MAX), "utf-8")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def leash(self, log: Path) -> Leash:
        folder, (distribution, epmd) = self.folder, self._ports
        program = PROGRAM if Path(PROGRAM).exists() else shutil.which("rabbitmq-server") or PROGRAM
        env = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_NODENAME": "dragoman@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        return Leash(["sh", "-c", EPMD_TOO, "rabbitmq", program], log, env)
