"""The adapter and the simulated Coinbase, which share no parser, agree on what the account holds."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.credentials import Credential
from holdfast.core.venue import Channel, SequencePolicy
from holdfast.errors import (
    BadCredentialError,
    HoldfastError,
    PayloadError,
    PermissionMissingError,
    VenueError,
    VenueRejectedError,
)
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import AiohttpWire, PicowsWire
from holdfast.simulators.coinbase import OPEN_POINTS, CoinbaseSimulator
from holdfast.simulators.core.mutations import MUTATIONS
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.core.tls import issue_certificates
from holdfast.testing import MemoryLane, run_virtual
from holdfast.venues.coinbase import COINBASE
from tests.venues.coinbase.tickets import ticket
from tests.venues.coinbase.world import OPTIONS, Folded, World

D = Decimal


# In memory, on virtual time


@pytest.mark.parametrize("profile", ["plain", "earn", "busy", "margin", "empty", "many"])
def test_rest_figures_are_the_truth(profile: str) -> None:
    async def scenario() -> None:
        world = World(profile)
        listed = await world.client.read_balances("accounts")
        # One call for each of 300 accounts would only take long.
        alone = await world.client.read_balances("account") if profile != "many" else listed
        truth = world.truth
        for code in truth.keys() | listed.holdings.keys():
            if "." in code:  # What is in a vault or at the futures broker is beside, or cannot be seen here.
                asset, kind = code.split(".")
                beside = {"VAULT": "vault", "CFM": "derivatives"}.get(kind)
                if beside is not None:
                    assert dict(listed.holdings[asset].detail)[beside] == truth[code]["total"]
                continue
            stated = listed.holdings[code]
            expected = (truth[code]["total"], truth[code]["held"], truth[code]["available"])
            assert (stated.total, stated.held, stated.available) == expected, code
            if code in alone.holdings:
                assert alone.holdings[code] == stated
            else:
                assert not stated.total

    run_virtual(scenario())


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("pem", ["sec1", "pkcs8"])
def test_keys_of_both_kinds_are_taken(algorithm: str, pem: str) -> None:
    async def scenario() -> None:
        world = World(key_algorithm=algorithm, ec_pem=pem)
        assert (await world.client.credential_info()).permissions == ("view", "trade")

    run_virtual(scenario())


@pytest.mark.parametrize("skew_s", [-3600.0, -1.0, 0.9, 5.0, 100.0, 86_400.0])
def test_clock_that_is_off_signs_all_the_same(skew_s: float) -> None:
    async def scenario() -> None:
        world = World(clock_skew_s=skew_s)
        await world.client.read_balances("accounts")
        async with world.streaming():
            await world.place(world.ticket())

    run_virtual(scenario())


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("deposit", {"asset": "USD", "amount": "250.5"}),
    ("withdrawal", {"asset": "USD", "amount": "50"}),
    ("external_trade", {"pair": "BTC-USD", "side": "buy", "quantity": "0.01"}),
    ("external_trade", {"pair": "BTC-USD", "side": "sell", "quantity": "0.005"}),
    ("external_order", {"pair": "BTC-USD", "side": "buy", "quantity": "0.02", "price": "20000"}),
    ("external_order", {"pair": "BTC-USD", "side": "sell", "quantity": "0.01", "price": "900000"}),
    ("convert", {"from": "USD", "to": "USDC", "amount": "10"}),
    ("external_cancel", {}),
]


@pytest.mark.parametrize("profile", ["plain", "earn"])
@pytest.mark.parametrize("seed", range(2))
def test_stream_follows_the_truth_through_anything_that_happens(profile: str, seed: int) -> None:
    async def scenario() -> None:
        world = World(profile, seed=seed)
        dice = random.Random(seed)
        world.happen("deposit", asset="USD", amount="5000")
        world.happen("deposit", asset="BTC", amount="1")
        async with world.streaming():
            for _ in range(20):
                kind, fields = dice.choice(STEPS)
                with suppress(ValueError):  # Not everything can happen at every moment.
                    world.happen(kind, **fields)
                await asyncio.sleep(dice.random() * 3)
            await asyncio.sleep(1.0)
            world.check_holds()
        listed = await world.client.read_balances("accounts")
        assert {code: each.total for code, each in listed.holdings.items() if each.total} == {
            code: each["total"] for code, each in world.truth.items() if each["total"] and "." not in code
        }
        opened = (await world.client.open_orders()).orders
        assert opened.keys() == world.sink.open.keys()
        for order_id, order in opened.items():
            streamed = world.sink.open[order_id]
            assert (order.filled, order.cost, order.hold, order.fee) == (
                streamed.filled, streamed.cost, streamed.hold, streamed.fee,
            )  # fmt: skip

    run_virtual(scenario(), seed=seed)


FAULTS: list[dict[str, Any]] = [
    {"kind": "sequence_gap", "channel": "user"},
    {"kind": "sequence_gap", "channel": "heartbeats"},
    {"kind": "sequence_duplicate", "channel": "*"},
    {"kind": "sequence_regress", "channel": "user"},
    {"kind": "sequence_reorder", "channel": "user"},
    {"kind": "close_streams", "code": 1011},
    {"kind": "unauthorized_stream", "count": 1},
    {"kind": "ws_out", "channel": "user", "action": {"do": "truncate", "at": 20}, "count": 1},
    {"kind": "ws_out", "channel": "user", "action": {"do": "duplicate"}, "count": 1},
    {"kind": "ws_out", "channel": "user", "action": {"do": "drop"}, "count": 1},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: " ".join(str(each) for each in fault.values()))
def test_stream_comes_back_to_the_truth_after_every_fault(fault: dict[str, Any]) -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            world.front.plan.add(fault)
            for _ in range(5):
                world.happen("external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000")
                world.happen("external_trade", pair="BTC-USD", side="buy", quantity="0.001")
                await asyncio.sleep(2)
            world.stream.resubscribe(Channel.ORDERS, "anew")
            async with asyncio.timeout(90):
                await asyncio.sleep(5)
                await world.sink.is_stated.wait()
            world.happen("external_order", pair="BTC-USD", side="sell", quantity="0.001", price="900000")
            await asyncio.sleep(1)
            world.check_holds()

    run_virtual(scenario())


@pytest.mark.parametrize(("count", "before"), [(49, True), (50, True), (50, False), (101, True)])
def test_snapshot_of_any_size_is_whole(count: int, before: bool) -> None:
    async def scenario() -> None:
        world = World(is_ack_before_snapshot=before)
        for number in range(count):
            world.happen("external_order", pair="BTC-USD", side="buy", quantity="0.0001", price=str(10_000 + number))
        async with world.streaming():
            assert len(world.sink.open) == count
            world.check_holds()

    run_virtual(scenario())


def test_refusals_of_the_credential_have_their_causes() -> None:
    async def scenario() -> None:
        world = World()
        await world.client.read_balances("accounts")
        world.front.plan.add({"kind": "unauthorized", "count": 1})
        await world.client.read_balances("accounts")  # Once more with a fresh token.
        world.happen("permissions", key=world.key["key"], permissions=["view"])
        error = await world.refused(world.ticket())
        assert isinstance(error, PermissionMissingError)
        await world.client.read_balances("accounts")
        world.happen("key_revocation", key=world.key["key"])
        with pytest.raises(VenueRejectedError) as caught:
            await world.client.read_balances("accounts")
        assert not isinstance(caught.value, BadCredentialError)
        await asyncio.sleep(31)
        with pytest.raises(BadCredentialError):
            await world.client.read_balances("accounts")
        assert world.lane.parked_cause == "bad_key"

    run_virtual(scenario())


@pytest.mark.parametrize("how", sorted(MUTATIONS))
def test_mutated_balance_answer_is_believed_where_it_is_one_and_refused_where_not(how: str) -> None:
    async def scenario() -> None:
        world = World()
        await world.client.load()
        await world.client.server_time()
        action: dict[str, Any] = {"do": "mutate", "how": how}
        if how in ("set", "rename"):
            action["value"] = "oops"
        world.front.plan.add({"kind": "rest", "name": "ListAccounts", "action": action})
        try:
            stated = (await world.client.read_balances("accounts")).holdings
        except (PayloadError, VenueError):
            return
        for code, holding in stated.items():
            # It has come through the strict parser. A well-formed lie is the ledger's to find out.
            assert holding.total.is_finite()
            assert code in world.truth

    run_virtual(scenario())


def test_page_that_fails_leaves_nothing_of_the_others() -> None:
    async def scenario() -> None:
        world = World("many")
        assert len((await world.client.read_balances("accounts")).holdings) > 250
        world.front.plan.add({"kind": "page_failure", "count": 5})
        with pytest.raises(HoldfastError):
            await world.client.read_balances("accounts")

    run_virtual(scenario())


# How the same figures may be written, and what a token may be refused for; each seed draws a mixture of all of them.
POINTS = (
    "clock_leeway_s", "is_long_token_refused", "is_token_reuse_refused", "error_word_case", "are_pages_frozen",
    "account_types", "is_zero_hold_stated", "are_empty_wallets_ready", "heartbeat_counter", "has_client_id",
    "user_connections", "empty_numbers", "quote_sized_fills", "odd_fills", "order_type_case", "are_user_rows_sparse",
    "is_ack_before_snapshot", "can_open_be_combined", "is_epoch_text", "is_product_count_text", "most_candles",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_true_under_any_mixture_of_open_points(seed: int) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        settings: dict[str, Any] = {name: dice.choice(OPEN_POINTS[name]) for name in POINTS}
        world = World(seed=seed, **settings)
        async with world.streaming():
            world.happen("external_order", pair="BTC-USD", side="buy", quantity="0.02", price="20000")
            world.happen("external_trade", pair="ETH-USD", side="buy", quantity="0.5")
            await asyncio.sleep(1)
            opened = (await world.client.open_orders()).orders
            assert opened.keys() == world.sink.open.keys()
            held = {code: each["held"] for code, each in world.truth.items() if each["held"]}
            assert {order.hold_asset: order.hold for order in opened.values()} == held
        listed = await world.client.read_balances("accounts")
        for code, each in world.truth.items():
            assert listed.holdings[code].total == each["total"]
        assert await world.client.candles("BTC-USD", interval_s=60)
        fills = await world.client.fills(since_s=world.simulator.now_us() / 1e6 - 60)
        assert [fill.quantity for fill in fills if fill.symbol == "ETH-USD"] == [D("0.5")]

    run_virtual(scenario())


# Over real sockets


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
async def test_both_real_wires_bring_the_truth_over_sockets(is_encrypted: bool) -> None:
    clock = SystemClock()
    simulator = CoinbaseSimulator(seed=1, clock=clock, timers=asyncio.get_running_loop())
    with issue_certificates() as certificates:
        async with serve_simulator(simulator, tls=certificates if is_encrypted else None) as served:
            assert served.rest.startswith("https://" if is_encrypted else "http://")
            ca = str(certificates.ca) if is_encrypted else None
            http = AiohttpWire(clock=clock, ca_file=ca)
            key = simulator.credentials()[0]
            more: dict[str, Any] = {"clock": clock, "emit": lambda _: None, "account": "a", "options": OPTIONS}
            client = COINBASE.client(
                http=http,
                lane=MemoryLane(clock, sequence=SequencePolicy.NONE, in_flight_max=8),
                credential=Credential(venue="coinbase", key=key["key"], secret=key["secret"]),
                rest_url=served.rest,
                **more,
            )
            wire = PicowsWire(must_be_simulator=True, ca_file=ca)
            stream = COINBASE.stream(wire=wire, client=client, ws_url=served.ws, **more)
            sink = Folded()
            has_changed = asyncio.Event()
            sink.orders_changed = lambda changes: has_changed.set()  # type: ignore[method-assign]
            try:
                assert (await client.read_balances("accounts")).holdings["BTC"].total == D("0.4")
                running = asyncio.create_task(stream.run(sink))
                async with asyncio.timeout(10):
                    await sink.is_stated.wait()
                meant = ticket(limit_price=D("20000"), valid_until_us=simulator.now_us() + 30_000_000)
                await client.place_order(meant, deadline_s=5.0, before_send=lambda: None)
                async with asyncio.timeout(10):
                    await has_changed.wait()
                held = (await client.read_balances("accounts")).holdings["USD"].held
                assert held is not None
                assert held > 200
                stream.abort("done")
                with pytest.raises(VenueError):
                    await running
            finally:
                await client.close()
                await http.close()
