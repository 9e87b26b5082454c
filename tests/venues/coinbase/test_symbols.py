"""Names go both ways; what is not listed is refused by name, and money keeps its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.instruments import InstrumentStatus
from holdfast.errors import PayloadError, UnknownAssetError, UnknownNameError
from holdfast.venues.coinbase import parse
from holdfast.venues.coinbase.symbols import Names, code_of, split_product
from tests.venues.coinbase.samples import encoded, listing, tree


def _listed(**changes: Any) -> Names:
    row = {**tree("http_product"), **changes}
    return parse.names_of(parse.products(encoded({"products": [row]}))[0])


def test_every_instrument_and_asset_round_trips() -> None:
    names = listing()
    for symbol, instrument in names.instruments.items():
        assert names.instrument(names.product(symbol)) == symbol
        assert symbol == f"{instrument.base}-{instrument.quote}"
        assert names.sides(instrument.venue_symbol) == (instrument.base, instrument.quote)
    for code, asset in names.assets.items():
        assert code_of(names.currency(code)) == code
        assert asset.venue_symbol == names.currency(code)
    assert names.instruments.keys() >= {"BTC-USD", "BTC-USDC", "ETH-BTC", "CELO-EUR"}


def test_usd_and_usdc_books_are_two_instruments() -> None:
    assert listing().instruments["BTC-USD"].quote == "USD"
    assert listing().instruments["BTC-USDC"].quote == "USDC"


def test_names_that_nobody_listed_are_refused_both_ways() -> None:
    names = listing()
    with pytest.raises(UnknownNameError, match="BTC-USD, BTC-USDC"):
        names.product("BTC-EUR")
    with pytest.raises(UnknownNameError):
        names.product("BTC/USD")
    with pytest.raises(UnknownNameError):
        names.currency("DOGE")
    assert names.instrument("XRP-USD") is None


def test_product_that_is_not_listed_still_says_its_sides() -> None:
    assert split_product("XRP-EUR") == ("XRP", "EUR")
    assert split_product("CGLD-EUR") == ("CELO", "EUR")
    assert split_product("BIT-28NOV26-CDE") == (None, None)
    assert split_product("nonsense") == (None, None)
    assert split_product("\u00e9-USD") == (None, None)
    with pytest.raises(UnknownAssetError):
        code_of("a\nb")


def test_instrument_has_its_rules_as_coinbase_states_them() -> None:
    instrument = listing().instruments["ETH-BTC"]
    assert instrument.quantity_step == Decimal("0.00000001")
    assert instrument.price_step == Decimal("0.00001")
    assert instrument.cost_step == Decimal("0.00000001")
    assert instrument.cost_min == Decimal("0.000016")
    assert instrument.quantity_min == Decimal("0.00000001")
    assert (instrument.taker_fee, instrument.maker_fee) == (Decimal("0.012"), Decimal("0.006"))


def test_price_increment_that_is_missing_is_the_quotes() -> None:
    row = tree("http_product")
    del row["price_increment"]
    names = parse.names_of(parse.products(encoded({"products": [row]}))[0])
    assert names.instruments["BTC-USD"].price_step == Decimal("0.01")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "online"),
        ({"status": "offline"}, "offline"),
        ({"status": "delisted"}, "offline"),
        ({"status": ""}, "unknown"),
        ({"status": "hibernating"}, "unknown"),
        ({"is_disabled": True}, "offline"),
        ({"trading_disabled": True}, "offline"),
        ({"view_only": True}, "offline"),
        ({"cancel_only": True, "post_only": True}, "cancel_only"),
        ({"post_only": True, "limit_only": True}, "post_only"),
        ({"auction_mode": True}, "post_only"),
        ({"limit_only": True}, "limit_only"),
    ],
)
def test_instrument_accepts_what_its_switches_leave(changes: dict[str, Any], status: str) -> None:
    assert _listed(**changes).instruments["BTC-USD"].status is InstrumentStatus(status)


def test_futures_and_what_cannot_be_named_are_left_out() -> None:
    rows = [
        tree("http_product"),
        {**tree("http_product"), "product_id": "BIT-28NOV26-CDE", "product_type": "FUTURE"},
        {**tree("http_product"), "product_id": "B\nD-USD", "base_currency_id": "B\nD"},
        {**tree("http_product"), "price": "another row of the same product"},
    ]
    names = parse.names_of(parse.products(encoded({"products": rows, "num_products": "4"}))[0])
    assert list(names.instruments) == ["BTC-USD"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        encoded({"products": []}),
        encoded({"products": [{"product_id": "BTC-USD"}]}),
        encoded({"products": [{**tree("http_product"), "base_increment": "0"}]}),
        encoded({"products": [{**tree("http_product"), "quote_increment": "NaN"}]}),
    ],
)
def test_listing_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        parse.names_of(parse.products(body)[0])


@pytest.mark.parametrize("field", ["product_id", "base_currency_id", "quote_currency_id", "base_increment", "status"])
def test_missing_required_field_of_a_product_is_refused_by_name(field: str) -> None:
    row = tree("http_product")
    del row[field]
    with pytest.raises(PayloadError, match=field):
        parse.products(encoded({"products": [row]}))
