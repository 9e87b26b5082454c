"""Prices, liquidity and the book."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.simulators.core.markets import Market, MarketRules
from holdfast.simulators.core.orderbook import OrderBook
from holdfast.simulators.core.orders import Order, OrderRequest, OrderStatus

OPENED_US = 1_790_000_000_000_000
RULES = MarketRules(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    price_step=Decimal("0.1"),
    price_decimals=1,
    quantity_decimals=8,
    base_decimals=10,
    quote_decimals=4,
    start_price=Decimal("40000.0"),
    level_value=Decimal(5000),
)


def new_market(seed: int = 1, levels: int = 5) -> Market:
    return Market(RULES, seed=seed, opened_us=OPENED_US, levels=levels)


def resting(name: str, side: str, price: str, quantity: str = "1", shown: str | None = None) -> Order:
    request = OrderRequest(
        symbol="BTC-USD",
        side=side,
        quantity=Decimal(quantity),
        limit_price=Decimal(price),
        display_quantity=None if shown is None else Decimal(shown),
    )
    return Order(id=name, account="master", request=request, status=OrderStatus.OPEN, created_us=0, changed_us=0)


def test_offers_lie_around_the_price_best_first_and_on_the_step() -> None:
    market = new_market()
    asks, bids = [level.price for level in market.offers("sell")], [level.price for level in market.offers("buy")]
    assert len(asks) == len(bids) == 5
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < market.mid < asks[0]
    assert all(price % RULES.price_step == 0 for price in (*asks, *bids))


def test_price_near_zero_has_no_bids_below_it() -> None:
    market = new_market()
    market.move(Decimal("0.2"), at_us=OPENED_US + 1)
    assert [level.price for level in market.offers("buy")] == [Decimal("0.1")]


def test_taken_level_shrinks_disappears_and_comes_back() -> None:
    market = new_market()
    best = next(market.offers("sell"))
    market.take("sell", best.price, best.quantity / 4)
    assert next(market.offers("sell")).quantity == best.quantity * 3 / 4
    market.take("sell", best.price, best.quantity * 3 / 4)
    assert next(market.offers("sell")).price > best.price
    market.refill()
    assert next(market.offers("sell")) == best


def test_price_moves_to_the_nearest_step() -> None:
    market = new_market()
    assert market.move(Decimal("41000.04"), at_us=OPENED_US + 1) == Decimal("41000.0")
    assert market.price_at(OPENED_US) == Decimal("40000.0")
    assert market.price_at(OPENED_US + 1) == Decimal("41000.0")


def test_past_is_made_up_from_the_seed_and_stays_the_same() -> None:
    hours = [OPENED_US - hour * 3_600_000_000 for hour in range(200)]
    first, second, other = ([new_market(seed).price_at(at) for at in hours] for seed in (1, 1, 2))
    assert first == second != other
    assert first[0] == Decimal("40000.0")
    assert all(Decimal(36_000) < price < Decimal(44_000) for price in first)
    assert len(set(first)) > 150


def test_made_up_trades_end_at_the_opening_price() -> None:
    market = new_market()
    assert market.last == Decimal("40000.0")
    times = [trade.at_us for trade in market.trades]
    assert times == sorted(times)
    assert times[-1] < OPENED_US


def test_own_order_at_a_better_or_equal_price_comes_before_the_maker() -> None:
    book = OrderBook(new_market())
    best = next(book.market.offers("buy")).price
    for name, price in (("late", "39000.0"), ("first", str(best)), ("second", str(best)), ("better", "39999.9")):
        book.rest(resting(name, "buy", price))
    own = [offer.order_id for offer in book.offers("buy")]
    assert own[:4] == ["better", "first", "second", None]
    assert own[-1] == "late"


def test_changed_price_loses_the_place_in_the_queue_and_a_smaller_quantity_keeps_it() -> None:
    book = OrderBook(new_market())
    for name in ("first", "second"):
        book.rest(resting(name, "sell", "40000.1"))
    book.rest(resting("first", "sell", "40000.1", quantity="0.5"))
    assert [offer.order_id for offer in book.offers("sell")][:2] == ["first", "second"]
    book.rest(resting("first", "sell", "40000.2"))
    book.rest(resting("first", "sell", "40000.1"))
    assert [offer.order_id for offer in book.offers("sell")][:2] == ["second", "first"]


def test_levels_add_up_what_is_shown_at_one_price() -> None:
    book = OrderBook(new_market())
    book.rest(resting("whole", "buy", "39999.9", quantity="2"))
    book.rest(resting("iceberg", "buy", "39999.9", quantity="9", shown="0.5"))
    assert book.levels("buy", 1) == [(Decimal("39999.9"), Decimal("2.5"))]
    assert book.best("buy") == next(book.offers("buy"))
    book.remove(resting("whole", "buy", "39999.9"))
    book.remove(resting("whole", "buy", "39999.9"))
    assert book.levels("buy", 1) == [(Decimal("39999.9"), Decimal("0.5"))]


@pytest.mark.parametrize(("side", "price", "reached"), [("buy", "41000.0", True), ("buy", "39000.0", False)])
def test_maker_reaches_orders_at_its_own_price_or_better(side: str, price: str, reached: bool) -> None:
    book = OrderBook(new_market())
    book.rest(resting("order", side, price))
    assert book.crossed_by_maker() == (["order"] if reached else [])
