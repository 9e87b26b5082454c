"""``python -m holdfast.simulators VENUE``: the same as ``holdfast sim VENUE``, without the rest of the CLI."""

from __future__ import annotations

import argparse
import sys

from holdfast.simulators.run import PROFILES, VENUES, run_simulator


def main(arguments: list[str] | None = None) -> int:
    """Parse *arguments* (the process's own where None) and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m holdfast.simulators", description="Serve a simulated venue.")
    parser.add_argument("venue", choices=list(VENUES))
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="decides keys, figures and events")
    parser.add_argument("--tls", action="store_true", help="https and wss, with a throw-away authority")
    parser.add_argument("--profile", choices=PROFILES, default="plain")
    given = parser.parse_args(arguments)
    return run_simulator(given.venue, port=given.port, seed=given.seed, tls=given.tls, profile=given.profile)


if __name__ == "__main__":
    sys.exit(main())
