"""Jobs fail for good on a real server, and an operator deals with their dead letters by the commands."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from vestibule.v1 import media_pb2

from tests.e2e.browser import assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.failed_jobs import (
    FAILED,
    KILLED,
    ON_THE_PAGE,
    PATIENCE_S,
    PER_S,
    VISITORS,
    WEBHOOK_KEY,
    Stage,
    failed_jobs,
)
from tests.e2e.planted_values import ManyProbe, by_kind, lines_of

SEEN = "seen_in_browser"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The server after its jobs have failed. Each test deals with letters of another kind."""
    async with failed_jobs(tmp_path_factory.mktemp("letters")) as made:
        yield made


async def test_an_operator_sees_what_failed_and_why(stage: Stage) -> None:
    letters = await stage.json("dlq", "list", "--all")
    assert Counter((letter["kind"], letter["reason"]) for letter in letters) == FAILED
    assert sorted(one["id"] for one in stage.watched) == sorted(letter["id"] for letter in letters)
    for row in await stage.json("dlq", "stats"):
        assert row["open"] + row["closed"] == FAILED[row["kind"], row["reason"]]
    [page] = [letter for letter in letters if letter["kind"] == "read_picture"]
    shown = await stage.command("dlq", "show", page["id"])
    assert re.search(rf"^upload_id +{stage.page}$", shown, re.MULTILINE)
    attempts = (await stage.json("dlq", "show", page["id"]))["job_attempts"][-2:]
    assert [(row["number"], row["outcome"], row["reason"]) for row in attempts] == [
        (1, "retry", "WORKER_LOST"),
        (2, "dead", KILLED),
    ]
    [call] = [line for line in stage.log_lines("rpc") if line["correlation_id"] == page["correlation_id"]]
    assert call["method"].endswith("MediaService/Upload"), "the call that brought the work"


async def test_records_are_redriven_once_at_a_bounded_rate_with_a_reason_and_an_operation(stage: Stage) -> None:
    which = ("--kind", "propose_record")
    assert "--reason" in await stage.command("dlq", "retry", *which, code=2)
    preview = await stage.command("dlq", "retry", *which, "--dry-run")
    assert preview.splitlines()[-1] == f"{VISITORS} letters match. Nothing was changed."
    assert len(await stage.json("dlq", "list", *which)) == VISITORS
    stage.upstream.script("answer")
    operation = ("--operation-id", str(uuid.uuid4()))
    began = time.monotonic()
    for _ in range(2):
        printed = await stage.command("dlq", "retry", *which, "--reason", "upstream_fixed", *operation)
        assert printed == f"{VISITORS} letters were put back into their queues.\n"
    assert time.monotonic() - began >= VISITORS / PER_S
    assert "[OPERATION_ID_USED]" in await stage.command("dlq", "retry", *which, "--reason", "other", *operation, code=1)
    assert await stage.redriven("upstream_fixed") == {"dead_letters": 1, "dead_letter": VISITORS}
    done = "SELECT job_id FROM v_job_attempts WHERE kind = 'propose_record' AND outcome = 'done'"
    async with asyncio.timeout(PATIENCE_S):
        while len(rows := await stage.sql(done)) < VISITORS:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.5)
    assert len(rows) == len({row["job_id"] for row in rows}) == VISITORS, "each was done once"
    assert len(stage.log_lines("dead_letter")) == FAILED.total()


async def test_a_page_that_killed_its_worker_is_read_after_it_was_redriven(stage: Stage) -> None:
    printed = await stage.command("dlq", "retry", "--failed-with", KILLED, "--reason", "worker_fixed")
    assert printed == "1 letter was put back into its queue.\n"
    assert await stage.redriven("worker_fixed") == {"dead_letters": 1, "dead_letter": 1}
    async with asyncio.timeout(PATIENCE_S):
        upload = await stage.app.finished(stage.page)
    assert upload.state == media_pb2.UPLOAD_STATE_DONE
    assert upload.text.value.count("[REDACTED_") >= ON_THE_PAGE


@needs_chromium
async def test_an_operator_discards_a_reply_in_a_browser(stage: Stage) -> None:
    link = (await stage.command("console", address=False)).strip()
    async with page_of_a_browser() as page:
        await page.goto(link)
        await page.get_by_role("link", name="Dead letters").click()
        letters = page.get_by_role("link", name="Answer a person")
        await expect(letters).to_have_count(VISITORS)
        await assert_accessible(page)
        await letters.first.click()
        await expect(page.get_by_role("heading", name="What the job works on")).to_be_visible()
        await expect(page.locator("ol.talk li")).to_have_count(1)
        await assert_accessible(page)
        await page.get_by_label("Why, as a machine word").fill(SEEN)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/letters?done=discarded")
        await expect(letters).to_have_count(VISITORS - 1)
        other = (await stage.json("dlq", "list", "--kind", "reply"))[0]["id"]
        await stage.command("dlq", "discard", other, "--reason", SEEN)
        await expect(letters).to_have_count(VISITORS - 2)  # the page shows it without a reload
        await page.get_by_label("Job", exact=True).select_option("reply")
        await page.get_by_role("button", name="Show", exact=True).click()
        await page.get_by_role("link", name=f"Do the jobs again: {VISITORS - 2}").click()
        await expect(page.get_by_text(f"Jobs to be done again: {VISITORS - 2}")).to_be_visible()
        await assert_accessible(page)
        await page.get_by_role("link", name="All dead letters").click()
        await page.get_by_role("link", name="Show closed ones too").click()
        await expect(page.get_by_role("cell", name="discarded")).to_have_count(2)
    async with page_of_a_browser() as stranger:
        await stranger.goto(link)
        assert await stranger.get_by_label("API key or token").is_visible(), "the link has been used"
    rows = await stage.json("audit", "list", "--action", "discard")
    by = {(row["subject"], row["object_type"], row["reason"]) for row in rows}
    assert by == {("key:operator", "dead_letter", SEEN), ("key:operator", "dead_letters", SEEN)}


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
async def test_the_pages_show_what_the_commands_show(stage: Stage, width: str, scheme: str) -> None:
    stages = await stage.json("funnel")
    link = (await stage.command("console", address=False)).strip()
    async with page_of_a_browser(width, scheme) as page:
        await page.goto(link)
        await page.get_by_role("link", name="Funnel", exact=True).click()
        await expect(page.get_by_role("row")).to_have_count(len(stages) + 1)
        for position, row in enumerate(stages, 1):
            shown = await page.get_by_role("row").nth(position).get_by_role("cell").all_inner_texts()
            assert int(shown[2]) == row["sessions"]
            assert int(shown[4]) == row["under_way"]
        await assert_accessible(page)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**#content")  # the first key leads past the menu
        await page.get_by_role("link", name="Health").click()
        await expect(page.get_by_role("heading", name="Health")).to_be_visible()
        parts = {part["name"] for part in (await stage.json("status"))["components"]}
        assert parts <= set(await page.get_by_role("rowheader").all_inner_texts())
        await assert_accessible(page)
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/login")
        await page.goto(link.partition("/login")[0] + "/health")
        assert await page.get_by_label("API key or token").is_visible()


async def test_replies_are_discarded_one_by_one_by_age_and_by_a_script(stage: Stage) -> None:
    first = (await stage.json("dlq", "list", "--kind", "reply"))[0]["id"]
    assert await stage.command("dlq", "discard", first, "--reason", "duplicate") == "1 letter was discarded.\n"
    assert (await stage.command("dlq", "discard", first, "--reason", "again")).startswith("No open letter matches.")
    script = (
        "from datetime import timedelta; from server.operations import list_letters, retry_letters;"
        "print(len(list_letters(kind='reply')), retry_letters(kind='nothing', reason='none')['done'])"
    )
    environment = stage.server.environment | {"VESTIBULE_ADDRESS": stage.server.address}
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    left = len(await stage.json("dlq", "list", "--kind", "reply"))
    assert ran.stdout == f"{left} 0\n"
    assert (await stage.command("dlq", "clear", "--older-than", "1h")).startswith("No open letter matches.")
    await stage.command("dlq", "clear", "--older-than", "1s", "--reason", "too_late", "--dry-run")
    await stage.command("dlq", "clear", "--older-than", "1s", "--reason", "too_late")
    rows = await stage.sql("SELECT closed_as, closed_reason FROM v_dead_letters WHERE kind = 'reply'")
    closed = Counter((row["closed_as"], row["closed_reason"]) for row in rows if row["closed_reason"] != SEEN)
    assert closed == {("discarded", "duplicate"): 1, ("discarded", "too_late"): left}
    assert left in (VISITORS - 1, VISITORS - 3), "without a browser, two more are left"


async def test_critical_letters_are_told_by_webhook_mail_metric_and_log(stage: Stage) -> None:
    critical = {line["letter"] for line in stage.log_lines("critical_dead_letter")}
    assert len(critical) == VISITORS + 1
    (_, refused, _), (_, repeated, _) = stage.webhook.came[:2]
    assert refused["webhook-id"] == repeated["webhook-id"], "it was answered with 500 and sent again"
    for _, headers, body in stage.webhook.came:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(WEBHOOK_KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    posted = [letter for _, _, body in stage.webhook.came[1:] for letter in json.loads(body)["data"]["dead_letters"]]
    assert {letter["id"] for letter in posted} == critical
    assert all(letter in "".join(stage.mail.mails) for letter in critical)
    metrics = await stage.metrics()
    for (kind, _), number in FAILED.items():
        assert f'vestibule_dead_letters_total{{kind="{kind}"}} {number}.0' in metrics
    assert f'vestibule_critical_dead_letters_total{{kind="propose_record"}} {VISITORS}.0' in metrics
    assert 'vestibule_alerts_total{channel="webhook",outcome="failed"} 0.0' in metrics
    assert re.search(r'vestibule_alerts_total\{channel="mail",outcome="sent"\} [1-9]', metrics)


async def test_no_personal_value_is_in_a_letter_a_command_an_alert_or_the_log(stage: Stage) -> None:
    values = [
        value for person in stage.persons for line in lines_of(person, random.Random(3), "") for value in line.values
    ]
    await stage.command("dlq", "list", "--all")
    places = {
        "commands and metrics": "\n".join(stage.printed),
        "log": stage.server.log,
        "webhook": "\n".join(f"{headers}{body!r}" for _, headers, body in stage.webhook.came),
        "mail": "\n".join(stage.mail.mails),
    }
    probe = ManyProbe(values)
    assert probe.search(stage.persons[0].surname.encode()), "the search finds what is there"
    hits = [(place, hit) for place, text in places.items() for hit in probe.search(text.encode())]
    assert not hits, by_kind(hits)
