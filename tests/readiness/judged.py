"""One defect measured, and what is wrong with what it cost."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import holdfast
from holdfast.core.readiness import CheckOutcome, ReadinessReport
from tests.readiness.defect import PERFECT, Defect
from tests.readiness.rooms import Room

__all__ = ["differences", "measured_with"]


async def measured_with(defect: Defect) -> ReadinessReport:
    """The report of a broker with one defect."""
    with tempfile.TemporaryDirectory(prefix="hf-readiness-") as name:
        room = Room(
            defect.venue,
            profile=defect.profile,
            settings=defect.settings,
            configured=defect.configured,
            folder=Path(name) if defect.swaps else None,
        )
        if defect.swaps:
            await _open_once(room)
        if defect.late:
            return await _late(room, defect)
        defect.act(room)
        return await _measured(room, defect)


async def _open_once(room: Room) -> None:
    async with holdfast.open(room.config, parts=room.parts()) as desk:
        await desk[room.play.broker].ready()


async def _late(room: Room, defect: Defect) -> ReadinessReport:
    """Through the process that owns the account: one that was live before anything went wrong."""
    async with holdfast.open(room.config, mode="own", parts=room.parts()) as desk:
        broker = desk[room.play.broker]
        await broker.ready()
        await asyncio.sleep(5)
        defect.act(room)
        return await _measured(room, defect)


async def _measured(room: Room, defect: Defect) -> ReadinessReport:
    if defect.meanwhile is None:
        return await room.measured()
    happening = asyncio.create_task(_happening(room, defect))
    try:
        return await room.measured()
    finally:
        happening.cancel()


async def _happening(room: Room, defect: Defect) -> None:
    assert defect.meanwhile is not None
    while True:
        await asyncio.sleep(0.5)
        defect.meanwhile(room)


def differences(defect: Defect, report: ReadinessReport) -> list[str]:
    """What is not as the table says; empty where all is."""
    score, max_score = PERFECT[defect.venue]
    wrong = []
    cost = score - report.score - defect.exempt
    if cost != defect.points:
        wrong.append(f"it costs {cost} points, and should cost {defect.points}")
    if report.max_score != max_score - defect.exempt:
        wrong.append(f"{report.max_score} can be earned, and should be {max_score - defect.exempt}")
    roots = [check for check in report.lost if check.follows is None]
    if tuple(check.name for check in roots) != defect.lost:
        wrong.append(f"lost by themselves: {[check.name for check in roots]}, and should be {list(defect.lost)}")
    if defect.lost and (not roots or defect.says not in roots[0].evidence):
        wrong.append(f"the cause is not named: {[check.evidence for check in roots]}")
    wrong += [f"{check.name} has no fix" for check in report.lost if not check.how_to_fix]
    named = {check.name for check in roots}
    wrong += [
        f"{check.name} follows from {check.follows}" for check in report.lost if check.follows not in {None, *named}
    ]
    wrong += [f"{check.name} has no evidence" for check in report.checks if not check.evidence]
    wrong += [
        f"{check.name} is earned for nothing"
        for check in report.checks
        if check.result is CheckOutcome.EARNED and check.duration_s is None and check.name not in _KNOWN_BEFORE
    ]
    return wrong


_KNOWN_BEFORE = {"credentials.present", "credentials.form"}
"""Checks that are known before anything is asked where a broker cannot be opened."""
