"""
The words that say why a balance is not simply live or fresh.

One place, so that a page, a screen and a test can say the same about each. A stream's end may name a word of its own
beyond these: whatever ended it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["REASONS"]

REASONS: Final[dict[str, str]] = {
    "age": "Last known to be true longer than `max_age_s` ago.",
    "anchor_age": "No REST figure for longer than `anchor_max_age_s`: what was carried forward may have drifted.",
    "clock_jump": "The wall clock was set while we ran; everything is asked for anew.",
    "closed": "The stream's connection ended; only later figures count.",
    "delta_differs": "A pushed change led to another total than the venue stated with it: something was missed.",
    "disputed": "REST states a total that the stream never had; the lower of the two is what may be spent.",
    "fill_unreflected": "One of our orders was filled, and what it moved has not been pushed.",
    "gap": "A channel's sequence broke; nothing after the break was applied.",
    "halted": "A rule of ours failed; what it was doing to the figures is not known.",
    "insufficient_funds": "The venue refused an order for lack of funds that our figures did not show.",
    "never_stated": "No statement about this asset was ever accepted. Unknown is not zero.",
    "owner_silent": "The process that owns the account has not been heard for three seconds, or has ended.",
    "paused": "This process did not run for a while.",
    "refused": "The venue refused a channel.",
    "rest_differs": "REST has contradicted the stream for longer than it can lag, and is what is shown.",
    "restored": "Loaded from the journal after a start, and not confirmed since.",
    "silent": "Nothing was heard of the stream for longer than it may be quiet.",
    "suspect_empty": "A complete answer had nothing in it; a different read has yet to say so too.",
    "suspect_jump": "An answer changed everything at once, without a cause; a different read has yet to agree.",
    "suspect_vanished": "An asset was missing from a complete answer; a different read has yet to say so too.",
    "suspended": "The machine slept.",
    "unanchored": "The total is known; held and available have not been stated yet.",
}
"""Every reason that a balance may carry, with its meaning."""
