"""A stream that lies by silence is noticed within the documented bounds, and live comes back only on a new figure."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.crash.noticed import CASES, Case, notice
from tests.scenarios.world import World


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_noticed_within_the_bound_and_live_again_only_on_a_figure_asked_for_afterwards(case: Case, seed: int) -> None:
    found = notice(case, seed)
    if case.contact == "stream" and not case.may_stay_live:
        assert found.asked_by in ("read", "snapshot")
        assert (found.asked_after_s or 0.0) >= 0.0


# The judge judged


def test_judge_sees_what_nobody_notices() -> None:
    async def nothing(w: World) -> float:
        w.fault(kind="freeze_channel", channel="*")
        w.happen(kind="deposit", asset="USD", amount="5")
        return w.clock.now_s()

    case = Case(name="frozen", bound_s=1.0, source="a bound nobody promised", run=nothing)
    with pytest.raises(AssertionError, match="bound 1"):
        notice(case, 0)


def test_judge_sees_a_figure_that_stays_live() -> None:
    async def nothing(w: World) -> float:
        await asyncio.sleep(1.0)
        return w.clock.now_s()

    case = Case(name="nothing happens", bound_s=1.0, source="", run=nothing)
    with pytest.raises(AssertionError, match="live all the time"):
        notice(case, 0)
    assert notice(msgspec.structs.replace(case, may_stay_live=True), 0).asked_by is None


def test_judge_sees_a_figure_from_before_a_sleep() -> None:
    async def nothing(w: World) -> float:
        return w.clock.now_s()

    case = Case(name="no sleep at all", bound_s=0.0, source="", run=nothing, is_at_once=True)
    with pytest.raises(AssertionError, match="figures from before"):
        notice(case, 0)
