"""The demonstration's local venue: its own process, its throw-away key, and the hand that makes things happen there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["BROKER", "DemoVenue", "local_venue"]

BROKER: Final = "kraken-master"
_READY_WITHIN_S: Final = 20.0


class DemoVenue:
    """A running local venue and its admin API."""

    def __init__(self, ready: Mapping[str, Any], session: ClientSession) -> None:
        self.ready = ready
        self._session = session

    def config(self, folder: Path) -> dict[str, Any]:
        """The configuration that points at this venue; the key is written to private files in *folder*."""
        credential = self.ready["credentials"][0]
        files = {"key_file": credential["key"], "secret_file": credential["secret"]}
        for name, value in files.items():
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(value)
        return {
            "state_dir": str(folder / "state"),
            "brokers": {
                BROKER: {
                    "venue": "kraken",
                    "environment": "simulated",
                    "rest_url": self.ready["rest"],
                    "ws_url": self.ready["ws"],
                    "credentials": {name: str(folder / name) for name in files},
                }
            },
        }

    async def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """Change something at the venue; raises ``HoldfastError`` where the admin API refuses it."""
        async with self._session.post(f"{self.ready['admin']}/{path}", json=document) as reply:
            answer = await reply.json()
            if reply.status != 200:
                raise HoldfastError(f"the local venue refused {path}: {answer}")
            return answer

    async def truth(self) -> dict[str, dict[str, str]]:
        """The venue's own ledger: asset to total, held, available."""
        async with self._session.get(f"{self.ready['admin']}/truth") as reply:
            document = await reply.json()
        assets: dict[str, dict[str, str]] = document["accounts"]["master"]["assets"]
        return assets

    async def journal(self, *, since: int = 0) -> dict[str, Any]:
        """What the venue was asked and answered since entry *since*."""
        async with self._session.get(f"{self.ready['admin']}/journal", params={"since": str(since)}) as reply:
            document: dict[str, Any] = await reply.json()
        return document


@contextlib.asynccontextmanager
async def local_venue(*, seed: int) -> AsyncIterator[DemoVenue]:
    """Run a local Kraken in a process of its own for the block. Ambient credentials do not reach it."""
    import aiohttp

    environ = {name: value for name, value in os.environ.items() if "_API_" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "holdfast.cli", "sim", "kraken", "--port", "0", "--seed", str(seed)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environ,
        start_new_session=True,  # Ctrl-C is for us first: the venue is stopped last.
    )
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise HoldfastError(f"the local venue was not ready within {_READY_WITHIN_S:.0f} s") from None
        if not line:
            raise HoldfastError("the local venue ended before it was ready; `holdfast sim kraken` shows why")
        async with aiohttp.ClientSession(trust_env=False) as session:
            yield DemoVenue(msgspec.json.decode(line), session)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5.0):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
