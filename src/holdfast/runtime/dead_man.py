"""
The venue's dead-man switch, where it is wanted: it cancels every order of the account unless it hears from us in time.

Rearmed at a third of its time, disarmed when the broker is closed in order; a process that dies leaves it armed, which
is the point, and so does a broker that a fault has stopped: nobody looks after its orders, or another process does, and
the switch is that one's. It is account-wide: orders of other bots on the account go with ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from holdfast.core.events import event
from holdfast.core.venue import VenueMode
from holdfast.errors import HoldfastError
from holdfast.runtime.account import Account
from holdfast.runtime.entry import OrderEntry

__all__ = ["DeadMan"]

_DEADLINE_S: Final = 5.0
_AGAIN_S: Final = 2.0
_DISARM_S: Final = 1.0


class DeadMan:
    """Keeps one account's switch armed, where ``dead_man_s`` is not 0."""

    def __init__(self, entry: OrderEntry, account: Account) -> None:
        self._entry = entry
        self._account = account
        self._is_armed = False
        self._is_disarmed = False  # Known to be: a former process may have left it armed.
        self._has_failed = False

    async def run(self) -> None:
        """Rearm until cancelled, then disarm. Suspends; returns at once where no switch is wanted."""
        timeout_s = self._entry.settings.dead_man_s
        if not timeout_s:
            return
        try:
            while True:
                # Armed through maintenance it would cancel everything as the engine returns.
                wanted = 0 if self._account.venue_mode is VenueMode.MAINTENANCE else timeout_s
                is_said = not wanted and self._is_disarmed
                pause_s = timeout_s / 3 if is_said or await self._set(wanted) else _AGAIN_S
                await asyncio.sleep(pause_s)
        finally:
            if self._is_armed and self._account.halted_reason is None:
                await self._disarm()

    async def _disarm(self) -> None:
        """Best effort, and not for long: the venue's own clock ends it otherwise."""
        disarming = asyncio.ensure_future(self._send(0))
        await asyncio.wait({disarming}, timeout=_DISARM_S)
        disarming.cancel()
        await asyncio.gather(disarming, return_exceptions=True)

    async def _set(self, timeout_s: int) -> bool:
        try:
            await self._send(timeout_s)
        except HoldfastError as error:
            if not self._has_failed:
                self._has_failed = True
                self._account.emitter(event("dead_man.failed", broker=self._account.name, error=str(error)[:200]))
            return False
        if (not self._is_armed or self._has_failed) and timeout_s:
            self._account.emitter(event("dead_man.armed", broker=self._account.name, for_s=timeout_s))
        self._is_armed, self._is_disarmed, self._has_failed = bool(timeout_s), not timeout_s, False
        return True

    async def _send(self, timeout_s: int) -> None:
        stream = self._entry.stream
        if stream is not None and stream.can_send_orders:
            with contextlib.suppress(HoldfastError):
                await stream.cancel_all_after(timeout_s, deadline_s=_DEADLINE_S)
                return
        await self._entry.client.cancel_all_after(timeout_s, deadline_s=_DEADLINE_S)
