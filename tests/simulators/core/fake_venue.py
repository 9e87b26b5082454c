"""A venue of a few lines that speaks nothing anyone trades on: what the fronts are tested against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from holdfast.simulators.core.seam import Peer, Session, SimReply, SimRequest

ACME_BODY = b'{"error":[],"result":{"ZUSD":{"balance":"1500.25","hold_trade":"400"},"XXBT":{"balance":"0.4"}}}'


class AcmeSession:
    """Acknowledges whatever it is told, and says one data frame per ``subscribe``."""

    def __init__(self, venue: AcmeVenue, peer: Peer) -> None:
        self.peer = peer
        self.venue = venue
        self.received: list[bytes] = []
        self.is_closed = False

    def receive(self, frame: bytes) -> None:
        self.received.append(frame)
        message = json.loads(frame)
        if message.get("method") == "ping":
            self.peer.send(b'{"method":"pong"}')
        if message.get("method") == "subscribe":
            self.peer.send(b'{"method":"subscribe","success":true}')
            self.peer.send(
                b'{"channel":"balances","type":"snapshot","sequence":1,"data":[{"asset":"USD","balance":1.5}]}'
            )
        if message.get("method") == "bye":
            self.peer.close(1000, "bye")

    def closed(self) -> None:
        self.is_closed = True


class AcmeVenue:
    """Counts what it commits; ``/public/Late`` refuses streams."""

    id = "acme"
    stream_path = "/v2"

    def __init__(self) -> None:
        self.handled: list[SimRequest] = []
        self.sessions: list[AcmeSession] = []
        self.events: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.closes_at_once = False
        self.replies: list[SimReply] = []  # Given first, one each; then always the same.
        self.reply = SimReply(status=200, headers={"content-type": "application/json"}, body=ACME_BODY)

    def handle(self, request: SimRequest) -> SimReply:
        self.handled.append(request)
        return self.replies.pop(0) if self.replies else self.reply

    def describe(self, request: SimRequest) -> dict[str, str]:
        facts = {"name": request.path.rpartition("/")[2]}
        if "api-key" in request.headers:
            facts["key"] = request.headers["api-key"]
        fields = parse_qs(request.body.decode("latin-1"))
        if "nonce" in fields:
            facts["nonce"] = fields["nonce"][0]
        if "cl_ord_id" in fields:
            facts["client_order_id"] = fields["cl_ord_id"][0]
        return facts

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        try:
            message = json.loads(frame)
        except ValueError:
            return {}
        shown = {name: message[name] for name in ("channel", "type", "key") if name in message}
        if "method" in message:
            shown["name"] = message["method"]
        return shown

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        if path != "/v2":
            return SimReply(status=404, headers={}, body=b"no stream here")
        session = AcmeSession(self, peer)
        self.sessions.append(session)
        peer.send(b'{"channel":"status","type":"update","data":[]}')
        if self.closes_at_once:
            peer.close(1008, "no more")
        return session

    def truth(self) -> dict[str, Any]:
        return {
            "accounts": {"master": {"assets": {"USD": {"total": "1500.25", "held": "400", "available": "1100.25"}}}}
        }

    def orders(self) -> dict[str, Any]:
        return {"accounts": {"master": {"orders": []}}}

    def credentials(self) -> list[dict[str, Any]]:
        return [{"account": "master", "key": "SIMK", "secret": "c2Vj", "passphrase": None, "nonce_window": 0}]

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        if event.get("kind") != "deposit":
            raise ValueError("unknown event; known: deposit")
        self.events.append(dict(event))
        return {"happened": "deposit"}

    def impair(self, fault: Mapping[str, Any]) -> bool:
        if fault and fault.get("kind") != "lockout":
            return False
        self.faults.append(dict(fault))
        return True
