"""
A simulated Coinbase on a test's bench: tokens of our own making, streams that remember, time that moves on command.

Tokens are made here from Coinbase's documentation and RFC 7515, never with our own client.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from holdfast.simulators.coinbase import CoinbaseSimSettings, CoinbaseSimulator
from holdfast.simulators.core.seam import SimReply, SimRequest
from tests.simulators.manual_time import ManualClock, ManualTimers

__all__ = ["V3", "Bench", "Stream", "signed_token"]

V3 = "/api/v3/brokerage"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_token(
    credential: dict[str, Any], claims: dict[str, Any], header: dict[str, Any], *, secret: str | None = None
) -> str:
    """A compact token over *header* and *claims* with the credential's key."""
    text = secret or credential["secret"]
    parts = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    if text.startswith("-----BEGIN"):
        private = load_pem_private_key(text.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(private.sign(parts.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        seed = base64.b64decode(text)[:32]
        signature = ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(parts.encode())
    return f"{parts}.{_base64url(signature)}"


class Stream:
    """One client's end of a stream connection."""

    def __init__(self, bench: Bench, path: str = "/") -> None:
        self.raw: list[bytes] = []
        self.closed_with: tuple[int, str] | None = None
        self._bench = bench
        session = bench.sim.connect(path, self, {})
        assert not isinstance(session, SimReply), session
        self.session = session

    # The venue's side of it

    def send(self, frame: bytes) -> None:
        self.raw.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed_with = (code, reason)

    # The test's side of it

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.raw]

    def clear(self) -> None:
        self.raw.clear()

    def of(self, channel: str, kind: str | None = None) -> list[dict[str, Any]]:
        """The events of one channel, of one type where it is given."""
        events = [event for frame in self.frames if frame.get("channel") == channel for event in frame["events"]]
        return [event for event in events if kind in (None, event.get("type"))]

    def orders(self, kind: str = "update") -> list[dict[str, Any]]:
        """The rows of the user channel."""
        return [row for event in self.of("user", kind) for row in event["orders"]]

    def numbers(self) -> list[int]:
        return [frame["sequence_num"] for frame in self.frames if "sequence_num" in frame]

    def errors(self) -> list[str]:
        return [frame["message"] for frame in self.frames if frame.get("type") == "error"]

    def say(self, kind: str, channel: str, *, signed: bool | None = None, **fields: Any) -> None:
        """Send one message, with a token where the channel needs one."""
        message = {"type": kind, "channel": channel, **fields}
        if signed if signed is not None else channel == "user":
            message.setdefault("jwt", self._bench.token(None))
        self.session.receive(json.dumps(message).encode())

    def subscribe(self, channel: str, *products: str, **fields: Any) -> None:
        if products:
            fields["product_ids"] = list(products)
        self.say("subscribe", channel, **fields)


class Bench:
    """The venue with everything a test needs to talk to it."""

    def __init__(self, *, seed: int = 7, profile: str = "plain", **settings: Any) -> None:
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.sim = CoinbaseSimulator(
            seed=seed,
            profile=profile,
            clock=self.clock,
            timers=self.timers,
            settings=CoinbaseSimSettings(**settings) if settings else None,
        )
        self.credential = self.sim.credentials()[0]
        self._ids = 0

    # Tokens

    def token(
        self,
        uri: str | None,
        *,
        credential: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        secret: str | None = None,
        from_s: float = -5,
    ) -> str:
        """A token as Coinbase documents it; what *header* and *claims* say overrides, None takes a member away."""
        credential = credential or self.credential
        begins = self.clock.wall_us() // 1_000_000 + from_s
        is_pem = credential["secret"].startswith("-----BEGIN")
        made = {
            "alg": "ES256" if is_pem else "EdDSA",
            "typ": "JWT",
            "kid": credential["key"],
            "nonce": uuid.uuid4().hex,
        }
        said: dict[str, Any] = {"sub": credential["key"], "iss": "cdp", "nbf": begins, "exp": begins + 120}
        if uri is not None:
            said["uri"] = uri
        made = {name: value for name, value in {**made, **(header or {})}.items() if value is not None}
        said = {name: value for name, value in {**said, **(claims or {})}.items() if value is not None}
        return signed_token(credential, said, made, secret=secret)

    # REST

    def reply(
        self,
        method: str,
        path: str,
        /,
        *,
        query: str = "",
        body: Any = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        credential: dict[str, Any] | None = None,
        **token_fields: Any,
    ) -> SimReply:
        """One signed request; the venue's raw reply. *path* is below ``/api/v3/brokerage`` without a leading slash."""
        whole = path if path.startswith("/") else f"{V3}/{path}"
        if token is None:
            token = self.token(f"{method} api.coinbase.com{whole}", credential=credential, **token_fields)
        return self.sim.handle(
            SimRequest(
                method=method,
                path=whole,
                query=query,
                headers={"authorization": f"Bearer {token}", "host": "127.0.0.1:4000", **(headers or {})},
                body=b"" if body is None else json.dumps(body).encode(),
            )
        )

    def get(self, path: str, /, **query: Any) -> Any:
        """One signed read that has to succeed."""
        reply = self.reply("GET", path, query=urlencode(query, doseq=True))
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def post(self, path: str, body: Any, /, **more: Any) -> Any:
        """One signed command that has to be answered 200."""
        reply = self.reply("POST", path, body=body, **more)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def refused(self, method: str, path: str, /, **more: Any) -> tuple[int, Any]:
        """One signed request that has to be refused: status, and the body where it is JSON, else its text."""
        reply = self.reply(method, path, **more)
        assert reply.status >= 400, reply
        try:
            return reply.status, json.loads(reply.body)
        except ValueError:
            return reply.status, reply.body.decode()

    def look(self, path: str, /, **query: Any) -> Any:
        """One unsigned read that has to succeed."""
        whole = path if path.startswith("/") else f"{V3}/{path}"
        request = SimRequest(method="GET", path=whole, query=urlencode(query, doseq=True), headers={}, body=b"")
        reply = self.sim.handle(request)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    # Accounts

    def wallets(self, **query: Any) -> dict[str, dict[str, Any]]:
        """One page of accounts by currency, the first of several."""
        rows: dict[str, dict[str, Any]] = {}
        for row in self.get("accounts", limit=250, **query)["accounts"]:
            rows.setdefault(row["currency"], row)
        return rows

    def figures(self, currency: str) -> tuple[str, str]:
        """Available and held of a currency, as amounts without idle zeros."""
        row = self.wallets()[currency]
        available, held = (row[name]["value"].rstrip("0").rstrip(".") for name in ("available_balance", "hold"))
        return available, held

    # Orders

    def body(
        self, side: str = "BUY", product: str = "BTC-USD", *, id_: str | None = None, **named: Any
    ) -> dict[str, Any]:
        """The body of an order; *named* is its one configuration."""
        self._ids += 1
        return {
            "client_order_id": id_ or f"bot-{self._ids}",
            "product_id": product,
            "side": side,
            "order_configuration": named,
        }

    def gtc(self, side: str = "BUY", size: str = "0.01", price: str = "39000", **more: Any) -> dict[str, Any]:
        """The body of a limit order on BTC-USD."""
        post_only = more.pop("post_only", False)
        limit = {"base_size": size, "limit_price": price, "post_only": post_only}
        return self.body(side, limit_limit_gtc=limit, **more)

    def place(self, body: dict[str, Any]) -> str:
        """Place an order that has to be accepted; its id."""
        answer = self.post("orders", body)
        assert answer["success"] is True, answer
        return str(answer["success_response"]["order_id"])

    def limit(self, side: str = "BUY", size: str = "0.01", price: str = "39000", **more: Any) -> str:
        """Place a limit order on BTC-USD; its id."""
        return self.place(self.gtc(side, size, price, **more))

    def market(self, side: str = "BUY", **size: str) -> str:
        """Place a market order on BTC-USD; its id."""
        return self.place(self.body(side, market_market_ioc=size or {"base_size": "0.01"}))

    def rejection(self, body: dict[str, Any]) -> dict[str, Any]:
        """Place an order that has to be refused with status 200; its ``error_response``."""
        answer = self.post("orders", body)
        assert answer["success"] is False, answer
        response: dict[str, Any] = answer["error_response"]
        return response

    def order(self, order_id: str) -> dict[str, Any]:
        """One order as REST states it."""
        row: dict[str, Any] = self.get(f"orders/historical/{order_id}")["order"]
        return row

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
