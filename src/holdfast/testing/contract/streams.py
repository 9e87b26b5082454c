"""Cases of the private stream: what it tells, put together, is the truth; and it comes back to it after every break."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

from holdfast.core.balances import Source
from holdfast.core.venue import Capability, Channel
from holdfast.testing.contract.bench import Bench
from holdfast.testing.contract.registry import case

__all__: list[str] = []


def _anything(bench: Bench, dice: random.Random) -> None:
    """One thing that may happen to an account, at random; not everything can at every moment."""
    subject = bench.subject
    low = format(subject.low, "f")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("deposit", {"asset": subject.quote, "amount": "250.5"}),
        ("deposit", {"asset": "LTC", "amount": "3"}),
        ("withdrawal", {"asset": subject.quote, "amount": "50"}),
        ("external_trade", {"pair": subject.symbol, "side": "buy", "quantity": "0.01"}),
        ("external_trade", {"pair": subject.symbol, "side": "sell", "quantity": "0.005"}),
        ("external_order", {"pair": subject.symbol, "side": "buy", "quantity": "0.02", "price": low}),
        ("external_order", {"pair": subject.symbol, "side": "sell", "quantity": "0.01", "price": "900000"}),
        ("external_cancel", {}),
    ]
    kind, fields = dice.choice(steps)
    with suppress(ValueError):
        bench.happen(kind, **fields)


async def _settled(bench: Bench) -> None:
    """Until whatever was pushed has come, and a venue that aggregates has pushed it."""
    await asyncio.sleep(2.0)


@case(Capability.BALANCE_STREAM, seeds=(1, 2, 3))
async def the_stream_follows_the_balances_through_anything_that_happens(bench: Bench) -> None:
    dice = random.Random(len(bench.key))  # noqa: S311  # Reproducible on purpose.
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    bench.happen("deposit", asset=bench.subject.base, amount="1")
    async with bench.streaming():
        for _ in range(30):
            _anything(bench, dice)
            await asyncio.sleep(dice.random() * 3)
        await _settled(bench)
        bench.check_stream()


@case(Capability.BALANCE_STREAM)
async def a_balance_that_became_zero_is_told_and_one_that_nobody_told_of_is_not_made_up(bench: Bench) -> None:
    quote = bench.subject.quote
    async with bench.streaming():
        bench.happen("withdrawal", asset=quote, amount=format(bench.truth[quote]["available"], "f"))
        await asyncio.sleep(8.0)  # A venue may tell of a zero only with its next whole statement.
        bench.check_stream()
        assert "NOPE" not in bench.sink.totals


@case(Capability.BALANCE_STREAM)
async def a_new_snapshot_of_the_balances_can_be_asked_for(bench: Bench) -> None:
    async with bench.streaming():
        bench.sink.told.discard(Channel.BALANCES)
        bench.sink.is_whole.clear()
        bench.stream.resubscribe(Channel.BALANCES, "a test asks")
        await bench.whole()
        await _settled(bench)
        bench.check_stream()


@case(Capability.BALANCE_STREAM)
async def balances_come_back_after_every_kind_of_break(bench: Bench) -> None:
    for cut in bench.subject.cuts:
        other = Bench(bench.subject)
        other.happen("deposit", asset=other.subject.quote, amount="500")
        async with other.streaming():
            other.front.plan.add(dict(cut))
            await asyncio.sleep(3.0)
            other.happen("deposit", asset=other.subject.quote, amount="1")
            await other.whole()
            await _settled(other)
            other.check_stream()
            assert other.sink.opened >= 2


@case(Capability.ORDER_STREAM, seeds=(1, 2, 3))
async def the_stream_follows_the_orders_through_anything_that_happens(bench: Bench) -> None:
    dice = random.Random(2 + len(bench.key))  # noqa: S311  # Reproducible on purpose.
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    bench.happen("deposit", asset=bench.subject.base, amount="1")
    async with bench.streaming():
        for _ in range(30):
            _anything(bench, dice)
            await asyncio.sleep(dice.random() * 2)
        await _settled(bench)
        bench.check_stream()
        listed = await bench.client.open_orders()
        assert {each: order.filled for each, order in listed.orders.items()} == {
            each: order.filled for each, order in bench.sink.open.items()
        }


@case(Capability.ORDER_STREAM)
async def what_was_open_before_is_stated_and_its_end_is_told_with_our_id(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    ticket = bench.ticket()
    ack = await bench.place(ticket)
    assert ack.order_id is not None
    async with bench.streaming():
        order = bench.sink.open[ack.order_id]
        assert order.client_order_id == ticket.client_order_id
        assert (order.symbol, order.quantity) == (ticket.symbol, ticket.quantity)
        await bench.cancel(order_id=ack.order_id)
        await _settled(bench)
        ends = [change for change in bench.sink.changes if change.order_id == ack.order_id and change.order is None]
        assert ends, "the end of an order was not told"
        last = ends[0]
        assert last.client_order_id in (ticket.client_order_id, None)
        assert last.filled is not None, "an order's end does not say what was filled"
        assert last.filled == 0
        bench.check_stream()


@case(Capability.ORDER_STREAM)
async def a_fill_is_told_with_the_sum_of_what_was_filled(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    async with bench.streaming():
        ticket = bench.ticket()
        ack = await bench.place(ticket)
        half = ticket.quantity / 2 if ticket.quantity is not None else None
        assert half is not None
        bench.happen("fill", order=ack.order_id, quantity=format(half, "f"))
        await _settled(bench)
        assert bench.sink.open[ack.order_id or ""].filled == half
        bench.happen("fill", order=ack.order_id)
        await _settled(bench)
        rows = [change for change in bench.sink.changes if change.order_id == ack.order_id]
        sums = [change.filled for change in rows if change.filled is not None]
        assert sums == sorted(sums), "a sum of fills fell"
        assert sums[-1] == ticket.quantity
        assert rows[-1].order is None
        fills = [change.fill for change in rows if change.fill is not None]
        assert sum(fill.quantity for fill in fills) == ticket.quantity
        assert len({fill.fill_id for fill in fills}) == len(fills)


@case(Capability.ORDER_STREAM)
async def orders_come_back_after_every_gap_and_every_break(bench: Bench) -> None:
    for fault in (*bench.subject.gaps, *bench.subject.cuts):
        other = Bench(bench.subject)
        other.happen("deposit", asset=other.subject.quote, amount="5000")
        async with other.streaming():
            other.front.plan.add(dict(fault))
            for _ in range(4):
                other.rest_order()
                await asyncio.sleep(2.0)
            await asyncio.sleep(5.0)
            await other.whole()
            other.rest_order()
            await _settled(other)
            other.check_stream()
            assert other.sink.gaps or other.sink.opened >= 2, f"nobody noticed {fault}"


@case(Capability.ORDER_STREAM)
async def a_living_stream_is_never_silent_for_as_long_as_its_rules_allow(bench: Bench) -> None:
    async with bench.streaming():
        rules = bench.stream.rules
        assert rules.ping_after_s < rules.silent_after_s
        await asyncio.sleep(300.0)
        assert bench.sink.quietest_s < rules.silent_after_s, "a healthy stream is quieter than its rules allow"
        assert bench.sink.opened == 1, "a healthy stream was lost"


@case(Capability.ORDER_STREAM)
async def a_dropped_stream_ends_and_says_so(bench: Bench) -> None:
    async with bench.streaming():
        bench.stream.abort("silent")
        await asyncio.sleep(0.5)
        assert not bench.stream.can_send_orders
        await bench.whole()
    snapshot = await bench.client.open_orders()
    assert snapshot.source is Source.REST
