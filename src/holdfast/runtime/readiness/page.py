"""
A report as one HTML page: for people, for printing, and for whoever has to sign off a go-live.

Self-contained: no script, nothing fetched, light and dark by the reader's own setting. Every text of a venue is
escaped, its control characters are shown as symbols, and its direction cannot leak into what stands beside it.
"""

from __future__ import annotations

import datetime
import html
from typing import Final

from holdfast.core.readiness import CategoryScore, CheckOutcome, ReadinessCheck, ReadinessReport
from holdfast.core.readiness.words import visible

__all__ = ["page_of"]


def page_of(report: ReadinessReport, *, min_score: int | None = None) -> str:
    """The whole page; *min_score* is the gate that was set, None where none was."""
    title = headline(report)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>",
    ]
    if report.heading:
        parts.append(f'<p class="heading" role="note">{_text(report.heading)}</p>')
    parts.append(f"<h1>{_text(title)}</h1><p>{_text(second_line(report, min_score=min_score))}</p>")
    parts += [f'<p class="shout" role="alert">{_text(text)}</p>' for text in report.warnings]
    parts += [f"<p>{_text(text)}</p>" for text in report.notes]
    parts.append(_bar(report))
    parts.append(_difference(report))
    parts.append(_table(report))
    when = _when(report.started_us)
    parts.append(
        f"<footer>{_text(report.broker)}, {_text(report.venue)}, {_text(report.environment)}"
        f"{'' if report.account is None else f', account {_text(report.account)}'}; measured {when}, took "
        f"{report.took_s:.1f} s; holdfast {_text(report.version)}, schema {report.schema_version}.</footer>"
    )
    parts.append("</main></body></html>\n")
    return "\n".join(part for part in parts if part)


def headline(report: ReadinessReport) -> str:
    """The answer in one sentence."""
    word = "is ready" if report.is_ready else "is not ready"
    return f"{report.broker} {word}: {report.score} of {report.max_score}"


def second_line(report: ReadinessReport, *, min_score: int | None = None) -> str:
    """What was lost and what is exempt, and whether the gate was reached."""
    lost = sum(check.worth for check in report.lost)
    exempt = sum(check.worth for check in report.exempt)
    told = [f"{lost or 'no'} points lost", f"{exempt or 'none'} exempt"]
    if min_score is not None:
        word = "reached" if report.score >= min_score else "not reached: exit 8"
        told.append(f"the gate of {min_score} was {word}")
    return f"{', '.join(told)}.".capitalize()


def _bar(report: ReadinessReport) -> str:
    boxes = []
    for category in report.categories:
        share = 100 * category.points / category.worth
        exempt = 100 * (category.worth - category.max_points) / category.worth
        kind = "lost" if category.points < category.max_points else "earned"
        boxes.append(
            f'<li class="{kind}" style="flex-grow:{category.worth}">'
            f'<span class="box"><i style="width:{share:.2f}%"></i><b style="width:{exempt:.2f}%"></b></span>'
            f"{_text(category.name)}<br><strong>{_fraction(category)}</strong></li>"
        )
    return f'<ol class="bar" aria-label="Points by category">{"".join(boxes)}</ol>'


def _fraction(category: CategoryScore) -> str:
    exempt = category.worth - category.max_points
    plain = (
        str(category.points) if category.points == category.max_points else f"{category.points} / {category.max_points}"
    )
    return f"{plain} + {exempt} exempt" if exempt else plain


def _difference(report: ReadinessReport) -> str:
    found = report.comparison
    if found is None:
        return ""
    count = found.points
    told = "as many points as" if not count else f"{abs(count)} {'more' if count > 0 else 'fewer'} points than"
    moved = "".join(
        f"<li>{_text(each.name)}: {'not made' if each.before is None else each.before.value} → {each.after.value} "
        f"({each.points:+d})</li>"
        for each in found.moved
    )
    return f"<section><h2>Since the last run</h2><p>{told} at {_when(found.started_us)}.</p><ul>{moved}</ul></section>"


def _table(report: ReadinessReport) -> str:
    rows = []
    for category in sorted(report.categories, key=lambda each: each.points >= each.max_points):
        rows.append(
            f'<tr class="category"><th scope="rowgroup">{_text(category.name)}</th><td>{_fraction(category)}</td>'
            "<td></td><td></td><td></td></tr>"
        )
        rows += [_row(check) for check in category.checks]
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Check", "Points", "What was observed", "How to earn it", "Took")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(check: ReadinessCheck) -> str:
    mark = _MARKS[check.result]
    if check.result is CheckOutcome.EXEMPT:
        points = f"{check.points} (exempt)" if check.is_awarded else f"exempt ({check.worth})"
    else:
        points = f"{check.points} / {check.max_points}"
    took = "–" if check.duration_s is None else _took(check.duration_s)
    return (
        f'<tr class="{check.result.value}"><th scope="row"><span class="mark" aria-hidden="true">{mark}</span> '
        f"{_text(check.title)} <small>{check.result.value}</small></th><td>{points}</td>"
        f"<td>{_text(check.evidence)}</td><td>{_text(check.how_to_fix)}</td><td>{took}</td></tr>"
    )


_MARKS: Final = {CheckOutcome.EARNED: "✓", CheckOutcome.LOST: "✕", CheckOutcome.EXEMPT: "⊘"}


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _when(wall_us: int) -> str:
    at = datetime.datetime.fromtimestamp(wall_us // 1_000_000, tz=datetime.UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _text(text: str) -> str:
    """Any text as HTML, kept apart from what stands around it."""
    return f"<bdi>{html.escape(visible(text))}</bdi>"


_STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f6f3;--surface:#fff;--ink:#15181d;--ink-3:#5c636e;--bad:#b0271c;--fill:#666e79;
--line:#e2e2dc}
@media (prefers-color-scheme:dark){:root{--bg:#0d1014;--surface:#14181e;--ink:#e9ebee;--ink-3:#9ca4b0;--bad:#ff9484;
--fill:#7a8491;--line:#262c35}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.45 Inter,system-ui,"Segoe UI",Roboto,Arial,sans-serif;
font-variant-numeric:tabular-nums lining-nums}
main{max-width:1200px;margin:0 auto;padding:24px}
h1{font-size:1.9rem;letter-spacing:-.022em;margin:0 0 4px}
h2{font-size:1.1rem}
.heading,.shout{border:2px solid var(--bad);color:var(--bad);font-weight:700;padding:10px;border-radius:8px}
.bar{display:flex;gap:4px;list-style:none;padding:14px;margin:16px 0;background:var(--surface);border-radius:8px}
.bar li{flex-basis:0;min-width:0;font-size:.85rem;overflow-wrap:anywhere}
.bar .box{display:flex;height:22px;border:1px solid var(--fill);margin-bottom:4px}
.bar .box i{background:var(--fill)}
.bar .box b{margin-left:auto;background:repeating-linear-gradient(45deg,transparent 0 5px,var(--ink-3) 5px 6px)}
.bar .lost .box{border-color:var(--bad)}
.bar .lost strong{color:var(--bad)}
table{width:100%;border-collapse:collapse;background:var(--surface);border-radius:8px}
th,td{text-align:left;vertical-align:top;padding:6px 10px;border-top:1px solid var(--line);overflow-wrap:anywhere}
thead th{color:var(--ink-3);font-weight:400}
tbody th{font-weight:500;width:24%}
td:nth-child(2),td:nth-child(5){white-space:nowrap}
.category th{font-weight:700}
tr.lost th,tr.lost td:nth-child(2){color:var(--bad);font-weight:700}
small{color:var(--ink-3);font-weight:400}
footer{color:var(--ink-3);margin-top:14px}
@media (max-width:720px){.bar{display:block}table,tbody,tr,td,th{display:block;width:auto!important}thead{display:none}
td:empty{display:none}}
@media print{:root{--bg:#fff;--surface:#fff;--ink:#000;--ink-3:#333;--bad:#900;--fill:#555;--line:#bbb}
body{font-size:10pt}tr{break-inside:avoid}main{padding:0;max-width:none}
.bar .box i,.bar .box b{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
""".strip().replace("\n", "")
