"""One call that has passed the checks, on its way to its method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.simulators.core.accounts import Account
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.keys import ApiKey
from holdfast.simulators.kraken.tokens import TokenStore
from holdfast.simulators.kraken.trading import OrderEntry

__all__ = ["Call", "Services"]


class Services:
    """What every call may need of the venue."""

    __slots__ = ("exchange", "orders", "tokens")

    def __init__(self, exchange: KrakenExchange, tokens: TokenStore, orders: OrderEntry) -> None:
        self.exchange = exchange
        self.tokens = tokens
        self.orders = orders


class Call:
    """What a method gets: the venue, the fields of the request, and whose it is."""

    __slots__ = ("_key", "exchange", "fields", "name", "orders", "tokens")

    def __init__(self, services: Services, *, name: str, fields: Mapping[str, Any], key: ApiKey | None) -> None:
        self.exchange = services.exchange
        self.tokens = services.tokens
        self.orders = services.orders
        self.name = name
        self.fields = fields
        self._key = key

    @property
    def key(self) -> ApiKey:
        """The key that signed; only private methods ask."""
        assert self._key is not None
        return self._key

    @property
    def account(self) -> Account:
        """The account of the key that signed."""
        return self.exchange.accounts[self.key.account]
