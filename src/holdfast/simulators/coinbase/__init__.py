"""A simulated Coinbase Advanced: REST ``/api/v3/brokerage`` and the stream, with its tokens, orders and faults."""

from holdfast.simulators.coinbase.settings import OPEN_POINTS, CoinbaseSimSettings
from holdfast.simulators.coinbase.simulator import CoinbaseSimulator

__all__ = ["OPEN_POINTS", "CoinbaseSimSettings", "CoinbaseSimulator"]
