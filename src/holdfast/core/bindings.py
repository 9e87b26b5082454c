"""
To which broker an intent of a desk is bound, attempt by attempt.

An attempt has an intent id of its own at its broker: the caller's for the first, and one made of it for each later.
What a broker does with an id it does at most once, so that an attempt of which nobody knows the end can be looked up
there and nowhere else, and none is ever repeated under its own name.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

__all__ = ["SEND_WITHIN_S", "Attempt", "Binding", "Ending", "attempt_id", "is_under_way"]

SEND_WITHIN_S: Final = 10.0
"""An attempt sends nothing later than this after it began, seconds."""

_LONGEST: Final = 128

Ending = str
"""How an attempt ended: ``never_sent``, ``rejected``, ``denied`` (nothing came of it), or ``repeated``."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """
    One try at one broker.

    ``until_s`` is our clock: nothing of it is sent later. ``outcome`` is None while nobody has seen its end: it may be
    at the venue. ``at_us`` is UTC microseconds on our wall clock.
    """

    number: int
    broker: str
    intent_id: str
    until_s: float
    at_us: int
    outcome: Ending | None = None
    cause: str | None = None


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Every attempt of one intent, in order; the last one decides."""

    intent_id: str
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    def begun(self, attempt: Attempt) -> Binding:
        """With one more attempt."""
        return msgspec.structs.replace(self, attempts=(*self.attempts, attempt))

    def ended(self, outcome: Ending, cause: str | None) -> Binding:
        """With the latest attempt's end."""
        last = msgspec.structs.replace(self.last, outcome=outcome, cause=None if cause is None else cause[:300])
        return msgspec.structs.replace(self, attempts=(*self.attempts[:-1], last))


def attempt_id(intent_id: str, number: int) -> str:
    """The intent id of an attempt at its broker; *number* counts from 1."""
    if number == 1:
        return intent_id
    made = f"{intent_id}~{number}"
    if len(made) <= _LONGEST:
        return made
    return f"{hashlib.sha256(intent_id.encode()).hexdigest()}~{number}"


def is_under_way(attempt: Attempt, *, now_s: float) -> bool:
    """
    Whether whoever began the attempt may still send it.

    Our clock begins anew with each start of the machine. Whoever wrote a time further ahead than an attempt may last
    wrote it before that, and sends nothing any more.
    """
    return 0 < attempt.until_s - now_s <= SEND_WITHIN_S
