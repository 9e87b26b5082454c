"""
Order methods over the stream.

An answer says that the request was handled; what became of the order comes over ``executions``. Sources (checked
2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/add_order, .../amend_order,
.../cancel_order, .../cancel_after, .../batch_add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.orders import Order, OrderRequest
from holdfast.simulators.kraken.errors import (
    INSUFFICIENT_FUNDS,
    PERMISSION_DENIED,
    KrakenRefusedError,
    invalid_arguments,
)
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.render import places, rfc3339
from holdfast.simulators.kraken.stream import StreamRequest, StreamSurface
from holdfast.simulators.kraken.tickets import checked_user_ref, moment_us, stream_ticket, wire_amount
from holdfast.simulators.kraken.tokens import Token, TokenStore
from holdfast.simulators.kraken.trading import OrderEntry

__all__ = ["StreamOrders"]

_ORDER_FIELDS: Final = {
    "cash_order_qty",
    "cl_ord_id",
    "conditional",
    "display_qty",
    "effective_time",
    "expire_time",
    "fee_preference",
    "limit_price",
    "limit_price_type",
    "margin",
    "no_mpp",
    "order_qty",
    "order_type",
    "order_userref",
    "post_only",
    "reduce_only",
    "sender_sub_id",
    "side",
    "stp_type",
    "time_in_force",
    "triggers",
}
_FIELDS: Final = {
    "add_order": _ORDER_FIELDS | {"deadline", "symbol", "token", "validate"},
    "amend_order": {
        "cl_ord_id",
        "deadline",
        "display_qty",
        "limit_price",
        "limit_price_type",
        "order_id",
        "order_qty",
        "post_only",
        "symbol",
        "token",
        "trigger_price",
        "trigger_price_type",
    },
    "edit_order": _ORDER_FIELDS | {"deadline", "order_id", "symbol", "token", "validate"},
    "cancel_order": {"cl_ord_id", "order_id", "order_userref", "token"},
    "cancel_all": {"token"},
    "cancel_all_orders_after": {"timeout", "token"},
    "batch_add": {"deadline", "orders", "symbol", "token", "validate"},
    "batch_cancel": {"cl_ord_id", "orders", "token"},
}
_EXPLAINED: Final = {
    INSUFFICIENT_FUNDS: f"{INSUFFICIENT_FUNDS} (insufficient user funds)",
    "EOrder:Order minimum not met": "EOrder:Order minimum not met (volume too low)",
}


class StreamOrders:
    """The handlers of order methods."""

    def __init__(
        self, exchange: KrakenExchange, surface: StreamSurface, tokens: TokenStore, orders: OrderEntry
    ) -> None:
        self._exchange = exchange
        self._tokens = tokens
        self._orders = orders
        methods: dict[str, Callable[[StreamRequest, Account], None]] = {
            "add_order": self._add,
            "amend_order": self._amend,
            "edit_order": self._edit,
            "cancel_order": self._cancel,
            "cancel_all": self._cancel_all,
            "cancel_all_orders_after": self._cancel_after,
            "batch_add": self._batch_add,
            "batch_cancel": self._batch_cancel,
        }
        for name, method in methods.items():
            surface.handlers[name] = self._guarded(name, method)

    def _guarded(self, name: str, method: Callable[[StreamRequest, Account], None]) -> Callable[[StreamRequest], None]:
        is_cancel = "cancel" in name
        spoken = name.replace("_", " ")

        def handle(request: StreamRequest) -> None:
            unknown = sorted(request.params.keys() - _FIELDS[name])
            if unknown:
                raise KrakenRefusedError(f"Unsupported field: '{unknown[0]}' for the given msg type: {spoken}")
            token = self._token(request)
            needed = {"modify-trades", "close-trades"} if is_cancel else {"modify-trades"}
            if token.key.permissions.isdisjoint(needed):
                raise KrakenRefusedError(PERMISSION_DENIED)
            faults = self._exchange.impairments
            before = faults.spend("refuse", name=name, when="before")
            if before is not None:
                raise KrakenRefusedError(str(before.fields.get("error", "EService:Unavailable")))
            after = faults.spend("refuse", name=name, when="after")
            if after is not None:
                request.answer_instead = str(after.fields.get("error", "EService:Unavailable"))
            with self._ordered(request):
                try:
                    method(request, self._exchange.accounts[token.key.account])
                except KrakenRefusedError as refusal:
                    explains = self._exchange.settings.do_stream_errors_explain
                    request.refuse(_EXPLAINED.get(refusal.text, refusal.text) if explains else refusal.text)

        return handle

    @contextmanager
    def _ordered(self, request: StreamRequest) -> Iterator[None]:
        if self._exchange.settings.are_acks_before_events:
            with request.session.acknowledging_first():
                yield
        else:
            yield

    def _token(self, request: StreamRequest) -> Token:
        token = self._tokens.find(request.params.get("token"))
        if token is None:
            raise KrakenRefusedError(self._exchange.settings.dead_session_error)
        request.session.keys.add(token.key.public)
        return token

    # Methods

    def _add(self, request: StreamRequest, account: Account) -> None:
        ticket = stream_ticket(self._exchange, request.params)
        order = self._orders.add(account, ticket)
        if order is None:
            named = self._exchange.settings.does_stream_validate_name_order
            request.succeed({"order_id": self._exchange.new_id("O")} if named else {})
        else:
            request.succeed(_ids(order))

    def _amend(self, request: StreamRequest, account: Account) -> None:
        params = request.params
        order = self._orders.find(account, order_id=_text(params, "order_id"), client_id=_text(params, "cl_ord_id"))
        self._orders.amend(
            account,
            order,
            quantity=_amount(params, "order_qty"),
            limit_price=_amount(params, "limit_price"),
            trigger_price=_amount(params, "trigger_price"),
            display=_amount(params, "display_qty"),
            is_post_only=params.get("post_only") if isinstance(params.get("post_only"), bool) else None,
            deadline_us=self._deadline_us(params),
        )
        named = {"order_id": order.id} if "order_id" in params else {"cl_ord_id": order.request.client_order_id}
        request.succeed({"amend_id": self._exchange.new_id("T"), **named})

    def _edit(self, request: StreamRequest, account: Account) -> None:
        params = request.params
        order = self._orders.find(account, order_id=_text(params, "order_id"))
        pair = self._exchange.listing.by_symbol.get(str(params.get("symbol", "")))
        if pair is None or pair.code != order.request.symbol:
            raise invalid_arguments("symbol")
        limit = _amount(params, "limit_price")
        triggers = params.get("triggers")
        trigger = wire_amount(triggers["price"], "triggers") if isinstance(triggers, dict) else None

        def described(asked: OrderRequest) -> OrderRequest:
            shown = [asked.trigger.price] if asked.trigger is not None else []
            shown += [asked.limit_price] if asked.limit_price is not None else []
            texts = [places(price, pair.price_decimals) for price in shown]
            texts += ["0"] * (2 - len(texts))
            is_post = params.get("post_only")
            return msgspec.structs.replace(
                asked,
                is_post_only=is_post if isinstance(is_post, bool) else asked.is_post_only,
                details={**asked.details, "price": texts[0], "price2": texts[1]},
            )

        new = self._orders.edit(
            account,
            order,
            volume=_amount(params, "order_qty"),
            price=limit,
            trigger_price=trigger,
            flags=described,
            user_ref=None if "order_userref" not in params else checked_user_ref(params["order_userref"]),
            is_validate_only=params.get("validate") is True,
            deadline_us=self._deadline_us(params),
        )
        result = {"original_order_id": order.id}
        request.succeed(result if new is None else {"order_id": new.id, **result})

    def _cancel(self, request: StreamRequest, account: Account) -> None:
        params = request.params
        given = [name for name in ("order_id", "cl_ord_id", "order_userref") if name in params]
        if len(given) != 1 or not isinstance(params[given[0]], list) or not params[given[0]]:
            raise invalid_arguments()
        for value in params[given[0]]:  # One answer per order, all with the request's id.
            try:
                for order in self._named(account, given[0], value):
                    self._orders.cancel(account, order)
                    request.succeed(_ids(order, with_user_ref=False))
            except KrakenRefusedError as refusal:
                request.refuse(refusal.text)

    def _cancel_all(self, request: StreamRequest, account: Account) -> None:
        self._orders.check_cancels()
        request.succeed({"count": self._orders.cancel_all(account)})

    def _cancel_after(self, request: StreamRequest, account: Account) -> None:
        timeout_s = request.params.get("timeout")
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int) or not 0 <= timeout_s < 86_400:
            raise invalid_arguments("timeout")
        fires_us = self._orders.cancel_after(account, timeout_s)
        now = rfc3339(self._exchange.now_us())
        off = {"zero": "0", "now": now, "empty": ""}[self._exchange.settings.dead_man_off_time]
        request.succeed({"currentTime": now, "triggerTime": off if fires_us is None else rfc3339(fires_us)})

    def _batch_add(self, request: StreamRequest, account: Account) -> None:
        params = request.params
        rows = params.get("orders")
        if not isinstance(rows, list) or not 2 <= len(rows) <= 15 or not all(isinstance(row, dict) for row in rows):
            raise invalid_arguments("orders")
        shared: dict[str, Any] = {name: params[name] for name in ("symbol", "deadline", "validate") if name in params}
        for row in rows:
            unknown = sorted(row.keys() - _ORDER_FIELDS)
            if unknown:
                raise KrakenRefusedError(f"Unsupported field: '{unknown[0]}' for the given msg type: batch add")
        tickets = [stream_ticket(self._exchange, {**row, **shared}) for row in rows]
        for ticket in tickets:
            self._orders.check(account, ticket)  # One that is malformed refuses the whole batch.
        results: list[dict[str, Any]] = []
        for ticket in tickets:
            try:
                order = self._orders.add(account, ticket)
            except KrakenRefusedError as refusal:  # One that cannot be funded refuses only itself.
                results.append({"error": refusal.text, "status": "error"})
            else:
                results.append({} if order is None else _ids(order))
        request.succeed(results)

    def _batch_cancel(self, request: StreamRequest, account: Account) -> None:
        params = request.params
        names = [*(params.get("orders") or []), *(params.get("cl_ord_id") or [])]
        if not 2 <= len(names) <= 50:
            raise invalid_arguments("orders")
        self._orders.check_cancels()
        count = 0
        for name in names:
            for field in ("order_id", "cl_ord_id"):
                try:
                    for order in self._named(account, field, name):
                        self._orders.cancel(account, order)
                        count += 1
                except KrakenRefusedError:
                    continue
        request.succeed({"count": count}, orders_cancelled=count)

    def _named(self, account: Account, field: str, value: Any) -> list[Order]:
        if field == "cl_ord_id":
            return [self._orders.find(account, client_id=str(value))]
        return self._orders.find_all(account, str(value))

    def _deadline_us(self, params: dict[str, Any]) -> int | None:
        value = params.get("deadline")
        return None if value in (None, "") else moment_us(value, "deadline", now_us=self._exchange.now_us())


def _ids(order: Order, *, with_user_ref: bool = True) -> dict[str, Any]:
    ids: dict[str, Any] = {"order_id": order.id}
    if order.request.client_order_id is not None:
        ids["cl_ord_id"] = order.request.client_order_id
    elif order.request.user_ref and with_user_ref:
        ids["order_userref"] = order.request.user_ref
    return ids


def _text(params: dict[str, Any], name: str) -> str | None:
    value = params.get(name)
    return None if value in (None, "") else str(value)


def _amount(params: dict[str, Any], name: str) -> Decimal | None:
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, str | bool):
        raise invalid_arguments(name)  # The stream's amounts are JSON numbers.
    return wire_amount(value, name)
