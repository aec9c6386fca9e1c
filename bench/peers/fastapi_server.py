"""FastAPI on uvicorn as its documentation sets it up: `async def`, pydantic, uvloop, httptools, no access log."""

import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from bench import functions

app = FastAPI()


class Numbers(BaseModel):
    """Input of `add`."""

    a: float
    b: float


class Order(BaseModel):
    """Input of `price`."""

    item: str
    quantity: int
    unit_price: float
    country: str = "FR"


class Text(BaseModel):
    """Input of `mirror`."""

    text: str


class Priced(BaseModel):
    """Output of `price`."""

    item: str
    net: float
    tax: float
    total: float


@app.post("/v1/call/functions.add")
async def add(numbers: Numbers) -> float:
    """Add two numbers."""
    return functions.add(numbers.a, numbers.b)


@app.post("/v1/call/functions.price")
async def price(order: Order) -> Priced:
    """Price an order."""
    done = functions.price(functions.Order(order.item, order.quantity, order.unit_price, order.country))
    return Priced(item=done.item, net=done.net, tax=done.tax, total=done.total)


@app.post("/v1/call/functions.mirror")
async def mirror(text: Text) -> str:
    """Give back a text."""
    return functions.mirror(text.text)


@app.post("/v1/call/functions.echo")
async def echo(request: Request) -> Response:
    """Give back bytes."""
    return Response(functions.echo(await request.body()), media_type="application/octet-stream")


def main(port: int) -> None:
    """Serve on loopback until told to end."""
    config = uvicorn.Config(
        app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
