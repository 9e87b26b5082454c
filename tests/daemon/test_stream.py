"""The event stream: nothing is missed and nothing comes twice, also across a daemon that died; slow readers are cut."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.events import event
from holdfast.daemon import hub as hubs
from holdfast.daemon import stream as streams
from holdfast.daemon.hub import Client, Mark, mark_of
from holdfast.runtime.broker import Broker
from tests.daemon.rig import BROKER, Rig, Sse, running


async def halt_and_resume(rig: Rig, times: int = 1) -> None:
    """Acts, each of which leaves a row in the journal."""
    for _ in range(times):
        await rig.desk[BROKER].set_trading_state("halted")
        await rig.desk[BROKER].set_trading_state("active")


async def rows_until(stream: Sse, last: int) -> list[int]:
    """The numbers of the journal's rows up to *last*, as they come."""
    found: list[int] = []
    while not found or found[-1] < last:
        _, row = await stream.next("journal")
        found.append(row["seq"])
    return found


async def last_row(rig: Rig) -> int:
    (row,) = await rig.desk[BROKER].history(limit=1, newest_first=True)
    assert row.seq is not None
    return row.seq


async def test_a_stream_begins_with_how_everything_stands(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream() as stream:
        kind, hello = await stream.next()
        assert (kind, hello["role"], hello["brokers"]) == ("hello", "read", [BROKER])
        assert stream.last_id == hello["sequence"]
        _, status = await stream.next("status")
        assert (status["broker"], status["is_available"]) == (BROKER, True)
        balances = {}
        while "USD" not in balances:
            _, told = await stream.next("balance")
            balances[told["asset"]] = told
        assert balances["USD"]["total"] == "1500.25"
        assert balances["USD"]["available"] == "1100.25"


async def test_a_heartbeat_comes_with_the_daemon_s_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "HEARTBEAT_S", 0.0)
    async with running(tmp_path) as rig, rig.stream() as stream:
        _, first = await stream.next("heartbeat")
        _, second = await stream.next("heartbeat")
        assert second["now_s"] > first["now_s"]
        assert second["now_s"] == pytest.approx(rig.daemon.api.clock.now_s(), abs=10)


async def test_rows_and_events_come_once_and_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream() as stream:
        await stream.next("hello")
        before = await last_row(rig)
        await halt_and_resume(rig, times=3)
        until = await last_row(rig)

        assert await rows_until(stream, until) == list(range(before + 1, until + 1))


async def test_who_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        async with rig.stream() as stream:
            await stream.next("hello")
            await halt_and_resume(rig)
            seen = await rows_until(stream, await last_row(rig))
            mark = stream.last_id
        await halt_and_resume(rig, times=2)
        async with rig.stream(last=mark) as stream:
            kinds = [await stream.next("hello", "gap", "lost")]
            again = await rows_until(stream, await last_row(rig))

        assert [kind for kind, _ in kinds] == ["hello"]
        assert again == list(range(seen[-1] + 1, again[-1] + 1))


async def test_who_comes_back_to_another_daemon_goes_on_in_the_journal(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    async with running(tmp_path / "one", store=store) as rig:
        async with rig.stream() as stream:
            await stream.next("hello")
            await halt_and_resume(rig)
            seen = await rows_until(stream, await last_row(rig))
            mark = stream.last_id
        await halt_and_resume(rig, times=2)
        token = rig.token("read")
    async with running(tmp_path / "one", store=store) as rig:
        headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": str(mark)}
        async with rig.session.get(f"{rig.daemon.url}/v1/stream", headers=headers) as answer:
            stream = Sse(answer)
            await stream.next("hello")
            _, lost = await stream.next("lost")
            await halt_and_resume(rig)
            again = await rows_until(stream, await last_row(rig))

    assert lost == {"reason": "restarted", "what": "events"}
    assert again == list(range(seen[-1] + 1, again[-1] + 1))


async def test_cut_off_while_it_catches_up_it_still_misses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await halt_and_resume(rig, times=3)
        until = await last_row(rig)
        old = Mark(epoch="another", number=7, rows={BROKER: until - 4})
        async with rig.stream(last=str(old)) as stream:
            _, first = await stream.next("journal")
            mark = stream.last_id
        async with rig.stream(last=mark) as stream:
            rest = await rows_until(stream, until)

        assert [first["seq"], *rest] == list(range(until - 3, until + 1))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [({BROKER: 10**9}, "journal_went_back"), ({BROKER: -0}, None)],
)
async def test_a_gap_that_cannot_be_bridged_asks_for_a_snapshot(
    tmp_path: Path, rows: dict[str, int], reason: str | None
) -> None:
    async with running(tmp_path) as rig:
        old = Mark(epoch="another", number=7, rows=rows)
        async with rig.stream(last=str(old)) as stream:
            _, found = await stream.next("gap", "journal")
            if reason is None:
                assert found["seq"] == 1
            else:
                assert (found["reason"], found["needs"]) == (reason, "snapshot")


async def test_a_mark_that_is_none_of_ours_asks_for_a_snapshot(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream(last="nonsense") as stream:
        _, gap = await stream.next("gap")
        assert gap["needs"] == "snapshot"


@pytest.mark.parametrize(
    "text", ["", "x", "x.y", "x.1.a", "x.1.a:", "x.1.a:-1", ".1.a:1", "x.1.:1", "x.1.a:1,", "x." + "9" * 5000]
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert mark_of(text) is None


def test_a_mark_comes_back_as_it_was() -> None:
    mark = Mark(epoch="a1", number=12, rows={"kraken-master": 7, "okx-main": 0})

    assert mark_of(str(mark)) == mark
    assert mark_of("a1.3.") == Mark(epoch="a1", number=3, rows={})


async def test_a_reader_that_falls_too_far_behind_is_cut_with_a_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream() as stream:
        await stream.next("hello")
        hub = rig.daemon.api.hub
        assert hub is not None
        for _ in range(3000):  # In one step: nobody could have read in between.
            hub.hear_event(event("journal.pruned", broker=BROKER, rows=1))
        _, bye = await stream.next("bye")
        assert bye == {"reason": "slow_reader"}
        with pytest.raises((EOFError, asyncio.IncompleteReadError)):
            await stream.next()
        text = await rig.get("/metrics", role=None)
        assert b'holdfast_stream_clients_ended_total{reason="slow_reader"} 1' in text


def test_levels_replace_each_other_and_edges_do_not() -> None:
    async def check() -> None:
        client = Client(view="all", broker=None)
        for number in range(100):
            client.put_level("balance USD", b"level %d;" % number)
            client.put(b"edge %d;" % number)
        text = client.take()
        assert text.count(b"edge") == 100
        assert text.count(b"level") == 1
        assert text.endswith(b"level 99;")
        assert not client.is_waiting

    asyncio.run(check())


async def test_one_broker_s_stream_tells_of_that_one_alone(tmp_path: Path) -> None:
    async with running(tmp_path, BROKER, "acme-other") as rig, rig.stream("/v1/stream?broker=acme-other") as stream:
        await stream.next("hello")
        await halt_and_resume(rig)
        await rig.desk["acme-other"].set_trading_state("halted")
        _, row = await stream.next("journal")
        assert row["broker"] == "acme-other"
        status, _, _ = await rig.ask("GET", "/v1/stream?broker=none-such")
        assert status == 404


async def test_a_revoked_bearer_ends_its_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_CHECK_EVERY_S", 0.0)
    async with running(tmp_path) as rig, rig.stream() as stream:
        await stream.next("hello")
        rig.daemon.access.tokens.revoke("test-read", wall_us=1)
        await halt_and_resume(rig)
        _, bye = await stream.next("bye")
        assert bye == {"reason": "revoked"}


async def test_the_end_of_the_daemon_is_quick_and_told_to_every_stream(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream() as one, rig.stream("/v1/stream?view=page") as page:
        await one.next("hello")
        await page.next("snapshot")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await rig.daemon.end()
        assert loop.time() - began_s < 5
        assert (await one.next("bye"))[1] == {"reason": "ending"}
        assert (await page.next("bye"))[1] == {"reason": "ending"}


async def test_the_page_gets_a_snapshot_and_then_what_changed(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream("/v1/stream?view=page") as page:
        kind, snapshot = await page.next()
        assert kind == "snapshot"
        assert [each["name"] for each in snapshot["brokers"]] == [BROKER]
        await rig.desk[BROKER].set_trading_state("halted", reason="a test")
        while True:
            kind, delta = await page.next("delta", "journal", "event", "balance")
            assert kind == "delta"
            if any(each["orders"] == "halted" for each in delta.get("brokers", ())):
                break
        assert delta["sequence"] > snapshot["sequence"]


async def test_what_the_page_is_told_is_what_its_types_say(tmp_path: Path) -> None:
    """A part that has no text is told without one: ``null`` would be drawn as a word."""
    async with running(tmp_path) as rig, rig.stream("/v1/stream?view=page") as page:
        _, told = await page.next("snapshot")
        asked = await rig.get("/v1/snapshot", role="read")
        scene = rig.daemon.api.scene
        assert scene is not None
        meant = msgspec.to_builtins(scene.snapshot(role="read"))
        for document in (told, asked):
            (broker,) = document["brokers"]
            assert set(broker) == set(meant["brokers"][0])
            parts = meant["brokers"][0]["stream"]["words"]
            assert [set(part) for part in broker["stream"]["words"]] == [set(part) for part in parts]


async def test_a_job_is_seen_by_everybody_and_outlives_who_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.stream() as stream:
        await stream.next("hello")
        started = await rig.post(f"/v1/brokers/{BROKER}/repair", {"dry_run": True})
        job: dict[str, Any] = started
        while job["state"] == "running":
            _, job = await stream.next("job")
        assert (job["id"], job["state"]) == (started["id"], "done")
        names = [step["name"] for step in job["steps"]]
        assert names == list(dict.fromkeys(names))
        assert (names[0], names[-1]) == ("clock", "report")
        assert await rig.get(f"/v1/jobs/{job['id']}", role="read") == job


async def test_many_that_come_back_at_once_are_each_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by killing a daemon under load: two readers of the same rows told them twice to everybody."""
    read = Broker.history

    async def read_slowly(self: Broker, **query: Any) -> Any:
        rows = await read(self, **query)
        await asyncio.sleep(0.02)
        return rows

    monkeypatch.setattr(Broker, "history", read_slowly)
    async with running(tmp_path) as rig:
        async with rig.stream() as stream:
            await stream.next("hello")
            await halt_and_resume(rig)
            seen = await rows_until(stream, await last_row(rig))
            mark = stream.last_id
        await halt_and_resume(rig, times=5)
        until = await last_row(rig)

        async def come_back() -> list[int]:
            async with rig.stream(last=mark) as stream:
                rows = await rows_until(stream, until)
                await halt_and_resume(rig)
                return rows + await rows_until(stream, until + 2)

        found = await asyncio.gather(*(come_back() for _ in range(6)))

    for rows in found:
        assert rows == list(range(seen[-1] + 1, rows[-1] + 1))
