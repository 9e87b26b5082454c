"""What can be made to happen, and how a mistake in asking for it is answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.kraken.events import CATALOGUE as EVENTS
from holdfast.simulators.kraken.faults import CATALOGUE as FAULTS
from tests.simulators.kraken.bench import Bench

# One valid example of every event, on the profile named.
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "deposit": ("plain", {"asset": "USD", "amount": "1.5", "fee": "0.5"}),
    "withdrawal": ("plain", {"asset": "BTC", "amount": "0.1", "fee": "0.001"}),
    "adjustment": ("plain", {"asset": "USD", "amount": "-3"}),
    "burst": ("plain", {"count": 3}),
    "external_trade": ("plain", {"pair": "BTC-USD", "side": "buy", "quantity": "0.01"}),
    "external_order": ("plain", {"pair": "XBTUSD", "side": "sell", "quantity": "0.01", "price": "50000"}),
    "external_cancel": ("plain", {}),
    "venue_cancel": ("plain", {"order": "mine", "reason": "Because", "expires": False}),
    "fill": ("plain", {"order": "mine", "quantity": "0.001"}),
    "transfer": ("many", {"asset": "USD", "amount": "5", "to": "sub1"}),
    "auto_earn_move": ("plain", {"asset": "ETH", "amount": "1", "to": "earn"}),
    "auto_earn": ("plain", {"asset": "ETH", "on": True}),
    "staking": ("plain", {"asset": "ETH", "amount": "1", "suffix": "S"}),
    "reward": ("plain", {"asset": "DOT", "amount": "0.1", "suffix": "S"}),
    "credit": ("plain", {"asset": "USD", "amount": "100"}),
    "market_price": ("plain", {"pair": "BTC-USD", "price": "41000"}),
    "mode": ("plain", {"mode": "cancel_only"}),
    "pair_status": ("plain", {"pair": "BTC/USD", "status": "reduce_only"}),
    "maintenance": ("plain", {"starts_in_s": 60, "lasts_s": 60.5, "title": "x"}),
    "emergency": ("plain", {"title": "x"}),
    "token_revocation": ("plain", {"closes": True}),
    "key_revocation": ("plain", {"key": "KEY"}),
    "key_expiry": ("plain", {"key": "KEY", "in_s": 5}),
    "new_key": ("plain", {"name": "other", "permissions": ["query-funds"], "nonce_window": 10}),
    "permissions": ("plain", {"key": "KEY", "permissions": []}),
    "nonce_window": ("plain", {"key": "KEY", "window": 10}),
    "ip_allow_list": ("plain", {"key": "KEY", "addresses": ["192.0.2.1"]}),
    "tier": ("plain", {"tier": "starter"}),
    "new_account": ("plain", {"name": "sub7"}),
    "setting": ("plain", {"name": "are_holds_rounded_up", "value": True}),
    "clock": ("plain", {"by_s": -2.5}),
}


def asked(bench: Bench, fields: dict[str, Any]) -> dict[str, Any]:
    return {name: bench.credential["key"] if value == "KEY" else value for name, value in fields.items()}


def test_a_setting_changes_at_once_and_a_wrong_one_is_refused_by_name() -> None:
    bench = Bench()
    bench.happen("setting", name="maker_rebate_percent", value="0.02")
    assert str(bench.sim._exchange.settings.maker_rebate_percent) == "0.02"
    with pytest.raises(ValueError, match="no setting 'colour'"):
        bench.happen("setting", name="colour", value=1)
    for value in (5, "never", None):
        with pytest.raises(ValueError, match="numbers"):
            bench.happen("setting", name="numbers", value=value)


def test_a_key_that_is_not_named_is_the_first_of_the_master_account() -> None:
    bench = Bench()
    bench.happen("key_revocation")
    assert bench.envelope("Balance")["error"] == ["EAPI:Invalid key"]


def test_every_event_has_an_example() -> None:
    assert set(EXAMPLES) == set(EVENTS)


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_can_happen_and_says_what_came_of_it(kind: str) -> None:
    profile, fields = EXAMPLES[kind]
    bench = Bench(profile=profile)
    bench.limit(cl_ord_id="mine")
    assert bench.happen(kind, **asked(bench, fields))["kind"] == kind


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_refuses_a_field_it_does_not_know(kind: str) -> None:
    profile, fields = EXAMPLES[kind]
    bench = Bench(profile=profile)
    with pytest.raises(ValueError, match=f"event {kind} has no field 'colour'"):
        bench.happen(kind, **asked(bench, fields), colour="red")


@pytest.mark.parametrize("kind", [kind for kind, event in EVENTS.items() if event.required])
def test_every_event_names_what_it_lacks(kind: str) -> None:
    with pytest.raises(ValueError, match=f"event {kind} needs .*{EVENTS[kind].required[-1]}"):
        Bench().happen(kind)


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("dance", {}, "unknown event kind 'dance'"),
        (None, {}, "unknown event kind None"),
        ("deposit", {"asset": "NOPE", "amount": "1"}, "unknown asset 'NOPE'"),
        ("deposit", {"asset": "XXBT", "amount": "1"}, "unknown asset 'XXBT'"),
        ("deposit", {"asset": "USD", "amount": "-1"}, "above 0"),
        ("deposit", {"asset": "USD", "amount": "1e400"}, "amount as text"),
        ("deposit", {"asset": "USD", "amount": "NaN"}, "amount as text"),
        ("deposit", {"asset": "USD", "amount": 1.5}, "amount as text"),
        ("deposit", {"asset": "USD", "amount": True}, "amount as text"),
        ("deposit", {"asset": "USD", "amount": "0.00001"}, "4 decimals"),
        ("deposit", {"asset": "USD", "amount": "1", "account": "nobody"}, "unknown account 'nobody'"),
        ("withdrawal", {"asset": "USD", "amount": "10000.0001"}, "has only 10000"),
        ("withdrawal", {"asset": "USD", "amount": "10000", "fee": "1"}, "has only 10000"),
        ("external_trade", {"pair": "BTC-USD", "side": "hold", "quantity": "1"}, "one of buy, sell"),
        ("external_trade", {"pair": "BTC-USD", "side": "buy", "quantity": "1"}, "cannot fund it"),
        ("external_trade", {"pair": "BTC-EURO", "side": "buy", "quantity": "1"}, "unknown pair"),
        ("fill", {"order": "nobody"}, "no open order"),
        ("transfer", {"asset": "USD", "amount": "1", "to": "master"}, "another account"),
        ("auto_earn", {"asset": "EUR", "on": True}, "no auto-earn row"),
        ("auto_earn", {"asset": "ETH", "on": "yes"}, "true or false"),
        ("staking", {"asset": "EUR", "amount": "1"}, "no row with the suffix"),
        ("staking", {"asset": "ETH", "amount": "99"}, "has only 3"),
        ("mode", {"mode": "party"}, "one of online"),
        ("market_price", {"pair": "BTC-USD", "price": "0"}, "above 0"),
        ("key_revocation", {"key": "SIMnobody"}, "unknown key"),
        ("permissions", {"key": "KEY", "permissions": ["fly"]}, "unknown permission 'fly'"),
        ("permissions", {"key": "KEY", "permissions": "all"}, "list of texts"),
        ("new_account", {"name": "master"}, "already"),
        ("new_key", {"name": "trading"}, "already"),
        ("nonce_window", {"key": "KEY", "window": -1}, "whole number"),
        ("maintenance", {"starts_in_s": "soon", "lasts_s": 1}, "seconds"),
    ],
)
def test_mistake_is_answered_with_what_is_expected(kind: Any, fields: dict[str, Any], says: str) -> None:
    bench = Bench()
    truth = bench.sim.truth()
    with pytest.raises(ValueError, match=says):
        bench.sim.happen({"kind": kind, **asked(bench, fields)})
    assert bench.sim.truth() == truth


def test_error_texts_never_name_a_secret() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="unknown key") as caught:
        bench.happen("key_revocation", key=bench.credential["secret"])
    assert bench.credential["secret"] not in str(caught.value)


def test_money_events_move_the_truth_exactly() -> None:
    bench = Bench()
    bench.happen("deposit", asset="USD", amount="100", fee="1")
    bench.happen("withdrawal", asset="USD", amount="50", fee="0.5")
    bench.happen("adjustment", asset="USD", amount="-0.0001")
    assert bench.truth()["USD"]["total"] == "10048.4999"
    bench.happen("deposit", asset="XRP", amount="7")
    assert bench.truth()["XRP"] == {"total": "7", "held": "0", "available": "7"}


def test_withdrawal_takes_what_it_needs_from_the_earning_row() -> None:
    bench = Bench(profile="earn")
    bench.happen("withdrawal", asset="BTC", amount="0.15")
    assert bench.truth()["BTC"]["total"] == "0.25"
    assert bench.call("Balance")["XBT.F"] == "0.2500000000"


def test_transfer_conserves_money_between_accounts() -> None:
    bench = Bench(profile="many")
    bench.happen("transfer", asset="USD", amount="123.45", to="sub1")
    bench.happen("transfer", account="sub1", asset="USD", amount="23.45", to="master")
    assert bench.truth()["USD"]["total"] == "99900"
    assert bench.truth("sub1")["USD"]["total"] == "2600"


def test_staking_locks_and_unlocks() -> None:
    bench = Bench()
    bench.happen("staking", asset="ETH", amount="2", suffix="B")
    truth = bench.truth()
    assert (truth["ETH"]["total"], truth["ETH.B"]) == ("1", {"total": "2", "held": "0", "available": "0"})
    bench.happen("staking", asset="ETH", amount="0.5", suffix="B", to="spot")
    assert bench.truth()["ETH"]["available"] == "1.5"


def test_external_trade_is_one_of_ours_that_we_did_not_place() -> None:
    bench = Bench()
    happened = bench.happen("external_trade", pair="BTC-USD", side="sell", quantity="0.1")
    assert happened["status"] == "closed"
    assert list(bench.call("ClosedOrders")["closed"]) == [happened["order"]]
    assert Decimal(bench.truth()["BTC"]["total"]) < Decimal("0.3")


def test_new_key_and_new_account_come_with_working_credentials() -> None:
    bench = Bench()
    key = bench.happen("new_key", name="reader", permissions=["query-funds"])["credential"]
    assert bench.call("Balance", nonce=1, credential=key)["ZUSD"] == "10000.0000"
    assert bench.error("CancelAll", nonce=2, credential=key) == "EGeneral:Permission denied"
    other = bench.happen("new_account", name="sub7")["credential"]
    assert bench.call("Balance", nonce=1, credential=other) == {}
    assert [c["account"] for c in bench.sim.credentials()] == ["master", "master", "sub7"]


# Faults

FAULT_EXAMPLES: dict[str, dict[str, Any]] = {
    "rest_lag": {"by_s": 30, "for_s": 10},
    "hold_lag": {"by_s": 30},
    "stolen_nonce": {"scale": "ns"},
    "lockout": {"for_s": 5},
    "token_death": {"closes": False},
    "missing_event": {"channel": "executions", "exec_type": "trade", "count": 2},
    "sequence_gap": {"channel": "balances"},
    "sequence_duplicate": {"count": 1},
    "sequence_regress": {"by": 2},
    "sequence_reorder": {},
    "mute_channel": {"channel": "*", "for_s": 5},
    "freeze_channel": {"channel": "balances"},
    "mute_stream": {"for_s": 5},
    "close_streams": {"code": 1011, "reason": "x"},
    "snapshot_empty": {},
    "update_before_snapshot": {},
    "extra_snapshot": {},
    "foreign_row": {"asset": "BTC", "amount": "2", "wallet_type": "futures", "wallet_id": "flex"},
    "false_balance": {"asset": "USD", "by": "-5"},
    "subscribe_error": {"error": "EService:Busy"},
    "foreign_ack": {},
    "clock_skew": {"by_s": -31},
    "server_time": {"form": "frozen"},
    "empty_result": {"form": "null", "read": "Balance"},
    "vanish": {"asset": "XXBT"},
    "override_row": {"asset": "XXBT", "balance": "-1", "hold": "2"},
    "scale_balances": {"factor": "2"},
    "refuse": {"name": "Balance", "error": "EService:Busy", "when": "after", "count": 3},
    "rate_limit": {"above": 5, "engine": True},
}


def test_every_fault_has_an_example() -> None:
    assert set(FAULT_EXAMPLES) == set(FAULTS)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_taken_and_cleared(kind: str) -> None:
    bench = Bench()
    bench.impair(kind, **FAULT_EXAMPLES[kind])
    bench.heal()


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_refuses_a_field_it_does_not_know(kind: str) -> None:
    with pytest.raises(ValueError, match=f"fault {kind} has no field 'colour'"):
        Bench().impair(kind, **FAULT_EXAMPLES[kind], colour="red")


@pytest.mark.parametrize("fault", [{"kind": "html"}, {"kind": None}, {"kind": 7}, {"action": "x"}])
def test_a_fault_of_another_kind_is_somebody_elses(fault: dict[str, Any]) -> None:
    assert Bench().sim.impair(fault) is False


def test_counted_fault_acts_once_unless_told_otherwise() -> None:
    bench = Bench()
    bench.impair("refuse", name="Balance")
    assert bench.error("Balance") == "EService:Unavailable"
    bench.call("Balance")
    bench.impair("refuse", name="Balance", for_s=5)
    for _ in range(3):
        assert bench.error("Balance") == "EService:Unavailable"
    bench.pass_time(5)
    bench.call("Balance")


def test_fault_for_a_key_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="public key"):
        Bench().impair("lockout", key="SIMnobody")


def test_counters_can_be_put_over_their_maximum() -> None:
    bench = Bench()
    txid = bench.limit()
    bench.impair("rate_limit", above=2, engine=True)
    assert bench.error("Balance") == "EAPI:Rate limit exceeded"
    assert bench.error("CancelOrder", txid=txid) == "EOrder:Rate limit exceeded"
    bench.pass_time(3.5)
    bench.call("Balance")
