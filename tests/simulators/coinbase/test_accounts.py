"""
Accounts: pages, wallets of one currency, holds, lag, and what may be wrong with a read.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/accounts/list-accounts,
https://github.com/ccxt/ccxt/issues/22780 (a list cut at its first page).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.coinbase.bench import Bench


def all_pages(bench: Bench, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(20):
        page = bench.get("accounts", **query, **({"cursor": cursor} if cursor else {}))
        assert page["size"] == len(page["accounts"])
        rows += page["accounts"]
        cursor = page["cursor"]
        assert page["has_next"] == bool(cursor)
        if not cursor:
            return rows
    raise AssertionError("the pages do not end")


class TestRows:
    def test_row_has_the_documented_fields(self) -> None:
        bench = Bench()
        row = bench.wallets()["USD"]
        assert row == {
            "uuid": row["uuid"],
            "name": "USD Wallet",
            "currency": "USD",
            "available_balance": {"value": "10000.0000000000000000", "currency": "USD"},
            "default": True,
            "active": True,
            "ready": True,
            "created_at": row["created_at"],
            "updated_at": "2026-09-21T14:13:20Z",
            "deleted_at": None,
            "type": "ACCOUNT_TYPE_FIAT",
            "hold": {"value": "0.0000000000000000", "currency": "USD"},
            "retail_portfolio_id": bench.get("key_permissions")["portfolio_uuid"],
            "platform": "ACCOUNT_PLATFORM_CONSUMER",
        }
        assert row["created_at"] < row["updated_at"]

    def test_currency_that_was_never_touched_has_no_row_and_an_emptied_one_has(self) -> None:
        wallets = Bench().wallets()
        assert "LTC" not in wallets
        assert wallets["DOGE"]["available_balance"]["value"] == "0.0000000000000000"

    def test_available_leaves_out_what_is_held(self) -> None:
        bench = Bench()
        bench.limit(size="0.01", price="39000")
        assert bench.figures("USD") == ("9609.025", "390.975")
        bench.limit("SELL", size="0.1", price="50000")
        assert bench.figures("BTC") == ("0.3", "0.1")

    def test_hold_may_leave_out_the_fee_that_counts_all_the_same(self) -> None:
        bench = Bench(does_hold_include_fee=False)
        bench.limit(size="0.01", price="39000")
        assert bench.figures("USD") == ("9610", "390")
        assert bench.sim.free("USD") == Decimal("9609.025")

    def test_hold_may_be_left_out_where_nothing_is_held(self) -> None:
        bench = Bench(is_zero_hold_stated=False)
        assert "hold" not in bench.wallets()["USD"]
        bench.limit()
        assert "hold" in bench.wallets()["USD"]

    def test_empty_wallet_may_not_be_ready(self) -> None:
        rows = Bench(are_empty_wallets_ready=False).wallets()
        assert (rows["USD"]["ready"], rows["DOGE"]["ready"]) == (True, False)

    def test_short_types_are_a_switch(self) -> None:
        assert {row["type"] for row in Bench(account_types="short").wallets().values()} == {"FIAT", "CRYPTO"}

    def test_vaults_and_futures_dollars_are_rows_of_other_kinds(self) -> None:
        rows = Bench(profile="earn").get("accounts")["accounts"]
        vaults = {row["currency"]: row for row in rows if row["type"] == "ACCOUNT_TYPE_VAULT"}
        assert set(vaults) == {"BTC", "ETH"}
        assert vaults["BTC"]["available_balance"]["value"].startswith("0.25")
        dollars = [row for row in Bench(profile="margin").get("accounts")["accounts"] if row["currency"] == "USD"]
        assert [row["platform"] for row in dollars] == ["ACCOUNT_PLATFORM_CONSUMER", "ACCOUNT_PLATFORM_CFM_CONSUMER"]

    def test_staked_coins_are_hidden_or_a_currency_of_their_own(self) -> None:
        hidden, shown = Bench(profile="earn"), Bench(profile="earn", staked_as="own_code")
        assert "ETH2" not in hidden.wallets()
        assert hidden.truth()["ETH.STAKED"]["total"] == "1.5"
        assert shown.wallets()["ETH2"]["available_balance"]["value"].startswith("1.5")
        assert shown.truth()["ETH2"]["total"] == "1.5"

    def test_single_account_is_the_same_row(self) -> None:
        bench = Bench()
        row = bench.wallets()["BTC"]
        assert bench.get(f"accounts/{row['uuid']}") == {"account": row}

    @pytest.mark.parametrize("word", ["NOT_FOUND", "unknown"])
    def test_unknown_account_is_not_found(self, word: str) -> None:
        code, body = Bench(not_found_word=word).refused("GET", "accounts/00000000-0000-4000-8000-000000000000")
        assert (code, body["error"], body["message"]) == (404, word, "account not found")

    def test_empty_portfolio_has_no_rows(self) -> None:
        answer = Bench(profile="empty").get("accounts")
        assert answer == {"accounts": [], "has_next": False, "cursor": "", "size": 0}


class TestPages:
    def test_page_has_forty_nine_rows_unless_more_are_asked_for(self) -> None:
        bench = Bench(profile="many")
        assert bench.get("accounts")["size"] == 49
        assert bench.get("accounts", limit=250)["size"] == 250
        assert bench.get("accounts", limit=1000)["size"] == 250
        assert bench.get("accounts", limit=0)["size"] == 49

    def test_following_the_cursor_gives_every_account_once(self) -> None:
        bench = Bench(profile="many", are_calls_counted=False)
        for query in ({}, {"limit": 250}, {"limit": 100}):
            rows = all_pages(bench, **query)
            assert (
                len({row["uuid"] for row in rows}) == len(rows) == len(bench.truth()) + 3
            )  # USDC twice more, BTC once.

    def test_wallets_of_one_currency_add_up_to_the_truth(self) -> None:
        bench = Bench(profile="many")
        rows = [row for row in all_pages(bench, limit=250) if row["currency"] == "USDC"]
        assert sum(Decimal(row["available_balance"]["value"]) for row in rows) == Decimal("550.25")
        assert bench.truth()["USDC"]["total"] == "550.25"

    def test_order_larger_than_one_wallet_is_funded_by_all_and_held_on_each(self) -> None:
        bench = Bench(profile="many")
        order = bench.place(
            bench.body(product="BTC-USDC", limit_limit_gtc={"base_size": "0.0125", "limit_price": "39000"})
        )
        rows = [row for row in all_pages(bench, limit=250) if row["currency"] == "USDC"]
        held = [Decimal(row["hold"]["value"]) for row in rows]
        assert sum(held) == Decimal(bench.truth()["USDC"]["held"]) > 300
        assert all(Decimal(row["available_balance"]["value"]) >= 0 for row in rows)
        bench.happen("fill", order=order)
        rows = [row for row in all_pages(bench, limit=250) if row["currency"] == "USDC"]
        left = [Decimal(row["available_balance"]["value"]) for row in rows]
        assert sum(left) == Decimal(bench.truth()["USDC"]["total"])
        assert min(left) >= 0

    def test_unknown_cursor_is_refused(self) -> None:
        code, body = Bench().refused("GET", "accounts", query="cursor=@@@")
        assert (code, body["error"]) == (400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize(("are_frozen", "total"), [(False, "1"), (True, "9")])
    def test_money_may_move_between_pages(self, are_frozen: bool, total: str) -> None:
        bench = Bench(profile="many", are_pages_frozen=are_frozen)
        first = bench.get("accounts", limit=250)
        before = all_pages(bench, limit=250)[-10]
        bench.happen("withdrawal", asset=before["currency"], amount=before["available_balance"]["value"])
        later = bench.get("accounts", limit=250, cursor=first["cursor"])["accounts"]
        (row,) = [row for row in later if row["uuid"] == before["uuid"]]
        expected = before["available_balance"]["value"] if are_frozen else "0.0000000000000000"
        assert row["available_balance"]["value"] == expected, total

    def test_later_page_may_fail(self) -> None:
        bench = Bench(profile="many")
        bench.impair("page_failure", status=502)
        cursor = bench.get("accounts")["cursor"]
        assert bench.reply("GET", "accounts", query=f"cursor={cursor}").status == 502
        assert bench.get("accounts", cursor=cursor)["size"] == 49

    def test_cursor_may_lead_to_itself(self) -> None:
        bench = Bench(profile="many")
        bench.impair("cursor_loop", for_s=60)
        page = bench.get("accounts")
        again = bench.get("accounts", cursor=page["cursor"])
        assert again == page

    def test_account_may_stand_on_two_pages(self) -> None:
        bench = Bench(profile="many")
        bench.impair("repeated_account")
        first = bench.get("accounts")
        second = bench.get("accounts", cursor=first["cursor"])
        assert second["accounts"][0] == first["accounts"][-1]


class TestLag:
    def test_reads_lag_and_orders_do_not(self) -> None:
        bench = Bench()
        bench.impair("rest_lag", by_s=5)
        bench.pass_time(1)
        order = bench.limit()
        assert bench.figures("USD") == ("10000", "0")
        assert bench.refused("GET", f"orders/historical/{order}")[0] == 404
        bench.pass_time(5)
        assert bench.figures("USD")[1] == "390.975"
        assert bench.order(order)["status"] == "OPEN"

    def test_accounts_lag_alone_where_they_do(self) -> None:
        bench = Bench(account_lag_s=2.0)
        order = bench.limit()
        assert bench.figures("USD") == ("10000", "0")
        assert bench.order(order)["status"] == "OPEN"
        bench.pass_time(2.001)
        assert bench.figures("USD")[1] == "390.975"

    def test_holds_lag_alone_where_they_do(self) -> None:
        bench = Bench()
        bench.impair("hold_lag", by_s=5)
        bench.pass_time(0.1)
        bench.limit()
        bench.happen("deposit", asset="USD", amount="5")
        assert bench.figures("USD") == ("10005", "0")
        bench.heal()
        assert bench.figures("USD") == ("9614.025", "390.975")

    @pytest.mark.parametrize("by_fault", [True, False])
    def test_hold_of_a_cancelled_order_is_released_late_and_counts_meanwhile(self, by_fault: bool) -> None:
        bench = Bench() if by_fault else Bench(hold_release_lag_s=2.0)
        if by_fault:
            bench.impair("hold_release_lag", by_s=2)
        order = bench.limit(size="0.2", price="39000")
        bench.post("orders/batch_cancel", {"order_ids": [order]})
        assert bench.order(order)["status"] == "CANCELLED"
        assert bench.figures("USD")[1] == "7819.5"
        assert bench.rejection(bench.gtc(size="0.2"))["error"] == "INSUFFICIENT_FUND"
        bench.pass_time(2)
        assert bench.figures("USD") == ("10000", "0")
        bench.limit(size="0.2", price="39000")

    def test_filled_order_releases_its_hold_at_once(self) -> None:
        bench = Bench(hold_release_lag_s=2.0)
        order = bench.limit()
        bench.happen("fill", order=order)
        assert bench.figures("USD")[1] == "0"


class TestWrongReads:
    @pytest.mark.parametrize("form", ["list", "null", "absent"])
    def test_list_may_be_empty_in_each_form(self, form: str) -> None:
        bench = Bench()
        bench.impair("empty_result", form=form)
        answer = bench.get("accounts")
        assert answer.get("accounts", "absent") == {"list": [], "null": None, "absent": "absent"}[form]
        assert bench.get("accounts")["size"] == 7

    def test_currency_may_vanish_from_one_read_and_not_from_the_other(self) -> None:
        bench = Bench()
        row = bench.wallets()["BTC"]
        bench.impair("vanish", asset="BTC", read="ListAccounts", for_s=60)
        assert "BTC" not in bench.wallets()
        assert bench.get(f"accounts/{row['uuid']}")["account"] == row

    def test_figures_may_be_anything(self) -> None:
        bench = Bench()
        bench.impair("override_row", asset="USD", balance="1e400", hold="-1")
        row = bench.wallets()["USD"]
        assert (row["available_balance"]["value"], row["hold"]["value"]) == ("1e400", "-1")
        bench.impair("override_row", asset="NEW", balance="5")
        assert bench.wallets()["NEW"]["available_balance"] == {"value": "5", "currency": "NEW"}
        bench.impair("scale_balances", factor="1000")
        assert bench.figures("USD")[0] == "10000000"
        bench.impair("zero_balances")
        assert bench.figures("USD") == ("0", "0")
        assert bench.figures("USD") == ("10000", "0")


class TestOutOfBand:
    def test_money_moves_without_orders(self) -> None:
        bench = Bench(profile="margin")
        bench.happen("convert", asset="USD", to="USDC", amount="1000")
        bench.happen("futures_sweep", amount="500")
        bench.happen("vault", asset="BTC", amount="0.1")
        bench.happen("staking", asset="BTC", amount="0.05")
        truth = bench.truth()
        assert (truth["USD"]["total"], truth["USD.CFM"]["total"], truth["USDC"]["total"]) == ("18500", "5500", "1000")
        assert (truth["BTC"]["total"], truth["BTC.VAULT"]["total"], truth["BTC.STAKED"]["total"]) == (
            "0.1",
            "0.1",
            "0.05",
        )
        assert truth["BTC.VAULT"]["available"] == "0"
        bench.happen("futures_sweep", amount="500", to="spot")
        bench.happen("vault", asset="BTC", amount="0.1", to="spot")
        assert bench.figures("USD") == ("19000", "0")
        assert bench.figures("BTC") == ("0.2", "0")

    def test_what_orders_claim_does_not_leave(self) -> None:
        bench = Bench()
        bench.limit(size="0.2", price="39000")
        with pytest.raises(ValueError, match="free"):
            bench.happen("withdrawal", asset="USD", amount="9000")
        bench.happen("withdrawal", asset="USD", amount="2000", fee="1")
        assert bench.truth()["USD"]["total"] == "7999"

    def test_portfolios_are_apart(self) -> None:
        bench = Bench(profile="many")
        other = bench.sim.credentials()[1]
        reply = bench.reply("GET", "key_permissions", credential=other)
        assert reply.status == 200
        bench.happen("transfer", asset="USD", amount="100", to="sub1")
        assert bench.truth("sub1")["USD"]["total"] == "2600"
        mine = bench.get("key_permissions")["portfolio_uuid"]
        assert bench.get(f"portfolios/{mine}")["breakdown"]["portfolio"]["uuid"] == mine
        theirs = next(row["uuid"] for row in bench.get("portfolios")["portfolios"] if row["uuid"] != mine)
        code, body = bench.refused("GET", f"portfolios/{theirs}")
        assert (code, body["message"]) == (403, "User does not have access to portfolio")


def test_breakdown_states_the_same_money_as_json_numbers() -> None:
    bench = Bench()
    bench.limit()
    mine = bench.get("key_permissions")["portfolio_uuid"]
    positions = bench.get(f"portfolios/{mine}")["breakdown"]["spot_positions"]
    (usd,) = [position for position in positions if position["asset"] == "USD"]
    assert (usd["total_balance_crypto"], usd["available_to_trade_crypto"]) == (10000, 9609.025)


def test_fees_follow_the_volume() -> None:
    bench = Bench()
    tier = bench.get("transaction_summary")["fee_tier"]
    assert (tier["taker_fee_rate"], tier["maker_fee_rate"]) == ("0.0025", "0.0015")
    bench.happen("volume", amount="0")
    tier = bench.get("transaction_summary")["fee_tier"]
    assert (tier["pricing_tier"], tier["taker_fee_rate"], tier["maker_fee_rate"]) == ("Advanced 1", "0.012", "0.006")
    order = bench.market(base_size="0.01")
    assert bench.order(order)["total_fees"] == "4.80048"


def test_v2_accounts_are_pages_by_the_last_id() -> None:
    bench = Bench(profile="many", are_calls_counted=False)
    first = bench.get("/v2/accounts")
    assert len(first["data"]) == 25
    after = first["pagination"]["next_starting_after"]
    assert after == first["data"][-1]["id"]
    second = bench.get("/v2/accounts", limit=100, starting_after=after)
    assert len(second["data"]) == 100
    assert not {row["id"] for row in first["data"]} & {row["id"] for row in second["data"]}


def test_futures_summary_is_there_for_futures_accounts_only() -> None:
    summary = Bench(profile="margin").get("cfm/balance_summary")["balance_summary"]
    assert (summary["cbi_usd_balance"]["value"], summary["cfm_usd_balance"]["value"]) == ("20000.00", "5000.00")
    assert Bench().refused("GET", "cfm/balance_summary")[0] == 404
