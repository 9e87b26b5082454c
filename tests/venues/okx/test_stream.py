"""The stream on virtual time: login, snapshots, gaps, a second connection in time, orders, and every way to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Partial, Snapshot, Source
from holdfast.core.seams import WireError
from holdfast.core.venue import Channel
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    CredentialParkedError,
    InsufficientFundsError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    UnknownOrderError,
    UnsupportedError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.okx import OKX
from holdfast.venues.okx.sign import Signer, check_secret
from holdfast.venues.okx.stream import OkxStream
from tests.venues.kraken.fakes import Sink
from tests.venues.okx import tickets
from tests.venues.okx.fakes import Bench, FakeConnection, FakeStreams
from tests.venues.okx.samples import UID, compact, loaded, order, push, row, sample
from tests.venues.okx.test_client import virtually
from tests.venues.okx.test_sign import SECRET

D = Decimal


class Scene:
    """A stream at a fake OKX that answers as the documents say, until a test has it do otherwise."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.wire = FakeStreams()
        self.wire.on_request = self.answer
        stream = OKX.stream(
            wire=self.wire,
            client=self.bench.client,
            clock=self.bench.clock,
            emit=self.bench.events.append,
            ws_url="ws://127.0.0.1:1/ws/v5",
            account="okx-master",
            options=self.bench.options,
        )
        assert isinstance(stream, OkxStream)
        self.stream = stream
        self.sink = Sink()
        self.login_answer: dict[str, Any] | None = loaded("ws_login")
        self.order_answer: Any = None
        self.silent_channels: set[str] = set()
        self.cash = {"USDT": "1000", "BTC": "0.25"}
        self.changed_ms = 0

    @property
    def now_ms(self) -> int:
        return int(self.bench.clock.wall_us() // 1000)

    def answer(self, connection: FakeConnection, request: dict[str, Any]) -> None:
        if request["op"] == "login":
            if self.login_answer is not None:
                connection.say(self.login_answer)
        elif request["op"] in ("subscribe", "unsubscribe"):
            [argument] = request["args"]
            if argument["channel"] in self.silent_channels:
                return
            connection.say({"id": request["id"], "event": request["op"], "arg": argument, "connId": "c"})
            if request["op"] == "subscribe" and argument["channel"] == "account":
                connection.say(self.snapshot())
        elif self.order_answer is not None:
            connection.say(self.order_answer(request))

    def snapshot(self, **changes: str) -> dict[str, Any]:
        rows = [row(code, cash, uTime=str(self.now_ms - 1000)) for code, cash in (self.cash | changes).items()]
        return push(*rows, at=self.now_ms)  # type: ignore[no-any-return]

    def update(self, code: str, cash: str) -> dict[str, Any]:
        return push(row(code, cash, uTime=str(self.now_ms)), at=self.now_ms, event="event_update")  # type: ignore[no-any-return]

    def orders(self, *rows: dict[str, Any]) -> dict[str, Any]:
        return {"arg": {"channel": "orders", "instType": "SPOT", "uid": UID}, "data": list(rows)}

    def cash_told(self, code: str, cash: str) -> dict[str, Any]:
        told = {"ccy": code, "cashBal": cash, "uTime": str(self.now_ms)}
        data = [{"pTime": str(self.now_ms), "eventType": "filled", "balData": [told]}]
        return {"arg": {"channel": "balance_and_position", "uid": UID}, "data": data}

    @property
    def connection(self) -> FakeConnection:
        return self.wire.connections[-1]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.stream.run(self.sink))
        await asyncio.sleep(0.1)
        try:
            yield task
        finally:
            self.stream.abort("the test is over")
            with suppress(VenueError):
                await task

    async def ended(self) -> VenueError:
        with pytest.raises(VenueError) as ended:
            await self.stream.run(self.sink)
        return ended.value

    async def place(self, **changes: Any) -> Any:
        return await self.stream.place_order(tickets.ticket(**changes), deadline_s=5.0, before_send=lambda: None)

    async def refused(self, **changes: Any) -> VenueError:
        with pytest.raises(VenueError) as caught:
            await self.place(**changes)
        return caught.value


# Coming up


@virtually
async def test_connection_logs_in_subscribes_and_states_both_channels() -> None:
    scene = Scene()
    async with scene.open():
        assert scene.wire.urls == ["ws://127.0.0.1:1/ws/v5/private"]
        [login] = scene.connection.of("login")
        [credential] = login["args"]
        assert credential["sign"] == Signer(check_secret(SECRET)).sign_login(credential["timestamp"])
        assert len(credential["timestamp"]) == 10  # Seconds; milliseconds are refused as expired.
        assert scene.connection.subscribed() == ["account", "balance_and_position", "orders"]
        assert scene.sink.names() == ["opened", "subscribed", "balances", "subscribed", "orders"]
        [stated] = scene.sink.of("balances")
        assert isinstance(stated, Snapshot)
        assert stated.states_holds
        assert stated.holdings["BTC"].total == D("0.25")
        [listed] = scene.sink.of("orders")
        assert listed.source is Source.STREAM
        assert set(listed.orders) == {"680800019749904400"}
        assert scene.stream.can_send_orders


@virtually
async def test_nothing_is_subscribed_before_the_login_is_answered() -> None:
    scene = Scene()
    scene.login_answer = None
    task = asyncio.create_task(scene.stream.run(scene.sink))
    await asyncio.sleep(4.0)
    assert scene.connection.subscribed() == []
    assert not scene.stream.can_send_orders
    await asyncio.sleep(2.0)
    with pytest.raises(OutcomeUnknownError, match="not logged in"):
        await task


@virtually
async def test_second_run_at_once_is_refused() -> None:
    scene = Scene()
    async with scene.open():
        with pytest.raises(ClosedError):
            await scene.stream.run(scene.sink)


@virtually
async def test_keep_alive_is_a_text_and_is_timed() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(7.0)
        assert 2 <= scene.connection.pings <= 4
        assert scene.stream.round_trip_s == 0.0
        assert scene.sink.frames > 3


@pytest.mark.parametrize(
    ("code", "kind", "clocks", "parks"),
    [("60009", BadCredentialError, 1, False), ("60006", BadCredentialError, 2, False), ("63999", VenueError, 1, False)],
)
@virtually
async def test_refused_login_ends_the_connection_with_its_reason(
    code: str, kind: type[VenueError], clocks: int, parks: bool
) -> None:
    scene = Scene()
    scene.login_answer = {"event": "error", "code": code, "msg": f"no {SECRET}", "connId": "c"}
    error = await scene.ended()
    assert isinstance(error, kind)
    assert error.code == code
    assert SECRET not in str(error)
    assert scene.bench.http.names().count("GET public/time") == clocks
    assert bool(scene.bench.lane.parks) is parks


@virtually
async def test_refused_key_is_parked_by_rest_once_the_login_was_refused() -> None:
    scene = Scene()
    await scene.bench.client.uid()
    scene.login_answer = {"event": "error", "code": "60032", "msg": "API key doesn't exist", "connId": "c"}
    scene.bench.http.answers["GET account/config"] = [scene.bench.http.error("50119", status=401, data=None)]
    assert isinstance(await scene.ended(), BadCredentialError)
    assert scene.bench.lane.parks == [("bad_key", 300.0)]
    with pytest.raises(CredentialParkedError):
        await scene.stream.run(scene.sink)
    assert len(scene.wire.connections) == 1  # A parked key does not connect.


@pytest.mark.parametrize(
    ("fault", "kind", "outcome"),
    [
        (WireError("no", kind="refused", was_sent=False), VenueUnreachableError, Outcome.NEVER_SENT),
        (WireError("no", kind="handshake", was_sent=True, status=503), OutcomeUnknownError, Outcome.UNKNOWN),
        (WireError("no", kind="handshake", was_sent=True, status=429), RateLimitedError, Outcome.UNKNOWN),
    ],
)
@virtually
async def test_handshake_that_fails_says_how(fault: WireError, kind: type[VenueError], outcome: Outcome) -> None:
    scene = Scene()
    scene.wire.refusal = fault
    error = await scene.ended()
    assert (type(error), error.outcome) == (kind, outcome)


@pytest.mark.parametrize("code", [None, 1006, 4001, 4004, 4007])
@virtually
async def test_closed_connection_ends_the_run(code: int | None) -> None:
    scene = Scene()
    task = asyncio.create_task(scene.stream.run(scene.sink))
    await asyncio.sleep(0.1)
    scene.connection.lose(code, "why")
    with pytest.raises(OutcomeUnknownError):
        await task
    assert not scene.stream.can_send_orders


# Balances


@virtually
async def test_changes_are_partial_and_periodic_snapshots_whole() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(1.0)
        scene.connection.say(scene.update("USDT", "950"))
        last = scene.sink.of("balances")[-1]
        assert isinstance(last, Partial)
        assert set(last.holdings) == {"USDT"}
        await asyncio.sleep(1.0)
        scene.cash["USDT"] = "950"
        scene.changed_ms = scene.now_ms
        whole = push(*[row(code, cash, uTime=str(scene.now_ms)) for code, cash in scene.cash.items()], at=scene.now_ms)
        scene.connection.say(whole)
        assert isinstance(scene.sink.of("balances")[-1], Snapshot)
        assert scene.sink.of("gapped") == []


@virtually
async def test_funding_stands_beside_what_the_stream_says() -> None:
    scene = Scene()
    await scene.bench.client.read_balances("account/balance")
    async with scene.open():
        whole = scene.sink.of("balances")[0]
        assert dict(whole.holdings["USDT"].detail)["funding"] == D(20)
        assert whole.holdings["SOL"].total == D(0)
        await asyncio.sleep(1)
        scene.connection.say(scene.update("USDT", "950"))
        some = scene.sink.of("balances")[-1]
        assert set(some.holdings) == {"USDT"}


@virtually
async def test_statement_of_before_is_dropped_and_said() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(1.0)
        scene.connection.say(scene.update("USDT", "950"))
        told = len(scene.sink.of("balances"))
        old = push(row("USDT", "1000", uTime=str(scene.now_ms - 5000)), at=scene.now_ms, event="event_update")
        scene.connection.say(old)
        assert len(scene.sink.of("balances")) == told
        assert [(read, word) for read, word, _ in scene.sink.of("refused")] == [("account", "regressed")]
        assert scene.connection.subscribed().count("account") == 1  # The next snapshot is seconds away.


@virtually
async def test_figures_of_another_account_are_never_taken() -> None:
    scene = Scene()
    async with scene.open():
        told = len(scene.sink.of("balances"))
        foreign = scene.snapshot(USDT="999999")
        foreign["arg"]["uid"] = "1"
        scene.connection.say(foreign)
        assert scene.sink.of("refused")[0][2].startswith("account: of another account")
        assert all(each.holdings["USDT"].total == D(1000) for each in scene.sink.of("balances"))
        assert len(scene.sink.of("balances")) == told + 1  # Asked for anew.


@pytest.mark.parametrize(
    "frame",
    [b"{", b"[]", b"oops", b'{"x":1}', b'{"arg":{"channel":"account"},"data":null,"eventType":"snapshot"}'],
)
@virtually
async def test_frame_that_cannot_be_read_has_everything_stated_anew(frame: bytes) -> None:
    scene = Scene()
    async with scene.open():
        scene.connection.say(frame)
        assert scene.sink.of("refused")
        assert [each.name for each in scene.bench.events].count("stream.resubscribed") >= 1
        await asyncio.sleep(0.5)
        assert isinstance(scene.sink.of("balances")[-1], Snapshot)
        assert scene.stream.can_send_orders


@virtually
async def test_channel_that_would_not_come_right_gives_up_the_connection() -> None:
    scene = Scene()
    task = asyncio.create_task(scene.stream.run(scene.sink))
    await asyncio.sleep(0.1)
    for _ in range(5):
        scene.connection.say(b'{"arg":{"channel":"account"},"data":null}')
        await asyncio.sleep(0.1)
    with pytest.raises(OutcomeUnknownError, match="would not come right"):
        await task


@virtually
async def test_resubscription_drops_what_comes_until_the_new_snapshot() -> None:
    scene = Scene()
    async with scene.open():
        told = len(scene.sink.of("balances"))
        scene.silent_channels = {"account"}
        scene.stream.resubscribe(Channel.BALANCES, "disputed")
        await asyncio.sleep(1)
        scene.connection.say(scene.update("USDT", "950"))
        scene.connection.say(scene.snapshot())
        assert len(scene.sink.of("balances")) == told  # Of the subscription before, as far as anybody knows.
        [*_, again] = scene.connection.of("subscribe")
        assert [request["op"] for request in scene.connection.sent[-2:]] == ["unsubscribe", "subscribe"]
        scene.connection.say({"id": again["id"], "event": "subscribe", "arg": {"channel": "account"}})
        scene.connection.say(scene.snapshot())
        assert isinstance(scene.sink.of("balances")[-1], Snapshot)
        assert len(scene.sink.of("balances")) == told + 1


@virtually
async def test_cash_that_the_other_channel_told_of_and_this_one_did_not_is_a_gap() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(1)
        scene.connection.say(scene.cash_told("USDT", "950"))
        scene.connection.say(scene.update("USDT", "950"))
        await asyncio.sleep(3)
        assert scene.sink.of("gapped") == []
        scene.connection.say(scene.cash_told("BTC", "0.3"))
        await asyncio.sleep(1)
        assert scene.sink.of("gapped") == []
        await asyncio.sleep(1)
        [(channel, _, _)] = scene.sink.of("gapped")
        assert channel is Channel.BALANCES
        assert scene.connection.subscribed().count("account") == 2


@virtually
async def test_account_channel_that_is_refused_is_said_and_the_connection_goes_on() -> None:
    scene = Scene()
    scene.silent_channels = {"account"}
    async with scene.open() as task:
        [asked] = [each for each in scene.connection.of("subscribe") if each["args"][0]["channel"] == "account"]
        scene.connection.say({**loaded("ws_subscribe_error"), "id": asked["id"]})
        [(channel, reason)] = scene.sink.of("refused_channel")
        assert channel is Channel.BALANCES
        assert "60012" in reason
        await asyncio.sleep(1)
        assert not task.done()
        scene.stream.resubscribe(Channel.BALANCES, "again")
        assert scene.connection.subscribed().count("account") == 1


@virtually
async def test_subscription_that_is_acknowledged_and_dead_is_refused() -> None:
    scene = Scene()
    async with scene.open() as task:
        scene.connection.say(sample("ws_conn_count_error"))
        assert scene.sink.of("refused_channel")[0][0] is Channel.BALANCES
        scene.connection.say({**loaded("ws_conn_count_error"), "channel": "orders"})
        await asyncio.sleep(0.1)
        assert task.done()


@virtually
async def test_channel_that_only_warns_may_be_refused_without_a_word() -> None:
    scene = Scene()
    async with scene.open():
        scene.connection.say({**loaded("ws_conn_count_error"), "channel": "balance_and_position"})
        assert scene.sink.of("refused_channel") == []
        assert scene.stream.can_send_orders


# Orders channel


@virtually
async def test_rows_that_come_before_the_list_follow_it() -> None:
    scene = Scene()
    slow = asyncio.Event()
    listed = loaded("http_orders_pending")

    async def later(http: Any, asked: Any) -> Any:
        await slow.wait()
        return http.reply(compact(listed))

    scene.bench.http.answers["GET trade/orders-pending"] = [later]
    async with scene.open():
        assert scene.sink.of("orders") == []
        scene.connection.say(scene.orders(order(ordId="680800019749904400", state="canceled"), order(ordId="5")))
        assert scene.sink.of("changed") == []
        slow.set()
        await asyncio.sleep(0.1)
        names = scene.sink.names()
        assert names[-2:] == ["orders", "changed"]
        [changes] = scene.sink.of("changed")
        assert [(change.order_id, change.order is None) for change in changes] == [
            ("680800019749904400", True),
            ("5", False),
        ]


@virtually
async def test_documented_row_of_another_account_is_refused_and_ours_is_told() -> None:
    scene = Scene()
    async with scene.open():
        scene.connection.say(scene.orders(order(ordId="5")))
        [[change]] = scene.sink.of("changed")
        assert (change.order_id, change.reason) == ("5", "live")
        scene.connection.say(sample("ws_orders_filled"))
        assert "another account" in scene.sink.of("refused")[0][2]
        await asyncio.sleep(0.1)
        assert len(scene.sink.of("orders")) == 2


@virtually
async def test_list_that_cannot_be_read_ends_the_connection() -> None:
    scene = Scene()
    scene.bench.http.answers["GET trade/orders-pending"] = [scene.bench.http.error("50001", status=503)]
    assert (await scene.ended()).code == "50001"
    scene = Scene()
    scene.bench.http.answers["GET trade/orders-pending"] = [scene.bench.http.reply(b"<html>")]
    assert (await scene.ended()).fault == "payload"


# A connection that will be closed


@virtually
async def test_second_connection_takes_over_before_the_first_is_closed() -> None:
    scene = Scene()
    async with scene.open() as task:
        await asyncio.sleep(1)
        heard = len(scene.sink.heard)
        first = scene.connection
        first.say(sample("ws_notice"))
        await asyncio.sleep(0.5)
        assert len(scene.wire.connections) == 2
        assert first.is_gone
        names = scene.sink.names()[heard:]
        assert "opened" not in names
        assert "gapped" not in names
        assert set(names) == {"balances", "orders"}
        assert scene.stream.can_send_orders
        await asyncio.sleep(1)
        scene.connection.say(scene.update("USDT", "950"))
        assert scene.sink.of("balances")[-1].holdings["USDT"].total == D(950)
        assert not task.done()


@virtually
async def test_first_connection_is_heard_until_the_second_one_has_stated_everything() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(1)
        scene.silent_channels = {"orders"}
        first = scene.connection
        first.say(sample("ws_notice"))
        await asyncio.sleep(1)
        told = len(scene.sink.of("balances"))
        first.say(scene.update("USDT", "950"))
        assert len(scene.sink.of("balances")) == told + 1
        await asyncio.sleep(25)  # The second one did not come right: the first goes on until it ends.
        assert len(scene.wire.connections) == 2
        assert not first.is_gone
        assert scene.stream.can_send_orders


@virtually
async def test_order_under_way_on_the_first_connection_is_answered_there() -> None:
    scene = Scene()
    async with scene.open():
        await asyncio.sleep(1)
        first = scene.connection
        placing = asyncio.create_task(scene.place())
        await asyncio.sleep(0.1)
        [asked] = first.of("order")
        first.say(sample("ws_notice"))
        await asyncio.sleep(1)
        assert len(scene.wire.connections) == 2
        first.say({**loaded("ws_place"), "id": asked["id"]})
        assert (await placing).order_id == "12345689"
        await asyncio.sleep(0.1)
        assert first.is_gone


@virtually
async def test_first_connection_that_ends_too_soon_ends_the_run() -> None:
    scene = Scene()
    task = asyncio.create_task(scene.stream.run(scene.sink))
    await asyncio.sleep(0.1)
    scene.silent_channels = {"orders"}
    scene.connection.say(sample("ws_notice"))
    await asyncio.sleep(0.5)
    scene.wire.connections[0].lose(4006)
    with pytest.raises(OutcomeUnknownError):
        await task
    assert all(each.is_gone for each in scene.wire.connections)


# Orders


def acked(request: dict[str, Any]) -> dict[str, Any]:
    return {**loaded("ws_place"), "id": request["id"], "op": request["op"]}


def failed(code: str, *, whole: str = "1", text: str = "no") -> Any:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        item = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": text}
        return {**loaded("ws_place"), "id": request["id"], "op": request["op"], "code": whole, "data": [item]}

    return answer


@virtually
async def test_order_is_one_frame_with_code_and_validity() -> None:
    scene = Scene()
    scene.order_answer = acked
    async with scene.open():
        ack = await scene.place()
        assert (ack.order_id, ack.via, ack.client_order_id) == ("12345689", "stream", tickets.CLIENT_ID)
        [frame] = scene.connection.of("order")
        assert frame["expTime"] == str(tickets.VALID_UNTIL_US // 1000)
        [asked] = frame["args"]
        assert (asked["instIdCode"], asked["clOrdId"]) == (10000, tickets.CLIENT_ID)
        assert "instId" not in asked
        assert frame["id"].isalnum()
        assert scene.bench.http.of("POST trade/order") == []


@virtually
async def test_refusal_of_each_form_is_told_by_its_code() -> None:
    scene = Scene()
    async with scene.open():
        scene.order_answer = failed("51008")
        error = await scene.refused()
        assert (type(error), error.outcome) == (InsufficientFundsError, Outcome.REJECTED)
        scene.order_answer = lambda request: {**loaded("ws_place_format_error"), "id": request["id"]}
        error = await scene.refused()
        assert (error.outcome, error.code) == (Outcome.REJECTED, "60013")
        scene.order_answer = lambda request: {**loaded("ws_place_refused"), "id": request["id"]}
        assert (await scene.refused()).outcome is Outcome.UNKNOWN  # The documents' own code is none.
        scene.order_answer = lambda request: {"event": "error", "code": "60012", "msg": "x", "id": request["id"]}
        assert (await scene.refused()).code == "60012"
        scene.order_answer = failed("50026")
        assert (await scene.refused()).outcome is Outcome.UNKNOWN


@virtually
async def test_refusal_that_names_an_order_is_unknown() -> None:
    scene = Scene()

    def both(request: dict[str, Any]) -> dict[str, Any]:
        answer = failed("51008")(request)
        answer["data"][0]["ordId"] = "77"
        return answer  # type: ignore[no-any-return]

    scene.order_answer = both
    async with scene.open():
        assert (await scene.refused()).outcome is Outcome.UNKNOWN


@virtually
async def test_answer_that_does_not_come_or_is_lost_with_the_connection_is_unknown() -> None:
    scene = Scene()
    async with scene.open():
        began_s = scene.bench.clock.now_s()
        error = await scene.refused()
        assert (error.outcome, error.code) == (Outcome.UNKNOWN, "deadline")
        assert scene.bench.clock.now_s() - began_s == pytest.approx(5.0, abs=0.2)
        placing = asyncio.create_task(scene.place())
        await asyncio.sleep(0.1)
        scene.connection.lose(1006)
        with pytest.raises(OutcomeUnknownError):
            await placing
    assert (await scene.refused()).outcome is Outcome.NEVER_SENT


@virtually
async def test_late_answer_is_for_nobody() -> None:
    scene = Scene()
    async with scene.open():
        await scene.refused()
        [asked] = scene.connection.of("order")
        scene.connection.say(acked(asked))
        assert scene.sink.of("refused") == []


@virtually
async def test_instrument_without_a_code_is_left_to_rest() -> None:
    scene = Scene()
    async with scene.open():
        error = await scene.refused(symbol="OKB-USDT")
        assert error.outcome is Outcome.NEVER_SENT
        assert scene.connection.of("order") == []
        # One that the stream does not know after all is refused once, and left to REST from then on.
        scene.order_answer = failed("51001")
        assert (await scene.refused()).outcome is Outcome.REJECTED
        assert (await scene.refused()).outcome is Outcome.NEVER_SENT
        assert len(scene.connection.of("order")) == 1


@virtually
async def test_duplicate_of_ours_is_looked_up_over_rest() -> None:
    scene = Scene()
    scene.order_answer = failed("51016")
    whole = loaded("http_orders_pending")
    whole["data"][0] |= {"side": "buy", "ordId": "77"}
    scene.bench.http.answers["GET trade/order"] = [scene.bench.http.reply(compact(whole))]
    async with scene.open():
        ack = await scene.place()
        assert (ack.order_id, ack.via, ack.warnings) == ("77", "stream", ("51016",))


@virtually
async def test_rate_is_shared_with_rest() -> None:
    scene = Scene()
    scene.order_answer = failed("50011")
    async with scene.open():
        assert isinstance(await scene.refused(), RateLimitedError)
        began_s = scene.bench.clock.now_s()
        await scene.bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
        assert scene.bench.clock.now_s() - began_s >= 2.0


@virtually
async def test_login_that_has_lapsed_ends_the_connection_and_refuses_the_order() -> None:
    scene = Scene()
    scene.order_answer = failed("60011", whole="60011")
    async with scene.open() as task:
        assert (await scene.refused()).outcome is Outcome.REJECTED
        await asyncio.sleep(0.1)
        assert task.done()


@virtually
async def test_before_send_stops_an_order_and_what_it_raises_is_raised() -> None:
    scene = Scene()
    async with scene.open():

        def stop() -> None:
            raise ClosedError("stopped")

        with pytest.raises(ClosedError, match="stopped"):
            await scene.stream.place_order(tickets.ticket(), deadline_s=5.0, before_send=stop)
        assert scene.connection.of("order") == []


@virtually
async def test_cancel_goes_by_either_id_and_only_where_the_instrument_is_known() -> None:
    scene = Scene()
    async with scene.open():
        scene.order_answer = lambda request: {
            **acked(request),
            "data": [{**request["args"][0], "instIdCode": None, "sCode": "0", "sMsg": ""}],
        }

        async def cancel(order_id: str | None, ours: str | None) -> Any:
            return await scene.stream.cancel_order(
                order_id=order_id, client_order_id=ours, deadline_s=5.0, before_send=lambda: None
            )

        for order_id, ours in (("680800019749904400", None), (None, tickets.CLIENT_ID)):
            assert (await cancel(order_id, ours)).is_pending
        frames = [frame["args"][0] for frame in scene.connection.of("cancel-order")]
        assert frames == [
            {"instIdCode": 10000, "ordId": "680800019749904400"},
            {"instIdCode": 10000, "clOrdId": tickets.CLIENT_ID},
        ]
        assert all("expTime" not in frame for frame in scene.connection.of("cancel-order"))
        with pytest.raises(VenueUnreachableError):
            await cancel("404", None)
        scene.order_answer = failed("51400")
        with pytest.raises(UnknownOrderError):
            await cancel("680800019749904400", None)
        scene.order_answer = failed("51410")
        assert (await cancel("680800019749904400", None)).is_pending


@virtually
async def test_switch_goes_over_rest_and_a_dry_run_is_denied_by_name() -> None:
    scene = Scene()
    async with scene.open():
        await scene.stream.cancel_all_after(60, deadline_s=5.0)
        assert len(scene.bench.http.of("POST trade/cancel-all-after")) == 1
        with pytest.raises(UnsupportedError):
            await scene.stream.check_order(tickets.ticket(), deadline_s=5.0)
