"""
On what terms an instrument is traded by this account: the instrument's rules, the account's rate, and what follows.

Worked out once for an instrument and a rate, because every order is judged by them. The arithmetic of an order's cost
is in here too, since what is asked (does this order fit?) and what is answered when it does not (which one would?) have
to be the same sums.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, exact, multiply, round_up_to
from holdfast.core.assets import AssetCode
from holdfast.core.instruments import Instrument

__all__ = ["Terms", "cost_of", "largest_of", "largest_sale", "sale_fee_of", "terms_of", "whole_steps"]

_FINEST: Final = Decimal("1e-10")
"""Where a venue states no places for costs, amounts are rounded to these."""

_ONE: Final = Decimal(1)

_UNITS_KEPT: Final = Decimal(200)
"""
What a buffer is at least, in units of the quote's last decimal.

A venue may round what it holds up to two decimals fewer than its ledger has; two per cent of a very small order is less
than that.
"""


class Terms(msgspec.Struct, frozen=True, gc=False):
    """
    One instrument as this account trades it; make it with ``terms_of``.

    ``fee_rate`` is a fraction of cost, taker, the worst case; None where neither the account's nor the lowest tier's is
    known. ``cost_step`` is what amounts of quote are rounded up to. ``buffer_min`` is the least buffer of a buy, in
    quote.
    """

    instrument: Instrument
    fee_rate: Decimal | None
    fee_source: str | None  # account, lowest_tier
    fee_asset: AssetCode
    cost_step: Decimal
    buffer_min: Decimal


def terms_of(
    instrument: Instrument,
    *,
    taker_fee: Decimal | None,
    fee_source: str | None = "account",
    quote_decimals: int | None = None,
    is_fee_in_base: bool = False,
) -> Terms:
    """
    The terms of an instrument for an account.

    Args:
        instrument: Its rules.
        taker_fee: The account's own rate on it, a fraction of cost; None has the instrument's lowest tier counted,
            which is the dearest.
        fee_source: Where *taker_fee* is from: ``account``, or ``lowest_tier``.
        quote_decimals: Places of the venue's ledger for quote, where the venue states them (``AssetInfo.decimals``).
        is_fee_in_base: Whether the venue takes the fee of a *sell* in base, on top of what is sold.
    """
    if taker_fee is None:
        taker_fee, fee_source = instrument.taker_fee, "lowest_tier"
    cost_step = instrument.cost_step or _FINEST
    unit = None if quote_decimals is None else Decimal((0, (1,), -quote_decimals))
    return Terms(
        instrument,
        None if taker_fee is None else max(taker_fee, ZERO),  # A rebate is money that has not come yet.
        None if taker_fee is None else fee_source,
        instrument.base if is_fee_in_base else instrument.quote,
        cost_step if unit is None else max(cost_step, unit),
        ZERO if unit is None else multiply(unit, _UNITS_KEPT),
    )


def cost_of(
    notional: Decimal, fee_rate: Decimal, buffer_rate: Decimal, step: Decimal, buffer_min: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Fee, buffer and the sum of all three, for a *notional* that is rounded already; each rounded up to *step*."""
    fee = round_up_to(multiply(notional, fee_rate), step)
    if not buffer_rate:
        return fee, ZERO, add(notional, fee)
    buffer = round_up_to(multiply(notional, buffer_rate), step)
    if buffer < buffer_min:
        buffer = buffer_min
    return fee, buffer, add(add(notional, fee), buffer)


def largest_of(
    most: Decimal, *, grid: Decimal, price: Decimal, fee_rate: Decimal, buffer_rate: Decimal, terms: Terms
) -> Decimal:
    """
    The largest multiple of *grid* that costs at most *most*, fee and buffer included; zero where none does.

    *price* is what one unit of it costs: quote per base for a quantity, one for an amount of quote.
    """
    step = terms.cost_step

    def is_covered(count: int) -> bool:
        notional = round_up_to(multiply(multiply(grid, Decimal(count)), price), step)
        return cost_of(notional, fee_rate, buffer_rate, step, terms.buffer_min)[2] <= most

    # An order costs at least its notional, so no more than this many can be covered.
    covered, beyond = 0, _count(most, multiply(grid, price)) + 1
    while beyond - covered > 1:
        middle = (covered + beyond) // 2
        if is_covered(middle):
            covered = middle
        else:
            beyond = middle
    return multiply(grid, Decimal(covered))


def largest_sale(most: Decimal, *, terms: Terms) -> Decimal:
    """The largest quantity on the grid that *most* base covers, with the fee where base pays it."""
    grid = terms.instrument.quantity_step
    covered, beyond = 0, _count(most, grid) + 1
    while beyond - covered > 1:
        middle = (covered + beyond) // 2
        sale = multiply(grid, Decimal(middle))
        if add(sale, sale_fee_of(sale, terms)) <= most:
            covered = middle
        else:
            beyond = middle
    return multiply(grid, Decimal(covered))


def sale_fee_of(quantity: Decimal, terms: Terms) -> Decimal:
    """What a sale costs in base beyond its quantity: nothing where its proceeds pay the fee."""
    if terms.fee_rate is None or terms.fee_asset != terms.instrument.base:
        return ZERO
    return round_up_to(multiply(quantity, terms.fee_rate), terms.instrument.quantity_step)


def whole_steps(amount: Decimal, *, grid: Decimal, price: Decimal = _ONE) -> Decimal:
    """The largest multiple of *grid* that *amount* buys at *price*, fee apart; zero where none."""
    return multiply(grid, Decimal(_count(amount, multiply(grid, price))))


def _count(amount: Decimal, step: Decimal) -> int:
    """How many whole steps an amount has; none of an amount below zero."""
    if amount <= ZERO:
        return 0
    with exact():
        return int(amount // step)
