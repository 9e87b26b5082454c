"""The venue as a whole: replays, truth, events, background, names for the fault plan, and the front that serves it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.coinbase import OPEN_POINTS, CoinbaseSimulator
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.run import PROFILES, simulated_venue
from tests.simulators.coinbase.bench import V3, Bench
from tests.simulators.manual_time import ManualClock, ManualTimers


def lived(bench: Bench) -> list[bytes]:
    """What one scripted life gives, byte for byte; tokens aside, which clients make."""
    stream = bench.stream()
    stream.subscribe("user")
    stream.subscribe("ticker", "BTC-USD")
    said = [bench.reply("POST", "orders", body=bench.gtc(id_="a")).body]
    said.append(bench.reply("POST", "orders", body=bench.body(id_="b", market_market_ioc={"quote_size": "100"})).body)
    bench.pass_time(30)
    said.append(bench.reply("GET", "orders/historical/batch").body)
    said.append(bench.reply("GET", "accounts", query="limit=250").body)
    return said + stream.raw


@pytest.mark.parametrize("profile", ["plain", "busy"])
def test_same_seed_and_requests_give_the_same_bytes(profile: str) -> None:
    first = lived(Bench(profile=profile))
    assert lived(Bench(profile=profile)) == first
    assert lived(Bench(profile=profile, seed=8)) != first


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_can_be_had_by_name(profile: str) -> None:
    clock = ManualClock()
    venue = simulated_venue("coinbase", profile=profile, clock=clock, timers=ManualTimers(clock))
    assert isinstance(venue, CoinbaseSimulator)
    assert venue.id == "coinbase"
    assert venue.credentials()[0]["account"] == "master"
    with pytest.raises(ValueError, match="unknown profile"):
        CoinbaseSimulator(seed=1, profile="no such", clock=clock, timers=ManualTimers(clock))


@pytest.mark.parametrize("name", OPEN_POINTS)
def test_life_goes_on_under_every_value_of_every_open_point(name: str) -> None:
    for value in OPEN_POINTS[name]:
        settings: dict[str, Any] = {"are_calls_counted": False, name: value}
        bench = Bench(**settings)
        if (name, value) == ("is_ed25519_accepted", False):
            assert bench.credential["secret"].startswith("-----BEGIN")  # The default keys are others.
        stream = bench.stream()
        stream.subscribe("user")
        order = bench.limit()
        bench.market()
        bench.pass_time(3)
        bench.post("orders/batch_cancel", {"order_ids": [order]})
        bench.pass_time(3)
        assert bench.order(order)["status"] == "CANCELLED"
        assert bench.truth()["USD"]["held"] == "0"
        assert Decimal(bench.truth()["BTC"]["total"]) == Decimal("0.41")
        assert Decimal(bench.wallets()["BTC"]["available_balance"]["value"]) == Decimal("0.41")


class TestTruth:
    def test_totals_are_the_sum_of_the_entries_and_holds_of_the_orders(self) -> None:
        bench = Bench(profile="busy")
        posted: list[LedgerEntry] = []
        bench.sim.watch(entries=lambda account, entries: posted.extend(entries))
        before = bench.truth()
        for price in ("39000", "39500"):
            bench.limit(price=price)
        bench.pass_time(120)
        assert posted
        after = bench.truth()
        for asset, figures in after.items():
            moved = sum((entry.amount - entry.fee for entry in posted if entry.row == asset), Decimal(0))
            assert Decimal(figures["total"]) - Decimal(before[asset]["total"]) == moved
        held = sum((order.hold for order in bench.sim.open_orders() if order.hold_asset == "USD"), Decimal(0))
        assert Decimal(after["USD"]["held"]) == held

    def test_orders_are_all_that_were_accepted(self) -> None:
        bench = Bench()
        order = bench.limit(id_="a")
        bench.rejection(bench.gtc(size="100"))
        (stated,) = bench.sim.orders()["accounts"]["master"]["orders"]
        assert (stated["order_id"], stated["client_order_id"], stated["status"]) == (order, "a", "open")
        assert stated["claimed"] == {"USD": "390.9750000000000000"}

    def test_readings_for_scenarios(self) -> None:
        bench = Bench()
        bench.limit()
        sim = bench.sim
        assert sim.mid("BTC-USD") == 40000
        assert sim.total("BTC") == Decimal("0.4")
        assert sim.free("USD") == Decimal("9609.025")
        assert sim.asset_of("BTC@VAULT") == "BTC.VAULT"
        assert sim.decimals("USD") == 16
        assert sim.takes_orders("BTC-USD")
        bench.happen("pair_status", pair="BTC-USD", status="offline")
        assert not sim.takes_orders("BTC-USD")
        assert sim.now_us() == bench.clock.wall_us()

    def test_listed_wallets_and_the_truth_are_the_same_money(self) -> None:
        for profile in PROFILES:
            bench = Bench(profile=profile)
            rows = bench.sim.truth()["accounts"]["master"]["rows"]
            for asset, figures in bench.truth().items():
                listed = [row for name, row in rows.items() if bench.sim.asset_of(name) == asset]
                if listed:
                    total = sum(Decimal(row["available_balance"]) + Decimal(row["hold"]) for row in listed)
                    assert total == Decimal(figures["total"])


class TestEvents:
    def test_strangers_act_on_the_same_portfolio(self) -> None:
        bench = Bench()
        traded = bench.happen("external_trade", pair="BTC-USD", side="sell", quantity="0.1")
        assert bench.order(traded["order"])["status"] == "FILLED"
        placed = bench.happen("external_order", pair="BTC-USD", side="buy", quantity="0.01", price="39000")
        assert bench.order(placed["order"])["status"] == "OPEN"
        bench.happen("external_cancel", order=placed["order"])
        assert bench.order(placed["order"])["status"] == "CANCELLED"
        order = bench.limit()
        bench.happen("venue_cancel", order=order, reason="Internal error")
        assert bench.order(order)["cancel_message"] == "Internal error"
        order = bench.limit()
        bench.happen("venue_cancel", expires=True)
        assert bench.order(order)["status"] == "EXPIRED"
        assert bench.happen("external_cancel") == {"kind": "external_cancel", "count": 0}

    def test_further_keys_and_portfolios(self) -> None:
        bench = Bench()
        key = bench.happen("new_key", name="second", permissions=["view"], algorithm="EdDSA")["credential"]
        reply = bench.reply("GET", "key_permissions", credential=key)
        assert json.loads(reply.body)["can_trade"] is False
        other = bench.happen("new_account", name="sub")["credential"]
        reply = bench.reply("GET", "accounts", credential=other)
        assert json.loads(reply.body)["accounts"] == []

    @pytest.mark.parametrize(
        ("event", "says"),
        [
            ({"kind": "no_such"}, "unknown event kind"),
            ({"kind": "deposit", "asset": "USD"}, "needs amount"),
            ({"kind": "deposit", "asset": "USD", "amount": 1.5}, "amount"),
            ({"kind": "deposit", "asset": "XXX", "amount": "1"}, "unknown asset"),
            ({"kind": "deposit", "asset": "USD", "amount": "-1"}, "above 0"),
            ({"kind": "deposit", "asset": "USD", "amount": "1e-17"}, "decimals"),
            ({"kind": "withdrawal", "asset": "USD", "amount": "1000000"}, "free"),
            ({"kind": "transfer", "asset": "USD", "amount": "1", "to": "nobody"}, "unknown account"),
            ({"kind": "transfer", "asset": "USD", "amount": "1", "to": "master"}, "another portfolio"),
            ({"kind": "convert", "asset": "USD", "to": "USD", "amount": "1"}, "another asset"),
            ({"kind": "vault", "asset": "BTC", "amount": "1", "to": "spot"}, "to bring back"),
            ({"kind": "fill", "order": "nobody"}, "no open order"),
            ({"kind": "market_price", "pair": "BTC-XXX", "price": "1"}, "unknown pair"),
            ({"kind": "market_price", "pair": "BTC-USD", "price": "0"}, "above 0"),
            ({"kind": "mode", "mode": "asleep"}, "one of"),
            ({"kind": "permissions", "permissions": ["rule"]}, "unknown permission"),
            ({"kind": "key_revocation", "key": "nobody"}, "unknown key"),
            ({"kind": "new_key", "name": "trading"}, "already"),
            ({"kind": "new_account", "name": "master"}, "already"),
            ({"kind": "external_order", "pair": "BTC-USD", "side": "buy", "quantity": "9", "price": "39000"}, "fund"),
        ],
    )
    def test_mistake_is_named_and_changes_nothing(self, event: dict[str, Any], says: str) -> None:
        bench = Bench()
        before = bench.sim.truth()
        with pytest.raises(ValueError, match=says):
            bench.sim.happen(event)
        assert bench.sim.truth() == before

    def test_faults_of_others_are_not_ours_and_mistakes_in_ours_are_named(self) -> None:
        sim = Bench().sim
        assert sim.impair({"kind": "stolen_nonce"}) is False
        for fault in ({"kind": "rest_lag"}, {"kind": "rest_lag", "by_s": "5"}, {"kind": "lockout", "key": "nobody"}):
            with pytest.raises(ValueError, match="fault"):
                sim.impair(fault)
        assert sim.impair({}) is True


def test_prices_walk_and_another_bot_trades_at_a_busy_venue() -> None:
    bench = Bench(profile="busy")
    prices = set()
    for _ in range(30):
        bench.pass_time(2)
        prices.add(bench.sim.mid("BTC-USD"))
    assert len(prices) > 3
    assert bench.get("orders/historical/fills")["fills"]


def test_journal_can_leave_out_heartbeats_and_nothing_else() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("heartbeats")
    bench.pass_time(2)
    journal = Journal(bench.clock, describe_frame=bench.sim.describe_frame, keeps_heartbeats=False)
    for frame in stream.raw:
        journal.note_frame("ws_out", frame, 1)
    assert [entry["channel"] for entry in journal.since()["entries"]] == ["subscriptions"]


class TestNames:
    @pytest.mark.parametrize(
        ("method", "path", "name"),
        [
            ("GET", "accounts", "ListAccounts"),
            ("GET", "accounts/0f0e-1", "GetAccount"),
            ("POST", "orders", "CreateOrder"),
            ("POST", "orders/batch_cancel", "CancelOrders"),
            ("GET", "orders/historical/batch", "ListOrders"),
            ("GET", "orders/historical/6f0c-2", "GetOrder"),
            ("GET", "products/BTC-USD/candles", "GetProductCandles"),
            ("GET", "market/products/BTC-USD", "GetProduct"),
            ("DELETE", "orders", f"{V3}/orders"),
        ],
    )
    def test_request_has_its_documented_name(self, method: str, path: str, name: str) -> None:
        request = SimRequest(method=method, path=f"{V3}/{path}", query="", headers={}, body=b"")
        assert Bench().sim.describe(request) == {"name": name}

    def test_key_and_client_order_id_are_facts(self) -> None:
        bench = Bench()
        request = SimRequest(
            method="POST",
            path=f"{V3}/orders",
            query="",
            headers={"authorization": f"Bearer {bench.token('x')}"},
            body=json.dumps(bench.gtc(id_="bot-1")).encode(),
        )
        assert bench.sim.describe(request) == {
            "name": "CreateOrder",
            "key": bench.credential["key"],
            "client_order_id": "bot-1",
        }

    def test_unknown_path_is_not_found(self) -> None:
        bench = Bench()
        assert bench.refused("GET", "nothing") == (
            404,
            {"error": "unknown", "error_details": "Not Found", "message": "Not Found"},
        )
        assert bench.refused("DELETE", "orders")[0] == 404
        assert bench.refused("GET", "/v2/nothing")[1] == {"errors": [{"id": "not_found", "message": "Not found"}]}

    def test_get_with_a_body_is_taken(self) -> None:
        assert Bench().reply("GET", "accounts", body={}).status == 200
