"""Sources of `mode = "inline"`: trusted async functions that run on the host's own loop.

Nothing confines them: what they block, everything waits for; what they crash, crashes the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import StartFailed

load_inline = None  # type: ignore
from dragoman.guest.loader import LoadFailed

if TYPE_CHECKING:
    from dragoman.config.project import Source
    from dragoman.contract.function import Contract
    from dragoman.core.fault import Fault
    from dragoman.core.service import Service


class InlineSource:
    """A source whose functions run inside the host."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.service: Service
        self.contracts: tuple[Contract, ...] = ()
        self.fault: Fault | None = None

    async def start(self) -> tuple[Contract, ...]:
        """Import it. Raises `StartFailed` with the reason."""
        try:
            functions = load_inline(str(self.source.path))
        except LoadFailed as error:
            self.fault = StartFailed(f"{self.source.name}: {error}", traceback=error.traceback)
            raise self.fault from None
        self.service = functions
        self.contracts = functions.contracts
        return self.contracts

    async def stop(self, timeout_s: float | None = None) -> None:
        """There is nothing to end: calls in flight are bound by their deadlines."""
