"""
A broker's live intents with their record: whatever moves one is counted, written down and told in the same step.

What the venue says of orders comes in here, after the ledger has taken it. Rows that a failed store could not take are
kept and written once it works again; a claim whose own row was refused is given back, with nothing sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount, trim_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrdersSnapshot, Side
from holdfast.core.events import event
from holdfast.core.intents import Intent, IntentChange, Intents
from holdfast.core.orders import OrderState
from holdfast.core.reservations import Reservations
from holdfast.core.seams import Clock, JournalRow
from holdfast.core.venue import ClosedOrder
from holdfast.errors import (
    HoldfastError,
    InvariantError,
    ReservationStateError,
    UnknownReservationError,
)
from holdfast.runtime.account import Account
from holdfast.runtime.intent_record import (
    client_order_id_of,
    event_of,
    external_order,
    intent_of,
    journal_row_of,
    order_of,
    reservation_of,
    row_of,
    spent_fact,
    spent_of,
)
from holdfast.runtime.trading import Trading
from holdfast.runtime.views import Order, ReservationView

__all__ = ["Claims"]

_KNOWN_KEPT: Final = 4096
_LIST_AGAIN_S: Final = 5.0
_LIST_QUIETLY_S: Final = 55.0
_UNLISTED: Final = "unlisted"
_QUIET: Final = "quiet"
_SHORT_FOR_S: Final = 0.5
_LOOK_AGAIN_S: Final = 0.6

_READS_APART_S: Final = 2.0
"""Between two reads for what an order left, where no balance is pushed and nothing else would tell."""

_NOT_YET_THERE: Final = frozenset({None, OrderState.SENDING, OrderState.IN_DOUBT})
"""Where an order stands of which the venue is not known to hold the money."""

_MARGIN_US: Final = 1_000_000

_ORDERS_SEARCHED: Final = 1_000

_ROWS_KEPT: Final = 10_000
"""Journal rows that wait for a failed store, the newest."""


class _Written(NamedTuple):
    """What was handed to the store in one go."""

    latest: Mapping[str, Intent]
    rows: Sequence[JournalRow]
    bots: Collection[str]


class Claims:
    """
    Every live intent of one broker. Never suspends where it does not say so.

    Attributes:
        intents: The intents; ``book`` what they claim.
        names: Every intent of the desk that is remembered, by client order id, with its broker's name: two spellings of
            one UUID are one intent.
        trading: Which orders are taken.
        working: Tasks that have to end before the store is closed.
        on_open_question: Rung when there is something to find out about an order.
    """

    def __init__(self, *, account: Account, trading: Trading, names: dict[str, str], rest_lag_s: float) -> None:
        self.account = account
        self.name = account.name
        self.trading = trading
        self.names = names
        self.book = Reservations(account.ledger.set_reserved)
        pushes = account.ledger.pushes_balances
        self.intents = Intents(book=self.book, rest_lag_s=rest_lag_s, holds_linger=not pushes)
        # A read that comes before the venue's lag is over settles nothing: no sooner than that, and no later.
        self._reads_apart_s = min(account.ledger.settings.after_event_s, rest_lag_s if pushes else _READS_APART_S)
        self.working: set[asyncio.Task[Any]] = set()
        self.on_open_question: Callable[[], None] = _nothing
        self._clock: Clock = account.clock
        self._on_the_way: dict[int, _Written] = {}  # By number, in order.
        self._unwritten: dict[str, tuple[int, Intent]] = {}  # With the number of the write that failed.
        self._unwritten_rows: list[JournalRow] = []
        self._writes = 0
        self._listed_s = float("-inf")  # When open orders were last asked for because nobody pushes them.
        self._unwritten_spent: set[str] = set()
        self._uncovered: set[AssetCode] = set()
        self._short_s: dict[AssetCode, float] = {}
        self._looking_again: asyncio.TimerHandle | None = None
        self._externals: set[str] = set()
        self._missing: set[str] = set()  # Names that the store did not know when it was last asked.
        self._lookups: dict[str, Intent] = {}
        self._looked_up: dict[str, None] = {}
        self._inherited: dict[str, int] = {}  # Orders in doubt since before us, and until when each is valid.

    async def forget(self) -> None:
        """
        Forget the names of intents that the store has forgotten. Suspends; raises ``StoreError``.

        Only what was missing the last time too: an intent may have ended, and be on its way to the store.
        """
        known = [name for name, broker in self.names.items() if broker == self.name]
        kept = {client_order_id_of(intent_id) for intent_id in await self.account.store.intent_ids()}
        kept |= {intent.client_order_id for intent in self.intents}
        kept |= {intent.client_order_id for _, intent in self._unwritten.values()}
        missed, self._missing = self._missing, {name for name in known if name not in kept}
        for name in missed & self._missing:
            self.names.pop(name, None)

    async def restore(self, bots: Collection[str]) -> None:
        """Go on with what a former process left, *bots* being those with budgets. Suspends; raises ``StoreError``."""
        store = self.account.store
        for intent_id in await store.intent_ids():
            self.names.setdefault(client_order_id_of(intent_id), self.name)
        intents = [intent_of(row) for row in await store.open_intents()]
        await self.trading.restore(store)
        for bot in {intent.bot for intent in intents if intent.bot is not None} | set(bots):
            text = await store.fact(spent_fact(bot))
            if text is not None:
                self.intents.spent[bot] = spent_of(text)
        self.intents.restore(intents, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())
        self._inherited = {doubt.intent_id: doubt.valid_until_us or 0 for doubt in self.intents.doubts()}
        self.settle()

    def opens_us(self) -> int:
        """
        Until when an order of an earlier owner may still arrive at the venue: order entry is closed until then.

        UTC microseconds on the venue's clock; 0 where every such order was found, or proven absent.
        """
        if not self._inherited:
            return 0
        doubts = {doubt.intent_id for doubt in self.intents.doubts()}
        self._inherited = {name: until_us for name, until_us in self._inherited.items() if name in doubts}
        return max(self._inherited.values(), default=-_MARGIN_US) + _MARGIN_US

    # The venue's word

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        """Rows of the orders channel."""
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        for change in changes:
            is_ours = self.intents.changed(change, now_s=now_s, wall_us=wall_us)
            if not is_ours and change.order is not None:
                self._note_external(change.order_id, change.order.symbol, change.order.side)
        self.settle(recounts=True)

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        """Every open order of the account."""
        missing = self.intents.stated(snapshot, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())
        for intent in missing:
            self._lookups[intent.intent_id] = intent
        if missing:
            self.on_open_question()
        self.settle(recounts=True)

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        """Balance legs: of those that the ledger does not show, a fill's money goes on being claimed."""
        self.intents.moved([delta for delta in deltas if self.account.ledger.shows(delta.asset)])

    def figures_changed(self) -> None:
        """The ledger took something: what is claimed beside its figures may be less, or more."""
        if len(self.intents) or self._uncovered:
            self.settle(recounts=True)

    def _note_external(self, order_id: str, symbol: Symbol | None, side: Side) -> None:
        if order_id in self._externals:
            return
        if len(self._externals) > 10_000:
            self._externals.clear()
        self._externals.add(order_id)
        self.account.emitter(
            event("order.external", broker=self.name, order_id=order_id, symbol=symbol, side=side.value)
        )

    def found_open(self, order: OpenOrder) -> None:
        """An open order was looked up; one that no channel has told of is listed, so that its hold is known."""
        now_s = self._clock.now_s()
        self.intents.found_open(order, now_s=now_s, wall_us=self._clock.wall_us())
        if order.order_id not in self.account.ledger.open_orders:
            self._want_listed(now_s)
        self.settle()

    def found_closed(self, order: ClosedOrder) -> None:
        """An order that is over was looked up."""
        now_s = self._clock.now_s()
        if not self.account.ledger.is_told_of_orders(now_s=now_s):
            self.account.take(self.account.ledger.end_order, order.order_id, read="orders", now_s=now_s)
        self.intents.found_closed(order, now_s=now_s, wall_us=self._clock.wall_us())
        self.settle()

    def absent(self, intent_id: str) -> None:
        """The evidence says that the venue never had this order."""
        self.intents.absent(intent_id, wall_us=self._clock.wall_us())
        self.settle()

    def knows_order(self, order_id: str) -> bool:
        """
        Whether it is known whose order has this id of the venue: that of one in doubt is not.

        A row that named nobody says nothing: an order of ours may be told of without our id.
        """
        return order_id in self._looked_up or self.intents.get(order_id) is not None

    def knows(self, order_id: str) -> None:
        """This id of the venue was looked up: whose it is, is known."""
        self._looked_up[order_id] = None
        if len(self._looked_up) > _KNOWN_KEPT:
            del self._looked_up[next(iter(self._looked_up))]

    def take_lookups(self) -> list[Intent]:
        """Intents whose order has to be looked up, once."""
        lookups, self._lookups = self._lookups, {}
        found = [intent for name in lookups if (intent := self.intents.get(name)) is not None]
        return [intent for intent in found if intent.has_open_question]

    def open_orders(self) -> list[Order]:
        """Every order that is, or may be, at the venue: ours and external ones. Never suspends."""
        ours = [order_of(intent, self.name) for intent in self.intents if intent.may_be_live]
        # By our id only those that are not known by the venue's yet: a second order under it is another one, and shown.
        unnamed = {intent.client_order_id for intent in self.intents if intent.order_id is None}
        others = [
            external_order(order, self.name)
            for order_id, order in self.account.ledger.open_orders.items()
            if self.intents.get(order_id) is None and order.client_order_id not in unnamed
        ]
        return ours + others

    def reservations(self) -> list[ReservationView]:
        """Every live claim. Never suspends."""
        return [reservation_of(intent, self.name) for intent in self.intents if not intent.reservation.is_ended]

    async def find(self, intent_id: str) -> Intent:
        """
        An intent, live or ended, by its id, its client order id or the venue's id of its order. Suspends where ended.

        Raises:
            UnknownReservationError: None of that id is remembered; of the other two kinds, none of the newest thousand.
        """
        # The store is asked last: what has just ended may still be on its way there.
        intent = self.intents.get(intent_id) or self.intents.gone(intent_id)
        if intent is None and intent_id in self._unwritten:
            intent = self._unwritten[intent_id][1]
        if intent is not None:
            return intent
        row = await self.account.store.intent(intent_id)
        if row is not None:
            return intent_of(row)
        for row in await self.account.store.intents(limit=_ORDERS_SEARCHED):
            if intent_id not in row.record:
                continue
            found = intent_of(row)
            if intent_id in (found.order_id, found.client_order_id):
                return found
        raise UnknownReservationError(f"no intent {intent_id!a} is remembered at {self.name}", intent_id=intent_id)

    async def order(self, intent_id: str) -> Order:
        """The order of an intent, live or ended; raises ``UnknownReservationError``, or ``ReservationStateError``."""
        intent = await self.find(intent_id)
        if intent.ticket is None:
            raise ReservationStateError(
                f"no order was placed on {intent_id!a}", intent_id=intent_id, state=intent.reservation.value
            )
        return order_of(intent, self.name)

    async def orders(self, *, limit: int) -> list[Order]:
        """Remembered orders of ours, the latest change first. Suspends."""
        found = {row.intent_id: intent_of(row) for row in await self.account.store.intents(limit=limit)}
        # What has just changed may still be on its way to the store.
        found.update({intent.intent_id: intent for intent in self.intents.recent()})
        latest = sorted(found.values(), key=lambda intent: intent.updated_us, reverse=True)[:limit]
        return [order_of(intent, self.name) for intent in latest if intent.ticket is not None]

    async def reservation(self, intent_id: str) -> ReservationView:
        """One claim, live or ended; raises ``UnknownReservationError``. Suspends."""
        return reservation_of(await self.find(intent_id), self.name)

    def settle(self, *, recounts: bool = True) -> Awaitable[int] | None:
        """After any step: count anew, write down what changed, tell it. The awaitable ends once it is durable."""
        wall_us = self._clock.wall_us()
        if recounts and len(self.intents):
            self.intents.recount(self.account.ledger, wall_us=wall_us)
            self._want_hand_over()
        changes = self.intents.drain()
        self.look_for_uncovered()
        if self.intents.contradicted or self.intents.doubled:
            self._note_contradicted()
        if self.intents.ended_untold:
            untold, self.intents.ended_untold = self.intents.ended_untold, []
            for intent in untold:
                self.look_up(intent)
        if not changes:
            return None
        for change in changes:
            if change.after.untold_fee and (change.before is None or not change.before.untold_fee):
                self.look_up(change.after)  # A list tells what it was charged.
        written = self._write(changes)
        emitter = self.account.emitter
        if emitter.is_heard:
            for change in changes:
                for told in event_of(change, self.name):
                    emitter(told)
        self.account.wake()
        return written

    def _write(self, changes: Sequence[IntentChange]) -> Awaitable[int]:
        latest = {name: intent for name, (_, intent) in self._unwritten.items()}
        latest.update({change.after.intent_id: change.after for change in changes})
        bots = self._unwritten_spent | self.intents.spent_changed
        self.intents.spent_changed = set()
        facts = {spent_fact(bot): _spent_text(self.intents.spent.get(bot, {})) for bot in bots}
        rows = [*self._unwritten_rows, *map(journal_row_of, changes)][-_ROWS_KEPT:]
        self._unwritten_rows = []
        self.account.journal.flush()
        self._writes += 1
        self._on_the_way[self._writes] = _Written(latest, rows, bots)
        written = self.account.store.keep([row_of(intent) for intent in latest.values()], rows, facts)
        written.when_settled(partial(self._note_written, self._writes))
        return written

    def _note_written(self, number: int, is_kept: bool) -> None:
        """Remember what could not be written, until a later write of that intent was."""
        if not is_kept:
            # What was handed over since then fails too: before anything else is written, all of it is remembered.
            for failed in [each for each in self._on_the_way if each >= number]:
                lost = self._on_the_way.pop(failed)
                self._unwritten.update({name: (failed, intent) for name, intent in lost.latest.items()})
                self._unwritten_rows = [*self._unwritten_rows, *lost.rows][-_ROWS_KEPT:]
                self._unwritten_spent.update(lost.bots)
        elif (kept := self._on_the_way.pop(number, None)) is not None:
            for name in kept.latest:
                if name in self._unwritten and self._unwritten[name][0] <= number:
                    del self._unwritten[name]
            self._unwritten_spent.difference_update(kept.bots)

    def write_again(self) -> None:
        """Write down what a failed store could not take. Never suspends."""
        if self._unwritten and self.account.store.status().is_ok:
            self._write([])

    def lingering_note(self, asset: AssetCode) -> str | None:
        """What of *asset* orders that are over still claim, and what ends it; None where nothing."""
        lingering = self.intents.lingering(asset)
        if lingering is None:
            return None
        amount, orders, due_s = lingering
        left_s = due_s - self._clock.now_s()
        when = "from now on" if left_s <= 0 else f"in {left_s:.1f} s or later"
        over = "an order that is over" if orders == 1 else f"{orders} orders that are over"
        return (
            f"{trim_amount(amount)} {asset} of what is reserved was claimed for {over}, and is free after the first "
            f"balance read that is asked for {when}; that read is scheduled"
        )

    def look_for_uncovered(self) -> None:
        """
        Notice where less is left than is promised and not yet at the venue: somebody else took it.

        Only what lasts is told: the rows and legs of an order of ours come one after the other.
        """
        if not (len(self.intents) or self._short_s or self._uncovered):
            return
        promised: dict[AssetCode, Decimal] = {}
        for intent in self.intents:
            if intent.order in _NOT_YET_THERE:
                promised[intent.asset] = add(promised.get(intent.asset, ZERO), intent.counted)
        now_s = self._clock.now_s()
        for asset in promised.keys() | self._short_s.keys() | self._uncovered:
            amount = promised.get(asset, ZERO)
            left = self.account.ledger.balance(asset, now_s=now_s).available
            if not amount or left is None or left >= amount:
                self._short_s.pop(asset, None)
                if asset in self._uncovered:
                    self._uncovered.discard(asset)
                    self.account.emitter(event("reservations.recovered", broker=self.name, asset=asset))
            elif asset not in self._uncovered:
                since_s = self._short_s.setdefault(asset, now_s)
                if now_s - since_s >= _SHORT_FOR_S:
                    del self._short_s[asset]
                    self._uncovered.add(asset)
                    self.account.note_uncovered(asset, reserved=amount, left=left)
        if self._short_s and self._looking_again is None:
            again = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._look_again)
            self._looking_again = again

    def _look_again(self) -> None:
        self._looking_again = None
        if self.account.store.status().reason != "closed":
            self.look_for_uncovered()

    def _note_contradicted(self) -> None:
        """An order that should not be at the venue is: no more approvals until a person looks."""
        doubled, self.intents.doubled = self.intents.doubled, []
        for intent, order_id in doubled:
            detail = (
                f"{intent.intent_id} has two orders at the venue: {intent.order_id} and {order_id}, by one id of ours"
            )
            self.trading.broken("invariant_I11", self.account.store)
            self.account.emitter(event("invariant.broken", broker=self.name, invariant="I11", detail=detail))
        gone, self.intents.contradicted = self.intents.contradicted, []
        for intent in gone:
            detail = f"{intent.intent_id} is at the venue, and ended as {intent.order} ({intent.cause})"
            self.trading.broken("invariant_I10", self.account.store)
            self.account.emitter(event("invariant.broken", broker=self.name, invariant="I10", detail=detail))
        self.tell_trading()

    def tell_trading(self) -> None:
        change = self.trading.drain()
        if change is not None:
            before, after, reason = change
            self.account.emitter(
                event("trading.changed", broker=self.name, before=before.value, after=after.value, reason=reason)
            )
            self.account.wake()

    def broken(self, invariant: str, detail: str) -> None:
        self.trading.broken(f"invariant_{invariant}", self.account.store)
        self.account.emitter(event("invariant.broken", broker=self.name, invariant=invariant, detail=detail[:300]))
        self.tell_trading()
        raise InvariantError(f"{self.name}: {invariant} does not hold: {detail}; approvals are halted, cancels go on")

    async def is_durable(self, written: Awaitable[int] | None, intent: Intent) -> bool:
        """Wait until the intent is durable; where it cannot be, nothing was sent and the claim ends. Suspends."""
        try:
            if written is not None:
                await written
        except HoldfastError as error:
            self.intents.never_sent(
                intent.intent_id, cause="store_failed", detail=str(error)[:300], wall_us=self._clock.wall_us()
            )
            self.settle(recounts=True)
            return False
        return True

    def worked(self, task: asyncio.Task[Any]) -> None:
        self.working.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: whoever asked for it may be gone.

    def _want_hand_over(self) -> None:
        """Have REST read once it cannot but include what is counted twice until then: that bounds how long it is."""
        ledger, now_s = self.account.ledger, self._clock.now_s()
        due_s = self.intents.hand_over_due_s()
        if due_s is not None:
            ledger.want_read("hand_over", not_before_s=max(due_s, now_s + self._reads_apart_s))
        given_back_s = self.intents.given_back_due_s()
        if given_back_s is not None:
            at_s = given_back_s if given_back_s > now_s else now_s + self._reads_apart_s
            ledger.want_read("given_back", not_before_s=at_s)
        if not ledger.is_told_of_orders(now_s=now_s):
            if self.lacks_orders():
                # Nobody pushes them: until they are listed, what the venue holds for one counts beside its claim.
                self._want_listed(now_s)
        elif ledger.is_told_of_holds and any(intent.order is OrderState.OPEN for intent in self.intents):
            # Where the stream states what is held, no read compares it with our orders: a lost row is noticed by lists.
            self._want_orders(_QUIET, at_s=now_s + _LIST_QUIETLY_S)
        self.account.note_wants()

    def _want_listed(self, now_s: float) -> None:
        at_s = max(now_s, self._listed_s + _LIST_AGAIN_S)
        if self._want_orders(_UNLISTED, at_s=at_s):
            self._listed_s = at_s

    def _want_orders(self, reason: str, *, at_s: float) -> bool:
        """Have open orders listed; whether that was not asked for already."""
        ledger = self.account.ledger
        if any(want.reason == reason for want in ledger.wants):
            return False
        ledger.want_orders(reason, not_before_s=at_s)
        return True

    def lacks_orders(self) -> bool:
        """Whether an order of ours that is open is not in the ledger's open ones."""
        return any(map(self.is_untold, self.intents))

    def is_untold(self, intent: Intent) -> bool:
        """Whether an order is open as far as we know, and not in the ledger's open ones."""
        return intent.order is OrderState.OPEN and intent.order_id not in self.account.ledger.open_orders

    def look_up(self, intent: Intent) -> None:
        """Have an order looked up: something may have happened to it that nobody told."""
        self._lookups[intent.intent_id] = intent
        self.on_open_question()


def _spent_text(spent: Mapping[AssetCode, Decimal]) -> str:
    return msgspec.json.encode({asset: format_amount(amount) for asset, amount in spent.items()}).decode()


def _nothing() -> None:
    pass
