"""
The two classes that a wrapped exchange's own class is mixed with, one for each of ccxt's forms.

They override what has to be truthful and leave the rest to ccxt. A signed request of ccxt's own is made inside a turn
of the lane; its nonce comes from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from typing import Any, TypeVar

import ccxt

from holdfast.core.parking import INVALID_NONCE
from holdfast.errors import HoldfastError
from holdfast.wrapping.acts import Bond, has_foreign_type, parking_of
from holdfast.wrapping.engine import Engine, HeldTurn, give_back_and_stop
from holdfast.wrapping.exchanges import Call
from holdfast.wrapping.orders import OWN_IDS, cancelled_id, own_id
from holdfast.wrapping.refusals import as_ccxt

__all__ = ["OVERRIDES", "AsyncWrapped", "SyncWrapped"]

T = TypeVar("T")

_turn: ContextVar[HeldTurn | None] = ContextVar("holdfast_turn", default=None)
"""The turn in which this task, or thread, is making a request."""

OVERRIDES = {
    "fetch_balance": "fetchBalance",
    "create_order": "createOrder",
    "create_order_ws": "createOrderWs",
    "create_orders": "createOrders",
    "create_orders_ws": "createOrdersWs",
    "edit_order": "editOrder",
    "edit_order_ws": "editOrderWs",
    "cancel_order": "cancelOrder",
    "cancel_order_ws": "cancelOrderWs",
    "cancel_all_orders": "cancelAllOrders",
    "fetch_order": "fetchOrder",
    "incrementing_nonce": "incrementingNonce",
}
"""Methods that ccxt offers under a second spelling, which has to lead to the same place."""


class _Shared:
    """What both forms have in common."""

    _bond: Bond

    @property
    def holdfast_broker(self) -> str:
        """The account's name in holdfast: for its commands, and for ``holdfast.connect``."""
        return self._bond.broker

    def nonce(self) -> Any:
        """The lane's nonce inside a signed request; ccxt's own elsewhere."""
        turn = _turn.get()
        try:
            nonce = None if turn is None else turn.nonce()
        except HoldfastError as error:
            raise as_ccxt(error, exchange_id=self.id) from error  # type: ignore[attr-defined]
        return super().nonce() if nonce is None else nonce  # type: ignore[misc]

    def incrementing_nonce(self) -> Any:
        """Rising already: the lane's mark is every process's."""
        if _turn.get() is not None and self._bond.has_nonces:
            return self.nonce()
        return super().incrementing_nonce()  # type: ignore[misc]

    def parse_order(self, order: Any, market: Any = None) -> Any:
        """An order of the venue's as ccxt reads it, under the id that the bot gave it."""
        return self._named(super().parse_order(order, market))  # type: ignore[misc]

    def parse_ws_order(self, *args: Any, **kwargs: Any) -> Any:
        """As ``parse_order``, of a stream's message."""
        return self._named(super().parse_ws_order(*args, **kwargs))  # type: ignore[misc]

    def _named(self, parsed: Any) -> Any:
        if isinstance(parsed, dict) and isinstance(parsed.get("clientOrderId"), str):
            parsed["clientOrderId"] = self._bond.own_id_of(parsed["clientOrderId"])
        return parsed

    def _looked_up(self, order_id: Any, params: dict[str, Any]) -> str | None:
        """The bot's own id that an order is asked for by; None where it is the venue's, which ccxt asks for itself."""
        named = own_id(self, "fetchOrder", params)
        if order_id not in (None, ""):
            return str(order_id) if self._bond.has_own_id(str(order_id)) else None
        return named

    def _parameters(self, call: Call, params: Any) -> Any:
        """Those of a request that must not be sent twice: ccxt's own repetition is switched off for it."""
        if call.may_repeat:
            return params
        if isinstance(params, dict):
            return {**params, "maxRetriesOnFailure": 0}
        if self.options.get("maxRetriesOnFailure"):  # type: ignore[attr-defined]
            raise ccxt.NotSupported(
                "maxRetriesOnFailure would send this request twice: switch it off, and ask what became of it instead"
            )
        return params

    def _refused(self, what: str) -> ccxt.NotSupported:
        return ccxt.NotSupported(
            f"{self.id} {what} is not taken by a wrapped exchange: its money cannot be reserved as one; "  # type: ignore[attr-defined]
            "cancel and place orders one by one; nothing was sent"
        )

    def _closed(self) -> ccxt.ExchangeClosedByUser:
        return ccxt.ExchangeClosedByUser(
            f"{self.id} was closed while this was asked: what had been sent may have happened; "  # type: ignore[attr-defined]
            "look before you repeat it"
        )

    def _is_again(self, call: Call, error: BaseException) -> bool:
        """Whether a refused nonce may be followed by one that is further ahead, now."""
        return isinstance(error, ccxt.InvalidNonce) and self._bond.has_nonces and call.may_repeat


class SyncWrapped(_Shared):
    """Mixed with a synchronous exchange class."""

    def fetch2(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """One request; a signed one inside a turn of the lane."""
        params, config = {} if params is None else params, {} if config is None else config
        call = self._bond.call_of(self, path, api, method)
        if not call.is_signed:
            engine = self._bond.engine()
            self._in_engine(engine, engine.keep_silent)
            return super().fetch2(path, api, method, params, config)  # type: ignore[misc]
        if self.enableRateLimit:  # type: ignore[attr-defined]
            # Before the turn: who waits for its own rate limit keeps nobody else waiting.
            self.throttle(self.calculate_rate_limiter_cost(api, method, path, params, config))  # type: ignore[attr-defined]
        params = self._parameters(call, params)
        engine = self._bond.engine()
        turn = self._enter(call)
        token = _turn.set(turn)
        try:
            try:
                return super().fetch2(path, api, method, params, config)  # type: ignore[misc]
            except ccxt.BaseError as error:
                if not self._is_again(call, error):
                    raise
                self._in_engine(engine, turn.renew)
                return super().fetch2(path, api, method, params, config)  # type: ignore[misc]
        except ccxt.BaseError as error:
            parking = parking_of(error)
            if parking is not None and (parking[0] != INVALID_NONCE or call.may_repeat):
                self._in_engine(engine, lambda: turn.park(*parking))
            elif isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
                self._in_engine(engine, engine.hush)
            raise
        finally:
            _turn.reset(token)
            with contextlib.suppress(ccxt.ExchangeClosedByUser):  # The lane went with the engine; the answer counts.
                self._in_engine(engine, turn.leave)

    def throttle(self, cost: Any = None) -> Any:
        """Done before the turn."""
        return None if _turn.get() is not None else super().throttle(cost)  # type: ignore[misc]

    def fetch_balance(self, params: Any = None) -> Any:
        """The spot account as holdfast knows it, labelled; other wallets from ccxt."""
        params = params or {}
        if has_foreign_type(self, params):
            return super().fetch_balance(params)  # type: ignore[misc]
        self.load_markets()  # type: ignore[attr-defined]
        return self._run(lambda: self._bond.balances(self))

    def create_order(
        self,
        symbol: Any,
        type: Any,  # noqa: A002
        side: Any,
        amount: Any,
        price: Any = None,
        params: Any = None,
    ) -> Any:
        """Judged, reserved, sent once."""
        self.load_markets()  # type: ignore[attr-defined]
        asked = {
            "symbol": symbol,
            "order_type": type,
            "side": side,
            "amount": amount,
            "price": price,
            "params": params or {},
        }
        return self._run(lambda: self._bond.place(self, **asked))

    def create_order_ws(
        self,
        symbol: Any,
        type: Any,  # noqa: A002
        side: Any,
        amount: Any,
        price: Any = None,
        params: Any = None,
    ) -> Any:
        """As ``create_order``, which goes over the stream already where there is one."""
        return self.create_order(symbol, type, side, amount, price, params)

    def create_orders(self, orders: Any, params: Any = None) -> Any:
        """Refused: one by one."""
        raise self._refused("createOrders")

    create_orders_ws = create_orders

    def edit_order(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: an edit may need more money than was reserved."""
        raise self._refused("editOrder")

    edit_order_ws = edit_order

    def cancel_order(
        self,
        id: Any,  # noqa: A002
        symbol: Any = None,
        params: Any = None,
    ) -> Any:
        """By the venue's id, or ours."""
        self.load_markets()  # type: ignore[attr-defined]
        return self._run(lambda: self._bond.cancel(self, cancelled_id(self, id, params)))

    cancel_order_ws = cancel_order

    def fetch_order(
        self,
        id: Any = None,  # noqa: A002
        symbol: Any = None,
        params: Any = None,
    ) -> Any:
        """As ccxt has it, by the venue's id or the bot's own."""
        params = dict(params or {})
        name = self._looked_up(id, params)
        if name is not None:
            found = self._run(lambda: self._bond.venues_id_of(name))
            if found is not None:
                id, params = found, {key: value for key, value in params.items() if key not in OWN_IDS}  # noqa: A001
        return super().fetch_order(id, symbol, params)  # type: ignore[misc]

    def cancel_all_orders(self, symbol: Any = None, params: Any = None) -> Any:
        """Of the account, or of one market."""
        self.load_markets()  # type: ignore[attr-defined]
        return self._run(lambda: self._bond.cancel_all(self, symbol))

    def close(self, *args: Any, **kwargs: Any) -> Any:
        """Close ccxt's own connections, and give the account back when nobody else of this process uses it."""
        bond = self.__dict__.get("_bond")  # None where ``wrap`` refused this object.
        engine = None if bond is None else bond.part()
        # Not here: ccxt calls this from ``__del__``, in whatever thread the collector runs, and whatever locks that
        # one has. While the interpreter ends no thread would start, and every engine has been stopped.
        if engine is not None and not sys.is_finalizing():
            threading.Thread(target=give_back_and_stop, args=(engine,), name="holdfast close", daemon=True).start()
        return super().close(*args, **kwargs)  # type: ignore[misc]

    def _enter(self, call: Call) -> HeldTurn:
        engine = self._bond.engine()
        entering = self._told(lambda: engine.submit(lambda: engine.enter(call.name, call.priority)))
        try:
            return self._wait(entering)
        except BaseException:
            engine.leave_later(entering)
            raise

    def _in_engine(self, engine: Engine, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._wait(self._told(lambda: engine.submit(work)))

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        future = self._told(lambda: self._bond.engine().submit(work))
        try:
            return self._wait(future)
        except BaseException:
            future.cancel()
            raise

    def _wait(self, future: Future[T]) -> T:
        return self._told(future.result)

    def _told(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except HoldfastError as error:
            raise as_ccxt(error, exchange_id=self.id) from error  # type: ignore[attr-defined]
        except CancelledError as error:
            raise self._closed() from error


class AsyncWrapped(_Shared):
    """Mixed with an asynchronous exchange class, ccxt.pro's among them."""

    async def fetch2(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """One request; a signed one inside a turn of the lane."""
        params, config = {} if params is None else params, {} if config is None else config
        call = self._bond.call_of(self, path, api, method)
        if not call.is_signed:
            engine = self._bond.engine()
            await self._in_engine(engine, engine.keep_silent)
            return await super().fetch2(path, api, method, params, config)  # type: ignore[misc]
        if self.enableRateLimit:  # type: ignore[attr-defined]
            cost = self.calculate_rate_limiter_cost(api, method, path, params, config)  # type: ignore[attr-defined]
            await self.throttle(cost)
        params = self._parameters(call, params)
        flying = asyncio.ensure_future(self._in_turn(call, path, api, method, params, config))
        # Whoever is cancelled leaves at once; what was sent keeps the lane until its answer is there. Torn down, its
        # bytes could still arrive, and behind the next nonce.
        return await asyncio.shield(flying)

    async def _in_turn(self, call: Call, path: str, api: Any, method: str, params: Any, config: Any) -> Any:
        engine = self._bond.engine()
        turn = await self._enter(call)
        _turn.set(turn)  # This is a task of its own, with a context of its own.
        try:
            try:
                return await super().fetch2(path, api, method, params, config)  # type: ignore[misc]
            except ccxt.BaseError as error:
                if not self._is_again(call, error):
                    raise
                await self._in_engine(engine, turn.renew)
                return await super().fetch2(path, api, method, params, config)  # type: ignore[misc]
        except ccxt.BaseError as error:
            parking = parking_of(error)
            if parking is not None and (parking[0] != INVALID_NONCE or call.may_repeat):
                await self._in_engine(engine, lambda: turn.park(*parking))
            elif isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
                await self._in_engine(engine, engine.hush)
            raise
        finally:
            with contextlib.suppress(ccxt.ExchangeClosedByUser):  # The lane went with the engine; the answer counts.
                await self._in_engine(engine, turn.leave)

    async def throttle(self, cost: Any = None) -> Any:
        """Done before the turn."""
        return None if _turn.get() is not None else await super().throttle(cost)  # type: ignore[misc]

    async def fetch_balance(self, params: Any = None) -> Any:
        """The spot account as holdfast knows it, labelled; other wallets from ccxt."""
        params = params or {}
        if has_foreign_type(self, params):
            return await super().fetch_balance(params)  # type: ignore[misc]
        await self.load_markets()  # type: ignore[attr-defined]
        return await self._run(lambda: self._bond.balances(self))

    async def create_order(
        self,
        symbol: Any,
        type: Any,  # noqa: A002
        side: Any,
        amount: Any,
        price: Any = None,
        params: Any = None,
    ) -> Any:
        """Judged, reserved, sent once."""
        await self.load_markets()  # type: ignore[attr-defined]
        asked = {
            "symbol": symbol,
            "order_type": type,
            "side": side,
            "amount": amount,
            "price": price,
            "params": params or {},
        }
        return await self._run(lambda: self._bond.place(self, **asked))

    async def create_order_ws(
        self,
        symbol: Any,
        type: Any,  # noqa: A002
        side: Any,
        amount: Any,
        price: Any = None,
        params: Any = None,
    ) -> Any:
        """As ``create_order``, which goes over the stream already where there is one."""
        return await self.create_order(symbol, type, side, amount, price, params)

    async def create_orders(self, orders: Any, params: Any = None) -> Any:
        """Refused: one by one."""
        raise self._refused("createOrders")

    create_orders_ws = create_orders

    async def edit_order(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: an edit may need more money than was reserved."""
        raise self._refused("editOrder")

    edit_order_ws = edit_order

    async def cancel_order(
        self,
        id: Any,  # noqa: A002
        symbol: Any = None,
        params: Any = None,
    ) -> Any:
        """By the venue's id, or ours."""
        await self.load_markets()  # type: ignore[attr-defined]
        return await self._run(lambda: self._bond.cancel(self, cancelled_id(self, id, params)))

    cancel_order_ws = cancel_order

    async def fetch_order(
        self,
        id: Any = None,  # noqa: A002
        symbol: Any = None,
        params: Any = None,
    ) -> Any:
        """As ccxt has it, by the venue's id or the bot's own."""
        params = dict(params or {})
        name = self._looked_up(id, params)
        if name is not None:
            found = await self._run(lambda: self._bond.venues_id_of(name))
            if found is not None:
                id, params = found, {key: value for key, value in params.items() if key not in OWN_IDS}  # noqa: A001
        return await super().fetch_order(id, symbol, params)  # type: ignore[misc]

    async def cancel_all_orders(self, symbol: Any = None, params: Any = None) -> Any:
        """Of the account, or of one market."""
        await self.load_markets()  # type: ignore[attr-defined]
        return await self._run(lambda: self._bond.cancel_all(self, symbol))

    async def close(self, *args: Any, **kwargs: Any) -> Any:
        """Close ccxt's own connections, and give the account back when nobody else of this process uses it."""
        engine = self._bond.part()
        if engine is not None:
            await asyncio.to_thread(give_back_and_stop, engine)
        return await super().close(*args, **kwargs)  # type: ignore[misc]

    async def _enter(self, call: Call) -> HeldTurn:
        engine = self._bond.engine()
        try:
            entering = engine.submit(lambda: engine.enter(call.name, call.priority))
        except HoldfastError as error:
            raise as_ccxt(error, exchange_id=self.id) from error  # type: ignore[attr-defined]
        try:
            return await self._wait(entering)
        except BaseException:
            engine.leave_later(entering)
            raise

    async def _in_engine(self, engine: Engine, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            future = engine.submit(work)
        except HoldfastError as error:
            raise as_ccxt(error, exchange_id=self.id) from error  # type: ignore[attr-defined]
        return await self._wait(future)

    async def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await self._in_engine(self._bond.engine(), work)

    async def _wait(self, future: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(future)
        except HoldfastError as error:
            raise as_ccxt(error, exchange_id=self.id) from error  # type: ignore[attr-defined]
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._closed() from error  # Nobody cancelled this task: the engine has ended.
