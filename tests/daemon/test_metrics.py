"""Metrics: each is declared, each that is shown or alerted on exists, and none tells what its reader may not know."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from holdfast.core.events import event
from holdfast.daemon.metrics import METRICS, Meters
from holdfast.testing import FakeClock
from tests.daemon.rig import BROKER, running

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "ops" / "prometheus" / "alerts.yml"
BOARD = ROOT / "ops" / "grafana" / "holdfast.json"

SAMPLE = re.compile(r"([a-z_]+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (-?[0-9.e+-]+|NaN|\+Inf)\Z")


def named_in(text: str) -> set[str]:
    """The metrics that a text names, without what a histogram adds."""
    found = set(re.findall(r"\bholdfast_[a-z_]+", text))
    return {re.sub(r"_(bucket|sum|count)\Z", "", name) if name not in METRICS else name for name in found}


@pytest.mark.parametrize("path", [RULES, BOARD], ids=["alert rules", "dashboard"])
def test_every_metric_that_is_used_exists(path: Path) -> None:
    used = named_in(path.read_text("utf-8"))

    assert used - set(METRICS) == set()
    assert len(used) >= 10


def test_every_label_that_is_asked_for_exists() -> None:
    text = RULES.read_text("utf-8") + BOARD.read_text("utf-8").replace('\\"', '"')
    for name, labels in re.findall(r"\b(holdfast_[a-z_]+)\{([^}]*)\}", text):
        asked = set(re.findall(r"(\w+)(?:=~|!=|!~|=)", labels))
        metric = METRICS[re.sub(r"_bucket\Z", "", name)]
        assert asked <= {*metric.labels, "le", "job"}, name


def test_the_dashboard_is_one_and_its_panels_have_places_of_their_own() -> None:
    board = json.loads(BOARD.read_text("utf-8"))
    places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in board["panels"]]

    assert len(set(places)) == len(places) >= 20
    assert all(target["expr"] for each in board["panels"] for target in each["targets"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_promtool_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True)


def test_names_say_their_unit_and_counters_that_they_are() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"holdfast_[a-z]+(_[a-z]+)*", name), name
        assert name.endswith("_total") is (metric.kind == "counter"), name
        assert metric.meaning.endswith("."), name
        assert not {"account", "account_id", "intent_id", "order_id", "reason_text"} & set(metric.labels), name


async def test_what_is_told_is_well_formed_and_declared(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.ask("GET", "/none-such")
        text = (await rig.get("/metrics")).decode()

    seen: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE")
            assert rest == (METRICS[name].meaning if word == "HELP" else METRICS[name].kind)
            continue
        sample = SAMPLE.match(line)
        assert sample, line
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[3] or ""))
        name = sample[1] if sample[1] in METRICS else sample[1] + (sample[2] or "")
        assert set(labels) - {"le"} == set(METRICS[name].labels), line
        seen.add(name)
    assert {"holdfast_broker_health", "holdfast_balance", "holdfast_http_requests_total"} <= seen
    assert text.count("# TYPE holdfast_broker_health ") == 1


async def test_without_a_token_there_is_no_amount_and_no_account(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        account = rig.desk[BROKER].account_id
        text = (await rig.get("/metrics", role=None)).decode()
        with_token = (await rig.get("/metrics", role="read")).decode()
        probes = [json.dumps((await rig.ask("GET", path, role=None))[1]) for path in ("/livez", "/readyz", "/healthz")]

    assert "1500.25" in with_token
    for told in (text, *probes):
        assert "1500.25" not in told
        assert "holdfast_balance{" not in told
        assert account is not None
        assert account not in told
        assert "reasons" not in told


async def test_reasons_are_for_whoever_shows_a_token(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.desk[BROKER].isolate("trade")
        status, known, _ = await rig.ask("GET", "/healthz", role="read")
        ready, _, _ = await rig.ask("GET", "/readyz", role=None)

    assert (status, ready) == (200, 503)
    assert "trade_isolated" in known["brokers"][BROKER]["reasons"]


def test_what_is_not_known_is_left_out_and_labels_cannot_break_out() -> None:
    meters = Meters(FakeClock())
    meters.answered('a"b\\c\nd', 200, 0.02)
    meters.refused("wrong_host")
    meters.hear(event("read.failed", broker="b", read="r", fault="rate_limit", error="e", count=1))
    text = meters.text(None, None, may_read=True, is_starting=True, jobs=_NoJobs()).decode()

    assert r'route="a\"b\\c\nd"' in text
    assert 'holdfast_rate_limited_total{broker="b"} 1' in text
    assert "holdfast_starting 1" in text
    assert "holdfast_broker_health" not in text
    assert 'holdfast_http_request_seconds_bucket{route="a\\"b\\\\c\\nd",le="0.025"} 1' in text


class _NoJobs:
    def all(self) -> list[object]:
        return []
