"""
The same desk for synchronous bots: one event loop in one thread of its own, and plain calls into it.

A call costs a hop between two threads, about a tenth of a millisecond; what it answers is of the moment it ran there.
Calls may come from any thread, but not from inside a running event loop, which they would block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from holdfast.errors import ClosedError
from holdfast.runtime.blocking_broker import BlockingBroker
from holdfast.runtime.loop_thread import LoopThread, refuse_in_loop

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.asking import Money
    from holdfast.core.assets import Symbol
    from holdfast.core.checkup import DoctorReport
    from holdfast.core.events import Event
    from holdfast.core.routing import Policy, Routing
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.open import Mode
    from holdfast.runtime.parts import Parts
    from holdfast.runtime.supervisor import Contact
    from holdfast.runtime.views import BrokerStatus, Order

__all__ = ["BlockingDesk", "open_blocking"]

T = TypeVar("T")


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


class BlockingDesk:
    """
    The open brokers, for synchronous code. Made by ``with holdfast.open_blocking(...) as desk``.

    Attributes:
        brokers: Every open broker by name, in the order of the configuration; read-only.

    Every method raises ``ClosedError`` after close, in a forked child, and inside a running event loop.
    """

    def __init__(self, opening: Callable[[], Any]) -> None:
        self._opening = opening
        self._thread = LoopThread()
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

    def ready(self, *, timeout_s: float | None = 30.0, at_least: int | None = None) -> None:
        """Wait until every broker is ready, or *at_least* so many (see ``Desk.ready``). Blocks."""
        desk = self._open_desk()
        self._thread.call(lambda: desk.ready(timeout_s=timeout_s, at_least=at_least))

    def route(
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
        policy: Policy | str | None = None,
        brokers: Sequence[str] | None = None,
    ) -> Routing:
        """Where an order would go now, and why not to the others. Blocks. See ``Desk.route``."""
        desk = self._open_desk()
        return self._thread.call(
            lambda: desk.route(
                symbol,
                side,
                quantity,
                quote_quantity=quote_quantity,
                order_type=order_type,
                price=price,
                time_in_force=time_in_force,
                post_only=post_only,
                bot=bot,
                policy=policy,
                brokers=brokers,
            )
        )

    def place_market_order(
        self,
        symbol: Symbol,
        side: str,
        quantity: Money | None = None,
        *,
        quote_quantity: Money | None = None,
        intent_id: str | None = None,
        bot: str | None = None,
        policy: Policy | str | None = None,
        brokers: Sequence[str] | None = None,
    ) -> Order:
        """Place a market order at the broker that ``route`` chooses. Blocks. See ``Desk.place_market_order``."""
        desk = self._open_desk()
        return self._thread.call(
            lambda: desk.place_market_order(
                symbol,
                side,
                quantity,
                quote_quantity=quote_quantity,
                intent_id=intent_id,
                bot=bot,
                policy=policy,
                brokers=brokers,
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
        policy: Policy | str | None = None,
        brokers: Sequence[str] | None = None,
    ) -> Order:
        """Place a limit order at the broker that ``route`` chooses. Blocks. See ``Desk.place_limit_order``."""
        desk = self._open_desk()
        return self._thread.call(
            lambda: desk.place_limit_order(
                symbol,
                side,
                quantity,
                price,
                quote_quantity=quote_quantity,
                time_in_force=time_in_force,
                post_only=post_only,
                intent_id=intent_id,
                bot=bot,
                policy=policy,
                brokers=brokers,
            )
        )

    def order(self, intent_id: str) -> Order:
        """The order of an intent, wherever it went. Blocks. See ``Desk.order``."""
        desk = self._open_desk()
        return self._thread.call(lambda: desk.order(intent_id))

    def resolution(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """Wait until the outcome of an intent's order is known. Blocks. See ``Desk.resolution``."""
        desk = self._open_desk()
        return self._thread.call(lambda: desk.resolution(intent_id, timeout_s=timeout_s))

    def examine(self, name: str) -> DoctorReport:
        """What ``holdfast doctor`` finds of one broker. Blocks. See ``Desk.examine``."""
        desk = self._open_desk()
        return self._thread.call(lambda: desk.examine(name))

    def _open_desk(self) -> Desk:
        if self._desk is None:
            raise ClosedError("this desk is not open: use it inside its 'with holdfast.open_blocking(...)' block")
        return self._desk

    def _call(self, work: Callable[[Desk], T]) -> T:
        desk = self._open_desk()

        async def run() -> T:
            return work(desk)

        return self._thread.call(run)
