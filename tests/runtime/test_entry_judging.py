"""Judging with the facts of the moment: what is asked of the venue for it, and what each fact denies."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.asking import parse_ask
from holdfast.core.instruments import InstrumentStatus
from holdfast.core.venue import VenueMode, VenueStatus
from holdfast.errors import (
    CredentialParkedError,
    DeniedError,
    FundsShortError,
    NotReadyError,
    OrderRuleError,
)
from holdfast.testing import MemoryLane, run_virtual
from tests.runtime.entry_rig import D, Trade, trading

BUY: dict[str, Any] = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.01", "order_type": "limit", "price": "40000"}


async def code(t: Trade, **changes: Any) -> str:
    """The code of the verdict on a limit buy of 0.01 BTC at 40,000, changed as told."""
    asked = {**BUY, **changes}
    return (await t.broker.verify_balance_before_order(**asked)).code.value


def set_mode(t: Trade, mode: VenueMode) -> None:
    t.entry.account.venue_changed(VenueStatus(mode=mode, as_of_s=t.clock.now_s()))


def set_rules(t: Trade, **changes: Any) -> None:
    t.orders.instruments["BTC-USD"] = msgspec.structs.replace(t.orders.instruments["BTC-USD"], **changes)


# The verdict


def test_a_verdict_tells_all_of_its_arithmetic_and_claims_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order(**BUY)
            assert verdict.is_approved
            assert (verdict.notional, verdict.fee, verdict.buffer) == (D("400"), D("1.6"), D("8"))
            assert (verdict.required, verdict.spendable, verdict.shortfall) == (D("409.6"), D("1000"), D("0"))
            assert (verdict.state, verdict.fee_source) == ("live", "account")
            assert verdict.largest_affordable == D("0.02441406")
            assert not verdict.is_reserved
            assert t.reserved() == 0
            assert t.broker.reservations() == []
            (told,) = t.said("verdict.given")
            assert (told["code"], told["required"], told["spendable"]) == ("approved", "409.60000", "1000")
            assert told["arithmetic"] == verdict.arithmetic

    run_virtual(main())


def test_a_denied_verdict_is_returned_and_not_raised() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order(**{**BUY, "quantity": "1"})
            assert verdict.code == "funds_short"
            assert verdict.shortfall == D("39960")

    run_virtual(main())


def test_the_largest_affordable_order_is_affordable_and_one_step_more_is_not() -> None:
    async def main() -> None:
        async with trading() as t:
            largest = (await t.broker.verify_balance_before_order(**BUY)).largest_affordable
            assert largest is not None
            assert await code(t, quantity=largest) == "approved"
            assert await code(t, quantity=largest + D("0.00000001")) == "funds_short"

    run_virtual(main())


def test_a_plain_amount_is_asked_without_fee_or_buffer() -> None:
    async def main() -> None:
        async with trading() as t:
            assert t.broker.verify_balance("USD", "1000").code == "approved"
            assert t.broker.verify_balance("USD", "1000.00000001").code == "funds_short"
            assert t.broker.verify_balance("EUR", 0).code == "approved"
            assert t.broker.verify_balance("EUR", "0.01").code == "funds_short"

    run_virtual(main())


def test_what_is_claimed_by_others_is_not_promised_twice() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order(**BUY, intent_id="a", reserve=True)
            assert verdict.is_reserved
            assert await code(t, quantity="0.015") == "funds_short"
            assert t.broker.verify_balance("USD", "590.4").code == "approved"
            assert t.broker.verify_balance("USD", "590.5").code == "funds_short"

    run_virtual(main())


def test_sixty_four_tasks_that_ask_at_once_for_room_for_one_get_one() -> None:
    async def main() -> int:
        async with trading() as t:
            asked = [t.buy(f"i{number}", quantity="0.0224") for number in range(64)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(each, FundsShortError) or not isinstance(each, Exception) for each in found)
            assert len(t.sent) == len(t.orders.placed) == 1
            return sum(not isinstance(each, BaseException) for each in found)

    for seed in range(5):
        assert run_virtual(main(), seed=seed) == 1


# Prices and fees


def test_a_market_buy_by_quantity_is_estimated_beyond_a_fresh_offer_and_says_so() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.01")
            assert (verdict.price, verdict.price_source) == (D("40400"), "ticker")
            assert verdict.price_age_s is not None
            assert verdict.price_age_s < 1
            assert "~40400" in verdict.arithmetic

    run_virtual(main())


def test_without_a_price_a_market_buy_by_quantity_is_denied_and_one_by_worth_is_not() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.failing["tickers"] = t.venue.lost("tickers", "acme-master")
            with pytest.raises(NotReadyError) as caught:
                await t.broker.place_market_order("BTC-USD", "buy", "0.01")
            assert caught.value.verdict.code == "price_unknown"
            assert t.sent == []
            order = await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="100")
            assert order.state == "filled"

    run_virtual(main())


def test_a_price_is_asked_again_once_it_is_half_as_old_as_it_may_be() -> None:
    async def main() -> None:
        async with trading() as t:
            for _ in range(3):
                await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001")
            assert len(t.asked("tickers")) == 1
            await asyncio.sleep(3)
            await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001")
            assert len(t.asked("tickers")) == 2

    run_virtual(main())


def test_a_stale_price_estimates_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001")
            t.client.failing["tickers"] = t.venue.lost("tickers", "acme-master")
            await asyncio.sleep(5.5)
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001")
            assert verdict.code == "price_unknown"

    run_virtual(main())


def test_a_venue_that_is_slow_with_prices_holds_nobody_up_for_long() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.latency_s = 60.0
            began_s = t.clock.now_s()
            assert await code(t, order_type="market", price=None) == "price_unknown"
            assert t.clock.now_s() - began_s <= 2.1

    run_virtual(main())


def test_an_exit_waits_for_no_price_and_no_fee() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.latency_s = 60.0
            began_s = t.clock.now_s()
            order = await t.broker.place_market_order("BTC-USD", "sell", "0.1")
            assert order.state == "filled"
            assert t.clock.now_s() - began_s < 1

    run_virtual(main())


def test_the_accounts_own_rate_is_asked_once_and_everybody_waits_for_it() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.rates["BTC-USD"] = ("0.001", "0.0005")
            verdicts = await asyncio.gather(*(t.broker.verify_balance_before_order(**BUY) for _ in range(8)))
            assert {verdict.fee for verdict in verdicts} == {D("0.4")}
            assert {verdict.fee_source for verdict in verdicts} == {"account"}
            assert len(t.asked("fee_rates")) == 1
            await asyncio.sleep(3500)
            await t.broker.verify_balance_before_order(**BUY)
            assert len(t.asked("fee_rates")) == 1
            await asyncio.sleep(200)
            await t.broker.verify_balance_before_order(**BUY)
            assert len(t.asked("fee_rates")) == 2

    run_virtual(main())


def test_without_the_accounts_rate_the_dearest_counts_and_it_is_asked_again_later() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.failing["fee_rates"] = t.venue.lost("fee_rates", "acme-master")
            for _ in range(3):
                verdict = await t.broker.verify_balance_before_order(**BUY)
                assert (verdict.fee, verdict.fee_source) == (D("1.6"), "lowest_tier")
            assert len(t.asked("fee_rates")) == 1
            await asyncio.sleep(61)
            t.client.failing.clear()
            assert (await t.broker.verify_balance_before_order(**BUY)).fee_source == "account"

    run_virtual(main())


def test_a_rate_that_was_not_told_again_for_hours_gives_way_to_the_dearest() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.rates["BTC-USD"] = ("0.001", "0.0005")
            assert (await t.broker.verify_balance_before_order(**BUY)).fee == D("0.4")
            t.client.failing["fee_rates"] = t.venue.lost("fee_rates", "acme-master")
            await asyncio.sleep(3700)
            assert (await t.broker.verify_balance_before_order(**BUY)).fee == D("0.4")
            await asyncio.sleep(3700)
            verdict = await t.broker.verify_balance_before_order(**BUY)
            assert (verdict.fee, verdict.fee_source) == (D("1.6"), "lowest_tier")

    run_virtual(main())


def test_a_rate_that_rose_is_counted_for_a_claim_that_was_made_before() -> None:
    """What an order of a claim needs once it rests is worked out with the rate of the order, not of the claim."""

    async def main() -> None:
        async with trading(orders={"unsent_ttl_s": 3600 * 2 - 1}) as t:
            t.orders.rates["BTC-USD"] = ("0.001", "0.0005")
            verdict = await t.broker.verify_balance_before_order(**BUY, reserve=True, intent_id="a")
            assert verdict.required == D("408.4")
            t.orders.rates["BTC-USD"] = ("0.01", "0.005")
            await asyncio.sleep(3601)
            await t.buy("a", reservation=verdict)
            assert t.reserved() == D("4")  # 400 held, and the worst fee of now.

    run_virtual(main())


# The instrument and the venue


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"quantity": "0.00009999"}, "quantity_minimum"),
        ({"quantity": "0.000000001"}, "quantity_step"),
        ({"price": "40000.05"}, "price_step"),
        ({"quantity": "0.0001", "price": "4000"}, "cost_minimum"),
        ({"symbol": "DOGE-USD"}, "instrument_unknown"),
        ({"symbol": "BTC-XYZ"}, "instrument_unknown"),
    ],
)
def test_an_order_the_instrument_does_not_take_is_denied_by_its_rule_and_sends_nothing(
    changes: dict[str, str], expected: str
) -> None:
    async def main() -> None:
        async with trading() as t:
            assert await code(t, **changes) == expected
            order: dict[str, Any] = {
                "symbol": "BTC-USD",
                "side": "buy",
                "quantity": "0.01",
                "price": "40000",
                **changes,
            }
            with pytest.raises(OrderRuleError) as caught:
                await t.broker.place_limit_order(**order)
            assert caught.value.verdict.code == expected
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


@pytest.mark.parametrize(
    ("mode", "limit", "post_only", "market", "sell"),
    [
        (VenueMode.ONLINE, "approved", "approved", "approved", "approved"),
        (VenueMode.POST_ONLY, "post_only", "approved", "post_only", "post_only"),
        (VenueMode.LIMIT_ONLY, "approved", "approved", "limit_only", "limit_only"),
        (VenueMode.CANCEL_ONLY, "venue_closed", "venue_closed", "venue_closed", "venue_closed"),
        (VenueMode.MAINTENANCE, "venue_closed", "venue_closed", "venue_closed", "venue_closed"),
    ],
)
def test_each_mode_of_the_venue_takes_what_it_takes(
    mode: VenueMode, limit: str, post_only: str, market: str, sell: str
) -> None:
    async def main() -> None:
        async with trading() as t:
            set_mode(t, mode)
            assert await code(t) == limit
            assert await code(t, post_only=True) == post_only
            assert await code(t, order_type="market", price=None, quantity=None, quote_quantity="50") == market
            assert await code(t, order_type="market", price=None, side="sell") == sell

    run_virtual(main())


@pytest.mark.parametrize("mode", [VenueMode.CANCEL_ONLY, VenueMode.POST_ONLY])
def test_cancels_go_through_whatever_the_venue_takes(mode: VenueMode) -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            set_mode(t, mode)
            assert (await t.broker.cancel_order("a")).state == "canceled"

    run_virtual(main())


@pytest.mark.parametrize(
    ("status", "buy", "sell"),
    [
        (InstrumentStatus.ONLINE, "approved", "approved"),
        (InstrumentStatus.POST_ONLY, "post_only", "post_only"),
        (InstrumentStatus.LIMIT_ONLY, "approved", "limit_only"),
        (InstrumentStatus.REDUCE_ONLY, "reduce_only", "approved"),
        (InstrumentStatus.CANCEL_ONLY, "instrument_closed", "instrument_closed"),
    ],
)
def test_each_status_of_the_instrument_takes_what_it_takes(status: InstrumentStatus, buy: str, sell: str) -> None:
    async def main() -> None:
        async with trading() as t:
            set_rules(t, status=status)
            assert await code(t) == buy
            assert await code(t, side="sell", order_type="market", price=None) == sell

    run_virtual(main())


def test_an_instrument_that_was_closed_is_asked_for_again_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trading() as t:
            assert await code(t) == "approved"  # Read just now: while it is online that lasts for a minute.
            asked: list[float] = []

            async def reopened(symbol: str) -> None:
                asked.append(t.clock.now_s())
                set_rules(t, status=InstrumentStatus.ONLINE)

            monkeypatch.setattr(t.client, "refresh_instrument", reopened)
            await asyncio.sleep(10)
            assert await code(t) == "approved"
            assert asked == []
            set_rules(t, status=InstrumentStatus.CANCEL_ONLY)
            assert await code(t, side="sell", order_type="market", price=None) == "approved"
            assert len(asked) == 1

    run_virtual(main())


def test_a_parked_credential_denies_what_needs_a_signature_and_nothing_else() -> None:
    async def main() -> None:
        async with trading() as t:
            lane = t.client._lane
            assert isinstance(lane, MemoryLane)
            lane.park("invalid_nonce", for_s=None)
            assert (await t.buy("a")).state == "open"  # The stream needs none.
            t.stream.takes_orders = False
            with pytest.raises(CredentialParkedError) as caught:
                await t.buy("b")
            assert caught.value.cause == "invalid_nonce"
            assert t.client.sent == []

    run_virtual(main())


# Limits of ours


def test_the_largest_order_is_a_bound_on_worth() -> None:
    async def main() -> None:
        async with trading(orders={"largest_order": {"USD": "400"}}) as t:
            assert await code(t) == "approved"
            assert await code(t, quantity="0.0101") == "order_too_large"
            assert (
                await code(t, order_type="market", price=None, quantity=None, quote_quantity="401") == "order_too_large"
            )

    run_virtual(main())


def test_the_collar_keeps_limits_near_the_market_on_the_side_that_costs_us() -> None:
    async def main() -> None:
        async with trading(orders={"price_collar": "0.05"}) as t:
            assert await code(t, price="42000", quantity="0.001") == "approved"
            assert await code(t, price="42000.1", quantity="0.001") == "price_collar"
            assert await code(t, price="100", quantity="0.01") == "approved"
            assert await code(t, side="sell", price="37000", quantity="0.001") == "price_collar"
            t.client.failing["tickers"] = t.venue.lost("tickers", "acme-master")
            await asyncio.sleep(6)
            assert await code(t) == "price_unknown"

    run_virtual(main())


def test_the_buffer_may_be_set_for_each_kind_of_order_and_exits_have_none() -> None:
    async def main() -> None:
        async with trading(orders={"buffer_limit": "0.01", "buffer_market": "0.1"}) as t:
            limit = await t.broker.verify_balance_before_order(**BUY)
            market = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="100")
            out = await t.broker.verify_balance_before_order("BTC-USD", "sell", "0.5")
            assert (limit.buffer, market.buffer, out.buffer) == (D("4"), D("10"), D("0"))
            assert out.is_approved
            assert out.is_exit

    run_virtual(main())


# Who judges late


def test_a_request_older_than_its_own_validity_is_not_judged() -> None:
    async def main() -> None:
        async with trading() as t:
            ask = parse_ask("BTC-USD", "buy", quantity="0.01", order_type="limit", price="40000")
            late_s = t.clock.now_s() - 0.001
            with pytest.raises(DeniedError, match="older than its validity"):
                await t.broker._backend.place(ask, intent_id="a", is_reserved=False, valid_until_s=late_s)
            with pytest.raises(DeniedError, match="older than its validity"):
                await t.broker._backend.verify(ask, intent_id="a", reserve=True, ttl_s=None, valid_until_s=late_s)
            assert t.reserved() == 0
            assert t.sent == []

    run_virtual(main())
