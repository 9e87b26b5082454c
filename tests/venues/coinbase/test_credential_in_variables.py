"""A Coinbase key as people have it in a variable: the venue's own download, and what the simulator prints."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.errors import ConfigError
from holdfast.runtime.credentials import read_credential
from holdfast.testing import FakeClock, run_virtual
from tests.contract.subjects import SUBJECTS

SUBJECT = next(subject for subject in SUBJECTS if subject.venue.id == "coinbase")
BROKER = BrokerConfig(name="coinbase-master", venue="coinbase", environment="simulated")


def printed() -> tuple[str, str]:
    """Key and secret of the simulator's ready line."""
    found: list[tuple[str, str]] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        venue = SUBJECT.simulate(1, "plain", FakeClock(loop).world(), loop)
        credential = venue.credentials()[0]
        found.append((credential["key"], credential["secret"]))

    run_virtual(ask())
    return found[0]


def read(secret: str) -> Credential:
    environ = {"COINBASE_MASTER_API_KEY": printed()[0], "COINBASE_MASTER_API_SECRET": secret}
    config = Config(brokers={BROKER.name: BROKER})
    return read_credential(BROKER, SUBJECT.venue, config=config, environ=environ)


@pytest.mark.parametrize("in_one_line", [False, True])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_secret_that_the_simulator_prints_is_taken_as_it_is(in_one_line: bool, end: str) -> None:
    secret = printed()[1].rstrip("\n") + end
    assert secret.startswith("-----BEGIN")

    assert read(secret.replace("\n", "\\n") if in_one_line else secret).key == printed()[0]


@pytest.mark.parametrize(
    ("secret", "cause"),
    [
        ("not a key", "neither a PEM key nor base64"),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n", "line break around its value"),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "cannot be read"),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA", "without its end"),
    ],
)
def test_what_is_no_key_is_refused_by_its_cause(secret: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        read(secret)
