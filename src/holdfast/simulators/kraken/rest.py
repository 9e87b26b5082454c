"""
The REST side: one envelope, one way in, and a table of methods.

Source: https://docs.kraken.com/exchange/guides/rest/introduction (checked 2026-11-20): an error of the API is HTTP 200.
"""

from __future__ import annotations

import urllib.parse
from typing import Any, Final

from holdfast.simulators.core.seam import SimReply, SimRequest
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.kraken import rest_account, rest_orders, rest_public
from holdfast.simulators.kraken.call import Call, Services
from holdfast.simulators.kraken.errors import (
    RATE_LIMIT,
    UNAVAILABLE,
    UNKNOWN_METHOD,
    KrakenRefusedError,
    invalid_arguments,
)
from holdfast.simulators.kraken.gate import Gate
from holdfast.simulators.kraken.render import encode
from holdfast.simulators.kraken.rest_balances import NOTHING

__all__ = ["PRIVATE_METHODS", "PUBLIC_METHODS", "RestSurface", "parse_body"]

_PUBLIC: Final = "/0/public/"
_PRIVATE: Final = "/0/private/"
_JSON: Final = "application/json; charset=utf-8"

PUBLIC_METHODS: Final = rest_public.METHODS
"""Every unsigned method, and what answers."""

PRIVATE_METHODS: Final = {**rest_account.METHODS, **rest_orders.METHODS}
"""Every signed method: the permissions of which one suffices, and what answers."""


def parse_body(request: SimRequest) -> dict[str, Any]:
    """
    The fields of a form or JSON body; the last of repeated form fields counts.

    Raises:
        KrakenRefusedError: The body is neither.
    """
    if "json" in request.headers.get("content-type", ""):
        fields = decode_json(request.body)
        if not isinstance(fields, dict):
            raise invalid_arguments()
        return fields
    try:
        return dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        raise invalid_arguments() from None


class RestSurface:
    """Answers requests; commits before it returns."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._exchange = services.exchange
        self._gate = gate

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one request in Kraken's envelope."""
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
        envelope: dict[str, Any] = {"error": []}
        if result is not NOTHING:
            envelope["result"] = result
        return SimReply(status=200, headers={"content-type": _JSON}, body=encode(envelope))

    def _public(self, request: SimRequest, name: str) -> Any:
        method = PUBLIC_METHODS.get(name)
        if method is None:
            raise KrakenRefusedError(UNKNOWN_METHOD)
        self._gate.admit_public()
        fields: dict[str, Any] = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        if request.method == "POST" and request.body:
            fields |= parse_body(request)
        call = Call(self._services, name=name, fields=fields, key=None)
        self._fault(name, "before")
        result = method(call)
        self._fault(name, "after")
        return result

    def _private(self, request: SimRequest, name: str) -> Any:
        entry = PRIVATE_METHODS.get(name)
        if entry is None or request.method != "POST":
            raise KrakenRefusedError(UNKNOWN_METHOD)
        permissions, method = entry
        fields = parse_body(request)
        key = self._gate.admit(request, name=name, permissions=permissions, fields=fields)
        if self._exchange.mode == "maintenance" and self._exchange.settings.do_reads_fail_in_maintenance:
            raise KrakenRefusedError(UNAVAILABLE)
        self._fault(name, "before")
        result = method(Call(self._services, name=name, fields=fields, key=key))
        self._fault(name, "after")
        return result

    def _fault(self, name: str, when: str) -> None:
        fault = self._exchange.impairments.spend("refuse", name=name, when=when)
        if fault is not None:
            raise KrakenRefusedError(str(fault.fields.get("error", UNAVAILABLE)))

    def _refused(self, text: str) -> SimReply:
        settings = self._exchange.settings
        envelope: dict[str, Any] = {"error": [text]}
        if settings.result_on_error != "absent":
            envelope["result"] = {} if settings.result_on_error == "empty" else None
        status = settings.rate_limit_status if text == RATE_LIMIT else 200
        return SimReply(status=status, headers={"content-type": _JSON}, body=encode(envelope))
