"""A bot's decimal context, however ruinous, changes no figure, no journal text and nothing the commands print."""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.amounts import parse_amount
from tests.crash.client import BROKER
from tests.crash.contexts import HOSTILE, told_under
from tests.crash.venues import LocalVenue, differences, local_kraken

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("seed", [0, 1])
def test_figures_journal_and_commands_are_the_same_under_any_context(name: str, seed: int) -> None:
    usual = told_under(None, seed=seed)
    hostile = told_under(HOSTILE[name], seed=seed)
    assert hostile == usual
    assert len(usual.journal) > 15


def test_contexts_would_ruin_what_they_got_at() -> None:
    for context in HOSTILE.values():
        with decimal.localcontext(context) as here:
            try:
                sum_ = decimal.Decimal("123456789.0123") + decimal.Decimal("0.0000000001")
            except decimal.DecimalException:
                continue
            assert sum_ != parse_amount("123456789.0123000001"), here


async def seen_by_bot(kraken: LocalVenue, folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a synchronous bot in a process of its own saw, and what the commands printed there."""
    config = kraken.config(folder)
    path = folder / "holdfast.toml"
    broker = dict(config["brokers"][BROKER])
    files = ", ".join(f"{key} = {json.dumps(value)}" for key, value in broker.pop("credentials").items())
    lines = [f"{key} = {json.dumps(value)}" for key, value in broker.items()]
    path.write_text("\n".join([f"[brokers.{BROKER}]", *lines, f"credentials = {{ {files} }}", ""]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.hostile_bot",
        json.dumps(config),
        name,
        str(path),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["at"] == "live"
        for event in (
            {"kind": "deposit", "asset": "USD", "amount": "123456789.0123"},
            {"kind": "deposit", "asset": "BTC", "amount": "0.0000000001"},
            {"kind": "external_order", "pair": "XXBTZUSD", "side": "buy", "quantity": "0.00123457", "price": "20000.1"},
        ):
            kraken.venue.happen(event)
        await asyncio.sleep(0.2)
        process.stdin.write(b"look\n")
        seen = json.loads(await process.stdout.readline())
        commands = json.loads(await process.stdout.readline())
        assert await process.wait() == 0
        return seen, commands
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.processes
async def test_synchronous_bot_with_six_digits_sees_writes_and_prints_the_venues_own_figures(tmp_path: Path) -> None:
    async with local_kraken(seed=5) as kraken:
        seen, commands = await seen_by_bot(kraken, tmp_path, "six digits, rounded up, every trap set")
        truth = await kraken.truth()

    assert differences(truth, seen["balances"]) == {}
    assert parse_amount(seen["balances"]["USD"][0]) == parse_amount("123466789.0123")
    assert parse_amount(seen["balances"]["BTC"][0]) == parse_amount("0.4000000001")
    newest = {row[2]: row for row in seen["rows"] if row[3] is not None}
    assert {asset: parse_amount(row[3]) for asset, row in newest.items()} == {
        asset: parse_amount(row["total"]) for asset, row in truth.items()
    }
    printed = json.loads(commands["document"])["brokers"][BROKER]["balances"]
    for asset, row in truth.items():
        for figure in ("total", "held", "available"):
            assert parse_amount(printed[asset][figure]) == parse_amount(row[figure])
    assert "123466789.0123" in commands["table"]
    assert "0.4000000001" in commands["table"]
    assert "123466789.0123" in commands["history"]
