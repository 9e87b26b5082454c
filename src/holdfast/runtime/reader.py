"""
One account's REST reads: by the schedule, or because somebody asked; one at a time.

A failed read changes nothing but the count of errors; the last good figures stay, labelled by their age.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from holdfast.core.balances import OrdersSnapshot, Snapshot
from holdfast.core.changes import Outcome, WantKind
from holdfast.core.events import event
from holdfast.core.health import Fault, fault_of
from holdfast.core.parking import KEY_REFUSED
from holdfast.core.reconcile import ORDERS
from holdfast.core.venue import VenueClient
from holdfast.errors import BadCredentialError, CredentialParkedError, HoldfastError, PayloadError
from holdfast.runtime.account import Account
from holdfast.runtime.views import RefreshReport
from holdfast.runtime.vitals import Vitals

__all__ = ["Reader"]

_REFRESH_ATTEMPTS: Final = 4
_REFRESH_WAIT_S: Final = 1.0
_ISOLATED_LOOK_S: Final = 60.0


class Reader:
    """
    Reads one account through its client; the schedule's reads wait for the breaker, and a forced one goes as a trial.

    Attributes:
        last_error: The latest failure's text, until a read succeeds.
        has_read: Set once a first read has ended, well or not, or has to wait for the breaker.
        parked_cause: Why the credential is left alone, or None.
        parked_until_s: Until when, our clock.
    """

    def __init__(self, account: Account, client: VenueClient, vitals: Vitals, *, failure_threshold: int) -> None:
        self._account = account
        self._client = client
        self._reads = vitals.read
        self._clock = account.clock
        self._turn = asyncio.Lock()
        self._failure_threshold = failure_threshold
        self._failing: str | None = None
        self._failures = 0  # Counted ones, since a read succeeded.
        self.has_read = asyncio.Event()
        self.last_error: str | None = None
        self.parked_cause: str | None = None
        self.parked_until_s: float | None = None

    async def run(self) -> None:
        """Read by the schedule until cancelled. Suspends for ever."""
        account = self._account
        while True:
            now_s = self._clock.now_s()
            plan = account.reconciler.plan(now_s=now_s)
            opens_s = self._opens_s(now_s)
            if opens_s > now_s:
                self.has_read.set()  # Whoever waits for the first read would wait for a break, or for a person.
            at_s = max(plan.at_s, opens_s)
            if at_s > now_s:
                await account.reading.wait_until(at_s)
                # Rung or not, the plan may be another one by now.
                continue
            async with self._turn:
                now_s = self._clock.now_s()
                if self._opens_s(now_s) > now_s:
                    continue  # Somebody's forced read failed while we waited for our turn.
                await self._read(plan.read)
            self.has_read.set()

    def _opens_s(self, now_s: float) -> float:
        """When the breaker lets a read go, our clock."""
        breaker = self._reads.breaker
        if breaker.is_quiet:
            return now_s
        retry_after_s = breaker.retry_after_s(now_s)
        return now_s + (_ISOLATED_LOOK_S if retry_after_s is None else retry_after_s)

    async def refresh(self, *, timeout_s: float, tell: Callable[[str, str], None] | None = None) -> RefreshReport:
        """
        Read balances and open orders now, and again where an answer is suspect. Suspends; never raises.

        *tell* hears each read and what came of it.
        """
        account, clock = self._account, self._clock
        began_s = clock.now_s()
        reads: list[str] = []
        changed: dict[str, None] = {}
        suspects: tuple[str, ...] = ()
        attempts = 0
        error: str | None = "not asked"
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                wanted = [self._client.balance_reads[0], ORDERS]
                while wanted and attempts < _REFRESH_ATTEMPTS * 2:
                    read = wanted[0]
                    attempts += 1
                    outcome = await self._read(read, is_forced=True)
                    error = self.last_error
                    if tell is not None:
                        tell(read, "answered" if outcome is not None else error or "failed")
                    if outcome is None:
                        if self.parked_cause is not None or account.halted_reason is not None:
                            break
                        await asyncio.sleep(_REFRESH_WAIT_S)
                        continue
                    wanted.pop(0)
                    error = None
                    reads.append(read)
                    changed.update(dict.fromkeys(change.asset for change in outcome.changes if change.is_money))
                    if read != ORDERS:
                        self.has_read.set()  # Whoever waits for a first read has one.
                        suspects = outcome.suspect_assets if outcome.suspect is not None else ()
                        second = await self._wait_for_second_read()
                        if second is not None and len(reads) < _REFRESH_ATTEMPTS:
                            wanted.insert(0, second)
        except TimeoutError:
            error = self.last_error or f"not answered within {timeout_s} s"
        return RefreshReport(
            broker=account.name,
            reads=tuple(reads),
            attempts=attempts,
            took_s=clock.now_s() - began_s,
            changed=tuple(changed),
            suspects=suspects,
            error=account.halted_reason or error,
            fault=None if error is None else self._failing,
        )

    async def _wait_for_second_read(self) -> str | None:
        """Which other read would settle a suspicion, once it may leave; None where nothing is suspect."""
        for want in self._account.ledger.wants:
            if want.kind is WantKind.READ_BALANCES and want.other_than is not None:
                others = [read for read in self._client.balance_reads if read != want.other_than]
                if others:
                    await asyncio.sleep(max(0.0, want.not_before_s - self._clock.now_s()))
                    return others[0]
        return None

    async def _read(self, read: str, *, is_forced: bool = False) -> Outcome | None:
        """Make one read; its outcome, or None where it failed."""
        account, clock = self._account, self._clock
        began_s = clock.now_s()
        account.reconciler.started(read, now_s=began_s)
        try:
            if read == ORDERS:
                orders = await self._reads.guard(self._client.open_orders, is_forced=is_forced, left_s=_as_of)
                outcome = account.take_orders(orders)
            else:
                balances = await self._reads.guard(
                    lambda: self._client.read_balances(read), is_forced=is_forced, left_s=_as_of
                )
                outcome = account.take(account.ledger.state_snapshot, balances, read=read, now_s=clock.now_s())
        except HoldfastError as error:
            self.failed(read, error)
            return None
        self._succeeded(read)
        return outcome

    def failed(self, read: str, error: HoldfastError) -> None:
        """Tell of a failure, and leave venue or credential alone for as long as it calls for."""
        account, now_s = self._account, self._clock.now_s()
        fault = fault_of(error)
        # Said once per kind of fault, and again when it has gone on for too long: not with every attempt.
        error_count = self._failures = self._reads.error_count
        is_news = fault.word != self._failing or (fault.counts and error_count == self._failure_threshold)
        self._failing = fault.word
        self.last_error = f"{read}: {error}"
        if isinstance(error, BadCredentialError) and fault.pause_s is not None:
            self.last_error += f"; parked for {fault.pause_s:.0f} s: {KEY_REFUSED}"
        if isinstance(error, PayloadError):
            account.answer_refused(read, type(error).__name__, str(error))
        if fault.parks is not None:
            account.reconciler.park(now_s + (fault.pause_s or 0.0))
        elif fault.pause_s is not None:
            account.reconciler.pause(now_s + fault.pause_s)
        self._park(fault, error, now_s)
        if read == ORDERS or read in self._client.balance_reads:
            account.reconciler.ended(read, ok=False, now_s=now_s)
        if account.life is not None:
            account.life.read_ended(ok=False, now_s=now_s)
        if is_news:
            account.emitter(
                event(
                    "read.failed",
                    broker=account.name,
                    read=read,
                    fault=fault.word,
                    error=str(error)[:300],
                    count=error_count,
                )
            )
        account.note_stream(now_s)
        account.tell_states()
        account.wake()

    def _park(self, fault: Fault, error: HoldfastError, now_s: float) -> None:
        if fault.parks is None:
            return
        # Who parks a credential says so itself; what another process has done is told by whoever runs into it.
        is_news = self.parked_cause is None and isinstance(error, CredentialParkedError)
        self.parked_cause = fault.parks
        self.parked_until_s = None if fault.pause_s is None else now_s + fault.pause_s
        if is_news:
            name = self._account.name
            self._account.emitter(event("credential.parked", broker=name, cause=fault.parks, for_s=fault.pause_s))

    def opened(self) -> None:
        """The credential is open, by a person's word or proved by a read: what waits for it need not."""
        if self.parked_cause is not None:
            self.parked_cause = self.parked_until_s = None
            self._account.reconciler.unpark()
            self._account.reading.ring()

    def _succeeded(self, read: str) -> None:
        account, now_s = self._account, self._clock.now_s()
        if self.last_error is not None:
            account.emitter(event("read.recovered", broker=account.name, read=read, after=self._failures))
        self._failures = 0
        self._failing = self.last_error = None
        self.opened()
        account.reconciler.ended(read, ok=True, now_s=now_s)
        if account.life is not None:
            account.life.read_ended(ok=True, now_s=now_s)
        account.note_stream(now_s)
        account.tell_states()
        account.wake()


def _as_of(answer: Snapshot | OrdersSnapshot) -> float:
    """When the request left: what it waited for before is not the venue's time."""
    return answer.as_of_s
