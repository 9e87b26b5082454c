"""One call that has passed the checks, on its way to its method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from holdfast.simulators.coinbase.errors import CoinbaseRefusedError, invalid_argument, not_found, v3_error
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.keys import ApiKey
from holdfast.simulators.coinbase.render import parse_time_us
from holdfast.simulators.coinbase.trading import OrderEntry
from holdfast.simulators.coinbase.views import Views
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.core.wire_json import decode_json

__all__ = ["Call", "Services"]


class Services:
    """What every call may need of the venue."""

    __slots__ = ("exchange", "orders", "views")

    def __init__(self, exchange: CoinbaseExchange, orders: OrderEntry) -> None:
        self.exchange = exchange
        self.orders = orders
        self.views = Views(exchange)


class Call:
    """What a method gets: the venue, the request with the part of its path that names something, and whose it is."""

    __slots__ = ("_key", "_query", "exchange", "id", "name", "orders", "request", "views")

    def __init__(self, services: Services, *, name: str, id_: str, request: SimRequest, key: ApiKey | None) -> None:
        self.exchange = services.exchange
        self.orders = services.orders
        self.views = services.views
        self.name = name
        self.id = id_
        self.request = request
        self._key = key
        self._query = parse_qsl(request.query, keep_blank_values=True)

    @property
    def is_public(self) -> bool:
        """Whether nobody signed."""
        return self._key is None

    @property
    def key(self) -> ApiKey:
        """The key that signed; only signed methods ask."""
        assert self._key is not None
        return self._key

    @property
    def account(self) -> Account:
        """The portfolio of the key that signed."""
        return self.exchange.accounts[self.key.account]

    def missing(self, text: str) -> CoinbaseRefusedError:
        """The refusal of an id that nothing has."""
        return not_found(text, word=self.exchange.settings.not_found_word)

    def broken(self, status: int = 503) -> CoinbaseRefusedError:
        """The refusal of a later page of a list."""
        return v3_error(status, "INTERNAL", "internal error")

    def text(self, name: str) -> str:
        """A query parameter; empty where it is absent, the last of several."""
        return next((value for key, value in reversed(self._query) if key == name), "")

    def texts(self, name: str) -> list[str]:
        """Every value of a repeated query parameter, empty ones left out; ``name[]`` is taken too."""
        return [value for key, value in self._query if key in (name, f"{name}[]") and value]

    def whole(self, name: str) -> int | None:
        """
        A whole query parameter; None where it is absent.

        Raises:
            CoinbaseRefusedError: It is no whole number.
        """
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 16):
            raise invalid_argument(f"{name} is not a number")
        return int(text)

    def time_us(self, name: str) -> int | None:
        """
        A time of the query, Unix microseconds; None where it is absent.

        Raises:
            CoinbaseRefusedError: It is no RFC 3339 time.
        """
        text = self.text(name)
        if not text:
            return None
        value = parse_time_us(text)
        if value is None:
            raise invalid_argument(f"{name} is not a time")
        return value

    def body(self) -> Mapping[str, Any]:
        """
        The JSON object of the request's body.

        Raises:
            CoinbaseRefusedError: It is none.
        """
        body = decode_json(self.request.body)
        if not isinstance(body, dict):
            raise invalid_argument("the body is not a JSON object")
        return body
