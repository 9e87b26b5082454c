"""A bot that trades is killed with SIGKILL amid its orders: none is lost, none is doubled, no money stays claimed."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from holdfast.core.intents import Intent
from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from tests.crash.forks import ROOT, Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_judge import Books, OrderJudge, books_of
from tests.crash.order_lives import CLIENT, OrderChain, OrderReport, order_venue
from tests.crash.order_scenes import SCENES
from tests.crash.order_steps import STEPS, Wire, step_called
from tests.crash.places import PLACES, Place, step_at, steps_at
from tests.crash.venues import LocalVenue
from tests.soak.order_crashes import plan

pytestmark = pytest.mark.processes


@pytest.fixture
async def kraken() -> AsyncIterator[LocalVenue]:
    async with order_venue(seed=4) as kraken:
        yield kraken


@pytest.fixture
async def forks() -> AsyncIterator[Forks]:
    async with Forks(CLIENT) as forks:
        yield forks


AMID: Final[dict[Wire, tuple[str, ...]]] = {
    "stream": (
        "durable, nothing is sent",
        "the frame is handed over",
        "the venue has it, the answer is under way: stream",
        "a fill was counted, not recorded",
    ),
    "rest": (
        "claimed, on its way to the disk",
        "the venue has it, the answer is under way: REST",
        "answered, not recorded",
        "in doubt: before open orders are asked",
        "cancelled, not recorded",
    ),
}


async def test_bot_killed_amid_its_orders_comes_back_to_what_the_venue_says(forks: Forks, tmp_path: Path) -> None:
    reports = await asyncio.gather(*(lives(forks, tmp_path / wire, wire, *steps) for wire, steps in AMID.items()))

    for report, steps in zip(reports, AMID.values(), strict=True):
        assert report.kills == len(steps)
        assert report.orders_at_venue >= 2
        assert sum(report.ends.values()) == report.intents >= 3


async def test_bot_killed_amid_a_migration_leaves_a_store_that_the_next_one_opens(forks: Forks, tmp_path: Path) -> None:
    report = await lives(forks, tmp_path / "old", "stream", "migrating: half done", "covered, recorded")

    assert (report.kills, report.restored) == (2, 1)


ELSEWHERE: Final[dict[tuple[str, Wire], tuple[str, ...]]] = {
    ("coinbase", "rest"): ("the venue has it, the answer is under way: REST", "a fill was counted, not recorded"),
    ("okx", "stream"): ("the frame is handed over", "in doubt: before open orders are asked"),
}


@pytest.mark.parametrize(("venue", "wire"), list(ELSEWHERE))
async def test_bot_killed_amid_its_orders_at_another_venue_comes_back_to_what_that_one_says(
    forks: Forks, tmp_path: Path, venue: str, wire: Wire
) -> None:
    steps = ELSEWHERE[venue, wire]
    report = await lives(forks, tmp_path / venue, wire, *steps, place=PLACES[venue])

    assert report.kills == len(steps)
    assert report.orders_at_venue >= 1
    assert sum(report.ends.values()) == report.intents >= 2
    assert report.nonces == 0


async def lives(forks: Forks, folder: Path, wire: Wire, *steps: str, place: Place = PLACES["kraken"]) -> OrderReport:
    folder.mkdir()
    async with order_venue(place, seed=4) as local:
        chain = OrderChain(local, forks, folder, wire=wire, seed=11)
        if steps[0].startswith("migrating"):
            chain.write_old_store()
        for step in steps:
            await chain.die_at(step_at(place, step))
        return await chain.finish()


AT_EACH: Final = pytest.mark.parametrize("place", list(PLACES.values()), ids=list(PLACES))


@AT_EACH
def test_every_step_names_a_function_and_has_a_scene(place: Place) -> None:
    steps = steps_at(place)
    for step in steps:
        module, _, path = step.target.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        assert callable(found)
        assert step.is_set_from_the_start or step.scene in SCENES
        assert step.wires
        # Elsewhere nothing of the first venue's own is stepped on.
        assert place.id in step.target or "holdfast.venues" not in step.target
    assert len({step.name for step in steps}) == len(steps) >= 60


@AT_EACH
def test_every_step_is_at_every_venue_or_left_out_for_a_reason(place: Place) -> None:
    everywhere, here = {step.name for step in STEPS}, {step.name for step in steps_at(place)}

    assert everywhere - here == set(place.left_out)
    assert all(place.left_out.values())
    assert set(place.targets) <= here
    assert here - everywhere == {step.name for step in place.adds}


@AT_EACH
def test_soak_comes_by_every_step_as_often_as_asked_and_over_every_wire(place: Place) -> None:
    every = steps_at(place)
    kills: dict[str, list[str]] = {}
    for wire, steps in plan(kills_per_step=100, seed=1, place=place):
        for step in steps:
            kills.setdefault(step.name, []).append(wire)

    assert {step.name: (len(kills[step.name]), set(kills[step.name])) for step in every} == {
        step.name: (100, set(step.wires)) for step in every
    }
    once = [step.name for _, steps in plan(kills_per_step=1, seed=1, place=place) for step in steps]
    assert {step.name: once.count(step.name) for step in every} == {step.name: len(step.wires) for step in every}


# The judge judged: what it exists to see, it sees.


async def test_judge_sees_what_an_order_at_the_venue_may_not_be(
    kraken: LocalVenue, forks: Forks, tmp_path: Path
) -> None:
    chain = OrderChain(kraken, forks, tmp_path, wire="stream", seed=13)
    await chain.die_at(step_called("covered, recorded"))
    books = books_of(chain.database, is_dead=True)
    (intent,) = books.intents.values()

    assert chain._left is not None
    with pytest.raises(BrokenPromiseError, match="came back with claims"):
        chain._judge_opening({"reservations": []}, chain._left)
    with pytest.raises(BrokenPromiseError, match="in no store"):
        chain._judge.judge_files(Books(intents={}, steps={}))
    for facts in (
        {"order": OrderState.ABSENT, "reservation": ReservationState.RELEASED},
        {"order": OrderState.FILLED, "reservation": ReservationState.CONSUMED},
        {"filled": intent.amount},
        {"order_id": "OTHER"},
        {"reservation": ReservationState.RELEASED},
    ):
        told = msgspec.structs.replace(intent, **facts)
        with pytest.raises(BrokenPromiseError):
            chain._judge.judge_settled(Books(intents={intent.intent_id: told}, steps={}))
    again = {"name": "add_order", "client_order_id": intent.client_order_id}
    kraken.served.journal.note("ws_in", again)
    with pytest.raises(BrokenPromiseError, match="sent twice"):
        chain._judge.read_journal()


async def test_judge_sees_absence_without_evidence_and_a_second_end(kraken: LocalVenue) -> None:
    judge = OrderJudge(kraken, rest_lag_s=1.0)
    now_us = time.time_ns() // 1000
    intent = msgspec.json.decode(
        msgspec.json.encode(
            {
                "intent_id": "a",
                "client_order_id": "b",
                "asset": "USD",
                "amount": "1",
                "reservation": "released",
                "order": "absent",
                "cause": "absent",
                "valid_until_us": now_us - 5_000_000,
                "updated_us": now_us,
            }
        ),
        type=Intent,
    )
    ends = [
        {"cause": cause, "after": after, "reserved": "0", "amount": "1"}
        for cause, after in (("claimed", "active"), ("lost", "in_doubt"), ("absent", "released"), ("found", "active"))
    ]

    with pytest.raises(BrokenPromiseError, match="without OpenOrders"):
        judge.judge_settled(Books(intents={"a": intent}, steps={"a": ends[:3]}))
    with pytest.raises(BrokenPromiseError, match="went from released to active"):
        judge.judge_settled(Books(intents={"a": intent}, steps={"a": ends}))


async def test_judge_sees_a_step_that_nobody_comes_to(
    kraken: LocalVenue, forks: Forks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.crash.order_lives.DIES_WITHIN_S", 1.0)
    chain = OrderChain(kraken, forks, tmp_path, wire="stream", seed=14)
    never = msgspec.structs.replace(step_called("durable, nothing is sent"), only="never")

    with pytest.raises(BrokenPromiseError, match="never came to"):
        await chain.die_at(never)


async def test_forked_process_is_one_of_its_own(forks: Forks, kraken: LocalVenue, tmp_path: Path) -> None:
    chain = OrderChain(kraken, forks, tmp_path, wire="stream", seed=15)
    first = await chain.start()
    second_folder = tmp_path / "second"
    second_folder.mkdir()
    second = await OrderChain(kraken, forks, second_folder, wire="stream", seed=16).start()
    await asyncio.gather(first.shows(lambda _: True), second.shows(lambda _: True))
    assert first.process.pid != second.process.pid
    await first.kill()
    assert second.process.returncode is None
    await second.kill()
    assert [each.process.returncode for each in (first, second)] == [-9, -9]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_stopped_process_does_not_outlive_whoever_runs_it() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from tests.crash.forks import Forks\n"
        "async def main():\n"
        "    async with Forks('tests.crash.idle') as forks:\n"
        "        forked = await forks.start({})\n"
        "        await forked.reader.readline()\n"
        "        os.kill(forked.pid, signal.SIGSTOP)\n"
        "        print(forked.pid, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    # Its end is not waited for alone: the pipe is closed once everything that inherited it has ended.
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == -9
    pid = int(ended.stdout)
    until_s = time.monotonic() + 10.0
    while is_alive(pid):
        assert time.monotonic() < until_s
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
