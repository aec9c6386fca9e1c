"""The table of the stack."""

from dragoman.host.stacks import STACK
from tools.stack import render


def test_the_table_has_each_layer_in_its_place_with_the_reason_for_it() -> None:
    _, _, *rows = render().splitlines()
    said = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert said == [[str(at), f"[`{each.name}`](#{each.name})", each.why] for at, each in enumerate(STACK, 1)]
