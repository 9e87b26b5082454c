"""
Order operations over the stream: the same as over REST, with instruments named by their codes.

Since March 2026 an operation names its instrument by ``instIdCode``, a number from the instrument list; ``instId`` is
no longer looked at. Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order,
https://www.okx.com/docs-v5/log_en/ (2026-01-29),
https://github.com/nautechsystems/nautilus_trader/issues/3507 (what a request without it is answered).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.okx.errors import ItemRefusedError, OkxRefusedError, StreamRefusedError
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.order_desk import MOST_ITEMS, Answer, OrderDesk
from holdfast.simulators.okx.render import us
from holdfast.simulators.okx.stream import StreamSession, StreamSurface
from holdfast.simulators.okx.tickets import text_of_field

__all__ = ["OPERATIONS", "StreamOrders"]

OPERATIONS: Final[Mapping[str, tuple[str, bool]]] = {
    "order": ("place", False),
    "batch-orders": ("place", True),
    "cancel-order": ("cancel", False),
    "batch-cancel-orders": ("cancel", True),
    "amend-order": ("amend", False),
    "batch-amend-orders": ("amend", True),
}
"""Operations: what they do, and whether to many orders."""


class StreamOrders:
    """The handlers of order operations."""

    def __init__(self, exchange: OkxExchange, surface: StreamSurface, desk: OrderDesk) -> None:
        self._exchange = exchange
        self._desk = desk
        for op in OPERATIONS:
            surface.handlers[op] = self.operate

    def operate(self, session: StreamSession, message: Mapping[str, Any]) -> None:
        """Carry out one operation and answer it; what its orders cause is pushed after that, or before."""
        if session.kind != "private":
            raise StreamRefusedError("60018")
        if session.key is None:
            raise StreamRefusedError("60011")
        in_us = self._exchange.now_us()
        with session.acknowledging_first():
            answer = self._answer(session, message)
            session.send(
                {
                    "id": message.get("id"),
                    "op": message["op"],
                    "code": answer.code,
                    "msg": answer.text,
                    "data": answer.rows,
                    "inTime": us(in_us),
                    "outTime": us(self._exchange.now_us()),
                }
            )

    def _answer(self, session: StreamSession, message: Mapping[str, Any]) -> Answer:
        what, is_batch = OPERATIONS[message["op"]]
        name, args = message.get("id"), message.get("args")
        is_named = isinstance(name, str) and name.isascii() and name.isalnum() and len(name) <= 32
        is_listed = isinstance(args, list) and 1 <= len(args) <= (MOST_ITEMS if is_batch else 1)
        if not is_named or not is_listed or not all(isinstance(arg, dict) for arg in args or ()):
            return Answer(code="60013", text="Invalid args", rows=[])
        assert session.key is not None
        assert isinstance(args, list)
        if "trade" not in session.key.permissions:
            return Answer(code="50030", text="You do not have permission to use this endpoint.", rows=[])
        try:
            self._fault(message["op"], "before")
            answer = self._desk.act(
                what,
                session.account,
                args,
                instrument_of=self._instrument,
                deadline_ms=text_of_field(message, "expTime"),
                is_batch=is_batch,
            )
            self._fault(message["op"], "after")
        except (OkxRefusedError, ItemRefusedError) as refusal:
            code = refusal.code
            if code == "50011":
                code = self._exchange.settings.stream_rate_code
            return Answer(code=code, text=refusal.text, rows=[])
        return answer

    def _fault(self, op: str, when: str) -> None:
        fault = self._exchange.impairments.spend("refuse", name=op, when=when)
        if fault is not None:
            raise OkxRefusedError(str(fault.fields.get("code", "50001")))

    def _instrument(self, item: Mapping[str, Any]) -> Instrument | None:
        settings = self._exchange.settings
        listing = self._exchange.listing
        code = item.get("instIdCode")
        if code in (None, ""):
            if settings.stream_instrument == "either" and isinstance(item.get("instId"), str):
                return listing.instruments.get(item["instId"])
            raise ItemRefusedError("50014", "Parameter instIdCode can not be empty")
        if isinstance(code, bool) or not isinstance(code, int):
            raise ItemRefusedError("51000", "Parameter instIdCode error")
        if not settings.does_stream_know_codes:
            return None
        return listing.by_code.get(code)
