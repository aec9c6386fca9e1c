"""The state tables drawn for the documentation: `python -m dragoman.wire.diagram > docs/reference/wire-states.md`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dragoman.wire.state import (
    CALLEE,
    CALLER,
    CLIENT,
    GUEST,
    HOST,
    INPUT_CALLEE,
    INPUT_CALLER,
    SERVER,
    CallState,
    InputState,
    Phase,
    Step,
    Way,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = """\
# Wire: states

<!-- Written by `python -m dragoman.wire.diagram > docs/reference/wire-states.md`; edit the tables, not this page. -->

What each end of a wire may send (`!`) and receive (`?`), drawn from the tables in `dragoman.wire.state` that the code
runs on. A frame that is not on an arrow is a protocol fault where it is received, and refused where it would be sent.
The words for the arrows are the frame kinds of `proto/SPEC.md`, with three that tell apart what one kind may mean:
REVOKE is CANCEL with the flag UNSTARTED, RETURN is FAULT with that flag, and FAILURE is FAULT on call 0.

## The connection, as its host sees it

{host}
## The connection, as its guest sees it

{guest}
## The connection, as a host sees it that a client has called

{server}
## The connection, as its client sees it

{client}
In *left*, this side has sent its last frame; what still arrives is read and dropped. In *closed*, the peer has.

## One call, as its caller sees it

{caller}
## One call, as its callee sees it

{callee}
ITEM and CREDIT need a CALL that carried the flag STREAM. A CANCEL, REVOKE or CREDIT for a call that its callee has
answered already is dropped: it crossed the answer.

## The input stream of a call, as its caller sees it

{feeding}
## The input stream of a call, as its callee sees it

{drawing}
Only a call that carried the flag INPUT has one, beside its reply. END is the input's where its caller sends it, and the
call's where its callee does. CREDIT in *ended* and *closed*, and ITEM and END in *spoiled* (after a corrupt one) or for
a call that is answered, are dropped: they crossed what ended the input.
"""


def draw(
    table: Mapping[Phase, Mapping[Way, Mapping[Step, Phase]]]
    | Mapping[CallState, Mapping[Way, Mapping[Step, CallState]]]
    | Mapping[InputState, Mapping[Way, Mapping[Step, InputState]]],
) -> str:
    """One table as the text of a Mermaid `stateDiagram-v2`; arrows between the same two states share one line."""
    states = list(table)
    lines = ["stateDiagram-v2", f"    [*] --> {states[0].value}"]
    for state, ways in table.items():
        labels: dict[str, list[str]] = {}
        for way, mark in ((Way.SEND, "!"), (Way.RECEIVE, "?")):
            for step, target in ways[way].items():
                labels.setdefault(target.value, []).append(f"{mark}{step}")
        lines += [f"    {state.value} --> {target}: {' '.join(steps)}" for target, steps in labels.items()]
    last = {Phase.LEFT, Phase.CLOSED, CallState.DONE, InputState.CLOSED}
    lines += [f"    {state.value} --> [*]" for state in states if state in last]
    return "\n".join(lines)


def page() -> str:
    """The whole page of the documentation."""
    tables = {
        "host": HOST,
        "guest": GUEST,
        "server": SERVER,
        "client": CLIENT,
        "caller": CALLER,
        "callee": CALLEE,
        "feeding": INPUT_CALLER,
        "drawing": INPUT_CALLEE,
    }
    return _PAGE.format(**{name: f"```mermaid\n{draw(table)}\n```\n" for name, table in tables.items()})


if __name__ == "__main__":
    sys.stdout.write(page())
