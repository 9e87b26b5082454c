"""The client's reads on virtual time: tokens, turns, clocks, pages, retries, limits, and nothing to strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest

from holdfast.core.credentials import Credential
from holdfast.core.limits import DecayingCounter
from holdfast.core.seams import Priority, WireError
from holdfast.core.venue import Capability, VenueMode
from holdfast.core.venue_time import VenueTime
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    ConfigError,
    CredentialParkedError,
    FaultClass,
    HoldfastError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownNameError,
    UnsupportedError,
    VenueError,
    VenueRejectedError,
)
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.coinbase import COINBASE, limits
from holdfast.venues.coinbase.facts import FACTS
from tests.venues.coinbase.fakes import Asked, Bench, FakeHttp
from tests.venues.coinbase.samples import account, accounts, encoded, sample, tree
from tests.venues.coinbase.test_sign import ED_32, ED_64, NAME

D = Decimal
UNAUTHORIZED = b"Unauthorized"


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    return run


# Calls


@on_virtual_time
async def test_signed_call_carries_a_token_bound_to_it_and_no_body() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    (asked,) = bench.http.of("GET accounts")
    assert asked.claims["uri"] == "GET api.coinbase.com/api/v3/brokerage/accounts"  # Without the query.
    assert asked.query == [("limit", "250")]
    assert asked.body == b""
    assert asked.headers.keys() == {"Authorization", "User-Agent"}
    assert not asked.is_repeatable


@on_virtual_time
async def test_every_call_has_a_token_of_its_own() -> None:
    bench = Bench()
    for _ in range(5):
        await bench.client.read_balances("accounts")
    assert len({asked.token for asked in bench.http.signed()}) == 5


@on_virtual_time
async def test_public_call_is_unsigned_repeatable_and_takes_no_turn() -> None:
    bench = Bench()
    await bench.client.load()
    await bench.client.tickers(["BTC-USD"])
    assert bench.lane.had == []
    for asked in bench.http.asked:
        assert "Authorization" not in asked.headers
        assert asked.headers["Cache-Control"] == "no-cache"
        assert asked.is_repeatable


@on_virtual_time
async def test_every_private_call_takes_its_turn_with_its_priority() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    await bench.client.stream_token()
    await bench.client.open_orders()
    await bench.client.fills()
    assert bench.lane.had == [
        Priority.BALANCE, Priority.TOKEN, Priority.BALANCE, Priority.BALANCE, Priority.HISTORY,
    ]  # fmt: skip


@on_virtual_time
async def test_calls_of_one_key_are_under_way_together_within_the_lanes_bound() -> None:
    bench = Bench()
    await bench.client.server_time()
    await bench.client.read_balances("accounts")
    bench.http.takes_s = 0.5
    await asyncio.gather(*(bench.client.read_balances("accounts") for _ in range(10)))
    assert bench.http.most_in_flight == 8


@on_virtual_time
async def test_clock_and_status_are_read_unsigned() -> None:
    bench = Bench()
    bench.http.skew_s = 7.25
    time = await bench.client.server_time()
    assert time.venue_time_s == pytest.approx(bench.clock.wall_us() / 1e6 + 7.25, abs=0.001)
    assert time.resolution_s == 0.001
    status = await bench.client.status()
    assert status.mode is VenueMode.ONLINE
    assert bench.http.signed() == []


@on_virtual_time
async def test_every_read_of_the_protocol_answers() -> None:
    bench = Bench()
    client = bench.client
    await client.load()
    assert "BTC-USD" in client.instruments
    assert "BTC" in client.assets
    assert (await client.credential_info()).permissions == ("view", "trade")
    assert (await client.open_orders()).orders
    assert await client.open_orders_by_id(["6f0c0000-0000-4000-8000-000000000001"])
    bench.answer("GET orders/historical/batch", sample("http_orders_ended"))
    assert len(await client.closed_orders()) == 3
    assert await client.fills()
    assert await client.fee_rates(["BTC-USD"])
    assert await client.tickers(["BTC-USD"])
    assert await client.candles("BTC-USD", interval_s=3600)
    await client.refresh_instrument("BTC-USD")


@on_virtual_time
async def test_what_coinbase_does_not_offer_is_denied_by_name_and_nothing_is_sent() -> None:
    bench = Bench()
    with pytest.raises(UnsupportedError, match="no ledger") as ledger:
        await bench.client.ledger_rows()
    assert ledger.value.capability == Capability.LEDGER
    with pytest.raises(UnsupportedError, match="cancels orders") as switch:
        await bench.client.cancel_all_after(60, deadline_s=1.0)
    assert switch.value.capability == Capability.DEAD_MAN_SWITCH
    assert bench.http.asked == []


@on_virtual_time
async def test_names_that_do_not_exist_are_refused_before_anything_is_sent() -> None:
    bench = Bench()
    await bench.client.load()
    sent = len(bench.http.asked)
    for call in (
        bench.client.tickers(["BTC-EUR"]),
        bench.client.candles("BTC-EUR", interval_s=60),
        bench.client.fee_rates(["BTC-EUR"]),
    ):
        with pytest.raises(UnknownNameError):
            await call
    with pytest.raises(ConfigError, match="it has 60, 300"):
        await bench.client.candles("BTC-USD", interval_s=240)
    with pytest.raises(ConfigError, match="accounts, account"):
        await bench.client.read_balances("BalanceEx")
    assert len(bench.http.asked) == sent


# The listing


@on_virtual_time
async def test_listing_is_read_in_pages_once_and_kept() -> None:
    bench = Bench()
    rows = tree("http_products")["products"]
    bench.answer(
        "GET market/products",
        encoded({"products": rows[:3], "num_products": 5}),
        encoded({"products": rows[3:], "num_products": 5}),
    )
    await bench.client.names()
    await bench.client.names()
    assert [asked.fields.get("offset") for asked in bench.http.of("GET market/products")] == [None, "3"]
    assert len(bench.client.instruments) == 5
    assert not await bench.client.relist()
    await asyncio.sleep(61)
    assert await bench.client.relist()


@on_virtual_time
async def test_listing_that_says_no_count_or_repeats_itself_ends() -> None:
    bench = Bench()
    whole = tree("http_products")
    bench.answer("GET market/products", encoded({"products": whole["products"]}))
    await bench.client.load()
    assert len(bench.http.asked) == 1
    bench.answer("GET market/products", encoded({**whole, "num_products": 999}))
    await bench.client.load()
    assert len(bench.http.asked) == 3


@on_virtual_time
async def test_instrument_that_is_not_there_any_more_is_offline() -> None:
    bench = Bench()
    await bench.client.load()
    bench.answer("GET market/products/{}", encoded({**tree("http_product"), "post_only": True}))
    await bench.client.refresh_instrument("BTC-USD")
    assert bench.client.instruments["BTC-USD"].status.value == "post_only"
    bench.http.answers["GET market/products/{}"] = [bench.http.reply(b'{"error":"NOT_FOUND"}', status=404)]
    await bench.client.refresh_instrument("BTC-USD")
    assert bench.client.instruments["BTC-USD"].status.value == "offline"
    bench.http.answers["GET market/products/{}"] = [bench.http.reply(UNAUTHORIZED, status=401)]
    with pytest.raises(VenueRejectedError):
        await bench.client.refresh_instrument("ETH-BTC")
    assert bench.client.instruments["ETH-BTC"].status.value == "online"


# Balances


@on_virtual_time
async def test_balances_are_a_complete_snapshot_from_when_the_first_page_left() -> None:
    bench = Bench()
    bench.answer("GET accounts", sample("http_accounts_first"), sample("http_accounts_second"))
    await bench.client.server_time()
    await bench.client.credential_info()
    bench.http.takes_s = 0.25
    began_s = bench.clock.now_s()
    snapshot = await bench.client.read_balances("accounts")
    assert snapshot.as_of_s == began_s
    assert (snapshot.read, snapshot.source.value, snapshot.states_holds) == ("accounts", "rest", True)
    assert snapshot.holdings.keys() == {"USDC", "USD", "BTC", "ETH"}
    assert [asked.fields.get("cursor") for asked in bench.http.of("GET accounts")] == [None, "789100"]
    assert all(asked.fields["limit"] == "250" for asked in bench.http.of("GET accounts"))


@on_virtual_time
async def test_page_that_fails_leaves_nothing() -> None:
    bench = Bench()
    broken = bench.http.reply(b"bad gateway", status=502)
    bench.answer("GET accounts", sample("http_accounts_first"), broken)
    with pytest.raises(OutcomeUnknownError):
        await bench.client.read_balances("accounts")
    bench.answer("GET accounts", sample("http_accounts_first"), sample("http_accounts_second")[:-30])
    with pytest.raises(PayloadError):
        await bench.client.read_balances("accounts")


@on_virtual_time
async def test_cursor_that_does_not_move_and_pages_without_end_are_refused() -> None:
    bench = Bench()
    bench.answer("GET accounts", sample("http_accounts_first"))
    with pytest.raises(PayloadError, match="does not move"):
        await bench.client.read_balances("accounts")
    count = 0

    async def endless(http: FakeHttp, asked: Asked) -> Any:
        nonlocal count
        count += 1
        return http.reply(accounts(account(f"u{count}", "BTC", "1"), cursor=f"c{count}"))

    bench.http.answers["GET accounts"] = [endless]
    with pytest.raises(PayloadError, match="more than 40 pages"):
        await bench.client.read_balances("accounts")
    assert count == 40


@on_virtual_time
async def test_wallet_that_moves_to_a_later_page_counts_once_as_it_is_there() -> None:
    bench = Bench()
    bench.answer(
        "GET accounts",
        accounts(account("a", "BTC", "1"), account("b", "USD", "5"), cursor="next"),
        accounts(account("a", "BTC", "2"), account("c", "ETH", "3")),
    )
    holdings = (await bench.client.read_balances("accounts")).holdings
    assert holdings["BTC"].total == D(2)


@on_virtual_time
async def test_second_read_asks_each_account_alone_out_of_another_list() -> None:
    bench = Bench()
    bench.answer("GET accounts", accounts(account("gone", "BTC", "1"), account("zero", "ETH", "0")))
    await bench.client.read_balances("accounts")

    async def alone(http: FakeHttp, asked: Asked) -> Any:
        uuid = asked.path.rpartition("/")[2]
        if uuid == "gone":
            return http.reply(b'{"error":"NOT_FOUND","message":"account not found"}', status=404)
        return http.reply(encoded({"account": {**tree("http_account")["account"], "uuid": uuid}}))

    bench.http.answers["GET accounts/{}"] = [alone]
    snapshot = await bench.client.read_balances("account")
    assert [asked.path for asked in bench.http.of("GET accounts/{}")] == [
        "accounts/gone",
        "accounts/1b2e0000-0000-4000-8000-000000000002",
    ]
    assert {code: each.total for code, each in snapshot.holdings.items()} == {"USD": D(10000)}
    assert snapshot.read == "account"


@on_virtual_time
async def test_second_read_does_without_the_portfolio_where_that_may_not_be_read() -> None:
    bench = Bench()
    bench.http.answers["GET portfolios/{}"] = [bench.http.reply(sample("http_error_portfolio"), status=403)]
    with pytest.raises(PayloadError, match="no account is known"):
        await bench.client.read_balances("account")
    await bench.client.read_balances("accounts")

    async def alone(http: FakeHttp, asked: Asked) -> Any:
        uuid = asked.path.rpartition("/")[2]
        (row,) = [each for each in tree("http_accounts")["accounts"] if each["uuid"] == uuid]
        return http.reply(encoded({"account": row}))

    bench.http.answers["GET accounts/{}"] = [alone]
    both = [await bench.client.read_balances(read) for read in ("accounts", "account")]
    assert both[0].holdings == both[1].holdings


@on_virtual_time
async def test_lone_account_that_fails_leaves_nothing() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    for answer in (bench.http.reply(b"", status=503), bench.http.reply(sample("http_account")[:-9])):
        bench.http.answers["GET accounts/{}"] = [answer]
        with pytest.raises((VenueError, PayloadError)):
            await bench.client.read_balances("account")


# The clock


@on_virtual_time
async def test_tokens_are_signed_by_the_venues_clock() -> None:
    bench = Bench()
    bench.http.skew_s = -300.0
    await bench.client.read_balances("accounts")
    (asked,) = bench.http.of("GET accounts")
    assert bench.http.names()[0] == "GET time"
    now_s = bench.clock.wall_us() / 1e6 - 300
    assert now_s - 7 <= asked.claims["nbf"] <= now_s - 4  # Back-dated: a clock ahead by a moment is refused.
    assert asked.claims["exp"] - asked.claims["nbf"] == 120


@on_virtual_time
async def test_shared_clock_hears_what_the_adapter_measures() -> None:
    clock = FakeClock(asyncio.get_running_loop())
    shared = VenueTime(clock)
    bench = Bench(venue_time=shared)
    bench.http.skew_s = 60.0
    await bench.client.read_balances("accounts")
    assert shared.now_us() / 1e6 == pytest.approx(bench.clock.wall_us() / 1e6 + 60, abs=0.01)


@on_virtual_time
async def test_clocks_are_compared_every_ten_minutes_and_an_old_comparison_serves_where_that_fails() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.client.read_balances("accounts")
    assert len(bench.http.of("GET time")) == 1
    await asyncio.sleep(601)
    await bench.client.read_balances("accounts")
    assert len(bench.http.of("GET time")) == 2
    await asyncio.sleep(601)
    bench.http.answers["GET time"] = [bench.http.reply(b"", status=500)]
    await bench.client.read_balances("accounts")


@on_virtual_time
async def test_refused_token_is_renewed_once_by_a_clock_compared_anew() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    bench.http.skew_s = 40.0
    bench.http.answers["GET accounts"] = [
        bench.http.reply(UNAUTHORIZED, status=401, headers={"content-type": "text/plain"}),
        bench.http.reply(sample("http_accounts")),
    ]
    # Believed once the venue says the same twice, as every jump of its clock is.
    await bench.client.server_time()
    await bench.client.read_balances("accounts")
    first, second = bench.http.of("GET accounts")[1:]
    assert first.token != second.token
    assert bench.http.names()[-2:] == ["GET time", "GET accounts"]
    assert bench.lane.parks == []


@on_virtual_time
async def test_refused_tokens_park_the_key_only_after_three_in_a_row_over_half_a_minute() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    bench.http.answers["GET accounts"] = [bench.http.reply(UNAUTHORIZED, status=401)]
    with pytest.raises(VenueRejectedError) as caught:
        await bench.client.read_balances("accounts")
    assert not isinstance(caught.value, BadCredentialError)
    assert caught.value.fault is FaultClass.VENUE
    await asyncio.sleep(20)
    with pytest.raises(VenueRejectedError) as caught:
        await bench.client.read_balances("accounts")
    assert not isinstance(caught.value, BadCredentialError)
    assert bench.lane.parks == []
    await asyncio.sleep(11)
    with pytest.raises(BadCredentialError, match="clocks compared"):
        await bench.client.read_balances("accounts")
    assert bench.lane.parks == [("bad_key", limits.PROBE_AFTER_S)]
    assert [each.name for each in bench.events] == ["credential.parked"]
    sent = len(bench.http.signed())
    with pytest.raises(CredentialParkedError):
        await bench.client.read_balances("accounts")
    assert len(bench.http.signed()) == sent
    await asyncio.sleep(limits.PROBE_AFTER_S)
    bench.answer("GET accounts", sample("http_accounts"))
    await bench.client.read_balances("accounts")


@pytest.mark.parametrize("between", ["success", "other refusal"])
@on_virtual_time
async def test_answer_to_a_token_in_between_says_that_the_key_is_good(between: str) -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    for _ in range(4):
        bench.http.answers["GET accounts"] = [bench.http.reply(UNAUTHORIZED, status=401)]
        with pytest.raises(VenueRejectedError):
            await bench.client.read_balances("accounts")
        if between == "other refusal":
            bench.http.answers["GET accounts"] = [bench.http.reply(sample("http_error_v3"), status=400)]
            with pytest.raises(VenueRejectedError):
                await bench.client.read_balances("accounts")
        else:
            bench.answer("GET accounts", sample("http_accounts"))
            await bench.client.read_balances("accounts")
        await asyncio.sleep(20)
    assert bench.lane.parks == []


# What may follow


@on_virtual_time
async def test_missing_right_silences_only_the_call_that_needs_it() -> None:
    bench = Bench()
    bench.http.answers["GET orders/historical/fills"] = [
        bench.http.reply(b'{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}', status=403)
    ]
    with pytest.raises(PermissionMissingError):
        await bench.client.fills()
    with pytest.raises(PermissionMissingError, match="not sent") as caught:
        await bench.client.fills()
    assert caught.value.outcome is Outcome.NEVER_SENT
    assert len(bench.http.of("GET orders/historical/fills")) == 1
    await bench.client.read_balances("accounts")
    await asyncio.sleep(limits.PROBE_AFTER_S + 1)
    bench.answer("GET orders/historical/fills", sample("http_fills_quote"))
    assert await bench.client.fills()


def _faults(bench: Bench) -> dict[str, Any]:
    return {
        "reset": WireError("x", kind="reset", was_sent=True),
        "refused": WireError("x", kind="refused", was_sent=False),
        "502": bench.http.reply(b"<html>", status=502),
        "503": bench.http.reply(b"", status=503),
        "500": bench.http.reply(b'{"error":"INTERNAL"}', status=500),
    }


@pytest.mark.parametrize("fault", ["reset", "refused", "502", "503", "500"])
@on_virtual_time
async def test_read_is_asked_again_after_a_pause_on_faults_that_pass(fault: str) -> None:
    bench = Bench()
    await bench.client.server_time()
    bench.http.answers["GET accounts"] = [
        _faults(bench)[fault], _faults(bench)[fault], bench.http.reply(sample("http_accounts")),
    ]  # fmt: skip
    await bench.client.read_balances("accounts")
    times = [asked.at_s for asked in bench.http.of("GET accounts")]
    assert 0.25 <= times[1] - times[0] <= 0.375
    assert 1.0 <= times[2] - times[1] <= 1.5


@pytest.mark.parametrize("fault", ["reset", "refused", "502", "503", "500"])
@on_virtual_time
async def test_read_is_asked_three_times_at_most_and_within_its_deadline(fault: str) -> None:
    bench = Bench()
    bench.http.answers["GET accounts"] = [_faults(bench)[fault]]
    with pytest.raises(VenueError):
        await bench.client.read_balances("accounts")
    asked = bench.http.of("GET accounts")
    assert len(asked) == 3
    assert sum(each.deadline_s for each in asked[:1]) <= 5.0


@on_virtual_time
async def test_answer_that_never_comes_ends_at_the_deadline() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    bench.http.takes_s = 1000.0
    began_s = bench.clock.now_s()
    with pytest.raises(OutcomeUnknownError):
        await bench.client.read_balances("accounts")
    assert bench.clock.now_s() - began_s <= 5.0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda http: http.reply(sample("http_error_v3"), status=400), VenueRejectedError),
        (lambda http: http.reply(b"no", status=418), VenueError),
        (lambda http: http.reply(b"<html>maintenance</html>"), PayloadError),
        (lambda http: http.reply(b""), PayloadError),
        (lambda http: http.reply(sample("http_accounts")[:-4]), PayloadError),
        (lambda http: http.reply(sample("http_accounts"), headers={"age": "17"}), PayloadError),
        (lambda http: WireError("x", kind="tls", was_sent=False), VenueError),
        (lambda http: WireError("x", kind="too_large", was_sent=True), PayloadError),
    ],
)
@on_virtual_time
async def test_fault_that_does_not_pass_is_not_asked_again(answer: Any, kind: type[HoldfastError]) -> None:
    bench = Bench()
    bench.http.answers["GET accounts"] = [answer(bench.http)]
    with pytest.raises(kind):
        await bench.client.read_balances("accounts")
    assert len(bench.http.of("GET accounts")) == 1


# Rate limits


@on_virtual_time
async def test_calls_wait_for_room_in_the_counter_instead_of_being_refused() -> None:
    bench = Bench()
    await bench.client.server_time()
    await asyncio.gather(*(bench.client.read_balances("accounts") for _ in range(40)))
    times = sorted(asked.at_s for asked in bench.http.signed())
    assert len(times) == 40
    for start in times:
        assert sum(start <= each < start + 1.0 for each in times) <= 30
    assert times[-1] - times[0] > 2.0


@on_virtual_time
async def test_history_and_balances_leave_room_for_orders() -> None:
    bench = Bench()
    await bench.client.server_time()
    await asyncio.gather(*(bench.client.fills() for _ in range(7)))
    began_s = bench.clock.now_s()
    reads = [asyncio.create_task(bench.client.fills()) for _ in range(10)]
    await bench.client.stream_token()
    await asyncio.sleep(0)
    assert bench.clock.now_s() == began_s
    await asyncio.gather(*reads)


@on_virtual_time
async def test_hour_is_counted_too() -> None:
    made: dict[str, DecayingCounter] = {}

    def make(*, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> DecayingCounter:
        made[name] = DecayingCounter(maximum=maximum, decay_per_s=decay_per_s, now_s=now_s)
        return made[name]

    bench = Bench(counter=make)
    assert made.keys() == {"", "hour"}
    assert made["hour"].maximum + made["hour"].decay_per_s * 3600 <= 10_000
    made["hour"].spend(4100, now_s=bench.clock.now_s())
    with pytest.raises(RateLimitedError, match="no room") as caught:
        await bench.client.read_balances("accounts")
    assert caught.value.outcome is Outcome.NEVER_SENT
    assert bench.http.signed() == []


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({}, limits.QUIET_AFTER_REFUSAL_S), ({"x-ratelimit-reset": "1"}, 1.0), ({"retry-after": "4"}, 4.0)],
)
@on_virtual_time
async def test_gateways_limit_is_honoured_for_the_time_it_names(headers: dict[str, str], wait_s: float) -> None:
    bench = Bench()
    await bench.client.server_time()
    bench.http.answers["GET accounts"] = [
        bench.http.reply(sample("http_error_v2"), status=429, headers=headers),
        bench.http.reply(sample("http_accounts")),
    ]
    with pytest.raises(RateLimitedError) as caught:
        await bench.client.read_balances("accounts")
    assert caught.value.retry_after_s == wait_s
    began_s = bench.clock.now_s()
    await bench.client.read_balances("accounts")
    # Quiet for that long, and then until the full counter has room for a balance.
    assert bench.clock.now_s() - began_s >= wait_s


@on_virtual_time
async def test_public_limit_is_honoured_too() -> None:
    bench = Bench()
    bench.http.answers["GET time"] = [
        bench.http.reply(sample("http_error_v2"), status=429),
        bench.http.reply(sample("http_time")),
    ]
    with pytest.raises(RateLimitedError):
        await bench.client.server_time()
    began_s = bench.clock.now_s()
    await bench.client.server_time()
    assert bench.clock.now_s() - began_s >= limits.QUIET_AFTER_REFUSAL_S


# Whom we talk to


@on_virtual_time
async def test_first_signed_call_follows_an_unsigned_proof() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    assert bench.http.names()[:2] == ["GET time", "GET accounts"]


@on_virtual_time
async def test_simulated_broker_signs_nothing_for_what_is_no_simulator() -> None:
    bench = Bench(is_simulator=False)
    with pytest.raises(ConfigError, match="without the simulator's header"):
        await bench.client.read_balances("accounts")
    assert bench.http.signed() == []


@on_virtual_time
async def test_real_broker_refuses_a_simulators_answer() -> None:
    clock = FakeClock(asyncio.get_running_loop())
    http = FakeHttp(clock)
    real = NAME.replace("00000000-0000-0000", "10000000-0000-0000")
    client = COINBASE.client(
        http=http,
        lane=MemoryLane(clock),
        credential=Credential(venue="coinbase", key=real, secret=ED_32),
        clock=clock,
        emit=lambda event: None,
        rest_url="https://api.coinbase.com",
        account="coinbase-main",
        options={},
    )
    with pytest.raises(ConfigError, match="is a simulator"):
        await client.read_balances("accounts")
    assert http.signed() == []


@on_virtual_time
async def test_answer_that_loses_the_header_later_is_refused_and_proved_anew() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    bench.http.headers = {"content-type": "application/json"}
    with pytest.raises(ConfigError):
        await bench.client.read_balances("accounts")
    signed = len(bench.http.signed())
    with pytest.raises(ConfigError):
        await bench.client.read_balances("accounts")
    assert len(bench.http.signed()) == signed


REAL = NAME.replace("00000000-0000-0000", "10000000-0000-0000")


@pytest.mark.parametrize(
    ("key", "rest_url", "options", "told"),
    [
        (NAME, "https://api.coinbase.com", {}, "simulator's key"),
        (REAL, "http://127.0.0.1:1", {"must_be_simulator": True}, "real one in it"),
        (REAL, "https://api.coinbase.example", {}, "the address is https://api.coinbase.com"),
        (REAL, "http://api.coinbase.com", {}, "the address is"),
        (NAME, "http://127.0.0.1:1", {"must_be_simulator": "yes"}, "true or false"),
        (NAME, "http://127.0.0.1:1", {"must_be_simulator": True, "rate_tier": "pro"}, "no options"),
        (NAME, "http://127.0.0.1:1", {"must_be_simulator": True, "read_deadline_s": 0}, "above 0"),
    ],
)
def test_combination_that_cannot_be_right_is_refused_at_once(
    key: str, rest_url: str, options: dict[str, object], told: str
) -> None:
    async def scenario() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        with pytest.raises(ConfigError, match=told):
            COINBASE.client(
                http=FakeHttp(clock),
                lane=MemoryLane(clock),
                credential=Credential(venue="coinbase", key=key, secret=ED_64),
                clock=clock,
                emit=lambda event: None,
                rest_url=rest_url,
                account="coinbase-main",
                options=options,
            )

    run_virtual(scenario())


@on_virtual_time
async def test_client_without_a_credential_answers_the_unsigned_reads_only() -> None:
    bench = Bench(has_credential=False)
    await bench.client.load()
    assert await bench.client.tickers(["BTC-USD"])
    with pytest.raises(ConfigError, match="needs a credential"):
        await bench.client.read_balances("accounts")
    with pytest.raises(ConfigError, match="needs a credential"):
        await bench.client.stream_token()
    assert bench.http.signed() == []


@on_virtual_time
async def test_closed_client_sends_nothing() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    sent = len(bench.http.asked)
    await bench.client.close()
    for call in (bench.client.read_balances("accounts"), bench.client.server_time()):
        with pytest.raises(ClosedError):
            await call
    assert len(bench.http.asked) == sent


# Pages of orders and fills


def _page(*ids: str, cursor: str = "") -> bytes:
    row = tree("http_orders_ended")["orders"][1]
    rows = [{**row, "order_id": each, "client_order_id": f"c-{each}"} for each in ids]
    return encoded({"orders": rows, "has_next": bool(cursor), "cursor": cursor})


@on_virtual_time
async def test_pages_are_read_to_the_end_each_row_once() -> None:
    bench = Bench()
    bench.answer("GET orders/historical/batch", _page("1", "2", cursor="x"), _page("2", "3"))
    found = await bench.client.closed_orders(since_s=1795158000.5)
    assert [order.order_id for order in found] == ["1", "2", "3"]
    first, second = bench.http.of("GET orders/historical/batch")
    assert first.fields["start_date"] == "2026-11-20T07:00:00.500Z"
    assert second.fields["cursor"] == "x"
    fill = tree("http_fills_quote")["fills"][0]
    bench.answer(
        "GET orders/historical/fills",
        encoded({"fills": [fill], "cursor": "x"}),
        encoded({"fills": [fill, {**fill, "entry_id": "e-9"}], "cursor": "y"}),
        encoded({"fills": [], "cursor": "z"}),
    )
    assert len(await bench.client.fills(since_s=1795158000.0, until_s=1795158100.0)) == 2
    asked = bench.http.of("GET orders/historical/fills")
    assert asked[0].fields["end_sequence_timestamp"] == "2026-11-20T07:01:41.000Z"
    assert [each.fields.get("cursor") for each in asked] == [None, "x", "y"]


@on_virtual_time
async def test_without_a_start_the_newest_page_is_all() -> None:
    bench = Bench()
    bench.answer("GET orders/historical/batch", _page("1", cursor="x"))
    assert len(await bench.client.closed_orders()) == 1
    await bench.client.fills()
    assert len(bench.http.of("GET orders/historical/batch")) == 1
    assert len(bench.http.of("GET orders/historical/fills")) == 1


@on_virtual_time
async def test_cursor_of_orders_or_fills_that_does_not_move_is_refused() -> None:
    bench = Bench()
    bench.answer("GET orders/historical/batch", _page("1", cursor="x"))
    with pytest.raises(PayloadError, match="no cursor to it"):
        await bench.client.closed_orders(since_s=0.0)
    bench.answer("GET orders/historical/fills", encoded({"fills": tree("http_fills_quote")["fills"], "cursor": "x"}))
    with pytest.raises(PayloadError, match="does not move"):
        await bench.client.fills(since_s=0.0)


@on_virtual_time
async def test_open_orders_are_of_every_status_and_every_place_they_were_typed_in() -> None:
    bench = Bench()
    app = {**tree("http_order")["order"], "order_id": "app"}
    bench.answer(
        "GET orders/historical/batch", sample("http_orders_open"), encoded({"orders": [app], "has_next": False})
    )
    snapshot = await bench.client.open_orders()
    assert len(snapshot.orders) == 3
    for asked, source in zip(
        bench.http.of("GET orders/historical/batch"), ("RETAIL_ADVANCED", "RETAIL_SIMPLE"), strict=True
    ):
        assert asked.fields["order_placement_source"] == source
        statuses = [value for name, value in asked.query if name == "order_status"]
        assert statuses == ["PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED"]


@on_virtual_time
async def test_statuses_that_may_not_be_combined_are_asked_for_one_by_one_from_then_on() -> None:
    bench = Bench()

    async def strict(http: FakeHttp, asked: Asked) -> Any:
        statuses = [value for name, value in asked.query if name == "order_status"]
        if len(statuses) > 1:
            return http.reply(sample("http_error_v3"), status=400)
        return http.reply(sample("http_orders_open") if statuses == ["OPEN"] else sample("http_orders_none"))

    bench.http.answers["GET orders/historical/batch"] = [strict]
    assert len((await bench.client.open_orders()).orders) == 2
    assert len(bench.http.of("GET orders/historical/batch")) == 11
    await asyncio.sleep(5)
    await bench.client.open_orders()
    assert len(bench.http.of("GET orders/historical/batch")) == 21


@on_virtual_time
async def test_orders_are_looked_up_fifty_at_a_time() -> None:
    bench = Bench()
    bench.answer("GET orders/historical/batch", _page("1"), _page("60", "99"))
    found = await bench.client.open_orders_by_id([str(number) for number in range(70)])
    assert found.keys() == {"1", "60"}  # One that was not asked for is nobody's.
    counts = [len(asked.query) - 1 for asked in bench.http.of("GET orders/historical/batch")]
    assert counts == [50, 20]


@on_virtual_time
async def test_candles_are_asked_for_by_the_venues_clock() -> None:
    bench = Bench()
    await bench.client.candles("BTC-USD", interval_s=60)
    await bench.client.candles("BTC-USD", interval_s=60, since_s=1_700_000_000)
    newest, old = bench.http.of("GET market/products/{}/candles")
    now_s = bench.clock.wall_us() // 1_000_000
    assert now_s - 300 * 60 <= int(newest.fields["start"]) <= int(newest.fields["end"]) <= now_s
    assert (old.fields["start"], old.fields["end"]) == ("1700000000", str(1_700_000_000 + 300 * 60 - 1))
    assert newest.fields["granularity"] == "ONE_MINUTE"


# Cancelled callers and secrets


@on_virtual_time
async def test_call_cancelled_before_it_left_sends_nothing() -> None:
    bench = Bench()
    await bench.client.read_balances("accounts")
    sent = len(bench.http.asked)
    turns = [bench.lane.turn(priority=Priority.BALANCE) for _ in range(8)]
    for turn in turns:
        await turn.__aenter__()
    reading = asyncio.create_task(bench.client.read_balances("accounts"))
    await asyncio.sleep(0.1)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    for turn in turns:
        await turn.__aexit__(None, None, None)
    await asyncio.sleep(1)
    assert len(bench.http.asked) == sent


@on_virtual_time
async def test_neither_key_nor_token_appears_in_what_goes_wrong() -> None:
    bench = Bench()

    async def echo(http: FakeHttp, asked: Asked) -> Any:
        told = {"error": "INVALID_ARGUMENT", "message": f"{asked.headers['Authorization']} of {NAME}"}
        return http.reply(encoded(told), status=400)

    bench.http.answers["GET accounts"] = [echo]
    with pytest.raises(VenueRejectedError, match=r"\*\*\*") as caught:
        await bench.client.read_balances("accounts")
    for secret in (bench.http.signed()[0].token, NAME, ED_32):
        assert secret not in str(caught.value)
    assert ED_32 not in repr(vars(bench.client))


def test_facts_are_coinbases() -> None:
    assert FACTS.site("production") is not None
    assert FACTS.in_flight_max > 1
    assert FACTS.validity_s < FACTS.validity_max_s <= 115
    assert FACTS.lacks.keys() == {
        Capability.VENUE_STATUS,
        Capability.BALANCE_STREAM,
        Capability.LEDGER,
        Capability.POSITIONS,
        Capability.DEAD_MAN_SWITCH,
        Capability.DEMO_ENVIRONMENT,
    }
