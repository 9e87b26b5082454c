"""
The book of one market: what the market maker offers, and between it the resting orders of accounts.

Better prices come first; at one price the account orders come before the maker, in the order of their arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from holdfast.core.amounts import add
from holdfast.simulators.core.markets import Market
from holdfast.simulators.core.orders import Order

__all__ = ["Offer", "OrderBook"]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something an order can be matched with: an account's order, or the maker where ``order_id`` is None.

    ``shown`` is what the public book shows of it.
    """

    price: Decimal
    quantity: Decimal
    shown: Decimal
    order_id: str | None


class OrderBook:
    """Resting account orders of one market, and the maker's levels behind them."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._resting: dict[str, dict[str, Offer]] = {"buy": {}, "sell": {}}

    def rest(self, order: Order) -> None:
        """Put an order into the book, or bring its entry up to date where it already rests there."""
        price = order.request.limit_price
        assert price is not None
        side = self._resting[order.request.side]
        previous = side.get(order.id)
        if previous is not None and previous.price != price:
            del side[order.id]  # A new price loses the place in the queue.
        remaining = order.remaining
        shown = order.request.display_quantity
        side[order.id] = Offer(
            price=price,
            quantity=remaining,
            shown=remaining if shown is None else min(shown, remaining),
            order_id=order.id,
        )

    def remove(self, order: Order) -> None:
        """Take an order out; nothing where it does not rest."""
        self._resting[order.request.side].pop(order.id, None)

    def offers(self, side: str) -> Iterator[Offer]:
        """Everything offered on *side*, best first: ``sell`` is what a buyer meets."""
        # Prices are compared and never negated: negating would round in the calling thread's decimal context.
        is_bid = side == "buy"
        levels = self.market.offers(side)
        level = next(levels, None)
        for own in self._queue(side):
            while level is not None and not _is_as_good(own.price, level.price, is_bid=is_bid):
                yield Offer(price=level.price, quantity=level.quantity, shown=level.quantity, order_id=None)
                level = next(levels, None)
            yield own
        while level is not None:
            yield Offer(price=level.price, quantity=level.quantity, shown=level.quantity, order_id=None)
            level = next(levels, None)

    def best(self, side: str) -> Offer | None:
        """The best offer on a side."""
        return next(self.offers(side), None)

    def levels(self, side: str, depth: int) -> list[tuple[Decimal, Decimal]]:
        """Price and summed quantity of at most *depth* prices, best first."""
        levels: list[tuple[Decimal, Decimal]] = []
        for offer in self.offers(side):
            if levels and levels[-1][0] == offer.price:
                levels[-1] = (offer.price, add(levels[-1][1], offer.shown))
            elif len(levels) == depth:
                break
            else:
                levels.append((offer.price, offer.shown))
        return levels

    def crossed_by_maker(self) -> list[str]:
        """Resting orders that the maker's best offer now reaches, best price first; it trades with them."""
        reached = []
        for side, other in (("buy", "sell"), ("sell", "buy")):
            queue = self._queue(side)
            best = next(self.market.offers(other), None) if queue else None
            for offer in queue if best is not None else ():
                if best is not None and offer.order_id and _is_as_good(offer.price, best.price, is_bid=side == "buy"):
                    reached.append(offer.order_id)
        return reached

    def _queue(self, side: str) -> list[Offer]:
        # The sort is stable, forwards and in reverse, so orders of one price keep the order of their arrival.
        return sorted(self._resting[side].values(), key=_price_of, reverse=side == "buy")


def _price_of(offer: Offer) -> Decimal:
    return offer.price


def _is_as_good(price: Decimal, other: Decimal, *, is_bid: bool) -> bool:
    return price >= other if is_bid else price <= other
