"""An owner stopped amid a submission and let go on: nothing of before takes effect, and nobody takes over meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.crash.forks import Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_lives import CLIENT, VALIDITY_S
from tests.crash.order_steps import Wire, step_called
from tests.crash.venues import local_kraken
from tests.processes.paused_owner import ASKED, BEFORE_THE_WRITE, WAIT_S, Paused, PauseReport

pytestmark = pytest.mark.processes


async def paused(forks: Forks, folder: Path, wire: Wire, name: str) -> PauseReport:
    folder.mkdir()
    async with local_kraken(seed=9) as kraken:
        account = Paused(kraken, forks, folder, wire=wire, seed=9, pause_s=VALIDITY_S + 1.0)
        await account.pause_at(name)
        return account.report


async def test_paused_owner_keeps_its_account_and_sends_nothing_of_before_the_pause(tmp_path: Path) -> None:
    places: list[tuple[Wire, str]] = [
        ("stream", ASKED.name),
        ("stream", "claimed, not handed to the store"),
        ("stream", "durable, nothing is sent"),
        ("stream", "the frame is ready, not handed over"),
        ("rest", "a nonce is durable, the order is not sent"),
    ]
    total = PauseReport()
    async with Forks(CLIENT) as forks:
        reports = await asyncio.gather(
            *(paused(forks, tmp_path / str(number), wire, name) for number, (wire, name) in enumerate(places))
        )
    for report in reports:
        total.add(report)

    assert (total.pauses, total.callers_told) == (5, 40)
    assert (total.took_over, total.executed_after_the_pause) == (0, 0)
    assert total.sent_after_the_pause == total.refused_by_their_validity == 1
    assert min(total.told_after_s) >= WAIT_S - 0.1


async def test_judge_of_pauses_sees_an_order_that_was_sent_after_a_pause_it_outlived(tmp_path: Path) -> None:
    async with Forks(CLIENT) as forks, local_kraken(seed=9) as kraken:
        # So short that the venue takes the order all the same.
        account = Paused(kraken, forks, tmp_path, wire="stream", seed=9, pause_s=0.0, waits_s=0.1, is_spent=False)

        with pytest.raises(BrokenPromiseError, match="from before a pause"):
            await account.pause_at("the frame is ready, not handed over")


def test_every_place_to_stop_at_is_a_step() -> None:
    for wire, names in BEFORE_THE_WRITE.items():
        for name in names:
            assert name == ASKED.name or wire in step_called(name).wires
