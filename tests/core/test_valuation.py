"""What an account is worth: every conversion through a price that somebody would pay, nothing left out in silence."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import ZERO, total_of
from holdfast.core.balances import Balance, BalanceState, Source
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.valuation import (
    AccountBalanceDetailed,
    LeftOut,
    Leg,
    account_balance,
    paths_between,
    price_by,
    worst_state,
)
from holdfast.testing.orders import fake_instrument

NOW_S = 1000.0


D = Decimal


def balance(asset: str, total: str | None, **more: Any) -> Balance:
    amount = None if total is None else D(total)
    facts: dict[str, Any] = {
        "total": amount,
        "held": ZERO,
        "available": amount,
        "reserved": ZERO,
        "spendable": None if amount is None else max(amount, ZERO),
        "state": BalanceState.LIVE if amount is not None else BalanceState.UNKNOWN,
        "age_s": 0.5 if amount is not None else None,
        "source": Source.STREAM,
        "reason": None,
    }
    return Balance(asset=asset, **{**facts, **more})


def listed(*symbols: str, **more: InstrumentStatus) -> dict[str, Instrument]:
    found = {symbol: fake_instrument(symbol) for symbol in symbols}
    for symbol, status in more.items():
        name = symbol.replace("_", "-")
        facts = {field: getattr(fake_instrument(name), field) for field in Instrument.__struct_fields__}
        found[name] = Instrument(**{**facts, "status": status})
    return found


def prices(*, age_s: float = 1.0, **bid_ask: tuple[str, str]) -> dict[str, Ticker]:
    return {
        name.replace("_", "-"): Ticker(
            symbol=name.replace("_", "-"), bid=D(bid), ask=D(ask), last=D(ask), as_of_s=NOW_S - age_s
        )
        for name, (bid, ask) in bid_ask.items()
    }


def worth(
    balances: list[Balance], tickers: dict[str, Ticker], instruments: dict[str, Instrument], quote: str = "USD"
) -> AccountBalanceDetailed:
    return account_balance(
        {each.asset: each for each in balances},
        tickers,
        instruments,
        broker="acme-master",
        quote=quote,
        now_s=NOW_S,
        price_max_age_s=30.0,
    )


# Ways and prices


def test_ways_go_direct_then_inverse_then_over_one_currency_in_between() -> None:
    known = listed("BTC-USD", "USD-BTC", "BTC-USDT", "USDT-USD", "BTC-EUR", "EUR-USD")
    assert paths_between("BTC", "USD", known) == (
        (Leg(symbol="BTC-USD"),),
        (Leg(symbol="USD-BTC", is_inverse=True),),
        (Leg(symbol="BTC-USDT"), Leg(symbol="USDT-USD")),
        (Leg(symbol="BTC-EUR"), Leg(symbol="EUR-USD")),
    )
    assert paths_between("USD", "USD", known) == ((),)
    assert paths_between("SOL", "USD", known) == ()


def test_no_way_goes_over_two_currencies_over_a_closed_market_or_over_what_was_given_up() -> None:
    assert paths_between("SOL", "USD", listed("SOL-ETH", "ETH-USD")) == ()
    assert paths_between("SOL", "EUR", listed("SOL-BTC", "BTC-USD", "USD-EUR")) == ()
    for status in (InstrumentStatus.OFFLINE, InstrumentStatus.UNKNOWN):
        assert paths_between("BTC", "USD", listed(BTC_USD=status)) == ()
    assert paths_between("BTC", "USD", listed(BTC_USD=InstrumentStatus.CANCEL_ONLY))
    assert paths_between("BTC", "BUSD", listed("BTC-BUSD")) == ()


def test_a_price_is_what_selling_brings_and_of_what_is_owed_what_buying_costs() -> None:
    told = prices(BTC_USD=("40000", "40010"), USD_BTC=("0.000024", "0.000025"))
    direct, inverse = (Leg(symbol="BTC-USD"),), (Leg(symbol="USD-BTC", is_inverse=True),)
    assert price_by("BTC", "USD", direct, told, now_s=NOW_S).price == 40000  # type: ignore[union-attr]
    assert price_by("BTC", "USD", direct, told, now_s=NOW_S, is_owed=True).price == 40010  # type: ignore[union-attr]
    assert price_by("BTC", "USD", inverse, told, now_s=NOW_S).price == 40000  # type: ignore[union-attr]
    owed = price_by("BTC", "USD", inverse, told, now_s=NOW_S, is_owed=True)
    assert owed is not None
    assert owed.price == D("41666.666666666666666667")  # Against us: up.


def test_a_price_over_two_markets_is_their_product_and_as_old_as_the_older() -> None:
    told = prices(SOL_USDT=("100.5", "101")) | prices(USDT_USD=("0.9990", "1"), age_s=12.0)
    price = price_by("SOL", "USD", (Leg(symbol="SOL-USDT"), Leg(symbol="USDT-USD")), told, now_s=NOW_S)
    assert price is not None
    assert (price.price, price.path, price.age_s) == (D("100.39950"), ("SOL-USDT", "USDT-USD"), 12.0)


@pytest.mark.parametrize("told", [{}, prices(BTC_USD=("0", "0")), prices(BTC_USD=("0", "40010"))])
def test_a_market_that_nobody_bids_in_has_no_price(told: dict[str, Ticker]) -> None:
    assert price_by("BTC", "USD", (Leg(symbol="BTC-USD"),), told, now_s=NOW_S) is None


# The sum


def test_the_sum_is_cash_and_positions_at_their_prices() -> None:
    found = worth(
        [balance("USD", "1000.25"), balance("BTC", "0.5"), balance("USDT", "100")],
        prices(BTC_USD=("40000.1", "40001"), USDT_USD=("0.9990", "1.0000")),
        listed("BTC-USD", "USDT-USD"),
    )
    assert found.total == D("1000.25") + D("20000.05") + D("99.9")
    assert found.spendable == found.total
    assert (found.state, found.age_s, found.is_complete, found.left_out, found.reason) == ("fresh", 1.0, True, (), None)
    assert [each.asset for each in found.assets] == ["BTC", "USD", "USDT"]
    figure = found.one_figure()
    assert type(figure).__name__ == "AccountBalance"
    assert (figure.total, figure.quote, figure.broker) == (found.total, "USD", "acme-master")


def test_three_kinds_of_dollars_are_three_kinds_of_money() -> None:
    held = [balance("USD", "100"), balance("USDC", "100"), balance("USDT", "100")]
    found = worth(held, prices(USDT_USD=("0.9", "1")), listed("USDT-USD"))
    assert found.total == D("190")
    assert found.left_out == (LeftOut(asset="USDC", total=D("100"), why="no_market"),)
    in_usdc = worth(
        held, prices(USDC_USD=("0.98", "1.0"), USDT_USD=("0.9", "1")), listed("USDC-USD", "USDT-USD"), "USDC"
    )
    assert in_usdc.total == D("100") + D("100") + D("90")  # A dollar buys 1/1.0 USDC; USDT go over dollars.
    assert in_usdc.assets[2].price is not None
    assert in_usdc.assets[2].price.path == ("USDT-USD", "USDC-USD")


def test_what_has_no_price_is_left_out_by_name_and_the_sum_says_so() -> None:
    found = worth(
        [balance("USD", "10"), balance("BTC", "0.5"), balance("ODD", "7")],
        {},
        listed("BTC-USD"),
    )
    assert found.total == 10
    assert not found.is_complete
    assert found.left_out == (
        LeftOut(asset="BTC", total=D("0.5"), why="no_price"),
        LeftOut(asset="ODD", total=D("7"), why="no_market"),
    )
    by_asset = {each.asset: each for each in found.assets}
    assert (by_asset["BTC"].value, by_asset["BTC"].price, by_asset["BTC"].why) == (None, None, "no_price")


def test_where_the_first_way_has_no_price_the_next_one_is_taken() -> None:
    found = worth(
        [balance("BTC", "1")],
        prices(BTC_USD=("0", "0"), BTC_USDT=("40000", "40001"), USDT_USD=("1", "1.1")),
        listed("BTC-USD", "BTC-USDT", "USDT-USD"),
    )
    assert found.total == 40000
    assert found.is_complete


def test_nothing_known_is_none_and_never_zero() -> None:
    found = worth([], {}, {})
    assert (found.total, found.spendable, found.state, found.age_s) == (None, None, "unknown", None)
    assert (found.is_complete, found.reason) == (False, "unknown")
    alone = worth([balance("ODD", "7")], {}, {})
    assert (alone.total, alone.spendable, alone.state) == (None, None, "unknown")
    unknown = worth([balance("BTC", None)], {}, {})
    assert (unknown.total, unknown.left_out) == (None, (LeftOut(asset="BTC", total=None, why="unknown"),))


def test_proven_zeros_are_worth_zero_and_need_no_price() -> None:
    found = worth([balance("USD", "0"), balance("ODD", "0.000")], {}, {})
    assert (found.total, found.spendable, found.is_complete, found.state) == (ZERO, ZERO, True, "live")


def test_an_asset_of_unknown_total_makes_the_sum_unknown_in_state_and_incomplete() -> None:
    found = worth([balance("USD", "10"), balance("EUR", None)], {}, {})
    assert (found.total, found.is_complete, found.state) == (D(10), False, "unknown")
    assert found.left_out == (LeftOut(asset="EUR", total=None, why="unknown"),)


def test_a_stale_figure_or_an_old_price_makes_the_whole_stale_and_says_which() -> None:
    stale = balance("BTC", "1", state=BalanceState.STALE, age_s=90.0, reason="gap")
    known = listed("BTC-USD")
    found = worth([balance("USD", "1"), stale], prices(BTC_USD=("40000", "40001")), known)
    assert (found.total, found.state, found.age_s, found.reason) == (D(40001), "stale", 90.0, "gap")
    old = worth([balance("USD", "1"), balance("BTC", "1")], prices(BTC_USD=("40000", "40001"), age_s=30.1), known)
    assert (old.total, old.state, old.reason) == (D(40001), "stale", "price_age")
    assert old.age_s == pytest.approx(30.1)
    young = worth([balance("BTC", "1")], prices(BTC_USD=("40000", "40001"), age_s=30.0), known)
    assert (young.state, young.reason) == ("fresh", None)


def test_a_sum_without_a_price_in_it_is_as_live_as_its_figures() -> None:
    assert worth([balance("USD", "1")], {}, {}).state == "live"


def test_spendable_is_unknown_where_of_one_asset_it_is() -> None:
    found = worth(
        [balance("USD", "10"), balance("EUR", "5", spendable=None, available=None)],
        prices(EUR_USD=("1.1", "1.2")),
        listed("EUR-USD"),
    )
    assert found.total == D("15.5")
    assert found.spendable is None


def test_what_is_reserved_held_or_kept_counts_in_the_total_and_not_in_spendable() -> None:
    found = worth([balance("USD", "100", held=D("40"), available=D("60"), reserved=D("10"), spendable=D("50"))], {}, {})
    assert (found.total, found.spendable) == (D(100), D(50))


def test_what_is_owed_takes_from_the_sum_at_the_price_to_buy_it_back() -> None:
    owed = balance("BTC", "-0.1", spendable=ZERO)
    found = worth([balance("USD", "10000"), owed], prices(BTC_USD=("40000", "40010")), listed("BTC-USD"))
    assert found.total == D("5999")


@settings(max_examples=60)
@given(
    st.lists(st.decimals(min_value=0, max_value=10**9, places=8), min_size=1, max_size=5),
    st.decimals(min_value="0.00000001", max_value=10**6, places=8),
    st.decimals(min_value="0.00000001", max_value=10**6, places=8),
)
def test_the_sum_is_that_of_its_parts_and_no_part_is_worth_more_than_its_price_says(
    totals: list[Decimal], price: Decimal, rate: Decimal
) -> None:
    """Under a hostile context of the caller's."""
    codes = ["AAA", "BBB", "CCC", "DDD", "EEE"][: len(totals)]
    known = listed(*(f"{code}-USD" for code in codes[:3]), *(f"USD-{code}" for code in codes[3:]), "USD-EUR")
    told = {symbol: Ticker(symbol=symbol, bid=price, ask=rate, last=price, as_of_s=NOW_S) for symbol in known}
    held = [balance(code, str(total)) for code, total in zip(codes, totals, strict=True)]
    with decimal.localcontext() as context:
        context.prec = 3
        found = worth(held, told, known)
    assert found.is_complete
    values = [each.value for each in found.assets]
    assert found.total == total_of(value for value in values if value is not None)
    for each, total in zip(found.assets, totals, strict=True):
        assert each.value is not None
        with decimal.localcontext(decimal.Context(prec=100)):
            exact = total * price if each.asset in codes[:3] else total / rate
            assert exact - D("0.00000001") - total * D("1e-18") <= each.value <= exact


def test_the_worst_state_of_none_is_unknown() -> None:
    assert worst_state([]) is BalanceState.UNKNOWN
    assert worst_state([BalanceState.LIVE, BalanceState.STALE, BalanceState.FRESH]) is BalanceState.STALE
