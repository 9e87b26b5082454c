"""
Order entry, whatever wire it came over: the instrument's rules, funds, changes, cancels, the dead man.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-amend-order,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-order,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-all-after.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, exact, round_down, round_up
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide, multiply
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.engine import WouldTakeError
from holdfast.simulators.core.orders import Order, OrderRequest
from holdfast.simulators.okx.errors import ItemRefusedError, OkxRefusedError
from holdfast.simulators.okx.exchange import OkxAccount, OkxExchange
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.tickets import Ticket, amount_of, flag_of, text_of_field, ticket_of

__all__ = ["OrderEntry"]

_RESERVE: Final = Decimal("1.05")


class OrderEntry:
    """Everything that places, changes or cancels orders."""

    def __init__(self, exchange: OkxExchange) -> None:
        self._exchange = exchange
        self._switches: dict[tuple[str, str], tuple[Any, int]] = {}  # Account and tag to timer and when it fires.

    # Placing

    def check_time(self, deadline_ms: str | None) -> None:
        """
        Whether a request may still be executed.

        Raises:
            OkxRefusedError: Its time is over, or is no time.
        """
        if not deadline_ms:
            return
        if not (deadline_ms.isascii() and deadline_ms.isdigit() and len(deadline_ms) < 20):
            raise OkxRefusedError("51000", "Parameter expTime error", status=400)
        if self._exchange.now_us() > int(deadline_ms) * 1000:
            raise OkxRefusedError(self._exchange.settings.expired_code)

    def place(self, account: OkxAccount, fields: Mapping[str, Any], instrument: Instrument | None) -> Order:
        """
        Place one order on an instrument (None: there is no such one).

        Raises:
            ItemRefusedError: With OKX's code; nothing happened.
        """
        ticket = ticket_of(self._exchange, account, fields, instrument)
        try:
            return self._place(account, ticket)
        except ItemRefusedError as refusal:
            for listener in self._exchange.refusal_listeners:
                listener(account, ticket.order, refusal.code)
            raise

    def _place(self, account: OkxAccount, ticket: Ticket) -> Order:
        self._check_state(account, ticket.line)
        self._check_count(account, ticket.line)
        client_id = ticket.order.client_order_id
        if client_id is not None and self._pending(account, client_id) is not None:
            raise ItemRefusedError(self._exchange.settings.duplicate_code)
        order = self._check_rules(ticket)
        if order.limit_price is None:
            order = self._fitted(account, ticket, order)
        try:
            return self._exchange.engine.place(account, order)
        except ShortOfFundsError as short:
            raise self._short(short.free) from None

    def _fitted(self, account: OkxAccount, ticket: Ticket, order: OrderRequest) -> OrderRequest:
        """A market order that the account can fund: as it was asked for, or silently smaller where that is allowed."""
        line = ticket.line
        engine = self._exchange.engine
        reserve = self._exchange.settings.market_reserve
        if order.side == "sell":
            free = account.free(line.base.code)
            if order.quantity is not None and order.quantity > free:
                quantity = divide(free, line.lot, places=0) * line.lot
                return self._shrunk(ticket, order, free, quantity=quantity)
            return order
        free = account.free(line.quote.code)
        is_by_quote = order.quote_quantity is not None
        try:
            engine.check_funds(account, order)
            needed = order.quote_quantity or self._cost(line, order.quantity or ZERO)
            is_checked = reserve == "both" or (reserve == "base" and not is_by_quote)
            with exact():
                if not is_checked or needed * _RESERVE <= free:
                    return order
        except ShortOfFundsError:
            pass
        rate = ZERO if order.is_fee_in_base else self._exchange.fee_rate(account, is_maker=False)
        spendable = divide(free, 1 + rate, places=line.quote.decimals)
        if is_by_quote:
            return self._shrunk(ticket, order, free, quote_quantity=spendable)
        price = engine.books[line.line].best("sell")
        if price is None:
            return order
        with exact():
            reserved = divide(spendable, price.price * _RESERVE, places=line.quantity_decimals)
        return self._shrunk(ticket, order, free, quantity=reserved)

    def _shrunk(
        self,
        ticket: Ticket,
        order: OrderRequest,
        free: Decimal,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
    ) -> OrderRequest:
        size = quantity if quantity is not None else quote_quantity
        assert size is not None
        is_too_small = quantity is not None and quantity < ticket.line.min_size
        if ticket.is_size_fixed or size <= 0 or is_too_small:
            raise self._short(free)
        return msgspec.structs.replace(order, quantity=quantity, quote_quantity=quote_quantity)

    def _cost(self, line: Instrument, quantity: Decimal) -> Decimal:
        """What a market buy of so much would cost now."""
        cost = ZERO
        for offer in self._exchange.engine.books[line.line].offers("sell"):
            with exact():
                part = min(offer.quantity, quantity)
                cost += round_up(part * offer.price, places=line.quote.decimals)
                quantity -= part
            if not quantity:
                break
        return cost

    def _short(self, free: Decimal) -> ItemRefusedError:
        settings = self._exchange.settings
        if settings.is_nothing_available_51127 and free <= 0:
            return ItemRefusedError("51127")
        return ItemRefusedError(settings.short_code, detail="1000" if settings.short_code == "51008" else "")

    # Changing

    def amend(self, account: OkxAccount, fields: Mapping[str, Any], instrument: Instrument | None) -> Order:
        """
        Change an open order in place.

        Raises:
            ItemRefusedError: With OKX's code; the order stands as it was, or is cancelled where ``cxlOnFail`` says so.
        """
        order = self.find(account, fields, instrument, missing_code="51603", ended_code="51503")
        assert instrument is not None
        size, price = amount_of(fields, "newSz"), amount_of(fields, "newPx")
        if size is None and price is None:
            raise ItemRefusedError("51000", "Parameter newSz or newPx error")
        request = order.request
        if request.quantity is None or request.limit_price is None:
            raise ItemRefusedError("51613")
        changed = msgspec.structs.replace(
            request,
            quantity=request.quantity if size is None else size,
            limit_price=request.limit_price if price is None else price,
            details={**request.details, "sz": request.quantity if size is None else size},
        )
        line = self._exchange.listing.lines[request.symbol]
        try:
            self._check_state(account, line)
            self._check_size(line, changed)
            self._check_price(line, changed)
            return self._exchange.engine.amend(account, order, changed)
        except ShortOfFundsError:
            refusal = ItemRefusedError("51502")
        except WouldTakeError:
            refusal = ItemRefusedError("51006")
        except ItemRefusedError as other:
            refusal = other
        if flag_of(fields, "cxlOnFail"):
            self._exchange.engine.cancel(account, order.id)
        raise refusal

    # Cancelling

    def cancel(self, account: OkxAccount, fields: Mapping[str, Any], instrument: Instrument | None) -> Order:
        """
        Accept the cancel of an open order; returns the order as it was.

        Raises:
            ItemRefusedError: There is no such order, or its cancel is on its way.
        """
        settings = self._exchange.settings
        order = self.find(account, fields, instrument, missing_code=settings.unknown_cancel_code, ended_code="51400")
        if order.is_cancel_pending:
            raise ItemRefusedError("51410")
        if self._exchange.impairments.spend("fill_before_cancel") is not None and order.rests:
            self._exchange.engine.fill_resting(account, order)
        elif settings.cancel_delay_s:
            self._exchange.engine.mark_cancel_pending(account, order.id)
            self._exchange.timers.call_later(settings.cancel_delay_s, self._exchange.engine.cancel, account, order.id)
        else:
            self._exchange.engine.cancel(account, order.id)
        return order

    def cancel_all(self, account: Account, *, reason: str | None = None, tag: str | None = None) -> int:
        """Cancel every open order (of a tag); returns how many."""
        orders = [o for o in account.orders.open.values() if tag is None or o.request.details["tag"] == tag]
        for order in orders:
            self._exchange.engine.cancel(account, order.id, reason=reason)
        return len(orders)

    def cancel_after(self, account: OkxAccount, timeout_s: int, tag: str) -> int:
        """Arm the dead-man switch of a tag (empty: of all), or disarm it with 0; returns when it fires, or 0."""
        timer, _ = self._switches.pop((account.name, tag), (None, 0))
        if timer is not None:
            timer.cancel()
        if not timeout_s:
            return 0
        fires_us = self._exchange.now_us() + timeout_s * 1_000_000
        timer = self._exchange.timers.call_later(float(timeout_s), self._switch_fires, account, tag)
        self._switches[account.name, tag] = (timer, fires_us)
        return fires_us

    def switches(self, account: Account) -> int:
        """How many switches of an account are armed."""
        return sum(name == account.name for name, _ in self._switches)

    def _switch_fires(self, account: Account, tag: str) -> None:
        self._switches.pop((account.name, tag), None)
        self.cancel_all(account, reason="20", tag=tag or None)

    # Finding

    def find(
        self,
        account: Account,
        fields: Mapping[str, Any],
        instrument: Instrument | None,
        *,
        missing_code: str,
        ended_code: str,
    ) -> Order:
        """
        The open order that a request names; ``ordId`` counts where both ids are given.

        Raises:
            ItemRefusedError: No id, no instrument, or no such open order.
        """
        order_id, client_id = text_of_field(fields, "ordId"), text_of_field(fields, "clOrdId")
        if order_id is None and client_id is None:
            raise ItemRefusedError("51003")
        if instrument is None:
            raise ItemRefusedError("51001")
        order = self.latest(account, instrument, order_id=order_id, client_id=client_id)
        if order is None:
            raise ItemRefusedError(missing_code)
        if not order.is_open:
            raise ItemRefusedError(ended_code)
        return order

    def latest(
        self, account: Account, instrument: Instrument, *, order_id: str | None, client_id: str | None
    ) -> Order | None:
        """The latest order of this id on an instrument, open or not."""
        if order_id is not None:
            order = account.orders.get(order_id)
        else:
            assert client_id is not None
            order = self._pending(account, client_id) or next(
                (order for order in reversed(account.orders.ever()) if order.request.client_order_id == client_id),
                None,
            )
        if order is None or self._exchange.listing.lines[order.request.symbol].id != instrument.id:
            return None
        return order

    def _pending(self, account: Account, client_id: str) -> Order | None:
        return next((o for o in account.orders.open.values() if o.request.client_order_id == client_id), None)

    # Rules

    def _check_state(self, account: OkxAccount, line: Instrument) -> None:
        if account.is_blocked:
            raise ItemRefusedError("51024")
        code = {"suspend": "51022", "preopen": "51021", "test": "51021"}.get(self._exchange.state_of(line))
        if code is not None:
            raise ItemRefusedError(code)

    def _check_count(self, account: Account, line: Instrument) -> None:
        settings = self._exchange.settings
        count = sum(order.request.symbol == line.line for order in account.orders.open.values())
        if count >= settings.max_pending_per_instrument:
            raise ItemRefusedError("51102")
        if len(account.orders.open) >= settings.max_pending_orders:
            raise ItemRefusedError("51025")

    def _check_rules(self, ticket: Ticket) -> OrderRequest:
        """The order, with its price brought into the band where it asked for that."""
        line, order = ticket.line, ticket.order
        self._check_size(line, order)
        if order.limit_price is None:
            return order
        try:
            self._check_price(line, order)
        except ItemRefusedError as refusal:
            if refusal.code != "51006" or not ticket.is_price_amended:
                raise
            return msgspec.structs.replace(order, limit_price=self._band(line, order.side))
        return order

    def _check_size(self, line: Instrument, order: OrderRequest) -> None:
        if order.quantity is None:
            value = multiply(order.quote_quantity or ZERO, self._exchange.usd_price(line.quote.code))
            if value > line.max_market_usd:
                raise ItemRefusedError("51201")
            least = multiply(line.min_size, self._exchange.engine.markets[line.line].last)
            if (order.quote_quantity or ZERO) < least:
                raise ItemRefusedError("51020")
            return
        with exact():
            if order.quantity % line.lot:
                raise ItemRefusedError("51121")
        if order.quantity < line.min_size:
            raise ItemRefusedError("51020")
        if order.limit_price is None:
            value = multiply(order.quantity, self._exchange.usd_price(line.base.code))
            if value > line.max_market_usd:
                raise ItemRefusedError("51202")
        elif order.quantity > line.max_limit_size:
            raise ItemRefusedError("51203")

    def _check_price(self, line: Instrument, order: OrderRequest) -> None:
        price = order.limit_price
        assert price is not None
        with exact():
            if price <= 0 or price % line.tick:
                raise ItemRefusedError("51000", "Parameter px error")
        band = self._band(line, order.side)
        if band is not None and (price > band if order.side == "buy" else price < band):
            raise ItemRefusedError("51006")

    def _band(self, line: Instrument, side: str) -> Decimal | None:
        """The highest price that may be bid, or the lowest that may be asked; None where there is no band."""
        percent = self._exchange.settings.price_band_percent
        if not percent:
            return None
        mid = self._exchange.engine.markets[line.line].mid
        with exact():
            away = mid * percent / 100
            price = mid + away if side == "buy" else mid - away
        return round_down(price, places=line.price_decimals)
