"""
OKX's balance rows to ours. Pure: bytes in, values or a named refusal out.

Total is the cash of the trading account (``cashBal``), held what is frozen of it, available what may be used. Equity,
which counts bots and what is borrowed too, stands beside them and is never counted.

There is a fast way, because this is what runs on every refresh: a typed decode, and then a proof that nothing was lost
by it. The struct makes sure that every row has each field we use, as text; that each key which decides what is owned
stands in the body exactly once a row, and nothing is escaped, shows that none came twice. Whatever fails the proof is
read the careful way and judged there. What only stands beside the figures (equity) has no such proof.

Sources: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance ·
https://www.okx.com/docs-v5/trick_en/ (account section) · https://github.com/ccxt/ccxt/issues/27225 for equity taken for
a balance (checked 2026-11-20)
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Holding
from holdfast.errors import PayloadError
from holdfast.venues.okx import wire
from holdfast.venues.okx.parse import amount, milliseconds, optional_amount, rows_of
from holdfast.venues.okx.symbols import code_of

__all__ = [
    "MAX_BALANCES_BYTES",
    "Push",
    "Reading",
    "balance",
    "funding",
    "holding_of",
    "holdings_of",
    "push_of",
    "pushed",
    "with_funding",
]

MAX_BALANCES_BYTES: Final = 1 << 20
"""A balance answer of 300 currencies has some 300 kB; beyond this one is refused unread."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One complete balance answer; ``at_ms`` is when OKX made the view, on its clock."""

    holdings: dict[AssetCode, Holding]
    at_ms: int


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """
    One push of the ``account`` channel.

    ``event_type``, ``page`` and ``is_last`` are as OKX states them, None where it does not; ``at_ms`` is when it made
    the view, ``times`` when each currency changed last, both on its clock.
    """

    event_type: str | None
    page: int | None
    is_last: bool | None
    uid: str | None
    at_ms: int
    holdings: dict[AssetCode, Holding]
    times: dict[AssetCode, int]


_FAST: Final = msgspec.json.Decoder(wire.FastBalance)
_FAST_PUSH: Final = msgspec.json.Decoder(wire.FastPush)

# Keys around the rows that decide what is read.
_AROUND: Final = (b'"data":', b'"details":')
_AROUND_PUSH: Final = (b'"arg":', b'"channel":', b'"eventType":')

# Longer texts are read the careful way, which knows the bounds of an amount.
_LONGEST: Final = 24

# Whatever the caller's context does not trap, this one does.
_exactly: Final = decimal.Context(
    prec=400, traps=[decimal.InvalidOperation, decimal.Inexact, decimal.Rounded, decimal.FloatOperation]
).create_decimal

_NOTHING: Final = frozenset({"", "0"})


def balance(body: bytes) -> Reading:
    """
    ``account/balance``: every currency with cash or equity, so absence means zero; amounts in whole units.

    An account that holds nothing has no details: a complete answer, and another thing than one without an account.

    Raises:
        PayloadError: Not this endpoint's shape, a duplicate key or row, a negative amount that no liability explains.
        AmountError: A money field that is no amount.
        UnknownAssetError: A currency that cannot be named.
    """
    if len(body) > MAX_BALANCES_BYTES:
        raise PayloadError(f"account/balance: {len(body)} bytes, more than any list of balances has")
    usual = _usual(body)
    if usual is not None:
        return usual
    rows = rows_of(body, wire.Account, "account/balance")
    if len(rows) != 1:
        raise PayloadError(f"account/balance: {len(rows)} accounts where one is owed")
    at_ms = milliseconds(rows[0].u_time, "account/balance.uTime")
    return Reading(holdings=holdings_of(rows[0].details, "account/balance"), at_ms=at_ms)


def holdings_of(rows: Sequence[wire.BalanceRow], read: str) -> dict[AssetCode, Holding]:
    """
    The currencies of one statement.

    Raises:
        PayloadError, AmountError, UnknownAssetError: As ``balance``.
    """
    holdings: dict[AssetCode, Holding] = {}
    for row in rows:
        if not row.ccy:
            continue  # Seen in answers of accounts that hold nothing.
        holding = holding_of(row, read)
        if holding.asset in holdings:
            raise PayloadError(f"{read}: {holding.asset} is stated twice")
        holdings[holding.asset] = holding
    return holdings


def holding_of(row: wire.BalanceRow, read: str) -> Holding:
    """
    One currency.

    What bots have is counted as frozen by OKX and is no part of the cash: where the row's own figures show that, it is
    taken off what is held, and stands beside it.

    Raises:
        PayloadError, AmountError, UnknownAssetError: As ``balance``.
    """
    code = code_of(row.ccy)
    where = f"{read} {code}"
    milliseconds(row.u_time, f"{where}.uTime")
    total = amount(row.cash_bal, f"{where}.cashBal")
    available = amount(row.avail_bal, f"{where}.availBal")
    held = amount(row.frozen_bal, f"{where}.frozenBal")
    equity = optional_amount(row.eq, f"{where}.eq")
    liabilities = optional_amount(row.liab, f"{where}.liab") or ZERO
    bots = optional_amount(row.stgy_eq, f"{where}.stgyEq") or ZERO
    if total < 0 and not liabilities:
        raise PayloadError(f"{where}.cashBal: {row.cash_bal} is negative, and no liability explains it")
    if available < 0 or held < 0:
        raise PayloadError(f"{where}: {min(available, held)} is negative")
    if bots and add(available, subtract(held, bots)) == total:
        held = subtract(held, bots)
    detail: list[tuple[str, Decimal]] = [] if equity is None else [("equity", equity)]
    if liabilities:
        detail.append(("liabilities", liabilities))
    if bots:
        detail.append(("bots", bots))
    return Holding(asset=code, total=total, held=held, available=available, detail=tuple(detail))


def _usual(body: bytes) -> Reading | None:
    """The fast way of ``balance``; None where anything else than the usual is there."""
    try:
        answer = _FAST.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if answer.code != "0" or len(answer.data) != 1 or not _stand_once(body, (b'"code":',)):
        return None
    account = answer.data[0]
    holdings = _usual_holdings(body, account, are_timed=False)
    return None if holdings is None else Reading(holdings=holdings, at_ms=int(account.u_time))


def pushed(frame: bytes) -> Push | None:
    """The fast way of an ``account`` push; None where anything else than the usual is there."""
    try:
        push = _FAST_PUSH.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if len(push.data) != 1 or push.arg.channel != "account" or not _stand_once(frame, _AROUND_PUSH):
        return None
    account = push.data[0]
    holdings = _usual_holdings(frame, account, are_timed=True)
    if holdings is None:
        return None
    return Push(
        event_type=push.event_type,
        page=push.cur_page,
        is_last=push.last_page,
        uid=push.arg.uid,
        at_ms=int(account.u_time),
        holdings=holdings,
        times=dict(zip(holdings, [int(row.u_time) for row in account.details], strict=True)),
    )


def push_of(frame: wire.Frame) -> Push:
    """
    An ``account`` push, the careful way.

    Raises:
        PayloadError, AmountError, UnknownAssetError: As ``balance``.
    """
    try:
        accounts = msgspec.convert(frame.data, list[wire.Account], strict=False)
    except msgspec.ValidationError as error:
        raise PayloadError(f"account: not of the expected shape: {error}") from None
    if len(accounts) != 1 or frame.arg is None:
        raise PayloadError(f"account: {len(accounts)} accounts where one is owed")
    rows = [row for row in accounts[0].details if row.ccy]
    return Push(
        event_type=frame.event_type,
        page=frame.cur_page,
        is_last=frame.last_page,
        uid=frame.arg.uid,
        at_ms=milliseconds(accounts[0].u_time, "account.uTime"),
        holdings=holdings_of(rows, "account"),
        times={code_of(row.ccy): int(row.u_time) for row in rows},
    )


def _usual_holdings(body: bytes, account: wire.FastAccount, *, are_timed: bool) -> dict[AssetCode, Holding] | None:
    """
    Plain amounts, no bots and nothing borrowed, whole columns at a time; None where anything else is.

    One long function on purpose: it runs on every refresh of every account, and its parts mean nothing alone.
    """
    rows = account.details
    count = len(rows)
    # Cheapest first: nothing escaped, so that no text holds a key or the separator below.
    if b"\\" in body or body.count(b'"cashBal":') != count or (are_timed and body.count(b'"uTime":') != count + 1):
        return None
    if body.count(b'"availBal":') != count or body.count(b'"frozenBal":') != count or body.count(b'"ccy":') != count:
        return None
    if not _stand_once(body, _AROUND):
        return None
    codes = [row.ccy for row in rows]
    times = [row.u_time for row in rows]
    totals = [row.cash_bal for row in rows]
    equities = [row.eq for row in rows]
    has_only_cash = equities == totals  # As in a spot account nearly always.
    figures = totals + [row.frozen_bal for row in rows] + [row.avail_bal for row in rows]
    if not has_only_cash:
        figures += equities
    if not _are_plain(figures) or not _are_times([account.u_time, *times]) or not _are_codes(codes):
        return None
    if not _NOTHING.issuperset([row.liab for row in rows]) or not _NOTHING.issuperset([row.stgy_eq for row in rows]):
        return None
    try:
        amounts = list(map(_exactly, figures))
    except decimal.DecimalException:
        return None  # Digits and points that are no number.
    owned, frozen, free = amounts[:count], amounts[count : 2 * count], amounts[2 * count : 3 * count]
    beside = owned if has_only_cash else amounts[3 * count :]
    columns = zip(codes, owned, frozen, free, beside)  # noqa: B905  # One length by making.
    holdings = {
        code: Holding(asset=code, total=total, held=held, available=available, detail=(("equity", equity),))
        for code, total, held, available, equity in columns
    }
    return holdings if len(holdings) == count else None  # Two rows of one currency: the careful way says which.


def _stand_once(body: bytes, keys: tuple[bytes, ...]) -> bool:
    """Whether each key stands once around the rows; between the first and the last of those are only rows."""
    first, last = body.find(b'"ccy":'), body.rfind(b'"ccy":')
    around = body if first < 0 else body[:first] + body[last:]
    return all(around.count(key) == 1 for key in keys)


def _are_plain(texts: list[str]) -> bool:
    """Whether each is ``digits[.digits]``, or at least nothing that a number would be taken for; within bounds."""
    joined = "\n".join(texts)
    if not joined.isascii() or max(map(len, texts), default=0) > _LONGEST:
        return False
    raw = joined.encode()
    if raw.translate(None, b"0123456789.\n"):
        return False
    return not (raw.startswith(b".") or raw.endswith(b".") or b"\n." in raw or b".\n" in raw)


def _are_times(texts: list[str]) -> bool:
    """Whether each is a Unix time in milliseconds."""
    joined = "".join(texts)
    return joined.isascii() and joined.isdigit() and set(map(len, texts)) == {13}


def _are_codes(texts: list[str]) -> bool:
    """Whether each is a currency as OKX usually spells one."""
    joined = "".join(texts)
    if not texts:
        return True
    return all(texts) and joined.isascii() and joined.isalnum() and max(map(len, texts)) <= 20


def funding(body: bytes) -> dict[AssetCode, Decimal]:
    """
    ``asset/balances``: what lies in the funding account, which orders cannot spend.

    Raises:
        PayloadError, AmountError, UnknownAssetError: As ``balance``.

    Source: https://www.okx.com/docs-v5/en/#funding-account-rest-api-get-balance (checked 2026-11-20)
    """
    found: dict[AssetCode, Decimal] = {}
    for row in rows_of(body, wire.FundingRow, "asset/balances"):
        if not row.ccy:
            continue
        code = code_of(row.ccy)
        if code in found:
            raise PayloadError(f"asset/balances: {code} is stated twice")
        found[code] = amount(row.bal, f"asset/balances {code}.bal")
    return found


def with_funding(
    holdings: dict[AssetCode, Holding], funds: Mapping[AssetCode, Decimal], *, is_complete: bool
) -> dict[AssetCode, Holding]:
    """
    *holdings*, with what lies in the funding account beside them.

    In a complete statement a currency that lies there alone is zero, and says where it is.
    """
    for code, amount_there in funds.items():
        if not amount_there:
            continue
        holding = holdings.get(code)
        if holding is not None:
            holdings[code] = msgspec.structs.replace(holding, detail=(*holding.detail, ("funding", amount_there)))
        elif is_complete:
            holdings[code] = Holding(
                asset=code, total=ZERO, held=ZERO, available=ZERO, detail=(("funding", amount_there),)
            )
    return holdings
