"""A fault for what a venue never says is refused by name: it would never act, and prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.message_names import MessageNames, NamingVenue
from holdfast.simulators.core.plans import PlanningVenue
from holdfast.testing import FakeClock, run_virtual
from holdfast.testing.contract import Subject
from tests.contract.subjects import SUBJECTS

VENUES = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.venue.id)
DROP = {"do": "drop"}


def at(subject: Subject, act: Callable[[FaultPlan, MessageNames, Any], None]) -> None:
    """Give *act* a plan as a served simulator has it, its names, and the venue."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        clock = FakeClock(loop)
        venue = subject.simulate(1, "plain", clock.world(), loop)
        assert isinstance(venue, NamingVenue)
        act(FaultPlan(clock, impair=venue.impair, names=venue.message_names), venue.message_names, venue)

    run_virtual(play())


@VENUES
@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"kind": "rest", "action": {"do": "lose_reply"}}, "name"),
        ({"kind": "ws_in", "action": DROP}, "name"),
        ({"kind": "ws_out", "action": DROP}, "name"),
        ({"kind": "ws_out", "action": DROP}, "channel"),
    ],
)
@pytest.mark.parametrize("is_one_of_two", [False, True])
def test_a_name_that_nothing_has_is_refused_with_what_there_is(
    subject: Subject, rule: dict[str, Any], field: str, is_one_of_two: bool
) -> None:
    def act(plan: FaultPlan, names: MessageNames, _: Any) -> None:
        known = {"rest": names.calls, "channel": names.channels}.get(
            "channel" if field == "channel" else str(rule["kind"]), names.messages
        )
        right = sorted(known)[0]
        wrong = f"{right}x"
        with pytest.raises(ValueError, match="the fault would never act") as told:
            plan.add({**rule, field: [right, wrong] if is_one_of_two else wrong})
        assert f"did you mean {right!r}" in str(told.value)
        assert ", ".join(sorted(known)) in str(told.value)
        assert plan.in_force() == []
        assert plan.add({**rule, field: right}) == [1]

    at(subject, act)


@VENUES
def test_no_name_and_a_star_fit_everything(subject: Subject) -> None:
    def act(plan: FaultPlan, names: MessageNames, _: Any) -> None:
        plan.add(
            {"kind": "rest", "action": {"do": "lose_reply"}},
            {"kind": "rest", "name": "*", "action": {"do": "lose_reply"}},
        )
        plan.add(
            {"kind": "ws_out", "channel": "*", "action": DROP}, {"kind": "ws_out", "channel": ["*"], "action": DROP}
        )
        call, channel = sorted(names.calls)[0], sorted(names.channels)[0]
        assert len(plan.firing(plan.rest, {"name": call})) == 2
        assert len(plan.firing(plan.ws_out, {"channel": channel})) == 2

    at(subject, act)


@VENUES
def test_a_fault_of_the_venues_own_is_for_a_call_that_exists(subject: Subject) -> None:
    def act(plan: FaultPlan, names: MessageNames, _: Any) -> None:
        fault = {"kind": "refuse"}
        plan.add({**fault, "name": "*"}, {**fault, "name": sorted(names.calls)[0]})
        with pytest.raises(ValueError, match="the fault would never act"):
            plan.add({**fault, "name": "GetRich"})

    at(subject, act)


@VENUES
def test_every_name_that_the_plans_use_exists(subject: Subject) -> None:
    def act(plan: FaultPlan, _: MessageNames, venue: Any) -> None:
        assert isinstance(venue, PlanningVenue)
        taken = 0
        for row in venue.plan_rows:
            for seed in range(3):
                for rule in venue.plan_of(row, seed=seed).faults:
                    plan.add(rule)
                    taken += 1
        assert taken > 50

    at(subject, act)
