"""
An owner that stops amid a submission, for longer than an order is valid, and goes on: what it and its callers may do.

It is stopped (SIGSTOP, by itself) at a named step on the way to the write. While it is, others find that it owns the
account and are denied with its process id; once it goes on, nothing it had begun takes effect at the venue.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.runtime.intent_record import client_order_id_of
from tests.crash.forks import Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_lives import OrderChain, TradingLife
from tests.crash.order_steps import OrderStep, Wire, step_called
from tests.crash.venues import LocalVenue

__all__ = ["ASKED", "BEFORE_THE_WRITE", "WAIT_S", "PauseReport", "Paused", "is_stopped"]

WAIT_S: Final = 2.0
"""The lane wait here: how long a caller waits for an owner that takes its call."""

_CALLERS: Final = 8
_TRADES_WITHIN_S: Final = 20.0
_LATE_S: Final = 1.5  # A busy machine wakes its processes late.

ASKED: Final = OrderStep(
    name="asked for, not judged", target="holdfast.runtime.judging:Judging.gather", when="after", scene="buy"
)
"""Where it stops before it has judged: what it then judges on has to be of after the pause."""

BEFORE_THE_WRITE: Final[dict[Wire, tuple[str, ...]]] = {
    "stream": (
        ASKED.name,
        "claimed, not handed to the store",
        "claimed, on its way to the disk",
        "durable, nobody was told",
        "durable, nothing is sent",
        "the last look was good, nothing is sent",
        "the frame is ready, not handed over",
    ),
    "rest": (
        ASKED.name,
        "claimed, on its way to the disk",
        "durable, nothing is sent",
        "a nonce is durable, the order is not sent",
        "the last look was good, nothing is sent",
        "the request is ready, not handed over",
    ),
}
"""Where it stops, by wire; from the last look on nothing but the order's own validity can stop it."""

_LOOKED: Final = frozenset(
    {
        "the last look was good, nothing is sent",
        "the frame is ready, not handed over",
        "the request is ready, not handed over",
    }
)


class PauseReport(msgspec.Struct, kw_only=True):
    """What pauses came to; times in seconds."""

    pauses: int = 0
    pauses_by_step: dict[str, int] = {}
    callers_told: int = 0
    told_after_s: list[float] = []
    took_over: int = 0
    sent_after_the_pause: int = 0  # Frames or requests that had been looked at for the last time before it.
    refused_by_their_validity: int = 0
    executed_after_the_pause: int = 0
    trades_again_after_s: list[float] = []

    def add(self, other: PauseReport) -> None:
        """Take another one's figures in."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                for key, count in theirs.items():
                    mine[key] = mine.get(key, 0) + count
            else:
                setattr(self, name, mine + theirs)


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped; False where it is gone or runs."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


class Paused:
    """
    One account whose owner is paused again and again.

    Args:
        kraken: The venue.
        forks: Makes the processes.
        folder: Their state and keys.
        wire: How orders go.
        seed: Draws what is ordered.
        pause_s: How long each pause is at least.
        waits_s: How long a caller waits for an owner that takes its call.
        is_spent: Whether somebody else takes nearly all of the money during a pause.
    """

    def __init__(
        self,
        kraken: LocalVenue,
        forks: Forks,
        folder: Path,
        *,
        wire: Wire,
        seed: int,
        pause_s: float,
        waits_s: float = WAIT_S,
        is_spent: bool = True,
    ) -> None:
        self.report = PauseReport()
        self._kraken = kraken
        self._wire = wire
        self._pause_s = pause_s
        self._chain = OrderChain(kraken, forks, folder, wire=wire, seed=seed)
        self._waits_s = waits_s
        self._is_spent = is_spent
        self._chain.config["lane"] = {"wait_s": waits_s}

    async def pause_at(self, name: str) -> None:
        """Stop a new owner at a step, ask it for things meanwhile, let it go on; judged."""
        step = ASKED if name == ASKED.name else step_called(name)
        chain, kraken = self._chain, self._kraken
        owner = await chain.start(step=msgspec.structs.replace(step, scene="buy"), stops=True)
        caller: TradingLife | None = None
        try:
            await chain.ready(owner)
            caller = await chain.start(mode="attach")
            await caller.shows(lambda picture: picture["balances"].get("USD", [None] * 4)[3] == "live")
            await owner.do("arm")
            begun = chain.new_name()
            ask = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "25.50"}
            placing = owner.ask("place", ask=ask, intent_id=begun)
            while not is_stopped(owner.process.pid):  # noqa: ASYNC110 - The kernel tells nobody.
                await asyncio.sleep(0.01)
            stopped_s = time.monotonic()
            arrived = _count(kraken, begun)
            # Whoever spends what it saw before the pause spends what is not there.
            spent = _most_of(owner, "USD") if self._is_spent else "0.01"
            kraken.venue.happen({"kind": "withdrawal", "asset": "USD", "amount": spent})
            asked = await self._ask_meanwhile(caller, owner.process.pid)
            await self._nobody_takes_over(caller, owner.process.pid)
            await asyncio.sleep(max(0.0, stopped_s + self._pause_s - time.monotonic()))
            owner.process.send_signal(signal.SIGCONT)
            resumed_s = time.monotonic()
            answer = await asyncio.wait_for(placing, 30.0)
            kraken.venue.happen({"kind": "deposit", "asset": "USD", "amount": spent})
            self._judge_resumed(name, begun, answer, sent_before=arrived)
            await chain.settled(owner)
            await chain.settled(caller)
            for intent_id in asked:
                if _count(kraken, intent_id) or client_order_id_of(intent_id) in chain.placed():
                    raise BrokenPromiseError(f"{intent_id} was denied while the owner was stopped, and left it later")
            await self._trades_again(caller, ask)
            self.report.trades_again_after_s.append(round(time.monotonic() - resumed_s, 3))
            self.report.pauses += 1
            self.report.pauses_by_step[name] = self.report.pauses_by_step.get(name, 0) + 1
        finally:
            owner.process.send_signal(signal.SIGCONT)
            for life in (caller, owner):
                if life is not None:
                    await life.kill()
        await chain.judge_death(None)

    async def _ask_meanwhile(self, caller: TradingLife, pid: int) -> list[str]:
        """Ask a stopped owner for orders; each asker is told its pid within the bound."""
        names = [self._chain.new_name() for _ in range(_CALLERS)]
        ask = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "20"}
        asked_s = time.monotonic()
        answers = await asyncio.wait_for(
            asyncio.gather(*(caller.do("place", may_fail=True, ask=ask, intent_id=name) for name in names)), 60.0
        )
        for answer in answers:
            if (answer["ok"], answer.get("error"), answer.get("pid")) != (False, "OwnerSilentError", pid):
                raise BrokenPromiseError(f"a caller of a stopped owner, {pid}, was told {answer}")
            if not self._waits_s - 0.1 <= answer["took_s"] <= self._waits_s + _LATE_S:
                raise BrokenPromiseError(f"a caller was told after {answer['took_s']:.3f} s, bound {self._waits_s} s")
            self.report.told_after_s.append(round(answer["took_s"], 3))
        if time.monotonic() - asked_s > self._waits_s + 2 * _LATE_S:
            raise BrokenPromiseError("callers of a stopped owner waited for each other")
        self.report.callers_told += len(answers)
        return names

    async def _nobody_takes_over(self, caller: TradingLife, pid: int) -> None:
        """Neither who is attached nor who comes anew owns a stopped owner's account."""
        another = await self._chain.start(mode="own")
        try:
            await asyncio.wait_for(another.process.wait(), 30.0)
            await another.reading
            failed = another.failed or {}
            if (failed.get("error"), failed.get("pid")) != ("OwnedElsewhereError", pid):
                self.report.took_over += 1
                raise BrokenPromiseError(f"another process that wants to own what {pid} owns was told {failed}")
        finally:
            await another.kill()
        if any(event["name"] == "owner.succeeded" for event in caller.events):
            self.report.took_over += 1
            raise BrokenPromiseError("an attached process took a stopped owner's account over")

    def _judge_resumed(self, name: str, begun: str, answer: dict[str, Any], *, sent_before: int) -> None:
        # After the last look only the venue can stop it, and says so in a way that leaves doubt: settled by evidence.
        if answer["ok"] or (answer.get("outcome") == "unknown" and name not in _LOOKED):
            raise BrokenPromiseError(f"an order from before a pause at {name!r} was answered {answer}")
        sent = _count(self._kraken, begun) - sent_before
        self.report.sent_after_the_pause += sent
        if sent and name not in _LOOKED:
            raise BrokenPromiseError(f"an order from before a pause at {name!r} was sent after it: {answer}")
        self.report.refused_by_their_validity += sent
        if client_order_id_of(begun) in self._chain.placed():
            self.report.executed_after_the_pause += 1
            raise BrokenPromiseError(f"an order from before a pause at {name!r} was executed after it: {answer}")

    async def _trades_again(self, caller: TradingLife, ask: dict[str, Any]) -> None:
        """As soon as it has figures of its own time."""
        until_s = time.monotonic() + _TRADES_WITHIN_S
        while time.monotonic() < until_s:
            answer = await caller.do("place", may_fail=True, ask=ask, intent_id=self._chain.new_name())
            if answer["ok"]:
                return
            # What was seen go and come back counts as the lower of both until it was read again.
            if answer.get("code") not in ("balance_stale", "price_unknown", "funds_short"):
                raise BrokenPromiseError(f"after a pause an order was answered {answer}")
            await asyncio.sleep(0.1)
        raise BrokenPromiseError(f"{_TRADES_WITHIN_S:.0f} s after a pause nothing is approved yet")


def _count(kraken: LocalVenue, intent_id: str) -> int:
    """How often an order of this intent arrived at the venue, by either wire."""
    client_order_id = client_order_id_of(intent_id)
    return sum(
        entry["kind"] in ("request", "ws_in") and entry.get("client_order_id") == client_order_id
        for entry in kraken.served.journal.since(0)["entries"]
    )


def _most_of(life: TradingLife, asset: str) -> str:
    assert life.picture is not None
    spendable: str = life.picture["balances"][asset][6]
    whole, _, _ = spendable.partition(".")
    return str(int(whole) - 10)
