"""Symbols: every accepted spelling leads to one instrument, and a spelling that could be two, or none, is refused."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.instruments import AssetInfo, Instrument, InstrumentStatus
from holdfast.core.products import RETIRED_QUOTES, product_list, why_unsupported
from holdfast.core.symbols import SymbolName, normalize_symbol
from holdfast.errors import UnknownNameError, UnsupportedSymbolError
from holdfast.testing.orders import fake_instrument


def asset(code: str, venue_symbol: str | None = None, altname: str | None = None) -> AssetInfo:
    return AssetInfo(
        code=code, venue_symbol=venue_symbol or code, decimals=8, is_enabled=True, venue_altname=altname or code
    )


def instrument(symbol: str, venue_symbol: str, **more: Any) -> Instrument:
    base, _, quote = symbol.partition("-")
    facts = {**{name: getattr(fake_instrument(symbol), name) for name in Instrument.__struct_fields__}, **more}
    return Instrument(**{**facts, "venue_symbol": venue_symbol, "stream_symbol": f"{base}/{quote}"})


# As Kraken lists them: an id, an altname and a code of ours for each.
ASSETS = {
    each.code: each
    for each in (
        asset("BTC", "XXBT", "XBT"),
        asset("ETH", "XETH", "ETH"),
        asset("USD", "ZUSD", "USD"),
        asset("USDT"),
        asset("USDC"),
        asset("AAPLx"),
        asset("BUSD"),
        asset("BTCB"),
    )
}
LISTED = {
    each.symbol: each
    for each in (
        instrument("BTC-USD", "XXBTZUSD"),
        instrument("BTC-USDT", "XBTUSDT"),
        instrument("BTC-USDC", "XBTUSDC"),
        instrument("ETH-USD", "XETHZUSD"),
        instrument("ETH-BTC", "XETHXXBT"),
        instrument("AAPLx-USD", "AAPLxUSD"),
        instrument("USDT-USD", "USDTZUSD", status=InstrumentStatus.CANCEL_ONLY),
        instrument("BTC-BUSD", "XBTBUSD"),
        instrument("BUSD-USD", "BUSDUSD"),
    )
}


def named(text: Any, listed: dict[str, Instrument] | None = None) -> SymbolName:
    return normalize_symbol(text, venue="kraken", instruments=LISTED if listed is None else listed, assets=ASSETS)


@pytest.mark.parametrize(
    "text",
    [
        "BTC-USD",
        "btc-usd",
        "BTC/USD",
        "BTC_USD",
        "BTC:USD",
        "BTCUSD",
        "btcusd",
        "XBTUSD",
        "XBT/USD",
        "xbt-usd",
        "XXBTZUSD",
        "xxbtzusd",
        "XXBT/ZUSD",
    ],
)
def test_every_spelling_of_one_instrument_is_that_instrument(text: str) -> None:
    found = named(text)
    assert (found.symbol, found.base, found.quote) == ("BTC-USD", "BTC", "USD")
    assert (found.venue_symbol, found.stream_symbol) == ("XXBTZUSD", "BTC/USD")
    assert found.given == text


@pytest.mark.parametrize("symbol", sorted(set(LISTED) - {"BTC-BUSD"}))
def test_our_spelling_and_the_venues_lead_to_each_other(symbol: str) -> None:
    found = named(symbol)
    assert named(found.venue_symbol).symbol == named(found.stream_symbol).symbol == found.symbol == symbol


def test_dollars_and_their_coins_are_never_taken_for_each_other() -> None:
    assert [named(f"BTC{quote}").symbol for quote in ("USD", "USDT", "USDC")] == ["BTC-USD", "BTC-USDT", "BTC-USDC"]
    without = {symbol: each for symbol, each in LISTED.items() if symbol != "BTC-USDC"}
    with pytest.raises(UnknownNameError):
        named("BTC-USDC", without)


def test_a_code_with_small_letters_is_found_in_any_case() -> None:
    assert named("AAPLx-USD").symbol == named("aaplx/usd").symbol == named("AAPLXUSD").symbol == "AAPLx-USD"


def test_the_status_is_told_as_listed() -> None:
    assert named("USDT-USD").status is InstrumentStatus.CANCEL_ONLY


def test_what_could_be_two_instruments_is_refused_with_both_named() -> None:
    """BTC for BUSD, or BTCB for USD."""
    listed = {**LISTED, "BTCB-USD": instrument("BTCB-USD", "BTCB-USD-1")}
    del listed["BTC-BUSD"]
    assert named("BTCBUSD", listed).symbol == "BTCB-USD"
    listed["BTC-BUSD"] = instrument("BTC-BUSD", "BTC-BUSD-1")
    with pytest.raises(UnknownNameError, match="could be BTC-BUSD or BTCB-USD"):
        named("BTCBUSD", listed)
    assert named("BTCB-USD", listed).symbol == "BTCB-USD"


def test_one_market_that_serves_several_of_our_instruments_is_the_plain_one() -> None:
    """OKX's BTC-USD is paid in USD or in USDC."""
    listed = {"BTC-USD": instrument("BTC-USD", "BTC-USD"), "BTC-USDC": instrument("BTC-USDC", "BTC-USD")}
    assert named("BTC-USD", listed).symbol == "BTC-USD"
    assert named("BTC-USDC", listed).symbol == "BTC-USDC"


# Refused


@pytest.mark.parametrize("text", ["BTC-BUSD", "btc/busd", "XBTBUSD", "ETH-BUSD", "ETHBUSD", "eth_busd"])
def test_a_quote_that_was_given_up_is_refused_with_the_reason_listed_or_not(text: str) -> None:
    with pytest.raises(UnsupportedSymbolError, match="given up") as caught:
        named(text)
    assert caught.value.symbol.endswith("-BUSD")
    assert caught.value.reason == RETIRED_QUOTES["BUSD"]


def test_what_was_given_up_can_still_be_sold() -> None:
    assert named("BUSD-USD").symbol == "BUSD-USD"


@pytest.mark.parametrize(
    "text", ["BTC/USDT:USDT", "BTC-USD-SWAP", "BTC-USD-261225", "BTC-PERP-INTX", "BIT-26DEC25-CDE"]
)
def test_a_derivative_is_refused_as_one(text: str) -> None:
    with pytest.raises(UnsupportedSymbolError, match="spot only") as caught:
        named(text)
    assert caught.value.symbol == text


@pytest.mark.parametrize(
    "text", ["BTC-EUR", "NOPE-USD", "BTC", "-", "BTC-", "", " BTC-USD", "BTC-USD\n", "Ｂ-USD", "x" * 65, None, 7]
)
def test_anything_else_is_unknown_and_no_text_of_it_is_echoed_raw(text: Any) -> None:
    with pytest.raises(UnknownNameError) as caught:
        named(text)
    assert not isinstance(caught.value, UnsupportedSymbolError)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 300


def test_the_nearest_ones_are_named_and_none_that_is_filtered() -> None:
    with pytest.raises(UnknownNameError, match="did you mean ETH-USD"):
        named("ETH-USDD")
    with pytest.raises(UnknownNameError) as caught:
        named("BTC-BUSDD")
    assert "BTC-BUSD," not in str(caught.value)


# Products


def test_products_are_all_that_is_listed_less_what_is_filtered_with_the_reason() -> None:
    found = product_list(
        LISTED.values(), {"XXBTZUSD.d": "a dark pool"}, broker="kraken-master", venue="kraken", age_s=2.0
    )
    assert found.symbols == tuple(sorted(set(LISTED) - {"BTC-BUSD"}))
    assert [(each.venue_symbol, each.symbol) for each in found.filtered] == [
        ("XBTBUSD", "BTC-BUSD"),
        ("XXBTZUSD.d", None),
    ]
    assert found.filtered[0].reason == RETIRED_QUOTES["BUSD"]
    assert (len(found), found.age_s, found.note) == (8, 2.0, None)


def test_unsupported_ones_are_listed_where_they_are_asked_for_and_never_tradable() -> None:
    found = product_list(
        LISTED.values(), {}, broker="kraken-master", venue="kraken", age_s=0.0, include_unsupported=True
    )
    by_symbol = {each.symbol: each for each in found}
    assert set(by_symbol) == set(LISTED)
    assert not by_symbol["BTC-BUSD"].is_tradable
    assert by_symbol["BTC-BUSD"].unsupported == RETIRED_QUOTES["BUSD"]
    assert by_symbol["BTC-USD"].is_tradable
    assert by_symbol["BTC-USD"].unsupported is None
    assert not by_symbol["USDT-USD"].is_tradable  # Cancel only.
    assert len(found.filtered) == 1


@pytest.mark.parametrize("status", InstrumentStatus)
def test_tradable_is_what_takes_a_new_buy(status: InstrumentStatus) -> None:
    [product] = product_list([instrument("BTC-USD", "X", status=status)], {}, broker="b", venue="v", age_s=0.0)
    assert product.is_tradable is (status.value in ("online", "post_only", "limit_only"))
    assert why_unsupported(product) is None
