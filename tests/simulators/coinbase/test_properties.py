"""
What has to hold whatever is done to the venue: money is conserved, holds are covered, reads and stream tell the truth,
and the same seed and requests give the same bytes, whatever decimal context the calling thread has.
"""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import hypothesis
from hypothesis import strategies as st

from holdfast.simulators.coinbase import OPEN_POINTS
from holdfast.simulators.core.accounts import Account
from tests.simulators.coinbase.bench import Bench, Stream

# A quarter of what the profile in force asks for: each example is a whole session at the venue.
EXAMPLES = hypothesis.settings.default.max_examples // 4  # type: ignore[union-attr]

Action = tuple[str, dict[str, Any]]

PRODUCTS = (("BTC-USD", 40_000, 2), ("BTC-USDC", 40_000, 2), ("ETH-BTC", Decimal("0.0625"), 5), ("SOL-USD", 100, 2))
OVER = ("FILLED", "CANCELLED", "EXPIRED", "FAILED")


def _order(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Action:
    product, price, places = draw(st.sampled_from(PRODUCTS))
    percent = draw(st.integers(-30, 30))
    limit = str((Decimal(price) * (1000 + percent) / 1000).quantize(Decimal(1).scaleb(-places)))
    size = {"base_size": str(Decimal(draw(st.integers(1, 3000))) / 1000)}
    side = draw(st.sampled_from(("BUY", "SELL")))
    kind = draw(st.sampled_from(("limit", "limit", "post", "ioc", "fok", "market", "quote", "stop")))
    configurations: dict[str, dict[str, Any]] = {
        "limit": {"limit_limit_gtc": {**size, "limit_price": limit, "post_only": False}},
        "post": {"limit_limit_gtc": {**size, "limit_price": limit, "post_only": True}},
        "ioc": {"sor_limit_ioc": {**size, "limit_price": limit}},
        "fok": {"limit_limit_fok": {**size, "limit_price": limit}},
        "market": {"market_market_ioc": size},
        "quote": {"market_market_ioc": {"quote_size": str(draw(st.integers(1, 3000)))}},
        "stop": {
            "stop_limit_stop_limit_gtc": {
                **size,
                "limit_price": limit,
                "stop_price": limit,
                "stop_direction": f"STOP_DIRECTION_STOP_{draw(st.sampled_from(('UP', 'DOWN')))}",
            }
        },
    }
    name = f"bot-{draw(st.integers(0, 40))}"  # Some names come twice.
    return "order", {
        "client_order_id": name,
        "product_id": product,
        "side": side,
        "order_configuration": configurations[kind],
    }


@st.composite
def actions(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Action:
    kinds = ("order", "order", "order", "cancel", "edit", "fill", "price", "money", "convert", "vault", "time")
    kind = draw(st.sampled_from(kinds))
    if kind == "order":
        return _order(draw)
    index = draw(st.integers(0, 5))
    if kind == "cancel":
        return "cancel", {"index": index}
    if kind == "edit":
        return "edit", {"index": index, "size": str(Decimal(draw(st.integers(1, 3000))) / 1000)}
    if kind == "fill":
        return "fill", {"index": index, "share": draw(st.integers(1, 10))}
    if kind == "price":
        product, price, _ = draw(st.sampled_from(PRODUCTS))
        moved = Decimal(price) * draw(st.integers(950, 1050)) / 1000
        return "market_price", {"pair": product, "price": str(moved)}
    amount = str(Decimal(draw(st.integers(1, 10_000_000))).scaleb(-5))
    if kind == "money":
        asset = draw(st.sampled_from(("USD", "USDC", "BTC", "SOL")))
        return draw(st.sampled_from(("deposit", "withdrawal"))), {"asset": asset, "amount": amount}
    if kind == "convert":
        return "convert", {"asset": "USD", "to": "USDC", "amount": amount}
    if kind == "vault":
        return "vault", {"asset": "BTC", "amount": amount, "to": draw(st.sampled_from(("locked", "spot")))}
    return "time", {"by_s": draw(st.sampled_from((0.1, 1.0, 3.0, 30.0)))}


def perform(bench: Bench, action: Action) -> bytes:
    """Do one thing; what the venue said to it."""
    kind, fields = action
    if kind == "order":
        return bench.reply("POST", "orders", body=fields).body
    if kind == "time":
        bench.pass_time(fields["by_s"])
        return b""
    if kind not in ("cancel", "edit", "fill"):
        return _attempt(bench, kind, fields)
    orders = list(account_of(bench).orders.open.values())
    if not orders:
        return b"none"
    order = orders[fields["index"] % len(orders)]
    if kind == "cancel":
        return bench.reply("POST", "orders/batch_cancel", body={"order_ids": [order.id]}).body
    if kind == "edit":
        price = str(order.request.limit_price or 1)
        body = {"order_id": order.id, "size": fields["size"], "price": price}
        return bench.reply("POST", "orders/edit", body=body).body
    quantity = Decimal(int(order.remaining.scaleb(8)) * fields["share"] // 10).scaleb(-8)
    return _attempt(bench, "fill", {"order": order.id, "quantity": str(quantity)})


def _attempt(bench: Bench, kind: str, fields: dict[str, Any]) -> bytes:
    try:
        return str(bench.happen(kind, **fields)).encode()
    except ValueError as refused:
        return str(refused).encode()


def account_of(bench: Bench) -> Account:
    sim: Any = bench.sim
    account: Account = sim._exchange.accounts["master"]
    return account


def check_ledger(account: Account) -> None:
    running: dict[str, Decimal] = {}
    for entry in account.ledger.entries:
        running[entry.row] = running.get(entry.row, Decimal(0)) + entry.amount - entry.fee
        assert entry.balance == running[entry.row]
        assert entry.fee >= 0
    for row, balance in account.ledger.balances.items():
        assert balance == running.get(row, Decimal(0))
        assert balance >= 0, row


def check_holds(bench: Bench, account: Account, *, lags: bool) -> None:
    holds: dict[str, Decimal] = {}
    claims: dict[str, Decimal] = {}
    for order in account.orders.open.values():
        assert order.hold_asset is not None
        holds[order.hold_asset] = holds.get(order.hold_asset, Decimal(0)) + order.hold
        claims[order.hold_asset] = claims.get(order.hold_asset, Decimal(0)) + order.claim
        assert order.hold <= order.claim
    for asset, figures in bench.truth().items():
        held = Decimal(figures["held"])
        assert held >= holds.get(asset, Decimal(0)) if lags else held == holds.get(asset, Decimal(0)), asset
        assert Decimal(figures["total"]) >= held
    for asset, claim in claims.items():
        assert claim <= account.claimed(asset) <= account.tradable(asset), asset


def check_reads(bench: Bench) -> None:
    """Available and held of the accounts add up to the truth, currency by currency."""
    listed: dict[str, list[Decimal]] = {}
    for row in bench.get("accounts", limit=250)["accounts"]:
        if row["type"].endswith("VAULT"):
            continue
        available, held = Decimal(row["available_balance"]["value"]), Decimal(row["hold"]["value"])
        assert available >= 0
        assert held >= 0
        sums = listed.setdefault(row["currency"], [Decimal(0), Decimal(0)])
        sums[0], sums[1] = sums[0] + available, sums[1] + held
    truth = bench.truth()
    for currency, (available, held) in listed.items():
        assert (available, held) == (Decimal(truth[currency]["available"]), Decimal(truth[currency]["held"])), currency


class Mirror:
    """Open orders as a client of the stream would keep them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seen = 0
        self.rows: dict[str, dict[str, Any]] = {}

    def catch_up(self) -> None:
        frames = self._stream.raw
        for number, raw in enumerate(frames[self._seen :], self._seen):
            frame = json.loads(raw)
            assert frame["sequence_num"] == number
            if frame["channel"] == "user":
                for row in (row for event in frame["events"] for row in event["orders"]):
                    before = self.rows.get(row["order_id"])
                    if before is not None:
                        assert before["status"] not in OVER
                        assert Decimal(row["cumulative_quantity"]) >= Decimal(before["cumulative_quantity"])
                        assert Decimal(row["total_fees"]) >= Decimal(before["total_fees"])
                    self.rows[row["order_id"]] = row
        self._seen = len(frames)


SWITCHES = (
    *("does_hold_include_fee", "do_untriggered_stops_hold", "hold_release_lag_s", "is_fee_inside_quote_size"),
    *("are_short_funds_a_failure", "is_crossing_post_only_a_failure", "pending_s", "cancel_queued_s"),
    *("duplicate_client_order_id", "is_ack_before_snapshot", "second_cancel"),
)
settings_drawn = st.fixed_dictionaries({name: st.sampled_from(OPEN_POINTS[name]) for name in SWITCHES})


@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(st.lists(actions(), min_size=5, max_size=25), settings_drawn, st.integers(0, 3))
def test_money_is_conserved_holds_are_covered_and_all_tell_the_same(
    steps: list[Action], switches: dict[str, Any], seed: int
) -> None:
    bench = Bench(seed=seed, are_calls_counted=False, **switches)
    stream = bench.stream()
    stream.subscribe("user")
    stream.subscribe("heartbeats")
    mirror = Mirror(stream)
    account = account_of(bench)
    for step in steps:
        perform(bench, step)
        check_ledger(account)
        check_holds(bench, account, lags=bool(switches["hold_release_lag_s"]))
        mirror.catch_up()
        assert {name for name, row in mirror.rows.items() if row["status"] not in OVER} == set(account.orders.open)
    check_reads(bench)
    for row in bench.get("orders/historical/batch")["orders"]:
        told = mirror.rows[row["order_id"]]
        assert (told["status"], told["cumulative_quantity"]) == (row["status"], row["filled_size"])
        assert (told["total_fees"], told["outstanding_hold_amount"]) == (
            row["total_fees"],
            row["outstanding_hold_amount"],
        )
    names = [row["client_order_id"] for row in bench.get("orders/historical/batch")["orders"]]
    assert len(set(names)) == len(names)


@hypothesis.settings(max_examples=max(3, EXAMPLES // 10), suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(st.lists(actions(), min_size=5, max_size=25), st.integers(0, 3))
def test_same_seed_and_requests_give_the_same_bytes_under_any_decimal_context(steps: list[Action], seed: int) -> None:
    expected = lived(seed, steps)
    hostile = decimal.Context(prec=6, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.FloatOperation])
    with decimal.localcontext(hostile):
        found = lived(seed, steps)
    assert found == expected


def lived(seed: int, steps: list[Action]) -> tuple[list[bytes], list[bytes], str]:
    """Everything the venue says during *steps*."""
    bench = Bench(seed=seed, are_calls_counted=False)
    stream = bench.stream()
    stream.subscribe("user")
    for channel in ("level2", "ticker", "market_trades", "candles"):
        stream.subscribe(channel, "BTC-USD")
    said = [perform(bench, step) for step in steps if step[0] != "fill"]  # A share is worked out in the test.
    bench.pass_time(3)
    for path in ("accounts", "orders/historical/batch", "orders/historical/fills", "transaction_summary", "products"):
        said.append(bench.reply("GET", path).body)
    said.append(bench.reply("GET", f"portfolios/{bench.get('key_permissions')['portfolio_uuid']}").body)
    preview = {
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": {"market_market_ioc": {"quote_size": "77"}},
    }
    preview_reply = json.loads(bench.reply("POST", "orders/preview", body=preview).body)
    said.append(json.dumps(preview_reply).encode())
    return said, stream.raw, str(bench.sim.truth())
