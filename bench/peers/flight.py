"""Arrow Flight: a server that gives back the table of each exchange."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

flight: Any = import_module("pyarrow.flight")  # it has no types


class Mirror(flight.FlightServerBase):
    """Gives back what it gets."""

    def do_exchange(self, _context: Any, _descriptor: Any, reader: Any, writer: Any) -> None:
        """Read the whole table, then write it."""
        table = reader.read_all()
        writer.begin(table.schema)
        writer.write_table(table)


if __name__ == "__main__":
    Mirror(sys.argv[1]).serve()
