"""Hostile edits of one place: exactly that place changes, and every other byte stays."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.simulators.core.mutations import MUTATIONS, mutate, places

TEXT = '{"error":[],"result":{ "ZUSD":{"balance":"1500.25","hold_trade":"400"},"XXBT":{"balance":"0.4"} }}'
FRAME = '{"channel":"balances","type":"update","sequence":7,"data":[{"asset":"USD","balance":1.5},{"asset":"BTC"}]}'


def changed(how: str, *, text: str = TEXT, field: str | None = "ZUSD.balance", value: str | None = None) -> str:
    result = mutate(text, how, field=field, value=value, rng=Random(1))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("how", "literal"),
    [
        ("nan", '"NaN"'),
        ("infinity", '"Infinity"'),
        ("minus_infinity", '"-Infinity"'),
        ("big_exponent", '"1e400"'),
        ("giant_exponent", '"1E+50000000"'),
        ("empty", '""'),
        ("inner_blank", '"1 0"'),
        ("outer_blank", '" 1 "'),
        ("newline", '"1\\n"'),
        ("underscore", '"1_000"'),
        ("comma", '"1,5"'),
        ("plus_sign", '"+1"'),
        ("foreign_digits", '"١٢٣"'),
        ("null", "null"),
        ("true", "true"),
        ("nested", '{"amount":"1"}'),
        ("giant", '"1000000000000000000000000000000"'),
        ("tiny", '"0.000000000000000000000000000001"'),
        ("many_digits", '"1234567890123456789.012345678901234567891"'),
        ("negative", '"-1500.25"'),
        ("exponent", '"1.50025E+3"'),
        ("retype", "1500.25"),
    ],
)
def test_value_is_replaced_and_the_rest_kept(how: str, literal: str) -> None:
    assert changed(how) == TEXT.replace('"1500.25"', literal)


@pytest.mark.parametrize(
    ("how", "literal"),
    [("nan", "NaN"), ("big_exponent", "1e400"), ("negative", "-1.5"), ("retype", '"1.5"'), ("exponent", "1.5E+0")],
)
def test_number_stays_a_number_where_the_form_allows(how: str, literal: str) -> None:
    assert changed(how, text=FRAME, field="balance") == FRAME.replace("1.5", literal)


def test_set_rename_remove_and_nest() -> None:
    assert changed("set", text=FRAME, field="sequence", value="1") == FRAME.replace('"sequence":7', '"sequence":1')
    assert changed("rename", value="balanse") == TEXT.replace('"ZUSD":{"balance"', '"ZUSD":{"balanse"')
    assert changed("remove") == TEXT.replace('"balance":"1500.25",', "")
    assert changed("remove", field="hold_trade") == TEXT.replace(',"hold_trade":"400"', "")
    assert changed("remove", field="XXBT.balance") == TEXT.replace('"balance":"0.4"', "")
    assert changed("nest", value="3") == TEXT.replace('"1500.25"', "[[[]]]")


def test_duplicates() -> None:
    assert changed("duplicate_key") == TEXT.replace('"balance":"1500.25"', '"balance":"1500.25","balance":"0"')
    row = '"ZUSD":{"balance":"1500.25","hold_trade":"400"}'
    assert changed("duplicate_row") == TEXT.replace(row, f"{row},{row}")
    entry = '{"asset":"USD","balance":1.5}'
    assert changed("duplicate_row", text=FRAME, field="balance") == FRAME.replace(entry, f"{entry},{entry}")


def test_without_a_field_only_amounts_below_the_top_are_picked() -> None:
    picked = {mutate(FRAME, "null", field=None, value=None, rng=Random(seed)) for seed in range(20)}
    assert picked == {FRAME.replace("1.5", "null")}


def test_what_has_no_such_place_is_left_alone() -> None:
    assert mutate(TEXT, "nan", field="nosuch", value=None, rng=Random(1)) is None
    assert mutate("<html>", "nan", field=None, value=None, rng=Random(1)) is None
    assert mutate(TEXT, "negative", field="result", value=None, rng=Random(1)) is None
    assert mutate('{"error":[]}', "nan", field=None, value=None, rng=Random(1)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(document=JSON, indent=st.sampled_from([None, 0, 2]))
def test_every_place_is_a_whole_value_of_any_document(document: Any, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    found = places(text)
    assert json.loads(text[found[0].start : found[0].end]) == document
    for place in found:
        json.loads(text[place.start : place.end])


@given(document=JSON)
def test_negating_changes_no_other_value(document: Any) -> None:
    text = json.dumps({"top": {"amount": "1.5", "rest": document}})
    result = mutate(text, "negative", field="top.amount", value=None, rng=Random(0))
    assert result is not None
    assert json.loads(result) == {"top": {"amount": "-1.5", "rest": document}}


def test_exponent_form_means_the_same_amount() -> None:
    text = json.loads(changed("exponent"))["result"]["ZUSD"]["balance"]
    assert Decimal(text) == Decimal("1500.25")


def test_every_mutation_changes_something() -> None:
    for how in MUTATIONS:
        assert changed(how, value="7") != TEXT, how
