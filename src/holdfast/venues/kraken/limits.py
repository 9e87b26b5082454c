"""
Kraken's rate limits as data; the arithmetic is in ``holdfast.core.limits``.

Sources: https://docs.kraken.com/exchange/guides/rest/ratelimits ·
https://docs.kraken.com/exchange/guides/general/ratelimits ·
https://support.kraken.com/articles/206548367-what-are-the-api-rate-limits- (checked 2026-11-20)
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.core.seams import Priority

__all__ = [
    "CONNECTS",
    "CONNECTS_WINDOW_S",
    "COSTS",
    "DEFAULT_COST",
    "DEFAULT_TIER",
    "HEADROOM",
    "LOCKOUT_S",
    "PROBE_AFTER_S",
    "PUBLIC",
    "QUIET_AFTER_REFUSAL_S",
    "REST_LAG_S",
    "RETRY_AFTER_MAX_S",
    "TIERS",
    "Tier",
]


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One verification tier's private REST counter: points at most, and points that one second takes away."""

    maximum: float
    decay_per_s: float


TIERS: Final[dict[str, Tier]] = {
    "starter": Tier(maximum=15, decay_per_s=0.33),
    "intermediate": Tier(maximum=20, decay_per_s=0.5),
    "pro": Tier(maximum=20, decay_per_s=1.0),
}

# Kraken does not say which tier a key has: without the setting we keep to the smallest.
DEFAULT_TIER: Final = "starter"

# Public calls count per address; one a second is called safe. The burst is our own choice.
PUBLIC: Final = Tier(maximum=5, decay_per_s=1.0)

# Ledger and trade-history calls cost two, orders none here, every other call one.
COSTS: Final[dict[str, float]] = {"Ledgers": 2, "TradesHistory": 2, "AddOrder": 0, "CancelOrder": 0}
DEFAULT_COST: Final = 1.0

# Points that the less urgent leave to the more urgent, so that a history walk never starves a token or a balance.
HEADROOM: Final[dict[Priority, float]] = {
    Priority.CANCEL: 0,
    Priority.ORDER: 0,
    Priority.TOKEN: 1,
    Priority.BALANCE: 3,
    Priority.HISTORY: 6,
}

# "EAPI:Rate limit exceeded" restricts for some seconds, longer where calls go on.
QUIET_AFTER_REFUSAL_S: Final = 15.0

# Neither threshold nor length is published; a third-party catalogue says fifteen minutes, and each further call is
# said to start them again.
LOCKOUT_S: Final = 900.0

# A key or a right that was refused is tried again only this seldom: repeated bad keys lead to the lockout.
PROBE_AFTER_S: Final = 300.0

# Whatever a Retry-After says, we look again after a minute: figures have to heal within 90 s of the venue.
RETRY_AFTER_MAX_S: Final = 60.0

# Cloudflare bans an address for ten minutes beyond about this many (re)connects.
# Source: https://docs.kraken.com/exchange/guides/websockets/reconnection (checked 2026-11-20)
CONNECTS: Final = 150
CONNECTS_WINDOW_S: Final = 600.0

# REST was seen to answer with what the stream had left behind for up to a minute.
# Source: https://github.com/btschwertfeger/kraken-infinity-grid/issues/82 (checked 2026-11-20)
REST_LAG_S: Final = 60.0
