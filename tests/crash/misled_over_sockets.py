"""Bad answers over real sockets: a client in a process of its own, so that its memory is nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.amounts import parse_amount
from tests.crash.injections import BALANCE_READS, Injection
from tests.crash.misled import Finding, finding_of, in_many_places
from tests.crash.venues import LocalVenue, local_kraken
from tests.crash.witness import Named, Picture

__all__ = ["GROWS_AT_MOST_MIB", "Misled", "misled"]

ROOT: Final = Path(__file__).resolve().parents[2]

GROWS_AT_MOST_MIB: Final = 64.0
"""What one answer may cost at its worst, above what the client needs when idle."""

_ANSWERS_WITHIN_S: Final = 120.0


class Misled:
    """One client over real sockets, and its venue."""

    def __init__(self, kraken: LocalVenue, process: asyncio.subprocess.Process) -> None:
        self._kraken = kraken
        self._process = process

    async def _tell(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.says()

    async def says(self) -> dict[str, Any]:
        """The client's next line."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _ANSWERS_WITHIN_S)
        if not line:
            raise AssertionError(f"the client ended with {await self._process.wait()}")
        facts: dict[str, Any] = json.loads(line)
        return facts

    async def mislead(self, injection: Injection, *, read: str = "BalanceEx") -> Finding:
        """Make one read go wrong, and prove that a good one is believed afterwards."""
        plan = self._kraken.served.plan
        for rule in injection.rules:
            plan.add(rule)
        said = await self._tell(do="ask", read=read)
        plan.clear()
        before, after = (msgspec.convert(said[name], Picture) for name in ("before", "after"))
        named = [msgspec.convert({**each, "text": _steady(each["text"])}, Named) for each in said["named"]]
        truth = {
            asset: {name: parse_amount(text) for name, text in row.items()}
            for asset, row in self._kraken.venue.truth()["accounts"]["master"]["assets"].items()
        }
        found = finding_of(injection, front="sockets", before=before, after=after, named=named, truth=truth)
        found = msgspec.structs.replace(found, grew_mib=said["grew_mib"])
        if found.grew_mib is not None and found.grew_mib > GROWS_AT_MOST_MIB:
            found = msgspec.structs.replace(found, is_kept=False, problem=f"memory grew by {found.grew_mib} MiB")
        healed = await self._tell(do="heal")
        if not healed["is_ok"]:
            found = msgspec.structs.replace(found, is_kept=False, problem="not believed again after healing")
        elif msgspec.convert(healed["picture"], Picture).digest() == before.digest():
            found = msgspec.structs.replace(found, is_kept=False, problem="a good answer moved nothing either")
        return found

    async def reset_at_every_byte(self, read: str = "BalanceEx", *, step: int = 1) -> Finding:
        """N7: the connection is reset after each byte of the body; no part of it counts."""
        found: list[Finding] = []
        size = 0
        while True:
            action = {"do": "cut_body", "at": size, "how": "reset", "chunked": bool(size // step % 2)}
            rule = {"kind": "rest", "name": list(BALANCE_READS), "action": action}
            one = await self.mislead(Injection(row="N7", what=f"reset at {size}", rules=(rule,)), read=read)
            if one.said == "believed" or size > 10_000:
                break
            found.append(one)
            size += step
        if not 60 < size < 10_000:
            raise AssertionError(f"an answer reset after {size} bytes was believed, or none ever")
        whole = in_many_places("N7", f"`{read}` reset after each of its {size} bytes", found)
        grown = [each.grew_mib for each in found if each.grew_mib is not None]
        return msgspec.structs.replace(whole, grew_mib=max(grown, default=None))


def _steady(text: str) -> str:
    """An error's text without what differs from run to run."""
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


@contextlib.asynccontextmanager
async def misled(*, seed: int = 0) -> AsyncIterator[Misled]:
    """A venue and a client that reads when told to, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="hf-misled-") as folder:
        async with local_kraken(seed=seed) as kraken:
            order = {
                "kind": "external_order",
                "pair": "XXBTZUSD",
                "side": "buy",
                "quantity": "0.01",
                "price": "20000.0",
            }
            kraken.venue.happen(order)
            config = kraken.config(Path(folder))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.crash.misled_client",
                json.dumps(config),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**24,
            )
            try:
                client = Misled(kraken, process)
                await client.says()
                yield client
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
