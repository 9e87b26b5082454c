"""
The judge of breakers: what events, views and the client's wires show, against what a breaker promises.

I7: after the venue is well again every breaker is closed within a break and two trials, without a person. I8: while
one is not closed only its trials pass, exits and cancels apart, and what is no fault of the venue's opens nothing.
I14: a broker is not available while its trade breaker refuses. P8: no exit meets a breaker. It works out none of the
breaker's own arithmetic: the length of a break is what the client says it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event
from holdfast.core.seams import Clock
from holdfast.runtime.views import BrokerStatus
from tests.scenarios.lives import Record

__all__ = ["BreakerFigures", "BreakerJudge", "StatusView"]

_SHUT: Final = ("open", "half_open")


class StatusView(Protocol):
    """What the judge asks of a client: a broker fits."""

    def status(self) -> BrokerStatus: ...

    def is_available(self) -> bool: ...

    def get_error_count(self) -> int: ...


class BreakerFigures(msgspec.Struct, kw_only=True):
    """What one run came to; openings and closings by capability, healings in seconds of the venue's health."""

    openings: dict[str, int] = {}
    closings: dict[str, int] = {}
    heals: int = 0
    heals_of_open: int = 0  # Those at which a breaker was not closed.
    longest_heal_s: float = 0.0
    denied: int = 0
    exits_while_shut: int = 0
    trials: int = 0
    business_refusals: int = 0
    restarts_while_shut: int = 0


class BreakerJudge:
    """
    Judges one client's breakers.

    Args:
        record: What the client sent.
        clock: The client's clock.
        trials: How many orders may be under way as trials at once.
        break_max_s: The longest break that is configured, by capability.
        violated: Takes an invariant's name and what broke it.
    """

    def __init__(
        self,
        *,
        record: Record,
        clock: Clock,
        trials: int,
        break_max_s: dict[str, float],
        violated: Callable[[str, str], None],
    ) -> None:
        self.figures = BreakerFigures()
        self._record = record
        self._clock = clock
        self._trials = trials
        self._break_max_s = break_max_s
        self._violated = violated
        self._states = {"read": "closed", "trade": "closed", "stream": "closed"}
        self._breaks: dict[str, float] = {}  # The latest break of each, seconds, as it was told.
        self._shut_reads: list[tuple[float, float]] = []  # When planned reads had to wait.
        self._read_opened_s: float | None = None
        self._under_way: set[str] = set()  # Buys that were let in as trials and have not come back.
        self._kept: dict[str, str] | None = None

    # The client's lives

    def watch(self, view: StatusView) -> None:
        """A client is there: a breaker that was not closed has to be so still, or half-open."""
        now_s = self._clock.now_s()
        status = view.status()
        for name in ("read", "trade"):
            state = status.capability(name).breaker.state.value
            if self._kept is not None and (self._kept[name] in _SHUT) is not (state in _SHUT):
                self._violated("P6", f"the {name} breaker was {self._kept[name]}, and is {state} after a restart")
            self._states[name] = state
        self._states["stream"] = "closed"
        self._under_way.clear()
        self._read_opened_s = now_s if self._states["read"] == "open" else None
        self._kept = None

    def unwatch(self, view: StatusView) -> None:
        """The client is about to end."""
        now_s = self._clock.now_s()
        status = view.status()
        self._kept = {name: status.capability(name).breaker.state.value for name in ("read", "trade")}
        self.figures.restarts_while_shut += any(state in _SHUT for state in self._kept.values())
        self._end_read_break(now_s)

    # What the client says

    def on_event(self, event: Event) -> None:
        """Judge an event in the step in which it is told."""
        fields = event.fields
        match event.name:
            case "breaker.opened":
                self._opened(fields)
            case "breaker.half_opened":
                self._became(fields["capability"], "half_open")
            case "breaker.closed":
                self._became(fields["capability"], "closed")
                counts = self.figures.closings
                counts[fields["capability"]] = counts.get(fields["capability"], 0) + 1
            case "breaker.reset" | "breaker.isolated":
                self._violated("I7", f"a person was there: {event.name}")
            case "verdict.given":
                self._judge_verdict(fields)

    def _opened(self, fields: dict[str, Any]) -> None:
        name = fields["capability"]
        counts = self.figures.openings
        counts[name] = counts.get(name, 0) + 1
        if fields["retry_after_s"] is not None:
            self._breaks[name] = fields["retry_after_s"]
            longest_s = self._break_max_s.get(name, float("inf"))
            if fields["retry_after_s"] > longest_s + 0.1:
                self._violated("I7", f"a break of {name} is {fields['retry_after_s']} s; {longest_s} s is the longest")
        self._became(name, "open")

    def _became(self, name: str, state: str) -> None:
        now_s = self._clock.now_s()
        self._states[name] = state
        if self._kept is not None and name in self._kept:
            self._kept[name] = state  # An order that was under way when the client began to close.
        if name == "read":
            if state == "open":
                self._read_opened_s = now_s
            else:
                self._end_read_break(now_s)
        elif name == "trade":
            self._under_way.clear()

    def _end_read_break(self, now_s: float) -> None:
        if self._read_opened_s is not None:
            self._shut_reads.append((self._read_opened_s, now_s))
            self._read_opened_s = None

    def _judge_verdict(self, fields: dict[str, Any]) -> None:
        if fields.get("symbol") is None:
            return
        state, code, intent = self._states["trade"], fields["code"], fields.get("intent_id")
        if fields["side"] == "sell":
            self.figures.exits_while_shut += state in _SHUT and code.startswith("approved")
            if code == "breaker_open":
                self._violated("P8", f"an exit met the breaker: {fields}")
            return
        if code == "breaker_open":
            self.figures.denied += 1
            if state == "closed":
                self._violated("I14", "an order was denied by a breaker that is closed")
        elif code.startswith("approved") and intent is not None:
            if state == "open":
                self._violated("I8", f"{intent} was let through an open breaker")
            elif state == "half_open":
                self._under_way.add(intent)
                self.figures.trials += 1
                if len(self._under_way) > self._trials:
                    self._violated("I8", f"{sorted(self._under_way)} are trials at once")

    def came_back(self, intent: str) -> None:
        """A placement has returned or raised."""
        self._under_way.discard(intent)

    # Looking

    def look(self, view: StatusView) -> None:
        """Judge what is shown now."""
        status = view.status()
        read, trade = status.capability("read"), status.capability("trade")
        if status.is_available is not view.is_available():
            self._violated("I14", "the status and is_available() differ")
        if status.is_available and trade.breaker.state is BreakerState.OPEN:
            self._violated("I14", "available while the trade breaker refuses")
        is_live = status.stream.state == "live"
        if status.is_available and not is_live and read.breaker.state is not BreakerState.CLOSED:
            self._violated("I14", "available while neither stream nor reads are proven")
        for each in (read, trade):
            longest_s = max(self._break_max_s[each.name], 60.0)
            if each.breaker.retry_after_s is not None and each.breaker.retry_after_s > longest_s:
                self._violated("I7", f"{each.name} is to wait for {each.breaker.retry_after_s} s")

    def longest_break_s(self, name: str) -> float:
        """The longest that the next break of *name* can be, by the latest one that was told."""
        return min(self._break_max_s[name], 2.0 * self._breaks.get(name, self._break_max_s[name]) / 0.8 + 0.1)

    def shut(self, view: StatusView) -> list[str]:
        """What is not closed, or still counts errors, now."""
        found = []
        for each in view.status().capabilities:
            if each.breaker.state is not BreakerState.CLOSED:
                found.append(f"{each.name} is {each.breaker.state.value} ({each.breaker.why})")
        if view.get_error_count():
            found.append(f"{view.get_error_count()} errors")
        return found

    def judge_run(self) -> None:
        """Judge what only the whole run shows: no planned read left while the read breaker was open."""
        self._end_read_break(self._clock.now_s())
        for began_s, ended_s in self._shut_reads:
            early = [at_s for at_s in self._record.asked if began_s + 1e-6 < at_s < ended_s - 1e-6]
            if early:
                self._violated(
                    "I8", f"{len(early)} reads left in a break of {began_s:.1f}–{ended_s:.1f} s: {early[:3]}"
                )
