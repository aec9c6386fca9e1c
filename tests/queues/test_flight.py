from collections.abc import AsyncIterator

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Fault, Internal, InvalidArgument
from dragoman.queues.calling import Calling
from dragoman.queues.flight import Flight
from dragoman.queues.intake import Asked
from dragoman.queues.message import Message
from dragoman.queues.options import QueueOptions
from dragoman.queues.surroundings import Door
from tests.queues.around import Function, Host

OPTIONS = QueueOptions("orders", "redis://h:1", "orders", function="shop.price")


class Owner:
    def __init__(self, host: Host) -> None:
        self.calling = Calling(OPTIONS, host.around())
        self.replies: list[Reply] = []
        self.faults: list[tuple[bool, Fault]] = []

    def read(self, message: Message) -> Asked:
        return self.calling.read(message)

    def prepare(self, message: Message, asked: Asked, failures: int) -> tuple[Door, Call]:
        return self.calling.prepare(message, asked, failures)

    def succeeded(self, flight: Flight, reply: Reply) -> None:
        self.replies.append(reply)

    def failed(self, flight: Flight, fault: Fault) -> None:
        self.faults.append((flight.call is None, fault))


class Items:
    def __init__(self, *items: bytes) -> None:
        self._items = items
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._items:
            yield item

    async def aclose(self) -> None:
        self.closed = True


def test_a_reply_comes_where_it_arrives() -> None:
    function = Function(lambda _: None)
    owner = Owner(Host({"shop.price": function}))
    Flight(owner, Message("1", b"{}")).begin()
    assert owner.replies == []
    reply = Reply(b"3")
    function.pending[0].resolve(reply)
    assert owner.replies == [reply]


def test_what_is_no_call_fails_as_none() -> None:
    owner = Owner(Host())
    Flight(owner, Message("1", b"{}", {"dragoman-timeout": "5"})).begin()
    ((no_call, fault),) = owner.faults
    assert no_call
    assert isinstance(fault, InvalidArgument)


def test_whatever_goes_wrong_inside_is_a_fault() -> None:
    def broken(call: Call) -> Reply:
        raise RuntimeError("oh")

    owner = Owner(Host({"shop.price": Function(broken)}))
    Flight(owner, Message("1", b"{}")).begin()
    assert isinstance(owner.faults[0][1], Internal)


def test_whatever_goes_wrong_before_it_is_a_call_is_a_fault_too() -> None:
    class Broken(Host):
        def find(self, name: str) -> Door:
            raise RuntimeError("oh")

    owner = Owner(Broken())
    Flight(owner, Message("1", b"{}")).begin()
    ((no_call, fault),) = owner.faults
    assert no_call
    assert isinstance(fault, Internal)


async def test_a_stream_is_gathered_to_one_array() -> None:
    items = Items(b"1", b"2")
    function = Function(lambda _: Reply(b"", Codec.JSON, items))
    owner = Owner(Host({"shop.price": function}))
    flight = Flight(owner, Message("1", b"{}"))
    flight.begin()
    assert flight.pending is not None
    await flight.pending
    assert [reply.body for reply in owner.replies] == [b"[1,2]"]
    assert items.closed


def test_a_call_can_be_stopped() -> None:
    function = Function(lambda _: None)
    flight = Flight(Owner(Host({"shop.price": function})), Message("1", b"{}"))
    flight.cancel()
    flight.begin()
    flight.cancel()
    assert function.cancelled == function.calls
