"""One owner and whoever attaches to it, on one pretended host: what the tests of ``runtime/attach`` stand on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, BalanceState, Side, Source
from holdfast.core.candles import CandleSeries
from holdfast.core.closing import ClosingCode
from holdfast.core.events import Event
from holdfast.core.health import Health
from holdfast.core.instruments import AssetInfo, Candle, InstrumentStatus, Ticker
from holdfast.core.orders import OrderAsk, OrderState, OrderType
from holdfast.core.positions import MarginPosition, PositionList, PositionSide, StatedPositions, position_list
from holdfast.core.products import ProductList, product_list
from holdfast.core.readiness import ReadinessReport
from holdfast.core.repair import RepairReport
from holdfast.core.reservations import ReservationState
from holdfast.core.seams import JournalRow, StoreStatus
from holdfast.core.symbols import SymbolName
from holdfast.core.valuation import AccountBalanceDetailed, account_balance
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode
from holdfast.errors import ClosedError, DeniedError
from holdfast.runtime.attach.attachment import Attachment
from holdfast.runtime.attach.lines import Place
from holdfast.runtime.attach.link import end
from holdfast.runtime.attach.protocol import Frames, FromOwner, decode_from_owner
from holdfast.runtime.attach.remote import RemoteBroker
from holdfast.runtime.attach.serving import OwnerServer
from holdfast.runtime.closing import Closing
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.nonce_doctor import NonceReport
from holdfast.runtime.views import (
    BalancesChanged,
    BrokerStatus,
    Explanation,
    Isolable,
    NonceStatus,
    Order,
    RefreshReport,
    ReservationView,
    ResetReport,
    StreamStatus,
    Visit,
)
from holdfast.testing import FakeClock, MemorySockets
from holdfast.testing.orders import fake_instrument

PLACE = Place(environment="simulated", name="acme-master")

ASK = OrderAsk(symbol="BTC-USD", side=Side.BUY, order_type=OrderType.MARKET, quote_quantity=Decimal("25.5"))


def balance(asset: AssetCode, total: str, **more: Any) -> Balance:
    """A live balance of *total*, all of it available."""
    amount = Decimal(total)
    facts: dict[str, Any] = {
        "total": amount,
        "held": ZERO,
        "available": amount,
        "reserved": ZERO,
        "spendable": amount,
        "state": BalanceState.LIVE,
        "age_s": 0.5,
        "source": Source.STREAM,
        "reason": None,
    }
    return Balance(asset=asset, **{**facts, **more})


def order(intent_id: str = "i1", **more: Any) -> Order:
    facts: dict[str, Any] = {
        "client_order_id": "a" * 32,
        "order_id": "O-1",
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "order_type": "market",
        "quantity": None,
        "quote_quantity": Decimal("25.50"),
        "limit_price": None,
        "state": OrderState.FILLED,
        "fees": {"USD": Decimal("0.0660")},
        "reservation": ReservationState.CONSUMED,
    }
    return Order(broker="acme-master", intent_id=intent_id, **{**facts, **more})


def reservation(intent_id: str = "i1", **more: Any) -> ReservationView:
    facts: dict[str, Any] = {
        "client_order_id": "a" * 32,
        "asset": "USD",
        "amount": Decimal("26.00"),
        "reserved": Decimal("26.00"),
        "state": ReservationState.ACTIVE,
        "order": None,
        "order_id": None,
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "bot": None,
        "cause": "claimed",
        "detail": None,
        "created_us": 1,
        "updated_us": 2,
    }
    return ReservationView(broker="acme-master", intent_id=intent_id, **{**facts, **more})


def closing(**more: Any) -> Closing:
    facts: dict[str, Any] = {
        "code": ClosingCode.SELL,
        "quantity": Decimal("0.50"),
        "owned": Decimal("0.501"),
        "left": Decimal("0.001"),
        "explanation": "sells 0.5 BTC; 0.001 BTC is below the step of BTC-USD",
        "order": order(),
    }
    return Closing(symbol="BTC-USD", asset="BTC", **{**facts, **more})


def worth() -> AccountBalanceDetailed:
    """One asset with a price, and one without."""
    listed = {"BTC-USD": fake_instrument("BTC-USD")}
    ticker = Ticker(symbol="BTC-USD", bid=Decimal("40000.1"), ask=Decimal("40001"), last=Decimal(40000), as_of_s=99.0)
    balances = {"BTC": balance("BTC", "0.5"), "ODD": balance("ODD", "1.250")}
    return account_balance(
        balances, {"BTC-USD": ticker}, listed, broker="acme-master", quote="USD", now_s=100.0, price_max_age_s=30.0
    )


def held() -> PositionList:
    ticker = Ticker(symbol="BTC-USD", bid=Decimal("40000.1"), ask=Decimal("40001"), last=Decimal(40000), as_of_s=99.0)
    stated = MarginPosition(
        position_id="T1",
        symbol="BTC-USD",
        venue_symbol="BTCUSD",
        side=PositionSide.SHORT,
        quantity=Decimal("0.10"),
        unrealised=Decimal("-1.5"),
    )
    return position_list(
        {"BTC": balance("BTC", "0.5")},
        StatedPositions(read="positions", positions=(stated,), as_of_s=98.0),
        {"BTC-USD": ticker},
        {"BTC-USD": fake_instrument("BTC-USD")},
        broker="acme-master",
        quote="USD",
        now_s=100.0,
        price_max_age_s=30.0,
    )


def candle_series() -> CandleSeries:
    prices = {name: Decimal("40000.50") for name in ("open", "high", "low", "close")}
    candle = Candle(start_s=1_790_000_040, volume=Decimal("1.250"), is_final=False, **prices)
    return CandleSeries(
        broker="acme-master", symbol="BTC-USD", interval_s=60, candles=(candle,), age_s=0.5, behind_s=0.0
    )


def listed_products() -> ProductList:
    return product_list(
        [fake_instrument("BTC-USD"), fake_instrument("BTC-BUSD")],
        {"XXBTZUSD.d": "a dark pool"},
        broker="acme-master",
        venue="acme",
        age_s=1.5,
    )


def symbol_name() -> SymbolName:
    return SymbolName(
        symbol="BTC-USD",
        base="BTC",
        quote="USD",
        venue_symbol="BTCUSD",
        stream_symbol="BTC/USD",
        status=InstrumentStatus.ONLINE,
        given="btcusd",
    )


class StandIn:
    """
    A backend that answers what a test says.

    Attributes:
        figures: What it has, by asset; change it and ``ring``.
        asked: (method, arguments) of every call that was begun.
        gate: Calls wait for it before they answer.
        failing: Raised by every call while it is set.
    """

    name = "acme-master"
    venue = "acme"
    environment = "simulated"
    account_id = "ACCT"

    def __init__(self) -> None:
        self.figures = {"USD": balance("USD", "1500.25"), "BTC": balance("BTC", "0.50")}
        self.listeners = Listeners()
        self.assets: dict[AssetCode, AssetInfo] = {
            code: AssetInfo(code=code, venue_symbol=f"X{code}", decimals=8, is_enabled=True)
            for code in ("USD", "BTC", "EUR")
        }
        self.error_count = 0
        self.has_figures = True
        self.orders_now: list[Order] = []
        self.reservations_now: list[ReservationView] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: Exception | None = None
        self.cancelled: list[str] = []
        self.rows: list[JournalRow] = []
        self.health = Health.HEALTHY
        self._waiters: list[asyncio.Future[None]] = []

    def ring(self, *assets: AssetCode, kind: str = "delta") -> None:
        """Something changed."""
        if assets:
            self.listeners.tell(BalancesChanged(broker=self.name, kind=kind, assets=assets))
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            end(waiter)

    def balance(self, asset: AssetCode) -> Balance:
        return self.figures.get(asset) or balance(asset, "0")

    def balances(self) -> dict[AssetCode, Balance]:
        return dict(self.figures)

    def status(self) -> BrokerStatus:
        return BrokerStatus(
            broker=self.name,
            venue=self.venue,
            environment=self.environment,
            account_id=self.account_id,
            health=self.health,
            reasons=(),
            is_available=True,
            error_count=self.error_count,
            last_error=None,
            last_success_age_s=2.0,
            read_latency_s=0.1,
            stream=StreamStatus(state="live", reason=None, for_s=9.0, last_frame_age_s=0.2, connects=1, channels=()),
            venue_mode=VenueMode.ONLINE,
            venue_clock_offset_s=0.01,
            is_halted=False,
            halted_reason=None,
            store=StoreStatus(is_ok=True, reason=None, last_seq=7, path="/x"),
            nonce=NonceStatus(refused=0, parked_cause=None, parked_for_s=None),
            assets=len(self.figures),
            states={"live": len(self.figures), "fresh": 0, "stale": 0},
            discrepancies=0,
            suspects=(),
        )

    def open_orders(self) -> list[Order]:
        return list(self.orders_now)

    def reservations(self) -> list[ReservationView]:
        return list(self.reservations_now)

    def verify_balance(self, asset: AssetCode, amount: Decimal) -> Verdict:
        return Verdict(code=VerdictCode.APPROVED, asset=asset, required=amount)

    def budgets(self) -> Mapping[str, Mapping[AssetCode, Decimal | None]]:
        return {"grid": {"USD": Decimal("100.00"), "BTC": None}}

    async def changed(self, *, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(within_s, end, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    async def _call(self, method: str, answer: Any, **arguments: Any) -> Any:
        self.asked.append((method, arguments))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(method)
            raise
        if self.failing is not None:
            raise self.failing
        return answer

    async def probe(self, *, timeout_s: float) -> None:
        await self._call("probe", None, timeout_s=timeout_s)

    async def restart_stream(self, *, timeout_s: float) -> StreamStatus:
        raise DeniedError("no stream here")

    async def verify_end_to_end(self, *, timeout_s: float) -> ReadinessReport:
        raise DeniedError("nothing to measure here")

    async def readiness_reports(self, *, limit: int) -> list[ReadinessReport]:
        found: list[ReadinessReport] = await self._call("readiness_reports", [], limit=limit)
        return found

    async def refresh(self, *, timeout_s: float) -> RefreshReport:
        report = RefreshReport(
            broker=self.name, reads=("BalanceEx",), attempts=1, took_s=0.1, changed=("USD",), suspects=(), error=None
        )
        found: RefreshReport = await self._call("refresh", report, timeout_s=timeout_s)
        return found

    async def reset_circuit_breaker(self, *, timeout_s: float) -> ResetReport:
        refresh = RefreshReport(
            broker=self.name, reads=("BalanceEx",), attempts=1, took_s=0.1, changed=(), suspects=(), error=None
        )
        report = ResetReport(broker=self.name, before=(), after=(), refresh=refresh)
        found: ResetReport = await self._call("reset_circuit_breaker", report, timeout_s=timeout_s)
        return found

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        await self._call("isolate", None, what=what, reason=reason)

    async def force_balance_refresh(self, *, timeout_s: float) -> RefreshReport:
        return await self.refresh(timeout_s=timeout_s)

    async def emergency_repair(self, *, is_dry_run: bool, timeout_s: float) -> RepairReport:
        raise DeniedError("nothing to repair here")

    async def note_visit(self, *, act: Visit, outcome: str, facts: dict[str, str | None]) -> str | None:
        found: str | None = await self._call("note_visit", None, act=act, outcome=outcome, facts=facts)
        return found

    async def explain(self, asset: AssetCode, *, limit: int) -> Explanation:
        answer = Explanation(broker=self.name, balance=self.balance(asset), lines=("so",), rows=tuple(self.rows))
        found: Explanation = await self._call("explain", answer, asset=asset, limit=limit)
        return found

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
        rows = [row for row in self.rows if (row.seq or 0) > after_seq]
        rows = rows[::-1][:limit] if newest_first else rows[:limit]
        found: list[JournalRow] = await self._call("history", rows, after_seq=after_seq, limit=limit)
        return found

    async def backup(self, path: str) -> None:
        await self._call("backup", None, path=path)

    async def examine_nonces(self) -> NonceReport:
        raise NotImplementedError("a bug, with a secret c2VjcmV0 in it")

    async def retry_nonces(self) -> NonceReport:
        raise ClosedError("not here")

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None) -> NonceReport:
        raise ValueError(f"no unit {unit}")

    async def symbol_name(self, text: str) -> SymbolName:
        found: SymbolName = await self._call("symbol_name", symbol_name(), text=text)
        return found

    async def products(self, *, include_unsupported: bool) -> ProductList:
        found: ProductList = await self._call("products", listed_products(), include_unsupported=include_unsupported)
        return found

    async def candles(self, symbol: str, *, interval_s: int, limit: int | None, since_s: int | None) -> CandleSeries:
        found: CandleSeries = await self._call("candles", candle_series(), symbol=symbol, interval_s=interval_s)
        return found

    async def account_balance(self, quote: AssetCode) -> AccountBalanceDetailed:
        found: AccountBalanceDetailed = await self._call("account_balance", worth(), quote=quote)
        return found

    async def positions(self, quote: AssetCode) -> PositionList:
        found: PositionList = await self._call("positions", held(), quote=quote)
        return found

    async def verify(
        self, ask: OrderAsk, *, intent_id: str | None, reserve: bool, ttl_s: float | None, valid_until_s: float | None
    ) -> Verdict:
        answer = Verdict(code=VerdictCode.APPROVED, asset="USD", required=ask.quote_quantity, is_reserved=reserve)
        arguments = {"ask": ask, "intent_id": intent_id, "reserve": reserve, "valid_until_s": valid_until_s}
        found: Verdict = await self._call("verify", answer, **arguments)
        return found

    async def place(
        self, ask: OrderAsk, *, intent_id: str | None, is_reserved: bool, valid_until_s: float | None
    ) -> Order:
        arguments = {"ask": ask, "intent_id": intent_id, "is_reserved": is_reserved, "valid_until_s": valid_until_s}
        found: Order = await self._call("place", order(intent_id or "none"), **arguments)
        return found

    async def check(self, ask: OrderAsk) -> Order:
        found: Order = await self._call("check", order(), ask=ask)
        return found

    async def release(self, intent_id: str, *, force: bool) -> ReservationView:
        found: ReservationView = await self._call("release", reservation(intent_id), intent_id=intent_id, force=force)
        return found

    async def cancel(self, name: str) -> Order:
        found: Order = await self._call("cancel", order(), name=name)
        return found

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        found: list[Order] = await self._call("cancel_all", [order()], symbol=symbol)
        return found

    async def close_position(
        self,
        symbol: Symbol,
        *,
        quantity: Decimal | None,
        intent_id: str | None,
        bot: str | None,
        valid_until_s: float | None,
    ) -> Closing:
        found: Closing = await self._call("close_position", closing(), symbol=symbol, intent_id=intent_id)
        return found

    async def order(self, intent_id: str) -> Order:
        found: Order = await self._call("order", order(intent_id), intent_id=intent_id)
        return found

    async def orders(self, *, limit: int) -> list[Order]:
        found: list[Order] = await self._call("orders", [order(), order("i2")], limit=limit)
        return found

    async def resolution(self, intent_id: str, *, timeout_s: float | None) -> Order:
        found: Order = await self._call("resolution", order(intent_id), intent_id=intent_id, timeout_s=timeout_s)
        return found

    async def reservation(self, intent_id: str) -> ReservationView:
        found: ReservationView = await self._call("reservation", reservation(intent_id), intent_id=intent_id)
        return found

    async def set_trading_state(self, state: TradingState, *, reason: str | None, accepts_restored: bool) -> None:
        await self._call("set_trading_state", None, state=state, reason=reason, accepts_restored=accepts_restored)


class Owner:
    """A stand-in that is served."""

    def __init__(self, sockets: MemorySockets, clock: FakeClock) -> None:
        self.backend = StandIn()
        self.emitter = Emitter()
        self.events: list[Event] = []
        self.lost: Exception | None = None
        self.server = OwnerServer(
            backend=self.backend,
            place=PLACE,
            sockets=sockets,
            clock=clock,
            emitter=self.emitter,
            check_ownership=self._check,
            max_age_s=30.0,
        )
        self.server.start()
        self.place = sockets.server_of(str(PLACE))
        """Stops, resumes and kills its process."""

    def _check(self) -> None:
        if self.lost is not None:
            raise self.lost


class Host:
    """A pretended host with one owner; ``attach`` as often as wanted."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.sockets = MemorySockets(latency_s=latency_s)
        self.owner = Owner(self.sockets, self.clock)
        self.attached: list[Attached] = []

    @property
    def backend(self) -> StandIn:
        return self.owner.backend

    async def attach(self, **more: Any) -> Attached:
        """One more process, once it has the owner's picture."""
        attached = Attached(self, **more)
        self.attached.append(attached)
        assert attached.attachment.connect()
        async with asyncio.timeout(5):
            while not attached.attachment.is_attached:
                await attached.attachment.moved(within_s=1.0)
        return attached

    async def close(self) -> None:
        for attached in self.attached:
            attached.attachment.close()
        await self.owner.server.close()


class Attached:
    """One attached process."""

    def __init__(self, host: Host, *, wait_s: float = 10.0) -> None:
        self.events: list[Event] = []
        self.emitter = Emitter()
        self.desk_listeners = Listeners()
        self.attachment = Attachment(
            where=PLACE,
            name="acme-master",
            venue="acme",
            environment="simulated",
            sockets=host.sockets,
            clock=host.clock,
            emitter=self.emitter,
            listeners=(Listeners(), self.desk_listeners),
            wait_s=wait_s,
        )
        self.broker = RemoteBroker(self.attachment, randomness=random.Random(1))

    def listen(self) -> None:
        """Hear every event from now on."""
        self.emitter.subscribe(self.events.append)

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]


class Raw:
    """Whoever speaks to an owner by the byte."""

    def __init__(self, host: Host) -> None:
        self.messages: list[FromOwner] = []
        self.end: str | None = None
        self._frames = Frames(limit=1 << 26)
        self.line = host.sockets.connect(PLACE, self)

    def received(self, data: bytes) -> None:
        self.messages += [decode_from_owner(line) for line in self._frames.feed(data)]

    def lost(self, reason: str) -> None:
        self.end = reason

    def send(self, *lines: bytes) -> None:
        assert self.line is not None
        for line in lines:
            self.line.send(line)

    def heard(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]
