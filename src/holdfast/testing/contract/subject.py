"""What the contract has to be told of a venue, beside its adapter and its simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from holdfast.core.assets import Symbol
from holdfast.core.seams import Clock
from holdfast.core.venue import Venue
from holdfast.simulators.core.seam import SimulatedVenue, Timers

__all__ = ["Calls", "Simulate", "Subject"]

Simulate = Callable[[int, str, Clock, Timers], SimulatedVenue]
"""Makes the venue's simulator from a seed, a profile, its clock and its timers."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """
    What the simulator calls requests, for faults that are meant for one of them.

    ``place_stream`` and ``cancel_stream`` are None where the adapter sends no orders over its stream.
    """

    balances: str
    place: str
    cancel: str
    place_stream: str | None = None
    cancel_stream: str | None = None

    def placing(self, way: str) -> str:
        """The name of what places an order over ``rest`` or ``stream``."""
        return self.place if way == "rest" else self.place_stream or ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    One venue under test.

    Attributes:
        venue: The adapter's one value.
        simulate: Makes its simulator; it has to know the events ``deposit``, ``withdrawal``, ``external_order``,
            ``external_trade``, ``external_cancel``, ``market_price`` and ``key_revocation``.
        calls: What the simulator calls requests.
        symbol: An instrument that it lists, canonical.
        low: A price far below its market: a buy there rests.
        quantity: An order's size that is within every rule, base units.
        spending: A market buy's size in quote units.
        options: More options for the adapter than the runtime's own.
        closing: The event after which the venue says of itself that it is closed; None where it has no word for that.
        refusing: The event after which it takes no new orders; None where nothing does that.
        rate_limited: The fault after which the next call is refused for its rate.
        gaps: Faults that lose an update of the orders channel so that its sequence shows it; none where the venue
            numbers nothing.
        cuts: Faults that end every stream connection.
        ws_url: Where the simulator serves its stream; the host is ignored, its path used.
        profiles: The accounts whose figures are compared, by name.
    """

    venue: Venue
    simulate: Simulate
    calls: Calls
    symbol: Symbol = "BTC-USD"
    low: Decimal = Decimal("20000.0")
    quantity: Decimal = Decimal("0.01")
    spending: Decimal = Decimal(100)
    options: Mapping[str, object] = field(default_factory=dict)
    closing: Mapping[str, Any] | None = None
    refusing: Mapping[str, Any] | None = None
    rate_limited: Mapping[str, Any] = field(default_factory=lambda: {"kind": "rate_limit"})
    gaps: tuple[Mapping[str, Any], ...] = ()
    ws_url: str = "ws://127.0.0.1:1"
    profiles: tuple[str, ...] = ("plain", "busy", "empty", "many")
    cuts: tuple[Mapping[str, Any], ...] = ({"kind": "close_streams", "code": 1011},)

    @property
    def base(self) -> str:
        """The symbol's base asset."""
        return self.symbol.split("-")[0]

    @property
    def quote(self) -> str:
        """The symbol's quote asset."""
        return self.symbol.split("-")[1]
