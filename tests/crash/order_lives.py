"""
One trading client after the other on one state folder, none of which ends by itself.

Each comes back from what its predecessor's kill left, finds out what became of every order, is judged by the venue,
and is then killed at the next step. The venue lives through all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.amounts import format_amount, parse_amount
from holdfast.runtime.intent_record import client_order_id_of
from holdfast.runtime.state_folder import StateFolder
from holdfast.store.sqlite.copies import verify
from tests.crash.forks import Forked, Forks
from tests.crash.lives import BrokenPromiseError
from tests.crash.order_client import TradingWork
from tests.crash.order_judge import Books, OrderJudge, books_of
from tests.crash.order_scenes import SCENES
from tests.crash.order_steps import OrderStep, Wire
from tests.crash.places import PLACES, Place, patience, step_at
from tests.crash.venues import LocalVenue, differences, local_venue

__all__ = ["CLIENT", "SETTLES_WITHIN_S", "OrderChain", "OrderReport", "TradingLife", "order_venue", "trading_config"]

CLIENT: Final = "tests.crash.order_client"
SETTLES_WITHIN_S: Final = 60.0
DIES_WITHIN_S: float = 45.0
REST_LAG_S: Final = 1.0
VALIDITY_S: Final = PLACES["kraken"].validity_s

_OLD_STORE: Final = Path(__file__).resolve().parents[1] / "store" / "fixtures" / "store_v1.sql"
_ANSWERED_WITHIN_S: Final = 15.0
_DURABLE_WITHIN_S: Final = 3.0
_LEAVES_SENDING: Final = ("durable, nothing is sent", "durable, nobody was told")


def order_venue(place: Place = PLACES["kraken"], *, seed: int) -> AbstractAsyncContextManager[LocalVenue]:
    """Serve a venue that says no to what our own rules let through: a post-only order that would take."""
    return local_venue(place, seed=seed, settings=place.settings(**place.refusing))


def trading_config(local: LocalVenue, folder: Path, *, wire: Wire, **orders: Any) -> dict[str, Any]:
    """A bot's configuration with a venue whose lag and validity are short, so that evidence takes seconds."""
    config = local.config(folder)
    validity_s = local.place.validity_s
    config["brokers"][local.place.broker] |= {
        **local.place.broker_facts,
        "reading": {"rest_lag_s": REST_LAG_S, "reconcile_fault_s": 1.0, "reconcile_quiet_s": 5.0},
        "orders": {"validity_s": validity_s, "unsent_ttl_s": validity_s, "prefer": wire} | orders,
    }
    return config


class OrderReport(msgspec.Struct, kw_only=True):
    """What chains of trading lives came to."""

    kills: int = 0
    kills_by_step: dict[str, int] = {}
    settled_s: list[float] = []  # From the start of a process to no open question and the venue's own figures.
    intents: int = 0
    orders_at_venue: int = 0
    ends: dict[str, int] = {}
    restored: int = 0  # Claims that a client came back with.
    nonces: int = 0

    def add(self, other: OrderReport) -> None:
        """Take another chain's figures in."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                for key, count in theirs.items():
                    mine[key] = mine.get(key, 0) + count
            else:
                setattr(self, name, mine + theirs)


class TradingLife:
    """One client process: what it said, and what it is told."""

    def __init__(self, process: Forked, *, told: Callable[[dict[str, Any], str], None]) -> None:
        self.process = process
        self.began_s = time.monotonic()
        self.opened: dict[str, Any] | None = None
        self.picture: dict[str, Any] | None = None
        self.failed: dict[str, Any] | None = None  # Why it could not open, or go on.
        self.events: list[dict[str, Any]] = []
        self._told = told
        self._number = 0
        self._asked: dict[int, tuple[asyncio.Future[dict[str, Any]], str | None]] = {}
        self._heard: list[asyncio.Future[None]] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in self.process.reader:
                if line.endswith(b"\n"):  # The last one may be cut by the kill.
                    self._hear(json.loads(line))
        self._wake()

    def _hear(self, said: dict[str, Any]) -> None:
        match said["at"]:
            case "opened":
                self.opened = said["picture"]
            case "picture":
                self.picture = said["picture"]
            case "failed":
                self.failed = said
            case "event":
                self.events.append(said)
            case "did":
                answer, intent_id = self._asked.pop(said["n"])
                if intent_id is not None:
                    self._told(said, client_order_id_of(intent_id))
                if not answer.done():
                    answer.set_result(said)
        self._wake()

    def _wake(self) -> None:
        heard, self._heard = self._heard, []
        for waiter in heard:
            if not waiter.done():
                waiter.set_result(None)

    async def heard(self, *, within_s: float) -> None:
        """Wait until it says anything. Suspends."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard.append(waiter)
        await asyncio.wait({waiter}, timeout=within_s)

    def ask(self, do: str, **facts: Any) -> asyncio.Future[dict[str, Any]]:
        """Tell it to do something; what will have come of it."""
        self._number += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = (answer, facts["intent_id"] if do == "place" else None)
        self.process.tell(n=self._number, do=do, **facts)
        return answer

    async def do(self, do: str, *, may_fail: bool = False, **facts: Any) -> dict[str, Any]:
        """Tell it to do something and wait for what came of it; never where it dies meanwhile. Suspends."""
        answer = await self.ask(do, **facts)
        if not answer["ok"] and not may_fail:
            raise BrokenPromiseError(f"{do} {facts} was answered {answer}")
        return answer

    async def answered(self, *, within_s: float) -> None:
        """Wait until everything it was told to do is done. Suspends; raises where that takes too long."""
        waiting = [answer for answer, _ in self._asked.values()]
        if waiting and (await asyncio.wait(waiting, timeout=within_s))[1]:
            raise BrokenPromiseError(f"a process whose owner died was not answered for {within_s:.0f} s")

    async def shows(self, what: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until its picture is such. Suspends; for ever where it never is."""
        while self.picture is None or not what(self.picture):
            await self.heard(within_s=1.0)

    async def ended(self, *, within_s: float) -> bool:
        """Wait for the process to end by itself."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), within_s)
        return self.process.returncode is not None

    async def kill(self) -> None:
        """End it as the kernel would, and hear what it had said until then."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.reading
        await self.process.forget()


class OrderChain:
    """
    Trading lives on one state folder against one venue.

    Args:
        local: The venue.
        forks: Makes the clients.
        folder: An existing folder for state and keys.
        wire: How orders go first.
        seed: Draws every choice.
    """

    def __init__(self, local: LocalVenue, forks: Forks, folder: Path, *, wire: Wire, seed: int) -> None:
        self.local = local
        self.place = local.place
        self.wire = wire
        self.rng = random.Random(f"order lives {seed}")
        self.report = OrderReport()
        self.config = trading_config(local, folder, wire=wire)
        self.state = StateFolder.open(folder / "state")
        self.database = self.state.database_path(environment="simulated", name=self.place.broker)
        self._forks = forks
        self._seed = seed
        self._names = 0
        self._judge = OrderJudge(local, rest_lag_s=REST_LAG_S)
        self._left: Books | None = None  # What the last client left behind.
        self._nonces_at = 0
        self._callers: list[TradingLife] = []

    # For scenes

    def new_name(self) -> str:
        """An intent id never used before."""
        self._names += 1
        return f"bot-{self._seed}-{self._names}"

    def order_id_of(self, intent_id: str) -> str:
        """The venue's id of an intent's order."""
        (order,) = self._judge.orders()[client_order_id_of(intent_id)]
        found: str = order["order_id"]
        return found

    def placed(self) -> set[str]:
        """Client order ids of every order of ours that the venue ever accepted."""
        return set(self._judge.orders())

    def fault(self, **rule: Any) -> None:
        """Let something go wrong at the venue until this life is over."""
        self.local.served.plan.add(rule)

    def place_fault(self, kind: str, **rule: Any) -> None:
        """Let something go wrong with orders, where they go that way at all: ``rest``, ``ws_in`` or ``ws_out``."""
        name = self.place.place.get("rest" if kind == "rest" else "stream")
        if name is not None:
            self.fault(kind=kind, name=name, **rule)

    def slow_answers(self, seconds: float) -> None:
        """Let the venue take an order at once and its answer take its time."""
        delay = {"do": "delay", "low_s": seconds}
        self.place_fault("rest", action=delay | {"where": "reply"})
        self.place_fault("ws_out", action=delay)

    async def sent_one_more(self) -> None:
        """Wait until another order has arrived at the venue. Suspends."""
        before = len(self._judge.sent)
        while len(self._judge.sent) == before:
            await asyncio.sleep(0.01)
            self._judge.read_journal()

    # Lives

    async def start(self, *, step: OrderStep | None = None, **more: Any) -> TradingLife:
        """Start a client; *more* as ``TradingWork`` has it."""
        work = TradingWork(config=self.config, step=step, **more)
        return TradingLife(await self._forks.start(msgspec.to_builtins(work)), told=self._judge.told)

    async def attach(self) -> TradingLife:
        """A process beside the owner that uses the account through it; it lives until it was answered. Suspends."""
        caller = await self.start(mode="attach")
        self._callers.append(caller)
        await caller.shows(lambda picture: picture["balances"].get("USD", [None] * 4)[3] == self.place.best)
        return caller

    async def _answer_callers(self) -> None:
        """What a dead owner was asked for is answered by now, by its successor or by nobody; then they end."""
        callers, self._callers = self._callers, []
        for caller in callers:
            await caller.answered(within_s=patience(_ANSWERED_WITHIN_S))
            await caller.kill()

    async def settled(self, life: TradingLife, *, judges_events: bool = True) -> None:
        """
        Wait until nothing is left to find out and every figure is live and the venue's own; judged.

        Whoever still claims something without an order is waited for: it expires.
        """
        wrong: list[str] = ["it said nothing"]
        while True:
            left_s = life.began_s + patience(SETTLES_WITHIN_S) - time.monotonic()
            if left_s <= 0 or life.process.returncode is not None:
                raise BrokenPromiseError(
                    f"not settled after {time.monotonic() - life.began_s:.1f} s (ended: {life.process.returncode}): "
                    f"{life.failed or wrong}; events {life.events[-8:]}; picture {life.picture}"
                )
            if life.opened is not None and self._left is not None:
                self._judge_opening(life.opened, self._left)
                self._left = None
            if life.picture is not None:
                wrong = await self._unsettled(life.picture)
                if not wrong:
                    break
            await life.heard(within_s=min(left_s, 0.5))
        self.report.settled_s.append(round(time.monotonic() - life.began_s, 3))
        if judges_events:
            self._judge_events(life)
        durable_s = time.monotonic() + patience(_DURABLE_WITHIN_S)
        while True:
            books = await asyncio.to_thread(books_of, self.database, is_dead=False)
            try:
                self._judge.judge_settled(books)
            except BrokenPromiseError:
                if time.monotonic() > durable_s:
                    raise
                await asyncio.sleep(0.1)  # What it shows is durable a moment later.
            else:
                return

    async def _unsettled(self, picture: dict[str, Any]) -> list[str]:
        """What still differs from the venue, or is not known yet."""
        truth = await self.local.truth()
        shown = differences(truth, _figures(picture), best=self.place.best)
        wrong = [f"{asset}: {text}" for asset, text in shown.items()]
        at_venue = self._open_at_venue()
        for each in picture["reservations"]:
            if each["client_order_id"] not in at_venue:
                wrong.append(f"claimed and not open at the venue: {each}")
        if set(picture["open_orders"]) != at_venue:
            wrong.append(f"open orders {picture['open_orders']}, at the venue {sorted(at_venue)}")
        for asset, row in picture["balances"].items():
            claimed = sum(
                (parse_amount(each["reserved"]) for each in picture["reservations"] if each["asset"] == asset),
                parse_amount("0"),
            )
            if parse_amount(row[5]) != claimed:
                wrong.append(f"{asset}: {row[5]} reserved, claims come to {claimed}")
            if row[6] is not None and parse_amount(row[6]) > max(self.local.venue.free(asset), parse_amount("0")):
                wrong.append(f"{asset}: {row[6]} spendable, free at the venue {self.local.venue.free(asset)}")
        if picture["in_doubt"] or picture["store"] or picture["halted"]:
            wrong.append(f"{picture['in_doubt']} in doubt, store {picture['store']}, halted {picture['halted']}")
        return wrong

    def _open_at_venue(self) -> set[str]:
        return {str(order["client_order_id"] or order["order_id"]) for order in self._open_orders()}

    def _open_orders(self) -> list[dict[str, Any]]:
        orders = self.local.venue.orders()["accounts"]["master"]["orders"]
        return [order for order in orders if order["status"] in ("open", "pending")]

    async def ready(self, life: TradingLife) -> None:
        """Settled, with not too many orders resting, and free to trade."""
        await self.settled(life)
        if self._callers:
            await self._answer_callers()
            await self.settled(life)
        assert life.picture is not None
        if life.picture["trading"] != "active":
            await life.do("trade", state="active")
        if len(life.picture["open_orders"]) > 3 or self.rng.random() < 0.3:
            await life.do("cancel_all")
            await self.settled(life)

    async def die_at(self, step: OrderStep) -> None:
        """A life that ends at a step; judged."""
        if step.scene == "again":
            # What there is to come back from.
            await self.die_at(step_at(self.place, self.rng.choice(_LEAVES_SENDING)))
        life = await self.start(step=step)
        playing: asyncio.Task[None] | None = None
        try:
            if not step.is_set_from_the_start:
                await self.ready(life)
                if step.when == "during":
                    self.slow_answers(0.3)
                await life.do("arm")
                playing = asyncio.create_task(_played(SCENES[step.scene](self, life)))
            dying = asyncio.create_task(life.process.wait())
            ending = {dying} | ({playing} if playing else set())
            await asyncio.wait(ending, timeout=patience(DIES_WITHIN_S), return_when="FIRST_COMPLETED")
            if playing is not None and playing.done() and not dying.done():
                playing.result()
            dying.cancel()
            if life.process.returncode is None:
                raise BrokenPromiseError(f"the client never came to: {step.name}; events {life.events[-8:]}")
        finally:
            if playing is not None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
            self.local.served.plan.clear()
            await life.kill()
        if life.process.returncode != -signal.SIGKILL:
            raise BrokenPromiseError(f"the client ended with {life.process.returncode} before: {step.name}")
        await self.judge_death(step.name)
        self._happen()

    def _happen(self) -> None:
        """An account does not stand still while nobody looks."""
        venue = self.local.venue
        ours = [order for orders in self._judge.orders().values() for order in orders]
        resting = [order["order_id"] for order in ours if order["status"] == "open"]
        chance = self.rng.random()
        if chance < 0.35 and resting:
            order_id = self.rng.choice(resting)
            event: dict[str, Any] = {"kind": "fill", "order": order_id}
            if self.rng.random() < 0.4:
                event["quantity"] = "0.0003"
            if self.rng.random() < 0.3:
                event = {"kind": "external_cancel", "order": order_id}
            with contextlib.suppress(ValueError):  # Less is left of it than that.
                venue.happen(event)
        elif chance < 0.6:
            self.local.happen()

    async def finish(self) -> OrderReport:
        """A last life, which cancels everything and ends in order: nothing is left claimed, nothing counted."""
        life = await self.start()
        try:
            await self.ready(life)
            await life.do("cancel_all")
            for order_id in [each["order_id"] for each in self._open_orders() if each["client_order_id"] is None]:
                self.local.venue.happen({"kind": "external_cancel", "order": order_id})
            await self.settled(life)
            assert life.picture is not None
            leaked: list[Any] = list(life.picture["reservations"])
            for row in life.picture["balances"].values():
                available, reserved, spendable = (parse_amount(row[place]) for place in (2, 5, 6))
                if reserved or spendable != available:
                    leaked.append(row)
            if leaked:
                raise BrokenPromiseError(f"nothing is open, and something is claimed: {leaked}")
            life.process.send_signal(signal.SIGTERM)
            if not await life.ended(within_s=patience(20.0)) or life.process.returncode != 0:
                raise BrokenPromiseError(f"the last client did not end in order: {life.process.returncode}")
        finally:
            await life.kill()
        await self.judge_death(None)
        self.report.intents = len(self._left.intents) if self._left else 0
        self.report.orders_at_venue = len(self._judge.orders())
        self.report.ends = dict(self._judge.ends)
        return self.report

    # Judging

    async def judge_death(self, how: str | None) -> None:
        """What the dead client leaves behind."""
        if how is not None:
            self.report.kills += 1
            self.report.kills_by_step[how] = self.report.kills_by_step.get(how, 0) + 1
        _, seen, refused, self._nonces_at = self.local.nonces(self._nonces_at)
        self.report.nonces += seen
        if refused:
            raise BrokenPromiseError(f"{refused} nonces were refused")
        if not self.database.exists():
            self._left = None
            return
        await asyncio.to_thread(verify, self.database)
        self._left = await asyncio.to_thread(books_of, self.database, is_dead=True)
        self._judge.judge_files(self._left)

    def _judge_opening(self, opened: dict[str, Any], left: Books) -> None:
        """It comes back with exactly the claims that were in the store, before it has asked anybody."""
        had = {
            intent.intent_id: format_amount(intent.amount)
            for intent in left.intents.values()
            if not intent.reservation.is_ended
        }
        has = {each["intent_id"]: each["amount"] for each in opened["reservations"]}
        if had != has:
            raise BrokenPromiseError(f"a client came back with claims {has}, its store had {had}")
        self.report.restored += len(has)

    def _judge_events(self, life: TradingLife) -> None:
        wrong = [each for each in life.events if each["name"] in ("invariant.broken", "broker.halted", "store.failed")]
        if wrong:
            raise BrokenPromiseError(f"a restarted client said {wrong}")

    # A store of the version before there were intents

    def write_old_store(self) -> None:
        """A store as the version before left it; blocks briefly."""
        self.database.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(_OLD_STORE.read_text("utf-8"))
            connection.execute("DELETE FROM fact")  # It was another account's.
            connection.commit()


async def _played(scene: Any) -> None:
    await scene
    await asyncio.sleep(3600.0)


def _figures(picture: dict[str, Any]) -> dict[str, list[str | None]]:
    return {asset: row[:5] for asset, row in picture["balances"].items()}
