"""REST beside a live stream: the anchor, the late answer, the dispute, and who wins it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.balances import Source
from holdfast.core.lag import Likeness, Trail, compare
from holdfast.core.ledger import LedgerSettings, WantKind
from holdfast.core.venue import Channel
from tests.core.statements import Account, delta, order, part


def live() -> Account:
    """A live account with 1500 USD and 0.4 BTC, both free."""
    account = Account()
    account.go_live(USD="1500", BTC="0.4")
    return account


def test_trail_knows_figures_superseded_within_the_time_asked_and_no_others() -> None:
    trail = Trail(keep_s=60.0, length=8)
    trail.supersede(Decimal(1), 10.0)
    trail.supersede(Decimal(2), 20.0)

    def relation(stated: int, since_s: float) -> Likeness:
        return compare(Decimal(stated), current=Decimal(3), trail=trail, since_s=since_s)

    assert relation(3, 0.0) is Likeness.AGREES
    assert relation(1, 10.0) is Likeness.LAGS
    assert relation(1, 10.1) is Likeness.DIFFERS
    assert relation(2, 20.0) is Likeness.LAGS
    assert relation(4, 0.0) is Likeness.DIFFERS


def test_trail_is_bounded_in_time_and_in_number() -> None:
    trail = Trail(keep_s=60.0, length=8)
    for second in range(1000):
        trail.supersede(Decimal(second), float(second))
        assert len(trail) <= 8
    trail.supersede(Decimal(0), 5000.0)
    assert len(trail) == 1


def test_stream_alone_is_not_live_until_rest_anchors_it() -> None:
    account = Account()
    account.push_orders()
    account.push(USD="1500")

    assert account.label("USD") == "stale unanchored"
    assert account.wanted(WantKind.READ_BALANCES)
    account.read(USD="1500")
    assert account.label("USD") == "live"
    assert account["USD"].source is Source.STREAM


def test_rest_asked_before_the_stream_stated_anchors_nothing_live() -> None:
    account = Account()
    account.read(USD="1500")
    account.wait(0.5)
    account.push_orders()
    account.push(USD="1500")

    # Between the two something may have been staked or ordered that no total tells of.
    assert account.label("USD") == "fresh"
    account.read(USD="1500")
    assert account.label("USD") == "live"


def test_equal_figure_keeps_the_anchor_young() -> None:
    account = live()
    for _ in range(10):
        account.wait(57.0)
        assert account.label("USD") == "live"
        assert account.read(USD="1500", BTC="0.4").changes == ()


def test_anchor_beyond_its_age_ends_live_and_names_itself() -> None:
    account = live()
    account.wait(300.0)
    assert account.label("USD") == "live"
    account.wait(1.0)
    assert account.label("USD") == "stale anchor_age"


def test_late_answer_is_ignored_and_is_no_anchor() -> None:
    account = live()
    account.wait(10.0)
    account.move(delta("USD", "100", as_of_s=account.now_s))
    account.wait(30.0)
    anchored_s = account.now_s - 40.0

    outcome = account.read(USD="1500", BTC="0.4")

    assert outcome.lagging == ("USD",)
    assert outcome.changes == ()
    assert account.figures("USD") == "1600 0 1600"
    assert account.label("USD") == "live"
    assert "lagging" in account.wanted(WantKind.READ_BALANCES)
    account.wait(anchored_s + 300.5 - account.now_s)
    assert account.label("USD") == "stale anchor_age"
    assert account.label("BTC") == "live"


def test_older_figure_beyond_the_lag_is_not_late_any_more() -> None:
    account = live()
    account.move(delta("USD", "100", as_of_s=account.now_s))
    account.wait(61.0)

    assert account.read(USD="1500", BTC="0.4").disputed == ("USD",)


def test_each_figure_of_a_burst_is_remembered() -> None:
    account = live()
    for _ in range(5):
        account.move(delta("USD", "10"), delta("USD", "-3"))

    for late in ("1500", "1510", "1507", "1517", "1514"):
        assert account.read(USD=late, BTC="0.4").lagging == ("USD",)
    assert account.read(USD="1535", BTC="0.4").lagging == ()


def test_foreign_figure_ends_live_at_once_and_only_the_lower_may_be_spent() -> None:
    account = live()
    account.wait(5.0)

    outcome = account.read(USD="1100", BTC="0.4")

    assert outcome.disputed == ("USD",)
    assert outcome.found == ()
    assert account.figures("USD") == "1500 0 1500"
    assert account.label("USD") == "fresh disputed"
    assert account["USD"].spendable == 1100
    assert account.label("BTC") == "live"
    assert account.wanted(WantKind.RESUBSCRIBE) == ["disputed"]
    assert "disputed" in account.wanted(WantKind.READ_BALANCES)


def test_disputed_figure_stays_fresh_only_while_it_was_known_to_be_true() -> None:
    account = live()
    account.wait(57.0)
    account.read(USD="1100", BTC="0.4")

    # The stream is heard, and may still be frozen: its last word on this asset is as old as the last agreement.
    assert account.label("USD") == "stale age"
    assert account["USD"].age_s == 57.0


def test_dispute_asks_for_one_new_snapshot_and_for_another_when_rest_wins() -> None:
    account = live()
    asked = []
    for _ in range(8):
        outcome = account.read(USD="1100", BTC="0.4")
        asked.append([want.reason for want in outcome.wants if want.kind is WantKind.RESUBSCRIBE])
        account.push(USD="1500", BTC="0.4")
        account.wait(10.0)

    assert asked == [["disputed"], [], [], [], [], [], ["rest_differs"], []]


def test_lost_stream_ends_a_dispute_without_blaming_it() -> None:
    account = live()
    account.read(USD="1100", BTC="0.4")
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.wait(1.0)

    outcome = account.read(USD="1100", BTC="0.4")

    assert outcome.found == ()
    assert account.figures("USD") == "1100 0 1100"
    assert account.label("USD") == "fresh"


@pytest.mark.parametrize(("total", "kinds"), [("1100", ["stream_frozen"]), ("1500", [])])
def test_read_while_the_new_snapshot_is_awaited_decides_the_dispute(total: str, kinds: list[str]) -> None:
    account = live()
    account.read(USD="1100", BTC="0.4")
    account.ledger.await_snapshot(Channel.BALANCES, now_s=account.now_s)
    account.wait(1.0)

    outcome = account.read(USD=total, BTC="0.4")

    assert [found.kind for found in outcome.found] == kinds
    assert account.figures("USD") == f"{total} 0 {total}"
    account.push(USD=total, BTC="0.4")
    assert account.ledger.discrepancies == ()


def test_newest_figure_of_a_dispute_is_the_one_that_counts() -> None:
    account = live()
    account.read(USD="1100", BTC="0.4")
    account.wait(10.0)

    account.read(USD="900", BTC="0.4")

    assert account["USD"].spendable == 900
    account.wait(10.0)
    account.read(USD="1200", BTC="0.4")
    assert account["USD"].spendable == 1200
    assert account.push(USD="1200", BTC="0.4").found[0].theirs == 1200


def test_higher_foreign_figure_raises_nothing() -> None:
    account = live()
    account.read(USD="1900", BTC="0.4")

    assert account["USD"].spendable == 1500


def test_debits_pushed_during_a_dispute_come_off_the_lower_figure_too() -> None:
    account = live()
    account.read(USD="1100", BTC="0.4")
    account.move(delta("USD", "-200", as_of_s=account.now_s))

    assert account["USD"].spendable == 900
    account.place(order("O1", "300"))
    assert account["USD"].spendable == 600


def test_stream_that_was_merely_slower_ends_the_dispute_without_a_discrepancy() -> None:
    account = live()
    account.read(USD="1600 0 1600", BTC="0.4")

    outcome = account.move(delta("USD", "100", as_of_s=account.now_s))

    assert outcome.found == outcome.resolved == ()
    assert account.wanted(WantKind.RESUBSCRIBE) == []
    assert "disputed" not in account.wanted(WantKind.READ_BALANCES)
    assert account.figures("USD") == "1600 0 1600"
    assert account.label("USD") == "live"
    assert account["USD"].spendable == 1600


def test_dispute_that_ends_is_anchored_by_its_newest_answer() -> None:
    account = live()
    account.read(USD="1600 0 1600", BTC="0.4")
    account.wait(10.0)
    account.read(USD="1600 50 1550", BTC="0.4")

    account.move(delta("USD", "100", as_of_s=account.now_s))

    assert account.figures("USD") == "1600 50 1550"
    account.wait(295.0)
    assert account.label("USD") == "live"
    account.wait(6.0)
    assert account.label("USD") == "stale anchor_age"


def test_end_of_one_dispute_leaves_the_others_wants_alone() -> None:
    account = Account()
    account.go_live(USD="1500", BTC="0.4", SOL="7")
    account.read(USD="1600", BTC="0.5", SOL="7")

    account.move(delta("USD", "100", as_of_s=account.now_s))

    assert account.label("USD") == "live"
    assert account.wanted(WantKind.RESUBSCRIBE) == ["disputed"]
    account.move(delta("BTC", "0.1", as_of_s=account.now_s))
    assert account.wanted(WantKind.RESUBSCRIBE) == []


def test_rest_that_catches_up_ends_the_dispute() -> None:
    account = live()
    account.read(USD="1100", BTC="0.4")
    account.wait(10.0)

    assert account.read(USD="1500", BTC="0.4").found == ()
    assert account.label("USD") == "live"
    assert account["USD"].spendable == 1500


def test_frozen_channel_is_found_out_by_its_own_new_snapshot() -> None:
    account = live()
    account.wait(57.0)
    account.read(USD="1100 100 1000", BTC="0.4")

    outcome = account.push(USD="1100", BTC="0.4")

    (found,) = outcome.found
    assert (found.kind, found.ours, found.theirs) == ("stream_frozen", Decimal(1500), Decimal(1100))
    assert [(ended.kind, ended.how) for ended in outcome.resolved] == [("stream_frozen", "restated")]
    assert account.figures("USD") == "1100 100 1000"
    account.read(USD="1100 100 1000", BTC="0.4")
    assert account.label("USD") == "live"
    assert account.ledger.discrepancies == ()


def test_rest_that_insists_beyond_the_lag_wins_and_both_figures_are_kept() -> None:
    account = live()
    account.read(USD="1100 0 1100", BTC="0.4")
    for _ in range(5):
        account.wait(10.0)
        assert account.read(USD="1100 0 1100", BTC="0.4").found == ()
    account.wait(10.0)

    outcome = account.read(USD="1100 0 1100", BTC="0.4")

    (found,) = outcome.found
    assert (found.asset, found.kind, found.ours, found.theirs, found.how) == (
        "USD",
        "rest_differs",
        Decimal(1500),
        Decimal(1100),
        None,
    )
    assert account.figures("USD") == "1100 0 1100"
    assert account.label("USD") == "fresh rest_differs"
    assert account["USD"].source is Source.REST
    assert account.ledger.discrepancies == (found,)
    account.wait(31.0)
    assert account.label("USD") == "stale age"


def won() -> Account:
    """REST has won over the stream: 1100, and not 1500."""
    account = live()
    for _ in range(7):
        account.read(USD="1100 0 1100", BTC="0.4")
        account.wait(10.0)
    account.read(USD="1100 0 1100", BTC="0.4")
    assert account.label("USD") == "fresh rest_differs"
    return account


def test_after_rest_won_its_newest_word_is_shown_and_debits_of_the_stream_are_not_spent() -> None:
    account = won()

    assert account.move(delta("USD", "-50", as_of_s=account.now_s)).changes == ()
    assert account.figures("USD") == "1100 0 1100"
    assert account["USD"].spendable == 1050
    account.wait(10.0)
    account.read(USD="1050 0 1050", BTC="0.4")
    assert account.figures("USD") == "1050 0 1050"
    assert account["USD"].spendable == 1050


@pytest.mark.parametrize("ends", ["snapshot", "delta", "answer"])
def test_discrepancy_ends_when_the_two_agree_again(ends: str) -> None:
    account = won()

    if ends == "snapshot":
        outcome = account.push(USD="1100", BTC="0.4")
    elif ends == "delta":
        outcome = account.move(delta("USD", "-400", as_of_s=account.now_s))
    else:
        account.wait(1.0)
        outcome = account.read(USD="1500", BTC="0.4")

    (ended,) = outcome.resolved
    assert (ended.kind, ended.how) == ("rest_differs", "restated" if ends == "snapshot" else "agreed")
    assert account.ledger.discrepancies == ()
    total = "1500" if ends == "answer" else "1100"
    account.wait(1.0)
    account.read(USD=total, BTC="0.4")
    assert account.label("USD") == "live"
    assert account["USD"].source is Source.STREAM
    assert account.figures("USD") == f"{total} 0 {total}"


def test_stream_that_insists_after_rest_won_changes_nothing() -> None:
    account = won()

    account.push(USD="1500", BTC="0.4")

    assert account.figures("USD") == "1100 0 1100"
    assert account.label("USD") == "fresh rest_differs"
    assert account["USD"].spendable == 1100


def test_lagging_answer_after_a_lost_stream_does_not_bring_the_old_figure_back() -> None:
    account = live()
    account.move(delta("USD", "-400", as_of_s=account.now_s))
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.is_heard = False
    account.wait(2.0)

    assert account.read(USD="1500", BTC="0.4").lagging == ("USD",)
    assert account.figures("USD") == "1100 0 1100"
    assert account.label("USD") == "stale closed"
    account.wait(2.0)
    account.read(USD="1100", BTC="0.4")
    assert account.label("USD") == "fresh"


def test_answer_asked_before_a_delta_and_equal_to_the_figure_after_it_is_an_anchor() -> None:
    account = live()
    asked_s = account.now_s
    account.wait(0.5)
    account.move(delta("USD", "100", as_of_s=account.now_s))

    account.read_late(asked_s, USD="1600", BTC="0.4")

    assert account.label("USD") == "live"
    assert account["USD"].spendable == 1600


def test_older_agreement_does_not_make_a_younger_figure_older() -> None:
    account = live()
    account.wait(20.0)
    account.move(delta("USD", "100", as_of_s=account.now_s))
    account.read_late(account.now_s - 15.0, USD="1600", BTC="0.4")

    account.read(USD="1100", BTC="0.4")

    assert account.label("USD") == "fresh disputed"
    assert account["USD"].age_s == 0.0


def test_same_total_before_and_after_does_not_prove_that_what_came_since_may_be_spent() -> None:
    account = live()
    # Staked: two rows of one asset, the total is as before and the money is gone.
    account.move(delta("USD", "-500"))
    account.move(delta("USD", "500"))
    account.wait(5.0)

    account.read(USD="1500 0 1500", BTC="0.4")  # As it was before the staking, or after? Nobody can tell.

    assert account["USD"].spendable == 1000
    assert "ambiguous" in account.wanted(WantKind.READ_BALANCES)
    account.wait(57.0)
    account.read(USD="1500 0 1000", BTC="0.4")
    assert account["USD"].spendable == 1000
    assert account.figures("USD") == "1500 0 1000"


def test_partial_answer_is_compared_with_the_stream_like_a_complete_one() -> None:
    account = live()

    outcome = account.ledger.state_partial(part(account.now_s, USD="1100 0 1100"), now_s=account.now_s)

    assert outcome.disputed == ("USD",)
    assert account.figures("USD") == "1500 0 1500"


def test_partial_push_moves_the_streams_own_figure() -> None:
    account = Account()
    stream = Source.STREAM
    assert account.ledger.state_partial(part(0.0, source=stream, USD="1 0 1"), now_s=0.0).refused == "before_snapshot"
    account.push(USD="10 0 10", BTC="1 0 1")
    account.read(USD="10", BTC="1")
    assert account.label("USD") == "live"

    account.ledger.state_partial(part(account.now_s, source=stream, USD="7 2 5"), now_s=account.now_s)

    assert account.figures("USD") == "7 2 5"
    assert account.label("USD") == "live"
    assert account.read(USD="10", BTC="1").lagging == ("USD",)
    assert account.figures("BTC") == "1 0 1"


def test_delta_that_leads_to_another_total_than_the_venue_states_is_corrected_and_doubted() -> None:
    account = live()

    outcome = account.move(delta("USD", "100", total="1550", as_of_s=account.now_s))

    (found,) = outcome.found
    assert (found.kind, found.ours, found.theirs) == ("delta_differs", Decimal(1600), Decimal(1550))
    assert account.figures("USD") == "1550 0 1550"
    assert account.label("USD") == "stale delta_differs"
    assert account.label("BTC") == "live"
    assert account.wanted(WantKind.RESUBSCRIBE) == ["delta_differs"]
    account.wait(1.0)
    assert [ended.how for ended in account.read(USD="1550", BTC="0.4").resolved] == ["agreed"]
    assert account.label("USD") == "live"


def test_delta_that_states_the_expected_total_is_an_ordinary_one() -> None:
    account = live()

    assert account.move(delta("USD", "100", total="1600.0", as_of_s=account.now_s)).found == ()
    assert account.label("USD") == "live"


def test_other_venues_may_lag_less() -> None:
    account = Account(LedgerSettings(rest_lag_s=5.0))
    account.go_live(USD="1500", BTC="0.4")
    account.move(delta("USD", "100"))
    account.wait(6.0)

    assert account.read(USD="1500", BTC="0.4").disputed == ("USD",)
