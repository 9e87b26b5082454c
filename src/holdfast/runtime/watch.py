"""
One timer per account that looks at time itself: silence, due work, clock jumps, the store's health.

It is set to the nearest moment at which something could be wrong and set again only when it fires, so that a frame
costs no timer: a heartbeat that moves the moment further away is found by a timer that fires in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from holdfast.core.changes import Outcome
from holdfast.core.events import event
from holdfast.core.streaming import ClockWatch
from holdfast.errors import ClosedError
from holdfast.runtime.account import Account

__all__ = ["Watch"]

_AGAIN_S: Final = 0.05

_LOOK_EVERY_S: Final = 4.0
"""The clocks are compared at least this often, and whenever a figure is asked for."""


class Watch:
    """Looks after one account's time. Needs a running loop; never suspends."""

    def __init__(self, account: Account, *, check_ownership: Callable[[], None]) -> None:
        self._account = account
        self._clock = account.clock
        self._clocks = ClockWatch()
        self._check_ownership = check_ownership
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._looked_s = float("-inf")
        self._is_running = False
        self._store_reason: str | None = None
        account.on_moment = self._bring_forward

    def start(self) -> None:
        """Begin to look."""
        self._is_running = True
        self._look()

    def stop(self) -> None:
        """Stop looking."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def observe(self, now_s: float) -> None:
        """
        Compare the clocks, so that the first answer after a resume is already stale.

        Called for every answer: it costs three readings and a comparison.
        """
        clock = self._clock
        jump = self._clocks.observe(now_s=now_s, awake_s=clock.awake_s(), wall_us=clock.wall_us())
        if jump is None:
            return
        account = self._account
        account.emitter(event("clock.jumped", broker=account.name, kind=jump.kind, by_s=round(jump.by_s, 3)))
        account.take(account.ledger.invalidate, jump.kind, read="clock", now_s=now_s)
        account.reconciler.hurry(jump.kind, now_s=now_s)
        account.reading.ring()
        self._check_stream(now_s)

    def _bring_forward(self, now_s: float) -> None:
        """Set the timer to the nearest moment, unless it is set to an earlier one already."""
        if not self._is_running:
            return
        account, due_s = self._account, now_s + _LOOK_EVERY_S
        life = None if account.is_aborting else account.life
        stream_s = None if life is None else life.next_due_s()
        for moment_s in (account.ledger.next_due_s(), stream_s, account.balances_due_s()):
            if moment_s is not None and moment_s < due_s:
                due_s = moment_s
        if self._timer is not None:
            if self._timer_at_s <= due_s:
                return
            self._timer.cancel()
        self._timer_at_s = due_s
        # What is due although it was just looked at is looked at again soon, not for ever at this instant.
        least_s = _AGAIN_S if self._looked_s == now_s else 0.0
        self._timer = asyncio.get_running_loop().call_later(max(due_s - now_s, least_s), self._look)

    def _look(self) -> None:
        self._timer = None
        self._looked_s = now_s = self._clock.now_s()
        self.observe(now_s)
        self._check_stream(now_s)
        account = self._account
        account.look_for_balances(now_s)
        due_s = account.ledger.next_due_s()
        if due_s is not None and due_s <= now_s:
            account.take(self._tick, read="tick", now_s=now_s)
        self._check_store()
        try:
            self._check_ownership()
        except ClosedError as error:
            # Somebody removed our lock's file: another process may own the account by now, and we may not.
            account.halt("ownership_lost", detail=str(error))
        account.look_at_states(now_s)
        if account.vitals is not None:
            account.vitals.look(now_s)
        account.on_look(now_s)
        self._bring_forward(now_s)

    def _tick(self, *, now_s: float) -> Outcome:
        return self._account.ledger.tick(now_s)

    def _check_stream(self, now_s: float) -> None:
        life = self._account.life
        reason = None if life is None else life.abort_reason(now_s=now_s)
        if reason is not None:
            self._account.abort_stream(reason)

    def _check_store(self) -> None:
        account = self._account
        status = account.store.status()
        before, self._store_reason = self._store_reason, None if status.is_ok else status.reason or "failed"
        if self._store_reason == before:
            return
        if self._store_reason is None:
            # What could not be written meanwhile is made good by stating where everything stands now.
            account.journal_everything("store_recovered")
        account.wake()
