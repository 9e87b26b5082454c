"""What the journal and the fault plan are told of requests and frames."""

from __future__ import annotations

import json

import pytest

from tests.simulators.okx.bench import Bench


def test_request_is_described_by_method_path_key_and_client_id() -> None:
    bench = Bench()
    key = bench.credential["key"]
    placing = bench.request("POST", "trade/order", bench.order(clOrdId="a1"))
    assert bench.sim.describe(placing) == {"name": "POST trade/order", "key": key, "client_order_id": "a1"}
    asking = bench.request("GET", "trade/order", {"instId": "BTC-USDT", "clOrdId": "a1"})
    assert bench.sim.describe(asking) == {"name": "GET trade/order", "key": key, "client_order_id": "a1"}
    batch = bench.request("POST", "trade/batch-orders", [bench.order()])
    assert bench.sim.describe(batch) == {"name": "POST trade/batch-orders", "key": key}
    assert bench.get("trade/orders-pending") == []  # Describing does nothing.


@pytest.mark.parametrize(
    ("frame", "facts"),
    [
        (b"ping", {"name": "ping"}),
        (b"pong", {"name": "pong"}),
        (b"{", {}),
        (b"[1]", {}),
        ({"op": "login", "args": [{"apiKey": "k", "sign": "s"}]}, {"name": "login", "key": "k"}),
        ({"op": "subscribe", "args": [{"channel": "account"}]}, {"name": "subscribe", "channel": "account"}),
        ({"event": "subscribe", "arg": {"channel": "orders"}}, {"name": "subscribe", "channel": "orders"}),
        ({"op": "order", "args": [{"clOrdId": "a1"}]}, {"name": "order", "client_order_id": "a1"}),
        (
            {"arg": {"channel": "account"}, "eventType": "snapshot", "data": []},
            {"channel": "account", "type": "snapshot"},
        ),
    ],
)
def test_frame_is_described_by_what_it_is(frame: object, facts: dict[str, str]) -> None:
    text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    assert Bench().sim.describe_frame(text) == facts
