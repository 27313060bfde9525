"""The file of experiments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.reasons import Reason
from server.experiments.catalogue import NO_EXPERIMENTS
from server.experiments.loader import MAX_FILE_BYTES, check_flow_versions, load_experiments, parse_experiments
from server.experiments.types import NO_CHANGES, Tolerances
from server.flows.catalogue import shipped_catalogue

WHOLE = """
experiments:
  pause_length:
    start: 2026-12-01
    end: 2026-12-31T18:00:00+01:00
    clients: [site-7, site-9]
    planned_sessions: 6000
    counts_after_hours: 2
    guardrails: {final_delay_s: 0.5}
    variants:
      usual: {}
      short: {weight: 3, end_silence_s: 0.4, reply_instruction: " Ask for the meter first. "}
  flow:
    start: 2026-12-01
    clients: [site-1]
    variants: {old: {}, new: {}}
"""


def test_everything_in_the_file_is_taken() -> None:
    pause, flow = parse_experiments(WHOLE)
    assert (pause.name, pause.control.name) == ("pause_length", "usual")
    assert pause.start == datetime(2026, 12, 1, tzinfo=UTC)
    assert pause.end == datetime(2026, 12, 31, 17, tzinfo=UTC)
    assert (pause.planned_sessions, pause.counts_after_s) == (6000, 7200)
    assert pause.tolerances == Tolerances(final_delay_s=0.5)
    usual, short = pause.variants
    assert (usual.weight, usual.changes) == (1, NO_CHANGES)
    assert (short.weight, short.changes.end_silence_s) == (3, 0.4)
    assert short.changes.reply_instruction is not None
    assert short.changes.reply_instruction.value == "Ask for the meter first."
    assert (flow.end, flow.counts_after_s) == (None, 86_400)


def test_no_file_and_an_empty_one_declare_nothing(tmp_path: Path) -> None:
    assert load_experiments(None) is NO_EXPERIMENTS
    empty = tmp_path / "experiments.yaml"
    empty.write_text("# nothing yet\n")
    assert list(load_experiments(empty)) == []


ONE = "experiments:\n  flow:\n    start: 2026-12-01\n    variants: {old: {}, new: {}}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ONE.replace("start: 2026-12-01", "end: 2026-12-01"), "experiments.flow.start: field required"),
        (ONE.replace(", new: {}", ""), "experiments.flow.variants: dictionary should have at least 2 items"),
        (ONE.replace("new: {}", "New-One: {}"), "experiments.flow.variants.New-One: string should match pattern"),
        (ONE.replace("new: {}", "new: {weight: 0}"), "experiments.flow.variants.new.weight: input should be greater"),
        (ONE.replace("new: {}", "new: {weight: .inf}"), "experiments.flow.variants.new.weight: input should be a fin"),
        (ONE.replace("new: {}", "new: {end_silence_s: 9}"), "new.end_silence_s: input should be less than or equal"),
        (ONE.replace("new: {}", "new: {colour: red}"), "variants.new.colour: extra inputs are not permitted"),
        (ONE.replace("2026-12-01", "2026-12-01\n    end: 2026-11-01"), "experiments.flow: end must be after start"),
        (ONE + "    start: 2026-12-02\n", "is no YAML in line 3: a key is there twice"),
        (ONE.replace("2026-12-01", "2026-13-01"), "is no YAML in line 3: there is no such date, time or number"),
        (ONE.replace("2026-12-01", "2026-02-30T08:00:00Z"), "is no YAML in line 3: there is no such date"),
        (ONE.replace("2026-12-01", "5"), "experiments.flow.start: must be a date or a time"),
        (ONE.replace("2026-12-01", "true"), "experiments.flow.start: must be a date or a time"),
        (ONE.replace("new: {}", "new: {weight: true}"), "new.weight: input should be a valid number"),
        ("experiments: [", "is no YAML in line"),
        ("- flow", "should be a valid dictionary"),
        (
            ONE + ONE.removeprefix("experiments:\n").replace("flow", "other"),
            "experiments.flow and experiments.other have clients in common at the same time",
        ),
        (ONE + "    counts_after_hours: 0.4\n", "counts_after_hours must be more than VESTIBULE_IDLE_SESSION_S"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_experiments(text, idle_session_s=1800)
    assert caught.value.reason == "EXPERIMENTS_INVALID"
    assert told in caught.value.message


def test_a_message_holds_no_value() -> None:
    text = ONE.replace("new: {}", "new: {weight: maria, reply_instruction: [lopez], end_silence_s: 555}")
    with pytest.raises(InvalidInput) as caught:
        parse_experiments(text.replace("2026-12-01", "garcia"))
    assert not {"maria", "lopez", "555", "garcia"} & set(caught.value.message.replace(".", " ").split())


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * (MAX_FILE_BYTES + 1), None])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "experiments.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match="The file of experiments"):
        load_experiments(file)


def test_experiments_of_other_clients_or_times_may_stand_beside_each_other() -> None:
    later = ONE.removeprefix("experiments:\n").replace("flow", "later").replace("2026-12-01", "2027-01-01")
    first = ONE.replace("2026-12-01", "2026-12-01\n    end: 2027-01-01")
    assert [each.name for each in parse_experiments(first + later)] == ["flow", "later"]
    assert len(list(parse_experiments(WHOLE))) == 2


@pytest.mark.parametrize("version", [1, 2])
def test_a_variant_names_a_version_of_a_flow_that_there_is(version: int) -> None:
    experiments = parse_experiments(f"""
        experiments:
          two_forms:
            start: 2026-12-01
            flow: site_visit
            variants: {{usual: {{}}, short: {{flow_version: {version}}}}}
        """)
    if version == 1:
        check_flow_versions(experiments, shipped_catalogue())
        return
    with pytest.raises(InvalidInput) as refused:
        check_flow_versions(experiments, shipped_catalogue())
    assert refused.value.reason == Reason.EXPERIMENTS_INVALID
    assert "two_forms names the flow site_visit@2" in refused.value.message
