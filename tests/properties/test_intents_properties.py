"""
Orders of ours against a venue that loses answers, lags and outlives our process: what must hold after any act.

A reservation comes to exactly one end, is never negative, and the sums are those of the claims. An order in doubt keeps
all of its money until the venue's own lists say that it never was. What may be spent never exceeds what is really left
once everything that was sent has happened (so nothing is counted zero times), and after healing nothing is claimed that
the venue does not hold itself (so nothing is counted twice for good).

The ledger here is the plainest that keeps the word of ``HandOver``: it knows which fills and which holds are in its
figure, and says so. How the real one comes to know is asked in ``test_handover``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import ZERO, exact
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrderFill, OrdersSnapshot, Side, Source
from holdfast.core.doubt import Doubt
from holdfast.core.intents import Intent, Intents
from holdfast.core.orders import OrderAck, OrderState, OrderTicket, OrderType, TimeInForce
from holdfast.core.reservations import Reservations, ReservationState
from holdfast.core.venue import ClosedOrder
from holdfast.errors import FundsShortError, ReservationError

PRICE = Decimal(10)
FEE = Decimal("0.01")
BUFFER = Decimal("0.02")
LAG_S = 60.0
BALANCES_LAG_S = 5.0
VALIDITY_S = 5.0
ASSETS = ("USD", "BTC")
BOTS = ("grid", None)
OWNED = {"USD": Decimal(1000), "BTC": Decimal(100)}
LAGS = (0.0, 0.5, 4.0, 30.0, 59.0)

Dice = random.Random


@dataclass
class AtVenue:
    """An order as the venue has it, with what it was at every moment."""

    order_id: str
    client_id: str
    side: Side
    quantity: Decimal
    filled: Decimal = ZERO
    ended: str | None = None
    past: list[tuple[float, Decimal, str | None]] = field(default_factory=list)

    def note(self, now_s: float) -> None:
        self.past.append((now_s, self.filled, self.ended))

    def as_of(self, at_s: float) -> tuple[Decimal, str | None] | None:
        """Filled, and how it ended, at a moment; None before it was there."""
        seen = [(filled, ended) for when_s, filled, ended in self.past if when_s <= at_s]
        return seen[-1] if seen else None

    @property
    def pays(self) -> str:
        return "USD" if self.side is Side.BUY else "BTC"

    def worth(self, quantity: Decimal) -> Decimal:
        """What so much of it may take of what pays, the fee included."""
        with exact():
            return quantity * PRICE * (1 + FEE) if self.side is Side.BUY else quantity

    def hold(self, filled: Decimal) -> Decimal:
        """What the venue is taken to hold for it: without the fee."""
        with exact():
            remaining = self.quantity - filled
            return remaining * PRICE if self.side is Side.BUY else remaining

    def listed(self, filled: Decimal) -> OpenOrder:
        with exact():
            cost, fee = filled * PRICE, filled * PRICE * FEE
        return OpenOrder(
            order_id=self.order_id,
            client_order_id=self.client_id,
            symbol="BTC-USD",
            side=self.side,
            order_type="limit",
            quantity=self.quantity,
            filled=filled,
            limit_price=PRICE,
            hold_asset=self.pays,
            hold=self.hold(filled),
            cost=cost,
            fee=fee,
        )

    def over(self, filled: Decimal, ended: str) -> ClosedOrder:
        with exact():
            cost, fee = filled * PRICE, filled * PRICE * FEE
        return ClosedOrder(
            order_id=self.order_id,
            client_order_id=self.client_id,
            symbol="BTC-USD",
            side=self.side,
            status="closed" if ended == "filled" else ended,
            quantity=self.quantity,
            filled=filled,
            cost=cost,
            fee=fee,
            closed_at_s=0.0,
            reason=None,
        )


@dataclass
class Execution:
    """One fill of the truth."""

    fill_id: str
    order: AtVenue
    quantity: Decimal
    at_s: float

    def legs(self) -> dict[str, Decimal]:
        """What it changed, by asset."""
        with exact():
            cost = self.quantity * PRICE
            if self.order.side is Side.BUY:
                return {"USD": -cost * (1 + FEE), "BTC": self.quantity}
            return {"BTC": -self.quantity, "USD": cost * (1 - FEE)}

    def told(self) -> OrderFill:
        with exact():
            cost = self.quantity * PRICE
            return OrderFill(
                fill_id=self.fill_id, quantity=self.quantity, price=PRICE, cost=cost, fees=(("USD", cost * FEE),)
            )


class PlainLedger:
    """A figure, and what is in it."""

    def __init__(self) -> None:
        self.fills: set[tuple[str, str]] = set()  # Which leg of which fill is in the totals.
        self.totals = dict(OWNED)
        self.holds: dict[str, tuple[str, Decimal]] = {}
        self.covered: set[str] = set()
        self.anchor_s = float("-inf")
        self.restated_s = float("-inf")

    def take_leg(self, fill: Execution, asset: str) -> None:
        if (fill.fill_id, asset) not in self.fills:
            self.fills.add((fill.fill_id, asset))
            with exact():
                self.totals[asset] += fill.legs()[asset]

    def take_order(self, order: AtVenue, filled: Decimal, ended: str | None) -> None:
        if ended is None:
            self.holds[order.order_id] = (order.pays, order.hold(filled))
        else:
            self.holds.pop(order.order_id, None)

    def spendable(self, asset: str, reserved: Decimal) -> Decimal:
        with exact():
            held = sum((hold for pays, hold in self.holds.values() if pays == asset), ZERO)
            return max(ZERO, self.totals[asset] - held - self.hold_excess(asset) - reserved)

    # HandOver

    def counted_hold(self, order_id: str) -> tuple[str, Decimal] | None:
        return self.holds.get(order_id)

    def includes(self, order_id: str) -> bool:
        return order_id in self.covered and order_id in self.holds

    def hold_excess(self, asset: str) -> Decimal:
        """The fee, held by the venue for buys that its figure includes."""
        with exact():
            return sum(
                (
                    hold * FEE
                    for order_id, (pays, hold) in self.holds.items()
                    if pays == asset == "USD" and order_id in self.covered
                ),
                ZERO,
            )

    def is_anchored_since(self, asset: str, since_s: float) -> bool:
        return self.anchor_s >= since_s

    def is_restated_since(self, since_s: float, asset: str | None = None) -> bool:
        return self.restated_s >= since_s


class Story:
    """One account, its venue, and our process, which may die."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.serial = 0
        # The venue.
        self.truth = dict(OWNED)
        self.at_venue: dict[str, AtVenue] = {}
        self.fills: list[Execution] = []
        self.flying: dict[str, OrderTicket] = {}  # By intent: sent, and neither there nor void.
        self.unheard: set[str] = set()  # Intents whose answer reaches nobody any more.
        self.rows: list[OrderChange] = []
        self.row_orders: list[tuple[AtVenue, Decimal, str | None]] = []
        self.legs: list[tuple[Execution, str]] = []
        self.is_connected = True
        # We.
        self.sums: dict[str, Decimal] = {}
        self.ends: dict[str, int] = {}
        self.causes: set[str] = set()
        self.doubts: dict[str, Doubt] = {}
        self.lookups: set[str] = set()
        self.owners: dict[str, str | None] = {}  # By our client order id: whose order.
        self.start_intents()
        self.ledger = PlainLedger()

    def start_intents(self) -> None:
        self.sums = {}
        self.intents = Intents(book=Reservations(self.sums.__setitem__), rest_lag_s=LAG_S)

    @property
    def wall_us(self) -> int:
        return int(self.now_s * 1e6)

    def settle(self) -> None:
        """What the runtime does after every step."""
        self.intents.recount(self.ledger, wall_us=self.wall_us)
        for change in self.intents.drain():
            name = change.after.intent_id
            self.causes.add(change.after.cause)
            if change.after.reservation.is_ended and (change.before is None or not change.before.reservation.is_ended):
                self.ends[name] = self.ends.get(name, 0) + 1
            if change.after.order is OrderState.IN_DOUBT and name not in self.doubts:
                until_us = change.after.valid_until_us
                assert until_us is not None
                self.doubts[name] = Doubt(began_s=self.now_s, valid_until_s=until_us / 1e6, lag_s=LAG_S)
            if change.after.untold_fee:
                self.lookups.add(name)
        self.lookups |= {intent.intent_id for intent in self.intents.ended_untold}
        self.intents.ended_untold = []

    # Time

    def pass_time(self, dice: Dice) -> None:
        self.wait(dice.choice((0.01, 0.01, 1.0, 4.9, 6.0, 31.0, 61.0)))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        for name, ticket in list(self.flying.items()):
            if ticket.valid_until_us < self.wall_us:
                del self.flying[name]
                self.give_up(name)
        self.settle()

    # What we do

    def ask(self, dice: Dice) -> None:
        """Claim for an order, mostly send it, and mostly it arrives."""
        is_buy, quantity, bot = dice.random() < 0.6, Decimal(dice.randint(1, 40)), dice.choice(BOTS)
        self.serial += 1
        name, asset = f"i{self.serial}", "USD" if is_buy else "BTC"
        with exact():
            amount = quantity * PRICE * (1 + FEE + BUFFER) if is_buy else quantity
        spendable = self.ledger.spendable(asset, self.sums.get(asset, ZERO))
        before = dict(self.sums)
        intent = Intent(
            intent_id=name,
            client_order_id=f"c-{name}",
            asset=asset,
            amount=amount,
            reservation=ReservationState.ACTIVE,
            symbol="BTC-USD",
            side=Side.BUY if is_buy else Side.SELL,
            bot=bot,
            fee_rate=FEE,
            price=PRICE,
            expires_us=self.wall_us + 30_000_000,
            expires_s=self.now_s + 30.0,
            created_us=self.wall_us,
            updated_us=self.wall_us,
            claimed_s=self.now_s,
        )
        try:
            self.intents.claim(intent, spendable=spendable)
        except FundsShortError:
            assert amount > spendable
            assert self.sums == before
            return
        assert amount <= spendable
        self.owners[intent.client_order_id] = bot
        if dice.random() < 0.85:
            ticket = OrderTicket(
                client_order_id=f"c-{name}",
                symbol="BTC-USD",
                side=intent.side or Side.BUY,
                order_type=OrderType.LIMIT,
                quantity=quantity,
                quote_quantity=None,
                limit_price=PRICE,
                time_in_force=TimeInForce.GTC,
                is_post_only=False,
                valid_until_us=self.wall_us + int(VALIDITY_S * 1e6),
            )
            self.intents.submit(name, ticket, is_exit=not is_buy, wall_us=self.wall_us)
            self.flying[name] = ticket
        self.settle()
        if dice.random() < 0.6:
            self.arrive(dice)

    def release(self, dice: Dice) -> None:
        """Somebody gives a claim back, or tries to; by force only what is really not there."""
        if not len(self.intents):
            return
        force, intent = dice.random() < 0.3, dice.choice(list(self.intents))
        name = intent.intent_id
        if force and (name in self.flying or intent.client_order_id in self.at_venue):
            return
        before = dict(self.sums)
        is_free = intent.reservation.is_ended
        may = intent.order is None or (force and intent.order is OrderState.IN_DOUBT and not is_free)
        try:
            self.intents.release(name, force=force, wall_us=self.wall_us)
        except ReservationError:
            assert not may
            assert self.sums == before
        else:
            assert may
        self.settle()

    def expire(self, dice: Dice) -> None:
        self.intents.expire(now_s=self.now_s, wall_us=self.wall_us)
        self.settle()

    def restart(self, dice: Dice) -> None:
        """The process dies; another goes on with what was durable, and with figures read anew."""
        kept = [msgspec.json.decode(msgspec.json.encode(intent), type=Intent) for intent in self.intents]
        spent = {bot: dict(own) for bot, own in self.intents.spent.items()}
        self.start_intents()
        self.intents.spent = spent
        self.intents.restore(kept, now_s=self.now_s, wall_us=self.wall_us)
        self.doubts, self.lookups = {}, set()
        self.unheard |= self.flying.keys()
        # Read anew. That REST may lag behind what the former process knew is the ledger's to see to.
        known, self.ledger = self.ledger.fills, PlainLedger()
        for done in self.fills:
            for asset in ASSETS:
                if (done.fill_id, asset) in known:
                    self.ledger.take_leg(done, asset)
        self.cut(dice)
        for intent in self.intents.doubts():
            until_us = intent.valid_until_us or 0
            self.doubts[intent.intent_id] = Doubt(began_s=self.now_s, valid_until_s=until_us / 1e6, lag_s=LAG_S)
        self.take_figures(LAG_S - 1)
        self.settle()

    # What becomes of what was sent

    def arrive(self, dice: Dice) -> None:
        """The venue has it; we hear of it at once, never, or by the channel first."""
        if not self.flying:
            return
        name, answer = dice.choice(list(self.flying)), dice.choice(("ack", "ack", "lost", "late"))
        ticket = self.flying.pop(name)
        assert ticket.quantity is not None
        self.serial += 1
        order = AtVenue(f"O{self.serial}", ticket.client_order_id, ticket.side, ticket.quantity)
        assert ticket.client_order_id not in self.at_venue, "one intent, two orders"
        self.at_venue[ticket.client_order_id] = order
        self.happened(order, "new")
        if answer == "late":
            self.take_rows(len(self.rows))
        if answer == "lost":
            self.give_up(name)
        elif name not in self.unheard:
            ack = OrderAck(order_id=order.order_id, client_order_id=order.client_id, as_of_s=self.now_s, via="stream")
            self.intents.acked(name, ack, wall_us=self.wall_us)
        self.settle()

    def fail(self, dice: Dice) -> None:
        """An answer is lost, or says that there is no order; or the order is lost on its way."""
        if not self.flying:
            return
        name, fate = dice.choice(list(self.flying)), dice.choice(("lost", "refused", "never_sent", "dropped"))
        if fate == "lost":
            self.give_up(name)  # It may still arrive, while it is valid.
        elif name not in self.unheard:
            del self.flying[name]
            word = {"cause": fate, "detail": None, "wall_us": self.wall_us}
            if fate == "refused":
                self.intents.refused(name, **word)  # type: ignore[arg-type]
            elif fate == "never_sent":
                self.intents.never_sent(name, **word)  # type: ignore[arg-type]
            else:
                self.give_up(name)
        self.settle()

    def give_up(self, name: str) -> None:
        if name not in self.unheard:
            self.intents.doubt(name, cause="lost", detail=None, wall_us=self.wall_us)

    # The venue's life

    def open_at_venue(self) -> list[AtVenue]:
        return [order for order in self.at_venue.values() if order.ended is None]

    def fill(self, dice: Dice) -> None:
        orders = self.open_at_venue()
        if not orders:
            return
        order, portion = dice.choice(orders), Decimal(dice.choice(("0.25", "0.5", "1")))
        with exact():
            quantity = (order.quantity - order.filled) * portion
            order.filled += quantity
        self.serial += 1
        done = Execution(f"T{self.serial}", order, quantity, self.now_s)
        self.fills.append(done)
        for asset, change in done.legs().items():
            with exact():
                self.truth[asset] += change
        self.happened(order, "trade", done)
        if order.filled == order.quantity:
            order.ended = "filled"
            self.happened(order, "filled")

    def end(self, dice: Dice) -> None:
        orders = self.open_at_venue()
        if not orders:
            return
        order, reason = dice.choice(orders), dice.choice(("canceled", "expired"))
        order.ended = reason
        self.happened(order, reason)

    def happened(self, order: AtVenue, reason: str, done: Execution | None = None) -> None:
        """Remember, and push where somebody listens."""
        order.note(self.now_s)
        if not self.is_connected:
            return
        with exact():
            cost = order.filled * PRICE
        self.rows.append(
            OrderChange(
                order_id=order.order_id,
                order=None if order.ended else order.listed(order.filled),
                as_of_s=self.now_s,
                ref=None if done is None else done.fill_id,
                reason=reason,
                client_order_id=order.client_id,
                filled=order.filled,
                cost=cost,
                fill=None if done is None else done.told(),
            )
        )
        self.row_orders.append((order, order.filled, order.ended))
        if done is not None:
            self.legs += [(done, asset) for asset in done.legs()]

    # The wire

    def deliver_rows(self, dice: Dice) -> None:
        self.take_rows(dice.randint(1, 4))

    def take_rows(self, count: int) -> None:
        for _ in range(min(count, len(self.rows))):
            row, (order, filled, ended) = self.rows.pop(0), self.row_orders.pop(0)
            self.ledger.take_order(order, filled, ended)
            self.intents.changed(row, now_s=self.now_s, wall_us=self.wall_us)
            self.settle()

    def deliver_legs(self, dice: Dice) -> None:
        self.take_legs(dice.randint(1, 4))

    def take_legs(self, count: int) -> None:
        for _ in range(min(count, len(self.legs))):
            done, asset = self.legs.pop(0)
            self.ledger.take_leg(done, asset)
            change = done.legs()[asset]
            leg = Delta(
                asset=asset,
                change=change,
                total=None,
                kind="trade",
                ref=done.fill_id,
                has_other_leg=True,
                as_of_s=self.now_s,
            )
            self.intents.moved([leg])
            self.settle()

    def cut(self, dice: Dice) -> None:
        """The connection breaks, with everything that was on its way."""
        self.is_connected = False
        self.rows, self.row_orders, self.legs = [], [], []

    def connect(self, dice: Dice) -> None:
        if not self.is_connected:
            self.state_channels(dice.choice((0.0, 2.0, BALANCES_LAG_S)))

    def state_channels(self, lag_s: float) -> None:
        """Both channels state themselves; balances may be of up to five seconds ago, and their rest comes as legs."""
        self.is_connected = True
        self.take_list(self.now_s, Source.STREAM)
        for done in self.fills:
            for asset in done.legs():
                if done.at_s <= self.now_s - lag_s:
                    self.ledger.take_leg(done, asset)
                elif (done.fill_id, asset) not in self.ledger.fills:
                    self.legs.append((done, asset))
        self.ledger.restated_s = self.now_s
        self.settle()

    # REST

    def read_balances(self, dice: Dice) -> None:
        self.take_figures(dice.choice(LAGS))
        self.settle()

    def take_figures(self, lag_s: float) -> None:
        """A figure of so long ago; what is known beyond it stays known."""
        for done in self.fills:
            if done.at_s <= self.now_s - lag_s:
                for asset in done.legs():
                    self.ledger.take_leg(done, asset)
        self.ledger.anchor_s = self.now_s
        for order in self.at_venue.values():
            seen = order.as_of(self.now_s - lag_s)
            if seen is not None:
                self.ledger.covered.add(order.order_id)

    def read_orders(self, dice: Dice) -> None:
        self.take_list(self.now_s - dice.choice(LAGS), Source.REST)
        self.settle()

    def take_list(self, at_s: float, source: Source) -> None:
        listed: dict[str, OpenOrder] = {}
        for order in self.at_venue.values():
            seen = order.as_of(at_s)
            if seen is not None and seen[1] is None:
                listed[order.order_id] = order.listed(seen[0])
            if source is Source.STREAM:
                filled, ended = order.filled, order.ended
                self.ledger.take_order(order, filled, ended)
        snapshot = OrdersSnapshot(read="orders", source=source, as_of_s=self.now_s, orders=listed)
        missing = self.intents.stated(snapshot, now_s=self.now_s, wall_us=self.wall_us)
        self.lookups |= {intent.intent_id for intent in missing}

    def take_one(self, order: AtVenue, at_s: float) -> bool:
        """One order looked up; whether the venue knew it then."""
        seen = order.as_of(at_s)
        if seen is None:
            return False
        filled, ended = seen
        if ended is None:
            self.intents.found_open(order.listed(filled), now_s=self.now_s, wall_us=self.wall_us)
        else:
            self.intents.found_closed(order.over(filled, ended), now_s=self.now_s, wall_us=self.wall_us)
        return True

    def look_up(self, dice: Dice) -> None:
        self.take_lookups(dice.choice(LAGS))

    def take_lookups(self, lag_s: float) -> None:
        for name in sorted(self.lookups):
            intent = self.intents.get(name)
            if intent is not None and intent.client_order_id in self.at_venue:
                self.take_one(self.at_venue[intent.client_order_id], self.now_s - lag_s)
                self.settle()

    def ask_about_doubts(self, dice: Dice) -> None:
        if self.intents.doubts():
            self.gather_evidence(dice.choice(("time", "open", "closed", "fills", "all", "all")), dice.choice(LAGS))

    def gather_evidence(self, query: str, lag_s: float) -> None:
        for each in ("time", "open", "closed", "fills") if query == "all" else (query,):
            self.ask_one(each, self.now_s - lag_s)
        for intent in self.intents.doubts():
            if self.doubts[intent.intent_id].is_absent():
                assert intent.client_order_id not in self.at_venue, "called absent, and is there"
                assert intent.intent_id not in self.flying, "called absent, and may still arrive"
                self.intents.absent(intent.intent_id, wall_us=self.wall_us)
                self.settle()

    def ask_one(self, query: str, at_s: float) -> None:
        if query == "time":
            for doubt in self.doubts.values():
                doubt.heard_time(venue_time_s=self.now_s, received_s=self.now_s)
            return
        if query == "open":
            self.take_list(at_s, Source.REST)
        elif query == "closed":
            for order in self.at_venue.values():
                seen = order.as_of(at_s)
                if seen is not None and seen[1] is not None:
                    self.take_one(order, at_s)
        else:
            for done in self.fills:
                if done.at_s <= at_s:
                    self.take_one(done.order, at_s)
        self.settle()
        for intent in self.intents.doubts():
            self.doubts[intent.intent_id].negative(query, asked_s=self.now_s)

    # What must hold

    def check(self) -> None:
        self.sums_are_those_of_the_claims()
        self.every_reservation_ends_once()
        self.an_order_in_doubt_keeps_all_of_its_money()
        self.nothing_is_counted_zero_times()

    def sums_are_those_of_the_claims(self) -> None:
        self.intents.book.check()
        counted = dict.fromkeys(ASSETS, ZERO)
        for intent in self.intents:
            assert intent.counted >= 0
            with exact():
                counted[intent.asset] += intent.counted
            reservation = self.intents.book.get(intent.intent_id)
            if intent.reservation.is_ended:  # By a person, before there was evidence of its order.
                assert (reservation, intent.counted) == (None, ZERO)
                continue
            assert reservation is not None
            assert (reservation.counted, reservation.state) == (intent.counted, intent.reservation)
        for asset in ASSETS:
            assert self.sums.get(asset, ZERO) == self.intents.book.reserved(asset) == counted[asset]

    def every_reservation_ends_once(self) -> None:
        assert all(times == 1 for times in self.ends.values()), self.ends
        assert not {each.intent_id for each in self.intents if not each.reservation.is_ended} & self.ends.keys()
        assert not self.intents.contradicted

    def an_order_in_doubt_keeps_all_of_its_money(self) -> None:
        for intent in self.intents:
            if intent.reservation.is_ended:
                continue
            is_in_doubt = intent.order is OrderState.IN_DOUBT
            assert is_in_doubt is (intent.reservation is ReservationState.IN_DOUBT)
            if is_in_doubt or intent.order is OrderState.SENDING or intent.order is None:
                assert intent.counted == intent.amount

    def nothing_is_counted_zero_times(self) -> None:
        for asset in ASSETS:
            assert self.ledger.spendable(asset, self.sums.get(asset, ZERO)) <= max(ZERO, self.left(asset)), asset

    def left(self, asset: str) -> Decimal:
        """What is really left of an asset once everything that was sent has happened."""
        with exact():
            left = self.truth[asset]
            for order in self.open_at_venue():
                if order.pays == asset:
                    left -= order.worth(order.quantity - order.filled)
            for ticket in self.flying.values():
                assert ticket.quantity is not None
                order = AtVenue("", "", ticket.side, ticket.quantity)
                if order.pays == asset:
                    left -= order.worth(ticket.quantity)
        return left

    def heal(self) -> None:
        """Everything heals: what is claimed then is what the venue does not hold itself, and no more."""
        self.wait(2 * VALIDITY_S)
        if not self.is_connected:
            self.state_channels(0.0)
        self.take_rows(len(self.rows))
        self.take_legs(len(self.legs))
        for _ in range(2):
            self.wait(2 * LAG_S)
            self.gather_evidence("all", 0.0)
        self.intents.expire(now_s=self.now_s, wall_us=self.wall_us)
        self.take_lookups(0.0)
        self.wait(2 * LAG_S)
        self.take_figures(0.0)
        self.settle()
        self.check()
        assert self.intents.doubts() == []
        assert {each.client_order_id for each in self.intents} == {each.client_id for each in self.open_at_venue()}
        for asset in ASSETS:
            assert self.sums.get(asset, ZERO) == 0
            assert self.ledger.spendable(asset, ZERO) == self.left(asset)
        self.check_spent("grid")

    def check_spent(self, bot: str) -> None:
        theirs = {client_id for client_id, owner in self.owners.items() if owner == bot}
        with exact():
            for asset in ASSETS:
                taken = sum((-done.legs()[asset] for done in self.fills if done.order.client_id in theirs), ZERO)
                assert self.intents.spent.get(bot, {}).get(asset, ZERO) == taken


Act = Callable[[Story, Dice], None]
ACTS: tuple[Act, ...] = (
    Story.pass_time,
    Story.pass_time,
    Story.ask,
    Story.ask,
    Story.ask,
    Story.release,
    Story.expire,
    Story.restart,
    Story.arrive,
    Story.fail,
    Story.fill,
    Story.fill,
    Story.fill,
    Story.end,
    Story.deliver_rows,
    Story.deliver_rows,
    Story.deliver_legs,
    Story.deliver_legs,
    Story.cut,
    Story.connect,
    Story.connect,
    Story.read_balances,
    Story.read_orders,
    Story.look_up,
    Story.ask_about_doubts,
)


def tell(acts: list[tuple[Act, int]]) -> Story:
    """Act after act, every promise checked in between; then everything heals."""
    story = Story()
    for act, seed in acts:
        act(story, Dice(seed))
        story.check()
    story.heal()
    return story


def drawn(seed: int, *, length: int) -> list[tuple[Act, int]]:
    dice = Dice(seed)
    return [(dice.choice(ACTS), dice.randrange(2**16)) for _ in range(length)]


@settings(max_examples=60)
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2**16)), max_size=40))
def test_any_story_of_orders_keeps_every_promise(acts: list[tuple[Act, int]]) -> None:
    tell(acts)


def test_long_stories_of_orders_keep_every_promise_and_are_about_something() -> None:
    """Orders are lost, filled, found and called absent in them, and every end is reached."""
    seen: set[str] = set()
    for seed in range(30):
        story = tell(drawn(seed, length=120))
        seen |= story.causes
    assert seen >= {
        "absent",
        "acknowledged",
        "canceled",
        "covered",
        "filled",
        "forced",
        "found_closed",
        "found_open",
        "lost",
        "never_sent",
        "reflected",
        "refused",
        "released",
        "restarted",
        "trade",
        "unsent",
    }


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 20_000, 500))
def test_many_long_stories_of_orders_keep_every_promise(seed: int) -> None:
    for each in range(seed, seed + 500):
        tell(drawn(each, length=200))
