"""What keeps an order out whatever it costs: the broker, the venue, the instrument's grid and minimums, our limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.funds import Gate, judge
from holdfast.core.instruments import InstrumentStatus
from holdfast.core.orders import OrderAsk
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import TradingState, VerdictCode
from tests.core.funds_facts import NOW_S, OPEN, TICKER, ask_for, balance, instrument, judged, settings, terms

BUY, SELL = ask_for("buy", "0.01", "40000.0"), ask_for("sell", "0.01", "40000.0")
MARKET_BUY, MARKET_SELL = ask_for("buy", "0.01"), ask_for("sell", "0.01")
POST_ONLY = ask_for("buy", "0.01", "39000.0", post_only=True)
RICH = "1000000"


def gate(**changed: Any) -> Gate:
    return msgspec.structs.replace(OPEN, **changed)


def code(ask: OrderAsk, at: Gate = OPEN, **more: Any) -> VerdictCode:
    return judged(ask, RICH, gate=at, **more).code


# The broker


@pytest.mark.parametrize("ask", [BUY, SELL, MARKET_BUY, MARKET_SELL, POST_ONLY])
def test_a_halted_broker_takes_nothing(ask: OrderAsk) -> None:
    verdict = judged(ask, RICH, gate=gate(trading_state=TradingState.HALTED, trading_reason="a person said so"))
    assert (verdict.code, verdict.detail, verdict.required) == (VerdictCode.HALTED, "a person said so", None)


def test_a_reducing_broker_takes_exits_only() -> None:
    reducing = gate(trading_state=TradingState.REDUCING)
    assert code(BUY, reducing) is VerdictCode.REDUCING
    verdict = judged(SELL, RICH, gate=reducing)
    assert (verdict.code, verdict.is_exit) == (VerdictCode.APPROVED, True)
    stale = balance("BTC", "0.01", "stale", reason="age")
    assert judged(SELL, stale, gate=reducing).code is VerdictCode.APPROVED_UNVERIFIED


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (balance("BTC", "0.001"), VerdictCode.FUNDS_SHORT),
        (balance("BTC", "0.001", "stale", reason="age"), VerdictCode.FUNDS_SHORT),
        (balance("BTC", None, "unknown"), VerdictCode.BALANCE_UNKNOWN),
    ],
)
def test_a_reducing_broker_takes_no_sell_that_is_no_exit(held: Any, found: VerdictCode) -> None:
    assert judged(SELL, held, gate=gate(trading_state=TradingState.REDUCING)).code is found


@pytest.mark.parametrize(
    ("opens_s", "found"),
    [(NOW_S + 0.1, VerdictCode.SETTLING), (NOW_S, VerdictCode.APPROVED), (0, VerdictCode.APPROVED)],
)
def test_order_entry_opens_when_an_earlier_owners_last_order_cannot_arrive_any_more(
    opens_s: float, found: VerdictCode
) -> None:
    assert code(BUY, gate(opens_s=opens_s)) is found


def test_nothing_is_approved_that_cannot_be_made_durable_or_signed() -> None:
    assert code(SELL, gate(has_store=False)) is VerdictCode.STORE_UNAVAILABLE
    verdict = judged(SELL, RICH, gate=gate(parked="invalid_nonce"))
    assert (verdict.code, verdict.reason) == (VerdictCode.CREDENTIAL_PARKED, "invalid_nonce")


def test_what_is_wrong_first_names_the_code() -> None:
    # Everything at once; then one by one mended, in the order of the checks.
    broken = gate(
        trading_state=TradingState.HALTED,
        opens_s=NOW_S + 9,
        has_store=False,
        parked="clock",
        venue_mode=VenueMode.MAINTENANCE,
    )
    rules = terms(
        instrument(
            status=InstrumentStatus.OFFLINE, price_step=Decimal(7), quantity_min=Decimal(1), cost_min=Decimal(100_000)
        ),
    )
    by = settings(largest_order={"USD": Decimal(1)}, price_collar=Decimal("0.01"), orders_per_minute=1)
    ask = ask_for("buy", "0.1", "48000.1")
    poor = balance("USD", "1", "stale", reason="age")

    def found() -> str:
        return judge(
            ask, poor, rules, broken, by, NOW_S, ticker=TICKER, orders_lately=1, budget_left=Decimal(0)
        ).code.value

    seen = [found()]
    for mended in (
        {"trading_state": TradingState.REDUCING},
        {"trading_state": TradingState.ACTIVE},
        {"opens_s": None},
        {"has_store": True},
        {"parked": None},
        {"venue_mode": VenueMode.ONLINE},
    ):
        broken = msgspec.structs.replace(broken, **mended)
        seen.append(found())
    for kept in (
        {"status": InstrumentStatus.ONLINE},
        {"price_step": Decimal("0.1")},
        {"quantity_min": None},
        {"cost_min": None},
    ):
        rules = msgspec.structs.replace(rules, instrument=msgspec.structs.replace(rules.instrument, **kept))
        seen.append(found())
    lifted: tuple[dict[str, Any], ...] = ({"largest_order": {}}, {"price_collar": None}, {"orders_per_minute": None})
    for raised in lifted:
        by = msgspec.structs.replace(by, **raised)
        seen.append(found())
    poor = balance("USD", "1")
    seen.append(found())
    poor = balance("USD", RICH)
    seen.append(found())
    assert seen == [
        "halted",
        "reducing",
        "settling",
        "store_unavailable",
        "credential_parked",
        "venue_closed",
        "instrument_closed",
        "price_step",
        "quantity_minimum",
        "cost_minimum",
        "order_too_large",
        "price_collar",
        "too_many_orders",
        "balance_stale",
        "funds_short",
        "budget_short",
    ]


# The venue and the instrument


def test_an_instrument_that_is_not_listed_is_named() -> None:
    verdict = judge(BUY, balance("USD", RICH), None, OPEN, settings(), NOW_S)
    assert (verdict.code, verdict.asset) == (VerdictCode.INSTRUMENT_UNKNOWN, "USD")
    assert "BTC-USD" in (verdict.detail or "")


def test_before_the_listing_was_read_no_instrument_is_called_unlisted() -> None:
    verdict = judge(
        BUY, balance("USD", RICH), None, Gate(venue_mode=OPEN.venue_mode, has_rules=False), settings(), NOW_S
    )
    assert (verdict.code, verdict.detail) == (VerdictCode.RULES_UNKNOWN, None)


CLOSED = "closed"
MODES = {
    "online": (None, None, None, None, None),
    "cancel_only": (CLOSED,) * 5,
    "maintenance": (CLOSED,) * 5,
    "offline": (CLOSED,) * 5,
    "unknown": (CLOSED,) * 5,
    "post_only": ("post_only", "post_only", "post_only", "post_only", None),
    "limit_only": (None, None, "limit_only", "limit_only", None),
    "reduce_only": ("reduce_only", None, "reduce_only", None, "reduce_only"),
}
ASKS = (BUY, SELL, MARKET_BUY, MARKET_SELL, POST_ONLY)


@pytest.mark.parametrize("mode", VenueMode)
def test_each_mode_of_the_venue_lets_through_what_it_takes(mode: VenueMode) -> None:
    for ask, refusal in zip(ASKS, MODES[mode.value], strict=True):
        expected = {None: "approved", CLOSED: "venue_closed"}.get(refusal, refusal)
        assert code(ask, gate(venue_mode=mode)) == expected


@pytest.mark.parametrize("status", InstrumentStatus)
def test_each_status_of_the_instrument_lets_through_what_it_takes(status: InstrumentStatus) -> None:
    for ask, refusal in zip(ASKS, MODES[status.value], strict=True):
        expected = {None: "approved", CLOSED: "instrument_closed"}.get(refusal, refusal)
        assert code(ask, on=terms(instrument(status=status))) == expected


def test_venue_and_instrument_both_have_to_let_it_through() -> None:
    on = terms(instrument(status=InstrumentStatus.POST_ONLY))
    assert code(POST_ONLY, gate(venue_mode=VenueMode.LIMIT_ONLY), on=on) is VerdictCode.APPROVED
    assert code(BUY, gate(venue_mode=VenueMode.LIMIT_ONLY), on=on) is VerdictCode.POST_ONLY


# The grid


@pytest.mark.parametrize(
    ("price", "step", "found"),
    [
        ("40000.1", "0.1", "approved"),
        ("40000.10", "0.1", "approved"),
        ("40000.15", "0.1", "price_step"),
        ("40000.5", "0.25", "approved"),
        ("40000.6", "0.25", "price_step"),
        ("40000", "5", "approved"),
        ("40001", "5", "price_step"),
    ],
)
def test_a_price_off_the_tick_is_refused_and_never_rounded(price: str, step: str, found: str) -> None:
    assert code(ask_for("buy", "0.01", price), on=terms(instrument(price_step=Decimal(step)))) == found


def test_a_tick_of_zero_is_no_rule() -> None:
    on = terms(instrument(price_step=Decimal(0)))
    assert code(ask_for("buy", "0.01", "40000.123"), on=on) is VerdictCode.APPROVED


@pytest.mark.parametrize("price", [None, "40000.0"])
@pytest.mark.parametrize(("quantity", "found"), [("0.01000000", "approved"), ("0.010000001", "quantity_step")])
def test_a_quantity_off_the_grid_is_refused_and_never_rounded(price: str | None, quantity: str, found: str) -> None:
    assert code(ask_for("buy", quantity, price)) == found
    assert code(ask_for("sell", quantity, price)) == found


@pytest.mark.parametrize(
    ("amount", "cost_step", "found"),
    [
        ("250.00001", "0.00001", "approved"),
        ("250.000001", "0.00001", "quantity_step"),
        ("250.0000000001", None, "approved"),
        ("250.00000000001", None, "quantity_step"),
    ],
)
def test_an_amount_off_the_grid_of_costs_is_refused(amount: str, cost_step: str | None, found: str) -> None:
    on = terms(instrument(cost_step=None if cost_step is None else Decimal(cost_step)))
    assert code(ask_for("buy", quote_quantity=amount), on=on) == found


# Minimums


@pytest.mark.parametrize(("quantity", "found"), [("0.00005", "approved"), ("0.00004999", "quantity_minimum")])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_quantity_below_the_minimum_is_refused(side: str, quantity: str, found: str) -> None:
    assert code(ask_for(side, quantity, "40000.0")) == found
    assert code(ask_for(side, quantity)) == found


@pytest.mark.parametrize(
    ("quantity", "price", "found"),
    [("0.0001", "5000.0", "approved"), ("0.0001", "4999.9", "cost_minimum"), ("0.00012345", "4050.1", "cost_minimum")],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_cost_below_the_minimum_is_refused_before_it_is_rounded_up(
    side: str, quantity: str, price: str, found: str
) -> None:
    # 0.00012345 * 4050.1 = 0.499984845, which five places round up to 0.49999.
    assert code(ask_for(side, quantity, price)) == found


def test_an_amount_below_the_cost_minimum_is_refused() -> None:
    assert code(ask_for("buy", quote_quantity="0.49999")) is VerdictCode.COST_MINIMUM
    assert code(ask_for("buy", quote_quantity="0.5")) is VerdictCode.APPROVED


def test_a_market_sell_is_held_against_the_cost_minimum_where_a_price_is_known() -> None:
    dust = ask_for("sell", "0.00005")
    cheap = msgspec.structs.replace(TICKER, bid=Decimal("9999.9"))
    assert code(dust, ticker=cheap) is VerdictCode.COST_MINIMUM
    assert code(dust, ticker=None) is VerdictCode.APPROVED


# Our own limits


@pytest.mark.parametrize(("most", "found"), [("400", "approved"), ("399.99999", "order_too_large")])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_worth_more_than_was_set_is_denied(side: str, most: str, found: str) -> None:
    by = settings(largest_order={"USD": Decimal(most), "EUR": Decimal(1)})
    assert code(ask_for(side, "0.01", "40000.0"), by=by) == found


def test_a_market_order_is_worth_its_amount_its_estimate_or_what_the_bid_brings() -> None:
    by = settings(largest_order={"USD": Decimal(400)})
    assert code(ask_for("buy", quote_quantity="400.00001"), by=by) is VerdictCode.ORDER_TOO_LARGE
    assert code(MARKET_BUY, by=by) is VerdictCode.ORDER_TOO_LARGE  # At 40400.
    assert code(MARKET_SELL, by=by) is VerdictCode.APPROVED  # At 39999.9.
    assert code(ask_for("sell", "0.011"), by=by) is VerdictCode.ORDER_TOO_LARGE
    assert code(ask_for("sell", "0.011"), by=by, ticker=None) is VerdictCode.APPROVED  # An exit waits for no price.


@pytest.mark.parametrize(
    ("side", "price", "found"),
    [
        ("buy", "42000.0", "approved"),
        ("buy", "42000.1", "price_collar"),
        ("buy", "1000.0", "approved"),
        ("sell", "37999.9", "price_collar"),
        ("sell", "38000.0", "approved"),
        ("sell", "90000.0", "approved"),
    ],
)
def test_a_limit_too_far_on_the_side_that_costs_us_is_denied(side: str, price: str, found: str) -> None:
    ticker = msgspec.structs.replace(TICKER, bid=Decimal(40000))
    by = settings(price_collar=Decimal("0.05"))
    assert code(ask_for(side, "0.01", price), by=by, ticker=ticker) == found


def test_a_collar_needs_a_fresh_price_and_keeps_no_exit_in_for_want_of_one() -> None:
    by = settings(price_collar=Decimal("0.05"))
    old = msgspec.structs.replace(TICKER, as_of_s=NOW_S - 5.1)
    empty = msgspec.structs.replace(TICKER, bid=Decimal(0), ask=Decimal(0))
    for ticker in (None, old, empty):
        assert code(BUY, by=by, ticker=ticker) is VerdictCode.PRICE_UNKNOWN
        assert code(SELL, by=by, ticker=ticker) is VerdictCode.APPROVED
    assert code(MARKET_BUY, by=by) is VerdictCode.APPROVED  # It has no limit to be off.


@pytest.mark.parametrize(("lately", "found"), [(59, "approved"), (60, "too_many_orders"), (61, "too_many_orders")])
def test_orders_per_minute_are_counted_with_this_one(lately: int, found: str) -> None:
    assert code(BUY, by=settings(orders_per_minute=60), orders_lately=lately) == found
    assert code(BUY, orders_lately=lately) is VerdictCode.APPROVED


# What a denial says


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (judged(ask_for("buy", "0.01", "40000.15"), RICH), "multiples of 0.1 USD"),
        (judged(ask_for("buy", "0.010000001"), RICH), "multiples of 0.00000001 BTC"),
        (judged(ask_for("buy", quote_quantity="1.000001"), RICH), "multiples of 0.00001 USD"),
        (judged(ask_for("buy", "0.00001", "40000.0"), RICH), "at least 0.00005 BTC"),
        (judged(ask_for("buy", "0.0001", "400.0"), RICH), "at least 0.5 USD"),
        (judged(MARKET_BUY, RICH, ticker=None), "no price of BTC-USD is younger than 5 s"),
        (judged(BUY, RICH, by=settings(largest_order={"USD": Decimal("10.50")})), "worth 10.5 USD"),
        (
            judged(ask_for("buy", "0.01", "50000.0"), RICH, by=settings(price_collar=Decimal("0.05"))),
            "the ask is 40000, and a limit may be 5 % beyond it",
        ),
        (
            judged(ask_for("sell", "0.01", "30000.0"), RICH, by=settings(price_collar=Decimal("0.05"))),
            "the bid is 39999.9, and",
        ),
        (judged(BUY, RICH, by=settings(orders_per_minute=3), orders_lately=3), "3 orders"),
        (judged(ask_for("buy", "0.01", "40000.0", bot="grid"), RICH, budget_left=Decimal("7.0")), "grid has 7 USD"),
        (judged(BUY, RICH, budget_left=Decimal(7)), "no bot has 7 USD"),
        (
            judged(
                BUY, balance("USD", "1", total=Decimal(6), held=Decimal(2), available=Decimal(4), reserved=Decimal(3))
            ),
            "total 6, held 2, reserved 3",
        ),
        (judged(BUY, balance("USD", "1", "stale", reason="gap")), "stale gap"),
        (judged(BUY, balance("USD", None, "unknown", reason="never_stated")), "never confirmed (never_stated)"),
        (judged(BUY, RICH, on=terms(instrument(taker_fee=None), taker_fee=None)), "no fee of BTC-USD"),
        (judged(BUY, RICH, gate=gate(opens_s=NOW_S + 2.5)), "2.5 s"),
        (judged(BUY, RICH, gate=gate(venue_mode=VenueMode.CANCEL_ONLY)), "the venue is cancel_only"),
        (judged(BUY, RICH, on=terms(instrument(status=InstrumentStatus.OFFLINE))), "BTC-USD is offline"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.code.value,
)
def test_a_denial_says_what_was_compared_with_what(verdict: Any, words: str) -> None:
    assert not verdict.is_approved
    assert words in verdict.detail
