"""What a broker says of markets and worth when the venue is late, wrong, silent or lacks something."""

from __future__ import annotations

import asyncio
import decimal
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.core.instruments import Candle
from holdfast.core.positions import MarginPosition, PositionSide
from holdfast.errors import (
    ClosedError,
    NotReadyError,
    OrderInputError,
    PayloadError,
    UnknownNameError,
    VenueError,
)
from holdfast.testing import FakeVenue, run_virtual
from holdfast.testing.orders import fake_instrument
from tests.runtime.entry_rig import D, Trade, trading


def lose(t: Trade, *reads: str) -> None:
    for read in reads:
        t.client.failing[read] = t.venue.lost(read, "acme-master")


def made_candles(t: Trade, count: int, *, ends_s: float = 0.0) -> list[Candle]:
    """The newest *count* minutes, the last one forming."""
    now_s = int(t.clock.wall_us() / 1e6 - ends_s)
    first_s = now_s // 60 * 60 - 60 * (count - 1)
    price = D("100.5")
    return [
        Candle(
            start_s=first_s + 60 * number,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=D(1),
            is_final=number < count - 1,
        )
        for number in range(count)
    ]


# Worth


def test_prices_are_asked_for_together_once_and_used_again_while_they_are_young() -> None:
    async def main() -> None:
        async with trading(
            funds={"USD": ("1000", "0"), "BTC": ("0.5", "0"), "ETH": ("2", "0"), "SOL": ("3", "0")}
        ) as t:
            asked = len(t.asked("tickers"))
            first = await t.broker.get_account_balance()
            assert first.total == D("1000") + D("0.5") * D("39999.9") + 2 * D("2499.90") + 3 * D("99.90")
            assert len(t.asked("tickers")) == asked + 1
            await t.broker.get_account_balance()
            await t.broker.get_positions()
            assert len(t.asked("tickers")) == asked + 1
            await asyncio.sleep(16)
            await t.broker.get_account_balance()
            assert len(t.asked("tickers")) == asked + 2

    run_virtual(main())


def test_prices_that_cannot_be_had_any_more_stay_labelled_and_are_never_zero() -> None:
    async def main() -> None:
        async with trading() as t:
            before = await t.broker.get_account_balance()
            lose(t, "tickers")
            await asyncio.sleep(60)
            after = await t.broker.get_account_balance()
            assert (after.total, after.state, after.reason) == (before.total, "stale", "price_age")
            assert after.age_s is not None
            assert after.age_s > 60

    run_virtual(main())


def test_prices_that_were_never_had_leave_their_asset_out_and_a_silent_venue_is_not_asked_for_each() -> None:
    async def main() -> None:
        async with trading(
            funds={"USD": ("1000", "0"), "BTC": ("0.5", "0"), "ETH": ("2", "0"), "SOL": ("3", "0")}
        ) as t:
            lose(t, "tickers")
            asked = len(t.asked("tickers"))
            found = await t.broker.get_account_balance()
            assert (found.total, found.is_complete) == (D(1000), False)
            assert [(each.asset, each.why) for each in found.left_out] == [
                ("BTC", "no_price"),
                ("ETH", "no_price"),
                ("SOL", "no_price"),
            ]
            assert len(t.asked("tickers")) - asked <= 6

    run_virtual(main())


def test_one_markets_nonsense_hides_no_others_price() -> None:
    async def main() -> None:
        async with trading(funds={"BTC": ("0.5", "0"), "ETH": ("2", "0")}) as t:
            honest = t.client.tickers

            async def tickers(symbols: Any) -> Any:
                if "ETH-USD" in symbols:
                    raise PayloadError("ETH-USD: a price of NaN")
                return await honest(symbols)

            t.client.tickers = tickers  # type: ignore[method-assign]
            found = await t.broker.get_account_balance_detailed()
            by_asset = {each.asset: each for each in found.assets}
            assert by_asset["BTC"].value == D("0.5") * D("39999.9")
            # And where another way leads to the currency, it is taken.
            price = by_asset["ETH"].price
            assert price is not None
            assert price.path == ("ETH-BTC", "BTC-USD")

    run_virtual(main())


def test_prices_that_were_told_are_kept_when_the_rest_takes_too_long() -> None:
    """A venue that has one call for each market: what ten seconds were too short for is told the next time."""

    async def main() -> None:
        codes = [f"TOK{number:02d}" for number in range(30)]
        async with trading(funds=dict.fromkeys(codes, ("1", "0"))) as t:
            for code in codes:
                t.orders.instruments[f"{code}-USD"] = fake_instrument(f"{code}-USD")
                t.orders.prices[f"{code}-USD"] = ("2", "3")
            honest = t.client.tickers

            async def tickers(symbols: Any) -> Any:
                await asyncio.sleep(0.4 * len(symbols))
                return await honest(symbols)

            t.client.tickers = tickers  # type: ignore[method-assign]
            first = await t.broker.get_account_balance()
            assert (first.total, first.is_complete) == (D(40), False)
            second = await t.broker.get_account_balance()
            assert (second.total, second.is_complete) == (D(60), True)

    run_virtual(main())


def test_nothing_is_known_before_the_first_answer_and_that_is_none() -> None:
    async def main() -> None:
        async with trading(contact="rest", is_ready=False) as t:
            lose(t, "BalanceEx", "Balance")
            await asyncio.sleep(3)
            figure = await t.broker.get_account_balance()
            assert (figure.total, figure.spendable, figure.state) == (None, None, "unknown")
            held = await t.broker.get_positions()
            assert (len(held), held.is_complete, held.state) == (0, False, "unknown")

    run_virtual(main())


def test_a_listing_that_was_never_read_is_said_and_nothing_is_called_unlisted() -> None:
    async def main() -> None:
        venue = FakeVenue()
        async with trading(venue=venue, contact="none", is_ready=False) as t:
            t.client.failing["load"] = venue.lost("load", "acme-master")
            for asking in (
                t.broker.normalize_symbol_for_broker("BTC-USD"),
                t.broker.get_candles("BTC-USD"),
                t.broker.get_account_balance(),
                t.broker.get_positions(),
            ):
                with pytest.raises(NotReadyError):
                    await asking
            with pytest.raises(VenueError):
                await t.broker.get_all_products()

    run_virtual(main())


def test_the_bots_decimal_context_changes_no_worth() -> None:
    async def main() -> str:
        async with trading(funds={"USD": ("1000.01", "0"), "BTC": ("0.12345678", "0"), "USDT": ("7", "0")}) as t:
            return str((await t.broker.get_account_balance("BTC")).total)

    expected = run_virtual(main())
    with decimal.localcontext() as context:
        context.prec = 2
        context.traps[decimal.Inexact] = True
        assert run_virtual(main()) == expected
    assert Decimal(expected) > D("0.14")


# Positions


def test_margin_positions_that_cannot_be_read_leave_the_list_incomplete_and_spot_told() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.margin = [
                MarginPosition(
                    position_id="T1",
                    symbol="ETH-USD",
                    venue_symbol="ETHUSD",
                    side=PositionSide.SHORT,
                    quantity=D("2"),
                )
            ]
            found = await t.broker.get_positions()
            assert [(each.kind, each.asset) for each in found] == [("spot", "BTC"), ("margin", "ETH")]
            assert found.positions[1].value == -2 * D("2500.00")
            lose(t, "positions")
            partly = await t.broker.get_positions()
            assert [each.kind for each in partly] == ["spot"]
            assert not partly.is_complete
            assert "could not be read" in partly.notes[0]

    run_virtual(main())


def test_an_account_that_is_set_up_in_a_refused_way_is_labelled_with_the_reason() -> None:
    async def main() -> None:
        venue = FakeVenue()
        venue.account_mode, venue.refusal = "portfolio margin", "portfolio margin: change the account to spot mode"
        venue.margin = [
            MarginPosition(
                position_id="T1", symbol="ETH-USD", venue_symbol="ETHUSD", side=PositionSide.LONG, quantity=D("2")
            )
        ]
        async with trading(venue=venue, contact="rest", is_ready=False) as t:
            await asyncio.sleep(10)
            assert t.broker.status().halted_reason == "account_mode"
            found = await t.broker.get_positions()
            assert [each.asset for each in found] == ["ETH"]
            assert not found.is_complete
            assert any("change the account to spot mode" in note for note in found.notes)
            assert (await t.broker.get_account_balance()).total is None

    run_virtual(main())


def test_a_venue_without_margin_is_complete_without_it_and_says_why() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.margin = None
            found = await t.broker.get_positions()
            assert found.is_complete
            assert found.notes == ("acme: it knows spot only",)

    run_virtual(main())


# Products and names


def test_lines_that_are_not_for_us_are_told_with_their_reasons_and_the_listing_is_read_again_after_an_hour() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.left_out["BTCUSD.d"] = "a dark pool"
            t.orders.instruments["BTC-BUSD"] = fake_instrument("BTC-BUSD")
            found = await t.broker.get_all_products()
            assert [each.venue_symbol for each in found.filtered] == ["BTCBUSD", "BTCUSD.d"]
            assert "BTC-BUSD" not in found.symbols
            assert "BTC-BUSD" in (await t.broker.get_all_products(include_unsupported=True)).symbols
            assert found.note is None
            loads = len(t.asked("load"))
            await asyncio.sleep(3601)
            young = await t.broker.get_all_products()
            assert len(t.asked("load")) == loads + 1
            assert young.age_s < 5
            lose(t, "load")
            await asyncio.sleep(3601)
            old = await t.broker.get_all_products()
            assert old.symbols == young.symbols
            assert old.age_s > 3600
            assert "could not be read again" in (old.note or "")

    run_virtual(main())


def test_many_who_ask_for_an_old_listing_have_it_read_once() -> None:
    async def main() -> None:
        async with trading() as t:
            await asyncio.sleep(3601)
            loads = len(t.asked("load"))
            t.client.latency_s = 1.0
            asking = [asyncio.ensure_future(t.broker.get_all_products()) for _ in range(5)]
            await asyncio.sleep(0.1)
            asking[0].cancel()  # Whoever leaves takes nobody else's answer along.
            found = await asyncio.gather(*asking[1:])
            assert {each.symbols for each in found} == {found[0].symbols}
            assert len(t.asked("load")) == loads + 1

    run_virtual(main())


# Candles


def test_candles_are_judged_whole_and_one_lost_answer_is_asked_for_again() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.candles = made_candles(t, 5)
            found = await t.broker.get_candles("btcusd", "1m", limit=3)
            assert found.candles == tuple(t.venue.candles[-3:])
            assert (found.symbol, found.broker, found.interval_s) == ("BTC-USD", "acme-master", 60)
            assert found.is_complete
            t.venue.candles.reverse()
            with pytest.raises(PayloadError, match="is followed by"):
                await t.broker.get_candles("BTC-USD", "1m")
            lose(t, "candles")
            asked = len(t.asked("candles"))
            with pytest.raises(VenueError):
                await t.broker.get_candles("BTC-USD", "1m")
            assert len(t.asked("candles")) == asked + 2

    run_virtual(main())


def test_candles_that_are_old_say_how_far_they_are_behind() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.candles = made_candles(t, 5, ends_s=3600)
            found = await t.broker.get_candles("BTC-USD", 60)
            assert found.behind_s is not None
            assert 3500 < found.behind_s < 3700

    run_virtual(main())


def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with trading() as t:
            asked = len(t.asked("candles"))
            for wrong in (
                {"interval": "7m"},
                {"interval": "nonsense"},
                {"limit": 0},
                {"limit": 1501},
                {"since": "now"},
            ):
                with pytest.raises(OrderInputError):
                    await t.broker.get_candles("BTC-USD", **wrong)
            with pytest.raises(OrderInputError, match="it has 1m, 5m, 1h, 1d"):
                await t.broker.get_candles("BTC-USD", "15m")
            with pytest.raises(UnknownNameError):
                await t.broker.get_candles("NOPE-USD")
            assert len(t.asked("candles")) == asked

    run_virtual(main())


def test_a_closed_desk_tells_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            broker = t.broker
        for asking in (
            broker.get_account_balance(),
            broker.get_positions(),
            broker.get_all_products(),
            broker.get_candles("BTC-USD"),
            broker.normalize_symbol_for_broker("BTC-USD"),
        ):
            with pytest.raises(ClosedError):
                await asking

    run_virtual(main())


# Orders of what is not for us


def test_what_was_given_up_takes_no_order_and_closing_it_says_why() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.instruments["BTC-BUSD"] = fake_instrument("BTC-BUSD")
            verdict = await t.broker.verify_balance_before_order("BTC-BUSD", "sell", "0.1")
            assert not verdict.is_approved
            assert "it is not traded here: BUSD was given up" in verdict.arithmetic
            with pytest.raises(holdfast.UnsupportedSymbolError):
                await t.broker.close_position("BTC-BUSD")
            assert t.sent == []

    run_virtual(main())


def test_closing_explains_what_stays() -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "BTC": ("0.500000009", "0")}, floors={"BTC": "0.1"}) as t:
            closing = await t.broker.close_position("BTC-USD")
            assert closing.order is not None
            assert (closing.code, closing.quantity, closing.left) == ("sell", D("0.4"), D("0.100000009"))
            assert "0.1 BTC is kept by your floor" in closing.explanation
            assert "below the step of BTC-USD" in closing.explanation
            await asyncio.sleep(5)
            again = await t.broker.close_position("BTC-USD")
            assert (again.order, again.quantity) == (None, D(0))
            assert "0.1 BTC is kept by your floor" in again.explanation
            rules = t.orders.instruments["BTC-USD"]
            t.orders.instruments["BTC-USD"] = msgspec.structs.replace(rules, quantity_step=D("1e-9"), quantity_min=None)

    run_virtual(main())
