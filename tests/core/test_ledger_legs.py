"""Two ledger rows and a fill are one event: shown together, spent pessimistically meanwhile, waited for so long."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.balances import Source
from holdfast.core.ledger import LedgerSettings, WantKind
from holdfast.core.legs import Legs
from holdfast.core.venue import Channel
from tests.core.statements import Account, delta, order, orders

PAID = delta("USD", "-401", ref="T1", is_leg=True)
GOT = delta("BTC", "0.01", ref="T1", is_leg=True)


def live() -> Account:
    """1500 USD and 0.4 BTC, no orders."""
    account = Account()
    account.go_live(USD="1500", BTC="0.4")
    return account


def ordered() -> Account:
    """As above, with an open buy order that holds 400 USD."""
    account = Account()
    account.go_live(order("O1", "400"), USD="1500 400 1100", BTC="0.4")
    return account


def test_first_leg_waits_for_the_second_and_both_are_shown_in_one_step() -> None:
    account = live()

    assert account.move(PAID).changes == ()
    assert account.figures("USD") == "1500 0 1500"
    assert account["USD"].spendable == 1099
    assert account.figures("BTC") == "0.4 0 0.4"

    outcome = account.move(GOT)
    assert sorted(change.asset for change in outcome.changes) == ["BTC", "USD"]
    assert account.figures("USD") == "1099 0 1099"
    assert account.figures("BTC") == "0.41 0 0.41"
    assert account.label("USD") == account.label("BTC") == "live"


def test_legs_in_one_frame_do_not_wait() -> None:
    account = live()

    assert len(account.move(PAID, GOT).changes) == 2
    assert account.ledger.next_due_s() is None


def test_gain_that_waits_is_not_spendable_yet_and_one_shown_is() -> None:
    account = live()
    account.move(GOT)

    assert account["BTC"].spendable == Decimal("0.4")
    account.move(PAID)
    assert account["BTC"].spendable == Decimal("0.41")


def test_leg_that_stays_alone_is_shown_after_the_wait_and_a_read_is_wanted() -> None:
    account = live()
    account.move(PAID)
    due_s = account.ledger.next_due_s()
    assert due_s == account.now_s + 1.0

    account.now_s += 0.9
    assert account.tick().changes == ()
    account.now_s += 0.1
    (change,) = account.tick().changes

    assert (change.asset, change.ref) == ("USD", "T1")
    assert account.figures("USD") == "1099 0 1099"
    assert "leg_missing" in account.wanted(WantKind.READ_BALANCES)
    assert account.ledger.next_due_s() is None


def test_late_leg_waits_for_nothing() -> None:
    account = live()
    account.move(PAID)
    account.wait(1.5)

    (change,) = account.move(GOT).changes

    assert change.asset == "BTC"
    assert account["BTC"].spendable == Decimal("0.41")


def test_third_leg_of_a_fee_in_another_asset_is_shown_when_it_comes() -> None:
    account = live()
    account.move(PAID, GOT)

    (change,) = account.move(delta("KFEE", "-3", ref="T1", is_leg=True)).changes

    assert change.asset == "KFEE"
    assert account.figures("KFEE") == "-3 0 -3"
    assert account["KFEE"].spendable == 0


def test_a_later_event_never_overtakes_one_that_waits_on_the_same_asset() -> None:
    """Else a total would be shown that the venue never had."""
    account = live()
    account.move(PAID)
    changed = account.move(delta("USD", "-100", ref="T2", is_leg=True)).changes

    assert [(change.asset, change.ref) for change in changed] == [("USD", "T1")]
    assert account.figures("USD") == "1099 0 1099"
    assert account["USD"].spendable == 999
    assert {change.ref for change in account.move(delta("BTC", "0.002", ref="T2", is_leg=True)).changes} == {"T2"}
    assert account.figures("USD") == "999 0 999"
    account.move(GOT)
    assert account.figures("USD") == "999 0 999"


def test_deposit_with_a_reference_does_not_wait() -> None:
    account = live()

    assert len(account.move(delta("USD", "5", ref="R1")).changes) == 1
    assert account.ledger.next_due_s() is None


def test_deposit_is_shown_at_once_and_spent_once_rest_has_confirmed_it() -> None:
    account = live()
    account.move(delta("USD", "100"))

    assert account.figures("USD") == "1600 0 1600"
    assert account["USD"].spendable == 1500
    account.wait(10.0)
    account.read(USD="1600", BTC="0.4")
    assert account["USD"].spendable == 1600


@pytest.mark.parametrize("first", ["fill", "legs"])
def test_fill_and_its_legs_are_shown_in_one_step_in_any_order(first: str) -> None:
    account = ordered()

    if first == "fill":
        assert account.fill("O1", "T1").changes == ()
        assert account.move(PAID).changes == ()
        assert account.figures("USD") == "1500 400 1100"
        assert account["USD"].spendable == 1099
        outcome = account.move(GOT)
    else:
        assert account.move(PAID, GOT).changes == ()
        assert account.figures("USD") == "1500 400 1100"
        # The fill that ends the hold has not come: until then the worse of both pictures counts.
        assert account["USD"].spendable == 699
        outcome = account.fill("O1", "T1")

    assert sorted(change.asset for change in outcome.changes) == ["BTC", "USD"]
    assert account.figures("USD") == "1099 0 1099"
    assert account.figures("BTC") == "0.41 0 0.41"
    assert account.label("USD") == "live"
    assert account.ledger.next_due_s() is None


def test_partial_fill_ends_its_part_of_the_hold() -> None:
    account = ordered()
    account.fill("O1", "T1", left=order("O1", "300"))
    account.move(delta("USD", "-100.25", ref="T1", is_leg=True), delta("BTC", "0.0025", ref="T1", is_leg=True))

    assert account.figures("USD") == "1399.75 300 1099.75"
    assert account["USD"].spendable == Decimal("1099.75")


def test_several_fills_of_one_order_in_one_frame() -> None:
    account = ordered()
    account.fill("O1", "T1", left=order("O1", "300"))
    account.fill("O1", "T2", left=order("O1", "0"))
    account.end("O1", "filled")
    account.move(delta("USD", "-300", ref="T2", is_leg=True), delta("BTC", "0.008", ref="T2", is_leg=True))
    account.move(delta("USD", "-100", ref="T1", is_leg=True), delta("BTC", "0.002", ref="T1", is_leg=True))

    assert account.figures("USD") == "1100 0 1100"
    assert account.figures("BTC") == "0.41 0 0.41"


def test_legs_of_a_fill_that_never_comes_are_shown_and_the_orders_are_asked_for() -> None:
    account = ordered()
    account.wait(57.0)
    account.read(USD="1500 400 1100", BTC="0.4")
    account.wait(10.0)
    account.move(PAID, GOT)
    account.wait(1.0)

    assert account.figures("USD") == "1099 400 699"
    assert account.wanted(WantKind.READ_ORDERS) == ["fill_missing"]
    account.wait(9.0)
    account.read(USD="1099", BTC="0.41")
    assert account.figures("USD") == "1099 0 1099"
    # Our record still has the order: until the orders are read, what it would hold is not spent.
    assert account["USD"].spendable == 695
    account.ledger.state_orders(orders(account.now_s, source=Source.REST), now_s=account.now_s)
    assert account["USD"].spendable == 1099
    account.read(USD="1099", BTC="0.41")
    assert account.label("USD") == "live"


def test_fill_without_legs_invalidates_what_it_must_have_moved_and_keeps_its_hold() -> None:
    account = ordered()
    account.fill("O1", "T1")
    account.now_s += 1.0
    account.ledger.prove(account.now_s)

    outcome = account.tick()

    assert outcome.invalidated == "fill_unreflected"
    assert account.label("USD") == account.label("BTC") == "stale fill_unreflected"
    assert account.figures("USD") == "1500 400 1100"
    assert account["USD"].spendable == 1100
    assert account.wanted(WantKind.RESUBSCRIBE) == ["fill_unreflected"]


def test_rest_that_does_not_know_the_fill_either_frees_nothing() -> None:
    account = ordered()
    account.fill("O1", "T1")
    account.wait(1.0)

    account.read(USD="1500 400 1100", BTC="0.4")

    # In truth the order was filled: 1100 are left, and 1100 is what may be spent.
    assert account.figures("USD") == "1500 400 1100"
    assert account["USD"].spendable == 1100


def test_legs_after_the_wait_are_shown_with_the_hold_they_end() -> None:
    account = ordered()
    account.fill("O1", "T1")
    account.wait(2.0)
    account.move(PAID, GOT)

    assert account.figures("USD") == "1099 0 1099"
    account.read(USD="1099", BTC="0.41")
    assert account.label("USD") == "live"


def test_rest_that_knows_the_fill_ends_the_wait() -> None:
    account = ordered()
    account.fill("O1", "T1")
    account.wait(2.0)
    account.push(USD="1099", BTC="0.41")
    account.read(USD="1099", BTC="0.41")

    assert account.figures("USD") == "1099 0 1099"
    assert account["USD"].spendable == 1099
    assert account.label("USD") == "live"


def test_fill_heard_while_the_balances_channel_is_away_counts_until_rest_includes_it() -> None:
    account = ordered()
    account.ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)
    account.wait(1.0)
    account.fill("O1", "T1")
    assert account.ledger.next_due_s() is None

    account.read(USD="1500 400 1100", BTC="0.4")
    assert account.figures("USD") == "1500 400 1100"
    assert account["USD"].spendable == 1100
    account.wait(2.0)
    account.read(USD="1099", BTC="0.41")
    assert account.figures("USD") == "1099 0 1099"
    assert account["USD"].spendable == 1099
    assert account.ledger._book.legs.pending == {}


def test_memory_of_settled_references_is_bounded_in_time_and_in_number() -> None:
    legs = Legs(wait_s=1.0, remember_s=60.0, length=10)
    for second in range(30):
        legs.settle(legs.event(f"T{second}", now_s=float(second)), now_s=float(second))
    assert [legs.has_settled(f"T{second}") for second in (0, 19, 20, 29)] == [False, False, True, True]

    legs.settle(legs.event("later", now_s=85.0), now_s=85.0)
    assert [legs.has_settled(ref) for ref in ("T24", "T25", "later")] == [False, True, True]


def test_market_order_of_unknown_cost_leaves_nothing_to_spend_until_its_legs_have_come() -> None:
    account = live()
    account.place(order("O1", None))
    assert account["USD"].spendable == 0

    account.fill("O1", "T1", left=order("O1", None))
    account.end("O1", "filled")
    assert account["USD"].spendable == 0
    account.move(PAID, GOT)
    assert account.figures("USD") == "1099 0 1099"
    assert account["USD"].spendable == 1099


def test_fill_of_a_margin_order_waits_for_no_legs() -> None:
    account = Account()
    account.go_live(order("O1", "0"), USD="1500", BTC="0.4")

    account.fill("O1", "T1", left=order("O1", "0"))

    assert account.ledger.next_due_s() is None
    assert account["USD"].spendable == 1500


def test_rest_read_between_the_legs_is_no_anchor_and_no_dispute() -> None:
    account = live()
    account.wait(5.0)
    account.move(PAID)

    outcome = account.read(USD="1099", BTC="0.41")

    assert outcome.lagging == ("USD",)
    assert outcome.disputed == ("BTC",)  # The stream has not spoken of it yet.
    account.move(GOT)
    assert account.label("USD") == account.label("BTC") == "live"
    assert account.figures("BTC") == "0.41 0 0.41"


def test_waiting_legs_survive_the_loss_of_their_channel() -> None:
    account = live()
    account.move(PAID)

    outcome = account.ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)

    assert [change.asset for change in outcome.changes] == ["USD"]
    assert account.figures("USD") == "1099 0 1099"
    assert account.label("USD") == "stale gap"
    assert account.move(GOT).refused == "before_snapshot"


def test_number_of_waiting_events_is_bounded() -> None:
    account = Account(LedgerSettings(trail_length=10))
    account.go_live(USD="1500", BTC="0.4")
    for number in range(50):
        account.move(delta("USD", "-1", ref=f"T{number}", is_leg=True))
        due_s = account.ledger.next_due_s()
        assert due_s is not None
        if due_s <= account.now_s:
            account.tick()

    assert account.figures("USD") == "1451 0 1451"  # Each lets those before it be shown.
    assert account["USD"].spendable == 1450


def test_number_of_fills_without_legs_is_bounded() -> None:
    account = Account(LedgerSettings(trail_length=10))
    account.go_live(*[order(f"O{number}", "1") for number in range(40)], USD="1500 40 1460", BTC="0.4")
    for number in range(40):
        account.fill(f"O{number}", f"T{number}")
        account.wait(1.0)

    assert account.ledger.next_due_s() is None
    assert account.label("USD") == "stale fill_unreflected"
