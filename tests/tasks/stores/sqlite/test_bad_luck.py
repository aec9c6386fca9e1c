"""Disks that are full or read-only, files that are damaged, locked or replaced: a clear word, and nothing lost."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dragoman.tasks.options import TasksOptions
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.stores.sqlite.opening import create
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.task import Query, Runner, Submission, Want

NOBODY = 65534
PAGE = 4096
QUICKLY = Options(busy_s=0.2)


async def failure(store: Store) -> str:
    """What is wrong, as it is told where the store is opened or used."""
    try:
        await store.open()
        await store.submit([Submission("new", "f", "1", b"x" * 3000)])
        await store.find(Query())
        await store.census()
    except StoreFailed as failed:
        return str(failed)
    finally:
        await store.close()
    return ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-tasks-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Generator[None]:
    """As a user who owns nothing here; permissions mean nothing to root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)


async def test_a_full_disk_refuses_and_keeps_what_it_has(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "tasks.db")
    await store.open()
    stored: list[str] = []
    message = ""
    for number in range(5000):
        try:
            (told,) = await store.submit([Submission(f"{number:04}", "f", "1", b"x" * 4000)])
        except StoreFailed as failed:
            message = "unsure" if failed.unsure else str(failed)
            break
        stored.append(told.id)
    assert str(small_disk / "tasks.db") in message
    assert "free some space" in message
    assert [each.id for each in await store.find(Query(limit=9000))] == stored[::-1]

    enlarge(small_disk)

    assert (await store.submit([Submission("more", "f", "1", b"x" * 4000)]))[0].created
    await store.enlist(Runner("r"))
    assert len(await store.claim("r", [Want("f", 9000)], 1)) == len(stored) + 1
    await store.close()


async def test_one_that_does_not_fit_takes_no_other_along(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "tasks.db")
    await store.open()
    given = [Submission("large", "f", "1", bytes(4 << 20)), *(Submission(f"{n}", "f", "1", b"x") for n in range(9))]

    said = await asyncio.gather(*(store.submit([each]) for each in given), return_exceptions=True)

    assert isinstance(said[0], StoreFailed)
    assert [type(each) for each in said[1:]] == [list] * 9
    await store.close()


def allow(path: Path, mode: int) -> None:
    path.chmod(mode)


@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)])
async def test_what_cannot_be_written_is_told_with_what_to_do(open_folder: Path, file: int, folder: int) -> None:
    path = open_folder / "tasks.db"
    create(path)
    allow(path, file)
    allow(open_folder, folder)
    with unprivileged():
        said = await failure(SqliteStore(path))
    assert str(path) in said
    assert "let this user" in said
    assert "write the file, those beside it (-wal, -shm) and their folder" in said


async def test_a_folder_that_cannot_be_written_has_no_new_file(open_folder: Path) -> None:
    allow(open_folder, 0o555)
    with unprivileged():
        said = await failure(SqliteStore(open_folder / "deeper" / "tasks.db"))
    assert "cannot be made" in said
    assert "let this user read and write its folder" in said


async def test_a_folder_that_cannot_be_looked_into_is_told_of(open_folder: Path) -> None:
    path = open_folder / "tasks.db"
    create(path)
    allow(open_folder, 0o000)
    options = TasksOptions(f"sqlite:{path}")
    with unprivileged():
        assert options.present
        said = await failure(SqliteStore(path))
    allow(open_folder, 0o755)
    assert "let this user read and write its folder" in said


async def test_a_folder_that_is_closed_while_its_file_is_in_use_loses_nothing(open_folder: Path) -> None:
    allow(open_folder, 0o777)
    with unprivileged():
        store = SqliteStore(open_folder / "tasks.db")
        await store.open()
        await store.submit([Submission("a", "f", "1", b"x")])
    allow(open_folder, 0o000)
    with unprivileged():
        told = await store.submit([Submission("b", "f", "1", b"x")])
    assert [each.created for each in told] == [True]
    allow(open_folder, 0o777)
    assert await store.get("b") is not None
    await store.close()


@pytest.mark.parametrize("damage", ["head", "middle", "tail", "empty", "text"])
async def test_a_damaged_file_is_told_of_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "tasks.db"
    store = SqliteStore(path)
    await store.open()
    await store.submit([Submission(f"{number:04}", "f", "1", b"x" * 400) for number in range(500)])
    await store.close()
    spoil(path, damage)
    before = path.read_bytes()

    said = await failure(SqliteStore(path, QUICKLY))

    assert str(path) in said
    assert "restore a backup" in said
    assert path.read_bytes() == before


def spoil(path: Path, damage: str) -> None:
    whole = path.read_bytes()
    garbage = b"\xa5" * PAGE
    match damage:
        case "head":
            path.write_bytes(garbage + whole[PAGE:])
        case "middle":
            path.write_bytes(whole[:PAGE] + garbage * (len(whole) // PAGE - 1))
        case "tail":
            path.write_bytes(whole[: 3 * PAGE])
        case "empty":
            path.write_bytes(b"")
        case _:
            path.write_text("nothing like a database\n" * 500, encoding="utf-8")


@pytest.mark.parametrize("mode", ["EXCLUSIVE", "IMMEDIATE"])
async def test_a_file_that_another_holds_is_waited_for_and_then_told_of(path: Path, mode: str) -> None:
    store = SqliteStore(path, QUICKLY)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"BEGIN {mode}")
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(StoreFailed, match=r"tasks\.db is locked by another process"):
            await store.submit([Submission("t", "f", "1", b"{}")])
        assert loop.time() - began < 5
        # Those who only look are not held up.
        assert await store.find(Query()) == []
        other.execute("COMMIT")
    assert (await store.submit([Submission("t", "f", "1", b"{}")]))[0].created
    await store.close()


async def test_a_file_that_another_holds_for_itself_cannot_be_opened(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE theirs (a)")
        other.execute("COMMIT")
        said = await failure(SqliteStore(path, QUICKLY))
    assert "locked by another process" in said
    assert not await failure(SqliteStore(path, QUICKLY))


async def test_the_loop_goes_on_while_the_file_is_locked(path: Path) -> None:
    store = SqliteStore(path, QUICKLY)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(store.submit([Submission("t", "f", "1", b"{}")]))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert isinstance(waiting.exception(), StoreFailed)
    assert turns > 20
    await store.close()
