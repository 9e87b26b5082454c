"""
The funds check with its facts: gathered where that suspends, judged and claimed in one step where it must not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, subtract
from holdfast.core.assets import AssetCode, Symbol, split_symbol
from holdfast.core.balances import Balance, Side
from holdfast.core.budgets import Budgets
from holdfast.core.events import event
from holdfast.core.funds import FundsSettings, Gate, Terms, error_of, judge, judge_amount, pay_asset_of, terms_of
from holdfast.core.instruments import Instrument
from holdfast.core.intents import Intent
from holdfast.core.orders import OrderAsk
from holdfast.core.products import why_unsupported
from holdfast.core.reservations import ReservationState
from holdfast.core.seams import Clock, Randomness
from holdfast.core.venue import VenueClient, VenueMode
from holdfast.core.venue_time import VenueTime
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode
from holdfast.errors import (
    DeniedError,
    IntentRepeatedError,
    InvariantError,
    ReservationStateError,
    UnknownReservationError,
)
from holdfast.runtime.claims import Claims
from holdfast.runtime.entry_settings import EntrySettings
from holdfast.runtime.intent_record import (
    checked_intent_id,
    client_order_id_of,
    new_intent_id,
)
from holdfast.runtime.names import near_symbols
from holdfast.runtime.pulse import Pulse
from holdfast.runtime.quotes import Quotes
from holdfast.runtime.record import amount_text
from holdfast.runtime.vitals import Vitals

__all__ = ["Judging"]

_LISTING_WAIT_S: Final = 2.0


class Judging:
    """
    Judges orders of one broker on the figures of the moment, and claims their money.

    Attributes:
        sent_s: When the orders of the last minute were judged, our clock; those that never left are not among them.
        pulse: Whether this process has been running.
    """

    def __init__(
        self,
        *,
        claims: Claims,
        client: VenueClient,
        vitals: Vitals,
        quotes: Quotes,
        time: VenueTime,
        funds: FundsSettings,
        settings: EntrySettings,
        budgets: Budgets,
        bots: Mapping[str, Collection[AssetCode]],
        randomness: Randomness,
        observe: Callable[[float], None],
        parked_cause: Callable[[], str | None],
        takes_unsigned: Callable[[], bool],
    ) -> None:
        self._claims = claims
        self._account = claims.account
        self._name = claims.name
        self._client = client
        self._vitals = vitals
        self._quotes = quotes
        self._time = time
        self._funds = funds
        self._settings = settings
        self._budgets = budgets
        self._bots = bots
        self._randomness = randomness
        self._observe = observe
        self._parked_cause = parked_cause
        self._takes_unsigned = takes_unsigned
        self._clock: Clock = claims.account.clock
        self._terms: dict[Symbol, tuple[Instrument, Decimal | None, str | None, Terms]] = {}
        self.sent_s: deque[float] = deque()
        self.pulse = Pulse(claims.account.clock, self._note_pause)

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict:
        """Whether *amount* of *asset* could be spent now. Never suspends."""
        return self._with_lingering(judge_amount(asset, amount, self.balance(asset), now_s=self._clock.now_s()))

    def _with_lingering(self, verdict: Verdict) -> Verdict:
        """A verdict that finds too little says what of it only waits for a read."""
        lingering = self._claims.lingering_note(verdict.asset) if verdict.code is VerdictCode.FUNDS_SHORT else None
        if lingering is None:
            return verdict
        return msgspec.structs.replace(verdict, note=f"{verdict.detail}; {lingering}")

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        """Judge an order on the figures of now; with *reserve* claim the money in the same step, durably. Suspends."""
        name = None if intent_id is None else checked_intent_id(intent_id)
        if reserve and name is None:
            name = self.new_id()
        if reserve:
            await self.settled()
        await self.gather(ask)
        if not reserve or name is None:
            verdict = self.judge(ask, name)
            self.tell(verdict)
            return verdict
        self.check_request(valid_until_s)
        verdict, intent = self.judge_and_claim(ask, name, ttl_s=ttl_s)
        if intent is not None:
            try:
                is_durable = await self._claims.is_durable(self._claims.settle(), intent)
            except asyncio.CancelledError:
                # Whoever asked is gone, and nobody else knows of this claim.
                self._claims.intents.never_sent(name, cause="cancelled", detail=None, wall_us=self._clock.wall_us())
                self._claims.settle()
                raise
            if not is_durable:
                verdict = msgspec.structs.replace(verdict, code=VerdictCode.STORE_UNAVAILABLE, is_reserved=False)
        self.tell(verdict)
        return verdict

    async def settled(self) -> None:
        """Wait until an earlier owner's last order can no longer arrive. Suspends for a validity at most."""
        left_s = (self._claims.opens_us() - self._time.now_us()) / 1_000_000
        if left_s > 0:
            await asyncio.sleep(min(left_s, self._settings.validity_s + 1.0))

    def new_id(self) -> str:
        """An intent id that nobody chose and nobody has: a process may draw again what a former one drew."""
        while True:
            name = new_intent_id(self._randomness)
            if client_order_id_of(name) not in self._claims.names:
                return name

    async def listed(self) -> None:
        """Wait for what a process that has just begun did not read yet: listing and mode. Suspends 2 s at most."""
        until_s = self._clock.now_s() + _LISTING_WAIT_S
        while not self._client.instruments or self._account.venue_mode is VenueMode.UNKNOWN:
            left_s = until_s - self._clock.now_s()
            if left_s <= 0:
                break
            await self._account.changed(within_s=left_s)

    def doubt_rules(self, symbol: Symbol) -> None:
        """The venue refused an order for the instrument's status: it is read again before the next one."""
        self._quotes.doubt_rules(symbol)

    async def gather(self, ask: OrderAsk) -> None:
        """Have price and fee, where the check needs them, and everything read that has arrived."""
        await self.pulse.start()
        await self.listed()
        if ask.symbol not in self._client.instruments:
            return
        if ask.side is Side.BUY and self._vitals.is_trade_open(self._clock.now_s()):
            return  # It will be denied: nothing needs to be asked for it.
        funds = self._funds
        is_priced = ask.limit_price is not None
        _, quote = split_symbol(ask.symbol)
        needs_price = funds.price_collar is not None if is_priced else ask.quantity is not None
        if needs_price and not is_priced and ask.side is Side.SELL:
            needs_price = quote in funds.largest_order  # An exit waits for no price that it does not need.
        is_exit = ask.side is Side.SELL
        waits: list[Awaitable[None]] = [self._quotes.want_rules(ask.symbol, waits=not is_exit)]
        if needs_price:
            waits.append(self._quotes.want_ticker(ask.symbol, max_age_s=funds.ticker_max_age_s))
        waits.append(self._quotes.want_fee(ask.symbol, waits=not is_exit))
        await asyncio.gather(*waits)

    def judge(self, ask: OrderAsk, intent_id: str | None, *, without: Intent | None = None) -> Verdict:
        """The verdict on the figures of now, or as if the claim *without* were not there."""
        now_s = self._clock.now_s()
        self._observe(now_s)
        self.pulse.has_paused(now_s)
        asset = pay_asset_of(ask)
        while self.sent_s and self.sent_s[0] <= now_s - 60.0:
            self.sent_s.popleft()
        verdict = judge(
            ask,
            self.balance(asset, without=without),
            self._terms_of(ask.symbol),
            self._gate(now_s),
            self._funds,
            now_s,
            ticker=self._quotes.ticker(ask.symbol),
            orders_lately=len(self.sent_s),
            budget_left=self._budget_left(ask.bot, asset, without=without),
            budget_note=self._budgets.note(ask.bot, asset),
            intent_id=intent_id,
        )
        if verdict.code is VerdictCode.INSTRUMENT_UNKNOWN:
            listed = self._client.instruments.get(ask.symbol)
            if listed is not None:
                note = f"{self._client.venue} lists {ask.symbol}, and it is not traded here: {why_unsupported(listed)}"
            else:
                hint = near_symbols(ask.symbol, self._client.instruments)
                note = f"{self._client.venue} lists no {ask.symbol!a}: {hint}"
            verdict = msgspec.structs.replace(verdict, note=note)
        verdict = self._with_lingering(verdict)
        if intent_id is not None and without is None and client_order_id_of(intent_id) in self._claims.names:
            verdict = msgspec.structs.replace(verdict, code=VerdictCode.INTENT_REPEATED)
        return verdict

    def _note_pause(self, now_s: float, by_s: float) -> None:
        """This process did not run: figures from before count no more, as after a suspend."""
        account = self._account
        account.emitter(event("clock.jumped", broker=self._name, kind="paused", by_s=round(by_s, 3)))
        account.take(account.ledger.invalidate, "paused", read="clock", now_s=now_s)
        account.reconciler.hurry("paused", now_s=now_s)
        account.reading.ring()

    def _gate(self, now_s: float) -> Gate:
        """What holds for every order now."""
        is_halted = self._account.halted_reason is not None
        opens_us = self._claims.opens_us() - self._time.now_us()
        is_open = self._vitals.is_trade_open(now_s)
        return Gate(
            venue_mode=self._account.venue_mode if self._client.instruments else VenueMode.UNKNOWN,
            trading_state=TradingState.HALTED if is_halted else self._claims.trading.state,
            trading_reason=self._account.halted_reason or self._claims.trading.reason,
            has_store=self._account.store.status().is_ok,
            has_rules=bool(self._client.instruments),
            parked=None if self._takes_unsigned() else self._parked_cause(),
            opens_s=now_s + opens_us / 1_000_000 if opens_us > 0 else None,
            breaker=self._vitals.trade.words(now_s) if is_open else None,
            retry_after_s=self._vitals.trade.breaker.retry_after_s(now_s) if is_open else None,
        )

    def _terms_of(self, symbol: Symbol) -> Terms | None:
        instrument = self._client.instruments.get(symbol)
        if instrument is None or why_unsupported(instrument) is not None:
            return None
        rate, source = self._quotes.taker_fee(symbol)
        known = self._terms.get(symbol)
        if known is None or known[0] is not instrument or known[1:3] != (rate, source):
            quote = self._client.assets.get(instrument.quote)
            decimals = None if quote is None else quote.decimals
            terms = terms_of(instrument, taker_fee=rate, fee_source=source, quote_decimals=decimals)
            known = self._terms[symbol] = (instrument, rate, source, terms)
        return known[3]

    def balance(self, asset: AssetCode, *, without: Intent | None = None) -> Balance:
        ledger, now_s = self._account.ledger, self._clock.now_s()
        if without is None or without.asset != asset:
            return ledger.balance(asset, now_s=now_s)
        # Asked without this claim and put back in the same step: what is left is never clamped in between.
        reserved = self._claims.book.reserved(asset)
        ledger.set_reserved(asset, subtract(reserved, without.counted))
        try:
            return ledger.balance(asset, now_s=now_s)
        finally:
            ledger.set_reserved(asset, reserved)

    def _budget_left(self, bot: str | None, asset: AssetCode, *, without: Intent | None) -> Decimal | None:
        claimed = ZERO if bot is None else self._claims.intents.claimed_by(bot, asset)
        if without is not None and without.bot == bot and without.asset == asset:
            claimed = subtract(claimed, without.amount)
        total = self._account.ledger.balance(asset, now_s=self._clock.now_s()).total
        spent = {name: own.get(asset, ZERO) for name, own in self._claims.intents.spent.items()}
        return self._budgets.left(bot, asset, total=total, claimed=claimed, spent=spent)

    def budgets_left(self) -> dict[str, dict[AssetCode, Decimal | None]]:
        """What each configured bot may still claim, by asset; None where its total is not known. Never suspends."""
        return {
            bot: {asset: self._budget_left(bot, asset, without=None) for asset in assets}
            for bot, assets in self._bots.items()
        }

    def judge_and_claim(
        self, ask: OrderAsk, intent_id: str, *, ttl_s: float | None = None
    ) -> tuple[Verdict, Intent | None]:
        """Check and claim: one step, on the figures of this moment."""
        verdict = self.judge(ask, intent_id)
        if not verdict.is_approved:
            return verdict, None
        assert verdict.required is not None
        assert verdict.spendable is not None
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        ttl = self._settings.unsent_ttl_s if ttl_s is None else ttl_s
        intent = self._claims.intents.claim(
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
                expires_s=now_s + ttl,
                created_us=wall_us,
                updated_us=wall_us,
                claimed_s=now_s,
            ),
            spendable=verdict.spendable,
        )
        self._claims.names[intent.client_order_id] = self._name
        self._prove_sound(intent, verdict)
        return msgspec.structs.replace(verdict, is_reserved=True), intent

    def take_claim(self, ask: OrderAsk, name: str) -> tuple[Verdict, Intent | None]:
        """Judge an order again on the claim that was made for it; a claim that no longer holds is released."""
        intent = self._claims.intents.get(name)
        if intent is None or intent.intent_id != name:
            raise UnknownReservationError(
                f"no live reservation {name!a} at {self._name}: it ended, expired or was never made", intent_id=name
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
        verdict = self.judge(ask, name, without=intent)
        if not verdict.is_approved:
            self._claims.intents.release(name, cause=verdict.code.value, wall_us=self._clock.wall_us())
            return verdict, None
        assert verdict.required is not None
        fee_rate = verdict.fee_rate or ZERO
        if (verdict.required, verdict.price, fee_rate) != (intent.amount, intent.price, intent.fee_rate):
            intent = self._claims.intents.resize(
                name, verdict.required, price=verdict.price, fee_rate=fee_rate, wall_us=self._clock.wall_us()
            )
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
                self._claims.broken("I16", f"{asset}: {amount!r} is no exact amount")
        try:
            self._claims.book.check()
        except InvariantError as error:
            self._claims.broken("I9", str(error))
        balance = self._account.ledger.balance(asset, now_s=self._clock.now_s())
        if verdict.code is VerdictCode.APPROVED and (
            balance.available is None or subtract(balance.available, balance.reserved) < ZERO
        ):
            self._claims.broken("I1", f"{asset}: {balance.reserved} reserved of {balance.available} available")

    def tell(self, verdict: Verdict) -> None:
        emitter = self._account.emitter
        if not emitter.is_heard:
            return
        emitter(
            event(
                "verdict.given",
                broker=self._name,
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

    def denial(self, verdict: Verdict, name: str) -> DeniedError:
        """The error to raise for a verdict that denies."""
        if verdict.code is VerdictCode.INTENT_REPEATED:
            where = self._claims.names.get(client_order_id_of(name), self._name)
            denial: DeniedError = IntentRepeatedError(
                f"the intent {name!a} was used before, at {where}: broker.order({name!a}) tells what became of it",
                intent_id=name,
            )
            denial.verdict = verdict
            return denial
        return error_of(verdict)

    def check_request(self, valid_until_s: float | None) -> None:
        """Refuse, by ``DeniedError``, what was asked for too long ago."""
        if valid_until_s is not None and self._clock.now_s() > valid_until_s:
            raise DeniedError(f"{self._name}: the request is older than its validity: nothing was sent")
