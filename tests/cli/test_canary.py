"""
No secret is anywhere but where it belongs: real commands at a local venue, with secrets that are looked for afterwards.

Looked through are every output of every command, with and without an owner, while the venue quotes what it was sent;
logs; every file that is left behind; command lines and the environment of children; errors with the local variables of
each frame; and the shown and pickled form of every object that a desk is made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import pickle
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import holdfast
from holdfast.cli.app import COMMANDS, GROUPS
from holdfast.core.credentials import Credential
from holdfast.errors import ConfigError, HoldfastError
from holdfast.runtime.state_folder import StateFolder
from holdfast.testing import local_venue
from tests.cli.conftest import Command, Served

TOKEN = "CANARY-alert-t0ken-7f3a"
OWN_FILES = {"key", "secret", "alert.urls"}
"""Where secrets belong: the test wrote them there."""


class Canaries:
    """The secrets of one test, and where parts of them are found."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    def found_in(self, text: str | bytes) -> list[str]:
        """Names of the secrets of which *text* has the whole, or either half of a long one."""
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        found = []
        for name, secret in self.secrets.items():
            half = max(12, len(secret) // 2)
            if any(part.encode() in raw for part in {secret[:half], secret[-half:]}):
                found.append(name)
        return found

    def found_below(self, folder: Path) -> list[tuple[str, list[str]]]:
        """Files below *folder* that have one, but for those where they belong."""
        found = []
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in OWN_FILES:
                names = self.found_in(path.read_bytes())
                if names:
                    found.append((str(path.relative_to(folder)), names))
        return found


def canaries_of(venue: Served) -> Canaries:
    credential = venue.ready["credentials"][0]
    return Canaries(key=credential["key"], secret=credential["secret"], alert=TOKEN)


@pytest.fixture
def receiver() -> Iterator[str]:
    """A loopback host that refuses every alert: what fails is what would be told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        seen: ClassVar[list[str]] = []

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.seen.append(self.path)
            body = f"no: {self.path} {self.headers}".encode()
            self.send_response(500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def configure(holdfast: Command, venue: Served, receiver: str) -> None:
    """Credential and alert URLs in private files."""
    holdfast.configure(venue)
    config = holdfast.folder / "holdfast.toml"
    config.write_text('[alerts]\nurl_file = "alert.urls"\nstream_lost_after_s = 0\n' + config.read_text())
    urls = holdfast.folder / "alert.urls"
    urls.touch(mode=0o600)
    urls.write_text(f"json://user:{TOKEN}@{receiver}/{TOKEN}\nnonsense://{TOKEN}/x\n")


def quote(venue: Served, *, count: int = 6) -> None:
    """A few times from now on the venue and what stands before it quote what they were sent."""
    credential = venue.ready["credentials"][0]
    quoted = f"API-Key: {credential['key']} secret {credential['secret']}"
    page = f"<html><body>403 Forbidden: your request was {quoted}</body></html>"
    error = json.dumps({"error": [f"EGeneral:Internal error {quoted}"]})
    rules = [
        {"kind": "rest", "every": 2, "count": count, "action": {"do": "answer", "body": page, "status": 403}},
        {"kind": "rest", "every": 3, "count": count, "action": {"do": "answer", "body": error, "status": 200}},
        {"kind": "rest", "every": 5, "count": count, "action": {"do": "answer", "body": quoted, "status": 502}},
    ]
    venue.post("faults", {"add": rules})


ARGUMENTS: dict[str, list[list[str]]] = {
    "demo": [],  # Its venue and its keys are its own.
    "up": [["--for", "0.3s"]],
    "status": [["--wait", "0.5"]],
    "balances": [["--wait", "0.5"]],
    "verify-balance": [["USD", "1", "--wait", "0.5"]],
    "verify-end-to-end": [["--timeout", "3"]],
    "reset-circuit-breaker": [["--timeout", "1"]],
    "force-balance-refresh": [["--timeout", "1"]],
    "emergency-repair": [["--timeout", "1"]],
    "orders list": [["--wait", "0.5"]],
    "halt": [["--reason", "look"]],
    "reduce": [["--reason", "look"]],
    "resume": [[]],
    "explain": [["kraken-master", "USD"]],
    "backup": [["copy.bak"]],
    "restore": [["--start-new"]],
    "orders show": [["none"]],
    "orders cancel": [["none"]],
    "reservations show": [["none"]],
    "reservations release": [["none"]],
    "sim kraken": [],  # What it prints when ready are throw-away credentials.
    "config init": [["another.toml"]],
    "nonce doctor": [[], ["--retry"]],
    "dashboard": [[], ["--role", "operate"]],
    "tokens create": [["bot", "--file", "bot.token"]],
    "tokens revoke": [["none"]],
}
"""What a command is called with; nothing where it is not named, and not at all where the list is empty."""


NOT_THROUGH_AN_OWNER = {"up", "restore", "backup", "config", "alerts", "history", "verify-balance", "reduce"}
"""What works without one, or beside it as without it."""


def command_lines() -> list[list[str]]:
    """Every command there is, each as often as ``ARGUMENTS`` says."""
    names = [name for name in COMMANDS if name != "restore"]
    names += [f"{group} {name}" for group, (_, members) in GROUPS.items() for name in members]
    names = [name for name in names if not name.startswith("sim ")]
    return [[*name.split(), *more] for name in [*names, "restore"] for more in ARGUMENTS.get(name, [[]])]


def test_no_command_shows_or_leaves_a_secret_while_the_venue_quotes_it(
    holdfast: Command, venue: Served, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_DEBUG", "1")
    monkeypatch.chdir(holdfast.folder)
    configure(holdfast, venue, receiver)
    canaries = canaries_of(venue)
    said: dict[str, str] = {}
    assert holdfast.here("balances").returncode == 0
    quote(venue)
    for number, words in enumerate(command_lines()):
        output = ("json", "table")[number % 2]
        done = holdfast.here(*words, "--output", output)
        said[f"{' '.join(words)} --output {output}"] = done.stdout + done.stderr
    assert len(said) > 25
    assert {name: canaries.found_in(text) for name, text in said.items() if canaries.found_in(text)} == {}
    assert canaries.found_below(holdfast.folder) == []


def test_an_owner_and_those_who_ask_it_show_and_leave_no_secret(
    holdfast: Command, venue: Served, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(holdfast.folder)
    configure(holdfast, venue, receiver)
    canaries = canaries_of(venue)
    said: dict[str, str] = {}
    # By value this time: the other way in.
    credential = venue.ready["credentials"][0]
    config = holdfast.folder / "holdfast.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(("credentials", "url_file"))]
    config.write_text("\n".join(lines))
    environ = {
        "KRAKEN_MASTER_API_KEY": credential["key"],
        "KRAKEN_MASTER_API_SECRET": credential["secret"],
        "HOLDFAST_ALERT_URLS": (holdfast.folder / "alert.urls").read_text(),
        "HOLDFAST_DEBUG": "1",
    }
    owner = holdfast.start("up", "--output", "json", **environ)
    try:
        assert owner.stdout is not None
        assert json.loads(owner.stdout.readline())["event"] == "ready"
        quote(venue)
        venue.post("faults", {"add": [{"kind": "streams", "action": {"do": "close", "code": 1011, "reason": "gone"}}]})
        if sys.platform == "linux":
            said["argv"] = Path(f"/proc/{owner.pid}/cmdline").read_bytes().decode()
        for number, words in enumerate(command_lines()):
            if words[0] in NOT_THROUGH_AN_OWNER:
                continue
            output = ("json", "table")[number % 2]
            done = holdfast.here(*words, "--output", output)
            said[f"{' '.join(words)} --output {output}"] = done.stdout + done.stderr
    finally:
        owner.send_signal(signal.SIGTERM)
        said["up, on stdout"], said["up, on stderr"] = owner.communicate(timeout=20)
    assert '"event":"alert.address_failed"' in said["up, on stderr"].replace('": ', '":')
    assert {name: canaries.found_in(text) for name, text in said.items() if canaries.found_in(text)} == {}
    assert canaries.found_below(holdfast.folder) == []


A_BOT = """
import asyncio, os, pathlib, subprocess, sys
import holdfast

async def main():
    async with holdfast.open("holdfast.toml", log=True) as desk:
        await desk.ready()
        print(subprocess.run([sys.executable, "-c", "import os; print(dict(os.environ))"], capture_output=True).stdout)
        mine = pathlib.Path("/proc/thread-self/children")
        child = subprocess.Popen(["sleep", "5"])
        path = pathlib.Path(f"/proc/{child.pid}/environ")
        print(path.read_bytes() if path.exists() else os.environ)
        child.kill()
        child.wait()
        print(dict(os.environ), sys.argv)

asyncio.run(main())
"""


def test_a_bots_children_inherit_no_secret(holdfast: Command, shared_venue: Served, receiver: str) -> None:
    configure(holdfast, shared_venue, receiver)
    canaries = canaries_of(shared_venue)
    config = holdfast.folder / "holdfast.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(("credentials", "url_file"))]
    config.write_text("\n".join(lines))
    credential = shared_venue.ready["credentials"][0]
    environ = {
        "KRAKEN_MASTER_API_KEY": credential["key"],
        "KRAKEN_MASTER_API_SECRET": credential["secret"],
        "HOLDFAST_ALERT_URLS": f"json://{receiver}/{TOKEN}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        done = holdfast.python(A_BOT)
    assert done.returncode == 0, done.stderr
    assert "PATH" in done.stdout
    assert canaries.found_in(done.stdout + done.stderr) == []


# Inside one process


def with_locals(error: BaseException) -> str:
    """An error as a debugger or a crash reporter shows it, without the frames of tests and of other people's code."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending, lines = [shown], []
    while pending:
        one = pending.pop()
        lines += list(one.format_exception_only())
        for frame in one.stack:
            if "/tests/" not in frame.filename:
                lines.append(f"{frame.filename}:{frame.lineno} {frame.locals}")
        pending += [each for each in (one.__cause__, None if one.__suppress_context__ else one.__context__) if each]
        pending += one.exceptions or []
    return "\n".join(lines)


def reachable(root: object) -> list[object]:
    """Every object of ours that can be reached from *root* through attributes and containers."""
    seen: dict[int, object] = {}
    pending, found = [root], []
    while pending:
        each = pending.pop()
        if id(each) in seen or isinstance(each, type | types.ModuleType):
            continue
        seen[id(each)] = each
        if isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            pending += list(each)
        elif isinstance(each, types.MethodType):
            pending.append(each.__self__)
        elif isinstance(each, types.FunctionType):
            pending += [cell.cell_contents for cell in each.__closure__ or () if _is_filled(cell)]
        elif type(each).__module__.startswith("holdfast"):
            found.append(each)
            pending += list(vars(each).values()) if hasattr(each, "__dict__") else []
            names = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            pending += [getattr(each, name) for name in names if hasattr(each, name)]
    return found


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


async def errors_of(broker: holdfast.Broker) -> list[BaseException]:
    """What comes of everything that can be asked of a broker."""
    calls: list[Callable[[], Any]] = [
        lambda: broker.refresh(timeout_s=1),
        lambda: broker.ready(timeout_s=0.1),
        lambda: broker.place_market_order("BTC-USD", "buy", "0.001"),
        lambda: broker.place_limit_order("BTC-USD", "buy", "0.001", "1000", validate=True),
        lambda: broker.place_limit_order("NOPE-USD", "buy", "0.001", "1000"),
        lambda: broker.cancel_order("none"),
        lambda: broker.cancel_all_orders(),
        lambda: broker.examine_nonces(),
        lambda: broker.retry_nonces(),
    ]
    found: list[BaseException] = []
    for call in calls:
        try:
            async with asyncio.timeout(1.5):
                await call()
        except (HoldfastError, TimeoutError) as error:
            found.append(error)
    return found


FAULTS: list[dict[str, Any]] = [
    {"do": "answer", "body": '{"error":["EGeneral:Internal error"]}', "status": 200},
    {"do": "lose_reply", "how": "reset"},
    {"do": "unreachable", "how": "refused"},
    {"do": "html_error", "status": 502},
    {"do": "truncate", "at": 20},
    {"do": "answer", "body": '{"error":["EAPI:Invalid key"]}', "status": 200},
]


@pytest.mark.parametrize(
    "fault",
    [FAULTS[0], *(pytest.param(fault, marks=pytest.mark.soak) for fault in FAULTS[1:])],
    ids=lambda fault: f"{fault['do']}",
)
async def test_no_error_and_no_frame_that_it_passed_holds_a_secret(
    holdfast: Command, venue: Served, receiver: str, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    configure(holdfast, venue, receiver)
    canaries = canaries_of(venue)
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    async with open_here(holdfast) as desk:
        await desk.ready()
        venue.post("faults", {"add": [{"kind": "rest", "action": fault}, {"kind": "ws_in", "action": {"do": "drop"}}]})
        venue.post("faults", {"add": [{"kind": "streams", "action": {"do": "close", "code": 1011, "reason": "gone"}}]})
        errors = await errors_of(desk["kraken-master"])
        texts = [with_locals(error) for error in errors] + [repr(desk.status())]
    assert len(errors) >= 3
    assert [canaries.found_in(text) for text in texts] == [[]] * len(texts)
    assert seen == []


@pytest.mark.parametrize("name", [pytest.param("coinbase", marks=pytest.mark.soak), "okx"])
async def test_no_adapter_lets_a_secret_through_while_its_venue_quotes_it(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with local_venue(name) as venue:
        credential = venue.ready["credentials"][0]
        lines = [line for line in credential["secret"].splitlines() if not line.startswith("-----")]
        parts = {"key": credential["key"], "secret": lines[0], "passphrase": credential["passphrase"] or lines[0]}
        canaries = Canaries(**parts)
        state = Path(venue.config["state_dir"])
        texts = []
        async with holdfast.open(venue.config, log=True) as desk:
            broker = next(iter(desk))
            await broker.ready()
            objects = reachable(desk)
            texts += [repr(each) for each in objects]
            for each in objects:
                with contextlib.suppress(Exception):
                    texts.append(pickle.dumps(each).decode("latin-1"))
            quoted = " ".join(parts.values())
            rules: list[dict[str, Any]] = [
                {"kind": "rest", "action": {"do": "answer", "body": _refusal(name, quoted), "status": 200}},
                {"kind": "rest", "count": 2, "action": {"do": "answer", "body": f"<b>{quoted}</b>", "status": 400}},
                {"kind": "streams", "action": {"do": "close", "code": 1011, "reason": parts["passphrase"][:100]}},
            ]
            for rule in rules:
                venue.fault(**rule)
            errors = await errors_of(broker)
            texts += [with_locals(error) for error in errors]
            texts += [repr(desk.status()), repr(await broker.history())]
        texts += capfd.readouterr()
        assert len(errors) >= 3
        assert [found for text in texts if (found := canaries.found_in(text))] == []
        assert canaries.found_below(state) == []
        # It was looked where something was: what the venue said is told, and the frames were walked.
        assert any("***" in text for text in texts)
        assert any("src/holdfast/" in text for text in texts)


def _refusal(name: str, quoted: str) -> str:
    if name == "okx":
        return json.dumps({"code": "50000", "msg": f"Invalid request: {quoted}", "data": []})
    return json.dumps({"error": "UNKNOWN", "message": quoted, "error_details": quoted, "success": False})


async def test_what_a_desk_is_made_of_shows_and_carries_no_secret(
    holdfast: Command, shared_venue: Served, receiver: str
) -> None:
    configure(holdfast, shared_venue, receiver)
    canaries = canaries_of(shared_venue)
    async with open_here(holdfast) as desk:
        await desk.ready()
        objects = reachable(desk)
        kinds = {type(each).__name__ for each in objects}
        # The walk came to where secrets are held.
        assert {"Credential", "Signer", "Secret", "AlertAddress", "KrakenClient"} <= kinds
        shown = {type(each).__name__: canaries.found_in(repr(each)) for each in objects}
        carried: dict[str, list[str]] = {}
        for each in objects:
            with contextlib.suppress(Exception):
                carried[type(each).__name__] = canaries.found_in(pickle.dumps(each))
    assert {name: found for name, found in shown.items() if found} == {}
    assert {name: found for name, found in carried.items() if found} == {}
    assert "Credential" not in carried
    assert "Secret" not in carried


@pytest.mark.parametrize(
    ("part", "mistake"),
    [
        ("key", "padding"),
        ("key", "misplaced"),
        ("secret", "mode"),
        ("secret", "padding"),
        ("secret", "bytes"),
        ("secret", "misplaced"),
        ("urls", "mode"),
        ("urls", "nothing"),
        ("urls", "misplaced"),
    ],
)
def test_a_mistake_with_a_secret_is_told_without_it(
    holdfast: Command, shared_venue: Served, receiver: str, part: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(holdfast, shared_venue, receiver)
    canaries = canaries_of(shared_venue)
    path = holdfast.folder / {"urls": "alert.urls"}.get(part, part)
    value = path.read_text().splitlines()[0]
    if mistake == "mode":
        path.chmod(0o644)
    elif mistake == "padding":
        path.write_text(f" {value[1:]}\n\n x")
    elif mistake == "nothing":
        path.write_text("")
    elif mistake == "bytes":
        path.write_bytes(value.encode() + b"\xff\xfe")
    else:
        name = {"key": "key_file", "secret": "secret_file", "urls": "url_file"}[part]
        config = holdfast.folder / "holdfast.toml"
        config.write_text(config.read_text().replace(f'{name} = "{path.name}"', f'{name} = "{value}"'))
    monkeypatch.setenv("HOLDFAST_DEBUG", "1")
    for words in ("config check", "config show", "alerts test"):
        done = holdfast.here(*words.split())
        if words != "config show" or mistake != "misplaced":
            assert canaries.found_in(done.stdout + done.stderr) == [], words
    if mistake == "misplaced":  # The configuration itself has it then, and is a local variable.
        with pytest.raises(HoldfastError) as caught:
            asyncio.run(_open_and_close(holdfast))
        assert canaries.found_in(str(caught.value)) == []
    elif part != "urls" or mistake != "padding":
        with pytest.raises(HoldfastError) as caught:
            asyncio.run(_open_and_close(holdfast))
        assert canaries.found_in(with_locals(caught.value)) == []


async def _open_and_close(holdfast: Command) -> None:
    async with open_here(holdfast):
        pass


def open_here(command: Command) -> holdfast.Opening:
    return holdfast.open(command.folder / "holdfast.toml", mode="own", log=True)


def test_a_databases_address_where_a_folder_belongs_is_refused_without_its_password(
    holdfast: Command, shared_venue: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_DEBUG", "1")
    holdfast.configure(shared_venue)
    canaries = Canaries(store="CANARY-store-passw0rd")
    address = "postgresql://holdfast:CANARY-store-passw0rd@db.example/holdfast"
    config = holdfast.folder / "holdfast.toml"
    config.write_text(f'state_dir = "{address}"\n' + config.read_text())
    done = holdfast.here("status")
    assert done.returncode == 3
    assert "expected a folder of this host" in done.stderr
    assert canaries.found_in(done.stdout + done.stderr) == []
    with pytest.raises(ConfigError) as caught:
        StateFolder.open(environ={"HOLDFAST_STATE_DIR": address})
    assert canaries.found_in(str(caught.value)) == []
    assert [path for path in holdfast.folder.iterdir() if path.name.startswith("postgresql")] == []


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    canaries = Canaries(secret="0123456789abcdefghij0123456789")
    assert canaries.found_in("x 0123456789abcdefghij0123456789 y") == ["secret"]
    assert canaries.found_in("cut: 0123456789abcdefg") == ["secret"]
    assert canaries.found_in(b"nothing 0123") == []
    (tmp_path / "left").write_text("fghij0123456789")
    assert canaries.found_below(tmp_path) == [("left", ["secret"])]

    def raising() -> None:
        secret = "0123456789abcdefghij0123456789"
        raise ValueError(len(secret))

    raising.__code__ = raising.__code__.replace(co_filename="elsewhere.py")  # A frame of the tests' own is not shown.
    with pytest.raises(ValueError, match="30") as caught:
        raising()
    assert canaries.found_in(with_locals(caught.value)) == ["secret"]
    assert Credential in {type(each) for each in reachable([Credential(venue="a", key="k", secret="s")])}
