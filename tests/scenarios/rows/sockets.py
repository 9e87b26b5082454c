"""Rows that only sockets can show: a real client, a served simulator, and a TCP proxy on each of its two ways."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import holdfast
from holdfast.core.balances import BalanceState
from holdfast.core.events import Event
from holdfast.errors import HoldfastError, NotReadyError
from holdfast.runtime.clock import SystemClock
from holdfast.simulators.core.tls import Certificates, Flaw, issue_certificates
from holdfast.testing import TcpProxy, tcp_proxy
from tests.crash.injections import BAD_READS
from tests.crash.misled_over_sockets import GROWS_AT_MOST_MIB, misled
from tests.crash.venues import LocalVenue, differences, local_kraken
from tests.scenarios.rows.benches import expect
from tests.scenarios.rows.scenario import over_sockets

__all__: list[str] = []

_BROKER: Final = "kraken-master"
_LOOP_LAG_S: Final = 0.5  # What two busy processors may cost; a loop that waits with a socket stands for seconds.
_HEALED_S: Final = 60.0


class Linked:
    """One client behind two proxies, its venue, and what it said."""

    def __init__(self, kraken: LocalVenue, rest: TcpProxy, ws: TcpProxy, desk: holdfast.Desk) -> None:
        self.kraken = kraken
        self.rest = rest
        self.ws = ws
        self.broker = desk[_BROKER]
        self.clock = SystemClock()
        self.events: list[Event] = []
        self.longest_lag_s = 0.0
        desk.on_event(self.events.append)

    async def watch_loop(self) -> None:
        """Note how long the loop lets a timer wait."""
        while True:
            before_s = self.clock.now_s()
            await asyncio.sleep(0.01)
            self.longest_lag_s = max(self.longest_lag_s, self.clock.now_s() - before_s - 0.01)

    def pass_on(self) -> None:
        self.rest.pass_on()
        self.ws.pass_on()

    def reset(self) -> None:
        self.rest.reset_all()
        self.ws.reset_all()

    def amounts(self) -> dict[str, Any]:
        return {asset: (each.total, each.held, each.available) for asset, each in self.broker.balances().items()}

    def wrong(self) -> dict[str, str]:
        """What is not live and the truth."""
        truth = self.kraken.venue.truth()["accounts"]["master"]["assets"]
        shown: dict[str, list[str | None]] = {}
        for asset, each in self.broker.balances().items():
            texts = [None if amount is None else str(amount) for amount in (each.total, each.held, each.available)]
            shown[asset] = [*texts, each.state.value, each.reason]
        return differences(truth, shown)

    async def converged(self, *, within_s: float = _HEALED_S) -> float:
        """Wait until every figure is live and true and every breaker closed; how long it took."""
        began_s = self.clock.now_s()
        while (wrong := self.wrong()) or not self.is_well():
            expect(self.clock.now_s() - began_s < within_s, f"not well after {within_s} s: {wrong}")
            await asyncio.sleep(0.1)
        return round(self.clock.now_s() - began_s, 1)

    def is_well(self) -> bool:
        return all(each.breaker.state.value == "closed" for each in self.broker.status().capabilities)

    async def timed_refresh(self, *, timeout_s: float = 12.0) -> tuple[float, str | None]:
        """How long one refresh took and why it failed."""
        began_s = self.clock.now_s()
        report = await self.broker.refresh(timeout_s=timeout_s)
        took_s = self.clock.now_s() - began_s
        expect(took_s < timeout_s * 1.1 + 0.5, f"a refresh of at most {timeout_s} s took {took_s:.1f} s")
        return round(took_s, 2), report.error

    def orders(self) -> list[dict[str, Any]]:
        """Every order that the venue ever accepted."""
        found: list[dict[str, Any]] = self.kraken.venue.orders()["accounts"]["master"]["orders"]
        return found

    def nonces_refused(self) -> int:
        return self.kraken.nonces()[2]


@contextlib.asynccontextmanager
async def linked(seed: int, *, tls: Certificates | None = None, waits: bool = True) -> AsyncIterator[Linked]:
    """A client whose REST and stream go through a proxy each."""
    scheme = "s" if tls is not None else ""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-row-")))
        kraken = await stack.enter_async_context(local_kraken(seed=seed, tls=tls))
        rest, ws = [
            await stack.enter_async_context(tcp_proxy("127.0.0.1", kraken.served.port, seed=seed + way))
            for way in (0, 1)
        ]
        config = kraken.config(folder, name=_BROKER)
        broker = config["brokers"][_BROKER]
        broker |= {"rest_url": f"http{scheme}://{rest.address}", "ws_url": f"ws{scheme}://{ws.address}/v2"}
        broker |= {"rate_tier": "pro", "orders": {"prefer": "rest"}}
        if tls is not None:
            broker["ca_file"] = str(tls.ca)
        desk = await stack.enter_async_context(holdfast.open(config))
        scene = Linked(kraken, rest, ws, desk)
        lag = asyncio.create_task(scene.watch_loop())
        try:
            if waits:
                await scene.converged()
                await desk[_BROKER].verify_balance_before_order("BTC-USD", "buy", quantity="0.001", order_type="market")
            scene.longest_lag_s = 0.0
            yield scene
        finally:
            # What is held would keep a client from leaving in order.
            scene.pass_on()
            lag.cancel()
            await asyncio.gather(lag, return_exceptions=True)


async def _buy(scene: Linked, intent: str) -> str:
    """A bid that rests; ``placed``, or the error's name."""
    try:
        await scene.broker.place_limit_order("BTC-USD", "buy", "0.001", "20000.0", intent_id=intent)
    except HoldfastError as error:
        return type(error).__name__
    return "placed"


@over_sockets()
async def n1_a_port_that_refuses(seed: int) -> dict[str, Any]:
    """Both ports are closed and every connection is reset; later they are open again."""
    async with linked(seed) as scene:
        before = scene.amounts()
        scene.rest.close_port()
        scene.ws.close_port()
        scene.reset()
        took_s, error = await scene.timed_refresh(timeout_s=3.0)
        expect(error, "a refresh went through a closed port")
        expect(scene.amounts() == before, "figures moved")
        expect(scene.broker.balance("USD").state is not BalanceState.LIVE, "live without a stream")
        await scene.rest.open_port()
        await scene.ws.open_port()
        return {"refresh_s": took_s, "healed_s": await scene.converged(), "loop_lag_s": round(scene.longest_lag_s, 3)}


@over_sockets()
async def n2_a_port_that_swallows(seed: int) -> dict[str, Any]:
    """Nobody accepts and nobody refuses; the event loop's lag is measured all the time."""
    async with linked(seed) as scene:
        before = scene.amounts()
        scene.rest.swallow()
        scene.reset()
        took_s, error = await scene.timed_refresh(timeout_s=8.0)
        expect(error, "a refresh went through")
        expect(scene.longest_lag_s < _LOOP_LAG_S, f"the loop stood for {scene.longest_lag_s:.3f} s")
        expect(scene.amounts() == before, "figures moved")
        await scene.rest.open_port()
        return {"refresh_s": took_s, "loop_lag_s": round(scene.longest_lag_s, 3), "healed_s": await scene.converged()}


@over_sockets()
async def n4_the_name_points_to_another_machine(seed: int) -> dict[str, Any]:
    """Both ways lead to another server from some moment on, whose certificate is for another name."""
    return await _other_machine(seed, "wrong_host")


@over_sockets()
async def n4_the_other_machine_has_an_authority_of_its_own(seed: int) -> dict[str, Any]:
    """The same, with a certificate that nobody vouches for."""
    return await _other_machine(seed, "unknown_authority")


async def _other_machine(seed: int, flaw: Flaw) -> dict[str, Any]:
    with issue_certificates() as good, issue_certificates(flaw=flaw) as bad:
        async with linked(seed, tls=good) as scene, local_kraken(seed=seed + 1, tls=bad) as other:
            before = scene.amounts()
            scene.rest.point_to("127.0.0.1", other.served.port)
            scene.ws.point_to("127.0.0.1", other.served.port)
            scene.reset()
            _, error = await scene.timed_refresh(timeout_s=4.0)
            expect(error, "the other machine was believed")
            expect(scene.amounts() == before, "figures moved")
            heard = other.served.journal.since(0)["entries"]
            expect(not heard, f"the other machine was told {heard[:2]}")
            scene.rest.point_to("127.0.0.1", scene.kraken.served.port)
            scene.ws.point_to("127.0.0.1", scene.kraken.served.port)
            scene.reset()
            return {"refused_with": str(error)[:60], "healed_s": await scene.converged()}


@over_sockets()
async def n5_a_body_that_is_held_after_its_head(seed: int) -> dict[str, Any]:
    """The head of an answer arrives and its body is kept back."""
    async with linked(seed) as scene:
        before = scene.amounts()
        scene.rest.down.hold_after_head()
        took_s, error = await scene.timed_refresh()
        expect(error and scene.amounts() == before, f"figures moved, or: {error}")
        scene.pass_on()
        return {"refresh_s": took_s, "healed_s": await scene.converged(), "loop_lag_s": round(scene.longest_lag_s, 3)}


@over_sockets()
async def n6_a_byte_a_second(seed: int) -> dict[str, Any]:
    """Answers come a byte a second."""
    async with linked(seed) as scene:
        before = scene.amounts()
        scene.rest.down.throttle(1.0)
        took_s, error = await scene.timed_refresh()
        expect(error and scene.amounts() == before, f"figures moved, or: {error}")
        scene.pass_on()
        scene.rest.reset_all()
        return {"refresh_s": took_s, "healed_s": await scene.converged()}


@over_sockets()
async def n7_resets_inside_answers(seed: int) -> dict[str, Any]:
    """Every connection is reset after 0, 7, 14 ... bytes of its answers."""
    async with linked(seed) as scene:
        before = scene.amounts()
        resets = 0
        for byte in range(0, 280, 7):
            scene.rest.down.reset_at(byte)
            for _ in range(20):  # A crowded machine may not come to an answer within so short a time.
                _, error = await scene.timed_refresh(timeout_s=0.25)
                expect(error and scene.amounts() == before, f"byte {byte}: figures moved, or {error}")
                if scene.rest.links[-1].to_client == byte:
                    break
            expect(scene.rest.links[-1].to_client == byte, f"{scene.rest.links[-1].to_client} bytes came, not {byte}")
            resets += 1
        scene.pass_on()
        return {"resets": resets, "healed_s": await scene.converged()}


@over_sockets()
async def n7_flipped_bits_under_tls(seed: int) -> dict[str, Any]:
    """One bit of every 400th byte is flipped on its way, in both directions and under TLS."""
    with issue_certificates() as certificates:
        async with linked(seed, tls=certificates) as scene:
            before, error = scene.amounts(), None
            for way in (scene.rest.down, scene.rest.up):
                way.corrupt(400)
                scene.rest.reset_all()
                _, error = await scene.timed_refresh(timeout_s=4.0)
                expect(error and scene.amounts() == before, f"figures moved, or: {error}")
                scene.pass_on()
            return {"refused_with": str(error)[:60], "healed_s": await scene.converged()}


@over_sockets(sampled=True)
async def n8_an_answer_that_is_dropped(seed: int) -> dict[str, Any]:
    """What the venue answers to an order is dropped, and the stream's word of it too, for six seconds."""
    async with linked(seed) as scene:
        scene.rest.down.drop()
        scene.ws.down.drop()
        ended = await _buy(scene, "one")
        expect(len(scene.orders()) == 1, f"the venue has {len(scene.orders())} orders")
        expect(ended == "OutcomeUnknownError", f"an order without an answer is {ended}")
        claimed = [each.intent_id for each in scene.broker.reservations() if not each.state.is_ended]
        expect(claimed == ["one"], f"claimed for {claimed}")
        scene.pass_on()
        scene.reset()
        order = await scene.broker.resolution("one", timeout_s=90.0)
        expect(order.order_id == scene.orders()[0]["order_id"], f"found as {order.order_id}")
        expect(len(scene.orders()) == 1, f"the venue has {len(scene.orders())} orders")
        return {"ended": ended, "found_as": order.state.value, "orders": 1}


@over_sockets()
async def n9_an_order_that_is_dropped(seed: int) -> dict[str, Any]:
    """An order is dropped before the venue sees it: fifteen seconds later its money is claimed still."""
    async with linked(seed) as scene:
        scene.rest.up.drop()
        ended = await _buy(scene, "one")
        scene.pass_on()
        scene.rest.reset_all()
        await asyncio.sleep(9.0)
        expect(not scene.orders(), f"the venue has {scene.orders()}")
        expect(ended == "OutcomeUnknownError", f"an order without an answer is {ended}")
        states = {each.intent_id: each.state.value for each in scene.broker.reservations()}
        expect(states == {"one": "in_doubt"}, f"reservations are {states}: time alone released one")
        return {"ended": ended, "after_15_s": states["one"]}


@over_sockets(sampled=True)
async def n10_requests_that_are_repeated(seed: int) -> dict[str, Any]:
    """The next signed requests reach the venue twice, byte for byte."""
    async with linked(seed) as scene:
        scene.rest.replay(count=4)
        await scene.broker.refresh(timeout_s=10.0)
        ended = [await _buy(scene, f"intent-{number}") for number in range(2)]
        await asyncio.sleep(0.3)
        expect(ended == ["placed", "placed"], f"orders ended as {ended}")
        expect(len(scene.orders()) == 2, f"the venue has {len(scene.orders())} orders")
        refused = scene.nonces_refused()
        expect(refused >= 2, f"{refused} repeated requests were refused: the scenario proves nothing")
        return {"orders": 2, "repeated_and_refused": refused}


@over_sockets()
async def n11_a_first_request_that_is_overtaken(seed: int) -> dict[str, Any]:
    """A connection's bytes wait until another one's have passed, while ten tasks ask at once."""
    async with linked(seed) as scene:
        for _ in range(3):
            scene.rest.reset_all()
            scene.rest.delay_first(1.0)
            await asyncio.gather(*(scene.broker.refresh(timeout_s=10.0) for _ in range(9)), _buy(scene, "one"))
        expect(scene.nonces_refused() == 0, f"{scene.nonces_refused()} nonces were refused")
        return {"nonces_refused": 0, "healed_s": await scene.converged()}


@over_sockets()
async def n12_jitter_and_loss_on_both_ways(seed: int) -> dict[str, Any]:
    """Pieces travel for up to half a second, one in twenty is lost and sent again, while orders are placed."""
    async with linked(seed) as scene:
        for way in (scene.rest.up, scene.rest.down, scene.ws.down):
            way.delay(0.05, 0.5, loss=0.05)
        ended = [await _buy(scene, f"intent-{number}") for number in range(4)]
        expect(len(scene.orders()) == ended.count("placed"), f"{len(scene.orders())} orders, {ended}")
        scene.pass_on()
        await scene.broker.refresh(timeout_s=10.0)  # What a hold has of fees, only a read tells.
        return {"placed": ended.count("placed"), "healed_s": await scene.converged()}


@over_sockets()
async def n13_one_way_is_dead(seed: int) -> dict[str, Any]:
    """REST is swallowed while the stream lives, then the stream while REST lives."""
    async with linked(seed) as scene:
        for way in (scene.rest.up, scene.rest.down):
            way.drop()
        _, error = await scene.timed_refresh()
        status = scene.broker.status()
        expect(error and status.capability("read").error_count, f"reads look well: {error}")
        expect(status.stream.state == "live", f"the stream lives, and is {status.stream.state}")
        scene.kraken.venue.happen({"kind": "deposit", "asset": "USD", "amount": "5"})
        await asyncio.sleep(1.0)
        expect(not scene.wrong(), f"the stream lives: {scene.wrong()}")
        scene.pass_on()
        scene.rest.reset_all()
        await scene.broker.refresh(timeout_s=10.0)
        for way in (scene.ws.up, scene.ws.down):
            way.drop()
        scene.ws.close_port()
        await asyncio.sleep(7.0)
        status = scene.broker.status()
        expect(status.stream.state != "live", "a silent stream is live")
        expect(scene.broker.balance("USD").state is BalanceState.FRESH, f"{scene.broker.balance('USD')}")
        scene.pass_on()
        await scene.ws.open_port()
        return {"healed_s": await scene.converged()}


@over_sockets()
async def n14_certificates_that_are_wrong(seed: int) -> dict[str, Any]:
    """The venue's certificate is expired, of another name, of another authority: a client never gets ready."""
    errors = []
    flaws: tuple[Flaw, ...] = ("expired", "wrong_host", "unknown_authority")
    for flaw in flaws:
        with issue_certificates(flaw=flaw) as certificates:
            async with linked(seed, tls=certificates, waits=False) as scene:
                try:
                    await scene.broker.ready(timeout_s=1.5)
                    raise AssertionError(f"ready although the certificate is {flaw}")
                except NotReadyError:
                    errors.append(flaw)
                heard = scene.kraken.served.journal.since(0)["entries"]
                expect(not heard, f"the venue heard {heard[:2]}")
    return {"refused": errors}


@over_sockets()
async def n16_connections_that_are_half_closed(seed: int) -> dict[str, Any]:
    """Kept connections are half closed, or reset, before their next use."""
    async with linked(seed) as scene:
        ended = []
        for number in range(4):
            (scene.rest.half_close_all if number % 2 else scene.rest.reset_all)()
            await asyncio.sleep(0.05 * (number // 2))
            report = await scene.broker.refresh(timeout_s=10.0)
            expect(report.is_ok, f"a read was not asked again: {report.error}")
            (scene.rest.half_close_all if number % 2 else scene.rest.reset_all)()
            ended.append(await _buy(scene, f"intent-{number}"))
        placed, orders = ended.count("placed"), len(scene.orders())
        expect(placed <= orders <= len(ended), f"{orders} orders, placements ended as {ended}")
        await scene.broker.refresh(timeout_s=10.0)  # What a hold has of fees, only a read tells.
        return {"placed": placed, "healed_s": await scene.converged()}


@over_sockets(sampled=True)
async def h6_redirects_reach_nobody(seed: int) -> dict[str, Any]:
    """Every request is redirected to a listener on this machine, which counts who comes."""
    came = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with linked(seed) as scene:
            for status in (301, 302, 303, 307, 308):
                scene.kraken.served.plan.clear()
                location = f"http://127.0.0.1:{port}/0/private/BalanceEx"
                scene.kraken.served.plan.add(
                    {"kind": "rest", "action": {"do": "redirect", "location": location, "status": status}}
                )
                _, error = await scene.timed_refresh(timeout_s=0.5)
                expect(error, f"{status} was taken for an answer")
            scene.kraken.served.plan.clear()
            expect(not came, f"somebody went there: {came[:1]}")
            return {"came": len(came), "healed_s": await scene.converged()}
    finally:
        server.close()


@over_sockets()
async def h9_bombs_within_a_bound_of_memory(seed: int) -> dict[str, Any]:
    """Bombs and false encodings reach a client in a process of its own, whose memory is watched."""
    return await _bounded(seed, "H9")


@over_sockets()
async def h10_endless_answers_within_a_bound_of_memory(seed: int) -> dict[str, Any]:
    """Endless bodies and headers reach a client in a process of its own, whose memory is watched."""
    return await _bounded(seed, "H10")


async def _bounded(seed: int, row: str) -> dict[str, Any]:
    async with misled(seed=seed) as client:
        found = [await client.mislead(each) for each in BAD_READS if each.row == row and "sockets" in each.fronts]
    bad = [f"{each.what}: {each.problem}" for each in found if not each.is_kept]
    expect(not bad, bad)
    grew = max((each.grew_mib or 0.0 for each in found), default=0.0)
    expect(grew <= GROWS_AT_MOST_MIB, f"memory grew by {grew} MiB")
    return {"bad_answers": len(found), "grew_mib": grew}


@over_sockets()
async def w12_fifty_thousand_messages(seed: int) -> dict[str, Any]:
    """Fifty thousand messages come at once on the stream, from a venue that shares the client's loop."""
    async with linked(seed) as scene:
        scene.kraken.served.plan.add(
            {
                "kind": "ws_out",
                "channel": "balances",
                "type": "update",
                "count": 1,
                "action": {"do": "burst", "frames": 50_000},
            }
        )
        scene.kraken.venue.happen({"kind": "deposit", "asset": "USD", "amount": "5"})
        await asyncio.sleep(2.0)
        expect(scene.longest_lag_s < 2.0, f"the loop stood for {scene.longest_lag_s:.3f} s")
        scene.kraken.served.plan.clear()
        return {"loop_lag_s": round(scene.longest_lag_s, 3), "healed_s": await scene.converged()}
