"""Tasks on hosts of the test's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.client.value import decode_reply, encode_for
from dragoman.core.terms import Terms

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.host.host import Host

WAIT_S = 30.0
NO_TERMS = Terms()


def prepared(host: Host, function: str, **parameters: Any) -> Call:
    """A call that nobody has run yet."""
    target = host.registry.find(function).target
    return host.call(target, *encode_for(target, parameters))


async def submit(host: Host, function: str, terms: Terms = NO_TERMS, **parameters: Any) -> str:
    """The id of a new task."""
    document, created = await host.tasking.tasks.submit(prepared(host, function, **parameters), terms)
    assert created
    return document["id"]


async def over(host: Host, task: str) -> dict[str, Any]:
    """The task, when it is over."""
    document = await host.tasking.tasks.wait(task, WAIT_S)
    assert document["finished_at"], document
    return document


async def result(host: Host, task: str) -> Any:
    """What a task gives, when it is over. Raises its fault."""
    await over(host, task)
    reply = await host.tasking.tasks.result(task)
    assert reply is not None
    return decode_reply(reply)
