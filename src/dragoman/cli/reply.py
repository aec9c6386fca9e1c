"""Printing replies: JSON as people or programs read it, raw bytes as they are, a stream one item a line, at once."""

from __future__ import annotations

import sys

import click

from dragoman.cli.outcome import complain
from dragoman.cli.screen import on_terminal, show_json
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import DataLoss, Started


class Printer:
    """Prints one call's reply to standard output."""

    def __init__(self, *, compact: bool) -> None:
        """`compact` prints JSON for programs even on a terminal."""
        self._compact = compact
        self._items = 0

    def value(self, value: object) -> None:
        """Print a whole reply."""
        if isinstance(value, bytes):
            self.encoded(value, raw=True)
        else:
            self.encoded(_to_json(value), raw=False)

    def item(self, value: object) -> None:
        """Print one item of a stream."""
        self.encoded_item(_to_json(value))

    def encoded(self, body: bytes, *, raw: bool) -> None:
        """Print a whole reply that is JSON already, or raw bytes."""
        if not raw:
            show_json(body.decode("utf-8", "replace"), compact=self._compact)
        elif on_terminal() and not _is_text(body):
            complain(f"the reply is {len(body)} bytes that are no text; send them to a file: … > FILE")
        else:
            sys.stdout.buffer.write(body)
            sys.stdout.buffer.flush()

    def encoded_item(self, item: bytes) -> None:
        """Print one item of a stream that is JSON already: a line, flushed at once."""
        self._items += 1
        sys.stdout.buffer.write(item + b"\n")
        sys.stdout.buffer.flush()

    def problem(self, document: str) -> None:
        """Print a fault for programs; in the middle of a stream as JSON Lines over HTTP have it."""
        click.echo(f'{{"problem":{document}}}' if self._items else document)


def _to_json(value: object) -> bytes:
    try:
        return codec.encode(value, Codec.JSON)
    except ValueError as error:
        raise DataLoss(f"the reply cannot be shown as JSON: {error}", started=Started.YES) from None


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\n\t" for char in text)
