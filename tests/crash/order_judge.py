"""
Who is right after a kill: the venue's orders and its journal against what a dead client's store says.

Asked twice. Of the files that a kill left: whatever left the client had been written down, and what is written down
claims what it has to. Of a client that came back and has nothing open to find out: every intent has exactly one end,
and it is the venue's.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.assets import split_symbol
from holdfast.core.intents import Intent
from holdfast.core.orders import OrderState
from tests.crash.lives import BrokenPromiseError
from tests.crash.places import EVIDENCE, Asked
from tests.crash.venues import LocalVenue

__all__ = ["Books", "OrderJudge", "books_of"]

_NOT_PLACED: Final = (None, OrderState.REJECTED, OrderState.NEVER_SENT, OrderState.ABSENT)
_ENDED_AS: Final = {
    "closed": (OrderState.FILLED,),
    "filled": (OrderState.FILLED,),
    "canceled": (OrderState.CANCELED,),
    "expired": (OrderState.EXPIRED, OrderState.CANCELED),
}
_ROUNDED: Final = Decimal("0.000001")  # Average prices are.
_ENDS: Final = frozenset({"consumed", "released", "expired"})
_STEPS: Final[dict[str | None, frozenset[str]]] = {
    None: frozenset({"active"}),
    "active": frozenset({"active", "covered", "in_doubt"}) | _ENDS,
    "covered": frozenset({"covered", "active", "in_doubt", "consumed", "released"}),
    "in_doubt": frozenset({"in_doubt", "active", "covered", "consumed", "released"}),
    "consumed": frozenset({"consumed"}),  # Its order may end later than its claim, never the claim again.
    "released": frozenset({"released"}),
    "expired": frozenset(),
}


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of intents: each as it stands, and every step of each in order."""

    intents: dict[str, Intent]
    steps: dict[str, list[dict[str, Any]]]


def books_of(database: Path, *, is_dead: bool) -> Books:
    """Read them; on a copy where whoever wrote them is dead, so that the files stay as they were left."""
    with tempfile.TemporaryDirectory(prefix="hf-books-") as place:
        path = database
        if is_dead:
            path = Path(place) / "copy.db"
            for side in ("", "-wal"):
                if Path(f"{database}{side}").exists():
                    shutil.copyfile(f"{database}{side}", f"{path}{side}")
        with contextlib.closing(sqlite3.connect(f"file:{path}{'' if is_dead else '?mode=ro'}", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            rows = [] if version < 2 else connection.execute("SELECT record FROM intent ORDER BY number").fetchall()
            # After a failure that left open what was kept rows are written again, word for word.
            told = "SELECT wall_us, cause FROM journal WHERE kind = 'reservation' ORDER BY seq"
            causes = list(dict.fromkeys(connection.execute(told).fetchall()))
    intents = {intent.intent_id: intent for (record,) in rows for intent in [msgspec.json.decode(record, type=Intent)]}
    steps: dict[str, list[dict[str, Any]]] = {}
    for _, cause in causes:
        step = json.loads(cause)
        steps.setdefault(step["intent_id"], []).append(step)
    return Books(intents=intents, steps=steps)


class OrderJudge:
    """
    Judges the clients of one account, one after the other.

    Args:
        local: The venue; what it had before is none of ours.
        rest_lag_s: What the clients take for the venue's lag.

    Attributes:
        sent: How often each client order id arrived at the venue, by either wire.
        ends: How many intents came to which end.
    """

    def __init__(self, local: LocalVenue, *, rest_lag_s: float) -> None:
        self.sent: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self._local = local
        self._rest_lag_s = rest_lag_s
        self._journal_at = local.served.journal.next
        self._not_ours = {order["order_id"] for order in self._all_orders()}
        self._placing = frozenset(local.place.place.values())
        self._evidence: list[tuple[Asked, int]] = []
        self._asked: dict[int, tuple[Asked, int]] = {}
        self._judged_ends: dict[str, str] = {}
        self._acknowledged: dict[str, str] = {}  # Client order id to the venue's, as a client was told.
        self._unplaced: dict[str, str] = {}  # Client order ids of which a client was told that nothing was placed.

    # What happened at the venue

    def _all_orders(self) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self._local.venue.orders()["accounts"]["master"]["orders"]
        return orders

    def orders(self) -> dict[str, list[dict[str, Any]]]:
        """Every order of ours that the venue ever accepted, by client order id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for order in self._all_orders():
            if order["client_order_id"] is not None and order["order_id"] not in self._not_ours:
                found.setdefault(order["client_order_id"], []).append(order)
        return found

    def read_journal(self) -> None:
        """Take in what arrived since, and judge what holds at any moment: nothing was sent twice."""
        found = self._local.served.journal.since(self._journal_at)
        if found["lost"]:
            raise BrokenPromiseError("the venue's journal was too short")
        self._journal_at = found["next"]
        for entry in found["entries"]:
            if entry["kind"] in ("request", "ws_in") and entry.get("name") in self._placing:
                self.sent[entry["client_order_id"]] += 1
            elif entry["kind"] == "request" and (asked := self._local.place.lookup(entry)) is not None:
                self._asked[entry["n"]] = (asked, entry["wall_us"])
            elif entry["kind"] == "verdict" and entry["of"] in self._asked:
                evidence = self._asked.pop(entry["of"])
                if entry["outcome"].partition(" ")[0] in self._local.place.answers:
                    self._evidence.append(evidence)
        twice = [name for name, count in self.sent.items() if count > 1]
        if twice:
            raise BrokenPromiseError(f"sent twice: {twice}")
        doubled = [name for name, orders in self.orders().items() if len(orders) > 1]
        if doubled:
            raise BrokenPromiseError(f"at the venue twice: {doubled}")

    # What clients were told

    def told(self, answer: dict[str, Any], client_order_id: str) -> None:
        """A client was answered on an order it placed."""
        if answer["ok"]:
            self._acknowledged[client_order_id] = answer["order"]["order_id"]
        elif answer.get("outcome") != "unknown":
            self._unplaced[client_order_id] = f"{answer['error']}: {answer['text']}"

    def _judge_answers(self) -> None:
        orders = self.orders()
        for client_id, order_id in self._acknowledged.items():
            if [order["order_id"] for order in orders.get(client_id, [])] != [order_id]:
                raise BrokenPromiseError(f"{client_id} was acknowledged as {order_id}, and the venue has no such order")
        for client_id, why in self._unplaced.items():
            if client_id in orders:
                raise BrokenPromiseError(f"{client_id} is at the venue, and its client was told: {why}")

    # What a store says

    def judge_files(self, books: Books) -> None:
        """What a kill left: whatever arrived at the venue had been written down before."""
        self.read_journal()
        written = {intent.client_order_id for intent in books.intents.values()}
        unwritten = [client_id for client_id in [*self.sent, *self.orders()] if client_id not in written]
        if unwritten:
            raise BrokenPromiseError(f"left the client and is in no store: {unwritten}")
        for intent in books.intents.values():
            if self.sent[intent.client_order_id] and intent.ticket is None:
                raise BrokenPromiseError(f"{intent.intent_id} was sent, and is a claim without an order in the store")
        self._judge_steps(books)

    def judge_settled(self, books: Books) -> None:
        """A client without open questions: every intent is what the venue says it is, and came to one end."""
        self.judge_files(books)
        self._judge_answers()
        orders = self.orders()
        for intent in books.intents.values():
            placed = orders.get(intent.client_order_id, [])
            self._judge_intent(intent, placed[0] if placed else None)

    def _judge_intent(self, intent: Intent, order: dict[str, Any] | None) -> None:
        name = f"{intent.intent_id} ({intent.order}, {intent.reservation}, {intent.cause})"
        if order is None:
            if intent.order not in _NOT_PLACED:
                raise BrokenPromiseError(f"{name} is not at the venue")
        elif order["status"] in _ENDED_AS:
            if intent.order not in _ENDED_AS[order["status"]]:
                raise BrokenPromiseError(f"{name} is {order['status']} at the venue")
        elif intent.order is not OrderState.OPEN:
            raise BrokenPromiseError(f"{name} is open at the venue: {order['status']}")
        if order is not None:
            ours = (intent.filled, intent.cost)
            theirs = (Decimal(order["filled"]), Decimal(order["cost"]))
            if ours != theirs:
                raise BrokenPromiseError(f"{name} filled {ours}, at the venue {theirs}")
            fees = {asset: Decimal(fee) for asset, fee in order["fees"].items() if Decimal(fee)}
            if {asset: fee for asset, fee in intent.fees.items() if fee} != fees and not self._is_worth(intent, fees):
                raise BrokenPromiseError(
                    f"{name} paid {intent.fees} and at most {intent.untold_fee} more, at the venue {fees}"
                )
            if intent.order_id != order["order_id"]:
                raise BrokenPromiseError(f"{name} is {intent.order_id}, at the venue {order['order_id']}")
        if intent.order is OrderState.OPEN:
            if intent.reservation.is_ended:
                raise BrokenPromiseError(f"{name}: its order is open, and nothing is claimed for it")
            return
        end = "consumed" if intent.filled else "expired" if intent.cause == "unsent" else "released"
        if intent.reservation.value != end:
            raise BrokenPromiseError(f"{name} ought to have ended as {end}")
        if intent.counted or intent.debits:
            raise BrokenPromiseError(f"{name} ended, and {intent.counted} {intent.asset} are still counted for it")
        if intent.intent_id not in self._judged_ends:
            if intent.order is OrderState.ABSENT:
                self._judge_absence(intent)
            # Noted last: what is wrong is found again by whoever asks again.
            self._judged_ends[intent.intent_id] = intent.reservation.value
            self.ends[f"{intent.reservation.value}, {intent.order.value if intent.order else 'nothing sent'}"] += 1
        elif self._judged_ends[intent.intent_id] != intent.reservation.value:
            raise BrokenPromiseError(f"{name} had ended before as {self._judged_ends[intent.intent_id]}")

    def _is_worth(self, intent: Intent, fees: dict[str, Decimal]) -> bool:
        """Whether fees that are known by their worth in quote, or by the worst of it, are these."""
        if not self._local.place.has_base_fees or not intent.filled:
            return False
        base, _ = split_symbol(intent.symbol or "")
        price = intent.cost / intent.filled
        ours, theirs = (
            sum((fee * price if asset == base else fee for asset, fee in each.items()), Decimal(0))
            for each in (intent.fees, fees)
        )
        return ours - _ROUNDED * theirs <= theirs <= (ours + intent.untold_fee) * (1 + _ROUNDED)

    def _judge_absence(self, intent: Intent) -> None:
        """Called absent only on evidence: each list was asked, and answered, after the validity and the lag."""
        assert intent.valid_until_us is not None
        since_us = intent.valid_until_us + int(self._rest_lag_s * 1_000_000)
        for query in EVIDENCE:
            asked = [
                asked_us
                for found, asked_us in self._evidence
                if found.name == query and found.client_order_id in (None, intent.client_order_id)
            ]
            if not any(since_us <= asked_us <= intent.updated_us for asked_us in asked):
                late_s = [round((asked_us - since_us) / 1e6, 3) for asked_us in asked]
                raise BrokenPromiseError(
                    f"{intent.intent_id} was called absent without {query} between validity and lag and the release "
                    f"{(intent.updated_us - since_us) / 1e6:.3f} s later: asked at {late_s[-5:]}"
                )

    def _judge_steps(self, books: Books) -> None:
        for intent_id, steps in books.steps.items():
            state: str | None = None
            ends = 0
            for step in steps:
                after = step["after"]
                if after not in _STEPS[state]:
                    raise BrokenPromiseError(f"{intent_id} went from {state} to {after} ({step['cause']})")
                if Decimal(step["reserved"]) < 0 or Decimal(step["reserved"]) > Decimal(step["amount"]):
                    raise BrokenPromiseError(f"{intent_id} counts {step['reserved']} of {step['amount']}")
                ends += after in _ENDS and state not in _ENDS
                state = after
            intent = books.intents.get(intent_id)
            if intent is None:
                raise BrokenPromiseError(f"the journal tells of {intent_id}, and the store has no such intent")
            if intent.reservation.value != state or ends > 1:
                raise BrokenPromiseError(
                    f"{intent_id} is {intent.reservation}, its last step said {state}, {ends} ends"
                )
