"""Tables of orders, reservations and verdicts for people. What is not known is a dash, never a zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.cli.journal_lines import JournalLines
from holdfast.cli.tables import Rows, amount_cell, plain, short_amount, when_text
from holdfast.core.verdicts import MEANINGS

if TYPE_CHECKING:
    from decimal import Decimal

    from holdfast.core.seams import JournalRow
    from holdfast.core.verdicts import Verdict
    from holdfast.runtime.views import Order, ReservationView

__all__ = ["print_order", "print_orders", "print_reservation", "print_reservations", "print_verdict"]


def print_verdict(verdict: Verdict) -> None:
    """One verdict on stdout: the answer first, then the arithmetic that it rests on."""
    out = Console(soft_wrap=True)
    answer = ("yes", "bold green") if verdict.is_approved else ("no", "bold red")
    out.print(Text.assemble(answer, f"  {verdict.code.value}: {MEANINGS[verdict.code]}"))
    out.print(plain(f"  {verdict.arithmetic}"))
    if verdict.detail is not None and verdict.detail not in verdict.arithmetic:
        out.print(plain(f"  {verdict.detail}"))


def print_orders(broker: str, orders: list[Order]) -> None:
    """Orders on stdout, one a line."""
    out = Console()
    if not orders:
        out.print(plain(f"{broker}: no orders"), style="dim")
        return
    heads = ("order", "what", "quantity", "price", "filled", "state", "reserved")
    rows = [
        (
            plain(order.intent_id or order.order_id or "–"),
            plain(_what(order)),
            _quantity_cell(order),
            amount_cell(order.limit_price),
            amount_cell(order.filled),
            plain(_state(order)),
            _reserved_cell(order),
        )
        for order in orders
    ]
    out.print(Rows(heads, rows, plain_heads={"what", "state"}))


def print_order(order: Order) -> None:
    """One order on stdout, a line per fact."""
    fees = ", ".join(f"{short_amount(amount)} {asset}" for asset, amount in order.fees.items())
    _print_facts(
        ("order", order.intent_id or "external"),
        ("at the venue", order.order_id),
        ("client order id", order.client_order_id),
        ("what", _what(order)),
        ("quantity", _amount(order.quantity)),
        ("quote quantity", _amount(order.quote_quantity)),
        ("limit price", _amount(order.limit_price)),
        ("state", order.state.value),
        ("filled", _amount(order.filled)),
        ("cost", _amount(order.cost)),
        ("fees", fees or None),
        ("reservation", None if order.reservation is None else order.reservation.value),
        ("reserved", f"{short_amount(order.reserved)} {order.asset}" if order.asset else None),
        ("bot", order.bot),
        ("because", order.detail),
        ("since", None if order.created_us is None else f"{when_text(order.created_us)} UTC"),
        ("changed", None if order.updated_us is None else f"{when_text(order.updated_us)} UTC"),
    )


def print_reservations(broker: str, views: list[ReservationView]) -> None:
    """Reservations on stdout, one a line."""
    out = Console()
    if not views:
        out.print(plain(f"{broker}: nothing is reserved"), style="dim")
        return
    heads = ("intent", "state", "asset", "claimed", "reserved", "for", "order", "bot", "since")
    rows = [
        (
            plain(view.intent_id),
            plain(view.state.value),
            plain(view.asset),
            amount_cell(view.amount),
            amount_cell(view.reserved),
            plain(" ".join(part for part in (view.side and view.side.value, view.symbol) if part) or "–"),
            plain("none yet" if view.order is None else view.order.value),
            plain(view.bot or "–"),
            plain(when_text(view.created_us)),
        )
        for view in views
    ]
    out.print(Rows(heads, rows, plain_heads={"state"}))


def print_reservation(view: ReservationView, rows: list[JournalRow]) -> None:
    """One reservation on stdout, and how it came to stand where it stands."""
    _print_facts(
        ("intent", view.intent_id),
        ("state", view.state.value),
        ("because", view.cause if view.detail is None else f"{view.cause}: {view.detail}"),
        ("claimed", f"{short_amount(view.amount)} {view.asset}"),
        ("reserved", f"{short_amount(view.reserved)} {view.asset}"),
        ("for", " ".join(part for part in (view.side and view.side.value, view.symbol) if part) or None),
        ("order", "none yet" if view.order is None else view.order.value),
        ("at the venue", view.order_id),
        ("client order id", view.client_order_id),
        ("bot", view.bot),
        ("since", f"{when_text(view.created_us)} UTC"),
        ("changed", f"{when_text(view.updated_us)} UTC"),
    )
    if rows:
        out = Console()
        out.print()
        out.print(JournalLines(rows, is_one_intent=True))


def _print_facts(*facts: tuple[str, str | None]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts:
        if text is not None:
            table.add_row(name, plain(text))
    Console().print(table)


def _what(order: Order) -> str:
    return " ".join((order.side.value, order.symbol or "an instrument that is not listed", order.order_type))


def _state(order: Order) -> str:
    if order.intent_id is None:
        return f"{order.state.value}, not ours"
    return order.state.value if order.bot is None else f"{order.state.value} · {order.bot}"


def _quantity_cell(order: Order) -> Text:
    if order.quantity is None and order.quote_quantity is not None:
        quote = (order.symbol or "").partition("-")[2]
        return Text(f"{short_amount(order.quote_quantity)} {quote}".strip(), justify="right")
    return amount_cell(order.quantity)


def _reserved_cell(order: Order) -> Text:
    if order.asset is None:
        return Text("–", justify="right")
    return Text(f"{short_amount(order.reserved)} {order.asset}", justify="right")


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else short_amount(amount)
