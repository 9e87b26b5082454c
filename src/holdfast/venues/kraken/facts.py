"""
How Kraken differs in kind from other venues; see ``holdfast.core.venue.VenueFacts``.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/authentication (nonce, two-factor password),
https://docs.kraken.com/api-reference/rest/trading/add-order (``deadline``: 2 to 60 seconds ahead) and
https://docs.kraken.com/api-reference/rest/trading/cancel-all-orders-after.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.venue import CallCounter, Capability, PassphraseUse, SequencePolicy, Site, VenueFacts
from holdfast.venues.kraken import limits

__all__ = ["FACTS"]

FACTS: Final = VenueFacts(
    sites=(Site(environment="production", rest_url="https://api.kraken.com", ws_url="wss://ws-auth.kraken.com/v2"),),
    sequence=SequencePolicy.INCREASING_PER_KEY,
    passphrase=PassphraseUse.OPTIONAL,  # The key's two-factor password.
    options=frozenset(
        {"must_be_simulator", "auto_earn_spendable", "rate_tier", "read_deadline_s", "random", "counter"}
    ),
    validity_s=5.0,
    validity_max_s=55.0,  # Kraken takes 60: what is on its way for a while is not to be refused.
    validity_ahead_s=2.0,
    dead_man_s=(1, 86_399),
    call_counter=CallCounter(
        tiers={name: (tier.maximum, tier.decay_per_s) for name, tier in limits.TIERS.items()},
        default_tier=limits.DEFAULT_TIER,
        costs=limits.COSTS,
        default_cost=limits.DEFAULT_COST,
        headroom=limits.HEADROOM,
        quiet_s=limits.QUIET_AFTER_REFUSAL_S,
    ),
    trade_rights=("modify-trades",),
    stream_rights=("create-ws-token",),
    lacks={
        Capability.DEMO_ENVIRONMENT: "Kraken offers no public sandbox for spot; its demo trades futures only",
    },
)
