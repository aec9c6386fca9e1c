from typing import TYPE_CHECKING

import pytest

from tools.tidy.comments import check_comments

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: S603",
        "# noqa: S603 - ok",
        "#noqa:S603",
        "# type: ignore",
        "# type: ignore[attr-defined] - even with a reason: the checker is pyright",
        "# pyright: ignore",
        "# pyright: ignore[reportPrivateUsage]",
        "# pyright: basic",
        "# pragma: no cover",
        "# noqa: S603 - a fine reason  # pyright: ignore[reportPrivateUsage]",
        "# " + "TODO: later",
        "# " + "FIXME",
    ],
)
def test_a_check_switched_off_without_a_reason_is_found(make_project: "MakeProject", comment: str) -> None:
    findings = list(check_comments(make_project({"src/pkg/thing.py": f"\nx = 1  {comment}\n"})))
    assert [(finding.path, finding.line) for finding in findings] == [("src/pkg/thing.py", 2)]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S603 - the program is the user's own choice",
        "# noqa: S603, S607 - the program is the user's own choice",
        "# pyright: ignore[reportPrivateUsage] - the port's own test",
        "# noqa: SLF001 - the port's own test  # pyright: ignore[reportPrivateUsage] - the same test",
        "# pragma: no cover - runs in another process",
        "# a plain remark",
    ],
)
def test_a_reason_of_a_few_words_is_enough(make_project: "MakeProject", comment: str) -> None:
    text = f'x = "# noqa in a string is no comment"  {comment}\n'
    assert not list(check_comments(make_project({"tests/test_thing.py": text})))
