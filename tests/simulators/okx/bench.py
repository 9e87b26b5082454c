"""
A simulated OKX on a test's bench: signed calls, streams that remember, and time that moves on command.

Signing and reading are done here from OKX's documentation, never with our own client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.simulators.core.seam import SimReply, SimRequest
from holdfast.simulators.okx import OkxSimSettings, OkxSimulator
from tests.simulators.manual_time import ManualClock, ManualTimers

__all__ = ["Bench", "Stream", "signed"]


def _constant(name: str) -> Any:
    raise AssertionError(f"the venue wrote {name}")


def read_json(data: bytes) -> Any:
    """JSON with exact numbers; no NaN, no Infinity."""
    return json.loads(data, parse_float=Decimal, parse_constant=_constant)


def signed(secret: str, text: str) -> str:
    """OKX's signature of *text*."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def iso(at_us: int) -> str:
    """``2026-01-15T08:30:00.123Z``."""
    seconds, micros = divmod(at_us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros // 1000:03d}Z"


class Stream:
    """One client's end of a stream connection."""

    def __init__(self, bench: Bench, path: str) -> None:
        self.raw: list[bytes] = []
        self.closed_with: tuple[int, str] | None = None
        session = bench.sim.connect(path, self, {})
        assert not isinstance(session, SimReply), session
        self.session = session
        self._bench = bench
        self._number = 0

    # The venue's side of it

    def send(self, frame: bytes) -> None:
        self.raw.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed_with = (code, reason)

    # The test's side of it

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [read_json(frame) for frame in self.raw if frame != b"pong"]

    def of(self, channel: str, kind: str | None = None) -> list[dict[str, Any]]:
        """The messages of one channel, of one ``eventType`` where it is given."""
        return [
            f
            for f in self.frames
            if "event" not in f and f.get("arg", {}).get("channel") == channel and kind in (None, f.get("eventType"))
        ]

    def rows(self, channel: str) -> list[dict[str, Any]]:
        """The rows of a channel's messages."""
        return [row for frame in self.of(channel) for row in frame["data"]]

    def clear(self) -> None:
        self.raw.clear()

    def say(self, message: Any) -> list[dict[str, Any]]:
        """Send a message; what was answered at once."""
        before = len(self.frames)
        self.session.receive(message if isinstance(message, bytes) else json.dumps(message).encode())
        return self.frames[before:]

    def log_in(self, **changed: Any) -> dict[str, Any]:
        """Log in; the answer."""
        credential = self._bench.credential
        stamp = str(self._bench.sim.now_us() // 1_000_000)
        arg = {
            "apiKey": credential["key"],
            "passphrase": credential["passphrase"],
            "timestamp": stamp,
            "sign": signed(credential["secret"], f"{changed.get('timestamp', stamp)}GET/users/self/verify"),
            **changed,
        }
        (answer, *_) = self.say({"op": "login", "args": [arg]})
        return answer

    def subscribe(self, channel: str, **arg: Any) -> dict[str, Any]:
        """Subscribe to a channel; the first answer."""
        return self.say({"id": "7", "op": "subscribe", "args": [{"channel": channel, **arg}]})[0]

    def operate(self, op: str, *args: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One order operation; its answer."""
        self._number += 1
        name = f"n{self._number}"
        self.say({"id": name, "op": op, "args": list(args), **more})
        (answer,) = [frame for frame in self.frames if frame.get("id") == name]
        return answer


class Bench:
    """The venue with everything a test needs to talk to it."""

    def __init__(self, *, seed: int = 7, profile: str = "plain", **settings: Any) -> None:
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.sim = OkxSimulator(
            seed=seed,
            profile=profile,
            clock=self.clock,
            timers=self.timers,
            settings=msgspec.convert(settings, OkxSimSettings) if settings else None,
        )
        self.credential = self.sim.credentials()[0]

    # REST

    def request(
        self,
        method: str,
        path: str,
        fields: Any = None,
        *,
        credential: dict[str, Any] | None = None,
        at_us: int | None = None,
        **headers: str,
    ) -> SimRequest:
        """One signed request; *headers* replace what signing made, an empty one leaves it out."""
        credential = credential or self.credential
        query, body = "", b""
        if method == "GET":
            query = urllib.parse.urlencode(fields or {}, safe=",")
        elif fields is not None:
            body = json.dumps(fields).encode()
        target = f"/api/v5/{path}" + (f"?{query}" if query else "")
        stamp = iso(self.sim.now_us() if at_us is None else at_us)
        made = {
            "ok-access-key": credential["key"],
            "ok-access-sign": signed(credential["secret"], f"{stamp}{method}{target}{body.decode()}"),
            "ok-access-timestamp": stamp,
            "ok-access-passphrase": credential["passphrase"],
            "content-type": "application/json",
        }
        made |= {name.replace("_", "-"): value for name, value in headers.items()}
        return SimRequest(
            method=method,
            path=f"/api/v5/{path}",
            query=query,
            headers={name: value for name, value in made.items() if value},
            body=body,
        )

    def reply(self, method: str, path: str, fields: Any = None, **how: Any) -> SimReply:
        """One signed call; the venue's raw reply."""
        return self.sim.handle(self.request(method, path, fields, **how))

    def envelope(self, method: str, path: str, fields: Any = None, **how: Any) -> dict[str, Any]:
        """One signed call; the whole envelope."""
        envelope: dict[str, Any] = read_json(self.reply(method, path, fields, **how).body)
        return envelope

    def get(self, path: str, **fields: Any) -> Any:
        """One signed question that has to succeed; its data."""
        envelope = self.envelope("GET", path, fields)
        assert envelope["code"] == "0", envelope
        return envelope["data"]

    def post(self, path: str, fields: Any, **how: Any) -> Any:
        """One signed command that has to succeed; its data."""
        envelope = self.envelope("POST", path, fields, **how)
        assert envelope["code"] == "0", envelope
        return envelope["data"]

    def refusal(self, method: str, path: str, fields: Any = None, **how: Any) -> tuple[int, str]:
        """One signed call that has to be refused; its status and code, an item's where it is one's."""
        reply = self.reply(method, path, fields, **how)
        envelope = read_json(reply.body)
        assert envelope["code"] != "0", envelope
        items = [row["sCode"] for row in envelope.get("data", ()) if "sCode" in row]
        return reply.status, items[0] if items else envelope["code"]

    def look(self, path: str, query: str = "") -> Any:
        """One unsigned call that has to succeed; its data."""
        reply = self.sim.handle(SimRequest(method="GET", path=f"/api/v5/{path}", query=query, headers={}, body=b""))
        envelope = read_json(reply.body)
        assert (reply.status, envelope["code"]) == (200, "0"), envelope
        return envelope["data"]

    # Orders

    def order(self, **fields: Any) -> dict[str, Any]:
        """The body of a small limit buy far below the market, with *fields* changed; None leaves one out."""
        body = {
            "instId": "BTC-USDT",
            "tdMode": "cash",
            "side": "buy",
            "ordType": "limit",
            "px": "39000",
            "sz": "0.01",
            **fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    def limit(self, **fields: Any) -> str:
        """Place a limit order; its id."""
        (row,) = self.post("trade/order", self.order(**fields))
        return str(row["ordId"])

    def market(self, side: str = "buy", size: str = "0.01", **fields: Any) -> str:
        """Place a market order sized in base; its id."""
        wanted = {"px": None, "side": side, "ordType": "market", "sz": size, "tgtCcy": "base_ccy", **fields}
        return self.limit(**wanted)

    def details(self, order_id: str, inst_id: str = "BTC-USDT") -> dict[str, Any]:
        """One order, as it is asked for by its id."""
        (row,) = self.get("trade/order", instId=inst_id, ordId=order_id)
        assert isinstance(row, dict)
        return row

    def balance(self, code: str) -> dict[str, Any]:
        """One currency's row."""
        (row,) = self.get("account/balance", ccy=code)[0]["details"]
        assert isinstance(row, dict)
        return row

    # The rest of the world

    def stream(self, kind: str = "private", *, logs_in: bool | None = None) -> Stream:
        """A new stream connection, logged in on the private address."""
        self.timers.run(1.0)
        stream = Stream(self, f"/ws/v5/{kind}")
        if logs_in if logs_in is not None else kind == "private":
            answer = stream.log_in()
            assert answer["code"] == "0", answer
            stream.clear()
        return stream

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
