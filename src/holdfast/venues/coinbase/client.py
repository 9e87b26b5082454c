"""
Coinbase's reads and orders: what is asked for each of them, and what is made of the answers.

How a call gets there is in ``calls.py``; what the answers mean, in ``parse.py`` and ``balances.py``; what an answer
proves of an order, in ``orders.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn
from urllib.parse import quote

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import OpenOrder, OrdersSnapshot, Snapshot, Source
from holdfast.core.candles import CandleRules
from holdfast.core.credentials import Credential
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, Priority
from holdfast.core.venue import (
    Capability,
    ClosedOrder,
    CredentialInfo,
    FeeRates,
    Fill,
    LedgerRow,
    ServerTime,
    VenueMode,
    VenueStatus,
)
from holdfast.errors import (
    ConfigError,
    HoldfastError,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    UnknownOrderError,
    UnsupportedError,
    VenueError,
)
from holdfast.venues.coinbase import balances, errors, orders, parse, wire
from holdfast.venues.coinbase.calls import PAGE_PATIENCE_S, Call, Calls, Query
from holdfast.venues.coinbase.facts import FACTS
from holdfast.venues.coinbase.settings import Settings
from holdfast.venues.coinbase.sign import Signer
from holdfast.venues.coinbase.symbols import Names

__all__ = ["CoinbaseClient"]

_ACCOUNTS_PER_PAGE: Final = 250  # The most; without it the list is silently cut at 49.
_ROWS_PER_PAGE: Final = 100
_PAGES: Final = 40
_IDS_PER_CALL: Final = 50
_ACCOUNTS_ALONE: Final = 40
_RELIST_AFTER_S: Final = 60.0
_CANDLES: Final = 300
_CANDLE_PAGES: Final = 6
_GRANULARITIES: Final = {
    60: "ONE_MINUTE",
    300: "FIVE_MINUTE",
    900: "FIFTEEN_MINUTE",
    1800: "THIRTY_MINUTE",
    3600: "ONE_HOUR",
    7200: "TWO_HOUR",
    21600: "SIX_HOUR",
    86400: "ONE_DAY",
}

# An order's time of creation is Coinbase's; ours before it left may be off by so much.
_BEFORE_S: Final = 60.0
_LOOK_BACK_S: Final = 86_400.0

# Orders typed into Coinbase's own app are left out unless they are asked for, and they hold money all the same.
_SOURCES: Final = ("RETAIL_ADVANCED", "RETAIL_SIMPLE")


class CoinbaseClient:
    """
    One credential's calls at Coinbase: ``VenueClient``, and the stream's tokens.

    Reads are asked at most three times within ``read_deadline_s``, on network and venue faults only, and once more with
    a fresh token where one was refused; orders and cancels once. Refused tokens park the credential for five minutes
    only where three in a row over half a minute say so. A missing right silences only the call that needs it, for five
    minutes.
    """

    venue: str = "coinbase"
    balance_reads: tuple[str, ...] = ("accounts", "account")
    candle_rules: CandleRules = CandleRules(intervals=tuple(_GRANULARITIES))

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
        self._calls = Calls(
            http=http,
            lane=lane,
            credential=credential,
            signer=signer,
            clock=clock,
            emit=emit,
            rest_url=rest_url,
            account=account,
            settings=settings,
        )
        self._clock = clock
        self._account = account
        self._names: Names | None = None
        self._instruments: dict[Symbol, Instrument] = {}
        self._listed_at_s = clock.now_s()
        self._wallets: dict[str, balances.Wallet] = {}
        self._moneyed: dict[str, None] = {}  # Wallets that hold something, or did.
        self._portfolio: str | None = None
        self._open: frozenset[str] = frozenset()  # What the latest list of open orders had.
        self._asks_statuses_apart = False

    # Names

    @property
    def left_out(self) -> Mapping[str, str]:
        """Products that are no instrument of ours, by id, with the reason."""
        return {} if self._names is None else self._names.left_out

    async def load(self) -> None:
        """Read Coinbase's list of spot products, all of its pages. Suspends."""
        listed: dict[str, wire.Product] = {}
        listed_at_s = self._clock.now_s()
        for _ in range(_PAGES):
            query = [("product_type", "SPOT")] + ([("offset", str(len(listed)))] if listed else [])
            page, count = parse.products((await self._calls.public("market/products", query=query)).body)
            before = len(listed)
            listed.update((product.product_id, product) for product in page)
            if len(listed) >= count or len(listed) == before:
                break
        self._names = parse.names_of(list(listed.values()))
        self._listed_at_s = listed_at_s
        self._instruments = dict(self._names.instruments)

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """``market/products/{id}``: one instrument's rules and status now. Suspends."""
        known = self._instruments.get(symbol)
        if known is None:
            return
        product_id = known.venue_symbol
        try:
            reply = await self._calls.public(
                "market/products/{id}", path=f"market/products/{quote(product_id, safe='')}"
            )
        except VenueError as error:
            if not isinstance(error, UnknownOrderError) and error.code != "INVALID_ARGUMENT":
                raise  # A 404 is "no such thing", whatever was asked for.
            self._instruments[symbol] = msgspec.structs.replace(known, status=InstrumentStatus.OFFLINE)
            return
        product = parse.answer(reply.body, wire.Product, "product")
        if product.product_id != product_id:
            raise PayloadError(f"product: asked for {product_id}, told of {ascii(product.product_id)[:40]}")
        self._instruments[symbol] = parse.instrument_of(product)

    async def relist(self) -> bool:
        """
        Read the list again because it lacks a name. Suspends.

        Returns:
            False where the last one is too young for another to be worth its calls.
        """
        if self._clock.now_s() - self._listed_at_s < _RELIST_AFTER_S:
            return False
        await self.load()
        return True

    async def names(self) -> Names:
        """The listing as it was last read; suspends to read it where it never was."""
        if self._names is None:
            await self.load()
        assert self._names is not None
        return self._names

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """What Coinbase's products name; empty before ``load``."""
        return {} if self._names is None else self._names.assets

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        """What Coinbase lists for spot; empty before ``load``."""
        return self._instruments

    # Public reads

    async def server_time(self) -> ServerTime:
        """Coinbase's clock; also proves whether a simulator or Coinbase answers."""
        return await self._calls.server_time()

    async def compare_clocks(self) -> None:
        """Ask Coinbase for its time and sign by it from now on. Suspends."""
        await self._calls.compare_clocks()

    async def stream_token(self) -> str:
        """A token for one frame of the stream; good for two minutes, and a secret. Suspends for the lane."""
        return await self._calls.stream_token()

    async def status(self) -> VenueStatus:
        """``time``: Coinbase has no word about itself, so it is online while that answers."""
        reply = await self._calls.public("time")
        parse.venue_time_s(reply.body)
        return VenueStatus(mode=VenueMode.ONLINE, as_of_s=reply.sent_s)

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        """Best prices, one call for each instrument; those without a book or a trade are left out."""
        names = await self.names()
        found: dict[Symbol, Ticker] = {}
        for symbol in symbols:
            path = f"market/products/{quote(names.product(symbol), safe='')}/ticker"
            reply = await self._calls.public("market/products/{id}/ticker", path=path, query=[("limit", "1")])
            told = parse.ticker(reply.body, symbol, as_of_s=reply.sent_s)
            if told is not None:
                found[symbol] = told
        return found

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        """
        The newest 300 candles or as many as were asked for, oldest first; empty buckets are left out.

        In pages of 300: 350 is what the page says, and some clients were refused more than 300.

        Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-public-product-candles
        (checked 2026-11-20)
        """
        if interval_s not in _GRANULARITIES:
            offered = ", ".join(map(str, _GRANULARITIES))
            raise ConfigError(f"coinbase has no candles of {interval_s} s; it has {offered}")
        names = await self.names()
        path = f"market/products/{quote(names.product(symbol), safe='')}/candles"
        now_s = int(self._calls.venue_time.now_us() / 1e6)
        wanted = limit or _CANDLES
        start_s = now_s // interval_s * interval_s - (wanted - 1) * interval_s if since_s is None else since_s
        found: list[Candle] = []
        for _ in range(1 if limit is None else _CANDLE_PAGES):
            start_s = max(start_s, 0)
            end_s = min(start_s + _CANDLES * interval_s - 1, now_s)
            query = [
                ("start", str(start_s)),
                ("end", str(end_s)),
                ("granularity", _GRANULARITIES[interval_s]),
                ("limit", str(_CANDLES)),
            ]
            reply = await self._calls.public("market/products/{id}/candles", path=path, query=query)
            page = parse.candles(reply.body, interval_s=interval_s, now_s=now_s)
            last_s = found[-1].start_s if found else -1
            found += [candle for candle in page if candle.start_s > last_s]
            start_s = end_s + 1
            if start_s > now_s or (since_s is not None and len(found) >= wanted):
                break
        return found

    async def positions(self) -> StatedPositions:
        """
        Coinbase has none that holdfast reads.

        Raises:
            UnsupportedError: Always.
        """
        _refuse(Capability.POSITIONS)

    # The account

    async def read_balances(self, read: str) -> Snapshot:
        """
        ``accounts``: every account, all pages or none. ``account``: each by its own id, as the portfolio names them.

        Raises:
            PayloadError: An answer that cannot be believed, or a cursor that does not move.
        """
        if read not in self.balance_reads:
            raise ConfigError(
                f"coinbase has no balance read {ascii(read)[:40]}; it has {', '.join(self.balance_reads)}"
            )
        wallets, as_of_s = await (self._all_wallets() if read == "accounts" else self._wallets_alone())
        return Snapshot(
            read=read,
            source=Source.REST,
            as_of_s=as_of_s,
            holdings=balances.holdings_of(wallets),
            states_holds=True,
        )

    async def _all_wallets(self) -> tuple[list[balances.Wallet], float]:
        found: dict[str, balances.Wallet] = {}
        cursors: set[str] = set()
        as_of_s: float | None = None
        query = [("limit", str(_ACCOUNTS_PER_PAGE))]
        for _ in range(_PAGES):
            reply = await self._calls.private(Call(name="accounts", path="accounts", query=query), Priority.BALANCE)
            as_of_s = reply.sent_s if as_of_s is None else as_of_s
            page = balances.page(reply.body)
            # One that moved to a later page while we read is told there as it is now.
            found.update((wallet.uuid, wallet) for wallet in page.wallets)
            if page.cursor is None:
                break
            if page.cursor in cursors:
                raise PayloadError("accounts: the cursor does not move")
            cursors.add(page.cursor)
            query = [("limit", str(_ACCOUNTS_PER_PAGE)), ("cursor", page.cursor)]
        else:
            raise PayloadError(f"accounts: more than {_PAGES} pages")
        self._wallets = found
        self._remember(found.values())
        return list(found.values()), as_of_s

    def _remember(self, wallets: Iterable[balances.Wallet]) -> None:
        for wallet in wallets:
            if wallet.available or wallet.held:
                self._moneyed[wallet.uuid] = None

    async def _wallets_alone(self) -> tuple[list[balances.Wallet], float]:
        """
        What an account list said, from other calls: an account that is not there any more holds nothing.

        Asked are those that the portfolio names, which is a list of its own, and those that hold something or did:
        money that one list leaves out cannot hide behind it.
        """
        try:
            named = await self._named_by_portfolio()
        except VenueError as error:
            if not isinstance(error, PermissionMissingError | UnknownOrderError):
                raise
            named = list(self._wallets)[:_ACCOUNTS_ALONE]
            if not named:
                raise PayloadError(f"account: no account is known to ask for: {error}") from error
        as_of_s = self._clock.now_s()
        found: list[balances.Wallet] = []
        for uuid in dict.fromkeys([*self._moneyed, *named]):
            call = Call(name="accounts/{uuid}", path=f"accounts/{quote(uuid, safe='')}")
            try:
                reply = await self._calls.private(call, Priority.BALANCE, patience_s=PAGE_PATIENCE_S)
            except UnknownOrderError:  # HTTP 404.
                continue
            found.append(balances.lone_wallet(reply.body, uuid))
        self._remember(found)
        return found, as_of_s

    async def _named_by_portfolio(self) -> list[str]:
        if self._portfolio is None:
            await self.credential_info()
        assert self._portfolio is not None
        call = Call(name="portfolios/{uuid}", path=f"portfolios/{quote(self._portfolio, safe='')}")
        return parse.accounts_of_portfolio((await self._calls.private(call, Priority.BALANCE)).body)

    async def credential_info(self) -> CredentialInfo:
        """``key_permissions``: the portfolio is the account."""
        reply = await self._calls.private(Call(name="key_permissions", path="key_permissions"), Priority.HISTORY)
        info = parse.credential_info(reply.body)
        self._portfolio = info.account_id
        return info

    async def open_orders(self) -> OrdersSnapshot:
        """``orders/historical/batch`` of every status that is not an end, those typed into Coinbase's app included."""
        names = await self.names()
        as_of_s = self._clock.now_s()
        found: dict[str, wire.Order] = {}
        for source in _SOURCES:
            found |= await self._resting(source)
        self._open = frozenset(found)
        return OrdersSnapshot(
            read="orders",
            source=Source.REST,
            as_of_s=as_of_s,
            orders={
                order_id: order
                for order_id, order in ((each, parse.order_of(row, names)) for each, row in found.items())
                if isinstance(order, OpenOrder)
            },
        )

    async def _resting(self, source: str) -> dict[str, wire.Order]:
        """
        Orders of one source that are not over.

        Whether several statuses may be asked for at once is unconfirmed: where that is refused they are asked for one
        by one, in the order in which most orders pass through them, so that none slips from behind to before us.
        """
        wanted = [("order_placement_source", source), ("product_type", "SPOT")]
        if not self._asks_statuses_apart:
            try:
                return await self._orders([*wanted, *(("order_status", each) for each in parse.RESTING)])
            except VenueError as error:
                if error.code != "INVALID_ARGUMENT":
                    raise
                self._asks_statuses_apart = True
        found: dict[str, wire.Order] = {}
        for status in parse.RESTING:
            found |= await self._orders([*wanted, ("order_status", status)])
        return found

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        """``orders/historical/batch`` of these ids: those that Coinbase knows, open or not; one call for 50."""
        names = await self.names()
        found: dict[str, OpenOrder | ClosedOrder] = {}
        for start in range(0, len(order_ids), _IDS_PER_CALL):
            asked = order_ids[start : start + _IDS_PER_CALL]
            rows = await self._orders([("order_ids", each) for each in asked], priority=Priority.BALANCE)
            found |= {order_id: parse.order_of(row, names) for order_id, row in rows.items() if order_id in asked}
        return found

    async def closed_orders(
        self, *, since_s: float | None = None, client_order_id: str | None = None, placed_since_s: float | None = None
    ) -> list[ClosedOrder]:
        """
        Newest first: all that were created since *since_s*, or without it the newest hundred.

        As evidence that an order of ours was never there: ask by *client_order_id*, with the earliest moment at which
        it can have been created, *placed_since_s*; without that a day is looked through. Coinbase cannot be asked by
        our id: every order of that time is read, whatever its status.

        Raises:
            PayloadError: The order that was asked for is there and not over, and the latest list of open orders lacked
                it: that list was asked too early to be evidence.
        """
        names = await self.names()
        if client_order_id is None:
            query: list[tuple[str, str]] = []
            if since_s is not None:
                query.append(("start_date", _rfc3339(since_s)))
            rows = await self._orders(query, priority=Priority.HISTORY, only_first=since_s is None)
            ended = (parse.order_of(row, names) for row in rows.values() if not parse.is_open(row))
            return [order for order in ended if isinstance(order, ClosedOrder)]
        row = await self._find(client_order_id, placed_since_s if placed_since_s is not None else since_s)
        if row is None:
            return []
        order = parse.order_of(row, names)
        if not isinstance(order, ClosedOrder):
            if order.order_id in self._open:
                return []
            raise PayloadError(f"orders: {ascii(order.order_id)[:40]} is not over: it is {errors.shown(row.status)}")
        return [order]

    async def _find(self, client_order_id: str, placed_since_s: float | None) -> wire.Order | None:
        """The order that has our id, out of all that were created since."""
        if placed_since_s is None:
            placed_since_s = self._calls.venue_time.now_us() / 1e6 - _LOOK_BACK_S
        rows = await self._orders(
            [("start_date", _rfc3339(placed_since_s - _BEFORE_S))], priority=Priority.HISTORY, until=client_order_id
        )
        return next((row for row in rows.values() if row.client_order_id == client_order_id), None)

    async def _orders(
        self,
        query: Query,
        *,
        priority: Priority = Priority.BALANCE,
        only_first: bool = False,
        until: str | None = None,
    ) -> dict[str, wire.Order]:
        """All pages or none; or up to the page that has the order with our id *until*; or the first."""
        found: dict[str, wire.Order] = {}
        cursors: set[str] = set()
        asked = [*query, ("limit", str(_ROWS_PER_PAGE))]
        for page in range(_PAGES):
            # Giving up on a later page would have what was read so far read again: it waits longer for room.
            call = Call(name="orders/historical/batch", path="orders/historical/batch", query=asked)
            reply = await self._calls.private(call, priority, patience_s=PAGE_PATIENCE_S if page else None)
            told = parse.orders(reply.body)
            found.update((row.order_id, row) for row in told.orders)
            if not told.has_next or only_first or any(until and row.client_order_id == until for row in told.orders):
                return found
            if not told.cursor or told.cursor in cursors:
                raise PayloadError("orders: there is a next page and no cursor to it")
            cursors.add(told.cursor)
            asked = [*query, ("limit", str(_ROWS_PER_PAGE)), ("cursor", told.cursor)]
        raise PayloadError(f"orders: more than {_PAGES} pages; ask for a shorter time")

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        """Newest first: all from *since_s* to *until_s*, or without *since_s* the newest hundred."""
        names = await self.names()
        query: list[tuple[str, str]] = []
        if since_s is not None:
            query.append(("start_sequence_timestamp", _rfc3339(since_s)))
        if until_s is not None:
            query.append(("end_sequence_timestamp", _rfc3339(until_s + 1)))  # Whether it is inclusive is not told.
        found: dict[str, Fill] = {}
        cursors: set[str] = set()
        asked = [*query, ("limit", str(_ROWS_PER_PAGE))]
        for page in range(_PAGES):
            call = Call(name="orders/historical/fills", path="orders/historical/fills", query=asked)
            reply = await self._calls.private(call, Priority.HISTORY, patience_s=PAGE_PATIENCE_S if page else None)
            rows, count, cursor = parse.fills(reply.body, names)
            for entry, fill in rows.items():
                found.setdefault(entry, fill)
            if not cursor or not count or since_s is None:
                return list(found.values())
            if cursor in cursors:
                raise PayloadError("fills: the cursor does not move")
            cursors.add(cursor)
            asked = [*query, ("limit", str(_ROWS_PER_PAGE)), ("cursor", cursor)]
        raise PayloadError(f"fills: more than {_PAGES} pages; ask for a shorter time")

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        """
        Coinbase has none.

        Raises:
            UnsupportedError: Always.
        """
        _refuse(Capability.LEDGER)

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        """``transaction_summary``: the account's own tier, the same on every instrument."""
        names = await self.names()
        for symbol in symbols:
            names.product(symbol)
        call = Call(name="transaction_summary", path="transaction_summary", query=[("product_type", "SPOT")])
        return parse.fee_rates((await self._calls.private(call, Priority.HISTORY)).body, list(symbols))

    # Orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``POST orders``, once. Its token ends where the ticket's validity does.

        Told that an order has our id already, it is looked up: it is the one that we meant, or its fate is unknown.

        Raises:
            VenueError: ``outcome`` says what may have happened.
            DeniedError, StoreError, ClosedError, ConfigError: Nothing was sent.
        """
        instrument = await self._traded(ticket.symbol, orders.CREATE)
        body = orders.create_body(ticket, instrument)
        began_s = self._calls.venue_time.now_us() / 1e6
        try:
            reply = await self._calls.command(
                Call(name=orders.CREATE, path="orders", method="POST", body=body),
                priority=Priority.ORDER,
                deadline_s=deadline_s,
                before_send=before_send,
                valid_until_us=ticket.valid_until_us,
            )
            return orders.placed(reply, ticket, instrument, account=self._account)
        except OutcomeUnknownError as error:
            if error.code != orders.DUPLICATE:
                raise
            return await self._already_placed(ticket, instrument, error, began_s=began_s, within_s=deadline_s)

    async def _already_placed(
        self,
        ticket: OrderTicket,
        instrument: Instrument,
        error: OutcomeUnknownError,
        *,
        began_s: float,
        within_s: float,
    ) -> OrderAck:
        try:
            async with asyncio.timeout(within_s):
                order = await self._find(ticket.client_order_id, began_s - _BEFORE_S)
        except (HoldfastError, TimeoutError):
            raise error from None
        if order is None or not orders.is_same(order, ticket, instrument):
            raise error
        return OrderAck(
            order_id=order.order_id,
            client_order_id=ticket.client_order_id,
            as_of_s=self._clock.now_s(),
            via="rest",
            warnings=(orders.DUPLICATE,),
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """``POST orders/preview``: the venue's own look at funds and rules; it reserves nothing."""
        instrument = await self._traded(ticket.symbol, orders.PREVIEW)
        body = orders.preview_body(ticket, instrument)
        call = Call(name=orders.PREVIEW, path="orders/preview", method="POST", body=body)
        reply = await self._calls.command(call, priority=Priority.ORDER, deadline_s=deadline_s)
        return orders.previewed(reply, ticket, account=self._account)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        ``POST orders/batch_cancel`` of one order. Coinbase takes its own id only: by ours it is looked up first.

        Raises:
            UnknownOrderError: No such open order.
            VenueError, DeniedError, StoreError, ClosedError, ConfigError: As ``place_order``.
        """
        if order_id is None:
            if client_order_id is None:
                raise ValueError("a cancel names an order: by the venue's id or by ours")
            order_id = await self._open_id(client_order_id)
        call = Call(name=orders.CANCEL, path="orders/batch_cancel", method="POST", body=orders.cancel_body(order_id))
        reply = await self._calls.command(
            call, priority=Priority.CANCEL, deadline_s=deadline_s, before_send=before_send
        )
        return orders.cancelled(reply, order_id, account=self._account)

    async def _open_id(self, client_order_id: str) -> str:
        try:
            resting = await self.open_orders()
        except (VenueError, PayloadError) as error:
            raise orders.unsent(
                f"the order's id could not be looked up: {error}", orders.CANCEL, self._account, cause=error
            ) from error
        for order in resting.orders.values():
            if order.client_order_id == client_order_id:
                return order.order_id
        raise UnknownOrderError(
            "coinbase: no open order has this id of ours",
            venue=self.venue,
            request=orders.CANCEL,
            account=self._account,
        )

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """
        Coinbase has no dead-man switch.

        Raises:
            UnsupportedError: Always.
        """
        _refuse(Capability.DEAD_MAN_SWITCH)

    async def _traded(self, symbol: Symbol, request: str) -> Instrument:
        """What is traded; raises ``UnknownNameError`` where Coinbase does not list it."""
        try:
            names = await self.names()
        except (VenueError, PayloadError) as error:
            raise orders.unsent(
                f"the listing could not be read: {error}", request, self._account, cause=error
            ) from error
        names.product(symbol)
        return names.instruments[symbol]

    async def close(self) -> None:
        """Refuse further calls. The wire belongs to whoever made it. Does not suspend."""
        self._calls.close()


def _refuse(capability: Capability) -> NoReturn:
    raise UnsupportedError(f"coinbase: {FACTS.lacks[capability]}", capability=capability.value)


def _rfc3339(unix_s: float) -> str:
    at = datetime.fromtimestamp(max(unix_s, 0.0), UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
