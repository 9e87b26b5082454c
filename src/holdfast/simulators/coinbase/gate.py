"""
What stands between a request and its method: token, permission, counters.

A refused token is answered 401 and says nothing more; that is also how throttling has been seen. Sources (checked
2026-11-20): https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication,
https://docs.cdp.coinbase.com/coinbase-app/api-architecture/rate-limiting,
https://github.com/coinbase/coinbase-advanced-py/issues/60, https://github.com/coinbase/coinbase-advanced-py/issues/132.
"""

from __future__ import annotations

import math
from typing import Final

from holdfast.simulators.coinbase.errors import JSON, TEXT, CoinbaseRefusedError, v2_error, v3_error
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.keys import ApiKey
from holdfast.simulators.coinbase.limits import Window
from holdfast.simulators.coinbase.render import encode
from holdfast.simulators.coinbase.tokens import TokenRefusedError, judge_token, read_token
from holdfast.simulators.core.seam import SimRequest

__all__ = ["HOST", "Gate"]

HOST: Final = "api.coinbase.com"
"""The host that tokens name, whatever address a client was given."""

_HOUR_S: Final = 3600.0


class Gate:
    """The checks of requests, and what is counted per key and for everybody."""

    def __init__(self, exchange: CoinbaseExchange) -> None:
        self._exchange = exchange
        self._seconds: dict[str, Window] = {}
        self._hours: dict[str, Window] = {}
        self._public = Window(1.0)

    def admit(self, request: SimRequest, *, scope: str) -> tuple[ApiKey, dict[str, str]]:
        """
        The key behind a signed request that may pass, and the headers its answer carries.

        Raises:
            CoinbaseRefusedError: The first check that it fails.
        """
        exchange = self._exchange
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or exchange.is_fault("unauthorized") is not None:
            raise self._unauthorized()
        hosts = dict.fromkeys((HOST, request.headers.get("host", HOST)))
        try:
            token = read_token(text.strip())
            key = judge_token(
                token,
                find_key=exchange.find_key,
                now_us=exchange.now_us(),
                uris=tuple(f"{request.method} {host}{request.path}" for host in hosts),
                settings=exchange.settings,
            )
        except TokenRefusedError:
            raise self._unauthorized() from None
        if exchange.now_s() < key.locked_until_s:
            raise self._unauthorized()
        if exchange.settings.is_token_reuse_refused:
            kept_s = 2 * exchange.settings.token_life_s
            if not key.is_token_new(text.strip(), now_s=exchange.now_s(), kept_s=kept_s):
                raise self._unauthorized()
        headers = self._count(key)
        if scope not in key.scopes:
            raise self._forbidden()
        return key, headers

    def admit_public(self) -> None:
        """
        Whether another unsigned request may pass.

        Raises:
            CoinbaseRefusedError: Too many of them.
        """
        settings = self._exchange.settings
        rate = settings.public_calls_per_s
        if settings.are_calls_counted and rate and not self._public.admit(rate, now_s=self._exchange.now_s()):
            raise self._too_many({})

    def fill_counters(self) -> None:
        """Use up what every key may send now."""
        for key in self._exchange.keys:
            window = self._seconds.setdefault(key, Window(1.0))
            window.fill(self._exchange.settings.private_calls_per_s, now_s=self._exchange.now_s())

    def _count(self, key: ApiKey) -> dict[str, str]:
        settings, now_s = self._exchange.settings, self._exchange.now_s()
        maximum = settings.private_calls_per_s
        if not settings.are_calls_counted or not maximum:
            return {}
        window = self._seconds.setdefault(key.public, Window(1.0))
        is_admitted = window.admit(maximum, now_s=now_s)
        if settings.calls_per_hour and is_admitted:
            hour = self._hours.setdefault(key.public, Window(_HOUR_S))
            if not hour.admit(settings.calls_per_hour, now_s=now_s):
                raise self._too_many(_stated(settings.calls_per_hour, hour, now_s=now_s))
        headers = _stated(maximum, window, now_s=now_s)
        if not is_admitted:
            raise self._too_many(headers)
        return headers

    def _unauthorized(self) -> CoinbaseRefusedError:
        form = self._exchange.settings.unauthorized_body
        if form == "json":
            return v3_error(401, self._word("unauthenticated"), "Unauthorized")
        return CoinbaseRefusedError(401, b"Unauthorized\n" if form == "text" else b"", TEXT)

    def _forbidden(self) -> CoinbaseRefusedError:
        return v3_error(
            self._exchange.settings.forbidden_status, self._word("permission_denied"), "Missing required scopes"
        )

    def _word(self, word: str) -> str:
        return word.upper() if self._exchange.settings.error_word_case == "upper" else word

    def _too_many(self, headers: dict[str, str]) -> CoinbaseRefusedError:
        settings = self._exchange.settings
        status = settings.throttle_status
        if settings.has_retry_after:
            headers = {**headers, "retry-after": headers.get("x-ratelimit-reset", "1")}
        if status == 401:
            refused = self._unauthorized()
        elif settings.rate_limit_body == "v2":
            refused = v2_error(status, "rate_limit_exceeded", "Too many requests")
        elif settings.rate_limit_body == "v3":
            refused = v3_error(status, self._word("resource_exhausted"), "Too many requests")
        else:
            refused = CoinbaseRefusedError(status, b"Too Many Requests\n", TEXT)
        refused.headers.update(headers)
        return refused

    def in_maintenance(self) -> CoinbaseRefusedError:
        """How everything is answered during maintenance."""
        if self._exchange.settings.maintenance_body == "html":
            body = b"<html><body><h1>503 Service Unavailable</h1></body></html>\n"
            return CoinbaseRefusedError(503, body, "text/html")
        body = encode({"error": self._word("unavailable"), "error_details": "", "message": "service unavailable"})
        return CoinbaseRefusedError(503, body, JSON)


def _stated(maximum: int, window: Window, *, now_s: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(maximum),
        "x-ratelimit-remaining": str(window.left(maximum, now_s=now_s)),
        "x-ratelimit-reset": str(math.ceil(window.reset_s(now_s=now_s))),
    }
