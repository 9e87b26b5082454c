"""
Kraken's private stream: one WebSocket v2 connection with ``balances``, ``executions`` and orders.

What a frame changes is changed in the plain function that receives it. The coroutine around it only does what has to
wait: fetch tokens and (re)subscribe. A new snapshot is asked for by unsubscribing and subscribing again with a fresh
token; until it has come nothing of the channel is delivered. Silence is judged by the caller.

Orders go over the same connection, each once. Its answer is found by the request's number; one that is lost with the
connection, or later than whoever asked would wait, leaves the order's fate unknown.

Sources: https://docs.kraken.com/exchange/guides/websockets/introduction ·
https://docs.kraken.com/exchange/guides/websockets/authentication ·
https://docs.kraken.com/exchange/guides/websockets/reconnection (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from holdfast.core.balances import Delta
from holdfast.core.events import event
from holdfast.core.instruments import Instrument
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.seams import Clock, Emit, StreamConnection, StreamWire, WireError
from holdfast.core.venue import Channel, StreamRules, StreamSink, VenueStatus
from holdfast.errors import (
    AmountError,
    ClosedError,
    DeniedError,
    FaultClass,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    UnknownAssetError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.kraken import errors, frames, limits, orders, parse, wire
from holdfast.venues.kraken.client import KrakenClient
from holdfast.venues.kraken.executions import Executions, UnstatedOrderError
from holdfast.venues.kraken.requests import OrderRequests
from holdfast.venues.kraken.symbols import Names

__all__ = ["KrakenStream"]

_RULES: Final = StreamRules(
    channels=(Channel.BALANCES, Channel.ORDERS),
    silent_after_s=5.0,
    ping_after_s=2.0,
    snapshot_within_s=10.0,
    connect_budget=limits.CONNECTS,
    connect_budget_window_s=limits.CONNECTS_WINDOW_S,
    pushes_balances=True,
    rest_lag_s=limits.REST_LAG_S,
)

_CONNECT_S: Final = 5.0

# More new snapshots of one channel than this within the window, and the connection itself is given up.
_RESUBSCRIPTIONS: Final = 4
_RESUBSCRIPTIONS_WINDOW_S: Final = 60.0

_BALANCES: Final = Channel.BALANCES
_HEARTBEAT: Final = frames.HEARTBEAT
_BALANCES_UPDATE: Final = frames.BALANCES_UPDATE

_NAMES: Final = {Channel.BALANCES: "balances", Channel.ORDERS: "executions"}
_CHANNELS: Final = {name: channel for channel, name in _NAMES.items()}

# Both flags of executions are set because its page contradicts itself on their defaults.
_PARAMS: Final[dict[Channel, dict[str, object]]] = {
    Channel.BALANCES: {"channel": "balances", "snapshot": True},
    Channel.ORDERS: {"channel": "executions", "snap_orders": True, "snap_trades": False},
}

# Why a frame was refused, in one word.
_WORDS: Final[dict[type[PayloadError], str]] = {
    UnknownAssetError: "unknown_asset",
    AmountError: "amount",
    UnstatedOrderError: "unknown_order",
}

_FORGIVEN: Final = 1000

# A token for orders that could not be had is asked for again after so long; orders take the other wire meanwhile.
_TOKEN_AGAIN_S: Final = 5.0

T = TypeVar("T")


class _Subscription:
    """One channel on one connection."""

    __slots__ = (
        "channel",
        "is_acked",
        "is_refused",
        "is_sent",
        "is_stated",
        "is_token_retried",
        "is_unsubscribed",
        "is_wanted",
        "last",
        "req_id",
        "resubscribed_at_s",
        "unsubscribe_id",
    )

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.req_id: int | None = None
        self.unsubscribe_id: int | None = None
        self.is_wanted = True  # A subscription has to be sent.
        self.is_sent = False
        self.is_acked = False
        self.is_unsubscribed = True  # The one before is known to be over.
        self.is_stated = False
        self.is_refused = False
        self.is_token_retried = False
        self.last = 0  # The sequence number last seen.
        self.resubscribed_at_s: deque[float] = deque()


class KrakenStream:
    """
    The private stream of one credential.

    Args:
        wire: Where connections come from.
        client: Where tokens and names come from.
        clock: Time of frames.
        emit: Takes ``stream.resubscribed``.
        ws_url: The private WebSocket v2 address.
        account: The broker's name, for errors and events.
    """

    rules: StreamRules = _RULES

    def __init__(
        self, *, wire: StreamWire, client: KrakenClient, clock: Clock, emit: Emit, ws_url: str, account: str
    ) -> None:
        self._wire = wire
        self._client = client
        self._clock = clock
        self._emit = emit
        self._ws_url = ws_url
        self._account = account
        self._session: _Session | None = None
        self._tokens_age = False

    async def run(self, sink: StreamSink) -> None:
        """
        Open one connection and serve it until it ends. Suspends for the connection's whole life.

        Raises:
            VenueError: The connection, its handshake or its subscriptions failed, or it was lost.
            DeniedError: The credential's lane was busy or parked.
            ClosedError: It is running already.
        """
        if self._session is not None:
            raise ClosedError("kraken: this stream is running already")
        session = self._session = _Session(self._client, sink, self._clock, self._emit, self._account, self.rules)
        session.requests.tokens_age = self._tokens_age
        try:
            await session.prepare()
            token = await session.while_open(self._client.websocket_token())
            try:
                await session.while_open(session.connect(self._wire, self._ws_url))
            except WireError as error:
                raise _of_handshake(error, self._account) from None
            await session.serve(token)
        except PayloadError as error:
            raise VenueError(
                f"kraken stream: {error}",
                venue="kraken",
                request="stream",
                account=self._account,
                fault=FaultClass.PAYLOAD,
            ) from error
        finally:
            self._session = None
            self._tokens_age = session.requests.tokens_age
            session.abandon()

    @property
    def round_trip_s(self) -> float | None:
        """Seconds our latest answered ping took on this connection; None where none was answered yet."""
        return None if self._session is None else self._session.round_trip_s

    # Orders

    @property
    def can_send_orders(self) -> bool:
        """Whether the connection is open, its token is good and ``executions`` is subscribed. Never suspends."""
        return self._session is not None and self._session.can_send_orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``add_order``, once. Suspends until the answer, at most *deadline_s* seconds.

        Raises:
            VenueError: ``outcome`` says what may have happened.
            DeniedError, ConfigError: Nothing was sent.
        """
        return await self._add(ticket, deadline_s=deadline_s, before_send=before_send)

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """``add_order`` with ``validate``: how deep Kraken looks is not documented, least of all into funds."""
        return await self._add(ticket, deadline_s=deadline_s, before_send=None)

    async def _add(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None] | None) -> OrderAck:
        session = self._sending("add_order")
        is_check = before_send is None
        params = orders.add_params(ticket, session.instrument(ticket.symbol), is_check=is_check)
        frame, at_s = await session.requests.ask("add_order", params, deadline_s=deadline_s, before_send=before_send)
        return orders.stream_placed(frame, ticket, is_check=is_check, account=self._account, as_of_s=at_s)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        ``cancel_order``, by Kraken's id where it is known, else by ours; one that is under way already is no failure.

        Raises:
            UnknownOrderError: No such open order.
            VenueError, DeniedError: As ``place_order``.
        """
        session = self._sending("cancel_order")
        params = orders.cancel_params(order_id=order_id, client_order_id=client_order_id)
        try:
            frame, at_s = await session.requests.ask(
                "cancel_order", params, deadline_s=deadline_s, before_send=before_send
            )
        except VenueError as error:
            if error.code != orders.CANCEL_PENDING or error.outcome is not Outcome.REJECTED:
                raise
            return CancelAck(count=1, is_pending=True, as_of_s=self._clock.now_s())
        return orders.stream_cancelled(
            frame, order_id=order_id, client_order_id=client_order_id, account=self._account, as_of_s=at_s
        )

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """``cancel_all_orders_after``: account-wide, of other bots too; once it has fired it is off."""
        session = self._sending("cancel_all_orders_after")
        params = {"timeout": str(orders.check_timeout(timeout_s))}
        frame, _ = await session.requests.ask(
            "cancel_all_orders_after", params, deadline_s=deadline_s, before_send=None
        )
        orders.stream_switched(frame, timeout_s, account=self._account)

    def _sending(self, method: str) -> _Session:
        if self._session is None or not self._session.can_send_orders:
            raise orders.unsent("no connection takes orders now", method, self._account)
        return self._session

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Ask for a new snapshot of one channel; its deltas are dropped until it has come. Never suspends."""
        if self._session is not None:
            self._session.resubscribe(channel, reason)

    def abort(self, reason: str) -> None:
        """Drop the connection now; ``run`` raises. Never suspends."""
        if self._session is not None:
            self._session.end(_lost(f"aborted: {reason}", self._account))


class _Session:
    """One connection, from its token to its end."""

    def __init__(
        self, client: KrakenClient, sink: StreamSink, clock: Clock, emit: Emit, account: str, rules: StreamRules
    ) -> None:
        self._client = client
        self._sink = sink
        self._clock = clock
        self._emit = emit
        self._account = account
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[VenueError] = self._loop.create_future()
        self._is_over = False  # The same, for every frame to see.
        self._wake = asyncio.Event()
        self._connection: StreamConnection | None = None
        self._is_open = False
        self._ping_timer: asyncio.TimerHandle | None = None
        self._req_id = 0
        self._pings: dict[int, float] = {}
        self.round_trip_s: float | None = None
        self._last_frame_s = clock.now_s()
        self._lacks_names = False
        self._token = ""
        self.requests = OrderRequests(
            clock=clock, account=account, number=self._next_id, write=self._write, need_token=self._wake.set
        )
        self._subscriptions = {channel: _Subscription(channel) for channel in rules.channels}
        self._balances = self._subscriptions[_BALANCES]
        # Bound once: they are called for every frame.
        self._now_s = clock.now_s
        self._frame_arrived = sink.frame_arrived

    # The life around the frames

    async def prepare(self) -> None:
        names = await self.while_open(self._client.names())
        self._wallets = frames.Wallets(names)
        self._executions = Executions(names)
        self._moved_fast = self._wallets.moved_fast
        self._learn(names)

    def _learn(self, names: Names) -> None:
        """What REST reads have found out since the last snapshot was asked for counts for the next one."""
        self._wallets.learn(names, on_credit=self._client.on_credit, omits=self._client.locked_assets)
        self._executions.names = names

    async def connect(self, wire: StreamWire, url: str) -> None:
        # Kept before anything else runs: whoever ends this session meanwhile finds what to abort.
        self._connection = await wire.connect(
            url,
            on_frame=self.on_frame,
            on_close=self.on_close,
            deadline_s=_CONNECT_S,
            headers={"User-Agent": "holdfast"},
        )

    async def serve(self, token: str) -> None:
        self._open()
        self._last_frame_s = self._clock.now_s()
        self._ping_timer = self._loop.call_later(self._rules.ping_after_s, self._keep_pinged)
        fresh: str | None = token
        while True:
            if fresh is not None:
                self.requests.take_token(fresh)
                for subscription in self._subscriptions.values():
                    if subscription.is_wanted:
                        self._subscribe(subscription, fresh)
            self._wake.clear()
            if fresh is None:
                self._loop.call_later(_TOKEN_AGAIN_S, self._wake.set)
            if not self._wants_subscription() and (fresh is None or self.requests.has_token):
                await self.while_open(self._wake.wait())
            self.raise_if_ended()
            if self._lacks_names:
                self._lacks_names = False
                await self.while_open(self._client.relist())
            self._learn(await self.while_open(self._client.names()))
            try:
                fresh = await self.while_open(self._client.websocket_token())
            except (VenueError, DeniedError, PayloadError):
                if self._is_over or self._wants_subscription():
                    raise
                fresh = None  # What is subscribed is well without it; orders take the other wire meanwhile.

    def _wants_subscription(self) -> bool:
        return any(each.is_wanted for each in self._subscriptions.values())

    async def while_open(self, waiting: Awaitable[T]) -> T:
        """Wait for something, but not beyond the connection's end."""
        task = asyncio.ensure_future(waiting)
        try:
            waited: set[asyncio.Future[Any]] = {task, self._ended}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            self.raise_if_ended()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Seen: the connection's end is what is told.

    def raise_if_ended(self) -> None:
        if self._ended.done():
            raise self._ended.result()

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
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        if not self._ended.done():
            self._ended.set_result(_lost("abandoned", self._account))
            self._is_over = True
        self.requests.end("the connection was given up")
        if self._connection is not None:
            self._connection.abort()

    def on_close(self, code: int | None, reason: str) -> None:
        told = "connection lost" if code is None else f"closed with code {code}"
        self.end(_lost(f"{told} {ascii(reason)[:80]}" if reason else told, self._account))

    def _open(self) -> None:
        # The venue's first frame may arrive before connect() has returned to us.
        if not self._is_open:
            self._is_open = True
            self._sink.stream_opened()

    def _next_id(self) -> int:
        self._req_id += 1
        return self._req_id

    def _send(self, method: str, params: Mapping[str, object] | None = None) -> int:
        req_id = self._next_id()
        request: dict[str, object] = {"method": method, "req_id": req_id}
        if params is not None:
            request["params"] = params
        with contextlib.suppress(WireError):
            self._write(json.dumps(request, separators=(",", ":")).encode())
        return req_id

    def _write(self, request: bytes) -> None:
        """Hand a request to the connection; one that is gone ends this session."""
        assert self._connection is not None
        try:
            self._connection.send(request)
        except WireError as error:
            self.end(_lost(str(error), self._account))
            raise

    def _keep_pinged(self) -> None:
        quiet_s = self._clock.now_s() - self._last_frame_s
        ping_after_s = self._rules.ping_after_s
        if quiet_s >= ping_after_s:
            if len(self._pings) >= 16:  # Never answered: forget the oldest.
                self._pings.pop(next(iter(self._pings)))
            self._pings[self._send("ping")] = self._clock.now_s()
            quiet_s = 0.0
        self._ping_timer = self._loop.call_later(max(ping_after_s - quiet_s, 0.05), self._keep_pinged)

    # Orders

    @property
    def can_send_orders(self) -> bool:
        executions = self._subscriptions[Channel.ORDERS]
        return (
            not self._is_over
            and self._connection is not None
            and self.requests.has_token
            and (executions.is_acked or executions.is_stated)
        )

    def instrument(self, symbol: str) -> Instrument:
        """What is traded; raises ``UnknownNameError`` where Kraken does not list it."""
        names = self._executions.names
        names.rest_symbol(symbol)
        return names.instruments[symbol]

    # Subscriptions

    def _subscribe(self, subscription: _Subscription, token: str) -> None:
        self._token = token
        if not subscription.is_unsubscribed:
            named = {"channel": _NAMES[subscription.channel], "token": token}
            subscription.unsubscribe_id = self._send("unsubscribe", named)
        subscription.is_wanted = False
        subscription.is_sent = True
        subscription.is_acked = False
        subscription.req_id = self._send("subscribe", {**_PARAMS[subscription.channel], "token": token})

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Drop what comes until a new snapshot; unsubscribing needs a token too, so it waits for the fresh one."""
        subscription = self._subscriptions[channel]
        if self._connection is None or self._ended.done() or not subscription.is_sent or subscription.is_refused:
            return  # Not subscribed yet, or never again: nothing to do over.
        now_s = self._clock.now_s()
        recent = subscription.resubscribed_at_s
        while recent and recent[0] <= now_s - _RESUBSCRIPTIONS_WINDOW_S:
            recent.popleft()
        if len(recent) >= _RESUBSCRIPTIONS:
            self.end(_lost(f"{_NAMES[channel]} would not come right: {reason}", self._account))
            return
        recent.append(now_s)
        self._emit(event("stream.resubscribed", broker=self._account, channel=channel.value, reason=reason))
        subscription.is_stated = False
        subscription.is_sent = False
        subscription.is_unsubscribed = False
        subscription.is_token_retried = False
        subscription.unsubscribe_id = None
        subscription.is_wanted = True
        self._wake.set()

    def _answered(self, frame: wire.Frame) -> None:
        """The venue's answer to one of our requests."""
        if frame.method == "pong":
            sent_s = self._pings.pop(frame.req_id or 0, None)
            if sent_s is not None:
                self.round_trip_s = self._clock.now_s() - sent_s
            return
        if self.requests.answered(frame, self._last_frame_s):
            return
        named = _CHANNELS.get(str(frame.result.get("channel"))) if isinstance(frame.result, dict) else None
        for subscription in self._subscriptions.values():
            if frame.method == "unsubscribe" and frame.req_id == subscription.unsubscribe_id:
                subscription.is_unsubscribed = True  # Even a refusal says that nothing of before will follow.
                return
            if frame.method == "subscribe" and frame.req_id == subscription.req_id and not subscription.is_acked:
                if frame.success and (named is None or named is subscription.channel):
                    subscription.is_acked = True
                    subscription.is_token_retried = False
                    self._sink.channel_subscribed(subscription.channel)
                else:
                    told = frame.error or f"acknowledged as {ascii(named)[:40]}"
                    self._refused(subscription, told)
                return

    def _refused(self, subscription: _Subscription, told: str) -> None:
        """Whatever the text says, the first refusal may be the token's age: once more with a fresh one."""
        subscription.is_sent = False
        if not subscription.is_token_retried:
            # Where it was the answer that went astray, the subscription stands, and a second one would be refused.
            subscription.is_unsubscribed = False
            subscription.is_token_retried = True
            subscription.is_wanted = True
            self._wake.set()
            return
        subscription.is_refused = True
        told = told.replace(self._token, "(our token)")  # A venue that repeats it must not get it into our logs.
        self._sink.channel_refused(subscription.channel, errors.shown(told))
        if all(each.is_refused for each in self._subscriptions.values()):
            error, _ = errors.error_of(
                [told], request="subscribe", account=self._account, wall_s=self._clock.wall_us() / 1e6
            )
            self.end(error)

    # Frames

    def on_frame(self, frame: bytes) -> None:
        if self._is_over:
            return
        self._last_frame_s = now_s = self._now_s()
        if not self._is_open:
            self._open()
        self._frame_arrived(now_s)
        if frame == _HEARTBEAT:
            return
        channel = None
        sequence = None
        try:
            if frame.startswith(_BALANCES_UPDATE):
                # What a busy account's stream mostly says: every look-up spared here shows.
                channel = _BALANCES
                fast = self._moved_fast(frame, now_s)
                if fast is not None:
                    sequence, deltas = fast
                    balances = self._balances
                    if sequence == balances.last + 1 and balances.is_stated:
                        balances.last = sequence
                    elif not self._is_next(channel, sequence):
                        return
                    if deltas:
                        self._sink.balances_moved(deltas)
                    return
            decoded = frames.decode(frame)
            sequence = decoded.sequence
            if decoded.method is not None:
                self._answered(decoded)
                return
            channel = _CHANNELS.get(decoded.channel or "")
            if channel is not None:
                self._channel_frame(channel, decoded, now_s=now_s)
            elif decoded.channel == "status":
                self._status(decoded, now_s=now_s)
            elif decoded.channel is None and decoded.success is None and decoded.error is None:
                raise PayloadError("a frame that names neither a channel nor a method")
        except PayloadError as error:
            self._unbelieved(channel, sequence, error)

    def _channel_frame(self, channel: Channel, frame: wire.Frame, *, now_s: float) -> None:
        if frame.type == "snapshot":
            if not self._may_state(channel, frame.sequence):
                return
            if channel is Channel.BALANCES:
                stated = self._wallets.stated(
                    frames.rows_of(frame.data, wire.BalancesSnapshotRow, "balances"), as_of_s=now_s
                )
                self._accept(channel, frame.sequence)
                self._sink.balances_stated(stated)
            else:
                orders = self._executions.stated(
                    frames.rows_of(frame.data, wire.Execution, "executions"), as_of_s=now_s
                )
                self._accept(channel, frame.sequence)
                self._sink.orders_stated(orders)
        elif frame.type == "update":
            if not self._is_next(channel, frame.sequence):
                return
            if channel is Channel.BALANCES:
                self._moved(
                    self._wallets.moved(frames.rows_of(frame.data, wire.BalancesUpdateRow, "balances"), as_of_s=now_s)
                )
            else:
                changes = self._executions.changed(
                    frames.rows_of(frame.data, wire.Execution, "executions"), as_of_s=now_s
                )
                if changes:
                    self._sink.orders_changed(changes)
        else:
            raise PayloadError(f"{_NAMES[channel]}: type {ascii(frame.type)[:40]} is neither snapshot nor update")

    def _moved(self, deltas: list[Delta]) -> None:
        if deltas:
            self._sink.balances_moved(deltas)

    def _may_state(self, channel: Channel, sequence: int | None) -> bool:
        """
        Whether a snapshot is one that we may believe now.

        The first one after a subscription is, whatever its number. One that nobody asked for has to be next in the
        sequence: a repeated old snapshot would take figures back. While a new one is awaited, one of the subscription
        before may still be on its way: the venue's answer to either of our requests says that it no longer is.
        """
        subscription = self._subscriptions[channel]
        if sequence is None:
            raise PayloadError(f"{_NAMES[channel]}: a snapshot without a sequence number")
        if subscription.is_stated:
            return self._is_next(channel, sequence)
        return subscription.is_sent and (subscription.is_unsubscribed or subscription.is_acked)

    def _accept(self, channel: Channel, sequence: int | None) -> None:
        subscription = self._subscriptions[channel]
        subscription.is_stated = True
        subscription.is_token_retried = False
        subscription.last = sequence or 0

    def _is_next(self, channel: Channel, sequence: int | None) -> bool:
        """True where a frame follows the one before; anything else is a gap, and nothing of it counts."""
        subscription = self._subscriptions[channel]
        if not subscription.is_stated:
            return False
        expected = subscription.last + 1
        if sequence == expected:
            subscription.last = expected
            return True
        self._gapped(channel, expected=expected, found=sequence)
        self.resubscribe(channel, "gap")
        return False

    def _gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        self._subscriptions[channel].is_stated = False
        self._sink.channel_gapped(channel, expected=expected, found=found)

    def _unbelieved(self, channel: Channel | None, sequence: int | None, error: PayloadError) -> None:
        """Nothing of the frame counts; what it would have said is asked for anew."""
        word = next((word for kind, word in _WORDS.items() if isinstance(error, kind)), "payload")
        read = "stream" if channel is None else _NAMES[channel]
        self._sink.answer_refused(read, word, str(error)[:300])
        if isinstance(error, UnknownAssetError):
            self._lacks_names = True
        elif isinstance(error, UnstatedOrderError) and len(self._executions.forgiven) < _FORGIVEN:
            self._executions.forgiven.add(error.order_id)
        # A frame that does not even name its channel may have belonged to either.
        for each in (channel,) if channel is not None else self._rules.channels:
            subscription = self._subscriptions[each]
            if subscription.is_stated:
                expected = sequence if sequence is not None and sequence == subscription.last else subscription.last + 1
                self._gapped(each, expected=expected, found=sequence)
            self.resubscribe(each, word)

    def _status(self, frame: wire.Frame, *, now_s: float) -> None:
        for row in frame.data if isinstance(frame.data, list) else ():
            system = row.get("system") if isinstance(row, dict) else None
            if isinstance(system, str):
                self._sink.venue_changed(VenueStatus(mode=parse.mode_of(system), as_of_s=now_s))


def _lost(told: str, account: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"kraken stream {told}", venue="kraken", request="stream", account=account)


def _of_handshake(error: WireError, account: str) -> VenueError:
    if error.status is not None:
        refused, _ = errors.error_of_status(error.status, request="stream", account=account, asked_to_wait_s=None)
        return refused
    kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
    return kind(f"kraken stream: {error}", venue="kraken", request="stream", account=account, code=error.kind)
