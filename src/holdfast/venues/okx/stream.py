"""
OKX's private stream: ``account``, ``balance_and_position``, ``orders`` and order operations over one WebSocket.

What a frame changes is changed in the plain function that receives it. The coroutine around it only does what has to
wait: log in, subscribe, and read the open orders, which the orders channel does not state by itself. A new snapshot is
asked for by unsubscribing and subscribing again; until it has come nothing of the channel is delivered. Silence is
judged by the caller; the keep-alive is a text, not a control frame.

OKX says half a minute or more before it closes a connection for a service upgrade. Then a second one is opened beside
it, logs in and takes its snapshots, and only then takes the first one's place.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-connect ·
https://www.okx.com/docs-v5/en/#overview-websocket-login · https://www.okx.com/docs-v5/en/#overview-websocket-notification
· https://www.okx.com/docs-v5/en/#overview-websocket-connection-count-limit (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.seams import Clock, Emit, StreamWire
from holdfast.core.venue import Capability, Channel, StreamRules, StreamSink
from holdfast.errors import (
    ClosedError,
    FaultClass,
    Outcome,
    PayloadError,
    RateLimitedError,
    UnsupportedError,
    VenueError,
)
from holdfast.venues.okx import errors, limits, orders
from holdfast.venues.okx.account_channel import AccountChannel
from holdfast.venues.okx.client import OkxClient
from holdfast.venues.okx.errors import After
from holdfast.venues.okx.facts import FACTS
from holdfast.venues.okx.requests import RefusedError
from holdfast.venues.okx.session import Recorder, Session, lost
from holdfast.venues.okx.symbols import Line

__all__ = ["OkxStream"]

_RULES: Final = StreamRules(
    channels=(Channel.BALANCES, Channel.ORDERS),
    silent_after_s=5.0,
    ping_after_s=2.0,
    snapshot_within_s=10.0,
    connect_budget=limits.CONNECTS,
    connect_budget_window_s=limits.CONNECTS_WINDOW_S,
    pushes_balances=True,
    rest_lag_s=limits.REST_LAG_S,
    balances_within_s=15.0,  # Three periods of the channel's own snapshots.
)

# A second connection has so long to state everything; OKX announces thirty seconds ahead at least.
_SPARE_WITHIN_S: Final = 20.0

# Orders that are under way on the first connection are waited for before it is let go.
_LAND_WITHIN_S: Final = 5.0


class OkxStream:
    """
    The private stream of one credential.

    Args:
        wire: Where connections come from.
        client: What logs in, reads the open orders and keeps the windows that orders share.
        clock: Time of frames.
        emit: Takes ``stream.resubscribed``.
        ws_url: The address before ``/private``.
        account: The broker's name, for errors and events.
    """

    rules: StreamRules = _RULES

    def __init__(
        self, *, wire: StreamWire, client: OkxClient, clock: Clock, emit: Emit, ws_url: str, account: str
    ) -> None:
        self._wire = wire
        self._client = client
        self._clock = clock
        self._emit = emit
        self._url = f"{ws_url.rstrip('/')}/private"
        self._account = account
        self._session: Session | None = None
        self._told = AccountChannel()
        self._codes_refused: set[int] = set()

    async def run(self, sink: StreamSink) -> None:
        """
        Open one connection and serve it until it ends. Suspends for the connection's whole life.

        Raises:
            VenueError: The connection, its handshake, login or subscriptions failed, or it was lost.
            DeniedError: The credential is parked, or had no turn.
            ClosedError: It is running already.
        """
        if self._session is not None:
            raise ClosedError("okx: this stream is running already")
        session = self._session = self._opened(sink, self._told)
        task: asyncio.Future[None] = asyncio.ensure_future(session.live(self._wire, self._url))
        try:
            while True:
                await _first(task, session.noticed)
                if task.done():
                    await task
                session.noticed.clear()
                replaced = await self._replaced(session, task, sink)
                if replaced is not None:
                    session, task = replaced
        except PayloadError as error:
            raise VenueError(
                f"okx stream: {error}",
                venue="okx",
                request="stream",
                account=self._account,
                fault=FaultClass.PAYLOAD,
            ) from error
        finally:
            self._session = None
            await _let_go(session, task)

    def _opened(self, sink: StreamSink, told: AccountChannel) -> Session:
        return Session(self._client, sink, self._clock, self._emit, self._account, self.rules, told)

    async def _replaced(
        self, old: Session, old_task: asyncio.Future[None], sink: StreamSink
    ) -> tuple[Session, asyncio.Future[None]] | None:
        """A second connection in *old*'s place, once it has stated everything; None where it could not."""
        recorder = Recorder()
        spare = self._opened(recorder, AccountChannel())
        spare_task = asyncio.ensure_future(spare.live(self._wire, self._url))
        try:
            async with asyncio.timeout(_SPARE_WITHIN_S):
                await _first(spare_task, spare.stated, old_task)
        except TimeoutError:
            pass
        except BaseException:
            await _let_go(spare, spare_task)
            raise
        if not spare.stated.is_set() or spare_task.done() or old_task.done():
            await _let_go(spare, spare_task)
            return None
        # In one step: what the old one tells from here on is for nobody.
        self._session, self._told = spare, spare.told
        old.sink = Recorder()
        recorder.replay(sink)
        spare.sink = sink
        try:
            await old.requests.landed(within_s=_LAND_WITHIN_S)
        except BaseException:
            await _let_go(spare, spare_task)
            raise
        finally:
            await _let_go(old, old_task)
        return spare, spare_task

    @property
    def round_trip_s(self) -> float | None:
        """Seconds our latest answered ping took on this connection; None where none was answered yet."""
        return None if self._session is None else self._session.round_trip_s

    # Orders

    @property
    def can_send_orders(self) -> bool:
        """Whether the connection is open, logged in and subscribed to ``orders``. Never suspends."""
        return self._session is not None and self._session.can_send_orders

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        ``order``, once. Suspends until the answer, at most *deadline_s* seconds after its place in the rate limit.

        An instrument that has no code on the stream, or one that the stream did not know, is not sent: REST takes it.

        Raises:
            VenueError: ``outcome`` says what may have happened.
            DeniedError, ConfigError: Nothing was sent.
        """
        op = "order"
        self._sending(op)
        line = (await self._client.names()).line(ticket.symbol)
        if line.code is None or line.code in self._codes_refused:
            raise orders.unsent(f"the stream has no code for {ticket.symbol}", op, self._account)
        fields = orders.place_fields(ticket, line, is_stream=True)
        await self._admit(line, op, is_cancel=False)
        session = self._sending(op)
        self._client.learn_order(ticket.client_order_id, line.inst_id)
        try:
            frame, at_s = await session.requests.ask(
                op, fields, expires=orders.expires_ms(ticket), deadline_s=deadline_s, before_send=before_send
            )
        except RefusedError as refused:
            self._note(refused, line, is_cancel=False)
            return await self._client.resolve_duplicate(refused.error, ticket, line, via="stream")
        return orders.placed(
            frame.code or "", frame.data, ticket, request=op, account=self._account, as_of_s=at_s, via="stream"
        )

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """
        Nothing: OKX has no dry run in spot mode.

        Raises:
            UnsupportedError: Always; nothing was sent.
        """
        raise UnsupportedError(f"okx: {FACTS.lacks[Capability.ORDER_CHECK]}", capability=Capability.ORDER_CHECK.value)

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        ``cancel-order``, by OKX's id where it is known, else by ours; one under way already is no failure.

        Raises:
            UnknownOrderError: No such open order.
            VenueError, DeniedError: As ``place_order``.
        """
        op = "cancel-order"
        self._sending(op)
        line = self._client.traded_line(order_id=order_id, client_order_id=client_order_id)
        if line is None or line.code is None or line.code in self._codes_refused:
            raise orders.unsent("its instrument, or that one's code on the stream, is not known", op, self._account)
        fields = orders.cancel_fields(line, order_id=order_id, client_order_id=client_order_id, is_stream=True)
        await self._admit(line, op, is_cancel=True)
        session = self._sending(op)
        try:
            frame, at_s = await session.requests.ask(
                op, fields, expires=None, deadline_s=deadline_s, before_send=before_send
            )
        except RefusedError as refused:
            self._note(refused, line, is_cancel=True)
            error = refused.error
            if error.code == errors.ALREADY_CANCELLING and error.outcome is Outcome.REJECTED:
                return CancelAck(count=1, is_pending=True, as_of_s=self._clock.now_s())
            raise error from None
        return orders.cancelled(
            frame.code or "",
            frame.data,
            order_id=order_id,
            client_order_id=client_order_id,
            request=op,
            account=self._account,
            as_of_s=at_s,
        )

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """``cancel-all-after`` has no operation on the stream: REST takes it."""
        await self._client.cancel_all_after(timeout_s, deadline_s=deadline_s)

    async def _admit(self, line: Line, op: str, *, is_cancel: bool) -> None:
        try:
            await self._client.calls.admit_order(line.inst_id, is_cancel=is_cancel)
        except RateLimitedError as error:
            raise orders.unsent(str(error), op, self._account, cause=error) from error

    def _note(self, refused: RefusedError, line: Line, *, is_cancel: bool) -> None:
        """What a refusal says beyond the one order."""
        error = refused.error
        if refused.after is After.WAIT:
            self._client.calls.refused_order(line.inst_id, error, is_cancel=is_cancel)
        elif refused.after is After.LOGIN and self._session is not None:
            self._session.end(lost("the login has lapsed", self._account))
        elif error.code in ("51001", "50014") and line.code is not None:
            # Demo streams were seen not to know the codes that demo's own REST publishes: from now on REST takes these.
            # Source: https://github.com/nautechsystems/nautilus_trader/issues/4964 (checked 2026-11-20)
            self._codes_refused.add(line.code)

    def _sending(self, op: str) -> Session:
        if self._session is None or not self._session.can_send_orders:
            raise orders.unsent("no connection takes orders now", op, self._account)
        return self._session

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Ask for a new snapshot of one channel; its changes are dropped until it has come. Never suspends."""
        if self._session is not None:
            self._session.resubscribe(channel, reason)

    def abort(self, reason: str) -> None:
        """Drop the connection now; ``run`` raises. Never suspends."""
        if self._session is not None:
            self._session.end(lost(f"aborted: {reason}", self._account))


async def _first(*awaited: asyncio.Future[None] | asyncio.Event) -> None:
    """Wait until one of these is done or set."""
    waits: list[asyncio.Future[Any]] = [each for each in awaited if isinstance(each, asyncio.Future)]
    events = [asyncio.ensure_future(each.wait()) for each in awaited if isinstance(each, asyncio.Event)]
    try:
        await asyncio.wait([*waits, *events], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in events:
            each.cancel()


async def _let_go(session: Session, task: asyncio.Future[None]) -> None:
    """Nothing of a connection reaches anybody from here on."""
    session.abandon()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait({task})
    if task.done() and not task.cancelled():
        task.exception()  # Seen.
