"""Events: what happens at the venue by itself, how mistakes are answered, and what nothing of it changes."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.simulators.okx.events import CATALOGUE
from holdfast.simulators.okx.faults import CATALOGUE as FAULTS
from tests.simulators.okx.bench import Bench

GOOD: dict[str, dict[str, Any]] = {
    "deposit": {"asset": "USDT", "amount": "5"},
    "withdrawal": {"asset": "USDT", "amount": "5", "fee": "1"},
    "adjustment": {"asset": "USDT", "amount": "-5"},
    "interest": {"asset": "USDT", "amount": "0.1"},
    "burst": {"count": 2},
    "pot_transfer": {"asset": "USDT", "amount": "5", "to": "trading"},
    "transfer": {"asset": "USDT", "amount": "5", "to": "sub1"},
    "bot_equity": {"asset": "BTC", "amount": "0.1"},
    "external_trade": {"pair": "BTC-USDT", "side": "buy", "quantity": "0.01"},
    "external_order": {"pair": "BTC-USDT", "side": "buy", "quantity": "0.01", "price": "20000"},
    "external_cancel": {},
    "venue_cancel": {"reason": "33"},
    "fill": {"order": "mine"},
    "market_price": {"pair": "BTC-USDT", "price": "38000"},
    "maintenance": {"starts_in_s": 5, "lasts_s": 5},
    "outage": {"on": True},
    "instrument_state": {"pair": "BTC-USDT", "state": "suspend"},
    "account_mode": {"mode": "3"},
    "account_block": {"on": True},
    "fee_type": {"type": "1"},
    "key_revocation": {},
    "key_freeze": {"on": True},
    "key_region": {"elsewhere": True},
    "key_environment": {"environment": "demo"},
    "new_key": {"name": "second", "permissions": ["read_only"]},
    "permissions": {"permissions": ["read_only"]},
    "passphrase": {"to": "x"},
    "ip_allow_list": {"addresses": []},
    "new_account": {"name": "another"},
    "setting": {"name": "snapshot_s", "value": 1.0},
    "clock": {"by_s": 1},
}

BAD: list[dict[str, Any]] = [
    {"kind": "party"},
    {"kind": "deposit", "asset": "USDT"},
    {"kind": "deposit", "asset": "NOPE", "amount": "1"},
    {"kind": "deposit", "asset": "USDT", "amount": "0"},
    {"kind": "deposit", "asset": "USDT", "amount": "1", "color": "red"},
    {"kind": "deposit", "asset": "USDT", "amount": "0.000000001"},
    {"kind": "deposit", "asset": "USDT", "amount": "1", "account": "nobody"},
    {"kind": "withdrawal", "asset": "USDT", "amount": "10001"},
    {"kind": "pot_transfer", "asset": "USDT", "amount": "201", "to": "trading"},
    {"kind": "transfer", "asset": "USDT", "amount": "1", "to": "master"},
    {"kind": "bot_equity", "asset": "BTC", "amount": "-1"},
    {"kind": "external_trade", "pair": "BTC-USDT", "side": "buy", "quantity": "50"},
    {"kind": "external_trade", "pair": "X-Y", "side": "buy", "quantity": "1"},
    {"kind": "external_cancel", "order": "12"},
    {"kind": "venue_cancel", "reason": "because"},
    {"kind": "fill", "order": "12"},
    {"kind": "market_price", "pair": "BTC-USDT", "price": "-1"},
    {"kind": "instrument_state", "pair": "BTC-USDT", "state": "asleep"},
    {"kind": "account_mode", "mode": "5"},
    {"kind": "key_revocation", "key": "nobody"},
    {"kind": "permissions", "permissions": ["everything"]},
    {"kind": "new_account", "name": "master"},
    {"kind": "new_key", "name": "trading"},
    {"kind": "setting", "name": "nonsense", "value": 1},
    {"kind": "setting", "name": "snapshot_s", "value": "soon"},
    {"kind": "setting", "name": "burst_share", "value": 7},
]


def test_every_event_is_tried_here() -> None:
    assert list(GOOD) == list(CATALOGUE)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_event_happens_and_says_what_came_of_it(kind: str) -> None:
    bench = Bench()
    if kind == "transfer":
        bench.happen("new_account", name="sub1")
    if kind in ("fill", "external_cancel", "venue_cancel"):
        bench.limit(clOrdId="mine")
    assert bench.happen(kind, **GOOD[kind])["kind"] == kind


@pytest.mark.parametrize("event", BAD, ids=lambda event: "-".join(map(str, event.values())))
def test_mistaken_event_is_refused_by_name_and_changes_nothing(event: dict[str, Any]) -> None:
    bench = Bench()
    before = bench.sim.truth()
    with pytest.raises(ValueError, match=r"\w"):
        bench.sim.happen(event)
    assert bench.sim.truth() == before


@pytest.mark.parametrize("fault", [{"kind": name, "nonsense": 1} for name in FAULTS])
def test_mistaken_fault_is_refused_by_name(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nonsense"):
        Bench().sim.impair(fault)


def test_fault_of_another_venue_is_not_ours() -> None:
    assert Bench().sim.impair({"kind": "stolen_nonce"}) is False


def test_money_moves_between_accounts_and_pots_and_is_conserved() -> None:
    bench = Bench(profile="many")
    bench.happen("transfer", asset="USDT", amount="100", to="sub1")
    assert bench.truth("sub1")["USDT"]["total"] == "2600"
    assert bench.truth()["USDT"]["total"] == "99900"
    bench.happen("deposit", asset="USDT", amount="50", pot="funding")
    assert bench.sim.truth()["accounts"]["master"]["funding"] == {"USDT": "50"}
    bench.happen("pot_transfer", asset="USDT", amount="50", to="trading")
    assert bench.truth()["USDT"]["total"] == "99950"
    assert bench.sim.truth()["accounts"]["master"]["funding"] == {"USDT": "0"}


def test_price_that_reaches_an_order_fills_it_in_parts_where_the_setting_says_so() -> None:
    bench = Bench(resting_fill_parts=2, refill_s=1.0)
    order_id = bench.limit(px="39000", sz="0.01")
    bench.happen("market_price", pair="BTC-USDT", price="38000")
    assert bench.details(order_id)["state"] == "partially_filled"
    bench.pass_time(1.0)
    assert bench.details(order_id)["state"] == "filled"
    (first, second) = bench.get("trade/fills")
    assert first["execType"] == second["execType"] == "M"


def test_setting_that_changes_on_the_way_is_the_engines_too() -> None:
    bench = Bench()
    bench.happen("setting", name="resting_fill_parts", value=2)
    order_id = bench.limit(px="39000", sz="0.01")
    bench.happen("market_price", pair="BTC-USDT", price="38000")
    assert bench.details(order_id)["state"] == "partially_filled"


def test_others_cancel_and_the_venue_says_why_it_did() -> None:
    bench = Bench()
    ours, theirs = bench.limit(), bench.limit()
    bench.happen("venue_cancel", order=ours, reason="32")
    bench.happen("external_cancel")
    assert [bench.details(name)["cancelSource"] for name in (ours, theirs)] == ["32", "1"]


def test_new_key_and_account_are_answered_with_their_secrets() -> None:
    bench = Bench()
    credential = bench.happen("new_key", name="reader", permissions=["read_only"])["credential"]
    assert bench.envelope("GET", "account/config", credential=credential)["data"][0]["perm"] == "read_only"
    other = bench.happen("new_account", name="sub9")["credential"]
    (config,) = bench.envelope("GET", "account/config", credential=other)["data"]
    assert config["uid"] != config["mainUid"]


def test_busy_profile_trades_by_itself_and_stays_true_to_its_bills() -> None:
    bench = Bench(profile="busy")
    bench.pass_time(60)
    fills = bench.get("trade/fills")
    assert fills
    for code in ("USDT", "BTC"):
        newest = bench.get("account/bills", ccy=code, limit="1")
        if newest:
            assert newest[0]["bal"] == bench.balance(code)["cashBal"]


def test_same_seed_gives_the_same_bytes() -> None:
    def life(seed: int) -> list[bytes]:
        bench = Bench(seed=seed, profile="busy")
        stream = bench.stream()
        stream.subscribe("account")
        stream.subscribe("orders", instType="ANY")
        bench.limit()
        bench.pass_time(20)
        return [*stream.raw, bench.reply("GET", "account/bills").body]

    assert life(3) == life(3)
    assert life(3) != life(4)
