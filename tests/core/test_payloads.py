"""JSON that may decide about money is decoded strictly or refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.payloads import MAX_VALUES, decode_strictly
from holdfast.errors import PayloadError


class Row(msgspec.Struct):
    amount: str
    count: int = 0
    rate: float = 0.0
    is_on: bool = False
    note: str | None = None


def test_numbers_keep_the_text_they_were_written_with() -> None:
    for text in (
        "1.50",
        "0.10",
        "1e-08",
        "1E+3",
        "-0",
        "123456789012345678901234567890.123456789012345678901234567890",
    ):
        assert decode_strictly(f'{{"amount":{text}}}'.encode(), Row).amount == text
        assert decode_strictly(f'{{"amount":"{text}"}}'.encode(), Row).amount == text


def test_other_fields_take_numbers_in_either_form() -> None:
    row = decode_strictly(b'{"amount":"1","count":"5","rate":2,"is_on":true,"note":null,"more":{"a":[1]}}', Row)
    assert (row.count, row.rate, row.is_on, row.note) == (5, 2.0, True, None)


@pytest.mark.parametrize("text", ["true", "false", "null", "[]", "{}", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_text_and_no_number_is_refused_as_one(text: str) -> None:
    with pytest.raises(PayloadError):
        decode_strictly(f'{{"amount":{text}}}'.encode(), Row)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}x", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":"\n"}', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":1,"a":1}', "duplicate key 'a'"),
        (b'{"a":1,"\\u0061":1}', "duplicate key 'a'"),
        (b'{"x":{"b":[{"a":1,"a":2}]}}', "duplicate key 'a'"),
        (b'{"a":NaN}', "NaN is not a number"),
        (b'{"amount":"1","note":"\\ud800"}', "surrogate"),
        (b'{"amount":"1","\\uDFFF":1}', "surrogate"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[]", "expected shape"),
        (b"{}", "missing required field `amount`"),
        (b"[" + b"1," * MAX_VALUES + b"1]", "more than"),
    ],
)
def test_what_is_wrong_is_refused_by_name(body: bytes, complaint: str) -> None:
    with pytest.raises(PayloadError, match=complaint):
        decode_strictly(body, Row)


def test_hostile_key_is_one_short_escaped_line() -> None:
    member = b'"a\\n' + b"b" * 1000 + b'":1'
    with pytest.raises(PayloadError) as caught:
        decode_strictly(b"{" + member + b"," + member + b"}", Row)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(10**30), 10**30),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_every_ordinary_document_is_read_as_it_was_written(value: Any) -> None:
    def as_text(each: Any) -> Any:
        if isinstance(each, dict):
            return {key: as_text(member) for key, member in each.items()}
        if isinstance(each, list):
            return [as_text(member) for member in each]
        return str(each) if type(each) is int else each

    written = json.dumps(value, ensure_ascii=False).encode()
    assert decode_strictly(written, object) == as_text(value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(PayloadError):
        decode_strictly(body, object)
