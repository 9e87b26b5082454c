"""The channels ``account`` and ``balance_and_position``: pages, whole rows of what changed, and no sequence numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.okx.bench import Bench, Stream
from tests.simulators.okx.test_balances import ACCOUNT_FIELDS, DETAIL_FIELDS


def details(frame: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a message by currency."""
    return {row["ccy"]: row for row in frame["data"][0]["details"]}


def subscribed(bench: Bench, channel: str = "account", **arg: Any) -> Stream:
    stream = bench.stream()
    assert stream.subscribe(channel, **arg)["event"] == "subscribe"
    return stream


def test_snapshot_is_complete_and_has_every_documented_field() -> None:
    bench = Bench()
    stream = subscribed(bench)
    (frame,) = stream.of("account")
    uid = bench.get("account/config")[0]["uid"]
    assert frame["arg"] == {"channel": "account", "uid": uid}
    assert (frame["eventType"], frame["curPage"], frame["lastPage"]) == ("snapshot", 1, True)
    assert set(frame["data"][0]) == ACCOUNT_FIELDS
    rows = details(frame)
    assert list(rows) == ["USDT", "USDC", "USD", "BTC", "ETH", "SOL"]
    expected = DETAIL_FIELDS - {"maxSpotInUse"} | {"maxSpotInUseAmt", "coinUsdPrice"}
    assert {frozenset(row) for row in rows.values()} == {frozenset(expected)}


def test_snapshot_comes_again_every_five_seconds_unless_it_is_declined() -> None:
    bench = Bench()
    stream = subscribed(bench)
    events_only = subscribed(bench, extraParams='{"updateInterval": "0"}')
    bench.pass_time(15.5)
    assert len(stream.of("account", "snapshot")) == 4
    assert len(events_only.of("account", "snapshot")) == 1


def test_pages_together_are_the_account() -> None:
    bench = Bench(profile="many", snapshot_page_rows=70)
    pages = subscribed(bench).of("account")
    assert [page["curPage"] for page in pages] == [1, 2, 3, 4, 5]
    assert [page["lastPage"] for page in pages] == [False, False, False, False, True]
    rows: dict[str, Decimal] = {}
    for page in pages:
        rows |= {code: Decimal(row["cashBal"]) for code, row in details(page).items()}
    assert rows == {code: Decimal(row["total"]) for code, row in bench.truth().items()}


def test_events_come_between_pages_that_are_sent_apart() -> None:
    bench = Bench(profile="many", page_gap_s=0.04)
    stream = subscribed(bench)
    bench.happen("deposit", asset="USDT", amount="5")
    bench.pass_time(1)
    kinds = [frame["eventType"] for frame in stream.of("account")]
    assert kinds.index("event_update") < len(kinds) - 1
    assert kinds[-1] == "snapshot"


def test_update_has_whole_rows_of_what_changed_and_nothing_else() -> None:
    bench = Bench()
    stream = subscribed(bench)
    stream.clear()
    bench.limit(px="39000", sz="0.01")
    assert stream.of("account") == []  # Not before the grid's next line.
    bench.pass_time(0.05)
    (frame,) = stream.of("account")
    assert frame["eventType"] == "event_update"
    assert not {"curPage", "lastPage"} & set(frame)
    (row,) = details(frame).values()
    assert (row["ccy"], row["cashBal"], row["availBal"], row["frozenBal"]) == ("USDT", "10000", "9610", "390")


def test_events_of_one_moment_are_one_message() -> None:
    bench = Bench()
    stream = subscribed(bench)
    stream.clear()
    for _ in range(5):
        bench.market()
    bench.pass_time(0.05)
    (frame,) = stream.of("account")
    assert details(frame)["BTC"]["cashBal"] == bench.balance("BTC")["cashBal"]
    assert set(details(frame)) == {"BTC", "USDT"}


@pytest.mark.parametrize("shows", [True, False])
def test_currency_that_became_zero_is_told_of_where_the_setting_says_so(shows: bool) -> None:
    bench = Bench(do_updates_show_zero=shows)
    stream = subscribed(bench)
    stream.clear()
    bench.happen("withdrawal", asset="SOL", amount="12.5")
    bench.pass_time(0.05)
    frames = stream.of("account", "event_update")
    assert [details(frame)["SOL"]["cashBal"] for frame in frames] == (["0"] if shows else [])
    bench.pass_time(5)
    assert "SOL" not in details(stream.of("account", "snapshot")[-1])


def test_one_currency_may_be_asked_for() -> None:
    bench = Bench()
    stream = subscribed(bench, ccy="BTC")
    assert list(details(stream.of("account")[0])) == ["BTC"]
    bench.limit()
    bench.pass_time(0.05)
    assert not stream.of("account", "event_update")
    bench.market()
    bench.pass_time(0.05)
    assert list(details(stream.of("account", "event_update")[0])) == ["BTC"]


def test_older_form_has_no_marks() -> None:
    (frame,) = subscribed(Bench(has_event_type=False)).of("account")
    assert not {"eventType", "curPage", "lastPage"} & set(frame)


def test_other_accounts_are_not_told_of() -> None:
    bench = Bench(profile="many", snapshot_s=0)
    stream = subscribed(bench)
    stream.clear()
    bench.happen("deposit", account="sub1", asset="USDT", amount="5")
    bench.pass_time(1)
    assert stream.frames == []


def test_cash_channel_starts_with_everything_and_then_says_what_changed_it() -> None:
    bench = Bench()
    stream = subscribed(bench, "balance_and_position")
    (frame,) = stream.of("balance_and_position")
    (first,) = frame["data"]
    assert (first["eventType"], first["posData"], first["trades"]) == ("snapshot", [], [])
    assert {row["ccy"] for row in first["balData"]} == {"USDT", "USDC", "USD", "BTC", "ETH", "SOL"}
    stream.clear()
    bench.limit()
    assert stream.frames == []  # What orders hold is no cash.
    bench.market()
    (filled,) = stream.of("balance_and_position")[-1]["data"]
    assert filled["eventType"] == "filled"
    assert {row["ccy"]: row["cashBal"] for row in filled["balData"]}["BTC"] == "0.40999"
    (fill,) = bench.get("trade/fills")
    assert filled["trades"] == [{"instId": "BTC-USDT", "tradeId": fill["tradeId"]}]
    bench.happen("pot_transfer", asset="USDT", amount="10", to="funding")
    (moved,) = stream.of("balance_and_position")[-1]["data"]
    assert (moved["eventType"], [row["ccy"] for row in moved["balData"]]) == ("transferred", ["USDT"])
    bench.pass_time(20)
    assert len(stream.of("balance_and_position")) == 2  # Nothing is repeated.


def test_stream_and_rest_say_the_same_when_all_is_told() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.limit(px="39000", sz="0.01")
    bench.market("sell", "0.02")
    bench.pass_time(5)
    pushed = details(stream.of("account", "snapshot")[-1])
    for row in bench.get("account/balance")[0]["details"]:
        for name in ("cashBal", "availBal", "frozenBal", "eq", "uTime"):
            assert pushed[row["ccy"]][name] == row[name]


# Faults


def test_lost_update_is_made_good_by_the_next_snapshot_only() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.impair("missing_event", channel="account")
    bench.happen("deposit", asset="USDT", amount="1")
    bench.pass_time(0.1)
    assert not stream.of("account", "event_update")
    bench.pass_time(5)
    assert details(stream.of("account", "snapshot")[-1])["USDT"]["cashBal"] == "10001"


def test_updates_come_twice_late_old_false_or_under_another_name() -> None:
    bench = Bench(snapshot_s=0)
    stream = subscribed(bench)
    stream.clear()

    def told(**event: str) -> list[dict[str, Any]]:
        before = len(stream.of("account"))
        bench.happen("deposit", asset="USDT", amount=event.get("amount", "1"))
        bench.pass_time(0.06)
        return stream.of("account")[before:]

    bench.impair("duplicate_event", channel="account")
    first, second = told()
    assert first == second
    bench.impair("reorder_event", channel="account")
    assert told() == []
    later, earlier = told()
    assert Decimal(details(later)["USDT"]["cashBal"]) > Decimal(details(earlier)["USDT"]["cashBal"])
    assert int(details(later)["USDT"]["uTime"]) > int(details(earlier)["USDT"]["uTime"])
    bench.impair("old_row", asset="USDT")
    (old,) = told()
    assert details(old)["USDT"] == details(later)["USDT"]
    bench.impair("false_balance", asset="USDT", by="0.5")
    (false,) = told()
    assert details(false)["USDT"]["cashBal"] == "10005.5"
    bench.impair("foreign_uid")
    (foreign,) = told()
    assert foreign["arg"]["uid"] != first["arg"]["uid"]
    assert bench.truth()["USDT"]["total"] == "10006"


def test_snapshots_are_empty_lack_a_page_are_late_or_come_unasked() -> None:
    bench = Bench(snapshot_page_rows=2)
    stream = bench.stream()
    bench.impair("snapshot_empty", channel="account")
    stream.subscribe("account")
    assert details(stream.of("account")[0]) == {}
    bench.impair("lost_page")
    stream.clear()
    bench.pass_time(5)
    assert [frame["curPage"] for frame in stream.of("account")] == [1, 3]
    bench.impair("missing_snapshot")
    stream.clear()
    bench.pass_time(5)
    assert stream.of("account") == []
    bench.impair("extra_snapshot")
    assert len(stream.of("account")) == 3
    bench.impair("update_before_snapshot")
    again = subscribed(bench)
    assert [frame["eventType"] for frame in again.of("account")][:2] == ["event_update", "snapshot"]


def test_muted_channel_acknowledges_and_frozen_one_revives_with_a_new_subscription() -> None:
    bench = Bench()
    bench.impair("mute_channel", channel="account", for_s=7)
    stream = subscribed(bench)
    bench.pass_time(6)
    assert stream.of("account") == []
    bench.pass_time(5)
    assert stream.of("account", "snapshot")
    bench.impair("freeze_channel", channel="account")
    stream.clear()
    bench.pass_time(6)
    assert stream.of("account") == []
    assert subscribed(bench).of("account", "snapshot")


def test_burst_changes_no_total() -> None:
    bench = Bench()
    stream = subscribed(bench)
    assert bench.happen("burst", count=50)["entries"] == 100
    bench.pass_time(0.1)
    assert details(stream.of("account", "event_update")[0])["USDT"]["cashBal"] == "10000"


def test_stale_snapshot_states_the_past_with_its_older_time() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.pass_time(1.0)
    bench.happen("deposit", asset="USDT", amount="1")
    bench.pass_time(0.1)
    told = details(stream.of("account", "event_update")[-1])["USDT"]
    bench.impair("stale_snapshot", by_s=60)
    bench.impair("extra_snapshot")
    stale = details(stream.of("account", "snapshot")[-1])["USDT"]
    assert (stale["cashBal"], told["cashBal"]) == ("10000", "10001")
    assert int(stale["uTime"]) < int(told["uTime"])
    bench.impair("extra_snapshot")
    assert details(stream.of("account", "snapshot")[-1])["USDT"]["cashBal"] == "10001"
