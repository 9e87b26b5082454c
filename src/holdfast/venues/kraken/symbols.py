"""
Kraken's names and ours, both ways.

One market has four spellings (``XXBTZUSD``, ``XBTUSD``, ``XBT/USD``, ``BTC/USD``), one asset up to three (``XXBT``,
``XBT``, ``BTC``). Nothing is stripped blindly: ``XTZ`` and ``ZRX`` begin with an X and a Z of their own. An id becomes
its altname through Kraken's own listing, and the altname ours through a table of two.

Sources: https://docs.kraken.com/api/docs/rest-api/get-asset-info ·
https://support.kraken.com/articles/360000920306-api-symbols-and-tickers ·
https://support.kraken.com/hc/en-us/articles/360039879471-What-is-Asset-S-and-Asset-M- (checked 2026-11-20)
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol, asset_code
from holdfast.core.instruments import AssetInfo, Instrument
from holdfast.errors import UnknownAssetError, UnknownNameError
from holdfast.venues.kraken import wire

__all__ = ["NOT_MONEY", "AssetName", "Names", "RowKind", "code_of_altname", "stream_symbol"]

# Kraken's ticker for an asset, where the rest of the world says something else.
_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}

# Fee credits: points, not money.
NOT_MONEY: Final = frozenset({"KFEE", "FEE"})

# <base>[days].<suffix>; the digits of DOT28.S are days of unbonding.
_SUFFIXED: Final = re.compile(r"(?P<base>[A-Za-z0-9]+?)(?P<days>[0-9]{2})?\.(?P<suffix>[A-Z]{1,8})\Z")


# Listed and derived names kept: a venue that invents symbols must not make us grow.
_REMEMBERED: Final = 10_000


class RowKind(enum.Enum):
    """What a balance row is to its asset."""

    PLAIN = "plain"  # The asset itself.
    EARNING = "earning"  # .F: earns by itself, traded through the plain asset, counts in its total.
    LOCKED = "locked"  # .S .M .B .P .HOLD and suffixes we never heard of: an asset of its own, never spendable.
    NOT_MONEY = "not_money"


class AssetName(msgspec.Struct, frozen=True, kw_only=True):
    """What one of Kraken's asset symbols means."""

    code: AssetCode
    kind: RowKind


class Names:
    """
    Translations made from one reading of ``Assets`` and ``AssetPairs``; never changes.

    Attributes:
        assets: Ours to what Kraken lists, plain and tokenized assets only.
        instruments: Ours to what Kraken lists.
        left_out: Keys of pairs that are no instrument of ours, with the reason.
    """

    def __init__(
        self,
        *,
        listed: Mapping[str, wire.Asset],
        assets: Mapping[AssetCode, AssetInfo],
        instruments: Mapping[Symbol, Instrument],
        altnames: Mapping[str, Symbol],
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.assets: Final = dict(assets)
        self.instruments: Final = dict(instruments)
        self.left_out: Final = dict(left_out or {})
        self._code_of: dict[str, AssetName] = {}
        self.plain: Final[dict[str, AssetCode]] = {}
        """Only symbols of plain rows, for the hot path."""
        for symbol, asset in listed.items():
            self._learn(symbol, asset.altname)
        for asset in listed.values():
            # A row may be spelled by altname ("XBT"); an id of the same spelling has precedence.
            if asset.altname not in self._code_of:
                self._learn(asset.altname, asset.altname)
        self._symbol_of: dict[str, Symbol] = dict(altnames)
        for instrument in self.instruments.values():
            self._symbol_of[instrument.venue_symbol] = instrument.symbol
        self._streamed: dict[str, Symbol] = {each.stream_symbol: each.symbol for each in self.instruments.values()}

    def _learn(self, symbol: str, altname: str) -> None:
        if altname in NOT_MONEY or symbol in NOT_MONEY:
            self._code_of[symbol] = AssetName(code=altname, kind=RowKind.NOT_MONEY)
            return
        parts = _SUFFIXED.match(altname)
        name = _suffixed(parts) if parts is not None else None
        if name is None:
            name = AssetName(code=code_of_altname(altname), kind=RowKind.PLAIN)
            self.plain[symbol] = name.code
        self._code_of[symbol] = name

    def asset(self, symbol: str) -> AssetName:
        """
        What a symbol of a balance row, a ledger entry or an instrument means.

        Suffixed symbols that Kraken's listing lacks are derived from their base, which carries no prefix
        (``XBT.F`` belongs to ``XXBT``).

        Raises:
            UnknownAssetError: Neither listed nor derivable; names the symbol.
        """
        name = self._code_of.get(symbol)
        if name is not None:
            return name
        parts = _SUFFIXED.match(symbol)
        if parts is not None:
            # C98.S is C98 staked, not C for 98 days: both readings of the digits are looked up.
            days = parts["days"] or ""
            owner = self._code_of.get(parts["base"] + days)
            if owner is not None:
                days = ""
            elif parts["suffix"] != "F":  # What earns flexibly has no days.
                owner = self._code_of.get(parts["base"])
            if owner is not None and owner.kind is RowKind.PLAIN and parts["suffix"] != "T":
                derived = _of_owner(owner.code, days, parts["suffix"])
                if len(self._code_of) < _REMEMBERED:
                    self._code_of[symbol] = derived
                return derived
        raise UnknownAssetError(f"kraken: asset {ascii(symbol)[:80]} is not in Kraken's listing")

    def streamed_asset(self, symbol: str) -> AssetCode | None:
        """
        Our code for an asset as the stream spells it (``BTC``); None for what is not money.

        Raises:
            UnknownAssetError: Not listed; names the symbol.
        """
        if symbol in self.assets:
            return symbol
        name = self.asset(symbol)
        if name.kind is RowKind.EARNING:
            raise UnknownAssetError(f"kraken: the stream names {ascii(symbol)[:80]}, which is part of {name.code}")
        return None if name.kind is RowKind.NOT_MONEY else name.code

    def instrument(self, symbol: str) -> Symbol | None:
        """Our symbol for a REST spelling (key or altname), or None where Kraken did not list it to us."""
        return self._symbol_of.get(symbol)

    def streamed_instrument(self, symbol: str) -> Symbol | None:
        """Our symbol for a stream spelling (``BTC/USD``), or None where Kraken did not list it to us."""
        return self._streamed.get(symbol)

    def sides(self, symbol: Symbol | None) -> tuple[AssetCode | None, AssetCode | None]:
        """Base and quote of one of our symbols; Nones where Kraken does not list it."""
        instrument = None if symbol is None else self.instruments.get(symbol)
        return (None, None) if instrument is None else (instrument.base, instrument.quote)

    def rest_symbol(self, symbol: Symbol) -> str:
        """
        Kraken's key for one of our symbols.

        Raises:
            UnknownNameError: Kraken does not list it.
        """
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise UnknownNameError(f"kraken does not list {ascii(symbol)[:80]}")
        return instrument.venue_symbol

    def rest_asset(self, code: AssetCode) -> str:
        """
        Kraken's id for one of our codes.

        Raises:
            UnknownNameError: Kraken does not list it.
        """
        asset = self.assets.get(code)
        if asset is None:
            raise UnknownNameError(f"kraken does not list {ascii(code)[:80]}")
        return asset.venue_symbol


def _suffixed(parts: re.Match[str]) -> AssetName | None:
    """The name of ``<base>[days].<suffix>``; None for tokenized assets, which are assets of their own."""
    base, days, suffix = parts["base"], parts["days"] or "", parts["suffix"]
    if suffix == "T":
        return None
    if suffix == "F":
        base, days = base + days, ""
    return _of_owner(code_of_altname(base), days, suffix)


def _of_owner(code: AssetCode, days: str, suffix: str) -> AssetName:
    """What a suffixed row is called, and what it is, beside the plain row of *code*."""
    if suffix == "F":
        return AssetName(code=code, kind=RowKind.EARNING)
    return AssetName(code=f"{code}{days}.{suffix}", kind=RowKind.LOCKED)


def code_of_altname(altname: str) -> AssetCode:
    """
    Our code for an altname or for one side of a ``wsname``.

    Raises:
        UnknownNameError: Not something an asset can be called.
    """
    return asset_code(_RENAMED.get(altname, altname))


def stream_symbol(*, base: AssetCode, quote: AssetCode) -> str:
    """
    The v2 stream's spelling: our codes with a slash, since v2 says ``BTC/USD`` where ``wsname`` says ``XBT/USD``.

    Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/instrument (checked 2026-11-20)
    """
    return f"{base}/{quote}"
