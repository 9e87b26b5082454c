"""
Order entry, whatever wire it came over: modes, the engine's counters, the market's rules, and the dead-man switch.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/trading/add-order,
https://docs.kraken.com/api-reference/trading/amend-order,
https://docs.kraken.com/api-reference/trading/cancel-all-orders-after-x,
https://docs.kraken.com/exchange/guides/general/ratelimits.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import exact
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.claims import MarginShortError, ShortOfFundsError
from holdfast.simulators.core.engine import WouldTakeError
from holdfast.simulators.core.orders import Order, OrderRequest, Trigger
from holdfast.simulators.kraken.errors import (
    DEADLINE,
    INSUFFICIENT_FUNDS,
    UNAVAILABLE,
    UNKNOWN_ORDER,
    KrakenRefusedError,
    invalid_arguments,
)
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.limits import Counter, cancel_cost, change_cost
from holdfast.simulators.kraken.listing import ListedPair
from holdfast.simulators.kraken.tickets import Ticket

__all__ = ["OrderEntry"]


class OrderEntry:
    """Everything that places, changes or cancels orders."""

    def __init__(self, exchange: KrakenExchange) -> None:
        self._exchange = exchange
        self._counters: dict[tuple[str, str], Counter] = {}
        self._switches: dict[str, tuple[Any, int]] = {}  # Account to its dead-man timer and when it fires.

    # Placing

    def check(self, account: Account, ticket: Ticket) -> None:
        """
        Judge an order by everything but its funds.

        Raises:
            KrakenRefusedError: With Kraken's string.
        """
        order = ticket.order
        self._check_mode(ticket.pair, order)
        self._check_deadline(ticket.deadline_us)
        self._check_rules(ticket.pair, order)
        client_id = order.client_order_id
        if client_id is not None and any(o.request.client_order_id == client_id for o in account.orders.open.values()):
            raise KrakenRefusedError(self._exchange.settings.duplicate_cl_ord_id_error)
        count = sum(other.request.symbol == order.symbol for other in account.orders.open.values())
        if count >= self._exchange.tier.open_orders:
            raise KrakenRefusedError("EOrder:Orders limit exceeded")

    def add(self, account: Account, ticket: Ticket) -> Order | None:
        """
        Place an order; None where it was only to be validated.

        Raises:
            KrakenRefusedError: With Kraken's string; nothing happened, but the engine's counter rose.
        """
        try:
            return self._add(account, ticket)
        except KrakenRefusedError as refusal:
            for listener in () if ticket.is_validate_only else self._exchange.refusal_listeners:
                listener(account, ticket.order, refusal.text)
            raise

    def _add(self, account: Account, ticket: Ticket) -> Order | None:
        exchange = self._exchange
        if not ticket.is_validate_only:
            self._count(account, ticket.pair, 1)
        self.check(account, ticket)
        try:
            if ticket.is_validate_only:
                if exchange.settings.does_validate_check_funds:
                    exchange.engine.check_funds(account, ticket.order)
                return None
            if (
                exchange.settings.is_crossing_post_only_an_error
                and ticket.order.is_post_only
                and ticket.order.trigger is None
                and exchange.engine.takes(ticket.order)
            ):
                raise KrakenRefusedError("EOrder:Post only order")
            return exchange.engine.place(account, ticket.order)
        except ShortOfFundsError:
            if exchange.settings.are_short_funds_a_cancel and not ticket.is_validate_only:
                return exchange.engine.refuse_after_acceptance(account, ticket.order)
            raise KrakenRefusedError(INSUFFICIENT_FUNDS) from None
        except MarginShortError:
            raise KrakenRefusedError("EOrder:Margin allowance exceeded") from None

    # Changing

    def amend(
        self,
        account: Account,
        order: Order,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        display: Decimal | None = None,
        is_post_only: bool | None = None,
        deadline_us: int | None = None,
    ) -> Order:
        """
        Change an order in place.

        Raises:
            KrakenRefusedError: With Kraken's string; the order stands as it was.
        """
        request = order.request
        pair = self._exchange.listing.by_code[request.symbol]
        self._count(account, pair, change_cost(self._age_s(order), is_edit=False))
        self._check_deadline(deadline_us)
        if request.quantity is None or (limit_price is not None and request.limit_price is None):
            raise KrakenRefusedError("EOrder:Invalid order")
        trigger = request.trigger
        if trigger_price is not None:
            if trigger is None or order.is_triggered:
                raise KrakenRefusedError("EOrder:Invalid order")
            trigger = Trigger(price=trigger_price, is_above=trigger.is_above)
        changed = msgspec.structs.replace(
            request,
            quantity=request.quantity if quantity is None else quantity,
            limit_price=request.limit_price if limit_price is None else limit_price,
            trigger=trigger,
            display_quantity=request.display_quantity if display is None else display,
            is_post_only=request.is_post_only if is_post_only is None else is_post_only,
        )
        self._check_mode(pair, changed)
        if quantity is None or quantity > order.filled:
            self._check_rules(pair, changed)
        try:
            return self._exchange.engine.amend(account, order, changed, is_post_only=is_post_only)
        except ShortOfFundsError:
            raise KrakenRefusedError(INSUFFICIENT_FUNDS) from None
        except MarginShortError:
            raise KrakenRefusedError("EOrder:Margin allowance exceeded") from None
        except WouldTakeError:
            raise KrakenRefusedError("EOrder:Post only order") from None

    def edit(
        self,
        account: Account,
        order: Order,
        *,
        volume: Decimal | None,
        price: Decimal | None,
        trigger_price: Decimal | None,
        flags: Callable[[OrderRequest], OrderRequest],
        user_ref: int | None,
        is_validate_only: bool,
        deadline_us: int | None,
    ) -> Order | None:
        """
        Replace an order by a new one with another id, as the older ``EditOrder`` does; None when only validated.

        Raises:
            KrakenRefusedError: With Kraken's string; the order stands as it was.
        """
        request = order.request
        pair = self._exchange.listing.by_code[request.symbol]
        if not is_validate_only:
            self._count(account, pair, change_cost(self._age_s(order), is_edit=True))
        if order.filled:
            raise KrakenRefusedError("EOrder:Invalid order")
        trigger = request.trigger
        if trigger is not None and trigger_price is not None:
            trigger = Trigger(price=trigger_price, is_above=trigger.is_above)
        changed = flags(
            msgspec.structs.replace(
                request,
                quantity=request.quantity if volume is None else volume,
                limit_price=request.limit_price if price is None or request.limit_price is None else price,
                trigger=trigger,
                user_ref=request.user_ref if user_ref is None else user_ref,
                client_order_id=None,
            )
        )
        self._check_mode(pair, changed)
        self._check_deadline(deadline_us)
        self._check_rules(pair, changed)
        if is_validate_only:
            return None
        try:
            self._exchange.engine.check_funds(account, changed, but_for=order)
        except (ShortOfFundsError, MarginShortError):
            raise KrakenRefusedError(INSUFFICIENT_FUNDS) from None
        self._exchange.engine.cancel(account, order.id, reason="Order replaced")
        return self._exchange.engine.place(account, changed)

    # Cancelling

    def find(self, account: Account, *, order_id: str | None = None, client_id: str | None = None) -> Order:
        """
        The open order of this id.

        Raises:
            KrakenRefusedError: ``EOrder:Unknown order``.
        """
        if order_id is not None and order_id in account.orders.open:
            return account.orders.open[order_id]
        for order in account.orders.open.values() if client_id is not None else ():
            if order.request.client_order_id == client_id:
                return order
        raise KrakenRefusedError(UNKNOWN_ORDER)

    def find_all(self, account: Account, order_id: str) -> list[Order]:
        """
        The open orders of this id, or of this user reference.

        Raises:
            KrakenRefusedError: ``EOrder:Unknown order``.
        """
        order = account.orders.open.get(order_id)
        if order is not None:
            return [order]
        orders = [o for o in account.orders.open.values() if o.request.user_ref and str(o.request.user_ref) == order_id]
        if not orders:
            raise KrakenRefusedError(UNKNOWN_ORDER)
        return orders

    def cancel(self, account: Account, order: Order) -> bool:
        """
        Cancel an open order; True where the cancel is only pending.

        Raises:
            KrakenRefusedError: In maintenance, over the engine's counter, or while a cancel is pending.
        """
        self.check_cancels()
        if order.is_cancel_pending:
            raise KrakenRefusedError("EOrder:Cancel pending")
        pair = self._exchange.listing.by_code[order.request.symbol]
        self._count(account, pair, cancel_cost(self._age_s(order)))
        pending_s = self._exchange.settings.cancel_pending_s
        if pending_s:
            self._exchange.engine.mark_cancel_pending(account, order.id)
            self._exchange.timers.call_later(pending_s, self._exchange.engine.cancel, account, order.id)
            return True
        self._exchange.engine.cancel(account, order.id)
        return False

    def cancel_all(self, account: Account, *, reason: str | None = None) -> int:
        """Cancel every open order; returns how many."""
        orders = list(account.orders.open)
        for order_id in orders:
            self._exchange.engine.cancel(account, order_id, reason=reason)
        return len(orders)

    def check_cancels(self) -> None:
        """
        Whether cancels are taken at all.

        Raises:
            KrakenRefusedError: In maintenance they are not.
        """
        if self._exchange.mode == "maintenance":
            raise KrakenRefusedError(UNAVAILABLE)

    def cancel_after(self, account: Account, timeout_s: int) -> int | None:
        """Arm the dead-man switch, or disarm it with 0; returns when it fires, Unix microseconds, or None."""
        timer, _ = self._switches.pop(account.name, (None, 0))
        if timer is not None:
            timer.cancel()
        if not timeout_s:
            return None
        fires_us = self._exchange.now_us() + timeout_s * 1_000_000
        timer = self._exchange.timers.call_later(float(timeout_s), self._switch_fires, account)
        self._switches[account.name] = (timer, fires_us)
        return fires_us

    def _switch_fires(self, account: Account) -> None:
        # One shot: it stays off until it is armed again. In maintenance the orders go when the engine returns.
        if self._exchange.mode == "maintenance":
            timer = self._exchange.timers.call_later(1.0, self._switch_fires, account)
            self._switches[account.name] = (timer, self._exchange.now_us())
            return
        self._switches.pop(account.name, None)
        self.cancel_all(account, reason="Cancel all orders after timeout")

    # Counters

    def counted(self, account: str, symbol: str) -> float:
        """Where the engine's counter of an account and market stands."""
        counter = self._counters.get((account, symbol))
        tier = self._exchange.tier
        return 0.0 if counter is None else counter.value(now_s=self._exchange.now_s(), decay=tier.engine_decay)

    def fill_counters(self, above: float) -> None:
        """Put every counter of every account *above* its maximum."""
        tier = self._exchange.tier
        for account in self._exchange.accounts:
            for symbol in self._exchange.listing.by_code:
                counter = Counter()
                counter.add(
                    tier.engine_max + above,
                    now_s=self._exchange.now_s(),
                    decay=tier.engine_decay,
                    maximum=0,
                    counts_when_over=True,
                )
                self._counters[account, symbol] = counter

    def _count(self, account: Account, pair: ListedPair, cost: float) -> None:
        if not self._exchange.settings.are_calls_counted:
            return
        tier = self._exchange.tier
        counter = self._counters.setdefault((account.name, pair.code), Counter())
        if not counter.add(
            cost,
            now_s=self._exchange.now_s(),
            decay=tier.engine_decay,
            maximum=tier.engine_max,
            counts_when_over=self._exchange.settings.do_refused_calls_count,
        ):
            raise KrakenRefusedError("EOrder:Rate limit exceeded")

    def _age_s(self, order: Order) -> float:
        return (self._exchange.now_us() - order.changed_us) / 1_000_000

    # Rules

    def _check_mode(self, pair: ListedPair, order: OrderRequest) -> None:
        is_limit = order.limit_price is not None and order.trigger is None
        for mode in (self._exchange.mode, self._exchange.status_of(pair)):
            if mode in ("maintenance", "delisted", "work_in_progress"):
                raise KrakenRefusedError(UNAVAILABLE)
            if mode == "cancel_only":
                raise KrakenRefusedError("EService:Market in cancel_only mode")
            if mode == "post_only" and not (is_limit and order.is_post_only):
                raise KrakenRefusedError("EService:Market in post_only mode")
            if mode == "limit_only" and not is_limit:
                raise KrakenRefusedError(self._exchange.settings.limit_only_error)
            if mode == "reduce_only" and not order.is_reduce_only:
                raise KrakenRefusedError("EService:Market in reduce_only mode")

    def _check_deadline(self, deadline_us: int | None) -> None:
        if deadline_us is None:
            return
        settings = self._exchange.settings
        ahead_s = (deadline_us - self._exchange.now_us()) / 1_000_000
        if ahead_s <= 0:
            raise KrakenRefusedError(DEADLINE)
        if not settings.deadline_min_s <= ahead_s <= settings.deadline_max_s:
            raise invalid_arguments("deadline")

    def _check_rules(self, pair: ListedPair, order: OrderRequest) -> None:
        market = self._exchange.engine.markets[pair.code]
        prices = [order.limit_price, None if order.trigger is None else order.trigger.price]
        with exact():
            if any(price is not None and price % pair.tick for price in prices):
                raise KrakenRefusedError("EOrder:Tick size check failed")
        price = order.limit_price or (None if order.trigger is None else order.trigger.price) or market.last
        with exact():
            if order.quantity is not None:
                exponent = order.quantity.as_tuple().exponent
                assert isinstance(exponent, int)
                if exponent < -pair.lot_decimals and order.quantity % Decimal(1).scaleb(-pair.lot_decimals):
                    raise invalid_arguments("volume")
                if order.quantity < pair.order_min:
                    raise KrakenRefusedError("EOrder:Order minimum not met")
                if order.quantity * price < pair.cost_min:
                    raise KrakenRefusedError("EOrder:Cost minimum not met")
            elif order.quote_quantity is not None and order.quote_quantity < pair.cost_min:
                raise KrakenRefusedError("EOrder:Cost minimum not met")
            shown = order.display_quantity
            if shown is not None and order.quantity is not None and not order.quantity <= shown * 15:
                raise invalid_arguments("displayvol")
