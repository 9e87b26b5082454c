"""The nonce race itself: that it counts, and that what it counts is the clients' doing."""

from __future__ import annotations

import pytest

from tests.clients.environments import CLIENTS, ROOT, MissingEnvironmentError, python_of
from tests.clients.nonce_race import STYLES, race


def test_every_client_is_locked_at_the_version_named_here() -> None:
    for client, version in CLIENTS.items():
        lock = (ROOT / "requirements" / "clients" / f"{client}.txt").read_text(encoding="utf-8")
        assert f"\n{client}=={version} " in lock, client


def test_missing_environment_names_the_command_that_builds_it() -> None:
    with pytest.raises(MissingEnvironmentError, match="make clients"):
        python_of("no-such-client")


@pytest.mark.clients
@pytest.mark.parametrize(
    ("client", "style"), [(client, style) for client, styles in STYLES.items() for style in styles]
)
async def test_callers_that_share_a_key_lose_nonces_and_a_lone_one_loses_none(client: str, style: str) -> None:
    alone = await race(client, callers=1, calls=60, style=style)
    assert (alone.refused, alone.calls) == (0, 60)

    together = await race(client, callers=16, calls=320, style=style)
    assert together.calls == 320
    assert together.processes == 4
    assert 0.2 < together.refused_share < 0.95
    assert together.refused == together.verdicts["EAPI:Invalid nonce"]
