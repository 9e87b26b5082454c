"""Answers that are well-formed and hard to believe: put aside until a different read, later, says the same."""

from __future__ import annotations

import pytest

from holdfast.core.ledger import LedgerSettings, WantKind
from tests.core.statements import Account, delta, holding, order

FUNDED = {"USD": "1500.25 400 1100.25", "BTC": "0.4", "SOL": "12.5"}


def funded() -> Account:
    """An account read by REST alone, a while ago."""
    account = Account()
    account.read(**FUNDED)
    account.wait(15.0)
    return account


def test_first_answer_without_money_leaves_everything_unknown() -> None:
    account = Account()

    outcome = account.read()

    assert outcome.suspect == "suspect_empty"
    assert outcome.changes == ()
    assert account.label("USD") == "unknown suspect_empty"
    assert not account.ledger.has_complete_picture()
    (want,) = outcome.wants
    assert (want.kind, want.other_than, want.not_before_s) == (
        WantKind.READ_BALANCES,
        "BalanceEx",
        account.now_s + 1.0,
    )


@pytest.mark.parametrize("second", ["Balance", "balances"])
def test_never_funded_account_is_proven_zero_once_a_different_read_agrees(second: str) -> None:
    account = Account()
    account.read()
    account.wait(1.0)

    outcome = account.push() if second == "balances" else account.read(read=second)

    assert outcome.confirmed == "suspect_empty"
    assert account.figures("USD") == "0 0 0"
    assert account.label("USD") == "fresh"
    assert account.ledger.has_complete_picture()
    assert account.ledger.wants == () or second == "balances"


def test_never_funded_account_goes_live_like_any_other() -> None:
    account = Account()
    account.push_orders()
    account.push()
    account.read()
    account.wait(1.0)
    account.read(read="Balance")
    account.read()

    assert account.label("USD") == "live"
    assert account.figures("USD") == "0 0 0"


def test_repeating_the_same_read_confirms_nothing() -> None:
    account = funded()
    before = account.picture()

    for _ in range(5):
        assert account.read().suspect == "suspect_empty"
        account.wait(2.0)

    assert {asset: each.total for asset, each in account.picture().items()} == {
        asset: each.total for asset, each in before.items()
    }
    assert account.label("USD") == "stale suspect_empty"


def test_agreement_within_the_same_second_confirms_nothing_yet() -> None:
    account = funded()
    account.read()
    account.wait(0.5)

    assert account.read(read="Balance").suspect == "suspect_empty"
    assert account.figures("USD") == "1500.25 400 1100.25"
    account.wait(0.5)
    assert account.read(read="Balance").confirmed == "suspect_empty"
    assert account.figures("USD") == "0 0 0"


def test_empty_answer_out_of_the_blue_keeps_every_figure_and_its_time() -> None:
    account = funded()
    before = account.picture()

    account.read()

    for asset, balance in account.picture().items():
        assert (balance.total, balance.held, balance.available, balance.age_s) == (
            before[asset].total,
            before[asset].held,
            before[asset].available,
            before[asset].age_s,
        )
        assert account.label(asset) == "stale suspect_empty"


def test_all_zero_rows_are_as_suspect_as_no_rows() -> None:
    account = funded()

    assert account.read(USD="0", BTC="0.00000", SOL="0").suspect == "suspect_empty"
    assert account.figures("BTC") == "0.4 0 0.4"


def test_dismissal_by_the_same_read_restores_trust_at_once() -> None:
    account = funded()
    account.read()

    outcome = account.read(**FUNDED)

    assert outcome.dismissed == "suspect_empty"
    assert account.label("USD") == "fresh"
    assert account.wanted(WantKind.READ_BALANCES) == []


def test_disagreeing_read_dismisses_and_is_itself_judged() -> None:
    account = funded()
    account.read()
    account.wait(1.0)

    outcome = account.read(read="Balance", USD="1500.25", BTC="0.4")

    assert outcome.dismissed == "suspect_empty"
    assert outcome.suspect == "suspect_vanished"
    assert outcome.suspect_assets == ("SOL",)


def test_known_empty_account_may_be_empty_again_without_suspicion() -> None:
    account = Account()
    account.read()
    account.wait(1.0)
    account.read(read="Balance")
    account.wait(15.0)

    assert account.read().suspect is None
    assert account.label("USD") == "fresh"


def test_vanished_asset_alone_is_in_doubt_and_nothing_of_the_answer_is_applied() -> None:
    account = funded()

    outcome = account.read(USD="1400", BTC="0.4")

    assert (outcome.suspect, outcome.suspect_assets) == ("suspect_vanished", ("SOL",))
    assert account.label("SOL") == "stale suspect_vanished"
    assert account.label("USD") == "fresh"
    assert account.figures("USD") == "1500.25 400 1100.25"


@pytest.mark.parametrize("worse", [{}, {"USD": "1500.25"}], ids=["nothing", "BTC gone too"])
def test_second_answer_with_more_to_doubt_confirms_nothing(worse: dict[str, str]) -> None:
    account = funded()
    account.read(USD="1500.25 400 1100.25", BTC="0.4")
    account.wait(2.0)

    outcome = account.read(read="Balance", **worse)

    assert (outcome.confirmed, outcome.dismissed) == (None, "suspect_vanished")
    assert outcome.suspect in {"suspect_empty", "suspect_vanished"}
    assert account.figures("BTC") == "0.4 0 0.4"
    assert account.figures("SOL") == "12.5 0 12.5"


def test_explained_vanishing_is_not_suspect() -> None:
    account = funded()
    account.ledger.explain(["SOL"], now_s=account.now_s)

    assert account.read(USD="1500.25 400 1100.25", BTC="0.4").suspect is None
    assert account.figures("SOL") == "0 0 0"


def traded() -> Account:
    """An account without balance pushes whose order was just filled in part."""
    account = Account()
    account.push_orders(order("O1", "0.4", "BTC"))
    account.read(USD="100", BTC="0.4 0.4 0")
    account.fill("O1", "T1", left=order("O1", "0.1", "BTC"))
    return account


def test_own_fill_explains_that_everything_moved() -> None:
    account = traded()

    assert account.read(USD="3100", BTC="0.1 0.1 0").suspect is None
    assert account.figures("BTC") == "0.1 0.1 0"


@pytest.mark.parametrize("lie", [{}, {"USD": "3100"}, {"BTC": "0.1 0.1 0"}], ids=["empty", "no BTC", "no USD"])
def test_own_fill_does_not_explain_that_anything_is_gone(lie: dict[str, str]) -> None:
    account = traded()

    assert account.read(**lie).suspect in {"suspect_empty", "suspect_vanished"}
    assert account.figures("USD") == "100 0 100"


def test_jump_of_everything_is_suspect_and_confirmed_by_the_other_read() -> None:
    account = funded()

    outcome = account.read(USD="3", BTC="7", SOL="1")

    assert outcome.suspect == "suspect_jump"
    assert account.figures("USD") == "1500.25 400 1100.25"
    assert account.label("USD") == account.label("NEVER") == "stale suspect_jump"
    account.wait(1.0)
    assert account.read(read="Balance", USD="3", BTC="7", SOL="1").confirmed == "suspect_jump"
    assert account.figures("USD") == "3 0 3"
    assert account.label("USD") == "fresh"


def test_change_of_all_but_one_asset_is_no_jump() -> None:
    account = funded()

    assert account.read(USD="3", BTC="7", SOL="12.5").suspect is None
    assert account.figures("USD") == "3 0 3"


def test_single_asset_may_change_by_itself() -> None:
    account = Account()
    account.read(USD="10")

    assert account.read(USD="3").suspect is None
    assert account.figures("USD") == "3 0 3"


def test_account_that_moves_from_read_to_read_is_followed_after_bounded_attempts() -> None:
    account = Account(LedgerSettings(confirm_attempts=3))
    account.read(USD="10", BTC="1")

    suspects = []
    for step in range(1, 6):
        account.wait(1.0)
        read = "Balance" if step % 2 == 0 else "BalanceEx"
        suspects.append(account.read(read=read, USD=str(10 + step), BTC=str(1 + step)).suspect)
        if suspects[-1] is None:
            break

    assert suspects == ["suspect_jump"] * 3 + [None]


def test_live_stream_that_agrees_on_zero_explains_it() -> None:
    account = Account()
    account.go_live(USD="100", BTC="0.4")
    account.move(delta("BTC", "-0.4", as_of_s=account.now_s))

    assert account.read(USD="100").suspect is None
    assert account.label("BTC") == "live"
    assert account.figures("BTC") == "0 0 0"


def test_stream_that_catches_up_with_a_suspect_answer_confirms_it() -> None:
    account = Account()
    account.go_live(USD="100", BTC="0.4")
    account.wait(20.0)
    assert account.read(USD="100").suspect == "suspect_vanished"

    outcome = account.move(delta("BTC", "-0.4", as_of_s=account.now_s))

    assert outcome.confirmed == "suspect_vanished"
    assert account.label("BTC") == "live"
    assert account.figures("BTC") == "0 0 0"
    account.wait(290.0)
    assert account.label("BTC") == "live"  # The answer was an anchor after all.


def test_empty_stream_snapshot_is_put_aside_and_its_deltas_move_nothing() -> None:
    account = funded()
    account.push_orders()

    assert account.push().suspect == "suspect_empty"
    account.move(delta("USD", "5", as_of_s=account.now_s))

    assert account.figures("USD") == "1500.25 400 1100.25"
    assert account.label("USD") == "stale suspect_empty"
    # The stream may still be right: until it is contradicted, nothing it denies is spent.
    assert account["BTC"].spendable == 0


def test_empty_stream_snapshot_that_rest_contradicts_is_asked_for_again() -> None:
    account = funded()
    account.push_orders()
    account.push()
    account.wait(1.0)

    outcome = account.read(**FUNDED)

    assert outcome.dismissed == "suspect_empty"
    assert account.wanted(WantKind.RESUBSCRIBE) == ["contradicted"]
    assert account.label("USD") == "fresh"
    account.push(USD="1500.25", BTC="0.4", SOL="12.5")
    assert account.wanted(WantKind.RESUBSCRIBE) == []
    account.read(**FUNDED)
    assert account.label("USD") == "live"


def test_suspect_stream_snapshot_is_believed_with_its_deltas_once_rest_agrees() -> None:
    account = funded()
    account.push_orders()
    assert account.push(USD="3", BTC="7", SOL="1").suspect == "suspect_jump"
    account.move(delta("SOL", "1.5", as_of_s=account.now_s))
    account.wait(1.0)

    outcome = account.read(USD="3", BTC="7", SOL="2.5")

    assert outcome.confirmed == "suspect_jump"
    assert account.figures("SOL") == "2.5 0 2.5"
    assert account.label("SOL") == "live"


def test_suspicion_survives_a_lost_stream() -> None:
    account = funded()
    account.read()

    account.ledger.lose_stream("closed", now_s=account.now_s)

    assert account.label("USD") == "stale suspect_empty"


def test_restored_money_is_not_zeroed_by_one_empty_answer() -> None:
    account = Account()
    account.ledger.restore({"USD": holding("USD", "10 0 10")}, now_s=account.now_s)

    assert account.read().suspect == "suspect_empty"
    assert account.figures("USD") == "10 0 10"
