"""Alert addresses: where they are read from, what is refused about them, and that nothing of one is ever shown."""

from __future__ import annotations

import importlib.util
import os
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from holdfast.config import AlertingSettings, BrokerConfig, Config
from holdfast.errors import ConfigError
from holdfast.runtime.alert_addresses import check_extra, read_addresses

CANARY = "CANARY-t0ken"
URL = f"tgram://{CANARY}/12345"


def config_of(folder: Path, **alerts: Any) -> Config:
    broker = BrokerConfig(name="acme-master", venue="acme", environment="simulated")
    return Config(brokers={broker.name: broker}, alerts=AlertingSettings(**alerts), path=str(folder / "holdfast.toml"))


def private(path: Path, text: str, *, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def refusal(config: Config, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_addresses(config, environ=environ)
    # The test's own frame has it; every frame of ours is shown with its local variables.
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    del shown.stack[0]
    for frame in shown.stack:
        if frame.locals is not None:
            frame.locals.pop("environ", None)  # The test's own mapping; the process's is never a local variable.
    assert CANARY not in "".join(shown.format())
    return str(caught.value)


def test_they_come_from_the_file_that_the_configuration_names_one_a_line(tmp_path: Path) -> None:
    private(tmp_path / "urls", f"# ours\n{URL}\n\n  json://localhost/{CANARY}  \n")
    found = read_addresses(config_of(tmp_path, url_file="urls"), environ={})
    assert [(each.number, each.service, each.url.reveal()) for each in found] == [
        (1, "tgram", URL),
        (2, "json", f"json://localhost/{CANARY}"),
    ]


def test_they_come_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    environ = {"HOLDFAST_ALERT_URLS_FILE": private(tmp_path / "urls", URL)}
    assert [each.shown for each in read_addresses(config_of(tmp_path), environ=environ)] == ["1 (tgram)"]


def test_they_come_from_the_environment_and_leave_it(tmp_path: Path) -> None:
    environ = {"HOLDFAST_ALERT_URLS": f"{URL}\njson://localhost"}
    assert len(read_addresses(config_of(tmp_path), environ=environ)) == 2
    assert environ == {}


def test_the_process_environment_forgets_and_a_second_desk_still_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.runtime.secrets._taken", {})
    monkeypatch.setenv("HOLDFAST_ALERT_URLS", URL)
    for _ in range(2):
        assert len(read_addresses(config_of(tmp_path))) == 1
        assert "HOLDFAST_ALERT_URLS" not in os.environ


def test_none_are_named_is_no_error_and_neither_is_what_is_not_enabled(tmp_path: Path) -> None:
    assert read_addresses(config_of(tmp_path), environ={}) == []
    environ = {"HOLDFAST_ALERT_URLS": URL}
    assert read_addresses(config_of(tmp_path, enabled=False), environ=environ) == []


@pytest.mark.parametrize("text", [CANARY, f"{URL}\n{CANARY}/x", f"//{CANARY}", f"tgram://\n{CANARY}", ":" + CANARY])
def test_a_line_that_is_no_url_is_named_by_its_number_and_not_shown(tmp_path: Path, text: str) -> None:
    told = refusal(config_of(tmp_path, url_file="urls"), {}) if private(tmp_path / "urls", text) else ""
    assert "line " in told
    assert "apprise URL" in told
    assert "HOLDFAST_ALERT_URLS: line" in refusal(config_of(tmp_path), {"HOLDFAST_ALERT_URLS": text})


def test_too_many_none_and_both_are_refused(tmp_path: Path) -> None:
    many = "\n".join(f"json://localhost/{CANARY}{number}" for number in range(17))
    assert "at most 16" in refusal(config_of(tmp_path), {"HOLDFAST_ALERT_URLS": many})
    assert "no URL" in refusal(config_of(tmp_path), {"HOLDFAST_ALERT_URLS": "# nothing\n"})
    assert "is empty" in refusal(config_of(tmp_path), {"HOLDFAST_ALERT_URLS": ""})
    both = {"HOLDFAST_ALERT_URLS": URL, "HOLDFAST_ALERT_URLS_FILE": private(tmp_path / "urls", URL)}
    assert "both set" in refusal(config_of(tmp_path), both)


def test_a_file_that_others_may_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = private(tmp_path / "urls", URL, mode=0o644)
    assert f"chmod 600 {path}" in refusal(config_of(tmp_path, url_file="urls"), {})


def test_a_url_where_its_files_name_belongs_is_not_shown(tmp_path: Path) -> None:
    assert "not shown" in refusal(config_of(tmp_path), {"HOLDFAST_ALERT_URLS_FILE": URL})


def test_an_address_shows_and_carries_nothing_of_its_url(tmp_path: Path) -> None:
    (address,) = read_addresses(config_of(tmp_path), environ={"HOLDFAST_ALERT_URLS": URL})
    for text in (repr(address), str(address), f"{address}", address.shown, repr(address.url)):
        assert CANARY not in text
    with pytest.raises(TypeError):
        pickle.dumps(address)


def test_a_missing_extra_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    check_extra()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'holdfast\[alerts\]'"):
        check_extra()
