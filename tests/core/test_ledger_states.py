"""Live, fresh, stale, unknown: what is needed for each, what ends it at once, and what brings it back."""

from __future__ import annotations

import pytest

from holdfast.core.balances import BalanceState
from holdfast.core.changes import NOTHING
from holdfast.core.ledger import LedgerSettings, WantKind
from holdfast.core.venue import Channel
from tests.core.statements import Account, delta, order, pushed


def live() -> Account:
    """1500 USD and 0.4 BTC, live, two seconds old."""
    account = Account()
    account.go_live(USD="1500", BTC="0.4")
    account.wait(2.0)
    return account


def test_live_figure_is_as_young_as_the_last_frame() -> None:
    account = live()
    account.wait(20.0)

    assert account.label("USD") == "live"
    assert account["USD"].age_s == 0.0
    account.now_s += 0.4
    assert account["USD"].age_s == pytest.approx(0.4)


def test_silence_ends_live_within_the_proof_and_fresh_within_the_age() -> None:
    account = live()
    account.is_heard = False

    account.now_s += 5.0
    assert account.label("USD") == "live"
    account.now_s += 0.1
    assert account.label("USD") == "fresh"
    account.now_s += 25.0
    assert account.label("USD") == "stale age"
    assert account.figures("USD") == "1500 0 1500"


def test_first_frame_after_a_silence_proves_nothing_of_the_time_before() -> None:
    account = live()
    account.now_s += 600.0  # The process was stopped; the kernel kept the frames.

    account.ledger.prove(account.now_s)

    assert account.label("USD") == "stale silent"
    assert account.ledger.next_due_s() is not None
    outcome = account.tick()
    assert outcome.invalidated == "silent"
    assert [want.reason for want in outcome.wants] == ["silent"]
    assert account.tick().invalidated is None
    assert account.ledger.next_due_s() is None
    assert "silent" in account.wanted(WantKind.READ_BALANCES)
    account.ledger.prove(account.now_s + 0.1)
    assert account.label("USD") == "stale silent"
    account.wait(1.0)
    account.read(USD="1500", BTC="0.4")
    assert account.label("USD") == "live"


def test_silence_before_anything_was_stated_invalidates_nothing() -> None:
    account = Account()
    account.read(USD="1500")
    account.now_s += 7.0

    account.ledger.prove(account.now_s)

    assert account.label("USD") == "fresh"
    assert account.ledger.next_due_s() is None


@pytest.mark.parametrize("channel", list(Channel))
def test_gap_ends_live_and_fresh_at_once_and_deltas_after_it_are_refused(channel: Channel) -> None:
    account = live()

    outcome = account.ledger.lose_channel(channel, "gap", now_s=account.now_s)

    assert outcome.invalidated == "gap"
    assert account.label("USD") == account.label("NEVER") == "stale gap"
    refused = account.move(delta("USD", "1")) if channel is Channel.BALANCES else account.place(order("O1", "1"))
    assert refused.refused == "before_snapshot"
    assert account.figures("USD") == "1500 0 1500"


@pytest.mark.parametrize("order_of_healing", ["snapshot first", "read first"])
def test_gap_is_healed_by_a_snapshot_and_a_read_asked_for_after_it(order_of_healing: str) -> None:
    account = live()
    asked_s = account.now_s - 0.5
    account.ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)
    account.wait(0.3)

    assert account.read_late(asked_s, USD="1500", BTC="0.4").refused == "outdated"
    assert account.label("USD") == "stale gap"
    if order_of_healing == "snapshot first":
        account.push(USD="1499", BTC="0.4")
        assert account.label("USD") == "stale gap"
        account.read(USD="1499", BTC="0.4")
    else:
        account.read(USD="1499", BTC="0.4")
        assert account.label("USD") == "fresh"
        account.push(USD="1499", BTC="0.4")
        assert account.label("USD") == "fresh"
        account.read(USD="1499", BTC="0.4")
    assert account.label("USD") == "live"
    assert account.figures("USD") == "1499 0 1499"


def test_lost_stream_leaves_last_known_good_stale_and_rest_takes_over() -> None:
    account = live()
    account.is_heard = False

    outcome = account.ledger.lose_stream("closed", now_s=account.now_s)

    assert outcome.invalidated == "closed"
    assert account.label("USD") == "stale closed"
    assert account.figures("USD") == "1500 0 1500"
    account.wait(1.0)
    account.read(USD="1400", BTC="0.4")
    assert account.label("USD") == "fresh"
    assert account.figures("USD") == "1400 0 1400"


def test_age_of_a_lost_stream_runs_from_its_last_proof() -> None:
    account = live()
    account.is_heard = False
    account.now_s += 4.0
    account.ledger.lose_stream("silent", now_s=account.now_s)

    assert account["USD"].age_s == 4.0


@pytest.mark.parametrize("channel", list(Channel))
def test_frame_that_shows_a_break_proves_nothing_of_the_time_since_the_one_before(channel: Channel) -> None:
    account = live()
    account.now_s += 3.0
    account.ledger.prove(account.now_s)

    account.ledger.lose_channel(channel, "gap", now_s=account.now_s)

    assert account["USD"].age_s == 3.0


def test_states_are_those_of_the_balances() -> None:
    account = live()
    account.ledger.invalidate("insufficient_funds", now_s=account.now_s, assets=["USD"])
    account.ledger.explain(["NEVER"], now_s=account.now_s)

    balances = account.ledger.balances(now_s=account.now_s)
    assert account.ledger.states(now_s=account.now_s) == {asset: each.state for asset, each in balances.items()}
    assert len(set(account.ledger.states(now_s=account.now_s).values())) == 2


def test_connection_that_never_stated_anything_takes_nothing_with_it() -> None:
    account = Account()
    account.read(USD="1500")

    assert account.ledger.lose_stream("no_snapshot", now_s=account.now_s).invalidated is None
    assert account.label("USD") == "fresh"


def test_reconnected_stream_is_live_only_after_snapshot_and_read() -> None:
    account = live()
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.wait(3.0)
    account.push_orders()
    account.push(USD="1450", BTC="0.4")
    assert account.label("USD") == "stale closed"
    assert account.figures("USD") == "1450 0 1450"

    account.read(USD="1450", BTC="0.4")

    assert account.label("USD") == "live"


@pytest.mark.parametrize("reason", ["insufficient_funds", "clock_jump", "suspended"])
def test_invalidation_counts_at_once_and_ends_with_a_figure_asked_for_later(reason: str) -> None:
    account = live()
    asked_s = account.now_s - 0.1

    outcome = account.ledger.invalidate(reason, now_s=account.now_s)

    assert outcome.invalidated == reason
    assert [want.reason for want in outcome.wants] == [reason]
    assert account.label("USD") == account.label("NEVER") == f"stale {reason}"
    assert account.move(delta("USD", "1")).refused is None  # A delta moves the figure, and proves nothing.
    assert account.label("USD") == f"stale {reason}"
    assert account.read_late(asked_s, USD="1500", BTC="0.4").refused == "outdated"
    account.wait(0.5)
    account.read(USD="1501", BTC="0.4")
    assert account.label("USD") == "live"


def test_invalidation_of_one_asset_leaves_the_others_alone() -> None:
    account = live()

    account.ledger.invalidate("insufficient_funds", now_s=account.now_s, assets=["USD"])

    assert account.label("USD") == "stale insufficient_funds"
    assert account.label("BTC") == "live"
    # An answer asked for before is still good for the others.
    account.read_late(account.now_s - 0.1, USD="1500", BTC="0.4")
    assert account.label("USD") == "stale insufficient_funds"
    assert account.label("BTC") == "live"
    account.read(USD="1500", BTC="0.4")
    assert account.label("USD") == "live"


def test_invalidation_at_the_very_moment_of_the_last_statement_counts() -> None:
    account = Account()
    account.go_live(USD="1500")

    account.ledger.invalidate("insufficient_funds", now_s=account.now_s)

    assert account.label("USD") == "stale insufficient_funds"
    account.read(USD="1500")
    assert account.label("USD") == "live"
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.read(USD="1400")
    assert account.label("USD") == "fresh"


def test_new_snapshot_that_was_asked_for_suspends_live_without_invalidating() -> None:
    account = live()

    outcome = account.ledger.await_snapshot(Channel.BALANCES, now_s=account.now_s)

    assert outcome.invalidated is None
    assert account.label("USD") == "fresh"
    assert account.move(delta("USD", "1")).refused == "before_snapshot"
    account.push(USD="1500", BTC="0.4")
    assert account.label("USD") == "fresh"
    account.read(USD="1500", BTC="0.4")
    assert account.label("USD") == "live"


def test_delta_before_any_snapshot_is_refused_and_counted() -> None:
    account = Account()

    assert account.move(delta("USD", "1")).refused == "before_snapshot"
    assert account.ledger.refusals["balances", "before_snapshot"] == 1
    assert account.label("USD") == "unknown never_stated"


def test_second_snapshot_in_mid_stream_replaces_and_deltas_go_on_top_of_it() -> None:
    account = live()
    account.move(delta("USD", "5"))

    account.push(USD="1300", BTC="0.4")
    account.move(delta("USD", "7"))

    assert account.figures("USD") == "1307 0 1307"


def test_asset_that_first_appears_in_a_delta_begins_at_its_proven_zero() -> None:
    account = live()

    (change,) = account.move(delta("SOL", "2.5", as_of_s=account.now_s)).changes

    assert change.asset == "SOL"
    assert account.figures("SOL") == "2.5 0 2.5"
    assert account.label("SOL") == "live"
    assert account.label("DOGE") == "live"
    assert account.figures("DOGE") == "0 0 0"


def test_deposit_is_seen_on_the_frame_that_brings_it_in_any_number_of_assets() -> None:
    account = Account()
    account.go_live(**{f"A{number}": "1" for number in range(300)})

    account.move(delta("A7", "1"))

    assert account.figures("A7") == "2 0 2"
    assert sum(balance.total or 0 for balance in account.ledger.balances(now_s=account.now_s).values()) == 301


def test_frame_after_the_first_of_a_burst_wants_nothing_new() -> None:
    account = live()

    assert [want.reason for want in account.move(delta("USD", "1")).wants] == ["moved"]
    second = account.move(delta("USD", "1"))
    assert second.wants == ()
    assert len(second.changes) == 1
    account.wait(10.0)
    account.read(USD="1502", BTC="0.4")
    assert account.wanted(WantKind.READ_BALANCES) == []
    assert [want.reason for want in account.move(delta("USD", "1")).wants] == ["moved"]


def test_short_path_and_long_path_of_a_delta_agree() -> None:
    short, long = live(), live()
    for account in (short, long):
        account.move(delta("BTC", "0.1"))  # From here on the short path is open.
    for change in ("25.5", "-10", "0.000000001", "-3"):
        short.move(delta("USD", change, as_of_s=short.now_s))
        total = long["USD"].total
        assert total is not None
        stated = str(total + delta("USD", change).change)
        long.move(delta("USD", change, as_of_s=long.now_s, total=stated))  # A stated total takes the long one.

    assert short["USD"] == long["USD"]
    assert short.read(USD="1512.500000001", BTC="0.5") == long.read(USD="1512.500000001", BTC="0.5")


def test_settings_of_a_quieter_venue_allow_a_longer_silence() -> None:
    account = Account(LedgerSettings(proof_within_s=20.0))
    account.go_live(USD="1500")
    account.now_s += 19.0

    assert account.label("USD") == "live"


def test_state_hash_is_the_same_before_and_after_everything_that_is_refused() -> None:
    account = live()
    account.ledger.lose_channel(Channel.BALANCES, "gap", now_s=account.now_s)
    account.wait(1.0)
    before = account.picture()
    deltas = [delta("USD", "5"), delta("BTC", "-1", ref="T1", is_leg=True)]

    for _ in range(3):
        account.ledger.move(deltas, now_s=account.now_s)
        account.read_late(account.now_s - 30.0, USD="1")
        account.ledger.refuse("balances", "truncated", now_s=account.now_s)

    assert account.picture() == before


def test_nothing_to_do_is_nothing() -> None:
    account = live()

    assert account.tick() == NOTHING
    assert account.ledger.next_due_s() is None


def test_balance_is_a_value_that_later_statements_do_not_touch() -> None:
    account = live()
    before = account["USD"]

    account.move(delta("USD", "1"))

    assert before.total == 1500
    assert account["USD"].total == 1501


def test_unknown_stays_unknown_through_everything_that_states_nothing_of_it() -> None:
    account = Account()
    account.ledger.invalidate("clock_jump", now_s=account.now_s)
    account.ledger.prove(account.now_s)
    account.push_orders(order("O1", "5"))
    account.place(order("O2", "5", "BTC"))
    account.ledger.explain(["BTC"], now_s=account.now_s)
    account.ledger.lose_stream("closed", now_s=account.now_s)
    account.wait(3.0)

    for asset in ("USD", "BTC", "NEVER"):
        balance = account[asset]
        assert balance.state is BalanceState.UNKNOWN
        assert (balance.total, balance.held, balance.available, balance.spendable) == (None,) * 4
    assert account.ledger.balances(now_s=account.now_s) == {}


def test_snapshot_from_the_stream_that_states_nothing_new_confirms_the_total() -> None:
    account = live()
    account.wait(3.0)

    outcome = account.ledger.state_snapshot(pushed(account.now_s, USD="1500", BTC="0.4"), now_s=account.now_s)

    assert outcome.changes == ()
    assert account.figures("USD") == "1500 0 1500"
