"""The nonce race itself: that it counts, and that what it counts is the clients' doing."""

from __future__ import annotations

import pytest

from tests.clients.environments import CLIENTS, ROOT, MissingEnvironmentError, python_of
from tests.clients.nonce_race import race


def test_every_client_is_locked_at_the_version_named_here() -> None:
    for client, version in CLIENTS.items():
        lock = (ROOT / "requirements" / "clients" / f"{client}.txt").read_text(encoding="utf-8")
        assert f"\n{client}=={version} " in lock, client


def test_missing_environment_names_the_command_that_builds_it() -> None:
    with pytest.raises(MissingEnvironmentError, match="make clients"):
        python_of("no-such-client")


@pytest.mark.clients
async def test_lone_caller_loses_no_nonce() -> None:
    alone = await race("python-kraken-sdk", callers=1, calls=60)
    assert (alone.refused, alone.calls) == (0, 60)


@pytest.mark.clients
@pytest.mark.parametrize(
    ("client", "style"), [("ccxt", "tasks"), ("python-kraken-sdk", "tasks"), ("krakenex", "threads")]
)
async def test_callers_that_share_a_key_lose_nonces(client: str, style: str) -> None:
    together = await race(client, callers=16, calls=320, style=style, processes=2)
    assert (together.calls, together.processes) == (320, 2)
    assert 0.2 < together.refused_share < 0.95
    assert together.refused == together.verdicts["EAPI:Invalid nonce"]
