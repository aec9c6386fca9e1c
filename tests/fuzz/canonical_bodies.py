"""Fuzz target of the canonical form: bodies of one form decode to one value, and the form says what the body says.

`python tests/fuzz/canonical_bodies.py --seconds 5` bends bodies at random, from a seed that it prints.
"""

from __future__ import annotations

import random

from mutation import bend, fuzz

from dragoman.contract.codec import Malformed, decode, encode
from dragoman.contract.codecs.canonical import canonical
from dragoman.core.call import Codec

ODD = (
    *(b"0", b"-0", b"-0.0", b"1.0", b"1e0", b"1e400", b"1e-400", b"0.1000000000000000055", b"18446744073709551616"),
    *(b"-9223372036854775809", b"1e99999999999999999999", b"null", b"true", b'"\\u00e9"', b'"\\ud83d\\ude00"', b"[]"),
    *(b'"\\ud800"', b'""', b'"a"', b"{}", b'[{"b":1,"a":[2.50]}]', b"9" * 4400, b'{"":{"":{}}}', "é".encode()),
)


def run_once(given: tuple[bytes, Codec], _: random.Random | None = None) -> None:
    """Give one body its form. Raises where a bug is."""
    body, codec = given
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
        bend(data, chance.randrange(len(data) + 1), chance, 4)
    return bytes(data), codec


if __name__ == "__main__":
    fuzz(__doc__, bent, lambda _: run_once)
