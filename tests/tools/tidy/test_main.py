from typing import TYPE_CHECKING

from tools.tidy.__main__ import main

if TYPE_CHECKING:
    import pytest

    from tests.tools.conftest import MakeProject


def test_findings_are_printed_with_their_place_and_fail(
    make_project: "MakeProject", capsys: "pytest.CaptureFixture[str]"
) -> None:
    project = make_project({"src/pkg/__init__.py": '"""What."""\n', "src/pkg/utils.py": ""})
    assert main([str(project.root)]) == 1
    assert "src/pkg/utils.py:1: a module named 'utils' says nothing" in capsys.readouterr().out


def test_a_tidy_repository_passes(make_project: "MakeProject", capsys: "pytest.CaptureFixture[str]") -> None:
    project = make_project({"src/pkg/__init__.py": '"""What."""\n'})
    assert main([str(project.root)]) == 0
    assert "0 findings" in capsys.readouterr().out


def test_a_folder_without_a_package_is_an_error_and_not_a_clean_bill(make_project: "MakeProject") -> None:
    assert main([str(make_project({}).root)]) == 1


def test_a_module_that_does_not_parse_is_a_finding(
    make_project: "MakeProject", capsys: "pytest.CaptureFixture[str]"
) -> None:
    project = make_project({"src/pkg/thing.py": "x = 1\ndef work(:\n"})
    assert main([str(project.root)]) == 1
    assert "src/pkg/thing.py:2: does not parse" in capsys.readouterr().out
