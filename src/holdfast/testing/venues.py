"""
A venue in memory, for tests of what stands above venues: it states what the test says, when the test says.

It is *not* a simulator: it knows no wire and no rules. ``FakeVenue.truth`` is what its account holds and
``FakeVenue.orders`` what it has placed; ``FakeClient`` answers reads with them, ``FakeStream`` pushes them; each can be
told to fail, lag, freeze or fall silent, and what becomes of the next order (``outcomes``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, exact, parse_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Delta, Holding, OpenOrder, OrderChange, OrdersSnapshot, Snapshot, Source
from holdfast.core.candles import CandleRules
from holdfast.core.credentials import Credential
from holdfast.core.instruments import AssetInfo, Candle, Instrument, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.positions import MarginPosition, StatedPositions
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, Priority, StreamWire
from holdfast.core.venue import (
    Capability,
    Channel,
    ClosedOrder,
    CredentialInfo,
    FeeRates,
    Fill,
    LedgerRow,
    PassphraseUse,
    SequencePolicy,
    ServerTime,
    Site,
    StreamRules,
    StreamSink,
    VenueFacts,
    VenueMode,
    VenueStatus,
)
from holdfast.errors import (
    HoldfastError,
    OutcomeUnknownError,
    UnknownOrderError,
    UnsupportedError,
    VenueUnreachableError,
)
from holdfast.testing.orders import FakeOrders, Outcomes, error_of

__all__ = ["FakeClient", "FakeStream", "FakeVenue"]

_LISTED = ("BTC", "ETH", "EUR", "SOL", "USD", "USDC", "USDT")


class FakeVenue:
    """
    A ``Venue`` called ``acme``; keys that begin with ``SIM`` are its simulator's.

    Attributes:
        truth: Asset to (total, held), as text; what is absent is zero.
        orders: The orders of its account, its instruments and prices.
        mode: What it accepts as a whole, as its status says; it refuses nothing by itself.
        candles: What it answers to every question for candles, oldest first.
        margin: Its account's margin positions; None has the question denied.
        left_out: Lines of its listing that are no instrument of ours, with the reason.
        account_id: What the venue calls every account; one name for each broker when None.
        account_mode: How its accounts are set up, and ``refusal`` why that is no good; both None where all is well.
        rules: Of its streams, where a test wants others than ``FakeStream.rules``; ``facts`` likewise.
        clients: Every client made so far; ``streams`` every stream.
    """

    id = "acme"
    facts = VenueFacts(
        sites=(
            Site(environment="production", rest_url="https://api.acme.example", ws_url="wss://stream.acme.example"),
        ),
        sequence=SequencePolicy.INCREASING_PER_KEY,
        passphrase=PassphraseUse.OPTIONAL,
        dead_man_s=(1, 86_399),
    )

    def __init__(
        self,
        truth: Mapping[str, tuple[str, str]] | None = None,
        *,
        rules: StreamRules | None = None,
        facts: VenueFacts | None = None,
    ) -> None:
        self.rules = rules
        if facts is not None:
            self.facts = facts
        self.truth: dict[str, tuple[str, str]] = dict(truth or {"USD": ("1500.25", "400.00"), "BTC": ("0.5", "0")})
        self.orders = FakeOrders(self.truth)
        self.mode = VenueMode.ONLINE
        self.candles: list[Candle] = []
        self.margin: list[MarginPosition] | None = []
        self.left_out: dict[str, str] = {}
        self.account_id: str | None = None
        self.account_mode: str | None = None
        self.refusal: str | None = None
        self.clients: list[FakeClient] = []
        self.streams: list[FakeStream] = []

    def is_simulator_key(self, key: str) -> bool:
        return key.startswith("SIM")

    def check_credential(self, credential: Credential) -> None:
        pass

    def client(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> FakeClient:
        self.orders.clock = clock
        client = FakeClient(self, lane=lane, clock=clock, account=account)
        self.clients.append(client)
        return client

    def stream(
        self,
        *,
        wire: StreamWire,
        client: Any,
        clock: Clock,
        emit: Emit,
        ws_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> FakeStream:
        self.orders.clock = clock
        stream = FakeStream(self, clock=clock, account=account)
        self.streams.append(stream)
        self.orders.listeners.append(stream.push_order)
        self.orders.money_listeners.append(stream.push_leg)
        return stream

    def holdings(self, *, with_holds: bool) -> dict[AssetCode, Holding]:
        """The truth as one statement gives it."""
        found = {}
        with exact():
            for asset, (total, held) in self.truth.items():
                owned, locked = parse_amount(total), parse_amount(held)
                found[asset] = Holding(
                    asset=asset,
                    total=owned,
                    held=locked if with_holds else None,
                    available=owned - locked if with_holds else None,
                )
        return found

    def lost(self, request: str, account: str) -> OutcomeUnknownError:
        """An answer that never came."""
        return OutcomeUnknownError(f"{request}: no answer", venue=self.id, request=request, account=account)


class FakeClient:
    """
    A ``VenueClient`` that reads the truth.

    Attributes:
        asked: (now_s, name) of every call, in order.
        failing: Name of a call, or ``*`` for all, to the error it raises.
        latency_s: What every call takes.
        answers: Name of a balance read to holdings it states in place of the truth (a lagging or wrong answer).
        outcomes: What becomes of the next orders sent over REST; ``cancel_outcomes`` of cancels.
        sent: Every ticket that was handed to the wire here, in order; ``checked`` those of dry runs.
        dead_man: Seconds that the dead-man switch was last set to, or None.
    """

    venue = "acme"
    balance_reads: tuple[str, ...] = ("BalanceEx", "Balance")
    candle_rules: CandleRules = CandleRules(intervals=(60, 300, 3600, 86_400), kept=720)

    def __init__(self, venue: FakeVenue, *, lane: Lane, clock: Clock, account: str) -> None:
        self._venue = venue
        self._lane = lane
        self._clock = clock
        self._account = account
        self._is_loaded = False
        self.asked: list[tuple[float, str]] = []
        self.failing: dict[str, HoldfastError] = {}
        self.latency_s = 0.05
        self.answers: dict[str, dict[AssetCode, Holding]] = {}
        self.outcomes = Outcomes()
        self.cancel_outcomes = Outcomes()
        self.sent: list[OrderTicket] = []
        self.checked: list[OrderTicket] = []
        self.dead_man: int | None = None
        self.is_closed = False

    async def _ask(self, name: str, *, is_private: bool = True) -> float:
        began_s = self._clock.now_s()
        if not is_private:
            return await self._exchange(name, began_s)
        async with self._lane.turn(priority=Priority.BALANCE) as turn:
            await turn.take()
            return await self._exchange(name, began_s)

    async def _exchange(self, name: str, began_s: float, *, before_send: Callable[[], None] | None = None) -> float:
        if before_send is not None:
            before_send()
        self.asked.append((self._clock.now_s(), name))
        await asyncio.sleep(self.latency_s)
        error = self.failing.get(name) or self.failing.get("*")
        if error is not None:
            raise error
        return began_s

    async def load(self) -> None:
        await self._ask("load", is_private=False)
        self._is_loaded = True

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        codes = (*_LISTED, *self._venue.truth) if self._is_loaded else ()
        return {code: AssetInfo(code=code, venue_symbol=code, decimals=8, is_enabled=True) for code in codes}

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        return self._venue.orders.instruments if self._is_loaded else {}

    @property
    def left_out(self) -> Mapping[str, str]:
        return self._venue.left_out

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """Nothing to read: what is listed is always what the test says."""

    async def server_time(self) -> ServerTime:
        began_s = await self._ask("time", is_private=False)
        wall_us = self._clock.wall_us()
        return ServerTime(
            venue_time_s=wall_us / 1_000_000,
            resolution_s=0.001,
            sent_s=began_s,
            received_s=self._clock.now_s(),
            wall_us=wall_us,
        )

    async def status(self) -> VenueStatus:
        began_s = await self._ask("status", is_private=False)
        return VenueStatus(mode=self._venue.mode, as_of_s=began_s)

    async def credential_info(self) -> CredentialInfo:
        await self._ask("credential_info")
        return CredentialInfo(
            account_id=self._venue.account_id or f"ACCT-{self._account}",
            permissions=("read",),
            can_withdraw=False,
            nonce_window=0,
            ip_allow_list=(),
            expires_at_s=None,
            account_mode=self._venue.account_mode,
            refusal=self._venue.refusal,
        )

    async def read_balances(self, read: str) -> Snapshot:
        began_s = await self._ask(read)
        states_holds = read == self.balance_reads[0]
        holdings = self.answers.get(read)
        return Snapshot(
            read=read,
            source=Source.REST,
            as_of_s=began_s,
            holdings=self._venue.holdings(with_holds=states_holds) if holdings is None else holdings,
            states_holds=states_holds,
        )

    async def open_orders(self) -> OrdersSnapshot:
        began_s = await self._ask("orders")
        return OrdersSnapshot(read="orders", source=Source.REST, as_of_s=began_s, orders=dict(self._venue.orders.open))

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]:
        await self._ask("orders_by_id")
        orders = self._venue.orders
        found: dict[str, OpenOrder | ClosedOrder] = {each.order_id: each for each in orders.closed}
        found |= orders.open
        return {order_id: found[order_id] for order_id in order_ids if order_id in found}

    async def closed_orders(
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        await self._ask("closed_orders")
        return [
            each
            for each in reversed(self._venue.orders.closed)
            if (since_s is None or (each.closed_at_s or 0.0) >= since_s)
            and client_order_id in (None, each.client_order_id)
        ]

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        await self._ask("fills")
        return [
            each
            for each in reversed(self._venue.orders.fills)
            if (since_s is None or each.at_s >= since_s) and (until_s is None or each.at_s <= until_s)
        ]

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]:
        await self._ask("ledger_rows")
        return []

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]:
        await self._ask("fee_rates")
        orders = self._venue.orders
        return {symbol: orders.fee_rates(symbol) for symbol in symbols if symbol in orders.instruments}

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]:
        began_s = await self._ask("tickers", is_private=False)
        orders = self._venue.orders
        return {symbol: orders.ticker(symbol, as_of_s=began_s) for symbol in symbols if symbol in orders.prices}

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        await self._ask("candles", is_private=False)
        return list(self._venue.candles)

    async def positions(self) -> StatedPositions:
        began_s = await self._ask("positions")
        if self._venue.margin is None:
            raise UnsupportedError("acme: it knows spot only", capability=Capability.POSITIONS.value)
        return StatedPositions(read="positions", positions=tuple(self._venue.margin), as_of_s=began_s)

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        outcome = self.outcomes.take()

        def leave() -> None:
            before_send()
            self.sent.append(ticket)

        async with self._lane.turn(priority=Priority.ORDER) as turn:
            await turn.take()
            await self._exchange("place_order", self._clock.now_s(), before_send=leave)
            order_id = self._venue.orders.place(ticket) if outcome in ("ack", "lost") else None
            if outcome in ("lost", "lost_before"):
                await asyncio.sleep(deadline_s)
            return self._acked(ticket, outcome, order_id)

    def _acked(self, ticket: OrderTicket, outcome: str | HoldfastError, order_id: str | None) -> OrderAck:
        error = error_of(outcome, request="place_order", account=self._account)
        if error is not None:
            raise error
        return OrderAck(
            order_id=order_id, client_order_id=ticket.client_order_id, as_of_s=self._clock.now_s(), via="rest"
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        outcome = self.outcomes.take()
        self.checked.append(ticket)
        await self._ask("check_order")
        return self._acked(ticket, outcome, None)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        outcome = self.cancel_outcomes.take()
        async with self._lane.turn(priority=Priority.CANCEL) as turn:
            await turn.take()
            await self._exchange("cancel_order", self._clock.now_s(), before_send=before_send)
            if outcome in ("lost", "lost_before"):
                await asyncio.sleep(deadline_s)
            return _cancelled(self._venue, outcome, order_id, client_order_id, self._account, self._clock.now_s())

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        await self._ask("cancel_all_after")
        self.dead_man = timeout_s

    async def close(self) -> None:
        self.is_closed = True


def _cancelled(
    venue: FakeVenue,
    outcome: str | HoldfastError,
    order_id: str | None,
    client_order_id: str | None,
    account: str,
    now_s: float,
) -> CancelAck:
    """Cancel at the venue what *outcome* lets happen, and tell it."""
    orders = venue.orders
    found = orders.id_of(client_order_id) if order_id is None and client_order_id is not None else order_id
    is_open = found is not None and found in orders.open
    if found is not None and is_open and outcome in ("ack", "lost"):
        orders.end(found)
    error = error_of(outcome, request="cancel_order", account=account)
    if error is not None:
        raise error
    if not is_open:
        raise UnknownOrderError("cancel_order: no such open order", venue=venue.id, request="cancel_order")
    return CancelAck(count=1, is_pending=outcome == "pending", as_of_s=now_s)


class FakeStream:
    """
    A ``VenueStream`` that heartbeats once a second, states snapshots when subscribed, and pushes what it is told.

    Attributes:
        refuses: Connections fail with this while it is set.
        is_silent: No frame of any kind arrives.
        is_mute: Subscriptions are acknowledged and nothing is ever stated or pushed; heartbeats go on.
        takes_orders: Whether an open connection is good for orders.
        outcomes: What becomes of the next orders sent here; ``cancel_outcomes`` of cancels.
        sent: Every ticket that was handed to the connection, in order; ``checked`` those of dry runs.
        dead_man: Seconds that the dead-man switch was last set to, or None.
        runs: Connections asked for so far; ``aborts`` the reasons given to ``abort``; ``resubscribed`` likewise.
    """

    rules = StreamRules(
        channels=(Channel.BALANCES, Channel.ORDERS),
        silent_after_s=5.0,
        ping_after_s=3.0,
        snapshot_within_s=10.0,
        connect_budget=150,
        connect_budget_window_s=600.0,
        pushes_balances=True,
    )

    def __init__(self, venue: FakeVenue, *, clock: Clock, account: str) -> None:
        self._venue = venue
        self.rules = venue.rules or self.rules
        self._clock = clock
        self._account = account
        self._sink: StreamSink | None = None
        self._end: asyncio.Future[HoldfastError] | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._serial = 0
        self.refuses: HoldfastError | None = None
        self.is_silent = False
        self.is_mute = False
        self.takes_orders = True
        self.outcomes = Outcomes()
        self.cancel_outcomes = Outcomes()
        self.sent: list[OrderTicket] = []
        self.checked: list[OrderTicket] = []
        self.dead_man: int | None = None
        self.latency_s = 0.05
        self.runs = 0
        self.aborts: list[str] = []
        self.resubscribed: list[tuple[Channel, str]] = []

    async def run(self, sink: StreamSink) -> None:
        self.runs += 1
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        try:
            await asyncio.wait({self._end}, timeout=self.latency_s)
            if self.refuses is not None or self._end.done():
                raise self.refuses or self._end.result()
            self._sink = sink
            sink.stream_opened()
            self._beating = loop.call_later(1.0, self._beat)
            for channel in self.rules.channels:
                if not self.is_silent:
                    sink.frame_arrived(self._clock.now_s())
                    sink.channel_subscribed(channel)
                    self._state(channel)
            raise await self._end
        finally:
            if self._beating is not None:
                self._beating.cancel()
            self._sink = self._end = None

    def _beat(self) -> None:
        if self._sink is None:
            return
        if not self.is_silent:
            self._sink.frame_arrived(self._clock.now_s())
        self._beating = asyncio.get_running_loop().call_later(1.0, self._beat)

    def _state(self, channel: Channel) -> None:
        if self._sink is None or self.is_silent or self.is_mute:
            return
        now_s = self._clock.now_s()
        self._sink.frame_arrived(now_s)
        if channel is Channel.BALANCES:
            holdings = self._venue.holdings(with_holds=False)
            self._sink.balances_stated(
                Snapshot(read="balances", source=Source.STREAM, as_of_s=now_s, holdings=holdings, states_holds=False)
            )
        else:
            orders = dict(self._venue.orders.open)
            self._sink.orders_stated(
                OrdersSnapshot(read="executions", source=Source.STREAM, as_of_s=now_s, orders=orders)
            )

    def resubscribe(self, channel: Channel, reason: str) -> None:
        self.resubscribed.append((channel, reason))
        asyncio.get_running_loop().call_later(self.latency_s, self._state, channel)

    @property
    def can_send_orders(self) -> bool:
        return self._sink is not None and self.takes_orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        outcome = self.outcomes.take()
        end = self._connected("place_order")
        before_send()
        if outcome != "never_sent":
            self.sent.append(ticket)
            await self._latency(end, "place_order")
        order_id = self._venue.orders.place(ticket) if outcome in ("ack", "lost") else None
        if outcome in ("lost", "lost_before"):
            await asyncio.wait({end}, timeout=deadline_s)
        return self._acked(ticket, outcome, order_id)

    def _acked(self, ticket: OrderTicket, outcome: str | HoldfastError, order_id: str | None) -> OrderAck:
        error = error_of(outcome, request="place_order", account=self._account)
        if error is not None:
            raise error
        return OrderAck(
            order_id=order_id, client_order_id=ticket.client_order_id, as_of_s=self._clock.now_s(), via="stream"
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        outcome = self.outcomes.take()
        end = self._connected("check_order")
        self.checked.append(ticket)
        await self._latency(end, "check_order")
        return self._acked(ticket, outcome, None)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        outcome = self.cancel_outcomes.take()
        end = self._connected("cancel_order")
        before_send()
        await self._latency(end, "cancel_order")
        if outcome in ("lost", "lost_before"):
            await asyncio.wait({end}, timeout=deadline_s)
        return _cancelled(self._venue, outcome, order_id, client_order_id, self._account, self._clock.now_s())

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        await self._latency(self._connected("cancel_all_after"), "cancel_all_after")
        self.dead_man = timeout_s

    def _connected(self, request: str) -> asyncio.Future[HoldfastError]:
        if self._sink is None or self._end is None or not self.takes_orders:
            raise VenueUnreachableError(
                f"{request}: no connection", venue=self._venue.id, request=request, account=self._account
            )
        return self._end

    async def _latency(self, end: asyncio.Future[HoldfastError], request: str) -> None:
        await asyncio.wait({end}, timeout=self.latency_s)
        if end.done():
            raise self._venue.lost(request, self._account)

    def push_order(self, change: OrderChange) -> None:
        """Push one change of one order, unless nothing can be pushed now."""
        if self._sink is None or self.is_silent or self.is_mute:
            return
        self._sink.frame_arrived(self._clock.now_s())
        self._sink.orders_changed([change])

    def abort(self, reason: str) -> None:
        self.aborts.append(reason)
        self._finish(self._venue.lost(f"stream {reason}", self._account))

    def cut(self) -> None:
        """The connection breaks."""
        self._finish(self._venue.lost("stream", self._account))

    def _finish(self, error: HoldfastError) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(error)

    def move(self, asset: AssetCode, change: str, *, kind: str = "deposit") -> None:
        """Change the truth and push it, unless nothing can be pushed now."""
        with exact():
            total, held = self._venue.truth.get(asset, ("0", "0"))
            after = parse_amount(total) + parse_amount(change)
        self._venue.truth[asset] = (format(after, "f"), held)
        self._push_delta(asset, Decimal(change) if change else ZERO, after, kind=kind, ref=None)

    def push_leg(self, asset: AssetCode, change: Decimal, fill_id: str) -> None:
        """Push one leg of a fill, after which the truth stands as it stands, unless nothing can be pushed now."""
        self._push_delta(asset, change, parse_amount(self._venue.truth[asset][0]), kind="trade", ref=fill_id)

    def _push_delta(self, asset: AssetCode, change: Decimal, after: Decimal, *, kind: str, ref: str | None) -> None:
        if self._sink is None or self.is_silent or self.is_mute or not self.rules.pushes_balances:
            return
        self._serial += 1
        now_s = self._clock.now_s()
        self._sink.frame_arrived(now_s)
        self._sink.balances_moved(
            [
                Delta(
                    asset=asset,
                    change=change,
                    total=after,
                    kind=kind,
                    ref=ref or f"R{self._serial}",
                    has_other_leg=ref is not None,
                    as_of_s=now_s,
                    entry=f"L{self._serial}",
                )
            ]
        )

    def gap(self, channel: Channel) -> None:
        """One frame is missing: the adapter reports it and asks for a new snapshot."""
        if self._sink is None:
            return
        self._sink.frame_arrived(self._clock.now_s())
        self._sink.channel_gapped(channel, expected=self._serial + 1, found=self._serial + 2)
        asyncio.get_running_loop().call_later(self.latency_s, self._state, channel)
