"""
Who goes first in a lane.

Cancels before orders before tokens before balances before history, and first come first served among equals. Waiting
lifts a waiter by one class per ``PROMOTE_EVERY_S``, so the least of them stands in the first class after four seconds
and then only behind those that came before it: nobody waits for ever, however many cancels arrive.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PROMOTE_EVERY_S", "standing"]

PROMOTE_EVERY_S: Final = 1.0


def standing(priority: int, *, since_s: float, now_s: float, tie: int) -> tuple[int, float, int]:
    """
    A waiter's place in line; the smallest goes first.

    Args:
        priority: 0 (cancel) to 4 (history).
        since_s: When it began to wait.
        now_s: Now, on the same clock.
        tie: Tells two apart that came at the same moment.
    """
    waited_s = now_s - since_s
    lifted = int(waited_s / PROMOTE_EVERY_S) if waited_s > 0 else 0
    return (max(0, priority - lifted), since_s, tie)
