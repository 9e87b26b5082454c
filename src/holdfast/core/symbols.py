"""
Any accepted spelling of an instrument to the one we use, and to the one its venue takes.

``btc/usd``, ``XBTUSD``, ``XXBTZUSD`` and ``BTC_USD`` are one instrument at Kraken; what each of them means is read from
the venue's own listing, never cut out of the text by length. A spelling that could mean two instruments is refused,
with both named: guessing is how the wrong thing is bought.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol, symbol_of
from holdfast.core.instruments import AssetInfo, Instrument, InstrumentStatus
from holdfast.core.products import RETIRED_QUOTES, why_unsupported
from holdfast.errors import UnknownNameError, UnsupportedSymbolError

__all__ = ["SymbolName", "near_symbols", "normalize_symbol"]

_TEXT_MAX: Final = 64
_SEPARATED: Final = re.compile(r"([A-Za-z0-9._+]+)[-/_:]([A-Za-z0-9._+]+)")

# ccxt's BTC/USDT:USDT; OKX's BTC-USD-SWAP and BTC-USD-261225; Coinbase's BTC-PERP-INTX and BIT-26DEC25-CDE.
_DERIVATIVE: Final = re.compile(
    r"[^:]+[-/][^:]+:.+|.+-(?:SWAP|PERP|PERP-INTX|[0-9]{2}[A-Z]{3}[0-9]{2}-CDE|[0-9]{6}(?:-[0-9]+-[CP])?)",
    re.IGNORECASE,
)


class SymbolName(msgspec.Struct, frozen=True, kw_only=True):
    """
    One instrument under its names.

    Attributes:
        symbol: Canonical, ``BASE-QUOTE``: what every method of a broker takes.
        base: Canonical code of what is bought or sold.
        quote: Canonical code of what it is paid in.
        venue_symbol: What the venue's REST calls are told, such as ``XXBTZUSD``.
        stream_symbol: What its stream is told, such as ``BTC/USD``.
        status: What the instrument accepts, as of the listing.
        given: The text that was asked about.
    """

    symbol: Symbol
    base: AssetCode
    quote: AssetCode
    venue_symbol: str
    stream_symbol: str
    status: InstrumentStatus
    given: str


def normalize_symbol(
    text: str,
    *,
    venue: str,
    instruments: Mapping[Symbol, Instrument],
    assets: Mapping[AssetCode, AssetInfo],
) -> SymbolName:
    """
    The instrument that *text* names at a venue.

    Tried in this order: our own spelling; the venue's, of REST and of the stream; both sides with ``-``, ``/``, ``_``
    or ``:`` between them, each by our code or by the venue's; both sides with nothing between them. Lower case is
    accepted where the text as given names nothing.

    Args:
        text: Any of these spellings.
        venue: Its id, for messages.
        instruments: What it lists.
        assets: The same for assets, with the venue's spellings.

    Raises:
        UnsupportedSymbolError: It is understood, and not for us: a quote that was given up, or a derivative.
        UnknownNameError: The venue lists no such instrument, or two that it could be; names them, or the nearest ones.
    """
    shown = ascii(text)[:80]
    if type(text) is not str or not 0 < len(text) <= _TEXT_MAX:
        raise UnknownNameError(f"not a symbol: {shown}; expected something like BTC-USD")
    found = _spelt(text, instruments) or _put_together(text, instruments, assets, fold=str)
    if not found and text.upper() != text:
        found = _spelt(text.upper(), instruments)
    found = found or _put_together(text.upper(), instruments, assets, fold=str.upper)
    if len(found) > 1:
        raise UnknownNameError(f"{venue}: {shown} could be {' or '.join(sorted(found))}: name one of them")
    if not found:
        raise _not_listed(text, venue, instruments, assets)
    instrument = instruments[found.pop()]
    reason = why_unsupported(instrument)
    if reason is not None:
        raise _unsupported(
            f"{venue} lists {instrument.symbol}, and holdfast does not trade it", instrument.symbol, reason
        )
    return SymbolName(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        venue_symbol=instrument.venue_symbol,
        stream_symbol=instrument.stream_symbol,
        status=instrument.status,
        given=text,
    )


def near_symbols(symbol: Symbol, listed: Iterable[Symbol]) -> str:
    """What may have been meant by an instrument that is not listed, as the end of a sentence."""
    known = list(listed)
    if symbol.upper() in known:
        return f"did you mean {symbol.upper()}?"
    near = difflib.get_close_matches(symbol.upper(), known, n=3, cutoff=0.6)
    return f"did you mean {', '.join(near)}?" if near else f"it lists {len(known)} instruments, such as BTC-USD"


def _spelt(name: str, instruments: Mapping[Symbol, Instrument]) -> set[Symbol]:
    """The instruments that are spelt like that by us, or else by their venue."""
    if name in instruments:
        return {name}
    found = {each.symbol for each in instruments.values() if name in (each.venue_symbol, each.stream_symbol)}
    # One market may be several instruments of ours, by the money that pays: its own name is the plain one.
    plain = {symbol for symbol in found if symbol.replace("-", "") == re.sub(r"[-/_]", "", name)}
    return plain if len(found) > 1 and plain else found


def _put_together(
    name: str,
    instruments: Mapping[Symbol, Instrument],
    assets: Mapping[AssetCode, AssetInfo],
    *,
    fold: Callable[[str], str],
) -> set[Symbol]:
    """The instruments whose two sides, by any of their spellings, make that name."""
    return {symbol for symbol in _pairs(name, assets, fold) if symbol in instruments}


def _pairs(name: str, assets: Mapping[AssetCode, AssetInfo], fold: Callable[[str], str]) -> Iterator[Symbol]:
    codes: dict[str, set[AssetCode]] = {fold(code): {code} for code in RETIRED_QUOTES}
    for code, info in assets.items():
        for spelling in (code, info.venue_symbol, info.venue_altname):
            if spelling:
                codes.setdefault(fold(spelling), set()).add(code)
    parts = _SEPARATED.fullmatch(name)
    cuts = [(parts[1], parts[2])] if parts is not None else [(name[:at], name[at:]) for at in range(1, len(name))]
    for base, quote in cuts:
        for first in codes.get(base, ()):
            for second in codes.get(quote, ()):
                yield symbol_of(base=first, quote=second)


def _not_listed(
    text: str, venue: str, instruments: Mapping[Symbol, Instrument], assets: Mapping[AssetCode, AssetInfo]
) -> UnknownNameError:
    if _DERIVATIVE.fullmatch(text) is not None:
        return _unsupported(
            f"{venue}: {ascii(text)[:80]}", text, "it names a derivative, and holdfast trades spot only"
        )
    for symbol in _pairs(text.upper(), assets, str.upper):
        reason = RETIRED_QUOTES.get(symbol.partition("-")[2])
        if reason is not None:
            return _unsupported(f"{venue}: {symbol} is not traded by holdfast", symbol, reason)
    near = near_symbols(text, (each.symbol for each in instruments.values() if why_unsupported(each) is None))
    return UnknownNameError(f"{venue} lists no instrument {ascii(text)[:80]}: {near}")


def _unsupported(what: str, symbol: Symbol, reason: str) -> UnsupportedSymbolError:
    return UnsupportedSymbolError(f"{what}: {reason}", symbol=symbol, reason=reason)
