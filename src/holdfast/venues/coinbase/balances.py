"""
Coinbase's accounts to our holdings. Pure: bytes in, wallets or a named refusal out.

An account here is a wallet of one currency. Coinbase states what is available and what is on hold, and the total is
their sum. A currency may have several wallets: they are summed. Wallets that cannot be traded from (vaults,
derivatives' collateral, inactive ones) are shown beside and never counted.

There is a fast way, because this is what runs on every refresh: a typed decode of the documented fields and no other,
and then a proof that nothing was lost by it. The proof is a count: each key and each string costs two quotation marks,
so a page that has exactly as many as the decoded rows account for holds nothing else, no duplicate key included.
Whatever fails the proof is read the careful way and judged there.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/accounts/list-accounts
(checked 2026-11-20)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount, total_of
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Holding
from holdfast.errors import PayloadError
from holdfast.venues.coinbase import wire
from holdfast.venues.coinbase.parse import amount, answer
from holdfast.venues.coinbase.symbols import code_of

__all__ = ["MAX_PAGE_BYTES", "Page", "Wallet", "holdings_of", "lone_wallet", "page"]

MAX_PAGE_BYTES: Final = 1 << 21
"""A page of 250 accounts has 150 kB; beyond this one is refused unread."""


class Wallet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One account as Coinbase states it; whole units.

    ``beside`` says why it does not count (``vault``, ``derivatives``, ``inactive``), None where it does.
    """

    uuid: str
    currency: str
    available: Decimal
    held: Decimal
    beside: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of accounts; ``cursor`` leads to the next one, None on the last."""

    wallets: list[Wallet]
    cursor: str | None


def page(body: bytes) -> Page:
    """
    One page of ``GET /accounts``.

    Raises:
        PayloadError: Not this endpoint's shape, a duplicate key, an account twice, another currency's money in a
            wallet, a hold below zero, or a next page that no cursor leads to.
        AmountError: A money field that is no amount.
    """
    if len(body) > MAX_PAGE_BYTES:
        raise PayloadError(f"accounts: {len(body)} bytes are more than a page has")
    usual = _usual_page(body)
    if usual is not None:
        return usual
    told = answer(body, wire.Accounts, "accounts")
    return _page([_wallet(row) for row in told.accounts], has_next=told.has_next, cursor=told.cursor)


def lone_wallet(body: bytes, uuid: str) -> Wallet:
    """
    ``GET /accounts/{uuid}``.

    Raises:
        PayloadError, AmountError: As ``page``, or another account than the one asked for.
    """
    told = answer(body, wire.AccountAlone, "account").account
    if told.uuid != uuid:
        raise PayloadError("account: another account than the one that was asked for")
    return _wallet(told)


def _page(wallets: list[Wallet], *, has_next: bool, cursor: str | None) -> Page:
    if len({wallet.uuid for wallet in wallets}) != len(wallets):
        raise PayloadError("accounts: one account twice on a page")
    if has_next and not cursor:
        raise PayloadError("accounts: there is a next page and no cursor to it")
    return Page(wallets=wallets, cursor=cursor if has_next else None)


# Money that cannot be traded from where it is. Short and long forms of a type both occur.
_BESIDE_TYPES: Final = {
    "VAULT": "vault",
    "ACCOUNT_TYPE_VAULT": "vault",
    "PERP_FUTURES": "derivatives",
    "ACCOUNT_TYPE_PERP_FUTURES": "derivatives",
}
_SPOT_PLATFORMS: Final = frozenset({"", "ACCOUNT_PLATFORM_CONSUMER", "ACCOUNT_PLATFORM_UNSPECIFIED"})


def _beside(type_: str, platform: str, *, is_active: bool, deleted_at: str | None) -> str | None:
    beside = _BESIDE_TYPES.get(type_)
    if beside is None and platform not in _SPOT_PLATFORMS:
        return "derivatives"
    if beside is None and (not is_active or deleted_at):
        return "inactive"
    return beside


def _wallet(row: wire.Account) -> Wallet:
    where = f"accounts {ascii(row.currency)[:40]}"
    code_of(row.currency)
    if row.available_balance.currency != row.currency or (row.hold and row.hold.currency != row.currency):
        raise PayloadError(f"{where}: money of another currency")
    held = ZERO if row.hold is None else amount(row.hold.value, f"{where}.hold")
    if held < 0:
        raise PayloadError(f"{where}.hold: {held} is below zero")
    return Wallet(
        uuid=row.uuid,
        currency=row.currency,
        available=amount(row.available_balance.value, f"{where}.available_balance"),
        held=held,
        beside=_beside(row.type or "", row.platform or "", is_active=row.active, deleted_at=row.deleted_at),
    )


def holdings_of(wallets: Iterable[Wallet]) -> dict[AssetCode, Holding]:
    """
    What all wallets together hold, currency by currency.

    Raises:
        PayloadError: Two currencies that are one asset to us.
    """
    every = list(wallets)
    holdings: dict[AssetCode, Holding] = {}
    for wallet in every:
        code = code_of(wallet.currency)
        if wallet.beside is not None or code in holdings:
            return _grouped(every)
        held, available = wallet.held, wallet.available
        # A sum with nothing is the figure itself, which spares most wallets the arithmetic.
        total = add(available, held) if held else available
        holdings[code] = Holding(asset=code, total=total, held=held, available=available)
    return holdings


def _grouped(wallets: list[Wallet]) -> dict[AssetCode, Holding]:
    groups: dict[AssetCode, list[Wallet]] = {}
    for wallet in wallets:
        groups.setdefault(code_of(wallet.currency), []).append(wallet)
    return {code: _joined(code, group) for code, group in groups.items()}


def _joined(code: AssetCode, wallets: list[Wallet]) -> Holding:
    if len({wallet.currency for wallet in wallets}) > 1:
        raise PayloadError(f"accounts: {sorted({wallet.currency for wallet in wallets})} are both {code}")
    counted = [wallet for wallet in wallets if wallet.beside is None]
    held, available = total_of(each.held for each in counted), total_of(each.available for each in counted)
    beside: dict[str, Decimal] = {}
    for wallet in wallets:
        if wallet.beside is not None:
            beside[wallet.beside] = total_of((beside.get(wallet.beside, ZERO), wallet.available, wallet.held))
    return Holding(
        asset=code,
        total=add(available, held),
        held=held,
        available=available,
        rows=tuple((each.uuid, format_amount(add(each.available, each.held))) for each in wallets)
        if len(wallets) > 1
        else (),
        detail=tuple((word, money) for word, money in beside.items() if money),
    )


# The fast way


class _FastMoney(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    value: str
    currency: str


class _FastAccount(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The documented fields, in the order of the page's sample: fields met in order are found quicker."""

    uuid: str
    name: str
    currency: str
    available_balance: _FastMoney
    default: bool
    active: bool
    ready: bool
    created_at: str
    updated_at: str
    deleted_at: None
    type: str
    hold: _FastMoney
    retail_portfolio_id: str
    platform: str


class _FastAccounts(msgspec.Struct, forbid_unknown_fields=True):
    accounts: list[_FastAccount]
    has_next: bool
    cursor: str
    size: int


# Most wallets hold nothing, and nothing is written in as many ways as there are precisions.
_ZEROS: Final = {text: Decimal(text) for text in ("0", *(f"0.{'0' * places}" for places in range(1, 19)))}

_SPOT_TYPES: Final = frozenset({"ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT"})
_CONSUMER: Final = "ACCOUNT_PLATFORM_CONSUMER"

_FAST: Final = msgspec.json.Decoder(_FastAccounts)

# Of the page: four keys and one string. Of each row: fourteen keys, four of the moneys, and twelve strings.
_QUOTES: Final = 2 * 5
_QUOTES_PER_ROW: Final = 2 * (14 + 4 + 12)

# Any number of amounts without sign or exponent, one a line, within the bounds of parse_amount.
_PLAIN_AMOUNTS: Final = re.compile(r"(?:[0-9]{1,24}+(?:\.[0-9]{1,24}+)?+\n)*+\Z")


def _usual_page(body: bytes) -> Page | None:
    """The fast way: the documented fields and plain amounts; None where anything else is there."""
    try:
        told = _FAST.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    rows = told.accounts
    if body.count(b'"') != _QUOTES + _QUOTES_PER_ROW * len(rows) or b"\\" in body:
        return None
    # Without a backslash in the body no text holds the separator itself.
    amounts = [row.available_balance.value for row in rows] + [row.hold.value for row in rows]
    if _PLAIN_AMOUNTS.match("\n".join([*amounts, ""])) is None:
        return None
    wallets = []
    for row in rows:
        currency, free, hold = row.currency, row.available_balance, row.hold
        if free.currency != currency or hold.currency != currency:
            return None
        nothing = _ZEROS.get(hold.value)
        is_usual = row.type in _SPOT_TYPES and row.platform == _CONSUMER and row.active
        wallets.append(
            Wallet(
                uuid=row.uuid,
                currency=currency,
                available=Decimal(free.value),
                held=Decimal(hold.value) if nothing is None else nothing,
                beside=None if is_usual else _beside(row.type, row.platform, is_active=row.active, deleted_at=None),
            )
        )
    return _page(wallets, has_next=told.has_next, cursor=told.cursor)
