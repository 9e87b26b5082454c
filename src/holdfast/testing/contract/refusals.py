"""Cases of limits and refusals: ours keep within the venue's, and its words become our errors."""

from __future__ import annotations

import asyncio

from holdfast.core.venue import Capability, SequencePolicy
from holdfast.errors import (
    BadCredentialError,
    CredentialParkedError,
    Outcome,
    RateLimitedError,
    VenueError,
)
from holdfast.testing.contract.bench import Bench, raised
from holdfast.testing.contract.registry import case

__all__: list[str] = []


@case(Capability.RATE_LIMITS)
async def many_reads_at_once_wait_for_each_other_and_none_is_refused(bench: Bench) -> None:
    read = bench.client.balance_reads[0]
    await bench.client.load()
    answered: list[float] = []

    async def once() -> None:
        # A denial of ours (no room within the deadline, a busy lane) is as good as a wait: the venue was not asked.
        error = await raised(bench.client.read_balances(read))
        if isinstance(error, VenueError):
            assert error.outcome is Outcome.NEVER_SENT, f"the venue refused: {error}"
        elif error is None:
            answered.append(bench.clock.now_s())

    await asyncio.gather(*(once() for _ in range(60)))
    assert len(answered) >= 3


@case(Capability.RATE_LIMITS)
async def the_venues_own_refusal_is_known_as_one_and_the_credential_is_not_parked(bench: Bench) -> None:
    read = bench.client.balance_reads[0]
    await bench.client.read_balances(read)
    bench.front.plan.add(dict(bench.subject.rate_limited))
    error = await raised(bench.client.read_balances(read))
    assert error is None or isinstance(error, RateLimitedError), f"a refusal for the rate was taken for {error!r}"
    assert bench.lane.parked_cause is None
    await asyncio.sleep(120.0)
    await bench.client.read_balances(read)


@case(Capability.ERRORS)
async def a_key_that_is_gone_is_a_bad_credential_and_is_parked(bench: Bench) -> None:
    read = bench.client.balance_reads[0]
    await bench.client.read_balances(read)
    bench.happen("key_revocation", key=bench.key)
    for _ in range(8):  # A venue whose 401 has other reasons too is believed after some of them.
        if isinstance(await raised(bench.client.read_balances(read)), BadCredentialError):
            break
        await asyncio.sleep(15.0)
    else:
        raise AssertionError("a key that is gone was never told to be")
    error = await raised(bench.client.read_balances(read))
    assert isinstance(error, CredentialParkedError), f"a credential that the venue refused was used on: {error!r}"
    assert bench.lane.parked_cause is not None


@case(Capability.ERRORS)
async def an_outage_is_the_venues_fault_and_passes(bench: Bench) -> None:
    """A 5xx, a page, silence: errors of the venue or the network, retried within bounds, and none parks the key."""
    read, name = bench.client.balance_reads[0], bench.subject.calls.balances
    await bench.client.read_balances(read)
    outages = ({"do": "html_error", "status": 503}, {"do": "lose_request"}, {"do": "unreachable", "how": "refused"})
    for action in outages:
        bench.front.plan.add({"kind": "rest", "name": name, "action": action, "until_s": 60.0})
        before_s = bench.clock.now_s()
        error = await raised(bench.client.read_balances(read))
        assert isinstance(error, VenueError), f"{action}: an outage was read as an answer: {error!r}"
        assert bench.clock.now_s() - before_s < 60.0, "a read went on for as long as the outage"
        assert bench.lane.parked_cause is None
        await asyncio.sleep(120.0)
        await bench.client.read_balances(read)


@case(Capability.ERRORS)
async def no_error_and_no_event_shows_a_secret(bench: Bench) -> None:
    secrets = [bench.credential.reveal_secret(), bench.credential.reveal_passphrase()]
    texts: list[str] = []
    for action in ({"do": "answer", "body": '{"code":"1","msg":"no"}', "status": 401}, {"do": "empty"}):
        bench.front.plan.add({"kind": "rest", "action": action, "count": 2})
        error = await raised(bench.client.read_balances(bench.client.balance_reads[0]))
        texts += [str(error), repr(error)]
    bench.happen("key_revocation", key=bench.key)
    error = await raised(bench.client.read_balances(bench.client.balance_reads[0]))
    texts += [str(error), repr(error)]
    texts += [repr(each) for each in bench.events]
    for secret in secrets:
        assert secret is None or all(secret not in text for text in texts)


@case(Capability.ERRORS)
async def signed_calls_of_one_credential_keep_the_venues_order(bench: Bench) -> None:
    """However many callers: nonces rise where the venue has them; where it has none, nobody takes one."""
    read = bench.client.balance_reads[0]
    await bench.client.load()
    results = await asyncio.gather(
        *(bench.client.read_balances(read) for _ in range(6)), bench.client.open_orders(), return_exceptions=True
    )
    assert not [each for each in results if isinstance(each, VenueError)], results
    is_rising = bench.subject.venue.facts.sequence is SequencePolicy.INCREASING_PER_KEY
    assert bool(bench.lane.taken) is is_rising
