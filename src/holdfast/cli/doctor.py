"""``holdfast doctor``: is everything in place, and what to do where it is not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.cli.acting import Name, tell_unrecorded
from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit, worst
from holdfast.cli.session import chosen_names, load, wait
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.core.checkup import Check, DoctorReport

__all__ = ["doctor"]

_MARKS: Final = {"ok": "ok  ", "warning": "note", "failed": "BAD ", "skipped": "-   "}


def doctor(broker: Name = None, /, *, common: Common = Common()) -> int:  # noqa: B008
    """
    Examine configuration, permissions on secrets, store, clock, venue and disk, and how the account's owner stands.

    All brokers, unless one is named. Nothing is changed, and nothing signed is sent: the venue is asked its time and
    its status. What is wrong comes with what to do about it. Exits with 0 when nothing is, 3 for configuration,
    credentials, permissions or the clock, 6 for the venue, a breaker or a halt, 5 for stale figures, 7 for a lockout,
    9 where another process owns the account and does not answer, 1 for the store or the disk.
    """
    return wait(_doctor(broker, common))


async def _doctor(broker: str | None, common: Common) -> int:
    from holdfast.core.checkup import failed
    from holdfast.runtime.doctor import examine

    reports: list[DoctorReport] = []
    try:
        config = load(common.config)
    except ConfigError as error:
        _print([], [failed("config", str(error), exit_code=Exit.CONFIG)], common)
        return Exit.CONFIG
    for name in chosen_names(config, broker):
        reports.append(await examine(config, name, tell=lambda step, name=name: say(f"holdfast: {name}: {step} ...")))  # type: ignore[misc]
    _print(reports, [], common)
    for report in reports:
        tell_unrecorded(report.broker, report.record)
    return worst(check.exit_code for report in reports for check in report.checks)


def _print(reports: list[DoctorReport], general: list[Check], common: Common) -> None:
    if common.is_json:
        brokers = {report.broker: {"is_well": report.is_well, **msgspec.to_builtins(report)} for report in reports}
        is_well = not general and all(report.is_well for report in reports)
        checks = msgspec.to_builtins(general)
        print_json({"schema_version": 1, "is_well": is_well, "checks": checks, "brokers": brokers})
        return
    sys.stdout.writelines(_lines(general))
    for report in reports:
        sys.stdout.write(f"{report.broker}: {'well' if report.is_well else 'something has to be done'}\n")
        sys.stdout.writelines(_lines(report.checks))


def _lines(checks: Iterable[Check]) -> Iterable[str]:
    for check in checks:
        yield f"  {_MARKS[check.state.value]}  {check.name}: {check.found}\n"
        yield from (f"        {text}\n" for text in check.next)
