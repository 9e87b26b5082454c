"""
Candles as a bot is told them: which intervals there are, what a series has to be to be believed, and how old it is.

An adapter turns a venue's rows into ``Candle`` values; in here a whole series is judged. A venue that answers with
another market's rows, with rows out of order or with a price below its own low is refused whole: a strategy cannot tell
which of the rows was meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import Symbol
from holdfast.core.instruments import Candle
from holdfast.errors import OrderInputError, PayloadError

__all__ = [
    "CANDLES_MAX",
    "CandleRules",
    "CandleSeries",
    "check_limit",
    "interval_text",
    "parse_interval",
    "parse_since",
    "series_of",
]

CANDLES_MAX: Final = 1500
"""Most candles of one call, whatever the venue keeps."""

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,3})([mhdwMHDW])\Z")

_AHEAD_S: Final = 5.0
"""How far a candle may begin ahead of the venue's clock as we know it."""


class CandleRules(msgspec.Struct, frozen=True, kw_only=True):
    """
    What candles a venue has.

    ``intervals`` are seconds, rising; empty where the venue has none. ``kept`` is how many candles of any interval it
    tells at all, the newest; None where it says no bound that matters here.
    """

    intervals: tuple[int, ...]
    kept: int | None = None


class CandleSeries(msgspec.Struct, frozen=True, kw_only=True):
    """
    The candles of one instrument, oldest first, each start once.

    Starts are Unix seconds on the venue's clock. Prices are quote per base, volumes whole units of base. Only the last
    candle may still be forming (``Candle.is_final`` False): what it says changes until it is over.

    Attributes:
        broker: Whose venue told them.
        symbol: Canonical.
        interval_s: Seconds of one candle.
        candles: Oldest first; empty where the venue has none of that time.
        age_s: Seconds since the question left us, when this was made; of several calls, since the first one.
        behind_s: How far the venue's clock is past the end of the newest candle; 0 while that one is forming, None
            without candles. More than one interval means that nothing was traded since, or that the answer is old.
        missing: Starts between the first and the last candle that the venue leaves out, because nothing was traded.
        is_complete: Whether it reaches back as far as was asked for.
        note: Why it does not, in a sentence; None where it does.
    """

    broker: str
    symbol: Symbol
    interval_s: int
    candles: tuple[Candle, ...]
    age_s: float
    behind_s: float | None
    missing: int = 0
    is_complete: bool = True
    note: str | None = None

    @property
    def closed(self) -> tuple[Candle, ...]:
        """Those that are over, oldest first: what a strategy may count on."""
        return tuple(candle for candle in self.candles if candle.is_final)

    @property
    def forming(self) -> Candle | None:
        """The one that is not over yet; None where the venue told none."""
        return self.candles[-1] if self.candles and not self.candles[-1].is_final else None

    def __len__(self) -> int:
        return len(self.candles)


def parse_interval(interval: str | int) -> int:
    """
    Seconds of an interval: ``"1m"``, ``"15m"``, ``"4h"``, ``"1d"``, ``"1w"``, or a number of seconds.

    Raises:
        OrderInputError: It is none of these.
    """
    if type(interval) is int and interval > 0:
        return interval
    parts = _INTERVAL.match(interval) if type(interval) is str else None
    # "1M" is a month wherever it is offered, and months have no length in seconds.
    if parts is None or parts[2] == "M":
        raise OrderInputError(
            f"no interval {ascii(interval)[:40]}: seconds, or text such as 1m, 15m, 1h, 1d", field="interval"
        )
    return int(parts[1]) * _UNITS[parts[2].lower()]


def interval_text(interval_s: int) -> str:
    """An interval as people write it: 3600 is ``1h``."""
    for unit, seconds in reversed(_UNITS.items()):
        if interval_s % seconds == 0:
            return f"{interval_s // seconds}{unit}"
    return f"{interval_s} s"


def parse_since(since: float | datetime | None) -> int | None:
    """
    Unix seconds of a moment: a number of seconds, or a time that names its zone.

    Raises:
        OrderInputError: A time without a zone, or no Unix time in seconds.
    """
    if since is None:
        return None
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise OrderInputError(
                "since: a time without a zone could be anywhere; give datetime(..., tzinfo=UTC)", field="since"
            )
        since = since.timestamp()
    if type(since) not in (int, float) or not 0 <= since < 10_000_000_000:
        raise OrderInputError(f"since: {ascii(since)[:40]} is no Unix time in seconds", field="since")
    return int(since)


def check_limit(limit: int | None) -> None:
    """
    Refuse a number of candles that cannot be asked for.

    Raises:
        OrderInputError: Below 1 or above ``CANDLES_MAX``.
    """
    if limit is not None and (type(limit) is not int or not 1 <= limit <= CANDLES_MAX):
        raise OrderInputError(f"limit: {ascii(limit)[:40]} is not a number from 1 to {CANDLES_MAX}", field="limit")


def series_of(
    candles: Sequence[Candle],
    *,
    broker: str,
    symbol: Symbol,
    interval_s: int,
    limit: int | None,
    since_s: int | None,
    venue_now_s: float,
    age_s: float,
    kept: int | None = None,
) -> CandleSeries:
    """
    The series that an adapter's candles make, cut to what was asked for.

    Args:
        candles: As the adapter read them, oldest first.
        broker: Whose they are.
        symbol: Canonical.
        interval_s: Of one candle.
        limit: At most so many: the newest, or the first ones from *since_s* on.
        since_s: None that starts before this.
        venue_now_s: The venue's clock, Unix seconds.
        age_s: Seconds since the question left.
        kept: How many candles the venue keeps, None where it says no bound.

    Raises:
        PayloadError: The rows cannot be what was asked for: not rising, off the interval's grid, a price outside its
            own range or not above zero, one in the future, or one in the middle that is not over.
    """
    where = f"candles of {symbol}"
    missing = 0
    for before, candle in zip((None, *candles), candles, strict=False):
        _check(candle, where)
        if before is not None:
            steps, odd_s = divmod(candle.start_s - before.start_s, interval_s)
            if steps < 1 or odd_s:
                raise PayloadError(
                    f"{where}: {before.start_s} is followed by {candle.start_s}, and they are {interval_s} s long"
                )
            if not before.is_final:
                raise PayloadError(f"{where}: the one of {before.start_s} is not over, and another one follows it")
    if candles and candles[-1].start_s > venue_now_s + _AHEAD_S:
        raise PayloadError(f"{where}: one begins {candles[-1].start_s - venue_now_s:.0f} s from now")
    asked = [candle for candle in candles if since_s is None or candle.start_s >= since_s]
    if limit is not None:
        asked = asked[:limit] if since_s is not None else asked[-limit:]
    if asked:
        missing = (asked[-1].start_s - asked[0].start_s) // interval_s + 1 - len(asked)
    note = _note(candles, asked, interval_s=interval_s, limit=limit, since_s=since_s, kept=kept)
    return CandleSeries(
        broker=broker,
        symbol=symbol,
        interval_s=interval_s,
        candles=tuple(asked),
        age_s=max(0.0, age_s),
        behind_s=None if not asked else max(0.0, venue_now_s - (asked[-1].start_s + interval_s)),
        missing=missing,
        is_complete=note is None,
        note=note,
    )


def _check(candle: Candle, where: str) -> None:
    at = f"{where}, {candle.start_s}"
    if candle.low <= ZERO:
        raise PayloadError(f"{at}: a low of {candle.low}")
    if not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
        raise PayloadError(f"{at}: open and close are not between low and high")
    if candle.volume < ZERO:
        raise PayloadError(f"{at}: a volume of {candle.volume}")


def _note(
    candles: Sequence[Candle],
    asked: Sequence[Candle],
    *,
    interval_s: int,
    limit: int | None,
    since_s: int | None,
    kept: int | None,
) -> str | None:
    """Why the series does not reach back as far as was asked for; None where it does, as far as can be told."""
    if not candles:
        return "the venue has no candles of that time"
    first_s = candles[0].start_s
    # The venue cut it where it gave as many as it keeps; else the market is younger, or nothing was traded before.
    is_cut = kept is not None and len(candles) >= kept
    if since_s is not None and first_s >= since_s + interval_s:
        if is_cut:
            return f"the venue keeps {kept} candles of {interval_text(interval_s)}: none before {first_s}"
        return f"the venue told none before {first_s}: nothing was traded, or the market is younger"
    if since_s is None and limit is not None and len(asked) < limit:
        if is_cut:
            return f"the venue keeps {kept} candles of {interval_text(interval_s)}"
        return f"the venue told {len(asked)} candles: buckets without a trade are left out, or the market is younger"
    return None
