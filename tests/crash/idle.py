"""A forked process that says that it lives, and does nothing more."""

from __future__ import annotations

import os
import signal
from typing import Any

__all__ = ["main"]


def main(work: Any) -> None:
    """Say so and wait."""
    os.write(1, b"here\n")
    signal.pause()
