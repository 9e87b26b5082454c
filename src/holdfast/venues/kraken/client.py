"""
Kraken's REST calls: one credential's reads, signed in the lane, asked again where that can help, judged by the table.

A private call holds the lane from nonce allocation to the reply, and every attempt has a body and a nonce of its own.
What may follow a failure is decided in ``errors.py``; what the answers mean, in ``parse.py``. Orders and cancels go the
same way, but once: what an answer proves of them is decided in ``orders.py``.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import OpenOrder, OrdersSnapshot, Snapshot, Source
from holdfast.core.candles import CandleRules
from holdfast.core.credentials import Credential
from holdfast.core.events import event
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.limits import DecayingCounter, own_counter
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.parking import PROBE_EVERY_S
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import (
    Clock,
    Emit,
    HttpReply,
    HttpRequest,
    HttpWire,
    Lane,
    Priority,
    Randomness,
    Turn,
    WireError,
)
from holdfast.core.venue import (
    ClosedOrder,
    CredentialInfo,
    FeeRates,
    Fill,
    LedgerRow,
    ServerTime,
    VenueStatus,
)
from holdfast.errors import (
    ClosedError,
    ConfigError,
    FaultClass,
    HoldfastError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownAssetError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.kraken import balances, errors, limits, orders, parse, positions
from holdfast.venues.kraken.errors import After
from holdfast.venues.kraken.settings import Settings
from holdfast.venues.kraken.sign import Signer
from holdfast.venues.kraken.symbols import Names

__all__ = ["KrakenClient"]

_SIMULATOR_HEADER: Final = "x-holdfast-simulator"
_USER_AGENT: Final = "holdfast"
_FORM: Final = "application/x-www-form-urlencoded"

_ATTEMPTS: Final = 3
_LAND_WITHIN_S: Final = 1.0
_LEAST_S: Final = 0.05  # With less time left nothing leaves.
_NO_TIME: Final = "no_time"
_PAUSE_S: Final = (0.25, 1.0)  # Before the second and the third attempt; each is stretched by up to half.

_PAGE: Final = 50
_PAGES: Final = 40
_PAGE_PATIENCE_S: Final = 30.0
_TICKERS_PER_CALL: Final = 20  # Longer addresses are answered with 520.
_RELIST_AFTER_S: Final = 60.0
_CANDLE_MINUTES: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_CANDLES: Final = CandleRules(intervals=tuple(60 * each for each in _CANDLE_MINUTES), kept=720)

T = TypeVar("T")


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: VenueError | PayloadError
    after: After
    reply: HttpReply | None = None


class _Flight:
    """
    One signed call: whether anything of it may have left.

    *before_send* of an order is called in the step in which the wire gets it, and is how a call may still be stopped.
    """

    def __init__(self, before_send: Callable[[], None] | None = None) -> None:
        self._before_send = before_send
        self.has_left = False
        self.was_handed_over = False

    def leave(self) -> None:
        """Raises what *before_send* raises."""
        if self._before_send is not None:
            self._before_send()
        self.was_handed_over = True


class _Deadline:
    """One read's time, counted from the moment it is first asked about: waiting for the lane is not part of it."""

    def __init__(self, clock: Clock, within_s: float) -> None:
        self._clock = clock
        self._within_s = within_s
        self._ends_s: float | None = None

    def left_s(self) -> float:
        now_s = self._clock.now_s()
        if self._ends_s is None:
            self._ends_s = now_s + self._within_s
        return self._ends_s - now_s


class KrakenClient:
    """
    One credential's calls at Kraken: ``VenueClient``, and the stream's tokens.

    Reads are asked at most three times within ``read_deadline_s``, on network and venue faults only; orders and cancels
    once. A nonce that is refused to a read is regenerated once, then the credential is parked until a person acts; a
    lockout parks it for ``lockout_s``; a refused key for five minutes. A missing right silences only the call that
    needs it, for five minutes.
    """

    venue: str = "kraken"
    balance_reads: tuple[str, ...] = ("BalanceEx", "Balance")
    candle_rules: CandleRules = _CANDLES

    def __init__(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        signer: Signer | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        settings: Settings,
    ) -> None:
        self._http = http
        self._lane = lane
        self._credential = credential
        self._signer = signer
        self._clock = clock
        self._emit = emit
        self._rest_url = rest_url.rstrip("/")
        self._account = account
        self._settings = settings
        self._random: Randomness = settings.random or random.Random()  # noqa: S311  # Jitter, not a secret.
        tier = limits.TIERS[settings.rate_tier]
        now_s = clock.now_s()
        make_counter = settings.counter or own_counter
        self._private_counter = make_counter(maximum=tier.maximum, decay_per_s=tier.decay_per_s, now_s=now_s)
        self._public_counter = DecayingCounter(
            maximum=limits.PUBLIC.maximum, decay_per_s=limits.PUBLIC.decay_per_s, now_s=now_s
        )
        self._names: Names | None = None
        self._instruments: dict[Symbol, Instrument] = {}
        self._listed_at_s = now_s
        self._has_tokenized = False
        self._is_proved = False
        self._is_closed = False
        self._flying: set[asyncio.Task[HttpReply | _Failure]] = set()
        self._on_credit: frozenset[AssetCode] = frozenset()
        self._locked: frozenset[AssetCode] = frozenset()
        self._missing: dict[str, tuple[float, PermissionMissingError]] = {}

    # Names

    @property
    def left_out(self) -> Mapping[str, str]:
        """Pairs that are no instrument of ours, by key, with the reason."""
        return {} if self._names is None else self._names.left_out

    async def load(self) -> None:
        """Read Kraken's listing of assets and pairs. Suspends for two or three public reads."""
        assets = await self._public("Assets")
        pairs = await self._public("AssetPairs")
        tokenized = await self._tokenized() if self._has_tokenized else None
        self._names = parse.names_of(assets.body, pairs.body, tokenized_body=tokenized)
        self._listed_at_s = assets.sent_s
        self._instruments = dict(self._names.instruments)

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """``AssetPairs`` of one pair: its rules and status now. Suspends."""
        known = self._instruments.get(symbol)
        if known is None:
            return
        try:
            reply = await self._public("AssetPairs", pair=known.venue_symbol)
        except VenueError as error:
            if error.outcome is not Outcome.REJECTED or isinstance(error, RateLimitedError):
                raise
            self._instruments[symbol] = msgspec.structs.replace(known, status=InstrumentStatus.OFFLINE)
            return
        self._instruments[symbol] = parse.instrument_of(reply.body, known)

    async def relist(self) -> bool:
        """
        Read the listing again because it lacks a name, tokenized assets included from now on. Suspends.

        Returns:
            False where the last listing is too young for another to be worth its calls.
        """
        if self._has_tokenized and self._clock.now_s() - self._listed_at_s < _RELIST_AFTER_S:
            return False
        self._has_tokenized = True
        await self.load()
        return True

    async def _tokenized(self) -> bytes | None:
        """Tokenized assets (xStocks) are listed apart, and not in every region."""
        try:
            return (await self._public("Assets", aclass="tokenized_asset")).body
        except VenueError as error:
            if error.outcome is Outcome.REJECTED and not isinstance(error, RateLimitedError):
                return None
            raise

    async def names(self) -> Names:
        """The listing as it was last read; suspends to read it where it never was."""
        if self._names is None:
            await self.load()
        assert self._names is not None
        return self._names

    async def _translated(self, translate: Callable[[Names], T]) -> T:
        """*translate* with the listing; where that lacks an asset, once more with a new one."""
        try:
            return translate(await self.names())
        except UnknownAssetError:
            if not await self.relist():
                raise
            return translate(await self.names())

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """What Kraken lists; empty before ``load``."""
        return {} if self._names is None else self._names.assets

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        """What Kraken lists; empty before ``load``."""
        return self._instruments

    @property
    def locked_assets(self) -> frozenset[AssetCode]:
        """Codes of locked rows that any balance read has shown: the stream cannot speak of them."""
        return self._locked

    @property
    def on_credit(self) -> frozenset[AssetCode]:
        """Assets whose rows carry a credit line: only these may be negative."""
        return self._on_credit

    # Public reads

    async def server_time(self) -> ServerTime:
        """Kraken's clock, to a whole second; also proves whether a simulator or Kraken answers."""
        reply = await self._public("Time")
        time_s = parse.venue_time_s(reply.body)
        wall_us = self._clock.wall_us()
        return ServerTime(
            venue_time_s=time_s, resolution_s=1.0, sent_s=reply.sent_s, received_s=reply.received_s, wall_us=wall_us
        )

    async def status(self) -> VenueStatus:
        """``SystemStatus``: what the engine accepts."""
        reply = await self._public("SystemStatus")
        mode, detail = parse.status(reply.body)
        return VenueStatus(mode=mode, as_of_s=reply.sent_s, detail=detail)

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        """Best prices, for as many calls of 20 instruments as it takes."""
        names = await self.names()
        keys = [names.rest_symbol(symbol) for symbol in symbols]
        found: dict[Symbol, Ticker] = {}
        for start in range(0, len(keys), _TICKERS_PER_CALL):
            reply = await self._public("Ticker", pair=",".join(keys[start : start + _TICKERS_PER_CALL]))
            found |= parse.tickers(reply.body, names, as_of_s=reply.sent_s)
        return found

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        """
        The newest 720 candles or those since *since_s* among them, oldest first: Kraken tells no older ones.

        Source: https://docs.kraken.com/api/docs/rest-api/get-ohlc-data (checked 2026-11-20)
        """
        del limit  # Kraken takes none.
        minutes, odd_s = divmod(interval_s, 60)
        if odd_s or minutes not in _CANDLE_MINUTES:
            offered = ", ".join(str(each * 60) for each in _CANDLE_MINUTES)
            raise ConfigError(f"kraken has no candles of {interval_s} s; it has {offered}")
        names = await self.names()
        fields = {"pair": names.rest_symbol(symbol), "interval": str(minutes)}
        if since_s is not None:
            # Kraken's own bound is exclusive: one interval earlier, so that the candle of that very second is there.
            fields["since"] = str(max(0, since_s - interval_s))
        return parse.candles((await self._public("OHLC", **fields)).body, names, symbol=symbol)

    # The account

    async def read_balances(self, read: str) -> Snapshot:
        """``BalanceEx`` (with holds) or ``Balance`` (totals only); complete."""
        if read not in self.balance_reads:
            raise ConfigError(f"kraken has no balance read {ascii(read)[:40]}; it has {', '.join(self.balance_reads)}")
        reply = await self._private(read, {}, priority=Priority.BALANCE)
        with_holds = read == "BalanceEx"

        def translate(names: Names) -> balances.Reading:
            if with_holds:
                return balances.balance_ex(reply.body, names, auto_earn_spendable=self._settings.auto_earn_spendable)
            return balances.balance(reply.body, names, on_credit=self._on_credit)

        reading = await self._translated(translate)
        self._locked |= reading.locked
        if with_holds:
            self._on_credit = reading.on_credit
        return Snapshot(
            read=read,
            source=Source.REST,
            as_of_s=reply.sent_s,
            holdings=reading.holdings,
            states_holds=with_holds,
        )

    async def credential_info(self) -> CredentialInfo:
        """``GetApiKeyInfo``: itself a nonced call."""
        reply = await self._private("GetApiKeyInfo", {}, priority=Priority.HISTORY)
        assert self._credential is not None
        return parse.api_key_info(reply.body, key=self._credential.key)

    async def websocket_token(self) -> str:
        """A token for one private stream connection; to be used at once, and a secret."""
        return parse.token((await self._private("GetWebSocketsToken", {}, priority=Priority.TOKEN)).body)

    async def open_orders(self) -> OrdersSnapshot:
        """``OpenOrders``: all of them."""
        reply = await self._private("OpenOrders", {}, priority=Priority.BALANCE)
        orders = parse.open_orders(reply.body, await self.names())
        return OrdersSnapshot(read="OpenOrders", source=Source.REST, as_of_s=reply.sent_s, orders=orders)

    async def positions(self) -> StatedPositions:
        """
        ``OpenPositions`` with what they are worth: every margin position, one for each opening trade.

        Source: https://docs.kraken.com/api/docs/rest-api/get-open-positions (checked 2026-11-20)
        """
        reply = await self._private("OpenPositions", {"docalcs": "true"}, priority=Priority.HISTORY)
        found = positions.open_positions(reply.body, await self.names())
        return StatedPositions(read="OpenPositions", positions=found, as_of_s=reply.sent_s)

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        """``QueryOrders``: those that Kraken knows, open or not; one call per 50 ids."""
        names = await self.names()
        found: dict[str, OpenOrder | ClosedOrder] = {}
        for start in range(0, len(order_ids), _PAGE):
            ids = ",".join(order_ids[start : start + _PAGE])
            reply = await self._private("QueryOrders", {"txid": ids}, priority=Priority.BALANCE)
            found |= parse.queried_orders(reply.body, names)
        return found

    async def closed_orders(
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        """
        Newest first: all since *since_s*, by the time they closed, or without it the newest fifty.

        As evidence that an order of ours was never there: ask by *client_order_id* and without a time. Of a time only
        the second is compared, by Kraken's clock, and an order that has no closing time could hide behind it.
        *placed_since_s* is not needed: Kraken looks by our id.

        Raises:
            PayloadError: Asked by our id, Kraken answers with orders of others: it did not look for ours.
        """
        fields = {"closetime": "close"}
        if client_order_id is not None:
            fields["cl_ord_id"] = client_order_id
        found = await self._pages("ClosedOrders", fields, parse.closed_orders, since_s=since_s)
        if client_order_id is None:
            return found
        ours = [order for order in found if order.client_order_id == client_order_id]
        if len(ours) < len(found) and since_s is None:
            raise PayloadError("ClosedOrders: answered with orders that were not asked for")
        return ours

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        """Newest first: all from *since_s* to *until_s*, or without *since_s* the newest fifty."""
        fields = {} if until_s is None else {"end": str(math.ceil(until_s))}
        return await self._pages("TradesHistory", fields, parse.fills, since_s=since_s)

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        """Newest first: all since *since_s*, or without it the newest fifty."""
        fields = {} if asset is None else {"asset": (await self.names()).rest_asset(asset)}
        return await self._pages("Ledgers", fields, parse.ledger_rows, since_s=since_s)

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        """``TradeVolume``: the account's own rates on these instruments."""
        names = await self.names()
        pairs = ",".join(names.rest_symbol(symbol) for symbol in symbols)
        reply = await self._private("TradeVolume", {"pair": pairs}, priority=Priority.HISTORY)
        return parse.fee_rates(reply.body, names)

    # Orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``AddOrder``, once: neither a lost answer nor a refused nonce makes it be sent again.

        Raises:
            VenueError: ``outcome`` says what may have happened.
            DeniedError, StoreError, ClosedError, ConfigError: Nothing was sent.
        """
        instrument = await self._traded(ticket.symbol, "AddOrder")
        fields = orders.add_fields(ticket, instrument)
        reply = await self._command(
            "AddOrder", fields, priority=Priority.ORDER, deadline_s=deadline_s, before_send=before_send
        )
        return orders.placed(reply.body, ticket, is_check=False, account=self._account, as_of_s=reply.received_s)

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """``AddOrder`` with ``validate``: how deep Kraken looks is not documented, least of all into funds."""
        instrument = await self._traded(ticket.symbol, "AddOrder")
        fields = orders.add_fields(ticket, instrument, is_check=True)
        reply = await self._command(
            "AddOrder", fields, priority=Priority.ORDER, deadline_s=deadline_s, renews_nonce=True
        )
        return orders.placed(reply.body, ticket, is_check=True, account=self._account, as_of_s=reply.received_s)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        ``CancelOrder``, by Kraken's id where it is known, else by ours; one that is under way already is no failure.

        Raises:
            UnknownOrderError: No such open order.
            VenueError, DeniedError, StoreError, ClosedError, ConfigError: As ``place_order``.
        """
        fields = orders.cancel_fields(order_id=order_id, client_order_id=client_order_id)
        try:
            reply = await self._command(
                "CancelOrder",
                fields,
                priority=Priority.CANCEL,
                deadline_s=deadline_s,
                before_send=before_send,
                renews_nonce=True,
            )
        except VenueError as error:
            if error.code != orders.CANCEL_PENDING or error.outcome is not Outcome.REJECTED:
                raise
            return CancelAck(count=1, is_pending=True, as_of_s=self._clock.now_s())
        return orders.cancelled(reply.body, account=self._account, as_of_s=reply.received_s)

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """``CancelAllOrdersAfter``: account-wide, of other bots too; once it has fired it is off."""
        reply = await self._command(
            "CancelAllOrdersAfter",
            {"timeout": str(orders.check_timeout(timeout_s))},
            priority=Priority.CANCEL,
            deadline_s=deadline_s,
            renews_nonce=True,
        )
        orders.switched(reply.body, timeout_s, account=self._account)

    async def _traded(self, symbol: Symbol, request: str) -> Instrument:
        """What is traded; raises ``UnknownNameError`` where Kraken does not list it."""
        try:
            names = await self.names()
        except (VenueError, PayloadError) as error:
            raise orders.unsent(
                f"the listing could not be read: {error}", request, self._account, cause=error
            ) from error
        names.rest_symbol(symbol)
        return names.instruments[symbol]

    async def close(self) -> None:
        """
        Refuse further calls, and give what is under way a moment to be answered. The wire belongs to whoever made it.

        A call that was aborted could reach Kraken behind a successor's nonce. Suspends for a second at most.
        """
        self._is_closed = True
        if self._flying:
            _, left = await asyncio.wait(self._flying, timeout=_LAND_WITHIN_S)
            for flying in left:
                flying.cancel()
            if left:
                await asyncio.wait(left)

    async def _pages(
        self,
        request: str,
        fields: Mapping[str, str],
        page_of: Callable[[bytes, Names], dict[str, T]],
        *,
        since_s: float | None,
    ) -> list[T]:
        """
        All pages or none, newest first, each row once.

        Rows that are added while we read shift the others towards later pages, where they are seen again: nothing is
        missed. A page that brings nothing new is a cursor that does not move.
        """
        found: dict[str, T] = {}
        for page in range(_PAGES):
            asked = dict(fields)
            if since_s is not None:
                asked["start"] = str(int(since_s) - 1)  # Whole seconds, and exclusive.
            if page:
                asked["ofs"] = str(page * _PAGE)
            # Giving up on a later page would have what was read so far read again: it waits longer for room.
            patience_s = _PAGE_PATIENCE_S if page else None
            reply = await self._private(request, asked, priority=Priority.HISTORY, patience_s=patience_s)
            rows = await self._translated(lambda names, body=reply.body: page_of(body, names))  # type: ignore[misc]
            before = len(found)
            for row_id, row in rows.items():
                found.setdefault(row_id, row)
            if since_s is None or len(rows) < _PAGE:
                return list(found.values())
            if len(found) == before:
                raise PayloadError(f"{request}: page {page + 1} repeats what was already read")
        raise PayloadError(f"{request}: more than {_PAGES} pages; ask for a shorter time")

    # Calls

    async def _public(self, request: str, /, **fields: str) -> HttpReply:
        query = f"?{urlencode(fields)}" if fields else ""
        url = f"{self._rest_url}/0/public/{request}{query}"
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)

        async def attempt() -> HttpReply | _Failure:
            until_s = self._clock.now_s() + self._settings.read_deadline_s
            await self._admit(self._public_counter, limits.DEFAULT_COST, request, headroom=0.0, until_s=until_s)
            self._public_counter.spend(limits.DEFAULT_COST, now_s=self._clock.now_s())
            asked = HttpRequest(method="GET", url=url, headers={"User-Agent": _USER_AGENT}, is_repeatable=True)
            return await self._send(asked, request, deadline, _Flight(), account=None)

        return await self._until_answered(attempt, deadline)

    async def _private(
        self, request: str, fields: Mapping[str, str], *, priority: Priority, patience_s: float | None = None
    ) -> HttpReply:
        self._check_signed(request)
        self._refuse_missing_right(request)
        if not self._is_proved:
            await self.server_time()
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)

        async def attempt() -> HttpReply | _Failure:
            return await self._in_turn(
                request, fields, _Flight(), deadline, priority=priority, renews_nonce=True, patience_s=patience_s
            )

        return await self._until_answered(attempt, deadline)

    async def _command(
        self,
        request: str,
        fields: Mapping[str, str],
        *,
        priority: Priority,
        deadline_s: float,
        before_send: Callable[[], None] | None = None,
        renews_nonce: bool = False,
    ) -> HttpReply:
        """One attempt at something that changes what the venue holds; every failure says what it proves."""
        self._check_signed(request)
        if priority is not Priority.CANCEL:
            self._refuse_missing_right(request)
        if not self._is_proved:
            try:
                await self.server_time()
            except (VenueError, PayloadError) as error:
                raise orders.unsent(f"the venue is not proved: {error}", request, self._account, cause=error) from error
        flight = _Flight(before_send)
        deadline = _Deadline(self._clock, deadline_s)
        try:
            answer = await self._in_turn(
                request, fields, flight, deadline, priority=priority, renews_nonce=renews_nonce
            )
        except HoldfastError as error:
            if flight.was_handed_over and not isinstance(error, VenueError):
                raise orders.unknown(f"{request}: {error}", request, self._account) from error
            raise
        if isinstance(answer, _Failure):
            raise orders.proven(answer.error, answer.reply, request=request, account=self._account)
        return answer

    async def _in_turn(
        self,
        request: str,
        fields: Mapping[str, str],
        flight: _Flight,
        deadline: _Deadline,
        *,
        priority: Priority,
        renews_nonce: bool,
        patience_s: float | None = None,
    ) -> HttpReply | _Failure:
        """
        One signed call in the lane: from the nonce to the reply, and once more with another nonce where that may be.

        In a task of its own: a caller that is cancelled leaves at once, while what it sent keeps the lane until the
        answer is there. Aborted, its bytes could still arrive, and behind the next nonce.
        """
        form = urlencode(fields)
        cost = limits.COSTS.get(request, limits.DEFAULT_COST)
        headroom = limits.HEADROOM[priority]
        is_counted = cost > 0 or priority is not Priority.CANCEL  # A cancel waits for no counter but the engine's.

        async def take_turn() -> HttpReply | _Failure:
            until_s = self._clock.now_s() + (patience_s or self._settings.read_deadline_s)
            while True:
                if is_counted:
                    await self._admit(self._private_counter, cost, request, headroom=headroom, until_s=until_s)
                async with self._lane.turn(priority=priority) as turn:
                    # While we waited for the lane others may have used the points we saw.
                    if is_counted and self._private_counter.wait_s(cost, now_s=self._clock.now_s(), headroom=headroom):
                        continue
                    nonce = await turn.take()
                    flight.has_left = True
                    answer = await self._send_signed(request, form, nonce, cost, deadline, flight)
                    if isinstance(answer, _Failure) and answer.after is After.NEW_NONCE:
                        self._emit(event("nonce.refused", broker=self._account, attempt=1))
                        if not renews_nonce:
                            return answer  # The next call finds out whether the key is lost.
                        flight.was_handed_over = False
                        nonce = await turn.take_beyond()
                        answer = await self._send_signed(request, form, nonce, cost, deadline, flight)
                    if isinstance(answer, _Failure):
                        await self._park(turn, answer)
                    return answer

        flying = asyncio.get_running_loop().create_task(take_turn(), name=f"kraken {request}")
        self._flying.add(flying)
        flying.add_done_callback(self._landed)
        try:
            return await asyncio.shield(flying)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if flying.cancelled() and task is not None and not task.cancelling():
                raise ClosedError(f"kraken: the client was closed while {request} was under way") from None
            if not flight.has_left:
                flying.cancel()
            raise

    def _check_signed(self, request: str) -> None:
        if self._signer is None or self._credential is None:
            raise ConfigError(f"kraken: {request} needs a credential, and {self._account} has none")

    def _landed(self, flying: asyncio.Task[HttpReply | _Failure]) -> None:
        self._flying.discard(flying)
        if not flying.cancelled():
            flying.exception()  # Seen: whoever asked for it may be gone.

    async def _park(self, turn: Turn, answer: _Failure) -> None:
        """Close the credential to everybody where the refusal says that going on makes it worse."""
        after = answer.after
        if after is After.NEW_NONCE:
            self._emit(event("nonce.refused", broker=self._account, attempt=2))
            cause, for_s = "invalid_nonce", None
        elif after is After.LOCKOUT:
            cause, for_s = "lockout", self._settings.lockout_s
        elif after is After.BAD_KEY:
            cause, for_s = errors.cause_of(answer.error), limits.PROBE_AFTER_S
        else:
            return
        cause = await turn.park(cause, for_s=for_s)
        told_s = PROBE_EVERY_S if for_s is None else for_s  # Until a person acts, but for one probe.
        self._emit(event("credential.parked", broker=self._account, cause=cause, for_s=told_s))

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[HttpReply | _Failure]], deadline: _Deadline
    ) -> HttpReply:
        before: _Failure | None = None
        for pause_s in (*_PAUSE_S, None):
            answer = await attempt()
            if not isinstance(answer, _Failure):
                return answer
            if before is not None and _is_out_of_time(answer):
                raise before.error  # What came of the attempt that did leave.
            before = answer
            if answer.after is not After.AGAIN or pause_s is None:
                raise answer.error
            pause_s *= 1 + self._random.random() / 2
            asked_s = getattr(answer.error, "retry_after_s", None) or 0.0
            if max(pause_s, asked_s) >= deadline.left_s():
                raise answer.error
            await asyncio.sleep(max(pause_s, asked_s))
        raise AssertionError("unreachable")

    async def _admit(
        self, counter: DecayingCounter, cost: float, request: str, *, headroom: float, until_s: float
    ) -> None:
        """Wait until *counter* has room, or refuse at once where that is later than *until_s*."""
        while (wait_s := counter.wait_s(cost, now_s=self._clock.now_s(), headroom=headroom)) > 0:
            if self._clock.now_s() + wait_s > until_s:
                raise RateLimitedError(
                    f"kraken: {request} was not sent; our rate limit has no room for {wait_s:.1f} s",
                    venue=self.venue,
                    request=request,
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    retry_after_s=wait_s,
                )
            await asyncio.sleep(wait_s)

    def _signed(self, request: str, form: str, nonce: str) -> HttpRequest:
        """
        The call as it goes on the wire, with the two-factor password where the key has one.

        In a step of its own, which cannot fail: a traceback that shows local variables never comes by here.
        """
        assert self._signer is not None
        assert self._credential is not None
        otp = self._credential.reveal_passphrase()
        fields = (f"nonce={nonce}", form, "" if otp is None else urlencode({"otp": otp}))
        body = "&".join(field for field in fields if field).encode()
        path = f"/0/private/{request}"
        return HttpRequest(
            method="POST",
            url=self._rest_url + path,
            headers={
                "API-Key": self._credential.key,
                "API-Sign": self._signer.sign(path.encode(), nonce=nonce.encode(), body=body),
                "Content-Type": _FORM,
                "User-Agent": _USER_AGENT,
            },
            body=body,
        )

    async def _send_signed(
        self, request: str, form: str, nonce: int, cost: float, deadline: _Deadline, flight: _Flight
    ) -> HttpReply | _Failure:
        asked = self._signed(request, form, str(nonce))
        self._private_counter.spend(cost, now_s=self._clock.now_s())
        answer = await self._send(asked, request, deadline, flight, account=self._account)
        if isinstance(answer, _Failure):
            now_s = self._clock.now_s()
            # A lockout's silence is the lane's to keep: it ends for everybody at once, or when a person ends it. The
            # engine's counter is another one than REST's.
            if (
                isinstance(answer.error, RateLimitedError)
                and answer.after is not After.LOCKOUT
                and not (answer.error.code or "").startswith("EOrder:")
            ):
                quiet_s = answer.error.retry_after_s
                self._private_counter.refused(
                    now_s=now_s, quiet_s=limits.QUIET_AFTER_REFUSAL_S if quiet_s is None else quiet_s
                )
            if isinstance(answer.error, PermissionMissingError):
                self._missing[request] = (now_s + limits.PROBE_AFTER_S, answer.error)
        else:
            self._missing.pop(request, None)
        return answer

    async def _send(
        self, asked: HttpRequest, request: str, deadline: _Deadline, flight: _Flight, *, account: str | None
    ) -> HttpReply | _Failure:
        if self._is_closed:
            raise ClosedError("kraken: the client was closed")
        left_s = deadline.left_s()
        if left_s < _LEAST_S:
            return self._out_of_time(request, account)
        flight.leave()
        try:
            reply = await self._http.request(asked, deadline_s=left_s)
        except WireError as fault:
            return self._of_wire(fault, request, account)
        self._check_simulator(reply, request, is_proof=False)
        texts = parse.errors_in(reply.body)
        wall_s = self._clock.wall_us() / 1e6
        asked_to_wait_s = errors.retry_after_s(reply.headers.get("retry-after"), wall_s=wall_s)
        failed = errors.failures(texts or ())
        if failed:
            if self._credential is not None:
                failed = [self._credential.redact(text) for text in failed]
            error, after = errors.error_of(
                failed, request=request, account=account, wall_s=wall_s, asked_to_wait_s=asked_to_wait_s
            )
            return _Failure(error=error, after=after, reply=reply)
        if not 200 <= reply.status < 300:
            error, after = errors.error_of_status(
                reply.status, request=request, account=account, asked_to_wait_s=asked_to_wait_s
            )
            if account is None and isinstance(error, RateLimitedError):
                self._public_counter.refused(
                    now_s=self._clock.now_s(), quiet_s=error.retry_after_s or limits.QUIET_AFTER_REFUSAL_S
                )
            return _Failure(error=error, after=after, reply=reply)
        if texts is None:
            kind = reply.headers.get("content-type", "no content type")
            told = (
                f"{request}: HTTP {reply.status} with {len(reply.body)} bytes of {ascii(kind)[:60]} that are no answer"
            )
            return _Failure(error=PayloadError(told), after=After.NOT_AGAIN)
        self._check_simulator(reply, request, is_proof=True)
        if account is not None and _is_cached(reply):
            return _Failure(
                error=PayloadError(f"{request}: the answer came out of a cache (Age header)"), after=After.NOT_AGAIN
            )
        for warning in errors.warnings(texts):
            self._emit(event("answer.warned", broker=self._account, read=request, warning=errors.shown(warning)))
        return reply

    def _out_of_time(self, request: str, account: str | None) -> _Failure:
        """Waiting has used the time up. What left now would fail by itself, and the venue has no part in that."""
        error = VenueError(
            f"kraken: {request} was not sent; nothing is left of its time",
            venue=self.venue,
            request=request,
            account=account,
            outcome=Outcome.NEVER_SENT,
            fault=FaultClass.REQUEST,
            code=_NO_TIME,
        )
        return _Failure(error=error, after=After.NOT_AGAIN)

    def _of_wire(self, error: WireError, request: str, account: str | None) -> _Failure:
        if error.kind in ("too_large", "encoding"):
            return _Failure(error=PayloadError(f"{request}: {error}"), after=After.NOT_AGAIN)
        # TLS that fails once fails again; everything else of the network may be better in a moment.
        after = After.NOT_AGAIN if error.kind == "tls" else After.AGAIN
        kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
        return _Failure(
            error=kind(
                f"kraken {request}: {error}", venue=self.venue, request=request, account=account, code=error.kind
            ),
            after=after,
        )

    def _check_simulator(self, reply: HttpReply, request: str, *, is_proof: bool) -> None:
        """
        Refuse to go on where a simulator answers in Kraken's place, or the other way round.

        A gateway's error page proves nothing about what stands behind it, so the header's absence counts only on a
        real answer; its presence counts always.
        """
        is_simulator = _SIMULATOR_HEADER in reply.headers
        if is_simulator and not self._settings.must_be_simulator:
            raise ConfigError(
                f'{self._rest_url} is a simulator, and {self._account} is not configured as environment = "simulated"'
            )
        if is_proof:
            if self._settings.must_be_simulator and not is_simulator:
                self._is_proved = False
                raise ConfigError(
                    f"{self._rest_url} answered {request} without the simulator's header; "
                    f'{self._account} is configured as environment = "simulated"'
                )
            self._is_proved = True

    def _refuse_missing_right(self, request: str) -> None:
        until_s, error = self._missing.get(request, (0.0, None))
        if error is not None:
            left_s = until_s - self._clock.now_s()
            if left_s > 0:
                raise PermissionMissingError(
                    f"kraken: {request} was not sent; the key lacks the right for it ({error.code})",
                    venue=self.venue,
                    request=request,
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    code=error.code,
                    retry_after_s=left_s,
                )


def _is_out_of_time(answer: _Failure) -> bool:
    return isinstance(answer.error, VenueError) and answer.error.code == _NO_TIME


def _is_cached(reply: HttpReply) -> bool:
    age = reply.headers.get("age", "").strip()
    return age.isascii() and age.isdigit() and age.strip("0") != ""
