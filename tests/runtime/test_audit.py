"""Who asked for what is kept, whoever asked and whatever came of it, and never a secret."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import JournalRow
from holdfast.errors import DeniedError
from holdfast.runtime.audit import Audit, Told
from holdfast.runtime.callers import Caller, asked_by, caller, own_command, typed
from holdfast.store.memory import MemoryStore
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, memory_config, memory_parts, run_virtual


def facts_of(row: JournalRow) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row.cause)
    return found


class Kept:
    """An audit over a store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.events: list[Event] = []
        self.flushed = 0
        self.audit = Audit(
            self.store, FakeClock(), broker="acme-master", emit=self.events.append, before_writing=self._flush
        )

    def _flush(self) -> None:
        self.flushed += 1

    async def rows(self) -> list[dict[str, Any]]:
        return [facts_of(row) for row in await self.store.history(kind="audit")]


async def five() -> int:
    return 5


async def test_an_act_is_kept_with_who_asked_and_how_it_stood() -> None:
    kept = Kept()
    told = Told(outcome="done", before={"a": 1}, after={"a": 2}, facts={"more": "yes"})

    with asked_by(Caller(uid=7, pid=8, command="holdfast x")):
        result, record = await kept.audit.acting("x", five(), lambda _: told, facts={"asked": "so"})

    assert (result, record) == (5, None)
    assert await kept.rows() == [
        {
            "cause": "x",
            "outcome": "done",
            "uid": 7,
            "pid": 8,
            "command": "holdfast x",
            "before": {"a": 1},
            "after": {"a": 2},
            "asked": "so",
            "more": "yes",
        }
    ]
    assert kept.flushed == 1, "what happened before stands before it"
    assert [event.fields["record"] for event in kept.events] == [None]


async def test_an_act_that_failed_is_kept_and_still_fails() -> None:
    kept = Kept()

    async def fail() -> None:
        raise DeniedError("not now")

    with pytest.raises(DeniedError):
        await kept.audit.acting("x", fail(), lambda _: Told(outcome="done"), facts={"why": "test"})

    (row,) = await kept.rows()
    assert row["outcome"] == "failed: DeniedError: not now"
    assert row["why"] == "test"


async def test_an_act_that_nobody_waits_for_any_more_is_kept() -> None:
    kept = Kept()
    task = asyncio.create_task(kept.audit.acting("x", asyncio.sleep(60), lambda _: Told(outcome="done")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "given up" in (await kept.rows())[0]["outcome"]


async def test_a_store_that_takes_no_row_stops_nothing_and_says_why() -> None:
    kept = Kept()
    kept.store.fail_with = "full"

    result, record = await kept.audit.acting("x", five(), lambda _: Told(outcome="done"))

    assert result == 5
    assert "full" in (record or "")
    assert [event.fields["act"] for event in kept.events] == ["x"], "the log has it all the same"
    assert kept.events[0].fields["record"] == record


def test_this_process_asks_where_nobody_else_does() -> None:
    assert caller().pid == os.getpid()
    assert caller().uid == os.getuid()


def test_what_was_typed_is_kept_without_any_secret_of_the_environment() -> None:
    secret = "c2VjcmV0LXRoYXQtaXMtbG9uZw=="

    with typed(["halt", "--reason", f"key {secret}"], environ={"KRAKEN_MASTER_API_SECRET": secret}):
        assert own_command() == "holdfast halt --reason '***'"
    with typed(["x" * 1000], environ={}):
        assert len(own_command() or "") == 300


def test_a_secret_that_somebody_typed_as_a_reason_is_not_kept() -> None:
    async def main() -> None:
        secret = "c2VjcmV0LXRoYXQtaXMtbG9uZw=="
        clock = FakeClock(asyncio.get_running_loop())
        events: list[Event] = []
        parts = memory_parts(
            clock=clock, venue=FakeVenue(), credential=Credential(venue="acme", key="SIM-key-of-ours", secret=secret)
        )
        async with holdfast.open(memory_config(), parts=parts, on_event=events.append) as desk:
            with typed(["halt", "--reason", secret], environ={}):
                await desk["acme-master"].isolate(reason=f"key {secret}")
            (row,) = await desk["acme-master"].history(kind="audit")
            assert "isolate" in row.cause
            assert secret not in row.cause
            assert secret not in str([event for event in events if event.name == "act.recorded"])

    run_virtual(main())


def test_every_act_of_a_person_is_on_record_through_restarts_whichever_process_asked(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue({"USD": ("1000", "0")})
        shared: dict[str, Any] = {"clock": clock, "venue": venue, "owners": MemoryOwners(), "sockets": MemorySockets()}
        shared["store_path"] = tmp_path / "holdfast.db"

        def opened(mode: Any) -> Any:
            return holdfast.open(memory_config(), mode=mode, parts=memory_parts(**shared))

        async with opened("own") as owner:
            await owner["acme-master"].wait_until("live")
            await owner["acme-master"].isolate("trade", reason="a look")
            with typed(["reset-circuit-breaker", "acme-master"], environ={}):
                async with opened("attach") as attached:
                    broker = attached["acme-master"]
                    assert (await broker.reset_circuit_breaker()).record is None
                    assert (await broker.force_balance_refresh()).record is None
                    assert (await broker.emergency_repair()).record is None
                    assert await broker.note_visit("verify_balance", outcome="approved", facts={"asset": "USD"}) is None
                    await broker.set_trading_state("halted", reason="a pause")
                    await broker.set_trading_state("active")
        async with opened("own") as owner:
            rows = await owner["acme-master"].history(kind="audit")
            acts = [facts_of(row) for row in rows]
            assert [act["cause"] for act in acts] == [
                "isolate",
                "reset_circuit_breaker",
                "force_balance_refresh",
                "emergency_repair",
                "verify_balance",
                "set_trading_state",
                "set_trading_state",
            ]
            assert {act["uid"] for act in acts} == {os.getuid()}
            assert [act["command"] for act in acts[1:]] == ["holdfast reset-circuit-breaker acme-master"] * 6
            assert acts[1]["before"] == {"read": "closed", "trade": "isolated", "stream": "closed"}
            assert acts[1]["after"] == {"read": "closed", "trade": "closed", "stream": "closed"}
            assert (acts[5]["before"], acts[5]["after"]) == ({"state": "active"}, {"state": "halted"})
            assert len(await owner["acme-master"].history(kind="audit", newest_first=True, limit=2)) == 2

    run_virtual(main())


def test_only_visits_can_be_noted_from_outside() -> None:
    async def main() -> None:
        clock, venue = FakeClock(asyncio.get_running_loop()), FakeVenue()
        shared: dict[str, Any] = {"clock": clock, "venue": venue, "owners": MemoryOwners(), "sockets": MemorySockets()}
        async with (
            holdfast.open(memory_config(), mode="own", parts=memory_parts(**shared)),
            holdfast.open(memory_config(), mode="attach", parts=memory_parts(**shared)) as attached,
        ):
            with pytest.raises(DeniedError, match="note_visit"):
                await attached["acme-master"].note_visit("emergency_repair", outcome="well")  # type: ignore[arg-type]

    run_virtual(main())
