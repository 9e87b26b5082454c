"""
Products, books, trades, candles and the time.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/products/list-products,
.../products/get-product-candles, .../public/get-server-time.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from holdfast.simulators.core.seam import SimRequest
from tests.simulators.coinbase.bench import V3, Bench

NOW = 1_790_000_000


def test_product_has_the_documented_fields() -> None:
    row = Bench().look("market/products/BTC-USD")
    for name, value in {
        "product_id": "BTC-USD",
        "price": "40000",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "status": "online",
        "base_currency_id": "BTC",
        "quote_currency_id": "USD",
        "product_type": "SPOT",
        "product_venue": "CBE",
        "alias": "",
        "alias_to": ["BTC-USDC"],
        "is_disabled": False,
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "view_only": False,
        "mid_market_price": "",
    }.items():
        assert row[name] == value, name


def test_signed_and_unsigned_lists_agree_but_for_what_an_account_may_trade() -> None:
    bench = Bench()
    bench.happen("pair_status", pair="SOL-USD", status="view_only")
    assert bench.look("market/products") == bench.get("products")
    plain = {row["product_id"]: row["view_only"] for row in bench.get("products")["products"]}
    asked = bench.get("products", get_tradability_status="true")["products"]
    unsigned = bench.look("market/products", get_tradability_status="true")["products"]
    assert not any(plain.values())
    assert [row["product_id"] for row in asked if row["view_only"]] == ["SOL-USD"]
    assert not any(row["view_only"] for row in unsigned)


def test_list_can_be_cut_and_filtered() -> None:
    bench = Bench()
    everything = bench.look("market/products")
    assert everything["num_products"] == len(everything["products"])
    ids = [row["product_id"] for row in everything["products"]]
    assert [row["product_id"] for row in bench.look("market/products", limit=3, offset=2)["products"]] == ids[2:5]
    assert bench.look("market/products", product_type="FUTURE")["products"] == []
    named = bench.look("market/products", product_ids=["ETH-BTC", "BTC-EUR"])["products"]
    assert {row["product_id"] for row in named} == {"ETH-BTC", "BTC-EUR"}


@pytest.mark.parametrize(
    ("status", "field", "value"),
    [("offline", "status", "offline"), ("delisted", "status", "delisted"), ("limit_only", "limit_only", True)],
)
def test_state_of_a_product_is_told(status: str, field: str, value: object) -> None:
    bench = Bench()
    bench.happen("pair_status", pair="BTC-USD", status=status)
    assert bench.look("market/products/BTC-USD")[field] == value
    assert bench.look("market/products/ETH-USD")[field] != value


def test_mode_of_the_venue_stands_in_every_product() -> None:
    bench = Bench()
    bench.happen("mode", mode="post_only")
    assert all(row["post_only"] for row in bench.look("market/products")["products"])


def test_shared_books_have_the_same_prices_and_move_together() -> None:
    bench = Bench()
    for price in ("40000", "41000"):
        bench.happen("market_price", pair="BTC-USD", price=price)
        dollars, coins = (bench.look(f"market/products/{name}") for name in ("BTC-USD", "BTC-USDC"))
        assert coins["price"] == dollars["price"]
        assert coins["alias"] == "BTC-USD"
    order = bench.place(bench.body(product="BTC-USDC", limit_limit_gtc={"base_size": "0.01", "limit_price": "40500"}))
    bench.happen("market_price", pair="BTC-USD", price="40000")
    assert bench.order(order)["status"] == "FILLED"


def test_count_of_products_may_be_text() -> None:
    answer = Bench(is_product_count_text=True).look("market/products")
    assert answer["num_products"] == str(len(answer["products"]))


def test_unknown_product_is_not_found() -> None:
    for path in ("products/BTC-XXX", "products/BTC-XXX/ticker"):
        assert Bench().refused("GET", path)[0] == 404


def test_book_and_best_prices_agree() -> None:
    bench = Bench()
    book = bench.get("product_book", product_id="BTC-USD", limit=3)
    best = bench.get("best_bid_ask", product_ids="BTC-USD")["pricebooks"][0]
    assert book["pricebook"]["bids"][:1] == best["bids"]
    assert len(book["pricebook"]["asks"]) == 3
    assert (book["mid_market"], book["spread_absolute"], book["spread_bps"]) == ("40000", "8", "2")


def test_trades_are_newest_first_with_the_makers_side() -> None:
    bench = Bench()
    bench.market()
    answer = bench.look("market/products/BTC-USD/ticker", limit=2)
    assert len(answer["trades"]) == 2
    assert (answer["trades"][0]["side"], answer["trades"][0]["price"]) == ("SELL", "40004")
    assert Decimal(answer["best_bid"]) < Decimal(answer["best_ask"])


class TestCandles:
    def candles(self, bench: Bench, **query: object) -> list[dict[str, str]]:
        given = {"start": NOW - 3600, "end": NOW, "granularity": "FIVE_MINUTE", **query}
        rows: list[dict[str, str]] = bench.look("market/products/BTC-USD/candles", **given)["candles"]
        return rows

    def test_are_newest_first_and_go_back_before_the_venue_opened(self) -> None:
        rows = self.candles(Bench())
        starts = [int(row["start"]) for row in rows]
        assert starts == sorted(starts, reverse=True)
        assert {start % 300 for start in starts} == {0}
        assert starts[-1] >= NOW - 3600
        for row in rows:
            low, high = Decimal(row["low"]), Decimal(row["high"])
            assert low <= Decimal(row["open"]) <= high
            assert low <= Decimal(row["close"]) <= high

    def test_past_stays_what_it_was(self) -> None:
        bench = Bench()
        before = self.candles(bench)[1:]
        bench.happen("market_price", pair="BTC-USD", price="45000")
        bench.pass_time(30)
        assert self.candles(bench)[1:] == before

    def test_more_than_there_may_be_are_refused(self) -> None:
        bench = Bench()
        span = {"start": NOW - 351 * 60, "end": NOW, "granularity": "ONE_MINUTE"}
        code, body = bench.refused(
            "GET", "products/BTC-USD/candles", query="&".join(f"{name}={value}" for name, value in span.items())
        )
        assert (code, body["error"]) == (400, "INVALID_ARGUMENT")
        assert len(self.candles(bench, limit=3)) == 3

    def test_most_there_may_be_is_a_switch(self) -> None:
        bench = Bench(most_candles=300)
        assert len(self.candles(bench, start=NOW - 299 * 60, granularity="ONE_MINUTE")) <= 300
        span = f"start={NOW - 301 * 60}&end={NOW}&granularity=ONE_MINUTE"
        assert bench.refused("GET", "products/BTC-USD/candles", query=span)[0] == 400

    @pytest.mark.parametrize("query", ["", "start=1&end=2", "start=a&end=2&granularity=ONE_DAY"])
    def test_missing_parameters_are_refused(self, query: str) -> None:
        assert Bench().refused("GET", "products/BTC-USD/candles", query=query)[0] == 400


class TestTime:
    def test_is_text_and_up_to_a_second_old(self) -> None:
        bench = Bench()
        assert bench.look("time") == {
            "iso": "2026-09-21T14:13:20Z",
            "epochSeconds": str(NOW),
            "epochMillis": f"{NOW}000",
        }
        bench.pass_time(0.9)
        assert bench.look("time")["epochMillis"] == f"{NOW}000"
        bench.pass_time(0.1)
        assert bench.look("time")["epochMillis"] == f"{NOW + 1}000"

    def test_is_fresh_where_the_client_forbids_caches(self) -> None:
        bench = Bench()
        bench.look("time")
        bench.pass_time(0.9)
        headers = {"cache-control": "no-cache"}
        request = SimRequest(method="GET", path=f"{V3}/time", query="", headers=headers, body=b"")
        assert json.loads(bench.sim.handle(request).body)["epochMillis"] == f"{NOW}900"

    def test_goes_wrong_in_each_form(self) -> None:
        bench = Bench(time_cache_s=0.0)
        bench.impair("server_time", form="frozen", for_s=10)
        bench.pass_time(5)
        assert bench.look("time")["epochSeconds"] == str(NOW)
        bench.heal()
        bench.impair("server_time", form="backwards")
        bench.pass_time(5)
        assert bench.look("time")["epochSeconds"] == str(NOW)
        bench.pass_time(5)
        assert bench.look("time")["epochSeconds"] == str(NOW - 5)
        bench.heal()
        bench.impair("server_time", form="milliseconds")
        assert bench.look("time")["epochSeconds"] == f"{NOW + 15}000"

    def test_may_be_numbers(self) -> None:
        assert Bench(is_epoch_text=False).look("time")["epochMillis"] == NOW * 1000

    def test_of_v2_is_a_number(self) -> None:
        assert Bench().look("/v2/time") == {"data": {"iso": "2026-09-21T14:13:20Z", "epoch": NOW}}


def test_v2_lists_every_currency_once() -> None:
    bench = Bench()
    fiat = {row["id"] for row in bench.look("/v2/currencies")["data"]}
    coins = {row["code"] for row in bench.look("/v2/currencies/crypto")["data"]}
    assert {"USD", "EUR"} <= fiat
    assert {"BTC", "CGLD"} <= coins
    assert not fiat & coins
    assert set(bench.look("/v2/exchange-rates")["data"]["rates"]) == fiat | coins
