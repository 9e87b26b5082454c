"""
Fixed words of the core, as people read them on the page. Pure.

A word that is missing from a table is shown as it is, with blanks for its underscores: its meaning is never guessed at.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.venue import VenueMode

__all__ = ["PARKED", "VENUES", "VENUE_MODES", "plain", "said_of_difference", "said_of_parking", "said_of_stream"]

VENUES: Final = {"kraken": "Kraken", "coinbase": "Coinbase", "okx": "OKX"}
"""How a venue is called; any other goes by its id."""

_STREAM: Final = {
    "connecting": "connecting",
    "no_snapshot": "waits for its first snapshot",
    "silent": "fell silent",
    "connection_lost": "connection lost",
    "unreachable": "venue not reachable",
    "rate_limited": "the venue asked for a pause",
    "maintenance": "the venue is in maintenance",
    "lockout": "the venue locked the credential out",
    "credential_parked": "the credential is parked",
    "credential_busy": "another process uses the credential",
    "owner_silent": "the owning process is silent",
    "not_wanted": "no stream is used",
    "repair": "restarted by a repair",
    "restarted": "restarted by a person",
    "gap": "its sequence broke",
}

_DIFFERENCES: Final = {
    "rest_differs": "REST states another figure than the stream, and keeps stating it",
    "stream_frozen": "the stream stands still while REST moves",
    "delta_differs": "a pushed change does not add up to the total that came with it",
    "held_exceeds_total": "the venue states more held than there is",
    "available_exceeds_total": "the venue states more available than there is",
    "reservations_uncovered": "there is less than is reserved: somebody else took it",
}

PARKED: Final = {
    "lockout": "the venue locked the key out: nothing is sent with it until that has passed",
    "invalid_nonce": "the venue refuses our nonces: one probe is made, then a person decides",
    "clock": "our clock is off the venue's: it opens once the clock is measured good",
    "bad_key": "the venue does not know the key",
    "key_revoked": "the venue does not know the key any more",
    "key_expired": "the key's time is over",
    "wrong_secret": "the venue refuses the signature",
    "account_locked": "the venue has closed the account",
    "permission_missing": "the key may not make this call",
    "lane_unreadable": "its lane file cannot be read",
}

VENUE_MODES: Final = {
    VenueMode.CANCEL_ONLY: "the venue takes cancels only",
    VenueMode.POST_ONLY: "the venue takes post-only orders",
    VenueMode.LIMIT_ONLY: "the venue takes limit orders only",
    VenueMode.MAINTENANCE: "the venue is in maintenance",
}


def plain(word: str) -> str:
    """A fixed word with blanks for underscores."""
    return word.replace("_", " ")


def said_of_stream(reason: str | None) -> str:
    """Why a stream is not live."""
    return plain(reason or "unknown") if reason not in _STREAM else _STREAM[reason]


def said_of_difference(kind: str) -> str:
    """What sort of contradiction a discrepancy is."""
    return _DIFFERENCES.get(kind, plain(kind))


def said_of_parking(cause: str) -> str:
    """Why nothing is signed with a credential."""
    return PARKED.get(cause, plain(cause))
