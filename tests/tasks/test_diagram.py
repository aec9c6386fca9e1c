from dragoman.tasks.diagram import draw
from dragoman.tasks.state import TRANSITIONS, State


def test_every_step_of_the_table_is_an_arrow_and_nothing_else_is() -> None:
    arrows = {line.strip().partition(":")[0] for line in draw().splitlines() if "-->" in line and "[*]" not in line}
    assert arrows == {f"{state} --> {after}" for state, steps in TRANSITIONS.items() for after in steps.values()}


def test_what_leads_the_same_way_shares_an_arrow_and_ends_are_marked() -> None:
    drawn = draw()
    assert f"    {State.RUNNING} --> {State.PENDING}: release\n" in drawn
    assert f"    {State.DEAD} --> [*]\n" in drawn
    assert f"    {State.RETRYING} --> [*]\n" not in drawn
