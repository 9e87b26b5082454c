"""
The reads of one credential, and its orders, each sent once. With ``stream.py`` the only file that touches the network.

Take ``lane.turn(priority=...)`` around every signed call; call *before_send* in the very step in which the bytes leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import OpenOrder, OrdersSnapshot, Snapshot
from holdfast.core.candles import CandleRules
from holdfast.core.instruments import AssetInfo, Candle, Instrument, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import Clock, HttpWire, Lane
from holdfast.core.venue import ClosedOrder, CredentialInfo, FeeRates, Fill, LedgerRow, ServerTime, VenueStatus
from holdfast.venues._template.questions import ask

__all__ = ["TemplateClient"]

_FILE = "client.py"


class TemplateClient:
    """See ``holdfast.core.venue.VenueClient``: what each method owes is written there."""

    venue = "template"
    balance_reads: tuple[str, ...] = ("balances", "balance")
    candle_rules: CandleRules = CandleRules(intervals=())  # Which intervals, and how many candles are kept?

    def __init__(self, *, http: HttpWire, lane: Lane, clock: Clock, rest_url: str, account: str) -> None:
        self._http = http
        self._lane = lane
        self._clock = clock
        self._rest_url = rest_url
        self._account = account

    async def load(self) -> None:
        ask(9, _FILE, "load: which calls list assets and instruments?")

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        ask(9, _FILE, "assets: keep what load has read")

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        ask(9, _FILE, "instruments: keep what load has read")

    @property
    def left_out(self) -> Mapping[str, str]:
        ask(9, _FILE, "left_out: lines of the listing that cannot be named or state no rules, each with the reason")

    async def refresh_instrument(self, symbol: Symbol) -> None:
        ask(9, _FILE, "refresh_instrument: which call reads one instrument's rules and status again?")

    async def server_time(self) -> ServerTime:
        ask(9, _FILE, "server_time: which unsigned call tells the venue's time, and how finely?")

    async def status(self) -> VenueStatus:
        ask(9, _FILE, "status: does the venue say what it accepts as a whole? Else lacks, and online while it answers")

    async def credential_info(self) -> CredentialInfo:
        ask(9, _FILE, "credential_info: which call names the account behind the key, and its permissions?")

    async def read_balances(self, read: str) -> Snapshot:
        ask(9, _FILE, "read_balances: two different complete reads, so that one can confirm the other")

    async def open_orders(self) -> OrdersSnapshot:
        ask(9, _FILE, "open_orders: all pages, or an error")

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        ask(9, _FILE, "open_orders_by_id: which call looks orders up by the venue's ids?")

    async def closed_orders(
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        ask(9, _FILE, "closed_orders: by our id, or by listing since it can have been placed")

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        ask(9, _FILE, "fills: all within a time, or an error")

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        ask(9, _FILE, "ledger_rows: does the venue keep a ledger that can be read? Else lacks, and UnsupportedError")

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        ask(9, _FILE, "fee_rates: the account's own rates, as fractions")

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        ask(9, _FILE, "tickers: best prices, unsigned")

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        ask(9, _FILE, "place_order: sent once, before_send in the step of the write")

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        ask(9, _FILE, "check_order: does the venue validate without placing? Else lacks, and UnsupportedError")

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        ask(9, _FILE, "cancel_order: by either id; UnknownOrderError where no such order is open")

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        ask(9, _FILE, "cancel_all_after: is there a dead-man switch? Else lacks, and UnsupportedError")

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        ask(9, _FILE, "candles: rising in time, the last one still forming, page after page as far as asked for")

    async def positions(self) -> StatedPositions:
        ask(9, _FILE, "positions: are there margin positions, and which call tells all? Else lacks, UnsupportedError")

    async def close(self) -> None:
        """Nothing of its own is open: the wire is the runtime's."""
