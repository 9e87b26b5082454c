"""Unsigned REST methods. Source: https://docs.kraken.com/api/docs/rest-api (checked 2026-11-20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.render import rfc1123

__all__ = ["METHODS"]


def _time(call: Call) -> Any:
    now_us = call.exchange.now_us()
    return {"unixtime": now_us // 1_000_000, "rfc1123": rfc1123(now_us)}


METHODS: Final[dict[str, Callable[[Call], Any]]] = {"Time": _time}
"""Every public method, by name."""
