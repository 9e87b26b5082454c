"""How orders are sent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from holdfast.core.venue import EVIDENCE

__all__ = ["EntrySettings"]


class EntrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    How orders are sent. Seconds.

    ``ahead_s``: with less than this left of its validity an order is not sent. ``validity_max_s``: the longest
    validity that the venue takes. ``enforces_validity``: whether it proves anything that this has passed.
    ``evidence``: the lists that have to be negative before an order in doubt is absent. ``lacks``: what the venue
    does not offer, by capability, with the reason.
    """

    validity_s: float = 5.0
    ahead_s: float = 2.0
    validity_max_s: float = 55.0
    enforces_validity: bool = True
    evidence: tuple[str, ...] = EVIDENCE
    lacks: Mapping[str, str] = {}
    unsent_ttl_s: float = 30.0
    in_doubt_alert_s: float = 120.0
    dead_man_s: int = 0
    prefers_stream: bool = True
