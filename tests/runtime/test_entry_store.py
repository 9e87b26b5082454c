"""A store that fails: nothing is sent that is not durable, nothing is claimed for ever, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import json

import pytest

from holdfast.core.seams import IntentRow
from holdfast.errors import DeniedError, IntentRepeatedError, NotReadyError, StoreCorruptError
from holdfast.runtime.intent_record import intent_of
from holdfast.store.memory import MemoryStore
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, SlowStore, Trade, outcome_of, trading


class FlakyStore(MemoryStore):
    """A store whose next writes of intents fail, one after the other, and that is well in between."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    def keep(self, intents, rows=(), facts=None):  # type: ignore[no-untyped-def]
        if not self.failures:
            return super().keep(intents, rows, facts)
        self.failures -= 1
        self.fail_with = "io"
        try:
            return super().keep(intents, rows, facts)
        finally:
            self.fail_with = self._reason = None


async def kept(store: MemoryStore, name: str = "a") -> str | None:
    """Where the store says that an intent stands, its order first."""
    row = await store.intent(name)
    if row is None:
        return None
    intent = intent_of(row)
    return f"{'-' if intent.order is None else intent.order.value}, {intent.reservation.value}"


async def broken(t: Trade, reason: str = "full") -> None:
    """The store fails from now on, and has noticed it."""
    t.store.fail_with = reason
    t.stream.move("USD", "0.01")
    await asyncio.sleep(1)
    assert not t.broker.status().store.is_ok


# Before anything is sent


@pytest.mark.parametrize("reason", ["full", "read_only", "io"])
def test_an_order_that_cannot_be_made_durable_is_not_sent_and_claims_nothing(reason: str) -> None:
    async def main() -> None:
        async with trading(store=MemoryStore()) as t:
            t.store.fail_with = reason
            with pytest.raises(NotReadyError) as caught:
                await t.buy("a")
            assert caught.value.verdict.code == "store_unavailable"
            assert caught.value.checks == ("store",)
            assert t.sent == []
            assert t.reserved() == 0
            assert (await t.broker.order("a")).state == "never_sent"

    run_virtual(main())


def test_within_one_failed_write_everything_that_needs_the_store_is_denied() -> None:
    async def main() -> None:
        async with trading(store=MemoryStore()) as t:
            t.store.fail_with = "full"
            assert await outcome_of(t.buy("a")) == "NotReadyError"
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
            assert verdict.code == "store_unavailable"
            assert await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1")) == "NotReadyError"

    run_virtual(main())


def test_a_claim_that_cannot_be_made_durable_is_none() -> None:
    async def main() -> None:
        async with trading(store=MemoryStore()) as t:
            t.store.fail_with = "full"
            verdict = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
            )
            assert verdict.code == "store_unavailable"
            assert not verdict.is_reserved
            assert t.reserved() == 0

    run_virtual(main())


def test_orders_go_again_once_the_store_takes_writes_again() -> None:
    async def main() -> None:
        async with trading(store=MemoryStore()) as t:
            await broken(t)
            assert await outcome_of(t.buy("a")) == "NotReadyError"
            t.store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(6)
            assert await outcome_of(t.buy("b")) == "open"

    run_virtual(main())


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_write_that_failed_once_never_outlives_what_came_after_it(failures: int) -> None:
    """The order was never sent; that it was about to be is not written down later."""

    async def main() -> None:
        store = FlakyStore()
        async with trading(store=store) as t:
            store.failures = failures
            assert await outcome_of(t.buy("a")) == "NotReadyError"
            await asyncio.sleep(20)
            assert await outcome_of(t.buy("b")) == "open"
            await asyncio.sleep(20)
            assert (await t.broker.order("a")).state == "never_sent"
            assert (await t.broker.resolution("a", timeout_s=1)).state == "never_sent"
            assert await kept(store) == "never_sent, released"
            assert [row.intent_id for row in await store.open_intents()] == ["b"]

    run_virtual(main())


def test_a_disk_that_takes_too_long_sends_nothing_and_blocks_nobody() -> None:
    async def main() -> None:
        store = SlowStore()
        async with trading(store=store) as t:
            store.delay_s = 10.0
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(1)
            assert t.state() == "live"
            assert t.reserved() == D("409.6")
            with pytest.raises(DeniedError, match="too late"):
                await placing
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


# After it was sent


def test_an_order_under_way_when_the_store_fails_goes_on_and_is_written_once_it_works() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            t.stream.latency_s = 1.0
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.5)
            store.fail_with = "full"
            order = await placing
            assert order.state == "open"
            assert await kept(store) == "sending, active"
            t.orders.fill("O1", quantity=D("0.004"))
            assert (await t.broker.order("a")).filled == D("0.004")
            store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(10)
            row = await store.intent("a")
            assert row is not None
            assert intent_of(row).filled == D("0.004")
            assert await kept(store) == "open, covered"  # The venue's lag is over, and the read after it was taken.

    run_virtual(main())


def test_an_order_that_ended_while_the_store_failed_is_told_and_written_later() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.buy("a")
            await broken(t)
            assert (await t.broker.cancel_order("a")).state == "canceled"
            assert (await t.broker.order("a")).state == "canceled"
            assert await kept(store) == "open, active"
            store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(10)
            assert await kept(store) == "canceled, released"

    run_virtual(main())


def test_every_step_that_a_failed_store_missed_is_in_the_journal_once_it_works() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.buy("a")
            await broken(t)
            t.orders.fill("O1", quantity=D("0.004"))
            await t.broker.cancel_order("a")
            store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(10)
            causes = [row.cause.split('"cause":"')[1].split('"')[0] for row in await t.journal()]
            assert causes == ["claimed", "submitted", "new", "trade", "canceled", "reflected"]

    run_virtual(main())


def test_a_release_that_cannot_be_written_gives_the_money_back_and_is_written_later() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
            )
            store.fail_with = "full"
            await t.broker.release_reservation("a")
            assert t.reserved() == 0
            store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(10)
            assert await kept(store) == "-, released"

    run_virtual(main())


def test_what_a_bot_spent_while_the_store_failed_is_written_later() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store, budgets={"grid": {"USD": "500", "BTC": "1"}}) as t:
            await t.buy("a", bot="grid")
            await broken(t)
            t.orders.fill("O1")
            store.fail_with = None
            t.stream.move("USD", "0.01")
            await asyncio.sleep(10)
            spent = json.loads(await store.fact("spent:grid") or "{}")
            assert {asset: D(amount) for asset, amount in spent.items()} == {"USD": D("401"), "BTC": D("-0.01")}

    run_virtual(main())


# Rows the store refuses


def test_two_spellings_of_one_uuid_are_one_intent_and_spoil_nothing() -> None:
    """Both would have the same client order id: the second is a repetition, and no row that no store can keep."""

    async def main() -> None:
        with_dashes = "12345678-1234-4234-8234-123456789abc"
        async with trading() as t:
            first = await t.buy(with_dashes, quantity="0.001")
            with pytest.raises(IntentRepeatedError):
                await t.buy(with_dashes.replace("-", ""), quantity="0.001")
            assert len(t.orders.placed) == 1
            assert t.at(with_dashes) == "open, active"
            assert await outcome_of(t.buy("b", quantity="0.001")) == "open"
            assert (await t.broker.cancel_order(first)).state == "canceled"
            assert t.broker.status().store.is_ok

    run_virtual(main())


def test_a_row_that_cannot_be_read_is_no_claim_that_is_not_there() -> None:
    async def main() -> None:
        store = MemoryStore()
        row = IntentRow(intent_id="a", client_order_id="c", is_ended=False, wall_us=1, record='{"intent_id":"a"}')
        await store.keep([row])
        with pytest.raises(StoreCorruptError, match="intent 'a'"):
            async with trading(store=store):
                raise AssertionError("never opened")

    run_virtual(main())
