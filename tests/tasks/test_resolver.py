from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from dragoman.tasks.resolver import SystemResolver


def test_names_and_numbers_in_any_writing_become_addresses() -> None:
    async def main() -> None:
        resolve = SystemResolver()
        assert "127.0.0.1" in await resolve("localhost", 80)
        for text in ("127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"):
            assert await resolve(text, 80) == ["127.0.0.1"]
        assert await resolve("::1", 80) == ["::1"]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["nowhere.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_without_addresses_is_a_fault_with_a_reason(name: str) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="has no address"):
            await SystemResolver()(name, 80)

    asyncio.run(main())


def test_an_address_is_its_own_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")

    async def main() -> None:
        resolve = SystemResolver()
        assert await resolve("10.0.0.1", 80) == ["10.0.0.1"]
        assert await resolve("2001:DB8:0::1", 80) == ["2001:db8::1"]

    asyncio.run(main())


def test_a_name_server_that_hangs_holds_few_threads_and_nobody_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, both = threading.Event(), threading.Barrier(3)
    asked = list[str]()

    def hang(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        if len(asked) <= 2:
            both.wait(10)
        answered.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]

    async def main() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", hang)
        resolve = SystemResolver(threads_max=2)
        waiting = [asyncio.ensure_future(resolve(f"h{number}", 80)) for number in range(5)]
        await asyncio.to_thread(both.wait, 10)
        waiting[0].cancel()
        waiting[4].cancel()
        await asyncio.wait(waiting, timeout=0.05)
        assert len(asked) == 2
        answered.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert found[1:4] == [["93.184.216.34"]] * 3
        assert len(asked) == 4

    asyncio.run(main())
