"""
What happened while this process watched: events, stretches of breaker and stream states, steps of figures.

Bounded in memory whatever the traffic. It holds nothing from before the process began and nothing it did not see: what
is missing from it has no record, and whoever draws it draws nothing there. Pure: times are handed in, in seconds of the
clock that runs through suspend.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from holdfast.core.amounts import format_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.events import Event
from holdfast.daemon.snapshot import EventRow, Span

__all__ = ["KEPT_S", "Chronicle", "Step", "thinned"]

KEPT_S: Final = 7 * 86_400.0
"""How far back a chart goes."""

_EVENTS: Final = 1_000
_SPANS: Final = 4_000
_STEPS_IN_ALL: Final = 300_000
_STEPS_LEAST: Final = 24
_FIELD_LENGTH: Final = 200

QUIET: Final = frozenset({"balance.changed", "verdict.given", "repair.progressed", "readiness.progressed"})
"""Events that come with every frame or every order: they are in figures and jobs, and would push out all others."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One asset's figures from ``at_s`` on, exact text; None where unknown or not recorded."""

    at_s: float
    total: str | None
    held: str | None
    reserved: str | None
    spendable: str | None
    state: str | None


class Chronicle:
    """
    The record of one desk. Never suspends.

    Args:
        began_s: When watching began: there is no record of anything earlier.
    """

    def __init__(self, *, began_s: float) -> None:
        self.began_s = began_s
        self._number = 0
        self._events: deque[EventRow] = deque(maxlen=_EVENTS)
        self._spans: dict[tuple[str, str], deque[Span]] = {}
        self._steps: dict[tuple[str, AssetCode], deque[Step]] = {}

    # Events

    def hear(self, event: Event, *, at_us: int) -> EventRow | None:
        """Keep *event*; None for those that are too many to be kept."""
        if event.name in QUIET:
            return None
        self._number += 1
        broker = event.fields.get("broker")
        row = EventRow(
            number=self._number,
            at_us=at_us,
            name=event.name,
            level=event.level,
            broker=broker if isinstance(broker, str) else None,
            fields={name: _shown(event.name, name, value) for name, value in event.fields.items() if name != "broker"},
        )
        self._events.append(row)
        return row

    def events(self, *, newest: int = _EVENTS, after: int = 0) -> tuple[EventRow, ...]:
        """What was kept, newest first: at most *newest*, with numbers above *after*."""
        found: list[EventRow] = []
        for row in reversed(self._events):
            if row.number <= after or len(found) >= newest:
                break
            found.append(row)
        return tuple(found)

    # Stretches

    def enter(self, broker: str, lane: str, state: str, *, now_s: float) -> bool:
        """Say that *lane* (``breaker``, ``stream``) of a broker is in *state* now; whether that is a change."""
        spans = self._spans.setdefault((broker, lane), deque(maxlen=_SPANS))
        if spans and spans[-1].end_s is None:
            if spans[-1].state == state:
                return False
            spans[-1] = msgspec.structs.replace(spans[-1], end_s=now_s)
        spans.append(Span(state=state, start_s=now_s, end_s=None))
        while spans and spans[0].end_s is not None and spans[0].end_s < now_s - KEPT_S:
            spans.popleft()
        return True

    def spans(self, broker: str, lane: str, *, since_s: float) -> tuple[Span, ...]:
        """The stretches of a lane that reach beyond *since_s*, oldest first."""
        found = self._spans.get((broker, lane), ())
        return tuple(span for span in found if span.end_s is None or span.end_s > since_s)

    # Steps

    def note(self, broker: str, balance: Balance, *, now_s: float) -> None:
        """Record an asset's figures of now, where they differ from the last ones recorded."""
        step = Step(
            now_s,
            _exact(balance.total),
            _exact(balance.held),
            _exact(balance.reserved),
            _exact(balance.spendable),
            balance.state.value,
        )
        steps = self._steps.get((broker, balance.asset))
        if steps is None:
            steps = self._steps[(broker, balance.asset)] = deque()
        if steps and _figures(steps[-1]) == _figures(step):
            return
        steps.append(step)
        while len(steps) > 1 and steps[1].at_s < now_s - KEPT_S:
            steps.popleft()
        most = max(_STEPS_LEAST, _STEPS_IN_ALL // len(self._steps))
        while len(steps) > most:
            steps.popleft()

    def steps(self, broker: str, asset: AssetCode, *, since_s: float) -> tuple[Step, ...]:
        """The steps from *since_s* on, the one that held at that moment included."""
        found: list[Step] = []
        for step in reversed(self._steps.get((broker, asset), ())):
            found.append(step)
            if step.at_s <= since_s:
                break
        found.reverse()
        return tuple(found)


def thinned(steps: Iterable[Step], *, points: int, since_s: float, until_s: float) -> tuple[Step, ...]:
    """
    At most about *points* of *steps*: of each stretch as wide as a pixel the first, the last, the least, the most.

    Every change of state stays too, and so does the end of a record (a step without figures).
    """
    everything = tuple(steps)
    if len(everything) <= points:
        return everything
    width_s = max(1e-9, (until_s - since_s) / max(1, points // 4))
    kept: dict[int, Step] = {}
    for bucket in _buckets(everything, since_s=since_s, width_s=width_s):
        sized = [(len((step.total or "").split(".")[0].lstrip("-")), step.total or "", index) for index, step in bucket]
        for index in {bucket[0][0], bucket[-1][0], min(sized)[2], max(sized)[2]}:
            kept[index] = everything[index]
        before: Step | None = None
        for index, step in bucket:
            if before is not None and before.state != step.state and len(kept) < 2 * points:
                kept[index] = step
            before = step
    return tuple(kept[index] for index in sorted(kept))


def _buckets(steps: tuple[Step, ...], *, since_s: float, width_s: float) -> Iterator[list[tuple[int, Step]]]:
    bucket: list[tuple[int, Step]] = []
    number: int | None = None
    for index, step in enumerate(steps):
        here = int(max(0.0, step.at_s - since_s) // width_s)
        if number is not None and here != number:
            yield bucket
            bucket = []
        number = here
        bucket.append((index, step))
    if bucket:
        yield bucket


def _figures(step: Step) -> tuple[str | None, ...]:
    return (step.total, step.held, step.reserved, step.spendable, step.state)


def _exact(value: Any) -> str | None:
    return None if value is None else format_amount(value)


def _shown(event: str, name: str, value: object) -> str | int | float | bool | None:
    """A field as it may stand on a screen: an account's number is never shown whole."""
    shown = _plain(value)
    if event in _ACCOUNTS and name in _ACCOUNT_FIELDS and isinstance(shown, str) and len(shown) > _NUMBER_SHOWN:
        return f"{shown[:4]}…{shown[-4:]}"
    return shown


_ACCOUNTS: Final = frozenset({"account.identified", "account.mismatched"})
_ACCOUNT_FIELDS: Final = frozenset({"account", "expected", "found"})
_NUMBER_SHOWN: Final = 8


def _plain(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    shown = str(value)
    return shown if len(shown) <= _FIELD_LENGTH else f"{shown[: _FIELD_LENGTH - 1]}…"
