"""
How well one broker's reads, orders and stream work: a breaker and a record for each, and who hears of it.

The rules are those of ``core.breakers``; in here is what they are told, what is kept, and what is said. Reads wait for
their breaker, orders are denied by theirs, and the stream's is a mirror: connecting has a backoff of its own. While a
stream is live it stands in for reads, so that reads that fail are counted and open nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from holdfast.core.breakers import COUNTED, Breaker, BreakerRecord, BreakerSettings, BreakerState
from holdfast.core.events import event
from holdfast.core.health import fault_of
from holdfast.core.seams import Clock, Emit, Randomness, Store
from holdfast.core.streaming import StreamLife, StreamState
from holdfast.errors import (
    BreakerOpenError,
    FaultClass,
    HoldfastError,
    Outcome,
    PayloadError,
    StoreCorruptError,
    VenueError,
)
from holdfast.runtime.views import BreakerStatus, CapabilityHealth, Isolable

__all__ = ["FACT", "READ_BREAK_MAX_S", "Capability", "Passage", "StreamRecord", "Vitals"]

READ_BREAK_MAX_S: Final = 30.0
"""No break of reads is longer, whatever is set: figures have to be right again within 90 s of the venue."""

FACT: Final = "breakers"
"""The store's fact that carries breakers through a restart."""

T = TypeVar("T")

_UNCOUNTED_LOSSES: Final = frozenset(
    {
        "clock",
        "credential",
        "credential_busy",
        "credential_parked",
        "denied",
        "funds",
        "lockout",
        "maintenance",
        "rate_limit",
        "rate_limited",
        "repair",
        "request",
    }
)
"""Why a stream may be gone without anything being broken at the venue."""


NEVER_S: Final = float("-inf")

_BY_CALL: Final = "`reset_circuit_breaker()`"


class Passage:
    """One call's way through a breaker, from being let in to its end. Ending it twice does nothing."""

    __slots__ = ("_capability", "_is_over", "_is_trial", "_left_s")

    def __init__(self, capability: Capability, *, is_trial: bool, now_s: float) -> None:
        self._capability = capability
        self._is_trial = is_trial
        self._left_s = now_s
        self._is_over = False

    def leaves(self, now_s: float) -> None:
        """The request leaves now: what it waited for before is not the venue's time."""
        self._left_s = now_s

    def succeeded(self, now_s: float) -> None:
        """It was answered as asked."""
        if not self._is_over:
            self._is_over = True
            self._capability.succeeded(now_s, now_s - self._left_s)

    def failed(self, error: HoldfastError, now_s: float) -> None:
        """It ended with *error*; what that says of the venue decides."""
        if not self._is_over:
            self._is_over = True
            self._capability.failed(error, now_s, now_s - self._left_s, is_trial=self._is_trial)

    def abandoned(self, now_s: float) -> None:
        """It ended without a word of the venue's."""
        if not self._is_over:
            self._is_over = True
            if self._is_trial:
                self._capability.abandoned(now_s)


class Capability:
    """
    What a broker can do, with its breaker and its record.

    Attributes:
        name: ``read`` or ``trade``.
        breaker: The rule.
        error_count: Counted errors in a row; 0 after one success.
        last_success_s: When the latest success left us, our clock; None before the first.
        latency_s: How long its answer took.
        is_closed: What fails from now on fails because we end it.
    """

    __slots__ = (
        "_broker",
        "_is_upheld",
        "_now_s",
        "_on_change",
        "_slow_call_s",
        "breaker",
        "error_count",
        "is_closed",
        "is_stuck_told",
        "last_error",
        "last_fault",
        "last_fault_s",
        "last_success_s",
        "latency_s",
        "name",
        "told_openings",
        "told_state",
    )

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        *,
        broker: str,
        clock: Clock,
        randomness: Randomness,
        on_change: Callable[[Capability, float], None],
        is_upheld: Callable[[], bool],
    ) -> None:
        self.name = name
        self.breaker = Breaker(settings, clock.now_s(), randomness=randomness)
        self.error_count = 0
        self.last_success_s: float | None = None
        self.latency_s: float | None = None
        self.last_fault: str | None = None
        self.last_error: str | None = None
        self.last_fault_s: float | None = None
        self.is_closed = False
        self.told_state = BreakerState.CLOSED
        self.told_openings = 0
        self.is_stuck_told = False
        self._broker = broker
        self._slow_call_s = settings.slow_call_s
        self._now_s = clock.now_s
        self._on_change = on_change
        self._is_upheld = is_upheld

    def enter(self, now_s: float, *, is_forced: bool = False) -> Passage:
        """
        Let a call in; half-open it is a trial. *is_forced* goes whatever the breaker says, and heals like any other.

        Raises:
            BreakerOpenError: Not now.
        """
        breaker = self.breaker
        is_trial = False
        if not breaker.is_quiet:
            is_allowed = breaker.allow(now_s)
            if not is_allowed and not is_forced:
                raise self.denial(now_s)
            is_trial = is_allowed and breaker.state(now_s) is BreakerState.HALF_OPEN
            self._on_change(self, now_s)
        return Passage(self, is_trial=is_trial, now_s=now_s)

    def denial(self, now_s: float) -> BreakerOpenError:
        """The error for a call that may not go now."""
        retry_after_s = self.breaker.retry_after_s(now_s)
        return BreakerOpenError(
            f"{self._broker}: {self.words(now_s)}", retry_after_s=None if retry_after_s is None else retry_after_s
        )

    def words(self, now_s: float) -> str:
        """Why calls are refused, in a sentence with what to do."""
        breaker, retry_after_s = self.breaker, self.breaker.retry_after_s(now_s)
        if retry_after_s is None:
            return (
                f"the {self.name} breaker is isolated ({breaker.why}): `holdfast reset-circuit-breaker {self._broker}`"
                f" or {_BY_CALL} closes it"
            )
        trial = "a trial is under way" if breaker.state(now_s) is BreakerState.HALF_OPEN else "it is open"
        return (
            f"the {self.name} breaker lets nothing through ({trial}; {self.error_count} errors in a row, the latest: "
            f"{breaker.why}): the next trial in {max(0.0, retry_after_s):.1f} s, or at once with "
            f"`holdfast reset-circuit-breaker {self._broker}` or {_BY_CALL}"
        )

    async def guard(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        is_forced: bool = False,
        left_s: Callable[[T], float] | None = None,
    ) -> T:
        """
        Make one call through the breaker, and tell it how that went. Suspends.

        Args:
            call: Makes the request.
            is_forced: Let it go whatever the breaker says.
            left_s: When the request left, by its answer; the call's start where None.

        Raises:
            BreakerOpenError: Nothing was sent.
        """
        breaker = self.breaker
        passage = None if breaker.is_quiet else self.enter(self._now_s(), is_forced=is_forced)
        began_s = self._now_s()
        try:
            answer = await call()
        except HoldfastError as error:
            now_s = self._now_s()
            (passage or Passage(self, is_trial=False, now_s=began_s)).failed(error, now_s)
            raise
        except BaseException:
            if passage is not None:
                passage.abandoned(self._now_s())
            raise
        now_s = self._now_s()
        if left_s is not None:
            began_s = left_s(answer)
        took_s = now_s - began_s
        if took_s >= self._slow_call_s or self.error_count or not breaker.is_quiet:
            self.succeeded(now_s, took_s)
        else:
            self.last_success_s = began_s
            self.latency_s = took_s
        return answer

    def succeeded(self, now_s: float, took_s: float) -> None:
        """A call was answered as asked."""
        self.last_success_s = now_s - took_s
        self.latency_s = took_s
        if took_s >= self._slow_call_s:
            self._note("slow", f"answered after {took_s:.1f} s", now_s)
            self.error_count += 1
            if self._is_upheld():
                return
        else:
            self.error_count = 0
        self.breaker.succeeded(now_s, took_s)
        self._on_change(self, now_s)

    def failed(self, error: HoldfastError, now_s: float, took_s: float, *, is_trial: bool) -> None:
        """A call ended with *error*."""
        if self.is_closed:
            return
        fault = _class_of(error)
        if fault in COUNTED:
            self._note(fault.value, str(error), now_s)
            self.error_count += 1
            if not self._is_upheld():
                self.breaker.failed(fault, now_s, took_s)
        elif isinstance(error, VenueError) and error.outcome is Outcome.REJECTED and fault in _ANSWERS:
            self.breaker.answered(now_s)
        elif is_trial:
            self.breaker.abandoned(now_s)
        self._on_change(self, now_s)

    def abandoned(self, now_s: float) -> None:
        """A trial ended without a word of the venue's."""
        self.breaker.abandoned(now_s)
        self._on_change(self, now_s)

    def forget(self) -> None:
        """A person cleared it."""
        self.error_count = 0

    def _note(self, word: str, detail: str, now_s: float) -> None:
        self.last_fault = word
        self.last_error = detail[:300]
        self.last_fault_s = now_s

    def health(self, now_s: float) -> CapabilityHealth:
        """How it stands at *now_s*."""
        breaker = self.breaker
        return CapabilityHealth(
            name=self.name,
            breaker=BreakerStatus(
                state=breaker.state(now_s),
                retry_after_s=breaker.retry_after_s(now_s),
                open_for_s=breaker.open_for_s(now_s),
                why=breaker.why,
                is_stuck=breaker.is_stuck(now_s),
                openings=breaker.openings,
            ),
            error_count=self.error_count,
            last_success_age_s=_age(self.last_success_s, now_s),
            latency_s=self.latency_s,
            last_fault=self.last_fault,
            last_error=self.last_error,
            last_fault_age_s=_age(self.last_fault_s, now_s),
        )


class StreamRecord:
    """The stream's own record: its breaker is a mirror of its life, which has a backoff of its own."""

    def __init__(self, life: StreamLife | None, *, failure_threshold: int, stuck_after_s: float) -> None:
        self.life = life
        self.error_count = 0
        self.openings = 0
        self.opened_s: float | None = None
        self.live_s: float | None = None
        self.why: str | None = None
        self.last_fault_s: float | None = None
        self._failure_threshold = failure_threshold
        self._stuck_after_s = stuck_after_s

    @property
    def is_live(self) -> bool:
        """Whether validated data of every channel is here, on a socket that is heard."""
        return self.life is not None and self.life.state is StreamState.LIVE

    def lost(self, reason: str, now_s: float) -> bool:
        """A connection, or an attempt at one, ended; whether that opened the breaker."""
        if reason in _UNCOUNTED_LOSSES:
            return False
        self.error_count += 1
        self.why = reason
        self.last_fault_s = now_s
        if self.error_count < self._failure_threshold or self.opened_s is not None:
            return False
        self.opened_s = now_s
        self.openings += 1
        return True

    def live(self, now_s: float) -> float | None:
        """Every channel has stated: since when the breaker was open, None where it was not."""
        opened_s, self.opened_s = self.opened_s, None
        self.error_count = 0
        self.why = None
        self.live_s = now_s
        return opened_s

    def reset(self, now_s: float) -> None:
        """A person cleared it: the next connection need not wait."""
        self.error_count = 0
        self.opened_s = None
        if self.life is not None:
            self.life.hurry(now_s=now_s)

    def state(self, now_s: float) -> BreakerState:
        """The state that its life amounts to."""
        if self.opened_s is None or self.life is None:
            return BreakerState.CLOSED
        at_s = self.life.connect_at_s()
        return BreakerState.HALF_OPEN if at_s is None or at_s <= now_s else BreakerState.OPEN

    def is_stuck(self, now_s: float) -> bool:
        """Whether it has failed for too long."""
        return self.opened_s is not None and now_s - self.opened_s >= self._stuck_after_s

    def health(self, now_s: float) -> CapabilityHealth:
        """How it stands at *now_s*."""
        at_s = None if self.life is None or self.opened_s is None else self.life.connect_at_s()
        return CapabilityHealth(
            name="stream",
            breaker=BreakerStatus(
                state=self.state(now_s),
                retry_after_s=0.0 if at_s is None else max(0.0, at_s - now_s),
                open_for_s=_age(self.opened_s, now_s),
                why=self.why,
                is_stuck=self.is_stuck(now_s),
                openings=self.openings,
            ),
            error_count=self.error_count,
            last_success_age_s=_age(self.live_s, now_s),
            latency_s=None,
            last_fault=self.why,
            last_error=None,
            last_fault_age_s=_age(self.last_fault_s, now_s),
        )


class Vitals:
    """
    One broker's capabilities. Never suspends where it does not say so.

    Attributes:
        read: REST reads.
        trade: Order placement.
        stream: The private stream.
        data_s: Tells when a live stream last stated something, our clock; None while none is live.
        on_change: Called when a breaker changed.
    """

    def __init__(
        self,
        *,
        name: str,
        read: BreakerSettings,
        trade: BreakerSettings,
        life: StreamLife | None,
        store: Store,
        clock: Clock,
        randomness: Randomness,
        emit: Emit,
    ) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._emit = emit
        self.data_s: Callable[[], float | None] = _never
        self.on_change: Callable[[], None] = _nothing
        self.stream = StreamRecord(life, failure_threshold=read.failure_threshold, stuck_after_s=trade.stuck_after_s)
        given = {"broker": name, "clock": clock, "randomness": randomness, "on_change": self._tell}
        self.read = Capability("read", read, is_upheld=lambda: self.stream.is_live, **given)  # type: ignore[arg-type]
        self.trade = Capability("trade", trade, is_upheld=lambda: False, **given)  # type: ignore[arg-type]
        self._both = (self.read, self.trade)
        self._is_stream_stuck_told = False
        self._has_brought = False  # The trade breaker's trial, since it opened or the stream came back.

    @property
    def error_count(self) -> int:
        """Counted errors in a row, whatever was asked; 0 after one success of anything that was asked since."""
        count = max(capability.error_count for capability in self._both)
        if not count:
            return 0
        failed_s = max((each.last_fault_s for each in self._both if each.last_fault_s is not None), default=NEVER_S)
        healed_s = max((each.last_success_s for each in self._both if each.last_success_s is not None), default=NEVER_S)
        return 0 if healed_s > failed_s else count

    # Restarts

    async def restore(self) -> None:
        """Go on where an earlier process was. Suspends; raises ``StoreError``."""
        text = await self._store.fact(FACT)
        if text is None:
            return
        try:
            records = msgspec.json.decode(text, type=dict[str, BreakerRecord])
        except msgspec.DecodeError as error:
            raise StoreCorruptError(f"the breakers in the store cannot be read: {error}") from None
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        for each in self._both:
            if each.name in records:
                each.breaker.restore(records[each.name], now_s=now_s, wall_us=wall_us)
                each.told_state = each.breaker.state(now_s)

    def _text(self) -> str:
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        records = {each.name: each.breaker.snapshot(now_s=now_s, wall_us=wall_us) for each in self._both}
        return msgspec.json.encode(records).decode()

    def close(self) -> None:
        """Count nothing any more: connections end because we end them."""
        for each in self._both:
            each.is_closed = True

    # The stream's word

    def stream_lost(self, reason: str, now_s: float) -> None:
        """A connection, or an attempt at one, ended."""
        if self.read.is_closed:
            return
        self._has_brought = False  # Its return will be news.
        if self.stream.lost(reason, now_s):
            self._tell_opened("stream", self.stream.error_count, reason, None)

    def stream_is_live(self, now_s: float) -> None:
        """Every channel has stated validated data: that closes what it stands in for."""
        opened_s = self.stream.live(now_s)
        self._is_stream_stuck_told = False
        if opened_s is not None:
            self._tell_closed("stream", now_s - opened_s)
        self.read.breaker.close(now_s)
        self._tell(self.read, now_s)

    # Orders

    def is_trade_shut(self, now_s: float) -> bool:
        """Whether the trade breaker is anything but closed: what passes it all the same goes one at a time."""
        breaker = self.trade.breaker
        return not breaker.is_quiet and breaker.state(now_s) is not BreakerState.CLOSED

    def is_trade_open(self, now_s: float) -> bool:
        """Whether a new order would be refused now; what a live stream says meanwhile ends the break early."""
        breaker = self.trade.breaker
        if breaker.is_quiet:
            return False
        self._hear_data(now_s)
        return not breaker.would_allow(now_s)

    def _hear_data(self, now_s: float) -> None:
        """End the trade breaker's break early where a live stream has stated something since it opened."""
        breaker = self.trade.breaker
        if self._has_brought or breaker.state(now_s) is not BreakerState.OPEN:
            return
        data_s = self.data_s()
        if data_s is not None and data_s > breaker.opened_s:
            # Once for one connection: what it goes on saying is no news about orders.
            self._has_brought = True
            breaker.bring_forward(now_s)
            self._tell(self.trade, now_s)

    # A person's word

    async def reset(self, *, keeps_isolated: bool = False) -> None:
        """
        Close every breaker, or all that no person holds open, and forget what was counted; kept before it returns.

        Suspends; raises ``StoreError``.
        """
        now_s = self._clock.now_s()
        for each in self._both:
            before = each.breaker.state(now_s)
            if keeps_isolated and before is BreakerState.ISOLATED:
                continue
            each.breaker.reset(now_s)
            each.forget()
            if before is not BreakerState.CLOSED:
                self._emit(event("breaker.reset", broker=self.name, capability=each.name, before=before.value))
            each.told_state = BreakerState.CLOSED
            each.is_stuck_told = False
        self.stream.reset(now_s)
        self.on_change()
        await self._store.keep_fact(FACT, self._text())

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        """Hold breakers open until they are reset; kept before it returns. Suspends; raises ``StoreError``."""
        now_s = self._clock.now_s()
        for each in self._both:
            if what in ("all", each.name):
                # Said again without a reason, the reason that was given stands.
                was = each.breaker.why if each.breaker.state(now_s) is BreakerState.ISOLATED else None
                each.breaker.isolate(now_s, reason or was or "by_command")
                each.told_state = BreakerState.ISOLATED
                self._emit(event("breaker.isolated", broker=self.name, capability=each.name, reason=each.breaker.why))
        self.on_change()
        await self._store.keep_fact(FACT, self._text())

    # Telling

    def look(self, now_s: float) -> None:
        """Tell of what time alone has changed. Cheap while all is well."""
        for each in self._both:
            if not each.breaker.is_quiet:
                self._tell(each, now_s)
        self._hear_data(now_s)
        if self.stream.is_stuck(now_s) and not self._is_stream_stuck_told:
            self._is_stream_stuck_told = True
            self._tell_stuck("stream", now_s - (self.stream.opened_s or now_s), self.stream.why)

    def health(self, now_s: float) -> tuple[CapabilityHealth, ...]:
        """How everything stands at *now_s*."""
        self.look(now_s)
        return (self.read.health(now_s), self.trade.health(now_s), self.stream.health(now_s))

    def _tell(self, capability: Capability, now_s: float) -> None:
        breaker, before = capability.breaker, capability.told_state
        state = breaker.state(now_s)
        if state is before and breaker.openings == capability.told_openings:
            self._tell_if_stuck(capability, now_s)
            return
        has_opened = breaker.openings != capability.told_openings
        capability.told_state, capability.told_openings = state, breaker.openings
        if has_opened:
            self._tell_opened(capability.name, capability.error_count, breaker.why, breaker.retry_after_s(now_s))
        if state is BreakerState.HALF_OPEN:
            self._emit(event("breaker.half_opened", broker=self.name, capability=capability.name))
        elif state is BreakerState.CLOSED:
            capability.is_stuck_told = False
            self._tell_closed(capability.name, breaker.was_open_for_s)
            if capability is self.trade:
                self._has_brought = False
        if has_opened or state is BreakerState.CLOSED:
            self._store.keep((), (), {FACT: self._text()})
        self._tell_if_stuck(capability, now_s)
        self.on_change()

    def _tell_if_stuck(self, capability: Capability, now_s: float) -> None:
        breaker = capability.breaker
        if not capability.is_stuck_told and breaker.is_stuck(now_s):
            capability.is_stuck_told = True
            self._tell_stuck(capability.name, breaker.open_for_s(now_s) or 0.0, breaker.why)

    def _tell_opened(self, name: str, failures: int, fault: str | None, retry_after_s: float | None) -> None:
        rounded = None if retry_after_s is None else round(retry_after_s, 1)
        facts = {"failures": failures, "fault": fault, "retry_after_s": rounded}
        self._emit(event("breaker.opened", broker=self.name, capability=name, **facts))

    def _tell_closed(self, name: str, after_s: float) -> None:
        self._emit(event("breaker.closed", broker=self.name, capability=name, after_s=round(after_s, 1)))

    def _tell_stuck(self, name: str, for_s: float, fault: str | None) -> None:
        self._emit(event("breaker.stuck", broker=self.name, capability=name, for_s=round(for_s, 1), fault=fault))


_ANSWERS: Final = frozenset({FaultClass.FUNDS, FaultClass.REQUEST})
"""A refusal of these classes says that the venue handles what it is sent."""


def _class_of(error: HoldfastError) -> FaultClass | None:
    if isinstance(error, PayloadError):
        return FaultClass.PAYLOAD
    if not isinstance(error, VenueError):
        return None
    return error.fault if fault_of(error).counts or error.fault not in COUNTED else None


def _age(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else max(0.0, now_s - at_s)


def _never() -> float | None:
    return None


def _nothing() -> None:
    pass
