"""`dragoman serve`, from its options to its last line."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from dragoman.cli.outcome import Stop, complain
from dragoman.cli.screen import colored, printable
from dragoman.cli.signature import signature
from dragoman.config.environment import read_environment
from dragoman.config.load import load
from dragoman.config.servers import with_certificate
from dragoman.host.assemble import parts
from dragoman.host.journal import LogJournal
from dragoman.host.run import run as run_loop
from dragoman.host.run import serve
from dragoman.host.serving import Ingresses
from dragoman.telemetry.log import Log, LogOptions

if TYPE_CHECKING:
    from dragoman.config.environment import Overrides
    from dragoman.core.fault import Fault
    from dragoman.host.difference import Difference
    from dragoman.host.registry import Entry
    from dragoman.host.serving import Serving
    from dragoman.ingress.http.options import HttpOptions
    from dragoman.ingress.native.options import NativeOptions
    from dragoman.sandbox.spawning import SpawnerConfinement

SHOWN_MAX = 50
"""Functions listed at the start; a longer list is one that nobody reads, and is at /docs."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options as given; None where they were not."""

    host: str | None
    port: int | None
    watch: bool
    debug: bool
    tls_cert: str | None
    tls_key: str | None
    log: str | None
    as_json: bool
    no_http: bool = False
    native: tuple[str, ...] = ()
    token_file: str | None = None
    exit_with_stdin: bool = False


def run(paths: tuple[str, ...], options: ServeOptions, confinement: SpawnerConfinement) -> int:
    """Serve until a signal. Raises `Stop` or `ConfigError` where that cannot begin."""
    try:
        overrides = read_environment()
        project = load(paths)
        http = http_options(overrides.http(project.http), options)
        ingresses = Ingresses(http, native_options(project.native, http, options))
        level = cast("Literal['debug', 'info', 'warning', 'error']", options.log or overrides.log or "info")
        log = Log(LogOptions(level, colors=colored(sys.stderr)))
        made = parts(project, lambda prefix: LogJournal(log, prefix), confinement, debug=http.debug)
        announcer = JsonAnnouncer() if options.as_json else Announcer()
        try:
            run_loop(serve(made, ingresses, log, announcer, watching=options.watch, with_stdin=options.exit_with_stdin))
        except OSError as error:
            raise Stop(refusal(error, http, overrides)) from None
        finally:
            log.close()
    finally:
        confinement.close()
    return 0


def http_options(options: HttpOptions, given: ServeOptions) -> HttpOptions:
    """The project's options with the command line's in their place. Raises `Stop` for half of a TLS pair."""
    if bool(given.tls_cert) != bool(given.tls_key):
        raise Stop("--tls-cert and --tls-key belong together: give both")
    for file in (given.tls_cert, given.tls_key):
        if file and not Path(file).is_file():
            raise Stop(f"there is no file {file}")
    values: dict[str, Any] = {"debug": given.debug or options.debug, "enabled": options.enabled and not given.no_http}
    names = ("host", "port", "tls_cert", "tls_key")
    values |= {name: value for name in names if (value := getattr(given, name)) is not None}
    return replace(options, **values)


def native_options(options: NativeOptions, http: HttpOptions, given: ServeOptions) -> NativeOptions:
    """The project's options for native clients with the command line's in their place.

    Raises `Stop` where that leaves no way in at all.
    """
    listen = given.native or options.listen
    if not listen and not http.enabled:
        raise Stop(
            "without HTTP nobody can call this host: give --native unix:///run/shop.sock, or leave --no-http out"
        )
    values: dict[str, Any] = {"listen": listen, "debug": http.debug}
    if given.token_file:
        values["token_file"] = given.token_file
    if given.tls_cert and given.tls_key:
        values |= {"tls_cert": given.tls_cert, "tls_key": given.tls_key}
    return with_certificate(replace(options, **values), http)


def refusal(error: OSError, options: HttpOptions, overrides: Overrides) -> str:
    """Why it cannot listen, and what to do."""
    import errno  # noqa: PLC0415 - only where it failed
    import ssl  # noqa: PLC0415 - as above

    if isinstance(error, ssl.SSLError):
        return f"{options.tls_cert} and {options.tls_key} cannot be used for https: {error.reason or error}"
    text = str(error)
    if f"Errno {errno.EADDRINUSE}" in text:
        by = " (DRAGOMAN_PORT)" if overrides.port == options.port else ""
        return f"port {options.port}{by} of {options.host} is taken by another program: choose one with --port, or 0"
    if f"Errno {errno.EACCES}" in text:
        return f"port {options.port} is not for ordinary users: choose one above 1023 with --port"
    return text


class Announcer:
    """Tells people what is served, where, and what becomes of it."""

    def ready(self, serving: Serving) -> None:
        """Show the functions and the address; why a source is not among them goes to standard error."""
        entries = serving.host.registry.entries
        for line in listing(entries):
            say(line)
        for source, why in failures(serving).items():
            complain(f"{source} cannot start: {why}")
        url = serving.url
        count = f"{len(entries)} function{'' if len(entries) == 1 else 's'}"
        places = [*([f"{url} (to read and try: {url}/docs)"] if url else []), *serving.urls]
        say(f"Serving {count} of {printable(serving.parts.project.name)} on {', '.join(places)}")

    def reloaded(self, serving: Serving, source: str, fault: Fault | None) -> None:
        """Show what became of a change."""
        if fault is not None:
            complain(f"{source} has changed and does not start; the one before stays in service: {fault.detail}")
            return
        say(f"{source} has changed, and is in service as it is now:")
        entries = serving.host.registry.entries
        for line in listing({name: entry for name, entry in entries.items() if entry.source.name == source}):
            say(line)

    def applied(self, file: Path, told: Difference) -> None:
        """Say what is different now."""
        say(f"{file} is in force as it is now:")
        for line in told.lines[:SHOWN_MAX]:
            say(f"  {printable(line)}")
        if len(told.lines) > SHOWN_MAX:
            say(f"  … and {len(told.lines) - SHOWN_MAX} more")

    def refused(self, file: Path | None, wrong: str) -> None:
        """Say what is wrong with it."""
        complain(f"{file or 'the project'} is not applied; what was in force stays so:")
        for line in wrong.splitlines():
            complain(line)

    def unwatched(self, error: OSError) -> None:
        """Say that there will be no reloads."""
        complain(f"changes are not watched: {error}")


class JsonAnnouncer:
    """Tells programs the same, a line of JSON each."""

    def ready(self, serving: Serving) -> None:
        """One line with addresses and the functions' names; `faults` says why a source is not among them."""
        functions = sorted(serving.host.registry.entries)
        self._say({"url": serving.url, "native": serving.urls, "functions": functions, "faults": failures(serving)})

    def reloaded(self, serving: Serving, source: str, fault: Fault | None) -> None:
        """One line with the source, and its functions or why it is broken."""
        entries = serving.host.registry.entries
        names = sorted(name for name, entry in entries.items() if entry.source.name == source)
        self._say({"reloaded": source, "functions": names, "fault": fault.detail if fault is not None else None})

    def applied(self, file: Path, told: Difference) -> None:
        """One line with the project file, and what has changed."""
        self._say({"applied": str(file), "changes": told.lines, "restart": told.restart, "fault": None})

    def refused(self, file: Path | None, wrong: str) -> None:
        """One line with the project file, and why it is not in force."""
        self._say({"applied": None if file is None else str(file), "changes": [], "restart": [], "fault": wrong})

    def unwatched(self, error: OSError) -> None:
        """One line."""
        self._say({"unwatched": str(error)})

    def _say(self, told: dict[str, Any]) -> None:
        say(json.dumps(told, ensure_ascii=True))


def listing(entries: dict[str, Entry]) -> list[str]:
    """A line for each function: name, signature, language and mode."""
    lines = [
        f"  {name}{printable(signature(entry.contract))}  [{entry.source.language}, {entry.source.mode}]"
        for name, entry in sorted(entries.items())
    ]
    more = len(lines) - SHOWN_MAX
    return [*lines[:SHOWN_MAX], f"  … and {more} more"] if more > 0 else lines


def failures(serving: Serving) -> dict[str, str]:
    """Why sources are not in service, by name; those that still start are not yet failures."""
    sources = serving.host.registry.sources
    return {name: hosted.fault.detail for name, hosted in sources.items() if hosted.fault is not None}


def say(line: str) -> None:
    """One line to standard output, at once. Nobody has to read it."""
    try:
        click.echo(line)
    except BrokenPipeError:
        return
