"""
What stands between a signed request and its endpoint: key, passphrase, time, signature, environment, address, rights.

The order of the checks is a setting: OKX says nothing of it. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#overview-rest-authentication, https://www.okx.com/docs-v5/en/#overview-websocket-login,
https://www.okx.com/docs-v5/en/#overview-demo-trading-services.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.okx.errors import OkxRefusedError, StreamRefusedError
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.keys import ApiKey
from holdfast.simulators.okx.limits import CallLimits

__all__ = ["ADDRESS", "Gate", "parse_timestamp_us"]

ADDRESS: Final = "127.0.0.1"
"""Where every client of a simulator comes from."""

_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", re.ASCII)
_LOGIN_TEXT: Final = "GET/users/self/verify"


def parse_timestamp_us(text: str) -> int | None:
    """The Unix microseconds of ``2026-01-15T08:30:00.123Z``; None where *text* has not this form."""
    if _TIMESTAMP.match(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.astimezone(UTC).replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


class Gate:
    """The checks of signed requests and of logins, and the counts of calls."""

    def __init__(self, exchange: OkxExchange) -> None:
        self._exchange = exchange
        self.limits = CallLimits(lambda: exchange.settings)

    # REST

    def admit(self, request: SimRequest, *, permission: str) -> ApiKey:
        """
        The key behind a signed request that may pass.

        Raises:
            OkxRefusedError: The first check that it fails.
        """
        headers = request.headers
        for name, code in (
            ("ok-access-key", "50103"),
            ("ok-access-passphrase", "50104"),
            ("ok-access-sign", "50106"),
            ("ok-access-timestamp", "50107"),
        ):
            if not headers.get(name):
                raise OkxRefusedError(code, is_gateway=True)
        key = self._known(headers["ok-access-key"])
        for check in self._exchange.settings.check_order:
            failed = self._failed(check, key, request, permission)
            if failed is not None:
                raise OkxRefusedError(failed, is_gateway=True)
        key.used_s = self._exchange.now_s()
        return key

    def _known(self, public: str) -> ApiKey:
        key = self._exchange.living_key(public)
        if key is None or key.is_elsewhere:
            status = self._exchange.settings.unknown_key_status
            raise OkxRefusedError("50119", status=status, is_gateway=True)
        return key

    def _failed(self, check: str, key: ApiKey, request: SimRequest, permission: str) -> str | None:
        """The code of a check that fails; None where it does not."""
        settings = self._exchange.settings
        headers = request.headers
        if check == "passphrase":
            return None if headers["ok-access-passphrase"] == key.passphrase else "50105"
        if check == "timestamp":
            at_us = parse_timestamp_us(headers["ok-access-timestamp"])
            if at_us is None:
                return "50112"
            is_near = abs(at_us - self._exchange.now_us()) <= settings.timestamp_window_s * 1_000_000
            return None if is_near else "50102"
        if check == "signature":
            target = f"{request.path}?{request.query}" if request.query else request.path
            body = request.body.decode("utf-8", "replace") if request.method != "GET" else ""
            text = f"{headers['ok-access-timestamp']}{request.method}{target}{body}"
            return None if key.is_signed(text, headers["ok-access-sign"]) else "50113"
        if check == "environment":
            if key.environment == "any":
                return None
            is_demo = headers.get("x-simulated-trading", "0") == "1"
            return None if is_demo == (key.environment == "demo") else "50101"
        if check == "address":
            return None if not key.addresses or ADDRESS in key.addresses else "50110"
        if check == "permission":
            if key.is_frozen:
                return "50100"
            return None if permission in key.permissions else "50030"
        return None

    def count(self, name: str, *, whose: str, part: str = "", cost: int = 1) -> None:
        """
        Count a call.

        Raises:
            OkxRefusedError: There were too many.
        """
        settings = self._exchange.settings
        if self.limits.admits(name, whose, part, now_s=self._exchange.now_s(), cost=cost):
            return
        if settings.rate_limit_form == "200":
            raise OkxRefusedError("50011")
        headers = {"retry-after": f"{settings.retry_after_s:g}"} if settings.retry_after_s else {}
        raise OkxRefusedError("50011", status=429, is_gateway=True, **headers)

    # Stream

    def log_in(self, fields: Mapping[str, Any]) -> ApiKey:
        """
        The key of a stream login.

        Raises:
            StreamRefusedError: The first check that it fails.
        """
        exchange = self._exchange
        if (refused := exchange.impairments.spend("login_refused")) is not None:
            raise StreamRefusedError(str(refused.fields.get("code", "60009")))
        public = fields.get("apiKey")
        if not isinstance(public, str) or not public:
            raise StreamRefusedError("60005")
        key = exchange.living_key(public)
        if key is None or key.is_elsewhere:
            raise StreamRefusedError("60032")
        stamp = str(fields.get("timestamp", ""))
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 20):
            raise StreamRefusedError("60004")
        if abs(int(stamp) * 1_000_000 - exchange.now_us()) > exchange.settings.timestamp_window_s * 1_000_000:
            raise StreamRefusedError("60006")
        if fields.get("passphrase") != key.passphrase:
            raise StreamRefusedError("60024")
        if not key.is_signed(stamp + _LOGIN_TEXT, str(fields.get("sign", ""))):
            raise StreamRefusedError("60007")
        if key.is_frozen or (key.addresses and ADDRESS not in key.addresses):
            raise StreamRefusedError("60009")
        key.used_s = exchange.now_s()
        return key
