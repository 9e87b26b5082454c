"""``holdfast demo``: three local venues, the real client, its dashboard, and what goes wrong between them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from holdfast.cli.common import Common, balance_row, print_json, say
from holdfast.cli.demo_orders import DemoBot
from holdfast.cli.demo_script import Step, play
from holdfast.cli.durations import seconds_of
from holdfast.cli.exits import Exit
from holdfast.cli.session import wait
from holdfast.cli.up import serving, stop_requested
from holdfast.core.amounts import parse_amount
from holdfast.testing import local_venue

if TYPE_CHECKING:
    from holdfast.core.events import Event
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk
    from holdfast.testing import LocalVenue

__all__ = ["demo"]

_BROKER: Final = "kraken-master"
_VENUES: Final = {"kraken": "BTC-USD", "coinbase": "BTC-USD", "okx": "BTC-USDT"}
"""Where the bots trade, and what."""
_CONVERGE_WITHIN_S: Final = 30.0
_LEAVE_FOR_THE_END_S: Final = 2.0
_REDRAW_S: Final = 0.125
_SHOWN_EVENTS: Final = frozenset(
    {
        "stream.connected",
        "stream.live",
        "stream.lost",
        "stream.gapped",
        "supervisor.changed",
        "read.failed",
        "read.recovered",
        "answer.suspected",
        "answer.confirmed",
        "discrepancy.found",
        "discrepancy.resolved",
        "balance.invalidated",
        "order.sent",
        "order.changed",
        "order.doubted",
        "order.resolved",
    }
)
_LEFT_OUT: Final = frozenset({"client_order_id"})


def demo(
    *,
    for_: Annotated[str | None, Parameter(name="--for", help="End by itself after this long: 20s, 5m.")] = None,
    seed: Annotated[int, Parameter(help="Seed of the local venue.")] = 1,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Watch holdfast work against a local Kraken, Coinbase and OKX: no keys, no network but this machine.

    Bots buy and sell and ask for more than there is, trades and deposits happen, Kraken's stream is cut, falls silent
    and heals, and every figure says how far it can be trusted. The dashboard shows it at the address that is printed.
    At the end the balances are compared with the venues' own ledgers: exit 0 if they are equal and nothing is left
    reserved, 8 if not.
    """
    return wait(_demo(None if for_ is None else seconds_of(for_), seed, common))


async def _demo(for_s: float | None, seed: int, common: Common) -> int:
    from holdfast.config import load_config

    record = _Record()
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_requested())
        say("starting a local Kraken, a local Coinbase and a local OKX ...")
        venues = await _started(stack, seed)
        for name, venue in venues.items():
            say(f"local {name} at {venue.ready['rest']}")
        say("state and keys of this demonstration go when it ends")
        config = load_config(_config_of(venues))
        names, told = list(config.brokers), record.on_event
        serving_ = serving(config, names, port=0, host=None, mode="own", as_json=False, log=False, on_event=told)
        async with serving_ as (desk, daemon):
            record.url = daemon.url
            broker = desk[_BROKER]
            bots = {
                name: DemoBot(
                    desk[f"{name}-master"],
                    record.teller(name),
                    symbol=symbol,
                    prefix="demo" if name == "kraken" else f"demo-{name}",
                )
                for name, symbol in _VENUES.items()
            }

            async def tell(step: Step) -> None:
                if step.path == "orders":
                    await bots[step.venue].act(step.document)
                else:
                    await asyncio.to_thread(venues[step.venue].post, step.path, step.document)

            await _until(stop, broker.wait_until("live", timeout_s=_CONVERGE_WITHIN_S))
            await _until(stop, desk.ready(timeout_s=_CONVERGE_WITHIN_S))
            async with contextlib.nullcontext() if common.is_json else _live(desk, record):
                playing = asyncio.create_task(play(tell, record.on_step))
                try:
                    await _pause(stop, playing, None if for_s is None else max(0.0, for_s - _LEAVE_FOR_THE_END_S))
                finally:
                    playing.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await playing
                ends = {name: await _ended(desk[f"{name}-master"], venues[name], bots[name]) for name in venues}
            summary = _summary(desk, record, bots, ends, seed=seed)
    if common.is_json:
        print_json(summary)
    else:
        _print_summary(summary)
    return Exit.OK if summary["equal"] and not summary["reservations_left"] else Exit.VERIFICATION_FAILED


async def _started(stack: contextlib.ExitStack, seed: int) -> dict[str, LocalVenue]:
    """The three of them, started at once."""
    made = {name: local_venue(name, seed=seed) for name in _VENUES}
    starting = (asyncio.to_thread(each.__enter__) for each in made.values())
    started = await asyncio.gather(*starting, return_exceptions=True)
    found: dict[str, LocalVenue] = {}
    for (name, each), venue in zip(made.items(), started, strict=True):
        if not isinstance(venue, BaseException):
            stack.push(each.__exit__)
            found[name] = venue
    for venue in started:
        if isinstance(venue, BaseException):
            raise venue
    return found


def _config_of(venues: Mapping[str, LocalVenue]) -> dict[str, Any]:
    """One configuration of them all; state lies beside the first one's keys, and goes with them."""
    first = next(iter(venues.values())).config
    brokers = {name: table for venue in venues.values() for name, table in venue.config["brokers"].items()}
    return {**first, "brokers": brokers}


async def _ended(
    broker: Broker, venue: LocalVenue, bot: DemoBot
) -> tuple[list[dict[str, Any]], dict[str, dict[str, str]]]:
    """Let a venue heal and a bot finish; what differs from the venue's ledger then, and that ledger."""
    await asyncio.to_thread(venue.heal)
    await bot.finish()
    await broker.refresh()
    return await _converge(broker, venue)


class _Record:
    """What happened, with the second it happened in."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.lines: collections.deque[tuple[float, str, str]] = collections.deque(maxlen=500)
        self.steps: list[dict[str, Any]] = []
        self.events: collections.Counter[str] = collections.Counter()
        self.is_drawn = False
        self.url: str | None = None

    def at_s(self) -> float:
        return round(time.monotonic() - self._start, 2)

    def on_step(self, step: Step) -> None:
        who = "bot" if step.path == "orders" else "venue"
        self.steps.append({"at_s": self.at_s(), "who": who, "venue": step.venue, "says": step.says})
        self._tell(who, f"{step.venue}: {step.says}")

    def teller(self, venue: str) -> Callable[[str], None]:
        """What takes the words of the bot at *venue*."""
        return lambda text: self._tell("bot", f"{venue}: {text}")

    def _tell(self, who: str, text: str) -> None:
        self.lines.append((self.at_s(), who, text))
        if not self.is_drawn:
            say(f"  {self.at_s():6.2f} s  {who}: {text}")

    def on_event(self, event: Event) -> None:
        self.events[event.name] += 1
        if event.name in _SHOWN_EVENTS and event.fields.get("after") != "sending":
            told = (
                (name, value) for name, value in event.fields.items() if name not in _LEFT_OUT and value is not None
            )
            self._tell("holdfast", f"{event.name}  {'  '.join(f'{name}={value}' for name, value in told)}")


async def _until(stop: asyncio.Event, work: Any) -> None:
    """Wait for *work*, or leave it when asked to stop."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        for task in (doing, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _pause(stop: asyncio.Event, playing: asyncio.Task[None], for_s: float | None) -> None:
    """Let the script play for *for_s* seconds, until told to stop, or until it fails."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, playing}, timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    finally:
        stopping.cancel()


async def _converge(broker: Broker, venue: LocalVenue) -> tuple[list[dict[str, Any]], dict[str, dict[str, str]]]:
    """Wait until our figures equal the venue's ledger; what still differs after the bound, and the ledger."""
    end = time.monotonic() + _CONVERGE_WITHIN_S
    while True:
        truth = await asyncio.to_thread(venue.truth)
        differences = _differences(broker, truth)
        is_settled = not differences and not broker.status().reservations
        if is_settled or time.monotonic() > end:
            return differences, truth
        await asyncio.sleep(0.25)


def _differences(broker: Broker, truth: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    balances = broker.balances()
    found: list[dict[str, Any]] = []
    for asset in sorted({*truth, *balances}):
        stated = truth.get(asset, {"total": "0", "held": "0", "available": "0"})
        ours = balances.get(asset)
        for figure in ("total", "held", "available"):
            mine = None if ours is None else getattr(ours, figure)
            theirs = parse_amount(stated[figure])
            if mine != theirs and not (ours is None and theirs == 0):
                found.append(
                    {
                        "asset": asset,
                        "figure": figure,
                        "ours": None if mine is None else str(mine),
                        "venue": str(theirs),
                    }
                )
        if ours is not None and not ours.is_fit_to_approve:
            found.append({"asset": asset, "figure": "state", "ours": ours.state.value, "venue": "live or fresh"})
    return found


def _summary(
    desk: Desk,
    record: _Record,
    bots: Mapping[str, DemoBot],
    ends: Mapping[str, tuple[list[dict[str, Any]], dict[str, dict[str, str]]]],
    *,
    seed: int,
) -> dict[str, Any]:
    """What came of it: of Kraken at the top, as ever, of every broker under ``brokers``; sums where it says so."""
    broker = desk[_BROKER]
    status, statuses = broker.status(), desk.status().values()
    _, truth = ends["kraken"]
    differences = [{"broker": f"{name}-master", **each} for name, (found, _) in ends.items() for each in found]
    return {
        "schema_version": 1,
        "broker": _BROKER,
        "seed": seed,
        "ran_s": record.at_s(),
        "equal": not differences,
        "differences": differences,
        "balances": {asset: balance_row(balance) for asset, balance in broker.balances().items()},
        "venue_truth": truth,
        "steps": record.steps,
        "orders": [{"broker": f"{name}-master", **each} for name, bot in bots.items() for each in bot.done],
        "events": dict(sorted(record.events.items())),
        "stream": {"state": status.stream.state, "connects": status.stream.connects},
        "nonces_refused": sum(each.nonce.refused for each in statuses),
        "discrepancies_open": sum(each.discrepancies for each in statuses),
        "reservations_left": sum(each.reservations for each in statuses),
        "orders_in_doubt": sum(each.in_doubt for each in statuses),
        "dashboard": record.url,
        "brokers": {
            each.name: {
                "equal": not ends[each.venue][0],
                "differences": ends[each.venue][0],
                "balances": {asset: balance_row(balance) for asset, balance in each.balances().items()},
                "venue_truth": ends[each.venue][1],
            }
            for each in desk
        },
    }


@contextlib.asynccontextmanager
async def _live(desk: Desk, record: _Record) -> AsyncIterator[None]:
    """Draw balances and events on the terminal while the block runs; plain lines where there is no terminal."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from holdfast.cli.tables import balances_table, plain

    console = Console(stderr=False)
    if not console.is_terminal:
        yield
        return

    def picture() -> Group:
        lines = []
        for at_s, who, text in list(record.lines)[-8:]:
            line = Text(f"{at_s:7.2f} s  ", style="dim")
            line.append(f"{who:9}", style="bold" if who != "holdfast" else "")
            line.append_text(plain(text))
            lines.append(line)
        heads = [Text(f"dashboard: {record.url}", style="bold"), Text("")]
        tables = [balances_table(each, limit=None if each.name == _BROKER else 4) for each in desk]
        return Group(*heads, *tables, Text(""), *lines)

    # Drawn from the loop: a desk is not for other threads, and rich's own refresh would be one.
    with Live(picture(), console=console, auto_refresh=False, transient=False) as live:

        async def draw() -> None:
            while True:
                live.update(picture(), refresh=True)
                await asyncio.sleep(_REDRAW_S)

        record.is_drawn = True
        drawing = asyncio.create_task(draw())
        try:
            yield
        finally:
            record.is_drawn = False
            drawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drawing
            live.update(picture(), refresh=True)


def _print_summary(summary: dict[str, Any]) -> None:
    say("")
    if summary["equal"]:
        say(f"after {summary['ran_s']:.0f} s every balance equals the venue's own ledger, to the last digit.")
    else:
        say(f"after {summary['ran_s']:.0f} s these differ from the venue's own ledger:")
        for row in summary["differences"]:
            say(f"  {row['broker']} {row['asset']} {row['figure']}: ours {row['ours']}, venue {row['venue']}")
    placed = [each for each in summary["orders"] if each["outcome"] == "placed" and "state" in each]
    denied = [each["code"] for each in summary["orders"] if each["outcome"] == "denied"]
    filled = sum(each["state"] == "filled" for each in placed)
    say(
        f"orders placed {len(placed)}, of them filled {filled}; denied {len(denied)} ({', '.join(map(str, denied))});"
        f" still reserved {summary['reservations_left']}."
    )
    events = summary["events"]
    say(
        f"streams lost {events.get('stream.lost', 0)}, connections {summary['stream']['connects']},"
        f" nonces refused {summary['nonces_refused']}."
    )
    say("next: `holdfast config init`, or read the tutorial in docs/.")
