"""Orders and claims from synchronous code: the same answers, plain ``with`` blocks, and nothing left behind."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from decimal import Decimal

import pytest

import holdfast
from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from holdfast.core.verdicts import VerdictCode
from holdfast.errors import FundsShortError, HaltedError, OrderInputError, UnknownReservationError
from holdfast.runtime.blocking_broker import BlockingReservation
from holdfast.runtime.broker import Broker
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.reservation import Reservation
from holdfast.testing import FakeVenue, memory_config, memory_parts


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})


@pytest.fixture
def broker(venue: FakeVenue) -> Iterator[holdfast.BlockingBroker]:
    parts = memory_parts(clock=SystemClock(), venue=venue)
    with holdfast.open_blocking(memory_config(), parts=parts, contact="rest") as desk:
        desk.ready(timeout_s=10)
        yield desk["acme-master"]


def test_every_method_of_a_broker_has_a_blocking_form_with_the_same_parameters() -> None:
    for there, here in ((Broker, holdfast.BlockingBroker), (Reservation, BlockingReservation)):
        for name, method in vars(there).items():
            if name.startswith("_") or not inspect.isfunction(method):
                continue
            blocking = getattr(here, name, None)
            assert blocking is not None, f"{here.__name__} lacks {name}"
            ours = {key: (each.kind, each.default) for key, each in inspect.signature(blocking).parameters.items()}
            theirs = {key: (each.kind, each.default) for key, each in inspect.signature(method).parameters.items()}
            assert ours == theirs, name


def test_an_order_is_judged_placed_found_and_ended(broker: holdfast.BlockingBroker) -> None:
    verdict = broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="250")
    assert verdict.code is VerdictCode.APPROVED
    order = broker.place_limit_order("BTC-USD", "buy", "0.005", "30000", intent_id="bid")
    assert order.state is OrderState.OPEN
    assert [each.intent_id for each in broker.open_orders()] == ["bid"]
    assert [each.intent_id for each in broker.reservations()] == ["bid"]
    assert broker.reservation("bid").order_id == order.order_id
    assert broker.order("bid").order_id == order.order_id
    assert [each.intent_id for each in broker.orders()] == ["bid"]
    assert broker.resolution("bid", timeout_s=1).state is OrderState.OPEN
    broker.cancel_order(order)
    assert broker.ended("bid", timeout_s=10).state is OrderState.CANCELED
    assert broker.cancel_all_orders() == []


def test_a_denial_arrives_with_its_verdict_and_nothing_was_sent(
    broker: holdfast.BlockingBroker, venue: FakeVenue
) -> None:
    with pytest.raises(FundsShortError) as denied:
        broker.place_market_order("BTC-USD", "buy", quote_quantity="1000")
    assert denied.value.verdict.shortfall > 0
    with pytest.raises(OrderInputError):
        broker.place_market_order("BTC-USD", "buy", 0.01)  # type: ignore[arg-type]
    assert not broker.verify_balance("USD", "1000.01").is_approved
    assert broker.verify_balance("USD", 1000).is_approved
    assert venue.orders.placed == []


def test_a_claim_is_a_plain_with_block_and_is_gone_after_it(broker: holdfast.BlockingBroker) -> None:
    verdict = broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="900")
    with broker.reserve(verdict, intent_id="claim") as reservation:
        assert reservation.intent_id == "claim"
        assert (reservation.asset, reservation.amount) == ("USD", reservation.verdict.required)
        assert broker.balance("USD").reserved == reservation.amount
        with pytest.raises(FundsShortError), broker.reserve(verdict):
            pytest.fail("the money is claimed already")
    assert broker.balance("USD").reserved == 0
    assert broker.reservation("claim").state is ReservationState.RELEASED
    with pytest.raises(ZeroDivisionError), broker.reserve(verdict):
        _ = 1 / 0
    assert broker.balance("USD").reserved == 0


def test_an_order_on_a_claim_uses_it_and_leaving_the_block_does_not_release_it(
    broker: holdfast.BlockingBroker,
) -> None:
    verdict = broker.verify_balance_before_order("BTC-USD", "buy", "0.01", order_type="limit", price="30000")
    with broker.reserve(verdict) as reservation:
        order = broker.place_limit_order("BTC-USD", "buy", "0.01", "30000", reservation=reservation)
    assert order.intent_id == reservation.intent_id
    assert broker.reservation(str(order.intent_id)).state in (ReservationState.ACTIVE, ReservationState.COVERED)
    claimed = broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="50", reserve=True)
    assert claimed.is_reserved
    placed = broker.place_market_order("BTC-USD", "buy", quote_quantity="50", reservation=claimed)
    assert placed.intent_id == claimed.intent_id


def test_a_claim_can_be_released_by_its_id_once(broker: holdfast.BlockingBroker) -> None:
    verdict = broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="50", intent_id="a", reserve=True)
    assert broker.release_reservation("a").state is ReservationState.RELEASED
    with pytest.raises(holdfast.ReservationError):
        broker.release_reservation("a")
    with pytest.raises(UnknownReservationError):
        broker.release_reservation("never")
    assert verdict.required == broker.reservation("a").amount


def test_halted_and_active_again(broker: holdfast.BlockingBroker) -> None:
    broker.set_trading_state("halted", reason="a look")
    assert broker.status().trading_state is holdfast.TradingState.HALTED
    with pytest.raises(HaltedError):
        broker.place_market_order("BTC-USD", "sell", "0.001")
    broker.set_trading_state("active")
    sold = broker.close_position("BTC-USD", quantity="0.1", intent_id="out").order
    assert sold is not None
    assert sold.quantity == Decimal("0.1")
    assert broker.budgets() == {}


def test_worth_positions_products_names_and_candles_answer_without_await(
    venue: FakeVenue, broker: holdfast.BlockingBroker
) -> None:
    figure = broker.get_account_balance()
    assert figure.total == Decimal("1000") + Decimal("0.5") * Decimal("39999.9")
    detailed = broker.get_account_balance_detailed("BTC")
    assert detailed.quote == "BTC"
    assert {each.asset for each in detailed.assets} == {"BTC", "USD"}
    assert [position.asset for position in broker.get_positions()] == ["BTC"]
    assert "BTC-USD" in broker.get_all_products().symbols
    assert broker.normalize_symbol_for_broker("btc/usd").symbol == "BTC-USD"
    with pytest.raises(holdfast.UnsupportedSymbolError):
        broker.normalize_symbol_for_broker("BTC-BUSD")
    assert broker.get_candles("BTC-USD", "1m").candles == ()
    nothing = broker.close_position("SOL-USD")
    assert (nothing.order, nothing.code) == (None, "nothing")
