"""
What may be traded at a broker: every instrument that its venue lists, and why some of them are not for us.

A venue's listing is not yet what a bot may use. A market quoted in a currency that was given up would turn money into
something that nobody redeems; a line that cannot be named, or states no step, cannot be judged. Such lines are filtered
with the reason, never in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.instruments import Instrument, InstrumentStatus

__all__ = [
    "RETIRED_QUOTES",
    "FilteredProduct",
    "Product",
    "ProductList",
    "product_list",
    "product_of",
    "why_not_quoted_in",
    "why_unsupported",
]

RETIRED_QUOTES: Final[Mapping[AssetCode, str]] = {
    "BUSD": "BUSD was given up: its issuer had to stop minting it in February 2023, and promised redemption for a year",
}
"""
Money that instruments may still be quoted in and nobody should be paid in, with the reason.

It may be sold (``BUSD-USDT`` is an instrument like any other), and nothing is bought or sold for it.

Source: https://www.jurist.org/news/2023/02/new-york-financial-regulator-orders-crypto-firm-paxos-to-halt-issuance-of-token/
(checked 2026-11-20)
"""

_TRADABLE: Final = frozenset({InstrumentStatus.ONLINE, InstrumentStatus.LIMIT_ONLY, InstrumentStatus.POST_ONLY})


class Product(Instrument, frozen=True, kw_only=True):
    """
    One instrument as a broker offers it: its rules (see ``Instrument``), and whether it is for us.

    Attributes:
        is_tradable: Whether a new buy could be taken now, as far as the listing says: supported, and online, limit only
            or post only.
        unsupported: Why it is filtered, in a sentence; None where it is not.
    """

    is_tradable: bool
    unsupported: str | None = None


class FilteredProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the venue's listing that is not for us; ``symbol`` is None where it cannot be named in our words."""

    venue_symbol: str
    symbol: Symbol | None
    reason: str


class ProductList(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a venue lists for spot, as of ``age_s`` seconds ago.

    Complete: a symbol that is neither in ``products`` nor in ``filtered`` was not listed.

    Attributes:
        broker: Who asked.
        venue: Whose listing it is.
        products: In alphabetical order of symbols. Unsupported ones are among them only where they were asked for.
        filtered: Every line that is not for us, with the reason.
        age_s: Seconds since the question for the listing left us, when this was made. A product's status may be
            younger: it is read again before an order.
        note: Why it is older than was asked for; None where it is not.
    """

    broker: str
    venue: str
    products: tuple[Product, ...]
    filtered: tuple[FilteredProduct, ...]
    age_s: float
    note: str | None = None

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The canonical symbols of ``products``."""
        return tuple(product.symbol for product in self.products)

    def __len__(self) -> int:
        return len(self.products)

    def __iter__(self) -> Iterator[Product]:
        return iter(self.products)


def why_unsupported(instrument: Instrument) -> str | None:
    """Why an instrument that the venue lists is not for us, in a sentence; None where it is."""
    return why_not_quoted_in(instrument.quote)


def why_not_quoted_in(quote: AssetCode) -> str | None:
    """Why nothing is traded for that money; None where it is money like any other."""
    return RETIRED_QUOTES.get(quote)


def product_of(instrument: Instrument) -> Product:
    """One instrument as a broker offers it."""
    unsupported = why_unsupported(instrument)
    return Product(
        **{name: getattr(instrument, name) for name in instrument.__struct_fields__},
        is_tradable=unsupported is None and instrument.status in _TRADABLE,
        unsupported=unsupported,
    )


def product_list(
    instruments: Iterable[Instrument],
    left_out: Mapping[str, str],
    *,
    broker: str,
    venue: str,
    age_s: float,
    include_unsupported: bool = False,
    note: str | None = None,
) -> ProductList:
    """
    The list of what is for us and of what is not.

    Args:
        instruments: What the adapter could name.
        left_out: What it could not, by the venue's own symbol, with the reason.
        broker: Who asks.
        venue: Whose listing it is.
        age_s: Seconds since it was asked for.
        include_unsupported: List those too that are not for us.
        note: Why it is older than was asked for.
    """
    products = [product_of(each) for each in instruments]
    filtered = [
        FilteredProduct(venue_symbol=each.venue_symbol, symbol=each.symbol, reason=each.unsupported)
        for each in products
        if each.unsupported is not None
    ]
    filtered += [FilteredProduct(venue_symbol=name, symbol=None, reason=reason) for name, reason in left_out.items()]
    shown = [each for each in products if include_unsupported or each.unsupported is None]
    return ProductList(
        broker=broker,
        venue=venue,
        products=tuple(sorted(shown, key=lambda each: each.symbol)),
        filtered=tuple(sorted(filtered, key=lambda each: (each.venue_symbol, each.symbol or ""))),
        age_s=max(0.0, age_s),
        note=note,
    )
