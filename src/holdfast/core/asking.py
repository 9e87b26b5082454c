"""
From what a caller says to what is asked for: every amount exact, or a refusal that names the argument.

A float, a bool, NaN, a blank or ``"1,000"`` is never made into an amount: whoever passes one has a bug, and the order
that would come of it is not the order that was meant.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final, TypeVar

from holdfast.core.amounts import parse_amount
from holdfast.core.assets import Symbol, split_symbol
from holdfast.core.balances import Side
from holdfast.core.orders import OrderAsk, OrderType, TimeInForce
from holdfast.errors import AmountError, OrderInputError, UnknownNameError

__all__ = ["Money", "parse_ask", "parse_money"]

Money = Decimal | str | int
"""How a caller may state an amount or a price: exact, in whole units."""

_LONGEST_BOT: Final = 64
_WIDEST_INT: Final = 256
"""Bits; wider ones are out of bounds anyway, and Python refuses to print the widest."""

_Choice = TypeVar("_Choice", bound=enum.StrEnum)


def parse_money(value: object, *, field: str, may_be_zero: bool = False) -> Decimal:
    """
    The exact amount that *value* states, in whole units.

    Args:
        value: ``Decimal``, ``str`` (``-?digits[.digits][e±dd]``, nothing around it) or ``int``.
        field: The caller's name for it, for the message.
        may_be_zero: Whether zero is an answer.

    Raises:
        OrderInputError: It is anything else, negative, or zero where that is none.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        kind = type(value).__name__
        raise OrderInputError(f"{field} is a {kind}: pass a Decimal, a str or an int, such as '0.01'", field=field)
    try:
        if isinstance(value, str):
            amount = parse_amount(str(value))
        elif isinstance(value, int):
            amount = parse_amount(str(int(value)) if value.bit_length() <= _WIDEST_INT else "9" * 61)
        else:
            amount = parse_amount(Decimal.__str__(value))
    except AmountError as error:
        raise OrderInputError(f"{field}: {error}", field=field) from None
    if amount < 0 or (not amount and not may_be_zero):
        least = "zero or more" if may_be_zero else "more than zero"
        raise OrderInputError(f"{field} is {amount:f}: it has to be {least}", field=field)
    return amount.copy_abs()  # Negative zero is zero.


def parse_ask(
    symbol: object,
    side: object,
    *,
    quantity: object = None,
    quote_quantity: object = None,
    order_type: object = OrderType.MARKET,
    price: object = None,
    time_in_force: object = TimeInForce.GTC,
    post_only: object = False,
    bot: object = None,
) -> OrderAsk:
    """
    What is asked for, with every amount exact and above zero.

    Args:
        symbol: ``BASE-QUOTE``, such as ``BTC-USD``. Whether the venue lists it is not looked at.
        side: ``buy`` or ``sell``.
        quantity: Base units; exactly one of this and *quote_quantity*.
        quote_quantity: Quote units to spend, or to receive with a limit sell.
        order_type: ``market`` or ``limit``.
        price: Quote per base: a limit order needs one, a market order has none.
        time_in_force: ``gtc``, ``ioc`` or ``fok``; of limit orders.
        post_only: Refuse rather than take; of limit orders that may rest.
        bot: Whose order it is, for budgets; 1 to 64 printable characters.

    Raises:
        OrderInputError: Anything that is no order; ``field`` names the argument.
    """
    parsed_symbol = _symbol(symbol)
    parsed_side = _choice(Side, side, field="side")
    kind = _choice(OrderType, order_type, field="order_type")
    lasts = _choice(TimeInForce, time_in_force, field="time_in_force")
    if not isinstance(post_only, bool):
        raise OrderInputError(f"post_only is {ascii(post_only)[:40]}: pass True or False", field="post_only")
    if quantity is not None and quote_quantity is not None:
        raise OrderInputError(
            "quantity and quote_quantity were both given: one follows from the other, pass one", field="quote_quantity"
        )
    if quantity is None and quote_quantity is None:
        raise OrderInputError(
            "neither quantity nor quote_quantity was given: pass how much base, or how much quote", field="quantity"
        )
    base_units = None if quantity is None else parse_money(quantity, field="quantity")
    quote_units = None if quote_quantity is None else parse_money(quote_quantity, field="quote_quantity")
    limit = None if price is None else parse_money(price, field="price")
    if kind is OrderType.LIMIT:
        if limit is None:
            raise OrderInputError("a limit order needs a price, in quote per base", field="price")
    else:
        if limit is not None:
            raise OrderInputError(
                "a market order has no price: leave it out, or pass order_type='limit'", field="price"
            )
        if lasts is not TimeInForce.GTC:
            raise OrderInputError(
                f"a market order never rests, so {lasts.value} says nothing: leave time_in_force out, or pass a limit",
                field="time_in_force",
            )
        if quote_units is not None and parsed_side is Side.SELL:
            raise OrderInputError(
                "a market sell by quote_quantity would sell an unknown quantity: pass quantity, or a limit price",
                field="quote_quantity",
            )
    if post_only and kind is OrderType.MARKET:
        raise OrderInputError("a market order cannot be post-only: it takes by its nature", field="post_only")
    if post_only and lasts is not TimeInForce.GTC:
        raise OrderInputError(
            f"post_only and {lasts.value} contradict each other: one rests, one takes", field="post_only"
        )
    return OrderAsk(
        symbol=parsed_symbol,
        side=parsed_side,
        order_type=kind,
        quantity=base_units,
        quote_quantity=quote_units,
        limit_price=limit,
        time_in_force=lasts,
        is_post_only=post_only,
        bot=_bot(bot),
    )


def _symbol(symbol: object) -> Symbol:
    if not isinstance(symbol, str):
        raise OrderInputError(f"symbol is a {type(symbol).__name__}: pass text such as 'BTC-USD'", field="symbol")
    try:
        split_symbol(str(symbol))
    except UnknownNameError as error:
        raise OrderInputError(str(error), field="symbol") from None
    return str(symbol)


def _choice(choices: type[_Choice], value: object, *, field: str) -> _Choice:
    if isinstance(value, str):
        for choice in choices:
            if choice.value == value:
                return choice
    known = ", ".join(choice.value for choice in choices)
    raise OrderInputError(f"{field} is {ascii(value)[:40]}: it has to be one of {known}", field=field)


def _bot(bot: object) -> str | None:
    if bot is None:
        return None
    if not isinstance(bot, str) or not 0 < len(bot) <= _LONGEST_BOT or not bot.isprintable() or bot.isspace():
        raise OrderInputError(
            f"bot is {ascii(bot)[:80]}: it has to be a name of 1 to {_LONGEST_BOT} printable characters", field="bot"
        )
    return str(bot)
