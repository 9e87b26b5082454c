"""A sample of every family, that a seed replays exactly, and that the judge can say no."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.config import KNOWN_VENUES
from holdfast.core.balances import Holding, Snapshot, Source
from holdfast.simulators.run import VENUES
from holdfast.testing import run_virtual
from tests.scenarios.checker import ViolationError
from tests.scenarios.families import FAMILIES
from tests.scenarios.runner import SHORT, run_one
from tests.scenarios.venues import PLAYS
from tests.scenarios.world import world


@pytest.mark.parametrize("family", SHORT)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_invariant_holds(family: str, seed: int) -> None:
    result = run_one(family, seed)
    assert result.failure is None, f"{result.failure}; again: {result.replay()}"


@pytest.mark.parametrize("family", ["body", "channel", "venue", "restart", "zero", "breakers"])
@pytest.mark.parametrize("venue", ["coinbase", "okx"])
def test_every_invariant_holds_at_the_other_venues_with_the_same_code_above(venue: str, family: str) -> None:
    result = run_one(family, 1, venue=venue)
    assert result.failure is None, f"{result.failure}; again: {result.replay()}"


def test_what_is_played_at_one_venue_is_played_at_all() -> None:
    assert set(PLAYS) == set(VENUES)  # Every venue that has a simulator.
    assert set(PLAYS) <= set(KNOWN_VENUES)
    for play in PLAYS.values():
        assert play.adapter.id == play.id
        assert set(play.drawn_points) <= set(play.open_points)


def test_a_day_with_every_heartbeat_holds() -> None:
    result = run_one("day", 1)
    assert result.failure is None, result.failure


@pytest.mark.parametrize("family", ["network", "channel", "restart", "tasks", "mixed", "trading"])
def test_a_seed_replays_exactly(family: str) -> None:
    first, second = (run_one(family, 7, keeps_digest=True) for _ in range(2))
    assert first.failure is None
    assert first.figures["digest"] == second.figures["digest"]


def test_another_seed_is_another_run() -> None:
    digests = {run_one("mixed", seed, keeps_digest=True).figures["digest"] for seed in range(3)}
    assert len(digests) == 3


def test_every_family_is_named_in_the_documentation_of_its_faults() -> None:
    assert set(SHORT) | {"day", "week"} == set(FAMILIES)


# The judge judged: each lie has to be seen.


def _snapshot(figure: str, as_of_s: float) -> Snapshot:
    holding = Holding(asset="USD", total=Decimal(figure), held=Decimal(0), available=Decimal(figure))
    return Snapshot(read="BalanceEx", source=Source.REST, as_of_s=as_of_s, holdings={"USD": holding}, states_holds=True)


def _lying(seed: int, lie: Any) -> None:
    async def main() -> None:
        async with world(seed=seed) as w:
            await w.converged()
            lie(w)
            await w.sleep(1.0)

    run_virtual(main(), seed=seed)


def test_judge_sees_a_figure_the_venue_never_stated() -> None:
    def lie(w: Any) -> None:
        # Past every rule of the ledger: twice, from two reads, a second apart, and the stream gone.
        account = w.broker._backend.supervisor.account
        now_s = w.clock.now_s()
        account.ledger.lose_stream("lied_about", now_s=now_s)
        for read, later_s in (("BalanceEx", 0.1), ("Balance", 1.3)):
            w.asked.append(now_s + later_s)
            stated = _snapshot("999999", now_s + later_s)
            account.ledger.state_snapshot(
                Snapshot(
                    read=read,
                    source=stated.source,
                    as_of_s=stated.as_of_s,
                    holdings=stated.holdings,
                    states_holds=stated.states_holds,
                ),
                now_s=now_s + later_s,
            )

    with pytest.raises(ViolationError, match="I6"):
        _lying(1, lie)


def test_judge_sees_a_nonce_that_came_too_late() -> None:
    def lie(w: Any) -> None:
        w.fault(kind="stolen_nonce", scale="ns")
        w.checker._are_nonces_stolen = False  # Nobody told the judge.

    async def main() -> None:
        async with world(seed=1) as w:
            await w.converged()
            lie(w)
            await w.broker.refresh()
            await w.sleep(1.0)

    with pytest.raises(ViolationError, match="I2"):
        run_virtual(main(), seed=1)


def test_judge_sees_a_client_that_never_heals() -> None:
    async def main() -> None:
        async with world(seed=1) as w:
            await w.converged()
            w.fault(kind="mute_stream")
            await w.sleep(10.0)
            await w.converged()

    with pytest.raises(ViolationError, match="I15"):
        run_virtual(main(), seed=1)
