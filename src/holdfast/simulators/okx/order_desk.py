"""
One or many orders, amendments or cancels as one call: counted, carried out one by one, and answered in OKX's envelope.

REST and the stream share it, counts included. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-multiple-orders,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast.simulators.core.orders import Order
from holdfast.simulators.okx.errors import ItemRefusedError, OkxRefusedError
from holdfast.simulators.okx.exchange import OkxAccount, OkxExchange
from holdfast.simulators.okx.gate import Gate
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.render import ms
from holdfast.simulators.okx.tickets import text_of_field
from holdfast.simulators.okx.trading import OrderEntry

__all__ = ["MOST_ITEMS", "Answer", "OrderDesk"]

MOST_ITEMS: Final = 20
"""How many orders one batch may have."""

InstrumentOf = Callable[[Mapping[str, Any]], Instrument | None]
"""Finds an item's instrument; raises ``ItemRefusedError`` where the item names none."""

_PATHS: Final = {"place": ("order", "batch-orders"), "amend": ("amend-order", "amend-batch-orders")} | {
    "cancel": ("cancel-order", "cancel-batch-orders")
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call about orders comes to: the envelope's code and text, and a row for each item."""

    code: str
    text: str
    rows: list[dict[str, Any]]


class OrderDesk:
    """Takes calls about orders."""

    def __init__(self, exchange: OkxExchange, orders: OrderEntry, gate: Gate) -> None:
        self._exchange = exchange
        self._orders = orders
        self._gate = gate

    def act(
        self,
        what: str,
        account: OkxAccount,
        items: Sequence[Any],
        *,
        instrument_of: InstrumentOf,
        deadline_ms: str | None,
        is_batch: bool,
    ) -> Answer:
        """
        Place, amend or cancel every item.

        Args:
            what: ``place``, ``amend`` or ``cancel``.
            items: The orders as the client wrote them.
            instrument_of: How this wire names instruments.
            deadline_ms: The request's ``expTime``; cancels have none.
            is_batch: Whether it came as a batch; one of a single order counts like a single order.

        Raises:
            OkxRefusedError: The call as a whole; nothing happened.
        """
        if not 1 <= len(items) <= MOST_ITEMS or not all(isinstance(item, Mapping) for item in items):
            raise OkxRefusedError("50014" if not items else "51000", "Parameter orders error")
        named = [self._named(item, instrument_of) for item in items]
        self._count(what, account, named, is_batch=is_batch and len(items) > 1)
        settings = self._exchange.settings
        expired: ItemRefusedError | None = None
        if what != "cancel":
            try:
                self._orders.check_time(deadline_ms)
            except OkxRefusedError as refusal:
                if settings.expired_form == "call" or refusal.code == "51000":
                    raise
                expired = ItemRefusedError(refusal.code)
        rows = []
        for item, instrument in zip(items, named, strict=True):
            try:
                if expired is not None:
                    raise expired
                if isinstance(instrument, ItemRefusedError):
                    raise instrument
                order = self._one(what, account, item, instrument)
            except ItemRefusedError as refusal:
                if refusal.code == "51000" and settings.are_parameter_errors_top_level and not is_batch:
                    raise OkxRefusedError(refusal.code, refusal.text) from None
                rows.append(self._row(what, item, None, refusal))
            else:
                rows.append(self._row(what, item, order, None))
        failed = sum(row["sCode"] != "0" for row in rows)
        if not failed:
            return Answer(code="0", text="", rows=rows)
        if failed == len(rows):
            return Answer(code="1", text="All operations failed", rows=rows)
        return Answer(code="2", text="Bulk operation partially succeeded", rows=rows)

    def _named(self, item: Mapping[str, Any], instrument_of: InstrumentOf) -> Instrument | ItemRefusedError | None:
        try:
            return instrument_of(item)
        except ItemRefusedError as refusal:
            return refusal

    def _count(
        self,
        what: str,
        account: OkxAccount,
        named: Sequence[Instrument | ItemRefusedError | None],
        *,
        is_batch: bool,
    ) -> None:
        name = f"POST trade/{_PATHS[what][is_batch]}"
        counted = Counter(one.id if isinstance(one, Instrument) else "" for one in named)
        for part, cost in counted.items():
            self._gate.count(name, whose=account.uid, part=part, cost=cost)
        if what != "cancel" and self._exchange.settings.does_account_limit_apply:
            limits = self._gate.limits
            if not limits.admits("orders", account.uid, "", now_s=self._exchange.now_s(), cost=len(named)):
                raise OkxRefusedError("50061")

    def _one(self, what: str, account: OkxAccount, item: Mapping[str, Any], instrument: Instrument | None) -> Order:
        if what == "place":
            return self._orders.place(account, item, instrument)
        if what == "amend":
            return self._orders.amend(account, item, instrument)
        return self._orders.cancel(account, item, instrument)

    def _row(
        self, what: str, item: Mapping[str, Any], order: Order | None, refusal: ItemRefusedError | None
    ) -> dict[str, Any]:
        row = {
            "clOrdId": _text(item, "clOrdId") if order is None else order.request.client_order_id or "",
            "ordId": order.id if order is not None else "" if what == "place" else _text(item, "ordId"),
        }
        if what == "place":
            row["tag"] = _text(item, "tag")
        elif what == "amend":
            row["reqId"] = _text(item, "reqId")
        row["ts"] = ms(self._exchange.now_us())
        row["sCode"] = refusal.code if refusal is not None else "0"
        if refusal is not None:
            row["sMsg"] = refusal.text
        else:
            row["sMsg"] = "Order placed" if what == "place" else ""
        form = self._exchange.settings.sub_code
        if what != "cancel" and form != "absent":
            detail = refusal.detail if refusal is not None else ""
            row["subCode"] = f"{row['sCode']}_{detail}" if detail and form == "whole" else detail
        return row


def _text(item: Mapping[str, Any], name: str) -> str:
    try:
        return text_of_field(item, name) or ""
    except ItemRefusedError:
        return ""
