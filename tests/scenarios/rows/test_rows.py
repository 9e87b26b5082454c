"""Every row of the fault table has scenarios that are named after it; a sample of them, and that they can say no."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.simulators.kraken.plans import ROWS as PLANS
from holdfast.testing import run_virtual
from tests.scenarios.rows.benches import act_out, endures, expect, reading
from tests.scenarios.rows.everything import SCENARIOS
from tests.scenarios.rows.network import cut_off
from tests.scenarios.rows.scenario import Scenario, run
from tests.scenarios.rows.table import GROUPS, ROWS
from tests.soak import rows as soak

# What only happens outside of the venue: two clocks of ours, a resolver, a socket.
_NOT_THE_VENUES = {"N4", "T1", "T2", "T4", "T5"}

_SAMPLE = [each for each in SCENARIOS.values() if each.sampled and each.front == "memory"]
_OVER_SOCKETS = [each for each in SCENARIOS.values() if each.sampled and each.front == "sockets"]


def test_every_row_has_a_scenario_that_is_named_after_it() -> None:
    assert {each.row for each in SCENARIOS.values()} == set(ROWS)
    assert {name[0] for name in ROWS} == set(GROUPS)
    for each in SCENARIOS.values():
        assert each.name.startswith(f"{each.row.lower()}_")
        assert each.how.endswith("."), f"{each.name} does not tell how its row is made to happen"
        assert each.seeds >= 1


def test_every_row_that_a_venue_can_act_out_has_a_plan() -> None:
    assert set(PLANS) == set(ROWS) - _NOT_THE_VENUES


@pytest.mark.parametrize("scenario", _SAMPLE, ids=lambda each: each.name)
def test_the_row_holds(scenario: Scenario) -> None:
    outcome = run(scenario, 0)
    assert outcome.failure is None, f"{outcome.failure}; again: {outcome.replay()}"
    assert outcome.measured


@pytest.mark.parametrize("scenario", _OVER_SOCKETS, ids=lambda each: each.name)
def test_the_row_holds_over_sockets(scenario: Scenario) -> None:
    outcome = run(scenario, 0)
    assert outcome.failure is None, f"{outcome.failure}; again: {outcome.replay()}"


def test_what_is_written_says_which_row_failed(tmp_path: Path) -> None:
    def breaks(seed: int) -> dict[str, Any]:
        expect(seed != 1, "it broke")
        return {"healed_s": 1.5 + seed}

    kept = SCENARIOS["n1_connections_are_refused"]
    broken = Scenario(row="N1", name=kept.name, how="", front="sockets", run=breaks, seeds=3, sampled=True)
    told: list[str] = []
    with pytest.raises(soak.RowsBrokenError, match=r"1 of 3 runs failed.*seed 1: AssertionError: it broke"):
        soak.main(folder=tmp_path, told=told.append, wanted=[broken])
    written = (tmp_path / "rows.json").read_text()
    assert '"failed: RowsBrokenError' in written
    assert '"healed_s": 3.5' in written
    assert any("it broke" in line for line in told)


# The benches judged


def _on(row: str, lie: Any) -> None:
    async def main() -> None:
        async with reading(0) as w:
            await lie(w, row)

    run_virtual(main(), seed=0)


def test_a_row_that_hits_nothing_proves_nothing() -> None:
    async def nothing_is_put_in_force(w: Any, row: str) -> None:
        w.front.plan.add = lambda *rules: []
        await endures(w, row, 0)

    with pytest.raises(AssertionError, match="proves nothing"):
        _on("H2", nothing_is_put_in_force)


def test_a_figure_that_moves_while_cut_off_is_seen() -> None:
    async def nobody_is_cut_off(w: Any, row: str) -> None:
        w.front.plan.add = lambda *rules: []
        asyncio.get_running_loop().call_later(20.0, lambda: w.happen(kind="deposit", asset="USD", amount="5"))
        await cut_off(w, row, 0)

    with pytest.raises(AssertionError, match="figures moved"):
        _on("N1", nobody_is_cut_off)


def test_a_plan_that_is_drawn_again_is_the_same() -> None:
    async def main() -> list[Any]:
        async with reading(0) as w:
            return [act_out(w, "W5", 5), act_out(w, "W5", 5)]

    first, second = run_virtual(main(), seed=0)
    assert first == second
