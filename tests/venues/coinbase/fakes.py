"""Wires, lane and sink for the adapter's tests: they do what the test says and remember what was asked."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from holdfast.core.balances import Delta, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import Clock, HttpReply, HttpRequest, Priority, Turn, WireError
from holdfast.core.venue import Channel, SequencePolicy, VenueStatus
from holdfast.testing import FakeClock, MemoryLane
from holdfast.venues.coinbase import COINBASE
from holdfast.venues.coinbase.client import CoinbaseClient
from holdfast.venues.coinbase.stream import CoinbaseStream
from tests.venues.coinbase.samples import encoded, sample
from tests.venues.coinbase.test_sign import ED_32, NAME

SIMULATED = {"x-holdfast-simulator": "coinbase/1", "content-type": "application/json"}

# Calls by what they are asked with: method and path, an id in it as {}.
FIXTURES = {
    "GET market/products": "http_products",
    "GET market/products/{}": "http_product",
    "GET market/products/{}/ticker": "http_ticker",
    "GET market/products/{}/candles": "http_candles",
    "GET accounts": "http_accounts",
    "GET accounts/{}": "http_account",
    "GET portfolios/{}": "http_portfolio",
    "GET key_permissions": "http_key_permissions",
    "GET transaction_summary": "http_transaction_summary",
    "GET orders/historical/batch": "http_orders_open",
    "GET orders/historical/fills": "http_fills_quote",
    "POST orders": "http_create",
    "POST orders/preview": "http_preview",
    "POST orders/batch_cancel": "http_cancel",
}
_IDS = re.compile(r"(?<=^accounts/)[^/]+$|(?<=^portfolios/)[^/]+$|(?<=^market/products/)[^/]+")


def claims_of(token: str) -> dict[str, Any]:
    """What a token claims, its signature unlooked at."""
    text = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims


class Asked(msgspec.Struct, kw_only=True):
    """One request as the fake Coinbase saw it."""

    name: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    at_s: float
    deadline_s: float
    is_repeatable: bool
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    @property
    def claims(self) -> dict[str, Any]:
        return claims_of(self.token)


Answer = HttpReply | WireError | Callable[["FakeHttp", Asked], Awaitable[HttpReply]]


class FakeHttp:
    """
    An ``HttpWire`` that answers by the name of the call.

    ``answers[name]`` is a list that is used up from the front; its last entry stays. What has no entry is answered with
    the fixture of that name; ``time`` with the clock's, *skew_s* ahead.
    """

    def __init__(self, clock: FakeClock, *, is_simulator: bool = True) -> None:
        self.clock = clock
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.takes_s = 0.0
        self.skew_s = 0.0
        self.headers = SIMULATED if is_simulator else {"content-type": "application/json"}

    def reply(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
        now_s = self.clock.now_s()
        return HttpReply(
            status=status, headers={**self.headers, **(headers or {})}, body=body, sent_s=now_s, received_s=now_s
        )

    def of(self, name: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.name == name]

    def signed(self) -> list[Asked]:
        return [asked for asked in self.asked if "Authorization" in asked.headers]

    def names(self) -> list[str]:
        return [asked.name for asked in self.asked]

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/api/v3/brokerage/")
        assert path != parts.path
        asked = Asked(
            name=f"{request.method} {_IDS.sub('{}', path)}",
            path=path,
            query=parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)),
            headers=request.headers,
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
            elif asked.name == "GET time":
                millis = round((self.clock.wall_us() / 1e6 + self.skew_s) * 1000)
                answer = self.reply(
                    encoded({"iso": "", "epochSeconds": str(millis // 1000), "epochMillis": str(millis)})
                )
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


class WatchedLane(MemoryLane):
    """A lane that remembers whose turn it was, and what closed it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, sequence=SequencePolicy.NONE, in_flight_max=8)
        self.had: list[Priority] = []
        self.parks: list[tuple[str, float | None]] = []

    @asynccontextmanager
    async def turn(self, *, priority: Priority, wait_s: float | None = None) -> AsyncIterator[Turn]:
        async with super().turn(priority=priority, wait_s=wait_s) as turn:
            self.had.append(priority)
            yield turn

    def park(self, cause: str, *, for_s: float | None) -> None:
        self.parks.append((cause, for_s))
        super().park(cause, for_s=for_s)


class Bench:
    """One client with everything around it, on the running loop's clock."""

    def __init__(self, *, is_simulator: bool = True, has_credential: bool = True, **options: object) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.http = FakeHttp(self.clock, is_simulator=is_simulator)
        self.lane = WatchedLane(self.clock)
        self.events: list[Event] = []
        self.options = {"must_be_simulator": True, "random": random.Random(1), **options}
        client = COINBASE.client(
            http=self.http,
            lane=self.lane,
            credential=Credential(venue="coinbase", key=NAME, secret=ED_32) if has_credential else None,
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1",
            account="coinbase-main",
            options=self.options,
        )
        assert isinstance(client, CoinbaseClient)
        self.client = client

    def answer(self, name: str, *bodies: bytes | Answer, status: int = 200) -> None:
        """The answers to a call, one after the other; the last one stays."""
        self.http.answers[name] = [
            self.http.reply(each, status=status) if isinstance(each, bytes) else each for each in bodies
        ]


# The stream


class FakeConnection:
    """Our end of a fake WebSocket."""

    def __init__(self, wire: FakeStreams, on_frame: Callable[[bytes], None], on_close: Callable[..., None]) -> None:
        self.wire = wire
        self.deliver = on_frame
        self.on_close = on_close
        self.sent: list[dict[str, Any]] = []
        self.is_gone = False
        self.next = 0

    def send(self, frame: bytes) -> None:
        if self.is_gone:
            raise WireError("the connection is gone", kind="closed", was_sent=False)
        request = msgspec.json.decode(frame)
        self.sent.append(request)
        if self.wire.on_request is not None:
            self.wire.on_request(self, request)

    def of(self, type_: str, channel: str = "user") -> list[dict[str, Any]]:
        return [request for request in self.sent if request["type"] == type_ and request["channel"] == channel]

    def say(self, frame: bytes | dict[str, Any]) -> None:
        """A frame of the venue's, just as it is."""
        if not self.is_gone:
            self.deliver(frame if isinstance(frame, bytes) else encoded(frame))

    def tell(self, channel: str, *events: dict[str, Any], skip: int = 0) -> None:
        """A frame with the next number, or *skip* further."""
        number = self.next + skip
        self.next = number + 1
        self.say({"channel": channel, "timestamp": "", "sequence_num": number, "events": list(events)})

    def tell_user(self, type_: str, *orders: dict[str, Any], skip: int = 0) -> None:
        self.tell("user", {"type": type_, "orders": list(orders), "positions": {}}, skip=skip)

    def tell_subscribed(self, *channels: str) -> None:
        self.tell("subscriptions", {"subscriptions": {channel: ["-"] for channel in channels}})

    def lose(self, code: int | None = None, reason: str = "") -> None:
        if not self.is_gone:
            self.is_gone = True
            asyncio.get_running_loop().call_soon(self.on_close, code, reason)

    def abort(self) -> None:
        self.lose()

    async def close(self) -> None:
        self.lose(1000)


class FakeStreams:
    """A ``StreamWire`` that remembers its connections; without a script it subscribes and states no orders."""

    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.refusal: WireError | None = None
        self.on_request: Callable[[FakeConnection, dict[str, Any]], None] | None = usual

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> FakeConnection:
        if self.refusal is not None:
            raise self.refusal
        connection = FakeConnection(self, on_frame, on_close)
        self.connections.append(connection)
        return connection


def usual(connection: FakeConnection, request: dict[str, Any]) -> None:
    """What Coinbase does with a subscription: the snapshot may come before the list of subscriptions."""

    def answer() -> None:
        if request["type"] == "unsubscribe" or request["channel"] == "heartbeats":
            connection.tell_subscribed("heartbeats")
        else:
            connection.tell_user("snapshot")
            connection.tell_subscribed("heartbeats", "user")

    asyncio.get_running_loop().call_soon(answer)


class StreamBench(Bench):
    """A stream with everything around it."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = FakeStreams()
        self.sink = Sink()
        stream = COINBASE.stream(
            wire=self.wire,
            client=self.client,
            clock=self.clock,
            emit=self.events.append,
            ws_url="ws://127.0.0.1:1/",
            account="coinbase-main",
            options=self.options,
        )
        assert isinstance(stream, CoinbaseStream)
        self.stream = stream

    @property
    def connection(self) -> FakeConnection:
        return self.wire.connections[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the stream for the block."""
        task = asyncio.create_task(self.stream.run(self.sink))
        await asyncio.sleep(0.1)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


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
        raise AssertionError("Coinbase's stream has no balances")

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        raise AssertionError("Coinbase's stream has no balances")

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        self.heard.append(("orders", snapshot))

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        self.heard.append(("changed", list(changes)))

    def venue_changed(self, status: VenueStatus) -> None:
        self.heard.append(("status", status))

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        self.heard.append(("refused", (read, reason, detail)))
