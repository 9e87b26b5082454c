"""The names of what is held and what is traded."""

from __future__ import annotations

import pytest

from holdfast.core.assets import asset_code, split_symbol, symbol_of
from holdfast.errors import UnknownNameError


@pytest.mark.parametrize("text", ["BTC", "1INCH", "USD.HOLD", "stETH", "AAPLx", "A", "A" * 32, "SOL03.S", "US_D+"])
def test_codes_that_venues_list_are_codes(text: str) -> None:
    assert asset_code(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " BTC",
        "BTC ",
        "BTC\n",
        "BTC\x00",
        "BTC-USD",
        "BTC/USD",
        ".S",
        "A" * 33,
        "<b>BTC</b>",
        "В",  # Cyrillic.
        "BTC\u202e",
        "B T C",
        "A" * 1_000_000,
    ],
)
def test_anything_else_is_refused_in_one_short_printable_line(text: str) -> None:
    with pytest.raises(UnknownNameError) as refusal:
        asset_code(text)

    said = str(refusal.value)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 200


@pytest.mark.parametrize("value", [None, 1, b"BTC", ["BTC"]])
def test_a_code_is_text(value: object) -> None:
    with pytest.raises(UnknownNameError):
        asset_code(value)  # type: ignore[arg-type]  # What a careless caller might pass.
    with pytest.raises(UnknownNameError):
        split_symbol(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("base", "quote"), [("BTC", "USD"), ("USDT", "USDC"), ("1INCH", "EUR"), ("USD.HOLD", "X")])
def test_symbol_goes_both_ways(base: str, quote: str) -> None:
    assert split_symbol(symbol_of(base=base, quote=quote)) == (base, quote)


@pytest.mark.parametrize("text", ["", "BTC", "BTC-", "-USD", "BTC/USD", "BTC--USD", "BTC-USD-X", "BTC-USD\n", "-"])
def test_what_is_not_base_and_quote_is_no_symbol(text: str) -> None:
    with pytest.raises(UnknownNameError):
        split_symbol(text)
