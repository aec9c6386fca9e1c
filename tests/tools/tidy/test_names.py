from typing import TYPE_CHECKING

import pytest

from tools.tidy.names import check_names

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject


@pytest.mark.parametrize(
    "place", ["src/pkg/utils.py", "src/pkg/_base.py", "src/pkg/common/__init__.py", "tools/misc.py"]
)
def test_a_module_that_could_hold_anything_is_refused(make_project: "MakeProject", place: str) -> None:
    assert [finding.path for finding in check_names(make_project({place: ""}))] == [place]


@pytest.mark.parametrize("name", ["PoolManager", "CallHandler", "StoreImpl", "CallData", "Helper"])
def test_a_class_that_could_be_anything_is_refused(make_project: "MakeProject", name: str) -> None:
    findings = list(check_names(make_project({"src/pkg/thing.py": f"\nclass {name}: ...\n"})))
    assert [(finding.line, name in finding.what) for finding in findings] == [(2, True)]


def test_nouns_of_the_domain_pass(make_project: "MakeProject") -> None:
    text = "class Pool: ...\nclass Database: ...\n"
    assert not list(check_names(make_project({"src/pkg/pool.py": text})))
