"""What comes over a control socket is read as strictly as elsewhere. Its answers are tested in `test_operating`."""

import pytest

from dragoman.core.call import Call, Codec
from dragoman.core.fault import InvalidArgument
from dragoman.core.target import Target
from dragoman.host.control import input_of

TARGET = Target("dragoman.control.state", "dragoman", "control.state", 0, 1.0)


def test_an_input_is_an_object_or_nothing() -> None:
    assert input_of(Call(TARGET, b"", Codec.NONE)) == {}
    assert input_of(Call(TARGET, b'{"a": 1}')) == {"a": 1}
    assert input_of(Call(TARGET, b"\x81\xa1a\x01", Codec.MSGPACK)) == {"a": 1}


@pytest.mark.parametrize("body", [b"[1]", b"3", b"{", b"\xff"])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"dragoman\.control\.state"):
        input_of(Call(TARGET, body))
