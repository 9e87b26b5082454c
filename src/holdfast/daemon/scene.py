"""
One desk as the page sees it: a snapshot on request, and deltas that keep it true.

A broker is composed anew when something of it changed, and once a second for its ages; what is then the same as before
is not told. One ``Scene`` serves every page: its deltas are numbered, and a page that misses one asks for a snapshot.
Nothing in here suspends but ``timeline``, which reads the journal.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.breakers import BreakerState
from holdfast.daemon.attention import ORDER, attention_of, worst_breaker
from holdfast.daemon.chronicle import Chronicle, Step, thinned
from holdfast.daemon.portrait import difference_rows, notes_of, picture_of, reservation_row
from holdfast.daemon.sameness import is_same
from holdfast.daemon.shapes import JobView
from holdfast.daemon.snapshot import (
    SCHEMA_VERSION,
    Ages,
    Attention,
    BrokerFigures,
    BrokerPicture,
    Delta,
    Difference,
    Figure,
    FigureChange,
    Owner,
    Readiness,
    Snapshot,
    Span,
    Sums,
    figure_of,
)
from holdfast.daemon.verdict import sums_of, verdict_of
from holdfast.errors import HoldfastError
from holdfast.runtime.views import BalancesChanged, BrokerStatus, ReservationView

if TYPE_CHECKING:
    from holdfast.core.events import Event
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk

__all__ = ["Scene", "Timeline"]

_COMPOSE_EVERY_S: Final = 1.0
_COMPOSED_AT_ONCE: Final = 100
_ALL_AT_ONCE: Final = 20
"""So few brokers are composed for every delta: what is told of them is then of one moment."""

_NOTED_AT_ONCE: Final = 500
_STRIP_S: Final = 86_400.0
_EVENTS_SHOWN: Final = 300
_JOURNAL_ROWS: Final = 4_000


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """
    One asset's past at one broker, up to now. Times are seconds on the daemon's clock, which reads ``now_s``.

    A step holds until the next; one without a ``total`` ends the record, and nothing is known until the next.
    ``stream`` and ``breaker`` have no stretch where nobody watched.
    """

    broker: str
    asset: AssetCode
    since_s: float
    now_s: float
    wall_us: int
    steps: tuple[Step, ...]
    stream: tuple[Span, ...]
    breaker: tuple[Span, ...]


class _Composed(msgspec.Struct, frozen=True, kw_only=True):
    """One broker at one moment."""

    at_s: float
    status: BrokerStatus
    balances: dict[AssetCode, Balance]
    claims: tuple[ReservationView, ...]
    picture: BrokerPicture
    figures: dict[AssetCode, Figure]
    attention: tuple[Attention, ...]
    differences: tuple[Difference, ...]


class Scene:
    """
    The page's picture of *desk*.

    Args:
        desk: Whose brokers are shown; subscribed to until ``close``.
        now_s: The clock that runs through suspend, seconds.
        wall_us: UTC microseconds.
        version: Of holdfast, so that a page from another version notices.
        instance: A word that is another one after every start.
        max_age_s: How old a figure may be that counts as fresh, for the legend.
        readiness: The last measured score of a broker, None where there is none.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        now_s: Callable[[], float],
        wall_us: Callable[[], int],
        version: str,
        instance: str,
        max_age_s: float = 30.0,
        readiness: Callable[[str], Readiness | None] | None = None,
    ) -> None:
        self._desk = desk
        self._now_s = now_s
        self._wall_us = wall_us
        self._version = version
        self._instance = instance
        self._max_age_s = max_age_s
        self._readiness = readiness or _unmeasured
        self._owner = Owner(pid=os.getpid(), host=socket.gethostname())
        self._addresses = {name: broker.rest_url for name, broker in desk.config.brokers.items()}
        self.chronicle = Chronicle(began_s=now_s())
        self._sequence = 0
        self._composed: dict[str, _Composed] = {}
        self._changed: set[str] = set()
        self._to_note: dict[tuple[str, AssetCode], None] = {}
        self._told: Snapshot | None = None
        self._events_told = 0
        self._subscriptions = (desk.subscribe(self._note_change), desk.on_event(self._hear))

    def close(self) -> None:
        """Hear nothing more. Safe to repeat."""
        for subscription in self._subscriptions:
            subscription.close()

    @property
    def sequence(self) -> int:
        """The number of the latest delta."""
        return self._sequence

    # What is told

    def snapshot(self, *, role: str, jobs: Sequence[JobView] = ()) -> Snapshot:
        """
        Everything, as of the latest delta: the deltas that follow apply to it.

        The first one composes every broker.
        """
        if self._told is None:
            self._told = self._compose_all()
        now_s = self._now_s()
        told = self._told
        if now_s - told.now_s > _COMPOSE_EVERY_S and self._sequence == 0:
            self._told = told = self._compose_all()
        return msgspec.structs.replace(
            told, role=role, jobs=tuple(jobs), events=self.chronicle.events(newest=_EVENTS_SHOWN)
        )

    def delta(self) -> Delta | None:
        """What changed since the latest delta; None where nothing did, or where no snapshot was asked for yet."""
        self.record()
        if self._told is None:
            return None
        now_s = self._now_s()
        before = self._told
        due = [name for name in self._desk.brokers if self._is_due(name, now_s)][:_COMPOSED_AT_ONCE]
        past = {name: self._composed[name] for name in due}
        for name in due:
            self._changed.discard(name)
            self._composed[name] = self._compose(self._desk.brokers[name], now_s)
        figures: list[FigureChange] = []
        ages: list[Ages] = []
        for name in due:
            changes, renewed = _figures_since(past[name], self._composed[name])
            figures += changes
            if renewed is not None:
                ages.append(renewed)
        after = self._picture(now_s)
        passed_s = now_s - before.now_s
        pictures = {each.name: each for each in before.brokers}
        brokers = tuple(
            each
            for each in after.brokers
            if not is_same(pictures.get(each.name), each, passed_s=passed_s, loose=_RENEWED)
        )
        events = self.chronicle.events(after=self._events_told)
        sums = {asset: total for asset, total in after.sums.items() if before.sums.get(asset) != total}
        is_verdict_same = is_same(before.verdict, after.verdict, passed_s=passed_s, loose=_RENEWED)
        is_attention_same = is_same(before.attention, after.attention, passed_s=passed_s)
        are_claims_same = is_same(before.reservations, after.reservations, passed_s=passed_s)
        are_differences_same = is_same(before.discrepancies, after.discrepancies, passed_s=passed_s)
        oldest_s = after.verdict.oldest_age_s
        is_quiet = is_verdict_same and is_attention_same and are_claims_same and are_differences_same
        if is_quiet and not (brokers or figures or ages or events or sums):
            return None
        self._sequence += 1
        self._events_told = events[0].number if events else self._events_told
        self._told = msgspec.structs.replace(after, sequence=self._sequence)
        return Delta(
            sequence=self._sequence,
            now_s=now_s,
            wall_us=self._told.wall_us,
            verdict=None if is_verdict_same else after.verdict,
            attention=None if is_attention_same else after.attention,
            brokers=brokers,
            figures=tuple(figures),
            sums=sums,
            ages=tuple(ages),
            oldest_age_s=oldest_s,
            reservations=None if are_claims_same else after.reservations,
            discrepancies=None if are_differences_same else after.discrepancies,
            events=events,
        )

    def record(self) -> None:
        """Keep what changed for the charts; to be called about once a second where no delta is asked for."""
        now_s = self._now_s()
        for broker, asset in tuple(self._to_note)[:_NOTED_AT_ONCE]:
            del self._to_note[(broker, asset)]
            try:
                balance = self._desk.brokers[broker].balance(asset)
            except (HoldfastError, KeyError):
                continue  # Not an asset of this broker's any more, or the broker is closed.
            self.chronicle.note(broker, balance, now_s=now_s)

    def _is_due(self, name: str, now_s: float) -> bool:
        few = len(self._desk.brokers) <= _ALL_AT_ONCE
        return few or name in self._changed or now_s - self._composed[name].at_s >= _COMPOSE_EVERY_S

    async def timeline(self, name: str, asset: AssetCode, *, range_s: float, points: int = 600) -> Timeline:
        """
        One asset's past over *range_s* seconds up to now, at most about *points* steps. Suspends.

        What this process did not see itself comes from the journal: there only total and held are on record, and where
        one owner ended and the next began nothing is.

        Raises:
            UnknownNameError: There is no such broker.
            StoreError: The journal cannot be read.
        """
        broker = self._desk[name]
        self.chronicle.note(name, broker.balance(asset), now_s=self._now_s())
        began_s = self.chronicle.began_s
        now_s, wall_us = self._now_s(), self._wall_us()
        since_s = now_s - range_s
        steps: list[Step] = []
        if since_s < began_s:
            rows = await broker.history(
                asset=asset, since_wall_us=wall_us - int(range_s * 1e6), limit=_JOURNAL_ROWS, newest_first=True
            )
            for row in reversed(rows):
                at_s = now_s - (wall_us - row.wall_us) / 1e6
                if at_s >= began_s or row.kind not in _FIGURES:
                    continue
                if row.kind == "restored" and steps:
                    steps.append(Step(steps[-1].at_s + 0.001, None, None, None, None, None))
                steps.append(Step(at_s, row.total, row.held, None, None, None))
            if steps:
                steps.append(Step(steps[-1].at_s + 0.001, None, None, None, None, None))
        steps += self.chronicle.steps(name, asset, since_s=max(since_s, began_s))
        return Timeline(
            broker=name,
            asset=asset,
            since_s=since_s,
            now_s=now_s,
            wall_us=wall_us,
            steps=thinned(steps, points=points, since_s=since_s, until_s=now_s),
            stream=self.chronicle.spans(name, "stream", since_s=since_s),
            breaker=self.chronicle.spans(name, "breaker", since_s=since_s),
        )

    # What is heard

    def _note_change(self, change: BalancesChanged) -> None:
        self._changed.add(change.broker)
        for asset in change.assets:
            self._to_note[(change.broker, asset)] = None

    def _hear(self, event: Event) -> None:
        self.chronicle.hear(event, at_us=self._wall_us())
        broker = event.fields.get("broker")
        if isinstance(broker, str) and broker in self._desk.brokers and event.name not in _FIGURES_ONLY:
            self._changed.add(broker)

    # What is composed

    def _compose_all(self) -> Snapshot:
        now_s = self._now_s()
        for name, broker in self._desk.brokers.items():
            self._composed[name] = self._compose(broker, now_s)
        self._changed.clear()
        self._events_told = self.chronicle.events(newest=1)[0].number if self.chronicle.events(newest=1) else 0
        return self._picture(now_s)

    def _compose(self, broker: Broker, now_s: float) -> _Composed:
        status, balances = broker.status(), broker.balances()
        claims = tuple(broker.reservations())
        wall_us = self._wall_us()
        readiness = self._readiness(broker.name)
        for balance in balances.values() if broker.name not in self._composed else ():
            self.chronicle.note(broker.name, balance, now_s=now_s)
        self._mark_spans(status, now_s)
        spans = self.chronicle.spans(broker.name, "breaker", since_s=now_s - _STRIP_S)
        picture = picture_of(
            status, balances, address=self._addresses.get(broker.name), readiness=readiness, spans=spans
        )
        notes = notes_of(status)
        return _Composed(
            at_s=now_s,
            status=status,
            balances=balances,
            claims=claims,
            picture=picture,
            figures={asset: figure_of(each, note=notes.get(asset)) for asset, each in balances.items()},
            attention=tuple(
                attention_of(status, tuple(balances.values()), claims, now_us=wall_us, readiness=readiness)
            ),
            differences=difference_rows(status),
        )

    def _mark_spans(self, status: BrokerStatus, now_s: float) -> None:
        worst = worst_breaker(status)
        state = BreakerState.CLOSED if worst is None else worst.breaker.state
        self.chronicle.enter(status.broker, "breaker", state.value, now_s=now_s)
        if status.stream.reason != "not_wanted":
            self.chronicle.enter(status.broker, "stream", status.stream.state, now_s=now_s)

    def _picture(self, now_s: float) -> Snapshot:
        """Everything that is composed, put together."""
        wall_us = self._wall_us()
        found = [self._composed[name] for name in self._desk.brokers]
        known = sorted({asset for each in found for asset in each.figures})
        balances = {}
        for each in found:
            listed = self._desk.brokers[each.status.broker].assets
            absent = (
                tuple(asset for asset in known if asset not in each.figures and asset not in listed) if listed else ()
            )
            balances[each.status.broker] = BrokerFigures(
                health=each.status.health.value, balances=each.figures, absent=absent
            )
        claims = [claim for each in found for claim in each.claims]
        rows = [reservation_row(claim, now_us=wall_us) for claim in claims]
        attention = [row for each in found for row in each.attention]
        return Snapshot(
            schema_version=SCHEMA_VERSION,
            sequence=self._sequence,
            instance=self._instance,
            version=self._version,
            role="read",
            now_s=now_s,
            wall_us=wall_us,
            owner=self._owner,
            max_age_s=self._max_age_s,
            verdict=verdict_of(
                [each.status for each in found], {each.status.broker: each.balances for each in found}, claims
            ),
            attention=tuple(sorted(attention, key=lambda row: ORDER.index(row.kind))),
            brokers=tuple(each.picture for each in found),
            balances=balances,
            sums={asset: self._sum(asset, found) for asset in known},
            reservations=tuple(sorted(rows, key=lambda row: (row.state != "in_doubt", row.age_s))),
            discrepancies=tuple(row for each in found for row in each.differences),
            events=(),
        )

    @staticmethod
    def _sum(asset: AssetCode, found: Sequence[_Composed]) -> Sums:
        return sums_of([each.balances[asset] for each in found if asset in each.balances])


def _figures_since(before: _Composed, after: _Composed) -> tuple[list[FigureChange], Ages | None]:
    """Figures that say something else now, and the ages of those that only grew otherwise than by waiting."""
    name, passed_s = after.status.broker, after.at_s - before.at_s
    changes = []
    renewed: dict[float, list[AssetCode]] = {}
    for asset, figure in after.figures.items():
        old = before.figures.get(asset)
        if old is None or not is_same(old, figure, passed_s=passed_s, loose=_AGE):
            changes.append(FigureChange(broker=name, asset=asset, figure=figure))
        elif figure.age_s is not None and abs(figure.age_s - (old.age_s or 0.0) - passed_s) > _AGE_SLACK_S:
            renewed.setdefault(round(figure.age_s, 1), []).append(asset)
    picture, past = after.picture, before.picture
    are_renewed = [
        now is not None and (then is None or abs(now - then - passed_s) > _AGE_SLACK_S)
        for now, then in ((picture.age_s, past.age_s), (picture.frame_age_s, past.frame_age_s))
    ]
    if not renewed and not any(are_renewed):
        return changes, None
    aged = sum(figure.age_s is not None for figure in after.figures.values())
    groups = tuple(
        (age_s, () if len(renewed) == 1 and len(assets) == aged else tuple(assets)) for age_s, assets in renewed.items()
    )
    return changes, Ages(broker=name, age_s=picture.age_s, frame_age_s=picture.frame_age_s, figures=groups)


def _unmeasured(_: str) -> Readiness | None:
    return None


_AGE: Final = frozenset({"age_s"})
_AGE_SLACK_S: Final = 0.75
"""A page counts ages on by itself: only what differs by more than this from what it shows is told."""

_RENEWED: Final = frozenset({"age_s", "frame_age_s", "oldest_age_s", "used", "zero_in_s", "latency_s"})
"""What moves by itself all the time: told with the ages, or with the next thing that really changed."""

_FIGURES_ONLY: Final = frozenset({"balance.changed"})
_FIGURES: Final = frozenset({"snapshot", "partial", "delta", "derived", "restored"})
