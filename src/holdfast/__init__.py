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
    from holdfast.core.balances import Source as Source
    from holdfast.core.health import Health as Health
    from holdfast.errors import BadCredentialError as BadCredentialError
    from holdfast.errors import BalanceStaleError as BalanceStaleError
    from holdfast.errors import BalanceUnknownError as BalanceUnknownError
    from holdfast.errors import ClosedError as ClosedError
    from holdfast.errors import ConfigError as ConfigError
    from holdfast.errors import CredentialBusyError as CredentialBusyError
    from holdfast.errors import CredentialParkedError as CredentialParkedError
    from holdfast.errors import DeniedError as DeniedError
    from holdfast.errors import HaltedError as HaltedError
    from holdfast.errors import HoldfastError as HoldfastError
    from holdfast.errors import InvariantError as InvariantError
    from holdfast.errors import NotReadyError as NotReadyError
    from holdfast.errors import OwnedElsewhereError as OwnedElsewhereError
    from holdfast.errors import PayloadError as PayloadError
    from holdfast.errors import StoreError as StoreError
    from holdfast.errors import UnknownNameError as UnknownNameError
    from holdfast.errors import VenueError as VenueError
    from holdfast.runtime.blocking import BlockingBroker as BlockingBroker
    from holdfast.runtime.blocking import BlockingDesk as BlockingDesk
    from holdfast.runtime.blocking import open_blocking as open_blocking
    from holdfast.runtime.broker import Broker as Broker
    from holdfast.runtime.desk import Desk as Desk
    from holdfast.runtime.open import open as open  # noqa: A004  # The verb users read: holdfast.open().
    from holdfast.runtime.views import BalancesChanged as BalancesChanged
    from holdfast.runtime.views import BrokerStatus as BrokerStatus
    from holdfast.runtime.views import Lagged as Lagged

__version__ = "0.1.0"

_HOMES = {
    "Config": "holdfast.config",
    "Balance": "holdfast.core.balances",
    "BalanceState": "holdfast.core.balances",
    "Source": "holdfast.core.balances",
    "BlockingBroker": "holdfast.runtime.blocking",
    "BlockingDesk": "holdfast.runtime.blocking",
    "open_blocking": "holdfast.runtime.blocking",
    "Broker": "holdfast.runtime.broker",
    "Desk": "holdfast.runtime.desk",
    "open": "holdfast.runtime.open",
    "BrokerStatus": "holdfast.runtime.views",
    "BalancesChanged": "holdfast.runtime.views",
    "Health": "holdfast.core.health",
    "Lagged": "holdfast.runtime.views",
    **dict.fromkeys(
        (
            "BadCredentialError",
            "BalanceStaleError",
            "BalanceUnknownError",
            "ClosedError",
            "ConfigError",
            "CredentialBusyError",
            "CredentialParkedError",
            "DeniedError",
            "HaltedError",
            "HoldfastError",
            "InvariantError",
            "NotReadyError",
            "OwnedElsewhereError",
            "PayloadError",
            "StoreError",
            "UnknownNameError",
            "VenueError",
        ),
        "holdfast.errors",
    ),
}

__all__ = [
    "BadCredentialError",
    "Balance",
    "BalanceStaleError",
    "BalanceState",
    "BalanceUnknownError",
    "BalancesChanged",
    "BlockingBroker",
    "BlockingDesk",
    "Broker",
    "BrokerStatus",
    "ClosedError",
    "Config",
    "ConfigError",
    "CredentialBusyError",
    "CredentialParkedError",
    "DeniedError",
    "Desk",
    "HaltedError",
    "Health",
    "HoldfastError",
    "InvariantError",
    "Lagged",
    "NotReadyError",
    "OwnedElsewhereError",
    "PayloadError",
    "Source",
    "StoreError",
    "UnknownNameError",
    "VenueError",
    "__version__",
    "open",
    "open_blocking",
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
