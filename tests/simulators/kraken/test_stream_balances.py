"""
The channel ``balances``.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances (checked 2026-11-20).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.kraken.bench import Bench, Stream


def subscribed(bench: Bench, **params: Any) -> Stream:
    stream = bench.stream()
    assert stream.subscribe("balances", **params)["success"]
    return stream


def sequences(stream: Stream) -> list[int]:
    return [frame["sequence"] for frame in stream.of("balances")]


def test_acknowledgement_has_the_documented_shape() -> None:
    answer = Bench().stream().subscribe("balances", snapshot=True)
    assert answer == {
        "method": "subscribe",
        "result": {"channel": "balances", "snapshot": True},
        "success": True,
        "req_id": 1,
        "time_in": "2026-09-21T14:13:20.000000Z",
        "time_out": "2026-09-21T14:13:20.000000Z",
    }


def test_snapshot_lists_what_is_held_with_its_wallets() -> None:
    stream = subscribed(Bench(profile="earn"))
    (frame,) = stream.of("balances")
    assert (frame["type"], frame["sequence"]) == ("snapshot", 1)
    rows = {row["asset"]: row for row in frame["data"]}
    assert rows["SOL"] == {
        "asset": "SOL",
        "asset_class": "currency",
        "balance": Decimal("12.5"),
        "wallets": [
            {"type": "spot", "id": "main", "balance": Decimal("0.0")},
            {"type": "earn", "id": "liquid", "balance": Decimal("10.0")},
            {"type": "earn", "id": "locked", "balance": Decimal("2.5")},
        ],
    }
    assert rows["USD"]["wallets"] == [{"type": "spot", "id": "main", "balance": Decimal("5000.0")}]


def test_asset_that_is_zero_is_absent_from_the_snapshot() -> None:
    rows = {row["asset"] for row in subscribed(Bench()).rows("balances", "snapshot")}
    assert "DOGE" not in rows
    assert rows == {"USD", "EUR", "BTC", "ETH", "SOL", "USDT"}


def test_never_funded_account_has_an_empty_snapshot() -> None:
    (frame,) = subscribed(Bench(profile="empty")).of("balances")
    assert (frame["type"], frame["data"]) == ("snapshot", [])


def test_snapshot_can_be_declined() -> None:
    bench = Bench()
    stream = subscribed(bench, snapshot=False)
    assert stream.of("balances") == []
    bench.happen("deposit", asset="USD", amount="1")
    assert sequences(stream) == [1]


def test_deposit_is_one_row_with_the_documented_fields() -> None:
    bench = Bench()
    stream = subscribed(bench)
    happened = bench.happen("deposit", asset="USD", amount="250.5", fee="0.5")
    (row,) = stream.rows("balances")
    assert row == {
        "ledger_id": happened["entries"][0],
        "ref_id": happened["ref"],
        "timestamp": "2026-09-21T14:13:20.000000Z",
        "type": "deposit",
        "subtype": "",
        "category": "deposit",
        "asset": "USD",
        "asset_class": "currency",
        "wallet_type": "spot",
        "wallet_id": "main",
        "amount": Decimal("250.5"),
        "fee": Decimal("0.5"),
        "balance": Decimal("10250.0"),
    }


def test_amounts_are_json_numbers() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.happen("withdrawal", asset="USD", amount="400", fee="1")
    assert b'"amount":-400.0,"fee":1.0,"balance":9599.0' in stream.raw[-1]


@pytest.mark.parametrize(("form", "written"), [("plain", b'"amount":0.00000001,'), ("exponent", b'"amount":1e-08,')])
def test_small_amounts_may_be_written_with_an_exponent(form: str, written: bytes) -> None:
    bench = Bench(numbers=form)
    stream = subscribed(bench)
    bench.happen("deposit", asset="BTC", amount="0.00000001")
    assert written in stream.raw[-1]
    assert stream.rows("balances")[0]["balance"] == Decimal("0.40000001")


def test_trade_is_two_frames_with_consecutive_sequences_and_one_reference() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.market("buy", "0.01")
    first, second = stream.of("balances", "update")
    assert (first["sequence"], second["sequence"]) == (2, 3)
    paid, got = first["data"][0], second["data"][0]
    (trade_id,) = bench.call("TradesHistory")["trades"]
    assert paid["ref_id"] == got["ref_id"] == trade_id
    assert (paid["asset"], paid["type"], got["asset"], got["amount"]) == ("USD", "trade", "BTC", Decimal("0.01"))
    assert paid["amount"] < 0 < paid["fee"]
    assert paid["balance"] == 10_000 + paid["amount"] - paid["fee"]
    assert got["balance"] == Decimal("0.41")


def test_trade_legs_may_come_in_one_frame() -> None:
    bench = Bench(are_trade_legs_apart=False)
    stream = subscribed(bench)
    bench.market("buy", "0.01")
    (frame,) = stream.of("balances", "update")
    assert [row["asset"] for row in frame["data"]] == ["USD", "BTC"]


def test_placing_and_cancelling_moves_nothing() -> None:
    bench = Bench()
    stream = subscribed(bench)
    txid = bench.limit()
    bench.call("CancelOrder", txid=txid)
    assert stream.of("balances", "update") == []


@pytest.mark.parametrize(
    ("meaning", "balances"),
    [("total", ["3.0", "3.0"]), ("running_total", ["0.0", "3.0"]), ("wallet", ["0.0", "3.0"])],
)
def test_balance_of_an_update_is_the_total_or_the_wallets(meaning: str, balances: list[str]) -> None:
    bench = Bench(update_balance=meaning)
    stream = subscribed(bench)
    bench.happen("auto_earn_move", asset="ETH")
    rows = stream.rows("balances")
    assert [(row["wallet_type"], row["wallet_id"], row["subtype"]) for row in rows] == [
        ("spot", "main", "spottostaking"),
        ("earn", "liquid", "stakingfromspot"),
    ]
    assert [str(row["balance"]) for row in rows] == balances
    assert len({row["ref_id"] for row in rows}) == 1


def test_second_subscription_is_refused_and_a_new_one_after_unsubscribing_starts_again() -> None:
    bench = Bench()
    stream = subscribed(bench)
    assert stream.subscribe("balances")["error"] == "Already subscribed"
    bench.happen("deposit", asset="USD", amount="1")
    (answer,) = stream.ask("unsubscribe", channel="balances", token=bench.token())
    assert answer["success"]
    bench.happen("deposit", asset="USD", amount="1")
    assert sequences(stream) == [1, 2]
    assert stream.subscribe("balances")["success"]
    assert sequences(stream) == [1, 2, 1]
    assert stream.ask("unsubscribe", channel="executions")[0]["error"] == "Subscription Not Found"


def test_sequence_may_go_on_after_resubscribing() -> None:
    bench = Bench(does_sequence_restart=False)
    stream = subscribed(bench)
    stream.ask("unsubscribe", channel="balances", token=bench.token())
    stream.subscribe("balances")
    assert sequences(stream) == [1, 2]


def test_sequence_may_begin_at_zero() -> None:
    assert sequences(subscribed(Bench(first_sequence=0))) == [0]


@pytest.mark.parametrize("is_first", [True, False])
def test_acknowledgement_comes_before_or_after_the_snapshot(is_first: bool) -> None:
    bench = Bench(is_ack_before_snapshot=is_first)
    stream = bench.stream()
    stream.subscribe("balances")
    kinds = ["ack" if "method" in frame else frame["channel"] for frame in stream.frames]
    assert kinds == (["status", "ack", "balances"] if is_first else ["status", "balances", "ack"])


def test_each_account_hears_only_of_itself() -> None:
    bench = Bench(profile="many")
    stream = subscribed(bench)
    bench.happen("deposit", account="sub1", asset="USD", amount="1")
    assert stream.rows("balances") == []


def test_master_can_listen_to_every_account_without_a_snapshot() -> None:
    bench = Bench(profile="many")
    stream = subscribed(bench, users="all")
    bench.happen("transfer", to="sub1", asset="USD", amount="10")
    frames = stream.of("balances")
    assert [frame["type"] for frame in frames] == ["update", "update"]
    rows = stream.rows("balances")
    assert [row["amount"] for row in rows] == [Decimal("-10.0"), Decimal("10.0")]
    assert len({row["user"] for row in rows}) == 2


class TestFaults:
    def test_gap_loses_a_message_and_its_number(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_gap", channel="balances")
        for amount in ("1", "2", "3"):
            bench.happen("deposit", asset="USD", amount=amount)
        assert sequences(stream) == [1, 3, 4]
        assert [row["amount"] for row in stream.rows("balances")] == [2, 3]

    def test_duplicate_is_the_same_message_twice(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_duplicate", channel="balances")
        bench.happen("deposit", asset="USD", amount="1")
        bench.happen("deposit", asset="USD", amount="2")
        assert sequences(stream) == [1, 2, 2, 3]
        assert stream.raw[-3] == stream.raw[-2]

    def test_regress_goes_back_and_on_from_there(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        for _ in range(3):
            bench.happen("deposit", asset="USD", amount="1")
        bench.impair("sequence_regress", channel="balances", by=2)
        for _ in range(3):
            bench.happen("deposit", asset="USD", amount="1")
        assert sequences(stream) == [1, 2, 3, 4, 3, 4, 5]

    def test_numbering_may_start_over_in_the_middle(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.happen("deposit", asset="USD", amount="1")
        bench.impair("sequence_regress", channel="balances", to=1)
        for _ in range(2):
            bench.happen("deposit", asset="USD", amount="1")
        assert sequences(stream) == [1, 2, 1, 2]

    def test_reorder_swaps_two_messages(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_reorder", channel="balances")
        for amount in ("1", "2", "3"):
            bench.happen("deposit", asset="USD", amount=amount)
        assert sequences(stream) == [1, 3, 2, 4]

    def test_missing_event_takes_no_number(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("missing_event", channel="balances")
        bench.happen("deposit", asset="USD", amount="1")
        bench.happen("deposit", asset="USD", amount="2")
        assert sequences(stream) == [1, 2]
        assert [row["amount"] for row in stream.rows("balances")] == [2]

    def test_mute_channel_acknowledges_and_never_delivers(self) -> None:
        bench = Bench()
        bench.impair("mute_channel", channel="balances")
        stream = subscribed(bench)
        bench.happen("deposit", asset="USD", amount="1")
        bench.pass_time(10.5)
        assert stream.of("balances") == []
        assert len(stream.of("heartbeat")) == 10

    def test_frozen_channel_delivers_again_to_a_new_subscription_only(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.happen("deposit", asset="USD", amount="1")
        bench.impair("freeze_channel", channel="balances")
        bench.happen("deposit", asset="USD", amount="2")
        bench.pass_time(1)
        assert sequences(stream) == [1, 2]
        stream.ask("unsubscribe", channel="balances", token=bench.token())
        stream.subscribe("balances")
        bench.happen("deposit", asset="USD", amount="3")
        assert sequences(stream) == [1, 2, 1, 2]

    def test_thawed_channel_shows_what_is_missing_by_its_numbers(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("freeze_channel", channel="balances", for_s=5)
        bench.happen("deposit", asset="USD", amount="1")
        bench.pass_time(6)
        bench.happen("deposit", asset="USD", amount="2")
        assert sequences(stream) == [1, 3]

    def test_row_of_another_wallet_is_told_and_true_nowhere(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        truth = bench.sim.truth()
        bench.impair("foreign_row", asset="BTC", amount="7", wallet_type="futures")
        (row,) = stream.rows("balances")
        assert (row["asset"], row["wallet_type"], row["amount"]) == ("BTC", "futures", 7)
        assert bench.sim.truth() == truth
        assert sequences(stream) == [1, 2]

    def test_stated_balance_may_be_off_while_the_amount_is_right(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("false_balance", asset="USD", by="-5")
        bench.happen("deposit", asset="USD", amount="1")
        bench.happen("deposit", asset="USD", amount="1")
        assert [row["balance"] for row in stream.rows("balances")] == [9996, 10002]

    def test_burst_is_many_messages_that_change_nothing(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        truth = bench.sim.truth()
        bench.happen("burst", count=500)
        assert sequences(stream) == list(range(1, 1002))
        assert bench.sim.truth() == truth

    def test_snapshot_may_be_empty(self) -> None:
        bench = Bench()
        bench.impair("snapshot_empty", channel="balances")
        assert subscribed(bench).rows("balances", "snapshot") == []
        assert subscribed(bench).rows("balances", "snapshot") != []

    def test_update_may_come_before_the_snapshot(self) -> None:
        bench = Bench()
        bench.impair("update_before_snapshot", channel="balances")
        frames = subscribed(bench).of("balances")
        assert [(frame["type"], frame["sequence"]) for frame in frames] == [("update", 1), ("snapshot", 2)]

    def test_snapshot_may_come_again_in_the_middle(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.happen("deposit", asset="USD", amount="1")
        bench.impair("extra_snapshot", channel="balances")
        frames = stream.of("balances")
        assert [(frame["type"], frame["sequence"]) for frame in frames] == [
            *(("snapshot", 1), ("update", 2), ("snapshot", 3))
        ]

    def test_subscription_may_be_refused(self) -> None:
        bench = Bench()
        bench.impair("subscribe_error", channel="balances", error="EService:Unavailable")
        assert bench.stream().subscribe("balances")["error"] == "EService:Unavailable"
        assert bench.stream().subscribe("balances")["success"]

    def test_acknowledgement_may_name_the_other_channel(self) -> None:
        bench = Bench()
        bench.impair("foreign_ack", channel="balances")
        assert bench.stream().subscribe("balances")["result"]["channel"] == "executions"

    def test_fault_for_the_other_channel_changes_nothing(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_gap", channel="executions")
        bench.happen("deposit", asset="USD", amount="1")
        assert sequences(stream) == [1, 2]

    def test_fault_without_a_channel_is_for_every_one(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_gap")
        bench.happen("deposit", asset="USD", amount="1")
        assert sequences(stream) == [1]

    def test_clearing_ends_every_fault(self) -> None:
        bench = Bench()
        bench.impair("mute_channel", channel="*")
        bench.impair("snapshot_empty")
        bench.heal()
        assert subscribed(bench).rows("balances", "snapshot") != []
