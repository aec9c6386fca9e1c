"""Guests built against version 1 of the wire and never since, in today's host and in one that is ahead of them."""

from __future__ import annotations

import hashlib
import itertools
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.process import Subject
from conformance.run import run
from dragoman.config.load import load
from dragoman.core.fault import Code, DeadlineExceeded, Fault, StartFailed
from dragoman.host.assemble import parts
from dragoman.host.blocking import BlockingProject
from dragoman.host.embedded import Opened
from dragoman.host.journal import SilentJournal
from dragoman.wire.handshake import SPOKEN
from tests.integration.conftest import host_of, pool_of, until

REPOSITORY = Path(__file__).parents[2]
FROZEN = REPOSITORY / "conformance" / "frozen"
COMMANDS = {
    "python": f"PYTHONPATH=$here/src DRAGOMAN_SOURCE=$here/conformance/guests/python/service.py "
    f"exec {sys.executable} -P -m dragoman.guest",
    "node": "exec node $here/sdk/node/src/guest/main.js $here/sdk/node/conformance/service.mjs",
    "perl": "exec perl $here/examples/languages/perl/guest.pl",
}
"""How each is started; Perl's is of level basic, and has no part in what streams."""
FULL = ("python", "node")
TOML = """
[defaults]
workers = 1
[sources.today]
path = "{repository}/conformance/guests/python/service.py"
workers = 2
"""
SOURCE = """
[sources.{name}]
path = "{name}.sh"
language = "wire"
concurrency = {concurrency}
"""
LARGE = 12 * 1024 * 1024
"""As much as a call may bring by default, nearly, and far more than the socket holds: it travels in shared memory."""
LATER = (SPOKEN[0], SPOKEN[1] + 1)
TOO_LATE = (SPOKEN[1] + 1, SPOKEN[1] + 2)

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("perl")]


@pytest.fixture(scope="module")
def thawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked, with a script that starts each guest, and a project of them all."""
    folder = tmp_path_factory.mktemp("frozen")
    with tarfile.open(FROZEN / "v1.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    toml = TOML.format(repository=REPOSITORY)
    for name, command in COMMANDS.items():
        script = folder / f"{name}.sh"
        script.write_text(f"#!/bin/sh\nhere={folder}\n{command}\n")
        script.chmod(0o755)
        toml += SOURCE.format(name=name, concurrency=1 if name == "perl" else 8)
    (folder / "dragoman.toml").write_text(toml)
    return folder


def opened(folder: Path, versions: tuple[int, int]) -> Opened:
    """A host that offers its workers these versions of the wire."""
    return Opened(replace(parts(load([folder]), lambda _: SilentJournal()), versions=versions))


@pytest.fixture(scope="module", params=[SPOKEN, LATER], ids=["today", "later"])
def project(thawed: Path, request: pytest.FixtureRequest) -> Iterator[BlockingProject]:
    """The frozen guests beside one of today's."""
    with opened(thawed, request.param) as opened_project:
        until(lambda: len(opened_project.functions) > 3 * len(FULL) and ready(opened_project))
        yield opened_project


def ready(project: BlockingProject) -> bool:
    """Whether every source can be called."""
    return host_of(project).ready()[0]


def starts(project: BlockingProject) -> dict[str, int]:
    """How many workers each source has started."""
    return {pool.source: pool.starts for pool in host_of(project).pools()}


def raised(project: BlockingProject, function: str, value: dict[str, Any], *, timeout: float | None = None) -> Fault:
    """The fault of a call."""
    with pytest.raises(Fault) as caught:
        project.call(function, value, timeout=timeout)
    return caught.value


def test_an_archive_is_what_it_was_when_it_was_frozen() -> None:
    found = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(FROZEN.glob("*.xz"))]
    assert found == (FROZEN / "SHA256SUMS").read_text().splitlines()


@pytest.mark.parametrize("language", COMMANDS)
def test_a_frozen_guest_is_not_todays(project: BlockingProject, thawed: Path, language: str) -> None:
    pool = pool_of(host_of(project), language)
    until(lambda: pool.workers)
    worker = next(iter(pool.workers))
    arguments = Path(f"/proc/{worker.pid}/cmdline").read_bytes() + Path(f"/proc/{worker.pid}/environ").read_bytes()
    assert str(thawed).encode() in arguments
    assert str(REPOSITORY / "src").encode() not in arguments
    assert str(REPOSITORY / "sdk").encode() not in arguments


@pytest.mark.parametrize("language", COMMANDS)
def test_calls_and_faults(project: BlockingProject, language: str) -> None:
    assert project.call(f"{language}.add", {"a": 2, "b": 40}) == 42
    value: dict[str, Any] = {"text": "größe 😀", "list": [1, 2.5, None, True], "empty": {}}
    assert project.call(f"{language}.echo", {"value": value}) == value
    fault = raised(project, f"{language}.fail", {"code": "OUT_OF_RANGE", "detail": "as asked"})
    assert (fault.code, fault.detail, fault.errors[0].path) == (Code.OUT_OF_RANGE, "as asked", "/code")
    assert raised(project, f"{language}.add", {"a": "no", "b": 1}).code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("language", COMMANDS)
def test_a_call_past_its_time_is_cancelled_and_the_worker_stays(project: BlockingProject, language: str) -> None:
    before = starts(project)
    with pytest.raises(DeadlineExceeded):
        project.call(f"{language}.sleep", {"seconds": 30}, timeout=0.2)
    assert project.call(f"{language}.add", {"a": 1, "b": 1}) == 2
    assert starts(project) == before


@pytest.mark.parametrize("language", FULL)
def test_streams_go_on_and_end_and_are_given_up(project: BlockingProject, language: str) -> None:
    assert list(project.stream(f"{language}.count", {"to": 2000})) == list(range(2000))
    texts = list(project.stream(f"{language}.count", {"to": 40, "bytes": 100_000}))
    assert [len(text) for text in texts] == [100_000] * 40
    items = project.stream(f"{language}.endless", {})
    assert list(itertools.islice(items, 100)) == list(range(100))
    items.close()
    failing = project.stream(f"{language}.fail_after", {"items": 2})
    assert [next(failing), next(failing)] == [0, 1]
    with pytest.raises(Fault) as caught:
        next(failing)
    assert caught.value.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize("language", FULL)
def test_input_streams(project: BlockingProject, language: str) -> None:
    assert project.call(f"{language}.sum", {"numbers": iter(range(5000))}) == sum(range(5000))
    assert project.call(f"{language}.sum", {"numbers": [1, 2, 3]}) == 6
    assert project.call(f"{language}.first", {"numbers": itertools.count(7)}) == 7
    assert list(project.stream(f"{language}.double", {"numbers": iter(range(500))})) == list(range(0, 1000, 2))


@pytest.mark.parametrize("language", FULL)
def test_large_bodies_both_ways(project: BlockingProject, language: str) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    assert project.call(f"{language}.reverse", data) == data[::-1]
    text = "ü" * (LARGE // 8)
    assert project.call(f"{language}.echo", {"value": text}) == text


@pytest.mark.parametrize("language", FULL)
def test_calls_to_todays_guests_and_from_them(project: BlockingProject, language: str) -> None:
    sums = {"function": "today.add", "input": {"a": 1, "b": 2}}
    assert project.call(f"{language}.call", sums) == 3
    assert project.call("today.call", {"function": f"{language}.call", "input": sums}) == 3
    relayed = {"function": "today.count", "input": {"to": 300}}
    assert list(project.stream(f"{language}.relay", relayed)) == list(range(300))
    failing = {"function": "today.fail", "input": {"code": "ABORTED", "detail": "so"}}
    fault = raised(project, f"{language}.call", failing)
    assert (fault.code, fault.detail) == (Code.ABORTED, "so")


@pytest.mark.parametrize("language", FULL)
def test_calls_side_by_side(project: BlockingProject, language: str) -> None:
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(project.call(f"{language}.sleep", {"seconds": 0.4})))
        for _ in range(8)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["slept"] * 8
    assert time.monotonic() - begun < 8 * 0.4


def test_a_host_that_is_too_far_ahead_hears_why_no_guest_can_serve_it(thawed: Path) -> None:
    with pytest.raises(StartFailed) as caught, opened(thawed, TOO_LATE):
        pass
    assert caught.value.detail.count("2 to 3") == len(COMMANDS) + 1, caught.value.detail


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize("case", ["handshake.later-host", "handshake.no-common-version"])
def test_a_frozen_guest_keeps_to_the_versions_of_the_handshake(thawed: Path, language: str, case: str) -> None:
    level = "full" if language in FULL else "basic"
    subject = Subject(language, (str(thawed / f"{language}.sh"),), thawed, level=level)
    (outcome,) = run(subject, lambda name: name == case)
    assert not outcome.why
    assert not outcome.skipped
