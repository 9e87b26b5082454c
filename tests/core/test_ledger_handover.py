"""What the ledger says it takes off for an order of ours already: never more than every reading of spendable does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.balances import Source
from holdfast.core.ledger import LedgerSettings
from holdfast.core.venue import Channel
from tests.core.statements import Account, delta, order, orders, pushed


def live(**totals: str) -> Account:
    account = Account()
    account.go_live(**(totals or {"USD": "1000", "BTC": "1"}))
    return account


def counted(account: Account, order_id: str = "A") -> Decimal | None:
    found = account.ledger.counted_hold(order_id)
    return None if found is None else found[1]


# What counts already


def test_an_order_that_was_pushed_is_taken_off_at_once() -> None:
    account = live()
    assert counted(account) is None
    account.place(order("A", "100"))
    assert account.ledger.counted_hold("A") == ("USD", Decimal(100))
    assert account["USD"].spendable == Decimal(899)  # What it may be held for beyond our estimate counts as well.


def test_a_fill_lowers_what_counts_for_it_and_an_end_leaves_nothing() -> None:
    account = live()
    account.place(order("A", "100"))
    account.fill("A", "T1", order("A", "40"))
    assert counted(account) == 40
    account.fill("A", "T2")
    assert counted(account) is None


def test_an_order_that_holds_nobody_knows_what_counts_for_nothing() -> None:
    account = live()
    account.place(order("A", None))
    assert account.ledger.counted_hold("A") is None
    assert account["USD"].spendable == 0


def test_an_order_of_another_asset_counts_there() -> None:
    account = live()
    account.place(order("A", "0.25", "BTC"))
    assert account.ledger.counted_hold("A") == ("BTC", Decimal("0.25"))


def test_an_order_from_a_list_counts_where_held_was_raised_to_it() -> None:
    account = live()
    account.push_orders(order("A", "100"))
    assert account.figures("USD") == "1000 100 900"
    assert counted(account) == 100


def test_an_order_that_the_venues_figure_lacks_counts_for_nothing_of_its_own() -> None:
    # Without the orders channel a list tells of A, and a REST figure of before A holds something else entirely.
    account = Account()
    account.read(USD="1000 0 1000", BTC="1")
    account.wait(1)
    account.ledger.state_orders(orders(account.now_s, order("A", "100"), source=Source.REST), now_s=account.now_s)
    assert counted(account) == 100
    account.wait(1)
    account.read(USD="1000 30 500", BTC="1")  # 470 are locked, and 30 held.
    assert account["USD"].spendable == 500
    assert counted(account) == 30


def test_what_is_missing_is_no_orders_own() -> None:
    account = Account()
    account.read(USD="1000 0 1000", BTC="1")
    both = (order("A", "100"), order("B", "60"))
    account.ledger.state_orders(orders(account.now_s, *both, source=Source.REST), now_s=account.now_s)
    account.wait(1)
    account.read(USD="1000 90 500", BTC="1")
    assert {name: counted(account, name) for name in "AB"} == {"A": Decimal(30), "B": Decimal(0)}


def test_an_order_of_a_lost_channel_counts_once_the_venues_figure_cannot_but_have_it() -> None:
    account = live()
    account.place(order("A", "100"))
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.is_heard = False
    account.wait(30)
    account.read(USD="1000 0 1000", BTC="1")  # Lags.
    assert (account["USD"].spendable, counted(account)) == (Decimal(900), Decimal(0))
    account.wait(31)
    account.read(USD="1000 100 900", BTC="1")
    assert (account["USD"].spendable, counted(account)) == (Decimal(900), Decimal(100))


def test_in_a_dispute_an_order_counts_only_for_what_both_sides_take_off() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="900 0 600", BTC="1")  # Nobody pushed why; 300 are locked, and A is not held yet.
    assert account.label("USD") == "fresh disputed"
    assert (account["USD"].spendable, counted(account)) == (Decimal(600), Decimal(0))
    account.read(USD="900 100 500", BTC="1")
    assert (account["USD"].spendable, counted(account)) == (Decimal(500), Decimal(100))


def test_an_order_placed_after_the_disputed_figure_is_taken_off_it() -> None:
    account = live()
    account.read(USD="900 0 600", BTC="1")
    account.wait(1)
    account.place(order("A", "100"))
    assert (account["USD"].spendable, counted(account)) == (Decimal(500), Decimal(100))


# What the venue's figure includes


def test_a_figure_that_is_the_sum_of_our_orders_includes_them() -> None:
    account = live()
    account.place(order("A", "100"))
    assert not account.ledger.includes("A")
    account.wait(1)
    account.read(USD="1000 100.4 899.6", BTC="1")
    assert account.ledger.includes("A")
    assert account.ledger.hold_excess("USD") == Decimal("0.4")
    assert not account.ledger.includes("B")
    assert account.ledger.hold_excess("BTC") == 0


def test_a_figure_from_before_the_order_does_not_include_it() -> None:
    account = live()
    account.wait(10)
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000", BTC="1")  # Holds lag.
    assert account.figures("USD") == "1000 100 900"
    assert not account.ledger.includes("A")
    assert counted(account) == 100
    assert account.ledger.hold_excess("USD") == 0


def test_an_order_placed_after_the_figure_was_taken_is_not_included() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 100 900", BTC="1")
    account.place(order("B", "50"))
    assert account.ledger.includes("A")
    assert not account.ledger.includes("B")


def test_an_order_that_was_made_larger_is_not_included_any_more() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 100 900", BTC="1")
    account.place(order("A", "120"))
    assert not account.ledger.includes("A")
    account.place(order("A", "80"))
    assert not account.ledger.includes("A")


def test_a_figure_that_fits_more_than_one_sum_is_no_proof() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.place(order("B", "0.5"))
    account.wait(1)
    account.read(USD="1000 100.6 899.4", BTC="1")  # Both, or A and its fee.
    assert not account.ledger.includes("B")
    assert account.ledger.hold_excess("USD") == 0
    account.wait(61)
    account.read(USD="1000 100.6 899.4", BTC="1")
    assert account.ledger.includes("B")
    assert account.ledger.hold_excess("USD") == Decimal("0.1")


def test_a_figure_that_fits_no_sum_proves_nothing_until_it_is_late_enough() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 250 750", BTC="1")
    assert not account.ledger.includes("A")
    account.wait(60)
    account.read(USD="1000 250 750", BTC="1")
    assert account.ledger.includes("A")
    assert account.ledger.hold_excess("USD") == 0


def test_a_figure_that_does_not_count_any_more_proves_nothing_but_by_its_time() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 100 900", BTC="1")
    account.ledger.invalidate("insufficient_funds", now_s=account.now_s)
    assert not account.ledger.includes("A")
    account.wait(61)
    account.read(USD="1000 100 900", BTC="1")
    account.ledger.invalidate("insufficient_funds", now_s=account.now_s)
    assert account.ledger.includes("A")


def test_an_order_nobody_can_size_is_included_by_time_alone() -> None:
    account = live()
    account.place(order("A", None))
    account.wait(1)
    account.read(USD="1000 100 900", BTC="1")
    assert not account.ledger.includes("A")
    account.wait(60)
    account.read(USD="1000 100 900", BTC="1")
    assert account.ledger.includes("A")


@pytest.mark.parametrize(("later_s", "is_included"), [(59.0, False), (60.0, True)])
def test_a_figure_asked_for_a_lag_later_includes_an_order_whatever_it_says(later_s: float, is_included: bool) -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(later_s)
    account.read(USD="1000 250 750", BTC="1")
    assert account.ledger.includes("A") is is_included


def test_an_order_that_a_slow_list_told_of_counts_from_when_it_was_told() -> None:
    account = Account()
    account.read(USD="1000 0 1000", BTC="1")
    asked_s = account.now_s
    account.wait(10.0)
    account.ledger.state_orders(orders(asked_s, order("A", "100"), source=Source.REST), now_s=account.now_s)
    account.wait(55.0)
    account.read(USD="1000 0 1000", BTC="1")  # Our record of orders is not counted any more, and this lags.
    assert (account["USD"].spendable, counted(account)) == (Decimal(1000), Decimal(0))
    account.wait(5.0)
    account.read(USD="1000 100 900", BTC="1")
    assert (account["USD"].spendable, counted(account)) == (Decimal(900), Decimal(100))


# What the venue holds beyond


def test_what_a_list_of_orders_used_up_is_no_excess_any_more() -> None:
    account = live()
    account.place(order("A", "500"))
    account.wait(1)
    account.read(USD="1000 502 498", BTC="1")
    assert account.ledger.hold_excess("USD") == 2
    account.push_orders(order("A", "500"), order("B", "1.5"))
    assert account.figures("USD") == "1000 502 498"  # Held is no less than both: it was not raised.
    assert account.ledger.hold_excess("USD") == Decimal("0.5")
    account.push_orders(order("A", "500"), order("B", "7"))
    assert account.figures("USD") == "1000 507 493"
    assert account.ledger.hold_excess("USD") == 0


def test_what_a_fill_whose_legs_wait_had_held_is_no_excess() -> None:
    account = live()
    account.place(order("A", "60"))
    account.place(order("B", "40"))
    account.wait(1)
    account.read(USD="1000 100.4 899.6", BTC="1")
    account.fill("A", "T1")
    assert account.ledger.hold_excess("USD") == Decimal("0.4")
    account.push_orders(order("B", "40"), order("C", "0.3"))
    assert account.figures("USD") == "1000 100.4 899.6"
    assert account.ledger.hold_excess("USD") == Decimal("0.1")


def test_the_excess_of_a_filled_order_stays_until_the_venue_says_otherwise() -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 100.4 899.6", BTC="1")
    account.wait(6)  # Until then it might have been a smaller order's hold instead of a fee.
    account.fill("A", "T1")
    account.move(delta("USD", "-100.4", ref="T1", is_leg=True), delta("BTC", "0.01", ref="T1", is_leg=True))
    assert account["USD"].spendable == Decimal("899.2")  # Truly 899.6: the fee is taken off twice until a read.
    assert account.ledger.hold_excess("USD") == Decimal("0.4")


@pytest.mark.parametrize("lost", ["balances", "dispute", "orders"])
def test_there_is_no_excess_where_totals_less_our_estimates_decide_as_well(lost: str) -> None:
    account = live()
    account.place(order("A", "100"))
    account.wait(1)
    account.read(USD="1000 100.4 899.6", BTC="1")
    assert account.ledger.hold_excess("USD") == Decimal("0.4")
    if lost == "dispute":
        account.read(USD="1100 100.4 999.6", BTC="1")
        assert account.label("USD") == "fresh disputed"
    else:
        account.ledger.lose_channel(Channel(lost), "gap", now_s=account.now_s)
    assert account.ledger.hold_excess("USD") == 0
    assert not account.ledger.includes("A")


# Since when


def test_anchored_since_means_asked_for_since() -> None:
    account = live()
    asked_s = account.now_s
    assert account.ledger.is_anchored_since("USD", asked_s)
    assert not account.ledger.is_anchored_since("USD", asked_s + 0.1)
    account.wait(5)
    account.read_late(asked_s + 2, USD="1000", BTC="1")
    assert account.ledger.is_anchored_since("USD", asked_s + 2)
    assert not account.ledger.is_anchored_since("USD", asked_s + 2.1)


def test_a_read_that_states_no_holds_anchors_nothing() -> None:
    account = live()
    account.wait(5)
    account.read(read="Balance", USD="1000", BTC="1")
    assert not account.ledger.is_anchored_since("USD", account.now_s)


def test_a_late_or_invalidated_figure_anchors_nothing() -> None:
    account = live()
    account.move(delta("USD", "-100"))
    account.wait(5)
    account.read(USD="1000", BTC="1")
    assert not account.ledger.is_anchored_since("USD", account.now_s)  # It lags.
    assert account.ledger.is_anchored_since("BTC", account.now_s)
    account.ledger.invalidate("clock_jump", now_s=account.now_s)
    assert not account.ledger.is_anchored_since("BTC", 0.0)


def test_an_asset_that_nobody_named_is_anchored_with_all_others() -> None:
    account = live()
    assert account.ledger.is_anchored_since("DOT", account.now_s)
    assert not Account().ledger.is_anchored_since("DOT", 0.0)


def test_restated_since_means_a_believed_snapshot_that_stands() -> None:
    account = live()
    stated_s = account.now_s
    ledger = account.ledger
    assert ledger.is_restated_since(stated_s)
    assert not ledger.is_restated_since(stated_s + 0.1)
    account.wait(5)
    account.push(USD="1000", BTC="1")
    assert ledger.is_restated_since(stated_s + 5)
    ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)
    assert not ledger.is_restated_since(stated_s)


def test_a_snapshot_that_is_not_believed_restates_nothing() -> None:
    account = live()
    account.wait(5)
    account.push()
    assert account.label("USD") == "stale suspect_empty"
    assert not account.ledger.is_restated_since(0.0)


def test_a_snapshot_restates_only_what_it_speaks_of() -> None:
    account = Account()
    account.push_orders()
    account.ledger.state_snapshot(pushed(account.now_s, omits="LOCKED", USD="1000"), now_s=account.now_s)
    account.read(USD="1000", LOCKED="5")
    assert account.ledger.is_restated_since(account.now_s)
    assert account.ledger.is_restated_since(account.now_s, "USD")
    assert not account.ledger.is_restated_since(account.now_s, "LOCKED")


@pytest.mark.parametrize("why", ["lost", "suspect", "overruled", "unspoken"])
def test_what_the_stream_tells_is_shown_only_where_it_is_believed_and_not_overruled(why: str) -> None:
    account = live()
    assert account.ledger.shows("USD")
    assert account.ledger.shows("DOT")
    asset = "USD"
    if why == "lost":
        account.ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)
    elif why == "suspect":
        account.wait(1.0)
        account.push()
    elif why == "overruled":
        for _ in range(8):
            account.wait(10.0)
            account.read(USD="900", BTC="1")
        assert account.label("USD") == "fresh rest_differs"
        assert account.ledger.shows("BTC")
    else:
        asset = "LOCKED"
        account.ledger.state_snapshot(pushed(account.now_s, omits="LOCKED", USD="1000", BTC="1"), now_s=account.now_s)
    assert not account.ledger.shows(asset)


# After the stream's last word


@pytest.mark.parametrize(("later_s", "spendable"), [(59.9, "900"), (60.1, "1300")])
def test_right_after_the_streams_last_word_rest_may_speak_of_what_was_before(later_s: float, spendable: str) -> None:
    # While nobody listened, 300 came and 400 went; the stream's new snapshot has both, and REST lags between them.
    account = live()
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.wait(1)
    account.push_orders()
    account.push(USD="900", BTC="1")
    account.read(USD="900", BTC="1")
    said_s = account.now_s
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.is_heard = False
    account.wait(later_s)
    account.read(USD="1300", BTC="1")
    assert account.now_s == said_s + later_s
    assert account.label("USD") == "fresh"
    assert account.figures("USD") == "1300 0 1300"
    assert account["USD"].spendable == Decimal(spendable)


def test_what_lags_the_streams_last_word_is_not_spent_with_a_floor_and_claims_beside_it() -> None:
    account = Account(LedgerSettings(floors={"USD": Decimal(50)}))
    account.go_live(USD="900", BTC="1")
    account.ledger.set_reserved("USD", Decimal(100))
    account.place(order("A", "200"))
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.is_heard = False
    account.wait(1)
    account.read(USD="1300 0 1300", BTC="1")
    assert account["USD"].spendable == Decimal(550)  # 900 - 200 - 100 - 50.


def test_a_leg_that_waits_is_not_shown_twice_because_rest_and_the_stream_agree_meanwhile() -> None:
    account = live()
    for _ in range(7):
        account.wait(10.0)
        account.read(USD="1000", BTC="1.5")
    account.wait(1.0)
    account.read(USD="1000", BTC="1.5")
    assert account.label("BTC") == "fresh rest_differs"
    account.move(delta("BTC", "0.5", ref="T1", is_leg=True))  # As late as can be; its other leg has not come.
    account.read(USD="1000", BTC="1.5")
    account.move(delta("USD", "-20", ref="T1", is_leg=True))
    assert account.figures("BTC") == "1.5 0 1.5"
    assert account["BTC"].spendable == Decimal("1.5")
    account.wait(1.0)
    account.read(USD="980", BTC="1.5")
    assert account.label("BTC") == "live"


def test_a_leg_that_waits_is_shown_before_the_change_with_which_the_stream_comes_to_agree_with_rest() -> None:
    account = live()
    for _ in range(7):
        account.wait(10.0)
        account.read(USD="1030", BTC="1")
    account.wait(1.0)
    account.read(USD="1030", BTC="1")
    assert account.label("USD") == "fresh rest_differs"
    account.move(delta("USD", "10", ref="T1", is_leg=True))
    account.move(delta("USD", "20"))
    assert account.figures("USD") == "1030 0 1030"
    account.wait(2.0)
    account.read(USD="1030", BTC="1")
    assert (account.label("USD"), account.figures("USD")) == ("live", "1030 0 1030")
