import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none
import pytest

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import Trouble, connect, kind
from dragoman.tasks.stores.postgres.options import read
from tests.certificates import pair
from tests.postgres import Server


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (asyncpg.DeadlockDetectedError(), Trouble.AGAIN),
        (asyncpg.UniqueViolationError(), Trouble.REFUSED),
        (asyncpg.exceptions.DataError("invalid input for query argument"), Trouble.REFUSED),
        (asyncpg.InterfaceError("connection is closed"), Trouble.LOST),
        (asyncpg.ConnectionDoesNotExistError(), Trouble.LOST),
        (asyncpg.AdminShutdownError(), Trouble.LOST),
        (ConnectionResetError(), Trouble.LOST),
        (asyncpg.ReadOnlySQLTransactionError(), Trouble.ELSEWHERE),
        (asyncpg.DiskFullError(), Trouble.UNABLE),
        (asyncpg.QueryCanceledError(), Trouble.UNABLE),
        (OverflowError(), Trouble.REFUSED),
    ],
)
def test_errors_come_to_a_few_kinds_of_trouble(error: BaseException, trouble: Trouble) -> None:
    assert kind(error) is trouble


async def test_what_hinders_a_connection_is_said_without_secrets(shared_server: Server) -> None:
    good = read(shared_server.url)
    place = f"127.0.0.1:{shared_server.port}"
    for dsn, says in (
        (f"postgresql://nobody:secret@{place}/postgres", "check user and password"),
        (f"postgresql://postgres:secret@{place}/nothing", "create the database"),
        ("postgresql://postgres:secret@127.0.0.1:1/postgres", "is the server running"),
        (f"postgresql://postgres:secret@{place}/postgres?sslmode=sideways", "sslmode"),
        (f"postgresql://postgres:secret@{place}/postgres?sslmode=require", "SSL"),
    ):
        with pytest.raises(StoreFailed, match=says) as failed:
            await connect(replace(good, dsn=dsn))
        assert "secret" not in str(failed.value)
        assert "task store at 127.0.0.1" in str(failed.value)


async def test_who_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        options = replace(read(f"postgresql://postgres@127.0.0.1:{port}/postgres"), connect_s=0.2)
        with pytest.raises(StoreFailed, match=r"no connection within 0\.2s"):
            await connect(options)


@pytest.mark.needs("openssl")
async def test_a_connection_may_be_encrypted_and_its_server_proven(shared_server: Server, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made, stranger = pair(tmp_path), pair(tmp_path / "other")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.cert, made.key)
    with encrypting(shared_server.port, context) as port:
        at = f"postgresql://postgres@localhost:{port}/postgres"
        wire = await connect(read(f"{at}?sslmode=verify-full&sslrootcert={made.cert}&schema=x"))
        assert await wire.fetchval("SELECT 1") == 1
        await wire.close()
        with pytest.raises(StoreFailed, match=r"(?i)certificate"):
            await connect(read(f"{at}?sslmode=verify-full&sslrootcert={stranger.cert}"))


@contextmanager
def encrypting(port: int, context: ssl.SSLContext) -> Generator[int]:
    """A server's face that speaks TLS as Postgres does: the server of the tests was built without."""

    def serve(near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            _, code = struct.unpack("!ii", near.recv(8, socket.MSG_WAITALL))
            assert code == 80877103, "an SSLRequest comes first"
            near.sendall(b"S")
            with (
                context.wrap_socket(near, server_side=True) as encrypted,
                socket.create_connection(("127.0.0.1", port)) as far,
            ):
                # Each side waits for the other here: a question, then its answer.
                encrypted.settimeout(0.01)
                far.settimeout(0.01)
                while carried(encrypted, far) and carried(far, encrypted):
                    pass

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                serve(server.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def carried(source: socket.socket, target: socket.socket) -> bool:
    """Pass on what there is; False once there will be no more."""
    try:
        data = source.recv(65536)
    except TimeoutError:
        return True
    target.sendall(data)
    return bool(data)
