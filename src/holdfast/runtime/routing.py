"""
Sends an order to a broker that nobody named: gathers facts, has the rule choose, binds the intent, and sends it there.

The binding is durable before anything leaves, and every step of it replaces the one before or fails: of two tasks,
processes or lives that were given one intent, one goes on. An attempt moves on to another broker only after the
broker it was at said that nothing came of it. One whose answer was lost stays where it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from holdfast.core.balances import Side
from holdfast.core.bindings import SEND_WITHIN_S, Attempt, Binding, attempt_id, is_under_way
from holdfast.core.events import event
from holdfast.core.health import Health
from holdfast.core.orders import OrderAsk, OrderState
from holdfast.core.routing import (
    MEANINGS,
    NEVER_S,
    BrokerFacts,
    Policy,
    Record,
    RouteCode,
    Routing,
    choose,
    remember,
    suspected,
)
from holdfast.core.seams import Clock, Emit, Randomness, RouteBook, RouteRow
from holdfast.errors import (
    AllUnhealthyError,
    ClosedError,
    CredentialParkedError,
    DeniedError,
    FaultClass,
    HoldfastError,
    IntentRepeatedError,
    NoBrokerError,
    NoneFundedError,
    NotListedError,
    OrderInputError,
    Outcome,
    OwnerSilentError,
    StoreCorruptError,
    StoreError,
    UnknownNameError,
    UnknownReservationError,
    UnsupportedError,
    VenueError,
)
from holdfast.runtime.intent_record import checked_intent_id, client_order_id_of, new_intent_id
from holdfast.runtime.views import BrokerStatus, Order

if TYPE_CHECKING:
    from holdfast.config.routing import RoutingSettings
    from holdfast.core.verdicts import Verdict
    from holdfast.runtime.backend import BrokerBackend
    from holdfast.runtime.broker import Broker

__all__ = ["Router"]

_RATES_WITHIN_S: Final = 1.0

_KEPT_US: Final = 31 * 86_400 * 1_000_000
"""A day longer than brokers remember intents."""

_ABOUT_THE_ORDER: Final = frozenset({FaultClass.FUNDS, FaultClass.REQUEST})
"""Refusals of these classes say something of the order; all others of the venue or the key."""

_SAYS_NOTHING_OF_HEALTH: Final = _ABOUT_THE_ORDER | {FaultClass.RATE_LIMIT}
"""After a refusal of these classes a broker is as good as before: too many orders at once are no failure of it."""


class Router:
    """
    Routes orders between the brokers of one desk.

    Args:
        brokers: By name, in the configured order.
        settings: As configured.
        clock: Ages, and until when an attempt may be sent; shared by a host's processes.
        randomness: Where ids come from that nobody chose.
        emit: Takes events.
        open_book: Opens the book of an environment, where intents are bound.
    """

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        *,
        settings: RoutingSettings,
        clock: Clock,
        randomness: Randomness,
        emit: Emit,
        open_book: Callable[[str], Awaitable[RouteBook]],
    ) -> None:
        self._brokers = brokers
        self._settings = settings
        self._rules = settings.rules
        self._clock = clock
        self._randomness = randomness
        self._emit = emit
        self._open_book = open_book
        self._books: dict[str, RouteBook] = {}
        self._opening = asyncio.Lock()
        self._records: dict[str, Record] = {}
        self._out_s: dict[str, float] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._probed_s: dict[str, float] = {}
        self._waiting: dict[str, dict[str, float]] = {}
        self._is_closed = False

    # Deciding

    async def route(
        self,
        ask: OrderAsk,
        *,
        policy: Policy | str | None = None,
        brokers: Sequence[str] | None = None,
        tried: Mapping[str, str] | None = None,
    ) -> Routing:
        """
        Where *ask* would go now, and why not to each of the others; places nothing. Suspends for ``decide_within_s``.

        Raises:
            OrderInputError: There is no such policy, or brokers of several environments are asked.
            UnknownNameError: *brokers* names one that is not open here.
        """
        asked = self._asked(brokers)
        chosen_policy = _policy(self._settings.policy if policy is None else policy)
        began_s = self._clock.now_s()
        found = await asyncio.gather(*(self._look(broker, ask) for broker in asked))
        if chosen_policy is Policy.LOWEST_FEE and ask.side is Side.SELL:
            # An exit is judged without waiting for the account's rate, which was asked for meanwhile.
            rated = [each[0] is None or each[0].fee_source != "lowest_tier" for each in found]
            if not all(rated):
                await asyncio.sleep(_RATES_WITHIN_S)
                found = await asyncio.gather(*(self._look(broker, ask) for broker in asked))
        now_s = self._clock.now_s()
        facts = [self._facts(broker, now_s, found[place], tried or {}) for place, broker in enumerate(asked)]
        for each in facts:
            self._observe(each, now_s)
        choice = choose(facts, ask=ask, policy=chosen_policy, records=self._records, rules=self._rules, now_s=now_s)
        return Routing(
            ask=ask,
            choice=choice,
            facts=tuple(facts),
            decided_us=self._clock.wall_us(),
            took_s=now_s - began_s,
            now_s=now_s,
        )

    def _asked(self, names: Sequence[str] | None) -> list[Broker]:
        if isinstance(names, str):
            raise OrderInputError("brokers is text: pass a list of names", field="brokers")
        known = ", ".join(self._brokers) or "none"
        configured = [name for name in self._settings.brokers if name in self._brokers]
        wanted = list(dict.fromkeys(configured or self._brokers if names is None else names))
        for name in wanted:
            if name not in self._brokers:
                raise UnknownNameError(f"no broker {name!a}: open brokers: {known}")
        asked = [self._brokers[name] for name in wanted]
        if not asked:
            raise OrderInputError(f"no broker was named to route between: open brokers: {known}", field="brokers")
        environments = {broker.environment for broker in asked}
        if len(environments) > 1:
            listed = ", ".join(f"{broker.name} ({broker.environment})" for broker in asked)
            raise OrderInputError(
                f"these are of several environments, and no order may go from one to another: {listed}; name those of "
                "one in brokers, or in [routing]",
                field="brokers",
            )
        return asked

    async def _look(self, broker: Broker, ask: OrderAsk) -> _Look:
        """The verdict of one broker on the order, and what is wrong with asking it; never raises for the broker."""
        status, now_s = broker.status(), self._clock.now_s()
        is_shut = status.health is Health.DOWN or not status.is_available
        if is_shut and ask.side is Side.BUY:
            return _Look()  # Its status says why; asking it would only take time.
        answered_s = self._answered_s(broker.name, status, now_s)
        is_unanswered = now_s - answered_s > self._rules.heard_within_s
        # Beside each other: a venue that never answers must not keep an exit from being judged.
        silence, (verdict, trouble) = await asyncio.gather(
            self._wake(broker) if is_unanswered else _nothing(), self._judge(broker, ask)
        )
        is_heard = self._clock.now_s() - self._heard_s(broker.name, broker.status()) <= self._rules.heard_within_s
        if silence is None or is_heard:
            # A stream may go on talking while nothing else of a venue does.
            return _Look(verdict=verdict, trouble=trouble, suspicion=silence)
        return _Look(verdict=verdict, trouble=("unheard", silence))

    async def _judge(self, broker: Broker, ask: OrderAsk) -> tuple[Verdict | None, tuple[str, str] | None]:
        within_s = self._settings.decide_within_s
        judging = backend_of(broker).verify(ask, intent_id=None, reserve=False, ttl_s=None, valid_until_s=None)
        try:
            async with asyncio.timeout(within_s):
                return await judging, None
        except TimeoutError:
            return None, ("late", f"it did not say within {within_s:g} s whether it would do")
        except ClosedError:
            raise
        except HoldfastError as error:
            return None, (_word_of(error), str(error)[:300])

    async def _wake(self, broker: Broker) -> str | None:
        """Have a venue that was silent answer something; what it did instead where it does not."""
        asked_s = self._clock.now_s()
        try:
            await broker.probe(timeout_s=self._settings.decide_within_s)
        except ClosedError:
            raise
        except UnsupportedError:
            pass  # A venue without a clock cannot be asked; what it is, its figures tell.
        except HoldfastError as error:
            return f"its venue did not tell its time when asked: {error}"[:300]
        self._probed_s[broker.name] = asked_s
        return None

    def _facts(self, broker: Broker, now_s: float, look: _Look, tried: Mapping[str, str]) -> BrokerFacts:
        status = broker.status()
        faults = [each.last_fault_age_s for each in status.capabilities if each.last_fault_age_s is not None]
        return BrokerFacts(
            broker=broker.name,
            venue=broker.venue,
            health=status.health,
            reasons=status.reasons,
            is_available=status.is_available,
            trading_state=status.trading_state,
            verdict=look.verdict,
            trouble=look.trouble,
            suspicion=look.suspicion,
            heard_s=self._heard_s(broker.name, status),
            fault_s=now_s - min(faults) if faults else NEVER_S,
            openings=sum(each.breaker.openings for each in status.capabilities if each.name != "stream"),
            waiting_since_s=self._waiting_since_s(broker.name, status, now_s),
            turn=self._turns.get(broker.name, 0),
            was_tried=tried.get(broker.name),
        )

    def _answered_s(self, name: str, status: BrokerStatus, now_s: float) -> float:
        """When the venue last answered something that it was asked."""
        ages = [status.last_success_age_s]
        ages += [each.last_success_age_s for each in status.capabilities if each.name != "stream"]
        youngest_s = min((age_s for age_s in ages if age_s is not None), default=None)
        return max(self._probed_s.get(name, NEVER_S), NEVER_S if youngest_s is None else now_s - youngest_s)

    def _heard_s(self, name: str, status: BrokerStatus) -> float:
        """When the venue was last heard, asked or not."""
        now_s = self._clock.now_s()
        age_s = status.stream.last_frame_age_s
        return max(self._answered_s(name, status, now_s), NEVER_S if age_s is None else now_s - age_s)

    def _waiting_since_s(self, name: str, status: BrokerStatus, now_s: float) -> float | None:
        """Since when an order of ours has waited while the venue answered none: a long line is no silence."""
        began = self._waiting.get(name)
        if not began:
            return None
        answered_s = NEVER_S
        for each in status.capabilities:
            if each.name == "trade" and each.last_success_age_s is not None:
                answered_s = now_s - each.last_success_age_s + (each.latency_s or 0.0)
        return max(min(began.values()), answered_s)

    # Who is preferred

    def _observe(self, facts: BrokerFacts, now_s: float) -> None:
        before = self._records.get(facts.broker, Record())
        after = remember(before, facts, rules=self._rules, now_s=now_s)
        suspicion = suspected(facts, rules=self._rules, now_s=now_s)
        if suspicion is not None:
            code, reason = suspicion
        elif facts.trouble is not None:
            code, reason = facts.trouble
        elif facts.verdict is not None and not facts.verdict.is_approved:
            code, reason = facts.verdict.code.value, ", ".join(facts.reasons)
        else:
            code, reason = facts.health.value, ", ".join(facts.reasons)
        self._keep(facts.broker, before, after, now_s=now_s, code=code, reason=reason)

    def _failed(self, broker: str, code: str, reason: str) -> None:
        """An order of ours ended badly there: it is not preferred for a while."""
        now_s = self._clock.now_s()
        before = self._records.get(broker, Record())
        is_out = self._rules.fail_back_after_s > 0
        after = msgspec.structs.replace(before, failed_s=now_s, is_out=is_out)
        self._keep(broker, before, after, now_s=now_s, code=code, reason=reason)

    def _keep(self, broker: str, before: Record, after: Record, *, now_s: float, code: str, reason: str) -> None:
        self._records[broker] = after
        if after.is_out and not before.is_out:
            self._out_s[broker] = now_s
            self._emit(event("routing.failed_over", broker=broker, code=code, reason=reason[:300]))
        elif before.is_out and not after.is_out:
            after_s = now_s - self._out_s.pop(broker, now_s)
            self._emit(event("routing.failed_back", broker=broker, after_s=round(after_s, 1)))

    # Placing

    async def place(
        self,
        ask: OrderAsk,
        *,
        intent_id: str | None = None,
        policy: Policy | str | None = None,
        brokers: Sequence[str] | None = None,
    ) -> Order:
        """
        Send *ask* to the broker that the rule chooses, once; on to the next only where provably nothing came of it.

        Suspends.

        Raises:
            NoBrokerError: No broker would do; its subclass and ``routing`` say why.
            IntentRepeatedError: *intent_id* is bound already.
            OutcomeUnknownError: The answer was lost: the intent stays where it is.
            VenueRejectedError: The venue refused the order itself.
            StoreError: The intent could not be bound; nothing was sent.
        """
        name = new_intent_id(self._randomness) if intent_id is None else checked_intent_id(intent_id)
        environment = self._asked(brokers)[0].environment
        _policy(self._settings.policy if policy is None else policy)
        held = _Held(await self._book(environment), name, clock=self._clock, randomness=self._randomness)
        await self._take(held)
        tried: dict[str, str] = {}
        failure: HoldfastError | None = None
        while True:
            if failure is not None and len(tried) >= self._settings.tries_max:
                raise failure
            routing = await self.route(ask, policy=policy, brokers=brokers, tried=tried)
            self._tell(routing, name, attempt=len(tried) + 1)
            if routing.broker is None:
                raise _no_broker(routing) from failure
            chosen = routing.broker
            attempt = await held.begin(chosen)
            self._turn += 1
            self._turns[chosen] = self._turn
            waiting = self._waiting.setdefault(chosen, {})
            waiting[attempt.intent_id] = began_s = self._clock.now_s()
            try:
                return await backend_of(self._brokers[chosen]).place(
                    ask, intent_id=attempt.intent_id, is_reserved=False, valid_until_s=attempt.until_s
                )
            except HoldfastError as error:
                failure = error
                outcome = self._ending_of(chosen, error)
                if outcome is None:
                    raise
                await held.end(outcome, str(error))
                if outcome == "repeated" or not self._goes_on(error):
                    raise
            except asyncio.CancelledError:
                if self._clock.now_s() - began_s > self._rules.answer_within_s:
                    self._failed(chosen, "unanswered", "whoever asked for an order did not wait for its answer")
                raise
            finally:
                waiting.pop(attempt.intent_id, None)
            tried[chosen] = f"{outcome.replace('_', ' ')}: {failure}"[:300]
            self._emit(event("routing.moved", intent_id=name, broker=chosen, outcome=outcome, cause=str(failure)[:300]))

    def _ending_of(self, broker: str, error: HoldfastError) -> str | None:
        """How an attempt ended that raised *error*; None where it may be at the venue, or nobody looked."""
        if isinstance(error, IntentRepeatedError):
            return "repeated"
        if isinstance(error, DeniedError):
            return "denied"
        if not isinstance(error, VenueError):
            return None
        if error.outcome is Outcome.REJECTED:
            if error.fault not in _SAYS_NOTHING_OF_HEALTH:
                self._failed(broker, error.fault.value, str(error))
            return "rejected"
        self._failed(broker, "lost" if error.outcome is Outcome.UNKNOWN else error.fault.value, str(error))
        return "never_sent" if error.outcome is Outcome.NEVER_SENT else None

    def _goes_on(self, error: HoldfastError) -> bool:
        """Whether the next broker is tried after *error*, which nothing came of."""
        if isinstance(error, OrderInputError):
            return False  # It is no order anywhere.
        if isinstance(error, VenueError) and error.outcome is Outcome.REJECTED:
            after = self._settings.after_rejection
            return after == "any" or (after == "unfit" and error.fault not in _ABOUT_THE_ORDER)
        return True

    async def _take(self, held: _Held) -> None:
        """
        Find what is known of the intent, and go on with it only where provably nothing came of it so far.

        Raises:
            IntentRepeatedError: It is under way, at a venue, ended there, or nobody can tell.
        """
        binding = await held.find()
        if binding is None:
            return
        last = binding.last
        if last.outcome == "repeated":
            raise _repeated(held.name, f"it was used before, at {last.broker}")
        if last.outcome is not None:
            return
        if is_under_way(last, now_s=self._clock.now_s()):
            raise _repeated(held.name, f"it is under way at {last.broker}")
        outcome, why = await self._evidence(last)
        if outcome is None:
            raise _repeated(held.name, why)
        held.found(outcome, why)

    async def _evidence(self, attempt: Attempt) -> tuple[str | None, str]:
        """How an attempt ended of which nobody saw the end, by its broker's own record; None where it may be live."""
        name, intent_id = attempt.broker, attempt.intent_id
        broker = self._brokers.get(name)
        if broker is None:
            return None, f"it is bound to {name}, which is not open here: look there what became of it"
        try:
            view = await broker.reservation(intent_id)
        except UnknownReservationError:
            if broker.status().is_halted:
                # Its store may be an older copy, which knows nothing of what it did.
                return None, f"it is bound to {name}, which has no record of it and is halted"
            return "never_sent", "nobody sent it"
        if view.order is OrderState.NEVER_SENT or (view.order is None and view.state.is_ended):
            return "never_sent", view.cause
        if view.order is OrderState.REJECTED and self._settings.after_rejection == "any":
            return "rejected", view.cause
        told = view.state.value if view.order is None else view.order.value
        return None, f"it is at {name}, as {intent_id!a}: {told}"

    # Looking up

    async def bound(self, intent_id: str) -> tuple[Broker, str]:
        """
        The broker that an intent is bound to, and its id there. Suspends.

        Raises:
            UnknownReservationError: No intent of that id was routed here.
            UnknownNameError: Its broker is not open here.
        """
        name = checked_intent_id(intent_id)
        for environment in dict.fromkeys(broker.environment for broker in self._brokers.values()):
            held = _Held(await self._book(environment), name, clock=self._clock, randomness=self._randomness)
            binding = await held.find()
            if binding is None:
                continue
            broker = self._brokers.get(binding.last.broker)
            if broker is None:
                raise UnknownNameError(f"{name!a} is bound to {binding.last.broker}, which is not open here")
            return broker, binding.last.intent_id
        raise UnknownReservationError(f"no intent {name!a} was routed by this desk", intent_id=name)

    # The book

    async def _book(self, environment: str) -> RouteBook:
        async with self._opening:
            if self._is_closed:
                raise ClosedError("this desk is closed")
            if environment not in self._books:
                book = self._books[environment] = await self._open_book(environment)
                with contextlib.suppress(StoreError):  # What is old is in nobody's way.
                    await book.prune(before_us=self._clock.wall_us() - _KEPT_US)
            return self._books[environment]

    async def close(self) -> None:
        """Give the books back. Suspends."""
        async with self._opening:
            self._is_closed = True
            books, self._books = list(self._books.values()), {}
        for book in books:
            await book.close()

    def _tell(self, routing: Routing, intent_id: str, *, attempt: int) -> None:
        refused = ", ".join(f"{each.broker}: {each.code}" for each in routing.refusals)
        told = {"policy": routing.policy.value, "symbol": routing.symbol, "side": routing.side.value}
        if routing.broker is None:
            self._emit(event("routing.denied", intent_id=intent_id, code=routing.code.value, refused=refused, **told))
        else:
            self._emit(
                event(
                    "routing.decided",
                    intent_id=intent_id,
                    broker=routing.broker,
                    attempt=attempt,
                    why=routing.why,
                    refused=refused,
                    **told,
                )
            )


class _Look(NamedTuple):
    """What asking one broker came to."""

    verdict: Verdict | None = None
    trouble: tuple[str, str] | None = None  # Why it is not fit.
    suspicion: str | None = None  # Why others are better.


class _Held:
    """One intent's row in the book, as far as this call has it."""

    def __init__(self, book: RouteBook, name: str, *, clock: Clock, randomness: Randomness) -> None:
        self.name = name
        self._key = client_order_id_of(name)
        self._book = book
        self._clock = clock
        self._randomness = randomness
        self._token: str | None = None
        self._binding: Binding | None = None

    async def find(self) -> Binding | None:
        """What is bound under the intent."""
        row = await self._book.find(self._key)
        if row is not None:
            self._token = row.token
            try:
                self._binding = msgspec.json.decode(row.record, type=Binding)
            except msgspec.DecodeError as error:
                raise StoreCorruptError(f"where {self.name!a} was sent cannot be read: {error}") from None
        return self._binding

    def found(self, outcome: str, cause: str) -> None:
        """The latest attempt's end was found out; kept with the next one."""
        assert self._binding is not None
        self._binding = self._binding.ended(outcome, cause)

    async def begin(self, broker: str) -> Attempt:
        """
        Bind the intent to *broker*, durably.

        Raises:
            IntentRepeatedError: Somebody else has gone on with it meanwhile.
        """
        before = self._binding
        number = 1 if before is None else before.last.number + 1
        attempt = Attempt(
            number=number,
            broker=broker,
            intent_id=attempt_id(self.name, number),
            until_s=self._clock.now_s() + SEND_WITHIN_S,
            at_us=self._clock.wall_us(),
        )
        binding = Binding(intent_id=self.name, attempts=(attempt,)) if before is None else before.begun(attempt)
        await self._put(binding)
        return attempt

    async def end(self, outcome: str, cause: str) -> None:
        """Nothing came of the latest attempt: kept, durably, before anything else is tried."""
        assert self._binding is not None
        await self._put(self._binding.ended(outcome, cause))

    async def _put(self, binding: Binding) -> None:
        row = RouteRow(
            key=self._key,
            token=new_intent_id(self._randomness),
            updated_us=self._clock.wall_us(),
            record=msgspec.json.encode(binding).decode(),
        )
        if not await self._book.put(row, was=self._token):
            raise _repeated(self.name, "somebody else has gone on with it at the same time")
        self._token, self._binding = row.token, binding


def backend_of(broker: Broker) -> BrokerBackend:
    """What stands behind *broker* now: it takes until when an order may be sent."""
    return broker._backend


async def _nothing() -> None:
    return None


def _word_of(error: HoldfastError) -> str:
    """One fixed word for why a broker could not be asked."""
    if isinstance(error, OwnerSilentError):
        return "owner_silent"
    return "credential_parked" if isinstance(error, CredentialParkedError) else "unjudged"


def _no_broker(routing: Routing) -> NoBrokerError:
    refused = "; ".join(f"{each.broker}: {each.sentence}" for each in routing.refusals)
    error = _ERRORS.get(routing.code, NoBrokerError)(f"{MEANINGS[routing.code]} ({refused})")
    error.routing = routing
    return error


def _repeated(name: str, why: str) -> IntentRepeatedError:
    return IntentRepeatedError(
        f"the intent {name!a} was given before: {why}; desk.order({name!a}) tells what became of it", intent_id=name
    )


def _policy(policy: Policy | str) -> Policy:
    try:
        return Policy(policy)
    except ValueError:
        known = ", ".join(each.value for each in Policy)
        raise OrderInputError(f"no policy {policy!a}: one of {known}", field="policy") from None


_ERRORS: Final = {
    RouteCode.ALL_UNHEALTHY: AllUnhealthyError,
    RouteCode.NONE_FUNDED: NoneFundedError,
    RouteCode.NOT_LISTED: NotListedError,
}
