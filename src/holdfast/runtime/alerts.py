"""
One owned broker's alerts: looks at its status again and again, asks the rules, and posts what they say.

Only an owner raises them, so that an account has one voice however many processes use it, and what it said is kept in
the account's own store: the next owner does not say it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.config import AlertingSettings
from holdfast.core.alerts import AlertBudget, AlertKind, AlertRecord, Alerts, Notice, Trouble
from holdfast.core.breakers import BreakerState
from holdfast.core.events import event
from holdfast.core.seams import Clock, Emit, Store
from holdfast.errors import ConfigError
from holdfast.runtime.views import BrokerStatus

if TYPE_CHECKING:
    from holdfast.runtime.alert_outbox import ClosablePost, Post
    from holdfast.runtime.supervisor import Supervisor

__all__ = ["FACT", "AlertView", "AlertWatch", "DeskAlerts", "troubles_of", "view_of"]

FACT: Final = "alerts"
"""The store's fact that carries what was told through a restart."""

_EVERY_S: Final = 1.0
_STARTING: Final = frozenset({"venue_not_loaded", "balances_unknown", "balances_restored"})


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an alert is made from beside the status.

    ``disputed`` names the assets of open discrepancies, each with how long it has been there, seconds; ``doubted_s`` is
    how long the oldest order in doubt has been so.
    """

    status: BrokerStatus
    disputed: dict[str, float] = {}
    doubted_s: float = 0.0


def troubles_of(view: AlertView, *, openings: dict[str, int] | None = None) -> list[Trouble]:
    """
    Everything that is wrong with a broker now.

    Args:
        view: The broker at this moment.
        openings: How often each breaker had opened at the look before: one that opened and closed since counts as open.
    """
    status, found = view.status, []
    for each in status.capabilities:
        breaker = each.breaker
        has_opened = openings is not None and breaker.openings > openings.get(each.name, 0)
        if breaker.state in (BreakerState.OPEN, BreakerState.HALF_OPEN) or has_opened:
            why = breaker.why or each.last_fault
            for_s = breaker.open_for_s or 0.0
            found.append(Trouble(kind=AlertKind.BREAKER_OPEN, subject=each.name, detail=why, for_s=for_s))
        if breaker.is_stuck:
            found.append(Trouble(kind=AlertKind.BREAKER_STUCK, subject=each.name, detail=breaker.why))
    if status.states.get("stale", 0) or _STARTING.intersection(status.reasons):
        found.append(Trouble(kind=AlertKind.FIGURES_STALE, detail=_first_word(status)))
    if status.stream.state != "live":
        found.append(Trouble(kind=AlertKind.STREAM_LOST, detail=status.stream.reason or status.stream.state))
    found += [
        Trouble(kind=AlertKind.DISCREPANCY, subject=asset, for_s=for_s)
        for asset, for_s in sorted(view.disputed.items())
    ]
    if status.nonce.parked_cause is not None:
        found.append(Trouble(kind=AlertKind.CREDENTIAL_PARKED, detail=status.nonce.parked_cause))
    if status.in_doubt:
        detail = f"{status.in_doubt} orders" if status.in_doubt > 1 else None
        found.append(Trouble(kind=AlertKind.ORDER_IN_DOUBT, detail=detail, for_s=view.doubted_s))
    if status.halted_reason not in (None, "by_command"):
        found.append(Trouble(kind=AlertKind.BROKER_HALTED, detail=status.halted_reason))
    if not status.store.is_ok:
        found.append(Trouble(kind=AlertKind.STORE_FAILED, detail=status.store.reason))
    return found


def _first_word(status: BrokerStatus) -> str | None:
    return status.reasons[0] if status.reasons else None


class AlertWatch:
    """
    Watches one owned broker. Needs a running loop; never suspends where it does not say so.

    Args:
        name: The broker's.
        alerts: Its episodes.
        post: Takes what is to be told.
        store: Keeps what was told.
        view: Gives the broker as it is at this moment.
    """

    def __init__(
        self,
        *,
        name: str,
        alerts: Alerts,
        post: Post,
        store: Store,
        clock: Clock,
        emit: Emit,
        view: Callable[[], AlertView],
    ) -> None:
        self._name = name
        self._alerts = alerts
        self._post = post
        self._store = store
        self._clock = clock
        self._emit = emit
        self._view = view
        self._next_s = float("-inf")
        self._openings: dict[str, int] | None = None
        self._kept: dict[str, AlertRecord] = {}
        self._is_closed = False

    async def restore(self) -> None:
        """Go on with what an earlier owner told. Suspends; raises ``StoreError``."""
        text = await self._store.fact(FACT)
        if text is None:
            return
        try:
            self._kept = msgspec.json.decode(text, type=dict[str, AlertRecord])
        except msgspec.DecodeError:
            return  # Somebody may be told twice: no reason to keep an account closed.
        self._alerts.restore(self._kept, now_s=self._clock.now_s(), wall_us=self._clock.wall_us())

    def close(self) -> None:
        """Look no more: what ends from here on ends because we end it."""
        self._is_closed = True

    def look(self, now_s: float) -> None:
        """Look at the broker, once a second at most. Never raises: a bug in here ends alerts, and nothing else."""
        if self._is_closed or now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        try:
            self._judge(now_s)
        except Exception as error:
            self._is_closed = True
            self._emit(event("alert.unavailable", broker=self._name, reason=type(error).__name__))
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"alerts of broker {self._name} have ended", "exception": error}
            )

    def _judge(self, now_s: float) -> None:
        view = self._view()
        troubles = troubles_of(view, openings=self._openings)
        self._openings = {each.name: each.breaker.openings for each in view.status.capabilities}
        is_proof = not _STARTING.intersection(view.status.reasons)
        for notice in self._alerts.judge(troubles, now_s=now_s, is_proof=is_proof):
            self._emit(event("alert.raised", **self._facts(notice)))
            self._post.put(notice, lambda is_told, notice=notice: self._told(notice, is_told=is_told))  # type: ignore[misc]

    def _told(self, notice: Notice, *, is_told: bool) -> None:
        now_s = self._clock.now_s()
        if is_told:
            self._alerts.delivered(notice, now_s=now_s)
            self._emit(event("alert.delivered", **self._facts(notice)))
        else:
            self._alerts.failed(notice, now_s=now_s)
            self._emit(event("alert.undelivered", **self._facts(notice)))
        if not self._is_closed:
            self._keep(now_s)

    def _facts(self, notice: Notice) -> dict[str, str]:
        return {
            "broker": self._name,
            "alert": notice.kind.value,
            "subject": notice.subject,
            "stage": notice.stage.value,
        }

    def _keep(self, now_s: float) -> None:
        records = self._alerts.records(now_s=now_s, wall_us=self._clock.wall_us())
        # Times move a little with every reckoning; what is kept changes with what was told.
        if records.keys() != self._kept.keys() or any(
            abs(each.told_wall_us - self._kept[key].told_wall_us) > 1_000_000 for key, each in records.items()
        ):
            self._kept = records
            text = msgspec.json.encode(records).decode() if records else None
            self._store.keep((), (), {FACT: text})


def view_of(supervisor: Supervisor, *, clock: Clock) -> AlertView:
    """A supervised broker as it is at this moment. Never suspends."""
    status = supervisor.status()
    now_s, wall_us = clock.now_s(), clock.wall_us()
    disputed: dict[str, float] = {}
    for each in supervisor.account.ledger.discrepancies:
        disputed[each.asset] = max(disputed.get(each.asset, 0.0), now_s - each.found_s)
    doubted = [each.doubted_us for each in supervisor.entry.intents.doubts() if each.doubted_us is not None]
    doubted_s = (wall_us - min(doubted)) / 1_000_000 if doubted else 0.0
    return AlertView(status=status, disputed=disputed, doubted_s=doubted_s)


class DeskAlerts:
    """
    The alerts of one desk: one post and one budget for all its brokers.

    Args:
        settings: When what is told.
        make: Makes the post the first time that a broker is owned, or gives None where nobody is to be told.

    Attributes:
        is_strict: While the desk is being opened alerts that cannot be sent are an error of the configuration; later,
            when an account is taken over from an owner that died, they are an event, and the account is taken over.
    """

    def __init__(
        self,
        settings: AlertingSettings,
        *,
        make: Callable[[Emit], ClosablePost | None] | None,
        clock: Clock,
        emit: Emit,
    ) -> None:
        self.is_strict = True
        self._settings = settings
        self._make = make
        self._clock = clock
        self._emit = emit
        self._post: ClosablePost | None = None
        self._budget: AlertBudget | None = None

    async def watch(self, supervisor: Supervisor, *, in_doubt_after_s: float) -> AlertWatch | None:
        """
        Watch one owned broker from its start on, or None where nobody is to be told. Suspends.

        Raises:
            ConfigError: Addresses are named that cannot be used, while ``is_strict``.
            StoreError: What was told before cannot be read.
        """
        if self._make is None or not self._settings.enabled:
            return None
        try:
            self._post = self._post or self._make(self._emit)
        except ConfigError as error:
            if self.is_strict:
                raise
            self._emit(event("alert.unavailable", broker=supervisor.name, reason=str(error)))
            return None
        if self._post is None:
            return None
        self._budget = self._budget or AlertBudget(self._settings.notices_per_hour, now_s=self._clock.now_s())
        watch = AlertWatch(
            name=supervisor.name,
            alerts=Alerts(
                broker=supervisor.name,
                environment=supervisor.environment,
                settings=self._settings.times(in_doubt_after_s=in_doubt_after_s),
                budget=self._budget,
            ),
            post=self._post,
            store=supervisor.store,
            clock=self._clock,
            emit=self._emit,
            view=lambda: view_of(supervisor, clock=self._clock),
        )
        await watch.restore()
        supervisor.account.on_look = watch.look
        return watch

    async def close(self) -> None:
        """Let what is on its way arrive, for 2 s at most. Suspends."""
        if self._post is not None:
            await self._post.close()
