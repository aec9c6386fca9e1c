"""What the layers of a host have around them: time and chance, the other functions, and the store that hosts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.service import Service
    from dragoman.policies.rate import Totals
    from dragoman.policies.surroundings import Surroundings
    from dragoman.stores.options import StoreOptions
    from dragoman.stores.valkey import Valkey


class World:
    """The surroundings of one host's layers. `route` finds a function that may answer for another one."""

    def __init__(
        self,
        surroundings: Surroundings,
        route: Callable[[str], Service | None] = lambda _: None,
        shared: StoreOptions | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.route = route
        self._options = shared
        self._store: Valkey | None = None
        self._totals: dict[bool, Totals] = {}

    def totals(self, *, shared: bool) -> Totals:
        """What callers have used of all functions together, of this host or of all."""
        if shared not in self._totals:
            from dragoman.policies.rate import Totals  # noqa: PLC0415 - for hosts that limit rates

            self._totals[shared] = Totals(self.surroundings, store=self.store if shared else None)
        return self._totals[shared]

    @property
    def store(self) -> Valkey | None:
        """The store, if the project has one; connected to when it is first asked for, on the running loop.

        Raises `StartFailed` where what speaks with it is not installed.
        """
        if self._store is None and self._options is not None:
            try:
                from dragoman.stores.valkey import Valkey  # noqa: PLC0415 - an extra, which few hosts need
            except ModuleNotFoundError as error:
                detail = f"[shared] is a store, and {error.name} is not installed: pip install 'dragoman[redis]'"
                raise StartFailed(detail) from None
            self._store = Valkey(self._options)
            self._store.start()
        return self._store

    def state(self) -> dict[str, object] | None:
        """What an operator may want to see of the store; None where none is used."""
        return None if self._store is None else self._store.state()

    async def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            await self._store.close()
