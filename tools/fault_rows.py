"""The page of fault rows: each row, the scenarios that are named after it, and what their latest full run found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["RESULT", "fault_rows_page"]

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "evidence" / "rows.json"

INTRODUCTION = """\
What can go wrong between a bot and a venue, row by row, and what has to hold then. Each row has scenarios that are
named after it: they make it happen at a simulated Kraken and are judged by what the venue knows and the client says.
*Memory* is virtual time, many seeds, with every invariant of the scenario worlds judged at every step; *sockets* is a
real client in real time, with a [TCP proxy](../how-to/simulator.md#on-the-way-between-the-two) in between. *Seen* has
the largest figure of all runs, and the words that came up.

<!-- test: skip=runs from a checkout -->
```console
$ python -m tests.scenarios.rows N8 --seed 3     # one row again
$ python -m tests.soak rows                      # all of them, {count} scenarios with all their seeds
```

{result}

Rows about several tasks, processes that are killed, disks, misuse of the library and attacks on its interfaces are
proven by tests of their own ([Crash anywhere, lose nothing](../concepts/p10-crashes.md) tells of some). Rows that
concern Coinbase or OKX alone come with those venues; rows of a store that several hosts share, with that store.
"""


def _latest() -> dict[str, Any] | None:
    if not RESULT.is_file():
        return None
    document: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
    return document


def fault_rows_page() -> str:
    """Markdown of the whole page."""
    from tests.scenarios.rows.everything import SCENARIOS
    from tests.scenarios.rows.table import GROUPS, ROWS

    latest = _latest()
    parts = [
        "# Fault rows\n",
        INTRODUCTION.format(count=len(SCENARIOS), result=_told(latest)),
    ]
    measured: dict[str, Any] = {} if latest is None else latest["figures"].get("table", {})
    for letter, group in GROUPS.items():
        parts.append(f"## {group}\n")
        for row in ROWS.values():
            if row.name[0] != letter:
                continue
            mine = [each for each in SCENARIOS.values() if each.row == row.name]
            parts.append(f"### {row.name}: {row.fault}\n\n{row.holds}\n")
            lines = ["| scenario | how it happens | where | result | seen |", "| --- | --- | --- | --- | --- |"]
            for each in mine:
                cells = (f"`{each.name}`", each.how, each.front, *_cells(measured.get(each.name)))
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _told(latest: dict[str, Any] | None) -> str:
    if latest is None:
        return "No full run has been recorded yet."
    figures = latest["figures"]
    ended = latest["ended"][:10]
    if latest["outcome"] != "passed":
        return f"The latest full run, {ended}, failed: {len(figures.get('failed', []))} of {figures.get('runs')} runs."
    return (
        f"The latest full run, {ended}: {figures['rows']} rows, {figures['scenarios']} scenarios, {figures['runs']} "
        "runs; all held. Its result file is `docs/evidence/rows.json`."
    )


def _cells(found: dict[str, Any] | None) -> tuple[str, str]:
    if found is None:
        return "not run yet", ""
    times = f"{found['seeds']} {'seed' if found['seeds'] == 1 else 'seeds'}"
    result = f"holds, {times}" if not found["failed"] else f"**fails**, {found['failed']} of {times}"
    return result, "; ".join(_seen(found["at_most"]))


def _seen(at_most: dict[str, Any]) -> Iterator[str]:
    for name, value in at_most.items():
        if isinstance(value, list):
            words = ", ".join(f"`{_plain(text)}`" for text in value if text)
            if words:
                yield f"{_spelt(name)} {words}"
        elif value is not None:
            unit = " s" if name.endswith("_s") else " MiB" if name.endswith("_mib") else ""
            yield f"{_spelt(name.removesuffix('_s').removesuffix('_mib'))} {value:g}{unit}"


def _spelt(name: str) -> str:
    return name.replace("_", " ")


def _plain(text: str) -> str:
    """Text of others as text: nothing in it may become markup of ours."""
    shown = text if len(text) <= 90 else text[:87] + "…"
    return shown.replace("`", "'").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
