"""Fuzz target of the wire: whatever bytes come, frames or a `ProtocolFault` come out, and memory follows the input.

`python tests/fuzz/wire_decoder.py --seconds 5` mutates the vectors at random, from a seed that it prints; where
atheris is installed, `--atheris [its own options]` lets coverage guide it.
"""

from __future__ import annotations

import json
import random
import sys
from functools import partial
from pathlib import Path

from mutation import fuzz, mutate

from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.decoder import Decoder
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind
from dragoman.wire.handshake import Hello, Limits, Ready
from dragoman.wire.report import load_event, load_fault
from dragoman.wire.segment import Region
from dragoman.wire.state import Role

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"
TOKENS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0")
NAMED = meta.encode(function="a.b")


def corpus() -> list[bytes]:
    """What each side says in each conversation, without the handshake, and every single frame."""
    seeds: list[bytes] = []
    for path in sorted(VECTORS.glob("conversations/*.json")):
        steps = json.loads(path.read_text("utf-8"))["steps"]
        sides = ("host", "guest")
        seeds += [b"".join(bytes.fromhex(step["hex"]) for step in steps if step["from"] == side) for side in sides]
    for path in sorted(VECTORS.glob("frames/*.json")):
        cases = json.loads(path.read_text("utf-8"))["cases"]
        seeds += [bytes.fromhex(case["hex"]) for case in cases if "hex" in case]
    return [seed for seed in seeds if seed]


def connections() -> list[Connection]:
    """Both ends in the phases and with the calls that matter."""
    host, guest = Connection(Role.HOST, arena_bytes=65536), Connection(Role.GUEST, arena_bytes=65536)
    hello = Hello("fuzz", limits=Limits(credit_bytes=1000, calls_max=4), features=("input", "segments"))
    guest.receive(host.hello(hello))
    host.receive(guest.ready(Ready("fuzz", features=("revoke", "segments"))))
    server, client = Connection(Role.SERVER), Connection(Role.CLIENT)
    client.receive(server.hello(hello))
    server.receive(client.ready(Ready("fuzz")))
    server.receive(client.stream_header(GUEST_BIT + 1, 0, 1, 2, 0, NAMED) + b"{}")
    for call in (1, 2):
        guest.receive(host.call(call, 0, 1, b"{}"))
    feeding = Frame(Kind.CALL, Flag.INPUT | Flag.STREAM | Flag.SEGMENT, 1, call=3, body=Region(0, 300).pack())
    guest.receive(host.flagged_header(feeding) + feeding.body)
    greeting = Connection(Role.HOST)
    greeting.hello(Hello("fuzz"))
    return [host, guest, server, client, greeting, Connection(Role.GUEST)]


def read_bodies(frames: list[Frame]) -> None:
    """Read what a host or guest reads of each frame."""
    for frame in frames:
        if frame.kind == Kind.FAULT:
            load_fault(frame.body)
        elif frame.kind == Kind.EVENT:
            load_event(frame.body)
        elif frame.kind == Kind.CALL:
            meta.decode(frame.meta)


def run_once(data: bytes, _: random.Random | None = None) -> None:
    """Feed one input to everything that decodes. Raises where a bug is."""
    piece_bytes = data[0] + 1 if data else 1
    for end in (Decoder(), Decoder(70_000), *connections()):
        feed = end.receive if isinstance(end, Connection) else end.feed
        try:
            for at in range(0, len(data), piece_bytes):
                read_bodies(feed(data[at : at + piece_bytes]))
            if isinstance(end, Connection):
                end.eof()
        except ProtocolFault:
            continue


def guided(arguments: list[str]) -> None:
    """Let coverage guide it, by atheris, which must be installed."""
    import atheris  # noqa: PLC0415 - optional, and slow to import

    atheris.Setup([sys.argv[0], *arguments], run_once)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--atheris"]:
        guided(sys.argv[2:])
    else:
        fuzz(__doc__, partial(mutate, seeds=corpus(), tokens=TOKENS), lambda _: run_once)
