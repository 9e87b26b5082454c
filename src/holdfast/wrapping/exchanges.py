"""
What an exchange object of ccxt says about itself: which venue, which addresses, whose key, and what each call is.

Read from the object's public attributes as ccxt documents them (https://docs.ccxt.com/#/README?id=exchange-structure,
checked 2026-11-20 with ccxt 4.5.90). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from holdfast.core.seams import Priority
from holdfast.core.venue import Venue
from holdfast.errors import ConfigError

__all__ = ["VENUE_OF", "Call", "Target", "call_of", "is_local", "target_of"]

VENUE_OF: Final = {
    "kraken": ("kraken", "private", None),
    "coinbase": ("coinbase", "rest", None),
    "coinbaseadvanced": ("coinbase", "rest", None),
    "okx": ("okx", "rest", "global"),
    "myokx": ("okx", "rest", "eea"),
    "okxus": ("okx", "rest", "us"),
}
"""ccxt's id: the venue, the name of its REST address in ``urls["api"]``, and the region ccxt means by it."""

_DEMO_HEADER: Final = "x-simulated-trading"

# Kraken answers every private call by POST, so that only its name tells whether asking twice is harmless.
# https://docs.kraken.com/api-reference/ (checked 2026-11-20)
_KRAKEN_READS: Final = frozenset(
    {
        "Balance",
        "BalanceEx",
        "ClosedOrders",
        "CreditLines",
        "DepositAddresses",
        "DepositMethods",
        "DepositStatus",
        "ExportStatus",
        "GetApiKeyInfo",
        "GetWebSocketsToken",
        "Ledgers",
        "OpenOrders",
        "OpenPositions",
        "OrderAmends",
        "QueryLedgers",
        "QueryOrders",
        "QueryTrades",
        "TradeBalance",
        "TradesHistory",
        "TradeVolume",
        "WithdrawAddresses",
        "WithdrawInfo",
        "WithdrawMethods",
        "WithdrawStatus",
    }
)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a wrapped exchange's account is: one broker's place in a configuration."""

    venue: str
    environment: str
    region: str | None = None
    rest_url: str | None = None  # Of a simulator only, like what follows.
    ws_url: str | None = None
    ca_file: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of ccxt's, as far as the lane has to know it. ``may_repeat``: asking again changes nothing."""

    name: str  # As the venue calls it, such as BalanceEx.
    is_signed: bool
    may_repeat: bool
    priority: Priority


def is_local(url: str) -> bool:
    """Whether *url* is on this host: a simulator, then."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def target_of(exchange: Any, venue: Venue, *, ca_file: str | None = None) -> Target:
    """
    Where *exchange* sends its signed calls.

    An address of this host is a simulator's; any other has to be one of the venue's own.

    Raises:
        ConfigError: It is neither, or the object does not say.
    """
    _, part, region = VENUE_OF[exchange.id]
    rest_url = _address(exchange, part)
    if is_local(rest_url):
        return Target(
            venue=venue.id,
            environment="simulated",
            rest_url=rest_url,
            ws_url=_stream_beside(rest_url, venue),
            ca_file=ca_file,
        )
    environment = "demo" if str((exchange.headers or {}).get(_DEMO_HEADER, "")) == "1" else "production"
    host = urlsplit(rest_url).hostname
    sites = [site for site in venue.facts.sites if site.environment == environment]
    ours = [site for site in sites if urlsplit(site.rest_url).hostname == host]
    if not ours:
        known = ", ".join(dict.fromkeys(urlsplit(site.rest_url).hostname or "" for site in sites)) or "none"
        raise ConfigError(
            f"wrap: {exchange.id} sends to {host}, which is no {environment} address of {venue.id} known here"
            f" ({known}): use ccxt's own address, or a simulator on this host"
        )
    named = [site for site in ours if site.region == region] or ours
    return Target(venue=venue.id, environment=environment, region=named[0].region)


def call_of(exchange: Any, path: str, api: str | Sequence[str], method: str) -> Call:
    """What a call of ``fetch2`` is. *api* is ccxt's: one name or several, of which a public one has "public" in it."""
    parts = [api] if isinstance(api, str) else list(api)
    if any("public" in str(part).lower() for part in parts):
        return Call(name=str(path), is_signed=False, may_repeat=True, priority=Priority.HISTORY)
    name = str(path)
    may_repeat = name in _KRAKEN_READS if exchange.id == "kraken" else method.upper() == "GET"
    return Call(name=name, is_signed=True, may_repeat=may_repeat, priority=_priority_of(name, may_repeat))


def _priority_of(name: str, may_repeat: bool) -> Priority:
    lowered = name.lower()
    if not may_repeat:
        return Priority.CANCEL if "cancel" in lowered else Priority.ORDER
    if "token" in lowered:
        return Priority.TOKEN
    if "balance" in lowered or lowered.endswith("accounts"):
        return Priority.BALANCE
    return Priority.HISTORY


def _address(exchange: Any, part: str) -> str:
    places = (exchange.urls or {}).get("api")
    url = places.get(part) if isinstance(places, dict) else places
    if not isinstance(url, str) or not urlsplit(url.replace("{hostname}", "host")).hostname:
        raise ConfigError(f"wrap: {exchange.id} has no address under urls['api'][{part!a}]")
    return url.replace("{hostname}", str(exchange.hostname or "")).rstrip("/")


def _stream_beside(rest_url: str, venue: Venue) -> str:
    """A local simulator serves both wires at one port: the stream's path is that of the venue's own address."""
    parts = urlsplit(rest_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    path = urlsplit(venue.facts.sites[0].ws_url).path if venue.facts.sites else ""
    return f"{scheme}://{parts.netloc}{path}"
