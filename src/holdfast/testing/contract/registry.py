"""What a case is, and how one is added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from holdfast.core.venue import Capability
from holdfast.testing.contract.bench import Bench

__all__ = ["CASES", "DENIALS", "Case", "Play", "case", "denial"]

Play = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """
    One promise.

    Attributes:
        name: What is promised, in words.
        capability: What it proves.
        play: Plays it; raises ``AssertionError`` where the promise is broken.
        seeds: Played once with each.
        horizon_s: Virtual seconds after which it hangs.
    """

    name: str
    capability: Capability
    play: Play
    seeds: tuple[int, ...] = (1,)
    horizon_s: float = 4000.0

    def __str__(self) -> str:
        return f"{self.capability.value}: {self.name}"


CASES: Final[list[Case]] = []
"""Every case of a capability that a venue has."""

DENIALS: Final[list[Case]] = []
"""Every case of a capability that a venue lacks: what is asked for all the same is denied by name."""


def case(capability: Capability, *, seeds: tuple[int, ...] = (1,), horizon_s: float = 4000.0) -> Callable[[Play], Play]:
    """Add a case; its function's name is what is promised."""

    def add(play: Play) -> Play:
        CASES.append(Case(name=_words(play), capability=capability, play=play, seeds=seeds, horizon_s=horizon_s))
        return play

    return add


def denial(capability: Capability) -> Callable[[Play], Play]:
    """Add a case for venues that lack *capability*."""

    def add(play: Play) -> Play:
        DENIALS.append(Case(name=_words(play), capability=capability, play=play))
        return play

    return add


def _words(play: Play) -> str:
    return getattr(play, "__name__", "").replace("_", " ")
