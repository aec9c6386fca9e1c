"""Process trees, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dragoman.sandbox import tree

SWEEP = """
import os, sys
sys.path.insert(0, sys.argv[1])
from dragoman.sandbox import prctl, tree
prctl.adopt_orphans()
left = os.posix_spawn("/bin/sh", ["sh", "-c", f"setsid sleep {sys.argv[2]} & exec sleep {sys.argv[2]}"], os.environ)
reaped = {}
while len(list(tree.members(os.getpid()))) < 2: pass
print(tree.sweep(lambda pid, status: reaped.update({pid: status})), reaped[left], tree.sweep())
"""


def test_members_are_all_descendants_newest_first_without_the_root(seen: Any) -> None:
    mark = seen.mark()
    shell = subprocess.Popen(["sh", "-c", f"sleep {mark} & setsid sleep {mark} & wait"], start_new_session=True)
    seen.until(lambda: len(seen.marked(mark)) == 2)
    found = [pid for pid, _ in tree.members(os.getpid())]
    assert set(found) >= seen.marked(mark) | {shell.pid}
    assert os.getpid() not in found
    assert found.index(shell.pid) > max(found.index(pid) for pid in seen.marked(mark))
    assert [pid for pid, _ in tree.members(shell.pid)] == sorted(seen.marked(mark), reverse=True)
    tree.strike(shell.pid)
    shell.wait()
    seen.until(lambda: not seen.marked(mark))


def test_spared_processes_and_what_is_below_them_are_left_out(seen: Any) -> None:
    mark = seen.mark()
    with subprocess.Popen(["sh", "-c", f"sleep {mark} & wait"], start_new_session=True) as shell:
        seen.until(lambda: len(seen.marked(mark)) == 1)
        found = {pid for pid, _ in tree.members(os.getpid(), {shell.pid})}
        assert not found & (seen.marked(mark) | {shell.pid})
        tree.strike(shell.pid)


def test_a_name_with_brackets_and_spaces_misleads_nobody(tmp_path: Path, seen: Any) -> None:
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "600"], start_new_session=True) as process:
        seen.until(lambda: b"S 1" in Path(f"/proc/{process.pid}/comm").read_bytes())
        assert process.pid in {pid for pid, _ in tree.members(os.getpid())}
        process.kill()


def test_a_sweep_ends_children_and_orphans_and_tells_whom_it_reaped(seen: Any) -> None:
    mark = seen.mark()
    code = (sys.executable, "-I", "-S", "-c", SWEEP, str(Path(tree.__file__).parents[2]), mark)
    told = subprocess.run(code, capture_output=True, text=True, check=True, timeout=20)
    assert told.stdout == "True 9 True\n"
    assert not seen.marked(mark)


def test_a_session_can_be_ended_by_its_number_alone(seen: Any) -> None:
    mark = seen.mark()
    with subprocess.Popen(["sh", "-c", f"sleep {mark} & wait"], start_new_session=True) as shell:
        seen.until(lambda: len(seen.marked(mark)) == 1)
        tree.strike_session(shell.pid)
        seen.until(lambda: not seen.marked(mark))


def test_the_living_parent_of_a_dead_child_is_met(seen: Any) -> None:
    mark = seen.mark()
    with subprocess.Popen(["sh", "-c", f"true & exec sleep {mark}"], start_new_session=True) as parent:
        seen.until(lambda: seen.marked(mark) == {parent.pid} and seen.zombies(parent.pid) == 1)
        assert parent.pid in {pid for pid, _ in tree.members(os.getpid())}
        parent.kill()
