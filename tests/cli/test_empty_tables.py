"""What a table of balances says where there is no figure: proven, or not known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from holdfast.cli.tables import balances_table
from holdfast.core.verdicts import TradingState
from holdfast.runtime.broker import Broker


class Figureless:
    """A broker without figures, in a given condition."""

    def __init__(self, **condition: Any) -> None:
        self._condition = condition

    def balances(self) -> dict[str, Any]:
        return {}

    def status(self) -> Any:
        usual: dict[str, Any] = {
            "broker": "okx-m",
            "venue": "okx",
            "environment": "simulated",
            "health": SimpleNamespace(value="down"),
            "stream": SimpleNamespace(reason="not_wanted", state="down"),
            "reasons": (),
            "trading_state": TradingState.ACTIVE,
            "in_doubt": 0,
            "assets": 0,
            "last_success_age_s": 0.1,
        }
        return SimpleNamespace(**{**usual, **self._condition})


def told(**condition: Any) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(balances_table(cast("Broker", Figureless(**condition))))
    return captured.get()


@pytest.mark.parametrize(
    ("condition", "note"),
    [
        ({}, "nothing held: proven"),
        ({"last_success_age_s": None}, "no balance yet"),
        ({"reasons": ("credential_wrong_secret", "balances_unknown")}, "no balance yet"),
        ({"reasons": ("balances_restored",)}, "no balance yet"),
    ],
)
def test_nothing_held_is_said_only_where_the_balances_were_read(condition: dict[str, Any], note: str) -> None:
    """A refused key lets the venue's own clock be read: that is a success, and proves nothing of the balances."""
    assert note in told(**condition)
