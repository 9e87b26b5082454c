"""Kraken's open margin positions to our values. Pure: bytes and names in, values or a named refusal out."""

from __future__ import annotations

from holdfast.core.amounts import ZERO, subtract
from holdfast.core.balances import Side
from holdfast.core.positions import MarginPosition, PositionSide
from holdfast.errors import PayloadError
from holdfast.venues.kraken import parse, wire
from holdfast.venues.kraken.symbols import Names

__all__ = ["open_positions"]


def open_positions(body: bytes, names: Names) -> tuple[MarginPosition, ...]:
    """
    ``OpenPositions``: every open margin position, so absence means that there is none.

    Cost, fee and margin are told as Kraken states them. Where a part was closed its page does not say of what they are;
    in its own sample the profit is value less that cost, so they are taken to be of what is open.

    Raises:
        PayloadError: Not this shape (asked for by market it is a list), more closed than was opened, or no side.

    Source: https://docs.kraken.com/api/docs/rest-api/get-open-positions (checked 2026-11-20)
    """
    found = []
    for key, row in parse.result_of(body, dict[str, wire.OpenPosition], "OpenPositions").items():
        where = f"OpenPositions {ascii(key)[:40]}"
        if row.posstatus != "open":
            continue
        opened, closed = parse.amount(row.vol, f"{where}.vol"), parse.amount(row.vol_closed, f"{where}.vol_closed")
        if not ZERO <= closed < opened:
            raise PayloadError(f"{where}: {closed} of {opened} is closed, and it is open")
        net = row.net.removeprefix("+") if row.net is not None else None
        found.append(
            MarginPosition(
                position_id=key,
                symbol=names.instrument(row.pair),
                venue_symbol=row.pair,
                side=PositionSide.LONG if parse.side_of(row.type, where) is Side.BUY else PositionSide.SHORT,
                quantity=subtract(opened, closed),
                cost=parse.optional_amount(row.cost, f"{where}.cost"),
                fee=parse.optional_amount(row.fee, f"{where}.fee"),
                margin=parse.optional_amount(row.margin, f"{where}.margin"),
                value=parse.optional_amount(row.value, f"{where}.value"),
                unrealised=parse.optional_amount(net, f"{where}.net"),
                opened_at_s=None if row.time is None else parse.unix_s(row.time, f"{where}.time"),
            )
        )
    return tuple(found)
