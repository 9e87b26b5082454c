"""
What is asked of OKX over REST: one credential's reads, orders and cancels.

How a call leaves and comes back is in ``calls.py``; what the answers mean, in ``parse.py``, ``balances.py`` and
``order_rows.py``; what an answer proves of an order, in ``orders.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Holding, OpenOrder, OrdersSnapshot, Snapshot, Source
from holdfast.core.candles import CandleRules
from holdfast.core.credentials import Credential
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import (
    Clock,
    Emit,
    HttpWire,
    Lane,
    Priority,
)
from holdfast.core.venue import (
    Capability,
    ClosedOrder,
    CredentialInfo,
    FeeRates,
    Fill,
    LedgerRow,
    ServerTime,
    VenueStatus,
)
from holdfast.errors import (
    ConfigError,
    DeniedError,
    FaultClass,
    HoldfastError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    UnknownOrderError,
    UnsupportedError,
    VenueError,
)
from holdfast.venues.okx import balances, errors, order_rows, orders, parse, positions, wire
from holdfast.venues.okx.calls import Calls
from holdfast.venues.okx.errors import After
from holdfast.venues.okx.facts import FACTS
from holdfast.venues.okx.settings import Settings
from holdfast.venues.okx.sign import Signer
from holdfast.venues.okx.symbols import Line, Names

__all__ = ["OkxClient"]

_PAGE: Final = 100
_PAGES: Final = 40
_PAGE_PATIENCE_S: Final = 30.0
_CCYS_PER_CALL: Final = 20
_TICKERS_ONE_BY_ONE: Final = 5
_CANDLES: Final = 300
_CANDLES_RECENT: Final = 1440
_CANDLES_OLD: Final = 100
_CANDLE_PAGES: Final = 20
_BARS: Final = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1H",
    7200: "2H",
    14400: "4H",
    21600: "6Hutc",
    43200: "12Hutc",
    86400: "1Dutc",
    604800: "1Wutc",
}

_RECENT_FILLS_S: Final = 3 * 86_400.0 - 3600.0
_RECENT_BILLS_S: Final = 7 * 86_400.0 - 3600.0
_LOOKED_BACK_S: Final = 86_400.0
_FUNDING_EVERY_S: Final = 60.0
_REMEMBERED: Final = 10_000

_OPEN_ORDERS: Final = "trade/orders-pending"
_BALANCE: Final = "account/balance"
_BALANCE_BY_NAME: Final = "account/balance?ccy"

T = TypeVar("T")


class OkxClient:
    """
    What one credential asks of OKX: ``VenueClient``, and what its stream needs of it.

    Attributes:
        calls: How it is asked.
    """

    venue: str = "okx"
    balance_reads: tuple[str, ...] = (_BALANCE, _BALANCE_BY_NAME)
    candle_rules: CandleRules = CandleRules(intervals=tuple(_BARS))

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
        self.calls = Calls(
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
        self._is_demo = settings.is_demo
        self._names: Names | None = None
        self._instruments: dict[Symbol, Instrument] = {}
        self._uid: str | None = None
        self._seen: set[AssetCode] = set()
        self._funding: dict[AssetCode, Decimal] = {}
        self._funding_s = float("-inf")
        # Orders, by OKX's id and by ours, to the instrument they trade: OKX wants both.
        self._traded: dict[str, str] = {}
        self._listed: frozenset[str] = frozenset()  # What the latest list of open orders had.

    # Names

    @property
    def left_out(self) -> Mapping[str, str]:
        """Lines that are no instrument of ours, by id, with the reason."""
        return {} if self._names is None else self._names.left_out

    async def load(self) -> None:
        """Read OKX's spot instruments. Suspends for one public read."""
        reply = await self.calls.public("public/instruments", instType="SPOT")
        self._names = parse.names_of(reply.body)
        self._instruments = dict(self._names.instruments)

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """``public/instruments`` of one: its rules, its status and its code on the stream. Suspends."""
        known = self._instruments.get(symbol)
        if known is None:
            return
        names = await self.names()
        try:
            reply = await self.calls.public("public/instruments", instType="SPOT", instId=known.venue_symbol)
        except VenueError as error:
            if error.code != "51001":
                raise
            found = None
        else:
            found = parse.instrument_of(reply.body, known)
        if found is None:
            self._instruments[symbol] = msgspec.structs.replace(known, status=InstrumentStatus.OFFLINE)
        else:
            self._instruments[symbol], names.lines[symbol] = found

    async def names(self) -> Names:
        """The listing as it was last read; suspends to read it where it never was."""
        if self._names is None:
            await self.load()
        assert self._names is not None
        return self._names

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """What OKX lists; empty before ``load``."""
        return {} if self._names is None else self._names.assets

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        """What OKX lists; empty before ``load``."""
        return self._instruments

    # Public reads

    async def server_time(self) -> ServerTime:
        """OKX's clock, to the millisecond; also proves whether a simulator or OKX answers."""
        return await self.calls.server_time()

    async def status(self) -> VenueStatus:
        """``system/status``: the maintenance under way, of the environment that is ours."""
        reply = await self.calls.public("system/status")
        mode, detail = parse.status(reply.body, env="2" if self._is_demo else "1")
        return VenueStatus(mode=mode, as_of_s=reply.sent_s, detail=detail)

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        """Best prices; one without both sides of a book is left out. Many are read in one call of all of them."""
        names = await self.names()
        ids = list(dict.fromkeys(names.line(symbol).inst_id for symbol in symbols))
        if len(ids) > _TICKERS_ONE_BY_ONE:
            reply = await self.calls.public("market/tickers", instType="SPOT")
            return parse.tickers(reply.body, names, symbols, as_of_s=reply.sent_s)
        found: dict[Symbol, Ticker] = {}
        for inst_id in ids:
            reply = await self.calls.public("market/ticker", instId=inst_id)
            found |= parse.tickers(reply.body, names, symbols, as_of_s=reply.sent_s)
        return found

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        """
        The newest 300 candles, or as many as were asked for, oldest first; days and longer begin at midnight UTC.

        The last 1440 come in pages of 300, older ones from the history in pages of 100.

        Sources: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks ·
        https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history (checked 2026-11-20)
        """
        bar = _BARS.get(interval_s)
        if bar is None:
            offered = ", ".join(map(str, _BARS))
            raise ConfigError(f"okx has no candles of {interval_s} s; it has {offered}")
        inst_id = (await self.names()).line(symbol).inst_id
        now_s = self.calls.now_us() / 1e6
        wanted = limit or _CANDLES
        first_s = since_s if since_s is not None else int(now_s) - wanted * interval_s
        # Pages go back from here: nothing younger was asked for where both ends are known.
        until_s = now_s if since_s is None or limit is None else min(now_s, since_s + (limit + 1) * interval_s)
        is_old = until_s <= now_s - _CANDLES_RECENT * interval_s
        found: list[Candle] = []
        for _ in range(_CANDLE_PAGES):
            before_s = found[0].start_s if found else int(until_s) + 1
            request, most = ("market/history-candles", _CANDLES_OLD) if is_old else ("market/candles", _CANDLES)
            fields = {"instId": inst_id, "bar": bar, "limit": str(most)}
            if found or until_s < now_s:
                fields["after"] = str(before_s * 1000)
            page = parse.candles((await self.calls.public(request, **fields)).body)
            found = [candle for candle in page if "after" not in fields or candle.start_s < before_s] + found
            if (found and found[0].start_s <= first_s) or (since_s is None and limit is None):
                break
            if len(page) < most:
                if is_old:
                    break
                is_old = True  # What was lately is all told: the rest is history.
        return [candle for candle in found if since_s is None or candle.start_s >= since_s]

    async def positions(self) -> StatedPositions:
        """
        ``account/positions``: all of them; an account in spot mode has none.

        Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions (checked 2026-11-20)
        """
        reply = await self.calls.private(positions.REQUEST, {}, priority=Priority.HISTORY)
        found, others = positions.positions(reply.body, await self.names())
        return StatedPositions(read=positions.REQUEST, positions=found, as_of_s=reply.sent_s, others=others)

    # The account

    async def read_balances(self, read: str) -> Snapshot:
        """
        ``account/balance``, complete, and what lies in the funding account beside it.

        ``account/balance?ccy`` asks for every currency that it does not list by name too, among those this client has
        seen (all that are listed, where it has seen none): OKX answers with zero for what was ever held.

        Raises:
            PayloadError: A currency was left out, and is there when it is asked for.
        """
        if read not in self.balance_reads:
            raise ConfigError(f"okx has no balance read {ascii(read)[:40]}; it has {', '.join(self.balance_reads)}")
        reply = await self.calls.private(_BALANCE, {}, priority=Priority.BALANCE)
        reading = balances.balance(reply.body)
        holdings = reading.holdings
        if read == _BALANCE_BY_NAME:
            names = await self.names()
            absent = sorted((self._seen or names.assets.keys()) - holdings.keys())
            for start in range(0, len(absent), _CCYS_PER_CALL):
                ccy = ",".join(absent[start : start + _CCYS_PER_CALL])
                asked = await self.calls.private(
                    _BALANCE, {"ccy": ccy}, priority=Priority.BALANCE, patience_s=_PAGE_PATIENCE_S
                )
                for code, holding in balances.balance(asked.body).holdings.items():
                    if holding.total:
                        raise PayloadError(
                            f"{_BALANCE}: {code} was left out, and {holding.total} of it are there when asked for"
                        )
        self._seen |= holdings.keys()
        await self._read_funding()
        return Snapshot(
            read=read,
            source=Source.REST,
            as_of_s=reply.sent_s,
            holdings=self.beside_funding(holdings, is_complete=True),
            states_holds=True,
            venue_time_s=reading.at_ms / 1000,
        )

    def beside_funding(self, holdings: dict[AssetCode, Holding], *, is_complete: bool) -> dict[AssetCode, Holding]:
        """*holdings*, with what lay in the funding account when it was last read."""
        return balances.with_funding(holdings, self._funding, is_complete=is_complete)

    async def _read_funding(self) -> None:
        """What lies in the other pot: shown beside the figures, so that a failure of it is none of theirs."""
        now_s = self._clock.now_s()
        if now_s - self._funding_s < _FUNDING_EVERY_S:
            return
        self._funding_s = now_s
        try:
            self._funding = balances.funding(
                (await self.calls.private("asset/balances", {}, priority=Priority.HISTORY)).body
            )
        except (VenueError, PayloadError, DeniedError):
            self._funding = {}

    async def credential_info(self) -> CredentialInfo:
        """``account/config``: the account, its mode, and what the key may do."""
        reply = await self.calls.private("account/config", {}, priority=Priority.HISTORY)
        info = parse.account_info(reply.body)
        self._uid = info.account_id
        return info

    async def uid(self) -> str:
        """The account's id, as the stream's frames carry it; suspends to read it once."""
        if self._uid is None:
            await self.credential_info()
        assert self._uid is not None
        return self._uid

    # Orders that are told

    async def open_orders(self) -> OrdersSnapshot:
        """``trade/orders-pending``: all of them, page after page."""
        names = await self.names()
        found: dict[str, OpenOrder] = {}
        as_of_s = None
        after: str | None = None
        for _ in range(_PAGES):
            fields = {"instType": "SPOT", "limit": str(_PAGE)}
            if after is not None:
                fields["after"] = after
            reply = await self.calls.private(
                _OPEN_ORDERS,
                fields,
                priority=Priority.BALANCE,
                patience_s=None if after is None else _PAGE_PATIENCE_S,
            )
            as_of_s = reply.sent_s if as_of_s is None else as_of_s
            rows = order_rows.orders_of(reply.body, _OPEN_ORDERS)
            self._learn_traded(rows)
            before = len(found)
            for row in rows:
                if not order_rows.has_ended(row):
                    found.setdefault(row.ord_id, order_rows.open_order(row, names, _OPEN_ORDERS))
            if len(rows) < _PAGE:
                self._listed = frozenset(found)
                return OrdersSnapshot(read=_OPEN_ORDERS, source=Source.REST, as_of_s=as_of_s, orders=found)
            if len(found) == before:
                raise PayloadError(f"{_OPEN_ORDERS}: a page repeats what was already read")
            after = rows[-1].ord_id
        raise PayloadError(f"{_OPEN_ORDERS}: more than {_PAGES * _PAGE} open orders, which OKX does not allow")

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        """
        ``trade/order``, one by one: those that OKX knows, open or not.

        OKX wants the instrument with the id; where it is not known the order is looked for in the lists of open and of
        completed orders, of the last seven days.
        """
        names = await self.names()
        found: dict[str, OpenOrder | ClosedOrder] = {}
        unplaced = []
        for order_id in dict.fromkeys(order_ids):
            inst_id = self._traded.get(order_id)
            if inst_id is None:
                unplaced.append(order_id)
                continue
            row = await self._order(inst_id, {"ordId": order_id})
            if row is not None:
                found[order_id] = self._stated(row, names)
        if unplaced:
            listed = (await self.open_orders()).orders
            found |= {order_id: listed[order_id] for order_id in unplaced if order_id in listed}
            wanted = {order_id for order_id in unplaced if order_id not in found}
            if wanted:
                rows = await self._history({}, until=wanted)
                found |= {row.ord_id: self._stated(row, names) for row in rows if row.ord_id in wanted}
        return found

    async def closed_orders(
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        """
        Newest first: all of the last seven days that ended since *since_s*, or without it the newest hundred.

        As evidence that an order of ours was never there: ask by *client_order_id*, and say since when it can have been
        placed; without that the last day is looked through. One whose instrument this client knows is asked for
        directly too. Orders that were cancelled unfilled are kept for two hours only. All that have the id are told
        of: a copy of the request may have made a second.

        An order that is open has not ended: nothing is found, where the latest list of open orders had it too.

        Raises:
            VenueError: It is open (UNKNOWN), and the latest list of open orders did not have it: such a list lags, and
                together with this one it would prove an order absent that is there.
        """
        names = await self.names()
        if client_order_id is None:
            pages = 1 if since_s is None else _PAGES
            rows = await self._history({}, pages=pages)
            found = [order_rows.closed_order(row, names, "trade/orders-history") for row in rows]
            return [each for each in found if since_s is None or (each.closed_at_s or since_s) >= since_s]
        inst_id = self._traded.get(client_order_id)
        found_rows: dict[str, wire.Order] = {}
        if inst_id is not None:
            row = await self._order(inst_id, {"clOrdId": client_order_id})
            if row is not None and row.cl_ord_id == client_order_id:
                if not order_rows.has_ended(row):
                    if row.ord_id in self._listed:
                        return []
                    raise OutcomeUnknownError(
                        f"okx: {client_order_id} is open as {row.ord_id}",
                        venue="okx",
                        request="trade/order",
                        account=self._account,
                        fault=FaultClass.REQUEST,
                    )
                # Of several orders of one id OKX tells the latest: the list tells of the others, if there are any.
                found_rows[row.ord_id] = row
        begin_s = self.calls.now_us() / 1e6 - _LOOKED_BACK_S if placed_since_s is None else placed_since_s
        fields = {"begin": str(int(begin_s * 1000) - 1)}
        for listed in await self._history(fields, pages=1 if found_rows else _PAGES):
            if listed.cl_ord_id == client_order_id:
                found_rows.setdefault(listed.ord_id, listed)
        return [order_rows.closed_order(row, names, "trade/orders-history") for row in found_rows.values()]

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        """Newest first: all from *since_s* to *until_s* (three months at most), or the newest hundred."""
        names = await self.names()
        is_old = since_s is not None and since_s < self.calls.now_us() / 1e6 - _RECENT_FILLS_S
        request = "trade/fills-history" if is_old else "trade/fills"
        fields = {"instType": "SPOT"}
        if since_s is not None:
            fields["begin"] = str(int(since_s * 1000))
        if until_s is not None:
            fields["end"] = str(math.ceil(until_s * 1000))

        def page_of(body: bytes) -> dict[str, Fill]:
            found, traded = order_rows.fills(body, names, request)
            for order_id, inst_id in traded.items():
                self._learn(order_id, inst_id)
            return found

        return await self._pages(request, fields, page_of, is_whole=since_s is not None)

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        """Newest first: all since *since_s* (three months at most), or without it the newest hundred."""
        is_old = since_s is not None and since_s < self.calls.now_us() / 1e6 - _RECENT_BILLS_S
        fields = {} if asset is None else {"ccy": (await self.names()).rest_asset(asset)}
        if since_s is not None:
            fields["begin"] = str(int(since_s * 1000))
        request = "account/bills-archive" if is_old else "account/bills"
        return await self._pages(request, fields, parse.ledger_rows, is_whole=since_s is not None)

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        """``account/trade-fee``, one call an instrument: only so are the account's own rates told."""
        names = await self.names()
        found: dict[Symbol, FeeRates] = {}
        for symbol in symbols:
            line = names.line(symbol)
            fields = {"instType": "SPOT", "instId": line.inst_id}
            reply = await self.calls.private("account/trade-fee", fields, priority=Priority.HISTORY)
            found[symbol] = parse.fee_rates(reply.body, symbol, line)
        return found

    async def _order(
        self, inst_id: str, by: Mapping[str, str], *, patience_s: float | None = None
    ) -> wire.Order | None:
        """``trade/order`` of one order; None where OKX does not know it."""
        try:
            reply = await self.calls.private(
                "trade/order",
                {"instId": inst_id, **by},
                priority=Priority.BALANCE,
                inst_id=inst_id,
                patience_s=patience_s,
            )
        except UnknownOrderError:
            return None
        rows = order_rows.orders_of(reply.body, "trade/order")
        if len(rows) > 1:
            raise PayloadError(f"trade/order: asked for one order, told of {len(rows)}")
        self._learn_traded(rows)
        return rows[0] if rows else None

    async def _history(
        self, fields: Mapping[str, str], *, pages: int = _PAGES, until: Iterable[str] = ()
    ) -> list[wire.Order]:
        """``trade/orders-history``, newest first; not further than the orders *until*, where any are named."""
        request = "trade/orders-history"
        found: dict[str, wire.Order] = {}
        wanted = set(until)
        asked = {"instType": "SPOT", "limit": str(_PAGE), **fields}
        for page in range(pages):
            reply = await self.calls.private(
                request, asked, priority=Priority.HISTORY, patience_s=_PAGE_PATIENCE_S if page else None
            )
            rows = order_rows.orders_of(reply.body, request)
            self._learn_traded(rows)
            before = len(found)
            for row in rows:
                found.setdefault(row.ord_id, row)
            if len(rows) < _PAGE or pages == 1 or (wanted and wanted <= found.keys()):
                return list(found.values())
            if len(found) == before:
                raise PayloadError(f"{request}: page {page + 1} repeats what was already read")
            asked["after"] = rows[-1].ord_id
        raise PayloadError(f"{request}: more than {pages} pages; ask for a shorter time")

    async def _pages(
        self, request: str, fields: Mapping[str, str], page_of: Callable[[bytes], dict[str, T]], *, is_whole: bool
    ) -> list[T]:
        """All pages or none, newest first, each row once; the first page alone where not *is_whole*."""
        found: dict[str, T] = {}
        asked = {"limit": str(_PAGE), **fields}
        for page in range(_PAGES):
            reply = await self.calls.private(
                request, asked, priority=Priority.HISTORY, patience_s=_PAGE_PATIENCE_S if page else None
            )
            rows = page_of(reply.body)
            before = len(found)
            for row_id, row in rows.items():
                found.setdefault(row_id, row)
            if not is_whole or len(rows) < _PAGE:
                return list(found.values())
            if len(found) == before:
                raise PayloadError(f"{request}: page {page + 1} repeats what was already read")
            asked["after"] = next(reversed(rows))
        raise PayloadError(f"{request}: more than {_PAGES} pages; ask for a shorter time")

    def _stated(self, row: wire.Order, names: Names) -> OpenOrder | ClosedOrder:
        if order_rows.has_ended(row):
            return order_rows.closed_order(row, names, "trade/order")
        return order_rows.open_order(row, names, "trade/order")

    def _learn_traded(self, rows: Iterable[wire.Order]) -> None:
        for row in rows:
            self._learn(row.ord_id, row.inst_id)
            if row.cl_ord_id:
                self._learn(row.cl_ord_id, row.inst_id)

    def _learn(self, name: str, inst_id: str) -> None:
        self._traded[name] = inst_id
        if len(self._traded) > _REMEMBERED:
            del self._traded[next(iter(self._traded))]

    def learn_order(self, name: str, inst_id: str) -> None:
        """An order, by an id of either side, and the instrument it trades."""
        self._learn(name, inst_id)

    def learn_orders(self, rows: Iterable[wire.Order]) -> None:
        """What the stream told of orders: which instruments they trade."""
        self._learn_traded(rows)

    def traded_line(self, *, order_id: str | None, client_order_id: str | None) -> Line | None:
        """The instrument that an order trades, where this client was told."""
        inst_id = self._traded.get(order_id or "") or self._traded.get(client_order_id or "")
        if inst_id is None or self._names is None:
            return None
        symbol = self._names.instrument(inst_id)
        return None if symbol is None else self._names.lines[symbol]

    # Orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``trade/order``, once: a lost answer never makes it be sent again.

        Where OKX says that an open order has this id, that order is looked up: it is ours.

        Raises:
            VenueError: ``outcome`` says what may have happened.
            DeniedError, ClosedError, ConfigError: Nothing was sent.
        """
        request = "trade/order"
        line = await self._line(ticket.symbol, request)
        fields = orders.place_fields(ticket, line, is_stream=False)
        self._learn(ticket.client_order_id, line.inst_id)
        try:
            reply = await self.calls.command(
                request,
                fields,
                priority=Priority.ORDER,
                deadline_s=deadline_s,
                before_send=before_send,
                inst_id=line.inst_id,
                expires=orders.expires_ms(ticket),
            )
        except VenueError as error:
            return await self.resolve_duplicate(error, ticket, line, via="rest")
        code, data = _whole(reply.body, request, self._account)
        return orders.placed(
            code, data, ticket, request=request, account=self._account, as_of_s=reply.received_s, via="rest"
        )

    async def resolve_duplicate(self, error: VenueError, ticket: OrderTicket, line: Line, *, via: str) -> OrderAck:
        """
        The order that has our id already, where *error* may say that there is one; raises *error* otherwise. Suspends.

        Raises:
            VenueError: *error*.
        """
        row = errors.find(error.code or "")
        if row is None or row.after is not After.FIND or error.outcome is not Outcome.UNKNOWN:
            raise error
        try:
            found = await self._order(line.inst_id, {"clOrdId": ticket.client_order_id})
        except HoldfastError:
            raise error from None
        if found is None or not orders.found_instead(found, ticket, line):
            raise error
        return OrderAck(
            order_id=found.ord_id,
            client_order_id=ticket.client_order_id,
            as_of_s=self._clock.now_s(),
            via=via,
            warnings=(row.code,),
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """
        Nothing: OKX has no dry run in spot mode.

        Raises:
            UnsupportedError: Always; nothing was sent.
        """
        raise UnsupportedError(f"okx: {FACTS.lacks[Capability.ORDER_CHECK]}", capability=Capability.ORDER_CHECK.value)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        ``trade/cancel-order``, by OKX's id where it is known, else by ours; one under way already is no failure.

        OKX wants the instrument too: where it is not known, the order is looked for among the open ones first.

        Raises:
            UnknownOrderError: No such open order.
            VenueError, DeniedError, ClosedError, ConfigError: As ``place_order``.
        """
        request = "trade/cancel-order"
        line = await self._open_line(order_id=order_id, client_order_id=client_order_id, request=request)
        named = {"order_id": order_id, "client_order_id": client_order_id}
        fields = orders.cancel_fields(line, **named, is_stream=False)
        try:
            reply = await self.calls.command(
                request,
                fields,
                priority=Priority.CANCEL,
                deadline_s=deadline_s,
                before_send=before_send,
                inst_id=line.inst_id,
            )
        except VenueError as error:
            if error.code != errors.ALREADY_CANCELLING or error.outcome is not Outcome.REJECTED:
                raise
            return CancelAck(count=1, is_pending=True, as_of_s=self._clock.now_s())
        code, data = _whole(reply.body, request, self._account)
        return orders.cancelled(code, data, **named, request=request, account=self._account, as_of_s=reply.received_s)

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """``trade/cancel-all-after``: account-wide, of other bots too; once it has fired it is off."""
        reply = await self.calls.command(
            "trade/cancel-all-after",
            {"timeOut": str(orders.check_timeout(timeout_s))},
            priority=Priority.CANCEL,
            deadline_s=deadline_s,
        )
        orders.switched(reply.body, timeout_s, account=self._account)

    async def _line(self, symbol: Symbol, request: str) -> Line:
        """What is traded; raises ``UnknownNameError`` where OKX does not list it."""
        try:
            names = await self.names()
        except (VenueError, PayloadError) as error:
            raise orders.unsent(
                f"the listing could not be read: {error}", request, self._account, cause=error
            ) from error
        return names.line(symbol)

    async def _open_line(self, *, order_id: str | None, client_order_id: str | None, request: str) -> Line:
        try:
            names = await self.names()
            line = self.traded_line(order_id=order_id, client_order_id=client_order_id)
            if line is None:
                await self.open_orders()
                line = self.traded_line(order_id=order_id, client_order_id=client_order_id)
        except (VenueError, PayloadError) as error:
            raise orders.unsent(
                f"its instrument could not be found: {error}", request, self._account, cause=error
            ) from error
        if line is None:
            raise UnknownOrderError(
                f"okx: no open order {ascii(order_id or client_order_id)[:60]}",
                venue="okx",
                request=request,
                account=self._account,
                outcome=Outcome.REJECTED,
                fault=FaultClass.REQUEST,
                code="51603",
            )
        assert names is not None
        return line

    async def close(self) -> None:
        """Refuse further calls. What is under way ends with the wire, which belongs to whoever made it."""
        self.calls.close()


def _whole(body: bytes, request: str, account: str) -> tuple[str, Any]:
    """Code and data of an answer, read strictly."""
    try:
        whole = parse.envelope(body, Any, request)
    except PayloadError as error:
        raise orders.unknown(str(error), request, account) from None
    return whole.code, whole.data
