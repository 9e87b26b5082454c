"""
Coinbase's rate limits as data; the arithmetic is in ``holdfast.core.limits``.

The pages of today give no figure for this API. Older ones and three clients say 30 private requests a second for a
user and 10 public ones for an address; the policy of the whole Coinbase App says 10 000 an hour for a key, and whether
that counts here is unconfirmed. We stay below all of them.

Sources: https://docs.cdp.coinbase.com/coinbase-app/api-architecture/rate-limiting ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-rate-limits ·
https://github.com/JKorf/Coinbase.Net (checked 2026-11-20)
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.core.seams import Priority

__all__ = [
    "CONNECTS",
    "CONNECTS_WINDOW_S",
    "HEADROOM",
    "HOUR",
    "PRIVATE",
    "PROBE_AFTER_S",
    "PUBLIC",
    "QUIET_AFTER_REFUSAL_S",
    "REFUSALS",
    "REFUSED_FOR_S",
    "REST_LAG_S",
    "RETRY_AFTER_MAX_S",
    "Rate",
]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that may be made at once, and calls that one second gives back."""

    maximum: float
    decay_per_s: float


# At most 25 in any second, 10 a second in the long run: five a second are left to orders and cancels.
PRIVATE: Final = Rate(maximum=15, decay_per_s=10.0)

# At most 9 760 in any hour.
HOUR: Final = Rate(maximum=4000, decay_per_s=1.6)

# At most 10 in any second, per address.
PUBLIC: Final = Rate(maximum=5, decay_per_s=5.0)

# Calls of the burst that the less urgent leave to the more urgent: balance polling never starves an order.
HEADROOM: Final[dict[Priority, float]] = {
    Priority.CANCEL: 0,
    Priority.ORDER: 0,
    Priority.TOKEN: 2,
    Priority.BALANCE: 5,
    Priority.HISTORY: 8,
}

# What a refusal says nothing about: Coinbase counts by the second.
QUIET_AFTER_REFUSAL_S: Final = 2.0

# Whatever x-ratelimit-reset says, we look again after a minute: figures have to heal within 90 s of the venue.
RETRY_AFTER_MAX_S: Final = 60.0

# A 401 may be a throttle or a fault at the edge. The key is called bad only after so many in a row, over so long.
# Sources: https://github.com/coinbase/coinbase-advanced-py/issues/60 and …/issues/132 (checked 2026-11-20)
REFUSALS: Final = 3
REFUSED_FOR_S: Final = 30.0

# A key or a right that was refused is tried again only this seldom.
PROBE_AFTER_S: Final = 300.0

# Eight connections a second for an address, by the page of today.
CONNECTS: Final = 8
CONNECTS_WINDOW_S: Final = 1.0

# An order may be unknown to REST for some seconds after it was placed, and so may what it did to the accounts.
# Source: https://github.com/JoshJancula/coinbase-advanced-node/issues/26 (checked 2026-11-20)
REST_LAG_S: Final = 10.0
