"""A claim as a bot holds it: ``async with broker.reserve(verdict) as reservation``."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING

from holdfast.core.assets import AssetCode
from holdfast.core.denials import error_of
from holdfast.core.orders import OrderAsk
from holdfast.core.verdicts import Verdict, VerdictCode
from holdfast.errors import (
    HoldfastError,
    IntentRepeatedError,
    OrderInputError,
    OwnerSilentError,
    ReservationError,
    ReservationStateError,
    StoreError,
)

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker

__all__ = ["Reservation", "ask_of", "raise_denied"]


class Reservation:
    """
    Money claimed for one order. Made by ``Broker.reserve``; entering judges once more and claims, and may deny.

    Leaving the block releases it where no order was placed on it. Where one was, its outcome decides: a claim whose
    order may be at the venue is never released by an exception.

    Attributes:
        verdict: The one that it was claimed on; the one it was asked with until it is entered.
        intent_id: Its key, and that of the order placed on it; None until it is entered, unless it was given.
    """

    def __init__(self, broker: Broker, verdict: Verdict, *, intent_id: str | None, ttl_s: float | None) -> None:
        self._broker = broker
        self._ttl_s = ttl_s
        self._is_entered = False
        self.verdict = verdict
        self.intent_id = intent_id if intent_id is not None else verdict.intent_id

    @property
    def asset(self) -> AssetCode:
        """What was claimed of."""
        return self.verdict.asset

    @property
    def amount(self) -> Decimal | None:
        """How much, in whole units; None before it is claimed."""
        return self.verdict.required if self.verdict.is_reserved else None

    async def __aenter__(self) -> Reservation:
        if self._is_entered:
            raise ReservationStateError(
                "a reservation is entered once", intent_id=self.intent_id or "", state="entered"
            )
        self._is_entered = True
        if not self.verdict.is_reserved:
            self.verdict = await self._broker._claim(ask_of(self.verdict), intent_id=self.intent_id, ttl_s=self._ttl_s)
            raise_denied(self.verdict)
        self.intent_id = self.verdict.intent_id
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.release()
        except HoldfastError as failed:
            if error is None:
                raise
            # The body's own error has to be heard, its cancellation above all: a bot that catches ours would live on.
            error.add_note(f"and its claim {self.intent_id} was not released: {failed}")

    async def release(self) -> None:
        """
        Give the money back where no order was placed on it; else nothing. Suspends.

        Where that cannot be done now (a failed store, an owner that does not answer) the claim ends by its own time.
        """
        if self.intent_id is None:
            return
        with contextlib.suppress(ReservationError, StoreError, OwnerSilentError):
            await self._broker.release_reservation(self.intent_id)

    def __repr__(self) -> str:
        return f"<Reservation {self.intent_id} {self.amount} {self.asset}>"


def ask_of(verdict: Verdict) -> OrderAsk:
    """
    What a verdict was about, to be judged again.

    Raises:
        OrderInputError: It was about an amount, not an order.
    """
    if verdict.ask is None:
        raise OrderInputError("this verdict is about an amount, not an order: verify an order first", field="verdict")
    return verdict.ask


def raise_denied(verdict: Verdict) -> None:
    """Raise the error of a verdict that denies; nothing for one that approves."""
    if verdict.is_approved:
        return
    if verdict.code is VerdictCode.INTENT_REPEATED:
        denial = IntentRepeatedError(
            f"the intent {verdict.intent_id!a} was used before: broker.order(...) tells what became of it",
            intent_id=verdict.intent_id or "",
        )
        denial.verdict = verdict
        raise denial
    raise error_of(verdict)
