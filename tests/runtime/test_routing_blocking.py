"""Routing from synchronous code, with the book on a disk of its own thread."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import holdfast
from holdfast.core.seams import RouteBook
from holdfast.errors import IntentRepeatedError, NoneFundedError
from holdfast.runtime.clock import SystemClock
from holdfast.store.sqlite.routes import SqliteRoutes
from holdfast.testing import FakeVenue, memory_config, memory_parts

ROUTED = ("route", "place_market_order", "place_limit_order", "order", "resolution")


def test_every_routing_method_has_a_blocking_form_with_the_same_parameters() -> None:
    for name in ROUTED:
        ours = inspect.signature(getattr(holdfast.BlockingDesk, name)).parameters
        theirs = inspect.signature(getattr(holdfast.Desk, name)).parameters
        assert {key: (each.kind, each.default) for key, each in ours.items()} == {
            key: (each.kind, each.default) for key, each in theirs.items()
        }


def test_a_synchronous_bot_is_routed_once_for_each_intent(tmp_path: Path) -> None:
    async def routes(environment: str) -> RouteBook:
        return await SqliteRoutes.open(tmp_path / f"{environment}.db")

    venue = FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})
    parts = memory_parts(clock=SystemClock(), venue=venue, routes=routes)

    with holdfast.open_blocking(memory_config("one", "two"), parts=parts, contact="rest") as desk:
        desk.ready(timeout_s=10)
        routing = desk.route("BTC-USD", "buy", quote_quantity="100")
        assert (routing.broker, routing.ranking) == ("one", ("one", "two"))

        order = desk.place_market_order("BTC-USD", "buy", quote_quantity="100", intent_id="i1")
        assert order.broker == "one"
        assert desk.order("i1").order_id == order.order_id
        assert desk.resolution("i1", timeout_s=5).order_id == order.order_id
        with pytest.raises(IntentRepeatedError):
            desk.place_limit_order("BTC-USD", "buy", "0.001", "30000", intent_id="i1")
        with pytest.raises(NoneFundedError):
            desk.place_market_order("BTC-USD", "buy", quote_quantity="5000")
    assert (tmp_path / "simulated.db").exists()
