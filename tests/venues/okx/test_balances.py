"""Balances: cash is what counts, both ways of reading agree, and nothing is read out of what cannot be believed."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.okx import balances, wire
from holdfast.venues.okx.parse import rows_of
from tests.venues.okx.samples import balance, compact, loaded, row, sample

D = Decimal


def carefully(body: bytes) -> Any:
    """What the careful way says."""
    [account] = rows_of(body, wire.Account, "account/balance")
    return balances.holdings_of(account.details, "account/balance")


def test_total_is_cash_and_equity_stands_beside_it() -> None:
    holdings = balances.balance(sample("http_balance_spot")).holdings
    assert set(holdings) == {"USDT", "BTC"}
    dollars = holdings["USDT"]
    assert (dollars.total, dollars.held, dollars.available) == (D(1000), D(250), D(750))
    assert dollars.detail == (("equity", D(1000)),)


def test_documented_account_with_bots_counts_none_of_theirs() -> None:
    # An account in futures mode: its frozen part holds more than the bots, so that it is stated as it is.
    dollars = balances.balance(sample("http_balance")).holdings["USDT"]
    assert dollars.total == D("4850.435693622894")
    assert dollars.held == D("158.573")
    assert dict(dollars.detail) == {"equity": D("4992.890093622894"), "bots": D(150)}


def test_what_bots_have_is_taken_off_where_the_row_shows_that_it_is_in() -> None:
    one = row("USDT", "1000", "750", "400", stgyEq="150", eq="1150")
    holding = balances.balance(balance(one)).holdings["USDT"]
    assert (holding.total, holding.held, holding.available) == (D(1000), D(250), D(750))
    assert dict(holding.detail) == {"equity": D(1150), "bots": D(150)}


def test_empty_account_is_a_complete_answer_and_one_without_an_account_is_none() -> None:
    assert balances.balance(sample("http_balance_empty")).holdings == {}
    for body in (
        b'{"code":"0","data":[],"msg":""}',
        b'{"code":"0","msg":""}',
        b'{"code":"0","data":[{}],"msg":""}',
        b'{"code":"0","data":[{"uTime":"1768465800400"}],"msg":""}',
        b'{"code":"0","data":[{"details":[]}],"msg":""}',
        b'{"code":"51000","data":[{"details":[],"uTime":"1768465800400"}],"msg":""}',
    ):
        with pytest.raises(PayloadError):
            balances.balance(body)


def test_negative_cash_needs_a_liability_that_explains_it() -> None:
    owed = balances.balance(balance(row("USDT", "-5", "0", "0", liab="5"))).holdings["USDT"]
    assert owed.total == D(-5)
    assert dict(owed.detail)["liabilities"] == D(5)
    for one in (row("USDT", "-5", "0", liab=""), row("USDT", "5", "-1"), row("USDT", "5", "5", "-1")):
        with pytest.raises(PayloadError, match="negative"):
            balances.balance(balance(one))


def test_currency_twice_is_refused_and_one_without_a_name_is_no_row() -> None:
    with pytest.raises(PayloadError, match="twice"):
        balances.balance(balance(row("BTC", "1"), row("BTC", "1")))
    assert balances.balance(balance(row("", "0"), row("BTC", "1"))).holdings.keys() == {"BTC"}


def test_currency_nobody_lists_is_held_all_the_same_and_nonsense_is_refused() -> None:
    assert balances.balance(balance(row("OLDCOIN", "1"))).holdings["OLDCOIN"].total == D(1)
    with pytest.raises(UnknownAssetError):
        balances.balance(balance(row("A B", "1")))


@pytest.mark.parametrize("field", ["ccy", "cashBal", "availBal", "frozenBal", "uTime"])
def test_field_that_is_needed_is_missed_by_name(field: str) -> None:
    one = row("BTC", "1")
    del one[field]
    with pytest.raises(PayloadError, match=field):
        balances.balance(balance(one))


@pytest.mark.parametrize("field", ["eq", "liab", "stgyEq"])
def test_field_beside_the_figures_may_be_missing_or_not_apply(field: str) -> None:
    one = row("BTC", "1")
    assert balances.balance(balance({**one, field: ""})).holdings["BTC"].total == D(1)
    del one[field]
    assert balances.balance(balance(one)).holdings["BTC"].total == D(1)


@pytest.mark.parametrize("field", ["cashBal", "availBal", "frozenBal"])
@pytest.mark.parametrize("wrong", ["", "NaN", "1e999", "1,5", " 1", "0x1", "١", None, [], True])
def test_money_that_is_none_is_refused(field: str, wrong: Any) -> None:
    with pytest.raises(PayloadError):
        balances.balance(balance({**row("BTC", "1"), field: wrong}))


def test_number_in_place_of_text_is_read_digit_for_digit() -> None:
    body = balance(row("BTC", "1")).replace(b'"cashBal":"1"', b'"cashBal":1.50')
    assert str(balances.balance(body).holdings["BTC"].total) == "1.50"


def test_duplicate_field_is_refused_on_either_way() -> None:
    good = balance(row("BTC", "1"))
    for field in ("cashBal", "availBal", "frozenBal", "ccy"):
        twice = good.replace(f'"{field}":'.encode(), f'"{field}":"2","{field}":'.encode(), 1)
        with pytest.raises(PayloadError):
            balances.balance(twice)
    for field in ("details", "code"):
        twice = good.replace(f'"{field}":'.encode(), f'"{field}":[],"{field}":'.encode(), 1)
        with pytest.raises(PayloadError):
            balances.balance(twice)


def test_both_ways_agree_on_every_form_an_answer_may_have() -> None:
    dice = random.Random(5)
    codes = [f"C{number}" for number in range(40)]
    for _ in range(60):
        rows = []
        for code in dice.sample(codes, dice.randrange(0, 12)):
            cash = f"{dice.randrange(10**6)}.{dice.randrange(10**8):08d}" if dice.random() < 0.8 else "0"
            more = {"uTime": f"17684657{dice.randrange(10**5):05d}"}
            if dice.random() < 0.2:
                more |= dice.choice([{"stgyEq": "3"}, {"liab": "2"}, {"eq": ""}, {"liab": "0"}, {"eq": "-1"}])
            rows.append(row(code, cash, **more))
        body = balance(*rows)
        assert balances.balance(body).holdings == carefully(body)
        spaced = json.dumps(json.loads(body)).encode()  # Written with blanks, only the careful way reads it.
        assert balances.balance(spaced).holdings == carefully(body)


def test_mutated_answer_is_never_read_as_something_else() -> None:
    body = balance(row("BTC", "1.25", "1", "0.25"), row("USDT", "1000", "750", "250"))
    truth = balances.balance(body).holdings
    dice = random.Random(9)
    for _ in range(800):
        broken = bytearray(body)
        for _ in range(dice.randrange(1, 4)):
            broken[dice.randrange(len(broken))] = dice.choice(b'0123456789"{}[],:.eE-ab\\ ')
        try:
            stated = balances.balance(bytes(broken)).holdings
        except PayloadError:
            continue
        try:
            assert stated == carefully(bytes(broken))
        except PayloadError:
            pytest.fail("the fast way believed what the careful way refuses")
        assert all(holding.total.is_finite() for holding in stated.values())
    assert balances.balance(body).holdings == truth


def test_huge_answer_is_refused_unread() -> None:
    with pytest.raises(PayloadError, match="more than any"):
        balances.balance(b" " * (balances.MAX_BALANCES_BYTES + 1))


def test_funding_stands_beside_and_is_never_counted() -> None:
    funds = balances.funding(sample("http_funding"))
    assert funds == {"USDT": D(20), "SOL": D(3)}
    holdings = balances.with_funding(balances.balance(sample("http_balance_spot")).holdings, funds, is_complete=True)
    assert holdings["USDT"].total == D(1000)
    assert dict(holdings["USDT"].detail)["funding"] == D(20)
    # What lies there alone is zero here, and says where it is.
    assert (holdings["SOL"].total, holdings["SOL"].available, holdings["SOL"].detail) == (
        D(0),
        D(0),
        (("funding", D(3)),),
    )
    some = balances.with_funding({}, funds, is_complete=False)
    assert some == {}


def test_funding_answer_that_is_none_is_refused() -> None:
    whole = loaded("http_funding")
    whole["data"].append(whole["data"][0])
    with pytest.raises(PayloadError, match="twice"):
        balances.funding(compact(whole))
    with pytest.raises(PayloadError):
        balances.funding(b'{"code":"0","msg":""}')
    with pytest.raises(AmountError):
        balances.funding(b'{"code":"0","msg":"","data":[{"ccy":"BTC","bal":"","availBal":"0","frozenBal":"0"}]}')
