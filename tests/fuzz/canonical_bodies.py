"""Fuzz target of the canonical form: bodies of one form decode to one value, and the form says what the body says.

`python tests/fuzz/canonical_bodies.py --seconds 5` bends bodies at random, from a seed that it prints.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from dragoman.contract.codec import Malformed, decode, encode
from dragoman.contract.codecs.canonical import canonical
from dragoman.core.call import Codec

ODD = (
    *(b"0", b"-0", b"-0.0", b"1.0", b"1e0", b"1e400", b"1e-400", b"0.1000000000000000055", b"18446744073709551616"),
    *(b"-9223372036854775809", b"1e99999999999999999999", b"null", b"true", b'"\\u00e9"', b'"\\ud83d\\ude00"', b"[]"),
    *(b'"\\ud800"', b'""', b'"a"', b"{}", b'[{"b":1,"a":[2.50]}]', b"9" * 4400, b'{"":{"":{}}}', "é".encode()),
)


def run_once(body: bytes, codec: Codec) -> None:
    """Give one body its form. Raises where a bug is."""
    form = canonical(body, codec)
    assert form == canonical(bytes(bytearray(body)), codec), "the form is not one"
    if form is None or not body:
        return
    try:
        again = encode(decode(body, codec), codec)
    except Malformed as error:
        message = "what cannot be read has a form"
        raise AssertionError(message) from error
    # A number of more digits than a float holds is written with fewer: that is another value.
    if codec is Codec.MSGPACK or not any(mark in body for mark in (b".", b"e", b"E")):
        assert canonical(again, codec) == form, "what was written again has another form"


def bent(chance: random.Random) -> tuple[bytes, Codec]:
    """A body of odd values, often with bytes changed, cut or doubled."""
    codec = chance.choice((Codec.JSON, Codec.MSGPACK))
    pairs = (b'"%c":%b' % (chance.choice(b"abcd"), chance.choice(ODD)) for _ in range(chance.randint(0, 4)))
    data = bytearray(b"{%b}" % b",".join(pairs))
    if codec is Codec.MSGPACK:
        try:
            data = bytearray(encode(decode(bytes(data), Codec.JSON), codec))
        except Malformed:
            return b"\x80", codec
    for _ in range(chance.choice((0, 0, 1, 3))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(3):
            case 0:
                data[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del data[at : at + chance.randint(1, 4)]
            case _:
                data[at:at] = data[at : at + 6]
    return bytes(data), codec


def run_random(seconds: float, seed: int) -> int:
    """Bend bodies for some time; return how many were run. On a bug, the body is on stderr."""
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    count = 0
    while time.monotonic() < until:
        body, codec = bent(chance)
        count += 1
        try:
            run_once(body, codec)
        except BaseException:
            sys.stderr.write(f"seed {seed}, body {count} ({codec.name}): {body.hex()}\n")
            raise
    return count


def main(arguments: list[str]) -> None:
    """Run the random bodies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args(arguments)
    sys.stdout.write(f"seed {options.seed}: {run_random(options.seconds, options.seed)} bodies, no bug\n")


if __name__ == "__main__":
    main(sys.argv[1:])
