"""A wrapped ccxt object at a simulated Kraken, as a bot uses it: figures, orders, refusals, and what stays ccxt's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

import holdfast
from holdfast.testing import LocalVenue, local_venue

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


def options_of(kraken: LocalVenue, **more: Any) -> dict[str, Any]:
    credential = kraken.ready["credentials"][0]
    urls = {"api": {"public": kraken.ready["rest"], "private": kraken.ready["rest"]}}
    return {
        "apiKey": credential["key"],
        "secret": credential["secret"],
        "urls": urls,
        "enableRateLimit": False,
        **more,
    }


@pytest.fixture(scope="module")
def kraken() -> Iterator[LocalVenue]:
    with local_venue("kraken", seed=4) as venue:
        yield venue


@pytest.fixture
def exchange(kraken: LocalVenue) -> Iterator[Any]:
    # The state folder of the simulator's own: one account, one owner, for every test of this file.
    wrapped = holdfast.wrap(ccxt.kraken(options_of(kraken)), state_dir=kraken.config["state_dir"])
    yield wrapped
    kraken.heal()
    with contextlib.suppress(ccxt.BaseError):
        wrapped.cancel_all_orders()
    wrapped.close()


def test_figures_come_in_ccxts_shape_with_their_truth_beside_them(kraken: LocalVenue, exchange: Any) -> None:
    balance = exchange.fetch_balance()

    truth = kraken.truth()
    assert balance["total"]["USD"] == float(truth["USD"]["total"])
    assert balance["free"]["BTC"] + balance["used"]["BTC"] == pytest.approx(balance["total"]["BTC"])
    assert balance["USD"] == {name: balance[name]["USD"] for name in ("free", "used", "total")}
    said = balance["info"]["holdfast"]["assets"]["USD"]
    assert said["state"] in ("live", "fresh")
    assert said["age_s"] < 60
    assert Decimal(said["total"]) == Decimal(truth["USD"]["total"])


def test_both_spellings_lead_to_holdfast(exchange: Any) -> None:
    assert "holdfast" in exchange.fetchBalance()["info"]
    with pytest.raises(ccxt.InvalidOrder, match="a limit order needs a price"):
        exchange.createOrder("BTC/USD", "limit", "buy", 0.001)


def test_an_order_is_reserved_placed_found_by_ccxt_and_cancelled(exchange: Any) -> None:
    before = exchange.fetch_balance()["free"]["USD"]

    placed = exchange.create_order("BTC/USD", "limit", "buy", 0.001, 20_000, {"clientOrderId": "grid-1"})

    assert (placed["status"], placed["symbol"], placed["amount"], placed["price"]) == ("open", "BTC/USD", 0.001, 20_000)
    assert placed["info"]["holdfast"]["intent_id"] == "grid-1"
    assert exchange.fetch_balance()["free"]["USD"] <= before - 20
    assert [order["id"] for order in exchange.fetch_open_orders("BTC/USD")] == [placed["id"]]
    exchange.cancel_order(placed["id"])
    assert exchange.fetch_open_orders("BTC/USD") == []
    with pytest.raises(ccxt.DuplicateOrderId, match="grid-1"):
        exchange.create_order("BTC/USD", "limit", "buy", 0.001, 20_000, {"clientOrderId": "grid-1"})


def test_an_order_is_called_by_the_bots_own_id_and_found_by_either(exchange: Any) -> None:
    placed = exchange.create_order("BTC/USD", "limit", "buy", 0.001, 20_000, {"cl_ord_id": "own-7"})
    venues = placed["info"]["holdfast"]["client_order_id"]

    assert placed["clientOrderId"] == "own-7" != venues
    assert [order["clientOrderId"] for order in exchange.fetch_open_orders("BTC/USD")] == ["own-7"]
    for name in ("own-7", venues):
        assert exchange.fetch_order_with_client_order_id(name, "BTC/USD")["id"] == placed["id"]
    assert exchange.fetch_order("own-7", "BTC/USD")["id"] == exchange.fetch_order(placed["id"], "BTC/USD")["id"]
    assert exchange.cancel_order(None, "BTC/USD", {"clientOrderId": venues})["clientOrderId"] == "own-7"
    assert exchange.fetch_order_with_client_order_id(venues, "BTC/USD")["status"] == "canceled"


def test_a_market_order_may_say_what_it_costs(exchange: Any) -> None:
    by_amount = exchange.create_market_sell_order("BTC/USD", 0.001)
    by_cost = exchange.create_market_buy_order_with_cost("BTC/USD", 25)

    assert by_amount["side"] == "sell"
    assert by_cost["side"] == "buy"
    assert exchange.fetch_order(by_amount["id"], "BTC/USD")["filled"] == 0.001
    assert 24 < exchange.fetch_order(by_cost["id"], "BTC/USD")["cost"] <= 25


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("BTC/USD", "limit", "buy", 100, 60_000), ccxt.InsufficientFunds),
        (("BTC/USD", "market", "sell", 10_000), ccxt.InsufficientFunds),
        (("BTC/USD", "limit", "buy", float("nan"), 60_000), ccxt.InvalidOrder),
        (("BTC/USD", "limit", "buy", True, 60_000), ccxt.InvalidOrder),
        (("BTC/USD", "limit", "buy", 0.001, None), ccxt.InvalidOrder),
        (("BTC/USD", "limit", "sideways", 0.001, 60_000), ccxt.InvalidOrder),
        (("BTC/USD", "stop-loss", "buy", 0.001, 60_000), ccxt.NotSupported),
        (("BTC/USD", "limit", "buy", 0.001, 60_000, {"leverage": 3}), ccxt.NotSupported),
        (("BTC/USD", "limit", "buy", 0.001, 60_000, {"reduceOnly": True}), ccxt.NotSupported),
        (("NOPE/USD", "market", "buy", 1), ccxt.BadSymbol),
    ],
)
def test_what_is_no_order_is_refused_in_ccxts_words_and_nothing_is_sent(
    kraken: LocalVenue, exchange: Any, arguments: tuple[Any, ...], kind: type[Exception]
) -> None:
    before = kraken.truth()

    with pytest.raises(kind):
        exchange.create_order(*arguments)

    assert kraken.truth() == before
    assert exchange.fetch_open_orders() == []


@pytest.mark.parametrize(
    "call",
    [
        lambda exchange: exchange.create_orders([{"symbol": "BTC/USD"}]),
        lambda exchange: exchange.edit_order("O", "BTC/USD", "limit", "buy", 1, 1),
        lambda exchange: exchange.editOrder("O", "BTC/USD", "limit", "buy", 1, 1),
    ],
)
def test_what_cannot_be_reserved_is_not_sent(exchange: Any, call: Callable[[Any], Any]) -> None:
    with pytest.raises(ccxt.NotSupported, match="one by one"):
        call(exchange)


def test_an_unknown_order_is_not_found(exchange: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        exchange.cancel_order("OAAAAA-AAAAA-AAAAAA")


def test_a_lost_answer_is_found_out_before_the_call_returns(kraken: LocalVenue, exchange: Any) -> None:
    # What ccxt alone tells of a lost answer is a RequestTimeout, and the bot that retries has two orders.
    exchange.fetch_balance()
    kraken.fault(kind="rest", name="AddOrder", action={"do": "lose_reply", "how": "reset"}, count=1)
    kraken.fault(kind="ws_out", name="add_order", action={"do": "drop"}, count=1)

    placed = exchange.create_order("BTC/USD", "limit", "buy", 0.001, 20_000)

    assert placed["status"] == "open"
    assert [order["id"] for order in exchange.fetch_open_orders("BTC/USD")] == [placed["id"]]


def test_another_wallet_is_asked_of_ccxt(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt.kraken, "fetch_balance", lambda _self, params: {"asked": params})

    assert exchange.fetch_balance({"type": "swap"}) == {"asked": {"type": "swap"}}


def test_a_refused_nonce_of_a_read_is_renewed_once(kraken: LocalVenue, exchange: Any) -> None:
    kraken.fault(kind="stolen_nonce", nonce=exchange.microseconds() + 2_000_000)

    assert exchange.fetch_open_orders("BTC/USD") == []


def test_numbers_are_exact_where_the_bot_asks_ccxt_for_text(kraken: LocalVenue) -> None:
    plain = ccxt.kraken(options_of(kraken))
    plain.number = str
    exact = holdfast.wrap(plain, state_dir=kraken.config["state_dir"])

    assert Decimal(exact.fetch_balance()["total"]["EUR"]) == Decimal(kraken.truth()["EUR"]["total"])
    exact.close()


async def test_the_asynchronous_forms_are_the_same_account(kraken: LocalVenue, exchange: Any) -> None:
    for module in (ccxt.async_support, ccxt.pro):
        wrapped = holdfast.wrap(module.kraken(options_of(kraken)), state_dir=kraken.config["state_dir"])
        try:
            placed = await wrapped.create_order("ETH/USD", "limit", "buy", 0.01, 1_000)
            assert wrapped._bond.engine() is exchange._bond.engine()
            assert [order["id"] for order in await wrapped.fetch_open_orders("ETH/USD")] == [placed["id"]]
            assert [order["id"] for order in await wrapped.cancel_all_orders("ETH/USD")] == [placed["id"]]
            assert "holdfast" in (await wrapped.fetch_balance())["info"]
            with pytest.raises(ccxt.InsufficientFunds):
                await wrapped.create_order("ETH/USD", "limit", "buy", 1_000, 1_000)
        finally:
            await wrapped.close()


def test_a_key_that_was_changed_afterwards_is_refused(exchange: Any) -> None:
    exchange.apiKey = "another"

    with pytest.raises(ccxt.AuthenticationError, match="changed after it was wrapped"):
        exchange.fetch_open_orders()


def test_wrapping_twice_changes_nothing(exchange: Any) -> None:
    assert holdfast.wrap(exchange) is exchange
    assert type(exchange).__name__ == "kraken"
    assert isinstance(exchange, ccxt.kraken)
