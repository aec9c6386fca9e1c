"""Two connections back to back, and one alone against its tables."""

from __future__ import annotations

import contextlib
import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import Aborted, Started, Unavailable
from dragoman.wire import meta
from dragoman.wire.connection import PINGS_MAX, Connection
from dragoman.wire.fault import Oversized, ProtocolFault, Reason
from dragoman.wire.frame import CODECS_OF, FLAGS_OF, GUEST_BIT, Flag, Frame, Kind, encode
from dragoman.wire.handshake import Hello, Limits, Ready, dump_hello, dump_ready
from dragoman.wire.report import dump_fault
from dragoman.wire.segment import Region, region_of
from dragoman.wire.state import CONNECTION, IllegalTransition, Phase, Role, Step, Way, step_of

HELLO = Hello(
    "test",
    limits=Limits(frame_bytes_max=70_000, credit_bytes=500, calls_max=5),
    features=("input", "segments"),
    service="shop",
)
READY = Ready("python", features=("revoke", "segments"))
CLIENT_READY = Ready("go")
ARENA_BYTES = 4096
NAMED = meta.encode(function="a.b")


def pair() -> tuple[Connection, Connection]:
    """A host and a guest that have shaken hands."""
    host, guest = Connection(Role.HOST, arena_bytes=ARENA_BYTES), Connection(Role.GUEST, arena_bytes=ARENA_BYTES)
    guest.receive(host.hello(HELLO))
    host.receive(guest.ready(READY))
    return host, guest


def called() -> tuple[Connection, Connection]:
    """A host and a client that have shaken hands."""
    host, client = Connection(Role.SERVER), Connection(Role.CLIENT)
    client.receive(host.hello(HELLO))
    host.receive(client.ready(CLIENT_READY))
    return host, client


def test_both_sides_know_what_the_handshake_said() -> None:
    host, guest = pair()
    assert host.said_hello == guest.said_hello == HELLO
    assert host.said_ready == guest.said_ready == READY
    assert guest.limits == HELLO.limits


def test_a_call_and_its_reply() -> None:
    host, guest = pair()
    (call,) = guest.receive(host.call_header(7, 2, 0x21, 3, 900) + b"[1]")
    assert call == Frame(Kind.CALL, 0, 0x21, 2, 7, 900, b"", b"[1]")
    assert (set(host.made), set(guest.taken)) == ({7}, {7})
    (end,) = host.receive(guest.end_header(7, 2, 1, 12) + b"\x05")
    assert end == Frame(Kind.END, 0, 2, 0, 7, 12, b"", b"\x05")
    assert (set(host.made), set(guest.taken)) == (set(), set())


def test_a_run_time_past_the_field_is_the_largest() -> None:
    host, guest = pair()
    guest.receive(host.call(1, 0, 1, b"{}"))
    assert host.receive(guest.end(1, 1, b"1", 2**40))[0].amount == 2**32 - 1


def test_a_reader_grants_what_it_has_used() -> None:
    host, guest = pair()
    guest.receive(host.stream_header(1, 0, 1, 2) + b"{}")
    host.receive(guest.item(1, 3, bytes(200)))
    assert host.consumed(1, 0) == b""
    assert guest.credit_of(1) == 268
    (credit,) = guest.receive(host.consumed(1, 200))
    assert credit.amount == 264
    assert guest.credit_of(1) == 532


def test_using_up_the_last_items_of_an_ended_stream_grants_nothing() -> None:
    host, guest = pair()
    guest.receive(host.stream_header(1, 0, 1, 2) + b"{}")
    host.receive(guest.item(1, 3, bytes(400)) + guest.end(1, 0, b""))
    assert host.consumed(1, 400) == b""


def test_a_frame_past_what_the_peer_accepts_is_not_sent_and_changes_nothing() -> None:
    host, guest = pair()
    for header in (host.call_header, host.stream_header):
        with pytest.raises(Oversized, match="70001"):
            header(1, 0, 1, 70_001)
    assert not host.made
    guest.receive(host.stream_header(1, 0, 1, 2) + b"{}")
    with pytest.raises(Oversized):
        guest.end_header(1, 1, 70_001)
    with pytest.raises(Oversized):
        guest.item_header(1, 1, 70_001)
    with pytest.raises(Oversized):
        guest.event(bytes(2 << 20))
    assert guest.credit_of(1) == 500
    host.receive(guest.fault(1, Unavailable("the reply is too large")))


def test_a_host_makes_no_illegal_call() -> None:
    host, guest = pair()
    host.call(1, 0, 1, b"{}")
    for call in (0, 1, GUEST_BIT, -1):
        with pytest.raises(IllegalTransition, match="cannot be made"):
            host.call_header(call, 0, 1, 2)
    for call in range(2, 6):
        host.call_header(call, 0, 1, 2)
    with pytest.raises(IllegalTransition, match="5 calls of at most 5"):
        host.call_header(6, 0, 1, 2)
    with pytest.raises(IllegalTransition):
        guest.call_header(5, 0, 1, 2, 0, NAMED)
    host.drain()
    with pytest.raises(IllegalTransition, match="draining"):
        host.call_header(9, 0, 1, 2)


def test_a_guest_does_not_leave_owing_an_answer() -> None:
    host, guest = pair()
    guest.receive(host.call(1, 0, 1, b"{}") + host.drain())
    with pytest.raises(IllegalTransition, match="1 calls wait"):
        guest.bye()
    host.receive(guest.end(1, 1, b"1") + guest.bye())
    host.eof()
    assert (host.phase, guest.phase) == (Phase.CLOSED, Phase.LEFT)
    assert guest.receive(host.bye()) == []
    guest.eof()


def test_who_has_left_reads_and_drops() -> None:
    host, guest = pair()
    late = guest.call(GUEST_BIT, 0, 1, b"{}", 0, NAMED) + guest.ping(b"x")
    bye = host.bye()
    assert host.receive(late) == []
    assert guest.receive(bye) != []
    assert set(guest.made) == set()


def test_a_guest_does_not_leave_while_a_call_may_be_on_its_way() -> None:
    host, guest = pair()
    with pytest.raises(IllegalTransition, match="send BYE"):
        guest.bye()
    host.receive(guest.drain())
    with pytest.raises(IllegalTransition, match="send BYE"):
        guest.bye()
    guest.receive(host.drain())
    host.receive(guest.bye())


@pytest.mark.parametrize("data", [b"", b"\1\2\3"])
def test_an_end_of_file_without_a_last_frame_is_a_protocol_fault(data: bytes) -> None:
    host, _ = pair()
    host.receive(data)
    with pytest.raises(ProtocolFault) as caught:
        host.eof()
    assert caught.value.reason == Reason.TRUNCATED


def test_the_answers_before_a_fault_are_not_lost() -> None:
    host, guest = pair()
    guest.receive(host.call(1, 0, 1, b"{}") + host.call(2, 0, 1, b"{}"))
    good = guest.end(1, 1, b"1")
    with pytest.raises(ProtocolFault) as caught:
        host.receive(good + good + guest.end(2, 1, b"1"))
    assert [frame.call for frame in caught.value.frames] == [1]
    assert set(host.made) == {2}


def test_a_side_that_found_a_fault_may_still_say_so() -> None:
    host, guest = pair()
    with pytest.raises(ProtocolFault):
        guest.receive(bytes(32))
    (frame,) = host.receive(guest.fault(0, Unavailable("the host broke the protocol")))
    assert (frame.kind, frame.call) == (Kind.FAULT, 0)
    assert host.phase is Phase.CLOSED


def test_a_guest_that_speaks_no_offered_version_may_say_so() -> None:
    host, guest = Connection(Role.HOST), Connection(Role.GUEST)
    with pytest.raises(ProtocolFault, match="no common version"):
        guest.receive(host.hello(HELLO._replace(versions=(2, 3))))
    assert host.receive(guest.fault(0, Unavailable("versions"))) != []


def test_pings_are_bounded() -> None:
    host, _ = pair()
    for _ in range(PINGS_MAX):
        host.ping()
    with pytest.raises(IllegalTransition, match="unanswered"):
        host.ping()


def test_a_revoke_needs_the_feature() -> None:
    host, guest = Connection(Role.HOST), Connection(Role.GUEST)
    guest.receive(host.hello(HELLO))
    host.receive(guest.ready(Ready("sh")))
    host.call(1, 0, 1, b"{}")
    with pytest.raises(IllegalTransition, match="did not offer"):
        host.cancel(1, unstarted=True)


def any_frame(kind: Kind) -> Frame:
    """A frame of a kind that is legal by itself, for call 9, or the connection."""
    bodies = {
        Kind.HELLO: dump_hello(HELLO),
        Kind.READY: dump_ready(READY),
        Kind.FAULT: dump_fault(Unavailable("x")),
        Kind.EVENT: b"{}",
        Kind.RELEASE: bytes(8),
    }
    about_connection = {Kind.HELLO, Kind.READY, Kind.PING, Kind.PONG, Kind.DRAIN, Kind.BYE, Kind.RELEASE}
    call = 0 if kind in about_connection else 9
    return Frame(int(kind), 0, CODECS_OF[kind][0], 0, call, 0, b"", bodies.get(kind, b""))


def reach(role: Role, phase: Phase) -> Connection:
    """A connection that is in a phase, without calls."""
    hosting = role in {Role.HOST, Role.SERVER}
    clients = role in {Role.SERVER, Role.CLIENT}
    host, guest = (
        (Connection(Role.SERVER), Connection(Role.CLIENT))
        if clients
        else (Connection(Role.HOST), Connection(Role.GUEST))
    )
    end, peer = (host, guest) if hosting else (guest, host)
    if phase is Phase.START:
        return end
    guest.receive(host.hello(HELLO))
    if phase is Phase.GREETING:
        return end
    host.receive(guest.ready(CLIENT_READY if clients else READY))
    match phase:
        case Phase.REFUSING:
            host.receive(guest.drain())
        case Phase.DRAINING:
            guest.receive(host.drain())
        case Phase.LEFT:
            end.fault(0, Unavailable("x"))
        case Phase.CLOSED:
            end.receive(peer.fault(0, Unavailable("x")))
        case _:
            pass
    return end


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", Kind)
def test_a_connection_takes_exactly_what_its_table_has(role: Role, phase: Phase, kind: Kind) -> None:
    if phase not in CONNECTION[role]:
        return
    end = reach(role, phase)
    frame = any_frame(kind)
    if kind is Kind.READY and role is Role.SERVER:
        frame = frame._replace(body=dump_ready(CLIENT_READY))
    if kind is Kind.CALL:
        frame = frame._replace(call=9 if role in {Role.GUEST, Role.CLIENT} else 9 | GUEST_BIT, meta=NAMED)
    legal = step_of(frame) in CONNECTION[role][phase][Way.RECEIVE]
    try:
        end.receive(encode(frame))
    except ProtocolFault as fault:
        of_table = fault.reason in {Reason.STATE, Reason.DIRECTION}
        assert of_table != legal
    else:
        assert legal


@pytest.mark.parametrize("way", ["plain", "long"])
@pytest.mark.parametrize("phase", Phase)
def test_the_short_cut_for_calls_agrees_with_the_table(way: str, phase: Phase) -> None:
    guest = reach(Role.GUEST, phase)
    flags = 0 if way == "plain" else FLAGS_OF[Kind.CALL] & ~Flag.SEGMENT  # any flag takes the long way
    legal = any(step.name == "CALL" for step in CONNECTION[Role.GUEST][phase][Way.RECEIVE])
    with contextlib.nullcontext() if legal else pytest.raises(ProtocolFault):
        guest.receive(encode(Frame(Kind.CALL, flags, 1, call=9, body=b"{}")))
        assert set(guest.taken) == (set() if phase is Phase.LEFT else {9})


def test_the_way_of_who_talks_in_turns_is_the_way_of_everyone() -> None:
    host, guest = pair()
    for call in (7, 8):
        frame = guest.receive_call(host.call(call, 2, 0x21, b"[1]", 900))
        assert frame == Frame(Kind.CALL, 0, 0x21, 2, call, 900, b"", b"[1]")
        assert set(guest.taken) == {call}
        assert host.receive_end(call, guest.end(call, 2, b"\x05", 12)) == (2, 12, b"\x05")
        assert (set(host.made), set(guest.taken)) == (set(), set())


def test_what_talks_out_of_turn_is_left_to_the_tables() -> None:
    host, guest = pair()
    assert guest.receive_call(host.stream_header(1, 0, 1, 2) + b"{}") is None
    first, second = host.call(2, 0, 1, b"{}"), host.call(3, 0, 1, b"{}")
    guest.receive(first[:40])
    assert guest.receive_call(second) is None
    guest.receive(first[40:])
    assert guest.receive_call(second) is None
    guest.receive(second)
    ends = guest.end(2, 1, b"2"), guest.end(3, 1, b"3")
    assert host.receive_end(3, ends[0]) is None
    assert host.receive_end(9, ends[0]) is None
    host.receive(ends[0][:20])
    assert host.receive_end(3, ends[1]) is None
    host.receive(ends[0][20:])
    assert host.receive_end(3, ends[1]) == (1, 0, b"3")


@pytest.mark.parametrize("phase", Phase)
def test_a_lone_call_is_taken_only_where_the_table_has_calls(phase: Phase) -> None:
    guest = reach(Role.GUEST, phase)
    taking = phase is not Phase.LEFT and any(step.name == "CALL" for step in CONNECTION[Role.GUEST][phase][Way.RECEIVE])
    assert (guest.receive_call(encode(Frame(Kind.CALL, 0, 1, call=9, body=b"{}"))) is not None) == taking


@pytest.mark.parametrize("phase", CONNECTION[Role.SERVER])
def test_a_lone_call_to_a_host_is_taken_only_where_the_table_has_calls(phase: Phase) -> None:
    server = reach(Role.SERVER, phase)
    taking = phase is not Phase.LEFT and Step.CALL in CONNECTION[Role.SERVER][phase][Way.RECEIVE]
    assert (server.receive_named_call(named(GUEST_BIT + 9)) is not None) == taking


def test_a_host_takes_lone_calls_as_it_takes_all_others() -> None:
    short, long = reach(Role.SERVER, Phase.OPEN), reach(Role.SERVER, Phase.OPEN)
    for call in range(GUEST_BIT + 1, GUEST_BIT + 4):
        assert [short.receive_named_call(named(call))] == long.receive(named(call))
        assert set(short.taken) == set(long.taken)
    for call in (GUEST_BIT + 1, 7):  # in flight already, and not a client's to give
        assert short.receive_named_call(named(call)) is None
        with pytest.raises(ProtocolFault):
            reach(Role.SERVER, Phase.OPEN).receive(named(GUEST_BIT + 1) + named(call))
    assert short.receive_named_call(named(GUEST_BIT + 9)[:40]) is None
    short.receive(named(GUEST_BIT + 9)[:40])
    assert short.receive_named_call(named(GUEST_BIT + 10)) is None
    nameless = encode(Frame(Kind.CALL, 0, 1, call=GUEST_BIT + 11, meta=meta.encode(depth=1), body=b"{}"))
    meta.decode(meta.encode(depth=1))
    server = reach(Role.SERVER, Phase.OPEN)
    assert server.receive_named_call(nameless) is None
    with pytest.raises(ProtocolFault, match="names no FUNCTION"):
        server.receive(nameless)


def named(call: int) -> bytes:
    entries = meta.encode(function="stats.mean")
    meta.decode(entries)
    return encode(Frame(Kind.CALL, 0, 1, call=call, meta=entries, body=b"{}"))


class Talk:
    """Two sides that do whatever they may, while frames are on their way for any time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.clients = chance.random() < 0.3
        self.host, self.guest = called() if self.clients else pair()
        self.wires: dict[Role, deque[bytes]] = {role: deque() for role in Role}
        self.held: dict[Role, list[int]] = {role: [] for role in Role}
        self.ids = iter(range(1, 10_000))
        self.refused = 0

    def act(self) -> None:
        """Let one side try one send, or let one side receive."""
        ends = ((self.host, self.wires[self.guest.role]), (self.guest, self.wires[self.host.role]))
        end, wire = self.chance.choice(ends)
        if self.chance.random() < 0.4:
            if self.wires[end.role]:
                frames = end.receive(self.wires[end.role].popleft())
                wire.extend(end.pong(frame.body) for frame in frames if frame.kind == Kind.PING and may_send(end))
                self.held[end.role] += [region_of(frame.body).offset for frame in frames if frame.flags & Flag.SEGMENT]
                wire.extend(filter(None, [end.answers()]))
            return
        try:
            wire.append(self.send(end))
        except IllegalTransition:
            self.refused += 1

    def send(self, end: Connection) -> bytes:
        """Try one frame; raises where this side may not."""
        own = self.chance.choice([*end.made, 1])
        owed = self.chance.choice([*end.taken, 1])
        size = self.chance.choice((0, 5, 600))
        calling = end.role in {Role.GUEST, Role.CLIENT}
        new = next(self.ids) | (GUEST_BIT if calling else 0)
        entries = NAMED if calling else b""
        flags = self.chance.choice((Flag.INPUT, Flag.INPUT | Flag.STREAM))
        lending = Frame(Kind.CALL, flags | Flag.SEGMENT, 1, call=new, meta=entries, body=self.region().pack())
        sends = (
            lambda: end.call(new, 0, 1, b"{}", 0, entries),
            lambda: end.stream_header(new, 0, 1, 2, 0, entries) + b"{}",
            lambda: end.flagged_header(Frame(Kind.CALL, flags, 1, call=new, meta=entries, body=b"{}")) + b"{}",
            lambda: end.flagged_header(lending) + lending.body,
            lambda: end.item(owed, 3, bytes(size)),
            lambda: end.item(own, 3, bytes(size)),
            lambda: end.lend_item(self.chance.choice((own, owed)), 3, self.region()),
            lambda: end.lend_end(owed, 3, self.region()),
            lambda: self.give_back(end),
            lambda: end.finish(own),
            lambda: end.end(owed, 3 if size else 0, bytes(size)),
            lambda: end.fault(owed, Unavailable("x")),
            lambda: end.fault(owed, Aborted("x", started=Started.NO), unstarted=True),
            lambda: end.cancel(own),
            lambda: end.cancel(own, unstarted=end.role is Role.HOST),
            lambda: end.credit(self.chance.choice((own, owed)), 100),
            lambda: end.event(b"{}", self.chance.choice((0, 77))),
            lambda: end.ping(bytes((size % 256,))),
        )
        rare = (end.drain, end.bye)
        return self.chance.choice(rare if self.chance.random() < 0.01 else sends)()

    def region(self) -> Region:
        """Some region of an arena."""
        return Region(self.chance.randrange(0, ARENA_BYTES, 64), self.chance.choice((1, 64, 600)))

    def give_back(self, end: Connection) -> bytes:
        """Release one of the regions that a side holds."""
        held = self.held[end.role]
        if not held or not may_send(end):
            raise IllegalTransition
        return end.release(held.pop(self.chance.randrange(len(held))))

    def settle(self) -> None:
        """Deliver all that is on its way."""
        for end in (self.host, self.guest):
            while self.wires[end.role]:
                end.receive(self.wires[end.role].popleft())


def may_send(end: Connection) -> bool:
    """Whether this side has not said its last frame, nor heard the peer's."""
    return end.phase not in {Phase.LEFT, Phase.CLOSED}


@given(st.integers(0, 2**32))
def test_what_one_side_may_send_the_other_takes_whatever_has_crossed(seed: int) -> None:
    talk = Talk(random.Random(seed))
    for _ in range(300):
        talk.act()
    talk.settle()
