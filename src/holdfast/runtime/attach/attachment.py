"""
The attached side: the connection to an account's owner, its picture, and the calls it is asked for.

A call is asked for once, with the moment until which it may begin; the owner says ``accepted`` before it does anything.
Who was not accepted in time knows that nothing was done and nothing will be: the owner discards what it reads too late.
Who was accepted and never answered knows only that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.core.events import Event, event
from holdfast.core.seams import Clock
from holdfast.errors import ClosedError, ConfigError, OutcomeUnknownError, OwnerSilentError
from holdfast.runtime.attach.lines import LocalSockets, Place
from holdfast.runtime.attach.link import Asked, Link, end
from holdfast.runtime.attach.mirror import SILENT_AFTER_S, Mirror
from holdfast.runtime.attach.protocol import (
    VERSION,
    Bye,
    ClientHello,
    Failed,
    Follow,
    FrameError,
    FromOwner,
    Happened,
    Listed,
    OwnerHello,
    Pushed,
    encode_value,
)
from holdfast.runtime.attach.values import CallKind, call_named, error_of
from holdfast.runtime.backend import BrokerBackend
from holdfast.runtime.callers import own_command
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.views import BalancesChanged

__all__ = ["Attachment"]

_OTHER_CLOCK_S: Final = 60.0
_FATAL: Final = frozenset({"version", "refused"})
"""Why an owner would never take us, however often it is asked."""


class Attachment:
    """
    The connection to a broker's owner, what it said, and what it is asked.

    Args:
        where: The place its owner is found at.
        listeners: This broker's own, and those of its desk; they outlive this object when it is succeeded.
        wait_s: How long a call waits for an owner that takes it.

    Attributes:
        name, venue, environment: Of the configuration; the owner's own where nothing but a path was known.
        on_lost: Called when the connection is gone.
        loss: Why the last connection ended, in one word; None before one did.
        refusal: Why no owner there would ever take us, once one has said so.
    """

    def __init__(
        self,
        *,
        where: Place,
        name: str,
        venue: str,
        environment: str,
        sockets: LocalSockets,
        clock: Clock,
        emitter: Emitter,
        listeners: tuple[Listeners, ...],
        wait_s: float,
    ) -> None:
        self.where = where
        self.name = name
        self.venue = venue
        self.environment = environment
        self.on_lost: Callable[[], None] = _nothing
        self.refusal: ConfigError | None = None
        self.loss: str | None = None
        self._sockets = sockets
        self.clock = clock
        self._emitter = emitter
        self._listeners = listeners
        self.wait_s = wait_s
        self.mirror = Mirror(name=name, venue=venue, environment=environment)
        self._link: Link | None = None
        self._owner_pid: int | None = None
        self._is_told_lost = True  # Nothing is lost before anything was there.
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._successor: BrokerBackend | None = None
        self._is_closed = False
        emitter.on_heard.append(self._follow_events)

    # The connection

    def connect(self) -> bool:
        """
        Connect to whoever serves the place now; False where nobody does. Never suspends.

        Raises:
            ConfigError: What is there may not be used.
        """
        self.refusal = None
        link = Link(self)
        line = self._sockets.connect(self.where, link)
        if line is None:
            return False
        link.line = line
        self._link = link
        self._owner_pid = line.peer.pid
        wants_events = self._emitter.is_heard
        link.say(ClientHello(version=VERSION, pid=os.getpid(), wants_events=wants_events, command=own_command()))
        return True

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, greeted or not."""
        return self._link is not None

    @property
    def is_attached(self) -> bool:
        """Whether the owner's picture is here, over the connection there is now."""
        return self._link is not None and self._link.is_filled

    @property
    def owner_pid(self) -> int | None:
        """The process that owns the account, or owned it last."""
        return self._owner_pid

    async def moved(self, *, within_s: float) -> None:
        """Suspend until anything happened to the connection or the picture, at most *within_s* seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(max(0.0, within_s), end, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def hand_over(self, successor: BrokerBackend) -> None:
        """This process owns the account now: whoever still waits here is served there."""
        self._successor = successor
        self._drop()

    def close(self) -> None:
        """End the connection and everything that waits on it. Safe to repeat; never suspends."""
        self._is_closed = True
        self._drop()

    def silence(self, what: str) -> OwnerSilentError:
        """What whoever waited for the owner in vain is told; *what* was not done."""
        silent_for_s = self._silent_for_s()
        if self._owner_pid is None:
            text = f"nobody owns the account of broker {self.name} here" if self.name else f"no owner at {self.where}"
        elif silent_for_s is None:
            text = f"process {self._owner_pid} owns the account of broker {self.name or self.where} and does not answer"
        else:
            text = f"process {self._owner_pid}, which owns the account of broker {self.name}, was last heard "
            text += f"{silent_for_s:.1f} s ago"
        return OwnerSilentError(f"{text}: {what}", pid=self._owner_pid, silent_for_s=silent_for_s)

    def _silent_for_s(self) -> float | None:
        heard_s = self.mirror.heard_s
        return None if heard_s == float("-inf") else max(0.0, self.clock.now_s() - heard_s)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.drop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._follow_events in self._emitter.on_heard:
            self._emitter.on_heard.remove(self._follow_events)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            end(waiter)

    def _follow_events(self) -> None:
        if self._link is not None:
            self._link.say(Follow(wants_events=self._emitter.is_heard))

    @property
    def listeners(self) -> Listeners:
        """This broker's own."""
        return self._listeners[0]

    # What the owner says

    def heard(self, link: Link, message: FromOwner) -> None:
        """One message of the owner."""
        if isinstance(message, Pushed):
            self._pushed(link, message)
        elif isinstance(message, Happened):
            self._emitter(Event(name=message.name, level=message.level, fields=message.fields))
        elif isinstance(message, Listed):
            self.mirror.assets = message.assets
        elif isinstance(message, OwnerHello):
            self._greeted(link, message)
        elif isinstance(message, Bye):
            if message.reason in _FATAL:
                self.refusal = ConfigError(f"the owner of {self.where} does not take us: {message.detail}")
            self.link_lost(link, message.reason)
        else:
            link.answered(message)

    def _greeted(self, link: Link, hello: OwnerHello) -> None:
        now_s = self.clock.now_s()
        if hello.version != VERSION:
            self._refuse(link, f"it speaks version {hello.version}, we speak {VERSION}: run one version of holdfast")
        elif abs(hello.now_s - now_s) > _OTHER_CLOCK_S:
            self._refuse(link, "its clock is not ours: another machine, or a container with a clock of its own")
        elif self.where.path is None and (hello.broker, hello.environment) != (self.name, self.environment):
            self._refuse(link, f"it is of broker {hello.broker} ({hello.environment})")
        else:
            self.name, self.venue, self.environment = hello.broker, hello.venue, hello.environment
            mirror = self.mirror
            mirror.name, mirror.venue, mirror.environment = hello.broker, hello.venue, hello.environment
            self._owner_pid = hello.pid
            mirror.greeted(hello)
            link.is_greeted = True

    def _refuse(self, link: Link, why: str) -> None:
        self.refusal = ConfigError(f"the owner at {self.where} cannot be used: {why}")
        self.link_lost(link, "refused")

    def _pushed(self, link: Link, pushed: Pushed) -> None:
        if not link.is_greeted:
            raise FrameError("figures before a hello", reason="malformed")
        self.mirror.take(pushed, now_s=self.clock.now_s())
        if pushed.is_whole:
            link.is_filled = True
        if self._is_told_lost and not self.mirror.is_silent(now_s=self.clock.now_s()):
            self._is_told_lost = False
            self._emitter(event("owner.attached", broker=self.name, pid=self._owner_pid))
            self._tell_all("state")
        for change in pushed.changes:
            self._tell(change)
        if self._timer is None:
            self._look_at_silence()
        self._wake()

    def link_lost(self, link: Link, reason: str) -> None:
        """The connection is gone, or is given up."""
        link.drop()
        if link is not self._link:
            return
        self._link = None
        self.loss = reason
        self.mirror.lost()
        self._lost(reason)
        self._wake()
        self.on_lost()

    def _lost(self, reason: str) -> None:
        if not self._is_told_lost:
            self._is_told_lost = True
            self._emitter(event("owner.lost", broker=self.name, pid=self._owner_pid, reason=reason))
            self._tell_all("state")

    def _look_at_silence(self) -> None:
        """Notice silence when it begins, and give up what it has lasted too long for."""
        self._timer = None
        link = self._link
        if link is None:
            return
        now_s = self.clock.now_s()
        silent_s = now_s - self.mirror.heard_s
        if silent_s > SILENT_AFTER_S:
            self._lost("silent")
            self._wake()
            if silent_s >= self.wait_s:
                link.give_up()
            wait_s = 1.0 if silent_s >= self.wait_s else min(1.0, self.wait_s - silent_s)
        else:
            wait_s = SILENT_AFTER_S - silent_s
        self._timer = asyncio.get_running_loop().call_later(wait_s + 0.01, self._look_at_silence)

    def _tell_all(self, kind: str) -> None:
        assets = tuple(self.mirror.balances(now_s=self.clock.now_s()))
        if assets:
            self._tell(BalancesChanged(broker=self.name, kind=kind, assets=assets))

    def _tell(self, change: BalancesChanged) -> None:
        for listeners in self._listeners:
            if not listeners.is_empty:
                listeners.tell(change)

    # Calls

    async def ask(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        kind: CallKind | None = None,
        until_s: float | None = None,
        intent_id: str | None = None,
    ) -> Any:
        """
        Have the owner do it, once. Suspends.

        Raises:
            OwnerSilentError: No owner took it by *until_s*, the lane wait from now when None: nothing was done. Or, for
                what concerns only ourselves, one took it and was not heard again.
            OutcomeUnknownError: An owner took what acts at the venue, and was not heard again.
        """
        call = call_named(name)
        assert call is not None
        kind = call.kind if kind is None else kind
        raw = encode_value(arguments)
        until_s = self.clock.now_s() + self.wait_s if until_s is None else until_s
        while True:
            if self._is_closed:
                raise ClosedError(f"broker {self.name} is closed")
            if self._successor is not None:
                return await getattr(self._successor, name)(**arguments)
            link = self._link
            now_s = self.clock.now_s()
            if link is None or not link.is_filled or self.mirror.is_silent(now_s=now_s):
                if now_s >= until_s:
                    raise self.silence(f"{name} was not sent to it, and nothing was done")
                await self.moved(within_s=until_s - now_s)
                continue
            asked = link.ask(name, raw, until_s)
            try:
                if not await self._begun(link, asked, until_s):
                    raise self.silence(f"it did not take {name} in time, and discards it when it reads it")
                if not asked.is_accepted and asked.answer is None:
                    continue  # Lost before it was taken: the next owner may have it.
                await asked.ended
            except asyncio.CancelledError:
                link.stop(asked)
                raise
            answer = asked.answer
            if isinstance(answer, Failed):
                raise error_of(answer.failure)
            if answer is not None:
                return call.result(answer.value)
            if kind is CallKind.ACT:
                raise self._unknown(name, intent_id)
            if kind is CallKind.CLAIM:
                raise self.silence(
                    f"it took {name} and did not answer; nothing of it reaches the venue without an order"
                )
            until_s = self.clock.now_s() + self.wait_s

    async def _begun(self, link: Link, asked: Asked, until_s: float) -> bool:
        """Whether the call was taken, answered or lost before *until_s*. Suspends."""
        while not asked.begun.done():
            wait_s = until_s - self.clock.now_s()
            if wait_s <= 0:
                # What says that it was taken may have arrived while nobody looked.
                link.read_now()
                if not asked.begun.done():
                    link.stop(asked)
                    return False
            else:
                await asyncio.wait({asked.begun}, timeout=wait_s + 0.001)
        return True

    def _unknown(self, name: str, intent_id: str | None) -> OutcomeUnknownError:
        look = "" if intent_id is None else f"; await broker.resolution({intent_id!r}) tells what became of it"
        error = OutcomeUnknownError(
            f"process {self._owner_pid}, which owns the account of broker {self.name}, took {name} and did not answer"
            f"{look}",
            venue=self.venue,
            request=name,
            account=self.name,
        )
        error.intent_id = intent_id
        return error


def _nothing() -> None:
    pass
