"""A broker as a bot sees it: what it answers, what it tells of changes, and what waiting for it means."""

from __future__ import annotations

import asyncio
import gc
from decimal import Decimal

import pytest

import holdfast
from holdfast.core.events import Event
from holdfast.errors import NotReadyError, UnknownNameError, VenueUnreachableError
from holdfast.runtime.listeners import Changes
from holdfast.runtime.views import BalancesChanged, Lagged
from holdfast.testing import run_virtual
from tests.runtime.worlds import world


def unreachable() -> VenueUnreachableError:
    return VenueUnreachableError("connection refused", venue="acme", request="any")


# Answers


def test_a_name_the_venue_never_listed_is_refused_with_the_nearest() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.ready()
            with pytest.raises(UnknownNameError, match=r"did you mean USD"):
                w.broker.balance("UDS")
            with pytest.raises(UnknownNameError, match=r"did you mean BTC"):
                w.broker.balance("btc")
            with pytest.raises(UnknownNameError, match="not an asset code"):
                w.broker.balance("no such\nthing")

    run_virtual(main())


def test_balances_are_in_alphabetical_order_and_are_answers_of_the_moment() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            before = w.broker.balances()
            assert list(before) == ["BTC", "USD"]
            w.stream.move("USD", "1")
            assert str(before["USD"].total) == "1500.25"
            assert str(w.broker.balances()["USD"].total) == "1501.25"

    run_virtual(main())


def test_status_tells_the_condition_of_the_moment() -> None:
    async def main() -> None:
        async with world() as w:
            assert w.broker.status().health == "down"
            await w.broker.wait_until("live")
            status = w.broker.status()
            assert (status.broker, status.venue, status.environment) == ("acme-master", "acme", "simulated")
            assert (status.health, status.reasons, status.is_available) == ("healthy", (), True)
            assert status.states == {"live": 2, "fresh": 0, "stale": 0}
            assert status.account_id == w.broker.account_id == "ACCT-acme-master"
            assert [channel.name for channel in status.stream.channels] == ["balances", "orders"]
            assert status.read_latency_s == pytest.approx(0.05)
            await asyncio.sleep(30.5)
            status = w.broker.status()
            assert status.last_success_age_s == pytest.approx(30.5, abs=2)
            assert status.stream.last_frame_age_s is not None
            assert status.stream.last_frame_age_s <= 1

    run_virtual(main())


# Refresh


def test_a_refresh_reads_now_and_tells_what_moved() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.venue.truth["USD"] = ("7", "0")
            report = await w.broker.refresh()
            assert report.is_ok
            assert report.changed == ("USD",)
            assert report.reads == ("BalanceEx", "orders")
            assert w.total() == "7"

    run_virtual(main())


def test_a_refresh_confirms_a_suspect_answer_by_a_different_read() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.venue.truth.clear()
            report = await w.broker.refresh()
            assert report.is_ok
            assert set(report.reads) == {"BalanceEx", "Balance", "orders"}
            assert w.total() == "0"
            assert report.took_s >= 1

    run_virtual(main())


def test_a_refresh_that_fails_says_why_and_changes_nothing() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["*"] = unreachable()
            report = await w.broker.refresh(timeout_s=3)
            assert not report.is_ok
            assert report.error is not None
            assert "connection refused" in report.error
            assert report.took_s <= 3.1
            assert w.total() == "1500.25"

    run_virtual(main())


def test_a_refresh_of_a_venue_that_never_answers_ends_in_time() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.latency_s = 1e6
            report = await w.broker.refresh(timeout_s=5)
            assert report.error == "not answered within 5 s"
            assert report.took_s == pytest.approx(5)

    run_virtual(main())


# Changes


def test_a_callback_is_told_in_the_very_step_and_until_it_leaves() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            told: list[tuple[BalancesChanged, str]] = []
            subscription = w.broker.subscribe(lambda change: told.append((change, w.total())))
            w.stream.move("USD", "1")
            assert told == [(BalancesChanged(broker="acme-master", kind="delta", assets=("USD",)), "1501.25")]
            subscription.close()
            subscription.close()
            w.stream.move("USD", "1")
            assert len(told) == 1

    run_virtual(main())


def test_the_same_function_may_subscribe_twice_and_leave_once() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            told: list[object] = []
            with w.broker.subscribe(told.append):
                with w.desk.subscribe(told.append):
                    w.stream.move("USD", "1")
                    assert len(told) == 2
                w.stream.move("USD", "1")
                assert len(told) == 3

    run_virtual(main())


def test_a_subscriber_with_a_bug_is_reported_and_the_others_are_told() -> None:
    async def main() -> tuple[list[object], list[object]]:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        async with world() as w:
            await w.broker.wait_until("live")
            told: list[object] = []

            def bug(_: BalancesChanged) -> None:
                raise LookupError("as arranged")

            w.broker.subscribe(bug)
            w.broker.subscribe(told.append)
            w.stream.move("USD", "1")
            assert w.state() == "live"
            return reported, told

    reported, told = run_virtual(main())
    assert [type(error) for error in reported] == [LookupError]
    assert len(told) == 1


def test_a_subscriber_that_raises_a_cancellation_ends_no_task_of_ours() -> None:
    async def main() -> tuple[list[str], str, str]:
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(type(context["exception"]).__name__)
        )
        async with world(contact="rest") as w:
            await w.broker.ready()
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            w.broker.subscribe(lambda _: cancelled.result())
            w.desk.on_event(lambda _: cancelled.result())
            for total in ("1700.25", "1800.25"):
                w.venue.truth["USD"] = (total, "0")
                await asyncio.sleep(60)
            return reported, w.total(), w.state()

    reported, total, state = run_virtual(main())
    assert set(reported) == {"CancelledError"}
    assert (total, state) == ("1800.25", "fresh")


def test_changes_are_read_one_by_one_and_end_with_the_desk() -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        async with world() as w:
            await w.broker.wait_until("live")
            changes = w.broker.changes()

            async def read() -> None:
                async for change in changes:
                    assert isinstance(change, BalancesChanged)
                    seen.append(f"{change.kind} {','.join(change.assets)}")

            reading = asyncio.create_task(read())
            w.stream.move("USD", "1")
            w.stream.move("BTC", "1")
            await asyncio.sleep(1)
        await reading
        return seen

    assert run_virtual(main())[:2] == ["delta USD", "delta BTC"]


def test_a_slow_reader_is_told_how_many_changes_it_missed() -> None:
    async def main() -> None:
        changes = Changes(limit=3)
        for number in range(10):
            changes.put(BalancesChanged(broker="b", kind="delta", assets=(str(number),)))
        changes.close()
        assert [each async for each in changes] == [
            Lagged(broker="b", missed=7),
            *(BalancesChanged(broker="b", kind="delta", assets=(str(number),)) for number in (7, 8, 9)),
        ]

    run_virtual(main())


def test_a_reader_that_went_away_is_forgotten() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            changes = w.broker.changes()
            listeners = w.broker._backend.listeners
            assert len(listeners._iterators) == 1
            del changes
            gc.collect()
            assert len(listeners._iterators) == 0

    run_virtual(main())


def test_figures_that_only_age_are_told_as_a_change_of_state() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            told: list[BalancesChanged] = []
            w.broker.subscribe(told.append)
            w.stream.refuses = unreachable()
            w.client.failing["*"] = unreachable()
            w.stream.cut()
            await asyncio.sleep(60)
            assert [change.assets for change in told if change.kind == "state"] == [("USD", "BTC")]

    run_virtual(main())


# Waiting


def test_waiting_ends_at_its_bound_and_says_what_was_wrong() -> None:
    async def main() -> None:
        async with world() as w:
            w.client.failing["*"] = unreachable()
            with pytest.raises(NotReadyError) as caught:
                await w.broker.ready(timeout_s=5)
            assert w.clock.now_s() - 1000.0 == pytest.approx(5)
            assert "venue_not_loaded" in caught.value.checks
            assert "connection refused" in str(caught.value)

    run_virtual(main())


def test_an_unknown_state_to_wait_for_is_refused() -> None:
    async def main() -> None:
        async with world() as w:
            with pytest.raises(ValueError, match="no stream state 'alive'"):
                await w.broker.wait_until("alive")

    run_virtual(main())


def test_ready_needs_no_stream() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            status = await w.broker.ready()
            assert status.stream.state == "down"
            assert status.stream.reason == "not_wanted"

    run_virtual(main())


# The record


def test_explain_shows_the_figure_its_reasons_and_the_rows_behind_it() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.move("USD", "10", kind="deposit")
            found = await w.broker.explain("USD")
            assert found.balance == w.broker.balance("USD")
            assert found.lines[0].startswith("USD at acme-master is live")
            assert (found.balance.spendable or 0) < (found.balance.available or 0)
            assert found.balance.kept_back == 10
            (why,) = [line for line in found.lines if line.startswith("Kept back 10, ")]
            assert "pushed and is not yet confirmed by REST counts only once it is" in why
            assert [row.kind for row in found.rows] == ["delta", "snapshot"]
            assert '"cause":"deposit"' in found.rows[0].cause
            await w.broker.refresh()
            later = await w.broker.explain("USD")
            assert (later.balance.spendable == later.balance.available) is not any(
                "Kept back" in line for line in later.lines
            )
            unknown = await w.broker.explain("ETH")
            assert unknown.lines[-1] == "The journal holds no row of this asset."

    run_virtual(main())


def test_explain_names_a_floor_and_does_not_call_it_kept_back() -> None:
    async def main() -> None:
        async with world(settings={"floors": {"USD": "100"}}) as w:
            await w.broker.ready()
            found = await w.broker.explain("USD")
            assert "Reserved by us 0, floor 100; spendable 1000.25." in found.lines
            assert not any("Kept back" in line for line in found.lines)

    run_virtual(main())


def test_history_is_what_was_accepted_in_order() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            for _ in range(3):
                w.stream.move("USD", "1")
            rows = await w.broker.history(asset="USD")
            assert [row.total for row in rows] == ["1500.25", "1501.25", "1502.25", "1503.25"]
            after = await w.broker.history(asset="USD", after_seq=rows[1].seq or 0)
            assert [row.total for row in after] == ["1502.25", "1503.25"]

    run_virtual(main())


def test_a_hostile_decimal_context_of_the_bot_changes_no_figure() -> None:
    import decimal

    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            with decimal.localcontext() as context:
                context.prec = 2
                context.rounding = decimal.ROUND_UP
                context.traps[decimal.Inexact] = True
                w.stream.move("USD", "0.123456789012345678")
                assert w.broker.balance("USD").total == Decimal("1500.373456789012345678")

    run_virtual(main())


def test_events_carry_no_prose_and_no_secret() -> None:
    async def main() -> list[Event]:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.cut()
            await w.broker.wait_until("live")
            return w.events

    for event in run_virtual(main()):
        assert "c2VjcmV0" not in repr(event)
        assert "SIM-acme-master" not in repr(event)
    assert holdfast.BalancesChanged is BalancesChanged
