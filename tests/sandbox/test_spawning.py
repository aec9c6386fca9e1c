"""The whole base tier with real processes: what a worker gets, what it cannot keep, and who dies with whom."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import resource
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dragoman.sandbox.confinement import Exit, Launch, Limits
from dragoman.sandbox.spawning import SpawnerConfinement

SAFE = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
ROOT = str(Path(__file__).resolve().parents[2] / "src")
MB = 1024 * 1024

HOST = """
import asyncio, socket, sys
sys.path.insert(0, {root!r})
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.sandbox.confinement import Launch
async def main():
    confinement = SpawnerConfinement.launch()
    ours, theirs = socket.socketpair()
    for script in {scripts!r}:
        await confinement.start(Launch(argv=("sh", "-c", script), env={{"PATH": "/usr/bin:/bin"}}), theirs.fileno())
    print(confinement.spawner_pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def shell(script: str, **fields: Any) -> Launch:
    return Launch(argv=("sh", "-c", script), env=SAFE, **fields)


def python(code: str, **fields: Any) -> Launch:
    return Launch(argv=(sys.executable, "-I", "-S", "-c", code), env=SAFE, **fields)


async def said(child: Any) -> str:
    """Wait for the child's end, and return what it printed."""
    await asyncio.wait_for(child.wait(), 20)
    try:
        # The spawner may close its own end of the pipe a moment after a silent child has ended.
        await asyncio.to_thread(select.select, [child.stdout_fd], [], [], 20)
        return os.read(child.stdout_fd, MB).decode()
    finally:
        close(child)


def close(child: Any) -> None:
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)


def keeper_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_the_exit_code_and_the_output_of_a_program_are_told(confinement: SpawnerConfinement, wire: int) -> None:
    child = await confinement.start(shell("echo out; echo err >&2; exit 3"), wire)
    assert await child.wait() == Exit(3)
    assert os.read(child.stdout_fd, 100) == b"out\n"
    assert os.read(child.stderr_fd, 100) == b"err\n"
    assert os.read(child.stdout_fd, 100) == b""
    close(child)


async def test_a_signal_that_ends_a_program_is_told(confinement: SpawnerConfinement, wire: int) -> None:
    child = await confinement.start(shell("kill -SEGV $$"), wire)
    assert str(await child.wait()) == "signal 11"
    close(child)


async def test_wait_may_be_called_many_times_and_be_cancelled(confinement: SpawnerConfinement, wire: int) -> None:
    child = await confinement.start(shell("sleep 60"), wire)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(child.wait(), 0.01)
    child.kill()
    child.kill()
    assert await child.wait() == await child.wait() == Exit(-9)
    child.kill()
    close(child)


async def test_background_jobs_are_killed_with_their_shell(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(f"sleep {mark} & sleep {mark} & wait"), wire)
    await seen.soon(lambda: len(seen.marked(mark)) == 2)
    child.kill()
    await child.wait()
    assert not seen.marked(mark)
    close(child)


async def test_what_a_worker_leaves_behind_ends_before_its_exit_is_told(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(f"setsid sleep {mark} & sleep {mark} & exit 4"), wire)
    assert await child.wait() == Exit(4)
    assert not seen.marked(mark)
    close(child)


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})
    os._exit(0)
time.sleep(600)
"""


async def test_a_daemon_that_left_its_session_and_cleared_its_environment_is_killed(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(Launch(argv=(sys.executable, "-I", "-S", "-c", DAEMON, mark), env=SAFE), wire)
    await seen.soon(lambda: any("sleep" in Path(f"/proc/{pid}/comm").read_text() for pid in seen.marked(mark)))
    child.kill()
    await child.wait()
    assert not seen.marked(mark)
    close(child)


@pytest.mark.parametrize(
    "script",
    ["kill -STOP $$; sleep {}", "trap '' TERM INT HUP; sleep {}", "sleep {} & kill -STOP $!; wait"],
    ids=["stops itself", "ignores SIGTERM", "stopped child"],
)
async def test_neither_stopping_nor_ignoring_signals_saves_a_worker(
    confinement: SpawnerConfinement, wire: int, seen: Any, script: str
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(script.format(mark)), wire)
    child.kill()
    assert await asyncio.wait_for(child.wait(), 2) == Exit(-9)
    assert not seen.alive(child.pid)
    assert not seen.marked(mark)
    close(child)


HOPPER = """
import os, time
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


async def test_a_process_that_lives_from_fork_to_fork_is_caught(confinement: SpawnerConfinement, wire: int) -> None:
    child = await confinement.start(python(HOPPER), wire)
    assert await asyncio.wait_for(child.wait(), 8) == Exit(0)
    assert not child.survived
    close(child)


BURST = """
import os, time
for _ in range(6):
    os.fork()
    os.setsid() if os.getpid() != os.getsid(0) else None
time.sleep(600)
"""


async def test_a_burst_of_forks_is_killed_whole(confinement: SpawnerConfinement, wire: int, seen: Any) -> None:
    child = await confinement.start(python(BURST), wire)
    child.kill()
    await asyncio.wait_for(child.wait(), 8)
    assert not child.survived
    assert not seen.marked(BURST)
    close(child)


async def test_orphans_are_reaped_while_the_worker_lives(confinement: SpawnerConfinement, wire: int, seen: Any) -> None:
    child = await confinement.start(shell("for i in 1 2 3 4 5; do (setsid true &) ; done; echo done; sleep 600"), wire)
    keeper = keeper_of(child.pid)

    await asyncio.wait_for(asyncio.to_thread(seen.until, lambda: readable(child.stdout_fd)), 10)
    await seen.soon(lambda: not seen.zombies(keeper))
    child.kill()
    await child.wait()
    close(child)


def readable(fd: int) -> bool:
    try:
        return bool(os.read(fd, 100))
    except BlockingIOError:
        return False


@pytest.mark.parametrize("victims", ["host", "host and spawner"])
def test_everything_ends_with_its_host_within_a_second(seen: Any, victims: str) -> None:
    mark = seen.mark()
    scripts = [f"sleep {mark} & setsid sleep {mark} & trap '' TERM; wait", f"exec sleep {mark}"]
    host = subprocess.Popen(
        [sys.executable, "-c", HOST.format(root=ROOT, scripts=scripts)], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    spawner = int(host.stdout.readline())
    seen.until(lambda: len(seen.marked(mark)) == 3)
    if victims != "host":
        os.kill(spawner, signal.SIGKILL)
    host.kill()
    assert seen.until(lambda: not seen.marked(mark) and not seen.alive(spawner)) < 1.0
    host.wait()
    host.stdout.close()


def test_everything_ends_with_its_host_although_a_fork_of_it_lives_on(seen: Any) -> None:
    mark = seen.mark()
    fork = "import os, time\n    t = os.fork()\n    t or time.sleep(600)\n    print(t, flush=True)\n    print(conf"
    code = HOST.replace("print(conf", fork).format(root=ROOT, scripts=[f"exec sleep {mark}"])
    host = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    twin = int(host.stdout.readline())
    seen.until(lambda: len(seen.marked(mark)) == 1)
    host.kill()
    try:
        assert seen.until(lambda: not seen.marked(mark)) < 1.0
        assert seen.alive(twin)
    finally:
        os.kill(twin, signal.SIGKILL)
        host.wait()
        host.stdout.close()


def parent(pid: int) -> int:
    try:
        return keeper_of(pid)
    except OSError:
        return 0


async def test_a_killed_spawner_takes_its_trees_along_and_is_replaced(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(f"setsid sleep {mark} & exec sleep {mark}"), wire)
    await seen.soon(lambda: len(seen.marked(mark)) == 2)
    first = confinement.spawner_pid
    os.kill(first, signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 2) == Exit(-9)
    assert not seen.marked(mark)
    again = await confinement.start(shell("echo back"), wire)
    assert await said(again) == "back\n"
    assert confinement.spawner_pid not in {0, first}
    close(child)


async def test_what_a_killed_keeper_guarded_is_killed_by_the_spawner(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(f"setsid sleep {mark} & exec sleep {mark}"), wire)
    other = await confinement.start(shell("sleep 600"), wire)
    await seen.soon(lambda: len(seen.marked(mark)) == 2)
    os.kill(keeper_of(child.pid), signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 2) == Exit(-9)
    assert not seen.marked(mark)
    assert seen.alive(other.pid)
    close(child)
    close(other)


async def test_a_stopped_keeper_does_not_save_its_tree(
    confinement: SpawnerConfinement, wire: int, wire_end: socket.socket, seen: Any
) -> None:
    child = await confinement.start(shell("read go <&3; kill -STOP $PPID; sleep 600"), wire)
    wire_end.send(b"go\n")
    keeper = keeper_of(child.pid)
    await seen.soon(lambda: Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    child.kill()
    assert await asyncio.wait_for(child.wait(), 3) == Exit(-9)
    assert not seen.alive(child.pid)
    assert not seen.alive(keeper)
    close(child)


async def test_spawner_and_keeper_killed_at_once_still_leave_nothing(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    mark = seen.mark()
    child = await confinement.start(shell(f"sleep {mark} & exec sleep {mark}"), wire)
    await seen.soon(lambda: len(seen.marked(mark)) == 2)
    keeper = keeper_of(child.pid)
    os.kill(confinement.spawner_pid, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    os.kill(confinement.spawner_pid, signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 2) == Exit(-9)
    await seen.soon(lambda: not seen.marked(mark))
    close(child)


def environ(pid: int) -> set[bytes]:
    return set(Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0"))


async def test_the_environment_holds_what_was_given_and_nothing_of_the_host(
    wire: int, monkeypatch: pytest.MonkeyPatch, seen: Any
) -> None:
    monkeypatch.setenv("HOST_SECRET", "hush")
    confinement = SpawnerConfinement.launch()
    child = await confinement.start(
        Launch(argv=("sleep", "600"), env=SAFE),
        wire,
    )
    for pid in (confinement.spawner_pid, keeper_of(child.pid)):
        assert environ(pid) <= {b""}
    await seen.soon(lambda: environ(child.pid) != {b""})  # the kernel shows it once the exec is over
    assert environ(child.pid) == {b"PATH=" + SAFE["PATH"].encode(), b"DRAGOMAN_WIRE_FD=3"}
    await confinement.aclose()
    close(child)


async def test_only_the_descriptors_meant_for_it_reach_a_worker(confinement: SpawnerConfinement, wire: int) -> None:
    leaky = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaky, True)  # noqa: FBT003 - the standard library's signature
    reader, writer = os.pipe()
    code = (
        "import os, json; n = int(os.environ['EXTRA']); os.write(n, b'hello');"
        "fds = sorted(int(f) for f in os.listdir('/proc/self/fd')); print(json.dumps(fds))"
    )
    child = await confinement.start(python(code, fds={"EXTRA": writer}), wire)
    fds = json.loads(await said(child))
    assert fds[:-1] == [0, 1, 2, 3, 4]  # and the one that lists them
    assert os.read(reader, 10) == b"hello"
    for fd in (leaky, reader, writer):
        os.close(fd)


async def test_many_extra_descriptors_arrive_in_order(confinement: SpawnerConfinement, wire: int) -> None:
    pipes = [os.pipe() for _ in range(30)]
    code = "import os\nfor i in range(30): os.write(int(os.environ[f'F{i}']), str(i).encode())"
    child = await confinement.start(python(code, fds={f"F{i}": pair[1] for i, pair in enumerate(pipes)}), wire)
    await said(child)
    for i, (reader, writer) in enumerate(pipes):
        assert os.read(reader, 10) == str(i).encode()
        os.close(reader)
        os.close(writer)


async def test_limits_attributes_and_session_are_as_asked(confinement: SpawnerConfinement, wire: int) -> None:
    code = """
import json, os, resource, signal
status = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)
r = resource
print(json.dumps({
    'limits': [r.getrlimit(w) for w in (r.RLIMIT_DATA, r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_CORE)],
    'nnp': status['NoNewPrivs'], 'blocked': status['SigBlk'], 'sid': os.getsid(0) == os.getpid() == os.getpgid(0),
    'cwd': os.getcwd(), 'umask': os.umask(0)}))
"""
    limits = Limits(memory_bytes=200 * MB, files=100, file_bytes=5 * MB)
    told = json.loads(await said(await confinement.start(python(code, limits=limits, cwd="/usr"), wire)))
    assert told["limits"] == [[200 * MB] * 2, [100] * 2, [5 * MB] * 2, [0, 0]]
    assert (told["nnp"], told["sid"], told["cwd"], told["umask"]) == ("1", True, "/usr", 0o022)
    assert int(told["blocked"], 16) == 0


async def test_no_signal_is_ignored_in_a_worker_but_by_its_own_choice(
    confinement: SpawnerConfinement, wire: int
) -> None:
    child = await confinement.start(Launch(argv=("grep", "SigIgn", "/proc/self/status"), env=SAFE), wire)
    ignored = int((await said(child)).split()[1], 16)
    assert ignored & ~(0b11 << 31) == 0  # 32 and 33 are the C library's own


async def test_memory_past_the_limit_is_refused_to_the_worker(confinement: SpawnerConfinement, wire: int) -> None:
    child = await confinement.start(python("bytearray(300_000_000)", limits=Limits(memory_bytes=64 * MB)), wire)
    assert await child.wait() == Exit(1)
    assert b"MemoryError" in os.read(child.stderr_fd, 10_000)
    close(child)


@pytest.mark.parametrize(
    ("launch", "kind", "said_"),
    [
        (Launch(argv=("/nope/program",)), FileNotFoundError, "cannot start '/nope/program': No such file"),
        (Launch(argv=("no-such-program",), env=SAFE), FileNotFoundError, "no such program in PATH"),
        (Launch(argv=("/etc/passwd",)), PermissionError, "chmod +x"),
        (Launch(argv=("/bin/true",), cwd="/nope"), FileNotFoundError, "in the folder '/nope'"),
        (Launch(argv=("/bin/true", "a\0b")), OSError, "null"),
        (Launch(argv=("/bin/true",), env={"A=B": "x"}), OSError, "environment variable"),
        (Launch(entry="dragoman.nowhere:main"), OSError, "No module named 'dragoman.nowhere'"),
        (Launch(entry="dragoman.sandbox.probe:nothing"), OSError, "nothing"),
        (Launch(), OSError, "either a program"),
        (Launch(argv=("/bin/true",), limits=Limits(memory_bytes=1)), OSError, "memory limit"),
        (Launch(argv=("/bin/true",), limits=Limits(files=3)), OSError, "open files"),
    ],
)
async def test_a_start_that_cannot_be_says_why(
    confinement: SpawnerConfinement, wire: int, launch: Launch, kind: type[OSError], said_: str
) -> None:
    with pytest.raises(kind, match=said_.replace("+", r"\+")):
        await confinement.start(launch, wire)


async def test_files_that_cannot_run_say_what_is_wrong_with_them(
    confinement: SpawnerConfinement, wire: int, tmp_path: Path
) -> None:
    for text, complaint in (("echo hi\n", "'#!' line"), ("#!/no/such/shell\n", "interpreter")):
        script = tmp_path / "script"
        script.write_text(text)
        script.chmod(0o755)
        with pytest.raises(OSError, match=complaint):
            await confinement.start(Launch(argv=("./script",), cwd=str(tmp_path)), wire)


async def test_a_large_argument_and_environment_reach_a_worker(confinement: SpawnerConfinement, wire: int) -> None:
    env = {**SAFE, **{f"V{i}": "x" * 1000 for i in range(200)}}
    code = "import os, sys; print(len(sys.argv[1]), sum(k[0] == 'V' for k in os.environ))"
    launch = Launch(argv=(sys.executable, "-I", "-S", "-c", code, "y" * 100_000), env=env)
    assert await said(await confinement.start(launch, wire)) == "100000 200\n"


def open_fds(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def children_of(pid: int) -> int:
    return sum(parent(int(folder.name)) == pid for folder in Path("/proc").glob("[0-9]*"))


async def test_two_hundred_starts_leak_no_descriptor_and_no_process(
    confinement: SpawnerConfinement, wire: int, seen: Any
) -> None:
    async def cycle() -> None:
        child = await confinement.start(Launch(argv=("/bin/true",)), wire)
        await child.wait()
        close(child)
        with pytest.raises(FileNotFoundError):
            await confinement.start(Launch(argv=("/nope",)), wire)

    await cycle()
    keeper = await confinement.start(shell("sleep 600"), wire)
    kept = open_fds(keeper_of(keeper.pid))
    gc.collect()
    before = open_fds(os.getpid()), open_fds(confinement.spawner_pid)
    for _ in range(200):
        await cycle()
    assert (open_fds(os.getpid()), open_fds(confinement.spawner_pid)) == before
    last = await confinement.start(shell("sleep 600"), wire)
    assert open_fds(keeper_of(last.pid)) == kept
    await seen.soon(lambda: children_of(confinement.spawner_pid) == 2)
    close(keeper)
    close(last)


async def test_fifty_starts_at_once_all_succeed(confinement: SpawnerConfinement, wire: int) -> None:
    async def one(number: int) -> str:
        return await said(await confinement.start(shell(f"echo {number}"), wire))

    assert await asyncio.gather(*map(one, range(50))) == [f"{number}\n" for number in range(50)]


async def test_a_cancelled_start_leaves_nothing(confinement: SpawnerConfinement, wire: int, seen: Any) -> None:
    mark = seen.mark()
    await (await confinement.start(Launch(argv=("/bin/true",)), wire)).wait()
    tasks = [asyncio.ensure_future(confinement.start(shell(f"exec sleep {mark}"), wire)) for _ in range(20)]
    await asyncio.sleep(0)
    gc.collect()
    for task in tasks:
        task.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True))
    after = await confinement.start(Launch(argv=("/bin/true",)), wire)
    await after.wait()
    await seen.soon(lambda: not seen.marked(mark))
    close(after)


async def test_closing_kills_every_tree_and_starts_nothing_more(wire: int, seen: Any) -> None:
    mark = seen.mark()
    confinement = SpawnerConfinement.launch()
    spawner = confinement.spawner_pid
    children = [await confinement.start(shell(f"setsid sleep {mark} & exec sleep {mark}"), wire) for _ in range(3)]
    await confinement.aclose()
    assert not seen.marked(mark)
    assert not seen.alive(spawner)
    assert [await child.wait() for child in children] == [Exit(-9)] * 3
    with pytest.raises(OSError, match="closed") as caught:
        await confinement.start(shell("true"), wire)
    assert caught.value.errno == errno.ESHUTDOWN
    await confinement.aclose()
    for child in children:
        close(child)


def test_a_spawner_that_was_never_used_ends_when_closed(seen: Any) -> None:
    confinement = SpawnerConfinement.launch()
    spawner = confinement.spawner_pid
    confinement.close()
    assert not seen.alive(spawner)


async def test_the_report_tells_what_is_in_force(confinement: SpawnerConfinement) -> None:
    told = await confinement.report(Limits(memory_bytes=100 * MB, files=77))
    assert told["tier"] == "base"
    assert told["no_new_privileges"] is told["own_session"] is told["orphans_adopted"] is True
    assert told["descriptors"] == [0, 1, 2, 3]
    assert told["environment"] == ["DRAGOMAN_WIRE_FD"]
    assert (told["limits"]["data"], told["limits"]["nofile"], told["limits"]["core"]) == (100 * MB, 77, 0)


def test_it_works_under_uvloop() -> None:
    async def main() -> str:
        confinement = SpawnerConfinement.launch()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            children = [await confinement.start(shell("echo fast; sleep 600 &"), theirs.fileno()) for _ in range(5)]
            told = [await said(child) for child in children]
        await confinement.aclose()
        return "".join(told)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == "fast\n" * 5


async def test_limits_never_rise_above_those_of_the_host(confinement: SpawnerConfinement, wire: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    child = await confinement.start(shell("ulimit -n", limits=Limits(files=2**40)), wire)
    assert int(await said(child)) == hard


async def test_starting_does_not_hold_up_the_loop(confinement: SpawnerConfinement, wire: int) -> None:
    held = [0.0]
    stop = False

    async def watch() -> None:
        while not stop:
            begun = time.perf_counter()
            await asyncio.sleep(0)
            held[-1] = max(held[-1], time.perf_counter() - begun)

    watcher = asyncio.ensure_future(watch())
    for _ in range(10):
        await said(await confinement.start(Launch(argv=("/bin/true",)), wire))
        held.append(0.0)
    stop = True
    await watcher
    # Others may hold it up now and then; starting would hold it up each time.
    assert statistics.median(held[:-1]) < 0.1
