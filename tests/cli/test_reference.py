from pathlib import Path

import click
import pytest

from dragoman.cli.commands import NAMES, commands
from dragoman.cli.outcome import FAULT_BASE, NUMBERS
from dragoman.cli.reference import render

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"


@pytest.mark.parametrize("part", [*NAMES, "exit-codes"])
def test_every_command_and_exit_code_is_on_the_page_as_it_is(part: str) -> None:
    assert render(part).strip() in PAGE.read_text(encoding="utf-8"), "run: make docs"


def test_every_option_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        assert f"## dragoman {name}\n" in page
        section = page.partition(f"## dragoman {name}\n")[2].partition("\n## ")[0]
        check(command, section)


def check(command: click.Command, section: str) -> None:
    for parameter in command.params:
        assert all(f"`{option}`" in section for option in parameter.opts if option.startswith("--"))
    if isinstance(command, click.Group):
        for each in command.commands.values():
            assert f" {each.name}\n" in section
            check(each, section)


def test_every_fault_has_its_exit_code_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for code, number in NUMBERS.items():
        assert f"| {FAULT_BASE + number} | `{code}`:" in page


def test_there_is_no_other_part() -> None:
    with pytest.raises(KeyError):
        render("srve")
