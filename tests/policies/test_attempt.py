from dragoman.core.call import Call, Reply
from dragoman.core.fault import Draining, Internal, Started
from dragoman.core.service import Pending
from dragoman.policies.attempt import another, attempt, begun
from tests.policies.world import Script, World, call_of


def test_a_service_that_raises_in_place_of_answering_gives_a_fault() -> None:
    def gone(call: Call) -> Pending:
        raise Draining("the loop has ended")

    def broken(call: Call) -> Pending:
        raise ZeroDivisionError("oops")

    assert type(attempt(gone, call_of()).fault) is Draining
    fault = attempt(broken, call_of()).fault
    assert isinstance(fault, Internal)
    assert "oops" in fault.detail


async def test_a_coroutine_is_an_attempt_too() -> None:
    async def serve(call: Call) -> Reply:
        return Reply(b"1")

    assert (await attempt(serve, call_of())).body == b"1"
    assert attempt(Script(Reply(b"2")), call_of()).result().body == b"2"


def test_nobody_can_tell_by_the_call_that_came_whether_a_further_attempt_has_begun() -> None:
    world, call = World(), call_of()
    again = another(call, world.surroundings)
    assert again.id != call.id
    assert (begun(again), begun(call)) == (Started.NO, Started.UNKNOWN)
    call.dispatched_at = 7.0
    another(call, world.surroundings)
    assert (call.dispatched_at, begun(call)) == (7.0, Started.YES)
