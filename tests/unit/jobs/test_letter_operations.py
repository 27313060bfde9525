"""Many dead letters at once: previewed, at a bounded rate, once however often it is repeated, and audited."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from models.errors import Conflict
from server.access.caller import Caller, Scope, acting_as
from server.ledger import audit, jobs
from server.ledger.columns import Cursor
from server.ledger.letter_filter import EVERY_LETTER, LetterFilter
from server.ledger.types import JobState
from tests.unit.jobs.conftest import World
from tests.unit.jobs.letters import Letters

OPERATOR = Caller("key:0001", "", frozenset({Scope.OPERATOR}))


@pytest.fixture
def letters(world: World) -> Letters:
    return Letters(world)


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (EVERY_LETTER, 4),
        (LetterFilter(kind="reply"), 1),
        (LetterFilter(reason="WORKER_LOST"), 3),
        (LetterFilter(kind="reply", reason="WORKER_LOST"), 0),
        (LetterFilter(session_id="nobody"), 0),
        (LetterFilter(client_ids=("app",)), 4),
        (LetterFilter(client_ids=("other", "another")), 0),
        (LetterFilter(visible_to="other"), 0),
        (LetterFilter(ids=("nobody",)), 0),
    ],
)
async def test_a_preview_counts_what_matches_and_changes_nothing(
    letters: Letters, which: LetterFilter, found: int
) -> None:
    ids = [await letters.add() for _ in range(3)]
    ids.append(await letters.add("reply", "UPSTREAM_FAILED"))
    seen = (await letters.operations.preview(which)).progress
    assert (seen.matched, len(seen.open_ids), sum(seen.counts.values())) == (found, found, found)
    assert not any([(await letters.get(letter_id)).closed_as for letter_id in ids])


async def test_letters_of_an_age_are_meant(letters: Letters) -> None:
    old, _ = await letters.add(age=timedelta(days=3)), await letters.add()
    which = LetterFilter(before=letters.world.clock() - timedelta(days=1))
    assert (await letters.operations.preview(which)).progress.open_ids == (old,)


async def test_redriving_is_bounded_in_its_rate_and_goes_on_with_the_next_call(letters: Letters) -> None:
    """At 10 a second, a call redrives what fits into 8 s."""
    ids = [await letters.add() for _ in range(83)]
    operation = str(uuid4())
    first = await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
    assert (first.progress.matched, first.progress.done, len(first.progress.open_ids)) == (83, 80, 3)
    assert letters.world.paused_s == pytest.approx([0.1] * 80)
    later = await letters.add()
    second = await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
    assert (second.progress.matched, second.progress.done, second.progress.open_ids) == (83, 83, ())
    assert not (await letters.get(later)).closed_as, "a letter that came later is not part of it"
    for letter_id in ids:
        row = await letters.get(letter_id)
        assert (row.closed_as, row.closed_reason) == ("retried", "worker_fixed")
    job = await letters.world.read(lambda cursor: jobs.get(cursor, row.job_id))
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


async def test_repeating_a_finished_operation_does_nothing(letters: Letters) -> None:
    letter_id = await letters.add()
    operation = str(uuid4())
    with acting_as(OPERATOR):
        for _ in range(3):
            result = await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
            assert (result.progress.done, result.failed) == (1, 0)
    rows = await letters.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    written = [(row.action, row.object_type, row.object_id, row.reason, row.subject) for row in rows]
    assert written == [
        ("redrive", "dead_letters", operation, "worker_fixed", "key:0001"),
        ("redrive", "dead_letter", letter_id, "worker_fixed", "key:0001"),
    ]


async def test_a_redriven_job_that_fails_again_is_not_redriven_by_the_same_operation(letters: Letters) -> None:
    letter_id = await letters.add()
    operation = str(uuid4())
    await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
    job_id = (await letters.get(letter_id)).job_id

    def fail_again(cursor: Cursor) -> None:
        cursor.execute("UPDATE jobs SET state = 'DEAD' WHERE id = ?", [job_id])
        cursor.execute(
            "INSERT INTO dead_letters BY NAME (SELECT * REPLACE ('again' AS id, NULL AS closed_time, "
            "'' AS closed_as, '' AS operation_id) FROM dead_letters)"
        )

    await letters.world.ledger.write(fail_again)
    result = await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
    assert (result.progress.matched, result.progress.done) == (1, 1)
    assert not (await letters.get("again")).closed_as


async def test_discarding_closes_with_a_reason(letters: Letters) -> None:
    kept, gone = await letters.add("reply"), await letters.add()
    result = await letters.operations.discard(LetterFilter(kind="read_picture"), str(uuid4()), "duplicate")
    assert result.progress.done == 1
    assert ((await letters.get(gone)).closed_as, (await letters.get(gone)).closed_reason) == ("discarded", "duplicate")
    assert not (await letters.get(kept)).closed_as
    assert letters.world.paused_s == []


async def test_one_letter_that_cannot_be_redriven_does_not_keep_the_others(letters: Letters) -> None:
    strange, fine = await letters.add("of_another_release"), await letters.add()
    result = await letters.operations.redrive(EVERY_LETTER, str(uuid4()), "worker_fixed")
    assert (result.progress.done, result.failed, result.progress.open_ids) == (1, 1, (strange,))
    assert (await letters.get(fine)).closed_as == "retried"


@pytest.mark.parametrize("other", ["another reason", "another action"])
async def test_an_operation_id_is_not_used_twice(letters: Letters, other: str) -> None:
    operation = str(uuid4())
    await letters.operations.redrive(EVERY_LETTER, operation, "worker_fixed")
    with pytest.raises(Conflict) as refused:
        if other == "another reason":
            await letters.operations.redrive(EVERY_LETTER, operation, "again")
        else:
            await letters.operations.discard(EVERY_LETTER, operation, "worker_fixed")
    assert refused.value.reason == "OPERATION_ID_USED"
