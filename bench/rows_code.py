"""What one call costs in code: signing it, reading its answer, taking a pushed frame."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec

from bench import payloads
from bench.clients import ask
from bench.figures import Figure, Scale, beside, cost_figure, median
from holdfast.core.balances import Snapshot, Source
from holdfast.core.ledger import Ledger, LedgerSettings
from holdfast.core.limits import ConnectionBudget
from holdfast.core.reconcile import Reconciler, ReconcileSettings
from holdfast.core.streaming import StreamLife, StreamSettings
from holdfast.runtime.account import Account
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.listeners import Listeners
from holdfast.venues.kraken import balances, parse
from holdfast.venues.kraken.sign import Signer
from holdfast.venues.kraken.stream import KrakenStream

__all__ = ["parsing", "sign", "streaming"]

_SIZES = (30, 300)
_KEY = bytes(range(64))
_SECRET = base64.b64encode(_KEY).decode()
_AT_LEAST_FASTER_THAN_CCXT = 5.0
_STREAM_PEERS = {
    "ccxt.pro": ("ccxt", "ccxt_stream"),
    "python-kraken-sdk": ("python-kraken-sdk", "kraken_sdk_stream"),
}
_BATCH = 32


def sign(scale: Scale) -> list[Figure]:
    """``API-Sign`` of one private call."""
    calls = scale.of(20_000, 200)
    path, nonce = b"/0/private/BalanceEx", b"1790000000000000"
    body = b"nonce=" + nonce
    signer = Signer(_KEY)

    def floor() -> str:
        digest = hashlib.sha256(nonce + body).digest()
        return base64.b64encode(hmac.digest(_KEY, path + digest, "sha512")).decode()

    def ours() -> str:
        return signer.sign(path, nonce=nonce, body=body)

    if floor() != ours():
        raise RuntimeError("the signatures differ: the two do not do the same work")
    took_us = beside({"floor": floor, "ours": ours}, calls=calls, repeats=scale.repeats)
    order = {"what": "sign", "secret": _SECRET, "calls": scale.of(5_000, 50), "repeats": scale.repeats}
    peers = {client: ask(client, f"{client}_calls", order, "sign")["sign"] for client in ("ccxt", "krakenex")}
    return [
        cost_figure(
            "sign", "BalanceEx", unit="µs", floor=took_us["floor"], ours=took_us["ours"], at_most=1.3, peers=peers
        )
    ]


class _ExRow(msgspec.Struct):
    balance: Decimal
    hold_trade: Decimal


class _ExAnswer(msgspec.Struct):
    error: list[str]
    result: dict[str, _ExRow]


def parsing(scale: Scale) -> list[Figure]:
    """``BalanceEx``, from its bytes to exact holdings; the floor decodes types and judges nothing."""
    decode = msgspec.json.Decoder(_ExAnswer).decode
    bodies = {size: payloads.balance_ex(size) for size in _SIZES}
    order = {
        "what": "parse",
        "secret": _SECRET,
        "calls": scale.of(200, 5),
        "repeats": scale.repeats,
        "bodies": {str(size): body.decode() for size, body in bodies.items()},
    }
    theirs = ask("ccxt", "ccxt_calls", order, *order["bodies"])  # type: ignore[misc]
    figures = []
    for size, body in bodies.items():
        names = parse.names_of(payloads.assets(size), payloads.asset_pairs())

        def ours(body: bytes = body, names: Any = names) -> object:
            return balances.balance_ex(body, names, auto_earn_spendable=True)

        def floor(body: bytes = body) -> object:
            return decode(body)

        took_us = beside({"floor": floor, "ours": ours}, calls=scale.of(60_000 // size, 10), repeats=scale.repeats)
        peer = theirs[str(size)]
        figure = cost_figure(
            "parse",
            f"BalanceEx, {size} assets",
            unit="µs",
            floor=took_us["floor"],
            ours=took_us["ours"],
            at_most=2.0,
            peers={"ccxt": peer},
        )
        if not isinstance(peer, str):
            times = peer / took_us["ours"]
            figure = msgspec.structs.replace(
                figure,
                goal=f"{figure.goal}, ccxt / ours ≥ {_AT_LEAST_FASTER_THAN_CCXT:g}",
                is_met=figure.is_met and times >= _AT_LEAST_FASTER_THAN_CCXT,
                facts={"ccxt_over_ours": round(times, 2)},
            )
        figures.append(figure)
    return figures


class _FrameRow(msgspec.Struct):
    """What decides a balance: without the wallet an earning one is taken for the account's, and it is money of both."""

    asset: str
    wallet_type: str
    wallet_id: str
    amount: Decimal
    fee: Decimal
    balance: Decimal


class _BareRow(msgspec.Struct):
    asset: str
    balance: Decimal


class _Frame(msgspec.Struct):
    channel: str
    type: str
    data: list[_FrameRow]
    sequence: int


class _BareFrame(msgspec.Struct):
    channel: str
    type: str
    data: list[_BareRow]
    sequence: int


class _Figure(msgspec.Struct, frozen=True):
    asset: str
    total: Decimal
    as_of_s: float


def _stream_floor(shape: type[_Frame | _BareFrame]) -> Callable[[bytes], None]:
    """Typed decode, sequence check, one entry swapped, one callback."""
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode
    view: dict[str, _Figure] = {}
    now_s = time.monotonic
    last = 1
    told = 0

    def tell(_: str) -> None:
        nonlocal told
        told += 1

    def on_frame(frame: bytes) -> None:
        nonlocal last
        update = decode(frame)
        if update.channel != "balances" or update.sequence != last + 1:
            raise ValueError("out of sequence")
        last = update.sequence
        at_s = now_s()
        for row in update.data:
            view[row.asset] = _Figure(row.asset, row.balance, at_s)
            tell(row.asset)

    return on_frame


class _NoStore:
    """The journal is no part of the row."""

    def append(self, rows: object) -> None:
        return None

    def status(self) -> None:
        return None


class _Wire:
    """Holds what the stream hands over to be called with frames."""

    def __init__(self) -> None:
        self.connected: asyncio.Future[Callable[[bytes], None]] = asyncio.get_running_loop().create_future()

    async def connect(self, url: str, *, on_frame: Callable[[bytes], None], **_: object) -> _Wire:
        self.connected.set_result(on_frame)
        return self

    def send(self, frame: bytes) -> None:
        return None

    def abort(self) -> None:
        return None


class _Client:
    """What a stream asks of the REST client."""

    on_credit: frozenset[str] = frozenset()
    locked_assets: frozenset[str] = frozenset()

    def __init__(self, names: object) -> None:
        self._names = names

    async def names(self) -> object:
        return self._names

    async def websocket_token(self) -> str:
        return "t"


class _Live:
    """A live account behind the real stream, and how often its one subscriber was told."""

    def __init__(self, on_frame: Callable[[bytes], None], ledger: Ledger, clock: SystemClock) -> None:
        self.on_frame = on_frame
        self.told = 0
        self._ledger = ledger
        self._clock = clock

    def tell(self, _: object) -> None:
        self.told += 1

    def total(self) -> Decimal:
        """USD, which is live or else the row measured something else than it says."""
        balance = self._ledger.balance("USD", now_s=self._clock.now_s())
        if balance.state != "live" or balance.total is None:
            raise RuntimeError(f"USD is {balance.state}")
        return balance.total


@contextlib.asynccontextmanager
async def _live(assets: int) -> AsyncIterator[_Live]:
    clock, wire, dice = SystemClock(), _Wire(), random.Random(0)
    names = parse.names_of(payloads.assets(assets), payloads.asset_pairs())
    anything: Any = wire
    client: Any = _Client(names)
    store: Any = _NoStore()
    stream = KrakenStream(
        wire=anything, client=client, clock=clock, emit=lambda _: None, ws_url="ws://x", account="bench"
    )
    ledger = Ledger(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
    life = StreamLife(
        rules=stream.rules,
        settings=StreamSettings(),
        budget=ConnectionBudget(limit=100, window_s=600),
        randomness=dice,
        now_s=clock.now_s(),
    )
    reconciler = Reconciler(settings=ReconcileSettings(), reads=("BalanceEx", "Balance"), budget=None, randomness=dice)
    changed, discrepancies = Listeners(), Listeners()
    account = Account(
        name="bench",
        ledger=ledger,
        life=life,
        reconciler=reconciler,
        store=store,
        clock=clock,
        emitter=Emitter(),
        listeners=(changed, discrepancies),
    )
    account.stream = stream
    running = asyncio.create_task(stream.run(account))
    try:
        hear = await wire.connected
        await asyncio.sleep(0.01)
        hear(b'{"method":"subscribe","result":{"channel":"balances","snapshot":true},"success":true,"req_id":1}')
        hear(b'{"method":"subscribe","result":{"channel":"executions"},"success":true,"req_id":2}')
        reading = balances.balance_ex(payloads.balance_ex(assets), names, auto_earn_spendable=True)
        hear(payloads.snapshot(assets))
        hear(b'{"channel":"executions","type":"snapshot","data":[],"sequence":1}')
        await asyncio.sleep(0.01)
        now_s = clock.now_s()
        snapshot = Snapshot(
            read="BalanceEx", source=Source.REST, as_of_s=now_s, holdings=reading.holdings, states_holds=True
        )
        account.take(ledger.state_snapshot, snapshot, read="BalanceEx", now_s=now_s)
        live = _Live(hear, ledger, clock)
        changed.subscribe(live.tell)
        yield live
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def streaming(scale: Scale) -> list[Figure]:
    """One ``balances`` update of one asset: from its bytes to the swapped figure and the subscriber told; CPU."""
    frames = [frame.decode() for frame in payloads.updates(scale.of(300, 5))]
    accounts = {str(size): {"snapshot": payloads.snapshot(size).decode(), "updates": frames} for size in _SIZES}
    order = {"accounts": accounts, "repeats": scale.repeats}
    theirs = {client: ask(name, script, order, *accounts) for client, (name, script) in _STREAM_PEERS.items()}
    figures = []
    for size in _SIZES:
        peers = {client: took_us[str(size)] for client, took_us in theirs.items()}
        figures.append(asyncio.run(_streaming(scale, size, peers)))
    return figures


async def _streaming(scale: Scale, assets: int, peers: dict[str, float | str]) -> Figure:
    batches = scale.of(64, 2)
    async with _live(assets) as live:
        steps = {"floor": _stream_floor(_Frame), "bare": _stream_floor(_BareFrame), "ours": live.on_frame}
        took_us: dict[str, list[float]] = {name: [] for name in steps}
        total, number = live.total(), 2
        for turn in range(scale.repeats + 1):
            whole_us = dict.fromkeys(steps, 0.0)
            for _ in range(batches):
                frames = payloads.updates(_BATCH, first=number, start=total)
                number += _BATCH
                total += Decimal("1.25") * _BATCH
                for name, step in steps.items():
                    whole_us[name] += _took_us(step, frames)
                # The journal's rows are handed over between batches, as between two reads of a socket: untimed.
                await asyncio.sleep(0)
            if turn:  # The first warms all of them up.
                for name, each in whole_us.items():
                    took_us[name].append(each / batches / _BATCH)
            if live.total() != total:
                raise RuntimeError("frames were not applied")
        if live.told != _BATCH * batches * (scale.repeats + 1):
            raise RuntimeError(f"the subscriber was told {live.told} times")
    ours_us = median(took_us["ours"])
    return cost_figure(
        "stream",
        f"balances update, {assets} assets",
        unit="µs",
        floor=median(took_us["floor"]),
        ours=ours_us,
        at_most=3.0,
        peers=peers,
        facts={"ratio_to_balance_alone": ours_us / median(took_us["bare"])},
    )


def _took_us(on_frame: Callable[[bytes], None], frames: list[bytes]) -> float:
    gc.disable()
    try:
        began_ns = time.thread_time_ns()
        for frame in frames:
            on_frame(frame)
        return (time.thread_time_ns() - began_ns) / 1000
    finally:
        gc.enable()
