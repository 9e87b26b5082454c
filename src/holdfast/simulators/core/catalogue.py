"""
Catalogues of what can happen at a simulated venue, and of the faults that only the venue itself can act out.

A venue lists its own kinds; how one is described, checked and refused is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.simulators.core.fields import FieldRules, check_fields, seconds, whole

__all__ = [
    "EventKind",
    "FaultKind",
    "counted_fault",
    "event_kind",
    "immediate_fault",
    "lasting_fault",
    "read_event",
    "read_fault",
]


class EventKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event: what happens, its fields and which of them it needs."""

    meaning: str
    rules: FieldRules
    required: tuple[str, ...] = ()


class FaultKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind: what it does, its fields, and whether it lasts, is counted, or acts once and at once."""

    meaning: str
    rules: FieldRules
    nature: str  # lasting, counted, immediate
    required: tuple[str, ...] = ()


def event_kind(meaning: str, *required: str, **rules: Any) -> EventKind:
    """A kind of event with these fields, of which *required* are needed."""
    return EventKind(meaning=meaning, rules=rules, required=required)


def lasting_fault(meaning: str, *required: str, **rules: Any) -> FaultKind:
    """A fault that goes on for ``for_s`` seconds, or until all are cleared."""
    return FaultKind(meaning=meaning, rules={**rules, "for_s": seconds}, nature="lasting", required=required)


def counted_fault(meaning: str, *required: str, **rules: Any) -> FaultKind:
    """A fault that acts ``count`` times: once where neither is given, always where only ``for_s`` is."""
    rules = {**rules, "count": whole, "for_s": seconds}
    return FaultKind(meaning=meaning, rules=rules, nature="counted", required=required)


def immediate_fault(meaning: str, *required: str, **rules: Any) -> FaultKind:
    """A fault that acts once and at once."""
    return FaultKind(meaning=meaning, rules=rules, nature="immediate", required=required)


def read_event(event: Mapping[str, Any], catalogue: Mapping[str, EventKind]) -> tuple[str, dict[str, Any]]:
    """
    The kind of an event and its fields.

    Raises:
        ValueError: The kind or a field is unknown, missing or malformed; the text says what is expected.
    """
    name = event.get("kind")
    kind = catalogue.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or kind is None:
        raise ValueError(f"unknown event kind {name!r}; expected one of {', '.join(catalogue)}")
    given = {key: value for key, value in event.items() if key != "kind"}
    return name, check_fields(f"event {name}", given, kind.rules, required=kind.required)


def read_fault(fault: Mapping[str, Any], catalogue: Mapping[str, FaultKind]) -> tuple[FaultKind, dict[str, Any]] | None:
    """
    The kind of a fault and its fields; None where the kind is not in *catalogue*.

    Raises:
        ValueError: A field is unknown, missing or malformed; the text says what is expected.
    """
    name = fault.get("kind")
    kind = catalogue.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    fields = {key: value for key, value in fault.items() if key != "kind"}
    return kind, check_fields(f"fault {name}", fields, kind.rules, required=kind.required)
