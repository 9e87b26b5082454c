"""
Coinbase's refusals, in the three forms they take: bare text, the v3 envelope, the v2 envelope.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/api-architecture/rate-limiting,
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order,
https://github.com/coinbase/coinbase-advanced-py/issues/60 (a 401 that is no JSON).
"""

from __future__ import annotations

from typing import Final

from holdfast.simulators.coinbase.render import encode

__all__ = [
    "JSON",
    "TEXT",
    "UNKNOWN",
    "CoinbaseRefusedError",
    "OrderRefusedError",
    "invalid_argument",
    "not_found",
    "preview_refusal",
    "v2_error",
    "v3_error",
]

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"


class CoinbaseRefusedError(Exception):
    """A whole request is refused: the status and the body to answer with."""

    def __init__(self, status: int, body: bytes, content_type: str = JSON, **headers: str) -> None:
        super().__init__(f"{status} {body.decode()}")
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class OrderRefusedError(Exception):
    """
    An order is refused although its request is well: HTTP 200 with ``success`` false.

    ``word`` is of ``new_order_failure_reason``, ``preview`` of ``preview_failure_reason``.
    """

    def __init__(self, word: str, message: str = "", *, preview: str | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.message = message
        self.preview = f"PREVIEW_{word}" if preview is None else preview

    @property
    def telling(self) -> str:
        """The word that says something: some reasons exist among the preview's words only."""
        return self.preview if self.word == UNKNOWN else self.word


UNKNOWN: Final = "UNKNOWN_FAILURE_REASON"
"""No reason; what stands in ``new_order_failure_reason`` where the reason is one of the preview's."""


def preview_refusal(preview: str, message: str = "") -> OrderRefusedError:
    """A refusal that has a word among the preview's only."""
    return OrderRefusedError(UNKNOWN, message, preview=preview)


def v3_error(status: int, word: str, text: str) -> CoinbaseRefusedError:
    """The v3 envelope with its code word."""
    return CoinbaseRefusedError(status, encode({"error": word, "error_details": text, "message": text}))


def v2_error(status: int, word: str, text: str) -> CoinbaseRefusedError:
    """The v2 envelope, which also carries refusals for too many requests."""
    return CoinbaseRefusedError(status, encode({"errors": [{"id": word, "message": text}]}))


def invalid_argument(text: str) -> CoinbaseRefusedError:
    """The refusal of a parameter."""
    return v3_error(400, "INVALID_ARGUMENT", text)


def not_found(text: str, *, word: str = "NOT_FOUND") -> CoinbaseRefusedError:
    """Nothing has this id."""
    return v3_error(404, word, text)
