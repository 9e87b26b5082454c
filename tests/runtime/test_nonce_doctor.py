"""The nonce doctor at a key: what it sends, what it must not, and what a person has to say first."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.nonce_diagnosis import NonceCause
from holdfast.core.nonces import NonceUnit
from holdfast.core.parking import INVALID_NONCE, LOCKOUT
from holdfast.core.seams import Priority
from holdfast.core.venue import CredentialInfo, ServerTime
from holdfast.errors import CredentialParkedError, DeniedError, InvalidNonceError, VenueUnreachableError
from holdfast.runtime.lane import FileLane
from holdfast.runtime.nonce_doctor import examine, ratchet, retry
from tests.runtime.lane_rig import Rig


class Key:
    """A key at a strict venue, called through a lane as a venue's client does."""

    def __init__(self, rig: Rig, lane: FileLane) -> None:
        self._rig = rig
        self._lane = lane
        self.largest = 0
        self.signed: list[int] = []
        self.is_reachable = True
        self.time_off_s = 0.0

    async def server_time(self) -> ServerTime:
        if not self.is_reachable:
            raise VenueUnreachableError("no venue", venue="kraken", request="Time")
        return self._rig.venue_time(off_s=self.time_off_s)

    async def credential_info(self) -> CredentialInfo:
        async with self._lane.turn(priority=Priority.TOKEN) as turn:
            if not self._sends(await turn.take()) and not self._sends(await turn.take_beyond()):
                await turn.park(INVALID_NONCE, for_s=None)
                raise InvalidNonceError("EAPI:Invalid nonce", venue="kraken", request="GetApiKeyInfo")
        return CredentialInfo(
            account_id="AA",
            permissions=("query-funds",),
            can_withdraw=False,
            nonce_window=0,
            ip_allow_list=(),
            expires_at_s=None,
        )

    def _sends(self, nonce: int) -> bool:
        self.signed.append(nonce)
        is_taken = nonce > self.largest
        self.largest = max(self.largest, nonce)
        return is_taken


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def lane(rig: Rig) -> FileLane:
    return rig.lane()


@pytest.fixture
def key(rig: Rig, lane: FileLane) -> Key:
    return Key(rig, lane)


@pytest.fixture
async def spoilt(rig: Rig, lane: FileLane, key: Key) -> Key:
    """A key that somebody used in 10 ns steps, and that we were refused on, twice."""
    key.largest = rig.now_us() * 100
    with pytest.raises(InvalidNonceError):
        await key.credential_info()
    key.signed.clear()
    return key


async def test_healthy_key_is_called_once_and_what_it_says_is_kept(rig: Rig, lane: FileLane, key: Key) -> None:
    report = await examine(key, lane, clock=rig.clock)

    assert (report.diagnosis.cause, report.call) == (NonceCause.NOTHING, "accepted")
    assert len(key.signed) == 1
    assert report.nonce_window == 0
    assert (await lane.state()).record.permissions == ("query-funds",)


async def test_nothing_signed_is_sent_where_it_was_not_allowed(rig: Rig, lane: FileLane, key: Key) -> None:
    report = await examine(key, lane, clock=rig.clock, may_call=False)

    assert report.call is None
    assert key.signed == []


async def test_nothing_signed_is_sent_while_nonces_are_refused(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    report = await examine(spoilt, lane, clock=rig.clock)

    assert report.diagnosis.cause is NonceCause.FINER_UNIT
    assert report.call is None
    assert spoilt.signed == []


async def test_first_refusals_are_found_by_the_call_itself(rig: Rig, lane: FileLane, key: Key) -> None:
    key.largest = rig.now_us() * 100

    report = await examine(key, lane, clock=rig.clock)

    assert (report.diagnosis.cause, report.call) == (NonceCause.FINER_UNIT, "refused")
    assert len(key.signed) == 2


async def test_venue_that_cannot_be_reached_leaves_it_undetermined(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    spoilt.is_reachable = False

    report = await examine(spoilt, lane, clock=rig.clock)

    assert report.diagnosis.cause is NonceCause.UNDETERMINED
    assert report.wall_offset_s is None


async def test_ratchet_without_consent_changes_nothing(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    with pytest.raises(DeniedError, match="cannot be undone"):
        await ratchet(spoilt, lane, clock=rig.clock, has_consent=False)

    state = await lane.state()
    assert state.record.unit is NonceUnit.US
    assert state.parking is not None
    assert spoilt.signed == []


async def test_ratchet_with_consent_gets_past_the_finer_nonce(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    report = await ratchet(spoilt, lane, clock=rig.clock, has_consent=True)

    assert (report.unit, report.call) == (NonceUnit.NS, "accepted")
    assert report.diagnosis.cause is NonceCause.NOTHING
    assert len(spoilt.signed) == 1
    assert (await lane.state()).parking is None


async def test_ratchet_to_a_chosen_unit(rig: Rig, lane: FileLane, key: Key) -> None:
    report = await ratchet(key, lane, clock=rig.clock, has_consent=True, unit=NonceUnit.NS_100)

    assert (report.unit, report.call) == (NonceUnit.NS_100, "accepted")


async def test_ratchet_that_does_not_reach_far_enough_parks_the_key_again(
    rig: Rig, lane: FileLane, spoilt: Key
) -> None:
    report = await ratchet(spoilt, lane, clock=rig.clock, has_consent=True, unit=NonceUnit.NS_100)

    assert (report.unit, report.call) == (NonceUnit.NS_100, "refused")
    assert report.diagnosis.cause is NonceCause.FINER_UNIT
    assert (await lane.state()).parking is not None


async def test_ratchet_of_a_healthy_key_is_refused_unless_a_unit_is_named(rig: Rig, lane: FileLane, key: Key) -> None:
    with pytest.raises(DeniedError, match="would not help"):
        await ratchet(key, lane, clock=rig.clock, has_consent=True)


async def test_ratchet_to_a_unit_that_is_no_finer_is_refused(rig: Rig, lane: FileLane, key: Key) -> None:
    with pytest.raises(DeniedError, match="no finer"):
        await ratchet(key, lane, clock=rig.clock, has_consent=True, unit=NonceUnit.MS)


async def test_lockout_is_waited_for_whatever_a_person_says(rig: Rig, lane: FileLane, key: Key) -> None:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.park(LOCKOUT, for_s=900)

    with pytest.raises(DeniedError, match="locked the key out"):
        await retry(key, lane, clock=rig.clock)
    with pytest.raises(DeniedError, match="locked the key out"):
        await ratchet(key, lane, clock=rig.clock, has_consent=True, unit=NonceUnit.NS)

    assert key.signed == []
    assert (await lane.state()).parking is not None


async def test_retry_lets_a_key_go_on_whose_cause_is_gone(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    spoilt.largest = 0

    report = await retry(spoilt, lane, clock=rig.clock)

    assert (report.call, report.diagnosis.cause) == ("accepted", NonceCause.NOTHING)


async def test_retry_that_is_refused_parks_the_key_again(rig: Rig, lane: FileLane, spoilt: Key) -> None:
    report = await retry(spoilt, lane, clock=rig.clock)

    assert report.call == "refused"
    assert (await lane.state()).parking is not None


async def test_lane_that_lost_its_file_while_the_clock_was_slow_is_recognised(rig: Rig) -> None:
    rig.clock.step_wall(-3600)
    lane = rig.lane()
    key = Key(rig, lane)
    key.largest = rig.clock.true_wall_us()
    with pytest.raises(InvalidNonceError):
        await key.credential_info()

    report = await examine(key, lane, clock=rig.clock)

    assert report.diagnosis.cause is NonceCause.NONCES_BEHIND
    assert report.wall_offset_s == pytest.approx(-3600, abs=1)
    # The venue's time has replaced the slow clock by now, so one more try is all it takes.
    rig.clock.advance(1)
    assert (await retry(key, lane, clock=rig.clock)).call == "accepted"


async def test_person_opens_a_key_that_was_refused_once_its_secret_is_right(rig: Rig, lane: FileLane, key: Key) -> None:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        await turn.park("bad_key", for_s=300)

    with pytest.raises(CredentialParkedError, match=r"bad_key for another 300 s: the venue refused .*doctor --retry`"):
        await key.credential_info()
    with pytest.raises(DeniedError, match="bad_key"):
        await ratchet(key, lane, clock=rig.clock, has_consent=True, unit=NonceUnit.NS)
    report = await retry(key, lane, clock=rig.clock)

    assert report.call == "accepted"
    assert (await lane.state()).parking is None


async def test_nobody_opens_a_key_that_was_refused_during_a_lockout(rig: Rig, lane: FileLane, key: Key) -> None:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        await turn.park("lockout", for_s=900)
        await turn.park("bad_key", for_s=300)

    with pytest.raises(DeniedError, match="bad_key"):
        await retry(key, lane, clock=rig.clock)

    assert key.signed == []
