"""
A fault made up on this machine, to see that faults are counted, figures kept, and recovery noticed.

Everything that it touches is its own: a breaker, a ledger and a store in memory, made for one run. The venue sees none
of the faults, and one more read of the balance; the broker that runs beside it is not disturbed.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from holdfast.core.balances import BalanceState, Snapshot
from holdfast.core.breakers import BreakerSettings, BreakerState
from holdfast.core.changes import LedgerSettings
from holdfast.core.ledger import Ledger
from holdfast.core.readiness import Finding
from holdfast.core.readiness.causes import lost_by
from holdfast.core.readiness.judging import earned, lost
from holdfast.core.seams import Clock
from holdfast.core.venue import VenueClient
from holdfast.errors import BreakerOpenError, HoldfastError, VenueUnreachableError
from holdfast.runtime.readiness.answers import patiently
from holdfast.runtime.vitals import Vitals
from holdfast.store.memory import MemoryStore

__all__ = ["Rehearsal"]

_MAX_AGE_LEAST_S: Final = 1.0
_ATTEMPTS: Final = 3


class _Cut:
    """A client's balance reads behind a wire that is cut, on this machine, for as long as ``is_cut``."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self.is_cut = False

    async def read_balances(self, read: str) -> Snapshot:
        if self.is_cut:
            raise VenueUnreachableError(
                f"{read}: a fault made up by the rehearsal; nothing was sent", venue=self._client.venue, request=read
            )
        return await patiently(lambda: self._client.read_balances(read))


class Rehearsal:
    """
    One rehearsal: ``counted``, then ``last_good``, then ``recovery``; each suspends and gives its finding.

    Args:
        client: Whose answers are real.
        snapshots: Complete answers of this run, the one that states holds first.
        failure_threshold: Counted faults that open the breaker, as the broker has it.
        took_s: What one answer takes, seconds: a figure may be that old when it comes.
    """

    def __init__(
        self,
        client: VenueClient,
        snapshots: list[Snapshot],
        *,
        broker: str,
        failure_threshold: int,
        took_s: float,
        clock: Clock,
    ) -> None:
        self._max_age_s = _MAX_AGE_LEAST_S + 2 * took_s
        self._broker = broker
        self._clock = clock
        self._threshold = failure_threshold
        self._cut = _Cut(client)
        self._reads = client.balance_reads
        settings = BreakerSettings(failure_threshold=failure_threshold)
        self._vitals = Vitals(
            name=f"{broker} (rehearsal)",
            read=settings,
            trade=settings,
            life=None,
            store=MemoryStore(),
            clock=clock,
            randomness=random.Random(0),  # noqa: S311  # Jitter of a break that nobody waits for.
            emit=_ignore,
        )
        self._ledger = Ledger(
            settings=LedgerSettings(max_age_s=self._max_age_s), reads=self._reads, pushes_balances=False
        )
        for snapshot in snapshots:
            self._ledger.state_snapshot(snapshot, now_s=clock.now_s())
        found = self._ledger.balances(now_s=clock.now_s())
        self._before = {asset: each.total for asset, each in found.items()}

    async def counted(self) -> Finding:
        """Cut the wire, and see each fault counted and the breaker open."""
        self._cut.is_cut = True
        read = self._vitals.read
        for count in range(1, self._threshold + 1):
            try:
                await read.guard(lambda: self._cut.read_balances(self._reads[0]), is_forced=True)
            except VenueUnreachableError:
                if self._vitals.error_count != count:
                    return lost(
                        f"After {count} faults {self._vitals.error_count} were counted.", "Please report it: a bug."
                    )
        state = read.breaker.state(self._clock.now_s())
        try:
            await read.guard(lambda: self._cut.read_balances(self._reads[0]))
        except BreakerOpenError:
            return earned(
                f"{self._threshold} faults made up on this machine were counted one by one; then the breaker was "
                f"{state.value}, and refused the next call."
            )
        except HoldfastError:
            pass
        return lost(f"After {self._threshold} faults the breaker was {state.value}.", "Please report it: a bug.")

    async def last_good(self) -> Finding:
        """Let the figures age, and see that each is what it was, and labelled."""
        await asyncio.sleep(self._max_age_s * 1.2)
        found = self._ledger.balances(now_s=self._clock.now_s())
        moved = sorted(asset for asset, total in self._before.items() if found[asset].total != total)
        if moved:
            return lost(f"Figures changed without an answer: {', '.join(moved[:3])}.", "Please report it: a bug.")
        labels = {each.state for each in found.values()}
        if labels - {BalanceState.STALE}:
            told = ", ".join(sorted(state.value for state in labels))
            return lost(f"Figures without an answer were labelled {told}.", "Please report it: a bug.")
        ages = [each.age_s for each in found.values() if each.age_s is not None]
        oldest = f", the oldest {max(ages):.1f} s" if ages else ""
        return earned(f"{len(found)} figures stayed what they were, each labelled stale{oldest}; none became zero.")

    async def recovery(self) -> Finding:
        """Mend the wire, ask the venue once, and see the breaker close and the figures fresh."""
        self._cut.is_cut = False
        read, began_s = self._vitals.read, self._clock.now_s()
        for attempt in range(_ATTEMPTS):
            name = self._reads[attempt % len(self._reads)]
            try:
                snapshot = await read.guard(lambda name=name: self._cut.read_balances(name), is_forced=True)  # type: ignore[misc]
            except HoldfastError as error:
                return lost_by(error, broker=self._broker, what="The first read after the fault")
            now_s = self._clock.now_s()
            self._ledger.state_snapshot(snapshot, now_s=now_s)
            states = {each.state for each in self._ledger.balances(now_s=now_s).values()}
            is_closed = read.breaker.state(now_s) is BreakerState.CLOSED and not self._vitals.error_count
            if is_closed and not states - {BalanceState.FRESH}:
                return earned(
                    f"{name} answered {now_s - began_s:.2f} s after the fault ended: the breaker closed, the count is "
                    "0, and every figure is fresh."
                )
            await asyncio.sleep(_MAX_AGE_LEAST_S)  # Money that moved meanwhile is believed by a second, different read.
        return lost(
            f"After {_ATTEMPTS} answers the breaker was {read.breaker.state(self._clock.now_s()).value}, and not every "
            "figure fresh.",
            "Wait for the account to be quiet and run again; where it stays, please report it.",
        )


def _ignore(_: object) -> None:
    pass
