"""Names go both ways, and what OKX does not list is refused by name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.instruments import InstrumentStatus
from holdfast.errors import PayloadError, UnknownAssetError, UnknownNameError
from holdfast.venues.okx import parse
from holdfast.venues.okx.symbols import code_of
from tests.venues.okx.samples import compact, listing, loaded, sample

D = Decimal


def test_every_instrument_and_asset_round_trips() -> None:
    names = listing()
    for symbol, instrument in names.instruments.items():
        line = names.line(symbol)
        assert line.inst_id == instrument.venue_symbol
        assert names.instrument(line.inst_id, instrument.quote) == symbol
        assert symbol == f"{instrument.base}-{instrument.quote}"
        assert names.sides(symbol) == (instrument.base, instrument.quote)
    for code, asset in names.assets.items():
        assert names.rest_asset(code) == asset.venue_symbol == code


def test_one_dollar_book_is_an_instrument_for_each_money_it_moves() -> None:
    names = listing()
    dollars, coins = names.line("BTC-USD"), names.line("BTC-USDC")
    assert (dollars.inst_id, dollars.trade_quote) == ("BTC-USD", "USD")
    assert (coins.inst_id, coins.trade_quote) == ("BTC-USD", "USDC")
    assert names.instruments["BTC-USDC"].quote == "USDC"
    assert names.instrument("BTC-USD") == "BTC-USD"
    assert names.instrument("BTC-USD", "USDC") == "BTC-USDC"
    assert names.symbols_of("BTC-USD") == ["BTC-USD", "BTC-USDC"]


def test_instrument_of_its_own_has_precedence_over_a_line_of_another() -> None:
    whole = loaded("http_instruments_many")
    own = {**whole["data"][2], "quoteCcy": "USDC", "instId": "BTC-USDC", "tradeQuoteCcyList": ["USDC"], "tickSz": "7"}
    whole["data"].append(own)
    names = parse.names_of(compact(whole))
    assert names.line("BTC-USDC").inst_id == "BTC-USDC"
    assert names.instruments["BTC-USDC"].price_step == D(7)


def test_rules_are_as_listed_and_what_is_not_live_is_closed() -> None:
    instruments = listing().instruments
    bitcoin = instruments["BTC-USDT"]
    assert (bitcoin.quantity_step, bitcoin.price_step, bitcoin.quantity_min) == (
        D("0.00000001"),
        D("0.1"),
        D("0.00001"),
    )
    assert bitcoin.cost_min is None
    assert bitcoin.status is InstrumentStatus.ONLINE
    assert instruments["LUNA-USDT"].status is InstrumentStatus.OFFLINE
    assert instruments["DOGE-USDT"].status is InstrumentStatus.UNKNOWN


def test_codes_of_the_stream_are_numbers_or_none() -> None:
    names = listing()
    assert names.line("BTC-USDT").code == 10000
    assert names.line("OKB-USDT").code is None
    assert names.line("OKB-USDT").trade_quote is None  # No list, so no choice.


def test_unlisted_names_are_refused_by_name() -> None:
    names = listing()
    with pytest.raises(UnknownNameError, match="XMR-USDT"):
        names.line("XMR-USDT")
    with pytest.raises(UnknownNameError, match="XMR"):
        names.rest_asset("XMR")
    assert names.instrument("XMR-USDT") is None
    assert names.instrument("BTC-USDT", "EUR") is None
    assert names.sides("XMR-USDT") == (None, None)


def test_currency_no_instrument_has_keeps_its_name_and_nonsense_is_none() -> None:
    assert code_of("OLDCOIN") == "OLDCOIN"
    for nonsense in ("", "A B", "x" * 40, "ÄÖ"):
        with pytest.raises(UnknownAssetError):
            code_of(nonsense)


@pytest.mark.parametrize("field", ["instId", "instType", "baseCcy", "quoteCcy", "tickSz", "lotSz", "minSz", "state"])
def test_listing_without_a_field_that_is_needed_is_refused_by_name(field: str) -> None:
    whole = loaded("http_instruments")
    del whole["data"][0][field]
    with pytest.raises(PayloadError, match=field):
        parse.names_of(compact(whole))


def test_instrument_with_a_broken_rule_is_not_listed_and_the_others_are() -> None:
    whole = loaded("http_instruments_many")
    whole["data"][0]["tickSz"] = "0"
    whole["data"][1]["lotSz"] = "much"
    names = parse.names_of(compact(whole))
    assert not {"BTC-USDT", "ETH-USDT"} & names.instruments.keys()
    assert "BTC-EUR" in names.instruments


def test_documented_sample_is_read_and_a_listing_of_nothing_is_refused() -> None:
    assert parse.names_of(sample("http_instruments")).instruments["BTC-EUR"].price_step == D(1)
    with pytest.raises(PayloadError, match="nothing listed"):
        parse.names_of(b'{"code":"0","msg":"","data":[]}')


def test_refreshed_instrument_is_told_anew_or_gone() -> None:
    names = listing()
    known = names.instruments["BTC-USDC"]
    whole = loaded("http_instruments_many")
    whole["data"][2] |= {"state": "suspend", "instIdCode": 7}
    found = parse.instrument_of(compact(whole), known)
    assert found is not None
    assert (found[0].status, found[1].code) == (InstrumentStatus.OFFLINE, 7)
    whole["data"][2]["tradeQuoteCcyList"] = ["USD"]
    assert parse.instrument_of(compact(whole), known) is None
