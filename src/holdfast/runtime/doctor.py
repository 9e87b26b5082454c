"""
A check-up of one broker: configuration, permissions on secrets, store, clock, venue, disk, and how its owner stands.

Nothing signed is sent, nothing is mended, and nobody is disturbed: the venue is asked its time and its status without a
key, and an account that another process owns is looked at through that process. What was found wrong says what to do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.core.breakers import BreakerState
from holdfast.core.checkup import (
    Check,
    CheckState,
    DoctorReport,
    clock_check,
    disk_check,
    failed,
    passed,
    skipped,
    warned,
)
from holdfast.core.parking import BAD_KEYS, CAUSES, CLOCK, LOCKOUT
from holdfast.core.repair import duration, halt_advice, store_advice
from holdfast.core.seams import Priority, Turn
from holdfast.core.venue import ServerTime, VenueMode
from holdfast.core.venue_time import VenueTime, offset_s
from holdfast.core.verdicts import TradingState
from holdfast.errors import (
    ConfigError,
    DeniedError,
    FaultClass,
    HoldfastError,
    OwnedElsewhereError,
    OwnerSilentError,
    StoreCorruptError,
    StoreError,
    VenueError,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from holdfast.config import BrokerConfig, Config
    from holdfast.core.credentials import Credential
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.parts import Parts
    from holdfast.runtime.views import BrokerStatus

__all__ = ["STEPS", "examine"]

STEPS: Final = ("config", "state folder", "permissions", "disk", "venue", "account")
"""What is looked at, in order. ``account`` is its owner, its credential, its store, and how the broker stands."""

_SLOW_S: Final = 2.0
_FILES_MAX: Final = 5_000


async def examine(
    config: Config,
    name: str,
    *,
    broker: Broker | None = None,
    parts: Parts | None = None,
    tell: Callable[[str], None] | None = None,
) -> DoctorReport:
    """
    Examine the broker *name* of *config*. Suspends; never raises for what is wrong with it.

    Args:
        config: What was loaded, so that it is known to be readable.
        name: Of a broker in it.
        broker: The same, where it is open already; opened for the moment where None.
        parts: Other makers of clock, wires and stores than the real ones; for tests.
        tell: Called with the name of each step of ``STEPS`` before it is taken.
    """
    return await _Examination(config, config.brokers[name], broker, parts, tell or _nothing).run()


class _Examination:
    def __init__(
        self,
        config: Config,
        broker: BrokerConfig,
        given: Broker | None,
        parts: Parts | None,
        tell: Callable[[str], None],
    ) -> None:
        self._config = config
        self._broker = broker
        self._given_broker = given
        self._given_parts = parts
        self._parts = parts
        self._tell = tell
        self._offset_s: float | None = None
        self._key_problem: ConfigError | None = None
        self._record: str | None = None
        self._credential: Credential | None = None

    async def run(self) -> DoctorReport:
        checks: list[Check] = []
        for name, look in (
            ("config", self._look_at_config),
            ("state folder", self._look_at_state_folder),
            ("permissions", self._look_at_permissions),
            ("disk", self._look_at_disk),
        ):
            self._tell(name)
            checks += look()
        self._tell("venue")
        checks += await self._ask_venue()
        checks.append(self._look_at_clock())
        self._tell("account")
        checks += await self._look_at_account()
        return DoctorReport(broker=self._broker.name, checks=tuple(checks), record=self._record)

    # This machine

    def _look_at_config(self) -> list[Check]:
        path = self._config.path
        if path is None:
            return [passed("config", "given by the program that asks")]
        found = Path(path).stat()
        if stat.S_IMODE(found.st_mode) & 0o022:
            fix = f"chmod go-w {path}"
            return [warned("config", f"{path} can be changed by other users, and says where keys are read from", fix)]
        return [passed("config", f"{path} is well-formed; it names {', '.join(self._config.brokers)}")]

    def _look_at_state_folder(self) -> list[Check]:
        if self._given_parts is not None:
            return [skipped("state folder", "none is used here")]
        from holdfast.runtime.parts import real_parts
        from holdfast.runtime.state_folder import StateFolder

        try:
            root = StateFolder.open(self._config.state_dir).root
            self._parts = real_parts(self._config)
        except ConfigError as error:
            return [failed("state folder", str(error), exit_code=3)]
        return [passed("state folder", f"{root} is ours alone, and its file locks exclude")]

    def _look_at_permissions(self) -> list[Check]:
        """Files that hold a secret, and files that hold amounts and ids: nobody else may read them."""
        checks = []
        if self._given_parts is None and self._parts is not None:
            checks.append(self._permissions_of_state())
        if self._parts is None:
            return [skipped("credential", "the state folder cannot be used")]
        try:
            self._credential = self._parts.credential(self._broker, self._parts.venue(self._broker.venue))
        except ConfigError as error:
            # Whether that is wrong depends on who owns the account: attaching needs no credential.
            self._key_problem = error
        return checks

    def _permissions_of_state(self) -> Check:
        from holdfast.runtime.state_folder import StateFolder

        root = StateFolder.open(self._config.state_dir).root
        wide = [path for path in _files_below(root) if stat.S_IMODE(path.lstat().st_mode) & 0o077]
        if wide:
            named = ", ".join(str(path) for path in wide[:3])
            return failed("permissions", f"{len(wide)} files of ours are open to others: {named}", _CHMOD, exit_code=3)
        return passed("permissions", f"nothing below {root} is open to other users")

    def _look_at_disk(self) -> list[Check]:
        if self._given_parts is not None:
            return [skipped("disk", "no folder is used here")]
        from holdfast.runtime.state_folder import StateFolder

        try:
            root = StateFolder.open(self._config.state_dir).root
            free = shutil.disk_usage(root).free
            inodes = os.statvfs(root)
        except (ConfigError, OSError) as error:
            return [skipped("disk", f"cannot be measured: {error}")]
        free_files = inodes.f_favail if inodes.f_files else None
        return [disk_check(str(root), free_bytes=free, free_files=free_files)]

    # The venue, unsigned

    async def _ask_venue(self) -> list[Check]:
        parts, broker = self._parts, self._broker
        if parts is None:
            return [skipped("venue", "the state folder cannot be used")]
        from holdfast.runtime.open import site_of

        silence = await self._lockout(parts)
        if silence is not None:
            return [skipped("venue", f"not asked: {silence}")]
        http, client = None, None
        try:
            venue = parts.venue(broker.venue)
            site = site_of(broker, venue)
            offered: dict[str, object] = {
                "must_be_simulator": broker.environment == "simulated",
                "environment": broker.environment,
                "region": broker.region,
                "exchange": broker.exchange,
                "venue_time": VenueTime(parts.clock),
                "read_deadline_s": broker.reading.read_deadline_s,
                "random": parts.randomness,
            }
            http = parts.http(broker)
            client = venue.client(
                http=http,
                lane=_NoLane(),
                credential=None,
                clock=parts.clock,
                emit=_ignore,
                rest_url=site.rest_url,
                account=broker.name,
                options={name: value for name, value in offered.items() if name in venue.facts.options},
            )
            time = await client.server_time()
            self._offset_s = offset_s(time)
            status = await client.status()
        except ConfigError as error:
            return [failed("venue", str(error), exit_code=3)]
        except HoldfastError as error:
            return [_venue_fault(error)]
        finally:
            if client is not None:
                await client.close()
            if http is not None:
                await http.close()
        return [_venue_check(site.rest_url, time, status.mode, status.detail)]

    async def _lockout(self, parts: Parts) -> str | None:
        """Why not even an unsigned call may leave: the venue asked for silence. None where it did not."""
        broker = self._given_broker
        if broker is not None:
            return _silence_in(broker.status())
        if self._credential is not None:
            from holdfast.runtime.lane import FileLane
            from holdfast.runtime.silence import lockout_of

            lane = parts.lane(self._broker, self._credential, _ignore)
            try:
                refused = await lockout_of(lane, parts.clock, name=self._broker.name)
            finally:
                if isinstance(lane, FileLane):
                    lane.close()
            return None if refused is None else str(refused)
        from holdfast.runtime.open import open as open_desk

        with contextlib.suppress(HoldfastError):  # Without a key only an owner can tell; what is wrong is told later.
            async with open_desk(
                self._config, mode="attach", brokers=[self._broker.name], contact="none", parts=self._given_parts
            ) as desk:
                return _silence_in(desk[self._broker.name].status())
        return None

    def _look_at_clock(self) -> Check:
        if self._offset_s is None:
            return skipped("clock", "the venue's clock was not read")
        return clock_check(self._offset_s)

    # The account: through its owner, or as its owner for a moment

    async def _look_at_account(self) -> list[Check]:
        from holdfast.runtime.open import open as open_desk

        if self._given_broker is not None:
            checks = self._checks_of(self._given_broker, owner_pid_of(self._given_broker))
            await self._note(self._given_broker, checks)
            return checks
        if self._parts is None:
            return [skipped("account", "the state folder cannot be used")]
        try:
            async with open_desk(
                self._config, brokers=[self._broker.name], contact="none", parts=self._given_parts
            ) as desk:
                broker = desk[self._broker.name]
                checks = self._checks_of(broker, owner_pid_of(broker))
                await self._note(broker, checks)
                return checks
        except OwnedElsewhereError as error:
            return [*self._credential_check(None), failed("owner", str(error), exit_code=9)]
        except OwnerSilentError as error:
            advice = () if error.pid is None else (f"`kill -CONT {error.pid}` lets it go on; or end it",)
            return [*self._credential_check(None), failed("owner", str(error), advice, exit_code=9)]
        except StoreError as error:
            reason = "corrupt" if isinstance(error, StoreCorruptError) else "failed"
            advice = (store_advice(self._broker.name, reason, path="the store"),)
            return [*self._credential_check(None), failed("store", str(error), advice, exit_code=1)]
        except ConfigError as error:
            return [failed("credential", str(error), exit_code=3), skipped("store", "it is opened with a credential")]
        except HoldfastError as error:
            return [*self._credential_check(None), failed("account", str(error), exit_code=error.exit_code)]

    def _checks_of(self, broker: Broker, owner_pid: int | None) -> list[Check]:
        status = broker.status()
        owner = (
            passed("owner", "no other process owns the account")
            if owner_pid is None
            else passed("owner", f"process {owner_pid} owns the account, and answers")
        )
        checks = [*self._credential_check(owner_pid), owner, _store_check(status)]
        checks += _parking_checks(status)
        checks += _breaker_checks(status)
        checks += _halt_checks(status, pid=owner_pid or os.getpid())
        checks += [warned("key", note) for note in status.notes]
        if owner_pid is not None:
            checks.append(_figures_check(status))
        return checks

    def _credential_check(self, owner_pid: int | None) -> list[Check]:
        problem = self._key_problem
        if problem is None:
            return [passed("credential", "complete, private and well-formed; the venue was not asked about it")]
        if owner_pid is not None:
            return [warned("credential", f"process {owner_pid} has one; this one has none that can be used: {problem}")]
        return [failed("credential", str(problem), exit_code=3)]

    async def _note(self, broker: Broker, checks: Iterable[Check]) -> None:
        wrong = [check.name for check in checks if check.state is CheckState.FAILED]
        outcome = f"wrong: {', '.join(wrong)}" if wrong else "well"
        self._record = await broker.note_visit("doctor", outcome=outcome)


def owner_pid_of(broker: Broker) -> int | None:
    """The process that owns the account, where that is another one."""
    from holdfast.runtime.attach.remote import RemoteBroker

    backend = broker._backend
    return backend.attachment.owner_pid if isinstance(backend, RemoteBroker) else None


def _venue_check(url: str, time: ServerTime, mode: VenueMode, detail: str | None) -> Check:
    took_s = time.received_s - time.sent_s
    found = f"{url} answered within {took_s * 1000:.0f} ms, and is {mode.value}"
    if mode not in (VenueMode.ONLINE, VenueMode.UNKNOWN):
        why = f" ({detail})" if detail else ""
        return failed("venue", found + why, ("wait: figures and orders come back with it by themselves",), exit_code=6)
    if took_s > _SLOW_S:
        return warned("venue", found, "a slow network makes orders miss their validity")
    return passed("venue", found)


def _silence_in(status: BrokerStatus) -> str | None:
    cause, for_s = status.nonce.parked_cause, status.nonce.parked_for_s
    if cause != LOCKOUT:
        return None
    until = "until a person acts" if for_s is None else f"for another {duration(for_s)}"
    return f"the key is locked out {until}, and nothing at all is sent meanwhile"


def _store_check(status: BrokerStatus) -> Check:
    store = status.store
    if store.is_ok:
        return passed("store", f"{store.path} opens, and takes writes; {store.last_seq} rows")
    reason = store.reason or "failed"
    advice = (store_advice(status.broker, reason, path=store.path),)
    return failed("store", f"{store.path} takes no writes ({reason})", advice, exit_code=1)


def _parking_checks(status: BrokerStatus) -> list[Check]:
    cause, for_s = status.nonce.parked_cause, status.nonce.parked_for_s
    if cause is None:
        return [passed("parking", "the credential is not parked")]
    until = "until a person acts" if for_s is None else f"for another {duration(for_s)}"
    known = CAUSES.get(cause)
    found = f"parked for {cause} {until}" + ("" if known is None else f": {known.meaning}")
    retry = f"`holdfast nonce doctor --broker {status.broker} --retry`"
    advice: tuple[str, ...] = (f"`holdfast nonce doctor --broker {status.broker}` tells why and what to do",)
    if cause in BAD_KEYS:
        advice = (f"mend the key, restart whoever uses it, then {retry}",)
    elif cause == LOCKOUT:
        advice = ("wait until it has passed, and stop every other program that uses the key",)
    elif cause == CLOCK:
        advice = (f"set this machine's clock, then `holdfast emergency-repair {status.broker}`",)
    return [failed("parking", found, advice, exit_code=7 if cause == LOCKOUT else 3)]


def _breaker_checks(status: BrokerStatus) -> list[Check]:
    shut = {
        each.name: each.breaker.state
        for each in status.capabilities
        if each.breaker.state is not BreakerState.CLOSED and each.name != "stream"
    }
    if not shut:
        return [passed("breakers", "closed")]
    named = ", ".join(f"{name} {state.value}" for name, state in shut.items())
    reset = f"`holdfast reset-circuit-breaker {status.broker}` closes them"
    if BreakerState.ISOLATED in shut.values():
        return [failed("breakers", f"{named}: a person holds one open", (reset,), exit_code=6)]
    return [failed("breakers", named, (f"they heal by themselves; {reset} at once",), exit_code=6)]


def _halt_checks(status: BrokerStatus, *, pid: int) -> list[Check]:
    reason = status.halted_reason
    if reason is None:
        return [passed("orders", f"taken: {status.trading_state.value}")]
    is_stopped = reason == "invariant" and status.trading_state is TradingState.ACTIVE
    advice = (halt_advice(status.broker, reason, pid=pid, is_stopped=is_stopped),)
    why = f": {status.halted_detail}" if status.halted_detail else ""
    return [failed("orders", f"halted ({reason}){why}", advice, exit_code=6)]


def _venue_fault(error: HoldfastError) -> Check:
    is_away = isinstance(error, VenueError) and error.fault is FaultClass.NETWORK
    if is_away:
        return failed("venue", f"it does not answer: {error}", (_REACH,), exit_code=6)
    return failed("venue", f"it answers, and not as it should: {error}", (_WAIT_FOR_VENUE,), exit_code=6)


def _figures_check(status: BrokerStatus) -> Check:
    states = ", ".join(f"{count} {word}" for word, count in status.states.items() if count) or "none held"
    found = f"{states}; stream {status.stream.state}"
    repair = f"`holdfast emergency-repair {status.broker}`"
    reasons = [reason for reason in status.reasons if not reason.startswith(_TOLD_ELSEWHERE)]
    if status.discrepancies or (not status.is_available and reasons):
        found += f"; {status.discrepancies} in dispute" if status.discrepancies else f"; {', '.join(reasons)}"
        return failed("figures", found, (f"{repair} finds out, and mends what may be mended",), exit_code=5)
    if status.states.get("stale", 0) or status.suspects or not status.assets:
        advice = (f"`holdfast force-balance-refresh {status.broker}` reads them again; {repair} does more",)
        return failed("figures", found, advice, exit_code=5)
    if status.in_doubt:
        return warned("figures", f"{found}; {status.in_doubt} orders in doubt", f"{repair} looks for evidence now")
    return passed("figures", found)


class _NoLane:
    """The lane of a client that signs nothing."""

    def turn(self, *, priority: Priority, wait_s: float | None = None) -> AbstractAsyncContextManager[Turn]:
        raise DeniedError("a check-up signs nothing")


def _files_below(root: Path) -> list[Path]:
    """Every file and socket of ours, and folders, a bounded number of them."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        found += [Path(folder, each) for each in (*folders, *files)]
        if len(found) > _FILES_MAX:
            break
    return found


_CHMOD: Final = ("chmod -R go-rwx on them: they hold amounts, account ids and marks",)


_TOLD_ELSEWHERE: Final = ("credential_", "trade_", "read_isolated", "read_breaker", "halted_")
"""How reasons begin that are another check's: they keep orders back, and say nothing of the figures."""


_WAIT_FOR_VENUE: Final = "the venue, or a gateway before it, is in trouble: wait, and see the status page of the venue"

_REACH: Final = (
    "see whether this machine has a network, and its name server and proxies let the address through: "
    "`holdfast config show` names it"
)


def _ignore(_: object) -> None:
    pass


def _nothing(_: str) -> None:
    pass
