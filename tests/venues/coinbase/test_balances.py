"""Accounts become exact holdings: wallets of one currency summed, what cannot be traded beside, nothing guessed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.balances import Holding
from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.coinbase import balances
from tests.venues.coinbase.samples import account, accounts, encoded, sample, tree

D = Decimal


def _holdings(body: bytes) -> dict[str, Holding]:
    return balances.holdings_of(balances.page(body).wallets)


def test_figures_are_as_documented() -> None:
    held = _holdings(sample("http_accounts"))
    assert {code: (each.total, each.held, each.available) for code, each in held.items()} == {
        "USDC": (D("1500.0000000000000000"), D("249.4500000000000000"), D("1250.5500000000000000")),
        "USD": (D(10000), D(600), D(9400)),
        "BTC": (D("0.4"), D(0), D("0.4")),
        "ETH": (D(0), D(0), D(0)),
    }


def test_short_type_without_platform_is_the_same_wallet() -> None:
    holding = _holdings(sample("http_accounts_short"))["BTC"]
    assert (holding.total, holding.held, holding.available) == (D("2.46"), D("1.23"), D("1.23"))


def test_usd_and_usdc_are_different_money() -> None:
    assert _holdings(accounts(account("a", "USD", "1"), account("b", "USDC", "2"))).keys() == {"USD", "USDC"}


def test_wallets_of_one_currency_are_summed_and_shown() -> None:
    body = accounts(account("a", "BTC", "1.5", "0.25"), account("b", "BTC", "0.1", "0.05"), account("c", "ETH", "2"))
    holding = _holdings(body)["BTC"]
    assert (holding.total, holding.held, holding.available) == (D("1.90"), D("0.30"), D("1.6"))
    assert holding.rows == (("a", "1.75"), ("b", "0.15"))


BESIDE: dict[str, tuple[dict[str, Any], str]] = {
    "vault": ({"type": "ACCOUNT_TYPE_VAULT"}, "vault"),
    "vault, short": ({"type": "VAULT"}, "vault"),
    "perpetuals": ({"type": "ACCOUNT_TYPE_PERP_FUTURES"}, "derivatives"),
    "futures broker": ({"platform": "ACCOUNT_PLATFORM_CFM_CONSUMER"}, "derivatives"),
    "international": ({"platform": "ACCOUNT_PLATFORM_INTX"}, "derivatives"),
    "platform of tomorrow": ({"platform": "ACCOUNT_PLATFORM_MOON"}, "derivatives"),
    "inactive": ({"active": False}, "inactive"),
    "deleted": ({"deleted_at": "2026-01-01T00:00:00Z"}, "inactive"),
}


@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.parametrize("is_first", [True, False])
def test_money_that_cannot_be_traded_from_where_it_is_is_shown_and_not_counted(kind: str, is_first: bool) -> None:
    changes, word = BESIDE[kind]
    rows = [account("a", "USD", "7", "3", **changes), account("b", "USD", "100", "1")]
    holding = _holdings(accounts(*(rows if is_first else reversed(rows))))["USD"]
    assert (holding.total, holding.held, holding.available) == (D(101), D(1), D(100))
    assert holding.detail == ((word, D(10)),)


def test_currency_that_is_only_in_a_vault_is_stated_to_be_nothing_to_trade() -> None:
    holding = _holdings(accounts(account("a", "BTC", "2", type="ACCOUNT_TYPE_VAULT")))["BTC"]
    assert (holding.total, holding.held, holding.available) == (D(0), D(0), D(0))
    assert holding.detail == (("vault", D(2)),)


def test_missing_hold_is_nothing_on_hold() -> None:
    holding = _holdings(accounts(account("a", "BTC", "2", None)))["BTC"]
    assert (holding.total, holding.held) == (D(2), D(0))


def test_available_below_zero_is_told_as_it_is() -> None:
    assert _holdings(accounts(account("a", "USD", "-12.5")))["USD"].total == D("-12.5")


def test_unknown_fields_and_words_are_tolerated() -> None:
    row = account("a", "BTC", "2", type="ACCOUNT_TYPE_OF_TOMORROW", colour="green", nested={"a": [1, None]})
    assert _holdings(accounts(row))["BTC"].total == D(2)


def test_delisted_currency_keeps_its_name_and_celo_is_called_celo() -> None:
    assert _holdings(accounts(account("a", "GNT", "1"), account("b", "CGLD", "2"))).keys() == {"GNT", "CELO"}


REFUSED: dict[str, tuple[Callable[[], bytes], type[PayloadError], str]] = {
    "no amount": (lambda: accounts(account("a", "BTC", "NaN")), AmountError, "BTC.\\.available_balance"),
    "empty amount": (lambda: accounts(account("a", "BTC", "")), AmountError, "available_balance"),
    "hold is no amount": (lambda: accounts(account("a", "BTC", "1", " 1")), AmountError, "BTC.\\.hold"),
    "hold below zero": (lambda: accounts(account("a", "BTC", "1", "-1")), PayloadError, "below zero"),
    "money of another currency": (
        lambda: accounts({**account("a", "BTC", "1"), "hold": {"value": "1", "currency": "USD"}}),
        PayloadError,
        "another currency",
    ),
    "an account twice": (lambda: accounts(account("a", "BTC", "1"), account("a", "BTC", "2")), PayloadError, "twice"),
    "no name for a currency": (lambda: accounts(account("a", "B\u200bTC", "1")), UnknownAssetError, "no currency"),
    "next page without a cursor": (
        lambda: encoded({"accounts": [], "has_next": True, "cursor": ""}),
        PayloadError,
        "no cursor",
    ),
    "two codes of one asset": (
        lambda: accounts(account("a", "CGLD", "1"), account("b", "CELO", "1")),
        PayloadError,
        "both CELO",
    ),
    "duplicate key": (
        lambda: accounts(account("a", "BTC", "1")).replace(b'"active"', b'"uuid": "b", "active"', 1),
        PayloadError,
        "duplicate",
    ),
    "NaN": (lambda: accounts(account("a", "BTC", "1")).replace(b'"size": 1', b'"size": NaN'), PayloadError, "NaN"),
    "too large": (lambda: b" " * (balances.MAX_PAGE_BYTES + 1), PayloadError, "more than a page"),
    "cut": (lambda: accounts(account("a", "BTC", "1"))[:-5], PayloadError, "accounts"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_answer_that_cannot_be_believed_is_refused_by_name(what: str) -> None:
    body, error, told = REFUSED[what]
    with pytest.raises(error, match=told):
        _holdings(body())


@pytest.mark.parametrize("field", ["uuid", "currency", "available_balance"])
def test_missing_required_field_is_refused_by_name(field: str) -> None:
    row = account("a", "BTC", "1")
    del row[field]
    with pytest.raises(PayloadError, match=field):
        _holdings(accounts(row))
    whole = tree("http_accounts")
    for missing in ("accounts", "has_next"):
        with pytest.raises(PayloadError, match=missing):
            balances.page(encoded({name: value for name, value in whole.items() if name != missing}))


def test_lone_account_is_the_one_that_was_asked_for() -> None:
    uuid = tree("http_account")["account"]["uuid"]
    assert balances.lone_wallet(sample("http_account"), uuid).held == D(600)
    with pytest.raises(PayloadError, match="another account"):
        balances.lone_wallet(sample("http_account"), "other")


# The fast way and the careful way


def _slow(body: bytes) -> object:
    """The careful way alone."""
    usual, balances._usual_page = balances._usual_page, lambda body: None
    try:
        return balances.page(body)
    except PayloadError as error:
        return type(error)
    finally:
        balances._usual_page = usual


def _told(body: bytes) -> object:
    try:
        return balances.page(body)
    except PayloadError as error:
        return type(error)


def test_usual_answer_takes_the_fast_way() -> None:
    assert balances._usual_page(sample("http_accounts")) is not None


AMOUNTS = st.sampled_from(
    ["0", "0.0000000000000000", "1.5", "-1", "1e3", "+1", "", "NaN", "007", "1" * 30, "0.1\\u0030"]
)
CHANGES: list[Any] = [
    lambda row: row,
    lambda row: {**row, "deleted_at": "2026-01-01T00:00:00Z"},
    lambda row: {**row, "platform": "ACCOUNT_PLATFORM_CFM_CONSUMER"},
    lambda row: {**row, "extra": "x"},
    lambda row: {**row, "name": 'quote " in it'},
    lambda row: {name: value for name, value in row.items() if name != "hold"},
    lambda row: {name: value for name, value in row.items() if name != "name"},
    lambda row: {**row, "hold": None},
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS, st.sampled_from(CHANGES), st.sampled_from(["BTC", "USD", "ETH"])), max_size=4),
    st.booleans(),
)
def test_fast_way_says_what_the_careful_way_says(rows: list[Any], is_compact: bool) -> None:
    made = [change(account(f"u{n}", code, free, held)) for n, (free, held, change, code) in enumerate(rows)]
    whole = {"accounts": made, "has_next": False, "cursor": "", "size": len(made)}
    body = json.dumps(whole, separators=(",", ":") if is_compact else None).encode()
    assert _told(body) == _slow(body)


def test_fast_way_says_what_the_careful_way_says_of_damaged_bytes() -> None:
    dice = random.Random(5)
    body = sample("http_accounts")
    for _ in range(400):
        damaged = bytearray(body)
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(damaged))
            damaged[place : place + dice.randint(0, 2)] = dice.choice([b'"', b"\\", b"0", b",", b"", b"{", b"\xff"])
        assert _told(bytes(damaged)) == _slow(bytes(damaged))
