"""
An emergency repair of one broker: find out, mend in a fixed order, and look again.

A shell around ``core.repair``, which decides. Each step is decided on what the steps before have left, so that a key
that was opened is used by the next one; each is told as it ends. It is bounded as a whole: what was not reached in time
is said, and nothing goes on behind the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.core.breakers import BreakerState
from holdfast.core.events import event
from holdfast.core.parking import BAD_KEYS, CLOCK
from holdfast.core.repair import (
    Act,
    Condition,
    Key,
    Outcome,
    RepairFacts,
    RepairReport,
    RepairStep,
    StepName,
    Stream,
    left_to_a_person,
    plan,
)
from holdfast.errors import HoldfastError, StoreError
from holdfast.runtime.audit import Told

if TYPE_CHECKING:
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.supervisor import Supervisor

__all__ = ["Repair", "condition_of", "told_of_repair"]

_STREAM_WITHIN_S: Final = 15.0
_REFRESH_WITHIN_S: Final = 30.0
_EVIDENCE_WITHIN_S: Final = 10.0
_VERIFY_WITHIN_S: Final = 10.0
_DOUBTS_NAMED: Final = 20


class Repair:
    """
    One repair; ``run`` it once.

    Args:
        supervisor: Of the broker.
        is_dry_run: Only say what would be done.
        timeout_s: Bound of the whole, seconds.
    """

    def __init__(self, supervisor: Supervisor, *, is_dry_run: bool, timeout_s: float) -> None:
        self._supervisor = supervisor
        self._account = supervisor.account
        self._clock = supervisor.account.clock
        self._is_dry_run = is_dry_run
        self._timeout_s = timeout_s
        self._end_s = self._clock.now_s() + timeout_s
        self._clock_error: str | None = None
        self._nonces: NonceReport | None = None

    async def run(self) -> RepairReport:
        """Do it. Suspends; never raises for what is wrong with venue, credential or store."""
        began_s = self._clock.now_s()
        steps: list[RepairStep] = []
        await self._open_lane()
        before = condition_of(self._supervisor)
        try:
            async with asyncio.timeout(self._timeout_s), self._supervisor.repairing:
                await self._ask()
                before = condition_of(self._supervisor)
                for at, name in enumerate(StepName):
                    step = plan(self._facts())[at]
                    if step.act is not None and not self._is_dry_run:
                        self._tell(step, "begun")
                        step = await self._do(step, step.act)
                    if name is StepName.RECONCILE and not self._is_dry_run:
                        await self._verify()
                    steps.append(step)
                    self._tell(step, step.outcome.value)
        except TimeoutError:
            steps += [self._unreached(step) for step in plan(self._facts())[len(steps) :]]
        after = before if self._is_dry_run else condition_of(self._supervisor)
        return RepairReport(
            broker=self._supervisor.name,
            is_dry_run=self._is_dry_run,
            steps=tuple(steps),
            before=before,
            after=after,
            left=left_to_a_person(steps),
            took_s=self._clock.now_s() - began_s,
        )

    # Finding out

    async def _open_lane(self) -> None:
        """Read why the credential is parked, which a lane that nobody used here does not know yet."""
        with contextlib.suppress(HoldfastError):  # The status says that it cannot be read.
            await self._supervisor.look_at_lane()

    async def _ask(self) -> None:
        """Ask the venue's clock, and the nonce doctor without a signed call; nothing at all during a lockout."""
        if self._key().is_silent:
            return
        try:
            await self._supervisor.measure_clock()
        except HoldfastError as error:
            self._clock_error = str(error)
        await self._examine()

    async def _examine(self) -> None:
        try:
            self._nonces = await self._supervisor.nonces.examine(may_call=False)
        except HoldfastError:
            self._nonces = None  # No lane on files, or one that cannot be read: the key's own step tells.

    def _facts(self) -> RepairFacts:
        supervisor, account = self._supervisor, self._account
        doubts = tuple(intent.intent_id for intent in supervisor.entry.intents.doubts())
        status = supervisor.status()
        isolated = [each.breaker.why for each in status.capabilities if each.breaker.state is BreakerState.ISOLATED]
        return RepairFacts(
            broker=supervisor.name,
            pid=os.getpid(),
            condition=self._condition(),
            key=self._key(),
            stream=self._stream(),
            clock_error=self._clock_error,
            nonces=None if self._nonces is None else self._nonces.diagnosis,
            isolated_why=next((why for why in isolated if why), None),
            is_stopped=account.halted_reason is not None,
            halted_detail=status.halted_detail,
            store_path=status.store.path,
            doubts=doubts[:_DOUBTS_NAMED],
            is_connected=supervisor.contact != "none",
            is_dry_run=self._is_dry_run,
        )

    def _condition(self) -> Condition:
        """How it stands; a clock that was measured long ago, and could not be now, proves nothing."""
        found = condition_of(self._supervisor)
        return found if self._clock_error is None else msgspec.structs.replace(found, clock_offset_s=None)

    def _key(self) -> Key:
        status = self._supervisor.status()
        cause = status.nonce.parked_cause
        if cause is None:
            return Key()
        under = None
        try:
            parking = self._supervisor.lane.parking_now()
            under = None if parking is None else parking.under
        except StoreError:
            pass  # The cause says so: the lane cannot be read.
        on_disk = self._supervisor.on_disk() if cause in BAD_KEYS and self._supervisor.on_disk is not None else None
        return Key(cause=cause, for_s=status.nonce.parked_for_s, under=under, detail=status.last_error, on_disk=on_disk)

    def _stream(self) -> Stream:
        life = self._account.life
        if life is None:
            return Stream(state=None)
        now_s = self._clock.now_s()
        at_s = life.connect_at_s()
        return Stream(
            state=life.state,
            reason=life.reason,
            for_s=self._account.stream_status(now_s).for_s,
            is_open=self._account.is_open,
            connects_in_s=None if at_s is None else max(0.0, at_s - now_s),
        )

    # Mending

    async def _do(self, step: RepairStep, act: Act) -> RepairStep:
        try:
            failure = await self._acts(act)
        except HoldfastError as error:
            failure = f"{type(error).__name__}: {error}"
        if failure is None:
            # What a person was to look at while it was in doubt is settled.
            left = () if act is Act.RECONCILE else step.for_person
            return msgspec.structs.replace(step, outcome=Outcome.DONE, for_person=left)
        return msgspec.structs.replace(step, outcome=Outcome.FAILED, says=f"{step.says}: {failure}")

    async def _acts(self, act: Act) -> str | None:
        """Do one thing; None where it worked, else what it came to."""
        supervisor = self._supervisor
        match act:
            case Act.UNPARK_CLOCK:
                await supervisor.lane.unpark(cause=CLOCK)
                supervisor.key_opened()
                return None
            case Act.RETRY_NONCES:
                self._nonces = report = await supervisor.nonces.retry()
                if report.call == "accepted":
                    supervisor.key_opened()
                    return None
                return report.call_detail or f"the signed read was {report.call}"
            case Act.CLOSE_BREAKERS:
                await supervisor.vitals.reset(keeps_isolated=True)
                return None
            case Act.CONNECT_STREAM:
                supervisor.hurry()
                return await self._stream_comes()
            case Act.RECONNECT_STREAM:
                self._account.abort_stream("repair")
                await self._wait(lambda: not self._account.is_open, within_s=_STREAM_WITHIN_S)
                supervisor.hurry()
                return await self._stream_comes()
            case Act.REFRESH:
                supervisor.hurry()
                report_ = await supervisor.refresh(timeout_s=min(_REFRESH_WITHIN_S, self._left_s()))
                return None if report_.is_ok else report_.error or f"suspect: {', '.join(report_.suspects)}"
            case Act.RECONCILE:
                supervisor.ask_about_doubts()
                is_settled = await self._wait(self._is_settled, within_s=_EVIDENCE_WITHIN_S)
                return None if is_settled else "the evidence is not complete yet; it is looked for until it is"

    async def _stream_comes(self) -> str | None:
        life = self._account.life
        if life is None:
            return None
        if await self._wait(lambda: life.state.value == "live", within_s=_STREAM_WITHIN_S):
            return None
        return f"it is {life.state.value} ({life.reason or 'no reason'}); it is tried on"

    def _is_settled(self) -> bool:
        return not self._supervisor.entry.intents.doubts() and not self._account.ledger.discrepancies

    async def _verify(self) -> None:
        """Give figures the moment they need to be confirmed, where nothing else stands in the way."""
        found = condition_of(self._supervisor)
        is_barred = found.halted_reason is not None or found.parked_cause is not None
        is_barred = is_barred or BreakerState.ISOLATED in found.breakers.values() or bool(found.in_doubt)
        if not is_barred and self._supervisor.is_running:
            await self._wait(lambda: condition_of(self._supervisor).is_well, within_s=_VERIFY_WITHIN_S)

    async def _wait(self, is_so: Callable[[], bool], *, within_s: float) -> bool:
        """Wait until *is_so*, within bounds; whether it is."""
        end_s = min(self._clock.now_s() + within_s, self._end_s)
        while not is_so():
            left_s = end_s - self._clock.now_s()
            if left_s <= 0:
                return False
            await self._account.changed(within_s=min(0.5, left_s))
        return True

    def _left_s(self) -> float:
        return max(0.1, self._end_s - self._clock.now_s())

    def _unreached(self, step: RepairStep) -> RepairStep:
        if step.act is None or self._is_dry_run:
            return step
        says = f"not reached within {self._timeout_s:g} s"
        return msgspec.structs.replace(step, outcome=Outcome.FAILED, says=says)

    def _tell(self, step: RepairStep, state: str) -> None:
        text = step.says if state == "begun" else f"{step.found}: {step.says}"
        facts = {"act": "emergency_repair", "step": step.name.value, "state": state, "text": text[:300]}
        self._account.emitter(event("repair.progressed", broker=self._supervisor.name, **facts))


def condition_of(supervisor: Supervisor) -> Condition:
    """How a broker stands now, as a repair compares it."""
    status = supervisor.status()
    store = status.store
    return Condition(
        health=status.health,
        reasons=status.reasons,
        is_available=status.is_available,
        error_count=status.error_count,
        last_error=status.last_error,
        breakers={each.name: each.breaker.state for each in status.capabilities},
        stream=status.stream.state
        if status.stream.reason is None
        else f"{status.stream.state} ({status.stream.reason})",
        parked_cause=status.nonce.parked_cause,
        parked_for_s=status.nonce.parked_for_s,
        halted_reason=status.halted_reason,
        store_reason=None if store.is_ok else store.reason or "failed",
        states=status.states,
        suspects=status.suspects,
        discrepancies=status.discrepancies,
        in_doubt=status.in_doubt,
        clock_offset_s=status.venue_clock_offset_s,
    )


def told_of_repair(report: RepairReport) -> Told:
    """What goes on record of a repair: its steps and the condition before and after."""
    steps = {
        step.name.value: f"{step.outcome.value}: {step.says}"
        for step in report.steps
        if step.outcome is not Outcome.WELL
    }
    left = "; ".join(report.left) or ", ".join(report.after.reasons)
    outcome = "well" if report.is_well else f"left: {left}"
    return Told(
        outcome="planned" if report.is_dry_run else outcome,
        before=msgspec.to_builtins(report.before),
        after=msgspec.to_builtins(report.after),
        facts={"steps": steps},
    )
