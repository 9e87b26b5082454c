"""``holdfast reset-circuit-breaker``, ``force-balance-refresh``, ``emergency-repair``: out of a stuck state."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from holdfast.cli.acting import Name, code_of_refresh, code_of_status, progress_told, tell_unrecorded
from holdfast.cli.common import Common, amount_text, print_json, seconds
from holdfast.cli.exits import Exit, worst
from holdfast.cli.session import load, only_name, opened, tell_trouble, wait

if TYPE_CHECKING:
    from holdfast.core.repair import Condition, RepairReport
    from holdfast.runtime.views import CapabilityHealth, RefreshReport, ResetReport

__all__ = ["codes_of", "emergency_repair", "force_balance_refresh", "reset_circuit_breaker"]

Within = Annotated[float, Parameter(name="--timeout", help="Seconds to give the venue at most.", validator=seconds)]


def reset_circuit_breaker(
    broker: Name = None,
    /,
    *,
    timeout_s: Within = 30.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Close every breaker of a broker, those that a person holds open too, and read the account again.

    Works through the process that owns the account, and without one. Neither a lockout's silence nor a rate limit's is
    cut short. Says how the breakers stood before and stand now. Exits with 0 when the account was read and every
    breaker has stayed closed, 3 when the credential is parked, 5 when the answer is suspect, 6 when the venue still
    fails, 7 when it limits calls or asked for silence. Who did it is kept: see `holdfast audit`.
    """
    return wait(_reset(broker, timeout_s, common))


async def _reset(broker: str | None, timeout_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        with progress_told(desk, name):
            report = await desk[name].reset_circuit_breaker(timeout_s=timeout_s)
        status = desk[name].status()
        if common.is_json:
            print_json({"schema_version": 1, "is_ok": report.is_ok, **_builtins(report)})
        else:
            sys.stdout.writelines(f"{name}: {line}\n" for line in _reset_lines(report))
        tell_unrecorded(name, report.record)
        code = code_of_refresh(report.refresh, status)
        if code == Exit.OK and not report.is_ok:
            code = Exit.VENUE_UNAVAILABLE
        if code != Exit.OK:
            tell_trouble(desk[name])
        return code


def _reset_lines(report: ResetReport) -> list[str]:
    breakers = ", ".join(
        f"{before.name} {_moved(before, after)}" for before, after in zip(report.before, report.after, strict=False)
    )
    return [f"breakers: {breakers}", _refresh_line(report.refresh)]


def _moved(before: CapabilityHealth, after: CapabilityHealth) -> str:
    was, now = before.breaker.state.value, after.breaker.state.value
    return now if was == now else f"{was} → {now}"


def _refresh_line(report: RefreshReport) -> str:
    reads = ", ".join(report.reads) or "nothing"
    if report.error is not None:
        return f"not read again ({reads} answered, {report.attempts} attempts): {report.error}"
    if report.suspects:
        return f"read again, and not believed yet: {', '.join(report.suspects)}; the last figures stand"
    moved = f"{len(report.changed)} figures moved" if report.changed else "no figure moved"
    return f"read again in {report.took_s:.1f} s ({reads}): {moved}"


def force_balance_refresh(
    broker: Name = None,
    /,
    *,
    timeout_s: Within = 30.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Read balances and open orders from the venue now, whatever a breaker says, with retries.

    An answer that is suspect is read again in another way before it counts, and a failed one changes nothing: the last
    figures stand, labelled. Exits with 0 when the answer was believed, 3 when the credential is parked, 5 when it is
    suspect still, 6 when the venue fails, 7 when it limits calls or asked for silence.
    """
    return wait(_refresh(broker, timeout_s, common))


async def _refresh(broker: str | None, timeout_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        with progress_told(desk, name):
            report = await desk[name].force_balance_refresh(timeout_s=timeout_s)
        balances = desk[name].balances()
        if common.is_json:
            figures = {
                asset: {"total": amount_text(balance.total), "state": balance.state.value}
                for asset, balance in balances.items()
            }
            print_json({"schema_version": 1, "is_ok": report.is_ok, **_builtins(report), "balances": figures})
        else:
            sys.stdout.write(f"{name}: {_refresh_line(report)}\n")
            for asset in report.changed:
                balance = balances[asset]
                total = amount_text(balance.total) or "unknown"
                sys.stdout.write(f"{name}: {asset}: total {total}, {balance.state.value}\n")
        tell_unrecorded(name, report.record)
        code = code_of_refresh(report, desk[name].status())
        if code != Exit.OK:
            tell_trouble(desk[name])
        return code


def emergency_repair(
    broker: Name = None,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be done.")] = False,
    timeout_s: Within = 60.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Find out what is wrong with a broker, mend what may be mended, and look again.

    In this order: clock, credential, nonces, breaker, stream, refresh, reconcile, report. It never places or cancels an
    order, releases money, lifts what a person has closed, tries a refused key, or sends anything during a lockout; what
    is left to a person is said with the command that does it. Works through the process that owns the account, and
    without one. Exits with 0 when the broker may act and every figure can be acted on (a dry run: whenever it could
    look), else with 3 for the credential, 5 for figures or orders in doubt, 6 for the venue, a breaker or a halt, 7 for
    a lockout, 1 for the store.
    """
    return wait(_repair(broker, dry_run, timeout_s, common))


async def _repair(broker: str | None, dry_run: bool, timeout_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    # For a dry run nothing is connected that is not connected already.
    async with opened(config, [name], contact="none" if dry_run else "stream") as desk:
        with progress_told(desk, name):
            report = await desk[name].emergency_repair(dry_run=dry_run, timeout_s=timeout_s)
        status = desk[name].status()
    if common.is_json:
        print_json({"schema_version": 1, "is_well": report.is_well, **_builtins(report)})
    else:
        sys.stdout.writelines(f"{line}\n" for line in repair_lines(report))
    tell_unrecorded(name, report.record)
    return Exit.OK if dry_run else worst((code_of_status(status), *codes_of(report.after)))


def repair_lines(report: RepairReport) -> list[str]:
    """A repair for people: a line per step, then what is left."""
    lines = [f"{report.broker}: {'what a repair would do' if report.is_dry_run else 'repair'}"]
    for at, step in enumerate(report.steps, 1):
        lines.append(f"  {at}. {step.name.value}: {step.outcome.value}: {step.found}")
        if step.says != "nothing to do":
            lines.append(f"     {step.says}")
    if report.left:
        lines.append("  left to you:")
        lines += [f"    - {text}" for text in report.left]
    if not report.is_dry_run:
        well = "well: orders are taken, and every figure can be acted on" if report.is_well else _wanting(report.after)
        lines.append(f"{report.broker}: {well} ({report.took_s:.1f} s)")
    return lines


def _wanting(after: Condition) -> str:
    return f"not well yet: {', '.join(after.reasons) or after.health.value}"


def codes_of(after: Condition) -> list[int]:
    """What keeps an account from being well, as exit codes."""
    codes: list[int] = []
    if after.store_reason is not None:
        codes.append(Exit.UNEXPECTED)
    if after.states.get("stale", 0) or after.suspects or after.discrepancies or after.in_doubt:
        codes.append(Exit.STALE_OR_UNKNOWN)
        is_venue = after.parked_cause is None and any(reason.startswith(_VENUE_FAILS) for reason in after.reasons)
        if is_venue and after.states.get("stale", 0):
            codes.append(Exit.VENUE_UNAVAILABLE)  # Why they are stale.
    return codes


_VENUE_FAILS: Final = (
    "venue_",
    "read_failed",
    "reads_failing",
    "read_breaker_",
    *(f"stream_{word}" for word in ("venue", "network", "unreachable", "connection_lost", "maintenance", "payload")),
)
"""How reasons begin that say that the venue, or the way to it, does not deliver."""


def _builtins(report: Any) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(report)
    return document
