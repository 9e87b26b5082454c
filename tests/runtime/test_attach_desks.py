"""Desks of one pretended host: who owns, who attaches, and who takes over when an owner dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.config import Config
from holdfast.core.balances import BalanceState
from holdfast.core.events import Event
from holdfast.core.instruments import AssetInfo
from holdfast.errors import (
    ClosedError,
    ConfigError,
    FundsShortError,
    HoldfastError,
    IntentRepeatedError,
    OwnedElsewhereError,
    OwnerSilentError,
    StoreError,
    UnknownNameError,
)
from holdfast.runtime.attach.connect import Connecting
from holdfast.runtime.attach.lines import Place
from holdfast.runtime.attach.remote import RemoteBroker
from holdfast.runtime.local import LocalBroker
from holdfast.runtime.open import Mode
from holdfast.runtime.parts import Parts
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, memory_config, memory_parts, run_virtual
from holdfast.testing.orders import fake_instrument


class Host:
    """One pretended host: its locks, its sockets and its disk."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.sockets = MemorySockets()
        self.owners = MemoryOwners()
        self.folder = folder
        self.venue = FakeVenue()
        self.desks: list[Desk] = []

    def parts(self, *, seed: int = 0, **more: Any) -> Parts:
        made: dict[str, Any] = {"clock": self.clock, "venue": self.venue, "owners": self.owners}
        made |= {"sockets": self.sockets, "store_path": self.folder / "one.db", "seed": seed}
        return memory_parts(**{**made, **more})

    async def open(
        self, mode: Mode = "auto", *, parts: Parts | None = None, config: Config | None = None, **more: Any
    ) -> Desk:
        """One more process with a desk; it is closed with the host."""
        desk = Desk(self)
        opening = holdfast.open(
            config or memory_config(),
            mode=mode,
            parts=parts or self.parts(seed=len(self.desks)),
            on_event=desk.events.append,
            **more,
        )
        desk.opening = opening
        desk.desk = await opening.__aenter__()
        self.desks.append(desk)
        return desk

    async def connect(self, path: str = "simulated/acme-master") -> Desk:
        desk = Desk(self)
        opening = Connecting(
            "unix:/" + path,
            state_dir=None,
            wait_s=10.0,
            on_event=desk.events.append,
            sockets=_Named(self.sockets),
            clock=self.clock,
        )
        desk.opening = opening
        desk.desk = await opening.__aenter__()
        self.desks.append(desk)
        return desk

    async def close(self) -> None:
        for desk in reversed(self.desks):
            await desk.close()


class _Named:
    """Paths of this host: the leading slash is not part of a place's name."""

    def __init__(self, sockets: MemorySockets) -> None:
        self._sockets = sockets
        self.serve = sockets.serve

    def connect(self, place: Any, end: Any) -> Any:
        environment, _, name = place.path.strip("/").partition("/")
        return self._sockets.connect(type(place)(environment=environment, name=name), end)


class Desk:
    """One process of the host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.events: list[Event] = []
        self.opening: Any = None
        self.desk: Any = None

    @property
    def broker(self) -> holdfast.Broker:
        broker: holdfast.Broker = next(iter(self.desk))
        return broker

    @property
    def is_owner(self) -> bool:
        return isinstance(self.broker._backend, LocalBroker)

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    async def close(self) -> None:
        opening, self.opening = self.opening, None
        if opening is not None:
            await opening.__aexit__(None, None, None)

    async def die(self) -> None:
        """As ``kill -9`` does it: not a word to anybody, its locks free, its store as it was."""
        self.host.sockets.server_of(f"simulated/{self.broker.name}").die()
        self.broker._backend.supervisor.account.journal.flush()  # type: ignore[attr-defined]
        await self.close()


def on_a_host(test: Callable[[Host], Awaitable[None]], folder: Path, *, seed: int | None = None) -> None:
    async def main() -> None:
        host = Host(folder)
        try:
            await test(host)
        finally:
            await host.close()

    run_virtual(main(), seed=seed)


async def until(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # Virtual time.
            await asyncio.sleep(0.05)


# Modes


def test_the_first_owns_and_the_next_attach_and_all_show_the_same(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first = await host.open()
        await first.desk.ready()
        others = [await host.open() for _ in range(3)]
        assert [each.is_owner for each in (first, *others)] == [True, False, False, False]
        for other in others:
            await other.desk.ready()
            assert other.broker.balance("USD") == first.broker.balance("USD")
            assert other.broker.status().account_id == "ACCT-acme-master"
            assert other.broker.is_available()
            assert repr(other.broker) == repr(first.broker)
            assert len(other.said("owner.attached")) == 1
        assert len(host.venue.clients) == 1

    on_a_host(test, tmp_path)


def test_own_fails_where_another_owns_and_attach_where_nobody_does(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        began_s = host.clock.now_s()
        with pytest.raises(OwnerSilentError, match="nobody owns the account of broker acme-master") as nobody:
            await host.open("attach")
        assert nobody.value.exit_code == 9
        assert nobody.value.pid is None
        assert "or open with mode auto" in str(nobody.value)
        assert host.clock.now_s() - began_s < 3
        await host.open("own")
        with pytest.raises(OwnedElsewhereError) as elsewhere:
            await host.open("own")
        assert elsewhere.value.exit_code == 9
        assert not (await host.open("attach")).is_owner

    on_a_host(test, tmp_path)


def test_attaching_needs_no_credential_and_owning_does(tmp_path: Path) -> None:
    def none(*_: Any) -> Any:
        raise ConfigError("no credential here")

    async def test(host: Host) -> None:
        from dataclasses import replace

        bare = replace(host.parts(), credential=none)
        with pytest.raises(ConfigError, match="no credential here"):
            await host.open(parts=bare)
        owner = await host.open()  # What was taken for the attempt was given back.
        attached = await host.open(parts=bare)
        assert not attached.is_owner
        await owner.die()
        await until(lambda: attached.said("succession.failed") != [])
        assert attached.said("succession.failed")[0]["reason"] == "ConfigError"
        await asyncio.sleep(30)
        assert len(attached.said("succession.failed")) == 1
        successor = await host.open()
        assert successor.is_owner
        await until(lambda: attached.broker.balance("USD").reason != "owner_silent")
        assert not attached.is_owner

    on_a_host(test, tmp_path)


def test_a_desk_may_own_one_account_and_be_attached_to_another(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first = await host.open(config=memory_config("one"), parts=host.parts(store_path=":memory:"))
        both = await host.open(config=memory_config("one", "two"), parts=host.parts(store_path=":memory:"))
        for desk in (first, both):
            await desk.desk.ready()
            for broker in desk.desk:
                await broker.wait_until("live")
        kinds = [type(broker._backend) for broker in both.desk]
        assert kinds == [RemoteBroker, LocalBroker]
        changes: list[str] = []
        both.desk.subscribe(lambda change: changes.append(change.broker))
        for stream in host.venue.streams:
            stream.move("USD", "1.00")
        await asyncio.sleep(0.5)
        assert sorted(set(changes)) == ["one", "two"]
        assert both.desk["one"].balance("USD").total == first.broker.balance("USD").total

    on_a_host(test, tmp_path)


def test_an_attached_bot_verifies_claims_places_and_cancels_as_the_owner_would(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        owner, attached = await host.open(), await host.open()
        await owner.broker.wait_until("live")
        await attached.broker.wait_until("live")
        broker = attached.broker
        verdict = await broker.verify_balance_before_order("BTC-USD", "buy", "0.01", order_type="limit", price="20000")
        assert verdict.is_approved, verdict.arithmetic
        async with broker.reserve(verdict, intent_id="mine") as reservation:
            assert [each.intent_id for each in broker.reservations()] == ["mine"]
            assert broker.balance("USD").reserved == owner.broker.balance("USD").reserved == reservation.amount
            placed = await broker.place_limit_order("BTC-USD", "buy", "0.01", "20000", reservation=reservation)
        assert placed.intent_id == "mine"
        assert [each.intent_id for each in broker.open_orders()] == ["mine"]
        assert await owner.broker.order("mine") == await broker.order("mine")
        async with broker.reserve(verdict, intent_id="given-back"):
            pass
        assert "given-back" not in [each.intent_id for each in broker.reservations()]
        with pytest.raises(IntentRepeatedError):
            await owner.broker.place_limit_order("BTC-USD", "buy", "0.01", "20000", intent_id="mine")
        with pytest.raises(FundsShortError) as short:
            await broker.place_limit_order("BTC-USD", "buy", "5", "20000")
        assert short.value.verdict.shortfall > 0
        await broker.cancel_order("mine")
        await until(lambda: broker.open_orders() == [])
        await broker.set_trading_state("halted", reason="lunch")
        assert owner.broker.status().trading_state.value == broker.status().trading_state.value == "halted"

    on_a_host(test, tmp_path)


def test_worth_positions_products_and_names_are_the_owners_for_everybody(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        host.venue.orders.instruments["BTC-BUSD"] = fake_instrument("BTC-BUSD")
        first = await host.open()
        await first.desk.ready()
        other = await host.open()
        await other.desk.ready()
        ours, theirs = first.broker, other.broker
        worth = await theirs.get_account_balance_detailed()
        assert worth.total == (await ours.get_account_balance()).total
        assert {each.asset: each.value for each in worth.assets} == {
            each.asset: each.value for each in (await ours.get_account_balance_detailed()).assets
        }
        assert type(await theirs.get_account_balance()) is holdfast.AccountBalance
        held = await theirs.get_positions()
        assert [(each.asset, each.quantity) for each in held] == [
            (each.asset, each.quantity) for each in await ours.get_positions()
        ]
        listing = await theirs.get_all_products()
        assert listing.symbols == (await ours.get_all_products()).symbols
        assert [each.symbol for each in listing.filtered] == ["BTC-BUSD"]
        assert await theirs.normalize_symbol_for_broker("btc/usd") == await ours.normalize_symbol_for_broker("btc/usd")
        with pytest.raises(holdfast.UnsupportedSymbolError) as caught:
            await theirs.normalize_symbol_for_broker("BTC-BUSD")
        assert (caught.value.symbol, "given up" in caught.value.reason) == ("BTC-BUSD", True)
        assert (await theirs.get_candles("BTC-USD", "1m")).candles == ()
        nothing = await theirs.close_position("SOL-USD")
        assert (nothing.code, nothing.order) == ("nothing", None)
        assert len(host.venue.clients) == 1  # All of it was asked through the owner.

    on_a_host(test, tmp_path)


def test_an_owner_that_closes_in_order_is_succeeded_too(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open()
        await second.desk.ready()
        await first.close()
        await until(lambda: second.is_owner)
        assert [fields["reason"] for fields in second.said("owner.lost")] == ["closed"]
        await second.desk.ready()

    on_a_host(test, tmp_path)


def test_a_paused_owner_is_named_to_whoever_opens_and_keeps_the_account(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        await host.open()
        host.sockets.server_of("simulated/acme-master").stop()
        began_s = host.clock.now_s()
        for mode in ("auto", "attach"):
            with pytest.raises(OwnerSilentError) as silent:
                await host.open(mode)
            assert silent.value.pid is not None
        assert host.clock.now_s() - began_s == pytest.approx(20.0, abs=1.0)

    on_a_host(test, tmp_path)


# Succession


def test_when_the_owner_dies_exactly_one_takes_over_and_the_others_find_it(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first = await host.open()
        await first.desk.ready()
        others = [await host.open() for _ in range(8)]
        host.venue.truth["USD"] = ("99.00", "0")
        await first.die()
        await asyncio.sleep(0)
        for other in others:
            assert other.broker.balance("USD").state is BalanceState.STALE
        await until(lambda: all(not each.broker.balance("USD").reason for each in others))
        assert sum(each.is_owner for each in others) == 1
        assert {str(each.broker.balance("USD").total) for each in others} == {"99.00"}
        await until(lambda: all(each.broker.status().stream.state == "live" for each in others))
        succeeded = [fields for each in others for fields in each.said("owner.succeeded")]
        assert [fields["broker"] for fields in succeeded] == ["acme-master"] * len(succeeded)
        assert sum(len(each.said("succession.failed")) for each in others) == 0

    on_a_host(test, tmp_path)


def test_a_successor_starts_from_the_store_and_says_so(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open()
        await first.desk.ready()
        await asyncio.sleep(1)
        states: list[tuple[str, str | None]] = []

        def look(event: Event) -> None:
            if event.name == "owner.succeeded":
                figure = second.broker.balance("USD")
                states.append((figure.state.value, figure.reason))

        second.desk.on_event(look)
        await first.die()
        await until(lambda: second.is_owner)
        assert states == [("stale", "restored")]
        await second.desk.ready()
        assert str(second.broker.balance("USD").total) == "1500.25"

    on_a_host(test, tmp_path)


def test_subscriptions_iterators_and_waits_go_on_across_a_succession(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open()
        await second.desk.ready()
        told: list[str] = []
        second.broker.subscribe(lambda change: told.append(change.kind))
        changes = second.broker.changes()
        waiting = asyncio.create_task(second.broker.wait_until(lambda status: status.error_count == 7))
        await first.die()
        await until(lambda: second.is_owner)
        await second.broker.wait_until("live")
        told.clear()
        host.venue.streams[-1].move("USD", "1.00")
        await until(lambda: "delta" in told)
        kinds = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                async for change in changes:
                    kinds.append(getattr(change, "kind", "lagged"))
        assert "delta" in kinds
        assert not waiting.done()
        waiting.cancel()

    on_a_host(test, tmp_path)


def test_calls_in_between_wait_and_are_served_by_whoever_comes(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second, third = await host.open(), await host.open(), await host.open()
        await second.desk.ready()
        await first.die()
        reports = await asyncio.gather(second.broker.refresh(), third.broker.refresh())
        assert [report.error for report in reports] == [None, None]
        assert sorted([second.is_owner, third.is_owner]) == [False, True]

    on_a_host(test, tmp_path)


def test_attached_by_wish_never_takes_over(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open("attach")
        await second.desk.ready()
        await first.die()
        began_s = host.clock.now_s()
        with pytest.raises(OwnerSilentError):
            await second.broker.refresh()
        assert host.clock.now_s() - began_s == pytest.approx(10.0, abs=0.5)
        await asyncio.sleep(60)
        assert not second.is_owner
        assert second.broker.balance("USD").reason == "owner_silent"
        third = await host.open()
        assert third.is_owner
        await until(lambda: second.broker.balance("USD").reason is None)
        await second.broker.refresh()

    on_a_host(test, tmp_path)


def test_a_paused_owner_is_not_succeeded_and_one_that_is_killed_then_is(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open()
        await second.desk.ready()
        served = host.sockets.server_of("simulated/acme-master")
        served.stop()
        await asyncio.sleep(120)
        assert not second.is_owner
        assert second.broker.balance("USD").reason == "owner_silent"
        with pytest.raises(OwnerSilentError):
            await second.broker.refresh()
        served.resume()
        await until(lambda: second.broker.balance("USD").reason is None)
        served.stop()
        await asyncio.sleep(5)
        await first.die()
        await until(lambda: second.is_owner)

    on_a_host(test, tmp_path)


def test_a_store_that_cannot_be_opened_is_said_once_and_tried_again(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        from dataclasses import replace

        whole = host.parts()
        is_broken = [True]

        async def store(*arguments: Any) -> Any:
            if is_broken[0]:
                raise StoreError("disk on fire")
            return await whole.store(*arguments)

        first = await host.open()
        second = await host.open(parts=replace(whole, store=store))
        await first.die()
        await asyncio.sleep(20)
        assert [fields["detail"] for fields in second.said("succession.failed")] == ["disk on fire"]
        assert not second.is_owner
        is_broken[0] = False
        await until(lambda: second.is_owner)

    on_a_host(test, tmp_path)


def test_a_successor_that_cannot_make_a_socket_owns_all_the_same_and_says_so(tmp_path: Path) -> None:
    class NoSocket(MemorySockets):
        def serve(self, place: Any, accept: Any) -> Any:
            raise ConfigError("no room for a socket")

    async def test(host: Host) -> None:
        first = await host.open()
        none = NoSocket()
        setattr(none, "connect", host.sockets.connect)  # noqa: B010
        second = await host.open(parts=host.parts(sockets=none))
        told: list[str] = []
        second.broker.subscribe(lambda change: told.append(change.kind))
        await first.die()
        await until(lambda: second.is_owner)
        await second.broker.wait_until("live")
        assert [fields["detail"] for fields in second.said("succession.failed")] == ["no room for a socket"]
        assert "snapshot" in told

    on_a_host(test, tmp_path)


def test_a_bug_in_one_attempt_is_reported_and_the_next_one_made(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        from dataclasses import replace

        whole = host.parts()
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

        def venue(name: str) -> Any:
            if not failures:
                raise KeyError(name)
            return whole.venue(name)

        first = await host.open()
        second = await host.open(parts=replace(whole, venue=venue))
        await first.die()
        await until(lambda: second.is_owner)
        assert [type(failure["exception"]) for failure in failures] == [KeyError]

    on_a_host(test, tmp_path)


def test_no_secret_crosses_the_socket(tmp_path: Path) -> None:
    class Listener:
        data = b""

        def received(self, data: bytes) -> None:
            self.data += data

        def lost(self, reason: str) -> None: ...

    async def test(host: Host) -> None:
        from holdfast.runtime.attach.protocol import VERSION, Ask, ClientHello, encode, encode_value

        owner = await host.open()
        await owner.desk.ready()
        listener = Listener()
        line = host.sockets.connect(Place(environment="simulated", name="acme-master"), listener)
        assert line is not None
        line.send(encode(ClientHello(version=VERSION, pid=1, wants_events=True)))
        calls: list[tuple[str, dict[str, Any]]] = [
            ("examine_nonces", {}),
            ("refresh", {"timeout_s": 5.0}),
            ("explain", {"asset": "USD", "limit": 5}),
            ("orders", {"limit": 5}),
        ]
        for number, (method, arguments) in enumerate(calls, start=1):
            until_s = host.clock.now_s() + 5
            asked = Ask(id=number, method=method, valid_until_s=until_s, arguments=encode_value(arguments))
            line.send(encode(asked))
        await asyncio.sleep(10)
        assert listener.data.count(b'"say":"accepted"') == len(calls)
        assert b'"say":"event"' in listener.data
        for secret in (b"c2VjcmV0", b"SIM-acme-master"):
            assert secret not in listener.data
        line.abort()

    on_a_host(test, tmp_path)


def test_a_desk_that_closes_while_it_succeeds_leaves_nothing_behind(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        for wait_s in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
            first, second = await host.open(), await host.open()
            await second.desk.ready()
            await first.die()
            await asyncio.sleep(wait_s)
            await second.close()
            third = await host.open("own")  # Every lock was given back.
            await third.close()

    on_a_host(test, tmp_path)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_dies_pauses_and_comes_there_is_never_a_second_owner(tmp_path: Path, seed: int) -> None:
    async def test(host: Host) -> None:
        dice = random.Random(seed)
        desks = [await host.open() for _ in range(4)]
        for _ in range(25):
            deed = dice.randrange(4)
            owner = next((each for each in desks if each.is_owner), None)
            if deed == 0 and owner is not None:
                desks.remove(owner)
                await (owner.die() if dice.random() < 0.5 else owner.close())
            elif deed == 1 and len(desks) > 1:
                leaver = desks.pop(dice.randrange(len(desks)))
                await leaver.close()
            elif deed == 2:
                with contextlib.suppress(HoldfastError):
                    desks.append(await host.open(dice.choice(("auto", "attach"))))
            await asyncio.sleep(dice.uniform(0, 3))
            assert sum(each.is_owner for each in desks) <= 1
        if not any(each.is_owner for each in desks):
            desks.append(await host.open())
        await until(lambda: all(each.broker.balance("USD").reason is None for each in desks), within_s=30)
        assert sum(each.is_owner for each in desks) == 1

    on_a_host(test, tmp_path, seed=seed)


# Connecting


def test_connect_gives_a_desk_of_the_owners_broker_and_never_owns(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first = await host.open()
        await first.desk.ready()
        connected = await host.connect()
        assert list(connected.desk.brokers) == ["acme-master"]
        broker = connected.broker
        assert (broker.name, broker.venue, broker.environment) == ("acme-master", "acme", "simulated")
        assert connected.desk.config.brokers["acme-master"].venue == "acme"
        await connected.desk.ready()
        assert broker.balance("USD") == first.broker.balance("USD")
        assert (await broker.refresh()).is_ok
        await first.die()
        await asyncio.sleep(30)
        assert not connected.is_owner
        await host.open()
        await until(lambda: broker.balance("USD").reason is None)

    on_a_host(test, tmp_path)


def test_connect_says_when_nobody_is_there(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        with pytest.raises(OwnerSilentError, match="no owner at /simulated/acme-master: start its owner") as nobody:
            await host.connect()
        assert "mode" not in str(nobody.value)  # Whoever connects cannot become the owner.
        await host.open()
        connecting = Connecting(
            "unix:/simulated/acme-master",
            state_dir=None,
            wait_s=1.0,
            on_event=None,
            sockets=_Named(host.sockets),
            clock=host.clock,
        )
        async with connecting as desk:
            broker = desk["acme-master"]
        with pytest.raises(ClosedError):
            broker.balance("USD")
        with pytest.raises(ClosedError, match="opened before"):
            async with connecting:
                pass

    on_a_host(test, tmp_path)


# What an attached broker refuses


def test_an_attached_broker_is_closed_with_its_desk_and_names_assets_as_the_owner_does(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        first, second = await host.open(), await host.open()
        await first.desk.ready()
        await until(lambda: bool(second.broker._backend.assets))
        assert isinstance(next(iter(second.broker._backend.assets.values())), AssetInfo)
        errors = []
        for desk in (first, second):
            with pytest.raises(UnknownNameError) as caught:
                desk.broker.balance("USDX")
            errors.append(str(caught.value))
        assert errors[0] == errors[1]
        broker = second.broker
        await second.close()
        with pytest.raises(ClosedError, match="is closed"):
            broker.balance("USD")
        with pytest.raises(ClosedError, match="is closed"):
            await broker.refresh()
        assert first.is_owner
        await asyncio.sleep(5)
        assert first.said("owner.dropped") == []

    on_a_host(test, tmp_path)
