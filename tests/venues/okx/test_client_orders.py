"""Orders over REST: each sent once in the step that says so, and nothing claimed that an answer does not prove."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.core.health import fault_of
from holdfast.core.seams import WireError
from holdfast.errors import (
    BadCredentialError,
    CredentialParkedError,
    DeniedError,
    InsufficientFundsError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    UnknownNameError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from tests.venues.okx import tickets
from tests.venues.okx.fakes import Bench
from tests.venues.okx.samples import compact, loaded, sample
from tests.venues.okx.test_client import virtually


async def place(bench: Bench, **changes: Any) -> Any:
    return await bench.client.place_order(tickets.ticket(**changes), deadline_s=5.0, before_send=lambda: None)


async def refused(bench: Bench, **changes: Any) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await place(bench, **changes)
    return caught.value


@virtually
async def test_order_is_sent_once_with_its_validity() -> None:
    bench = Bench()
    ack = await place(bench)
    assert (ack.order_id, ack.via) == ("12345689", "rest")
    [asked] = bench.http.of("POST trade/order")
    assert asked.headers["expTime"] == str(tickets.VALID_UNTIL_US // 1000)
    assert asked.fields["clOrdId"] == tickets.CLIENT_ID
    assert not asked.is_repeatable
    assert "expTime" not in bench.http.of("GET public/time")[0].headers


@virtually
async def test_before_send_is_called_in_the_step_of_the_write_and_stops_it() -> None:
    bench = Bench()
    await bench.client.load()
    seen: list[int] = []
    await bench.client.place_order(
        tickets.ticket(), deadline_s=5.0, before_send=lambda: seen.append(len(bench.http.of("POST trade/order")))
    )
    assert seen == [0]

    def stop() -> None:
        raise DeniedError("too late")

    with pytest.raises(DeniedError, match="too late"):
        await bench.client.place_order(tickets.ticket(), deadline_s=5.0, before_send=stop)
    assert len(bench.http.of("POST trade/order")) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "outcome"),
    [
        (WireError("no", kind="refused", was_sent=False), VenueUnreachableError, Outcome.NEVER_SENT),
        (WireError("no", kind="tls", was_sent=False), VenueUnreachableError, Outcome.NEVER_SENT),
        (WireError("gone", kind="reset", was_sent=True), OutcomeUnknownError, Outcome.UNKNOWN),
        (WireError("late", kind="deadline", was_sent=True), OutcomeUnknownError, Outcome.UNKNOWN),
        (WireError("big", kind="too_large", was_sent=True), OutcomeUnknownError, Outcome.UNKNOWN),
    ],
)
@virtually
async def test_lost_answer_is_unknown_and_the_order_is_not_sent_again(
    fault: WireError, kind: type[VenueError], outcome: Outcome
) -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [fault]
    error = await refused(bench)
    assert (type(error), error.outcome) == (kind, outcome)
    assert len(bench.http.of("POST trade/order")) == 1


@pytest.mark.parametrize("code", ["50001", "50004", "50013", "50026", "51054", "51149", "1", "2", "59999"])
@virtually
async def test_code_that_may_follow_an_order_leaves_it_unknown(code: str) -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.error(code, "busy")]
    error = await refused(bench)
    assert error.outcome is Outcome.UNKNOWN
    assert not isinstance(error, VenueRejectedError)
    assert len(bench.http.of("POST trade/order")) == 1


@virtually
async def test_refusal_is_the_items_own_word() -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.reply(sample("http_place_refused"))]
    error = await refused(bench)
    assert (type(error), error.outcome, error.code) == (InsufficientFundsError, Outcome.REJECTED, "51008")
    bench.http.answers["POST trade/order"] = [bench.http.reply(sample("http_place_refused"), status=500)]
    assert (await refused(bench)).outcome is Outcome.UNKNOWN


@virtually
async def test_order_that_came_too_late_is_refused_and_nothing_was_done() -> None:
    bench = Bench()
    for code in ("50036", "50037"):
        bench.http.answers["POST trade/order"] = [bench.http.error(code)]
        error = await refused(bench)
        assert (type(error), error.outcome) == (VenueRejectedError, Outcome.REJECTED)


@virtually
async def test_refused_time_refuses_the_order_once_and_the_next_one_is_signed_right() -> None:
    bench = Bench()
    await bench.client.credential_info()
    bench.http.venue_ahead_s = 45.0
    bench.http.answers["POST trade/order"] = [
        bench.http.reply(sample("http_gateway"), status=401),
        bench.http.reply(sample("http_place")),
    ]
    error = await refused(bench)
    assert (type(error), error.outcome) == (BadCredentialError, Outcome.REJECTED)
    assert len(bench.http.of("POST trade/order")) == 1
    await asyncio.sleep(1)
    await place(bench)
    first, second = (asked.headers["OK-ACCESS-TIMESTAMP"] for asked in bench.http.of("POST trade/order"))
    assert bench.http.names().count("GET public/time") == 2
    assert first != second
    assert bench.lane.parks == []


@pytest.mark.parametrize("code", ["51016", "50071", "51011", "51000"])
@virtually
async def test_duplicate_of_ours_is_the_order_that_is_there(code: str) -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.error(code, "Parameter clOrdId error")]
    whole = loaded("http_orders_pending")
    whole["data"][0] |= {"side": "buy", "ordId": "77"}
    bench.http.answers["GET trade/order"] = [bench.http.reply(compact(whole))]
    ack = await place(bench)
    assert (ack.order_id, ack.warnings) == ("77", (code,))
    assert bench.http.of("GET trade/order")[0].fields == {"instId": "BTC-USDT", "clOrdId": tickets.CLIENT_ID}
    assert len(bench.http.of("POST trade/order")) == 1


@pytest.mark.parametrize("how", ["other", "gone", "lost"])
@virtually
async def test_duplicate_that_is_not_found_or_another_order_stays_unknown(how: str) -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.error("51016")]
    whole = loaded("http_orders_pending")
    whole["data"][0] |= {"side": "buy", "sz": "5"}
    answers: dict[str, Any] = {
        "other": bench.http.reply(compact(whole)),
        "gone": bench.http.error("51603"),
        "lost": WireError("gone", kind="reset", was_sent=True),
    }
    bench.http.answers["GET trade/order"] = [answers[how]]
    error = await refused(bench)
    assert (type(error), error.outcome, error.code) == (OutcomeUnknownError, Outcome.UNKNOWN, "51016")


@virtually
async def test_nothing_is_sent_for_what_is_not_listed_or_while_the_credential_is_parked() -> None:
    bench = Bench()
    with pytest.raises(UnknownNameError):
        await place(bench, symbol="XMR-USDT")
    bench.lane.park("bad_key", for_s=None)
    with pytest.raises(CredentialParkedError):
        await place(bench)
    assert bench.http.of("POST trade/order") == []


@virtually
async def test_unreadable_listing_or_unproved_venue_never_sends() -> None:
    bench = Bench()
    bench.http.answers["GET public/instruments"] = [bench.http.reply(b"<html>")]
    error = await refused(bench)
    assert (error.outcome, bench.http.of("POST trade/order")) == (Outcome.NEVER_SENT, [])
    bench = Bench()
    await bench.client.load()
    bench.http.answers["GET public/time"] = [WireError("no", kind="refused", was_sent=False)]
    error = await refused(bench)
    assert (error.outcome, bench.http.of("POST trade/order")) == (Outcome.NEVER_SENT, [])


@virtually
async def test_rate_that_is_full_is_refused_or_waited_out() -> None:
    bench = Bench()
    bench.http.answers["POST trade/order"] = [bench.http.error("50011"), bench.http.reply(sample("http_place"))]
    error = await refused(bench)
    assert (type(error), error.outcome) == (RateLimitedError, Outcome.REJECTED)
    began_s = bench.clock.now_s()
    await place(bench)
    assert bench.clock.now_s() - began_s >= 2.0


@virtually
async def test_limit_of_the_whole_account_silences_orders_of_every_instrument() -> None:
    for code, waits in (("50011", False), ("50061", True)):
        bench = Bench()
        bench.http.answers["POST trade/order"] = [bench.http.error(code), bench.http.reply(sample("http_place"))]
        await refused(bench)
        began_s = bench.clock.now_s()
        await place(bench, symbol="ETH-USDT")
        assert (bench.clock.now_s() - began_s >= 2.0) is waits


# Cancels


async def cancel(bench: Bench, order_id: str | None = "12345689", client: str | None = tickets.CLIENT_ID) -> Any:
    return await bench.client.cancel_order(
        order_id=order_id, client_order_id=client, deadline_s=5.0, before_send=lambda: None
    )


@virtually
async def test_cancel_names_the_instrument_that_the_order_trades() -> None:
    bench = Bench()
    await place(bench, symbol="BTC-USDC")
    answer = await cancel(bench)
    assert (answer.count, answer.is_pending) == (1, True)
    [asked] = bench.http.of("POST trade/cancel-order")
    assert asked.fields == {"instId": "BTC-USD", "ordId": "12345689"}
    assert bench.http.of("GET trade/orders-pending") == []


@virtually
async def test_cancel_of_an_order_of_before_looks_for_its_instrument_first() -> None:
    bench = Bench()
    whole = loaded("http_cancel")
    whole["data"][0] |= {"ordId": "680800019749904400", "clOrdId": ""}
    bench.http.answers["POST trade/cancel-order"] = [bench.http.reply(compact(whole))]
    await cancel(bench, "680800019749904400", None)
    assert bench.http.of("POST trade/cancel-order")[0].fields["instId"] == "BTC-USDT"
    with pytest.raises(UnknownOrderError) as nowhere:
        await cancel(bench, "404", None)
    assert nowhere.value.outcome is Outcome.REJECTED
    assert len(bench.http.of("POST trade/cancel-order")) == 1


@pytest.mark.parametrize("code", ["51400", "51603", "51401", "51402"])
@virtually
async def test_order_that_is_over_is_no_open_order(code: str) -> None:
    bench = Bench()
    await place(bench)
    item = {"ordId": "12345689", "sCode": code, "sMsg": "over"}
    bench.http.answers["POST trade/cancel-order"] = [bench.http.error("1", "failed", data=[item])]
    with pytest.raises(UnknownOrderError) as over:
        await cancel(bench)
    assert (over.value.outcome, over.value.code) == (Outcome.REJECTED, code)


@virtually
async def test_cancel_that_is_under_way_already_is_no_failure_and_a_lost_one_is_unknown() -> None:
    bench = Bench()
    await place(bench)
    bench.http.answers["POST trade/cancel-order"] = [bench.http.error("51410")]
    assert (await cancel(bench)).is_pending
    for answer in (bench.http.error("51412"), WireError("gone", kind="reset", was_sent=True)):
        bench.http.answers["POST trade/cancel-order"] = [answer]
        with pytest.raises(VenueError) as lost:
            await cancel(bench)
        assert lost.value.outcome is Outcome.UNKNOWN


@virtually
async def test_cancel_goes_on_without_the_right_to_place() -> None:
    bench = Bench()
    await place(bench)
    bench.http.answers["POST trade/order"] = [bench.http.error("50120")]
    await refused(bench)
    assert (await cancel(bench)).count == 1


@virtually
async def test_dead_man_switch_is_armed_and_disarmed() -> None:
    bench = Bench()
    await bench.client.cancel_all_after(60, deadline_s=5.0)
    assert bench.http.of("POST trade/cancel-all-after")[0].fields == {"timeOut": "60"}
    with pytest.raises(ValueError, match="10 to 120"):
        await bench.client.cancel_all_after(5, deadline_s=5.0)
    bench.http.answers["POST trade/cancel-all-after"] = [bench.http.reply(b'{"code":"0","msg":"","data":[]}')]
    with pytest.raises(OutcomeUnknownError):
        await bench.client.cancel_all_after(60, deadline_s=5.0)


@virtually
async def test_with_nothing_left_of_its_time_nothing_leaves_and_the_venue_is_not_blamed() -> None:
    bench = Bench()
    await bench.client.load()
    seen: list[int] = []
    with pytest.raises(VenueError) as refused:
        await bench.client.place_order(tickets.ticket(), deadline_s=0.02, before_send=lambda: seen.append(1))
    assert refused.value.outcome is Outcome.NEVER_SENT
    assert not fault_of(refused.value).counts
    assert (seen, bench.http.of("POST trade/order")) == ([], [])
