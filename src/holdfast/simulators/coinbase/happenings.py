"""
Lets the events of ``events.CATALOGUE`` happen: one method per kind, named like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, format_amount, subtract, trim_amount
from holdfast.simulators.coinbase.events import checked_event
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.keys import ALL_SCOPES, TRADING_SCOPES, ApiKey
from holdfast.simulators.coinbase.listing import PLACES, Currency, Product
from holdfast.simulators.coinbase.settings import CoinbaseSimSettings
from holdfast.simulators.coinbase.tickets import outside_request
from holdfast.simulators.coinbase.trading import OrderEntry, status_of
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.ledger import Posting
from holdfast.simulators.core.orders import Order

__all__ = ["Happenings"]

_UNIT = Decimal("0.01")


class Happenings:
    """Lets events happen."""

    def __init__(
        self, exchange: CoinbaseExchange, orders: OrderEntry, *, close_streams: Callable[[str | None], int]
    ) -> None:
        self._exchange = exchange
        self._orders = orders
        self._close_streams = close_streams

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let one event happen; returns what came of it.

        Raises:
            ValueError: The kind or a field is unknown, missing or malformed, or the venue cannot do it.
        """
        name, fields = checked_event(event)
        happened: dict[str, Any] = getattr(self, f"_{name}")(fields)
        return {"kind": name, **happened}

    # Money

    def _deposit(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, "deposit", fields["amount"])

    def _withdrawal(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, "withdrawal", fields["amount"].copy_negate())

    def _adjustment(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, "adjustment", fields["amount"], may_be_negative=True)

    def _reward(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, "reward", fields["amount"])

    def _burst(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, currency = self._account(fields), self._asset({"asset": "USD", **fields})
        for _ in range(fields["count"]):
            for change in (_UNIT, _UNIT.copy_negate()):
                self._exchange.post(account, [Posting(row=currency.id, amount=change, kind="adjustment")])
        return {"entries": 2 * fields["count"]}

    def _move(
        self, fields: dict[str, Any], kind: str, change: Decimal, *, may_be_negative: bool = False
    ) -> dict[str, Any]:
        account, currency = self._account(fields), self._asset(fields)
        fee = fields.get("fee", ZERO)
        if not may_be_negative:
            _positive(fields, "amount")
        _fits(change, fee)
        if change < 0 and not may_be_negative:
            _affords(account, currency, subtract(fee, change))
        entries = self._exchange.post(
            account, self._exchange.leaving(account, currency.code, change, fee=fee, kind=kind)
        )
        return {"ref": entries[0].ref, "entries": [entry.id for entry in entries]}

    def _transfer(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, currency, moved = self._account(fields), self._asset(fields), fields["amount"]
        other = self._account({"account": fields["to"]})
        if other is account:
            raise ValueError("event transfer: to has to be another portfolio")
        _positive(fields, "amount")
        _fits(moved)
        _affords(account, currency, moved)
        ref = self._exchange.new_id()
        self._leave(account, currency, moved, kind="transfer", ref=ref)
        self._exchange.post(other, [Posting(row=currency.id, amount=moved, kind="transfer")], ref=ref)
        return {"ref": ref}

    def _convert(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, currency, moved = self._account(fields), self._asset(fields), fields["amount"]
        other = self._asset({"asset": fields["to"]})
        if other is currency:
            raise ValueError("event convert: to has to be another asset")
        _positive(fields, "amount")
        _fits(moved)
        _affords(account, currency, moved)
        ref = self._exchange.new_id()
        self._leave(account, currency, moved, kind="convert", ref=ref)
        self._exchange.post(account, [Posting(row=other.id, amount=moved, kind="convert")], ref=ref)
        return {"ref": ref}

    def _futures_sweep(self, fields: dict[str, Any]) -> dict[str, Any]:
        fields = {**fields, "asset": "USD", "to": "spot" if fields.get("to") == "spot" else "locked"}
        return self._lock(fields, "CFM", "sweep")

    def _staking(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._lock(fields, "STAKED", "staking")

    def _vault(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._lock(fields, "VAULT", "vault")

    def _lock(self, fields: dict[str, Any], kind: str, word: str) -> dict[str, Any]:
        account, currency, moved = self._account(fields), self._asset(fields), fields["amount"]
        _positive(fields, "amount")
        _fits(moved)
        row = f"{currency.id}@{kind}"
        ref = self._exchange.new_id()
        if fields.get("to", "locked") == "locked":
            _affords(account, currency, moved)
            self._leave(account, currency, moved, kind=word, ref=ref)
            self._exchange.post(account, [Posting(row=row, amount=moved, kind=word)], ref=ref)
        else:
            there = account.ledger.balances.get(row, ZERO)
            if moved > there:
                raise ValueError(f"{account.name} has only {format_amount(there)} {currency.code} to bring back")
            legs = [
                Posting(row=row, amount=moved.copy_negate(), kind=word),
                Posting(row=currency.id, amount=moved, kind=word),
            ]
            self._exchange.post(account, legs, ref=ref)
        return {"ref": ref}

    def _leave(self, account: Account, currency: Currency, amount: Decimal, *, kind: str, ref: str) -> None:
        legs = self._exchange.leaving(account, currency.code, amount.copy_negate(), kind=kind)
        self._exchange.post(account, legs, ref=ref)

    # Orders and prices

    def _external_trade(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=None)

    def _external_order(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=fields["price"])

    def _external(self, fields: dict[str, Any], *, limit: Decimal | None) -> dict[str, Any]:
        account, product = self._account(fields), self._pair(fields)
        _positive(fields, "quantity")
        request = outside_request(
            self._exchange,
            product,
            side=fields["side"],
            quantity=fields["quantity"],
            limit=limit,
            source=fields.get("source", "RETAIL_ADVANCED"),
        )
        try:
            order = self._exchange.engine.place(account, request)
        except ShortOfFundsError as error:
            raise ValueError(f"{account.name} cannot fund it: {error}") from None
        return {"order": order.id, "status": order.status.value, "filled": format_amount(order.filled)}

    def _external_cancel(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        if "order" not in fields:
            return {"count": self._orders.cancel_all(account)}
        self._exchange.engine.cancel(account, self._order(account, fields).id)
        return {"count": 1}

    def _venue_cancel(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        orders = [self._order(account, fields)] if "order" in fields else list(account.orders.open.values())
        for order in orders:
            if fields.get("expires"):
                self._exchange.engine.expire(account, order.id, reason=fields.get("reason"))
            else:
                self._exchange.engine.cancel(account, order.id, reason=fields.get("reason", "Internal error"))
        return {"count": len(orders)}

    def _fill(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        order = self._order(account, fields)
        if not order.rests:
            raise ValueError("event fill: order does not rest in the book")
        quantity = fields.get("quantity")
        if quantity is not None and not 0 < quantity <= order.remaining:
            raise ValueError(f"event fill: quantity has to be above 0 and at most {format_amount(order.remaining)}")
        order = self._exchange.engine.fill_resting(account, order, quantity)
        return {"status": status_of(order), "filled": format_amount(order.filled)}

    def _market_price(self, fields: dict[str, Any]) -> dict[str, Any]:
        product = self._pair(fields)
        _positive(fields, "price")
        return {"price": trim_amount(self._exchange.move_price(product, fields["price"]))}

    # The venue

    def _mode(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.set_mode(fields["mode"])
        return {"mode": fields["mode"]}

    def _pair_status(self, fields: dict[str, Any]) -> dict[str, Any]:
        product = self._pair(fields)
        self._exchange.set_product_status(product, fields["status"])
        return {"pair": product.code, "status": fields["status"]}

    def _volume(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["amount"] < 0:
            raise ValueError("event volume: amount may not be negative")
        self._exchange.volume_30d_usd = fields["amount"]
        return {}

    def _setting(self, fields: dict[str, Any]) -> dict[str, Any]:
        settings = self._exchange.settings
        if fields["name"] not in settings.__struct_fields__:
            raise ValueError(f"event setting: no setting {fields['name']!r}")
        try:
            changed = {**msgspec.structs.asdict(settings), fields["name"]: fields["value"]}
            self._exchange.change_settings(msgspec.convert(changed, CoinbaseSimSettings))
        except msgspec.ValidationError as wrong:
            raise ValueError(f"event setting: {fields['name']}: {wrong}") from None
        return {"name": fields["name"], "value": fields["value"]}

    def _clock(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        return {}

    # Keys and portfolios

    def _key_revocation(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.is_revoked = True
        return {"closed": self._close_streams(key.public) if fields.get("closes") else 0}

    def _new_key(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        if any(key.account == account.name and key.name == fields["name"] for key in self._exchange.keys.values()):
            raise ValueError(f"event new_key: {account.name} has a key of this name already")
        key = self._exchange.add_key(
            account.name,
            name=fields["name"],
            scopes=_scopes(fields.get("permissions", list(TRADING_SCOPES))),
            algorithm=fields.get("algorithm"),
        )
        return {"credential": key.credential()}

    def _permissions(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).scopes = set(_scopes(fields["permissions"]))
        return {}

    def _new_account(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["name"] in self._exchange.accounts:
            raise ValueError(f"event new_account: there is a portfolio {fields['name']} already")
        self._exchange.open_account(fields["name"])
        key = next(key for key in self._exchange.keys.values() if key.account == fields["name"])
        return {"credential": key.credential()}

    # Names

    def _account(self, fields: Mapping[str, Any]) -> Account:
        name = fields.get("account", "master")
        account = self._exchange.accounts.get(name)
        if account is None:
            raise ValueError(f"unknown account {name!r}; expected one of {', '.join(self._exchange.accounts)}")
        return account

    def _asset(self, fields: Mapping[str, Any]) -> Currency:
        currency = self._exchange.listing.main.get(fields["asset"])
        if currency is None:
            raise ValueError(f"unknown asset {fields['asset']!r}; expected a canonical code such as BTC or USD")
        return currency

    def _pair(self, fields: Mapping[str, Any]) -> Product:
        name = fields["pair"]
        product = self._exchange.listing.by_code.get(name) or self._exchange.listing.products.get(name)
        if product is None:
            raise ValueError(f"unknown pair {name!r}; expected something like BTC-USD")
        return product

    def _order(self, account: Account, fields: Mapping[str, Any]) -> Order:
        name = fields["order"]
        for order in account.orders.open.values():
            if name in (order.id, order.request.client_order_id):
                return order
        raise ValueError(f"{account.name} has no open order {name!r}; expected an order id or client order id")

    def _key(self, fields: Mapping[str, Any]) -> ApiKey:
        if "key" not in fields:
            return next(key for key in self._exchange.keys.values() if key.account == "master")
        key = self._exchange.keys.get(fields["key"])
        if key is None:
            raise ValueError("unknown key; expected the name of one of the simulator's credentials")
        return key


def _fits(*values: Decimal) -> None:
    for value in values:
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > PLACES:
            raise ValueError(f"amounts have {PLACES} decimals; {format_amount(value)} has more")


def _affords(account: Account, currency: Currency, needed: Decimal) -> None:
    # What is behind open orders does not leave.
    free = subtract(account.tradable(currency.code), account.claimed(currency.code))
    if needed > free:
        raise ValueError(f"{account.name} has only {format_amount(free)} {currency.code} free")


def _positive(fields: Mapping[str, Any], name: str) -> None:
    if fields[name] <= 0:
        raise ValueError(f"{name} has to be above 0")


def _scopes(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(ALL_SCOPES))
    if unknown:
        raise ValueError(f"unknown permission {unknown[0]!r}; expected some of {', '.join(ALL_SCOPES)}")
    return names
