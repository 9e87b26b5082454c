"""
Single defects, and what each costs: exactly these points, for this cause.

A defect is put in force before the broker is opened, or, with ``late``, on one that runs and is live. ``lost`` are the
checks that it costs by themselves; ``points`` is all that it costs, with what follows from them. ``says`` is in the
evidence of the first of them, so that a person reads the cause and not its echo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.readiness.rooms import Room

__all__ = [
    "PERFECT",
    "Act",
    "Defect",
    "answer",
    "both",
    "fault",
    "happen",
    "lasting",
    "nothing",
    "rest",
    "rights",
    "spoil",
]

PERFECT = {"kraken": (110, 110), "coinbase": (104, 104), "okx": (102, 102)}
"""Score and what can be earned of a perfect simulated account, by venue."""


Act = Callable[[Room], None]
"""What puts a defect in force."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One thing that is wrong at one venue."""

    venue: str
    name: str
    points: int
    lost: tuple[str, ...]
    says: str
    act: Act = lambda _: None
    late: bool = False
    meanwhile: Act | None = None
    profile: str = "plain"
    settings: Mapping[str, Any] = field(default_factory=dict)
    configured: Mapping[str, Any] = field(default_factory=dict)
    swaps: bool = False  # The account is opened well once, and then with the key of another account.
    exempt: int = 0  # Points that are exempt because of it, beside those it costs.


def fault(**rule: Any) -> Act:
    return lambda room: room.fault(**rule)


def happen(**event: Any) -> Act:
    return lambda room: room.happen(**event)


def both(*acts: Act) -> Act:
    def act(room: Room) -> None:
        for each in acts:
            each(room)

    return act


def rest(name: str | list[str] | None = None, **action: Any) -> Act:
    rule = {"kind": "rest", "action": action}
    return fault(**rule) if name is None else fault(**rule, name=name)


def answer(name: str, body: str) -> Act:
    return rest(name, do="answer", body=body)


def spoil(part: str, change: Callable[[str], str | None]) -> Act:
    """Change one part of the credential, as a person who pasted it wrongly."""

    def act(room: Room) -> None:
        name = f"{room.broker.variable_prefix}_API_{part}"
        value = change(room.environ[name])
        if value is None:
            del room.environ[name]
        else:
            room.environ[name] = value

    return act


def rights(*granted: str) -> Act:
    """The key has exactly these rights."""
    return happen(kind="permissions", permissions=list(granted))


def lasting(**rule: Any) -> Act:
    """A fault that is there for the whole measurement."""
    return fault(**rule, for_s=600)


def nothing(_: Room) -> None:
    """The defect is elsewhere."""
