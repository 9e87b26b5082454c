"""
What became of closing a position: the order that sells, or why none was sent, and what is left and why.

Selling "everything" leaves something nearly always: what is below the instrument's step, what open orders hold, what is
promised already, what a floor keeps. Nothing of that may be lost in a ``None``.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from holdfast.core.amounts import ZERO, subtract, trim_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance
from holdfast.core.instruments import Instrument
from holdfast.core.positions import dust_reason
from holdfast.core.terms import whole_steps

__all__ = ["ClosingCode", "ClosingPlan", "plan_closing"]


class ClosingCode(enum.StrEnum):
    """What closing a position comes to."""

    SELL = "sell"  # An order for the quantity.
    DUST = "dust"  # Something is there, and no order could sell it.
    NOTHING = "nothing"  # Proven: nothing is owned.
    KEPT = "kept"  # Something is owned, and all of it is held, promised, or kept by a floor.


class ClosingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    What can be sold of an instrument's base now; base units, exact.

    Attributes:
        code: What it comes to.
        symbol: Canonical.
        asset: The base.
        quantity: What is to be sold, on the instrument's steps; 0 where nothing can be.
        owned: All that is owned, as the venue states it; None where nobody did.
        left: What stays when all of *quantity* is sold; None where *owned* is.
        explanation: Where the rest is, or why nothing can be sold, in a sentence.
    """

    code: ClosingCode
    symbol: Symbol
    asset: AssetCode
    quantity: Decimal
    owned: Decimal | None
    left: Decimal | None
    explanation: str


def plan_closing(
    balance: Balance, instrument: Instrument, *, bid: Decimal | None, wanted: Decimal | None = None
) -> ClosingPlan:
    """
    What closing the position in an instrument comes to, on the figures of now.

    Args:
        balance: Of the base; its total has to be known.
        instrument: What it is to be sold by.
        bid: The best price; None where none is young enough.
        wanted: Sell exactly this much instead: the funds rule, and not this one, says whether it can be.
    """
    assert balance.total is not None
    base = balance.asset
    # As the funds rule has it: what nobody stated to be free is what there is, less what is claimed of it.
    most = subtract(balance.total, balance.reserved) if balance.spendable is None else balance.spendable
    quantity = whole_steps(most, grid=instrument.quantity_step) if wanted is None else wanted
    kept = _kept(balance)
    dust = dust_reason(most, instrument, bid) if most > ZERO else None
    if wanted is not None:
        code, why = ClosingCode.SELL, f"sells the {trim_amount(wanted)} {base} that were asked for"
    elif balance.total <= ZERO:
        code, why = ClosingCode.NOTHING, f"no {base} is owned"
    elif most <= ZERO:
        code, why = ClosingCode.KEPT, f"{trim_amount(balance.total)} {base} is owned and none of it can be sold: {kept}"
    elif dust is not None:
        code, why = ClosingCode.DUST, dust if not kept else f"{dust}; {kept}"
    else:
        code = ClosingCode.SELL
        rest = subtract(most, quantity)
        parts = [f"{trim_amount(rest)} {base} is below the step of {instrument.symbol}"] if rest else []
        why = f"sells {trim_amount(quantity)} {base}; " + ("; ".join([*parts, kept]) if kept else "; ".join(parts))
        why = why.removesuffix("; ")
    sold = quantity if code is ClosingCode.SELL else ZERO
    return ClosingPlan(
        code=code,
        symbol=instrument.symbol,
        asset=base,
        quantity=sold,
        owned=balance.total,
        left=subtract(balance.total, sold),
        explanation=why,
    )


def _kept(balance: Balance) -> str:
    """What of a balance cannot be sold beside dust, in words; empty where nothing is kept."""
    base = balance.asset
    parts = [
        (balance.held or ZERO, "is held by open orders: cancel them to sell it too"),
        (
            balance.reserved,
            "is reserved for orders of yours; what those that are over still claim is free with the next read",
        ),
        (balance.floor, "is kept by your floor"),
        (balance.kept_back or ZERO, "is not confirmed to be free"),
    ]
    return ", ".join(f"{trim_amount(amount)} {base} {words}" for amount, words in parts if amount > ZERO)
