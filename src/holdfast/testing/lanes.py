"""A lane in memory, for one process and one loop: the same order and the same nonces, without a file."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from holdfast.core.parking import Parking
from holdfast.core.seams import Clock, Priority, Turn
from holdfast.core.venue import CredentialInfo, SequencePolicy, ServerTime
from holdfast.errors import CredentialBusyError, CredentialParkedError, InvariantError

__all__ = ["MemoryLane"]


class MemoryLane:
    """
    A ``Lane`` whose mark lives in memory.

    Attributes:
        mark: The largest nonce given out, or 0.
        taken: How many nonces were given out.
        parked_cause: Why the credential is parked, or None.
        turns: How often the lane was had.
        credential_info: What the venue said of the credential, once somebody kept it.

    Args:
        clock: Counts nonces.
        forward_buffer_us: Nonces run ahead of the clock by so many microseconds.
        wait_s: How long a turn is waited for unless told otherwise.
        sequence: Where the venue has no nonces, so many as *in_flight_max* hold the lane at once, and none takes one.
        in_flight_max: Only where it has none.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        forward_buffer_us: int = 1500,
        wait_s: float = 10.0,
        sequence: SequencePolicy = SequencePolicy.INCREASING_PER_KEY,
        in_flight_max: int = 1,
    ) -> None:
        self._clock = clock
        self.has_nonces = sequence is SequencePolicy.INCREASING_PER_KEY
        self._berths = 1 if self.has_nonces else in_flight_max
        self.turns = 0
        self._forward_buffer_us = forward_buffer_us
        self._wait_s = wait_s
        self._held = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._serial = itertools.count()
        self.mark = 0
        self.taken = 0
        self.parked_cause: str | None = None
        self.credential_info: CredentialInfo | None = None
        self._parked_until_s = 0.0

    @asynccontextmanager
    async def turn(self, *, priority: Priority, wait_s: float | None = None) -> AsyncIterator[Turn]:
        self._refuse_parked()
        await self._acquire(priority, self._wait_s if wait_s is None else wait_s)
        try:
            self._refuse_parked()
            self.turns += 1
            yield _MemoryTurn(self)
        finally:
            self._release()

    def park(self, cause: str, *, for_s: float | None) -> None:
        """Park the credential, as another process would."""
        self.parked_cause = cause
        self._parked_until_s = float("inf") if for_s is None else self._clock.now_s() + for_s

    async def unpark(self, *, cause: str | None = None) -> bool:
        """Let the credential be used again, as a person would; only where parked for *cause*, if one is named."""
        if self.parked_cause is None or cause not in (None, self.parked_cause):
            return False
        self.parked_cause = None
        return True

    @property
    def refused(self) -> int:
        """Nonces the venue refused: never any here."""
        return 0

    def parking_now(self) -> Parking | None:
        """The parking in force."""
        if self.parked_cause is None or self._parked_until_s <= self._clock.now_s():
            return None
        now_s, wall_us = self._clock.now_s(), self._clock.wall_us()
        for_s = None if self._parked_until_s == float("inf") else self._parked_until_s - now_s
        return Parking(cause=self.parked_cause, at_s=now_s, at_wall_us=wall_us, for_s=for_s)

    def hear_venue_time(self, time: ServerTime) -> None:
        """The fake clock is right by definition."""

    def use_venue_time(self, ask: Callable[[], Awaitable[ServerTime]]) -> None:
        """Nobody has to be asked."""

    async def keep_credential_info(self, info: CredentialInfo) -> None:
        self.credential_info = info

    def take(self, *, jump_us: int = 0) -> int:
        """The next nonce."""
        if not self.has_nonces:
            raise InvariantError("the venue has no nonces, and a turn there hands out none")
        self.mark = max(self._clock.wall_us() + self._forward_buffer_us, self.mark + 1) + jump_us
        self.taken += 1
        return self.mark

    def _refuse_parked(self) -> None:
        if self.parked_cause is None:
            return
        left_s = self._parked_until_s - self._clock.now_s()
        if left_s <= 0:
            self.parked_cause = None
            return
        raise CredentialParkedError(
            f"the credential is parked: {self.parked_cause}",
            cause=self.parked_cause,
            retry_after_s=None if left_s == float("inf") else left_s,
        )

    async def _acquire(self, priority: Priority, wait_s: float) -> None:
        if self._held < self._berths:
            self._held += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (int(priority), next(self._serial), place))
        try:
            async with asyncio.timeout(wait_s):
                await place
        except TimeoutError:
            self._pass_on_if_given(place)
            raise CredentialBusyError(f"the lane was not free within {wait_s} s", pid=None, held_for_s=None) from None
        except asyncio.CancelledError:
            self._pass_on_if_given(place)
            raise

    def _pass_on_if_given(self, place: asyncio.Future[None]) -> None:
        # The lane may have been handed over in the very step in which the waiter gave up.
        if place.done() and not place.cancelled():
            self._release()

    def _release(self) -> None:
        while self._waiting:
            place = heapq.heappop(self._waiting)[2]
            if not place.done():
                place.set_result(None)
                return
        self._held -= 1


class _MemoryTurn:
    def __init__(self, lane: MemoryLane) -> None:
        self._lane = lane

    async def take(self) -> int:
        return self._lane.take()

    async def take_beyond(self) -> int:
        return self._lane.take(jump_us=1_000_000)

    async def park(self, cause: str, *, for_s: float | None) -> str:
        self._lane.park(cause, for_s=for_s)
        return cause
