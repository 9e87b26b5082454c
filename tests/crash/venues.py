"""A simulated Kraken in this process on real sockets, its journal and ledger at hand, and a bot's configuration."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp

from holdfast.core.amounts import parse_amount
from holdfast.core.credentials import Credential
from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.server import Served, serve_simulator
from holdfast.simulators.core.tls import Certificates
from holdfast.simulators.kraken import KrakenSimSettings, KrakenSimulator

__all__ = ["LocalKraken", "differences", "local_kraken"]

_ASSETS: Final = ("USD", "EUR", "BTC", "ETH", "SOL", "USDT")


class LocalKraken:
    """
    One served venue.

    Attributes:
        served: Its addresses, its journal and its faults.
        venue: The venue itself.
        credential: The master account's key.
    """

    def __init__(self, served: Served, venue: KrakenSimulator, *, seed: int) -> None:
        self.served = served
        self.venue = venue
        key = venue.credentials()[0]
        self.credential = Credential(venue="kraken", key=key["key"], secret=key["secret"])
        self._key = key
        self._rng = random.Random(f"happenings {seed}")

    def config(self, folder: Path, *, name: str = "kraken-master", **more: Any) -> dict[str, Any]:
        """A configuration of one broker with its key files and its state below *folder*, which exists."""
        for part in ("key", "secret"):
            path = folder / part
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(self._key[part] + "\n")
        broker = {
            "venue": "kraken",
            "environment": "simulated",
            "rest_url": self.served.rest,
            "ws_url": self.served.ws,
            "credentials": {"key_file": str(folder / "key"), "secret_file": str(folder / "secret")},
        }
        return {"state_dir": str(folder / "state"), "brokers": {name: broker}, **more}

    def happen(self) -> None:
        """Something ordinary happens to the account, or nothing where the account is too poor for it."""
        rng = self._rng
        amount = f"{rng.randint(1, 99_999) / 10_000:.4f}"
        choices: tuple[dict[str, Any], ...] = (
            {"kind": "deposit", "asset": rng.choice(_ASSETS), "amount": amount},
            {"kind": "withdrawal", "asset": "USD", "amount": amount},
            {"kind": "external_trade", "pair": "XXBTZUSD", "side": rng.choice(("buy", "sell")), "quantity": "0.0005"},
            {"kind": "external_order", "pair": "XXBTZUSD", "side": "buy", "quantity": "0.0002", "price": "20000.0"},
            {"kind": "external_cancel"},
        )
        with contextlib.suppress(ValueError):
            self.venue.happen(rng.choice(choices))

    async def burst(self, count: int, *, pause_s: float = 0.002) -> None:
        """So many happenings, close together. Suspends."""
        for _ in range(count):
            self.happen()
            await asyncio.sleep(pause_s)

    async def truth(self) -> dict[str, dict[str, str]]:
        """What ``GET /admin/truth`` says of the master account. Suspends."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.served.admin}/truth") as reply:
            document = json.loads(await reply.read())
        assets: dict[str, dict[str, str]] = document["accounts"]["master"]["assets"]
        return assets

    def nonces(self, since: int = 0) -> tuple[int, int, int, int]:
        """
        From journal entry *since* on: the largest nonce that was seen, how many, how many refused, and the next entry.
        """
        found = self.served.journal.since(since)
        assert found["lost"] == 0, "the venue's journal was too short"
        entries = found["entries"]
        seen = [int(entry["nonce"]) for entry in entries if entry["kind"] == "request" and entry.get("nonce")]
        refused = sum(
            "Invalid nonce" in (entry.get("outcome") or "") for entry in entries if entry["kind"] == "verdict"
        )
        return max(seen, default=0), len(seen), refused, found["next"]


@contextlib.asynccontextmanager
async def local_kraken(
    *,
    seed: int = 0,
    profile: str = "plain",
    settings: KrakenSimSettings | None = None,
    tls: Certificates | None = None,
) -> AsyncIterator[LocalKraken]:
    """Serve a venue for the length of the block. Calls are not counted: many clients share one key's budget here."""
    clock = SystemClock()
    venue = KrakenSimulator(
        seed=seed,
        profile=profile,
        clock=clock,
        timers=asyncio.get_running_loop(),
        settings=settings or KrakenSimSettings(are_calls_counted=False),
    )
    journal = Journal(clock, describe_frame=venue.describe_frame, max_entries=1_000_000, keeps_heartbeats=False)
    plan = FaultPlan(clock, impair=venue.impair, seed=seed)
    async with serve_simulator(venue, clock=clock, journal=journal, plan=plan, tls=tls) as served:
        yield LocalKraken(served, venue, seed=seed)


def differences(truth: dict[str, dict[str, str]], shown: dict[str, list[str | None]]) -> dict[str, str]:
    """What of *shown* (asset to total, held, available, state, reason) is not live and the truth, to the digit."""
    found: dict[str, str] = {}
    for asset, row in truth.items():
        theirs = [parse_amount(row[name]) for name in ("total", "held", "available")]
        if asset not in shown:
            if theirs[0] != 0:
                found[asset] = f"not shown; truth {theirs}"
            continue
        *amounts, state, reason = shown[asset]
        ours = [None if amount is None else parse_amount(amount) for amount in amounts]
        if ours != theirs:
            found[asset] = f"ours {ours}, truth {theirs}"
        elif state != "live" and not (state == "fresh" and "." in asset):  # Staked rows are never pushed.
            found[asset] = f"{state} ({reason})"
    for asset, (total, *_) in shown.items():
        if asset not in truth and (total is None or parse_amount(total) != 0):
            found[asset] = f"shown as {total}, and the venue has none"
    return found
