"""A synchronous bot and an asynchronous one play one day at every venue: the same orders, and the venues' truth."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.amounts import total_of
from holdfast.testing import LocalVenue

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

FOLDER = Path(__file__).parent.parent / "examples" / "trading_day"
ORDERS = [("bid", "buy", "canceled"), ("buy", "buy", "filled"), ("half", "sell", "filled"), ("out", "sell", "filled")]


@pytest.fixture
def bots(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The example's modules, as a reader who runs them has them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("decisions", "town", "blocking", "asynchronous")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def order_log(venue: LocalVenue) -> list[dict[str, Any]]:
    """Every order that the venue ever took, as it has it."""
    with urllib.request.urlopen(venue.ready["admin"] + "/orders", timeout=10) as answer:
        log: list[dict[str, Any]] = json.load(answer)["accounts"]["master"]["orders"]
    return log


def totals(venue: LocalVenue, assets: Any) -> dict[str, Decimal]:
    truth = venue.truth()
    return {asset: Decimal(truth[asset]["total"]) for asset in assets}


def test_both_kinds_of_bot_live_through_the_same_day_at_every_venue(bots: dict[str, Any]) -> None:
    town = bots["town"]
    with town.three_venues() as venues:
        # These venues' reads lag behind nothing: the evening is as short as that.
        config = {**town.config_of(venues), "reading": {"rest_lag_s": 1.0, "reconcile_fault_s": 1.0}}
        # The same accounts under other names: an id of an order is used once, by whatever bot.
        renamed = {name.replace("master", "evening"): broker for name, broker in config["brokers"].items()}
        assets = ("BTC", "USD")
        morning = {name: totals(venue, assets) for name, venue in venues.items()}

        first = bots["blocking"].run(config)
        noon = {name: totals(venue, assets) for name, venue in venues.items()}
        second = asyncio.run(bots["asynchronous"].run({**config, "brokers": renamed}))
        night = {name: totals(venue, assets) for name, venue in venues.items()}
        logs = {name: order_log(venue) for name, venue in venues.items()}

    assert set(first) == set(venues)
    for name in venues:
        one, other = first[name], second[name.replace("master", "evening")]
        assert one.symbol == other.symbol == "BTC-USD"
        assert one.denied == other.denied == ["funds_short"]
        # What was shown at the end is what the venue really has.
        assert (one.balances, other.balances) == (noon[name], night[name])
        # The same orders, for the same money.
        assert [(order[0].split()[-1], *order[1:3]) for order in one.orders] == ORDERS
        assert [order[1:] for order in one.orders] == [order[1:] for order in other.orders]
        assert noon[name]["USD"] - morning[name]["USD"] == night[name]["USD"] - noon[name]["USD"] < 0
        # All that was bought was sold again; OKX takes a buyer's fee in what is bought.
        assert noon[name]["BTC"] - morning[name]["BTC"] == night[name]["BTC"] - noon[name]["BTC"]
        assert Decimal("-0.00001") < night[name]["BTC"] - noon[name]["BTC"] <= 0
        # And the venue took each of them once, no other, and what was denied never.
        placed = [*one.orders, *other.orders]
        theirs = sorted((order["side"], Decimal(order["filled"])) for order in logs[name])
        assert theirs == sorted((str(side), filled) for _, side, _, _, filled, _ in placed)
        spent = total_of(cost if side == "buy" else -cost for _, side, _, _, _, cost in placed)
        assert total_of(Decimal(order["cost"]) * (1 if order["side"] == "buy" else -1) for order in logs[name]) == spent
