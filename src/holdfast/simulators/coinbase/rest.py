"""
The REST side: paths, who may call them, and one way in.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api and the pages that
the modules of each part name.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.simulators.coinbase import rest_accounts, rest_history, rest_orders, rest_products, rest_v2
from holdfast.simulators.coinbase.call import Call, Services
from holdfast.simulators.coinbase.errors import JSON, CoinbaseRefusedError, v2_error, v3_error
from holdfast.simulators.coinbase.gate import Gate
from holdfast.simulators.coinbase.render import encode
from holdfast.simulators.core.seam import SimReply, SimRequest

__all__ = ["METHODS", "ROUTES", "RestSurface", "Route", "route_of"]

_V3: Final = "/api/v3/brokerage/"
_MARKET: Final = "market/"

METHODS: Final = {
    **rest_accounts.METHODS,
    **rest_orders.METHODS,
    **rest_history.METHODS,
    **rest_products.METHODS,
    **rest_v2.METHODS,
}
"""Everything that can be asked, by Coinbase's own name of it."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One path: what it is called, and the permission its caller needs; empty where nobody has to sign."""

    name: str
    scope: str = "view"


ROUTES: Final[dict[str, Route]] = {
    "GET accounts": Route(name="ListAccounts"),
    "GET accounts/*": Route(name="GetAccount"),
    "GET key_permissions": Route(name="GetApiKeyPermissions"),
    "GET portfolios": Route(name="ListPortfolios"),
    "GET portfolios/*": Route(name="GetPortfolioBreakdown"),
    "GET transaction_summary": Route(name="GetTransactionsSummary"),
    "GET cfm/balance_summary": Route(name="GetFuturesBalanceSummary"),
    "POST orders": Route(name="CreateOrder", scope="trade"),
    "POST orders/preview": Route(name="PreviewOrder"),
    "POST orders/batch_cancel": Route(name="CancelOrders", scope="trade"),
    "POST orders/edit": Route(name="EditOrder", scope="trade"),
    "POST orders/edit_preview": Route(name="PreviewEditOrder"),
    "POST orders/close_position": Route(name="ClosePosition", scope="trade"),
    "GET orders/historical/batch": Route(name="ListOrders"),
    "GET orders/historical/fills": Route(name="ListFills"),
    "GET orders/historical/*": Route(name="GetOrder"),
    "GET products": Route(name="GetProducts"),
    "GET products/*": Route(name="GetProduct"),
    "GET products/*/candles": Route(name="GetProductCandles"),
    "GET products/*/ticker": Route(name="GetMarketTrades"),
    "GET product_book": Route(name="GetProductBook"),
    "GET best_bid_ask": Route(name="GetBestBidAsk"),
    "GET time": Route(name="GetServerTime", scope=""),
    "GET market/products": Route(name="GetProducts", scope=""),
    "GET market/products/*": Route(name="GetProduct", scope=""),
    "GET market/products/*/candles": Route(name="GetProductCandles", scope=""),
    "GET market/products/*/ticker": Route(name="GetMarketTrades", scope=""),
    "GET market/product_book": Route(name="GetProductBook", scope=""),
    "GET /v2/time": Route(name="v2/time", scope=""),
    "GET /v2/currencies": Route(name="v2/currencies", scope=""),
    "GET /v2/currencies/crypto": Route(name="v2/currencies/crypto", scope=""),
    "GET /v2/exchange-rates": Route(name="v2/exchange-rates", scope=""),
    "GET /v2/accounts": Route(name="v2/accounts"),
}
"""Method and path, below ``/api/v3/brokerage/`` where it does not begin with a slash; ``*`` is the id in it."""


def route_of(request: SimRequest) -> tuple[Route, str] | None:
    """The route of a request and the id in its path; None where there is none."""
    path = request.path.rstrip("/")
    path = path[len(_V3) :] if path.startswith(_V3) else path
    exact = ROUTES.get(f"{request.method} {path}")
    if exact is not None:
        return exact, ""
    parts = path.split("/")
    for index in range(len(parts) - 1, 0, -1):
        route = ROUTES.get(f"{request.method} {'/'.join([*parts[:index], '*', *parts[index + 1 :]])}")
        if route is not None:
            return route, parts[index]
    return None


class RestSurface:
    """Answers requests; commits before it returns."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._exchange = services.exchange
        self._gate = gate

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one request."""
        try:
            body, headers = self._answer(request)
        except CoinbaseRefusedError as refused:
            refusal = refused
            if refused.status == 401 and request.path.startswith("/v2/"):
                refusal = v2_error(401, "authentication_error", "invalid credentials")
            content = {"content-type": refusal.content_type, **refusal.headers}
            return SimReply(status=refusal.status, headers=content, body=refusal.body)
        return SimReply(status=200, headers={"content-type": JSON, **headers}, body=encode(body))

    def _answer(self, request: SimRequest) -> tuple[Any, dict[str, str]]:
        found = route_of(request)
        if found is None:
            if request.path.startswith("/v2/"):
                raise v2_error(404, "not_found", "Not found")
            raise v3_error(404, "unknown", "Not Found")
        route, id_ = found
        key, headers = None, dict[str, str]()
        if self._exchange.mode == "maintenance" and route.name not in ("GetServerTime", "v2/time"):
            raise self._gate.in_maintenance()
        if route.scope:
            key, headers = self._gate.admit(request, scope=route.scope)
        elif not request.path.startswith("/v2/"):  # The older pages are counted by the hour, far above any client.
            self._gate.admit_public()
        self._fault(route.name, "before")
        call = Call(self._services, name=route.name, id_=id_, request=request, key=key)
        body = METHODS[route.name](call)
        self._fault(route.name, "after")
        return body, headers

    def _fault(self, name: str, when: str) -> None:
        fields = self._exchange.is_fault("refuse", name=name, when=when)
        if fields is not None:
            status, word = int(fields.get("status", 503)), str(fields.get("error", "UNAVAILABLE"))
            raise v3_error(status, word, str(fields.get("message", "service unavailable")))
