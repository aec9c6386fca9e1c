import ast
from typing import TYPE_CHECKING

import pytest

from tools.tidy.project import Function
from tools.tidy.sizes import check_sizes, count_parameters, nesting

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject


def parse(source: str) -> Function:
    function = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))
    assert isinstance(function, Function)
    return function


def whats(make_project: "MakeProject", text: str) -> list[str]:
    return [finding.what for finding in check_sizes(make_project({"src/pkg/room/thing.py": text}))]


def test_a_module_of_400_lines_passes_and_one_more_fails(make_project: "MakeProject") -> None:
    padding = {f"src/pkg/room/small_{n}.py": "x = 1\n" for n in range(3)}
    assert not list(check_sizes(make_project({**padding, "src/pkg/room/large.py": "x = 1\n" * 400})))
    findings = list(check_sizes(make_project({**padding, "src/pkg/room/large.py": "x = 1\n" * 401})))
    assert [finding.what for finding in findings] == ["401 lines of code (at most 400)"]


def test_the_median_module_is_held_to_a_limit_of_its_own(make_project: "MakeProject") -> None:
    assert whats(make_project, "x = 1\n" * 151) == ["the median module has 151 lines of code (at most 150)"]


def test_a_long_function_and_a_long_usual_function_are_two_findings(make_project: "MakeProject") -> None:
    text = "def work():\n" + "    x = 1\n" * 60
    assert whats(make_project, text) == [
        "work has 61 lines of code (at most 60)",
        "one function in ten has 61 lines of code or more (at most 35)",
    ]


@pytest.mark.parametrize(
    ("parameters", "comment", "found"),
    [
        ("self, a, b, c, d, e, f", "", False),
        ("a, b, c, /, d, e, *, f, g", "", True),
        ("a, b, c, d, e, f, g", "  # noqa: PLR0913 - the fields of a value", False),
        ("a, b, c, d, e, f, g", "  # noqa: PLR0913", True),
        ("a, b, c, d, e, f, g, h", "  # noqa: PLR0913 - the fields of a value", True),
    ],
)
def test_a_seventh_parameter_needs_a_reason_and_an_eighth_has_none(
    make_project: "MakeProject", parameters: str, comment: str, *, found: bool
) -> None:
    assert bool(whats(make_project, f"def work({parameters}):{comment}\n    pass\n")) is found


def test_self_is_no_parameter() -> None:
    assert count_parameters(parse("class A:\n    def work(self, a, *, b): ...")) == 2


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("pass", 0),
        ("if a: pass\n elif b: pass\n elif c: pass\n else: pass", 1),
        ("if a: pass\n else:\n  if b: pass\n  c = 1", 2),
        ("for a in b:\n  try: pass\n  except E:\n   if c: pass", 3),
        ("with a:\n  with b:\n   if c: pass", 1),
        ("while a:\n  def inner():\n   if b: pass", 1),
        ("match a:\n  case 1:\n   if b: pass", 2),
    ],
)
def test_nesting_counts_blocks_inside_blocks(body: str, depth: int) -> None:
    assert nesting(parse(f"def work():\n {body}\n")) == depth


def test_a_fourth_block_inside_a_third_is_found(make_project: "MakeProject") -> None:
    text = "def work():\n if a:\n  for b in c:\n   while d:\n    if e: pass\n"
    assert whats(make_project, text) == ["work nests 4 blocks deep (at most 3)"]
