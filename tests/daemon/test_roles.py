"""Who may ask what: every route with every role, and what is refused before a route is reached (rows X1 to X5)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from holdfast.daemon.access import Role
from holdfast.daemon.attaching import ROLES, role_of_call
from holdfast.daemon.routes import ROUTES, Route, match
from holdfast.runtime.attach.values import CALLS
from tests.daemon.rig import BROKER, running

ASKED: list[Role | None] = [None, *Role]


def path_of(route: Route) -> str:
    """An address of the route, with the broker that there is and names that lead nowhere."""
    return re.sub(r"\{(\w+)\}", lambda found: BROKER if found[1] == "broker" else "none-such", route.path)


async def test_every_route_answers_exactly_those_whose_role_allows_it(tmp_path: Path) -> None:
    wrong = []
    async with running(tmp_path) as rig:
        for route in ROUTES:
            for role in ASKED:
                # A body that no route takes: whoever may ask is refused for it, and nothing is done.
                data = b'{"none-such": 1}' if route.method == "POST" else None
                headers = {"Content-Type": "application/json", "Upgrade": "none-such"}
                path = f"{path_of(route)}?none-such=1" if route.method == "GET" else path_of(route)
                status, document, _ = await rig.ask(route.method, path, role=role, data=data, headers=headers)
                if route.role is None:
                    expected = {400}
                elif role is None:
                    expected = {401}
                elif not role.allows(route.role):
                    expected = {403}
                else:
                    expected = {400}
                if status not in expected:
                    wrong.append((route.name, role, status, document))
                if status in (401, 403):
                    assert set(document) == {"error"}
    assert wrong == []


def test_roles_are_ordered() -> None:
    assert [role.allows(needed) for role in Role for needed in Role] == [
        *(True, False, False),
        *(True, True, False),
        *(True, True, True),
    ]


def test_every_acting_route_needs_more_than_read() -> None:
    harmless = {"open_session", "verify_order"}  # The one makes a bearer of a code; the other needs trade to claim.

    assert {r.name for r in ROUTES if r.acts and r.role in (None, Role.READ)} == harmless


def test_every_call_of_the_library_has_a_role_and_what_is_new_needs_operate() -> None:
    assert set(ROLES) <= set(CALLS)
    assert role_of_call("none-such", {}) is Role.OPERATE
    assert role_of_call("verify", {"reserve": True}) is Role.TRADE
    assert role_of_call("verify", {"reserve": False}) is Role.READ
    assert role_of_call("release", {"force": True}) is Role.OPERATE
    assert role_of_call("place", {}) is Role.TRADE
    assert role_of_call("ratchet_nonces", {}) is Role.OPERATE


# Row X1: DNS rebinding


OTHER_HOSTS = ["evil.tld", "evil.tld:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil.tld"]


async def test_x1_another_host_is_refused_before_the_address_is_read(tmp_path: Path) -> None:
    async with running(tmp_path, opens=False) as rig:
        for host in OTHER_HOSTS:
            asked = host.format(port=rig.port)
            answer = await rig.raw(f"GET /none-such HTTP/1.1\r\nHost: {asked}\r\n\r\n".encode())

            assert answer.startswith(b"HTTP/1.1 403 "), host
            assert b"wrong_host" in answer, host


async def test_x1_two_hosts_or_none_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path, opens=False) as rig:
        ours = f"Host: 127.0.0.1:{rig.port}\r\n"
        for lines in ("", ours * 2, ours + "Host: evil.tld\r\n"):
            answer = await rig.raw(f"GET /livez HTTP/1.1\r\n{lines}\r\n".encode())

            assert answer.split(b" ")[1] in (b"400", b"403"), answer
        assert (await rig.raw(f"GET /livez HTTP/1.1\r\n{ours}\r\n".encode())).startswith(b"HTTP/1.1 200 ")


# Rows X2 and X3: other pages


OTHER_ORIGINS = ["https://evil.tld", "null", "http://127.0.0.1", "https://127.0.0.1:{port}"]


async def test_x2_what_another_page_sends_is_refused_whatever_token_it_has(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for origin in OTHER_ORIGINS:
            headers = {"Origin": origin.format(port=rig.port)}
            status, document, _ = await rig.ask(
                "POST", f"/v1/brokers/{BROKER}/trading", body={"state": "halted"}, headers=headers
            )

            assert (status, document["error"]["code"]) == (403, "wrong_origin"), origin
        assert rig.desk[BROKER].status().trading_state == "active"


async def test_x2_a_form_or_text_is_no_request_of_ours(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        path = f"/v1/brokers/{BROKER}/trading"
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            status, document, _ = await rig.ask(
                "POST", path, data=b'{"state": "halted"}', headers={"Content-Type": kind}
            )
            assert (status, document["error"]["code"]) == (415, "not_json")
        for site in ("cross-site", "same-site"):
            status, _, _ = await rig.ask("POST", path, body={"state": "halted"}, headers={"Sec-Fetch-Site": site})
            assert status == 403
        assert rig.desk[BROKER].status().trading_state == "active"
        status, _, _ = await rig.ask("POST", path, body={"state": "halted"}, headers={"Sec-Fetch-Site": "same-origin"})
        assert status == 200


async def test_x3_another_page_reads_no_stream_and_gets_no_permission_to(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        status, _, headers = await rig.ask("GET", "/v1/stream", headers={"Origin": "https://evil.tld"})
        assert status == 403
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        status, _, headers = await rig.ask(
            "OPTIONS", "/v1/stream", headers={"Origin": f"http://127.0.0.1:{rig.port}"}, role=None
        )
        assert status == 405
        assert not [name for name in headers if name.lower().startswith("access-control-")]


# Row X4: bearers


NO_BEARERS: list[dict[str, str]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer hf_none"},
    {"Authorization": "Basic aGY6aGY="},
    {"Authorization": "Bearer " + "x" * 5000},
    {"Cookie": "token={token}"},
]


async def test_x4_without_a_known_bearer_nothing_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for headers in NO_BEARERS:
            given = {name: value.format(token=rig.token("operate")) for name, value in headers.items()}
            status, document, _ = await rig.ask("GET", "/v1/brokers", role=None, headers=given)

            assert status == 401, headers
            assert BROKER not in str(document)


async def test_x4_a_token_in_a_query_is_no_bearer(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for name in ("token", "access_token"):
            status, _, _ = await rig.ask("GET", f"/v1/brokers?{name}={rig.token('operate')}", role=None)
            assert status == 401


async def test_x4_guessing_is_slowed_down_and_who_has_a_token_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        statuses = []
        for guess in range(15):
            headers = {"Authorization": f"Bearer hf_guess{guess}"}
            statuses.append((await rig.ask("GET", "/v1/brokers", role=None, headers=headers))[0])
        codes = [(await rig.ask("POST", "/v1/session", role=None, body={"code": "guess"}))[0] for _ in range(3)]

        assert statuses[:10] == [401] * 10
        assert statuses[-1] == 429
        assert codes == [429] * 3
        assert (await rig.ask("GET", "/v1/brokers"))[0] == 200


async def test_x4_a_revoked_or_ended_token_counts_no_more(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        tokens = rig.daemon.access.tokens
        assert (await rig.ask("GET", "/v1/brokers", role="read"))[0] == 200
        tokens.revoke("test-read", wall_us=1)
        assert (await rig.ask("GET", "/v1/brokers", role="read"))[0] == 401
        ended = tokens.create("ended", Role.READ, wall_us=1, lasts_s=1.0)
        status, _, _ = await rig.ask("GET", "/v1/brokers", role=None, headers={"Authorization": f"Bearer {ended}"})
        assert status == 401


# Row X5: a role that does not allow it


async def test_x5_a_reader_cannot_halt_release_or_place(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        before = len(await rig.desk[BROKER].history(limit=1000))
        order = {"intent_id": "x5", "symbol": "BTC-USD", "side": "buy", "quote_quantity": "50"}
        for path, body in (
            ("trading", {"state": "halted"}),
            ("reservations/x5/release", {"force": True, "confirm": "x5"}),
            ("orders", order),
            ("verify", {**{name: order[name] for name in order}, "reserve": True}),
            ("repair", {}),
        ):
            status, document, _ = await rig.ask("POST", f"/v1/brokers/{BROKER}/{path}", body=body, role="read")
            assert (status, document["error"]["code"]) == (403, "role_missing"), path
        status, document, _ = await rig.ask(
            "POST",
            f"/v1/brokers/{BROKER}/reservations/x5/release",
            body={"force": True, "confirm": "x5"},
            role="trade",
        )
        assert (status, document["error"]["code"]) == (403, "role_missing")
        assert rig.desk[BROKER].reservations() == []
        assert len(await rig.desk[BROKER].history(limit=1000)) == before


async def test_a_code_is_traded_once_and_for_what_it_was_made(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        code = rig.daemon.access.mint(Role.READ)
        session = await rig.post("/v1/session", {"code": code}, role=None)
        status, document, _ = await rig.ask("POST", "/v1/session", role=None, body={"code": code})
        headers = {"Authorization": f"Bearer {session['token']}"}

        assert session["role"] == "read"
        assert (status, document["error"]["code"]) == (401, "bad_code")
        assert (await rig.ask("GET", "/v1/brokers", role=None, headers=headers))[0] == 200
        assert (await rig.ask("POST", "/v1/links", role=None, headers=headers, body={}))[0] == 403


async def test_many_codes_at_once_are_each_traded_once(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        code = rig.daemon.access.mint(Role.OPERATE)
        found = await asyncio.gather(
            *(rig.ask("POST", "/v1/session", role=None, body={"code": code}) for _ in range(8))
        )

        assert sorted(status for status, _, _ in found) == [200, *[401] * 7]


def test_an_address_leads_to_one_route_at_most() -> None:
    for route in ROUTES:
        found = match(path_of(route))
        assert found is not None
        assert found.routes[route.method] is route
