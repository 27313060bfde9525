"""The page of a problem leads back to the page whose form was refused, and says what is wrong in its language."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from models.errors import FieldViolation, InvalidInput, Overloaded
from models.reasons import Reason
from server.access.caller import Scope
from server.console.problem_texts import TEXT_OF_REASON, Told, text_of, told_of
from server.console.texts import texts_in
from server.languages.texts import LANGUAGES
from tests.unit.console.harness import Harness
from tests.unit.console.test_reviews import browser, hash_on, world
from tests.unit.reviews.conftest import ReviewWorld

__all__ = ["world"]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


async def test_a_refused_form_leads_back_to_its_record_and_says_what_would_fit(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        form = {
            "hash": hash_on((await client.get(f"/reviews/{row.id}")).text),
            "choice.meter_unit": "correct",
            "value.meter_unit": "furlong",
        }
        refused = await client.post(f"/reviews/{row.id}/decide", data=form)
        assert refused.status_code == 400
        assert f'<a href="/reviews/{row.id}">Back to the page before</a>' in refused.text
        assert f'href="/reviews/{row.id}?lang=de"' in refused.text, "the address of the form has no page"
        assert "m3" in refused.text
        assert "furlong" not in refused.text


async def test_a_page_that_is_not_there_leads_to_the_start_alone(world: ReviewWorld) -> None:
    async with browser(world, Scope.REVIEWER) as client:
        nowhere = "/reviews/00000000-0000-4000-8000-000000000000"
        for response in (await client.get(nowhere), await client.post(f"{nowhere}/claim")):
            assert response.status_code == 404
            assert "Back to the page before" not in response.text
            assert 'href="/"' in response.text


async def test_an_address_without_a_page_keeps_the_menu_of_whoever_is_logged_in(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as client:
        for response in (
            await client.get("/nowhere"),
            await client.post("/nowhere"),
            await client.get("/static/no.js"),
        ):
            assert response.status_code == 404
            assert '<a href="/funnel"' in response.text
        assert "Diese Seite gibt es nicht." in (await client.get("/nowhere?lang=de")).text
    async with harness.browser() as nobody:
        response = await nobody.get("/nowhere")
        assert (response.status_code, '<a href="/funnel"' in response.text) == (404, False)


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/funnel?steps=<script>,pay&client=shop", "steps[0]"),
        ("/funnel?steps=cart,pay&by=property&key=x'--&client=shop", "breakdown.key"),
        ("/causes?steps=<script>,pay&client=shop", "steps[0]"),
        ("/sessions/abc", "session_id"),
    ],
)
async def test_an_address_that_cannot_be_used_names_the_rule_once_and_keeps_the_menu_and_the_form(
    harness: Harness, address: str, field: str
) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as client:
        refused = await client.get(address)
        page = unescape(refused.text)
    assert refused.status_code == 400
    assert page.count(f"{field} must be ") == 1
    assert page.count(" must be ") == 1
    assert "Something in the address or the filter of this page cannot be used." in page
    assert '<a href="/funnel"' in page
    assert "<script>," not in refused.text
    if "client=" in address:
        assert '<details class="filter" open>' in page
        assert 'name="client" value="shop"' in page
        assert f'action="{address.partition("?")[0]}"' in page


async def test_a_choice_that_there_is_not_leaves_the_form(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as client:
        for address in ("/funnel?from=tomorrow", "/funnel?order=backwards&steps=a,b", "/causes?window=soon&steps=a,b"):
            refused = await client.get(address)
            assert refused.status_code == 400
            assert '<details class="filter" open>' in refused.text


WITH_TEXTS = {
    # decisions
    *("REVIEW_CLAIMED", "CONTENT_CHANGED", "RECOMMENDATION_DECIDED", "RECOMMENDATION_EXPIRED", "APPROVER_REPEATED"),
    *("OWN_SESSION", "WRONG_STATE", "RECOMMENDATION_NOT_FOUND", "SESSION_NOT_FOUND", "UPLOAD_NOT_FOUND"),
    *("PICTURE_GONE", "FLOW_NOT_FOUND", "NOT_FOUND"),
    # corrections
    *("INVALID_RECORD", "CORRECTION_REDACTED", "FIELD_NOT_APPLICABLE", "FIELD_NOT_IN_RECORD", "INVALID_ARGUMENT"),
    # lists of the funnel
    *("FUNNEL_FEATURE_UNKNOWN", "FUNNEL_CONDITION_MISFIT"),
    # logins
    *("CREDENTIALS_INVALID", "CREDENTIALS_MISSING", "CREDENTIALS_EXPIRED", "CREDENTIALS_REVOKED", "SCOPE_MISSING"),
    *("ALL_CLIENTS_ONLY", "LOGIN_FAILED", "ISSUER_UNAVAILABLE", "REFUSALS_TOO_FAST", "TOO_MANY_CREDENTIAL_CHECKS"),
    # sessions that are tried, and what is sent in them
    *("FACT_INVALID", "SESSION_ENDED", "NO_MATERIAL", "PROPOSAL_UNCHANGED", "NO_SPEECH", "UPLOAD_EMPTY", "EMPTY_FILE"),
    *("UPLOAD_TOO_LARGE", "IMAGE_TOO_LARGE", "AUDIO_TOO_LARGE", "AUDIO_TOO_LONG", "DECOMPRESSION_BOMB", "TOO_LARGE"),
    *("UNSUPPORTED_MEDIA", "MEDIA_TYPE_MISMATCH", "BAD_MEDIA", "BROKEN_MEDIA", "MEDIA_NOT_DECODABLE", "TRAILING_DATA"),
    *("ACTIVE_CONTENT", "FOREIGN_CONTENT", "MEDIA_TOO_COMPLEX", "ENCRYPTED_DOCUMENT", "TOO_MANY_PAGES"),
    *("MALWARE_FOUND", "SCAN_FAILED", "SCAN_INCOMPLETE", "SCANNER_UNREACHABLE", "UPLOAD_QUOTA"),
    # the server
    *("CALLS_TOO_FAST", "DECODERS_BUSY", "JOBS_FULL", "LEDGER_BUSY", "OVERLOADED", "SCANNER_BUSY", "SESSION_JOBS_FULL"),
    *("SPEECH_BUSY", "TOO_MANY_CALLS", "TOO_MANY_CLIENT_CALLS", "TOO_MANY_CLIENT_STREAMS"),
    *("TOO_MANY_SESSION_STREAMS", "TOO_MANY_STREAMS", "UPLOADS_FULL", "LEDGER_FULL", "SPOOL_FULL", "BREAKER_OPEN"),
    *("CLUSTER_LOST", "CLUSTER_UNAVAILABLE", "DECODER_UNAVAILABLE", "REDACTION_FAILED", "SHUTTING_DOWN", "UNAVAILABLE"),
    *("WORKERS_NOT_READY", "WORKER_LOST", "DEADLINE_EXCEEDED", "INTERNAL"),
}


def test_these_reasons_have_texts_in_all_languages() -> None:
    assert set(TEXT_OF_REASON) == WITH_TEXTS
    for reason in WITH_TEXTS:
        assert len({text_of(reason, texts_in(language)) for language in LANGUAGES} - {None}) == len(LANGUAGES), reason


def test_a_reason_without_a_text_is_told_as_the_server_says_it() -> None:
    error = Overloaded("Audio comes too fast.", reason=Reason.AUDIO_TOO_FAST, hint="Slow down.")
    assert told_of(error, texts_in("de")) == Told("Audio comes too fast.", "Slow down.", own=False)


def test_what_the_server_says_more_stands_beside_the_text() -> None:
    rule = FieldViolation("choices[0].value", "A correction needs a value.")
    error = InvalidInput("A decision is not complete.", reason=Reason.INVALID_ARGUMENT, violations=(rule,))
    told = told_of(error, texts_in("es"))
    assert told.message == "Algo en el formulario falta o no encaja, así que no se hizo nada."
    assert told.detail == "A decision is not complete. A correction needs a value."


def test_rules_of_several_fields_are_told_once_each() -> None:
    rules = (
        FieldViolation("steps[0]", "must be the name of an event"),
        FieldViolation("page_size", "must be at most 5"),
    )
    error = InvalidInput(
        "The request breaks a rule: page_size, steps[0].",
        reason=Reason.INVALID_ARGUMENT,
        hint="steps[0] must be the name of an event. The violations have the rules of the other fields.",
        violations=rules,
    )
    told = told_of(error, texts_in("en"), of_form=False)
    assert told.detail == "steps[0] must be the name of an event. page_size must be at most 5."


@pytest.mark.parametrize(("wait_s", "again"), [(None, "in a moment"), (0.2, "in 1 s"), (179.3, "in 180 s")])
def test_what_passes_says_when_to_try_again(wait_s: float | None, again: str) -> None:
    error = Overloaded("Too many files.", reason=Reason.UPLOAD_QUOTA, retry_after_s=wait_s)
    assert told_of(error, texts_in("en")).message == f"Too many files came in a short time. Try again {again}."


async def test_a_reviewer_is_told_in_the_language_of_the_page(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as one, browser(world, Scope.REVIEWER) as other:
        form = {"hash": hash_on((await one.get(f"/reviews/{row.id}?lang=de")).text)}
        changed = await one.post(f"/reviews/{row.id}/approve", data={"hash": "0" * 64})
        assert "Der Datensatz hat sich geändert, seit Sie ihn geöffnet haben." in changed.text
        misfit = {**form, "choice.meter_unit": "correct", "value.meter_unit": "furlong"}
        refused = (await one.post(f"/reviews/{row.id}/decide", data=misfit)).text
        assert '<p class="note bad" role="alert">Ein Wert passt nicht zu seinem Feld.' in refused
        assert '<p lang="en">The value of meter_unit (unit) must be one of its options.' in refused
        await other.post(f"/reviews/{row.id}/claim")
        claimed = (await one.post(f"/reviews/{row.id}/approve", data=form)).text
        assert "Jemand anderes hat diesen Datensatz reserviert." in claimed
        assert "The record is claimed" not in claimed
