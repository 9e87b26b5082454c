"""Processes with a desk each, from the test's side."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from tests.processes.nonce_race import ROOT, end

__all__ = ["RefusedError", "Session"]


class RefusedError(Exception):
    """What a process answered instead: the error's class name and its facts."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__(f"{facts['error']}: {facts['text']}")
        self.kind: str = facts["error"]
        self.facts = facts


class Session:
    """One process; see ``owner_scripts``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid
        self.opened_in_s = 0.0
        self._last_id = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, config: dict[str, Any] | str, mode: str = "auto") -> Session:
        """Start one; returns once its desk is open, raises ``RefusedError`` where it could not be."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.processes.owner_scripts",
            config if isinstance(config, str) else json.dumps(config),
            mode,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        session = cls(process)
        try:
            opened = await session._answer(0)
        except BaseException:
            await session.end()
            raise
        session.opened_in_s = opened["took_s"]
        return session

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            facts = json.loads(line)
            self._future(facts["id"]).set_result(facts)
        for each in self._answers.values():
            if not each.done():
                each.set_result({"error": "Ended", "text": "the process ended", "took_s": 0.0})

    def _future(self, id_: int) -> asyncio.Future[dict[str, Any]]:
        return self._answers.setdefault(id_, asyncio.get_running_loop().create_future())

    async def _answer(self, id_: int) -> dict[str, Any]:
        async with asyncio.timeout(60):
            facts = await self._future(id_)
        del self._answers[id_]
        if "error" in facts:
            raise RefusedError(facts)
        return facts

    async def ask(self, what: str, **arguments: Any) -> Any:
        """Have it do something and wait for the answer; raises ``RefusedError`` with the error it met."""
        assert self.process.stdin is not None
        self._last_id += 1
        id_ = self._last_id
        self._future(id_)
        self.process.stdin.write(json.dumps({"id": id_, "do": what, **arguments}).encode() + b"\n")
        await self.process.stdin.drain()
        return (await self._answer(id_))["ok"]

    async def refused(self, what: str, **arguments: Any) -> RefusedError:
        """Have it do something that is refused."""
        try:
            found = await self.ask(what, **arguments)
        except RefusedError as error:
            return error
        raise AssertionError(f"{what} was not refused: {found}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        await end(self.process)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
