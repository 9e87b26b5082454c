"""
OKX's refusals: of a whole call with a code, or of one order in it with an ``sCode``.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#error-code-rest-api-public,
https://www.okx.com/docs-v5/en/#error-code-rest-api-trade, https://www.okx.com/docs-v5/en/#error-code-websocket-public.
The texts are our own: clients are told to read codes only.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TEXTS", "ItemRefusedError", "OkxRefusedError", "StreamRefusedError", "text_of"]

_STATUS: Final = {
    "404": 404,
    "50000": 400,
    "50001": 503,
    "50002": 400,
    "50004": 400,
    "50005": 410,
    "50006": 400,
    "50013": 429,
    "50014": 400,
    "50026": 500,
    "50035": 403,
    "50100": 400,
    "51000": 400,
    "51054": 500,
    "51149": 500,
    "58102": 429,
} | {f"501{number:02d}": 401 for number in range(1, 15)}

TEXTS: Final = {
    "404": "Not Found",
    "50001": "Service temporarily unavailable. Please try again later.",
    "50002": "Incorrect json data format.",
    "50004": "API endpoint request timeout (does not mean that the request was successful or failed).",
    "50005": "API is offline or unavailable.",
    "50011": "Too Many Requests",
    "50013": "Systems are busy. Please try again later.",
    "50014": "Parameter can not be empty.",
    "50026": "System error. Please try again later.",
    "50030": "You do not have permission to use this endpoint.",
    "50036": "The expTime can't be earlier than the current system time.",
    "50037": "Order expired.",
    "50061": "Sub-account rate limit exceeded.",
    "50071": "Duplicated clOrdId.",
    "50100": "API frozen, please contact customer service.",
    "50101": "APIKey does not match current environment.",
    "50102": "Timestamp request expired.",
    "50103": 'Request header "OK-ACCESS-KEY" can not be empty.',
    "50104": 'Request header "OK-ACCESS-PASSPHRASE" can not be empty.',
    "50105": "Request header OK-ACCESS-PASSPHRASE incorrect.",
    "50106": 'Request header "OK-ACCESS-SIGN" can not be empty.',
    "50107": 'Request header "OK-ACCESS-TIMESTAMP" can not be empty.',
    "50110": "Your IP 127.0.0.1 is not included in your API key's IP whitelist.",
    "50111": "Invalid OK-ACCESS-KEY.",
    "50112": "Invalid OK-ACCESS-TIMESTAMP.",
    "50113": "Invalid Sign",
    "50119": "API key doesn't exist",
    "51000": "Parameter error.",
    "51001": "Instrument ID doesn't exist.",
    "51003": "Either client order ID or order ID is required.",
    "51006": "Order price is not within the price limit.",
    "51008": "Order failed. Insufficient balance in account.",
    "51010": "You can't complete this request under your current account mode.",
    "51016": "Client order ID already exists.",
    "51020": "Your order should meet or exceed the minimum order amount.",
    "51021": "This instrument is not yet live.",
    "51022": "This instrument is suspended.",
    "51024": "Your account is blocked.",
    "51025": "The number of open orders exceeds the limit.",
    "51027": "This instrument has expired.",
    "51102": "The number of open orders of this instrument exceeds the limit.",
    "51116": "Order price or trigger price exceeds the limit.",
    "51119": "Order placement failed due to insufficient balance.",
    "51121": "Order quantity must be a multiple of the lot size.",
    "51127": "Available balance is 0.",
    "51131": "Insufficient balance.",
    "51139": "Reduce-only is not available in spot mode.",
    "51149": "Order timed out. Please try again later.",
    "51201": "The value of a market order can't exceed the limit.",
    "51202": "The size of a market order can't exceed the limit.",
    "51203": "Order amount exceeds the limit.",
    "51400": "Cancellation failed as the order has been filled, canceled or doesn't exist.",
    "51410": "Cancellation failed as the order is already in canceling status or pending settlement.",
    "51502": "Order modification failed due to insufficient balance.",
    "51503": "Your order has already been filled or canceled.",
    "51603": "Order does not exist.",
    "51613": "The order cannot be amended.",
    "54008": "This operation is disabled by the mass cancel order endpoint.",
    "58102": "Rate limit reached. Please refer to API docs and throttle requests accordingly.",
    "58116": "The transfer amount exceeds what is available.",
    "58120": "Transfers are currently unavailable.",
    "58129": "No such transfer.",
    "60004": "Invalid timestamp.",
    "60005": "Invalid apiKey.",
    "60006": "Timestamp request expired.",
    "60007": "Invalid sign.",
    "60009": "Login failed.",
    "60011": "Please log in.",
    "60012": "Invalid request.",
    "60013": "Invalid args.",
    "60014": "Requests too frequent.",
    "60018": "Wrong URL or channel doesn't exist.",
    "60024": "Wrong passphrase.",
    "60031": "Repeated login is not allowed.",
    "60032": "API key doesn't exist.",
    "63999": "Login failed due to internal error. Please try again later.",
    "64003": "Your trading fee tier doesn't meet the requirement to access this channel.",
    "64008": "The connection will soon be closed for a service upgrade. Please reconnect.",
}
"""Our wording of the codes that the simulator gives."""


def text_of(code: str) -> str:
    """A message for a code; the simulator's words."""
    return TEXTS.get(code, "Operation failed.")


class OkxRefusedError(Exception):
    """
    A whole call is refused.

    ``is_gateway``: by what stands before the service, whose answers may lack ``data``.
    """

    def __init__(
        self, code: str, text: str | None = None, *, status: int | None = None, is_gateway: bool = False, **headers: str
    ) -> None:
        super().__init__(code)
        self.code = code
        self.text = text_of(code) if text is None else text
        self.status = _STATUS.get(code, 200) if status is None else status
        self.is_gateway = is_gateway
        self.headers = headers


class ItemRefusedError(Exception):
    """One order, amendment or cancel is refused: its ``sCode``, text, and the detail of the code if it has one."""

    def __init__(self, code: str, text: str | None = None, *, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.text = text_of(code) if text is None else text
        self.detail = detail


class StreamRefusedError(Exception):
    """A stream request is refused with an error event."""

    def __init__(self, code: str, text: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text_of(code) if text is None else text
