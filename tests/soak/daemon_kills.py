"""
A daemon that is killed again and again while bots trade through it: what streams, attached desks and claims come to.

    python -m tests.soak daemon_kills

One daemon owns a simulated Kraken and is killed with SIGKILL at a moment that nobody chose. Streams come back with
their last id, attached desks by themselves; orders are placed all the while under intents of their own. Judged in the
end: every row of the journal came to every stream exactly once and in order, no intent placed a second order at the
venue, no order that the venue knows is unknown to us, and what was claimed and never placed is claimed still.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import socket
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

import holdfast
from holdfast.daemon.access import Role, TokenFile
from holdfast.daemon.places import tokens_path
from holdfast.errors import HoldfastError
from holdfast.runtime.broker import Broker
from holdfast.runtime.state_folder import StateFolder
from holdfast.testing import LocalVenue, local_venue
from tests.daemon.lives import started, write_config
from tests.daemon.rig import Sse
from tools.evidence import FOLDER, evidence

__all__ = ["StreamBrokenError", "main", "measure"]

_BROKER: Final = "kraken-master"
_STREAMS: Final = 4
_BOTS: Final = 3
_SEED: Final = 7
_REMEMBERED: Final = 1000
_ENDED: Final = (aiohttp.ClientError, OSError, EOFError, asyncio.IncompleteReadError, TimeoutError)


class StreamBrokenError(AssertionError):
    """Something was missed, came twice, or was lost."""


class _Reader:
    """A client of the stream that comes back wherever it was."""

    def __init__(self, url: str, bearer: str) -> None:
        self.rows: list[int] = []
        self.marks = 0
        self.gaps: list[dict[str, Any]] = []
        self.longest_silence_s = 0.0
        self._url = url
        self._bearer = bearer
        self._last: str | None = None

    async def run(self) -> None:
        """Read until cancelled."""
        heard_s = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=2)) as session:
            while True:
                headers = {"Authorization": f"Bearer {self._bearer}"}
                if self._last is not None:
                    headers["Last-Event-ID"] = self._last
                with contextlib.suppress(
                    aiohttp.ClientError, OSError, EOFError, asyncio.IncompleteReadError, TimeoutError
                ):
                    async with session.get(f"{self._url}/v1/stream", headers=headers) as answer:
                        if answer.status == 200:
                            self.marks += 1
                            stream = Sse(answer)
                            while True:
                                kind, told = await stream.next(within_s=6.0)
                                self.longest_silence_s = max(self.longest_silence_s, time.monotonic() - heard_s)
                                heard_s = time.monotonic()
                                self._last = stream.last_id
                                if kind == "journal":
                                    self.rows.append(told["seq"])
                                elif kind == "gap":
                                    self.gaps.append(told)
                await asyncio.sleep(0.1)


async def _trade(broker: Broker, dice: random.Random, name: str, said: Counter[str]) -> None:
    """Small orders and claims, each under an intent of its own, whatever becomes of the daemon."""
    number = 0
    while True:
        number += 1
        intent = f"{name}-{number}"
        try:
            if dice.random() < 0.3:
                verdict = await broker.verify_balance_before_order(
                    "BTC-USD", "buy", quote_quantity="12", intent_id=intent, reserve=True
                )
                if verdict.is_reserved:
                    await broker.release_reservation(intent)
                    said["released"] += 1
            else:
                await broker.place_market_order("BTC-USD", "buy", quote_quantity="11", intent_id=intent)
                said["placed"] += 1
        except HoldfastError as error:
            said[type(error).__name__] += 1
        await asyncio.sleep(dice.uniform(0.01, 0.1))


def _orders_at(venue: LocalVenue) -> Counter[str]:
    """How often each client order id arrived at the venue with an order to be placed."""
    with urllib.request.urlopen(venue.ready["admin"] + "/journal?since=0", timeout=30) as answer:
        entries = json.load(answer)["entries"]
    return Counter(
        entry["client_order_id"]
        for entry in entries
        if entry["kind"] in ("request", "ws_in")
        and entry.get("name", "").rpartition("/")[2] in ("add_order", "AddOrder")
        and entry.get("client_order_id")
    )


async def measure(folder: Path, *, kills: int) -> dict[str, Any]:
    """Kill the daemon *kills* times under load; figures. Raises where something was missed, doubled or lost."""
    dice = random.Random(_SEED)  # Moments, no secrets.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with local_venue("kraken", seed=_SEED) as venue:
        config = write_config(venue, folder, orders={"unsent_ttl_s": 3600.0})
        tokens = TokenFile(tokens_path(StateFolder.open(folder / "state")))
        bearer = tokens.create("soak", Role.OPERATE, wall_us=time.time_ns() // 1000)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(bearer)
        url = f"http://127.0.0.1:{port}"
        readers = [_Reader(url, bearer) for _ in range(_STREAMS)]
        said: Counter[str] = Counter()
        tasks: list[asyncio.Task[None]] = []
        recovered: list[float] = []
        figures: dict[str, Any] = {}
        broker: Broker | None = None
        async with contextlib.AsyncExitStack() as stack:
            for number in range(kills + 1):
                async with started(config, port=port) as life:
                    if broker is None:
                        desk = await stack.enter_async_context(holdfast.connect(url, token_file=token, wait_s=60.0))
                        broker = desk[_BROKER]
                        kept = await broker.verify_balance_before_order(
                            "BTC-USD", "buy", quote_quantity="50", intent_id="kept", reserve=True
                        )
                        if not kept.is_reserved:
                            raise StreamBrokenError(f"nothing could be claimed: {kept.code}")
                        await broker.place_limit_order("BTC-USD", "buy", "0.001", "20000", intent_id="rests")
                        tasks += [asyncio.create_task(reader.run()) for reader in readers]
                        tasks += [
                            asyncio.create_task(_trade(broker, random.Random(each), f"bot{each}", said))
                            for each in range(_BOTS)
                        ]
                    else:
                        began_s = time.monotonic()
                        await broker.ready(timeout_s=60)
                        recovered.append(time.monotonic() - began_s)
                    if number < kills:
                        await asyncio.sleep(dice.uniform(0.5, 2.5))
                        await life.end(signal.SIGKILL)
                        continue
                    await asyncio.sleep(1.0)
                    for task in tasks[_STREAMS:]:
                        task.cancel()
                    await asyncio.gather(*tasks[_STREAMS:], return_exceptions=True)
                    figures = await _judged(broker, readers, venue)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        **figures,
        "kills": kills,
        "orders_and_claims": dict(sorted(said.items())),
        "ready_again_within_s": round(max(recovered, default=0.0), 2),
        "longest_silence_of_a_stream_s": round(max(each.longest_silence_s for each in readers), 2),
    }


async def _judged(broker: Broker, readers: list[_Reader], venue: LocalVenue) -> dict[str, Any]:
    (newest,) = await broker.history(limit=1, newest_first=True)
    assert newest.seq is not None
    async with asyncio.timeout(60):
        while any(not each.rows or each.rows[-1] < newest.seq for each in readers):  # noqa: ASYNC110  # Others' tasks.
            await asyncio.sleep(0.1)
    for number, reader in enumerate(readers):
        rows = reader.rows
        if rows != list(range(rows[0], rows[-1] + 1)) or reader.gaps:
            odd = [(a, b) for a, b in itertools.pairwise(rows) if b != a + 1]
            raise StreamBrokenError(
                f"stream {number}: rows that do not follow each other: {odd[:5]}, gaps {reader.gaps}"
            )
    orders = await broker.orders(limit=_REMEMBERED)
    names = Counter(each.client_order_id for each in orders)
    doubled = [name for name, count in names.items() if count > 1]
    arrived = await asyncio.to_thread(_orders_at, venue)
    sent_twice = [name for name, count in arrived.items() if count > 1]
    if doubled or sent_twice:
        raise StreamBrokenError(f"placed twice: {doubled or sent_twice}")
    unknown = [name for name in arrived if name not in names]
    if unknown and len(orders) < _REMEMBERED:
        raise StreamBrokenError(f"{len(unknown)} orders that the venue saw are not known here: {unknown[:3]}")
    view = await broker.reservation("kept")
    rests = await broker.order("rests")
    if rests.is_ended:
        raise StreamBrokenError(f"the order that rests is {rests.state}")
    return {
        "streams": len(readers),
        "rows_told_to_each": len(readers[0].rows),
        "reconnects": sum(each.marks - 1 for each in readers),
        "rows_missed": 0,
        "rows_told_twice": 0,
        "orders_placed_twice": 0,
        "orders_sent": len(arrived),
        "orders_remembered": len(orders),
        "claim_kept": view.state.value,
    }


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where something was missed, doubled or lost."""
    with (
        evidence("daemon-kills", seeds=[_SEED], folder=folder) as figures,
        tempfile.TemporaryDirectory(prefix="hf-kills-") as place,
    ):
        figures.update(asyncio.run(measure(Path(place), kills=3 if quick else 30)))
    return (
        f"{figures['kills']} kills, {figures['rows_told_to_each']} rows to each of {figures['streams']} streams:"
        f" 0 missed, 0 twice; {figures['orders_remembered']} orders, 0 twice"
    )
