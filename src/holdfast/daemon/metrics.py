"""
What Prometheus is told, in its text format, written here: a few hundred lines of text need no library of their own.

Names start with ``holdfast_``, end in their unit, and are declared in ``METRICS``, of which the reference is made; one
that is not there cannot be written. Labels are configured names, fixed words and, for whoever may read amounts, assets
that the account holds: nothing that a venue or a caller could multiply. No amount is told without a token.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

import holdfast
from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event
from holdfast.core.health import Health
from holdfast.core.seams import Clock
from holdfast.core.verdicts import TradingState

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk

__all__ = ["METRICS", "Meters", "Metric"]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its kind (``gauge``, ``counter``, ``histogram``), what it says, its labels."""

    kind: str
    meaning: str
    labels: tuple[str, ...] = ()
    needs_token: bool = False


def _gauge(meaning: str, *labels: str, needs_token: bool = False) -> Metric:
    return Metric(kind="gauge", meaning=meaning, labels=labels, needs_token=needs_token)


def _counter(meaning: str, *labels: str) -> Metric:
    return Metric(kind="counter", meaning=meaning, labels=labels)


METRICS: Final[dict[str, Metric]] = {
    "holdfast_info": _gauge("1; the version that runs.", "version"),
    "holdfast_uptime_seconds": _gauge("Since the daemon started."),
    "holdfast_starting": _gauge("1 while the brokers are not open."),
    "holdfast_loop_lag_seconds": Metric(
        kind="histogram", meaning="How much later than asked for the event loop came round."
    ),
    "holdfast_http_requests_total": _counter("HTTP requests answered, by route and status.", "route", "status"),
    "holdfast_http_request_seconds": Metric(
        kind="histogram", meaning="From a request's head to its answer, streams left out.", labels=("route",)
    ),
    "holdfast_http_refused_total": _counter("Requests refused before they reached a route.", "reason"),
    "holdfast_http_connections": _gauge("Connections that are open."),
    "holdfast_stream_clients": _gauge("Event streams that are open."),
    "holdfast_stream_clients_ended_total": _counter("Event streams that ended, by why.", "reason"),
    "holdfast_jobs_running": _gauge("Repairs, readiness runs and check-ups under way."),
    "holdfast_broker_info": _gauge("1; what a broker is.", "broker", "venue", "environment"),
    "holdfast_broker_health": _gauge("1 for the health that a broker has.", "broker", "health"),
    "holdfast_broker_available": _gauge("1 where orders should be brought to it.", "broker"),
    "holdfast_broker_errors": _gauge("Consecutive counted errors.", "broker"),
    "holdfast_broker_trading_state": _gauge("1 for the trading state that a broker has.", "broker", "state"),
    "holdfast_broker_halted": _gauge("1 where an invariant or a restored store has halted it.", "broker"),
    "holdfast_breaker_state": _gauge("1 for the state that a breaker has.", "broker", "capability", "state"),
    "holdfast_breaker_stuck": _gauge("1 where trials could not close it for too long.", "broker", "capability"),
    "holdfast_breaker_openings_total": _counter("How often a breaker opened.", "broker", "capability"),
    "holdfast_stream_state": _gauge("1 for the state that a broker's stream has.", "broker", "state"),
    "holdfast_stream_frame_age_seconds": _gauge("Since the stream's last frame of any kind.", "broker"),
    "holdfast_stream_connects_total": _counter("Connections of the stream that were opened.", "broker"),
    "holdfast_stream_gaps_total": _counter("Sequence breaks of the stream.", "broker"),
    "holdfast_figures": _gauge("How many figures are live, fresh and stale.", "broker", "state"),
    "holdfast_figure_age_seconds": _gauge("Age of the oldest figure on which an order could be approved.", "broker"),
    "holdfast_read_age_seconds": _gauge("Since the last read that was believed left us.", "broker"),
    "holdfast_read_latency_seconds": _gauge("Of the last read that succeeded.", "broker"),
    "holdfast_suspects": _gauge("Assets that wait for a second, different read.", "broker"),
    "holdfast_discrepancies": _gauge("Differences between two sources, open now.", "broker"),
    "holdfast_nonces_refused_total": _counter("Nonces that the venue refused.", "broker"),
    "holdfast_credential_parked": _gauge("1 where nothing is signed with the credential.", "broker"),
    "holdfast_clock_offset_seconds": _gauge("The venue's clock minus ours.", "broker"),
    "holdfast_reservations": _gauge("Claims that are active, covered or in doubt.", "broker"),
    "holdfast_orders_in_doubt": _gauge("Orders whose outcome is unknown.", "broker"),
    "holdfast_orders_total": _counter("Changes of our orders, by the state they came to.", "broker", "state"),
    "holdfast_orders_doubted_total": _counter("Orders whose answer was lost.", "broker"),
    "holdfast_verdicts_total": _counter("Funds checks of orders, by their code.", "broker", "code"),
    "holdfast_rate_limited_total": _counter("Reads that the venue's rate limit refused.", "broker"),
    "holdfast_reads_failed_total": _counter("Reads that failed, by whose fault it was.", "broker", "fault"),
    "holdfast_store_writable": _gauge("1 while the store accepts writes.", "broker"),
    "holdfast_events_total": _counter("Warnings and errors that happened, by event.", "event"),
    "holdfast_balance": _gauge(
        "A balance: total, held, available, reserved or spendable; as a float, for graphs and for nothing else.",
        "broker",
        "asset",
        "figure",
        needs_token=True,
    ),
}
"""Every metric there is; the reference page is made from it."""

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STREAM_STATES: Final = ("connecting", "snapshot", "live", "degraded", "down")
_FIGURES: Final = ("total", "held", "available", "reserved", "spendable")


class _Histogram:
    __slots__ = ("counts", "total", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_BUCKETS)
        self.total = 0
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.total += 1
        self.total_s += seconds
        for at, bound in enumerate(_BUCKETS):
            if seconds <= bound:
                self.counts[at] += 1


class Meters:
    """What is counted while the daemon runs, and what is asked of the brokers when somebody wants to know."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s = clock.now_s()
        self.connections = 0
        self.lag = _Histogram()
        self._requests: collections.Counter[tuple[str, str]] = collections.Counter()
        self._seconds: dict[str, _Histogram] = {}
        self._refused: collections.Counter[str] = collections.Counter()
        self._events: collections.Counter[str] = collections.Counter()
        self._orders: collections.Counter[tuple[str, str]] = collections.Counter()
        self._doubted: collections.Counter[str] = collections.Counter()
        self._verdicts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._failed: collections.Counter[tuple[str, str]] = collections.Counter()

    # Counting

    def answered(self, route: str, status: int, took_s: float | None) -> None:
        """A request of a route was answered; *took_s* is None for a stream."""
        self._requests[route, str(status)] += 1
        if took_s is not None:
            self._seconds.setdefault(route, _Histogram()).add(took_s)

    def refused(self, reason: str) -> None:
        """A request was refused before it reached a route; *reason* is a fixed word."""
        self._refused[reason] += 1

    def hear(self, event: Event) -> None:
        """Count what happened. Never suspends."""
        fields = event.fields
        broker = str(fields.get("broker"))
        if event.level != "info":
            self._events[event.name] += 1
        if event.name == "order.changed":
            self._orders[broker, str(fields.get("after"))] += 1
        elif event.name == "order.doubted":
            self._doubted[broker] += 1
        elif event.name == "verdict.given":
            self._verdicts[broker, str(fields.get("code"))] += 1
        elif event.name == "read.failed":
            self._failed[broker, str(fields.get("fault"))] += 1

    # Telling

    def text(self, desk: Desk | None, hub: Any, *, may_read: bool, is_starting: bool, jobs: Any) -> bytes:
        """Everything, as Prometheus reads it; with *may_read* the balances too."""
        page = _Page()
        page.put("holdfast_info", 1, holdfast.__version__)
        page.put("holdfast_uptime_seconds", self._clock.now_s() - self._began_s)
        page.put("holdfast_starting", is_starting)
        page.histogram("holdfast_loop_lag_seconds", self.lag)
        page.counters("holdfast_http_requests_total", self._requests)
        for route, histogram in self._seconds.items():
            page.histogram("holdfast_http_request_seconds", histogram, route)
        page.counters("holdfast_http_refused_total", self._refused)
        page.put("holdfast_http_connections", self.connections)
        page.put("holdfast_stream_clients", 0 if hub is None else hub.clients)
        page.counters("holdfast_stream_clients_ended_total", {} if hub is None else hub.dropped)
        page.put("holdfast_jobs_running", sum(job.state == "running" for job in jobs.all()))
        page.counters("holdfast_orders_total", self._orders)
        page.counters("holdfast_orders_doubted_total", self._doubted)
        page.counters("holdfast_verdicts_total", self._verdicts)
        page.counters("holdfast_reads_failed_total", self._failed)
        limited = {broker: count for (broker, fault), count in self._failed.items() if fault == "rate_limit"}
        page.counters("holdfast_rate_limited_total", limited)
        page.counters("holdfast_events_total", self._events)
        for broker in () if desk is None else desk:
            _tell_broker(page, broker, may_read=may_read)
        return page.text()


def _tell_broker(page: _Page, broker: Broker, *, may_read: bool) -> None:
    name, status = broker.name, broker.status()
    page.put("holdfast_broker_info", 1, name, broker.venue, broker.environment)
    page.one_of("holdfast_broker_health", status.health.value, (each.value for each in Health), name)
    page.put("holdfast_broker_available", status.is_available, name)
    page.put("holdfast_broker_errors", broker.get_error_count(), name)
    page.one_of(
        "holdfast_broker_trading_state", status.trading_state.value, (each.value for each in TradingState), name
    )
    page.put("holdfast_broker_halted", status.is_halted, name)
    for each in status.capabilities:
        found = each.breaker.state.value
        page.one_of("holdfast_breaker_state", found, (state.value for state in BreakerState), name, each.name)
        page.put("holdfast_breaker_stuck", each.breaker.is_stuck, name, each.name)
        page.put("holdfast_breaker_openings_total", each.breaker.openings, name, each.name)
    stream = status.stream
    page.one_of("holdfast_stream_state", stream.state, _STREAM_STATES, name)
    page.put("holdfast_stream_frame_age_seconds", stream.last_frame_age_s, name)
    page.put("holdfast_stream_connects_total", stream.connects, name)
    page.put("holdfast_stream_gaps_total", sum(channel.gaps for channel in stream.channels), name)
    figures = broker.balances()
    for state, count in status.states.items():
        page.put("holdfast_figures", count, name, state)
    ages = [each.age_s for each in figures.values() if each.is_fit_to_approve and each.age_s is not None]
    page.put("holdfast_figure_age_seconds", max(ages, default=None), name)
    page.put("holdfast_read_age_seconds", status.last_success_age_s, name)
    page.put("holdfast_read_latency_seconds", status.read_latency_s, name)
    page.put("holdfast_suspects", len(status.suspects), name)
    page.put("holdfast_discrepancies", status.discrepancies, name)
    page.put("holdfast_nonces_refused_total", status.nonce.refused, name)
    page.put("holdfast_credential_parked", status.nonce.parked_cause is not None, name)
    page.put("holdfast_clock_offset_seconds", status.venue_clock_offset_s, name)
    page.put("holdfast_reservations", status.reservations, name)
    page.put("holdfast_orders_in_doubt", status.in_doubt, name)
    page.put("holdfast_store_writable", status.store.is_ok, name)
    if may_read:
        for asset, balance in figures.items():
            for figure in _FIGURES:
                amount: Decimal | None = getattr(balance, figure)
                page.put("holdfast_balance", None if amount is None else float(amount), name, asset, figure)


class _Page:
    """Lines by metric, so that each metric's stand together under its head."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def put(self, metric: str, value: float | None, *labels: str) -> None:
        """One sample; none where the value is not known: unknown is not zero."""
        if value is not None:
            self._add(metric, metric, METRICS[metric].labels, labels, value)

    def one_of(self, metric: str, found: str, words: Iterable[str], *labels: str) -> None:
        """1 for the word that is true and 0 for the others."""
        known = tuple(words)
        for word in known if found in known else (*known, "other"):
            is_it = word == found or (word == "other" and found not in known)
            self.put(metric, 1 if is_it else 0, *labels, word)

    def counters(self, metric: str, counts: Mapping[Any, int]) -> None:
        """A sample for each key, which has the labels' values."""
        for key, count in counts.items():
            self.put(metric, count, *(key if isinstance(key, tuple) else (key,)))

    def histogram(self, metric: str, found: _Histogram, *labels: str) -> None:
        """The cumulative buckets, the sum and the count."""
        names = METRICS[metric].labels
        for bound, count in zip(_BUCKETS, found.counts, strict=True):
            self._add(metric, f"{metric}_bucket", (*names, "le"), (*labels, f"{bound:g}"), count)
        self._add(metric, f"{metric}_bucket", (*names, "le"), (*labels, "+Inf"), found.total)
        self._add(metric, f"{metric}_sum", names, labels, found.total_s)
        self._add(metric, f"{metric}_count", names, labels, found.total)

    def _add(self, metric: str, sample: str, names: tuple[str, ...], labels: tuple[str, ...], value: float) -> None:
        if metric not in METRICS or len(names) != len(labels):
            raise KeyError(f"{metric} has no labels {labels}")
        pairs = ",".join(f'{name}="{_escaped(label)}"' for name, label in zip(names, labels, strict=True))
        shown = f"{int(value)}" if float(value).is_integer() else "NaN" if math.isnan(value) else repr(float(value))
        self._lines.setdefault(metric, []).append(f"{sample}{{{pairs}}} {shown}" if pairs else f"{sample} {shown}")

    def text(self) -> bytes:
        parts: list[str] = []
        for name, metric in METRICS.items():
            lines = self._lines.get(name)
            if lines:
                parts += [f"# HELP {name} {metric.meaning}", f"# TYPE {name} {metric.kind}", *lines]
        return ("\n".join(parts) + "\n").encode()


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
