"""Whether ccxt knows the exchange that a broker names: asked before anything is opened, where ccxt is installed."""

from __future__ import annotations

from holdfast.config import BrokerConfig
from holdfast.errors import ConfigError

__all__ = ["is_exchange_known"]


def is_exchange_known(broker: BrokerConfig) -> bool:
    """
    Whether *broker*'s exchange was found among ccxt's, or it names none; False: ccxt is not installed, nobody looked.

    Imports ccxt, which takes about a second; does not suspend.

    Raises:
        ConfigError: ccxt has none of that id; names what is near.
    """
    if broker.exchange is None:
        return True
    try:
        from holdfast.venues.through_ccxt.calls import exchange_class
    except ModuleNotFoundError:
        return False
    try:
        exchange_class(broker.exchange)
    except ConfigError as error:
        raise ConfigError(f"brokers.{broker.name}: {error}") from None
    return True
