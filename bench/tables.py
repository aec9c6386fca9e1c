"""A table of 80 MB sent to a function and back by a blocking program: `python -m bench.tables NAME CALLS`.

Of every contestant the caller has a table, and gets one: what it takes to write and read it counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from functools import partial
from http.client import OK, HTTPConnection
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

import dragoman
from bench import servers
from bench.caller import measure
from bench.servers import ROOT
from bench.system import READY_S_MAX, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bench.system import Child

    Call = Callable[[], Any]

pa: Any = import_module("pyarrow")  # it has no types
ROWS, COLUMNS = 1_000_000, 10
ROOM_BYTES = ROWS * COLUMNS * 8 + 1_000_000
ARROW = "application/vnd.apache.arrow.stream"
HEADERS = {"Content-Type": ARROW, "Accept": ARROW}
CALL_S_MAX = 60
PATH = "/v1/call/functions.table"


def made() -> Any:
    """The table: a million rows of ten numbers."""
    chance = np.random.default_rng(7)
    return pa.table({f"c{column}": chance.random(ROWS) for column in range(COLUMNS)})


def written(table: Any) -> Any:
    """A table as an Arrow stream: a buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def written_into(buffer: Any, table: Any) -> memoryview:
    """The same in memory that was written before: a first touch costs more than the copy."""
    sink = pa.FixedSizeBufferWriter(buffer)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(buffer)[: sink.tell()]


def fill(memory: memoryview, read_into: Callable[[memoryview], int]) -> int:
    """Read until the end; how many bytes came."""
    size = 0
    while count := read_into(memory[size:]):
        size += count
    return size


def read(body: Any) -> Any:
    """The table that a stream is."""
    return pa.ipc.open_stream(body).read_all()


@contextlib.contextmanager
def copied(table: Any) -> Generator[Call]:
    """One memcpy of it, into memory that is warm: the measure of all the others."""
    source = np.frombuffer(written(table), dtype=np.uint8)
    target = np.empty_like(source)

    def call() -> Any:
        np.copyto(target, source)
        return table

    yield call


@contextlib.contextmanager
def opened(language: str, table: Any) -> Generator[Call]:
    """`dragoman.open`, and a function in some language."""
    with dragoman.open(ROOT / servers.prepare_tables(language)) as project:

        def call() -> Any:
            answer = project.call("functions.table", table)
            return read(answer) if isinstance(answer, bytes) else answer

        yield call


@contextlib.contextmanager
def posted(language: str, table: Any) -> Generator[Call]:
    """HTTP to a function in some language, by the standard library's client with buffers that it keeps."""
    source = servers.prepare_tables(language)
    with servers.on_free_port(lambda port: servers.dragoman(port, source)) as server:
        connection = HTTPConnection(server.url.removeprefix("http://"), timeout=CALL_S_MAX)
        outgoing, incoming = (pa.allocate_buffer(ROOM_BYTES) for _ in range(2))

        def call() -> Any:
            connection.request("POST", PATH, written_into(outgoing, table), HEADERS)
            answer = connection.getresponse()
            size = fill(memoryview(incoming), answer.readinto)
            if answer.status != OK:
                raise RuntimeError(f"{answer.status} {incoming.to_pybytes()[: min(size, 200)]!r}")
            return read(incoming.slice(0, size))

        with contextlib.closing(connection):
            yield call


@contextlib.contextmanager
def echoed(table: Any) -> Generator[Call]:
    """Nothing but a TCP connection, and who gives back what it gets: the floor for HTTP."""
    body = memoryview(written(table))
    port = free_port()
    command = [sys.executable, "-m", "bench.peers.tcp_echo", str(port), str(len(body))]
    with running(command) as child, contextlib.closing(reached(port, child)) as wire:
        incoming = pa.allocate_buffer(len(body))

        def call() -> Any:
            wire.sendall(body)
            left = memoryview(incoming)
            while left:
                left = left[wire.recv_into(left) :]
            return read(incoming)

        yield call


def reached(port: int, child: Child) -> socket.socket:
    """A connection to a server that is there or coming."""
    give_up_at = time.monotonic() + READY_S_MAX
    while True:
        child.check()
        try:
            return socket.create_connection(("127.0.0.1", port), CALL_S_MAX)
        except ConnectionRefusedError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


@contextlib.contextmanager
def flight(table: Any) -> Generator[Call]:
    """Arrow Flight, one exchange a call."""
    module: Any = import_module("pyarrow.flight")
    address = f"grpc://127.0.0.1:{free_port()}"
    with running([sys.executable, "-m", "bench.peers.flight", address]), module.connect(address) as client:
        client.wait_for_available(READY_S_MAX)
        descriptor = module.FlightDescriptor.for_command(b"table")

        def call() -> Any:
            writer, reader = client.do_exchange(descriptor)
            with writer:
                writer.begin(table.schema)
                writer.write_table(table)
                writer.done_writing()
                return reader.read_all()

        yield call


@contextlib.contextmanager
def grpc(table: Any) -> Generator[Call]:
    """The grpcio package over a UNIX socket: an Arrow stream as the bytes of a message."""
    from bench.peers.grpc_unix import sending  # noqa: PLC0415 - it starts threads

    with sending() as send:
        yield lambda: read(send(written(table).to_pybytes()))


@contextlib.contextmanager
def msgpack(table: Any) -> Generator[Call]:
    """MessagePack over a UNIX socket: each column a list of numbers, read and written anew at the other end."""
    from bench.peers import packed  # noqa: PLC0415 - the other contestants do without

    ours, theirs = socket.socketpair()
    with ours, running([sys.executable, "-m", "bench.peers.packed", str(theirs.fileno())], (theirs.fileno(),)):
        theirs.close()

        def call() -> Any:
            columns = {name: table[name].to_numpy().tolist() for name in table.column_names}
            packed.send(ours, columns)
            answer = packed.receive(ours)
            return pa.table({name: np.array(column) for name, column in answer.items()})

        yield call


CONTESTANTS: dict[str, Callable[[Any], Any]] = {
    "copy": copied,
    **{f"{name}.open": partial(opened, name) for name in ("Python", "Go", "Rust")},
    **{f"{name}.http": partial(posted, name) for name in ("Python", "Go", "Rust")},
    "tcp": echoed,
    "flight": flight,
    "grpc": grpc,
    "msgpack": msgpack,
}


def main(name: str, calls: int) -> None:
    """Measure one contestant and print its figures as JSON."""
    os.chdir(ROOT)
    table = made()
    with CONTESTANTS[name](table) as call:
        print(json.dumps(measure(call, table, calls)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
