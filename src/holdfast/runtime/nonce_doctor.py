"""
The nonce doctor's rounds: ask the venue's clock, read the lane, conclude; and, with a person's word, try again.

It sends nothing signed while a key's nonces are being refused: each such call may prolong a lockout, and the one that
would tell (``GetApiKeyInfo``) needs a good nonce itself.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final, Protocol

import msgspec

from holdfast.core.nonce_diagnosis import NonceCause, NonceDiagnosis, NonceFacts, diagnose
from holdfast.core.nonces import NonceUnit
from holdfast.core.parking import LOCKOUT, is_for_a_person
from holdfast.core.seams import Clock
from holdfast.core.venue import CredentialInfo, ServerTime
from holdfast.errors import CredentialParkedError, DeniedError, HoldfastError, InvalidNonceError
from holdfast.runtime.lane import FileLane
from holdfast.runtime.lane_passage import is_alive

__all__ = ["NonceClient", "NonceReport", "NonceRounds", "examine", "ratchet", "retry"]

_WELL: Final = frozenset({NonceCause.NOTHING, NonceCause.NO_NONCES, NonceCause.OTHER_SENDER})


class NonceClient(Protocol):
    """The two reads the doctor needs of a ``VenueClient``, which sends its signed calls through the same lane."""

    async def server_time(self) -> ServerTime: ...

    async def credential_info(self) -> CredentialInfo: ...


class NonceReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was found, and what came of the one call that was tried, if any.

    ``call``: ``accepted``, ``refused`` (the nonce), ``failed`` (anything else; ``call_detail`` says what) or None
    where nothing signed was sent. ``unit`` is what the key counts in now, None where the venue has no nonces.
    ``parked_for_s`` is None where it is not parked or a person has to act.
    """

    credential: str
    diagnosis: NonceDiagnosis
    unit: NonceUnit | None
    mark: int | None
    wall_offset_s: float | None
    nonce_window: int | None
    call: str | None = None
    call_detail: str | None = None
    parked_for_s: float | None = None


class NonceRounds:
    """The doctor at one credential: ``examine``, ``retry`` and ``ratchet`` with their client and lane filled in."""

    def __init__(self, client: NonceClient, lane: FileLane, *, clock: Clock) -> None:
        self._client = client
        self._lane = lane
        self._clock = clock

    async def examine(self, *, may_call: bool = True) -> NonceReport:
        return await examine(self._client, self._lane, clock=self._clock, may_call=may_call)

    async def retry(self) -> NonceReport:
        return await retry(self._client, self._lane, clock=self._clock)

    async def ratchet(self, *, has_consent: bool, unit: str | None) -> NonceReport:
        chosen = None if unit is None else NonceUnit(unit)
        return await ratchet(self._client, self._lane, clock=self._clock, has_consent=has_consent, unit=chosen)


async def examine(client: NonceClient, lane: FileLane, *, clock: Clock, may_call: bool = True) -> NonceReport:
    """
    Find out how a key's nonces are. Suspends.

    Where nothing speaks against it and *may_call*, one signed read proves the key healthy, and its nonce window and
    permissions are kept for a day on which they cannot be asked for.

    Raises:
        StoreError: The lane's file cannot be read.
        CredentialBusyError: The key's lane is held by somebody else.
    """
    report = await _look(client, lane, clock)
    if report.diagnosis.cause not in _WELL or not may_call:
        return report
    return await _call(client, lane, clock)


async def retry(client: NonceClient, lane: FileLane, *, clock: Clock) -> NonceReport:
    """
    Open a key that was parked for its nonces or as a bad key, and try one signed read. Suspends.

    A person's decision: for ``bad_key``, once the secret was corrected; never through a lockout.
    Refused again, it is parked again.

    Raises:
        CredentialParkedError: The venue locked it out: that ends by itself.
        DeniedError: It is parked for something else, which has to be mended first.
        StoreError: The lane's file cannot be read or written.
        CredentialBusyError: The key's lane is held by somebody else.
    """
    report = await _look(client, lane, clock)
    parking = (await lane.state()).parking
    if parking is None or not is_for_a_person(parking):
        _check_about_nonces(report, lane)
    await lane.unpark()
    return await _call(client, lane, clock)


async def ratchet(
    client: NonceClient, lane: FileLane, *, clock: Clock, has_consent: bool, unit: NonceUnit | None = None
) -> NonceReport:
    """
    Let the key count in a finer unit, for good, and try one signed read. Suspends.

    Args:
        client: Sends through *lane*.
        lane: The key's lane.
        clock: Ours.
        has_consent: A person was told that there is no way back, and agreed.
        unit: To this unit; None: to the one that the diagnosis names.

    Raises:
        DeniedError: No consent; or the diagnosis is another one and no unit was named; or the key is parked for
            something else; or the unit is no finer than what it counts in.
        StoreError: The lane's file cannot be read or written.
        CredentialBusyError: The key's lane is held by somebody else.
    """
    report = await _look(client, lane, clock)
    if report.unit is None:
        raise DeniedError(f"{lane.name}: {report.diagnosis.summary}")
    target = unit or report.diagnosis.ratchet_to
    if target is None:
        raise DeniedError(f"{lane.name}: a finer unit would not help: {report.diagnosis.summary}")
    if not target.is_finer_than(report.unit):
        raise DeniedError(f"{lane.name}: it counts in {report.unit} already, and {target} is no finer")
    _check_about_nonces(report, lane)
    if not has_consent:
        raise DeniedError(
            f"{lane.name}: counting in {target} cannot be undone: every client of this key that counts in a coarser "
            "unit is refused for good; say so explicitly to go on"
        )
    await lane.ratchet(target)
    await lane.unpark()
    return await _call(client, lane, clock)


async def _look(client: NonceClient, lane: FileLane, clock: Clock) -> NonceReport:
    """The report without a signed call."""
    wall_offset_s = None
    with contextlib.suppress(HoldfastError):  # Evidence that is missing; the diagnosis says so.
        wall_offset_s = lane.hear_venue_time(await client.server_time()).wall_offset_s
    state = await lane.state()
    users = {entry.pid for entry in state.last_holders} | state.waiting_pids
    facts = NonceFacts(
        record=state.record,
        now_ns=lane.now_ns(),
        wall_us=clock.wall_us(),
        basis=state.basis,
        has_nonces=lane.has_nonces,
        wall_offset_s=wall_offset_s,
        parking=state.parking,
        parked_for_s=state.parked_for_s,
        other_pids=tuple(sorted(pid for pid in users if pid != os.getpid() and is_alive(pid))),
    )
    return NonceReport(
        credential=lane.name,
        diagnosis=diagnose(facts),
        unit=state.record.unit if lane.has_nonces else None,
        mark=state.record.mark,
        wall_offset_s=wall_offset_s,
        nonce_window=state.record.nonce_window,
        parked_for_s=state.parked_for_s,
    )


async def _call(client: NonceClient, lane: FileLane, clock: Clock) -> NonceReport:
    """Send the one signed read, and look again."""
    call, detail = "accepted", None
    try:
        await lane.keep_credential_info(await client.credential_info())
    except InvalidNonceError as error:
        call, detail = "refused", str(error)
    except CredentialParkedError as error:
        call, detail = "refused" if error.cause == "invalid_nonce" else "failed", str(error)
    except HoldfastError as error:
        call, detail = "failed", f"{type(error).__name__}: {error}"
    report = await _look(client, lane, clock)
    return msgspec.structs.replace(report, call=call, call_detail=detail)


def _check_about_nonces(report: NonceReport, lane: FileLane) -> None:
    told = f"{lane.name}: {report.diagnosis.summary} {' '.join(report.diagnosis.next_steps)}"
    if report.diagnosis.cause is NonceCause.LOCKOUT:
        raise CredentialParkedError(told, cause=LOCKOUT, retry_after_s=report.parked_for_s)
    if report.diagnosis.cause in {NonceCause.PARKED, NonceCause.EXHAUSTED}:
        raise DeniedError(told)
