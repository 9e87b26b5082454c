"""The admin API: what it answers, what it commands, and whom it refuses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from holdfast.simulators.core.admin import Admin
from holdfast.simulators.core.front import Front
from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.core.server import serve_simulator
from holdfast.testing import FakeClock
from tests.simulators.core.fake_venue import AcmeVenue

HOST = "127.0.0.1:8080"
JSON = "application/json"


@pytest.fixture
def admin(venue: AcmeVenue) -> Admin:
    loop = asyncio.new_event_loop()
    loop.close()
    return Admin(Front(venue, loop=loop, clock=FakeClock()), hosts=frozenset({HOST}))


def ask(
    admin: Admin,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    host: str = HOST,
    content_type: str | None = JSON,
) -> tuple[int, Any]:
    headers = {"host": host}
    if content_type is not None:
        headers["content-type"] = content_type
    reply = admin.answer(SimRequest(method=method, path=path, query=query, headers=headers, body=body))
    assert reply.headers["content-type"] == JSON
    return reply.status, json.loads(reply.body)


def test_truth_is_the_venues(admin: Admin, venue: AcmeVenue) -> None:
    assert ask(admin, "GET", "/admin/truth") == (200, venue.truth())


def test_orders_are_the_venues(admin: Admin, venue: AcmeVenue) -> None:
    assert ask(admin, "GET", "/admin/orders") == (200, venue.orders())


def test_journal_reads_on_from_next(admin: Admin) -> None:
    journal = admin._front.journal
    journal.note("request", {"name": "one"})
    status, first = ask(admin, "GET", "/admin/journal")
    assert (status, first["next"], [entry["name"] for entry in first["entries"]]) == (200, 2, ["one"])
    journal.note_frame("ws_out", b'{"channel":"status"}', 1)
    status, then = ask(admin, "GET", "/admin/journal", query="since=2&text=1")
    assert (status, then["next"], then["entries"][0]["text"]) == (200, 3, '{"channel":"status"}')


@pytest.mark.parametrize("query", ["since=-1", "since=x", "since=1.0", "since=", "text=yes", "sinse=1", "since=1e99"])
def test_journal_refuses_what_it_does_not_understand(admin: Admin, query: str) -> None:
    status, answer = ask(admin, "GET", "/admin/journal", query=query)
    assert status == 400
    assert "error" in answer


def test_faults_are_added_listed_and_cleared(admin: Admin, venue: AcmeVenue) -> None:
    rules = [{"kind": "rest", "action": {"do": "lose_reply"}}, {"kind": "lockout"}]
    assert ask(admin, "POST", "/admin/faults", body=msgspec.json.encode({"add": rules})) == (
        200,
        {"added": [1], "rules": 1},
    )
    assert venue.faults == [{"kind": "lockout"}]
    status, listed = ask(admin, "GET", "/admin/faults")
    assert (status, listed["rules"][0]["action"]) == (200, {"do": "lose_reply"})
    assert ask(admin, "POST", "/admin/faults", body=b'{"clear":true}') == (200, {"cleared": 1, "rules": 0})


def test_wrong_rule_is_a_400_that_helps(admin: Admin) -> None:
    body = b'{"add":[{"kind":"rest","action":{"do":"lose_replay"}}]}'
    status, answer = ask(admin, "POST", "/admin/faults", body=body)
    assert status == 400
    assert "add[0]" in answer["error"]
    assert "lose_reply" in answer["error"]


def test_events_happen_at_the_venue(admin: Admin, venue: AcmeVenue) -> None:
    assert ask(admin, "POST", "/admin/events", body=b'{"kind":"deposit"}') == (200, {"happened": "deposit"})
    assert venue.events == [{"kind": "deposit"}]
    assert ask(admin, "POST", "/admin/events", body=b'{"kind":"rain"}') == (
        400,
        {"error": "unknown event; known: deposit"},
    )
    assert ask(admin, "POST", "/admin/events", body=b"[]")[0] == 400


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_body_that_is_not_json_is_refused(admin: Admin, body: bytes) -> None:
    status, answer = ask(admin, "POST", "/admin/events", body=body)
    assert status == 400
    assert answer["error"].startswith("the body is not JSON")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:9", "", "127.0.0.1.evil:8080"]
)
def test_foreign_host_is_refused_before_anything_else(admin: Admin, venue: AcmeVenue, host: str) -> None:
    assert ask(admin, "POST", "/admin/events", body=b'{"kind":"deposit"}', host=host)[0] == 403
    assert ask(admin, "GET", "/admin/truth", host=host)[0] == 403
    assert venue.events == []


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_command_a_web_page_could_send_is_refused(admin: Admin, venue: AcmeVenue, content_type: str | None) -> None:
    status, _ = ask(admin, "POST", "/admin/events", body=b'{"kind":"deposit"}', content_type=content_type)
    assert status == 415
    assert venue.events == []


def test_charset_beside_the_content_type_is_fine(admin: Admin) -> None:
    body = b'{"kind":"deposit"}'
    assert ask(admin, "POST", "/admin/events", body=body, content_type="application/json; charset=utf-8")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/admin/truth", 405),
        ("POST", "/admin/orders", 405),
        ("GET", "/admin/events", 405),
        ("DELETE", "/admin/faults", 405),
        ("GET", "/admin", 404),
        ("GET", "/admin/", 404),
        ("GET", "/admin/secrets", 404),
        ("GET", "/admin/../truth", 404),
    ],
)
def test_other_methods_and_pages_are_refused_with_directions(admin: Admin, method: str, path: str, status: int) -> None:
    got, answer = ask(admin, method, path)
    assert got == status
    assert "/admin/" in answer["error"]


async def test_admin_is_served_beside_the_venue_and_leaves_no_trace_in_the_journal(venue: AcmeVenue) -> None:
    async with serve_simulator(venue) as served, aiohttp.ClientSession() as client:
        async with client.get(f"{served.admin}/truth") as reply:
            assert await reply.json() == venue.truth()
            assert reply.headers["X-Holdfast-Simulator"] == "acme/1"
        async with client.get(f"http://localhost:{served.port}/admin/truth") as reply:
            assert reply.status == 200
        async with client.get(f"{served.admin}/truth", headers={"Host": "rebound.example"}) as reply:
            assert reply.status == 403
        async with client.post(
            f"{served.admin}/faults", json={"add": [{"kind": "rest", "action": {"do": "empty"}}]}
        ) as reply:
            assert reply.status == 200
        async with client.get(f"{served.rest}/0/public/Time") as reply:
            assert await reply.read() == b""
        async with client.get(f"{served.admin}/truth") as reply:
            assert await reply.read() != b""  # Faults are for the venue's side, never for the admin API.
        async with client.get(f"{served.admin}/journal?since=0") as reply:
            entries = (await reply.json())["entries"]
        assert [entry["kind"] for entry in entries] == ["request", "fault", "verdict"]
        assert {entry["name"] for entry in entries} == {"Time", "empty"}
    assert len(venue.handled) == 1
