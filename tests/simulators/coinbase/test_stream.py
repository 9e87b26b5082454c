"""
The stream: one numbering per connection, heartbeats, the user channel, market channels, and how connections end.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview,
.../websocket-channels, .../websocket-authentication, .../websocket-rate-limits.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.core.seam import SimReply
from tests.simulators.coinbase.bench import Bench, Stream


def subscribed(bench: Bench, *channels: str) -> Stream:
    stream = bench.stream()
    for channel in channels or ("user",):
        stream.subscribe(channel)
    assert not stream.errors()
    return stream


class TestSubscribing:
    def test_answer_states_everything_that_is_subscribed_to(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats", "user")
        stream.subscribe("ticker", "BTC-USD", "ETH-USD")
        listed = [event["subscriptions"] for event in stream.of("subscriptions")]
        assert listed[0] == {"heartbeats": ["heartbeats"]}
        assert list(listed[-1]) == ["heartbeats", "user", "ticker"]
        assert listed[-1]["ticker"] == ["BTC-USD", "ETH-USD"]
        (opaque,) = listed[-1]["user"]
        assert re.fullmatch(r"[0-9a-f-]{36}", opaque)

    def test_last_unsubscription_leaves_an_empty_object(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats", "user")
        stream.say("unsubscribe", "user")
        stream.say("unsubscribe", "heartbeats")
        assert stream.of("subscriptions")[-1] == {"subscriptions": {}}
        stream.clear()
        bench.limit()
        bench.pass_time(3)
        assert stream.frames == []

    def test_products_come_and_go_one_by_one(self) -> None:
        stream = Bench().stream()
        stream.subscribe("ticker", "BTC-USD")
        stream.subscribe("ticker", "ETH-USD")
        stream.say("unsubscribe", "ticker", product_ids=["BTC-USD"])
        assert stream.of("subscriptions")[-1] == {"subscriptions": {"ticker": ["ETH-USD"]}}

    def test_numbers_run_over_all_channels_from_zero_and_errors_take_none(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats", "user")
        stream.subscribe("ticker", "BTC-USD")
        stream.subscribe("nonsense")
        bench.limit()
        bench.market()
        bench.pass_time(3)
        assert stream.numbers() == list(range(len(stream.numbers())))
        assert len(stream.errors()) == 1
        assert bench.stream().numbers() == []
        assert subscribed(bench).numbers()[0] == 0

    @pytest.mark.parametrize(
        ("is_first", "channels"), [(True, ["subscriptions", "user"]), (False, ["user", "subscriptions"])]
    )
    def test_snapshot_comes_after_the_answer_or_before(self, is_first: bool, channels: list[str]) -> None:
        stream = subscribed(Bench(is_ack_before_snapshot=is_first))
        assert [frame["channel"] for frame in stream.frames] == channels

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"channel": "nonsense"}, "channel is not supported"),
            ({"channel": "ticker", "product_ids": ["BTC-XXX"]}, "BTC-XXX is not a valid product"),
            ({"channel": "ticker", "product_ids": "BTC-USD"}, "product_ids is malformed"),
            ({"channel": "user", "signed": False}, "authentication failure"),
            ({"channel": "user", "jwt": "nonsense"}, "authentication failure"),
            ({"channel": "ticker", "jwt": "nonsense"}, "authentication failure"),
        ],
    )
    def test_refusal_is_said_and_the_connection_stays_open(self, fields: dict[str, Any], error: str) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.say("subscribe", fields.pop("channel"), **fields)
        assert stream.frames == [{"type": "error", "message": error}]
        stream.subscribe("user")
        assert stream.of("user", "snapshot")

    @pytest.mark.parametrize("frame", [b"", b"{", b"[]", b'{"type":"ping"}', b"null", b"\xff"])
    def test_other_messages_are_refused(self, frame: bytes) -> None:
        stream = Bench().stream()
        stream.session.receive(frame)
        assert stream.errors() == ["unsupported message"]

    def test_token_that_names_a_request_is_as_good_and_an_expired_one_is_not(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.say("subscribe", "user", jwt=bench.token("GET api.coinbase.com/anything"))
        assert stream.of("user", "snapshot")
        stream.say("subscribe", "user", jwt=bench.token(None, from_s=-200))
        assert stream.errors() == ["authentication failure"]

    @pytest.mark.parametrize(("is_refused", "errors"), [(False, 0), (True, 1)])
    def test_token_used_twice(self, is_refused: bool, errors: int) -> None:
        bench = Bench(is_token_reuse_refused=is_refused)
        token = bench.token(None)
        stream = bench.stream()
        stream.say("subscribe", "user", jwt=token)
        stream.say("subscribe", "heartbeats", jwt=token)
        assert len(stream.errors()) == errors

    def test_subscription_lives_longer_than_its_token(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats", "user")
        bench.pass_time(600)
        bench.limit()
        assert stream.orders()[-1]["status"] == "OPEN"

    def test_key_needs_the_right_to_view(self) -> None:
        bench = Bench()
        bench.happen("permissions", permissions=["trade"])
        stream = bench.stream()
        stream.subscribe("user")
        assert stream.errors() == ["authentication failure"]

    def test_ninth_message_of_a_second_without_a_token_is_refused(self) -> None:
        bench = Bench()
        stream = bench.stream()
        for _ in range(9):
            stream.subscribe("heartbeats")
        assert stream.errors() == ["rate limit exceeded"]
        stream.subscribe("user")
        assert stream.of("user", "snapshot")
        bench.pass_time(1)
        stream.subscribe("ticker", "BTC-USD")
        assert len(stream.errors()) == 1

    def test_ninth_connection_of_a_second_is_refused(self) -> None:
        bench = Bench()
        for _ in range(8):
            bench.stream()
        refused = bench.sim.connect("/", Stream.__new__(Stream), {})
        assert isinstance(refused, SimReply)
        assert refused.status == 429
        bench.pass_time(1)
        bench.stream()

    def test_other_paths_are_not_found(self) -> None:
        refused = Bench().sim.connect("/v2", Stream.__new__(Stream), {})
        assert isinstance(refused, SimReply)
        assert refused.status == 404

    @pytest.mark.parametrize("has_client_id", [True, False])
    def test_client_id_is_empty_or_absent(self, has_client_id: bool) -> None:
        for frame in subscribed(Bench(has_client_id=has_client_id)).frames:
            assert frame.get("client_id", "absent") == ("" if has_client_id else "absent")


class TestEnding:
    @pytest.mark.parametrize("does_count", [True, False])
    def test_connection_without_a_subscription_is_closed(self, does_count: bool) -> None:
        bench = Bench(does_refused_subscribe_count=does_count)
        silent, refused, fine = bench.stream(), bench.stream(), subscribed(bench)
        refused.subscribe("nonsense")
        bench.pass_time(5)
        assert silent.closed_with == (1001, "no subscription")
        assert (refused.closed_with is None) == does_count
        assert fine.closed_with is None

    @pytest.mark.parametrize("idle_s", [60.0, 75.0, 90.0])
    def test_quiet_connection_is_closed_and_heartbeats_keep_one_open(self, idle_s: float) -> None:
        bench = Bench(idle_close_s=idle_s)
        quiet, beating = subscribed(bench), subscribed(bench, "user", "heartbeats")
        bench.pass_time(idle_s - 0.5)
        before = quiet.closed_with
        bench.pass_time(1)
        assert (before, quiet.closed_with) == (None, (1001, "idle"))
        bench.pass_time(600)
        assert beating.closed_with is None

    def test_deleted_key_may_take_its_connections_along(self) -> None:
        bench = Bench()
        mine, public = subscribed(bench), subscribed(bench, "heartbeats")
        bench.happen("key_revocation", closes=True)
        assert mine.closed_with == (1008, "key revoked")
        assert public.closed_with is None

    def test_fault_closes_every_connection(self) -> None:
        bench = Bench()
        streams = [subscribed(bench), bench.stream()]
        bench.impair("close_streams", code=1012, reason="restart")
        assert [stream.closed_with for stream in streams] == [(1012, "restart")] * 2


class TestHeartbeats:
    def test_come_every_second_in_gos_time_and_count(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats")
        bench.pass_time(3)
        beats = stream.of("heartbeats")
        assert [beat["heartbeat_counter"] for beat in beats] == list(
            range(beats[0]["heartbeat_counter"], beats[0]["heartbeat_counter"] + 3)
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000 UTC m=\+[\d.]+", beats[0]["current_time"])

    def test_counter_may_be_text(self) -> None:
        bench = Bench(heartbeat_counter="text")
        stream = subscribed(bench, "heartbeats")
        bench.pass_time(1)
        assert isinstance(stream.of("heartbeats")[0]["heartbeat_counter"], str)


class TestUser:
    def test_snapshot_comes_in_batches_of_fifty_of_which_the_last_has_fewer(self) -> None:
        for count, sizes in ((0, [0]), (49, [49]), (50, [50, 0]), (120, [50, 50, 20])):
            bench = Bench(are_calls_counted=False)
            for _ in range(count):
                bench.limit(size="0.001", price="20000")
            events = subscribed(bench).of("user", "snapshot")
            assert [len(event["orders"]) for event in events] == sizes
            ids = [row["order_id"] for event in events for row in event["orders"]]
            assert len(set(ids)) == count

    def test_row_has_the_documented_fields(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        order = bench.limit(id_="bot-9a41", price="39000", post_only=True)
        bench.happen("fill", order=order, quantity="0.004")
        row = stream.orders()[-1]
        assert row == {
            "avg_price": "39000",
            "cancel_reason": "",
            "client_order_id": "bot-9a41",
            "completion_percentage": "40.00",
            "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
            "cumulative_quantity": "0.004",
            "filled_value": "156",
            "leaves_quantity": "0.006",
            "limit_price": "39000",
            "number_of_fills": "1",
            "order_id": order,
            "order_side": "BUY",
            "order_type": "Limit",
            "outstanding_hold_amount": "234.585",
            "post_only": "true",
            "product_id": "BTC-USD",
            "product_type": "SPOT",
            "reject_reason": "",
            "retail_portfolio_id": bench.get("key_permissions")["portfolio_uuid"],
            "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
            "status": "OPEN",
            "stop_price": "",
            "time_in_force": "GOOD_UNTIL_CANCELLED",
            "total_fees": "0.234",
            "total_value_after_fees": "156.234",
            "trigger_status": "INVALID_ORDER_TYPE",
            "creation_time": "2026-09-21T14:13:20Z",
            "end_time": "0001-01-01T00:00:00Z",
            "start_time": "0001-01-01T00:00:00Z",
        }

    def test_life_of_an_order_is_told_in_steps(self) -> None:
        bench = Bench(cancel_queued_s=0.3)
        stream = subscribed(bench)
        order = bench.limit()
        bench.post("orders/batch_cancel", {"order_ids": [order]})
        bench.pass_time(0.3)
        assert [row["status"] for row in stream.orders()] == ["PENDING", "OPEN", "CANCEL_QUEUED", "CANCELLED"]
        last = stream.orders()[-1]
        assert (last["leaves_quantity"], last["cancel_reason"]) == ("0", "User requested cancel")

    def test_market_order_is_pending_and_then_filled(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.market(quote_size="100")
        assert stream.orders()[0]["status"] == "PENDING"
        assert stream.orders()[-1]["status"] == "FILLED"
        assert "OPEN" not in {row["status"] for row in stream.orders() if row["cumulative_quantity"] == "0"}

    def test_quantities_are_cumulative_and_agree_with_rest(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        order = bench.limit()
        for _ in range(3):
            bench.happen("fill", order=order, quantity="0.003")
        told = [Decimal(row["cumulative_quantity"]) for row in stream.orders()]
        assert told == sorted(told)
        row, rest = stream.orders()[-1], bench.order(order)
        for here, there in (
            ("cumulative_quantity", "filled_size"),
            ("total_fees", "total_fees"),
            ("avg_price", "average_filled_price"),
        ):
            assert row[here] == rest[there]

    def test_case_of_order_types_and_missing_prices_are_switches(self) -> None:
        bench = Bench(order_type_case="upper", are_user_rows_sparse=True)
        stream = subscribed(bench)
        bench.limit()
        assert stream.orders()[-1]["order_type"] == "LIMIT"
        assert not {"limit_price", "stop_price"} & set(stream.orders()[-1])

    def test_updates_may_share_a_message(self) -> None:
        bench = Bench(update_batch_s=0.1)
        stream = subscribed(bench)
        bench.limit()
        bench.limit()
        assert stream.orders() == []
        bench.pass_time(0.1)
        (event,) = stream.of("user", "update")
        assert [row["status"] for row in event["orders"]] == ["PENDING", "OPEN", "PENDING", "OPEN"]

    def test_only_named_products_are_told(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("user", "BTC-USDC")
        bench.limit()
        assert stream.orders() == []
        bench.place(bench.body(product="BTC-USDC", market_market_ioc={"base_size": "0.01"}))
        assert {row["product_id"] for row in stream.orders()} == {"BTC-USDC"}

    @pytest.mark.parametrize(
        ("which", "told"), [("any", [True, True]), ("newest", [False, True]), ("oldest", [True, False])]
    )
    def test_several_connections(self, which: str, told: list[bool]) -> None:
        bench = Bench(user_connections=which)
        streams = [subscribed(bench), subscribed(bench)]
        bench.limit()
        assert [bool(stream.orders()) for stream in streams] == told

    def test_portfolios_hear_of_their_own_orders_only(self) -> None:
        bench = Bench(profile="many")
        mine, theirs = subscribed(bench), bench.stream()
        theirs.say("subscribe", "user", jwt=bench.token(None, credential=bench.sim.credentials()[1]))
        bench.limit(size="0.001")
        assert mine.orders()
        assert theirs.of("user", "snapshot")
        assert not theirs.orders()

    def test_money_that_moves_outside_of_orders_is_not_told(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        stream.clear()
        bench.happen("deposit", asset="USD", amount="5")
        bench.happen("convert", asset="USD", to="USDC", amount="5")
        bench.happen("withdrawal", asset="USD", amount="5")
        assert stream.frames == []


class TestFaults:
    def test_missing_event_leaves_no_gap_and_a_lost_one_does(self) -> None:
        for kind, has_gap in (("missing_event", False), ("sequence_gap", True)):
            bench = Bench()
            stream = subscribed(bench)
            bench.impair(kind, channel="user", count=2)
            bench.limit()
            assert stream.orders() == []
            bench.limit()
            numbers = stream.numbers()
            assert (numbers != list(range(len(numbers)))) == has_gap

    def test_sequence_goes_wrong_in_each_way(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("sequence_duplicate", channel="user")
        bench.market()
        assert stream.numbers() == [0, 1, 2, 2, 3]
        stream.clear()
        bench.impair("sequence_reorder", channel="user")
        bench.market()
        assert stream.numbers() == [5, 4]
        stream.clear()
        bench.impair("sequence_regress", channel="user", by=3)
        bench.market()
        assert stream.numbers() == [3, 4]
        bench.impair("sequence_regress", channel="user", to=0)
        stream.clear()
        bench.market()
        assert stream.numbers() == [0, 1]

    def test_mute_channel_is_silent_on_a_living_connection(self) -> None:
        for numbered in (False, True):
            bench = Bench()
            stream = subscribed(bench, "user", "heartbeats")
            bench.impair("mute_channel", channel="user", numbered=numbered, for_s=10)
            bench.limit()
            bench.pass_time(2)
            assert stream.orders() == []
            assert len(stream.of("heartbeats")) == 2
            assert (stream.numbers() == list(range(len(stream.numbers())))) == (not numbered)
            bench.pass_time(10)
            bench.limit()
            assert stream.orders()

    def test_frozen_subscription_stays_frozen_and_a_new_one_lives(self) -> None:
        bench = Bench()
        old = subscribed(bench)
        bench.impair("freeze_channel", channel="user")
        bench.pass_time(0.1)
        new = subscribed(bench)
        bench.limit()
        assert old.orders() == []
        assert new.orders()

    def test_mute_stream_says_nothing_at_all(self) -> None:
        bench = Bench()
        stream = subscribed(bench, "heartbeats")
        stream.clear()
        bench.impair("mute_stream", for_s=5)
        stream.subscribe("user")
        bench.pass_time(4)
        assert stream.frames == []

    def test_snapshot_may_be_empty_repeated_or_preceded(self) -> None:
        bench = Bench()
        order = bench.limit()
        bench.impair("snapshot_empty", channel="user")
        assert subscribed(bench).orders("snapshot") == []
        bench.impair("update_before_snapshot")
        stream = subscribed(bench)
        assert [event["type"] for event in stream.of("user")] == ["update", "snapshot"]
        bench.impair("extra_snapshot")
        assert [row["order_id"] for row in stream.orders("snapshot")] == [order, order]

    def test_subscription_may_be_refused_or_confirmed_as_another(self) -> None:
        bench = Bench()
        bench.impair("subscribe_error", channel="user", error="internal error")
        stream = bench.stream()
        stream.subscribe("user")
        assert stream.errors() == ["internal error"]
        bench.impair("foreign_ack", channel="user")
        stream.subscribe("user")
        assert list(stream.of("subscriptions")[0]["subscriptions"]) == ["heartbeats"]
        bench.impair("unauthorized_stream")
        stream.subscribe("user")
        assert stream.errors()[-1] == "authentication failure"
        bench.impair("lockout", for_s=10)
        stream.subscribe("user")
        assert len(stream.errors()) == 3

    def test_order_of_another_portfolio_may_be_told(self) -> None:
        bench = Bench()
        stream = subscribed(bench)
        bench.impair("foreign_row", client_order_id="not-mine")
        (row,) = stream.orders()
        assert row["retail_portfolio_id"] != bench.get("key_permissions")["portfolio_uuid"]
        assert bench.get("orders/historical/batch")["orders"] == []


class TestMarkets:
    def test_ticker_follows_trades_and_has_the_best_prices(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("ticker", "BTC-USD")
        (first,) = stream.of("ticker", "snapshot")[0]["tickers"]
        assert (first["price"], first["best_bid"], first["best_ask"]) == ("40000", "39996", "40004")
        bench.happen("market_price", pair="BTC-USD", price="41000")
        assert stream.of("ticker", "update")[-1]["tickers"][0]["price"] == "41000"

    def test_product_with_a_shared_book_is_told_under_the_books_name(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("ticker", "BTC-USDC", "USDT-USDC")
        told = [event["tickers"][0]["product_id"] for event in stream.of("ticker", "snapshot")]
        assert told == ["BTC-USD", "USDT-USDC"]

    def test_book_is_a_snapshot_and_then_what_changed(self) -> None:
        bench = Bench(book_levels=5)
        stream = bench.stream()
        stream.subscribe("level2", "BTC-USD")
        (snapshot,) = stream.of("l2_data", "snapshot")
        book = {(row["side"], row["price_level"]): row["new_quantity"] for row in snapshot["updates"]}
        assert len(book) == 10
        bench.limit(price="39996", size="0.05")
        bench.market(base_size="0.01")
        for event in stream.of("l2_data", "update"):
            for row in event["updates"]:
                if row["new_quantity"] == "0":
                    del book[row["side"], row["price_level"]]
                else:
                    book[row["side"], row["price_level"]] = row["new_quantity"]
        shown = bench.get("product_book", product_id="BTC-USD", limit=5)["pricebook"]
        assert {("bid", row["price"]): row["size"] for row in shown["bids"]} | {
            ("offer", row["price"]): row["size"] for row in shown["asks"]
        } == book

    def test_trades_are_collected_and_name_the_makers_side(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("market_trades", "BTC-USD")
        assert len(stream.of("market_trades", "snapshot")[0]["trades"]) == 50
        bench.market()
        bench.market("SELL")
        assert stream.of("market_trades", "update") == []
        bench.pass_time(0.25)
        (event,) = stream.of("market_trades", "update")
        assert [row["side"] for row in event["trades"]] == ["BUY", "SELL"]

    def test_candles_and_batched_tickers_come_by_themselves(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("candles", "BTC-USD")
        stream.subscribe("ticker_batch", "BTC-USD")
        bench.pass_time(10)
        assert len(stream.of("candles", "update")) == 10
        batches = stream.of("ticker_batch", "update")
        assert len(batches) == 2
        assert "best_bid" not in batches[0]["tickers"][0]

    def test_status_tells_of_products_that_change(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("status", "BTC-USD")
        bench.happen("pair_status", pair="ETH-USD", status="delisted")
        bench.happen("pair_status", pair="BTC-USD", status="offline")
        ((row,),) = (event["products"] for event in stream.of("status", "update"))
        assert (row["id"], row["status"]) == ("BTC-USD", "offline")


def test_frames_are_described_for_the_journal() -> None:
    bench = Bench()
    stream = bench.stream()
    assert bench.sim.describe_frame(b'{"type":"subscribe","channel":"user","jwt":"x"}') == {
        "channel": "user",
        "type": "subscribe",
        "name": "subscribe",
    }
    token = bench.token(None)
    signed = b'{"type":"subscribe","channel":"user","jwt":"%s"}' % token.encode()
    assert bench.sim.describe_frame(signed)["key"] == bench.credential["key"]
    stream.subscribe("user")
    assert [bench.sim.describe_frame(frame) for frame in stream.raw] == [
        {"channel": "subscriptions"},
        {"channel": "user", "type": "snapshot"},
    ]
    assert bench.sim.describe_frame(b"{") == {}
