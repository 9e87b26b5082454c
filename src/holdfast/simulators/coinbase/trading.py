"""
Order entry: modes, a product's rules, one order per client order id, and what may refuse an order after its acceptance.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order,
.../orders/cancel-order, .../orders/edit-order; https://github.com/coinbase/coinbase-advanced-py/issues/49.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import multiply, remainder, subtract, trim_amount
from holdfast.simulators.coinbase.errors import OrderRefusedError, preview_refusal
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.listing import Product
from holdfast.simulators.coinbase.render import rfc3339
from holdfast.simulators.coinbase.tickets import Ticket, kind_of
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.engine import WouldTakeError
from holdfast.simulators.core.ledger import Posting
from holdfast.simulators.core.orders import Order, OrderRequest, OrderStatus, TimeInForce

__all__ = ["FAILURES", "OrderEntry", "status_of"]

FAILURES: Final = ("INSUFFICIENT_FUND", "INVALID_LIMIT_PRICE_POST_ONLY")
"""Reasons for which an order that was accepted ends as FAILED and not as CANCELLED."""

_STATUSES: Final = {
    OrderStatus.PENDING: "PENDING",
    OrderStatus.OPEN: "OPEN",
    OrderStatus.CLOSED: "FILLED",
    OrderStatus.CANCELED: "CANCELLED",
    OrderStatus.EXPIRED: "EXPIRED",
}


def status_of(order: Order) -> str:
    """Coinbase's word for where an order is."""
    if order.is_open and order.is_cancel_pending:
        return "CANCEL_QUEUED"
    if order.status is OrderStatus.CANCELED and order.reason in FAILURES:
        return "FAILED"
    return _STATUSES[order.status]


class OrderEntry:
    """Everything that places, changes or cancels orders."""

    def __init__(self, exchange: CoinbaseExchange) -> None:
        self._exchange = exchange
        self._named: dict[tuple[str, str], tuple[Account, str, float]] = {}  # Scope and name: whose, order, and when.

    # Placing

    def known(self, account: Account, client_id: str | None) -> Order | None:
        """The order that already has this client order id, where that is still remembered."""
        named = None if client_id is None else self._named.get((self._scope(account), client_id))
        if named is None:
            return None
        kept_s = self._exchange.settings.client_order_id_kept_s
        holder, order_id, since_s = named
        if kept_s and self._exchange.now_s() >= since_s + kept_s:
            return None
        return holder.orders.get(order_id)

    def _scope(self, account: Account) -> str:
        return account.name if self._exchange.settings.client_order_id_scope == "portfolio" else ""

    def add(self, account: Account, ticket: Ticket) -> Order:
        """
        Place an order.

        Raises:
            OrderRefusedError: Nothing happened.
        """
        try:
            return self._add(account, ticket)
        except OrderRefusedError as refusal:
            for listener in self._exchange.refusal_listeners:
                listener(account, ticket.order, refusal.telling)
            raise

    def _add(self, account: Account, ticket: Ticket) -> Order:
        exchange, request = self._exchange, ticket.order
        self.check(account, ticket)
        settings = exchange.settings
        takes = request.is_post_only and exchange.engine.takes(request)
        if takes and not settings.is_crossing_post_only_a_failure:
            raise OrderRefusedError("INVALID_LIMIT_PRICE_POST_ONLY", "post only order would cross")
        if settings.pending_s:
            starts_us = exchange.now_us() + round(settings.pending_s * 1_000_000)
            request = msgspec.structs.replace(request, starts_us=starts_us)
        try:
            order = self._place(account, request)
        except ShortOfFundsError as short:
            if not settings.are_short_funds_a_failure:
                raise self._short(account, short) from None
            order = exchange.engine.refuse_after_acceptance(account, request)
        if request.client_order_id is not None:
            named = (account, order.id, exchange.now_s())
            self._named[self._scope(account), request.client_order_id] = named
        return order

    def _place(self, account: Account, request: OrderRequest) -> Order:
        exchange = self._exchange
        try:
            return exchange.engine.place(account, request)
        except ShortOfFundsError as short:
            missing = subtract(short.needed, short.free)
            if short.asset != "USD" or not exchange.settings.does_usd_order_take_usdc:
                raise
            if account.free("USDC") < missing:
                raise
            exchange.post(
                account,
                [
                    *exchange.leaving(account, "USDC", missing.copy_negate(), kind="convert"),
                    Posting(row="USD", amount=missing, kind="convert"),
                ],
            )
            return exchange.engine.place(account, request)

    def check(self, account: Account, ticket: Ticket) -> None:
        """
        Judge an order by everything but its funds.

        Raises:
            OrderRefusedError: The first rule that it breaks.
        """
        exchange, request, product = self._exchange, ticket.order, ticket.product
        self._check_mode(product, request)
        self._check_sizes(product, request)
        self._check_prices(product, request)
        asset = product.quote.code if request.side == "buy" else product.base.code
        if exchange.settings.no_wallet == "account_not_available" and not exchange.has_wallet(account, asset):
            raise OrderRefusedError("UNKNOWN_FAILURE_REASON", "account is not available", preview="")

    def check_funds(self, account: Account, ticket: Ticket) -> None:
        """
        Judge whether an order is funded now.

        Raises:
            OrderRefusedError: It is not.
        """
        try:
            self._exchange.engine.check_funds(account, ticket.order)
        except ShortOfFundsError as short:
            raise self._short(account, short) from None

    def _short(self, account: Account, short: ShortOfFundsError) -> OrderRefusedError:
        del account, short
        word = self._exchange.settings.insufficient_word
        return OrderRefusedError(word, "Insufficient balance in source account", preview="PREVIEW_INSUFFICIENT_FUND")

    # Cancelling and changing

    def cancel(self, account: Account, order_id: str) -> str | None:
        """Take a cancel; returns why it is refused, None where it is taken."""
        settings = self._exchange.settings
        order = account.orders.get(order_id)
        if order is None:
            return settings.cancel_refusal
        if not order.is_open or order.is_cancel_pending:
            return None if settings.second_cancel == "success" else settings.cancel_refusal
        queued_s = settings.cancel_queued_s
        fault = self._exchange.impairments.applies("cancel_lag")
        if fault is not None:
            queued_s = max(queued_s, float(fault.fields["by_s"]))
        if not queued_s:
            self._exchange.engine.cancel(account, order_id)
            return None
        self._exchange.engine.mark_cancel_pending(account, order_id)
        self._exchange.cancel_queued(account.orders.open[order_id])
        self._exchange.timers.call_later(queued_s, self._exchange.engine.cancel, account, order_id)
        return None

    def cancel_all(self, account: Account, *, reason: str | None = None) -> int:
        """Cancel every open order; returns how many."""
        orders = list(account.orders.open)
        for order_id in orders:
            self._exchange.engine.cancel(account, order_id, reason=reason)
        return len(orders)

    def changed(
        self, account: Account, order_id: str, *, price: Decimal | None, size: Decimal | None
    ) -> tuple[Order, OrderRequest]:
        """
        An open order and what an edit would make of it.

        Raises:
            OrderRefusedError: There is none, or it cannot be edited like this; the word is an edit's.
        """
        order = account.orders.open.get(order_id)
        if order is None:
            raise OrderRefusedError("ORDER_NOT_FOUND", "order not found", preview="")
        if order.is_cancel_pending:
            raise OrderRefusedError("ORDER_IS_PENDING_CANCEL", preview="")
        kind = kind_of(order.request)
        if kind.order_type == "MARKET" or kind.time_in_force is not TimeInForce.GTC:
            raise OrderRefusedError("ONLY_LIMIT_ORDER_EDITS_SUPPORTED", preview="")
        if not size:
            raise OrderRefusedError("INVALID_EDITED_SIZE", "size is required", preview="")  # Left out is read as 0.
        if size <= order.filled:
            raise OrderRefusedError("CANNOT_EDIT_TO_BELOW_FILLED_SIZE", preview="")
        if not price:
            raise OrderRefusedError("INVALID_EDITED_PRICE", "price is required", preview="")
        request = msgspec.structs.replace(
            order.request, quantity=size, limit_price=price, details=self._edited(order, price=price, size=size)
        )
        product = self._exchange.listing.by_code[request.symbol]
        self._check_mode(product, request)
        self._check_sizes(product, request)
        self._check_prices(product, request)
        return order, request

    def _edited(self, order: Order, *, price: Decimal, size: Decimal) -> dict[str, Any]:
        """What an order was placed with, as an edit leaves it, and the history of its edits."""
        details = order.request.details
        ((name, fields),) = details["configuration"].items()
        edit = {
            "price": trim_amount(price),
            "size": trim_amount(size),
            "replace_accept_timestamp": rfc3339(self._exchange.now_us()),
        }
        return {
            **details,
            "configuration": {name: {**fields, "base_size": edit["size"], "limit_price": edit["price"]}},
            "edits": [*details.get("edits", []), edit],
        }

    def edit(self, account: Account, order: Order, request: OrderRequest) -> Order:
        """
        Change an open order in place.

        Raises:
            OrderRefusedError: The order stands as it was.
        """
        try:
            return self._exchange.engine.amend(account, order, request)
        except ShortOfFundsError as short:
            raise self._short(account, short) from None
        except WouldTakeError:
            raise OrderRefusedError("INVALID_LIMIT_PRICE_POST_ONLY") from None

    # Rules

    def _check_mode(self, product: Product, order: OrderRequest) -> None:
        is_limit = order.limit_price is not None
        by_market = "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
        for mode in (self._exchange.mode, self._exchange.status_of(product)):
            if mode in ("offline", "is_disabled"):
                raise OrderRefusedError("ORDER_ENTRY_DISABLED", "Orderbook is in disabled mode", preview=by_market)
            if mode == "trading_disabled":
                raise OrderRefusedError("TRADING_DISABLED", "trading is disabled", preview=by_market)
            if mode == "delisted":
                raise OrderRefusedError("UNTRADABLE_PRODUCT", "product is not tradable", preview=by_market)
            if mode == "view_only":
                raise OrderRefusedError("INELIGIBLE_PAIR", "product is view only", preview="PREVIEW_INELIGIBLE_PAIR")
            if mode == "cancel_only":
                raise OrderRefusedError("PRODUCT_TRADING_HALTED", "Orderbook is in cancel only mode", preview=by_market)
            if mode == "limit_only" and not is_limit:
                raise preview_refusal(by_market, "Orderbook is in limit only mode")
            if mode in ("post_only", "auction_mode") and not (is_limit and order.is_post_only):
                raise preview_refusal(by_market, "Orderbook is in post only mode")

    def _check_sizes(self, product: Product, order: OrderRequest) -> None:
        if order.quantity is not None:
            if remainder(order.quantity, product.base_increment):
                raise OrderRefusedError("INVALID_SIZE_PRECISION", "size is too accurate")
            if order.quantity < product.base_min:
                raise preview_refusal("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", "base_size is below the minimum")
            if order.quantity > product.base_max:
                raise preview_refusal("PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", "base_size is above the maximum")
            price = order.limit_price or self._exchange.engine.markets[product.code].last
            worth = multiply(order.quantity, price)
            if worth < product.quote_min:
                raise preview_refusal("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "order is below the minimum funds")
            return
        quote = parse_configured(order, "quote_size")
        if remainder(quote, product.quote_increment):
            raise preview_refusal("PREVIEW_INVALID_QUOTE_SIZE_PRECISION", "quote_size is too accurate")
        if quote < product.quote_min:
            raise preview_refusal("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "quote_size is below the minimum")
        if quote > product.quote_max:
            raise preview_refusal("PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", "quote_size is above the maximum")

    def _check_prices(self, product: Product, order: OrderRequest) -> None:
        if order.limit_price is not None and remainder(order.limit_price, product.price_increment):
            raise OrderRefusedError("INVALID_PRICE_PRECISION", "price is too accurate")
        trigger = order.trigger
        if trigger is None:
            return
        if remainder(trigger.price, product.price_increment):
            raise OrderRefusedError("INVALID_PRICE_PRECISION", "stop price is too accurate")
        last = self._exchange.engine.markets[product.code].last
        if trigger.is_above and trigger.price <= last:
            raise preview_refusal("PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE")
        if not trigger.is_above and trigger.price >= last:
            raise preview_refusal("PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE")


def parse_configured(order: OrderRequest, name: str) -> Decimal:
    """A number of the configuration that an order was placed with."""
    ((_, fields),) = order.details["configuration"].items()
    return Decimal(fields[name])
