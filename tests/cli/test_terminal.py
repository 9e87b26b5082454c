"""What a person sees on a terminal, tried on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import Command, Served


def seen_on_a_terminal(holdfast: Command, *arguments: str, for_s: float, columns: int = 100) -> tuple[int, str]:
    """Run the command on a pseudo-terminal: its exit code, and everything it wrote without escape sequences."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", *arguments],
        cwd=holdfast.folder,
        env={
            **os.environ,
            "HOLDFAST_STATE_DIR": str(holdfast.folder / "state"),
            "COLUMNS": str(columns),
            "LINES": "50",
            "TERM": "xterm",
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = bytearray()
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # The other end is closed.
                break
            if not part:
                break
            written += part
        elif process.poll() is not None:
            break
    process.wait(timeout=20)
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode("utf-8", "replace"))


@pytest.mark.timeout(90)
def test_demo_draws_changing_figures_and_no_traceback(holdfast: Command) -> None:
    code, text = seen_on_a_terminal(holdfast, "demo", "--for", "8s", for_s=60)
    assert code == 0, text[-2000:]
    assert "Traceback" not in text
    assert "10000" in text
    assert "10250" in text  # The deposit of 250 USD was drawn.
    assert "every balance equals the venue's own ledger" in text


@pytest.mark.parametrize("columns", [120, 80, 60, 40])
def test_amounts_are_never_broken_over_lines(holdfast: Command, shared_venue: Served, columns: int) -> None:
    holdfast.configure(shared_venue)
    code, text = seen_on_a_terminal(holdfast, "balances", for_s=30, columns=columns)
    assert code == 0
    for amount in ("10000", "2500", "0.4", "12.5"):
        assert re.search(rf"(?<![0-9.]){re.escape(amount)}(?![0-9.])", text), (amount, text)
