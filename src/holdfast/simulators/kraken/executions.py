"""
The channel ``executions``: every order's life as rows that tell only what changed.

``pending_new`` has the whole order, ``new`` and the endings little more than ids and a status; the last trade still
says ``partially_filled`` and a separate ``filled`` follows. Sources (checked 2026-11-20):
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/executions,
https://docs.kraken.com/exchange/guides/general/order-lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact, round_down
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.orders import Change, Fill, Order, OrderStatus
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.render import number_writer, rfc3339
from holdfast.simulators.kraken.stream import StreamSurface

__all__ = ["ExecutionsChannel"]

_EXEC_TYPES: Final = {
    Change.ACCEPTED: "pending_new",
    Change.OPENED: "new",
    Change.TRADED: "trade",
    Change.FILLED: "filled",
    Change.CANCELED: "canceled",
    Change.EXPIRED: "expired",
    Change.AMENDED: "amended",
    Change.TRIGGERED: "status",
}
_WITHOUT_ORDER_STATUS: Final = {"new", "trade", "filled", "canceled", "expired"}
_ENDED: Final = {
    OrderStatus.CLOSED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.PENDING: "pending_new",
}


class ExecutionsChannel:
    """
    What its subscriptions are told.

    Args:
        exchange: The venue.
        surface: Its stream.
        counted: The engine's counter of an account and pair now, for subscriptions with ``ratecounter``.
    """

    def __init__(
        self, exchange: KrakenExchange, surface: StreamSurface, *, counted: Callable[[str, str], float]
    ) -> None:
        self._exchange = exchange
        self._surface = surface
        self._counted = counted
        self._number = number_writer(exchange.settings.numbers)
        exchange.order_listeners.append(self.order_changed)

    def snapshot(self, account: Account, *, wants_orders: bool, wants_trades: bool) -> list[dict[str, Any]]:
        """The open orders, then the last 50 fills, newest first."""
        rows: list[dict[str, Any]] = []
        if wants_orders:
            rows += [
                self._whole(order, "pending_new" if order.status is OrderStatus.PENDING else "new")
                for order in account.orders.open.values()
            ]
        if wants_trades:
            for fill in list(account.orders.fills.values())[:-51:-1]:
                order = account.orders.get(fill.order_id)
                if order is not None:
                    rows.append(self._trade(order, fill))
        return rows

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Push one change of one order to every subscription of its account."""
        feeds = self._surface.feeds("executions", order.account)
        if not feeds:
            return
        row = self._row(order, change, fill)
        exec_type = row["exec_type"]
        for feed in feeds:
            if feed.options.get("order_status") is False and exec_type not in _WITHOUT_ORDER_STATUS:
                continue
            told = row
            if feed.options.get("ratecounter"):
                told = {**told, "ratecount": round(self._counted(order.account, order.request.symbol))}
            if feed.options.get("users"):
                told = {**told, "user": self._exchange.accounts[order.account].account_id}
            feed.push("update", [told], exec_type=exec_type)

    def _row(self, order: Order, change: Change, fill: Fill | None) -> dict[str, Any]:
        exec_type = _EXEC_TYPES[change]
        if change is Change.ACCEPTED:
            return self._whole(order, exec_type)
        if fill is not None:
            return self._trade(order, fill, status="partially_filled")
        row = {"exec_type": exec_type, "order_status": _status_of(order), **self._ids(order)}
        if change is Change.AMENDED:
            row |= {**self._terms(order), "amended": True}
        elif change is Change.TRIGGERED:
            row |= {"triggers": self._triggers(order)}
        elif change is not Change.OPENED:
            row |= self._sums(order)
            if order.reason is not None:
                row |= {"reason": order.reason, "cancel_reason": order.reason}
        return row | {"timestamp": rfc3339(order.changed_us)}

    def _ids(self, order: Order) -> dict[str, Any]:
        request = order.request
        ids: dict[str, Any] = {"order_id": order.id}
        if request.client_order_id is not None:
            ids["cl_ord_id"] = request.client_order_id
        else:
            ids["order_userref"] = request.user_ref or 0
        return ids

    def _whole(self, order: Order, exec_type: str) -> dict[str, Any]:
        request = order.request
        row = {
            "exec_type": exec_type,
            "order_status": "pending_new" if exec_type == "pending_new" else _status_of(order),
            **self._ids(order),
            "symbol": self._exchange.listing.by_code[request.symbol].symbol,
            "side": request.side,
            "order_type": request.details["ordertype"],
            **self._terms(order),
            "time_in_force": request.time_in_force.upper(),
            "post_only": request.is_post_only,
            "reduce_only": request.is_reduce_only,
            "margin": request.leverage is not None,
            "fee_ccy_pref": "fcib" if request.is_fee_in_base else "fciq",
            **self._sums(order),
            "timestamp": rfc3339(order.created_us if exec_type == "pending_new" else order.changed_us),
        }
        if request.trigger is not None:
            row["triggers"] = self._triggers(order)
        if request.expires_us is not None:
            row["expire_time"] = rfc3339(request.expires_us)
        if request.starts_us is not None:
            row["effective_time"] = rfc3339(request.starts_us)
        return row

    def _terms(self, order: Order) -> dict[str, Any]:
        request = order.request
        terms: dict[str, Any] = {}
        if request.quantity is not None:
            terms["order_qty"] = self._number(request.quantity)
        if request.quote_quantity is not None:
            terms["cash_order_qty"] = self._number(request.quote_quantity)
        if request.limit_price is not None:
            terms |= {"limit_price": self._number(request.limit_price), "limit_price_type": "static"}
        if request.display_quantity is not None:
            terms["display_qty"] = self._number(request.display_quantity)
        terms["stop_price"] = self._number(ZERO if request.trigger is None else request.trigger.price)
        return terms

    def _triggers(self, order: Order) -> dict[str, Any]:
        trigger = order.request.trigger
        assert trigger is not None
        market = self._exchange.engine.markets[order.request.symbol]
        return {
            "reference": "last",
            "price": self._number(trigger.price),
            "price_type": "static",
            "actual_price": self._number(market.last),
            "last_price": self._number(market.last),
            "status": "triggered" if order.is_triggered else "untriggered",
            "timestamp": rfc3339(order.changed_us),
        }

    def _sums(self, order: Order) -> dict[str, Any]:
        return {
            "cum_qty": self._number(order.filled),
            "cum_cost": self._number(order.cost),
            "avg_price": self._number(self._average(order)),
            "fee_usd_equiv": self._number(self._in_usd(order)),
        }

    def _trade(self, order: Order, fill: Fill, status: str = "filled") -> dict[str, Any]:
        request = order.request
        return {
            "exec_type": "trade",
            "order_status": status,
            **self._ids(order),
            "exec_id": fill.id,
            "trade_id": fill.number,
            "symbol": self._exchange.listing.by_code[fill.symbol].symbol,
            "side": fill.side,
            "order_type": request.details["ordertype"],
            "last_qty": self._number(fill.quantity),
            "last_price": self._number(fill.price),
            "cost": self._number(fill.cost),
            "liquidity_ind": "m" if fill.is_maker else "t",
            **self._sums(order),
            "fees": [{"asset": fill.fee_asset, "qty": self._number(fill.fee)}],
            "fee_usd_equiv": self._number(self._value(fill.fee_asset, fill.fee)),
            "timestamp": rfc3339(fill.at_us),
        }

    def _average(self, order: Order) -> Decimal:
        if not order.filled:
            return ZERO
        pair = self._exchange.listing.by_code[order.request.symbol]
        return divide(order.cost, order.filled, places=pair.price_decimals)

    def _in_usd(self, order: Order) -> Decimal:
        pair = self._exchange.listing.by_code[order.request.symbol]
        with exact():
            return self._value(pair.base.code, order.fee_base) + self._value(pair.quote.code, order.fee_quote)

    def _value(self, asset: str, amount: Decimal) -> Decimal:
        with exact():
            return round_down(amount * self._exchange.usd_price(asset), places=10)


def _status_of(order: Order) -> str:
    ended = _ENDED.get(order.status)
    return ended or ("partially_filled" if order.filled else "new")
