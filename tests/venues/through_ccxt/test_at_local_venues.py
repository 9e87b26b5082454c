"""An exchange behind ccxt, as a broker: at the simulated venues, by ccxt's own objects for them, over real sockets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import holdfast
from holdfast.testing import LocalVenue, local_venue

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


def config_of(venue: LocalVenue) -> dict[str, Any]:
    """The simulator's own configuration, with ccxt between: the same key, another way to it."""
    (broker,) = venue.config["brokers"].values()
    other = {**broker, "venue": "through_ccxt", "exchange": venue.ready["venue"]}
    often = {"reconcile_quiet_s": 5.0, "reconcile_fault_s": 5.0}
    return {**venue.config, "reading": often, "brokers": {"any-main": other}}


# ccxt paces its Kraken at a second per call: that one runs with the full figures.
@pytest.mark.parametrize(
    ("name", "symbol", "money"),
    [("okx", "BTC-USDT", "USDT"), pytest.param("kraken", "BTC-USD", "USD", marks=pytest.mark.soak)],
)
async def test_figures_orders_and_fills_are_the_venues(name: str, symbol: str, money: str) -> None:
    with local_venue(name) as venue:
        async with holdfast.open(config_of(venue)) as desk:
            broker = desk["any-main"]
            await broker.ready(timeout_s=60)
            truth = venue.truth()
            for asset in (money, "BTC"):
                figure = broker.balance(asset)
                assert figure.total == Decimal(truth[asset]["total"])
                assert (figure.state, figure.source) == ("fresh", "rest")

            await _tells_what_every_broker_tells(broker, symbol, money)
            placed = await broker.place_limit_order(symbol, "buy", "0.001", "20000")
            assert placed.state == "open"
            spendable = broker.balance(money).spendable
            assert spendable is not None
            assert spendable <= Decimal(truth[money]["total"]) - 20
            await broker.cancel_order(placed)
            assert (await broker.ended(placed.intent_id or "", timeout_s=60)).state == "canceled"

            sold = await broker.place_market_order(symbol, "sell", "0.001")
            ended = await broker.ended(sold.intent_id or "", timeout_s=60)
            assert (ended.state, ended.filled) == ("filled", Decimal("0.001"))
            await broker.refresh()
            assert broker.balance("BTC").total == Decimal(venue.truth()["BTC"]["total"])

            with pytest.raises(holdfast.FundsShortError):
                await broker.place_limit_order(symbol, "buy", "100", "20000")

            # ccxt places one order as a batch of one at OKX: a fault for ``POST trade/order`` alone would never act.
            placing = {"okx": ["POST trade/order", "POST trade/batch-orders"], "kraken": "AddOrder"}[name]
            venue.fault(kind="rest", name=placing, action={"do": "lose_request", "how": "reset"}, count=1)
            with pytest.raises(holdfast.OutcomeUnknownError):
                await broker.place_limit_order(symbol, "buy", "0.001", "20000", intent_id="lost")
            assert (await broker.reservation("lost")).state == "in_doubt"


async def _tells_what_every_broker_tells(broker: holdfast.Broker, symbol: str, money: str) -> None:
    """The facade is the same behind ccxt: what it cannot have is said, and not made up."""
    found = await broker.normalize_symbol_for_broker(symbol.replace("-", "/").lower())
    assert found.symbol == symbol
    listing = await broker.get_all_products()
    assert symbol in listing.symbols
    candles = await broker.get_candles(symbol, "1h", limit=20)
    assert [candle.is_final for candle in candles.candles] == [True] * 19 + [False]
    held = await broker.get_positions(money)
    assert held.is_complete
    assert any("spot accounts" in note for note in held.notes)
    [bitcoin] = [position for position in held if position.asset == "BTC"]
    assert bitcoin.quantity == broker.balance("BTC").total
    figure = await broker.get_account_balance(money)
    least = broker.balance(money).total
    assert figure.total is not None
    assert least is not None
    assert figure.total > least


@pytest.mark.soak
async def test_a_lost_answer_is_found_or_stays_in_doubt() -> None:
    with local_venue("kraken") as venue:
        async with holdfast.open(config_of(venue)) as desk:
            broker = desk["any-main"]
            await broker.ready(timeout_s=60)
            venue.fault(kind="rest", name="AddOrder", action={"do": "lose_reply", "how": "reset"}, count=1)
            with pytest.raises(holdfast.OutcomeUnknownError):
                await broker.place_limit_order("BTC-USD", "buy", "0.001", "20000", intent_id="found")
            assert (await broker.resolution("found", timeout_s=60)).state == "open"

            venue.fault(kind="rest", name="AddOrder", action={"do": "lose_request", "how": "reset"}, count=1)
            with pytest.raises(holdfast.OutcomeUnknownError):
                await broker.place_limit_order("BTC-USD", "buy", "0.001", "20000", intent_id="lost")
            # No validity that the exchange keeps to: no list proves it absent, and its money stays reserved.
            with pytest.raises(holdfast.OutcomeUnknownError):
                await broker.resolution("lost", timeout_s=15)
            assert (await broker.reservation("lost")).reserved > 0
            released = await broker.release_reservation("lost", force=True)
            assert released.reserved == 0
