"""
The stream side: connections, logins, the silence rule, and the way in for messages.

Three addresses with channels of their own; a login counts for one connection. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#overview-websocket-connect, ...#overview-websocket-login,
...#overview-websocket-connection-count-limit, ...#overview-websocket-notification.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from holdfast.simulators.core.seam import Peer, SimReply
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.okx.errors import StreamRefusedError, text_of
from holdfast.simulators.okx.exchange import OkxAccount, OkxExchange
from holdfast.simulators.okx.feeds import Feed
from holdfast.simulators.okx.gate import Gate
from holdfast.simulators.okx.keys import ApiKey
from holdfast.simulators.okx.render import encode

__all__ = ["EVENTS", "PATHS", "StreamSession", "StreamSurface"]

PATHS: Final = {f"/ws/v5/{kind}": kind for kind in ("public", "private", "business")}
"""Every stream address."""

EVENTS: Final = ("error", "notice", "channel-conn-count", "channel-conn-count-error", "ping", "pong")
"""What a message may be called beside what was asked for."""

_TOO_OFTEN: Final = SimReply(status=429, headers={"content-type": "text/plain"}, body=b"too many connections")
_NOT_FOUND: Final = SimReply(status=404, headers={"content-type": "text/plain"}, body=b"not found")
_HOUR_S: Final = 3600.0
# A timer may fire a hair early; that must not cost a whole further round.
_HAIR_S: Final = 1e-6

Handler = Callable[["StreamSession", Mapping[str, Any]], None]


class StreamSurface:
    """Every open connection, and the handlers of what they may ask."""

    def __init__(self, exchange: OkxExchange, gate: Gate) -> None:
        self.exchange = exchange
        self.gate = gate
        self.sessions: list[StreamSession] = []
        self.handlers: dict[str, Handler] = {"login": self._log_in}
        self._attempts_s: deque[float] = deque()
        self._connections = 0

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> StreamSession | SimReply:
        """A session, or the refusal of the handshake."""
        del headers
        now_s = self.exchange.now_s()
        attempts_s = self._attempts_s
        while attempts_s and attempts_s[0] <= now_s - 1:
            attempts_s.popleft()
        if len(attempts_s) >= self.exchange.settings.connects_per_s:
            return _TOO_OFTEN
        attempts_s.append(now_s)
        kind = PATHS.get(path.rstrip("/"))
        if kind is None:
            return _NOT_FOUND
        self._connections += 1
        session = StreamSession(self, peer, kind=kind, connection_id=f"{self._connections:08x}")
        self.sessions.append(session)
        return session

    def feeds(self, channel: str, account: str | None = None) -> list[Feed]:
        """Every subscription of a channel, of one account where it is private."""
        return [
            feed
            for session in self.sessions
            for feed in list(session.feeds.values())
            if feed.channel == channel and (account is None or feed.account == account)
        ]

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection from the venue's side."""
        for session in list(self.sessions):
            session.close(code, reason)

    def close_of_key(self, public: str) -> int:
        """Close the connections that this key logged in on, as when it is changed or deleted; returns how many."""
        used = [session for session in self.sessions if session.key is not None and session.key.public == public]
        for session in used:
            session.close(4007, "The API key has been updated or deleted. Please reconnect.")
        return len(used)

    def log_out(self, public: str | None) -> int:
        """Forget logins (of a key) without a word: what is subscribed to next is refused; returns how many."""
        known = [s for s in self.sessions if s.key is not None and public in (None, s.key.public)]
        for session in known:
            session.key = None
        return len(known)

    def announce_upgrade(self, after_s: float) -> None:
        """Tell every connection that it will soon be closed, and close it then."""
        for session in list(self.sessions):
            session.send({"event": "notice", "code": "64008", "msg": text_of("64008"), "connId": session.connection_id})
            self.exchange.timers.call_later(after_s, session.close, 4006, "service upgrade")

    def _log_in(self, session: StreamSession, message: Mapping[str, Any]) -> None:
        args = message.get("args")
        try:
            if session.kind == "public":
                raise StreamRefusedError("60018")
            if session.key is not None:
                raise StreamRefusedError("60031")
            if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
                raise StreamRefusedError("60012")
            session.key = self.gate.log_in(args[0])
        except StreamRefusedError as refusal:
            session.refuse(refusal, message)
            if self.exchange.settings.closes_after_failed_login and session.key is None:
                session.close(4001, "Login failed")
            return
        session.send({"event": "login", "code": "0", "msg": "", "connId": session.connection_id})


class StreamSession:
    """One connection at the venue's side."""

    def __init__(self, surface: StreamSurface, peer: Peer, *, kind: str, connection_id: str) -> None:
        self.surface = surface
        self.exchange = surface.exchange
        self.kind = kind  # public, private, business
        self.connection_id = connection_id
        self.key: ApiKey | None = None
        self.feeds: dict[tuple[tuple[str, str], ...], Feed] = {}
        self._peer = peer
        self._is_open = True
        self._asked_s: deque[float] = deque()  # Logins and subscriptions of the last hour.
        self._last_sent_s = self.exchange.now_s()
        self._held_back: list[bytes] | None = None
        self._idle_timer = self.exchange.timers.call_later(self.exchange.settings.idle_close_s, self._check_idle)

    @property
    def account(self) -> OkxAccount:
        """Whose connection it is; only where somebody logged in."""
        assert self.key is not None
        return self.exchange.accounts[self.key.account]

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one answer, past anything held back."""
        self._put(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send one encoded message of a channel."""
        if self._held_back is not None:
            self._held_back.append(frame)
        else:
            self._put(frame)

    def refuse(self, refusal: StreamRefusedError, message: Mapping[str, Any]) -> None:
        """Answer with an error event."""
        answer = {"event": "error", "code": refusal.code, "msg": refusal.text, "connId": self.connection_id}
        if isinstance(message.get("id"), str):
            answer = {"id": message["id"], **answer}
        self.send(answer)

    @contextmanager
    def acknowledging_first(self) -> Iterator[None]:
        """Within the block, answers overtake what the channels have to say."""
        if not self.exchange.settings.is_wire_ack_before_events:
            yield
            return
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
        if frame.strip() == b"ping":
            self._put(b"pong")
            return
        message = decode_json(frame)
        if not isinstance(message, dict) or not isinstance(message.get("op"), str):
            text = f"Invalid request: {frame.decode('utf-8', 'replace')}"
            self.refuse(StreamRefusedError("60012", text), message if isinstance(message, dict) else {})
            return
        op = message["op"]
        handler = self.surface.handlers.get(op)
        try:
            if handler is None:
                raise StreamRefusedError("60019", f"Invalid op: {op}")
            if op in ("login", "subscribe", "unsubscribe"):
                self._count()
            handler(self, message)
        except StreamRefusedError as refusal:
            self.refuse(refusal, message)

    def closed(self) -> None:
        """The connection is gone: end its subscriptions and timers."""
        if not self._is_open:
            return
        self._is_open = False
        self.surface.sessions.remove(self)
        for feed in self.feeds.values():
            feed.end()
        self.feeds.clear()
        self._idle_timer.cancel()

    def close(self, code: int, reason: str) -> None:
        """Close from the venue's side."""
        if self._is_open:
            self.closed()
            self._peer.close(code, reason)

    def _count(self) -> None:
        now_s = self.exchange.now_s()
        asked_s = self._asked_s
        while asked_s and asked_s[0] <= now_s - _HOUR_S:
            asked_s.popleft()
        if len(asked_s) >= self.exchange.settings.requests_per_hour:
            raise StreamRefusedError("60014")
        asked_s.append(now_s)

    def _put(self, frame: bytes) -> None:
        if self._is_open and not self.exchange.impairments.active("mute_stream"):
            self._last_sent_s = self.exchange.now_s()
            self._peer.send(frame)

    def _check_idle(self) -> None:
        # What counts is what the venue pushed: an answer to a ping is enough, a subscription alone is not.
        wait_s = self._last_sent_s + self.exchange.settings.idle_close_s - self.exchange.now_s()
        if wait_s <= _HAIR_S:
            self.close(4004, "No data received in 30s.")
            return
        self._idle_timer = self.exchange.timers.call_later(wait_s, self._check_idle)
