"""
What every store promises, whatever it keeps its rows in.

A store joins by a maker in ``MAKERS``: a class whose ``open`` gives the same store again each time it is called, after
the one before was closed. ``is_durable`` says whether there is anything to come back to.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import msgspec
import pytest

from holdfast.core.seams import JournalRow, Store
from holdfast.errors import ClosedError, StoreError, StoreFullError, StoreReadOnlyError
from holdfast.store.memory import MemoryStore
from holdfast.store.sqlite import SqliteStore
from tests.store.disks import Disk
from tests.store.rows import DAY_US, MINUTE_US, NOON_US, confirmation, ids, intent, money, notice, seqs, totals

KEEP_DAYS = 3


class StoreMaker(Protocol):
    """Opens one store, again and again; ``fail`` makes its disk refuse every write until it is told None."""

    is_durable: bool

    async def open(self) -> Store: ...

    def fail(self, reason: str | None) -> None: ...


class MemoryMaker:
    is_durable = False

    def __init__(self, _: Path) -> None:
        self.store = MemoryStore(keep_days=KEEP_DAYS)

    async def open(self) -> Store:
        return self.store

    def fail(self, reason: str | None) -> None:
        self.store.fail_with = reason


class SqliteMaker:
    is_durable = True
    writer: ClassVar[Literal["thread", "inline"]]
    commit_s: ClassVar[float] = 0.0

    def __init__(self, folder: Path) -> None:
        self.path = folder / "contract.db"
        self.disk: type[Disk] = type("ContractDisk", (Disk,), {"commit_s": self.commit_s})

    async def open(self) -> Store:
        return await SqliteStore.open(
            self.path,
            wall_us=lambda: NOON_US,
            keep_days=KEEP_DAYS,
            writer=self.writer,
            connection_class=self.disk,
        )

    def fail(self, reason: str | None) -> None:
        self.disk.fails_before = None if reason is None else _CODES[reason]


class SqliteThreadMaker(SqliteMaker):
    writer = "thread"


class SqliteInlineMaker(SqliteMaker):
    writer = "inline"


class SqliteSlowDiskMaker(SqliteMaker):
    """Every sync takes a while: calls overlap, and nothing may depend on their being quick."""

    writer = "thread"
    commit_s = 0.005


_CODES = {
    "full": sqlite3.SQLITE_FULL,
    "read_only": sqlite3.SQLITE_READONLY,
    "io": sqlite3.SQLITE_IOERR_FSYNC,
}

MAKERS: list[type[MemoryMaker] | type[SqliteMaker]] = [
    MemoryMaker,
    SqliteThreadMaker,
    SqliteInlineMaker,
    SqliteSlowDiskMaker,
]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__.removesuffix("Maker"))
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> StoreMaker:
    made: StoreMaker = request.param(tmp_path)
    return made


@pytest.fixture(
    params=[each for each in MAKERS if each.is_durable], ids=lambda each: each.__name__.removesuffix("Maker")
)
def durable_maker(request: pytest.FixtureRequest, tmp_path: Path) -> StoreMaker:
    made: StoreMaker = request.param(tmp_path)
    return made


# Appending


async def test_appended_rows_come_back_in_order_and_numbered_from_one(maker: StoreMaker) -> None:
    store = await maker.open()
    rows = [money("USD", "10"), money("BTC", "0.5"), notice('{"why":"x"}'), money("USD", "9")]

    assert await store.append(rows[:3]) == 3
    assert await store.append(rows[3:]) == 4

    kept = await store.history()
    assert seqs(kept) == [1, 2, 3, 4]
    assert [msgspec.structs.replace(row, seq=None) for row in kept] == rows
    assert store.status().last_seq == 4
    await store.close()


async def test_rows_nobody_waits_for_are_kept_before_those_that_follow(maker: StoreMaker) -> None:
    store = await maker.open()

    for number in range(50):
        store.append([money("USD", str(number))])
    assert await store.append([money("USD", "last")]) == 51

    assert [total for _, total in totals(await store.history())] == [*map(str, range(50)), "last"]
    await store.close()


async def test_appending_nothing_gives_the_last_number(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "1"), money("USD", "2")])

    assert await store.append([]) == 2
    await store.close()


async def test_rows_of_many_tasks_get_numbers_without_a_hole(maker: StoreMaker) -> None:
    store = await maker.open()

    async def caller(name: str) -> list[int]:
        return [await store.append([money(name, str(number))]) for number in range(20)]

    given = await asyncio.gather(*(caller(f"A{index}") for index in range(16)))

    assert sorted(number for numbers in given for number in numbers) == list(range(1, 321))
    assert all(numbers == sorted(numbers) for numbers in given)
    await store.close()


async def test_cancelling_one_waiter_changes_nothing_for_the_rows_or_for_others(maker: StoreMaker) -> None:
    store = await maker.open()
    receipt = store.append([money("USD", "1")])

    async def wait() -> int:
        return await receipt

    first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    first.cancel()

    assert await second == 1
    assert totals(await store.history()) == [("USD", "1")]
    await store.close()


@pytest.mark.parametrize(
    "total",
    ["0", "-0.00", "1E-30", "1e+30", "0.000000000000000001", "9" * 40 + ".123456789012345678", "123.4500"],
)
async def test_an_amount_comes_back_as_the_very_text_it_was(maker: StoreMaker, total: str) -> None:
    store = await maker.open()

    await store.append([money("USD", total)])

    (row,) = await store.latest()
    assert (row.total, row.available) == (total, total)
    assert (await store.history())[0].total == total
    await store.close()


@pytest.mark.parametrize("asset", ["ZÜRICH", "‮USD", "A\0B", "a'; DROP TABLE journal; --", "X" * 5_000, "line\nbreak"])
async def test_a_hostile_asset_name_is_only_a_name(maker: StoreMaker, asset: str) -> None:
    store = await maker.open()

    await store.append([money(asset, "1"), money("USD", "2")])

    assert totals(await store.history(asset=asset)) == [(asset, "1")]
    assert {row.asset for row in await store.latest()} == {asset, "USD"}
    await store.close()


async def test_history_gives_rows_of_one_kind(maker: StoreMaker) -> None:
    store = await maker.open()
    audit = msgspec.structs.replace(money("USD", "1"), kind="audit", asset=None, total=None)
    await store.append([money("USD", "1"), audit, money("BTC", "2"), audit])

    assert seqs(await store.history(kind="audit")) == [2, 4]
    assert seqs(await store.history(kind="audit", newest_first=True, limit=1)) == [4]
    assert seqs(await store.history(kind="audit", asset="USD")) == []
    assert len(await store.history()) == 4
    await store.close()


# Confirmations


async def test_a_confirmation_within_the_minute_is_not_kept_again(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "10")])

    for second in range(5):
        assert await store.append([confirmation("USD", "10", wall_us=NOON_US + second * 1_000_000)]) == 1

    assert totals(await store.history()) == [("USD", "10")]
    await store.close()


async def test_a_confirmation_in_the_next_minute_is_kept(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([confirmation("USD", "10"), confirmation("BTC", "1")])

    await store.append([confirmation("USD", "10", wall_us=NOON_US + MINUTE_US)])

    assert seqs(await store.history()) == [1, 2, 3]
    assert [row.wall_us for row in await store.latest()] == [NOON_US, NOON_US + MINUTE_US]
    await store.close()


async def test_a_confirmation_with_other_figures_is_kept_whatever_it_claims_to_be(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "10")])

    await store.append([confirmation("USD", "9")])
    await store.append([confirmation("USD", "10")])

    assert totals(await store.history()) == [("USD", "10"), ("USD", "9"), ("USD", "10")]
    await store.close()


async def test_money_rows_are_kept_even_when_they_say_the_same(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.append([money("USD", "10"), money("USD", "10"), money("USD", "10")])

    assert len(await store.history()) == 3
    await store.close()


async def test_notices_are_never_taken_for_each_other(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.append([notice("{}"), notice("{}"), notice("{}", asset="USD"), notice("{}", asset="USD")])

    assert len(await store.history()) == 4
    await store.close()


# Latest


async def test_latest_is_each_assets_newest_figures_in_asset_order(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "1"), money("BTC", "2"), money("USD", "3"), money("ADA", "0"), money("BTC", "4")])

    latest = await store.latest()

    assert totals(latest) == [("ADA", "0"), ("BTC", "4"), ("USD", "3")]
    assert seqs(latest) == [4, 5, 3]
    await store.close()


async def test_evidence_is_not_taken_for_figures(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "10")])

    disputed = msgspec.structs.replace(money("USD", "7"), kind="discrepancy")
    await store.append([disputed, notice("{}", asset="USD"), notice("{}", asset="BTC", kind="snapshot")])

    assert totals(await store.latest()) == [("USD", "10")]
    assert len(await store.history()) == 4
    await store.close()


async def test_an_unknown_part_stays_unknown(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.append([msgspec.structs.replace(money("USD", "10"), held=None, available=None)])

    (row,) = await store.latest()
    assert (row.total, row.held, row.available) == ("10", None, None)
    await store.close()


async def test_a_new_store_knows_nothing(maker: StoreMaker) -> None:
    store = await maker.open()

    assert await store.latest() == []
    assert await store.history() == []
    assert await store.fact("halted") is None
    status = store.status()
    assert (status.is_ok, status.reason, status.last_seq, status.halted) == (True, None, 0, None)
    await store.close()


# History


@pytest.fixture
def ten_rows() -> list[JournalRow]:
    return [money("USD" if number % 2 else "BTC", str(number), wall_us=NOON_US + number) for number in range(1, 11)]


async def test_history_selects_by_asset_number_time_and_limit(maker: StoreMaker, ten_rows: list[JournalRow]) -> None:
    store = await maker.open()
    await store.append(ten_rows)

    assert seqs(await store.history(asset="USD")) == [1, 3, 5, 7, 9]
    assert seqs(await store.history(asset="EUR")) == []
    assert seqs(await store.history(after_seq=7)) == [8, 9, 10]
    assert seqs(await store.history(since_wall_us=NOON_US + 9)) == [9, 10]
    assert seqs(await store.history(limit=3)) == [1, 2, 3]
    assert seqs(await store.history(limit=0)) == []
    assert seqs(await store.history(asset="USD", after_seq=3, since_wall_us=NOON_US + 6, limit=1)) == [7]
    await store.close()


async def test_history_newest_first_falls(maker: StoreMaker, ten_rows: list[JournalRow]) -> None:
    store = await maker.open()
    await store.append(ten_rows)

    assert seqs(await store.history(newest_first=True, limit=3)) == [10, 9, 8]
    assert seqs(await store.history(newest_first=True, asset="BTC", after_seq=4)) == [10, 8, 6]
    assert seqs(await store.history(newest_first=True, since_wall_us=NOON_US + 9)) == [10, 9]
    await store.close()


async def test_history_finds_rows_by_time_across_days_and_steps_of_the_clock(maker: StoreMaker) -> None:
    store = await maker.open()
    days = [0, 0, 1, 2, 1, 2, 50, 2, 3]
    await store.append([money("USD", str(day), wall_us=NOON_US + day * DAY_US) for day in days])

    for since in (0, 1, 2, 3, 50, 51):
        found = await store.history(since_wall_us=NOON_US + since * DAY_US)
        assert [int(row.total or "") for row in found] == [day for day in days if day >= since]
    await store.close()


# Facts


async def test_a_fact_is_kept_replaced_and_removed(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.keep_fact("account", '{"id":"AA1"}')
    assert await store.fact("account") == '{"id":"AA1"}'
    await store.keep_fact("account", '{"id":"ÄÖ"}')
    assert await store.fact("account") == '{"id":"ÄÖ"}'
    await store.keep_fact("account", None)
    assert await store.fact("account") is None
    await store.keep_fact("account", None)
    await store.close()


async def test_the_halted_fact_shows_in_the_status_until_it_is_removed(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.keep_fact("halted", '{"reason":"by_hand"}')
    assert store.status().halted == "by_hand"
    assert store.status().is_ok
    await store.keep_fact("halted", None)
    assert store.status().halted is None
    await store.close()


# Intents


async def test_an_intent_comes_back_as_the_very_text_it_was(maker: StoreMaker) -> None:
    store = await maker.open()
    row = intent("grid-7/ü 1", '{"amount":"0.000000000000000001","note":"ÄÖ\\u0000"}')

    await store.keep([row])

    assert await store.intent("grid-7/ü 1") == row
    assert await store.intent("another") is None
    assert await store.open_intents() == [row]
    assert await store.intents() == [row]
    assert await store.intent_ids() == ["grid-7/ü 1"]
    await store.close()


@pytest.mark.parametrize("intent_id", ["‮x", "A\0B", "a'; DROP TABLE intent; --", "X" * 5_000, "line\nbreak", ""])
async def test_a_hostile_intent_id_is_only_an_id(maker: StoreMaker, intent_id: str) -> None:
    store = await maker.open()

    await store.keep([intent(intent_id), intent("plain")])

    assert await store.intent_ids() == [intent_id, "plain"]
    assert await store.intent(intent_id) == intent(intent_id)
    await store.close()


async def test_a_later_row_of_an_intent_takes_the_place_of_the_one_before(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.keep([intent("a", '{"state":"active"}'), intent("b")])

    await store.keep([intent("a", '{"state":"in_doubt"}', wall_us=NOON_US + 1)])
    await store.keep([intent("a", '{"state":"consumed"}', wall_us=NOON_US + 2, is_ended=True)])

    assert await store.intent("a") == intent("a", '{"state":"consumed"}', wall_us=NOON_US + 2, is_ended=True)
    assert ids(await store.open_intents()) == ["b"]
    assert await store.intent_ids() == ["a", "b"]
    await store.keep([intent("c"), intent("a", is_ended=True), intent("d")])
    assert ids(await store.open_intents()) == ["b", "c", "d"]
    await store.close()


async def test_several_rows_of_one_intent_in_one_call_end_in_the_last_of_them(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.keep([intent("a", "1"), intent("b"), intent("a", "2"), intent("a", "3", is_ended=True)])
    assert (await store.intent("a")) == intent("a", "3", is_ended=True)
    # One that ended may turn out not to have: what is kept is what its caller says last.
    await store.keep([intent("a", "4", is_ended=True), intent("a", "5")])

    assert await store.open_intents() == [intent("a", "5"), intent("b")]
    await store.close()


async def test_intents_rows_and_facts_of_one_call_are_kept_together(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "1")])

    assert await store.keep([intent("a")], [money("USD", "2"), notice("{}")], {"spent": '"7"', "gone": None}) == 3

    assert totals(await store.latest()) == [("USD", "2")]
    assert await store.fact("spent") == '"7"'
    assert await store.keep([intent("b")]) == 3
    assert await store.keep([], [], {"spent": None}) == 3
    assert await store.keep([], [money("USD", "3")]) == 4
    assert await store.fact("spent") is None
    assert await store.intent_ids() == ["a", "b"]
    await store.close()


async def test_a_halt_may_be_kept_with_the_intent_that_caused_it(maker: StoreMaker) -> None:
    store = await maker.open()

    await store.keep([intent("a")], facts={"halted": '{"reason":"overspent"}'})

    assert store.status().halted == "overspent"
    await store.close()


async def test_intents_nobody_waits_for_are_kept_in_order_with_rows(maker: StoreMaker) -> None:
    store = await maker.open()

    for number in range(30):
        store.keep([intent("a", str(number), is_ended=number % 2 == 1)], [money("USD", str(number))])
        store.append([money("BTC", str(number))])
    assert await store.keep([intent("a", "last")], [money("USD", "last")]) == 61

    assert await store.open_intents() == [intent("a", "last")]
    assert [row.total for row in await store.history(asset="USD")] == [*map(str, range(30)), "last"]
    await store.close()


async def test_open_intents_are_told_by_their_oldest_change_and_all_by_their_newest(maker: StoreMaker) -> None:
    store = await maker.open()
    for name, second, is_ended in (("a", 5, False), ("b", 1, True), ("c", 3, False), ("d", 3, True), ("e", 3, False)):
        await store.keep([intent(name, wall_us=NOON_US + second, is_ended=is_ended)])

    assert ids(await store.open_intents()) == ["c", "e", "a"]
    assert ids(await store.intents()) == ["a", "e", "d", "c", "b"]
    assert ids(await store.intents(limit=2)) == ["a", "e"]
    assert ids(await store.intents(limit=0)) == []
    assert ids(await store.intents(since_wall_us=NOON_US + 3)) == ["a", "e", "d", "c"]
    assert ids(await store.intents(since_wall_us=NOON_US + 3, limit=1)) == ["a"]
    assert ids(await store.intents(since_wall_us=NOON_US + 6)) == []
    await store.close()


@pytest.mark.parametrize("is_ended", [False, True], ids=["open", "ended"])
async def test_a_client_order_id_belongs_to_one_intent_for_good(maker: StoreMaker, is_ended: bool) -> None:
    """Else one intent's order would be taken for the other's."""
    store = await maker.open()
    await store.keep([intent("a", is_ended=is_ended)])
    same = intent("a").client_order_id

    with pytest.raises(StoreError, match="client order id"):
        await store.keep([intent("c"), intent("b", client_order_id=same)], [money("USD", "1")], {"x": "1"})
    with pytest.raises(StoreError, match="client order id"):
        await store.keep([intent("a", client_order_id="0" * 32)])
    with pytest.raises(StoreError, match="client order id"):
        await store.keep([intent("d"), intent("e", client_order_id=intent("d").client_order_id)])

    assert await store.intents() == [intent("a", is_ended=is_ended)]
    assert await store.history() == []
    assert await store.fact("x") is None
    await store.keep([intent("c")])
    assert store.status().is_ok
    await store.close()


async def test_what_cannot_be_kept_takes_no_other_call_down(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.keep([intent("a")])

    before = store.keep([intent("b")], [money("USD", "1")])
    bad = store.keep([intent("c", client_order_id=intent("a").client_order_id)], [money("USD", "2")])
    after = store.keep([intent("d")], [money("USD", "3")])

    assert [await before, await after] == [1, 2]
    with pytest.raises(StoreError):
        await bad
    assert await store.intent_ids() == ["a", "b", "d"]
    assert [row.total for row in await store.history()] == ["1", "3"]
    await store.close()


async def test_ended_intents_are_remembered_for_thirty_days_and_open_ones_for_good(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.keep(
        [
            intent("open", wall_us=NOON_US - 400 * DAY_US),
            intent("old", wall_us=NOON_US - 30 * DAY_US - 1, is_ended=True),
            intent("just", wall_us=NOON_US - 30 * DAY_US, is_ended=True),
            intent("new", wall_us=NOON_US, is_ended=True),
        ],
        [money("USD", "1")],
    )

    assert await store.prune(wall_us=NOON_US) == 0

    assert await store.intent_ids() == ["open", "just", "new"]
    assert await store.intent("old") is None
    assert ids(await store.open_intents()) == ["open"]
    # What was forgotten may be used again; nothing else of it is left behind.
    await store.keep([intent("old")])
    assert await store.intent_ids() == ["open", "just", "new", "old"]
    assert totals(await store.latest()) == [("USD", "1")]
    await store.close()


async def test_prune_forgets_more_intents_than_one_step_takes(maker: StoreMaker) -> None:
    store = await maker.open()
    many = [intent(str(number), wall_us=NOON_US + number, is_ended=True) for number in range(1_203)]
    await store.keep(many)

    await store.prune(wall_us=NOON_US + 30 * DAY_US + 1_201)

    assert await store.intent_ids() == ["1201", "1202"]
    await store.close()


# Bad disks


@pytest.mark.parametrize(("reason", "kind"), [("full", StoreFullError), ("read_only", StoreReadOnlyError)])
async def test_a_disk_that_refuses_is_told_at_once_and_leaves_nothing_half_kept(
    maker: StoreMaker, reason: str, kind: type[StoreError]
) -> None:
    store = await maker.open()
    await store.keep([intent("a")], [money("USD", "1")], {"spent": "1"})
    maker.fail(reason)

    with pytest.raises(kind):
        await store.keep([intent("a", is_ended=True), intent("b")], [money("USD", "2")], {"spent": "2"})
    assert (store.status().is_ok, store.status().reason) == (False, reason)
    with pytest.raises(kind):
        await store.append([money("USD", "3")])
    with pytest.raises(kind):
        await store.keep_fact("spent", "3")
    with pytest.raises(kind):
        await store.keep([intent("c")])

    # What was kept can be read, and the first write after it is well again is kept whole.
    assert await store.open_intents() == [intent("a")]
    assert await store.fact("spent") == "1"
    maker.fail(None)
    assert await store.keep([intent("a", is_ended=True), intent("b")], [money("USD", "4")], {"spent": "4"}) == 2
    assert store.status().is_ok
    assert await store.open_intents() == [intent("b")]
    assert [row.total for row in await store.history()] == ["1", "4"]
    await store.close()


async def test_after_a_failed_sync_nothing_is_acknowledged(maker: StoreMaker) -> None:
    store = await maker.open()
    maker.fail("io")

    for number in range(3):
        with pytest.raises(StoreError):
            await store.keep([intent(str(number))], [money("USD", "1")])
        assert store.status().reason == "io"

    maker.fail(None)
    await store.close()


async def test_calls_that_were_not_awaited_are_refused_with_the_one_that_is(maker: StoreMaker) -> None:
    store = await maker.open()
    maker.fail("full")

    calls = [store.keep([intent(str(number))]) for number in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(outcome, StoreFullError) for outcome in outcomes)
    assert await store.intent_ids() == []
    maker.fail(None)
    await store.close()


# Retention


async def test_prune_drops_whole_days_and_keeps_what_the_accounts_hold(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("OLD", "7"), money("USD", "1")])
    for day in range(1, 8):
        await store.append([money("USD", str(day), wall_us=NOON_US + day * DAY_US)] * 2)

    dropped = await store.prune(wall_us=NOON_US + 7 * DAY_US)

    assert dropped == 2 + 3 * 2
    kept = await store.history()
    assert seqs(kept) == list(range(9, 17))
    assert kept[0].wall_us == NOON_US + (7 - KEEP_DAYS) * DAY_US
    assert totals(await store.latest()) == [("OLD", "7"), ("USD", "7")]
    assert await store.prune(wall_us=NOON_US + 7 * DAY_US) == 0
    assert await store.append([money("USD", "8", wall_us=NOON_US + 8 * DAY_US)]) == 17
    await store.close()


async def test_prune_never_drops_the_newest_day(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "1")])

    assert await store.prune(wall_us=NOON_US + 1_000 * DAY_US) == 0

    assert totals(await store.history()) == [("USD", "1")]
    await store.close()


async def test_prune_is_not_held_up_by_a_day_of_the_future(maker: StoreMaker) -> None:
    store = await maker.open()
    for day in (0, 400, 1, 2, 3, 9):
        await store.append([money("USD", str(day), wall_us=NOON_US + day * DAY_US)])

    await store.prune(wall_us=NOON_US + 9 * DAY_US)

    assert [row.total for row in await store.history()] == ["9"]
    await store.close()


# Backup


async def test_backup_refuses_to_overwrite(maker: StoreMaker, tmp_path: Path) -> None:
    store = await maker.open()
    await store.append([money("USD", "1")])
    target = tmp_path / "copies" / "one.backup"
    target.parent.mkdir()

    await store.backup(str(target))
    first = target.read_bytes()
    assert first
    await store.append([money("USD", "2")])
    with pytest.raises(StoreError, match=r"one\.backup"):
        await store.backup(str(target))

    assert target.read_bytes() == first
    assert [path.name for path in target.parent.iterdir()] == ["one.backup"]
    await store.close()


async def test_a_backup_that_cannot_be_written_is_a_store_error_and_leaves_nothing(
    maker: StoreMaker, tmp_path: Path
) -> None:
    store = await maker.open()
    await store.append([money("USD", "1")])

    with pytest.raises(StoreError):
        await store.backup(str(tmp_path / "no such folder" / "one.backup"))

    assert not (tmp_path / "no such folder").exists()
    assert store.status().is_ok
    await store.close()


# Closing


async def test_a_closed_store_refuses_everything(maker: StoreMaker) -> None:
    store = await maker.open()
    await store.append([money("USD", "1")])
    await store.close()
    await store.close()

    assert (store.status().is_ok, store.status().reason) == (False, "closed")
    receipt = store.append([money("USD", "2")])
    with pytest.raises(ClosedError):
        await receipt
    with pytest.raises(ClosedError):
        await store.latest()
    with pytest.raises(ClosedError):
        await store.history()
    with pytest.raises(ClosedError):
        await store.fact("x")
    with pytest.raises(ClosedError):
        await store.keep_fact("x", "1")
    intents = store.keep([intent("a")])
    with pytest.raises(ClosedError):
        await intents
    with pytest.raises(ClosedError):
        await store.open_intents()
    with pytest.raises(ClosedError):
        await store.intent("a")
    with pytest.raises(ClosedError):
        await store.intents()
    with pytest.raises(ClosedError):
        await store.intent_ids()
    with pytest.raises(ClosedError):
        await store.prune(wall_us=NOON_US)


async def test_rows_and_facts_are_there_after_reopening_and_numbers_go_on(durable_maker: StoreMaker) -> None:
    store = await durable_maker.open()
    await store.append([money("USD", "1"), money("BTC", "2")])
    store.append([money("USD", "3")])
    await store.keep_fact("account", '"AA1"')
    await store.close()

    store = await durable_maker.open()

    assert totals(await store.history()) == [("USD", "1"), ("BTC", "2"), ("USD", "3")]
    assert totals(await store.latest()) == [("BTC", "2"), ("USD", "3")]
    assert await store.fact("account") == '"AA1"'
    assert store.status().last_seq == 3
    # What was kept before counts for what need not be kept again.
    assert await store.append([confirmation("USD", "3")]) == 3
    assert await store.append([money("USD", "4")]) == 4
    await store.close()


async def test_numbers_go_on_after_everything_old_was_pruned_and_it_was_reopened(durable_maker: StoreMaker) -> None:
    store = await durable_maker.open()
    await store.append([money("USD", "1")] * 5)
    await store.append([money("USD", "2", wall_us=NOON_US + 10 * DAY_US)])
    await store.prune(wall_us=NOON_US + 10 * DAY_US)
    await store.close()

    store = await durable_maker.open()

    assert seqs(await store.history()) == [6]
    assert await store.append([money("USD", "3", wall_us=NOON_US + 10 * DAY_US)]) == 7
    await store.close()


async def test_intents_are_there_after_reopening_and_go_on(durable_maker: StoreMaker) -> None:
    store = await durable_maker.open()
    await store.keep([intent("a"), intent("b"), intent("c", is_ended=True)], [money("USD", "1")])
    store.keep([intent("b", "2", is_ended=True)])
    await store.close()

    store = await durable_maker.open()

    assert await store.open_intents() == [intent("a")]
    assert await store.intent("b") == intent("b", "2", is_ended=True)
    assert await store.intent_ids() == ["a", "b", "c"]
    for taken in ("a", "b", "c"):
        with pytest.raises(StoreError, match="client order id"):
            await store.keep([intent("new", client_order_id=intent(taken).client_order_id)])
    await store.keep([intent("c", "again"), intent("a", "2", is_ended=True), intent("d")])
    await store.close()
    store = await durable_maker.open()
    assert await store.open_intents() == [intent("c", "again"), intent("d")]
    assert await store.intent_ids() == ["a", "b", "c", "d"]
    await store.close()
