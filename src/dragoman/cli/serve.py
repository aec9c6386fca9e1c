"""`dragoman serve`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option


@click.command("serve", **drawn())
@click.argument("paths", nargs=-1, metavar="[PROJECT or SOURCE]...")
@click.option("--host", metavar="ADDRESS", help="Listen on this address. Default: 127.0.0.1, this machine only.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="Default: 8700; 0 takes a free one.")
@click.option("--no-http", is_flag=True, help="Serve no HTTP: native clients only.")
@click.option(
    "--native",
    multiple=True,
    metavar="ADDRESS",
    help="Serve native clients too: unix:///run/shop.sock, or tcp+tls://host:port; may be repeated.",
)
@click.option("--token-file", metavar="FILE", help="For tcp+tls: the token that clients must show.")
@click.option(
    "--watch",
    is_flag=True,
    help="Reload a source when its files change, and apply the project file when it does, without losing a call.",
)
@click.option("--debug", is_flag=True, help="Send tracebacks of user code to callers. Not for production.")
@click.option("--tls-cert", metavar="FILE", help="Serve https, and tcp+tls: the certificate chain, PEM.")
@click.option("--tls-key", metavar="FILE", help="Serve https, and tcp+tls: the private key, PEM.")
@click.option("--log", type=click.Choice(["debug", "info", "warning", "error"]), help="What to log. Default: info.")
@click.option("--exit-with-stdin", is_flag=True, help="Stop when standard input ends, as it does with its parent.")
@json_option("one line when ready, with the addresses and the functions,")
def command(paths: tuple[str, ...], **options: object) -> int:
    """Host functions and serve them, over HTTP and to native clients.

    PROJECT is a folder with a dragoman.toml; without any argument it is the current folder. SOURCEs are Python files
    and executables, which need no project file. The log goes to standard error. SIGTERM or Ctrl-C stops gracefully, a
    second one at once; SIGHUP has the project file read again, and put in force.
    """
    from dragoman.host.assemble import launch_confinement  # noqa: PLC0415 - the host's imports, not for --help

    confinement = launch_confinement()  # first of all: it gets ready behind the other imports
    from dragoman.cli.serving import ServeOptions, run  # noqa: PLC0415 - as above

    return run(paths, ServeOptions(**options), confinement)  # pyright: ignore[reportArgumentType] - the options by name
