"""
holdfast: the account layer for trading bots that tells the truth.

    async with holdfast.open("holdfast.toml") as desk:
        usd = desk["kraken-master"].balance("USD")
        print(usd.available, usd.state, usd.age_s)

Importing this loads almost nothing: each name below is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.config import Config as Config
    from holdfast.core.balances import Balance as Balance
    from holdfast.core.balances import BalanceState as BalanceState
    from holdfast.core.balances import Side as Side
    from holdfast.core.balances import Source as Source
    from holdfast.core.candles import CandleSeries as CandleSeries
    from holdfast.core.health import Health as Health
    from holdfast.core.orders import OrderState as OrderState
    from holdfast.core.orders import OrderType as OrderType
    from holdfast.core.orders import TimeInForce as TimeInForce
    from holdfast.core.positions import Position as Position
    from holdfast.core.positions import PositionList as PositionList
    from holdfast.core.products import Product as Product
    from holdfast.core.products import ProductList as ProductList
    from holdfast.core.reservations import ReservationState as ReservationState
    from holdfast.core.routing import Policy as Policy
    from holdfast.core.routing import RouteCode as RouteCode
    from holdfast.core.routing import Routing as Routing
    from holdfast.core.symbols import SymbolName as SymbolName
    from holdfast.core.valuation import AccountBalance as AccountBalance
    from holdfast.core.valuation import AccountBalanceDetailed as AccountBalanceDetailed
    from holdfast.core.verdicts import TradingState as TradingState
    from holdfast.core.verdicts import Verdict as Verdict
    from holdfast.core.verdicts import VerdictCode as VerdictCode
    from holdfast.errors import AllUnhealthyError as AllUnhealthyError
    from holdfast.errors import BadCredentialError as BadCredentialError
    from holdfast.errors import BalanceStaleError as BalanceStaleError
    from holdfast.errors import BalanceUnknownError as BalanceUnknownError
    from holdfast.errors import BreakerOpenError as BreakerOpenError
    from holdfast.errors import ClosedError as ClosedError
    from holdfast.errors import ConfigError as ConfigError
    from holdfast.errors import CredentialBusyError as CredentialBusyError
    from holdfast.errors import CredentialParkedError as CredentialParkedError
    from holdfast.errors import DeniedError as DeniedError
    from holdfast.errors import FundsShortError as FundsShortError
    from holdfast.errors import HaltedError as HaltedError
    from holdfast.errors import HoldfastError as HoldfastError
    from holdfast.errors import InsufficientFundsError as InsufficientFundsError
    from holdfast.errors import IntentRepeatedError as IntentRepeatedError
    from holdfast.errors import InvariantError as InvariantError
    from holdfast.errors import NoBrokerError as NoBrokerError
    from holdfast.errors import NoneFundedError as NoneFundedError
    from holdfast.errors import NotListedError as NotListedError
    from holdfast.errors import NotReadyError as NotReadyError
    from holdfast.errors import OrderInputError as OrderInputError
    from holdfast.errors import OrderRuleError as OrderRuleError
    from holdfast.errors import Outcome as Outcome
    from holdfast.errors import OutcomeUnknownError as OutcomeUnknownError
    from holdfast.errors import OwnedElsewhereError as OwnedElsewhereError
    from holdfast.errors import OwnerSilentError as OwnerSilentError
    from holdfast.errors import PayloadError as PayloadError
    from holdfast.errors import ReservationError as ReservationError
    from holdfast.errors import ReservationStateError as ReservationStateError
    from holdfast.errors import StoreError as StoreError
    from holdfast.errors import UnknownNameError as UnknownNameError
    from holdfast.errors import UnknownOrderError as UnknownOrderError
    from holdfast.errors import UnknownReservationError as UnknownReservationError
    from holdfast.errors import UnsupportedError as UnsupportedError
    from holdfast.errors import UnsupportedSymbolError as UnsupportedSymbolError
    from holdfast.errors import VenueError as VenueError
    from holdfast.errors import VenueRejectedError as VenueRejectedError
    from holdfast.runtime.attach.connect import connect as connect
    from holdfast.runtime.attach.connect import connect_blocking as connect_blocking
    from holdfast.runtime.blocking import BlockingDesk as BlockingDesk
    from holdfast.runtime.blocking import open_blocking as open_blocking
    from holdfast.runtime.blocking_broker import BlockingBroker as BlockingBroker
    from holdfast.runtime.blocking_broker import BlockingReservation as BlockingReservation
    from holdfast.runtime.broker import Broker as Broker
    from holdfast.runtime.closing import Closing as Closing
    from holdfast.runtime.desk import Desk as Desk
    from holdfast.runtime.open import open as open  # noqa: A004  # The verb users read: holdfast.open().
    from holdfast.runtime.reservation import Reservation as Reservation
    from holdfast.runtime.views import BalancesChanged as BalancesChanged
    from holdfast.runtime.views import BrokerStatus as BrokerStatus
    from holdfast.runtime.views import Lagged as Lagged
    from holdfast.runtime.views import Order as Order
    from holdfast.runtime.views import ReservationView as ReservationView
    from holdfast.wrapping.wrap import wrap as wrap

__version__ = "0.1.0"

_HOMES = {
    "Config": "holdfast.config",
    "Balance": "holdfast.core.balances",
    "BalanceState": "holdfast.core.balances",
    "Side": "holdfast.core.balances",
    "Source": "holdfast.core.balances",
    "Health": "holdfast.core.health",
    "OrderState": "holdfast.core.orders",
    "OrderType": "holdfast.core.orders",
    "TimeInForce": "holdfast.core.orders",
    "ReservationState": "holdfast.core.reservations",
    "Policy": "holdfast.core.routing",
    "RouteCode": "holdfast.core.routing",
    "Routing": "holdfast.core.routing",
    "TradingState": "holdfast.core.verdicts",
    "Verdict": "holdfast.core.verdicts",
    "VerdictCode": "holdfast.core.verdicts",
    "AccountBalance": "holdfast.core.valuation",
    "AccountBalanceDetailed": "holdfast.core.valuation",
    "CandleSeries": "holdfast.core.candles",
    "Closing": "holdfast.runtime.closing",
    "Position": "holdfast.core.positions",
    "PositionList": "holdfast.core.positions",
    "Product": "holdfast.core.products",
    "ProductList": "holdfast.core.products",
    "SymbolName": "holdfast.core.symbols",
    "connect": "holdfast.runtime.attach.connect",
    "connect_blocking": "holdfast.runtime.attach.connect",
    "BlockingDesk": "holdfast.runtime.blocking",
    "open_blocking": "holdfast.runtime.blocking",
    "BlockingBroker": "holdfast.runtime.blocking_broker",
    "BlockingReservation": "holdfast.runtime.blocking_broker",
    "Broker": "holdfast.runtime.broker",
    "Desk": "holdfast.runtime.desk",
    "open": "holdfast.runtime.open",
    "Reservation": "holdfast.runtime.reservation",
    "BalancesChanged": "holdfast.runtime.views",
    "BrokerStatus": "holdfast.runtime.views",
    "Lagged": "holdfast.runtime.views",
    "Order": "holdfast.runtime.views",
    "ReservationView": "holdfast.runtime.views",
    "wrap": "holdfast.wrapping.wrap",
    **dict.fromkeys(
        (
            "AllUnhealthyError",
            "BadCredentialError",
            "BalanceStaleError",
            "BalanceUnknownError",
            "BreakerOpenError",
            "ClosedError",
            "ConfigError",
            "CredentialBusyError",
            "CredentialParkedError",
            "DeniedError",
            "FundsShortError",
            "HaltedError",
            "HoldfastError",
            "InsufficientFundsError",
            "IntentRepeatedError",
            "InvariantError",
            "NoBrokerError",
            "NoneFundedError",
            "NotListedError",
            "NotReadyError",
            "OrderInputError",
            "OrderRuleError",
            "Outcome",
            "OutcomeUnknownError",
            "OwnedElsewhereError",
            "OwnerSilentError",
            "PayloadError",
            "ReservationError",
            "ReservationStateError",
            "StoreError",
            "UnknownNameError",
            "UnknownOrderError",
            "UnknownReservationError",
            "UnsupportedError",
            "UnsupportedSymbolError",
            "VenueError",
            "VenueRejectedError",
        ),
        "holdfast.errors",
    ),
}

__all__ = [
    "AccountBalance",
    "AccountBalanceDetailed",
    "AllUnhealthyError",
    "BadCredentialError",
    "Balance",
    "BalanceStaleError",
    "BalanceState",
    "BalanceUnknownError",
    "BalancesChanged",
    "BlockingBroker",
    "BlockingDesk",
    "BlockingReservation",
    "BreakerOpenError",
    "Broker",
    "BrokerStatus",
    "CandleSeries",
    "ClosedError",
    "Closing",
    "Config",
    "ConfigError",
    "CredentialBusyError",
    "CredentialParkedError",
    "DeniedError",
    "Desk",
    "FundsShortError",
    "HaltedError",
    "Health",
    "HoldfastError",
    "InsufficientFundsError",
    "IntentRepeatedError",
    "InvariantError",
    "Lagged",
    "NoBrokerError",
    "NoneFundedError",
    "NotListedError",
    "NotReadyError",
    "Order",
    "OrderInputError",
    "OrderRuleError",
    "OrderState",
    "OrderType",
    "Outcome",
    "OutcomeUnknownError",
    "OwnedElsewhereError",
    "OwnerSilentError",
    "PayloadError",
    "Policy",
    "Position",
    "PositionList",
    "Product",
    "ProductList",
    "Reservation",
    "ReservationError",
    "ReservationState",
    "ReservationStateError",
    "ReservationView",
    "RouteCode",
    "Routing",
    "Side",
    "Source",
    "StoreError",
    "SymbolName",
    "TimeInForce",
    "TradingState",
    "UnknownNameError",
    "UnknownOrderError",
    "UnknownReservationError",
    "UnsupportedError",
    "UnsupportedSymbolError",
    "VenueError",
    "VenueRejectedError",
    "Verdict",
    "VerdictCode",
    "__version__",
    "connect",
    "connect_blocking",
    "open",
    "open_blocking",
    "wrap",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
