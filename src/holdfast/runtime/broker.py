"""
A broker: one configured, supervised account at one venue, as a bot sees it.

Reading figures never suspends: the supervisor keeps them current, and an answer is computed at the moment it is asked
for, its age included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.seams import JournalRow
from holdfast.errors import NotReadyError
from holdfast.runtime.explain import explanation_of
from holdfast.runtime.views import BalancesChanged, BrokerStatus, Explanation, Health, RefreshReport

if TYPE_CHECKING:
    from holdfast.core.seams import Store
    from holdfast.runtime.guard import Guard
    from holdfast.runtime.listeners import Changes, Subscription
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.supervisor import Supervisor

__all__ = ["Broker"]


class Broker:
    """
    One account of one venue. Made by ``holdfast.open``; reached as ``desk["kraken-master"]``.

    Attributes:
        name: The broker's name in the configuration.
        venue: Venue id, such as ``kraken``.
        environment: ``production``, ``demo`` or ``simulated``.

    Every method raises ``ClosedError`` after the desk is closed, from another event loop and in a forked child.
    """

    def __init__(self, supervisor: Supervisor, guard: Guard) -> None:
        self._supervisor = supervisor
        self._guard = guard
        self.name = supervisor.name
        self.venue = supervisor.venue
        self.environment = supervisor.environment

    def __repr__(self) -> str:
        return f"<Broker {self.name} {self.venue} {self.environment}>"

    # Figures

    def balance(self, asset: AssetCode) -> Balance:
        """
        The balance of one asset, as of this call. Never suspends.

        Amounts are whole units. An asset that the venue lists and this account was never seen to hold is a proven
        zero once a complete answer has been believed, and ``unknown`` with ``None`` amounts before; unknown is not
        zero.

        Raises:
            UnknownNameError: The venue lists no such asset; the message names the nearest ones.
        """
        self._guard.check()
        return self._supervisor.balance(asset)

    def balances(self) -> dict[AssetCode, Balance]:
        """
        Every asset with a figure, by code in alphabetical order, as of this call. Never suspends.

        Empty until a first answer has been believed: that is *unknown*, not an empty account. A believed empty
        account is shown with the zeros the venue stated.
        """
        self._guard.check()
        return self._supervisor.balances()

    # Condition

    def status(self) -> BrokerStatus:
        """The broker's condition as of this call. Never suspends."""
        self._guard.check()
        return self._supervisor.status()

    @property
    def account_id(self) -> str | None:
        """The venue's own id of the account, or None until the venue has named it."""
        return self._supervisor.account_id

    def is_available(self) -> bool:
        """True while reads succeed often enough, the credential is not parked and the broker is not halted."""
        self._guard.check()
        return self._supervisor.status().is_available

    def get_error_count(self) -> int:
        """Consecutive counted errors; 0 after one success."""
        self._guard.check()
        return self._supervisor.error_count

    # Asking the venue

    async def refresh(self, *, timeout_s: float = 30.0) -> RefreshReport:
        """
        Read balances and open orders from the venue now. Suspends until believed, refused or *timeout_s* has passed.

        A suspect answer is read again a second time, differently, before this returns. A failure changes no figure.

        Returns:
            What was asked and what came of it; a failure is in ``error``, not raised.
        """
        self._guard.check()
        return await self._supervisor.refresh(timeout_s=timeout_s)

    # Changes

    def changes(self, *, limit: int = 1000) -> Changes:
        """
        Every change from now on: ``async for change in broker.changes()``.

        Yields ``BalancesChanged``, and ``Lagged`` where the reader fell more than *limit* changes behind; ends when
        the desk is closed.
        """
        self._guard.check()
        return self._supervisor.listeners.iterate(limit=limit)

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        """
        Call *callback* with every change from now on, in the very step in which figures changed.

        It must not block and cannot suspend. Returns a ``Subscription``: close it to end the calls.
        """
        self._guard.check()
        return self._supervisor.listeners.subscribe(callback)

    # Waiting

    async def wait_until(
        self, condition: str | Callable[[BrokerStatus], bool], *, timeout_s: float | None = 30.0
    ) -> BrokerStatus:
        """
        Wait until the stream is in the state named, or until *condition* of the status is true. Suspends.

        Args:
            condition: ``connecting``, ``snapshot``, ``degraded`` or ``down``; ``live``, which waits for the figures
                too: the stream is live, and what it pushes is anchored by REST; or a function of the status, asked
                again whenever something changes and at least once a second.
            timeout_s: Bound in seconds; ``None`` waits for ever.

        Returns:
            The status that satisfied it.

        Raises:
            NotReadyError: It did not come true in time; the message says what the broker was instead.
        """
        self._guard.check()
        return await self._wait(_as_condition(condition), timeout_s=timeout_s, wanted=_shown(condition))

    async def ready(self, *, timeout_s: float | None = 30.0) -> BrokerStatus:
        """
        Wait until every figure is ``live`` or ``fresh`` and the broker is available. Suspends.

        A live stream is not needed for that: a broker that polls REST often enough is ready.

        Raises:
            NotReadyError: Not within *timeout_s* seconds; ``checks`` says what failed.
        """
        self._guard.check()
        return await self._wait(self._is_ready, timeout_s=timeout_s, wanted="ready")

    def _is_ready(self, status: BrokerStatus) -> bool:
        return not self._unready(status)

    def _unready(self, status: BrokerStatus) -> tuple[str, ...]:
        failed: list[str] = []
        if status.health is Health.DOWN or not status.is_available:
            failed.extend(status.reasons or ("unavailable",))
        if not self._supervisor.has_figures:
            failed.append("balances_unknown")
        if status.suspects:
            failed.append("balances_suspect")
        if any(not balance.is_fit_to_approve for balance in self._supervisor.balances().values()):
            failed.append("balances_stale")
        return tuple(dict.fromkeys(failed))

    async def _wait(
        self, condition: Callable[[BrokerStatus], bool], *, timeout_s: float | None, wanted: str
    ) -> BrokerStatus:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._guard.check()
                    status = self._supervisor.status()
                    if condition(status):
                        return status
                    await self._supervisor.changed(within_s=1.0)
        except TimeoutError:
            status = self._supervisor.status()
            checks = self._unready(status)
            raise NotReadyError(
                f"{self.name} is not {wanted} after {timeout_s} s: stream {status.stream.state}"
                f" ({status.stream.reason or 'no reason'}), health {status.health}"
                f" ({', '.join(status.reasons) or 'nothing named'}), last error: {status.last_error or 'none'}",
                checks=checks,
            ) from None

    # The record

    async def _journal(self) -> Store:
        """The store, once everything that was accepted until now is in it or was refused by it."""
        await self._supervisor.account.journal.written()
        return self._supervisor.store

    async def explain(self, asset: AssetCode, *, limit: int = 20) -> Explanation:
        """
        Why this balance is what it is: its figure, and the newest *limit* journal rows behind it. Suspends.

        Raises:
            UnknownNameError: The venue lists no such asset.
            StoreError: The journal cannot be read.
        """
        self._guard.check()
        balance = self._supervisor.balance(asset)
        rows = await (await self._journal()).history(asset=asset, limit=limit, newest_first=True)
        return explanation_of(self.status(), balance, rows)

    async def history(
        self,
        *,
        asset: AssetCode | None = None,
        after_seq: int = 0,
        since_wall_us: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[JournalRow]:
        """
        The journal: kept changes by rising sequence, at most *limit*. Suspends.

        Args:
            asset: Only this one; ``None`` for all.
            after_seq: Only rows after this sequence number; 0 for all that are kept.
            since_wall_us: Only rows at or after this time, UTC microseconds.
            limit: At most so many rows.
            newest_first: By falling sequence instead.

        Raises:
            StoreError: The journal cannot be read.
        """
        self._guard.check()
        return await (await self._journal()).history(
            asset=asset, after_seq=after_seq, since_wall_us=since_wall_us, limit=limit, newest_first=newest_first
        )

    async def backup(self, path: str) -> None:
        """
        Write a consistent copy of the account's store to *path*, which must not exist. Suspends.

        Raises:
            StoreError: It could not be written; no partial file is left.
        """
        self._guard.check()
        await (await self._journal()).backup(path)

    # Nonces

    async def examine_nonces(self) -> NonceReport:
        """
        Find out how the credential's nonces are, by inference; see ``holdfast nonce doctor``. Suspends.

        One signed read proves a key healthy against which nothing speaks; while its nonces are refused, none is sent.

        Raises:
            DeniedError: The broker was opened without files for its lane (tests), or the lane is held by somebody else.
            StoreError: The lane's file cannot be read.
        """
        self._guard.check()
        return await self._supervisor.nonces.examine()

    async def retry_nonces(self) -> NonceReport:
        """
        Open a credential that was parked for its nonces or as a bad key, and try one signed read. Suspends.

        A person's decision: for ``bad_key``, once the secret was corrected; never through a lockout.

        Raises:
            DeniedError: It is parked for something else; or as ``examine_nonces``.
            StoreError: The lane's file cannot be read or written.
        """
        self._guard.check()
        return await self._supervisor.nonces.retry()

    async def ratchet_nonces(self, *, has_consent: bool, unit: str | None = None) -> NonceReport:
        """
        Let the credential count in a finer unit, for good, and try one signed read. There is no way back. Suspends.

        Args:
            has_consent: A person was told that it is one-way, and agreed.
            unit: ``us``, ``100ns``, ``10ns`` or ``ns``; the one that the diagnosis names when None.

        Raises:
            DeniedError: No consent, or a finer unit would not help; or as ``retry_nonces``.
            StoreError: The lane's file cannot be read or written.
        """
        self._guard.check()
        return await self._supervisor.nonces.ratchet(has_consent=has_consent, unit=unit)


def _as_condition(condition: str | Callable[[BrokerStatus], bool]) -> Callable[[BrokerStatus], bool]:
    if callable(condition):
        return condition
    if condition not in _STREAM_STATES:
        raise ValueError(f"no stream state {condition!r}: one of {', '.join(_STREAM_STATES)}, or a function")
    if condition == "live":
        return _is_live
    return lambda status: status.stream.state == condition


def _is_live(status: BrokerStatus) -> bool:
    # Some figures are never pushed (staked rows): one that is live proves the anchor, none may be stale.
    is_shown = status.states["live"] > 0 or (status.assets == 0 and status.health is Health.HEALTHY)
    return status.stream.state == "live" and is_shown and status.states["stale"] == 0


_STREAM_STATES = ("connecting", "snapshot", "live", "degraded", "down")


def _shown(condition: str | Callable[[BrokerStatus], bool]) -> str:
    return condition if isinstance(condition, str) else "as wanted"
