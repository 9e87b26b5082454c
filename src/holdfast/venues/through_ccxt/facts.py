"""
What is true of every exchange that is reached through ccxt; see ``holdfast.core.venue.VenueFacts``.

ccxt's own documentation (https://docs.ccxt.com/#/README, checked 2026-11-20 with ccxt 4.5.90) says what its unified
calls promise; where exchanges differ, the weakest promise counts here.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.venue import Capability, PassphraseUse, SequencePolicy, Site, VenueFacts

__all__ = ["FACTS"]

FACTS: Final = VenueFacts(
    # ccxt knows the addresses: these stand for "where ccxt sends it".
    sites=(Site(environment="production", rest_url="https://ccxt.invalid", ws_url="wss://ccxt.invalid"),),
    # Some exchanges want rising numbers and some want fresh timestamps: one request in flight satisfies both.
    sequence=SequencePolicy.INCREASING_PER_KEY,
    passphrase=PassphraseUse.OPTIONAL,
    options=frozenset({"must_be_simulator", "read_deadline_s", "random", "exchange", "silence"}),
    # ccxt cannot tell an exchange how long an order is valid: ours says until when it is sent, and proves nothing.
    validity_s=10.0,
    validity_max_s=30.0,
    enforces_validity=False,
    validity_ahead_s=2.0,
    dead_man_s=None,
    has_stream=False,
    lacks={
        Capability.BALANCE_STREAM: "ccxt's own streams differ by exchange and number nothing: figures are read",
        Capability.ORDER_STREAM: "ccxt's own streams differ by exchange and number nothing: orders are read",
        Capability.CREDENTIAL_INFO: "ccxt has no call that says whose key it is or what it may do",
        Capability.LEDGER: "few exchanges have one in ccxt, and none says whether it is complete",
        Capability.POSITIONS: "margin in ccxt differs by exchange, and holdfast reads spot accounts through it: what "
        "is held is the balances",
        Capability.ORDER_CHECK: "ccxt has no dry run that every exchange honours",
        Capability.DEAD_MAN_SWITCH: "ccxt's unified calls have none that lasts over a lost connection",
        Capability.DEMO_ENVIRONMENT: "sandboxes differ by exchange; use ccxt's own object with set_sandbox_mode",
    },
)
