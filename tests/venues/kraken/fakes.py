"""Wires, lane and sink for the adapter's tests: they do what the test says and remember what was asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from holdfast.core.balances import Delta, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import Clock, HttpReply, HttpRequest, Priority, Turn, WireError
from holdfast.core.venue import Channel, VenueStatus
from holdfast.testing import FakeClock, MemoryLane
from holdfast.venues.kraken import KRAKEN
from holdfast.venues.kraken.client import KrakenClient
from tests.venues.kraken.samples import sample
from tests.venues.kraken.test_sign import SECRET

SIMULATED = {"x-holdfast-simulator": "kraken/1", "content-type": "application/json"}


class Asked(msgspec.Struct, kw_only=True):
    """One request as the fake Kraken saw it."""

    name: str
    fields: dict[str, str]
    headers: dict[str, str]
    method: str
    url: str
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
        self.headers = SIMULATED if is_simulator else {"content-type": "application/json"}

    def reply(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
        now_s = self.clock.now_s()
        return HttpReply(
            status=status, headers={**self.headers, **(headers or {})}, body=body, sent_s=now_s, received_s=now_s
        )

    def error(self, *texts: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
        return self.reply(msgspec.json.encode({"error": list(texts)}), status=status, headers=headers)

    def names(self) -> list[str]:
        return [asked.name for asked in self.asked]

    def of(self, name: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.name == name]

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        parts = urlsplit(request.url)
        form = request.body.decode() if request.method == "POST" else parts.query
        asked = Asked(
            name=parts.path.rpartition("/")[2],
            fields=dict(parse_qsl(form, keep_blank_values=True, strict_parsing=bool(form))),
            headers=request.headers,
            method=request.method,
            url=request.url,
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
            if not answers:
                answer: Answer = self.reply(sample(FIXTURES[asked.name]))
            else:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
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
    "Time": "http_time",
    "SystemStatus": "http_system_status",
    "Assets": "http_assets_many",
    "AssetPairs": "http_asset_pairs",
    "Ticker": "http_ticker",
    "OHLC": "http_ohlc",
    "Balance": "http_balance",
    "BalanceEx": "http_balance_ex",
    "OpenOrders": "http_open_orders",
    "OpenPositions": "http_open_positions",
    "ClosedOrders": "http_closed_orders",
    "QueryOrders": "http_query_orders",
    "TradesHistory": "http_trades_history",
    "Ledgers": "http_ledgers",
    "TradeVolume": "http_trade_volume",
    "GetWebSocketsToken": "http_token",
    "GetApiKeyInfo": "http_api_key_info",
    "AddOrder": "http_add_order",
    "CancelOrder": "http_cancel_order",
    "CancelAllOrdersAfter": "http_cancel_after",
}


class WatchedLane(MemoryLane):
    """A lane that remembers who held it, and whether a request was under way when it was let go."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.held_for: list[Priority] = []
        self.http: FakeHttp | None = None
        self.is_held = False
        self.parks: list[tuple[str, float | None]] = []

    @asynccontextmanager
    async def turn(self, *, priority: Priority, wait_s: float | None = None) -> AsyncIterator[Turn]:
        async with super().turn(priority=priority, wait_s=wait_s) as turn:
            assert not self.is_held
            self.is_held = True
            self.held_for.append(priority)
            try:
                yield turn
            finally:
                assert self.http is None or self.http.in_flight == 0
                self.is_held = False

    def park(self, cause: str, *, for_s: float | None) -> None:
        self.parks.append((cause, for_s))
        super().park(cause, for_s=for_s)


class Bench:
    """One client with everything around it, on the running loop's clock."""

    def __init__(self, *, passphrase: str | None = None, is_simulator: bool = True, **options: object) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.http = FakeHttp(self.clock, is_simulator=is_simulator)
        self.lane = WatchedLane(self.clock)
        self.lane.http = self.http
        self.events: list[Event] = []
        self.credential = Credential(venue="kraken", key="SIMkey", secret=SECRET, passphrase=passphrase)
        self.options = {"must_be_simulator": True, "rate_tier": "pro", "random": random.Random(1), **options}
        client = KRAKEN.client(
            http=self.http,
            lane=self.lane,
            credential=self.credential,
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1",
            account="kraken-master",
            options=self.options,
        )
        assert isinstance(client, KrakenClient)
        self.client = client

    def nonces(self) -> list[int]:
        return [int(asked.fields["nonce"]) for asked in self.http.asked if "nonce" in asked.fields]


# The stream


class FakeConnection:
    """Our end of a fake WebSocket."""

    def __init__(self, wire: FakeStreams, on_frame: Callable[[bytes], None], on_close: Callable[..., None]) -> None:
        self.wire = wire
        self.deliver = on_frame
        self.on_close = on_close
        self.sent: list[dict[str, Any]] = []
        self.is_gone = False

    def send(self, frame: bytes) -> None:
        if self.is_gone:
            raise WireError("the connection is gone", kind="closed", was_sent=False)
        request = msgspec.json.decode(frame)
        self.sent.append(request)
        if self.wire.on_request is not None:
            self.wire.on_request(self, request)

    def of(self, method: str) -> list[dict[str, Any]]:
        return [request for request in self.sent if request["method"] == method]

    def say(self, frame: bytes | dict[str, Any]) -> None:
        """A frame of the venue's."""
        if not self.is_gone:
            self.deliver(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))

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
        self.refusal: WireError | None = None
        self.on_request: Callable[[FakeConnection, dict[str, Any]], None] | None = None
        self.greeting: bytes | None = None
        self.takes_s = 0.0

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> FakeConnection:
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.refusal is not None:
            raise self.refusal
        connection = FakeConnection(self, on_frame, on_close)
        self.connections.append(connection)
        if self.greeting is not None:
            connection.say(self.greeting)
        return connection


class Sink:
    """A ``StreamSink`` that writes everything down, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.frames = 0

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    def of(self, name: str) -> list[Any]:
        return [what for each, what in self.heard if each == name]

    def frame_arrived(self, now_s: float) -> None:
        self.frames += 1

    def stream_opened(self) -> None:
        self.heard.append(("opened", None))

    def channel_subscribed(self, channel: Channel) -> None:
        self.heard.append(("subscribed", channel))

    def channel_refused(self, channel: Channel, reason: str) -> None:
        self.heard.append(("refused_channel", (channel, reason)))

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        self.heard.append(("gapped", (channel, expected, found)))

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        self.heard.append(("balances", snapshot))

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        self.heard.append(("moved", list(deltas)))

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        self.heard.append(("orders", snapshot))

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        self.heard.append(("changed", list(changes)))

    def venue_changed(self, status: VenueStatus) -> None:
        self.heard.append(("status", status))

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        self.heard.append(("refused", (read, reason, detail)))
