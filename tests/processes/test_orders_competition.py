"""Many want the same money at once, in one process and in several: exactly one of them gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.forks import Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_lives import CLIENT
from tests.crash.venues import LocalVenue, local_kraken
from tests.processes.competition import Competition

pytestmark = pytest.mark.processes


@pytest.fixture
async def kraken() -> AsyncIterator[LocalVenue]:
    async with local_kraken(seed=6) as kraken:
        yield kraken


@pytest.fixture
async def competition(kraken: LocalVenue, tmp_path: Path) -> AsyncIterator[Competition]:
    async with Forks(CLIENT) as forks:
        competition = Competition(kraken, forks, tmp_path, wire="stream", seed=6)
        try:
            await competition.start()
            yield competition
        finally:
            await competition.end()


async def test_tasks_and_attached_processes_compete_for_one_order_and_exactly_one_is_approved(
    competition: Competition, kraken: LocalVenue
) -> None:
    await competition.rounds(of_all=12, of_tasks=4, of_processes=6, of_orders=3)

    report = competition.report
    assert (report.rounds, report.approved, report.orders_at_the_venue) == (25, 25, 3)
    assert report.denied == {"funds_short": 15 * 127 + 10 * 63}
    assert len(report.won_by_process) > 1

    # The judge judged: with room for two there are two.
    kraken.venue.happen({"kind": "deposit", "asset": "USD", "amount": "5000"})
    await competition.lives[0].shows(lambda picture: float(picture["balances"]["USD"][6]) > 14_000)
    with pytest.raises(BrokenPromiseError, match="'approved': 2"):
        await competition.rounds(of_all=0, of_tasks=1, of_processes=0, of_orders=0)
