"""Cancelling: never stopped by a trading state, a breaker or a figure, and safe to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from holdfast.core.assets import Symbol
from holdfast.core.venue import VenueClient, VenueStream
from holdfast.errors import (
    HoldfastError,
    Outcome,
    ReservationStateError,
    UnknownNameError,
    UnknownOrderError,
    UnknownReservationError,
    VenueError,
)
from holdfast.runtime.claims import Claims
from holdfast.runtime.intent_record import external_order
from holdfast.runtime.views import Order
from holdfast.runtime.vitals import Vitals

__all__ = ["Cancelling"]

_CANCEL_S: Final = 5.0


class Cancelling:
    """Cancels orders of one account, ours and others."""

    def __init__(
        self,
        *,
        claims: Claims,
        client: VenueClient,
        stream: VenueStream | None,
        vitals: Vitals,
        check_ownership: Callable[[], None],
    ) -> None:
        self._claims = claims
        self._account = claims.account
        self._name = claims.name
        self._client = client
        self._stream = stream
        self._vitals = vitals
        self._turn = asyncio.Lock()
        self._check_ownership = check_ownership

    async def cancel(self, name: str) -> Order:
        """
        Cancel by intent id, client order id or the venue's order id. Never stopped by a trading state. Suspends.

        Raises:
            UnknownNameError: No such order is known.
            ReservationStateError: It is a claim on which no order was placed.
            VenueError: The venue did not take it.
        """
        intent = self._claims.intents.get(name)
        external = None if intent is not None else self._account.ledger.open_orders.get(name)
        if intent is None and external is None:
            try:
                return await self._claims.order(name)
            except UnknownReservationError:
                raise UnknownNameError(
                    f"no order {name!a} at {self._name}: an intent id or a venue's order id is needed"
                ) from None
        if intent is not None and intent.order is None:
            raise ReservationStateError(
                f"{name!a} has no order to cancel: release the reservation",
                intent_id=name,
                state=intent.reservation.value,
            )
        order_id = intent.order_id if intent is not None else name
        client_order_id = None if intent is None else intent.client_order_id
        try:
            await self._cancel_bounded(order_id=order_id, client_order_id=client_order_id)
        except VenueError as error:
            if error.outcome is not Outcome.REJECTED or intent is None:
                raise
            self._claims.look_up(intent)  # It ended, as a rule: its own lists tell how.
            if not isinstance(error, UnknownOrderError):
                raise
        if intent is not None:
            self._claims.look_up(intent)
            return await self._claims.order(intent.intent_id)
        assert external is not None
        return external_order(external, self._name)

    async def _cancel_bounded(self, *, order_id: str | None, client_order_id: str | None) -> None:
        """Cancel; while new orders meet an open breaker, one at a time: nothing stops it, and it does not hammer."""
        if not self._vitals.is_trade_shut(self._account.clock.now_s()):
            await self._cancel(order_id=order_id, client_order_id=client_order_id)
            return
        async with self._turn:
            await self._cancel(order_id=order_id, client_order_id=client_order_id)

    async def _cancel(self, *, order_id: str | None, client_order_id: str | None) -> None:
        facts: dict[str, Any] = {
            "order_id": order_id,
            "client_order_id": client_order_id,
            "deadline_s": _CANCEL_S,
            "before_send": self._check_ownership,
        }
        if self._stream is not None and self._stream.can_send_orders:
            try:
                await self._stream.cancel_order(**facts)
            except VenueError as error:
                if error.outcome not in (Outcome.NEVER_SENT, Outcome.UNKNOWN):
                    raise
            else:
                return
        await self._client.cancel_order(**facts)  # Repeating a cancel harms nothing.

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        """Cancel every open order of the account, or of an instrument. Suspends; raises the first failure at last."""
        names = [
            order.intent_id or order.order_id or ""
            for order in self._claims.open_orders()
            if symbol is None or order.symbol == symbol
        ]
        cancelled: list[Order] = []
        failures: list[HoldfastError] = []
        for name in names:
            try:
                cancelled.append(await self.cancel(name))
            except (UnknownNameError, UnknownOrderError):
                pass  # It ended by itself before its turn came.
            except HoldfastError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return cancelled
