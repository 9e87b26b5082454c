"""
Subscriptions, and the numbering of their messages.

The sequence of a private channel counts the messages of one subscription (its snapshot first). The faults that a
subscription itself can act out are applied here, between what happened and what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.simulators.kraken.tokens import Token

if TYPE_CHECKING:
    from holdfast.simulators.kraken.stream import StreamSession

__all__ = ["Feed"]


class Feed:
    """One subscription of one connection."""

    def __init__(
        self,
        session: StreamSession,
        *,
        channel: str,
        options: dict[str, Any],
        token: Token | None,
        sequence: int | None,
    ) -> None:
        self.session = session
        self.channel = channel
        self.options = options
        self.token = token
        self.is_live = True
        self.sequence = sequence  # Of the next message; None where the channel has none.
        if token is not None:
            token.subscriptions += 1

    def push(self, kind: str, data: Any) -> None:
        """Send one message of this channel."""
        if not self.is_live:
            return
        message: dict[str, Any] = {"channel": self.channel, "type": kind, "data": data}
        if self.sequence is not None:
            message["sequence"] = self.sequence
            self.sequence += 1
        self.session.send(message)

    def end(self) -> None:
        """The subscription is over; its token loses one that lived on it."""
        if self.is_live:
            self.is_live = False
            if self.token is not None:
                self.token.subscriptions -= 1
