"""
An exchange's reads and orders through ccxt's unified calls.

What ccxt cannot promise is not made up: there is no stream, an order has no validity that the exchange enforces, and
one whose answer was lost and that no list knows stays in doubt until it is found or a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import OpenOrder, OrdersSnapshot, Side, Snapshot, Source
from holdfast.core.candles import CandleRules
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import Clock, Priority
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
from holdfast.errors import ConfigError, PayloadError, UnknownOrderError, UnsupportedError
from holdfast.venues.through_ccxt import parse
from holdfast.venues.through_ccxt.calls import Calls
from holdfast.venues.through_ccxt.facts import FACTS

__all__ = ["ThroughCcxtClient"]

_LIST_LIMIT: Final = 100
_MODES: Final = {
    "ok": VenueMode.ONLINE,
    "maintenance": VenueMode.MAINTENANCE,
    "shutdown": VenueMode.MAINTENANCE,
}


class ThroughCcxtClient:
    """
    One credential's calls at one exchange, made by ccxt: ``VenueClient``.

    Every call is made once. Reads are repeated by whoever asks; a refused key is parked for five minutes, and after a
    refusal for too many calls nothing is sent for a minute.
    """

    venue: str = "through_ccxt"
    balance_reads: tuple[str, ...] = ("fetchBalance", "fetchBalance anew")
    """ccxt has one; the second is the same over a connection of its own."""

    def __init__(self, calls: Calls, *, clock: Clock, account: str) -> None:
        self._calls = calls
        self._clock = clock
        self._account = account
        self._assets: dict[AssetCode, AssetInfo] = {}
        self._instruments: dict[Symbol, Instrument] = {}
        self._left_out: dict[str, str] = {}
        self._symbols: dict[str, Symbol] = {}
        self._order_symbols: dict[str, str] = {}  # Cancels want the market beside the id.

    # Names

    def _frames(self) -> dict[int, str]:
        frames = {_seconds_of(name): name for name in (self._calls.exchange.timeframes or {})}
        frames.pop(0, None)  # Months have no length in seconds.
        return frames

    @property
    def candle_rules(self) -> CandleRules:
        """The exchange's timeframes; how many candles it keeps, ccxt does not say."""
        return CandleRules(intervals=tuple(sorted(self._frames())))

    @property
    def left_out(self) -> Mapping[str, str]:
        """Spot markets that are no instrument of ours, by ccxt's symbol, with the reason."""
        return self._left_out

    async def load(self) -> None:
        """``loadMarkets``: spot markets only. Suspends."""
        markets = await self._calls.public("loadMarkets", lambda exchange: exchange.load_markets(reload=True))
        exchange = self._calls.exchange
        found: dict[Symbol, Instrument] = {}
        left_out: dict[str, str] = {}
        spot = {name: market for name, market in markets.items() if market.get("spot")}
        for market in spot.values():
            instrument = parse.instrument_of(market, precision_mode=exchange.precisionMode)
            if instrument is not None:
                found[instrument.symbol] = instrument
            else:
                left_out[str(market.get("symbol"))] = "it cannot be named, or ccxt states no steps for it"
        if not found:
            raise PayloadError(f"loadMarkets: {exchange.id} lists no spot market that can be used")
        self._assets = parse.assets_of(exchange.currencies or {}, spot)
        self._instruments = found
        self._left_out = left_out
        self._symbols = {instrument.venue_symbol: symbol for symbol, instrument in found.items()}

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """What the exchange lists; empty before ``load``."""
        return self._assets

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        """Spot markets; empty before ``load``."""
        return self._instruments

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """Every market is read again: ccxt has no call for one. Suspends."""
        known = self._instruments.get(symbol)
        await self.load()
        if known is not None and symbol not in self._instruments:
            self._instruments[symbol] = msgspec.structs.replace(known, status=InstrumentStatus.OFFLINE)

    # Public reads

    async def server_time(self) -> ServerTime:
        """``fetchTime``, in milliseconds. Raises ``UnsupportedError`` where the exchange has none."""
        self._calls.check_has("fetchTime", Capability.SERVER_TIME)
        sent_s = self._clock.now_s()
        told = await self._calls.public("fetchTime", lambda exchange: exchange.fetch_time())
        if not isinstance(told, int) or isinstance(told, bool):
            raise PayloadError("fetchTime: no milliseconds")
        received_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        return ServerTime(
            venue_time_s=told / 1000, resolution_s=0.001, sent_s=sent_s, received_s=received_s, wall_us=wall_us
        )

    async def status(self) -> VenueStatus:
        """``fetchStatus`` where the exchange has one; else it is online while it answers for its markets."""
        as_of_s = self._clock.now_s()
        has = self._calls.exchange.has
        if has.get("fetchStatus") and has["fetchStatus"] != "emulated":
            told = await self._calls.public("fetchStatus", lambda exchange: exchange.fetch_status())
            word = str(told.get("status"))
            return VenueStatus(mode=_MODES.get(word, VenueMode.UNKNOWN), as_of_s=as_of_s, detail=word)
        if not self._instruments:
            await self.load()
        return VenueStatus(mode=VenueMode.ONLINE, as_of_s=as_of_s, detail="no call says so: its markets answered")

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        """``fetchTicker``, one by one."""
        return {symbol: await self._ticker(symbol) for symbol in symbols}

    async def _ticker(self, symbol: Symbol) -> Ticker:
        name, as_of_s = self._market(symbol), self._clock.now_s()
        row = await self._calls.public("fetchTicker", lambda exchange: exchange.fetch_ticker(name))
        return parse.ticker_of(row, symbol, as_of_s=as_of_s)

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        """``fetchOHLCV``, rising: as many as the exchange gives at once; the last one is still forming."""
        self._calls.check_has("fetchOHLCV", Capability.CANDLES)
        frame = self._frames().get(interval_s)
        if frame is None:
            known = ", ".join(map(str, self.candle_rules.intervals))
            raise ConfigError(f"{self._calls.exchange.id} has no candles of {interval_s} s; it has {known}")
        name, since_ms = self._market(symbol), None if since_s is None else since_s * 1000
        rows = await self._calls.public(
            "fetchOHLCV", lambda exchange: exchange.fetch_ohlcv(name, frame, since_ms, limit or _LIST_LIMIT)
        )
        if not isinstance(rows, list):
            raise PayloadError("fetchOHLCV: no list")
        now_s = self._clock.wall_us() / 1e6
        found = [parse.candle_of(row, interval_s=interval_s, now_s=now_s) for row in rows]
        return sorted(found, key=lambda candle: candle.start_s)

    async def positions(self) -> StatedPositions:
        """Raises ``UnsupportedError``: see the facts."""
        _refuse(Capability.POSITIONS)

    # Signed reads

    async def credential_info(self) -> CredentialInfo:
        """
        ccxt has no such call: the key itself stands for its account, and what it may do is not known.

        A key is proven by a balance read: a refused one raises here as everywhere.
        """
        await self.read_balances(self.balance_reads[0])
        return CredentialInfo(
            account_id=f"{self._calls.exchange.id} key {self._calls.fingerprint}",
            permissions=(),
            can_withdraw=None,
            nonce_window=None,
            ip_allow_list=(),
            expires_at_s=None,
            notes=("ccxt cannot tell what this key may do: make sure that it cannot withdraw",),
        )

    async def read_balances(self, read: str) -> Snapshot:
        """``fetchBalance`` of the spot wallet: complete as ccxt promises, every currency with its total or an error."""
        if read not in self.balance_reads:
            raise ConfigError(f"through_ccxt has no balance read {ascii(read)[:40]}")
        if read != self.balance_reads[0]:
            await self._calls.renew()
        sent: list[float] = []

        async def ask(exchange: Any) -> Any:
            sent.append(self._clock.now_s())
            return await exchange.fetch_balance()

        answer = await self._calls.private("fetchBalance", ask, priority=Priority.BALANCE)
        holdings, states_holds = parse.holdings_of(answer)
        return Snapshot(read=read, source=Source.REST, as_of_s=sent[0], holdings=holdings, states_holds=states_holds)

    async def open_orders(self) -> OrdersSnapshot:
        """``fetchOpenOrders`` of every market."""
        as_of_s = self._clock.now_s()
        rows = await self._calls.private(
            "fetchOpenOrders", lambda exchange: exchange.fetch_open_orders(), priority=Priority.BALANCE
        )
        orders = [parse.open_order_of(row, self._symbols) for row in rows]
        self._remember(rows)
        return OrdersSnapshot(
            read="fetchOpenOrders", source=Source.REST, as_of_s=as_of_s, orders={each.order_id: each for each in orders}
        )

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        """``fetchOrder``, one by one; those that the exchange does not know are left out."""
        self._calls.check_has("fetchOrder", Capability.CLOSED_ORDERS)
        found: dict[str, OpenOrder | ClosedOrder] = {}
        for order_id in order_ids:
            try:
                row = await self._order(order_id)
            except UnknownOrderError:
                continue
            is_open = parse.is_open(row)
            found[order_id] = (parse.open_order_of if is_open else parse.closed_order_of)(row, self._symbols)
        return found

    async def _order(self, order_id: str) -> Mapping[str, Any]:
        market = self._order_symbols.get(order_id)
        row: Mapping[str, Any] = await self._calls.private(
            "fetchOrder", lambda exchange: exchange.fetch_order(order_id, market), priority=Priority.HISTORY
        )
        return row

    async def closed_orders(
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        """
        ``fetchClosedOrders``, newest first.

        Raises:
            UnsupportedError: The exchange has no such list: its doubts are for a person.
            PayloadError: The list may have been cut: it proves nothing of what is not in it.
        """
        self._calls.check_has("fetchClosedOrders", Capability.CLOSED_ORDERS)
        since = placed_since_s if since_s is None else since_s
        rows = await self._listed("fetchClosedOrders", "fetch_closed_orders", since)
        self._remember(rows)
        orders = [parse.closed_order_of(row, self._symbols) for row in rows if not parse.is_open(row)]
        if client_order_id is not None:
            orders = [each for each in orders if each.client_order_id == client_order_id]
            if not orders and len(rows) >= _LIST_LIMIT:
                raise PayloadError("fetchClosedOrders: the list may have been cut before the order that is looked for")
        return sorted(orders, key=lambda each: each.closed_at_s or 0.0, reverse=True)

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        """``fetchMyTrades``, newest first. Raises ``PayloadError`` where the list may have been cut."""
        self._calls.check_has("fetchMyTrades", Capability.FILLS)
        rows = await self._listed("fetchMyTrades", "fetch_my_trades", since_s)
        if since_s is not None and len(rows) >= _LIST_LIMIT:
            raise PayloadError("fetchMyTrades: the list may have been cut; ask for a shorter time")
        found = [parse.fill_of(row, self._symbols) for row in rows]
        kept = [fill for fill in found if until_s is None or fill.at_s <= until_s]
        return sorted(kept, key=lambda fill: fill.at_s, reverse=True)

    async def _listed(self, name: str, method: str, since_s: float | None) -> list[dict[str, Any]]:
        since_ms = None if since_s is None else int(since_s * 1000)

        def ask(exchange: Any) -> Any:
            return getattr(exchange, method)(None, since_ms, _LIST_LIMIT)

        rows: list[dict[str, Any]] = await self._calls.private(name, ask, priority=Priority.HISTORY)
        if not isinstance(rows, list):
            raise PayloadError(f"{name}: no list")
        return rows

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        """Raises ``UnsupportedError``: see the facts."""
        _refuse(Capability.LEDGER)

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        """``fetchTradingFee`` where the exchange has one, else what its market list says; none where neither does."""
        has_own = bool(self._calls.exchange.has.get("fetchTradingFee"))
        rates = [await self._own_fee(symbol) if has_own else self._listed_fee(symbol) for symbol in symbols]
        return {rate.symbol: rate for rate in rates if rate is not None}

    async def _own_fee(self, symbol: Symbol) -> FeeRates:
        name, where = self._market(symbol), f"fetchTradingFee {symbol}"
        row = await self._calls.private(
            "fetchTradingFee", lambda exchange: exchange.fetch_trading_fee(name), priority=Priority.HISTORY
        )
        return FeeRates(symbol=symbol, taker=parse.needed(row, "taker", where), maker=parse.needed(row, "maker", where))

    def _listed_fee(self, symbol: Symbol) -> FeeRates | None:
        self._market(symbol)
        instrument = self._instruments[symbol]
        if instrument.taker_fee is None or instrument.maker_fee is None:
            return None
        return FeeRates(symbol=symbol, taker=instrument.taker_fee, maker=instrument.maker_fee)

    # Orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``createOrder``, once, with our client order id.

        Raises:
            UnsupportedError: A market buy by its cost where the exchange takes none; nothing was sent.
            VenueError: ``outcome`` says what may have happened.
        """
        name = self._market(ticket.symbol)
        params: dict[str, Any] = {"clientOrderId": ticket.client_order_id}
        if ticket.order_type is OrderType.LIMIT:
            if ticket.is_post_only:
                params["postOnly"] = True
            elif ticket.time_in_force is not TimeInForce.GTC:
                params["timeInForce"] = ticket.time_in_force.value.upper()
        amount = ticket.quantity
        if amount is None:
            if ticket.side is not Side.BUY or not self._calls.exchange.has.get("createMarketBuyOrderWithCost"):
                raise UnsupportedError(
                    f"{self._calls.exchange.id} takes no market order by its cost in ccxt: give a quantity",
                    capability=Capability.ORDER_ENTRY.value,
                )
            cost = _plain(ticket.quote_quantity)
            row = await self._calls.command(
                "createMarketBuyOrderWithCost",
                lambda exchange: exchange.create_market_buy_order_with_cost(name, cost, params),
                priority=Priority.ORDER,
                deadline_s=deadline_s,
                before_send=before_send,
            )
        else:
            base, price = _plain(amount), _plain(ticket.limit_price)
            row = await self._calls.command(
                "createOrder",
                lambda exchange: exchange.create_order(
                    name, ticket.order_type.value, ticket.side.value, base, price, params
                ),
                priority=Priority.ORDER,
                deadline_s=deadline_s,
                before_send=before_send,
            )
        order_id = row.get("id") if isinstance(row, dict) else None
        if isinstance(order_id, str):
            self._order_symbols[order_id] = name
        return OrderAck(
            order_id=order_id if isinstance(order_id, str) else None,
            client_order_id=ticket.client_order_id,
            as_of_s=self._clock.now_s(),
            via="rest",
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """Raises ``UnsupportedError``: see the facts."""
        _refuse(Capability.ORDER_CHECK)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """``cancelOrder`` by the exchange's id; by ours it is looked up among open orders first."""
        if order_id is None or order_id not in self._order_symbols:
            found = await self.open_orders()
            mine = [
                each.order_id
                for each in found.orders.values()
                if each.order_id == order_id or (order_id is None and each.client_order_id == client_order_id)
            ]
            order_id = mine[0] if mine else order_id
        if order_id is None:
            raise UnknownOrderError(
                f"cancelOrder: no open order has the id {client_order_id}",
                venue=self.venue,
                request="cancelOrder",
                account=self._account,
                code="OrderNotFound",
            )
        market = self._order_symbols.get(order_id)
        await self._calls.command(
            "cancelOrder",
            lambda exchange: exchange.cancel_order(order_id, market),
            priority=Priority.CANCEL,
            deadline_s=deadline_s,
            before_send=before_send,
        )
        return CancelAck(count=1, is_pending=True, as_of_s=self._clock.now_s())

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """Raises ``UnsupportedError``: see the facts."""
        _refuse(Capability.DEAD_MAN_SWITCH)

    async def close(self) -> None:
        """Close ccxt's connections. Suspends."""
        await self._calls.close()

    def _market(self, symbol: Symbol) -> str:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise ConfigError(f"{self._calls.exchange.id} lists no spot market {ascii(symbol)[:40]}")
        return instrument.venue_symbol

    def _remember(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            if isinstance(row.get("id"), str) and isinstance(row.get("symbol"), str):
                self._order_symbols[row["id"]] = row["symbol"]


def _refuse(capability: Capability) -> NoReturn:
    reason = FACTS.lacks[capability]
    raise UnsupportedError(f"through_ccxt: {reason}", capability=capability.value)


def _plain(amount: Decimal | None) -> str | None:
    """An amount for ccxt, as text: ccxt's own precision functions take it, and no float is made of it."""
    return None if amount is None else f"{amount:f}"


def _seconds_of(frame: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    number, unit = frame[:-1], frame[-1:]
    return int(number) * units[unit] if number.isdigit() and unit in units else 0
