"""
Bots whose decimal context would ruin every figure it got at, and what is shown under them.

Each context is set before the desk is opened, so that every task of it runs under it; over real sockets it is also
what new threads begin with.
"""

from __future__ import annotations

import decimal
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.console import Console

from holdfast.cli.balances import balances_document
from holdfast.cli.journal_lines import JournalLines
from holdfast.cli.tables import balances_table
from holdfast.core.balances import Balance
from holdfast.testing import run_virtual
from tests.scenarios.world import World, world

__all__ = ["HOSTILE", "Told", "told_under"]

_EVERYTHING: Final = [
    decimal.Clamped,
    decimal.DivisionByZero,
    decimal.FloatOperation,
    decimal.Inexact,
    decimal.InvalidOperation,
    decimal.Overflow,
    decimal.Rounded,
    decimal.Subnormal,
    decimal.Underflow,
]

HOSTILE: Final[Mapping[str, decimal.Context]] = {
    "six digits, rounded up, every trap set": decimal.Context(prec=6, rounding=decimal.ROUND_UP, traps=_EVERYTHING),
    "six digits, rounded up, silent": decimal.Context(prec=6, rounding=decimal.ROUND_UP, traps=[]),
    "one digit, rounded down, silent": decimal.Context(prec=1, rounding=decimal.ROUND_DOWN, traps=[]),
    "no exponents to speak of, every trap set": decimal.Context(prec=28, Emin=-3, Emax=3, traps=_EVERYTHING),
    "clamped, capitals off, ceiling": decimal.Context(
        prec=9, rounding=decimal.ROUND_CEILING, Emin=-9, Emax=9, clamp=1, capitals=0, traps=[]
    ),
}
"""Contexts a bot may have set, by what is wrong with them."""

_HAPPENINGS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "deposit", "asset": "USD", "amount": "123456789.0123"},
    {"kind": "deposit", "asset": "BTC", "amount": "0.0000000001"},
    {"kind": "external_trade", "pair": "XXBTZUSD", "side": "buy", "quantity": "0.00345678"},
    {"kind": "external_order", "pair": "XXBTZUSD", "side": "buy", "quantity": "0.00123457", "price": "20000.1"},
    {"kind": "deposit", "asset": "ETH", "amount": "7.1234567891"},
    {"kind": "withdrawal", "asset": "USD", "amount": "1234567.8912"},
    {"kind": "external_trade", "pair": "XXBTZUSD", "side": "sell", "quantity": "0.00234567"},
    {"kind": "external_cancel"},
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a user can see of one run, as text."""

    figures: list[tuple[str, ...]]
    journal: list[tuple[str | None, ...]]
    document: str  # What ``holdfast balances --output json`` prints.
    tables: str  # What the terminal shows.
    explained: list[str]


def told_under(context: decimal.Context | None, *, seed: int) -> Told:
    """The same happenings of one seed under *context*; the usual one when None."""
    with decimal.localcontext(decimal.Context() if context is None else context):
        return run_virtual(_told(seed), seed=seed)


async def _told(seed: int) -> Told:
    async with world(seed=seed) as w:
        await w.converged()
        figures = _figures(w)
        for number, happening in enumerate(_HAPPENINGS):
            w.happen(**happening)
            await w.sleep(0.5)
            figures += _figures(w)
            if number == 3:
                w.fault(kind="streams", action={"do": "close", "code": 1006})
            if number == 5:
                w.fault(kind="sequence_gap", channel="balances")
        await w.converged()
        await w.broker.refresh()
        figures += _figures(w)
        rows = await w.broker.history(limit=10_000)
        explained = [(await w.broker.explain(asset)).lines for asset in ("USD", "BTC")]
        return Told(
            figures=figures,
            journal=[(row.kind, row.asset, row.total, row.held, row.available, row.source, row.cause) for row in rows],
            document=msgspec.json.encode(balances_document([w.broker])).decode(),
            tables=_shown(balances_table(w.broker)) + _shown(JournalLines(rows)),
            explained=[line for lines in explained for line in lines],
        )


def _figures(w: World) -> list[tuple[str, ...]]:
    # Sign, digits and exponent: what no context has a say in, trailing zeros included.
    return [
        (
            asset,
            *(repr(None if amount is None else amount.as_tuple()) for amount in _amounts(each)),
            each.state.value,
        )
        for asset, each in w.broker.balances().items()
    ]


def _amounts(balance: Balance) -> tuple[Decimal | None, ...]:
    return balance.total, balance.held, balance.available, balance.reserved, balance.spendable


def _shown(what: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=False).print(what)
    return out.getvalue()
