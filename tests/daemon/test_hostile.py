"""What hostile requests come to: limits, paths, heads, and what no reply may hold (rows X6 to X11, X14, X15, M5)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import socket
from pathlib import Path

import pytest

from holdfast.config import DaemonSettings, load_config
from holdfast.daemon import server as serving
from holdfast.daemon import static
from holdfast.daemon.access import Role, TokenFile
from holdfast.daemon.daemon import check_binding
from holdfast.daemon.guarding import BODY_MAX
from holdfast.daemon.places import daemons_in, tokens_path
from holdfast.errors import ConfigError
from holdfast.runtime.state_folder import StateFolder
from holdfast.testing.venues import FakeVenue
from tests.daemon.rig import BROKER, Rig, running

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "c2VjcmV0"
"""The secret of the credential that every pretended broker has."""


def host(port: int) -> str:
    return f"Host: 127.0.0.1:{port}\r\n"


def head_of(rig: Rig, *lines: str) -> bytes:
    """The head of a POST that may be made, but for its body."""
    first = f"POST /v1/brokers/{BROKER}/refresh HTTP/1.1\r\n{host(rig.port)}"
    bearer = f"Authorization: Bearer {rig.token('operate')}\r\n"
    return (first + bearer + "\r\n".join(("Content-Type: application/json", *lines, "", ""))).encode()


# Row X6: addresses that a caller chooses


async def test_x6_no_request_names_an_address_to_be_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        document = await rig.get("/v1/openapi.json")
        text = json.dumps(document)
        inputs = [
            name
            for operation in document["paths"].values()
            for each in operation.values()
            for name in json.dumps(each.get("requestBody", {}).get("content", {})).split('"')
            if "url" in name.lower()
        ]

        assert inputs == []
        assert "rest_url" not in text
        for target in ("http://169.254.169.254/latest", "//169.254.169.254/", "file:///etc/passwd", "gopher://x"):
            answer = await rig.raw(f"GET {target} HTTP/1.1\r\n{host(rig.port)}\r\n".encode())
            assert answer.split(b" ")[1] in (b"400", b"403", b"404"), target


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254", "file:///etc/passwd", "gopher://127.0.0.1", "http://0x7f.1", "http://[::ffff:1.2.3.4]"],
)
def test_x6_an_address_of_a_simulator_is_this_machine_by_its_plain_name(url: str) -> None:
    broker = {"venue": "kraken", "environment": "simulated", "rest_url": url, "ws_url": "ws://127.0.0.1:1/v2"}

    with pytest.raises(ConfigError, match="rest_url"):
        load_config({"brokers": {"a": broker}})


# Row X7: too much


async def test_x7_a_body_beyond_the_bound_is_refused_announced_or_not(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        status, document, _ = await rig.ask(
            "POST",
            f"/v1/brokers/{BROKER}/refresh",
            data=io.BytesIO(b"{" + b" " * BODY_MAX + b"}"),
            headers={"Content-Type": "application/json"},
        )
        assert (status, document["error"]["code"]) == (413, "too_large")
        head = head_of(rig, "Transfer-Encoding: chunked")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        assert b" 413 " in (await rig.raw(head + chunk * 17))[:20]


async def test_x7_json_that_is_deep_or_none_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        path = f"/v1/brokers/{BROKER}/refresh"
        for data in (b'{"timeout_s":' + b"[" * 100_000, b"[" * 100_000, b"\xff\xfe", b"nope", b"[]", b'"x"', b"1e999"):
            status, document, _ = await rig.ask("POST", path, data=data, headers={"Content-Type": "application/json"})
            assert (status, document["error"]["code"]) == (400, "bad_request"), data[:20]


async def test_x7_who_never_ends_a_head_or_a_body_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_HEAD_WITHIN_S", 0.3)
    monkeypatch.setattr(serving, "_BODY_WITHIN_S", 0.3)
    async with running(tmp_path) as rig:
        assert await rig.raw(b"") == b""
        assert await rig.raw(b"GET /livez HTTP/1.1\r\nHos") == b""
        head = head_of(rig, "Content-Length: 100") + b"{"
        assert b" 408 " in (await rig.raw(head))[:20]
        text = await rig.get("/metrics", role=None)
        assert b'holdfast_http_refused_total{reason="slow_head"} 2' in text


async def test_x7_connections_and_streams_are_bounded(tmp_path: Path) -> None:
    settings = DaemonSettings(port=0, connections=8, streams=2)
    async with running(tmp_path, settings=settings) as rig, rig.stream() as one, rig.stream() as other:
        await one.next("hello")
        await other.next("hello")
        status, document, headers = await rig.ask("GET", "/v1/stream")
        assert (status, document["error"]["code"]) == (503, "too_many_streams")
        assert headers["Retry-After"] == "5"
        kept = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(10)]
        try:
            reader, _ = kept[-1]
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(1) == b""
        finally:
            for _, writer in kept:
                writer.transport.abort()


async def test_x7_one_bearer_cannot_ask_without_end(tmp_path: Path) -> None:
    settings = DaemonSettings(port=0, requests_per_s=5.0)
    async with running(tmp_path, settings=settings) as rig:
        found = [await rig.ask("GET", "/v1/jobs", role="read") for _ in range(20)]

        assert 429 in {status for status, _, _ in found}
        assert (await rig.ask("GET", "/v1/jobs", role="trade"))[0] == 200
        assert (await rig.ask("GET", "/livez", role=None))[0] == 200


# Row X8: what a venue says


async def test_x8_a_venue_s_words_stay_text_and_every_reply_is_fenced_in(tmp_path: Path) -> None:
    venue = FakeVenue(truth={"USD": ("1", "0"), "<script>": ("1", "0")})
    async with running(tmp_path, venue=venue, is_ready=False) as rig:
        for path in ("/livez", "/metrics", "/v1/balances", "/v1/openapi.json", "/none-such", "/"):
            _, _, headers = await rig.ask("GET", path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "aiohttp" not in headers["Server"]
            assert "Set-Cookie" not in headers
            if path != "/":
                assert headers["Cache-Control"] == "no-store"
        _, _, headers = await rig.ask("GET", "/v1/balances")
        assert headers["Content-Type"] == "application/json"


# Row X9: smuggling, injection, traversal


SMUGGLED = [
    "GET /livez HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /livez HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "GET /livez HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n",
    "GET /livez HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\n\r\n",
    "GET /livez HTTP/1.1\r\n{host}X: a\rb\r\n\r\n",
    "GET /livez HTTP/1.1\r\n{host}X: a\0b\r\n\r\n",
    "GET /livez HTTP/1.1\r\n{host} folded: x\r\n\r\n",
    "GET /livez\r\n HTTP/1.1\r\n{host}\r\n",
    "GET /livez HTTP/1.1\r\n{host}" + "X: y\r\n" * 200 + "\r\n",
    "GET /livez HTTP/1.1\r\n{host}X: " + "y" * 10_000 + "\r\n\r\n",
    "GET /" + "a" * 10_000 + " HTTP/1.1\r\n{host}\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
]


async def test_x9_what_two_servers_might_read_differently_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, opens=False) as rig:
        for request in SMUGGLED:
            answer = await rig.raw(request.format(host=host(rig.port)).encode("latin-1"))

            assert not answer.startswith(b"HTTP/1.1 2"), (request[:80], answer[:200])
            if answer:
                assert answer.split(b" ")[1] in (b"400", b"403", b"404", b"431"), (request[:80], answer[:200])
                assert b"Traceback" not in answer
                assert b"yyyy" not in answer


OUTSIDE = [
    "/../tokens.json",
    "/assets/../../tokens.json",
    "/assets/%2e%2e/%2e%2e/tokens.json",
    "/assets/..%2f..%2ftokens.json",
    "/assets/%2e%2e%5ctokens.json",
    "/assets//../tokens.json",
    "//tokens.json",
    "/%00",
    "/assets/%ff",
    "/assets/linked.js",
    "/assets/%252e%252e/tokens.json",
    "/server.py",
    "/page/index.html",
]


async def test_x9_nothing_outside_the_page_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("the page")
    (page / "assets" / "app-1.js").write_text("the script")
    (tmp_path / "tokens.json").write_text("the-canary")
    (page / "assets" / "linked.js").symlink_to(tmp_path / "tokens.json")
    monkeypatch.setattr("holdfast.daemon.daemon.page_files", lambda: static.page_files(page))
    state = tmp_path / "state"
    async with running(state, opens=False) as rig:
        for path in OUTSIDE:
            answer = await rig.raw(f"GET {path} HTTP/1.1\r\n{host(rig.port)}\r\n".encode())
            assert answer.split(b" ")[1] in (b"400", b"404"), (path, answer[:200])
            assert b"the-canary" not in answer, path
        found = await rig.raw(f"GET /assets/app-1.js HTTP/1.1\r\n{host(rig.port)}\r\n".encode())
        assert b"the script" in found
        assert b"immutable" in found
        for inside in ("/", "/brokers/acme-master", "/events"):
            assert (await rig.ask("GET", inside, role=None))[1] == b"the page"


# Rows X10 and M5: secrets


async def test_x10_m5_no_reply_event_or_metric_holds_a_secret(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        bearer = rig.token("operate")
        found: list[bytes] = []
        async with rig.stream(role="operate") as stream:
            await stream.next("hello")
            for path in ("refresh", "reset", "doctor", "trading", "verify", "orders", "none-such"):
                body = {"state": "active", "reason": f"because of {CANARY}"} if path == "trading" else None
                _, document, headers = await rig.ask("POST", f"/v1/brokers/{BROKER}/{path}", body=body or {})
                found.append(json.dumps([document, headers]).encode())
            for path in (
                "/v1/brokers",
                "/v1/balances",
                "/v1/events",
                "/v1/snapshot",
                "/v1/jobs",
                f"/v1/brokers/{BROKER}/status",
                f"/v1/brokers/{BROKER}/history?limit=1000",
                f"/v1/brokers/{BROKER}/balances/USD/explain",
                "/metrics",
                "/healthz",
            ):
                _, document, headers = await rig.ask("GET", path)
                found.append(document if isinstance(document, bytes) else json.dumps([document, headers]).encode())
            for _ in range(10):
                found.append(json.dumps(await stream.next()).encode())
        for text in found:
            assert bearer.encode() not in text
            assert b"SIM-acme-master" not in text
            assert CANARY.encode() not in text
        assert bearer not in repr(vars(rig.daemon.access.tokens))


async def test_a_bug_is_told_to_the_log_and_not_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    async with running(tmp_path) as rig:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        monkeypatch.setattr(type(rig.desk[BROKER]), "status", lambda self: 1 / 0)
        status, document, _ = await rig.ask("GET", f"/v1/brokers/{BROKER}/status")
        asyncio.get_running_loop().set_exception_handler(None)
        monkeypatch.undo()

    assert (status, document["error"]["code"]) == (500, "bug")
    assert "division" not in json.dumps(document)
    assert any(isinstance(each, ZeroDivisionError) for each in told)


# Row X11: who may listen where


def test_x11_others_are_let_in_only_with_a_token_and_tls() -> None:
    for here in ("127.0.0.1", "::1", "localhost", "127.0.0.53"):
        check_binding(here, is_tls=False, has_token=False, is_allowed_plain=False)
    for there in ("0.0.0.0", "::", "192.0.2.1", "holdfast.example"):  # That is what is refused.
        with pytest.raises(ConfigError, match="there is no token"):
            check_binding(there, is_tls=True, has_token=False, is_allowed_plain=True)
        with pytest.raises(ConfigError, match="readable"):
            check_binding(there, is_tls=False, has_token=True, is_allowed_plain=False)
        check_binding(there, is_tls=True, has_token=True, is_allowed_plain=False)
        check_binding(there, is_tls=False, has_token=True, is_allowed_plain=True)


async def test_x11_listening_in_plain_for_others_is_said_aloud(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path)
    TokenFile(tokens_path(folder)).create("bot", Role.READ, wall_us=1)
    settings = DaemonSettings(port=0, host="0.0.0.0", allow_plain_remote=True)  # That is what is tested.
    async with running(tmp_path, settings=settings, opens=False) as rig:
        assert any("WARNING" in line and "without TLS" in line for line in rig.said)
        assert (await rig.ask("GET", "/livez", role=None))[0] == 200


async def test_x11_a_taken_port_and_a_missing_certificate_end_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot be bound"):
            async with running(tmp_path, settings=DaemonSettings(port=taken.getsockname()[1]), opens=False):
                pass
    with pytest.raises(ConfigError, match="TLS cannot be served"):
        async with running(tmp_path, settings=DaemonSettings(port=0, tls_cert_file="none-such.pem"), opens=False):
            pass


# Row X12: the unix socket


async def test_x12_the_socket_is_our_user_s_alone_and_goes_with_us(tmp_path: Path) -> None:
    import aiohttp

    folder = StateFolder.open(tmp_path)
    async with running(tmp_path) as rig:
        (note,) = daemons_in(folder)
        path = Path(note.socket)
        assert path.stat().st_mode & 0o777 == 0o600
        assert (note.url, note.brokers) == (rig.daemon.url, (BROKER,))
        connector = aiohttp.UnixConnector(path=note.socket)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://localhost/v1/links", json={"role": "operate"}) as answer,
        ):
            link = await answer.json()
        session_ = await rig.post("/v1/session", {"code": link["code"]}, role=None)
        assert session_["role"] == "operate"
        assert link["url"].startswith(f"{rig.daemon.url}/#code=")
    assert not path.exists()
    assert daemons_in(folder) == []


async def test_x12_another_user_is_dropped_by_the_kernel_s_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.runtime.attach.lines import Peer

    async with running(tmp_path, opens=False):
        (note,) = daemons_in(StateFolder.open(tmp_path))
        monkeypatch.setattr(serving, "peer_of", lambda _: Peer(uid=12345, pid=1))
        reader, writer = await asyncio.open_unix_connection(note.socket)
        try:
            async with asyncio.timeout(5):
                assert await reader.read() == b""
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


def test_x12_what_a_dead_daemon_left_is_cleared_and_a_stranger_s_file_is_not(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path)
    home = folder.daemon_folder()
    dead = home / "1.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(dead))
    (home / "1.json").write_text(
        json.dumps({"pid": 1, "socket": str(dead), "url": None, "brokers": [], "started_us": 1})
    )
    (home / "2.json").write_text("not ours")

    assert daemons_in(folder) == []
    assert sorted(each.name for each in home.iterdir()) == ["2.json"]


# Row X13: what is installed


def test_x13_every_requirement_is_pinned_by_hash() -> None:
    for path in sorted((ROOT / "requirements").rglob("*.txt")):
        text = path.read_text("utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if line.strip() and not line.lstrip().startswith(("#", "-")):
                assert re.match(r"[a-z0-9._-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line, re.I), (path.name, line[:80])


# Row M4: settings that cannot be meant


def test_m4_every_fault_of_the_daemon_s_table_is_told_at_once() -> None:
    broker = {
        "venue": "kraken",
        "environment": "simulated",
        "rest_url": "http://127.0.0.1:1",
        "ws_url": "ws://127.0.0.1:1/v2",
    }
    wrong = {"port": 70_000, "hots": "x", "connections": 0, "streams": "many", "requests_per_s": -1}

    with pytest.raises(ConfigError) as caught:
        load_config({"daemon": wrong, "brokers": {"a": broker}})
    for part in ("daemon.port", "did you mean host?", "daemon.connections", "daemon.streams", "daemon.requests_per_s"):
        assert part in str(caught.value)
    with pytest.raises(ConfigError) as secret:
        load_config({"daemon": {"tls_key_file": "-----BEGIN KEY-----\nthe-canary"}, "brokers": {"a": broker}})
    assert "the-canary" not in str(secret.value)


# Row X15: a simulator is never mistaken


async def test_x15_every_broker_says_its_environment(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        document = await rig.get("/v1/brokers", role="read")
        assert [each["environment"] for each in document["brokers"]] == ["simulated"]
        assert b'environment="simulated"' in await rig.get("/metrics", role=None)


async def test_a_daemon_without_a_port_answers_its_own_user(tmp_path: Path) -> None:
    async with running(tmp_path, settings=DaemonSettings(), opens=False) as rig:
        assert rig.daemon.url is None
        assert len(daemons_in(StateFolder.open(tmp_path))) == 1
