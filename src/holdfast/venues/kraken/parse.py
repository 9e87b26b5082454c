"""
Kraken's REST answers to our values, but for balances, which have a room of their own (``balances``).

Pure: bytes and names in, values or a named refusal out. Every answer is read through the strict decoder.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from holdfast.core.amounts import ZERO, exact, parse_amount, subtract
from holdfast.core.assets import AssetCode, Symbol, symbol_of
from holdfast.core.balances import OpenOrder, Side
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.payloads import decode_strictly
from holdfast.core.venue import ClosedOrder, CredentialInfo, FeeRates, Fill, LedgerRow, VenueMode
from holdfast.errors import AmountError, PayloadError, UnknownNameError
from holdfast.venues.kraken import wire
from holdfast.venues.kraken.symbols import Names, RowKind, code_of_altname, stream_symbol

__all__ = [
    "amount",
    "api_key_info",
    "candles",
    "closed_orders",
    "envelope",
    "errors_in",
    "fee_rates",
    "fills",
    "hold_of",
    "ledger_rows",
    "mode_of",
    "names_of",
    "open_orders",
    "optional_amount",
    "queried_orders",
    "result_of",
    "side_of",
    "status",
    "tickers",
    "token",
    "unix_s",
    "venue_time_s",
]

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


def result_of(body: bytes, shape: type[T], request: str) -> T:
    """The result of an answer that has to have one."""
    result = envelope(body, shape, request)
    if result is None:
        raise PayloadError(f"{request}: no result")
    return result


def envelope(body: bytes, shape: type[T], request: str) -> T | None:
    """
    The result of an answer, None where it has none.

    Raises:
        PayloadError: No envelope, or a result of another shape; names *request*.
    """
    try:
        whole: wire.Envelope[T] = decode_strictly(body, wire.Envelope[shape])  # type: ignore[valid-type]
    except PayloadError as error:
        raise PayloadError(f"{request}: {error}") from None
    return whole.result


def amount(text: str, where: str) -> Decimal:
    """
    The amount a field states.

    Raises:
        AmountError: It is none; names *where*, and shows the text only where it cannot be a secret.
    """
    try:
        return parse_amount(text)
    except AmountError:
        # Another endpoint's answer may have brought a stream token here: long texts are not shown.
        shown = ascii(text) if len(text) <= 40 else f"a text of {len(text)} characters"
        raise AmountError(f"{where}: {shown} is no amount") from None


def optional_amount(text: str | None, where: str) -> Decimal | None:
    """The amount a field states, or None where the field is absent or null."""
    return None if text is None else amount(text, where)


def unix_s(seconds: float, where: str) -> float:
    """A time in Unix seconds. Raises ``PayloadError`` where it can be none."""
    if not math.isfinite(seconds) or not 0 <= seconds < 1e11:
        raise PayloadError(f"{where}: {seconds} is no Unix time in seconds")
    return seconds


def side_of(text: str, where: str) -> Side:
    """The side a field names. Raises ``PayloadError`` where it names none."""
    try:
        return Side(text)
    except ValueError:
        raise PayloadError(f"{where}: side {ascii(text)[:40]} is neither buy nor sell") from None


# Listing


def names_of(assets_body: bytes, pairs_body: bytes, *, tokenized_body: bytes | None = None) -> Names:
    """
    Translations out of ``Assets`` and ``AssetPairs``, and of ``Assets`` for tokenized assets where it was asked for.

    Entries that cannot be named (not text an asset can be called), lack a listed side or state a rule that is none are
    left out, with the reason: whoever asks for them is told that Kraken does not list them.

    Raises:
        PayloadError: Not these endpoints' shapes, or nothing listed.

    Sources: https://docs.kraken.com/api/docs/rest-api/get-asset-info ·
    https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs (checked 2026-11-20)
    """
    listed = result_of(assets_body, dict[str, wire.Asset], "Assets")
    if tokenized_body is not None:
        listed = {**result_of(tokenized_body, dict[str, wire.Asset], "Assets"), **listed}
    listed = {symbol: asset for symbol, asset in listed.items() if _can_be_named(symbol, asset.altname)}
    if not listed:
        raise PayloadError("Assets: nothing listed")
    bare = Names(listed=listed, assets={}, instruments={}, altnames={})
    assets: dict[AssetCode, AssetInfo] = {}
    for symbol, asset in listed.items():
        name = bare.asset(symbol)
        if name.kind is RowKind.PLAIN and name.code not in assets:
            assets[name.code] = AssetInfo(
                code=name.code,
                venue_symbol=symbol,
                decimals=asset.decimals,
                is_enabled=asset.status == "enabled",
                venue_altname=asset.altname,
            )
    instruments: dict[Symbol, Instrument] = {}
    altnames: dict[str, Symbol] = {}
    left_out: dict[str, str] = {}
    for key, pair in result_of(pairs_body, dict[str, wire.AssetPair], "AssetPairs").items():
        base, quote = bare.plain.get(pair.base), bare.plain.get(pair.quote)
        # Dark pools repeat a market without a stream name: they are no instrument of ours.
        if pair.wsname is None:
            left_out[key] = "a dark pool: it repeats a market and has no stream"
            continue
        if base is None or quote is None:
            odd = pair.base if base is None else pair.quote
            left_out[key] = f"its side {ascii(odd)[:40]} is not listed as an asset of its own"
            continue
        try:
            instrument = _instrument(key, pair, base=base, quote=quote)
        except PayloadError as error:
            # One market without rules says nothing about the others.
            left_out[key] = f"its rules cannot be read: {error}"
            continue
        if instrument.symbol in instruments:
            left_out[key] = f"it repeats {instrument.symbol}"
            continue
        instruments[instrument.symbol] = instrument
        altnames[pair.altname] = instrument.symbol
    return Names(listed=listed, assets=assets, instruments=instruments, altnames=altnames, left_out=left_out)


def instrument_of(body: bytes, known: Instrument) -> Instrument:
    """
    One instrument out of ``AssetPairs`` that was asked for it alone: its rules and status now.

    Raises:
        PayloadError: Not this endpoint's shape, or another instrument.
    """
    pairs = result_of(body, dict[str, wire.AssetPair], "AssetPairs")
    pair = pairs.get(known.venue_symbol)
    if pair is None:
        raise PayloadError(f"AssetPairs: asked for {known.venue_symbol}, told of {ascii(sorted(pairs))[:80]}")
    return _instrument(known.venue_symbol, pair, base=known.base, quote=known.quote)


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
    price_step = optional_amount(pair.tick_size, f"{where}.tick_size")
    return Instrument(
        symbol=symbol_of(base=base, quote=quote),
        base=base,
        quote=quote,
        venue_symbol=key,
        stream_symbol=stream_symbol(base=base, quote=quote),
        status=_PAIR_STATUS.get(pair.status, InstrumentStatus.UNKNOWN),
        quantity_step=_step(pair.lot_decimals, where),
        price_step=_step(pair.pair_decimals, where) if price_step is None else price_step,
        quantity_min=optional_amount(pair.ordermin, f"{where}.ordermin"),
        cost_min=optional_amount(pair.costmin, f"{where}.costmin"),
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
        return amount(percent, where).scaleb(-2)


# Public reads


def venue_time_s(body: bytes) -> float:
    """
    ``Time``: Kraken's clock, Unix seconds, whole ones.

    Raises:
        PayloadError: Not this shape, or a number that can be no time in seconds (milliseconds, say).
    """
    unixtime = result_of(body, wire.Time, "Time").unixtime
    if not 1_600_000_000 <= unixtime < 10_000_000_000:
        raise PayloadError(f"Time: {unixtime} is no Unix time in seconds")
    return float(unixtime)


def status(body: bytes) -> tuple[VenueMode, str | None]:
    """``SystemStatus``: the engine's mode, and what is announced beside it."""
    answer = result_of(body, wire.SystemStatus, "SystemStatus")
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
    for key, row in result_of(body, dict[str, wire.TickerRow], "Ticker").items():
        symbol = names.instrument(key)
        if symbol is None:
            continue
        where = f"Ticker {key}"
        if not (row.a and row.b and row.c):
            raise PayloadError(f"{where}: an empty price list")
        found[symbol] = Ticker(
            symbol=symbol,
            bid=amount(row.b[0], f"{where}.b"),
            ask=amount(row.a[0], f"{where}.a"),
            last=amount(row.c[0], f"{where}.c"),
            as_of_s=as_of_s,
        )
    return found


def candles(body: bytes, names: Names, *, symbol: Symbol) -> list[Candle]:
    """
    ``OHLC``, oldest first; the last one is still forming. Volume in whole units of base.

    Raises:
        PayloadError: Not this shape, another pair's candles, or starts that do not rise.
    """
    result = result_of(body, dict[str, msgspec.Raw | list[list[str]] | str], "OHLC")
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
        opened, high, low, close, volume = (amount(row[place], "OHLC") for place in (1, 2, 3, 4, 6))
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
    answer = result_of(body, wire.OpenOrders, "OpenOrders")
    return {order_id: _open_order(order_id, order, names, "OpenOrders") for order_id, order in answer.open.items()}


def queried_orders(body: bytes, names: Names) -> dict[str, OpenOrder | ClosedOrder]:
    """``QueryOrders``: those of the ids asked for that Kraken knows, open or closed."""
    answer = result_of(body, dict[str, wire.Order], "QueryOrders")
    return {
        order_id: _open_order(order_id, order, names, "QueryOrders")
        if order.status in _ORDER_IS_OPEN
        else _closed_order(order_id, order, names, "QueryOrders")
        for order_id, order in answer.items()
    }


def closed_orders(body: bytes, names: Names) -> dict[str, ClosedOrder]:
    """One page of ``ClosedOrders``, newest first."""
    answer = result_of(body, wire.ClosedOrders, "ClosedOrders")
    return {
        order_id: _closed_order(order_id, order, names, "ClosedOrders") for order_id, order in answer.closed.items()
    }


def _open_order(order_id: str, order: wire.Order, names: Names, request: str) -> OpenOrder:
    where = f"{request} {ascii(order_id)[:40]}"
    side = side_of(order.descr.type, f"{where}.descr.type")
    quantity, filled = amount(order.vol, f"{where}.vol"), amount(order.vol_exec, f"{where}.vol_exec")
    cost = amount(order.cost, f"{where}.cost")
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
        cost=cost,
        fee=amount(order.fee, f"{where}.fee"),
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
        side=side_of(order.descr.type, f"{where}.descr.type"),
        status=order.status,
        quantity=amount(order.vol, f"{where}.vol"),
        filled=amount(order.vol_exec, f"{where}.vol_exec"),
        cost=amount(order.cost, f"{where}.cost"),
        fee=amount(order.fee, f"{where}.fee"),
        closed_at_s=None if order.closetm is None else unix_s(order.closetm, f"{where}.closetm"),
        reason=order.reason,
    )


def fills(body: bytes, names: Names) -> dict[str, Fill]:
    """One page of ``TradesHistory``, newest first; ``fee`` is in quote."""
    found: dict[str, Fill] = {}
    for fill_id, trade in result_of(body, wire.Trades, "TradesHistory").trades.items():
        where = f"TradesHistory {ascii(fill_id)[:40]}"
        found[fill_id] = Fill(
            fill_id=fill_id,
            order_id=trade.ordertxid,
            symbol=names.instrument(trade.pair),
            side=side_of(trade.type, f"{where}.type"),
            quantity=amount(trade.vol, f"{where}.vol"),
            price=amount(trade.price, f"{where}.price"),
            cost=amount(trade.cost, f"{where}.cost"),
            fee=amount(trade.fee, f"{where}.fee"),
            at_s=unix_s(trade.time, f"{where}.time"),
        )
    return found


def ledger_rows(body: bytes, names: Names) -> dict[str, LedgerRow]:
    """One page of ``Ledgers``, newest first; ``total_after`` is the balance of the *row* of that symbol."""
    found: dict[str, LedgerRow] = {}
    for entry, row in result_of(body, wire.Ledger, "Ledgers").ledger.items():
        where = f"Ledgers {ascii(entry)[:40]}"
        name = names.asset(row.asset)
        if name.kind is RowKind.NOT_MONEY:
            continue
        total_after = optional_amount(row.balance, f"{where}.balance")
        found[entry] = LedgerRow(
            entry=entry,
            ref=row.refid,
            asset=name.code,
            kind=row.type,
            change=amount(row.amount, f"{where}.amount"),
            fee=amount(row.fee, f"{where}.fee"),
            # An earning row's running balance is not the asset's.
            total_after=None if name.kind is RowKind.EARNING else total_after,
            at_s=unix_s(row.time, f"{where}.time"),
        )
    return found


# The account


def fee_rates(body: bytes, names: Names) -> dict[Symbol, FeeRates]:
    """``TradeVolume``: percent become fractions; where makers have no rate of their own they pay the taker's."""
    answer = result_of(body, wire.TradeVolume, "TradeVolume")
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
    value = result_of(body, wire.Token, "GetWebSocketsToken").token
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
    answer = result_of(body, wire.ApiKeyInfo, "GetApiKeyInfo")
    if answer.api_key is not None and answer.api_key != key:
        raise PayloadError("GetApiKeyInfo: the answer speaks of another key")
    until = answer.valid_until or "0"
    if not (until.isascii() and until.isdigit() and len(until) <= 11):
        raise PayloadError("GetApiKeyInfo.validUntil: no Unix time in seconds")
    moving = sorted(_WITHDRAWING.intersection(answer.permissions))
    warned = (f"the key may move money out ({', '.join(moving)}): a bot needs no such right, make it a key without",)
    return CredentialInfo(
        account_id=answer.iban,
        permissions=tuple(answer.permissions),
        can_withdraw=bool(moving),
        notes=warned if moving else (),
        nonce_window=answer.nonce_window,
        ip_allow_list=tuple(answer.ip_allowlist),
        expires_at_s=float(until) or None,
    )
