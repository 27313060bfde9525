"""What is said of the variants of an experiment."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from server.experiments.reading import VariantSessions, read_sessions
from server.experiments.report import ExperimentReport, Guardrail, Safety, VariantReport, Verdict, build_report
from server.experiments.samples import ratio_of
from server.experiments.sentences import guardrail_sentence, split_sentence, verdict_sentence
from server.experiments.sequences import Interval, difference, median_difference
from server.experiments.types import Experiment, Variant
from server.ledger.columns import DuckDb
from tests.unit.experiments.filled import FLOW, START, Sessions, fill
from tests.unit.ledger.makers import NOW


def report(cursor: DuckDb, *kinds: Sessions, experiment: Experiment = FLOW) -> ExperimentReport:
    fill(cursor, *kinds)
    return build_report(experiment, read_sessions(cursor, experiment, NOW))


def told(found: ExperimentReport, number: int = 1) -> str:
    return verdict_sentence(found, found.variants[number])


def safety(variant: VariantReport) -> dict[str, Safety]:
    return {each.name: each.safety for each in variant.guardrails}


OLD = Sessions("flow.old", 1000, 400)


@pytest.mark.parametrize(
    ("new", "verdict", "sentence"),
    [
        (
            Sessions("flow.new", 1000, 550),
            Verdict.BETTER,
            "new is better than old. Its sessions are completed more often",
        ),
        (
            Sessions("flow.new", 1000, 250),
            Verdict.WORSE,
            "new is worse than old. Its sessions are completed less often",
        ),
        (
            Sessions("flow.new", 1000, 420),
            Verdict.NOT_KNOWN,
            "Not known yet whether new is better than old. 2,000 sessions count, 2,000 are",
        ),
        (
            Sessions("flow.new", 1000, 550, failed=200),
            Verdict.HARM,
            "new does harm. Failed or refused uploads: worse by",
        ),
    ],
)
def test_a_verdict_follows_from_the_intervals(cursor: DuckDb, new: Sessions, verdict: Verdict, sentence: str) -> None:
    found = report(cursor, OLD, new)
    assert not found.split.failed
    assert [each.verdict for each in found.variants] == [None, verdict]
    assert told(found).startswith(sentence)


def test_the_change_and_its_bounds_are_told(cursor: DuckDb) -> None:
    found = report(cursor, OLD, Sessions("flow.new", 1000, 550))
    change = found.variants[1].difference
    assert change is not None
    assert change.estimate == pytest.approx(0.15)
    # By hand: variance 0.25 * 0.75... of 2,000 sessions with 2,000 planned gives half a width of 3.03 standard errors.
    assert change.high - change.low == pytest.approx(2 * 3.035 * np.sqrt(2 * 0.475 * 0.525 / 1000), rel=0.01)
    low, high = f"{100 * change.low:.1f}", f"{100 * change.high:.1f}"
    assert f"by {low} to {high} points." in told(found)


def test_the_split_is_told_with_its_chance(cursor: DuckDb) -> None:
    found = report(cursor, Sessions("flow.old", 680, 300), Sessions("flow.new", 573, 300))
    assert not found.split.failed
    assert "Of fair splits, 0.25\N{NO-BREAK SPACE}% are at least as uneven" in split_sentence(found)


def test_an_experiment_that_ended_says_that_no_more_sessions_come(cursor: DuckDb) -> None:
    found = replace(report(cursor, OLD, Sessions("flow.new", 900, 370)), ended=True)
    assert told(found).startswith(
        "Not known whether new is better than old. The experiment has ended, so no more sessions come: 1,900 sessions "
        "count, 2,000 were planned."
    )


def test_a_wrong_split_leaves_no_verdict(cursor: DuckDb) -> None:
    found = report(cursor, Sessions("flow.old", 600, 200), Sessions("flow.new", 400, 300))
    assert found.split.failed
    assert found.variants[1].verdict is Verdict.SPLIT_WRONG
    assert told(found) == "No verdict on new: the split is wrong."
    assert split_sentence(found).startswith(
        "The split is wrong: the variants have 600 and 400 sessions, 500 and 500 were meant."
    )


def test_sessions_that_do_not_count_yet_are_part_of_the_split(cursor: DuckDb) -> None:
    found = report(
        cursor, Sessions("flow.old", 150, 50), Sessions("flow.new", 150, 50), Sessions("flow.old", 300, opened=NOW)
    )
    assert [(each.opened, each.counted) for each in found.variants] == [(450, 150), (150, 150)]
    assert found.split.failed


def test_too_little_data_is_said(cursor: DuckDb) -> None:
    found = report(cursor, Sessions("flow.old", 90, 10), Sessions("flow.new", 95, 90))
    assert found.variants[1].verdict is Verdict.TOO_LITTLE_DATA
    assert found.variants[1].difference is None
    assert told(found).startswith("Too little data on new. new and old need 100 sessions that count, each.")


def test_an_experiment_without_sessions_has_a_report(cursor: DuckDb) -> None:
    found = report(cursor)
    assert split_sentence(found) == (
        "No fault was found in the split: the variants have 0 and 0 sessions, 0 and 0 were meant. Of fair splits, "
        "100\N{NO-BREAK SPACE}% are at least as uneven; below 0.1\N{NO-BREAK SPACE}% the split counts as wrong."
    )
    assert found.variants[1].verdict is Verdict.TOO_LITTLE_DATA
    assert set(safety(found.variants[1]).values()) == {Safety.TOO_LITTLE_DATA}
    assert (found.variants[0].rate, found.variance_left) == (0.0, 1.0)


def test_each_guardrail_has_a_verdict_of_its_own(cursor: DuckDb) -> None:
    worse = Sessions("flow.new", 1000, 400, unsafe=1, final_delay_s=20.0)
    found = report(cursor, Sessions("flow.old", 1000, 400), worse)
    new = found.variants[1]
    assert safety(new) == {"unsafe_texts": Safety.HARM, "final_delay_s": Safety.HARM, "failed_uploads": Safety.SAFE}
    unsafe, took, failed = new.guardrails
    assert (unsafe.control, unsafe.value) == (0.0, 0.5)
    assert (took.control, took.value) == pytest.approx((4.995, 24.995))
    assert guardrail_sentence(unsafe).startswith("Texts that are not safe for the LLM: worse by 4")
    assert guardrail_sentence(unsafe).endswith("; 1.0 points are allowed.")
    assert guardrail_sentence(took).endswith(" s; 0.25 s are allowed.")
    assert guardrail_sentence(failed) == "Failed or refused uploads: not worse by more than 2.0 points."


def test_a_guardrail_that_is_not_known_is_named_beside_a_better_variant(cursor: DuckDb) -> None:
    found = report(cursor, Sessions("flow.old", 1000, 300, failed=20), Sessions("flow.new", 1000, 500, failed=30))
    assert found.variants[1].verdict is Verdict.BETTER
    assert safety(found.variants[1])["failed_uploads"] is Safety.NOT_KNOWN
    assert "Failed or refused uploads: not known yet; the change is between -" in told(found)


@pytest.mark.parametrize("mark", ["flow.old", "flow.new"])
def test_refusals_that_became_no_events_leave_failed_uploads_unknown(cursor: DuckDb, mark: str) -> None:
    thinned = Sessions(mark, 5, 2, client="busy", refused=3)
    found = report(cursor, Sessions("flow.old", 1000, 400), Sessions("flow.new", 1000, 400), thinned)
    assert safety(found.variants[1])["failed_uploads"] is Safety.SAFE
    note_left_out(cursor, "busy", 7)
    found = build_report(FLOW, read_sessions(cursor, FLOW, NOW))
    assert safety(found.variants[1])["failed_uploads"] is Safety.NOT_KNOWN
    assert "Failed or refused uploads: not known; a client had so many refused uploads that not all" in told(found)


def test_refusals_of_a_client_that_takes_no_part_leave_nothing_unknown(cursor: DuckDb) -> None:
    other = Sessions("", 5, 2, client="busy", refused=3)
    fill(cursor, Sessions("flow.old", 1000, 400), Sessions("flow.new", 1000, 400), other)
    note_left_out(cursor, "busy", 7)
    found = build_report(FLOW, read_sessions(cursor, FLOW, NOW))
    assert safety(found.variants[1])["failed_uploads"] is Safety.SAFE


def test_a_harm_stays_a_harm_when_refusals_were_left_out(cursor: DuckDb) -> None:
    found = report(cursor, OLD, Sessions("flow.new", 1000, 550, failed=200, refused=30))
    assert found.variants[1].guardrails[2].thinned
    assert found.variants[1].verdict is Verdict.HARM


def note_left_out(cursor: DuckDb, client: str, number: int) -> None:
    properties = json.dumps({"left_out": str(number)})
    cursor.execute(
        "UPDATE events SET properties = ? WHERE name = 'upload_refused' AND client_id = ?", [properties, client]
    )


def test_a_bound_that_is_not_there_is_not_told_as_a_number() -> None:
    for low, said in (
        (-np.inf, "not known yet; too few sessions bound the change."),
        (0.5, "worse by 0.50 s or more; "),
    ):
        sentence = guardrail_sentence(Guardrail("final_delay_s", 1.0, 0.5, Interval(0.5, low, np.inf), 0.25))
        assert sentence.startswith(f"The median delay of final texts: {said}")
        assert "inf" not in sentence


def test_several_variants_share_the_false_alarms(cursor: DuckDb) -> None:
    three = replace(FLOW, variants=(*FLOW.variants, Variant("third")), planned_sessions=3000)
    kinds = (OLD, Sessions("flow.new", 1000, 550), Sessions("flow.third", 1000, 400))
    found = report(cursor, *kinds, experiment=three)
    two = report(cursor, experiment=FLOW)
    wide, narrow = found.variants[1].difference, two.variants[1].difference
    assert wide is not None
    assert narrow is not None
    assert 1.05 < (wide.high - wide.low) / (narrow.high - narrow.low) < 1.2
    assert [each.verdict for each in found.variants] == [None, Verdict.BETTER, Verdict.NOT_KNOWN]
    assert "have 1,000, 1,000 and 1,000 sessions" in split_sentence(found)


def test_what_was_usual_before_narrows_the_interval(cursor: DuckDb) -> None:
    sites = [("good", 0.9), ("bad", 0.1)]
    kinds = [Sessions("", 200, int(200 * rate), START.replace(hour=1), client=site) for site, rate in sites]
    kinds = [replace(kind, opened=START - (NOW - START) / 3) for kind in kinds]
    for mark in ("flow.old", "flow.new"):
        kinds += [Sessions(mark, 500, int(500 * rate), client=site, name=f"{mark}-{site}") for site, rate in sites]
    found = report(cursor, *kinds)
    assert found.variance_left == pytest.approx(1 - 0.8**2, abs=0.01)
    change = found.variants[1].difference
    assert change is not None
    raw = 2 * 3.035 * np.sqrt(2 * 0.25 / 1000)
    assert (change.high - change.low) / raw == pytest.approx(0.6, abs=0.01)


def test_a_before_does_not_make_a_rate_of_nothing_certain() -> None:
    def of(completed: int) -> VariantSessions:
        flags = (np.arange(200) < completed).astype(float)
        nothing = np.zeros(200)
        usual = np.tile([0.1, 0.9], 100)
        unknown = np.full(200, np.nan)
        return VariantSessions(200, 0, flags, nothing, nothing, unknown, nothing, nothing, usual, unknown, nothing)

    change = build_report(FLOW, [of(0), of(1)]).variants[1].difference
    assert change is not None
    assert change.low < 0 < change.high


@pytest.mark.parametrize("others", [1, 2, 9])
def test_the_guardrails_of_all_variants_share_the_false_alarms(others: int) -> None:
    random = np.random.default_rng(1)
    variants = tuple(Variant(f"v{number}") for number in range(others + 1))
    experiment = replace(FLOW, variants=variants, planned_sessions=400 * len(variants))
    drawn = [_equal_sessions(random, 400) for _ in variants]
    first, last = drawn[0], drawn[-1]
    unsafe, took, failed = build_report(experiment, drawn).variants[-1].guardrails
    alpha = 0.05 / (3 * others)
    varied, usual = (ratio_of(each.unsafe, each.texts) for each in (last, first))
    assert unsafe.difference == difference(varied, usual, 800, alpha)
    varied, usual = (ratio_of(each.failed, each.uploads) for each in (last, first))
    assert failed.difference == difference(varied, usual, 800, alpha)
    assert took.difference == median_difference(last.final_delay_s, first.final_delay_s, 800, alpha)


def _equal_sessions(random: np.random.Generator, number: int) -> VariantSessions:
    """Sessions of a variant that is as all others are."""
    texts, uploads = random.integers(1, 6, number), random.integers(0, 3, number)
    completed, took = random.random(number) < 0.4, random.lognormal(0, 1, number)
    unsafe, failed = random.binomial(texts, 0.05), random.binomial(uploads, 0.08)
    drawn = (completed, texts, unsafe, took, uploads, failed, *[np.full(number, np.nan)] * 2, np.zeros(number))
    return VariantSessions(number, 0, *(np.asarray(values, dtype=np.float64) for values in drawn))
