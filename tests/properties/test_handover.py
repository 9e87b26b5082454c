"""
Our own orders, from claim to end, over every way in which a venue's word can come late: no money is counted zero times.

The venue and the wire of ``test_ledger_model``, with orders that are claimed before they are sent. Whatever was
delivered, lost or overtaken, and whatever REST said of whenever: what is spendable never exceeds what the venue would
let us spend, once every claim that has not arrived there has. After healing nothing is claimed beyond what the venue
does not hold itself.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import ZERO, add, exact, multiply, subtract, total_of
from holdfast.core.balances import (
    BalanceState,
    Delta,
    OpenOrder,
    OrderChange,
    OrderFill,
    OrdersSnapshot,
    Side,
    Snapshot,
    Source,
)
from holdfast.core.intents import Intent, Intents
from holdfast.core.ledger import Ledger, LedgerSettings, WantKind
from holdfast.core.orders import OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.reservations import Reservations, ReservationState
from holdfast.core.venue import Channel, ClosedOrder
from tests.properties.test_ledger_model import ASSETS, LAGS, Dice, Figures, Model, Venue

PRICE = Decimal(4)
FEE = Decimal("0.004")
FIT = (BalanceState.LIVE, BalanceState.FRESH)


class OwnFigures(Figures):
    """``free`` is what REST calls available; ``spendable`` what the venue would let us spend."""

    def __init__(self, at_s: float, venue: OwnVenue, held: dict[str, Decimal], claimed: dict[str, Decimal]) -> None:
        super().__init__(at_s, venue.totals, held, venue.locked)
        with exact():
            self.spendable = {asset: self.free[asset] + held[asset] - claimed[asset] for asset in ASSETS}


class OwnVenue(Venue):
    """A venue that counts the fee of a buy, and shows it as held or not."""

    def __init__(self, now_s: float, *, shows_fee: bool) -> None:
        self.shows_fee = shows_fee
        super().__init__(now_s, FEE)

    def note(self, now_s: float) -> None:
        held, claimed = dict.fromkeys(ASSETS, ZERO), dict.fromkeys(ASSETS, ZERO)
        with exact():
            for order in self.orders.values():
                assert order.hold is not None
                assert order.hold_asset is not None
                claim = order.hold * (1 + FEE) if order.side is Side.BUY else order.hold
                claimed[order.hold_asset] += claim
                held[order.hold_asset] += claim if self.shows_fee else order.hold
        self.past.append(OwnFigures(now_s, self, held, claimed))

    @property
    def own_truth(self) -> OwnFigures:
        truth = self.truth
        assert isinstance(truth, OwnFigures)
        return truth


class Trading(Model):
    """One story of an account that trades: claims, orders on their way, answers that come, are late or get lost."""

    def __init__(self, *, shows_fee: bool) -> None:
        super().__init__(FEE)
        self.venue: OwnVenue = OwnVenue(self.now_s, shows_fee=shows_fee)
        self.ledger = Ledger(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
        self.book = Reservations(self.ledger.set_reserved)
        self.intents = Intents(book=self.book, rest_lag_s=self.ledger.settings.rest_lag_s)
        self.under_way: list[tuple[Intent, OpenOrder]] = []  # Sent, and not yet at the venue.
        self.ended: dict[str, ClosedOrder] = {}  # By the venue's order id: how its orders ended.
        self.done: dict[str, tuple[Decimal, Decimal]] = {}  # Filled and cost of every order.
        self.approved = 0

    # Our side

    def settle(self) -> None:
        """What a shell does after every step."""
        self.intents.recount(self.ledger, wall_us=self.wall_us)
        self.intents.drain()
        self.book.check()
        for asset in ASSETS:
            assert self.ledger.balance(asset, now_s=self.now_s).reserved == self.book.reserved(asset)

    @property
    def wall_us(self) -> int:
        return int(self.now_s * 1_000_000)

    def trade(self, dice: Dice) -> None:
        """Claim and send, where the figures allow."""
        side = dice.choice((Side.BUY, Side.SELL))
        asset = "USD" if side is Side.BUY else "BTC"
        balance = self.ledger.balance(asset, now_s=self.now_s)
        if balance.state not in FIT or not balance.spendable:
            return
        share = self._share(balance.spendable, dice.choice((1, 30, 99)), places=8)
        with exact():
            quantity = share / PRICE * Decimal("0.99") if side is Side.BUY else share
        quantity = self._share(quantity, 100, places=8)
        if not quantity:
            return
        hold = multiply(quantity, PRICE) if side is Side.BUY else quantity
        with exact():
            amount = hold * (1 + FEE) if side is Side.BUY else hold
        if amount > balance.spendable:
            return
        self.serial += 1
        name = f"I{self.serial}"
        intent = self.intents.claim(
            Intent(
                intent_id=name,
                client_order_id=f"c{name}",
                asset=asset,
                amount=amount,
                reservation=ReservationState.ACTIVE,
                symbol="BTC-USD",
                side=side,
                fee_rate=FEE,
                price=PRICE,
                claimed_s=self.now_s,
            ),
            spendable=balance.spendable,
        )
        if dice.random() < 0.1:
            self.intents.release(name, wall_us=self.wall_us)
            return
        ticket = OrderTicket(
            client_order_id=intent.client_order_id,
            symbol="BTC-USD",
            side=side,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            quote_quantity=None,
            limit_price=PRICE,
            time_in_force=TimeInForce.GTC,
            is_post_only=False,
            valid_until_us=self.wall_us + 5_000_000,
        )
        intent = self.intents.submit(name, ticket, is_exit=False, wall_us=self.wall_us)
        order = OpenOrder(
            order_id=f"O{self.serial}",
            client_order_id=intent.client_order_id,
            symbol="BTC-USD",
            side=side,
            order_type="limit",
            quantity=quantity,
            filled=ZERO,
            limit_price=PRICE,
            hold_asset=asset,
            hold=hold,
            cost=ZERO,
            fee=ZERO,
        )
        self.approved += 1
        self.under_way.append((intent, order))
        if dice.random() < 0.4:
            self.arrive(dice)

    def arrive(self, dice: Dice) -> None:
        """An order reaches the venue; its answer reaches us, or is lost."""
        if not self.under_way:
            return
        intent, order = self.under_way.pop(dice.randrange(len(self.under_way)))
        name = intent.intent_id
        answer = dice.choice(("ack", "ack", "lost", "later"))
        if dice.random() < 0.1:
            self.intents.refused(name, cause="rejected", detail=None, wall_us=self.wall_us)
            self.settle()
            return
        # The promise itself: what was approved is funded.
        assert intent.amount <= self.venue.own_truth.spendable[intent.asset], (intent, self.venue.own_truth.spendable)
        self._own(order, "new", None)
        self.venue.note(self.now_s)
        if answer == "ack":
            ack = OrderAck(
                order_id=order.order_id, client_order_id=order.client_order_id, as_of_s=self.now_s, via="stream"
            )
            self.intents.acked(name, ack, wall_us=self.wall_us)
        elif answer == "lost":
            self.intents.doubt(name, cause="timeout", detail=None, wall_us=self.wall_us)
        self.settle()

    def look_up(self, dice: Dice) -> None:
        """Ask the venue about orders that may be there."""
        under_way = {intent.intent_id for intent, _ in self.under_way}
        for intent in list(self.intents):
            if not intent.may_be_live or intent.intent_id in under_way:
                continue
            self._look_up(intent)
        self.settle()

    def _look_up(self, intent: Intent) -> None:
        for order in self.venue.orders.values():
            if order.client_order_id == intent.client_order_id:
                self.intents.found_open(order, now_s=self.now_s, wall_us=self.wall_us)
                return
        for closed in self.ended.values():
            if closed.client_order_id == intent.client_order_id:
                self.intents.found_closed(closed, now_s=self.now_s, wall_us=self.wall_us)

    # The venue's

    def cancel(self, dice: Dice) -> None:
        if self.venue.orders:
            order_id = dice.choice(sorted(self.venue.orders))
            self._end(self.venue.orders[order_id], "canceled", None)
            self.venue.note(self.now_s)

    def fill(self, dice: Dice) -> None:
        if not self.venue.orders:
            return
        order = self.venue.orders[dice.choice(sorted(self.venue.orders))]
        assert order.quantity is not None
        open_quantity = subtract(order.quantity, order.filled)
        quantity = open_quantity if dice.random() < 0.5 else self._share(open_quantity, 40, places=8)
        if not quantity:
            return
        self.serial += 1
        ref = f"T{self.serial}"
        cost = multiply(quantity, PRICE)
        fee = multiply(cost, FEE)
        fill = OrderFill(fill_id=ref, quantity=quantity, price=PRICE, cost=cost, fees=(("USD", fee),))
        filled, spent = add(order.filled, quantity), add(order.cost or ZERO, cost)
        left = subtract(order.quantity, filled)
        changed = msgspec.structs.replace(
            order,
            filled=filled,
            cost=spent,
            fee=multiply(spent, FEE),
            hold=multiply(left, PRICE) if order.side is Side.BUY else left,
        )
        if left:
            self._own(changed, "trade", ref, fill=fill)
        else:
            self._end(changed, "filled", ref, fill=fill)
        paid = add(cost, fee)
        if order.side is Side.BUY:
            self._book({"USD": subtract(ZERO, paid), "BTC": quantity}, "trade", ref)
        else:
            self._book({"BTC": subtract(ZERO, quantity), "USD": subtract(cost, fee)}, "trade", ref)

    def _own(self, order: OpenOrder, reason: str, ref: str | None, fill: OrderFill | None = None) -> None:
        self.venue.orders[order.order_id] = order
        self._tell(order, order, reason, ref, fill)

    def _end(self, order: OpenOrder, reason: str, ref: str | None, fill: OrderFill | None = None) -> None:
        self.venue.orders.pop(order.order_id, None)
        self.ended[order.order_id] = ClosedOrder(
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            status="closed" if reason == "filled" else reason,
            quantity=order.quantity or ZERO,
            filled=order.filled,
            cost=order.cost or ZERO,
            fee=order.fee or ZERO,
            closed_at_s=None,
            reason=None,
        )
        self._tell(order, None, reason, ref, fill)

    def _tell(
        self, order: OpenOrder, left: OpenOrder | None, reason: str, ref: str | None, fill: OrderFill | None
    ) -> None:
        if self.stated[Channel.ORDERS]:
            self.venue.order_frames.append(
                OrderChange(
                    order_id=order.order_id,
                    order=left,
                    as_of_s=self.now_s,
                    ref=ref,
                    reason=reason,
                    client_order_id=order.client_order_id,
                    filled=order.filled,
                    cost=order.cost,
                    fill=fill,
                )
            )

    # The wire

    def hear_balances(self, dice: Dice) -> None:
        for _ in range(dice.randint(1, 4)):
            if not self.venue.balance_frames:
                return
            delta = self.venue.balance_frames.popleft()
            if not self.is_connected or not self.stated[Channel.BALANCES] or self.is_frozen:
                self.has_missed = self.has_missed or self.is_frozen
                continue
            self._hear_delta(delta)

    def _hear_delta(self, delta: Delta) -> None:
        self.ledger.prove(self.now_s)
        assert self.ledger.move((delta,), now_s=self.now_s).refused is None
        self.intents.moved([delta] if self.ledger.shows(delta.asset) else [])
        self.settle()

    def hear_orders(self, dice: Dice) -> None:
        for _ in range(dice.randint(1, 4)):
            if not self.venue.order_frames:
                return
            change = self.venue.order_frames.popleft()
            if self.is_connected and self.stated[Channel.ORDERS]:
                self.ledger.prove(self.now_s)
                assert self.ledger.change_orders((change,), now_s=self.now_s).refused is None
                self.intents.changed(change, now_s=self.now_s, wall_us=self.wall_us)
                self.settle()

    def hear_everything(self, dice: Dice) -> None:
        while self.venue.balance_frames or self.venue.order_frames:
            dice.choice((self.hear_balances, self.hear_orders))(dice)

    def lag_holds(self, dice: Dice) -> None:
        """An answer whose totals are of now and whose holds are older."""
        now, then = self.venue.truth, self.venue.as_of(self.now_s - dice.choice(LAGS))
        figures = Figures(self.now_s, now.totals, then.held, self.venue.locked)
        self._take(self._answer("BalanceEx", self.now_s, figures))

    def read_orders(self, dice: Dice) -> None:
        snapshot = OrdersSnapshot(
            read="OpenOrders", source=Source.REST, as_of_s=self.now_s, orders=dict(self.venue.orders)
        )
        self.ledger.state_orders(snapshot, now_s=self.now_s)
        self.settle()

    def _state_orders(self) -> None:
        super()._state_orders()
        snapshot = OrdersSnapshot(
            read="executions", source=Source.STREAM, as_of_s=self.now_s, orders=dict(self.venue.orders)
        )
        self.intents.stated(snapshot, now_s=self.now_s, wall_us=self.wall_us)
        self.settle()

    def _state_balances(self) -> None:
        super()._state_balances()
        self.settle()

    def drop(self, dice: Dice) -> None:
        super().drop(dice)
        self.settle()

    def break_sequence(self, dice: Dice) -> None:
        super().break_sequence(dice)
        self.settle()

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.settle()

    def _take(self, snapshot: Snapshot) -> None:
        super()._take(snapshot)
        self.settle()

    # Always

    def nothing_is_counted_zero_times(self) -> None:
        """What is spendable is free at the venue, even when all that is under way has arrived there."""
        for asset in ("USD", "BTC"):
            balance = self.ledger.balance(asset, now_s=self.now_s)
            if balance.state not in FIT or balance.spendable is None:
                continue
            coming = total_of(intent.amount for intent, _ in self.under_way if intent.asset == asset)
            really = subtract(self.venue.own_truth.spendable[asset], coming)
            assert balance.spendable <= max(ZERO, really), (
                balance,
                really,
                [each for each in self.intents if each.asset == asset],
            )

    # Healing

    def heal_all(self, dice: Dice) -> None:
        """All works again: what the venue holds is counted by it alone within the bound, what has ended by nobody."""
        while self.under_way:
            self.arrive(dice)
        self.drop(dice)
        self.asked.clear()
        self.connect(dice)
        self._take(self._answer("BalanceEx", self.now_s, self.venue.truth))
        healed_s = self.now_s
        while self.now_s < healed_s + 150.0:
            for want in self.ledger.wants:
                if want.kind is WantKind.RESUBSCRIBE and want.channel is not None:
                    self.ledger.await_snapshot(want.channel, now_s=self.now_s)
                    self._restate(want.channel)
            self.look_up(dice)
            self.wait(5.0)
            self._take(self._answer("BalanceEx", self.now_s, self.venue.truth))
            self._take(self._answer("Balance", self.now_s, self.venue.truth))
            self.read_orders(dice)
        truth = self.venue.own_truth
        live = {intent.client_order_id for intent in self.intents}
        assert live == {order.client_order_id for order in self.venue.orders.values()}, live
        for asset in ("USD", "BTC"):
            balance = self.ledger.balance(asset, now_s=self.now_s)
            assert balance.state is BalanceState.LIVE, (balance, self.ledger.wants)
            assert balance.spendable is not None
            really = max(ZERO, truth.spendable[asset])
            # What an order needs is rounded up to the places of a ledger; this venue has more.
            assert ZERO <= subtract(really, balance.spendable) <= Decimal("1e-8"), (balance, truth.spendable)


Act = Callable[[Trading, Dice], None]
OWN: tuple[Act, ...] = (
    Trading.pass_time,
    Trading.deposit,
    Trading.trade,
    Trading.trade,
    Trading.trade,
    Trading.arrive,
    Trading.look_up,
    Trading.cancel,
    Trading.fill,
    Trading.fill,
    Trading.hear_balances,
    Trading.hear_orders,
    Trading.hear_everything,
    Trading.connect,
    Trading.drop,
    Trading.break_sequence,
    Trading.restate,
    Trading.freeze,
    Trading.ask,
    Trading.answer,
    Trading.read,
    Trading.read,
    Trading.lag_holds,
    Trading.read_orders,
    Trading.lie,
    Trading.invalidate,
)


def tell(story: list[tuple[Act, int]], *, shows_fee: bool) -> Trading:
    """Act after act from a live account, the promise checked in between."""
    trading = Trading(shows_fee=shows_fee)
    dice = Dice(0)
    trading.connect(dice)
    trading._take(trading._answer("BalanceEx", trading.now_s, trading.venue.truth))
    for act, seed in story:
        act(trading, Dice(seed))
        trading.settle()
        trading.nothing_is_counted_zero_times()
    trading.heal_all(dice)
    return trading


@settings(max_examples=100)
@given(shows_fee=st.booleans(), story=st.lists(st.tuples(st.sampled_from(OWN), st.integers(0, 2**16)), max_size=30))
def test_any_story_of_orders_counts_no_money_zero_times(shows_fee: bool, story: list[tuple[Act, int]]) -> None:
    tell(story, shows_fee=shows_fee)


@pytest.mark.parametrize("seed", range(25))
def test_a_long_story_of_orders_counts_no_money_zero_times(seed: int) -> None:
    dice = Dice(seed)
    tell([(dice.choice(OWN), dice.randrange(2**16)) for _ in range(120)], shows_fee=dice.random() < 0.5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 10_000, 500))
def test_many_long_stories_of_orders_count_no_money_zero_times(seed: int) -> None:
    for each in range(seed, seed + 500):
        dice = Dice(each)
        tell([(dice.choice(OWN), dice.randrange(2**16)) for _ in range(200)], shows_fee=dice.random() < 0.5)
