"""
Breakers while everything fails and heals, judged by what they promise.

[N1, N2, N5, N6, N12, N13, H2, H3, H7, W1, W4, B1, B2, V3, L1] Bots place, exit and cancel without pause; a part of the
venue, or all of it, fails for seconds or minutes; the client may end and come back meanwhile. Then that part is well
again, and every breaker has to close by itself. Between outages the venue refuses orders for reasons of their own, as
often as it likes: that opens nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.config import OrderSettings
from holdfast.config.health import HealthSettings
from holdfast.core.amounts import format_amount
from holdfast.errors import HoldfastError
from holdfast.runtime.supervisor import Contact
from holdfast.runtime.vitals import READ_BREAK_MAX_S
from holdfast.simulators.core.ledger import LedgerEntry
from tests.scenarios.breakers_judge import BreakerJudge
from tests.scenarios.venues import play_now
from tests.scenarios.world import TRADING_POINTS, World, world

__all__ = ["breakers"]

_FUNDS: Final = {"USD": "200000", "BTC": "5", "KFEE": "900"}

# A dead connection is noticed and another one made, or a call that was under way when the venue healed comes back.
_NOTICED_S: Final = 12.0
# One call with its deadline, and the wait until somebody makes the next.
_TRIAL_S: Final = 5.0 + 3.0
_SETTLE_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class _Words:
    """
    What one venue calls things, and how it refuses.

    Attributes:
        place: What it calls an order over REST, and ``op`` over the stream; None where it takes none there.
        reads: What it calls reads.
        nonsense: An answer of its own that says nothing.
        errors: What it says when it is not well.
        refusal: The fault that says one of them.
        business: What it may say to an order without anything being wrong with the venue.
        business_faults: The faults that say one of those, however the order came.
        left_out: Open points under which what is no fault of the venue's cannot be told from one.
    """

    place: str
    op: str | None
    reads: list[str]
    nonsense: str
    errors: tuple[str, ...]
    refusal: Callable[[str], dict[str, Any]]
    business: tuple[str, ...]
    business_faults: Callable[[str], list[dict[str, Any]]]
    left_out: tuple[str, ...] = ()


_HTTP_STATUS: Final = {"UNAVAILABLE": 503, "INTERNAL": 500, "DEADLINE_EXCEEDED": 504}

_WORDS: Final[dict[str, _Words]] = {
    "kraken": _Words(
        place="AddOrder",
        op="add_order",
        reads=["BalanceEx", "Balance", "OpenOrders"],
        nonsense='{"error":["EAPI"]}',
        errors=("EService:Unavailable", "EService:Busy", "EGeneral:Internal error"),
        refusal=lambda error: {"error": error},
        business=(
            "EOrder:Insufficient funds",
            "EOrder:Order minimum not met",
            "EOrder:Invalid price",
            "EOrder:Rate limit exceeded",
            "EOrder:Orders limit exceeded",
            "EGeneral:Invalid arguments:volume",
            "EService:Market in post_only mode",
        ),
        business_faults=lambda error: [
            {"kind": "refuse", "name": name, "error": error, "when": "before"} for name in ("add_order", "AddOrder")
        ],
    ),
    "coinbase": _Words(
        place="CreateOrder",
        op=None,
        reads=["ListAccounts", "GetAccount", "ListOrders"],
        nonsense='{"error":"NEVER"}',
        errors=tuple(_HTTP_STATUS),
        refusal=lambda error: {"error": error, "status": _HTTP_STATUS[error]},
        business=(
            "INSUFFICIENT_FUND",
            "INVALID_LIMIT_PRICE",
            "INVALID_SIZE_PRECISION",
            "INVALID_PRICE_PRECISION",
            "INVALID_LIMIT_PRICE_POST_ONLY",
        ),
        business_faults=lambda error: [{"kind": "reject_orders", "reason": error}],
        # A reason whose word stands in one place only is unknown elsewhere, and a throttle that looks like a refused
        # token is told from a sick venue by nobody.
        left_out=("reason_in", "throttle_status"),
    ),
    "okx": _Words(
        place="POST trade/order",
        op="order",
        reads=["GET account/balance", "GET trade/orders-pending"],
        nonsense='{"code":1}',
        errors=("50001", "50013", "50026"),
        refusal=lambda error: {"code": error},
        business=("51008", "51020", "51121", "51006", "50011", "51131"),
        business_faults=lambda error: [
            {"kind": "refuse", "name": name, "code": error, "when": "before"} for name in ("order", "POST trade/order")
        ],
    ),
}


class _Run:
    """One scenario: the world, its judge, and the bots in it."""

    def __init__(self, w: World, judge: BreakerJudge, *, exits: bool) -> None:
        self.w = w
        self.judge = judge
        self.exits = exits
        self.serial = 0
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        acts = [(self.buy, 0.4, 2.0), (self.buy, 0.4, 2.0), (self.cancel, 1.0, 4.0), (self.look, 0.25, 0.25)]
        if self.exits:
            acts.append((self.exit, 2.0, 8.0))
        loop = asyncio.get_running_loop()
        for number, (act, low_s, high_s) in enumerate(acts):
            rng = random.Random(f"bot {self.w.seed} {number} {self.serial}")
            self.tasks.append(loop.create_task(self._live(act, rng, low_s, high_s), name=f"bot {number}"))

    async def stop(self) -> None:
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if result is not None and not isinstance(result, asyncio.CancelledError):
                self.w.checker.violated("I12", f"a bot ended with {type(result).__name__}: {result}")

    async def _live(self, act: Callable[[], Any], rng: random.Random, low_s: float, high_s: float) -> None:
        while True:
            await asyncio.sleep(rng.uniform(low_s, high_s))
            if self.w.desk is not None:
                with contextlib.suppress(HoldfastError):
                    await act()

    def _intent(self) -> str:
        self.serial += 1
        return f"i{self.serial}"

    async def buy(self) -> None:
        """A bid far below the market, which rests."""
        intent = self._intent()
        price = (self.w.venue.mid("BTC-USD") * Decimal("0.7")).quantize(Decimal("0.1"))
        try:
            await self.w.broker.place_limit_order("BTC-USD", "buy", "0.001", format_amount(price), intent_id=intent)
        finally:
            self.judge.came_back(intent)

    async def exit(self) -> None:
        await self.w.broker.place_market_order("BTC-USD", "sell", "0.0005", intent_id=self._intent())

    async def cancel(self) -> None:
        mine = [order for order in self.w.broker.open_orders() if order.intent_id is not None and order.order_id]
        for order in mine[:-4]:
            await self.w.broker.cancel_order(order)

    async def look(self) -> None:
        self.judge.look(self.w.broker)
        self.w.checker.check()

    # The client's lives

    async def restart(self) -> None:
        """End in order or at once, and come back."""
        w = self.w
        await self.stop()
        self.judge.unwatch(w.broker)
        await (w.close() if w.rng.random() < 0.5 else w.crash())
        await asyncio.sleep(w.rng.choice((0.0, 0.5, 3.0, 20.0)))
        await w.open()
        self.judge.watch(w.broker)
        self.start()


def _outage(w: World, contact: Contact) -> list[dict[str, Any]]:
    """Faults that together are one outage: of everything, of REST, of orders, of reads, or of the stream."""
    rng, words = w.rng, _WORDS[w.play.id]
    refused = {"do": "unreachable", "how": rng.choice(("refused", "dns", "tls", "connect_timeout"))}
    lost = {"do": rng.choice(("lose_request", "lose_reply")), "how": rng.choice(("silence", "reset", "close"))}
    page = {"do": "html_error", "status": rng.choice((500, 502, 503, 520)), "commits": rng.random() < 0.5}
    nonsense = {"do": "answer", "body": rng.choice(("", "[]", words.nonsense)), "commits": rng.random() < 0.5}
    rest = rng.choice((refused, lost, page, nonsense, {"do": "truncate"}))
    share = rng.choice((1.0, 1.0, 0.7))
    all_rest: dict[str, Any] = {"kind": "rest", "action": rest, "probability": share}
    reads: dict[str, Any] = {**all_rest, "name": words.reads}
    by_rest = {"kind": "rest", "name": [words.place]}
    orders: list[dict[str, Any]] = [{**by_rest, "action": rng.choice((lost, page, nonsense)), "probability": share}]
    unavailable: dict[str, Any] = {
        "kind": "refuse",
        "name": rng.choice(("*", words.op or words.place, words.place)),
        **words.refusal(rng.choice(words.errors)),
        "when": rng.choice(("before", "after")),
        "count": rng.choice((5, 40, 500)),
    }
    late = {"do": "delay", "low_s": 4.1, "high_s": 4.7}
    slow: list[dict[str, Any]] = [{**by_rest, "action": {**late, "where": "reply"}}]
    if words.op is not None:
        orders.append({"kind": "ws_in", "name": words.op, "action": {"do": "drop"}, "probability": share})
        slow.append({"kind": "ws_out", "name": words.op, "action": late})
    stream: list[dict[str, Any]] = [
        {"kind": "streams", "action": {"do": "close", "code": rng.choice((1001, 1006, 1011))}},
        {"kind": "handshake", "action": {"do": "refuse", "status": rng.choice((0, 429, 502))}},
    ]
    kinds = [[all_rest, *stream], [all_rest, *stream], [all_rest], orders, orders, [unavailable], slow, [reads]]
    if contact == "stream":
        kinds += [stream, [*stream, *orders]]
    return rng.choice(kinds)


async def breakers(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """Outages of every kind and length, each healed; every breaker closes by itself within its bound."""
    draw = random.Random(f"breakers {seed}")
    contact: Contact = draw.choice(("stream", "stream", "rest"))
    health = HealthSettings(
        failure_threshold=draw.choice((1, 3, 3, 5)),
        break_initial_s=draw.choice((2.0, 5.0, 5.0)),
        break_max_s=draw.choice((20.0, 60.0, 300.0)),
        trials=draw.choice((1, 1, 2)),
    )
    play = play_now()
    is_kraken = play.id == "kraken"
    points = tuple(name for name in play.drawn_points if name not in _WORDS[play.id].left_out)
    async with world(
        seed=seed,
        heartbeats=draw.random() < 0.25 or not is_kraken,
        keeps_store=True,
        keeps_digest=keeps_digest,
        contact=contact,
        points=TRADING_POINTS if is_kraken else points,
        settings={"tier": "pro"} if is_kraken else {},
        configured={
            **({"rate_tier": "pro"} if is_kraken else {}),
            "health": health,
            "orders": OrderSettings(prefer=draw.choice(("stream", "stream", "rest"))),
        },
        funds=_FUNDS if is_kraken else {asset: amount for asset, amount in _FUNDS.items() if asset != "KFEE"},
    ) as w:
        judge = BreakerJudge(
            record=w.record,
            clock=w.clock,
            trials=health.trials,
            break_max_s={"read": min(health.break_max_s, READ_BREAK_MAX_S), "trade": health.break_max_s},
            violated=w.checker.violated,
        )
        w.venue.watch(entries=lambda account, entries: _posted(w, entries))
        run = _Run(w, judge, exits=draw.random() < 0.5)
        w.on_event = judge.on_event
        await w.broker.ready(timeout_s=60)
        judge.watch(w.broker)
        run.start()
        try:
            for _ in range(draw.randint(2, 3)):
                await _refuse_business(run)
                for fault in _outage(w, contact):
                    w.fault(**fault)
                await _pass(run, draw.choice((6.0, 15.0, 40.0, 40.0, 150.0)), restarts=draw.random() < 0.35)
                w.heal()
                await _healed(run)
        finally:
            await run.stop()
        judge.judge_run()
        w.checker.check()
        return {
            "converged_s": round(judge.figures.longest_heal_s, 3),
            "breakers": msgspec.to_builtins(judge.figures),
            "digest": w.digest() if keeps_digest else None,
        }


def _posted(w: World, entries: Sequence[LedgerEntry]) -> None:
    for row in dict.fromkeys(entry.row for entry in entries):
        asset = w.venue.asset_of(row)
        w.checker.note_total(asset, w.venue.total(asset))


async def _pass(run: _Run, for_s: float, *, restarts: bool) -> None:
    w = run.w
    length_s = for_s * w.rng.uniform(0.5, 1.0)
    if restarts:
        first_s = length_s * w.rng.random()
        await w.sleep(first_s)
        await run.restart()
        length_s -= first_s
    await w.sleep(length_s)


async def _refuse_business(run: _Run) -> None:
    """The venue is well and refuses what it is asked for."""
    w, judge = run.w, run.judge
    before = dict(judge.figures.openings)
    words = _WORDS[w.play.id]
    errors = [w.rng.choice(words.business) for _ in range(3)]
    for error in errors:
        for fault in words.business_faults(error):
            w.fault(**fault, count=4)
    await w.sleep(8.0, 16.0)
    w.heal()
    judge.figures.business_refusals += len(errors)
    if judge.figures.openings != before:
        w.checker.violated("I8", f"refusals ({', '.join(errors)}) opened a breaker: {judge.figures.openings}")


async def _healed(run: _Run) -> None:
    """Wait until every breaker is closed; within a break and two trials of the venue's health."""
    w, judge = run.w, run.judge
    judge.figures.heals += 1
    judge.figures.heals_of_open += bool(judge.shut(w.broker))
    began_s = w.clock.now_s()
    bound_s = _NOTICED_S + max(judge.longest_break_s(name) for name in ("read", "trade")) + 2 * _TRIAL_S
    if w.broker.status().capability("stream").error_count:
        bound_s = max(bound_s, _NOTICED_S + 60.0 + 2 * _TRIAL_S)  # The stream's own backoff.
    bound_s += w.broker.status().nonce.parked_for_s or 0.0
    shut_s = began_s
    while (wrong := judge.shut(w.broker)) or w.clock.now_s() - began_s < _NOTICED_S:
        if wrong:
            shut_s = w.clock.now_s()
        if shut_s - began_s > bound_s:
            w.checker.violated("I7", f"not closed {bound_s:.0f} s after the venue was well: {', '.join(wrong)}")
        await w.sleep(0.5)
    judge.figures.longest_heal_s = max(judge.figures.longest_heal_s, shut_s - began_s)
    await w.sleep(3.0, 10.0)
    if wrong := judge.shut(w.broker):
        w.checker.violated("I7", f"closed, and shut again at a venue that is well: {', '.join(wrong)}")
