"""
Order entry of one broker: what judges, what claims, what sends and what cancels, put together.

What must not be torn apart is a plain function in each: the funds check with its claim, a row of the orders channel
with its effect on claims. Between them is what may suspend: prices, the store, the venue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol, split_symbol
from holdfast.core.balances import Side
from holdfast.core.budgets import Budgets
from holdfast.core.closing import ClosingCode, plan_closing
from holdfast.core.funds import FundsSettings, error_of
from holdfast.core.intents import Intents
from holdfast.core.orders import OrderAsk, OrderState, OrderType
from holdfast.core.products import why_unsupported
from holdfast.core.seams import Randomness
from holdfast.core.venue import VenueClient, VenueStream
from holdfast.core.venue_time import VenueTime
from holdfast.core.verdicts import TradingState
from holdfast.errors import (
    NotReadyError,
    ReservationStateError,
    StoreError,
    UnknownNameError,
    UnsupportedSymbolError,
)
from holdfast.runtime.account import Account
from holdfast.runtime.cancelling import Cancelling
from holdfast.runtime.claims import Claims
from holdfast.runtime.closing import Closing
from holdfast.runtime.entry_settings import EntrySettings
from holdfast.runtime.intent_record import (
    intent_of,
    reservation_of,
)
from holdfast.runtime.judging import Judging
from holdfast.runtime.names import near_symbols
from holdfast.runtime.quotes import Quotes
from holdfast.runtime.sending import Sending
from holdfast.runtime.trading import Trading
from holdfast.runtime.views import Order, ReservationView
from holdfast.runtime.vitals import Vitals

__all__ = ["EntrySettings", "OrderEntry"]


_FINISH_S: Final = 1.0


class OrderEntry:
    """
    Everything that promises, places or cancels at one broker.

    Args:
        account: Ledger, journal and listeners.
        client: The venue's calls.
        stream: Its stream, where orders go first, or None.
        vitals: Whose trade breaker they pass.
        funds: How orders are judged.
        settings: How they are sent.
        budgets: What each bot may claim.
        bots: Whose budgets they are, with the assets that each names.
        trading: Which orders are taken.
        names: Every intent of the desk that is remembered, by client order id, with its broker's name.
        rest_lag_s: How far the venue's REST may lag.
        randomness: Where ids come from that nobody chose.
        time: The venue's clock.
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
        vitals: Vitals,
        funds: FundsSettings,
        settings: EntrySettings,
        budgets: Budgets,
        bots: Mapping[str, Collection[AssetCode]],
        trading: Trading,
        names: dict[str, str],
        rest_lag_s: float,
        randomness: Randomness,
        time: VenueTime,
        check_ownership: Callable[[], None],
        observe: Callable[[float], None],
        parked_cause: Callable[[], str | None],
    ) -> None:
        self.name = account.name
        self.account = account
        self.settings = settings
        self.client = client
        self.stream = stream
        self.bots = bots
        self.rest_lag_s = rest_lag_s
        self.time = time
        self.quotes = Quotes(client, account.clock)
        self.claims = Claims(account=account, trading=trading, names=names, rest_lag_s=rest_lag_s)
        self.judging = Judging(
            claims=self.claims,
            client=client,
            vitals=vitals,
            quotes=self.quotes,
            time=self.time,
            funds=funds,
            settings=settings,
            budgets=budgets,
            bots=bots,
            randomness=randomness,
            observe=observe,
            parked_cause=parked_cause,
            takes_unsigned=lambda: self.sending.takes_unsigned(),
        )
        self.sending = Sending(
            claims=self.claims,
            judging=self.judging,
            client=client,
            stream=stream,
            vitals=vitals,
            time=self.time,
            settings=settings,
            randomness=randomness,
            check_ownership=check_ownership,
            observe=observe,
            parked_cause=parked_cause,
        )
        self.cancelling = Cancelling(
            claims=self.claims, client=client, stream=stream, vitals=vitals, check_ownership=check_ownership
        )
        self._funds = funds
        self._clock = account.clock
        account.claims = self.claims

    @property
    def intents(self) -> Intents:
        """The live intents."""
        return self.claims.intents

    @property
    def trading(self) -> Trading:
        """Which orders are taken."""
        return self.claims.trading

    async def restore(self) -> None:
        """Go on with what a former process left. Suspends; raises ``StoreError``."""
        await self.claims.restore(self.bots)

    async def finish(self) -> None:
        """Take nothing more, and let what is under way come to an end. Suspends for a second at most."""
        self.sending.is_closed = True
        if self.claims.working:
            await asyncio.wait(set(self.claims.working), timeout=_FINISH_S)

    async def close(self) -> None:
        """Give up what has not come to an end: what was not sent is released, what may have left is in doubt."""
        self.sending.is_closed = True
        self.quotes.close()
        self.judging.pulse.stop()
        working = self.claims.working
        for task in list(working):
            task.cancel()
        if working:
            await asyncio.wait(set(working), timeout=_FINISH_S)
        self.claims.settle(recounts=False)

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Closing:
        """Sell what is spendable of the base at the market, or say why nothing can be sold. Suspends."""
        base, _ = split_symbol(symbol)
        await self.judging.listed()
        instrument = self.client.instruments.get(symbol)
        if instrument is None:
            if not self.client.instruments:
                raise NotReadyError(f"{self.name}: what the venue lists was not read yet: ask again", checks=("rules",))
            hint = near_symbols(symbol, self.client.instruments)
            raise UnknownNameError(f"{self.client.venue} lists no instrument {symbol!a}: {hint}")
        reason = why_unsupported(instrument)
        if reason is not None:
            raise UnsupportedSymbolError(
                f"{self.client.venue} lists {symbol}, and it is not traded here: {reason}", symbol=symbol, reason=reason
            )
        if self.judging.balance(base).total is None:
            least = quantity or instrument.quantity_min or instrument.quantity_step
            ask = OrderAsk(symbol=symbol, side=Side.SELL, order_type=OrderType.MARKET, quantity=least)
            raise error_of(self.judging.judge(ask, None))
        bid: Decimal | None = None
        if quantity is None and instrument.cost_min is not None:
            await self.quotes.want_ticker(symbol, max_age_s=self._funds.ticker_max_age_s)
            ticker = self.quotes.ticker(symbol)
            oldest_s = self._clock.now_s() - self._funds.ticker_max_age_s
            if ticker is not None and ticker.as_of_s >= oldest_s:  # An old price makes nothing dust.
                bid = ticker.bid
        plan = plan_closing(self.judging.balance(base), instrument, bid=bid, wanted=quantity)
        facts = msgspec.structs.asdict(plan)
        if plan.code is not ClosingCode.SELL:
            return Closing(**facts)
        ask = OrderAsk(symbol=symbol, side=Side.SELL, order_type=OrderType.MARKET, quantity=plan.quantity, bot=bot)
        order = await self.sending.place(ask, intent_id=intent_id, is_reserved=False, valid_until_s=valid_until_s)
        return Closing(**facts, order=order)

    async def release(self, intent_id: str, *, force: bool) -> ReservationView:
        """End a claim that nothing was sent on; with *force*, one in doubt. Suspends until it is durable."""
        if (
            self.claims.intents.get(intent_id) is None
            and (row := await self.account.store.intent(intent_id)) is not None
        ):
            ended = intent_of(row)
            raise ReservationStateError(
                f"the reservation {intent_id!a} ended before: {ended.reservation.value} ({ended.cause})",
                intent_id=intent_id,
                state=ended.reservation.value,
            )
        intent = self.claims.intents.release(intent_id, force=force, wall_us=self._clock.wall_us())
        written = self.claims.settle()
        if written is not None:
            with contextlib.suppress(StoreError):  # Told by the store; a release that is lost is only pessimistic.
                await written
        return reservation_of(intent, self.name)

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order:
        """
        Wait until an order's outcome is known. Suspends.

        Raises:
            OutcomeUnknownError: It is not after *timeout_s* seconds; its money stays reserved.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    order = await self.claims.order(intent_id)
                    if order.state not in (OrderState.SENDING, OrderState.IN_DOUBT):
                        return order
                    await self.account.changed(within_s=1.0)
        except TimeoutError:
            raise self.sending.unknown(await self.claims.find(intent_id), TimeoutError("still in doubt")) from None

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None:
        """Which orders are taken from now on, durably; see ``Trading.set``. Suspends."""
        setting = self.trading.set(state, reason=reason, accepts_restored=accepts_restored, store=self.account.store)
        try:
            await setting
        finally:
            self.claims.tell_trading()  # A stricter one is in force even where it could not be kept.
