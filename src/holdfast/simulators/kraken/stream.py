"""
The stream side: connections, their heartbeats and idle rule, and the way in for messages.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/websockets/introduction,
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status, .../heartbeat, .../ping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from holdfast.simulators.core.seam import Peer, SimReply
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.render import encode, rfc3339
from holdfast.simulators.kraken.tokens import TokenStore

__all__ = ["HEARTBEAT", "StreamRequest", "StreamSession", "StreamSurface"]

HEARTBEAT: Final = b'{"channel":"heartbeat"}'
_PATHS: Final = ("/v2", "/v2/")
_BANNED: Final = SimReply(
    status=429, headers={"content-type": "text/html"}, body=b"<html><body>429 Too Many Requests</body></html>"
)
_NOT_FOUND: Final = SimReply(status=404, headers={"content-type": "text/plain"}, body=b"not found")
# A timer may fire a hair early; that must not cost a whole further round.
_HAIR_S: Final = 1e-6


class StreamRequest:
    """One message of the client, with the moment it arrived."""

    __slots__ = ("answer_instead", "method", "params", "req_id", "session", "time_in")

    def __init__(self, session: StreamSession, message: Mapping[str, Any], time_in: str) -> None:
        params = message.get("params")
        self.session = session
        self.method = message.get("method")
        self.params: dict[str, Any] = params if isinstance(params, dict) else {}
        self.req_id = message.get("req_id")
        self.time_in = time_in
        self.answer_instead: str | None = None  # An error to answer with although it was done.

    def answer(self, **body: Any) -> None:
        """Answer with *body*, the method, the request's id and both times."""
        message = {"method": self.method, **body}
        if self.req_id is not None:
            message["req_id"] = self.req_id
        message["time_in"] = self.time_in
        message["time_out"] = rfc3339(self.session.exchange.now_us())
        self.session.send(message)

    def succeed(self, result: Any, **more: Any) -> None:
        """Answer that it was done."""
        if self.answer_instead is not None:
            self.refuse(self.answer_instead)
            return
        self.answer(success=True, result=result, **more)

    def refuse(self, error: str, **more: Any) -> None:
        """Answer that it was not."""
        self.answer(success=False, error=error, **more)


Handler = Callable[[StreamRequest], None]


class StreamSurface:
    """Every open connection, and the handlers of what they may ask."""

    def __init__(self, exchange: KrakenExchange, tokens: TokenStore) -> None:
        self.exchange = exchange
        self.tokens = tokens
        self.sessions: list[StreamSession] = []
        self.handlers: dict[str, Handler] = {}
        self._attempts: deque[float] = deque()
        self._banned_until_s = float("-inf")
        self._connections = 0
        exchange.mode_listeners.append(self._mode_changed)

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> StreamSession | SimReply:
        """A session, or the refusal of the handshake."""
        del headers
        if self._is_over_budget():
            return _BANNED
        if path not in _PATHS:
            return _NOT_FOUND
        self._connections += 1
        session = StreamSession(self, peer, connection_id=self._connections)
        self.sessions.append(session)
        # Not at once: the front may have to finish the handshake first.
        self.exchange.timers.call_later(0.0, session.greet)
        return session

    def feeds(self, channel: str, account: str) -> list[Feed]:
        """Every private subscription of a channel that tells of an account."""
        return [
            feed
            for session in self.sessions
            for feed in session.feeds.values()
            if feed.channel == channel and feed.covers(account)
        ]

    def public_feeds(self, channel: str, symbol: str) -> list[Feed]:
        """Every subscription of a public channel to a symbol."""
        return [
            feed
            for session in self.sessions
            for feed in session.feeds.values()
            if feed.channel == channel and feed.options.get("symbol") == symbol
        ]

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection from the venue's side."""
        for session in list(self.sessions):
            session.close(code, reason)

    def close_of_key(self, key: str | None) -> int:
        """Close the connections that a token of this key (None: of any) was used on; returns how many."""
        used = [session for session in self.sessions if session.keys and (key is None or key in session.keys)]
        for session in used:
            session.close(1008, "session revoked")
        return len(used)

    def _mode_changed(self) -> None:
        for session in list(self.sessions):
            session.send_status()

    def _is_over_budget(self) -> bool:
        # About 150 attempts in any 10 minutes and address, then a ban of 10 minutes; refused attempts count.
        settings = self.exchange.settings
        now_s = self.exchange.now_s()
        if now_s < self._banned_until_s:
            return True
        attempts = self._attempts
        attempts.append(now_s)
        while attempts[0] <= now_s - settings.connect_budget_window_s:
            attempts.popleft()
        if len(attempts) > settings.connect_budget:
            self._banned_until_s = now_s + settings.connect_ban_s
            attempts.clear()
            return True
        return False


class StreamSession:
    """One connection at the venue's side."""

    def __init__(self, surface: StreamSurface, peer: Peer, *, connection_id: int) -> None:
        self.surface = surface
        self.exchange = surface.exchange
        self.feeds: dict[tuple[str, ...], Feed] = {}
        self.sequences: dict[str, int] = {}  # Where the next subscription of a channel goes on, if it does.
        self.keys: set[str] = set()  # Whose tokens were used here.
        self._peer = peer
        self._connection_id = connection_id
        self._is_open = True
        self._is_greeted = False
        self._last_sent_s = self._last_received_s = self.exchange.now_s()
        self._beat_s: float | None = None
        self._beat_timer: Any = None
        self._held_back: list[bytes] | None = None
        self._idle_timer = self.exchange.timers.call_later(self.exchange.settings.idle_close_s, self._check_idle)

    def greet(self) -> None:
        """Send the one status frame that opens every connection."""
        if self._is_open and not self._is_greeted:
            self._is_greeted = True
            self.send_status()

    def send_status(self) -> None:
        """Send the engine's mode."""
        row = {
            "api_version": "v2",
            "connection_id": self._connection_id,
            "system": self.exchange.mode,
            "version": "2.0.10",
        }
        self.send({"channel": "status", "type": "update", "data": [row]})

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one answer, past anything held back."""
        self._put(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send one encoded message of a channel."""
        if self._held_back is not None:
            self._held_back.append(frame)
        else:
            self._put(frame)

    @contextmanager
    def acknowledging_first(self) -> Iterator[None]:
        """Within the block, answers overtake what the channels have to say."""
        self._held_back = []
        try:
            yield
        finally:
            frames, self._held_back = self._held_back, None
            for frame in frames:
                self._put(frame)

    def receive(self, frame: bytes) -> None:
        """Act on one message of the client."""
        if not self._is_open:
            return
        self._last_received_s = self.exchange.now_s()
        self.greet()
        time_in = rfc3339(self.exchange.now_us())
        message = decode_json(frame)
        if not isinstance(message, dict):
            self.send({"success": False, "error": "Malformed request", "time_in": time_in, "time_out": time_in})
            return
        request = StreamRequest(self, message, time_in)
        if request.method == "ping":
            request.method = "pong"
            request.answer()
            return
        handler = self.surface.handlers.get(request.method) if isinstance(request.method, str) else None
        if handler is None:
            request.refuse("Unsupported method")
            return
        try:
            handler(request)
        except KrakenRefusedError as refusal:
            request.refuse(refusal.text)

    def closed(self) -> None:
        """The connection is gone: end its subscriptions and timers."""
        if not self._is_open:
            return
        self._is_open = False
        self.surface.sessions.remove(self)
        for feed in self.feeds.values():
            feed.end()
        self.feeds.clear()
        for timer in (self._idle_timer, self._beat_timer):
            if timer is not None:
                timer.cancel()

    def close(self, code: int, reason: str) -> None:
        """Close from the venue's side."""
        if self._is_open:
            self.closed()
            self._peer.close(code, reason)

    def start_heartbeats(self) -> None:
        """From the first subscription of any channel on, a heartbeat follows every quiet second."""
        if self._beat_s is None:
            settings = self.exchange.settings
            self._beat_s = settings.coalesce_heartbeats_s or settings.heartbeat_s
            self._beat_timer = self.exchange.timers.call_later(self._beat_s, self._beat)

    def _put(self, frame: bytes) -> None:
        if self._is_open and not self.exchange.impairments.active("mute_stream"):
            self._last_sent_s = self.exchange.now_s()
            self._peer.send(frame)

    def _beat(self) -> None:
        assert self._beat_s is not None
        exchange = self.exchange
        now_s = exchange.now_s()
        wait_s = self._last_sent_s + self._beat_s - now_s
        if wait_s <= _HAIR_S:
            wait_s = self._beat_s
            if not exchange.impairments.active("mute_stream"):
                self._last_sent_s = now_s
                self._peer.send(HEARTBEAT)
        if self._is_open:
            self._beat_timer = exchange.timers.call_later(wait_s, self._beat)

    def _check_idle(self) -> None:
        idle_s = self.exchange.settings.idle_close_s
        wait_s = idle_s
        if not self.feeds:
            wait_s = self._last_received_s + idle_s - self.exchange.now_s()
            if wait_s <= _HAIR_S:
                self.close(1000, "idle")
                return
        self._idle_timer = self.exchange.timers.call_later(wait_s, self._check_idle)
