"""A bot that is killed with SIGKILL and started again: nothing acknowledged is lost, no nonce comes twice."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.client import BROKER
from tests.crash.failpoints import STEPS, Step
from tests.crash.lives import BrokenPromiseError, Chain
from tests.crash.venues import local_kraken

pytestmark = pytest.mark.processes


def step(part: str) -> Step:
    (found,) = [each for each in STEPS if part in each.name]
    return found


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    async with local_kraken(seed=3) as kraken:
        yield Chain(kraken, tmp_path, seed=3)


async def test_bot_killed_again_and_again_keeps_journal_and_marks_and_comes_back_with_the_venues_figures(
    chain: Chain,
) -> None:
    await chain.write_old_rows(6_000)
    await chain.die_at(step("between two steps"))
    await chain.die_at(step("committed, the mark is behind"))
    await chain.die_at(step("the request is under way"))
    await chain.die_early(0.4)
    await chain.die_busy(0.2, backs_up=True)
    await chain.live_once_more()

    report = chain.report
    assert report.kills == 5
    assert report.nonces_refused == 0
    assert report.nonces >= 6
    assert len(report.converged_s) == 2
    assert report.rows_acknowledged >= 10
    assert report.labelled >= 6  # Restored figures were shown, and called so.


# The judge judged: what it exists to see, it sees.


async def test_judge_sees_an_acknowledged_row_that_is_gone(chain: Chain) -> None:
    life = await chain.start()
    await chain.live(life)
    await life.kill()
    database = chain.state.database_path(environment="simulated", name=BROKER)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")
        connection.execute("UPDATE segment SET last_seq = last_seq - 1")

    with pytest.raises(BrokenPromiseError, match="acknowledged"):
        await chain.judge(life, "a row was removed")


async def test_judge_sees_a_mark_that_went_back(chain: Chain) -> None:
    life = await chain.start()
    await chain.live(life)
    await life.kill()
    chain.state.lane_path(chain.kraken.credential.fingerprint).unlink()

    with pytest.raises(BrokenPromiseError, match="lane"):
        await chain.judge(life, "the mark was removed")


async def test_judge_sees_a_step_that_nobody_comes_to(chain: Chain) -> None:
    never = Step(name="never", target="holdfast.store.sqlite.copies:restore", when="before", needs="end")

    with pytest.raises(BrokenPromiseError, match="before: never"):
        await chain.die_at(never)
