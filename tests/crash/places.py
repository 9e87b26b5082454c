"""
What the crash lives have to know of a venue: its simulator, its words for orders and evidence, and where to die there.

Lives, scenes, steps and judge are the same for all of them; what differs is stated here.
"""

from __future__ import annotations

import importlib
import os
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from holdfast.simulators.core.seam import SimRequest
from tests.crash.order_steps import BOTH, STEPS, OrderStep, Wire

__all__ = ["EVIDENCE", "PLACES", "Asked", "Place", "patience", "step_at", "steps_at"]

EVIDENCE: Final = ("OpenOrders", "ClosedOrders", "TradesHistory")
"""The lists that prove an order absent, under one name at every venue."""

_HTTP: Final = "holdfast.runtime.wire:AiohttpWire.request"


class Asked(NamedTuple):
    """A read that may prove something: one of ``EVIDENCE``, and whose order it asked for (None: anybody's)."""

    name: str
    client_order_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """
    One venue under crash lives.

    Attributes:
        id: The venue's id; ``broker`` is called after it.
        simulator: Names of the simulator's class and of its settings' class in its folder.
        served: Settings of every served venue: many clients share one key's budget here.
        refusing: Settings under which a post-only buy far above the market is refused and not cancelled.
        broker_facts: What a broker's configuration has here and nowhere else.
        assets: What may be deposited.
        pair: BTC against dollars, as its events call it.
        wires: The ways orders may go.
        best: The best state that figures reach.
        validity_s: How long an order is valid in these lives.
        place: What its journal calls an order, by wire.
        order_events: The channel that tells of orders.
        lookup: The evidence that a request is, by its entry in the journal.
        answers: Outcomes of a read that are answers.
        has_base_fees: Whether a buy's fee is taken off what it bought; lists then tell of it by its worth in quote,
            which is what a client knows of fills whose own rows it never saw.
        targets: Steps that are at another place here: what to wrap, and what has to occur in its arguments.
        adds: Steps that there are only here.
        left_out: Steps that there are not, and why.
    """

    id: str
    simulator: tuple[str, str]
    served: Mapping[str, Any] = field(default_factory=lambda: {"are_calls_counted": False})
    refusing: Mapping[str, Any] = field(default_factory=dict)
    broker_facts: Mapping[str, Any] = field(default_factory=dict)
    assets: tuple[str, ...]
    pair: str = "BTC-USD"
    wires: tuple[Wire, ...] = BOTH
    best: str = "live"
    validity_s: float = 3.0
    place: Mapping[Wire, str]
    order_events: str
    lookup: Callable[[Mapping[str, Any]], Asked | None]
    answers: tuple[str, ...] = ("ok",)
    has_base_fees: bool = False
    targets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    adds: tuple[OrderStep, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def broker(self) -> str:
        """The broker's name."""
        return f"{self.id}-master"

    def settings(self, **more: Any) -> Any:
        """The settings of a served venue."""
        return self._named(1)(**{**self.served, **more})

    def simulate(self, *, settings: Any, **parts: Any) -> Any:
        """The simulator; its journal tells the query of a request beside what it tells anywhere."""
        made: type[Any] = self._named(0)

        class Telling(made):  # type: ignore[misc]
            def describe(self, request: SimRequest) -> dict[str, str]:
                return {**super().describe(request), "query": request.query}

        return Telling(settings=settings, **parts)

    def _named(self, number: int) -> Any:
        return getattr(importlib.import_module(f"holdfast.simulators.{self.id}"), self.simulator[number])


def steps_at(place: Place) -> tuple[OrderStep, ...]:
    """Every step that there is at a venue, about in the order in which an order comes by them."""
    return (
        *(_at(place, step) for step in STEPS if step.name not in place.left_out),
        *place.adds,
    )


def step_at(place: Place, name: str) -> OrderStep:
    """The step of this name at a venue."""
    (found,) = [step for step in steps_at(place) if step.name == name]
    return found


def _at(place: Place, step: OrderStep) -> OrderStep:
    target, only = place.targets.get(step.name, (step.target, step.only))
    wires = tuple(wire for wire in step.wires if wire in place.wires)
    return msgspec.structs.replace(step, target=target, only=only, wires=wires)


def patience(seconds: float) -> float:
    """
    So many seconds of a machine that has nothing else to do.

    A bound on how long a harness waits is for what never comes; on a loaded machine everything comes later.
    """
    return seconds * max(2.0, 2.0 * os.getloadavg()[0] / (os.cpu_count() or 1))


def _query(entry: Mapping[str, Any]) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(entry.get("query", "")))


def _of_kraken(entry: Mapping[str, Any]) -> Asked | None:
    return Asked(entry["name"]) if entry.get("name") in EVIDENCE else None


def _of_coinbase(entry: Mapping[str, Any]) -> Asked | None:
    if entry.get("name") == "ListOrders":
        return Asked("OpenOrders" if "order_status" in _query(entry) else "ClosedOrders")
    return Asked("TradesHistory") if entry.get("name") == "ListFills" else None


def _of_okx(entry: Mapping[str, Any]) -> Asked | None:
    match entry.get("name"):
        case "GET trade/orders-pending":
            return Asked("OpenOrders")
        case "GET trade/orders-history" | "GET trade/orders-history-archive":
            return Asked("ClosedOrders")
        case "GET trade/order":
            return Asked("ClosedOrders", _query(entry).get("clOrdId", ""))
        case "GET trade/fills" | "GET trade/fills-history":
            return Asked("TradesHistory")
    return None


_NONCE: Final = "a nonce is durable, the order is not sent"
_IN_TURN: Final = "it is its turn, the order is not signed"
_NO_NONCES: Final = f"calls carry no nonces: in its place there is {_IN_TURN!r}"
_NO_STREAM_ORDERS: Final = "orders are taken over REST only"
_OKX_REQUESTS: Final = "holdfast.venues.okx.requests:OrderRequests"
_OKX_SESSION: Final = "holdfast.venues.okx.session:Session"

PLACES: Final[dict[str, Place]] = {
    "kraken": Place(
        id="kraken",
        simulator=("KrakenSimulator", "KrakenSimSettings"),
        refusing={"is_crossing_post_only_an_error": True},
        broker_facts={"rate_tier": "pro"},
        assets=("USD", "EUR", "BTC", "ETH", "SOL", "USDT"),
        pair="XXBTZUSD",
        place={"rest": "AddOrder", "stream": "add_order"},
        order_events="executions",
        lookup=_of_kraken,
    ),
    "coinbase": Place(
        id="coinbase",
        simulator=("CoinbaseSimulator", "CoinbaseSimSettings"),
        assets=("USD", "EUR", "BTC", "ETH", "SOL", "USDC"),
        wires=("rest",),
        best="fresh",  # No balances are pushed.
        validity_s=5.0,  # A token ends at a whole second: up to one less.
        place={"rest": "CreateOrder"},
        order_events="user",
        lookup=_of_coinbase,
        targets={
            "the request is ready, not handed over": (_HTTP, "/brokerage/orders "),
            "the venue has it, the answer is under way: REST": (_HTTP, "/brokerage/orders "),
            "the answer is here, not looked at: REST": (_HTTP, "/brokerage/orders "),
            "the cancel is handed over": (_HTTP, "/orders/batch_cancel "),
        },
        adds=(
            OrderStep(
                name=_IN_TURN,
                target="holdfast.venues.coinbase.calls:Calls._send_signed",
                when="before",
                scene="buy",
                only="name='orders'",
                wires=("rest",),
            ),
        ),
        left_out={
            "the frame is ready, not handed over": _NO_STREAM_ORDERS,
            "the frame is handed over": _NO_STREAM_ORDERS,
            "the venue has it, the answer is under way: stream": _NO_STREAM_ORDERS,
            "the answer is here, not looked at: stream": _NO_STREAM_ORDERS,
            _NONCE: _NO_NONCES,
        },
    ),
    "okx": Place(
        id="okx",
        simulator=("OkxSimulator", "OkxSimSettings"),
        served={"are_calls_counted": False, "connects_per_s": 100},
        refusing={"price_band_percent": Decimal(20)},
        assets=("USD", "USDT", "BTC", "ETH", "SOL", "USDC"),
        place={"rest": "POST trade/order", "stream": "order"},
        order_events="orders",
        lookup=_of_okx,
        answers=("ok", "51603"),  # There is no such order.
        has_base_fees=True,
        targets={
            "the frame is ready, not handed over": (f"{_OKX_SESSION}._write", '"op":"order"'),
            "the frame is handed over": (f"{_OKX_SESSION}._write", '"op":"order"'),
            "the venue has it, the answer is under way: stream": (f"{_OKX_REQUESTS}.ask", "'order'"),
            "the answer is here, not looked at: stream": (f"{_OKX_REQUESTS}.answered", "op='order'"),
            "the request is ready, not handed over": (_HTTP, "/trade/order "),
            "the venue has it, the answer is under way: REST": (_HTTP, "/trade/order "),
            "the answer is here, not looked at: REST": (_HTTP, "/trade/order "),
            "the cancel is handed over": (f"{_OKX_SESSION}._write", '"op":"cancel-order"'),
        },
        adds=(
            OrderStep(
                name=_IN_TURN,
                target="holdfast.venues.okx.calls:Calls._signed",
                when="before",
                scene="buy",
                only="'/api/v5/trade/order'",
                wires=("rest",),
            ),
        ),
        left_out={_NONCE: _NO_NONCES},
    ),
}
"""Every venue at which clients are killed amid their orders."""
