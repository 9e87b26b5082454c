"""
What stands between a signed request and its method: key, signature, nonce, permission, counter, lockout.

The order of the checks, and whether a call that a later check refuses has used up its nonce, are settings: Kraken says
neither. Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/authentication,
https://docs.kraken.com/exchange/guides/rest/ratelimits, https://docs.kraken.com/exchange/guides/general/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.kraken.errors import (
    INVALID_KEY,
    INVALID_NONCE,
    LOCKOUT,
    PERMISSION_DENIED,
    RATE_LIMIT,
    KrakenRefusedError,
)
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.keys import ApiKey
from holdfast.simulators.kraken.limits import Counter, Throttle, rest_cost

__all__ = ["Gate"]


class Gate:
    """The checks of signed requests, and the counters they keep per key."""

    def __init__(self, exchange: KrakenExchange) -> None:
        self._exchange = exchange
        self._counters: dict[str, Counter] = {}
        self._throttles: dict[str, Throttle] = {}
        self._public = Counter()

    def admit(
        self, request: SimRequest, *, name: str, permissions: tuple[str, ...], fields: Mapping[str, Any]
    ) -> ApiKey:
        """
        The key behind a signed request that may pass; its nonce is used up.

        Raises:
            KrakenRefusedError: The first check that it fails.
        """
        settings = self._exchange.settings
        key = self._exchange.keys.get(request.headers.get("api-key", ""))
        now_s = self._exchange.now_s()
        if key is None or key.is_revoked or 0 < key.valid_until_us <= self._exchange.now_us():
            raise KrakenRefusedError(INVALID_KEY)
        if now_s < key.locked_until_s:
            if settings.does_attempt_restart_lockout:
                key.locked_until_s = now_s + settings.lockout_s
            raise KrakenRefusedError(LOCKOUT)
        self._throttle(key, now_s)
        nonce_text = str(fields.get("nonce", ""))
        nonce = int(nonce_text) if nonce_text.isascii() and nonce_text.isdigit() and len(nonce_text) <= 20 else None
        is_nonce_good = False
        for check in settings.check_order:
            if check == "signature":
                signature = request.headers.get("api-sign", "")
                if not key.is_signed(path=request.path, nonce=nonce_text, body=request.body, signature=signature):
                    self._strike(key, now_s)
                    self._refuse(key, nonce if is_nonce_good else None, settings.bad_signature_error)
            elif check == "nonce":
                if not key.accepts(nonce, is_identical_accepted=settings.is_identical_nonce_in_window_accepted):
                    self._strike(key, now_s)
                    raise KrakenRefusedError(INVALID_NONCE)
                is_nonce_good = True
            elif check == "permission":
                if permissions and key.permissions.isdisjoint(permissions):
                    self._refuse(key, nonce if is_nonce_good else None, PERMISSION_DENIED)
            elif check == "counter" and not self._counts(key, name, now_s):
                self._refuse(key, nonce if is_nonce_good else None, RATE_LIMIT)
        assert nonce is not None
        key.consume(nonce)
        key.last_used_us = self._exchange.now_us()
        return key

    def admit_public(self) -> None:
        """
        Whether another unsigned call may pass.

        Raises:
            KrakenRefusedError: Too many of them.
        """
        rate = self._exchange.settings.public_calls_per_s
        if rate and not self._public.add(
            1, now_s=self._exchange.now_s(), decay=rate, maximum=max(1.0, rate), counts_when_over=False
        ):
            raise KrakenRefusedError("EGeneral:Too many requests")

    def fill_counters(self, above: float) -> None:
        """Put the counter of every key *above* its maximum."""
        tier = self._exchange.tier
        for public in self._exchange.keys:
            counter = self._counters[public] = Counter()
            counter.add(
                tier.rest_max + above,
                now_s=self._exchange.now_s(),
                decay=tier.rest_decay,
                maximum=0,
                counts_when_over=True,
            )

    def _counts(self, key: ApiKey, name: str, now_s: float) -> bool:
        tier = self._exchange.tier
        settings = self._exchange.settings
        cost = rest_cost(name, settings)
        if not cost or not settings.are_calls_counted:
            return True
        counter = self._counters.get(key.public)
        if counter is None:
            counter = self._counters[key.public] = Counter()
        return counter.add(
            cost,
            now_s=now_s,
            decay=tier.rest_decay,
            maximum=tier.rest_max,
            counts_when_over=settings.do_refused_calls_count,
        )

    def _throttle(self, key: ApiKey, now_s: float) -> None:
        settings = self._exchange.settings
        if not settings.concurrent_calls:
            return
        throttle = self._throttles.setdefault(key.public, Throttle())
        if not throttle.admits(now_s=now_s, at_once=settings.concurrent_calls, call_s=settings.call_time_s):
            until_s = self._exchange.now_us() // 1_000_000 + round(settings.throttle_s)
            raise KrakenRefusedError(f"EService: Throttled: {until_s}")

    def _refuse(self, key: ApiKey, nonce: int | None, error: str) -> None:
        if nonce is not None and self._exchange.settings.does_refused_call_consume_nonce:
            key.consume(nonce)
        raise KrakenRefusedError(error)

    def _strike(self, key: ApiKey, now_s: float) -> None:
        settings = self._exchange.settings
        key.strike(
            now_s=now_s,
            after=settings.lockout_after,
            window_s=settings.lockout_window_s,
            lockout_s=settings.lockout_s,
        )
