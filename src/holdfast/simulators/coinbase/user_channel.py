"""
The ``user`` channel: open orders on subscribing, in batches of fifty, then each order whenever it changes.

Everything is cumulative per order; no fill has an identity here, and no balance is ever told. Source (checked
2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels.
"""

from __future__ import annotations

from typing import Any, Final

from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.keys import uuid_of
from holdfast.simulators.coinbase.rows import user_row
from holdfast.simulators.coinbase.stream import StreamSurface, Subscription
from holdfast.simulators.coinbase.tickets import kind_of
from holdfast.simulators.core.dice import bytes_for
from holdfast.simulators.core.orders import Change, Fill, Order

__all__ = ["UserChannel"]

_BATCH: Final = 50


class UserChannel:
    """Tells of orders."""

    def __init__(self, exchange: CoinbaseExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._collected: dict[Subscription, list[dict[str, Any]]] = {}
        self._last: dict[str, dict[str, Any]] = {}  # Per portfolio the last row that was told.
        surface.channels["user"] = self
        exchange.order_listeners.append(self._changed)
        exchange.queued_listeners.append(self._queued)

    def opened(self, subscription: Subscription) -> None:
        """Tell a new subscription of every open order."""
        key = subscription.key
        assert key is not None
        account = self._exchange.accounts[key.account]
        last = self._last.get(account.name)
        faults = self._exchange.impairments
        if last is not None and faults.spend("update_before_snapshot", channel="user") is not None:
            subscription.push("update", _event("update", [last]))
        rows = [
            user_row(self._exchange, account, order)
            for order in account.orders.open.values()
            if subscription.covers(order.request.details["product_id"])
        ]
        for start in range(0, len(rows) + 1, _BATCH):
            subscription.push("snapshot", _event("snapshot", rows[start : start + _BATCH]))

    def closed(self, subscription: Subscription) -> None:
        """Forget what was collected for it."""
        self._collected.pop(subscription, None)

    def resend(self) -> None:
        """Tell every subscription of every open order again."""
        for subscription in self._surface.subscriptions("user"):
            self.opened(subscription)

    def tell_foreign(self, fields: dict[str, Any]) -> None:
        """Tell every subscription of an order in a portfolio that is not its key's."""
        exchange = self._exchange
        row = {
            "order_id": uuid_of(bytes_for(exchange.seed, "foreign", fields["client_order_id"])),
            "client_order_id": fields["client_order_id"],
            "product_id": fields.get("pair", "BTC-USD"),
            "product_type": "SPOT",
            "order_side": "BUY",
            "order_type": "Limit",
            "status": "OPEN",
            "cumulative_quantity": "0",
            "leaves_quantity": "1",
            "avg_price": "0",
            "filled_value": "0",
            "total_fees": "0",
            "number_of_fills": "0",
            "outstanding_hold_amount": "1000",
            "retail_portfolio_id": uuid_of(bytes_for(exchange.seed, "foreign portfolio")),
        }
        for subscription in self._surface.subscriptions("user"):
            subscription.push("update", _event("update", [row]))

    def _changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        del fill
        is_market = kind_of(order.request).order_type == "MARKET"
        if change is Change.OPENED and is_market:
            return  # Never seen as open.
        if change is Change.TRADED and order.request.quantity is not None and not order.remaining:
            return  # What ends it says the same and more.
        self._tell(order, status="PENDING" if change is Change.ACCEPTED else None)

    def _queued(self, order: Order) -> None:
        self._tell(order, status=None)

    def _tell(self, order: Order, *, status: str | None) -> None:
        account = self._exchange.accounts[order.account]
        row = user_row(self._exchange, account, order)
        if status is not None:
            row["status"] = status
        self._last[account.name] = row
        for subscription in self._listening(account.name):
            if not subscription.covers(order.request.details["product_id"]):
                continue
            if self._exchange.settings.update_batch_s:
                self._collect(subscription, row)
            else:
                subscription.push("update", _event("update", [row]))

    def _listening(self, account: str) -> list[Subscription]:
        """Who is told of a portfolio's orders: every connection, or only one of several."""
        listening = [s for s in self._surface.subscriptions("user") if s.key is not None and s.key.account == account]
        which = self._exchange.settings.user_connections
        if which == "newest":
            return listening[-1:]
        return listening[:1] if which == "oldest" else listening

    def _collect(self, subscription: Subscription, row: dict[str, Any]) -> None:
        rows = self._collected.get(subscription)
        if rows is None:
            rows = self._collected[subscription] = []
            self._exchange.timers.call_later(self._exchange.settings.update_batch_s, self._flush, subscription)
        rows.append(row)

    def _flush(self, subscription: Subscription) -> None:
        rows = self._collected.pop(subscription, [])
        if rows:
            subscription.push("update", _event("update", rows))


def _event(kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    positions: dict[str, list[Any]] = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    return {"type": kind, "orders": rows, "positions": positions}
