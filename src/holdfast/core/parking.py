"""
When a credential is closed to everyone, and how it opens again.

A key that a venue refused must not be hammered: every further call may prolong a lockout. Parking is durable and
shared by all processes, so it has to be told in a way that survives a restart, a stepped wall clock and a reboot.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

__all__ = [
    "ACCOUNT_LOCKED",
    "BAD_KEY",
    "BAD_KEYS",
    "CAUSES",
    "CLOCK",
    "INVALID_NONCE",
    "KEY_EXPIRED",
    "KEY_REFUSED",
    "KEY_REVOKED",
    "LOCKOUT",
    "PERMISSION_MISSING",
    "PROBE_EVERY_S",
    "WRONG_SECRET",
    "Cause",
    "Entry",
    "Parking",
    "advice_of",
    "is_for_a_person",
    "judge",
    "named",
    "parked",
    "rearmed",
    "remaining_s",
]

BAD_KEY: Final = "bad_key"
"""The venue does not know the key, and never did as far as we know."""

KEY_REVOKED: Final = "key_revoked"
"""The venue does not know the key any more."""

KEY_EXPIRED: Final = "key_expired"
"""The key's time, as the venue stated it, is over."""

WRONG_SECRET: Final = "wrong_secret"  # noqa: S105  # The word for a cause.
"""The venue knows the key and refuses the signature."""

ACCOUNT_LOCKED: Final = "account_locked"
"""The key may be good: the venue has closed the account behind it."""

BAD_KEYS: Final = frozenset({BAD_KEY, KEY_REVOKED, KEY_EXPIRED, WRONG_SECRET, ACCOUNT_LOCKED})
"""What a person mends, and one probe in five minutes notices."""

PERMISSION_MISSING: Final = "permission_missing"
"""The key is good and may not make this call: the call is left out for a while, and nothing else."""

CLOCK: Final = "clock"
"""Our time is what the venue refuses."""

INVALID_NONCE: Final = "invalid_nonce"
"""Refused twice, the second time after the regeneration: one probe later, then a person."""

LOCKOUT: Final = "lockout"
"""The venue asks for silence: nothing at all until it has passed, and no probe is needed then."""

PROBE_EVERY_S: Final = 300.0
"""A parked credential is tried at most once in so many seconds."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a credential is parked: what is wrong, and what ends it."""

    meaning: str
    ends: str


_PROBED: Final = "one probe every 5 minutes; a person who mended it opens it at once, `holdfast nonce doctor --retry`"

CAUSES: Final[dict[str, Cause]] = {
    BAD_KEY: Cause(
        meaning="the venue does not know the key, and never answered it here: mistyped, deleted, of another venue or "
        "of another environment",
        ends=_PROBED,
    ),
    KEY_REVOKED: Cause(
        meaning="the venue answered the key before and does not know it any more: revoked, deleted, or used from an "
        "address that it is not allowed from",
        ends=_PROBED,
    ),
    KEY_EXPIRED: Cause(meaning="the venue does not know the key any more, and had named that time", ends=_PROBED),
    WRONG_SECRET: Cause(
        meaning="the venue refuses the signature: the secret is not this key's, or only part of it", ends=_PROBED
    ),
    ACCOUNT_LOCKED: Cause(meaning="the venue has locked or disabled the account behind the key", ends=_PROBED),
    PERMISSION_MISSING: Cause(
        meaning="the key lacks the right that one call needs; only that call is left out",
        ends="the call is tried again after 5 minutes",
    ),
    INVALID_NONCE: Cause(
        meaning="a nonce was refused, and its regeneration too",
        ends="one probe after 5 minutes; refused again, a person: `holdfast nonce doctor`",
    ),
    LOCKOUT: Cause(
        meaning="the venue asked for silence",
        ends="by itself once the time is over, and not before, whoever asks",
    ),
    CLOCK: Cause(meaning="the venue refuses our time", ends="one call a minute, until the venue takes it"),
}
"""Every cause, in the order in which the reference tells them."""


class Parking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One parking.

    ``at_s`` is on the clock that runs through suspend and starts at boot, ``at_wall_us`` UTC microseconds, for the
    boots in between. ``for_s`` is None where a person has to act. ``under`` is the cause that a lockout covered and
    that still needs its probe once the silence is over.
    """

    cause: str
    at_s: float
    at_wall_us: int
    for_s: float | None
    under: str | None = None


class Entry(enum.StrEnum):
    """What a parking means for the next call."""

    OPEN = "open"
    PROBE = "probe"  # This one call may go and decides.
    CLOSED = "closed"


def remaining_s(parking: Parking, *, now_s: float, wall_us: int) -> float | None:
    """
    Seconds until the parking has run out, 0 once it has; None where it waits for a person.

    Within one boot only the unstepped clock counts. After a reboot, seen by that clock having gone back, the wall
    clock does, and never makes it longer than it was.
    """
    if parking.for_s is None:
        return None
    elapsed_s = now_s - parking.at_s if now_s >= parking.at_s else (wall_us - parking.at_wall_us) / 1e6
    return min(max(parking.for_s - elapsed_s, 0.0), parking.for_s)


def is_for_a_person(parking: Parking) -> bool:
    """
    Whether a person who mended the cause may open the credential before the time is over.

    Never through a lockout's silence, not even where a key was refused while it was still in force.
    """
    return parking.cause in BAD_KEYS and parking.for_s is not None and parking.for_s <= PROBE_EVERY_S


def advice_of(parking: Parking) -> str:
    """What was refused and what to do, to end a sentence that says what is parked and how long; maybe empty."""
    if INVALID_NONCE in {parking.cause, parking.under}:
        return ": the venue refused the nonces; run `holdfast nonce doctor`"
    if parking.cause in BAD_KEYS:
        return f": {KEY_REFUSED}"
    if parking.cause == CLOCK:
        return ": the venue refuses our time; set this machine's clock, then `holdfast emergency-repair` opens it"
    if parking.cause == LOCKOUT:
        return ": the venue locked the key out, and every call before the time is over may start it anew"
    return ""


KEY_REFUSED: Final = (
    "the venue refused the key or its signature; after correcting it, restart what uses it, and "
    "`holdfast nonce doctor --retry` opens it at once"
)
"""What a person does about a key that was refused."""


def named(cause: str, *, was_healthy: bool, has_expired: bool) -> str:
    """*cause*, as precisely as can be said of a key that the venue answered before, or had named an end for."""
    if cause != BAD_KEY:
        return cause
    return KEY_EXPIRED if has_expired else KEY_REVOKED if was_healthy else BAD_KEY


def judge(parking: Parking | None, *, now_s: float, wall_us: int) -> Entry:
    """Whether a call may go."""
    if parking is None:
        return Entry.OPEN
    left_s = remaining_s(parking, now_s=now_s, wall_us=wall_us)
    if left_s is None or left_s > 0:
        return Entry.CLOSED
    return Entry.OPEN if parking.cause == LOCKOUT and parking.under is None else Entry.PROBE


def parked(
    before: Parking | None, cause: str, *, for_s: float | None, is_probe: bool, now_s: float, wall_us: int
) -> Parking:
    """
    The parking that follows when a call ended with *cause*.

    Nothing gets shorter or weaker: what waits for a person keeps waiting, and a longer silence holds. Invalid nonces
    get their one probe whatever *for_s* says: refused again in it (*is_probe*), only a person opens the key.
    """
    under = None
    if cause == INVALID_NONCE and for_s is None and not is_probe:
        for_s = PROBE_EVERY_S
    if before is not None:
        left_s = remaining_s(before, now_s=now_s, wall_us=wall_us)
        if left_s is None:
            return before
        covered = before.under if before.cause == LOCKOUT else before.cause
        if cause == LOCKOUT:
            under = covered
        elif cause == INVALID_NONCE and is_probe and covered == INVALID_NONCE:
            for_s = None
        if for_s is not None:
            for_s = max(for_s, left_s)
    return Parking(cause=cause, at_s=now_s, at_wall_us=wall_us, for_s=for_s, under=under)


def rearmed(parking: Parking, *, now_s: float, wall_us: int) -> Parking:
    """
    The parking while its probe is under way: closed to everyone else, and for another ``PROBE_EVERY_S`` if it is lost.

    Written together with the probe's nonce, so that a crash in between costs time and nothing else.
    """
    cause = parking.under or parking.cause
    return Parking(cause=cause, at_s=now_s, at_wall_us=wall_us, for_s=PROBE_EVERY_S)
