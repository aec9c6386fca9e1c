"""The least that uvicorn can do: a raw ASGI application that decodes, calls the function and encodes, no framework."""

import sys
from typing import Any

import msgspec
import uvicorn

from bench import functions


class Numbers(msgspec.Struct):
    """Input of `add`."""

    a: float
    b: float


numbers = msgspec.json.Decoder(Numbers)
order = msgspec.json.Decoder(functions.Order)
encoder = msgspec.json.Encoder()


def add(body: bytes) -> bytes:
    """Add two numbers."""
    given = numbers.decode(body)
    return encoder.encode(functions.add(given.a, given.b))


def price(body: bytes) -> bytes:
    """Price an order."""
    return encoder.encode(functions.price(order.decode(body)))


ROUTES = {
    "/v1/call/functions.add": (add, b"application/json"),
    "/v1/call/functions.price": (price, b"application/json"),
    "/v1/call/functions.echo": (functions.echo, b"application/octet-stream"),
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    message = await receive()
    body: bytes = message["body"]
    if message["more_body"]:
        parts = [body]
        while message["more_body"]:
            message = await receive()
            parts.append(message["body"])
        body = b"".join(parts)
    function, kind = ROUTES[scope["path"]]
    reply = function(body)
    headers = [(b"content-type", kind), (b"content-length", str(len(reply)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply})


def main(port: int) -> None:
    """Serve on loopback until told to end."""
    config = uvicorn.Config(
        app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
