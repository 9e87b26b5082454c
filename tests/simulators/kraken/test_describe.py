"""What the journal and the fault plan are told of a message, without anything being done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.simulators.core.seam import SimRequest
from tests.simulators.kraken.bench import Bench


def request(bench: Bench, body: bytes, *, name: str = "AddOrder", kind: str = "form") -> SimRequest:
    return SimRequest(
        method="POST",
        path=f"/0/private/{name}",
        query="",
        headers={"api-key": bench.credential["key"], "content-type": f"application/{kind}"},
        body=body,
    )


def test_request_is_described_by_method_key_nonce_and_client_order_id() -> None:
    bench = Bench()
    expected = {"name": "AddOrder", "key": bench.credential["key"], "nonce": "17", "client_order_id": "mine"}
    assert bench.sim.describe(request(bench, b"nonce=17&cl_ord_id=mine")) == expected
    body = json.dumps({"nonce": 17, "cl_ord_id": "mine"}).encode()
    assert bench.sim.describe(request(bench, body, kind="json")) == expected


def test_describing_acts_on_nothing() -> None:
    bench = Bench()
    truth = bench.sim.truth()
    for _ in range(100):
        bench.sim.describe(request(bench, b"nonce=99999999999999999999", name="Balance"))
    assert bench.sim.truth() == truth
    bench.call("Balance", nonce=5)


@pytest.mark.parametrize(("body", "kind"), [(b"", "form"), (b"\xff", "form"), (b"{", "json"), (b"[]", "json")])
def test_request_that_cannot_be_read_is_described_by_what_can(body: bytes, kind: str) -> None:
    bench = Bench()
    assert bench.sim.describe(request(bench, body, kind=kind)) == {"name": "AddOrder", "key": bench.credential["key"]}


def test_unsigned_request_has_no_key() -> None:
    asked = SimRequest(method="GET", path="/0/public/Time", query="", headers={}, body=b"")
    assert Bench().sim.describe(asked) == {"name": "Time"}


@pytest.mark.parametrize(
    ("message", "facts"),
    [
        ({"channel": "heartbeat"}, {"channel": "heartbeat"}),
        ({"channel": "status", "type": "update", "data": []}, {"channel": "status", "type": "update"}),
        ({"channel": "balances", "type": "snapshot", "data": []}, {"channel": "balances", "type": "snapshot"}),
        ({"method": "ping", "req_id": 1}, {"name": "ping"}),
        ({"method": "subscribe", "params": {"channel": "balances"}}, {"name": "subscribe", "channel": "balances"}),
        (
            {"method": "subscribe", "success": True, "result": {"channel": "executions"}},
            {"name": "subscribe", "channel": "executions"},
        ),
        ({"method": "add_order", "params": {"cl_ord_id": "mine"}}, {"name": "add_order", "client_order_id": "mine"}),
        ({"method": 7, "channel": ["x"]}, {}),
    ],
)
def test_stream_message_is_described(message: Any, facts: dict[str, str]) -> None:
    sim = Bench().sim
    assert sim.describe_frame(json.dumps(message).encode()) == facts
    assert sim.describe_frame(json.dumps(message, separators=(",", ":")).encode()) == facts


def test_key_behind_a_token_is_named_and_the_token_is_not() -> None:
    bench = Bench()
    token = bench.token()
    frame = json.dumps({"method": "subscribe", "params": {"channel": "balances", "token": token}}).encode()
    assert bench.sim.describe_frame(frame) == {
        "name": "subscribe",
        "channel": "balances",
        "key": bench.credential["key"],
    }


@pytest.mark.parametrize("frame", [b"", b"[]", b"{", b"\xff", b"7", b'{"a":1e99999999999999999999}'])
def test_what_cannot_be_read_has_no_facts(frame: bytes) -> None:
    assert Bench().sim.describe_frame(frame) == {}


def test_number_beyond_all_bounds_is_no_amount() -> None:
    bench = Bench()
    stream = bench.stream()
    frame = (
        '{"method":"add_order","req_id":1,"params":{"order_type":"limit","side":"buy","symbol":"BTC/USD",'
        '"limit_price":39000,"order_qty":1e99999999999999999999,"token":"%s"}}'
    )
    stream.session.receive((frame % bench.token()).encode())
    assert stream.frames[-1]["error"] == "EGeneral:Invalid arguments:order_qty"


def test_truth_names_accounts_rows_and_what_is_free() -> None:
    truth = Bench(profile="earn").sim.truth()["accounts"]["master"]
    assert truth["assets"]["BTC"] == {"total": "0.4", "held": "0", "available": "0.4"}
    assert truth["rows"]["XBT.F"] == {"balance": "0.4", "hold_trade": "0"}
    assert truth["free"]["BTC"] == "0.4"


def test_credit_lines_are_stated_where_there_are_any() -> None:
    assert Bench().call("CreditLines") is None
    details = Bench(profile="margin").call("CreditLines")["asset_details"]["ZUSD"]
    assert details["credit_limit"] == details["available_credit"] == "5000.0000"


def test_unknown_profile_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown profile 'rich'; expected one of plain"):
        Bench(profile="rich")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tier": "gold"}, "tier has to be one of starter, intermediate, pro"),
        ({"first_sequence": 2}, "first_sequence has to be one of 0, 1"),
        ({"lockout_s": -1.0}, "lockout_s may not be negative"),
        ({"deadline_min_s": 61.0}, "deadline_min_s is above deadline_max_s"),
    ],
)
def test_setting_that_cannot_be_is_refused_by_name(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Bench(**settings)
