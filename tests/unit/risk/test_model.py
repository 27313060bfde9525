"""The formula, its interval, and its reasons."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from server.funnel.texts import load_texts
from server.risk.features import FEATURES, STAGES
from server.risk.formula import Column, Curve, Curves, Formula, Levels, Line, Node, Trees, logit, sigmoid
from server.risk.model import (
    Group,
    Quality,
    Risk,
    RiskModel,
    StageModel,
    StageStatus,
    Unknown,
    assess,
    interval_of,
)
from server.risk.properties import Value, property_feature
from server.risk.texts import RiskTexts

SPEECH = Curve(knots=(0.0, math.log(2), math.log(4)), values=(0.0, 1.0, 2.0), unknown=0.5, usual=0.2)
LANGUAGE = Levels(values={"hi": 0.6, "en": -0.1}, other=0.0, unknown=0.3, usual=0.0)
CURVES = Curves(start=-1.0, features={"no_speech": SPEECH, "language_spoken": LANGUAGE})
AS_IT_IS = Line(knots=(-9.0, 9.0), values=(-9.0, 9.0))
FORMULA = Formula(score=CURVES, calibration=AS_IT_IS)
GROUPS = (
    Group(sessions=100, predicted=0.2, abandoned=0.2, low=0.13, high=0.29),
    Group(sessions=80, predicted=0.6, abandoned=0.6, low=0.49, high=0.70),
)
QUALITY = Quality(sessions=180, brier=0.2, base_brier=0.25, auc=0.7, groups=GROUPS, whole=GROUPS[0])


def ready(**changes: Any) -> RiskModel:
    given: dict[str, Any] = {"sessions": 900, "abandoned": 300, "quality": QUALITY, "formula": FORMULA}
    part = StageModel.model_validate({"status": StageStatus.READY} | given | changes)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return RiskModel(train_time=now, begin=now, end=now, sessions=1000, stages={"STARTED": part})


@pytest.mark.parametrize(
    ("value", "amount"), [(0.0, 0.0), (1.0, 1.0), (math.sqrt(8) - 1, 1.5), (3.0, 2.0), (1e9, 2.0), (None, 0.5)]
)
def test_a_curve_is_lines_between_its_knots(value: float | None, amount: float) -> None:
    assert SPEECH.of(value) == pytest.approx(amount)


def test_a_rare_level_adds_what_others_do() -> None:
    assert [LANGUAGE.of(value) for value in ("hi", "sw", None)] == [0.6, 0.0, 0.3]


def test_the_risk_is_the_sum_with_the_interval_of_those_alike() -> None:
    found = assess(ready(), "STARTED", {"no_speech": 3.0, "language_spoken": "hi"})
    assert isinstance(found, Risk)
    assert logit(found.risk.mid) == pytest.approx(-1.0 + 2.0 + 0.6)
    assert (found.alike, found.usual) == (80, 300 / 900)
    assert logit(found.risk.low) - logit(found.risk.mid) == pytest.approx(logit(0.49) - logit(0.6))
    assert found.risk.low < found.risk.mid < found.risk.high


def test_an_interval_is_wider_where_the_model_was_wrong() -> None:
    wrong = Group(sessions=80, predicted=0.6, abandoned=0.4, low=0.30, high=0.51)
    found = assess(ready(quality=QUALITY.model_copy(update={"groups": (wrong,)})), "STARTED", {"no_speech": 3.0})
    assert isinstance(found, Risk)
    assert logit(found.risk.mid) - logit(found.risk.low) == pytest.approx(logit(0.6) - logit(0.30))
    assert found.risk.high == found.risk.mid


def test_reasons_are_what_raises_it_above_the_average() -> None:
    found = assess(ready(), "STARTED", {"no_speech": 3.0, "language_spoken": "en"})
    assert isinstance(found, Risk)
    [reason] = found.raised
    assert (reason.feature, reason.value) == ("no_speech", 3.0)
    assert reason.odds_ratio == pytest.approx(math.exp(2.0 - 0.2))


@pytest.mark.parametrize("stage", ["COMPLETED", "ABANDONED", "REJECTED"])
def test_a_session_that_has_ended_has_no_risk(stage: str) -> None:
    assert assess(None, stage, {}) is Unknown.ENDED
    assert assess(ready(), stage, {}) is Unknown.ENDED


def test_without_a_model_the_risk_is_unknown() -> None:
    assert assess(None, "STARTED", {}) is Unknown.NOT_TRAINED
    assert assess(ready(), "IN_PROGRESS", {}) is Unknown.NOT_TRAINED
    poor = ready(status=StageStatus.NO_SKILL, formula=None)
    assert assess(poor, "STARTED", {}) is Unknown.NO_SKILL


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"train_time": "2026-03-01T00:00:00"},
        {"more": 1},
        {"stages": {"COMPLETED": {"status": "NO_SKILL", "sessions": 1, "abandoned": 0}}},
        {"stages": {"STARTED": {"status": "READY", "sessions": 1, "abandoned": 0}}},
    ],
)
def test_a_wrong_document_is_refused(change: dict[str, Any]) -> None:
    document = ready().model_dump(mode="json") | change
    with pytest.raises(ValidationError):
        RiskModel.model_validate(document)


@pytest.mark.parametrize(
    "features",
    [
        {"client": {"knots": [0], "values": [0], "unknown": 0, "usual": 0}},
        {"no_speech": {"knots": [1, 0], "values": [0, 1], "unknown": 0, "usual": 0}},
        {"no_speech": {"knots": [0], "values": [math.inf], "unknown": 0, "usual": 0}},
        {"no_speech": {"values": {}, "other": 0, "unknown": 0, "usual": 0}},
        {"language_spoken": {"knots": [0], "values": [0], "unknown": 0, "usual": 0}},
    ],
)
def test_a_wrong_formula_is_refused(features: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Curves.model_validate({"start": 0, "features": features})


NETWORK = property_feature("site", "network")
TREE = (
    Node(value=0.1, column=0, bound=1.5, left=1, right=2),
    Node(value=-0.4),
    Node(value=0.6, column=1, bound=0.5, left=3, right=4),
    Node(value=0.2),
    Node(value=1.4),
)
TREES = Trees(start=-1.0, columns=(Column(feature="turns"), Column(feature=NETWORK, level="3g")), trees=(TREE, TREE))


@pytest.mark.parametrize(
    ("known", "score"),
    [
        ({"turns": 1.0, NETWORK: "3g"}, -1.8),
        ({"turns": 2.0, NETWORK: "wifi"}, -0.6),
        ({"turns": 2.0, NETWORK: "3g"}, 1.8),
        ({"turns": 2.0}, -0.6),
    ],
)
def test_trees_add_what_their_leaves_say_and_each_feature_has_its_part(known: dict[str, Value], score: float) -> None:
    assert TREES.of(known) == pytest.approx(score)
    assert -1.0 + 2 * 0.1 + sum(TREES.raised(known).values()) == pytest.approx(score)
    again = Formula.model_validate_json(Formula(score=TREES, calibration=AS_IT_IS).model_dump_json())
    assert again.risk(known) == pytest.approx(sigmoid(score))


def test_a_reason_is_the_difference_to_the_usual_amount_after_calibration() -> None:
    flat_above = Line(knots=(-9.0, 1.0), values=(-9.0, 1.0))
    found = Formula(score=CURVES, calibration=flat_above).raised({"no_speech": 3.0, "language_spoken": "hi"})
    assert found["no_speech"] == pytest.approx(1.0 - (-0.2))
    assert found["language_spoken"] == pytest.approx(0.0)


def test_a_property_that_is_unknown_is_no_reason_and_one_that_is_known_is() -> None:
    curves = Curves(start=0.0, features={NETWORK: Levels(values={"3g": 1.0}, other=-0.5, unknown=0.9, usual=0.0)})
    model = ready(formula=Formula(score=curves, calibration=AS_IT_IS))
    for known, named in (({}, []), ({NETWORK: "3g"}, [NETWORK]), ({NETWORK: "wifi"}, [])):
        found = assess(model, "STARTED", known)
        assert isinstance(found, Risk)
        assert [each.feature for each in found.raised] == named
    texts = RiskTexts(load_texts())
    assert (texts.reason(NETWORK, "3g"), texts.help(NETWORK)) == ("network: 3g", "")


@pytest.mark.parametrize(
    "tree",
    [
        [],
        [{"value": 0, "column": 0, "left": 0, "right": 0}],
        [{"value": 0, "column": 0, "left": 1, "right": 2}, {"value": 0}],
        [{"value": 0, "column": 9, "left": 1, "right": 2}, {"value": 0}, {"value": 0}],
    ],
)
def test_a_tree_that_could_not_end_is_refused(tree: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        Trees.model_validate({"start": 0, "columns": [{"feature": "turns"}], "trees": [tree]})


def test_a_higher_score_is_never_a_lower_risk() -> None:
    with pytest.raises(ValidationError):
        Line(knots=(0.0, 1.0), values=(1.0, 0.0))


def test_where_all_were_abandoned_the_interval_ends_at_one() -> None:
    interval, _ = interval_of(0.97, [Group(sessions=9, predicted=0.98, abandoned=1.0, low=0.9, high=1.0)])
    assert interval.high == 1.0


def test_every_feature_has_words() -> None:
    texts = RiskTexts(load_texts())
    assert texts._texts.keys() == FEATURES.keys()
    said = {name: texts.reason(name, 2.0 if kind == "number" else "hi") for name, kind in FEATURES.items()}
    assert all(text.partition(":")[0].strip() for text in said.values())
    assert len(set(said.values())) == len(FEATURES)
    assert said["no_speech"] == "no speech was recognized: 2 times"
    assert texts.reason("no_speech", 1.0) == "no speech was recognized: 1 time"
    assert texts.reason("idle_s", 95.4) == "time since anything happened: 95.4 s"
    assert texts.reason("recognition_delay_s", 1.26) == "mean time to recognize an utterance: 1.26 s"
    assert texts.reason("document", None) == "kind of the first upload: unknown"
    assert set(STAGES) < set(type(STAGES[0]))
