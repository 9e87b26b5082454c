"""A disk that is full or fails amid orders: nothing leaves that is not durable, nothing that happened is forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from tests.crash.forks import Forks
from tests.crash.order_judge import Books, books_of
from tests.crash.order_lives import CLIENT, OrderChain, TradingLife
from tests.crash.venues import local_kraken

pytestmark = pytest.mark.processes

BUY = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "30"}
RESTING = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.002", "price": "25000.0"}


class Disk:
    """What decides how a client's disk behaves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fails(self, how: str) -> None:
        self.path.write_text(how)

    def heals(self) -> None:
        self.path.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "disk")


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[OrderChain]:
    async with Forks(CLIENT) as forks, local_kraken(seed=8) as kraken:
        yield OrderChain(kraken, forks, tmp_path, wire="stream", seed=8)


@pytest.fixture
async def client(chain: OrderChain, disk: Disk) -> AsyncIterator[TradingLife]:
    life = await chain.start(fails=str(disk.path))
    try:
        await chain.ready(life)
        yield life
    finally:
        await life.kill()


async def books(chain: OrderChain, what: Callable[[Books], bool]) -> Books:
    """What the store says, once it says that."""
    until_s = time.monotonic() + 15.0
    while not what(found := await asyncio.to_thread(books_of, chain.database, is_dead=False)):
        states = {name: (intent.order, intent.reservation, intent.cause) for name, intent in found.intents.items()}
        assert time.monotonic() < until_s, "\n".join(map(str, states.items()))
        await asyncio.sleep(0.05)
    return found


def sent(chain: OrderChain) -> int:
    chain._judge.read_journal()
    return sum(chain._judge.sent.values())


def is_quiet(picture: dict[str, Any]) -> bool:
    return not picture["reservations"] and Decimal(picture["balances"]["USD"][5]) == 0


async def test_order_that_cannot_be_made_durable_is_denied_and_claims_nothing(
    chain: OrderChain, client: TradingLife, disk: Disk
) -> None:
    ways = ("full", "io", "io_kept")
    for number, how in enumerate(ways):
        disk.fails(how)
        denied = await client.do("place", ask=BUY, intent_id=f"first, {how}", may_fail=True)
        assert (denied["ok"], denied["code"]) == (False, "store_unavailable")
        await client.shows(lambda picture: picture["store"] is not None and is_quiet(picture))
        # Known to be unavailable now: denied without another attempt, a claim as well as an order.
        denied = await client.do("reserve", ask=BUY, intent_id=f"second, {how}", may_fail=True)
        assert (denied["ok"], denied["code"]) == (False, "store_unavailable")
        assert sent(chain) == number

        disk.heals()
        await client.shows(lambda picture: picture["store"] is None)
        await client.do("place", ask=BUY, intent_id=f"third, {how}")
        await client.shows(is_quiet)
        assert sent(chain) == number + 1

    thirds = {f"third, {how}" for how in ways}
    found = await books(chain, lambda found: thirds <= {name for name, each in found.intents.items() if each.is_ended})
    for name, each in found.intents.items():
        if name in thirds:
            assert each.order is OrderState.FILLED
        else:  # Claimed before anybody knew that the disk fails.
            assert name.startswith("first")
            assert (each.order, each.reservation) == (OrderState.NEVER_SENT, ReservationState.RELEASED)
    await chain.settled(client, judges_events=False)


async def test_what_happened_while_the_disk_failed_is_written_once_it_works_again(
    chain: OrderChain, client: TradingLife, disk: Disk
) -> None:
    await client.do("place", ask=RESTING, intent_id="resting")
    await client.shows(lambda picture: [each["state"] for each in picture["reservations"]] == ["covered"])
    before = await books(chain, lambda found: found.intents["resting"].reservation is ReservationState.COVERED)
    disk.fails("full")
    chain.local.venue.happen({"kind": "fill", "order": chain.order_id_of("resting")})
    await client.shows(lambda picture: picture["store"] is not None and is_quiet(picture))
    assert await asyncio.to_thread(books_of, chain.database, is_dead=False) == before

    disk.heals()
    await client.shows(lambda picture: picture["store"] is None)
    after = await books(chain, lambda found: found.intents["resting"].reservation is ReservationState.CONSUMED)
    assert after.intents["resting"].order is OrderState.FILLED
    await chain.settled(client, judges_events=False)


@pytest.mark.parametrize("how", ["full", "io_kept"])
async def test_bot_killed_while_its_disk_fails_finds_out_what_it_could_not_write(
    chain: OrderChain, client: TradingLife, disk: Disk, how: str
) -> None:
    await client.do("place", ask=RESTING, intent_id="resting")
    await client.shows(lambda picture: [each["state"] for each in picture["reservations"]] == ["covered"])
    await books(chain, lambda found: found.intents["resting"].reservation is ReservationState.COVERED)
    disk.fails(how)
    denied = await client.do("place", ask=BUY, intent_id="unwritten", may_fail=True)
    assert denied["code"] == "store_unavailable"
    chain.local.venue.happen({"kind": "fill", "order": chain.order_id_of("resting"), "quantity": "0.0007"})
    await client.shows(lambda picture: Decimal(picture["balances"]["BTC"][0]) > Decimal("0.4"))
    await client.kill()
    await chain.judge_death("while the disk failed")
    disk.heals()

    report = await chain.finish()
    # Of what failed and was kept all the same, the denial may be, too.
    released = {end for end in report.ends if end.startswith("released")}
    assert released <= ({"released, absent", "released, never_sent"} if how == "io_kept" else set())
    assert report.ends == {"consumed, canceled": 1} | dict.fromkeys(released, 1)
    assert report.orders_at_venue == 1


async def test_order_waits_for_a_disk_that_takes_its_time_and_a_late_one_is_not_sent(
    chain: OrderChain, client: TradingLife, disk: Disk
) -> None:
    disk.fails("slow 0.4")
    began_s = time.monotonic()
    await client.do("place", ask=BUY, intent_id="patient")
    assert time.monotonic() - began_s >= 0.4

    disk.fails("slow 1.5")  # Beyond what leaves the venue enough of a validity of three seconds.
    late = await client.do("place", ask=BUY, intent_id="late", may_fail=True)
    disk.heals()
    assert (late["ok"], late["error"]) == (False, "DeniedError")
    await chain.settled(client, judges_events=False)
    assert sent(chain) == 1
    found = await books(chain, lambda found: found.intents["late"].is_ended)
    assert found.intents["late"].order is OrderState.NEVER_SENT
