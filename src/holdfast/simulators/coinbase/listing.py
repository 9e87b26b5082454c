"""
What the simulated Coinbase lists: currencies, the wallets that can hold them, and products.

Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/products/list-products,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels (books shared by USD and
USDC). Prices, minimums and increments are plausible, not current; those of BTC-USD were seen.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode

__all__ = ["PLACES", "Currency", "Listing", "Product", "Wallet", "listing_for"]

PLACES: Final = 16
"""Decimals of the ledger, in every currency."""


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """One currency under Coinbase's code (``CGLD``) and its canonical one (``CELO``)."""

    id: str
    code: AssetCode
    name: str
    is_fiat: bool
    usd: Decimal  # For valuations only.
    is_made_up: bool = False  # One of very many, whose market nobody is expected to look at.


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """
    One row of the ledger: one account in Coinbase's words.

    ``kind`` is empty for spot money, which includes further spot wallets of the same currency; ``VAULT``, ``CFM`` and
    ``STAKED`` are none.
    """

    row: str
    currency: Currency
    kind: str

    @property
    def truth_code(self) -> str:
        """The canonical name of the row: its currency's, or one of its own where it is no spot money."""
        return f"{self.currency.code}.{self.kind}" if self.kind else self.currency.code


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One spot product with its rules. ``code`` is canonical (``BTC-USD``); ``alias`` has the book it shares."""

    id: str
    code: str
    base: Currency
    quote: Currency
    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min: Decimal
    base_max: Decimal
    quote_min: Decimal
    quote_max: Decimal
    start_price: Decimal
    alias: str = ""
    alias_to: tuple[str, ...] = ()


class Listing:
    """Every currency and product."""

    def __init__(self, currencies: list[Currency], products: list[Product]) -> None:
        self.currencies: dict[str, Currency] = {currency.id: currency for currency in currencies}
        self.main: dict[AssetCode, Currency] = {currency.code: currency for currency in currencies}
        self.products: dict[str, Product] = {product.id: product for product in products}
        self.by_code: dict[str, Product] = {product.code: product for product in products}

    def wallet(self, row: str) -> Wallet:
        """
        The wallet behind a row's name.

        Raises:
            KeyError: Its currency is not listed.
        """
        name, _, kind = row.partition("@")
        return Wallet(row=row, currency=self.currencies[name], kind="" if kind.isdecimal() else kind)

    def data_of(self, product: Product) -> Product:
        """The product whose market data stand for this one's: the one it is an alias of, else itself."""
        return self.products[product.alias] if product.alias else product


# id, canonical code, name, is fiat, USD
_CURRENCIES: Final = (
    ("USD", "USD", "US Dollar", True, "1"),
    ("EUR", "EUR", "Euro", True, "1.1"),
    ("GBP", "GBP", "British Pound", True, "1.25"),
    ("USDC", "USDC", "USDC", False, "1"),
    ("USDT", "USDT", "Tether", False, "1"),
    ("BTC", "BTC", "Bitcoin", False, "40000"),
    ("ETH", "ETH", "Ethereum", False, "2500"),
    ("ETH2", "ETH2", "Ethereum 2", False, "2500"),
    ("SOL", "SOL", "Solana", False, "100"),
    ("ADA", "ADA", "Cardano", False, "0.5"),
    ("XRP", "XRP", "XRP", False, "0.6"),
    ("LTC", "LTC", "Litecoin", False, "80"),
    ("DOT", "DOT", "Polkadot", False, "5"),
    ("DOGE", "DOGE", "Dogecoin", False, "0.1"),
    ("CGLD", "CELO", "Celo", False, "0.7"),
)

# base, quote, base increment, price increment, base min, base max, quote min, price
_PRODUCTS: Final = (
    ("BTC", "USD", "0.00000001", "0.01", "0.00000001", "3400", "1", "40000"),
    ("ETH", "USD", "0.00000001", "0.01", "0.00000001", "54000", "1", "2500"),
    ("SOL", "USD", "0.00000001", "0.01", "0.00000001", "260000", "1", "100"),
    ("ADA", "USD", "0.00000001", "0.0001", "0.00000001", "25000000", "1", "0.5"),
    ("XRP", "USD", "0.000001", "0.0001", "0.000001", "17000000", "1", "0.6"),
    ("LTC", "USD", "0.00000001", "0.01", "0.00000001", "98000", "1", "80"),
    ("DOT", "USD", "0.00000001", "0.001", "0.00000001", "1700000", "1", "5"),
    ("DOGE", "USD", "0.1", "0.00001", "0.1", "77000000", "1", "0.1"),
    ("CGLD", "USD", "0.01", "0.001", "0.01", "530000", "1", "0.7"),
    ("USDT", "USD", "0.01", "0.00001", "0.01", "13000000", "1", "1"),
    ("USDT", "USDC", "0.01", "0.0001", "0.01", "13000000", "1", "1"),
    ("BTC", "EUR", "0.00000001", "0.01", "0.00000001", "1000", "1", "36363"),
    ("ETH", "EUR", "0.00000001", "0.01", "0.00000001", "17000", "1", "2272"),
    ("SOL", "EUR", "0.00000001", "0.01", "0.00000001", "130000", "1", "90"),
    ("BTC", "GBP", "0.00000001", "0.01", "0.00000001", "500", "1", "32000"),
    ("BTC", "USDT", "0.00000001", "0.01", "0.00000001", "500", "1", "40000"),
    ("ETH", "BTC", "0.00000001", "0.00001", "0.00000001", "2800", "0.000016", "0.0625"),
)
_SHARED: Final = ("BTC", "ETH", "SOL", "ADA", "XRP", "LTC", "DOT", "DOGE", "CGLD")
"""Bases whose USD book also trades against USDC."""


# A currency that was given up, and what would still be traded for it: see ``is_busd_listed``.
_BUSD: Final = ("BUSD", "BUSD", "Binance USD", False, "1")
_BUSD_PRODUCTS: Final = (
    ("BTC", "BUSD", "0.00000001", "0.01", "0.00000001", "500", "1", "40000"),
    ("BUSD", "USD", "0.01", "0.0001", "0.01", "13000000", "1", "0.999"),
)


def listing_for(*, extra_currencies: int = 0, is_busd_listed: bool = False) -> Listing:
    """The currencies and products; with *extra_currencies* made-up ones and a dollar market each, and with BUSD's."""
    currencies = [
        Currency(id=id_, code=code, name=name, is_fiat=is_fiat, usd=Decimal(usd))
        for id_, code, name, is_fiat, usd in ((*_CURRENCIES, _BUSD) if is_busd_listed else _CURRENCIES)
    ]
    rows = [*_PRODUCTS, *_BUSD_PRODUCTS] if is_busd_listed else list(_PRODUCTS)
    for number in range(extra_currencies):
        name, worth = f"TOK{number:03d}", 1 + number % 7
        currencies.append(
            Currency(id=name, code=name, name=f"Token {number}", is_fiat=False, usd=Decimal(worth), is_made_up=True)
        )
        rows.append((name, "USD", "0.0001", "0.0001", "0.0001", "1000000", "1", f"{worth}"))
    by_id = {currency.id: currency for currency in currencies}
    products = []
    for base, quote, base_increment, price_increment, base_min, base_max, quote_min, price in rows:
        is_shared = quote == "USD" and base in _SHARED
        product = Product(
            id=f"{base}-{quote}",
            code=f"{by_id[base].code}-{by_id[quote].code}",
            base=by_id[base],
            quote=by_id[quote],
            base_increment=Decimal(base_increment),
            quote_increment=Decimal("0.00000001") if quote == "BTC" else min(Decimal("0.01"), Decimal(price_increment)),
            price_increment=Decimal(price_increment),
            base_min=Decimal(base_min),
            base_max=Decimal(base_max),
            quote_min=Decimal(quote_min),
            quote_max=Decimal(150_000_000 if quote != "BTC" else 1000),
            start_price=Decimal(price),
            alias_to=(f"{base}-USDC",) if is_shared else (),
        )
        products.append(product)
        if is_shared:
            products.append(
                msgspec.structs.replace(
                    product,
                    id=f"{base}-USDC",
                    code=f"{product.base.code}-USDC",
                    quote=by_id["USDC"],
                    alias=product.id,
                    alias_to=(),
                )
            )
    return Listing(currencies, products)
