"""
Orders and fills as reads know them, which may be later than they are: what is known of an order, and since when.
"""

from __future__ import annotations

from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.orders import Fill, Order

__all__ = ["Views"]


class Views:
    """What reads answer from."""

    def __init__(self, exchange: CoinbaseExchange) -> None:
        self._exchange = exchange

    def orders(self, account: Account) -> list[Order]:
        """Every order that reads know, newest first, each in the state that they know."""
        at_s = self._exchange.impairments.lagging_s("rest_lag")
        if at_s is None:
            orders = account.orders.ever()
        else:
            past = {**account.orders.finished_at(at_s), **account.orders.open_at(at_s)}
            orders = sorted(past.values(), key=lambda order: order.created_us)
        orders = [order for order in orders if self._is_visible(order)]
        orders.reverse()
        return orders

    def order(self, account: Account, order_id: str) -> Order | None:
        """One order as reads know it."""
        if self._exchange.impairments.applies("rest_lag") is not None:
            return next((order for order in self.orders(account) if order.id == order_id), None)
        order = account.orders.get(order_id)
        return order if order is not None and self._is_visible(order) else None

    def fills(self, account: Account) -> list[Fill]:
        """Every fill that reads know, newest first."""
        at_s = self._exchange.impairments.lagging_s("rest_lag")
        fills = list(account.orders.fills.values()) if at_s is None else account.orders.fills_at(at_s)
        known = [fill for fill in fills if (order := account.orders.get(fill.order_id)) and self._is_visible(order)]
        known.reverse()
        return known

    def _is_visible(self, order: Order) -> bool:
        late_s = self._exchange.settings.order_visible_after_s
        fault = self._exchange.impairments.applies("orders_late")
        if fault is not None:
            late_s = max(late_s, float(fault.fields["by_s"]))
        arrived_s = order.request.details.get("arrived_s")
        return not late_s or arrived_s is None or self._exchange.now_s() >= arrived_s + late_s
