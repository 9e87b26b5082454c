"""Every panel, every button and every state of the page, in a real browser."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.health import Health
from tests.browser.conftest import AXE
from tests.browser.fake_daemon import FakeDaemon
from tests.daemon.desks import Clock, FakeBroker, FakeDesk, figure, status_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

Visit = Callable[..., Any]

PATHS = (
    "/",
    "/brokers/kraken-alice",
    "/readiness?broker=kraken-alice",
    "/reservations",
    "/discrepancies?id=coinbase-main:USDC:rest_differs",
    "/events",
)

CELL_HAS = "([cell, text]) => document.querySelector(`[data-cell='${cell}']`).innerText.includes(text)"

TOO_WIDE = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
    [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 4).map((one) => one.outerHTML.slice(0, 120))"""

AXE_RUN = """
axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})
    .then((told) => told.violations.map((one) =>
        `${one.id}: ${one.nodes.slice(0, 4).map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).join(' | ')}`
))
"""


def text_of(page: Any, selector: str) -> str:
    return re.sub(r"\s+", " ", page.locator(selector).first.inner_text()).strip()


def shown(page: Any, broker: str, asset: str) -> str:
    """What a person sees in one cell of the balances."""
    cell = page.locator(f'[data-cell="{broker} {asset}"]')
    return "".join(cell.locator("[aria-hidden=true]:not(svg)").all_inner_texts()).strip()


# The overview


def test_overview_says_verdict_attention_brokers_and_money(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)

    assert text_of(page, "h1") == "4 of 5 brokers take new orders."
    assert text_of(page, ".verdict .lead").startswith("okx-main does not: read breaker half-open")
    assert [text_of(page, f".facts div:nth-child({n}) dd") for n in (1, 2, 3)] == [
        "0.05 BTC 1 order",
        "420.84 USD 1 order",
        "2",
    ]
    assert page.locator("[data-attention]").count() == 6
    assert page.locator("tr[data-broker]").count() == 5
    assert page.title() == "4/5 holdfast"


def test_figures_tell_live_stale_unknown_zero_and_absent_apart(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)

    assert shown(page, "kraken-master", "USD") == "18,204.11"
    assert shown(page, "okx-main", "USDT") == "12,880.41"
    assert shown(page, "okx-main", "DOT") == "0"  # A zero that has aged.
    assert shown(page, "kraken-alice", "DOT") == "–"
    assert shown(page, "kraken-alice", "DOGE") == "<0.00000001"
    stale = page.locator('[data-cell="okx-main USDT"]')
    assert "italic" in stale.evaluate("cell => getComputedStyle(cell).fontStyle")
    assert "url(" in stale.evaluate("cell => getComputedStyle(cell).backgroundImage")
    assert stale.locator(".spoken").inner_text().startswith("12880.41, stale, 6 minutes")
    assert page.locator('[data-cell="kraken-alice DOT"] .spoken').inner_text() == "unknown"
    absent = page.locator('tr[data-asset="USD"] td').nth(3)
    assert absent.inner_text().strip() == "not at this venue"  # Said to a screen reader; the cell itself is empty.


def test_sums_leave_out_what_is_stale(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)

    row = page.locator('tr[data-asset="USDT"] td.c-sum [data-exact]')
    assert row.get_attribute("data-exact") == "7679.58"


def test_the_switch_shows_another_figure_and_stands_in_the_address(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    page.get_by_role("radio", name="held").click()

    assert shown(page, "kraken-alice", "USD") == "400.00"
    assert page.url.endswith("?show=held")


def test_a_change_is_shown_without_touching_other_rows(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    page.evaluate("""() => {
        window.touched = new Set();
        new MutationObserver((all) => all.forEach((one) => {
            const row = (one.target.nodeType === 1 ? one.target : one.target.parentElement)?.closest('tr[data-asset]');
            if (row) window.touched.add(row.dataset.asset);
        })).observe(document.querySelector('.balances-table'), {subtree: true, characterData: true, childList: true});
    }""")
    daemon.do(lambda: daemon.desk["kraken-master"].set(balances=[figure("USD", "18000.5")]))

    page.wait_for_function(CELL_HAS, arg=["kraken-master USD", "18,000"])
    assert shown(page, "kraken-master", "USD") == "18,000.50"
    assert page.evaluate("[...window.touched]") == ["USD"]


def test_ages_count_on_between_two_words_of_the_daemon(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    daemon.do(lambda: setattr(daemon, "renews", False))
    first = page.locator("tr[data-broker=kraken-master] .c-age").inner_text()
    page.wait_for_function(
        "was => document.querySelector('tr[data-broker=kraken-master] .c-age').innerText !== was", arg=first
    )


def test_nothing_configured_says_what_to_do(visit: Visit) -> None:
    served = FakeDaemon(desk=lambda clock: FakeDesk([]))
    try:
        page = visit(served)
        assert text_of(page, "h1") == "No broker is configured."
        assert "holdfast demo" in text_of(page, ".lead")
    finally:
        served.close()


def test_a_good_day_is_one_quiet_line(visit: Visit) -> None:
    def well(clock: Clock) -> FakeDesk:
        return FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])

    served = FakeDaemon(desk=well)
    try:
        page = visit(served)
        assert text_of(page, "#attention-title") == "Nothing needs attention."
        assert page.locator("[data-attention]").count() == 0
    finally:
        served.close()


def test_hostile_text_of_a_venue_is_text(visit: Visit) -> None:
    def hostile(clock: Clock) -> FakeDesk:
        evil = status_of(
            "one", health=Health.DEGRADED, reasons=("x",), notes=("<img src=x onerror=alert(1)>\u202eabc\x07",)
        )
        return FakeDesk([FakeBroker(evil, [figure("<b>X</b>", "5")], clock)])

    served = FakeDaemon(desk=hostile)
    try:
        page = visit(served, "/brokers/one")
        note = page.locator(".headline .note").inner_text()
        assert note == "<img src=x onerror=alert(1)>\ufffdabc\u2407"
        assert page.locator("main img").count() == 0
        assert page.locator("main th b").count() == 0
    finally:
        served.close()


# Connection


def test_a_link_that_is_over_says_how_to_get_another(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, waits=False)
    page.wait_for_selector("[data-phase=live]")
    page.evaluate("sessionStorage.clear()")
    page.goto(daemon.address.split("#")[0])
    page.wait_for_selector("text=This link is over.")
    assert "holdfast dashboard" in page.inner_text("main")
    assert page.locator(".panel").count() == 0


def test_the_code_leaves_the_address_at_once(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    assert "code" not in page.url
    assert "bearer" in page.evaluate("JSON.stringify(sessionStorage)")
    assert page.evaluate("document.cookie") == ""


def test_a_silent_daemon_is_disconnected_whatever_the_socket_says(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    daemon.do(lambda: setattr(daemon, "refuses", True))
    daemon.do(lambda: setattr(daemon, "is_mute", True))  # The socket stays open.
    page.wait_for_selector("[data-banner]", timeout=9000)

    assert "may no longer be true" in text_of(page, "[data-banner]")
    assert text_of(page, "h1") == "Last known: 4 of 5 brokers took new orders."
    assert text_of(page, "#attention-title").startswith("Needed attention at 03:1")
    assert "stale" in (page.locator('[data-cell="kraken-master USD"]').get_attribute("class") or "")
    assert text_of(page, 'tr[data-asset="USD"] td.c-sum .whole') == "–"
    assert text_of(page, ".facts div:nth-child(4) dd .spoken") == "unknown"
    assert page.get_by_role("button", name="Repair… okx-main").get_attribute("aria-disabled") == "true"
    assert page.title() == "✕ disconnected"
    assert page.locator("[role=alert]").first.inner_text().startswith("Disconnected.")

    daemon.do(lambda: setattr(daemon, "is_mute", False))
    daemon.do(lambda: setattr(daemon, "refuses", False))
    page.get_by_role("button", name="Try now").click()
    page.wait_for_selector("[data-phase=live]")
    assert page.locator("[data-banner]").count() == 0
    assert "live" in (page.locator('[data-cell="kraken-master USD"]').get_attribute("class") or "")


def test_a_gap_in_deltas_asks_for_everything_anew(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    daemon.do(lambda: daemon.desk["kraken-master"].set(balances=[figure("USD", "1.25")]))
    daemon.do(lambda: daemon.say("delta", {"sequence": 10_000, "now_s": 1.0, "wall_us": 0}))
    page.wait_for_function(CELL_HAS, arg=["kraken-master USD", "1.25"])
    page.wait_for_selector("[data-phase=live]")


def test_before_the_first_snapshot_every_figure_is_a_dash(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.do(lambda: setattr(daemon, "refuses", True))
    page = visit(daemon, waits=False)
    page.wait_for_selector(".ghost")
    assert {each.strip() for each in page.locator(".facts dd").all_inner_texts()} == {"–"}


def test_another_version_offers_to_reload(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    daemon.do(lambda: setattr(daemon.scene, "_version", "9.9.9"))
    daemon.do(lambda: setattr(daemon.scene, "_told", None))
    daemon.end_streams()
    page.wait_for_selector("text=another version")


# A broker


def test_broker_page_has_its_facts_figures_and_gauges(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/kraken-alice?asset=USD")

    assert text_of(page, "h1") == "kraken-alice degraded"
    facts = text_of(page, ".strip-facts")
    assert "…a91c, query, trade, no withdraw" in facts
    assert "212 ms" in facts
    assert page.locator(".broker-table tr.selected").get_attribute("data-asset") == "USD"
    assert text_of(page, '.broker-table tr[data-asset="SOL"] .under') == "held 45 > total 42.1"
    assert text_of(page, ".gauges").count("refused since the start") == 1
    page.wait_for_selector(".chart canvas")


def test_the_chart_has_a_table_of_the_same_and_follows_range_and_asset(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/kraken-alice")
    page.wait_for_selector(".chart canvas")
    page.get_by_role("radio", name="24 h").click()
    assert "range=24h" in page.url
    page.locator('.broker-table tr[data-asset="BTC"] a').click()
    assert text_of(page, "#overtime-title") == "BTC over time"
    page.locator("details summary").first.click()
    cells = page.locator(".steps tbody tr").all_inner_texts()
    assert any("no record" in each for each in cells)
    page.go_back()
    assert text_of(page, "#overtime-title") == "USD over time"
    page.go_back()
    assert page.get_by_role("radio", name="1 h").get_attribute("aria-checked") == "true"


def test_a_record_that_is_shorter_than_the_range_is_drawn_at_its_right_end(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.dresses = False  # What a daemon knows that has just started.
    page = visit(daemon, "/brokers/kraken-master")
    page.wait_for_selector(".chart canvas")
    page.get_by_role("radio", name="7 d").click()
    page.wait_for_selector(".chart canvas")
    assert page.locator(".panel-error").count() == 0


def test_explain_shows_the_sentences_and_the_rows(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/kraken-alice?asset=USD")
    page.keyboard.press("x")
    page.wait_for_selector("dialog >> text=The last change was a fill.")
    assert "7231.21" in page.locator("dialog .exact").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("dialog").count() == 0


def test_filter_and_hidden_zeros_stand_in_the_address(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/kraken-alice")
    page.get_by_placeholder("Filter").fill("us")
    assert page.locator(".broker-table tbody tr").count() == 3
    page.get_by_placeholder("Filter").fill("")
    page.get_by_label("hide zeros").check()
    assert page.locator('.broker-table tr[data-asset="EUR"]').count() == 0
    assert "zeros=hide" in page.url


def test_an_error_of_one_panel_stays_in_it(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.answers["timeline"] = (503, {"error": {"code": "store", "message": "the journal cannot be read"}})
    page = visit(daemon, "/brokers/kraken-alice")
    page.wait_for_selector(".panel-error")
    assert "the journal cannot be read" in text_of(page, ".panel-error")
    assert page.locator(".broker-table tbody tr").count() == 12
    del daemon.answers["timeline"]
    page.get_by_role("button", name="Retry").click()
    page.wait_for_selector(".chart canvas")


@pytest.mark.parametrize(
    ("button", "path", "said"),
    [("Refresh", "/brokers/okx-main/refresh", "Read in 400 ms, 1 figure changed"),
     ("Restart stream", "/brokers/okx-main/restart-stream", "Restarted in 1.2 s, live")],
)  # fmt: skip
def test_buttons_act_at_once_and_say_what_came_of_it(
    daemon: FakeDaemon, visit: Visit, button: str, path: str, said: str
) -> None:
    page = visit(daemon, "/brokers/okx-main")
    page.locator(".acts").get_by_role("button", name=button).click()
    page.wait_for_selector(f"text={said}")
    assert [asked[0] for asked in daemon.asked] == [path]


def test_reset_asks_once(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/okx-main")
    page.get_by_role("button", name="Reset breaker").click()
    page.wait_for_selector("dialog >> text=Reset the breakers of okx-main?")
    assert daemon.asked == []
    page.locator("dialog").get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_selector("text=Closed. Read in 400 ms")
    assert [asked[0] for asked in daemon.asked] == ["/brokers/okx-main/reset"]


def test_reset_is_not_offered_while_every_breaker_is_closed(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/kraken-master")
    button = page.get_by_role("button", name="Reset breaker")
    assert button.get_attribute("aria-disabled") == "true"
    button.click(force=True)
    assert page.locator("dialog").count() == 0


def test_without_the_role_a_button_says_so(reading: FakeDaemon, visit: Visit) -> None:
    page = visit(reading, "/brokers/okx-main")
    repair = page.get_by_role("button", name="Repair…")
    assert repair.get_attribute("aria-disabled") == "true"
    assert repair.get_attribute("title") == "needs the operate role"
    repair.click(force=True)
    page.keyboard.press("r")
    assert page.locator("dialog").count() == 0
    assert reading.asked == []


# Repair


def test_repair_is_planned_applied_and_verified(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers/okx-main")
    page.get_by_role("button", name="Repair…").click()
    page.wait_for_selector("[data-step=report]")
    dialog = page.locator("dialog")
    assert "Sends no order, cancels none, releases no reservation." in dialog.inner_text()
    assert page.evaluate("document.activeElement.tagName") == "H2"  # Never on Apply.
    assert dialog.locator(".chip").all_inner_texts() == ["changes state", "changes state"]
    assert [asked[1] for asked in daemon.asked] == [{"dry_run": True}]

    dialog.get_by_role("button", name="Apply 8 steps").click()
    page.wait_for_selector("[role=progressbar]")
    page.wait_for_selector("dialog >> text=Repaired.")
    assert [asked[1] for asked in daemon.asked] == [{"dry_run": True}, {"dry_run": False}]
    assert "6 stale" in dialog.locator(".before-after").inner_text()
    assert "6 live" in dialog.locator(".before-after").inner_text()
    assert dialog.get_by_role("link", name="audit record").count() == 1
    dialog.get_by_role("button", name="Close").click()
    assert page.locator("dialog").count() == 0


def test_a_repair_can_be_stopped_or_left_running(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.step_s = 1.5
    page = visit(daemon, "/brokers/okx-main")
    page.get_by_role("button", name="Repair…").click()
    page.get_by_role("button", name="Apply 8 steps").click()
    page.wait_for_selector("[role=progressbar]")
    page.get_by_role("button", name="Keep running in background").click()
    page.wait_for_selector("text=Repair is running, asked for by desk-1")
    page.get_by_role("button", name="Repair…").click()  # Shown, not started twice.
    page.wait_for_selector("[role=progressbar]")
    assert sum(not asked[1]["dry_run"] for asked in daemon.asked) == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Stopped: what was done is done")
    assert daemon.asked[-1][0].endswith("/stop")


def test_a_refusal_is_shown_as_given(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.answers["POST /brokers/okx-main/repair"] = (
        409,
        {"error": {"code": "job_running", "message": "a doctor is at it"}},
    )
    page = visit(daemon, "/brokers/okx-main")
    page.get_by_role("button", name="Repair…").click()
    page.wait_for_selector("dialog >> text=a doctor is at it")


# The other pages


def test_readiness_answers_first_and_has_evidence_for_everything(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/readiness?broker=kraken-alice")
    page.wait_for_selector("[data-category=balance]")
    assert text_of(page, "h1") == "kraken-alice is not ready: 98 of 109"
    assert "11 points lost, 1 exempt" in text_of(page, ".lead")
    assert page.locator(".boxes li").count() == 9
    assert page.locator(".boxes li.lossy").count() == 2
    names = page.locator("[data-category]").evaluate_all("all => all.map((one) => one.dataset.category)")
    assert names[:2] == ["balance", "live_account_stream"]  # What was lost stands first, and open.
    assert page.locator("[data-category=connection] .check").count() == 0
    page.get_by_role("button", name="connection").click()
    assert page.locator("[data-category=connection] .check").count() == 1
    with page.expect_download() as told:
        page.get_by_role("button", name="JSON").click()
    assert json.loads(told.value.path().read_text())["score"] == 98


def test_readiness_fills_in_while_it_runs(daemon: FakeDaemon, visit: Visit) -> None:
    daemon.step_s = 0.4
    page = visit(daemon, "/readiness?broker=okx-sub")
    page.wait_for_selector("text=okx-sub has not been measured")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(
        "() => /^okx-sub is being measured: \\d+ of \\d+ so far$/.test(document.querySelector('h1').innerText.trim())"
    )


def test_reservations_and_the_evidence_of_one_in_doubt(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/reservations")
    assert page.locator("[data-claim]").count() == 3
    assert page.locator("[data-claim]").first.get_attribute("data-claim") == "intent-sell-btc-0001"
    daemon.do(lambda: daemon.desk.emit("order.doubted", broker="okx-main", intent_id="intent-sell-btc-0001", cause="x"))
    page.locator('[data-claim="intent-sell-btc-0001"] button').click()
    page.wait_for_selector("dialog >> text=read timeout")
    page.wait_for_selector("dialog >> text=order.doubted")

    page.locator("dialog summary").click()
    release = page.locator("dialog").get_by_role("button", name="Release", exact=True)
    release.click(force=True)
    assert daemon.asked == []  # Not before the last four characters are typed.
    page.get_by_label("Last four characters").fill("0001")
    release.click()
    page.wait_for_selector("dialog >> text=Ended: released.")
    assert daemon.asked == [
        ("/brokers/okx-main/reservations/intent-sell-btc-0001/release", {"force": True, "confirm": "0001"})
    ]


def test_discrepancies_put_both_figures_side_by_side(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    page.get_by_role("button", name="Compare coinbase-main").click()
    page.wait_for_selector(".compare")
    assert "5120.84 USDC" in text_of(page, ".compare div:nth-child(1)")
    assert "5120.42 USDC" in text_of(page, ".compare div:nth-child(2)")
    page.wait_for_selector("text=1 row, newest first")


def test_events_are_filtered_and_do_not_push_a_list_that_is_read(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/events", height=400)
    for number in range(40):
        daemon.do(functools.partial(daemon.desk.emit, "stream.lost", broker="okx-sub", reason=f"n{number}"))
    page.wait_for_selector("text=reason=n39")
    page.mouse.wheel(0, 600)
    page.wait_for_function("() => scrollY > 200")
    daemon.do(lambda: daemon.desk.emit("stream.live", broker="okx-sub", after_s=1.0))
    page.wait_for_selector("text=1 new")
    assert page.locator("code", has_text="stream.live").count() == 0
    page.locator(".waiting").click()
    page.wait_for_selector("code >> text=stream.live")
    page.get_by_label("Text").fill("n17")
    page.wait_for_function("() => document.querySelectorAll('.events .event').length === 1")
    assert "text=n17" in page.url


# Keys, themes, widths


def test_the_keyboard_reaches_everything(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    for keys, path in (("gb", "/brokers"), ("gr", "/reservations"), ("gd", "/discrepancies"), ("ge", "/events"),
                       ("gy", "/readiness"), ("go", "/"), ("2", "/brokers/kraken-alice")):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_function("path => location.pathname === path", arg=path)
    page.keyboard.press("?")
    page.wait_for_selector("dialog >> text=Legend and keys")
    page.get_by_label("keys are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog").count() == 0


def test_find_goes_to_a_broker(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    page.keyboard.press("/")
    page.keyboard.type("coinb")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.pathname === '/brokers/coinbase-main'")


def test_rows_are_walked_and_opened(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, "/brokers")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.pathname === '/brokers/kraken-alice'")


def test_the_theme_is_the_systems_until_chosen(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(13, 16, 20)"
    page.keyboard.press("t")
    assert page.evaluate(ground) == "rgb(246, 246, 243)"
    page.reload()
    page.wait_for_selector("[data-phase=live]")
    assert page.evaluate(ground) == "rgb(246, 246, 243)"


@pytest.mark.parametrize("path", PATHS)
def test_no_width_scrolls_sideways(daemon: FakeDaemon, visit: Visit, path: str) -> None:
    page = visit(daemon, path)
    for width in (320, 390, 720, 860, 1080, 1180, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(TOO_WIDE) == [], width


def test_verdict_attention_and_brokers_stand_above_the_fold(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon, width=1440, height=900)
    assert page.locator(".brokers-table tr").last.bounding_box()["y"] < 900


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", [*PATHS, "/brokers/okx-main"])
def test_axe_finds_nothing(daemon: FakeDaemon, visit: Visit, theme: str, path: str) -> None:
    if not AXE.is_file():
        pytest.skip("not run: axe-core is not installed below dashboard/")
    page = visit(daemon, path, theme=theme, bypass_csp=True)
    page.wait_for_timeout(600)
    page.add_script_tag(path=str(AXE))
    found = page.evaluate(AXE_RUN)
    assert found == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_dialogs_nor_while_disconnected(daemon: FakeDaemon, visit: Visit, theme: str) -> None:
    if not AXE.is_file():
        pytest.skip("not run: axe-core is not installed below dashboard/")
    page = visit(daemon, "/brokers/okx-main", theme=theme, bypass_csp=True)
    page.add_script_tag(path=str(AXE))
    page.get_by_role("button", name="Repair…").click()
    page.wait_for_selector("[data-step=report]")
    assert page.evaluate(AXE_RUN) == []
    page.keyboard.press("Escape")
    daemon.do(lambda: setattr(daemon, "refuses", True))
    daemon.end_streams()
    page.wait_for_selector("[data-banner]")
    assert page.evaluate(AXE_RUN) == []


# What it costs


def test_nothing_shifts_after_the_first_snapshot(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(daemon)
    page.wait_for_timeout(300)
    page.evaluate("""() => {
        window.shift = [];
        new PerformanceObserver((list) => list.getEntries().forEach((one) => window.shift.push(
            ...one.sources.map((each) => `${one.value} ${each.node?.parentElement?.outerHTML.slice(0, 120)}`))))
            .observe({type: 'layout-shift', buffered: false});
    }""")
    for step in range(12):
        total = f"{18_000 + step * 7}.{step:02d}"
        changed = [figure("USD", total), figure("BTC", "0.4")]
        daemon.do(functools.partial(daemon.desk["kraken-master"].set, balances=changed))
        time.sleep(0.25)
    assert page.evaluate("window.shift") == []


def test_a_day_of_deltas_leaves_the_heap_as_it_was(daemon: FakeDaemon, visit: Visit) -> None:
    """A day at one change in four seconds is 21,600 deltas: as many are handed to the page as fast as it takes them."""
    page = visit(daemon)
    session = page.context.new_cdp_session(page)
    daemon.do(lambda: setattr(daemon, "is_mute", True))

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    number = daemon.scene.sequence

    def send(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            row = {"total": f"{number}.5", "held": "0", "available": f"{number}.5", "reserved": "0",
                   "spendable": f"{number}.5", "state": "live", "age_s": 0.1, "source": "stream", "reason": None,
                   "note": None}  # fmt: skip
            event = {"number": number, "at_us": 1_795_144_364_000_000 + number, "name": "stream.live", "level": "info",
                     "broker": "okx-sub", "fields": {"after_s": 1.0}}  # fmt: skip
            daemon.say(
                "delta",
                {"sequence": number, "now_s": daemon.clock.seconds, "wall_us": daemon.clock.wall_us(),
                 "figures": [{"broker": "kraken-master", "asset": "USD", "figure": row}], "events": [event]},
            )  # fmt: skip

    def settle(goal: int) -> None:
        page.wait_for_function(
            "goal => document.querySelector('[data-cell=\"kraken-master USD\"] [data-exact]').dataset.exact === goal",
            arg=f"{goal}.5",
            timeout=60_000,
        )

    daemon.do(lambda: send(2_000))  # Every ring is full now.
    settle(number)
    before = heap()
    for _ in range(10):
        daemon.do(lambda: send(2_000))
        settle(number)
    after = heap()

    assert after - before < 2.0, f"{before:.1f} MB before, {after:.1f} MB after"
