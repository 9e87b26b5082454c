"""
How Coinbase differs in kind from other venues; see ``holdfast.core.venue.VenueFacts``.

An order's validity is the end of the token that carries it. Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-endpoints,
https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication (tokens end after two minutes),
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/sandbox.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.venue import Capability, SequencePolicy, Site, VenueFacts

__all__ = ["FACTS"]

FACTS: Final = VenueFacts(
    sites=(
        Site(
            environment="production",
            rest_url="https://api.coinbase.com",
            ws_url="wss://advanced-trade-ws-user.coinbase.com",
        ),
    ),
    sequence=SequencePolicy.NONE,
    in_flight_max=8,
    options=frozenset({"must_be_simulator", "read_deadline_s", "random", "counter", "venue_time"}),
    validity_s=30.0,  # Whole seconds, looked at on arrival: short ones would only be refused more often.
    validity_max_s=110.0,
    validity_ahead_s=2.0,
    checks_account_mode=True,
    trade_rights=("trade",),
    tells_ip_list=False,
    lacks={
        Capability.VENUE_STATUS: "Coinbase has no call that says what its engine accepts; products say it one by one",
        Capability.BALANCE_STREAM: "no channel of Coinbase streams spot balances: orders' events bring reads forward",
        Capability.LEDGER: "Coinbase's trading API has no ledger; deposits, conversions and rewards leave no event",
        Capability.POSITIONS: "Coinbase's spot accounts have no margin positions, and holdfast trades no futures: "
        "what is held is the balances",
        Capability.DEAD_MAN_SWITCH: "Coinbase has no call that cancels orders when it is not repeated",
        Capability.DEMO_ENVIRONMENT: "Coinbase's sandbox gives canned answers that never change",
    },
)
