"""A source's own bound on bodies."""

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.fault import InvalidArgument
from dragoman.core.target import Target
from dragoman.policies.size import body_size

TARGET = Target("notes.keep", "notes", "keep", 0, 1.0)


async def length(call: Call) -> Reply:
    return Reply(str(len(call.body)).encode())


async def test_a_body_up_to_the_bound_passes() -> None:
    reply = await body_size(4)(length)(Call(TARGET, b"1234"))
    assert reply.body == b"4"


async def test_a_larger_body_is_refused_with_both_sizes() -> None:
    with pytest.raises(InvalidArgument, match=r"notes\.keep has 5 bytes; it takes at most 4 \(body_max\)"):
        await body_size(4)(length)(Call(TARGET, b"12345"))
