"""A broker and a reservation for synchronous code: each call is made in the desk's own thread, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from holdfast.errors import ClosedError, HoldfastError

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from holdfast.core.asking import Money
    from holdfast.core.assets import AssetCode, Symbol
    from holdfast.core.balances import Balance
    from holdfast.core.candles import CandleSeries
    from holdfast.core.positions import PositionList
    from holdfast.core.products import ProductList
    from holdfast.core.readiness import ReadinessReport
    from holdfast.core.repair import RepairReport
    from holdfast.core.seams import JournalRow
    from holdfast.core.symbols import SymbolName
    from holdfast.core.valuation import AccountBalance, AccountBalanceDetailed
    from holdfast.core.verdicts import TradingState, Verdict
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.closing import Closing
    from holdfast.runtime.listeners import Changes, Subscription
    from holdfast.runtime.loop_thread import LoopThread
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.reservation import Reservation
    from holdfast.runtime.views import (
        BalancesChanged,
        BrokerStatus,
        Explanation,
        Isolable,
        Lagged,
        Order,
        RefreshReport,
        ReservationView,
        ResetReport,
        StreamStatus,
        Visit,
    )

__all__ = ["BlockingBroker", "BlockingReservation"]

T = TypeVar("T")

_END: Final = object()


class BlockingBroker:
    """
    One account of one venue, for synchronous code; see ``Broker`` for what each method means.

    Attributes:
        name: The broker's name in the configuration.
        venue: Venue id.
        environment: ``production``, ``demo`` or ``simulated``.
    """

    def __init__(self, broker: Broker, thread: LoopThread) -> None:
        self._broker = broker
        self._thread = thread
        self.name = broker.name
        self.venue = broker.venue
        self.environment = broker.environment

    def __repr__(self) -> str:
        return f"<BlockingBroker {self.name} {self.venue} {self.environment}>"

    def _call(self, work: Callable[[Broker], T]) -> T:
        async def run() -> T:
            return work(self._broker)

        return self._thread.call(run)

    def balance(self, asset: AssetCode) -> Balance:
        """The balance of one asset, as of this call. See ``Broker.balance``."""
        return self._call(lambda broker: broker.balance(asset))

    def balances(self) -> dict[AssetCode, Balance]:
        """Every asset with a figure, as of this call. See ``Broker.balances``."""
        return self._call(lambda broker: broker.balances())

    def status(self) -> BrokerStatus:
        """The broker's condition as of this call. See ``Broker.status``."""
        return self._call(lambda broker: broker.status())

    def is_available(self) -> bool:
        """See ``Broker.is_available``."""
        return self._call(lambda broker: broker.is_available())

    def get_error_count(self) -> int:
        """See ``Broker.get_error_count``."""
        return self._call(lambda broker: broker.get_error_count())

    def get_account_balance(self, quote: AssetCode = "USD") -> AccountBalance:
        """What the whole account is worth, as one figure. Blocks. See ``Broker.get_account_balance``."""
        return self._thread.call(lambda: self._broker.get_account_balance(quote))

    def get_account_balance_detailed(self, quote: AssetCode = "USD") -> AccountBalanceDetailed:
        """The same with what it is made of. Blocks. See ``Broker.get_account_balance_detailed``."""
        return self._thread.call(lambda: self._broker.get_account_balance_detailed(quote))

    def get_positions(self, quote: AssetCode = "USD") -> PositionList:
        """What is held in markets. Blocks. See ``Broker.get_positions``."""
        return self._thread.call(lambda: self._broker.get_positions(quote))

    def get_all_products(self, *, include_unsupported: bool = False) -> ProductList:
        """Every spot instrument that the venue lists. Blocks. See ``Broker.get_all_products``."""
        return self._thread.call(lambda: self._broker.get_all_products(include_unsupported=include_unsupported))

    def get_candles(
        self,
        symbol: Symbol,
        interval: str | int = "1h",
        *,
        limit: int | None = None,
        since: float | datetime | None = None,
    ) -> CandleSeries:
        """Candles of one instrument, oldest first. Blocks. See ``Broker.get_candles``."""
        return self._thread.call(lambda: self._broker.get_candles(symbol, interval, limit=limit, since=since))

    def normalize_symbol_for_broker(self, symbol: str) -> SymbolName:
        """The instrument that any spelling names here. Blocks. See ``Broker.normalize_symbol_for_broker``."""
        return self._thread.call(lambda: self._broker.normalize_symbol_for_broker(symbol))

    def probe(self, *, timeout_s: float = 5.0) -> None:
        """Have the venue tell its time. Blocks. See ``Broker.probe``."""
        self._thread.call(lambda: self._broker.probe(timeout_s=timeout_s))

    def refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """Read balances and open orders from the venue now. Blocks. See ``Broker.refresh``."""
        return self._thread.call(lambda: self._broker.refresh(timeout_s=timeout_s))

    def reset_circuit_breaker(self, *, timeout_s: float = 30.0) -> ResetReport:
        """Close every breaker and read the account again. Blocks. See ``Broker.reset_circuit_breaker``."""
        return self._thread.call(lambda: self._broker.reset_circuit_breaker(timeout_s=timeout_s))

    def restart_stream(self, *, timeout_s: float = 30.0) -> StreamStatus:
        """Drop the stream and connect anew. Blocks. See ``Broker.restart_stream``."""
        return self._thread.call(lambda: self._broker.restart_stream(timeout_s=timeout_s))

    def force_balance_refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """A refresh that is kept on record. Blocks. See ``Broker.force_balance_refresh``."""
        return self._thread.call(lambda: self._broker.force_balance_refresh(timeout_s=timeout_s))

    def emergency_repair(self, *, dry_run: bool = False, timeout_s: float = 60.0) -> RepairReport:
        """Find out what is wrong, mend what may be mended, look again. Blocks. See ``Broker.emergency_repair``."""
        return self._thread.call(lambda: self._broker.emergency_repair(dry_run=dry_run, timeout_s=timeout_s))

    def verify_end_to_end(self, *, timeout_s: float = 180.0) -> ReadinessReport:
        """Measure whether this broker is ready to go live. Blocks. See ``Broker.verify_end_to_end``."""
        return self._thread.call(lambda: self._broker.verify_end_to_end(timeout_s=timeout_s))

    def readiness_reports(self, *, limit: int = 20) -> list[ReadinessReport]:
        """Reports of earlier runs, newest first. Blocks. See ``Broker.readiness_reports``."""
        return self._thread.call(lambda: self._broker.readiness_reports(limit=limit))

    def note_visit(self, act: Visit, *, outcome: str, facts: Mapping[str, str | None] | None = None) -> str | None:
        """Keep on record that somebody looked. Blocks. See ``Broker.note_visit``."""
        return self._thread.call(lambda: self._broker.note_visit(act, outcome=outcome, facts=facts))

    def isolate(self, what: Isolable = "all", *, reason: str | None = None) -> None:
        """Hold breakers open until they are reset. Blocks. See ``Broker.isolate``."""
        self._thread.call(lambda: self._broker.isolate(what, reason=reason))

    def ready(self, *, timeout_s: float | None = 30.0) -> BrokerStatus:
        """Wait until every figure may be acted on. Blocks. See ``Broker.ready``."""
        return self._thread.call(lambda: self._broker.ready(timeout_s=timeout_s))

    def wait_until(
        self, condition: str | Callable[[BrokerStatus], bool], *, timeout_s: float | None = 30.0
    ) -> BrokerStatus:
        """Wait for a stream state, or for a condition. Blocks. See ``Broker.wait_until``."""
        return self._thread.call(lambda: self._broker.wait_until(condition, timeout_s=timeout_s))

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        """Call *callback*, in the desk's own thread, with every change from now on. It must not block."""
        subscription = self._call(lambda broker: broker.subscribe(callback))
        return _distant(subscription, self._thread)

    def changes(self, *, limit: int = 1000) -> Iterator[BalancesChanged | Lagged]:
        """Every change from now on, one at a time: ``for change in broker.changes()``. Blocks between them."""
        changes = self._call(lambda broker: broker.changes(limit=limit))
        return self._walk(changes)

    def _walk(self, changes: Changes) -> Iterator[BalancesChanged | Lagged]:
        async def following() -> Any:
            return await anext(changes, _END)

        while (change := self._thread.call(following)) is not _END:
            yield change

    def explain(self, asset: AssetCode, *, limit: int = 20) -> Explanation:
        """Why this balance is what it is. Blocks. See ``Broker.explain``."""
        return self._thread.call(lambda: self._broker.explain(asset, limit=limit))

    def history(
        self,
        *,
        asset: AssetCode | None = None,
        after_seq: int = 0,
        since_wall_us: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        kind: str | None = None,
    ) -> list[JournalRow]:
        """The journal. Blocks. See ``Broker.history``."""
        return self._thread.call(
            lambda: self._broker.history(
                asset=asset,
                after_seq=after_seq,
                since_wall_us=since_wall_us,
                limit=limit,
                newest_first=newest_first,
                kind=kind,
            )
        )

    def backup(self, path: str) -> None:
        """Write a consistent copy of the account's store to *path*. Blocks. See ``Broker.backup``."""
        self._thread.call(lambda: self._broker.backup(path))

    # Orders

    def verify_balance(self, asset: AssetCode, amount: Money) -> Verdict:
        """Whether *amount* of *asset* may be promised now; claims nothing. See ``Broker.verify_balance``."""
        return self._call(lambda broker: broker.verify_balance(asset, amount))

    def verify_balance_before_order(
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
        """Judge an order on the figures of now. Blocks. See ``Broker.verify_balance_before_order``."""
        return self._thread.call(
            lambda: self._broker.verify_balance_before_order(
                symbol,
                side,
                quantity,
                quote_quantity=quote_quantity,
                order_type=order_type,
                price=price,
                time_in_force=time_in_force,
                post_only=post_only,
                bot=bot,
                intent_id=intent_id,
                reserve=reserve,
            )
        )

    def reserve(
        self, verdict: Verdict, *, intent_id: str | None = None, ttl_s: float | None = None
    ) -> BlockingReservation:
        """Claim what a verdict found affordable: ``with broker.reserve(verdict) as it``. See ``Broker.reserve``."""
        reservation = self._call(lambda broker: broker.reserve(verdict, intent_id=intent_id, ttl_s=ttl_s))
        return BlockingReservation(reservation, self._thread)

    def place_market_order(
        self,
        symbol: Symbol,
        side: str,
        quantity: Money | None = None,
        *,
        quote_quantity: Money | None = None,
        intent_id: str | None = None,
        bot: str | None = None,
        reservation: BlockingReservation | Verdict | None = None,
        validate: bool = False,
    ) -> Order:
        """Judge, claim, and send a market order once. Blocks. See ``Broker.place_market_order``."""
        return self._thread.call(
            lambda: self._broker.place_market_order(
                symbol,
                side,
                quantity,
                quote_quantity=quote_quantity,
                intent_id=intent_id,
                bot=bot,
                reservation=_claimed(reservation),
                validate=validate,
            )
        )

    def place_limit_order(
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
        reservation: BlockingReservation | Verdict | None = None,
        validate: bool = False,
    ) -> Order:
        """Judge, claim, and send a limit order once. Blocks. See ``Broker.place_limit_order``."""
        return self._thread.call(
            lambda: self._broker.place_limit_order(
                symbol,
                side,
                quantity,
                price,
                quote_quantity=quote_quantity,
                time_in_force=time_in_force,
                post_only=post_only,
                intent_id=intent_id,
                bot=bot,
                reservation=_claimed(reservation),
                validate=validate,
            )
        )

    def cancel_order(self, order: Order | str) -> Order:
        """Cancel an order, by intent id or the venue's id too. Blocks. See ``Broker.cancel_order``."""
        return self._thread.call(lambda: self._broker.cancel_order(order))

    def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Cancel every open order of the account, or of one instrument. Blocks. See ``Broker.cancel_all_orders``."""
        return self._thread.call(lambda: self._broker.cancel_all_orders(symbol))

    def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Money | None = None,
        intent_id: str | None = None,
        bot: str | None = None,
    ) -> Closing:
        """Sell what is held of the base at the market. Blocks. See ``Broker.close_position``."""
        return self._thread.call(
            lambda: self._broker.close_position(symbol, quantity=quantity, intent_id=intent_id, bot=bot)
        )

    def open_orders(self) -> list[Order]:
        """The account's open orders, ours and external ones, as of this call. See ``Broker.open_orders``."""
        return self._call(lambda broker: broker.open_orders())

    def orders(self, *, limit: int = 100) -> list[Order]:
        """Remembered orders of ours, newest first, ended ones included. Blocks. See ``Broker.orders``."""
        return self._thread.call(lambda: self._broker.orders(limit=limit))

    def order(self, intent_id: str) -> Order:
        """What became of an intent's order. Blocks. See ``Broker.order``."""
        return self._thread.call(lambda: self._broker.order(intent_id))

    def ended(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """Wait until nothing more can happen to an order. Blocks. See ``Broker.ended``."""
        return self._thread.call(lambda: self._broker.ended(intent_id, timeout_s=timeout_s))

    def resolution(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """Wait until an order is in doubt no more. Blocks. See ``Broker.resolution``."""
        return self._thread.call(lambda: self._broker.resolution(intent_id, timeout_s=timeout_s))

    # Reservations and the trading state

    def reservations(self) -> list[ReservationView]:
        """Every live reservation, as of this call. See ``Broker.reservations``."""
        return self._call(lambda broker: broker.reservations())

    def reservation(self, intent_id: str) -> ReservationView:
        """One reservation, ended ones included. Blocks. See ``Broker.reservation``."""
        return self._thread.call(lambda: self._broker.reservation(intent_id))

    def release_reservation(self, intent_id: str, *, force: bool = False) -> ReservationView:
        """Give a reservation's money back. Blocks. See ``Broker.release_reservation``."""
        return self._thread.call(lambda: self._broker.release_reservation(intent_id, force=force))

    def budgets(self) -> Mapping[str, Mapping[AssetCode, object]]:
        """What each configured bot may still claim, by asset. See ``Broker.budgets``."""
        return self._call(lambda broker: broker.budgets())

    def set_trading_state(
        self, state: TradingState | str, *, reason: str | None = None, accepts_restored: bool = False
    ) -> None:
        """Say which orders the broker takes. Blocks. See ``Broker.set_trading_state``."""
        self._thread.call(
            lambda: self._broker.set_trading_state(state, reason=reason, accepts_restored=accepts_restored)
        )

    # Nonces

    def examine_nonces(self) -> NonceReport:
        """How the credential's nonces are. Blocks. See ``Broker.examine_nonces``."""
        return self._thread.call(self._broker.examine_nonces)

    def retry_nonces(self) -> NonceReport:
        """Open a credential parked for its nonces or as a bad key. Blocks. See ``Broker.retry_nonces``."""
        return self._thread.call(self._broker.retry_nonces)

    def ratchet_nonces(self, *, has_consent: bool, unit: str | None = None) -> NonceReport:
        """Count in a finer unit, for good. Blocks. See ``Broker.ratchet_nonces``."""
        return self._thread.call(lambda: self._broker.ratchet_nonces(has_consent=has_consent, unit=unit))


class BlockingReservation:
    """
    Money claimed for one order, for synchronous code: ``with broker.reserve(verdict) as reservation``.

    Entering blocks until it was judged again and claimed, and may deny; leaving releases it where no order was placed
    on it. See ``Reservation``.
    """

    def __init__(self, reservation: Reservation, thread: LoopThread) -> None:
        self._reservation = reservation
        self._thread = thread

    def __repr__(self) -> str:
        return repr(self._reservation)

    @property
    def intent_id(self) -> str | None:
        """Its key, and that of the order placed on it; None until it is entered, unless it was given."""
        return self._reservation.intent_id

    @property
    def verdict(self) -> Verdict:
        """The verdict that it was claimed on; the one it was asked with until it is entered."""
        return self._reservation.verdict

    @property
    def asset(self) -> AssetCode:
        """What was claimed of."""
        return self._reservation.asset

    @property
    def amount(self) -> Decimal | None:
        """How much, in whole units; None before it is claimed."""
        return self._reservation.amount

    def __enter__(self) -> Self:
        self._thread.call(self._reservation.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except HoldfastError as failed:
            if error is None:
                raise
            error.add_note(f"and its claim {self.intent_id} was not released: {failed}")  # See ``Reservation``.

    def release(self) -> None:
        """Give the money back where no order was placed on it; else nothing. Blocks."""
        self._thread.call(self._reservation.release)


def _claimed(reservation: BlockingReservation | Verdict | None) -> Reservation | Verdict | None:
    return reservation._reservation if isinstance(reservation, BlockingReservation) else reservation


def _distant(subscription: Subscription, thread: LoopThread) -> Subscription:
    """The same subscription, ended from this thread."""
    from holdfast.runtime.listeners import Subscription as Here

    def leave() -> None:
        async def run() -> None:
            subscription.close()

        try:
            thread.call(run)
        except ClosedError:
            return  # A closed desk calls nobody any more.

    return Here(leave)
