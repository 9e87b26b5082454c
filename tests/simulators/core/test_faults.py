"""The fault plan: which rules fire for which messages, when, and what a wrong rule is told."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.simulators.core.actions import ACTIONS, Drop
from holdfast.simulators.core.faults import KINDS, FaultPlan, Rule
from tests.simulators.core.conftest import HandClock
from tests.simulators.core.fake_venue import AcmeVenue

DROP = {"do": "drop"}


def plan_with(clock: HandClock, *rules: dict[str, Any], seed: int = 0) -> FaultPlan:
    plan = FaultPlan(clock, seed=seed)
    plan.add(*rules)
    return plan


def hits(plan: FaultPlan, count: int, **facts: str) -> list[int]:
    """Which of *count* equal messages, from 1, meet a fault."""
    return [index for index in range(1, count + 1) if plan.firing(plan.ws_out, facts)]


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 3}, [3]),
        ({"every": 2}, [2, 4, 6]),
        ({"count": 2}, [1, 2]),
        ({"every": 2, "count": 2}, [2, 4]),
        ({"probability": 0.0}, []),
        ({"probability": 1.0}, [1, 2, 3, 4, 5, 6]),
        ({"channel": "balances"}, [1, 2, 3, 4, 5, 6]),
        ({"channel": ["executions", "balances"]}, [1, 2, 3, 4, 5, 6]),
        ({"channel": "executions"}, []),
        ({"channel": "balances", "type": "snapshot"}, []),
        ({"name": "subscribe"}, []),
        ({"key": "SIMK"}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_matchers_pick_the_messages(clock: HandClock, matcher: dict[str, Any], expected: list[int]) -> None:
    plan = plan_with(clock, {"kind": "ws_out", "action": DROP, **matcher})
    assert hits(plan, 6, channel="balances", type="update", key="SIMK") == expected


def test_only_messages_that_fit_are_counted(clock: HandClock) -> None:
    plan = plan_with(clock, {"kind": "ws_out", "action": DROP, "channel": "balances", "nth": 2})
    assert not plan.firing(plan.ws_out, {"channel": "balances"})
    assert not plan.firing(plan.ws_out, {"channel": "executions"})
    assert plan.firing(plan.ws_out, {"channel": "balances"})


def test_time_window_counts_from_when_the_rule_was_added(clock: HandClock) -> None:
    plan = plan_with(clock, {"kind": "ws_out", "action": DROP, "from_s": 5, "until_s": 10})
    seen = []
    for _ in range(12):
        seen.append(bool(plan.firing(plan.ws_out, {})))
        clock.at_s += 1
    assert seen == [False] * 5 + [True] * 5 + [False] * 2


def test_probability_is_seeded_and_each_rule_draws_for_itself(clock: HandClock) -> None:
    coin = {"kind": "ws_out", "action": DROP, "probability": 0.5}
    alone = hits(plan_with(clock, coin, seed=7), 200)
    assert alone == hits(plan_with(clock, coin, seed=7), 200)
    assert alone != hits(plan_with(clock, coin, seed=8), 200)
    assert 60 < len(alone) < 140

    with_another = plan_with(clock, coin, {"kind": "ws_out", "action": DROP, "probability": 0.5}, seed=7)
    first_rule = [n for n in range(1, 201) if any(f.rule == 1 for f in with_another.firing(with_another.ws_out, {}))]
    assert first_rule == alone


def test_all_rules_that_fit_fire_in_the_order_they_were_added(clock: HandClock) -> None:
    plan = plan_with(clock, {"kind": "ws_out", "action": DROP}, {"kind": "ws_out", "action": {"do": "duplicate"}})
    assert [firing.rule for firing in plan.firing(plan.ws_out, {})] == [1, 2]


def test_rules_can_be_written_in_code(clock: HandClock) -> None:
    plan = FaultPlan(clock)
    assert plan.add(Rule(kind="ws_out", action=Drop(), nth=1)) == [1]
    assert hits(plan, 2) == [1]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (5, "a rule is an object"),
        ({"action": DROP}, "a rule is an object with a kind"),
        ({"kind": "ws_out"}, "missing required field `action`"),
        ({"kind": "ws_out", "action": {"do": "explode"}}, "known actions: answer, burst"),
        ({"kind": "ws_out", "action": {"low_s": 1}}, "known actions: answer, burst"),
        ({"kind": "ws_out", "action": {"do": "drop", "softly": True}}, "unknown field `softly`"),
        ({"kind": "ws_out", "action": DROP, "nht": 1}, "unknown field `nht`"),
        ({"kind": "ws_out", "action": DROP, "nth": 0}, "`int` >= 1"),
        ({"kind": "ws_out", "action": DROP, "nth": "1"}, "Expected `int"),
        ({"kind": "ws_out", "action": DROP, "probability": 1.5}, "<= 1"),
        ({"kind": "ws_out", "action": DROP, "from_s": 5, "until_s": 5}, "until_s must be later"),
        ({"kind": "rest", "action": DROP}, "action 'drop' is for ws_in or ws_out, not for 'rest'"),
        ({"kind": "rest", "action": {"do": "delay", "low_s": -1}}, ">= 0"),
        ({"kind": "rest", "action": {"do": "mutate", "how": "melt"}}, "how is one of nan"),
        ({"kind": "rest", "action": {"do": "mutate", "how": "set"}}, "set needs a value"),
        ({"kind": "rest", "action": {"do": "mutate", "how": "nest", "value": "deep"}}, "digits"),
        ({"kind": "streams", "action": {"do": "mute"}, "nth": 1}, "acts at once"),
        ({"kind": "rest", "action": {"do": "empty"}, "channel": "balances"}, "have no channel"),
        ({"kind": "handshake", "action": {"do": "mute"}, "key": "SIMK"}, "have no key"),
        ({"kind": "eclipse"}, "unknown kind 'eclipse'; transport kinds are rest, ws_in"),
    ],
)
def test_wrong_rule_is_refused_with_its_place_and_what_is_expected(clock: HandClock, rule: Any, said: str) -> None:
    plan = FaultPlan(clock, impair=AcmeVenue().impair)
    with pytest.raises(ValueError, match=r"^add\[1\]: ") as refused:
        plan.add({"kind": "ws_out", "action": DROP}, rule)
    assert said in str(refused.value)
    assert plan.in_force() == []


def test_kinds_that_are_no_transport_go_to_the_venue(clock: HandClock, venue: AcmeVenue) -> None:
    plan = FaultPlan(clock, impair=venue.impair)
    assert plan.apply({"add": [{"kind": "lockout", "for_s": 60}, {"kind": "ws_out", "action": DROP}]}) == {
        "added": [1],
        "rules": 1,
    }
    assert venue.faults == [{"kind": "lockout", "for_s": 60}]


def test_clear_ends_transport_and_venue_faults(clock: HandClock, venue: AcmeVenue) -> None:
    plan = FaultPlan(clock, impair=venue.impair)
    plan.add({"kind": "ws_out", "action": DROP}, {"kind": "rest", "action": {"do": "lose_reply"}})
    assert plan.apply({"clear": True}) == {"cleared": 2, "rules": 0}
    assert plan.in_force() == []
    assert not plan.firing(plan.ws_out, {})
    assert venue.faults == [{}]


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"add": []}, {"add": {}}, {"clear": False}, {"clear": True, "add": [{"kind": "rest"}]}, {"ad": []}],
)
def test_any_other_document_is_refused(clock: HandClock, document: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        FaultPlan(clock).apply(document)


def test_rules_in_force_are_listed_with_their_counts(clock: HandClock) -> None:
    plan = plan_with(clock, {"kind": "ws_out", "action": {"do": "mute", "for_s": 2}, "every": 2})
    hits(plan, 5)
    assert plan.in_force() == [
        {"rule": 1, "seen": 5, "fired": 2, "kind": "ws_out", "action": {"do": "mute", "for_s": 2.0}, "every": 2}
    ]


def test_every_kind_has_an_action_and_every_action_a_kind() -> None:
    assert {kind for kinds in ACTIONS.values() for kind in kinds} == set(KINDS)
    assert all(kinds for kinds in ACTIONS.values())
