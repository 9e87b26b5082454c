"""Every row of the fault table that a simulated Coinbase can act out: drawn from a seed, and able to be given."""

from __future__ import annotations

import json

import pytest

from holdfast.simulators.coinbase.plans import ROWS, plan_of
from holdfast.simulators.core.admin import Admin
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.front import Delivery, Front
from holdfast.simulators.core.seam import SimRequest
from tests.simulators.coinbase.bench import V3, Bench

HOST = "127.0.0.1:8080"


def _asked(bench: Bench, method: str, body: object = None) -> tuple[int, dict[str, object]]:
    plan = FaultPlan(bench.clock, impair=bench.sim.impair)
    front = Front(bench.sim, loop=None, clock=bench.clock, plan=plan)  # type: ignore[arg-type]  # Nobody connects.
    admin = Admin(front, hosts=frozenset({HOST}))
    headers = {"host": HOST, "content-type": "application/json"}
    reply = admin.answer(
        SimRequest(method=method, path="/admin/plan", query="", headers=headers, body=json.dumps(body).encode())
    )
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize("row", ROWS)
def test_a_plan_is_the_same_for_its_seed_and_is_taken_by_a_venue_as_it_began(row: str) -> None:
    drawn = [plan_of(row, seed=seed) for seed in range(5)]
    assert drawn == [plan_of(row, seed=seed) for seed in range(5)]
    for plan in drawn:
        assert plan.commands
        bench = Bench()
        rules = FaultPlan(bench.clock, impair=bench.sim.impair)
        for event in plan.events:
            bench.sim.happen(event)
        rules.add(*plan.faults)


def test_what_a_row_draws_differs_by_seed() -> None:
    assert len({plan_of("W5", seed=seed).commands[0].body["kind"] for seed in range(20)}) == 4


def test_the_admin_api_lists_the_rows_and_acts_one_out() -> None:
    bench = Bench()
    assert _asked(bench, "GET") == (200, {"rows": list(ROWS)})
    status, told = _asked(bench, "POST", {"row": "V1", "seed": 3})
    assert status == 200
    assert (told["row"], told["seed"], told["rules"]) == ("V1", 3, 0)
    status, told = _asked(bench, "POST", {"row": "H2"})
    assert (status, told["seed"], told["rules"]) == (200, 0, 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [({"row": "Z9"}, "no plan for row 'Z9'"), ({"rows": 1}, "expected"), ({"row": "N1", "seed": -1}, "expected")],
)
def test_a_row_that_is_not_there_is_refused_by_name(body: object, says: str) -> None:
    status, told = _asked(Bench(), "POST", body)
    assert status == 400
    assert says in str(told["error"])


@pytest.mark.parametrize("row", ["B2", "B3", "B4", "B5", "B6", "B8", "B9", "B10", "B13", "B14", "B15"])
def test_rows_about_bodies_change_what_is_read(row: str) -> None:
    for seed in range(8):
        bench = Bench()
        healthy = bench.reply("GET", "accounts").body
        plan = FaultPlan(bench.clock, impair=bench.sim.impair)
        front = Front(bench.sim, loop=None, clock=bench.clock, plan=plan)  # type: ignore[arg-type]  # Nobody connects.
        drawn = plan_of(row, seed=seed)
        if "GetAccount" in str(drawn.faults) and "read" in str(drawn.faults):
            continue  # This one is about the other read.
        plan.add(*drawn.faults)
        told: list[Delivery] = []
        request = SimRequest(
            method="GET",
            path=f"{V3}/accounts",
            query="",
            headers={"authorization": f"Bearer {bench.token(f'GET api.coinbase.com{V3}/accounts')}"},
            body=b"",
        )
        front.accept(request, told.append)
        assert told[0].reply is not None
        assert told[0].reply.body != healthy, (row, seed)
