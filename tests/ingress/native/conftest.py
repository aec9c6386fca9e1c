"""A booth for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from .booth import Booth, Caller, booth


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncGenerator[Booth]:
    async with booth(tmp_path) as served:
        yield served


@pytest.fixture
async def caller(stand: Booth) -> Caller:
    return await stand.client()
