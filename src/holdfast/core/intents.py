"""
The life of our own orders, with the money that each of them claims.

An intent begins as a claim, may get an order, and ends when nothing of it can touch money any more that our figures do
not show. Only evidence moves it: an answer of the venue, a row of its orders channel, its lists. A lost answer leaves
it in doubt, with its money claimed, for as long as it takes.

What is claimed, while an order is at the venue, is what it may still take, less what our figures take off for it
already: the larger of the two counts, never their sum for good and never neither. What a fill took stays claimed until
the figures are known to include it. Pure: facts and times in, changed intents out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from holdfast.core.amounts import ZERO, add, multiply, round_up, subtract
from holdfast.core.assets import AssetCode, Symbol, split_symbol
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrderFill, OrdersSnapshot, Side
from holdfast.core.orders import OrderAck, OrderState, OrderTicket, OrderType, TimeInForce
from holdfast.core.reservations import Reservation, Reservations, ReservationState
from holdfast.core.venue import ClosedOrder
from holdfast.errors import ReservationStateError, UnknownReservationError

__all__ = ["Debit", "HandOver", "Intent", "IntentChange", "Intents", "Lingering"]

_REFS_KEPT: Final = 4096
_GONE_KEPT: Final = 1024
_RESTATED_AFTER_S: Final = 5.0
"""A venue's balances follow its orders within this time: a snapshot sooner after a fill may be of before it."""

_SETTLED_S: Final = 2.0
"""
After an order's end, the venue's ledger has let go of what it held by then: a read asked for then says what is free.

Coinbase states no bound; the second of the two reads that follow an order's event leaves a little later.
"""

_ONE: Final = Decimal(1)

_PLACES: Final = 10
"""What is needed is rounded up to these: no venue's ledger has more."""


class Debit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    What a fill took of the paying asset and our figures are not known to include.

    ``ref`` is the reference of its balance legs, None where it was not told; ``seen_s`` our clock when it was told.
    ``is_given_back``: no fill took it; the order's end gave it back, and no figure has shown that yet.
    """

    ref: str | None
    amount: Decimal
    seen_s: float
    is_given_back: bool = False


class Lingering(NamedTuple):
    """Of one asset, what orders that are over still claim: the sum, how many they are, and when a read may end it."""

    amount: Decimal
    orders: int
    due_s: float  # Our clock: reads asked for earlier end nothing.


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """
    One intent as it stands: its claim, its order, and what is known of both.

    Kept whole as JSON: amounts are exact text there. Times that end in ``_us`` are UTC microseconds on our wall clock;
    ``claimed_s`` and ``expires_s`` are our clock and mean nothing after a restart.
    """

    intent_id: str
    client_order_id: str
    asset: AssetCode  # What pays.
    amount: Decimal  # What was claimed for it.
    reservation: ReservationState
    symbol: Symbol | None = None
    side: Side | None = None
    bot: str | None = None
    fee_rate: Decimal = ZERO  # Taker, as the verdict had it: a fraction of cost.
    verdict: str = "approved"
    price: Decimal | None = None  # What its cost was worked out with.
    is_exit: bool = False
    ticket: OrderTicket | None = None  # None while it is only a claim.
    order: OrderState | None = None
    order_id: str | None = None
    via: str | None = None
    filled: Decimal = ZERO  # Base units.
    cost: Decimal = ZERO  # Quote units, without fees.
    fees: dict[AssetCode, Decimal] = {}
    untold_fee: Decimal = ZERO  # The worst fee of fills that no row told of, until a list states the real one; quote.
    remaining: Decimal | None = None  # As the venue states it where it does: an amended order is another size.
    limit_price: Decimal | None = None  # Likewise: or has another price.
    debits: tuple[Debit, ...] = ()
    counted: Decimal = ZERO  # Taken off spendable now.
    expires_us: int | None = None  # An unsent claim ends here, as far as another process can know.
    expires_s: float | None = None  # The same on our clock, which nobody sets.
    valid_until_us: int | None = None  # The venue's clock: nothing of the order is executed later.
    asked_us: int | None = None  # The venue's clock when the order was made: nothing of it is executed earlier.
    doubted_us: int | None = None
    cause: str = "claimed"
    detail: str | None = None
    created_us: int = 0
    updated_us: int = 0
    claimed_s: float = 0.0

    @property
    def is_ended(self) -> bool:
        """Whether it claims nothing any more and its order, where it has one, is over."""
        return self.reservation.is_ended and (self.order is None or self.order.is_ended)

    @property
    def may_be_live(self) -> bool:
        """Whether its order is, or may be, at the venue."""
        return self.order is not None and not self.order.is_ended

    @property
    def has_open_question(self) -> bool:
        """Whether the venue has still to be asked about its order: what became of it, or what it was charged."""
        return self.may_be_live or (self.order is not None and bool(self.untold_fee))

    @property
    def is_end_due(self) -> bool:
        """
        Whether its order is open as far as anybody told, and cannot be for long: it is filled, or may not rest.

        Only such an end can be missing without a trace: no balance will move and no list will change any more.
        """
        ticket = self.ticket
        if self.order is not OrderState.OPEN or ticket is None:
            return False
        if ticket.order_type is OrderType.MARKET or ticket.time_in_force is not TimeInForce.GTC:
            return True
        # One that somebody else made larger is asked about now and then, for nothing.
        return ticket.quantity is not None and self.filled >= ticket.quantity


class IntentChange(NamedTuple):
    """One step of an intent; ``before`` is None for a new one."""

    before: Intent | None
    after: Intent


class HandOver(Protocol):
    """What the ledger knows about what its figures include."""

    def counted_hold(self, order_id: str) -> tuple[AssetCode, Decimal] | None: ...

    def includes(self, order_id: str) -> bool: ...

    def hold_excess(self, asset: AssetCode) -> Decimal: ...

    def is_anchored_since(self, asset: AssetCode, since_s: float) -> bool: ...

    def is_restated_since(self, since_s: float, asset: AssetCode | None = None) -> bool: ...


class Intents:
    """
    Every intent of one broker that has not ended, and the sums of what they claim.

    Never suspends. Each method that changes something leaves it in ``drain``: the caller writes it down and tells.

    Args:
        book: Where claims are counted.
        rest_lag_s: How far REST may lag: an effect is in any REST figure requested that much later.
        holds_linger: Whether an order's end says nothing of when the venue lets its hold go: no balance is pushed
            there. What was counted beside the hold then counts until a figure of later.
    """

    def __init__(self, *, book: Reservations, rest_lag_s: float, holds_linger: bool = False) -> None:
        self.book = book
        self._holds_linger = holds_linger
        self._rest_lag_s = rest_lag_s
        self._live: dict[str, Intent] = {}
        self._by_client: dict[str, str] = {}
        self._by_order: dict[str, str] = {}
        self._refs: dict[tuple[str, AssetCode], None] = {}
        self._fills: dict[str, set[str]] = {}
        self._changes: list[IntentChange] = []
        self.spent: dict[str, dict[AssetCode, Decimal]] = {}
        """By bot and asset: what it paid less what it received, of fills; may be negative."""
        self.spent_changed: set[str] = set()
        self.contradicted: list[Intent] = []
        """Intents whose order was said never to have been placed, and is at the venue all the same."""
        self.ended_untold: list[Intent] = []
        """Intents whose order is over, and what it took nobody told: to be looked up."""
        self.doubled: list[tuple[Intent, str]] = []
        """Intents under whose id of ours the venue has another order beside the one we know, and that one's id."""
        self._seconds: dict[str, None] = {}
        self._gone: dict[str, Intent] = {}

    # Looking

    def __iter__(self) -> Iterator[Intent]:
        return iter(self._live.values())

    def __len__(self) -> int:
        return len(self._live)

    def get(self, name: str) -> Intent | None:
        """The live intent of this intent id, client order id or venue order id."""
        intent_id = name if name in self._live else self._by_client.get(name) or self._by_order.get(name)
        return None if intent_id is None else self._live.get(intent_id)

    def gone(self, name: str) -> Intent | None:
        """An intent that ended lately, by intent id, client order id or the venue's order id."""
        found = self._gone.get(name)
        if found is not None:
            return found
        return next((each for each in reversed(self._gone.values()) if name in (each.intent_id, each.order_id)), None)

    def recent(self) -> list[Intent]:
        """Every live intent, and those that ended lately, as they stand now."""
        return [*self._gone.values(), *self._live.values()]

    def doubts(self) -> list[Intent]:
        """Intents whose order's outcome is unknown."""
        return [each for each in self._live.values() if each.order is OrderState.IN_DOUBT]

    def claimed_by(self, bot: str, asset: AssetCode) -> Decimal:
        """What a bot's live intents may still take of an asset, what the venue holds for them included."""
        claimed = ZERO
        for intent in self._live.values():
            if intent.bot == bot and intent.asset == asset and not intent.reservation.is_ended:
                claimed = add(claimed, needed(intent))
        return claimed

    def lingering(self, asset: AssetCode) -> Lingering | None:
        """What ended orders still claim of an asset until our figures are known to show their end; None: nothing."""
        over = [each for each in self._live.values() if each.asset == asset and each.counted and _is_over(each)]
        if not over:
            return None
        amount = ZERO
        for intent in over:
            amount = add(amount, intent.counted)
        due_s = max((self._due_s(debit) for intent in over for debit in intent.debits), default=0.0)
        return Lingering(amount, len(over), due_s)

    def drain(self) -> list[IntentChange]:
        """What changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    # Steps of ours

    def claim(self, intent: Intent, *, spendable: Decimal, budget_left: Decimal | None = None) -> Intent:
        """
        Claim ``intent.amount``: check and claim are this one step.

        Raises:
            FundsShortError, IntentRepeatedError, OrderRuleError: Nothing was claimed.
        """
        self.book.reserve(
            intent.intent_id, intent.asset, intent.amount, spendable=spendable, bot=intent.bot, budget_left=budget_left
        )
        kept = msgspec.structs.replace(intent, counted=intent.amount)
        self._live[kept.intent_id] = kept
        self._by_client[kept.client_order_id] = kept.intent_id
        self._changes.append(IntentChange(None, kept))
        return kept

    def submit(
        self, intent_id: str, ticket: OrderTicket, *, is_exit: bool, wall_us: int, asked_us: int | None = None
    ) -> Intent:
        """
        An order is about to be sent on this claim; *asked_us* is the venue's clock now, on which its validity counts.

        Raises:
            UnknownReservationError: There is no such live intent.
            ReservationStateError: It has an order already, or claims nothing any more.
        """
        intent = self._existing(intent_id)
        if intent.order is not None or intent.reservation is not ReservationState.ACTIVE:
            raise _wrong_state(intent, "an order was placed on it before")
        return self._step(
            intent,
            "submitted",
            wall_us=wall_us,
            ticket=ticket,
            order=OrderState.SENDING,
            symbol=ticket.symbol,
            side=ticket.side,
            is_exit=is_exit,
            valid_until_us=ticket.valid_until_us,
            asked_us=asked_us,
            expires_us=None,
            expires_s=None,
        )

    def resize(
        self, intent_id: str, amount: Decimal, *, price: Decimal | None, fee_rate: Decimal, wall_us: int
    ) -> Intent:
        """A claim without an order was judged again: its order needs *amount*, which was found free, on other terms."""
        intent = self._existing(intent_id)
        self.book.recount(intent_id, amount)
        terms = {"amount": amount, "counted": amount, "price": price, "fee_rate": fee_rate}
        return self._step(intent, "resized", wall_us=wall_us, **terms)

    def acked(self, intent_id: str, ack: OrderAck, *, wall_us: int) -> None:
        """The venue took it; what the orders channel said before counts for more."""
        intent = self._live.get(intent_id)
        if intent is None:
            return
        if intent.order not in (OrderState.SENDING, OrderState.IN_DOUBT):
            if intent.order_id is None and ack.order_id is not None:
                self._step(intent, "acknowledged", wall_us=wall_us, order_id=ack.order_id, via=ack.via)
            return
        self._step(
            self._assured(intent),
            "acknowledged",
            wall_us=wall_us,
            order=OrderState.OPEN,
            order_id=ack.order_id or intent.order_id,
            via=ack.via,
        )

    def refused(self, intent_id: str, *, cause: str, detail: str | None, wall_us: int) -> None:
        """The venue said no, with evidence, to an order of which nothing else was heard."""
        intent = self._live.get(intent_id)
        if intent is None or intent.order is not OrderState.SENDING:
            return
        self._end(intent, OrderState.REJECTED, ReservationState.RELEASED, cause, detail=detail, wall_us=wall_us)

    def never_sent(self, intent_id: str, *, cause: str, detail: str | None, wall_us: int) -> None:
        """Provably nothing left."""
        intent = self._live.get(intent_id)
        if intent is None or intent.order not in (None, OrderState.SENDING):
            return
        order = None if intent.order is None else OrderState.NEVER_SENT
        self._end(intent, order, ReservationState.RELEASED, cause, detail=detail, wall_us=wall_us)

    def doubt(self, intent_id: str, *, cause: str, detail: str | None, wall_us: int) -> bool:
        """The answer was lost; whether that left it in doubt: the orders channel may have told meanwhile."""
        intent = self._live.get(intent_id)
        if intent is None or intent.order is not OrderState.SENDING:
            return False
        self.book.doubt(intent_id)
        self._step(
            intent,
            cause,
            wall_us=wall_us,
            order=OrderState.IN_DOUBT,
            reservation=ReservationState.IN_DOUBT,
            doubted_us=wall_us,
            detail=detail,
        )
        return True

    def release(self, intent_id: str, *, cause: str = "released", force: bool = False, wall_us: int) -> Intent:
        """
        End a claim of which nothing was sent; with *force*, a person's word, one in doubt too.

        A person's word frees the money and proves nothing: the order stays in doubt until there is evidence.

        Raises:
            UnknownReservationError: There is no such live intent.
            ReservationStateError: Its order is, or may be, at the venue; or it ended before.
        """
        intent = self._existing(intent_id)
        if intent.order is None:
            return self._end(intent, None, ReservationState.RELEASED, cause, wall_us=wall_us)
        if force and intent.order is OrderState.IN_DOUBT and not intent.reservation.is_ended:
            self.book.release(intent_id)
            return self._step(
                intent,
                "forced",
                wall_us=wall_us,
                reservation=ReservationState.RELEASED,
                counted=ZERO,
                detail="released by a person; whether its order is at the venue is still being found out",
            )
        raise _wrong_state(intent, "its order is, or may be, at the venue: cancel it, or wait for the evidence")

    def expire(self, *, now_s: float, wall_us: int) -> None:
        """End claims that nothing was sent on in time."""
        for intent in list(self._live.values()):
            if intent.order is None and intent.expires_s is not None and now_s >= intent.expires_s:
                self._end(intent, None, ReservationState.EXPIRED, "unsent", wall_us=wall_us)

    # The venue's word

    def changed(self, change: OrderChange, *, now_s: float, wall_us: int) -> bool:
        """Take one row of the orders channel; whether it is about an order of ours."""
        intent = self._named(change.order_id, change.client_order_id)
        if intent is None:
            is_alive = change.order is not None or bool(change.filled)
            return self._is_gone(change.client_order_id, change.order_id, is_alive=is_alive)
        if self._is_second(intent, change.order_id):
            return True
        if change.order is None and change.filled is None and change.fill is None:
            self._end_untold(intent, change, wall_us=wall_us)
            return True
        moved = self._progress(intent, filled=change.filled, cost=change.cost, fee=None, fill=change.fill, now_s=now_s)
        moved["order_id"] = change.order_id
        if change.order is not None:
            if intent.order is not None and intent.order.is_ended:
                return True  # A row that was on its way when the order ended.
            self._step(
                self._assured(intent),
                change.reason or "changed",
                wall_us=wall_us,
                order=OrderState.OPEN,
                remaining=_remaining(change.order),
                limit_price=change.order.limit_price,
                **moved,
            )
            return True
        ended = _ENDS.get(change.reason or "", OrderState.CANCELED)
        self._ended(
            intent, ended, change.reason or ended.value, detail=change.detail, wall_us=wall_us, moved=moved, now_s=now_s
        )
        return True

    def stated(self, snapshot: OrdersSnapshot, *, now_s: float, wall_us: int) -> list[Intent]:
        """Take every open order; which intents are believed open and are not among them: to be looked up."""
        missing = []
        for order in snapshot.orders.values():
            self.found_open(order, now_s=now_s, wall_us=wall_us)
        for intent in self._live.values():
            if intent.order is OrderState.OPEN and intent.order_id not in snapshot.orders:
                missing.append(intent)
        return missing

    def found_open(self, order: OpenOrder, *, now_s: float, wall_us: int) -> bool:
        """An open order is listed; whether it is ours."""
        intent = self._named(order.order_id, order.client_order_id)
        if intent is None:
            return self._is_gone(order.client_order_id, order.order_id, is_alive=True)
        if self._is_second(intent, order.order_id):
            return True
        if intent.order is not None and intent.order.is_ended:
            return True  # A list that lags.
        is_known = intent.order is OrderState.OPEN and intent.order_id == order.order_id
        tells_fee = order.fee is not None and bool(intent.untold_fee)
        # A list of before a fill says nothing of what remains after it.
        stated = (_remaining(order), order.limit_price)
        stands = stated if order.filled >= intent.filled else (intent.remaining, intent.limit_price)
        is_news = order.filled > intent.filled or stands != (intent.remaining, intent.limit_price)
        if is_known and not is_news and not tells_fee:
            return True
        moved = self._progress(intent, filled=order.filled, cost=order.cost, fee=order.fee, fill=None, now_s=now_s)
        self._step(
            self._assured(intent),
            "found_open",
            wall_us=wall_us,
            order=OrderState.OPEN,
            order_id=order.order_id,
            remaining=stands[0],
            limit_price=stands[1],
            **moved,
        )
        return True

    def found_closed(self, order: ClosedOrder, *, now_s: float, wall_us: int) -> bool:
        """An order that is over is listed; whether it is ours."""
        intent = self._named(order.order_id, order.client_order_id)
        if intent is None:
            return self._is_gone(order.client_order_id, order.order_id, is_alive=bool(order.filled))
        if self._is_second(intent, order.order_id):
            return True
        is_ended = intent.order is not None and intent.order.is_ended
        if is_ended and not intent.untold_fee:
            return True
        moved = self._progress(intent, filled=order.filled, cost=order.cost, fee=order.fee, fill=None, now_s=now_s)
        moved["order_id"] = order.order_id
        if is_ended:
            self._step(intent, "fees_told", wall_us=wall_us, **moved)
            return True
        ended = _CLOSED.get(order.status, OrderState.CANCELED)
        self._ended(intent, ended, "found_closed", detail=order.reason, wall_us=wall_us, moved=moved, now_s=now_s)
        return True

    def absent(self, intent_id: str, *, wall_us: int) -> None:
        """The evidence says that the venue never had it."""
        intent = self._live.get(intent_id)
        if intent is not None and intent.order is OrderState.IN_DOUBT:
            self._end(
                intent,
                OrderState.ABSENT,
                ReservationState.RELEASED,
                "absent",
                wall_us=wall_us,
                detail="its validity has passed, and neither open orders, closed orders nor fills know it",
            )

    def moved(self, deltas: Sequence[Delta]) -> None:
        """Balance legs arrived: what they belong to is in our figures, or counted with them."""
        for delta in deltas:
            if delta.ref is not None:
                self._refs[delta.ref, delta.asset] = None
        while len(self._refs) > _REFS_KEPT:
            del self._refs[next(iter(self._refs))]

    # The sums

    def recount(self, ledger: HandOver, *, wall_us: int) -> set[AssetCode]:
        """
        Count every claim anew against what the ledger's figures include; the assets whose sum changed.

        Cheap where nothing is live.
        """
        touched: set[AssetCode] = set()
        excess: dict[AssetCode, Decimal] = {}
        for intent in list(self._live.values()):
            if intent.order is None or intent.reservation is ReservationState.IN_DOUBT:
                continue
            if intent.reservation.is_ended:
                if intent.order.is_ended:
                    self._end(intent, intent.order, intent.reservation, intent.cause, wall_us=wall_us)
                continue
            if intent.debits:
                intent = self._reflect(intent, ledger)
            if intent.order is not None and intent.order.is_ended and not intent.debits:
                end = ReservationState.CONSUMED if intent.filled else ReservationState.RELEASED
                self._end(intent, intent.order, end, "reflected", wall_us=wall_us)
                touched.add(intent.asset)
                continue
            counted, is_covered = _counted(intent, ledger, excess)
            if is_covered and intent.reservation is ReservationState.ACTIVE:
                self._book_count(intent.intent_id, counted, covers=True)
                self._step(intent, "covered", wall_us=wall_us, reservation=ReservationState.COVERED, counted=counted)
                touched.add(intent.asset)
            elif counted != intent.counted:
                self._book_count(intent.intent_id, counted, covers=False)
                self._live[intent.intent_id] = msgspec.structs.replace(intent, counted=counted)
                touched.add(intent.asset)
        return touched

    def hand_over_due_s(self) -> float | None:
        """
        From when on a REST figure, requested then, settles every hand-over that is open; None where none is.

        An order that the venue's hold is not known to include, or a fill that our figures may lack: our clock, seconds.
        """
        due: list[float] = []
        for intent in self._live.values():
            if intent.reservation.is_ended:
                continue
            if intent.debits:
                due.append(max(map(self._due_s, intent.debits)))
            elif intent.order is OrderState.OPEN and intent.reservation is ReservationState.ACTIVE:
                due.append(intent.claimed_s + self._rest_lag_s)
        return min(due, default=None)

    def given_back_due_s(self) -> float | None:
        """From when on a REST figure, requested then, ends what an ended order gives back; None where none waits."""
        over = [each for each in self._live.values() if _is_over(each)]
        return min(
            (self._due_s(debit) for intent in over for debit in intent.debits if debit.is_given_back), default=None
        )

    def restore(self, intents: Iterable[Intent], *, now_s: float, wall_us: int) -> None:
        """
        Go on with what a former process left: an order whose answer had not been written down is in doubt.

        What was claimed and not sent stays claimed until its time is over: whoever asked for it may still be there.
        """
        restored = []
        for intent in intents:
            left_us = None if intent.expires_us is None else intent.expires_us - wall_us
            intent = msgspec.structs.replace(
                intent,
                claimed_s=now_s,
                expires_s=None if left_us is None else now_s + left_us / 1_000_000,
                debits=tuple(msgspec.structs.replace(debit, seen_s=now_s) for debit in intent.debits),
            )
            self._live[intent.intent_id] = intent
            self._by_client[intent.client_order_id] = intent.intent_id
            if intent.order_id is not None:
                self._by_order[intent.order_id] = intent.intent_id
            if not intent.reservation.is_ended:
                counted = needed(intent)
                self._live[intent.intent_id] = intent = msgspec.structs.replace(intent, counted=counted)
                restored.append(
                    Reservation(
                        intent_id=intent.intent_id,
                        asset=intent.asset,
                        amount=max(intent.amount, counted),
                        counted=counted,
                        state=intent.reservation,
                        bot=intent.bot,
                    )
                )
        self.book.restore(restored)
        for intent in list(self._live.values()):
            if intent.order is OrderState.SENDING:
                self.doubt(intent.intent_id, cause="restarted", detail=None, wall_us=wall_us)

    # In here

    def _existing(self, intent_id: str) -> Intent:
        intent = self._live.get(intent_id)
        if intent is None:
            raise UnknownReservationError(
                f"no live reservation {intent_id!a}: it ended, or was never made; "
                "`holdfast reservations show` tells of ended ones",
                intent_id=intent_id,
            )
        return intent

    def _named(self, order_id: str, client_order_id: str | None) -> Intent | None:
        intent_id = self._by_order.get(order_id)
        if intent_id is None and client_order_id is not None:
            intent_id = self._by_client.get(client_order_id)
        return None if intent_id is None else self._live.get(intent_id)

    def _is_second(self, intent: Intent, order_id: str) -> bool:
        """Whether this is another order than the one that we know under this id of ours; then it is noted, once."""
        if intent.order_id is None or intent.order_id == order_id:
            return False
        if order_id not in self._seconds:
            self._seconds[order_id] = None
            self.doubled.append((intent, order_id))
            if len(self._seconds) > _GONE_KEPT:
                del self._seconds[next(iter(self._seconds))]
        return True

    def _is_gone(self, client_order_id: str | None, order_id: str, *, is_alive: bool) -> bool:
        """Whether this is an order of ours that had ended; one that should not exist is noted."""
        gone = None if client_order_id is None else self._gone.get(client_order_id)
        if gone is None:
            return False
        if is_alive and self._is_second(gone, order_id):
            return True
        if is_alive and gone.order in _NOT_PLACED and gone not in self.contradicted:
            self.contradicted.append(gone)
        return True

    def _assured(self, intent: Intent) -> Intent:
        """There is word of its order: it is in doubt no more."""
        if intent.reservation is not ReservationState.IN_DOUBT:
            return intent
        self.book.assure(intent.intent_id)
        return msgspec.structs.replace(intent, reservation=ReservationState.ACTIVE)

    def _step(self, intent: Intent, cause: str, *, wall_us: int, **facts: object) -> Intent:
        before = self._live[intent.intent_id]
        after = msgspec.structs.replace(intent, cause=cause, updated_us=wall_us, **facts)
        self._live[after.intent_id] = after
        if after.order_id is not None:
            self._by_order[after.order_id] = after.intent_id
        self._changes.append(IntentChange(before, after))
        return after

    def _end_untold(self, intent: Intent, change: OrderChange, *, wall_us: int) -> None:
        """It is over, and what it took is not said: all of it stays claimed until the order was looked up."""
        if intent.order is not None and intent.order.is_ended:
            return
        found = {"order": OrderState.OPEN, "order_id": change.order_id, "detail": change.detail}
        self.ended_untold.append(self._step(self._assured(intent), "ended_untold", wall_us=wall_us, **found))

    def _ended(
        self,
        intent: Intent,
        state: OrderState,
        cause: str,
        *,
        detail: str | None,
        wall_us: int,
        moved: Mapping[str, object],
        now_s: float,
    ) -> None:
        """The order is over; its claim ends at once where nothing it took can be missing from our figures."""
        if intent.order is not None and intent.order.is_ended:
            return
        if self._holds_linger and state is not OrderState.FILLED:
            # A read that is late may be of before this order: it shows neither its hold nor that it goes on being held.
            is_young = now_s < intent.claimed_s + self._rest_lag_s
            lingering = max(intent.counted, needed(intent)) if is_young else intent.counted
            for debit in intent.debits:
                lingering = subtract(lingering, debit.amount)
            if lingering > ZERO:
                debits = (
                    *cast("tuple[Debit, ...]", moved.get("debits", intent.debits)),
                    Debit(ref=None, amount=lingering, seen_s=now_s, is_given_back=True),
                )
                moved = {**moved, "debits": debits}
        intent = self._step(
            self._assured(intent), cause, wall_us=wall_us, order=state, remaining=ZERO, detail=detail, **moved
        )
        if not intent.debits and not intent.filled:
            self._end(intent, state, ReservationState.RELEASED, cause, detail=detail, wall_us=wall_us)

    def _end(
        self,
        intent: Intent,
        order: OrderState | None,
        end: ReservationState,
        cause: str,
        *,
        wall_us: int,
        detail: str | None = None,
    ) -> Intent:
        intent_id = intent.intent_id
        if intent.reservation.is_ended:
            end = intent.reservation  # By a person, before there was evidence: it ends once.
        elif end is ReservationState.CONSUMED:
            self.book.consume(intent_id)
        elif end is ReservationState.EXPIRED:
            self.book.expire(intent_id)
        else:
            self.book.release(intent_id)
        after = self._step(
            intent,
            cause,
            wall_us=wall_us,
            order=order,
            reservation=end,
            counted=ZERO,
            debits=(),
            detail=detail or intent.detail,
        )
        del self._live[intent_id]
        self._by_client.pop(after.client_order_id, None)
        if after.order_id is not None:
            self._by_order.pop(after.order_id, None)
        self._fills.pop(intent_id, None)
        self._gone[after.client_order_id] = after
        if len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        return after

    def _progress(
        self,
        intent: Intent,
        *,
        filled: Decimal | None,
        cost: Decimal | None,
        fee: Decimal | None,
        fill: OrderFill | None,
        now_s: float,
    ) -> dict[str, object]:
        """
        What was filled in all, and what of it our figures may lack: a fill by its own row, what no row told by sums.
        """
        seen = self._fills.setdefault(intent.intent_id, set())
        new_fill = fill is not None and fill.fill_id not in seen
        if fill is not None:
            seen.add(fill.fill_id)
        if filled is None:
            filled = add(intent.filled, fill.quantity) if fill is not None and new_fill else intent.filled
        more = subtract(filled, intent.filled)
        if more <= ZERO:
            return {} if fee is None else self._true_fees(intent, fee)
        told = fill if fill is not None and new_fill and fill.quantity <= more else None
        if cost is None:
            told_cost = ZERO if told is None else told.cost
            untold = subtract(more, ZERO if told is None else told.quantity)
            cost = add(add(intent.cost, told_cost), _worst_cost(intent, untold) if untold > ZERO else ZERO)
        fees, debits, untold_fee = dict(intent.fees), list(intent.debits), intent.untold_fee
        base, quote = split_symbol(intent.symbol or "")
        more_cost = subtract(cost, intent.cost)
        if told is not None:
            paid = told.cost if intent.side is Side.BUY else told.quantity
            received = told.quantity if intent.side is Side.BUY else told.cost
            for asset, charged in told.fees:
                fees[asset] = add(fees.get(asset, ZERO), charged)
                if asset == intent.asset:
                    paid = add(paid, charged)
                elif asset in (base, quote):
                    received = subtract(received, charged)
            self._debit(intent, debits, paid, received, ref=told.fill_id, now_s=now_s)
            more, more_cost = subtract(more, told.quantity), subtract(more_cost, told.cost)
        if more > ZERO:
            # No row told of it: its fee is the worst one until a list says otherwise.
            more_cost = max(more_cost, ZERO)
            charged = multiply(more_cost, intent.fee_rate)
            untold_fee = add(untold_fee, charged)
            is_buy = intent.side is Side.BUY
            paid = add(more_cost, charged) if is_buy else more
            received = more if is_buy else subtract(more_cost, charged)
            self._debit(intent, debits, paid, received, ref=None, now_s=now_s)
        moved: dict[str, object] = {"cost": cost, "filled": filled, "fees": fees, "debits": tuple(debits)}
        moved["untold_fee"] = untold_fee
        if fee is not None:
            moved |= self._true_fees(msgspec.structs.replace(intent, fees=fees, untold_fee=untold_fee), fee)
        return moved

    def _true_fees(self, intent: Intent, fee: Decimal) -> dict[str, object]:
        """A list states what an order was charged in quote: the worst that was taken for it ends."""
        if not intent.untold_fee or intent.symbol is None:
            return {}
        base, quote = split_symbol(intent.symbol)
        known = intent.fees.get(quote, ZERO)
        if base in intent.fees or fee < known:
            return {}  # Charged in base: a list's one figure is not what the rows told.
        if intent.bot is not None:
            spent = self.spent.setdefault(intent.bot, {})
            spent[quote] = add(spent.get(quote, ZERO), subtract(fee, add(known, intent.untold_fee)))
            self.spent_changed.add(intent.bot)
        return {"fees": {**intent.fees, quote: fee}, "untold_fee": ZERO}

    def _debit(
        self, intent: Intent, debits: list[Debit], paid: Decimal, received: Decimal, *, ref: str | None, now_s: float
    ) -> None:
        if paid > ZERO:
            debits.append(Debit(ref=ref, amount=paid, seen_s=now_s))
        if intent.bot is None or intent.symbol is None:
            return
        base, quote = split_symbol(intent.symbol)
        other = base if intent.asset == quote else quote
        spent = self.spent.setdefault(intent.bot, {})
        spent[intent.asset] = add(spent.get(intent.asset, ZERO), paid)
        spent[other] = subtract(spent.get(other, ZERO), received)
        self.spent_changed.add(intent.bot)

    def _book_count(self, intent_id: str, counted: Decimal, *, covers: bool) -> None:
        reservation = self.book.get(intent_id)
        if reservation is not None and counted > reservation.amount:
            self.book.recount(intent_id, counted)  # It proved dearer than what was claimed for it.
        if covers:
            self.book.cover(intent_id, counted)
        else:
            self.book.count(intent_id, counted)

    def _reflect(self, intent: Intent, ledger: HandOver) -> Intent:
        """Drop what our figures are known to include by now."""
        left = tuple(debit for debit in intent.debits if not self._is_reflected(debit, intent.asset, ledger))
        if len(left) == len(intent.debits):
            return intent
        intent = msgspec.structs.replace(intent, debits=left)
        self._live[intent.intent_id] = intent
        return intent

    def _is_reflected(self, debit: Debit, asset: AssetCode, ledger: HandOver) -> bool:
        if debit.ref is not None and (debit.ref, asset) in self._refs:
            return True
        return ledger.is_restated_since(debit.seen_s + _RESTATED_AFTER_S, asset) or ledger.is_anchored_since(
            asset, self._due_s(debit)
        )

    def _due_s(self, debit: Debit) -> float:
        """
        From when on a REST figure, requested then, has to include it.

        Of a fill that is the venue's lag: an earlier answer may still have the money that it took. What was given
        back nobody has taken: an answer that is late shows the venue's hold, or the account as it was before.
        """
        lag_s = min(_SETTLED_S, self._rest_lag_s) if debit.is_given_back else self._rest_lag_s
        return debit.seen_s + lag_s


def _is_over(intent: Intent) -> bool:
    return intent.order is not None and intent.order.is_ended


def needed(intent: Intent) -> Decimal:
    """
    The most of its asset that an intent may still take and that our figures are not known to include.

    A resting order needs what remains of it at its own price, with the worst fee; one without a price keeps all of its
    claim, buffer included, until it is over.
    """
    unreflected = ZERO
    for debit in intent.debits:
        unreflected = add(unreflected, debit.amount)
    if intent.order is not None and intent.order.is_ended:
        return unreflected
    ticket = intent.ticket
    if intent.order is not OrderState.OPEN or ticket is None:
        return intent.amount
    if intent.remaining is not None and intent.side is Side.SELL:
        return add(intent.remaining, unreflected)
    limit = ticket.limit_price if intent.limit_price is None else intent.limit_price
    if intent.remaining is not None and limit is not None:
        cost = multiply(multiply(intent.remaining, limit), add(_ONE, intent.fee_rate))
        return add(round_up(cost, places=_PLACES), unreflected)
    paid = add(intent.cost, intent.fees.get(intent.asset, ZERO)) if intent.side is Side.BUY else intent.filled
    return add(max(ZERO, subtract(intent.amount, paid)), unreflected)


def _counted(intent: Intent, ledger: HandOver, excess: dict[AssetCode, Decimal]) -> tuple[Decimal, bool]:
    """What is counted for an intent beside what the ledger's figures take off for its order; whether it is covered."""
    need = needed(intent)
    if intent.order is not OrderState.OPEN or intent.order_id is None:
        return need, False
    hold = ledger.counted_hold(intent.order_id)
    if hold is None or hold[0] != intent.asset:
        return need, False
    unreflected = ZERO
    for debit in intent.debits:
        unreflected = add(unreflected, debit.amount)
    held = hold[1]
    left = _left_to_hold(intent)
    if left is not None:
        # The open-order set may not have heard of a fill that was looked up: its hold is no more than what was left
        # before the fills that our figures lack, without the fees that they paid.
        untold = multiply(unreflected, subtract(_ONE, intent.fee_rate)) if intent.side is Side.BUY else unreflected
        held = min(held, add(left, untold))
    counted = max(ZERO, subtract(need, held))
    if not ledger.includes(intent.order_id):
        return counted, False
    if counted:
        # What the venue holds beyond our estimates is the fee: shared among the orders that it is for.
        pool = excess.get(intent.asset)
        if pool is None:
            pool = ledger.hold_excess(intent.asset)
        share = min(pool, max(ZERO, subtract(counted, unreflected)))
        excess[intent.asset] = subtract(pool, share)
        counted = subtract(counted, share)
    return counted, True


def _left_to_hold(intent: Intent) -> Decimal | None:
    """What the venue may still hold for an open order, fees apart; None where that is not known."""
    ticket = intent.ticket
    if ticket is None:
        return None
    if intent.remaining is not None:
        if intent.side is Side.SELL:
            return intent.remaining
        limit = ticket.limit_price if intent.limit_price is None else intent.limit_price
        return None if limit is None else multiply(intent.remaining, limit)
    return None if ticket.quote_quantity is None else max(ZERO, subtract(ticket.quote_quantity, intent.cost))


def _remaining(order: OpenOrder) -> Decimal | None:
    return None if order.quantity is None else max(ZERO, subtract(order.quantity, order.filled))


def _worst_cost(intent: Intent, quantity: Decimal) -> Decimal:
    """What a fill whose cost nobody told may have cost."""
    ticket = intent.ticket
    price = intent.price if ticket is None or ticket.limit_price is None else ticket.limit_price
    if price is not None:
        return multiply(quantity, price)
    if ticket is not None and ticket.quote_quantity is not None:
        return max(ZERO, subtract(ticket.quote_quantity, intent.cost))
    return ZERO


def _wrong_state(intent: Intent, why: str) -> ReservationStateError:
    state = intent.reservation.value if intent.order is None else f"{intent.reservation.value}, {intent.order.value}"
    return ReservationStateError(
        f"the reservation {intent.intent_id!a} is {state}: {why}", intent_id=intent.intent_id, state=state
    )


_NOT_PLACED: Final = frozenset({OrderState.REJECTED, OrderState.NEVER_SENT, OrderState.ABSENT})

_ENDS: Final = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}

_CLOSED: Final = {
    "closed": OrderState.FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}
