"""
What is being acted out now: the state behind ``impair``.

A fault is either *lasting* (until it is cleared or its time is over) or *counted* (the next so many occasions). Both
are asked for at the one place where they act; nothing here acts by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.core.seams import Clock

__all__ = ["Fault", "Impairments"]


class Fault(msgspec.Struct, kw_only=True):
    """One fault that was taken: its kind and fields, since when, until when, and how often it still acts."""

    kind: str
    fields: Mapping[str, Any]
    since_s: float
    until_s: float | None = None
    left: int | None = None  # None: as often as it lasts.


class Impairments:
    """The faults in force."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: dict[str, list[Fault]] = {}

    def add(self, kind: str, fields: Mapping[str, Any], *, for_s: float | None, count: int | None) -> Fault:
        """Take a fault; *for_s* seconds long and *count* times, both without end when None."""
        now_s = self._clock.now_s()
        fault = Fault(
            kind=kind, fields=fields, since_s=now_s, until_s=None if for_s is None else now_s + for_s, left=count
        )
        self._faults.setdefault(kind, []).append(fault)
        return fault

    def clear(self) -> None:
        """End every fault."""
        self._faults.clear()

    def active(self, kind: str) -> list[Fault]:
        """The faults of a kind that are in force, oldest first."""
        faults = self._faults.get(kind)
        if not faults:
            return []
        now_s = self._clock.now_s()
        alive = [
            fault
            for fault in faults
            if (fault.until_s is None or now_s < fault.until_s) and (fault.left is None or fault.left > 0)
        ]
        if len(alive) != len(faults):
            if alive:
                self._faults[kind] = alive
            else:
                del self._faults[kind]
        return alive

    def applies(self, kind: str, **where: str) -> Fault | None:
        """
        The oldest fault of a kind whose fields do not contradict *where*; counts nothing.

        A field that the fault does not state, or states as ``*``, fits everything.
        """
        for fault in self.active(kind):
            if all(fault.fields.get(name) in (None, "*", value) for name, value in where.items()):
                return fault
        return None

    def spend(self, kind: str, **where: str) -> Fault | None:
        """Like ``applies``, and one occasion of it is used up."""
        fault = self.applies(kind, **where)
        if fault is not None and fault.left is not None:
            fault.left -= 1
        return fault

    def lagging_s(self, kind: str) -> float | None:
        """The moment a lagging reader sees now, where one lags: never earlier than right before the fault began."""
        fault = self.applies(kind)
        if fault is None:
            return None
        return max(math.nextafter(fault.since_s, -math.inf), self._clock.now_s() - float(fault.fields["by_s"]))
