"""
What is said of orders on the wires of venues other than Kraken, whose own stands in ``lives``.

Read from the documents' shapes beside the client, so that neither its record nor the venue's can hide anything.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from holdfast.core.seams import HttpRequest

__all__ = ["WIRES", "Asked", "CoinbaseWire", "OkxWire", "Wire"]

_IDS: Final = re.compile(rb'"([0-9a-f]{32})"')


class Asked(NamedTuple):
    """A read that may prove something: of what kind, for which of our ids, and which ids its answer names."""

    name: str  # OpenOrders, ClosedOrders or TradesHistory, as the judge calls them.
    client_order_id: str | None
    named: frozenset[str]


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _query(request: HttpRequest) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query))


class Wire:
    """One venue's words about orders."""

    place = ""
    takes_ids_once = True  # Whether an order of ours is executed once, however often its request arrives.
    op: str | None = None  # What an order over the stream is called.

    def deadline_us(self, request: HttpRequest) -> int | None:
        """The end of an order's validity, the venue's clock; None where it has none."""
        raise NotImplementedError

    def answer(self, status: int, body: bytes) -> str | None:
        """What an answer to an order says: ``ok``, a refusal, or None where it is no answer of the venue's."""
        raise NotImplementedError

    def proves_refusal(self, text: str) -> bool:
        """Whether an answer says that the order is not, and will not be, at the venue."""
        raise NotImplementedError

    def lookup(self, name: str, request: HttpRequest, status: int, body: bytes) -> Asked | None:
        """The evidence that an answered read is, or None."""
        raise NotImplementedError

    def is_short(self, text: str) -> bool:
        """Whether the venue's refusal is one for funds."""
        raise NotImplementedError


class CoinbaseWire(Wire):
    """Coinbase: the token ends with the validity; a refusal is an answer with ``success`` false."""

    place = "CreateOrder"

    def deadline_us(self, request: HttpRequest) -> int | None:
        token = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
        parts = token.split(".")
        if len(parts) != 3:
            return None
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return int(claims["exp"]) * 1_000_000

    def answer(self, status: int, body: bytes) -> str | None:
        found = _json(body)
        if status == 200 and found.get("success") is True:
            return "ok"
        if status == 200 and found.get("success") is False:
            response = found.get("error_response")
            return str(found.get("failure_reason") or (response or {}).get("error") or "refused") + " " + str(response)
        if status in (400, 401, 403, 429):
            return f"status {status}"
        return None

    def proves_refusal(self, text: str) -> bool:
        return text == "unsent" or (text != "ok" and "DUPLICATE" not in text)

    def lookup(self, name: str, request: HttpRequest, status: int, body: bytes) -> Asked | None:
        if status != 200 or not _json(body):
            return None
        named = frozenset(each.decode() for each in _IDS.findall(body))
        if name == "ListOrders":
            is_open = "OPEN" in urllib.parse.urlsplit(request.url).query
            return Asked("OpenOrders" if is_open else "ClosedOrders", None, named)
        return Asked("TradesHistory", None, named) if name == "ListFills" else None

    def is_short(self, text: str) -> bool:
        return "INSUFFICIENT_FUND" in text.upper().replace(" ", "_")


class OkxWire(Wire):
    """OKX: ``expTime``; an item's ``sCode`` is the result."""

    place = "POST trade/order"
    # "clOrdId must be unique among all currently pending (live or partially_filled) orders", and "once an order reaches
    # a terminal state […] the same clOrdId may be reused": a copy that arrives after the fill is another order.
    # Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order (checked 2026-11-20)
    takes_ids_once = False
    op = "order"
    _UNSURE: Final = frozenset(
        {"50001", "50004", "50013", "50026", "51016", "51011", "50071", "51054", "51149", "59999"}
    )
    _SHORT: Final = frozenset({"51008", "51119", "51127", "51131"})

    def deadline_us(self, request: HttpRequest) -> int | None:
        text = next((value for name, value in request.headers.items() if name.lower() == "exptime"), None)
        return None if text is None else int(text) * 1000

    def frame_deadline_us(self, message: Mapping[str, Any]) -> int | None:
        """The same of an order on the stream."""
        text = message.get("expTime")
        return None if text is None else int(text) * 1000

    def answer(self, status: int, body: bytes) -> str | None:
        return self.told(_json(body))

    def told(self, found: Mapping[str, Any]) -> str | None:
        """What an envelope says of the order in it."""
        if "code" not in found:
            return None
        rows = found.get("data")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        code = str(row.get("sCode") or found["code"])
        return "ok" if code == "0" and row else code

    def proves_refusal(self, text: str) -> bool:
        return text == "unsent" or (text not in ("ok", "0", "1", "2") and text not in self._UNSURE)

    def lookup(self, name: str, request: HttpRequest, status: int, body: bytes) -> Asked | None:
        code = str(_json(body).get("code"))
        named = frozenset(each.decode() for each in _IDS.findall(body))
        if name == "GET trade/order" and code in ("0", "51603"):
            return Asked("ClosedOrders", _query(request).get("clOrdId"), named)
        if code != "0":
            return None
        if name == "GET trade/orders-pending":
            return Asked("OpenOrders", None, named)
        if name in ("GET trade/orders-history", "GET trade/orders-history-archive"):
            return Asked("ClosedOrders", None, named)
        return Asked("TradesHistory", None, named) if name in ("GET trade/fills", "GET trade/fills-history") else None

    def is_short(self, text: str) -> bool:
        return text in self._SHORT


WIRES: Final[dict[str, Wire]] = {"coinbase": CoinbaseWire(), "okx": OkxWire()}
"""By venue; Kraken's stands in ``lives``."""
