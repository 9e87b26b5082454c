"""
Lets the events of ``events.CATALOGUE`` happen: one method per kind, named like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.ledger import Posting
from holdfast.simulators.core.orders import Order, OrderRequest
from holdfast.simulators.okx.account_channels import AccountChannels
from holdfast.simulators.okx.events import checked_event
from holdfast.simulators.okx.exchange import FUNDING, OkxAccount, OkxExchange, Outage
from holdfast.simulators.okx.keys import ALL_PERMISSIONS, TRADING_PERMISSIONS, ApiKey
from holdfast.simulators.okx.listing import Currency, Instrument
from holdfast.simulators.okx.order_rows import CANCEL_REASONS
from holdfast.simulators.okx.render import plain
from holdfast.simulators.okx.settings import OkxSimSettings
from holdfast.simulators.okx.stream import StreamSurface
from holdfast.simulators.okx.trading import OrderEntry

__all__ = ["Happenings"]


class Happenings:
    """Lets events happen."""

    def __init__(
        self, exchange: OkxExchange, orders: OrderEntry, surface: StreamSurface, channels: AccountChannels
    ) -> None:
        self._exchange = exchange
        self._orders = orders
        self._surface = surface
        self._channels = channels

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
        return self._move(fields, fields["amount"], kind="1", subtype="11")

    def _withdrawal(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, fields["amount"].copy_negate(), kind="1", subtype="12")

    def _adjustment(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, fields["amount"], kind="8", subtype="", may_be_negative=True)

    def _interest(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._move(fields, fields["amount"], kind="7", subtype="9")

    def _burst(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset({"asset": "USDT", **fields})
        unit = Decimal((0, (1,), -asset.decimals))
        for _ in range(fields["count"]):
            for change in (unit, unit.copy_negate()):
                self._exchange.post(account, [Posting(row=asset.code, amount=change, kind="8")])
        return {"entries": 2 * fields["count"]}

    def _move(
        self, fields: dict[str, Any], change: Decimal, *, kind: str, subtype: str, may_be_negative: bool = False
    ) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        is_funding = fields.get("pot") == "funding"
        fee = fields.get("fee", ZERO)
        if not may_be_negative:
            _positive(fields, "amount")
            if change < 0:
                self._affords(account, asset, add(change.copy_negate(), fee), is_funding=is_funding)
        _fits(asset, change)
        _fits(asset, fee)
        row = asset.code + FUNDING if is_funding else asset.code
        posting = Posting(row=row, amount=change, fee=fee, kind=kind, subtype=subtype)
        entries = self._exchange.post(account, [posting])
        return {"ref": entries[0].ref, "entries": [entry.id for entry in entries]}

    def _pot_transfer(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        _positive(fields, "amount")
        _fits(asset, fields["amount"])
        is_in = fields["to"] == "trading"
        self._affords(account, asset, fields["amount"], is_funding=is_in)
        self._exchange.transfer(account, asset.code, fields["amount"], to_trading=is_in)
        return {}

    def _transfer(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset, moved = self._account(fields), self._asset(fields), fields["amount"]
        other = self._account({"account": fields["to"]})
        if other is account:
            raise ValueError("event transfer: to has to be another account")
        _positive(fields, "amount")
        _fits(asset, moved)
        self._affords(account, asset, moved, is_funding=False)
        ref = self._exchange.new_number()
        leaving = Posting(row=asset.code, amount=moved.copy_negate(), kind="1", subtype="12")
        self._exchange.post(account, [leaving], ref=ref)
        self._exchange.post(other, [Posting(row=asset.code, amount=moved, kind="1", subtype="11")], ref=ref)
        return {"ref": ref}

    def _bot_equity(self, fields: dict[str, Any]) -> dict[str, Any]:
        account, asset = self._account(fields), self._asset(fields)
        if fields["amount"] < 0:
            raise ValueError("amount may not be negative")
        account.bots[asset.code] = fields["amount"]
        account.touch_currency(asset.code, at_us=self._exchange.now_us(), now_s=self._exchange.now_s())
        self._channels.bots_changed(account, asset.code)
        return {}

    # Orders and prices

    def _external_trade(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=None)

    def _external_order(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._external(fields, limit=fields["price"])

    def _external(self, fields: dict[str, Any], *, limit: Decimal | None) -> dict[str, Any]:
        account, line = self._account(fields), self._line(fields)
        _positive(fields, "quantity")
        request = OrderRequest(
            symbol=line.line,
            side=fields["side"],
            quantity=fields["quantity"],
            limit_price=limit,
            is_fee_in_base=fields["side"] == "buy" and self._exchange.fee_type == "0",
            details={
                "ordType": "market" if limit is None else "limit",
                "stpMode": "cancel_maker",
                "tag": "",
                "tdMode": "cash",
                "tgtCcy": "base_ccy" if limit is None else "",
                "sz": fields["quantity"],
            },
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
        reason = fields.get("reason", "0")
        if reason not in CANCEL_REASONS:
            raise ValueError(f"unknown reason {reason!r}; expected one of {', '.join(CANCEL_REASONS)}")
        orders = [self._order(account, fields)] if "order" in fields else list(account.orders.open.values())
        for order in orders:
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
        line = self._line(fields)
        _positive(fields, "price")
        own = self._exchange.listing.instruments[line.id]
        return {"price": plain(self._exchange.move_price(own, fields["price"]))}

    # The venue

    def _maintenance(self, fields: dict[str, Any]) -> dict[str, Any]:
        starts_us = self._exchange.now_us() + round(fields["starts_in_s"] * 1_000_000)
        self._exchange.announce(
            Outage(
                title=fields.get("title", "Trading system upgrade"),
                starts_us=starts_us,
                ends_us=starts_us + round(fields["lasts_s"] * 1_000_000),
            )
        )
        return {}

    def _outage(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.is_in_maintenance = fields["on"]
        return {"on": fields["on"]}

    def _instrument_state(self, fields: dict[str, Any]) -> dict[str, Any]:
        line = self._line(fields)
        self._exchange.set_state(line, fields["state"])
        return {"pair": line.id, "state": fields["state"]}

    def _fee_type(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.fee_type = fields["type"]
        return {"type": fields["type"]}

    def _setting(self, fields: dict[str, Any]) -> dict[str, Any]:
        settings = self._exchange.settings
        if fields["name"] not in settings.__struct_fields__:
            raise ValueError(f"event setting: no setting {fields['name']!r}")
        try:
            changed = {**msgspec.structs.asdict(settings), fields["name"]: fields["value"]}
            self._exchange.change_settings(msgspec.convert(changed, OkxSimSettings))
        except msgspec.ValidationError as wrong:
            raise ValueError(f"event setting: {fields['name']}: {wrong}") from None
        return {"name": fields["name"], "value": fields["value"]}

    def _clock(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        return {}

    # Accounts and keys

    def _account_mode(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._account(fields).mode = fields["mode"]
        return {"mode": fields["mode"]}

    def _account_block(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._account(fields).is_blocked = fields["on"]
        return {"on": fields["on"]}

    def _key_revocation(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.is_revoked = True
        return {"closed": self._surface.close_of_key(key.public)}

    def _key_freeze(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).is_frozen = fields["on"]
        return {"on": fields["on"]}

    def _key_region(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).is_elsewhere = fields["elsewhere"]
        return {"elsewhere": fields["elsewhere"]}

    def _key_environment(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).environment = fields["environment"]
        return {"environment": fields["environment"]}

    def _new_key(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        if any(key.account == account.name and key.name == fields["name"] for key in self._exchange.keys.values()):
            raise ValueError(f"event new_key: {account.name} has a key of this name already")
        permissions = _checked(fields.get("permissions", list(TRADING_PERMISSIONS)))
        key = self._exchange.add_key(account.name, name=fields["name"], permissions=permissions)
        return {"credential": key.credential()}

    def _permissions(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self._key(fields)
        key.permissions = set(_checked(fields["permissions"]))
        return {"closed": self._surface.close_of_key(key.public)}

    def _passphrase(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).passphrase = fields["to"]
        return {}

    def _ip_allow_list(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._key(fields).addresses = list(fields["addresses"])
        return {}

    def _new_account(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["name"] in self._exchange.accounts:
            raise ValueError(f"event new_account: there is an account {fields['name']} already")
        self._exchange.open_account(fields["name"])
        key = next(key for key in self._exchange.keys.values() if key.account == fields["name"])
        return {"credential": key.credential()}

    # Names

    def _account(self, fields: Mapping[str, Any]) -> OkxAccount:
        name = fields.get("account", "master")
        account = self._exchange.accounts.get(name)
        if account is None:
            raise ValueError(f"unknown account {name!r}; expected one of {', '.join(self._exchange.accounts)}")
        return account

    def _asset(self, fields: Mapping[str, Any]) -> Currency:
        asset = self._exchange.listing.currencies.get(fields["asset"])
        if asset is None:
            raise ValueError(f"unknown asset {fields['asset']!r}; expected a code such as BTC or USDT")
        return asset

    def _line(self, fields: Mapping[str, Any]) -> Instrument:
        listing = self._exchange.listing
        line = listing.instruments.get(fields["pair"]) or listing.lines.get(fields["pair"])
        if line is None:
            raise ValueError(f"unknown pair {fields['pair']!r}; expected something like BTC-USDT")
        return line

    def _order(self, account: OkxAccount, fields: Mapping[str, Any]) -> Order:
        name = fields["order"]
        for order in account.orders.open.values():
            if name in (order.id, order.request.client_order_id):
                return order
        raise ValueError(f"{account.name} has no open order {name!r}; expected an order id or client order id")

    def _key(self, fields: Mapping[str, Any]) -> ApiKey:
        first = next(key.public for key in self._exchange.keys.values() if key.account == "master")
        key = self._exchange.keys.get(fields.get("key", first))
        if key is None:
            raise ValueError("unknown key; expected the public key of one of the simulator's credentials")
        return key

    def _affords(self, account: OkxAccount, asset: Currency, needed: Decimal, *, is_funding: bool) -> None:
        if is_funding:
            free = self._exchange.funding_of(account).get(asset.code, ZERO)
        else:
            free = self._exchange.unclaimed(account, asset.code)
        if needed > free:
            raise ValueError(f"{account.name} has only {format_amount(free)} {asset.code} free")


def _fits(asset: Currency, value: Decimal) -> None:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > asset.decimals:
        raise ValueError(f"{asset.code} has {asset.decimals} decimals; {format_amount(value)} has more")


def _positive(fields: Mapping[str, Any], name: str) -> None:
    if fields[name] <= 0:
        raise ValueError(f"{name} has to be above 0")


def _checked(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(ALL_PERMISSIONS))
    if unknown:
        raise ValueError(f"unknown permission {unknown[0]!r}; expected some of {', '.join(ALL_PERMISSIONS)}")
    return names
