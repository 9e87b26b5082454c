"""Every order and fill of one account, with a short past."""

from __future__ import annotations

from typing import Final

from holdfast.simulators.core.history import History
from holdfast.simulators.core.orders import Fill, Order

__all__ = ["OrderLog"]

_KEEP: Final = 20_000


class OrderLog:
    """
    Orders by id, the open ones in order of arrival, the others in order of their end.

    The oldest finished orders and fills are forgotten beyond 20,000: a long run must not grow without bound.
    """

    def __init__(self, *, keep_s: float) -> None:
        self.open: dict[str, Order] = {}
        self.finished: dict[str, Order] = {}
        self.fills: dict[str, Fill] = {}
        self._past_open: History[str, Order] = History(keep_s=keep_s)
        self._past_finished: History[str, Order] = History(keep_s=keep_s)

    def get(self, order_id: str) -> Order | None:
        """The order of this id, open or not."""
        return self.open.get(order_id) or self.finished.get(order_id)

    def put(self, order: Order, *, now_s: float) -> None:
        """Replace an order by its next state."""
        before = self.open.get(order.id)
        if order.is_open:
            self._past_open.note(order.id, before, now_s=now_s)
            self.open[order.id] = order
            return
        if before is not None:
            self._past_open.note(order.id, before, now_s=now_s)
            del self.open[order.id]
        self._past_finished.note(order.id, self.finished.get(order.id), now_s=now_s)
        self.finished[order.id] = order
        _forget(self.finished)

    def add(self, fill: Fill) -> None:
        """Remember a fill."""
        self.fills[fill.id] = fill
        _forget(self.fills)

    def open_at(self, at_s: float) -> dict[str, Order]:
        """The open orders as they were at *at_s*, each in its state of then, in order of arrival."""
        past = self._past_open.rewind(self.open, to_s=at_s)
        return dict(sorted(past.items(), key=lambda entry: (entry[1].created_us, entry[0])))

    def finished_at(self, at_s: float) -> dict[str, Order]:
        """The orders that had ended by *at_s*."""
        return self._past_finished.rewind(self.finished, to_s=at_s)

    def fills_at(self, at_s: float) -> list[Fill]:
        """The fills made by *at_s*, oldest first."""
        return [fill for fill in self.fills.values() if fill.at_s <= at_s]


def _forget(rows: dict[str, Fill] | dict[str, Order]) -> None:
    while len(rows) > _KEEP:
        del rows[next(iter(rows))]
