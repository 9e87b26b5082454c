"""How a wrapped object ends: at the interpreter's end, twice, and under a call that still waits. No venue answers."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import textwrap
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest

import holdfast
from holdfast.core.seams import Priority

pytestmark = [pytest.mark.processes, pytest.mark.timeout(60)]

NOWHERE = "http://127.0.0.1:9"
OPTIONS = {
    "apiKey": "SIMkey",
    "secret": base64.b64encode(bytes(64)).decode(),
    "urls": {"api": {"public": NOWHERE, "private": NOWHERE}},
}


def wrapped(module: Any, state_dir: Path) -> Any:
    return holdfast.wrap(module.kraken(OPTIONS), state_dir=state_dir)


def test_a_script_that_never_closes_its_exchange_ends(tmp_path: Path) -> None:
    """ccxt's synchronous objects are hardly ever closed; one more thread at the interpreter's end would never start."""
    script = f"""
        import ccxt, holdfast
        exchange = holdfast.wrap(ccxt.kraken({OPTIONS!r}), state_dir={str(tmp_path)!r})
        exchange._bond.engine()
        """

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=45, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_closing_under_a_waiting_call_is_told_in_ccxts_words(tmp_path: Path) -> None:
    exchange = wrapped(ccxt, tmp_path)
    engine, has_begun, told = exchange._bond.engine(), threading.Event(), list[BaseException]()

    async def forever() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    def ask() -> None:
        try:
            exchange._run(forever)
        except BaseException as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    has_begun.wait()
    engine.stop()
    asking.join()
    exchange.close()
    exchange.close()

    assert [type(error) for error in told] == [ccxt.ExchangeClosedByUser]


async def test_closing_under_a_waiting_task_is_no_cancellation_of_that_task(tmp_path: Path) -> None:
    exchange = wrapped(ccxt.async_support, tmp_path)
    has_begun = threading.Event()

    async def forever() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    def asked() -> Coroutine[Any, Any, None]:
        run: Coroutine[Any, Any, None] = exchange._run(forever)
        return run

    left, cancelled = asyncio.create_task(asked()), asyncio.create_task(asked())
    await asyncio.to_thread(has_begun.wait)
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await exchange.close()
    with pytest.raises(ccxt.ExchangeClosedByUser, match="look before you repeat"):
        await left
    await exchange.close()


async def locked_out(engine: Any) -> None:
    async with engine._room.lane.turn(priority=Priority.BALANCE) as turn:
        await turn.park("lockout", for_s=900.0)


def test_during_a_lockout_an_unsigned_call_is_not_sent_either(tmp_path: Path) -> None:
    """The venue counts it, and begins its silence anew."""
    exchange = wrapped(ccxt, tmp_path)
    engine = exchange._bond.engine()
    with pytest.raises(ccxt.NetworkError, match="GET http"):
        exchange.fetch_time()  # Sent, to where nobody is.
    engine.submit(lambda: locked_out(engine)).result()

    with pytest.raises(ccxt.DDoSProtection, match="nothing is sent"):
        exchange.fetch_time()

    async def asks() -> None:
        beside = wrapped(ccxt.async_support, tmp_path)
        try:
            with pytest.raises(ccxt.DDoSProtection, match="nothing is sent"):
                await beside.fetch_time()
        finally:
            await beside.close()

    asyncio.run(asks())
    exchange.close()
