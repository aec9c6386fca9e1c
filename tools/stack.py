"""`python -m tools.stack`: the layers around a function as a table, from the outside in, and why each stands there."""

from __future__ import annotations

import sys

from dragoman.host.stacks import STACK


def render() -> str:
    """The table in Markdown; each layer's name leads to its own heading."""
    rows = [f"| {at} | [`{line.name}`](#{line.name}) | {line.why} |\n" for at, line in enumerate(STACK, 1)]
    return "".join(["|  | Layer | Stands there because |\n| --- | --- | --- |\n", *rows])


if __name__ == "__main__":
    sys.stdout.write(render())
