"""
Subscriptions of one connection, and what the faults in force make of their messages.

Nothing is numbered at OKX: a message that is lost leaves no gap, and one that comes twice looks like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from holdfast.simulators.okx.render import encode

if TYPE_CHECKING:
    from holdfast.simulators.okx.stream import StreamSession

__all__ = ["Feed"]


class Feed:
    """
    One subscription.

    Args:
        session: Whose it is.
        arg: What was subscribed to: ``channel`` and what narrows it.
        account: Whose, for a private channel.
    """

    def __init__(self, session: StreamSession, arg: Mapping[str, Any], *, account: str | None) -> None:
        self.session = session
        self.arg = dict(arg)
        self.channel = str(arg["channel"])
        self.account = account
        self.memory: dict[str, Any] = {}  # What its channel remembers of it.
        self.timers: list[Any] = []
        self.is_live = True
        self._exchange = session.exchange
        self._opened_s = self._exchange.now_s()
        self._waiting: bytes | None = None

    def push(self, data: Any, *, is_update: bool, uid: str | None = None, **more: Any) -> None:
        """Send one message of this channel, or what the faults in force make of it."""
        if not self.is_live:
            return
        faults = self._exchange.impairments
        channel = self.channel
        if is_update and faults.spend("missing_event", channel=channel):
            return
        if faults.applies("mute_channel", channel=channel) or self._is_frozen():
            return
        arg = self.arg if uid is None else {**self.arg, "uid": uid}
        self._send(encode({"arg": arg, **more, "data": data}), is_update=is_update)

    def end(self) -> None:
        """The subscription is over."""
        self.is_live = False
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def _is_frozen(self) -> bool:
        fault = self._exchange.impairments.applies("freeze_channel", channel=self.channel)
        return fault is not None and self._opened_s <= fault.since_s

    def _send(self, frame: bytes, *, is_update: bool) -> None:
        faults = self._exchange.impairments
        waiting, self._waiting = self._waiting, None
        if is_update and waiting is None and faults.spend("reorder_event", channel=self.channel):
            self._waiting = frame
            return
        self.session.send_frame(frame)
        if is_update and faults.spend("duplicate_event", channel=self.channel):
            self.session.send_frame(frame)
        if waiting is not None:
            self.session.send_frame(waiting)
