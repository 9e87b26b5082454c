"""
What an order claims of its account: enough for its cost and fee at the worst, rounded against it.

The claim is what the venue counts when it judges whether another order is funded. What it shows as held may be less.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from holdfast.core.amounts import ZERO, add, exact, round_up
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.host import EngineHost, EnginePolicy
from holdfast.simulators.core.margin import MarginBook
from holdfast.simulators.core.markets import Market
from holdfast.simulators.core.orderbook import OrderBook
from holdfast.simulators.core.orders import Order, OrderRequest

__all__ = ["Claims", "MarginShortError", "ShortOfFundsError"]


class ShortOfFundsError(Exception):
    """The account cannot fund the order."""

    def __init__(self, *, asset: str, needed: Decimal, free: Decimal) -> None:
        super().__init__(f"need {needed} {asset}, free {free}")
        self.asset = asset
        self.needed = needed
        self.free = free


class MarginShortError(Exception):
    """The account's equity does not carry the position."""


class Claims:
    """Computes claims, and judges whether they are funded."""

    def __init__(
        self,
        host: EngineHost,
        *,
        markets: Mapping[str, Market],
        books: Mapping[str, OrderBook],
        policy: EnginePolicy,
        margin: MarginBook,
    ) -> None:
        self._host = host
        self._markets = markets
        self._books = books
        self._policy = policy
        self._margin = margin

    def adopt(self, policy: EnginePolicy) -> None:
        """Go by another policy from now on."""
        self._policy = policy

    def funded(self, account: Account, order: Order, *, but_for: Order | None = None) -> Order:
        """
        The order with what it will claim; what *but_for* claims so far counts as free.

        Raises:
            ShortOfFundsError: The account has less than that free.
            MarginShortError: It does not carry the position.
        """
        request = order.request
        if request.leverage is not None:
            if not self._margin.can_carry(account, request, self._markets[request.symbol]):
                raise MarginShortError
            return order
        asset, hold, claim = self.needed(account, order)
        free = account.free(asset)
        if but_for is not None and but_for.hold_asset == asset:
            free = add(free, but_for.claim)
        if claim > free:
            raise ShortOfFundsError(asset=asset, needed=claim, free=free)
        return msgspec.structs.replace(order, hold_asset=asset, hold=hold, claim=claim)

    def left(self, account: Account, order: Order) -> Order:
        """The order with the claim that what is left of it still needs, never more than before."""
        _, hold, claim = self.needed(account, order)
        return msgspec.structs.replace(order, hold=min(hold, order.hold), claim=min(claim, order.claim))

    def needed(self, account: Account, order: Order) -> tuple[str, Decimal, Decimal]:
        """Asset, what the venue shows as held, and what it counts, for what is left of an order."""
        request = order.request
        rules = self._markets[request.symbol].rules
        if request.trigger is not None and not order.is_triggered and not self._policy.do_untriggered_stops_hold:
            return (rules.quote if request.side == "buy" else rules.base), ZERO, ZERO
        if request.side == "sell":
            return rules.base, order.remaining, order.remaining
        rate = ZERO if request.is_fee_in_base else self._host.fee_rate(account, is_maker=False)
        price = request.limit_price
        if price is None and request.trigger is not None and not order.is_triggered:
            price = request.trigger.price
        with exact():
            if request.quote_quantity is not None:
                notional = request.quote_quantity - order.cost
            elif price is not None:
                notional = round_up(order.remaining * price, places=rules.quote_decimals)
            else:
                notional = self._walk(request, order.remaining)
            claim = notional + round_up(notional * rate, places=rules.quote_decimals)
            if self._policy.claim_coarser:
                places = max(0, rules.quote_decimals - self._policy.claim_coarser)
                notional, claim = round_up(notional, places=places), round_up(claim, places=places)
        return rules.quote, claim if self._policy.does_hold_include_fee else notional, claim

    def _walk(self, request: OrderRequest, quantity: Decimal) -> Decimal:
        """What a market buy of *quantity* would cost now."""
        decimals = self._markets[request.symbol].rules.quote_decimals
        cost = ZERO
        with exact():
            for offer in self._books[request.symbol].offers("sell"):
                part = min(offer.quantity, quantity)
                cost += round_up(part * offer.price, places=decimals)
                quantity -= part
                if not quantity:
                    break
        return cost
