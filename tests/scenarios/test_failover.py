"""The judge of failover can say no, to each thing that it is there for; and a seed is one run."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from holdfast.core.bindings import attempt_id
from holdfast.core.orders import OrderState
from holdfast.errors import (
    AllUnhealthyError,
    IntentRepeatedError,
    OutcomeUnknownError,
    UnknownReservationError,
)
from holdfast.runtime.intent_record import client_order_id_of
from tests.scenarios.checker import ViolationError
from tests.scenarios.failover_judge import MOVES_WITHIN_S, Asked, FailoverJudge

UNKNOWN = OutcomeUnknownError("lost", venue="okx", request="order")


class _Clock:
    def now_s(self) -> float:
        return 1000.0

    def awake_s(self) -> float:
        return 1000.0

    def wall_us(self) -> int:
        return 0


@dataclasses.dataclass
class _Sent:
    client_order_id: str | None
    at_s: float


@dataclasses.dataclass
class _Order:
    broker: str
    state: OrderState


def own(intent_id: str, number: int = 1) -> str:
    return client_order_id_of(attempt_id(intent_id, number))


def judge(*asked: Asked) -> FailoverJudge:
    made = FailoverJudge(clock=_Clock())
    made.asked.extend(asked)
    return made


def judged(asked: Asked, there: Mapping[str, list[str]], resolved: _Order | None = None) -> FailoverJudge:
    """Judge one intent; *there* names our ids at each broker."""

    async def resolution(intent_id: str, *, timeout_s: float) -> _Order:
        if resolved is None:
            raise UnknownReservationError("none", intent_id=intent_id)
        return resolved

    made = judge(asked)
    orders: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {each: [{}] * ids.count(each) for each in ids} for name, ids in there.items()
    }
    asyncio.run(made.judge_orders(orders, resolution))
    return made


@pytest.mark.parametrize(
    ("asked", "there", "resolved"),
    [
        (Asked("i1", 0.0, broker="a"), {"a": [own("i1")], "b": []}, None),
        (Asked("i1", 0.0, broker="b"), {"a": [], "b": [own("i1", 2)]}, None),
        (Asked("i1", 0.0, error=AllUnhealthyError("none")), {"a": []}, None),
        (Asked("i1", 0.0, error=UNKNOWN), {"a": [own("i1")]}, _Order("a", OrderState.FILLED)),
        (Asked("i1", 0.0, error=UNKNOWN), {"a": []}, _Order("a", OrderState.ABSENT)),
        (Asked("i1", 0.0, error=IntentRepeatedError("x", intent_id="i1")), {"a": []}, None),
    ],
)
def test_judge_takes_what_is_right(asked: Asked, there: dict[str, list[str]], resolved: _Order | None) -> None:
    judged(asked, there, resolved)


@pytest.mark.parametrize(
    ("asked", "there", "resolved", "word"),
    [
        (Asked("i1", 0.0, broker="a"), {"a": [own("i1")], "b": [own("i1", 2)]}, None, "placed 2 times"),
        (Asked("i1", 0.0, broker="a"), {"a": [own("i1"), own("i1")]}, None, "placed 2 times"),
        (Asked("i1", 0.0, broker="a"), {"a": [], "b": [own("i1")]}, None, "is at b"),
        (Asked("i1", 0.0, broker="a"), {"a": []}, None, "is at None"),
        (Asked("i1", 0.0, error=AllUnhealthyError("none")), {"a": [own("i1")]}, None, "was denied"),
        (Asked("i1", 0.0, error=UNKNOWN), {"a": [own("i1")]}, _Order("a", OrderState.ABSENT), "resolved as absent"),
        (Asked("i1", 0.0, error=UNKNOWN), {"a": []}, _Order("a", OrderState.FILLED), "resolved as filled"),
        (Asked("i1", 0.0, error=IntentRepeatedError("x", intent_id="i1")), {"a": [own("i1")]}, None, "elsewhere"),
        (Asked("i1", 0.0), {"a": []}, None, "was lost"),
        (Asked("i1", 0.0, error=ValueError("a bug")), {"a": []}, None, "was lost"),
    ],
)
def test_judge_sees_an_order_doubled_or_lost(
    asked: Asked, there: dict[str, list[str]], resolved: _Order | None, word: str
) -> None:
    with pytest.raises(ViolationError, match=word):
        judged(asked, there, resolved)


def moved(asked: Asked, *, at_s: float, accepted: Any = ()) -> FailoverJudge:
    made = judge(asked)
    made.judge_move(
        "a", sent=[_Sent(own("i1"), at_s)], accepted=dict.fromkeys(accepted), failed_s=100.0, healed_s=160.0
    )
    return made


def test_judge_sees_an_order_that_went_to_a_failed_venue_too_late() -> None:
    late_s = 100.0 + MOVES_WITHIN_S + 0.1

    assert moved(Asked("i1", 109.0), at_s=109.5).figures.longest_move_s == 9.0
    with pytest.raises(ViolationError, match="sent there in vain"):
        moved(Asked("i1", late_s), at_s=late_s + 0.5)
    moved(Asked("i1", late_s, is_exit=True), at_s=late_s + 0.5)  # An exit stays.
    moved(Asked("i1", late_s), at_s=late_s + 0.5, accepted=[own("i1")])  # It was not in vain.
    moved(Asked("i1", late_s), at_s=161.0)  # The venue is well again.


def test_judge_sees_an_order_denied_while_others_were_well() -> None:
    denied = AllUnhealthyError("none")

    moved(Asked("i1", 105.0, error=denied), at_s=0.0)
    with pytest.raises(ViolationError, match="denied while others were well"):
        moved(Asked("i1", 120.0, error=denied), at_s=0.0)


def test_judge_sees_flow_go_back_and_forth() -> None:
    once = [(1.0, {"broker": "a"})]

    judge().judge_flapping("a", over=once, back=once)
    with pytest.raises(ViolationError, match="2 times away"):
        judge().judge_flapping("a", over=once * 2, back=once)
    with pytest.raises(ViolationError, match="2 times back"):
        judge().judge_flapping("a", over=once, back=once * 2)
    with pytest.raises(ViolationError, match="that were well"):
        judge().judge_flapping("b", over=once, back=[])


def decided(*brokers: tuple[float, str], **more: Any) -> list[tuple[float, dict[str, Any]]]:
    return [(at_s, {"broker": name, "side": "buy", "why": "", "attempt": 1, **more}) for at_s, name in brokers]


def test_judge_sees_flow_return_too_soon() -> None:
    def judged_of(*told: tuple[float, dict[str, Any]]) -> None:
        judge().judge_patience("a", decided=told, failed_s=100.0, back_after_s=120.0)

    judged_of(*decided((90.0, "a"), (101.0, "a"), (105.0, "b"), (219.0, "b"), (220.0, "a")))
    with pytest.raises(ViolationError, match=r"went back to a 60\.0 s"):
        judged_of(*decided((105.0, "b"), (160.0, "a")))
    judged_of(*decided((105.0, "b")), *decided((160.0, "a"), side="sell"))
    judged_of(*decided((105.0, "b"), attempt=2), *decided((160.0, "a")))
    judged_of(*decided((105.0, "b")), *decided((160.0, "a"), why="it was seen failing, and no other would do"))
