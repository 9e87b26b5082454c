"""
Kraken's balance answers to ours. Pure: bytes and names in, values or a named refusal out.

There is a fast way, because this is what runs on every refresh: a typed decode, and then a proof that nothing was
lost by it. The proof is a count: each key and each string costs two quotation marks, so an answer that has exactly as
many as the decoded rows account for holds nothing else, no duplicate row or field included. Whatever fails the proof
is read the careful way and judged there.
"""

from __future__ import annotations

import decimal
import operator
import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from holdfast.core.amounts import ZERO, add, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Holding
from holdfast.errors import PayloadError
from holdfast.venues.kraken import wire
from holdfast.venues.kraken.parse import amount, envelope, optional_amount
from holdfast.venues.kraken.symbols import Names, RowKind

__all__ = ["MAX_BALANCES_BYTES", "Reading", "balance", "balance_ex"]

MAX_BALANCES_BYTES: Final = 1 << 20
"""A balance answer of 300 assets has 25 kB; beyond this one is refused unread."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """
    One complete balance answer.

    ``locked`` are the codes of rows that are no one's to spend; ``on_credit`` those whose rows carry a credit line, so
    that their totals may be negative.
    """

    holdings: dict[AssetCode, Holding]
    locked: frozenset[AssetCode]
    on_credit: frozenset[AssetCode]


_BALANCE_EX: Final = msgspec.json.Decoder(wire.FastBalanceEx)
_BALANCE: Final = msgspec.json.Decoder(wire.FastBalance)

# Most rows hold nothing, and a hold of nothing is written in as many ways as there are precisions.
_ZEROS: Final = {text: Decimal(text) for text in ("0", *(f"0.{'0' * places}" for places in range(1, 19)))}
_ZERO_TEXTS: Final = frozenset(_ZEROS)

# Any number of amounts without sign or exponent, one a line, within the bounds of parse_amount.
_PLAIN_AMOUNTS: Final = re.compile(r"(?:[0-9]{1,24}+(?:\.[0-9]{1,24}+)?+\n)*+\Z")

_EXACT: Final = decimal.Context(
    prec=400, traps=[decimal.InvalidOperation, decimal.Inexact, decimal.Rounded, decimal.FloatOperation]
)


def balance_ex(body: bytes, names: Names, *, auto_earn_spendable: bool) -> Reading:
    """
    ``BalanceEx``: every asset the account ever touched, so absence means zero; amounts in whole units.

    ``available = balance + credit - credit_used - hold_trade``, per asset over its plain and its earning row; with
    *auto_earn_spendable* off the earning row counts in the total only. No result at all is a complete answer too.

    Raises:
        PayloadError: Not this endpoint's shape, a duplicate key or row, a negative amount that no credit line
            explains, or two rows that are one asset.
        AmountError: A money field that is no amount.
        UnknownAssetError: A symbol that is neither listed nor derivable.

    Sources: https://docs.kraken.com/api-reference/account-data/get-extended-balance ·
    https://github.com/veox/python3-krakenex/issues/131 for the missing result (checked 2026-11-20)
    """
    _refuse_large(body, "BalanceEx")
    reading = _usual_balance_ex(body, names, auto_earn_spendable=auto_earn_spendable)
    if reading is not None:
        return reading
    groups = _Groups(names, "BalanceEx")
    on_credit: set[AssetCode] = set()
    for symbol, row in _balance_ex_rows(body).items():
        where = f"BalanceEx {ascii(symbol)[:40]}"
        total = amount(row.balance, f"{where}.balance")
        held = amount(row.hold_trade, f"{where}.hold_trade")
        credit = optional_amount(row.credit, f"{where}.credit") or ZERO
        used = optional_amount(row.credit_used, f"{where}.credit_used") or ZERO
        if row.credit is not None or row.credit_used is not None:
            on_credit.add(names.asset(symbol).code)
        elif total < 0:
            _refuse_negative(f"{where}.balance", row.balance)
        if held < 0 or credit < 0 or used < 0:
            _refuse_negative(where, min(held, credit, used))
        groups.put(
            symbol,
            text=row.balance,
            total=total,
            held=held,
            available=subtract(add(total, credit), add(used, held)),
            credit=optional_amount(row.credit, f"{where}.credit"),
        )
    return groups.reading(on_credit=on_credit, auto_earn_spendable=auto_earn_spendable)


def balance(body: bytes, names: Names, *, on_credit: Container[AssetCode] = frozenset()) -> Reading:
    """
    ``Balance``: totals only, held and available are not stated. Absence means zero; amounts in whole units.

    Args:
        body: The whole answer.
        names: The listing to translate with.
        on_credit: Assets that a ``BalanceEx`` showed to have a credit line; others cannot be negative.

    Raises:
        PayloadError, AmountError, UnknownAssetError: As ``balance_ex``.

    Source: https://docs.kraken.com/api-reference/account-data/get-account-balance (checked 2026-11-20)
    """
    rows = _balance_rows(body)
    groups = _Groups(names, "Balance")
    for symbol, text in rows.items():
        where = f"Balance {ascii(symbol)[:40]}"
        total = amount(text, where)
        if total < 0 and names.asset(symbol).code not in on_credit:
            _refuse_negative(where, text)
        groups.put(symbol, text=text, total=total, held=None, available=None)
    return groups.reading(on_credit=(), auto_earn_spendable=True)


def _usual_balance_ex(body: bytes, names: Names, *, auto_earn_spendable: bool) -> Reading | None:
    """
    The fast way: plain amounts and no credit, whole columns at a time; None where anything else is there.

    One long function on purpose: it runs on every refresh of every account, and its parts mean nothing alone.
    """
    try:
        answer = _BALANCE_EX.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    rows = answer.result
    # Quotation marks: two keys outside; per row its key, and key and text of both fields.
    if answer.error or body.count(b'"') != 4 + 10 * len(rows) or b"\\" in body:
        return None
    values = rows.values()
    totals = [row.balance for row in values]
    holds = [row.hold_trade for row in values]
    # Without a backslash in the body no text holds the separator itself.
    if _PLAIN_AMOUNTS.match("\n".join([*totals, *holds, ""])) is None:
        return None
    owned = list(map(Decimal, totals))
    if _ZERO_TEXTS.issuperset(holds):
        # Less nothing is the total itself, which spares an account without orders most of the arithmetic.
        held = list(map(_ZEROS.__getitem__, holds))
        free = owned
    else:
        held = list(map(Decimal, holds))
        theirs = decimal.getcontext()
        decimal.setcontext(_EXACT)
        try:
            free = list(map(operator.sub, owned, held))
        finally:
            decimal.setcontext(theirs)
    plain = names.plain
    symbols = list(rows)
    columns = zip(symbols, owned, held, free)  # noqa: B905  # One length by making, and slower when checked.
    holdings = {
        plain[symbol]: Holding(asset=plain[symbol], total=total, held=hold, available=available)
        for symbol, total, hold, available in columns
        if symbol in plain
    }
    if len(holdings) == len(rows):
        return Reading(holdings=holdings, locked=_NOTHING, on_credit=_NOTHING)
    suffixed = [place for place, symbol in enumerate(symbols) if symbol not in plain]
    if len(holdings) + len(suffixed) != len(rows):
        return None  # Two rows are one asset: the careful way says which.
    groups = _Groups(names, "BalanceEx")
    places = {plain[symbol]: place for place, symbol in enumerate(symbols) if symbol in plain}
    # A suffixed row that belongs to a plain one takes it along.
    named = [names.asset(symbols[place]) for place in suffixed]
    partners = {places[name.code] for name in named if name.kind is RowKind.EARNING and name.code in places}
    for place in [*partners, *suffixed]:
        groups.put(symbols[place], text=totals[place], total=owned[place], held=held[place], available=free[place])
    reading = groups.reading(on_credit=(), auto_earn_spendable=auto_earn_spendable)
    return Reading(holdings=holdings | reading.holdings, locked=reading.locked, on_credit=_NOTHING)


def _balance_ex_rows(body: bytes) -> Mapping[str, wire.BalanceExRow]:
    try:
        answer = _BALANCE_EX.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    else:
        rows = answer.result
        lent = sum((row.credit is not None) + (row.credit_used is not None) for row in rows.values())
        if not answer.error and body.count(b'"') == 4 + 10 * len(rows) + 4 * lent:
            return rows
    return envelope(body, dict[str, wire.BalanceExRow], "BalanceEx") or _nothing_held(body, "BalanceEx")


def _balance_rows(body: bytes) -> Mapping[str, str]:
    _refuse_large(body, "Balance")
    try:
        answer = _BALANCE.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    else:
        if not answer.error and body.count(b'"') == 4 + 4 * len(answer.result):
            return answer.result
    return envelope(body, dict[str, str], "Balance") or _nothing_held(body, "Balance")


def _nothing_held(body: bytes, request: str) -> dict[str, Any]:
    """
    No rows: an account that holds nothing, where the answer has the form in which Kraken says so.

    An answer without ``result`` that brings something else instead is of no form we know, and never a zero.
    """
    strangers = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys() - {"error", "result"}
    if strangers:
        raise PayloadError(f"{request}: no rows, but {ascii(min(strangers))[:40]}, which is no part of an answer")
    return {}


def _refuse_large(body: bytes, request: str) -> None:
    if len(body) > MAX_BALANCES_BYTES:
        raise PayloadError(f"{request}: {len(body)} bytes, more than any list of balances has")


def _refuse_negative(where: str, shown: object) -> NoReturn:
    raise PayloadError(f"{where}: {shown} is negative, and no credit line explains it")


_NOTHING: Final[frozenset[str]] = frozenset()


class _Row(msgspec.Struct, kw_only=True):
    symbol: str
    text: str
    total: Decimal
    held: Decimal | None
    available: Decimal | None
    credit: Decimal | None = None


class _Groups:
    """Rows gathered per asset: a plain one, an earning one, or a locked one that stands alone."""

    def __init__(self, names: Names, request: str) -> None:
        self._names = names
        self._request = request
        self._plain: dict[AssetCode, _Row] = {}
        self._earning: dict[AssetCode, _Row] = {}
        self._locked: dict[AssetCode, _Row] = {}
        self._rows = {RowKind.PLAIN: self._plain, RowKind.EARNING: self._earning, RowKind.LOCKED: self._locked}

    def put(
        self,
        symbol: str,
        *,
        text: str,
        total: Decimal,
        held: Decimal | None,
        available: Decimal | None,
        credit: Decimal | None = None,
    ) -> None:
        name = self._names.asset(symbol)
        if name.kind is RowKind.NOT_MONEY:
            return
        rows = self._rows[name.kind]
        other = rows.get(name.code)
        if other is not None:
            raise PayloadError(f"{self._request}: rows {other.symbol} and {symbol} are both {name.code}")
        rows[name.code] = _Row(symbol=symbol, text=text, total=total, held=held, available=available, credit=credit)

    def reading(self, *, on_credit: Iterable[AssetCode], auto_earn_spendable: bool) -> Reading:
        holdings: dict[AssetCode, Holding] = {}
        for code, row in self._plain.items():
            earning = self._earning.pop(code, None)
            if earning is None:
                holdings[code] = Holding(
                    asset=code, total=row.total, held=row.held, available=row.available, credit=row.credit
                )
            else:
                holdings[code] = _together(code, row, earning, auto_earn_spendable=auto_earn_spendable)
        for code, row in self._earning.items():
            nothing = None if row.available is None else ZERO
            holdings[code] = Holding(
                asset=code,
                total=row.total,
                held=row.held,
                available=row.available if auto_earn_spendable else nothing,
                rows=((row.symbol, row.text),),
            )
        for code, row in self._locked.items():
            holdings[code] = Holding(
                asset=code,
                total=row.total,
                held=row.held,
                available=None if row.available is None else ZERO,
                rows=((row.symbol, row.text),),
            )
        return Reading(holdings=holdings, locked=frozenset(self._locked), on_credit=frozenset(on_credit))


def _together(code: AssetCode, plain: _Row, earning: _Row, *, auto_earn_spendable: bool) -> Holding:
    held = available = None
    if plain.held is not None and earning.held is not None:
        held = add(plain.held, earning.held)
    if plain.available is not None and earning.available is not None:
        available = add(plain.available, earning.available) if auto_earn_spendable else plain.available
    return Holding(
        asset=code,
        total=add(plain.total, earning.total),
        held=held,
        available=available,
        rows=((plain.symbol, plain.text), (earning.symbol, earning.text)),
        credit=plain.credit,
    )
