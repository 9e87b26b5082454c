"""
Tables for people: staleness first.

Live figures are plain, fresh ones too, stale ones are dimmed and say why, unknown ones are a dash: ``0`` is printed
only for a proven zero. The meaning never hangs on colour alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Container, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from holdfast.core.amounts import format_amount, parse_amount
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.verdicts import TradingState

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

    from holdfast.runtime.broker import Broker
    from holdfast.runtime.views import BrokerStatus

__all__ = ["Rows", "balances_table", "print_balances", "print_status", "status_table", "wrapped"]

_STATE_STYLE = {
    BalanceState.LIVE: "green",
    BalanceState.FRESH: "cyan",
    BalanceState.STALE: "dim",
    BalanceState.UNKNOWN: "dim",
}
_HEALTH_STYLE = {"healthy": "green", "degraded": "yellow", "down": "red"}


def amount_cell(amount: Decimal | None) -> Text:
    """An amount, or a dash where it is unknown."""
    return Text("–" if amount is None else short_amount(amount), justify="right")


def short_amount(amount: Decimal) -> str:
    """The amount without the zeros that say nothing; JSON has every digit the venue stated."""
    text = format_amount(amount)
    return text.rstrip("0").rstrip(".") if "." in text else text


def age_text(age_s: float | None) -> str:
    """An age a person reads at a glance."""
    if age_s is None:
        return "–"
    if age_s < 10:
        return f"{age_s:.1f} s"
    if age_s < 120:
        return f"{age_s:.0f} s"
    if age_s < 7200:
        return f"{age_s / 60:.0f} min"
    return f"{age_s / 3600:.0f} h"


def plain(text: str) -> Text:
    """Text of a venue: no markup, and nothing that would move the cursor."""
    return Text("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


def state_cell(balance: Balance) -> Text:
    """State, age and source, and why it is not better."""
    parts = [balance.state.value]
    if balance.age_s is not None:
        parts.append(age_text(balance.age_s))
    if balance.source is not None:
        parts.append(balance.source.value)
    text = " · ".join(parts)
    return Text(text if balance.reason is None else f"{text} ({balance.reason})", style=_STATE_STYLE[balance.state])


_NO_FIGURES = frozenset({"balances_unknown", "balances_restored", "venue_not_loaded"})


def balances_table(broker: Broker, *, limit: int | None = None, width: int | None = None) -> RenderableType:
    """
    One broker's balances under its condition.

    Where *width* columns (the terminal's when None) cannot hold the table, each asset gets lines of its own: an amount
    is never broken.
    """
    status = broker.status()
    figures = broker.balances()
    if not figures:
        # Something was read, yet perhaps not the balances: a refused key lets the venue's own clock be read.
        is_proven = status.last_success_age_s is not None and _NO_FIGURES.isdisjoint(status.reasons)
        note = "nothing held: proven" if is_proven else "no balance yet"
        return Group(title_of(status), Text(f"  {note}", style="dim"))
    shown = list(figures.items())[:limit]
    names = ["total", "held", "available", "spendable"]
    if any(balance.reserved for balance in figures.values()):
        names.insert(3, "reserved")
    rows = [
        (plain(asset), [amount_cell(getattr(balance, name)) for name in names], state_cell(balance), balance)
        for asset, balance in shown
    ]
    amounts_width = sum(
        max(len(name), *(cells[at].cell_len for _, cells, _, _ in rows)) + 2 for at, name in enumerate(names)
    )
    needed = max(row[0].cell_len for row in rows) + amounts_width + max(row[2].cell_len for row in rows) + 6
    parts: list[RenderableType] = [title_of(status)]
    if needed > (Console().width if width is None else width):
        for asset, cells, state, balance in rows:
            parts.append(Text.assemble("  ", asset.append("  "), state, no_wrap=True, overflow="ellipsis"))
            style = "" if balance.is_fit_to_approve else "dim"
            parts += [Text(f"    {name:10}{cell}", style=style) for name, cell in zip(names, cells, strict=True)]
    else:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("asset", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("how sure", no_wrap=True)
        for asset, cells, state, balance in rows:
            table.add_row(asset, *cells, state, style="" if balance.is_fit_to_approve else "dim")
        parts.append(table)
    if len(shown) < len(figures):
        parts.append(Text(f"  and {len(figures) - len(shown)} more", style="dim"))
    return Group(*parts)


def title_of(status: BrokerStatus) -> Text:
    """Broker, environment, health, stream."""
    title = Text.assemble(
        (status.broker, "bold"),
        f"  {status.venue} · {status.environment}  ",
        (status.health.value, _HEALTH_STYLE[status.health.value]),
        "  REST only" if status.stream.reason == "not_wanted" else f"  stream {status.stream.state}",
    )
    if status.stream.reason not in (None, "not_wanted"):
        title.append(f" ({status.stream.reason})", style="dim")
    if status.reasons:
        title.append(f"  {', '.join(status.reasons)}", style="yellow")
    if status.trading_state is not TradingState.ACTIVE:
        title.append(f"  orders: {status.trading_state.value}", style="bold yellow")
    if status.in_doubt:
        title.append(f"  {status.in_doubt} in doubt", style="bold yellow")
    return title


def print_balances(brokers: list[Broker]) -> None:
    """Every broker's balances on stdout."""
    console = Console()
    for broker in brokers:
        console.print(balances_table(broker))


def status_table(statuses: list[BrokerStatus]) -> RenderableType:
    """One column per broker, worst things first."""
    table = Table(show_header=True)
    table.add_column("")
    for status in statuses:
        table.add_column(status.broker)
    rows: list[tuple[str, list[RenderableType]]] = [
        ("health", [Text(s.health.value, style=_HEALTH_STYLE[s.health.value]) for s in statuses]),
        ("reasons", [Text(", ".join(s.reasons) or "none") for s in statuses]),
        ("available", [Text("yes" if s.is_available else "no") for s in statuses]),
        (
            "halted",
            [plain(s.halted_detail or s.halted_reason or "yes") if s.is_halted else Text("no") for s in statuses],
        ),
        ("orders", [plain(_trading_text(s)) for s in statuses]),
        ("reservations", [Text(_reservations_text(s)) for s in statuses]),
        ("venue", [Text(f"{s.venue} · {s.environment} · {s.venue_mode.value}") for s in statuses]),
        ("account", [plain(s.account_id or "not named yet") for s in statuses]),
        ("stream", [Text(_stream_text(s)) for s in statuses]),
        ("refused", [plain(_refusals(s)) for s in statuses]),
        ("last frame", [Text(age_text(s.stream.last_frame_age_s)) for s in statuses]),
        ("last read", [Text(age_text(s.last_success_age_s)) for s in statuses]),
        (
            "read latency",
            [Text("–" if s.read_latency_s is None else f"{s.read_latency_s * 1000:.0f} ms") for s in statuses],
        ),
        ("errors in a row", [Text(str(s.error_count)) for s in statuses]),
        ("last error", [plain(s.last_error or "none") for s in statuses]),
        (
            "clock offset",
            [Text("–" if s.venue_clock_offset_s is None else f"{s.venue_clock_offset_s:+.1f} s") for s in statuses],
        ),
        ("nonces refused", [Text(_nonce_text(s)) for s in statuses]),
        ("assets", [Text(str(s.assets)) for s in statuses]),
        ("suspect", [plain(", ".join(s.suspects) or "none") for s in statuses]),
        ("discrepancies", [Text(str(s.discrepancies)) for s in statuses]),
        ("store", [Text("ok" if s.store.is_ok else f"not accepting writes: {s.store.reason}") for s in statuses]),
    ]
    if any(s.notes for s in statuses):
        rows.append(("notes", [plain(" ".join(s.notes) or "none") for s in statuses]))
    for name, cells in rows:
        table.add_row(Text(name, style="dim"), *cells)
    return table


def _stream_text(status: BrokerStatus) -> str:
    stream = status.stream
    because = f" ({stream.reason})" if stream.reason else ""
    return f"{stream.state}{because} for {age_text(stream.for_s)}, connection {stream.connects}"


def _trading_text(status: BrokerStatus) -> str:
    because = "" if status.trading_reason is None else f": {status.trading_reason}"
    return f"{status.trading_state.value}{because}"


def _reservations_text(status: BrokerStatus) -> str:
    if not status.reservations:
        return "none"
    doubts = f", {status.in_doubt} in doubt" if status.in_doubt else ""
    return f"{status.reservations} live{doubts}"


def _refusals(status: BrokerStatus) -> str:
    refused = [f"{channel.name}: {channel.refusal}" for channel in status.stream.channels if channel.refusal]
    return "; ".join(refused) or "nothing"


def _nonce_text(status: BrokerStatus) -> str:
    nonce = status.nonce
    if nonce.parked_cause is None:
        return str(nonce.refused)
    until = "until a person acts" if nonce.parked_for_s is None else f"for {age_text(nonce.parked_for_s)}"
    return f"{nonce.refused}; parked: {nonce.parked_cause} {until}"


def print_status(statuses: list[BrokerStatus]) -> None:
    """Every broker's condition on stdout."""
    Console().print(status_table(statuses))


def when_text(wall_us: int) -> str:
    """Month, day and time in UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(wall_us / 1e6, tz=datetime.UTC)
    return moment.strftime("%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def trimmed(text: str | None) -> str:
    """A kept amount's text as ``short_amount`` shows it."""
    return "" if text is None else short_amount(parse_amount(text))


def wrapped(console: Console, text: str, *, width: int, first: str, indent: int) -> list[Text]:
    """*text* of ours or a venue's behind *first*, in lines of *width* columns, broken between words, then indented."""
    room = max(width - max(len(first), indent), 10)
    lines = plain(text).wrap(console, room)
    starts = [first or " " * indent, *[" " * indent] * (len(lines) - 1)]
    shown = [Text(start).append_text(line) for start, line in zip(starts, lines, strict=True)]
    for line in shown:
        line.rstrip()
    return shown


class Rows:
    """
    A table where it fits; where it does not, each row on lines of its own, its values with their labels.

    Args:
        heads: Of the columns; the first one's values name the rows.
        rows: The cells.
        plain_heads: Columns whose values need no label.
    """

    def __init__(self, heads: Sequence[str], rows: Sequence[Sequence[Text]], *, plain_heads: Container[str]) -> None:
        self._heads = heads
        self._rows = rows
        self._plain_heads = plain_heads

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for head in self._heads:
            table.add_column(head, no_wrap=True)
        for row in self._rows:
            table.add_row(*row)
        if Measurement.get(console, options.update(max_width=100_000), table).maximum <= options.max_width:
            yield table
            return
        for row in self._rows:
            yield row[0]
            labelled = (
                cell.plain if head in self._plain_heads else f"{head} {cell.plain}"
                for head, cell in zip(self._heads[1:], row[1:], strict=True)
                if cell.plain != "–"
            )
            yield from wrapped(console, ", ".join(labelled), width=options.max_width, first="", indent=4)
