"""The ledger of a simulated account, and the short past it can answer from."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from holdfast.simulators.core.history import History
from holdfast.simulators.core.ledger import AccountLedger, Posting


def new_ledger(keep_s: float = 100.0) -> AccountLedger:
    numbers = itertools.count(1)
    return AccountLedger(next_id=lambda: f"L{next(numbers)}", keep_s=keep_s)


def post(ledger: AccountLedger, row: str, amount: str, *, fee: str = "0", now_s: float = 0.0) -> None:
    leg = Posting(row=row, amount=Decimal(amount), fee=Decimal(fee), kind="deposit")
    ledger.post([leg], ref="R", at_us=0, now_s=now_s)


def test_balance_is_the_sum_of_amounts_less_fees() -> None:
    ledger = new_ledger()
    post(ledger, "USD", "100", fee="1.5")
    post(ledger, "USD", "-20", fee="0.25")
    assert ledger.balances == {"USD": Decimal("78.25")}
    assert [entry.balance for entry in ledger.entries] == [Decimal("98.5"), Decimal("78.25")]


def test_legs_of_one_event_share_a_reference_and_have_ids_of_their_own() -> None:
    ledger = new_ledger()
    legs = [Posting(row=row, amount=Decimal(1), kind="trade") for row in ("USD", "BTC", "USD")]
    entries = ledger.post(legs, ref="T1", at_us=5, now_s=0.0)
    assert {entry.ref for entry in entries} == {"T1"}
    assert [entry.id for entry in entries] == ["L1", "L2", "L3"]
    assert entries[2].balance == 2


def test_touched_row_is_zero_and_untouched_row_is_absent() -> None:
    ledger = new_ledger()
    ledger.touch("DOGE")
    assert ledger.rows.balances == {"DOGE": Decimal(0)}
    post(ledger, "DOGE", "5")
    ledger.touch("DOGE")
    assert ledger.rows.balances == {"DOGE": Decimal(5)}


def test_past_is_what_was_true_then_without_rows_that_came_later() -> None:
    ledger = new_ledger()
    post(ledger, "USD", "10", now_s=1.0)
    ledger.hold("USD", Decimal(4), now_s=2.0)
    post(ledger, "BTC", "1", now_s=3.0)
    post(ledger, "USD", "-3", now_s=4.0)
    assert ledger.rows_at(0.5).balances == {}
    assert ledger.rows_at(1.0).balances == {"USD": Decimal(10)}
    assert ledger.rows_at(1.0).holds == {}
    assert ledger.rows_at(3.5).balances == {"USD": Decimal(10), "BTC": Decimal(1)}
    assert ledger.rows_at(9.0).balances == ledger.balances
    assert ledger.rows_at(9.0, holds_at_s=1.0).holds == {}
    assert ledger.rows_at(2.0).holds == {"USD": Decimal(4)}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 3)), max_size=40), st.integers(0, 130)
)
def test_history_rewinds_to_every_moment(changes: list[tuple[str, int, int]], looked_at: int) -> None:
    history: History[str, int] = History(keep_s=1000.0)
    current: dict[str, int] = {}
    pictures = [(-1.0, dict(current))]
    now_s = 0.0
    for key, value, wait in changes:
        now_s += wait
        history.note(key, current.get(key), now_s=now_s)
        current[key] = value
        pictures.append((now_s, dict(current)))
    expected = [picture for at_s, picture in pictures if at_s <= looked_at][-1]
    assert history.rewind(current, to_s=float(looked_at)) == expected


def test_history_forgets_what_is_too_old() -> None:
    history: History[str, int] = History(keep_s=10.0)
    history.note("a", None, now_s=0.0)
    history.note("a", 1, now_s=20.0)
    assert history.rewind({"a": 2}, to_s=5.0) == {"a": 1}
