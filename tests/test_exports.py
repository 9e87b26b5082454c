"""The public names, pinned: adding one is a decision, losing one breaks somebody's bot."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import holdfast
from holdfast import errors

PUBLIC = [
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

# Each costs tens of milliseconds, and a bot that only imports us should not pay for them.
HEAVY = ["aiohttp", "cryptography", "cyclopts", "picows", "prometheus_client", "rich", "sqlite3", "structlog"]


def test_public_names_are_exactly_these() -> None:
    assert sorted(holdfast.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_can_be_used(name: str) -> None:
    value = getattr(holdfast, name)

    assert name == "__version__" or value.__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Balnace'"):
        getattr(holdfast, "Balnace")  # noqa: B009  # Typed access would be refused before it runs.


def test_dir_lists_the_public_names() -> None:
    assert dir(holdfast) == sorted(PUBLIC)


def test_every_error_is_exported_by_the_tree() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")}

    assert classes == {name for name in errors.__all__ if name.endswith("Error")}


def test_version_is_the_one_of_the_distribution() -> None:
    assert holdfast.__version__ == importlib.metadata.version("holdfast")


def test_import_loads_nothing_heavy() -> None:
    probe = f"import sys, holdfast; print(*[name for name in {HEAVY!r} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()

    assert loaded == []
