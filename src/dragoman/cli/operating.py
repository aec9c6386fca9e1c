"""What operators ask of hosts that run: to apply the project file, force a breaker, forget answers, run schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.asked import read_text
from dragoman.cli.hosts import Answer, ask_running
from dragoman.cli.outcome import FAILED, Stop, complain
from dragoman.cli.screen import printable, show_table
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument, StartFailed

if TYPE_CHECKING:
    from collections.abc import Sequence


def apply(paths: tuple[str, ...], url: str | None, *, as_json: bool) -> int:
    """Have the project file applied; the exit code. Raises `Stop` where no host runs, or the `Fault` of one."""
    try:
        answers = ask_running(paths, url, "apply")
    except (InvalidArgument, StartFailed) as fault:
        if as_json:
            click.echo(json.dumps({"fault": fault.detail}, ensure_ascii=False))
        for line in fault.detail.splitlines() if not as_json else ():
            complain(line)
        return FAILED
    if as_json:
        tell(answers)
        return 0
    for answer in answers:
        lines: list[str] = answer.value["changes"]
        place = printable(str(answer.value["file"]))
        head = f"{place} is in force" if lines else f"{place} is in force already: nothing has changed"
        click.echo(f"{head}{whose(answer, answers)}")
        for line in lines:
            click.echo(f"  {printable(line)}")
    return 0


def breaker(function: str, force: str, paths: tuple[str, ...], url: str | None, *, as_json: bool) -> int:
    """Force a breaker; the exit code. Raises as `apply`."""
    answers = ask_running(paths, url, "breaker", {"function": function, "force": force})
    if as_json:
        tell(answers)
        return 0
    for answer in answers:
        state = str(answer.value["state"]["state"]).replace("_", " ")
        click.echo(f"the breaker of {function} is {state}{whose(answer, answers)}")
    return 0


def clear(
    function: str, what: tuple[str | None, str | None], paths: tuple[str, ...], url: str | None, *, as_json: bool
) -> int:
    """Have answers forgotten: all, if the function has a tag, or that to an input; the exit code. Raises as `apply`."""
    tag, given = what
    if tag and given:
        raise Stop("--tag and --input each say what to forget: give one of the two")
    value: dict[str, Any] = {"function": function}
    if tag:
        value["tag"] = tag
    if given:
        try:
            value["input"] = codec.decode(read_text(given), Codec.JSON)
        except ValueError as error:
            raise Stop(f"--input is {str(error)[:500]}") from None
    answers = ask_running(paths, url, "invalidate", value)
    if as_json:
        tell(answers)
        return 0
    for answer in answers:
        count = answer.value["forgotten"]
        click.echo(f"{count} answer{'' if count == 1 else 's'} of {function} forgotten{whose(answer, answers)}")
    return 0


def schedules(paths: tuple[str, ...], url: str | None, *, as_json: bool) -> int:
    """Show the schedules of a project, as one of its hosts has them; the exit code. Raises as `apply`."""
    (answer,) = ask_running(paths, url, "schedules", most=1)
    told: list[dict[str, Any]] = answer.value["schedules"]
    if as_json:
        click.echo(json.dumps({"schedules": told}, ensure_ascii=False))
        return 0
    show_table(("schedule", "function", "when", "last", "next"), [_scheduled(each) for each in told])
    for each in told:
        if each.get("skipping"):
            complain(f"{each['name']} passes over its moments while its task {each['skipping']} is not over")
        if each["trouble"]:
            complain(f"{each['name']} cannot be fired now: {each['trouble']}")
    return FAILED if any(each["trouble"] for each in told) else 0


def _scheduled(told: dict[str, Any]) -> tuple[str, ...]:
    when = f"{told['when']} {told['zone']}" if told["zone"] != "UTC" else told["when"]
    following = told["next"][0] if told["next"] else "switched off"
    return told["name"], told["function"], when, told["last"] or "never", following


def trigger(schedule: str, paths: tuple[str, ...], url: str | None, *, as_json: bool) -> int:
    """Run the function of a schedule now, once; the exit code. Raises as `apply`."""
    (answer,) = ask_running(paths, url, "trigger", {"schedule": schedule}, most=1)
    if as_json:
        tell([answer])
    else:
        click.echo(f"{schedule} runs as task {answer.value['task']}")
    return 0


def whose(answer: Answer, answers: Sequence[Answer]) -> str:
    """Which host said so, where there are several."""
    return f" (host {answer.pid})" if len(answers) > 1 else ""


def tell(answers: Sequence[Answer]) -> None:
    """One line of JSON for each host."""
    for answer in answers:
        host = {"host": answer.pid} if answer.pid else {}
        click.echo(json.dumps({**answer.value, **host}, ensure_ascii=False))
