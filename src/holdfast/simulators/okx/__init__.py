"""A simulated OKX: REST ``/api/v5`` and WebSocket ``/ws/v5``, with its limits, ledgers, orders, modes and faults."""

from holdfast.simulators.okx.settings import OPEN_POINTS, OkxSimSettings
from holdfast.simulators.okx.simulator import OkxSimulator

__all__ = ["OPEN_POINTS", "OkxSimSettings", "OkxSimulator"]
