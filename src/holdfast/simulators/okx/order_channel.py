"""
The channel ``orders``: every change of an order as a whole row, without a snapshot at its beginning.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel (checked 2026-11-20).
"""

from __future__ import annotations

from typing import Any, Final

from holdfast.simulators.core.orders import Change, Fill, Order
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.order_rows import pushed_row
from holdfast.simulators.okx.stream import StreamSurface

__all__ = ["OrderChannel"]

_POST_ONLY: Final = "31"


class OrderChannel:
    """What its subscriptions are told."""

    def __init__(self, exchange: OkxExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        exchange.order_listeners.append(self.order_changed)

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Push one change of one order to every subscription of its account."""
        feeds = self._surface.feeds("orders", order.account)
        # The last trade already says that it filled the order, unless what was asked for was a sum of money.
        is_told = change is Change.FILLED and order.request.quantity is not None
        if not feeds or change is Change.ACCEPTED or is_told:
            return
        account = self._exchange.accounts[order.account]
        row = pushed_row(self._exchange, account, order, fill)
        if fill is not None and order.request.quantity is not None and order.filled >= order.request.quantity:
            row["state"] = "filled"
        rows: list[dict[str, Any]] = [row]
        if change is Change.AMENDED:
            row |= {"amendResult": "0", "amendSource": "1"}
        does_go_live = self._exchange.settings.does_crossing_post_only_go_live
        if change is Change.CANCELED and order.reason == _POST_ONLY and does_go_live:
            rows = [{**row, "state": "live", "cancelSource": ""}, row]
        for feed in feeds:
            if feed.arg.get("instType") in ("SPOT", "ANY") and feed.arg.get("instId") in (None, "", row["instId"]):
                for told in rows:
                    feed.push([told], is_update=True, uid=account.uid)
                    if self._exchange.impairments.spend("repeated_order") is not None:
                        later = {**told, "uTime": str(int(told["uTime"]) + 1)}
                        feed.push([later], is_update=True, uid=account.uid)
