"""All cases together, and how one is run."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.venue import Capability, Venue
from holdfast.testing.contract import denied, orders, reads, refusals, streams
from holdfast.testing.contract.bench import Bench
from holdfast.testing.contract.registry import CASES, DENIALS, Case
from holdfast.testing.contract.subject import Subject
from holdfast.testing.virtual_time import run_virtual

__all__ = ["Case", "cases_for", "proven_by", "run_case"]

_ROOMS = (denied, orders, reads, refusals, streams)  # Imported for the cases that they add.


def cases_for(venue: Venue) -> list[Case]:
    """Every case that *venue* has to pass: those of what it can, and the denials of what it lacks."""
    lacks = venue.facts.lacks
    return [
        *(each for each in CASES if each.capability not in lacks),
        *(each for each in DENIALS if each.capability in lacks),
    ]


def proven_by(capability: Capability) -> tuple[str, ...]:
    """The names of the cases that prove a capability."""
    return tuple(each.name for each in CASES if each.capability is capability)


def run_case(case: Case, subject: Subject, *, bench: Callable[..., Bench] = Bench) -> None:
    """
    Play one case on virtual time, once with each of its seeds.

    Raises:
        AssertionError: The promise is broken; or anything else that the adapter should not have raised.
    """

    async def play(seed: int) -> None:
        await case.play(bench(subject, seed=seed))

    for seed in case.seeds:
        run_virtual(play(seed), seed=seed, horizon_s=case.horizon_s)
