"""
Every order in which an order's own row, its balance legs, a read, an answer and another claim can come.

The real ledger and the real intents, and all interleavings of what a venue keeps in sequence on each of its channels:
whichever comes first, what is spendable is never more than what is really left, and at the end it is exactly that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.amounts import ZERO, exact
from holdfast.core.balances import OpenOrder, OrderChange, OrderFill, Side
from holdfast.core.intents import Intent, Intents
from holdfast.core.orders import OrderAck, OrderState, OrderTicket, OrderType, TimeInForce
from holdfast.core.reservations import Reservations, ReservationState
from holdfast.core.venue import ClosedOrder
from holdfast.errors import FundsShortError, ReservationError
from tests.core.intent_life import fill, opened
from tests.core.statements import Account, delta, orders

D = Decimal
Step = Callable[["Desk"], None]


def interleavings(*sequences: Sequence[Step]) -> Iterator[list[Step]]:
    """Every merge of sequences that keeps the order of each."""
    if not any(sequences):
        yield []
    for number, sequence in enumerate(sequences):
        if sequence:
            rest = [sequence[1:] if each == number else other for each, other in enumerate(sequences)]
            for following in interleavings(*rest):
                yield [sequence[0], *following]


class Desk:
    """A ledger that is live with 1,000 USD and 0.5 BTC, and an order for 400 USD that was just handed to the wire."""

    def __init__(self) -> None:
        self.account = Account()
        self.account.go_live(USD="1000 0 1000", BTC="0.5 0 0.5")
        self.intents = Intents(book=Reservations(self.account.ledger.set_reserved), rest_lag_s=60.0)
        self.ends: list[str] = []
        self.asked_s = self.account.now_s
        self.claim("a", "409.6")
        ticket = OrderTicket(
            client_order_id="c-a",
            symbol="BTC-USD",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=D("0.01"),
            quote_quantity=None,
            limit_price=D("40000"),
            time_in_force=TimeInForce.GTC,
            is_post_only=False,
            valid_until_us=self.wall_us + 5_000_000,
        )
        self.intents.submit("a", ticket, is_exit=False, wall_us=self.wall_us)
        self.settle()

    @property
    def wall_us(self) -> int:
        return int(self.account.now_s * 1e6)

    def claim(self, name: str, amount: str) -> bool:
        spendable = self.spendable()
        intent = Intent(
            intent_id=name,
            client_order_id=f"c-{name}",
            asset="USD",
            amount=D(amount),
            reservation=ReservationState.ACTIVE,
            symbol="BTC-USD",
            side=Side.BUY,
            fee_rate=D("0.004"),
            claimed_s=self.account.now_s,
        )
        try:
            self.intents.claim(intent, spendable=spendable)
        except FundsShortError:
            assert D(amount) > spendable
            return False
        return True

    def settle(self) -> None:
        self.intents.recount(self.account.ledger, wall_us=self.wall_us)
        for change in self.intents.drain():
            if change.after.reservation.is_ended:
                self.ends.append(change.after.intent_id)

    def spendable(self) -> Decimal:
        spendable = self.account["USD"].spendable
        assert spendable is not None
        return spendable

    def row(self, reason: str, filled: str, told: OrderFill | None = None) -> None:
        """One row of the orders channel, as the runtime takes it: the ledger first, then the claims."""
        with exact():
            hold = (D("0.01") - D(filled)) * 40000
            cost = D(filled) * 40000
        is_over = reason in ("filled", "canceled")
        order = held(opened(filled=filled, cost=str(cost)), hold)
        change = OrderChange(
            order_id="O1",
            order=None if is_over else order,
            as_of_s=self.account.now_s,
            ref=None if told is None else told.fill_id,
            reason=reason,
            client_order_id="c-a",
            filled=D(filled),
            cost=cost,
            fill=told,
        )
        self.account.ledger.change_orders([change], now_s=self.account.now_s)
        self.intents.changed(change, now_s=self.account.now_s, wall_us=self.wall_us)

    def leg(self, asset: str, change: str, ref: str) -> None:
        moved = delta(asset, change, as_of_s=self.account.now_s, ref=ref, is_leg=True)
        self.account.move(moved)
        self.intents.moved([moved])

    def tell(self, steps: list[Step], check: Callable[[Desk], None]) -> None:
        for step in steps:
            self.account.wait(0.05)
            step(self)
            self.settle()
            self.check()
            check(self)

    def check(self) -> None:
        book = self.intents.book
        book.check()
        assert all(each.counted >= 0 for each in book.live())
        assert len(self.ends) == len(set(self.ends))
        assert self.account["USD"].reserved == sum((each.counted for each in book.live()), ZERO)


def held(order: OpenOrder, hold: Decimal) -> OpenOrder:
    return msgspec.structs.replace(order, hold=hold)


def heal(desk: Desk, *, total: str, held: str) -> None:
    """The venue states itself, late enough to include everything."""
    with exact():
        free = str(D(total) - D(held))
    desk.account.wait(130)
    desk.account.read(USD=f"{total} {held} {free}", BTC="0.51 0 0.51" if total != "1000" else "0.5 0 0.5")
    desk.settle()
    desk.account.wait(70)
    desk.account.read(USD=f"{total} {held} {free}", BTC="0.51 0 0.51" if total != "1000" else "0.5 0 0.5")
    desk.settle()


# What the venue does with the order: it rests, fills in two parts, and is over. 400.40 and fees of 0.60 in all.

FILLED: tuple[Step, ...] = (
    lambda desk: desk.row("new", "0"),
    lambda desk: desk.row("trade", "0.004", fill("T1", "0.004", "160", fees="USD 0.4")),
    lambda desk: desk.row("trade", "0.01", fill("T2", "0.006", "240", fees="USD 0.6")),
    lambda desk: desk.row("filled", "0.01"),
)
LEGS: tuple[Step, ...] = (
    lambda desk: desk.leg("USD", "-160.4", "T1"),
    lambda desk: desk.leg("BTC", "0.004", "T1"),
    lambda desk: desk.leg("USD", "-240.6", "T2"),
    lambda desk: desk.leg("BTC", "0.006", "T2"),
)


def acked(desk: Desk) -> None:
    ack = OrderAck(order_id="O1", client_order_id="c-a", as_of_s=desk.account.now_s, via="stream")
    desk.intents.acked("a", ack, wall_us=desk.wall_us)


def given_up(desk: Desk) -> None:
    desk.intents.doubt("a", cause="lost", detail=None, wall_us=desk.wall_us)


def claims_all_that_is_left(desk: Desk) -> None:
    spendable = desk.spendable()
    if spendable > 0:
        assert desk.claim("b", str(spendable))
        assert not desk.claim("c", "0.00000001")


def read_of(*figures: str) -> Step:
    """A read that was asked for before anything happened, and that may be of any moment since."""

    def step(desk: Desk) -> None:
        usd, btc = figures
        desk.account.read_late(desk.asked_s, USD=usd, BTC=btc)

    return step


READS = {
    "before": read_of("1000 0 1000", "0.5 0 0.5"),
    "held": read_of("1000 401.6 598.4", "0.5 0 0.5"),
    "held without the fee": read_of("1000 400 600", "0.5 0 0.5"),
    "in part": read_of("839.6 240 599.6", "0.504 0 0.504"),
    "after": read_of("599 0 599", "0.51 0 0.51"),
}


def never_more_than_is_left(desk: Desk) -> None:
    """401 are gone, or will be; what another claimed is too."""
    other = desk.intents.get("b")
    with exact():
        left = D("599") - (ZERO if other is None else other.counted)
    assert desk.spendable() <= left


def fills_are_never_counted_zero_times(read: str, answer: Step, *, every: int) -> None:
    count = 0
    for count, steps in enumerate(interleavings(FILLED, LEGS, (READS[read],), (answer,)), start=1):
        if count % every:
            continue
        desk = Desk()
        desk.tell(steps, never_more_than_is_left)
        if count % (5 * every):
            continue
        heal(desk, total="599", held="0")
        assert desk.spendable() == D("599")
        assert desk.intents.gone("a") is not None
        assert desk.ends == ["a"]
    assert count == 6300


ANSWERS = pytest.mark.parametrize("answer", [acked, given_up], ids=["acknowledged", "answer lost"])


@ANSWERS
@pytest.mark.parametrize("read", READS)
def test_whatever_comes_first_a_fill_is_never_counted_zero_times(read: str, answer: Step) -> None:
    fills_are_never_counted_zero_times(read, answer, every=101)


@pytest.mark.soak
@ANSWERS
@pytest.mark.parametrize("read", READS)
def test_in_every_order_a_fill_is_never_counted_zero_times(read: str, answer: Step) -> None:
    fills_are_never_counted_zero_times(read, answer, every=1)


def claims_are_funded(read: str, *, every: int) -> None:
    sequences = (FILLED[:2], LEGS[:2], (READS[read],), (acked,), (claims_all_that_is_left,))
    for count, steps in enumerate(interleavings(*sequences)):
        if count % every:
            continue
        desk = Desk()
        desk.tell(steps, lambda _: None)
        other = desk.intents.get("b")
        claimed = ZERO if other is None else other.counted
        # The order still rests with 240; 160.40 are paid.
        with exact():
            assert claimed <= D("1000") - D("160.4") - D("240")


@pytest.mark.parametrize("read", READS)
def test_another_claim_at_any_moment_is_funded_when_everything_has_come(read: str) -> None:
    """Whoever claims all that is spendable at some moment finds it there in the end."""
    claims_are_funded(read, every=11)


@pytest.mark.soak
@pytest.mark.parametrize("read", READS)
def test_in_every_order_another_claim_is_funded_when_everything_has_come(read: str) -> None:
    claims_are_funded(read, every=1)


# A cancel, a release and a lost answer racing the venue.


def released(desk: Desk) -> None:
    try:
        desk.intents.release("a", wall_us=desk.wall_us)
    except ReservationError:
        return
    raise AssertionError("an order that may be at the venue was released")


def listed(desk: Desk) -> None:
    """A list of open orders, of before the fill."""
    order = held(opened(), D("400"))
    snapshot = orders(desk.asked_s, order)
    desk.intents.stated(snapshot, now_s=desk.account.now_s, wall_us=desk.wall_us)


def looked_up(desk: Desk) -> None:
    """It is over, says the list of closed orders: with 0.004 filled."""
    closed = ClosedOrder(
        order_id="O1",
        client_order_id="c-a",
        symbol="BTC-USD",
        side=Side.BUY,
        status="canceled",
        quantity=D("0.01"),
        filled=D("0.004"),
        cost=D("160"),
        fee=D("0.4"),
        closed_at_s=0.0,
        reason=None,
    )
    desk.intents.found_closed(closed, now_s=desk.account.now_s, wall_us=desk.wall_us)


CANCELLED: tuple[Step, ...] = (
    lambda desk: desk.row("new", "0"),
    lambda desk: desk.row("trade", "0.004", fill("T1", "0.004", "160", fees="USD 0.4")),
    lambda desk: desk.row("canceled", "0.004"),
)


def it_ends_once(*, every: int) -> None:
    def check(desk: Desk) -> None:
        assert desk.spendable() <= D("839.6")
        intent = desk.intents.get("a") or desk.intents.gone("a")
        assert intent is not None
        assert intent.order is not OrderState.ABSENT

    count = 0
    sequences = (CANCELLED, LEGS[:2], (given_up, released), (listed,), (looked_up,))
    for count, steps in enumerate(interleavings(*sequences), start=1):
        if steps.index(looked_up) < steps.index(CANCELLED[0]) or steps.index(listed) > steps.index(looked_up):
            continue  # A venue that knows the end of an order has told its beginning; lists do not run backwards.
        if count % every:
            continue
        desk = Desk()
        desk.tell(steps, check)
        if count % (5 * every):
            continue
        heal(desk, total="839.6", held="0")
        assert desk.ends == ["a"]
        ended = desk.intents.gone("a")
        assert ended is not None
        assert (ended.reservation, ended.filled) == (ReservationState.CONSUMED, D("0.004"))
        assert desk.spendable() == D("839.6")
    assert count == 15120


def test_a_cancel_racing_a_fill_a_release_a_list_and_a_lost_answer_ends_once_with_what_was_filled() -> None:
    it_ends_once(every=53)


@pytest.mark.soak
def test_in_every_order_a_cancel_racing_everything_ends_once() -> None:
    it_ends_once(every=1)
