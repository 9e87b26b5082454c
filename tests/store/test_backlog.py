from __future__ import annotations

import threading
import time

from holdfast.core.seams import JournalRow
from holdfast.store.sqlite.backlog import Backlog, Work
from tests.store.rows import confirmation, intent, money, notice


def queued(backlog: Backlog) -> list[tuple[str | None, str | None, bool]]:
    works = backlog.take(max_rows=1_000, wait_s=0)
    return [(row.asset, row.total, row.is_money) for work in works for row in work.rows]


def put(backlog: Backlog, *rows: JournalRow) -> bool:
    return backlog.put(Work(rows=rows)) is not None


def test_works_come_out_in_the_order_they_went_in() -> None:
    backlog = Backlog(max_rows=10)
    for total in "123":
        put(backlog, money("USD", total))

    assert [total for _, total, _ in queued(backlog)] == ["1", "2", "3"]
    assert queued(backlog) == []


def test_money_rows_are_refused_past_the_bound_and_never_dropped() -> None:
    backlog = Backlog(max_rows=3)

    assert [put(backlog, money("USD", str(number))) for number in range(5)] == [True, True, True, False, False]

    assert [total for _, total, _ in queued(backlog)] == ["0", "1", "2"]
    assert put(backlog, money("USD", "5"))


def test_rows_of_one_work_fit_together_or_not_at_all() -> None:
    backlog = Backlog(max_rows=3)
    put(backlog, money("USD", "1"))

    assert not put(backlog, *[money("USD", "2")] * 3)
    assert put(backlog, *[money("USD", "2")] * 2)


def test_a_confirmation_takes_the_place_of_the_waiting_one() -> None:
    backlog = Backlog(max_rows=2)
    first = backlog.put(Work(rows=[confirmation("USD", "1")]))

    receipts = {id(backlog.put(Work(rows=[confirmation("USD", str(number))]))) for number in range(100)}

    assert receipts == {id(first)}
    assert queued(backlog) == [("USD", "99", False)]


def test_confirmations_of_a_hanging_disk_leave_room_for_money() -> None:
    backlog = Backlog(max_rows=4)
    for number in range(1_000):
        put(backlog, confirmation("USD", str(number)))
        put(backlog, confirmation("BTC", str(number)))

    assert put(backlog, money("USD", "m"))
    assert queued(backlog) == [("USD", "999", False), ("BTC", "999", False), ("USD", "m", True)]


def test_a_confirmation_never_overtakes_money_of_its_asset() -> None:
    backlog = Backlog(max_rows=10)
    for row in (confirmation("USD", "1"), money("USD", "2"), confirmation("USD", "2"), confirmation("USD", "2")):
        put(backlog, row)

    assert queued(backlog) == [("USD", "1", False), ("USD", "2", True), ("USD", "2", False)]


def test_a_money_row_is_never_replaced_even_by_its_own_kind() -> None:
    backlog = Backlog(max_rows=10)
    put(backlog, money("USD", "1", kind="snapshot"))
    put(backlog, confirmation("USD", "2"))

    assert queued(backlog) == [("USD", "1", True), ("USD", "2", False)]


def test_notices_are_not_merged() -> None:
    backlog = Backlog(max_rows=10)

    put(backlog, notice("a", asset="USD"))
    put(backlog, notice("b", asset="USD"))

    assert len(queued(backlog)) == 2


def test_intents_count_like_rows_and_are_refused_past_the_bound_with_all_of_their_call() -> None:
    backlog = Backlog(max_rows=5)

    assert backlog.put(Work(intents=[intent("a")], rows=[money("USD", "1")])) is not None
    assert backlog.put(Work(intents=[intent("b"), intent("c")], rows=[money("USD", "2")] * 2)) is None
    assert backlog.put(Work(intents=[intent("b"), intent("c")], rows=[money("USD", "2")])) is not None
    assert backlog.put(Work(intents=[intent("d")])) is None
    assert backlog.put(Work(facts={"halted": None})) is not None

    works = backlog.take(max_rows=1_000, wait_s=0)
    assert [[each.intent_id for each in work.intents] for work in works] == [["a"], ["b", "c"], []]
    assert backlog.put(Work(intents=[intent("d")] * 5)) is not None


def test_intents_are_never_merged() -> None:
    backlog = Backlog(max_rows=10)

    for record in "123":
        backlog.put(Work(intents=[intent("a", record)]))

    works = backlog.take(max_rows=1_000, wait_s=0)
    assert [each.record for work in works for each in work.intents] == ["1", "2", "3"]


def test_a_row_that_belongs_to_an_intent_neither_takes_a_place_nor_gives_its_own() -> None:
    backlog = Backlog(max_rows=10)
    put(backlog, confirmation("USD", "1"))
    backlog.put(Work(intents=[intent("a")], rows=[confirmation("USD", "2")]))
    backlog.put(Work(facts={"spent": "1"}, rows=[confirmation("BTC", "1")]))
    put(backlog, confirmation("USD", "3"))
    put(backlog, confirmation("BTC", "2"))
    put(backlog, confirmation("USD", "4"))

    assert [(asset, total) for asset, total, _ in queued(backlog)] == [
        ("USD", "1"),
        ("USD", "2"),
        ("BTC", "1"),
        ("USD", "4"),
        ("BTC", "2"),
    ]


def test_take_counts_intents_towards_its_bound() -> None:
    backlog = Backlog(max_rows=100)
    for number in range(5):
        backlog.put(Work(intents=[intent(f"{number}")], rows=[money("USD", "1")]))

    assert [len(backlog.take(max_rows=4, wait_s=0)) for _ in range(3)] == [2, 2, 1]


def test_what_was_taken_is_out_of_reach_of_later_confirmations() -> None:
    backlog = Backlog(max_rows=10)
    put(backlog, confirmation("USD", "1"))
    (taken,) = backlog.take(max_rows=10, wait_s=0)

    put(backlog, confirmation("USD", "2"))

    assert [row.total for row in taken.rows] == ["1"]
    assert queued(backlog) == [("USD", "2", False)]


def test_a_job_fits_into_a_full_queue() -> None:
    backlog = Backlog(max_rows=1)
    put(backlog, money("USD", "1"))

    assert backlog.put(Work(job=lambda engine: None)) is not None


def test_take_is_bounded_and_leaves_the_rest() -> None:
    backlog = Backlog(max_rows=100)
    for number in range(10):
        put(backlog, money("USD", str(number)))

    first = backlog.take(max_rows=4, wait_s=0)
    rest = backlog.take(max_rows=100, wait_s=0)

    assert [len(first), len(rest)] == [4, 6]


def test_take_wakes_up_for_work_and_gives_up_without() -> None:
    backlog = Backlog(max_rows=10)
    assert backlog.take(max_rows=1, wait_s=0.001) == []

    timer = threading.Timer(0.02, put, (backlog, money("USD", "1")))
    timer.start()
    started_s = time.monotonic()
    works = backlog.take(max_rows=1, wait_s=30)
    timer.join()

    assert len(works) == 1
    assert time.monotonic() - started_s < 10
