"""The hosts of a project that run now, as their operators reach them: each by its control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.cli.outcome import Stop
from dragoman.client.connecting import connect
from dragoman.config.load import identity
from dragoman.host.meeting import hosts_of, pid_of
from dragoman.wire.address import UNIX

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTROL = "dragoman.control."


class Answer(NamedTuple):
    """What one host said; `pid` is 0 where nobody knows whose socket it was."""

    pid: int
    value: dict[str, Any]


def urls(paths: Sequence[str], url: str | None = None) -> list[tuple[int, str]]:
    """The control sockets to ask, with the processes whose they are. Raises `Stop` for an address that is none."""
    if url is None:
        return [(pid_of(path), f"{UNIX}{path}") for path in hosts_of(identity(paths))]
    if not url.startswith(UNIX):
        raise Stop(f"{url} is no control socket: operators reach a host on its own machine, by unix://…")
    return [(0, url)]


def ask(where: Sequence[tuple[int, str]], function: str, value: dict[str, Any] | None = None) -> list[Answer]:
    """Ask each host. Raises the `Fault` of the first that refuses."""
    answers: list[Answer] = []
    for pid, url in where:
        with connect(url) as remote:
            answers.append(Answer(pid, remote.call(CONTROL + function, value or {})))
    return answers


def ask_running(
    paths: Sequence[str],
    url: str | None,
    function: str,
    value: dict[str, Any] | None = None,
    *,
    most: int | None = None,
) -> list[Answer]:
    """Ask the hosts that serve a project, or so many of them at most. Raises `Stop` where there is none."""
    where = urls(paths, url)
    if not where:
        what = paths[0] if paths else "the project in this folder"
        raise Stop(f"no host serves {what} here, by this user: start one with dragoman serve")
    return ask(where[:most], function, value)
