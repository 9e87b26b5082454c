"""
A broker: one configured, supervised account at one venue, as a bot sees it.

Reading figures never suspends: the supervisor keeps them current, and an answer is computed at the moment it is asked
for, its age included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.core.asking import Money, parse_ask, parse_money
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, Side
from holdfast.core.instruments import AssetInfo
from holdfast.core.orders import OrderAsk
from holdfast.core.seams import JournalRow
from holdfast.core.verdicts import TradingState, Verdict
from holdfast.errors import NotReadyError, OrderInputError, ReservationStateError
from holdfast.runtime.intent_record import checked_intent_id
from holdfast.runtime.reservation import Reservation
from holdfast.runtime.views import (
    BalancesChanged,
    BrokerStatus,
    Explanation,
    Health,
    Isolable,
    Order,
    RefreshReport,
    ReservationView,
    ResetReport,
    StreamStatus,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.core.candles import CandleSeries
    from holdfast.core.positions import PositionList
    from holdfast.core.products import ProductList
    from holdfast.core.readiness import ReadinessReport
    from holdfast.core.repair import RepairReport
    from holdfast.core.symbols import SymbolName
    from holdfast.core.valuation import AccountBalance, AccountBalanceDetailed
    from holdfast.runtime.backend import BrokerBackend
    from holdfast.runtime.closing import Closing
    from holdfast.runtime.guard import Guard
    from holdfast.runtime.listeners import Changes, Subscription
    from holdfast.runtime.nonce_doctor import NonceReport

__all__ = ["Broker"]


class Broker:
    """
    One account of one venue. Made by ``holdfast.open``; reached as ``desk["kraken-master"]``.

    Attributes:
        name: The broker's name in the configuration.
        venue: Venue id, such as ``kraken``.
        environment: ``production``, ``demo`` or ``simulated``.

    Every method raises ``ClosedError`` after the desk is closed, from another event loop and in a forked child.
    """

    def __init__(self, backend: BrokerBackend, guard: Guard) -> None:
        self._backend = backend
        self._guard = guard
        self.name = backend.name
        self.venue = backend.venue
        self.environment = backend.environment

    def _use(self, backend: BrokerBackend) -> None:
        """Go on with another backend: the account has another owner now, or this process has become it."""
        self._backend = backend

    def __repr__(self) -> str:
        return f"<Broker {self.name} {self.venue} {self.environment}>"

    # Figures

    def balance(self, asset: AssetCode) -> Balance:
        """
        The balance of one asset, as of this call. Never suspends.

        Amounts are whole units. An asset that the venue lists and this account was never seen to hold is a proven
        zero once a complete answer has been believed, and ``unknown`` with ``None`` amounts before; unknown is not
        zero.

        Raises:
            UnknownNameError: The venue lists no such asset; the message names the nearest ones.
        """
        self._guard.check()
        return self._backend.balance(asset)

    def balances(self) -> dict[AssetCode, Balance]:
        """
        Every asset with a figure, by code in alphabetical order, as of this call. Never suspends.

        Empty until a first answer has been believed: that is *unknown*, not an empty account. A believed empty
        account is shown with the zeros the venue stated.
        """
        self._guard.check()
        return self._backend.balances()

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """Every asset that the venue lists, by code; empty until it was asked. Never suspends."""
        self._guard.check()
        return self._backend.assets

    # Condition

    def status(self) -> BrokerStatus:
        """The broker's condition as of this call. Never suspends."""
        self._guard.check()
        return self._backend.status()

    @property
    def account_id(self) -> str | None:
        """The venue's own id of the account, or None until the venue has named it."""
        return self._backend.account_id

    def is_available(self) -> bool:
        """
        Whether orders should be brought here now. Never suspends.

        True while the read and the trade breaker are not open or isolated, the credential is not parked and the broker
        is not halted. A live stream stands in for reads that fail. A trade breaker whose break is over waits for an
        order to try, and is available.
        """
        self._guard.check()
        return self._backend.status().is_available

    def get_error_count(self) -> int:
        """
        Consecutive counted errors of reads or of orders, whichever are more; 0 after one success. Never suspends.

        Three, by default, open the breaker. Network, venue and payload faults and slow answers count; rate limits, a
        refused credential, a wrong clock, want of funds and a request that was wrong never do.
        """
        self._guard.check()
        return self._backend.error_count

    # The market, and what the account is worth in it

    async def get_account_balance(self, quote: AssetCode = "USD") -> AccountBalance:
        """
        What the whole account is worth in *quote*, as one figure that says how far it may be trusted. Suspends.

        Cash and positions, what open orders hold included, at the prices at which it could be sold now, before fees.
        USD, USDC and USDT are converted like anything else, through a price. What has no price is left out and named in
        ``left_out``; a price or figure that is old counts, and makes ``state`` stale. ``total`` is None while nothing
        is known, and never 0 for that.

        An order is no matter of this figure: ``balance(asset).spendable`` is what may be promised of what pays for it.

        Args:
            quote: Canonical code of what it is told in; something that the venue lists.

        Returns:
            The figure, without what it is made of: that is in ``get_account_balance_detailed``.

        Raises:
            UnknownNameError: The venue lists no such asset.
            NotReadyError: What the venue lists was not read yet.
        """
        return (await self.get_account_balance_detailed(quote)).one_figure()

    async def get_account_balance_detailed(self, quote: AssetCode = "USD") -> AccountBalanceDetailed:
        """
        ``get_account_balance`` with what it is made of: every asset's figures, its price and way there. Suspends.

        Prices younger than half a minute are used again; others are read, for at most ten seconds. The figures are
        those of the moment of the answer: ``balance(asset)`` of each, with state, age and source.

        Raises:
            UnknownNameError: The venue lists no such asset as *quote*.
            NotReadyError: What the venue lists was not read yet.
        """
        self._guard.check()
        return await self._backend.account_balance(quote)

    async def get_positions(self, quote: AssetCode = "USD") -> PositionList:
        """
        What is held in markets: spot holdings, and margin positions where the venue has them. Suspends.

        Cash is no position; what no order could sell is in ``dust``, with the minimum that it misses. ``notes`` say
        what the venue does not offer, or could not be asked now; ``is_complete`` is False in the second case.

        Args:
            quote: What values are told in.

        Returns:
            ``for position in await broker.get_positions()``: each with quantity, what of it can be sold, state and age.

        Raises:
            UnknownNameError: The venue lists no such asset as *quote*.
            NotReadyError: What the venue lists was not read yet.
        """
        self._guard.check()
        return await self._backend.positions(quote)

    async def get_all_products(self, *, include_unsupported: bool = False) -> ProductList:
        """
        Every spot instrument that the venue lists, with its rules and status. Suspends.

        Lines that are not for us (quoted in BUSD, without a step, no spot market) are in ``filtered``, each with the
        reason. A listing of the last hour is used again; where it cannot be read anew the older one is told, with a
        ``note``.

        Args:
            include_unsupported: Put instruments into ``products`` too that are filtered, with ``unsupported`` set.

        Raises:
            HoldfastError: It was never read, and cannot be read now.
        """
        self._guard.check()
        return await self._backend.products(include_unsupported=include_unsupported)

    async def get_candles(
        self,
        symbol: Symbol,
        interval: str | int = "1h",
        *,
        limit: int | None = None,
        since: float | datetime | None = None,
    ) -> CandleSeries:
        """
        Candles of one instrument, oldest first, prices and volumes exact. Suspends.

        The newest *limit* (100 when nothing is said), or from *since* on the first *limit* (1500). Only the last one
        may still be forming. Each answer is judged as a whole: rows that do not rise, are off the interval's grid,
        have a price outside their own range or lie in the future refuse all of it.

        Args:
            symbol: Canonical, or any spelling that ``normalize_symbol_for_broker`` takes.
            interval: ``1m`` ``5m`` ``15m`` ``1h`` ``4h`` ``1d`` ``1w`` …, or seconds; those that the venue has.
            limit: 1 to 1500. Where the venue keeps fewer, ``is_complete`` is False and ``note`` says so.
            since: Unix seconds on the venue's clock, or a time with a zone.

        Raises:
            OrderInputError: *interval*, *limit* or *since* is none; an interval that the venue has not is answered with
                those it has.
            UnknownNameError: The venue lists no such instrument; ``UnsupportedSymbolError`` where it is not for us.
            PayloadError: The answer cannot be believed.
            VenueError: There was none, twice.
        """
        self._guard.check()
        from holdfast.core.candles import check_limit, parse_interval, parse_since

        interval_s, since_s = parse_interval(interval), parse_since(since)
        check_limit(limit)
        return await self._backend.candles(symbol, interval_s=interval_s, limit=limit, since_s=since_s)

    async def normalize_symbol_for_broker(self, symbol: str) -> SymbolName:
        """
        The instrument that any spelling names here: canonical, and as the venue spells it. Suspends.

        ``BTC-USD``, ``btc/usd``, ``BTC_USD``, ``BTCUSD`` and the venue's own (``XBTUSD``, ``XXBTZUSD``). Waits for a
        listing that is being read, 2 s at most.

        Raises:
            UnsupportedSymbolError: It is understood and not traded: ``reason`` says why (quoted in BUSD, a derivative).
            UnknownNameError: The venue lists no such instrument, or two that it could be; names them, or the nearest.
            NotReadyError: What the venue lists was not read yet.
        """
        self._guard.check()
        return await self._backend.symbol_name(symbol)

    # Asking the venue

    async def probe(self, *, timeout_s: float = 5.0) -> None:
        """
        Have the venue tell its time: a sign of life that needs no signature and changes no figure. Suspends.

        Raises:
            VenueError: It cannot be reached, or answered something else.
            NotReadyError: It did not answer within *timeout_s* seconds.
            UnsupportedError: The venue tells no time.
        """
        self._guard.check()
        await self._backend.probe(timeout_s=timeout_s)

    async def refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """
        Read balances and open orders from the venue now. Suspends until believed, refused or *timeout_s* has passed.

        A suspect answer is read again a second time, differently, before this returns. A failure changes no figure.

        Returns:
            What was asked and what came of it; a failure is in ``error``, not raised.
        """
        self._guard.check()
        return await self._backend.refresh(timeout_s=timeout_s)

    async def reset_circuit_breaker(self, *, timeout_s: float = 30.0) -> ResetReport:
        """
        Close every breaker, isolated ones too, forget what was counted, and read the account again. Suspends.

        What failed before may fail again: ``after`` tells, and a breaker that opens anew heals by itself. Neither a
        lockout's silence nor a rate limit's is cut short.

        Returns:
            What stood before, what stands after, and what the refresh in between came to.

        Raises:
            StoreError: The reset could not be made durable; it is in force until a restart.
        """
        self._guard.check()
        return await self._backend.reset_circuit_breaker(timeout_s=timeout_s)

    async def restart_stream(self, *, timeout_s: float = 30.0) -> StreamStatus:
        """
        Drop the stream, connect anew and take fresh snapshots, whatever is left of a pause. Suspends.

        Figures stay as they are meanwhile, labelled; REST goes on. Who asked is kept in the journal.

        Returns:
            The stream once it is live, or as it stands after *timeout_s* seconds; ``reason`` says why it is not live.

        Raises:
            UnsupportedError: This broker was opened without a stream, or is stopped.
        """
        self._guard.check()
        return await self._backend.restart_stream(timeout_s=timeout_s)

    async def force_balance_refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """
        What ``refresh`` does, kept on record with who asked: for people, and for programs that act for them. Suspends.

        Returns:
            As ``refresh``; ``record`` says why it does not stand in the journal, None where it does.
        """
        self._guard.check()
        return await self._backend.force_balance_refresh(timeout_s=timeout_s)

    async def emergency_repair(self, *, dry_run: bool = False, timeout_s: float = 60.0) -> RepairReport:
        """
        Find out what is wrong, mend what may be mended by itself, and look again. Suspends.

        Clock, credential, nonces, breakers, stream, a forced refresh, what is in doubt, a report: in this order. It
        never places or cancels an order, releases money, lifts what a person or an invariant has closed, or sends
        anything during a lockout. Who asked, what was done, and how it stood before and after are kept in the journal.

        Args:
            dry_run: Only say what would be done. The venue's clock is read, and nothing signed is sent.
            timeout_s: Bound of the whole, in seconds; what was not reached by then is said.

        Returns:
            Each step with what was found and done, the condition before and after, and what is left to a person.
        """
        self._guard.check()
        return await self._backend.emergency_repair(is_dry_run=dry_run, timeout_s=timeout_s)

    async def verify_end_to_end(self, *, timeout_s: float = 180.0) -> ReadinessReport:
        """
        Measure whether this broker is ready to go live: nine categories, 110 points, evidence behind each. Suspends.

        Everything is asked of the venue once, and nothing is ordered: what an order needs is validated where the venue
        has a dry run, and is exempt with the reason where not. A fault is made up on this machine, in a rehearsal of
        its own, so that what runs is not disturbed. The report is kept beside the journal, and the run on record.

        Args:
            timeout_s: Bound of the whole, seconds; what was not reached by then is lost, and says so.

        Returns:
            The score, and each check with what was observed and how to earn it; ``comparison`` is with the last run.
        """
        self._guard.check()
        return await self._backend.verify_end_to_end(timeout_s=timeout_s)

    async def readiness_reports(self, *, limit: int = 20) -> list[ReadinessReport]:
        """The kept reports of earlier ``verify_end_to_end``, newest first, at most *limit*. Suspends."""
        self._guard.check()
        return await self._backend.readiness_reports(limit=limit)

    async def note_visit(
        self, act: Visit, *, outcome: str, facts: Mapping[str, str | None] | None = None
    ) -> str | None:
        """
        Keep on record that somebody looked and changed nothing. Suspends until it is durable, 5 s at most.

        Args:
            act: ``doctor`` or ``verify_balance``.
            outcome: What came of it, in a word or a sentence.
            facts: What else belongs to it, as text; never a secret.

        Returns:
            None once it stands in the journal, else why it does not.
        """
        self._guard.check()
        return await self._backend.note_visit(act=act, outcome=outcome, facts=dict(facts or {}))

    async def isolate(self, what: Isolable = "all", *, reason: str | None = None) -> None:
        """
        Hold breakers open until ``reset_circuit_breaker``, through restarts: no new order, no planned read. Suspends.

        Cancels and exits go on, a forced refresh is still made, and a stream that is open stays so.

        Args:
            what: ``trade``, ``read`` or ``all``.
            reason: A person's own words, for the status.

        Raises:
            OrderInputError: There is no such breaker.
            StoreError: It could not be made durable; it is in force until a restart.
        """
        self._guard.check()
        if what not in ("all", "read", "trade"):
            raise OrderInputError(f"no breaker {what!a}: one of all, read, trade", field="what")
        await self._backend.isolate(what, reason=reason)

    # Changes

    def changes(self, *, limit: int = 1000) -> Changes:
        """
        Every change from now on: ``async for change in broker.changes()``.

        Yields ``BalancesChanged``, and ``Lagged`` where the reader fell more than *limit* changes behind; ends when
        the desk is closed.
        """
        self._guard.check()
        return self._backend.listeners.iterate(limit=limit)

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        """
        Call *callback* with every change from now on, in the very step in which figures changed.

        It must not block and cannot suspend. Returns a ``Subscription``: close it to end the calls.
        """
        self._guard.check()
        return self._backend.listeners.subscribe(callback)

    # Waiting

    async def wait_until(
        self, condition: str | Callable[[BrokerStatus], bool], *, timeout_s: float | None = 30.0
    ) -> BrokerStatus:
        """
        Wait until the stream is in the state named, or until *condition* of the status is true. Suspends.

        Args:
            condition: ``connecting``, ``snapshot``, ``degraded`` or ``down``; ``live``, which waits for the figures
                too: the stream is live, and what it pushes is anchored by REST; or a function of the status, asked
                again whenever something changes and at least once a second.
            timeout_s: Bound in seconds; ``None`` waits for ever.

        Returns:
            The status that satisfied it.

        Raises:
            NotReadyError: It did not come true in time; the message says what the broker was instead.
        """
        self._guard.check()
        return await self._wait(_as_condition(condition), timeout_s=timeout_s, wanted=_shown(condition))

    async def ready(self, *, timeout_s: float | None = 30.0) -> BrokerStatus:
        """
        Wait until every figure is ``live`` or ``fresh`` and the broker can act: halted, it can still cancel. Suspends.

        A live stream is not needed for that: a broker that polls REST often enough is ready.

        Raises:
            NotReadyError: Not within *timeout_s* seconds; ``checks`` says what failed.
        """
        self._guard.check()
        return await self._wait(self._is_ready, timeout_s=timeout_s, wanted="ready")

    def _is_ready(self, status: BrokerStatus) -> bool:
        return not self._unready(status)

    def _unready(self, status: BrokerStatus) -> tuple[str, ...]:
        failed: list[str] = []
        # Halted by a person or an invariant it still reads, and cancels: a bot has to come that far.
        is_barred = not status.is_available and not (status.is_halted and not _is_barred_otherwise(status))
        if status.health is Health.DOWN or is_barred:
            failed.extend(status.reasons or ("unavailable",))
        if not self._backend.has_figures:
            is_restored = "balances_restored" in status.reasons
            failed.append("balances_restored" if is_restored else "balances_unknown")
        if status.suspects:
            failed.append("balances_suspect")
        if any(not balance.is_fit_to_approve for balance in self._backend.balances().values()):
            failed.append("balances_stale")
        return tuple(dict.fromkeys(failed))

    async def _wait(
        self, condition: Callable[[BrokerStatus], bool], *, timeout_s: float | None, wanted: str
    ) -> BrokerStatus:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._guard.check()
                    status = self._backend.status()
                    if condition(status):
                        return status
                    await self._backend.changed(within_s=1.0)
        except TimeoutError:
            status = self._backend.status()
            checks = self._unready(status)
            raise NotReadyError(
                f"{self.name} is not {wanted} after {timeout_s} s: stream {status.stream.state}"
                f" ({status.stream.reason or 'no reason'}), health {status.health}"
                f" ({', '.join(status.reasons) or 'nothing named'}), last error: {status.last_error or 'none'};"
                f" `holdfast doctor {self.name}` tells what to do",
                checks=checks,
            ) from None

    # The record

    async def explain(self, asset: AssetCode, *, limit: int = 20) -> Explanation:
        """
        Why this balance is what it is: its figure, and the newest *limit* journal rows behind it. Suspends.

        Raises:
            UnknownNameError: The venue lists no such asset.
            StoreError: The journal cannot be read.
        """
        self._guard.check()
        return await self._backend.explain(asset, limit=limit)

    async def history(
        self,
        *,
        asset: AssetCode | None = None,
        after_seq: int = 0,
        since_wall_us: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        kind: str | None = None,
    ) -> list[JournalRow]:
        """
        The journal: kept changes by rising sequence, at most *limit*. Suspends.

        Args:
            asset: Only this one; ``None`` for all.
            after_seq: Only rows after this sequence number; 0 for all that are kept.
            since_wall_us: Only rows at or after this time, UTC microseconds.
            limit: At most so many rows.
            newest_first: By falling sequence instead.
            kind: Only rows of this kind, such as ``audit``: who asked for repairs, resets and halts.

        Raises:
            StoreError: The journal cannot be read.
        """
        self._guard.check()
        return await self._backend.history(
            asset=asset,
            after_seq=after_seq,
            since_wall_us=since_wall_us,
            limit=limit,
            newest_first=newest_first,
            kind=kind,
        )

    async def backup(self, path: str) -> None:
        """
        Write a consistent copy of the account's store to *path*, which must not exist. Suspends.

        Raises:
            StoreError: It could not be written; no partial file is left.
        """
        self._guard.check()
        await self._backend.backup(path)

    # Orders: judging

    async def verify_balance_before_order(
        self,
        symbol: Symbol,
        side: str,
        quantity: Money | None = None,
        *,
        quote_quantity: Money | None = None,
        order_type: str = "market",
        price: Money | None = None,
        time_in_force: str = "gtc",
        post_only: bool = False,
        bot: str | None = None,
        intent_id: str | None = None,
        reserve: bool = False,
    ) -> Verdict:
        """
        Judge an order on the figures of now: cost, fee and buffer against what may be spent. Suspends for prices only.

        Args:
            symbol: Canonical, such as ``BTC-USD``.
            side: ``buy`` or ``sell``.
            quantity: Base units; exactly one of it and *quote_quantity*.
            quote_quantity: Quote units: of a market buy what is to be spent, of a limit order what it is worth.
            order_type: ``market`` or ``limit``.
            price: The limit, quote per base; none for a market order.
            time_in_force: ``gtc``, ``ioc`` or ``fok``.
            post_only: Never to take.
            bot: Whose budget it counts against.
            intent_id: The caller's own key for it: used once within 30 days.
            reserve: Check and claim in one step; place the order with ``reservation=verdict``, or release it.

        Returns:
            The verdict; one that denies is returned, not raised. A verdict without a claim promises nothing.

        Raises:
            OrderInputError: What was asked for is no order; nothing was judged.
        """
        self._guard.check()
        ask = parse_ask(
            symbol,
            side,
            quantity=quantity,
            quote_quantity=quote_quantity,
            order_type=order_type,
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            bot=bot,
        )
        _check_id(intent_id)
        return await self._backend.verify(ask, intent_id=intent_id, reserve=reserve, ttl_s=None, valid_until_s=None)

    def verify_balance(self, asset: AssetCode, amount: Money) -> Verdict:
        """
        Whether *amount* of *asset* may be spent now: no fee, no buffer, only the figure. Never suspends.

        Raises:
            OrderInputError: *amount* is none.
            UnknownNameError: The venue lists no such asset.
        """
        self._guard.check()
        return self._backend.verify_balance(asset, parse_money(amount, field="amount", may_be_zero=True))

    # Orders: claiming

    def reserve(self, verdict: Verdict, *, intent_id: str | None = None, ttl_s: float | None = None) -> Reservation:
        """
        Claim what a verdict found affordable: ``async with broker.reserve(verdict) as reservation``.

        Entering judges again on the figures of that moment, and may deny. Leaving releases what no order was placed on.

        Args:
            verdict: Of ``verify_balance_before_order``.
            intent_id: The caller's own key; one is made where none is given.
            ttl_s: Seconds after which a claim without an order ends by itself, at most a day; the configured ones when
                None.

        Raises:
            OrderInputError: *ttl_s* is no such time.
        """
        self._guard.check()
        _check_id(intent_id)
        if ttl_s is not None and (type(ttl_s) not in (int, float) or not 0 < ttl_s <= _LONGEST_TTL_S):
            raise OrderInputError(f"ttl_s is {ttl_s!a}: seconds, more than 0 and at most a day", field="ttl_s")
        return Reservation(self, verdict, intent_id=intent_id, ttl_s=ttl_s)

    async def _claim(self, ask: OrderAsk, *, intent_id: str | None, ttl_s: float | None) -> Verdict:
        self._guard.check()
        return await self._backend.verify(ask, intent_id=intent_id, reserve=True, ttl_s=ttl_s, valid_until_s=None)

    def reservations(self) -> list[ReservationView]:
        """Every live claim: active, covered or in doubt. Never suspends."""
        self._guard.check()
        return self._backend.reservations()

    async def reservation(self, intent_id: str) -> ReservationView:
        """
        One claim, live or ended within 30 days. Suspends.

        Raises:
            UnknownReservationError: None of that id is remembered.
        """
        self._guard.check()
        return await self._backend.reservation(intent_id)

    async def release_reservation(self, intent_id: str, *, force: bool = False) -> ReservationView:
        """
        End a claim on which nothing was sent. Suspends until it is durable.

        Args:
            intent_id: Its key.
            force: End one that is in doubt, too: a person knows that its order is not at the venue.

        Raises:
            UnknownReservationError: None of that id is remembered.
            ReservationStateError: It ended before, or its order is, or may be, at the venue.
        """
        self._guard.check()
        return await self._backend.release(intent_id, force=force)

    def budgets(self) -> Mapping[str, Mapping[AssetCode, object]]:
        """What each configured bot may still claim, by asset; None where its total is not known. Never suspends."""
        self._guard.check()
        return self._backend.budgets()

    # Orders: placing

    async def place_market_order(
        self,
        symbol: Symbol,
        side: str,
        quantity: Money | None = None,
        *,
        quote_quantity: Money | None = None,
        intent_id: str | None = None,
        bot: str | None = None,
        reservation: Reservation | Verdict | None = None,
        validate: bool = False,
    ) -> Order:
        """
        Judge, claim, make durable, and send a market order once. Suspends until the venue has answered.

        Args:
            symbol: Canonical.
            side: ``buy`` or ``sell``.
            quantity: Base units; exactly one of it and *quote_quantity*.
            quote_quantity: Quote units to spend, of a buy.
            intent_id: The caller's own key: the same one never places a second order.
            bot: Whose budget it counts against.
            reservation: A claim made before; its own is made where there is none.
            validate: A dry run: the venue checks what it checks, and nothing is placed.

        Returns:
            The order as known when the venue had answered; ``broker.order(intent_id)`` tells more later.

        Raises:
            DeniedError: We refused and nothing was sent; ``verdict`` has the arithmetic where funds were judged.
            VenueRejectedError: The venue refused; the claim is released.
            OutcomeUnknownError: The answer was lost: the money stays reserved, and ``resolution(intent_id)`` waits for
                the evidence. Do not send it again.
        """
        ask = parse_ask(symbol, side, quantity=quantity, quote_quantity=quote_quantity, order_type="market", bot=bot)
        return await self._place(ask, intent_id=intent_id, reservation=reservation, validate=validate)

    async def place_limit_order(
        self,
        symbol: Symbol,
        side: str,
        quantity: Money | None = None,
        price: Money | None = None,
        *,
        quote_quantity: Money | None = None,
        time_in_force: str = "gtc",
        post_only: bool = False,
        intent_id: str | None = None,
        bot: str | None = None,
        reservation: Reservation | Verdict | None = None,
        validate: bool = False,
    ) -> Order:
        """
        Judge, claim, make durable, and send a limit order once. Suspends until the venue has answered.

        Args:
            symbol: Canonical.
            side: ``buy`` or ``sell``.
            quantity: Base units; exactly one of it and *quote_quantity*.
            price: The limit, quote per base, on the instrument's tick.
            quote_quantity: What the order is to be worth; the quantity is rounded down to the instrument's step.
            time_in_force: ``gtc``, ``ioc`` or ``fok``.
            post_only: Never to take.
            intent_id: As ``place_market_order``, like all that follows.
            bot: Likewise.
            reservation: Likewise.
            validate: Likewise.
        """
        ask = parse_ask(
            symbol,
            side,
            quantity=quantity,
            quote_quantity=quote_quantity,
            order_type="limit",
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            bot=bot,
        )
        return await self._place(ask, intent_id=intent_id, reservation=reservation, validate=validate)

    async def _place(
        self, ask: OrderAsk, *, intent_id: str | None, reservation: Reservation | Verdict | None, validate: bool
    ) -> Order:
        self._guard.check()
        _check_id(intent_id)
        if validate:
            if reservation is not None:
                raise OrderInputError("a dry run claims nothing: leave reservation out", field="reservation")
            return await self._backend.check(ask)
        if reservation is None:
            return await self._backend.place(ask, intent_id=intent_id, is_reserved=False, valid_until_s=None)
        claimed = reservation.intent_id
        if claimed is None or (isinstance(reservation, Verdict) and not reservation.is_reserved):
            raise ReservationStateError(
                "nothing is claimed by this yet: enter 'async with broker.reserve(…)', or verify with reserve=True",
                intent_id=claimed or "",
                state="unclaimed",
            )
        if intent_id is not None and intent_id != claimed:
            raise OrderInputError(
                f"the reservation's intent is {claimed!a}: leave intent_id out, or pass that one", field="intent_id"
            )
        return await self._backend.place(ask, intent_id=claimed, is_reserved=True, valid_until_s=None)

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Money | None = None,
        intent_id: str | None = None,
        bot: str | None = None,
    ) -> Closing:
        """
        Sell at the market what is spendable of an instrument's base: an exit. Suspends.

        Never stopped by a buffer or a stale figure; denied where the quantity was never confirmed. What our open orders
        hold is not part of it: cancel them first to sell that too. Margin positions are closed at the venue: holdfast
        places spot orders only.

        Args:
            symbol: Canonical, such as ``BTC-USD``.
            quantity: Base units; all that is spendable when None, rounded down to the instrument's step.
            intent_id: The caller's own key.
            bot: Who asks.

        Returns:
            What it came to. ``order`` is the order, or None where nothing was sent: ``code`` is then ``nothing`` (none
            is owned), ``dust`` (less than the instrument's minimums) or ``kept`` (held, reserved or kept by a floor).
            ``left`` and ``explanation`` say what stays, and why, in every case.

        Raises:
            DeniedError: We refused and nothing was sent: halted, never confirmed, more than there is.
            VenueError: As ``place_market_order``.
        """
        self._guard.check()
        _check_id(intent_id)
        ask = parse_ask(symbol, Side.SELL, quantity=1 if quantity is None else quantity, bot=bot)
        amount = None if quantity is None else ask.quantity
        return await self._backend.close_position(
            ask.symbol, quantity=amount, intent_id=intent_id, bot=ask.bot, valid_until_s=None
        )

    # Orders: afterwards

    async def cancel_order(self, order: Order | str) -> Order:
        """
        Cancel an order, in any trading state. Suspends until the venue has answered; its own channel tells the end.

        Args:
            order: An ``Order``, an intent id, our client order id or the venue's order id.

        Raises:
            UnknownNameError: No such order is known.
            VenueError: The venue did not take it.
        """
        self._guard.check()
        name = (order.intent_id or order.order_id) if isinstance(order, Order) else order
        if not isinstance(name, str) or not name:
            raise OrderInputError("cancel an Order, or name one by its id: this has none", field="order")
        return await self._backend.cancel(name)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Cancel every open order of the account, or of one instrument; those of others too. Suspends."""
        self._guard.check()
        return await self._backend.cancel_all(symbol)

    def open_orders(self) -> list[Order]:
        """Every order that is, or may be, at the venue: ours, and others of the account. Never suspends."""
        self._guard.check()
        return self._backend.open_orders()

    async def order(self, intent_id: str) -> Order:
        """
        The order of an intent, live or ended within 30 days. Suspends.

        Raises:
            UnknownReservationError: None of that id is remembered.
            ReservationStateError: No order was placed on it.
        """
        self._guard.check()
        return await self._backend.order(intent_id)

    async def orders(self, *, limit: int = 100) -> list[Order]:
        """Remembered orders of ours, the latest change first, at most *limit*. Suspends."""
        self._guard.check()
        return await self._backend.orders(limit=limit)

    async def resolution(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """
        Wait until an order's outcome is known: found at the venue, or proven absent. Suspends.

        Raises:
            OutcomeUnknownError: It is not within *timeout_s* seconds; its money stays reserved.
        """
        self._guard.check()
        return await self._backend.resolution(intent_id, timeout_s=timeout_s)

    async def ended(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """
        Wait until nothing more can happen to an order: filled, cancelled, rejected, or never there. Suspends.

        Raises:
            NotReadyError: It is not over after *timeout_s* seconds.
        """
        self._guard.check()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    order = await self._backend.order(intent_id)
                    if order.is_ended:
                        return order
                    await self._backend.changed(within_s=1.0)
        except TimeoutError:
            raise NotReadyError(f"the order {intent_id!a} is not over after {timeout_s} s", checks=("open",)) from None

    async def set_trading_state(
        self, state: TradingState | str, *, reason: str | None = None, accepts_restored: bool = False
    ) -> None:
        """
        Which orders are taken from now on: ``active``, ``reducing`` (exits only) or ``halted`` (cancels only). Durable.

        Args:
            state: From now on. ``active`` also lifts what an invariant has halted.
            reason: A person's own words, for the status.
            accepts_restored: Lift the halt of a restored, older store too.

        Raises:
            OrderInputError: There is no such state.
            HaltedError: It is to be active, and the store is behind what was already done.
            StoreError: It could not be kept.
        """
        self._guard.check()
        try:
            wanted = TradingState(state)
        except ValueError:
            known = ", ".join(each.value for each in TradingState)
            raise OrderInputError(f"no trading state {state!a}: one of {known}", field="state") from None
        await self._backend.set_trading_state(wanted, reason=reason, accepts_restored=accepts_restored)

    # Nonces

    async def examine_nonces(self) -> NonceReport:
        """
        Find out how the credential's nonces are, by inference; see ``holdfast nonce doctor``. Suspends.

        One signed read proves a key healthy against which nothing speaks; while its nonces are refused, none is sent.

        Raises:
            DeniedError: The broker was opened without files for its lane (tests), or the lane is held by somebody else.
            StoreError: The lane's file cannot be read.
        """
        self._guard.check()
        return await self._backend.examine_nonces()

    async def retry_nonces(self) -> NonceReport:
        """
        Open a credential that was parked for its nonces or as a bad key, and try one signed read. Suspends.

        A person's decision: for ``bad_key``, once the secret was corrected; never through a lockout.

        Raises:
            DeniedError: It is parked for something else; or as ``examine_nonces``.
            StoreError: The lane's file cannot be read or written.
        """
        self._guard.check()
        return await self._backend.retry_nonces()

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None = None) -> NonceReport:
        """
        Let the credential count in a finer unit, for good, and try one signed read. There is no way back. Suspends.

        Args:
            has_consent: A person was told that it is one-way, and agreed.
            unit: ``us``, ``100ns``, ``10ns`` or ``ns``; the one that the diagnosis names when None.

        Raises:
            DeniedError: No consent, or a finer unit would not help; or as ``retry_nonces``.
            StoreError: The lane's file cannot be read or written.
        """
        self._guard.check()
        return await self._backend.ratchet_nonces(has_consent=has_consent, unit=unit)


def _is_barred_otherwise(status: BrokerStatus) -> bool:
    return any(reason.startswith(("credential_", "reads_failing", "venue_not_loaded")) for reason in status.reasons)


def _check_id(intent_id: str | None) -> None:
    """Refuse, as ``OrderInputError``, what can be no intent id."""
    if intent_id is not None:
        checked_intent_id(intent_id)


def _as_condition(condition: str | Callable[[BrokerStatus], bool]) -> Callable[[BrokerStatus], bool]:
    if callable(condition):
        return condition
    if condition not in _STREAM_STATES:
        raise ValueError(f"no stream state {condition!r}: one of {', '.join(_STREAM_STATES)}, or a function")
    if condition == "live":
        return _is_live
    return lambda status: status.stream.state == condition


def _is_live(status: BrokerStatus) -> bool:
    # Some figures are never pushed (staked rows): one that is live proves the anchor, none may be stale.
    is_shown = status.states["live"] > 0 or (status.assets == 0 and status.health is Health.HEALTHY)
    return status.stream.state == "live" and is_shown and status.states["stale"] == 0


_LONGEST_TTL_S = 86_400.0

_STREAM_STATES = ("connecting", "snapshot", "live", "degraded", "down")


def _shown(condition: str | Callable[[BrokerStatus], bool]) -> str:
    return condition if isinstance(condition, str) else "as wanted"
