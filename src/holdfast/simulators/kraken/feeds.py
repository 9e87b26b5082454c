"""
Subscriptions, and the numbering of their messages.

The sequence of a private channel counts the messages of one subscription, its snapshot first. The faults that a
subscription can act out are applied here, between what happened and what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.simulators.kraken.render import encode
from holdfast.simulators.kraken.tokens import Token

if TYPE_CHECKING:
    from holdfast.simulators.kraken.stream import StreamSession

__all__ = ["Feed"]


class Feed:
    """
    One subscription of one connection.

    Args:
        session: Whose it is.
        channel: ``balances``, ``book`` ...
        options: What the subscription asked for, and what its channel remembers of it.
        token: Behind a private one.
        sequence: Number of its first message; None where the channel numbers nothing.
    """

    def __init__(
        self,
        session: StreamSession,
        *,
        channel: str,
        options: dict[str, Any],
        token: Token | None = None,
        sequence: int | None = None,
    ) -> None:
        self.session = session
        self.channel = channel
        self.options = options
        self.token = token
        self.sequence = sequence
        self._exchange = session.exchange
        self._opened_s = self._exchange.now_s()
        self._is_live = True
        self._is_silent = False
        self._waiting: bytes | None = None
        if token is not None:
            token.subscriptions += 1

    @property
    def account(self) -> str | None:
        """The account a private subscription is for."""
        return None if self.token is None else self.token.key.account

    def covers(self, account: str) -> bool:
        """Whether a private subscription tells of this account."""
        return account == self.account or bool(self.options.get("users"))

    def push(self, kind: str, data: Any, *, exec_type: str = "") -> None:
        """Send one message of this channel, or what the faults in force make of it."""
        if not self._is_live or self._is_silent:
            return
        faults = self._exchange.impairments
        channel = self.channel
        is_update = kind == "update"
        if is_update and faults.spend("missing_event", channel=channel, exec_type=exec_type):
            return
        if faults.applies("mute_channel", channel=channel) or self._is_frozen():
            if self.sequence is not None:
                self.sequence += 1  # What was not delivered is missing from the numbering afterwards.
            return
        if not is_update and faults.spend("snapshot_empty", channel=channel):
            data = []
        message: dict[str, Any] = {"channel": channel, "type": kind, "data": data}
        if self.sequence is not None:
            number = self.sequence
            if is_update:
                if faults.spend("sequence_gap", channel=channel):
                    self.sequence += 1
                    return
                regress = faults.spend("sequence_regress", channel=channel)
                if regress is not None:
                    number = regress.fields.get("to", number - regress.fields.get("by", 1))
            message["sequence"] = number
            self.sequence = number + 1
        self._send(encode(message), is_update=is_update)

    def silence(self) -> None:
        """Acknowledged, and never to deliver anything."""
        self._is_silent = True

    def end(self) -> None:
        """The subscription is over; its token loses one that lived on it."""
        if self._is_live:
            self._is_live = False
            if self.token is not None:
                self.token.subscriptions -= 1

    def _is_frozen(self) -> bool:
        fault = self._exchange.impairments.applies("freeze_channel", channel=self.channel)
        return fault is not None and self._opened_s <= fault.since_s

    def _send(self, frame: bytes, *, is_update: bool) -> None:
        faults = self._exchange.impairments
        waiting, self._waiting = self._waiting, None
        if is_update and waiting is None and faults.spend("sequence_reorder", channel=self.channel):
            self._waiting = frame
            return
        self.session.send_frame(frame)
        if is_update and faults.spend("sequence_duplicate", channel=self.channel):
            self.session.send_frame(frame)
        if waiting is not None:
            self.session.send_frame(waiting)
