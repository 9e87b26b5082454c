"""Figures and calls of an attached process: as the owner's, as old as they are, and never done twice or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import BalanceState
from holdfast.core.events import event
from holdfast.core.health import Health
from holdfast.core.seams import JournalRow
from holdfast.core.verdicts import TradingState
from holdfast.errors import (
    ClosedError,
    DeniedError,
    FundsShortError,
    InvariantError,
    OutcomeUnknownError,
    OwnerSilentError,
    UnknownNameError,
)
from holdfast.runtime.attach.mirror import OWNER_SILENT
from holdfast.runtime.views import BalancesChanged
from holdfast.testing import run_virtual
from tests.runtime.attach_worlds import (
    ASK,
    Host,
    StandIn,
    balance,
    candle_series,
    closing,
    held,
    listed_products,
    order,
    reservation,
    symbol_name,
    worth,
)


def on_a_host(test: Callable[[Host], Awaitable[None]], **settings: Any) -> None:
    """Run *test* on virtual time with one owner."""

    async def main() -> None:
        host = Host(**settings)
        try:
            await test(host)
        finally:
            await host.close()

    run_virtual(main())


async def settle(for_s: float = 0.1) -> None:
    await asyncio.sleep(for_s)


def place(attached: Any, **more: Any) -> Coroutine[Any, Any, Any]:
    arguments = {"intent_id": "i1", "is_reserved": False, "valid_until_s": None, **more}
    done: Coroutine[Any, Any, Any] = attached.broker.place(ASK, **arguments)
    return done


# Figures


def test_figures_are_the_owners_and_age_on_our_own_clock() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        first = attached.broker.balance("USD")
        assert str(first.total) == "1500.25"
        assert (first.state, first.reason) == (BalanceState.LIVE, None)
        assert first.age_s is not None
        assert 0.5 <= first.age_s < 0.6
        await asyncio.sleep(0.7)
        later = attached.broker.balance("USD")
        assert later.age_s == pytest.approx(first.age_s + 0.7)
        assert list(attached.broker.balances()) == ["BTC", "USD"]
        assert attached.broker.account_id == "ACCT"
        assert attached.broker.has_figures
        assert attached.broker.budgets() == {"grid": {"USD": Decimal("100.00"), "BTC": None}}

    on_a_host(test)


def test_a_change_is_there_before_anybody_is_told_of_it() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        seen: list[tuple[BalancesChanged, str]] = []

        def told(change: BalancesChanged) -> None:
            seen.append((change, str(attached.broker.balance("USD").total)))

        attached.broker.listeners.subscribe(told)
        attached.desk_listeners.subscribe(told)
        host.backend.figures["USD"] = balance("USD", "1499.75")
        host.backend.ring("USD")
        await settle()
        change = BalancesChanged(broker="acme-master", kind="delta", assets=("USD",))
        assert seen == [(change, "1499.75"), (change, "1499.75")]

    on_a_host(test)


def test_figures_that_vanish_orders_and_claims_follow_the_owner() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        assert attached.broker.open_orders() == []
        host.backend.orders_now = [order("i7")]
        host.backend.reservations_now = [reservation("i7")]
        host.backend.error_count = 2
        del host.backend.figures["BTC"]
        host.backend.ring()
        await settle()
        assert attached.broker.open_orders() == [order("i7")]
        assert attached.broker.reservations() == [reservation("i7")]
        assert attached.broker.error_count == 2
        assert list(attached.broker.balances()) == ["USD"]
        host.backend.orders_now, host.backend.reservations_now = [], []
        host.backend.ring()
        await settle()
        assert (attached.broker.open_orders(), attached.broker.reservations()) == ([], [])

    on_a_host(test)


def test_an_asset_that_is_listed_and_not_held_is_answered_as_the_owner_would() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        zero = attached.broker.balance("EUR")
        assert (zero.asset, zero.total, zero.state) == ("EUR", Decimal(0), BalanceState.LIVE)
        with pytest.raises(UnknownNameError, match=r"acme's XBTC is BTC here"):
            attached.broker.balance("XBTC")
        with pytest.raises(UnknownNameError, match="did you mean EUR"):
            attached.broker.balance("EURO")

    on_a_host(test)


def test_before_the_first_push_everything_is_unknown_and_nothing_is_zero() -> None:
    async def test(host: Host) -> None:
        from tests.runtime.attach_worlds import Attached

        attached = Attached(host)
        figure = attached.broker.balance("USD")
        assert (figure.total, figure.spendable, figure.state) == (None, None, BalanceState.UNKNOWN)
        assert figure.reason == OWNER_SILENT
        assert attached.broker.balances() == {}
        status = attached.broker.status()
        assert (status.health, status.is_available) == (Health.DOWN, False)
        assert status.reasons == (OWNER_SILENT,)

    on_a_host(test)


# Silence


def test_an_owner_that_is_not_heard_for_three_seconds_leaves_every_figure_stale() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        attached.listen()
        told: list[BalancesChanged] = []
        attached.broker.listeners.subscribe(told.append)
        await asyncio.sleep(5.5)
        assert attached.broker.balance("USD").state is BalanceState.LIVE
        assert attached.events == []
        host.owner.place.stop()
        await asyncio.sleep(2.4)
        assert attached.broker.balance("USD").state is BalanceState.LIVE
        await asyncio.sleep(0.7)
        for asset in ("USD", "BTC", "EUR"):
            figure = attached.broker.balance(asset)
            assert (figure.state, figure.reason) == (BalanceState.STALE, OWNER_SILENT)
        assert str(attached.broker.balance("USD").total) == "1500.25"
        status = attached.broker.status()
        assert (status.health, status.is_available, status.stream.state) == (Health.DOWN, False, "down")
        assert status.states == {"live": 0, "fresh": 0, "stale": 2}
        assert [fields["reason"] for fields in attached.said("owner.lost")] == ["silent"]
        assert told == [BalancesChanged(broker="acme-master", kind="state", assets=("BTC", "USD"))]
        host.owner.place.resume()
        await settle()
        assert attached.broker.balance("USD").state is BalanceState.LIVE
        assert len(attached.said("owner.attached")) == 1
        assert len(attached.said("owner.lost")) == 1

    on_a_host(test)


def test_what_is_read_late_is_as_old_as_it_says() -> None:
    """We were stopped, not the owner: what it said meanwhile stands in the socket, and is not news."""

    async def test(host: Host) -> None:
        attached = await host.attach()
        line = host.sockets.lines[-1]
        line.is_stopped = True
        await asyncio.sleep(60)
        host.owner.place.stop()
        await asyncio.sleep(60)
        line.resume()
        await settle()
        figure = attached.broker.balance("USD")
        assert (figure.state, figure.reason) == (BalanceState.STALE, OWNER_SILENT)
        assert figure.age_s is not None
        assert figure.age_s > 60

    on_a_host(test)


def test_a_fresh_figure_turns_stale_by_age_whether_the_owner_says_so_or_not() -> None:
    async def test(host: Host) -> None:
        host.backend.figures["USD"] = balance("USD", "5", state=BalanceState.FRESH, age_s=29.5)
        attached = await host.attach()
        assert attached.broker.balance("USD").state is BalanceState.FRESH
        host.owner.place.stop()
        await asyncio.sleep(0.6)
        figure = attached.broker.balance("USD")
        assert (figure.state, figure.reason) == (BalanceState.STALE, "age")

    on_a_host(test)


def test_a_lost_connection_leaves_every_figure_stale_at_once() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        attached.listen()
        lost: list[str] = []
        attached.attachment.on_lost = lambda: lost.append("now")
        host.owner.place.die()
        await settle()
        figure = attached.broker.balance("USD")
        assert (figure.state, figure.reason) == (BalanceState.STALE, OWNER_SILENT)
        assert lost == ["now"]
        assert [fields["reason"] for fields in attached.said("owner.lost")] == ["ended"]

    on_a_host(test)


# Calls


def test_every_call_reaches_the_owner_and_comes_back() -> None:
    async def test(host: Host) -> None:
        broker = (await host.attach()).broker
        assert (await broker.refresh(timeout_s=3.0)).reads == ("BalanceEx",)
        assert (await broker.reset_circuit_breaker(timeout_s=3.0)).is_ok
        await broker.isolate("trade", reason="lunch")
        assert host.backend.asked[-1] == ("isolate", {"what": "trade", "reason": "lunch"})
        assert (await broker.explain("USD", limit=3)).lines == ("so",)
        assert (await broker.verify(ASK, intent_id="v", reserve=True, ttl_s=5.0, valid_until_s=None)).is_reserved
        placed = await broker.place(ASK, intent_id="i1", is_reserved=True, valid_until_s=None)
        assert placed == order("i1")
        assert await broker.check(ASK) == order()
        assert await broker.release("i1", force=True) == reservation("i1")
        assert await broker.cancel("i1") == order()
        assert await broker.cancel_all(None) == [order()]
        acting = broker.close_position("BTC-USD", quantity=None, intent_id=None, bot=None, valid_until_s=None)
        assert await acting == closing()
        assert await broker.symbol_name("btcusd") == symbol_name()
        assert await broker.products(include_unsupported=False) == listed_products()
        assert await broker.candles("BTC-USD", interval_s=60, limit=1, since_s=None) == candle_series()
        assert await broker.account_balance("USD") == worth()
        assert await broker.positions("USD") == held()
        assert await broker.order("i1") == order("i1")
        assert await broker.orders(limit=5) == [order(), order("i2")]
        assert await broker.resolution("i1", timeout_s=None) == order("i1")
        assert await broker.reservation("i1") == reservation("i1")
        await broker.set_trading_state(TradingState.HALTED, reason="lunch", accepts_restored=False)
        assert host.backend.asked[-1] == (
            "set_trading_state",
            {"state": TradingState.HALTED, "reason": "lunch", "accepts_restored": False},
        )

    on_a_host(test)


def test_an_answer_comes_after_the_figures_that_know_of_it() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.backend.gate.clear()
        placing = asyncio.create_task(place(attached))
        await settle()
        host.backend.figures["USD"] = balance("USD", "1500.25", reserved=Decimal("26.00"))
        host.backend.gate.set()
        await placing
        assert attached.broker.balance("USD").reserved == Decimal("26.00")

    on_a_host(test)


def test_an_intent_id_is_made_before_the_owner_is_asked() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        await place(attached, intent_id=None)
        await place(attached, intent_id=None)
        ids = [arguments["intent_id"] for _, arguments in host.backend.asked]
        assert len(set(ids)) == 2
        assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)

    on_a_host(test)


def test_a_backup_goes_where_the_caller_meant() -> None:
    async def test(host: Host) -> None:
        await (await host.attach()).broker.backup("copies/one.db")
        assert host.backend.asked == [("backup", {"path": str(Path.cwd() / "copies" / "one.db")})]

    on_a_host(test)


def test_what_the_owner_raises_is_raised_here() -> None:
    async def test(host: Host) -> None:
        broker = (await host.attach()).broker
        host.backend.failing = FundsShortError("need 26, spendable 10")
        with pytest.raises(FundsShortError, match="need 26"):
            await broker.place(ASK, intent_id="i1", is_reserved=False, valid_until_s=None)
        with pytest.raises(ValueError, match="no unit us2"):
            await broker.ratchet_nonces(has_consent=True, unit="us2")
        with pytest.raises(ClosedError, match="not here"):
            await broker.retry_nonces()
        host.backend.failing = None
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        with pytest.raises(InvariantError) as caught:
            await broker.examine_nonces()
        assert "c2VjcmV0" not in str(caught.value)
        assert [type(failure["exception"]) for failure in failures] == [NotImplementedError]
        assert await broker.order("i1") == order("i1")  # The owner lives.

    on_a_host(test)


def test_a_long_history_comes_in_pages_and_too_long_an_answer_is_denied() -> None:
    async def test(host: Host) -> None:
        def row(seq: int, size: int = 10) -> JournalRow:
            empty = dict.fromkeys(("asset", "total", "held", "available", "source"))
            return JournalRow(wall_us=seq, kind="notice", cause="x" * size, is_money=False, seq=seq, **empty)

        broker = (await host.attach()).broker
        asked: dict[str, Any] = {"asset": None, "after_seq": 3, "since_wall_us": None}
        host.backend.rows = [row(seq) for seq in range(1, 10_001)]
        rows = await broker.history(**asked, limit=9000, newest_first=False)
        assert [each.seq for each in rows] == list(range(4, 9004))
        assert [arguments["limit"] for _, arguments in host.backend.asked] == [4000, 4000, 1000]
        rows = await broker.history(**asked, limit=2, newest_first=True)
        assert [each.seq for each in rows] == [10_000, 9999]
        host.backend.rows = [row(seq, 100_000) for seq in range(1, 100)]
        with pytest.raises(DeniedError, match="ask for fewer rows"):
            await broker.history(**asked, limit=99, newest_first=True)
        assert len(await broker.history(**asked, limit=5, newest_first=True)) == 5

    on_a_host(test)


# Validity


def test_the_owner_is_told_until_when_anything_may_be_sent() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=4.0)
        began_s = host.clock.now_s()
        await place(attached)
        await place(attached, valid_until_s=began_s + 1.5)
        given = [arguments["valid_until_s"] for _, arguments in host.backend.asked]
        assert given == pytest.approx([began_s + 4.0, began_s + 1.5])

    on_a_host(test)


def test_a_stopped_owner_denies_within_the_bound_and_does_nothing_of_it_when_it_wakes() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=4.0)
        await settle(1.0)
        host.owner.place.stop()
        began_s = host.clock.now_s()
        calls = [place(attached), attached.broker.cancel("i1"), attached.broker.refresh(timeout_s=30.0)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [OwnerSilentError] * 3
        assert {getattr(result, "pid", None) for result in results} == {attached.attachment.owner_pid}
        assert all((getattr(result, "silent_for_s", 0) or 0) > 3 for result in results)
        assert host.clock.now_s() - began_s == pytest.approx(4.0, abs=0.1)
        # Once it is known to be silent nothing is sent to it at all, and the bound is the same.
        with pytest.raises(OwnerSilentError):
            await place(attached)
        assert host.clock.now_s() - began_s == pytest.approx(8.0, abs=0.2)
        await asyncio.sleep(60)
        host.owner.place.resume()
        await settle()
        assert host.backend.asked == []
        await place(attached)
        assert [name for name, _ in host.backend.asked] == ["place"]

    on_a_host(test)


def test_an_acceptance_that_has_arrived_counts_although_nobody_has_read_it() -> None:
    """Else a caller whose own loop was busy would be sure that nothing was done while it was."""

    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=0.9)
        await settle(1.0)
        assert await place(attached) == order("i1")

    on_a_host(test, latency_s=0.5)


def test_an_owner_that_was_only_busy_takes_the_call_within_the_bound() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.owner.place.stop()
        placing = asyncio.create_task(place(attached))
        await asyncio.sleep(5.0)
        late = asyncio.create_task(place(attached, intent_id="i2"))
        await asyncio.sleep(1.0)
        host.owner.place.resume()
        assert (await placing, await late) == (order("i1"), order("i2"))

    on_a_host(test)


def test_taken_and_then_silence_is_unknown_for_an_order_and_names_its_intent() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=5.0)
        host.backend.gate.clear()
        placing = asyncio.create_task(place(attached, intent_id=None))
        cancelling = asyncio.create_task(attached.broker.cancel("O-1"))
        await settle()
        host.owner.place.stop()
        results = await asyncio.gather(placing, cancelling, return_exceptions=True)
        assert [type(result) for result in results] == [OutcomeUnknownError] * 2
        assert getattr(results[0], "intent_id", None) == host.backend.asked[0][1]["intent_id"]
        assert getattr(results[1], "intent_id", "?") is None

    on_a_host(test)


@pytest.mark.parametrize("end", ["dies", "closes"])
def test_taken_and_then_lost_is_unknown_for_what_acts_and_asked_again_for_what_reads(end: str) -> None:
    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=5.0)
        host.backend.gate.clear()
        acting = [
            place(attached, intent_id="i9"),
            attached.broker.cancel_all(None),
            attached.broker.close_position("BTC-USD", quantity=None, intent_id="i8", bot=None, valid_until_s=None),
        ]
        claiming = [
            attached.broker.verify(ASK, intent_id=None, reserve=True, ttl_s=None, valid_until_s=None),
            attached.broker.release("i1", force=False),
        ]
        reading = [
            attached.broker.verify(ASK, intent_id=None, reserve=False, ttl_s=None, valid_until_s=None),
            attached.broker.resolution("i9", timeout_s=None),
        ]
        tasks = [asyncio.ensure_future(call) for call in (*acting, *claiming, *reading)]
        await settle()
        assert len(host.backend.asked) == 7
        if end == "dies":
            host.owner.place.die()
        else:
            await host.owner.server.close()
        results = await asyncio.gather(*tasks[:5], return_exceptions=True)
        assert [type(result) for result in results] == [OutcomeUnknownError] * 3 + [OwnerSilentError] * 2
        assert [getattr(result, "intent_id", None) for result in results[:3]] == ["i9", None, "i8"]
        # Who reads goes on with the next owner, without having noticed.
        successor = host.owner = type(host.owner)(host.sockets, host.clock)
        assert attached.attachment.connect()
        await asyncio.gather(*tasks[5:])
        assert sorted(name for name, _ in successor.backend.asked) == ["resolution", "verify"]

    on_a_host(test)


def test_what_was_not_taken_goes_to_the_next_owner_once() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.owner.place.stop()
        first = host.backend
        placing = asyncio.create_task(place(attached))
        await asyncio.sleep(2.0)
        host.owner.place.die()
        host.owner = type(host.owner)(host.sockets, host.clock)
        await asyncio.sleep(2.0)
        assert attached.attachment.connect()
        assert await placing == order("i1")
        assert (first.asked, [name for name, _ in host.backend.asked]) == ([], ["place"])

    on_a_host(test)


def test_a_call_that_nobody_takes_is_denied_when_its_time_is_up() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach(wait_s=3.0)
        host.owner.place.die()
        began_s = host.clock.now_s()
        with pytest.raises(OwnerSilentError) as caught:
            await place(attached)
        assert caught.value.pid is not None
        assert host.clock.now_s() - began_s == pytest.approx(3.0, abs=0.1)

    on_a_host(test)


# Leaving


def test_a_cancelled_caller_leaves_at_once_and_the_owner_is_told() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.backend.gate.clear()
        placing = asyncio.create_task(place(attached))
        await settle()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        await settle()
        assert host.backend.cancelled == ["place"]
        host.backend.gate.set()
        assert await attached.broker.order("i1") == order("i1")

    on_a_host(test)


def test_the_calls_of_a_process_that_died_are_given_up() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.backend.gate.clear()
        waiting = asyncio.create_task(place(attached))
        await settle()
        host.sockets.lines[-1].abort()
        await settle()
        assert host.backend.cancelled == ["place"]
        assert host.owner.server.clients == 0
        waiting.cancel()

    on_a_host(test)


def test_after_close_every_call_is_refused_and_who_waits_is_told() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.backend.gate.clear()
        waiting = asyncio.create_task(attached.broker.order("i1"))
        waiting_for_change = asyncio.create_task(attached.broker.changed(within_s=100.0))
        await settle()
        attached.attachment.close()
        with pytest.raises(ClosedError):
            await waiting
        await waiting_for_change
        with pytest.raises(ClosedError):
            await attached.broker.order("i1")

    on_a_host(test)


def test_who_waits_while_this_process_becomes_the_owner_is_served_by_it() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        host.owner.place.die()
        await settle()
        waiting = asyncio.create_task(place(attached))
        await settle()
        successor = StandIn()
        attached.attachment.hand_over(successor)
        assert await waiting == order("i1")
        assert [name for name, _ in successor.asked] == ["place"]
        assert await attached.broker.order("i2") == order("i2")  # Also for whoever still has the old one.

    on_a_host(test)


# Events


def test_the_owners_events_of_this_broker_arrive_while_somebody_listens() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        emitter = host.owner.emitter
        is_heard = [emitter.is_heard]
        attached.listen()
        await settle()
        is_heard.append(emitter.is_heard)
        emitter(event("stream.lost", broker="acme-master", reason="silent"))
        emitter(event("stream.lost", broker="other", reason="silent"))
        emitter(event("clock.skewed", venue="acme", offset_s=3.0))
        await settle()
        assert attached.said("stream.lost") == [{"broker": "acme-master", "reason": "silent"}]
        assert attached.said("clock.skewed") == []
        attached.attachment.close()
        await settle()
        assert [*is_heard, emitter.is_heard] == [False, True, False]

    on_a_host(test)


def test_nothing_is_made_for_nobody() -> None:
    """Without anybody attached the owner has no timer, no task and no listener for this."""

    async def test(host: Host) -> None:

        def cost() -> tuple[bool, int]:
            return host.backend.listeners.is_empty, len(asyncio.all_tasks())

        is_empty, tasks = cost()
        attached = await host.attach()
        while_attached = cost()
        attached.attachment.close()
        await settle()
        assert is_empty
        assert while_attached == (False, tasks + 1)
        assert cost() == (True, tasks)

    on_a_host(test)


def test_a_busy_account_is_told_of_in_bundles_and_nothing_is_left_out() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        await asyncio.sleep(1.0)
        told: list[BalancesChanged] = []
        attached.broker.listeners.subscribe(told.append)
        arrived = 0
        received = attached.attachment._pushed

        def count(*arguments: Any) -> None:
            nonlocal arrived
            arrived += 1
            received(*arguments)

        setattr(attached.attachment, "_pushed", count)  # noqa: B010
        for number in range(1000):
            host.backend.figures["USD"] = balance("USD", f"{number}.25")
            host.backend.ring("USD")
            await asyncio.sleep(0.001)
        await settle()
        assert len(told) == 1000
        assert str(attached.broker.balance("USD").total) == "999.25"
        assert arrived <= 55

    on_a_host(test)


def test_the_picture_can_be_sent_whatever_is_in_it() -> None:
    """Every field of a status, an order or a claim goes over the wire as it is."""

    async def test(host: Host) -> None:
        attached = await host.attach()
        said = host.backend.status()
        shown = attached.broker.status()
        for field in said.__struct_fields__:
            if field not in ("stream", "last_success_age_s"):
                assert getattr(shown, field) == getattr(said, field), field
        assert shown.last_success_age_s == pytest.approx(2.0, abs=0.1)
        assert shown.stream.state == "live"
        assert msgspec.to_builtins(shown)

    on_a_host(test)
