"""A check-up finds what is wrong, says what to do with a command that exists, disturbs nobody and signs nothing."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.config import Config, load_config
from holdfast.core.checkup import Check, CheckState, DoctorReport
from holdfast.core.seams import Priority
from holdfast.core.venue import VenueMode
from holdfast.errors import FaultClass, OutcomeUnknownError, UnknownNameError, VenueUnreachableError
from holdfast.runtime.doctor import STEPS, examine
from holdfast.runtime.parts import Parts
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, memory_config, memory_parts, run_virtual
from holdfast.testing.lanes import MemoryLane

AWAY = VenueUnreachableError("no route", venue="acme", request="any")


class Bench:
    """One pretended host with one broker."""

    def __init__(self) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.venue = FakeVenue({"USD": ("1000", "0")})
        self.lanes: dict[str, MemoryLane] = {}
        self._shared: dict[str, Any] = {"owners": MemoryOwners(), "sockets": MemorySockets(), "lanes": self.lanes}
        self.config = memory_config()

    def parts(self) -> Parts:
        return memory_parts(clock=self.clock, venue=self.venue, **self._shared)

    def owning(self) -> Any:
        return holdfast.open(self.config, mode="own", parts=self.parts())

    async def look(self) -> dict[str, Check]:
        return by_name(await examine(self.config, "acme-master", parts=self.parts()))


def by_name(report: DoctorReport) -> dict[str, Check]:
    return {check.name: check for check in report.checks}


def test_all_is_well_with_and_without_an_owner() -> None:
    async def main() -> None:
        bench = Bench()
        assert not [check for check in (await bench.look()).values() if check.state is CheckState.FAILED]
        async with bench.owning() as desk:
            await desk["acme-master"].wait_until("live")
            found = await bench.look()
            assert not [check for check in found.values() if check.state is CheckState.FAILED]
            assert found["figures"].state is CheckState.OK
            assert str(os.getpid()) in found["owner"].found
            without_lane = [each for each in bench.venue.clients if not isinstance(each._lane, MemoryLane)]
            assert {name for client in without_lane for _, name in client.asked} == {"time", "status"}
            assert all(client.is_closed for client in without_lane)

    run_virtual(main())


def test_a_visit_is_on_record() -> None:
    async def main() -> None:
        bench = Bench()
        async with bench.owning() as desk:
            await bench.look()
            (row,) = await desk["acme-master"].history(kind="audit")
            assert '"doctor"' in row.cause

    run_virtual(main())


def test_an_open_desk_examines_its_own_broker() -> None:
    async def main() -> None:
        bench = Bench()
        async with bench.owning() as desk:
            await desk["acme-master"].wait_until("live")
            report = await desk.examine("acme-master")
            assert report.is_well, report
            assert "no other process" in by_name(report)["owner"].found
            with pytest.raises(UnknownNameError):
                await desk.examine("acme-other")

    run_virtual(main())


def test_a_breaker_a_parking_and_a_halt_are_found_and_the_commands_named() -> None:
    async def main() -> None:
        bench = Bench()
        async with bench.owning() as desk:
            broker = desk["acme-master"]
            await broker.wait_until("live")
            await broker.isolate(reason="a look")
            await broker.set_trading_state("halted", reason="a pause")
            next(iter(bench.lanes.values())).park("wrong_secret", for_s=300.0)
            found = await bench.look()
            assert found["breakers"].exit_code == 6
            assert "`holdfast reset-circuit-breaker acme-master`" in found["breakers"].next[0]
            assert found["parking"].exit_code == 3
            assert "`holdfast nonce doctor --broker acme-master --retry`" in found["parking"].next[0]
            assert found["orders"].exit_code == 6
            assert "`holdfast resume acme-master`" in found["orders"].next[0]
            assert found["figures"].state is CheckState.OK, "what keeps orders back says nothing of the figures"

    run_virtual(main())


def test_a_lockout_asks_for_patience() -> None:
    async def main() -> None:
        bench = Bench()
        async with bench.owning() as desk:
            await desk["acme-master"].wait_until("live")
            next(iter(bench.lanes.values())).park("lockout", for_s=300.0)
            found = await bench.look()
            assert found["parking"].exit_code == 7
            assert "wait" in found["parking"].next[0]

    run_virtual(main())


def test_a_venue_in_maintenance_and_one_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        bench = Bench()
        bench.venue.mode = VenueMode.MAINTENANCE
        found = await bench.look()
        assert (found["venue"].state, found["venue"].exit_code) == (CheckState.FAILED, 6)
        made = bench.venue.client

        def unreachable(**given: Any) -> Any:
            client = made(**given)
            client.failing["*"] = AWAY
            return client

        monkeypatch.setattr(bench.venue, "client", unreachable)
        found = await bench.look()
        assert "does not answer" in found["venue"].found
        assert found["clock"].state is CheckState.SKIPPED
        assert found["store"].state is CheckState.OK, "the rest is examined all the same"

    run_virtual(main())


def test_a_gateway_that_answers_for_the_venue_is_not_called_an_unreachable_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        bench = Bench()
        made = bench.venue.client

        def behind_a_gateway(**given: Any) -> Any:
            client = made(**given)
            client.failing["*"] = OutcomeUnknownError("HTTP 502", venue="acme", request="any", fault=FaultClass.VENUE)
            return client

        monkeypatch.setattr(bench.venue, "client", behind_a_gateway)
        found = (await bench.look())["venue"]
        assert found.exit_code == 6
        assert found.found.startswith("it answers")
        assert "network" not in found.next[0]

    run_virtual(main())


# The real folders


def configured(folder: Path, *, mode: int = 0o600) -> Config:
    for name, text in (("key", "SIM" + "a" * 53), ("secret", base64.b64encode(b"s" * 64).decode())):
        path = folder / name
        path.write_text(text)
        path.chmod(mode)
    (folder / "holdfast.toml").write_text(
        f"""
state_dir = "{folder / "state"}"
[brokers.kraken-master]
venue = "kraken"
environment = "simulated"
rest_url = "http://127.0.0.1:9"
ws_url = "ws://127.0.0.1:9/v2"
credentials = {{ key_file = "key", secret_file = "secret" }}
"""
    )
    return load_config(folder / "holdfast.toml")


async def test_a_secret_that_others_may_read_is_found_and_says_how_to_close_it(tmp_path: Path) -> None:
    told: list[str] = []

    found = by_name(await examine(configured(tmp_path, mode=0o644), "kraken-master", tell=told.append))

    assert found["credential"].exit_code == 3
    assert "chmod 600" in found["credential"].found
    assert tuple(told) == STEPS


async def test_a_key_that_is_parked_is_found_where_nobody_owns_the_account(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with holdfast.open(config, contact="none") as desk:
        backend: Any = desk["kraken-master"]._backend
        async with backend.supervisor.lane.turn(priority=Priority.BALANCE) as turn:
            await turn.take()
            await turn.park("lockout", for_s=900)

    found = by_name(await examine(config, "kraken-master"))["parking"]

    assert (found.state, found.exit_code) == (CheckState.FAILED, 7)


async def test_state_that_others_may_read_is_found(tmp_path: Path) -> None:
    config = configured(tmp_path)
    await examine(config, "kraken-master")
    stray = tmp_path / "state" / "brokers" / "copy.db"
    stray.write_text("")
    stray.chmod(0o644)

    found = by_name(await examine(config, "kraken-master"))

    assert found["permissions"].exit_code == 3
    assert str(stray) in found["permissions"].found


async def test_a_state_folder_that_is_no_folder_is_found_and_the_rest_still_examined(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (tmp_path / "state").write_text("")

    found = by_name(await examine(config, "kraken-master"))

    assert found["state folder"].exit_code == 3
    assert found["venue"].state is CheckState.SKIPPED


async def test_a_configuration_that_others_may_change_is_worth_a_word(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (tmp_path / "holdfast.toml").chmod(0o666)

    assert by_name(await examine(config, "kraken-master"))["config"].state is CheckState.WARNING


async def test_a_damaged_store_is_found_and_its_command_named(tmp_path: Path) -> None:
    config = configured(tmp_path)
    await examine(config, "kraken-master")
    database = tmp_path / "state" / "brokers" / "simulated" / "kraken-master" / "holdfast.db"
    database.write_bytes(b"this is no database" * 1000)

    found = by_name(await examine(config, "kraken-master"))

    assert found["store"].exit_code == 1
    assert "`holdfast restore" in found["store"].next[0]
