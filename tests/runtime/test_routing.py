"""Orders that name no broker: where they go, what moves them on, and that each ends at one broker at most."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.config.routing import RoutingSettings
from holdfast.core.instruments import InstrumentStatus
from holdfast.core.orders import OrderState
from holdfast.errors import (
    AllUnhealthyError,
    IntentRepeatedError,
    MaintenanceError,
    NoneFundedError,
    NotListedError,
    OrderInputError,
    Outcome,
    OutcomeUnknownError,
    StoreError,
    UnknownNameError,
    UnknownReservationError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.runtime.routing import _Held
from holdfast.testing import run_virtual
from tests.runtime.routing_rig import Host


def played(body: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on virtual time."""

    def test(tmp_path: Path) -> None:
        run_virtual(body(tmp_path), seed=1)

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


def unreachable(name: str = "one") -> VenueUnreachableError:
    return VenueUnreachableError("connection refused", venue=name, request="order", account=name)


def kill(host: Host, name: str) -> None:
    """Nothing reaches this venue, and nothing comes from it."""
    client, stream = host.client(name), host.stream(name)
    client.failing["*"] = unreachable(name)
    client.latency_s = 0.0
    stream.refuses = unreachable(name)
    stream.is_silent = True
    stream.takes_orders = False


def heal(host: Host, name: str) -> None:
    client, stream = host.client(name), host.stream(name)
    client.failing.clear()
    client.latency_s = 0.05
    stream.refuses = None
    stream.is_silent = False
    stream.takes_orders = True


async def buy(desk: holdfast.Desk, intent_id: str | None = None, **more: Any) -> holdfast.Order:
    return await desk.place_market_order("BTC-USD", "buy", quote_quantity="100", intent_id=intent_id, **more)


# Where it goes


@played
async def test_the_first_broker_takes_it_and_the_others_are_left_alone(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        order = await buy(desk, "i1")

        assert (order.broker, order.intent_id, host.sent("one"), host.sent("two")) == ("one", "i1", 1, 0)
        assert (await desk.order("i1")).order_id == order.order_id
        (told,) = host.said("routing.decided")
        assert (told["broker"], told["attempt"], told["refused"]) == ("one", 1, "")


@played
async def test_route_decides_and_places_nothing(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        routing = await desk.route("BTC-USD", "buy", quote_quantity="100")

        assert (routing.code, routing.broker, routing.ranking) == ("chosen", "one", ("one", "two"))
        assert routing.verdict is not None
        assert routing.verdict.is_approved
        assert host.sent("one") == host.sent("two") == 0
        assert not host.books


@played
async def test_each_refusal_is_explained(tmp_path: Path) -> None:
    host = Host("one", "two", "three", "four")
    host.venues["one"].truth["USD"] = ("50", "0")
    del host.venues["two"].orders.instruments["BTC-USD"]
    async with host.desk() as desk:
        await desk["three"].set_trading_state("halted", reason="lunch")

        routing = await desk.route("BTC-USD", "buy", quote_quantity="100")

        assert routing.broker == "four"
        assert {each.broker: (each.kind.value, each.code) for each in routing.refusals} == {
            "one": ("unfunded", "funds_short"),
            "two": ("unlisted", "instrument_unknown"),
            "three": ("unhealthy", "unavailable"),
        }
        short = routing.refusal("one")
        assert short is not None
        assert "50.00 spendable" in short.sentence


@played
async def test_lowest_fee_and_most_spendable_ask_the_account_itself(tmp_path: Path) -> None:
    host = Host("one", "two", "three")
    host.venues["two"].orders.rates["BTC-USD"] = ("0.0010", "0.0005")
    host.venues["three"].truth["USD"] = ("200000", "0")
    async with host.desk() as desk:
        for policy, broker in (("lowest_fee", "two"), ("most_spendable", "three"), ("priority", "one")):
            assert (await desk.route("BTC-USD", "buy", quote_quantity="100", policy=policy)).broker == broker
        assert (await desk.route("BTC-USD", "buy", quote_quantity="100", brokers=["two", "one"])).broker == "two"


@played
async def test_round_robin_goes_round_with_orders_and_not_with_questions(tmp_path: Path) -> None:
    host = Host("one", "two", "three")
    async with host.desk(routing=RoutingSettings(policy="round_robin")) as desk:
        took = []
        for _ in range(4):
            await desk.route("BTC-USD", "buy", quote_quantity="100")
            took.append((await buy(desk)).broker)

        assert took == ["one", "two", "three", "one"]


@played
async def test_what_cannot_be_asked_is_refused_by_name(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        with pytest.raises(UnknownNameError, match="no broker 'three': open brokers: one, two"):
            await desk.route("BTC-USD", "buy", quote_quantity="1", brokers=["three"])
        with pytest.raises(OrderInputError, match="no policy 'best'"):
            await desk.route("BTC-USD", "buy", quote_quantity="1", policy="best")
        with pytest.raises(OrderInputError, match="pass a list"):
            await desk.route("BTC-USD", "buy", quote_quantity="1", brokers="one")
        with pytest.raises(OrderInputError, match="no broker was named"):
            await desk.route("BTC-USD", "buy", quote_quantity="1", brokers=[])
        with pytest.raises(OrderInputError):
            await desk.route("BTC-USD", "buy", quote_quantity=1.5)  # type: ignore[arg-type]


@played
async def test_an_order_never_goes_from_one_environment_to_another(tmp_path: Path) -> None:
    host = Host()
    host.venues["two"].facts = host.venues["two"].facts
    config = host.config(two="production")
    async with holdfast.open(config, parts=host.parts()) as desk:
        with pytest.raises(OrderInputError, match=r"one \(simulated\), two \(production\)"):
            await desk.route("BTC-USD", "buy", quote_quantity="1")
        await desk["one"].ready()
        assert (await desk.route("BTC-USD", "buy", quote_quantity="1", brokers=["one"])).broker == "one"


# That none would do


@played
async def test_none_is_taken_for_being_the_least_bad(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        kill(host, "one")
        kill(host, "two")
        await asyncio.sleep(6.0)

        with pytest.raises(AllUnhealthyError) as caught:
            await buy(desk, "i1")

        assert caught.value.code == "all_unhealthy"
        assert [each.broker for each in caught.value.routing.refusals] == ["one", "two"]
        assert host.sent("one") == host.sent("two") == 0
        assert [each["code"] for each in host.said("routing.denied")] == ["all_unhealthy"]
        heal(host, "one")
        await asyncio.sleep(60.0)
        assert (await buy(desk, "i1")).broker == "one"  # The id was not used up: nothing had been sent.


@played
async def test_not_funded_and_not_listed_are_answers_of_their_own(tmp_path: Path) -> None:
    host = Host(funds={"USD": ("5", "0")})
    async with host.desk() as desk:
        with pytest.raises(NoneFundedError, match=r"one: .* 100.00"):
            await buy(desk)
        with pytest.raises(NotListedError):
            await desk.place_market_order("DOGE-USD", "buy", quote_quantity="1")


# Failing over


async def moves_within(host: Host, desk: holdfast.Desk) -> float:
    """Place an order a second until one is filled at the second broker; how long that took."""
    began_s = host.clock.now_s()
    tasks = []
    try:
        while True:
            tasks.append(asyncio.ensure_future(buy(desk)))
            await asyncio.sleep(1.0)
            if host.sent("two"):
                return host.clock.now_s() - began_s
            assert host.clock.now_s() - began_s < 30
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@played
async def test_new_orders_move_when_a_venue_is_gone(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await buy(desk)
        kill(host, "one")

        assert await moves_within(host, desk) <= 10.0


@played
async def test_new_orders_move_when_a_venue_hangs(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await buy(desk)
        host.client("one").latency_s = 600.0
        host.stream("one").latency_s = 600.0

        assert await moves_within(host, desk) <= 10.0


@played
async def test_the_first_order_after_a_quiet_hour_finds_a_dead_venue_out(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await asyncio.sleep(3600.0)
        host.client("one").latency_s = 600.0
        host.stream("one").is_silent = True
        await asyncio.sleep(5.5)

        began_s = host.clock.now_s()
        assert (await buy(desk)).broker == "two"
        assert host.clock.now_s() - began_s <= 4.5
        assert host.sent("one") == 0


@played
async def test_a_stream_that_goes_on_talking_hides_nothing(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await asyncio.sleep(20.0)
        host.client("one").latency_s = 600.0
        await asyncio.sleep(6.0)

        assert (await buy(desk)).broker == "two"
        assert (
            await buy(desk, brokers=["one"])
        ).broker == "one"  # Orders go over its stream, and nobody else is asked.


@played
async def test_what_provably_never_left_goes_on_to_the_next_broker(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        host.stream("one").outcomes.add(unreachable())
        host.client("one").outcomes.add(unreachable())

        order = await buy(desk, "i1")

        assert (order.broker, order.intent_id) == ("two", "i1~2")
        assert (await desk.order("i1")).broker == "two"
        assert (await desk["one"].order("i1")).state is OrderState.NEVER_SENT
        (moved,) = host.said("routing.moved")
        assert (moved["broker"], moved["outcome"]) == ("one", "never_sent")
        assert [each["broker"] for each in host.said("routing.failed_over")] == ["one"]


@played
async def test_an_order_in_doubt_is_never_repeated_elsewhere(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        host.stream("one").outcomes.add("lost_before")

        with pytest.raises(OutcomeUnknownError):
            await buy(desk, "i1")

        assert host.sent("two") == 0
        with pytest.raises(IntentRepeatedError, match="i1"):
            await buy(desk, "i1")
        assert (await buy(desk, "i2")).broker == "two"  # New ones move on.
        order = await desk.resolution("i1", timeout_s=120)
        assert (order.broker, order.state) == ("one", OrderState.ABSENT)
        with pytest.raises(IntentRepeatedError):
            await buy(desk, "i1")  # Proven absent, and never sent again all the same.
        assert host.sent("two") == 1


@played
async def test_a_refusal_of_the_order_itself_ends_it(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        host.stream("one").outcomes.add("reject")

        with pytest.raises(VenueRejectedError):
            await buy(desk, "i1")

        assert host.sent("two") == 0
        assert host.said("routing.failed_over") == []


@played
async def test_a_refusal_goes_on_where_that_is_configured(tmp_path: Path) -> None:
    host = Host()
    async with host.desk(routing=RoutingSettings(after_rejection="any")) as desk:
        host.stream("one").outcomes.add("reject")

        assert (await buy(desk, "i1")).broker == "two"


@played
async def test_a_venue_that_is_closed_sends_the_order_on_unless_nothing_may(tmp_path: Path) -> None:
    closed = MaintenanceError("maintenance", venue="one", request="order", account="one", outcome=Outcome.REJECTED)
    for after, taken in (("unfit", "two"), ("never", None)):
        host = Host()
        async with host.desk(routing=RoutingSettings(after_rejection=after)) as desk:  # type: ignore[arg-type]
            host.stream("one").outcomes.add(closed)
            if taken is None:
                with pytest.raises(MaintenanceError):
                    await buy(desk, "i1")
            else:
                assert (await buy(desk, "i1")).broker == taken


@played
async def test_tries_are_bounded(tmp_path: Path) -> None:
    host = Host("one", "two", "three")
    async with host.desk(routing=RoutingSettings(tries_max=2)) as desk:
        for name in host.names:
            host.stream(name).outcomes.add(unreachable(name))
            host.client(name).outcomes.add(unreachable(name))

        with pytest.raises(VenueUnreachableError):
            await buy(desk, "i1")

        assert [each["broker"] for each in host.said("routing.moved")] == ["one", "two"]


@played
async def test_flow_returns_after_the_time_of_health_and_does_not_flap(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await buy(desk)
        kill(host, "one")
        await asyncio.sleep(8.0)
        assert (await buy(desk)).broker == "two"
        heal(host, "one")
        took = []
        for _ in range(40):
            took.append((await buy(desk)).broker)
            await asyncio.sleep(5.0)

        assert "".join(each[0] for each in took).strip("t") == "o" * took.count("one")  # It moves once.
        assert 22 <= took.count("two") <= 32
        assert [each["broker"] for each in host.said("routing.failed_back")] == ["one"]
        assert len(host.said("routing.failed_over")) == 1


@played
async def test_a_caller_that_does_not_wait_leaves_a_mark(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        host.stream("one").latency_s = 60.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4.0):
                await buy(desk, "i1")

        assert (await buy(desk, "i2")).broker == "two"


# Exits


@played
async def test_a_sell_goes_where_it_is_held(tmp_path: Path) -> None:
    host = Host()
    host.venues["one"].truth["BTC"] = ("0", "0")
    async with host.desk() as desk:
        order = await desk.place_market_order("BTC-USD", "sell", "0.5")

        assert (order.broker, host.sent("one")) == ("two", 0)


@played
async def test_an_exit_stays_with_its_holder_through_a_breaker(tmp_path: Path) -> None:
    host = Host()
    host.venues["two"].truth["BTC"] = ("0", "0")
    async with host.desk() as desk:
        await desk["one"].isolate("trade", reason="a person looks")

        assert (await buy(desk)).broker == "two"
        assert (await desk.place_market_order("BTC-USD", "sell", "0.5")).broker == "one"


@played
async def test_a_sell_that_nobody_can_cover_alone_is_not_split(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        with pytest.raises(NoneFundedError):
            await desk.place_market_order("BTC-USD", "sell", "8")


# One intent, one order


@played
async def test_the_same_intent_twice_is_refused_and_named(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        order = await buy(desk, "i1")

        with pytest.raises(IntentRepeatedError, match="i1") as caught:
            await buy(desk, "i1")

        assert caught.value.intent_id == "i1"
        assert "at one" in str(caught.value)
        assert host.sent("one") + host.sent("two") == 1
        assert (await desk.order("i1")).order_id == order.order_id


@played
async def test_of_many_that_place_one_intent_at_once_one_goes_on(tmp_path: Path) -> None:
    host = Host()
    async with host.desk(routing=RoutingSettings(policy="round_robin")) as desk:
        results = await asyncio.gather(*(buy(desk, "i1") for _ in range(8)), return_exceptions=True)

        assert sum(isinstance(each, holdfast.Order) for each in results) == 1
        assert sum(isinstance(each, IntentRepeatedError) for each in results) == 7
        assert host.sent("one") + host.sent("two") == 1


@played
async def test_two_spellings_of_one_id_are_one_intent(tmp_path: Path) -> None:
    host = Host()
    spelled = "01234567-89ab-cdef-0123-456789abcdef"
    async with host.desk() as desk:
        await buy(desk, spelled)

        with pytest.raises(IntentRepeatedError):
            await buy(desk, spelled.replace("-", ""))


@played
async def test_an_id_that_was_used_at_a_broker_directly_stays_used(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        await desk["two"].place_market_order("BTC-USD", "buy", quote_quantity="100", intent_id="i1")

        for _ in range(2):
            with pytest.raises(IntentRepeatedError):
                await buy(desk, "i1")
            await asyncio.sleep(20.0)
        assert (host.sent("one"), host.sent("two")) == (0, 1)


@played
async def test_an_intent_nobody_routed_is_unknown(tmp_path: Path) -> None:
    host = Host()
    async with host.desk() as desk:
        with pytest.raises(UnknownReservationError):
            await desk.order("i9")


# Lives


@played
async def test_after_a_restart_the_intent_is_where_it_was(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        order = await buy(desk, "i1")
    async with host.desk() as desk:
        with pytest.raises(IntentRepeatedError, match="at one"):
            await buy(desk, "i1", brokers=["two"])
        assert (await desk.order("i1")).order_id == order.order_id
    assert host.sent("one") + host.sent("two") == 1


@played
async def test_an_intent_that_was_bound_and_never_reached_its_broker_goes_on(tmp_path: Path) -> None:
    """What a crash between the binding and the broker's own record leaves."""
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        router = desk._routing()
        held = _Held(await router._book("simulated"), "i1", clock=host.clock, randomness=host.parts().randomness)
        await held.begin("one")
    async with host.desk() as desk:
        with pytest.raises(IntentRepeatedError, match="under way at one"):
            await buy(desk, "i1")
        await asyncio.sleep(10.0)  # Whoever began it may send no more.
        order = await buy(desk, "i1", brokers=["two"])
        assert (order.broker, order.intent_id) == ("two", "i1~2")
    assert (host.sent("one"), host.sent("two")) == (0, 1)


@played
async def test_an_intent_that_never_left_its_broker_goes_on_after_a_crash(tmp_path: Path) -> None:
    """What a crash leaves between a broker's own record of an end and the book's."""
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        router = desk._routing()
        held = _Held(await router._book("simulated"), "i1", clock=host.clock, randomness=host.parts().randomness)
        await held.begin("one")
        host.stream("one").outcomes.add(unreachable())
        host.client("one").outcomes.add(unreachable())
        with pytest.raises(VenueUnreachableError):
            await desk["one"].place_market_order("BTC-USD", "buy", quote_quantity="100", intent_id="i1")
    async with host.desk() as desk:
        await asyncio.sleep(15.0)
        order = await buy(desk, "i1")
        assert order.intent_id == "i1~2"
        with pytest.raises(IntentRepeatedError):
            await buy(desk, "i1")
    assert len(host.venues["one"].orders.placed) + len(host.venues["two"].orders.placed) == 1


@played
async def test_an_attempt_that_was_overtaken_moves_on_nowhere(tmp_path: Path) -> None:
    """Of two lives of one intent the slower one may not go on to a second broker."""
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        router = desk._routing()
        book, randomness = await router._book("simulated"), host.parts().randomness
        slow = _Held(book, "i1", clock=host.clock, randomness=randomness)
        await slow.begin("one")
        await asyncio.sleep(11.0)
        assert (await buy(desk, "i1")).intent_id == "i1~2"
        with pytest.raises(IntentRepeatedError, match="somebody else"):
            await slow.end("denied", "too late")
        with pytest.raises(IntentRepeatedError, match="somebody else"):
            await slow.begin("two")


@played
async def test_an_intent_in_doubt_through_a_restart_stays_where_it_is(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        host.stream("one").outcomes.add("lost_before")
        with pytest.raises(OutcomeUnknownError):
            await buy(desk, "i1")
    async with host.desk() as desk:
        await asyncio.sleep(15.0)
        with pytest.raises(IntentRepeatedError, match="at one"):
            await buy(desk, "i1", brokers=["two"])
    assert (host.sent("one"), host.sent("two")) == (1, 0)


@played
async def test_a_broker_that_is_not_open_here_keeps_its_intent(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        await buy(desk, "i1")
    async with host.desk("two") as desk:
        await asyncio.sleep(15.0)
        with pytest.raises(IntentRepeatedError, match="not open here"):
            await buy(desk, "i1")
        with pytest.raises(UnknownNameError):
            await desk.order("i1")


@played
async def test_a_halted_broker_that_knows_nothing_proves_nothing(tmp_path: Path) -> None:
    """Its store may be an older copy."""
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        await buy(desk, "i1")
    (tmp_path / "one.db").unlink()
    for side in ("-wal", "-shm"):
        (tmp_path / f"one.db{side}").unlink(missing_ok=True)
    async with host.desk(waits=False) as desk:
        await asyncio.sleep(15.0)
        await desk["one"].set_trading_state("halted")
        with pytest.raises(IntentRepeatedError, match="halted"):
            await buy(desk, "i1")


@played
async def test_two_processes_that_share_the_accounts_send_an_intent_once(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    async with host.desk() as owner, host.desk() as attached:
        assert "owner" not in repr(attached)
        results = await asyncio.gather(
            buy(owner, "i1", brokers=["one"]), buy(attached, "i1", brokers=["two"]), return_exceptions=True
        )

        assert sum(isinstance(each, holdfast.Order) for each in results) == 1
        assert host.sent("one") + host.sent("two") == 1
        assert (await owner.order("i1")).broker == (await attached.order("i1")).broker


@played
async def test_an_attached_desk_fails_over_and_takes_over(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    stack = contextlib.AsyncExitStack()
    await stack.enter_async_context(host.desk())
    async with host.desk() as attached:
        assert (await buy(attached, "i1")).broker == "one"
        kill(host, "one")
        await asyncio.sleep(7.0)
        assert (await buy(attached, "i2")).broker == "two"
        await stack.aclose()
        await asyncio.sleep(30.0)

        with pytest.raises(IntentRepeatedError):
            await buy(attached, "i1")
        with pytest.raises(IntentRepeatedError):
            await buy(attached, "i2")
    assert host.sent("one") + host.sent("two") == 2


@played
async def test_a_desk_that_knows_a_socket_alone_binds_in_the_hosts_own_folder(tmp_path: Path) -> None:
    host = Host("one")
    state = tmp_path / "state"
    async with host.desk(), host.connected("one", state) as desk:
        order = await buy(desk, "i1")

        assert order.broker == "one"
        with pytest.raises(IntentRepeatedError):
            await buy(desk, "i1")
        assert (await desk.order("i1")).order_id == order.order_id
    assert (state / "routes" / "simulated.db").exists()


# The book


@played
async def test_nothing_is_sent_that_could_not_be_bound(tmp_path: Path) -> None:
    host = Host(folder=tmp_path)
    async with host.desk() as desk:
        await buy(desk, "i1")
        await host.books[-1].close()

        with pytest.raises(StoreError):
            await buy(desk, "i2")
    assert host.sent("one") == 1


@played
async def test_a_rule_of_one_broker_leaves_the_others(tmp_path: Path) -> None:
    import msgspec

    host = Host()
    listed = host.venues["one"].orders.instruments
    listed["BTC-USD"] = msgspec.structs.replace(listed["BTC-USD"], status=InstrumentStatus.OFFLINE)
    async with host.desk() as desk:
        routing = await desk.route("BTC-USD", "buy", quote_quantity="100")

        assert routing.broker == "two"
        assert [(each.kind.value, each.code) for each in routing.refusals] == [("unsuited", "instrument_closed")]
