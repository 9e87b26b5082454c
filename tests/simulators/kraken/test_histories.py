"""
Orders, trades and ledger entries of the past.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-open-orders,
https://docs.kraken.com/api/docs/rest-api/get-trade-history,
https://docs.kraken.com/api-reference/account-data/get-ledgers-info.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.kraken.bench import Bench


def quiet(**settings: Any) -> Bench:
    return Bench(are_calls_counted=False, **settings)


def test_trade_has_the_documented_fields() -> None:
    bench = quiet()
    txid = bench.market("buy", "0.01")
    result = bench.call("TradesHistory", ledgers="true")
    assert result["count"] == 1
    (trade_id,) = result["trades"]
    trade = result["trades"][trade_id]
    assert set(trade) == {
        *("ordertxid", "postxid", "pair", "time", "type", "ordertype", "price", "cost", "fee", "vol", "margin"),
        *("leverage", "misc", "trade_id", "maker", "ledgers"),
    }
    assert (trade["ordertxid"], trade["pair"], trade["maker"]) == (txid, "XXBTZUSD", False)
    assert isinstance(trade["trade_id"], int)
    assert trade["time"] == Decimal(bench.clock.wall_us()) / 1_000_000
    entries = bench.call("QueryLedgers", id=",".join(trade["ledgers"]))
    assert {entry["refid"] for entry in entries.values()} == {trade_id}
    assert set(entries) == set(trade["ledgers"])


def test_spot_trade_is_two_entries_and_each_balance_follows_from_the_one_before() -> None:
    bench = quiet()
    bench.market("buy", "0.01")
    bench.happen("withdrawal", asset="USD", amount="100", fee="3.5")
    bench.market("sell", "0.005")
    bench.happen("deposit", asset="USD", amount="10", fee="1")
    entries = list(bench.call("Ledgers")["ledger"].values())[::-1]
    before: dict[str, Decimal] = {}
    for entry in entries:
        after = before.get(entry["asset"], Decimal(0)) + Decimal(entry["amount"]) - Decimal(entry["fee"])
        assert Decimal(entry["balance"]) == after
        before[entry["asset"]] = after
    assert [(entry["asset"], entry["type"]) for entry in entries[6:]] == [
        ("ZUSD", "trade"),
        ("XXBT", "trade"),
        ("ZUSD", "withdrawal"),
        ("XXBT", "trade"),
        ("ZUSD", "trade"),
        ("ZUSD", "deposit"),
    ]
    assert {code: Decimal(row) for code, row in bench.call("Balance").items() if code in before} == before


def test_ledger_is_paged_by_fifty_latest_first() -> None:
    bench = quiet()
    for number in range(60):
        bench.happen("deposit", asset="USD", amount=str(number + 1))
        bench.pass_time(1)
    first = bench.call("Ledgers", type="deposit", asset="ZUSD")
    second = bench.call("Ledgers", type="deposit", asset="ZUSD", ofs="50")
    assert first["count"] == second["count"] == 61
    assert len(first["ledger"]) == 50
    assert len(second["ledger"]) == 11
    amounts = [entry["amount"] for entry in (*first["ledger"].values(), *second["ledger"].values())]
    assert amounts == [*(f"{number}.0000" for number in range(60, 0, -1)), "10000.0000"]
    assert "count" not in bench.call("Ledgers", without_count="true")
    assert bench.call("Ledgers", ofs="1000")["ledger"] == {}


def test_start_is_exclusive_and_end_inclusive() -> None:
    bench = quiet()
    moments = []
    for number in range(5):
        bench.pass_time(10)
        moments.append(bench.clock.wall_us() // 1_000_000)
        bench.happen("deposit", asset="EUR", amount=str(number + 1))
    rows = bench.call("Ledgers", asset="ZEUR", start=moments[0], end=moments[3])["ledger"]
    assert [entry["amount"] for entry in rows.values()] == ["4.0000", "3.0000", "2.0000"]
    ids = list(rows)
    rows = bench.call("Ledgers", asset="ZEUR", start=ids[2], end=ids[0])["ledger"]
    assert list(rows) == ids[:2]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"asset": "NOPE"}, "EQuery:Unknown asset"),
        ({"start": "soon"}, "EGeneral:Invalid arguments:start"),
        ({"ofs": "-1"}, "EGeneral:Invalid arguments:ofs"),
    ],
)
def test_malformed_bounds_are_refused(fields: dict[str, str], error: str) -> None:
    assert quiet().error("Ledgers", **fields) == error


def test_ledger_can_be_narrowed_to_assets_and_types() -> None:
    bench = quiet()
    bench.market("buy", "0.01")
    assert {e["asset"] for e in bench.call("Ledgers", asset="XBT,ZEUR")["ledger"].values()} == {"XXBT", "ZEUR"}
    assert {e["type"] for e in bench.call("Ledgers", type="trade")["ledger"].values()} == {"trade"}


def test_closed_orders_are_paged_latest_first_by_their_end() -> None:
    bench = quiet()
    ids = [bench.limit("buy", "0.0001", "39000") for _ in range(52)]
    for txid in reversed(ids):
        bench.pass_time(1)
        bench.call("CancelOrder", txid=txid)
    first = bench.call("ClosedOrders")
    assert first["count"] == 52
    assert list(first["closed"]) == ids[:50]
    assert list(bench.call("ClosedOrders", ofs=50)["closed"]) == ids[50:]
    row = first["closed"][ids[0]]
    assert row["reason"] == "User requested"
    assert row["closetm"] > row["opentm"]


def test_closed_orders_can_be_found_by_client_order_id() -> None:
    bench = quiet()
    txid = bench.limit(cl_ord_id="mine")
    bench.call("CancelOrder", txid=txid)
    bench.market()
    assert list(bench.call("ClosedOrders", cl_ord_id="mine")["closed"]) == [txid]


def test_query_orders_finds_open_and_closed_ones() -> None:
    bench = quiet()
    one, two = bench.limit(), bench.market()
    rows = bench.call("QueryOrders", txid=f"{one},{two}", trades="true")
    assert (rows[one]["status"], rows[two]["status"]) == ("open", "closed")
    assert rows[two]["trades"] == list(bench.call("TradesHistory")["trades"])
    assert bench.error("QueryOrders", txid="") == "EGeneral:Invalid arguments:txid"
    assert bench.error("QueryOrders", txid=",".join([one] * 51)) == "EGeneral:Invalid arguments:txid"


def test_query_trades_takes_twenty_ids() -> None:
    bench = quiet()
    bench.market()
    (trade_id,) = bench.call("TradesHistory")["trades"]
    assert list(bench.call("QueryTrades", txid=trade_id)) == [trade_id]
    assert bench.error("QueryTrades", txid=",".join([trade_id] * 21)) == "EGeneral:Invalid arguments:txid"


def test_each_read_needs_its_own_permission() -> None:
    bench = quiet()
    reads = {
        "query-funds": ("Balance", "BalanceEx", "TradeVolume", "CreditLines"),
        "query-open-trades": ("OpenOrders", "OpenPositions"),
        "query-closed-trades": ("ClosedOrders", "TradesHistory"),
        "query-ledger": ("Ledgers",),
        "create-ws-token": ("GetWebSocketsToken",),
        "modify-trades": ("CancelAll",),
        "close-trades": ("CancelAll",),
    }
    for permission, allowed in reads.items():
        bench.happen("permissions", key=bench.credential["key"], permissions=[permission])
        for name in sorted({name for names in reads.values() for name in names}):
            error = bench.envelope(name)["error"]
            assert error == ([] if name in allowed else ["EGeneral:Permission denied"]), (permission, name)
        assert bench.call("GetApiKeyInfo")["permissions"] == [permission]


def test_fees_of_the_account_are_percent_strings() -> None:
    result = quiet().call("TradeVolume", pair="XBTUSD,ETHUSD")
    assert result["currency"] == "ZUSD"
    assert result["volume"] == "52000.1000"
    assert result["fees"]["XXBTZUSD"] == {
        "fee": "0.2400",
        "minfee": "0.1000",
        "maxfee": "0.4000",
        "nextfee": "0.2200",
        "tiervolume": "50000.00",
        "nextvolume": "100000.00",
    }
    assert result["fees_maker"]["XETHZUSD"]["fee"] == "0.1400"
    assert "fees" not in quiet().call("TradeVolume")


def test_fee_fields_may_be_spelled_with_underscores() -> None:
    fees = quiet(fee_tier_spelling="underscored").call("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]
    assert set(fees) == {"fee", "min_fee", "max_fee", "next_fee", "tier_volume", "next_volume"}


def test_best_fee_tier_has_no_next_one() -> None:
    fees = quiet(volume_30d_usd=Decimal("20000000")).call("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]
    assert (fees["nextfee"], fees["nextvolume"]) == (None, None)


def test_key_info_names_the_account_and_nothing_secret() -> None:
    bench = quiet()
    other = bench.happen("new_key", name="second", permissions=["query-funds", "withdraw-funds"])["credential"]
    ours = bench.call("GetApiKeyInfo")
    theirs = bench.call("GetApiKeyInfo", nonce=1, credential=other)
    assert ours["iban"] == theirs["iban"]
    assert ours["apiKey"] == bench.credential["key"]
    assert theirs["permissions"] == ["query-funds", "withdraw-funds"]
    assert (ours["validUntil"], ours["queryFrom"], ours["queryTo"], ours["ipAllowlist"]) == ("0", "0", "0", [])
    assert bench.credential["secret"] not in str(ours)


def test_accounts_have_different_ids() -> None:
    bench = quiet(profile="many")
    ids = {bench.call("GetApiKeyInfo", nonce=1, credential=c)["iban"] for c in bench.sim.credentials()}
    assert len(ids) == 2
