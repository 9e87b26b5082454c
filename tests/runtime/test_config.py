"""The configuration: found in order, refused whole, with every problem, and never a secret in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from holdfast.config import SETTINGS, Config, config_template, find_config, load_config
from holdfast.errors import ConfigError

GOOD = """
[brokers.kraken-master]
venue = "kraken"
environment = "simulated"
rest_url = "http://127.0.0.1:18080"
ws_url = "ws://127.0.0.1:18080/v2"
"""


def broker(**changes: Any) -> dict[str, Any]:
    table: dict[str, Any] = {
        "venue": "kraken",
        "environment": "simulated",
        "rest_url": "http://127.0.0.1:18080",
        "ws_url": "ws://127.0.0.1:18080/v2",
    }
    table.update(changes)
    return {"brokers": {"kraken-master": {key: value for key, value in table.items() if value is not None}}}


def problems_of(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def write(path: Path, text: str = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# Finding


def test_the_path_given_wins_over_the_variable_and_the_folder(here: Path) -> None:
    given, named, local = (write(here / name) for name in ("given.toml", "named.toml", "holdfast.toml"))
    environ = {"HOLDFAST_CONFIG": str(named)}
    assert find_config(given, environ=environ) == given
    assert find_config(environ=environ) == named
    assert find_config(environ={}).samefile(local)


def test_the_users_own_file_is_the_last_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    own = write(platformdirs.user_config_path("holdfast", appauthor=False) / "holdfast.toml")
    assert find_config(environ={}) == own


def test_a_file_that_was_named_and_is_not_there_is_not_replaced_by_another(here: Path) -> None:
    write(here / "holdfast.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        find_config(environ={"HOLDFAST_CONFIG": "gone.toml"})
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        find_config("gone.toml", environ={})


def test_no_configuration_at_all_says_where_it_was_looked_for(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"holdfast\.toml.*config init"):
        find_config(environ={})


# Reading


def test_a_good_file_is_read_with_its_defaults(here: Path) -> None:
    config = load_config(write(here / "holdfast.toml"))
    assert config.brokers["kraken-master"].reading.max_age_s == 30
    assert config.lane.forward_buffer_us == 1500
    assert config.path == str(here / "holdfast.toml")


def test_a_config_is_returned_as_it_is() -> None:
    config = load_config(broker())
    assert load_config(config) is config


@pytest.mark.parametrize("text", ["[brokers", "\x00", 'brokers = "x"\n[brokers]\n'])
def test_what_is_not_toml_is_refused_by_name(here: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"holdfast\.toml: not TOML"):
        load_config(write(here / "holdfast.toml", text))


def test_a_file_that_cannot_be_a_configuration_is_not_read_whole(here: Path) -> None:
    with pytest.raises(ConfigError, match="larger than"):
        load_config(write(here / "holdfast.toml", "#" * (2 << 20)))


def test_a_brokers_own_reading_goes_over_the_shared_one() -> None:
    raw = broker(reading={"max_age_s": 20})
    raw["reading"] = {"max_age_s": 40, "rest_lag_s": 7}
    reading = load_config(raw).brokers["kraken-master"].reading
    assert (reading.max_age_s, reading.rest_lag_s) == (20, 7)


# Refusing


def test_an_unknown_key_names_file_key_and_the_nearest_name(here: Path) -> None:
    path = write(here / "holdfast.toml", GOOD.replace("environment", "enviroment"))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "brokers.kraken-master.enviroment: unknown key; did you mean environment?" in str(caught.value)


def test_every_problem_is_listed_at_once() -> None:
    raw = broker(venue=None, rest_url=5, reading={"max_ages": 1}, health={"failure_threshold": 0})
    raw["lanes"] = {}
    raw["journal"] = {"keep_days": -1}
    found = problems_of(raw)
    for start in (
        "lanes: unknown key; did you mean lane?",
        "journal.keep_days: expected `int` >= 1, found -1",
        "brokers.kraken-master.venue: missing",
        "brokers.kraken-master.rest_url: expected",
        "brokers.kraken-master.reading.max_ages: unknown key; did you mean max_age_s?",
        "brokers.kraken-master.health.failure_threshold: expected `int` >= 1, found 0",
    ):
        assert any(problem.startswith(start) for problem in found), (start, found)


def test_every_contradiction_is_listed_at_once() -> None:
    raw = broker(
        rest_url="http://10.1.2.3:80",
        requests_in_flight=4,
        reading={
            "anchor_max_age_s": 30,
            "reconcile_quiet_s": 60,
            "reconcile_fault_s": 100,
            "max_age_s": 8,
            "silent_after_s": 0.1,
        },
    )
    found = "\n".join(problems_of(raw))
    for word in (
        "10.1.2.3",
        "requests_in_flight (4) needs a nonce_window",
        "anchor_max_age_s (30)",
        "reconcile_fault_s (100)",
        "max_age_s (8)",
        "silent_after_s (0.1)",
    ):
        assert word in found


def test_a_misspelt_key_hides_no_contradiction_and_a_faulty_value_makes_none_up() -> None:
    raw = broker(venue="krakn", colour=1, rest_url=5, ws_url="http://127.0.0.1:1", reading={"max_age_s": 1})
    raw["lanes"] = {}
    found = problems_of(raw)
    for word in ("lanes: unknown key", "colour: unknown key", "did you mean kraken?", "ws_url 'http", "max_age_s (1)"):
        assert any(word in problem for problem in found), (word, found)
    assert not any("rest_url is needed" in problem for problem in found)


def test_a_word_that_is_no_choice_is_told_the_choices_beside_an_unknown_venue() -> None:
    found = problems_of(broker(environment="prod", venue="binance"))
    assert (
        "brokers.kraken-master.environment: 'prod' is none of production, demo, simulated; did you mean production?"
        in found
    )
    assert any("venue 'binance' has no adapter" in problem for problem in found)
    raw = broker()
    raw["log"] = {"level": "verbose"}
    assert problems_of(raw) == ["log.level: 'verbose' is none of debug, info, warning, error"]


def test_a_certificate_file_that_is_not_there_is_told_by_name(here: Path) -> None:
    path = write(here / "conf" / "holdfast.toml", GOOD + 'ca_file = "gone.pem"\n')
    with pytest.raises(ConfigError, match=r"ca_file: .*conf/gone\.pem: no such file"):
        load_config(path)
    write(here / "conf" / "gone.pem", "x")
    load_config(path)


def test_there_is_no_default_environment() -> None:
    assert any("environment: missing" in problem for problem in problems_of(broker(environment=None)))


def test_no_broker_is_a_problem_with_a_way_out() -> None:
    assert "config init" in problems_of({})[0]


@pytest.mark.parametrize("name", ["Kraken", "a b", "-x", "a/b", "../x", "", "x" * 49])
def test_a_broker_name_that_could_not_name_a_file_or_a_variable_is_refused(name: str) -> None:
    raw = {"brokers": {name: broker()["brokers"]["kraken-master"]}}
    assert any("a name is" in problem for problem in problems_of(raw))


@pytest.mark.parametrize("environment", ["production", "demo"])
@pytest.mark.parametrize("key", ["rest_url", "ws_url", "ca_file"])
def test_addresses_belong_to_simulators_alone(environment: str, key: str) -> None:
    raw = broker(environment=environment, rest_url=None, ws_url=None)
    raw["brokers"]["kraken-master"][key] = "http://127.0.0.1:1"
    assert any(f"{key} may be set only where environment = simulated" in problem for problem in problems_of(raw))


def test_a_simulator_needs_both_addresses() -> None:
    found = problems_of(broker(rest_url=None, ws_url=None))
    assert len(found) == 2
    assert all("is needed" in problem for problem in found)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "10.0.0.1",
        "0x7f.1",
        "2130706433",
        "127.1",
        "localhost.evil.example",
        "api.kraken.com",
        "0.0.0.0",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_a_simulator_elsewhere_needs_permission(host: str) -> None:
    found = problems_of(broker(rest_url=f"http://{host}:80/"))
    assert any("allow_remote_simulator" in problem for problem in found)
    load_config(broker(rest_url=f"http://{host}:80/", allow_remote_simulator=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "[::1]", "localhost"])
def test_a_simulator_on_this_machine_needs_none(host: str) -> None:
    assert load_config(broker(rest_url=f"http://{host}:18080")).brokers["kraken-master"].rest_url is not None


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1",
        "127.0.0.1:80",
        "http://",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://user:word@127.0.0.1",
        "http://127.0.0.1/?x=1",
        "http://127.0.0.1/#x",
        "ws://127.0.0.1",
    ],
)
def test_what_is_no_plain_http_address_is_refused(url: str) -> None:
    assert any(problem.startswith("brokers.kraken-master: rest_url") for problem in problems_of(broker(rest_url=url)))


def test_an_unknown_venue_names_the_near_one() -> None:
    assert any("did you mean kraken?" in problem for problem in problems_of(broker(venue="krakn")))


def test_kraken_has_no_demo() -> None:
    found = problems_of(broker(environment="demo", rest_url=None, ws_url=None))
    assert any("no demo environment at Kraken Spot: Kraken offers no public sandbox" in problem for problem in found)


def test_two_brokers_may_not_take_one_variable() -> None:
    table = broker()["brokers"]["kraken-master"]
    found = problems_of({"brokers": {"kraken-sub-1": table, "kraken-sub_1": table}})
    assert any("KRAKEN_SUB_1_API_KEY" in problem for problem in found)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("kraken-master", "KRAKEN_MASTER"),
        ("kraken-sub-1", "KRAKEN_SUB_1"),
        ("main", "KRAKEN_MAIN"),
        ("kraken_x", "KRAKEN_X"),
    ],
)
def test_variables_follow_the_brokers_name(name: str, prefix: str) -> None:
    config = load_config({"brokers": {name: broker()["brokers"]["kraken-master"]}})
    assert config.brokers[name].variable_prefix == prefix


# Reference and template


def test_the_template_is_a_configuration_as_it_stands() -> None:
    assert isinstance(load_config(tomllib.loads(config_template())), Config)


def test_the_template_is_still_one_with_every_setting_uncommented() -> None:
    lines = [re.sub(r"^# (?=\[|[a-z_]+ = (?!\{))", "", line) for line in config_template().splitlines()]
    config = load_config(tomllib.loads("\n".join(lines)))
    assert config.state_dir is not None
    assert config.reading.rest_lag_s == 60


def test_every_setting_is_explained() -> None:
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS) > 20
    for setting in SETTINGS:
        assert setting.meaning.endswith("."), setting.key


def test_defaults_of_the_reference_are_those_in_force() -> None:
    config = load_config(broker())
    shown = {setting.key: setting.default for setting in SETTINGS}
    assert shown["reading.max_age_s"] == f"{config.reading.max_age_s:g}"
    assert shown["lane.wait_s"] == f"{config.lane.wait_s:g}"
    assert shown["brokers.NAME.environment"] is None
