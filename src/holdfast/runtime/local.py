"""A broker's backend in the process that owns its account."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance
from holdfast.core.instruments import AssetInfo
from holdfast.core.orders import OrderAsk
from holdfast.core.seams import JournalRow, Store
from holdfast.core.verdicts import TradingState, Verdict
from holdfast.errors import NotReadyError, UnsupportedError
from holdfast.runtime.acts import done, progress, told_of_nonces, told_of_refresh, told_of_reset
from holdfast.runtime.audit import Told
from holdfast.runtime.entry import OrderEntry
from holdfast.runtime.explain import explanation_of
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.supervisor import Supervisor
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
    from holdfast.runtime.catalogue import Catalogue
    from holdfast.runtime.closing import Closing
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.worth import Worth

__all__ = ["LocalBroker"]

T = TypeVar("T")

_FACTS_MAX: Final = 20
_FACT_MAX: Final = 300
_WORD_MAX: Final = 40


class LocalBroker:
    """A supervisor and its order entry, as a ``BrokerBackend``."""

    def __init__(self, supervisor: Supervisor, entry: OrderEntry) -> None:
        self.supervisor = supervisor
        self.entry = entry
        self.name = supervisor.name
        self.venue = supervisor.venue
        self.environment = supervisor.environment
        # The listing is read after this: no age of it is told too young.
        self._opened_s = supervisor.account.clock.now_s()
        self._catalogue: Catalogue | None = None
        self._worth: Worth | None = None

    @property
    def listeners(self) -> Listeners:
        return self.supervisor.listeners

    @property
    def account_id(self) -> str | None:
        return self.supervisor.account_id

    # Figures

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        return self.entry.client.assets

    def balance(self, asset: AssetCode) -> Balance:
        return self.supervisor.balance(asset)

    def balances(self) -> dict[AssetCode, Balance]:
        return self.supervisor.balances()

    def status(self) -> BrokerStatus:
        return self.supervisor.status()

    @property
    def error_count(self) -> int:
        return self.supervisor.error_count

    @property
    def has_figures(self) -> bool:
        return self.supervisor.has_figures

    def open_orders(self) -> list[Order]:
        return self.entry.claims.open_orders()

    def reservations(self) -> list[ReservationView]:
        self.supervisor.look_at_clock()
        return self.entry.claims.reservations()

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict:
        self.supervisor.balance(asset)  # Refuses an asset that does not exist.
        return self.entry.judging.verify_balance(asset, amount)

    # Waiting and reading

    async def changed(self, *, within_s: float) -> None:
        await self.supervisor.changed(within_s=within_s)

    async def probe(self, *, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self.supervisor.measure_clock()
        except TimeoutError:
            raise NotReadyError(
                f"{self.name}: {self.venue} did not tell its time within {timeout_s:g} s", checks=("venue_silent",)
            ) from None

    async def refresh(self, *, timeout_s: float) -> RefreshReport:
        return await self.supervisor.refresh(timeout_s=timeout_s)

    # The market, and what the account is worth in it

    @property
    def catalogue(self) -> Catalogue:
        """Products, names and candles; made when first asked for."""
        if self._catalogue is None:
            from holdfast.runtime.catalogue import Catalogue

            account = self.supervisor.account
            self._catalogue = Catalogue(
                account, self.entry.client, self.entry.judging, self.entry.time, listed_s=self._opened_s
            )
        return self._catalogue

    @property
    def worth(self) -> Worth:
        """Values and positions; made when first asked for."""
        if self._worth is None:
            from holdfast.runtime.worth import Worth

            self._worth = Worth(self.supervisor, self.entry.client, self.entry.quotes, self.catalogue)
        return self._worth

    async def symbol_name(self, text: str) -> SymbolName:
        return await self.catalogue.symbol_name(text)

    async def products(self, *, include_unsupported: bool) -> ProductList:
        return await self.catalogue.products(include_unsupported=include_unsupported)

    async def candles(self, symbol: str, *, interval_s: int, limit: int | None, since_s: int | None) -> CandleSeries:
        return await self.catalogue.candles(symbol, interval_s=interval_s, limit=limit, since_s=since_s)

    async def account_balance(self, quote: AssetCode) -> AccountBalanceDetailed:
        return await self.worth.account_balance(quote)

    async def positions(self, quote: AssetCode) -> PositionList:
        return await self.worth.positions(quote)

    # What is kept on record

    async def reset_circuit_breaker(self, *, timeout_s: float) -> ResetReport:
        tell = progress(self.supervisor, "reset_circuit_breaker")
        resetting = self.supervisor.reset_circuit_breaker(timeout_s=timeout_s, tell=tell)
        report, record = await self._acting("reset_circuit_breaker", resetting, told_of_reset)
        return msgspec.structs.replace(report, record=record)

    async def restart_stream(self, *, timeout_s: float) -> StreamStatus:
        before = self.status().stream
        restarting = self._restart_stream(timeout_s)
        stream, _ = await self._acting(
            "restart_stream",
            restarting,
            lambda after: Told(outcome=after.state, before={"state": before.state}, after={"state": after.state}),
        )
        return stream

    async def _restart_stream(self, timeout_s: float) -> StreamStatus:
        supervisor = self.supervisor
        if supervisor.contact != "stream" or not supervisor.is_running or supervisor.account.life is None:
            raise UnsupportedError(f"{self.name} has no stream here to be restarted", capability="stream")
        account, connects = supervisor.account, self.status().stream.connects
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                account.abort_stream("restart")
                while account.is_open and self.status().stream.connects == connects:
                    await self.changed(within_s=0.1)
                supervisor.hurry()  # Once: the pauses after that are the venue's due.
                while True:
                    stream = self.status().stream
                    if stream.state == "live" and stream.connects > connects:
                        break
                    await self.changed(within_s=1.0)
        return self.status().stream

    async def force_balance_refresh(self, *, timeout_s: float) -> RefreshReport:
        before = self.balances()
        tell = progress(self.supervisor, "force_balance_refresh")
        refreshing = self.supervisor.refresh(timeout_s=timeout_s, tell=tell)
        report, record = await self._acting(
            "force_balance_refresh", refreshing, lambda report: told_of_refresh(report, before, self.balances())
        )
        return msgspec.structs.replace(report, record=record)

    async def emergency_repair(self, *, is_dry_run: bool, timeout_s: float) -> RepairReport:
        from holdfast.runtime.repair import Repair, told_of_repair  # Rules that nobody loads who needs no repair.

        repair = Repair(self.supervisor, is_dry_run=is_dry_run, timeout_s=timeout_s)
        facts = {"is_dry_run": is_dry_run}
        report, record = await self._acting("emergency_repair", repair.run(), told_of_repair, facts=facts)
        return msgspec.structs.replace(report, record=record)

    async def verify_end_to_end(self, *, timeout_s: float) -> ReadinessReport:
        # Rules that nobody loads who measures nothing.
        from holdfast.runtime.readiness.run import told_of_readiness
        from holdfast.runtime.readiness.running import measured

        running = measured(self, timeout_s=timeout_s)
        report, record = await self._acting("verify_end_to_end", running, told_of_readiness)
        return msgspec.structs.replace(report, record=record)

    async def readiness_reports(self, *, limit: int) -> list[ReadinessReport]:
        shelf = self.supervisor.surroundings().shelf
        return [] if shelf is None else shelf.newest(limit=limit)

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        isolating = self.supervisor.isolate(what, reason=reason)
        await self._acting("isolate", isolating, done, facts={"what": what, "reason": reason})

    async def note_visit(self, *, act: Visit, outcome: str, facts: dict[str, str | None]) -> str | None:
        # From another process, of whatever length it liked.
        kept = {name[:_WORD_MAX]: value and value[:_FACT_MAX] for name, value in list(facts.items())[:_FACTS_MAX]}
        return await self.supervisor.audit.keep(act, Told(outcome=outcome[:_FACT_MAX], facts=kept))

    async def _acting(
        self, act: str, work: Awaitable[T], tell: Callable[[T], Told], *, facts: Mapping[str, Any] | None = None
    ) -> tuple[T, str | None]:
        return await self.supervisor.audit.acting(act, work, tell, facts=facts)

    async def _journal(self) -> Store:
        """The store, once everything that was accepted until now is in it or was refused by it."""
        await self.supervisor.account.journal.written()
        return self.supervisor.store

    async def explain(self, asset: AssetCode, *, limit: int) -> Explanation:
        balance = self.supervisor.balance(asset)
        rows = await (await self._journal()).history(asset=asset, limit=limit, newest_first=True)
        return explanation_of(self.status(), balance, rows)

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
        return await (await self._journal()).history(
            asset=asset,
            after_seq=after_seq,
            since_wall_us=since_wall_us,
            limit=limit,
            newest_first=newest_first,
            kind=kind,
        )

    async def backup(self, path: str) -> None:
        await (await self._journal()).backup(path)

    async def examine_nonces(self) -> NonceReport:
        return await self.supervisor.nonces.examine()

    async def retry_nonces(self) -> NonceReport:
        self.supervisor.check_credential()
        report, _ = await self._acting("retry_nonces", self.supervisor.nonces.retry(), told_of_nonces)
        return self._tried(report)

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None) -> NonceReport:
        ratcheting = self.supervisor.nonces.ratchet(has_consent=has_consent, unit=unit)
        report, _ = await self._acting("ratchet_nonces", ratcheting, told_of_nonces, facts={"unit": unit})
        return self._tried(report)

    def _tried(self, report: NonceReport) -> NonceReport:
        if report.call == "accepted":
            self.supervisor.key_opened()
        return report

    # Orders

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        return await self.entry.judging.verify(
            ask, intent_id=intent_id, reserve=reserve, ttl_s=ttl_s, valid_until_s=valid_until_s
        )

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        return await self.entry.sending.place(
            ask, intent_id=intent_id, is_reserved=is_reserved, valid_until_s=valid_until_s
        )

    async def check(self, ask: OrderAsk) -> Order:
        return await self.entry.sending.check(ask)

    async def release(self, intent_id: str, *, force: bool) -> ReservationView:
        releasing = self.entry.release(intent_id, force=force)
        if not force:
            return await releasing  # What was never sent is a bot's to give back, and stands in the journal as it is.
        facts = {"intent_id": intent_id}
        return (
            await self._acting("force_release", releasing, lambda view: Told(outcome=view.state.value), facts=facts)
        )[0]

    async def cancel(self, name: str) -> Order:
        return await self.entry.cancelling.cancel(name)

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        return await self.entry.cancelling.cancel_all(symbol)

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Closing:
        return await self.entry.close_position(
            symbol, quantity=quantity, intent_id=intent_id, bot=bot, valid_until_s=valid_until_s
        )

    async def order(self, intent_id: str) -> Order:
        return await self.entry.claims.order(intent_id)

    async def orders(self, *, limit: int) -> list[Order]:
        return await self.entry.claims.orders(limit=limit)

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order:
        return await self.entry.resolution(intent_id, timeout_s=timeout_s)

    async def reservation(self, intent_id: str) -> ReservationView:
        return await self.entry.claims.reservation(intent_id)

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None:
        before = self.entry.trading.state
        facts = {"reason": reason, "accepts_restored": accepts_restored}
        setting = self.entry.set_trading_state(state, reason=reason, accepts_restored=accepts_restored)
        told = Told(outcome="done", before={"state": before.value}, after={"state": state.value})
        await self._acting("set_trading_state", setting, lambda _: told, facts=facts)

    def budgets(self) -> Mapping[str, Mapping[AssetCode, Decimal | None]]:
        return self.entry.judging.budgets_left()
