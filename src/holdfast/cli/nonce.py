"""``holdfast nonce doctor``: why a venue refuses nonces, and what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, wait
from holdfast.errors import UnknownNameError

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.nonce_doctor import NonceReport

__all__ = ["doctor"]

_ONE_WAY = """\
Counting in a finer unit cannot be undone. From then on every program that uses this key and counts in a coarser unit
is refused for good: the venue never lets a key's nonce go down. Only a new key starts afresh.
"""


def doctor(
    *,
    broker: Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")] = None,
    retry: Annotated[
        bool, Parameter(negative="", help="Open a key parked for its nonces or as refused, and try one signed read.")
    ] = False,
    ratchet: Annotated[
        bool, Parameter(negative="", help="One way: let the key count in a finer unit, and try one signed read.")
    ] = False,
    unit: Annotated[
        Literal["us", "100ns", "10ns", "ns"] | None,
        Parameter(help="The unit to ratchet to; the one the diagnosis names when left out."),
    ] = None,
    yes: Annotated[bool, Parameter(negative="", help="Agree to --ratchet without being asked.")] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Find out why a venue refuses nonces, and what to do.

    The diagnosis is inferred: the venue's own number cannot be asked for without a nonce. While nonces are being
    refused nothing signed is sent, unless --retry or --ratchet says so. Exits with 0 when nonces are well, 7
    during a lockout, which no word of yours ends, 3 otherwise.
    """
    if retry and ratchet:
        raise UnknownNameError("--retry and --ratchet exclude each other: name one")
    if unit is not None and not ratchet:
        raise UnknownNameError("--unit goes with --ratchet")
    return wait(_doctor(broker, retry, ratchet, unit, yes, common))


async def _doctor(broker: str | None, retry: bool, ratchet: bool, unit: str | None, yes: bool, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        report = await _examined(desk[name], retry, ratchet, unit, yes)
        is_well = report.diagnosis.cause.value in ("nothing", "no_nonces") and report.call in (None, "accepted")
        if common.is_json:
            print_json({"schema_version": 1, "broker": name, "is_well": is_well, **_document(report)})
        else:
            _print(name, report)
    if report.diagnosis.cause.value == "lockout":
        return Exit.RATE_LIMITED
    return Exit.OK if is_well else Exit.CONFIG


async def _examined(broker: Broker, retry: bool, ratchet: bool, unit: str | None, yes: bool) -> NonceReport:
    if retry:
        return await broker.retry_nonces()
    if ratchet:
        return await broker.ratchet_nonces(has_consent=yes or _agreed(), unit=unit)
    return await broker.examine_nonces()


def _agreed() -> bool:
    say(_ONE_WAY)
    if not sys.stdin.isatty():
        say("say --yes to go on without being asked")
        return False
    say("Go on? Type yes:")
    return sys.stdin.readline().strip().lower() == "yes"


def _document(report: NonceReport) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(report)
    document["mark"] = None if report.mark is None else str(report.mark)  # Larger than what a double holds.
    return document


def _print(name: str, report: NonceReport) -> None:
    diagnosis = report.diagnosis
    out = sys.stdout
    out.write(f"{name}: {diagnosis.cause.value}: {diagnosis.summary}\n")
    out.write(f"  {'inferred' if diagnosis.is_inferred else 'measured'} from:\n")
    out.writelines(f"    - {line}\n" for line in diagnosis.evidence)
    if report.call is not None:
        detail = f": {report.call_detail}" if report.call_detail else ""
        out.write(f"  one signed read was {report.call}{detail}\n")
    if diagnosis.next_steps:
        out.write("  next:\n")
        out.writelines(f"    - {line}\n" for line in diagnosis.next_steps)
    out.flush()
