"""
What a run looks at: credential, connection, balance, health monitoring; and what every look goes by.

Each look gives a finding, or raises what kept it from looking. What is asked of the venue is asked once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from holdfast.core.assets import Symbol
from holdfast.core.balances import OrdersSnapshot, Snapshot
from holdfast.core.events import Event
from holdfast.core.instruments import Instrument
from holdfast.core.parking import BAD_KEY, CAUSES
from holdfast.core.readiness import CheckOutcome, Finding
from holdfast.core.readiness.causes import fix_of_cause, lost_by
from holdfast.core.readiness.judging import (
    earned,
    exempt,
    judge_account,
    judge_agreement,
    judge_clock,
    judge_expiry,
    judge_held,
    judge_ip_list,
    judge_latency,
    judge_status,
    judge_trade_rights,
    judge_withdrawal,
    lost,
    reference_of,
)
from holdfast.core.venue import Capability, CredentialInfo, SequencePolicy, ServerTime, VenueClient
from holdfast.errors import (
    BadCredentialError,
    ConfigError,
    CredentialParkedError,
    NotReadyError,
    Outcome,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnsupportedError,
    VenueBusyError,
    VenueRejectedError,
)
from holdfast.runtime.readiness.answers import Answer, Answers
from holdfast.runtime.readiness.rehearsal import Rehearsal
from holdfast.runtime.readiness.subject import Subject

if TYPE_CHECKING:
    from holdfast.runtime.supervisor import Supervisor

__all__ = ["Looks"]

_AGAIN_AFTER_S: Final = 1.5
_AGREE_ATTEMPTS: Final = 3
_REFRESH_WITHIN_S: Final = 15.0
_CURRENT_WITHIN_S: Final = 8.0
_FILLS_OF_S: Final = 86_400.0
_QUESTIONS: Final = {"open orders": "orders", "closed orders": "closed", "fills": "fills", "ledger": "ledger"}
"""What the reads are called among the answers; the balance has the venue's own name."""

_NEEDS_MENDING: Final = "Mend what kept it from being asked first."


class Looks:
    """
    The looks of one run, and what they have seen.

    Attributes:
        answers: What was asked of the venue.
        info: The venue's word on the credential, once it was given.
        happened: Names of the broker's events since the run began, with their fields.
        took_s: How long first answers took, by what was asked.
        lost: Findings of the checks that were lost so far, by name.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.answers = Answers(subject.clock)
        self.info: CredentialInfo | None = None
        self.happened: list[Event] = []
        self.took_s: dict[str, float] = {}
        self.lost: dict[str, Finding] = {}
        self._blamed: dict[str, str] = {}  # The check that a failing question cost first.
        self._costs: dict[str, str] = {}  # The check that an error cost first, by its words.
        self._rehearsal: Rehearsal | None = None
        self._facts = subject.surroundings.facts
        self.by_check: dict[str, Callable[[], Awaitable[Finding]]] = {
            "credentials.present": self.present,
            "credentials.form": self.form,
            "credentials.accepted": self.accepted,
            "credentials.read_rights": self.read_rights,
            "credentials.trade_rights": self.trade_rights,
            "credentials.no_withdrawal": self.no_withdrawal,
            "credentials.expiry": self.expiry,
            "credentials.ip_list": self.ip_list,
            "connection.reach": self.reach,
            "connection.tls": self.tls,
            "connection.clock": self.clock,
            "connection.status": self.status,
            "connection.account": self.account,
            "connection.latency": self.latency,
            "balance.agree": self.agree,
            "balance.held": self.held,
            "balance.zero": self.zero,
            "balance.current": self.current,
            "health.counted": self.counted,
            "health.last_good": self.last_good,
            "health.recovery": self.recovery,
        }

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what the broker says of itself for the block."""
        supervisor = self.subject.supervisor
        if supervisor is None:
            yield
            return
        name = self.subject.name

        def hear(event: Event) -> None:
            if event.fields.get("broker") == name and event.name != "readiness.progressed":
                self.happened.append(event)

        subscription = supervisor.account.emitter.subscribe(hear)
        try:
            yield
        finally:
            subscription.close()

    def warnings(self) -> tuple[str, ...]:
        """What is to be shouted."""
        info = self.info
        if info is None:
            return ()
        return ("THIS KEY CAN WITHDRAW: whoever steals it takes the money.",) if info.can_withdraw else ()

    @property
    def client(self) -> VenueClient:
        """The venue's calls; raises ``ConfigError`` where there are none."""
        client = self.subject.client
        if client is None:
            raise ConfigError(f"{self.subject.name}: nothing could be put together to ask the venue with")
        return client

    @property
    def supervisor(self) -> Supervisor:
        """The broker's; raises ``ConfigError`` where it could not be opened."""
        supervisor = self.subject.supervisor
        if supervisor is None:
            raise ConfigError(f"{self.subject.name}: it could not be opened")
        return supervisor

    def lost_by(self, error: BaseException, *, check: str, what: str, question: str | None = None) -> Finding:
        """
        The finding for *check*, which *error* has lost: what follows from another where one of the same cause was lost.

        *question* is what was asked: the first check that it cost names the cause, and the others follow.
        """
        finding = lost_by(error, broker=self.subject.name, what=what)
        roots = [self._root_of(error), self._costs.setdefault(f"{type(error).__name__}: {error}", check)]
        if question is not None:
            roots.append(self._blamed.setdefault(question, check))
        return self.follow(finding, *(root for root in roots if root != check))

    def _root_of(self, error: BaseException) -> str | None:
        if isinstance(error, PermissionMissingError):
            return "credentials.read_rights"
        if isinstance(error, CredentialParkedError):
            return "credentials.accepted"
        if isinstance(error, NotReadyError) or not self._is_listed:
            return "market.products"
        if isinstance(error, TimeoutError) or getattr(error, "outcome", None) is Outcome.NEVER_SENT:
            return "balance.agree"  # Figures in dispute are read again and again, and use up the key's rate limit.
        if isinstance(error, VenueBusyError) and not isinstance(error, RateLimitedError):
            return "connection.status"
        return None

    @property
    def _is_listed(self) -> bool:
        client = self.subject.client
        return client is None or bool(client.instruments)

    def follow(self, finding: Finding, *roots: str | None) -> Finding:
        """*finding*, where it is lost, as what follows from the first of *roots* that was; itself where none was."""
        for root in roots if finding.outcome is CheckOutcome.LOST else ():
            if root is not None and root in self.lost:
                return lost(finding.evidence, finding.fix, follows=self.lost[root].follows or root)
        return finding

    def venue_now_s(self) -> float:
        """Unix seconds on the venue's clock, as this run heard it."""
        clock = self.subject.clock
        wall_s = clock.wall_us() / 1_000_000
        answer = self.answers.known("time")
        time = None if answer is None else answer.value
        return wall_s if not isinstance(time, ServerTime) else time.venue_time_s + clock.now_s() - time.received_s

    def exempt_by_facts(self, check: str) -> Finding | None:
        """The finding for what the venue offers nothing of, whatever else is wrong; None where there is a look."""
        facts, lacks = self._facts, self._facts.lacks
        if check == "connection.status" and Capability.VENUE_STATUS in lacks:
            return exempt("The venue has no word about itself.", lacks[Capability.VENUE_STATUS])
        if check == "trade.dry_run" and Capability.ORDER_CHECK in lacks:
            reason = lacks[Capability.ORDER_CHECK]
            return exempt("No order was tried: the venue validates nothing that it does not place.", reason)
        if check in ("stream.snapshot", "stream.sequence") and not facts.has_stream:
            why = lacks.get(Capability.ORDER_STREAM, "the venue has no private stream")
            return exempt("The venue has no private stream.", why)
        if check == "stream.nonces" and facts.sequence is SequencePolicy.NONE:
            why = "the venue has no nonces: it takes unique tokens or timestamps"
            return exempt("Signed calls carry no rising number.", why)
        return None

    # Credentials

    async def present(self) -> Finding:
        supervisor = self.supervisor
        on_disk = "same" if supervisor.on_disk is None else supervisor.on_disk()
        if on_disk == "same":
            return earned("Every part of it was found, and is the one in use.")
        if on_disk == "changed":
            return lost(
                "What would be read now is another credential than the one in use.",
                "Restart the process that uses it, so that it takes the new one.",
            )
        # Read once and taken out of the environment: what is in use was found then.
        return earned("Every part of it was found when the broker was opened.")

    async def form(self) -> Finding:
        return earned(f"No blank or line break around it, in {self.subject.venue}'s form, for {self._environment}.")

    @property
    def _environment(self) -> str:
        return self.subject.environment

    async def accepted(self) -> Finding:
        lacks = self._facts.lacks.get(Capability.CREDENTIAL_INFO)
        if lacks is not None:
            client = self.client
            answer = await self.answers.ask(client.balance_reads[0], lambda: self._read(client.balance_reads[0]))
            if answer.error is None:
                return earned(f"{client.balance_reads[0]} was answered; {lacks}.")
            return self._refused(answer, client.balance_reads[0])
        told = await self.answers.ask("credential_info", self.client.credential_info)
        if told.value is not None:
            self.info = told.value
            return earned(f"The venue answered for this key in {told.took_s:.2f} s.")
        return self._refused(told, "The venue's word on the key")

    def _refused(self, answer: Answer[CredentialInfo] | Answer[Snapshot], what: str) -> Finding:
        error = answer.error
        assert error is not None
        is_known = f"{type(error).__name__}: {error}" in self._costs
        if isinstance(error, PermissionMissingError | PayloadError) and not is_known:
            return earned(f"The signature was accepted; {what}: {error}")
        finding = self.lost_by(error, check="credentials.accepted", what=what)
        named = self._parked_cause() if isinstance(error, BadCredentialError) else None
        if named is None and type(error) is VenueRejectedError:
            named = BAD_KEY  # A venue that says no more than no.
        if named is None:
            return finding
        fix = fix_of_cause(named, broker=self.subject.name)
        known = CAUSES.get(named)
        return lost(f"{finding.evidence} ({named if known is None else known.meaning})", fix)

    def _parked_cause(self) -> str | None:
        supervisor = self.subject.supervisor
        return None if supervisor is None else supervisor.status().nonce.parked_cause

    def _told(self) -> CredentialInfo | Finding:
        """The venue's word on the key, or why there is none."""
        if self.info is not None:
            return self.info
        lacks = self._facts.lacks.get(Capability.CREDENTIAL_INFO)
        if lacks is not None:
            return exempt("The venue was not asked: it has no such call.", lacks)
        answer = self.answers.known("credential_info")
        error = None if answer is None else answer.error
        if error is None:
            return lost("The venue's word on the key is not known.", _NEEDS_MENDING)
        return self.lost_by(error, check="", what="The venue's word on the key")

    async def read_rights(self) -> Finding:
        client, lacks = self.client, self._facts.lacks
        since_s = self.venue_now_s() - _FILLS_OF_S
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "balances": lambda: self.answers.ask(client.balance_reads[0], lambda: self._read(client.balance_reads[0])),
            "open orders": lambda: self.answers.ask("orders", client.open_orders),
            "closed orders": lambda: self.answers.ask("closed", lambda: client.closed_orders(since_s=since_s)),
            "fills": lambda: self.answers.ask("fills", lambda: client.fills(since_s=since_s)),
        }
        if Capability.LEDGER not in lacks:
            asked["ledger"] = lambda: self.answers.ask("ledger", lambda: client.ledger_rows(since_s=since_s))
        missing, unanswered = [], []
        for name, ask in asked.items():
            answer = await ask()
            assert isinstance(answer, Answer)
            if isinstance(answer.error, PermissionMissingError):
                missing.append((name, answer.error))
            elif answer.error is not None and not isinstance(answer.error, PayloadError):
                unanswered.append((name, answer.error))
        for name, error in (*missing, *unanswered):
            for each, _ in unanswered:
                self._blamed.setdefault(_QUESTIONS.get(each, client.balance_reads[0]), "credentials.read_rights")
            finding = self.lost_by(error, check="credentials.read_rights", what=f"Reading {name}")
            more = len(missing) + len(unanswered) - 1
            evidence = f"{finding.evidence}{f' (and {more} more reads)' if more else ''}"
            return lost(evidence, finding.fix, follows=finding.follows)
        return earned(f"Answered: {', '.join(asked)}.")

    async def trade_rights(self) -> Finding:
        told = self._told()
        return told if isinstance(told, Finding) else judge_trade_rights(told, self._facts.trade_rights)

    async def no_withdrawal(self) -> Finding:
        told = self._told()
        return told if isinstance(told, Finding) else judge_withdrawal(told)

    async def expiry(self) -> Finding:
        told = self._told()
        return told if isinstance(told, Finding) else judge_expiry(told, venue_now_s=self.venue_now_s())

    async def ip_list(self) -> Finding:
        told = self._told()
        if isinstance(told, Finding):
            return told
        if self._environment == "simulated" and not told.ip_allow_list:
            return exempt("The key is bound to no address.", "a simulator is reached from this machine only")
        return judge_ip_list(told, is_told=self._facts.tells_ip_list)

    # Connection

    async def reach(self) -> Finding:
        answer = await self.answers.ask("time", self.client.server_time)
        time = answer.value
        if time is None:
            assert answer.error is not None
            return await self._reached_otherwise(answer.error)
        took_s = time.received_s - time.sent_s
        self.took_s["the venue's clock"] = took_s
        return earned(f"{self.subject.surroundings.rest_url} answered in {took_s * 1000:.0f} ms.")

    async def _reached_otherwise(self, error: BaseException) -> Finding:
        """The venue's clock cannot be read: whether the venue is there all the same, by another unsigned call."""
        url = self.subject.surroundings.rest_url
        if Capability.VENUE_STATUS not in self._facts.lacks:
            answer = await self.answers.ask("status", self.client.status)
            if answer.error is None:
                self.took_s["the venue's status"] = answer.took_s
                return earned(f"{url} told its status in {answer.took_s * 1000:.0f} ms, and not its time.")
        return lost_by(error, broker=self.subject.name, what=url)

    async def tls(self) -> Finding:
        return await self.subject.surroundings.look_at_tls(self.subject.surroundings.rest_url)

    async def clock(self) -> Finding:
        answer = self.answers.known("time")
        assert answer is not None
        if isinstance(answer.value, ServerTime):
            return judge_clock(answer.value)
        assert answer.error is not None
        return self.lost_by(answer.error, check="connection.clock", what="The venue's clock")

    async def status(self) -> Finding:
        answer = await self.answers.ask("status", self.client.status)
        if answer.value is None:
            assert answer.error is not None
            return self.lost_by(answer.error, check="connection.status", what="The venue's status")
        return judge_status(answer.value)

    async def account(self) -> Finding:
        told = self._told()
        if isinstance(told, Finding):
            return told
        supervisor = self.subject.supervisor
        from holdfast.runtime.readiness.run import shortened

        pinned = None if supervisor is None else supervisor.account_id
        return judge_account(told, pinned=pinned, shown=shortened(told.account_id))

    async def latency(self) -> Finding:
        return judge_latency(self.took_s)

    # Balances

    async def _detailed(self, check: str) -> Snapshot | Finding:
        read = self.client.balance_reads[0]
        answer = await self.answers.ask(read, lambda: self._read(read))
        return self._read_of(answer, read, check)

    async def _read(self, read: str) -> Snapshot:
        snapshot = await self.client.read_balances(read)
        if read == self.client.balance_reads[0] and read not in self.took_s:
            # From the moment it left: what it waited for before is not the venue's time. The others may be many calls.
            self.took_s[read] = self.subject.clock.now_s() - snapshot.as_of_s
        return snapshot

    def _read_of(self, answer: Answer[Snapshot], read: str, check: str) -> Snapshot | Finding:
        if answer.value is not None:
            return answer.value
        assert answer.error is not None
        return self.lost_by(answer.error, check=check, what=read, question=read)

    async def agree(self) -> Finding:
        client = self.client
        finding = lost("Not compared.", _NEEDS_MENDING)
        for attempt in range(_AGREE_ATTEMPTS):
            reads = []
            for read in client.balance_reads:
                answer = await self.answers.ask(read, lambda read=read: self._read(read), is_again=bool(attempt))  # type: ignore[misc]
                found = self._read_of(answer, read, "balance.agree")
                if isinstance(found, Finding):
                    return found
                reads.append(found)
            await self.supervisor.refresh(timeout_s=_REFRESH_WITHIN_S)
            finding = judge_agreement(reads[0], reads[1:], self.supervisor.balances())
            if finding.outcome is CheckOutcome.EARNED:
                return finding
            await asyncio.sleep(_AGAIN_AFTER_S)  # Money may have moved between two reads.
        return finding

    async def held(self) -> Finding:
        finding = lost("Not compared.", _NEEDS_MENDING)
        for attempt in range(_AGREE_ATTEMPTS):
            orders: Answer[OrdersSnapshot] = await self.answers.ask(
                "orders", self.client.open_orders, is_again=bool(attempt)
            )
            if orders.value is None:
                assert orders.error is not None
                return self.lost_by(orders.error, check="balance.held", what="The open orders", question="orders")
            read = self.client.balance_reads[0]
            answer = await self.answers.ask(read, lambda read=read: self._read(read), is_again=bool(attempt))  # type: ignore[misc]
            detailed = self._read_of(answer, read, "balance.held")
            if isinstance(detailed, Finding):
                return detailed
            finding = judge_held(detailed, orders.value)
            if finding.outcome is CheckOutcome.EARNED:
                return finding
            await asyncio.sleep(_AGAIN_AFTER_S)
        return finding

    async def zero(self) -> Finding:
        detailed = await self._detailed("balance.zero")
        if isinstance(detailed, Finding):
            return detailed
        supervisor = self.supervisor
        report = await supervisor.refresh(timeout_s=_REFRESH_WITHIN_S)
        if not report.reads:
            finding = lost(
                f"A fresh answer was not believed: {report.error}.",
                f"`holdfast force-balance-refresh {self.subject.name}` asks again and says what is wrong with it.",
            )
            return self.follow(finding, "balance.agree")
        if report.suspects or not supervisor.has_figures:
            named = ", ".join(report.suspects[:3]) or "the whole answer"
            return lost(
                f"Not believed until a second, different read agrees: {named}.",
                "Compare the account with the venue's own page. Where it is really empty, wait a minute and run again: "
                "then two reads say so.",
            )
        empty = next((code for code in sorted(supervisor.assets) if code not in detailed.holdings), None)
        if empty is None:
            return earned(f"{detailed.read} was believed; the account has a figure for everything that is listed.")
        figure = supervisor.balance(empty)
        if figure.total is None or figure.total != 0 or figure.state.value == "unknown":
            return lost(
                f"{empty}, which the account does not hold, is {figure.state.value} and not a proven zero.",
                f"`holdfast explain {self.subject.name} {empty}` says why.",
            )
        return earned(
            f"{detailed.read} was believed with {len(detailed.holdings)} assets; {empty}, never held, is a proven zero "
            f"({figure.state.value})."
        )

    async def current(self) -> Finding:
        supervisor = self.supervisor
        until_s = self.subject.clock.now_s() + _CURRENT_WITHIN_S
        while True:
            status = supervisor.status()
            old = [
                f"{asset} is {each.state.value}" + (f" ({each.reason})" if each.reason else "")
                for asset, each in supervisor.balances().items()
                if each.state.value not in ("live", "fresh")
            ]
            is_good = not old and not status.discrepancies and supervisor.has_figures
            left_s = until_s - self.subject.clock.now_s()
            if is_good or left_s <= 0:
                break
            await supervisor.changed(within_s=min(0.5, left_s))
        if not is_good:
            told = old[:3] or [f"{status.discrepancies} figures are in dispute"]
            if not supervisor.has_figures:
                told = ["no complete answer was believed yet"]
            finding = lost(
                f"{'; '.join(told)}.",
                f"`holdfast emergency-repair {self.subject.name}` finds out why, and mends what may be mended.",
            )
            return self.follow(finding, "balance.agree", "balance.held", "credentials.read_rights")
        states = ", ".join(f"{count} {word}" for word, count in status.states.items() if count)
        return earned(f"Figures: {states or 'none held'}; no two sources disagree.")

    # Health monitoring

    async def counted(self) -> Finding:
        client = self.client
        snapshots = []
        for read in client.balance_reads:
            answer = await self.answers.ask(read, lambda read=read: self._read(read))  # type: ignore[misc]
            found = self._read_of(answer, read, "health.counted")
            if isinstance(found, Finding):
                return found
            snapshots.append(found)
        self._rehearsal = Rehearsal(
            client,
            snapshots,
            broker=self.subject.name,
            failure_threshold=self.supervisor.failure_threshold,
            took_s=self.took_s.get(client.balance_reads[0], 0.0),
            clock=self.subject.clock,
        )
        return await self._rehearsal.counted()

    async def last_good(self) -> Finding:
        assert self._rehearsal is not None
        return await self._rehearsal.last_good()

    async def recovery(self) -> Finding:
        assert self._rehearsal is not None
        found = await self._rehearsal.recovery()
        return self.follow(found, "balance.agree", "balance.held", "balance.current")

    # What is listed

    def listed(self) -> Mapping[Symbol, Instrument]:
        """What the venue lists; raises ``NotReadyError`` where that was never read."""
        if not self.client.instruments:
            raise NotReadyError(f"{self.subject.name}: what the venue lists was not read", checks=("market.products",))
        return self.client.instruments

    def reference(self) -> Instrument:
        """The instrument that stands for the others; raises ``UnsupportedError`` where none of them is listed."""
        self.listed()
        found = reference_of(self.client.instruments)
        if found is None:
            raise UnsupportedError(
                f"{self.subject.venue} lists no bitcoin against dollars, their tokens or euros",
                capability="instruments",
            )
        return found
