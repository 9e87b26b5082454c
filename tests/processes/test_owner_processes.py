"""One account and several real processes: owned, attached, killed, stopped and taken over, at a local venue."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast.testing import LocalVenue, local_venue
from tests.processes.nonce_race import ROOT
from tests.processes.owner_sessions import RefusedError, Session

pytestmark = pytest.mark.processes

WAIT_S = 2.0
"""The lane wait of these processes: how long a call waits for an owner."""


@pytest.fixture(scope="module")
def started() -> Iterator[LocalVenue]:
    with local_venue() as venue:
        venue.config["lane"] = {"wait_s": WAIT_S}
        yield venue


@pytest.fixture
def venue(started: LocalVenue) -> Iterator[LocalVenue]:
    """One venue for all of them; each test has a host of its own, whose state nobody had before."""
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        started.config["state_dir"] = f"{folder}/state"
        yield started


@contextlib.asynccontextmanager
async def several(*starting: Awaitable[Session]) -> AsyncIterator[list[Session]]:
    """Processes for the length of the block, the first one first."""
    sessions: list[Session] = []
    try:
        for each in starting:
            sessions.append(await each)
        yield sessions
    finally:
        await asyncio.gather(*(session.end() for session in sessions))


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30.0) -> float:
    """Wait for *condition*; how long that took."""
    began_s = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - Another process is waited for.
            await asyncio.sleep(0.02)
    return time.monotonic() - began_s


async def owners_among(sessions: list[Session]) -> int:
    return sum(await asyncio.gather(*(session.ask("is_owner") for session in sessions)))


async def trade(session: Session, intent_id: str) -> set[str | None]:
    """Buy a little, as soon as that is allowed; why it was denied until then."""
    denials: set[str | None] = set()

    async def is_placed() -> bool:
        try:
            await session.ask("buy", quote="50", intent_id=intent_id)
        except RefusedError as refused:
            denials.add(refused.facts["code"] or refused.kind)
            return False
        return True

    await until(is_placed)
    return denials


async def filled(session: Session, intent_id: str) -> None:
    """Until the order is known to be filled: its acceptance and its fill are two messages."""

    async def is_filled() -> bool:
        found: str = (await session.ask("order", intent_id=intent_id))["state"]
        return found == "filled"

    await until(is_filled)


def total(venue: LocalVenue, asset: str) -> Decimal:
    return Decimal(venue.truth()[asset]["total"])


async def test_one_owns_another_attaches_and_both_read_and_trade_as_one(venue: LocalVenue) -> None:
    async with several(Session.start(venue.config), Session.start(venue.config)) as (owner, attached):
        assert (await owner.ask("is_owner"), await attached.ask("is_owner")) == (True, False)
        await attached.ask("wait_live")
        usd = await attached.ask("balance", asset="USD")
        assert Decimal(usd["total"]) == total(venue, "USD")
        assert (usd["state"], usd["reason"]) == ("live", None)
        assert usd["age_s"] < 3.0

        order = await attached.ask("buy", quote="250", intent_id="grid-1")
        assert order["intent_id"] == "grid-1"
        await filled(attached, "grid-1")
        repeated = await owner.refused("buy", quote="250", intent_id="grid-1")
        assert repeated.kind == "IntentRepeatedError"

        expected = f"{total(venue, 'USD'):f}"

        async def both_say_so() -> bool:
            shown = await asyncio.gather(*(each.ask("balance", asset="USD") for each in (owner, attached)))
            return all(Decimal(each["total"]) == Decimal(expected) for each in shown)

        await until(both_say_so)
        refused = await attached.refused("buy", quote="1000000", intent_id="grid-2")
        assert (refused.kind, refused.facts["code"], refused.facts["exit_code"]) == (
            "FundsShortError",
            "funds_short",
            4,
        )


async def test_a_killed_owner_is_succeeded_and_nothing_is_lost(venue: LocalVenue) -> None:
    async with several(Session.start(venue.config), Session.start(venue.config)) as (owner, attached):
        await attached.ask("wait_live")
        price = "20000"
        await owner.ask("rest", quantity="0.01", price=price, intent_id="resting")
        claimed = await attached.ask("claim", quote="100", intent_id="claimed")
        assert claimed == "approved"
        child = await owner.ask("fork")  # It lives on, and keeps nothing that would keep anybody waiting.

        owner.process.kill()  # Not waited for: asyncio counts a process as ended once its pipes are, too.
        try:
            assert await until(lambda: attached.ask("is_owner")) < 10
        finally:
            os.kill(child, signal.SIGKILL)
        assert len(await attached.ask("said", name="owner.succeeded")) == 1
        await attached.ask("wait_live")

        # The claim and the open order are known to the successor: they were durable.
        names = {each["intent_id"]: each["state"] for each in await attached.ask("reservations")}
        assert names["claimed"] == "active"
        assert [each["intent_id"] for each in await attached.ask("open_orders")] == ["resting"]
        truth = venue.truth()
        assert {asset: Decimal(text) for asset, text in (await attached.ask("totals")).items()} == {
            asset: Decimal(row["total"]) for asset, row in truth.items() if Decimal(row["total"])
        }

        # Until the dead owner's last validity has passed, and its figures were read anew, nothing is placed.
        assert await trade(attached, "after") <= {"settling", "balance_stale", "price_unknown"}
        assert (await attached.ask("cancel", intent_id="resting"))["state"] in ("canceled", "open")


async def test_an_order_whose_owner_dies_before_the_answer_is_unknown_and_then_found(venue: LocalVenue) -> None:
    async with several(Session.start(venue.config), Session.start(venue.config)) as (owner, attached):
        await attached.ask("wait_live")
        venue.fault(kind="mute_stream", for_s=3.0)  # The venue takes the order and says nothing.
        before = total(venue, "USD")
        buying = asyncio.create_task(attached.refused("buy", quote="250", intent_id="lost"))
        await until(lambda: asyncio.to_thread(lambda: total(venue, "USD") < before))
        await owner.kill()

        lost = await buying
        assert (lost.kind, lost.facts["intent_id"]) == ("OutcomeUnknownError", "lost")
        after = total(venue, "USD")
        assert (await attached.ask("resolution", intent_id="lost"))["state"] in ("open", "filled")
        await filled(attached, "lost")
        assert await attached.ask("is_owner")
        assert total(venue, "USD") == after  # Once, not twice.


async def test_a_stopped_owner_keeps_its_account_until_it_dies_and_wakes_to_nothing_old(
    venue: LocalVenue,
) -> None:
    async with several(Session.start(venue.config), Session.start(venue.config)) as (owner, attached):
        await attached.ask("wait_live")
        before = venue.truth()
        owner.stop()
        try:
            asking = [attached.refused("buy", quote="250", intent_id=f"old-{number}") for number in range(5)]
            asking.append(attached.refused("refresh"))
            began_s = time.monotonic()
            refusals = await asyncio.gather(*asking)
            took_s = time.monotonic() - began_s
            assert {each.kind for each in refusals} == {"OwnerSilentError"}
            assert {each.facts["pid"] for each in refusals} == {owner.pid}
            assert {each.facts["exit_code"] for each in refusals} == {9}
            assert WAIT_S - 0.1 <= took_s < WAIT_S + 2.0

            await asyncio.sleep(3.5)
            usd = await attached.ask("balance", asset="USD")
            assert (usd["state"], usd["reason"], usd["total"]) == ("stale", "owner_silent", usd["total"])
            with pytest.raises(RefusedError) as newcomer:
                await Session.start(venue.config)
            assert (newcomer.value.kind, newcomer.value.facts["pid"]) == ("OwnerSilentError", owner.pid)
            assert not await attached.ask("is_owner")
        finally:
            owner.resume()

        await attached.ask("wait_live")
        assert venue.truth() == before
        for number in range(5):
            assert (await attached.refused("resolution", intent_id=f"old-{number}")).kind == "UnknownReservationError"

        assert await trade(attached, "new") <= {"balance_stale", "price_unknown"}
        assert total(venue, "USD") < Decimal(before["USD"]["total"])
        assert await owner.ask("is_owner")

        owner.stop()
        await asyncio.sleep(1.0)
        assert not await attached.ask("is_owner")
        await owner.kill()
        await until(lambda: attached.ask("is_owner"))


async def test_eight_attached_processes_agree_and_one_of_them_takes_over(venue: LocalVenue) -> None:
    async with several(*(Session.start(venue.config) for _ in range(9))) as sessions:
        owner, attached = sessions[0], sessions[1:]
        assert await owners_among(sessions) == 1
        assert await owner.ask("is_owner")
        await asyncio.gather(*(each.ask("wait_live") for each in attached))

        # Room for one order, and eight processes of eight tasks that want it: one gets it.
        for round_ in range(3):
            claims = (
                each.ask("claims", quote="5500", intent_ids=[f"r{round_}-{number}-{task}" for task in range(8)])
                for number, each in enumerate(attached)
            )
            codes = await asyncio.gather(*claims)
            winners = [
                f"r{round_}-{number}-{task}"
                for number, each in enumerate(codes)
                for task, code in enumerate(each)
                if code == "approved"
            ]
            assert len(winners) == 1, codes
            assert {code for each in codes for code in each} == {"approved", "funds_short"}
            await attached[round_].ask("release", intent_id=winners[0])

        await owner.kill()

        async def has_one() -> bool:
            return await owners_among(attached) == 1

        await until(has_one)
        await asyncio.gather(*(each.ask("wait_live") for each in attached))
        totals = await asyncio.gather(*(each.ask("totals") for each in attached))
        assert totals == [totals[0]] * 8
        assert await owners_among(attached) == 1


async def test_modes_of_real_processes(venue: LocalVenue) -> None:
    with pytest.raises(RefusedError) as nobody:
        await Session.start(venue.config, "attach")
    assert (nobody.value.kind, nobody.value.facts["pid"]) == ("OwnerSilentError", None)
    bare = {**venue.config, "brokers": {name: dict(each) for name, each in venue.config["brokers"].items()}}
    bare["brokers"]["kraken-master"].pop("credentials")
    starting = (Session.start(venue.config, "own"), Session.start(bare, "attach"))
    async with several(*starting) as (owner, attached):
        with pytest.raises(RefusedError) as elsewhere:
            await Session.start(venue.config, "own")
        assert (elsewhere.value.kind, elsewhere.value.facts["pid"]) == ("OwnedElsewhereError", owner.pid)
        assert elsewhere.value.facts["exit_code"] == 9
        await attached.ask("ready")
        assert Decimal((await attached.ask("balance", asset="USD"))["total"]) == total(venue, "USD")
        path = f"{venue.config['state_dir']}/brokers/simulated/kraken-master/owner.sock"
        async with several(Session.start(f"unix:{path}", "connect")) as (connected,):
            assert await connected.ask("totals") == await attached.ask("totals")
            await owner.kill()
            assert (await connected.refused("refresh")).facts["pid"] == owner.pid
            assert not await connected.ask("is_owner")


async def test_commands_beside_an_owner_show_what_it_shows_and_name_it_when_it_is_stopped(venue: LocalVenue) -> None:
    async with several(Session.start(venue.config)) as (owner,):
        await owner.ask("wait_live")
        config = venue_file(venue)
        code, out, _ = await command("balances", "--config", config, "--output", "json")
        assert code == 0
        shown = json.loads(out)["brokers"]["kraken-master"]["balances"]["USD"]
        assert Decimal(shown["total"]) == total(venue, "USD")
        assert shown["state"] in ("live", "fresh")
        owner.stop()
        try:
            code, _, err = await command("balances", "--config", config)
        finally:
            owner.resume()
        assert code == 9
        assert str(owner.pid) in err
        assert await owner.ask("is_owner")


def venue_file(venue: LocalVenue) -> str:
    """The venue's configuration as a file."""
    lines = [f'state_dir = "{venue.config["state_dir"]}"', f"lane.wait_s = {WAIT_S}"]
    for name, broker in venue.config["brokers"].items():
        lines.append(f"[brokers.{name}]")
        for key, value in broker.items():
            if isinstance(value, dict):
                inner = ", ".join(f'{each} = "{text}"' for each, text in value.items())
                lines.append(f"{key} = {{ {inner} }}")
            else:
                lines.append(f'{key} = "{value}"')
    path = Path(f"{venue.config['state_dir']}.toml")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


async def command(*arguments: str) -> tuple[int, str, str]:
    """Run ``holdfast`` with *arguments*: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "holdfast.cli",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
