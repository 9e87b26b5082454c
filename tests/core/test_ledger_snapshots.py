"""Complete and partial statements: what is zero, what is unknown, what is older, what never moves a figure."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from holdfast.core.balances import BalanceState, Holding, Snapshot, Source
from holdfast.core.ledger import LedgerSettings, WantKind
from holdfast.errors import InvariantError
from tests.core.statements import Account, delta, holding, part, pushed, rest


def test_nothing_stated_is_unknown_and_not_zero() -> None:
    balance = Account()["USD"]

    assert balance.state is BalanceState.UNKNOWN
    assert (balance.total, balance.held, balance.available, balance.spendable, balance.age_s) == (None,) * 5
    assert balance.reason == "never_stated"
    assert Account().ledger.balances(now_s=0.0) == {}


def test_first_complete_answer_makes_named_assets_fresh_and_all_others_proven_zero() -> None:
    account = Account()

    account.read(USD="1500.25 400 1100.25")

    assert account.figures("USD") == "1500.25 400 1100.25"
    assert account.label("USD") == "fresh"
    assert account["USD"].source is Source.REST
    assert account.figures("DOGE") == "0 0 0"
    assert account.label("DOGE") == "fresh"
    assert account.ledger.has_complete_picture()
    assert list(account.ledger.balances(now_s=account.now_s)) == ["USD"]


def test_partial_answer_says_nothing_about_other_assets() -> None:
    account = Account()

    account.ledger.state_partial(part(account.now_s, USD="10 0 10"), now_s=account.now_s)

    assert account.figures("USD") == "10 0 10"
    assert account.label("BTC") == "unknown never_stated"
    assert not account.ledger.has_complete_picture()


def test_partial_answer_touches_only_what_it_names() -> None:
    account = Account()
    account.read(USD="10", BTC="2")
    account.wait(5.0)

    outcome = account.ledger.state_partial(part(account.now_s, USD="12 0 12"), now_s=account.now_s)

    assert [change.asset for change in outcome.changes] == ["USD"]
    assert account.figures("USD") == "12 0 12"
    assert account["USD"].age_s == 0.0
    assert account["BTC"].age_s == 5.0


def test_partial_zero_is_a_statement_and_is_applied() -> None:
    account = Account()
    account.read(USD="10", BTC="2")

    account.ledger.state_partial(part(account.now_s, BTC="0 0 0"), now_s=account.now_s)

    assert account.figures("BTC") == "0 0 0"
    assert account.label("BTC") == "fresh"


def test_genuine_zero_beside_other_money_is_applied_once_a_different_read_agrees() -> None:
    account = Account()
    account.read(USD="10", BTC="2")
    account.wait(15.0)

    assert account.read(USD="10").suspect == "suspect_vanished"
    account.wait(1.0)
    assert account.read(read="Balance", USD="10").confirmed == "suspect_vanished"

    assert account.figures("BTC") == "0 0 0"
    assert account.label("BTC") == "fresh"


def test_answer_that_cannot_speak_of_an_asset_does_not_make_it_zero() -> None:
    account = Account()
    account.read(USD="10", DOT="5 0 0")

    account.ledger.state_snapshot(pushed(account.now_s, omits="DOT", USD="10"), now_s=account.now_s)

    assert account.figures("DOT") == "5 0 0"
    assert (
        account.ledger.state_snapshot(rest(account.now_s, omits="DOT", USD="10"), now_s=account.now_s).suspect is None
    )
    assert account.figures("DOT") == "5 0 0"


def test_asset_the_stream_cannot_speak_of_is_fresh_by_rest_and_never_live() -> None:
    account = Account()
    account.push_orders()
    account.ledger.state_snapshot(pushed(account.now_s, omits="DOT", USD="10"), now_s=account.now_s)
    account.is_heard = True
    account.read(USD="10", DOT="5 0 0")

    assert account.label("USD") == "live"
    assert account.label("DOT") == "fresh"
    account.wait(31.0)
    assert account.label("DOT") == "stale age"
    account.move(delta("DOT", "-1", as_of_s=account.now_s))
    assert account.figures("DOT") == "4 0 -1"


def test_answer_asked_before_a_later_accepted_one_never_downgrades() -> None:
    account = Account()
    account.read(USD="10")
    account.wait(3.0)
    account.read(USD="7")
    before = account.picture()

    assert account.read_late(account.now_s - 2.0, USD="10").refused == "outdated"
    assert account.picture() == before


def test_partial_answer_asked_before_everything_older_stopped_counting_is_refused() -> None:
    account = Account()
    account.read(USD="10")
    asked_s = account.now_s
    account.wait(1.0)
    account.ledger.invalidate("clock_jump", now_s=account.now_s)

    assert account.ledger.state_partial(part(asked_s, USD="9 0 9"), now_s=account.now_s).refused == "outdated"
    assert account.figures("USD") == "10 0 10"
    assert account.ledger.state_partial(part(account.now_s, USD="9 0 9"), now_s=account.now_s).refused is None
    assert account.label("USD") == "fresh"


def test_older_answer_about_one_asset_never_downgrades_it() -> None:
    account = Account()
    account.read(USD="10", BTC="2")
    account.wait(3.0)
    account.ledger.state_partial(part(account.now_s, USD="7 0 7"), now_s=account.now_s)

    account.read_late(account.now_s - 2.0, USD="10", BTC="3")

    assert account.figures("USD") == "7 0 7"
    assert account.figures("BTC") == "3 0 3"


def dated(account: Account, venue_time_s: float, **totals: str) -> Snapshot:
    """A REST answer that carries the venue's own time."""
    return msgspec.structs.replace(rest(account.now_s, **totals), venue_time_s=venue_time_s)


def test_answer_that_the_venue_dates_earlier_is_an_old_one_out_of_a_cache() -> None:
    account = Account()
    account.ledger.state_snapshot(dated(account, 500.0, USD="10"), now_s=account.now_s)
    account.wait(10.0)
    before = account.picture()

    assert account.ledger.state_snapshot(dated(account, 499.0, USD="9"), now_s=account.now_s).refused == "cached"
    assert account.ledger.state_snapshot(dated(account, 500.0, USD="10"), now_s=account.now_s).refused == "cached"
    assert account.picture() == before
    assert account.ledger.state_snapshot(dated(account, 510.0, USD="9"), now_s=account.now_s).refused is None
    assert account.figures("USD") == "9 0 9"


def test_two_answers_of_one_second_may_carry_one_date() -> None:
    account = Account()
    account.ledger.state_snapshot(dated(account, 500.0, USD="10"), now_s=account.now_s)
    account.wait(0.5)

    assert account.ledger.state_snapshot(dated(account, 500.0, USD="9"), now_s=account.now_s).refused is None


@pytest.mark.parametrize("amount", [1.5, "1.5", 1, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")])
def test_amount_that_is_no_exact_decimal_stops_the_account(amount: object) -> None:
    account = Account()
    account.go_live(USD="10")
    bad = {"USD": msgspec.structs.replace(holding("USD", "1 0 1"), available=amount)}
    before = account.picture()

    with pytest.raises(InvariantError):
        account.ledger.state_snapshot(msgspec.structs.replace(rest(0.0), holdings=bad), now_s=account.now_s)
    with pytest.raises(InvariantError):
        account.ledger.state_partial(msgspec.structs.replace(part(0.0), holdings=bad), now_s=account.now_s)
    if isinstance(amount, Decimal):
        with pytest.raises(InvariantError):
            account.move(msgspec.structs.replace(delta("USD", "1"), change=amount))
    assert account.picture() == before


def test_refused_answer_changes_no_figure_and_no_age_and_is_counted() -> None:
    account = Account()
    account.read(USD="1500.25 400 1100.25", BTC="0.4")
    account.wait(4.0)
    before = account.picture()

    for reason in ("truncated", "nan", "html", "truncated"):
        account.ledger.refuse("BalanceEx", reason, now_s=account.now_s)

    assert account.picture() == before
    assert account.ledger.refusals["BalanceEx", "truncated"] == 2
    assert account.ledger.refusals["BalanceEx", "html"] == 1


def test_age_runs_from_the_request_and_is_worked_out_when_asked() -> None:
    account = Account()
    account.wait(2.0)
    account.read_late(account.now_s - 1.5, USD="10")

    assert account["USD"].age_s == 1.5
    account.now_s += 28.5  # Nothing ticked: the loop was blocked.
    assert account.label("USD") == "fresh"
    account.now_s += 0.1
    assert account.label("USD") == "stale age"
    assert account.figures("USD") == "10 0 10"


def test_age_is_never_negative_even_when_the_statement_is_from_the_future() -> None:
    account = Account()
    account.read_late(account.now_s + 3.0, USD="10")

    assert account["USD"].age_s == 0.0


def test_venue_without_balance_stream_is_fresh_at_best_and_its_stream_is_not_believed() -> None:
    account = Account(pushes_balances=False)

    assert account.push(USD="10").refused == "not_pushed"
    account.read(USD="10")
    assert account.label("USD") == "fresh"
    assert account.move(delta("USD", "1")).refused == "before_snapshot"


def test_restored_figures_are_stale_without_age_until_a_read_confirms_them() -> None:
    account = Account()
    kept = {"USD": Holding(asset="USD", total=Decimal("10"), held=Decimal("2"), available=Decimal("8"))}

    outcome = account.ledger.restore(kept, now_s=account.now_s)

    assert account.label("USD") == "stale restored"
    assert account["USD"].age_s is None
    assert account["USD"].source is None
    assert account.figures("USD") == "10 2 8"
    assert account.label("BTC") == "unknown never_stated"
    assert [(change.kind, change.is_money) for change in outcome.changes] == [("restored", False)]

    confirmed = account.read(USD="10 2 8")
    assert account.label("USD") == "fresh"
    assert [(change.kind, change.is_money) for change in confirmed.changes] == [("snapshot", False)]


def test_restored_figures_never_replace_what_was_stated_since() -> None:
    account = Account()
    account.read(USD="10")

    account.ledger.restore({"USD": Holding(asset="USD", total=Decimal("99"))}, now_s=account.now_s)

    assert account.figures("USD") == "10 0 10"


def test_only_new_figures_are_changes() -> None:
    account = Account()

    assert [change.asset for change in account.read(USD="10", BTC="2").changes] == ["USD", "BTC"]
    account.wait(20.0)
    assert account.read(USD="10", BTC="2").changes == ()
    account.wait(20.0)
    (change,) = account.read(USD="10", BTC="2.5").changes
    assert (change.asset, change.total, change.kind, change.cause) == ("BTC", Decimal("2.5"), "snapshot", "BalanceEx")
    assert change.is_money


@pytest.mark.parametrize(
    ("text", "kind"),
    [("10 12 0", "held_exceeds_total"), ("10 0 11", "available_exceeds_total"), ("-1 0 1", "available_exceeds_total")],
)
def test_contradictory_statement_is_shown_as_stated_recorded_and_never_spent(text: str, kind: str) -> None:
    account = Account()

    outcome = account.read(USD=text)

    assert account.figures("USD") == text
    assert account["USD"].spendable == 0
    assert [found.kind for found in outcome.found] == [kind]
    assert [standing.kind for standing in account.ledger.discrepancies] == [kind]

    first = account.ledger.discrepancies
    account.wait(1.0)
    assert account.read(USD=text).found == ()
    assert account.ledger.discrepancies == first
    account.wait(1.0)
    assert [(ended.kind, ended.how) for ended in account.read(USD="10").resolved] == [(kind, "restated")]
    assert account["USD"].spendable == 10
    assert account.ledger.discrepancies == ()


def test_credit_explains_an_available_above_the_total() -> None:
    account = Account()
    lent = Holding(asset="USD", total=Decimal("10"), held=Decimal("0"), available=Decimal("60"), credit=Decimal("50"))
    snapshot = rest(account.now_s, BTC="1")
    snapshot.holdings["USD"] = lent

    assert account.ledger.state_snapshot(snapshot, now_s=account.now_s).found == ()
    # Money that is lent is shown; what may be promised stays within what is owned.
    assert account.figures("USD") == "10 0 60"
    assert account["USD"].spendable == 10


def test_negative_total_is_shown_as_stated_and_nothing_of_it_is_spendable() -> None:
    account = Account()

    account.read(USD="-3 0 -3", BTC="1")

    assert account.figures("USD") == "-3 0 -3"
    assert account["USD"].spendable == 0


def test_floor_and_reservation_come_off_what_may_be_spent_and_off_nothing_else() -> None:
    account = Account(LedgerSettings(floors={"USD": Decimal("100")}))
    account.read(USD="1500.25 400 1100.25")

    account.ledger.set_reserved("USD", Decimal("250.5"))

    balance = account["USD"]
    assert account.figures("USD") == "1500.25 400 1100.25"
    assert balance.reserved == Decimal("250.5")
    assert balance.spendable == Decimal("749.75")
    assert balance.floor == 100
    assert balance.kept_back == 0
    account.ledger.set_reserved("USD", Decimal("5000"))
    assert account["USD"].spendable == 0


def test_claims_that_came_back_to_nothing_print_as_zero() -> None:
    account = Account()
    account.read(USD="10")
    account.ledger.set_reserved("USD", Decimal("0E-9"))
    assert str(account["USD"].reserved) == "0"


def test_answer_without_holds_confirms_totals_and_asks_for_one_that_has_them() -> None:
    account = Account()

    account.read(read="Balance", USD="10")

    assert account.figures("USD") == "10 ? ?"
    assert account.label("USD") == "stale unanchored"
    assert account["USD"].spendable is None
    assert "unanchored" in account.wanted(WantKind.READ_BALANCES)
    account.read(USD="10 4 6")
    assert account.label("USD") == "fresh"
    assert account.wanted(WantKind.READ_BALANCES) == []


def test_what_the_stream_does_not_speak_of_is_read_before_it_is_too_old() -> None:
    account = Account()
    account.push_orders()
    account.ledger.state_snapshot(pushed(account.now_s, omits="DOT", USD="10"), now_s=account.now_s)
    account.is_heard = True

    def planned() -> list[float]:
        return [want.not_before_s - account.now_s for want in account.ledger.wants if want.reason == "not_streamed"]

    assert planned() == []  # No figure of DOT: nothing that could grow old.
    account.read(USD="10", DOT="5 0 0")
    assert planned() == [15.0]
    account.wait(14.0)
    account.read(read="Balance", USD="10", DOT="5")
    assert planned() == [1.0]  # It left held and available as old as they were.
    account.wait(1.0)
    account.read(USD="10", DOT="5 0 0")
    assert planned() == [15.0]
    account.ledger.lose_stream("silent", now_s=account.now_s)
    account.wait(1.0)
    account.read(USD="10", DOT="5 0 0")
    assert planned() == []  # Without a stream everything is read as often.


def test_first_answer_after_a_restart_counts_no_higher_than_what_was_known_a_moment_before() -> None:
    """A lagging answer would give back what our own fill has just taken."""
    account = Account()
    kept = {name: Holding(asset=name, total=Decimal("10")) for name in ("USD", "EUR", "BTC")}
    account.ledger.restore(kept, {"USD": (Decimal("10"), 1.0)}, now_s=account.now_s)

    account.read(USD="12", EUR="12", BTC="10")

    assert account.figures("USD") == "12 0 12"
    assert account["USD"].spendable == 10
    assert account["EUR"].spendable == 12
    account.wait(account.ledger.settings.rest_lag_s)
    account.read(USD="12", EUR="12", BTC="10")
    assert account["USD"].spendable == 12
