"""
What happens during the demonstration, and when: at three venues, and by bots of ours that trade there.

Ordinary life around a cut stream and a silent one. A short demonstration runs the script once, a long one again and
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

__all__ = ["LENGTH_S", "SCRIPT", "Step", "play"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that happens ``at_s`` seconds into the script: a line for people, and what is to be done.

    ``path`` is of that venue's admin API, which is told ``document``; or ``orders``, and then our bot does it.
    """

    at_s: float
    says: str
    path: str
    document: dict[str, Any]
    venue: str = "kraken"  # Where it happens.


def _event(at_s: float, says: str, **document: Any) -> Step:
    return Step(at_s=at_s, says=says, path="events", document=document)


def _fault(at_s: float, says: str, rule: dict[str, Any]) -> Step:
    return Step(at_s=at_s, says=says, path="faults", document={"add": [rule]})


def _order(at_s: float, says: str, *, venue: str = "kraken", **document: Any) -> Step:
    return Step(at_s=at_s, says=says, path="orders", document=document, venue=venue)


def _arrival(at_s: float, venue: str, asset: str, amount: str) -> Step:
    document = {"kind": "deposit", "asset": asset, "amount": amount}
    return Step(at_s=at_s, says=f"a deposit of {amount} {asset} arrives", path="events", document=document, venue=venue)


SCRIPT: Final = (
    _order(0.5, "bid for 0.01 BTC at 35000", do="limit", side="buy", quantity="0.01", price="35000"),
    _order(0.8, "bid for 0.01 BTC at 35000", venue="coinbase", do="limit", side="buy", quantity="0.01", price="35000"),
    _event(1.0, "a deposit of 250 USD arrives", kind="deposit", asset="USD", amount="250.00"),
    _order(1.5, "buy BTC for 400 USD at the market", do="market", side="buy", quote_quantity="400"),
    _order(1.8, "buy BTC for 300 USDT at the market", venue="okx", do="market", side="buy", quote_quantity="300"),
    _event(
        2.0,
        "another bot on this account buys 0.01 BTC at the market",
        kind="external_trade",
        pair="XXBTZUSD",
        side="buy",
        quantity="0.01",
    ),
    _order(
        2.5,
        "buy BTC for 9500 USD: too much with fee and buffer",
        do="market",
        side="buy",
        quote_quantity="9500",
    ),
    _arrival(3.0, "okx", "USDT", "125.00"),
    _fault(3.5, "the stream is cut", {"kind": "streams", "action": {"do": "close", "code": 1006}}),
    _event(3.7, "meanwhile 40 USD are withdrawn", kind="withdrawal", asset="USD", amount="40.00"),
    _order(3.9, "get out of 0.004 BTC, whatever the stream does", do="market", side="sell", quantity="0.004"),
    _order(5.0, "buy BTC for 200 USD at the market", venue="coinbase", do="market", side="buy", quote_quantity="200"),
    _fault(6.5, "the stream goes silent: open, and not a word", {"kind": "streams", "action": {"do": "mute"}}),
    _event(
        7.5,
        "behind its back 0.005 BTC are sold",
        kind="external_trade",
        pair="XXBTZUSD",
        side="sell",
        quantity="0.005",
    ),
    _order(9.0, "get out of 0.002 BTC", venue="okx", do="market", side="sell", quantity="0.002"),
    _order(11.0, "take the bid back", venue="coinbase", do="cancel"),
    _order(13.2, "take the bid back", do="cancel"),
    _event(14.0, "a deposit of 2 SOL arrives", kind="deposit", asset="SOL", amount="2.00"),
)
"""The whole script, in order."""

LENGTH_S: Final = 16.0


async def play(tell: Callable[[Step], Awaitable[Any]], on_step: Callable[[Step], None]) -> None:
    """Play the script again and again until cancelled; *tell* does a step, *on_step* tells people. Suspends."""
    loop = asyncio.get_running_loop()
    while True:
        start = loop.time()
        for step in SCRIPT:
            await asyncio.sleep(max(0.0, start + step.at_s - loop.time()))
            on_step(step)
            await tell(step)
        await asyncio.sleep(max(0.0, start + LENGTH_S - loop.time()))
