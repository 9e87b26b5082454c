"""One key at its own adapter and behind ccxt: two units of nonces, of which the coarser one comes too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.config import load_config
from holdfast.core.credentials import Credential
from holdfast.core.seams import Priority
from holdfast.errors import ConfigError
from holdfast.runtime.lane import FileLane
from holdfast.runtime.parts import real_parts

PLACE = {"environment": "simulated", "rest_url": "http://127.0.0.1:9", "ws_url": "ws://127.0.0.1:9/v2"}


async def test_a_key_that_counted_in_microseconds_is_refused_behind_ccxt_by_name(tmp_path: Path) -> None:
    config = load_config(
        {
            "state_dir": str(tmp_path / "state"),
            "brokers": {
                "kraken-master": {"venue": "kraken", **PLACE},
                "any-main": {"venue": "through_ccxt", "exchange": "kraken", **PLACE},
            },
        }
    )
    parts = real_parts(config)

    def lane(broker: str, *, venue: str, key: str) -> FileLane:
        credential = Credential(venue=venue, key=key, secret="")
        made = parts.lane(config.brokers[broker], credential, lambda _: None)
        assert isinstance(made, FileLane)
        return made

    lane("any-main", venue="through_ccxt", key="SIMone").close()  # Never used at its own adapter.
    native = lane("kraken-master", venue="kraken", key="SIMone")
    async with native.turn(priority=Priority.BALANCE) as turn:
        await turn.take()
    native.close()

    with pytest.raises(ConfigError, match=r"any-main: .* venue = kraken, which counts nonces in microseconds.*another"):
        lane("any-main", venue="through_ccxt", key="SIMone")
    lane("any-main", venue="through_ccxt", key="SIMtwo").close()
