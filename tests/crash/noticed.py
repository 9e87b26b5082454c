"""
How soon a stream that lies by silence is noticed, and on what a figure is live again.

Virtual time, one world per seed. *Noticed* means that the figure which is wrong, or can no longer be known to be right,
is not shown as live any more, or is the venue's own again. *Again* is judged by the venue's journal: before a figure is
live again the venue has to have been asked for it, after the loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from holdfast.core.balances import BalanceState
from holdfast.runtime.supervisor import Contact
from holdfast.testing import run_virtual
from tests.crash.injections import BALANCE_READS
from tests.scenarios.world import World, world

__all__ = ["CASES", "Case", "Noticed", "notice"]

_LOOK_S: Final = 0.02
_FIT: Final = (BalanceState.LIVE, BalanceState.FRESH)


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """
    One measured case; seconds.

    ``after_s`` from the moment a change went unseen, or the clock jumped, to its being noticed. ``live_again_s`` from
    there to live and true; ``asked_after_s`` from there to the first request the venue got that is answered before.
    """

    after_s: float
    live_again_s: float
    asked_by: str | None = None  # read or snapshot; None where the figure was true and live all the time.
    asked_after_s: float | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to the client, and within how long it has to notice."""

    name: str
    bound_s: float
    source: str  # Which of the documented bounds.
    run: Callable[[World], Awaitable[float]]
    """Does it; returns the moment, our clock, from which on the figure could not be known any more."""
    contact: Contact = "stream"
    is_at_once: bool = False  # Nobody may be shown the old state even once.
    may_stay_live: bool = False  # Where what is pushed goes on being right.


def _is_noticed(w: World) -> bool:
    """Whether USD is not shown as live, or is right."""
    usd = w.broker.balance("USD")
    return usd.state is not BalanceState.LIVE or usd.total == w.truth()["USD"]["total"]


def _is_live(w: World) -> bool:
    return w.broker.balance("USD").state is BalanceState.LIVE


async def _until(w: World, condition: Callable[[World], bool], *, within_s: float, every_s: float = _LOOK_S) -> None:
    end_s = w.clock.now_s() + within_s
    while not condition(w):
        if w.clock.now_s() > end_s:
            raise AssertionError(f"not within {within_s:.0f} s: {w.broker.balance('USD')}, {w.broker.status().stream}")
        await asyncio.sleep(every_s)


def _deposit(w: World, asset: str = "USD") -> None:
    w.happen(kind="deposit", asset=asset, amount=f"{w.rng.randint(1, 999)}.25")


def _events(w: World, name: str, *, since_s: float) -> list[tuple[float, dict[str, Any]]]:
    return [(at_s, event.fields) for at_s, event in w.events if event.name == name and at_s >= since_s]


# What is done


async def _acked_and_mute(w: World) -> float:
    """A new connection whose subscriptions are acknowledged and never deliver."""
    began_s = w.clock.now_s()
    w.fault(kind="mute_channel", channel="*")
    w.fault(kind="close_streams")
    await _until(w, lambda w: bool(_acks(w, began_s)), within_s=10.0)
    at_s = _acks(w, began_s)[-1]

    def is_given_up(w: World) -> bool:
        if _is_live(w):
            raise AssertionError("USD is live on a stream that delivers nothing")
        lost = _events(w, "stream.lost", since_s=at_s)
        return any(fields["reason"] == "no_snapshot" for _, fields in lost)

    await _until(w, is_given_up, within_s=30.0)
    return at_s


def _acks(w: World, since_s: float) -> list[float]:
    """When the venue acknowledged a subscription to balances."""
    return [
        entry["at_s"]
        for entry in w.front.journal.since()["entries"]
        if entry["kind"] == "ws_out" and entry["at_s"] >= since_s and entry.get("name") == "subscribe"
    ]


def _hidden(*channels: str) -> Callable[[World], Awaitable[float]]:
    async def run(w: World) -> float:
        for channel in channels:
            w.fault(kind="freeze_channel", channel=channel)
        await asyncio.sleep(w.rng.uniform(0.0, 70.0))
        _deposit(w)
        return w.clock.now_s()

    return run


def _numbered(kind: str, *, follows: bool = False, shows: bool = True) -> Callable[[World], Awaitable[float]]:
    async def run(w: World) -> float:
        w.fault(kind=kind, channel="balances")
        _deposit(w)
        if follows:
            await asyncio.sleep(w.rng.uniform(0.5, 20.0))
            _deposit(w, w.rng.choice(("USD", "EUR")))
        at_s = w.clock.now_s()
        if shows:
            await _until(w, lambda w: bool(_events(w, "stream.gapped", since_s=at_s)), within_s=30.0)
            lateness_s = w.clock.now_s() - at_s
            if _is_live(w):
                raise AssertionError(f"the sequence broke {lateness_s} s ago, and USD is live")
        return at_s

    return run


async def _silent(w: World) -> float:
    w.fault(kind="streams", action={"do": "mute"})
    at_s = w.clock.now_s()
    _deposit(w)
    return at_s


async def _cut(w: World) -> float:
    w.fault(kind="streams", action={"do": "close", "code": w.rng.choice((1000, 1001, 1006, 1011))})
    _deposit(w)
    return w.clock.now_s()


async def _lagging(w: World) -> float:
    """REST answers with the past; the stream is ahead of it, and stays so."""
    w.fault(kind="rest_lag", by_s=55)
    await asyncio.sleep(60.0)
    _deposit(w)
    at_s = w.clock.now_s()
    await _until(w, _is_noticed, within_s=10.0)
    shown_s = w.clock.now_s()
    truth = w.truth()["USD"]["total"]
    for _ in range(6):  # Everything REST says now is older.
        await w.broker.refresh()
        if w.broker.balance("USD").total != truth:
            raise AssertionError(f"an older answer took {w.broker.balance('USD')} back from {truth}")
        await asyncio.sleep(w.rng.uniform(1.0, 8.0))
    return w.clock.now_s() - (shown_s - at_s)


async def _asleep(w: World) -> float:
    w.clock.suspend(8 * 3600.0)
    _deposit(w)
    return w.clock.now_s()


def _stepped(by_s: float) -> Callable[[World], Awaitable[float]]:
    async def run(w: World) -> float:
        w.clock.step_wall(by_s)
        return w.clock.now_s()

    return run


def _stepped_unasked(by_s: float) -> Callable[[World], Awaitable[float]]:
    async def run(w: World) -> float:
        at_s = w.clock.now_s()
        w.clock.step_wall(by_s)
        while not _events(w, "clock.jumped", since_s=at_s):  # noqa: ASYNC110 - Nobody asks for a figure meanwhile.
            await asyncio.sleep(_LOOK_S)
        return at_s

    return run


async def _debit(w: World) -> float:
    """Without a stream, and with answers from the past."""
    w.fault(kind="rest_lag", by_s=60)
    await asyncio.sleep(65.0)
    w.happen(kind="withdrawal", asset="USD", amount="17.5")
    return w.clock.now_s()


_PUSHED: Final = "a pushed change: 2 s"
_FROZEN: Final = "a frozen channel: 60 s"
_JUMP: Final = "a jump of clocks: at once"
_LOOKS: Final = "clocks are compared every 4 s"
_REST_ONLY: Final = "max_age_s + rest_lag_s"
_DAY_S: Final = 86_400.0


def _case(name: str, bound_s: float, source: str, run: Callable[[World], Awaitable[float]], **more: Any) -> Case:
    return Case(name=name, bound_s=bound_s, source=source, run=run, **more)


CASES: Final = (
    _case("acknowledges and never delivers", 10.0, "no snapshot: 10 s", _acked_and_mute),
    _case("balances freeze", 60.0, _FROZEN, _hidden("balances")),
    _case("both channels freeze", 60.0, _FROZEN, _hidden("balances", "executions")),
    _case("a gap, seen by what follows", 2.0, _PUSHED, _numbered("sequence_gap", follows=True)),
    _case("a gap, nothing follows", 60.0, _FROZEN, _numbered("sequence_gap", shows=False)),
    _case("a duplicate", 2.0, _PUSHED, _numbered("sequence_duplicate")),
    _case("a regression", 2.0, _PUSHED, _numbered("sequence_regress")),
    _case("two messages change places", 2.0, _PUSHED, _numbered("sequence_reorder", follows=True)),
    _case("the socket falls silent", 5.0, "a silent socket: 5 s", _silent),
    _case("the socket is cut", 2.0, _PUSHED, _cut),
    _case("REST lags by 55 s, the stream is right", 2.0, _PUSHED, _lagging, may_stay_live=True),
    _case("the machine sleeps for 8 h", 0.0, _JUMP, _asleep, is_at_once=True),
    _case("the wall clock goes back 1 h", 0.0, _JUMP, _stepped(-3600.0), is_at_once=True),
    _case("the wall clock goes on 1 day", 0.0, _JUMP, _stepped(_DAY_S), is_at_once=True),
    _case("the wall clock goes back 1 h, nobody asks", 4.0, _LOOKS, _stepped_unasked(-3600.0)),
    _case("no stream, REST lags by 60 s, a withdrawal", 90.0, _REST_ONLY, _debit, contact="rest"),
)
"""Every case, with the bound that the documentation states."""


class _Lives:
    """When USD was live, to the step: every change tells, and so does every look."""

    def __init__(self, w: World) -> None:
        self._w = w
        self.turns: list[tuple[float, bool]] = [(w.clock.now_s(), _is_live(w))]
        assert w.desk is not None
        w.desk.subscribe(lambda _: self.look())

    def look(self) -> None:
        is_live = _is_live(self._w)
        if is_live is not self.turns[-1][1]:
            self.turns.append((self._w.clock.now_s(), is_live))

    def loss(self, since_s: float) -> tuple[float, float] | None:
        """The first loss after *since_s*: from when on it was not live, and until when; None where it was always."""
        for (_, was_live), (lost_s, is_live), (again_s, _) in zip(
            self.turns, self.turns[1:], self.turns[2:], strict=False
        ):
            if was_live and not is_live and lost_s >= since_s:
                return lost_s, again_s
        return None


def notice(case: Case, seed: int) -> Noticed:
    """Measure one case in a world of its own; raises where a bound or a promise does not hold."""
    return run_virtual(_notice(case, seed), seed=seed)


async def _notice(case: Case, seed: int) -> Noticed:
    async with world(seed=seed, contact=case.contact) as w:
        is_streamed = case.contact == "stream"
        if is_streamed:
            await w.converged()
        else:
            await w.broker.ready()
        await asyncio.sleep(w.rng.uniform(0.0, 30.0))
        lives = _Lives(w)
        began_s = w.clock.now_s()
        at_s = await case.run(w)
        if case.is_at_once:
            # The very first answer after it.
            states = {balance.state for balance in w.broker.balances().values()}
            if states & set(_FIT):
                raise AssertionError(f"figures from before are {states}")
        every_s = _LOOK_S if case.bound_s < 60.0 else 5 * _LOOK_S
        await _until(w, _is_noticed if is_streamed else _is_true, within_s=200.0, every_s=every_s)
        noticed_s = w.clock.now_s()
        # Beside the bound: the way to the venue and back, and that we, and the client's timer, look only now and then.
        allowed_s = case.bound_s + (0.0 if case.is_at_once else 2 * w.front.latency_max_s + 5 * _LOOK_S)
        if noticed_s - at_s > allowed_s:
            raise AssertionError(f"noticed after {noticed_s - at_s:.3f} s, bound {case.bound_s} s")
        w.heal()
        if not is_streamed:
            return Noticed(after_s=round(noticed_s - at_s, 3), live_again_s=0.0)
        await w.converged()
        again_s = w.clock.now_s()
        asked: tuple[str, float] | None = None
        loss = lives.loss(began_s)
        if loss is not None:
            asked = _asked_between(w, *loss)
            if asked is None:
                raise AssertionError(f"USD is live again after {loss}, and the venue was not asked for it since")
        elif not case.may_stay_live:
            raise AssertionError("USD was live all the time")
        return Noticed(
            after_s=round(noticed_s - at_s, 3),
            live_again_s=round(again_s - noticed_s, 3),
            asked_by=None if asked is None else asked[0],
            asked_after_s=None if asked is None or loss is None else round(asked[1] - loss[0], 3),
        )


def _is_true(w: World) -> bool:
    return w.broker.balance("USD").total == w.truth()["USD"]["total"]


def _asked_between(w: World, lost_s: float, again_s: float) -> tuple[str, float] | None:
    """
    The first question for balances the venue got since the loss and answered before the figure was live again.

    A read, or the subscription to a new snapshot, and when it arrived at the venue.
    """
    asked: dict[int, float] = {}
    subscribed_s: float | None = None
    for entry in w.front.journal.since()["entries"]:
        at_s, kind, name = entry["at_s"], entry["kind"], entry.get("name")
        if not lost_s - 1e-6 <= at_s <= again_s:
            continue
        if kind == "request" and name in BALANCE_READS:
            asked[entry["n"]] = at_s
        elif kind == "verdict" and entry.get("of") in asked and entry["outcome"] == "ok":
            return "read", asked[entry["of"]]
        elif kind == "ws_in" and name == "subscribe" and entry.get("channel") == "balances":
            subscribed_s = at_s
        elif subscribed_s is not None and kind == "ws_out" and _is_snapshot(entry):
            return "snapshot", subscribed_s
    return None


def _is_snapshot(entry: dict[str, Any]) -> bool:
    return entry.get("type") == "snapshot" and entry.get("channel") == "balances"
