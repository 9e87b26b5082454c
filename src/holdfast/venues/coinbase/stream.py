"""
Coinbase's private stream: one connection with ``user`` (orders) and ``heartbeats``; balances are on none.

What a frame changes is changed in the plain function that receives it. The coroutine around it only does what has to
wait: fetch tokens, (un)subscribe, compare clocks. Frames of all channels are counted together, so one that is missing
may have been an order's: a new snapshot is asked for by unsubscribing, waiting until Coinbase's list of subscriptions
no longer names the channel, and subscribing again; until it has come nothing is delivered. Silence is judged by the
caller: heartbeats come every second.

Sources: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-authentication (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from holdfast.core.events import event
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.payloads import decode_strictly
from holdfast.core.seams import Clock, Emit, StreamConnection, StreamWire, WireError
from holdfast.core.venue import Channel, StreamRules, StreamSink
from holdfast.errors import (
    AmountError,
    ClosedError,
    FaultClass,
    OutcomeUnknownError,
    PayloadError,
    RateLimitedError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.coinbase import errors, limits, orders, wire
from holdfast.venues.coinbase.client import CoinbaseClient
from holdfast.venues.coinbase.user_orders import Ended, UserOrders

__all__ = ["CoinbaseStream"]

_RULES: Final = StreamRules(
    channels=(Channel.ORDERS,),
    silent_after_s=5.0,
    ping_after_s=2.0,  # There is nothing of ours to ping with: heartbeats are asked for instead.
    snapshot_within_s=10.0,
    connect_budget=limits.CONNECTS,
    connect_budget_window_s=limits.CONNECTS_WINDOW_S,
    pushes_balances=False,
    rest_lag_s=limits.REST_LAG_S,
)

_CONNECT_S: Final = 5.0

# A batch of the snapshot; the last one is smaller, and may be empty.
_BATCH: Final = 50
_MOST_ORDERS: Final = 100_000

# More new snapshots than this within the window, and the connection itself is given up.
_RESUBSCRIPTIONS: Final = 4
_RESUBSCRIPTIONS_WINDOW_S: Final = 60.0

# Frames by which a repetition is known.
_REMEMBERED: Final = 64

_USER: Final = "user"
_HEARTBEATS: Final = "heartbeats"

T = TypeVar("T")


class CoinbaseStream:
    """
    The private stream of one credential.

    Args:
        wire: Where connections come from.
        client: Where tokens and names come from.
        clock: Time of frames.
        emit: Takes ``stream.resubscribed``.
        ws_url: The address of the user's stream.
        account: The broker's name, for errors and events.
    """

    rules: StreamRules = _RULES

    def __init__(
        self, *, wire: StreamWire, client: CoinbaseClient, clock: Clock, emit: Emit, ws_url: str, account: str
    ) -> None:
        self._wire = wire
        self._client = client
        self._clock = clock
        self._emit = emit
        self._ws_url = ws_url
        self._account = account
        self._session: _Session | None = None
        self._ended = Ended()

    async def run(self, sink: StreamSink) -> None:
        """
        Open one connection and serve it until it ends. Suspends for the connection's whole life.

        Raises:
            VenueError: The connection, its handshake or its subscriptions failed, or it was lost.
            DeniedError: The credential's lane was busy or parked.
            ClosedError: It is running already.
        """
        if self._session is not None:
            raise ClosedError("coinbase: this stream is running already")
        session = self._session = _Session(self._client, sink, self._clock, self._emit, self._account, self._ended)
        try:
            # Coinbase drops a connection that subscribes to nothing for five seconds: what has to wait waits before.
            await session.prepare()
            try:
                await session.while_open(session.connect(self._wire, self._ws_url))
            except WireError as error:
                raise _of_handshake(error, self._account) from None
            await session.serve()
        except PayloadError as error:
            raise VenueError(
                f"coinbase stream: {error}",
                venue="coinbase",
                request="stream",
                account=self._account,
                fault=FaultClass.PAYLOAD,
            ) from error
        finally:
            self._session = None
            session.abandon()

    @property
    def can_send_orders(self) -> bool:
        """Never: Coinbase's stream takes none."""
        return False

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        Coinbase's stream takes no orders.

        Raises:
            VenueError: NEVER_SENT, always.
        """
        self._refuse(orders.CREATE)

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """As ``place_order``."""
        self._refuse(orders.PREVIEW)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """As ``place_order``."""
        self._refuse(orders.CANCEL)

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """
        As the client's.

        Raises:
            UnsupportedError: Always.
        """
        await self._client.cancel_all_after(timeout_s, deadline_s=deadline_s)

    def _refuse(self, request: str) -> NoReturn:
        raise orders.unsent("Coinbase's stream takes no orders", request, self._account)

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Ask for a new snapshot; what changes is dropped until it has come. Never suspends."""
        if self._session is not None and channel is Channel.ORDERS:
            self._session.resubscribe(reason)

    def abort(self, reason: str) -> None:
        """Drop the connection now; ``run`` raises. Never suspends."""
        if self._session is not None:
            self._session.end(_lost(f"aborted: {reason}", self._account))


class _Step(enum.Enum):
    """Where the subscription to ``user`` stands."""

    WANTED = "wanted"  # To be sent.
    SENT = "sent"  # Its snapshot may come, and so may Coinbase's list of subscriptions, in either order.
    UNWANTED = "unwanted"  # To be ended, so that a new one brings a new snapshot.
    LEAVING = "leaving"  # The end was sent: the list of subscriptions will say when it has come.


class _Session:
    """One connection, from before it is open to its end."""

    def __init__(
        self, client: CoinbaseClient, sink: StreamSink, clock: Clock, emit: Emit, account: str, ended: Ended
    ) -> None:
        self._client = client
        self._sink = sink
        self._clock = clock
        self._emit = emit
        self._account = account
        self._ended_orders = ended
        self._over: asyncio.Future[VenueError] = asyncio.get_running_loop().create_future()
        self._is_over = False  # The same, for every frame to see.
        self._wake = asyncio.Event()
        self._connection: StreamConnection | None = None
        self._is_open = False
        self._last: int | None = None  # The number of the frame last seen.
        self._seen: dict[int, int] = {}  # Frames by their numbers, as far as telling a repetition needs it.
        self._missed = range(0)
        self._step = _Step.WANTED
        self._is_acked = False
        self._is_stated = False
        self._is_retried = False
        self._batches: list[wire.UserOrder] = []
        self._kept_back: list[list[wire.UserOrder]] = []
        self._resubscribed_at_s: deque[float] = deque()

    # The life around the frames

    async def prepare(self) -> None:
        self._orders = UserOrders(await self.while_open(self._client.names()), self._ended_orders)
        self._tokens = [await self.while_open(self._client.stream_token()) for _ in range(2)]

    async def connect(self, wire: StreamWire, url: str) -> None:
        # Kept before anything else runs: whoever ends this session meanwhile finds what to abort.
        self._connection = await wire.connect(
            url,
            on_frame=self.on_frame,
            on_close=self.on_close,
            deadline_s=_CONNECT_S,
            headers={"User-Agent": "holdfast"},
        )

    async def serve(self) -> None:
        self._open()
        self._send("subscribe", _HEARTBEATS, self._tokens.pop())
        token: str | None = self._tokens.pop()
        while True:
            if self._step in (_Step.WANTED, _Step.UNWANTED):
                if token is None:
                    if self._is_retried:
                        await self.while_open(self._client.compare_clocks())
                    token = await self.while_open(self._client.stream_token())
                    continue  # The step may be another one by now.
                self._take_step(token)
                token = None
            self._wake.clear()
            await self.while_open(self._wake.wait())

    def _take_step(self, token: str) -> None:
        if self._step is _Step.UNWANTED:
            self._step = _Step.LEAVING
            self._send("unsubscribe", _USER, token)
            return
        self._step = _Step.SENT
        self._is_acked = False
        self._batches = []
        self._kept_back = []
        self._send("subscribe", _USER, token)

    async def while_open(self, waiting: Awaitable[T]) -> T:
        """Wait for something, but not beyond the connection's end."""
        task = asyncio.ensure_future(waiting)
        try:
            waited: set[asyncio.Future[Any]] = {task, self._over}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                raise self._over.result()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Seen: the connection's end is what is told.

    def end(self, error: VenueError) -> None:
        """The first reason to end is the one that counts."""
        if not self._over.done():
            self._over.set_result(error)
            self._is_over = True
        if self._connection is not None:
            self._connection.abort()

    def abandon(self) -> None:
        """Nothing of this connection reaches anybody from here on."""
        self.end(_lost("abandoned", self._account))

    def on_close(self, code: int | None, reason: str) -> None:
        told = "connection lost" if code is None else f"closed with code {code}"
        self.end(_lost(f"{told} {ascii(reason)[:80]}" if reason else told, self._account))

    def _open(self) -> None:
        # The venue's first frame may arrive before connect() has returned to us.
        if not self._is_open:
            self._is_open = True
            self._sink.stream_opened()

    def _send(self, type_: str, channel: str, token: str) -> None:
        assert self._connection is not None
        frame = {"type": type_, "channel": channel, "jwt": token}
        with contextlib.suppress(WireError):  # The connection's own end follows.
            self._connection.send(json.dumps(frame, separators=(",", ":")).encode())

    # Subscriptions

    def resubscribe(self, reason: str) -> None:
        """Drop what comes until a new snapshot."""
        if self._connection is None or self._is_over or self._step is not _Step.SENT:
            return  # Not subscribed yet, or on the way to a new one already.
        now_s = self._clock.now_s()
        recent = self._resubscribed_at_s
        while recent and recent[0] <= now_s - _RESUBSCRIPTIONS_WINDOW_S:
            recent.popleft()
        if len(recent) >= _RESUBSCRIPTIONS:
            self.end(_lost(f"{_USER} would not come right: {reason}", self._account))
            return
        recent.append(now_s)
        self._emit(event("stream.resubscribed", broker=self._account, channel=Channel.ORDERS.value, reason=reason))
        self._is_stated = False
        self._is_retried = False
        self._step = _Step.UNWANTED
        self._wake.set()

    def _subscribed(self, events: object) -> None:
        """Coinbase's list of everything that is subscribed here."""
        listed: set[str] = set()
        for each in _converted(events, wire.Subscriptions, "subscriptions"):
            listed |= each.subscriptions.keys()
        if self._step is _Step.SENT and _USER in listed and not self._is_acked:
            self._is_acked = True
            self._sink.channel_subscribed(Channel.ORDERS)
        elif self._step is _Step.SENT and _USER not in listed and self._is_acked:
            if self._is_stated:
                self._gapped(found=None)
            self.resubscribe("unsubscribed")
        elif self._step is _Step.LEAVING and _USER not in listed:
            self._step = _Step.WANTED
            self._wake.set()

    def _erred(self, message: str) -> None:
        """An error frame: it names no channel, and the connection stays open."""
        error, _ = errors.error_of(message, request="subscribe", account=self._account)
        if isinstance(error, RateLimitedError):
            self.end(error)
        elif self._step is _Step.SENT and not self._is_stated:
            if self._is_retried:
                self._sink.channel_refused(Channel.ORDERS, errors.shown(message))
                self.end(error)
                return
            # Whatever it says, the first refusal may be our clock's: once more with another token.
            self._is_retried = True
            self._is_acked = False
            self._step = _Step.WANTED
            self._wake.set()
        elif self._step is _Step.LEAVING:
            self.end(error)  # What comes from here on could be of either subscription.
        else:
            self._sink.answer_refused("stream", "error", errors.shown(message))

    # Frames

    def on_frame(self, frame: bytes) -> None:
        if self._is_over:
            return
        if not self._is_open:
            self._open()
        now_s = self._clock.now_s()
        self._sink.frame_arrived(now_s)
        channel = None
        try:
            decoded = decode_strictly(frame, wire.Frame)
            channel = decoded.channel
            if channel is None:
                if decoded.type != "error":
                    raise PayloadError("a frame that names no channel and is no error")
                self._erred(decoded.message or "no message")
                return
            if not self._is_next(decoded.sequence_num, frame):
                return
            if channel == _USER:
                self._user(decoded.events, now_s=now_s)
            elif channel == "subscriptions":
                self._subscribed(decoded.events)
        except PayloadError as error:
            if channel == _HEARTBEATS:
                return
            self._unbelieved(error)

    def _is_next(self, number: int | None, frame: bytes) -> bool:
        """
        True where a frame follows the one before; anything else is a gap, and nothing of it counts.

        But for a frame that came before, byte for byte, and one that comes after it was missed: neither is news.
        """
        if number is None:
            raise PayloadError("a frame without a number")
        expected = 0 if self._last is None else self._last + 1
        if number < expected and (self._seen.get(number) == hash(frame) or number in self._missed):
            return False
        self._last = number
        self._seen[number] = hash(frame)
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if number == expected:
            return True
        self._missed = range(expected, number)  # Empty where the count went back.
        # What was missed may have been an order's, a batch of the snapshot, or the word that we wait for.
        if self._step is _Step.LEAVING:
            self._step = _Step.UNWANTED
            self._wake.set()
        elif self._step is _Step.SENT:
            self._sink.channel_gapped(Channel.ORDERS, expected=expected, found=number)
            self.resubscribe("gap")
        return False

    def _user(self, events: object, *, now_s: float) -> None:
        for each in _converted(events, wire.UserEvent, _USER):
            if self._step is not _Step.SENT:
                return  # Of a subscription that is on its way out.
            if each.type == "snapshot":
                self._snapshot(each.orders, now_s=now_s)
            elif each.type != "update":
                raise PayloadError(f"user: type {ascii(each.type)[:40]} is neither snapshot nor update")
            elif self._is_stated:
                self._changed(each.orders, now_s=now_s)
            else:
                self._kept_back.append(each.orders)

    def _snapshot(self, rows: list[wire.UserOrder], *, now_s: float) -> None:
        if self._is_stated:
            raise PayloadError("user: a snapshot that nobody asked for")
        self._batches += rows
        if len(self._batches) > _MOST_ORDERS:
            raise PayloadError(f"user: a snapshot of more than {_MOST_ORDERS} orders")
        if len(rows) >= _BATCH:
            return
        stated = self._orders.stated(self._batches, as_of_s=now_s)
        self._batches = []
        self._is_stated = True
        self._is_retried = False
        self._sink.orders_stated(stated)
        kept_back, self._kept_back = self._kept_back, []
        for each in kept_back:
            self._changed(each, now_s=now_s)

    def _changed(self, rows: list[wire.UserOrder], *, now_s: float) -> None:
        changes = self._orders.changed(rows, as_of_s=now_s)
        if changes:
            self._sink.orders_changed(changes)

    def _gapped(self, *, found: int | None) -> None:
        self._is_stated = False
        self._sink.channel_gapped(Channel.ORDERS, expected=(self._last or 0) + 1, found=found)

    def _unbelieved(self, error: PayloadError) -> None:
        """Nothing of the frame counts; what it would have said is asked for anew."""
        word = "amount" if isinstance(error, AmountError) else "payload"
        self._sink.answer_refused(_USER, word, str(error)[:300])
        if self._is_stated:
            self._gapped(found=self._last)
        self.resubscribe(word)


def _converted(events: object, shape: type[T], where: str) -> list[T]:
    """Every event of a frame, all of them or none."""
    if not isinstance(events, list):
        raise PayloadError(f"{where}: a frame without events")
    try:
        return [msgspec.convert(each, shape, strict=False) for each in events]
    except msgspec.ValidationError as error:
        raise PayloadError(f"{where}: not of the expected shape: {error}") from None


def _lost(told: str, account: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"coinbase stream {told}", venue="coinbase", request="stream", account=account)


def _of_handshake(error: WireError, account: str) -> VenueError:
    if error.status is not None:
        refused, _ = errors.of_status(error.status, b"", request="stream", account=account, wait_s=None)
        return refused
    kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
    return kind(f"coinbase stream: {error}", venue="coinbase", request="stream", account=account, code=error.kind)
