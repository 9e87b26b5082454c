"""Notices on their way: every address by itself, one deadline, a bounded queue, and nobody ever waits for it."""

from __future__ import annotations

import asyncio
import http.server
import json
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from holdfast.core.alerts import AlertKind, Notice, Stage
from holdfast.core.credentials import Secret
from holdfast.core.events import Event
from holdfast.errors import ConfigError
from holdfast.runtime.alert_addresses import AlertAddress
from holdfast.runtime.alert_outbox import Connect, Outbox, through_apprise

with warnings.catch_warnings():
    # Its plugins, loaded with the first address, import what Python 3.13 has dropped; only a test run minds.
    warnings.simplefilter("ignore", DeprecationWarning)
    import apprise

    apprise.Apprise().add("json://localhost")

CANARY = "CANARY-t0ken"


def notice_of(number: int = 0) -> Notice:
    return Notice(
        broker="acme",
        kind=AlertKind.STREAM_LOST,
        subject="",
        stage=Stage.RAISED,
        level="warning",
        title=f"holdfast acme: stream lost {number}",
        body="acme (simulated): the stream is gone.",
        key="stream_lost",
    )


class Post:
    """An outbox with addresses that do as the test says."""

    def __init__(self, *senders: Callable[[Notice], bool], within_s: float = 5.0) -> None:
        self.events: list[Event] = []
        self.results: list[bool] = []
        addresses = [
            AlertAddress(number=number, service="acme", url=Secret(f"acme://{CANARY}"))
            for number, _ in enumerate(senders, start=1)
        ]
        connect: Connect = lambda address: senders[address.number - 1]  # noqa: E731
        self.outbox = Outbox(addresses, connect=connect, within_s=within_s, emit=self.events.append)
        self.heard = asyncio.Event()

    def put(self, number: int = 0) -> None:
        self.outbox.put(notice_of(number), self._done)

    def _done(self, was_taken: bool) -> None:
        self.results.append(was_taken)
        self.heard.set()

    async def until(self, count: int) -> list[bool]:
        while len(self.results) < count:
            self.heard.clear()
            await asyncio.wait_for(self.heard.wait(), 10)
        return self.results

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]


class Sender:
    """Takes notices, or fails, or hangs until it is let go."""

    def __init__(self, *, error: Exception | None = None, works: bool = True, hangs: bool = False) -> None:
        self.error = error
        self.works = works
        self.taken: list[str] = []
        self.goes_on = threading.Event()
        self.has_begun = threading.Event()
        if not hangs:
            self.goes_on.set()

    def __call__(self, notice: Notice) -> bool:
        self.has_begun.set()
        self.goes_on.wait(20)
        if self.error is not None:
            raise self.error
        self.taken.append(notice.title)
        return self.works


async def test_a_notice_goes_to_every_address_and_one_that_takes_it_is_enough() -> None:
    good, bad, broken = Sender(), Sender(works=False), Sender(error=OSError(CANARY))
    post = Post(good, bad, broken)
    post.put()
    assert await post.until(1) == [True]
    assert good.taken == ["holdfast acme: stream lost 0"]
    assert sorted((told["address"], told["reason"]) for told in post.said("alert.address_failed")) == [
        (2, "not_taken"),
        (3, "OSError"),
    ]
    assert CANARY not in repr(post.events)
    await post.outbox.close()


async def test_what_no_address_took_has_failed() -> None:
    post = Post(Sender(works=False), Sender(error=ValueError(CANARY)))
    post.put()
    assert await post.until(1) == [False]
    await post.outbox.close()


async def test_an_address_that_hangs_keeps_nobody_waiting_and_fails_at_the_deadline() -> None:
    hanging, good = Sender(hangs=True), Sender()
    post = Post(hanging, good, within_s=0.2)
    for number in range(5):
        post.put(number)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await asyncio.sleep(0)
    assert loop.time() - began_s < 0.1
    assert await post.until(5) == [True] * 5
    assert len(good.taken) == 5
    assert {told["reason"] for told in post.said("alert.address_failed")} == {"deadline"}
    hanging.goes_on.set()
    await post.outbox.close()


async def test_what_was_given_up_is_not_sent_when_the_address_comes_back() -> None:
    hanging = Sender(hangs=True)
    post = Post(hanging, within_s=1.0)
    post.put(0)
    await asyncio.to_thread(hanging.has_begun.wait, 10)
    for number in range(1, 5):
        post.put(number)
    assert await post.until(5) == [False] * 5
    hanging.goes_on.set()
    post.put(9)
    assert (await post.until(6))[-1] is True
    assert hanging.taken == ["holdfast acme: stream lost 0", "holdfast acme: stream lost 9"]
    assert post.said("alert.address_recovered")
    await post.outbox.close()


async def test_failures_are_counted_and_said_ever_more_rarely_and_recovery_once() -> None:
    sender = Sender(works=False)
    post = Post(sender)
    for number in range(20):
        post.put(number)
        await post.until(number + 1)
    assert [told["failures"] for told in post.said("alert.address_failed")] == [1, 2, 4, 8, 16]
    sender.works = True
    post.put(20)
    post.put(21)
    await post.until(22)
    assert [told["failures"] for told in post.said("alert.address_recovered")] == [20]
    await post.outbox.close()


async def test_a_queue_is_bounded_and_what_does_not_fit_has_failed_at_once() -> None:
    hanging = Sender(hangs=True)
    post = Post(hanging, within_s=30)
    post.put()
    await asyncio.to_thread(hanging.has_begun.wait, 10)
    for number in range(1, 60):
        post.put(number)
    assert await post.until(9) == [False] * 9
    assert post.said("alert.address_failed")[0]["reason"] == "queue_full"
    hanging.goes_on.set()
    assert (await post.until(60)).count(True) == 51
    await post.outbox.close()


async def test_closing_waits_for_what_is_on_its_way_and_never_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.runtime.alert_outbox._CLOSE_WITHIN_S", 0.2)
    slow, hanging = Sender(hangs=True), Sender(hangs=True)
    first, second = Post(slow), Post(hanging)
    first.put()
    second.put()
    asyncio.get_running_loop().call_later(0.05, slow.goes_on.set)
    await asyncio.gather(first.outbox.close(), second.outbox.close())
    assert (first.results, second.results) == ([True], [False])
    second.put()
    assert await second.until(2) == [False, False]
    hanging.goes_on.set()


async def test_addresses_are_made_ready_before_they_are_needed_and_one_that_cannot_be_is_told() -> None:
    events: list[Event] = []
    told = asyncio.Event()

    def hear(event: Event) -> None:
        events.append(event)
        told.set()

    def connect(address: AlertAddress) -> Callable[[Notice], bool]:
        raise ConfigError("apprise does not understand it")

    address = AlertAddress(number=1, service="nonsense", url=Secret(f"nonsense://{CANARY}"))
    outbox = Outbox([address], connect=connect, within_s=5, emit=hear)
    outbox.prepare()
    await asyncio.wait_for(told.wait(), 10)
    assert events[0].fields == {"address": 1, "service": "nonsense", "reason": "not_understood", "failures": 1}
    await outbox.close()


# Through apprise itself


class Receiver(http.server.BaseHTTPRequestHandler):
    """Remembers what apprise's json:// posts; answers with the status in its path."""

    seen: ClassVar[list[dict[str, Any]]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(json.loads(body))
        self.send_response(500 if "/broken/" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A loopback host that takes what apprise posts: its address, and what it took."""

    class Handler(Receiver):
        seen: ClassVar[list[dict[str, Any]]] = []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}", Handler.seen
    server.shutdown()
    thread.join()
    server.server_close()


async def outcome(url: str) -> tuple[bool, list[Event]]:
    events: list[Event] = []
    address = AlertAddress(number=1, service="json", url=Secret(url))
    outbox = Outbox([address], connect=through_apprise, within_s=10, emit=events.append)
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    outbox.put(notice_of(), done.set_result)
    was_taken = await done
    await outbox.close()
    return was_taken, events


async def test_apprise_posts_title_text_and_level(receiver: tuple[str, list[dict[str, Any]]]) -> None:
    host, seen = receiver
    assert await outcome(f"json://{host}/{CANARY}") == (True, [])
    assert (seen[0]["title"], seen[0]["message"]) == (notice_of().title, notice_of().body)
    assert seen[0]["type"] == "warning"


@pytest.mark.parametrize("kind", ["refusing", "nobody", "nonsense"])
async def test_nothing_of_an_address_that_fails_is_logged_by_anybody(
    receiver: tuple[str, list[dict[str, Any]]], kind: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    host, _ = receiver
    urls = {
        "refusing": f"json://user:{CANARY}@{host}/broken/{CANARY}",
        "nobody": f"json://127.0.0.1:9/{CANARY}",
        "nonsense": f"nonsense://{CANARY}",
    }
    was_taken, events = await outcome(urls[kind])
    assert not was_taken
    assert [event.name for event in events] == ["alert.address_failed"]
    shown = caplog.text + "".join(capfd.readouterr()) + repr(events)
    assert CANARY not in shown


async def test_a_bots_own_logging_of_the_same_libraries_is_left_alone(
    receiver: tuple[str, list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host, _ = receiver
    await outcome(f"json://{host}/x")
    logging.getLogger("urllib3.connectionpool").debug("of the bot")
    its_own = apprise.Apprise()
    its_own.add(f"json://{host}/of-the-bot-too")
    await asyncio.to_thread(its_own.notify, "hello")
    assert "of-the-bot-too" in caplog.text
    assert "/x" not in caplog.text
    assert "of the bot" in caplog.text


async def test_a_slow_start_of_an_address_is_no_failure_of_it() -> None:
    events: list[Event] = []
    begun = threading.Event()

    def slowly(_: AlertAddress) -> Callable[[Notice], bool]:
        begun.set()
        time.sleep(0.3)
        return lambda _: True

    address = AlertAddress(number=1, service="acme", url=Secret(f"acme://{CANARY}"))
    outbox = Outbox([address], connect=slowly, within_s=0.05, emit=events.append)
    outbox.prepare()
    await asyncio.to_thread(begun.wait, 5.0)
    await outbox.close()
    assert [each.name for each in events] == []
