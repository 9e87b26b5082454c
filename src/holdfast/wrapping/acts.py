"""What a wrapped exchange does in place of ccxt, as coroutines for the engine's thread, and how refusals are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import ccxt

from holdfast.core.parking import BAD_KEY, INVALID_NONCE, LOCKOUT, PROBE_EVERY_S
from holdfast.errors import OutcomeUnknownError, UnknownNameError
from holdfast.runtime.broker import Broker
from holdfast.runtime.views import Order
from holdfast.wrapping.balances import balance_structure
from holdfast.wrapping.engine import Account, Engine, engine_of, give_back
from holdfast.wrapping.exchanges import Call, call_of
from holdfast.wrapping.orders import OrderCall, codes_of, order_call, order_structure
from holdfast.wrapping.refusals import OrderInDoubtError

__all__ = ["Bond", "has_foreign_type", "parking_of"]

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

    @property
    def has_nonces(self) -> bool:
        """Whether the venue wants rising nonces."""
        return self._account.has_nonces

    @property
    def broker(self) -> str:
        """The broker's name: what `holdfast status` and ``holdfast.connect`` know it by."""
        return self._account.broker.name

    def engine(self) -> Engine:
        """This process's engine; another one in a forked child, and after ``release``."""
        if self._engine is None or self._engine.pid != os.getpid():
            self._engine = engine_of(self._account)
        return self._engine

    def release(self) -> Engine | None:
        """Let go of the engine; the engine itself where that was its last user and somebody has to stop it."""
        engine, self._engine = self._engine, None
        return None if engine is None else give_back(engine)

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

    # In the engine's thread

    async def balances(self, exchange: Any) -> dict[str, Any]:
        """The account in ccxt's shape."""
        broker = await self.engine().figures()
        codes = codes_of(exchange, broker.assets)
        return balance_structure(exchange, broker.balances(), codes, broker=broker.name, account_id=broker.account_id)

    async def place(self, exchange: Any, **asked: Any) -> dict[str, Any]:
        """Judge, reserve and send one order; awaits the evidence where its answer was lost."""
        broker = await self.engine().broker()
        await self._with_assets(broker)
        codes = codes_of(exchange, broker.assets)
        call = order_call(exchange, codes, **asked)
        try:
            order = await _placed(broker, call)
        except OutcomeUnknownError as error:
            order = await self._found_out(broker, error, exchange)
        return order_structure(exchange, order, codes)

    async def cancel(self, exchange: Any, order_id: str) -> dict[str, Any]:
        """Cancel one order by the venue's id or ours."""
        broker = await self.engine().broker()
        try:
            order = await broker.cancel_order(order_id)
        except UnknownNameError as error:
            raise ccxt.OrderNotFound(f"{exchange.id} {error}") from error
        return order_structure(exchange, order, codes_of(exchange, broker.assets))

    async def cancel_all(self, exchange: Any, symbol: str | None) -> list[dict[str, Any]]:
        """Cancel every open order, or those of one market."""
        broker = await self.engine().broker()
        await self._with_assets(broker)
        codes = codes_of(exchange, broker.assets)
        ours = None
        if symbol is not None:
            market = exchange.market(symbol)
            back = {theirs: code for code, theirs in codes.items()}
            ours = f"{back.get(market['base'], market['base'])}-{back.get(market['quote'], market['quote'])}"
        return [order_structure(exchange, order, codes) for order in await broker.cancel_all_orders(ours)]

    async def _with_assets(self, broker: Broker) -> None:
        if not broker.assets:
            await broker.ready(timeout_s=self._account.figures_wait_s)

    async def _found_out(self, broker: Broker, error: OutcomeUnknownError, exchange: Any) -> Order:
        engine = self.engine()
        try:
            order = await engine.settled(broker, error)
        except OutcomeUnknownError as still:
            raise OrderInDoubtError(f"{exchange.id} {still}", intent_id=error.intent_id) from still
        if not engine.was_placed(order):
            # Proven: nothing is at the venue, and asking again is safe.
            raise ccxt.ExchangeNotAvailable(
                f"{exchange.id} the order's answer was lost, and it is proven not to be at the venue ({order.state})"
            ) from error
        return order


async def _placed(broker: Broker, call: OrderCall) -> Order:
    shared: Mapping[str, Any] = {
        "quote_quantity": call.quote_quantity,
        "intent_id": call.intent_id,
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
    kind = params.get("type", (exchange.options.get("fetchBalance") or {}).get("defaultType"))
    return kind not in (None, "spot", "trading") or bool(params.get("marginMode"))
