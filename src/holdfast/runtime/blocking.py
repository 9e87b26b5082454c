"""
The same desk for synchronous bots: one event loop in one thread of its own, and plain calls into it.

A call costs a hop between two threads, about a tenth of a millisecond; what it answers is of the moment it ran there.
Calls may come from any thread, but not from inside a running event loop, which they would block.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from holdfast.errors import ClosedError

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.assets import AssetCode
    from holdfast.core.balances import Balance
    from holdfast.core.events import Event
    from holdfast.core.seams import JournalRow
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.listeners import Changes, Subscription
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.open import Mode
    from holdfast.runtime.parts import Parts
    from holdfast.runtime.supervisor import Contact
    from holdfast.runtime.views import BalancesChanged, BrokerStatus, Explanation, Lagged, RefreshReport

__all__ = ["BlockingBroker", "BlockingDesk", "open_blocking"]

T = TypeVar("T")

_END: Final = object()


def open_blocking(
    config: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
    *,
    mode: Mode = "auto",
    brokers: Sequence[str] | None = None,
    contact: Contact = "stream",
    on_event: Callable[[Event], object] | None = None,
    log: bool = False,
    parts: Parts | None = None,
) -> BlockingDesk:
    """
    ``holdfast.open`` for synchronous code: ``with holdfast.open_blocking("holdfast.toml") as desk``.

    Takes what ``holdfast.open`` takes. *on_event* and subscribed callbacks run in the desk's own thread.

    Raises (on entering): What ``holdfast.open`` raises, and ``ClosedError`` inside a running event loop.
    """
    from holdfast.runtime.open import open as open_desk

    def opening() -> Any:
        return open_desk(config, mode=mode, brokers=brokers, contact=contact, on_event=on_event, log=log, parts=parts)

    return BlockingDesk(opening)


class _LoopThread:
    """One event loop in a daemon thread, and calls into it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._has_begun = threading.Event()
        self._failure: BaseException | None = None
        self._is_given_up = False

    def start(self, opening: Any) -> Desk:
        """Open the desk in a new thread; returns once it is open, raises what opening raised. Blocks."""
        refuse_in_loop()
        desks: list[Desk] = []

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            if self._is_given_up:
                return
            async with opening as desk:
                desks.append(desk)
                self._has_begun.set()
                await self._stop.wait()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                self._failure = error
            finally:
                self._has_begun.set()

        self._thread = threading.Thread(target=run, name="holdfast", daemon=True)
        self._thread.start()
        try:
            self._has_begun.wait()
        except BaseException:
            # Interrupted while it opened: what was taken is given back before anybody tries again.
            self._is_given_up = True
            self.stop()
            raise
        if not desks:
            self._thread.join()
            raise self._failure if self._failure is not None else ClosedError("this desk ended while it opened")
        return desks[0]

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the thread and wait for what it returns or raises. Blocks."""
        refuse_in_loop()
        if os.getpid() != self._pid:
            raise ClosedError(f"this desk was opened in process {self._pid}: open one per process, after forking")
        if self._loop is None or self._thread is None or not self._thread.is_alive() or self._stop is None:
            raise ClosedError("this desk is closed: use it inside its 'with holdfast.open_blocking(...)' block")
        if self._stop.is_set():
            raise ClosedError("this desk is closing")
        future = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Close the desk and end the thread; raises what closing raised. Blocks."""
        if os.getpid() != self._pid or self._thread is None:
            return
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def refuse_in_loop() -> None:
    """
    Refuse a blocking call where it would stop an event loop.

    Raises:
        ClosedError: This thread is running one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ClosedError("a blocking call inside a running event loop would stop it: use 'async with holdfast.open(...)'")


class BlockingDesk:
    """
    The open brokers, for synchronous code. Made by ``with holdfast.open_blocking(...) as desk``.

    Attributes:
        brokers: Every open broker by name, in the order of the configuration; read-only.

    Every method raises ``ClosedError`` after close, in a forked child, and inside a running event loop.
    """

    def __init__(self, opening: Callable[[], Any]) -> None:
        self._opening = opening
        self._thread = _LoopThread()
        self._desk: Desk | None = None
        self._has_begun = False
        self.brokers: Mapping[str, BlockingBroker] = MappingProxyType({})

    def __enter__(self) -> Self:
        if self._has_begun:
            raise ClosedError("this desk was opened before: call holdfast.open_blocking(...) again for another one")
        refuse_in_loop()
        self._has_begun = True
        self._desk = self._thread.start(self._opening())
        self.brokers = MappingProxyType(
            {name: BlockingBroker(broker, self._thread) for name, broker in self._desk.brokers.items()}
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the desk and wait until it is closed; safe to repeat. Blocks."""
        self._thread.stop()

    def __getitem__(self, name: str) -> BlockingBroker:
        """
        The broker called *name*.

        Raises:
            UnknownNameError: There is none; the message names those there are.
        """
        broker = self._call(lambda desk: desk[name])
        return self.brokers[broker.name]

    def __iter__(self) -> Iterator[BlockingBroker]:
        return iter(self.brokers.values())

    def __len__(self) -> int:
        return len(self.brokers)

    def __contains__(self, name: object) -> bool:
        return name in self.brokers

    def status(self) -> dict[str, BrokerStatus]:
        """Each broker's condition as of this call, by name. Blocks briefly."""
        return self._call(lambda desk: desk.status())

    def ready(self, *, timeout_s: float | None = 30.0) -> None:
        """Wait until every broker is ready (see ``Desk.ready``). Blocks."""
        desk = self._open_desk()
        self._thread.call(lambda: desk.ready(timeout_s=timeout_s))

    def _open_desk(self) -> Desk:
        if self._desk is None:
            raise ClosedError("this desk is not open: use it inside its 'with holdfast.open_blocking(...)' block")
        return self._desk

    def _call(self, work: Callable[[Desk], T]) -> T:
        desk = self._open_desk()

        async def run() -> T:
            return work(desk)

        return self._thread.call(run)


class BlockingBroker:
    """
    One account of one venue, for synchronous code; see ``Broker`` for what each method means.

    Attributes:
        name: The broker's name in the configuration.
        venue: Venue id.
        environment: ``production``, ``demo`` or ``simulated``.
    """

    def __init__(self, broker: Broker, thread: _LoopThread) -> None:
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

    def refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """Read balances and open orders from the venue now. Blocks. See ``Broker.refresh``."""
        return self._thread.call(lambda: self._broker.refresh(timeout_s=timeout_s))

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
    ) -> list[JournalRow]:
        """The journal. Blocks. See ``Broker.history``."""
        return self._thread.call(
            lambda: self._broker.history(
                asset=asset,
                after_seq=after_seq,
                since_wall_us=since_wall_us,
                limit=limit,
                newest_first=newest_first,
            )
        )

    def backup(self, path: str) -> None:
        """Write a consistent copy of the account's store to *path*. Blocks. See ``Broker.backup``."""
        self._thread.call(lambda: self._broker.backup(path))

    def examine_nonces(self) -> NonceReport:
        """How the credential's nonces are. Blocks. See ``Broker.examine_nonces``."""
        return self._thread.call(self._broker.examine_nonces)

    def retry_nonces(self) -> NonceReport:
        """Open a credential parked for its nonces or as a bad key. Blocks. See ``Broker.retry_nonces``."""
        return self._thread.call(self._broker.retry_nonces)

    def ratchet_nonces(self, *, has_consent: bool, unit: str | None = None) -> NonceReport:
        """Count in a finer unit, for good. Blocks. See ``Broker.ratchet_nonces``."""
        return self._thread.call(lambda: self._broker.ratchet_nonces(has_consent=has_consent, unit=unit))


def _distant(subscription: Subscription, thread: _LoopThread) -> Subscription:
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
