"""What a balance answer says is taken exactly; what it cannot say is refused by name."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal

import pytest

from holdfast.core.balances import Holding
from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.kraken import balances
from tests.venues.kraken.samples import balance_ex, listing, row, sample

D = Decimal


def read(body: bytes, *, auto_earn_spendable: bool = True) -> balances.Reading:
    return balances.balance_ex(body, listing(), auto_earn_spendable=auto_earn_spendable)


def holdings(body: bytes, *, auto_earn_spendable: bool = True) -> dict[str, Holding]:
    return read(body, auto_earn_spendable=auto_earn_spendable).holdings


# As documented


def test_documented_answer_gives_the_documented_figures() -> None:
    found = holdings(sample("http_balance_ex"))
    assert found["USD"] == Holding(asset="USD", total=D("25435.21"), held=D("8249.76"), available=D("17185.45"))
    assert found["BTC"] == Holding(asset="BTC", total=D("1.2435"), held=D("0.8423"), available=D("0.4012"))


def test_numbers_and_strings_of_one_amount_are_equal() -> None:
    assert holdings(sample("http_balance_ex_numbers")) == holdings(sample("http_balance_ex"))
    assert holdings(balance_ex('"ZUSD":{"balance":1e-8,"hold_trade":"0"}'))["USD"].total == D("0.00000001")


def test_credit_is_part_of_available_and_stated_beside_it() -> None:
    found = holdings(sample("http_balance_ex_credit"))["USD"]
    assert (found.total, found.held, found.available, found.credit) == (
        D("1500.2500"),
        D("400.0000"),
        D("1100.2500"),
        D("0.0000"),
    )
    lent = '"ZUSD":{"balance":"-10.5","credit":"100","credit_used":"10.5","hold_trade":"1"}'
    reading = read(balance_ex(lent))
    assert reading.holdings["USD"].available == D("78.0")
    assert reading.holdings["USD"].total == D("-10.5")
    assert reading.on_credit == {"USD"}


def test_simple_answer_states_totals_only() -> None:
    found = balances.balance(sample("http_balance"), listing()).holdings
    assert found["USD"] == Holding(asset="USD", total=D("1500.2500"))
    assert found["BTC"].total == D("0.4")
    assert found["SOL"].total == D("12.5")
    assert found["SOL"].rows == (("SOL", "0.0000000000"), ("SOL.F", "12.5000000000"))


def test_simple_and_extended_answers_agree_on_every_kind_of_row() -> None:
    symbols = ["ZUSD", "XXBT", "XBT.F", "XBT.M", "SOL", "SOL.F", "DOT.S", "DOT28.S", "USD.HOLD", "KFEE", "XXDG"]
    extended = read(balance_ex(*(row(symbol, f"{place}.5") for place, symbol in enumerate(symbols))))
    simple = balances.balance(
        json.dumps({"error": [], "result": {symbol: f"{place}.5" for place, symbol in enumerate(symbols)}}).encode(),
        listing(),
    )
    assert {code: each.total for code, each in extended.holdings.items()} == {
        code: each.total for code, each in simple.holdings.items()
    }
    assert extended.locked == simple.locked == {"BTC.M", "DOT.S", "DOT28.S", "USD.HOLD"}


def test_zero_that_is_stated_is_kept_as_stated() -> None:
    assert str(holdings(balance_ex(row("SOL", "0.0000000000")))["SOL"].total) == "0E-10"


@pytest.mark.parametrize(
    "body", [b'{"error":[]}', b'{"error":[],"result":null}', b'{"error":[],"result":{}}', b'{ "error" : [ ] }']
)
def test_answer_without_rows_is_a_complete_empty_one(body: bytes) -> None:
    assert holdings(body) == {}
    assert balances.balance(body, listing()).holdings == {}


# Grouping


def test_auto_earn_row_counts_in_total_and_in_available() -> None:
    found = holdings(balance_ex(row("XXBT", "0.0000000000", "0.1"), row("XBT.F", "1.5")))["BTC"]
    assert (found.total, found.held, found.available) == (D("1.5"), D("0.1"), D("1.4"))
    assert found.rows == (("XXBT", "0.0000000000"), ("XBT.F", "1.5"))


def test_auto_earn_row_counts_in_total_only_when_the_switch_is_off() -> None:
    body = balance_ex(row("XXBT", "0.2", "0.1"), row("XBT.F", "1.5"))
    found = holdings(body, auto_earn_spendable=False)["BTC"]
    assert (found.total, found.held, found.available) == (D("1.7"), D("0.1"), D("0.1"))


@pytest.mark.parametrize(("is_spendable", "available"), [(True, "12.5"), (False, "0")])
def test_auto_earn_row_stands_for_its_asset_alone(is_spendable: bool, available: str) -> None:
    found = holdings(balance_ex(row("SOL.F", "12.5")), auto_earn_spendable=is_spendable)["SOL"]
    assert (found.total, found.available) == (D("12.5"), D(available))


@pytest.mark.parametrize("suffix", ["S", "M", "B", "P", "HOLD", "NEWONE"])
def test_locked_row_is_an_asset_of_its_own_and_never_available(suffix: str) -> None:
    reading = read(balance_ex(row("DOT", "1"), row(f"DOT.{suffix}", "5")))
    assert reading.holdings["DOT"].total == D(1)
    assert reading.holdings[f"DOT.{suffix}"].total == D(5)
    assert reading.holdings[f"DOT.{suffix}"].available == 0
    assert reading.locked == {f"DOT.{suffix}"}


def test_unbonding_days_stay_apart() -> None:
    found = holdings(balance_ex(row("DOT.S", "1"), row("DOT28.S", "2"), row("DOT07.S", "3")))
    assert {code: each.total for code, each in found.items()} == {"DOT.S": D(1), "DOT28.S": D(2), "DOT07.S": D(3)}


def test_fee_credits_are_not_money() -> None:
    assert holdings(balance_ex(row("KFEE", "1000.00"), row("ZUSD", "1"))).keys() == {"USD"}


@pytest.mark.parametrize(
    "rows", [["XXBT", "XBT"], ["ZUSD", "USD"], ["XXDG", "XDG"]], ids=lambda rows: " and ".join(rows)
)
def test_two_rows_that_are_one_asset_are_refused(rows: list[str]) -> None:
    with pytest.raises(PayloadError, match=f"{rows[0]} and {rows[1]}"):
        read(balance_ex(*(row(symbol, "1") for symbol in rows)))
    with pytest.raises(PayloadError, match=f"{rows[0]} and {rows[1]}"):
        balances.balance(json.dumps({"error": [], "result": dict.fromkeys(rows, "1")}).encode(), listing())


def test_unlisted_asset_is_refused_by_name() -> None:
    with pytest.raises(UnknownAssetError, match="NEWCOIN"):
        read(balance_ex(row("ZUSD", "1"), row("NEWCOIN", "5")))


# Contradictions are shown


def test_hold_beyond_the_balance_is_shown_as_stated() -> None:
    found = holdings(balance_ex(row("ZUSD", "100.0", "250.0")))["USD"]
    assert (found.total, found.held, found.available) == (D("100.0"), D("250.0"), D("-150.0"))


# Exactness


@pytest.mark.parametrize(
    "text", ["1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789012345.123456789012345", "0.10", "007", "12e3"]
)
def test_amount_is_kept_digit_for_digit(text: str) -> None:
    found = holdings(balance_ex(row("ZUSD", text, "0.5")))["USD"]
    assert found.total.as_tuple() == D(text).as_tuple()
    with decimal.localcontext(decimal.Context(prec=200)):
        assert found.available == D(text) - D("0.5")


@pytest.mark.parametrize(
    "context",
    [
        decimal.Context(prec=6),
        decimal.Context(prec=3, rounding=decimal.ROUND_UP, Emax=10, Emin=-2),
        decimal.Context(prec=6, traps=[]),
        decimal.Context(traps=[decimal.Inexact, decimal.Rounded, decimal.Subnormal, decimal.FloatOperation]),
    ],
)
@pytest.mark.parametrize("extra", [(), (row("SOL.F", "1.123456789"),)], ids=["fast", "careful"])
def test_hostile_decimal_context_changes_nothing(context: decimal.Context, extra: tuple[str, ...]) -> None:
    body = balance_ex(row("XXBT", "1.2345678901", "0.1111111111"), row("ZUSD", "123456789.1234"), *extra)
    expected = holdings(body)
    with decimal.localcontext(context):
        assert holdings(body) == expected
        assert expected["BTC"].available is not None
        assert expected["BTC"].available.compare_total(D("1.1234567790")) == 0
        with pytest.raises(AmountError):
            read(balance_ex(row("ZUSD", "1.2.3")))


# Refusals


NOT_AMOUNTS = [
    *(
        '"NaN"',
        '"sNaN"',
        '"-NaN"',
        '"Infinity"',
        '"-Infinity"',
        '"inf"',
        '""',
        '" 1"',
        '"1 "',
        '"1 2"',
        '"\\t1"',
        '"1\\n"',
    ),
    *('"1_000"', '"1,000"', '"+1"', '".5"', '"5."', '"."', '"-"', '"--1"', '"1.2.3"', '"1e400"', '"1E+50000000"'),
    *('"1e-400"', '"0x10"', '"١٢٣"', '"１２３"', '"1\\u00a0"', '"null"', '"true"', "1e400", "1E+50000000", "1" * 61),
    *('"1' + "0" * 60 + '"',),
]
NOT_MONEY = ["NaN", "Infinity", "-Infinity", "null", "true", "false", "[]", "{}", '["1"]', '{"a":"1"}']


@pytest.mark.parametrize("text", [*NOT_AMOUNTS, *NOT_MONEY])
@pytest.mark.parametrize("field", ["balance", "hold_trade", "credit", "credit_used"])
def test_money_that_is_none_is_refused(field: str, text: str) -> None:
    if text == "null" and field.startswith("credit"):
        return  # An optional field that is null is an optional field that is absent.
    fields = {"balance": '"1.0"', "hold_trade": '"0.0"', field: text}
    body = balance_ex(
        row("XXBT", "1"), '"ZUSD":{' + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    )
    with pytest.raises(PayloadError) as caught:
        read(body)
    if text in NOT_AMOUNTS:
        assert isinstance(caught.value, AmountError)
        assert "ZUSD" in str(caught.value)
        assert field in str(caught.value)


@pytest.mark.parametrize("text", [*NOT_AMOUNTS, *NOT_MONEY])
def test_simple_answer_refuses_the_same(text: str) -> None:
    with pytest.raises(PayloadError):
        balances.balance(f'{{"error":[],"result":{{"ZUSD":{text}}}}}'.encode(), listing())


@pytest.mark.parametrize(
    "body",
    [
        balance_ex(row("ZUSD", "1"), row("ZUSD", "2")),
        balance_ex(row("ZUSD", "1"), row("ZUSD", "1")),
        balance_ex(row("ZUSD", "1"), row("Z\\u0055SD", "2")),
        balance_ex('"ZUSD":{"balance":"1","balance":"2","hold_trade":"0"}'),
        balance_ex('"ZUSD":{"balance":"1","hold_trade":"0","hold_trade":"0"}'),
        balance_ex('"ZUSD":{"balance":"1","hold_trade":"0","\\u0062alance":"5"}'),
        balance_ex('"ZUSD":{"balance":"1","hold_trade":"0","credit":"1","credit":"2"}'),
        balance_ex('"ZUSD":{"balance":"1","hold_trade":"0","new":1,"new":2}'),
        b'{"error":["EAPI:Invalid key"],"error":[],"result":{}}',
        b'{"error":[],"result":{"ZUSD":{"balance":"1","hold_trade":"0"}},"result":{}}',
    ],
)
def test_duplicate_keys_and_rows_are_refused(body: bytes) -> None:
    with pytest.raises(PayloadError, match="duplicate key"):
        read(body)


def test_duplicate_row_of_the_simple_answer_is_refused() -> None:
    with pytest.raises(PayloadError, match="duplicate key"):
        balances.balance(b'{"error":[],"result":{"ZUSD":"1","ZUSD":"0"}}', listing())


@pytest.mark.parametrize(
    ("fields", "named"),
    [('"balance":"1"', "hold_trade"), ('"hold_trade":"1"', "balance"), ('"Balance":"1"', "balance")],
)
def test_missing_money_is_refused_by_the_fields_name(fields: str, named: str) -> None:
    with pytest.raises(PayloadError, match=named):
        read(balance_ex('"ZUSD":{' + fields + "}"))


def test_extra_fields_are_tolerated_wherever_they_stand() -> None:
    body = (
        b'{"extra":{"a":[1,2,{"b":null}]},"error":[],"result":{"ZUSD":{"flags":["x"],"balance":"1","note":"a, \\"b\\"",'
        b'"hold_trade":"0"}},"server":1.5e3}'
    )
    assert holdings(body)["USD"].total == D(1)


@pytest.mark.parametrize("field", ["balance", "hold_trade"])
def test_negative_amount_that_no_credit_explains_is_refused(field: str) -> None:
    fields = {"balance": "1", "hold_trade": "0", field: "-0.0001"}
    with pytest.raises(PayloadError, match="negative"):
        read(balance_ex(row("ZUSD", fields["balance"], fields["hold_trade"])))


def test_negative_simple_total_is_believed_only_of_an_asset_on_credit() -> None:
    body = b'{"error":[],"result":{"ZUSD":"-5.0"}}'
    with pytest.raises(PayloadError, match="negative"):
        balances.balance(body, listing())
    assert balances.balance(body, listing(), on_credit={"USD"}).holdings["USD"].total == D("-5.0")


@pytest.mark.parametrize("field", ["credit", "credit_used"])
def test_negative_credit_is_refused(field: str) -> None:
    with pytest.raises(PayloadError, match="negative"):
        read(balance_ex('"ZUSD":{"balance":"1","hold_trade":"0","' + field + '":"-1"}'))


@pytest.mark.parametrize("name", ["http_balance", "http_time", "http_system_status", "http_assets", "http_ticker"])
def test_another_endpoints_answer_is_refused(name: str) -> None:
    with pytest.raises(PayloadError):
        read(sample(name))


@pytest.mark.parametrize(
    "name", ["http_balance_ex", "http_time", "http_system_status", "http_token", "http_assets", "http_open_orders"]
)
def test_another_endpoints_answer_is_refused_as_simple_balances(name: str) -> None:
    with pytest.raises(PayloadError) as caught:
        balances.balance(sample(name), listing())
    assert "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEMw" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"true",
        b'"text"',
        b"<!DOCTYPE html><html>520</html>",
        b"\xef\xbb\xbf" + sample("http_balance_ex"),
        sample("http_balance_ex").decode().encode("utf-16"),
        sample("http_balance_ex").replace(b"ZUSD", b"Z\xffSD"),
        sample("http_balance_ex") + b"x",
        sample("http_balance_ex") + sample("http_balance_ex"),
        sample("http_balance_ex").replace(b'"', b"'"),
        b'{"result":{"ZUSD":{"balance":"1","hold_trade":"0"}}}',
        b'{"error":null,"result":{}}',
        b'{"error":"","result":{}}',
        b'{"error":[1],"result":[]}',
        b'{"error":[],"result":{"ZUSD":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"error":[],"result":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"error":[],"result":{"ZUSD":{"balance":"1","hold_trade":"0"}},"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=range(20),
)
def test_body_that_is_no_answer_is_refused_not_crashed_on(body: bytes) -> None:
    with pytest.raises(PayloadError):
        read(body)
    with pytest.raises(PayloadError):
        balances.balance(body, listing())


def test_answer_cut_at_any_byte_is_refused() -> None:
    for body in (sample("http_balance_ex"), sample("http_balance_ex_credit"), sample("http_balance_ex_numbers")):
        for length in range(len(body)):
            with pytest.raises(PayloadError):
                read(body[:length])


def test_body_beyond_any_list_of_balances_is_refused_unread() -> None:
    with pytest.raises(PayloadError, match="more than any list"):
        read(b'{"error":[],"result":{' + b" " * balances.MAX_BALANCES_BYTES + b"}}")


def test_hostile_symbol_is_one_escaped_line() -> None:
    for symbol in ("ZUSD\\nbalance=9", "\\u202eDSU", "<script>alert(1)</script>", "A" * 5000, "\\ud800"):
        with pytest.raises(PayloadError) as caught:
            read(balance_ex(row(symbol, "1")))
        told = str(caught.value)
        assert told.isprintable()
        assert told.isascii()
        assert len(told) < 300


@pytest.mark.parametrize("instead", ['"results":{"ZUSD":{"balance":"1","hold_trade":"0"}}', '"Result":{},"x":0'])
def test_answer_with_something_else_in_place_of_its_result_is_no_empty_account(instead: str) -> None:
    body = f'{{"error":[],{instead}}}'.encode()
    for parse in (read, lambda body: balances.balance(body, listing())):
        with pytest.raises(PayloadError, match="no part of an answer"):
            parse(body)
