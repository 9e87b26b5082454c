"""A desk whose brokers say whatever a test sets: the scene of the page is composed from it, without any venue."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec

from holdfast.core.balances import Balance, BalanceState, Side, Source
from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event, event
from holdfast.core.health import Health
from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from holdfast.core.seams import StoreStatus
from holdfast.core.venue import VenueMode
from holdfast.daemon.scene import Scene
from holdfast.runtime.listeners import Subscription
from holdfast.runtime.views import (
    BalancesChanged,
    BreakerStatus,
    BrokerStatus,
    CallBudget,
    CapabilityHealth,
    CredentialStatus,
    Dispute,
    NonceStatus,
    ReservationView,
    StreamStatus,
)

START_US = 1_795_144_364_000_000  # 2026-11-20 03:12:44 UTC


class Clock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 50_000.0

    def now_s(self) -> float:
        return self.seconds

    def wall_us(self) -> int:
        return START_US + int((self.seconds - 50_000.0) * 1e6)


def figure(
    asset: str,
    total: str | None,
    *,
    held: str = "0",
    reserved: str = "0",
    spendable: str | None = None,
    state: str = "live",
    age_s: float | None = 0.4,
    source: str | None = "stream",
    reason: str | None = None,
) -> Balance:
    """One balance; what may be spent is what is there less what is held and reserved, unless said otherwise."""
    if total is None:
        return Balance(
            asset=asset,
            total=None,
            held=None,
            available=None,
            reserved=Decimal(0),
            spendable=None,
            state=BalanceState.UNKNOWN,
            age_s=None,
            source=None,
            reason=reason,
        )
    free = Decimal(total) - Decimal(held)
    return Balance(
        asset=asset,
        total=Decimal(total),
        held=Decimal(held),
        available=free,
        reserved=Decimal(reserved),
        spendable=Decimal(spendable) if spendable is not None else max(Decimal(0), free - Decimal(reserved)),
        state=BalanceState(state),
        age_s=age_s,
        source=None if source is None else Source(source),
        reason=reason,
    )


def breaker(state: BreakerState = BreakerState.CLOSED, **facts: Any) -> BreakerStatus:
    """One breaker; closed unless said otherwise."""
    known: dict[str, Any] = {"retry_after_s": 0.0, "open_for_s": None, "why": None, "is_stuck": False, "openings": 0}
    return BreakerStatus(state=state, **{**known, **facts})


def capability(name: str, state: BreakerStatus | None = None, **facts: Any) -> CapabilityHealth:
    """Read, trade or stream; healthy unless said otherwise."""
    known: dict[str, Any] = {
        "error_count": 0,
        "last_success_age_s": 1.0,
        "latency_s": 0.212,
        "last_fault": None,
        "last_error": None,
        "last_fault_age_s": None,
    }
    return CapabilityHealth(name=name, breaker=state or breaker(), **{**known, **facts})


def status_of(name: str, venue: str = "kraken", **facts: Any) -> BrokerStatus:
    """A healthy broker's condition, changed by *facts*."""
    known: dict[str, Any] = {
        "environment": "simulated",
        "account_id": "AA31 B70C 9F",
        "health": Health.HEALTHY,
        "reasons": (),
        "is_available": True,
        "error_count": 0,
        "last_error": None,
        "last_success_age_s": 4.0,
        "read_latency_s": 0.212,
        "stream": StreamStatus(state="live", reason=None, for_s=7200.0, last_frame_age_s=0.4, connects=1, channels=()),
        "venue_mode": VenueMode.ONLINE,
        "venue_clock_offset_s": 0.011,
        "is_halted": False,
        "halted_reason": None,
        "store": StoreStatus(is_ok=True, reason=None, last_seq=12, path="/state/x.sqlite3"),
        "nonce": NonceStatus(refused=0, parked_cause=None, parked_for_s=None),
        "assets": 3,
        "states": {"live": 3, "fresh": 0, "stale": 0},
        "discrepancies": 0,
        "suspects": (),
        "capabilities": (capability("read"), capability("trade"), capability("stream")),
        "calls": CallBudget(used=2.1, limit=20.0, zero_in_s=6.0, kept=4.0),
        "credential": CredentialStatus(hint="a91c", permissions=("query", "trade"), can_withdraw=False),
    }
    facts = {**known, **facts}
    if "disputes" in facts:
        facts["discrepancies"] = len(facts["disputes"])
    return BrokerStatus(broker=name, venue=venue, **facts)


def claim(broker: str, intent_id: str, asset: str, amount: str, **facts: Any) -> ReservationView:
    """One reservation; active, two seconds old, unless said otherwise."""
    known: dict[str, Any] = {
        "client_order_id": "h7Qk" + "0" * 24 + intent_id[-4:].rjust(4, "0"),
        "reserved": Decimal(amount),
        "state": ReservationState.ACTIVE,
        "order": OrderState.SENDING,
        "order_id": None,
        "symbol": "ETH-USD",
        "side": Side.BUY,
        "bot": None,
        "cause": "claimed",
        "detail": None,
        "created_us": START_US - 2_000_000,
        "updated_us": START_US - 2_000_000,
    }
    return ReservationView(
        broker=broker, intent_id=intent_id, asset=asset, amount=Decimal(amount), **{**known, **facts}
    )


class FakeBroker:
    """One broker that says what it is given; its ages grow with the clock."""

    def __init__(self, status: BrokerStatus, balances: list[Balance], clock: Clock, *, claims: Any = ()) -> None:
        self.name = status.broker
        self._clock = clock
        self._told_s = clock.now_s()
        self._status = status
        self._balances = {each.asset: each for each in balances}
        self._claims = list(claims)
        self.assets: dict[str, object] = {each.asset: each for each in balances}

    def set(
        self, *, status: BrokerStatus | None = None, balances: list[Balance] | None = None, claims: Any = None
    ) -> None:
        """Say something else from now on; figures that are not named stay, as old as they are by now."""
        kept = self.balances()
        for each in balances or ():
            kept[each.asset] = each
        self._status = status or self.status()
        self._balances = kept
        self._told_s = self._clock.now_s()
        if claims is not None:
            self._claims = list(claims)

    def _aged(self, value: Any) -> Any:
        passed_s = self._clock.now_s() - self._told_s
        if not passed_s:
            return value
        grown: dict[str, Any] = {}
        if isinstance(value, Balance) and value.age_s is not None:
            grown["age_s"] = value.age_s + passed_s
        if isinstance(value, StreamStatus):
            frame_s = value.last_frame_age_s
            grown = {
                "for_s": value.for_s + passed_s,
                "last_frame_age_s": None if frame_s is None else frame_s + passed_s,
            }
        return msgspec.structs.replace(value, **grown) if grown else value

    def status(self) -> BrokerStatus:
        return msgspec.structs.replace(self._status, stream=self._aged(self._status.stream))

    def balances(self) -> dict[str, Balance]:
        return {asset: self._aged(each) for asset, each in self._balances.items()}

    def balance(self, asset: str) -> Balance:
        return self.balances()[asset]

    def reservations(self) -> list[ReservationView]:
        return list(self._claims)

    async def history(self, **_: Any) -> list[Any]:
        return []


class FakeDesk:
    """What a scene needs of a desk."""

    def __init__(self, brokers: list[FakeBroker]) -> None:
        self.brokers = {each.name: each for each in brokers}
        self.config = SimpleNamespace(
            brokers={each.name: SimpleNamespace(rest_url="http://127.0.0.1:18080") for each in brokers}
        )
        self._callbacks: list[Callable[[BalancesChanged], object]] = []
        self._events: list[Callable[[Event], object]] = []

    def __getitem__(self, name: str) -> FakeBroker:
        return self.brokers[name]

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        self._callbacks.append(callback)
        return Subscription(lambda: self._callbacks.remove(callback) if callback in self._callbacks else None)

    def on_event(self, callback: Callable[[Event], object]) -> Subscription:
        self._events.append(callback)
        return Subscription(lambda: self._events.remove(callback) if callback in self._events else None)

    def changed(self, broker: str, *assets: str) -> None:
        """Tell that figures of *broker* changed."""
        for each in tuple(self._callbacks):
            each(BalancesChanged(broker=broker, kind="delta", assets=assets))

    def emit(self, name: str, /, **fields: Any) -> None:
        """Tell an event of the catalogue."""
        for each in tuple(self._events):
            each(event(name, **fields))


def scene_of(desk: FakeDesk, clock: Clock, **facts: Any) -> Scene:
    """The scene of a fake desk."""
    known: dict[str, Any] = {"version": "0.1.0", "instance": "first"}
    return Scene(desk, now_s=clock.now_s, wall_us=clock.wall_us, **{**known, **facts})  # type: ignore[arg-type]


def disputed(asset: str, kind: str, ours: str, theirs: str, *, for_s: float) -> Dispute:
    """One open discrepancy."""
    return Dispute(asset=asset, kind=kind, ours=Decimal(ours), theirs=Decimal(theirs), for_s=for_s)


def pictured(clock: Clock) -> FakeDesk:
    """Five brokers in every condition that the page has to tell apart: the desk of the pictures."""
    stale: dict[str, Any] = {"state": "stale", "age_s": 361.0, "source": "rest", "reason": "age"}
    fresh: dict[str, Any] = {"state": "fresh", "age_s": 3.2, "source": "rest"}
    now_us = clock.wall_us()
    master = FakeBroker(
        status_of("kraken-master", assets=8, states={"live": 8, "fresh": 0, "stale": 0}),
        [
            figure("USD", "18204.11"),
            figure("USDC", "0"),
            figure("USDT", "2500.00"),
            figure("EUR", "1250"),
            figure("BTC", "0.41280519"),
            figure("ETH", "3.2"),
            figure("SOL", "0"),
            figure("DOT", "12"),
            figure("XRP", "0"),
        ],
        clock,
        claims=[
            claim(
                "kraken-master", "intent-buy-btc-0002", "USD", "1250", state=ReservationState.COVERED,
                reserved=Decimal(0), order=OrderState.OPEN, order_id="OABCDE-12345-FGHIJK", symbol="BTC-USD",
                created_us=now_us - 31_000_000, updated_us=now_us - 31_000_000,
            )
        ],
    )  # fmt: skip
    alice = FakeBroker(
        status_of(
            "kraken-alice",
            health=Health.DEGRADED,
            reasons=("stream_silent",),
            stream=StreamStatus(
                state="degraded", reason="silent", for_s=244.0, last_frame_age_s=244.0, connects=5, channels=()
            ),
            states={"live": 0, "fresh": 10, "stale": 1},
            disputes=(disputed("SOL", "held_exceeds_total", "42.1", "45", for_s=845.0),),
            calls=CallBudget(used=9.2, limit=20.0, zero_in_s=18.0, kept=5.0),
            notes=("This key has no IP list: anyone who has it can use it from anywhere.",),
        ),
        [
            figure("USD", "7231.21", held="400.00", reserved="420.84", spendable="6410.37", **fresh),
            figure("EUR", "0", **fresh),
            figure("USDC", "0", **fresh),
            figure("USDT", "1204.50", **fresh),
            figure("BTC", "0.1300185", held="0.0500185", **fresh),
            figure("ETH", "1.5021", **fresh),
            figure("SOL", "42.1", spendable="42.1", state="stale", age_s=845.0, reason="contradiction"),
            figure("DOT", None, reason="two_rows"),
            figure("XRP", "812.44", **fresh),
            figure("ADA", "1930.00000012", **fresh),
            figure("PEPE", "48211903.77", **fresh),
            figure("DOGE", "0.0000000000412", **fresh),
        ],
        clock,
        claims=[claim("kraken-alice", "intent-buy-eth-0003", "USD", "420.84")],
    )
    coinbase = FakeBroker(
        status_of(
            "coinbase-main",
            "coinbase",
            states={"live": 0, "fresh": 7, "stale": 0},
            disputes=(disputed("USDC", "rest_differs", "5120.84", "5120.42", for_s=124.0),),
            calls=CallBudget(used=1.2, limit=30.0, zero_in_s=0.4, kept=4.0),
        ),
        [
            figure("USD", "3120.12", **fresh),
            figure("USDC", "5120.42", **fresh),
            figure("USDT", "0", **fresh),
            figure("EUR", "300", **fresh),
            figure("BTC", "0.25", **fresh),
            figure("ETH", "4.75", **fresh),
            figure("SOL", "18.25", **fresh),
            figure("DOT", "0", **fresh),
        ],
        clock,
    )
    half = breaker(BreakerState.HALF_OPEN, open_for_s=361.0, why="venue", openings=2)
    okx = FakeBroker(
        status_of(
            "okx-main",
            "okx",
            health=Health.DOWN,
            reasons=("balances_stale", "reads_failing", "trade_breaker_half_open", "stream_unreachable"),
            is_available=False,
            error_count=3,
            last_error="HTTP 503",
            stream=StreamStatus(
                state="down", reason="unreachable", for_s=361.0, last_frame_age_s=361.0, connects=9, channels=()
            ),
            states={"live": 0, "fresh": 0, "stale": 6},
            capabilities=(
                capability("read", half, error_count=3, last_error="HTTP 503", last_fault_age_s=12.0),
                capability("trade", half),
                capability("stream", breaker(BreakerState.OPEN, open_for_s=361.0)),
            ),
            calls=CallBudget(used=0.2, limit=10.0, zero_in_s=0.1, kept=2.0),
            venue_clock_offset_s=0.084,
            in_doubt=1,
        ),
        [
            figure("USDT", "12880.41", **stale),
            figure("USDC", "250", **stale),
            figure("BTC", "0.9512", reserved="0.05", spendable="0.9012", **stale),
            figure("ETH", "8.1", **stale),
            figure("SOL", "120.5", **stale),
            figure("DOT", "0", **stale),
        ],
        clock,
        claims=[
            claim(
                "okx-main", "intent-sell-btc-0001", "BTC", "0.05", state=ReservationState.IN_DOUBT,
                order=OrderState.IN_DOUBT, symbol="BTC-USDT", side=Side.SELL, cause="read_timeout",
                created_us=now_us - 366_000_000, updated_us=now_us - 366_000_000,
            )
        ],
    )  # fmt: skip
    sub = FakeBroker(
        status_of(
            "okx-sub", "okx", states={"live": 6, "fresh": 0, "stale": 0},
            calls=CallBudget(used=1.2, limit=10.0, zero_in_s=0.6, kept=2.0),
        ),
        [
            figure("USDC", "0"),
            figure("USDT", "3975.08"),
            figure("BTC", "0.12"),
            figure("ETH", "0"),
            figure("SOL", "65"),
            figure("DOT", "0"),
        ],
        clock,
    )  # fmt: skip
    return FakeDesk([master, alice, coinbase, okx, sub])
