"""Clients in a hurry: a test of what goes wrong need not wait long for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey

QUICK = {"timeout_s": 0.05, "pause_s": 0.01, "pause_s_max": 0.05, "connect_s": 0.2, "idle_s": 0.1}


@asynccontextmanager
async def client(url: str, **options: float) -> AsyncGenerator[Valkey]:
    store = Valkey(StoreOptions(url, **{**QUICK, **options}))  # pyright: ignore[reportArgumentType] - mixed numbers
    store.start()
    try:
        yield store
    finally:
        await store.close()
