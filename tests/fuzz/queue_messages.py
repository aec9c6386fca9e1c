"""Fuzz target of queues: whatever a message holds, it is read or refused; whatever a server sends, too, however cut.

`python tests/fuzz/queue_messages.py --seconds 5` mutates seeds at random, from a seed that it prints.
"""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

from mutation import fuzz, mutate

from dragoman.core.fault import InvalidArgument
from dragoman.queues.intake import Asked, read
from dragoman.queues.message import Message
from dragoman.queues.redis_streams import message_of
from dragoman.queues.resp import Decoder, Malformed, Reply, RespError

EVENT = b'{"specversion":"1.0","id":"7","source":"/s","type":"t","data":{"n":1.50},"expirytime":"2026-01-31T11:00:00Z"}'
SEEDS = [
    b'\n{"n":1}',
    b"content-type: application/json\ndragoman-timeout: 2s\ntraceparent: 00-"
    + b"a" * 32
    + b"-"
    + b"b" * 16
    + b"-01\n\n{}",
    b"dragoman-deadline: 2026-01-31T12:00:00+01:00\ndragoman-priority: batch\nidempotency-key: k\n\n[]",
    b"content-type: application/cloudevents+json\n\n" + EVENT,
    b"ce-specversion: 1.0\nce-id: 7\nce-source: /s\nce-type: t\nce-dragomantimeout: 1s\n\n{}",
    b"content-type: application/cloudevents+json\n\n" + EVENT.replace(b'"data":{"n":1.50}', b'"data_base64":"AA=="'),
    b"*1\r\n*2\r\n$1\r\nq\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$4\r\nbody\r\n$2\r\n{}\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n",
    b"*2\r\n$3\r\n1-0\r\n*4\r\n$4\r\nbody\r\n$2\r\n{}\r\n$1\r\nx\r\n$1\r\ny\r\n-ERR no\r\n:5\r\n+OK\r\n$-1\r\n",
]
TOKENS = (b"\r\n", b"\n", b"*", b"$", b"9" * 20, b'"', b"\\u0000", b"[" * 50, b"ce-")


def told(message: Message, *, events: bool) -> Asked | str:
    """What a message asks for, or why it is refused."""
    try:
        asked = read(message, events=events)
    except InvalidArgument as fault:
        return fault.detail or "?"
    assert asked.timeout_s >= 0
    assert asked.deadline_at >= 0
    return asked


def replies(pieces: list[bytes]) -> list[Reply] | None:
    """What a server says, or None where it is nothing that a server says."""
    decoder = Decoder()
    try:
        return [reply for piece in pieces for reply in decoder.feed(piece)]
    except Malformed:
        return None


def run_once(data: bytes, chance: random.Random) -> None:
    """Feed one input to everything that reads. Raises where a bug is."""
    head, _, body = data.partition(b"\n\n")
    lines = [line.partition(b":") for line in head.split(b"\n")]
    headers = {
        name.decode("utf-8", "replace").strip(): value.decode("utf-8", "replace").strip() for name, _, value in lines
    }
    for events in (False, True):
        told(Message("1", body, headers), events=events)
    cut = chance.randrange(len(data) + 1)
    whole, cut_up = replies([data]), replies([data[:cut], data[cut:]])
    if whole is not None and cut_up is not None:
        assert plain(whole) == plain(cut_up)
    for reply in whole or ():
        if isinstance(reply, list):
            with suppress(AttributeError, ValueError, TypeError):  # no entry of a stream
                message_of(reply)


def plain(value: Reply | list[Reply]) -> object:
    """A reply that can be compared."""
    if isinstance(value, RespError):
        return ("error", str(value))
    return [plain(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda _: run_once)
