"""One call that has passed the checks, on its way to its endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.simulators.okx.errors import OkxRefusedError
from holdfast.simulators.okx.exchange import OkxAccount, OkxExchange
from holdfast.simulators.okx.gate import Gate
from holdfast.simulators.okx.keys import ApiKey
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.order_desk import OrderDesk
from holdfast.simulators.okx.trading import OrderEntry

__all__ = ["Call", "Services"]


class Services:
    """What every call may need of the venue."""

    __slots__ = ("desk", "exchange", "gate", "orders")

    def __init__(self, exchange: OkxExchange, gate: Gate, orders: OrderEntry, desk: OrderDesk) -> None:
        self.exchange = exchange
        self.gate = gate
        self.orders = orders
        self.desk = desk


class Call:
    """What an endpoint gets: the venue, the fields of the request, and whose it is."""

    __slots__ = ("_key", "deadline_ms", "desk", "exchange", "fields", "items", "name", "orders")

    def __init__(
        self,
        services: Services,
        *,
        name: str,
        fields: Mapping[str, Any],
        items: Sequence[Any],
        key: ApiKey | None,
        deadline_ms: str | None = None,
    ) -> None:
        self.exchange = services.exchange
        self.orders = services.orders
        self.desk = services.desk
        self.name = name
        self.fields = fields
        self.items = items
        self.deadline_ms = deadline_ms
        self._key = key

    @property
    def key(self) -> ApiKey:
        """The key that signed; only signed endpoints ask."""
        assert self._key is not None
        return self._key

    @property
    def account(self) -> OkxAccount:
        """The account of the key that signed."""
        return self.exchange.accounts[self.key.account]

    @property
    def seen_s(self) -> float | None:
        """The moment a lagging replica sees; None where it does not lag."""
        return self.exchange.impairments.lagging_s("rest_lag")

    def text(self, name: str) -> str | None:
        """A field as text; None where it is missing or empty."""
        value = self.fields.get(name)
        return None if value is None or value == "" else str(value)

    def needed(self, name: str) -> str:
        """
        A field as text.

        Raises:
            OkxRefusedError: It is missing.
        """
        value = self.text(name)
        if value is None:
            raise OkxRefusedError("50014", f"Parameter {name} can not be empty")
        return value

    def number(self, name: str) -> int | None:
        """
        A field as a whole number; None where it is missing.

        Raises:
            OkxRefusedError: It is something else.
        """
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 25):
            raise wrong_parameter(name)
        return int(value)

    def instrument(self) -> Instrument:
        """
        The instrument that is named.

        Raises:
            OkxRefusedError: None is, or there is no such one.
        """
        instrument = self.exchange.listing.instruments.get(self.needed("instId"))
        if instrument is None:
            raise OkxRefusedError("51001")
        return instrument

    def limit(self, most: int = 100) -> int:
        """How many rows are wanted at most."""
        wanted = self.number("limit")
        return most if wanted is None else max(1, min(wanted, most))


def wrong_parameter(name: str) -> OkxRefusedError:
    """The refusal of a parameter."""
    return OkxRefusedError("51000", f"Parameter {name} error")
