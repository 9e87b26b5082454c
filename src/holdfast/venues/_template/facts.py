"""
How Template differs in kind from other venues; see ``holdfast.core.venue.VenueFacts``.

Sources (checked 2026-11-20): https://docs.template.example/api, one page for each fact below.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.venue import Capability, PassphraseUse, SequencePolicy, Site, VenueFacts

__all__ = ["FACTS"]

FACTS: Final = VenueFacts(
    sites=(
        Site(
            environment="production",
            rest_url="https://api.template.example",
            ws_url="wss://stream.template.example",
        ),
    ),
    sequence=SequencePolicy.NONE,
    in_flight_max=8,
    passphrase=PassphraseUse.NONE,
    options=frozenset({"must_be_simulator", "read_deadline_s", "random", "counter", "venue_time"}),
    validity_s=5.0,
    validity_max_s=55.0,
    validity_ahead_s=2.0,
    lacks={
        Capability.DEMO_ENVIRONMENT: "Template offers no environment beside production: say here what you found out"
    },
)
