"""Wires, lane and a bench for the adapter's tests: they do what the test says and remember what was asked."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import Clock, HttpReply, HttpRequest, Priority, Turn, WireError
from holdfast.core.venue import SequencePolicy
from holdfast.testing import FakeClock, MemoryLane
from holdfast.venues.okx import OKX
from holdfast.venues.okx.client import OkxClient
from tests.venues.okx.samples import sample
from tests.venues.okx.test_sign import SECRET

SIMULATED = {"x-holdfast-simulator": "okx/1", "content-type": "application/json"}


class Asked(msgspec.Struct, kw_only=True):
    """One request as the fake OKX saw it."""

    name: str  # Method and path below /api/v5/, such as "GET account/balance".
    fields: dict[str, Any]
    headers: dict[str, str]
    target: str
    at_s: float
    deadline_s: float
    is_repeatable: bool
    body: bytes


Answer = HttpReply | WireError | Callable[["FakeHttp", Asked], Awaitable[HttpReply]]


class FakeHttp:
    """
    An ``HttpWire`` that answers by the name of the call.

    ``answers[name]`` is a list that is used up from the front; its last entry stays. What has no entry is answered
    with the fixture of that name.
    """

    def __init__(self, clock: Clock, *, is_simulator: bool = True) -> None:
        self.clock = clock
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.takes_s = 0.0
        self.venue_ahead_s = 0.0
        self.headers = SIMULATED if is_simulator else {"content-type": "application/json"}

    def reply(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
        now_s = self.clock.now_s()
        return HttpReply(
            status=status, headers={**self.headers, **(headers or {})}, body=body, sent_s=now_s, received_s=now_s
        )

    def error(self, code: str, text: str = "", *, status: int = 200, data: Any = ()) -> HttpReply:
        whole: dict[str, Any] = {"code": code, "msg": text}
        if data is not None:
            whole["data"] = list(data)
        return self.reply(json.dumps(whole).encode(), status=status)

    def names(self) -> list[str]:
        return [asked.name for asked in self.asked]

    def of(self, name: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.name == name]

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        parts = urlsplit(request.url)
        fields = json.loads(request.body) if request.body else dict(parse_qsl(parts.query))
        asked = Asked(
            name=f"{request.method} {parts.path.removeprefix('/api/v5/')}",
            fields=fields,
            headers=request.headers,
            target=f"{parts.path}?{parts.query}" if parts.query else parts.path,
            at_s=self.clock.now_s(),
            deadline_s=deadline_s,
            is_repeatable=request.is_repeatable,
            body=request.body,
        )
        self.asked.append(asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        sent_s = self.clock.now_s()
        try:
            if self.takes_s:
                await asyncio.sleep(min(self.takes_s, deadline_s))
                if self.takes_s > deadline_s:
                    raise WireError("no whole reply", kind="deadline", was_sent=True)
            answers = self.answers.get(asked.name)
            if answers:
                answer: Answer = answers.pop(0) if len(answers) > 1 else answers[0]
            elif asked.name == "GET public/time":
                now_ms = int(self.clock.wall_us() / 1000 + self.venue_ahead_s * 1000)
                answer = self.reply(json.dumps({"code": "0", "msg": "", "data": [{"ts": str(now_ms)}]}).encode())
            elif "ccy" in asked.fields and asked.name == "GET account/balance":
                answer = self.reply(sample("http_balance_empty"))
            else:
                answer = self.reply(sample(FIXTURES[asked.name]))
            if isinstance(answer, WireError):
                raise answer
            if not isinstance(answer, HttpReply):
                return await answer(self, asked)
            return msgspec.structs.replace(answer, sent_s=sent_s, received_s=self.clock.now_s())
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        pass


FIXTURES = {
    "GET system/status": "http_status_none",
    "GET public/instruments": "http_instruments_many",
    "GET market/ticker": "http_ticker_spot",
    "GET market/tickers": "http_ticker_spot",
    "GET market/candles": "http_candles",
    "GET market/history-candles": "http_candles",
    "GET account/balance": "http_balance_spot",
    "GET account/config": "http_config_spot",
    "GET account/trade-fee": "http_trade_fee",
    "GET account/bills": "http_bills",
    "GET account/bills-archive": "http_bills",
    "GET asset/balances": "http_funding",
    "GET trade/order": "http_orders_pending",
    "GET trade/orders-pending": "http_orders_pending",
    "GET trade/orders-history": "http_orders_history",
    "GET trade/fills": "http_fills",
    "GET trade/fills-history": "http_fills",
    "POST trade/order": "http_place",
    "POST trade/cancel-order": "http_cancel",
    "POST trade/cancel-all-after": "http_cancel_after",
}


class WatchedLane(MemoryLane):
    """A lane that remembers who held it; it gives no numbers."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, sequence=SequencePolicy.NONE, in_flight_max=8)
        self.priorities: list[Priority] = []
        self.parks: list[tuple[str, float | None]] = []

    @asynccontextmanager
    async def turn(self, *, priority: Priority, wait_s: float | None = None) -> AsyncIterator[Turn]:
        async with super().turn(priority=priority, wait_s=wait_s) as turn:
            self.priorities.append(priority)
            yield turn

    def park(self, cause: str, *, for_s: float | None) -> None:
        self.parks.append((cause, for_s))
        super().park(cause, for_s=for_s)


class Bench:
    """One client with everything around it, on the running loop's clock."""

    def __init__(self, *, is_simulator: bool = True, **options: object) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.http = FakeHttp(self.clock, is_simulator=is_simulator)
        self.lane = WatchedLane(self.clock)
        self.events: list[Event] = []
        key = "00000000-aaaa" if is_simulator else "11111111-aaaa"
        self.credential = Credential(venue="okx", key=key, secret=SECRET, passphrase="Sim phrase 1")
        self.options = {"must_be_simulator": is_simulator, "random": random.Random(1), **options}
        site = None if is_simulator else OKX.facts.site(str(options.get("environment", "production")))
        client = OKX.client(
            http=self.http,
            lane=self.lane,
            credential=self.credential,
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1" if site is None else site.rest_url,
            account="okx-master",
            options=self.options,
        )
        assert isinstance(client, OkxClient)
        self.client = client

    def signed(self) -> list[Asked]:
        return [asked for asked in self.http.asked if "OK-ACCESS-SIGN" in asked.headers]


# The stream


class FakeConnection:
    """Our end of a fake WebSocket."""

    def __init__(self, wire: FakeStreams, on_frame: Callable[[bytes], None], on_close: Callable[..., None]) -> None:
        self.wire = wire
        self.deliver = on_frame
        self.on_close = on_close
        self.sent: list[dict[str, Any]] = []
        self.pings = 0
        self.is_gone = False

    def send(self, frame: bytes) -> None:
        if self.is_gone:
            raise WireError("the connection is gone", kind="closed", was_sent=False)
        if frame == b"ping":
            self.pings += 1
            if self.wire.is_answering:
                self.say(b"pong")
            return
        request = msgspec.json.decode(frame)
        self.sent.append(request)
        if self.wire.on_request is not None:
            self.wire.on_request(self, request)

    def of(self, op: str) -> list[dict[str, Any]]:
        return [request for request in self.sent if request["op"] == op]

    def subscribed(self) -> list[str]:
        return [request["args"][0]["channel"] for request in self.of("subscribe")]

    def say(self, frame: bytes | dict[str, Any]) -> None:
        """A frame of the venue's."""
        if not self.is_gone:
            self.deliver(frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode())

    def lose(self, code: int | None = None, reason: str = "") -> None:
        if not self.is_gone:
            self.is_gone = True
            asyncio.get_running_loop().call_soon(self.on_close, code, reason)

    def abort(self) -> None:
        self.lose()

    async def close(self) -> None:
        self.lose(1000)


class FakeStreams:
    """A ``StreamWire`` that remembers its connections."""

    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.urls: list[str] = []
        self.refusal: WireError | None = None
        self.on_request: Callable[[FakeConnection, dict[str, Any]], None] | None = None
        self.is_answering = True

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> FakeConnection:
        self.urls.append(url)
        if self.refusal is not None:
            raise self.refusal
        connection = FakeConnection(self, on_frame, on_close)
        self.connections.append(connection)
        return connection
