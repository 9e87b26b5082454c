"""Every row of the fault table that a simulated OKX can act out: its plan is drawn from a seed, and is taken."""

from __future__ import annotations

import pytest

from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.plans import PlanningVenue
from holdfast.simulators.okx.plans import ROWS, plan_of
from tests.simulators.okx.bench import Bench


@pytest.mark.parametrize("row", ROWS)
def test_a_plan_is_the_same_for_its_seed_and_is_taken_by_a_venue_as_it_began(row: str) -> None:
    drawn = [plan_of(row, seed=seed) for seed in range(8)]
    assert drawn == [plan_of(row, seed=seed) for seed in range(8)]
    for plan in drawn:
        assert plan.commands
        bench = Bench()
        rules = FaultPlan(bench.clock, impair=bench.sim.impair)
        for event in plan.events:
            bench.sim.happen(event)
        rules.add(*plan.faults)


def test_what_a_row_draws_differs_by_seed() -> None:
    assert len({plan_of("W5", seed=seed).commands[0].body["kind"] for seed in range(40)}) == 5


def test_venue_offers_its_rows_and_refuses_others_by_name() -> None:
    sim = Bench().sim
    assert isinstance(sim, PlanningVenue)
    assert sim.plan_rows == ROWS
    with pytest.raises(ValueError, match="no plan for row 'Z9'"):
        sim.plan_of("Z9", seed=0)
