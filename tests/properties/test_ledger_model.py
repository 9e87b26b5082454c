"""
A venue that knows the truth, a wire that delays, drops, lags and lies, and a ledger that hears only the wire.

Whatever happens: a live total is the truth of the last frame that arrived, nothing spendable exceeds what is really
free once the frames in flight have arrived, what was refused changed nothing, and after healing every figure is exact.
A story is a list of acts, each with its own dice, so that a failing one shrinks to the acts that matter.
"""

from __future__ import annotations

import decimal
import random
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import add, exact, subtract, total_of
from holdfast.core.balances import (
    Balance,
    BalanceState,
    Delta,
    Holding,
    OpenOrder,
    OrderChange,
    OrdersSnapshot,
    Side,
    Snapshot,
    Source,
)
from holdfast.core.ledger import Ledger, LedgerSettings, WantKind
from holdfast.core.venue import Channel

ASSETS = ("USD", "BTC", "DOT")
ZERO = Decimal(0)
FIT = (BalanceState.LIVE, BalanceState.FRESH)

LAGS = (0.0, 0.0, 0.0, 0.5, 3.0, 20.0, 55.0)
Dice = random.Random


def amount_of(dice: Dice) -> Decimal:
    """Any positive amount, of up to eighteen places."""
    digits = tuple(map(int, str(dice.randint(1, 10**6))))
    return Decimal((0, digits, -dice.choice((0, 2, 8, 18))))


class Figures:
    """Total, held and available of every asset at one moment, as the venue would state them."""

    def __init__(self, at_s: float, totals: dict[str, Decimal], held: dict[str, Decimal], locked: dict[str, Decimal]):
        self.at_s = at_s
        self.totals = dict(totals)
        self.held = dict(held)
        with exact():
            self.free = {asset: totals[asset] - held[asset] - locked[asset] for asset in ASSETS}


class Venue:
    """The truth, every truth before it, and the frames that have left."""

    def __init__(self, now_s: float, fee: Decimal) -> None:
        self.fee = fee  # Part of an order's cost that the venue holds for its fee.
        self.totals = {"USD": Decimal("1500.25"), "BTC": Decimal("0.4"), "DOT": ZERO}
        self.locked = dict.fromkeys(ASSETS, ZERO)
        self.orders: dict[str, OpenOrder] = {}
        self.past: deque[Figures] = deque()
        self.balance_frames: deque[Delta] = deque()
        self.order_frames: deque[OrderChange] = deque()
        self.note(now_s)

    def note(self, now_s: float) -> None:
        """Remember the truth that begins now."""
        held = dict.fromkeys(ASSETS, ZERO)
        with exact():
            for order in self.orders.values():
                assert order.hold is not None
                assert order.hold_asset is not None
                held[order.hold_asset] += order.hold * (1 + self.fee)
        self.past.append(Figures(now_s, self.totals, held, self.locked))

    @property
    def truth(self) -> Figures:
        return self.past[-1]

    def as_of(self, at_s: float) -> Figures:
        """The truth at a moment of the past."""
        return next((each for each in reversed(self.past) if each.at_s <= at_s), self.past[0])


class Model:
    """One story: what venue, wire and time do, and what must hold after each act."""

    def __init__(self, fee: Decimal) -> None:
        self.now_s = 1000.0
        self.venue = Venue(self.now_s, fee)
        self.ledger = Ledger(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
        self.is_connected = False
        self.is_frozen = False  # Balance frames are swallowed without a gap in their sequence.
        self.has_missed = False  # ... and some were.
        self.stated = dict.fromkeys(Channel, False)
        self.delivered: dict[str, Decimal] = {}
        self.asked: list[tuple[float, str, float]] = []
        self.serial = 0
        self.hidden_s: float | None = None  # When money was locked without a frame that says so.

    # Time

    def pass_time(self, dice: Dice) -> None:
        self.wait(dice.choice((0.01, 0.3, 1.0, 4.0, 12.0, 29.0, 61.0)))

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + 1.0)
            if self.is_connected:
                self.ledger.prove(self.now_s)
            due_s = self.ledger.next_due_s()
            if due_s is not None and due_s <= self.now_s:
                self.ledger.tick(self.now_s)

    # The venue's life

    def deposit(self, dice: Dice) -> None:
        self._book({dice.choice(ASSETS): amount_of(dice)}, "deposit")

    def withdraw(self, dice: Dice) -> None:
        asset = dice.choice(ASSETS)
        amount = self._share(self.venue.truth.free[asset], dice.choice((1, 40, 100)))
        if amount > 0:
            self._book({asset: subtract(ZERO, amount)}, "withdrawal")

    def lock(self, dice: Dice) -> None:
        """Stake some: two rows of one asset, and what is locked cannot be spent."""
        asset = dice.choice(ASSETS)
        amount = self._share(self.venue.truth.free[asset], dice.choice((1, 40, 100)))
        if amount > 0:
            self.venue.locked[asset] = add(self.venue.locked[asset], amount)
            if not self.stated[Channel.BALANCES]:
                self.hidden_s = self.now_s
            self._book({asset: subtract(ZERO, amount)}, "staking")
            self._book({asset: amount}, "staking")

    def place(self, dice: Dice) -> None:
        asset = dice.choice(("USD", "BTC"))
        hold = self._share(self.venue.truth.free[asset], dice.choice((1, 30, 99)), places=12)
        with exact():
            is_affordable = hold > 0 and hold * (1 + self.venue.fee) <= self.venue.truth.free[asset]
        if is_affordable:
            self.serial += 1
            order = OpenOrder(
                order_id=f"O{self.serial}",
                client_order_id=None,
                symbol="BTC-USD",
                side=Side.BUY if asset == "USD" else Side.SELL,
                order_type="limit",
                quantity=Decimal(1),
                filled=ZERO,
                limit_price=None,
                hold_asset=asset,
                hold=hold,
            )
            self._change_order(order.order_id, order, "new", None)
            self.venue.note(self.now_s)

    def cancel(self, dice: Dice) -> None:
        if self.venue.orders:
            self._change_order(dice.choice(sorted(self.venue.orders)), None, "canceled", None)
            self.venue.note(self.now_s)

    def fill(self, dice: Dice) -> None:
        if not self.venue.orders:
            return
        order_id = dice.choice(sorted(self.venue.orders))
        order = self.venue.orders[order_id]
        assert order.hold is not None
        assert order.hold_asset is not None
        paid = order.hold if dice.random() < 0.5 else self._share(order.hold, 40, places=12)
        if not paid:
            return
        with exact():
            left = order.hold - paid
            cost = paid * (1 + self.venue.fee) if order.hold_asset == "USD" else paid
        other = "BTC" if order.hold_asset == "USD" else "USD"
        self.serial += 1
        ref = f"T{self.serial}"
        remaining = msgspec.structs.replace(order, hold=left) if left else None
        self._change_order(order_id, remaining, "trade", ref)
        self._book({order.hold_asset: subtract(ZERO, cost), other: amount_of(dice)}, "trade", ref)

    # The wire

    def deliver_balances(self, dice: Dice) -> None:
        for _ in range(dice.randint(1, 4)):
            if not self.venue.balance_frames:
                return
            delta = self.venue.balance_frames.popleft()
            if not self.is_connected or not self.stated[Channel.BALANCES]:
                self._swallow([delta])
                continue
            if self.is_frozen:
                self.has_missed = True
                self._swallow([delta])
                continue
            self._note_late(delta.as_of_s)
            self.delivered[delta.asset] = add(self.delivered[delta.asset], delta.change)
            self.ledger.prove(self.now_s)
            assert self.ledger.move((delta,), now_s=self.now_s).refused is None

    def deliver_orders(self, dice: Dice) -> None:
        for _ in range(dice.randint(1, 4)):
            if not self.venue.order_frames:
                return
            change = self.venue.order_frames.popleft()
            if self.is_connected and self.stated[Channel.ORDERS]:
                self._note_late(change.as_of_s)
                self.ledger.prove(self.now_s)
                assert self.ledger.change_orders((change,), now_s=self.now_s).refused is None

    def deliver_everything(self, dice: Dice) -> None:
        while self.venue.balance_frames or self.venue.order_frames:
            dice.choice((self.deliver_balances, self.deliver_orders))(dice)

    def connect(self, _: Dice) -> None:
        if not self.is_connected:
            self.is_connected = True
            self._state_orders()
            self._state_balances()

    def drop(self, _: Dice) -> None:
        if self.is_connected:
            self.is_connected = False
            self.stated = dict.fromkeys(Channel, False)
            self._swallow(self.venue.balance_frames)
            self.venue.balance_frames.clear()
            self.venue.order_frames.clear()
            self.ledger.lose_stream("closed", now_s=self.now_s)

    def break_sequence(self, dice: Dice) -> None:
        if self.is_connected:
            channel = dice.choice(list(Channel))
            self.stated[channel] = False
            self.ledger.lose_channel(channel, "gap", now_s=self.now_s)
            if dice.random() < 0.5:
                self._restate(channel)

    def restate(self, dice: Dice) -> None:
        """A new snapshot, asked for or not."""
        if self.is_connected:
            channel = dice.choice(list(Channel))
            if dice.random() < 0.5:
                self.ledger.await_snapshot(channel, now_s=self.now_s)
            self._restate(channel)

    def freeze(self, _: Dice) -> None:
        self.is_frozen = self.is_connected

    def ask(self, dice: Dice) -> None:
        if len(self.asked) < 2:
            self.asked.append((self.now_s, dice.choice(("BalanceEx", "Balance")), dice.choice(LAGS)))

    def answer(self, _: Dice) -> None:
        if self.asked:
            as_of_s, read, lag_s = self.asked.pop(0)
            self._take(self._answer(read, as_of_s, self.venue.as_of(max(as_of_s, self.now_s - lag_s))))

    def read(self, dice: Dice) -> None:
        figures = self.venue.as_of(self.now_s - dice.choice(LAGS))
        self._take(self._answer(dice.choice(("BalanceEx", "BalanceEx", "Balance")), self.now_s, figures))

    def read_orders(self, _: Dice) -> None:
        snapshot = OrdersSnapshot(
            read="OpenOrders", source=Source.REST, as_of_s=self.now_s, orders=dict(self.venue.orders)
        )
        self.ledger.state_orders(snapshot, now_s=self.now_s)

    def lie(self, dice: Dice) -> None:
        """An answer with nothing in it, or with one asset missing; nobody confirms it, so nothing may move."""
        holdings = self._holdings(self.venue.truth, states_holds=True)
        confirmed = sorted(asset for asset, balance in self.picture().items() if balance.total)
        victims = [asset for asset in confirmed if asset in holdings]
        if not victims:
            return  # An empty account, or nothing known yet: that is another story.
        keep = dice.choice(("nothing", "zeros", "others"))
        if keep == "nothing":
            holdings = {}
        elif keep == "zeros":
            holdings = {asset: Holding(asset=asset, total=ZERO, held=ZERO, available=ZERO) for asset in ASSETS}
        else:
            del holdings[dice.choice(victims)]
        before = self.picture()
        snapshot = Snapshot(read="Lie", source=Source.REST, as_of_s=self.now_s, holdings=holdings, states_holds=True)
        outcome = self.ledger.state_snapshot(snapshot, now_s=self.now_s)
        if outcome.suspect is not None:
            assert amounts_of(before) == amounts_of(self.picture())
            assert not outcome.changes

    def invalidate(self, dice: Dice) -> None:
        self.ledger.invalidate(dice.choice(("insufficient_funds", "clock_jump")), now_s=self.now_s)
        assert not any(balance.is_fit_to_approve for balance in self.picture().values())

    # Healing

    def heal(self, dice: Dice) -> None:
        """Everything works again: within 90 s, by the reads that the ledger wants, it is exact, and live."""
        self.drop(dice)
        self.asked.clear()
        self.connect(dice)
        healed_s = self.now_s
        self._take(self._answer("BalanceEx", self.now_s, self.venue.truth))
        while self.now_s < healed_s + 90.0:
            for want in self.ledger.wants:
                if want.kind is WantKind.READ_BALANCES and want.not_before_s <= self.now_s:
                    read = "Balance" if want.other_than == "BalanceEx" else "BalanceEx"
                    self._take(self._answer(read, self.now_s, self.venue.truth))
                elif want.kind is WantKind.RESUBSCRIBE and want.channel is not None:
                    self.ledger.await_snapshot(want.channel, now_s=self.now_s)
                    self._restate(want.channel)
                elif want.kind is WantKind.READ_ORDERS:
                    self.read_orders(dice)
            self.wait(1.0)
        truth = self.venue.truth
        for asset in ASSETS:
            balance = self.ledger.balance(asset, now_s=self.now_s)
            assert balance.state is BalanceState.LIVE, (balance, self.ledger.wants)
            assert balance.total == truth.totals[asset], balance
            assert balance.held == truth.held[asset], balance
            assert balance.available == truth.free[asset], balance
            assert balance.spendable == max(ZERO, self._most_spendable(asset)), balance
        assert self.ledger.has_complete_picture()

    # Always

    def a_live_total_is_the_truth_that_was_delivered(self) -> None:
        if self.has_missed or self._is_waiting():
            return
        for asset, balance in self.picture().items():
            if balance.state is BalanceState.LIVE:
                assert balance.total == self.delivered.get(asset, ZERO), balance

    def nothing_spendable_is_not_really_free(self) -> None:
        if self.has_missed or self.venue.balance_frames or self.venue.order_frames:
            return
        if self.hidden_s is not None:
            return  # No total tells of it, and REST may lag behind it: nobody could know.
        if not (self.is_connected and all(self.stated.values())):
            return
        for asset, balance in self.picture().items():
            # A fresh figure is REST's word of a while ago: what moved money from outside since is not in it yet.
            if balance.state is BalanceState.LIVE and asset in self.venue.totals:
                assert balance.spendable is not None
                assert balance.spendable <= max(ZERO, self.venue.truth.free[asset]), (asset, balance)

    def unknown_is_never_a_number(self) -> None:
        for balance in self.picture().values():
            assert (balance.total is None) == (balance.state is BalanceState.UNKNOWN)
            if balance.total is None:
                assert balance.spendable is balance.held is balance.available is None
            if balance.state in FIT:
                assert None not in (balance.held, balance.available, balance.spendable)
            assert balance.age_s is None or balance.age_s >= 0.0
            assert balance.spendable is None or balance.spendable >= 0

    # Parts

    def picture(self) -> dict[str, Balance]:
        asked = {asset: self.ledger.balance(asset, now_s=self.now_s) for asset in (*ASSETS, "NEVER")}
        return {**self.ledger.balances(now_s=self.now_s), **asked}

    def _is_waiting(self) -> bool:
        due_s = self.ledger.next_due_s()
        return due_s is not None

    def _most_spendable(self, asset: str) -> Decimal:
        truth = self.venue.truth
        holds = total_of(
            order.hold for order in self.venue.orders.values() if order.hold_asset == asset and order.hold is not None
        )
        return min(truth.free[asset], subtract(truth.totals[asset], holds))

    def _share(self, amount: Decimal, percent: int, *, places: int = 18) -> Decimal:
        with exact():
            share = amount * percent / 100
            step = Decimal((0, (1,), -places))
            return share - share % step

    def _book(self, changes: dict[str, Decimal], kind: str, ref: str | None = None) -> None:
        self.serial += 1
        for asset, change in changes.items():
            self.venue.totals[asset] = add(self.venue.totals[asset], change)
        self.venue.note(self.now_s)
        for asset, change in changes.items():
            frame = Delta(
                asset=asset,
                change=change,
                total=None,
                kind=kind,
                ref=ref or f"R{self.serial}",
                has_other_leg=len(changes) > 1,
                as_of_s=self.now_s,
                entry=f"L{self.serial}{asset}",
            )
            if self.stated[Channel.BALANCES]:
                self.venue.balance_frames.append(frame)

    def _change_order(self, order_id: str, order: OpenOrder | None, reason: str, ref: str | None) -> None:
        if order is None:
            del self.venue.orders[order_id]
        else:
            self.venue.orders[order_id] = order
        if self.stated[Channel.ORDERS]:
            change = OrderChange(order_id=order_id, order=order, as_of_s=self.now_s, ref=ref, reason=reason)
            self.venue.order_frames.append(change)

    def _note_late(self, sent_s: float) -> None:
        # A frame that others overtook by seconds: no socket does that. Totals and healing have to bear it all the same.
        if self.now_s > sent_s + 4.0:
            self.hidden_s = self.now_s

    def _swallow(self, deltas: Iterable[Delta]) -> None:
        if any(delta.kind == "staking" for delta in deltas):
            self.hidden_s = self.now_s

    def _restate(self, channel: Channel) -> None:
        if channel is Channel.ORDERS:
            self._state_orders()
        else:
            self._state_balances()

    def _state_orders(self) -> None:
        self.stated[Channel.ORDERS] = True
        self.venue.order_frames.clear()
        self.ledger.prove(self.now_s)
        snapshot = OrdersSnapshot(
            read="executions", source=Source.STREAM, as_of_s=self.now_s, orders=dict(self.venue.orders)
        )
        self.ledger.state_orders(snapshot, now_s=self.now_s)

    def _state_balances(self) -> None:
        self.stated[Channel.BALANCES] = True
        self.is_frozen = self.has_missed = False
        self._swallow(self.venue.balance_frames)
        self.venue.balance_frames.clear()
        self.delivered = dict(self.venue.totals)
        self.ledger.prove(self.now_s)
        snapshot = Snapshot(
            read="balances",
            source=Source.STREAM,
            as_of_s=self.now_s,
            holdings=self._holdings(self.venue.truth, states_holds=False),
            states_holds=False,
        )
        self.ledger.state_snapshot(snapshot, now_s=self.now_s)

    def _holdings(self, figures: Figures, *, states_holds: bool) -> dict[str, Holding]:
        holdings = {}
        for asset, total in figures.totals.items():
            if total and states_holds:
                held, free = figures.held[asset], figures.free[asset]
                holdings[asset] = Holding(asset=asset, total=total, held=held, available=free)
            elif total:
                holdings[asset] = Holding(asset=asset, total=total)
        return holdings

    def _answer(self, read: str, as_of_s: float, figures: Figures) -> Snapshot:
        states_holds = read == "BalanceEx"
        holdings = self._holdings(figures, states_holds=states_holds)
        return Snapshot(read=read, source=Source.REST, as_of_s=as_of_s, holdings=holdings, states_holds=states_holds)

    def _take(self, snapshot: Snapshot) -> None:
        before = self.picture()
        outcome = self.ledger.state_snapshot(snapshot, now_s=self.now_s)
        if self.hidden_s is not None and snapshot.states_holds and snapshot.as_of_s > self.hidden_s + 60.0:
            self.hidden_s = None if not outcome.refused and not outcome.suspect else self.hidden_s
        if outcome.refused is not None:
            assert self.picture() == before
        elif outcome.suspect is not None and not outcome.changes:
            assert amounts_of(before) == amounts_of(self.picture())


def amounts_of(picture: dict[str, Balance]) -> dict[str, tuple[Decimal | None, ...]]:
    """What is shown, without its label."""
    return {asset: (each.total, each.held, each.available) for asset, each in picture.items()}


Act = Callable[[Model, Dice], None]
ACTS: tuple[Act, ...] = (
    Model.pass_time,
    Model.deposit,
    Model.withdraw,
    Model.lock,
    Model.place,
    Model.cancel,
    Model.fill,
    Model.deliver_balances,
    Model.deliver_orders,
    Model.deliver_everything,
    Model.connect,
    Model.drop,
    Model.break_sequence,
    Model.restate,
    Model.freeze,
    Model.ask,
    Model.answer,
    Model.read,
    Model.read_orders,
    Model.lie,
    Model.invalidate,
    Model.heal,
)
FEES = (ZERO, Decimal("0.004"))


def tell(fee: Decimal, story: list[tuple[Act, int]]) -> Model:
    """Act after act, every promise checked in between."""
    model = Model(fee)
    for act, seed in story:
        act(model, Dice(seed))
        model.a_live_total_is_the_truth_that_was_delivered()
        model.nothing_spendable_is_not_really_free()
        model.unknown_is_never_a_number()
    model.heal(Dice(0))
    return model


acts = st.tuples(st.sampled_from(ACTS), st.integers(0, 2**16))


@settings(max_examples=150)
@given(fee=st.sampled_from(FEES), story=st.lists(acts, max_size=30))
def test_any_story_keeps_every_promise(fee: Decimal, story: list[tuple[Act, int]]) -> None:
    tell(fee, story)


@pytest.mark.parametrize("seed", range(25))
def test_a_long_story_keeps_every_promise(seed: int) -> None:
    dice = Dice(seed)
    tell(dice.choice(FEES), [(dice.choice(ACTS), dice.randrange(2**16)) for _ in range(120)])


HOSTILE = decimal.Context(
    prec=6, rounding=decimal.ROUND_UP, Emin=-5, Emax=5, capitals=0, clamp=1, traps=[decimal.Inexact, decimal.Rounded]
)
DEAF = decimal.Context(prec=1, rounding=decimal.ROUND_CEILING, Emin=0, Emax=1, traps=[])


@pytest.mark.parametrize("context", [HOSTILE, DEAF], ids=["hostile", "deaf"])
@pytest.mark.parametrize("seed", range(8))
def test_decimal_context_of_the_calling_bot_changes_no_figure(seed: int, context: decimal.Context) -> None:
    dice = Dice(seed)
    fee = dice.choice(FEES)
    story = [(dice.choice(ACTS), dice.randrange(2**16)) for _ in range(60)]
    expected = tell(fee, story).picture()

    with decimal.localcontext(context):
        told = tell(fee, story).picture()

    assert told == expected
    assert {asset: str(each.total) for asset, each in told.items()} == {
        asset: str(each.total) for asset, each in expected.items()
    }


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 20_000, 500))
def test_many_long_stories_keep_every_promise(seed: int) -> None:
    for each in range(seed, seed + 500):
        dice = Dice(each)
        tell(dice.choice(FEES), [(dice.choice(ACTS), dice.randrange(2**16)) for _ in range(200)])
