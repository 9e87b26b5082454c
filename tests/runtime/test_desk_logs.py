"""Events as log lines: one line each, for people or machines, and nothing of a venue's text can break out of it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from holdfast.config import LogSettings
from holdfast.core.events import event
from holdfast.runtime.logs import log_events


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(stream: io.StringIO, **settings: Any) -> list[str]:
    emit = log_events(LogSettings(**settings), stream=stream)
    emit(event("broker.opened", broker="kraken-master", venue="kraken", environment="simulated"))
    emit(event("read.failed", broker="kraken-master", read="Balance", fault="network", error="refused", count=1))
    emit(event("broker.halted", broker="kraken-master", reason="invariant"))
    return stream.getvalue().splitlines()


def test_elsewhere_than_on_a_terminal_every_line_is_json() -> None:
    lines = [json.loads(line) for line in lines_of(io.StringIO())]
    assert [line["event"] for line in lines] == ["broker.opened", "read.failed", "broker.halted"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[1]["count"] == 1
    assert lines[0]["at"].endswith("Z")


def test_on_a_terminal_lines_are_for_people() -> None:
    lines = lines_of(Terminal())
    assert len(lines) == 3
    assert "broker.opened" in lines[0]
    assert "\x1b[" in lines[0]


def test_the_form_can_be_chosen() -> None:
    assert json.loads(lines_of(Terminal(), format="json")[0])["event"] == "broker.opened"
    assert "\x1b[" not in lines_of(io.StringIO(), format="human")[0]


def test_less_severe_events_than_asked_for_are_not_written() -> None:
    assert len(lines_of(io.StringIO(), level="warning")) == 2
    assert len(lines_of(io.StringIO(), level="error")) == 1


@pytest.mark.parametrize("form", ["json", "human"])
def test_a_venues_text_cannot_start_a_line_colour_it_or_turn_it_around(form: Any) -> None:
    hostile = 'x\n{"event":"forged"}\r\x1b[2J\u202e\u2028\x00'
    stream = io.StringIO()
    log_events(LogSettings(format=form), stream=stream)(
        event("answer.refused", broker="b", read="Balance", reason="payload", detail=hostile)
    )
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert text.strip().isprintable()
