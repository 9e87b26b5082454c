"""Credentials: where they are read from, what is refused about them, and that they stay private."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.config import BrokerConfig, Config, CredentialFiles
from holdfast.core.credentials import Credential
from holdfast.core.venue import PassphraseUse
from holdfast.errors import ConfigError
from holdfast.runtime.credentials import read_credential, sources_of
from holdfast.testing import FakeVenue

CANARY = "CANARY-5ecret-value"


def config_of(folder: Path, **changes: Any) -> Config:
    broker = BrokerConfig(
        name="acme-master", venue="acme", environment=changes.pop("environment", "simulated"), **changes
    )
    return Config(brokers={broker.name: broker}, path=str(folder / "holdfast.toml"))


def read(config: Config, environ: dict[str, str]) -> Credential:
    return read_credential(config.brokers["acme-master"], FakeVenue(), config=config, environ=environ)


def refusal(config: Config, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        read(config, environ)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def private(path: Path, text: str, *, mode: int = 0o600) -> str:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return str(path)


def by_value(**changes: str) -> dict[str, str]:
    values = {"ACME_MASTER_API_KEY": "SIMKEY", "ACME_MASTER_API_SECRET": CANARY}
    return {name: value for name, value in values.items() if f"{name}_FILE" not in changes} | changes


def test_values_of_the_environment_are_taken_out_of_it(tmp_path: Path) -> None:
    environ = by_value(ACME_MASTER_API_PASSPHRASE="pass")
    credential = read(config_of(tmp_path), environ)
    assert (credential.key, credential.reveal_secret(), credential.reveal_passphrase()) == ("SIMKEY", CANARY, "pass")
    assert environ == {}


def test_the_process_environment_forgets_and_a_second_open_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in by_value().items():
        monkeypatch.setenv(name, value)
    config = config_of(tmp_path)
    for _ in range(2):
        credential = read_credential(config.brokers["acme-master"], FakeVenue(), config=config)
        assert credential.reveal_secret() == CANARY
        assert CANARY not in os.environ.values()
    monkeypatch.setenv("ACME_MASTER_API_SECRET", "another")
    again = read_credential(config.brokers["acme-master"], FakeVenue(), config=config)
    assert again.reveal_secret() == "another"


def test_a_file_variable_is_read_in_place_of_a_value(tmp_path: Path) -> None:
    environ = by_value(ACME_MASTER_API_SECRET_FILE=private(tmp_path / "secret", "from-file\n"))
    assert read(config_of(tmp_path), environ).reveal_secret() == "from-file"


def test_a_value_and_a_file_for_one_part_are_refused_by_name(tmp_path: Path) -> None:
    environ = {**by_value(), "ACME_MASTER_API_SECRET_FILE": private(tmp_path / "secret", "from-file\n")}
    told = refusal(config_of(tmp_path), environ)
    assert "ACME_MASTER_API_SECRET and ACME_MASTER_API_SECRET_FILE are both set" in told
    assert "from-file" not in told


def test_configured_files_go_before_everything_and_start_at_the_configurations_folder(tmp_path: Path) -> None:
    private(tmp_path / "key", "SIMFILE")
    private(tmp_path / "secret", "from-config")
    config = config_of(tmp_path, credentials=CredentialFiles(key_file="key", secret_file="secret"))
    credential = read(config, by_value())
    assert (credential.key, credential.reveal_secret()) == ("SIMFILE", "from-config")


@pytest.mark.parametrize(("text", "value"), [("v", "v"), ("v\n", "v"), ("v\r\n", "v"), ("a b\n", "a b")])
def test_one_final_line_break_of_a_file_is_an_editors(tmp_path: Path, text: str, value: str) -> None:
    environ = by_value(ACME_MASTER_API_SECRET_FILE=private(tmp_path / "secret", text))
    assert read(config_of(tmp_path), environ).reveal_secret() == value


@pytest.mark.parametrize(
    "text", [f"{CANARY}\n\n", f" {CANARY}", f"{CANARY} \n", f"\n{CANARY}", f"\ufeff{CANARY}", "", "\n"]
)
def test_anything_else_around_a_files_value_is_refused(tmp_path: Path, text: str) -> None:
    path = private(tmp_path / "secret", text)
    assert path in refusal(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET_FILE=path))


@pytest.mark.parametrize("value", [f"{CANARY}\n", f" {CANARY}", f"{CANARY}\r", ""])
def test_a_line_break_in_a_variable_is_refused_with_the_fix(tmp_path: Path, value: str) -> None:
    text = refusal(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET=value))
    assert "ACME_MASTER_API_SECRET" in text
    assert "export" in text or "unset it" in text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "secret", CANARY, mode=mode)
    text = refusal(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET_FILE=path))
    assert f"{mode:04o}" in text
    assert f"chmod 600 {path}" in text


def test_a_stricter_mode_is_welcome(tmp_path: Path) -> None:
    path = private(tmp_path / "secret", CANARY, mode=0o400)
    assert read(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET_FILE=path)).reveal_secret() == CANARY


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    private(tmp_path / "real", CANARY)
    (tmp_path / "secret").symlink_to(tmp_path / "real")
    environ = by_value(ACME_MASTER_API_SECRET_FILE=str(tmp_path / "secret"))
    assert "symbolic link" in refusal(config_of(tmp_path), environ)


def test_a_folder_a_pipe_and_a_gap_are_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    for name in ("folder", "pipe", "missing"):
        environ = by_value(ACME_MASTER_API_SECRET_FILE=str(tmp_path / name))
        assert name in refusal(config_of(tmp_path), environ)


def test_a_file_that_is_no_key_is_not_read_whole(tmp_path: Path) -> None:
    path = private(tmp_path / "secret", "x" * 100_000)
    assert "larger than" in refusal(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET_FILE=path))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    text = refusal(config_of(tmp_path), {"ACME_MASTER_API_KEY": "SIMKEY"})
    assert "ACME_MASTER_API_SECRET is not set" in text
    text = refusal(config_of(tmp_path), {})
    assert "ACME_MASTER_API_KEY and ACME_MASTER_API_SECRET are not set" in text


def test_a_simulators_key_never_meets_the_real_venue(tmp_path: Path) -> None:
    config = config_of(tmp_path, environment="production")
    assert "simulator's key and environment is production" in refusal(config, by_value())


def test_a_real_key_never_meets_a_simulator(tmp_path: Path) -> None:
    text = refusal(config_of(tmp_path), by_value(ACME_MASTER_API_KEY="REALKEY"))
    assert "a real key is never sent to a simulator" in text


def test_the_venues_own_refusal_names_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FakeVenue, credential: Credential) -> None:
        raise ConfigError("the secret is not base64")

    monkeypatch.setattr(FakeVenue, "check_credential", refuse)
    assert refusal(config_of(tmp_path), by_value()) == "brokers.acme-master: the secret is not base64"


def test_sources_tell_where_and_never_what(tmp_path: Path) -> None:
    environ = by_value(ACME_MASTER_API_SECRET_FILE=private(tmp_path / "secret", CANARY))
    config = config_of(tmp_path)
    found = sources_of(config.brokers["acme-master"], config_path=config.path, environ=environ)
    assert [(source.part, source.kind, source.is_there) for source in found] == [
        ("key", "environment", True),
        ("secret", "file", True),
    ]
    assert CANARY not in repr(found)


def test_neither_config_nor_credential_shows_or_carries_the_secret(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    credential = read(config, by_value())
    for text in (repr(config), repr(credential), f"{credential}"):
        assert CANARY not in text
        assert "SIMKEY" not in text
    with pytest.raises(TypeError):
        pickle.dumps(credential)


@pytest.mark.parametrize(
    ("use", "environ", "told"),
    [
        (PassphraseUse.REQUIRED, {}, "ACME_MASTER_API_PASSPHRASE is not set"),
        (PassphraseUse.NONE, {"ACME_MASTER_API_PASSPHRASE": CANARY}, "a passphrase is set, and acme's keys have none"),
    ],
)
def test_a_passphrase_is_needed_or_refused_as_the_venue_has_it(
    tmp_path: Path, use: PassphraseUse, environ: dict[str, str], told: str
) -> None:
    config = config_of(tmp_path)
    venue = FakeVenue(facts=msgspec.structs.replace(FakeVenue.facts, passphrase=use))
    with pytest.raises(ConfigError) as caught:
        read_credential(config.brokers["acme-master"], venue, config=config, environ=by_value(**environ))
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_private_key_of_several_lines_is_read_whole(tmp_path: Path) -> None:
    pem = "-----BEGIN EC PRIVATE KEY-----\nCANARY\nCANARY\n-----END EC PRIVATE KEY-----"
    place = private(tmp_path / "secret", pem + "\n")
    environ = {"ACME_MASTER_API_KEY": "SIMKEY", "ACME_MASTER_API_SECRET_FILE": place}
    assert read(config_of(tmp_path), environ).reveal_secret() == pem
    assert read(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET=pem)).reveal_secret() == pem


PEM = "-----BEGIN EC PRIVATE KEY-----\nCANARY\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\n\n"])
def test_the_last_line_break_of_a_private_key_belongs_to_it_wherever_it_is_read(tmp_path: Path, breaks: str) -> None:
    """A venue's download ends with one, and so does ``$(< file)`` of some shells, or a variable set by a program."""
    place = private(tmp_path / "secret", PEM + breaks)

    assert read(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET=PEM + breaks)).reveal_secret() == PEM
    assert read(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET_FILE=place)).reveal_secret() == PEM


@pytest.mark.parametrize("value", [f"{PEM} \n", f" {PEM}\n", PEM.replace("-----BEGIN ", "") + "\n", PEM[:-5] + "\n"])
def test_what_is_no_whole_private_key_gets_no_line_break_taken_off(tmp_path: Path, value: str) -> None:
    assert "a line break around its value" in refusal(config_of(tmp_path), by_value(ACME_MASTER_API_SECRET=value))
