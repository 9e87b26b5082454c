"""
The matching engine of a simulated venue: what happens to an order from its acceptance to its end.

Everything here is synchronous and in one order: an order's claim on funds changes before its fill is posted, its
fill before the listener hears of it. The engine knows assets and markets; which rows of which ledger an asset lives in,
and what words the venue has for it all, is the venue's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, add, exact, round_down, subtract
from holdfast.core.assets import AssetCode
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide, multiply
from holdfast.simulators.core.claims import Claims, ShortOfFundsError
from holdfast.simulators.core.host import EngineHost, EnginePolicy, Leg
from holdfast.simulators.core.lazily import Lazily
from holdfast.simulators.core.margin import MarginBook
from holdfast.simulators.core.markets import Market, MarketRules, PublicTrade
from holdfast.simulators.core.orderbook import Offer, OrderBook
from holdfast.simulators.core.orders import (
    Change,
    Fill,
    Order,
    OrderRequest,
    OrderStatus,
    SelfTrade,
    TimeInForce,
)
from holdfast.simulators.core.seam import Timers

__all__ = ["Engine", "WouldTakeError"]


class WouldTakeError(Exception):
    """An amend would make a post-only order take."""


class Engine:
    """
    Orders of every account on every market.

    Args:
        host: The venue.
        markets: By symbol.
        timers: For expiry and for liquidity that comes back.
        policy: What this venue does its own way.
    """

    def __init__(
        self,
        host: EngineHost,
        *,
        markets: Mapping[str, Market],
        timers: Timers,
        policy: EnginePolicy,
    ) -> None:
        self.markets = markets
        self.books: Lazily[OrderBook] = Lazily(lambda symbol: OrderBook(markets[symbol]))
        self._host = host
        self._timers = timers
        self._policy = policy
        self._waiting: dict[str, dict[str, str]] = {}  # Market to untriggered orders and their accounts.
        self._refills: set[str] = set()
        self.margin = MarginBook()
        self._claims = Claims(host, markets=markets, books=self.books, policy=policy, margin=self.margin)

    def adopt(self, policy: EnginePolicy) -> None:
        """Go by another policy from now on; what is claimed already stays as it is."""
        self._policy = policy
        self._claims.adopt(policy)

    # Orders in

    def check_funds(self, account: Account, request: OrderRequest, *, but_for: Order | None = None) -> None:
        """
        Whether the account can fund an order like this now; what *but_for* claims counts as free.

        Raises:
            ShortOfFundsError: It cannot.
            MarginShortError: Nor on margin.
        """
        self._claims.funded(account, self._draft(account, request), but_for=but_for)

    def takes(self, request: OrderRequest) -> bool:
        """Whether an order like this would match something at once."""
        return self._takes(request)

    def place(self, account: Account, request: OrderRequest) -> Order:
        """
        Accept an order and do with it what it asks for; returns its state afterwards.

        Raises:
            ShortOfFundsError: The account cannot fund it; nothing happened.
            MarginShortError: Nor on margin.
        """
        order = self._claims.funded(account, self._draft(account, request))
        self._store(account, order)
        self._host.order_changed(order, Change.ACCEPTED, None)
        if request.expires_us is not None:
            self._at(request.expires_us, self.expire, account, order.id)
        if order.status is OrderStatus.PENDING:
            assert request.starts_us is not None
            self._at(request.starts_us, self._start_due, account, order.id)
            return order
        return self._go_live(account, order)

    def refuse_after_acceptance(self, account: Account, request: OrderRequest) -> Order:
        """Accept an order that cannot be funded and cancel it at once, as some venues do."""
        order = self._draft(account, request)
        self._store(account, order)
        self._host.order_changed(order, Change.ACCEPTED, None)
        return self._end(account, order, OrderStatus.CANCELED, self._policy.short_reason)

    def cancel(self, account: Account, order_id: str, *, reason: str | None = None) -> Order | None:
        """Cancel an open order; None where there is none of this id."""
        order = account.orders.open.get(order_id)
        if order is None:
            return None
        return self._end(account, order, OrderStatus.CANCELED, reason or self._policy.user_reason)

    def expire(self, account: Account, order_id: str, *, reason: str | None = None) -> Order | None:
        """Let an open order expire; None where there is none of this id."""
        order = account.orders.open.get(order_id)
        if order is None:
            return None
        return self._end(account, order, OrderStatus.EXPIRED, reason or self._policy.expired_reason)

    def mark_cancel_pending(self, account: Account, order_id: str) -> None:
        """Remember that a cancel of this order is on its way."""
        order = account.orders.open[order_id]
        self._store(account, msgspec.structs.replace(order, is_cancel_pending=True))

    def amend(
        self, account: Account, order: Order, request: OrderRequest, *, is_post_only: bool | None = None
    ) -> Order:
        """
        Change an open order in place; a quantity at or below what is filled cancels the rest.

        Raises:
            ShortOfFundsError: The account cannot fund the change; the order stands as it was.
            WouldTakeError: It would take although it is post-only; likewise.
        """
        if request.quantity is not None and request.quantity <= order.filled:
            return self._end(account, order, OrderStatus.CANCELED, self._policy.user_reason)
        would_rest = request.limit_price is not None and (request.trigger is None or order.is_triggered)
        if would_rest and (is_post_only or request.is_post_only) and self._takes(request):
            raise WouldTakeError
        changed = msgspec.structs.replace(order, request=request, is_amended=True, changed_us=self._host.now_us())
        changed = self._claims.funded(account, changed, but_for=order)
        self._store(account, changed)
        self._host.order_changed(changed, Change.AMENDED, None)
        if changed.rests:
            book = self.books[request.symbol]
            if self._takes(request):
                book.remove(changed)
                return self._match(account, changed)
            book.rest(changed)
            self._changed(request.symbol)
        elif request.trigger is not None and not changed.is_triggered:
            self._set_off(request.symbol)
        return account.orders.get(changed.id) or changed

    # Prices

    def move_price(self, symbol: str, price: Decimal) -> Decimal:
        """Move a market; fills what the maker now reaches and sets off what waited for the price."""
        market = self.markets[symbol]
        at_us = self._host.now_us()
        before = market.mid
        mid = market.move(price, at_us=at_us)
        self._sweep(symbol)
        quantity = divide(market.rules.level_value, multiply(Decimal(50), mid), places=market.rules.quantity_decimals)
        self._print(market, mid, quantity, side="buy" if mid >= before else "sell", kind="market")
        self._changed(symbol)
        self._set_off(symbol)
        return mid

    def fill_resting(self, account: Account, order: Order, quantity: Decimal | None = None) -> Order:
        """Let somebody take (part of) a resting order at its own price."""
        amount = order.remaining if quantity is None else min(quantity, order.remaining)
        price = order.request.limit_price
        assert price is not None
        market = self.markets[order.request.symbol]
        trade = self._print(market, price, amount, side="sell" if order.request.side == "buy" else "buy", kind="market")
        return self._filled(account, order, amount, price, is_maker=True, trade=trade)

    # The life of an order

    def _draft(self, account: Account, request: OrderRequest) -> Order:
        now_us = self._host.now_us()
        is_later = request.starts_us is not None and request.starts_us > now_us
        return Order(
            id=self._host.new_order_id(),
            account=account.name,
            request=request,
            status=OrderStatus.PENDING if is_later else OrderStatus.OPEN,
            created_us=now_us,
            changed_us=now_us,
        )

    def _go_live(self, account: Account, order: Order) -> Order:
        request = order.request
        if request.trigger is not None and not order.is_triggered:
            self._host.order_changed(order, Change.OPENED, None)
            self._waiting.setdefault(request.symbol, {})[order.id] = account.name
            self._set_off(request.symbol)
            return account.orders.get(order.id) or order
        if request.is_post_only and self._takes(request):
            return self._end(account, order, OrderStatus.CANCELED, self._policy.post_only_reason)
        if request.time_in_force is TimeInForce.FOK and self._available(request) < (request.quantity or ZERO):
            return self._end(account, order, OrderStatus.CANCELED, self._policy.fok_reason)
        if not order.is_triggered:
            self._host.order_changed(order, Change.OPENED, None)
        return self._match(account, order)

    def _match(self, account: Account, order: Order) -> Order:
        book = self.books[order.request.symbol]
        while True:
            offer = book.best("sell" if order.request.side == "buy" else "buy")
            if offer is None or not _reaches(order.request, offer.price):
                break
            if offer.order_id is not None and offer.order_id in account.orders.open:
                order, is_over = self._meets_itself(account, order, offer.order_id)
                if is_over:
                    return order
                continue
            quantity = self._wanted(order, offer)
            if not quantity:
                break
            order = self._trade(account, order, offer, quantity)
            if not order.is_open:
                return order
        return self._settle_down(account, order, book)

    def _settle_down(self, account: Account, order: Order, book: OrderBook) -> Order:
        request = order.request
        if request.quote_quantity is not None and order.filled:
            return self._end(account, order, OrderStatus.CLOSED, None)
        if request.limit_price is None:
            return self._end(account, order, OrderStatus.CANCELED, self._policy.no_liquidity_reason)
        if request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return self._end(account, order, OrderStatus.CANCELED, self._policy.ioc_reason)
        book.rest(order)
        self._changed(request.symbol)
        return order

    def _meets_itself(self, account: Account, order: Order, other_id: str) -> tuple[Order, bool]:
        reason = self._policy.self_trade_reason
        mode = order.request.self_trade
        if mode is not SelfTrade.CANCEL_NEWEST:
            self._end(account, account.orders.open[other_id], OrderStatus.CANCELED, reason)
        if mode is not SelfTrade.CANCEL_OLDEST:
            return self._end(account, order, OrderStatus.CANCELED, reason), True
        return order, False

    def _trade(self, account: Account, order: Order, offer: Offer, quantity: Decimal) -> Order:
        request = order.request
        market = self.markets[request.symbol]
        kind = "market" if request.limit_price is None else "limit"
        trade = self._print(market, offer.price, quantity, side=request.side, kind=kind)
        if offer.order_id is None:
            market.take("sell" if request.side == "buy" else "buy", offer.price, quantity)
            self._refill_later(market)
        else:
            self._filled_counterparty(offer.order_id, quantity, offer.price, trade)
        return self._filled(account, order, quantity, offer.price, is_maker=False, trade=trade)

    def _filled_counterparty(self, order_id: str, quantity: Decimal, price: Decimal, trade: PublicTrade) -> None:
        for other in self._host.all_accounts():
            resting = other.orders.open.get(order_id)
            if resting is not None:
                self._filled(other, resting, quantity, price, is_maker=True, trade=trade)
                return

    def _filled(
        self, account: Account, order: Order, quantity: Decimal, price: Decimal, *, is_maker: bool, trade: PublicTrade
    ) -> Order:
        request = order.request
        rules = self.markets[request.symbol].rules
        rate = self._host.fee_rate(account, is_maker=is_maker)
        with exact():
            cost = round_down(quantity * price, places=rules.quote_decimals)
            fee_quote = round_down(cost * rate, places=rules.quote_decimals)
            fee_base = round_down(quantity * rate, places=rules.base_decimals)
        elsewhere = None
        if request.leverage is None:
            elsewhere = self._host.fee_elsewhere(account, quote=rules.quote, fee=fee_quote)
        is_in_base = elsewhere is None and self._pays_in_base(account, order, rules, fee_base)
        fee, fee_asset = (fee_base, rules.base) if is_in_base else (fee_quote, rules.quote)
        if elsewhere is not None:
            fee_asset, fee = elsewhere
        fill_id = self._host.new_fill_id()
        with exact():
            filled = order.filled + quantity
            order = msgspec.structs.replace(
                order,
                filled=filled,
                cost=order.cost + cost,
                fee_base=order.fee_base + (fee if is_in_base else ZERO),
                fee_quote=order.fee_quote + (fee if fee_asset == rules.quote else ZERO),
                fills=(*order.fills, fill_id),
                changed_us=trade.at_us,
            )
        is_done = request.quantity is not None and filled >= request.quantity
        order = self._reclaimed(account, order, is_done=is_done)
        if request.leverage is None:
            legs = _legs(request, rules, quantity=quantity, cost=cost, fee=fee, fee_asset=fee_asset)
            entries = self._host.settle(account, legs, ref=fill_id, kind="trade")
        else:
            profit = self.margin.fill(account, order, quantity=quantity, cost=cost, fee=fee_quote, at_us=trade.at_us)
            legs = [Leg(asset=rules.quote, amount=round_down(profit, places=rules.quote_decimals), fee=fee_quote)]
            entries = self._host.settle(account, legs, ref=fill_id, kind="margin")
        fill = Fill(
            id=fill_id,
            number=trade.number,
            order_id=order.id,
            account=account.name,
            symbol=request.symbol,
            side=request.side,
            quantity=quantity,
            price=price,
            cost=cost,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            at_us=trade.at_us,
            at_s=self._host.now_s(),
            entries=entries,
        )
        account.orders.add(fill)
        book = self.books[request.symbol]
        self._store(account, order)
        if is_done:
            book.remove(order)
        elif is_maker:
            book.rest(order)
            self._changed(request.symbol)
        self._host.order_changed(order, Change.TRADED, fill)
        return self._end(account, order, OrderStatus.CLOSED, None) if is_done else order

    def _pays_in_base(self, account: Account, order: Order, rules: MarketRules, fee: Decimal) -> bool:
        if not order.request.is_fee_in_base or order.request.leverage is not None:
            return False
        # A preference: a seller of everything has no base left to pay with.
        return order.request.side == "buy" or account.free(rules.base) >= fee

    def _end(self, account: Account, order: Order, status: OrderStatus, reason: str | None) -> Order:
        now_us = self._host.now_us()
        waiting = self._waiting.get(order.request.symbol)
        if waiting is not None:
            waiting.pop(order.id, None)
        order = msgspec.structs.replace(order, status=status, reason=reason, closed_us=now_us, changed_us=now_us)
        order = self._reclaimed(account, order, is_done=True)
        self.books[order.request.symbol].remove(order)
        self._store(account, order)
        change = {
            OrderStatus.CLOSED: Change.FILLED,
            OrderStatus.CANCELED: Change.CANCELED,
            OrderStatus.EXPIRED: Change.EXPIRED,
        }[status]
        self._host.order_changed(order, change, None)
        self._changed(order.request.symbol)
        return order

    def _store(self, account: Account, order: Order) -> None:
        before = account.orders.get(order.id)
        now_s = self._host.now_s()
        if order.hold_asset is not None:
            held, claimed = (ZERO, ZERO) if before is None else (before.hold, before.claim)
            if order.hold != held:
                account.hold(order.hold_asset, subtract(order.hold, held), now_s=now_s)
            if order.claim != claimed:
                account.claim(order.hold_asset, subtract(order.claim, claimed))
        account.orders.put(order, now_s=now_s)

    # Funds and quantities

    def _reclaimed(self, account: Account, order: Order, *, is_done: bool) -> Order:
        """The order with the claim it still needs, the rest of it given back to the account."""
        if order.request.leverage is not None or order.hold_asset is None:
            return order
        if is_done:
            changed = msgspec.structs.replace(order, hold=ZERO, claim=ZERO)
        else:
            changed = self._claims.left(account, order)
        self._store(account, changed)
        return changed

    def _wanted(self, order: Order, offer: Offer) -> Decimal:
        request = order.request
        if request.quote_quantity is None:
            return min(order.remaining, offer.quantity)
        rules = self.markets[request.symbol].rules
        left = subtract(request.quote_quantity, order.cost)
        quantity = min(divide(left, offer.price, places=rules.quantity_decimals), offer.quantity)
        # A crumb too small to cost anything would be bought for ever.
        return quantity if round_down(multiply(quantity, offer.price), places=rules.quote_decimals) else ZERO

    def _available(self, request: OrderRequest) -> Decimal:
        """What a taker of this request could get at its limit."""
        total = ZERO
        for offer in self.books[request.symbol].offers("sell" if request.side == "buy" else "buy"):
            if not _reaches(request, offer.price):
                break
            total = add(total, offer.quantity)
        return total

    def _takes(self, request: OrderRequest) -> bool:
        best = self.books[request.symbol].best("sell" if request.side == "buy" else "buy")
        return best is not None and _reaches(request, best.price)

    # What comes by itself

    def _sweep(self, symbol: str) -> None:
        """Fill the resting orders that the maker's new prices reach, at the orders' own prices."""
        book = self.books[symbol]
        parts = self._policy.resting_fill_parts
        for order_id in book.crossed_by_maker():
            for account in self._host.all_accounts():
                order = account.orders.open.get(order_id)
                if order is None:
                    continue
                quantity = order.request.quantity
                if parts > 1 and quantity is not None:
                    places = self.markets[symbol].rules.quantity_decimals
                    part = divide(quantity, Decimal(parts), places=places, rounding=ROUND_UP)
                    if self.fill_resting(account, order, part).is_open:
                        self._refill_later(self.markets[symbol])
                else:
                    self.fill_resting(account, order)

    def _set_off(self, symbol: str) -> None:
        waiting = self._waiting.get(symbol)
        if not waiting:
            return
        last = self.markets[symbol].last
        for order_id, name in list(waiting.items()):
            account = self._host.account(name)
            order = account.orders.open.get(order_id)
            trigger = None if order is None else order.request.trigger
            if order is None or trigger is None:
                waiting.pop(order_id, None)
            elif last >= trigger.price if trigger.is_above else last <= trigger.price:
                waiting.pop(order_id, None)
                self._triggered(account, order)

    def _triggered(self, account: Account, order: Order) -> None:
        order = msgspec.structs.replace(order, is_triggered=True, changed_us=self._host.now_us())
        self._store(account, order)
        self._host.order_changed(order, Change.TRIGGERED, None)
        if order.request.leverage is None:
            # A market order's price is known only now, and a stop may have claimed nothing so far.
            try:
                order = self._claims.funded(account, order, but_for=order)
            except ShortOfFundsError:
                self._end(account, order, OrderStatus.CANCELED, self._policy.short_reason)
                return
            self._store(account, order)
        self._go_live(account, order)

    def _start_due(self, account: Account, order_id: str) -> None:
        order = account.orders.open.get(order_id)
        if order is not None and order.status is OrderStatus.PENDING:
            order = msgspec.structs.replace(order, status=OrderStatus.OPEN, changed_us=self._host.now_us())
            self._store(account, order)
            self._go_live(account, order)

    def _at(self, at_us: int, act: Callable[..., object], *args: Any) -> None:
        self._timers.call_later(max(0.0, (at_us - self._host.now_us()) / 1_000_000), act, *args)

    def _refill_later(self, market: Market) -> None:
        symbol = market.rules.symbol
        if symbol not in self._refills:
            self._refills.add(symbol)
            self._timers.call_later(self._policy.refill_s, self._refill, symbol)

    def _refill(self, symbol: str) -> None:
        self._refills.discard(symbol)
        self.markets[symbol].refill()
        self._changed(symbol)
        self._sweep(symbol)

    def _print(self, market: Market, price: Decimal, quantity: Decimal, *, side: str, kind: str) -> PublicTrade:
        trade = market.print_trade(price=price, quantity=quantity, side=side, kind=kind, at_us=self._host.now_us())
        self._host.traded(market, trade)
        return trade

    def _changed(self, symbol: str) -> None:
        self._host.book_changed(self.markets[symbol])


def _reaches(request: OrderRequest, price: Decimal) -> bool:
    limit = request.limit_price
    return limit is None or (price <= limit if request.side == "buy" else price >= limit)


def _legs(
    request: OrderRequest, rules: MarketRules, *, quantity: Decimal, cost: Decimal, fee: Decimal, fee_asset: AssetCode
) -> list[Leg]:
    """Both sides of a spot fill, what is given first; a fee that neither of them pays comes last."""
    base = Leg(asset=rules.base, amount=quantity, fee=fee if fee_asset == rules.base else ZERO)
    quote = Leg(asset=rules.quote, amount=cost, fee=fee if fee_asset == rules.quote else ZERO)
    if request.side == "buy":
        legs = [msgspec.structs.replace(quote, amount=cost.copy_negate()), base]
    else:
        legs = [msgspec.structs.replace(base, amount=quantity.copy_negate()), quote]
    if fee_asset not in (rules.base, rules.quote):
        legs.append(Leg(asset=fee_asset, amount=ZERO, fee=fee))
    return legs
