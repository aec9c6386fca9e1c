"""One contestant called over and over by a blocking program of its own: `python -m bench.caller NAME CALLS`.

A process apart, so that no contestant is measured in an interpreter that another one has filled, and so that the
CPU of the caller and of everything behind it can be told from each other.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench.peers import standard
from bench.peers.http_body import JSON_HEADERS, JSON_PATH
from bench.servers import LANGUAGES, ROOT, dragoman, fastapi, gateway, raw_asgi
from bench.system import Usage
from bench.workload import BLOB, SMALL, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.outcome import Sample

AWK = ["/usr/bin/awk", 'BEGIN { for (i = 1; i <= 1000; i++) sum += i; printf "%d", sum }']
TRUE = ["/bin/true"]
WARM_UP_SHARE = 0.1


def _late(module: str, name: str, *given: Any, **named: Any) -> Any:
    """Import only what this contestant needs: another's libraries would slow it, or start threads."""
    return getattr(import_module(module), name)(*given, **named)


CONTESTANTS: dict[str, tuple[Any, Any]] = {
    "small.open": (partial(_late, "bench.opened", "opened", "functions.mirror", {"text": TEXT}), TEXT),
    "small.native": (partial(_late, "bench.native", "connected", "functions.mirror", {"text": TEXT}), TEXT),
    "small.http": (
        partial(_late, "bench.peers.http_body", "http_body", dragoman, SMALL, JSON_PATH, JSON_HEADERS),
        json.dumps(TEXT).encode(),
    ),
    "small.ping": (partial(_late, "bench.peers.ping_pong", "ping_pong", SMALL), SMALL),
    "small.ping_json": (partial(_late, "bench.peers.ping_pong", "ping_pong_json", TEXT), TEXT),
    "small.grpc": (partial(_late, "bench.peers.grpc_unix", "grpc_unix", SMALL), SMALL),
    "small.pool": (partial(standard.pool, SMALL), SMALL),
    "small.python": (partial(standard.python_per_call, SMALL), SMALL),
    **{f"{name}.guest": (partial(_late, "bench.opened", "guest", name, TEXT), TEXT) for name in LANGUAGES},
    "Go.grpc": (partial(_late, "bench.peers.bridges", "grpc_go", TEXT), TEXT),
    "Java.py4j": (partial(_late, "bench.peers.bridges", "py4j", TEXT), TEXT),
    "Java.jpype": (partial(_late, "bench.peers.bridges", "jpype", TEXT), TEXT),
    "Node.jspybridge": (partial(_late, "bench.peers.bridges", "jspybridge", TEXT), TEXT),
    "Node.http": (partial(_late, "bench.peers.bridges", "node_http", TEXT), TEXT),
    "blob.open": (partial(_late, "bench.opened", "opened", "functions.echo", {"data": BLOB}), BLOB),
    "blob.http": (partial(_late, "bench.peers.http_body", "http_body", dragoman, BLOB), BLOB),
    "blob.fastapi": (partial(_late, "bench.peers.http_body", "http_body", fastapi, BLOB), BLOB),
    "blob.raw_asgi": (partial(_late, "bench.peers.http_body", "http_body", raw_asgi, BLOB), BLOB),
    "blob.gateway": (partial(_late, "bench.peers.http_body", "http_body", gateway, BLOB), BLOB),
    "blob.ping": (partial(_late, "bench.peers.ping_pong", "ping_pong", BLOB), BLOB),
    "blob.grpc": (partial(_late, "bench.peers.grpc_unix", "grpc_unix", BLOB), BLOB),
    "blob.pool": (partial(standard.pool, BLOB), BLOB),
    "true.open": (partial(_late, "bench.opened", "executable", TRUE), b""),
    "true.run": (partial(standard.program, TRUE), b""),
    "true.posix": (partial(standard.program_posix, TRUE), b""),
    "true.bare": (partial(standard.program_bare, TRUE), b""),
    "awk.open": (partial(_late, "bench.opened", "executable", AWK), b"500500"),
    "awk.run": (partial(standard.program, AWK), b"500500"),
    "awk.posix": (partial(standard.program_posix, AWK), b"500500"),
    "awk.bare": (partial(standard.program_bare, AWK), b""),
}
"""How to open each contestant, and the answer that shows that the work was done."""


def measure(call: Callable[[], Any], expected: Any, calls: int) -> Sample:
    """Time each call; raises `RuntimeError` where an answer is not the expected one."""
    for _ in range(max(int(calls * WARM_UP_SHARE), 1)):
        answer = call()
        if answer != expected:
            raise RuntimeError(f"answered {answer!r:.200}")
    took = [0] * calls
    clock = time.perf_counter_ns
    before = Usage.of(os.getpid())
    for place in range(calls):
        start = clock()
        call()
        took[place] = clock() - start
    used = Usage.of(os.getpid()).since(before)
    return {
        "p50_us": statistics.median(took) / 1e3,
        "p99_us": sorted(took)[int(calls * 0.99)] / 1e3,
        "rate_s": calls / sum(took) * 1e9,
        "caller_cpu_us": used.root_s / calls * 1e6,
        "others_cpu_us": used.rest_s / calls * 1e6,
    }


def main(name: str, calls: int) -> None:
    """Measure one contestant and print its figures as JSON."""
    os.chdir(ROOT)
    opener, expected = CONTESTANTS[name]
    with opener() as call:
        print(json.dumps(measure(call, expected, calls)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
