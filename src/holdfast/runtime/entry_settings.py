"""How orders are sent."""

from __future__ import annotations

import msgspec

__all__ = ["EntrySettings"]


class EntrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are sent. Seconds."""

    validity_s: float = 5.0
    unsent_ttl_s: float = 30.0
    in_doubt_alert_s: float = 120.0
    dead_man_s: int = 0
    prefers_stream: bool = True
