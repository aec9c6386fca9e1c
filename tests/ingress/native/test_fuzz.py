"""Whatever bytes come, in whatever pieces: the host answers or closes, runs nothing twice, and holds nothing on to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fuzz.native_ingress import SEEDS, Harness, mutated

if TYPE_CHECKING:
    from pathlib import Path


async def test_seeds_and_what_is_made_of_them_break_nothing(tmp_path: Path) -> None:
    harness = Harness(asyncio.get_running_loop(), tmp_path / "n.sock")
    for seed in SEEDS:
        harness.check(seed)
    for number in range(300):
        harness.check(mutated(number))
    await harness.settled()
