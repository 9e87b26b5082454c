"""What a wrapped exchange does in place of ccxt, as coroutines for the engine's thread, and how refusals are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Mapping
from typing import Any

import ccxt

from holdfast.core.orders import OrderState
from holdfast.core.parking import BAD_KEY, INVALID_NONCE, LOCKOUT, PROBE_EVERY_S
from holdfast.core.venue import VenueMode
from holdfast.errors import (
    BalanceStaleError,
    BalanceUnknownError,
    HoldfastError,
    IntentRepeatedError,
    NotReadyError,
    OrderRuleError,
    OutcomeUnknownError,
    OwnerSilentError,
    UnknownNameError,
    UnknownReservationError,
    VenueRejectedError,
)
from holdfast.runtime.broker import Broker
from holdfast.runtime.intent_record import client_order_id_of
from holdfast.runtime.views import Order
from holdfast.wrapping.balances import balance_structure
from holdfast.wrapping.engine import Account, Engine, engine_of
from holdfast.wrapping.exchanges import Call, call_of
from holdfast.wrapping.orders import OrderCall, codes_of, order_call, order_structure
from holdfast.wrapping.refusals import OrderInDoubtError, rejected_order

__all__ = ["Bond", "has_foreign_type", "parking_of"]

_AGAIN_S = 0.5
_IDS_KEPT = 10_000
_ORDERS_REMEMBERED = 500
_LOCKOUT_S = 900.0
"""As Kraken asks for: https://docs.kraken.com/exchange/guides/general/errors (checked 2026-11-20)."""


class Bond:
    """
    What ties one wrapped exchange object to its account; made by ``wrap``, safe to keep over a fork.

    Its coroutines run in the engine's thread.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._engine: Engine | None = None
        self._own_ids: dict[str, str] = {}  # By the id that the venue has.
        self._has_remembered = False

    @property
    def has_nonces(self) -> bool:
        """Whether the venue wants rising nonces."""
        return self._account.has_nonces

    @property
    def broker(self) -> str:
        """The broker's name: what `holdfast status` and ``holdfast.connect`` know it by."""
        return self._account.broker.name

    def engine(self) -> Engine:
        """This process's engine; another one in a forked child, and after ``part``."""
        if self._engine is None or self._engine.pid != os.getpid():
            self._engine = engine_of(self._account)
        return self._engine

    def part(self) -> Engine | None:
        """Let go of the engine, which has to be given back; None where there is none. Takes no lock."""
        engine, self._engine = self._engine, None
        return engine

    def call_of(self, exchange: Any, path: str, api: Any, method: str) -> Call:
        """
        What a call of ccxt's is.

        Raises:
            ccxt.AuthenticationError: It is signed, and not with the key that was wrapped.
        """
        call = call_of(exchange, path, api, method)
        if call.is_signed and exchange.apiKey != self._account.credential.key:
            raise ccxt.AuthenticationError(
                f"{exchange.id} this object's apiKey was changed after it was wrapped: wrap one object per key"
            )
        return call

    def own_id_of(self, venues_id: str) -> str:
        """The bot's own id of an order that the venue calls *venues_id*; that itself where no other is known."""
        return self._own_ids.get(venues_id, venues_id)

    def has_own_id(self, name: str) -> bool:
        """Whether an order was placed under this id of the bot's own, as far as this process knows."""
        return name in self._own_ids.values()

    def _learn(self, own_id: str | None) -> None:
        if own_id is None:
            return
        venues_id = client_order_id_of(own_id)
        if venues_id == own_id:
            return
        self._own_ids[venues_id] = own_id
        if len(self._own_ids) > _IDS_KEPT:
            del self._own_ids[next(iter(self._own_ids))]

    # In the engine's thread

    async def venues_id_of(self, name: str) -> str | None:
        """The venue's id of the order that a bot, or the venue for it, calls *name*; None where none is remembered."""
        broker = await self._opened()
        try:
            return (await broker.order(name)).order_id
        except UnknownReservationError:
            return None

    async def _opened(self) -> Broker:
        """The broker; the ids that bots gave to orders of before are known from then on."""
        broker = await self.engine().broker()
        if not self._has_remembered:
            self._has_remembered = True
            with contextlib.suppress(HoldfastError):  # Without them the venue's own ids are shown.
                for order in reversed(await broker.orders(limit=_ORDERS_REMEMBERED)):
                    self._learn(order.intent_id)
        return broker

    async def balances(self, exchange: Any) -> dict[str, Any]:
        """The account in ccxt's shape."""
        await self._opened()
        broker = await self.engine().figures()
        await self._settle_in(broker)
        codes = codes_of(exchange, broker.assets)
        return balance_structure(exchange, broker.balances(), codes, broker=broker.name, account_id=broker.account_id)

    async def place(self, exchange: Any, **asked: Any) -> dict[str, Any]:
        """Judge, reserve and send one order; awaits the evidence where its answer was lost."""
        broker = await self._opened()
        await self._settle_in(broker)
        codes = codes_of(exchange, broker.assets)
        call = order_call(exchange, codes, **asked)
        self._learn(call.intent_id)  # Before it is sent: a stream of ccxt's may tell of it first.
        try:
            order = await self._placed_once(broker, call, exchange)
        except VenueRejectedError as error:
            raise rejected_order(error, exchange) from error
        return order_structure(exchange, order, codes)

    async def cancel(self, exchange: Any, order_id: str) -> dict[str, Any]:
        """Cancel one order by the venue's id or ours."""
        broker = await self._opened()
        until_s = asyncio.get_running_loop().time() + self._account.figures_wait_s
        while True:
            try:
                order = await broker.cancel_order(order_id)
                return order_structure(exchange, order, codes_of(exchange, broker.assets))
            except UnknownNameError as error:
                raise ccxt.OrderNotFound(f"{exchange.id} {error}") from error
            except (OwnerSilentError, OutcomeUnknownError):
                # Another process is taking the account over; a cancel may be said twice.
                if asyncio.get_running_loop().time() > until_s:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def cancel_all(self, exchange: Any, symbol: str | None) -> list[dict[str, Any]]:
        """Cancel every open order, or those of one market."""
        broker = await self._opened()
        await self._settle_in(broker)
        codes = codes_of(exchange, broker.assets)
        ours = None
        if symbol is not None:
            market = exchange.market(symbol)
            back = {theirs: code for code, theirs in codes.items()}
            ours = f"{back.get(market['base'], market['base'])}-{back.get(market['quote'], market['quote'])}"
        return [order_structure(exchange, order, codes) for order in await broker.cancel_all_orders(ours)]

    async def _settle_in(self, broker: Broker) -> None:
        """A desk that was opened, or has taken over, moments ago: wait for what an order is judged on."""
        if not _can_judge(broker):
            # What does not come in time the verdict will name.
            with contextlib.suppress(NotReadyError):
                await broker.wait_until(lambda _: _can_judge(broker), timeout_s=self._account.figures_wait_s)

    async def _placed_once(self, broker: Broker, call: OrderCall, exchange: Any) -> Order:
        """
        The order, placed at most once whatever happens to the process that owns the account.

        Its intent id is fixed before it is first asked for: asked for again, it is either the first order, or there
        was none.
        """
        intent_id = call.intent_id or uuid.uuid4().hex
        until_s = asyncio.get_running_loop().time() + self._account.figures_wait_s
        is_again = False
        while True:
            try:
                return await _placed(broker, call, intent_id)
            except IntentRepeatedError:
                if not is_again:
                    raise
                return await self._found_out(broker, intent_id, exchange)
            except (BalanceUnknownError, BalanceStaleError, OrderRuleError):
                if _can_judge(broker) or asyncio.get_running_loop().time() > until_s:
                    raise
                await self._settle_in(broker)  # Another process has taken over, and has not read anything yet.
            except OwnerSilentError:
                if asyncio.get_running_loop().time() > until_s:
                    raise
            except OutcomeUnknownError:
                with contextlib.suppress(UnknownReservationError):  # Nothing durable, so nothing left: ask again.
                    return await self._found_out(broker, intent_id, exchange)
                if asyncio.get_running_loop().time() > until_s:
                    raise
            is_again = True
            await asyncio.sleep(_AGAIN_S)

    async def _found_out(self, broker: Broker, intent_id: str, exchange: Any) -> Order:
        """What became of an order whose answer was lost: found, or a refusal that says whether asking again is safe."""
        until_s = asyncio.get_running_loop().time() + self._account.doubt_wait_s
        while True:
            left_s = until_s - asyncio.get_running_loop().time()
            try:
                order = await broker.resolution(intent_id, timeout_s=max(left_s, 0.0))
            except (OutcomeUnknownError, OwnerSilentError) as still:
                if left_s <= 0:
                    raise OrderInDoubtError(f"{exchange.id} {still}", intent_id=intent_id) from still
                await asyncio.sleep(_AGAIN_S)
                continue
            if order.state in (OrderState.ABSENT, OrderState.NEVER_SENT, OrderState.REJECTED):
                raise ccxt.ExchangeNotAvailable(
                    f"{exchange.id} the order's answer was lost, and it is proven not to be at the venue"
                    f" ({order.state}): it may be placed again"
                )
            return order


def _can_judge(broker: Broker) -> bool:
    """Whether the account was read, and the venue heard, since the desk was opened or another process took over."""
    if not broker.assets or broker.status().venue_mode is VenueMode.UNKNOWN:
        return False
    figures = broker.balances().values()
    return bool(figures) and not any(figure.reason == "restored" for figure in figures)


async def _placed(broker: Broker, call: OrderCall, intent_id: str) -> Order:
    shared: Mapping[str, Any] = {
        "quote_quantity": call.quote_quantity,
        "intent_id": None if call.is_dry_run else intent_id,
        "bot": call.bot,
        "validate": call.is_dry_run,
    }
    if call.order_type == "market":
        return await broker.place_market_order(call.symbol, call.side, call.quantity, **shared)
    return await broker.place_limit_order(
        call.symbol,
        call.side,
        call.quantity,
        call.price,
        time_in_force=call.time_in_force,
        post_only=call.is_post_only,
        **shared,
    )


def parking_of(error: BaseException) -> tuple[str, float | None] | None:
    """Why and for how long the key is to be closed after ccxt raised *error* on a signed call; None: it is not."""
    if "lockout" in str(error).lower():
        return LOCKOUT, _LOCKOUT_S
    if isinstance(error, ccxt.InvalidNonce):
        return INVALID_NONCE, None
    if isinstance(error, ccxt.AuthenticationError) and not isinstance(error, ccxt.PermissionDenied):
        return BAD_KEY, PROBE_EVERY_S
    return None


def has_foreign_type(exchange: Any, params: Mapping[str, Any]) -> bool:
    """Whether ``fetch_balance`` is asked for another wallet than the one that pays for spot orders."""
    own = exchange.options.get("fetchBalance")  # At some exchanges the name of a call.
    usual = own.get("defaultType") if isinstance(own, dict) else None
    kind = params.get("type", usual or exchange.options.get("defaultType"))
    return kind not in (None, "spot", "trading") or bool(params.get("marginMode"))
