"""The journal for people: a row a line where it fits, what is said with its labels, and no word broken that fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from holdfast.cli.tables import plain, trimmed, when_text, wrapped

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

    from holdfast.core.seams import JournalRow
    from holdfast.runtime.views import Explanation

__all__ = ["JournalLines", "print_explanation", "print_history", "words_of_row"]

_LEAST_ROOM: Final = 34
"""A text with less room than this beside the time goes below it."""

_FIGURES: Final = ("total", "held", "available")


class JournalLines:
    """
    Journal rows, as wide as there is room.

    Figures stand in columns where these fit, and are labelled where they do not.

    Args:
        rows: What to show, in this order.
        is_one_intent: They are the steps of one intent that is named above them.
    """

    def __init__(self, rows: Sequence[JournalRow], *, is_one_intent: bool = False) -> None:
        self._rows = rows
        self._is_one_intent = is_one_intent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        places = max((len(str(row.seq)) for row in self._rows), default=0)
        shown = [(f"{row.seq!s:>{places}}  {when_text(row.wall_us)}", row, _facts_of(row)) for row in self._rows]
        heads = [head for head, *_ in shown]
        figures = {at: _cells(row) for at, (_, row, _) in enumerate(shown) if row.total is not None}
        sizes = [max(map(len, column)) for column in zip(("what", *_FIGURES), *figures.values(), strict=True)]
        beside = len(heads[0]) + 2 if heads else 0
        are_columns = bool(figures) and beside + sum(sizes) + 2 * len(_FIGURES) <= width
        if are_columns:
            yield Text(f"{'seq':>{places}}  {'UTC':18}  {_line(('what', *_FIGURES), sizes)}", style="bold")
        for at, (head, row, facts) in enumerate(shown):
            if are_columns and at in figures:
                line, said = f"{head}  {_line(figures[at], sizes)}", _told(facts)
                if len(line) + 2 + len(said) <= width:
                    yield Text(f"{line}  ").append_text(plain(said))
                else:
                    yield Text(line)
                    yield from wrapped(console, said, width=width, first="", indent=beside + 2)
                continue
            text = words_of_row(row, is_one_intent=self._is_one_intent)
            if width - beside < _LEAST_ROOM:
                yield Text(head)
                yield from wrapped(console, text, width=width, first="", indent=4)
            else:
                yield from wrapped(console, text, width=width, first=f"{head}  ", indent=beside + 2)


def print_history(rows: Sequence[JournalRow]) -> None:
    """The journal on stdout."""
    console = Console()
    if rows:
        console.print(JournalLines(rows))
    else:
        console.print("no journal rows", style="dim")


def print_explanation(explanation: Explanation) -> None:
    """Why a figure is what it is, on stdout."""
    console = Console()
    for line in explanation.lines:
        console.print(plain(line))
    if explanation.rows:
        console.print()
        console.print(JournalLines(explanation.rows))


def words_of_row(row: JournalRow, *, is_one_intent: bool = False) -> str:
    """What a row says, without its number and time; with *is_one_intent* without what all steps of one have alike."""
    facts = _facts_of(row)
    if row.kind == "reservation":
        step = ", ".join(_step(facts, row.asset or "", is_whole=not is_one_intent))
        return step if is_one_intent else f"reservation {row.asset}: {facts.get('intent_id', '')} {step}"
    if row.kind == "audit":
        return _act(facts)
    what = " ".join(_what(row))
    said = [f"{name} {trimmed(getattr(row, name))}" for name in _FIGURES if getattr(row, name) is not None]
    told = _told(facts)
    return f"{what}: {', '.join((*said, told) if told else said)}"


def _step(facts: Mapping[str, Any], asset: str, *, is_whole: bool) -> Iterable[str]:
    """One change of a claim and its order."""
    before, after = facts.get("before"), facts.get("after", "")
    yield f"{facts.get('cause', 'changed')}: {after if before in (None, after) else f'{before} → {after}'}"
    if "order" in facts:
        yield f"order {facts['order']}"
    if "reserved" in facts and "amount" in facts:
        yield f"reserved {trimmed(facts['reserved'])} of {trimmed(facts['amount'])} {asset}".rstrip()
    if "filled" in facts:
        yield f"filled {trimmed(facts['filled'])}"
    if is_whole and "bot" in facts:
        yield f"bot {facts['bot']}"
    if is_whole and "order_id" in facts:
        yield f"at the venue {facts['order_id']}"
    if "detail" in facts:
        yield str(facts["detail"])


def _act(facts: Mapping[str, Any]) -> str:
    """Who did what; how it stood before and after is for `holdfast audit`."""
    who = f"user {facts.get('uid')}, process {facts.get('pid')}"
    typed = f": {facts['command']}" if "command" in facts else ""
    return f"{facts.get('cause', 'act')}: {facts.get('outcome', '')} (by {who}{typed})"


def _told(facts: Mapping[str, Any]) -> str:
    """A row's cause: the word for it, by what it came, and the rest with its names."""
    rest = dict(facts)
    cause, read = rest.pop("cause", None), rest.pop("read", None)
    word = str(cause or read or "")
    if cause and read and cause != read:
        word += f" ({read})"
    return ", ".join((*([word] if word else ()), *(f"{name} {value}" for name, value in rest.items())))


def _what(row: JournalRow) -> Iterable[str]:
    return (part for part in (row.kind, row.asset, None if row.source == row.kind else row.source) if part)


def _cells(row: JournalRow) -> tuple[str, ...]:
    return (" ".join(_what(row)), *(trimmed(getattr(row, name)) or "–" for name in _FIGURES))


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    what, *amounts = cells
    return "  ".join(
        (f"{what:{sizes[0]}}", *(f"{text:>{size}}" for text, size in zip(amounts, sizes[1:], strict=True)))
    )


def _facts_of(row: JournalRow) -> dict[str, Any]:
    try:
        facts = msgspec.json.decode(row.cause, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"cause": row.cause}
    return {name: value for name, value in facts.items() if value is not None}
