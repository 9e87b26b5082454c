"""
A simulated Kraken on a test's bench: signed calls, streams that remember, and time that moves on command.

Signing and reading are done here from Kraken's documentation, never with our own client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.parse
from decimal import Decimal
from typing import Any

from holdfast.simulators.core.seam import SimReply, SimRequest
from holdfast.simulators.kraken import KrakenSimSettings, KrakenSimulator
from tests.simulators.manual_time import ManualClock, ManualTimers

__all__ = ["Bench", "Stream"]


def _constant(name: str) -> Any:
    raise AssertionError(f"the venue wrote {name}")


def read_json(data: bytes) -> Any:
    """JSON with exact numbers; no NaN, no Infinity."""
    return json.loads(data, parse_float=Decimal, parse_constant=_constant)


class Stream:
    """One client's end of a stream connection."""

    def __init__(self, bench: Bench, path: str = "/v2") -> None:
        self.raw: list[bytes] = []
        self.closed_with: tuple[int, str] | None = None
        session = bench.sim.connect(path, self, {})
        assert not isinstance(session, SimReply), session
        self.session = session
        self._bench = bench
        self._req_id = 0
        bench.timers.run()

    # The venue's side of it

    def send(self, frame: bytes) -> None:
        self.raw.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed_with = (code, reason)

    # The test's side of it

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [read_json(frame) for frame in self.raw]

    def of(self, channel: str, kind: str | None = None) -> list[dict[str, Any]]:
        """The messages of one channel, of one type where it is given."""
        return [f for f in self.frames if f.get("channel") == channel and kind in (None, f.get("type"))]

    def rows(self, channel: str, kind: str = "update") -> list[dict[str, Any]]:
        """The rows of a channel's messages."""
        return [row for frame in self.of(channel, kind) for row in frame["data"]]

    def clear(self) -> None:
        self.raw.clear()

    def ask(self, method: str, **params: Any) -> list[dict[str, Any]]:
        """Send a request; every answer with its id."""
        self._req_id += 1
        request: dict[str, Any] = {"method": method, "req_id": self._req_id}
        if params:
            request["params"] = params
        self.session.receive(json.dumps(request).encode())
        return [frame for frame in self.frames if frame.get("req_id") == self._req_id]

    def subscribe(self, channel: str, **params: Any) -> dict[str, Any]:
        """Subscribe to a private channel; the answer."""
        (answer,) = self.ask("subscribe", channel=channel, token=self._bench.token(), **params)
        return answer

    def order(self, method: str, **params: Any) -> dict[str, Any]:
        """One order method; its answer."""
        (answer,) = self.ask(method, token=self._bench.token(), **params)
        return answer


class Bench:
    """The venue with everything a test needs to talk to it."""

    def __init__(self, *, seed: int = 7, profile: str = "plain", **settings: Any) -> None:
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.sim = KrakenSimulator(
            seed=seed,
            profile=profile,
            clock=self.clock,
            timers=self.timers,
            settings=KrakenSimSettings(**settings) if settings else None,
        )
        self.credential = self.sim.credentials()[0]
        self._token: str | None = None
        self.nonce = 1_790_000_000_000_000

    # REST

    def reply(
        self,
        name: str,
        /,
        *,
        as_json: bool = False,
        nonce: Any = None,
        credential: dict[str, Any] | None = None,
        signature: str | None = None,
        **fields: Any,
    ) -> SimReply:
        """One signed call; the venue's raw reply."""
        credential = credential or self.credential
        if nonce is None:
            self.nonce += 1
            nonce = self.nonce
        fields = {"nonce": nonce, **fields}
        body = (json.dumps(fields) if as_json else urllib.parse.urlencode(fields)).encode()
        path = f"/0/private/{name}"
        digest = hashlib.sha256(str(nonce).encode() + body).digest()
        made = hmac.new(base64.b64decode(credential["secret"]), path.encode() + digest, hashlib.sha512).digest()
        return self.sim.handle(
            SimRequest(
                method="POST",
                path=path,
                query="",
                headers={
                    "api-key": credential["key"],
                    "api-sign": signature or base64.b64encode(made).decode(),
                    "content-type": "application/json" if as_json else "application/x-www-form-urlencoded",
                },
                body=body,
            )
        )

    def envelope(self, name: str, /, **fields: Any) -> dict[str, Any]:
        """One signed call; the whole envelope."""
        envelope: dict[str, Any] = read_json(self.reply(name, **fields).body)
        return envelope

    def call(self, name: str, /, **fields: Any) -> Any:
        """One signed call that has to succeed; its result."""
        envelope = self.envelope(name, **fields)
        assert envelope["error"] == [], envelope
        return envelope["result"]

    def error(self, name: str, /, **fields: Any) -> str:
        """One signed call that has to be refused; its one error."""
        envelope = self.envelope(name, **fields)
        (error,) = envelope["error"]
        return str(error)

    def public(self, name: str, query: str = "") -> dict[str, Any]:
        """One unsigned call; the whole envelope."""
        reply = self.sim.handle(SimRequest(method="GET", path=f"/0/public/{name}", query=query, headers={}, body=b""))
        assert reply.status == 200
        envelope: dict[str, Any] = read_json(reply.body)
        return envelope

    def look(self, name: str, query: str = "") -> Any:
        """One unsigned call that has to succeed; its result."""
        envelope = self.public(name, query)
        assert envelope["error"] == [], envelope
        return envelope["result"]

    def token(self) -> str:
        """A stream token; the same one until ``fresh_token``."""
        if self._token is None:
            self._token = str(self.call("GetWebSocketsToken")["token"])
        return self._token

    def fresh_token(self) -> str:
        """A new stream token, used from now on."""
        self._token = None
        return self.token()

    def limit(self, side: str = "buy", volume: str = "0.01", price: str = "39000", **more: Any) -> str:
        """Place a limit order on XBTUSD; its id."""
        result = self.call("AddOrder", ordertype="limit", type=side, volume=volume, pair="XBTUSD", price=price, **more)
        (txid,) = result["txid"]
        return str(txid)

    def market(self, side: str = "buy", volume: str = "0.01", **more: Any) -> str:
        """Place a market order on XBTUSD; its id."""
        result = self.call("AddOrder", ordertype="market", type=side, volume=volume, pair="XBTUSD", **more)
        (txid,) = result["txid"]
        return str(txid)

    # The rest of the world

    def stream(self) -> Stream:
        """A new stream connection."""
        return Stream(self)

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.sim.happen({"kind": kind, **fields})

    def impair(self, kind: str, **fields: Any) -> None:
        assert self.sim.impair({"kind": kind, **fields})

    def heal(self) -> None:
        assert self.sim.impair({})

    def pass_time(self, by_s: float) -> None:
        self.timers.run(by_s)

    def truth(self, account: str = "master") -> dict[str, dict[str, str]]:
        assets: dict[str, dict[str, str]] = self.sim.truth()["accounts"][account]["assets"]
        return assets
