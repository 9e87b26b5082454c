"""
What an observation proves: facts in, a finding out. No I/O, and no clock.

A finding names what was seen, with figures; one that lost says what to do. Where a venue has nothing of the kind, the
check is exempt and the venue's reason stands in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount, multiply, remainder, subtract, trim_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, OrdersSnapshot, Side, Snapshot
from holdfast.core.holds import is_like
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.products import why_unsupported
from holdfast.core.readiness.report import CheckOutcome, Finding
from holdfast.core.repair import CLOCK_BOUND_S
from holdfast.core.symbols import normalize_symbol
from holdfast.core.venue import CredentialInfo, ServerTime, VenueMode, VenueStatus
from holdfast.core.venue_time import offset_s
from holdfast.errors import UnknownNameError, UnsupportedSymbolError

__all__ = [
    "CANDLE_INTERVAL_S",
    "REFERENCES",
    "SLOW_S",
    "DryRun",
    "dry_run_of",
    "earned",
    "exempt",
    "judge_account",
    "judge_agreement",
    "judge_candle_age",
    "judge_candle_order",
    "judge_candles",
    "judge_clock",
    "judge_expiry",
    "judge_held",
    "judge_ip_list",
    "judge_latency",
    "judge_products",
    "judge_round_trip",
    "judge_status",
    "judge_tradable",
    "judge_trade_rights",
    "judge_unsupported",
    "judge_usd",
    "judge_withdrawal",
    "lost",
    "reference_of",
]

CANDLE_INTERVAL_S: Final = 60

REFERENCES: Final[tuple[Symbol, ...]] = ("BTC-USD", "BTC-USDC", "BTC-USDT", "BTC-EUR")
"""What is looked at in place of every instrument: the first of these that the venue lists."""

SLOW_S: Final = 2.0
"""An answer that takes longer makes orders miss their validity."""

_CANDLES_LEAST: Final = 10
_CANDLE_AGE_MAX_S: Final = 300.0
_EXPIRES_SOON_S: Final = 7 * 86_400.0
_HOLD_ALLOWANCE: Final = Decimal("0.02")
_NAMED: Final = 3


def earned(evidence: str) -> Finding:
    """It was observed."""
    return Finding(outcome=CheckOutcome.EARNED, evidence=evidence)


def lost(evidence: str, fix: str, *, follows: str | None = None) -> Finding:
    """It was not, and what to do."""
    return Finding(outcome=CheckOutcome.LOST, evidence=evidence, fix=fix, follows=follows)


def exempt(evidence: str, reason: str) -> Finding:
    """The venue offers no such thing."""
    return Finding(outcome=CheckOutcome.EXEMPT, evidence=evidence, fix=reason)


# Credentials


def judge_trade_rights(info: CredentialInfo, needed: Sequence[str]) -> Finding:
    """Whether the key has every right, in the venue's words, that orders and cancels need."""
    missing = [right for right in needed if right not in info.permissions]
    if missing:
        return lost(
            f"The key lacks {', '.join(missing)}; the venue lists {', '.join(info.permissions) or 'none'}.",
            f"Give the key {' and '.join(missing)} on the venue's API page; it is seen in the next run.",
        )
    return earned(f"The venue lists {', '.join(needed)} among the key's {len(info.permissions)} rights.")


def judge_withdrawal(info: CredentialInfo) -> Finding:
    """Whether money can leave with the key."""
    if info.can_withdraw is None:
        return exempt("The venue does not tell which rights the key has.", "the venue has no call that tells")
    if info.can_withdraw:
        return lost(
            f"THIS KEY CAN WITHDRAW: the venue lists {', '.join(info.permissions)}.",
            "Make a key without any right to withdraw or transfer, put it in place, and delete this one at the venue: "
            "a bot needs no such right, and whoever steals the key takes the money.",
        )
    return earned(f"No right to withdraw is among {', '.join(info.permissions) or 'none'}.")


def judge_expiry(info: CredentialInfo, *, venue_now_s: float) -> Finding:
    """How long the key lasts; *venue_now_s* is Unix seconds on the venue's clock."""
    if info.expires_at_s is None:
        return exempt("The key has no end.", "the venue sets no end, and this key has none")
    left_s = info.expires_at_s - venue_now_s
    if left_s <= 0:
        return lost(f"The key ended {_days(-left_s)} ago.", "Make a new key at the venue, and put it in place.")
    if left_s < _EXPIRES_SOON_S:
        return lost(
            f"The key ends in {_days(left_s)}.",
            "Make a new key before that, and put it in place: a key that ends stops every order.",
        )
    return earned(f"The key ends in {_days(left_s)}.")


def _days(seconds: float) -> str:
    return f"{seconds / 86_400:.1f} days" if seconds >= 86_400 else f"{seconds / 3600:.1f} hours"


def judge_ip_list(info: CredentialInfo, *, is_told: bool) -> Finding:
    """Whether the key works from listed addresses only; *is_told* where the venue tells its list at all."""
    if not is_told:
        return exempt("The venue does not tell the key's address list.", "the venue has no call that tells")
    if info.ip_allow_list:
        count = len(info.ip_allow_list)
        return earned(f"The key is bound to {count} {'address' if count == 1 else 'addresses'}, this machine's too.")
    return lost(
        "The key is accepted from any address.",
        "Bind the key to this machine's address on the venue's API page: a stolen key is worth nothing then.",
    )


# Connection


def judge_clock(time: ServerTime) -> Finding:
    """This machine's clock against the venue's."""
    ahead_s = offset_s(time)
    if abs(ahead_s) <= CLOCK_BOUND_S:
        return earned(f"This machine's clock agrees with the venue's ({ahead_s:+.3f} s).")
    doubt_s = max(0.0, time.received_s - time.sent_s) / 2
    if abs(ahead_s) - doubt_s <= CLOCK_BOUND_S:
        return lost(
            f"The clocks cannot be compared to a second: the answer took {2 * doubt_s:.1f} s ({ahead_s:+.1f} s by its "
            "middle).",
            "Mend the slow round trip first.",
            follows="connection.latency",
        )
    side = "behind" if ahead_s > 0 else "ahead of"
    return lost(
        f"This machine's clock is {abs(ahead_s):.1f} s {side} the venue's.",
        "Set this machine's clock (a time service keeps it right); orders miss their validity, and tokens are refused.",
    )


def judge_status(status: VenueStatus) -> Finding:
    """The venue's word about itself."""
    detail = f" ({status.detail})" if status.detail else ""
    if status.mode is VenueMode.ONLINE:
        return earned(f"The venue says that it is online{detail}.")
    return lost(
        f"The venue says that it is {status.mode.value}{detail}.",
        "Wait until the venue is online again: see its status page, then run again.",
    )


def judge_account(info: CredentialInfo, *, pinned: str | None, shown: str) -> Finding:
    """Whose account it is: *pinned* is the store's, None for a new store; *shown* the venue's id, shortened."""
    if pinned is not None and pinned != info.account_id:
        return lost(
            f"The key belongs to account {shown}, and the store of this broker to another one.",
            "Put the key of the right account in place, or give the other account a broker name of its own; "
            "`holdfast restore --start-new` begins a new store.",
        )
    if info.refusal is not None:
        return lost(f"Account {shown}: {info.refusal}.", "Set the account up at the venue as the evidence says.")
    mode = "" if info.account_mode is None else f", set up as {info.account_mode}"
    return earned(f"Account {shown}{mode}; the store is pinned to it.")


def judge_latency(took_s: Mapping[str, float]) -> Finding:
    """How long the first answers took, by what was asked."""
    if not took_s:
        return lost("No answer was measured.", "Mend what kept the venue from answering first.")
    name, slowest_s = max(took_s.items(), key=lambda item: item[1])
    told = f"The slowest of {len(took_s)} answers, {name}, took {slowest_s * 1000:.0f} ms."
    if slowest_s <= SLOW_S:
        return earned(told)
    return lost(
        told,
        "Run nearer to the venue, or see what slows the network: an order that arrives late misses its validity.",
    )


# Balances


def judge_agreement(detailed: Snapshot, simple: Sequence[Snapshot], shown: Mapping[AssetCode, Balance]) -> Finding:
    """Whether all reads, and the broker, state the same totals."""
    wrong: list[str] = []
    for other in simple:
        for asset in sorted({*detailed.holdings, *other.holdings}):
            first, second = _total(detailed, asset), _total(other, asset)
            if first != second:
                wrong.append(f"{asset} {_shown(first)} in {detailed.read}, {_shown(second)} in {other.read}")
    for asset in sorted({*detailed.holdings, *shown}):
        figure, stated = shown.get(asset), _total(detailed, asset)
        total = None if figure is None else figure.total
        if total != stated and (stated or total is not None):
            wrong.append(f"{asset} {_shown(stated)} in {detailed.read}, {_shown(total)} shown by the broker")
    if wrong:
        return lost(
            f"Figures differ: {_few(wrong)}.",
            "Wait a minute for the account to be quiet and run again; where it stays, `holdfast explain` has both "
            "answers, and the venue's support says which is right.",
        )
    reads = " and ".join([detailed.read, *(other.read for other in simple)])
    return earned(f"{reads} state the same {len(detailed.holdings)} totals, and so does the broker.")


def _total(snapshot: Snapshot, asset: AssetCode) -> Decimal:
    holding = snapshot.holdings.get(asset)
    return ZERO if holding is None else holding.total


def judge_held(detailed: Snapshot, orders: OrdersSnapshot) -> Finding:
    """Whether what is held is explained by what is open."""
    holds: dict[AssetCode, Decimal] = {}
    untold: set[AssetCode] = set()
    for order in orders.orders.values():
        if order.hold_asset is None:
            continue
        if order.hold is None:
            untold.add(order.hold_asset)
        else:
            holds[order.hold_asset] = add(holds.get(order.hold_asset, ZERO), order.hold)
    wrong: list[str] = []
    count = 0
    for asset in sorted({*detailed.holdings, *holds}):
        holding = detailed.holdings.get(asset)
        held = ZERO if holding is None or holding.held is None else holding.held
        count += bool(held)
        if asset not in untold and not is_like(held, holds.get(asset, ZERO), _HOLD_ALLOWANCE):
            wrong.append(
                f"{asset}: the venue holds {_shown(held)}, open orders explain {_shown(holds.get(asset, ZERO))}"
            )
    if wrong:
        return lost(
            f"Held funds are not explained: {_few(wrong)}.",
            "Look at the account's open orders and other products that hold funds at the venue's own page; where the "
            "venue lags, wait for it and run again.",
        )
    return earned(f"{len(orders.orders)} open orders explain what is held of {count} assets.")


# Market data


def reference_of(instruments: Mapping[Symbol, Instrument]) -> Instrument | None:
    """The instrument that stands for the others; None where none of ``REFERENCES`` is listed."""
    for symbol in REFERENCES:
        found = instruments.get(symbol)
        if found is not None and found.status is not InstrumentStatus.OFFLINE:
            return found
    return None


def judge_products(instruments: Mapping[Symbol, Instrument]) -> Finding:
    """Whether there are products, and orders for each can be made out from what is stated."""
    if not instruments:
        return lost("The listing is empty.", "Wait for the venue to list its products again, and run again.")
    # What a venue states of most of its products is missing where one lacks it; what it states of none is no rule here.
    states_minimum = sum(each.quantity_min is not None for each in instruments.values()) * 2 > len(instruments)
    bare = [
        each.symbol
        for each in instruments.values()
        if each.status is not InstrumentStatus.OFFLINE
        and (
            each.quantity_step <= 0
            or each.price_step <= 0
            or (states_minimum and each.quantity_min is None)
            or each.status is InstrumentStatus.UNKNOWN
        )
    ]
    if bare:
        return lost(
            f"{len(bare)} of {len(instruments)} products state no minimum, step or status: {_few(sorted(bare))}.",
            "Do not trade those until the venue states their rules; a newer holdfast may know a new form of them.",
        )
    online = sum(each.status is InstrumentStatus.ONLINE for each in instruments.values())
    return earned(f"{len(instruments)} products, {online} of them online, each with its rules.")


def judge_candles(candles: Sequence[Candle], *, symbol: Symbol) -> Finding:
    """Whether there are candles, and each could be one."""
    if len(candles) < _CANDLES_LEAST:
        return lost(
            f"{len(candles)} candles of {symbol}, and at least {_CANDLES_LEAST} were expected.",
            "Wait for the venue's market data, and run again; a strategy would start blind.",
        )
    wrong = [
        str(each.start_s)
        for each in candles
        if not (ZERO < each.low <= min(each.open, each.close) and max(each.open, each.close) <= each.high)
        or each.volume < 0
    ]
    if wrong:
        return lost(
            f"{len(wrong)} of {len(candles)} candles of {symbol} have prices beyond their own high and low, or below "
            f"zero; the first began at {wrong[0]}.",
            "Do not trade on these candles: compare them with the venue's own chart.",
        )
    return earned(f"{len(candles)} candles of {symbol}, a minute each, within their highs and lows.")


def judge_candle_order(candles: Sequence[Candle]) -> Finding:
    """Whether they rise, each on a whole interval."""
    odd = [each.start_s for each in candles if each.start_s % CANDLE_INTERVAL_S]
    back = [after.start_s for before, after in itertools.pairwise(candles) if after.start_s <= before.start_s]
    if odd or back:
        what = f"{len(back)} do not begin after the one before" if back else f"{len(odd)} do not begin on a minute"
        return lost(f"Of {len(candles)} candles {what}.", "Do not trade on these candles: they are out of order.")
    gaps = sum(after.start_s - before.start_s > CANDLE_INTERVAL_S for before, after in itertools.pairwise(candles))
    quiet = f"; {gaps} minutes without a trade are left out" if gaps else ""
    return earned(f"{len(candles)} candles in order{quiet}.")


def judge_candle_age(candles: Sequence[Candle], *, venue_now_s: float) -> Finding:
    """How old the newest is; *venue_now_s* is Unix seconds on the venue's clock."""
    age_s = venue_now_s - candles[-1].start_s
    if -CLOCK_BOUND_S * 2 <= age_s <= _CANDLE_AGE_MAX_S:
        return earned(f"The newest began {max(0.0, age_s):.0f} s ago.")
    when = f"{age_s:.0f} s ago" if age_s > 0 else f"{-age_s:.0f} s in the future"
    return lost(
        f"The newest candle began {when}.",
        "The venue's market data stands still: see its status page; a strategy would trade on old prices.",
    )


# Symbols


def judge_round_trip(
    instruments: Iterable[Instrument],
    *,
    venue: str,
    listed: Mapping[Symbol, Instrument],
    assets: Mapping[AssetCode, AssetInfo],
) -> tuple[int, list[str]]:
    """How many of *instruments* lead to the venue's spelling and back, and the names of those that do not."""
    good, bad = 0, []
    for each in instruments:
        if why_unsupported(each) is not None:
            continue
        try:
            ours = normalize_symbol(each.symbol, venue=venue, instruments=listed, assets=assets)
            # One market may be several instruments of ours, and then its own name is the plain one's.
            same = normalize_symbol(f"{each.base}/{each.quote}", venue=venue, instruments=listed, assets=assets)
        except UnknownNameError:
            bad.append(each.symbol)
            continue
        is_good = ours.symbol == same.symbol == each.symbol and ours.venue_symbol == each.venue_symbol
        good += is_good
        if not is_good:
            bad.append(each.symbol)
    return good, bad


def judge_unsupported(normalize: Callable[[str], object], instruments: Mapping[Symbol, Instrument]) -> Finding:
    """Whether what was given up is refused, and says why."""
    listed = sorted(each.symbol for each in instruments.values() if why_unsupported(each) is not None)
    try:
        found = normalize("BTC-BUSD")
    except UnsupportedSymbolError as error:
        beside = f"; of the venue's listing {_few(listed)} filtered with it" if listed else ""
        return earned(f"BTC-BUSD is refused: {error.reason}{beside}.")
    except UnknownNameError as error:
        return lost(
            f"BTC-BUSD is refused, and not for a reason: {error}.",
            "Update holdfast: its list of what was given up is short.",
        )
    return lost(f"BTC-BUSD was accepted as {found}.", "Update holdfast, and do not trade what nobody redeems.")


def judge_usd(
    instruments: Mapping[Symbol, Instrument], *, venue: str, assets: Mapping[AssetCode, AssetInfo]
) -> Finding:
    """Whether dollars are dollars here."""
    if not any(each.quote == "USD" for each in instruments.values()):
        return exempt("The venue lists nothing in US dollars here.", "this venue, in this region, has no US dollars")
    found: dict[str, Symbol] = {}
    for quote in ("USD", "USDC", "USDT"):
        symbol = f"BTC-{quote}"
        if symbol in instruments and instruments[symbol].status is not InstrumentStatus.OFFLINE:
            try:
                told = normalize_symbol(f"BTC/{quote}", venue=venue, instruments=instruments, assets=assets)
            except UnknownNameError as error:
                return lost(f"BTC/{quote} is not understood: {error}.", "Update holdfast, or name it BASE-QUOTE.")
            found[quote] = told.symbol
    if "USD" not in found:
        near = sorted(
            each.symbol
            for each in instruments.values()
            if each.base == "BTC" and each.status is not InstrumentStatus.OFFLINE
        )
        return lost(
            f"BTC-USD is not listed; of bitcoin there are {_few(near) or 'none'}.",
            "Use an instrument that the venue lists in your region, and name it in the bot's settings.",
        )
    if len(set(found.values())) < len(found):
        return lost(
            f"USD, USDC and USDT lead to one instrument: {found}.", "Update holdfast: they are different money."
        )
    return earned(f"BTC-USD is listed; {', '.join(found.values())} are {len(found)} different instruments.")


# Trading


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """A small limit order that would rest: what a dry run lets the venue validate."""

    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal


def judge_tradable(instrument: Instrument, ticker: Ticker | None) -> Finding:
    """Whether the reference instrument can be traded now."""
    if instrument.status is not InstrumentStatus.ONLINE:
        return lost(
            f"{instrument.symbol} is {instrument.status.value}.",
            "Wait until the venue takes orders for it again, or name another instrument in the bot's settings.",
        )
    if ticker is None or not ZERO < ticker.bid <= ticker.ask:
        return lost(
            f"{instrument.symbol} has no price now.",
            "Wait for the venue's market data: a market order has no estimate.",
        )
    least = trim_amount(instrument.quantity_min) if instrument.quantity_min is not None else "not stated"
    prices = f"{trim_amount(ticker.bid)} / {trim_amount(ticker.ask)}"
    return earned(f"{instrument.symbol} is online at {prices}; smallest quantity {least}.")


def dry_run_of(
    instrument: Instrument, ticker: Ticker, *, spendable: Mapping[AssetCode, Decimal], margin: Decimal = Decimal("1.05")
) -> DryRun:
    """
    The smallest order that the rules allow, a tenth below the bid, on the side that there are funds for.

    It is never placed. The price is one that nobody would give: should a venue ever take it, it rests and is seen.
    """
    price = _down_to(multiply(ticker.bid, Decimal("0.9")), instrument.price_step)
    quantity = instrument.quantity_min or instrument.quantity_step
    if instrument.cost_min is not None:
        least = multiply(instrument.cost_min, margin)
        while multiply(quantity, price) < least:
            quantity = multiply(quantity, Decimal(2))
    quantity = _up_to(quantity, instrument.quantity_step)
    has_quote = spendable.get(instrument.quote, ZERO) >= multiply(multiply(quantity, price), margin)
    if has_quote or spendable.get(instrument.base, ZERO) < quantity:
        return DryRun(symbol=instrument.symbol, side=Side.BUY, quantity=quantity, price=price)
    price = _down_to(multiply(ticker.ask, Decimal("1.1")), instrument.price_step)
    return DryRun(symbol=instrument.symbol, side=Side.SELL, quantity=quantity, price=price)


def _down_to(value: Decimal, step: Decimal) -> Decimal:
    return subtract(value, remainder(value, step))


def _up_to(value: Decimal, step: Decimal) -> Decimal:
    rest = remainder(value, step)
    return value if not rest else add(subtract(value, rest), step)


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else format_amount(amount)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
