"""Several accounts of one venue in one desk: each has its own faults, and exchanged keys are refused by name."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.errors import ConfigError, HoldfastError
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.kraken import KrakenSimulator
from holdfast.store.sqlite import SqliteStore
from holdfast.testing import FakeClock, run_virtual
from holdfast.testing.parts import MemoryOwners, memory_config, memory_parts
from holdfast.venues.kraken import KRAKEN

MASTER, SUB = "kraken-master", "kraken-sub1"


@dataclass
class House:
    """One Kraken with two accounts, and the keys that the configuration has for them."""

    clock: FakeClock
    venue: KrakenSimulator
    front: MemoryFront
    keys: dict[str, Credential]
    folder: Path
    events: list[Event]

    @contextlib.asynccontextmanager
    async def desk(self, *names: str) -> AsyncIterator[holdfast.Desk]:
        made = memory_parts(
            clock=self.clock,
            venue=KRAKEN,
            http=lambda _: self.front.http_wire(clock=self.clock),
            streams=lambda _: self.front.stream_wire(),
            owners=MemoryOwners(),
        )

        async def store(broker: Any, emit: Any) -> SqliteStore:
            return await SqliteStore.open(
                self.folder / f"{broker.name}.db",
                wall_us=self.clock.wall_us,
                writer="inline",
                emit=emit,
                broker=broker.name,
            )

        parts = dataclasses.replace(made, credential=lambda broker, _: self.keys[broker.name], store=store)
        config = memory_config(*(names or (MASTER, SUB)), venue="kraken")
        brokers = {
            name: msgspec.structs.replace(broker, ws_url="ws://127.0.0.1:1/v2")
            for name, broker in config.brokers.items()
        }
        config = msgspec.structs.replace(config, brokers=brokers)
        async with holdfast.open(config, parts=parts, on_event=self.events.append) as desk:
            yield desk

    async def ready(self, desk: holdfast.Desk) -> None:
        await desk.ready(timeout_s=60)
        for broker in desk:
            await broker.wait_until("live", timeout_s=60)

    def asked_with(self, name: str, *, since: int = 0) -> int:
        """How many signed requests reached Kraken with the key that broker was given first."""
        rows = self.front.journal.since(since, kinds=())["entries"]
        return sum(1 for row in rows if row.get("key") == self.keys[name].key)


def in_house(tmp_path: Path, scenario: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        clock = FakeClock(loop)
        venue = KrakenSimulator(seed=1, profile="plain", clock=clock.world(), timers=loop)
        made = venue.happen({"kind": "new_account", "name": "sub1"})
        venue.happen({"kind": "deposit", "account": "sub1", "asset": "USD", "amount": "2500"})
        first = venue.credentials()[0]
        second = made["credential"]
        keys = {
            name: Credential(venue="kraken", key=each["key"], secret=each["secret"])
            for name, each in ((MASTER, first), (SUB, second))
        }
        rng = random.Random(1)
        front = MemoryFront(venue, clock=clock.world(), rng=rng, latency_s=(0.01, 0.05))
        await scenario(House(clock, venue, front, keys, tmp_path, []))

    run_virtual(play(), horizon_s=20_000.0)


async def trades(broker: holdfast.Broker, intent_id: str) -> str:
    """Place a resting order and take it back; what became of it, or why not."""
    try:
        order = await broker.place_limit_order("BTC-USD", "buy", "0.001", "20000", intent_id=intent_id)
        await broker.cancel_order(order)
        return (await broker.ended(intent_id, timeout_s=30)).state.value
    except HoldfastError as error:
        return type(error).__name__


FAULTS: dict[str, Callable[[House], object]] = {
    "key revoked": lambda h: h.venue.happen({"kind": "key_revocation", "key": h.keys[SUB].key}),
    "rate limit": lambda h: h.front.plan.add({"kind": "rest", "key": h.keys[SUB].key, "action": {"do": "too_many"}}),
    "venue errors": lambda h: h.front.plan.add(
        {"kind": "rest", "key": h.keys[SUB].key, "action": {"do": "html_error", "status": 502}}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_accounts_fault_leaves_the_other_as_it_was(fault: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        async with house.desk() as desk:
            await house.ready(desk)
            master, sub = desk[MASTER], desk[SUB]
            assert master.account_id != sub.account_id
            assert sub.balance("USD").total == 2500
            assert master.balance("USD").total == 10_000
            FAULTS[fault](house)
            for _ in range(6):
                await sub.refresh(timeout_s=20.0)
                await asyncio.sleep(10.0)
            ill = sub.status()
            assert ill.error_count or ill.nonce.parked_cause or ill.last_error, "the fault was not felt at all"
            well = master.status()
            assert (well.health, well.error_count, well.is_available) == ("healthy", 0, True)
            assert well.nonce.parked_cause is None
            assert all(each.breaker.state == "closed" and not each.breaker.openings for each in well.capabilities)
            assert (master.balance("USD").state, master.balance("USD").total) == ("live", Decimal(10_000))
            assert await trades(master, f"after {fault}") == "canceled"
            # What is known of the other stays, labelled, and is not made zero.
            assert sub.balance("USD").total == 2500

    in_house(tmp_path, scenario)


def test_a_person_who_isolates_or_halts_one_account_leaves_the_other_alone(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        async with house.desk() as desk:
            await house.ready(desk)
            await desk[SUB].isolate("trade", reason="a look")
            assert await trades(desk[SUB], "a") == "BreakerOpenError"
            assert await trades(desk[MASTER], "b") == "canceled"
            await desk[SUB].set_trading_state("halted")
            assert await trades(desk[MASTER], "c") == "canceled"
            assert desk[MASTER].status().trading_state == "active"

    in_house(tmp_path, scenario)


def test_keys_that_were_exchanged_are_refused_with_both_names_before_anything_trades(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        async with house.desk() as desk:
            await house.ready(desk)
        house.keys = {MASTER: house.keys[SUB], SUB: house.keys[MASTER]}
        with pytest.raises(ConfigError) as caught:
            async with house.desk():
                pass
        for word in (MASTER, SUB, "mixed up", "another account"):
            assert word in str(caught.value)
        assert not any(each.key in str(caught.value) for each in house.keys.values())
        # Exchanged back, everything is as before.
        house.keys = {MASTER: house.keys[SUB], SUB: house.keys[MASTER]}
        async with house.desk() as desk:
            await house.ready(desk)
            assert desk[SUB].balance("USD").total == 2500

    in_house(tmp_path, scenario)


def test_a_new_key_of_the_other_account_halts_the_broker_and_says_whose_it_is(tmp_path: Path) -> None:
    """Never seen before: only the venue can tell whose it is."""

    async def scenario(house: House) -> None:
        async with house.desk() as desk:
            await house.ready(desk)
        made = house.venue.happen({"kind": "new_key", "account": "sub1", "name": "another"})
        key = made["credential"]
        house.keys[MASTER] = Credential(venue="kraken", key=key["key"], secret=key["secret"])
        async with house.desk() as desk:
            await asyncio.sleep(60)
            status = desk[MASTER].status()
            assert status.halted_reason == "account_mismatch"
            assert f"which is that of {SUB}" in (status.halted_detail or "")
            assert desk[MASTER].balance("USD").total == 10_000  # Last known, and stale: nothing was read with it.
            assert desk[MASTER].balance("USD").state == "stale"
            assert desk[SUB].status().is_available

    in_house(tmp_path, scenario)


def test_keys_of_accounts_that_are_not_known_yet_are_told_apart_by_the_venue(tmp_path: Path) -> None:
    """At the first start nothing is pinned: each name gets the account of its key."""

    async def scenario(house: House) -> None:
        house.keys = {MASTER: house.keys[SUB], SUB: house.keys[MASTER]}
        async with house.desk() as desk:
            await house.ready(desk)
            assert desk[MASTER].balance("USD").total == 2500
            assert desk[SUB].balance("USD").total == 10_000

    in_house(tmp_path, scenario)
