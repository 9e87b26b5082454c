"""
Order entry of one broker: judge and claim in one step, make it durable, send it once, and keep what became of it.

What must not be torn apart is a plain function here: the funds check with its claim, the row of the orders channel with
its effect on claims. Between them is what may suspend: prices, the store, the venue. A caller that is cancelled leaves
at once; what it began is finished without it wherever something may have left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, format_amount, multiply, round_down, subtract
from holdfast.core.assets import AssetCode, Symbol, split_symbol
from holdfast.core.balances import Balance, Delta, OpenOrder, OrderChange, OrdersSnapshot, Side
from holdfast.core.budgets import Budgets
from holdfast.core.events import event
from holdfast.core.funds import FundsSettings, Gate, Terms, error_of, judge, judge_amount, pay_asset_of, terms_of
from holdfast.core.instruments import Instrument
from holdfast.core.intents import Intent, IntentChange, Intents
from holdfast.core.orders import OrderAck, OrderAsk, OrderState, OrderTicket, OrderType
from holdfast.core.reservations import Reservations, ReservationState
from holdfast.core.seams import Clock, Randomness
from holdfast.core.venue import ClosedOrder, ServerTime, VenueClient, VenueMode, VenueStream
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode
from holdfast.errors import (
    DeniedError,
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    IntentRepeatedError,
    InvariantError,
    Outcome,
    OutcomeUnknownError,
    ReservationStateError,
    StoreError,
    UnknownNameError,
    UnknownReservationError,
    VenueError,
)
from holdfast.runtime.account import Account
from holdfast.runtime.intent_record import (
    checked_intent_id,
    client_order_id_of,
    event_of,
    external_order,
    intent_of,
    journal_row_of,
    new_intent_id,
    order_of,
    reservation_of,
    row_of,
    spent_fact,
    spent_of,
)
from holdfast.runtime.quotes import Quotes
from holdfast.runtime.record import amount_text
from holdfast.runtime.trading import Trading
from holdfast.runtime.views import Order, ReservationView

__all__ = ["EntrySettings", "OrderEntry"]

_AHEAD_S: Final = 2.0
"""Kraken takes a deadline at least this far ahead; an order that comes to the write later is not sent."""

_ANSWER_S: Final = 5.0
_CANCEL_S: Final = 5.0


class EntrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are sent. Seconds."""

    validity_s: float = 5.0
    unsent_ttl_s: float = 30.0
    in_doubt_alert_s: float = 120.0
    dead_man_s: int = 0
    prefers_stream: bool = True


class OrderEntry:
    """
    Everything that promises, places or cancels at one broker.

    Args:
        account: Ledger, journal and listeners.
        client: The venue's calls.
        stream: Its stream, where orders go first, or None.
        funds: How orders are judged.
        settings: How they are sent.
        budgets: What each bot may claim.
        bots: Whose budgets they are, with the assets that each names.
        trading: Which orders are taken.
        names: Every intent id of the desk that is remembered, with its broker's name.
        rest_lag_s: How far the venue's REST may lag.
        randomness: Where ids come from that nobody chose.
        check_ownership: Raises ``ClosedError`` once the account may be another process's.
        observe: Compares the clocks, so that a pause is noticed before anything is sent.
        parked_cause: Why the credential is parked, or None.
    """

    def __init__(
        self,
        *,
        account: Account,
        client: VenueClient,
        stream: VenueStream | None,
        funds: FundsSettings,
        settings: EntrySettings,
        budgets: Budgets,
        bots: Mapping[str, Collection[AssetCode]],
        trading: Trading,
        names: dict[str, str],
        rest_lag_s: float,
        randomness: Randomness,
        check_ownership: Callable[[], None],
        observe: Callable[[float], None],
        parked_cause: Callable[[], str | None],
    ) -> None:
        self.name = account.name
        self.account = account
        self.settings = settings
        self.trading = trading
        self.budgets = budgets
        self.bots = bots
        self.client = client
        self.stream = stream
        self.quotes = Quotes(client, account.clock)
        self.book = Reservations(account.ledger.set_reserved)
        self.intents = Intents(book=self.book, rest_lag_s=rest_lag_s)
        self.rest_lag_s = rest_lag_s
        self.on_open_question: Callable[[], None] = _nothing
        """Rung when there is something to find out about an order."""
        self._funds = funds
        self._names = names
        self._randomness = randomness
        self._clock: Clock = account.clock
        self._check_ownership = check_ownership
        self._observe = observe
        self._parked_cause = parked_cause
        self._venue_ahead_s: float | None = None  # UTC seconds on the venue's clock, less our clock.
        self._opens_us = 0  # UTC microseconds on the venue's clock: until then an earlier owner's order may arrive.
        self._sent_s: deque[float] = deque()
        self._terms: dict[Symbol, tuple[Instrument, Decimal | None, str | None, Terms]] = {}
        self._unwritten: dict[str, Intent] = {}
        self._unwritten_spent: set[str] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._uncovered: set[AssetCode] = set()
        self._externals: set[str] = set()
        self._lookups: dict[str, Intent] = {}
        self._is_closed = False
        account.entry = self

    # Life

    async def restore(self) -> None:
        """Go on with what a former process left. Suspends; raises ``StoreError``."""
        store = self.account.store
        for intent_id in await store.intent_ids():
            self._names.setdefault(intent_id, self.name)
        intents = [intent_of(row) for row in await store.open_intents()]
        await self.trading.restore(store)
        for bot in {intent.bot for intent in intents if intent.bot is not None} | set(self.bots):
            text = await store.fact(spent_fact(bot))
            if text is not None:
                self.intents.spent[bot] = spent_of(text)
        now_s = self._clock.now_s()
        self.intents.restore(intents, now_s=now_s, wall_us=self._clock.wall_us())
        for doubt in self.intents.doubts():
            self._opens_us = max(self._opens_us, (doubt.valid_until_us or 0) + 1_000_000)
        self._settle(recounts=True)

    async def close(self) -> None:
        """Take nothing more, and let what is under way come to an end. Suspends, bounded by its answers' deadlines."""
        self._is_closed = True
        self.quotes.close()
        for task in list(self._working):
            task.cancel()
        if self._working:
            await asyncio.wait(set(self._working), timeout=1.0)
        self._settle(recounts=False)

    def hear_time(self, time: ServerTime) -> None:
        """The venue told its time: validities are counted on its clock."""
        middle_s = (time.sent_s + time.received_s) / 2
        self._venue_ahead_s = time.venue_time_s + time.resolution_s / 2 - middle_s

    def venue_us(self) -> int:
        """The venue's clock now, as well as we know it; ours where it was never told. UTC microseconds."""
        if self._venue_ahead_s is None:
            return self._clock.wall_us()
        return int((self._clock.now_s() + self._venue_ahead_s) * 1_000_000)

    # Judging

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict:
        """Whether *amount* of *asset* could be spent now. Never suspends."""
        return judge_amount(asset, amount, self._balance(asset), now_s=self._clock.now_s())

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        """Judge an order on the figures of now; with *reserve* claim the money in the same step, durably. Suspends."""
        name = None if intent_id is None else checked_intent_id(intent_id)
        if reserve and name is None:
            name = new_intent_id(self._randomness)
        await self._gather(ask)
        if not reserve or name is None:
            verdict = self._judge(ask, name)
            self._tell(verdict)
            return verdict
        self._check_request(valid_until_s)
        verdict, intent = self._judge_and_claim(ask, name, ttl_s=ttl_s)
        if intent is not None and not await self._is_durable(self._settle(), intent):
            verdict = msgspec.structs.replace(verdict, code=VerdictCode.STORE_UNAVAILABLE, is_reserved=False)
        self._tell(verdict)
        return verdict

    async def _gather(self, ask: OrderAsk) -> None:
        """Have price and fee, where the check needs them."""
        if ask.symbol not in self.client.instruments:
            return
        funds = self._funds
        is_priced = ask.limit_price is not None
        _, quote = split_symbol(ask.symbol)
        needs_price = funds.price_collar is not None if is_priced else ask.quantity is not None
        if needs_price and not is_priced and ask.side is Side.SELL:
            needs_price = quote in funds.largest_order  # An exit waits for no price that it does not need.
        waits: list[Awaitable[None]] = []
        if needs_price:
            waits.append(self.quotes.want_ticker(ask.symbol, max_age_s=funds.ticker_max_age_s))
        if ask.side is Side.BUY:
            waits.append(self.quotes.want_fee(ask.symbol))
        if waits:
            await asyncio.gather(*waits)

    def _judge(self, ask: OrderAsk, intent_id: str | None, *, without: Intent | None = None) -> Verdict:
        """The verdict on the figures of now, or as if the claim *without* were not there."""
        now_s = self._clock.now_s()
        self._observe(now_s)
        asset = pay_asset_of(ask)
        while self._sent_s and self._sent_s[0] <= now_s - 60.0:
            self._sent_s.popleft()
        verdict = judge(
            ask,
            self._balance(asset, without=without),
            self._terms_of(ask.symbol),
            self._gate(now_s),
            self._funds,
            now_s,
            ticker=self.quotes.ticker(ask.symbol),
            orders_lately=len(self._sent_s),
            budget_left=self._budget_left(ask.bot, asset, without=without),
            budget_note=self.budgets.note(ask.bot, asset),
            intent_id=intent_id,
        )
        if intent_id is not None and without is None and intent_id in self._names:
            verdict = msgspec.structs.replace(verdict, code=VerdictCode.INTENT_REPEATED)
        return verdict

    def _gate(self, now_s: float) -> Gate:
        """What holds for every order now."""
        is_halted = self.account.halted_reason is not None
        opens_us = self._opens_us - self.venue_us()
        return Gate(
            venue_mode=self.account.venue_mode if self.client.instruments else VenueMode.UNKNOWN,
            trading_state=TradingState.HALTED if is_halted else self.trading.state,
            trading_reason=self.account.halted_reason or self.trading.reason,
            has_store=self.account.store.status().is_ok,
            parked=None if self._sends_without_key() else self._parked_cause(),
            opens_s=now_s + opens_us / 1_000_000 if opens_us > 0 else None,
        )

    def _terms_of(self, symbol: Symbol) -> Terms | None:
        instrument = self.client.instruments.get(symbol)
        if instrument is None:
            return None
        rate, source = self.quotes.taker_fee(symbol)
        known = self._terms.get(symbol)
        if known is None or known[0] is not instrument or known[1:3] != (rate, source):
            quote = self.client.assets.get(instrument.quote)
            decimals = None if quote is None else quote.decimals
            terms = terms_of(instrument, taker_fee=rate, fee_source=source, quote_decimals=decimals)
            known = self._terms[symbol] = (instrument, rate, source, terms)
        return known[3]

    def _sends_without_key(self) -> bool:
        """Whether orders need no signature now: the stream takes them."""
        return self.stream is not None and self.settings.prefers_stream and self.stream.can_send_orders

    def _balance(self, asset: AssetCode, *, without: Intent | None = None) -> Balance:
        ledger, now_s = self.account.ledger, self._clock.now_s()
        if without is None or without.asset != asset:
            return ledger.balance(asset, now_s=now_s)
        # Asked without this claim and put back in the same step: what is left is never clamped in between.
        reserved = self.book.reserved(asset)
        ledger.set_reserved(asset, subtract(reserved, without.counted))
        try:
            return ledger.balance(asset, now_s=now_s)
        finally:
            ledger.set_reserved(asset, reserved)

    def _budget_left(self, bot: str | None, asset: AssetCode, *, without: Intent | None) -> Decimal | None:
        claimed = ZERO if bot is None else self.intents.claimed_by(bot, asset)
        if without is not None and without.bot == bot and without.asset == asset:
            claimed = subtract(claimed, without.amount)
        total = self.account.ledger.balance(asset, now_s=self._clock.now_s()).total
        spent = {name: own.get(asset, ZERO) for name, own in self.intents.spent.items()}
        return self.budgets.left(bot, asset, total=total, claimed=claimed, spent=spent)

    def _judge_and_claim(
        self, ask: OrderAsk, intent_id: str, *, ttl_s: float | None = None
    ) -> tuple[Verdict, Intent | None]:
        """Check and claim: one step, on the figures of this moment."""
        verdict = self._judge(ask, intent_id)
        if not verdict.is_approved:
            return verdict, None
        assert verdict.required is not None
        assert verdict.spendable is not None
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        ttl = self.settings.unsent_ttl_s if ttl_s is None else ttl_s
        intent = self.intents.claim(
            Intent(
                intent_id=intent_id,
                client_order_id=client_order_id_of(intent_id),
                asset=verdict.asset,
                amount=verdict.required,
                reservation=ReservationState.ACTIVE,
                symbol=ask.symbol,
                side=ask.side,
                bot=ask.bot,
                fee_rate=verdict.fee_rate or ZERO,
                verdict=verdict.code.value,
                is_exit=verdict.is_exit,
                price=verdict.price,
                expires_us=wall_us + int(ttl * 1_000_000),
                created_us=wall_us,
                updated_us=wall_us,
                claimed_s=now_s,
            ),
            spendable=verdict.spendable,
        )
        self._names[intent_id] = self.name
        self._prove_sound(intent, verdict)
        return msgspec.structs.replace(verdict, is_reserved=True), intent

    def _prove_sound(self, intent: Intent, verdict: Verdict) -> None:
        """
        What must never be false, checked in production: I16 exact amounts, I9 sums, I1 nothing promised twice.

        Raises:
            InvariantError: It is; approvals are halted, cancels go on.
        """
        asset = intent.asset
        for amount in (intent.amount, verdict.required, verdict.spendable, verdict.fee, verdict.buffer):
            if amount is not None and not (type(amount) is Decimal and amount.is_finite()):
                self._broken("I16", f"{asset}: {amount!r} is no exact amount")
        try:
            self.book.check()
        except InvariantError as error:
            self._broken("I9", str(error))
        balance = self.account.ledger.balance(asset, now_s=self._clock.now_s())
        if verdict.code is VerdictCode.APPROVED and (
            balance.available is None or subtract(balance.available, balance.reserved) < ZERO
        ):
            self._broken("I1", f"{asset}: {balance.reserved} reserved of {balance.available} available")

    def _broken(self, invariant: str, detail: str) -> None:
        self.trading.broken(f"invariant_{invariant}", self.account.store)
        self.account.emitter(event("invariant.broken", broker=self.name, invariant=invariant, detail=detail[:300]))
        self._tell_trading()
        raise InvariantError(f"{self.name}: {invariant} does not hold: {detail}; approvals are halted, cancels go on")

    def _tell(self, verdict: Verdict) -> None:
        emitter = self.account.emitter
        if not emitter.is_heard:
            return
        emitter(
            event(
                "verdict.given",
                broker=self.name,
                code=verdict.code.value,
                symbol=verdict.symbol,
                side=None if verdict.side is None else verdict.side.value,
                kind=None if verdict.order_type is None else verdict.order_type.value,
                asset=verdict.asset,
                required=amount_text(verdict.required),
                spendable=amount_text(verdict.spendable),
                shortfall=amount_text(verdict.shortfall),
                state=verdict.state.value,
                age_s=verdict.age_s,
                arithmetic=verdict.arithmetic,
                intent_id=verdict.intent_id,
                bot=verdict.bot,
            )
        )

    # Placing

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        """
        Judge, claim, make durable and send once. Suspends.

        Raises:
            DeniedError: Nothing was sent; ``verdict`` says why where a check refused.
            VenueError: By its ``outcome``: rejected or never sent, and released; or unknown, and still reserved.
        """
        name = new_intent_id(self._randomness) if intent_id is None else checked_intent_id(intent_id)
        work = self._place(ask, name, is_reserved=is_reserved, valid_until_s=valid_until_s)
        order: Order = await self._finish(work, name)
        return order

    async def _finish(self, work: Any, name: str) -> Any:
        """Wait for *work* in a task of its own; a cancelled caller takes it along only while nothing is durable."""
        if self._is_closed:
            work.close()
            raise HaltedError(f"{self.name} is closing: nothing was sent")
        task = asyncio.get_running_loop().create_task(work, name=f"order {name}")
        self._working.add(task)
        task.add_done_callback(self._worked)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            intent = self.intents.get(name)
            if not task.done() and (intent is None or intent.order is None):
                task.cancel()
            raise

    def _worked(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: whoever asked for it may be gone.

    async def _place(self, ask: OrderAsk, name: str, *, is_reserved: bool, valid_until_s: float | None) -> Order:
        await self._settled()
        await self._gather(ask)
        self._check_request(valid_until_s)
        verdict, intent = self._take(ask, name) if is_reserved else self._judge_and_claim(ask, name)
        if intent is None:
            self._settle()
            self._tell(verdict)
            raise self._denial(verdict, name)
        ticket = self._ticket(ask, verdict, intent)
        wall_us = self._clock.wall_us()
        intent = self.intents.submit(name, ticket, is_exit=verdict.is_exit, wall_us=wall_us)
        written = self._settle()
        self._tell(verdict)
        send_until_s = self._clock.now_s() + self.settings.validity_s - _AHEAD_S
        if valid_until_s is not None:
            send_until_s = min(send_until_s, valid_until_s)
        try:
            is_durable = await self._is_durable(written, intent)
        except asyncio.CancelledError:
            self._never_sent(name, "cancelled", None)
            raise
        if not is_durable:
            verdict = msgspec.structs.replace(verdict, code=VerdictCode.STORE_UNAVAILABLE, is_reserved=False)
            raise self._denial(verdict, name)
        return await self._send(intent, ticket, send_until_s)

    def _take(self, ask: OrderAsk, name: str) -> tuple[Verdict, Intent | None]:
        """Judge an order again on the claim that was made for it; a claim that no longer holds is released."""
        intent = self.intents.get(name)
        if intent is None or intent.intent_id != name:
            raise UnknownReservationError(
                f"no live reservation {name!a} at {self.name}: it ended, expired or was never made", intent_id=name
            )
        if intent.order is not None or intent.reservation is not ReservationState.ACTIVE:
            state = intent.reservation.value
            raise ReservationStateError(
                f"the reservation {name!a} has an order already ({intent.order}): one order for one reservation",
                intent_id=name,
                state=state,
            )
        if pay_asset_of(ask) != intent.asset or ask.symbol != intent.symbol or ask.bot not in (None, intent.bot):
            raise ReservationStateError(
                f"the reservation {name!a} claims {intent.asset} for {intent.symbol} {intent.side}: the order asks for "
                f"{ask.symbol} {ask.side.value}",
                intent_id=name,
                state=intent.reservation.value,
            )
        ask = msgspec.structs.replace(ask, bot=intent.bot)
        verdict = self._judge(ask, name, without=intent)
        if not verdict.is_approved:
            self.intents.release(name, cause=verdict.code.value, wall_us=self._clock.wall_us())
            return verdict, None
        assert verdict.required is not None
        if verdict.required != intent.amount:
            intent = self.intents.resize(name, verdict.required, price=verdict.price, wall_us=self._clock.wall_us())
        self._prove_sound(intent, verdict)
        return msgspec.structs.replace(verdict, is_reserved=True), intent

    def _ticket(self, ask: OrderAsk, verdict: Verdict, intent: Intent) -> OrderTicket:
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
            valid_until_us=self.venue_us() + int(self.settings.validity_s * 1_000_000),
        )

    async def _settled(self) -> None:
        """Wait until an earlier owner's last order can no longer arrive. Suspends for a validity at most."""
        left_s = (self._opens_us - self.venue_us()) / 1_000_000
        if left_s > 0:
            await asyncio.sleep(min(left_s, self.settings.validity_s + 1.0))

    def _check_request(self, valid_until_s: float | None) -> None:
        if valid_until_s is not None and self._clock.now_s() > valid_until_s:
            raise DeniedError(f"{self.name}: the request is older than its validity: nothing was sent")

    async def _send(self, intent: Intent, ticket: OrderTicket, send_until_s: float) -> Order:
        """One order, over one wire, once; the second wire only where the first provably took nothing."""
        name = intent.intent_id
        has_left = False
        via = ""

        def before_send() -> None:
            nonlocal has_left
            self._check_sending(intent, send_until_s)
            has_left = True
            self._sent_s.append(self._clock.now_s())
            self._tell_sent(intent, ticket, via)

        deadline_s = max(_ANSWER_S, self.settings.validity_s)
        try:
            ack: OrderAck | None = None
            if self._sends_without_key():
                assert self.stream is not None
                via = "stream"
                try:
                    ack = await self.stream.place_order(ticket, deadline_s=deadline_s, before_send=before_send)
                except VenueError as error:
                    if error.outcome is not Outcome.NEVER_SENT:
                        raise
                    has_left = False
            if ack is None:
                via = "rest"
                ack = await self.client.place_order(ticket, deadline_s=deadline_s, before_send=before_send)
        except VenueError as error:
            raise self._failed(intent, error, has_left=has_left) from error
        except asyncio.CancelledError:
            self._lost(name, "cancelled", None) if has_left else self._never_sent(name, "cancelled", None)
            raise
        except Exception as error:
            if not has_left:
                self._never_sent(name, "denied", str(error))
                raise
            self._lost(name, "unreadable", str(error))
            raise self._unknown(intent, error) from error
        self.intents.acked(name, ack, wall_us=self._clock.wall_us())
        self._settle(recounts=True)
        self.on_open_question()
        return await self.order(name)

    def _check_sending(self, intent: Intent, send_until_s: float) -> None:
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
                f"{self.name}: {intent.intent_id} came to be sent {now_s - send_until_s:.1f} s too late (a busy lane, "
                "or a pause): its figures and validity are from before; ask again"
            )
        if self.account.halted_reason is not None:
            raise HaltedError(f"{self.name} is halted: {self.account.halted_reason}")
        state = self.trading.state
        if state is TradingState.HALTED or (state is TradingState.REDUCING and not intent.is_exit):
            raise HaltedError(f"{self.name} is {state.value}: {self.trading.reason or 'no reason given'}")
        current = self.intents.get(intent.intent_id)
        if current is None or current.order is not OrderState.SENDING:
            raise DeniedError(f"{self.name}: {intent.intent_id} is not to be sent any more")

    def _tell_sent(self, intent: Intent, ticket: OrderTicket, via: str) -> None:
        self.account.emitter(
            event(
                "order.sent",
                broker=self.name,
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
            self.intents.refused(name, cause=error.code or "rejected", detail=detail, wall_us=self._clock.wall_us())
            if isinstance(error, InsufficientFundsError):
                account, assets = self.account, (intent.asset,)
                account.take(
                    lambda *, now_s: account.ledger.invalidate("insufficient_funds", now_s=now_s, assets=assets),
                    read="orders",
                    now_s=self._clock.now_s(),
                )
            self._settle(recounts=True)
            return error
        if error.outcome is Outcome.NEVER_SENT or not has_left:
            self._never_sent(name, error.code or "never_sent", detail)
            return error
        self._lost(name, error.code or "lost", detail)
        return self._unknown(intent, error)

    def _never_sent(self, name: str, cause: str, detail: str | None) -> None:
        self.intents.never_sent(name, cause=cause, detail=detail, wall_us=self._clock.wall_us())
        self._settle(recounts=True)

    def _lost(self, name: str, cause: str, detail: str | None) -> None:
        if self.intents.doubt(name, cause=cause, detail=detail, wall_us=self._clock.wall_us()):
            self.on_open_question()
        self._settle(recounts=True)

    def _unknown(self, intent: Intent, error: BaseException) -> OutcomeUnknownError:
        unknown = OutcomeUnknownError(
            f"{self.name}: whether {intent.intent_id} reached the venue is unknown ({error}); {intent.amount} "
            f"{intent.asset} stay reserved until the venue's own lists tell: await broker.resolution(...), and do not "
            "send it again",
            venue=self.client.venue,
            request="order",
            account=self.name,
            code=getattr(error, "code", None),
        )
        unknown.intent_id = intent.intent_id
        return unknown

    def _denial(self, verdict: Verdict, name: str) -> DeniedError:
        if verdict.code is VerdictCode.INTENT_REPEATED:
            denial: DeniedError = IntentRepeatedError(
                f"the intent {name!a} was used before, at {self._names.get(name, self.name)}: broker.order({name!a}) "
                "tells what became of it",
                intent_id=name,
            )
            denial.verdict = verdict
            return denial
        return error_of(verdict)

    # Dry runs, cancels, positions

    async def check(self, ask: OrderAsk) -> Order:
        """Judge an order, and let the venue validate it; nothing is claimed or placed. Suspends."""
        await self._gather(ask)
        verdict = self._judge(ask, None)
        self._tell(verdict)
        if not verdict.is_approved:
            raise self._denial(verdict, "")
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
            valid_until_us=self.venue_us() + int(self.settings.validity_s * 1_000_000),
        )
        if self._sends_without_key():
            assert self.stream is not None
            await self.stream.check_order(ticket, deadline_s=_ANSWER_S)
        else:
            await self.client.check_order(ticket, deadline_s=_ANSWER_S)
        return Order(
            broker=self.name,
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

    async def cancel(self, name: str) -> Order:
        """
        Cancel by intent id, client order id or the venue's order id. Never stopped by a trading state. Suspends.

        Raises:
            UnknownNameError: No such order is known.
            VenueError: The venue did not take it.
        """
        intent = self.intents.get(name)
        external = None if intent is not None else self.account.ledger.open_orders.get(name)
        if intent is None and external is None:
            row = await self.account.store.intent(name)
            if row is None:
                raise UnknownNameError(
                    f"no order {name!a} at {self.name}: an intent id or a venue's order id is needed"
                )
            return order_of(intent_of(row), self.name)
        if intent is not None and intent.order is None:
            raise ReservationStateError(
                f"{name!a} has no order to cancel: release the reservation",
                intent_id=name,
                state=intent.reservation.value,
            )
        order_id = intent.order_id if intent is not None else name
        client_order_id = None if intent is None else intent.client_order_id
        try:
            await self._cancel(order_id=order_id, client_order_id=client_order_id)
        except VenueError as error:
            if error.outcome is not Outcome.REJECTED or intent is None:
                raise
            self._lookups[intent.intent_id] = intent  # It ended, as a rule: its own lists tell how.
            self.on_open_question()
            if type(error).__name__ != "UnknownOrderError":
                raise
        if intent is not None:
            self._lookups.setdefault(intent.intent_id, intent)
            self.on_open_question()
            return await self.order(intent.intent_id)
        assert external is not None
        return external_order(external, self.name)

    async def _cancel(self, *, order_id: str | None, client_order_id: str | None) -> None:
        facts: dict[str, Any] = {
            "order_id": order_id,
            "client_order_id": client_order_id,
            "deadline_s": _CANCEL_S,
            "before_send": self._check_ownership,
        }
        if self.stream is not None and self.stream.can_send_orders:
            try:
                await self.stream.cancel_order(**facts)
            except VenueError as error:
                if error.outcome not in (Outcome.NEVER_SENT, Outcome.UNKNOWN):
                    raise
            else:
                return
        await self.client.cancel_order(**facts)  # Repeating a cancel harms nothing.

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        """Cancel every open order of the account, or of one instrument. Suspends; raises the first failure at the end."""
        names = [
            order.intent_id or order.order_id or ""
            for order in self.open_orders()
            if symbol is None or order.symbol == symbol
        ]
        cancelled: list[Order] = []
        failures: list[HoldfastError] = []
        for name in names:
            try:
                cancelled.append(await self.cancel(name))
            except HoldfastError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return cancelled

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Order | None:
        """Sell what is spendable of the base at the market; None where that is nothing but dust. Suspends."""
        base, _ = split_symbol(symbol)
        instrument = self.client.instruments.get(symbol)
        if instrument is None:
            raise UnknownNameError(f"{self.name} lists no instrument {symbol!a}")
        if quantity is None:
            balance = self._balance(base)
            if balance.spendable is None:
                ask = OrderAsk(symbol=symbol, side=Side.SELL, order_type=OrderType.MARKET, quantity=Decimal(1))
                raise error_of(self._judge(ask, None))
            quantity = round_down(balance.spendable, places=_places(instrument.quantity_step))
            if not quantity or (instrument.quantity_min is not None and quantity < instrument.quantity_min):
                return None
            if instrument.cost_min is not None:
                await self.quotes.want_ticker(symbol, max_age_s=self._funds.ticker_max_age_s)
                ticker = self.quotes.ticker(symbol)
                if ticker is not None and multiply(quantity, ticker.bid) < instrument.cost_min:
                    return None
        ask = OrderAsk(symbol=symbol, side=Side.SELL, order_type=OrderType.MARKET, quantity=quantity, bot=bot)
        return await self.place(ask, intent_id=intent_id, is_reserved=False, valid_until_s=valid_until_s)

    async def release(self, intent_id: str, *, force: bool) -> ReservationView:
        """End a claim that nothing was sent on; with *force*, one in doubt. Suspends until it is durable."""
        if self.intents.get(intent_id) is None and (row := await self.account.store.intent(intent_id)) is not None:
            ended = intent_of(row)
            raise ReservationStateError(
                f"the reservation {intent_id!a} ended before: {ended.reservation.value} ({ended.cause})",
                intent_id=intent_id,
                state=ended.reservation.value,
            )
        intent = self.intents.release(intent_id, force=force, wall_us=self._clock.wall_us())
        written = self._settle(recounts=True)
        if written is not None:
            with contextlib.suppress(StoreError):  # Told by the store; a release that is lost is only pessimistic.
                await written
        return reservation_of(intent, self.name)

    # Looking

    def budgets_left(self) -> dict[str, dict[AssetCode, Decimal | None]]:
        """What each configured bot may still claim, by asset; None where its total is not known. Never suspends."""
        return {
            bot: {asset: self._budget_left(bot, asset, without=None) for asset in assets}
            for bot, assets in self.bots.items()
        }

    def open_orders(self) -> list[Order]:
        """Every order that is, or may be, at the venue: ours and external ones. Never suspends."""
        ours = [order_of(intent, self.name) for intent in self.intents if intent.may_be_live]
        known = {order.order_id for order in ours} | {intent.client_order_id for intent in self.intents}
        others = [
            external_order(order, self.name)
            for order_id, order in self.account.ledger.open_orders.items()
            if order_id not in known and order.client_order_id not in known
        ]
        return ours + others

    def reservations(self) -> list[ReservationView]:
        """Every live claim. Never suspends."""
        return [reservation_of(intent, self.name) for intent in self.intents if not intent.reservation.is_ended]

    async def find(self, intent_id: str) -> Intent:
        """
        An intent, live or ended. Suspends where it has ended.

        Raises:
            UnknownReservationError: None of that id is remembered.
        """
        intent = self.intents.get(intent_id)
        if intent is None:
            gone = self._unwritten.get(intent_id)
            row = None if gone is not None else await self.account.store.intent(intent_id)
            if gone is None and row is None:
                raise UnknownReservationError(
                    f"no intent {intent_id!a} is remembered at {self.name}", intent_id=intent_id
                )
            intent = gone if gone is not None else intent_of(row)  # type: ignore[arg-type]  # One of them is there.
        return intent

    async def order(self, intent_id: str) -> Order:
        """The order of an intent, live or ended; raises ``UnknownReservationError``, or ``ReservationStateError``."""
        intent = await self.find(intent_id)
        if intent.ticket is None:
            raise ReservationStateError(
                f"no order was placed on {intent_id!a}", intent_id=intent_id, state=intent.reservation.value
            )
        return order_of(intent, self.name)

    async def orders(self, *, limit: int) -> list[Order]:
        """Remembered orders of ours, the latest change first. Suspends."""
        found = [intent_of(row) for row in await self.account.store.intents(limit=limit)]
        return [order_of(intent, self.name) for intent in found if intent.ticket is not None]

    async def reservation(self, intent_id: str) -> ReservationView:
        """One claim, live or ended; raises ``UnknownReservationError``. Suspends."""
        return reservation_of(await self.find(intent_id), self.name)

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order:
        """
        Wait until an order's outcome is known. Suspends.

        Raises:
            OutcomeUnknownError: It is not after *timeout_s* seconds; its money stays reserved.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    order = await self.order(intent_id)
                    if order.state not in (OrderState.SENDING, OrderState.IN_DOUBT):
                        return order
                    await self.account.changed(within_s=1.0)
        except TimeoutError:
            raise self._unknown(await self.find(intent_id), TimeoutError("still in doubt")) from None

    # The venue's word (called by the account, in the step in which the ledger took it)

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        """Rows of the orders channel."""
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        for change in changes:
            is_ours = self.intents.changed(change, now_s=now_s, wall_us=wall_us)
            if not is_ours and change.order is not None:
                self._note_external(change.order_id, change.order.symbol, change.order.side)
        self._settle(recounts=True)

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        """Every open order of the account."""
        missing = self.intents.stated(snapshot, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())
        for intent in missing:
            self._lookups[intent.intent_id] = intent
        if missing:
            self.on_open_question()
        self._settle(recounts=True)

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        """Balance legs."""
        self.intents.moved(deltas)

    def figures_changed(self) -> None:
        """The ledger took something: what is claimed beside its figures may be less, or more."""
        if len(self.intents) or self._uncovered:
            self._settle(recounts=True)

    def _note_external(self, order_id: str, symbol: Symbol | None, side: Side) -> None:
        if order_id in self._externals:
            return
        if len(self._externals) > 10_000:
            self._externals.clear()
        self._externals.add(order_id)
        self.account.emitter(
            event("order.external", broker=self.name, order_id=order_id, symbol=symbol, side=side.value)
        )

    def found_open(self, order: OpenOrder) -> None:
        """An open order was looked up."""
        self.intents.found_open(order, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())
        self._settle()

    def found_closed(self, order: ClosedOrder) -> None:
        """An order that is over was looked up."""
        self.intents.found_closed(order, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())
        self._settle()

    def absent(self, intent_id: str) -> None:
        """The evidence says that the venue never had this order."""
        self.intents.absent(intent_id, wall_us=self._clock.wall_us())
        self._settle()

    def knows_order(self, order_id: str) -> bool:
        """Whether this id of the venue is known to be of an order that is in no doubt."""
        return self.intents.get(order_id) is not None or order_id in self._externals

    def venue_us_of(self, wall_us: int) -> int:
        """A moment of our wall clock on the venue's, as well as we know it."""
        return wall_us + (self.venue_us() - self._clock.wall_us())

    def take_lookups(self) -> list[Intent]:
        """Intents whose order has to be looked up, once."""
        lookups, self._lookups = self._lookups, {}
        return [intent for name in lookups if (intent := self.intents.get(name)) is not None and intent.may_be_live]

    # Sums, the record, and telling

    def _settle(self, *, recounts: bool = True) -> Awaitable[int] | None:
        """After any step: count anew, write down what changed, tell it. The awaitable ends once it is durable."""
        wall_us = self._clock.wall_us()
        if recounts and len(self.intents):
            self.intents.recount(self.account.ledger, wall_us=wall_us)
        changes = self.intents.drain()
        self._look_for_uncovered()
        if self.intents.contradicted:
            self._contradicted()
        if not changes:
            return None
        written = self._write(changes)
        emitter = self.account.emitter
        if emitter.is_heard:
            for change in changes:
                for told in event_of(change, self.name):
                    emitter(told)
        self.account.wake()
        return written

    def _write(self, changes: Sequence[IntentChange]) -> Awaitable[int]:
        latest = {name: intent for name, intent in self._unwritten.items()}
        latest.update({change.after.intent_id: change.after for change in changes})
        bots = self._unwritten_spent | self.intents.spent_changed
        self.intents.spent_changed = set()
        facts = {spent_fact(bot): _spent_text(self.intents.spent.get(bot, {})) for bot in bots}
        self.account.journal.flush()
        written = self.account.store.keep(
            [row_of(intent) for intent in latest.values()],
            [journal_row_of(change) for change in changes],
            facts,
        )
        task = asyncio.get_running_loop().create_task(self._note_written(written, latest, bots), name="intents written")
        self._working.add(task)
        task.add_done_callback(self._worked)
        return written

    async def _note_written(self, written: Awaitable[int], latest: Mapping[str, Intent], bots: Iterable[str]) -> None:
        try:
            await written
        except HoldfastError:
            self._unwritten.update(latest)
            self._unwritten_spent.update(bots)
        else:
            for name, intent in latest.items():
                if self._unwritten.get(name) is intent:
                    del self._unwritten[name]
            self._unwritten_spent.difference_update(bots)

    def write_again(self) -> None:
        """Write down what a failed store could not take. Never suspends."""
        if self._unwritten and self.account.store.status().is_ok:
            self._write([])

    async def _is_durable(self, written: Awaitable[int] | None, intent: Intent) -> bool:
        """Wait until the intent is durable; where it cannot be, nothing was sent and the claim ends. Suspends."""
        try:
            if written is not None:
                await written
        except HoldfastError as error:
            self.intents.never_sent(
                intent.intent_id, cause="store_failed", detail=str(error)[:300], wall_us=self._clock.wall_us()
            )
            self._settle(recounts=True)
            return False
        return True

    def _look_for_uncovered(self) -> None:
        """Notice where less is left than is reserved: somebody else took it."""
        for asset in {each.asset for each in self.book.live()} | self._uncovered:
            balance = self.account.ledger.balance(asset, now_s=self._clock.now_s())
            reserved = self.book.reserved(asset)
            is_short = bool(reserved) and balance.available is not None and balance.available < reserved
            if is_short and asset not in self._uncovered:
                self._uncovered.add(asset)
                self.account.note_uncovered(asset, reserved=reserved, left=balance.available)
            elif not is_short and asset in self._uncovered:
                self._uncovered.discard(asset)
                self.account.emitter(event("reservations.recovered", broker=self.name, asset=asset))

    def _contradicted(self) -> None:
        """An order that was said never to have been placed is at the venue: no more approvals until a person looks."""
        gone, self.intents.contradicted = self.intents.contradicted, []
        for intent in gone:
            detail = f"{intent.intent_id} is at the venue, and ended as {intent.order} ({intent.cause})"
            self.trading.broken("invariant_I10", self.account.store)
            self.account.emitter(event("invariant.broken", broker=self.name, invariant="I10", detail=detail))
        self._tell_trading()

    def _tell_trading(self) -> None:
        change = self.trading.drain()
        if change is not None:
            before, after, reason = change
            self.account.emitter(
                event("trading.changed", broker=self.name, before=before.value, after=after.value, reason=reason)
            )
            self.account.wake()

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None:
        """Which orders are taken from now on, durably; see ``Trading.set``. Suspends."""
        await self.trading.set(state, reason=reason, accepts_restored=accepts_restored, store=self.account.store)
        self._tell_trading()


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _spent_text(spent: Mapping[AssetCode, Decimal]) -> str:
    return msgspec.json.encode({asset: format_amount(amount) for asset, amount in spent.items()}).decode()


def _nothing() -> None:
    pass
