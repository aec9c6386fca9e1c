"""`dragoman task`: its commands, each with its options."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.commands import Group, drawn, drawn_group
from dragoman.cli.options import DURATION, WORDS, Whose, complete_function, input_arguments, json_option
from dragoman.core.terms import ATTEMPTS_MAX
from dragoman.ingress.http.tasks import STATES

if TYPE_CHECKING:
    from collections.abc import Callable

PRIORITIES = ("critical", "normal", "batch")
"""Those of `dragoman.core.call`, which --help does without."""
LISTED = 50
LISTED_MAX = 100_000
"""More is no list for anybody, and takes a while."""


def _where(command: Any) -> Any:
    """`--url`, `--project` and `--cacert`: whose tasks, given to the command as `whose`."""

    @functools.wraps(command)
    def placed(*args: Any, url: str | None, project: str | None, cacert: str | None, **options: Any) -> Any:
        return command(*args, whose=Whose(url, project, cacert), **options)

    url = click.option("--url", metavar="URL", help="Ask this running host. Default: DRAGOMAN_URL.")
    project = click.option(
        "--project", metavar="PATH", help="The project whose tasks they are. Default: the current folder."
    )
    authority = click.option(
        "--cacert",
        metavar="FILE",
        help="For https and tcp+tls: trust the certificates in this PEM file, and no others.",
    )
    return url(project(authority(placed)))


def complete_task(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
    """Ids of tasks that begin so, the newest first, with what they are."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for completion

    from dragoman.cli.task_place import known_tasks  # noqa: PLC0415 - only for completion

    found = known_tasks(ctx.params.get("project"), ctx.params.get("url"))
    return [CompletionItem(id_, help=about) for id_, about in found if id_.startswith(incomplete)]


def _one(command: Any) -> Any:
    return click.argument("id_", metavar="ID", shell_complete=complete_task)(command)


def _some(*, required: bool) -> Callable[[Any], Any]:
    return click.argument(
        "ids", metavar="ID..." if required else "[ID]...", nargs=-1, required=required, shell_complete=complete_task
    )


def _function(what: str) -> Callable[[Any], Any]:
    return click.option(
        "--function", metavar="FUNCTION", default="", shell_complete=complete_function, help=f"{what} of this function."
    )


def _limit(command: Any) -> Any:
    return click.option(
        "--limit", type=click.IntRange(1, LISTED_MAX), default=LISTED, help=f"So many at most. Default: {LISTED}."
    )(command)


@click.group("task", cls=drawn_group(Group))
def command() -> None:
    """Durable tasks: calls that are stored before they run, and that survive the death of anything.

    They are those of the host at --url, or of the hosts that this user runs for the project. Where none runs, they are
    looked at in the project's store, and say so; what is submitted then runs when a host is started.
    """


@command.command("submit", **drawn(), context_settings=WORDS)
@input_arguments
@_where
@click.option("--delay", type=DURATION, metavar="DURATION", help="Not before so long from now: 10s, 5m, 2h.")
@click.option("--deadline", type=DURATION, metavar="DURATION", help="Over within so long, waiting included.")
@click.option("--timeout", type=DURATION, metavar="DURATION", help="So long for one attempt.")
@click.option("--attempts", type=click.IntRange(1, ATTEMPTS_MAX), metavar="N", help="So many attempts, and no more.")
@click.option("--key", metavar="KEY", help="Submissions with the same key are one task.")
@click.option("--priority", type=click.Choice(PRIORITIES), help="How much it matters. Default: the function's own.")
@click.option("--callback", metavar="URL", help="Tell its end there: a URL, or queue:NAME.")
@click.option("--wait", is_flag=True, help="Watch it to its end, and print its result.")
@click.option("--raw", is_flag=True, help="Send INPUT as raw bytes, to a function that takes them.")
@json_option("the task, or with --wait the reply compactly, and a fault as a problem document,")
def submit(function: str, words: tuple[str, ...], whose: Whose, **options: object) -> int:
    """Submit a call as a task, and print its id.

    The input is given as for call. Nothing is stored where the function is unknown or the input wrong.
    """
    from dragoman.cli.submitting import SubmitOptions, run  # noqa: PLC0415 - a client's imports, for who submits

    return run(function, words, whose, SubmitOptions(**options))  # pyright: ignore[reportArgumentType] - the options above


@command.command("list", **drawn())
@_where
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES, case_sensitive=False),
    multiple=True,
    help="In this state; repeat it for several.",
)
@_function("Those")
@_limit
@json_option("the tasks")
def listing(whose: Whose, **options: Any) -> int:
    """List tasks, the newest first."""
    from dragoman.cli.tasking import show_list  # noqa: PLC0415 - a client's imports, which --help does without

    return show_list(whose, options.pop("states"), **options)


@command.command("show", **drawn())
@_one
@_where
@json_option("the task, with its attempts as history and its lines as logs,")
def show(id_: str, whose: Whose, *, as_json: bool) -> int:
    """Show a task: how it stands, its attempts with their faults, and what it logged last."""
    from dragoman.cli.tasking import show_one  # noqa: PLC0415 - a client's imports, which --help does without

    return show_one(whose, id_, as_json=as_json)


@command.command("watch", **drawn())
@_one
@_where
@json_option("each event, and the result, one a line,")
def watch(id_: str, whose: Whose, *, as_json: bool) -> int:
    """Watch a task to its end, over restarts of its host, and print its result.

    What it logs and how far it is goes to standard error. The exit code is that of a call: 0, or the fault's own.
    Ctrl-C ends the watching, and not the task.
    """
    from dragoman.cli.watching import run  # noqa: PLC0415 - a client's imports, which --help does without

    return run(whose, id_, as_json=as_json)


@command.command("cancel", **drawn())
@_some(required=True)
@_where
@json_option("one line for each, the task as it is then,")
def cancel(ids: tuple[str, ...], whose: Whose, *, as_json: bool) -> int:
    """Cancel tasks, and what they have submitted: one that waits never runs, one that runs is stopped."""
    from dragoman.cli.tasking import cancel  # noqa: PLC0415 - a client's imports, which --help does without

    return cancel(whose, ids, as_json=as_json)


@command.command("retry", **drawn())
@_some(required=True)
@_where
@json_option("one line for each, the task as it is then,")
def retry(ids: tuple[str, ...], whose: Whose, *, as_json: bool) -> int:
    """Have tasks that ended without a result run again, with all their attempts."""
    from dragoman.cli.tasking import retry  # noqa: PLC0415 - a client's imports, which --help does without

    return retry(whose, ids, as_json=as_json)


@command.group("dead", cls=drawn_group(Group), invoke_without_command=True)
@_where
@_function("Those")
@_limit
@json_option("the tasks")
@click.pass_context
def dead(ctx: click.Context, whose: Whose, **options: Any) -> int | None:
    """List the tasks whose attempts have all failed, with the fault of the last one."""
    if ctx.invoked_subcommand is not None:
        return None
    from dragoman.cli.tasking import show_dead  # noqa: PLC0415 - a client's imports, which --help does without

    return show_dead(whose, **options)


@dead.command("retry", **drawn())
@_some(required=False)
@_where
@click.option("--all", "every", is_flag=True, help="All of them.")
@_function("All")
@json_option("one line for each, the task as it is then,")
def dead_retry(ids: tuple[str, ...], whose: Whose, **options: Any) -> int:
    """Have dead tasks run again: those named, or all of them."""
    from dragoman.cli.tasking import retry_dead  # noqa: PLC0415 - a client's imports, which --help does without

    return retry_dead(whose, ids, **options)


@command.group("deliveries", cls=drawn_group(Group), invoke_without_command=True)
@_where
@json_option("them")
@click.pass_context
def deliveries(ctx: click.Context, whose: Whose, *, as_json: bool) -> int | None:
    """List the messages about ends of tasks that no callback took, however often they were sent."""
    if ctx.invoked_subcommand is not None:
        return None
    from dragoman.cli.tasking import show_deliveries  # noqa: PLC0415 - a client's imports, which --help does without

    return show_deliveries(whose, as_json=as_json)


@deliveries.command("retry", **drawn())
@click.argument("ids", metavar="DELIVERY...", nargs=-1, required=True)
@_where
@json_option("one line for each")
def redeliver(ids: tuple[str, ...], whose: Whose, *, as_json: bool) -> int:
    """Have such messages sent again."""
    from dragoman.cli.tasking import redeliver  # noqa: PLC0415 - a client's imports, which --help does without

    return redeliver(whose, ids, as_json=as_json)
