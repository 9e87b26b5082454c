"""
Placing, previewing, changing and cancelling orders, and every place in which an order may be refused.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order,
.../orders/preview-orders, .../orders/cancel-order, .../orders/edit-order;
https://github.com/coinbase/coinbase-advanced-py/issues/49 (one client order id used again and again).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.core.accounts import Account
from tests.simulators.coinbase.bench import Bench


def stop(**fields: str) -> dict[str, Any]:
    given = {
        "base_size": "0.01",
        "limit_price": "41000",
        "stop_price": "40500",
        "stop_direction": "STOP_DIRECTION_STOP_UP",
    }
    return {"stop_limit_stop_limit_gtc": {**given, **fields}}


class TestPlacing:
    def test_answer_names_the_order_and_repeats_its_configuration(self) -> None:
        bench = Bench()
        body = bench.gtc(id_="bot-9a41")
        answer = bench.post("orders", body)
        order_id = answer["success_response"]["order_id"]
        assert answer == {
            "success": True,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": order_id,
            "success_response": {
                "order_id": order_id,
                "product_id": "BTC-USD",
                "side": "BUY",
                "client_order_id": "bot-9a41",
                "attached_order_id": "",
            },
            "order_configuration": body["order_configuration"],
        }

    def test_deprecated_fields_may_be_gone(self) -> None:
        bench = Bench(has_deprecated_order_fields=False)
        assert set(bench.post("orders", bench.gtc())) == {"success", "success_response", "order_configuration"}

    def test_open_order_has_the_documented_fields(self) -> None:
        bench = Bench()
        row = bench.order(bench.limit(id_="bot-1"))
        for name, value in {
            "product_id": "BTC-USD",
            "order_configuration": {
                "limit_limit_gtc": {"base_size": "0.01", "limit_price": "39000", "post_only": False}
            },
            "side": "BUY",
            "client_order_id": "bot-1",
            "status": "OPEN",
            "time_in_force": "GOOD_UNTIL_CANCELLED",
            "created_time": "2026-09-21T14:13:20Z",
            "completion_percentage": "0",
            "filled_size": "0",
            "average_filled_price": "0",
            "number_of_fills": "0",
            "filled_value": "0",
            "total_fees": "0",
            "outstanding_hold_amount": "390.975",
            "order_type": "LIMIT",
            "settled": False,
            "trigger_status": "INVALID_ORDER_TYPE",
            "order_placement_source": "RETAIL_ADVANCED",
            "last_fill_time": None,
        }.items():
            assert row[name] == value, name

    @pytest.mark.parametrize(("form", "number"), [("zero", "0"), ("empty", "")])
    def test_number_that_is_zero_may_be_empty_text(self, form: str, number: str) -> None:
        bench = Bench(empty_numbers=form)
        assert bench.order(bench.limit())["filled_size"] == number

    def test_market_buy_is_filled_at_once_and_pays_its_fee_in_quote(self) -> None:
        bench = Bench()
        row = bench.order(bench.market(base_size="0.01"))
        assert (row["status"], row["filled_size"], row["filled_value"], row["total_fees"]) == (
            "FILLED",
            "0.01",
            "400.04",
            "1.0001",
        )
        assert row["total_value_after_fees"] == "401.0401"
        assert bench.figures("USD") == ("9598.9599", "0")
        assert bench.figures("BTC") == ("0.41", "0")

    @pytest.mark.parametrize(("is_inside", "spent"), [(False, "100.25"), (True, "100")])
    def test_fee_of_a_buy_by_quote_is_on_top_or_inside(self, is_inside: bool, spent: str) -> None:
        bench = Bench(is_fee_inside_quote_size=is_inside)
        row = bench.order(bench.market(quote_size="100"))
        assert row["size_in_quote"]
        assert row["size_inclusive_of_fees"] == is_inside
        paid = 10_000 - Decimal(bench.truth()["USD"]["total"])
        assert abs(paid - Decimal(spent)) < Decimal("0.001")

    def test_sell_pays_its_fee_out_of_what_it_got(self) -> None:
        bench = Bench()
        row = bench.order(bench.market("SELL", base_size="0.1"))
        with_fee = Decimal(row["filled_value"]) - Decimal(row["total_fees"])
        assert (
            Decimal(bench.truth()["USD"]["total"])
            == 10_000 + with_fee
            == 10_000 + Decimal(row["total_value_after_fees"])
        )

    def test_orders_settle_in_the_quote_of_the_product_they_name(self) -> None:
        bench = Bench()
        bench.place(bench.body(product="BTC-USDC", market_market_ioc={"base_size": "0.01"}))
        assert bench.truth()["USD"]["total"] == "10000"
        assert Decimal(bench.truth()["USDC"]["total"]) < 100

    @pytest.mark.parametrize(
        ("name", "fields", "status"),
        [
            ("limit_limit_fok", {"base_size": "0.01", "limit_price": "40100"}, "FILLED"),
            ("limit_limit_fok", {"base_size": "0.01", "limit_price": "39000"}, "CANCELLED"),
            ("sor_limit_ioc", {"base_size": "0.01", "limit_price": "40100"}, "FILLED"),
            ("sor_limit_ioc", {"base_size": "0.01", "limit_price": "39000"}, "CANCELLED"),
            ("limit_limit_gtc", {"quote_size": "100", "limit_price": "39000"}, "OPEN"),
        ],
    )
    def test_each_kind_of_limit_order(self, name: str, fields: dict[str, str], status: str) -> None:
        bench = Bench()
        row = bench.order(bench.place({**bench.body(), "order_configuration": {name: fields}}))
        assert row["status"] == status
        assert bench.truth()["USD"]["held"] == row["outstanding_hold_amount"]

    def test_order_good_till_a_time_expires(self) -> None:
        bench = Bench()
        order = bench.place(
            bench.body(
                limit_limit_gtd={"base_size": "0.01", "limit_price": "39000", "end_time": "2026-09-21T14:14:20.5Z"}
            )
        )
        bench.pass_time(60)
        assert bench.order(order)["status"] == "OPEN"
        bench.pass_time(0.5)
        assert bench.order(order)["status"] == "EXPIRED"
        assert bench.figures("USD") == ("10000", "0")

    def test_stop_waits_for_its_price(self) -> None:
        bench = Bench()
        order = bench.place(bench.body(**stop()))
        assert bench.order(order)["trigger_status"] == "STOP_PENDING"
        bench.happen("market_price", pair="BTC-USD", price="40600")
        assert (bench.order(order)["trigger_status"], bench.order(order)["status"]) == ("STOP_TRIGGERED", "FILLED")

    @pytest.mark.parametrize(("do_hold", "held"), [(True, True), (False, False)])
    def test_stop_may_hold_nothing_before(self, do_hold: bool, held: bool) -> None:
        bench = Bench(do_untriggered_stops_hold=do_hold)
        bench.place(bench.body(**stop()))
        assert (bench.figures("USD")[1] != "0") == held

    def test_order_may_be_pending_before_it_is_open(self) -> None:
        bench = Bench(pending_s=0.2)
        order = bench.market()
        assert bench.order(order)["status"] == "PENDING"
        assert Decimal(bench.truth()["USD"]["held"]) > 400
        bench.pass_time(0.2)
        assert bench.order(order)["status"] == "FILLED"

    def test_order_may_be_known_to_reads_late(self) -> None:
        bench = Bench(order_visible_after_s=2.0)
        order = bench.market()
        code, body = bench.refused("GET", f"orders/historical/{order}")
        assert (code, body["message"]) == (404, "order with this orderID was not found")
        assert bench.get("orders/historical/batch")["orders"] == []
        assert bench.get("orders/historical/fills")["fills"] == []
        bench.pass_time(2)
        assert bench.order(order)["status"] == "FILLED"
        assert len(bench.get("orders/historical/fills")["fills"]) == 1


class TestClientOrderIds:
    def test_used_again_gives_back_the_first_order_and_places_none(self) -> None:
        bench = Bench()
        first = bench.post("orders", bench.gtc(id_="same"))
        again = bench.post("orders", bench.gtc("SELL", "0.2", "50000", id_="same"))
        assert again == first
        assert len(bench.get("orders/historical/batch")["orders"]) == 1

    def test_gives_back_an_order_that_is_over_too(self) -> None:
        bench = Bench()
        order = bench.limit(id_="same")
        bench.post("orders/batch_cancel", {"order_ids": [order]})
        assert bench.limit(id_="same") == order
        assert bench.order(order)["status"] == "CANCELLED"

    def test_may_be_refused_as_a_duplicate_instead(self) -> None:
        bench = Bench(duplicate_client_order_id="refuse")
        bench.limit(id_="same")
        assert bench.rejection(bench.gtc(id_="same"))["new_order_failure_reason"] == "DUPLICATE_CLIENT_ORDER_ID"

    def test_of_a_refused_order_is_free(self) -> None:
        bench = Bench()
        bench.rejection(bench.gtc(size="100", id_="same"))
        bench.limit(id_="same")

    def test_may_be_forgotten_after_a_while(self) -> None:
        bench = Bench(client_order_id_kept_s=100.0)
        first = bench.limit(id_="same")
        bench.pass_time(99)
        assert bench.limit(id_="same") == first
        bench.pass_time(1)
        assert bench.limit(id_="same") != first

    def test_are_apart_by_portfolio(self) -> None:
        bench = Bench(profile="many")
        mine = bench.limit(id_="same", size="0.001")
        other = bench.sim.credentials()[1]
        theirs = bench.post("orders", bench.gtc(id_="same", size="0.001"), credential=other)
        assert theirs["success_response"]["order_id"] != mine

    def test_may_be_the_users_and_give_back_another_portfolios_order(self) -> None:
        bench = Bench(profile="many", client_order_id_scope="user")
        mine = bench.limit(id_="same", size="0.001")
        other = bench.sim.credentials()[1]
        theirs = bench.post("orders", bench.gtc(id_="same", size="0.001"), credential=other)
        assert theirs["success_response"]["order_id"] == mine

    @pytest.mark.parametrize("missing", ["client_order_id", "product_id", "side", "order_configuration"])
    def test_missing_parameter_refuses_the_request(self, missing: str) -> None:
        bench = Bench()
        body = bench.gtc()
        del body[missing]
        code, answer = bench.refused("POST", "orders", body=body)
        assert (code, answer["error"]) == (400, "INVALID_ARGUMENT")
        assert missing in answer["message"]

    def test_too_long_an_id_refuses_the_request(self) -> None:
        bench = Bench()
        bench.limit(id_="x" * 128)
        assert bench.refused("POST", "orders", body=bench.gtc(id_="x" * 129))[0] == 400

    @pytest.mark.parametrize("value", [0.01, 39000, None, True])
    def test_amount_that_is_no_text_refuses_the_request(self, value: Any) -> None:
        bench = Bench()
        body = bench.gtc()
        body["order_configuration"]["limit_limit_gtc"]["limit_price"] = value
        assert bench.refused("POST", "orders", body=body)[0] == 400

    def test_body_that_is_no_object_refuses_the_request(self) -> None:
        assert Bench().refused("POST", "orders", body=[1])[0] == 400


SHORT = ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND")


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "word", "preview"),
        [
            ({"size": "100"}, *SHORT),
            ({"side": "SELL", "size": "1", "price": "50000"}, *SHORT),
            ({"size": "0.000000001"}, "INVALID_SIZE_PRECISION", "PREVIEW_INVALID_SIZE_PRECISION"),
            ({"price": "39000.001"}, "INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION"),
            ({"size": "0.00000001"}, "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
            ({"size": "4000"}, "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
            ({"size": "zero"}, "UNKNOWN_FAILURE_REASON", "PREVIEW_NON_NUMERIC_ORDER_SIZE"),
            (
                {"price": "41000", "post_only": True},
                "INVALID_LIMIT_PRICE_POST_ONLY",
                "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
            ),
            ({"product": "BTC-XXX"}, "INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID"),
            ({"side": "HOLD"}, "INVALID_SIDE", "PREVIEW_INVALID_SIDE"),
        ],
    )
    def test_each_broken_rule_has_its_word(self, body: dict[str, Any], word: str, preview: str) -> None:
        bench = Bench()
        response = bench.rejection(bench.gtc(**body))
        assert (response["new_order_failure_reason"], response["preview_failure_reason"]) == (word, preview)
        assert bench.get("orders/historical/batch")["orders"] == []
        assert bench.truth()["USD"] == {"total": "10000", "held": "0", "available": "10000"}

    @pytest.mark.parametrize(
        ("configuration", "word"),
        [
            ({"market_market_fok": {"base_size": "0.01"}}, "UNSUPPORTED_ORDER_CONFIGURATION"),
            ({"twap_limit_gtd": {"base_size": "0.01"}}, "UNSUPPORTED_ORDER_CONFIGURATION"),
            ({"whatever": {}}, "UNSUPPORTED_ORDER_CONFIGURATION"),
            (
                {"limit_limit_gtd": {"base_size": "0.01", "limit_price": "39000", "end_time": "2020-01-01T00:00:00Z"}},
                "END_TIME_IS_IN_THE_PAST",
            ),
            ({"limit_limit_gtd": {"base_size": "0.01", "limit_price": "39000"}}, "GTD_ORDERS_MUST_HAVE_END_TIME"),
        ],
    )
    def test_each_unfit_configuration_has_its_word(self, configuration: dict[str, Any], word: str) -> None:
        bench = Bench()
        assert bench.rejection(bench.body(**configuration))["new_order_failure_reason"] == word

    @pytest.mark.parametrize(
        ("more", "word"),
        [
            ({"attached_order_configuration": {"trigger_bracket_gtc": {}}}, "UNSUPPORTED_ORDER_CONFIGURATION"),
            ({"leverage": "3"}, "INVALID_LEVERAGE"),
            ({"margin_type": "CROSS"}, "INVALID_MARGIN_TYPE"),
        ],
    )
    def test_what_spot_does_not_know_is_refused_and_not_ignored(self, more: dict[str, Any], word: str) -> None:
        bench = Bench()
        assert bench.rejection({**bench.gtc(), **more})["new_order_failure_reason"] == word

    def test_stop_on_the_wrong_side_of_the_market_is_refused(self) -> None:
        bench = Bench()
        below = bench.rejection(bench.body(**stop(stop_price="39000")))
        assert below["preview_failure_reason"] == "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE"
        above = bench.rejection(bench.body(**stop(stop_direction="STOP_DIRECTION_STOP_DOWN")))
        assert above["preview_failure_reason"] == "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"

    @pytest.mark.parametrize("field", ["new_order_failure_reason", "error", "preview_failure_reason"])
    def test_reason_may_stand_in_one_field_only(self, field: str) -> None:
        bench = Bench(reason_in=field)
        response = bench.rejection(bench.gtc(size="100"))
        told = {
            name
            for name in ("new_order_failure_reason", "error", "preview_failure_reason")
            if "UNKNOWN" not in response[name]
        }
        assert told == {field}

    @pytest.mark.parametrize("field", ["new_order_failure_reason", "error"])
    def test_reason_of_a_preview_stays_where_it_has_a_word(self, field: str) -> None:
        response = Bench(reason_in=field).rejection(Bench().gtc(size="4000"))
        assert response["preview_failure_reason"] == "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"

    def test_short_funds_may_be_plural(self) -> None:
        bench = Bench(insufficient_word="INSUFFICIENT_FUNDS")
        assert bench.rejection(bench.gtc(size="100"))["error"] == "INSUFFICIENT_FUNDS"

    @pytest.mark.parametrize(
        ("no_wallet", "message"),
        [
            ("insufficient", "Insufficient balance in source account"),
            ("account_not_available", "account is not available"),
        ],
    )
    def test_currency_without_a_wallet(self, no_wallet: str, message: str) -> None:
        bench = Bench(no_wallet=no_wallet)
        body = bench.body(product="BTC-GBP", limit_limit_gtc={"base_size": "0.01", "limit_price": "30000"})
        assert bench.rejection(body)["message"] == message

    def test_explanation_may_stand_in_the_other_field(self) -> None:
        response = Bench(explains_in="error_details").rejection(Bench().gtc(size="100"))
        assert (response["message"], response["error_details"]) == ("", "Insufficient balance in source account")

    @pytest.mark.parametrize(("does_take", "size"), [(False, None), (True, "0.26")])
    def test_dollar_order_may_take_usdc_without_a_word(self, does_take: bool, size: str | None) -> None:
        bench = Bench(does_usd_order_take_usdc=does_take)
        if size is None:
            assert bench.rejection(bench.gtc(size="0.26"))["error"] == "INSUFFICIENT_FUND"
            return
        bench.limit(size=size)
        assert bench.truth()["USD"] == {"total": "10165.35", "held": "10165.35", "available": "0"}
        assert bench.truth()["USDC"]["total"] == "334.65"
        assert bench.rejection(bench.gtc(size="0.02"))["error"] == "INSUFFICIENT_FUND"

    def test_order_without_funds_may_be_accepted_and_fail(self) -> None:
        bench = Bench(are_short_funds_a_failure=True)
        row = bench.order(bench.limit(size="100"))
        assert (row["status"], row["reject_reason"], row["filled_size"]) == ("FAILED", "INSUFFICIENT_FUND", "0")

    def test_crossing_post_only_order_may_be_accepted_and_fail(self) -> None:
        bench = Bench(is_crossing_post_only_a_failure=True)
        row = bench.order(bench.limit(price="41000", post_only=True))
        assert (row["status"], row["reject_reason"]) == ("FAILED", "INVALID_LIMIT_PRICE_POST_ONLY")
        assert bench.truth()["USD"]["held"] == "0"

    @pytest.mark.parametrize(
        ("status", "market", "post_only"),
        [
            ("cancel_only", "PRODUCT_TRADING_HALTED", "PRODUCT_TRADING_HALTED"),
            ("limit_only", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", None),
            ("post_only", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", None),
            ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", None),
            ("offline", "ORDER_ENTRY_DISABLED", "ORDER_ENTRY_DISABLED"),
            ("is_disabled", "ORDER_ENTRY_DISABLED", "ORDER_ENTRY_DISABLED"),
            ("delisted", "UNTRADABLE_PRODUCT", "UNTRADABLE_PRODUCT"),
            ("trading_disabled", "TRADING_DISABLED", "TRADING_DISABLED"),
            ("view_only", "INELIGIBLE_PAIR", "INELIGIBLE_PAIR"),
        ],
    )
    def test_each_state_of_a_product_refuses_what_it_does_not_take(
        self, status: str, market: str, post_only: str | None
    ) -> None:
        bench = Bench()
        order = bench.limit()
        bench.happen("pair_status", pair="BTC-USD", status=status)
        refusals: list[tuple[Account, str]] = []
        bench.sim.watch(refusals=lambda account, request, word: refusals.append((account, word)))
        bench.rejection(bench.body(market_market_ioc={"base_size": "0.01"}))
        assert [word for _, word in refusals] == [market]
        if post_only is None:
            bench.limit(post_only=True)
        else:
            assert bench.rejection(bench.gtc(post_only=True))["new_order_failure_reason"] == post_only
        assert bench.post("orders/batch_cancel", {"order_ids": [order]})["results"][0]["success"]

    def test_order_may_be_refused_with_any_word(self) -> None:
        bench = Bench()
        bench.impair("reject_orders", reason="A_WORD_FROM_NEXT_YEAR")
        assert bench.rejection(bench.gtc())["error"] == "A_WORD_FROM_NEXT_YEAR"
        bench.limit()

    def test_maintenance_refuses_everything_but_the_time(self) -> None:
        for form, kind in (("json", "application/json"), ("html", "text/html")):
            bench = Bench(maintenance_body=form)
            bench.happen("mode", mode="maintenance")
            reply = bench.reply("GET", "accounts")
            assert reply.status == 503
            assert reply.headers["content-type"].startswith(kind)
            assert bench.look("time")["iso"]

    @pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
    def test_request_may_fail_before_or_after_it_was_done(self, when: str, orders: int) -> None:
        bench = Bench()
        bench.impair("refuse", name="CreateOrder", status=500, error="INTERNAL", when=when)
        assert bench.refused("POST", "orders", body=bench.gtc(id_="a"))[0] == 500
        assert len(bench.get("orders/historical/batch")["orders"]) == orders


class TestPreview:
    def preview(self, bench: Bench, body: dict[str, Any]) -> dict[str, Any]:
        del body["client_order_id"]
        answer: dict[str, Any] = bench.post("orders/preview", body)
        return answer

    def test_states_total_and_fee_and_reserves_nothing(self) -> None:
        bench = Bench()
        answer = self.preview(bench, bench.gtc())
        assert (answer["errs"], answer["warning"]) == ([], ["UNKNOWN"])
        assert (answer["order_total"], answer["commission_total"]) == ("390.975", "0.975")
        assert (answer["quote_size"], answer["base_size"]) == ("390", "0.01")
        assert bench.figures("USD") == ("10000", "0")

    def test_sizes_may_be_numbers(self) -> None:
        bench = Bench(are_preview_sizes_numbers=True)
        answer = self.preview(bench, bench.gtc())
        assert (answer["quote_size"], answer["base_size"]) == (390, 0.01)

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"size": "100"}, "PREVIEW_INSUFFICIENT_FUND"),
            ({"size": "4000"}, "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
            ({"product": "BTC-XXX"}, "PREVIEW_INVALID_PRODUCT_ID"),
        ],
    )
    def test_names_what_would_refuse_the_order(self, change: dict[str, str], word: str) -> None:
        bench = Bench()
        assert self.preview(bench, bench.gtc(**change))["errs"] == [word]

    def test_needs_no_right_to_trade(self) -> None:
        bench = Bench()
        bench.happen("permissions", permissions=["view"])
        assert self.preview(bench, bench.gtc())["errs"] == []


class TestCancels:
    def cancel(self, bench: Bench, *orders: str) -> list[tuple[bool, str]]:
        results = bench.post("orders/batch_cancel", {"order_ids": list(orders)})["results"]
        assert [row["order_id"] for row in results] == list(orders)
        return [(row["success"], row["failure_reason"]) for row in results]

    def test_each_order_has_its_own_result(self) -> None:
        bench = Bench()
        order = bench.limit()
        results = self.cancel(bench, order, "00000000-0000-4000-8000-000000000000")
        assert results == [(True, "UNKNOWN_CANCEL_FAILURE_REASON"), (False, "UNKNOWN_CANCEL_FAILURE_REASON")]
        row = bench.order(order)
        assert (row["status"], row["cancel_message"]) == ("CANCELLED", "User requested cancel")
        assert bench.figures("USD") == ("10000", "0")

    @pytest.mark.parametrize(("second", "is_taken"), [("success", True), ("failure", False)])
    def test_second_cancel(self, second: str, is_taken: bool) -> None:
        bench = Bench(second_cancel=second, cancel_refusal="DUPLICATE_CANCEL_REQUEST")
        order = bench.limit()
        self.cancel(bench, order)
        (result,) = self.cancel(bench, order)
        assert result == (is_taken, "UNKNOWN_CANCEL_FAILURE_REASON" if is_taken else "DUPLICATE_CANCEL_REQUEST")

    @pytest.mark.parametrize("by_fault", [True, False])
    def test_cancel_may_be_queued_and_the_order_fill_meanwhile(self, by_fault: bool) -> None:
        bench = Bench() if by_fault else Bench(cancel_queued_s=1.0)
        if by_fault:
            bench.impair("cancel_lag", by_s=1)
        first, second = bench.limit(), bench.limit()
        self.cancel(bench, first, second)
        assert bench.order(first)["status"] == "CANCEL_QUEUED"
        assert bench.order(first)["pending_cancel"]
        bench.happen("fill", order=second)
        bench.pass_time(1)
        assert (bench.order(first)["status"], bench.order(second)["status"]) == ("CANCELLED", "FILLED")

    def test_too_many_or_none_are_refused(self) -> None:
        bench = Bench()
        for ids in ([], ["x"] * 101, "x", [1]):
            assert bench.refused("POST", "orders/batch_cancel", body={"order_ids": ids})[0] == 400

    def test_order_of_another_portfolio_is_unknown(self) -> None:
        bench = Bench(profile="many")
        order = bench.limit(size="0.001")
        other = bench.sim.credentials()[1]
        (row,) = bench.post("orders/batch_cancel", {"order_ids": [order]}, credential=other)["results"]
        assert row["success"] is False
        assert bench.order(order)["status"] == "OPEN"


class TestEdits:
    def test_edit_changes_the_order_and_remembers_what_it_was_changed_to(self) -> None:
        bench = Bench()
        order = bench.limit()
        answer = bench.post("orders/edit", {"order_id": order, "price": "38000", "size": "0.02"})
        assert answer == {"success": True, "success_response": {"order_id": order}, "errors": []}
        row = bench.order(order)
        assert row["order_configuration"]["limit_limit_gtc"]["limit_price"] == "38000"
        assert [(edit["price"], edit["size"]) for edit in row["edit_history"]] == [("38000", "0.02")]
        assert bench.figures("USD")[1] == "761.9"

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"order_id": "nobody"}, "ORDER_NOT_FOUND"),
            ({"size": None}, "INVALID_EDITED_SIZE"),
            ({"size": "0.001"}, "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"),
            ({"price": None}, "INVALID_EDITED_PRICE"),
            ({"price": "38000.001"}, "INVALID_PRICE_PRECISION"),
            ({"size": "100"}, "INSUFFICIENT_FUND"),
        ],
    )
    def test_refused_edit_leaves_the_order_as_it_was(self, change: dict[str, str | None], word: str) -> None:
        bench = Bench()
        order = bench.limit()
        bench.happen("fill", order=order, quantity="0.004")
        before = bench.order(order)
        answer = bench.post("orders/edit", {"order_id": order, "price": "38000", "size": "0.02", **change})
        assert answer["success"] is False
        assert answer["errors"][0]["edit_failure_reason"] == word
        assert bench.order(order) == before

    def test_market_order_that_ended_cannot_be_edited(self) -> None:
        bench = Bench()
        answer = bench.post("orders/edit", {"order_id": bench.market(), "price": "1", "size": "1"})
        assert answer["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"

    def test_edit_of_post_only_order_may_not_take(self) -> None:
        bench = Bench()
        order = bench.limit(post_only=True)
        answer = bench.post("orders/edit", {"order_id": order, "price": "41000", "size": "0.01"})
        assert answer["errors"][0]["edit_failure_reason"] == "INVALID_LIMIT_PRICE_POST_ONLY"

    def test_preview_of_an_edit_states_its_cost_and_changes_nothing(self) -> None:
        bench = Bench()
        order = bench.limit()
        answer = bench.post("orders/edit_preview", {"order_id": order, "price": "38000", "size": "0.02"})
        assert (answer["errors"], answer["order_total"]) == ([], "761.9")
        assert bench.order(order)["edit_history"] == []
        answer = bench.post("orders/edit_preview", {"order_id": "nobody", "price": "38000", "size": "0.02"})
        assert answer["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"


def test_spot_has_no_position_to_close() -> None:
    bench = Bench()
    answer = bench.post("orders/close_position", {"client_order_id": "a", "product_id": "BTC-USD"})
    assert answer["error_response"]["new_order_failure_reason"] == "CANNOT_CLOSE_ZERO_POSITION"


class TestFills:
    def test_partial_fills_are_told_one_by_one_and_add_up(self) -> None:
        bench = Bench()
        order = bench.limit()
        bench.happen("fill", order=order, quantity="0.004")
        row = bench.order(order)
        assert (row["status"], row["filled_size"], row["completion_percentage"]) == ("OPEN", "0.004", "40")
        assert row["outstanding_hold_amount"] == "234.585"
        bench.happen("fill", order=order)
        fills = bench.get("orders/historical/fills", order_ids=order)["fills"]
        assert [fill["size"] for fill in fills] == ["0.006", "0.004"]
        assert {fill["liquidity_indicator"] for fill in fills} == {"MAKER"}
        commission = sum(Decimal(fill["commission"]) for fill in fills)
        assert commission == Decimal(bench.order(order)["total_fees"]) == Decimal("0.585")
        assert len({fill["entry_id"] for fill in fills} | {fill["trade_id"] for fill in fills}) == 4

    @pytest.mark.parametrize("unit", ["base", "quote"])
    def test_fill_of_an_order_sized_in_quote_may_be_sized_in_quote(self, unit: str) -> None:
        bench = Bench(quote_sized_fills=unit)
        order = bench.market(quote_size="100")
        fills = bench.get("orders/historical/fills", order_ids=order)["fills"]
        assert {fill["size_in_quote"] for fill in fills} == {unit == "quote"}
        total = sum(Decimal(fill["size"]) for fill in fills)
        row = bench.order(order)
        assert total == Decimal(row["filled_value"] if unit == "quote" else row["filled_size"])

    def test_resting_order_may_be_filled_in_parts(self) -> None:
        bench = Bench(resting_fill_parts=2)
        order = bench.limit()
        bench.happen("market_price", pair="BTC-USD", price="38000")
        assert bench.order(order)["filled_size"] == "0.005"
        bench.pass_time(2)
        assert bench.order(order)["status"] == "FILLED"

    def test_settings_change_on_the_way(self) -> None:
        bench = Bench()
        bench.happen("setting", name="resting_fill_parts", value=2)
        order = bench.limit()
        bench.happen("market_price", pair="BTC-USDC", price="38000")
        assert bench.order(order)["filled_size"] == "0.005"
        for name, value in (("no_such", 1), ("resting_fill_parts", "two")):
            with pytest.raises(ValueError, match="event setting"):
                bench.happen("setting", name=name, value=value)
