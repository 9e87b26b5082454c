"""Orders over REST: sent once, stopped up to the last step, and unknown unless the answer proves otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.health import fault_of
from holdfast.core.orders import CancelAck, OrderAck, OrderType
from holdfast.core.seams import HttpReply, Priority, WireError
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    ConfigError,
    CredentialParkedError,
    FaultClass,
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    InvalidNonceError,
    LockoutError,
    MaintenanceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownNameError,
    UnknownOrderError,
    VenueBusyError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.testing import run_virtual
from tests.venues.kraken.fakes import Asked, Bench, FakeHttp
from tests.venues.kraken.samples import sample
from tests.venues.kraken.tickets import CLIENT_ID, market, spending, ticket

D = Decimal
TXID = "OABCDE-FGHIJ-KLMNOP"


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs), horizon_s=100_000)

    return run


def nothing() -> None:
    """A *before_send* that lets everything pass."""


async def place(bench: Bench, order: Any = None, *, deadline_s: float = 5.0) -> OrderAck:
    return await bench.client.place_order(order or ticket(), deadline_s=deadline_s, before_send=nothing)


async def cancel(bench: Bench) -> CancelAck:
    return await bench.client.cancel_order(
        order_id=TXID, client_order_id=CLIENT_ID, deadline_s=5.0, before_send=nothing
    )


async def refused(call: Awaitable[Any]) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        await call
    return caught.value


async def ready() -> Bench:
    """A client that has proved its venue and read its listing."""
    bench = Bench()
    await bench.client.load()
    await bench.client.server_time()
    bench.http.asked.clear()
    return bench


# What is sent


@on_virtual_time
async def test_order_is_sent_signed_in_a_turn_of_its_own() -> None:
    bench = await ready()
    ack = await place(bench)
    assert ack == OrderAck(order_id=TXID, client_order_id=CLIENT_ID, as_of_s=ack.as_of_s, via="rest")
    assert ack.as_of_s == pytest.approx(bench.clock.now_s())
    [asked] = bench.http.asked
    nonce = asked.fields.pop("nonce")
    assert nonce.isdigit()
    assert asked.fields == {
        "ordertype": "limit",
        "type": "buy",
        "pair": "XXBTZUSD",
        "volume": "0.01",
        "price": "40000.0",
        "timeinforce": "GTC",
        "oflags": "fciq",
        "cl_ord_id": CLIENT_ID,
        "deadline": "2026-09-21T14:13:25.123Z",
    }
    assert bench.lane.held_for == [Priority.ORDER]
    assert not asked.is_repeatable
    assert {"API-Key", "API-Sign"} <= asked.headers.keys()


@on_virtual_time
async def test_first_order_proves_the_venue_and_reads_the_listing_before() -> None:
    bench = Bench()
    await place(bench, spending("250"))
    assert bench.http.names() == ["Assets", "AssetPairs", "AddOrder"]
    bench = Bench(is_simulator=False)
    error = await refused(place(bench))
    assert isinstance(error, ConfigError)
    assert not bench.http.of("AddOrder")


@on_virtual_time
async def test_orders_and_cancels_cost_nothing_on_the_counter_of_reads() -> None:
    bench = await ready()
    for _ in range(60):
        await place(bench)
        await cancel(bench)
    assert bench.clock.now_s() - bench.http.asked[0].at_s < 1.0
    await bench.client.read_balances("BalanceEx")


@on_virtual_time
async def test_dry_run_says_validate_and_has_no_id() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.reply(sample("http_add_order_validated"))]
    ack = await bench.client.check_order(ticket(), deadline_s=5.0)
    assert ack.order_id is None
    assert bench.http.asked[-1].fields["validate"] == "true"


@on_virtual_time
async def test_cancel_goes_before_everything_and_names_the_order() -> None:
    bench = await ready()
    assert (await cancel(bench)).count == 1
    assert bench.http.asked[-1].fields["txid"] == TXID
    await bench.client.cancel_order(order_id=None, client_order_id=CLIENT_ID, deadline_s=5.0, before_send=nothing)
    assert bench.http.asked[-1].fields["cl_ord_id"] == CLIENT_ID
    assert bench.lane.held_for == [Priority.CANCEL, Priority.CANCEL]


@on_virtual_time
async def test_dead_man_switch_is_armed_and_disarmed() -> None:
    bench = await ready()
    await bench.client.cancel_all_after(60, deadline_s=5.0)
    await bench.client.cancel_all_after(0, deadline_s=5.0)
    assert [asked.fields["timeout"] for asked in bench.http.asked] == ["60", "0"]
    bench.http.answers["CancelAllOrdersAfter"] = [bench.http.reply(b'{"error":[]}')]
    assert isinstance(await refused(bench.client.cancel_all_after(60, deadline_s=5.0)), OutcomeUnknownError)


# The last step


@on_virtual_time
async def test_before_send_is_called_in_the_lane_and_just_before_the_wire() -> None:
    bench = await ready()
    seen: list[tuple[bool, int]] = []
    await bench.client.place_order(
        ticket(), deadline_s=5.0, before_send=lambda: seen.append((bench.lane.is_held, len(bench.http.asked)))
    )
    assert seen == [(True, 0)]
    assert len(bench.http.asked) == 1


@on_virtual_time
async def test_what_before_send_raises_is_raised_and_nothing_is_sent() -> None:
    bench = await ready()

    def stop() -> None:
        raise HaltedError("no longer the owner")

    error = await refused(bench.client.place_order(ticket(), deadline_s=5.0, before_send=stop))
    assert isinstance(error, HaltedError)
    calls = bench.client.cancel_order(order_id=TXID, client_order_id=None, deadline_s=5.0, before_send=stop)
    assert isinstance(await refused(calls), HaltedError)
    assert bench.http.asked == []
    assert not bench.lane.is_held
    await place(bench)


@on_virtual_time
async def test_nothing_is_sent_where_the_lane_is_closed() -> None:
    bench = await ready()
    bench.lane.park("invalid_nonce", for_s=None)
    assert isinstance(await refused(place(bench)), CredentialParkedError)
    assert bench.http.asked == []


@pytest.mark.parametrize("name", ["Assets", "AssetPairs", "Time"])
def test_order_was_not_sent_where_only_what_goes_before_it_failed(name: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = Bench()
        if name == "Time":
            await bench.client.load()
            bench.client._is_proved = False
        bench.http.answers[name] = [WireError("reset", kind="reset", was_sent=True)]
        error = await refused(place(bench))
        assert isinstance(error, VenueUnreachableError)
        assert (error.outcome, error.request, error.fault) == (Outcome.NEVER_SENT, "AddOrder", FaultClass.NETWORK)
        assert not bench.http.of("AddOrder")

    scenario()


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (ticket(symbol="BTC-XYZ"), UnknownNameError),
        (spending("100", side=Side.SELL), OrderRuleError),
        (ticket(quantity=None, quote_quantity=D(100)), OrderRuleError),
        (ticket(order_type=OrderType.LIMIT, limit_price=None), OrderRuleError),
    ],
)
def test_order_that_cannot_be_one_is_refused_before_the_lane(order: Any, kind: type[HoldfastError]) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = await ready()
        assert isinstance(await refused(place(bench, order)), kind)
        assert bench.http.asked == []
        assert bench.lane.held_for == []

    scenario()


# Once, whatever comes of it


def _answer(bench: Bench, what: WireError | str | int | bytes) -> WireError | HttpReply:
    if isinstance(what, WireError):
        return what
    if isinstance(what, bytes):
        return bench.http.reply(what)
    if isinstance(what, int):
        return bench.http.reply(b"<html>520: Web server is returning an unknown error</html>", status=what)
    return bench.http.error(what)


def lost(kind: str, *, was_sent: bool = True) -> WireError:
    return WireError(kind, kind=kind, was_sent=was_sent)


UNKNOWN: list[tuple[WireError | str | int | bytes, type[VenueError]]] = [
    (lost("deadline"), OutcomeUnknownError),
    (lost("reset"), OutcomeUnknownError),
    (lost("closed"), OutcomeUnknownError),
    (lost("protocol"), OutcomeUnknownError),
    (lost("too_large"), OutcomeUnknownError),
    (lost("encoding"), OutcomeUnknownError),
    (500, OutcomeUnknownError),
    (502, OutcomeUnknownError),
    (520, OutcomeUnknownError),
    (200, OutcomeUnknownError),
    (204, OutcomeUnknownError),
    (302, VenueError),
    (403, VenueError),
    (429, RateLimitedError),
    (b"", OutcomeUnknownError),
    (b'{"error":[]}', OutcomeUnknownError),
    (b'{"error":[],"result":{}}', OutcomeUnknownError),
    (b'{"error":[],"result":{"txid":["A","B"]}}', OutcomeUnknownError),
    (b'{"error":[],"result":{"txid":["O-1"]},"result":{"txid":["O-1"]}}', OutcomeUnknownError),
    ("EService:Unavailable", VenueBusyError),
    ("EService:Busy", VenueBusyError),
    ("EService:Deadline elapsed", OutcomeUnknownError),
    ("EService: Throttled: 1790000000", RateLimitedError),
    ("EGeneral:Internal error:5", OutcomeUnknownError),
    ("EDatabase:Internal error", OutcomeUnknownError),
    ("EDatabase:Something", VenueError),
    ("EOrder:Something new", VenueError),
    ("EOrder:Invalid order", OutcomeUnknownError),
    ("EGeneral:Invalid arguments:cl_ord_id", OutcomeUnknownError),
    ("EAPI:Invalid nonce", InvalidNonceError),
]


@pytest.mark.parametrize(("what", "kind"), UNKNOWN, ids=lambda each: getattr(each, "__name__", str(each)))
def test_order_whose_answer_proves_nothing_is_unknown_and_never_sent_again(what: Any, kind: type[VenueError]) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = await ready()
        bench.http.answers["AddOrder"] = [_answer(bench, what)]
        error = await refused(place(bench))
        assert type(error) is kind
        assert isinstance(error, VenueError)
        assert (error.outcome, error.venue, error.account) == (Outcome.UNKNOWN, "kraken", "kraken-master")
        await asyncio.sleep(60)
        assert len(bench.http.of("AddOrder")) == 1
        assert not bench.lane.is_held

    scenario()


REJECTED: list[tuple[str, type[VenueError]]] = [
    ("EOrder:Insufficient funds", InsufficientFundsError),
    ("EOrder:Order minimum not met", VenueRejectedError),
    ("EOrder:Cost minimum not met", VenueRejectedError),
    ("EOrder:Tick size check failed", VenueRejectedError),
    ("EOrder:Orders limit exceeded", VenueRejectedError),
    ("EOrder:Rate limit exceeded", RateLimitedError),
    ("EOrder:Domain rate limit exceeded", RateLimitedError),
    ("EGeneral:Invalid arguments:volume", VenueRejectedError),
    ("EGeneral:Invalid arguments", VenueRejectedError),
    ("EGeneral:Permission denied", PermissionMissingError),
    ("EAccount:Invalid permissions:BTC trading restricted", PermissionMissingError),
    ("EAPI:Rate limit exceeded", RateLimitedError),
    ("EService:Market in cancel_only mode", MaintenanceError),
    ("EService:Market in post_only mode", MaintenanceError),
    ("EService:Market in limit_only mode", MaintenanceError),
    ("EAPI:Invalid key", BadCredentialError),
    ("EAPI:Invalid signature", BadCredentialError),
    ("EGeneral:Temporary lockout", LockoutError),
    ("EQuery:Unknown asset pair", VenueRejectedError),
]


@pytest.mark.parametrize(("text", "kind"), REJECTED)
def test_order_that_kraken_refuses_is_rejected_with_its_word(text: str, kind: type[VenueError]) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = await ready()
        bench.http.answers["AddOrder"] = [bench.http.error(text)]
        error = await refused(place(bench))
        assert type(error) is kind
        assert isinstance(error, VenueError)
        assert error.outcome is Outcome.REJECTED
        assert text in str(error)
        assert len(bench.http.of("AddOrder")) == 1

    scenario()


@pytest.mark.parametrize("kind", ["refused", "dns", "tls", "connect_timeout"])
def test_order_that_provably_never_left_was_never_sent(kind: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = await ready()
        bench.http.answers["AddOrder"] = [lost(kind, was_sent=False)]
        error = await refused(place(bench))
        assert isinstance(error, VenueUnreachableError)
        assert (error.outcome, error.code) == (Outcome.NEVER_SENT, kind)
        assert len(bench.http.of("AddOrder")) == 1

    scenario()


@on_virtual_time
async def test_answer_that_never_comes_is_unknown_at_the_deadline() -> None:
    bench = await ready()
    bench.http.takes_s = 100.0
    began_s = bench.clock.now_s()
    error = await refused(place(bench, deadline_s=3.0))
    assert isinstance(error, OutcomeUnknownError)
    assert bench.clock.now_s() - began_s == pytest.approx(3.0)


@on_virtual_time
async def test_time_in_the_lane_is_not_part_of_the_deadline() -> None:
    bench = await ready()
    bench.http.takes_s = 3.0
    read = asyncio.create_task(bench.client.read_balances("BalanceEx"))
    await asyncio.sleep(0.1)
    placing = asyncio.create_task(place(bench, deadline_s=4.0))
    await asyncio.gather(read, placing)
    assert bench.http.of("AddOrder")[0].deadline_s == pytest.approx(4.0)


@on_virtual_time
async def test_answer_that_is_no_simulators_leaves_the_order_unknown() -> None:
    bench = await ready()
    bench.http.headers = {"content-type": "application/json"}
    error = await refused(place(bench))
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(error.__cause__, ConfigError)
    assert isinstance(await refused(place(bench)), ConfigError)
    assert len(bench.http.of("AddOrder")) == 1


@on_virtual_time
async def test_answer_out_of_a_cache_leaves_the_order_unknown() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.reply(sample("http_add_order"), headers={"age": "7"})]
    assert isinstance(await refused(place(bench)), OutcomeUnknownError)


@on_virtual_time
async def test_warning_beside_an_acknowledgement_is_told_and_kept() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.reply(b'{"error":["WOrder:Odd"],"result":{"txid":["O-1"]}}')]
    ack = await place(bench)
    assert (ack.order_id, ack.warnings) == ("O-1", ("WOrder:Odd",))
    assert [each.name for each in bench.events] == ["answer.warned"]


# Nonces, keys and rights


@on_virtual_time
async def test_nonce_refused_to_an_order_is_counted_and_left_to_the_next_read() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.error("EAPI:Invalid nonce")]
    assert isinstance(await refused(place(bench)), InvalidNonceError)
    assert [(each.name, each.fields["attempt"]) for each in bench.events] == [("nonce.refused", 1)]
    assert bench.lane.parks == []
    bench.http.answers["OpenOrders"] = [bench.http.error("EAPI:Invalid nonce")]
    assert isinstance(await refused(bench.client.open_orders()), InvalidNonceError)
    assert bench.lane.parks == [("invalid_nonce", None)]


@on_virtual_time
async def test_cancel_and_dry_run_take_one_more_nonce_and_ask_again_before_they_use_it() -> None:
    bench = await ready()
    asked: list[int] = []
    bench.http.answers["CancelOrder"] = [
        bench.http.error("EAPI:Invalid nonce"),
        bench.http.reply(sample("http_cancel_order")),
    ]
    ack = await bench.client.cancel_order(
        order_id=TXID, client_order_id=None, deadline_s=5.0, before_send=lambda: asked.append(1)
    )
    assert (ack.count, len(asked), len(bench.lane.held_for)) == (1, 2, 1)
    bench.http.answers["AddOrder"] = [
        bench.http.error("EAPI:Invalid nonce"),
        bench.http.reply(sample("http_add_order_validated")),
    ]
    assert (await bench.client.check_order(ticket(), deadline_s=5.0)).order_id is None


@on_virtual_time
async def test_cancel_that_is_stopped_before_its_second_nonce_was_not_sent_again() -> None:
    bench = await ready()
    asked: list[int] = []

    def once() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise HaltedError("no longer the owner")

    bench.http.answers["CancelOrder"] = [bench.http.error("EAPI:Invalid nonce")]
    call = bench.client.cancel_order(order_id=TXID, client_order_id=None, deadline_s=5.0, before_send=once)
    assert isinstance(await refused(call), HaltedError)
    assert len(bench.http.of("CancelOrder")) == 1


@pytest.mark.parametrize(
    ("text", "cause"), [("EAPI:Invalid key", "bad_key"), ("EGeneral:Temporary lockout", "lockout")]
)
def test_refused_key_and_lockout_park_the_credential_for_orders_too(text: str, cause: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        bench = await ready()
        bench.http.answers["AddOrder"] = [bench.http.error(text)]
        await refused(place(bench))
        assert bench.lane.parks[0][0] == cause
        assert isinstance(await refused(place(bench)), CredentialParkedError)
        assert len(bench.http.of("AddOrder")) == 1

    scenario()


@on_virtual_time
async def test_missing_right_silences_orders_and_never_cancels() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.error("EGeneral:Permission denied")]
    bench.http.answers["CancelOrder"] = [bench.http.error("EGeneral:Permission denied")]
    assert (await _venue_error(place(bench))).outcome is Outcome.REJECTED
    assert (await _venue_error(place(bench))).outcome is Outcome.NEVER_SENT
    for _ in range(2):
        assert isinstance(await refused(cancel(bench)), PermissionMissingError)
    assert bench.http.names() == ["AddOrder", "CancelOrder", "CancelOrder"]


async def _venue_error(call: Awaitable[Any]) -> VenueError:
    error = await refused(call)
    assert isinstance(error, VenueError)
    return error


@on_virtual_time
async def test_engines_limit_does_not_silence_reads_and_the_reads_limit_does_not_silence_cancels() -> None:
    bench = await ready()
    bench.http.answers["AddOrder"] = [bench.http.error("EOrder:Rate limit exceeded")]
    await refused(place(bench))
    began_s = bench.clock.now_s()
    await bench.client.read_balances("BalanceEx")
    assert bench.clock.now_s() == began_s
    bench.http.answers["AddOrder"] = [bench.http.error("EAPI:Rate limit exceeded")]
    await refused(place(bench))
    assert (await cancel(bench)).count == 1
    error = await _venue_error(place(bench))
    assert (type(error), error.outcome) == (RateLimitedError, Outcome.NEVER_SENT)
    assert bench.clock.now_s() == began_s


# Cancels


@on_virtual_time
async def test_cancel_of_no_open_order_is_told_as_that() -> None:
    bench = await ready()
    bench.http.answers["CancelOrder"] = [bench.http.error("EOrder:Unknown order")]
    error = await refused(cancel(bench))
    assert isinstance(error, UnknownOrderError)
    assert error.outcome is Outcome.REJECTED


@on_virtual_time
async def test_cancel_that_is_under_way_already_is_pending() -> None:
    bench = await ready()
    bench.http.answers["CancelOrder"] = [bench.http.error("EOrder:Cancel pending")]
    assert (await cancel(bench)).is_pending
    bench.http.answers["CancelOrder"] = [bench.http.error("EOrder: Cancel pending")]
    assert (await cancel(bench)).is_pending
    bench.http.answers["CancelOrder"] = [bench.http.error("EOrder:Cancel pending", status=502)]
    assert isinstance(await refused(cancel(bench)), OutcomeUnknownError)
    bench.http.answers["CancelOrder"] = [bench.http.reply(b'{"error":[],"result":{"count":1,"pending":true}}')]
    assert (await cancel(bench)).is_pending


# Giving up


@on_virtual_time
async def test_caller_that_gives_up_leaves_at_once_and_the_order_keeps_the_lane() -> None:
    bench = await ready()
    bench.http.takes_s = 3.0
    call = asyncio.create_task(place(bench))
    await asyncio.sleep(0.5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    held = [bench.lane.is_held]
    await asyncio.sleep(2.6)
    assert [*held, bench.lane.is_held] == [True, False]
    assert len(bench.http.of("AddOrder")) == 1


@on_virtual_time
async def test_order_cancelled_before_it_left_is_not_sent() -> None:
    bench = await ready()
    bench.http.takes_s = 3.0
    first = asyncio.create_task(bench.client.read_balances("BalanceEx"))
    await asyncio.sleep(0.5)
    asked: list[int] = []
    call = asyncio.create_task(bench.client.place_order(ticket(), deadline_s=5.0, before_send=lambda: asked.append(1)))
    await asyncio.sleep(0.5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await first
    await asyncio.sleep(1)
    assert asked == []
    assert not bench.http.of("AddOrder")


@on_virtual_time
async def test_order_under_way_when_the_client_closes_is_unknown_and_later_ones_are_refused() -> None:
    bench = await ready()
    bench.http.takes_s = 3.0
    call = asyncio.create_task(place(bench))
    await asyncio.sleep(0.1)
    await bench.client.close()
    error = (await asyncio.gather(call, return_exceptions=True))[0]
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(await refused(place(bench)), ClosedError)
    assert len(bench.http.of("AddOrder")) == 1


# Evidence


@on_virtual_time
async def test_closed_orders_by_our_id_are_ours_or_no_evidence() -> None:
    bench = await ready()
    body = sample("http_closed_orders").replace(b'"closed":{', b'"closed":{"O-OURS":' + _closed(CLIENT_ID) + b",")
    ours = b'{"error":[],"result":{"closed":{"O-OURS":' + _closed(CLIENT_ID) + b'},"count":1}}'

    async def answer(http: FakeHttp, asked: Asked) -> HttpReply:
        return http.reply(ours if asked.fields["cl_ord_id"] == CLIENT_ID else b'{"error":[],"result":{"closed":{}}}')

    bench.http.answers["ClosedOrders"] = [answer]
    [order] = await bench.client.closed_orders(client_order_id=CLIENT_ID)
    assert (order.order_id, order.client_order_id) == ("O-OURS", CLIENT_ID)
    assert "start" not in bench.http.asked[-1].fields
    assert await bench.client.closed_orders(client_order_id="f" * 32) == []
    # A venue that does not look for the id at all proves nothing, unless everything of a time was read.
    bench.http.answers["ClosedOrders"] = [bench.http.reply(body)]
    with pytest.raises(PayloadError, match="not asked for"):
        await bench.client.closed_orders(client_order_id=CLIENT_ID)
    [order] = await bench.client.closed_orders(client_order_id=CLIENT_ID, since_s=1.0)
    assert order.order_id == "O-OURS"


def _closed(client_id: str) -> bytes:
    return (
        f'{{"status":"canceled","cl_ord_id":"{client_id}","closetm":1790000000.5,"reason":"User requested",'
        '"descr":{"pair":"XBTUSD","type":"buy","ordertype":"limit","price":"40000.0"},'
        '"vol":"0.01","vol_exec":"0","cost":"0","fee":"0"}'
    ).encode()


@on_virtual_time
async def test_open_orders_and_fills_carry_the_ids_that_evidence_needs() -> None:
    bench = await ready()
    body = sample("http_open_orders").replace(b'"status":"open"', f'"cl_ord_id":"{CLIENT_ID}","status":"open"'.encode())
    bench.http.answers["OpenOrders"] = [bench.http.reply(body)]
    opened = await bench.client.open_orders()
    assert {order.client_order_id for order in opened.orders.values()} == {CLIENT_ID}
    assert all(order.cost is not None and order.fee is not None for order in opened.orders.values())
    fills = await bench.client.fills()
    assert all(fill.order_id for fill in fills)


@on_virtual_time
async def test_market_sell_of_everything_is_one_order_too() -> None:
    bench = await ready()
    await place(bench, market(side=Side.SELL))
    assert bench.http.asked[-1].fields["oflags"] == "fciq"


@on_virtual_time
async def test_with_nothing_left_of_its_time_nothing_leaves_and_the_venue_is_not_blamed() -> None:
    bench = await ready()
    asked: list[int] = []
    for call in (
        bench.client.place_order(ticket(), deadline_s=0.02, before_send=lambda: asked.append(1)),
        bench.client.cancel_order(order_id=TXID, client_order_id=None, deadline_s=0.0, before_send=nothing),
    ):
        error = await refused(call)
        assert isinstance(error, VenueError)
        assert error.outcome is Outcome.NEVER_SENT
        assert not fault_of(error).counts
    assert (asked, bench.http.of("AddOrder"), bench.http.of("CancelOrder")) == ([], [], [])
