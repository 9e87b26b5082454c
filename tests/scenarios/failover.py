"""
One of three venues fails under load and heals: orders move, none is doubled, none is lost, and flow returns once.

[N1, N2, N5, N8, H2, H3, W1, W2, V3, V4] Bots place orders that name no broker, at a desk with a simulated Kraken,
Coinbase and OKX. One venue refuses connections, swallows everything, answers errors or pages, becomes slow, falls
silent, locks the key out or goes into maintenance; the client may end amid that, in order or at once, and come back.
Then the venue is well again. What the three venues themselves have on record is what is judged.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import random
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

import holdfast
from holdfast.config import BrokerConfig, Config, OrderSettings, RoutingSettings
from holdfast.core.amounts import format_amount
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import Emit, RouteBook, Store
from holdfast.errors import (
    HoldfastError,
    IntentRepeatedError,
)
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.memory import MemoryFront
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.routes import SqliteRoutes
from holdfast.testing import FakeClock, MemoryLane, memory_parts
from tests.scenarios.failover_judge import Asked, FailoverJudge
from tests.scenarios.lives import Life, Record
from tests.scenarios.venues import PLAYS, Play

__all__ = ["KINDS", "failover"]

_BACK_AFTER_S: Final = RoutingSettings().fail_back_after_s
_BACK_WITHIN_S: Final = 30.0
_HEALED_WITHIN_S: Final = 150.0
_FUNDS: Final = {"USD": "200000", "BTC": "5"}
_SYMBOL: Final = "BTC-USD"
_MEMORY_DISK: Final = Path("/dev/shm")
_PACE: Final = ("50011", "50061")
_PAGE: Final = "<html><body>We will be back soon.</body></html>"

KINDS: Final = ("refused", "hangs", "error", "page", "slow", "mute", "rest", "lockout", "maintenance")
"""In which ways a venue fails."""


class _Site:
    """One simulated venue with what stands between it and the client."""

    def __init__(self, play: Play, *, seed: int, clock: FakeClock, rng: random.Random, keeps_digest: bool) -> None:
        loop = asyncio.get_running_loop()
        self.play = play
        self.name = play.broker
        settings = {"tier": "pro", "coalesce_heartbeats_s": 2.0} if play.id == "kraken" else {}
        self.venue: Any = play.simulate(settings=settings, seed=seed, profile="plain", clock=clock.world(), timers=loop)
        self.front = MemoryFront(
            self.venue,
            clock=clock.world(),
            plan=FaultPlan(clock.world(), impair=self.venue.impair, seed=seed),
            journal=Journal(
                clock.world(), describe_frame=self.venue.describe_frame, max_entries=50_000, keeps_heartbeats=False
            ),
            rng=random.Random(f"latency {seed} {play.id}"),
            latency_s=(0.002, rng.choice((0.01, 0.05))),
            with_digest=keeps_digest,
        )
        self.key = next(each for each in self.venue.credentials() if each["account"] == "master")
        self.record = Record()
        for asset, amount in _FUNDS.items():
            self.venue.happen({"kind": "deposit", "asset": asset, "amount": amount})
        if play.id == "kraken":
            self.venue.happen({"kind": "deposit", "asset": "KFEE", "amount": "900"})

    def credential(self) -> Credential:
        key = self.key
        return Credential(venue=self.play.id, key=key["key"], secret=key["secret"], passphrase=key.get("passphrase"))

    def ids(self) -> dict[str, list[dict[str, Any]]]:
        """Every order that the venue ever accepted, by our id."""
        found: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
        for order in self.venue.orders()["accounts"]["master"]["orders"]:
            if order["client_order_id"]:
                found[order["client_order_id"]].append(order)
        return found

    def too_quick(self) -> dict[str, object]:
        """Orders that the venue refused for their pace, by our id: it is well that says so."""
        answers = self.record.answers.items()
        return {own: None for own, told in answers if any("ate limit" in each or each in _PACE for each in told)}

    def fail(self, kind: str, rng: random.Random, *, for_s: float) -> None:
        """Fail in one way, until ``heal``."""
        rest: Callable[..., dict[str, Any]] = lambda **action: {"kind": "rest", "action": action}  # noqa: E731
        no_stream = {"kind": "handshake", "action": {"do": "refuse", "status": rng.choice((0, 502))}}
        cut = {"kind": "streams", "action": {"do": "close", "code": rng.choice((1001, 1006, 1011))}}
        silent = {"kind": "streams", "action": {"do": "mute", "direction": "both"}}
        late = {"do": "delay", "low_s": 8.0, "high_s": 12.0}
        rules: list[dict[str, Any]] = []
        if kind == "refused":
            rules = [rest(do="unreachable", how=rng.choice(("refused", "dns", "tls"))), no_stream, cut]
        elif kind == "hangs":
            rules = [rest(do=rng.choice(("lose_request", "lose_reply")), how="silence"), no_stream, silent]
        elif kind == "error":
            rules = [rest(do="html_error", status=rng.choice((500, 503)), commits=rng.random() < 0.5), no_stream, cut]
        elif kind == "page":
            rules = [rest(do="answer", body=_PAGE, commits=rng.random() < 0.5), no_stream, cut]
        elif kind == "slow":
            rules = [rest(**{**late, "where": "reply"}), {"kind": "ws_out", "action": late}, no_stream]
        elif kind == "rest":
            rules = [rest(do="lose_request", how="silence")]
        elif kind == "mute":
            rules = [no_stream, silent]
        elif kind == "lockout":
            self._lock_out(for_s)
        else:
            self._close(True)
        for rule in rules:
            self.front.plan.add(rule)

    def heal(self) -> None:
        """Be well again; a lockout passes by itself."""
        self.front.plan.clear()
        self._close(False)
        if self.play.id == "okx":
            self.venue.happen({"kind": "key_freeze", "key": self.key["key"], "on": False})

    def _lock_out(self, for_s: float) -> None:
        if self.play.id == "okx":
            self.venue.happen({"kind": "key_freeze", "key": self.key["key"], "on": True})
        else:
            self.front.plan.add({"kind": "lockout", "for_s": for_s})

    def _close(self, is_closed: bool) -> None:
        if self.play.id == "okx":
            self.venue.happen({"kind": "outage", "on": is_closed})
        else:
            self.venue.happen({"kind": "mode", "mode": "maintenance" if is_closed else "online"})


class _Run:
    """The world of one seed."""

    def __init__(self, seed: int, folder: Path, *, keeps_digest: bool) -> None:
        self.seed = seed
        self.folder = folder
        self.rng = random.Random(f"failover {seed}")
        self.clock = FakeClock(asyncio.get_running_loop())
        plays = list(PLAYS.values())
        self.rng.shuffle(plays)
        self.sites = [
            _Site(play, seed=seed, clock=self.clock, rng=self.rng, keeps_digest=keeps_digest) for play in plays
        ]
        self.by_name = {site.name: site for site in self.sites}
        self.sites[0].record.number_tasks(asyncio.get_running_loop())
        self.routing = self.rng.choice(
            (*[RoutingSettings()] * 3, RoutingSettings(policy="round_robin"), RoutingSettings(policy="most_spendable"))
        )
        self.orders = self.rng.choice((*[OrderSettings()] * 2, OrderSettings(prefer="rest")))
        self.lanes: dict[str, dict[str, MemoryLane]] = {site.name: {} for site in self.sites}
        self.judge = FailoverJudge(clock=self.clock)
        self.asked = self.judge.asked
        self.figures = self.judge.figures
        self.events: list[tuple[float, Event]] = []
        self.desk: holdfast.Desk | None = None
        self.lives: list[Life] = []
        self._opened = contextlib.AsyncExitStack()
        self._bots: list[asyncio.Task[None]] = []
        self._orders: set[asyncio.Task[None]] = set()
        self.pace_s = (0.4, 2.0)

    # The client

    def config(self) -> Config:
        brokers = {
            site.name: BrokerConfig(
                name=site.name,
                venue=site.play.id,
                environment="simulated",
                rest_url="http://127.0.0.1:1",
                ws_url=site.play.ws_url,
                orders=self.orders,
                rate_tier="pro" if site.play.id == "kraken" else None,
            )
            for site in self.sites
        }
        return Config(brokers=brokers, routing=self.routing)

    async def open(self) -> None:
        self.lives = [
            Life(
                site.record,
                clock=self.clock,
                venue_us=site.venue.now_us,
                describe=site.venue.describe,
                play=site.play,
            )
            for site in self.sites
        ]
        lives = {life._play.broker: life for life in self.lives}
        made = {
            site.name: memory_parts(
                clock=self.clock,
                venue=site.play.adapter,
                credential=site.credential(),
                lanes=self.lanes[site.name],
                seed=self.seed,
            )
            for site in self.sites
        }
        disk = self.lives[0].disk()
        first = made[self.sites[0].name]

        async def store(broker: BrokerConfig, emit: Emit) -> Store:
            path = self.folder / f"{broker.name}.db"
            return await SqliteStore.open(
                path,
                wall_us=self.clock.wall_us,
                writer="inline",
                emit=emit,
                broker=broker.name,
                connection_class=disk,
            )

        async def routes(environment: str) -> RouteBook:
            return await SqliteRoutes.open(
                self.folder / f"routes-{environment}.db", writer="inline", connection_class=disk
            )

        parts = dataclasses.replace(
            first,
            venue=lambda venue: PLAYS[venue].adapter,
            credential=lambda broker, _: self.by_name[broker.name].credential(),
            http=lambda broker: lives[broker.name].http(self.by_name[broker.name].front.http_wire(clock=self.clock)),
            streams=lambda broker: lives[broker.name].streams(self.by_name[broker.name].front.stream_wire()),
            lane=lambda broker, credential, emit: made[broker.name].lane(broker, credential, emit),
            store=store,
            routes=routes,
        )
        life = self.lives[0]

        def on_event(event: Event) -> None:
            if not life.is_over:
                self.events.append((self.clock.now_s(), event))

        self.desk = await self._opened.enter_async_context(holdfast.open(self.config(), parts=parts, on_event=on_event))

    async def close(self) -> None:
        opened, self._opened, self.desk = self._opened, contextlib.AsyncExitStack(), None
        await opened.aclose()

    async def crash(self) -> None:
        opened, self._opened, self.desk = self._opened, contextlib.AsyncExitStack(), None
        for life in self.lives[1:]:
            life.is_over = True
        await self.lives[0].end()
        for life in self.lives[1:]:
            for socket in life._sockets:
                socket.abort()
        opened.pop_all()

    # Bots

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._bots = [loop.create_task(self._bot(number), name=f"bot {number}") for number in range(3)]
        self._bots.append(loop.create_task(self._sweep(), name="bot sweep"))

    async def stop(self, *, waits: bool = False) -> None:
        """No more orders; with *waits* those under way come to their end, else nobody waits for their answers."""
        bots, self._bots = self._bots, []
        orders = sorted(self._orders, key=lambda task: task.get_name())
        for task in (*bots, *(() if waits else orders)):
            task.cancel()
        for result in await asyncio.gather(*bots, *orders, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _bot(self, number: int) -> None:
        rng = random.Random(f"bot {self.seed} {number} {len(self.asked)}")
        while True:
            await asyncio.sleep(rng.uniform(*self.pace_s))
            if self.desk is not None:
                is_exit = number == 2 and rng.random() < 0.3
                self.figures.intents += 1
                asked = Asked(f"i{self.figures.intents}", self.clock.now_s(), is_exit, self.figures.restarts)
                self.asked.append(asked)
                # An order does not wait for the one before it: bots are many.
                task = asyncio.get_running_loop().create_task(
                    self._place(asked, rng.random() < 0.5), name=f"order {asked.intent_id}"
                )
                self._orders.add(task)
                task.add_done_callback(self._orders.discard)

    async def _place(self, asked: Asked, is_market: bool) -> None:
        desk = self.desk
        assert desk is not None
        try:
            if asked.is_exit:
                order = await desk.place_market_order(_SYMBOL, "sell", "0.0005", intent_id=asked.intent_id)
            elif is_market:
                order = await desk.place_market_order(_SYMBOL, "buy", quote_quantity="20", intent_id=asked.intent_id)
            else:
                price = (self.sites[0].venue.mid(_SYMBOL) * Decimal("0.7")).quantize(Decimal("0.1"))
                order = await desk.place_limit_order(
                    _SYMBOL, "buy", "0.001", format_amount(price), intent_id=asked.intent_id
                )
            asked.broker = order.broker
        except HoldfastError as error:
            asked.error = error
        asked.ended_s = self.clock.now_s()

    async def _sweep(self) -> None:
        """Take back what rests, so that money and open orders do not run out."""
        while True:
            await asyncio.sleep(4.0)
            desk = self.desk
            if desk is None:
                continue
            for broker in desk:
                resting = [each for each in broker.open_orders() if each.intent_id and each.order_id]
                for order in resting[:-3]:
                    with contextlib.suppress(HoldfastError):
                        await broker.cancel_order(order)

    async def retry_lost(self) -> None:
        """What a bot does that came back: it asks again for everything it has no answer to, under the same names."""
        for asked in self.asked:
            if asked.ended_s is None and asked.life < self.figures.restarts:
                await self._place(asked, False)
                self.figures.repeated += isinstance(asked.error, IntentRepeatedError)

    async def restart(self) -> None:
        self.figures.restarts += 1
        await self.stop()
        await (self.close() if self.rng.random() < 0.4 else self.crash())
        await asyncio.sleep(self.rng.choice((0.5, 3.0, 15.0)))
        await self.open()

    def said(self, name: str, since_s: float = 0.0) -> list[tuple[float, dict[str, Any]]]:
        return [(at_s, event.fields) for at_s, event in self.events if event.name == name and at_s >= since_s]

    def choice_now(self) -> str | None:
        """Which broker the latest decision took."""
        told = self.said("routing.decided")
        return told[-1][1]["broker"] if told else None


@contextlib.asynccontextmanager
async def _opened_run(seed: int, *, keeps_digest: bool) -> AsyncIterator[_Run]:
    at = _MEMORY_DISK if _MEMORY_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hf-failover-", dir=at) as folder:
        run = _Run(seed, Path(folder), keeps_digest=keeps_digest)
        await run.open()
        try:
            yield run
        finally:
            await run.stop()
            with contextlib.suppress(HoldfastError, sqlite3.Error):
                await run.close()


async def failover(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """One venue of three fails and heals; see the module."""
    async with _opened_run(seed, keeps_digest=keeps_digest) as run:
        rng = run.rng
        assert run.desk is not None
        await run.desk.ready(timeout_s=90)
        run.start()
        await asyncio.sleep(rng.uniform(4.0, 8.0))
        # Mostly the one that takes the orders: what fails unused is no failover.
        site = run.sites[0] if rng.random() < 0.8 else rng.choice(run.sites[1:])
        kind = KINDS[seed % len(KINDS)]
        failed_s = run.clock.now_s()
        await _outage(run, site, kind)
        await _return(run, site, kind)
        if run.routing.policy == "priority" and site is run.sites[0] and not run.figures.restarts:
            run.judge.judge_patience(
                site.name, decided=run.said("routing.decided"), failed_s=failed_s, back_after_s=_BACK_AFTER_S
            )
        await run.stop(waits=True)
        await run.judge.judge_orders({each.name: each.ids() for each in run.sites}, run.desk.resolution)
        figures = run.figures
        figures.failed_over = len(run.said("routing.failed_over"))
        figures.failed_back = len(run.said("routing.failed_back"))
        figures.moved_on = len(run.said("routing.moved"))
        return {
            "converged_s": figures.longest_return_s,
            "failover": msgspec.to_builtins(figures),
            "kind": kind,
            "venue": site.play.id,
            "digest": "".join(each.front.digest() for each in run.sites) if keeps_digest else None,
        }


async def _outage(run: _Run, site: _Site, kind: str) -> None:
    rng = run.rng
    length_s = rng.uniform(25.0, 45.0)
    failed_s = run.clock.now_s()
    run.figures.outages += 1
    site.fail(kind, rng, for_s=length_s)
    if rng.random() < 0.35:
        first_s = rng.uniform(1.0, 15.0)
        await asyncio.sleep(first_s)
        await run.restart()
        await asyncio.sleep(2.0)
        run.start()
        length_s -= first_s
    await asyncio.sleep(max(length_s, 1.0))
    healed_s = run.clock.now_s()
    site.heal()
    if not run.figures.restarts:
        run.judge.judge_move(
            site.name,
            sent=site.record.sent,
            accepted={**site.ids(), **site.too_quick()},
            failed_s=failed_s,
            healed_s=healed_s,
        )


async def _return(run: _Run, site: _Site, kind: str) -> None:
    """Flow returns to a venue that is well for long enough, and does not go back and forth."""
    healed_s = run.clock.now_s()
    run.pace_s = (20.0, 40.0) if kind == "lockout" else (5.0, 12.0)  # A lockout may last for a quarter of an hour.
    desk = run.desk
    assert desk is not None
    # Until it would do: an account's fee that could not be read is asked for again a minute later.
    while (routing := await desk.route(_SYMBOL, "buy", quote_quantity="20", brokers=[site.name])).broker is None:
        if run.clock.now_s() - healed_s > _HEALED_WITHIN_S + 1000.0 * (kind == "lockout"):
            run.judge.violated(f"{site.name} would not do after {kind}: {routing.refusals}")
        await asyncio.sleep(2.0)
    well_s = run.clock.now_s()
    run.pace_s = (5.0, 12.0)
    await run.retry_lost()
    await asyncio.sleep(_BACK_AFTER_S + _BACK_WITHIN_S)
    back = [at_s for at_s, told in run.said("routing.decided", healed_s) if told["broker"] == site.name]
    if run.routing.policy == "priority" and site is run.sites[0]:
        if not back or back[-1] < run.clock.now_s() - _BACK_WITHIN_S:
            run.judge.violated(f"flow did not return to {site.name}, well for {run.clock.now_s() - well_s:.0f} s")
        run.figures.longest_return_s = back[0] - healed_s
    run.judge.judge_flapping(
        site.name,
        over=[(at_s, told) for at_s, told in run.said("routing.failed_over")],
        back=[(at_s, told) for at_s, told in run.said("routing.failed_back")],
    )
