"""What an order needs, and whether the figure covers it: the sums, and the moment one answer turns into the other."""

from __future__ import annotations

import decimal
import threading
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.funds import Gate, judge_amount, pay_asset_of
from holdfast.core.instruments import Ticker
from holdfast.core.verdicts import VerdictCode
from holdfast.errors import InvariantError
from tests.core.funds_facts import (
    NOW_S,
    TICKER,
    ask_for,
    balance,
    instrument,
    judged,
    settings,
    terms,
)

# A buy: notional + fee + buffer of quote.


def test_a_limit_buy_needs_its_notional_the_takers_fee_and_the_buffer() -> None:
    verdict = judged(ask_for("buy", "0.01", "40000.0"), "1000")
    assert (verdict.asset, verdict.code) == ("USD", VerdictCode.APPROVED)
    assert (verdict.notional, verdict.fee, verdict.buffer) == (Decimal(400), Decimal("1.04"), Decimal(8))
    assert verdict.required == Decimal("409.04")
    assert (verdict.price, verdict.price_source, verdict.price_age_s) == (Decimal("40000.0"), "limit", None)
    assert (verdict.fee_rate, verdict.fee_source, verdict.fee_asset) == (Decimal("0.0026"), "account", "USD")
    assert not verdict.is_exit


@pytest.mark.parametrize(
    ("spendable", "code"),
    [("409.04", VerdictCode.APPROVED), ("409.03999", VerdictCode.FUNDS_SHORT), ("0", VerdictCode.FUNDS_SHORT)],
)
def test_a_buy_is_approved_up_to_the_last_unit_of_what_is_spendable(spendable: str, code: VerdictCode) -> None:
    assert judged(ask_for("buy", "0.01", "40000.0"), spendable).code is code


def test_each_part_is_rounded_up_to_the_places_of_costs() -> None:
    # 0.00012345 * 40001.3 = 4.938160485, fee 0.0128392..., buffer 0.0987633...
    verdict = judged(ask_for("buy", "0.00012345", "40001.3"), "1000")
    assert verdict.notional == Decimal("4.93817")
    assert verdict.fee == Decimal("0.01284")
    assert verdict.buffer == Decimal("0.09877")
    assert verdict.required == Decimal("5.04978")


def test_without_places_for_costs_ten_are_counted() -> None:
    verdict = judged(ask_for("buy", "0.00012345", "40001.3"), "1000", on=terms(instrument(cost_step=None)))
    assert verdict.notional == Decimal("4.938160485")
    assert verdict.fee == Decimal("0.0128392173")  # 0.012839217261
    assert verdict.buffer == Decimal("0.0987632097")


def test_places_of_the_ledger_count_where_they_are_fewer_than_those_of_costs() -> None:
    verdict = judged(ask_for("buy", "0.00012345", "40001.3"), "1000", on=terms(quote_decimals=4))
    assert (verdict.notional, verdict.fee) == (Decimal("4.9382"), Decimal("0.0129"))


def test_a_tiny_order_keeps_at_least_what_a_venue_may_round_up_by() -> None:
    # Two per cent of half a dollar is a cent; a hold rounded up to whole cents may take more than that.
    verdict = judged(
        ask_for("buy", "0.0000125", "40000.0"), "1000", on=terms(instrument(quantity_min=None), quote_decimals=4)
    )
    assert (verdict.notional, verdict.buffer) == (Decimal("0.5"), Decimal("0.02"))
    verdict = judged(ask_for("buy", "0.0001", "40000.0"), "1000", on=terms(quote_decimals=4))
    assert verdict.buffer == Decimal("0.08")


def test_buffers_are_set_per_order_type_and_none_is_kept_where_it_is_zero() -> None:
    by = settings(buffer_limit=Decimal(0), buffer_market=Decimal("0.05"))
    limit = judged(ask_for("buy", "0.01", "40000.0"), "1000", by=by, on=terms(quote_decimals=4))
    assert (limit.buffer, limit.required) == (Decimal(0), Decimal("401.04"))
    market = judged(ask_for("buy", "0.01"), "1000", by=by)
    assert (market.buffer_rate, market.buffer) == (Decimal("0.05"), Decimal("20.2"))


def test_the_lowest_tier_counts_where_the_accounts_rate_is_not_known() -> None:
    verdict = judged(ask_for("buy", "0.01", "40000.0"), "1000", on=terms(taker_fee=None))
    assert (verdict.fee, verdict.fee_source) == (Decimal("1.6"), "lowest_tier")


def test_no_rate_at_all_denies_a_buy_and_no_sell() -> None:
    unknown = terms(instrument(taker_fee=None), taker_fee=None)
    verdict = judged(ask_for("buy", "0.01", "40000.0"), "1000", on=unknown)
    assert (verdict.code, verdict.required) == (VerdictCode.FEE_UNKNOWN, None)
    assert judged(ask_for("sell", "0.01", "40000.0"), "1", on=unknown).code is VerdictCode.APPROVED


def test_a_rebate_pays_for_nothing_in_advance() -> None:
    verdict = judged(ask_for("buy", "0.01", "40000.0"), "1000", on=terms(taker_fee=Decimal("-0.001")))
    assert (verdict.fee, verdict.required) == (Decimal(0), Decimal(408))


# A market buy: an estimate, labelled, or an amount.


def test_a_market_buy_by_quantity_is_estimated_beyond_a_fresh_ask() -> None:
    verdict = judged(ask_for("buy", "0.01"), "1000")
    assert verdict.price == Decimal("40400.00")
    assert (verdict.price_source, verdict.price_age_s) == ("ticker", 1.0)
    assert (verdict.notional, verdict.fee, verdict.buffer) == (Decimal(404), Decimal("1.0504"), Decimal("8.08"))


def test_the_estimate_is_as_bold_as_it_was_set() -> None:
    verdict = judged(ask_for("buy", "0.01"), "1000", by=settings(market_estimate=Decimal("0.1")))
    assert verdict.price == Decimal(44000)


@pytest.mark.parametrize(("age_s", "code"), [(5.0, VerdictCode.APPROVED), (5.01, VerdictCode.PRICE_UNKNOWN)])
def test_a_market_buy_needs_a_price_younger_than_its_bound(age_s: float, code: VerdictCode) -> None:
    ticker = msgspec.structs.replace(TICKER, as_of_s=NOW_S - age_s)
    assert judged(ask_for("buy", "0.01"), "1000", ticker=ticker).code is code


@pytest.mark.parametrize("ticker", [None, msgspec.structs.replace(TICKER, ask=Decimal(0))], ids=["none", "empty book"])
def test_a_market_buy_without_a_price_is_denied_for_that(ticker: Ticker | None) -> None:
    verdict = judged(ask_for("buy", "0.01"), "1000", ticker=ticker)
    assert (verdict.code, verdict.required) == (VerdictCode.PRICE_UNKNOWN, None)


def test_a_market_buy_by_amount_needs_no_price() -> None:
    verdict = judged(ask_for("buy", quote_quantity="250"), "1000", ticker=None)
    assert (verdict.quantity, verdict.quote_quantity, verdict.price) == (None, Decimal(250), None)
    assert (verdict.notional, verdict.fee, verdict.buffer) == (Decimal(250), Decimal("0.65"), Decimal(5))
    assert verdict.required == Decimal("255.65")
    assert verdict.code is VerdictCode.APPROVED


# An amount with a limit is a quantity, rounded down.


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_limit_order_by_amount_becomes_the_quantity_that_it_buys(side: str) -> None:
    verdict = judged(ask_for(side, price="30000.0", quote_quantity="100"), "1000", ticker=None)
    assert (verdict.quantity, verdict.quote_quantity) == (Decimal("0.00333333"), None)
    assert verdict.notional == (Decimal("99.9999") if side == "buy" else Decimal("0.00333333"))


def test_an_amount_that_buys_nothing_is_below_the_minimum() -> None:
    on = terms(instrument(quantity_min=None, cost_min=None, quantity_step=Decimal(1)))
    verdict = judged(ask_for("buy", price="30000.0", quote_quantity="29999"), "50000", on=on)
    assert (verdict.code, verdict.quantity) == (VerdictCode.QUANTITY_MINIMUM, Decimal(0))


# A sell: its quantity of base, and no more.


def test_a_sell_needs_its_quantity_and_is_an_exit_without_a_buffer() -> None:
    verdict = judged(ask_for("sell", "0.4", "40000.0"), "0.4")
    assert (verdict.asset, verdict.code) == ("BTC", VerdictCode.APPROVED)
    assert (verdict.notional, verdict.fee, verdict.buffer, verdict.required) == (
        Decimal("0.4"),
        Decimal(0),
        Decimal(0),
        Decimal("0.4"),
    )
    assert verdict.is_exit


def test_a_sell_beyond_what_is_there_is_short_and_no_exit() -> None:
    verdict = judged(ask_for("sell", "0.40000001"), "0.4")
    assert (verdict.code, verdict.is_exit) == (VerdictCode.FUNDS_SHORT, False)
    assert verdict.shortfall == Decimal("0.00000001")


def test_a_fee_that_the_venue_takes_in_base_is_needed_beside_what_is_sold() -> None:
    on = terms(is_fee_in_base=True)
    verdict = judged(ask_for("sell", "0.4"), "0.4", on=on)
    assert (verdict.fee, verdict.fee_asset, verdict.required) == (Decimal("0.00104"), "BTC", Decimal("0.40104"))
    assert verdict.code is VerdictCode.FUNDS_SHORT
    assert judged(ask_for("sell", "0.4"), "0.40104", on=on).code is VerdictCode.APPROVED


def test_a_market_sell_needs_no_price() -> None:
    assert judged(ask_for("sell", "0.01"), "0.4", ticker=None).code is VerdictCode.APPROVED


# The state of the figure.


@pytest.mark.parametrize("state", ["live", "fresh"])
def test_live_and_fresh_figures_approve(state: str) -> None:
    assert judged(ask_for("buy", "0.01", "40000.0"), balance("USD", "1000", state)).code is VerdictCode.APPROVED


@pytest.mark.parametrize("spendable", ["0", "1000000"])
@pytest.mark.parametrize("reason", ["age", "gap", "restored", "suspect_empty", "insufficient_funds"])
def test_a_stale_figure_denies_a_buy_whatever_it_says(reason: str, spendable: str) -> None:
    held = balance("USD", spendable, "stale", reason=reason)
    verdict = judged(ask_for("buy", "0.01", "40000.0"), held)
    assert (verdict.code, verdict.reason) == (VerdictCode.BALANCE_STALE, reason)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_unknown_figure_denies_everything(side: str) -> None:
    held = balance("USD" if side == "buy" else "BTC", None, "unknown", reason="never_stated")
    verdict = judged(ask_for(side, "0.01", "40000.0"), held)
    assert (verdict.code, verdict.is_exit) == (VerdictCode.BALANCE_UNKNOWN, False)


@pytest.mark.parametrize("reason", ["age", "gap", "restored", "suspect_vanished", "clock_jump"])
def test_an_exit_is_approved_on_a_stale_figure_as_unverified(reason: str) -> None:
    held = balance("BTC", "0.4", "stale", reason=reason)
    verdict = judged(ask_for("sell", "0.4"), held)
    assert (verdict.code, verdict.is_exit) == (VerdictCode.APPROVED_UNVERIFIED, True)
    assert verdict.is_approved


def test_a_sell_beyond_the_last_confirmed_quantity_is_short() -> None:
    held = balance("BTC", "0.4", "stale", reason="age")
    verdict = judged(ask_for("sell", "0.41"), held)
    assert (verdict.code, verdict.is_exit) == (VerdictCode.FUNDS_SHORT, False)


@pytest.mark.parametrize(
    ("quantity", "code"), [("0.3", VerdictCode.APPROVED_UNVERIFIED), ("0.30000001", VerdictCode.FUNDS_SHORT)]
)
def test_where_nobody_stated_what_is_available_an_exit_has_the_total_less_our_claims(
    quantity: str, code: VerdictCode
) -> None:
    held = balance(
        "BTC",
        None,
        "stale",
        reason="unanchored",
        total=Decimal("0.4"),
        held=None,
        available=None,
        reserved=Decimal("0.1"),
        age_s=1.0,
    )
    verdict = judged(ask_for("sell", quantity), held)
    assert (verdict.code, verdict.spendable) == (code, Decimal("0.3"))
    buy = msgspec.structs.replace(held, asset="USD")
    assert judged(ask_for("buy", "0.01", "40000.0"), buy).code is VerdictCode.BALANCE_STALE


@pytest.mark.parametrize(
    ("age_s", "spendable", "code"),
    [
        (90.0, "1000", VerdictCode.APPROVED_DEGRADED),
        (90.1, "1000", VerdictCode.BALANCE_STALE),
        (90.0, "430.57", VerdictCode.APPROVED_DEGRADED),  # Less five per cent: 409.0415.
        (90.0, "430.56", VerdictCode.FUNDS_SHORT),  # 409.032.
        (None, "1000", VerdictCode.BALANCE_STALE),
    ],
)
def test_a_glitch_may_be_traded_through_for_a_while_less_the_haircut(
    age_s: float | None, spendable: str, code: VerdictCode
) -> None:
    by = settings(degraded_max_age_s=90.0)
    held = balance("USD", spendable, "stale", reason="age", age_s=age_s)
    verdict = judged(ask_for("buy", "0.01", "40000.0"), held, by=by)
    assert verdict.code is code
    assert verdict.is_approved is (code is VerdictCode.APPROVED_DEGRADED)
    if verdict.is_approved:
        assert verdict.spendable == Decimal(spendable) * Decimal("0.95")


@pytest.mark.parametrize(
    "reason",
    [
        "clock_jump",
        "delta_differs",
        "fill_unreflected",
        "halted",
        "insufficient_funds",
        "paused",
        "restored",
        "suspect_empty",
        "suspect_jump",
        "suspect_vanished",
        "suspended",
        "unanchored",
        "something_new",
    ],
)
def test_a_figure_that_something_speaks_against_is_no_glitch(reason: str) -> None:
    held = balance("USD", "1000", "stale", reason=reason)
    verdict = judged(ask_for("buy", "0.01", "40000.0"), held, by=settings(degraded_max_age_s=90.0))
    assert verdict.code is VerdictCode.BALANCE_STALE


@pytest.mark.parametrize(
    ("spendable", "code"), [("818.08", VerdictCode.APPROVED_DEGRADED), ("818.0799", VerdictCode.FUNDS_SHORT)]
)
def test_a_degraded_figure_approves_up_to_the_last_unit_of_what_the_haircut_leaves(
    spendable: str, code: VerdictCode
) -> None:
    by = settings(degraded_max_age_s=90.0, degraded_haircut=Decimal("0.5"))
    held = balance("USD", spendable, "stale", reason="age")
    assert judged(ask_for("buy", "0.01", "40000.0"), held, by=by).code is code


def test_a_figure_without_a_total_is_unknown_whatever_it_is_called() -> None:
    held = balance("BTC", None, "stale", reason="age")
    assert judged(ask_for("sell", "0.01"), held).code is VerdictCode.BALANCE_UNKNOWN


def test_degraded_changes_nothing_for_an_exit() -> None:
    held = balance("BTC", "0.4", "stale", reason="age")
    verdict = judged(ask_for("sell", "0.4"), held, by=settings(degraded_max_age_s=90.0))
    assert (verdict.code, verdict.spendable) == (VerdictCode.APPROVED_UNVERIFIED, Decimal("0.4"))


# Budgets.


@pytest.mark.parametrize(("left", "code"), [("409.04", VerdictCode.APPROVED), ("409.03", VerdictCode.BUDGET_SHORT)])
def test_what_the_account_has_is_not_what_the_bot_may_spend(left: str, code: VerdictCode) -> None:
    ask = ask_for("buy", "0.01", "40000.0", bot="grid")
    verdict = judged(ask, "1000", budget_left=Decimal(left))
    assert (verdict.code, verdict.bot, verdict.budget_left) == (code, "grid", Decimal(left))


def test_an_account_that_is_short_says_so_before_the_budget_does() -> None:
    ask = ask_for("buy", "0.01", "40000.0", bot="grid")
    assert judged(ask, "1", budget_left=Decimal(0)).code is VerdictCode.FUNDS_SHORT
    stale = balance("USD", "1000", "stale", reason="age")
    assert judged(ask, stale, budget_left=Decimal(0)).code is VerdictCode.BALANCE_STALE


def test_a_budget_holds_for_exits_and_degraded_figures_too() -> None:
    stale = balance("BTC", "0.4", "stale", reason="age")
    verdict = judged(ask_for("sell", "0.4", bot="grid"), stale, budget_left=Decimal("0.1"), budget_note="because")
    assert (verdict.code, verdict.is_approved, verdict.detail) == (VerdictCode.BUDGET_SHORT, False, "because")


# An amount alone.


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (balance("USD", "5"), VerdictCode.APPROVED),
        (balance("USD", "4.99"), VerdictCode.FUNDS_SHORT),
        (balance("USD", "5", "stale", reason="age"), VerdictCode.BALANCE_STALE),
        (balance("USD", None, "unknown", reason="never_stated"), VerdictCode.BALANCE_UNKNOWN),
    ],
)
def test_an_amount_alone_has_no_fee_and_no_buffer(held: object, code: VerdictCode) -> None:
    verdict = judge_amount("USD", Decimal(5), held, NOW_S)  # type: ignore[arg-type]
    assert (verdict.code, verdict.symbol, verdict.required) == (code, None, Decimal(5))
    assert (verdict.fee, verdict.buffer) == (Decimal(0), Decimal(0))


def test_zero_of_a_proven_zero_is_funded() -> None:
    assert judge_amount("DOT", Decimal(0), balance("DOT", "0"), NOW_S).code is VerdictCode.APPROVED


# In any surroundings.


def test_what_pays_is_quote_of_a_buy_and_base_of_a_sell() -> None:
    assert pay_asset_of(ask_for("buy", "1")) == "USD"
    assert pay_asset_of(ask_for("sell", "1")) == "BTC"


def test_the_balance_of_another_asset_is_a_bug_and_no_verdict() -> None:
    with pytest.raises(InvariantError, match="BTC-USD buy"):
        judged(ask_for("buy", "0.01", "40000.0"), balance("BTC", "1"))


@pytest.mark.parametrize(
    "context",
    [
        decimal.Context(prec=1, rounding=decimal.ROUND_FLOOR, Emin=0, Emax=1, traps=[]),
        decimal.Context(prec=6, traps=[decimal.Inexact, decimal.Rounded, decimal.FloatOperation]),
    ],
    ids=["deaf", "touchy"],
)
def test_the_callers_decimal_context_changes_nothing_and_is_left_as_it_was(context: decimal.Context) -> None:
    ask, short = ask_for("buy", "0.00012345", "40001.3"), ask_for("buy", "12.00012345", "40001.3")
    expected = [judged(ask, "1000.123456789"), judged(short, "1000.123456789"), judged(ask_for("sell", "1"), "0.5")]
    with decimal.localcontext(context) as theirs:
        found = [judged(ask, "1000.123456789"), judged(short, "1000.123456789"), judged(ask_for("sell", "1"), "0.5")]
        assert decimal.getcontext() is theirs
        assert [each.arithmetic for each in found] == [each.arithmetic for each in expected]
        assert [each.document() for each in found] == [each.document() for each in expected]
    assert found == expected


def test_threads_that_judge_at_once_get_the_same_answer() -> None:
    asks = [ask_for("buy", "0.00012345", "40001.3"), ask_for("sell", "0.3")]
    expected = [judged(each, "1000") for each in asks]
    wrong: list[object] = []

    def judge_often() -> None:
        for _ in range(300):
            found = [judged(each, "1000") for each in asks]
            if found != expected:
                wrong.append(found)

    threads = [threading.Thread(target=judge_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_rule_that_is_judging_elsewhere_is_judged_in_a_context_of_its_own() -> None:
    from holdfast.core import amounts

    ask = ask_for("buy", "0.00012345", "40001.3")
    expected = judged(ask, "1000")
    # As another thread would: the kept context is entered already.
    with decimal.localcontext(decimal.Context(prec=2)):
        assert amounts.run_rounding_up(judged, ask, "1000") == expected


def test_facts_that_say_nothing_let_nothing_through() -> None:
    verdict = judged(ask_for("buy", "0.01", "40000.0"), "1000", gate=Gate())
    assert verdict.code is VerdictCode.VENUE_CLOSED
