"""
The command line: a thin face over the public library.

Data goes to stdout, diagnostics to stderr; every command takes ``--output json``. Exit codes are part of the contract
(see ``exits``). Commands are imported when they are called, so that ``holdfast --help`` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit the process with its code."""
    from holdfast.cli.run import run

    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))
