"""
How OKX differs in kind from other venues; see ``holdfast.core.venue.VenueFacts``.

The host has to match where the account was registered: a good key on another one is answered as if it did not exist.
Demo trading is the same REST host with a header, keys of its own, and streams of its own.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#overview-production-trading-services and
https://www.okx.com/docs-v5/en/#overview-demo-trading-services (global), https://my.okx.com/docs-v5/en/ (Europe),
https://app.okx.com/docs-v5/en/ (United States and Australia; its stream hosts only from
https://github.com/nautechsystems/nautilus_trader), https://www.okx.com/docs-v5/en/#overview-transaction-timeouts
(``expTime``), https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-all-after (10 to 120 seconds),
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-order-precheck (not in spot mode),
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order (``ordType``: the reserve of market orders).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.venue import Capability, PassphraseUse, SequencePolicy, Site, VenueFacts

__all__ = ["DEAD_MAN_S", "FACTS", "REGIONS"]

# Region: REST, live stream, demo stream. The paths are the client's business.
_HOSTS: Final = {
    "global": ("https://openapi.okx.com", "wss://ws.okx.com:8443", "wss://wspap.okx.com:8443"),
    "eea": ("https://eea.okx.com", "wss://wseea.okx.com:8443", "wss://wseeapap.okx.com:8443"),
    "us": ("https://us.okx.com", "wss://wsus.okx.com:8443", "wss://wsuspap.okx.com:8443"),
}

REGIONS: Final = tuple(_HOSTS)
"""Parts of OKX at which an account may have been registered; the first is where nobody says otherwise."""

DEAD_MAN_S: Final = (10, 120)

FACTS: Final = VenueFacts(
    sites=(
        *(
            Site(environment="production", rest_url=rest, ws_url=f"{live}/ws/v5", region=region)
            for region, (rest, live, _) in _HOSTS.items()
        ),
        *(
            Site(environment="demo", rest_url=rest, ws_url=f"{demo}/ws/v5", region=region)
            for region, (rest, _, demo) in _HOSTS.items()
        ),
    ),
    sequence=SequencePolicy.NONE,
    in_flight_max=8,
    passphrase=PassphraseUse.REQUIRED,
    options=frozenset(
        {"must_be_simulator", "environment", "region", "read_deadline_s", "random", "counter", "venue_time"}
    ),
    validity_s=5.0,
    validity_max_s=55.0,
    validity_ahead_s=1.0,
    dead_man_s=DEAD_MAN_S,
    checks_account_mode=True,
    trade_rights=("trade",),
    # "reserves/freezes your quote currency by an additional 5%", of buys by quantity; whether of buys by amount too is
    # not said, and they are taken to be.
    market_reserve=Decimal("0.05"),
    lacks={
        Capability.ORDER_CHECK: "OKX checks orders without placing them (order-precheck) only in the multi-currency "
        "and portfolio margin modes, and holdfast works in spot mode",
    },
)
