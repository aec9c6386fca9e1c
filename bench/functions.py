"""The functions that every contestant serves: plain, typed and cheap, so that what is measured is the way to them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """What somebody wants to buy."""

    item: str
    quantity: int
    unit_price: float
    country: str = "FR"


@dataclass(frozen=True)
class Priced:
    """What it will cost."""

    item: str
    net: float
    tax: float
    total: float


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def price(order: Order) -> Priced:
    """Price an order, tax included."""
    net = order.quantity * order.unit_price
    tax = net * (0.2 if order.country == "FR" else 0.1)
    return Priced(order.item, net, tax, net + tax)


def mirror(text: str) -> str:
    """Give back a text."""
    return text


def echo(data: bytes) -> bytes:
    """Give back bytes."""
    return data
