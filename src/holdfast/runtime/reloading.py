"""
What a reload comes to: which brokers are opened anew, which cannot be, and what counts only after a restart.

A broker is opened anew where its own settings or its key changed: its stream and reads stop, its account is given back
and taken again, and its claims come back from the store as after any restart. Everything else keeps running.
"""

from __future__ import annotations

import msgspec

from holdfast.config import BrokerConfig, Config

__all__ = ["ReloadReport", "needs_restart", "why_not_live"]

_WHOLE: frozenset[str] = frozenset({"brokers", "path", "reading", "orders", "health"})
"""Settings that stand in each broker's own, merged, or in no process at all."""


class ReloadReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was done, by broker: ``reopened``, ``unchanged``, or ``failed`` with the reason why it goes on as it was.

    ``needs_restart`` names settings, and brokers, that changed and count only after a restart.
    """

    reopened: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: dict[str, str] = {}
    needs_restart: tuple[str, ...] = ()


def needs_restart(before: Config, after: Config, *, chosen: frozenset[str]) -> list[str]:
    """Settings that changed and are read once, when a process starts; of brokers, those that came or went."""
    found = [
        field
        for field in Config.__struct_fields__
        if field not in _WHOLE and getattr(before, field) != getattr(after, field)
    ]
    found += [f"brokers.{name} (removed)" for name in before.brokers if name in chosen and name not in after.brokers]
    found += [f"brokers.{name} (added)" for name in after.brokers if name not in before.brokers]
    return found


def why_not_live(before: BrokerConfig, after: BrokerConfig) -> str | None:
    """The setting that makes another broker of it, for which a restart is needed; None where there is none."""
    for field in ("venue", "environment", "exchange"):
        if getattr(before, field) != getattr(after, field):
            return field
    return None
