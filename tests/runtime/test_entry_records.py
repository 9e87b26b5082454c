"""Intents as they are kept, told and shown; dry runs; and the venue's clock as we count it."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.intents import Debit, Intent, IntentChange
from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from holdfast.core.venue import ServerTime
from holdfast.core.venue_time import VenueTime
from holdfast.errors import FundsShortError, HaltedError, OrderInputError, StoreCorruptError, VenueRejectedError
from holdfast.runtime.intent_record import (
    checked_intent_id,
    client_order_id_of,
    event_of,
    intent_of,
    journal_row_of,
    order_of,
    reservation_of,
    row_of,
    spent_of,
)
from holdfast.testing import FakeClock, run_virtual
from tests.core.intent_life import Life, fill
from tests.runtime.entry_rig import D, SlowStore, trading

# As they are kept


def filled_in_part() -> Intent:
    """An intent with something in every field that an order gives it."""
    life = Life()
    life.claim("a", "409.60000", bot="grid")
    life.submit()
    life.row("new")
    life.row("trade", filled="0.004", cost="160.000", fill=fill("T1", "0.004", "160.000", fees="USD 0.64, BTC 0.00001"))
    life.recount()
    return life.live()


def test_an_intent_is_read_back_as_it_was_kept_digit_for_digit() -> None:
    intent = filled_in_part()
    row = row_of(intent)
    assert (row.intent_id, row.client_order_id, row.is_ended) == ("a", "c-a", False)
    assert intent_of(row) == intent
    assert str(intent_of(row).cost) == "160.000"
    assert '"amount":"409.60000"' in row.record


def test_amounts_of_any_size_are_kept_exactly() -> None:
    amount = Decimal("123456789012345678901234567890.123456789012345678901234567890")
    intent = msgspec.structs.replace(
        filled_in_part(), amount=amount, debits=(Debit(ref=None, amount=amount, seen_s=1.5),)
    )
    assert intent_of(row_of(intent)) == intent


def test_an_intent_of_an_older_version_is_read_with_what_it_lacks() -> None:
    record = json.loads(row_of(filled_in_part()).record)
    for name in ("untold_fee", "limit_price", "expires_s"):
        record.pop(name, None)
    row = msgspec.structs.replace(row_of(filled_in_part()), record=json.dumps(record))
    assert intent_of(row).filled == D("0.004")


@pytest.mark.parametrize(
    "record",
    ["", "{}", "null", '{"intent_id":"a"}', "[1]", '{"intent_id":"a","amount":"NaN"}'],
)
def test_a_row_that_cannot_be_read_is_damage_and_never_a_claim_of_nothing(record: str) -> None:
    row = msgspec.structs.replace(row_of(filled_in_part()), record=record)
    with pytest.raises(StoreCorruptError, match="'a'"):
        intent_of(row)


@pytest.mark.parametrize("text", ["", "[]", '{"USD":"x"}', "null"])
def test_what_a_bot_spent_that_cannot_be_read_is_damage(text: str) -> None:
    with pytest.raises(StoreCorruptError):
        spent_of(text)


def test_an_intent_is_over_for_the_store_once_claim_and_order_are() -> None:
    intent = filled_in_part()
    over = msgspec.structs.replace(intent, reservation=ReservationState.CONSUMED, order=OrderState.FILLED)
    half = msgspec.structs.replace(intent, order=OrderState.FILLED)
    assert row_of(over).is_ended
    assert not row_of(half).is_ended


# Ids


@pytest.mark.parametrize("intent_id", ["a", "x" * 128, "grid/2026-11-20 #17", "~!@$%^&*()"])
def test_an_id_of_printable_ascii_is_taken(intent_id: str) -> None:
    assert checked_intent_id(intent_id) == intent_id
    assert len(client_order_id_of(intent_id)) == 32


@pytest.mark.parametrize("intent_id", ["", "x" * 129, "a\n", "\x00", "é", "a\u202eb"])
def test_an_id_that_could_disguise_itself_is_refused(intent_id: str) -> None:
    with pytest.raises(OrderInputError):
        checked_intent_id(intent_id)


# As they are told


def test_a_step_is_told_by_what_it_changed() -> None:
    before = filled_in_part()
    more = msgspec.structs.replace(before, filled=D("0.005"))
    doubted = msgspec.structs.replace(
        before, order=OrderState.IN_DOUBT, reservation=ReservationState.IN_DOUBT, cause="lost"
    )
    assert [each.name for each in event_of(IntentChange(None, before), "b")] == ["reservation.changed", "order.changed"]
    assert [each.name for each in event_of(IntentChange(before, more), "b")] == ["order.changed"]
    assert [each.name for each in event_of(IntentChange(before, before), "b")] == []
    assert [each.name for each in event_of(IntentChange(before, doubted), "b")] == [
        "reservation.changed",
        "order.changed",
        "order.doubted",
    ]


def test_a_journal_row_says_what_changed_and_why_in_exact_text() -> None:
    intent = filled_in_part()
    row = journal_row_of(IntentChange(None, intent))
    facts = json.loads(row.cause)
    assert (row.kind, row.asset, row.is_money) == ("reservation", "USD", True)
    assert facts["intent_id"] == "a"
    assert facts["amount"] == "409.60000"
    assert facts["filled"] == "0.004"
    assert facts["bot"] == "grid"
    assert "before" not in facts
    assert (row.total, row.held, row.available) == (None, None, None)


def test_an_order_and_its_reservation_show_the_same_money() -> None:
    intent = filled_in_part()
    order, view = order_of(intent, "b"), reservation_of(intent, "b")
    assert order.reserved == view.reserved == intent.counted
    assert (order.asset, view.asset) == ("USD", "USD")
    assert order.fees == {"USD": D("0.64"), "BTC": D("0.00001")}


# Dry runs


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_a_dry_run_is_judged_and_validated_and_leaves_nothing_behind(contact: str) -> None:
    async def main() -> None:
        async with trading(contact=contact) as t:  # type: ignore[arg-type]
            order = await t.broker.place_limit_order(
                "BTC-USD", "buy", "0.01", "40000", intent_id="a", post_only=True, validate=True
            )
            assert (order.intent_id, order.order_id, order.state) == (None, None, "never_sent")
            assert order.quantity == D("0.01")
            checked = t.stream.checked if contact == "stream" else t.client.checked
            assert [ticket.is_post_only for ticket in checked] == [True]
            assert t.sent == []
            assert t.orders.placed == []
            assert t.broker.reservations() == []
            assert await t.broker.orders() == []
            # The id was not used.
            assert (await t.buy("a")).state == "open"

    run_virtual(main())


def test_a_dry_run_tells_what_placing_would() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(FundsShortError):
                await t.broker.place_limit_order("BTC-USD", "buy", "1", "40000", validate=True)
            assert t.stream.checked == []
            t.stream.outcomes.add("reject")
            with pytest.raises(VenueRejectedError):
                await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", validate=True)
            await t.broker.set_trading_state("halted")
            with pytest.raises(HaltedError):
                await t.broker.place_market_order("BTC-USD", "sell", "0.1", validate=True)

    run_virtual(main())


# The venue's clock


def time_of(clock: FakeClock, *, ahead_s: float, resolution_s: float = 0.0, took_s: float = 0.2) -> ServerTime:
    """The venue's answer now, by a clock *ahead_s* of ours."""
    now_s = clock.now_s()
    return ServerTime(
        venue_time_s=clock.wall_us() / 1e6 + ahead_s - took_s / 2 - resolution_s / 2,
        resolution_s=resolution_s,
        sent_s=now_s - took_s,
        received_s=now_s,
        wall_us=clock.wall_us(),
    )


def test_our_wall_clock_stands_in_until_the_venue_has_told_its_time() -> None:
    clock = FakeClock()
    time = VenueTime(clock)
    assert time.now_us() == clock.wall_us()
    clock.step_wall(60)
    assert time.now_us() == clock.wall_us()


@pytest.mark.parametrize("ahead_s", [-31.0, 0.0, 0.4, 3600.0])
def test_the_venues_time_runs_on_whatever_is_done_to_our_wall_clock(ahead_s: float) -> None:
    clock = FakeClock()
    time = VenueTime(clock)
    time.hear(time_of(clock, ahead_s=ahead_s))
    began_us = clock.wall_us()
    clock.step_wall(-3600)
    clock.advance(10)
    assert time.now_us() == pytest.approx(began_us + (ahead_s + 10) * 1e6, abs=2)


def test_a_time_cut_to_seconds_is_taken_for_the_middle_of_its_second() -> None:
    clock = FakeClock()
    time = VenueTime(clock)
    time.hear(time_of(clock, ahead_s=0.0, resolution_s=1.0))
    assert time.now_us() == pytest.approx(clock.wall_us(), abs=2)


def test_one_answer_that_is_far_off_is_believed_once_another_says_the_same() -> None:
    clock = FakeClock()
    time = VenueTime(clock)
    time.hear(time_of(clock, ahead_s=0.0))
    time.hear(time_of(clock, ahead_s=3600.0))
    assert time.now_us() == pytest.approx(clock.wall_us(), abs=2)
    time.hear(time_of(clock, ahead_s=0.1))
    time.hear(time_of(clock, ahead_s=3600.0))
    assert time.now_us() == pytest.approx(clock.wall_us() + 1e5, abs=2)
    time.hear(time_of(clock, ahead_s=3600.5))
    assert time.now_us() == pytest.approx(clock.wall_us() + 3600.5e6, abs=2)


def test_orders_are_valid_on_the_venues_clock_and_not_on_ours() -> None:
    async def main() -> None:
        async with trading(is_ready=False) as t:
            server_time = t.client.server_time

            async def ahead() -> ServerTime:
                told = await server_time()
                return msgspec.structs.replace(told, venue_time_s=told.venue_time_s + 31.0)

            t.client.server_time = ahead  # type: ignore[method-assign]
            await t.broker.wait_until("live")
            await t.buy("a")
            valid_s = t.stream.sent[0].valid_until_us / 1e6 - t.clock.wall_us() / 1e6
            assert valid_s == pytest.approx(36, abs=0.3)

    run_virtual(main())


def test_a_clock_that_drifts_is_compared_again_now_and_then() -> None:
    """Ours may gain seconds in a day: an order's validity would then be over, or out of bounds, as it arrives."""

    async def main() -> None:
        async with trading() as t:
            drift_s = 0.0
            server_time = t.client.server_time

            async def drifting() -> ServerTime:
                told = await server_time()
                return msgspec.structs.replace(told, venue_time_s=told.venue_time_s - drift_s)

            t.client.server_time = drifting  # type: ignore[method-assign]
            drift_s = 4.0
            await asyncio.sleep(2000)
            await t.broker.wait_until("live")
            await t.buy("a")
            valid_s = t.stream.sent[-1].valid_until_us / 1e6 - (t.clock.wall_us() / 1e6 - drift_s)
            assert valid_s == pytest.approx(5, abs=0.5)

    run_virtual(main())


def test_the_list_of_orders_tells_what_one_order_tells_however_slow_the_store_is() -> None:
    """A day's report that is written in the moment of the last fill has that fill in it."""

    async def scenario() -> None:
        async with trading(store=SlowStore(delay_s=0.5)) as t:
            await t.buy("a")
            t.orders.fill(next(iter(t.orders.open)))
            assert (await t.broker.ended("a", timeout_s=5)).state == "filled"
            assert [(each.intent_id, each.state) for each in await t.broker.orders()] == [("a", "filled")]

    run_virtual(scenario())
