"""
Lets the events of ``events.CATALOGUE`` happen: one method per kind, named like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, format_amount, subtract
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.claims import MarginShortError, ShortOfFundsError
from holdfast.simulators.core.ledger import Posting
from holdfast.simulators.core.orders import Order, OrderRequest
from holdfast.simulators.kraken.events import checked_event
from holdfast.simulators.kraken.exchange import KrakenExchange, Maintenance
from holdfast.simulators.kraken.keys import ALL_PERMISSIONS, TRADING_PERMISSIONS, ApiKey
from holdfast.simulators.kraken.listing import ListedAsset, ListedPair
from holdfast.simulators.kraken.render import places
from holdfast.simulators.kraken.settings import KrakenSimSettings
from holdfast.simulators.kraken.tokens import TokenStore
from holdfast.simulators.kraken.trading import OrderEntry

__all__ = ["Happenings"]


class Happenings:
    """Lets events happen."""

    def __init__(
        self,
        exchange: KrakenExchange,
        orders: OrderEntry,
        tokens: TokenStore,
        *,
        close_streams: Callable[[str | None], int],
    ) -> None:
        self._exchange = exchange
        self._orders = orders
        self._tokens = tokens
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

    def _burst(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset({"asset": "USD", **fields})
        unit = Decimal(f"1e-{asset.decimals}")
        for _ in range(fields["count"]):
            for change in (unit, unit.copy_negate()):
                self._exchange.post(account, [Posting(row=asset.id, amount=change, kind="adjustment")])
        return {"entries": 2 * fields["count"]}

    def _move(
        self, fields: dict[str, Any], kind: str, change: Decimal, *, may_be_negative: bool = False
    ) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        fee = fields.get("fee", ZERO)
        if not may_be_negative:
            _positive(fields, "amount")
        self._fits(asset, change)
        self._fits(asset, fee)
        if change < 0 and not may_be_negative:
            _affords(account, asset, subtract(fee, change))
        if change < 0:
            self._exchange.fetch_from_earn(account, asset.code, subtract(fee, change))
        entries = self._exchange.post(account, [Posting(row=asset.id, amount=change, fee=fee, kind=kind)])
        self._exchange.sweep(account)
        return {"ref": entries[0].ref, "entries": [entry.id for entry in entries]}

    def _transfer(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset, moved = self._account(fields), self._asset(fields), fields["amount"]
        other = self._account({"account": fields["to"]})
        if other is account:
            raise ValueError("event transfer: to has to be another account")
        _positive(fields, "amount")
        self._fits(asset, moved)
        _affords(account, asset, moved)
        self._exchange.fetch_from_earn(account, asset.code, moved)
        ref = self._exchange.new_id("R")
        self._exchange.post(account, [Posting(row=asset.id, amount=moved.copy_negate(), kind="transfer")], ref=ref)
        self._exchange.post(other, [Posting(row=asset.id, amount=moved, kind="transfer")], ref=ref)
        self._exchange.sweep(other)
        return {"ref": ref}

    def _auto_earn_move(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        is_to_earn = fields.get("to", "earn") == "earn"
        earning = account.ledger.balances.get(self._exchange.earn_row(asset.code), ZERO)
        held = self._exchange.idle(account, asset.code) if is_to_earn else earning
        moved = fields.get("amount", held)
        if not 0 < moved <= held:
            raise ValueError(f"event auto_earn_move: amount has to be above 0 and at most {format_amount(held)}")
        self._fits(asset, moved)
        self._exchange.move_earn(account, asset.code, moved if is_to_earn else moved.copy_negate())
        return {"amount": format_amount(moved)}

    def _auto_earn(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        if fields["on"]:
            account.sweeps[asset.code] = self._exchange.earn_row(asset.code)
            self._exchange.sweep(account)
        else:
            account.sweeps.pop(asset.code, None)
        return {"on": fields["on"]}

    def _staking(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset, moved = self._account(fields), self._asset(fields), fields["amount"]
        _positive(fields, "amount")
        self._fits(asset, moved)
        locked = self._row(asset, fields.get("suffix", "S"))
        is_in = fields.get("to", "locked") == "locked"
        first, second = (asset, locked) if is_in else (locked, asset)
        held = _unclaimed(account, asset) if is_in else account.ledger.balances.get(locked.id, ZERO)
        if moved > held:
            raise ValueError(f"event staking: {account.name} has only {format_amount(held)} to move")
        if is_in:
            self._exchange.fetch_from_earn(account, asset.code, moved)
        kinds = ("spottostaking", "stakingfromspot") if is_in else ("stakingtospot", "spotfromstaking")
        entries = self._exchange.post(
            account,
            [
                Posting(row=first.id, amount=moved.copy_negate(), kind="transfer", subtype=kinds[0]),
                Posting(row=second.id, amount=moved, kind="transfer", subtype=kinds[1]),
            ],
        )
        self._exchange.sweep(account)
        return {"ref": entries[0].ref}

    def _reward(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        _positive(fields, "amount")
        self._fits(asset, fields["amount"])
        row = self._row(asset, fields.get("suffix", "F"))
        entries = self._exchange.post(account, [Posting(row=row.id, amount=fields["amount"], kind="staking")])
        return {"ref": entries[0].ref}

    def _credit(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        account.credit[asset.code] = fields["amount"]
        return {}

    # Orders and prices

    def _external_trade(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=None)

    def _external_order(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=fields["price"])

    def _external(self, fields: dict[str, Any], *, limit: Decimal | None) -> dict[str, Any]:
        account, pair = self._account(fields), self._pair(fields)
        _positive(fields, "quantity")
        leverage = fields.get("leverage")
        if leverage is not None and leverage not in pair.leverage:
            raise ValueError(f"{pair.code} is traded on margin with {pair.leverage or 'no leverage'}: {leverage!r}")
        request = OrderRequest(
            symbol=pair.code,
            side=fields["side"],
            quantity=fields["quantity"],
            limit_price=limit,
            leverage=leverage,
            is_fee_in_base=fields["side"] == "sell" and self._exchange.settings.sell_fee_default == "fcib",
            details={
                "ordertype": "market" if limit is None else "limit",
                "price": "0" if limit is None else places(limit, pair.price_decimals),
                "price2": "0",
            },
        )
        try:
            order = self._exchange.engine.place(account, request)
        except (ShortOfFundsError, MarginShortError) as error:
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
                reason = fields.get("reason", "Cancelled by the venue")
                self._exchange.engine.cancel(account, order.id, reason=reason)
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
        return {"status": order.status.value, "filled": format_amount(order.filled)}

    def _market_price(self, fields: dict[str, Any]) -> dict[str, Any]:
        pair = self._pair(fields)
        _positive(fields, "price")
        price = self._exchange.engine.move_price(pair.code, fields["price"])
        return {"price": places(price, pair.price_decimals)}

    # The venue

    def _mode(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.set_mode(fields["mode"])
        return {"mode": fields["mode"]}

    def _pair_status(self, fields: dict[str, Any]) -> dict[str, Any]:
        pair = self._pair(fields)
        self._exchange.set_pair_status(pair, fields["status"])
        return {"pair": pair.code, "status": fields["status"]}

    def _maintenance(self, fields: dict[str, Any]) -> dict[str, Any]:
        starts_us = self._exchange.now_us() + round(fields["starts_in_s"] * 1_000_000)
        event_id = self._exchange.new_id("M")
        self._exchange.maintenance.append(
            Maintenance(
                event_id=event_id,
                title=fields.get("title", "Scheduled maintenance"),
                starts_us=starts_us,
                ends_us=starts_us + round(fields["lasts_s"] * 1_000_000),
            )
        )
        return {"event_id": event_id}

    def _emergency(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["title"]:
            self._exchange.emergencies.append({"title": fields["title"]})
        else:
            self._exchange.emergencies.clear()
        return {}

    def _tier(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.tier_name = fields["tier"]
        return {"tier": fields["tier"]}

    def _setting(self, fields: dict[str, Any]) -> dict[str, Any]:
        settings = self._exchange.settings
        if fields["name"] not in settings.__struct_fields__:
            raise ValueError(f"event setting: no setting {fields['name']!r}")
        try:
            changed = {**msgspec.structs.asdict(settings), fields["name"]: fields["value"]}
            self._exchange.settings = msgspec.convert(changed, KrakenSimSettings)
        except msgspec.ValidationError as wrong:
            raise ValueError(f"event setting: {fields['name']}: {wrong}") from None
        return {"name": fields["name"], "value": fields["value"]}

    def _clock(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        return {}

    # Keys and accounts

    def _token_revocation(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "key" in fields:
            self._key(fields)
        killed = self._tokens.kill(public_key=fields.get("key"))
        closed = self._close_streams(fields.get("key")) if fields.get("closes") else 0
        return {"tokens": killed, "closed": closed}

    def _key_revocation(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.is_revoked = True
        self._tokens.kill(public_key=key.public)
        return {}

    def _key_expiry(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).valid_until_us = max(1, self._exchange.now_us() + round(fields["in_s"] * 1_000_000))
        return {}

    def _new_key(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        if any(key.account == account.name and key.name == fields["name"] for key in self._exchange.keys.values()):
            raise ValueError(f"event new_key: {account.name} has a key of this name already")
        key = self._exchange.add_key(
            account.name,
            name=fields["name"],
            permissions=_permissions(fields.get("permissions", list(TRADING_PERMISSIONS))),
            nonce_window=fields.get("nonce_window", self._exchange.settings.nonce_window),
        )
        return {"credential": key.credential()}

    def _permissions(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.permissions = set(_permissions(fields["permissions"]))
        key.modified_us = self._exchange.now_us()
        return {}

    def _nonce_window(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.nonce_window = fields["window"]
        key.modified_us = self._exchange.now_us()
        return {}

    def _ip_allow_list(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).ip_allow_list = list(fields["addresses"])
        return {}

    def _new_account(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["name"] in self._exchange.accounts:
            raise ValueError(f"event new_account: there is an account {fields['name']} already")
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

    def _asset(self, fields: Mapping[str, Any]) -> ListedAsset:
        asset = self._exchange.listing.main.get(fields["asset"])
        if asset is None:
            raise ValueError(f"unknown asset {fields['asset']!r}; expected a canonical code such as BTC or USD")
        return asset

    def _pair(self, fields: Mapping[str, Any]) -> ListedPair:
        name = fields["pair"]
        pair = self._exchange.listing.by_code.get(name) or self._exchange.listing.pair(name)
        if pair is None:
            raise ValueError(f"unknown pair {name!r}; expected something like BTC-USD")
        return pair

    def _row(self, asset: ListedAsset, suffix: str) -> ListedAsset:
        row = next((row for row in self._exchange.listing.rows_of(asset.code) if row.suffix == suffix), None)
        if row is None:
            raise ValueError(f"{asset.code} has no row with the suffix {suffix!r}")
        return row

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
            raise ValueError("unknown key; expected the public key of one of the simulator's credentials")
        return key

    def _fits(self, asset: ListedAsset, value: Decimal) -> None:
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > asset.decimals and Decimal(places(value, asset.decimals)) != value:
            raise ValueError(f"{asset.code} has {asset.decimals} decimals; {format_amount(value)} has more")


def _unclaimed(account: Account, asset: ListedAsset) -> Decimal:
    """What is not behind open orders: no venue lets the rest go."""
    return subtract(account.tradable(asset.code), account.claimed(asset.code))


def _affords(account: Account, asset: ListedAsset, needed: Decimal) -> None:
    free = _unclaimed(account, asset)
    if needed > free:
        raise ValueError(f"{account.name} has only {format_amount(free)} {asset.code} free")


def _positive(fields: Mapping[str, Any], name: str) -> None:
    if fields[name] <= 0:
        raise ValueError(f"{name} has to be above 0")


def _permissions(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(ALL_PERMISSIONS))
    if unknown:
        raise ValueError(f"unknown permission {unknown[0]!r}; expected some of {', '.join(ALL_PERMISSIONS)}")
    return names
