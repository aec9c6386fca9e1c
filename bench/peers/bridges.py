"""What Python programs use to call one other language: Py4J, JPype, JSPyBridge, HTTP, gRPC."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import tempfile
import time
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.servers import ROOT, found, make
from bench.system import READY_S_MAX, Child, Missing, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PEERS = ROOT / "bench" / "peers"
POLL_S = 0.01


@contextlib.contextmanager
def py4j(text: str) -> Generator[Callable[[], str]]:
    """Py4J: a JVM of its own behind a socket."""
    classes, jar = _classes()
    gateways: Any = import_module("py4j.java_gateway")
    port = free_port()
    with running([found("java"), "-cp", f"{jar}:{classes}", "Mirror", str(port)]) as child:
        _until_listening(port, child)
        parameters = gateways.GatewayParameters(port=port)
        gateway = gateways.JavaGateway(gateway_parameters=parameters)
        with contextlib.closing(gateway):
            mirror = gateway.entry_point.mirror
            yield lambda: mirror(text)


@contextlib.contextmanager
def jpype(text: str) -> Generator[Callable[[], str]]:
    """JPype: a JVM inside of the process."""
    classes, jar = _classes()
    bridge: Any = import_module("jpype")
    bridge.startJVM(classpath=[classes, jar])
    mirror = bridge.JClass("Mirror")().mirror
    yield lambda: str(mirror(text))


@contextlib.contextmanager
def jspybridge(text: str) -> Generator[Callable[[], str]]:
    """JSPyBridge: a Node of its own behind pipes."""
    found("node")
    module: Any = import_module("javascript").require(str(PEERS / "node" / "mirror.cjs"))
    yield lambda: module.mirror(text)


@contextlib.contextmanager
def node_http(text: str) -> Generator[Callable[[], str]]:
    """Node's own HTTP server, and the standard library's client on one kept connection."""
    port = free_port()
    with running([found("node"), str(PEERS / "node" / "mirror.cjs"), str(port)]) as child:
        _until_listening(port, child)
        connection = HTTPConnection("127.0.0.1", port, timeout=READY_S_MAX)

        def call() -> str:
            connection.request("POST", "/", json.dumps({"text": text}), {"content-type": "application/json"})
            return json.loads(connection.getresponse().read())

        with contextlib.closing(connection):
            yield call


@contextlib.contextmanager
def grpc_go(text: str) -> Generator[Callable[[], str]]:
    """Grpcio to a grpc-go server on a UNIX socket."""
    from bench.foreign import build  # noqa: PLC0415 - the callers of other contestants do without
    from bench.peers.grpc_unix import connected  # noqa: PLC0415 - it starts threads

    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        address = f"{folder}/grpc.sock"
        with running([*build("Go"), "serve-grpc", address, "0"]), connected(f"unix:{address}", text.encode()) as call:
            yield lambda: call().decode()


def _classes() -> tuple[str, str]:
    """Java's end, compiled, and Py4J's jar."""
    package: Any = import_module("py4j")
    jars = sorted(Path(sys.prefix, "share", "py4j").glob("py4j*.jar"))
    if not jars:
        raise Missing(f"the jar of py4j {package.__file__} is not at its place")
    classes = ROOT / "bench" / ".build" / "java"
    make(["javac", "--release", "17", "-cp", str(jars[0]), "-d", str(classes), "Mirror.java"], PEERS / "java")
    return str(classes), str(jars[0])


def _until_listening(port: int, child: Child) -> None:
    give_up_at = time.monotonic() + READY_S_MAX
    while True:
        child.check()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"not ready after {READY_S_MAX:.0f} s: {child.tail()}")
        time.sleep(POLL_S)
