import os
from pathlib import Path

import pytest

from dragoman.building.cache import BUILDS_MAX, UNUSED_S_MAX, Cache, NoCache, open_cache, remove

NOW = 2e9


def put(cache: Cache, key: str, used_at: float = NOW) -> Path:
    work = cache.work(key)
    (work / "out").write_text(key)
    place = cache.publish(work, key)
    cache.lock(key).close()
    os.utime(cache.folder / "locks" / key, (used_at, used_at))
    return place


def test_a_build_is_found_once_it_is_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    assert cache.find("a-1-2", "out") is None
    place = put(cache, "a-1-2")
    assert cache.find("a-1-2", "out") == place
    assert cache.find("a-1-2", "other") is None
    assert cache.similar("a-1-", "out") == "a-1-2"
    assert cache.similar("b-", "out") is None
    assert (cache.folder / ".gitignore").read_text() == "*\n"
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_a_lock_is_held_alone_or_shared(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    one, two, three = (cache.lock("a-1-2") for _ in range(3))
    assert one.alone()
    assert not two.share()
    assert one.share()
    assert two.share()
    assert not three.alone()
    for lock in (one, two):
        lock.close()
    assert three.alone()
    assert cache.names(three, "a-1-2")
    (cache.folder / "locks" / "a-1-2").unlink()
    assert not cache.names(three, "a-1-2")
    three.close()
    three.close()


def test_the_builds_used_last_are_kept_of_each_source(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for age in range(BUILDS_MAX + 2):
        put(cache, f"a-{age}-x", NOW - age)
    put(cache, "a-b-0-x", NOW - 100)
    cache.prune("a", NOW)
    left = {path.name for path in (tmp_path / "builds").iterdir()}
    assert left == {*(f"a-{age}-x" for age in range(BUILDS_MAX)), "a-b-0-x"}


def test_what_nobody_has_used_for_long_goes_unless_somebody_uses_it_now(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    long_ago = NOW - UNUSED_S_MAX - 1
    put(cache, "a-1-x", long_ago)
    put(cache, "b-1-x", long_ago)
    held = cache.lock("b-1-x")
    assert held.share()
    os.utime(tmp_path / "locks" / "b-1-x", (long_ago, long_ago))
    cache.prune("c", NOW)
    assert [path.name for path in (tmp_path / "builds").iterdir()] == ["b-1-x"]
    held.close()


def test_what_a_killed_builder_left_is_cleared_and_what_one_works_on_is_not(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    left, busy = cache.work("a-1-x"), cache.work("a-2-x")
    lock = cache.lock("a-2-x")
    assert lock.alone()
    cache.prune("b", NOW)
    assert not left.exists()
    assert busy.exists()
    lock.close()
    assert cache.work("a-2-x") != busy
    assert not busy.exists()


def test_folders_without_permissions_are_removed_too(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "a/b").chmod(0o500)
    (tmp_path / "a").chmod(0o500)
    remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_first_place_that_works_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert open_cache([tmp_path / "file", tmp_path / "good"]).folder == tmp_path / "good"
    with pytest.raises(NoCache, match="no folder to build in"):
        open_cache([tmp_path / "file"])
