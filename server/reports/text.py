"""The weekly report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from server.reports import wording
from server.reports.page import MOST_RECOMMENDATIONS
from server.reports.weekly import WeeklyReport

WIDTH: Final = 72


def text(report: WeeklyReport, *, test: bool = False) -> str:
    """The report in lines that no mail client breaks."""
    parts = [part for part in _parts(report, test=test) if part]
    return "\n\n".join(parts) + "\n"


def _parts(report: WeeklyReport, *, test: bool) -> Iterator[str]:
    if test:
        yield _wrapped("THIS IS A TEST. The report below is real: that of the week it names.")
    yield f"Weekly funnel report {report.week.name}\n{wording.period(report)}"
    yield _wrapped(_main(report))
    yield _section("What changed", [f"{wording.changed_sentence(report)} {wording.early_sentence(report)}".strip()])
    yield _table("", ("figure", "before", "now", "points"), _figures(report))
    lines = [_reason(line) for line in wording.reasons(report)]
    yield _section("Why that may be" if wording.something_changed(report) else "What was different", lines, mark="- ")
    yield _table("Where people leave", ("before", "left", "95 % interval", "sessions", "of"), _steps(report))
    yield _section("What to change first", _changes(report))
    yield _table("What else happened", ("what", "this week", "before"), wording.incident_rows(report))
    yield _wrapped(wording.method(report))
    yield f"More: {wording.command(report)}"


def _reason(line: wording.ReasonLine) -> str:
    effect = f": {line.effect} points ({line.bounds})" if line.effect else ""
    return f"{line.head}{effect}. {line.detail}"


def _main(report: WeeklyReport) -> str:
    rate, change = report.completion, report.main_change
    told = wording.sessions_sentence(report)
    if rate is None:
        return told
    main = f"{wording.percent(rate.mid)} completed ({wording.SAY.percent_range(rate)})"
    if change is not None:
        main += f"; {wording.percent(change.before.mid)} in the week before: {wording.change_sentence(change)}"
    return f"{main}. {told}"


def _figures(report: WeeklyReport) -> list[tuple[str, str, str, str]]:
    return [
        (
            wording.figure(each),
            wording.percent(each.before.mid),
            wording.percent(each.now.mid),
            wording.change_cell(each),
        )
        for each in report.changes
    ]


def _steps(report: WeeklyReport) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for step in report.report.drop_offs:
        count = step.count
        known = (wording.percent(step.rate.mid), wording.SAY.percent_range(step.rate)) if count.counted else ("", "")
        rows.append((str(count.to_stage), *known, wording.number(count.dropped), wording.number(count.counted)))
    return rows if report.report.sessions else []


def _changes(report: WeeklyReport) -> list[str]:
    found = report.report.recommendations[:MOST_RECOMMENDATIONS]
    return [
        f"{place}. {each.title}. {wording.SAY.why(each)} {wording.SAY.worth(each)}"
        for place, each in enumerate(found, start=1)
    ]


def _section(title: str, sentences: Sequence[str], mark: str = "") -> str:
    if not sentences:
        return ""
    lines = [_wrapped(sentence, mark) for sentence in sentences]
    return "\n".join([title.upper(), *lines])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    lines = [_row(row, widths) for row in (columns, *rows)]
    return "\n".join([*([title.upper()] if title else []), *lines])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([first.strip().ljust(widths[0]), *numbers]).rstrip()


def _wrapped(sentence: str, mark: str = "") -> str:
    kept = sentence.replace(" %", "\u00a0%")  # no line begins with a percent sign
    return textwrap.fill(kept, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark)).replace("\u00a0", " ")
