"""Which sessions take part, and in what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import NotFound
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.experiments.types import NO_CHANGES, Changes, Experiment, Variant

START = datetime(2026, 12, 1, tzinfo=UTC)
END = START + timedelta(days=30)
SHORT = Changes(end_silence_s=0.4)
PAUSE = Experiment("pause", (Variant("usual"), Variant("short", 1, SHORT)), START, END, frozenset({"site-7"}))
LATER = Experiment("flow", (Variant("old"), Variant("new")), END)
BOTH = Experiments(PAUSE, LATER)
ONE, TWO = Changes(0.4, flow_version=1), Changes(0.6, flow_version=2)
VERSIONS = Experiment("forms", (Variant("one", 1, ONE), Variant("two", 1, TWO)), START, flow="loan")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("client", "at", "experiment"),
    [
        ("site-7", START, "pause"),
        ("site-7", END - SECOND, "pause"),
        ("site-7", START - SECOND, ""),
        ("site-8", START, ""),
        ("site-7", END, "flow"),
        ("site-8", END, "flow"),
        ("site-8", END + timedelta(days=4000), "flow"),
    ],
)
def test_a_session_takes_part_by_its_client_and_the_time_it_is_opened(
    client: str, at: datetime, experiment: str
) -> None:
    assert BOTH.variant_for(client, "person", at).partition(".")[0] == experiment


def test_both_variants_are_given_and_each_unit_keeps_its_own() -> None:
    units = [f"person-{number}" for number in range(40)]
    given = [BOTH.variant_for("site-7", unit, START) for unit in units]
    assert set(given) == {"pause.usual", "pause.short"}
    assert given == [BOTH.variant_for("site-7", unit, END - SECOND) for unit in units]


def test_a_variant_changes_what_its_declaration_says() -> None:
    assert BOTH.changes("pause.short", "site-7", START) == SHORT
    for mark in ("pause.usual", "pause.none", "short", "", "flow.new"):
        assert BOTH.changes(mark, "site-7", START) == NO_CHANGES


@pytest.mark.parametrize(("client", "opened"), [("site-8", START), ("site-7", START - SECOND), ("site-7", END)])
def test_a_mark_that_an_app_gives_itself_changes_nothing_where_the_experiment_does_not_take_it(
    client: str, opened: datetime
) -> None:
    assert BOTH.changes("pause.short", client, opened) == NO_CHANGES


@pytest.mark.parametrize(
    ("flow", "version", "takes_part"), [("loan", 0, True), ("loan", 1, False), ("site_visit", 0, False)]
)
def test_only_sessions_whose_version_is_to_be_chosen_take_part_in_a_comparison_of_versions(
    flow: str, version: int, takes_part: bool
) -> None:
    given = {Experiments(VERSIONS).variant_for("app", f"person-{n}", START, flow, version) for n in range(40)}
    assert given == ({"forms.one", "forms.two"} if takes_part else {""})


@pytest.mark.parametrize(
    ("mark", "flow", "version", "changes"),
    [
        ("forms.one", "loan", 0, ONE),  # the version is to be chosen
        ("forms.one", "loan", 1, ONE),
        ("forms.one", "loan", 2, NO_CHANGES),
        ("forms.one", "site_visit", 1, NO_CHANGES),
        ("forms.two", "loan", 2, TWO),
    ],
)
def test_a_mark_changes_nothing_in_a_session_of_another_flow_or_version(
    mark: str, flow: str, version: int, changes: Changes
) -> None:
    assert Experiments(VERSIONS).changes(mark, "app", START, flow, version) == changes


def test_an_experiment_that_names_no_version_takes_sessions_of_all_flows() -> None:
    named = Experiments(replace(LATER, flow="loan"))
    for flow, version in (("loan", 0), ("loan", 2), ("site_visit", 1)):
        assert named.variant_for("app", "person", END, flow, version)


def test_comparisons_of_the_versions_of_different_flows_may_run_side_by_side() -> None:
    other = replace(VERSIONS, name="others", flow="site_visit")
    assert not VERSIONS.overlaps(other)
    assert VERSIONS.overlaps(replace(other, flow="loan"))
    assert VERSIONS.overlaps(LATER)
    both = Experiments(VERSIONS, other)
    assert both.variant_for("app", "person", START, "loan").startswith("forms.")
    assert both.variant_for("app", "person", START, "site_visit").startswith("others.")


def test_a_client_of_tokens_is_known_by_its_pseudonym_too() -> None:
    stored = BOTH.stored_as(lambda name: f"hash-{name}")
    for client in ("site-7", "hash-site-7"):
        assert stored.variant_for(client, "person", START)
    assert not stored.variant_for("hash-site-8", "person", START)
    assert stored.variant_for("anybody", "person", END)


def test_an_unknown_experiment_is_not_found() -> None:
    assert BOTH.find("pause") is PAUSE
    with pytest.raises(NotFound, match="no such experiment"):
        BOTH.find("other")
    assert NO_EXPERIMENTS.variant_for("site-7", "person", START) == ""
