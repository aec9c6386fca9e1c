import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dragoman.building.cache import BUILDS_MAX, UNUSED_S_MAX, Cache, NoCache, Place, open_cache, remove

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
    assert open_cache([Place(tmp_path / "file"), Place(tmp_path / "good")]).folder == tmp_path / "good"
    with pytest.raises(NoCache, match="no folder to build in"):
        open_cache([Place(tmp_path / "file")])


def neighbours(tmp_path: Path, *names: str) -> list[Cache]:
    """Caches beside one another, each with a build and a folder that it is for; closed, as after a build."""
    caches: list[Cache] = []
    for name in names:
        (tmp_path / "projects" / name).mkdir(parents=True)
        caches.append(Cache(tmp_path / "shared" / name, tmp_path / "projects" / name))
        put(caches[-1], "a-1-x")
        caches[-1].close()
    return caches


def test_the_caches_of_projects_that_are_gone_go_too_unless_somebody_uses_them(tmp_path: Path) -> None:
    own, there, gone, built, building = neighbours(tmp_path, "own", "there", "gone", "built", "building")
    (own.folder.parent / "cargo").mkdir()
    (own.folder.parent / "cargo" / "CACHEDIR.TAG").touch()
    (own.folder.parent / ".gone-x").mkdir()
    for cache in (gone, built, building):
        assert cache.owner is not None
        cache.owner.rmdir()
    held = built.lock("a-1-x")
    assert held.share()
    entered = Cache(building.folder, building.owner)
    own.prune_others(NOW)
    left = {folder.name for folder in own.folder.parent.iterdir()}
    assert left == {"own", "there", "built", "building", "cargo"}
    held.close()
    entered.close()
    own.prune_others(NOW)
    assert there.find("a-1-x", "out")
    assert {folder.name for folder in own.folder.parent.iterdir()} == {"own", "there", "cargo"}
    again = Cache(gone.folder, gone.owner)
    assert again.find("a-1-x", "out") is None


def test_caches_that_nobody_has_used_for_long_go_too(tmp_path: Path) -> None:
    own, other = neighbours(tmp_path, "own", "other")
    own.prune_others(time.time())
    assert other.folder.exists()
    own.prune_others(max(time.time(), NOW) + UNUSED_S_MAX + 1)
    assert not other.folder.exists()
    assert own.folder.exists()


def test_a_cache_within_its_project_has_no_others_to_prune(tmp_path: Path) -> None:
    own, other = Cache(tmp_path / "own"), Cache(tmp_path / "other", tmp_path / "nothing")
    other.close()
    own.prune_others(NOW)
    assert other.folder.exists()


def test_hosts_that_enter_while_others_remove_find_a_cache(tmp_path: Path) -> None:
    (own,) = neighbours(tmp_path, "own")
    stop = threading.Event()

    def removing() -> None:
        while not stop.is_set():
            own.prune_others(NOW)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(removing)
        try:
            for number in range(300):
                cache = Cache(tmp_path / "shared" / "it", tmp_path / "nothing")
                put(cache, f"a-{number}-x")
                assert cache.find(f"a-{number}-x", "out")
                cache.close()
        finally:
            stop.set()
        done.result()
