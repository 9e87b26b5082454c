"""
A synchronous bot with a ruinous decimal context: ``python -m tests.crash.hostile_bot CONFIG NAME``.

The context is the main thread's, and what every new thread begins with. It opens its desk in a thread of its own,
waits until it is told to look, and prints what it sees: figures, journal, and what two commands print.
"""

from __future__ import annotations

import contextlib
import decimal
import io
import json
import os
import sys
import threading
from typing import Any

import holdfast
from holdfast.cli.run import run
from tests.crash.client import BROKER, balances_of, row_facts, say
from tests.crash.contexts import HOSTILE

__all__: list[str] = []


def _become_hostile(context: decimal.Context) -> None:
    for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp"):
        setattr(decimal.DefaultContext, name, getattr(context, name))
    decimal.DefaultContext.traps.update(context.traps)
    decimal.setcontext(context.copy())


def _trade(config: dict[str, Any]) -> None:
    with holdfast.open_blocking(config) as desk:
        broker = desk[BROKER]
        broker.wait_until("live")
        say(at="live")
        sys.stdin.readline()
        broker.refresh()
        broker.wait_until("live")
        rows = broker.history(limit=100_000)
        say(at="seen", balances=balances_of(broker), rows=[row_facts(row) for row in rows])


def _command(*words: str, config: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run([*words, "--config", config])
    if code:
        raise SystemExit(f"{words} ended with {code}")
    return out.getvalue()


def main() -> None:
    """Trade, then look at what the commands say."""
    config, name, path = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
    _become_hostile(HOSTILE[name])
    thread = threading.Thread(target=_trade, args=(config,))
    thread.start()
    thread.join()
    os.environ["HOLDFAST_STATE_DIR"] = config["state_dir"]
    os.environ["COLUMNS"] = "200"
    say(
        at="commands",
        document=_command("balances", "--output", "json", config=path),
        table=_command("balances", config=path),
        history=_command("history", config=path),
    )


if __name__ == "__main__":
    main()
