"""A desk: every broker of one configuration, opened together and closed together."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.errors import UnknownNameError
from holdfast.runtime.listeners import Changes, Listeners, Subscription
from holdfast.runtime.views import BalancesChanged, BrokerStatus

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.checkup import DoctorReport
    from holdfast.core.events import Event
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.emitter import Emitter
    from holdfast.runtime.guard import Guard
    from holdfast.runtime.parts import Parts

__all__ = ["Desk"]


class Desk:
    """
    The open brokers. Made by ``async with holdfast.open(...) as desk``.

    Attributes:
        brokers: Every open broker by name, in the order of the configuration; read-only.
        config: The configuration it was opened with; holds no secret.

    Every method raises ``ClosedError`` after close, from another event loop and in a forked child.
    """

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        *,
        config: Config,
        guard: Guard,
        listeners: Listeners,
        emitter: Emitter,
        parts: Parts | None = None,
        is_configured: bool = True,
    ) -> None:
        self.brokers: Mapping[str, Broker] = MappingProxyType(dict(brokers))
        self.config = config
        self._guard = guard
        self._listeners = listeners
        self._emitter = emitter
        self._parts = parts
        self._is_configured = is_configured

    def __getitem__(self, name: str) -> Broker:
        """
        The broker called *name*.

        Raises:
            UnknownNameError: There is none; the message names those there are.
        """
        self._guard.check()
        broker = self.brokers.get(name)
        if broker is None:
            near = difflib.get_close_matches(str(name), self.brokers, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UnknownNameError(f"no broker {name!a}: {hint}open brokers: {', '.join(self.brokers) or 'none'}")
        return broker

    def __iter__(self) -> Iterator[Broker]:
        return iter(self.brokers.values())

    def __len__(self) -> int:
        return len(self.brokers)

    def __contains__(self, name: object) -> bool:
        return name in self.brokers

    def __repr__(self) -> str:
        return f"<Desk {', '.join(self.brokers) or 'without brokers'}>"

    def status(self) -> dict[str, BrokerStatus]:
        """Each broker's condition as of this call, by name. Never suspends."""
        self._guard.check()
        return {name: broker.status() for name, broker in self.brokers.items()}

    async def ready(self, *, timeout_s: float | None = 30.0) -> None:
        """
        Wait until every broker is ready (see ``Broker.ready``). Suspends.

        Raises:
            NotReadyError: One of them was not, *timeout_s* seconds from now; the message names it.
        """
        self._guard.check()
        loop = asyncio.get_running_loop()
        end_s = None if timeout_s is None else loop.time() + timeout_s
        for broker in self.brokers.values():
            await broker.ready(timeout_s=None if end_s is None else max(0.0, end_s - loop.time()))

    async def examine(self, name: str) -> DoctorReport:
        """
        What ``holdfast doctor`` finds: configuration, secrets, store, clock, venue, disk, and how a broker stands.

        Changes nothing and signs nothing; the venue is asked its time and its status. Each check that failed says what
        to do. That somebody looked is kept in the journal. Suspends; never raises for what is wrong with the broker.

        Raises:
            UnknownNameError: There is no broker called *name*, or nothing but its socket is known here.
        """
        from holdfast.runtime.doctor import examine

        broker = self[name]
        if not self._is_configured:
            raise UnknownNameError(f"{name}: its configuration is not known here, only its socket")
        return await examine(self.config, name, broker=broker, parts=self._parts)

    def changes(self, *, limit: int = 1000) -> Changes:
        """Every broker's changes from now on, as one iterator (see ``Broker.changes``)."""
        self._guard.check()
        return self._listeners.iterate(limit=limit)

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        """Call *callback* with every broker's changes from now on (see ``Broker.subscribe``)."""
        self._guard.check()
        return self._listeners.subscribe(callback)

    def on_event(self, callback: Callable[[Event], object]) -> Subscription:
        """
        Call *callback* with every event from now on: streams lost and regained, gaps, suspects, discrepancies.

        It is called in the step in which the event happened; it must not block and cannot suspend.
        """
        self._guard.check()
        return self._emitter.subscribe(callback)
