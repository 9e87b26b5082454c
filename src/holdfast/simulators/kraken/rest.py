"""
The REST side: one envelope, one way in, and a table of methods.

A private call passes the checks in the configured order and only then reaches its method. Sources (checked
2026-11-20): https://docs.kraken.com/exchange/guides/rest/introduction,
https://docs.kraken.com/exchange/guides/rest/authentication.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from holdfast.simulators.core.seam import SimReply, SimRequest
from holdfast.simulators.kraken import rest_account, rest_public
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import (
    INVALID_KEY,
    INVALID_NONCE,
    LOCKOUT,
    PERMISSION_DENIED,
    UNKNOWN_METHOD,
    KrakenRefusedError,
    invalid_arguments,
)
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.keys import ApiKey
from holdfast.simulators.kraken.render import encode
from holdfast.simulators.kraken.tokens import TokenStore

__all__ = ["RestSurface", "parse_body"]

_PUBLIC: Final = "/0/public/"
_PRIVATE: Final = "/0/private/"
_JSON: Final = msgspec.json.Decoder(float_hook=lambda text: text)  # Numbers stay text until a method wants them.

Method = Callable[[Call], Any]


def parse_body(request: SimRequest) -> dict[str, Any]:
    """
    The fields of a form or JSON body; the last of repeated form fields counts.

    Raises:
        KrakenRefusedError: The body is neither.
    """
    if "json" in request.headers.get("content-type", ""):
        try:
            fields = _JSON.decode(request.body)
        except (msgspec.DecodeError, RecursionError):
            raise KrakenRefusedError("EGeneral:Invalid arguments:Invalid JSON") from None
        if not isinstance(fields, dict):
            raise invalid_arguments()
        return fields
    try:
        return dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        raise invalid_arguments() from None


class RestSurface:
    """Answers requests; commits before it returns."""

    def __init__(self, exchange: KrakenExchange, tokens: TokenStore) -> None:
        self._exchange = exchange
        self._tokens = tokens

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one request with Kraken's envelope; an error of the API is HTTP 200."""
        path = request.path
        try:
            if path.startswith(_PRIVATE):
                result = self._private(request, path[len(_PRIVATE) :])
            elif path.startswith(_PUBLIC):
                result = self._public(request, path[len(_PUBLIC) :])
            else:
                raise KrakenRefusedError(UNKNOWN_METHOD)
        except KrakenRefusedError as refusal:
            return self._refused(refusal.text)
        return _reply(encode({"error": [], "result": result}))

    def _public(self, request: SimRequest, name: str) -> Any:
        method = rest_public.METHODS.get(name)
        if method is None:
            raise KrakenRefusedError(UNKNOWN_METHOD)
        fields: Mapping[str, Any] = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        if request.method == "POST" and request.body:
            fields = {**fields, **parse_body(request)}
        return method(Call(exchange=self._exchange, tokens=self._tokens, name=name, fields=fields, key=None))

    def _private(self, request: SimRequest, name: str) -> Any:
        entry = rest_account.METHODS.get(name)
        if entry is None:
            raise KrakenRefusedError(UNKNOWN_METHOD)
        permissions, method = entry
        fields = parse_body(request)
        key = self._checked(request, permissions, fields)
        return method(Call(exchange=self._exchange, tokens=self._tokens, name=name, fields=fields, key=key))

    def _checked(self, request: SimRequest, permissions: tuple[str, ...], fields: Mapping[str, Any]) -> ApiKey:
        settings = self._exchange.settings
        key = self._exchange.keys.get(request.headers.get("api-key", ""))
        now_s = self._exchange.now_s()
        if key is None or key.is_revoked:
            raise KrakenRefusedError(INVALID_KEY)
        if now_s < key.locked_until_s:
            if settings.does_attempt_restart_lockout:
                key.locked_until_s = now_s + settings.lockout_s
            raise KrakenRefusedError(LOCKOUT)
        nonce_text = str(fields.get("nonce", ""))
        nonce = int(nonce_text) if nonce_text.isascii() and nonce_text.isdigit() and len(nonce_text) < 21 else None
        was_accepted = False
        for check in settings.check_order:
            try:
                if check == "signature":
                    signature = request.headers.get("api-sign", "")
                    if not key.is_signed(path=request.path, nonce=nonce_text, body=request.body, signature=signature):
                        raise KrakenRefusedError(settings.bad_signature_error)
                elif check == "nonce":
                    if not key.accepts(nonce, is_identical_accepted=settings.is_identical_nonce_in_window_accepted):
                        raise KrakenRefusedError(INVALID_NONCE)
                    was_accepted = True
                elif check == "permission" and permissions and key.permissions.isdisjoint(permissions):
                    raise KrakenRefusedError(PERMISSION_DENIED)
            except KrakenRefusedError as refusal:
                if was_accepted and nonce is not None and settings.does_refused_call_consume_nonce:
                    key.consume(nonce)
                if refusal.text != PERMISSION_DENIED:
                    key.strike(
                        now_s=now_s,
                        after=settings.lockout_after,
                        window_s=settings.lockout_window_s,
                        lockout_s=settings.lockout_s,
                    )
                raise
        assert nonce is not None
        key.consume(nonce)
        key.last_used_us = self._exchange.now_us()
        return key

    def _refused(self, text: str) -> SimReply:
        form = self._exchange.settings.result_on_error
        envelope: dict[str, Any] = {"error": [text]}
        if form != "absent":
            envelope["result"] = {} if form == "empty" else None
        return _reply(encode(envelope))


def _reply(body: bytes) -> SimReply:
    return SimReply(status=200, headers={"Content-Type": "application/json; charset=utf-8"}, body=body)
