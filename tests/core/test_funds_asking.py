"""What a caller may say, and what each wrong argument is answered with."""

from __future__ import annotations

import decimal
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from holdfast.core.asking import parse_ask, parse_money
from holdfast.core.balances import Side
from holdfast.core.orders import OrderType, TimeInForce
from holdfast.errors import DeniedError, OrderInputError


class Lots(IntEnum):
    TWO = 2


class Cents(Decimal):
    def __str__(self) -> str:
        return "1000000"


WRONG_MONEY = [
    1.0,
    0.1,
    float("nan"),
    True,
    False,
    None,
    b"1",
    [1],
    1j,
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
    Decimal(0),
    Decimal("-0"),
    Decimal("-0.01"),
    Decimal("1e41"),
    Decimal("1e-41"),
    Decimal("1." + "1" * 60),
    0,
    -1,
    10**61,
    10**5000,
    "",
    " ",
    "1,000",
    "1_000",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "0x1",
    "NaN",
    "inf",
    "Infinity",
    "-1",
    "0",
    "0.000",
    "-0",
    "1e",
    "1e999",
    "1e41",
    ".5",
    "5.",
    "１",
    "١",
    "1/2",
    "ten",
    "9" * 61,
]


@pytest.mark.parametrize("value", WRONG_MONEY, ids=[f"{place}" for place, _ in enumerate(WRONG_MONEY)])
@pytest.mark.parametrize("field", ["quantity", "quote_quantity", "price"])
def test_money_that_is_no_exact_amount_above_zero_is_refused_by_its_name(field: str, value: Any) -> None:
    facts: dict[str, Any] = {"quantity": "1", "price": "2", "order_type": "limit"}
    if field == "quote_quantity":
        del facts["quantity"]
    facts[field] = value
    with pytest.raises(OrderInputError) as refused:
        parse_ask("BTC-USD", "buy", **facts)
    assert refused.value.field == ("quantity" if field == "quote_quantity" and value is None else field)
    assert refused.value.exit_code == 2
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("0.01", "0.01"),
        ("1.500", "1.500"),
        ("1e-8", "1E-8"),
        ("1E+5", "1E+5"),
        (Decimal("0.10"), "0.10"),
        (Decimal("1E+2"), "1E+2"),
        (Decimal("123456789012345678.123456789012345678"), "123456789012345678.123456789012345678"),
        (7, "7"),
        (10**59, str(10**59)),
        (Lots.TWO, "2"),
    ],
)
def test_money_is_taken_digit_for_digit(value: Any, exact: str) -> None:
    with decimal.localcontext(decimal.Context(prec=2, Emax=3, Emin=-3, capitals=0)):
        parsed = parse_money(value, field="quantity")
    assert str(parsed) == exact
    assert type(parsed) is Decimal


def test_decimal_that_prints_something_else_is_taken_for_what_it_is() -> None:
    assert parse_money(Cents("0.01"), field="quantity") == Decimal("0.01")


def test_zero_is_an_amount_only_where_it_may_be_one() -> None:
    assert parse_money("0", field="amount", may_be_zero=True) == 0
    assert str(parse_money("-0.0", field="amount", may_be_zero=True)) == "0.0"
    with pytest.raises(OrderInputError, match="zero or more"):
        parse_money("-1", field="amount", may_be_zero=True)
    with pytest.raises(OrderInputError, match="more than zero"):
        parse_money("0", field="amount")


def test_everything_that_was_said_is_in_the_ask() -> None:
    ask = parse_ask(
        "BTC-USD",
        "sell",
        quote_quantity="250.00",
        order_type="limit",
        price=40000,
        time_in_force="gtc",
        post_only=True,
        bot="grid-1",
    )
    assert (ask.symbol, ask.side, ask.order_type) == ("BTC-USD", Side.SELL, OrderType.LIMIT)
    assert (ask.quantity, ask.quote_quantity, ask.limit_price) == (None, Decimal("250.00"), Decimal(40000))
    assert (ask.time_in_force, ask.is_post_only, ask.bot) == (TimeInForce.GTC, True, "grid-1")


def test_a_market_order_is_what_is_asked_for_where_nothing_else_is_said() -> None:
    ask = parse_ask("BTC-USD", Side.BUY, quantity="0.01")
    assert (ask.order_type, ask.limit_price, ask.is_post_only, ask.bot) == (OrderType.MARKET, None, False, None)


LIMIT: dict[str, Any] = {"quantity": "1", "order_type": "limit", "price": "2"}
MARKET: dict[str, Any] = {"quantity": "1"}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "quantity"),
        ({"quantity": "1", "quote_quantity": "2"}, "quote_quantity"),
        ({"quantity": "1", "order_type": "limit"}, "price"),
        ({**MARKET, "price": "2"}, "price"),
        ({**MARKET, "post_only": True}, "post_only"),
        ({**LIMIT, "post_only": True, "time_in_force": "ioc"}, "post_only"),
        ({**LIMIT, "post_only": True, "time_in_force": "fok"}, "post_only"),
        ({**MARKET, "time_in_force": "ioc"}, "time_in_force"),
        ({**LIMIT, "time_in_force": "gtd"}, "time_in_force"),
        ({**LIMIT, "time_in_force": None}, "time_in_force"),
        ({**LIMIT, "order_type": "stop"}, "order_type"),
        ({**LIMIT, "order_type": "LIMIT"}, "order_type"),
        ({**LIMIT, "post_only": 1}, "post_only"),
        ({**LIMIT, "post_only": "true"}, "post_only"),
        ({**MARKET, "bot": ""}, "bot"),
        ({**MARKET, "bot": " "}, "bot"),
        ({**MARKET, "bot": "x" * 65}, "bot"),
        ({**MARKET, "bot": "a\nb"}, "bot"),
        ({**MARKET, "bot": 7}, "bot"),
    ],
)
def test_what_is_no_order_is_refused_by_the_name_of_the_argument(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(OrderInputError) as refused:
        parse_ask("BTC-USD", "buy", **arguments)
    assert refused.value.field == field
    assert isinstance(refused.value, DeniedError)


def test_a_market_sell_by_quote_is_refused_since_it_would_sell_who_knows_how_much() -> None:
    with pytest.raises(OrderInputError) as refused:
        parse_ask("BTC-USD", "sell", quote_quantity="100")
    assert refused.value.field == "quote_quantity"
    assert parse_ask("BTC-USD", "sell", quote_quantity="100", order_type="limit", price="2").quote_quantity == 100


@pytest.mark.parametrize("side", ["", "BUY", "short", None, 1, True])
def test_side_is_buy_or_sell(side: Any) -> None:
    with pytest.raises(OrderInputError, match="buy, sell") as refused:
        parse_ask("BTC-USD", side, quantity="1")
    assert refused.value.field == "side"


@pytest.mark.parametrize(
    "symbol", ["", "BTC", "BTC/USD", "-USD", "BTC-", "BTC USD", "BTC-USD\n", None, 7, "B" * 99 + "-USD"]
)
def test_symbol_is_base_and_quote(symbol: Any) -> None:
    with pytest.raises(OrderInputError) as refused:
        parse_ask(symbol, "buy", quantity="1")
    assert refused.value.field == "symbol"
