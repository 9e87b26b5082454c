"""
What stands where other venues have a private stream: the facts that reading needs, and a refusal.

ccxt's streams differ by exchange: https://docs.ccxt.com/#/ccxt.pro.manual (checked 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.venue import Capability, Channel, StreamRules, StreamSink
from holdfast.errors import UnsupportedError
from holdfast.venues.through_ccxt import limits
from holdfast.venues.through_ccxt.facts import FACTS

__all__ = ["RULES", "NoStream"]

RULES: Final = StreamRules(
    channels=(),
    silent_after_s=60.0,
    ping_after_s=30.0,
    snapshot_within_s=30.0,
    connect_budget=1,
    connect_budget_window_s=60.0,
    pushes_balances=False,
    rest_lag_s=limits.REST_LAG_S,
)


class NoStream:
    """A ``VenueStream`` that never is: the runtime runs none where the facts say ``has_stream=False``."""

    rules: StreamRules = RULES

    async def run(self, sink: StreamSink) -> None:
        """Raises ``UnsupportedError``."""
        del sink
        _refuse()

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Nothing to ask for."""

    @property
    def can_send_orders(self) -> bool:
        """Never: orders go by REST."""
        return False

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """Raises ``UnsupportedError``; nothing was sent."""
        _refuse()

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """Raises ``UnsupportedError``."""
        _refuse()

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """Raises ``UnsupportedError``; nothing was sent."""
        _refuse()

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """Raises ``UnsupportedError``."""
        _refuse()

    def abort(self, reason: str) -> None:
        """Nothing to drop."""


def _refuse() -> NoReturn:
    capability = Capability.ORDER_STREAM
    raise UnsupportedError(f"through_ccxt has no stream: {FACTS.lacks[capability]}", capability=capability.value)
