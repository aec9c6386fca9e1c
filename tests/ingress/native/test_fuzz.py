"""Whatever bytes come, in whatever pieces: the host answers or closes, runs nothing twice, and holds nothing on to."""

from __future__ import annotations

import asyncio
import random

from tests.fuzz.mutation import mutate
from tests.fuzz.native_ingress import SEEDS, TOKENS, Harness


async def test_seeds_and_what_is_made_of_them_break_nothing() -> None:
    harness = Harness(asyncio.get_running_loop())
    for seed in SEEDS:
        harness.check(seed)
    for number in range(300):
        harness.check(mutate(random.Random(number), SEEDS, TOKENS))
    await harness.settled()
