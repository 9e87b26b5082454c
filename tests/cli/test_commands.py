"""Every other command, each tried as a user would."""

from __future__ import annotations

import json
import signal
import sys
from decimal import Decimal

import pytest

from tests.cli.conftest import Command, Served


def test_status_is_healthy_with_a_live_stream(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    code, document = holdfast.json("status")
    assert code == 0
    broker = document["brokers"]["kraken-master"]
    assert (broker["health"], broker["stream"]["state"]) == ("healthy", "live")
    assert broker["account_id"]
    assert broker["nonce"]["refused"] == 0


def test_status_watch_prints_a_line_a_second_until_interrupted(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    watching = holdfast.start("status", "--watch", "--output", "json")
    assert watching.stdout is not None
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=30)
    assert all(line["brokers"]["kraken-master"]["venue"] == "kraken" for line in lines)


def test_explain_names_figure_source_and_journal(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    code, document = holdfast.json("explain", "kraken-master", "USD")
    assert code == 0
    assert Decimal(document["balance"]["total"]) == 10000
    assert document["rows"][0]["asset"] == "USD"
    assert document["rows"][0]["cause"]["read"] == "BalanceEx"
    assert document["lines"]


def test_history_reads_the_journal_without_asking_the_venue(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast("balances").returncode == 0
    venue.process.terminate()
    venue.process.wait(timeout=10)
    code, document = holdfast.json("history", "--asset", "USD", "--since", "1h")
    assert code == 0
    assert [row["asset"] for row in document["rows"]][:1] == ["USD"]
    assert [row["seq"] for row in document["rows"]] == sorted(row["seq"] for row in document["rows"])


def test_the_journal_is_read_without_the_api_key_and_nothing_else_is(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast.here("force-balance-refresh").returncode == 0
    for part in ("key", "secret"):
        (holdfast.folder / part).unlink()
    assert holdfast.here("balances").returncode == 3
    code, document = holdfast.json_here("history", "--asset", "USD")
    assert (code, [row["asset"] for row in document["rows"]][:1]) == (0, ["USD"])
    code, document = holdfast.json_here("audit")
    assert (code, [act["act"] for act in document["acts"]]) == (0, ["force_balance_refresh"])


def test_history_refuses_a_time_it_does_not_understand(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("history", "--since", "yesterday")
    assert done.returncode == 2
    assert "2h" in done.stderr


def test_config_init_writes_a_file_that_explains_itself_and_never_overwrites(holdfast: Command) -> None:
    assert holdfast("config", "init").returncode == 0
    written = (holdfast.folder / "holdfast.toml").read_text()
    assert "[brokers." in written
    again = holdfast("config", "init")
    assert again.returncode == 3
    assert (holdfast.folder / "holdfast.toml").read_text() == written


def test_config_init_then_two_variables_is_a_good_configuration(holdfast: Command) -> None:
    assert holdfast("config", "init").returncode == 0
    missing = holdfast("config", "check")
    assert missing.returncode == 3
    assert "KRAKEN_MASTER_API_KEY" in missing.stderr
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="  # Published.
    done = holdfast("config", "check", KRAKEN_MASTER_API_KEY="SIM" + "A" * 53, KRAKEN_MASTER_API_SECRET=secret)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr


def behind_ccxt(holdfast: Command, exchange: str) -> None:
    for part in ("key", "secret"):
        (holdfast.folder / part).touch(mode=0o600)
        (holdfast.folder / part).write_text("SIMvalue")
    (holdfast.folder / "holdfast.toml").write_text(
        f"""
[brokers.other-main]
venue = "through_ccxt"
exchange = "{exchange}"
environment = "simulated"
rest_url = "http://127.0.0.1:9"
ws_url = "ws://127.0.0.1:9"
credentials = {{ key_file = "key", secret_file = "secret" }}
"""
    )


def test_config_check_looks_an_exchange_behind_ccxt_up(holdfast: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    behind_ccxt(holdfast, "binance")
    assert holdfast.here("config", "check").returncode == 0

    behind_ccxt(holdfast, "binanse")
    code, document = holdfast.json_here("config", "check")
    assert code == 3
    assert "did you mean binance" in document["problems"][0]

    monkeypatch.setitem(sys.modules, "ccxt", None)  # As where the extra is not installed.
    for name in [name for name in sys.modules if name.startswith("holdfast.venues.through_ccxt.")]:
        monkeypatch.delitem(sys.modules, name)
    code, document = holdfast.json_here("config", "check")
    assert (code, document["problems"]) == (0, [])
    assert "was not checked: ccxt is not installed" in document["unchecked"][0]


def test_config_show_round_trips(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    shown = holdfast("config", "show")
    assert shown.returncode == 0
    (holdfast.folder / "shown.toml").write_text(shown.stdout)
    assert (
        holdfast.json("config", "show", "--config", "shown.toml")[1]["brokers"]
        == (holdfast.json("config", "show")[1]["brokers"])
    )


def test_sim_ready_line_keeps_its_contract(shared_venue: Served) -> None:
    ready = shared_venue.ready
    assert ready["venue"] == "kraken"
    port = ready["rest"].rpartition(":")[2]
    assert ready["rest"] == f"http://127.0.0.1:{port}"
    assert ready["ws"] == f"ws://127.0.0.1:{port}/v2"
    assert ready["admin"] == f"http://127.0.0.1:{port}/admin"
    credential = ready["credentials"][0]
    assert credential["account"] == "master"
    assert credential["key"].startswith("SIM")
    assert credential["passphrase"] is None
    assert credential["nonce_window"] == 0


def test_backup_then_restore_starts_halted_where_something_was_missed(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast("balances").returncode == 0
    code, document = holdfast.json("backup", "before.db")
    assert code == 0
    assert document["last_seq"] > 0
    venue.post("events", {"kind": "deposit", "asset": "USD", "amount": "5"})
    assert holdfast("balances").returncode == 0
    code, report = holdfast.json("restore", "before.db")
    assert code == 0
    assert report["moved_aside"]
    assert report["halted"]
    code, status = holdfast.json("status")
    broker = status["brokers"]["kraken-master"]
    assert broker["is_halted"]
    assert broker["halted_reason"]
    assert code != 0
    refused = holdfast.here("resume")
    assert refused.returncode == 6
    assert "--accept-restored" in refused.stderr
    assert holdfast.json_here("resume", "--accept-restored")[1]["trading_state"] == "active"
    assert not holdfast.json_here("status")[1]["brokers"]["kraken-master"]["is_halted"]


def test_restore_needs_a_backup_or_the_word_that_there_is_none(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    assert holdfast("restore").returncode == 2


def test_damaged_store_is_refused_by_name_and_a_new_one_starts_only_by_command(
    holdfast: Command, shared_venue: Served
) -> None:
    holdfast.configure(shared_venue)
    assert holdfast("balances").returncode == 0
    database = next((holdfast.folder / "state").rglob("*.db"))
    raw = bytearray(database.read_bytes())
    raw[:16] = b"not a database!!"
    database.write_bytes(raw)
    refused = holdfast("balances")
    assert refused.returncode == 1
    assert "holdfast restore" in refused.stderr
    assert database.read_bytes() == bytes(raw)
    assert holdfast("restore", "--start-new").returncode == 0
    assert holdfast.json("status")[1]["brokers"]["kraken-master"]["is_halted"]


def test_nonce_doctor_finds_nothing_on_a_healthy_key(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    code, document = holdfast.json("nonce", "doctor")
    assert code == 0
    assert document["is_well"]
    assert document["diagnosis"]["cause"] == "nothing"
    assert document["call"] == "accepted"


def test_nonce_doctor_tells_a_finer_scale_and_ratchets_only_with_consent(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast("balances").returncode == 0
    venue.post("faults", {"add": [{"kind": "stolen_nonce", "scale": "ns"}]})
    assert holdfast("balances", "--wait", "3").returncode == 3
    code, sick = holdfast.json("nonce", "doctor")
    assert code == 3
    assert sick["diagnosis"]["cause"] == "finer_unit"
    assert sick["diagnosis"]["is_inferred"]
    refused = holdfast("nonce", "doctor", "--ratchet")
    assert refused.returncode != 0
    assert "cannot be undone" in refused.stderr
    code, healed = holdfast.json("nonce", "doctor", "--ratchet", "--yes")
    assert (code, healed["call"], healed["unit"]) == (0, "accepted", "ns")
    assert holdfast("balances").returncode == 0


@pytest.mark.timeout(90)
def test_demo_ends_by_itself_with_figures_equal_to_the_venues_ledger(holdfast: Command) -> None:
    done = holdfast("demo", "--for", "12s", "--output", "json", KRAKEN_MASTER_API_KEY="ambient", HOLDFAST_CONFIG="none")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["equal"]
    assert summary["events"]["stream.lost"] >= 1
    assert summary["nonces_refused"] == 0
    assert "the stream is cut" in done.stderr


def test_help_of_every_command_names_its_options(holdfast: Command) -> None:
    from holdfast.cli.app import COMMANDS, GROUPS

    paths = [(name,) for name in COMMANDS] + [(group, name) for group, (_, inner) in GROUPS.items() for name in inner]
    top = holdfast("--help")
    assert top.returncode == 0
    for path in paths:
        assert path[0] in top.stdout
    from holdfast.cli.app import build_app

    for path in paths:  # In this process: twenty interpreters would take a minute.
        _, _, ignored = build_app().parse_args([*path, "--help"])
        assert ignored == {} or ignored is not None
