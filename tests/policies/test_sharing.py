import pytest

from dragoman.core.call import Cached, Codec, Reply
from dragoman.core.fault import Breach, InvalidArgument, Overloaded, Started
from dragoman.policies.sharing import alike, twin


def test_a_reply_of_ones_own_says_the_same() -> None:
    reply = Reply(b"1", Codec.MSGPACK, None, 0.1, 0.2)
    reply.cached = Cached(1.0, 2.0, "x")
    other = alike(reply)
    assert other is not reply
    assert (other.body, other.codec, other.queue_s, other.run_s, other.cached) == (
        *(b"1", Codec.MSGPACK, 0.1, 0.2),
        Cached(1.0, 2.0, "x"),
    )
    assert other.items is None


def test_a_fault_of_ones_own_says_the_same_and_is_written_into_alone() -> None:
    fault = InvalidArgument("no", started=Started.YES, errors=(Breach("/a", "no"),), function="s.f", retry_after_s=1.0)
    fault.remote, fault.service = True, "there"
    fault.__cause__ = cause = ValueError("why")
    other = twin(fault)
    assert type(other) is InvalidArgument
    assert vars(other) == vars(fault)
    assert other.__cause__ is cause
    assert str(other) == str(fault)
    other.call_id = "1"
    assert fault.call_id == ""


def test_a_fault_that_was_raised_leaves_its_frames_behind() -> None:
    def fail() -> None:
        raise Overloaded("full")

    with pytest.raises(Overloaded) as raised:
        fail()
    assert twin(raised.value).__traceback__ is None
