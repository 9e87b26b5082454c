"""
``subscribe`` and ``unsubscribe``: which channel, for whom, and what comes first.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances,
https://docs.kraken.com/exchange/guides/websockets/authentication.
"""

from __future__ import annotations

from typing import Any

from holdfast.simulators.kraken.channels_private import BalancesChannel
from holdfast.simulators.kraken.errors import PERMISSION_DENIED, KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.render import rfc3339
from holdfast.simulators.kraken.stream import StreamSession, StreamSurface
from holdfast.simulators.kraken.tokens import Token, TokenStore

__all__ = ["Subscriptions"]


class Subscriptions:
    """The handlers of ``subscribe`` and ``unsubscribe``."""

    def __init__(self, exchange: KrakenExchange, surface: StreamSurface, tokens: TokenStore) -> None:
        self._exchange = exchange
        self._tokens = tokens
        self._balances = BalancesChannel(exchange, surface)
        surface.handlers["subscribe"] = self.subscribe
        surface.handlers["unsubscribe"] = self.unsubscribe

    def subscribe(self, session: StreamSession, request: dict[str, Any], params: dict[str, Any]) -> None:
        """Open a subscription, acknowledge it and send its snapshot."""
        time_in = rfc3339(self._exchange.now_us())
        channel = params.get("channel")
        if channel != "balances":
            raise KrakenRefusedError("Subscription channel is not supported")
        token = self._token(params, "query-funds")
        if (channel,) in session.feeds:
            raise KrakenRefusedError("Already subscribed")
        wants_snapshot = params.get("snapshot", True) is not False
        feed = Feed(session, channel=channel, options={}, token=token, sequence=self._exchange.settings.first_sequence)
        session.feeds[(channel,)] = feed
        session.start_heartbeats()
        acknowledge = {"success": True, "result": {"channel": channel, "snapshot": wants_snapshot}}
        if self._exchange.settings.is_ack_before_snapshot:
            session.answer(request, time_in, acknowledge)
        if wants_snapshot:
            feed.push("snapshot", self._balances.snapshot(self._exchange.accounts[token.key.account]))
        if not self._exchange.settings.is_ack_before_snapshot:
            session.answer(request, time_in, acknowledge)

    def unsubscribe(self, session: StreamSession, request: dict[str, Any], params: dict[str, Any]) -> None:
        """End a subscription."""
        channel = params.get("channel")
        feed = session.feeds.pop((str(channel),), None)
        if feed is None:
            raise KrakenRefusedError("Subscription Not Found")
        feed.end()
        time_in = rfc3339(self._exchange.now_us())
        session.answer(request, time_in, {"success": True, "result": {"channel": channel}})

    def _token(self, params: dict[str, Any], permission: str) -> Token:
        token = self._tokens.find(params.get("token"))
        if token is None:
            raise KrakenRefusedError(self._exchange.settings.dead_session_error)
        if permission not in token.key.permissions:
            raise KrakenRefusedError(PERMISSION_DENIED)
        return token
