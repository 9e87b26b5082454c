"""What others do to the account: their orders are seen, and money that goes from under a claim is told and denied."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.balances import OpenOrder, Side
from holdfast.core.verdicts import Verdict
from holdfast.errors import BalanceStaleError, DeniedError, FundsShortError, OutcomeUnknownError
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, Trade, trading


def manual(order_id: str = "M1", *, quantity: str = "0.01", price: str = "40000") -> OpenOrder:
    """A buy that somebody placed on the venue's own page."""
    return OpenOrder(
        order_id=order_id,
        client_order_id=None,
        symbol="BTC-USD",
        side=Side.BUY,
        order_type="limit",
        quantity=D(quantity),
        filled=D(0),
        limit_price=D(price),
        hold_asset="USD",
        hold=D(quantity) * D(price),
        cost=D(0),
        fee=D(0),
    )


async def reserved(t: Trade, intent_id: str = "a", *, quantity: str = "0.01") -> Verdict:
    verdict = await t.broker.verify_balance_before_order(
        "BTC-USD", "buy", quantity, order_type="limit", price="40000", intent_id=intent_id, reserve=True
    )
    assert verdict.is_reserved
    return verdict


# Money that goes


def test_money_that_goes_from_under_a_claim_is_told_kept_and_denied() -> None:
    async def main() -> None:
        async with trading() as t:
            await reserved(t)
            t.stream.move("USD", "1", kind="deposit")
            t.stream.move("USD", "-801", kind="withdrawal")
            await asyncio.sleep(1)
            (told,) = t.said("reservations.uncovered")
            assert (told["asset"], told["reserved"], told["left"]) == ("USD", "409.60000", "200")
            rows = [row.cause for row in await t.broker.history() if row.kind == "discrepancy"]
            assert len(rows) == 1
            assert "reservations_uncovered" in rows[0]
            assert "409.6" in rows[0]
            assert t.spendable() == 0
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="50")
            assert verdict.code == "funds_short"
            # It stands, and is not told over and over.
            t.stream.move("USD", "-1", kind="withdrawal")
            await asyncio.sleep(20)
            assert len(t.said("reservations.uncovered")) == 1

    run_virtual(main())


def test_money_that_is_gone_for_a_moment_only_is_no_alarm() -> None:
    """The legs of one transfer come one after the other."""

    async def main() -> None:
        async with trading() as t:
            await reserved(t)
            t.stream.move("USD", "-800", kind="transfer")
            await asyncio.sleep(0.3)
            t.stream.move("USD", "800", kind="transfer")
            await asyncio.sleep(10)
            assert t.said("reservations.uncovered") == []

    run_virtual(main())


def test_an_order_in_doubt_whose_money_is_gone_is_told_of() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            t.stream.move("USD", "-800", kind="withdrawal")
            await asyncio.sleep(1)
            assert len(t.said("reservations.uncovered")) == 1
            assert t.at("a") == "in_doubt, in_doubt"

    run_virtual(main())


def test_an_order_on_a_claim_that_is_not_covered_any_more_is_denied_and_sends_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await reserved(t)
            t.stream.move("USD", "-800", kind="withdrawal")
            with pytest.raises(FundsShortError):
                await t.buy(reservation=verdict)
            assert t.sent == []
            assert t.reserved() == 0
            assert (await t.broker.reservation("a")).cause == "funds_short"

    run_virtual(main())


def test_what_comes_back_is_told_once_and_may_be_promised_again() -> None:
    async def main() -> None:
        async with trading() as t:
            await reserved(t)
            t.stream.move("USD", "-800", kind="withdrawal")
            await asyncio.sleep(1)
            t.stream.move("USD", "500", kind="deposit")
            assert len(t.said("reservations.recovered")) == 1
            t.stream.move("USD", "500", kind="deposit")
            assert len(t.said("reservations.recovered")) == 1
            await asyncio.sleep(1)
            await t.broker.refresh()
            assert t.spendable() == D("1200") - D("409.6")

    run_virtual(main())


def test_a_claim_that_ends_leaves_nothing_uncovered() -> None:
    async def main() -> None:
        async with trading() as t:
            await reserved(t)
            t.stream.move("USD", "-800", kind="withdrawal")
            await asyncio.sleep(1)
            await t.broker.release_reservation("a")
            assert len(t.said("reservations.recovered")) == 1
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="150")
            assert verdict.is_approved

    run_virtual(main())


def test_without_a_stream_a_missing_amount_is_noticed_by_the_next_read_and_its_lag() -> None:
    async def main() -> None:
        async with trading(contact="rest", orders={"unsent_ttl_s": 600}) as t:
            await reserved(t)
            t.venue.truth["USD"] = ("200", "0")
            await asyncio.sleep(30 + t.entry.rest_lag_s)
            assert len(t.said("reservations.uncovered")) == 1

    run_virtual(main())


@pytest.mark.parametrize("quantity", ["0.01", "0.015", "0.02", "0.024"])
@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_an_order_of_ours_of_any_size_is_no_alarm(quantity: str, contact: str) -> None:
    """Its hold and its claim change places in one step: money is never taken for gone meanwhile."""

    async def main() -> None:
        async with trading(contact=contact) as t:  # type: ignore[arg-type]
            await t.buy("a", quantity=quantity)
            await asyncio.sleep(100)
            t.orders.fill("O1", quantity=D(quantity) / 2)
            await asyncio.sleep(100)
            t.orders.end("O1")
            await asyncio.sleep(100)
            assert t.said("reservations.uncovered") == []
            assert t.reserved() == 0

    run_virtual(main())


def test_a_market_order_for_nearly_everything_is_no_alarm() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="970")
            await t.broker.place_market_order("BTC-USD", "sell", "0.5")
            await asyncio.sleep(100)
            assert t.said("reservations.uncovered") == []

    run_virtual(main())


def test_no_discrepancy_is_kept_for_an_order_of_ours() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a", quantity="0.02")
            t.orders.fill("O1")
            await asyncio.sleep(100)
            assert await t.journal("discrepancy") == []

    run_virtual(main())


# Orders of others


def test_an_order_that_somebody_else_placed_is_seen_told_once_and_its_money_is_not_spent() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.add_external(manual())
            (told,) = t.said("order.external")
            assert (told["order_id"], told["symbol"], told["side"]) == ("M1", "BTC-USD", "buy")
            (shown,) = t.broker.open_orders()
            assert (shown.order_id, shown.intent_id, shown.state) == ("M1", None, "open")
            assert t.spendable() <= D("600")
            t.orders.fill("M1", quantity=D("0.005"))
            assert len(t.said("order.external")) == 1
            t.orders.end("M1")
            assert t.broker.open_orders() == []
            assert t.reserved() == 0

    run_virtual(main())


def test_an_order_of_others_is_shown_beside_ours_whatever_state_ours_is_in() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.add_external(manual(quantity="0.001"))
            t.stream.outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            assert {order.order_id for order in t.broker.open_orders()} == {None, "M1"}

    run_virtual(main())


def test_a_sale_by_hand_is_followed_and_an_exit_beyond_what_is_left_is_denied() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.move("BTC", "-0.4", kind="trade")
            with pytest.raises(FundsShortError):
                await t.broker.place_market_order("BTC-USD", "sell", "0.2")
            assert (await t.broker.place_market_order("BTC-USD", "sell", "0.1")).state == "filled"

    run_virtual(main())


def test_figures_that_nobody_confirms_any_more_deny_buys_and_let_exits_out() -> None:
    async def main() -> None:
        async with trading() as t:
            t.venue.truth["BTC"] = ("0.5", "0")
            t.stream.is_silent = True
            t.client.failing["BalanceEx"] = t.client.failing["Balance"] = t.venue.lost("BalanceEx", "acme-master")
            await asyncio.sleep(400)
            with pytest.raises(BalanceStaleError):
                await t.buy("a")
            order = await t.broker.place_market_order("BTC-USD", "sell", "0.1", intent_id="out")
            assert order.state in ("open", "filled")
            (said,) = [each for each in t.said("verdict.given") if each["intent_id"] == "out"]
            assert said["code"] == "approved_unverified"

    run_virtual(main())


def test_what_was_never_confirmed_lets_nothing_out() -> None:
    async def main() -> None:
        async with trading(is_ready=False, contact="rest") as t:
            t.client.failing["BalanceEx"] = t.client.failing["Balance"] = t.venue.lost("BalanceEx", "acme-master")
            await asyncio.sleep(5)
            with pytest.raises(DeniedError) as caught:
                await t.broker.place_market_order("BTC-USD", "sell", "0.1")
            assert caught.value.verdict.code == "balance_unknown"
            with pytest.raises(DeniedError) as caught:
                await t.broker.close_position("BTC-USD")
            assert caught.value.verdict.code == "balance_unknown"
            assert t.client.sent == []

    run_virtual(main())
