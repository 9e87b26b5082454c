"""
The stream side: connections, their heartbeats and idle rule, and the way in for messages.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/websockets/introduction,
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status, .../heartbeat, .../ping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from holdfast.simulators.core.seam import Peer, SimReply
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.render import encode, rfc3339
from holdfast.simulators.kraken.tokens import TokenStore

__all__ = ["HEARTBEAT", "StreamSession", "StreamSurface"]

HEARTBEAT: Final = b'{"channel":"heartbeat"}'
_PATHS: Final = ("/v2", "/v2/")
_JSON: Final = msgspec.json.Decoder(float_hook=lambda text: text)

Handler = Callable[["StreamSession", dict[str, Any], dict[str, Any]], None]


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

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> StreamSession | SimReply:
        """A session, or the refusal of the handshake."""
        del headers
        if path not in _PATHS:
            return SimReply(status=404, headers={"Content-Type": "text/plain"}, body=b"not found")
        if self._is_over_budget():
            return SimReply(
                status=429,
                headers={"Content-Type": "text/html"},
                body=b"<html>429 Too Many Requests</html>",
            )
        self._connections += 1
        session = StreamSession(self, peer, connection_id=self._connections)
        self.sessions.append(session)
        self.exchange.timers.call_later(0.0, session.greet)
        return session

    def broadcast_status(self) -> None:
        """Tell every connection the engine's mode."""
        for session in list(self.sessions):
            session.send_status()

    def _is_over_budget(self) -> bool:
        # Cloudflare's rule: about 150 attempts in any 10 minutes, then a ban of 10 minutes.
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
        self._peer = peer
        self._connection_id = connection_id
        self._is_open = True
        self._is_greeted = False
        self._last_sent_s = self._last_received_s = self.exchange.now_s()
        self._beats = False
        self._idle_timer = self.exchange.timers.call_later(self.exchange.settings.idle_close_s, self._check_idle)
        self._beat_timer: Any = None

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
        """Send one message, encoded."""
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send one encoded message; nothing once the connection is closed."""
        if self._is_open:
            self._last_sent_s = self.exchange.now_s()
            self._peer.send(frame)

    def answer(self, request: Mapping[str, Any], time_in: str, body: Mapping[str, Any]) -> None:
        """Answer one request: *body* with the method, the request's id and both times."""
        message = {"method": request.get("method"), **body}
        if "req_id" in request:
            message["req_id"] = request["req_id"]
        message["time_in"] = time_in
        message["time_out"] = rfc3339(self.exchange.now_us())
        self.send(message)

    def receive(self, frame: bytes) -> None:
        """Act on one message of the client."""
        self._last_received_s = self.exchange.now_s()
        self.greet()
        time_in = rfc3339(self.exchange.now_us())
        try:
            request = _JSON.decode(frame)
        except (msgspec.DecodeError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self.send({"error": "Invalid JSON object", "success": False, "time_in": time_in, "time_out": time_in})
            return
        method = request.get("method")
        params = request.get("params")
        if method == "ping":
            self.answer({**request, "method": "pong"}, time_in, {})
            return
        handler = self.surface.handlers.get(method) if isinstance(method, str) else None
        try:
            if handler is None:
                raise KrakenRefusedError("Unsupported method")
            handler(self, request, params if isinstance(params, dict) else {})
        except KrakenRefusedError as refusal:
            self.answer(request, time_in, {"success": False, "error": refusal.text})

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
        if not self._beats:
            self._beats = True
            settings = self.exchange.settings
            self._beat_s = settings.coalesce_heartbeats_s or settings.heartbeat_s
            self._beat_timer = self.exchange.timers.call_later(self._beat_s, self._beat)

    def _beat(self) -> None:
        exchange = self.exchange
        quiet_s = exchange.now_s() - self._last_sent_s
        rest_s = self._beat_s - quiet_s
        if rest_s <= 0.000_001:
            if not exchange.impairments.is_stream_mute:
                self.send_frame(HEARTBEAT)
            rest_s = self._beat_s
        self._beat_timer = exchange.timers.call_later(rest_s, self._beat)

    def _check_idle(self) -> None:
        idle_s = self.exchange.settings.idle_close_s
        rest_s = idle_s
        if not self.feeds:
            rest_s = self._last_received_s + idle_s - self.exchange.now_s()
            if rest_s <= 0.000_001:
                self.close(1000, "idle")
                return
        self._idle_timer = self.exchange.timers.call_later(rest_s, self._check_idle)
