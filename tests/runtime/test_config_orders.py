"""Settings of orders: exact text, every wrong one told at once, and the same again when it is shown."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.cli.config import toml_text
from holdfast.config import SETTINGS, BrokerConfig, Config, OrderSettings, config_template, load_config
from holdfast.config.exact import fraction_of
from holdfast.core.budgets import Budget
from holdfast.core.orders import OrderType
from holdfast.errors import AmountError, ConfigError

BROKER: dict[str, Any] = {
    "venue": "kraken",
    "environment": "simulated",
    "rest_url": "http://127.0.0.1:18080",
    "ws_url": "ws://127.0.0.1:18080/v2",
}


def config(*, orders: Any = None, **own: Any) -> dict[str, Any]:
    """A configuration whose top has *orders* and whose one broker has the rest."""
    raw: dict[str, Any] = {"brokers": {"kraken-master": {**BROKER, **own}}}
    return raw if orders is None else {"orders": orders, **raw}


def broker(**tables: Any) -> BrokerConfig:
    return load_config(config(**tables)).brokers["kraken-master"]


def problems_of(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def only_problem_of(**tables: Any) -> str:
    (problem,) = problems_of(config(**tables))
    return problem


# What is in force


def test_nothing_said_is_the_documented_default() -> None:
    orders = broker().orders

    assert orders == OrderSettings()
    assert (orders.validity_s, orders.unsent_ttl_s, orders.in_doubt_alert_s) == (None, 30, 120)
    assert orders.buffer(OrderType.MARKET) == orders.buffer(OrderType.LIMIT) == Decimal("0.02")
    assert (orders.market_estimate_fraction, orders.ticker_max_age_s) == (Decimal("0.01"), 5)
    assert orders.largest_order_amounts == {}
    assert (orders.price_collar_fraction, orders.orders_per_minute, orders.degraded_max_age_s) == (None, None, None)
    assert (orders.degraded_haircut_fraction, orders.dead_man_s, orders.prefer) == (Decimal("0.05"), 0, "stream")
    assert (broker().floor_amounts, broker().bot_budgets) == ({}, {})


def test_a_brokers_own_orders_go_over_the_shared_ones() -> None:
    orders = broker(orders={"validity_s": 8}).orders
    assert orders.validity_s == 8

    raw = config(orders={"validity_s": 8, "prefer": "rest", "largest_order": {"USD": "10000"}})
    raw["brokers"]["kraken-sub1"] = {**BROKER, "orders": {"validity_s": 9, "largest_order": {"EUR": 5}}}
    brokers = load_config(raw).brokers
    own, shared = brokers["kraken-sub1"].orders, brokers["kraken-master"].orders

    assert (shared.validity_s, shared.prefer, shared.largest_order) == (8, "rest", {"USD": "10000"})
    # A table of its own is the whole of it: a bound that is not repeated is not meant.
    assert (own.validity_s, own.prefer, own.largest_order) == (9, "rest", {"EUR": "5"})


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("0.02", "0.02"), ("2 %", "0.02"), ("2%", "0.02"), ("0.5 %", "0.005"), ("100 %", "1"), (0, "0"), (1, "1")],
)
def test_a_fraction_is_exact_text_or_a_percentage(text: str | int, fraction: str) -> None:
    orders = broker(orders={"buffer_market": text, "degraded_haircut": text}).orders

    assert orders.buffer(OrderType.MARKET) == orders.degraded_haircut_fraction == Decimal(fraction)
    assert orders.buffer_market == str(text)
    assert orders.buffer(OrderType.LIMIT) == Decimal("0.02")


def test_amounts_are_taken_digit_for_digit() -> None:
    own = broker(
        floors={"USD": "100.000000000000000001", "BTC": 1, "USD.HOLD": "0", "1INCH": "2"},
        budgets={"bot-a": {"USD": "500", "BTC": "25 %"}, "bot_B2": {"USD": 0, "BTC": "75%", "stETH": "0.5"}},
        orders={"largest_order": {"USD": "0.1", "EUR": 7}, "price_collar": "5 %", "orders_per_minute": 60},
    )

    assert own.floor_amounts == {
        "USD": Decimal("100.000000000000000001"),
        "BTC": Decimal(1),
        "USD.HOLD": Decimal(0),
        "1INCH": Decimal(2),
    }
    assert own.bot_budgets == {
        "bot-a": {"USD": Budget(amount=Decimal(500)), "BTC": Budget(share=Decimal("0.25"))},
        "bot_B2": {
            "USD": Budget(amount=Decimal(0)),
            "BTC": Budget(share=Decimal("0.75")),
            "stETH": Budget(amount=Decimal("0.5")),
        },
    }
    assert own.orders.largest_order_amounts == {"USD": Decimal("0.1"), "EUR": Decimal(7)}
    assert own.orders.price_collar_fraction == Decimal("0.05")


def test_one_brokers_having_no_largest_order_is_said_with_an_empty_table() -> None:
    raw = config(orders={"largest_order": {"USD": "10000"}})
    raw["brokers"]["kraken-master"]["orders"] = {"largest_order": {}}

    assert load_config(raw).brokers["kraken-master"].orders.largest_order_amounts == {}


# What is refused


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("buffer_market", 0.02, 'is a float and not exact; write it in quotes: "0.02"'),
        ("buffer_limit", True, "expected a number in quotes, found True"),
        ("buffer_limit", [1], "expected a number in quotes, found [1]"),
        ("buffer_market", "1.01", "1.01 is more than 100 %"),
        ("buffer_market", "2", '2 is more than 100 %; for 2 percent write "2 %"'),
        ("buffer_market", 2, '2 is more than 100 %; for 2 percent write "2 %"'),
        ("buffer_market", "101 %", "101 % is more than 100 %"),
        ("market_estimate", "-0.01", "-0.01 is below 0"),
        ("degraded_haircut", "-1 %", "-1 % is below 0"),
        ("market_estimate", "1,5 %", "not an amount"),
        ("market_estimate", " 0.01", "not an amount"),
        ("market_estimate", "NaN", "not an amount"),
        ("market_estimate", "", "not an amount"),
        ("market_estimate", "%", "not an amount"),
        ("market_estimate", "1  %", "not an amount"),
        ("price_collar", "0", "0 is not above 0; leave it out for none"),
        ("largest_order", "10000", "expected a table such as"),
        ("largest_order", {"USD": 1e4}, "USD: 10000.0 is a float and not exact"),
        ("largest_order", {"USD": "0"}, "USD: 0 is not above 0"),
        ("largest_order", {"USD": "5 %"}, "USD: not an amount"),
        ("largest_order", {"US$": "5"}, "US$: not an asset code"),
        ("largest_order", {"usd": "5"}, "usd: asset codes are upper case; did you mean USD?"),
        ("validity_s", 2.9, "expected `float` >= 3"),
        ("validity_s", 120.1, "expected `float` <= 120"),
        ("validity_s", "5", "expected `float`"),
        ("unsent_ttl_s", 0, "expected `float` > 0"),
        ("in_doubt_alert_s", -1, "expected `float` > 0"),
        ("ticker_max_age_s", 0, "expected `float` > 0"),
        ("dead_man_s", 86_400, "expected `int` <= 86399"),
        ("dead_man_s", -1, "expected `int` >= 0"),
        ("dead_man_s", 15.5, "expected `int`"),
        ("prefer", "Rest", "'Rest' is none of stream, rest; did you mean rest?"),
        ("buffer", "0.02", "unknown key; did you mean buffer_"),
    ],
)
@pytest.mark.parametrize("where", ["orders", "brokers.kraken-master.orders"])
def test_a_wrong_value_is_told_once_by_its_key(where: str, setting: str, value: object, told: str) -> None:
    table = {setting: value}
    raw = config(orders=table)
    if where != "orders":
        raw["brokers"]["kraken-master"]["orders"] = raw.pop("orders")

    (problem,) = problems_of(raw)

    assert problem.startswith(f"{where}.{setting}")
    assert told in problem


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"floors": {"USD": "-1"}}, "floors.USD: -1 is below 0"),
        ({"floors": {"USD": 0.5}}, 'floors.USD: 0.5 is a float and not exact; write it in quotes: "0.5"'),
        ({"floors": {"USD": "1 %"}}, "floors.USD: not an amount"),
        ({"floors": {"": "1"}}, "floors.: not an asset code"),
        ({"floors": {"BTC-USD": "1"}}, "floors.BTC-USD: not an asset code"),
        ({"floors": {"USD": {"HOLD": "1"}}}, "floors.USD: expected a number in quotes, found {'HOLD': '1'}"),
        ({"floors": ["USD"]}, "floors: expected a table such as"),
        ({"budgets": {"": {"USD": "1"}}}, "budgets.: the name is empty; a bot's name is letters"),
        ({"budgets": {"bot a": {"USD": "1"}}}, "budgets.bot a: 'bot a' is no name; a bot's name is letters"),
        ({"budgets": {"bot-a": {}}}, "budgets.bot-a: names no asset; leave the bot out for no budget"),
        ({"budgets": {"bot-a": "500"}}, "budgets.bot-a: expected a table such as"),
        ({"budgets": "500"}, "budgets: expected a table such as"),
        ({"budgets": {"bot-a": {"USD": "101 %"}}}, "budgets.bot-a.USD: 101 % is more than 100 %"),
        ({"budgets": {"bot-a": {"USD": "-5"}}}, "budgets.bot-a.USD: -5 is below 0"),
        ({"budgets": {"bot-a": {"USD": 0.25}}}, "budgets.bot-a.USD: 0.25 is a float and not exact"),
        ({"budgets": {"bot-a": {"eur": "5"}}}, "budgets.bot-a.eur: asset codes are upper case; did you mean EUR?"),
        (
            {"budgets": {"a": {"BTC": "60 %", "USD": "60 %"}, "b": {"BTC": "40.01 %", "USD": "500"}}},
            "budgets: the shares of BTC add up to 100.01 %, which is more than 100 %",
        ),
        ({"orders": "fast"}, "orders: expected a table, found 'fast'"),
    ],
)
def test_a_wrong_floor_or_budget_is_told_once_by_its_key(own: dict[str, Any], told: str) -> None:
    problem = only_problem_of(**own) if "orders" not in own else problems_of({"brokers": {"x": {**BROKER, **own}}})[0]

    assert told in problem


def test_shares_may_add_up_to_all_there_is() -> None:
    own = broker(budgets={"a": {"BTC": "60 %"}, "b": {"BTC": "40 %"}, "c": {"USD": "100 %"}})

    assert sum(budgets["BTC"].share or 0 for budgets in own.bot_budgets.values() if "BTC" in budgets) == 1


@pytest.mark.parametrize(
    ("orders", "reading", "told"),
    [
        ({"dead_man_s": 14}, {}, "dead_man_s (14) is neither 0 nor at least 15"),
        ({"dead_man_s": 20, "validity_s": 20}, {}, "dead_man_s (20) is not more than validity_s (20)"),
        ({"unsent_ttl_s": 4}, {}, "unsent_ttl_s (4) is less than validity_s (5)"),
        ({"validity_s": 56, "unsent_ttl_s": 60}, {}, "validity_s (56) is more than 55, the longest at Kraken Spot"),
        ({"validity_s": 31}, {}, "unsent_ttl_s (30) is less than validity_s (31)"),
        ({"degraded_max_age_s": 29}, {}, "degraded_max_age_s (29) is less than max_age_s (30)"),
        ({"degraded_max_age_s": 59}, {"max_age_s": 60}, "degraded_max_age_s (59) is less than max_age_s (60)"),
        ({"degraded_max_age_s": 3601}, {}, "degraded_max_age_s (3601) is more than 3600"),
        ({"orders_per_minute": 0}, {}, "orders_per_minute (0) is not between 1 and 60000"),
    ],
)
def test_settings_that_cannot_all_be_meant_are_refused(orders: dict[str, Any], reading: Any, told: str) -> None:
    problem = only_problem_of(orders=orders, reading=reading)

    assert problem.startswith(f"brokers.kraken-master.orders: {told}")


@pytest.mark.parametrize(
    "orders",
    [
        {"dead_man_s": 15},
        {"dead_man_s": 21, "validity_s": 20},
        {"dead_man_s": 86_399},
        {"unsent_ttl_s": 5},
        {"degraded_max_age_s": 30},
        {"validity_s": 3},
        {"validity_s": 55, "unsent_ttl_s": 60},
        {"orders_per_minute": 1},
    ],
)
def test_what_is_just_within_its_bounds_is_taken(orders: dict[str, Any]) -> None:
    broker(orders=orders)


def test_everything_wrong_is_told_at_once() -> None:
    raw = config(
        orders={"buffer_market": 0.02, "largest_order": {"USD": -1, "eur": "5"}, "validity_s": 1, "colour": "x"},
        floors={"USD": "-1", "BTC": "x"},
        budgets={"": {"USD": "200 %"}, "a": {"BTC": "80 %"}, "b": {"BTC": "80 %"}},
    )
    raw["brokers"]["kraken-sub1"] = {
        **BROKER,
        "orders": {"dead_man_s": 10, "unsent_ttl_s": 3, "degraded_max_age_s": 1, "buffer_limit": "300 %"},
        "reading": {"max_age_s": 20},
    }

    found = problems_of(raw)

    for start in (
        "orders.buffer_market: 0.02 is a float",
        "orders.largest_order.USD: -1 is below 0",
        "orders.largest_order.eur: asset codes are upper case",
        "orders.validity_s: expected `float` >= 3",
        "orders.colour: unknown key",
        "brokers.kraken-master.floors.USD: -1 is below 0",
        "brokers.kraken-master.floors.BTC: not an amount",
        "brokers.kraken-master.budgets.: the name is empty",
        "brokers.kraken-master.budgets..USD: 200 % is more than 100 %",
        "brokers.kraken-master.budgets: the shares of BTC add up to 160 %",
        "brokers.kraken-sub1.orders.buffer_limit: 300 % is more than 100 %",
        "brokers.kraken-sub1.orders: dead_man_s (10) is neither 0",
        "brokers.kraken-sub1.orders: degraded_max_age_s (1) is less than max_age_s (20)",
    ):
        assert any(problem.startswith(start) for problem in found), (start, found)
    assert len(found) == len(set(found))


def test_a_faulty_shared_value_makes_no_contradiction_up() -> None:
    """``validity_s`` has its default while it is not understood: what it would contradict then is not told."""
    found = problems_of(config(orders={"validity_s": "long", "unsent_ttl_s": 4}))

    assert len(found) == 1
    assert found[0].startswith("orders.validity_s: expected `float`")


# Shown


def test_what_is_shown_is_what_was_meant() -> None:
    raw = config(
        orders={"buffer_market": "3 %", "largest_order": {"USD": "10000"}},
        floors={"USD.HOLD": "1", "1INCH": "2", "USD": 3},
        budgets={"bot-a": {"USD.HOLD": "5", "BTC": "25 %"}, "B": {"USD": "1"}},
    )
    raw["brokers"]["kraken-sub1"] = {**BROKER, "orders": {"largest_order": {"USD.HOLD": "9"}, "prefer": "rest"}}
    raw["brokers"]["kraken-sub2"] = {**BROKER, "orders": {"largest_order": {}}}
    meant = load_config(raw)

    shown = toml_text({key: value for key, value in msgspec.to_builtins(meant).items() if key != "path"})

    assert load_config(tomllib.loads(shown)) == meant


def test_a_file_with_every_new_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.toml"
    path.write_text(
        """
[orders]
buffer_market = "2 %"
largest_order = { USD = "10000", EUR = 9000 }

[brokers.kraken-master]
venue = "kraken"
environment = "simulated"
rest_url = "http://127.0.0.1:18080"
ws_url = "ws://127.0.0.1:18080/v2"
floors = { USD = "100", "USD.HOLD" = "1" }

[brokers.kraken-master.budgets]
bot-a = { USD = "500", BTC = "25 %" }

[brokers.kraken-master.orders]
dead_man_s = 60
"""
    )

    loaded = load_config(path)

    own = loaded.brokers["kraken-master"]
    assert (own.orders.dead_man_s, own.orders.buffer_market) == (60, "2 %")
    assert own.bot_budgets["bot-a"]["BTC"] == Budget(share=Decimal("0.25"))
    assert loaded.orders.dead_man_s == 0


def test_the_template_shows_every_order_setting_and_where_a_broker_has_its_own() -> None:
    template = config_template()

    assert isinstance(load_config(tomllib.loads(template)), Config)
    for field in msgspec.structs.fields(OrderSettings):
        assert f"# {field.name} = " in template
    assert '# floors = { USD = "100" }' in template
    assert '# budgets = { bot-a = { USD = "500", BTC = "25 %" } }' in template


def test_the_reference_names_each_exact_setting_by_what_it_is() -> None:
    shown = {setting.key: (setting.type, setting.default) for setting in SETTINGS}

    assert shown["orders.buffer_market"] == ("fraction", '"0.02"')
    assert shown["orders.largest_order"] == ("amounts above 0 by asset", "{}")
    assert shown["orders.price_collar"] == ("fraction above 0", "unset")
    assert shown["orders.dead_man_s"] == ("whole number", "0")
    assert shown["brokers.NAME.floors"] == ("amounts by asset", "{}")
    assert shown["brokers.NAME.budgets"] == ("budgets by bot and asset", "{}")
    assert not any(key.startswith("brokers.NAME.orders") for key in shown)


@pytest.mark.parametrize("text", ["two percent", "2 percent", "0.02.", "+2 %", "% 2", "2 %%"])
def test_what_is_no_fraction_is_an_amount_error(text: str) -> None:
    with pytest.raises(AmountError):
        fraction_of(text)
