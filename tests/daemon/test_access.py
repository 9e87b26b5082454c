"""Bearers as they are kept: hashed, private, and compared whole (rows X4, X10, X12)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from holdfast.daemon.access import CODE_S, Access, Guesses, Role, TokenFile
from holdfast.errors import ConfigError
from holdfast.testing import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_a_token_is_known_again_and_stands_nowhere(path: Path) -> None:
    tokens = TokenFile(path)

    token = tokens.create("bot", Role.TRADE, wall_us=1)

    assert token not in path.read_text("utf-8")
    owner = TokenFile(path).owner_of(token, wall_us=2)
    assert owner is not None
    assert (owner.name, owner.role) == ("bot", Role.TRADE)
    assert tokens.owner_of(token + "x", wall_us=2) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_made_elsewhere_counts_at_once(path: Path) -> None:
    here, there = TokenFile(path), TokenFile(path)
    assert here.tokens() == ()

    token = there.create("bot", Role.READ, wall_us=1)

    assert here.owner_of(token, wall_us=1) is not None
    there.revoke("bot", wall_us=1)
    assert here.owner_of(token, wall_us=1) is None


@pytest.mark.parametrize("name", ["", "Bot", "a b", "../x", "x" * 49, "ü"])
def test_what_is_no_name_is_refused(path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="names no token"):
        TokenFile(path).create(name, Role.READ, wall_us=1)


def test_a_name_is_given_once(path: Path) -> None:
    tokens = TokenFile(path)
    tokens.create("bot", Role.READ, wall_us=1)

    with pytest.raises(ConfigError, match="already"):
        tokens.create("bot", Role.READ, wall_us=1)


def test_x10_a_file_that_others_may_read_is_refused(path: Path) -> None:
    tokens = TokenFile(path)
    tokens.create("bot", Role.READ, wall_us=1)
    path.chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        tokens.tokens()


def test_x12_a_link_in_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    token = TokenFile(other).create("bot", Role.OPERATE, wall_us=1)
    path.symlink_to(other)

    with pytest.raises(ConfigError, match="cannot be read"):
        TokenFile(path).owner_of(token, wall_us=1)


def test_what_is_no_token_file_is_refused_and_not_shown(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text('{"tokens": "the-canary"}')

    with pytest.raises(ConfigError) as caught:
        TokenFile(path).tokens()
    assert "the-canary" not in str(caught.value)


def test_a_write_that_fails_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = TokenFile(path)
    token = tokens.create("bot", Role.READ, wall_us=1)
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(ConfigError, match="No space"):
        tokens.create("other", Role.READ, wall_us=1)
    assert TokenFile(path).owner_of(token, wall_us=1) is not None
    assert [each.name for each in path.parent.iterdir()] == ["tokens.json"]


def test_sessions_end_by_themselves_and_the_oldest_make_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # Sixty of them, on whatever disk this is.
    tokens = TokenFile(path)
    _, first, lasts_s = tokens.open_session(Role.READ, wall_us=1)
    for _ in range(64):
        tokens.open_session(Role.READ, wall_us=1)
    name, last, _ = tokens.open_session(Role.READ, wall_us=1)

    assert tokens.owner_of(first, wall_us=1) is None
    assert tokens.owner_of(last, wall_us=1) is not None
    assert tokens.owner_of(last, wall_us=1 + int(lasts_s * 1e6)) is None
    assert name.startswith("session-")


def test_a_code_counts_for_a_minute(path: Path) -> None:
    clock = FakeClock()
    access = Access(TokenFile(path), clock)
    early, late = access.mint(Role.READ), access.mint(Role.READ)

    clock.advance(CODE_S - 0.1)
    assert access.trade(early) is not None
    clock.advance(0.2)
    assert access.trade(late) is None
    assert access.trade("none-such") is None


def test_only_the_newest_codes_are_kept(path: Path) -> None:
    access = Access(TokenFile(path), FakeClock())
    codes = [access.mint(Role.READ) for _ in range(40)]

    assert access.trade(codes[0]) is None
    assert access.trade(codes[-1]) is not None


def test_attempts_come_back_with_time_and_are_counted_apart() -> None:
    clock = FakeClock()
    guesses = Guesses(clock, burst=2, per_s=0.5)

    assert [guesses.take("a") for _ in range(2)] == [None, None]
    assert guesses.peek("a") == pytest.approx(2.0)
    assert guesses.take("a") == pytest.approx(2.0)
    assert guesses.take("b") is None
    clock.advance(2.0)
    assert guesses.peek("a") is None
    assert guesses.take("a") is None
    assert guesses.take("a") is not None
