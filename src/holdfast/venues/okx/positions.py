"""
OKX's open positions to our values. Pure: bytes and names in, values or a named refusal out.

An account in spot mode, the only one that the adapter works with, has none: an empty answer proves it. What another
mode would show is told all the same, so that a person sees what the broker was halted for.
"""

from __future__ import annotations

from holdfast.core.positions import MarginPosition, PositionSide
from holdfast.errors import PayloadError
from holdfast.venues.okx import wire
from holdfast.venues.okx.parse import amount, milliseconds, optional_amount, rows_of
from holdfast.venues.okx.symbols import Names

__all__ = ["REQUEST", "positions"]

REQUEST = "account/positions"


def positions(body: bytes, names: Names) -> tuple[tuple[MarginPosition, ...], tuple[str, ...]]:
    """
    Every open margin position, and every other one in a sentence; absence means that there is none.

    Raises:
        PayloadError: Not this shape, or a margin position that is neither long nor short.

    Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions (checked 2026-11-20)
    """
    found: list[MarginPosition] = []
    others: list[str] = []
    for row in rows_of(body, wire.AccountPosition, REQUEST):
        where = f"{REQUEST} {ascii(row.pos_id)[:40]}"
        size = amount(row.pos, f"{where}.pos")
        if not size:
            continue
        if row.inst_type != "MARGIN":
            what = f"{ascii(row.inst_type)[:20]} {ascii(row.inst_id)[:40]}"
            others.append(f"okx has a position of {row.pos} in {what}: holdfast trades spot only")
            continue
        symbol = names.instrument(row.inst_id)
        base, quote = names.sides(symbol)
        if symbol is None or row.pos_ccy not in (base, quote):
            others.append(
                f"okx has a margin position of {row.pos} in {ascii(row.inst_id)[:40]}, which it does not list"
            )
            continue
        is_long = row.pos_ccy == base
        owed = optional_amount(row.liab, f"{where}.liab")
        if not is_long and (owed is None or row.liab_ccy != base):
            raise PayloadError(f"{where}: a short position that says not how much {base} is owed")
        quantity = size if is_long or owed is None else owed
        found.append(
            MarginPosition(
                position_id=row.pos_id,
                symbol=symbol,
                venue_symbol=row.inst_id,
                side=PositionSide.LONG if is_long else PositionSide.SHORT,
                quantity=quantity.copy_abs(),
                margin=optional_amount(row.margin, f"{where}.margin"),
                unrealised=optional_amount(row.upl, f"{where}.upl"),
                opened_at_s=milliseconds(row.c_time, f"{where}.cTime") / 1000 if row.c_time else None,
            )
        )
    return tuple(found), tuple(others)
