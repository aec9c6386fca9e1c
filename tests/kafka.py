"""A Kafka broker that tests may kill and stop: the real one, from Maven Central, as one node without ZooKeeper."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.leash import Leash, LeashedServer, free_port

PROJECT = Path(__file__).parent / "kafka_broker"
JAVA = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
CLUSTER = "ZHJhZ29tYW4tdGVzdHMtMQ"
"""Sixteen bytes, in Base64."""
CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{control}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={folder}/data
num.partitions=4
num.network.threads=1
num.io.threads=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
log.flush.interval.messages=1
log.cleaner.enable=false
"""
"""Every record is flushed before it is acknowledged: nobody has another copy. One that was killed may soon be back."""


@functools.cache
def class_path() -> str:
    """What the broker is made of; fetched the first time."""
    file = PROJECT / "target" / "classpath"
    if file.exists() and all(Path(part).exists() for part in file.read_text("utf-8").split(":")):
        return file.read_text("utf-8")
    file.parent.mkdir(exist_ok=True)
    command = ["mvn", "-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={file}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return file.read_text("utf-8")


class Server(LeashedServer):
    """One broker, at one port and with one folder from its first start to its last."""

    def __init__(self) -> None:
        super().__init__("kafka")

    def prepare(self) -> None:
        self._config = self.folder / "server.properties"
        text = CONFIG.format(port=self.port, control=free_port(), folder=self.folder)
        self._config.write_text(text, "utf-8")
        self._java = [*JAVA, "-cp", class_path()]
        format_ = [*self._java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c"]
        subprocess.run([*format_, str(self._config)], check=True, capture_output=True, timeout=60)

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def leash(self, log: Path) -> Leash:
        return Leash([*self._java, "kafka.Kafka", str(self._config)], log)
