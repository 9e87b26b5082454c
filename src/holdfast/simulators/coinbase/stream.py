"""
The stream side: connections, their one numbering, heartbeats, closing rules, and the way in for subscriptions.

Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview, .../websocket-endpoints,
.../websocket-channels, .../websocket-authentication, .../websocket-rate-limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.keys import ApiKey
from holdfast.simulators.coinbase.limits import Window
from holdfast.simulators.coinbase.render import encode, go_time, rfc3339
from holdfast.simulators.coinbase.tokens import TokenRefusedError, judge_token, read_token
from holdfast.simulators.core.seam import Peer, SimReply
from holdfast.simulators.core.wire_json import decode_json

__all__ = ["CHANNELS", "REQUESTS", "WIRE_NAMES", "Channel", "StreamSession", "StreamSurface", "Subscription"]

CHANNELS: Final = ("user", "heartbeats", "ticker", "ticker_batch", "level2", "market_trades", "candles", "status")
"""Every channel that can be subscribed to."""

_PATHS: Final = ("", "/")
_SIGNED: Final = ("user",)
_TOO_MANY: Final = SimReply(status=429, headers={"content-type": "text/plain"}, body=b"Too Many Requests\n")
_NOT_FOUND: Final = SimReply(status=404, headers={"content-type": "text/plain"}, body=b"not found\n")
REQUESTS: Final = ("subscribe", "unsubscribe")
WIRE_NAMES: Final = {"level2": "l2_data"}  # What a channel's messages call it, where that differs.
# A timer may fire a hair early; that must not cost a whole further round.
_HAIR_S: Final = 1e-6


class Channel(Protocol):
    """What one channel does when somebody comes or goes."""

    def opened(self, subscription: Subscription) -> None:
        """Say what a new subscription is told first."""
        ...

    def closed(self, subscription: Subscription) -> None:
        """A subscription is over."""
        ...


class Subscription:
    """One channel on one connection; ``products`` is None for all."""

    def __init__(self, session: StreamSession, channel: str, products: list[str] | None, key: ApiKey | None) -> None:
        self.session = session
        self.channel = channel
        self.products = products
        self.key = key
        self.is_live = True
        self._opened_s = session.exchange.now_s()
        self._waiting: dict[str, Any] | None = None

    def covers(self, product_id: str) -> bool:
        """Whether it tells of this product."""
        return self.products is None or product_id in self.products

    def push(self, kind: str, event: Mapping[str, Any]) -> None:
        """Send one event of this channel, or what the faults in force make of it."""
        if not self.is_live:
            return
        faults, channel, session = self.session.exchange.impairments, self.channel, self.session
        is_update = kind == "update"
        if is_update and faults.spend("missing_event", channel=channel) is not None:
            return
        muted = faults.applies("mute_channel", channel=channel) or self._frozen()
        if muted is not None:
            if muted.fields.get("numbered"):
                session.skip_number()
            return
        if not is_update and faults.spend("snapshot_empty", channel=channel) is not None:
            event = {name: [] if isinstance(value, list) else value for name, value in event.items()}
        message: dict[str, Any] = {"channel": WIRE_NAMES.get(channel, channel), "events": [event]}
        if not is_update:
            session.send(message)
            return
        if faults.spend("sequence_gap", channel=channel) is not None:
            session.skip_number()
            return
        regress = faults.spend("sequence_regress", channel=channel)
        if regress is not None:
            session.step_back(by=regress.fields.get("by", 1), to=regress.fields.get("to"))
        waiting, self._waiting = self._waiting, None
        if waiting is None and faults.spend("sequence_reorder", channel=channel) is not None:
            self._waiting = session.numbered(message)
            return
        frame = session.send(message)
        if faults.spend("sequence_duplicate", channel=channel) is not None:
            session.put(frame)
        if waiting is not None:
            session.put(encode(waiting))

    def _frozen(self) -> Any:
        fault = self.session.exchange.impairments.applies("freeze_channel", channel=self.channel)
        return fault if fault is not None and self._opened_s <= fault.since_s else None


class StreamSurface:
    """Every open connection, and what the channels do."""

    def __init__(self, exchange: CoinbaseExchange) -> None:
        self.exchange = exchange
        self.sessions: list[StreamSession] = []
        self.channels: dict[str, Channel] = {}
        self.counter_start = exchange.now_us() // 1_000_000 % 1_000_000
        self._connects = Window(1.0)
        self.messages = Window(1.0)

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> StreamSession | SimReply:
        """A session, or the refusal of the handshake."""
        del headers
        settings = self.exchange.settings
        is_counted = settings.are_calls_counted and settings.connects_per_s
        if is_counted and not self._connects.admit(settings.connects_per_s, now_s=self.exchange.now_s()):
            return _TOO_MANY
        if path not in _PATHS:
            return _NOT_FOUND
        session = StreamSession(self, peer)
        self.sessions.append(session)
        return session

    def subscriptions(self, channel: str) -> list[Subscription]:
        """Every subscription of a channel, oldest connection first."""
        return [session.subscriptions[channel] for session in self.sessions if channel in session.subscriptions]

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection from the venue's side."""
        for session in list(self.sessions):
            session.close(code, reason)

    def close_of_key(self, key: str | None) -> int:
        """Close the connections that this key (None: any) subscribed on; returns how many."""
        used = [session for session in self.sessions if session.keys and (key is None or key in session.keys)]
        for session in used:
            session.close(1008, "key revoked")
        return len(used)


class StreamSession:
    """One connection at the venue's side."""

    def __init__(self, surface: StreamSurface, peer: Peer) -> None:
        self.surface = surface
        self.exchange = surface.exchange
        self.subscriptions: dict[str, Subscription] = {}
        self.keys: set[str] = set()
        self._peer = peer
        self._is_open = True
        self._sequence = 0
        self._opened_s = self._last_sent_s = self.exchange.now_s()
        self._has_subscribed = False
        self._beat_timer: Any = None
        settings, timers = self.exchange.settings, self.exchange.timers
        self._deadline_timer = timers.call_later(settings.subscribe_deadline_s, self._check_deadline)
        self._idle_timer = timers.call_later(settings.idle_close_s, self._check_idle)

    # Out

    def numbered(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message with its time and the connection's next number."""
        head: dict[str, Any] = {"channel": message["channel"]}
        if self.exchange.settings.has_client_id:
            head["client_id"] = ""
        head |= {"timestamp": rfc3339(self.exchange.now_us()), "sequence_num": self._sequence}
        self._sequence += 1
        return {**head, "events": message["events"]}

    def send(self, message: dict[str, Any]) -> bytes:
        """Number and send a message; what was sent."""
        frame = encode(self.numbered(message))
        self.put(frame)
        return frame

    def put(self, frame: bytes) -> None:
        """Send a frame as it is."""
        if self._is_open and not self.exchange.impairments.active("mute_stream"):
            self._last_sent_s = self.exchange.now_s()
            self._peer.send(frame)

    def skip_number(self) -> None:
        """A message took a number and was lost."""
        self._sequence += 1

    def step_back(self, *, by: int, to: int | None) -> None:
        """Number on from below."""
        self._sequence = max(0, self._sequence - by if to is None else to)

    def refuse(self, text: str) -> None:
        """Say what is wrong; the connection stays open, and nothing is numbered."""
        self.put(encode({"type": "error", "message": text}))

    def confirm(self, channel: str | None = None) -> None:
        """State every subscription of this connection."""
        listed = {name: _listed(subscription) for name, subscription in self.subscriptions.items()}
        if channel is not None:
            other = "heartbeats" if channel == "user" else "user"
            listed = {other if name == channel else name: rows for name, rows in listed.items()}
        self.send({"channel": "subscriptions", "events": [{"subscriptions": listed}]})

    # In

    def receive(self, frame: bytes) -> None:
        """Act on one message of the client."""
        if not self._is_open:
            return
        message = decode_json(frame)
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(message, dict) or kind not in REQUESTS:
            self.refuse("unsupported message")
            return
        exchange, settings = self.exchange, self.exchange.settings
        is_counted = settings.are_calls_counted and settings.messages_per_s and "jwt" not in message
        if is_counted and not self.surface.messages.admit(settings.messages_per_s, now_s=exchange.now_s()):
            self.refuse("rate limit exceeded")
            return
        if kind == "subscribe" and settings.does_refused_subscribe_count:
            self._has_subscribed = True
        try:
            self._act(kind, message)
        except _RefusedError as refused:
            self.refuse(str(refused))

    def _act(self, kind: str, message: dict[str, Any]) -> None:
        channel, products = message.get("channel"), message.get("product_ids")
        if channel not in CHANNELS:
            raise _RefusedError("channel is not supported")
        if products is not None and not (isinstance(products, list) and all(isinstance(one, str) for one in products)):
            raise _RefusedError("product_ids is malformed")
        if channel in ("heartbeats",):
            products = None
        unknown = [one for one in products or [] if one not in self.exchange.listing.products]
        if unknown:
            raise _RefusedError(f"{unknown[0]} is not a valid product")
        key = self._key_behind(message.get("jwt"), needed=channel in _SIGNED)
        if kind == "unsubscribe":
            self._unsubscribe(channel, products or None)
        else:
            self._subscribe(channel, products or None, key)

    def _key_behind(self, text: object, *, needed: bool) -> ApiKey | None:
        exchange = self.exchange
        if text is None and not needed:
            return None
        if exchange.is_fault("unauthorized_stream") is not None or not isinstance(text, str):
            raise _RefusedError("authentication failure")
        try:
            key = judge_token(
                read_token(text),
                find_key=exchange.find_key,
                now_us=exchange.now_us(),
                uris=None,
                settings=exchange.settings,
            )
        except TokenRefusedError:
            raise _RefusedError("authentication failure") from None
        if exchange.now_s() < key.locked_until_s or "view" not in key.scopes:
            raise _RefusedError("authentication failure")
        settings = exchange.settings
        if settings.is_token_reuse_refused and not key.is_token_new(
            text, now_s=exchange.now_s(), kept_s=2 * settings.token_life_s
        ):
            raise _RefusedError("authentication failure")
        self.keys.add(key.public)
        return key

    def _subscribe(self, channel: str, products: list[str] | None, key: ApiKey | None) -> None:
        error = self.exchange.is_fault("subscribe_error", channel=channel)
        if error is not None:
            raise _RefusedError(str(error.get("error", "internal error")))
        self._has_subscribed = True
        before = self.subscriptions.pop(channel, None)
        if before is not None:
            before.is_live = False
            if before.products is None or products is None:
                products = None
            else:
                products = list(dict.fromkeys((*before.products, *products)))
        subscription = Subscription(self, channel, products, key)
        self.subscriptions[channel] = subscription
        foreign = channel if self.exchange.is_fault("foreign_ack", channel=channel) is not None else None
        is_first = self.exchange.settings.is_ack_before_snapshot
        if is_first:
            self.confirm(foreign)
        handler = self.surface.channels.get(channel)
        if handler is not None:
            handler.opened(subscription)
        if not is_first:
            self.confirm(foreign)
        if channel == "heartbeats" and self._beat_timer is None:
            self._beat_timer = self.exchange.timers.call_later(self._beat_s, self._beat)

    def _unsubscribe(self, channel: str, products: list[str] | None) -> None:
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            left: list[str] = []
            if products is not None and subscription.products is not None:
                left = [one for one in subscription.products if one not in products]
            if left:
                subscription.products = left
            else:
                self._drop(channel)
        self.confirm()

    def _drop(self, channel: str) -> None:
        subscription = self.subscriptions.pop(channel)
        subscription.is_live = False
        handler = self.surface.channels.get(channel)
        if handler is not None:
            handler.closed(subscription)

    # Time

    @property
    def _beat_s(self) -> float:
        settings = self.exchange.settings
        return settings.coalesce_heartbeats_s or settings.heartbeat_s

    def _beat(self) -> None:
        self._beat_timer = None
        subscription = self.subscriptions.get("heartbeats")
        if not self._is_open or subscription is None:
            return
        exchange = self.exchange
        counter = self.surface.counter_start + int(exchange.now_s())
        is_number = exchange.settings.heartbeat_counter == "number"
        event = {
            "current_time": go_time(exchange.now_us(), since_start_s=exchange.now_s()),
            "heartbeat_counter": counter if is_number else str(counter),
        }
        self._beat_timer = exchange.timers.call_later(self._beat_s, self._beat)
        subscription.push("update", event)

    def _check_deadline(self) -> None:
        if not self._has_subscribed:
            self.close(1001, "no subscription")

    def _check_idle(self) -> None:
        idle_s = self.exchange.settings.idle_close_s
        wait_s = self._last_sent_s + idle_s - self.exchange.now_s()
        if wait_s <= _HAIR_S:
            self.close(1001, "idle")
            return
        self._idle_timer = self.exchange.timers.call_later(wait_s, self._check_idle)

    def closed(self) -> None:
        """The connection is gone: end its subscriptions and timers."""
        if not self._is_open:
            return
        self._is_open = False
        self.surface.sessions.remove(self)
        for channel in list(self.subscriptions):
            self._drop(channel)
        for timer in (self._idle_timer, self._deadline_timer, self._beat_timer):
            if timer is not None:
                timer.cancel()

    def close(self, code: int, reason: str) -> None:
        """Close from the venue's side."""
        if self._is_open:
            self.closed()
            self._peer.close(code, reason)


class _RefusedError(Exception):
    """A message of the client is refused; the text is what it is told."""


def _listed(subscription: Subscription) -> list[str]:
    if subscription.channel == "heartbeats":
        return ["heartbeats"]
    if subscription.channel == "user":
        # Not the products: something opaque stands there.
        return [subscription.session.exchange.user_id]
    return subscription.products or []
