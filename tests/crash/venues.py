"""A simulated venue in this process on real sockets, its journal and ledger at hand, and a bot's configuration."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
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
from holdfast.simulators.kraken import KrakenSimSettings
from tests.crash.places import PLACES, Place

__all__ = ["LocalVenue", "differences", "local_kraken", "local_venue"]

_KEY_PARTS: Final = ("key", "secret", "passphrase")


class LocalVenue:
    """
    One served venue.

    Attributes:
        place: Which venue it is.
        served: Its addresses, its journal and its faults.
        venue: The venue itself.
        credential: The master account's key.
    """

    def __init__(self, place: Place, served: Served, venue: Any, *, seed: int) -> None:
        self.place = place
        self.served = served
        self.venue = venue
        key = venue.credentials()[0]
        self.credential = Credential(
            venue=place.id, key=key["key"], secret=key["secret"], passphrase=key.get("passphrase")
        )
        self._key = key
        self._rng = random.Random(f"happenings {seed}")

    def config(self, folder: Path, *, name: str | None = None, **more: Any) -> dict[str, Any]:
        """A configuration of one broker with its key files and its state below *folder*, which exists."""
        parts = [part for part in _KEY_PARTS if self._key.get(part)]
        for part in parts:
            path = folder / part
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(self._key[part].rstrip("\n") + "\n")  # A PEM ends with one of its own.
        broker = {
            "venue": self.place.id,
            "environment": "simulated",
            "rest_url": self.served.rest,
            "ws_url": self.served.ws,
            "credentials": {f"{part}_file": str(folder / part) for part in parts},
        }
        return {"state_dir": str(folder / "state"), "brokers": {name or self.place.broker: broker}, **more}

    def happen(self) -> None:
        """Something ordinary happens to the account, or nothing where the account is too poor for it."""
        rng = self._rng
        amount = f"{rng.randint(1, 99_999) / 10_000:.4f}"
        pair = self.place.pair
        choices: tuple[dict[str, Any], ...] = (
            {"kind": "deposit", "asset": rng.choice(self.place.assets), "amount": amount},
            {"kind": "withdrawal", "asset": "USD", "amount": amount},
            {"kind": "external_trade", "pair": pair, "side": rng.choice(("buy", "sell")), "quantity": "0.0005"},
            {"kind": "external_order", "pair": pair, "side": "buy", "quantity": "0.0002", "price": "20000.0"},
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

        No nonces where the venue has none.
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
async def local_venue(
    place: Place,
    *,
    seed: int = 0,
    profile: str = "plain",
    settings: Any = None,
    tls: Certificates | None = None,
) -> AsyncIterator[LocalVenue]:
    """Serve a venue for the length of the block. Calls are not counted: many clients share one key's budget here."""
    clock = SystemClock()
    venue = place.simulate(
        settings=settings or place.settings(),
        seed=seed,
        profile=profile,
        clock=clock,
        timers=asyncio.get_running_loop(),
    )
    journal = Journal(clock, describe_frame=venue.describe_frame, max_entries=1_000_000, keeps_heartbeats=False)
    plan = FaultPlan(clock, impair=venue.impair, seed=seed)
    async with serve_simulator(venue, clock=clock, journal=journal, plan=plan, tls=tls) as served:
        yield LocalVenue(place, served, venue, seed=seed)


def local_kraken(
    *,
    seed: int = 0,
    profile: str = "plain",
    settings: KrakenSimSettings | None = None,
    tls: Certificates | None = None,
) -> AbstractAsyncContextManager[LocalVenue]:
    """Serve a Kraken, as ``local_venue``."""
    return local_venue(PLACES["kraken"], seed=seed, profile=profile, settings=settings, tls=tls)


def differences(
    truth: dict[str, dict[str, str]], shown: dict[str, list[str | None]], *, best: str = "live"
) -> dict[str, str]:
    """What of *shown* (asset to total, held, available, state, reason) is not *best* and the truth, to the digit."""
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
        elif state != best and not (state == "fresh" and "." in asset):  # Staked rows are never pushed.
            found[asset] = f"{state} ({reason})"
    for asset, (total, *_) in shown.items():
        if asset not in truth and (total is None or parse_amount(total) != 0):
            found[asset] = f"shown as {total}, and the venue has none"
    return found
