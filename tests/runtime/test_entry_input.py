"""Wrong input: each is a typed error that names the argument, nothing is claimed, and nothing is sent."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

import pytest

from holdfast.errors import (
    ClosedError,
    DeniedError,
    HoldfastError,
    OrderInputError,
    OrderRuleError,
    UnknownNameError,
)
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import Trade, trading

WRONG_MONEY: list[tuple[str, Any]] = [
    ("float", 0.01),
    ("whole float", 1.0),
    ("bool", True),
    ("None in a list", [None]),
    ("bytes", b"0.01"),
    ("zero", 0),
    ("zero text", "0.000"),
    ("negative zero", "-0"),
    ("negative", "-0.01"),
    ("negative int", -1),
    ("NaN", Decimal("NaN")),
    ("signalling NaN", Decimal("sNaN")),
    ("infinity", Decimal("Infinity")),
    ("NaN text", "NaN"),
    ("comma", "0,01"),
    ("thousands", "1,000"),
    ("underscore", "1_000"),
    ("blank", " 0.01"),
    ("line break", "0.01\n"),
    ("empty", ""),
    ("plus", "+1"),
    ("foreign digits", "٠٫٠١"),
    ("hex", "0x10"),
    ("too long", "1" * 61),
    ("huge exponent", "1e999"),
    ("huge int", 10**400),
]
IDS = [name for name, _ in WRONG_MONEY]
MONEY = [value for _, value in WRONG_MONEY]


async def refused(t: Trade, work: Any, error: type[HoldfastError] = OrderInputError) -> Any:
    """Run a call that has to be refused; nothing is claimed, sent or remembered by it."""
    with pytest.raises(error) as caught:
        await work
    assert isinstance(caught.value, DeniedError | UnknownNameError | ClosedError)
    assert t.sent == []
    assert t.broker.reservations() == []
    assert t.reserved() == 0
    return caught.value


@pytest.mark.parametrize("value", MONEY, ids=IDS)
def test_money_that_is_no_exact_amount_above_zero_is_refused_by_name_wherever_it_is_passed(value: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            b = t.broker
            for field, work in (
                ("quantity", b.place_market_order("BTC-USD", "buy", value)),
                ("quote_quantity", b.place_market_order("BTC-USD", "buy", quote_quantity=value)),
                ("quantity", b.place_limit_order("BTC-USD", "buy", value, "40000")),
                ("price", b.place_limit_order("BTC-USD", "buy", "0.01", value)),
                ("quote_quantity", b.place_limit_order("BTC-USD", "buy", price="40000", quote_quantity=value)),
                ("quantity", b.verify_balance_before_order("BTC-USD", "buy", value)),
                ("price", b.verify_balance_before_order("BTC-USD", "buy", "1", order_type="limit", price=value)),
                ("quantity", b.close_position("BTC-USD", quantity=value)),
            ):
                assert (await refused(t, work)).field == field

    run_virtual(main())


@pytest.mark.parametrize(
    "value", [value for name, value in WRONG_MONEY if not name.endswith("zero") and "zero" not in name]
)
def test_an_amount_to_verify_is_as_strict(value: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(OrderInputError) as caught:
                t.broker.verify_balance("USD", value)
            assert caught.value.field == "amount"

    run_virtual(main())


@pytest.mark.parametrize(
    ("call", "changes", "field"),
    [
        ("market", {"side": "long"}, "side"),
        ("market", {"side": None}, "side"),
        ("market", {"side": 1}, "side"),
        ("market", {"quantity": None}, "quantity"),
        ("market", {"quote_quantity": "5"}, "quote_quantity"),
        ("market", {"side": "sell", "quantity": None, "quote_quantity": "5"}, "quote_quantity"),
        ("market", {"symbol": "BTCUSD"}, "symbol"),
        ("market", {"symbol": "BTC/USD"}, "symbol"),
        ("market", {"symbol": "BTC-USD\n"}, "symbol"),
        ("market", {"symbol": None}, "symbol"),
        ("market", {"bot": ""}, "bot"),
        ("market", {"bot": "x" * 65}, "bot"),
        ("market", {"bot": "a\nb"}, "bot"),
        ("market", {"bot": 7}, "bot"),
        ("limit", {"price": None}, "price"),
        ("limit", {"time_in_force": "day"}, "time_in_force"),
        ("limit", {"post_only": 1}, "post_only"),
        ("limit", {"post_only": True, "time_in_force": "ioc"}, "post_only"),
        ("market", {"intent_id": ""}, "intent_id"),
        ("market", {"intent_id": "x" * 129}, "intent_id"),
        ("market", {"intent_id": "a\nb"}, "intent_id"),
        ("market", {"intent_id": "naïve"}, "intent_id"),
        ("market", {"intent_id": 7}, "intent_id"),
    ],
)
def test_what_is_no_order_is_refused_by_the_argument_that_is_wrong(
    call: str, changes: dict[str, Any], field: str
) -> None:
    async def main() -> None:
        async with trading() as t:
            if call == "market":
                order: dict[str, Any] = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.01", **changes}
                work = t.broker.place_market_order(**order)
            else:
                order = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.01", "price": "40000", **changes}
                work = t.broker.place_limit_order(**order)
            assert (await refused(t, work)).field == field

    run_virtual(main())


def test_more_decimals_than_the_instrument_has_are_refused_and_never_rounded() -> None:
    async def main() -> None:
        async with trading() as t:
            b = t.broker
            for work in (
                b.place_market_order("BTC-USD", "buy", "0.010000001"),
                b.place_limit_order("BTC-USD", "buy", "0.01", "40000.01"),
                b.place_market_order("BTC-USD", "buy", quote_quantity="10.000001"),
                b.place_market_order("BTC-USD", "sell", "0.010000001"),
                b.close_position("BTC-USD", quantity="0.010000001"),
            ):
                error = await refused(t, work, OrderRuleError)
                assert error.verdict.code in ("quantity_step", "price_step")

    run_virtual(main())


def test_an_instrument_the_venue_does_not_list_is_refused() -> None:
    async def main() -> None:
        async with trading() as t:
            error = await refused(t, t.broker.place_market_order("DOGE-USD", "buy", "1"), OrderRuleError)
            assert error.verdict.code == "instrument_unknown"
            await refused(t, t.broker.close_position("DOGE-USD"), HoldfastError)
            verdict = await t.broker.verify_balance_before_order("DOGE-USD", "buy", "1")
            assert verdict.code == "instrument_unknown"

    run_virtual(main())


def test_a_market_buy_by_quantity_without_any_price_is_refused() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.failing["tickers"] = t.venue.lost("tickers", "acme-master")
            error = await refused(t, t.broker.place_market_order("BTC-USD", "buy", "0.01"), DeniedError)
            assert error.verdict.code == "price_unknown"

    run_virtual(main())


@pytest.mark.parametrize("ttl_s", [float("nan"), float("inf"), -1.0, 0.0, True, "30"])
def test_a_time_to_live_that_is_none_is_refused(ttl_s: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
            with pytest.raises(OrderInputError) as caught:
                async with t.broker.reserve(verdict, ttl_s=ttl_s):
                    raise AssertionError("never entered")
            assert caught.value.field == "ttl_s"
            assert t.reserved() == 0

    run_virtual(main())


@pytest.mark.parametrize("symbol", ["BTCUSD", "", None, 7, "BTC-USD\n"])
def test_a_symbol_to_close_is_as_strict(symbol: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            assert (await refused(t, t.broker.close_position(symbol))).field == "symbol"

    run_virtual(main())


@pytest.mark.parametrize("bot", ["", 7, "x" * 65, "a\nb"])
def test_the_bot_that_closes_a_position_is_as_strict(bot: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            assert (await refused(t, t.broker.close_position("BTC-USD", bot=bot))).field == "bot"

    run_virtual(main())


@pytest.mark.parametrize("order", [None, 7, "", object()])
def test_what_cannot_name_an_order_is_refused(order: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            assert (await refused(t, t.broker.cancel_order(order))).field == "order"

    run_virtual(main())


@pytest.mark.parametrize("state", ["paused", "", None, 1, "ACTIVE"])
def test_a_trading_state_that_is_none_is_refused(state: Any) -> None:
    async def main() -> None:
        async with trading() as t:
            assert (await refused(t, t.broker.set_trading_state(state))).field == "state"
            assert t.broker.status().trading_state == "active"

    run_virtual(main())


def test_a_dry_run_takes_no_reservation() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
            )
            with pytest.raises(OrderInputError) as caught:
                await t.broker.place_market_order(
                    "BTC-USD", "buy", quote_quantity="10", reservation=verdict, validate=True
                )
            assert caught.value.field == "reservation"
            assert t.sent == []

    run_virtual(main())


def test_the_decimal_context_of_the_bot_changes_neither_the_verdict_nor_what_is_sent_nor_what_is_claimed() -> None:
    async def main() -> list[str]:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", "0.01234567", order_type="limit", price="40000.1"
            )
            await t.buy("a", quantity="0.01234567", price="40000.1")
            position = (await t.broker.close_position("BTC-USD")).order
            assert position is not None
            sent = [(ticket.quantity, ticket.limit_price) for ticket in t.stream.sent]
            return [str(verdict.required), str(t.reserved()), str(position.quantity), str(sent)]

    expected = run_virtual(main())
    with decimal.localcontext() as context:
        context.prec = 2
        context.rounding = decimal.ROUND_UP
        context.traps[decimal.Inexact] = True
        context.traps[decimal.FloatOperation] = True
        assert run_virtual(main()) == expected


def test_a_closed_desk_takes_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            broker = t.broker
        for work in (
            broker.place_market_order("BTC-USD", "buy", "0.01"),
            broker.verify_balance_before_order("BTC-USD", "buy", "0.01"),
            broker.cancel_order("a"),
            broker.cancel_all_orders(),
            broker.close_position("BTC-USD"),
            broker.release_reservation("a"),
            broker.set_trading_state("halted"),
        ):
            with pytest.raises(ClosedError):
                await work

    run_virtual(main())
