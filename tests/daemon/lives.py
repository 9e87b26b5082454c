"""A daemon in a process of its own, started as a user starts it: to be stopped, killed, reloaded and asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from holdfast.testing import LocalVenue


class Life:
    """One process of ``holdfast up``; ``url`` is where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, said: Path) -> None:
        self.process = process
        self.url = url
        self._said = said

    def said(self) -> str:
        """What it wrote on standard error so far."""
        return self._said.read_text("utf-8")

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()


def write_config(venue: LocalVenue, folder: Path, **tables: Mapping[str, Any]) -> Path:
    """The configuration of a local venue as a file, with more tables."""
    config = folder / "holdfast.toml"
    ((name, broker),) = venue.config["brokers"].items()
    lines = [f"state_dir = {json.dumps(str(folder / 'state'))}", "[alerts]", "enabled = false", f"[brokers.{name}]"]
    for key, value in broker.items():
        inner = ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) if isinstance(value, dict) else None
        lines.append(f"{key} = {json.dumps(value) if inner is None else f'{{ {inner} }}'}")
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    text = "\n".join(lines) + "\n"
    assert tomllib.loads(text)
    config.write_text(text)
    return config


@contextlib.asynccontextmanager
async def started(
    config: Path, *, port: int = 0, waits_ready: bool = True, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Life]:
    """``holdfast up``, listening, and ready where that is waited for; killed in the end if it lives."""
    said = config.with_name("up.err")
    with said.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "holdfast.cli", "up", "--port", str(port), "--config", str(config), "--output", "json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(environ or {})},
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
            assert line, said.read_text("utf-8")
            first = json.loads(line)
            if waits_ready:
                assert json.loads(await process.stdout.readline())["event"] == "ready"
        yield Life(process, first["url"], said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
