"""``python -m tests.scenarios.rows N8 W5 --seed 3``: the scenarios of these rows, one line for each."""

from __future__ import annotations

import argparse
import sys

import msgspec

from tests.scenarios.rows.everything import SCENARIOS
from tests.scenarios.rows.scenario import run


def main() -> int:
    """Run what was asked for, everything where nothing was; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.rows", description=__doc__)
    parser.add_argument("row", nargs="*", help="names of rows, or of scenarios")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="so many from --seed on")
    parser.add_argument("--front", choices=("memory", "sockets"), help="only these")
    asked = parser.parse_args()
    wanted = {name.upper() for name in asked.row}
    failed = 0
    for scenario in SCENARIOS.values():
        if (wanted and not wanted & {scenario.row, scenario.name.upper()}) or asked.front not in (None, scenario.front):
            continue
        for seed in range(asked.seed, asked.seed + asked.seeds):
            outcome = run(scenario, seed)
            failed += outcome.failure is not None
            print(msgspec.json.encode(outcome).decode(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
