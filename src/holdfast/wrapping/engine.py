"""
What stands behind every wrapped exchange of one account in one process: a thread with the lane and the desk.

A thread, because ccxt's synchronous objects have no event loop, its asynchronous ones are used from one loop after
another, and an account's owner has to go on when neither runs. One per process and account: two wrapped objects, one
synchronous and one not, are one user of the key. The desk is opened when figures or orders are first asked for; the
lane alone needs nobody.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.limits import DecayingCounter, own_counter
from holdfast.core.seams import Priority
from holdfast.core.venue import SequencePolicy, Venue
from holdfast.errors import NotReadyError, Outcome, RateLimitedError
from holdfast.runtime.broker import Broker
from holdfast.runtime.lane import FileLane
from holdfast.runtime.loop_thread import LoopThread
from holdfast.runtime.open import Opening
from holdfast.runtime.open import open as open_desk
from holdfast.runtime.parts import OpenLane, Parts, real_parts
from holdfast.runtime.silence import keep_silent

__all__ = ["RATE_WAIT_S", "Account", "CallBudget", "Engine", "HeldTurn", "engine_of", "give_back", "give_back_and_stop"]

T = TypeVar("T")

RATE_WAIT_S: Final = 30.0
"""How long a call of ccxt's waits for room in the venue's counter."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """
    Whose account a wrapped exchange uses, and how: what an ``Engine`` is made of.

    ``figures_wait_s`` is how long the first figures are waited for, ``doubt_wait_s`` how long the evidence on an order
    whose answer was lost.
    """

    config: Config
    broker: BrokerConfig
    venue: Venue
    credential: Credential
    figures_wait_s: float
    doubt_wait_s: float

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells accounts apart within a process."""
        return (self.broker.name, self.credential.fingerprint, self.config.state_dir)

    @property
    def has_nonces(self) -> bool:
        """Whether its venue wants rising nonces."""
        return self.venue.facts.sequence is SequencePolicy.INCREASING_PER_KEY

    def parts(self) -> Parts:
        """The real parts, with the exchange's own credential in place of one that is read from files."""
        import dataclasses

        return dataclasses.replace(real_parts(self.config), credential=lambda _broker, _venue: self.credential)


class HeldTurn:
    """A turn in the lane that is held in the engine's thread for a request that is made elsewhere."""

    def __init__(self, engine: Engine, turn: Any, closing: Callable[[], Awaitable[None]]) -> None:
        self._engine = engine
        self._turn = turn
        self._closing = closing
        self._spare: int | None = None

    async def prepare(self) -> None:
        """Have a nonce ready, where the venue wants any; in the engine's thread."""
        if self._engine.account.has_nonces:
            self._spare = await self._turn.take()

    def nonce(self) -> int | None:
        """
        The nonce of the next request of this turn, durable; None where the venue wants none.

        Does not wait for the first; a second one, for a repeated read, waits for the disk.
        """
        if not self._engine.account.has_nonces:
            return None
        nonce, self._spare = self._spare, None
        if nonce is None:
            nonce = self._engine.submit(self._turn.take).result()
        return nonce

    async def renew(self) -> None:
        """Have the one regenerated nonce ready, further ahead; in the engine's thread."""
        self._spare = await self._turn.take_beyond()

    async def park(self, cause: str, for_s: float | None) -> None:
        """Close the key to every process of this host; in the engine's thread."""
        await self._turn.park(cause, for_s=for_s)

    async def leave(self) -> None:
        """Give the lane back; in the engine's thread."""
        await self._closing()


class Engine:
    """
    One account's thread. Made by ``engine_of``; every method may be called from any thread of its process.

    Attributes:
        account: What it was made of.
        pid: The process it belongs to; useless in a forked child, which makes its own.
    """

    def __init__(self, account: Account, *, after: Engine | None = None) -> None:
        self.account = account
        self.pid = os.getpid()
        self.users = 0
        self._thread = LoopThread()
        self._room = _Room(account, after=after)
        self._thread.start(self._room)

    # From anywhere

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run a coroutine in the thread; its future. Raises ``ClosedError`` where the thread is not there."""
        return self._thread.submit(work)

    def stop(self) -> None:
        """Close the desk and end the thread. Blocks; safe to repeat."""
        self._thread.stop()

    def leave_later(self, entering: Future[HeldTurn]) -> None:
        """Give back a turn whose asker has gone, whether it has been given yet or not. Does not block."""

        def leave(future: Future[HeldTurn]) -> None:
            with contextlib.suppress(CancelledError, Exception):
                self.submit(future.result().leave)

        entering.cancel()
        entering.add_done_callback(leave)

    # In the thread

    async def keep_silent(self) -> None:
        """
        Return at once unless the key is locked out: unsigned calls count at a venue that asked for silence, too.

        Raises:
            CredentialParkedError: It is, whichever process of this host met it; nothing may be sent.
        """
        await self._room.keep_silent()

    async def hush(self) -> None:
        """The venue refused for its call counter: nobody of this host sends for a while."""
        self._room.budget.refused()

    async def enter(self, name: str, priority: Priority) -> HeldTurn:
        """
        Wait for room in the venue's call counter and for a turn, with its first nonce ready. Suspends.

        Raises:
            RateLimitedError: The venue's counter has no room for call *name* for longer than ``RATE_WAIT_S``.
            HoldfastError: What ``Lane.turn`` and ``Turn.take`` raise.
        """
        budget = self._room.budget
        while True:
            await budget.admit(name, priority)
            context = self._room.lane.turn(priority=priority)
            turn = await context.__aenter__()
            if budget.spend(name, priority):
                break
            await context.__aexit__(None, None, None)  # While we waited for the lane others used what we saw.

        async def close() -> None:
            await context.__aexit__(None, None, None)

        held = HeldTurn(self, turn, close)
        try:
            await held.prepare()
        except BaseException as error:
            await context.__aexit__(type(error), error, error.__traceback__)
            raise
        return held

    async def figures(self) -> Broker:
        """
        The broker, with figures: asked for again where they are not good enough to act on. Suspends.

        Raises:
            NotReadyError: No figure was ever confirmed, and none came in time. Unknown is not zero.
        """
        broker = await self._room.broker()
        if not broker.balances() or any(balance.total is None for balance in broker.balances().values()):
            try:
                await broker.ready(timeout_s=self.account.figures_wait_s)
            except NotReadyError:
                if not broker.balances():
                    raise
        elif any(not balance.is_fit_to_approve for balance in broker.balances().values()):
            await broker.refresh(timeout_s=self.account.figures_wait_s)
        return broker

    async def broker(self) -> Broker:
        """The broker, opened where it is not. Suspends; raises what ``holdfast.open`` raises."""
        return await self._room.broker()


class CallBudget:
    """The venue's counter of one credential's calls, where it has one, as ccxt's calls have to keep to it."""

    def __init__(self, account: Account, parts: Parts) -> None:
        self._facts = facts = account.venue.facts.call_counter
        self._venue, self._name = account.venue.id, account.broker.name
        self._clock = parts.clock
        self._counter: DecayingCounter | None = None
        if facts is not None:
            tier = account.broker.rate_tier or ("pro" if account.broker.environment == "simulated" else None)
            maximum, decay_per_s = facts.tiers[tier or facts.default_tier]
            make = own_counter if parts.counters is None else parts.counters(account.broker, account.credential)
            self._counter = make(maximum=maximum, decay_per_s=decay_per_s, now_s=self._clock.now_s())

    def _wait_s(self, name: str, priority: Priority) -> float:
        counter, facts = self._counter, self._facts
        if counter is None or facts is None:
            return 0.0
        cost = facts.costs.get(name, facts.default_cost)
        if not cost and priority is Priority.CANCEL:
            return 0.0  # Counted elsewhere: a cancel waits for nobody.
        return counter.wait_s(cost, now_s=self._clock.now_s(), headroom=facts.headroom.get(priority, 0.0))

    async def admit(self, name: str, priority: Priority) -> None:
        """Wait until a call fits. Suspends; raises ``RateLimitedError`` where that is later than ``RATE_WAIT_S``."""
        until_s = self._clock.now_s() + RATE_WAIT_S
        while (wait_s := self._wait_s(name, priority)) > 0:
            if self._clock.now_s() + wait_s > until_s:
                raise RateLimitedError(
                    f"{name} was not sent: the key's rate limit at {self._venue} has no room for {wait_s:.1f} s",
                    venue=self._venue,
                    request=name,
                    account=self._name,
                    outcome=Outcome.NEVER_SENT,
                    retry_after_s=wait_s,
                )
            await asyncio.sleep(wait_s)

    def spend(self, name: str, priority: Priority) -> bool:
        """Count a call that is about to leave; False where it does not fit any more. Does not suspend."""
        if self._wait_s(name, priority) > 0:
            return False
        if self._counter is not None and self._facts is not None:
            self._counter.spend(self._facts.costs.get(name, self._facts.default_cost), now_s=self._clock.now_s())
        return True

    def refused(self) -> None:
        """Believe the venue rather than our own count."""
        if self._counter is not None and self._facts is not None:
            self._counter.refused(now_s=self._clock.now_s(), quiet_s=self._facts.quiet_s)


class _Room:
    """What the thread has while it runs: the lane, and the desk once it is asked for."""

    def __init__(self, account: Account, *, after: Engine | None) -> None:
        self._account = account
        self._after = after
        self._opening: Opening | None = None
        self._broker: Broker | None = None
        self._lock = asyncio.Lock()
        self._lane: OpenLane | None = None
        self._parts: Parts | None = None
        self._budget: CallBudget | None = None

    @property
    def lane(self) -> OpenLane:
        """The key's lane, made when it is first asked for. Raises ``ConfigError`` where there is no state folder."""
        if self._lane is None:
            account = self._account
            self._lane = self._made().lane(account.broker, account.credential, _unheard)
        return self._lane

    async def keep_silent(self) -> None:
        """Raise where the lane is parked for a lockout. Suspends."""
        await keep_silent(self.lane, self._made().clock, name=self._account.broker.name)

    @property
    def budget(self) -> CallBudget:
        """What the venue counts of the key's calls, shared with every process and with holdfast's own client."""
        if self._budget is None:
            self._budget = CallBudget(self._account, self._made())
        return self._budget

    async def broker(self) -> Broker:
        """The broker of a desk that is opened when it is first asked for."""
        async with self._lock:
            if self._broker is None:
                if self._after is not None:
                    await asyncio.to_thread(self._after.stop)  # Its account has to be given back first.
                    self._after = None
                name = self._account.broker.name
                opening = open_desk(self._account.config, brokers=[name], parts=self._made())
                desk = await opening.__aenter__()
                self._opening, self._broker = opening, desk[name]
            return self._broker

    def _made(self) -> Parts:
        if self._parts is None:
            self._parts = self._account.parts()
        return self._parts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._lane, FileLane):
            self._lane.close()
        opening, self._opening, self._broker = self._opening, None, None
        if opening is not None:
            await opening.__aexit__(None, None, None)


def _unheard(_: Event) -> None:
    """What the lane tells, the desk's own lane tells too."""


_engines: dict[tuple[int, tuple[str, str, str | None]], Engine] = {}
_ended: dict[tuple[int, tuple[str, str, str | None]], Engine] = {}
_registry = threading.Lock()


def engine_of(account: Account) -> Engine:
    """This process's engine for *account*, with one more user; made where there is none. Does not wait for a desk."""
    place = (os.getpid(), account.key)
    with _registry:
        engine = _engines.get(place)
        if engine is None:
            engine = _engines[place] = Engine(account, after=_ended.pop(place, None))
        engine.users += 1
        return engine


def give_back(engine: Engine) -> Engine | None:
    """One user less; the engine where nobody is left: stop it."""
    place = (engine.pid, engine.account.key)
    with _registry:
        engine.users -= 1
        if engine.users > 0 or _engines.get(place) is not engine:
            return None
        del _engines[place]
        _ended[place] = engine
        return engine


def give_back_and_stop(engine: Engine) -> None:
    """One user less; ended where nobody is left. Blocks."""
    last = give_back(engine)
    if last is not None:
        last.stop()


def _renew_after_fork() -> None:
    """A lock that another thread of the parent held would never be free again."""
    global _registry
    _registry = threading.Lock()


def _stop_all() -> None:
    """Locks and sockets are given back before the interpreter goes, not torn away."""
    for (pid, _), engine in [*_engines.items(), *_ended.items()]:
        if pid == os.getpid():
            with contextlib.suppress(Exception):
                engine.stop()


os.register_at_fork(after_in_child=_renew_after_fork)
# Before the executors are shut down, which closing a desk needs; ``atexit`` comes after that.
getattr(threading, "_register_atexit", atexit.register)(_stop_all)
