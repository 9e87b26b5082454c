"""
Many who want the same money at once: tasks of the owner, and processes attached to it, with room for one order only.

Each round has exactly one winner. Some rounds stop at the claim, in others the order is placed at the venue; then the
room is made again. What the venue lets the account spend is asked at the venue.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.amounts import parse_amount
from tests.crash.forks import Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_client import TradingWork
from tests.crash.order_lives import TradingLife, trading_config
from tests.crash.order_steps import Wire
from tests.crash.venues import LocalVenue

__all__ = ["TASKS", "Competition", "CompetitionReport"]

TASKS: Final = 64
PROCESSES: Final = 8

_CLAIM: Final = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "5500"}
_ORDER: Final = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.22", "price": "25000.0"}
_TOGETHER_S: Final = 0.03  # So much later than told everybody begins, at one moment of the clock they share.
_APART_S: Final = 0.01  # Nearly: so that not always the same one is first.
_MAKES_ROOM_WITHIN_S: Final = 30.0


class CompetitionReport(msgspec.Struct, kw_only=True):
    """What a competition came to."""

    rounds: int = 0
    rounds_by_kind: dict[str, int] = {}
    approved: int = 0
    denied: dict[str, int] = {}
    rounds_without_one_winner: int = 0
    orders_at_the_venue: int = 0
    won_by_process: dict[str, int] = {}

    def add(self, other: CompetitionReport) -> None:
        """Take another one's figures in."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                for key, count in theirs.items():
                    mine[key] = mine.get(key, 0) + count
            else:
                setattr(self, name, mine + theirs)


class Competition:
    """
    One owner with 64 tasks and eight attached processes at one account.

    Args:
        kraken: The venue.
        forks: Makes the processes.
        folder: Their state and keys.
        wire: How orders go.
        seed: Draws who is a little earlier.
    """

    def __init__(self, kraken: LocalVenue, forks: Forks, folder: Path, *, wire: Wire, seed: int) -> None:
        self.report = CompetitionReport()
        self._kraken = kraken
        self._forks = forks
        self._config = trading_config(kraken, folder, wire=wire, unsent_ttl_s=60.0)
        self._rng = random.Random(f"competition {seed}")
        self._numbers = itertools.count(1)
        self.lives: list[TradingLife] = []

    async def start(self) -> None:
        """The owner first, then everybody else; ready when all of them see live figures."""
        for number in range(1 + PROCESSES):
            work = TradingWork(config=self._config, mode="attach" if number else "own")
            process = await self._forks.start(msgspec.to_builtins(work))
            self.lives.append(TradingLife(process, told=lambda answer, client_order_id: None))
            if not number:
                await self._has_room(self.lives[0])
        await asyncio.gather(*(self._has_room(life) for life in self.lives))

    async def end(self) -> None:
        """End all of them."""
        for life in reversed(self.lives):
            await life.kill()

    async def rounds(self, *, of_all: int, of_tasks: int, of_processes: int, of_orders: int) -> None:
        """
        So many rounds: of the owner's tasks with the processes, of either alone, and of all of them placing orders.

        Raises:
            BrokenPromiseError: A round had no winner, or two.
        """
        owner: list[tuple[TradingLife, int]] = [(self.lives[0], TASKS)]
        others = [(life, TASKS // PROCESSES) for life in self.lives[1:]]
        kinds = [
            (of_tasks, "64 tasks", owner, False),
            (of_processes, "8 processes", others, False),
            (of_all, "64 tasks and 8 processes", owner + others, False),
            (of_orders, "64 tasks and 8 processes, placed", owner + others, True),
        ]
        for count, kind, asking, places in kinds:
            for _ in range(count):
                await self._round(kind, asking, places=places)

    async def _round(self, kind: str, asking: list[tuple[TradingLife, int]], *, places: bool) -> None:
        number = next(self._numbers)
        at_s = time.monotonic() + _TOGETHER_S
        ask = _ORDER if places else _CLAIM
        before = self._orders()
        free = self._kraken.venue.free("USD")
        names = [[f"round-{number}-{place}-{task}" for task in range(count)] for place, (_, count) in enumerate(asking)]
        answers = await asyncio.wait_for(
            asyncio.gather(
                *(
                    life.do("compete", ask=ask, names=own, places=places, at_s=at_s + self._rng.uniform(0, _APART_S))
                    for (life, _), own in zip(asking, names, strict=True)
                )
            ),
            60.0,
        )
        told = {name: code for answer in answers for name, code in answer["told"].items()}
        codes = Counter(told.values())
        winners = [name for name, code in told.items() if code == "approved"]
        self.report.rounds += 1
        self.report.rounds_by_kind[kind] = self.report.rounds_by_kind.get(kind, 0) + 1
        self.report.approved += len(winners)
        for code, count in codes.items():
            if code != "approved":
                self.report.denied[code] = self.report.denied.get(code, 0) + count
        if len(winners) != 1 or set(codes) != {"approved", "funds_short"}:
            self.report.rounds_without_one_winner += 1
            raise BrokenPromiseError(f"round {number} of {kind}, {free} USD free at the venue: {dict(codes)}")
        place = int(winners[0].split("-")[2])
        winner = asking[place][0]
        who = "owner" if winner is self.lives[0] else f"process {self.lives.index(winner)}"
        self.report.won_by_process[who] = self.report.won_by_process.get(who, 0) + 1
        if places:
            if self._orders() != before + 1:
                raise BrokenPromiseError(f"round {number}: {self._orders() - before} orders at the venue")
            self.report.orders_at_the_venue += 1
            await winner.do("cancel", name=winners[0])
        else:
            await winner.do("release", intent_id=winners[0])
        await self._has_room(self.lives[0])

    def _orders(self) -> int:
        return len(self._kraken.venue.orders()["accounts"]["master"]["orders"])

    async def _has_room(self, life: TradingLife) -> None:
        """Wait until one order fits and nothing is claimed. Suspends."""

        def has_room(picture: dict[str, Any]) -> bool:
            usd = picture["balances"].get("USD")
            return (
                usd is not None
                and usd[3] == "live"
                and not picture["reservations"]
                and not picture["open_orders"]
                and parse_amount(usd[6]) > 9_000
            )

        waiting = [asyncio.create_task(wait) for wait in (life.shows(has_room), life.process.wait())]
        try:
            await asyncio.wait(waiting, timeout=_MAKES_ROOM_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            if not waiting[0].done():
                raise BrokenPromiseError(f"no room again ({life.process.returncode}, {life.failed}): {life.picture}")
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
