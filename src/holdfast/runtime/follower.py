"""
Finding out what became of orders: doubts until there is evidence, and orders that no live channel tells of.

One question at a time to the venue, the oldest doubt first. What is found is taken in the same way as what the stream
tells; what is not found counts only as the rule of ``core.doubt`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from holdfast.core.balances import OpenOrder
from holdfast.core.doubt import Doubt
from holdfast.core.events import event
from holdfast.core.intents import Intent
from holdfast.core.orders import OrderState
from holdfast.errors import HoldfastError, Outcome, VenueError
from holdfast.runtime.account import Account
from holdfast.runtime.alarm import Alarm
from holdfast.runtime.entry import OrderEntry

__all__ = ["Follower"]

_FILLS_BEFORE_S: Final = 5.0
_FILLS_AFTER_S: Final = 5.0
_BEYOND_VALIDITY_S: Final = 5.0
_TOGETHER_S: Final = 20.0
_LOOK_S: Final = 2.0
_LOOK_MAX_S: Final = 15.0
_IDLE_S: Final = 5.0


class Follower:
    """
    One broker's open questions about orders.

    Args:
        entry: Where intents live.
        account: Where statements are taken, and whether its orders channel speaks.
    """

    def __init__(self, entry: OrderEntry, account: Account) -> None:
        self._entry = entry
        self._account = account
        self._clock = account.clock
        self._client = entry.client
        self._alarm = Alarm(account.clock)
        self._doubts: dict[str, Doubt] = {}
        self._is_asking_fills = False
        self._looks: dict[str, tuple[float, float]] = {}  # By intent: when to look it up next, and the pause after.
        self._claims = entry.claims
        entry.claims.on_open_question = self._alarm.ring

    async def run(self) -> None:
        """Ask until cancelled. Suspends for ever."""
        async with asyncio.TaskGroup() as tasks:
            await self._follow(tasks)

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            now_s = self._clock.now_s()
            self._entry.intents.expire(now_s=now_s, wall_us=self._clock.wall_us())
            self._claims.write_again()
            self._claims.settle()
            self._note_open_questions(now_s)
            try:
                await self._ask_about_doubts(tasks)
                await self._look_up()
                if self._entry.time.is_due(now_s):
                    await self._ask_time()
            except HoldfastError:
                # Asked again at its own time; that reads fail is told by the reader.
                await asyncio.sleep(0.5)
            await self._alarm.wait_until(self._next_s())

    def hurry(self) -> None:
        """Ask about every doubt, and look up every open question, now."""
        now_s = self._clock.now_s()
        for doubt in self._doubts.values():
            doubt.hurry()
        self._looks = {name: (now_s, pause_s) for name, (_, pause_s) in self._looks.items()}
        self._alarm.ring()

    async def catch_up(self) -> None:
        """Look up once, and now, what a list has just left open: orders that ended while nobody was there. Suspends."""
        self._note_open_questions(self._clock.now_s())
        await self._look_up()

    def _note_open_questions(self, now_s: float) -> None:
        entry = self._entry
        doubts = {intent.intent_id: intent for intent in entry.intents.doubts()}
        for name in [name for name in self._doubts if name not in doubts]:
            doubt = self._doubts.pop(name)
            self._tell_resolved(name, doubt)
        for name, intent in doubts.items():
            if name not in self._doubts:
                # Without a venue that keeps to it, the end of a validity is no evidence.
                valid_until_us = intent.valid_until_us if entry.settings.enforces_validity else None
                self._doubts[name] = Doubt(
                    began_s=now_s,
                    valid_until_s=None if valid_until_us is None else valid_until_us / 1_000_000,
                    lag_s=entry.rest_lag_s,
                )
            self._tell_overdue(name, self._doubts[name], now_s)
        for intent in self._claims.take_lookups():
            self._looks[intent.intent_id] = (now_s, _LOOK_S)
        is_told = self._account.ledger.is_told_of_orders(now_s=now_s)
        for intent in entry.intents:
            if intent.is_end_due or (intent.order is OrderState.OPEN and not is_told):
                self._looks.setdefault(intent.intent_id, (now_s + _LOOK_S, _LOOK_S))
            elif self._claims.is_untold(intent) and now_s >= intent.claimed_s + _LOOK_S:
                # The venue took it, and the channel that tells of orders has never named it: its row was lost.
                self._looks.setdefault(intent.intent_id, (now_s, _LOOK_S))

    def _tell_overdue(self, name: str, doubt: Doubt, now_s: float) -> None:
        for_s = now_s - doubt.began_s
        if not doubt.is_told and for_s >= self._entry.settings.in_doubt_alert_s:
            doubt.is_told = True
            missing = ",".join(doubt.missing())
            self._account.emitter(
                event(
                    "order.overdue", broker=self._account.name, intent_id=name, for_s=round(for_s, 1), missing=missing
                )
            )

    def _tell_resolved(self, name: str, doubt: Doubt) -> None:
        intent = self._entry.intents.get(name) or self._entry.intents.gone(name)
        state = None if intent is None or intent.order is None else intent.order.value
        evidence = "absent from every list" if state == OrderState.ABSENT.value else "found"
        after_s = round(self._clock.now_s() - doubt.began_s, 3)
        self._account.emitter(
            event(
                "order.resolved",
                broker=self._account.name,
                intent_id=name,
                state=state,
                evidence=evidence,
                after_s=after_s,
            )
        )

    # Doubts

    async def _ask_about_doubts(self, tasks: asyncio.TaskGroup) -> None:
        now_s = self._clock.now_s()
        wanting = {name: doubt.wants(now_s=now_s) for name, doubt in self._doubts.items()}
        wanting = {name: wants for name, wants in wanting.items() if wants}
        if not wanting:
            return
        for name in wanting:
            self._doubts[name].asked(now_s=now_s)
        wanted = {query for wants in wanting.values() for query in wants}
        if wanted & {"time", "validity"}:
            await self._ask_time()
        if "open" in wanted:
            await self._ask_open()
        for name, wants in wanting.items():
            if "closed" in wants and name in self._doubts:
                await self._ask_closed(name)
        if "fills" in wanted and not self._is_asking_fills:
            # Beside the rest: a busy account's pages take minutes of a small budget; a newer doubt is quickly found.
            self._is_asking_fills = True
            names = [name for name, wants in wanting.items() if "fills" in wants]
            tasks.create_task(self._ask_fills_beside(names), name=f"fills {self._account.name}")
        self._conclude()

    def _intent(self, name: str) -> Intent | None:
        intent = self._entry.intents.get(name)
        return intent if intent is not None and intent.order is OrderState.IN_DOUBT else None

    async def _ask_time(self) -> None:
        time = await self._client.server_time()
        self._entry.time.hear(time)
        # One answer that is hours off is no evidence: what counts is no later than the clock as it is believed.
        believed_s = self._entry.time.at_us(time.received_s) / 1_000_000
        for doubt in self._doubts.values():
            doubt.heard_time(venue_time_s=min(time.venue_time_s, believed_s), received_s=time.received_s)

    async def _ask_open(self) -> None:
        asked_s = self._clock.now_s()
        self._account.take_orders(await self._client.open_orders())
        for name, doubt in self._doubts.items():
            if self._intent(name) is not None:
                doubt.negative("open", asked_s=asked_s)

    async def _ask_closed(self, name: str) -> None:
        intent = self._intent(name)
        if intent is None:
            return
        asked_s = self._clock.now_s()
        orders = await self._client.closed_orders(
            client_order_id=intent.client_order_id,
            placed_since_s=None if intent.valid_until_us is None else self._span_of(intent)[0],
        )
        for order in orders:
            if order.client_order_id == intent.client_order_id:
                self._claims.found_closed(order)
        if self._intent(name) is not None:
            self._doubts[name].negative("closed", asked_s=asked_s)

    async def _ask_fills_beside(self, names: list[str]) -> None:
        try:
            await self._ask_fills(names)
            self._conclude()
        except HoldfastError:
            pass  # Asked again at its own time.
        finally:
            self._is_asking_fills = False
            self._alarm.ring()

    async def _ask_fills(self, names: list[str]) -> None:
        """Fills name the venue's order id only: one of an order that we do not know is looked up."""
        asked_s = self._clock.now_s()
        spans = sorted(
            (self._span_of(intent), name)
            for name in names
            if (intent := self._intent(name)) is not None and intent.valid_until_us is not None
        )
        if not spans:
            return
        # Those that were made about the same time are asked for together: a long time of a busy account is many pages.
        (since_s, _), _ = spans[0]
        near = [(span, name) for span, name in spans if span[0] <= since_s + _TOGETHER_S]
        names = [name for _, name in near]
        fills = await self._client.fills(since_s=since_s, until_s=max(span[1] for span, _ in near))
        unknown = list(dict.fromkeys(fill.order_id for fill in fills if not self._claims.knows_order(fill.order_id)))
        if unknown and not await self._take_by_id(unknown):
            return  # Whose a fill is that cannot be looked up, nobody knows: no evidence.
        for name in names:
            if self._intent(name) is not None and name in self._doubts:
                self._doubts[name].negative("fills", asked_s=asked_s)

    def _conclude(self) -> None:
        for name, doubt in self._doubts.items():
            if self._intent(name) is not None and doubt.is_absent():
                self._claims.absent(name)
        self._note_open_questions(self._clock.now_s())

    # Orders that nobody tells of

    async def _look_up(self) -> None:
        now_s = self._clock.now_s()
        due = [name for name, (at_s, _) in self._looks.items() if at_s <= now_s]
        ids: dict[str, str] = {}
        for name in due:
            intent = self._entry.intents.get(name)
            if intent is None or not intent.has_open_question or intent.order_id is None:
                del self._looks[name]
                continue
            ids[intent.order_id] = name
            pause_s = self._looks[name][1]
            self._looks[name] = (now_s + pause_s, min(pause_s * 1.5, _LOOK_MAX_S))
        if not ids:
            return
        await self._take_by_id(list(ids))
        if self._account.ledger.is_told_of_orders(now_s=self._clock.now_s()):
            for name in ids.values():
                intent = self._entry.intents.get(name)
                if (
                    intent is None
                    or not intent.has_open_question
                    or (intent.order_id in self._account.ledger.open_orders and not intent.is_end_due)
                ):
                    self._looks.pop(name, None)

    async def _take_by_id(self, order_ids: list[str]) -> bool:
        """Look orders up; whether the venue told of every one."""
        try:
            found = dict(await self._client.open_orders_by_id(order_ids))
        except VenueError as error:
            if error.outcome is not Outcome.REJECTED or len(order_ids) == 1:
                raise
            found = {}  # The venue refuses all for one that it does not know, or not yet.
            for order_id in order_ids:
                with contextlib.suppress(VenueError):
                    found.update(await self._client.open_orders_by_id([order_id]))
        for order_id, order in found.items():
            if isinstance(order, OpenOrder):
                self._claims.found_open(order)
            else:
                self._claims.found_closed(order)
            self._claims.knows(order_id)
        return found.keys() >= set(order_ids)

    def _next_s(self) -> float:
        """When to look again."""
        times = [self._clock.now_s() + _IDLE_S]
        times += [doubt.next_s() for doubt in self._doubts.values()]
        times += [at_s for at_s, _ in self._looks.values()]
        return min(times)

    def _span_of(self, intent: Intent) -> tuple[float, float]:
        """
        When an order may have been executed at once: within its validity, and a little. UTC seconds, the venue's clock.

        What rests beyond it is in the other lists.
        """
        until_s = (intent.valid_until_us or 0) / 1e6
        longest_s = self._entry.settings.validity_max_s + _BEYOND_VALIDITY_S
        asked_s = until_s - longest_s if intent.asked_us is None else intent.asked_us / 1e6
        return asked_s - _FILLS_BEFORE_S, until_s + _FILLS_AFTER_S
