"""Positions and closing them: what is there, what of it can be sold, and where the rest is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.amounts import ZERO
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.closing import ClosingPlan, plan_closing
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.positions import (
    MarginPosition,
    PositionList,
    PositionSide,
    StatedPositions,
    dust_reason,
    markets_of,
    position_list,
)
from tests.core.test_valuation import NOW_S, D, balance, listed, prices


def positions(
    held: list[Balance],
    tickers: dict[str, Ticker] | None = None,
    instruments: dict[str, Instrument] | None = None,
    **more: Any,
) -> PositionList:
    facts: dict[str, Any] = {"broker": "acme-master", "quote": "USD", "now_s": NOW_S, "price_max_age_s": 30.0}
    margin = more.pop("margin", None)
    return position_list(
        {each.asset: each for each in held},
        margin,
        prices(BTC_USD=("40000", "40010")) if tickers is None else tickers,
        listed("BTC-USD", "BTC-EUR") if instruments is None else instruments,
        **{**facts, **more},
    )


def changed(symbol: str, **more: Any) -> Instrument:
    return msgspec.structs.replace(listed(symbol)[symbol], **more)


# Spot


def test_what_is_held_is_a_position_and_cash_is_none() -> None:
    held = balance("BTC", "0.500000001", held=D("0.1"), available=D("0.4"), spendable=D("0.400000001"))
    found = positions([balance("USD", "10"), balance("USDT", "5"), held, balance("ETH", "0")])
    [position] = found
    assert (position.kind, position.asset, position.symbol, position.side) == ("spot", "BTC", "BTC-USD", "long")
    assert (position.quantity, position.closable) == (D("0.500000001"), D("0.4"))
    assert position.value == D("20000.00004")
    assert (position.state, position.age_s, position.source) == ("live", 0.5, "stream")
    assert (position.cost, position.unrealised, position.note) == (None, None, None)
    assert (found.dust, found.is_complete, found.notes) == ((), True, ())
    assert found.of("BTC-USD") == (position,)
    assert found.of("BTC-EUR") == ()


@pytest.mark.parametrize(
    ("total", "words"),
    [
        ("0.000000001", "less than the step of BTC-USD, 0.00000001"),
        ("0.00009999", "less than the least order of BTC-USD, 0.0001 BTC"),
    ],
)
def test_what_no_order_could_sell_is_dust_with_the_minimum_that_it_misses(total: str, words: str) -> None:
    found = positions([balance("BTC", total)])
    assert found.positions == ()
    [dust] = found.dust
    assert words in (dust.dust or "")
    assert dust.quantity == D(total)


def test_what_is_worth_less_than_the_least_cost_is_dust_by_a_young_price_only() -> None:
    known = {"BTC-USD": changed("BTC-USD", cost_min=D("100"))}
    held = [balance("BTC", "0.002")]
    found = positions(held, instruments=known)
    assert "worth 80 USD at 40000, less than the least cost of an order of BTC-USD, 100 USD" in (
        found.dust[0].dust or ""
    )
    old = positions(held, prices(BTC_USD=("40000", "40010"), age_s=30.1), known)
    assert old.dust == ()
    assert old.positions[0].price is not None
    assert old.positions[0].price.age_s == pytest.approx(30.1)
    assert positions(held, {}, known).dust == ()


def test_what_is_dust_in_one_market_and_not_in_another_is_closed_by_the_other() -> None:
    known = {"BTC-USD": changed("BTC-USD", quantity_min=D("1")), **listed("BTC-EUR", "BTC-AAA")}
    [position] = positions([balance("BTC", "0.5")], instruments=known)
    assert position.symbol == "BTC-EUR"


def test_markets_are_taken_by_the_quote_asked_for_then_by_what_most_is_traded_in_then_by_name() -> None:
    known = listed("BTC-USDC", "BTC-ZZZ", "BTC-AAA", "BTC-EUR", "BTC-USD", "BTC-BUSD", "ETH-USD")
    known["BTC-USDT"] = changed("BTC-USDT", status=InstrumentStatus.OFFLINE)
    names = [each.symbol for each in markets_of("BTC", known, quote="EUR")]
    assert names == ["BTC-EUR", "BTC-USD", "BTC-USDC", "BTC-AAA", "BTC-ZZZ"]


def test_what_no_open_market_sells_is_shown_and_cannot_be_closed() -> None:
    [position] = positions([balance("DOT28.S", "7")])
    assert (position.symbol, position.closable, position.price, position.value) == (None, ZERO, None, None)
    assert "no open market" in (position.note or "")


def test_what_was_never_confirmed_is_shown_as_unknown() -> None:
    found = positions([balance("BTC", None)])
    assert found.positions[0].closable is None
    assert found.positions[0].value is None
    assert found.state == "unknown"
    nothing = positions([])
    assert (nothing.is_complete, nothing.state, len(nothing)) == (False, "unknown", 0)
    assert "not known" in nothing.notes[0]


def test_an_account_without_positions_is_as_old_as_its_balances() -> None:
    found = positions([balance("USD", "10", age_s=7.0, state=BalanceState.FRESH)])
    assert (len(found), found.state, found.age_s, found.is_complete) == (0, "fresh", 7.0, True)


# Margin


def stated(*found: MarginPosition, others: tuple[str, ...] = ()) -> StatedPositions:
    return StatedPositions(read="OpenPositions", positions=found, as_of_s=NOW_S - 2.0, others=others)


def test_margin_positions_stand_beside_spot_ones_in_the_same_shape() -> None:
    short = MarginPosition(
        position_id="T1",
        symbol="BTC-USD",
        venue_symbol="XXBTZUSD",
        side=PositionSide.SHORT,
        quantity=D("0.1"),
        cost=D("4100"),
        unrealised=D("99"),
        margin=D("1000"),
        opened_at_s=1_790_000_000.0,
    )
    odd = MarginPosition(position_id="T2", symbol=None, venue_symbol="NEWUSD", side=PositionSide.LONG, quantity=D("3"))
    found = positions([balance("BTC", "0.5")], margin=stated(short, odd, others=("a swap: spot only",)))
    assert [each.kind for each in found] == ["spot", "margin", "margin"]
    by_id = {each.position_id: each for each in found}
    first = by_id["T1"]
    assert (first.asset, first.side, first.quantity, first.closable, first.age_s) == (
        "BTC",
        "short",
        D("0.1"),
        ZERO,
        2.0,
    )
    assert first.value == D("-4001")  # What buying it back would cost.
    assert (first.unrealised, first.margin, first.cost) == (D("99"), D("1000"), D("4100"))
    assert "closed at the venue" in (first.note or "")
    assert (by_id["T2"].asset, by_id["T2"].symbol, by_id["T2"].value) == ("NEWUSD", None, None)
    assert found.notes == ("a swap: spot only",)
    assert found.state == "fresh"


def test_a_list_that_could_not_be_read_is_not_complete() -> None:
    found = positions([balance("BTC", "0.5")], notes=("margin positions could not be read",), is_complete=False)
    assert not found.is_complete
    assert found.notes == ("margin positions could not be read",)


# Closing


def plan(held: Balance, *, bid: str | None = "40000", wanted: str | None = None, **rules: Any) -> ClosingPlan:
    return plan_closing(
        held,
        changed("BTC-USD", **rules),
        bid=None if bid is None else D(bid),
        wanted=None if wanted is None else D(wanted),
    )


def test_all_that_is_spendable_is_sold_and_what_stays_is_explained() -> None:
    held = balance(
        "BTC",
        "0.500000009",
        held=D("0.1"),
        available=D("0.400000009"),
        reserved=D("0.05"),
        floor=D("0.02"),
        spendable=D("0.330000009"),
    )
    found = plan(held)
    assert (found.code, found.quantity, found.owned, found.left) == ("sell", D("0.33"), held.total, D("0.170000009"))
    for words in ("sells 0.33 BTC", "0.000000009 BTC is below the step", "0.1 BTC is held by open orders"):
        assert words in found.explanation
    for words in ("0.05 BTC is reserved for orders of yours", "0.02 BTC is kept by your floor"):
        assert words in found.explanation


def test_all_sold_leaves_nothing_to_explain() -> None:
    found = plan(balance("BTC", "0.5"))
    assert (found.quantity, found.left, found.explanation) == (D("0.5"), ZERO, "sells 0.5 BTC")


def test_nothing_owned_dust_and_kept_are_three_answers() -> None:
    nothing = plan(balance("BTC", "0"))
    assert (nothing.code, nothing.explanation) == ("nothing", "no BTC is owned")
    dust = plan(balance("BTC", "0.00009"))
    assert (dust.code, dust.quantity, dust.left) == ("dust", ZERO, D("0.00009"))
    assert "less than the least order" in dust.explanation
    kept = plan(balance("BTC", "0.5", held=D("0.5"), available=ZERO, spendable=ZERO))
    assert (kept.code, kept.quantity, kept.left) == ("kept", ZERO, D("0.5"))
    assert "held by open orders: cancel them" in kept.explanation


def test_dust_beside_what_is_held_says_both() -> None:
    found = plan(balance("BTC", "0.50001", held=D("0.5"), available=D("0.00001"), spendable=D("0.00001")))
    assert found.code == "dust"
    assert "less than the least order" in found.explanation
    assert "0.5 BTC is held by open orders" in found.explanation


def test_the_least_cost_counts_by_a_price_that_is_known_only() -> None:
    assert plan(balance("BTC", "0.002"), cost_min=D("100")).code == "dust"
    assert plan(balance("BTC", "0.002"), cost_min=D("100"), bid=None).code == "sell"
    assert plan(balance("BTC", "0.0025"), cost_min=D("100")).code == "sell"


def test_what_nobody_stated_to_be_free_is_what_there_is_less_what_is_claimed() -> None:
    held = balance("BTC", "0.5", available=None, held=None, spendable=None, reserved=D("0.2"))
    assert plan(held).quantity == D("0.3")


def test_a_quantity_that_is_asked_for_is_taken_as_it_is() -> None:
    """Whether it can be sold, the funds rule says."""
    found = plan(balance("BTC", "0.5"), wanted="0.00001")
    assert (found.code, found.quantity, found.left) == ("sell", D("0.00001"), D("0.49999"))


def test_what_is_owed_is_nothing_to_sell() -> None:
    assert plan(balance("BTC", "-0.5", spendable=ZERO)).code == "nothing"


@pytest.mark.parametrize("step", ["0.5", "0.25", "10", "1"])
def test_steps_that_are_no_power_of_ten_are_kept_to(step: str) -> None:
    found = plan(balance("BTC", "33.3"), quantity_step=D(step), quantity_min=None)
    assert found.quantity == D("33.3") // D(step) * D(step)
    assert dust_reason(D("0.2"), changed("BTC-USD", quantity_step=D(step)), None) is not None
