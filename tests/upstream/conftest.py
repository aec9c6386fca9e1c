from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.host.host import Host
from tests.host.projects import hosting
from tests.upstream.services import Service, serving

Open = Callable[..., AbstractAsyncContextManager[Host]]


@pytest.fixture
async def service() -> AsyncGenerator[Service]:
    async with serving() as service:
        yield service


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Host a project of one source, called `it`, by its settings; `document` is its OpenAPI document."""

    @asynccontextmanager
    async def opened(
        settings: str, document: dict[str, Any] | None = None, journal: Any = None
    ) -> AsyncGenerator[Host]:
        if document is not None:
            (tmp_path / "api.json").write_text(json.dumps(document))
        (tmp_path / "dragoman.toml").write_text(f"[sources.it]\n{settings}\n")
        async with hosting(tmp_path, journal=journal) as host:
            faults = await host.start()
            if faults:
                raise faults["it"]
            yield host

    return opened
