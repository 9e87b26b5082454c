"""
What readiness is made of: every check, what it is worth, and what it proves.

The order is the report's. A check *follows* from others where it cannot be observed without them: when one of those is
lost it is lost too, and says so, instead of asking a venue that has answered already.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

__all__ = ["CATEGORIES", "CHECKS", "MAX_SCORE", "Category", "CheckSpec", "check_named"]


class Category(enum.StrEnum):
    """The nine things that have to be proven before real money goes live."""

    CREDENTIALS = "credentials"
    CONNECTION = "connection"
    BALANCE = "balance"
    HEALTH_MONITORING = "health monitoring"
    MARKET_DATA = "market data"
    SYMBOLS = "symbols"
    POSITIONS = "positions"
    TRADE_CAPABILITY = "trade capability"
    LIVE_ACCOUNT_STREAM = "live account stream"


CATEGORIES: Final[dict[Category, int]] = {
    Category.CREDENTIALS: 10,
    Category.CONNECTION: 20,
    Category.BALANCE: 15,
    Category.HEALTH_MONITORING: 10,
    Category.MARKET_DATA: 15,
    Category.SYMBOLS: 10,
    Category.POSITIONS: 10,
    Category.TRADE_CAPABILITY: 10,
    Category.LIVE_ACCOUNT_STREAM: 10,
}
"""What each category is worth."""

MAX_SCORE: Final = 110
"""What a broker can earn where nothing is exempt."""


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    One check.

    Attributes:
        name: Stable, for scripts: the category's word, a dot, and what is checked.
        category: Where it belongs.
        title: The same for people.
        points: What it is worth; all of them or none.
        proves: What an earned check has shown, as a sentence.
        needs: Checks without which it cannot be observed.
        spared: Why it is exempt with its points awarded on ``simulated``, where there is nothing to look at; or None.
    """

    name: str
    category: Category
    title: str
    points: int
    proves: str
    needs: tuple[str, ...] = ()
    spared: str | None = None


_C = Category
_ACCEPTED: Final = ("credentials.accepted",)
_OURS: Final = ("credentials.accepted", "connection.account")

CHECKS: Final[tuple[CheckSpec, ...]] = (
    CheckSpec(
        name="credentials.present",
        category=_C.CREDENTIALS,
        title="Credential is there",
        points=1,
        proves="Every part that the venue asks for is found where the configuration says, and is the one in use.",
    ),
    CheckSpec(
        name="credentials.form",
        category=_C.CREDENTIALS,
        title="Credential is well-formed",
        points=1,
        proves="No blank or line break around it, the venue's own form, and of the configured environment.",
        needs=("credentials.present",),
    ),
    CheckSpec(
        name="credentials.accepted",
        category=_C.CREDENTIALS,
        title="The venue accepts it",
        points=2,
        proves="The venue answered a call that was signed with it, within this run.",
        needs=("credentials.form", "connection.reach"),
    ),
    CheckSpec(
        name="credentials.read_rights",
        category=_C.CREDENTIALS,
        title="Every read is permitted",
        points=1,
        proves="Balances, open and closed orders, fills and the ledger were each read once, none for want of a right.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="credentials.trade_rights",
        category=_C.CREDENTIALS,
        title="Trading is permitted",
        points=1,
        proves="The venue lists the rights to place and to cancel orders among the key's.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="credentials.no_withdrawal",
        category=_C.CREDENTIALS,
        title="The key cannot withdraw",
        points=2,
        proves="The venue lists no right among the key's with which money could leave.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="credentials.expiry",
        category=_C.CREDENTIALS,
        title="Key expiry",
        points=1,
        proves="The day on which the key ends, as the venue states it, is more than a week away.",
        needs=_ACCEPTED,
        spared="a simulator's key has no end",
    ),
    CheckSpec(
        name="credentials.ip_list",
        category=_C.CREDENTIALS,
        title="IP list",
        points=1,
        proves="The key is accepted from listed addresses only.",
        needs=_ACCEPTED,
        spared="a simulator is reached from this machine only",
    ),
    CheckSpec(
        name="connection.reach",
        category=_C.CONNECTION,
        title="The venue answers",
        points=4,
        proves="Name, connection and one unsigned call: the venue's clock was read, in the environment configured.",
    ),
    CheckSpec(
        name="connection.tls",
        category=_C.CONNECTION,
        title="TLS",
        points=2,
        proves="A verified certificate for the venue's name, with TLS 1.2 or newer.",
        spared="a simulator on loopback is spoken to in the clear",
    ),
    CheckSpec(
        name="connection.clock",
        category=_C.CONNECTION,
        title="Clock skew",
        points=4,
        proves="This machine's clock is within a second of the venue's.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="connection.status",
        category=_C.CONNECTION,
        title="Venue is online",
        points=4,
        proves="The venue says of itself that it takes every kind of order.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="connection.account",
        category=_C.CONNECTION,
        title="Account identified",
        points=4,
        proves="The venue named the account, it is the one that this broker's store is pinned to, and it is set up as "
        "needed.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="connection.latency",
        category=_C.CONNECTION,
        title="Round trip",
        points=2,
        proves="The slowest of this run's first answers took at most two seconds.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="balance.agree",
        category=_C.BALANCE,
        title="Simple and detailed figures agree",
        points=4,
        proves="Two different reads of the venue state the same total of every asset, and so does the broker.",
        needs=_OURS,
    ),
    CheckSpec(
        name="balance.held",
        category=_C.BALANCE,
        title="Held funds are tracked",
        points=4,
        proves="What the venue holds of every asset is what the open orders that it lists explain.",
        needs=_OURS,
    ),
    CheckSpec(
        name="balance.zero",
        category=_C.BALANCE,
        title="Zero and unknown are told apart",
        points=4,
        proves="The venue's answer was believed, no figure waits for a second read, and an asset never held is a "
        "proven zero.",
        needs=_OURS,
    ),
    CheckSpec(
        name="balance.current",
        category=_C.BALANCE,
        title="Figures are current",
        points=3,
        proves="Every figure of the broker is live or fresh, and no two sources disagree.",
        needs=("balance.zero",),
    ),
    CheckSpec(
        name="health.counted",
        category=_C.HEALTH_MONITORING,
        title="A fault is counted",
        points=3,
        proves="Faults made up on this machine were counted one by one, and opened a rehearsal's breaker.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="health.last_good",
        category=_C.HEALTH_MONITORING,
        title="Last known good is kept",
        points=4,
        proves="While they lasted every figure stayed what it was, was labelled stale, and none became zero.",
        needs=("health.counted",),
    ),
    CheckSpec(
        name="health.recovery",
        category=_C.HEALTH_MONITORING,
        title="Recovery is seen",
        points=3,
        proves="One real answer of the venue closed the rehearsal's breaker and made its figures fresh.",
        needs=("health.counted",),
    ),
    CheckSpec(
        name="market.products",
        category=_C.MARKET_DATA,
        title="Products with their rules",
        points=5,
        proves="The venue's listing was read, and each product has a status, steps and what its orders need.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="market.candles",
        category=_C.MARKET_DATA,
        title="Candles: shape",
        points=3,
        proves="Minute candles of the reference instrument: prices above zero, each within its own high and low.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="market.candle_order",
        category=_C.MARKET_DATA,
        title="Candles: order",
        points=3,
        proves="Each begins later than the one before it, on a whole minute.",
        needs=("market.candles",),
    ),
    CheckSpec(
        name="market.candle_age",
        category=_C.MARKET_DATA,
        title="Candles: age",
        points=4,
        proves="The newest began at most five minutes ago on the venue's clock.",
        needs=("market.candles",),
    ),
    CheckSpec(
        name="symbols.round_trip",
        category=_C.SYMBOLS,
        title="Names round trip",
        points=4,
        proves="Every product's name leads to the venue's spelling, and back to itself.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="symbols.unsupported",
        category=_C.SYMBOLS,
        title="Unsupported names are filtered",
        points=3,
        proves="BUSD, which no venue settles any more, is no product here, and is refused with a reason.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="symbols.usd",
        category=_C.SYMBOLS,
        title="USD is supported",
        points=3,
        proves="Bitcoin is listed against US dollars, and USD, USDC and USDT are three different things.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="positions.retrieved",
        category=_C.POSITIONS,
        title="Positions are retrieved",
        points=5,
        proves="The broker stated what is held, from figures of this run.",
        needs=_OURS,
    ),
    CheckSpec(
        name="positions.form",
        category=_C.POSITIONS,
        title="Positions are well-formed",
        points=5,
        proves="Each has a known asset and an exact quantity that the balances confirm.",
        needs=("positions.retrieved",),
    ),
    CheckSpec(
        name="trade.rules",
        category=_C.TRADE_CAPABILITY,
        title="Instrument can be traded",
        points=2,
        proves="The reference instrument takes orders now, and its smallest order and present price are known.",
        needs=("connection.reach",),
    ),
    CheckSpec(
        name="trade.fees",
        category=_C.TRADE_CAPABILITY,
        title="Fees are known",
        points=2,
        proves="The venue told the account's own rates.",
        needs=_ACCEPTED,
    ),
    CheckSpec(
        name="trade.dry_run",
        category=_C.TRADE_CAPABILITY,
        title="Dry run",
        points=6,
        proves="The venue itself validated an order without placing it, and none is open afterwards.",
        needs=("trade.rules", "credentials.trade_rights", "connection.account"),
    ),
    CheckSpec(
        name="stream.snapshot",
        category=_C.LIVE_ACCOUNT_STREAM,
        title="Stream delivers a proven snapshot",
        points=5,
        proves="Every private channel has stated the account on the connection that is open now.",
        needs=_OURS,
    ),
    CheckSpec(
        name="stream.sequence",
        category=_C.LIVE_ACCOUNT_STREAM,
        title="Sequence is sane",
        points=3,
        proves="While it was watched the socket was heard, and nothing was missing, repeated or older than before.",
        needs=("stream.snapshot",),
    ),
    CheckSpec(
        name="stream.nonces",
        category=_C.LIVE_ACCOUNT_STREAM,
        title="Nonce health",
        points=2,
        proves="No nonce was refused in this run, and nothing else of the key's counts ahead of us.",
        needs=_ACCEPTED,
    ),
)
"""Every check, in the order of the report."""

_BY_NAME: Final = {check.name: check for check in CHECKS}


def check_named(name: str) -> CheckSpec:
    """The check of that name; raises ``KeyError`` where there is none."""
    return _BY_NAME[name]
