"""
A wire that asks the venue nothing while its silence lasts: a lockout closes the unsigned calls too.

What is signed is kept back by the lane. Listings, the clock and the status need no lane, and a venue that asked for
silence counts them all the same. Whichever process met the lockout, the lane's file tells it to every other.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

from holdfast.core.parking import LOCKOUT, Parking, advice_of, remaining_s
from holdfast.core.seams import Clock, HttpReply, HttpRequest, HttpWire
from holdfast.errors import CredentialParkedError, HoldfastError

__all__ = ["ParkedLane", "SilentHttp", "keep_silent", "lockout_of"]


class ParkedLane(Protocol):
    """What a lane tells of its parking."""

    def parking_now(self) -> Parking | None:
        """The parking in force, whoever parked it."""
        ...


async def lockout_of(lane: ParkedLane, clock: Clock, *, name: str) -> CredentialParkedError | None:
    """
    What a call is refused with while the credential of *lane* is locked out; None where it is not. Suspends.

    A lane that cannot be read says nothing of a lockout: whatever is signed is refused by it anyway.
    """
    from holdfast.runtime.lane import FileLane

    parking = None
    with contextlib.suppress(HoldfastError):
        if isinstance(lane, FileLane) and not lane.is_open:
            await lane.open()  # Nobody used it here yet, and another process may have been locked out.
        parking = lane.parking_now()
    if parking is None or parking.cause != LOCKOUT:
        return None
    left_s = remaining_s(parking, now_s=clock.now_s(), wall_us=clock.wall_us())
    if left_s is not None and left_s <= 0:
        return None  # Over, and what it covered is for a signed call to find out.
    until = "until a person acts" if left_s is None else f"for another {left_s:.0f} s"
    return CredentialParkedError(
        f"{name}: nothing is sent, the credential is parked for {LOCKOUT} {until}{advice_of(parking)}",
        cause=LOCKOUT,
        retry_after_s=left_s,
    )


async def keep_silent(lane: ParkedLane, clock: Clock, *, name: str) -> None:
    """
    Return at once unless the credential of *lane* is locked out: for calls that leave by other wires than ours.

    Raises:
        CredentialParkedError: The venue asked for silence; nothing may be sent, unsigned calls included.
    """
    refused = await lockout_of(lane, clock, name=name)
    if refused is not None:
        raise refused


class SilentHttp:
    """An HTTP wire that refuses unsigned calls while the credential of *lane* is locked out."""

    def __init__(self, wire: HttpWire, lane: ParkedLane, *, clock: Clock, name: str) -> None:
        self._wire = wire
        self._lane = lane
        self._clock = clock
        self._name = name

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        """
        As the wire's own. Suspends; raises ``WireError``.

        Raises:
            CredentialParkedError: The venue asked for silence; nothing was sent.
        """
        if request.is_repeatable:  # What is signed has its turn in the lane already, and is beyond refusing.
            await keep_silent(self._lane, self._clock, name=self._name)
        return await self._wire.request(request, deadline_s=deadline_s)

    async def close(self) -> None:
        """As the wire's own. Suspends."""
        await self._wire.close()
