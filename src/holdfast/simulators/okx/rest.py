"""
The REST side: one envelope, one way in, and a table of endpoints.

Source: https://www.okx.com/docs-v5/en/#overview-general-info (checked 2026-11-20): a refusal is mostly HTTP 200 with a
``code`` that is not 0, and what stands before the service may refuse without ``data``.
"""

from __future__ import annotations

import urllib.parse
from typing import Any, Final

from holdfast.simulators.core.seam import SimReply, SimRequest
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.okx import rest_account, rest_public, rest_trade
from holdfast.simulators.okx.call import Call, Services
from holdfast.simulators.okx.errors import OkxRefusedError
from holdfast.simulators.okx.gate import ADDRESS
from holdfast.simulators.okx.keys import ApiKey
from holdfast.simulators.okx.limits import LIMITS
from holdfast.simulators.okx.order_desk import Answer
from holdfast.simulators.okx.render import encode, us
from holdfast.simulators.okx.rest_account import NOTHING

__all__ = ["PREFIX", "PUBLIC", "SIGNED", "RestSurface", "endpoint_of", "query_fields"]

PREFIX: Final = "/api/v5/"
"""Before every path."""

PUBLIC: Final = rest_public.ENDPOINTS
"""Every unsigned endpoint, and what answers."""

SIGNED: Final = {**rest_account.ENDPOINTS, **rest_trade.ENDPOINTS}
"""Every signed endpoint: the right that is needed, and what answers."""

_JSON: Final = "application/json;charset=UTF-8"
_COUNTED_AT_THE_DESK: Final = frozenset(
    f"POST trade/{path}"
    for path in ("order", "batch-orders", "amend-order", "amend-batch-orders", "cancel-order", "cancel-batch-orders")
)


def endpoint_of(request: SimRequest) -> str:
    """Method and path below ``/api/v5``, which is what an endpoint is called here."""
    return f"{request.method} {request.path.removeprefix(PREFIX)}"


def query_fields(request: SimRequest) -> dict[str, Any]:
    """The fields of a query; the last of repeated ones counts."""
    return dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))


class RestSurface:
    """Answers requests; commits before it returns."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._exchange = services.exchange

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one request in OKX's envelope."""
        in_us = self._exchange.now_us()
        try:
            if not request.path.startswith(PREFIX):
                raise OkxRefusedError("404")
            result = self._answer(request, endpoint_of(request))
        except OkxRefusedError as refusal:
            return self._refused(refusal)
        if isinstance(result, Answer):
            envelope: dict[str, Any] = {"code": result.code, "msg": result.text, "data": result.rows}
            envelope |= {"inTime": us(in_us), "outTime": us(self._exchange.now_us())}
        else:
            envelope = {"code": "0", "msg": ""}
            if result is not NOTHING:
                envelope["data"] = result
        return SimReply(status=200, headers={"content-type": _JSON}, body=encode(envelope))

    def _answer(self, request: SimRequest, name: str) -> Any:
        public = PUBLIC.get(name)
        if public is not None:
            fields = query_fields(request)
            self._services.gate.count(name, whose=ADDRESS, part=str(fields.get("instType", "")))
            self._fault(name, "before")
            result = public(Call(self._services, name=name, fields=fields, items=(), key=None))
            self._fault(name, "after")
            return result
        entry = SIGNED.get(name)
        if entry is None:
            raise OkxRefusedError("404")
        permission, endpoint = entry
        key = self._services.gate.admit(request, permission=permission)
        if self._exchange.is_in_maintenance:
            raise OkxRefusedError("50001")
        call = self._call(request, name, key)
        if name not in _COUNTED_AT_THE_DESK:
            account = self._exchange.accounts[key.account]
            limit = LIMITS.get(name)
            part = "" if limit is None else str(call.fields.get(limit.by, ""))
            self._services.gate.count(name, whose=account.uid, part=part)
        self._fault(name, "before")
        result = endpoint(call)
        self._fault(name, "after")
        return result

    def _call(self, request: SimRequest, name: str, key: ApiKey) -> Call:
        fields: dict[str, Any] = {}
        items: list[Any] = []
        if request.method == "GET":
            fields = query_fields(request)
        else:
            body = decode_json(request.body) if request.body else {}
            if isinstance(body, dict):
                fields, items = body, [body]
            elif isinstance(body, list):
                items = body
            else:
                raise OkxRefusedError("50002")
        return Call(
            self._services,
            name=name,
            fields=fields,
            items=items,
            key=key,
            deadline_ms=request.headers.get("exptime"),
        )

    def _fault(self, name: str, when: str) -> None:
        fault = self._exchange.impairments.spend("refuse", name=name, when=when)
        if fault is not None:
            status = fault.fields.get("status")
            raise OkxRefusedError(str(fault.fields.get("code", "50001")), status=status)

    def _refused(self, refusal: OkxRefusedError) -> SimReply:
        envelope: dict[str, Any] = {"msg": refusal.text, "code": refusal.code}
        if not refusal.is_gateway or self._exchange.settings.has_data_on_gateway_errors:
            envelope["data"] = []
        headers = {"content-type": _JSON, **refusal.headers}
        return SimReply(status=refusal.status, headers=headers, body=encode(envelope))
