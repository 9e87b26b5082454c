"""Reads on virtual time: signed with the venue's clock, in turns and windows, asked again only where that can help."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest

from holdfast.core.balances import OpenOrder
from holdfast.core.instruments import InstrumentStatus
from holdfast.core.reconcile import ReconcileSettings
from holdfast.core.seams import Priority, WireError
from holdfast.core.venue import ClosedOrder, VenueMode
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    ConfigError,
    CredentialParkedError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownNameError,
    UnsupportedError,
    VenueError,
)
from holdfast.testing import run_virtual
from holdfast.venues.okx import OKX
from holdfast.venues.okx.facts import FACTS
from holdfast.venues.okx.sign import Signer, check_secret
from tests.venues.okx import tickets
from tests.venues.okx.fakes import Bench
from tests.venues.okx.samples import balance, compact, loaded, row, sample
from tests.venues.okx.test_sign import SECRET

D = Decimal


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs), horizon_s=400_000)

    return run


# Signed calls


@virtually
async def test_signature_is_over_exactly_what_is_sent() -> None:
    bench = Bench()
    await bench.client.read_balances("account/balance?ccy")
    await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    signer = Signer(check_secret(SECRET))
    for asked in bench.signed():
        method = asked.name.partition(" ")[0]
        headers = asked.headers
        expected = signer.sign(headers["OK-ACCESS-TIMESTAMP"], method=method, target=asked.target, body=asked.body)
        assert headers["OK-ACCESS-SIGN"] == expected
        assert headers["OK-ACCESS-PASSPHRASE"] == "Sim phrase 1"
        assert "x-simulated-trading" not in headers
    assert any("ccy=" in asked.target for asked in bench.signed())


@virtually
async def test_calls_are_signed_with_the_venues_time_and_the_clocks_are_compared_again_in_time() -> None:
    bench = Bench()
    bench.http.venue_ahead_s = 90.0
    await bench.client.credential_info()
    [asked] = bench.http.of("GET account/config")
    local = bench.clock.wall_us() / 1e6
    assert asked.headers["OK-ACCESS-TIMESTAMP"].endswith("Z")
    stamp = asked.headers["OK-ACCESS-TIMESTAMP"]
    told = (int(stamp[11:13]) * 60 + int(stamp[14:16])) * 60 + float(stamp[17:-1])
    assert abs(told - (local + 90) % 86_400) < 1
    assert len(bench.http.of("GET public/time")) == 1
    await asyncio.sleep(599)
    await bench.client.credential_info()
    assert len(bench.http.of("GET public/time")) == 1
    await asyncio.sleep(2)
    await bench.client.credential_info()
    assert len(bench.http.of("GET public/time")) == 2


@virtually
async def test_refused_time_has_the_clocks_compared_and_the_read_asked_once_more() -> None:
    bench = Bench()
    gateway = bench.http.reply(sample("http_gateway"), status=401)
    bench.http.answers["GET account/config"] = [gateway, bench.http.reply(sample("http_config_spot"))]
    assert (await bench.client.credential_info()).account_mode == "spot"
    assert bench.http.names().count("GET public/time") == 2
    assert bench.lane.parks == []
    bench.http.answers["GET account/config"] = [gateway]
    with pytest.raises(BadCredentialError):
        await bench.client.credential_info()
    assert bench.lane.parks == [("clock", 60.0)]
    assert len(bench.http.of("GET account/config")) == 4


@virtually
async def test_several_calls_are_under_way_at_once_and_none_takes_a_number() -> None:
    bench = Bench()
    await bench.client.load()
    await bench.client.credential_info()
    bench.http.takes_s = 0.5
    await asyncio.gather(*(bench.client.open_orders() for _ in range(4)))
    assert bench.http.most_in_flight == 4


@virtually
async def test_calls_that_begin_together_compare_the_clocks_once() -> None:
    bench = Bench()
    bench.http.takes_s = 0.1
    await asyncio.gather(*(bench.client.credential_info() for _ in range(3)), bench.client.open_orders())
    assert len(bench.http.of("GET public/time")) == 1


@virtually
async def test_every_call_takes_its_turn_by_priority() -> None:
    bench = Bench()
    await bench.client.read_balances("account/balance")
    await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    await bench.client.cancel_order(
        order_id="12345689", client_order_id=tickets.CLIENT_ID, deadline_s=5.0, before_send=lambda: None
    )
    await bench.client.calls.login()
    assert bench.lane.priorities == [
        Priority.BALANCE,
        Priority.HISTORY,
        Priority.ORDER,
        Priority.CANCEL,
        Priority.TOKEN,
    ]


# Environments


@virtually
async def test_demo_calls_carry_the_header_public_ones_too_and_live_ones_never() -> None:
    demo = Bench(is_simulator=False, environment="demo")
    await demo.client.load()
    await demo.client.credential_info()
    assert [asked.headers.get("x-simulated-trading") for asked in demo.http.asked] == ["1"] * 3
    live = Bench(is_simulator=False)
    await live.client.load()
    await live.client.credential_info()
    assert all("x-simulated-trading" not in asked.headers for asked in live.http.asked)


@virtually
async def test_key_is_bound_to_the_address_of_its_region_and_environment() -> None:
    bench = Bench()
    fields: dict[str, Any] = {
        "http": bench.http,
        "lane": bench.lane,
        "credential": None,
        "clock": bench.clock,
        "emit": bench.events.append,
        "account": "okx-master",
    }
    for site in FACTS.sites:
        options = {"environment": site.environment, "region": site.region}
        OKX.client(**fields, rest_url=site.rest_url, options=options)
        for other in ("https://www.okx.com.example.net", "http://127.0.0.1:1"):
            with pytest.raises(ConfigError, match="address"):
                OKX.client(**fields, rest_url=other, options=options)
    eea = FACTS.site("production", "eea")
    assert eea is not None
    with pytest.raises(ConfigError, match="address"):
        OKX.client(**fields, rest_url=eea.rest_url, options={})
    wrong: tuple[dict[str, object], ...] = (
        {"region": "mars"},
        {"environment": "live"},
        {"rate_tier": "pro"},
        {"environment": "simulated"},
        {"must_be_simulator": True, "environment": "demo"},
        {"read_deadline_s": 0},
        {"must_be_simulator": "yes"},
    )
    for each in wrong:
        with pytest.raises(ConfigError):
            OKX.client(**fields, rest_url="http://127.0.0.1:1", options=each)


@virtually
async def test_simulator_and_okx_are_never_taken_for_each_other() -> None:
    bench = Bench()
    bench.http.headers = {"content-type": "application/json"}
    with pytest.raises(ConfigError, match="without the simulator's header"):
        await bench.client.credential_info()
    assert bench.signed() == []  # Nothing was signed for whoever that is.
    live = Bench(is_simulator=False)
    live.http.headers = {**live.http.headers, "x-holdfast-simulator": "okx/1"}
    with pytest.raises(ConfigError, match="is a simulator"):
        await live.client.credential_info()
    with pytest.raises(ConfigError, match="simulator's key"):
        OKX.client(
            http=bench.http,
            lane=bench.lane,
            credential=bench.credential,
            clock=bench.clock,
            emit=bench.events.append,
            rest_url="https://openapi.okx.com",
            account="okx-master",
            options={},
        )


# Reads


@virtually
async def test_clock_and_status_are_read_unsigned() -> None:
    bench = Bench()
    time = await bench.client.server_time()
    assert abs(time.venue_time_s - bench.clock.wall_us() / 1e6) < 0.01
    assert time.resolution_s == 0.001
    assert (await bench.client.status()).mode is VenueMode.ONLINE
    await asyncio.sleep(6)  # Once in five seconds is what OKX allows.
    bench.http.answers["GET system/status"] = [bench.http.reply(sample("http_status"))]
    assert (await bench.client.status()).mode is VenueMode.MAINTENANCE
    assert bench.signed() == []


@virtually
async def test_every_read_of_the_protocol_answers() -> None:
    bench = Bench()
    client = bench.client
    await client.load()
    assert client.instruments.keys() >= {"BTC-USDT", "BTC-USDC"}
    assert client.assets.keys() >= {"BTC", "USDC"}
    assert (await client.credential_info()).account_id == "44705892343619584"
    for read in client.balance_reads:
        snapshot = await client.read_balances(read)
        assert snapshot.states_holds
        assert snapshot.read == read
        assert snapshot.holdings["USDT"].available == D(750)
    assert set((await client.open_orders()).orders) == {"680800019749904400"}
    assert (await client.closed_orders())[0].status == "filled"
    assert (await client.fills())[0].fill_id == "BTC-USDT:744876980"
    assert (await client.ledger_rows())[0].asset == "USDT"
    assert (await client.fee_rates(["BTC-USDT"]))["BTC-USDT"].taker == D("0.001")
    assert (await client.tickers(["BTC-USD"]))["BTC-USD"].bid == D(40000)
    assert len(await client.candles("BTC-USDT", interval_s=60)) == 2
    await client.close()
    with pytest.raises(ClosedError):
        await client.load()


@virtually
async def test_without_a_credential_only_unsigned_reads_answer() -> None:
    bench = Bench()
    client = OKX.client(
        http=bench.http,
        lane=bench.lane,
        credential=None,
        clock=bench.clock,
        emit=bench.events.append,
        rest_url="http://127.0.0.1:1",
        account="okx-public",
        options={"must_be_simulator": True},
    )
    await client.load()
    with pytest.raises(ConfigError, match="needs a credential"):
        await client.open_orders()


@virtually
async def test_dry_run_is_denied_by_name_and_nothing_is_sent() -> None:
    bench = Bench()
    with pytest.raises(UnsupportedError) as denied:
        await bench.client.check_order(tickets.ticket(), deadline_s=5.0)
    assert denied.value.capability == "order-check"
    assert bench.http.asked == []


@virtually
async def test_second_read_asks_by_name_for_what_is_not_listed_and_finds_a_contradiction() -> None:
    bench = Bench()
    first = bench.http.reply(balance(row("BTC", "1"), row("USDT", "5")))
    gone = bench.http.reply(balance(row("BTC", "1")))
    zero = bench.http.reply(balance(row("USDT", "0")))
    bench.http.answers["GET account/balance"] = [first, gone, zero]
    await bench.client.read_balances("account/balance")
    snapshot = await bench.client.read_balances("account/balance?ccy")
    assert "USDT" not in snapshot.holdings or snapshot.holdings["USDT"].total == 0
    assert bench.http.of("GET account/balance")[-1].fields == {"ccy": "USDT"}
    still = bench.http.reply(balance(row("USDT", "5")))
    bench.http.answers["GET account/balance"] = [gone, still]
    with pytest.raises(PayloadError, match="USDT was left out"):
        await bench.client.read_balances("account/balance?ccy")


@virtually
async def test_second_read_of_a_client_that_has_seen_nothing_asks_for_all_that_is_listed() -> None:
    bench = Bench()
    bench.http.answers["GET account/balance"] = [bench.http.reply(sample("http_balance_empty"))]
    snapshot = await bench.client.read_balances("account/balance?ccy")
    asked = ",".join(each.fields["ccy"] for each in bench.http.of("GET account/balance")[1:])
    assert set(asked.split(",")) == bench.client.assets.keys()
    assert {code for code, holding in snapshot.holdings.items() if holding.total} == set()


@virtually
async def test_funding_is_read_seldom_and_its_failure_is_no_failure_of_the_figures() -> None:
    bench = Bench()
    snapshot = await bench.client.read_balances("account/balance")
    assert dict(snapshot.holdings["USDT"].detail)["funding"] == D(20)
    for _ in range(4):
        await asyncio.sleep(10)
        await bench.client.read_balances("account/balance")
    assert len(bench.http.of("GET asset/balances")) == 1
    await asyncio.sleep(60)
    bench.http.answers["GET asset/balances"] = [bench.http.error("50030", "no permission")]
    snapshot = await bench.client.read_balances("account/balance")
    assert "funding" not in dict(snapshot.holdings["USDT"].detail)
    assert bench.lane.parks == []


@virtually
async def test_refreshed_instrument_has_its_new_rules_or_is_closed() -> None:
    bench = Bench()
    await bench.client.load()
    whole = loaded("http_instruments_many")
    whole["data"] = [{**whole["data"][0], "tickSz": "5", "instIdCode": 77}]
    bench.http.answers["GET public/instruments"] = [bench.http.reply(compact(whole))]
    await bench.client.refresh_instrument("BTC-USDT")
    assert bench.client.instruments["BTC-USDT"].price_step == D(5)
    assert (await bench.client.names()).line("BTC-USDT").code == 77
    bench.http.answers["GET public/instruments"] = [bench.http.error("51001", "no such instrument")]
    await bench.client.refresh_instrument("BTC-USDT")
    assert bench.client.instruments["BTC-USDT"].status is InstrumentStatus.OFFLINE


@virtually
async def test_candles_are_paged_back_to_the_time_that_is_asked_for() -> None:
    bench = Bench()

    async def page(http: Any, asked: Any) -> Any:
        newest = int(asked.fields.get("after", "1790000040000")) // 60_000 - (1 if "after" in asked.fields else 0)
        rows = [[str((newest - n) * 60_000), "1", "1", "1", "1", "1", "1", "1", "1"] for n in range(300)]
        return http.reply(json.dumps({"code": "0", "msg": "", "data": rows}).encode())

    bench.http.answers["GET market/candles"] = [page]
    since_s = 1_790_000_040 - 450 * 60
    found = await bench.client.candles("BTC-USDT", interval_s=60, since_s=since_s)
    starts = [candle.start_s for candle in found]
    assert starts == list(range(starts[0], starts[0] + 60 * len(starts), 60))
    assert starts[0] - since_s < 60
    assert len(bench.http.of("GET market/candles")) == 2
    with pytest.raises(ConfigError, match="okx has no candles"):
        await bench.client.candles("BTC-USDT", interval_s=61)
    with pytest.raises(UnknownNameError):
        await bench.client.candles("XMR-USDT", interval_s=60)


@virtually
async def test_days_begin_at_midnight_utc() -> None:
    bench = Bench()
    await bench.client.candles("BTC-USDT", interval_s=86_400)
    assert bench.http.of("GET market/candles")[0].fields["bar"] == "1Dutc"


@virtually
async def test_many_prices_are_one_call() -> None:
    bench = Bench()
    await bench.client.load()
    symbols = ["BTC-USDT", "ETH-USDT", "BTC-USD", "BTC-USDC", "USDC-USDT", "ETH-BTC", "OKB-USDT"]
    await bench.client.tickers(symbols)
    assert [name for name in bench.http.names() if "ticker" in name] == ["GET market/tickers"]


# Lists


def page_of(bench: Bench, name: str, count: int, *, key: str = "ordId", **fields: Any) -> None:
    """*count* rows of the fixture of *name*, paged by ``after`` as OKX pages them."""
    [usual] = json.loads(sample({"GET trade/orders-pending": "http_orders_pending"}.get(name, _FIXTURE[name])))["data"]
    rows = [{**usual, **fields, key: str(10_000 - number)} for number in range(count)]

    async def answer(http: Any, asked: Any) -> Any:
        after = asked.fields.get("after")
        rest = [each for each in rows if after is None or int(each[key]) < int(after)]
        return http.reply(json.dumps({"code": "0", "msg": "", "data": rest[: int(asked.fields["limit"])]}).encode())

    bench.http.answers[name] = [answer]


_FIXTURE = {
    "GET trade/orders-history": "http_orders_history",
    "GET trade/fills": "http_fills",
    "GET account/bills": "http_bills",
    "GET trade/orders-pending": "http_orders_pending",
}


@virtually
async def test_lists_are_read_page_by_page_each_row_once() -> None:
    bench = Bench()
    page_of(bench, "GET trade/orders-pending", 250)
    page_of(bench, "GET trade/orders-history", 230)
    page_of(bench, "GET trade/fills", 101, key="billId")
    page_of(bench, "GET account/bills", 300, key="billId")
    client = bench.client
    since_s = bench.clock.wall_us() / 1e6 - 3600
    assert len((await client.open_orders()).orders) == 250
    assert len(await client.closed_orders(since_s=0)) == 230
    assert len(await client.closed_orders()) == 100
    assert len(await client.fills(since_s=since_s)) == 101
    assert len(await client.ledger_rows(since_s=since_s)) == 300
    assert len(await client.ledger_rows()) == 100


@virtually
async def test_cursor_that_does_not_move_is_refused() -> None:
    bench = Bench()
    page_of(bench, "GET trade/orders-pending", 100)

    async def same(http: Any, asked: Any) -> Any:
        return await first(http, type(asked)(**{**_fields(asked), "fields": {"limit": "100"}}))

    first: Any = bench.http.answers["GET trade/orders-pending"][0]
    bench.http.answers["GET trade/orders-pending"] = [same]
    with pytest.raises(PayloadError, match="repeats"):
        await bench.client.open_orders()


def _fields(asked: Any) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__}


@virtually
async def test_fills_of_long_ago_are_asked_where_they_are_kept() -> None:
    bench = Bench()
    now_s = bench.clock.wall_us() / 1e6
    await bench.client.fills(since_s=now_s - 3600, until_s=now_s)
    await bench.client.fills(since_s=now_s - 5 * 86_400)
    await bench.client.ledger_rows(since_s=now_s - 30 * 86_400)
    assert [name for name in bench.http.names() if "fills" in name or "bills" in name] == [
        "GET trade/fills",
        "GET trade/fills-history",
        "GET account/bills-archive",
    ]
    asked = bench.http.of("GET trade/fills")[0].fields
    assert int(asked["end"]) - int(asked["begin"]) == 3_600_000


@virtually
async def test_order_is_looked_up_with_its_instrument_or_found_in_the_lists() -> None:
    bench = Bench()
    history = sample("http_orders_history")
    bench.http.answers["GET trade/orders-history"] = [bench.http.reply(history)]
    found = await bench.client.open_orders_by_id(["680800019749904384", "680800019749904400", "404"])
    assert isinstance(found["680800019749904384"], ClosedOrder)
    assert isinstance(found["680800019749904400"], OpenOrder)
    assert "404" not in found
    assert bench.http.of("GET trade/order") == []
    # Now their instruments are known.
    bench.http.answers["GET trade/order"] = [bench.http.reply(sample("http_order")), bench.http.error("51603")]
    found = await bench.client.open_orders_by_id(["680800019749904384", "680800019749904400"])
    assert set(found) == {"680800019749904384"}
    assert bench.http.of("GET trade/order")[0].fields == {"instId": "BTC-USDT", "ordId": "680800019749904384"}


@virtually
async def test_evidence_of_an_order_of_ours_is_looked_for_since_it_can_have_been_placed() -> None:
    bench = Bench()
    assert await bench.client.closed_orders(client_order_id=tickets.CLIENT_ID, placed_since_s=1_790_000_000.0) == []
    [asked] = bench.http.of("GET trade/orders-history")
    assert asked.fields["begin"] == "1789999999999"
    assert bench.http.of("GET trade/order") == []
    # One that this client has sent is asked for directly first.
    await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    whole = loaded("http_order")
    whole["data"][0]["clOrdId"] = tickets.CLIENT_ID
    bench.http.answers["GET trade/order"] = [bench.http.reply(compact(whole))]
    [found] = await bench.client.closed_orders(client_order_id=tickets.CLIENT_ID)
    assert found.client_order_id == tickets.CLIENT_ID
    whole["data"][0]["state"] = "live"
    bench.http.answers["GET trade/order"] = [bench.http.reply(compact(whole))]
    with pytest.raises(VenueError) as open_still:
        await bench.client.closed_orders(client_order_id=tickets.CLIENT_ID)
    assert open_still.value.outcome is Outcome.UNKNOWN  # Two lists that lag would prove it absent.
    whole["data"][0]["ordId"] = "680800019749904400"
    bench.http.answers["GET trade/order"] = [bench.http.reply(compact(whole))]
    await bench.client.open_orders()
    assert await bench.client.closed_orders(client_order_id=tickets.CLIENT_ID) == []


# Faults


@pytest.mark.parametrize("kind", ["reset", "closed", "deadline", "refused", "dns"])
@virtually
async def test_read_is_asked_again_after_a_fault_of_the_network(kind: str) -> None:
    bench = Bench()
    fault = WireError("gone", kind=kind, was_sent=kind not in ("refused", "dns"))
    bench.http.answers["GET account/config"] = [fault, fault, bench.http.reply(sample("http_config_spot"))]
    assert (await bench.client.credential_info()).account_mode == "spot"
    assert len(bench.http.of("GET account/config")) == 3


@virtually
async def test_read_is_asked_three_times_at_most_and_within_its_time() -> None:
    bench = Bench()
    bench.http.answers["GET account/config"] = [bench.http.error("50001", status=503)]
    with pytest.raises(VenueError):
        await bench.client.credential_info()
    assert len(bench.http.of("GET account/config")) == 3
    slow = Bench()
    await slow.client.server_time()
    slow.http.takes_s = 60.0
    began_s = slow.clock.now_s()
    slow.http.answers["GET account/config"] = [slow.http.reply(b"never")]
    with pytest.raises(OutcomeUnknownError):
        await slow.client.credential_info()
    assert slow.clock.now_s() - began_s <= 6.0


@virtually
async def test_answer_that_is_none_is_refused_and_not_asked_again() -> None:
    bench = Bench()
    page = bench.http.reply(b"<html>maintenance</html>", headers={"content-type": "text/html"})
    bench.http.answers["GET account/balance"] = [page]
    with pytest.raises(PayloadError, match="text/html"):
        await bench.client.read_balances("account/balance")
    assert len(bench.http.of("GET account/balance")) == 1
    bench.http.answers["GET account/balance"] = [bench.http.reply(sample("http_balance_spot"), headers={"age": "3"})]
    with pytest.raises(PayloadError, match="cache"):
        await bench.client.read_balances("account/balance")


@virtually
async def test_refused_key_is_parked_and_says_why() -> None:
    bench = Bench()
    bench.http.answers["GET account/config"] = [bench.http.error("50113", "Invalid Sign", status=401, data=None)]
    with pytest.raises(BadCredentialError):
        await bench.client.credential_info()
    assert bench.lane.parks == [("wrong_secret", 300.0)]
    with pytest.raises(CredentialParkedError):
        await bench.client.open_orders()
    assert [each.name for each in bench.events] == ["credential.parked"]
    assert len(bench.http.of("GET account/config")) == 1


@virtually
async def test_wrong_region_says_which_ones_there_are() -> None:
    bench = Bench()
    bench.http.answers["GET account/config"] = [bench.http.error("50119", "API key doesn't exist", status=401)]
    with pytest.raises(BadCredentialError, match="global, eea, us"):
        await bench.client.credential_info()


@virtually
async def test_missing_right_silences_only_the_call_that_needs_it() -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.error("50120", "no permission")]
    for _ in range(3):
        with pytest.raises(PermissionMissingError):
            await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    assert len(bench.http.of("POST trade/order")) == 1
    await bench.client.read_balances("account/balance")
    assert (await bench.client.open_orders_by_id(["680800019749904400"])).keys() == {"680800019749904400"}
    await asyncio.sleep(301)
    with pytest.raises(PermissionMissingError):
        await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    assert len(bench.http.of("POST trade/order")) == 2


@virtually
async def test_words_of_the_venue_never_repeat_the_credential() -> None:
    bench = Bench()
    echo = f"{SECRET} and Sim phrase 1 and 00000000-aaaa"
    bench.http.answers["GET account/config"] = [bench.http.error("50014", echo)]
    with pytest.raises(VenueError) as refused:
        await bench.client.credential_info()
    for part in (SECRET, "Sim phrase 1", "00000000-aaaa"):
        assert part not in str(refused.value)


# Windows


@virtually
async def test_calls_wait_for_their_window_instead_of_being_refused() -> None:
    bench = Bench()
    await bench.client.server_time()
    for _ in range(30):
        await bench.client.read_balances("account/balance")
    times = [asked.at_s for asked in bench.http.of("GET account/balance")]
    for first, later in zip(times, times[10:], strict=False):
        assert later - first >= 2.0  # Never an eleventh within two seconds.
    assert times[-1] - times[0] < 30 / 10 * 2.0 * 1.5  # And no slower than the pace.


@virtually
async def test_windows_of_orders_are_of_each_instrument_and_of_the_account() -> None:
    bench = Bench()
    await bench.client.load()
    began_s = bench.clock.now_s()
    for number, symbol in itertools.product(range(5), ["BTC-USDT", "ETH-USDT"]):
        ticket = tickets.ticket(symbol=symbol, client_order_id=f"{number:032x}")
        bench.http.answers["POST trade/order"] = [_placed(bench, ticket.client_order_id)]
        await bench.client.place_order(ticket, deadline_s=5.0, before_send=lambda: None)
    assert bench.clock.now_s() - began_s < 0.1  # Ten a burst each.


def _placed(bench: Bench, client_order_id: str) -> Any:
    whole = loaded("http_place")
    whole["data"][0]["clOrdId"] = client_order_id
    return bench.http.reply(compact(whole))


@virtually
async def test_refusal_for_the_rate_silences_its_window_and_no_other() -> None:
    bench = Bench()
    bench.http.answers["GET trade/orders-pending"] = [
        bench.http.error("50011", "Too Many Requests", status=429, data=None),
        bench.http.reply(sample("http_orders_pending")),
    ]
    with pytest.raises(RateLimitedError) as limited:
        await bench.client.open_orders()
    assert limited.value.retry_after_s == 2.0
    began_s = bench.clock.now_s()
    await bench.client.read_balances("account/balance")
    assert bench.clock.now_s() - began_s < 0.1
    await bench.client.open_orders()
    assert bench.clock.now_s() - began_s >= 2.0


@virtually
async def test_gateways_limit_is_honoured_for_the_time_it_names() -> None:
    bench = Bench()
    page = bench.http.reply(b"<html>slow down</html>", status=429, headers={"retry-after": "4"})
    bench.http.answers["GET trade/orders-pending"] = [page, bench.http.reply(sample("http_orders_pending"))]
    with pytest.raises(RateLimitedError) as limited:
        await bench.client.open_orders()
    assert limited.value.retry_after_s == 4.0
    began_s = bench.clock.now_s()
    await bench.client.open_orders()
    assert bench.clock.now_s() - began_s >= 4.0


@virtually
async def test_window_without_room_in_time_is_said_at_once_and_nothing_is_sent() -> None:
    bench = Bench(read_deadline_s=0.5)
    bench.http.answers["GET trade/orders-pending"] = [bench.http.error("50011")]
    with pytest.raises(RateLimitedError):
        await bench.client.open_orders()
    with pytest.raises(RateLimitedError) as refused:
        await bench.client.open_orders()
    assert refused.value.outcome is Outcome.NEVER_SENT
    assert len(bench.http.of("GET trade/orders-pending")) == 1


@virtually
async def test_counters_of_the_credential_are_asked_for_by_name() -> None:
    made: list[str] = []
    from holdfast.core.limits import own_counter

    def make(*, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> Any:
        made.append(name)
        return own_counter(maximum=maximum, decay_per_s=decay_per_s, now_s=now_s)

    bench = Bench(counter=make)
    await bench.client.read_balances("account/balance")
    await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=lambda: None)
    assert "account.balance" in made
    assert "trade.order.BTC-USDT" in made
    assert "orders.account" in made
    assert not [name for name in made if name.startswith(("public", "market", "system"))]  # Those are the address's.
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") for name in made)


def test_broker_that_only_streams_keeps_its_key_alive_all_the_same() -> None:
    """OKX removes a key after 14 days without a signed call or a login; the schedule makes one every minute."""
    assert ReconcileSettings().quiet_s <= 86_400
