"""
Plans by row of the fault table: what a simulated venue has to do so that one row happens, drawn from a seed.

A venue that has them offers ``plan_rows`` and ``plan_of``; the admin API gives their commands in order.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

__all__ = ["Command", "Plan", "PlanningVenue"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a plan: *body* goes to the page *to* of the admin API (as a rule to add, or as an event)."""

    to: Literal["faults", "events"]
    body: dict[str, Any]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one row does, drawn from one seed."""

    row: str
    seed: int
    commands: tuple[Command, ...]

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Its rules alone."""
        return [each.body for each in self.commands if each.to == "faults"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its events alone."""
        return [each.body for each in self.commands if each.to == "events"]


@runtime_checkable
class PlanningVenue(Protocol):
    """A simulated venue that knows what each row of the fault table asks of it."""

    @property
    def plan_rows(self) -> tuple[str, ...]:
        """The rows it acts out."""
        ...

    def plan_of(self, row: str, *, seed: int) -> Plan:
        """The plan of a row, the same for the same seed; raises ``ValueError`` for a row it does not act out."""
        ...
