"""The lane of a venue that has no nonces: several in flight, in order of priority, and one durable parking for all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.nonce_diagnosis import NonceCause
from holdfast.core.seams import Priority
from holdfast.core.venue import CredentialInfo, SequencePolicy
from holdfast.errors import ConfigError, CredentialBusyError, CredentialParkedError, DeniedError, InvariantError
from holdfast.runtime.lane import FileLane
from holdfast.runtime.nonce_doctor import examine, ratchet
from tests.runtime.lane_rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def plain(rig: Rig, **settings: Any) -> FileLane:
    return rig.lane(sequence=SequencePolicy.NONE, in_flight_max=settings.pop("in_flight_max", 3), **settings)


async def test_several_are_in_flight_without_a_nonce_window(rig: Rig) -> None:
    lane = plain(rig)
    async with lane.turn(priority=Priority.ORDER), asyncio.timeout(5):
        task = asyncio.ensure_future(_once(lane))
        assert await task
    lane.close()


async def _once(lane: FileLane, *, wait_s: float = 2.0) -> bool:
    async with lane.turn(priority=Priority.BALANCE, wait_s=wait_s):
        return True


async def test_no_more_than_the_bound_are_in_flight_even_over_two_processes_lanes(rig: Rig) -> None:
    first, second = plain(rig, in_flight_max=2), plain(rig, in_flight_max=2)
    async with first.turn(priority=Priority.ORDER):

        async def beside() -> None:
            async with second.turn(priority=Priority.ORDER):
                with pytest.raises(CredentialBusyError):
                    await asyncio.ensure_future(_once(first, wait_s=0.2))

        await asyncio.ensure_future(beside())
    first.close()
    second.close()


async def test_a_turn_hands_out_no_nonce_and_leaves_no_mark(rig: Rig) -> None:
    lane = plain(rig)
    async with lane.turn(priority=Priority.ORDER) as turn:
        with pytest.raises(InvariantError, match="no nonces"):
            await turn.take()
        with pytest.raises(InvariantError, match="no nonces"):
            await turn.take_beyond()
    assert (await lane.state()).record.mark is None
    lane.close()


async def test_parking_by_one_process_closes_the_credential_for_all_and_a_lockout_ends_by_itself(rig: Rig) -> None:
    first, second = plain(rig), plain(rig)
    async with first.turn(priority=Priority.ORDER) as turn:
        await turn.park("lockout", for_s=60.0)
    with pytest.raises(CredentialParkedError):
        await _once(second)
    rig.clock.advance(61.0)
    assert await _once(second)
    assert (await second.state()).record.parking is None
    assert [each["cause"] for each in rig.said("credential.unparked")] == ["lockout"]
    first.close()
    second.close()


async def test_one_probe_that_is_answered_opens_a_parked_credential(rig: Rig) -> None:
    lane = plain(rig)
    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.park("invalid_key", for_s=300.0)
    with pytest.raises(CredentialParkedError):
        await _once(lane)
    rig.clock.advance(301.0)
    async with lane.turn(priority=Priority.ORDER):
        with pytest.raises(CredentialParkedError):
            await asyncio.ensure_future(_once(lane))
    assert lane.parking_now() is None
    assert await _once(lane)
    lane.close()


async def test_a_probe_that_fails_parks_again(rig: Rig) -> None:
    lane = plain(rig)
    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.park("invalid_key", for_s=300.0)
    rig.clock.advance(301.0)
    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.park("invalid_key", for_s=300.0)
    with pytest.raises(CredentialParkedError):
        await _once(lane)
    lane.close()


async def test_doctor_finds_no_nonces_and_refuses_to_ratchet(rig: Rig) -> None:
    class NoVenue:
        async def server_time(self) -> object:
            return rig.venue_time()

        async def credential_info(self) -> object:
            return CredentialInfo(
                account_id="4470",
                permissions=("read_only",),
                can_withdraw=False,
                nonce_window=None,
                ip_allow_list=(),
                expires_at_s=None,
            )

    lane = plain(rig)
    report = await examine(NoVenue(), lane, clock=rig.clock)  # type: ignore[arg-type]
    assert report.diagnosis.cause is NonceCause.NO_NONCES
    assert report.unit is None
    assert report.call == "accepted"
    assert report.mark is None
    with pytest.raises(DeniedError, match="has none"):
        await ratchet(NoVenue(), lane, clock=rig.clock, has_consent=True)  # type: ignore[arg-type]
    lane.close()


def test_a_sequence_that_rises_still_needs_a_window_for_more_than_one(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="nonce window"):
        rig.lane(in_flight_max=3)
