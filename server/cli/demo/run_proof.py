"""The proof of one run: each value is replaced in its place, and none is in any trace of the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from server.cli.demo.environment import Environment
from server.cli.demo.part_probe import PartProbe
from server.cli.demo.partials import Utterance, readable_in_partials
from server.cli.demo.picture_text import read_print
from server.cli.demo.planted import Medium
from server.cli.demo.probe import Probe
from server.cli.demo.processes import Child
from server.cli.demo.proof import Finding, Probes, Traces, prove
from server.cli.demo.replacements import Verdict, check_replacements, heard_values, misheard_values
from server.cli.demo.reporter import Reporter
from server.cli.output import table_text


@dataclass(frozen=True, slots=True)
class Received:
    """Everything that the app received.

    Attributes:
        transcripts: The redacted text of each clip and picture.
        utterances: The utterances of each clip.
        shown: Every text, partial ones and the assistant's too.
        pictures: Redacted pictures that were saved.
    """

    transcripts: Mapping[str, str]
    utterances: Mapping[str, Sequence[Utterance]]
    shown: Sequence[str]
    pictures: list[Path]


def prove_run(
    environment: Environment,
    reporter: Reporter,
    media: Sequence[Medium],
    received: Received,
    heard: Mapping[str, str],
) -> bool:
    """Check every value in its place, search all traces and print both; returns whether nothing leaked.

    Args:
        environment: Where the run's traces are.
        reporter: Prints.
        media: What was said and printed.
        received: What the app received of it.
        heard: What recognition makes of each clip, unredacted. It is only printed.
    """
    verdicts = [check_replacements(medium, received.transcripts.get(medium.name, "")) for medium in media]
    replaced = _show_replacements(verdicts, heard, reporter) & _show_partials(media, received.utterances, reporter)
    values = [value for medium in media for value in medium.values]
    probes = Probes(Probe([*values, *misheard_values(verdicts)]), PartProbe(media))
    traces = Traces(
        shown=received.shown,
        logs=[child.log for child in environment.children],
        ray_logs=ray_log_folders(environment.children),
        ledger=environment.ledger,
        state=environment.state,
        pictures=received.pictures,
        received=environment.received if environment.own_llm else None,
        seen=environment.seen if environment.own_vision else None,
    )
    findings = prove(traces, probes, read_print)
    nowhere = _show_findings(findings, reporter, len(values))
    if not environment.own_llm:
        reporter.line("What your own LLM received was not searched.")
    if not environment.own_vision:
        reporter.line("What your own vision upstream received was not searched.")
    if replaced and nowhere:
        reporter.line("Every value was replaced where it was said, and none was found anywhere.")
    else:
        reporter.line("THE PROOF FAILED: see the lines above.")
    return replaced and nowhere


def _show_replacements(verdicts: Sequence[Verdict], heard: Mapping[str, str], reporter: Reporter) -> bool:
    """Print what stands in the place of each value; returns whether all are replaced."""
    rows = [
        (
            r.planted.medium,
            r.planted.spoken or r.planted.value,
            stretch,
            r.redacted,
            r.planted.type,
            " ".join(r.tags) or "none",
        )
        for verdict in verdicts
        for r, stretch in zip(
            verdict.replacements, heard_values(verdict.medium, heard.get(verdict.medium.name, "")), strict=True
        )
    ]
    reporter.line("What was said or printed, what is heard of it, and what the redacted text has in its place:")
    reporter.line(table_text(("file", "said", "heard", "redacted", "expected tag", "found tag"), rows))
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    for problem in problems:
        reporter.line(f"NOT REPLACED in {problem}")
    good = sum(not r.problem for verdict in verdicts for r in verdict.replacements)
    reporter.line(f"{good} of {len(rows)} values are replaced by their tags.")
    return not problems


def _show_partials(media: Sequence[Medium], utterances: Mapping[str, Sequence[Utterance]], reporter: Reporter) -> bool:
    """Print what partials show of what their finals hide; returns whether that is nothing."""
    spoken = [(medium, utterance) for medium in media for utterance in utterances.get(medium.name, ())]
    shown = [(medium, text) for medium, utterance in spoken for text in readable_in_partials(utterance, medium)]
    for medium, text in shown:
        reporter.line(f"NOT REPLACED in {medium.name}: {text!r} can be read in a partial text, and the final hides it")
    count = sum(len(utterance.partials) for _, utterance in spoken)
    reporter.line(f"{count} partial texts were compared with their finals.")
    return not shown


def _show_findings(findings: Sequence[Finding], reporter: Reporter, value_count: int) -> bool:
    """Print which places were searched and what was found; returns whether nothing was."""
    reporter.line(
        "\nThe same values, searched for as they are written, said and misheard, in plain text, UTF-16 and Base64;"
    )
    reporter.line("in texts also their readable parts, such as three digits of a number in a row:")
    rows = [(f.place, f.searched, value_count, len(f.hits)) for f in findings]
    reporter.line(table_text(("where", "searched", "values", "found"), rows))
    hits = [(finding.place, where, hit) for finding in findings for where, hit in finding.hits]
    for place, where, hit in hits:
        reporter.line(f"FOUND in {place}, {where}: {hit.planted.type} of {hit.planted.medium}, as {hit.form}")
    return not hits


def ray_log_folders(children: Sequence[Child]) -> list[Path]:
    """Log folders of the Ray sessions that the children started, taken from the command lines of Ray's processes."""
    folders = set()
    for child in children:
        for process in child.descendants():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            folders |= {Path(m) / "logs" for m in re.findall(r"--session[-_]dir[= ](\S+)", words)}
    return sorted(f for f in folders if f.is_dir())
