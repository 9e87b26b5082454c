"""A measurement beside what runs: through the owner, kept, compared, bounded, and without disturbing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import holdfast
from holdfast.core.readiness import CHECKS, CheckOutcome, ReadinessReport
from holdfast.runtime.readiness.shelf import KEPT, Shelf
from holdfast.testing import run_virtual
from tests.readiness.rooms import Room


def test_an_attached_process_has_the_owner_measure_and_hears_its_progress() -> None:
    async def main() -> tuple[ReadinessReport, list[str], list[str]]:
        room = Room("kraken")
        owners: list[str] = []
        async with holdfast.open(room.config, mode="own", parts=room.parts()) as desk:
            await desk["kraken-master"].ready()
            desk.on_event(lambda event: owners.append(event.name))
            report = await room.measured()
        told = [str(each.fields["check"]) for each in room.events if each.name == "readiness.progressed"]
        return report, told, owners

    report, told, owners = run_virtual(main())
    assert (report.score, report.record) == (110, None)
    assert set(told) == {check.name for check in CHECKS}
    assert owners.count("readiness.progressed") == 2 * len(CHECKS)
    assert "act.recorded" in owners


def test_the_made_up_fault_disturbs_nothing_that_runs() -> None:
    async def main() -> tuple[set[str], int, tuple[int, ...]]:
        room = Room("kraken")
        async with holdfast.open(room.config, mode="own", parts=room.parts()) as desk:
            broker = desk["kraken-master"]
            await broker.ready()
            await asyncio.sleep(5)
            names: set[str] = set()
            desk.on_event(lambda event: names.add(event.name))
            most = 0

            async def watch() -> None:
                nonlocal most
                while True:
                    most = max(most, broker.get_error_count(), not broker.is_available())
                    await asyncio.sleep(0.05)

            watching = asyncio.create_task(watch())
            report = await broker.verify_end_to_end()
            watching.cancel()
            assert report.check("health.recovery").result is CheckOutcome.EARNED
            openings = tuple(each.breaker.openings for each in broker.status().capabilities)
            return names, most, openings

    names, most, openings = run_virtual(main())
    assert (most, openings) == (0, (0, 0, 0))
    assert not {name for name in names if name.startswith(("breaker.", "read.failed", "stream.lost", "balance."))}


def test_reports_are_kept_and_compared_with_the_last(tmp_path: Path) -> None:
    async def main() -> tuple[list[ReadinessReport], list[ReadinessReport]]:
        room = Room("kraken", folder=tmp_path)
        reports = [await room.measured()]
        await asyncio.sleep(60)
        room.happen(kind="permissions", permissions=["query-funds", "withdraw-funds"])
        reports.append(await room.measured())
        async with holdfast.open(room.config, contact="none", parts=room.parts()) as desk:
            return reports, await desk["kraken-master"].readiness_reports(limit=5)

    (first, second), kept = run_virtual(main())
    assert first.comparison is None
    assert second.comparison is not None
    assert second.comparison.points == second.score - first.score < 0
    assert "credentials.no_withdrawal" in {each.name for each in second.comparison.moved}
    assert [each.started_us for each in kept] == [second.started_us, first.started_us]
    assert "THIS KEY CAN WITHDRAW" in second.warnings[0]


def test_the_shelf_is_bounded_private_and_survives_what_it_cannot_read(tmp_path: Path) -> None:
    report = run_virtual(Room.once("okx"))
    shelf = Shelf(tmp_path / "readiness")
    for count in range(KEPT + 5):
        shelf.put(holdfast_replace(report, started_us=1_000_000 + count))
    files = sorted(shelf.folder.iterdir())
    assert len(files) == KEPT
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert shelf.folder.stat().st_mode & 0o777 == 0o700
    files[-1].write_text("{")
    files[-2].write_text('{"schema_version": 99}')
    assert shelf.newest(limit=1)[0].started_us == 1_000_000 + KEPT + 2
    assert Shelf(tmp_path / "nowhere").newest() == []


def holdfast_replace(report: ReadinessReport, *, started_us: int) -> ReadinessReport:
    import msgspec

    return msgspec.structs.replace(report, started_us=started_us)


def test_a_link_in_place_of_a_report_is_replaced_and_not_followed(tmp_path: Path) -> None:
    from holdfast.runtime.readiness.shelf import write_private

    other = tmp_path / "other"
    other.write_text("mine")
    link = tmp_path / "report.json"
    link.symlink_to(other)
    write_private(link, b"{}")
    assert (other.read_text(), link.is_symlink(), link.read_text()) == ("mine", False, "{}")


@pytest.mark.parametrize("timeout_s", [0.0, 3.0])
def test_what_is_not_reached_in_time_is_lost_and_says_so(timeout_s: float) -> None:
    async def main() -> ReadinessReport:
        room = Room("kraken")
        return await room.measured(timeout_s=timeout_s)

    report = run_virtual(main())
    late = [check for check in report.lost if "Not reached within" in check.evidence]
    assert late
    assert report.took_s <= timeout_s + 1
    assert all(check.how_to_fix for check in report.lost)
