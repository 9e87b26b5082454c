"""What a broker says of markets and worth, the same at every simulated venue, against what the simulator has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.amounts import ZERO, multiply, total_of
from holdfast.core.positions import PositionKind, PositionSide
from holdfast.core.products import RETIRED_QUOTES
from holdfast.errors import DeniedError, OrderInputError, UnknownNameError, UnsupportedSymbolError
from holdfast.simulators.coinbase import CoinbaseSimulator
from holdfast.simulators.coinbase import listing as coinbase_listing
from holdfast.simulators.coinbase.settings import CoinbaseSimSettings
from holdfast.simulators.kraken import KrakenSimulator
from holdfast.simulators.kraken import listing as kraken_listing
from holdfast.simulators.kraken.settings import KrakenSimSettings
from holdfast.simulators.okx import OkxSimulator
from holdfast.simulators.okx import listing as okx_listing
from holdfast.simulators.okx.settings import OkxSimSettings
from holdfast.testing.contract import Subject
from tests.contract.subjects import SUBJECTS
from tests.runtime.test_supervisor_venues import VENUES, Town, in_town

LISTED: dict[str, Callable[[], set[str]]] = {
    "kraken": lambda: {pair.code for pair in kraken_listing.listing_for(is_busd_listed=True).pairs.values()},
    "coinbase": lambda: {each.code for each in coinbase_listing.listing_for(is_busd_listed=True).products.values()},
    "okx": lambda: {line.line for line in okx_listing.listing_for(is_busd_listed=True).lines.values()},
}


def with_settings(subject: Subject, **switches: Any) -> Subject:
    """The venue with these switches."""
    makers: dict[str, Any] = {
        "kraken": (KrakenSimulator, KrakenSimSettings),
        "coinbase": (CoinbaseSimulator, CoinbaseSimSettings),
        "okx": (OkxSimulator, OkxSimSettings),
    }
    simulator, settings = makers[subject.venue.id]

    def simulate(seed: int, profile: str, clock: Any, timers: Any) -> Any:
        return simulator(seed=seed, profile=profile, clock=clock, timers=timers, settings=settings(**switches))

    return dataclasses.replace(subject, simulate=simulate)


@VENUES
def test_every_instrument_that_the_venue_lists_is_named_both_ways(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk(contact="rest") as broker:
            found = await broker.get_all_products(include_unsupported=True)
            assert set(found.symbols) == LISTED[subject.venue.id]()
            for product in found:
                if product.unsupported is not None:
                    continue
                symbol, base, quote = product.symbol, product.base, product.quote
                spellings = (symbol, symbol.lower(), f"{base}/{quote}", f"{base}_{quote}", f"{base}{quote}")
                names = [await broker.normalize_symbol_for_broker(text) for text in spellings]
                assert {name.symbol for name in names} == {symbol}, symbol
                assert {name.venue_symbol for name in names} == {product.venue_symbol}
                # The venue's own name leads back, but where one market of its is several instruments of ours.
                back = await broker.normalize_symbol_for_broker(product.venue_symbol)
                same = [each.symbol for each in found if each.venue_symbol == product.venue_symbol]
                assert back.symbol in same
                assert back.symbol == symbol or len(same) > 1
            assert {"USD", "USDC", "USDT"} <= set(broker.assets)

    in_town(with_settings(subject, is_busd_listed=True), scenario)


@VENUES
def test_markets_in_what_was_given_up_are_filtered_with_the_reason_and_take_no_order(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk(contact="rest") as broker:
            listing = await broker.get_all_products()
            given_up = {symbol for symbol in LISTED[subject.venue.id]() if symbol.endswith("-BUSD")}
            assert given_up
            assert {each.symbol for each in listing.filtered} == given_up
            assert {each.reason for each in listing.filtered} == {RETIRED_QUOTES["BUSD"]}
            assert not given_up & set(listing.symbols)
            assert any(symbol.startswith("BUSD-") for symbol in listing.symbols)  # It can be sold.
            for symbol in given_up:
                with pytest.raises(UnsupportedSymbolError, match="given up"):
                    await broker.normalize_symbol_for_broker(symbol)
                with pytest.raises(UnsupportedSymbolError, match="given up"):
                    await broker.get_candles(symbol)
                with pytest.raises(UnsupportedSymbolError, match="given up"):
                    await broker.close_position(symbol)
                with pytest.raises(DeniedError, match="given up"):
                    await broker.place_market_order(symbol, "buy", "0.001")
            assert town.log() == []

    in_town(with_settings(subject, is_busd_listed=True), scenario)


@VENUES
def test_an_account_is_worth_what_it_holds_at_the_prices_of_now(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            detailed = await broker.get_account_balance_detailed("USD")
            assert detailed.is_complete, detailed.left_out
            assert detailed.state == "fresh"
            assert detailed.total == total_of(each.value for each in detailed.assets if each.value is not None)
            bids = {each.price.path: each.price for each in detailed.assets if each.price is not None}
            assert all(price.price > ZERO and price.age_s < 30 for price in bids.values())
            before = detailed.total
            assert before is not None
            figure = await broker.get_account_balance()
            assert (figure.total, figure.quote) == (before, "USD")
            # Coins of the dollar are converted through a price, at a venue where they have one.
            coins = next(each for each in detailed.assets if each.asset in ("USDT", "USDC") and each.value)
            assert coins.price is not None
            assert coins.price.path
            town.happen("deposit", asset="USD" if subject.venue.id != "okx" else "USDT", amount="1000")
            await broker.refresh()
            after = (await broker.get_account_balance()).total
            assert after is not None
            assert Decimal(990) < after - before < Decimal(1010)
            with pytest.raises(UnknownNameError):
                await broker.get_account_balance("NOPE")

    in_town(subject, scenario)


@VENUES
def test_positions_are_what_is_held_beside_cash_and_closing_leaves_dust_at_most(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            found = await broker.get_positions()
            truth = town.venue.truth()["accounts"]["master"]["assets"]
            held = {code for code, row in truth.items() if Decimal(row["total"]) and code in broker.assets} - {
                "USD",
                "EUR",
                "GBP",
                "USDT",
                "USDC",
            }
            assert {each.asset for each in (*found, *found.dust) if each.kind is PositionKind.SPOT} == held
            assert found.is_complete
            by_asset = {each.asset: each for each in found}
            btc = by_asset["BTC"]
            assert btc.quantity == Decimal(truth["BTC"]["total"])
            assert btc.symbol is not None
            assert btc.price is not None
            assert btc.value == multiply(btc.quantity, btc.price.price)
            closing = await broker.close_position(btc.symbol)
            assert closing.order is not None, closing.explanation
            assert closing.quantity == btc.closable
            assert closing.order.intent_id is not None
            await broker.ended(closing.order.intent_id, timeout_s=60)
            await broker.refresh()
            left = await broker.get_positions()
            assert not left.of(btc.symbol) or left.of(btc.symbol)[0].asset != "BTC"
            again = await broker.close_position(btc.symbol)
            assert again.order is None
            assert again.code in ("dust", "nothing")

    in_town(subject, scenario)


@VENUES
def test_candles_come_in_our_shape_whatever_the_venues(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk(contact="rest") as broker:
            minutes = await broker.get_candles(subject.symbol, "1m", limit=50)
            assert len(minutes) == 50
            assert minutes.is_complete, minutes.note
            assert minutes.forming is minutes.candles[-1]
            assert len(minutes.closed) == 49
            assert (minutes.behind_s, minutes.missing) == (0, 0)
            assert minutes.age_s < 5
            starts = [candle.start_s for candle in minutes.candles]
            assert starts == list(range(starts[0], starts[0] + 50 * 60, 60))
            assert all(type(candle.close) is Decimal for candle in minutes.candles)
            since = await broker.get_candles(subject.symbol.lower().replace("-", "/"), 60, since=starts[10], limit=5)
            assert [candle.start_s for candle in since.candles] == starts[10:15]
            days = await broker.get_candles(subject.symbol, "1d", limit=30)
            assert all(candle.start_s % 86_400 == 0 for candle in days.candles)
            most = await broker.get_candles(subject.symbol, "1h", limit=800)
            assert len(most) == 800 or "keeps 720 candles of 1h" in (most.note or "")
            with pytest.raises(OrderInputError, match="it has"):
                await broker.get_candles(subject.symbol, "7m")
            with pytest.raises(UnknownNameError):
                await broker.get_candles("NOPE-XYZ")

    in_town(subject, scenario)


@VENUES
def test_minutes_without_a_trade_are_told_or_counted_and_never_made_up(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk(contact="rest") as broker:
            found = await broker.get_candles(subject.symbol, "1m", limit=60)
            quiet = [candle for candle in found.candles if candle.volume == ZERO]
            if subject.venue.id == "coinbase":
                assert not quiet
                assert 14 <= found.missing <= 16
                assert not found.is_complete
                assert "left out" in (found.note or "")
            else:
                assert (len(quiet), found.missing) == (15, 0)
                assert found.is_complete
                assert all(candle.open == candle.close for candle in quiet)
            since = await broker.get_candles(subject.symbol, "1m", since=found.candles[0].start_s, limit=20)
            assert len(since) == 20

    in_town(with_settings(subject, quiet_candles=4), scenario)


def test_a_margin_position_at_kraken_is_told_beside_what_is_held() -> None:
    """It was opened by somebody else: holdfast places spot orders only."""
    [kraken] = [subject for subject in SUBJECTS if subject.venue.id == "kraken"]

    def simulate(seed: int, profile: str, clock: Any, timers: Any) -> Any:
        return kraken.simulate(seed, "margin", clock, timers)

    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            spot = await broker.get_positions()
            assert all(each.kind is PositionKind.SPOT for each in spot)
            town.happen("external_trade", pair="BTC-USD", side="buy", quantity="0.5", leverage=2)
            found = await broker.get_positions()
            [position] = [each for each in found if each.kind is PositionKind.MARGIN]
            assert (position.symbol, position.side, position.quantity) == ("BTC-USD", PositionSide.LONG, Decimal("0.5"))
            assert position.cost is not None
            assert position.margin is not None
            assert position.margin < position.cost
            assert position.unrealised is not None
            assert position.position_id is not None
            assert (await broker.close_position("BTC-USD", quantity="0.01")).order is not None

    in_town(dataclasses.replace(kraken, simulate=simulate), scenario)


def test_what_a_venue_has_not_is_said_in_its_own_reason() -> None:
    [coinbase] = [subject for subject in SUBJECTS if subject.venue.id == "coinbase"]

    async def scenario(town: Town) -> None:
        async with town.desk(contact="rest") as broker:
            found = await broker.get_positions()
            assert found.is_complete
            assert any("no margin positions" in note for note in found.notes)

    in_town(coinbase, scenario)
