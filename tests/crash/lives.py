"""
One client after the other on one state folder, none of which ends by itself.

After each kill the files are judged on a copy, by what the dead client had been told; the next client is judged by
what it says: restored figures until something was read, then the venue's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.nonces import NonceRecord
from holdfast.core.seams import JournalRow
from holdfast.runtime.journal_mark import JournalMark
from holdfast.runtime.marks import MarkFile
from holdfast.runtime.state_folder import StateFolder
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.copies import verify
from tests.crash.client import BROKER, Work
from tests.crash.failpoints import Step
from tests.crash.places import patience
from tests.crash.venues import LocalVenue, differences

__all__ = ["CONVERGES_WITHIN_S", "BrokenPromiseError", "Chain", "Report"]

ROOT: Final = Path(__file__).resolve().parents[2]
CONVERGES_WITHIN_S: Final = 90.0

_DAY_US: Final = 86_400_000_000
_PLACE: Final = {"environment": "simulated", "name": BROKER}


class BrokenPromiseError(AssertionError):
    """Something did not survive a kill."""


class Report(msgspec.Struct, kw_only=True):
    """What a chain of lives came to."""

    kills: int = 0
    kills_by_step: dict[str, int] = {}
    opened: int = 0  # Lives that found a store of an earlier one and said what they restored.
    converged_s: list[float] = []  # From the start of the process to every figure live and equal to the truth.
    rows_acknowledged: int = 0
    rows_in_journal: int = 0
    nonces: int = 0
    nonces_refused: int = 0
    labelled: int = 0  # Figures shown before anything was read, every one stale and restored.
    backups_whole: int = 0

    def add(self, other: Report) -> None:
        """Take another chain's figures in."""
        for name in self.__struct_fields__:
            if name == "kills_by_step":
                for step, count in other.kills_by_step.items():
                    self.kills_by_step[step] = self.kills_by_step.get(step, 0) + count
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))


class Life:
    """One client process, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.began_s = time.monotonic()
        self.opened: dict[str, Any] | None = None
        self.figures: dict[str, Any] | None = None
        self.acknowledged: list[list[Any]] = []
        self.last_acknowledged = 0
        self.events: list[dict[str, Any]] = []
        self.early: list[dict[str, Any]] = []  # What was shown before any balances were read.
        self.heard = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.endswith(b"\n"):  # The last one may be cut by the kill.
                self._hear(json.loads(line))
        self.heard.set()

    def _hear(self, said: dict[str, Any]) -> None:
        match said.get("at"):
            case "opened":
                self.opened = said
            case "figures":
                self.figures = said
                if said["replies"] == 0:
                    self.early.append(said["balances"])
            case "acknowledged":
                self.acknowledged += said["rows"]
                self.last_acknowledged = said["seq"]
            case "event":
                self.events.append(said)
        self.heard.set()

    async def ended(self, *, within_s: float) -> bool:
        """Wait for the process to end by itself."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), within_s)
        return self.process.returncode is not None

    async def kill(self) -> None:
        """End it as the kernel would, and hear what it had said until then."""
        with contextlib.suppress(ProcessLookupError):
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.reading


class Chain:
    """
    Lives on one state folder against one venue.

    Args:
        kraken: The venue.
        folder: An existing folder for state, keys and backups.
        seed: Draws every moment.
    """

    def __init__(self, kraken: LocalVenue, folder: Path, *, seed: int) -> None:
        self.kraken = kraken
        self.folder = folder
        self.report = Report()
        self.rng = random.Random(f"lives {seed}")
        self.config = kraken.config(folder)
        self.state = StateFolder.open(folder / "state")
        self._acknowledged: list[list[Any]] = []
        self._last_acknowledged = 0
        self._journal_at = 0
        self._highest_nonce = 0
        self._backups = 0

    # Preparing

    async def write_old_rows(self, count: int) -> None:
        """A journal whose oldest day is long past what is kept."""
        store = await SqliteStore.open(
            self.state.database_path(**_PLACE),
            wall_us=lambda: time.time_ns() // 1000,
            writer="inline",
            journal_mark=JournalMark.open(self.state.journal_mark_path(**_PLACE)),
        )
        old_us = time.time_ns() // 1000 - 200 * _DAY_US
        row = JournalRow(
            wall_us=old_us,
            kind="snapshot",
            asset="USD",
            total="1",
            held="0",
            available="1",
            source="rest",
            cause="{}",
            is_money=True,
        )
        await store.append([row] * count)
        # The newest segment is never dropped: today's.
        await store.append([msgspec.structs.replace(row, wall_us=old_us + 200 * _DAY_US)])
        await store.close()

    # Lives

    async def start(self, *, step: Step | None = None, backs_up: bool = False) -> Life:
        """Start a client, on an account that did not stand still while nobody looked."""
        self.kraken.venue.happen({"kind": "deposit", "asset": "USD", "amount": "0.0101"})
        self.kraken.happen()
        backup_to = None
        if backs_up:
            self._backups += 1
            backup_to = str(self.folder / f"backup-{self._backups}")
        work = Work(config=self.config, step=step, backup_to=backup_to)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.client",
            msgspec.json.encode(work).decode(),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        return Life(process)

    async def live(self, life: Life) -> float:
        """Wait until every figure is live and the venue's own; how long it took from the start of the process."""
        truth = await self.kraken.truth()
        found: dict[str, str] = {"client": "said nothing"}
        while found:
            left_s = life.began_s + patience(CONVERGES_WITHIN_S) - time.monotonic()
            life.heard.clear()
            if left_s <= 0 or life.process.returncode is not None:
                raise BrokenPromiseError(
                    f"not converged after {time.monotonic() - life.began_s:.1f} s (ended: {life.process.returncode}): "
                    f"{found}; events {life.events[-5:]}"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(life.heard.wait(), min(left_s, 1.0))
            if life.figures is not None:
                found = differences(truth, life.figures["balances"])
        took_s = time.monotonic() - life.began_s
        self.report.converged_s.append(round(took_s, 3))
        return took_s

    async def die_at(self, step: Step) -> None:
        """A life that ends at a named step; judged."""
        rule = {"kind": "rest", "action": {"do": "delay", "low_s": 0.03, "where": "reply"}}
        if step.needs == "delay":
            self.kraken.served.plan.add(rule)
        life = await self.start(step=step, backs_up=step.needs == "backup")
        try:
            if step.needs in ("burst", "end"):
                await self.live(life)
            if step.needs == "end":
                life.process.send_signal(signal.SIGTERM)
            if step.needs == "burst":
                await self.kraken.burst(30, pause_s=0.02)
            if not await life.ended(within_s=patience(60.0)):
                raise BrokenPromiseError(f"the client never came to: {step.name}")
        finally:
            if step.needs == "delay":
                self.kraken.served.plan.clear()
            await life.kill()
        if life.process.returncode != -signal.SIGKILL:
            raise BrokenPromiseError(f"the client ended with {life.process.returncode} before: {step.name}")
        await self.judge(life, step.name)

    async def die_early(self, after_s: float) -> None:
        """A life that is killed so long after its start, whatever it is at; judged."""
        life = await self.start()
        happening = asyncio.create_task(self.kraken.burst(10_000, pause_s=0.01))
        try:
            await asyncio.sleep(after_s)
        finally:
            happening.cancel()
            await asyncio.gather(happening, return_exceptions=True)
            await life.kill()
        await self.judge(life, "any moment of opening")

    async def die_busy(self, after_s: float, *, backs_up: bool = False) -> None:
        """A life that becomes live and right, and is killed so long into a burst of deposits and trades; judged."""
        life = await self.start(backs_up=backs_up)
        try:
            await self.live(life)
            happening = asyncio.create_task(self.kraken.burst(10_000, pause_s=self.rng.choice((0.0005, 0.005))))
            await asyncio.sleep(after_s)
            happening.cancel()
            await asyncio.gather(happening, return_exceptions=True)
        finally:
            await life.kill()
        await self.judge(life, "any moment of a burst" + (" and a backup" if backs_up else ""))

    async def die_as_command(self, after_s: float) -> None:
        """``holdfast up`` as a user runs it, killed so long after its start; judged."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "holdfast.cli",
            "up",
            "--output",
            "json",
            "--config",
            str(self._configuration_file()),
            cwd=self.folder,
            env={**os.environ, "HOLDFAST_STATE_DIR": str(self.folder / "state")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        life = Life(process)
        happening = asyncio.create_task(self.kraken.burst(10_000, pause_s=0.005))
        try:
            await asyncio.sleep(after_s)
        finally:
            happening.cancel()
            await asyncio.gather(happening, return_exceptions=True)
            await life.kill()
        if process.returncode != -signal.SIGKILL:
            raise BrokenPromiseError(f"holdfast up ended by itself with {process.returncode}")
        await self.judge(life, "holdfast up, at any moment")

    def _configuration_file(self) -> Path:
        path = self.folder / "holdfast.toml"
        broker = self.config["brokers"][BROKER]
        credentials = ", ".join(f"{name} = {json.dumps(value)}" for name, value in broker["credentials"].items())
        lines = [f"[brokers.{BROKER}]", f"credentials = {{ {credentials} }}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in broker.items() if name != "credentials"]
        path.write_text("\n".join(lines) + "\n")
        return path

    async def live_once_more(self) -> None:
        """A life that becomes live and right, and ends in order."""
        life = await self.start()
        try:
            await self.live(life)
            life.process.send_signal(signal.SIGTERM)
            if not await life.ended(within_s=patience(20.0)) or life.process.returncode != 0:
                raise BrokenPromiseError(f"the last client did not end in order: {life.process.returncode}")
        finally:
            await life.kill()
        self.report.kills -= 1
        await self.judge(life, None)

    # Judging

    async def judge(self, life: Life, how: str | None) -> None:
        """What the dead client leaves behind, by what it had been told."""
        self.report.kills += 1
        if how is not None:
            self.report.kills_by_step[how] = self.report.kills_by_step.get(how, 0) + 1
        self._judge_opening(life)
        self._acknowledged += life.acknowledged
        self.report.rows_acknowledged += len(life.acknowledged)
        self._last_acknowledged = max(self._last_acknowledged, life.last_acknowledged)
        self._judge_events(life)
        self._judge_nonces()
        await asyncio.to_thread(self._judge_files)

    def _judge_opening(self, life: Life) -> None:
        if life.opened is None:
            return
        if life.opened["halted"] is not None:
            raise BrokenPromiseError(f"the store came up halted: {life.opened['halted']}")
        if life.opened["last_seq"] < self._last_acknowledged:
            raise BrokenPromiseError(f"opened at {life.opened['last_seq']}, {self._last_acknowledged} was acknowledged")
        if life.opened["balances"]:
            self.report.opened += 1
        for shown in (life.opened["balances"], *life.early):
            for asset, (*_, state, reason) in shown.items():
                if (state, reason) != ("stale", "restored"):
                    raise BrokenPromiseError(f"{asset} is {state} ({reason}), and nothing was read yet")
                self.report.labelled += 1

    def _judge_events(self, life: Life) -> None:
        wrong = [event for event in life.events if event["name"] != "read.failed"]
        if wrong:
            raise BrokenPromiseError(f"a restarted client said {wrong}")

    def _judge_nonces(self) -> None:
        highest, seen, refused, self._journal_at = self.kraken.nonces(self._journal_at)
        self._highest_nonce = max(self._highest_nonce, highest)
        self.report.nonces += seen
        self.report.nonces_refused += refused
        if refused:
            raise BrokenPromiseError(f"{refused} nonces were refused")
        path = self.state.lane_path(self.kraken.credential.fingerprint)
        if not path.exists():
            if self._highest_nonce:
                raise BrokenPromiseError("nonces were sent, and there is no lane file")
            return
        file = MarkFile.open(path, first=b"")
        try:
            reading = file.peek()
        finally:
            file.close()
        mark = msgspec.json.decode(reading.payload, type=NonceRecord).mark
        if (mark or 0) < self._highest_nonce:
            raise BrokenPromiseError(f"the lane's mark {mark} is below nonce {self._highest_nonce}, which was sent")

    def _judge_files(self) -> None:
        database = self.state.database_path(**_PLACE)
        strangers = [path.name for path in database.parent.iterdir() if "quarantined" in path.name]
        if strangers:
            raise BrokenPromiseError(f"something was put into quarantine: {strangers}")
        if not database.exists():
            if self._last_acknowledged:
                raise BrokenPromiseError("there is no store, and rows were acknowledged")
            return
        verify(database)
        with tempfile.TemporaryDirectory(prefix="hf-judge-") as place:
            copy = Path(place) / "copy.db"
            for side in ("", "-wal"):
                if Path(f"{database}{side}").exists():
                    shutil.copyfile(f"{database}{side}", f"{copy}{side}")
            with contextlib.closing(sqlite3.connect(copy)) as connection:
                self._judge_journal(connection)
        for backup in self.folder.glob("backup-*"):
            verify(backup)
            self.report.backups_whole += 1
            backup.unlink()

    def _judge_journal(self, connection: sqlite3.Connection) -> None:
        count, first, last = connection.execute("SELECT count(*), min(seq), max(seq) FROM journal").fetchone()
        if count and count != last - first + 1:
            raise BrokenPromiseError(f"the journal runs from {first} to {last} and has {count} rows")
        if (last or 0) < self._last_acknowledged:
            raise BrokenPromiseError(f"the journal ends at {last}, and {self._last_acknowledged} was acknowledged")
        self.report.rows_in_journal = max(self.report.rows_in_journal, count)
        columns = "wall_us, kind, asset, total, held, available, source"
        kept = {tuple(row) for row in connection.execute(f"SELECT {columns} FROM journal")}  # Columns of ours.
        missing = [row for row in self._acknowledged if tuple(row) not in kept]
        if missing:
            raise BrokenPromiseError(f"{len(missing)} acknowledged rows are gone, the first: {missing[0]}")
        self._acknowledged = self._acknowledged[-2_000:]
