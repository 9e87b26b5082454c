"""
Every window of OKX's limits that one client uses, each as a counter.

Windows of the credential may be shared by the processes of a host; those of the address are this process's. New orders
of all instruments share one window more.

Source: https://www.okx.com/docs-v5/en/#overview-rate-limits (checked 2026-11-20)
"""

from __future__ import annotations

from typing import Final

from holdfast.core.limits import DecayingCounter, MakeCounter, own_counter
from holdfast.core.seams import Clock
from holdfast.venues.okx import limits
from holdfast.venues.okx.limits import Scope, Window

__all__ = ["Paces"]

_DEFAULT: Final = Window(calls=5, per_s=2.0)
_ORDERS: Final = "trade/order"
_ACCOUNT_IS_FULL: Final = "50061"
_DETAILS: Final = "trade/order-details"


class Paces:
    """
    When each call may go.

    Args:
        make: Makes the counters of the credential; counters of this process where None.
        clock: For ages.
    """

    def __init__(self, make: MakeCounter | None, *, clock: Clock) -> None:
        self._make = make or own_counter
        self._clock = clock
        self._counters: dict[str, DecayingCounter] = {}

    def wait_s(self, request: str, inst_id: str | None, *, is_post: bool) -> float:
        """Seconds until one more call fits into every window it counts in; zero: now."""
        now_s = self._clock.now_s()
        return max(each.wait_s(1.0, now_s=now_s) for each in self._of(request, inst_id, is_post=is_post))

    def spend(self, request: str, inst_id: str | None, *, is_post: bool) -> None:
        """Record a call that is about to leave."""
        now_s = self._clock.now_s()
        for each in self._of(request, inst_id, is_post=is_post):
            each.spend(1.0, now_s=now_s)

    def refused(
        self, request: str, inst_id: str | None, *, is_post: bool, quiet_s: float, code: str | None = None
    ) -> None:
        """OKX refused for a window: nothing of the kind goes for *quiet_s* seconds; *code* says which window."""
        windows = self._of(request, inst_id, is_post=is_post)
        window = windows[-1] if code == _ACCOUNT_IS_FULL else windows[0]
        window.refused(now_s=self._clock.now_s(), quiet_s=quiet_s)

    def _of(self, request: str, inst_id: str | None, *, is_post: bool) -> list[DecayingCounter]:
        """The windows of a call, its own first: details of an order are counted apart from placing one."""
        kind = _DETAILS if request == _ORDERS and not is_post else request
        window = limits.WINDOWS.get(kind, _DEFAULT)
        name = kind.replace("/", ".")
        if window.scope is Scope.INSTRUMENT and inst_id is not None:
            name = f"{name}.{inst_id}"
        found = [self._counter(name, window)]
        if kind == _ORDERS:
            found.append(self._counter("orders.account", limits.ORDERS_OF_ACCOUNT))
        return found

    def _counter(self, name: str, window: Window) -> DecayingCounter:
        counter = self._counters.get(name)
        if counter is None:
            make = own_counter if window.scope is Scope.ADDRESS else self._make
            counter = self._counters[name] = make(
                maximum=window.burst, decay_per_s=window.per_second, now_s=self._clock.now_s(), name=name
            )
        return counter
