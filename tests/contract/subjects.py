"""The venues under the contract: each adapter with its simulator, and what the simulator calls things."""

from __future__ import annotations

from typing import Final

from holdfast.core.seams import Clock
from holdfast.simulators.core.seam import SimulatedVenue, Timers
from holdfast.simulators.run import VENUES
from holdfast.testing.contract import Calls, Subject
from holdfast.testing.contract.subject import Simulate
from holdfast.venues.coinbase import COINBASE
from holdfast.venues.kraken import KRAKEN
from holdfast.venues.okx import OKX

__all__ = ["SUBJECTS"]


def _simulate(venue: str) -> Simulate:
    def make(seed: int, profile: str, clock: Clock, timers: Timers) -> SimulatedVenue:
        return VENUES[venue](seed, profile, clock, timers)

    return make


SUBJECTS: Final[list[Subject]] = [
    Subject(
        venue=KRAKEN,
        simulate=_simulate("kraken"),
        calls=Calls(
            balances="BalanceEx",
            place="AddOrder",
            cancel="CancelOrder",
            place_stream="add_order",
            cancel_stream="cancel_order",
        ),
        ws_url="ws://127.0.0.1:1/v2",
        profiles=("plain", "busy", "margin", "earn", "empty", "many"),
        closing={"kind": "mode", "mode": "maintenance"},
        refusing={"kind": "mode", "mode": "maintenance"},
        gaps=(
            {"kind": "sequence_gap", "channel": "executions"},
            {"kind": "ws_out", "channel": "executions", "action": {"do": "drop"}, "count": 1},
        ),
        cuts=({"kind": "close_streams", "code": 1011}, {"kind": "token_death", "closes": True}),
    ),
    Subject(
        venue=COINBASE,
        simulate=_simulate("coinbase"),
        calls=Calls(balances="ListAccounts", place="CreateOrder", cancel="CancelOrders"),
        profiles=("plain", "busy", "earn", "empty", "many"),
        closing={"kind": "mode", "mode": "maintenance"},
        refusing={"kind": "mode", "mode": "maintenance"},
        gaps=(
            {"kind": "sequence_gap", "channel": "user"},
            {"kind": "ws_out", "channel": "user", "action": {"do": "drop"}, "count": 1},
        ),
    ),
    Subject(
        venue=OKX,
        simulate=_simulate("okx"),
        calls=Calls(
            balances="GET account/balance",
            place="POST trade/order",
            cancel="POST trade/cancel-order",
            place_stream="order",
            cancel_stream="cancel-order",
        ),
        ws_url="ws://127.0.0.1:1/ws/v5",
        # Not "earn": what bots keep of a frozen balance is no order's hold, and the adapter tells the two apart.
        profiles=("plain", "busy", "empty", "many"),
        closing={"kind": "maintenance", "starts_in_s": 0, "lasts_s": 3600},
        refusing={"kind": "outage", "on": True},
        cuts=({"kind": "close_streams", "code": 4001}, {"kind": "close_streams", "code": 1006}),
    ),
]
