"""A simulated Kraken: REST ``/0`` and WebSocket v2, with its nonces, limits, ledger, orders and faults."""

from holdfast.simulators.kraken.settings import OPEN_POINTS, KrakenSimSettings
from holdfast.simulators.kraken.simulator import KrakenSimulator

__all__ = ["OPEN_POINTS", "KrakenSimSettings", "KrakenSimulator"]
