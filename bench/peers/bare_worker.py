"""The least that can stand behind the wire: no contracts, no contexts, no faults; reads, runs, answers.

What the Python guest costs beyond this is what its safety costs.
"""

import json
import os
import socket
import struct
from collections.abc import Callable

import msgspec

from bench import functions
from bench.peers.asgi_server import add, price

HEADER = struct.Struct("<IBBBBIIQII")
READY, CALL, END = 2, 3, 5
READ_BYTES = 64 * 1024


def mirror(body: bytes) -> bytes:
    """Give back a text."""
    return msgspec.json.encode(functions.mirror(msgspec.json.decode(body, type=dict[str, str])["text"]))


FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {
    "add": add,
    "price": price,
    "echo": functions.echo,
    "mirror": mirror,
}


def frame(kind: int, codec: int, call: int, body: bytes) -> bytes:
    """Write a frame without meta."""
    return HEADER.pack(len(body), 1, kind, 0, codec, 0, 0, call, 0, 0) + body


def serve(wire: socket.socket) -> None:
    """Answer calls until the host closes the socket."""
    table = list(FUNCTIONS.values())
    offered = [{"name": name} for name in FUNCTIONS]
    manifest = {"language": "python", "version": 1, "features": [], "functions": offered}
    wire.sendall(frame(READY, 1, 0, json.dumps(manifest).encode()))
    buffer = bytearray()
    function: int
    while chunk := wire.recv(READ_BYTES):
        buffer += chunk
        replies: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEADER.size:
            length, _, kind, _, codec, function, meta, call, _, _ = HEADER.unpack_from(buffer, start)
            end = start + HEADER.size + length
            if len(buffer) < end:
                break
            if kind == CALL:
                body = bytes(memoryview(buffer)[start + HEADER.size + meta : end])
                replies.append(frame(END, codec & 0x0F, call, table[function](body)))
            start = end
        del buffer[:start]
        if replies:
            wire.sendall(b"".join(replies))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(os.environ["DRAGOMAN_WIRE_FD"])))
