"""
What stands behind a ``Broker``: the account itself in this process, or another process that owns it.

The two answer alike. Figures never suspend: the owner computes them, an attached process keeps what the owner pushed
and counts its age itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance
from holdfast.core.instruments import AssetInfo
from holdfast.core.orders import OrderAsk
from holdfast.core.seams import JournalRow
from holdfast.core.verdicts import TradingState, Verdict
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.views import (
    BrokerStatus,
    Explanation,
    Isolable,
    Order,
    RefreshReport,
    ReservationView,
    ResetReport,
    StreamStatus,
    Visit,
)

if TYPE_CHECKING:
    from holdfast.core.candles import CandleSeries
    from holdfast.core.positions import PositionList
    from holdfast.core.products import ProductList
    from holdfast.core.readiness import ReadinessReport
    from holdfast.core.repair import RepairReport
    from holdfast.core.symbols import SymbolName
    from holdfast.core.valuation import AccountBalanceDetailed
    from holdfast.runtime.closing import Closing
    from holdfast.runtime.nonce_doctor import NonceReport

__all__ = ["BrokerBackend"]


class BrokerBackend(Protocol):
    """
    One account's answers and acts. Money is exact; *valid_until_s* is our clock, shared by a host's processes.

    An act that is asked for with *valid_until_s* sends nothing to the venue after that moment.
    """

    name: str
    venue: str
    environment: str

    @property
    def listeners(self) -> Listeners: ...

    @property
    def account_id(self) -> str | None: ...

    # Figures: never suspend

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """Every asset the venue lists, by code; empty until it was asked."""
        ...

    def balance(self, asset: AssetCode) -> Balance: ...

    def balances(self) -> dict[AssetCode, Balance]: ...

    def status(self) -> BrokerStatus: ...

    @property
    def error_count(self) -> int: ...

    @property
    def has_figures(self) -> bool:
        """Whether a complete answer was believed since the start."""
        ...

    def open_orders(self) -> list[Order]: ...

    def reservations(self) -> list[ReservationView]: ...

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict: ...

    # Waiting and reading

    async def changed(self, *, within_s: float) -> None: ...

    async def probe(self, *, timeout_s: float) -> None:
        """Have the venue tell its time, unsigned: a sign of life."""
        ...

    async def refresh(self, *, timeout_s: float) -> RefreshReport: ...

    async def reset_circuit_breaker(self, *, timeout_s: float) -> ResetReport:
        """Close every breaker, durably, and read the account again."""
        ...

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        """Hold breakers open, durably, until they are reset."""
        ...

    async def restart_stream(self, *, timeout_s: float) -> StreamStatus:
        """Drop the stream, connect anew and take fresh snapshots; kept on record."""
        ...

    async def force_balance_refresh(self, *, timeout_s: float) -> RefreshReport:
        """A refresh that is kept on record."""
        ...

    async def emergency_repair(self, *, is_dry_run: bool, timeout_s: float) -> RepairReport:
        """Find out what is wrong, mend what may be mended, and look again; a dry run mends nothing."""
        ...

    async def verify_end_to_end(self, *, timeout_s: float) -> ReadinessReport:
        """Measure readiness: every check once; the report is kept."""
        ...

    async def readiness_reports(self, *, limit: int) -> list[ReadinessReport]:
        """Reports of earlier runs, newest first."""
        ...

    async def note_visit(self, *, act: Visit, outcome: str, facts: dict[str, str | None]) -> str | None:
        """Keep on record that somebody looked; None once it is kept, else why it is not."""
        ...

    async def explain(self, asset: AssetCode, *, limit: int) -> Explanation: ...

    async def history(
        self,
        *,
        asset: AssetCode | None,
        after_seq: int,
        since_wall_us: int | None,
        limit: int,
        newest_first: bool,
        kind: str | None = None,
    ) -> list[JournalRow]: ...

    async def backup(self, path: str) -> None: ...

    async def examine_nonces(self) -> NonceReport: ...

    async def retry_nonces(self) -> NonceReport: ...

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None) -> NonceReport: ...

    # The market, and what the account is worth in it

    async def symbol_name(self, text: str) -> SymbolName:
        """The instrument that *text* names, under all its names."""
        ...

    async def products(self, *, include_unsupported: bool) -> ProductList: ...

    async def candles(
        self, symbol: str, *, interval_s: int, limit: int | None, since_s: int | None
    ) -> CandleSeries: ...

    async def account_balance(self, quote: AssetCode) -> AccountBalanceDetailed: ...

    async def positions(self, quote: AssetCode) -> PositionList: ...

    # Orders

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        """Judge an order on the figures of now; with *reserve* claim the money in the same step."""
        ...

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        """Judge, claim (unless *is_reserved*: then *intent_id* has its claim), make durable, and send once."""
        ...

    async def check(self, ask: OrderAsk) -> Order:
        """Judge, and let the venue validate; nothing is placed."""
        ...

    async def release(self, intent_id: str, *, force: bool) -> ReservationView: ...

    async def cancel(self, name: str) -> Order:
        """Cancel by intent id, our client order id or the venue's order id."""
        ...

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]: ...

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Closing:
        """Sell what is there and can be sold, or say why not."""
        ...

    async def order(self, intent_id: str) -> Order: ...

    async def orders(self, *, limit: int) -> list[Order]: ...

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order: ...

    async def reservation(self, intent_id: str) -> ReservationView: ...

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None: ...

    def budgets(self) -> Mapping[str, Mapping[AssetCode, Decimal | None]]:
        """What each configured bot may still claim, by asset; None where its total is not known."""
        ...
