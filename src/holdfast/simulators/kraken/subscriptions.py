"""
``subscribe`` and ``unsubscribe``: which channel, for whom, and what comes first.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances, .../executions,
.../book, https://docs.kraken.com/exchange/guides/websockets/authentication.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.simulators.kraken.balances import BalancesChannel
from holdfast.simulators.kraken.errors import PERMISSION_DENIED, KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.executions import ExecutionsChannel
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.listing import ListedPair
from holdfast.simulators.kraken.market_channels import BOOK_DEPTHS, MarketChannels
from holdfast.simulators.kraken.rest_public import INTERVALS
from holdfast.simulators.kraken.stream import StreamRequest, StreamSession, StreamSurface
from holdfast.simulators.kraken.tokens import Token, TokenStore

__all__ = ["CHANNELS", "Subscriptions"]

_PERMISSIONS: Final = {"balances": "query-funds", "executions": "query-open-trades"}
_SYMBOLS: Final = ("ticker", "book", "trade", "ohlc")
_CONNECTION: Final = ("status", "heartbeat")

CHANNELS: Final = (*_PERMISSIONS, "instrument", *_SYMBOLS, *_CONNECTION)
"""Every channel: private, of the listing, of a symbol, of the connection itself."""

_FOREIGN: Final = {"balances": "executions", "executions": "balances"}


class Subscriptions:
    """The handlers of ``subscribe`` and ``unsubscribe``."""

    def __init__(
        self,
        exchange: KrakenExchange,
        surface: StreamSurface,
        tokens: TokenStore,
        *,
        balances: BalancesChannel,
        executions: ExecutionsChannel,
        markets: MarketChannels,
    ) -> None:
        self._exchange = exchange
        self._surface = surface
        self._tokens = tokens
        self._balances = balances
        self._executions = executions
        self._markets = markets
        surface.handlers["subscribe"] = self.subscribe
        surface.handlers["unsubscribe"] = self.unsubscribe

    def subscribe(self, request: StreamRequest) -> None:
        """Open a subscription, acknowledge it and send its snapshot, in the configured order."""
        channel = request.params.get("channel")
        if channel in _PERMISSIONS:
            self._subscribe_private(request, str(channel))
        elif channel == "instrument":
            self._open_public(request, "instrument", None, {})
        elif channel in _SYMBOLS:
            self._subscribe_public(request, str(channel))
        elif channel in _CONNECTION and self._exchange.settings.can_status_be_subscribed:
            request.succeed({"channel": channel})
            request.session.start_heartbeats()
        else:
            raise KrakenRefusedError("Subscription channel is not supported")

    def unsubscribe(self, request: StreamRequest) -> None:
        """End a subscription."""
        channel = str(request.params.get("channel"))
        session = request.session
        if channel in _PERMISSIONS or channel == "instrument":
            keys: list[tuple[str, ...]] = [(channel,)]
        else:
            keys = [(channel, str(symbol)) for symbol in self._symbols(request)]
        for key in keys:
            feed = session.feeds.pop(key, None)
            if feed is None:
                request.refuse("Subscription Not Found", **({"symbol": key[1]} if len(key) > 1 else {}))
                continue
            if feed.sequence is not None:
                session.sequences[channel] = feed.sequence
            feed.end()
            request.succeed({"channel": channel, **({"symbol": key[1]} if len(key) > 1 else {})})

    def push_foreign(self, fields: dict[str, Any]) -> None:
        """Tell every subscription of ``balances`` of a row that is in no ledger of the account."""
        self._balances.push_foreign(
            fields["asset"],
            fields.get("amount", Decimal(1)),
            wallet_type=fields.get("wallet_type", "futures"),
            wallet_id=fields.get("wallet_id", "main"),
        )

    def resend(self, channel: str) -> None:
        """Send every subscription of a channel (``*``: of both private ones) another snapshot."""
        for session in list(self._surface.sessions):
            for feed in list(session.feeds.values()):
                if feed.channel in _PERMISSIONS and channel in ("*", feed.channel):
                    feed.push("snapshot", self._private_snapshot(feed))

    # Private

    def _subscribe_private(self, request: StreamRequest, channel: str) -> None:
        params, session = request.params, request.session
        faults = self._exchange.impairments
        token = self._token(request)
        is_mute = _PERMISSIONS[channel] not in token.key.permissions
        if is_mute and self._exchange.settings.missing_permission_on_stream == "error":
            raise KrakenRefusedError(PERMISSION_DENIED)
        refusal = faults.spend("subscribe_error", channel=channel)
        if refusal is not None:
            raise KrakenRefusedError(str(refusal.fields.get("error", "EGeneral:Internal error")))
        if (channel,) in session.feeds:
            raise KrakenRefusedError("Already subscribed")
        options: dict[str, Any] = {"users": params.get("users") == "all"}
        result: dict[str, Any] = {"channel": channel}
        if channel == "balances":
            wants = options["snapshot"] = params.get("snapshot", True) is not False
            result["snapshot"] = wants
        else:
            default_orders = params.get("snapshot", True) is not False
            options["snap_orders"] = params.get("snap_orders", default_orders) is not False
            options["snap_trades"] = params.get("snap_trades", params.get("snapshot_trades", False)) is True
            options["order_status"] = params.get("order_status", True) is not False
            options["ratecounter"] = params.get("ratecounter") is True
            wants = options["snap_orders"] or options["snap_trades"]
            result |= {
                "snap_orders": options["snap_orders"],
                "snap_trades": options["snap_trades"],
                "order_status": options["order_status"],
                "ratecounter": options["ratecounter"],
            }
            if options["ratecounter"]:
                result["maxratecount"] = round(self._exchange.tier.engine_max)
        first: int = self._exchange.settings.first_sequence
        if not self._exchange.settings.does_sequence_restart:
            first = session.sequences.get(channel, first)
        feed = Feed(session, channel=channel, options=options, token=token, sequence=first)
        session.feeds[(channel,)] = feed
        session.start_heartbeats()
        if is_mute:
            options["users"] = False
            feed.silence()
        if faults.spend("foreign_ack", channel=channel):
            result["channel"] = _FOREIGN[channel]
        is_ack_first = self._exchange.settings.is_ack_before_snapshot
        if is_ack_first:
            request.succeed(result)
        if wants and not options["users"]:  # With all users there is no snapshot.
            if faults.spend("update_before_snapshot", channel=channel):
                self._repeat_last(feed)
            feed.push("snapshot", self._private_snapshot(feed))
        if not is_ack_first:
            request.succeed(result)

    def _private_snapshot(self, feed: Feed) -> list[dict[str, Any]]:
        assert feed.account is not None
        account = self._exchange.accounts[feed.account]
        if feed.channel == "balances":
            return self._balances.snapshot(account)
        return self._executions.snapshot(
            account, wants_orders=feed.options["snap_orders"], wants_trades=feed.options["snap_trades"]
        )

    def _repeat_last(self, feed: Feed) -> None:
        assert feed.account is not None
        account = self._exchange.accounts[feed.account]
        if feed.channel == "balances" and account.ledger.entries:
            feed.push("update", [self._balances.row(account, account.ledger.entries[-1:], 0)])
        elif feed.channel == "executions" and account.orders.fills:
            rows = self._executions.snapshot(account, wants_orders=False, wants_trades=True)
            feed.push("update", rows[:1])

    def _token(self, request: StreamRequest) -> Token:
        token = self._tokens.find(request.params.get("token"))
        if token is None:
            raise KrakenRefusedError(self._exchange.settings.dead_session_error)
        request.session.keys.add(token.key.public)
        return token

    # Public

    def _subscribe_public(self, request: StreamRequest, channel: str) -> None:
        options: dict[str, Any] = {}
        if channel == "book":
            options["depth"] = request.params.get("depth", 10)
            if options["depth"] not in BOOK_DEPTHS:
                raise KrakenRefusedError("Subscription depth not supported")
        elif channel == "ohlc":
            options["interval"] = request.params.get("interval", 1)
            if options["interval"] not in INTERVALS:
                raise KrakenRefusedError("Subscription ohlc interval not supported")
        elif channel == "ticker":
            options["event_trigger"] = request.params.get("event_trigger", "trades")
        for symbol in self._symbols(request):
            pair = self._exchange.listing.by_symbol.get(str(symbol))
            if pair is None:
                request.refuse(f"Currency pair not supported {symbol}", symbol=symbol)
                continue
            self._open_public(request, channel, pair, options)

    def _open_public(
        self, request: StreamRequest, channel: str, pair: ListedPair | None, options: dict[str, Any]
    ) -> None:
        session: StreamSession = request.session
        key = (channel,) if pair is None else (channel, pair.symbol)
        named = {} if pair is None else {"symbol": pair.symbol}
        if key in session.feeds:
            request.refuse("Already subscribed", **named)
            return
        wants = request.params.get("snapshot", channel != "trade") is not False
        feed = Feed(session, channel=channel, options={**options, **named})
        session.feeds[key] = feed
        session.start_heartbeats()
        shown = {name: value for name, value in options.items() if name != "book"}
        request.succeed({"channel": channel, **shown, "snapshot": wants, **named})
        data = self._markets.snapshot(feed, pair)  # Made even where it is not wanted: updates differ from it.
        if wants:
            feed.push("snapshot", data)

    def _symbols(self, request: StreamRequest) -> list[Any]:
        symbols = request.params.get("symbol")
        if not isinstance(symbols, list) or not symbols:
            raise KrakenRefusedError("Pair field must be an array")
        return symbols
