"""
From a claim to the venue: durable first, over one wire, once; and what each answer, or its loss, makes of it.

A caller that is cancelled leaves at once; what it began is finished without it wherever something may have left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from holdfast.core.balances import Side
from holdfast.core.events import event
from holdfast.core.intents import Intent
from holdfast.core.orders import OrderAck, OrderAsk, OrderState, OrderTicket
from holdfast.core.seams import Clock, Randomness
from holdfast.core.venue import Capability, VenueClient, VenueStream
from holdfast.core.venue_time import VenueTime
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode
from holdfast.errors import (
    ClosedError,
    DeniedError,
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    MaintenanceError,
    Outcome,
    OutcomeUnknownError,
    UnsupportedError,
    VenueError,
)
from holdfast.runtime.claims import Claims
from holdfast.runtime.entry_settings import EntrySettings
from holdfast.runtime.intent_record import (
    checked_intent_id,
    client_order_id_of,
    new_intent_id,
    order_of,
)
from holdfast.runtime.judging import Judging
from holdfast.runtime.record import amount_text
from holdfast.runtime.views import Order
from holdfast.runtime.vitals import Passage, Vitals

__all__ = ["Sending"]

_ANSWER_S: Final = 5.0

_TOLD: Final = frozenset({OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED})


class Sending:
    """Places orders of one broker."""

    def __init__(
        self,
        *,
        claims: Claims,
        judging: Judging,
        client: VenueClient,
        stream: VenueStream | None,
        vitals: Vitals,
        time: VenueTime,
        settings: EntrySettings,
        randomness: Randomness,
        check_ownership: Callable[[], None],
        observe: Callable[[float], None],
        parked_cause: Callable[[], str | None],
    ) -> None:
        self._claims = claims
        self._judging = judging
        self._parked_cause = parked_cause
        self._account = claims.account
        self._name = claims.name
        self._client = client
        self._stream = stream
        self._vitals = vitals
        self._exits = asyncio.Lock()
        self._time = time
        self._settings = settings
        self._randomness = randomness
        self._check_ownership = check_ownership
        self._observe = observe
        self._clock: Clock = claims.account.clock
        self.is_closed = False

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        """
        Judge, claim, make durable and send once. Suspends.

        Raises:
            DeniedError: Nothing was sent; ``verdict`` says why where a check refused.
            VenueError: By its ``outcome``: rejected or never sent, and released; or unknown, and still reserved.
        """
        name = self._judging.new_id() if intent_id is None else checked_intent_id(intent_id)
        work = self._place(ask, name, is_reserved=is_reserved, valid_until_s=valid_until_s)
        order: Order = await self._finish(work, name)
        return order

    async def _finish(self, work: Any, name: str) -> Any:
        """Wait for *work* in a task of its own; a cancelled caller takes it along only while nothing is durable."""
        if self.is_closed:
            work.close()
            raise HaltedError(f"{self._name} is closing: nothing was sent")
        task = asyncio.get_running_loop().create_task(work, name=f"order {name}")
        self._claims.working.add(task)
        task.add_done_callback(self._claims.worked)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            intent = self._claims.intents.get(name)
            me = asyncio.current_task()
            if task.cancelled() and me is not None and not me.cancelling():
                # The desk closes, and the caller was not cancelled: it is told what is known.
                if intent is not None and intent.order is OrderState.IN_DOUBT:
                    raise self.unknown(intent, ClosedError("the desk was closed")) from None
                raise HaltedError(f"{self._name} is closing: nothing was sent") from None
            if not task.done() and (intent is None or intent.order is None):
                task.cancel()
            raise

    async def _place(self, ask: OrderAsk, name: str, *, is_reserved: bool, valid_until_s: float | None) -> Order:
        if ask.side is Side.BUY or not self._vitals.is_trade_shut(self._clock.now_s()):
            return await self._judge_and_place(ask, name, is_reserved=is_reserved, valid_until_s=valid_until_s)
        # An open breaker stops no exit. They wait for each other before they are judged: what waits later is too late.
        async with self._exits:
            return await self._judge_and_place(ask, name, is_reserved=is_reserved, valid_until_s=valid_until_s)

    async def _judge_and_place(
        self, ask: OrderAsk, name: str, *, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        await self._judging.settled()
        await self._judging.gather(ask)
        # Everything that runs out is counted from here: a process may be stopped between any two lines below.
        began_s = self._clock.now_s()
        self._judging.check_request(valid_until_s)
        verdict, intent = (
            self._judging.take_claim(ask, name) if is_reserved else self._judging.judge_and_claim(ask, name)
        )
        if intent is None:
            self._claims.settle()
            self._judging.tell(verdict)
            raise self._judging.denial(verdict, name)
        # Counted in the step that judged: whoever is judged while this one is on its way to the disk has to know of it.
        self._judging.sent_s.append(began_s)
        # Forced: the verdict has asked the breaker, or is an exit's.
        passage = self._vitals.trade.enter(self._clock.now_s(), is_forced=True)
        try:
            return await self._keep_and_send(
                ask, verdict, intent, passage, began_s=began_s, valid_until_s=valid_until_s
            )
        finally:
            passage.abandoned(self._clock.now_s())
            ended = self._claims.intents.gone(name)
            if ended is not None and ended.order is OrderState.NEVER_SENT:
                with contextlib.suppress(ValueError):  # Older than a minute.
                    self._judging.sent_s.remove(began_s)

    async def _keep_and_send(
        self,
        ask: OrderAsk,
        verdict: Verdict,
        intent: Intent,
        passage: Passage,
        *,
        began_s: float,
        valid_until_s: float | None,
    ) -> Order:
        name = intent.intent_id
        ticket = self._ticket(ask, verdict, intent, began_s)
        wall_us = self._clock.wall_us()
        intent = self._claims.intents.submit(
            name, ticket, is_exit=verdict.is_exit, wall_us=wall_us, asked_us=self._time.at_us(began_s)
        )
        written = self._claims.settle()
        self._judging.tell(verdict)
        send_until_s = began_s + self._settings.validity_s - self._settings.ahead_s
        if valid_until_s is not None:
            send_until_s = min(send_until_s, valid_until_s)
        try:
            is_durable = await self._claims.is_durable(written, intent)
        except asyncio.CancelledError:
            self._never_sent(name, "cancelled", None)
            raise
        if not is_durable:
            verdict = msgspec.structs.replace(verdict, code=VerdictCode.STORE_UNAVAILABLE, is_reserved=False)
            raise self._judging.denial(verdict, name)
        return await self._send(intent, ticket, passage, judged_s=began_s, send_until_s=send_until_s)

    def _ticket(self, ask: OrderAsk, verdict: Verdict, intent: Intent, began_s: float) -> OrderTicket:
        return OrderTicket(
            client_order_id=intent.client_order_id,
            symbol=ask.symbol,
            side=ask.side,
            order_type=ask.order_type,
            quantity=verdict.quantity,
            quote_quantity=verdict.quote_quantity,
            limit_price=ask.limit_price,
            time_in_force=ask.time_in_force,
            is_post_only=ask.is_post_only,
            valid_until_us=self._time.at_us(began_s) + int(self._settings.validity_s * 1_000_000),
        )

    async def _send(
        self, intent: Intent, ticket: OrderTicket, passage: Passage, *, judged_s: float, send_until_s: float
    ) -> Order:
        """One order, over one wire, once; the second wire only where the first provably took nothing."""
        name = intent.intent_id
        has_left = False
        via = ""

        def before_send() -> None:
            nonlocal has_left
            self._check_sending(intent, judged_s=judged_s, send_until_s=send_until_s)
            has_left = True
            passage.leaves(self._clock.now_s())
            self._tell_sent(intent, ticket, via)

        deadline_s = max(_ANSWER_S, self._settings.validity_s)
        try:
            ack: OrderAck | None = None
            if self.takes_unsigned():
                assert self._stream is not None
                via = "stream"
                try:
                    ack = await self._stream.place_order(ticket, deadline_s=deadline_s, before_send=before_send)
                except VenueError as error:
                    if error.outcome is not Outcome.NEVER_SENT:
                        raise
                    has_left = False
            if ack is None:
                via = "rest"
                ack = await self._client.place_order(ticket, deadline_s=deadline_s, before_send=before_send)
        except VenueError as error:
            passage.failed(error, self._clock.now_s())
            failure = self._failed(intent, error, has_left=has_left)
            known = await self._known(name)
            if known is not None:
                return known
            raise failure from error
        except asyncio.CancelledError:
            self._lost(name, "cancelled", None) if has_left else self._never_sent(name, "cancelled", None)
            raise
        except Exception as error:
            if not has_left:
                self._never_sent(name, "denied", str(error))
                raise
            if isinstance(error, HoldfastError):
                passage.failed(error, self._clock.now_s())
            self._lost(name, "unreadable", str(error)[:300])
            known = await self._known(name)
            if known is not None:
                return known
            raise self.unknown(intent, error) from error
        passage.succeeded(self._clock.now_s())
        self._claims.intents.acked(name, ack, wall_us=self._clock.wall_us())
        self._claims.settle(recounts=True)
        self._claims.on_open_question()
        return await self._claims.order(name)

    async def _known(self, name: str) -> Order | None:
        """The order, where the venue's own channel has told of it whatever became of our answer."""
        intent = await self._claims.find(name)
        return order_of(intent, self._name) if intent.order in _TOLD else None

    def _check_sending(self, intent: Intent, *, judged_s: float, send_until_s: float) -> None:
        """
        The last look before the write, in the same step.

        Raises:
            DeniedError: Not ours any more, too late, or no longer allowed.
        """
        now_s = self._clock.now_s()
        self._observe(now_s)
        self._check_ownership()
        if now_s > send_until_s:
            raise DeniedError(
                f"{self._name}: {intent.intent_id} came to be sent {now_s - send_until_s:.1f} s too late (a busy lane, "
                "or a pause): its figures and validity are from before; ask again"
            )
        if self._judging.pulse.has_paused_since(judged_s, now_s=now_s) and not intent.is_exit:
            raise DeniedError(
                f"{self._name}: this process was paused since {intent.intent_id} was judged: what was pushed meanwhile "
                "has not been read; ask again"
            )
        if self._account.halted_reason is not None:
            raise HaltedError(f"{self._name} is halted: {self._account.halted_reason}")
        state = self._claims.trading.state
        if state is TradingState.HALTED or (state is TradingState.REDUCING and not intent.is_exit):
            raise HaltedError(f"{self._name} is {state.value}: {self._claims.trading.reason or 'no reason given'}")
        current = self._claims.intents.get(intent.intent_id)
        if current is None or current.order is not OrderState.SENDING:
            raise DeniedError(f"{self._name}: {intent.intent_id} is not to be sent any more")

    def _tell_sent(self, intent: Intent, ticket: OrderTicket, via: str) -> None:
        self._account.emitter(
            event(
                "order.sent",
                broker=self._name,
                intent_id=intent.intent_id,
                client_order_id=ticket.client_order_id,
                symbol=ticket.symbol,
                side=ticket.side.value,
                kind=ticket.order_type.value,
                quantity=amount_text(ticket.quantity),
                quote_quantity=amount_text(ticket.quote_quantity),
                price=amount_text(ticket.limit_price),
                via=via,
            )
        )

    def _failed(self, intent: Intent, error: VenueError, *, has_left: bool) -> HoldfastError:
        """What an error of the venue did to the intent, as the error to raise."""
        name, detail = intent.intent_id, str(error)[:300]
        if error.outcome is Outcome.REJECTED:
            self._claims.intents.refused(
                name, cause=error.code or "rejected", detail=detail, wall_us=self._clock.wall_us()
            )
            if isinstance(error, InsufficientFundsError):
                account, assets = self._account, (intent.asset,)
                account.take(
                    lambda *, now_s: account.ledger.invalidate("insufficient_funds", now_s=now_s, assets=assets),
                    read="orders",
                    now_s=self._clock.now_s(),
                )
            if isinstance(error, MaintenanceError) and intent.symbol is not None:
                self._judging.doubt_rules(intent.symbol)
            self._claims.settle(recounts=True)
            error.args = (f"{error}; nothing was placed, and what was claimed for it is released", *error.args[1:])
            return error
        if error.outcome is Outcome.NEVER_SENT or not has_left:
            self._never_sent(name, error.code or "never_sent", detail)
            return error
        self._lost(name, error.code or "lost", detail)
        return self.unknown(intent, error)

    def _never_sent(self, name: str, cause: str, detail: str | None) -> None:
        self._claims.intents.never_sent(name, cause=cause, detail=detail, wall_us=self._clock.wall_us())
        self._claims.settle(recounts=True)

    def _lost(self, name: str, cause: str, detail: str | None) -> None:
        if self._claims.intents.doubt(name, cause=cause, detail=detail, wall_us=self._clock.wall_us()):
            self._claims.on_open_question()
        self._claims.settle(recounts=True)

    def unknown(self, intent: Intent, error: BaseException) -> OutcomeUnknownError:
        unknown = OutcomeUnknownError(
            f"{self._name}: whether {intent.intent_id} reached the venue is unknown ({error}); {intent.amount} "
            f"{intent.asset} stay reserved until the venue's own lists tell: await broker.resolution(...), and do not "
            "send it again",
            venue=self._client.venue,
            request="order",
            account=self._name,
            code=getattr(error, "code", None),
        )
        unknown.intent_id = intent.intent_id
        return unknown

    async def check(self, ask: OrderAsk) -> Order:
        """
        Judge an order, and let the venue validate it; nothing is claimed or placed. Suspends.

        Raises:
            UnsupportedError: The venue validates nothing that it does not place.
        """
        reason = self._settings.lacks.get(Capability.ORDER_CHECK.value)
        if reason is not None:
            capability = Capability.ORDER_CHECK.value
            raise UnsupportedError(f"{self._name}: no dry run: {reason}", capability=capability)
        await self._judging.gather(ask)
        verdict = self._judging.judge(ask, None)
        self._judging.tell(verdict)
        if not verdict.is_approved:
            raise self._judging.denial(verdict, "")
        name = new_intent_id(self._randomness)
        ticket = OrderTicket(
            client_order_id=client_order_id_of(name),
            symbol=ask.symbol,
            side=ask.side,
            order_type=ask.order_type,
            quantity=verdict.quantity,
            quote_quantity=verdict.quote_quantity,
            limit_price=ask.limit_price,
            time_in_force=ask.time_in_force,
            is_post_only=ask.is_post_only,
            valid_until_us=self._time.now_us() + int(self._settings.validity_s * 1_000_000),
        )
        # How long it takes is not judged: it may have waited for the lane.
        clock = self._clock
        await self._vitals.trade.guard(lambda: self._check(ticket), is_forced=True, left_s=lambda _: clock.now_s())
        return Order(
            broker=self._name,
            intent_id=None,
            client_order_id=None,
            order_id=None,
            symbol=ask.symbol,
            side=ask.side,
            order_type=ask.order_type.value,
            quantity=verdict.quantity,
            quote_quantity=verdict.quote_quantity,
            limit_price=ask.limit_price,
            state=OrderState.NEVER_SENT,
            asset=verdict.asset,
            detail="validated: the venue would take it; nothing was placed",
        )

    async def _check(self, ticket: OrderTicket) -> None:
        if self.takes_unsigned():
            assert self._stream is not None
            await self._stream.check_order(ticket, deadline_s=_ANSWER_S)
        else:
            await self._client.check_order(ticket, deadline_s=_ANSWER_S)

    def takes_unsigned(self) -> bool:
        """Whether orders need no signature now: the stream takes them, and is preferred or all that is left."""
        if self._stream is None or not self._stream.can_send_orders:
            return False
        return self._settings.prefers_stream or self._parked_cause() is not None
