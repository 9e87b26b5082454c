"""
One connection of OKX's private stream, from its login to its end.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-login ·
https://www.okx.com/docs-v5/en/#overview-websocket-subscribe ·
https://www.okx.com/docs-v5/en/#error-code-websocket-public (events and close codes) (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.balances import (
    Delta,
    OrderChange,
    OrdersSnapshot,
    Partial,
    Snapshot,
    Source,
)
from holdfast.core.events import event
from holdfast.core.payloads import decode_strictly
from holdfast.core.seams import Clock, Emit, StreamConnection, StreamWire, WireError
from holdfast.core.venue import Channel, StreamRules, StreamSink, VenueStatus
from holdfast.errors import (
    AmountError,
    HoldfastError,
    OutcomeUnknownError,
    PayloadError,
    UnknownAssetError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.okx import balances, errors, wire
from holdfast.venues.okx.account_channel import AccountChannel, CashWatch, RegressedError
from holdfast.venues.okx.client import OkxClient
from holdfast.venues.okx.errors import After
from holdfast.venues.okx.orders_channel import OrdersChannel
from holdfast.venues.okx.requests import OrderRequests

__all__ = ["Recorder", "Session", "lost"]

_CONNECT_S: Final = 5.0
_LOGIN_S: Final = 5.0

# More new snapshots of one channel than this within the window, and the connection itself is given up.
_RESUBSCRIPTIONS: Final = 4
_RESUBSCRIPTIONS_WINDOW_S: Final = 60.0

# Cash that the quicker channel told of comes on the other one within a window of 50 ms, and the network.
_CASH_WITHIN_S: Final = 1.5

_PING: Final = b"ping"
_PONG: Final = b"pong"

_ACCOUNT: Final = "account"
_CASH: Final = "balance_and_position"
_ORDERS: Final = "orders"

_NAMES: Final = {Channel.BALANCES: _ACCOUNT, Channel.ORDERS: _ORDERS}
_CHANNELS: Final = {name: channel for channel, name in _NAMES.items()}

_ARGUMENTS: Final[dict[str, dict[str, str]]] = {
    _ACCOUNT: {"channel": _ACCOUNT},
    _CASH: {"channel": _CASH},
    _ORDERS: {"channel": _ORDERS, "instType": "SPOT"},
}

_ACCOUNT_PUSH: Final = b'{"arg":{"channel":"account"'

# Why a frame was refused, in one word.
_WORDS: Final[dict[type[PayloadError], str]] = {
    RegressedError: "regressed",
    UnknownAssetError: "unknown_asset",
    AmountError: "amount",
}

T = TypeVar("T")


class _Subscription:
    """One channel on one connection."""

    __slots__ = ("is_acked", "is_dead", "is_stated", "name", "number", "resubscribed_at_s")

    def __init__(self, name: str) -> None:
        self.name = name
        self.number: str | None = None
        self.is_acked = False
        self.is_stated = False
        self.is_dead = False
        self.resubscribed_at_s: deque[float] = deque()


class Session:
    """
    One connection.

    Attributes:
        sink: Who is told; may be changed between two frames.
        told: What the account channel has told, on this connection and before it.
        noticed: Set once OKX says that it will close the connection.
        stated: Set once every channel has stated its snapshot.
        requests: Order operations under way.
        round_trip_s: How long the latest answered ping took.
    """

    def __init__(
        self,
        client: OkxClient,
        sink: StreamSink,
        clock: Clock,
        emit: Emit,
        account: str,
        rules: StreamRules,
        told: AccountChannel,
    ) -> None:
        self.sink = sink
        self.told = told
        self.noticed = asyncio.Event()
        self.stated = asyncio.Event()
        self.round_trip_s: float | None = None
        self._client = client
        self._clock = clock
        self._emit = emit
        self._account = account
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[VenueError] = self._loop.create_future()
        self._is_over = False  # The same, for every frame to see.
        self._logged_in: asyncio.Future[None] = self._loop.create_future()
        self._is_logged_in = False
        self._wake = asyncio.Event()
        self._connection: StreamConnection | None = None
        self._is_open = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._number = 0
        self._pinged_s: float | None = None
        self._last_frame_s = clock.now_s()
        self._uid = ""
        self._wants_orders = False
        self._early: list[list[wire.Order]] = []
        self._subscriptions = {name: _Subscription(name) for name in _ARGUMENTS}
        self._watch = CashWatch(told, within_s=_CASH_WITHIN_S)
        self.requests = OrderRequests(
            account=account, number=self._next_number, write=self._write, redact=client.calls.redact
        )
        told.begin()

    # The life around the frames

    async def live(self, stream_wire: StreamWire, url: str) -> None:
        """
        Connect, log in, subscribe, and stay until the connection ends. Suspends.

        Raises:
            VenueError: Why it ended.
            DeniedError: The credential is parked, or had no turn.
            PayloadError: The account or the listing could not be read.
        """
        self._uid = await self.while_open(self._client.uid())
        self._orders = OrdersChannel(await self.while_open(self._client.names()))
        login = await self.while_open(self._client.calls.login())
        try:
            await self.while_open(self._connect(stream_wire, url))
        except WireError as error:
            raise _of_handshake(error, self._account) from None
        self._open()
        self._last_frame_s = self._clock.now_s()
        self._later("ping", self._rules.ping_after_s, self._keep_pinged)
        await self._log_in(login)
        for subscription in self._subscriptions.values():
            self._subscribe(subscription)
        while True:
            await self.while_open(self._wake.wait())
            self._wake.clear()
            if self._wants_orders:
                self._wants_orders = False
                self._orders.names = await self.while_open(self._client.names())
                self._state_orders(await self.while_open(self._client.open_orders()))

    async def _connect(self, stream_wire: StreamWire, url: str) -> None:
        # Kept before anything else runs: whoever ends this session meanwhile finds what to abort.
        self._connection = await stream_wire.connect(
            url,
            on_frame=self.on_frame,
            on_close=self.on_close,
            deadline_s=_CONNECT_S,
            headers={"User-Agent": "holdfast"},
        )

    async def _log_in(self, login: Mapping[str, str]) -> None:
        with contextlib.suppress(WireError):
            self._write(json.dumps({"op": "login", "args": [login]}, separators=(",", ":")).encode())
        try:
            async with asyncio.timeout(_LOGIN_S):
                await self.while_open(asyncio.shield(self._logged_in))
        except TimeoutError:
            raise lost("not logged in", self._account) from None
        except _LoginError as refused:
            if refused.after is After.CLOCK:
                with contextlib.suppress(HoldfastError):
                    await self.while_open(self._client.calls.compare_clocks())
            elif refused.after is After.BAD_KEY:
                # REST says whether the key itself is refused, and closes it to everybody then.
                with contextlib.suppress(HoldfastError):
                    await self.while_open(self._client.credential_info())
            raise refused.error from None
        self._is_logged_in = True

    async def while_open(self, waiting: Awaitable[T]) -> T:
        """Wait for something, but not beyond the connection's end."""
        task: asyncio.Future[Any] = asyncio.ensure_future(waiting)
        ended: asyncio.Future[Any] = self._ended
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                raise self._ended.result()
            result: T = task.result()
            return result
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Seen: the connection's end is what is told.

    def end(self, error: VenueError) -> None:
        """The first reason to end is the one that counts."""
        if not self._ended.done():
            self._ended.set_result(error)
            self._is_over = True
        self.requests.end(str(error))
        if self._connection is not None:
            self._connection.abort()

    def abandon(self) -> None:
        """Nothing of this connection reaches anybody from here on."""
        for timer in self._timers.values():
            timer.cancel()
        if not self._ended.done():
            self._ended.set_result(lost("abandoned", self._account))
            self._is_over = True
        if self._logged_in.done() and not self._logged_in.cancelled():
            self._logged_in.exception()  # Seen.
        self.requests.end("the connection was given up")
        if self._connection is not None:
            self._connection.abort()

    def on_close(self, code: int | None, reason: str) -> None:
        """The connection is gone."""
        told = "connection lost" if code is None else f"closed with code {code}"
        self.end(lost(f"{told} {ascii(reason)[:80]}" if reason else told, self._account))

    @property
    def can_send_orders(self) -> bool:
        """Whether it is open, logged in and subscribed to orders."""
        return self._is_logged_in and not self._is_over and self._subscriptions[_ORDERS].is_acked

    def _open(self) -> None:
        # The venue's first frame may arrive before connect() has returned to us.
        if not self._is_open:
            self._is_open = True
            self.sink.stream_opened()

    def _next_number(self) -> str:
        self._number += 1
        return str(self._number)

    def _later(self, name: str, after_s: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(after_s, call)

    def _write(self, request: bytes) -> None:
        """Hand a request to the connection; one that is gone ends this session."""
        assert self._connection is not None
        try:
            self._connection.send(request)
        except WireError as error:
            self.end(lost(str(error), self._account))
            raise

    def _keep_pinged(self) -> None:
        if self._is_over:
            return
        quiet_s = self._clock.now_s() - self._last_frame_s
        if quiet_s >= self._rules.ping_after_s:
            self._pinged_s = self._clock.now_s()
            with contextlib.suppress(WireError):
                self._write(_PING)
            quiet_s = 0.0
        self._later("ping", max(self._rules.ping_after_s - quiet_s, 0.05), self._keep_pinged)

    # Subscriptions

    def _subscribe(self, subscription: _Subscription) -> None:
        subscription.is_acked = False
        subscription.number = self._next_number()
        self._ask("subscribe", subscription, subscription.number)

    def _ask(self, op: str, subscription: _Subscription, number: str) -> None:
        request = {"id": number, "op": op, "args": [_ARGUMENTS[subscription.name]]}
        with contextlib.suppress(WireError):
            self._write(json.dumps(request, separators=(",", ":")).encode())

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Drop what comes until a new snapshot; the venue's word on the new subscription ends what is of before it."""
        subscription = self._subscriptions[_NAMES[channel]]
        if self._connection is None or self._is_over or subscription.number is None or subscription.is_dead:
            return  # Not subscribed yet, or never again: nothing to do over.
        now_s = self._clock.now_s()
        recent = subscription.resubscribed_at_s
        while recent and recent[0] <= now_s - _RESUBSCRIPTIONS_WINDOW_S:
            recent.popleft()
        if len(recent) >= _RESUBSCRIPTIONS:
            self.end(lost(f"{subscription.name} would not come right: {reason}", self._account))
            return
        recent.append(now_s)
        self._emit(event("stream.resubscribed", broker=self._account, channel=channel.value, reason=reason))
        subscription.is_stated = False
        if channel is Channel.BALANCES:
            self.told.begin()
        else:
            self._early = []
        self._ask("unsubscribe", subscription, self._next_number())
        self._subscribe(subscription)

    def _acknowledged(self, frame: wire.Frame) -> None:
        subscription = self._subscriptions.get("" if frame.arg is None else frame.arg.channel)
        if subscription is None or subscription.is_acked or subscription.is_dead:
            return
        if frame.id is not None and frame.id != subscription.number:
            return  # Of a subscription before this one.
        subscription.is_acked = True
        channel = _CHANNELS.get(subscription.name)
        if channel is not None:
            self.sink.channel_subscribed(channel)
        if channel is Channel.ORDERS:
            self._wants_orders = True
            self._wake.set()

    def _refused(self, subscription: _Subscription, code: str, told: str) -> None:
        """A channel will not come on this connection."""
        subscription.is_acked, subscription.is_dead, subscription.is_stated = False, True, False
        channel = _CHANNELS.get(subscription.name)
        if channel is None:
            return  # The one that only warns: figures do not hang on it.
        self.sink.channel_refused(channel, errors.shown(f"{code} {told}".strip()))
        if all(self._subscriptions[name].is_dead for name in _NAMES.values()):
            error, _ = errors.error_of(code, told, request="subscribe", account=self._account)
            self.end(error)

    def _event(self, frame: wire.Frame) -> None:
        code, told = frame.code or "", self._client.calls.redact(frame.msg)
        if frame.event == "login":
            if not self._logged_in.done():
                if code in ("0", ""):
                    self._logged_in.set_result(None)
                else:
                    self._logged_in.set_exception(self._login_error(code, told))
        elif frame.event == "subscribe":
            self._acknowledged(frame)
        elif frame.event == "notice":
            if code == "64008":
                self.noticed.set()
        elif frame.event == "channel-conn-count-error":
            # The subscription was acknowledged, and is dead all the same.
            named = frame.channel or ("" if frame.arg is None else frame.arg.channel)
            subscription = self._subscriptions.get(named)
            if subscription is not None:
                self._refused(subscription, "", "too many connections to this channel")
        elif frame.event == "error":
            self._failed(frame, code, told)

    def _failed(self, frame: wire.Frame, code: str, told: str) -> None:
        if not self._logged_in.done():
            self._logged_in.set_exception(self._login_error(code, told))
            return
        if self.requests.answered(frame, self._last_frame_s):
            return
        for subscription in self._subscriptions.values():
            if frame.id is not None and frame.id == subscription.number and not subscription.is_acked:
                self._refused(subscription, code, told)
                return
        error, after = errors.error_of(code, told, request="stream", account=self._account)
        if after is After.LOGIN:
            self.end(error)
        else:
            self.sink.answer_refused("stream", "error_event", str(error)[:300])

    def _login_error(self, code: str, told: str) -> _LoginError:
        return _LoginError(*errors.error_of(code, told, request="login", account=self._account))

    # Frames

    def on_frame(self, frame: bytes) -> None:
        """Take one frame."""
        if self._is_over:
            return
        self._last_frame_s = now_s = self._clock.now_s()
        if not self._is_open:
            self._open()
        self.sink.frame_arrived(now_s)
        if frame == _PONG:
            if self._pinged_s is not None:
                self.round_trip_s, self._pinged_s = now_s - self._pinged_s, None
            return
        channel = None
        try:
            if frame.startswith(_ACCOUNT_PUSH):
                channel = Channel.BALANCES
                push = balances.pushed(frame)
                if push is not None:
                    self._account_push(push, now_s)
                    return
            decoded = decode_strictly(frame, wire.Frame)
            if decoded.event is not None:
                self._event(decoded)
            elif decoded.op is not None:
                self.requests.answered(decoded, now_s)
            elif decoded.arg is not None:
                channel = _CHANNELS.get(decoded.arg.channel)
                self._push(decoded, now_s)
            else:
                raise PayloadError("a frame that names neither an event, an operation nor a channel")
        except PayloadError as error:
            self._unbelieved(channel, error)

    def _push(self, frame: wire.Frame, now_s: float) -> None:
        assert frame.arg is not None
        name = frame.arg.channel
        if name == _ACCOUNT:
            self._account_push(balances.push_of(frame), now_s)
            return
        if name not in self._subscriptions:
            return
        self._check_uid(frame.arg.uid, name)
        if not self._subscriptions[name].is_acked:
            return
        if name == _ORDERS:
            rows = _rows(frame.data, wire.Order, name)
            self._client.learn_orders(rows)
            if self._subscriptions[_ORDERS].is_stated:
                self._changed(rows, now_s)
            else:
                self._early.append(rows)
        else:
            due_s = self._watch.heard(_rows(frame.data, wire.CashChange, name), now_s=now_s)
            if due_s is not None and "cash" not in self._timers:
                self._later("cash", max(due_s - now_s, 0.0) + 0.001, self._look_for_cash)

    def _account_push(self, push: balances.Push, now_s: float) -> None:
        self._check_uid(push.uid, _ACCOUNT)
        subscription = self._subscriptions[_ACCOUNT]
        if not subscription.is_acked or subscription.is_dead:
            return  # Of the subscription before.
        statement = self.told.take(push, as_of_s=now_s)
        if statement is None:
            return
        is_whole = isinstance(statement, Snapshot)
        shown = self._client.beside_funding(dict(statement.holdings), is_complete=is_whole)
        statement = msgspec.structs.replace(statement, holdings=shown)
        if is_whole:
            self._watch.stated()
            subscription.is_stated = True
        self.sink.balances_stated(statement)
        self._note_stated()

    def _state_orders(self, listed: OrdersSnapshot) -> None:
        """The list that REST told, and the changes that came meanwhile."""
        subscription = self._subscriptions[_ORDERS]
        if not subscription.is_acked or self._is_over:
            return  # Subscribed anew meanwhile: that asks for a list of its own.
        standing = self._orders.begin(listed.orders)
        subscription.is_stated = True
        self.sink.orders_stated(
            OrdersSnapshot(read=_ORDERS, source=Source.STREAM, as_of_s=listed.as_of_s, orders=standing)
        )
        early, self._early = self._early, []
        try:
            for rows in early:
                self._changed(rows, self._clock.now_s())
        except PayloadError as error:
            self._unbelieved(Channel.ORDERS, error)
        self._note_stated()

    def _changed(self, rows: list[wire.Order], now_s: float) -> None:
        changes = self._orders.changed(rows, as_of_s=now_s)
        if changes:
            self.sink.orders_changed(changes)

    def _note_stated(self) -> None:
        if all(self._subscriptions[name].is_stated for name in _NAMES.values()):
            self.stated.set()

    def _check_uid(self, uid: str | None, name: str) -> None:
        """Keys of one owner were once shown another account's figures."""
        if uid is not None and uid != self._uid:
            raise PayloadError(f"{name}: of another account than the key's")

    def _look_for_cash(self) -> None:
        self._timers.pop("cash", None)
        if self._is_over:
            return
        now_s = self._clock.now_s()
        missing = self._watch.missing(now_s=now_s)
        if missing is not None:
            code, told_ms = missing
            self._subscriptions[_ACCOUNT].is_stated = False
            self.sink.channel_gapped(Channel.BALANCES, expected=told_ms, found=self.told.time_of(code))
            self.resubscribe(Channel.BALANCES, "cash_missing")
            return
        due_s = self._watch.heard((), now_s=now_s)
        if due_s is not None and self._watch.is_waiting:
            self._later("cash", max(due_s - now_s, 0.0) + 0.001, self._look_for_cash)

    def _unbelieved(self, channel: Channel | None, error: PayloadError) -> None:
        """Nothing of the frame counts; what it would have said is asked for anew."""
        word = next((word for kind, word in _WORDS.items() if isinstance(error, kind)), "payload")
        read = "stream" if channel is None else _NAMES[channel]
        self.sink.answer_refused(read, word, str(error)[:300])
        if isinstance(error, RegressedError):
            return  # What was told before stands, and the next snapshot is seconds away.
        # A frame that does not even name its channel may have belonged to either.
        for each in (channel,) if channel is not None else self._rules.channels:
            subscription = self._subscriptions[_NAMES[each]]
            if subscription.is_stated:
                subscription.is_stated = False
                self.sink.channel_gapped(each, expected=0, found=None)
            self.resubscribe(each, word)


class _LoginError(Exception):
    def __init__(self, error: VenueError, after: After) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Recorder:
    """A sink that keeps what it is told, for whoever takes over from it."""

    def __init__(self) -> None:
        self._told: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def replay(self, sink: StreamSink) -> None:
        """Tell all of it to *sink*, in order."""
        told, self._told = self._told, []
        for name, args, named in told:
            getattr(sink, name)(*args, **named)

    def frame_arrived(self, now_s: float) -> None:
        """Whoever takes over hears frames of its own."""

    def stream_opened(self) -> None:
        """For whoever takes over it was open all along."""

    def channel_subscribed(self, channel: Channel) -> None:
        """Its snapshot says more."""

    def channel_refused(self, channel: Channel, reason: str) -> None:
        self._keep("channel_refused", channel, reason)

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        self._told.append(("channel_gapped", (channel,), {"expected": expected, "found": found}))

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        self._keep("balances_stated", snapshot)

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        self._keep("balances_moved", deltas)

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        self._keep("orders_stated", snapshot)

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        self._keep("orders_changed", changes)

    def venue_changed(self, status: VenueStatus) -> None:
        self._keep("venue_changed", status)

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        self._keep("answer_refused", read, reason, detail)

    def _keep(self, name: str, *args: Any) -> None:
        self._told.append((name, args, {}))


def _rows(data: Any, shape: type[T], channel: str) -> list[T]:
    if data is None:
        raise PayloadError(f"{channel}: no data")
    try:
        return msgspec.convert(data, list[shape], strict=False)  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise PayloadError(f"{channel}: not of the expected shape: {error}") from None


def lost(told: str, account: str) -> OutcomeUnknownError:
    """The connection is gone."""
    return OutcomeUnknownError(f"okx stream {told}", venue="okx", request="stream", account=account)


def _of_handshake(error: WireError, account: str) -> VenueError:
    if error.status is not None:
        refused, _ = errors.error_of_status(error.status, request="stream", account=account, asked_to_wait_s=None)
        return refused
    kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
    return kind(f"okx stream: {error}", venue="okx", request="stream", account=account, code=error.kind)
