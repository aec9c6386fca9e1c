"""Every guest library passes every case of its level: there is no list of known failures."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.play_host import cases
from conformance.process import Subject
from conformance.run import run

REPOSITORY = Path(__file__).parents[2]


def failures(subject: Subject) -> tuple[int, list[str]]:
    """How many cases passed, and what went wrong in the others."""
    outcomes = list(run(subject))
    wrong = [f"{outcome.name}: {outcome.why}" for outcome in outcomes if outcome.why]
    return sum(not outcome.why and not outcome.skipped for outcome in outcomes), wrong


@pytest.mark.needs("perl")
def test_the_guest_in_perl_passes_the_basic_cases() -> None:
    subject = Subject("perl", ("perl", "guest.pl"), REPOSITORY / "examples" / "languages" / "perl", level="basic")
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("basic")))


def test_the_guest_in_python_passes_every_case(tmp_path: Path) -> None:
    subject = Subject.load(REPOSITORY / "conformance" / "guests" / "python", tmp_path)
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("full")))


@pytest.mark.needs("go")
@pytest.mark.parametrize("transport", ["fd", "path"])
def test_the_guest_in_go_passes_every_case(tmp_path: Path, transport: str) -> None:
    subject = replace(Subject.load(REPOSITORY / "sdk" / "go" / "conformance", tmp_path), transport=transport)
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("full")))


@pytest.mark.needs("node")
@pytest.mark.parametrize("transport", ["fd", "path"])
def test_the_guest_in_javascript_passes_every_case(tmp_path: Path, transport: str) -> None:
    subject = replace(Subject.load(REPOSITORY / "sdk" / "node" / "conformance", tmp_path), transport=transport)
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("full")))


@pytest.mark.needs("cargo")
@pytest.mark.timeout(600)  # the first build of a checkout compiles the crate and its dependencies
@pytest.mark.parametrize("transport", ["fd", "path"])
def test_the_guest_in_rust_passes_every_case(tmp_path: Path, transport: str) -> None:
    subject = replace(Subject.load(REPOSITORY / "sdk" / "rust" / "conformance", tmp_path), transport=transport)
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("full")))


@pytest.mark.needs("javac")
@pytest.mark.parametrize("transport", ["fd", "path"])
def test_the_guest_in_java_passes_every_case(tmp_path: Path, transport: str) -> None:
    subject = replace(Subject.load(REPOSITORY / "sdk" / "java" / "conformance", tmp_path), transport=transport)
    passed, wrong = failures(subject)
    assert not wrong
    assert passed == len(list(cases("full")))


@pytest.mark.needs("perl")
def test_a_case_that_a_guest_breaks_is_a_failure(tmp_path: Path) -> None:
    guest = REPOSITORY / "examples" / "languages" / "perl" / "guest.pl"
    broken = guest.read_text().replace("$_[0]{a} + $_[0]{b}", "$_[0]{a} - $_[0]{b}")
    (tmp_path / "guest.pl").write_text(broken)
    subject = Subject("broken", ("perl", "guest.pl"), tmp_path, level="basic")
    outcomes = {outcome.name: outcome.why for outcome in run(subject, lambda name: name.startswith("unary."))}
    assert "expected 3, got -1" in outcomes["unary.json"]


def test_a_guest_that_does_not_start_fails_every_case_with_the_reason(tmp_path: Path) -> None:
    subject = Subject("silent", (sys.executable, "-c", "print('no idea')"), tmp_path, level="basic")
    (outcome,) = run(subject, lambda name: name == "unary.json")
    assert "no idea" in outcome.why
