"""What a caller is told of a position that was closed, or of why it was not."""

from __future__ import annotations

from holdfast.core.closing import ClosingPlan
from holdfast.runtime.views import Order

__all__ = ["Closing"]


class Closing(ClosingPlan, frozen=True, kw_only=True):
    """
    What closing a position came to: see ``ClosingPlan`` for what was found.

    ``code`` is ``sell`` where an order was sent, and ``order`` is that order as known when the venue had answered. It
    is None with ``dust``, ``nothing`` and ``kept``: then nothing was sent, and ``explanation`` says why. ``left`` is
    what stays once all of ``quantity`` is sold; ``broker.order(intent_id)`` tells how much was.
    """

    order: Order | None = None
