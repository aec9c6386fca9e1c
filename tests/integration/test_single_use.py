"""A clean process for every call in languages whose processes are started ahead, not forked from a loaded one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import DeadlineExceeded, Started, Unavailable
from dragoman.host.embedded import AsyncProject
from dragoman.workers.supervisor import Supervisor
from tests.integration.conftest import Reloaded, alive, descendants, host_of, hosted, pool_of, soon

BUILT_S = 120.0
"""A build, and the start of a few JVMs, on a machine that is busy."""
NODE = """
import { setTimeout as wait } from "node:timers/promises";

const n = { input: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } };
const s = { input: { type: "object", properties: { s: { type: "number" } }, required: ["s"] } };
export const schemas = { remember: n, count: n, nap: s };

const seen = [];

export function remember({ n }) {
  seen.push(n);
  return seen;
}

export function* count({ n }) {
  for (let at = 0; at < n; at++) yield at;
}

export async function nap({ s }) {
  await wait(s * 1000);
  return process.pid;
}

export const pid = () => process.pid;
export const leave = () => process.exit(3);
export const spin = () => {
  for (;;);
};
export const linger = () => {
  setInterval(() => {}, 1000);
  return process.pid;
};
"""
TYPESCRIPT = """
import { setTimeout as wait } from "node:timers/promises";

const seen: number[] = [];

export function remember(n: number): number[] {
  seen.push(n);
  return seen;
}

export function* count(n: number): Generator<number> {
  for (let at = 0; at < n; at++) yield at;
}

export async function nap(s: number): Promise<number> {
  await wait(s * 1000);
  return process.pid;
}

export function pid(): number {
  return process.pid;
}

export function leave(): void {
  process.exit(3);
}

export function spin(): void {
  for (;;);
}

export function linger(): number {
  setInterval(() => {}, 1000);
  return process.pid;
}
"""
JAVA = """
import dev.dragoman.Dragoman;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

public final class Work {
    record Number(long n) {}

    record Seconds(double s) {}

    private static final List<Long> SEEN = new ArrayList<>();

    private static long pid() {
        return ProcessHandle.current().pid();
    }

    public static void main(String[] arguments) {
        Dragoman.function("remember", Number.class, Long[].class, (in, ctx) -> {
            SEEN.add(in.n());
            return SEEN.toArray(new Long[0]);
        });
        Dragoman.stream("count", Number.class, Long.class, (in, ctx) -> LongStream.range(0, in.n()).boxed());
        Dragoman.function("nap", Seconds.class, Long.class, (in, ctx) -> {
            Thread.sleep((long) (in.s() * 1000));
            return pid();
        });
        Dragoman.function("pid", Void.class, Long.class, (in, ctx) -> pid());
        Dragoman.function("leave", Void.class, Void.class, (in, ctx) -> {
            System.exit(3);
            return null;
        });
        Dragoman.function("spin", Void.class, Void.class, (in, ctx) -> {
            while (true) Thread.onSpinWait();
        });
        Dragoman.function("linger", Void.class, Long.class, (in, ctx) -> {
            new Thread(() -> {
                try {
                    Thread.sleep(60_000);
                } catch (InterruptedException error) {
                    Thread.currentThread().interrupt();
                }
            }).start();
            return pid();
        });
        Dragoman.run();
    }
}
"""
GO = """
package main

import (
	"iter"
	"os"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
)

type number struct {
	N int64 `json:"n"`
}

type seconds struct {
	S float64 `json:"s"`
}

var seen []int64

func main() {
	dragoman.Register("remember", func(in number) []int64 {
		seen = append(seen, in.N)
		return seen
	})
	dragoman.Register("count", func(in number) iter.Seq2[int64, error] {
		return func(yield func(int64, error) bool) {
			for i := int64(0); i < in.N && yield(i, nil); i++ {
			}
		}
	})
	dragoman.Register("nap", func(in seconds) int {
		time.Sleep(time.Duration(in.S * float64(time.Second)))
		return os.Getpid()
	})
	dragoman.Register("pid", os.Getpid)
	dragoman.Register("leave", func() { os.Exit(3) })
	dragoman.Register("spin", func() {
		for {
		}
	})
	dragoman.Register("linger", func() int {
		go time.Sleep(time.Minute)
		return os.Getpid()
	})
	if err := dragoman.Serve(); err != nil {
		panic(err)
	}
}
"""
PERL = """
my @seen;
my $n = { n => { type => 'integer' } };

register remember => $n, sub { push @seen, $_[0]{n}; [@seen] };
register nap => { s => { type => 'number' } }, sub { Time::HiRes::sleep($_[0]{s}); $$ };
register pid => {}, sub { $$ };
register leave => {}, sub { exit 3 };
register spin => {}, sub { 1 while 1 };
register linger => {}, sub {
    my $pid = fork // die $!;
    return $$ if $pid;
    sleep 60;
    exit;
};

serve();
"""
"""Functions for the guest of the examples, which speaks the wire itself, and has no streams."""
GUEST = (Path(__file__).parents[2] / "examples" / "languages" / "perl" / "guest.pl").read_text()
SOURCES = {
    "node": ("work.mjs", NODE),
    "typescript": ("work.ts", TYPESCRIPT),
    "java": ("Work.java", JAVA),
    "go": ("work.go", GO),
    "wire": ("work.pl", GUEST.partition("# -- Functions --")[0] + PERL),
}
"""All but Rust, whose tests are beside its others: a build takes minutes."""
NEEDS = {"node": ("node",), "typescript": ("node", "npm"), "java": ("javac",), "go": ("go",), "wire": ("perl",)}
PLACES = {each: pytest.param(each, marks=pytest.mark.needs(*NEEDS[each])) for each in SOURCES}
WHOLE = [PLACES[each] for each in PLACES if each != "wire"]
"""Those that have streams, and say which call they have begun."""
TOML = """
[sources.work]
path = "{name}"
mode = "fork"
workers = {{ min = {least}, max = {most} }}
start_timeout = "60s"
{more}
"""

ProjectOf = Callable[..., Path]


@pytest.fixture(scope="module", params=PLACES.values(), ids=str)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one language's source, which is built once."""
    folder = tmp_path_factory.mktemp(request.param)
    name, text = SOURCES[request.param]
    (folder / name).write_text(text)
    (folder / name).chmod(0o700)
    return folder, name


@pytest.fixture
def project_of(place: tuple[Path, str]) -> ProjectOf:
    """Write the project's settings; its folder."""
    folder, name = place

    def make(least: int = 1, most: int = 2, more: str = "") -> Path:
        language = 'language = "wire"\n' if name.endswith(".pl") else ""
        (folder / "dragoman.toml").write_text(TOML.format(name=name, least=least, most=most, more=language + more))
        return folder

    return make


async def ready(project: AsyncProject, spares: int = 1) -> None:
    """Wait until it is built, and as many processes wait for calls."""
    async with asyncio.timeout(BUILT_S):
        await soon(lambda: "work" in host_of(project).registry.sources, BUILT_S)
        await soon(lambda: len(pool_of(host_of(project), "work").workers) >= spares, BUILT_S)


async def test_each_call_has_a_process_that_nobody_has_used(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of()) as project:
        await ready(project)
        assert [await project.call("work.remember", {"n": each}) for each in range(4)] == [[0], [1], [2], [3]]
        pids = [await project.call("work.pid") for _ in range(3)]
        assert len(set(pids)) == 3
        await soon(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("place", WHOLE, indirect=True)
async def test_a_stream_has_its_process_to_the_end(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of()) as project:
        await ready(project)
        assert [item async for item in project.stream("work.count", {"n": 500})] == list(range(500))


async def test_a_burst_beyond_the_spares_waits_for_its_processes(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of(least=1, most=3)) as project:
        await ready(project)
        pool = pool_of(host_of(project), "work")
        most = 0

        async def one() -> int:
            nonlocal most
            pid: int = await project.call("work.nap", {"s": 0.05})
            most = max(most, pool.at_work + len(pool.workers))
            return pid

        pids = await asyncio.gather(*(one() for _ in range(12)))
        assert len(set(pids)) == 12
        assert most <= 3
        await ready(project)


async def test_a_call_past_its_time_is_ended_with_its_process(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of()) as project:
        await ready(project, 1)
        pool = pool_of(host_of(project), "work")
        victim = pool.workers[0].pid
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded) as fault:
            await project.call("work.spin", timeout=0.7)
        assert time.monotonic() - begun < 1.5
        assert fault.value.started is Started.YES
        await soon(lambda: not alive(victim))
        assert await project.call("work.remember", {"n": 1}) == [1]


async def test_a_process_that_ends_in_mid_call_is_that_callers_loss_alone(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of(most=3)) as project:
        await ready(project)
        pool = pool_of(host_of(project), "work")
        with pytest.raises(Unavailable, match="exit code 3") as fault:
            await project.call("work.leave")
        assert fault.value.started is Started.YES
        napping = asyncio.ensure_future(project.call("work.nap", {"s": 60.0}))
        await soon(lambda: [worker for worker in pool.staff if worker.begun()])
        (running,) = [worker.pid for worker in pool.staff if worker.begun()]
        os.kill(running, signal.SIGKILL)
        with pytest.raises(Unavailable, match="signal 9"):
            await napping
        assert await project.call("work.remember", {"n": 1}) == [1]


@pytest.mark.parametrize("place", WHOLE, indirect=True)
async def test_a_spare_that_dies_is_nobodys_loss(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of()) as project:
        await ready(project)
        os.kill(pool_of(host_of(project), "work").workers[0].pid, signal.SIGKILL)
        assert await project.call("work.remember", {"n": 1}) == [1]


async def test_what_a_call_leaves_running_does_not_keep_its_process(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of()) as project:
        await ready(project)
        pid = await project.call("work.linger")
        await soon(lambda: not alive(pid))


async def test_many_calls_leave_no_process_and_no_descriptor(project_of: ProjectOf) -> None:
    async with dragoman.open(project_of(least=1, most=2)) as project:
        await ready(project)
        crew = pool_of(host_of(project), "work").crew
        assert isinstance(crew, Supervisor)

        def held() -> tuple[int, int]:
            return len(descendants(os.getpid())), sum(1 for _ in Path("/proc/self/fd").iterdir())

        await soon(lambda: crew.states() == {"starting": 0, "ready": 1, "draining": 0})
        before = held()
        await asyncio.gather(*(project.call("work.pid") for _ in range(20)))
        await soon(lambda: held() == before)


async def test_a_reload_lets_the_spares_of_before_go(project_of: ProjectOf, place: tuple[Path, str]) -> None:
    folder, name = place
    told: list[Reloaded] = []
    async with hosted(project_of(), watching=told) as host:
        project = AsyncProject(host)
        first = pool_of(host, "work").workers[0].pid
        assert await project.call("work.remember", {"n": 1}) == [1]
        (folder / name).write_text((folder / name).read_text() + "\n")
        await soon(lambda: told == [("work", None)], BUILT_S)
        assert await project.call("work.remember", {"n": 2}) == [2]
        await soon(lambda: not alive(first))
