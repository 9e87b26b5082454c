"""A parked credential: closed to everyone, for as long as it has to be, and opened by what should open it."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from holdfast.core.parking import BAD_KEY, INVALID_NONCE, KEY_EXPIRED, KEY_REVOKED, LOCKOUT, PROBE_EVERY_S
from holdfast.core.seams import Priority
from holdfast.core.venue import CredentialInfo
from holdfast.errors import CredentialParkedError
from holdfast.runtime.lane import FileLane
from tests.runtime.lane_rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def take(lane: FileLane) -> int:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        return await turn.take()


async def park(lane: FileLane, cause: str, *, for_s: float | None) -> None:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        await turn.park(cause, for_s=for_s)


async def refuse_twice(lane: FileLane) -> None:
    """What a client does with a key whose nonces the venue refuses."""
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        await turn.take_beyond()
        await turn.park(INVALID_NONCE, for_s=None)


async def test_lockout_closes_the_credential_for_its_time_and_is_over_then(rig: Rig) -> None:
    lane = rig.lane()
    await park(lane, LOCKOUT, for_s=900)

    with pytest.raises(CredentialParkedError, match=r"for lockout for another 900 s") as parked:
        await take(lane)
    assert (parked.value.cause, parked.value.retry_after_s) == ("lockout", 900)

    rig.clock.advance(899)
    with pytest.raises(CredentialParkedError):
        await take(lane)
    rig.clock.advance(2)
    assert await take(lane) > 0
    assert rig.said("credential.unparked") == [{"broker": "kraken-master", "cause": "lockout"}]
    assert lane.parking_now() is None


async def test_parking_survives_a_restart_and_steps_of_the_wall_clock(rig: Rig) -> None:
    await park(rig.lane(), LOCKOUT, for_s=900)
    rig.clock.step_wall(86_400)
    rig.clock.advance(100)
    lane = rig.lane()

    with pytest.raises(CredentialParkedError) as parked:
        await take(lane)

    assert parked.value.retry_after_s == 800
    parking = lane.parking_now()
    assert parking is not None
    assert parking.cause == "lockout"


async def test_whoever_waits_for_a_lane_that_gets_parked_hears_it_at_once(rig: Rig) -> None:
    lane = rig.lane(wait_s=3600)
    async with lane.turn(priority=Priority.BALANCE) as turn:
        waiting = [asyncio.create_task(take(lane)) for _ in range(5)]
        await asyncio.sleep(0.01)
        await turn.park("bad_key", for_s=300)

        async with asyncio.timeout(1):
            answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(answer, CredentialParkedError) for answer in answers)


async def test_refused_twice_closes_the_credential_until_one_probe(rig: Rig) -> None:
    lane = rig.lane()
    await refuse_twice(lane)

    with pytest.raises(CredentialParkedError, match="holdfast nonce doctor") as parked:
        await take(lane)

    assert parked.value.retry_after_s == PROBE_EVERY_S
    assert lane.refused == 2
    record = (await lane.state()).record
    assert (record.refused_in_a_row, record.refused_last) == (2, record.mark)


async def test_probe_that_is_answered_opens_the_credential(rig: Rig) -> None:
    lane = rig.lane()
    await refuse_twice(lane)
    rig.clock.advance(PROBE_EVERY_S + 1)

    assert await take(lane) > 0

    assert await take(lane) > 0
    assert (await lane.state()).record.refused_in_a_row == 0
    assert rig.said("credential.unparked") == [{"broker": "kraken-master", "cause": "invalid_nonce"}]


async def test_probe_that_is_refused_leaves_it_to_a_person(rig: Rig) -> None:
    lane = rig.lane()
    await refuse_twice(lane)
    rig.clock.advance(PROBE_EVERY_S + 1)

    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        with pytest.raises(CredentialParkedError, match="until a person acts"):
            await turn.take_beyond()  # One probe is one call: there is no second try.

    rig.clock.advance(1e7)
    with pytest.raises(CredentialParkedError) as parked:
        await take(lane)
    assert parked.value.retry_after_s is None

    assert await lane.unpark()
    assert await take(lane) > 0


async def test_probe_whose_answer_is_lost_may_be_repeated_after_the_pause(rig: Rig) -> None:
    lane = rig.lane()
    await refuse_twice(lane)

    async def lost() -> None:
        async with lane.turn(priority=Priority.BALANCE) as turn:
            await turn.take()
            raise ConnectionError("no answer")

    for _ in range(3):
        rig.clock.advance(PROBE_EVERY_S + 1)
        with pytest.raises(ConnectionError):
            await lost()
        with pytest.raises(CredentialParkedError):
            await take(lane)


async def test_probe_that_was_not_sent_proves_nothing(rig: Rig) -> None:
    lane = rig.lane()
    await park(lane, "bad_key", for_s=300)
    rig.clock.advance(301)
    async with lane.turn(priority=Priority.BALANCE):
        pass  # Nothing taken, nothing sent.

    assert (await lane.state()).parking is not None


async def test_only_one_probe_goes_out_of_many_that_wait(rig: Rig) -> None:
    lane = rig.lane()
    await park(lane, "bad_key", for_s=300)
    rig.clock.advance(301)
    sent = 0

    async def call() -> None:
        nonlocal sent
        async with lane.turn(priority=Priority.BALANCE) as turn:
            await turn.take()
            sent += 1
            await asyncio.sleep(0)
            await turn.park("bad_key", for_s=300)

    answers = await asyncio.gather(*(call() for _ in range(10)), return_exceptions=True)

    assert sent == 1
    assert sum(isinstance(answer, CredentialParkedError) for answer in answers) == 9


async def test_unpark_for_a_cause_leaves_another_cause_alone(rig: Rig) -> None:
    lane = rig.lane()
    await park(lane, "bad_key", for_s=300)

    assert not await lane.unpark(cause="clock")
    with pytest.raises(CredentialParkedError):
        await take(lane)
    assert await lane.unpark(cause="bad_key")
    assert await take(lane) > 0
    assert not await lane.unpark()


async def test_disk_that_fails_after_a_good_probe_does_not_hide_its_answer(rig: Rig) -> None:
    lane = rig.lane()
    await park(lane, "bad_key", for_s=300)
    rig.clock.advance(301)

    async with lane.turn(priority=Priority.BALANCE) as turn:
        nonce = await turn.take()
        rig.disk.fail(errno.EIO)
    rig.disk.heal()

    assert nonce > 0
    assert rig.said("store.failed") == [{"broker": "kraken-master", "reason": "StoreError"}]
    with pytest.raises(CredentialParkedError):
        await take(lane)
    rig.clock.advance(PROBE_EVERY_S + 1)
    await take(lane)
    assert lane.parking_now() is None


async def test_lane_that_was_never_used_here_is_not_parked(rig: Rig) -> None:
    assert rig.lane().parking_now() is None


@pytest.mark.parametrize(("expires_in_s", "cause"), [(None, KEY_REVOKED), (3600.0, KEY_REVOKED), (-1.0, KEY_EXPIRED)])
async def test_a_key_that_was_healthy_is_parked_as_revoked_or_as_expired(
    rig: Rig, expires_in_s: float | None, cause: str
) -> None:
    lane = rig.lane()
    await take(lane)
    info = CredentialInfo(
        account_id="A",
        permissions=("read",),
        can_withdraw=False,
        nonce_window=0,
        ip_allow_list=(),
        expires_at_s=None if expires_in_s is None else rig.clock.wall_us() / 1e6 + expires_in_s,
    )
    await lane.keep_credential_info(info)
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        assert await turn.park(BAD_KEY, for_s=300) == cause
    parking = (await rig.lane().state()).parking
    assert parking is not None
    assert parking.cause == cause
    with pytest.raises(CredentialParkedError, match="doctor --retry") as caught:
        await take(lane)
    assert caught.value.cause == cause


async def test_a_key_that_was_never_answered_is_only_a_bad_one(rig: Rig) -> None:
    lane = rig.lane()
    async with lane.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
        assert await turn.park(BAD_KEY, for_s=300) == BAD_KEY
