"""`holdfast alerts test`, and a notice on its whole way: from a venue that fails to a person's own host."""

from __future__ import annotations

import asyncio
import http.server
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from holdfast.cli import alerts
from holdfast.config.alerts import AlertingSettings
from holdfast.core.alerts import Notice
from holdfast.core.credentials import Secret
from holdfast.runtime import alert_outbox
from holdfast.runtime.alert_addresses import AlertAddress
from holdfast.testing.parts import memory_config
from tests.cli.conftest import Command, Served


class Host:
    """A loopback host that takes notices."""

    def __init__(self) -> None:
        self.taken: queue.Queue[dict[str, Any]] = queue.Queue()
        taken = self.taken

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def host() -> Iterator[Host]:
    found = Host()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def configure(holdfast: Command, served: Served, *urls: str, **settings: str) -> None:
    """A broker at *served*, and alerts that go to *urls*."""
    holdfast.configure(served)
    config = holdfast.folder / "holdfast.toml"
    lines = "".join(f"{name} = {value}\n" for name, value in {"url_file": '"alert.urls"', **settings}.items())
    config.write_text(f"[alerts]\n{lines}" + config.read_text())
    path = holdfast.folder / "alert.urls"
    path.touch(mode=0o600)
    path.write_text("\n".join(urls))


def test_every_address_is_tried_and_each_is_told_by_number_and_service(
    holdfast: Command, shared_venue: Served, host: Host
) -> None:
    configure(holdfast, shared_venue, f"json://{host.name}/secret-path", f"json://{host.name}/b")
    code, document = holdfast.json("alerts", "test")
    assert code == 0
    assert [(row["number"], row["service"], row["is_delivered"]) for row in document["addresses"]] == [
        (1, "json", True),
        (2, "json", True),
    ]
    assert {host.taken.get(timeout=5)["title"] for _ in range(2)} == {"holdfast: test"}


def test_an_address_that_takes_nothing_exits_8_and_says_why(
    holdfast: Command, shared_venue: Served, host: Host
) -> None:
    configure(holdfast, shared_venue, f"json://{host.name}/a", "json://127.0.0.1:9/b", "nonsense://c/d")
    done = holdfast("alerts", "test")
    assert done.returncode == 8
    first, second, third = done.stdout.splitlines()
    assert "delivered" in first
    assert "not taken" in second
    assert "apprise does not understand" in third


@pytest.mark.parametrize(
    ("urls", "settings", "words"),
    [
        ((), {}, "is empty"),
        (("no url",), {}, "line 1 is no apprise URL"),
        (("json://localhost",), {"enabled": "false"}, "enabled is false"),
        (("json://localhost",), {"url_file": '"nowhere"'}, "cannot be read"),
    ],
)
def test_alerts_that_cannot_be_sent_exit_3_and_say_what_to_change(
    holdfast: Command, shared_venue: Served, urls: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    configure(holdfast, shared_venue, *urls, **settings)
    done = holdfast.here("alerts", "test")
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr
    if "enabled" not in settings:
        for command in (("config", "check"), ("up", "--for", "1s")):
            refused = holdfast.here(*command)
            assert refused.returncode == 3
            assert words in refused.stderr


def test_nobody_named_exits_3_and_says_how(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast.here("alerts", "test")
    assert done.returncode == 3
    assert "url_file under [alerts]" in done.stderr
    assert holdfast.here("config", "check").returncode == 0


def test_a_missing_extra_is_named_with_the_command_that_brings_it(
    holdfast: Command, shared_venue: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(holdfast, shared_venue, "json://localhost/a")
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    for command in (("alerts", "test"), ("config", "check"), ("up", "--for", "1s")):
        done = holdfast.here(*command)
        assert done.returncode == 3, command
        assert "pip install 'holdfast[alerts]'" in done.stderr
    assert holdfast.here("balances").returncode == 0  # Who asks for one answer tells nobody anything.


def test_an_owner_tells_of_a_stream_that_is_gone_and_of_its_return(
    holdfast: Command, venue: Served, host: Host
) -> None:
    configure(
        holdfast, venue, f"json://{host.name}/a", stream_lost_after_s="1", recovered_after_s="1", notices_per_hour="100"
    )
    with holdfast.owning():
        venue.post("faults", {"add": [{"kind": "handshake", "action": {"do": "refuse", "status": 503}}]})
        venue.post("faults", {"add": [{"kind": "streams", "action": {"do": "close", "code": 1011, "reason": "gone"}}]})
        told = [host.taken.get(timeout=30)]
        while told[-1]["title"] != "holdfast kraken-master: stream lost":
            told.append(host.taken.get(timeout=30))
        assert told[-1]["type"] == "warning"
        assert "kraken-master (simulated): the account stream is not live" in told[-1]["message"]
        venue.post("faults", {"clear": True})
        assert holdfast.here("reset-circuit-breaker").returncode == 0
        while told[-1]["title"] != "holdfast kraken-master: recovered: stream lost":
            told.append(host.taken.get(timeout=30))
        assert told[-1]["type"] == "success"


def test_importing_apprise_is_no_part_of_the_time_an_address_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def slow_at_first(_: AlertAddress) -> Callable[[Notice], bool]:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.6)
        return lambda _: True

    monkeypatch.setattr(alert_outbox, "through_apprise", slow_at_first)
    config = msgspec.structs.replace(memory_config(), alerts=AlertingSettings(send_within_s=0.3))
    address = AlertAddress(number=1, service="acme", url=Secret("acme://a"))
    delivery = asyncio.run(alerts._sent(config, [address]))
    assert delivery.results == {1: None}
    assert delivery.took_s[1] < 0.3
