from dragoman.core.call import Reply
from dragoman.core.fault import Cancelled, Fault, Internal
from dragoman.workers.exchange import Exchange
from dragoman.workers.stream import ReplyStream
from tests.workers.peer import make_call


class Stopper:
    def __init__(self) -> None:
        self.stopped: list[Exchange] = []

    def stop(self, exchange: Exchange) -> None:
        self.stopped.append(exchange)


def make_stream() -> ReplyStream:
    return ReplyStream(lambda _: None, lambda: None)


def test_cancelling_goes_to_the_stopper_until_it_is_over() -> None:
    stopper = Stopper()
    exchange = Exchange(make_call(), stopper)
    exchange.cancel()
    exchange.resolve(Reply(b"1"))
    exchange.cancel()
    assert stopper.stopped == [exchange]
    assert exchange.cancelled


def test_an_exchange_with_a_stream_is_over_when_the_stream_is() -> None:
    stopper = Stopper()
    exchange = Exchange(make_call(), stopper)
    exchange.stream = stream = make_stream()
    exchange.resolve(Reply(b"", items=stream))
    assert exchange.done
    assert not exchange.over
    exchange.cancel()
    assert stopper.stopped == [exchange]
    stream.end()
    assert exchange.over


def test_a_fault_concludes_the_answer_or_the_stream_that_has_begun() -> None:
    exchange = Exchange(make_call(), Stopper())
    exchange.conclude(Internal("first"))
    exchange.conclude(Cancelled("second"))
    assert type(exchange.fault) is Internal
    streaming = Exchange(make_call(), Stopper())
    streaming.stream = make_stream()
    streaming.resolve(Reply(b"", items=streaming.stream))
    streaming.conclude(Fault.cancelled("enough"))
    assert streaming.over
    assert streaming.fault is None
