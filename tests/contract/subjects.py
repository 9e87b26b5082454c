"""The venues under the contract: each adapter with its simulator, and what the simulator calls things."""

from __future__ import annotations

from typing import Final

from holdfast.core.seams import Clock
from holdfast.simulators.core.seam import SimulatedVenue, Timers
from holdfast.simulators.run import VENUES
from holdfast.testing.contract import Calls, Subject
from holdfast.testing.contract.subject import Simulate
from holdfast.venues.kraken import KRAKEN

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
        gaps=(
            {"kind": "sequence_gap", "channel": "executions"},
            {"kind": "ws_out", "channel": "executions", "action": {"do": "drop"}, "count": 1},
        ),
        cuts=({"kind": "close_streams", "code": 1011}, {"kind": "token_death", "closes": True}),
    ),
]
