"""``holdfast verify-end-to-end``: what is printed, written and exited with."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import verify_end_to_end as command
from holdfast.cli.app import build_app
from holdfast.runtime.readiness import unopened
from holdfast.testing import run_virtual
from tests.readiness.rooms import Room

Type = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type the command in a folder of its own, against a venue of its own; time is pretended."""
    monkeypatch.chdir(tmp_path)

    def type_(
        *arguments: str, venue: str = "kraken", act: Callable[[Room], None] | None = None
    ) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()

        async def main() -> int:
            room = Room(venue)
            if act is not None:
                act(room)
            begun: list[Coroutine[Any, Any, int]] = []

            def wait(work: Coroutine[Any, Any, int]) -> int:
                begun.append(work)
                return 0

            with monkeypatch.context() as patch:
                patch.setattr(command, "wait", wait)
                patch.setattr(command, "load", lambda _: room.config)
                patch.setattr(unopened, "verify", functools.partial(unopened.verify, parts=room.parts()))
                body, bound, _ = build_app().parse_args(
                    ["verify-end-to-end", *arguments], exit_on_error=False, print_error=False
                )
                body(*bound.args, **bound.kwargs)
                return await begun[0]

        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_virtual(main())
        return int(code), out.getvalue(), err.getvalue()

    return type_


def test_json_is_the_contract_and_nothing_else_is_on_stdout(typed: Type) -> None:
    code, out, err = typed("kraken-master", "--output", "json", "--min-score", "110")
    document = json.loads(out)
    assert code == 0
    assert (document["score"], document["max_score"], document["is_ready"]) == (110, 110, True)
    assert [category["name"] for category in document["categories"]] == [
        "credentials",
        "connection",
        "balance",
        "health monitoring",
        "market data",
        "symbols",
        "positions",
        "trade capability",
        "live account stream",
    ]
    assert all({"name", "points", "max_points", "checks"} <= set(category) for category in document["categories"])
    assert document["gate"] == {"min_score": 110, "is_reached": True}
    assert err.count("holdfast: kraken-master: ") == 36


def test_three_files_are_written_and_say_the_same(typed: Type, tmp_path: Path) -> None:
    _, out, _ = typed("--output", "json")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "kraken-master_e2e_verification_report.json",
        "kraken_e2e_verification_report.json",
        "kraken-master_e2e_verification_report.html",
    }
    for name in ("kraken-master", "kraken"):
        assert json.loads((tmp_path / f"{name}_e2e_verification_report.json").read_text()) == json.loads(out)
    assert "110 of 110" in (tmp_path / "kraken-master_e2e_verification_report.html").read_text()


def test_files_go_where_they_are_told(typed: Type, tmp_path: Path) -> None:
    typed("--report-dir", "reports", "--html", "page.html")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert len(list((tmp_path / "reports").iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_said_and_the_report_is_printed_all_the_same(
    typed: Type, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, out, err = typed("--report-dir", "file", "--output", "json")
    assert code == 1
    assert json.loads(out)["score"] == 110
    assert "was not written: File exists; --report-dir names another folder" in err


@pytest.mark.parametrize(("arguments", "code"), [((), 3), (("--min-score", "108"), 0), (("--min-score", "109"), 8)])
def test_the_exit_code_is_the_gates_where_there_is_one(typed: Type, arguments: tuple[str, ...], code: int) -> None:
    rights = ["query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "query-ledger"]

    def may_withdraw(room: Room) -> None:
        room.happen(kind="permissions", permissions=[*rights, "create-ws-token", "withdraw-funds"])

    found, out, _ = typed(*arguments, act=may_withdraw)
    assert found == code
    assert "!! THIS KEY CAN WITHDRAW" in out
    assert "- 2  credentials.no_withdrawal: THIS KEY CAN WITHDRAW" in out
    assert "kraken-master is not ready: 108 of 110" in out


def test_people_read_the_answer_first_then_what_was_lost_and_what_follows(typed: Type) -> None:
    code, out, err = typed("--compare", act=lambda room: room.happen(kind="mode", mode="cancel_only"))
    lines = out.splitlines()
    assert code == 8
    assert lines[:3] == [
        "NOT A GO-LIVE PROOF: kraken-master speaks to a simulator.",
        "kraken-master is not ready: 100 of 110",
        "10 points lost, none exempt.",
    ]
    assert "  LOST connection            16 / 20" in lines
    assert "  - 4  connection.status: The venue says that it is cancel_only." in lines
    assert "  and 6 points that follow: trade.dry_run" in lines
    assert "since the last run: there is none" in lines
    assert "holdfast: kraken-master: connection.status: lost 0/4: The venue says that it is cancel_only." in err


def test_what_a_venue_cannot_offer_is_named_with_its_reason(typed: Type) -> None:
    code, out, _ = typed("--min-score", "103", venue="okx")
    assert code == 8
    assert "okx-master is ready: 102 of 102" in out
    assert "the gate of 103 was not reached: exit 8" in out
    assert "- 6  trade.dry_run: OKX checks orders without placing them" in out
    assert "- 2  stream.nonces: the venue has no nonces" in out


def test_a_gate_that_is_no_score_is_a_usage_error(typed: Type) -> None:
    from cyclopts import ValidationError

    for value in ("111", "-1"):
        with pytest.raises(ValidationError, match="between 0 and 110"):
            typed("--min-score", value)


def test_a_broker_that_cannot_be_opened_is_measured_all_the_same(typed: Type) -> None:
    code, out, _ = typed("--output", "json", act=lambda room: room.environ.clear())
    document = json.loads(out)
    assert code == 3
    assert document["score"] == 45
    by_name = {check["name"]: check for category in document["categories"] for check in category["checks"]}
    assert by_name["credentials.present"]["result"] == "lost"
    assert "KRAKEN_MASTER_API_KEY" in by_name["credentials.present"]["evidence"]
    assert by_name["market.candles"]["result"] == "earned"
    assert by_name["balance.agree"]["follows"] == "credentials.present"
