"""Kraken's names become ours and back, and nothing is stripped blindly."""

from __future__ import annotations

import pytest

from holdfast.core.instruments import InstrumentStatus
from holdfast.errors import PayloadError, UnknownAssetError, UnknownNameError
from holdfast.venues.kraken import parse
from holdfast.venues.kraken.symbols import RowKind
from tests.venues.kraken.samples import listing, sample


@pytest.mark.parametrize(
    ("symbol", "code", "kind"),
    [
        ("XXBT", "BTC", RowKind.PLAIN),
        ("XBT", "BTC", RowKind.PLAIN),
        ("XXDG", "DOGE", RowKind.PLAIN),
        ("XDG", "DOGE", RowKind.PLAIN),
        ("XETH", "ETH", RowKind.PLAIN),
        ("ZUSD", "USD", RowKind.PLAIN),
        ("XTZ", "XTZ", RowKind.PLAIN),
        ("ZRX", "ZRX", RowKind.PLAIN),
        ("XZEC", "ZEC", RowKind.PLAIN),
        ("SOL", "SOL", RowKind.PLAIN),
        ("1INCH", "1INCH", RowKind.PLAIN),
        ("XBT.F", "BTC", RowKind.EARNING),
        ("ETH.F", "ETH", RowKind.EARNING),
        ("SOL.F", "SOL", RowKind.EARNING),
        ("USD.F", "USD", RowKind.EARNING),
        ("XBT.M", "BTC.M", RowKind.LOCKED),
        ("XBT.B", "BTC.B", RowKind.LOCKED),
        ("DOT.S", "DOT.S", RowKind.LOCKED),
        ("DOT.P", "DOT.P", RowKind.LOCKED),
        ("DOT28.S", "DOT28.S", RowKind.LOCKED),
        ("SOL03.S", "SOL03.S", RowKind.LOCKED),
        ("XBT03.S", "BTC03.S", RowKind.LOCKED),
        ("C98.S", "C98.S", RowKind.LOCKED),
        ("ETH2.S", "ETH2.S", RowKind.LOCKED),
        ("ETH2", "ETH2", RowKind.PLAIN),
        ("USD.HOLD", "USD.HOLD", RowKind.LOCKED),
        # Not how Kraken spells them; if it did, they would be rows of the same assets.
        ("XETH.F", "ETH", RowKind.EARNING),
        ("ZUSD.HOLD", "USD.HOLD", RowKind.LOCKED),
        ("XXBT03.S", "BTC03.S", RowKind.LOCKED),
        ("SOL.NEW", "SOL.NEW", RowKind.LOCKED),
        ("KFEE", "FEE", RowKind.NOT_MONEY),
    ],
)
def test_symbol_has_its_meaning(symbol: str, code: str, kind: RowKind) -> None:
    name = listing().asset(symbol)
    assert (name.code, name.kind) == (code, kind)


@pytest.mark.parametrize(
    "symbol",
    [
        *("NOPE", "NOPE.F", "NOPE.S", "XXBT.F.F", "BTC", "", ".F", "XBT.T", "KFEE.S", "KFEE.F", "<b>", "X" * 99),
        *("X" * 99 + ".F", "x" * 99 + ".S", "SOL03.F"),
    ],
)
def test_unlisted_symbol_is_refused_by_name(symbol: str) -> None:
    with pytest.raises(UnknownAssetError) as caught:
        listing().asset(symbol)
    assert ascii(symbol)[:80] in str(caught.value)


@pytest.mark.parametrize("symbol", ["XBT\n", "XBT\x00", "‮TBX", "X'BT"])
def test_symbol_that_would_break_a_log_line_is_shown_escaped(symbol: str) -> None:
    with pytest.raises(UnknownAssetError) as caught:
        listing().asset(symbol)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("key", "altname", "streamed", "ours"),
    [
        ("XXBTZUSD", "XBTUSD", "BTC/USD", "BTC-USD"),
        ("XETHZEUR", "ETHEUR", "ETH/EUR", "ETH-EUR"),
        ("SOLUSD", "SOLUSD", "SOL/USD", "SOL-USD"),
        ("XDGUSD", "XDGUSD", "DOGE/USD", "DOGE-USD"),
        ("XXRPXXBT", "XRPXBT", "XRP/BTC", "XRP-BTC"),
    ],
)
def test_market_is_one_in_all_its_spellings(key: str, altname: str, streamed: str, ours: str) -> None:
    names = listing()
    assert names.instrument(key) == names.instrument(altname) == names.streamed_instrument(streamed) == ours
    assert names.rest_symbol(ours) == key
    assert names.instruments[ours].stream_symbol == streamed


def test_every_instrument_and_asset_round_trips() -> None:
    names = listing()
    assert len(names.instruments) == 13
    for ours, instrument in names.instruments.items():
        assert names.instrument(names.rest_symbol(ours)) == ours
        assert names.streamed_instrument(instrument.stream_symbol) == ours
        assert names.sides(ours) == (instrument.base, instrument.quote)
    for code in names.assets:
        assert names.asset(names.rest_asset(code)).code == code
        assert names.streamed_asset(code) == code


def test_names_that_nobody_listed_are_refused_both_ways() -> None:
    names = listing()
    assert names.instrument("XBTUSD.d") is None
    assert names.streamed_instrument("XBT/USD") is None
    assert names.sides(None) == (None, None)
    with pytest.raises(UnknownNameError):
        names.rest_symbol("BTC-CHF")
    with pytest.raises(UnknownNameError):
        names.rest_asset("BTC.M")


def test_venue_that_invents_symbols_without_end_does_not_make_us_grow() -> None:
    names = parse.names_of(sample("http_assets"), sample("http_asset_pairs"))
    for number in range(12_000):
        suffix = "".join(chr(ord("A") + number // 26**place % 26) for place in range(4))
        assert names.asset(f"XBT.Z{suffix}").kind is RowKind.LOCKED
    assert len(names._code_of) <= 10_000


def test_stream_may_not_name_an_earning_row() -> None:
    names = listing()
    assert names.streamed_asset("KFEE") is None
    assert names.streamed_asset("DOT.S") == "DOT.S"
    with pytest.raises(UnknownAssetError):
        names.streamed_asset("XBT.F")


def test_instrument_has_its_rules_as_kraken_states_them() -> None:
    instruments = listing().instruments
    bitcoin = instruments["BTC-USD"]
    assert str(bitcoin.price_step) == "0.1"
    assert str(bitcoin.quantity_step) == "1E-8"
    assert (str(bitcoin.quantity_min), str(bitcoin.cost_min)) == ("0.00005", "0.5")
    assert (str(bitcoin.taker_fee), str(bitcoin.maker_fee)) == ("0.0040", "0.0025")
    assert instruments["ETH-BTC"].maker_fee is not None
    assert str(instruments["ETH-BTC"].taker_fee) == "0.0026"


def test_instrument_status_that_is_new_is_unknown_never_online() -> None:
    instruments = listing().instruments
    assert instruments["BTC-GBP"].status is InstrumentStatus.CANCEL_ONLY
    assert instruments["ZRX-USD"].status is InstrumentStatus.POST_ONLY
    assert instruments["LTC-USD"].status is InstrumentStatus.UNKNOWN


def test_asset_that_is_not_enabled_says_so() -> None:
    assets = listing().assets
    assert not assets["LUNA"].is_enabled
    assert assets["BTC"].is_enabled
    assert (assets["BTC"].venue_symbol, assets["BTC"].decimals) == ("XXBT", 10)
    assert "DOT.S" not in assets


def test_listing_entries_that_cannot_be_named_are_left_out() -> None:
    hostile = b'{"error":[],"result":{"<img>":{"altname":"<img>","decimals":8},"SOL":{"altname":"SOL","decimals":8}}}'
    names = parse.names_of(hostile, b'{"error":[],"result":{}}')
    assert set(names.assets) == {"SOL"}


def test_tokenized_assets_are_assets_of_their_own() -> None:
    entry = '"{0}":{{"aclass":"tokenized_asset","altname":"{0}","decimals":8}}'
    tokenized = f'{{"error":[],"result":{{{entry.format("AAPLx")},{entry.format("AAPLx.T")}}}}}'.encode()
    names = parse.names_of(sample("http_assets"), sample("http_asset_pairs"), tokenized_body=tokenized)
    assert names.asset("AAPLx.T").kind is RowKind.PLAIN
    assert {"AAPLx", "AAPLx.T", "BTC"} <= set(names.assets)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"error":[]}', *(b'{"error":[],"result":%s}' % result for result in (b"{}", b"[]", b'{"A":1}'))],
)
def test_listing_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        parse.names_of(body, sample("http_asset_pairs"))
