"""The proxy does to a connection what it says, seen by the client's own wire and by the server behind it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core.seams import HttpReply, HttpRequest, WireError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import AiohttpWire
from holdfast.testing import TcpProxy, TcpWay, tcp_proxy
from tests.runtime.loopback import Handler, RawServer, raw_server, reply

BODY = b'{"error":[],"result":{"ZUSD":"1500.2500"}}'


class Behind:
    """A client's wire, the proxy, and the server behind it."""

    def __init__(self, wire: AiohttpWire, proxy: TcpProxy, server: RawServer, bodies: list[bytes]) -> None:
        self.wire = wire
        self.proxy = proxy
        self.server = server
        self.bodies = bodies  # Of the requests that reached the server.

    async def call(self, body: bytes = b"nonce=1", *, deadline_s: float = 5.0, **more: Any) -> HttpReply:
        url = f"http://{self.proxy.address}/0/private/Balance"
        return await self.wire.request(
            HttpRequest(method="POST", url=url, headers={}, body=body, **more), deadline_s=deadline_s
        )

    async def fails(self, *, deadline_s: float = 0.15) -> WireError:
        with pytest.raises(WireError) as caught:
            await self.call(deadline_s=deadline_s)
        return caught.value


@asynccontextmanager
async def behind(*, seed: int = 0, body: bytes = BODY) -> AsyncIterator[Behind]:
    bodies: list[bytes] = []

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while request := await server.read_request(reader):
                bodies.append(request.partition(b"\r\n\r\n")[2])
                writer.write(reply(body))
                await writer.drain()

        return handle

    wire = AiohttpWire(clock=SystemClock())
    try:
        async with raw_server(answer) as server, tcp_proxy("127.0.0.1", server.port, seed=seed) as proxy:
            try:
                yield Behind(wire, proxy, server, bodies)
            finally:
                await wire.close()
    finally:
        await wire.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the sockets do what they have to do, five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - The kernel tells nobody.
            await asyncio.sleep(0.001)


async def test_bytes_pass_unchanged_and_are_counted() -> None:
    async with behind() as b:
        assert (await b.call()).body == BODY
        assert (await b.call()).body == BODY
        assert len(b.proxy.links) == 1
        assert b.proxy.links[0].to_client == 2 * len(reply(BODY))
        assert b.bodies == [b"nonce=1"] * 2


async def test_closed_port_refuses_and_opens_again_under_the_same_number() -> None:
    async with behind() as b:
        port = b.proxy.port
        b.proxy.close_port()
        error = await b.fails()
        assert (error.kind, error.was_sent) == ("refused", False)
        await b.proxy.open_port()
        assert b.proxy.port == port
        assert (await b.call()).body == BODY


async def test_port_that_swallows_lets_connecting_hang_and_nothing_was_sent() -> None:
    async with behind() as b:
        b.proxy.swallow()
        began_s = SystemClock().now_s()
        errors = [await b.fails() for _ in range(2)]
        assert SystemClock().now_s() - began_s < 2 * 0.15 * 1.1 + 0.5
        assert ("connect_timeout", False) in [(error.kind, error.was_sent) for error in errors]
        await b.proxy.open_port()
        assert (await b.call()).body == BODY


async def test_body_is_held_after_the_head_until_it_may_go_on() -> None:
    async with behind() as b:
        b.proxy.down.hold_after_head()
        error = await b.fails()
        assert (error.kind, error.was_sent) == ("deadline", True)
        assert b.proxy.links[0].to_client == len(reply(BODY)) - len(BODY)
        b.proxy.pass_on()
        assert (await b.call()).body == BODY


async def test_head_that_comes_in_pieces_is_found_all_the_same() -> None:
    async with behind() as b:
        b.proxy.down.hold_after_head()
        b.proxy.down.throttle(4_000)
        await b.fails(deadline_s=0.3)
        assert b.proxy.links[0].to_client == len(reply(BODY)) - len(BODY)


async def test_throttled_body_ends_at_the_whole_deadline() -> None:
    async with behind() as b:
        b.proxy.down.throttle(1.0)
        began_s = SystemClock().now_s()
        error = await b.fails(deadline_s=0.2)
        assert (error.kind, error.was_sent) == ("deadline", True)
        assert SystemClock().now_s() - began_s < 1.0
        assert b.proxy.links[0].to_client == 1


@pytest.mark.parametrize("ending", ["reset_at", "close_at"])
async def test_connection_ends_at_exactly_that_byte_and_no_part_of_the_body_counts(ending: str) -> None:
    whole = len(reply(BODY))
    async with behind() as b:
        for byte in (0, 1, whole - len(BODY), whole - 1):
            getattr(b.proxy.down, ending)(byte)
            error = await b.fails(deadline_s=5)
            assert error.was_sent
            assert error.kind in ("reset", "closed", "protocol")
            assert b.proxy.links[-1].to_client == byte
        b.proxy.pass_on()
        assert (await b.call()).body == BODY


async def test_one_bit_of_every_so_manieth_byte_is_flipped_wherever_the_kernel_cuts() -> None:
    async with behind() as b:
        b.proxy.up.corrupt(1_000)  # Within none of these requests.
        b.proxy.down.corrupt(len(reply(BODY)))
        assert (await b.call()).body == BODY[:-1] + b"|"  # The last of all: "}" with its lowest bit flipped.
        b.proxy.pass_on()
        assert (await b.call()).body == BODY


async def test_new_connections_go_where_the_proxy_points() -> None:
    async with behind() as b, behind(body=b"[]") as other:
        assert (await b.call()).body == BODY
        b.proxy.point_to("127.0.0.1", other.server.port)
        assert (await b.call()).body == BODY  # The kept connection stays where it was.
        b.proxy.reset_all()
        assert (await b.call(is_repeatable=True)).body == b"[]"


async def test_answer_that_is_dropped_was_processed_and_question_that_is_dropped_was_not() -> None:
    async with behind() as b:
        b.proxy.down.drop()
        assert (await b.fails()).was_sent
        assert b.bodies == [b"nonce=1"]
        b.proxy.pass_on()
        b.proxy.up.drop()
        assert (await b.fails()).was_sent
        assert b.bodies == [b"nonce=1"]
        b.proxy.pass_on()
        assert (await b.call(b"nonce=2")).body == BODY
        assert b.bodies == [b"nonce=1", b"nonce=2"]


async def test_request_is_replayed_byte_for_byte_and_its_client_hears_one_answer() -> None:
    async with behind() as b:
        b.proxy.replay()
        assert (await b.call(b"nonce=7")).body == BODY
        await until(lambda: len(b.bodies) == 2)
        assert b.bodies == [b"nonce=7", b"nonce=7"]
        await b.call(b"nonce=8")
        assert b.bodies[2:] == [b"nonce=8"]
        assert b.server.heads[0] == b.server.heads[1]


async def test_first_request_arrives_behind_the_second() -> None:
    async with behind() as b:
        b.proxy.delay_first(5.0)
        first = asyncio.ensure_future(b.call(b"nonce=1"))
        await until(lambda: len(b.proxy.links) == 1)
        assert (await b.call(b"nonce=2")).body == BODY
        assert (await first).body == BODY
        assert b.bodies == [b"nonce=2", b"nonce=1"]


async def test_first_request_waits_no_longer_than_it_was_told_to() -> None:
    async with behind() as b:
        b.proxy.delay_first(0.05)
        assert (await b.call(b"nonce=1")).body == BODY


def test_delays_and_losses_are_the_same_for_the_same_seed() -> None:
    way = TcpWay()
    way.delay(0.2, 5.0, loss=0.05)

    def drawn(seed: int) -> list[float]:
        rng = random.Random(seed)
        return [way._travel_s(rng) for _ in range(400)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all(travel_s >= 0.2 for travel_s in drawn(1))
    assert any(travel_s > 5.0 for travel_s in drawn(1)) or any(
        later - earlier > 4.9 for earlier, later in zip(drawn(1), drawn(2), strict=True)
    )


async def test_jitter_and_loss_cost_time_and_no_byte() -> None:
    async with behind(seed=3, body=BODY * 50) as b:
        b.proxy.up.delay(0.0, 0.01, loss=0.3, retransmit_s=0.01)
        b.proxy.down.delay(0.0, 0.01, loss=0.3, retransmit_s=0.01)
        for _ in range(5):
            assert (await b.call()).body == BODY * 50


async def test_half_closed_idle_connection_is_left_for_a_new_one() -> None:
    async with behind() as b:
        assert (await b.call()).body == BODY
        b.proxy.half_close_all()
        await asyncio.sleep(0.01)
        assert (await b.call()).body == BODY
        assert len(b.proxy.links) == 2


async def test_kept_connection_that_is_reset_repeats_what_may_be_repeated_and_nothing_else() -> None:
    async with behind() as b:
        await b.call()
        b.proxy.reset_all()
        assert (await b.call(is_repeatable=True)).body == BODY
        assert len(b.bodies) == 2


async def test_asymmetric_partition_lets_one_port_live_and_the_other_die() -> None:
    async with behind() as b, tcp_proxy("127.0.0.1", b.server.port) as other:
        b.proxy.up.drop()
        b.proxy.down.drop()
        b.proxy.close_port()
        alive = HttpRequest(method="GET", url=f"http://{other.address}/", headers={})
        assert (await b.wire.request(alive, deadline_s=5)).body == BODY
        assert (await b.fails()).kind == "refused"


async def test_server_that_is_gone_resets_the_client() -> None:
    async with tcp_proxy("127.0.0.1", 1) as proxy:  # Nobody listens on the first port of all.
        wire = AiohttpWire(clock=SystemClock())
        request = HttpRequest(method="GET", url=f"http://{proxy.address}/", headers={})
        with pytest.raises(WireError):
            await wire.request(request, deadline_s=5)
        await wire.close()
        assert proxy.refused == 1


async def test_closing_the_proxy_ends_what_is_held() -> None:
    async with behind() as b:
        b.proxy.down.hold()
        waiting = asyncio.ensure_future(b.call(deadline_s=30))
        await until(lambda: b.bodies == [b"nonce=1"])
        await b.proxy.close()
        with pytest.raises(WireError):
            await waiting


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda way: way.throttle(0), "above 0"),
        (lambda way: way.reset_at(-1), "count of bytes"),
        (lambda way: way.corrupt(0), "from 1 on"),
        (lambda way: way.delay(2, 1), "low_s"),
        (lambda way: way.delay(0, 1, loss=1), "loss"),
    ],
)
async def test_rule_that_makes_no_sense_is_refused(wrong: Callable[[Any], None], says: str) -> None:
    async with tcp_proxy("127.0.0.1", 1) as proxy:
        with pytest.raises(ValueError, match=says):
            wrong(proxy.down)
