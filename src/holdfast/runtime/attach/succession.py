"""
One broker's seat at a desk: owned here, or attached, and what happens when its owner dies.

A dead owner's lock is free at once, because the kernel keeps it with the process. Whoever is attached in mode ``auto``
tries to take it; exactly one can, and the others find its socket. A stopped owner keeps lock and connections alike:
nothing here moves then, and calls are denied with its process id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

from holdfast.core.events import event
from holdfast.core.seams import Clock, Randomness
from holdfast.errors import ClosedError, ConfigError, HoldfastError, OwnedElsewhereError
from holdfast.runtime.attach.attachment import Attachment
from holdfast.runtime.attach.lines import LocalSockets, Place
from holdfast.runtime.attach.remote import RemoteBroker
from holdfast.runtime.attach.serving import OwnerServer
from holdfast.runtime.backend import BrokerBackend
from holdfast.runtime.broker import Broker
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.guard import Guard
from holdfast.runtime.listeners import Listeners

__all__ = ["Mode", "Owned", "Seat"]

Mode = Literal["auto", "own", "attach"]
"""Whether a desk owns an account, attaches to its owner, or does what it can."""

_PAUSE_INITIAL_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_ATTACH_WITHIN_S: Final = 2.0
"""How long ``attach`` looks for an owner: one that just died may have a successor."""


class Owned(Protocol):
    """An account that this process owns."""

    @property
    def backend(self) -> BrokerBackend: ...

    @property
    def max_age_s(self) -> float:
        """Beyond which a fresh figure is stale."""
        ...

    @property
    def has_other_key(self) -> bool:
        """Whether the credential that would be read now is another one than the one in use."""
        ...

    def start(self) -> None:
        """Begin to supervise."""
        ...

    def check(self) -> None:
        """Prove that the account is still ours; raises ``ClosedError``."""
        ...

    async def close(self) -> None:
        """Give everything back, the locks last."""
        ...


class Seat:
    """
    One broker of a desk. ``open`` it, use ``broker``, ``close`` it.

    Args:
        where: The place its owner is found at.
        take: Takes the locks and opens the account, or raises ``OwnedElsewhereError``; None where we never own.
        sockets: Where owners are served and found; None where there are no others.
        listeners: This broker's own, and those of its desk.
        wait_s: The lane wait: the bound of every call to an owner.
    """

    def __init__(
        self,
        *,
        where: Place,
        name: str,
        venue: str,
        environment: str,
        mode: Mode,
        take: Callable[[], Awaitable[Owned]] | None,
        sockets: LocalSockets | None,
        clock: Clock,
        randomness: Randomness,
        emitter: Emitter,
        listeners: tuple[Listeners, ...],
        guard: Guard,
        wait_s: float,
    ) -> None:
        self.name = name
        self._where = where
        self._venue = venue
        self._environment = environment
        self._mode = mode
        self._take = take
        self._sockets = sockets
        self._clock = clock
        self._randomness = randomness
        self._emitter = emitter
        self._listeners = listeners
        self._guard = guard
        self._wait_s = wait_s
        self._owned: Owned | None = None
        self._server: OwnerServer | None = None
        self._attachment: Attachment | None = None
        self._succeeding: asyncio.Task[None] | None = None
        self._failure: str | None = None  # Of the last attempt to take the account over, as it was told.
        self._is_closed = False
        self._broker: Broker | None = None

    @property
    def broker(self) -> Broker:
        """The broker, once the seat is open."""
        if self._broker is None:
            raise ClosedError(f"broker {self.name} is not open")
        return self._broker

    async def open(self) -> None:
        """
        Own the account, or attach to its owner. Suspends, at most about the lane wait beyond opening a store.

        Raises:
            OwnedElsewhereError: Another process owns it, and mode is ``own`` or it serves no socket.
            OwnerSilentError: Its owner does not answer, or in mode ``attach`` there is none.
            ConfigError: What is needed to own it is missing; or who serves its socket cannot be used.
            StoreError: Its store cannot be opened.
        """
        if self._mode == "own" or self._sockets is None:
            if self._take is None:
                raise ConfigError(f"{self.name}: there are no sockets here to find an owner by")
            self._own(await self._take())
            return
        began_s = self._clock.now_s()
        attachment = self._attach_anew(self._sockets)
        pause_s = _PAUSE_INITIAL_S
        while True:
            elsewhere: OwnedElsewhereError | None = None
            if attachment.connect():
                await self._wait_attached(attachment, until_s=began_s + self._wait_s)
                if attachment.is_attached:
                    self._attached(attachment)
                    return
                if attachment.refusal is not None:
                    raise attachment.refusal
                if attachment.is_connected:
                    raise attachment.silence("it was waited for in vain")
            elif self._mode == "auto" and self._take is not None:
                try:
                    owned = await self._take()
                except OwnedElsewhereError as error:
                    elsewhere = error
                else:
                    attachment.close()
                    self._attachment = None
                    self._own(owned)
                    return
            waited_s = self._clock.now_s() - began_s
            if waited_s >= (self._wait_s if self._mode == "auto" else min(self._wait_s, _ATTACH_WITHIN_S)):
                if elsewhere is not None:
                    raise elsewhere
                if attachment.owner_pid is None:
                    may_become = ", or open with mode auto to become it" if self._venue else ""  # connect() cannot.
                    raise attachment.silence(f"start its owner, a bot or `holdfast up`{may_become}")
                raise attachment.silence(f"it ended the connection ({attachment.loss})")
            pause_s = await self._pause(pause_s)

    def _attach_anew(self, sockets: LocalSockets) -> Attachment:
        self._attachment = Attachment(
            where=self._where,
            name=self.name,
            venue=self._venue,
            environment=self._environment,
            sockets=sockets,
            clock=self._clock,
            emitter=self._emitter,
            listeners=self._listeners,
            wait_s=self._wait_s,
        )
        return self._attachment

    async def _wait_attached(self, attachment: Attachment, *, until_s: float) -> None:
        while attachment.is_connected and not attachment.is_attached:
            wait_s = until_s - self._clock.now_s()
            if wait_s <= 0:
                return
            await attachment.moved(within_s=wait_s)

    def _attached(self, attachment: Attachment) -> None:
        self.name = attachment.name
        self._broker = Broker(RemoteBroker(attachment, randomness=self._randomness), self._guard)
        attachment.on_lost = self._owner_lost

    def _own(self, owned: Owned) -> None:
        """Supervise and serve; what cannot be served is not owned."""
        self._owned = owned
        owned.start()
        if self._sockets is not None:
            server = OwnerServer(
                backend=owned.backend,
                place=self._where,
                sockets=self._sockets,
                clock=self._clock,
                emitter=self._emitter,
                check_ownership=owned.check,
                max_age_s=owned.max_age_s,
            )
            self._server = server
            server.start()
        if self._broker is None:
            self._broker = Broker(owned.backend, self._guard)

    async def _pause(self, pause_s: float) -> float:
        """Wait about so long; the next pause. Jittered: everybody lost the same owner in the same moment."""
        await asyncio.sleep(self._randomness.uniform(pause_s / 2, pause_s))
        return min(pause_s * 2, _PAUSE_MAX_S)

    # When the owner is gone

    def _owner_lost(self) -> None:
        if not self._is_closed and (self._succeeding is None or self._succeeding.done()):
            self._succeeding = asyncio.get_running_loop().create_task(self._succeed(), name=f"holdfast {self.name}")

    async def _succeed(self) -> None:
        """Attach to whoever owns the account next, or become that, however long it takes."""
        attachment = self._attachment
        assert attachment is not None
        before = attachment.owner_pid
        pause_s = _PAUSE_INITIAL_S
        may_own = self._mode == "auto" and self._take is not None
        while True:
            pause_s = await self._pause(pause_s)
            try:
                if attachment.connect():
                    # A stopped owner answers nothing, and its connection holds: then this waits, and so it should.
                    while attachment.is_connected and not attachment.is_attached:
                        await attachment.moved(within_s=1.0)
                    if attachment.is_attached:
                        return
                elif may_own:
                    assert self._take is not None
                    self._become_owner(await self._take(), attachment, before)
                    return
            except OwnedElsewhereError:
                continue  # Somebody was quicker, and will be found by its socket.
            except ConfigError as error:
                # No credential here, as a rule: whoever has one may own it, and is attached to then.
                self._cannot(error)
                may_own = False
            except HoldfastError as error:
                self._cannot(error)
            except Exception as error:
                # A bug of ours in one attempt; the next owner is looked for all the same.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"broker {self.name} could not be taken over", "exception": error}
                )

    def _cannot(self, error: HoldfastError) -> None:
        """Say once why the account could not be taken over."""
        text = f"{type(error).__name__}: {error}"
        if text != self._failure:
            self._failure = text
            reason = type(error).__name__
            self._emitter(event("succession.failed", broker=self.name, reason=reason, detail=str(error)[:300]))

    def _become_owner(self, owned: Owned, attachment: Attachment, before: int | None) -> None:
        try:
            self._own(owned)
        except ConfigError as error:
            # Without a socket nobody else can attach, and the account is looked after all the same.
            self._cannot(error)
        assert self._broker is not None
        self._broker._use(owned.backend)
        attachment.hand_over(owned.backend)
        self._attachment = None
        self._emitter(event("owner.succeeded", broker=self.name, before=before))

    @property
    def listeners(self) -> Listeners:
        """This broker's own."""
        return self._listeners[0]

    def has_other_key(self) -> bool:
        """Whether the key of an account that is owned here was changed on disk. Reads small files."""
        return self._owned is not None and self._owned.has_other_key

    def go_on_as(self, broker: Broker) -> None:
        """Stand behind *broker*, which another seat was behind: whoever holds it goes on with this one."""
        broker._use(self.broker._backend)
        self._broker = broker

    async def close(self, *, keeps_listeners: bool = False) -> None:
        """Leave, or give the account back; with *keeps_listeners* for a seat that follows. Suspends."""
        self._is_closed = True
        if self._succeeding is not None:
            self._succeeding.cancel()
            await asyncio.gather(self._succeeding, return_exceptions=True)
        if self._attachment is not None:
            self._attachment.close()
        server, self._server = self._server, None
        try:
            if server is not None:
                await server.close()
        finally:
            if self._owned is not None:
                await self._owned.close()
            for listeners in () if keeps_listeners else self._listeners[:1]:
                with contextlib.suppress(Exception):
                    listeners.close()
