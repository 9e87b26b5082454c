"""A report for people: whole in itself, and nothing of a venue or a credential can act or leak in it."""

from __future__ import annotations

import json
import re

import msgspec

from holdfast.core.readiness import ReadinessReport, document_of
from holdfast.runtime.readiness.page import page_of
from holdfast.testing import run_virtual
from tests.readiness.rooms import Room

_HOSTILE = '<script>alert(1)</script><img src=x onerror="x">\x1b[31m\u202e\nlevel=info'


def _hostile_report() -> ReadinessReport:
    async def main() -> ReadinessReport:
        room = Room("kraken")
        room.fault(kind="refuse", name="TradeVolume", error=f"EGeneral:{_HOSTILE}", for_s=600)
        room.fault(kind="rest", name="OHLC", action={"do": "answer", "body": json.dumps({"error": [f"E:{_HOSTILE}"]})})
        return await room.measured()

    return run_virtual(main())


def test_words_of_a_venue_cannot_act_on_any_surface() -> None:
    report = _hostile_report()
    assert not report.check("trade.fees").points
    assert not report.check("market.candles").points
    evidence = report.check("market.candles").evidence + report.check("trade.fees").evidence
    assert "script" in evidence  # It is there, to be read.
    assert evidence.isprintable()
    page = page_of(report)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)


def test_the_page_asks_nobody_for_anything() -> None:
    page = page_of(run_virtual(Room.once("okx")), min_score=105)
    assert "default-src 'none'" in page
    assert not re.search(r"\b(?:src|href|srcset|action)=|@import|url\(", page)
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    assert "NOT A GO-LIVE PROOF" in page
    assert "the gate of 105 was not reached: exit 8" in page
    assert page.count('<tr class="exempt"') == 5


def test_no_secret_is_in_any_report() -> None:
    async def main(*, is_wrong: bool) -> tuple[list[str], ReadinessReport]:
        room = Room("okx")
        secrets = list(room.environ.values())
        if is_wrong:
            room.happen(kind="passphrase", to="Another-1")
            # A venue that echoes what it was sent.
            body = json.dumps({"code": "50113", "msg": f"Invalid Sign {' '.join(secrets)}", "data": []})
            room.fault(kind="rest", name="GET account/config", action={"do": "answer", "body": body, "status": 401})
        return secrets, await room.measured()

    for is_wrong in (False, True):
        secrets, report = run_virtual(main(is_wrong=is_wrong))
        told = msgspec.json.encode(document_of(report)).decode() + page_of(report)
        assert len(secrets) == 3
        assert [each for each in secrets if each in told] == []
        assert ("***" in told) is is_wrong
