"""
A ticket to what is sent; an answer to what it proves of the order. Pure.

*Rejected* only where the answer proves it, *never sent* only where nothing left, *unknown* in every other case. Source:
https://docs.template.example/api/orders (checked 2026-11-20).
"""

from __future__ import annotations

from holdfast.core.orders import OrderAck, OrderTicket
from holdfast.venues._template.questions import ask

__all__ = ["ack_of", "body_of"]


def body_of(ticket: OrderTicket) -> bytes:
    """The request that places an order, its validity included."""
    ask(8, "orders.py", "how is an order placed, with our id, and by what does the venue void it after its validity?")


def ack_of(body: bytes, ticket: OrderTicket, *, as_of_s: float) -> OrderAck:
    """What an answer proves; raises ``VenueError`` with the outcome."""
    ask(8, "orders.py", "which answer proves that the order was taken, and which that it was refused?")
