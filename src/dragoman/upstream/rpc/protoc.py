"""A `.proto` file as descriptors: read by the compiler that comes with grpcio-tools, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.sandbox.confinement import Launch
from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.pool import BYTES_MAX, Files
from dragoman.workers.output import OutputPipe

if TYPE_CHECKING:
    from dragoman.core.clock import Clock
    from dragoman.sandbox.confinement import Confinement

COMPILE_S_MAX = 60.0
"""A thousand files take a second."""


async def files_of(proto: Path, confinement: Confinement | None, clock: Clock) -> Files:
    """The files of a `.proto`, or of a descriptor set (`.pb`, `.binpb`, `.desc`). Raises `SpecError`."""
    files = Files()
    if proto.suffix != ".proto":
        files.add_set(await asyncio.to_thread(_read, proto))
        return files
    assert confinement is not None
    with tempfile.TemporaryDirectory(prefix="dragoman-") as folder:
        out = Path(folder) / "set.pb"
        await _compiled(proto, out, confinement, clock)
        files.add_set(await asyncio.to_thread(_read, out))
    return files


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise SpecError(f"it cannot be read: {error.strerror}") from None


async def _compiled(proto: Path, out: Path, confinement: Confinement, clock: Clock) -> None:
    words = ("-I", str(proto.parent), "--include_imports", "--include_source_info", f"--descriptor_set_out={out}")
    argv = (sys.executable, "-m", "grpc_tools.protoc", *words, proto.name)
    try:
        launch = Launch(argv, env={"PATH": "/usr/bin:/bin"}, cwd=str(proto.parent), wired=False)
        process = await confinement.start(launch, None)
    except OSError as error:
        raise SpecError(f"protoc cannot be started: {error.strerror or error}") from None
    loop = asyncio.get_running_loop()
    pipes = [
        OutputPipe(fd, stream, loop, clock, lambda _: None)
        for fd, stream in ((process.stderr_fd, "stderr"), (process.stdout_fd, "stdout"))
    ]
    try:
        async with asyncio.timeout(COMPILE_S_MAX):
            ended = await process.wait()
    except TimeoutError:
        raise SpecError(f"protoc took longer than {COMPILE_S_MAX:g}s") from None
    finally:
        process.kill()
        said = ""
        for pipe in pipes:
            pipe.read()
            said = said or pipe.tail.decode("utf-8", "replace").strip()
            pipe.close()
    if ended.status == 0:
        return
    if "No module named" in said:
        raise SpecError("needs grpcio-tools to be read: pip install 'dragoman[grpc]'")
    raise SpecError(f"protoc refuses it: {said[-1000:]}")
