"""``holdfast route``: one answer, a line for each broker, and an exit code a script can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command, Served


@pytest.fixture
def two(holdfast: Command, shared_venue: Served) -> Command:
    """A broker at a venue that is there, and one before it at a venue that is not."""
    holdfast.configure(shared_venue)
    folder: Path = holdfast.folder
    key = (folder / "key").read_text().strip()
    for name, text in (("key2", key[:-4] + "Zz9A"), ("secret2", (folder / "secret").read_text().strip())):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text + "\n")
    with (folder / "holdfast.toml").open("a") as file:
        file.write(
            """
[brokers.kraken-gone]
venue = "kraken"
environment = "simulated"
rest_url = "http://127.0.0.1:1"
ws_url = "ws://127.0.0.1:1/v2"
credentials = { key_file = "key2", secret_file = "secret2" }

[routing]
brokers = ["kraken-gone", "kraken-master"]
"""
        )
    return holdfast


def test_the_broker_that_would_do_is_named_with_why_not_the_other(two: Command) -> None:
    done = two.here("route", "BTC-USD", "buy", "100", "--in-quote", "--wait", "1")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "kraken-master  the only one that would do, in the configured order"
    assert lines[1].startswith("  kraken-gone  down: it is down: ")
    assert "102.24 USD needed" in lines[2]


def test_the_document_has_each_broker_with_its_evidence(two: Command) -> None:
    code, document = two.json_here("route", "BTC-USD", "buy", "0.001", "--policy", "lowest_fee", "--wait", "1")

    assert (code, document["schema_version"], document["code"]) == (0, 1, "chosen")
    assert (document["broker"], document["policy"], document["quantity"]) == ("kraken-master", "lowest_fee", "0.001")
    gone, master = document["brokers"]
    assert (gone["broker"], gone["rank"], gone["refusal"]["kind"]) == ("kraken-gone", None, "unhealthy")
    assert (master["broker"], master["rank"], master["refusal"]) == ("kraken-master", 1, None)
    assert (master["spendable"], master["asset"], master["verdict"]) == ("10000.0000", "USD", "approved")


@pytest.mark.parametrize(
    ("arguments", "code", "answer"),
    [
        (("BTC-USD", "buy", "20000", "--in-quote"), 4, "none_funded"),
        (("BTC-USD", "sell", "1000", "--broker", "kraken-master"), 4, "none_funded"),
        (("BTC-USD", "buy", "100", "--in-quote", "--broker", "kraken-gone"), 6, "all_unhealthy"),
        (("DOGE-BTC", "buy", "1", "--broker", "kraken-master"), 2, "not_listed"),
        (("BTC-USD", "buy", "0.00000001", "--broker", "kraken-master"), 2, "none_suited"),
    ],
)
def test_that_none_would_do_has_a_code_of_its_own(
    two: Command, arguments: tuple[str, ...], code: int, answer: str
) -> None:
    found, document = two.json_here("route", *arguments, "--wait", "1")

    assert (found, document["code"], document["broker"]) == (code, answer, None)
    assert all(each["refusal"]["sentence"] for each in document["brokers"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("BTC-USD", "hold", "1"),
        ("BTC-USD", "buy", "1,000"),
        ("BTCUSD", "buy", "1"),
        ("BTC-USD", "buy", "1", "--policy", "best"),
        ("BTC-USD", "buy", "1", "--broker", "kraken-nobody"),
        ("BTC-USD", "sell", "1", "--in-quote"),
    ],
)
def test_what_is_no_order_exits_2(two: Command, arguments: tuple[str, ...]) -> None:
    done = two.here("route", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
