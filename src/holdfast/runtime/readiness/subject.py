"""What a run of readiness looks at: a broker that runs, or as much of one as could be put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from holdfast.core.positions import PositionList
from holdfast.core.readiness import Finding
from holdfast.core.seams import Clock, Emit
from holdfast.core.venue import VenueClient
from holdfast.runtime.readiness.surroundings import Surroundings
from holdfast.runtime.supervisor import Supervisor

__all__ = ["Subject"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    One broker as far as it is there.

    Attributes:
        client: The venue's calls; without a credential it answers unsigned ones only. None where there is none at all.
        supervisor: Of a broker that is open; None where it could not be opened.
        positions: Asks for the account's positions.
        lost: What is known to be lost before anything was asked, by the check's name.
        redact: Takes what is secret out of a text.
    """

    name: str
    venue: str
    environment: str
    surroundings: Surroundings
    clock: Clock
    emit: Emit
    client: VenueClient | None
    supervisor: Supervisor | None = None
    positions: Callable[[], Awaitable[PositionList]] | None = None
    lost: dict[str, Finding] = field(default_factory=dict)
    redact: Callable[[str], str] = str
