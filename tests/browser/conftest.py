"""A real Chromium on the real page; where none can be had the tests say that they were not run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.fake_daemon import FakeDaemon

AXE = Path(__file__).resolve().parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"


def _chromium() -> str | None:
    return os.environ.get("HOLDFAST_CHROMIUM") or next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests."""
    api = pytest.importorskip("playwright.sync_api", reason="not run: playwright is not installed (make browser)")
    path = _chromium()
    if path is None:
        pytest.skip("not run: no chromium on this machine")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    """The desk of the pictures, for somebody who may operate."""
    served = FakeDaemon()
    yield served
    served.close()


@pytest.fixture
def reading() -> Iterator[FakeDaemon]:
    """The same for somebody who may only read."""
    served = FakeDaemon(role="read")
    yield served
    served.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of a daemon; what the browser complains of fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def go(
        daemon: FakeDaemon,
        path: str = "/",
        *,
        width: int = 1440,
        height: int = 900,
        theme: str = "light",
        waits: bool = True,
        **options: Any,
    ) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "Content Security Policy" in message.text
                else None
            ),
        )
        page.on("request", lambda request: _is_ours(request.url, complaints))
        page.goto(daemon.at(path))
        if waits:
            page.wait_for_selector("[data-phase=live]")
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def _is_ours(address: str, complaints: list[str]) -> None:
    if not address.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:")):
        complaints.append(f"a call to somebody else: {address}")
