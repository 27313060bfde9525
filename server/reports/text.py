"""The weekly report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from server.reports.page import MOST_RECOMMENDATIONS
from server.reports.weekly import WeeklyReport
from server.reports.wording import ReasonLine, Wording

WIDTH: Final = 72


def text(report: WeeklyReport, *, test: bool = False) -> str:
    """The report in lines that no mail client breaks."""
    parts = [part for part in _parts(report, Wording(report), test=test) if part]
    return "\n\n".join(parts) + "\n"


def _parts(report: WeeklyReport, say: Wording, *, test: bool) -> Iterator[str]:
    t = say.texts
    if test:
        yield _wrapped(f"{t('test').upper()} {t('test_text')}")
    versions = [say.funnel.versions(report.report)] if report.report.span.versions else []
    yield "\n".join([f"{t('title')} {report.week.name}", say.period(), *map(_wrapped, versions)])
    yield _wrapped(_main(report, say))
    yield _section(t("what_changed"), [f"{say.changed()} {say.early()}".strip()])
    yield _table("", _heads(say, "figure", "before", "now", "points_head"), _figures(report, say))
    lines = [_reason(line, say) for line in say.reasons()]
    yield _section(t("why") if say.something_changed else t("different"), lines, mark="- ")
    step_heads = (say.funnel.texts("before"), *_heads(say, "left"), say.funnel.texts("column_interval"))
    step_heads += _heads(say, "sessions_head", "of")
    yield _table(t("where_people_leave"), step_heads, _steps(report, say))
    yield _section(t("change_first"), _changes(report, say))
    yield _table(t("what_else"), _heads(say, "what", "this_week", "before"), say.incident_rows())
    yield _wrapped(say.method())
    yield f"{t('more')} {say.command()}"


def _heads(say: Wording, *keys: str) -> tuple[str, ...]:
    return tuple(map(say.texts, keys))


def _reason(line: ReasonLine, say: Wording) -> str:
    effect = f": {say.texts('points', value=line.effect)} ({line.bounds})" if line.effect else ""
    return f"{line.head}{effect}. {line.detail}"


def _main(report: WeeklyReport, say: Wording) -> str:
    rate, change, told = report.completion, report.main_change, say.sessions()
    if rate is None:
        return told
    main = say.texts("completed_text", rate=say.funnel.percent(rate.mid), range=say.funnel.percent_range(rate))
    if change is not None:
        before = say.funnel.percent(change.before.mid)
        main += f"; {say.texts('against_text', rate=before, change=say.change_sentence(change))}"
    return f"{main}. {told}"


def _figures(report: WeeklyReport, say: Wording) -> list[tuple[str, ...]]:
    return [
        (say.figure(each), *map(say.funnel.percent, (each.before.mid, each.now.mid)), say.change_cell(each))
        for each in report.changes
    ]


def _steps(report: WeeklyReport, say: Wording) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for step in report.report.drop_offs:
        count, funnel = step.count, say.funnel
        known = (funnel.percent(step.rate.mid), funnel.percent_range(step.rate)) if count.counted else ("", "")
        rows.append((funnel.stage(count.to_stage), *known, funnel.number(count.dropped), funnel.number(count.counted)))
    return rows if report.report.sessions else []


def _changes(report: WeeklyReport, say: Wording) -> list[str]:
    found = report.recommendations[:MOST_RECOMMENDATIONS]
    return [
        f"{place}. {each.title}. {say.funnel.why(each)} {say.funnel.worth(each)}"
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
