"""What ``create_order`` and ``cancel_order`` understand of ccxt's words, without a venue."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from holdfast.core.assets import asset_code
from holdfast.errors import InsufficientFundsError, VenueRejectedError
from holdfast.wrapping.orders import OrderCall, cancelled_id, order_call
from holdfast.wrapping.refusals import rejected_order

CODES = {asset_code(code): code for code in ("DOGE", "USDT")}
COST_OPTION = "createMarketBuyOrderRequiresPrice"


def made(name: str, **options: Any) -> Any:
    exchange = getattr(ccxt, name)({"options": options})
    market = {
        "id": "DOGE-USDT",
        "symbol": "DOGE/USDT",
        "base": "DOGE",
        "quote": "USDT",
        "baseId": "DOGE",
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "precision": {"amount": 0.0001, "price": 0.0001, "cost": 0.0001},
    }
    exchange.set_markets([exchange.safe_market_structure(market)])
    return exchange


def asked(exchange: Any, amount: Any = 100, price: Any = None, side: str = "buy", **more: Any) -> OrderCall:
    words: dict[str, Any] = {"symbol": "DOGE/USDT", "order_type": "market", "params": {}, **more}
    return order_call(exchange, CODES, side=side, amount=amount, price=price, **words)


@pytest.mark.parametrize(
    ("name", "options", "price", "params", "is_cost"),
    [
        ("okx", {}, None, {}, False),  # ccxt's default of the option is False at OKX, and its amounts are base.
        ("okx", {}, None, {"tgtCcy": "quote_ccy"}, True),
        ("okx", {"tgtCcy": "quote_ccy"}, None, {}, True),
        ("okx", {"tgtCcy": "quote_ccy"}, 0.1, {}, True),
        ("okx", {"tgtCcy": "quote_ccy"}, None, {"tgtCcy": "base_ccy"}, False),
        ("okx", {"tgtCcy": "quote_ccy", "createOrder": {COST_OPTION: True}}, 0.1, {}, False),
        ("okx", {}, None, {COST_OPTION: False}, True),
        ("coinbase", {}, None, {}, False),
        ("coinbase", {}, 0.1, {}, False),
        ("coinbase", {COST_OPTION: False}, None, {}, True),
        ("coinbase", {COST_OPTION: False}, 0.1, {}, True),
        ("coinbase", {"createOrder": {COST_OPTION: False}}, None, {}, True),
        ("kraken", {}, None, {}, False),
        ("kraken", {COST_OPTION: False}, None, {}, False),  # Nothing at Kraken reads it.
    ],
)
def test_a_market_buys_amount_is_read_as_ccxt_reads_it(
    name: str, options: dict[str, Any], price: float | None, params: dict[str, Any], is_cost: bool
) -> None:
    call = asked(made(name, **options), price=price, params=params)

    assert (call.quantity, call.quote_quantity) == ((None, "100") if is_cost else ("100", None))


@pytest.mark.parametrize("name", ["kraken", "coinbase", "okx"])
def test_a_market_sell_is_of_base_whatever_the_options_say(name: str) -> None:
    assert asked(made(name, tgtCcy="quote_ccy", **{COST_OPTION: False}), side="sell").quantity == "100"


@pytest.mark.parametrize("amount", ["abc", "", [1], {}, 1e30, object()])
def test_an_amount_that_is_no_number_is_refused_in_ccxts_words(amount: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder, match=r"nothing was sent|precision"):
        asked(made("okx"), amount=amount)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({"symbol": 5}, ccxt.BadSymbol),
        ({"symbol": None}, ccxt.BadSymbol),
        ({"params": [1]}, ccxt.BadRequest),
        ({"params": {"clientOrderId": ["a"]}}, ccxt.InvalidOrder),
    ],
)
def test_arguments_of_another_kind_are_refused_in_ccxts_words(words: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        asked(made("okx"), **words)


@pytest.mark.parametrize("name", ["clientOrderId", "client_order_id", "cl_ord_id", "clOrdId"])
def test_a_bots_own_id_is_taken_by_every_name_that_ccxt_has_for_it(name: str) -> None:
    okx = made("okx")

    assert asked(okx, params={name: "grid-1"}).intent_id == "grid-1"
    assert cancelled_id(okx, None, {name: "grid-1"}) == "grid-1"


def test_two_own_ids_for_one_order_are_refused() -> None:
    with pytest.raises(ccxt.InvalidOrder, match="two ids"):
        asked(made("okx"), params={"clientOrderId": "a", "clOrdId": "b"})


@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [
        ("coinbase", "INVALID_LIMIT_PRICE_POST_ONLY", ccxt.OrderImmediatelyFillable),
        ("kraken", "EOrder:Post only order", ccxt.OrderImmediatelyFillable),
        ("coinbase", "UNSUPPORTED_ORDER_CONFIGURATION", ccxt.BadRequest),  # As ccxt's own table has it.
        ("coinbase", "PREVIEW_INVALID_SIZE", ccxt.InvalidOrder),
        ("kraken", "EOrder:Order minimum not met", ccxt.InvalidOrder),
        ("kraken", "EGeneral:Invalid arguments:volume", ccxt.InvalidOrder),
        ("kraken", "EOrder:Something new", ccxt.InvalidOrder),
        ("okx", "51006", ccxt.InvalidOrder),
        ("okx", "51113", ccxt.RateLimitExceeded),
    ],
)
def test_an_order_that_the_venue_refused_is_raised_as_ccxt_raises_it(
    name: str, code: str, kind: type[Exception]
) -> None:
    error = VenueRejectedError(f"{name}: {code}", venue=name, request="place", account="master", code=code)

    assert type(rejected_order(error, made(name))) is kind


def test_what_is_known_better_than_a_rejection_keeps_its_own_class() -> None:
    error = InsufficientFundsError("short", venue="okx", request="place", account="master", code="51008")

    assert type(rejected_order(error, made("okx"))) is ccxt.InsufficientFunds


def test_a_cancel_takes_the_venues_id_or_the_clients() -> None:
    okx = made("okx")

    assert cancelled_id(okx, "17", None) == "17"
    assert cancelled_id(okx, "17", {"clientOrderId": "grid-1"}) == "17"
    assert cancelled_id(okx, None, {"clientOrderId": "grid-1"}) == "grid-1"
    assert cancelled_id(okx, "", {"clientOrderId": "grid-1"}) == "grid-1"  # cancel_order_with_client_order_id
    with pytest.raises(ccxt.ArgumentsRequired):
        cancelled_id(okx, None, {})
    with pytest.raises(ccxt.NotSupported, match="trigger"):
        cancelled_id(okx, "17", {"trigger": True})
