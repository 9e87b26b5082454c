"""A desk: every broker of one configuration, opened together and closed together."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.core.asking import Money, parse_ask
from holdfast.core.assets import Symbol
from holdfast.errors import UnknownNameError, UnsupportedError
from holdfast.runtime.listeners import Changes, Listeners, Subscription
from holdfast.runtime.views import BalancesChanged, BrokerStatus, Order

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.checkup import DoctorReport
    from holdfast.core.events import Event
    from holdfast.core.routing import Policy, Routing
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.emitter import Emitter
    from holdfast.runtime.guard import Guard
    from holdfast.runtime.parts import Parts
    from holdfast.runtime.routing import Router

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
        router: Callable[[Mapping[str, Broker]], Router] | None = None,
    ) -> None:
        self.brokers: Mapping[str, Broker] = MappingProxyType(dict(brokers))
        self.config = config
        self._guard = guard
        self._listeners = listeners
        self._emitter = emitter
        self._parts = parts
        self._is_configured = is_configured
        self._make_router = router
        self._router: Router | None = None

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

    async def ready(self, *, timeout_s: float | None = 30.0, at_least: int | None = None) -> None:
        """
        Wait until every broker is ready (see ``Broker.ready``), or *at_least* so many. Suspends.

        A bot whose orders are routed waits for one: a venue that is away must not keep it from the others.

        Raises:
            NotReadyError: Too few were, *timeout_s* seconds from now; the message names the first that was not.
        """
        self._guard.check()
        wanted = len(self.brokers) if at_least is None else min(at_least, len(self.brokers))
        waiting = {asyncio.ensure_future(each.ready(timeout_s=timeout_s)) for each in self.brokers.values()}
        failures: list[BaseException] = []
        ready = 0
        try:
            while waiting and ready < wanted:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                failures += [error for each in done if (error := each.exception()) is not None]
                ready = len(self.brokers) - len(waiting) - len(failures)
                if failures and at_least is None:
                    break
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if ready < wanted:
            raise failures[0]

    # Orders that name no broker

    async def route(
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
        """
        Where an order would go now, and why not to each of the other brokers; places nothing. Suspends, for seconds.

        A broker would do that is fit, funded for this order and lists the instrument; a sell goes only where what it
        sells is held. A broker that was seen failing comes last until it has been well for ``fail_back_after_s``.

        Args:
            symbol: Canonical, such as ``BTC-USD``. USD, USDC and USDT are different money.
            side: ``buy`` or ``sell``.
            quantity: Base units; exactly one of it and *quote_quantity*.
            quote_quantity: Quote units: of a market buy what is to be spent, of a limit order what it is worth.
            order_type: ``market`` or ``limit``.
            price: The limit, quote per base; none for a market order.
            time_in_force: ``gtc``, ``ioc`` or ``fok``.
            post_only: Never to take.
            bot: Whose budget it counts against.
            policy: ``priority``, ``lowest_fee``, ``most_spendable`` or ``round_robin``; as configured when None.
            brokers: Only these, the preferred one first; as configured when None.

        Returns:
            The decision with its evidence: ``code``, ``broker``, ``why``, and one refusal for each that would not do.
            That none would do is an answer, and not raised.

        Raises:
            OrderInputError: This is no order, there is no such policy, or the brokers are of several environments.
            UnknownNameError: *brokers* names one that is not open here.
        """
        self._guard.check()
        ask = parse_ask(
            symbol,
            side,
            quantity=quantity,
            quote_quantity=quote_quantity,
            order_type=order_type,
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            bot=bot,
        )
        return await self._routing().route(ask, policy=policy, brokers=brokers)

    async def place_market_order(
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
        """
        Place a market order at the broker that ``route`` would choose, once. Suspends until that venue has answered.

        The intent is bound to that broker, durably, before anything leaves. It goes on to the next one only where
        provably nothing came of it; one whose answer was lost stays where it is.

        Args:
            symbol: As ``route``, like all that is not named here.
            side: Likewise.
            quantity: Likewise.
            quote_quantity: Likewise.
            intent_id: The caller's own key: unique for all brokers of the environment on this host, for 30 days.
            bot: Likewise.
            policy: Likewise.
            brokers: Likewise.

        Returns:
            The order as known when the venue had answered. ``order.broker`` has it, as ``order.intent_id``, which ends
            in ``~2`` where it went to a second broker; ``desk.order(intent_id)`` tells more later.

        Raises:
            NoBrokerError: No broker would do, and nothing was placed; ``routing`` says why, of each.
            IntentRepeatedError: *intent_id* was given before.
            VenueRejectedError: The venue refused the order itself; nothing was placed.
            OutcomeUnknownError: The answer was lost: the money stays reserved where it was sent, and
                ``desk.resolution(intent_id)`` waits for the evidence. Do not send it again.
            StoreError: The intent could not be bound, and nothing was sent.
        """
        self._guard.check()
        ask = parse_ask(symbol, side, quantity=quantity, quote_quantity=quote_quantity, order_type="market", bot=bot)
        return await self._routing().place(ask, intent_id=intent_id, policy=policy, brokers=brokers)

    async def place_limit_order(
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
        """
        Place a limit order at the broker that ``route`` would choose, once. Suspends until that venue has answered.

        Args:
            symbol: As ``place_market_order``, like all that is not named here.
            side: Likewise.
            quantity: Likewise.
            price: The limit, quote per base, on the instrument's tick at the broker that is chosen.
            quote_quantity: What the order is to be worth; the quantity is rounded down to the instrument's step.
            time_in_force: ``gtc``, ``ioc`` or ``fok``.
            post_only: Never to take.
            intent_id: Likewise.
            bot: Likewise.
            policy: Likewise.
            brokers: Likewise.
        """
        self._guard.check()
        ask = parse_ask(
            symbol,
            side,
            quantity=quantity,
            quote_quantity=quote_quantity,
            order_type="limit",
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            bot=bot,
        )
        return await self._routing().place(ask, intent_id=intent_id, policy=policy, brokers=brokers)

    async def order(self, intent_id: str) -> Order:
        """
        The order of an intent that was placed through the desk, wherever it went. Suspends.

        Raises:
            UnknownReservationError: None of that id was routed here, or nothing came of it.
            UnknownNameError: Its broker is not open here.
        """
        self._guard.check()
        broker, there = await self._routing().bound(intent_id)
        return await broker.order(there)

    async def resolution(self, intent_id: str, *, timeout_s: float | None = None) -> Order:
        """
        Wait until the outcome of an order that was placed through the desk is known. Suspends.

        Raises:
            OutcomeUnknownError: It is not within *timeout_s* seconds; its money stays reserved.
            UnknownReservationError: As ``order``.
        """
        self._guard.check()
        broker, there = await self._routing().bound(intent_id)
        return await broker.resolution(there, timeout_s=timeout_s)

    def _routing(self) -> Router:
        if self._router is None:
            if self._make_router is None:
                raise UnsupportedError("this desk was made without a place to bind intents", capability="routing")
            self._router = self._make_router(self.brokers)
        return self._router

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
