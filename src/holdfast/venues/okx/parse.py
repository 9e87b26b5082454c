"""
OKX's REST answers to our values, but for balances and orders, which have rooms of their own (``balances``,
``order_rows``).

Pure: bytes and names in, values or a named refusal out. Every answer is read through the strict decoder. Numbers are
text on this wire, and an empty text says that a field does not apply: never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from holdfast.core.amounts import ZERO, parse_amount, subtract
from holdfast.core.assets import Symbol, symbol_of
from holdfast.core.balances import Side
from holdfast.core.instruments import Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.payloads import decode_strictly
from holdfast.core.venue import CredentialInfo, FeeRates, LedgerRow, VenueMode
from holdfast.errors import AmountError, PayloadError, UnknownNameError
from holdfast.venues.okx import wire
from holdfast.venues.okx.symbols import Line, Names, code_of

__all__ = [
    "account_info",
    "amount",
    "candles",
    "envelope",
    "fee_rates",
    "instrument_of",
    "ledger_rows",
    "milliseconds",
    "names_of",
    "optional_amount",
    "rows_of",
    "side_of",
    "status",
    "tickers",
    "venue_time_s",
    "verdict_of",
]

T = TypeVar("T")


# Envelopes


_VERDICT: Final = msgspec.json.Decoder(wire.Verdict)


def verdict_of(body: bytes) -> wire.Verdict | None:
    """
    Code and text of an answer, and what its items say of themselves; None where it is no answer of OKX's.

    Anything of an odd shape beside the code is left to whoever reads the data.
    """
    if body.startswith(b'{"code":"0",') and b'"sCode"' not in body:
        return _GOOD
    try:
        return _VERDICT.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


_GOOD: Final = wire.Verdict(code="0")


def envelope(body: bytes, shape: type[T], request: str) -> wire.Envelope[T]:
    """
    A whole answer.

    Raises:
        PayloadError: No envelope, or data of another shape; names *request*.
    """
    try:
        whole: wire.Envelope[T] = decode_strictly(body, wire.Envelope[shape])  # type: ignore[valid-type]
    except PayloadError as error:
        raise PayloadError(f"{request}: {error}") from None
    return whole


def rows_of(body: bytes, shape: type[T], request: str) -> list[T]:
    """
    The data of a good answer; an answer without any is none.

    Raises:
        PayloadError: As ``envelope``; or no ``data``, which is not the same as an empty one.
    """
    whole = envelope(body, shape, request)
    if whole.code != "0":
        raise PayloadError(f"{request}: code {ascii(whole.code)[:20]} is no success")
    if whole.data is None:
        raise PayloadError(f"{request}: no data")
    return whole.data


def _only(body: bytes, shape: type[T], request: str) -> T:
    rows = rows_of(body, shape, request)
    if len(rows) != 1:
        raise PayloadError(f"{request}: {len(rows)} rows where one is owed")
    return rows[0]


def amount(text: str, where: str) -> Decimal:
    """
    The amount a field states.

    Raises:
        AmountError: It is none, an empty text included; names *where*, and shows the text only where it is short.
    """
    try:
        return parse_amount(text)
    except AmountError:
        shown = ascii(text) if len(text) <= 40 else f"a text of {len(text)} characters"
        raise AmountError(f"{where}: {shown} is no amount") from None


def optional_amount(text: str, where: str) -> Decimal | None:
    """The amount a field states, or None where it does not apply."""
    return amount(text, where) if text else None


def milliseconds(text: str, where: str) -> int:
    """
    The Unix time in milliseconds a field states.

    Raises:
        PayloadError: It is none: seconds and microseconds have other lengths.
    """
    if not (text.isascii() and text.isdigit() and 11 <= len(text) <= 14):
        raise PayloadError(f"{where}: {ascii(text)[:40]} is no Unix time in milliseconds")
    return int(text)


def side_of(text: str, where: str) -> Side:
    """The side a field states."""
    try:
        return Side(text)
    except ValueError:
        raise PayloadError(f"{where}: side {ascii(text)[:40]} is neither buy nor sell") from None


# Listing


_STATES: Final = {
    "live": InstrumentStatus.ONLINE,
    "suspend": InstrumentStatus.OFFLINE,
    "preopen": InstrumentStatus.OFFLINE,
    "test": InstrumentStatus.OFFLINE,
    "rebase": InstrumentStatus.OFFLINE,
    "post_only": InstrumentStatus.POST_ONLY,
    "settling": InstrumentStatus.OFFLINE,
}


def names_of(body: bytes) -> Names:
    """
    Translations out of ``public/instruments``: every spot instrument, once for each currency it is traded against.

    One that cannot be named or lacks a rule is left out, with the reason: whoever asks for it is told that OKX does not
    list it. An instrument of its own has precedence over a line of another one.

    Raises:
        PayloadError: Not this endpoint's shape, or nothing listed.

    Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments (checked 2026-11-20)
    """
    instruments: dict[Symbol, Instrument] = {}
    lines: dict[Symbol, Line] = {}
    left_out: dict[str, str] = {}
    listed = rows_of(body, wire.Instrument, "public/instruments")
    for is_own in (True, False):
        for row in listed:
            if row.inst_type != "SPOT" or not row.base_ccy or not row.quote_ccy:
                left_out[row.inst_id] = "no spot market, or one that does not name both sides"
                continue
            for quote in row.trade_quote_ccy_list or [row.quote_ccy]:
                if (quote == row.quote_ccy) is not is_own:
                    continue
                try:
                    instrument = _instrument(row, quote)
                except (UnknownNameError, PayloadError) as error:
                    left_out[row.inst_id] = f"its names or rules cannot be read: {error}"
                    continue
                if instrument.symbol in instruments:
                    continue
                instruments[instrument.symbol] = instrument
                lines[instrument.symbol] = _line(row, quote)
    if not instruments:
        raise PayloadError("public/instruments: nothing listed")
    return Names(instruments=instruments, lines=lines, left_out=left_out)


def instrument_of(body: bytes, known: Instrument) -> tuple[Instrument, Line] | None:
    """
    One instrument's rules and status now; None where OKX lists it no longer.

    Raises:
        PayloadError: Not this endpoint's shape.
    """
    for row in rows_of(body, wire.Instrument, "public/instruments"):
        quotes = row.trade_quote_ccy_list or [row.quote_ccy]
        if row.inst_id == known.venue_symbol and row.base_ccy == known.base and known.quote in quotes:
            return _instrument(row, known.quote), _line(row, known.quote)
    return None


def _line(row: wire.Instrument, quote: str) -> Line:
    code = row.inst_id_code
    is_code = code is not None and code.isascii() and code.isdigit() and len(code) <= 18
    return Line(
        inst_id=row.inst_id,
        trade_quote=quote if row.trade_quote_ccy_list else None,
        code=int(code) if is_code and code is not None else None,
        group=row.group_id,
    )


def _instrument(row: wire.Instrument, quote: str) -> Instrument:
    where = f"public/instruments {ascii(row.inst_id)[:40]}"
    base, quote = code_of(row.base_ccy), code_of(quote)
    steps = {name: amount(text, f"{where}.{name}") for name, text in (("lotSz", row.lot_sz), ("tickSz", row.tick_sz))}
    for name, step in steps.items():
        if step <= 0:
            raise PayloadError(f"{where}.{name}: {step} is no step")
    return Instrument(
        symbol=symbol_of(base=base, quote=quote),
        base=base,
        quote=quote,
        venue_symbol=row.inst_id,
        stream_symbol=row.inst_id,
        status=_STATES.get(row.state, InstrumentStatus.UNKNOWN),
        quantity_step=steps["lotSz"],
        price_step=steps["tickSz"],
        quantity_min=amount(row.min_sz, f"{where}.minSz"),
        cost_min=None,
        cost_step=None,
        taker_fee=None,
        maker_fee=None,
    )


# Public reads


def venue_time_s(body: bytes) -> float:
    """
    ``public/time``: OKX's clock, Unix seconds, to the millisecond.

    Raises:
        PayloadError: Not this shape, or no time in milliseconds.
    """
    return milliseconds(_only(body, wire.Time, "public/time").ts, "public/time.ts") / 1000


_TRADING: Final = frozenset({"5", "8", "9", "99"})


def status(body: bytes, *, env: str) -> tuple[VenueMode, str | None]:
    """
    ``system/status``: what OKX accepts, and what is announced beside it.

    An interruption under five seconds, and one of the stream alone, is not announced or no matter of what is accepted.

    Args:
        body: The whole answer.
        env: ``1`` for production, ``2`` for demo: maintenance of the other one does not count.

    Source: https://www.okx.com/docs-v5/en/#status-get-status (checked 2026-11-20)
    """
    mode, told = VenueMode.ONLINE, []
    for row in rows_of(body, wire.StatusRow, "system/status"):
        if row.env not in ("", env):
            continue
        if row.state == "scheduled":
            told.append("a maintenance ahead")
        elif row.service_type in _TRADING and row.state in ("ongoing", "pre_open"):
            # Before a maintenance ends, cancels and post-only orders are taken again.
            worse = VenueMode.MAINTENANCE if row.state == "ongoing" else VenueMode.POST_ONLY
            mode = VenueMode.MAINTENANCE if VenueMode.MAINTENANCE in (mode, worse) else worse
            told.append("a maintenance is under way")
        elif row.state == "ongoing":
            told.append("a maintenance beside trading is under way")
    return mode, ", ".join(dict.fromkeys(told)) or None


def tickers(body: bytes, names: Names, symbols: Sequence[Symbol], *, as_of_s: float) -> dict[Symbol, Ticker]:
    """``market/ticker``: of those of *symbols* that have both sides of a book; one of them has no price."""
    found: dict[Symbol, Ticker] = {}
    wanted = set(symbols)
    for row in rows_of(body, wire.TickerRow, "market/ticker"):
        where = f"market/ticker {ascii(row.inst_id)[:40]}"
        for symbol in names.symbols_of(row.inst_id):
            if symbol not in wanted or not (row.bid_px and row.ask_px and row.last):
                continue
            found[symbol] = Ticker(
                symbol=symbol,
                bid=amount(row.bid_px, f"{where}.bidPx"),
                ask=amount(row.ask_px, f"{where}.askPx"),
                last=amount(row.last, f"{where}.last"),
                as_of_s=as_of_s,
            )
    return found


def candles(body: bytes) -> list[Candle]:
    """
    ``market/candles``, oldest first, where OKX has the newest first; volume in whole units of base.

    Raises:
        PayloadError: Not this shape, or starts that do not fall.

    Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks (checked 2026-11-20)
    """
    found: list[Candle] = []
    for row in rows_of(body, list[str], "market/candles"):
        if len(row) < 9:
            raise PayloadError(
                "market/candles: expected [ts, open, high, low, close, volume, quote volume, quote volume, confirm]"
            )
        start_s = milliseconds(row[0], "market/candles") // 1000
        if found and start_s >= found[-1].start_s:
            raise PayloadError("market/candles: starts do not fall")
        opened, high, low, close, volume = (amount(text, "market/candles") for text in row[1:6])
        found.append(
            Candle(start_s=start_s, open=opened, high=high, low=low, close=close, volume=volume, is_final=row[8] == "1")
        )
    found.reverse()
    return found


# The account


_MODES: Final = {"1": "spot", "2": "futures", "3": "multi-currency margin", "4": "portfolio margin"}

_IDLE_NOTE: Final = (
    "OKX removes a key that is bound to no address and may trade or withdraw after 14 days without use; only signed "
    "REST calls and stream logins count, and a running broker makes some every minute"
)


def account_info(body: bytes) -> CredentialInfo:
    """
    ``account/config``: the account behind the key, how it is set up, and what the key may do.

    Any mode but spot is refused: in the others figures mean something else, and orders may borrow.

    Raises:
        PayloadError: Not this shape.

    Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration (checked 2026-11-20)
    """
    answer = _only(body, wire.Config, "account/config")
    if not answer.uid:
        raise PayloadError("account/config: no uid")
    permissions = tuple(part.strip() for part in answer.perm.split(",") if part.strip())
    addresses = tuple(part.strip() for part in answer.ip.split(",") if part.strip())
    mode = _MODES.get(answer.acct_lv, f"unknown ({answer.acct_lv})")
    refusal = None
    if answer.acct_lv != "1":
        refusal = (
            f"the OKX account is set up in mode {mode}, and holdfast trades simple spot accounts only; change the "
            "account mode to Spot on OKX's own site or app, or use a sub-account in spot mode"
        )
    notes = []
    if answer.enable_spot_borrow:
        mode = f"{mode}, borrowing enabled"
        notes.append("the account may borrow for spot orders; liabilities stand beside its figures, and never count")
    if answer.uid != answer.main_uid:
        notes.append("a sub-account: it has its own funds, limits and orders")
    if not addresses and not {"trade", "withdraw"}.isdisjoint(permissions):
        notes.append(_IDLE_NOTE)
    if answer.fee_type == "1":
        notes.append("fees are always charged in the quote currency")
    return CredentialInfo(
        account_id=answer.uid,
        permissions=permissions,
        can_withdraw="withdraw" in permissions,
        nonce_window=None,
        ip_allow_list=addresses,
        expires_at_s=None,
        account_mode=mode,
        refusal=refusal,
        notes=tuple(notes),
    )


def fee_rates(body: bytes, symbol: Symbol, line: Line) -> FeeRates:
    """
    ``account/trade-fee`` of one instrument: OKX writes what is paid as negative, we as positive.

    The rates are those of the instrument's group; where an answer has no groups, as before they came, the flat ones.

    Raises:
        PayloadError: Not this shape, or no rate of the instrument's group.
    """
    answer = _only(body, wire.TradeFee, "account/trade-fee")
    groups = [each for each in answer.fee_group if each.group_id == line.group]
    if not groups and len(answer.fee_group) == 1:
        groups = answer.fee_group
    if groups:
        taker, maker = groups[0].taker, groups[0].maker
    elif not answer.fee_group and answer.taker and answer.maker:
        taker, maker = answer.taker, answer.maker
    else:
        raise PayloadError(f"account/trade-fee: no rate of group {ascii(line.group)[:20]}")
    return FeeRates(
        symbol=symbol,
        taker=subtract(ZERO, amount(taker, "account/trade-fee.taker")),
        maker=subtract(ZERO, amount(maker, "account/trade-fee.maker")),
    )


# Type and, where that says more, what the row is called here.
# Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-bill-types (checked 2026-11-20)
_BILLS: Final = {
    "1": "transfer",
    "2": "trade",
    "3": "delivery",
    "4": "forced repayment",
    "5": "liquidation",
    "6": "margin transfer",
    "7": "interest",
    "8": "funding fee",
    "9": "adl",
    "14": "grid transfer",
    "24": "spread trade",
    "27": "conversion",
    "30": "conversion",
    "34": "dust conversion",
}


def ledger_rows(body: bytes) -> dict[str, LedgerRow]:
    """
    One page of ``account/bills``, newest first.

    ``balChg`` is what the balance moved by, the fee within it: ours keeps the fee apart, positive where it was paid.
    """
    found: dict[str, LedgerRow] = {}
    for row in rows_of(body, wire.Bill, "account/bills"):
        where = f"account/bills {ascii(row.bill_id)[:40]}"
        fee = optional_amount(row.fee, f"{where}.fee") or ZERO
        found[row.bill_id] = LedgerRow(
            entry=row.bill_id,
            ref=row.trade_id or row.ord_id or None,
            asset=code_of(row.ccy),
            kind=_BILLS.get(row.type, f"type {ascii(row.type)[:8]}"),
            change=subtract(amount(row.bal_chg, f"{where}.balChg"), fee),
            fee=subtract(ZERO, fee),
            total_after=optional_amount(row.bal, f"{where}.bal"),
            at_s=milliseconds(row.ts, f"{where}.ts") / 1000,
        )
    return found
