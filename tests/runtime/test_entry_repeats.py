"""One intent, at most one order: repeated at once, later, at another broker of the desk, and after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.errors import IntentRepeatedError
from holdfast.testing import FakeClock, FakeVenue, run_virtual
from holdfast.testing.parts import memory_parts
from tests.runtime.entry_rig import FUNDS, D, SlowStore, outcome_of, trading


@pytest.mark.parametrize("outcome", ["open", "filled", "cancelled", "rejected", "in doubt", "released", "never sent"])
def test_an_intent_is_used_once_whatever_became_of_it(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            if outcome == "in doubt":
                t.stream.outcomes.add("lost_before")
            if outcome == "rejected":
                t.stream.outcomes.add("reject")
            if outcome == "never sent":
                t.stream.takes_orders = False
                t.client.outcomes.add("never_sent")
            if outcome == "released":
                await t.broker.verify_balance_before_order(
                    "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
                )
                await t.broker.release_reservation("a")
            else:
                await outcome_of(t.buy("a", quantity="0.001"))
            if outcome == "filled":
                t.orders.fill("O1")
            if outcome == "cancelled":
                await t.broker.cancel_order("a")
            placed, reserved = len(t.orders.placed), t.reserved()
            with pytest.raises(IntentRepeatedError, match="was used before") as caught:
                await t.buy("a", quantity="0.001")
            assert caught.value.intent_id == "a"
            assert caught.value.verdict.code == "intent_repeated"
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10", intent_id="a")
            assert verdict.code == "intent_repeated"
            assert (len(t.orders.placed), t.reserved()) == (placed, reserved)

    run_virtual(main())


def test_what_became_of_a_repeated_intent_can_be_asked() -> None:
    async def main() -> None:
        async with trading() as t:
            first = await t.buy("a")
            with pytest.raises(IntentRepeatedError) as caught:
                await t.buy("a")
            assert (await t.broker.order(caught.value.intent_id)).order_id == first.order_id

    run_virtual(main())


def test_one_intent_asked_for_by_many_at_once_is_one_order() -> None:
    async def main() -> list[str]:
        async with trading(store=SlowStore()) as t:
            found = await asyncio.gather(*(outcome_of(t.buy("a", quantity="0.001")) for _ in range(16)))
            assert len(t.orders.placed) == 1
            assert len(t.sent) == 1
            return sorted(found)

    for seed in range(5):
        assert run_virtual(main(), seed=seed) == ["IntentRepeatedError"] * 15 + ["open"]


def test_an_intent_is_one_for_the_whole_desk() -> None:
    async def main() -> None:
        async with trading(names=("acme-one", "acme-two")) as t:
            one, two = t.desk["acme-one"], t.desk["acme-two"]
            await one.place_limit_order("BTC-USD", "buy", "0.001", "40000", intent_id="a")
            with pytest.raises(IntentRepeatedError, match="at acme-one"):
                await two.place_limit_order("BTC-USD", "buy", "0.001", "40000", intent_id="a")
            verdict = await two.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
            )
            assert verdict.code == "intent_repeated"
            assert two.reservations() == []
            assert len(t.orders.placed) == 1

    run_virtual(main())


@pytest.mark.parametrize("outcome", ["open", "filled", "in doubt", "rejected", "claimed"])
def test_an_intent_is_remembered_after_a_restart(outcome: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue(dict(FUNDS))
        for life in range(2):
            parts = memory_parts(clock=clock, venue=venue, store_path=tmp_path / "store.db", seed=life)
            async with trading(parts=parts, venue=venue, clock=clock) as t:
                if life == 0:
                    if outcome in ("in doubt", "rejected"):
                        t.stream.outcomes.add("lost_before" if outcome == "in doubt" else "reject")
                    if outcome == "claimed":
                        await t.broker.verify_balance_before_order(
                            "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
                        )
                    else:
                        await outcome_of(t.buy("a", quantity="0.001"))
                    if outcome == "filled":
                        t.orders.fill("O1")
                    continue
                placed = len(t.orders.placed)
                with pytest.raises(IntentRepeatedError):
                    await t.buy("a", quantity="0.001")
                assert len(t.orders.placed) == placed

    run_virtual(main())


def test_names_are_forgotten_when_the_store_forgets_them_and_not_before() -> None:
    """[I12] A bot places for months: what it is remembered by may not grow for as long as its process lives."""

    async def main() -> None:
        async with trading() as t:
            claims = t.entry.claims
            for count in range(20):
                await t.broker.verify_balance_before_order(
                    "BTC-USD", "buy", quote_quantity="10", intent_id=f"a{count}", reserve=True
                )
                await t.broker.release_reservation(f"a{count}")
            await t.buy("rests", quantity="0.001")
            claims.names["0" * 32] = "another broker"
            assert len(claims.names) == 22
            store, now_us = t.entry.account.store, t.clock.wall_us()
            for days, left in ((29, 22), (31, 2)):
                for _ in range(2):
                    await store.prune(wall_us=now_us + days * 86_400_000_000)
                    await claims.forget()
                assert len(claims.names) == left
            assert "a3" not in await store.intent_ids()
            assert claims.names["0" * 32] == "another broker"
            with pytest.raises(IntentRepeatedError):
                await t.buy("rests", quantity="0.001")

    run_virtual(main())


def test_a_denied_intent_was_never_used() -> None:
    async def main() -> None:
        async with trading() as t:
            assert await outcome_of(t.buy("a", quantity="1")) == "FundsShortError"
            assert await outcome_of(t.buy("a", quantity="0.001")) == "open"

    run_virtual(main())


def test_an_order_without_an_id_gets_one_that_nobody_has() -> None:
    async def main() -> None:
        async with trading() as t:
            orders = [
                await t.broker.place_limit_order("BTC-USD", "buy", "0.0005", "40000", intent_id=None) for _ in range(5)
            ]
            names = {order.intent_id for order in orders}
            assert len(names) == 5
            assert all(name is not None and len(name) == 32 for name in names)
            assert {order.client_order_id for order in orders} == names

    run_virtual(main())


def test_ids_that_nobody_chose_do_not_repeat_those_of_a_former_life(tmp_path: Path) -> None:
    """Even where both lives draw the same numbers, as two forks of one process would."""

    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue({"USD": ("5000", "0"), "BTC": ("1", "0")})
        for _ in range(3):
            parts = memory_parts(clock=clock, venue=venue, store_path=tmp_path / "store.db", seed=0)
            async with trading(parts=parts, venue=venue, clock=clock) as t:
                for _ in range(3):
                    assert await outcome_of(t.broker.place_limit_order("BTC-USD", "buy", "0.001", "40000")) == "open"
        assert len({ticket.client_order_id for ticket in venue.orders.placed}) == 9

    run_virtual(main())


def test_a_client_order_id_is_the_intents_own_where_it_is_a_uuid_and_else_made_of_it() -> None:
    async def main() -> None:
        async with trading() as t:
            dashed = await t.buy("12345678-1234-4234-8234-123456789abc", quantity="0.001")
            plain = await t.buy("abcdefabcdef4abc8abcabcdefabcdef", quantity="0.001")
            named = await t.buy("grid/2026-11-20/17", quantity="0.001")
            again = await t.buy("grid/2026-11-20/18", quantity="0.001")
            assert dashed.client_order_id == "12345678123442348234123456789abc"
            assert plain.client_order_id == "abcdefabcdef4abc8abcabcdefabcdef"
            assert named.client_order_id is not None
            assert len(named.client_order_id) == 32
            assert set(named.client_order_id) <= set("0123456789abcdef")
            assert named.client_order_id != again.client_order_id
            assert t.reserved() == D("0.64")

    run_virtual(main())
