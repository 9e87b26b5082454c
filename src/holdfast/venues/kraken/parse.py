"""
Kraken's REST answers to our values. Pure: bytes and names in, values or a named refusal out.

Every answer is read through the strict decoder, but for the balances, which have a fast way: a typed decode, and then
a proof that nothing was lost by it. The proof is a count: each key and each string costs two quotation marks, so an
answer that has exactly as many as the decoded rows account for holds nothing else, no duplicate row or field included.
Whatever fails the proof is read the careful way and judged there.
"""

from __future__ import annotations

import decimal
import math
import operator
import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Final, NoReturn, TypeVar

import msgspec

from holdfast.core.amounts import ZERO, add, exact, parse_amount, subtract
from holdfast.core.assets import AssetCode, Symbol, symbol_of
from holdfast.core.balances import Holding, OpenOrder, Side
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.payloads import decode_strictly
from holdfast.core.venue import ClosedOrder, CredentialInfo, FeeRates, Fill, LedgerRow, VenueMode
from holdfast.errors import AmountError, PayloadError, UnknownNameError
from holdfast.venues.kraken import wire
from holdfast.venues.kraken.symbols import Names, RowKind, code_of_altname, stream_symbol

__all__ = [
    "MAX_BALANCES_BYTES",
    "Reading",
    "api_key_info",
    "balance",
    "balance_ex",
    "candles",
    "closed_orders",
    "errors_in",
    "fee_rates",
    "fills",
    "ledger_rows",
    "names_of",
    "open_orders",
    "queried_orders",
    "status",
    "tickers",
    "token",
    "venue_time_s",
]

MAX_BALANCES_BYTES: Final = 1 << 20
"""A balance answer of 300 assets has 25 kB; beyond this one is refused unread."""

_ORDER_IS_OPEN: Final = frozenset({"pending", "open"})

T = TypeVar("T")


# Envelopes


_ERRORS: Final = msgspec.json.Decoder(wire.ErrorsOnly)


def errors_in(body: bytes) -> list[str] | None:
    """The error strings of an answer, warnings included; None where it is no Kraken envelope at all."""
    if body.startswith(b'{"error":[],'):
        return []
    try:
        return _ERRORS.decode(body).error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _result(body: bytes, shape: type[T], request: str) -> T:
    """The result of an answer that has to have one."""
    result = _envelope(body, shape, request)
    if result is None:
        raise PayloadError(f"{request}: no result")
    return result


def _envelope(body: bytes, shape: type[T], request: str) -> T | None:
    envelope: wire.Envelope[T] = _strictly(body, wire.Envelope[shape], request)  # type: ignore[valid-type]
    return envelope.result


def _strictly(body: bytes, shape: type[T], request: str) -> T:
    try:
        return decode_strictly(body, shape)
    except PayloadError as error:
        raise PayloadError(f"{request}: {error}") from None


def _amount(text: str, where: str) -> Decimal:
    try:
        return parse_amount(text)
    except AmountError:
        # Another endpoint's answer may have brought a stream token here: long texts are not shown.
        shown = ascii(text) if len(text) <= 40 else f"a text of {len(text)} characters"
        raise AmountError(f"{where}: {shown} is no amount") from None


def _optional(text: str | None, where: str) -> Decimal | None:
    return None if text is None else _amount(text, where)


def _finite(seconds: float, where: str) -> float:
    if not math.isfinite(seconds) or not 0 <= seconds < 1e11:
        raise PayloadError(f"{where}: {seconds} is no Unix time in seconds")
    return seconds


def _side(text: str, where: str) -> Side:
    try:
        return Side(text)
    except ValueError:
        raise PayloadError(f"{where}: side {ascii(text)[:40]} is neither buy nor sell") from None


# Balances


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
        total = _amount(row.balance, f"{where}.balance")
        held = _amount(row.hold_trade, f"{where}.hold_trade")
        credit = _optional(row.credit, f"{where}.credit") or ZERO
        used = _optional(row.credit_used, f"{where}.credit_used") or ZERO
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
            credit=_optional(row.credit, f"{where}.credit"),
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
        total = _amount(text, where)
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
    return _envelope(body, dict[str, wire.BalanceExRow], "BalanceEx") or {}


def _balance_rows(body: bytes) -> Mapping[str, str]:
    _refuse_large(body, "Balance")
    try:
        answer = _BALANCE.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    else:
        if not answer.error and body.count(b'"') == 4 + 4 * len(answer.result):
            return answer.result
    return _envelope(body, dict[str, str], "Balance") or {}


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


# Listing


def names_of(assets_body: bytes, pairs_body: bytes, *, tokenized_body: bytes | None = None) -> Names:
    """
    Translations out of ``Assets`` and ``AssetPairs``, and of ``Assets`` for tokenized assets where it was asked for.

    Entries that cannot be named (not text an asset can be called) or that lack a listed side are left out: whoever
    asks for them is told that Kraken does not list them.

    Raises:
        PayloadError: Not these endpoints' shapes, or nothing listed.

    Sources: https://docs.kraken.com/api/docs/rest-api/get-asset-info ·
    https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs (checked 2026-11-20)
    """
    listed = _result(assets_body, dict[str, wire.Asset], "Assets")
    if tokenized_body is not None:
        listed = {**_result(tokenized_body, dict[str, wire.Asset], "Assets"), **listed}
    listed = {symbol: asset for symbol, asset in listed.items() if _can_be_named(symbol, asset.altname)}
    if not listed:
        raise PayloadError("Assets: nothing listed")
    bare = Names(listed=listed, assets={}, instruments={}, altnames={})
    assets: dict[AssetCode, AssetInfo] = {}
    for symbol, asset in listed.items():
        name = bare.asset(symbol)
        if name.kind is RowKind.PLAIN and name.code not in assets:
            assets[name.code] = AssetInfo(
                code=name.code, venue_symbol=symbol, decimals=asset.decimals, is_enabled=asset.status == "enabled"
            )
    instruments: dict[Symbol, Instrument] = {}
    altnames: dict[str, Symbol] = {}
    for key, pair in _result(pairs_body, dict[str, wire.AssetPair], "AssetPairs").items():
        base, quote = bare.plain.get(pair.base), bare.plain.get(pair.quote)
        # Dark pools repeat a market without a stream name: they are no instrument of ours.
        if base is None or quote is None or pair.wsname is None:
            continue
        instrument = _instrument(key, pair, base=base, quote=quote)
        if instrument.symbol in instruments:
            continue
        instruments[instrument.symbol] = instrument
        altnames[pair.altname] = instrument.symbol
    return Names(listed=listed, assets=assets, instruments=instruments, altnames=altnames)


def _can_be_named(symbol: str, altname: str) -> bool:
    try:
        code_of_altname(symbol)
        code_of_altname(altname)
    except UnknownNameError:
        return False
    return True


_PAIR_STATUS: Final = {
    "online": InstrumentStatus.ONLINE,
    "cancel_only": InstrumentStatus.CANCEL_ONLY,
    "post_only": InstrumentStatus.POST_ONLY,
    "limit_only": InstrumentStatus.LIMIT_ONLY,
    "reduce_only": InstrumentStatus.REDUCE_ONLY,
    "delisted": InstrumentStatus.OFFLINE,
    "maintenance": InstrumentStatus.OFFLINE,
    "work_in_progress": InstrumentStatus.OFFLINE,
}


def _instrument(key: str, pair: wire.AssetPair, *, base: AssetCode, quote: AssetCode) -> Instrument:
    where = f"AssetPairs {ascii(key)[:40]}"
    price_step = _optional(pair.tick_size, f"{where}.tick_size")
    return Instrument(
        symbol=symbol_of(base=base, quote=quote),
        base=base,
        quote=quote,
        venue_symbol=key,
        stream_symbol=stream_symbol(base=base, quote=quote),
        status=_PAIR_STATUS.get(pair.status, InstrumentStatus.UNKNOWN),
        quantity_step=_step(pair.lot_decimals, where),
        price_step=_step(pair.pair_decimals, where) if price_step is None else price_step,
        quantity_min=_optional(pair.ordermin, f"{where}.ordermin"),
        cost_min=_optional(pair.costmin, f"{where}.costmin"),
        cost_step=None if pair.cost_decimals is None else _step(pair.cost_decimals, where),
        taker_fee=_lowest_tier(pair.fees, f"{where}.fees"),
        maker_fee=_lowest_tier(pair.fees_maker or pair.fees, f"{where}.fees_maker"),
    )


def _step(places: int, where: str) -> Decimal:
    if not 0 <= places <= 30:
        raise PayloadError(f"{where}: {places} decimal places")
    return Decimal((0, (1,), -places))


def _lowest_tier(tiers: list[list[str]], where: str) -> Decimal | None:
    """``[[volume, percent], …]``, lowest volume first."""
    if not tiers:
        return None
    if len(tiers[0]) != 2:
        raise PayloadError(f"{where}: expected [volume, percent]")
    return _fraction(tiers[0][1], where)


def _fraction(percent: str, where: str) -> Decimal:
    """0.24 % is 0.0024: only the exponent moves."""
    with exact():
        return _amount(percent, where).scaleb(-2)


# Public reads


def venue_time_s(body: bytes) -> float:
    """
    ``Time``: Kraken's clock, Unix seconds, whole ones.

    Raises:
        PayloadError: Not this shape, or a number that can be no time in seconds (milliseconds, say).
    """
    unixtime = _result(body, wire.Time, "Time").unixtime
    if not 1_600_000_000 <= unixtime < 10_000_000_000:
        raise PayloadError(f"Time: {unixtime} is no Unix time in seconds")
    return float(unixtime)


def status(body: bytes) -> tuple[VenueMode, str | None]:
    """``SystemStatus``: the engine's mode, and what is announced beside it."""
    answer = _result(body, wire.SystemStatus, "SystemStatus")
    announced = []
    if answer.emergency:
        announced.append(f"{len(answer.emergency)} unresolved incidents")
    if answer.upcoming_maintenance:
        announced.append(f"{len(answer.upcoming_maintenance)} maintenances ahead")
    return mode_of(answer.status), ", ".join(announced) or None


def mode_of(word: str) -> VenueMode:
    """Kraken's word for what its engine accepts; one we do not know is ``UNKNOWN``."""
    try:
        return VenueMode(word)
    except ValueError:
        return VenueMode.UNKNOWN


def tickers(body: bytes, names: Names, *, as_of_s: float) -> dict[Symbol, Ticker]:
    """``Ticker``: keyed by Kraken's own pair keys, whatever spelling was asked with."""
    found: dict[Symbol, Ticker] = {}
    for key, row in _result(body, dict[str, wire.TickerRow], "Ticker").items():
        symbol = names.instrument(key)
        if symbol is None:
            continue
        where = f"Ticker {key}"
        if not (row.a and row.b and row.c):
            raise PayloadError(f"{where}: an empty price list")
        found[symbol] = Ticker(
            symbol=symbol,
            bid=_amount(row.b[0], f"{where}.b"),
            ask=_amount(row.a[0], f"{where}.a"),
            last=_amount(row.c[0], f"{where}.c"),
            as_of_s=as_of_s,
        )
    return found


def candles(body: bytes, names: Names, *, symbol: Symbol) -> list[Candle]:
    """
    ``OHLC``, oldest first; the last one is still forming. Volume in whole units of base.

    Raises:
        PayloadError: Not this shape, another pair's candles, or starts that do not rise.
    """
    result = _result(body, dict[str, msgspec.Raw | list[list[str]] | str], "OHLC")
    rows = [value for key, value in result.items() if key != "last" and names.instrument(key) == symbol]
    if len(rows) != 1 or not isinstance(rows[0], list):
        raise PayloadError(f"OHLC: no candles of {symbol}")
    found: list[Candle] = []
    for row in rows[0]:
        if len(row) != 8 or not (row[0].isascii() and row[0].isdigit() and len(row[0]) <= 11):
            raise PayloadError("OHLC: expected [time, open, high, low, close, vwap, volume, count]")
        start_s = int(row[0])
        if found and start_s <= found[-1].start_s:
            raise PayloadError("OHLC: starts do not rise")
        opened, high, low, close, volume = (_amount(row[place], "OHLC") for place in (1, 2, 3, 4, 6))
        found.append(
            Candle(start_s=start_s, open=opened, high=high, low=low, close=close, volume=volume, is_final=True)
        )
    if found:
        found[-1] = msgspec.structs.replace(found[-1], is_final=False)
    return found


# Orders and history


def open_orders(body: bytes, names: Names) -> dict[str, OpenOrder]:
    """
    ``OpenOrders``: every open order, so absence means not open.

    Source: https://docs.kraken.com/api/docs/rest-api/get-open-orders (checked 2026-11-20)
    """
    answer = _result(body, wire.OpenOrders, "OpenOrders")
    return {order_id: _open_order(order_id, order, names, "OpenOrders") for order_id, order in answer.open.items()}


def queried_orders(body: bytes, names: Names) -> dict[str, OpenOrder | ClosedOrder]:
    """``QueryOrders``: those of the ids asked for that Kraken knows, open or closed."""
    answer = _result(body, dict[str, wire.Order], "QueryOrders")
    return {
        order_id: _open_order(order_id, order, names, "QueryOrders")
        if order.status in _ORDER_IS_OPEN
        else _closed_order(order_id, order, names, "QueryOrders")
        for order_id, order in answer.items()
    }


def closed_orders(body: bytes, names: Names) -> dict[str, ClosedOrder]:
    """One page of ``ClosedOrders``, newest first."""
    answer = _result(body, wire.ClosedOrders, "ClosedOrders")
    return {
        order_id: _closed_order(order_id, order, names, "ClosedOrders") for order_id, order in answer.closed.items()
    }


def _open_order(order_id: str, order: wire.Order, names: Names, request: str) -> OpenOrder:
    where = f"{request} {ascii(order_id)[:40]}"
    side = _side(order.descr.type, f"{where}.descr.type")
    quantity, filled = _amount(order.vol, f"{where}.vol"), _amount(order.vol_exec, f"{where}.vol_exec")
    cost = _amount(order.cost, f"{where}.cost")
    symbol = names.instrument(order.descr.pair)
    by_quote = "viqc" in order.oflags.split(",")
    price = _limit_price(order.descr)
    on_margin = order.margin or (order.descr.leverage or "none") != "none"
    base, quote = names.sides(symbol)
    hold_asset, hold = hold_of(
        base=base,
        quote=quote,
        side=side,
        on_margin=on_margin,
        remaining=None if by_quote else subtract(quantity, filled),
        remaining_cost=subtract(quantity, cost) if by_quote else None,
        limit_price=price,
    )
    return OpenOrder(
        order_id=order_id,
        client_order_id=order.cl_ord_id,
        symbol=symbol,
        side=side,
        order_type=order.descr.ordertype,
        quantity=None if by_quote else quantity,
        filled=filled,
        limit_price=price,
        hold_asset=hold_asset,
        hold=hold,
    )


# Where an order's own price stands; other types have none, or only a trigger.
_PRICE_FIELD: Final = {
    "limit": "price",
    "iceberg": "price",
    "stop-loss-limit": "price2",
    "take-profit-limit": "price2",
    "trailing-stop-limit": "price2",
}


def _limit_price(descr: wire.OrderDescription) -> Decimal | None:
    """The limit price, or None: no limit, or one stated relative to the market (``+5%``), which is no price yet."""
    field = _PRICE_FIELD.get(descr.ordertype)
    if field is None:
        return None
    try:
        price = parse_amount(descr.price if field == "price" else descr.price2)
    except AmountError:
        return None
    return price if price > 0 else None


def hold_of(
    *,
    base: AssetCode | None,
    quote: AssetCode | None,
    side: Side,
    on_margin: bool,
    remaining: Decimal | None,
    remaining_cost: Decimal | None,
    limit_price: Decimal | None,
) -> tuple[AssetCode | None, Decimal | None]:
    """
    What Kraken most likely holds for an open order, without fees: asset and amount, each None where unknown.

    A sell holds what remains of base; a buy holds what remains times its limit, or what remains of the amount it may
    spend. Margin orders hold nothing on the spot balance. The exact formula is unpublished, so this is an estimate
    beside the venue's own figure, never instead of it.

    Args:
        base: What is traded, or None where unlisted.
        quote: What it is traded for, or None where unlisted.
        side: The order's side.
        on_margin: True where the order borrows.
        remaining: Base units not yet filled, or None for an order by cost.
        remaining_cost: Quote units not yet spent, for an order by cost.
        limit_price: The limit, or None.

    Source: https://docs.kraken.com/api-reference/account-data/get-extended-balance: holds are of spot orders without
    margin (checked 2026-11-20)
    """
    asset = base if side is Side.SELL else quote
    if on_margin:
        return asset, ZERO
    if asset is None:
        return None, None  # An amount of nobody knows what is no estimate.
    if side is Side.SELL:
        return asset, None if remaining is None else max(remaining, ZERO)
    if remaining_cost is not None:
        return asset, max(remaining_cost, ZERO)
    if remaining is None or limit_price is None:
        return asset, None
    with exact():
        return asset, max(remaining * limit_price, ZERO)


def _closed_order(order_id: str, order: wire.Order, names: Names, request: str) -> ClosedOrder:
    where = f"{request} {ascii(order_id)[:40]}"
    return ClosedOrder(
        order_id=order_id,
        client_order_id=order.cl_ord_id,
        symbol=names.instrument(order.descr.pair),
        side=_side(order.descr.type, f"{where}.descr.type"),
        status=order.status,
        quantity=_amount(order.vol, f"{where}.vol"),
        filled=_amount(order.vol_exec, f"{where}.vol_exec"),
        cost=_amount(order.cost, f"{where}.cost"),
        fee=_amount(order.fee, f"{where}.fee"),
        closed_at_s=None if order.closetm is None else _finite(order.closetm, f"{where}.closetm"),
        reason=order.reason,
    )


def fills(body: bytes, names: Names) -> dict[str, Fill]:
    """One page of ``TradesHistory``, newest first; ``fee`` is in quote."""
    found: dict[str, Fill] = {}
    for fill_id, trade in _result(body, wire.Trades, "TradesHistory").trades.items():
        where = f"TradesHistory {ascii(fill_id)[:40]}"
        found[fill_id] = Fill(
            fill_id=fill_id,
            order_id=trade.ordertxid,
            symbol=names.instrument(trade.pair),
            side=_side(trade.type, f"{where}.type"),
            quantity=_amount(trade.vol, f"{where}.vol"),
            price=_amount(trade.price, f"{where}.price"),
            cost=_amount(trade.cost, f"{where}.cost"),
            fee=_amount(trade.fee, f"{where}.fee"),
            at_s=_finite(trade.time, f"{where}.time"),
        )
    return found


def ledger_rows(body: bytes, names: Names) -> dict[str, LedgerRow]:
    """One page of ``Ledgers``, newest first; ``total_after`` is the balance of the *row* of that symbol."""
    found: dict[str, LedgerRow] = {}
    for entry, row in _result(body, wire.Ledger, "Ledgers").ledger.items():
        where = f"Ledgers {ascii(entry)[:40]}"
        name = names.asset(row.asset)
        if name.kind is RowKind.NOT_MONEY:
            continue
        total_after = _optional(row.balance, f"{where}.balance")
        found[entry] = LedgerRow(
            entry=entry,
            ref=row.refid,
            asset=name.code,
            kind=row.type,
            change=_amount(row.amount, f"{where}.amount"),
            fee=_amount(row.fee, f"{where}.fee"),
            # An earning row's running balance is not the asset's.
            total_after=None if name.kind is RowKind.EARNING else total_after,
            at_s=_finite(row.time, f"{where}.time"),
        )
    return found


# The account


def fee_rates(body: bytes, names: Names) -> dict[Symbol, FeeRates]:
    """``TradeVolume``: percent become fractions; where makers have no rate of their own they pay the taker's."""
    answer = _result(body, wire.TradeVolume, "TradeVolume")
    makers = answer.fees_maker or {}
    found: dict[Symbol, FeeRates] = {}
    for key, taker in (answer.fees or {}).items():
        symbol = names.instrument(key)
        if symbol is None:
            continue
        maker = makers.get(key, taker)
        found[symbol] = FeeRates(
            symbol=symbol,
            taker=_fraction(taker.fee, f"TradeVolume {key}.fees"),
            maker=_fraction(maker.fee, f"TradeVolume {key}.fees_maker"),
        )
    return found


def token(body: bytes) -> str:
    """``GetWebSocketsToken``: to be used within fifteen minutes. A secret."""
    value = _result(body, wire.Token, "GetWebSocketsToken").token
    if not value or not value.isascii() or not value.isprintable():
        raise PayloadError("GetWebSocketsToken: the token is no printable text")
    return value


# Rights with which money, or the way for it to leave, can be moved out.
# Source: https://docs.kraken.com/api/docs/rest-api/get-api-key-info (checked 2026-11-20)
_WITHDRAWING: Final = frozenset({"withdraw-funds", "add-withdraw-address", "update-withdraw-address"})


def api_key_info(body: bytes, *, key: str) -> CredentialInfo:
    """
    ``GetApiKeyInfo``: the account behind the key and what the key may do.

    Raises:
        PayloadError: Not this shape, or the answer speaks of another key.
    """
    answer = _result(body, wire.ApiKeyInfo, "GetApiKeyInfo")
    if answer.api_key is not None and answer.api_key != key:
        raise PayloadError("GetApiKeyInfo: the answer speaks of another key")
    until = answer.valid_until or "0"
    if not (until.isascii() and until.isdigit() and len(until) <= 11):
        raise PayloadError("GetApiKeyInfo.validUntil: no Unix time in seconds")
    return CredentialInfo(
        account_id=answer.iban,
        permissions=tuple(answer.permissions),
        can_withdraw=not _WITHDRAWING.isdisjoint(answer.permissions),
        nonce_window=answer.nonce_window,
        ip_allow_list=tuple(answer.ip_allowlist),
        expires_at_s=float(until) or None,
    )
