"""The texts of the console are whole in each language."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from server.console.texts import preferred, texts_in
from server.console.visit import PAGES
from server.funnel.steps import FUNNEL
from server.languages.texts import LANGUAGES
from server.records.event_catalogue import EVENTS

ENGLISH = texts_in(LANGUAGES[0]).places()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_each_text_with_the_same_places(language: str) -> None:
    assert texts_in(language).places() == ENGLISH


BUILT = (
    "error_",
    "try_fact_",
    "severity_",
    "stage_",
    "state_",
    "kind_",
    "nav_",
    "category_",
    "effort_",
    "order_",
    "entry_",
    "source_",
    "event_",
    "sessions_",
    "verdict_",
    "experiment_state_",
    "experiment_progress",
    "guardrail_",
    "by_",
    "time_",
    "times_yes",
    "quantile_",
    "filter_times",
    "risk_unknown_",
    "unknown_",
    "risk_low",
    "risk_medium",
    "risk_high",
    "lane_uploads",
    "media_",
    "upload_",
    "record_",
    "outcome_",
    "reviews_claim_",
    "reviews_order_",
    "review_choice_",
    "review_mine_until",
    "review_taken_until",
    "review_decision_",
    "review_done_",
    "review_reason_",
    "review_state_",
    "flow_way_",
    "flow_kind_",
    "flow_kept_",
)
CHOSEN = (
    "problem_too_large",
    "login_again",
    "login_link_used",
    "letter_retried",
    "letter_discarded",
    "funnel_nobody",
    "causes_too_little",
    "causes_nothing",
    "yes",
    "no",
)
"""Keys that are put together, and those that are chosen, in the code."""


def test_each_text_that_a_page_names_is_there_and_each_text_is_used() -> None:
    sources = [*files("server.console").joinpath("templates").iterdir(), *files("server.console").iterdir()]
    code = "\n".join(file.read_text(encoding="utf-8") for file in sources if file.name.endswith((".html", ".py")))
    named = set(re.findall(r"\b(?:t|_?texts|texts_of\([\w.]+\))\(\s*['\"](\w+)['\"]", code)) | {"funnel_too_little"}
    made = {f"nav_{name}" for name, _, _ in PAGES} | {f"stage_{stage}" for stage in FUNNEL}
    assert {key for key in named if not key.endswith("_")} | made <= ENGLISH.keys()
    assert {key for key in ENGLISH if key not in named and not key.startswith((*BUILT, *CHOSEN))} == set()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "en"),
        ("de", "de"),
        ("de-CH, fr;q=0.9", "de"),
        ("fr, es;q=0.4, de;q=0.3", "es"),
        ("en;q=0.1, de;q=0.2", "de"),
        ("de;q=0", "en"),
        ("de;q=1.2.3", "en"),
        ("*" * 5000, "en"),
    ],
)
def test_the_language_that_a_browser_prefers(header: str, language: str) -> None:
    assert preferred(header) == language


def test_a_machine_word_without_a_text_is_shown_as_it_is() -> None:
    assert texts_in("de").or_word("kind_of_a_later_version", "read_smell") == "read_smell"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_event_of_the_server_has_a_name_for_people(language: str) -> None:
    texts = texts_in(language)
    named = {f"event_{name}" for name in EVENTS if "*" not in name}
    assert {key for key in texts.places() if key.startswith("event_")} == named
