"""``python -m bench [rows…] [--output json|table] [--quick] [--evidence]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench import (
    rows_code,
    rows_coinbase,
    rows_durable,
    rows_health,
    rows_money,
    rows_nonces,
    rows_okx,
    rows_start,
    rows_time,
)
from bench.figures import Figure, Scale, machine
from tools.evidence import write_evidence

__all__ = ["ROWS", "main", "run", "table"]

ROWS: dict[str, Callable[[Scale], list[Figure]]] = {
    "import": rows_start.imports,
    "start": rows_start.start,
    "nonces": rows_nonces.nonces,
    "sign": rows_code.sign,
    "parse": rows_code.parsing,
    "stream": rows_code.streaming,
    "sign_coinbase": rows_coinbase.sign,
    "parse_coinbase": rows_coinbase.parsing,
    "sign_okx": rows_okx.sign,
    "parse_okx": rows_okx.parsing,
    "virtual": rows_time.virtual,
    "reads": rows_time.reads,
    "funds": rows_money.funds,
    "claims": rows_money.claims,
    "guarded": rows_health.guarded,
    "durable": rows_durable.durable,
    "reservations": rows_durable.reservations,
}


def run(names: Sequence[str], scale: Scale) -> dict[str, Any]:
    """Measure rows one after the other; the document that ``--output json`` prints. Blocks."""
    before = machine()
    figures: list[Figure] = []
    for name in names:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        figures += ROWS[name](scale)
    return {
        "schema_version": 1,
        "is_quick": scale.is_quick,
        "machine": {**before, "load_average_after": machine()["load_average"]},
        "rows": msgspec.to_builtins(figures),
    }


def table(document: dict[str, Any]) -> str:
    """The document as lines for people."""
    heads = ("row", "case", "unit", "floor", "ours", "ratio", "goal", "met", "peers")
    lines = [heads]
    for row in document["rows"]:
        peers = "; ".join(f"{name} {_text(value)}" for name, value in row["peers"].items())
        facts = "; ".join(f"{name}={_text(value)}" for name, value in row["facts"].items())
        lines.append(
            (
                row["row"],
                row["case"],
                row["unit"],
                _text(row["floor"]),
                _text(row["ours"]),
                f"{row['ratio']:.2f}",
                row["goal"],
                "yes" if row["is_met"] else "NO",
                "; ".join(each for each in (peers, facts) if each) or "–",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) - 1)]
    text = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)), line[-1]])
        for line in lines
    ]
    facts = document["machine"]
    text.append(f"{facts['cpu_count']} CPUs, Python {facts['python']}, load {facts['load_average']} before")
    if document["is_quick"]:
        text.append("--quick: shows that the rows run; its figures mean nothing")
    return "\n".join(text)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,g}"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 whether goals are met or not, for figures depend on the machine."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Floors, peers and ours in the same run.")
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; all where none is named")
    parser.add_argument("--output", choices=["json", "table"], default="table")
    parser.add_argument("--quick", action="store_true", help="show that rows run; the figures mean nothing")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/bench.json too; needs all rows")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.rows if name not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if given.evidence and (given.rows or given.quick):
        parser.error("--evidence is for all rows of a full run")
    started = datetime.now(UTC)
    document = run(given.rows or list(ROWS), Scale(is_quick=given.quick))
    print(json.dumps(document, indent=2, ensure_ascii=False) if given.output == "json" else table(document), flush=True)
    if given.evidence:
        missed = [f"{row['row']} ({row['case']})" for row in document["rows"] if not row["is_met"]]
        outcome = f"failed: goals missed: {', '.join(missed)}" if missed else "passed"
        write_evidence("bench", document, started=started, outcome=outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
