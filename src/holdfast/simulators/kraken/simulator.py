"""The simulated Kraken as one value: what a front carries the bytes of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.core.seams import Clock
from holdfast.simulators.core.seam import Peer, Session, SimReply, SimRequest, Timers
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.rest import RestSurface, parse_body
from holdfast.simulators.kraken.settings import KrakenSimSettings
from holdfast.simulators.kraken.stream import HEARTBEAT, StreamSurface
from holdfast.simulators.kraken.subscriptions import Subscriptions
from holdfast.simulators.kraken.tokens import TokenStore

__all__ = ["KrakenSimulator"]

_JSON: Final = msgspec.json.Decoder(float_hook=lambda text: text)
_HEARTBEAT_FACTS: Final = {"channel": "heartbeat"}


class KrakenSimulator:
    """
    A simulated Kraken: REST below ``/0`` and WebSocket v2 at ``/v2``, deterministic for its seed, clock and requests.

    Args:
        seed: Decides credentials, ids and every random choice.
        profile: What the accounts hold: plain, earn, busy, margin, empty or many.
        clock: ``wall_us`` is the venue's time; ``now_s`` measures its durations.
        timers: When it acts by itself; ``loop.call_later`` of any event loop fits.
        settings: Switches; the defaults are a quiet, documented Kraken.

    Raises:
        ValueError: No such profile.
    """

    id = "kraken"

    def __init__(
        self,
        *,
        seed: int,
        profile: str = "plain",
        clock: Clock,
        timers: Timers,
        settings: KrakenSimSettings | None = None,
    ) -> None:
        self._exchange = KrakenExchange(seed=seed, profile=profile, clock=clock, timers=timers, settings=settings)
        self._tokens = TokenStore(self._exchange)
        self._rest = RestSurface(self._exchange, self._tokens)
        self._stream = StreamSurface(self._exchange, self._tokens)
        Subscriptions(self._exchange, self._stream, self._tokens)

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one REST request; what it commits is committed when this returns."""
        return self._rest.handle(request)

    def describe(self, request: SimRequest) -> dict[str, str]:
        """``name``, and where they apply ``key``, ``nonce`` and ``client_order_id``; acts on nothing."""
        facts = {"name": request.path.rpartition("/")[2]}
        key = request.headers.get("api-key")
        if key is not None:
            facts["key"] = key
        if request.body:
            try:
                fields = parse_body(request)
            except KrakenRefusedError:
                return facts
            for field, fact in (("nonce", "nonce"), ("cl_ord_id", "client_order_id")):
                if field in fields:
                    facts[fact] = str(fields[field])
        return facts

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        """``name`` of a request or answer, ``channel`` and ``type`` of data, ``key`` behind a token."""
        if frame == HEARTBEAT:
            return dict(_HEARTBEAT_FACTS)
        try:
            message = _JSON.decode(frame)
        except (msgspec.DecodeError, RecursionError):
            return {}
        if not isinstance(message, dict):
            return {}
        facts: dict[str, str] = {}
        if isinstance(message.get("method"), str):
            facts["name"] = message["method"]
        for name in ("channel", "type"):
            if isinstance(message.get(name), str):
                facts[name] = message[name]
        for name in ("params", "result"):
            part = message.get(name)
            if isinstance(part, dict):
                if isinstance(part.get("channel"), str):
                    facts.setdefault("channel", part["channel"])
                if isinstance(part.get("cl_ord_id"), str):
                    facts["client_order_id"] = part["cl_ord_id"]
                token = self._tokens.find(part.get("token"))
                if token is not None:
                    facts["key"] = token.key.public
        return facts

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        """A stream connection, or the refusal of its handshake."""
        return self._stream.connect(path, peer, headers)

    def truth(self) -> dict[str, Any]:
        """What every account really holds, in canonical codes and exact text."""
        return {
            "accounts": {
                name: {"assets": self._exchange.truth_of(account)} for name, account in self._exchange.accounts.items()
            }
        }

    def credentials(self) -> list[dict[str, Any]]:
        """Every living key with its secret, for the ready line."""
        return [
            {
                "account": key.account,
                "key": key.public,
                "secret": key.secret,
                "passphrase": None,
                "nonce_window": key.nonce_window,
            }
            for key in self._exchange.keys.values()
            if not key.is_revoked
        ]

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Let something happen at the venue."""
        raise ValueError(f"unknown event {event.get('kind')!r}")

    def impair(self, fault: Mapping[str, Any]) -> bool:
        """Take a fault; False where its kind is not one of ours."""
        return not fault
