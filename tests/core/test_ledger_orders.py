"""What our open orders hold: carried forward between anchors, doubted when REST says otherwise, never spent twice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.balances import OpenOrder, OrdersSnapshot, Source
from holdfast.core.ledger import LedgerSettings, WantKind
from holdfast.core.venue import Channel
from tests.core.statements import Account, order, orders


def live() -> Account:
    """1500 USD with 400 held by an open order, and 0.4 BTC."""
    account = Account()
    account.go_live(order("O1", "400"), USD="1500 400 1100", BTC="0.4")
    return account


def rest_orders(account: Account, *open_orders: OpenOrder) -> OrdersSnapshot:
    """REST's list of open orders, asked for now."""
    return orders(account.now_s, *open_orders, source=Source.REST)


def test_new_order_moves_held_and_available_before_any_read() -> None:
    account = live()

    (change,) = account.place(order("O2", "100")).changes

    assert (change.asset, change.kind, change.cause) == ("USD", "derived", "new")
    assert account.figures("USD") == "1500 500 1000"
    assert account.label("USD") == "live"
    assert account["USD"].source is Source.DERIVED


def test_order_without_an_anchor_after_it_counts_with_the_fee_the_venue_may_hold() -> None:
    account = live()
    account.place(order("O2", "100"))

    assert account["USD"].spendable == 999
    account.wait(2.0)
    account.read(USD="1500 500.4 999.6", BTC="0.4")
    assert account.figures("USD") == "1500 500.4 999.6"
    assert account["USD"].spendable == Decimal("999.6")


def test_ended_order_frees_what_it_held() -> None:
    account = live()

    account.end("O1")

    assert account.figures("USD") == "1500 0 1500"
    assert account["USD"].spendable == 1500


def test_amended_order_moves_the_difference() -> None:
    account = live()
    account.place(order("O1", "250"))
    assert account.figures("USD") == "1500 250 1250"
    assert account["USD"].spendable == 1250
    account.place(order("O1", "600"))
    assert account.figures("USD") == "1500 600 900"
    assert account["USD"].spendable == 894


def test_order_that_changes_the_asset_it_holds_moves_both() -> None:
    account = live()

    account.place(order("O1", "0.1", "BTC"))

    assert account.figures("USD") == "1500 0 1500"
    assert account.figures("BTC") == "0.4 0.1 0.3"


def test_repeating_an_order_changes_nothing() -> None:
    account = live()

    assert account.place(order("O1", "400")).changes == ()
    assert account.end("UNKNOWN").changes == ()
    assert account.figures("USD") == "1500 400 1100"


def test_order_changes_before_their_snapshot_are_refused() -> None:
    account = Account()
    account.read(USD="1500")

    assert account.place(order("O1", "400")).refused == "before_snapshot"
    assert account.ledger.refusals["orders", "before_snapshot"] == 1
    assert account.figures("USD") == "1500 0 1500"


def test_venues_own_figures_are_shown_even_where_our_estimate_differs() -> None:
    account = Account()
    account.go_live(order("O1", "400"), USD="1500 401.6 1098.4")

    assert account.figures("USD") == "1500 401.6 1098.4"
    assert account["USD"].source is Source.STREAM
    assert account["USD"].spendable == Decimal("1098.4")


def test_locked_money_is_never_spendable_though_the_total_has_it() -> None:
    account = Account()
    account.go_live(USD="1500 0 200")

    assert account["USD"].spendable == 200
    account.place(order("O1", "100"))
    assert account.figures("USD") == "1500 100 100"
    assert account["USD"].spendable == 99


def test_lagging_answer_without_the_new_order_frees_nothing() -> None:
    account = live()
    account.place(order("O2", "100"))
    account.wait(20.0)

    account.read(USD="1500 400 1100", BTC="0.4")

    assert account.figures("USD") == "1500 500 1000"
    assert account["USD"].source is Source.DERIVED
    assert account["USD"].spendable == 999


def test_lagging_answer_is_told_from_the_list_of_orders_before_a_new_list_too() -> None:
    account = live()
    account.wait(130.0)
    account.push_orders(order("O1", "400"), order("O2", "100"))
    account.wait(20.0)

    account.read(USD="1500 400 1100", BTC="0.4")

    assert account.figures("USD") == "1500 500 1000"
    assert account["USD"].spendable == 999


def test_answer_that_may_already_lack_an_order_gives_its_hold_back_only_once() -> None:
    account = Account()
    account.go_live(order("O1", "400"), order("O2", "1"), USD="1500 401 1099", BTC="0.4")
    account.wait(130.0)
    # The venue holds 401.6 for O1 alone, fee included; that O2 has ended is still on its way to us.
    account.read(USD="1500 401.6 1098.4", BTC="0.4")

    account.end("O2")

    assert account.figures("USD") == "1500 401.6 1098.4"
    assert account["USD"].spendable == Decimal("1098.4")
    account.wait(6.0)
    account.end("O1")  # Too late to have been on its way: what was kept back until the next read is little.
    assert account.figures("USD") == "1500 1.6 1498.4"


def test_lagging_answer_with_the_ended_order_holds_nothing_back() -> None:
    account = live()
    account.end("O1")
    account.wait(20.0)

    account.read(USD="1500 400 1100", BTC="0.4")

    assert account.figures("USD") == "1500 0 1500"


def test_answer_that_fits_no_moment_counts_every_recent_order_against_us() -> None:
    account = live()
    account.place(order("O2", "100"))

    account.read(USD="1500 450 1050", BTC="0.4")

    assert account.figures("USD") == "1500 550 950"
    assert "ambiguous" in account.wanted(WantKind.READ_BALANCES)
    account.wait(61.5)
    account.read(USD="1500 500 1000", BTC="0.4")
    assert account.figures("USD") == "1500 500 1000"


def test_order_the_venue_no_longer_holds_for_is_asked_about_once() -> None:
    account = live()
    account.wait(130.0)

    outcome = account.read(USD="1500", BTC="0.4")

    assert account.figures("USD") == "1500 0 1500"
    assert account["USD"].spendable == 1096
    assert [want.kind for want in outcome.wants] == [WantKind.READ_ORDERS]
    account.ledger.state_orders(rest_orders(account), now_s=account.now_s)
    assert account["USD"].spendable == 1500
    assert account.figures("USD") == "1500 0 1500"


def test_order_that_ends_after_the_venue_already_freed_it_frees_nothing_twice() -> None:
    account = live()
    account.wait(130.0)
    account.read(USD="1500", BTC="0.4")

    account.end("O1")

    assert account.figures("USD") == "1500 0 1500"
    assert account["USD"].spendable == 1500


def test_same_difference_is_not_asked_about_again() -> None:
    account = live()
    account.wait(130.0)
    account.read(USD="1500 900 600", BTC="0.4")
    assert account.wanted(WantKind.READ_ORDERS) == ["holds_differ"]
    account.ledger.state_orders(rest_orders(account, order("O1", "400")), now_s=account.now_s)

    account.wait(57.0)
    account.read(USD="1500 900 600", BTC="0.4")

    assert account.wanted(WantKind.READ_ORDERS) == []


def test_rest_list_adds_an_order_the_stream_never_told_of() -> None:
    account = live()
    account.wait(130.0)

    account.ledger.state_orders(rest_orders(account, order("O1", "400"), order("O9", "50")), now_s=account.now_s)

    assert account.figures("USD") == "1500 450 1050"
    assert account.label("USD") == "stale age"  # Not tracked until a read after it.
    account.read(USD="1500 450 1050", BTC="0.4")
    assert account.label("USD") == "live"


def test_lagging_rest_list_neither_revives_nor_ends_what_the_stream_told_of_lately() -> None:
    account = live()
    account.wait(130.0)
    account.place(order("O2", "100"))
    account.end("O1")
    account.wait(30.0)

    account.ledger.state_orders(rest_orders(account, order("O1", "400")), now_s=account.now_s)

    assert account.figures("USD") == "1500 100 1400"
    assert account.label("USD") == "live"


def test_lagging_rest_list_does_not_end_what_the_streams_snapshot_had() -> None:
    account = live()
    account.wait(5.0)

    account.ledger.state_orders(rest_orders(account), now_s=account.now_s)

    assert account.figures("USD") == "1500 400 1100"
    assert account["USD"].spendable == 1100


def test_rest_list_that_denies_a_recent_word_of_the_stream_is_asked_for_again_after_the_lag() -> None:
    account = live()
    account.wait(130.0)
    account.place(order("O2", "100"))

    outcome = account.ledger.state_orders(rest_orders(account, order("O1", "400")), now_s=account.now_s)

    assert [(want.kind, want.not_before_s) for want in outcome.wants] == [(WantKind.READ_ORDERS, account.now_s + 61.0)]
    account.wait(61.0)
    account.ledger.state_orders(rest_orders(account, order("O1", "400")), now_s=account.now_s)
    assert account.wanted(WantKind.READ_ORDERS) == []


def test_orders_snapshot_that_holds_more_than_the_anchor_takes_the_difference_off() -> None:
    account = Account()
    account.read(USD="1500 0 1000")
    account.push(USD="1500")

    account.push_orders(order("O1", "300"))

    assert account.figures("USD") == "1500 300 700"
    assert account["USD"].spendable == 697
    assert "orders_restated" in account.wanted(WantKind.READ_BALANCES)


def test_orders_snapshot_that_the_anchor_includes_moves_nothing() -> None:
    account = Account()
    account.read(USD="1500 400 1100")
    account.push(USD="1500")

    assert account.push_orders(order("O1", "399")).changes == ()
    assert account.figures("USD") == "1500 400 1100"


def test_lost_orders_channel_ends_live_and_fresh_then_follows_rest_alone() -> None:
    account = live()

    account.ledger.lose_channel(Channel.ORDERS, "gap", now_s=account.now_s)

    assert account.label("USD") == "stale gap"
    assert account.place(order("O2", "1")).refused == "before_snapshot"
    account.read(USD="1500 400 1100", BTC="0.4")
    assert account.label("USD") == "fresh"
    account.wait(31.0)
    assert account.label("USD") == "stale age"


def test_orders_known_before_a_loss_count_only_while_rest_may_not_include_their_end() -> None:
    account = live()
    account.ledger.lose_channel(Channel.ORDERS, "gap", now_s=account.now_s)
    account.wait(5.0)
    account.read(USD="1500", BTC="0.4")
    assert account["USD"].spendable == 1100

    account.wait(60.0)
    account.read(USD="1500", BTC="0.4")
    assert account["USD"].spendable == 1500


def test_order_of_unknown_cost_counts_for_everything_until_rest_must_include_it() -> None:
    account = live()
    account.place(order("O2", None))
    assert account["USD"].spendable == 0
    assert account["BTC"].spendable == Decimal("0.4")

    account.wait(61.0)
    account.read(USD="1500 700 800", BTC="0.4")
    assert account["USD"].spendable == 800


def test_order_on_an_unlisted_instrument_may_hold_anything() -> None:
    account = live()
    account.place(order("O2", None, None, symbol=None))
    assert account["USD"].spendable == account["BTC"].spendable == 0

    account.end("O2")
    assert account["BTC"].spendable == Decimal("0.4")


def test_order_with_an_unreadable_symbol_is_still_an_order() -> None:
    account = live()
    account.place(order("O2", "100", symbol="???"))
    account.fill("O2", "T1")

    assert account.figures("USD") == "1500 500 1000"


@pytest.mark.parametrize("count", [300])
def test_memory_of_orders_is_bounded(count: int) -> None:
    account = Account(LedgerSettings(trail_length=50))
    account.go_live(USD="1500", BTC="0.4")
    for number in range(count):
        account.place(order(f"O{number}", "1"))
        account.end(f"O{number}")

    record = account.ledger._book.orders
    assert len(record) == 0
    assert len(record._heard_s) <= 51
    assert account.figures("USD") == "1500 0 1500"


def test_stream_that_states_holds_itself_needs_no_orders() -> None:
    account = Account()
    account.push(USD="1500 400 1100", BTC="0.4 0 0.4")
    account.read(USD="1500 400 1100", BTC="0.4")

    assert account.label("USD") == "live"
    account.push_orders(order("O1", "400"))
    assert account.figures("USD") == "1500 400 1100"
    account.place(order("O2", "100"))
    assert account.figures("USD") == "1500 400 1100"
    assert account["USD"].spendable == 1000
