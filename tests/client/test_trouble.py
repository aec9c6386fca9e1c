import httpx2
import pytest

from dragoman.client.exchange import Patience
from dragoman.client.trouble import ERRORS, fault_of
from dragoman.core.fault import Code, Started


@pytest.mark.parametrize(
    ("error", "now", "code", "started"),
    [
        (httpx2.ConnectError("refused"), 0.0, Code.UNAVAILABLE, Started.NO),
        (httpx2.ConnectTimeout(""), 0.5, Code.UNAVAILABLE, Started.NO),
        (httpx2.ConnectTimeout(""), 1.0, Code.DEADLINE_EXCEEDED, Started.NO),
        (httpx2.PoolTimeout(""), 1.0, Code.DEADLINE_EXCEEDED, Started.NO),
        (httpx2.ReadTimeout(""), 1.0, Code.DEADLINE_EXCEEDED, Started.UNKNOWN),
        (httpx2.WriteTimeout(""), 1.0, Code.DEADLINE_EXCEEDED, Started.UNKNOWN),
        (httpx2.ReadError("reset"), 0.0, Code.UNAVAILABLE, Started.UNKNOWN),
        (httpx2.WriteError("pipe"), 0.0, Code.UNAVAILABLE, Started.UNKNOWN),
        (httpx2.RemoteProtocolError("cut"), 0.0, Code.UNAVAILABLE, Started.UNKNOWN),
        (httpx2.LocalProtocolError("bad header"), 0.0, Code.INVALID_ARGUMENT, Started.NO),
    ],
)
def test_each_error_is_a_fault_that_says_whether_the_call_began(
    error: Exception, now: float, code: Code, started: Started
) -> None:
    assert isinstance(error, ERRORS)
    fault = fault_of(error, "http://h", Patience("s.f", 1.0, 0.0), now)
    assert (fault.code, fault.started, fault.function, fault.remote) == (code, started, "s.f", False)
