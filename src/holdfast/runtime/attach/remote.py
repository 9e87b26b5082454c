"""
A broker that another process owns, behind the same protocol as one that is owned here.

Figures come from the mirror and never suspend; the rest is asked of the owner. An order's intent id is made here,
before anybody is asked, so that what became of it can be looked up whatever happens in between.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance
from holdfast.core.funds import judge_amount
from holdfast.core.instruments import AssetInfo
from holdfast.core.orders import OrderAsk
from holdfast.core.seams import JournalRow, Randomness
from holdfast.core.verdicts import TradingState, Verdict
from holdfast.runtime.attach.attachment import Attachment
from holdfast.runtime.attach.values import CallKind
from holdfast.runtime.intent_record import new_intent_id
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

__all__ = ["RemoteBroker"]

_HISTORY_PAGE: Final = 4000


class RemoteBroker:
    """A ``BrokerBackend`` over an ``Attachment``."""

    def __init__(self, attachment: Attachment, *, randomness: Randomness) -> None:
        self.attachment = attachment
        self.name = attachment.name
        self.venue = attachment.venue
        self.environment = attachment.environment
        self._mirror = attachment.mirror
        self._clock = attachment.clock
        self._ask = attachment.ask
        self._randomness = randomness

    # Figures

    @property
    def listeners(self) -> Listeners:
        return self.attachment.listeners

    @property
    def account_id(self) -> str | None:
        return self._mirror.account_id

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        return self._mirror.assets

    def balance(self, asset: AssetCode) -> Balance:
        return self._mirror.balance(asset, now_s=self._clock.now_s())

    def balances(self) -> dict[AssetCode, Balance]:
        return self._mirror.balances(now_s=self._clock.now_s())

    def status(self) -> BrokerStatus:
        return self._mirror.status(now_s=self._clock.now_s())

    @property
    def error_count(self) -> int:
        return self._mirror.error_count

    @property
    def has_figures(self) -> bool:
        return self._mirror.has_figures

    def open_orders(self) -> list[Order]:
        return self._mirror.open_orders()

    def reservations(self) -> list[ReservationView]:
        return self._mirror.reservations()

    def budgets(self) -> Mapping[str, Mapping[AssetCode, Decimal | None]]:
        return self._mirror.budgets()

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict:
        return judge_amount(asset, amount, self.balance(asset), self._clock.now_s())

    async def changed(self, *, within_s: float) -> None:
        await self.attachment.moved(within_s=within_s)

    # Calls

    async def probe(self, *, timeout_s: float) -> None:
        await self._ask("probe", {"timeout_s": timeout_s})

    async def refresh(self, *, timeout_s: float) -> RefreshReport:
        return await self._ask("refresh", {"timeout_s": timeout_s})  # type: ignore[no-any-return]

    async def reset_circuit_breaker(self, *, timeout_s: float) -> ResetReport:
        return await self._ask("reset_circuit_breaker", {"timeout_s": timeout_s})  # type: ignore[no-any-return]

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        await self._ask("isolate", {"what": what, "reason": reason})

    async def restart_stream(self, *, timeout_s: float) -> StreamStatus:
        return await self._ask("restart_stream", {"timeout_s": timeout_s})  # type: ignore[no-any-return]

    async def force_balance_refresh(self, *, timeout_s: float) -> RefreshReport:
        return await self._ask("force_balance_refresh", {"timeout_s": timeout_s})  # type: ignore[no-any-return]

    async def emergency_repair(self, *, is_dry_run: bool, timeout_s: float) -> RepairReport:
        arguments = {"is_dry_run": is_dry_run, "timeout_s": timeout_s}
        return await self._ask("emergency_repair", arguments)  # type: ignore[no-any-return]

    async def verify_end_to_end(self, *, timeout_s: float) -> ReadinessReport:
        return await self._ask("verify_end_to_end", {"timeout_s": timeout_s})  # type: ignore[no-any-return]

    async def readiness_reports(self, *, limit: int) -> list[ReadinessReport]:
        return await self._ask("readiness_reports", {"limit": limit})  # type: ignore[no-any-return]

    async def note_visit(self, *, act: Visit, outcome: str, facts: dict[str, str | None]) -> str | None:
        arguments = {"act": act, "outcome": outcome, "facts": facts}
        return await self._ask("note_visit", arguments)  # type: ignore[no-any-return]

    async def explain(self, asset: AssetCode, *, limit: int) -> Explanation:
        return await self._ask("explain", {"asset": asset, "limit": limit})  # type: ignore[no-any-return]

    async def history(
        self,
        *,
        asset: AssetCode | None,
        after_seq: int,
        since_wall_us: int | None,
        limit: int,
        newest_first: bool,
        kind: str | None = None,
    ) -> list[JournalRow]:
        rows: list[JournalRow] = []
        while True:
            # Rows forward come in pages; backward the owner says when it is too much at once.
            count = limit - len(rows) if newest_first else min(limit - len(rows), _HISTORY_PAGE)
            page: list[JournalRow] = await self._ask(
                "history",
                {
                    "asset": asset,
                    "after_seq": after_seq,
                    "since_wall_us": since_wall_us,
                    "limit": count,
                    "newest_first": newest_first,
                    "kind": kind,
                },
            )
            rows += page
            if newest_first or len(page) < count or len(rows) >= limit or page[-1].seq is None:
                return rows
            after_seq = page[-1].seq

    async def backup(self, path: str) -> None:
        # The owner has another working folder. Touches no disk.
        await self._ask("backup", {"path": os.path.abspath(path)})  # noqa: ASYNC240, PTH100

    async def examine_nonces(self) -> NonceReport:
        return await self._ask("examine_nonces", {})  # type: ignore[no-any-return]

    async def retry_nonces(self) -> NonceReport:
        return await self._ask("retry_nonces", {})  # type: ignore[no-any-return]

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None) -> NonceReport:
        arguments = {"has_consent": has_consent, "unit": unit}
        return await self._ask("ratchet_nonces", arguments)  # type: ignore[no-any-return]

    async def symbol_name(self, text: str) -> SymbolName:
        return await self._ask("symbol_name", {"text": text})  # type: ignore[no-any-return]

    async def products(self, *, include_unsupported: bool) -> ProductList:
        return await self._ask("products", {"include_unsupported": include_unsupported})  # type: ignore[no-any-return]

    async def candles(self, symbol: str, *, interval_s: int, limit: int | None, since_s: int | None) -> CandleSeries:
        arguments = {"symbol": symbol, "interval_s": interval_s, "limit": limit, "since_s": since_s}
        return await self._ask("candles", arguments)  # type: ignore[no-any-return]

    async def account_balance(self, quote: AssetCode) -> AccountBalanceDetailed:
        return await self._ask("account_balance", {"quote": quote})  # type: ignore[no-any-return]

    async def positions(self, quote: AssetCode) -> PositionList:
        return await self._ask("positions", {"quote": quote})  # type: ignore[no-any-return]

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        until_s = self._until_s(valid_until_s)
        intent_id = self._intent_id(intent_id) if reserve else intent_id
        arguments = {
            "ask": ask,
            "intent_id": intent_id,
            "reserve": reserve,
            "ttl_s": ttl_s,
            "valid_until_s": until_s,
        }
        kind = CallKind.CLAIM if reserve else CallKind.READ
        return await self._ask("verify", arguments, kind=kind, until_s=until_s)  # type: ignore[no-any-return]

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        until_s = self._until_s(valid_until_s)
        intent_id = self._intent_id(intent_id)
        arguments = {"ask": ask, "intent_id": intent_id, "is_reserved": is_reserved, "valid_until_s": until_s}
        return await self._ask("place", arguments, until_s=until_s, intent_id=intent_id)  # type: ignore[no-any-return]

    async def check(self, ask: OrderAsk) -> Order:
        return await self._ask("check", {"ask": ask})  # type: ignore[no-any-return]

    async def release(self, intent_id: str, *, force: bool) -> ReservationView:
        return await self._ask("release", {"intent_id": intent_id, "force": force})  # type: ignore[no-any-return]

    async def cancel(self, name: str) -> Order:
        return await self._ask("cancel", {"name": name})  # type: ignore[no-any-return]

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        return await self._ask("cancel_all", {"symbol": symbol})  # type: ignore[no-any-return]

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Closing:
        until_s = self._until_s(valid_until_s)
        intent_id = self._intent_id(intent_id)
        arguments = {
            "symbol": symbol,
            "quantity": quantity,
            "intent_id": intent_id,
            "bot": bot,
            "valid_until_s": until_s,
        }
        closing = self._ask("close_position", arguments, until_s=until_s, intent_id=intent_id)
        return await closing  # type: ignore[no-any-return]

    async def order(self, intent_id: str) -> Order:
        return await self._ask("order", {"intent_id": intent_id})  # type: ignore[no-any-return]

    async def orders(self, *, limit: int) -> list[Order]:
        return await self._ask("orders", {"limit": limit})  # type: ignore[no-any-return]

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order:
        arguments = {"intent_id": intent_id, "timeout_s": timeout_s}
        return await self._ask("resolution", arguments)  # type: ignore[no-any-return]

    async def reservation(self, intent_id: str) -> ReservationView:
        return await self._ask("reservation", {"intent_id": intent_id})  # type: ignore[no-any-return]

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None:
        await self._ask("set_trading_state", {"state": state, "reason": reason, "accepts_restored": accepts_restored})

    def _until_s(self, valid_until_s: float | None) -> float:
        return self._clock.now_s() + self.attachment.wait_s if valid_until_s is None else valid_until_s

    def _intent_id(self, intent_id: str | None) -> str:
        return new_intent_id(self._randomness) if intent_id is None else intent_id
