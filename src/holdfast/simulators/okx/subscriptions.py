"""
``subscribe`` and ``unsubscribe``: which channel, on which address, for whom, and what comes first.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#overview-websocket-subscribe,
https://www.okx.com/docs-v5/en/#overview-websocket-connection-count-limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.okx.account_channels import AccountChannels
from holdfast.simulators.okx.errors import StreamRefusedError
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.feeds import Feed
from holdfast.simulators.okx.market_channels import BOOKS, MarketChannels
from holdfast.simulators.okx.rest_public import BARS
from holdfast.simulators.okx.stream import StreamSession, StreamSurface

__all__ = ["CHANNELS", "Subscriptions"]

CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "private": ("account", "balance_and_position", "orders", "positions", "fills"),
    "public": ("tickers", "trades", *BOOKS, "instruments", "status"),
    "business": (*(f"candle{bar}" for bar in BARS), "trades-all"),
}
"""Channels by address."""

_COUNTED: Final = ("account", "balance_and_position", "orders", "positions")
_FOREIGN: Final = {"account": "orders", "orders": "account", "balance_and_position": "account"}
_LIMITED_ARGS: Final = 64 * 1024


class Subscriptions:
    """The handlers of ``subscribe`` and ``unsubscribe``."""

    def __init__(
        self, exchange: OkxExchange, surface: StreamSurface, *, account: AccountChannels, markets: MarketChannels
    ) -> None:
        self._exchange = exchange
        self._surface = surface
        self._account = account
        self._markets = markets
        surface.handlers["subscribe"] = self.subscribe
        surface.handlers["unsubscribe"] = self.unsubscribe

    def subscribe(self, session: StreamSession, message: Mapping[str, Any]) -> None:
        """Open every subscription that is asked for: acknowledge each, then send what it starts with."""
        for arg in _args(message):
            try:
                self._open(session, message, arg)
            except StreamRefusedError as refusal:
                session.refuse(refusal, message)

    def unsubscribe(self, session: StreamSession, message: Mapping[str, Any]) -> None:
        """End every subscription that is named."""
        for arg in _args(message):
            feed = session.feeds.pop(_key(arg), None)
            if feed is None:
                session.refuse(StreamRefusedError("60018", f"No such subscription: {arg.get('channel')}"), message)
                continue
            feed.end()
            session.send(_event("unsubscribe", session, message, arg=arg))

    def _open(self, session: StreamSession, message: Mapping[str, Any], arg: dict[str, Any]) -> None:
        channel = arg.get("channel")
        if not isinstance(channel, str) or channel not in CHANNELS[session.kind]:
            raise StreamRefusedError("60018", f"Wrong URL or channel:{channel} doesn't exist.")
        account = self._whose(session, channel)
        faults = self._exchange.impairments
        refused = faults.spend("subscribe_error", channel=channel)
        if refused is not None:
            raise StreamRefusedError(str(refused.fields.get("code", "60018")))
        self._check_arg(channel, arg)
        key = _key(arg)
        if key in session.feeds:  # Again: acknowledged again, and started again.
            session.feeds.pop(key).end()
        feed = session.feeds[key] = Feed(session, arg, account=account)
        told = arg
        if faults.spend("foreign_ack", channel=channel):
            told = {**arg, "channel": _FOREIGN.get(channel, "account")}
        session.send(_event("subscribe", session, message, arg=told))
        if account is not None and channel in _COUNTED and self._is_over(session, feed):
            return
        if channel in ("account", "balance_and_position"):
            self._account.begin(feed)
        elif channel == "positions":
            feed.push([], is_update=False, uid=session.account.uid)
        elif account is None:
            self._markets.begin(feed)

    def _whose(self, session: StreamSession, channel: str) -> str | None:
        if session.kind != "private":
            return None
        if session.key is None:
            raise StreamRefusedError("60011")
        if channel == "fills":
            raise StreamRefusedError("64003")
        if "read_only" not in session.key.permissions:
            raise StreamRefusedError("60018")
        return session.key.account

    def _check_arg(self, channel: str, arg: Mapping[str, Any]) -> None:
        if channel in ("orders", "positions"):
            if arg.get("instType") not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY"):
                raise StreamRefusedError("60013")
        elif channel == "instruments":
            if not isinstance(arg.get("instType"), str):
                raise StreamRefusedError("60013")
        elif channel in ("account", "balance_and_position", "status"):
            return
        elif arg.get("instId") not in self._exchange.listing.instruments:
            raise StreamRefusedError("60018", f"Wrong URL or instId:{arg.get('instId')} doesn't exist.")

    def _is_over(self, session: StreamSession, feed: Feed) -> bool:
        """Tell how many connections have this channel; one too many is acknowledged, and dead."""
        count = len({id(other.session) for other in self._surface.feeds(feed.channel, feed.account)})
        is_over = count > self._exchange.settings.connections_per_channel
        if not is_over and self._exchange.impairments.spend("connection_count_error", channel=feed.channel) is None:
            session.send(_count(session, feed, "channel-conn-count", count))
            return False
        most = self._exchange.settings.connections_per_channel
        session.send(_count(session, feed, "channel-conn-count-error", most))
        feed.end()
        session.feeds.pop(_key(feed.arg), None)
        return True


def _args(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    args = message.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise StreamRefusedError("60012", "Invalid request: args")
    if sum(len(str(arg)) for arg in args) > _LIMITED_ARGS:
        raise StreamRefusedError("60013")
    return args


def _key(arg: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in arg.items() if name != "extraParams"))


def _event(name: str, session: StreamSession, message: Mapping[str, Any], *, arg: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {"event": name, "arg": arg, "connId": session.connection_id}
    return {"id": message["id"], **event} if isinstance(message.get("id"), str) else event


def _count(session: StreamSession, feed: Feed, name: str, count: int) -> dict[str, Any]:
    return {"event": name, "channel": feed.channel, "connCount": str(count), "connId": session.connection_id}
