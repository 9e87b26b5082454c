"""The benchmarks run: every row gives figures that can be compared. How fast anything is, is no matter of tests."""

from __future__ import annotations

import json
import math

import pytest

from bench.__main__ import ROWS, main, run, table
from bench.clients import NOT_INSTALLED, ask
from bench.figures import Scale


@pytest.mark.parametrize("name", list(ROWS))
def test_row_run_quickly_gives_finite_positive_ratios(name: str) -> None:
    document = run([name], Scale(is_quick=True))
    assert document["rows"]
    for row in document["rows"]:
        assert row["row"] == name
        assert row["goal"]
        for number in (row["floor"], row["ours"], row["ratio"]):
            assert math.isfinite(number)
            assert number > 0
        for said in row["peers"].values():
            assert said == NOT_INSTALLED or math.isfinite(said)
        assert row["case"] in table(document)


def test_callers_that_share_a_lane_lose_no_nonce() -> None:
    (row,) = run(["nonces"], Scale(is_quick=True))["rows"]
    assert row["facts"]["refused"] == 0
    assert row["is_met"]


def test_missing_peer_is_said_and_no_failure() -> None:
    assert ask("no-such-client", "ccxt_calls", {}, "sign") == {"sign": "peer not installed: make clients"}


def test_json_output_names_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "--quick", "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"cpu_count", "python", "load_average"} <= set(document["machine"])
    assert document["is_quick"]


def test_unknown_row_is_refused_with_the_rows_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["no-such-row"])
    assert "sign, parse, stream" in capsys.readouterr().err


def test_evidence_is_not_written_from_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sign", "--evidence"])
    assert "all rows of a full run" in capsys.readouterr().err
