"""
What the process's exit code says, for scripts.

When several apply the one earliest in ``PRECEDENCE`` wins: a usage error hides everything, a shortage of funds hides
nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

__all__ = ["MEANINGS", "PRECEDENCE", "Exit", "worst"]


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIG = 3
    FUNDS_SHORT = 4
    STALE_OR_UNKNOWN = 5
    VENUE_UNAVAILABLE = 6
    RATE_LIMITED = 7
    VERIFICATION_FAILED = 8
    OWNED_ELSEWHERE = 9


MEANINGS: Final[dict[Exit, str]] = {
    Exit.OK: "the command did what it says",
    Exit.UNEXPECTED: "something unexpected: a bug of ours, or a store that cannot be used",
    Exit.USAGE: "the command line is wrong; several brokers are configured and none is named; an id is unknown or over",
    Exit.CONFIG: "the configuration or a credential cannot be used",
    Exit.FUNDS_SHORT: "the figure is good and smaller than asked for",
    Exit.STALE_OR_UNKNOWN: "the figure is stale or was never confirmed",
    Exit.VENUE_UNAVAILABLE: "the venue cannot be reached, is in maintenance, or a breaker is open",
    Exit.RATE_LIMITED: "the venue's rate limit, or our own budget, refused",
    Exit.VERIFICATION_FAILED: "a verification did not reach what was asked of it",
    Exit.OWNED_ELSEWHERE: "another process owns the account, and does not answer or would have to end first",
}
"""One line per code; the reference's table is made from it."""

PRECEDENCE: Final = (
    Exit.UNEXPECTED,
    Exit.USAGE,
    Exit.OWNED_ELSEWHERE,
    Exit.CONFIG,
    Exit.VERIFICATION_FAILED,
    Exit.VENUE_UNAVAILABLE,
    Exit.RATE_LIMITED,
    Exit.STALE_OR_UNKNOWN,
    Exit.FUNDS_SHORT,
)


def worst(codes: Iterable[int]) -> int:
    """The code to exit with when several apply; ``0`` for none."""
    present = set(codes)
    for code in PRECEDENCE:
        if code in present:
            return int(code)
    return max(present, default=0)
