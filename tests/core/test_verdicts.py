"""What a verdict says beside its code: the shortfall, the largest order that fits, one line, a document, an error."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.amounts import parse_amount
from holdfast.core.denials import error_of
from holdfast.core.funds import judge_amount
from holdfast.core.verdicts import MEANINGS, Verdict, VerdictCode
from holdfast.errors import (
    BalanceStaleError,
    BalanceUnknownError,
    CredentialParkedError,
    DeniedError,
    FundsShortError,
    HaltedError,
    IntentRepeatedError,
    NotReadyError,
    OrderRuleError,
)
from tests.core.funds_facts import NOW_S, ask_for, balance, instrument, judged, settings, terms

BUY = ask_for("buy", "0.01", "40000.0")
SELL = ask_for("sell", "0.3")


# The shortfall


def test_the_shortfall_is_what_is_missing_and_zero_where_nothing_is() -> None:
    assert judged(BUY, "400").shortfall == Decimal("9.04")
    assert judged(BUY, "409.04").shortfall == 0
    assert judged(BUY, "1000").shortfall == 0


def test_the_shortfall_of_what_is_not_known_is_not_known() -> None:
    assert judged(BUY, balance("USD", None, "unknown")).shortfall is None
    assert judged(ask_for("buy", "0.01"), "1000", ticker=None).shortfall is None


# The largest order that fits


@pytest.mark.parametrize(
    ("spendable", "largest"),
    [
        ("1000", "0.02444748"),  # 1000 / 40000 / 1.0226 is 0.0244474867...
        ("409.04", "0.01"),
        ("409.03999", "0.00999999"),
        ("2.0452", "0.00005"),
        ("2.04519", "0"),  # Below the least quantity.
        ("0", "0"),
    ],
)
def test_the_largest_buy_has_its_fee_and_its_buffer_in_it(spendable: str, largest: str) -> None:
    assert judged(BUY, spendable).largest_affordable == Decimal(largest)


def test_the_largest_buy_without_fee_and_buffer_is_all_that_is_there() -> None:
    free = settings(buffer_limit=Decimal(0))
    assert judged(BUY, "1000", by=free, on=terms(taker_fee=Decimal(0))).largest_affordable == Decimal("0.025")
    # 1000 / 40000 / 1.0026 = 0.0249351685...
    assert judged(BUY, "1000", by=free).largest_affordable == Decimal("0.02493516")


def test_the_largest_market_buy_by_amount_is_an_amount() -> None:
    verdict = judged(ask_for("buy", quote_quantity="5000"), "1000")
    assert verdict.largest_affordable == Decimal("977.89947")
    assert judged(ask_for("buy", quote_quantity="977.89947"), "1000").is_approved
    assert not judged(ask_for("buy", quote_quantity="977.89948"), "1000").is_approved


def test_the_largest_sell_is_what_is_there_down_to_the_grid() -> None:
    assert judged(SELL, "0.123456789").largest_affordable == Decimal("0.12345678")
    assert judged(SELL, "0.00004999").largest_affordable == 0


def test_the_largest_sell_leaves_room_for_a_fee_in_base() -> None:
    on = terms(is_fee_in_base=True)
    assert judged(SELL, "0.1", on=on).largest_affordable == Decimal("0.09974067")
    assert judged(ask_for("sell", "0.09974067"), "0.1", on=on).is_approved
    assert not judged(ask_for("sell", "0.09974068"), "0.1", on=on).is_approved


def test_the_largest_order_stays_within_budget_and_largest_order() -> None:
    assert judged(BUY, "1000", budget_left=Decimal("409.04")).largest_affordable == Decimal("0.01")
    by = settings(largest_order={"USD": Decimal("399.99")})
    assert judged(BUY, "1000", by=by).largest_affordable == Decimal("0.00999975")
    assert judged(ask_for("sell", "0.02"), "1", by=by).largest_affordable == Decimal("0.00999977")  # At the bid.


def test_no_order_fits_where_the_smallest_costs_less_than_the_least_cost() -> None:
    on = terms(instrument(quantity_min=None, cost_min=Decimal(500)))
    assert judged(BUY, "511.2", on=on).largest_affordable == 0
    assert judged(BUY, "511.3", on=on).largest_affordable == Decimal("0.0125")


def test_the_largest_order_on_a_degraded_figure_has_the_haircut_in_it() -> None:
    held = balance("USD", "1000", "stale", reason="age")
    verdict = judged(BUY, held, by=settings(degraded_max_age_s=9.0))
    assert verdict.code is VerdictCode.APPROVED_DEGRADED
    assert verdict.largest_affordable == Decimal("0.02322511")


@pytest.mark.parametrize(
    "verdict",
    [
        judged(BUY, balance("USD", None, "unknown")),
        judged(ask_for("buy", "0.01"), "1000", ticker=None),
        judged(BUY, "1000", on=terms(instrument(taker_fee=None), taker_fee=None)),
        judge_amount("USD", Decimal(5), balance("USD", "1"), NOW_S),
    ],
    ids=["unknown", "no price", "no fee", "an amount"],
)
def test_the_largest_order_is_not_known_where_a_figure_is_missing(verdict: Verdict) -> None:
    assert verdict.largest_affordable is None


# One line


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (
            judged(BUY, balance("USD", "1100.25")),
            (
                "BTC-USD buy 0.01 @ 40000.0 limit: 400.00 + fee 1.04 (0.26 % taker, account) + buffer 8.00 (2 %)"
                " = 409.04 USD needed, 1100.25 spendable (live, 0.4 s): 691.21 left"
            ),
        ),
        (
            judged(BUY, "100", on=terms(taker_fee=None)),
            (
                "BTC-USD buy 0.01 @ 40000.0 limit: 400.00 + fee 1.60 (0.40 % taker, lowest tier) + buffer 8.00 (2 %)"
                " = 409.60 USD needed, 100.00 spendable (live, 0.4 s): short by 309.60"
            ),
        ),
        (
            judged(ask_for("buy", "0.01"), "1000", by=settings(buffer_market=Decimal("0.025"))),
            (
                "BTC-USD buy 0.01 @ ~40400.00 market: 404.00 + fee 1.0504 (0.26 % taker, account)"
                " + buffer 10.10 (2.5 %) = 415.1504 USD needed, 1000.00 spendable (live, 0.4 s): 584.8496 left"
            ),
        ),
        (
            judged(ask_for("buy", quote_quantity="250"), "1000"),
            (
                "BTC-USD buy for 250 market: 250.00 + fee 0.65 (0.26 % taker, account) + buffer 5.00 (2 %)"
                " = 255.65 USD needed, 1000.00 spendable (live, 0.4 s): 744.35 left"
            ),
        ),
        (
            judged(SELL, balance("BTC", "0.4", "stale", reason="gap", age_s=61.0), ticker=None),
            (
                "BTC-USD sell 0.3 market: 0.30 BTC needed, 0.40 spendable (stale, 61.0 s, gap):"
                " 0.10 left, approved_unverified"
            ),
        ),
        (
            judged(BUY, balance("USD", None, "unknown", reason="never_stated")),
            (
                "BTC-USD buy 0.01 @ 40000.0 limit: 400.00 + fee 1.04 (0.26 % taker, account) + buffer 8.00 (2 %)"
                " = 409.04 USD needed, ? spendable (unknown, never_stated): USD was never confirmed (never_stated)"
            ),
        ),
        (
            judged(ask_for("buy", "0.01", "40000.15"), "1000"),
            (
                "BTC-USD buy 0.01 @ 40000.15 limit: 400.0015 + fee 1.04001 (0.26 % taker, account)"
                " + buffer 8.00003 (2 %) = 409.04154 USD needed, 1000.00 spendable (live, 0.4 s):"
                " prices of BTC-USD are multiples of 0.1 USD"
            ),
        ),
        (
            judged(ask_for("buy", "0.01"), "1000", ticker=None),
            "BTC-USD buy 0.01 market: no price of BTC-USD is younger than 5 s",
        ),
        (
            judge_amount("USDT", Decimal(5), balance("USDT", "3.5"), NOW_S),
            "USDT: 5.00 USDT needed, 3.50 spendable (live, 0.4 s): short by 1.50",
        ),
    ],
    ids=lambda value: value.code.value if isinstance(value, Verdict) else "",
)
def test_one_line_shows_the_arithmetic(verdict: Verdict, line: str) -> None:
    assert verdict.arithmetic == line
    assert "\n" not in line


def test_a_buffer_that_is_more_than_its_rate_is_said_to_be_the_least() -> None:
    on = terms(quote_decimals=4)  # Of which two hundred units are kept at the least.
    small = judged(ask_for("buy", "0.0001", "4041.0"), "1000", on=on).arithmetic
    assert (
        "0.4041 + fee 0.0011 (0.26 % taker, account) + buffer 0.02 (the least; 2 % is 0.008082) = 0.4252 USD" in small
    )
    assert "buffer 8.00 (2 %)" in judged(BUY, "1000", on=on).arithmetic
    even = judged(ask_for("buy", "0.0001", "10000.0"), "1000", on=on)  # Both are 0.02.
    assert "buffer 0.02 (2 %)" in even.arithmetic


# Why less may be spent than is there


def test_a_denial_adds_up_where_more_is_kept_back_than_is_held_and_reserved() -> None:
    figures: dict[str, Any] = {
        "total": Decimal(1000),
        "held": Decimal(350),
        "available": Decimal(650),
        "reserved": Decimal("0.84"),
    }
    short = judged(BUY, balance("USD", "395.66", **figures))
    assert short.detail == "total 1000, held 350, reserved 0.84, kept back 253.5"
    assert short.arithmetic.endswith("395.66 spendable (live, 0.4 s): short by 13.38, 253.50 kept back")
    assert str(error_of(short)).endswith("spendable 395.66 (total 1000, held 350, reserved 0.84, kept back 253.5)")


def test_a_floor_has_its_own_name_and_is_not_kept_back() -> None:
    figures: dict[str, Any] = {"total": Decimal(700), "available": Decimal(700), "floor": Decimal("100.00")}
    assert judged(BUY, balance("USD", "300", **figures)).detail == (
        "total 700, held 0, reserved 0, floor 100, kept back 300"
    )
    assert judged(
        BUY, balance("USD", "350", **{**figures, "total": Decimal(450), "available": Decimal(450)})
    ).detail == ("total 450, held 0, reserved 0, floor 100")


def test_a_denial_names_what_is_available_where_it_is_not_what_total_and_held_leave() -> None:
    lent: dict[str, Any] = {"total": Decimal(100), "held": Decimal(0), "available": Decimal(300)}
    assert judged(BUY, balance("USD", "300", **lent)).detail == "total 100, held 0, available 300, reserved 0"


@pytest.mark.parametrize(
    ("available", "reserved", "spendable", "kept_back"),
    [("650", "50", "600", "0"), ("650", "50", "500", "100"), ("650", "700", "0", "0"), ("650", "0", "0", "650")],
)
def test_what_is_kept_back_is_neither_reserved_nor_spendable(
    available: str, reserved: str, spendable: str, kept_back: str
) -> None:
    figures: dict[str, Any] = {"available": Decimal(available), "reserved": Decimal(reserved)}
    assert balance("USD", spendable, **figures).kept_back == Decimal(kept_back)


def test_what_is_kept_back_of_an_unknown_balance_is_not_known() -> None:
    assert balance("USD", None, "unknown").kept_back is None
    assert balance("USD", "5", available=None).kept_back is None


# A document


def test_a_document_has_every_amount_as_exact_text_and_every_unknown_as_none() -> None:
    shown = judged(BUY, "100").document()
    assert json.loads(json.dumps(shown)) == shown
    assert shown["code"] == "funds_short"
    assert shown["is_approved"] is False
    assert shown["meaning"] == MEANINGS[VerdictCode.FUNDS_SHORT]
    assert (shown["required"], shown["spendable"], shown["shortfall"]) == ("409.04000", "100", "309.04000")
    assert (shown["state"], shown["side"], shown["order_type"]) == ("live", "buy", "limit")
    assert shown["largest_affordable"] == "0.00244474"
    assert (shown["price_age_s"], shown["bot"]) == (None, None)
    for name in ("quantity", "price", "notional", "fee", "buffer", "required", "spendable", "shortfall"):
        assert isinstance(shown[name], str)
        assert parse_amount(shown[name]) == getattr(judged(BUY, "100"), name)


def test_a_document_has_ages_to_the_millisecond() -> None:
    shown = judged(
        ask_for("buy", "0.01"), balance("USD", "1", age_s=0.0030150719976518303), now_s=NOW_S + 0.12345
    ).document()
    assert (shown["age_s"], shown["price_age_s"]) == (0.003, 1.123)


def test_a_document_has_no_exponent() -> None:
    shown = judged(ask_for("buy", "1e-4", "4e4"), "1e6").document()
    assert (shown["quantity"], shown["price"], shown["spendable"]) == ("0.0001", "40000", "1000000")


def test_a_verdict_survives_its_way_to_another_process() -> None:
    for verdict in (judged(BUY, "100"), judged(SELL, "1"), judged(ask_for("buy", "0.01"), "1000")):
        again = msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict)
        assert again == verdict
        assert again.document() == verdict.document()


# An error


def test_every_code_has_a_meaning_and_every_denial_an_error() -> None:
    assert set(MEANINGS) == set(VerdictCode)
    for code in VerdictCode:
        verdict = msgspec.structs.replace(judged(BUY, "1"), code=code, intent_id="i", note=None)
        if verdict.is_approved:
            with pytest.raises(ValueError, match="denies nothing"):
                error_of(verdict)
        else:
            error = error_of(verdict)
            assert isinstance(error, DeniedError)
            assert error.verdict is verdict
            assert str(error)


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        (VerdictCode.FUNDS_SHORT, FundsShortError, 4),
        (VerdictCode.BALANCE_STALE, BalanceStaleError, 5),
        (VerdictCode.BALANCE_UNKNOWN, BalanceUnknownError, 5),
        (VerdictCode.PRICE_UNKNOWN, NotReadyError, 5),
        (VerdictCode.FEE_UNKNOWN, NotReadyError, 5),
        (VerdictCode.SETTLING, NotReadyError, 5),
        (VerdictCode.STORE_UNAVAILABLE, NotReadyError, 5),
        (VerdictCode.HALTED, HaltedError, 6),
        (VerdictCode.REDUCING, HaltedError, 6),
        (VerdictCode.CREDENTIAL_PARKED, CredentialParkedError, 3),
        (VerdictCode.INTENT_REPEATED, IntentRepeatedError, 2),
        (VerdictCode.BUDGET_SHORT, OrderRuleError, 6),
        (VerdictCode.QUANTITY_MINIMUM, OrderRuleError, 6),
        (VerdictCode.TOO_MANY_ORDERS, OrderRuleError, 6),
        (VerdictCode.INSTRUMENT_UNKNOWN, OrderRuleError, 6),
        (VerdictCode.RULES_UNKNOWN, NotReadyError, 5),
    ],
)
def test_the_class_and_the_exit_code_say_what_may_follow(
    code: VerdictCode, kind: type[DeniedError], exit_code: int
) -> None:
    error = error_of(msgspec.structs.replace(judged(BUY, "1"), code=code))
    assert type(error) is kind
    assert error.exit_code == exit_code


def test_messages_say_what_against_what_and_what_next() -> None:
    figures: dict[str, Any] = {
        "total": Decimal(157),
        "held": Decimal(50),
        "available": Decimal(107),
        "reserved": Decimal(7),
    }
    short = judged(BUY, balance("USD", "100", **figures))
    assert str(error_of(short)) == "need 409.04000 USD, spendable 100 (total 157, held 50, reserved 7)"
    stale = judged(BUY, balance("USD", "100", "stale", reason="age"))
    assert "stale age" in str(error_of(stale))
    assert "broker.refresh()" in str(error_of(stale))
    odd = str(error_of(judged(ask_for("buy", "0.01", "40000.15"), "1000")))
    assert odd == "price_step: the price is not on the instrument's tick (prices of BTC-USD are multiples of 0.1 USD)"


def test_a_parked_credential_says_why_and_for_how_long() -> None:
    verdict = msgspec.structs.replace(judged(BUY, "1"), code=VerdictCode.CREDENTIAL_PARKED, note="lockout")
    error = error_of(verdict, retry_after_s=900.0)
    assert isinstance(error, CredentialParkedError)
    assert (error.cause, error.retry_after_s) == ("lockout", 900.0)


def test_a_repeated_intent_is_named() -> None:
    verdict = msgspec.structs.replace(judged(BUY, "1"), code=VerdictCode.INTENT_REPEATED, intent_id="mine-1")
    error = error_of(verdict)
    assert isinstance(error, IntentRepeatedError)
    assert error.intent_id == "mine-1"
