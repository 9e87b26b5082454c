"""The client signs in the lane, asks again where that can help, and parks where it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest

from holdfast.core.balances import OpenOrder, Source
from holdfast.core.credentials import Credential
from holdfast.core.health import fault_of
from holdfast.core.seams import HttpReply, Priority, WireError
from holdfast.core.venue import VenueMode
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    ConfigError,
    CredentialParkedError,
    HoldfastError,
    InvalidNonceError,
    LockoutError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownAssetError,
    UnknownNameError,
    VenueBusyError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.kraken import KRAKEN
from holdfast.venues.kraken.sign import Signer, decode_secret
from tests.venues.kraken.fakes import Asked, Bench, FakeHttp
from tests.venues.kraken.samples import balance_ex, row, sample
from tests.venues.kraken.test_sign import SECRET

D = Decimal


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test on a virtual loop: what sleeps costs nothing."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs), horizon_s=100_000)

    return run


async def refused(call: Coroutine[Any, Any, Any]) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        await call
    return caught.value


# What is asked


@on_virtual_time
async def test_private_call_is_signed_over_the_very_bytes_it_sends() -> None:
    bench = Bench()
    await bench.client.read_balances("BalanceEx")
    asked = bench.http.of("BalanceEx")[0]
    nonce = asked.fields["nonce"]
    assert (asked.method, asked.url) == ("POST", "http://127.0.0.1:1/0/private/BalanceEx")
    assert asked.body == f"nonce={nonce}".encode()
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["User-Agent"]
    assert asked.headers["API-Key"] == "SIMkey"
    signer = Signer(decode_secret(SECRET))
    assert asked.headers["API-Sign"] == signer.sign(b"/0/private/BalanceEx", nonce=nonce.encode(), body=asked.body)
    assert not asked.is_repeatable


@on_virtual_time
async def test_two_factor_password_goes_into_the_signed_body() -> None:
    bench = Bench(passphrase="o&tp=1")
    await bench.client.open_orders_by_id(["O-1"])
    asked = bench.http.of("QueryOrders")[0]
    assert asked.fields == {"nonce": asked.fields["nonce"], "txid": "O-1", "otp": "o&tp=1"}


@on_virtual_time
async def test_public_call_is_unsigned_repeatable_and_takes_no_turn() -> None:
    bench = Bench()
    await bench.client.server_time()
    asked = bench.http.asked[0]
    assert (asked.method, asked.is_repeatable, asked.body) == ("GET", True, b"")
    assert "API-Key" not in asked.headers
    assert bench.lane.held_for == []


@on_virtual_time
async def test_every_private_call_takes_its_turn_with_its_priority() -> None:
    bench = Bench()
    client = bench.client
    await client.read_balances("BalanceEx")
    await client.read_balances("Balance")
    await client.websocket_token()
    await client.open_orders()
    await client.fills()
    assert bench.lane.held_for == [
        Priority.BALANCE,
        Priority.BALANCE,
        Priority.TOKEN,
        Priority.BALANCE,
        Priority.HISTORY,
    ]


@on_virtual_time
async def test_calls_at_once_are_sent_one_after_the_other_with_rising_nonces() -> None:
    bench = Bench()
    bench.http.takes_s = 0.02
    await bench.client.load()
    await asyncio.gather(*(bench.client.read_balances("BalanceEx") for _ in range(8)))
    nonces = bench.nonces()
    assert len(nonces) == 8
    assert nonces == sorted(set(nonces))
    assert bench.http.most_in_flight == 1


# What is answered


@on_virtual_time
async def test_balances_are_a_complete_snapshot_from_when_the_request_left() -> None:
    bench = Bench()
    await bench.client.load()
    await bench.client.server_time()
    bench.http.takes_s = 0.5
    began_s = bench.clock.now_s()
    snapshot = await bench.client.read_balances("BalanceEx")
    assert (snapshot.read, snapshot.source, snapshot.as_of_s, snapshot.states_holds) == (
        "BalanceEx",
        Source.REST,
        began_s,
        True,
    )
    assert snapshot.holdings["USD"].available == D("17185.45")
    simple = await bench.client.read_balances("Balance")
    assert (simple.read, simple.states_holds) == ("Balance", False)
    assert simple.holdings["BTC"].held is None


@on_virtual_time
async def test_locked_rows_and_credit_lines_are_remembered_for_who_cannot_see_them() -> None:
    bench = Bench()
    lent = '"ZUSD":{"balance":"-1","credit":"9","credit_used":"1","hold_trade":"0"}'
    bench.http.answers["BalanceEx"] = [bench.http.reply(balance_ex(row("DOT.S", "5"), lent))]
    bench.http.answers["Balance"] = [bench.http.reply(b'{"error":[],"result":{"ZUSD":"-1"}}')]
    await bench.client.read_balances("BalanceEx")
    assert bench.client.locked_assets == {"DOT.S"}
    assert bench.client.on_credit == {"USD"}
    for _ in range(2):
        assert (await bench.client.read_balances("Balance")).holdings["USD"].total == D(-1)


@on_virtual_time
async def test_auto_earn_switch_reaches_the_figures() -> None:
    body = balance_ex(row("SOL", "0"), row("SOL.F", "12.5"))
    for switch, available in ((True, D("12.5")), (False, D(0))):
        bench = Bench(auto_earn_spendable=switch)
        bench.http.answers["BalanceEx"] = [bench.http.reply(body)]
        assert (await bench.client.read_balances("BalanceEx")).holdings["SOL"].available == available


@on_virtual_time
async def test_clock_and_status_are_read_unsigned() -> None:
    bench = Bench()
    time = await bench.client.server_time()
    assert (time.venue_time_s, time.resolution_s) == (1688669448.0, 1.0)
    assert time.sent_s <= time.received_s
    assert time.wall_us == bench.clock.wall_us()
    assert (await bench.client.status()).mode is VenueMode.ONLINE
    assert bench.lane.held_for == []


@on_virtual_time
async def test_listing_is_read_once_and_kept() -> None:
    bench = Bench()
    assert bench.client.assets == {}
    await bench.client.read_balances("BalanceEx")
    await bench.client.read_balances("BalanceEx")
    assert bench.http.names().count("Assets") == 1
    assert bench.client.instruments["BTC-USD"].venue_symbol == "XXBTZUSD"


@on_virtual_time
async def test_every_read_of_the_protocol_answers() -> None:
    bench = Bench()
    client = bench.client
    assert set(await client.tickers(["BTC-USD"])) == {"BTC-USD"}
    assert len(await client.candles("BTC-USD", interval_s=60, since_s=600)) == 4
    # Kraken's own bound is exclusive: asked for one candle earlier, so that the one that begins then is told.
    assert bench.http.of("OHLC")[0].fields == {"pair": "XXBTZUSD", "interval": "1", "since": "540"}
    assert len((await client.open_orders()).orders) == 2
    assert len((await client.positions()).positions) == 2
    assert bench.http.of("OpenPositions")[0].fields["docalcs"] == "true"
    assert all(not isinstance(order, OpenOrder) for order in (await client.open_orders_by_id(["A", "B"])).values())
    assert bench.http.of("QueryOrders")[0].fields["txid"] == "A,B"
    assert len(await client.closed_orders()) == 2
    assert "cl_ord_id" not in bench.http.of("ClosedOrders")[0].fields
    assert len(await client.fills()) == 2
    assert len(await client.ledger_rows(asset="BTC")) == 2
    assert bench.http.of("Ledgers")[0].fields["asset"] == "XXBT"
    assert set(await client.fee_rates(["BTC-USD"])) == {"BTC-USD"}
    assert await client.websocket_token() == "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEMw"
    bench.http.answers["GetApiKeyInfo"] = [
        bench.http.reply(
            sample("http_api_key_info").replace(b"4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX", b"SIMkey")
        )
    ]
    assert (await client.credential_info()).account_id == "AA88 N84G WOAK NMOI"


@on_virtual_time
async def test_names_that_do_not_exist_are_refused_before_anything_is_sent() -> None:
    bench = Bench()
    await bench.client.load()
    sent = len(bench.http.asked)
    for call in (
        bench.client.read_balances("TradeBalance"),
        bench.client.candles("BTC-USD", interval_s=42),
    ):
        assert isinstance(await refused(call), ConfigError)
    assert isinstance(await refused(bench.client.tickers(["BTC-XYZ"])), UnknownNameError)
    assert isinstance(await refused(bench.client.ledger_rows(asset="NOPE")), UnknownNameError)
    assert len(bench.http.asked) == sent


@on_virtual_time
async def test_many_tickers_are_asked_for_in_short_addresses() -> None:
    bench = Bench()
    await bench.client.tickers(["BTC-USD"] * 45)
    assert [asked.fields["pair"].count("XXBTZUSD") for asked in bench.http.of("Ticker")] == [20, 20, 5]


# Unlisted assets


@on_virtual_time
async def test_unlisted_asset_makes_the_listing_be_read_again_once() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.reply(balance_ex(row("NEWCOIN", "5")))]
    await bench.client.load()
    listed = sample("http_assets_many").replace(b'"1INCH":', b'"NEWCOIN":{"altname":"NEWCOIN","decimals":8},"1INCH":')

    async def by_class(http: FakeHttp, asked: Asked) -> HttpReply:
        return http.reply(b'{"error":[],"result":{}}') if "aclass" in asked.fields else http.reply(listed)

    bench.http.answers["Assets"] = [by_class]
    assert (await bench.client.read_balances("BalanceEx")).holdings["NEWCOIN"].total == D(5)
    assert len(bench.http.of("BalanceEx")) == 1


@on_virtual_time
async def test_asset_that_stays_unlisted_is_refused_by_name_without_hammering_the_listing() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.reply(balance_ex(row("NEWCOIN", "5")))]
    for _ in range(3):
        error = await refused(bench.client.read_balances("BalanceEx"))
        assert isinstance(error, UnknownAssetError)
        assert "NEWCOIN" in str(error)
    assert bench.http.names().count("AssetPairs") == 2


@on_virtual_time
async def test_tokenized_assets_that_are_not_offered_here_do_not_matter() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.reply(balance_ex(row("NEWCOIN", "5")))]
    await bench.client.load()

    async def by_class(http: FakeHttp, asked: Asked) -> HttpReply:
        if "aclass" in asked.fields:
            return http.error("EGeneral:Invalid arguments:aclass")
        return http.reply(sample("http_assets_many"))

    bench.http.answers["Assets"] = [by_class]
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), UnknownAssetError)


# Nonces


@on_virtual_time
async def test_refused_nonce_is_regenerated_once_in_the_same_turn() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [
        bench.http.error("EAPI:Invalid nonce"),
        bench.http.reply(sample("http_balance_ex")),
    ]
    await bench.client.read_balances("BalanceEx")
    assert len(bench.lane.held_for) == 1
    first, second = bench.nonces()
    assert second >= first + 1_000_000
    assert bench.http.of("BalanceEx")[0].headers["API-Sign"] != bench.http.of("BalanceEx")[1].headers["API-Sign"]
    assert bench.lane.parks == []
    assert [(each.name, each.fields["attempt"]) for each in bench.events] == [("nonce.refused", 1)]


@on_virtual_time
async def test_nonce_refused_twice_parks_the_credential_until_a_person_acts() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.error("EAPI:Invalid nonce")]
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), InvalidNonceError)
    assert bench.lane.parks == [("invalid_nonce", None)]
    assert len(bench.http.of("BalanceEx")) == 2
    assert [each.name for each in bench.events] == ["nonce.refused", "nonce.refused", "credential.parked"]
    await asyncio.sleep(50_000)
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), CredentialParkedError)
    assert len(bench.http.of("BalanceEx")) == 2


@on_virtual_time
async def test_every_attempt_has_a_body_and_a_nonce_of_its_own() -> None:
    bench = Bench()
    bench.http.answers["Ledgers"] = [
        WireError("reset", kind="reset", was_sent=True),
        bench.http.error("EService:Unavailable"),
        bench.http.reply(sample("http_ledgers")),
    ]
    await bench.client.ledger_rows()
    nonces = bench.nonces()
    assert len(set(nonces)) == 3
    assert nonces == sorted(nonces)
    assert len(bench.lane.held_for) == 3


# Faults of the credential


@on_virtual_time
async def test_lockout_is_silence_for_its_time() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [
        bench.http.error("EGeneral:Temporary lockout"),
        bench.http.reply(sample("http_balance_ex")),
    ]
    error = await refused(bench.client.read_balances("BalanceEx"))
    assert isinstance(error, LockoutError)
    assert error.retry_after_s == 900
    assert bench.lane.parks == [("lockout", 900.0)]
    for _ in range(89):
        await asyncio.sleep(10)
        assert isinstance(await refused(bench.client.read_balances("Balance")), CredentialParkedError)
    assert len(bench.nonces()) == 1
    await asyncio.sleep(11)
    await bench.client.read_balances("BalanceEx")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("EAPI:Invalid key", "bad_key"),
        ("EAPI:Invalid signature", "wrong_secret"),
        ("EAuth:Failed", "bad_key"),
        ("EAuth:Account temporary disabled", "account_locked"),
        ("ETrade:User Locked", "account_locked"),
    ],
)
def test_refused_key_is_parked_by_its_cause_and_probed_at_most_every_five_minutes(text: str, cause: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.http.answers["BalanceEx"] = [bench.http.error(text)]
        for _ in range(60):
            error = await refused(bench.client.read_balances("BalanceEx"))
            assert isinstance(error, BadCredentialError | CredentialParkedError)
            await asyncio.sleep(10)
        assert set(bench.lane.parks) == {(cause, 300.0)}
        assert len(bench.nonces()) == 2

    run_virtual(scenario())


@on_virtual_time
async def test_missing_right_silences_only_the_call_that_needs_it() -> None:
    bench = Bench()
    bench.http.answers["Ledgers"] = [bench.http.error("EGeneral:Permission denied")]
    error = await refused(bench.client.ledger_rows())
    assert isinstance(error, PermissionMissingError)
    assert error.outcome is Outcome.REJECTED
    again = await refused(bench.client.ledger_rows())
    assert isinstance(again, PermissionMissingError)
    assert again.outcome is Outcome.NEVER_SENT
    assert len(bench.http.of("Ledgers")) == 1
    await bench.client.read_balances("BalanceEx")
    assert bench.lane.parks == []
    await asyncio.sleep(301)
    bench.http.answers["Ledgers"] = [bench.http.reply(sample("http_ledgers"))]
    assert await bench.client.ledger_rows()


# Asking again


UNSURE: list[WireError | str | int] = [
    WireError("reset", kind="reset", was_sent=True),
    WireError("refused", kind="refused", was_sent=False),
    WireError("dns", kind="dns", was_sent=False),
    "EService:Unavailable",
    "EService:Busy",
    "EGeneral:Internal error",
    502,
    503,
    520,
]


def _answer(bench: Bench, what: WireError | str | int) -> HttpReply | WireError:
    if isinstance(what, WireError):
        return what
    if isinstance(what, str):
        return bench.http.error(what)
    return bench.http.reply(b"<html>", status=what, headers={"content-type": "text/html"})


@pytest.mark.parametrize("what", UNSURE, ids=str)
def test_read_is_asked_again_after_a_pause_on_faults_that_pass(what: WireError | str | int) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.http.answers["BalanceEx"] = [_answer(bench, what), bench.http.reply(sample("http_balance_ex"))]
        await bench.client.load()
        assert (await bench.client.read_balances("BalanceEx")).holdings
        first, second = bench.http.of("BalanceEx")
        assert 0.25 <= second.at_s - first.at_s <= 0.375

    run_virtual(scenario())


@pytest.mark.parametrize("what", UNSURE, ids=str)
def test_read_is_asked_three_times_at_most_and_within_its_deadline(what: WireError | str | int) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.http.answers["BalanceEx"] = [_answer(bench, what)]
        await bench.client.server_time()
        began_s = bench.clock.now_s()
        error = await refused(bench.client.read_balances("BalanceEx"))
        assert isinstance(error, VenueUnreachableError | OutcomeUnknownError | VenueBusyError)
        assert len(bench.http.of("BalanceEx")) == 3
        assert bench.clock.now_s() - began_s < 5.0
        deadlines = [asked.deadline_s for asked in bench.http.of("BalanceEx")]
        assert deadlines == sorted(deadlines, reverse=True)

    run_virtual(scenario())


@on_virtual_time
async def test_answer_that_never_comes_ends_at_the_deadline() -> None:
    bench = Bench()
    await bench.client.server_time()
    bench.http.takes_s = 60
    began_s = bench.clock.now_s()
    error = await refused(bench.client.read_balances("BalanceEx"))
    assert isinstance(error, OutcomeUnknownError)
    assert bench.clock.now_s() - began_s == pytest.approx(5.0)
    assert len(bench.http.of("BalanceEx")) == 1


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("EGeneral:Invalid arguments", VenueError),
        ("ENew:Unheard of", VenueError),
        (403, VenueError),
        (301, VenueError),
        (WireError("tls", kind="tls", was_sent=False), VenueUnreachableError),
        (WireError("bomb", kind="too_large", was_sent=True), PayloadError),
        (WireError("br", kind="encoding", was_sent=True), PayloadError),
    ],
    ids=str,
)
def test_fault_that_does_not_pass_is_not_asked_again(what: Any, kind: type[HoldfastError]) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.http.answers["BalanceEx"] = [_answer(bench, what)]
        assert isinstance(await refused(bench.client.read_balances("BalanceEx")), kind)
        assert len(bench.http.of("BalanceEx")) == 1

    run_virtual(scenario())


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"", b'{"error":[],"result":{"ZUSD"', b"\xff\xfe", b'{"result":{}}', b"[]"]
)
def test_answer_that_is_none_is_a_payload_fault_and_counts_as_no_answer(body: bytes) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.http.answers["BalanceEx"] = [bench.http.reply(body)]
        assert isinstance(await refused(bench.client.read_balances("BalanceEx")), PayloadError)
        assert len(bench.http.of("BalanceEx")) == 1

    run_virtual(scenario())


@on_virtual_time
async def test_error_in_the_body_counts_before_the_status() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.error("EGeneral:Permission denied", status=500)]
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), PermissionMissingError)
    bench.http.answers["OpenOrders"] = [bench.http.reply(sample("http_open_orders"), status=404)]
    assert type(await refused(bench.client.open_orders())) is VenueError


@on_virtual_time
async def test_warning_is_told_and_the_answer_counts() -> None:
    bench = Bench()
    body = sample("http_balance_ex").replace(b'"error":[]', b'"error":["WGeneral:Deprecated\\nfield"]')
    bench.http.answers["BalanceEx"] = [bench.http.reply(body)]
    assert (await bench.client.read_balances("BalanceEx")).holdings["USD"].total == D("25435.21")
    told = [each.fields for each in bench.events if each.name == "answer.warned"]
    assert told == [{"broker": "kraken-master", "read": "BalanceEx", "warning": r"'WGeneral:Deprecated\nfield'"}]


@on_virtual_time
async def test_answer_out_of_a_cache_is_not_believed() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [bench.http.reply(sample("http_balance_ex"), headers={"age": "37"})]
    with pytest.raises(PayloadError, match="cache"):
        await bench.client.read_balances("BalanceEx")


# Rate limits


@on_virtual_time
async def test_calls_wait_for_room_in_the_counter_instead_of_being_refused() -> None:
    bench = Bench(rate_tier="pro")
    await bench.client.server_time()
    began_s = bench.clock.now_s()
    for _ in range(20):
        await bench.client.read_balances("BalanceEx")
    assert bench.clock.now_s() - began_s == pytest.approx(3.0)  # 20 points, 3 of them left to the more urgent.
    level, at_s = 0.0, began_s
    for asked in bench.http.of("BalanceEx"):
        level = max(0.0, level - (asked.at_s - at_s) * 1.0) + 1
        at_s = asked.at_s
        assert level <= 20


@on_virtual_time
async def test_callers_who_waited_for_the_lane_do_not_overrun_the_counter_together() -> None:
    bench = Bench(rate_tier="starter")
    await bench.client.load()
    await bench.client.server_time()
    bench.http.takes_s = 0.01
    outcomes = await asyncio.gather(*(_outcome(bench.client.read_balances("BalanceEx")) for _ in range(40)))
    level, at_s = 0.0, 0.0
    for asked in bench.http.of("BalanceEx"):
        level = max(0.0, level - (asked.at_s - at_s) * 0.33) + 1
        at_s = asked.at_s
        assert level <= 15
    refusals = [each for each in outcomes if each is not None]
    assert all(isinstance(each, RateLimitedError) for each in refusals)
    assert len(refusals) + len(bench.http.of("BalanceEx")) == 40


@on_virtual_time
async def test_call_that_would_wait_too_long_is_refused_unsent_with_the_time() -> None:
    bench = Bench(rate_tier="starter")
    await bench.client.server_time()
    for _ in range(5):
        await bench.client.fills()
    error = await refused(bench.client.fills())
    assert isinstance(error, RateLimitedError)
    assert error.outcome is Outcome.NEVER_SENT
    assert error.retry_after_s is not None
    assert error.retry_after_s > 5
    assert len(bench.http.of("TradesHistory")) == 5
    assert bench.lane.parks == []


@on_virtual_time
async def test_history_leaves_room_for_tokens_and_balances() -> None:
    bench = Bench(rate_tier="starter")
    await bench.client.server_time()
    while not isinstance(error := await _outcome(bench.client.fills()), RateLimitedError):
        assert error is None
    began_s = bench.clock.now_s()
    await bench.client.websocket_token()
    await bench.client.read_balances("BalanceEx")
    assert bench.clock.now_s() == began_s


async def _outcome(call: Coroutine[Any, Any, Any]) -> Exception | None:
    try:
        await call
    except HoldfastError as error:
        return error
    return None


@on_virtual_time
async def test_refusal_of_the_venue_corrects_our_picture() -> None:
    bench = Bench()
    bench.http.answers["BalanceEx"] = [
        bench.http.error("EAPI:Rate limit exceeded"),
        bench.http.reply(sample("http_balance_ex")),
    ]
    error = await refused(bench.client.read_balances("BalanceEx"))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 15.0
    again = await refused(bench.client.read_balances("BalanceEx"))
    assert isinstance(again, RateLimitedError)
    assert again.outcome is Outcome.NEVER_SENT
    assert len(bench.http.of("BalanceEx")) == 1
    await asyncio.sleep(15.0)
    await bench.client.read_balances("BalanceEx")


@pytest.mark.parametrize(
    ("status", "header", "wait_s"),
    [(429, "7", 7.0), (429, "1000000000", 60.0), (429, "-1", 15.0), (429, None, 15.0), (429, "0", 0.0)],
)
def test_gateways_limit_is_honoured_for_the_time_it_names(status: int, header: str | None, wait_s: float) -> None:
    async def scenario() -> None:
        bench = Bench()
        headers = {"content-type": "text/html", **({} if header is None else {"retry-after": header})}
        bench.http.answers["BalanceEx"] = [
            bench.http.reply(b"<html>", status=status, headers=headers),
            bench.http.reply(sample("http_balance_ex")),
        ]
        error = await refused(bench.client.read_balances("BalanceEx"))
        assert isinstance(error, RateLimitedError)
        assert error.retry_after_s == wait_s
        if wait_s > 5:
            await asyncio.sleep(wait_s - 5.1)
            assert isinstance(await refused(bench.client.read_balances("BalanceEx")), RateLimitedError)
        await asyncio.sleep(6)
        await bench.client.read_balances("BalanceEx")
        first, second = bench.http.of("BalanceEx")
        assert second.at_s - first.at_s >= wait_s

    run_virtual(scenario())


@on_virtual_time
async def test_busy_gateway_that_names_a_time_is_asked_again_only_then() -> None:
    bench = Bench()
    page = bench.http.reply(b"<html>", status=503, headers={"content-type": "text/html", "retry-after": "2"})
    bench.http.answers["BalanceEx"] = [page, bench.http.reply(sample("http_balance_ex"))]
    await bench.client.read_balances("BalanceEx")
    first, second = bench.http.of("BalanceEx")
    assert second.at_s - first.at_s == pytest.approx(2.0)


# Simulated and real cannot be mixed up


@on_virtual_time
async def test_first_signed_call_follows_an_unsigned_proof() -> None:
    bench = Bench()
    await bench.client.read_balances("BalanceEx")
    await bench.client.read_balances("BalanceEx")
    assert bench.http.names() == ["Time", "BalanceEx", "Assets", "AssetPairs", "BalanceEx"]


@on_virtual_time
async def test_simulated_broker_signs_nothing_for_what_is_no_simulator() -> None:
    bench = Bench(is_simulator=False)
    with pytest.raises(ConfigError, match="without the simulator's header"):
        await bench.client.read_balances("BalanceEx")
    assert bench.nonces() == []


@on_virtual_time
async def test_real_broker_refuses_a_simulators_answer() -> None:
    clock = FakeClock(asyncio.get_running_loop())
    http = FakeHttp(clock, is_simulator=True)
    client = KRAKEN.client(
        http=http,
        lane=MemoryLane(clock),
        credential=Credential(venue="kraken", key="realkey", secret=SECRET),
        clock=clock,
        emit=lambda _: None,
        rest_url="https://api.kraken.com",
        account="kraken-master",
        options={"must_be_simulator": False},
    )
    with pytest.raises(ConfigError, match="is a simulator"):
        await client.read_balances("BalanceEx")
    assert http.names() == ["Time"]


@on_virtual_time
async def test_gateways_page_without_the_header_proves_nothing_and_is_an_ordinary_fault() -> None:
    bench = Bench()
    page = HttpReply(status=502, headers={"content-type": "text/html"}, body=b"<html>", sent_s=0.0, received_s=0.0)
    bench.http.answers["Time"] = [page]
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), OutcomeUnknownError)
    assert bench.nonces() == []


@on_virtual_time
async def test_answer_that_loses_the_header_later_is_refused_and_proved_anew() -> None:
    bench = Bench()
    await bench.client.read_balances("BalanceEx")
    stray = HttpReply(status=200, headers={}, body=sample("http_balance_ex"), sent_s=0.0, received_s=0.0)
    bench.http.answers["BalanceEx"] = [stray]
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), ConfigError)
    bench.http.answers["BalanceEx"] = [bench.http.reply(sample("http_balance_ex"))]
    bench.http.asked.clear()
    await bench.client.read_balances("BalanceEx")
    assert bench.http.names() == ["Time", "BalanceEx"]


@pytest.mark.parametrize(
    ("key", "options", "rest_url", "complaint"),
    [
        ("realkey", {"must_be_simulator": True}, "http://127.0.0.1:1", "real one"),
        ("SIMkey", {"must_be_simulator": False}, "https://api.kraken.com", "simulator's key"),
        ("SIMkey", {}, "https://api.kraken.com", "simulator's key"),
        ("realkey", {}, "http://127.0.0.1:1", "address"),
        ("realkey", {}, "http://api.kraken.com", "address"),
        ("realkey", {}, "https://api.kraken.com.evil.example", "address"),
        ("realkey", {"must_be_simulater": True}, "https://api.kraken.com", "must_be_simulater"),
        ("realkey", {"must_be_simulator": "no"}, "https://api.kraken.com", "must_be_simulator"),
        ("realkey", {"rate_tier": "gold"}, "https://api.kraken.com", "rate_tier"),
        ("realkey", {"read_deadline_s": 0}, "https://api.kraken.com", "read_deadline_s"),
        ("realkey", {"lockout_s": True}, "https://api.kraken.com", "lockout_s"),
    ],
)
def test_combination_that_cannot_be_right_is_refused_at_once(
    key: str, options: dict[str, object], rest_url: str, complaint: str
) -> None:
    clock = FakeClock()
    with pytest.raises(ConfigError, match=complaint):
        KRAKEN.client(
            http=FakeHttp(clock),
            lane=MemoryLane(clock),
            credential=Credential(venue="kraken", key=key, secret=SECRET),
            clock=clock,
            emit=lambda _: None,
            rest_url=rest_url,
            account="kraken-master",
            options=options,
        )


# Without a credential, and after the end


@on_virtual_time
async def test_client_without_a_credential_answers_the_unsigned_reads_only() -> None:
    clock = FakeClock(asyncio.get_running_loop())
    http = FakeHttp(clock)
    client = KRAKEN.client(
        http=http,
        lane=MemoryLane(clock),
        credential=None,
        clock=clock,
        emit=lambda _: None,
        rest_url="http://127.0.0.1:1",
        account="kraken-master",
        options={"must_be_simulator": True},
    )
    await client.load()
    assert (await client.status()).mode is VenueMode.ONLINE
    with pytest.raises(ConfigError, match="credential"):
        await client.read_balances("BalanceEx")


@on_virtual_time
async def test_closed_client_sends_nothing() -> None:
    bench = Bench()
    await bench.client.load()
    await bench.client.close()
    sent = len(bench.http.asked)
    assert isinstance(await refused(bench.client.read_balances("BalanceEx")), ClosedError)
    assert isinstance(await refused(bench.client.server_time()), ClosedError)
    assert len(bench.http.asked) == sent


# Pages


def _ledger_page(first: int, count: int) -> bytes:
    entry = '"L{0}":{{"refid":"R{0}","time":{0},"type":"trade","asset":"ZUSD","amount":"1","fee":"0","balance":"1"}}'
    rows = ",".join(entry.format(number) for number in range(first, first - count, -1))
    return f'{{"error":[],"result":{{"ledger":{{{rows}}},"count":0}}}}'.encode()


@on_virtual_time
async def test_pages_are_read_to_the_end_each_row_once() -> None:
    bench = Bench()
    # Ten rows were added after the first page was read: the second shows ten of its rows again.
    bench.http.answers["Ledgers"] = [
        bench.http.reply(_ledger_page(1000, 50)),
        bench.http.reply(_ledger_page(960, 50)),
        bench.http.reply(_ledger_page(910, 7)),
    ]
    rows = await bench.client.ledger_rows(since_s=900.5)
    assert [row.entry for row in rows] == [f"L{number}" for number in range(1000, 903, -1)]
    asked = bench.http.of("Ledgers")
    assert [each.fields.get("ofs") for each in asked] == [None, "50", "100"]
    assert {each.fields["start"] for each in asked} == {"899"}


@on_virtual_time
async def test_without_a_start_the_newest_page_is_all() -> None:
    bench = Bench()
    bench.http.answers["Ledgers"] = [bench.http.reply(_ledger_page(1000, 50))]
    assert len(await bench.client.ledger_rows()) == 50
    assert len(bench.http.of("Ledgers")) == 1


@on_virtual_time
async def test_cursor_that_does_not_move_is_refused() -> None:
    bench = Bench()
    bench.http.answers["Ledgers"] = [bench.http.reply(_ledger_page(1000, 50))]
    with pytest.raises(PayloadError, match="repeats"):
        await bench.client.ledger_rows(since_s=1.0)
    assert len(bench.http.of("Ledgers")) == 2


@on_virtual_time
async def test_page_that_fails_leaves_nothing() -> None:
    bench = Bench()
    bench.http.answers["Ledgers"] = [bench.http.reply(_ledger_page(1000, 50)), bench.http.reply(b"<html>")]
    assert isinstance(await refused(bench.client.ledger_rows(since_s=1.0)), PayloadError)


@on_virtual_time
async def test_pages_without_end_are_bounded() -> None:
    bench = Bench()

    async def endless(http: FakeHttp, asked: Asked) -> HttpReply:
        await asyncio.sleep(3)
        return http.reply(_ledger_page(1_000_000 - int(asked.fields.get("ofs", "0")), 50))

    bench.http.answers["Ledgers"] = [endless]
    with pytest.raises(PayloadError, match="more than 40 pages"):
        await bench.client.ledger_rows(since_s=1.0)
    assert len(bench.http.of("Ledgers")) == 40


# Giving up


@on_virtual_time
async def test_cancelled_call_keeps_the_lane_until_what_it_sent_is_answered() -> None:
    """Aborted, its bytes could still reach the venue, and behind the next nonce (found by scenario tasks 128)."""
    bench = Bench()
    await bench.client.load()
    await bench.client.server_time()
    bench.http.takes_s = 3.0
    for after_s in (0.5, 2.9):
        call = asyncio.create_task(bench.client.read_balances("BalanceEx"))
        await asyncio.sleep(after_s)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call  # The caller leaves at once.
        assert bench.lane.is_held
        await asyncio.sleep(3.0 - after_s + 0.01)
        assert not bench.lane.is_held
    bench.http.takes_s = 0.0
    await bench.client.read_balances("BalanceEx")


@on_virtual_time
async def test_call_cancelled_before_it_left_sends_nothing() -> None:
    bench = Bench()
    await bench.client.load()
    await bench.client.server_time()
    bench.http.takes_s = 3.0
    first = asyncio.create_task(bench.client.read_balances("BalanceEx"))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(bench.client.read_balances("Balance"))
    await asyncio.sleep(0.5)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await first
    await asyncio.sleep(1.0)
    assert not bench.http.of("Balance")
    assert not bench.lane.is_held


@on_virtual_time
async def test_closing_gives_what_is_under_way_a_moment_to_be_answered() -> None:
    for takes_s, is_answered in ((0.5, True), (3.0, False)):
        bench = Bench()
        await bench.client.load()
        await bench.client.server_time()
        bench.http.takes_s = takes_s
        call = asyncio.create_task(bench.client.read_balances("BalanceEx"))
        await asyncio.sleep(0.1)
        await bench.client.close()
        assert not bench.lane.is_held
        result = (await asyncio.gather(call, return_exceptions=True))[0]
        assert isinstance(result, BaseException) is not is_answered


@on_virtual_time
async def test_secret_appears_nowhere_in_what_goes_wrong() -> None:
    bench = Bench(passphrase="hunter2")
    told = [repr(bench.client), repr(bench.credential)]
    faults: list[WireError | str | int] = [*UNSURE, "EAPI:Invalid key", "ENew:x", 403]
    for what in faults:
        bench = Bench(passphrase="hunter2")
        bench.http.answers["BalanceEx"] = [_answer(bench, what)]
        error = await refused(bench.client.read_balances("BalanceEx"))
        told += [str(error), repr(error), repr(bench.events)]
    text = " ".join(told)
    assert SECRET[:16] not in text
    assert "hunter2" not in text
    assert "SIMkey" not in text


@on_virtual_time
async def test_a_read_that_waited_its_time_away_is_not_sent_and_tells_what_came_of_the_attempt_before() -> None:
    bench = Bench()
    await bench.client.load()
    bench.http.answers["BalanceEx"] = [WireError("gone", kind="reset", was_sent=True)]
    read = asyncio.create_task(refused(bench.client.read_balances("BalanceEx")))
    await asyncio.sleep(0.1)
    async with bench.lane.turn(priority=Priority.ORDER):
        await asyncio.sleep(6.0)
    error = await read
    assert "gone" in str(error)
    assert len(bench.http.of("BalanceEx")) == 1


@on_virtual_time
async def test_a_new_nonce_with_no_time_left_for_it_is_no_fault_of_the_venues() -> None:
    bench = Bench()
    await bench.client.load()

    async def late(http: FakeHttp, _: Asked) -> HttpReply:
        await asyncio.sleep(4.99)
        return http.reply(b'{"error":["EAPI:Invalid nonce"]}')

    bench.http.answers["BalanceEx"] = [late]
    error = await refused(bench.client.read_balances("BalanceEx"))
    assert isinstance(error, VenueError)
    assert error.outcome is Outcome.NEVER_SENT
    assert not fault_of(error).counts
    assert len(bench.http.of("BalanceEx")) == 1
