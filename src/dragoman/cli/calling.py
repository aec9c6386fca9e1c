"""`dragoman call`, from its words to the last byte of the reply."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dragoman.cli.asked import Asked, input_of, read_words
from dragoman.cli.lines import items
from dragoman.cli.outcome import Stop, complain, exit_code, fault_lines, problem_json
from dragoman.cli.place import Place, place_of
from dragoman.cli.reply import Printer
from dragoman.client.outflow import Outflow
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import Fault, InvalidArgument, Unimplemented

if TYPE_CHECKING:
    from dragoman.cli.local import LocalHost
    from dragoman.contract.function import Contract
    from dragoman.core.call import Reply


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options as given; None where they were not."""

    url: str | None
    project: str | None
    cacert: str | None
    timeout: float | None
    stream: bool | None
    stream_input: bool
    raw: bool
    as_json: bool


def run(function: str, words: tuple[str, ...], options: CallOptions) -> int:
    """Call, print, and give the exit code. Raises `Stop` or `ConfigError` where there is nothing to call."""
    if options.stream_input and "-" in words:
        raise Stop("--stream-input reads standard input, so INPUT cannot be - as well")
    if options.stream_input and options.raw:
        raise Stop("--raw sends one INPUT as it is, and --stream-input a stream of values: give one of the two")
    asked = read_words(function, words, raw=options.raw)
    place = place_of(options.url, options.project, options.cacert)
    printer = Printer(compact=options.as_json)
    try:
        if place.url:
            call_remote(place, asked, options, printer)
        else:
            call_local(place, asked, options, printer)
    except Fault as fault:
        fault.function = fault.function or function
        if options.as_json:
            printer.problem(problem_json(fault))
        else:
            for line in fault_lines(fault):
                complain(line)
        return exit_code(fault)
    return 0


def call_remote(place: Place, asked: Asked, options: CallOptions, printer: Printer) -> None:
    """Call a running host."""
    with place.connect() as remote:
        contract = None
        try:
            contract = remote.contract(asked.function, timeout=options.timeout)
        except Fault as fault:
            # Without names in the input the call itself may go on, and says best what is wrong.
            if asked.named or options.stream_input or not fault.remote:
                raise
        value = input_of(asked, contract)
        if options.stream_input and contract is not None:
            value = {**_without_stream(asked, contract, value), contract.input_stream: items()}
        streaming = options.stream if options.stream is not None else contract is not None and contract.streaming
        if not streaming:
            printer.value(remote.call(asked.function, value, timeout=options.timeout))
            return
        with closing(remote.stream(asked.function, value, timeout=options.timeout)) as replies:
            for item in replies:
                printer.item(item)


def call_local(place: Place, asked: Asked, options: CallOptions, printer: Printer) -> None:
    """Host the project, call, and end it."""
    from dragoman.cli.local import StderrJournal, hosted  # noqa: PLC0415 - the host, which --url does without
    from dragoman.config.load import load  # noqa: PLC0415 - as above
    from dragoman.host.run import run as run_loop  # noqa: PLC0415 - as above

    project = load(place.paths)
    journal = StderrJournal()

    async def work() -> None:
        async with hosted(project, journal) as local:
            try:
                await _call_hosted(local, asked, options, printer)
            finally:
                journal.finish()

    run_loop(work())


async def _call_hosted(local: LocalHost, asked: Asked, options: CallOptions, printer: Printer) -> None:
    entry = await local.entry(asked.function)
    contract = entry.contract
    body, body_codec = _body(asked, contract, fed=options.stream_input)
    raw = contract.raw_output and not contract.streaming and not entry.target.gives_table
    reply_codec = Codec.BYTES if raw else Codec.JSON
    if options.stream and not contract.streaming:
        raise Unimplemented(f"{asked.function} does not stream; leave --stream out", function=asked.function)
    call = local.host.call(entry.target, body, body_codec, reply_codec, timeout_s=options.timeout)
    call.input = outflow = Outflow(items()) if options.stream_input else None
    with outflow or nullcontext():
        reply = await entry.service(call)
        if reply.items is None:
            printer.encoded(bytes(reply.body), raw=reply.codec is Codec.BYTES)
        else:
            await _print_items(reply, printer, one_by_one=options.stream is not False)


async def _print_items(reply: Reply, printer: Printer, *, one_by_one: bool) -> None:
    assert reply.items is not None
    kept: list[bytes] = []
    try:
        async for item in reply.items:
            if one_by_one:
                printer.encoded_item(item)
            else:
                kept.append(item)
    finally:
        await reply.items.aclose()
    if not one_by_one:
        printer.encoded(b"[" + b",".join(kept) + b"]", raw=False)


def _body(asked: Asked, contract: Contract, *, fed: bool) -> tuple[bytes, Codec]:
    value = input_of(asked, contract)
    if fed:
        value = _without_stream(asked, contract, value)
    if isinstance(value, bytes):
        if not contract.raw_input:
            raise InvalidArgument(f"{asked.function} takes no raw bytes; leave --raw out", function=asked.function)
        return value, Codec.BYTES
    return codec.encode(value, Codec.JSON), Codec.JSON


def _without_stream(asked: Asked, contract: Contract, value: object) -> dict[str, Any]:
    """The input beside the stream. Raises `Unimplemented` where there is no stream, `Stop` where both are given."""
    if not contract.input_stream:
        detail = f"{asked.function} takes no input stream; leave --stream-input out"
        raise Unimplemented(detail, function=asked.function)
    if not isinstance(value, dict):
        raise Stop("INPUT must be a JSON object where a stream is sent beside it")
    if contract.input_stream in value:
        raise Stop(f"{contract.input_stream} is what --stream-input sends, so INPUT cannot have it as well")
    return cast("dict[str, Any]", value)
