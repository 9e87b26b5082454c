"""What a user sees who makes a mistake: a code, what is wrong, and what to do."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.cli.session import tell_trouble
from tests.cli.conftest import Command, Served


def test_no_configuration_exits_3_and_names_the_command_that_writes_one(holdfast: Command) -> None:
    done = holdfast("balances", XDG_CONFIG_HOME=str(holdfast.folder / "nowhere"))
    assert done.returncode == 3
    assert "holdfast config init" in done.stderr


def test_unknown_command_exits_2_and_offers_help(holdfast: Command) -> None:
    done = holdfast("balnces")
    assert done.returncode == 2
    assert "balances" in done.stderr
    assert "holdfast --help" in done.stderr


def test_unknown_option_value_exits_2(holdfast: Command) -> None:
    done = holdfast("balances", "--output", "xml")
    assert done.returncode == 2
    assert "xml" in done.stderr


def test_unknown_broker_exits_2_and_lists_those_there_are(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("balances", "--broker", "kraken-mastr")
    assert done.returncode == 2
    assert "kraken-master" in done.stderr


def test_several_brokers_and_none_named_exits_2_and_lists_them(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue, "kraken-master", "kraken-sub1")
    done = holdfast("history")
    assert done.returncode == 2
    assert "kraken-master" in done.stderr
    assert "kraken-sub1" in done.stderr


def test_unknown_asset_exits_2_and_names_the_nearest(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("explain", "kraken-master", "USDD")
    assert done.returncode == 2
    assert "USD" in done.stderr


def test_secret_is_in_no_output_however_wrong_it_is(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    (holdfast.folder / "secret").write_text("canary not base64 at all")
    for arguments in (("balances",), ("status",), ("config", "check"), ("config", "show"), ("nonce", "doctor")):
        done = holdfast(*arguments, HOLDFAST_DEBUG="1")
        assert "canary" not in done.stdout + done.stderr, arguments
    assert holdfast("balances").returncode == 3


def test_readable_secret_file_is_refused_by_name_with_the_fix(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    (holdfast.folder / "secret").chmod(0o644)
    done = holdfast("balances")
    assert done.returncode == 3
    assert "chmod 600" in done.stderr


def test_what_needs_the_account_alone_exits_9_beside_its_owner_and_says_who_that_is(
    holdfast: Command, shared_venue: Served
) -> None:
    holdfast.configure(shared_venue)
    with holdfast.owning() as owner:
        for arguments in (("up",), ("restore", "--start-new")):
            done = holdfast(*arguments)
            assert done.returncode == 9, done.stderr
            assert str(owner.pid) in done.stderr
        owner.send_signal(signal.SIGTERM)
        start = time.monotonic()
        owner.communicate(timeout=10)
        assert owner.returncode == 0
        assert time.monotonic() - start < 5


def test_a_standby_takes_over_from_a_killed_owner(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    with holdfast.owning() as owner, holdfast.owning("--standby") as standby:
        owner.kill()
        owner.communicate(timeout=10)
        end = time.monotonic() + 20
        while str(standby.pid) not in (refused := holdfast("up", "--for", "1s")).stderr:
            assert time.monotonic() < end, refused.stderr
        assert refused.returncode == 9


def test_owner_killed_outright_leaves_nothing_in_the_way(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    with holdfast.owning() as owner:
        owner.kill()
        owner.communicate(timeout=10)
    assert holdfast("balances").returncode == 0


def test_wrong_secret_is_told_with_the_venues_objection_and_without_waiting(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    right = (holdfast.folder / "secret").read_text()
    (holdfast.folder / "secret").write_text("A" * 86 + "==")
    start = time.monotonic()
    done = holdfast("balances", "--wait", "30")
    assert time.monotonic() - start < 15
    assert done.returncode == 3
    assert "signature" in done.stderr.lower()
    assert "holdfast nonce doctor --retry" in done.stderr
    (holdfast.folder / "secret").write_text(right)
    assert holdfast("nonce", "doctor", "--retry").returncode == 0
    assert holdfast("balances").returncode == 0


def test_wrong_options_are_usage_errors(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    for arguments in (
        ("balances", "--wait", "-1"),
        ("balances", "--wait", "nan"),
        ("history", "--limit", "-1"),
        ("demo", "--for", "0s"),
        ("sim", "kraken", "--port", "99999"),
        ("backup", "holdfast.toml"),
        ("backup", "no/such/folder/file"),
        ("restore", "nope.bak"),
    ):
        done = holdfast(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert done.stderr


def test_no_order_is_advised_as_a_trial_while_figures_would_have_it_denied(capsys: pytest.CaptureFixture[str]) -> None:
    def hint(*reasons: str) -> str:
        broker: Any = SimpleNamespace(
            status=lambda: SimpleNamespace(broker="acme-master", reasons=reasons, last_error=None)
        )
        tell_trouble(broker)
        return capsys.readouterr().err

    assert "the next order" in hint("trade_breaker_half_open")
    assert "the next order" not in hint("balances_stale", "trade_breaker_half_open", "stream_venue")
    assert "heals by itself" in hint("balances_stale", "trade_breaker_half_open", "read_breaker_open", "stream_venue")
