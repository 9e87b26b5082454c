"""``holdfast verify-end-to-end``: is this broker ready for real money, measured in 110 points."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from holdfast.cli.acting import Name, tell_unrecorded
from holdfast.cli.common import Common, print_json, say, seconds
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, wait

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.events import Event
    from holdfast.core.readiness import ReadinessCheck, ReadinessReport

__all__ = ["report_lines", "report_names", "verify_end_to_end"]

_POINTS_MAX: Final = 110


def _score(type_: object, value: int | None) -> None:
    """Refuse what is no score; for cyclopts."""
    if value is not None and not 0 <= value <= _POINTS_MAX:
        raise ValueError(f"{value} is not between 0 and {_POINTS_MAX} points")


def verify_end_to_end(
    broker: Name = None,
    /,
    *,
    min_score: Annotated[
        int | None, Parameter(help="The gate: exit with 8 below so many points, with 0 otherwise.", validator=_score)
    ] = None,
    compare: Annotated[bool, Parameter(negative="", help="Say what differs from the last run.")] = False,
    report_dir: Annotated[Path, Parameter(help="Folder for the report's files; made where there is none.")] = Path(),
    html: Annotated[Path | None, Parameter(help="Where the page goes; beside the JSON if not given.")] = None,
    timeout_s: Annotated[
        float, Parameter(name="--timeout", help="Seconds to give the whole run at most.", validator=seconds)
    ] = 180.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Measure whether a broker is ready to go live: nine categories, 110 points, and evidence behind each of them.

    Works through the process that owns the account, and without one. Nothing is ordered: where the venue has a dry run
    it validates a small order, and where it has none those points are exempt, which lowers what can be earned and is
    said. Writes BROKER_e2e_verification_report.json and the same as a page (.html), and for the account master
    VENUE_e2e_verification_report.json beside it; earlier reports are kept in the state folder. Exits with 0 when
    nothing was lost, 3 when the credential is at fault, 8 when anything else was lost; with --min-score 0 or 8,
    whatever was lost. 9 where another process owns the account and does not answer.
    """
    return wait(_verify(broker, min_score, compare, report_dir, html, timeout_s, common))


async def _verify(
    broker: str | None,
    min_score: int | None,
    compare: bool,
    report_dir: Path,
    html: Path | None,
    timeout_s: float,
    common: Common,
) -> int:
    from holdfast.core.readiness import document_of, exit_code_of
    from holdfast.runtime.readiness.unopened import verify

    config = load(common.config)
    name = only_name(config, broker)
    progress = _Progress(name)
    report = await verify(config, name, timeout_s=timeout_s, tell=progress.hear)
    progress.end()
    document: dict[str, Any] = document_of(report)
    if min_score is not None:
        document["gate"] = {"min_score": min_score, "is_reached": report.score >= min_score}
    if common.is_json:
        print_json(document)
    else:
        sys.stdout.writelines(f"{line}\n" for line in report_lines(report, min_score=min_score, compares=compare))
    tell_unrecorded(name, report.record)
    code = exit_code_of(report, min_score=min_score)
    return code if _write(config, report, document, report_dir, html, min_score) else Exit.UNEXPECTED


# What people see


class _Progress:
    """Each check as it ends, on stderr: a line of its own, or one line that is written over on a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = 0
        self._is_live = sys.stderr is not None and sys.stderr.isatty()

    def hear(self, event: Event) -> None:
        fields = event.fields
        if event.name != "readiness.progressed" or fields.get("broker") != self._name:
            return
        state, check = fields.get("state"), fields.get("check")
        if state != "begun":
            self._done += 1
        so_far = f"{fields.get('score')} of {fields.get('max_score')} so far"
        if self._is_live:
            from holdfast.core.readiness import CHECKS

            width, count = 24, len(CHECKS)
            filled = width * self._done // count
            bar = "█" * filled + "░" * (width - filled)
            sys.stderr.write(f"\r\x1b[2K{bar} {self._done}/{count}  {so_far}  {check}")
            sys.stderr.flush()
        elif state != "begun":
            text = f": {fields.get('text')}" if state == "lost" else ""
            say(f"holdfast: {self._name}: {check}: {state} {fields.get('points')}/{fields.get('max_points')}{text}")

    def end(self) -> None:
        if self._is_live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def report_lines(report: ReadinessReport, *, min_score: int | None = None, compares: bool = False) -> list[str]:
    """A report for people: the answer, the categories, then what was lost, what is exempt, and what differs."""
    from holdfast.runtime.readiness.page import headline, second_line

    lines = [*([report.heading] if report.heading else []), headline(report), second_line(report, min_score=min_score)]
    lines += [f"  !! {text}" for text in report.warnings]
    lines += [f"  note: {text}" for text in report.notes]
    lines.append("")
    for category in report.categories:
        exempt = category.worth - category.max_points
        beside = f"  ({exempt} exempt)" if exempt else ""
        mark = "    " if category.points == category.max_points else "LOST"
        lines.append(f"  {mark} {category.name:<20} {category.points:>3} / {category.max_points}{beside}")
    if report.lost:
        lines += ["", "lost:"]
        lines += [line for check in report.lost if check.follows is None for line in _lines_of(check)]
        following = [check for check in report.lost if check.follows is not None]
        if following:
            points = sum(check.worth for check in following)
            lines.append(f"  and {points} points that follow: {', '.join(check.name for check in following)}")
    if report.exempt:
        lines += ["", "exempt:"]
        lines += [f"  -{check.worth:>2}  {check.name}: {check.how_to_fix}" for check in report.exempt]
    if compares:
        lines += ["", *_difference(report)]
    lines += ["", f"took {report.took_s:.1f} s"]
    return lines


def _lines_of(check: ReadinessCheck) -> list[str]:
    lines = [f"  -{check.worth:>2}  {check.name}: {check.evidence}"]
    return lines if not check.how_to_fix else [*lines, f"       {check.how_to_fix}"]


def _difference(report: ReadinessReport) -> list[str]:
    found = report.comparison
    if found is None:
        return ["since the last run: there is none"]
    lines = [f"since the last run: {found.points:+d} points"]
    for each in found.moved:
        before = "not made" if each.before is None else each.before.value
        lines.append(f"  {each.points:+d}  {each.name}: {before} → {each.after.value}")
    return lines


# Files


def report_names(config: Config, broker: str) -> list[str]:
    """What a report's files are called, without their endings: after the broker, and for ``master`` the venue too."""
    configured = config.brokers[broker]
    is_master = configured.variable_prefix == f"{configured.venue.upper()}_MASTER"
    names = [broker, configured.venue] if is_master else [broker]
    return [f"{name}_e2e_verification_report" for name in names]


def _write(
    config: Config,
    report: ReadinessReport,
    document: dict[str, Any],
    report_dir: Path,
    html: Path | None,
    min_score: int | None,
) -> bool:
    """Put the files in place, each in one step; whether all could be written."""
    import msgspec

    from holdfast.runtime.readiness.page import page_of
    from holdfast.runtime.readiness.shelf import write_private

    content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    names = report_names(config, report.broker)
    files = {report_dir / f"{name}.json": content for name in names}
    files[html or report_dir / f"{names[0]}.html"] = page_of(report, min_score=min_score).encode()
    is_whole = True
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, text)
        except OSError as error:
            say(f"holdfast: {path} was not written: {error.strerror or error}; --report-dir names another folder")
            is_whole = False
        else:
            say(f"holdfast: wrote {path}")
    return is_whole
