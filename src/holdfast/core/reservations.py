"""
Our claims on money that the venue does not hold yet: check and claim in one step, counted once until they end.

Here are only the sums and the states. What an order's life does to its reservation is in ``intents``; what may be
spent is the ledger's to say, and it takes ``reserved`` off.
"""

from __future__ import annotations

import enum

__all__ = ["ReservationState"]


class ReservationState(enum.StrEnum):
    """
    Where a reservation stands. The last three are its ends, and it comes to exactly one of them.

    *Active*: counted in full, less what our figures already take off for its order. *Covered*: the venue's own hold is
    known to include it. *In doubt*: its order may or may not be at the venue; counted in full until evidence.
    """

    ACTIVE = "active"
    COVERED = "covered"
    IN_DOUBT = "in_doubt"
    CONSUMED = "consumed"
    RELEASED = "released"
    EXPIRED = "expired"

    @property
    def is_ended(self) -> bool:
        """Whether it claims nothing any more, and never will again."""
        return self in _ENDS


_ENDS = frozenset({ReservationState.CONSUMED, ReservationState.RELEASED, ReservationState.EXPIRED})
