"""
OKX's names and ours, both ways.

OKX spells currencies as the rest of the world does, and an instrument ``BASE-QUOTE``; sides are taken from its listing,
never by cutting the id. Since 2025 one order book serves dollars and dollar coins: ``BTC-USD`` is traded against USDC
where ``tradeQuoteCcy`` says so, and then USDC is what is paid and held. Each such line is an instrument of ours by the
money that it moves: ``BTC-USDC`` is OKX's ``BTC-USD`` with ``tradeQuoteCcy`` USDC.

Sources: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments ·
https://www.okx.com/docs-v5/log_zh/ (2025-07-08 and 2025-08-20, the unified dollar book) (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol, asset_code
from holdfast.core.instruments import AssetInfo, Instrument
from holdfast.errors import UnknownAssetError, UnknownNameError

__all__ = ["Line", "Names", "code_of"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """
    One instrument of ours as OKX is asked for it.

    ``trade_quote`` is None where OKX listed no choice. ``code`` is what the stream's orders name an instrument by, None
    where OKX stated none: such an instrument is traded over REST only. ``group`` chooses the fee.
    """

    inst_id: str
    trade_quote: AssetCode | None
    code: int | None
    group: str


def code_of(ccy: str) -> AssetCode:
    """
    Our code for one of OKX's currencies: its own.

    Currencies that no spot instrument has (delisted ones) are held and listed all the same, so that every name is taken
    that can be one.

    Raises:
        UnknownAssetError: Not something an asset can be called.
    """
    try:
        return asset_code(ccy)
    except UnknownNameError as error:
        raise UnknownAssetError(f"okx: {error}") from None


class Names:
    """
    Translations made from one reading of the instruments; of a line only what OKX changed of it changes.

    Attributes:
        assets: Ours to what OKX lists: every side of an instrument.
        instruments: Ours to what OKX lists.
        lines: How OKX is asked for each of them.
        left_out: Ids of lines that are no instrument of ours, with the reason.
    """

    def __init__(
        self,
        *,
        instruments: Mapping[Symbol, Instrument],
        lines: Mapping[Symbol, Line],
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.instruments: Final = dict(instruments)
        self.left_out: Final = dict(left_out or {})
        self.lines: Final = dict(lines)
        sides = sorted({side for each in instruments.values() for side in (each.base, each.quote)})
        self.assets: Final[dict[AssetCode, AssetInfo]] = {
            code: AssetInfo(code=code, venue_symbol=code, decimals=_LEDGER_PLACES, is_enabled=True) for code in sides
        }
        self._symbol_of: dict[tuple[str, AssetCode], Symbol] = {}
        self._own: dict[str, Symbol] = {}
        for symbol, line in self.lines.items():
            quote = self.instruments[symbol].quote
            self._symbol_of[line.inst_id, quote] = symbol
            if symbol == line.inst_id or line.inst_id not in self._own:
                self._own[line.inst_id] = symbol

    def instrument(self, inst_id: str, trade_quote: str = "") -> Symbol | None:
        """
        Our symbol for one of OKX's ids, traded against *trade_quote*; None where OKX did not list it to us.

        An empty *trade_quote* is the id's own quote.
        """
        return self._symbol_of.get((inst_id, trade_quote)) if trade_quote else self._own.get(inst_id)

    def sides(self, symbol: Symbol | None) -> tuple[AssetCode | None, AssetCode | None]:
        """Base and quote of one of our symbols; Nones where OKX does not list it."""
        instrument = None if symbol is None else self.instruments.get(symbol)
        return (None, None) if instrument is None else (instrument.base, instrument.quote)

    def line(self, symbol: Symbol) -> Line:
        """
        How OKX is asked for one of our symbols.

        Raises:
            UnknownNameError: OKX does not list it.
        """
        line = self.lines.get(symbol)
        if line is None:
            raise UnknownNameError(f"okx does not list {ascii(symbol)[:80]}")
        return line

    def symbols_of(self, inst_id: str) -> list[Symbol]:
        """Our symbols that are one of OKX's instruments, its own first."""
        found = [symbol for symbol, line in self.lines.items() if line.inst_id == inst_id]
        return sorted(found, key=lambda symbol: symbol != inst_id)

    def rest_asset(self, code: AssetCode) -> str:
        """
        OKX's currency for one of our codes.

        Raises:
            UnknownNameError: No instrument of OKX's has it.
        """
        if code not in self.assets:
            raise UnknownNameError(f"okx lists no instrument of {ascii(code)[:80]}")
        return code


# OKX does not publish its ledger's places; figures with up to twenty of them were seen in answers.
_LEDGER_PLACES: Final = 20
